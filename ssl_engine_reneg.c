/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_reneg.c - a handshake amid a connection, because a directory
 * demands more of it than its virtual host: renegotiation up to TLS 1.2,
 * post-handshake authentication in TLS 1.3.
 *
 * OpenSSL only sends the request by itself; the client's messages are handled
 * when something is read.  So it is read until the client's Finished has come.
 * Requests that the client had sent before it saw ours come first: they wait
 * for the input filter, up to a limit, as they would have in the network.
 *
 * The attacker is somebody who has put bytes before those of the client (CVE-2009-3555),
 * who answers nothing or too much, or who hopes that half a handshake counts:
 * whatever goes wrong once the handshake has begun ends the connection.
 */
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_filter.h"
#include "ssl_metrics.h"
#include "ssl_verify.h"

#include <openssl/evp.h>

/* Of later requests, while an answer is waited for.  A body that was not read
 * before (Expect: 100-continue) may come here, too. */
#define MOST_READ_AHEAD (256 * 1024)

static int is_tls13(const ssl_conn *conn)
{
    return SSL_version(conn->ssl) >= TLS1_3_VERSION;
}

/* --- ciphers --------------------------------------------------------------------- */

int ssl_reneg_cipher_allowed(ssl_conn *conn, const char *suite)
{
    const SSL_CIPHER *current = SSL_get_current_cipher(conn->ssl);
    STACK_OF(SSL_CIPHER) *listed = NULL;
    int i, found = 0;
    SSL *other;

    if (is_tls13(conn) || (conn->allowed_suite && strcmp(conn->allowed_suite, suite) == 0)) {
        return 1;
    }
    ERR_clear_error();
    other = SSL_new(SSL_get_SSL_CTX(conn->ssl));
    if (other && SSL_set_cipher_list(other, suite)) {
        listed = SSL_get_ciphers(other);
    }
    for (i = 0; !found && i < sk_SSL_CIPHER_num(listed); i++) {
        found = SSL_CIPHER_get_id(sk_SSL_CIPHER_value(listed, i)) == SSL_CIPHER_get_id(current);
    }
    SSL_free(other);
    ERR_clear_error();
    if (found && !conn->allowed_suite) { /* one is kept: nearly always there is but one */
        conn->allowed_suite = apr_pstrdup(conn->c->pool, suite);
    }
    return found;
}

/* --- what can't be done ------------------------------------------------------------ */

static int refuse(request_rec *r, const char *reason)
{
    apr_table_setn(r->notes, "error-notes", apr_pstrcat(r->pool, "Reason: ", reason, ".<br />", NULL));
    return HTTP_FORBIDDEN;
}

static int refuse_without_pha(request_rec *r)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  APLOGNO(10158) "access to %s failed: a client certificate is demanded here, and over TLS 1.3 this "
                  "client did not offer to be asked after the handshake (extension post_handshake_auth): let it offer "
                  "it (Firefox: security.tls.enable_post_handshake_auth), demand the certificate in the virtual host, "
                  "or limit that to TLS 1.2 (SSLProtocol)", r->uri);
    return refuse(r, "a client certificate is needed, and the client cannot be asked for one on this connection");
}

static int refuse_insecure(request_rec *r)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  "access to %s failed: it needs a renegotiation, and this client does not know the secure one "
                  "(RFC 5746): see SSLInsecureRenegotiation", r->uri);
    return refuse(r, "this needs a secure renegotiation, which the client does not support");
}

/* Without RFC 5746 nobody knows whether what came before is from this client.
 * What is decrypted already may be a request: it is not mixed with the client's. */
static int check_secure(request_rec *r, ssl_conn *conn)
{
    if (conn->ktls) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "access to %s failed: it needs another handshake, and the kernel, "
                      "which has the keys (SSLKTLS on), cannot take new ones", r->uri);
        return refuse(r, "this needs another handshake, which this connection cannot make");
    }
    if (is_tls13(conn) || SSL_get_secure_renegotiation_support(conn->ssl)) {
        return OK;
    }
    if (!ssl_config_of(conn->server)->insecure_renegotiation) {
        return refuse_insecure(r);
    }
    conn->c->keepalive = AP_CONN_CLOSE;
    if (ssl_io_has_input(conn)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      APLOGNO(02259) "what came ahead of an insecure renegotiation is not served: the connection "
                      "ends after this request");
    }
    return OK;
}

/* --- the handshake ----------------------------------------------------------------- */

/* SSL_set_msg_callback(3): the client's last message completes the handshake. */
static void note_finished(int written, int version, int content_type, const void *data, size_t len, SSL *ssl, void *arg)
{
    (void)version;
    (void)ssl;
    if (!written && content_type == SSL3_RT_HANDSHAKE && len > 0 && *(const unsigned char *)data == SSL3_MT_FINISHED) {
        *(int *)arg = 1;
    }
}

/* Reads until the client has answered.  Without SSL_MODE_AUTO_RETRY each read
 * ends behind a message: it would go on for data that nobody sends. */
static apr_status_t await_answer(ssl_conn *conn, const int *finished)
{
    apr_size_t ahead = 0;
    apr_status_t rv = APR_SUCCESS;

    while (!*finished || SSL_in_init(conn->ssl)) {
        rv = ssl_io_read_ahead(conn, &ahead);
        if (rv != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(rv)) {
            return rv;
        }
        if (ahead > MOST_READ_AHEAD) {
            return APR_ENOSPC;
        }
    }
    return APR_SUCCESS;
}

