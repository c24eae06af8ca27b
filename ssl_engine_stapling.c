/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_stapling.c - OCSP stapling: which certificates it is for, and the
 * side of the handshake.
 *
 * A handshake never asks a responder, never waits for a lock, and never fails
 * for want of an answer (but see SSLStaplingMustStaple): it copies what the
 * table holds, or staples nothing.
 *
 * The table outlives restarts: it is anonymous memory, found through the
 * process pool.  Its slots are in the order of the certificates' keys.  When
 * these change there is a new table, into which answers move; children of the
 * old generation go on with the old one, which nobody fills any longer.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ssl_check.h"
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_ocsp.h"
#include "ssl_stapling.h"
#include "ssl_x509.h"
#include "mod_ssl_openssl.h"

#include "apr_optional_hooks.h"
#include "http_ssl.h"

#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#define KEPT_TABLE "mod_ssl:staples"

/* The first that does not decline counts; APR only has the other kind for optional hooks. */
int ssl_run_init_stapling_status(server_rec *s, apr_pool_t *p, X509 *cert, X509 *issuer)
{
    const apr_array_header_t *hooks = apr_optional_hook_get("init_stapling_status");
    int i, rv = DECLINED;

    for (i = 0; hooks && i < hooks->nelts && rv == DECLINED; i++) {
        rv = APR_ARRAY_IDX(hooks, i, ssl_LINK_init_stapling_status_t).pFunc(s, p, cert, issuer);
    }
    return rv;
}

int ssl_run_get_stapling_status(unsigned char **pder, int *pderlen, conn_rec *c, server_rec *s, X509 *cert)
{
    const apr_array_header_t *hooks = apr_optional_hook_get("get_stapling_status");
    int i, rv = DECLINED;

    for (i = 0; hooks && i < hooks->nelts && rv == DECLINED; i++) {
        rv = APR_ARRAY_IDX(hooks, i, ssl_LINK_get_stapling_status_t).pFunc(pder, pderlen, c, s, cert);
    }
    return rv;
}

/** Lives in the process pool: it is read by code that was loaded later, perhaps of another version. */
typedef struct kept_table {
    apr_uint32_t layout; /* SSL_STAPLE_LAYOUT of who made it */
    apr_uint32_t slots;
    unsigned char *memory;
    unsigned char *keys; /* by malloc: one for each slot, ascending */
} kept_table;

static ssl_stapling *current; /* of the configuration in force */

/** The hosts' certificates, while they are collected. */
typedef struct collection {
    ssl_stapling *stapling;
    apr_pool_t *p, *ptemp;
    int others; /* other modules may bring answers */
} collection;

/* --- a certificate ------------------------------------------------------------ */

static apr_status_t free_cert(void *data)
{
    ssl_staple_cert *cert = data;

    X509_free(cert->cert);
    X509_free(cert->issuer);
    return APR_SUCCESS;
}

static const char *describe(apr_pool_t *p, X509 *leaf)
{
    int len = 0;
    const unsigned char *path = X509_alias_get0(leaf, &len); /* by ssl_certs_load() */

    return apr_psprintf(p, "'%.*s' ('%s')", path ? len : 0, path ? (const char *)path : "",
                        ssl_check_subject(p, leaf));
}

/* LEAF's record, made if need be for host S.  NULL: out of memory. */
static ssl_staple_cert *record_of(collection *all, server_rec *s, X509 *leaf)
{
    ssl_staple_cert *cert = apr_hash_get(all->stapling->by_cert, &leaf, sizeof(leaf));
    unsigned char key[EVP_MAX_MD_SIZE];

    if (cert || !X509_digest(leaf, EVP_sha256(), key, NULL)) {
        return cert;
    }
    cert = apr_hash_get(all->stapling->by_key, key, SSL_STAPLE_KEY);
    if (cert) {
        return cert;
    }
    cert = apr_pcalloc(all->p, sizeof(*cert));
    memcpy(cert->key, key, sizeof(cert->key));
    X509_up_ref(leaf);
    cert->cert = leaf;
    cert->server = s;
    cert->name = describe(all->p, leaf);
    cert->must_staple = ssl_cert_must_staple(leaf) ? 1 : 0;
    apr_pool_cleanup_register(all->p, cert, free_cert, apr_pool_cleanup_null);
    apr_hash_set(all->stapling->by_cert, &cert->cert, sizeof(cert->cert), cert);
    apr_hash_set(all->stapling->by_key, cert->key, sizeof(cert->key), cert);
    return cert;
}

