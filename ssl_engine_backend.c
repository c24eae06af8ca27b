/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_backend.c - one outgoing connection: which settings it has, its
 * handshake, and whether its backend is the one that was asked for.
 *
 * mod_proxy binds a connection to a directory's configuration before it is
 * opened and each time it is used again, and to none when it is put back.
 */
#include "ssl_filter.h"
#include "ssl_log.h"
#include "ssl_metrics.h"
#include "ssl_proxy.h"
#include "ssl_rand.h"
#include "ssl_verify.h"
#include "mod_ssl_openssl.h"

#include <arpa/inet.h>

#include "http_ssl.h"

/* What mod_proxy looks for when a request could not be sent. */
#define RESULT_NOTE "SSL_connect_rv"

/* The last refusal of a backend in this thread, for the error page of the
 * request for which the connection was made: it is served by the same thread. */
static _Thread_local char last_problem[1000];

/* --- refusing ------------------------------------------------------------------------- */

static void refuse(ssl_conn *conn, const char *number, apr_status_t status, const char *words)
{
    int shaking = !apr_table_get(conn->c->notes, RESULT_NOTE);
    const char *shown = ap_escape_logitem(conn->c->pool, words);

    ap_log_cerror(APLOG_MARK, APLOG_ERR, status, conn->c, "%sTLS to the backend %s failed: %s (server %s)",
                  number ? number : APLOGNO(02003), conn->backend->address, shown,
                  ssl_server_id(conn->c->pool, conn->server));
    if (shaking || conn->state < SSL_CONN_ESTABLISHED) {
        apr_table_setn(conn->c->notes, RESULT_NOTE, "err");
        apr_cpystrn(last_problem, shown, sizeof(last_problem));
    }
}

/* As refuse(), and counted as REASON; the connection is of no more use. */
static apr_status_t give_up(ssl_conn *conn, ssl_counter reason, const char *number, const char *words)
{
    ssl_count(reason);
    apr_table_unset(conn->c->notes, RESULT_NOTE);
    refuse(conn, number, APR_SUCCESS, words);
    ssl_conn_abort(conn, APR_EGENERAL);
    conn->c->aborted = 1;
    return APR_EGENERAL;
}

static void network_failed(ssl_conn *conn, apr_status_t rv)
{
    int shaking = conn->state < SSL_CONN_ESTABLISHED;

    if (shaking || !conn->backend->pooled) { /* one that nobody uses may go without a word */
        ssl_count(!shaking ? SSL_COUNT_BACKEND_CUT
                           : APR_STATUS_IS_TIMEUP(rv) ? SSL_COUNT_BACKEND_TIMEOUT : SSL_COUNT_BACKEND_CLOSED);
    }
    if (!APR_STATUS_IS_EOF(rv)) {
        refuse(conn, NULL, rv, APR_STATUS_IS_TIMEUP(rv) ? "it did not answer within ProxyTimeout"
                                                        : "it broke the connection off");
    }
    else if (shaking) {
        refuse(conn, NULL, rv, "it closed the connection amid the handshake");
    }
    else {
        conn->backend->truncated = 1;
        ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, conn->c, "the backend %s closed the connection without close_notify",
                      conn->backend->address);
    }
}

/* With SSLProxyVerify none a certificate may have been found wanting, and something else be the matter. */
void ssl_proxy_failed(ssl_conn *conn, apr_status_t rv)
{
    const char *words;

    if (rv != APR_SUCCESS) {
        network_failed(conn, rv);
        return;
    }
    words = ssl_peer_handshake_problem(conn->c->pool, conn);
    ssl_count(words == conn->backend->problem ? SSL_COUNT_BACKEND_CERT : SSL_COUNT_BACKEND_TLS);
    refuse(conn, NULL, APR_SUCCESS, words);
    ssl_log_queue_conn(APLOG_MARK, APLOG_INFO, conn->c);
}

/* mod_proxy has put its own reason there.  Where the backend is, is nobody's business outside. */
void ssl_proxy_explain_page(request_rec *r)
{
    const char *notes = *last_problem ? apr_table_get(r->notes, "error-notes") : NULL;

    if (notes && strstr(notes, "SSL Handshake")) {
        apr_table_setn(r->notes, "error-notes", apr_pstrcat(r->pool, notes, "<p>The backend was refused: ",
                                                            ap_escape_html(r->pool, last_problem), ".</p>\n", NULL));
        *last_problem = '\0';
    }
}

/* --- settings --------------------------------------------------------------------------- */

