/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_handshake.c - a connection from its first byte to its last: how
 * it is made, moved on from state to state, and closed; and the one place that
 * interprets SSL_get_error().
 */
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_filter.h"
#include "ssl_log.h"
#include "ssl_metrics.h"
#include "ssl_proxy.h"
#include "ssl_rand.h"
#include "ssl_scache.h"
#include "ssl_srp.h"
#include "ssl_verify.h"
#include "mod_ssl_openssl.h"

/* --- the connection record -------------------------------------------------- */

ssl_conn *ssl_conn_get(conn_rec *c)
{
    ssl_conn *conn = ap_get_module_config(c->conn_config, &ssl_module);

    if (!conn && c->master) {
        conn = ap_get_module_config(c->master->conn_config, &ssl_module);
    }
    return conn && conn->ssl ? conn : NULL;
}

ssl_conn *ssl_conn_secure(conn_rec *c)
{
    ssl_conn *conn = ssl_conn_get(c);

    return conn && !conn->plain_http ? conn : NULL;
}

int ssl_conn_peer_verified(const ssl_conn *conn)
{
    return conn->facts.peer && conn->verify_result == X509_V_OK && !conn->verify_generous;
}

server_rec *ssl_conn_server(conn_rec *c)
{
    ssl_conn *conn = ssl_conn_get(c);

    return conn ? conn->server : c->base_server;
}

static apr_status_t free_ssl(void *data)
{
    ssl_conn *conn = data;

    X509_free(conn->facts.peer);
    conn->facts.peer = NULL;
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    return APR_SUCCESS;
}

/* What SSL_set_SSL_CTX(3) leaves as the first host had it. */
static void copy_settings(SSL *ssl, SSL_CTX *ctx)
{
    uint64_t options = SSL_CTX_get_options(ctx);

    SSL_clear_options(ssl, SSL_get_options(ssl) & ~options);
    SSL_set_options(ssl, options);
    SSL_set_min_proto_version(ssl, SSL_CTX_get_min_proto_version(ctx));
    SSL_set_max_proto_version(ssl, SSL_CTX_get_max_proto_version(ctx));
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(ctx), ssl_verify_callback);
    SSL_set_num_tickets(ssl, SSL_CTX_get_num_tickets(ctx));
    SSL_clear_mode(ssl, SSL_MODE_NO_AUTO_CHAIN);
    SSL_set_mode(ssl, SSL_CTX_get_mode(ctx));
}

static int has_srp(server_rec *s)
{
    const ssl_host *host = ssl_config_of(s)->host;

    return host && host->extras && host->extras->srp_users;
}

int ssl_conn_bind_host(ssl_conn *conn, server_rec *s)
{
    ssl_host *host = ssl_config_of(s)->host;

    if (!host) {
        return -1;
    }
    if (SSL_get_SSL_CTX(conn->ssl) != host->ctx) {
        if (!SSL_set_SSL_CTX(conn->ssl, host->ctx)) {
            return -1;
        }
        copy_settings(conn->ssl, host->ctx);
        if (!ssl_srp_follow(conn->ssl, has_srp(conn->c->base_server))) {
            return -1;
        }
    }
    conn->verify = ssl_config_of(s)->tls.verify;
    conn->verify_depth = ssl_config_of(s)->tls.verify_depth;
    conn->service_unavailable = host->fallback_cert ? 1 : 0;
    return SSL_set_session_id_context(conn->ssl, host->session_id_context, sizeof(host->session_id_context)) == 1 ? 0
                                                                                                                  : -1;
}

int ssl_conn_use_certs(ssl_conn *conn)
{
    const ssl_host *host = ssl_config_of(conn->server)->host;
    int i;

    if (!host->gives_certs) {
        return 1;
    }
    SSL_certs_clear(conn->ssl);
    for (i = 0; i < host->certs->n; i++) {
        const ssl_pair *pair = host->certs->pairs[i];

        if (SSL_use_cert_and_key(conn->ssl, pair->cert, pair->key, host->certs->chains[i], 1) != 1) {
            return 0;
        }
    }
    return 1;
}

int ssl_conn_make_ssl(ssl_conn *conn, SSL_CTX *ctx)
{
    BIO *bio;

    conn->ssl = ctx ? SSL_new(ctx) : NULL;
    bio = conn->ssl ? ssl_transport_bio(conn->transport) : NULL;
    if (!bio) {
        ap_log_cerror(APLOG_MARK, APLOG_ERR, 0, conn->c, APLOGNO(01962) "cannot make an SSL object");
        ssl_log_queue_conn(APLOG_MARK, APLOG_ERR, conn->c);
        return 0;
    }
    SSL_set_bio(conn->ssl, bio, bio);
    SSL_set_app_data(conn->ssl, conn);
    apr_pool_cleanup_register(conn->c->pool, conn, free_ssl, apr_pool_cleanup_null);
    return 1;
}