static X509 *issuer_in_chain(X509 *leaf, STACK_OF(X509) *chain)
{
    int i;

    for (i = 0; i < sk_X509_num(chain); i++) {
        X509 *candidate = sk_X509_value(chain, i);

        if (X509_check_issued(candidate, leaf) == X509_V_OK) {
            X509_up_ref(candidate);
            return candidate;
        }
    }
    return NULL;
}

/* A new reference to the issuer of LEAF, from what is sent with it or the CAs of the host; or NULL. */
static X509 *find_issuer(X509 *leaf, STACK_OF(X509) *chain, X509_STORE *store)
{
    X509 *issuer = issuer_in_chain(leaf, chain);
    X509_STORE_CTX *walk = issuer ? NULL : X509_STORE_CTX_new();

    if (walk && X509_STORE_CTX_init(walk, store, leaf, NULL) && X509_STORE_CTX_get1_issuer(&issuer, walk, leaf) != 1) {
        issuer = NULL;
    }
    X509_STORE_CTX_free(walk);
    ERR_clear_error();
    return issuer;
}

/* Where the issuer's certificate is to be had, as CERT tells; or NULL. */
static const char *issuer_url(apr_pool_t *p, X509 *cert)
{
    AUTHORITY_INFO_ACCESS *places = X509_get_ext_d2i(cert, NID_info_access, NULL, NULL);
    const char *url = NULL;
    int i;

    for (i = 0; !url && i < sk_ACCESS_DESCRIPTION_num(places); i++) {
        const ACCESS_DESCRIPTION *place = sk_ACCESS_DESCRIPTION_value(places, i);

        if (OBJ_obj2nid(place->method) == NID_ad_ca_issuers && place->location->type == GEN_URI) {
            url = ssl_x509_string(p, place->location->d.uniformResourceIdentifier, 0);
        }
    }
    AUTHORITY_INFO_ACCESS_free(places);
    ERR_clear_error();
    return url;
}

/* --- who answers for it ----------------------------------------------------------- */

static const char *pem_of(collection *all, const ssl_staple_cert *cert)
{
    return apr_pstrcat(all->ptemp, ssl_x509_pem(all->ptemp, cert->cert), ssl_x509_pem(all->ptemp, cert->issuer), NULL);
}

/* Whether another module brings the answers for CERT on host S. */
static int is_foreign(collection *all, server_rec *s, const ssl_staple_cert *cert)
{
    return ssl_run_init_stapling_status(s, all->p, cert->cert, cert->issuer) == OK ||
           ap_ssl_ocsp_prime(s, all->p, (const char *)cert->key, sizeof(cert->key), pem_of(all, cert)) == APR_SUCCESS;
}

/* The URL to ask about CERT, or NULL and *WHY there is none. */
static const char *responder_of(apr_pool_t *p, const ssl_staple_cert *cert, const char **why)
{
    const char *forced = ssl_config_of(cert->server)->stapling.force_url;
    const char *url = forced ? forced : ssl_ocsp_responder(p, cert->cert);

    *why = url ? ssl_ocsp_url_problem(p, url) : "it names none";
    if (*why && url) {
        *why = apr_psprintf(p, "%s: %s", url, *why);
    }
    return *why ? NULL : url;
}

static void make_own(collection *all, server_rec *s, ssl_staple_cert *cert)
{
    if (!cert->own) {
        const char *why;

        cert->server = s;
        cert->responder = responder_of(all->p, cert, &why);
        cert->own = cert->responder ? 1 : 0;
    }
}