static void use_settings(ssl_backend *backend, const ssl_proxy_config *settings, server_rec *server)
{
    backend->settings = *settings;
    backend->ocsp = settings->ocsp & SSL_OCSP_MASK ? &ssl_config_of(server)->ocsp : NULL;
    backend->made = settings->made;
    backend->material = settings->made ? ssl_material_for(settings, settings->made) : NULL;
}

/* A connection that is used again may have been made for another virtual host. */
static void resolve(ssl_backend *backend, conn_rec *c, ap_conf_vector_t *dir_conf)
{
    const ssl_proxy_config *base = ssl_config_proxy_of(c->base_server);
    const ssl_dir_config *dir = dir_conf ? ap_get_module_config(dir_conf, &ssl_module) : NULL;
    ssl_proxy_config settings = *base;
    server_rec *server = c->base_server;

    if (!(dir_conf && ssl_reuse_wanted(dir_conf, &settings, &server)) && dir && dir->proxy) {
        ssl_config_proxy_merge(c->pool, base, dir->proxy, &settings);
    }
    use_settings(backend, &settings, server);
}

apr_status_t ssl_proxy_reuse(ssl_conn *conn)
{
    ssl_proxy_config settings;
    ssl_backend now = *conn->backend;
    server_rec *server;

    if (!conn->backend->pooled || conn->state != SSL_CONN_ESTABLISHED ||
        !ssl_reuse_wanted(NULL, &settings, &server)) {
        return APR_SUCCESS;
    }
    use_settings(&now, &settings, server);
    if (ssl_reuse_is_same(conn->backend, &now)) {
        return APR_SUCCESS;
    }
    ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, conn->c, "the connection to the backend %s was made under other "
                  "SSLProxy... settings than this request has: it is closed, and another one made",
                  conn->backend->address);
    ssl_conn_shutdown(conn);
    ssl_transport_send(conn->transport, 1);
    conn->state = SSL_CONN_CLOSED;
    conn->end = APR_ECONNABORTED;
    return APR_ECONNABORTED;
}

/* ssl_proxy_reuse() has sorted out what is not for this request, if mod_proxy let it: this is for who did not look. */
static int rebind(ssl_conn *conn, ap_conf_vector_t *dir_conf)
{
    ssl_backend now = *conn->backend;

    *last_problem = '\0';
    resolve(&now, conn->c, dir_conf);
    if (!conn->ssl) {
        *conn->backend = now; /* nothing was made of it yet */
        return OK;
    }
    if (conn->state == SSL_CONN_CLOSED || ssl_reuse_is_same(conn->backend, &now)) {
        return OK;
    }
    give_up(conn, SSL_COUNT_BACKEND_OTHER, NULL,
            "the connection that was to be used again was made under other SSLProxy... settings");
    return DECLINED;
}

static const char *address_of(conn_rec *c)
{
    const char *name = c->client_addr && c->client_addr->hostname ? c->client_addr->hostname : c->client_ip;

    return apr_psprintf(c->pool, strchr(name, ':') ? "[%s]:%u" : "%s:%u", name,
                        c->client_addr ? (unsigned)c->client_addr->port : 0);
}

static int bind_new(conn_rec *c, ap_conf_vector_t *dir_conf)
{
    ssl_backend *backend = apr_pcalloc(c->pool, sizeof(*backend));
    ssl_conn *conn;

    *last_problem = '\0';
    resolve(backend, c, dir_conf);
    if (backend->settings.engine != 1 || !backend->material) {
        ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, c, APLOGNO(10272) "TLS to a backend was asked for by %s, but "
                      "SSLProxyEngine is not on there", ssl_server_id(c->pool, c->base_server));
        return DECLINED;
    }
    conn = apr_pcalloc(c->pool, sizeof(*conn));
    conn->c = c;
    conn->server = conn->sni_server = c->base_server;
    conn->is_proxy = 1;
    conn->backend = backend;
    backend->address = address_of(c);
    ap_set_module_config(c->conn_config, &ssl_module, conn);
    return OK;
}

int ssl_proxy_bind(conn_rec *c, ap_conf_vector_t *dir_conf, int enable)
{
    ssl_conn *conn = ap_get_module_config(c->conn_config, &ssl_module);

    if (!enable || (conn && !conn->backend)) {
        return DECLINED;
    }
    if (!conn) {
        return bind_new(c, dir_conf);
    }
    conn->backend->pooled = dir_conf == NULL;
    return dir_conf ? rebind(conn, dir_conf) : OK;
}

/* --- the handshake ------------------------------------------------------------------------ */