static int make_ssl(ssl_conn *conn)
{
    ssl_host *host = ssl_config_of(conn->server)->host;

    if (!ssl_conn_make_ssl(conn, host ? host->ctx : NULL)) {
        return 0;
    }
    SSL_set_accept_state(conn->ssl);
    ssl_hello_watch(conn);
    return ssl_conn_bind_host(conn, conn->server) == 0;
}

static int wants_tls(conn_rec *c, ssl_conn *conn)
{
    if (c->master || c->outgoing || (conn && conn->end != APR_SUCCESS)) {
        return 0; /* an HTTP/2 stream, a backend, or switched off by ssl_engine_disable() */
    }
    return ssl_config_of(c->base_server)->engine == 1;
}

int ssl_conn_pre_connection(conn_rec *c, void *csd)
{
    ssl_conn *conn = ap_get_module_config(c->conn_config, &ssl_module);
    int rv;

    (void)csd;
    if (conn && conn->backend && !conn->ssl && conn->state == SSL_CONN_NEW) {
        return ssl_proxy_start(conn);
    }
    if (!wants_tls(c, conn)) {
        if (!c->master && !c->outgoing && !conn) {
            ssl_plain_watch(c);
        }
        return DECLINED;
    }
    conn = apr_pcalloc(c->pool, sizeof(*conn));
    conn->c = c;
    conn->server = conn->sni_server = c->base_server;
    ERR_clear_error();
    ssl_rand_connect();
    ssl_io_add(conn);
    if (!make_ssl(conn)) {
        c->aborted = 1;
        return DONE;
    }
    ap_set_module_config(c->conn_config, &ssl_module, conn);
    ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, c, APLOGNO(01964) "Connection to child %ld established (server %s)", c->id,
                  ssl_server_id(c->pool, conn->server));
    rv = ssl_run_pre_handshake(c, conn->ssl, 0);
    if (rv != OK && rv != DECLINED) {
        c->aborted = 1;
        return DONE;
    }
    return OK;
}

/* A validator only looks at the certificate: no protocol follows (RFC 8737, 3). */
static int is_challenge(const ssl_conn *conn)
{
    return conn->facts.alpn && strcmp(conn->facts.alpn, SSL_ALPN_ACME) == 0;
}

int ssl_conn_process_connection(conn_rec *c)
{
    ssl_conn *conn = ap_get_module_config(c->conn_config, &ssl_module);
    apr_bucket_brigade *bb;
    apr_status_t rv;

    if (!conn || !conn->ssl || c->master) {
        return DECLINED;
    }
    bb = apr_brigade_create(c->pool, c->bucket_alloc);
    rv = ap_get_brigade(c->input_filters, bb, AP_MODE_INIT, APR_BLOCK_READ, 0);
    apr_brigade_destroy(bb);
    if (rv == APR_SUCCESS && !is_challenge(conn)) {
        return DECLINED;
    }
    if (c->cs) {
        c->cs->state = CONN_STATE_LINGER;
    }
    c->keepalive = AP_CONN_CLOSE;
    return OK;
}

/* --- what OpenSSL's answers mean ---------------------------------------------- */

void ssl_conn_abort(ssl_conn *conn, apr_status_t status)
{
    if (conn->state != SSL_CONN_CLOSED) {
        conn->state = SSL_CONN_CLOSED;
        conn->end = status ? status : APR_ECONNABORTED;
        conn->c->keepalive = AP_CONN_CLOSE;
    }
}

/* The network ended or failed under OpenSSL.  A peer that was silent for too
 * long is still there: it gets what is gathered, and close_notify. */
static apr_status_t network_failed(ssl_conn *conn, const char *what)
{
    ssl_transport *t = conn->transport;
    apr_status_t rv = t->out_status != APR_SUCCESS ? t->out_status : t->in_status;
    int shaking = conn->state < SSL_CONN_ESTABLISHED;

    rv = rv == APR_SUCCESS ? APR_EOF : rv;
    if (APR_STATUS_IS_TIMEUP(rv) && !shaking) {
        return rv;
    }
    if (conn->backend) {
        ssl_proxy_failed(conn, rv);
    }
    else if (APR_STATUS_IS_EOF(rv)) {
        ap_log_cerror(APLOG_MARK, APLOG_INFO, rv, conn->c, APLOGNO(02006) "SSL %s stopped: connection was closed "
                      "by the peer", what);
    }
    else {
        ap_log_cerror(APLOG_MARK, APLOG_INFO, rv, conn->c, APLOGNO(02007) "SSL %s interrupted by the system%s", what,
                      APR_STATUS_IS_TIMEUP(rv) ? ": the peer stalled" : "");
    }
    if (!conn->backend) {
        ssl_metrics_cut_off(conn, rv);
    }
    ssl_conn_abort(conn, rv);
    conn->c->aborted = shaking || !APR_STATUS_IS_EOF(rv);
    return rv;
}