/* Host S serves LEAF, and CHAIN after it. */
static void add_cert(collection *all, server_rec *s, X509 *leaf, STACK_OF(X509) *chain)
{
    const ssl_server_config *cfg = ssl_config_of(s);
    int wanted = cfg->stapling.enable;
    ssl_staple_cert *cert;

    if (!leaf || (!wanted && !all->others)) {
        return;
    }
    cert = record_of(all, s, leaf);
    if (!cert || (cert->own && !all->others)) {
        return;
    }
    cert->wanted |= wanted ? 1 : 0;
    if (!cert->issuer) {
        cert->issuer = find_issuer(leaf, chain, SSL_CTX_get_cert_store(cfg->host->ctx));
    }
    if (!cert->issuer) {
        return;
    }
    if (all->others && is_foreign(all, s, cert)) {
        cert->foreign = 1;
    }
    else if (wanted) {
        make_own(all, s, cert);
    }
}

/* Those that connections of S get. */
static void add_given_certs(collection *all, server_rec *s)
{
    const ssl_cert_set *certs = ssl_config_of(s)->host->certs;
    int i;

    for (i = 0; i < certs->n; i++) {
        add_cert(all, s, certs->pairs[i]->cert, certs->chains[i]);
    }
}

/* Those of the SSL_CTX: also what SSLOpenSSLConfCmd or another module has put there. */
static void add_ctx_certs(collection *all, server_rec *s)
{
    SSL_CTX *ctx = ssl_config_of(s)->host->ctx;
    STACK_OF(X509) *own, *extra = NULL;
    long more = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_FIRST);

    SSL_CTX_get_extra_chain_certs_only(ctx, &extra);
    for (; more; more = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_NEXT)) {
        own = NULL;
        SSL_CTX_get0_chain_certs(ctx, &own);
        add_cert(all, s, SSL_CTX_get0_certificate(ctx), sk_X509_num(own) > 0 ? own : extra);
    }
    ERR_clear_error();
}

/* --- the table ------------------------------------------------------------------------ */

static kept_table *find_kept(void)
{
    return ssl_kept_record(KEPT_TABLE, KEPT_TABLE, sizeof(kept_table));
}

static unsigned char *keys_of(const ssl_stapling *stapling)
{
    unsigned char *keys = ap_malloc((size_t)stapling->certs->nelts * SSL_STAPLE_KEY + 1);
    int i;

    for (i = 0; i < stapling->certs->nelts; i++) {
        memcpy(keys + (size_t)i * SSL_STAPLE_KEY, APR_ARRAY_IDX(stapling->certs, i, ssl_staple_cert *)->key,
               SSL_STAPLE_KEY);
    }
    return keys;
}

/* Both have their keys in ascending order. */
static void move_answers(const kept_table *old, const unsigned char *keys, const ssl_staple_table *to)
{
    const ssl_staple_table from = { old->memory, old->slots };
    uint32_t i, at = 0;

    for (i = 0; i < from.slots; i++) {
        const unsigned char *key = old->keys + (size_t)i * SSL_STAPLE_KEY;

        while (at < to->slots && memcmp(keys + (size_t)at * SSL_STAPLE_KEY, key, SSL_STAPLE_KEY) < 0) {
            at++;
        }
        if (at < to->slots && memcmp(keys + (size_t)at * SSL_STAPLE_KEY, key, SSL_STAPLE_KEY) == 0) {
            ssl_staple_copy(&from, i, to, at);
        }
    }
}

static void replace_kept(kept_table *kept, const ssl_staple_table *table, unsigned char *keys)
{
    if (kept->memory) {
        munmap(kept->memory, ssl_staple_size(kept->slots));
        free(kept->keys);
    }
    *kept = (kept_table){ SSL_STAPLE_LAYOUT, table->slots, table->memory, keys };
}

static apr_status_t make_table(ssl_stapling *stapling)
{
    kept_table *kept = find_kept();
    ssl_staple_table *table = &stapling->table;
    unsigned char *keys = keys_of(stapling);
    size_t keys_size = (size_t)stapling->certs->nelts * SSL_STAPLE_KEY;

    table->slots = (uint32_t)stapling->certs->nelts;
    if (kept->memory && kept->layout == SSL_STAPLE_LAYOUT && kept->slots == table->slots &&
        memcmp(kept->keys, keys, keys_size) == 0) {
        table->memory = kept->memory;
        free(keys);
        return APR_SUCCESS;
    }
    table->memory = mmap(NULL, ssl_staple_size(table->slots), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table->memory == MAP_FAILED) {
        apr_status_t rv = APR_FROM_OS_ERROR(errno);

        free(keys);
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, stapling->server, "cannot have shared memory for the OCSP answers of "
                     "%u certificates", table->slots);
        return rv;
    }
    if (kept->memory && kept->layout == SSL_STAPLE_LAYOUT) {
        move_answers(kept, keys, table);
    }
    replace_kept(kept, table, keys);
    return APR_SUCCESS;
}

