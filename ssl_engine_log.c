/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_log.c - OpenSSL's error queue and alerts as log lines.
 */
#include "ssl_conn.h"
#include "ssl_log.h"

/** What usually cures an error of OpenSSL's SSL library. */
static const struct {
    int reason;
    const char *hint;
} hints[] = {
    { SSL_R_HTTP_REQUEST, "the client spoke HTTP to the HTTPS port" },
    { SSL_R_HTTPS_PROXY_REQUEST, "the client took this port for an HTTP proxy" },
    { SSL_R_UNKNOWN_PROTOCOL, "the client spoke something else than TLS" },
    { SSL_R_WRONG_VERSION_NUMBER, "the peer spoke something else than TLS, or a version far from ours" },
    { SSL_R_UNSUPPORTED_PROTOCOL, "the client offered only protocol versions that SSLProtocol does not allow" },
    { SSL_R_NO_SHARED_CIPHER, "none of the client's ciphers is in SSLCipherSuite and fits a certificate of this host" },
    { SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, "the client accepts no signature that a certificate of this host can make" },
    { SSL_R_CERTIFICATE_VERIFY_FAILED, "the peer's certificate was refused: see the line above" },
    { SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "SSLVerifyClient requires a client certificate and the client sent none" },
    { SSL_R_UNEXPECTED_EOF_WHILE_READING, "the peer closed the connection without close_notify" },
    { SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the peer does not know the CA of our certificate: is the chain complete?" },
    { SSL_R_TLS_ALERT_BAD_CERTIFICATE, "the peer does not like our certificate: wrong name, weak key or wrong usage" },
    { SSL_R_TLS_ALERT_CERTIFICATE_UNKNOWN, "the peer does not trust our certificate" },
    { SSL_R_TLS_ALERT_CERTIFICATE_EXPIRED, "our certificate has expired, or the peer's clock is wrong" },
    { SSL_R_TLS_ALERT_HANDSHAKE_FAILURE, "the peer found nothing in common with us" },
    { SSL_R_CA_MD_TOO_WEAK, "a certificate in the chain is signed with a hash that OpenSSL's security level forbids" },
    { SSL_R_EE_KEY_TOO_SMALL, "the certificate's key is too short for OpenSSL's security level" },
};

static const char *hint_for(unsigned long error)
{
    size_t i;

    if (ERR_GET_LIB(error) == ERR_LIB_UI) {
        return "a PIN or pass phrase was asked for in vain; if it is a token's, in a running server: put pin-source= into "
               "its URI, or let the provider keep the PIN (pkcs11-module-cache-pins = cache)";
    }
    for (i = 0; ERR_GET_LIB(error) == ERR_LIB_SSL && i < sizeof(hints) / sizeof(hints[0]); i++) {
        if (hints[i].reason == ERR_GET_REASON(error)) {
            return hints[i].hint;
        }
    }
    return NULL;
}

/* One entry of the queue as text; 0 when the queue is empty. */
static int next_error(char *text, apr_size_t size)
{
    const char *data = NULL, *hint;
    unsigned long error;
    char name[256];
    int flags = 0;

    error = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);
    if (!error) {
        return 0;
    }
    ERR_error_string_n(error, name, sizeof(name));
    hint = hint_for(error);
    apr_snprintf(text, size, "SSL Library Error: %s%s%s%s%s%s", name, hint ? " -- " : "", hint ? hint : "",
                 flags & ERR_TXT_STRING && data && *data ? " (" : "",
                 flags & ERR_TXT_STRING && data ? data : "", flags & ERR_TXT_STRING && data && *data ? ")" : "");
    return 1;
}

void ssl_log_queue(const char *file, int line, int module_index, int level, server_rec *s)
{
    char text[1024];

    while (next_error(text, sizeof(text))) {
        ap_log_error(file, line, module_index, level, 0, s, "%s", text);
    }
}

void ssl_log_queue_conn(const char *file, int line, int module_index, int level, conn_rec *c)
{
    char text[1024];

    while (next_error(text, sizeof(text))) {
        ap_log_cerror(file, line, module_index, level, 0, c, "%s", text);
    }
}