/* OpenSSL refuses to go on; its alert, if it made one, still leaves. */
static apr_status_t protocol_failed(ssl_conn *conn, const char *what)
{
    if (conn->backend) {
        ssl_proxy_failed(conn, APR_SUCCESS);
    }
    else {
        ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, conn->c, APLOGNO(02008) "SSL library error in %s (server %s)", what,
                      ssl_server_id(conn->c->pool, conn->server));
        ssl_explain_failure(conn);
        ssl_metrics_failed(conn);
        ssl_log_queue_conn(APLOG_MARK, APLOG_INFO, conn->c);
    }
    ssl_transport_send(conn->transport, 1);
    ssl_conn_abort(conn, APR_ECONNABORTED);
    conn->c->aborted = 1;
    return APR_ECONNABORTED;
}

apr_status_t ssl_conn_result(ssl_conn *conn, int ret, const char *what)
{
    int error = SSL_get_error(conn->ssl, ret);

    if (conn->renegotiation_refused) {
        ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, conn->c, APLOGNO(02042) "rejecting client initiated renegotiation");
        ssl_count(SSL_COUNT_RENEG_BY_CLIENT);
        ssl_transport_send(conn->transport, 1);
        ssl_conn_abort(conn, APR_ECONNABORTED);
        ERR_clear_error();
        return APR_ECONNABORTED;
    }
    switch (error) {
    case SSL_ERROR_WANT_WRITE: /* only of a socket: see ssl_engine_ktls.c */
        return APR_STATUS_IS_EAGAIN(ssl_transport_wait_writable(conn->transport)) ? APR_EAGAIN
                                                                                  : network_failed(conn, what);
    case SSL_ERROR_WANT_READ:
        return APR_STATUS_IS_TIMEUP(conn->transport->in_status) ? network_failed(conn, what) : APR_EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return conn->state < SSL_CONN_ESTABLISHED ? network_failed(conn, what) : APR_EOF;
    case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        return network_failed(conn, what);
    default:
        if (conn->transport->in_status != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(conn->transport->in_status)) {
            ERR_clear_error();
            return network_failed(conn, what);
        }
        return protocol_failed(conn, what);
    }
}

/* --- from state to state --------------------------------------------------------- */

/* How many CA certificates stand above the peer's. A session does not tell; but
 * it was made with the demands of this virtual host. */
static int peer_depth(const ssl_conn *conn)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(conn->ssl);
    int n = chain ? sk_X509_num(chain) : 0;

    return !conn->facts.peer ? 0 : n > 0 ? n - 1 : conn->verify_depth;
}

void ssl_conn_fill_facts(ssl_conn *conn)
{
    ssl_conn_facts *facts = &conn->facts;
    const SSL_CIPHER *cipher = SSL_get_current_cipher(conn->ssl);
    const unsigned char *alpn = NULL;
    unsigned int alpn_len = 0;

    facts->protocol = SSL_get_version(conn->ssl);
    facts->cipher = SSL_CIPHER_get_name(cipher);
    facts->cipher_bits_used = SSL_CIPHER_get_bits(cipher, &facts->cipher_bits_possible);
    facts->group = ssl_compat_group_name(conn->ssl);
    X509_free(facts->peer);
    facts->peer = SSL_get1_peer_certificate(conn->ssl);
    facts->peer_depth = peer_depth(conn);
    facts->resumed = SSL_session_reused(conn->ssl);
    SSL_get0_alpn_selected(conn->ssl, &alpn, &alpn_len);
    facts->alpn = alpn_len ? apr_pstrmemdup(conn->c->pool, (const char *)alpn, alpn_len) : NULL;
    conn->verify_result = SSL_get_verify_result(conn->ssl);
}

/* The peer's first bytes: TLS, or HTTP without it? */
static apr_status_t recognise(ssl_conn *conn)
{
    ssl_first_bytes what = SSL_FIRST_OTHER;
    apr_status_t rv = ssl_transport_recognise(conn->transport, &what);

    if (rv == APR_SUCCESS && what == SSL_FIRST_HTTP) {
        ssl_count(SSL_COUNT_FAILED_PLAIN_HTTP);
        conn->plain_http = 1;
        conn->c->keepalive = AP_CONN_CLOSE;
        ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, conn->c,
                      APLOGNO(01996) "SSL handshake failed: HTTP spoken on HTTPS port; an error page says so (server %s)",
                      ssl_server_id(conn->c->pool, conn->server));
        return APR_SUCCESS;
    }
    if (rv == APR_SUCCESS) {
        conn->state = SSL_CONN_HANDSHAKE;
        return APR_SUCCESS;
    }
    return APR_STATUS_IS_EAGAIN(rv) ? rv : network_failed(conn, "handshake");
}