/* --- start ------------------------------------------------------------------------------ */

static int others_bring_answers(void)
{
    const apr_array_header_t *core = ap_hook_get_ssl_ocsp_prime_hook();

    return (core && core->nelts > 0) || apr_optional_hook_get("init_stapling_status") != NULL;
}

static int by_key(const void *a, const void *b)
{
    return memcmp((*(ssl_staple_cert *const *)a)->key, (*(ssl_staple_cert *const *)b)->key, SSL_STAPLE_KEY);
}

static void give_slots(ssl_stapling *stapling, apr_pool_t *ptemp)
{
    apr_hash_index_t *i;
    int n;

    for (i = apr_hash_first(ptemp, stapling->by_key); i; i = apr_hash_next(i)) {
        ssl_staple_cert *cert = apr_hash_this_val(i);

        if (cert->own) {
            APR_ARRAY_PUSH(stapling->certs, ssl_staple_cert *) = cert;
        }
    }
    qsort(stapling->certs->elts, (size_t)stapling->certs->nelts, sizeof(ssl_staple_cert *), by_key);
    for (n = 0; n < stapling->certs->nelts; n++) {
        APR_ARRAY_IDX(stapling->certs, n, ssl_staple_cert *)->slot = (uint32_t)n;
    }
}

static const char *without_issuer(apr_pool_t *p, const ssl_staple_cert *cert)
{
    const char *url = issuer_url(p, cert->cert);

    return url ? apr_psprintf(p, "%s, which is to be had at %s", cert->name, url) : cert->name;
}

static void say_what_lacks(collection *all)
{
    ssl_few no_issuer = { 0 }, no_responder = { 0 };
    apr_hash_index_t *i;
    const char *why;

    for (i = apr_hash_first(all->ptemp, all->stapling->by_key); i; i = apr_hash_next(i)) {
        const ssl_staple_cert *cert = apr_hash_this_val(i);

        if (!cert->wanted || cert->own || cert->foreign) {
            continue;
        }
        if (!cert->issuer) {
            ssl_few_add(all->ptemp, &no_issuer, without_issuer(all->ptemp, cert));
        }
        else if (!responder_of(all->ptemp, cert, &why)) {
            ssl_few_add(all->ptemp, &no_responder, apr_psprintf(all->ptemp, "%s (%s)", cert->name, why));
        }
    }
    if (no_issuer.count) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, all->stapling->server,
                     APLOGNO(02217) "SSLUseStapling: nothing is stapled for certificates whose issuer is neither in "
                     "their chain nor among the CAs of their host (SSLCACertificateFile): %s; append the issuer's "
                     "certificate to SSLCertificateFile", ssl_few_text(all->ptemp, &no_issuer));
    }
    if (no_responder.count) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, all->stapling->server,
                     APLOGNO(02218) "SSLUseStapling: nothing is stapled for certificates without a responder that can "
                     "be asked: %s; name one by SSLStaplingForceURL, or switch SSLUseStapling off there",
                     ssl_few_text(all->ptemp, &no_responder));
    }
}

/* Certificates that clients refuse until there is an answer. */
static void warn_of_must_staple(const ssl_stapling *stapling, apr_pool_t *ptemp)
{
    ssl_few waiting = { 0 };
    ssl_staple_facts facts;
    int i;

    for (i = 0; i < stapling->certs->nelts; i++) {
        const ssl_staple_cert *cert = APR_ARRAY_IDX(stapling->certs, i, ssl_staple_cert *);

        ssl_staple_read_facts(&stapling->table, cert->slot, &facts);
        if (cert->must_staple && facts.expires <= apr_time_now()) {
            ssl_few_add(ptemp, &waiting, cert->name);
        }
    }
    if (waiting.count) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, stapling->server,
                     "certificates that demand OCSP stapling (\"must-staple\") have no answer yet: clients refuse them "
                     "until their responder has answered: %s%s", ssl_few_text(ptemp, &waiting),
                     ssl_global()->stapling_store ? "" : "; SSLStaplingStore keeps answers over restarts");
    }
}