/* What is not as the SSL_CTX has it, when several sections were merged. */
static int adjust(SSL *ssl, const ssl_backend *backend)
{
    const ssl_tls_settings *tls = &backend->settings.tls;
    const ssl_outgoing *made = backend->made;
    int low, high;

    if (backend->material != &made->material && !SSL_set1_verify_cert_store(ssl, backend->material->store)) {
        return 0;
    }
    /* The section that names the CAs need not be the one that demands lists: then there are none, and that refuses. */
    if (!X509_VERIFY_PARAM_set_flags(SSL_get0_param(ssl), ssl_verify_crl_flags(tls->crl_check))) {
        return 0;
    }
    if (tls->protocols != made->protocols) {
        ssl_ctx_protocol_bounds(tls->protocols, &low, &high);
        if (!low || !SSL_set_min_proto_version(ssl, low) || !SSL_set_max_proto_version(ssl, high)) {
            return 0;
        }
    }
    if (!ssl_same_text(tls->cipher_suite, made->cipher_suite) &&
        !SSL_set_cipher_list(ssl, tls->cipher_suite ? tls->cipher_suite : OSSL_default_cipher_list())) {
        return 0;
    }
    return ssl_same_text(tls->tls13_cipher_suites, made->tls13_cipher_suites) ||
           SSL_set_ciphersuites(ssl, tls->tls13_cipher_suites ? tls->tls13_cipher_suites
                                                              : OSSL_default_ciphersuites());
}

/* After DONE mod_proxy would go on. */
static int cannot_start(ssl_conn *conn)
{
    ssl_log_queue_conn(APLOG_MARK, APLOG_ERR, conn->c);
    ssl_conn_abort(conn, APR_EGENERAL);
    conn->c->aborted = 1;
    return HTTP_INTERNAL_SERVER_ERROR;
}

int ssl_proxy_start(ssl_conn *conn)
{
    int rv;

    ERR_clear_error();
    ssl_rand_connect();
    ssl_io_add(conn);
    if (!ssl_conn_make_ssl(conn, conn->backend->made->ctx) || !adjust(conn->ssl, conn->backend)) {
        return cannot_start(conn);
    }
    SSL_set_connect_state(conn->ssl);
    conn->verify = conn->backend->settings.tls.verify;
    conn->verify_depth = conn->backend->settings.tls.verify_depth;
    SSL_set_verify(conn->ssl, ssl_verify_mode(conn->verify), ssl_peer_verify_callback);
    rv = ssl_run_pre_handshake(conn->c, conn->ssl, 1);
    return rv == OK || rv == DECLINED ? OK : cannot_start(conn);
}

static int is_address(const char *name)
{
    struct in6_addr any;

    return *name == '[' || strchr(name, ':') || inet_pton(AF_INET, name, &any) == 1;
}

/* "[::1]" stands for ::1. */
static const char *without_brackets(apr_pool_t *p, const char *name)
{
    apr_size_t len = name ? strlen(name) : 0;

    return len > 2 && name[0] == '[' && name[len - 1] == ']' ? apr_pstrmemdup(p, name + 1, len - 2) : name;
}

static int set_sni(ssl_conn *conn)
{
    const char *wanted = conn->backend->settings.sni, *name = conn->backend->name;

    if (wanted && ap_cstr_casecmp(wanted, "on") != 0) {
        name = ap_cstr_casecmp(wanted, "off") == 0 ? NULL : wanted;
    }
    if (!name || is_address(name)) {
        return 1;
    }
    return SSL_set_tlsext_host_name(conn->ssl, name) == 1;
}

/* The protocols of LIST ("h2,http/1.1") as ALPN wants them (RFC 7301, 3.1); 0: one is too long. */
static int wire_format(apr_pool_t *p, const char *list, unsigned char **out, unsigned int *len)
{
    char *copy = apr_pstrdup(p, list), *state, *word;

    *out = apr_palloc(p, strlen(list) + 2);
    *len = 0;
    for (word = apr_strtok(copy, ", ", &state); word; word = apr_strtok(NULL, ", ", &state)) {
        apr_size_t n = strlen(word);

        if (n > 255) {
            return 0;
        }
        (*out)[*len] = (unsigned char)n;
        memcpy(*out + *len + 1, word, n);
        *len += 1 + (unsigned int)n;
    }
    return 1;
}

/* What mod_proxy_http2 wants goes before what the administrator wants. */
static const char *protocols_of(const ssl_conn *conn)
{
    const char *list = apr_table_get(conn->c->notes, "proxy-request-alpn-protos");

    list = list ? list : conn->backend->settings.alpn;
    return list && ap_cstr_casecmp(list, "off") == 0 ? NULL : list;
}