const char *ssl_log_reason(apr_pool_t *p)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(error);

    if (ERR_SYSTEM_ERROR(error)) {
        return apr_pstrdup(p, strerror(ERR_GET_REASON(error)));
    }
    return error ? (reason ? reason : apr_psprintf(p, "OpenSSL error %lX", error)) : "OpenSSL gives no reason";
}

/* --- alerts ------------------------------------------------------------------- */

static const struct {
    int description;
    const char *meaning;
} alerts[] = {
    { SSL_AD_BAD_CERTIFICATE, "it does not like our certificate: wrong name, weak key or wrong usage" },
    { SSL_AD_UNSUPPORTED_CERTIFICATE, "it cannot use a certificate of this kind" },
    { SSL_AD_CERTIFICATE_REVOKED, "it holds our certificate for revoked" },
    { SSL_AD_CERTIFICATE_EXPIRED, "our certificate has expired, or its clock is wrong" },
    { SSL_AD_CERTIFICATE_UNKNOWN, "it does not trust our certificate, or its user refused it" },
    { SSL_AD_UNKNOWN_CA, "it does not know the CA of our certificate: is an intermediate missing from the file?" },
    { SSL_AD_ACCESS_DENIED, "its user or its policy refused the connection" },
    { SSL_AD_HANDSHAKE_FAILURE, "it found nothing in common with us: protocol, cipher, group or signature" },
    { SSL_AD_PROTOCOL_VERSION, "it does not speak the protocol version that we chose" },
    { SSL_AD_INSUFFICIENT_SECURITY, "our ciphers or keys are too weak for it" },
    { SSL_AD_DECRYPT_ERROR, "a signature or a Finished message of ours did not verify" },
    { SSL_AD_UNRECOGNIZED_NAME, "it does not accept the name that we go by" },
    { SSL_AD_BAD_CERTIFICATE_STATUS_RESPONSE, "it does not accept the OCSP response that we stapled" },
    { SSL_AD_USER_CANCELLED, "its user gave up" },
    { SSL_AD_NO_RENEGOTIATION, "it will not renegotiate" },
    { SSL_AD_INTERNAL_ERROR, "it failed inside" },
};

/* What an alert of a client usually means, or NULL. */
static const char *alert_meaning(int description)
{
    size_t i;

    for (i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
        if (alerts[i].description == description) {
            return alerts[i].meaning;
        }
    }
    return NULL;
}

static void log_alert(ssl_conn *conn, int where, int ret)
{
    int received = where & SSL_CB_READ, description = ret & 0xff, fatal = (ret >> 8) == SSL3_AL_FATAL;
    const char *meaning = received ? alert_meaning(description) : NULL;

    if (description == SSL_AD_CLOSE_NOTIFY) {
        return;
    }
    if (!received && description == SSL_AD_NO_RENEGOTIATION) {
        conn->renegotiation_refused = 1;
    }
    ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, conn->c, "TLS alert %s: %s '%s'%s%s (virtual host %s)",
                  received ? "received" : "sent", fatal ? "fatal" : "warning", SSL_alert_desc_string_long(ret),
                  meaning ? ": " : "", meaning ? meaning : "", conn->server->server_hostname);
}

void ssl_log_info_callback(const SSL *ssl, int where, int ret)
{
    ssl_conn *conn = SSL_get_app_data((SSL *)ssl);

    if (!conn) {
        return;
    }
    if (where & SSL_CB_ALERT) {
        log_alert(conn, where, ret);
    }
    else if (APLOGctrace3(conn->c)) {
        const char *what = where & SSL_CB_HANDSHAKE_START ? "handshake starts"
                           : where & SSL_CB_HANDSHAKE_DONE ? "handshake is done"
                           : where & SSL_CB_EXIT && ret <= 0 ? "waits or fails" : "state";
        ap_log_cerror(APLOG_MARK, APLOG_TRACE3, 0, conn->c, "OpenSSL: %s: %s", what, SSL_state_string_long(ssl));
    }
}