static int is_wanted(server_rec *s)
{
    return ssl_config_of(s)->host && ssl_config_of(s)->stapling.enable;
}

/* The stock module refuses this, too, when it starts. */
static apr_status_t check_cache(server_rec *main_server)
{
    server_rec *s;

    for (s = main_server; s && !ssl_global()->stapling_cache; s = s->next) {
        if (is_wanted(s)) {
            ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                         APLOGNO(01958) "%s: SSLUseStapling is on, but there is no SSLStaplingCache: write one outside "
                         "of virtual hosts, as SSLStaplingCache shmcb:logs/stapling(128000)",
                         ssl_config_of(s)->host->id);
            return APR_EGENERAL;
        }
    }
    return APR_SUCCESS;
}

static void collect(collection *all, server_rec *main_server)
{
    server_rec *s;

    for (s = main_server; s; s = s->next) {
        const ssl_host *host = ssl_config_of(s)->host;

        if (host && (all->others || is_wanted(s))) {
            (host->gives_certs ? add_given_certs : add_ctx_certs)(all, s);
        }
    }
    give_slots(all->stapling, all->ptemp);
}

static apr_status_t forget(void *unused)
{
    (void)unused;
    current = NULL;
    return APR_SUCCESS;
}

apr_status_t ssl_stapling_init(server_rec *main_server, apr_pool_t *p, apr_pool_t *ptemp, int for_good)
{
    ssl_stapling *stapling = apr_pcalloc(p, sizeof(*stapling));
    collection all = { .stapling = stapling, .p = p, .ptemp = ptemp };
    apr_status_t rv = check_cache(main_server);

    stapling->server = main_server;
    stapling->certs = apr_array_make(p, 8, sizeof(ssl_staple_cert *));
    stapling->by_cert = apr_hash_make(p);
    stapling->by_key = apr_hash_make(p);
    all.others = others_bring_answers();
    if (rv == APR_SUCCESS && (for_good || all.others)) { /* others are told twice, as of files of certificates */
        collect(&all, main_server);
    }
    if (rv != APR_SUCCESS || !for_good) {
        return rv;
    }
    say_what_lacks(&all);
    current = stapling;
    apr_pool_cleanup_register(p, NULL, forget, apr_pool_cleanup_null);
    if (stapling->certs->nelts == 0) {
        return rv;
    }
    rv = ssl_staplecache_init(main_server, p);
    if (rv == APR_SUCCESS) {
        rv = make_table(stapling);
    }
    if (rv == APR_SUCCESS) {
        ssl_staplestore_load(stapling, ptemp);
        warn_of_must_staple(stapling, ptemp);
        ssl_staplefetch_init(stapling, p);
    }
    return rv;
}

void ssl_stapling_init_child(server_rec *s, apr_pool_t *p)
{
    if (current && current->certs->nelts > 0) {
        ssl_staplecache_init_child(s, p);
        ssl_staplefetch_init_child(s, p);
    }
}

/* --- the handshake ------------------------------------------------------------------------ */

/** An answer, made by OPENSSL_malloc(3). */
typedef struct answer {
    unsigned char *der;
    size_t len;
} answer;

static void take_copy(const unsigned char *der, apr_size_t len, void *result)
{
    answer *to = result;

    if (der && len && !to->der) {
        to->der = OPENSSL_memdup(der, len);
        to->len = len;
    }
}

static void ask_others(const ssl_conn *conn, const ssl_staple_cert *cert, answer *to)
{
    int len = 0;

    if (ssl_run_get_stapling_status(&to->der, &len, conn->c, conn->server, cert->cert) == OK && to->der && len > 0) {
        to->len = (size_t)len;
        return;
    }
    to->der = NULL;
    ap_ssl_ocsp_get_resp(conn->server, conn->c, (const char *)cert->key, sizeof(cert->key), take_copy, to);
}