static apr_status_t shake_hands(ssl_conn *conn)
{
    int ret;

    ERR_clear_error();
    conn->transport->answer_expected = 1;
    ret = SSL_do_handshake(conn->ssl);
    if (ret <= 0) {
        return ssl_conn_result(conn, ret, "handshake");
    }
    conn->state = SSL_CONN_ESTABLISHED;
    ssl_conn_fill_facts(conn);
    if (!conn->backend) {
        ssl_metrics_established(conn);
        ssl_scache_used(conn);
    }
    ssl_ktls_settle(conn);
    /* Up to TLS 1.2 a full handshake ends with a message of the server that the client waits for.  Where the
     * client's is the last, the request follows at once. */
    conn->transport->answer_expected =
        !conn->backend && SSL_version(conn->ssl) < TLS1_3_VERSION && !conn->facts.resumed;
    /* An idle connection keeps no buffers; while shaking hands they would be made again for each message. */
    SSL_set_mode(conn->ssl, SSL_MODE_RELEASE_BUFFERS);
    ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, conn->c, APLOGNO(02041) "Protocol: %s, Cipher: %s (%d/%d bits)",
                  conn->facts.protocol, conn->facts.cipher, conn->facts.cipher_bits_used,
                  conn->facts.cipher_bits_possible);
    return conn->backend ? ssl_proxy_accept(conn) : APR_SUCCESS;
}

/* A client's first bytes are looked at; to a backend the first bytes are ours. */
static apr_status_t begin(ssl_conn *conn)
{
    return conn->backend ? ssl_proxy_begin(conn) : recognise(conn);
}

apr_status_t ssl_conn_progress(ssl_conn *conn, ssl_conn_state wanted, apr_read_type_e block)
{
    conn->transport->mode = block;
    while (conn->state < wanted && !conn->plain_http) {
        apr_status_t rv = conn->state == SSL_CONN_NEW ? begin(conn) : shake_hands(conn);

        if (rv != APR_SUCCESS && !(APR_STATUS_IS_EAGAIN(rv) && block == APR_BLOCK_READ)) {
            return rv;
        }
    }
    return conn->state == SSL_CONN_CLOSED ? conn->end : APR_SUCCESS;
}

/* --- the end ------------------------------------------------------------------------ */

/* ssl-accurate-shutdown: the peer's close_notify is waited for, as long as the
 * connection's Timeout lets a read last, through what may still come before it. */
static void wait_for_close_notify(ssl_conn *conn)
{
    char ignored[1024];
    int reads = 0;

    conn->transport->mode = APR_BLOCK_READ;
    if (ssl_transport_send(conn->transport, 1) != APR_SUCCESS) {
        return;
    }
    while (!(SSL_get_shutdown(conn->ssl) & SSL_RECEIVED_SHUTDOWN) && reads++ < 64) {
        if (SSL_read(conn->ssl, ignored, sizeof(ignored)) <= 0) {
            break;
        }
    }
}

static void send_close_notify(ssl_conn *conn)
{
    ERR_clear_error();
    if (conn->shutdown == SSL_SHUTDOWN_STANDARD) {
        ssl_transport_expect_end(conn->transport);
    }
    if (conn->shutdown == SSL_SHUTDOWN_UNCLEAN || conn->c->aborted) {
        SSL_set_quiet_shutdown(conn->ssl, 1);
    }
    SSL_shutdown(conn->ssl);
    if (conn->shutdown == SSL_SHUTDOWN_ACCURATE && !conn->c->aborted) {
        wait_for_close_notify(conn);
    }
    ERR_clear_error();
}

void ssl_conn_shutdown(ssl_conn *conn)
{
    static const char *const kinds[] = { "standard", "unclean", "accurate" };
    int established = conn->state == SSL_CONN_ESTABLISHED;

    if (conn->state == SSL_CONN_CLOSED || conn->plain_http) {
        return;
    }
    if (established) {
        send_close_notify(conn);
    }
    ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, conn->c,
                  APLOGNO(02001) "Connection closed to child %ld with %s shutdown (server %s)", conn->c->id,
                  established ? kinds[conn->shutdown] : "abortive", ssl_server_id(conn->c->pool, conn->server));
    ssl_conn_abort(conn, APR_EOF);
}
