/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_ctx.c - from the settings of a virtual host to an SSL_CTX.
 *
 * An SSL_CTX is shared by all hosts whose settings are equal, and kept for the
 * process, so that httpd's second reading of the configuration at start and
 * each graceful restart only build what has changed.  It therefore knows no
 * server_rec: callbacks find theirs through the connection.
 *
 * A few hosts that differ in their certificates alone have an SSL_CTX each,
 * with the certificate in it: nothing is cheaper for a handshake.  Many share
 * one without: it takes 13 KB and 100 us to make, a certificate half of that,
 * and to give one to a connection takes 4 us.
 */
#include "ssl_confcmd.h"
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_keylog.h"
#include "ssl_log.h"
#include "ssl_pairs.h"
#include "ssl_scache.h"
#include "ssl_srp.h"
#include "ssl_stapling.h"
#include "ssl_ticket.h"
#include "ssl_verify.h"
#include "mod_ssl_openssl.h"

#include "apr_optional_hooks.h"
#include "http_main.h"

#include <openssl/dh.h>

#define CONTEXTS "mod_ssl:contexts-2"
#define EXTRAS_KEY "mod_ssl:extras"

/* The number of certificates up to which hosts of otherwise equal settings have
 * an SSL_CTX each.  A test build may set it to 0, so that all of them share. */
#ifndef SSL_FEW_CERTS
#define SSL_FEW_CERTS 64
#endif

struct ssl_ctx_group {
    const char *signature; /* of the settings */
    apr_hash_t *sets;      /* the distinct ssl_cert_set, by their pairs */
    SSL *probe;            /* of the SSL_CTX without certificates, once there is one */
};

struct ssl_ctx_plan {
    apr_pool_t *p;
    apr_hash_t *groups; /* signature -> ssl_ctx_group */
    const char *now;    /* tells this reading of the configuration from all others */
};

ssl_ctx_extras *ssl_ctx_extras_of(SSL_CTX *ctx)
{
    return apr_hash_get(ssl_kept_hash(EXTRAS_KEY), &ctx, sizeof(ctx));
}

ssl_ctx_extras *ssl_ctx_extras_make(SSL_CTX *ctx)
{
    ssl_ctx_extras *extras = ssl_ctx_extras_of(ctx);

    if (!extras) {
        extras = ap_malloc(sizeof(*extras));
        *extras = (ssl_ctx_extras){ .ctx = ctx };
        apr_hash_set(ssl_kept_hash(EXTRAS_KEY), &extras->ctx, sizeof(extras->ctx), extras);
    }
    return extras;
}

static void ctx_free(SSL_CTX *ctx)
{
    ssl_ctx_extras *extras = ssl_ctx_extras_of(ctx);

    if (extras) {
        apr_hash_set(ssl_kept_hash(EXTRAS_KEY), &extras->ctx, sizeof(extras->ctx), NULL);
        ssl_srp_free(extras->srp_users);
        free(extras->groups);
        free(extras);
    }
    SSL_CTX_free(ctx);
}

static apr_status_t fail(ssl_ctx_build *b, const char *message)
{
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server, "%s: %s", b->id, message);
    ssl_log_queue(APLOG_MARK, APLOG_EMERG, b->server);
    return APR_EGENERAL;
}

/* --- protocols and options ------------------------------------------------ */

static const struct {
    int bit;
    int version;
} versions[] = {
    { SSL_PROTO_SSLV3, SSL3_VERSION },
    { SSL_PROTO_TLSV1, TLS1_VERSION },
    { SSL_PROTO_TLSV1_1, TLS1_1_VERSION },
    { SSL_PROTO_TLSV1_2, TLS1_2_VERSION },
    { SSL_PROTO_TLSV1_3, TLS1_3_VERSION },
};

/* The bounds of what is allowed.  Where SSLProtocol leaves a hole, what lies
 * below it is not allowed either, as it always has been. */
void ssl_ctx_protocol_bounds(int protocols, int *low, int *high)
{
    int i;

    *low = *high = 0;
    for (i = (int)(sizeof(versions) / sizeof(versions[0])) - 1; i >= 0; i--) {
        if (protocols & versions[i].bit) {
            *high = *high ? *high : versions[i].version;
            *low = versions[i].version;
        }
        else if (*high) {
            break;
        }
    }
}

