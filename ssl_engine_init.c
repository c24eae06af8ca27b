/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_init.c - post_config and child_init: from records of directives
 * to virtual hosts that can serve.
 */
#include "ssl_check.h"
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_filter.h"
#include "ssl_fips.h"
#include "ssl_keylog.h"
#include "ssl_log.h"
#include "ssl_metrics.h"
#include "ssl_pairs.h"
#include "ssl_pphrase.h"
#include "ssl_proxy.h"
#include "ssl_rand.h"
#include "ssl_scache.h"
#include "ssl_stapling.h"
#include "ssl_ticket.h"
#include "ssl_token.h"
#include "ssl_verify.h"
#include "mod_ssl_openssl.h"

#include "ap_mpm.h"
#include "http_main.h"
#include "http_ssl.h"

APR_IMPLEMENT_OPTIONAL_HOOK_RUN_ALL(ssl, SSL, int, add_cert_files,
                                    (server_rec *s, apr_pool_t *p, apr_array_header_t *cert_files,
                                     apr_array_header_t *key_files),
                                    (s, p, cert_files, key_files), OK, DECLINED)
APR_IMPLEMENT_OPTIONAL_HOOK_RUN_ALL(ssl, SSL, int, add_fallback_cert_files,
                                    (server_rec *s, apr_pool_t *p, apr_array_header_t *cert_files,
                                     apr_array_header_t *key_files),
                                    (s, p, cert_files, key_files), OK, DECLINED)
APR_IMPLEMENT_OPTIONAL_HOOK_RUN_ALL(ssl, SSL, int, init_server,
                                    (server_rec *s, apr_pool_t *p, int is_proxy, SSL_CTX *ctx),
                                    (s, p, is_proxy, ctx), OK, DECLINED)
APR_IMPLEMENT_OPTIONAL_HOOK_RUN_ALL(ssl, SSL, int, pre_handshake, (conn_rec *c, SSL *ssl, int is_proxy),
                                    (c, ssl, is_proxy), OK, DECLINED)
APR_IMPLEMENT_OPTIONAL_HOOK_RUN_ALL(ssl, SSL, int, proxy_post_handshake, (conn_rec *c, SSL *ssl), (c, ssl), OK,
                                    DECLINED)

const char *ssl_server_id(apr_pool_t *p, server_rec *s)
{
    unsigned int port = s->port ? s->port : s->addrs && s->addrs->host_port ? s->addrs->host_port : 443;

    return apr_psprintf(p, "%s:%u", s->server_hostname ? s->server_hostname : "(no ServerName)", port);
}

apr_pool_t *ssl_passing_pool(apr_pool_t *parent)
{
    apr_allocator_t *allocator = NULL;
    apr_pool_t *p;

    (void)apr_allocator_create(&allocator); /* without one of its own it has its parent's */
    apr_pool_create_ex(&p, parent, NULL, allocator);
    if (allocator) {
        apr_allocator_owner_set(allocator, p);
    }
    return p;
}

/* --- virtual hosts -------------------------------------------------------------- */

static const char *address_key(apr_pool_t *p, const server_rec *s)
{
    return apr_psprintf(p, "%pI %u", s->addrs->host_addr, s->addrs->host_port);
}

/* Where SSLProtocol is set neither for a name-based virtual host nor globally,
 * the first virtual host of its address rules (manual, SSLProtocol).  httpd
 * lists virtual hosts from the last to the first. */
static void inherit_protocols(server_rec *main_server, apr_pool_t *ptemp)
{
    apr_hash_t *first = apr_hash_make(ptemp);
    server_rec *s, *ruler;

    for (s = main_server->next; s; s = s->next) {
        if (s->addrs && ssl_config_of(s)->engine == 1) {
            apr_hash_set(first, address_key(ptemp, s), APR_HASH_KEY_STRING, s);
        }
    }
    for (s = main_server->next; s; s = s->next) {
        ssl_tls_settings *tls = &ssl_config_of(s)->tls;

        ruler = s->addrs ? apr_hash_get(first, address_key(ptemp, s), APR_HASH_KEY_STRING) : NULL;
        if (ruler && tls->protocols == SSL_UNSET) {
            tls->protocols = ssl_config_of(ruler)->tls.protocols;
        }
    }
}

static apr_array_header_t *copy_of(apr_pool_t *p, apr_array_header_t *files)
{
    return files ? apr_array_copy(p, files) : apr_array_make(p, 2, sizeof(const char *));
}

/* FILES, if that is more than there was: nearly no host of thousands gets any. */
static apr_array_header_t *if_more(apr_pool_t *p, apr_array_header_t *before, apr_array_header_t *files)
{
    return files->nelts == (before ? before->nelts : 0) ? before : apr_array_copy(p, files);
}

