/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_ctx.c - from the settings of a virtual host to an SSL_CTX.
 *
 * An SSL_CTX is shared by all hosts whose settings are equal, and kept for the
 * process, so that httpd's second reading of the configuration at start and
 * each graceful restart only build what has changed.  It therefore knows no
 * server_rec: callbacks find theirs through the connection.
 */
#include "ssl_confcmd.h"
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_keylog.h"
#include "ssl_log.h"
#include "ssl_scache.h"
#include "ssl_srp.h"
#include "ssl_ticket.h"
#include "ssl_verify.h"
#include "mod_ssl_openssl.h"

#include "apr_optional_hooks.h"
#include "http_main.h"

#include <openssl/dh.h>

#define CACHE_KEY "mod_ssl:contexts"
#define EXTRAS_KEY "mod_ssl:extras"

/** A kept SSL_CTX.  Allocated by malloc: entries come and go for the life of the process. */
typedef struct kept_ctx {
    SSL_CTX *ctx;
    char *signature;
    int in_use; /* by the configuration that is being made */
} kept_ctx;

apr_hash_t *ssl_kept_hash(const char *name)
{
    apr_pool_t *process = ap_server_conf->process->pool;
    void *data = NULL;

    apr_pool_userdata_get(&data, name, process);
    if (!data) {
        data = apr_hash_make(process);
        apr_pool_userdata_set(data, name, apr_pool_cleanup_null, process); /* copies the name */
    }
    return data;
}

static apr_hash_t *kept_contexts(void)
{
    return ssl_kept_hash(CACHE_KEY);
}

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
static apr_status_t set_protocols(ssl_ctx_build *b)
{
    int protocols = b->cfg->tls.protocols, low = 0, high = 0, i;

    for (i = (int)(sizeof(versions) / sizeof(versions[0])) - 1; i >= 0; i--) {
        if (protocols & versions[i].bit) {
            high = high ? high : versions[i].version;
            low = versions[i].version;
        }
        else if (high) {
            break;
        }
    }
    if (!low) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                     APLOGNO(02231) "%s: No SSL protocols available [hint: SSLProtocol]", b->id);
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

static apr_status_t set_ciphers(ssl_ctx_build *b)
{
    const ssl_tls_settings *tls = &b->cfg->tls;

    if (tls->cipher_suite && !SSL_CTX_set_cipher_list(b->ctx, tls->cipher_suite)) {
        return fail(b, APLOGNO(01898) "Unable to configure permitted SSL ciphers: SSLCipherSuite names none that "
                       "this OpenSSL has");
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
    if (ssl_global()->reporting || SSL_CTX_check_private_key(b->ctx)) {
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
                 "but no SSLCertificateFile applies", b->id, b->cfg->defined_at ? b->cfg->defined_at : "inherited");
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
}

static apr_status_t make_ctx(ssl_ctx_build *b)
{
    static apr_status_t (*const steps[])(ssl_ctx_build *) = {
        set_protocols, set_ciphers, set_dh, ssl_verify_setup, ssl_certs_use, ssl_srp_load, ssl_confcmd_run,
        drop_useless_tickets, check_has_cert, ssl_chain_complete
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

static apr_status_t build(ssl_ctx_build *b)
{
    apr_status_t rv = ssl_certs_read(b);

    if (rv == APR_SUCCESS) {
        rv = make_ctx(b);
    }
    ssl_certs_release(b);
    return rv;
}

/* Files below a directory of CAs or CRLs are not all looked at here: such
 * settings are built anew each time. */
static int may_be_kept(const ssl_server_config *cfg)
{
    int i;

    for (i = 0; cfg->conf_cmds && i < cfg->conf_cmds->nelts; i++) {
        if (APR_ARRAY_IDX(cfg->conf_cmds, i, ssl_conf_cmd).type == SSL_CONF_TYPE_DIR) {
            return 0;
        }
    }
    return !cfg->tls.ca_path && !cfg->tls.crl_path && !cfg->ca_dn_path && !apr_optional_hook_get("init_server");
}

static void keep(const char *signature, SSL_CTX *ctx)
{
    kept_ctx *entry = ap_malloc(sizeof(*entry));
    apr_hash_t *all = kept_contexts();

    entry->ctx = ctx;
    entry->in_use = 1;
    entry->signature = strdup(signature);
    apr_hash_set(all, entry->signature, APR_HASH_KEY_STRING, entry);
}

/* An SSL_CTX that can't be kept is freed with the configuration that made it. */
static apr_status_t free_ctx(void *ctx)
{
    ctx_free(ctx);
    return APR_SUCCESS;
}

SSL_CTX *ssl_ctx_for_server(server_rec *s, const char *id, apr_pool_t *ptemp)
{
    ssl_ctx_build b = { .server = s, .cfg = ssl_config_of(s), .id = id, .p = ptemp };
    const char *signature = NULL; /* stays NULL for what is not kept */
    kept_ctx *found = NULL;

    if (may_be_kept(b.cfg)) {
        signature = apr_pstrcat(ptemp, ssl_config_signature(ptemp, b.cfg),
                                ssl_global()->session_cache ? "\ncache" : "\nno cache",
                                ssl_global()->fips == 1 ? "\nfips" : "", NULL);
        found = apr_hash_get(kept_contexts(), signature, APR_HASH_KEY_STRING);
    }
    if (found) {
        if (!found->in_use) {
            found->in_use = 1;
            set_callbacks(found->ctx, b.cfg);
        }
        return found->ctx;
    }
    if (build(&b) != APR_SUCCESS) {
        return NULL;
    }
    set_callbacks(b.ctx, b.cfg);
    if (signature && !b.outdated_key) {
        keep(signature, b.ctx);
    }
    else {
        apr_pool_cleanup_register(s->process->pconf, b.ctx, free_ctx, apr_pool_cleanup_null);
    }
    return b.ctx;
}

static void forget(apr_hash_t *all, kept_ctx *entry)
{
    apr_hash_set(all, entry->signature, APR_HASH_KEY_STRING, NULL);
    ctx_free(entry->ctx);
    free(entry->signature);
    free(entry);
}

/* The process ends: nothing is kept for another reading of the configuration. */
static apr_status_t forget_all(void *unused)
{
    apr_hash_t *all = kept_contexts();
    apr_hash_index_t *i;

    (void)unused;
    for (i = apr_hash_first(NULL, all); i && ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_EXITING; i = apr_hash_next(i)) {
        forget(all, apr_hash_this_val(i));
    }
    return APR_SUCCESS;
}

void ssl_ctx_sweep(apr_pool_t *p, apr_pool_t *ptemp)
{
    apr_hash_t *all = kept_contexts();
    apr_hash_index_t *i;

    for (i = apr_hash_first(ptemp, all); i; i = apr_hash_next(i)) {
        kept_ctx *entry = apr_hash_this_val(i);

        if (entry->in_use) {
            entry->in_use = 0;
        }
        else {
            forget(all, entry);
        }
    }
    apr_pool_cleanup_register(p, NULL, forget_all, apr_pool_cleanup_null);
}