apr_status_t ssl_ctx_set_protocols(ssl_ctx_build *b)
{
    int low, high;

    ssl_ctx_protocol_bounds(b->cfg->tls.protocols, &low, &high);
    if (!low) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                     APLOGNO(02231) "%s: No SSL protocols available [hint: %s]", b->id,
                     b->outgoing ? "SSLProxyProtocol" : "SSLProtocol");
        return APR_EGENERAL;
    }
    SSL_CTX_set_min_proto_version(b->ctx, low);
    SSL_CTX_set_max_proto_version(b->ctx, high);
    return APR_SUCCESS;
}

static void set_options(ssl_ctx_build *b)
{
    const ssl_server_config *cfg = b->cfg;
    uint64_t options = SSL_OP_ALL | SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION;

    /* A client may close its half without close_notify and still wait for the answer. */
    options |= SSL_OP_IGNORE_UNEXPECTED_EOF;

    options |= cfg->compression ? 0 : SSL_OP_NO_COMPRESSION;
    options |= cfg->session_tickets ? 0 : SSL_OP_NO_TICKET;
    options |= cfg->honor_cipher_order ? SSL_OP_CIPHER_SERVER_PREFERENCE : 0;
    options |= cfg->insecure_renegotiation ? SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION : 0;
    SSL_CTX_set_options(b->ctx, options);
    if (cfg->compression) {
        SSL_CTX_clear_options(b->ctx, SSL_OP_NO_COMPRESSION);
    }
    /* Records go through brigades that may move. */
    SSL_CTX_set_mode(b->ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_num_tickets(b->ctx, (size_t)cfg->num_tickets);
}

/* A TLS 1.3 ticket that nothing could resume is not worth its bytes. */
static apr_status_t drop_useless_tickets(ssl_ctx_build *b)
{
    if (!b->cfg->session_tickets && (SSL_CTX_get_options(b->ctx) & SSL_OP_NO_TICKET) && !ssl_global()->session_cache) {
        SSL_CTX_set_num_tickets(b->ctx, 0);
    }
    return APR_SUCCESS;
}

apr_status_t ssl_ctx_set_ciphers(ssl_ctx_build *b)
{
    const ssl_tls_settings *tls = &b->cfg->tls;

    if (tls->cipher_suite && !SSL_CTX_set_cipher_list(b->ctx, tls->cipher_suite)) {
        return fail(b, APLOGNO(01898) "Unable to configure permitted SSL ciphers: SSLCipherSuite (for backends "
                       "SSLProxyCipherSuite) names none that this OpenSSL has");
    }
    if (tls->tls13_cipher_suites && !SSL_CTX_set_ciphersuites(b->ctx, tls->tls13_cipher_suites)) {
        return fail(b, APLOGNO(10127) "Unable to configure permitted TLSv1.3 ciphers: SSLCipherSuite TLSv1.3 names "
                       "one that this OpenSSL has not");
    }
    return APR_SUCCESS;
}

static EVP_PKEY *ffdhe2048(void)
{
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    EVP_PKEY *params = NULL;

    if (maker && EVP_PKEY_paramgen_init(maker) == 1 && EVP_PKEY_CTX_set_dh_nid(maker, NID_ffdhe2048) == 1) {
        EVP_PKEY_paramgen(maker, &params);
    }
    EVP_PKEY_CTX_free(maker);
    return params;
}

/* As strong as the certificate's key, unless a policy says otherwise. What the
 * security level forbids is left to OpenSSL's choice, which obeys that. */
static apr_status_t set_dh(ssl_ctx_build *b)
{
    EVP_PKEY *params = b->cfg->dh_bits == 2048 ? ffdhe2048() : NULL;

    SSL_CTX_set_dh_auto(b->ctx, b->cfg->dh_bits == 1024 ? 2 : 1);
    if (params && SSL_CTX_set0_tmp_dh_pkey(b->ctx, params) == 1) {
        SSL_CTX_set_dh_auto(b->ctx, 0);
        params = NULL;
    }
    EVP_PKEY_free(params);
    ERR_clear_error();
    return APR_SUCCESS;
}

/* --- the whole -------------------------------------------------------------- */

static apr_status_t check_has_cert(ssl_ctx_build *b)
{
    if (!b->certs || ssl_global()->reporting || SSL_CTX_check_private_key(b->ctx)) {
        ERR_clear_error();
        return APR_SUCCESS;
    }
    if (SSL_CTX_get0_certificate(b->ctx) || (b->cfg->cert_files && b->cfg->cert_files->nelts)) {
        return fail(b, APLOGNO(02572) "Failed to configure at least one certificate and key: SSLOpenSSLConfCmd "
                       "Certificate and PrivateKey only work as a pair");
    }
    ERR_clear_error();
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                 APLOGNO(02572) "Failed to configure at least one certificate and key for %s: SSLEngine is on (%s), "
                 "but no SSLCertificateFile applies", b->id, b->cfg->defined_at ? ssl_config_place_of(b->p, b->cfg->defined_at) : "inherited");
    return APR_EGENERAL;
}