static apr_status_t shake_hands(ssl_conn *conn)
{
    SSL *ssl = conn->ssl;
    int finished = 0, ret;
    apr_status_t rv;

    SSL_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
    SSL_set_msg_callback(ssl, note_finished);
    SSL_set_msg_callback_arg(ssl, &finished);
    ERR_clear_error();
    ret = SSL_do_handshake(ssl);
    rv = ret == 1 ? APR_SUCCESS : ssl_conn_result(conn, ret, "renegotiation");
    if (rv == APR_SUCCESS || APR_STATUS_IS_EAGAIN(rv)) {
        rv = await_answer(conn, &finished);
    }
    SSL_set_msg_callback(ssl, NULL);
    SSL_set_msg_callback_arg(ssl, NULL);
    SSL_set_mode(ssl, SSL_MODE_AUTO_RETRY);
    return rv;
}

/* --- what it is about ---------------------------------------------------------------- */

/* A session with what a directory asked for is not to be resumed by connections
 * that are only asked what the virtual host asks for. */
static void set_session_id_context(ssl_conn *conn, const ssl_demand *demand)
{
    const ssl_host *host = ssl_config_of(conn->server)->host;
    unsigned char own[sizeof(host->session_id_context)];
    const char *text = apr_psprintf(conn->c->pool, "%d\n%d\n%s", conn->verify, conn->verify_depth,
                                    demand->cipher_suite ? demand->cipher_suite : "");
    EVP_MD_CTX *digest = EVP_MD_CTX_new();

    if (!digest || !EVP_DigestInit_ex(digest, EVP_sha256(), NULL) ||
        !EVP_DigestUpdate(digest, host->session_id_context, sizeof(host->session_id_context)) ||
        !EVP_DigestUpdate(digest, text, strlen(text)) || !EVP_DigestFinal_ex(digest, own, NULL)) {
        memset(own, 0, sizeof(own)); /* no virtual host's */
    }
    EVP_MD_CTX_free(digest);
    SSL_set_session_id_context(conn->ssl, own, sizeof(own));
    if (is_tls13(conn)) { /* goes on with the same session */
        SSL_SESSION_set1_id_context(SSL_get_session(conn->ssl), own, sizeof(own));
    }
}

static void set_verify(ssl_conn *conn, int level, int depth)
{
    conn->verify = level;
    conn->verify_depth = depth;
    SSL_set_verify(conn->ssl, ssl_verify_mode(level), ssl_verify_callback);
}

/* Schedules it.  Nothing is sent yet; 0: OpenSSL will not. */
static int schedule(ssl_conn *conn)
{
    ERR_clear_error();
    return is_tls13(conn) ? SSL_verify_client_post_handshake(conn->ssl) == 1 : SSL_renegotiate(conn->ssl) == 1;
}

static int could_not_start(request_rec *r, ssl_conn *conn)
{
    unsigned long error = ERR_peek_last_error();
    int not_offered = ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_EXTENSION_NOT_RECEIVED;
    const char *reason = ERR_reason_error_string(error);

    ERR_clear_error();
    if (is_tls13(conn) && not_offered) {
        return refuse_without_pha(r);
    }
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, APLOGNO(02225) "access to %s failed: OpenSSL cannot begin another "
                  "handshake: %s", r->uri, reason ? reason : "it gives no reason");
    return HTTP_FORBIDDEN;
}

/* Half a handshake counts for nothing. */
static int give_up(request_rec *r, ssl_conn *conn, apr_status_t rv)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, rv, r, APLOGNO(02261) "access to %s failed: the handshake that it needs did not succeed%s; "
                  "the connection is closed", r->uri,
                  APR_STATUS_IS_TIMEUP(rv) ? ": the client did not answer" :
                  APR_STATUS_IS_EOF(rv) ? ": the client closed the connection" :
                  APR_STATUS_IS_ENOSPC(rv) ? ": the client sent too much else before it answered" : "");
    ssl_conn_abort(conn, rv);
    conn->c->aborted = 1;
    return HTTP_FORBIDDEN;
}

int ssl_reneg_run(request_rec *r, ssl_conn *conn, const ssl_demand *demand, int ask)
{
    int level = conn->verify, depth = conn->verify_depth, rv = check_secure(r, conn);
    apr_status_t status;

    if (rv != OK) {
        return rv;
    }
    if (ask) {
        set_verify(conn, demand->verify, demand->verify_depth);
    }
    if ((demand->cipher_suite && !is_tls13(conn) && !SSL_set_cipher_list(conn->ssl, demand->cipher_suite)) ||
        !schedule(conn)) {
        set_verify(conn, level, depth);
        return could_not_start(r, conn);
    }
    set_session_id_context(conn, demand);
    conn->verify_generous = 0;
    conn->verify_error = NULL;
    conn->allowed_suite = NULL;
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, APLOGNO(02221) "%s for %s",
                  is_tls13(conn) ? "asking for post-handshake authentication" : "asking for a renegotiation",
                  r->uri);
    status = ssl_io_flush(conn);
    if (status == APR_SUCCESS) {
        status = shake_hands(conn);
    }
    if (status != APR_SUCCESS) {
        ssl_count(is_tls13(conn) ? SSL_COUNT_PHA_FAILED : SSL_COUNT_RENEG_FAILED);
        return give_up(r, conn, status);
    }
    ssl_count(is_tls13(conn) ? SSL_COUNT_PHA_DONE : SSL_COUNT_RENEG_DONE);
    ssl_conn_fill_facts(conn);
    return OK;
}