/* The record of the certificate that OpenSSL has chosen. */
static const ssl_staple_cert *find_cert(X509 *leaf)
{
    const ssl_staple_cert *cert = apr_hash_get(current->by_cert, &leaf, sizeof(leaf));
    unsigned char key[EVP_MAX_MD_SIZE];

    if (cert || !X509_digest(leaf, EVP_sha256(), key, NULL)) {
        return cert;
    }
    return apr_hash_get(current->by_key, key, SSL_STAPLE_KEY); /* another module's object, or of a kept SSL_CTX */
}

/* SSLStaplingReturnResponderErrors on: an OCSPResponse that only has a status (RFC 6960, 4.2.1). */
static void make_error(const ssl_staple_cert *cert, const ssl_stapling_config *cfg, answer *to)
{
    unsigned char der[] = { 0x30, 0x03, 0x0a, 0x01, OCSP_RESPONSE_STATUS_TRYLATER };
    ssl_staple_facts facts;

    if (!cfg->return_errors || ssl_staple_read_facts(&current->table, cert->slot, &facts) != APR_SUCCESS ||
        !facts.failures) {
        return;
    }
    if (facts.response_status > OCSP_RESPONSE_STATUS_SUCCESSFUL &&
        facts.response_status <= OCSP_RESPONSE_STATUS_UNAUTHORIZED) {
        der[4] = (unsigned char)facts.response_status;
    }
    else if (!cfg->fake_try_later) {
        return;
    }
    take_copy(der, sizeof(der), to);
}

/* What is to be sent for CERT; to->der stays NULL if nothing is. */
static void find_answer(const ssl_conn *conn, const ssl_staple_cert *cert, answer *to)
{
    const ssl_stapling_config *cfg = &ssl_config_of(conn->server)->stapling;

    if (cert->foreign) {
        ask_others(conn, cert, to);
    }
    if (!to->der && cert->own && cfg->enable) {
        if (ssl_staple_read(&current->table, cert->slot, apr_time_now(), &to->der, &to->len) != APR_SUCCESS) {
            make_error(cert, cfg, to);
        }
    }
}

static int without_answer(const ssl_conn *conn, const ssl_staple_cert *cert)
{
    const ssl_stapling_config *cfg = &ssl_config_of(conn->server)->stapling;

    if (!cert->must_staple || cfg->must_staple != SSL_MUST_STAPLE_REFUSE || !(cfg->enable || cert->foreign)) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, conn->c, "refused: there is no OCSP answer for the certificate %s, which "
                  "demands one (SSLStaplingMustStaple refuse)", cert->name);
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Called when the client has asked for an answer and the certificate is chosen. */
static int staple(SSL *ssl, void *unused)
{
    const ssl_conn *conn = SSL_get_app_data(ssl);
    X509 *leaf = SSL_get_certificate(ssl);
    const ssl_staple_cert *cert = current && leaf ? find_cert(leaf) : NULL;
    answer found = { NULL, 0 };

    (void)unused;
    if (!cert) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    find_answer(conn, cert, &found);
    ERR_clear_error();
    if (!found.der) {
        return without_answer(conn, cert);
    }
    SSL_set_tlsext_status_ocsp_resp(ssl, found.der, (long)found.len);
    return SSL_TLSEXT_ERR_OK;
}

void ssl_stapling_setup(SSL_CTX *ctx)
{
    SSL_CTX_set_tlsext_status_cb(ctx, staple);
}

/* --- status ---------------------------------------------------------------------------------- */

void ssl_stapling_report(ssl_stapling_visitor *visitor, void *context)
{
    apr_hash_index_t *i;
    apr_pool_t *p;

    if (!current || apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return;
    }
    for (i = apr_hash_first(p, current->by_key); i; i = apr_hash_next(i)) {
        const ssl_staple_cert *cert = apr_hash_this_val(i);
        ssl_staple_facts facts = { 0 };
        ssl_stapling_status status = { cert->name, cert->server, cert->responder, cert->foreign, cert->must_staple,
                                       &facts };

        if (cert->own) {
            ssl_staple_read_facts(&current->table, cert->slot, &facts);
        }
        if (cert->own || cert->foreign) {
            visitor(context, &status);
        }
    }
    apr_pool_destroy(p);
}