/* Certificates that other modules (mod_md) bring for S; a stopgap if there are no others. */
static int add_foreign_certs(server_rec *s, apr_pool_t *p, apr_pool_t *scratch)
{
    ssl_server_config *cfg = ssl_config_of(s);
    apr_array_header_t *certs = copy_of(scratch, cfg->cert_files), *keys = copy_of(scratch, cfg->key_files);
    int fallback = 0;

    ssl_run_add_cert_files(s, p, certs, keys);
    ap_ssl_add_cert_files(s, p, certs, keys);
    if (certs->nelts == 0) {
        ssl_run_add_fallback_cert_files(s, p, certs, keys);
        ap_ssl_add_fallback_cert_files(s, p, certs, keys);
        fallback = certs->nelts > 0;
    }
    cfg->cert_files = if_more(p, cfg->cert_files, certs);
    cfg->key_files = if_more(p, cfg->key_files, keys);
    return fallback;
}

/* Which of the hosts with this name: 0, 1, ... in the order of the configuration. */
static int ordinal_of(apr_hash_t *seen, const char *name)
{
    int *count = apr_hash_get(seen, name, APR_HASH_KEY_STRING);

    if (!count) {
        count = apr_pcalloc(apr_hash_pool_get(seen), sizeof(*count));
        apr_hash_set(seen, apr_pstrdup(apr_hash_pool_get(seen), name), APR_HASH_KEY_STRING, count);
    }
    return (*count)++;
}

/* What a session must have been made with to be resumed here: this virtual
 * host, and its demands on the client's certificate.  Servers of a farm share
 * their sessions: neither addresses nor the port that is listened to count. */
static void make_session_id_context(ssl_host *host, apr_pool_t *ptemp, apr_hash_t *seen)
{
    const server_rec *s = host->server;
    const ssl_server_config *cfg = ssl_config_of(host->server);
    const ssl_tls_settings *tls = &cfg->tls;
    const char *name = apr_psprintf(ptemp, "%s:%u", s->server_hostname ? s->server_hostname : "",
                                    s->port ? s->port : DEFAULT_HTTPS_PORT);
    const char *text = apr_psprintf(ptemp, "%s\n%d\n%d\n%d\n%d\n%d", name, ordinal_of(seen, name), tls->verify,
                                    tls->verify_depth, tls->crl_check, cfg->ocsp.enable);

    text = apr_pstrcat(ptemp, text, "\n", tls->ca_file ? tls->ca_file : "", "\n", tls->ca_path ? tls->ca_path : "", "\n",
                       tls->crl_file ? tls->crl_file : "", "\n", tls->crl_path ? tls->crl_path : "", NULL);
    EVP_Digest(text, strlen(text), host->session_id_context, NULL, EVP_sha256(), NULL);
}

static apr_status_t make_host(server_rec *s, ssl_ctx_plan *plan, apr_hash_t *seen, apr_pool_t *p, apr_pool_t *scratch)
{
    ssl_host *host = apr_pcalloc(p, sizeof(*host));

    host->server = s;
    host->id = ssl_server_id(p, s);
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, s, APLOGNO(01914) "Configuring server %s for SSL protocol", host->id);
    if (!ssl_global()->reporting) { /* other modules are not ready to be asked then */
        host->fallback_cert = add_foreign_certs(s, p, scratch) ? 1 : 0;
        host->ticket_keys = ssl_ticket_keys_for(s, host->id, ssl_config_of(s)->ticket_key_files, p);
        if (!host->ticket_keys) {
            return APR_EGENERAL;
        }
    }
    make_session_id_context(host, scratch, seen);
    ssl_config_of(s)->host = host;
    ssl_ocsp_init(host->server, host->id, ssl_config_of(host->server)->ocsp.enable, p, scratch);
    return ssl_ctx_prepare(plan, host, p, scratch);
}

/* Other modules see the hosts when all of them are there. */
static apr_status_t show_hosts(server_rec *main_server, apr_pool_t *p)
{
    server_rec *s;

    for (s = main_server; s; s = s->next) {
        ssl_host *host = ssl_config_of(s)->host;
        int rv = host ? ssl_run_init_server(s, p, 0, host->ctx) : OK;

        if (rv != OK && rv != DECLINED) {
            ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "%s: the init_server hook of another module failed", host->id);
            return APR_EGENERAL;
        }
    }
    return APR_SUCCESS;
}

/* All hosts are known before the first gets its SSL_CTX: how many there are of
 * a kind decides what they share. */
static apr_status_t assign_contexts(server_rec *main_server, ssl_ctx_plan *plan, apr_pool_t *scratch)
{
    apr_status_t rv = APR_SUCCESS;
    server_rec *s;

    for (s = main_server; s && rv == APR_SUCCESS; s = s->next) {
        ssl_host *host = ssl_config_of(s)->host;

        rv = host ? ssl_ctx_assign(plan, host, scratch) : APR_SUCCESS;
        apr_pool_clear(scratch);
    }
    return rv;
}