/* Addresses of ours: set again when a kept SSL_CTX is used by reloaded code. */
static void set_callbacks(SSL_CTX *ctx, const ssl_server_config *cfg)
{
    SSL_CTX_set_client_hello_cb(ctx, ssl_sni_client_hello, NULL);
    SSL_CTX_set_tlsext_servername_callback(ctx, ssl_sni_servername);
    SSL_CTX_set_alpn_select_cb(ctx, ssl_sni_alpn_select, NULL);
    SSL_CTX_set_info_callback(ctx, ssl_log_info_callback);
    SSL_CTX_set_verify(ctx, SSL_CTX_get_verify_mode(ctx), ssl_verify_callback);
    ssl_srp_set_callback(ctx);
    ssl_keylog_setup(ctx);
    ssl_ticket_setup(ctx);
    ssl_scache_setup(ctx, cfg->session_timeout);
    ssl_stapling_setup(ctx);
}

static apr_status_t build(ssl_ctx_build *b)
{
    static apr_status_t (*const steps[])(ssl_ctx_build *) = {
        ssl_ctx_set_protocols, ssl_ctx_set_ciphers, set_dh, ssl_verify_setup, ssl_certs_use, ssl_srp_load,
        ssl_confcmd_run, drop_useless_tickets, check_has_cert, ssl_chain_complete
    };
    size_t i;

    ERR_clear_error();
    b->ctx = SSL_CTX_new(TLS_server_method());
    if (!b->ctx) {
        return fail(b, "OpenSSL cannot make an SSL_CTX");
    }
    set_options(b);
    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (steps[i](b) != APR_SUCCESS) {
            ctx_free(b->ctx);
            b->ctx = NULL;
            return APR_EGENERAL;
        }
    }
    return APR_SUCCESS;
}

/* --- which hosts share ------------------------------------------------------ */

ssl_ctx_plan *ssl_ctx_plan_make(apr_pool_t *ptemp)
{
    ssl_ctx_plan *plan = apr_pcalloc(ptemp, sizeof(*plan));

    plan->p = ptemp;
    plan->groups = apr_hash_make(ptemp);
    plan->now = apr_psprintf(ptemp, "%" APR_TIME_T_FMT, apr_time_now());
    return plan;
}

/* Files below a directory of CAs or CRLs are not all looked at here: what is
 * made of them serves one reading of the configuration. */
static int has_directories(const ssl_server_config *cfg)
{
    int i;

    for (i = 0; cfg->conf_cmds && i < cfg->conf_cmds->nelts; i++) {
        if (APR_ARRAY_IDX(cfg->conf_cmds, i, ssl_conf_cmd).type == SSL_CONF_TYPE_DIR) {
            return 1;
        }
    }
    return cfg->tls.ca_path || cfg->tls.crl_path || cfg->ca_dn_path;
}

/* What another module does to an SSL_CTX is meant for one host. */
int ssl_ctx_others_look(void)
{
    return apr_optional_hook_get("init_server") != NULL;
}