static int set_alpn(ssl_conn *conn)
{
    const char *list = protocols_of(conn);
    unsigned char *protocols;
    unsigned int len;

    if (!list) {
        return 1;
    }
    return wire_format(conn->c->pool, list, &protocols, &len) && SSL_set_alpn_protos(conn->ssl, protocols, len) == 0;
}

/* All that a session's maker had to satisfy: it is not asked again of who resumes it. */
static const char *session_key(const ssl_conn *conn)
{
    const ssl_backend *backend = conn->backend;
    const ssl_proxy_config *settings = &backend->settings;
    const char *sni = SSL_get_servername(conn->ssl, TLSEXT_NAMETYPE_host_name), *alpn = protocols_of(conn);

    return apr_psprintf(conn->c->pool, "%s %u\n%s\n%s\n%s\n%d %d %d %d %pp %d %pp", conn->c->client_ip,
                        conn->c->client_addr ? (unsigned)conn->c->client_addr->port : 0,
                        backend->name ? backend->name : "", sni ? sni : "", alpn ? alpn : "", settings->tls.verify,
                        settings->tls.verify_depth, settings->tls.crl_check, settings->ocsp,
                        (const void *)backend->material, settings->tls.protocols,
                        (const void *)backend->ocsp); /* who vouched for the certificate */
}

static void offer_session(ssl_conn *conn)
{
    ssl_backend *backend = conn->backend;
    SSL_SESSION *session;

    if (!backend->settings.session_cache) {
        return;
    }
    backend->session_key = session_key(conn);
    session = ssl_resume_take(backend->made->sessions, backend->session_key, &backend->verified_at);
    if (session) {
        SSL_set_session(conn->ssl, session);
        SSL_SESSION_free(session);
    }
}

apr_status_t ssl_proxy_begin(ssl_conn *conn)
{
    ssl_backend *backend = conn->backend;

    backend->name = without_brackets(conn->c->pool, apr_table_get(conn->c->notes, "proxy-request-hostname"));
    if (backend->name && strcmp(backend->name, conn->c->client_ip) != 0) {
        backend->address = apr_psprintf(conn->c->pool, "%s (as '%s')", backend->address,
                                        ap_escape_logitem(conn->c->pool, backend->name));
    }
    ERR_clear_error();
    if (!set_sni(conn)) {
        return give_up(conn, SSL_COUNT_BACKEND_TLS, APLOGNO(02002),
                       apr_psprintf(conn->c->pool, "the name '%s' cannot be asked for (SNI)", backend->name));
    }
    if (!set_alpn(conn)) {
        return give_up(conn, SSL_COUNT_BACKEND_TLS, APLOGNO(03309),
                       "a protocol to be offered by ALPN has too long a name");
    }
    offer_session(conn);
    conn->state = SSL_CONN_HANDSHAKE;
    return APR_SUCCESS;
}

/* mod_proxy_http2 can't speak anything but what it has asked for. */
static const char *alpn_problem(const ssl_conn *conn)
{
    const char *list = apr_table_get(conn->c->notes, "proxy-request-alpn-protos"), *found = conn->facts.alpn;
    apr_pool_t *p = conn->c->pool;

    if (!list || (found && ap_find_token(p, list, found))) {
        return NULL;
    }
    return found ? apr_psprintf(p, "it chose the protocol '%s', of which we offered none but '%s' (ALPN)", found, list)
                 : apr_psprintf(p, "it chose none of the protocols that we need: '%s' (ALPN)", list);
}

apr_status_t ssl_proxy_accept(ssl_conn *conn)
{
    ssl_backend *backend = conn->backend;
    ssl_peer_problem problem = ssl_peer_check(conn->c->pool, conn->facts.peer, &backend->settings, backend->name);
    int rv;

    if (problem.text) {
        return give_up(conn, SSL_COUNT_BACKEND_NAME, problem.number, problem.text);
    }
    problem.text = alpn_problem(conn);
    if (problem.text) {
        return give_up(conn, SSL_COUNT_BACKEND_TLS, conn->facts.alpn ? APLOGNO(10274) : APLOGNO(10273), problem.text);
    }
    rv = ssl_run_proxy_post_handshake(conn->c, conn->ssl);
    if (rv != OK && rv != DECLINED) {
        return give_up(conn, SSL_COUNT_BACKEND_OTHER, NULL, "another module refused it (hook proxy_post_handshake)");
    }
    ssl_metrics_established(conn);
    apr_table_setn(conn->c->notes, RESULT_NOTE, "ok");
    return APR_SUCCESS;
}