/* What is only needed for one host goes before the next: httpd would keep it in its stock of free memory. */
static apr_status_t make_hosts(server_rec *main_server, apr_pool_t *p, apr_pool_t *ptemp)
{
    apr_pool_t *passing = ssl_passing_pool(ptemp), *scratch;
    ssl_ctx_plan *plan = ssl_ctx_plan_make(passing);
    apr_hash_t *seen = apr_hash_make(passing);
    apr_status_t rv = APR_SUCCESS;
    int any_tls = 0, any_ktls = 0;
    server_rec *s;

    apr_pool_create(&scratch, passing);
    inherit_protocols(main_server, passing);
    for (s = main_server; s && rv == APR_SUCCESS; s = s->next) {
        ssl_config_complete(s);
        if (ssl_config_of(s)->engine == 1) {
            any_tls = 1;
            any_ktls |= ssl_config_of(s)->ktls;
            rv = make_host(s, plan, seen, p, scratch);
            apr_pool_clear(scratch);
        }
    }
    ssl_plain_init(any_tls);
    ssl_ktls_init(main_server, any_ktls);
    if (rv == APR_SUCCESS) {
        rv = assign_contexts(main_server, plan, scratch);
    }
    ssl_pairs_done();
    apr_pool_destroy(passing);
    return rv == APR_SUCCESS ? show_hosts(main_server, p) : rv;
}

static apr_status_t make_outgoing(server_rec *main_server, apr_pool_t *p, apr_pool_t *ptemp)
{
    apr_status_t rv = APR_SUCCESS;
    server_rec *s;

    for (s = main_server; s && rv == APR_SUCCESS; s = s->next) {
        rv = ssl_proxy_make_server(s, p, ptemp);
    }
    return rv;
}

void ssl_init_for_report(server_rec *main_server, apr_pool_t *p)
{
    ssl_ctx_plan *plan = ssl_ctx_plan_make(p);
    apr_hash_t *seen = apr_hash_make(p);
    server_rec *s;

    ssl_global()->reporting = 1;
    ssl_fips_set(main_server, p);
    inherit_protocols(main_server, p);
    for (s = main_server; s; s = s->next) {
        ssl_server_config *cfg = ssl_config_of(s);

        /* a host that fails does not keep the others from being shown */
        ssl_config_complete(s);
        if (cfg->engine == 1 &&
            (make_host(s, plan, seen, p, p) != APR_SUCCESS || ssl_ctx_assign(plan, cfg->host, p) != APR_SUCCESS)) {
            cfg->host = NULL;
        }
    }
    ssl_pairs_done();
    ssl_ctx_sweep(p);
}

/* --- hooks -------------------------------------------------------------------------- */

/* In this order: who asks for cryptography gets it for good, so that FIPS comes first.  FOR_GOOD: this is not the
 * first of the two readings at start.  False: logged why not. */
static int set_up(server_rec *s, apr_pool_t *p, apr_pool_t *ptemp, int for_good)
{
    int done = ssl_fips_set(s, ptemp) == APR_SUCCESS
            && ssl_rand_startup(s, ptemp) == APR_SUCCESS
            && ssl_token_use_device(s) == APR_SUCCESS
            && ssl_ticket_init(s, p) == APR_SUCCESS
            && ssl_keylog_open(s, p) == APR_SUCCESS
            && (!for_good || ssl_scache_init(s, p) == APR_SUCCESS)
            && make_hosts(s, p, ptemp) == APR_SUCCESS
            && make_outgoing(s, p, ptemp) == APR_SUCCESS
            && ssl_ticket_ready(s, p, for_good) == APR_SUCCESS
            && ssl_stapling_init(s, p, ptemp, for_good) == APR_SUCCESS;

    /* <Proxy> sections are still to be made; but once the server runs, others may make children before that. */
    if (!done || for_good) {
        ssl_pphrase_forget();
    }
    return done;
}

int ssl_init_module(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    int for_good = ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG;

    (void)plog;
    ssl_transport_init(p);
    ssl_metrics_init(s);
    if (!set_up(s, p, ptemp, for_good)) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, APLOGNO(02312) "Fatal error initialising mod_ssl, exiting.");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    ssl_ctx_sweep(p);
    if (for_good) {
        ssl_sni_index_build(s, p, ptemp);
        ssl_check_all(s, ptemp);
    }
    ap_add_version_component(p, SSL_MODULE_VERSION);
    ap_add_version_component(p, apr_psprintf(p, "OpenSSL/%s", OpenSSL_version(OPENSSL_VERSION_STRING)));
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, s, APLOGNO(01876) "%s compiled against Server: %s, Library: %s",
                 SSL_MODULE_VERSION, AP_SERVER_BASEVERSION, OPENSSL_VERSION_TEXT);
    return OK;
}

void ssl_init_child(apr_pool_t *p, server_rec *s)
{
    ssl_rand_child(s, p);
    ssl_token_init_child(p);
    ssl_scache_init_child(s, p);
    ssl_stapling_init_child(s, p);
}