static ssl_ctx_group *find_group(ssl_ctx_plan *plan, const ssl_server_config *cfg, apr_pool_t *scratch)
{
    const char *signature = apr_pstrcat(scratch, ssl_config_signature(scratch, cfg),
                                        ssl_global()->session_cache ? "\ncache" : "\nno cache",
                                        ssl_global()->fips == 1 ? "\nfips\n" : "\n",
                                        has_directories(cfg) ? plan->now : "", NULL);
    ssl_ctx_group *group = apr_hash_get(plan->groups, signature, APR_HASH_KEY_STRING);

    if (!group) {
        group = apr_pcalloc(plan->p, sizeof(*group));
        group->signature = apr_pstrdup(plan->p, signature);
        group->sets = apr_hash_make(plan->p);
        apr_hash_set(plan->groups, group->signature, APR_HASH_KEY_STRING, group);
    }
    return group;
}

/* Commands that have the same effect on an SSL_CTX whether its certificates
 * are there or come with each connection.  Of others that is not known. */
static int is_about_protocol(const char *command)
{
    static const char *const names[] = { "Protocol", "MinProtocol", "MaxProtocol", "Options", "Curves", "Groups",
                                         "SignatureAlgorithms", "ClientSignatureAlgorithms", "Ciphersuites",
                                         "RecordPadding" };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (ap_cstr_casecmp(names[i], command) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Whether one of B's certificates or keys is in a token: what OpenSSL does for
 * each connection that is given them should not depend on it. */
static int uses_token(const ssl_ctx_build *b)
{
    apr_array_header_t *const lists[] = { b->cfg->cert_files, b->cfg->key_files };
    int i, j;

    for (i = 0; i < 2; i++) {
        for (j = 0; lists[i] && j < lists[i]->nelts; j++) {
            if (ssl_is_key_uri(APR_ARRAY_IDX(lists[i], j, const char *))) {
                return 1;
            }
        }
    }
    return 0;
}

static int has_special_command(const ssl_ctx_build *b)
{
    apr_array_header_t *cmds = b->cfg->conf_cmds;
    int i;

    for (i = 0; cmds && i < cmds->nelts; i++) {
        if (!is_about_protocol(APR_ARRAY_IDX(cmds, i, ssl_conf_cmd).name)) {
            return 1;
        }
    }
    return 0;
}

/* Whether B's host can't give its certificates to each SSL instead. */
static int needs_own_ctx(const ssl_ctx_build *b)
{
    int i;

    /* A dump describes what is in the SSL_CTX; a module that sees an SSL
     * before its handshake may look for the certificate. */
    if (b->pairs->nelts == 0 || ssl_global()->reporting || ssl_ctx_others_look() ||
        apr_optional_hook_get("pre_handshake")) {
        return 1;
    }
    for (i = 0; i < b->pairs->nelts; i++) {
        const ssl_pair *pair = APR_ARRAY_IDX(b->pairs, i, const ssl_pair *);

        if (!pair->signature || pair->has_parameters) {
            return 1;
        }
    }
    return uses_token(b) || has_special_command(b);
}

/* The one copy of PAIRS for all hosts of GROUP that have just these. */
static ssl_cert_set *intern_pairs(ssl_ctx_group *group, const apr_array_header_t *pairs, apr_pool_t *p)
{
    apr_size_t size = sizeof(ssl_pair *) * (apr_size_t)pairs->nelts;
    ssl_cert_set *set = size ? apr_hash_get(group->sets, pairs->elts, (apr_ssize_t)size) : NULL;

    if (!set) {
        set = apr_pcalloc(p, sizeof(*set));
        set->n = pairs->nelts;
        set->pairs = apr_pmemdup(p, pairs->elts, size);
        if (size) {
            apr_hash_set(group->sets, set->pairs, (apr_ssize_t)size, set);
        }
    }
    return set;
}

apr_status_t ssl_ctx_prepare(ssl_ctx_plan *plan, ssl_host *host, apr_pool_t *p, apr_pool_t *scratch)
{
    ssl_ctx_build b = { .server = host->server, .cfg = ssl_config_of(host->server), .id = host->id, .p = scratch };

    if (ssl_certs_load(&b) != APR_SUCCESS) {
        return APR_EGENERAL;
    }
    host->group = find_group(plan, b.cfg, scratch);
    host->certs = intern_pairs(host->group, b.pairs, p);
    host->needs_own_ctx = needs_own_ctx(&b) ? 1 : 0;
    return APR_SUCCESS;
}

/* What the SSL_CTX of HOST is kept under; NULL if it is not kept. */
static const char *sign(const ssl_host *host, apr_pool_t *scratch)
{
    apr_array_header_t *parts = apr_array_make(scratch, 4, sizeof(const char *));
    int i;

    APR_ARRAY_PUSH(parts, const char *) = host->group->signature;
    /* A host without any must not take the one that others share without theirs. */
    APR_ARRAY_PUSH(parts, const char *) = host->gives_certs ? "certificates given" : "certificates:";
    for (i = 0; !host->gives_certs && i < host->certs->n; i++) {
        if (!host->certs->pairs[i]->signature) {
            return NULL;
        }
        APR_ARRAY_PUSH(parts, const char *) = host->certs->pairs[i]->signature;
    }
    return ssl_ctx_others_look() ? NULL : apr_array_pstrcat(scratch, parts, '\n');
}

/* An SSL_CTX that can't be kept is freed with the configuration that made it. */
static apr_status_t free_ctx(void *ctx)
{
    ctx_free(ctx);
    return APR_SUCCESS;
}

static SSL_CTX *take_kept(const ssl_ctx_build *b, const char *signature)
{
    ssl_kept *found = ssl_kept_find(CONTEXTS, signature);

    if (found && !found->in_use) {
        found->in_use = 1;
        set_callbacks(found->object, b->cfg);
    }
    return found ? found->object : NULL;
}

static SSL_CTX *find_or_build(ssl_ctx_build *b, const char *signature)
{
    SSL_CTX *ctx = signature ? take_kept(b, signature) : NULL;

    if (ctx || build(b) != APR_SUCCESS) {
        return ctx;
    }
    set_callbacks(b->ctx, b->cfg);
    if (signature) {
        ssl_kept_add(CONTEXTS, signature, b->ctx);
    }
    else {
        apr_pool_cleanup_register(b->server->process->pconf, b->ctx, free_ctx, apr_pool_cleanup_null);
    }
    return b->ctx;
}

static apr_status_t free_probe(void *probe)
{
    SSL_free(probe);
    return APR_SUCCESS;
}

/* Settles the chains of HOST's certificates and tries them, once for all hosts that have the same. */
static apr_status_t check_certs(ssl_ctx_plan *plan, ssl_host *host, ssl_ctx_build *b)
{
    ssl_ctx_group *group = host->group;

    if (b->certs->chains) {
        return APR_SUCCESS;
    }
    if (!group->probe) {
        group->probe = SSL_new(host->ctx);
        apr_pool_cleanup_register(plan->p, group->probe, free_probe, apr_pool_cleanup_null);
    }
    ssl_chain_complete_set(b->certs, host->ctx, host->server->process->pconf);
    return ssl_certs_try(b, group->probe);
}

apr_status_t ssl_ctx_assign(ssl_ctx_plan *plan, ssl_host *host, apr_pool_t *scratch)
{
    ssl_ctx_build b = { .server = host->server, .cfg = ssl_config_of(host->server), .id = host->id, .p = scratch };

    host->gives_certs = !host->needs_own_ctx && apr_hash_count(host->group->sets) > SSL_FEW_CERTS;
    b.certs = host->gives_certs ? NULL : host->certs;
    host->ctx = find_or_build(&b, sign(host, scratch));
    if (!host->ctx) {
        return APR_EGENERAL;
    }
    host->extras = ssl_ctx_extras_of(host->ctx);
    b.certs = host->certs;
    return host->gives_certs ? check_certs(plan, host, &b) : APR_SUCCESS;
}

static void destroy_ctx(void *ctx)
{
    ctx_free(ctx);
}

static void sweep(void)
{
    ssl_kept_sweep(CONTEXTS, destroy_ctx);
    ssl_pairs_sweep();
}

/* The process ends: nothing is kept for another reading of the configuration. */
static apr_status_t forget_all(void *unused)
{
    (void)unused;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_EXITING) {
        sweep(); /* all have lost their marks when this configuration was made */
    }
    return APR_SUCCESS;
}

void ssl_ctx_sweep(apr_pool_t *p)
{
    sweep();
    apr_pool_cleanup_register(p, NULL, forget_all, apr_pool_cleanup_null);
}
