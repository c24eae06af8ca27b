/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_peername.c - a backend's certificate: is it valid, is it of the
 * backend that was asked for, and if not, why, in words.
 */
#include "ssl_log.h"
#include "ssl_proxy.h"
#include "ssl_verify.h"
#include "ssl_x509.h"

#include <arpa/inet.h>

#include <openssl/x509v3.h>

/* Names of a certificate that a message lists. */
#define NAMES_SHOWN 12

/* --- validity ------------------------------------------------------------------------- */

static const char *subject(apr_pool_t *p, X509 *cert)
{
    return cert ? ssl_x509_name_rfc2253(p, X509_get_subject_name(cert)) : "";
}

/* -1: WHEN is past; 0: it is now; 1: it is to come.  WRONG: it is no time.
 * Seconds have no sign of their own when there are whole days between. */
static int compare_with_now(const ASN1_TIME *when, int wrong)
{
    int days = 0, seconds = 0;

    if (!ASN1_TIME_diff(&days, &seconds, NULL, when)) {
        return wrong;
    }
    return days < 0 || seconds < 0 ? -1 : days > 0 || seconds > 0;
}

/* NULL while CERT is valid. */
static const char *validity_problem(apr_pool_t *p, X509 *cert)
{
    if (compare_with_now(X509_get0_notAfter(cert), -1) < 0) {
        return apr_psprintf(p, "the certificate '%s' expired on %s", subject(p, cert),
                            ssl_x509_time(p, X509_get0_notAfter(cert)));
    }
    if (compare_with_now(X509_get0_notBefore(cert), 1) > 0) {
        return apr_psprintf(p, "the certificate '%s' is not valid before %s (is the clock of this machine right?)",
                            subject(p, cert), ssl_x509_time(p, X509_get0_notBefore(cert)));
    }
    return NULL;
}

/* --- names ------------------------------------------------------------------------------ */

ssl_peer_name_rule ssl_peer_rule(int check_name, int check_cn)
{
    if (check_name == 1 || (check_name == SSL_UNSET && check_cn != 0)) {
        return SSL_PEER_NAMES;
    }
    return check_name == 0 && check_cn == 1 ? SSL_PEER_COMMON_NAME : SSL_PEER_ANY_NAME;
}

static void list_name(apr_pool_t *p, const char **list, int *n, const char *name)
{
    if (name && ++*n <= NAMES_SHOWN) {
        *list = apr_pstrcat(p, *list, **list ? ", " : "", "'", name, "'", NULL);
    }
}

static void list_addresses(apr_pool_t *p, X509 *cert, const char **list, int *n)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    char text[INET6_ADDRSTRLEN];
    int i;

    for (i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_OCTET_STRING *ip = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        int len = type == GEN_IPADD ? ASN1_STRING_length(ip) : 0;

        if ((len == 4 || len == 16) &&
            inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(ip), text, sizeof(text))) {
            list_name(p, list, n, text);
        }
    }
    GENERAL_NAMES_free(names);
}

/* All names that CERT has, for a message. */
static const char *names_of(apr_pool_t *p, X509 *cert)
{
    apr_array_header_t *dns = ssl_x509_alt_names(p, cert, GEN_DNS, 0);
    const char *list = "", *name;
    int n = 0, i;

    for (i = 0; i < dns->nelts; i++) {
        list_name(p, &list, &n, APR_ARRAY_IDX(dns, i, const char *));
    }
    list_addresses(p, cert, &list, &n);
    for (i = 0; (name = ssl_x509_name_entry(p, X509_get_subject_name(cert), NID_commonName, i, 0)) != NULL; i++) {
        if (!strstr(list, apr_pstrcat(p, "'", name, "'", NULL))) {
            list_name(p, &list, &n, name);
        }
    }
    if (n > NAMES_SHOWN) {
        return apr_psprintf(p, "its names are %s and %d more", list, n - NAMES_SHOWN);
    }
    return n ? apr_pstrcat(p, "its names are ", list, NULL) : "it has no name at all";
}

static ssl_peer_problem names_problem(apr_pool_t *p, X509 *cert, const char *name)
{
    ssl_peer_problem none = { NULL, NULL }, wrong = { APLOGNO(02411), NULL };

    if (ssl_x509_matches_name(p, cert, name)) {
        return none;
    }
    wrong.text = apr_psprintf(p, "its certificate is not for the name '%s' that was asked for; %s", name,
                              names_of(p, cert));
    return wrong;
}

/* "*.example.org" is one label and this; else the names are equal. */
static int common_name_covers(const char *cn, const char *name)
{
    const char *rest = strncmp(cn, "*.", 2) == 0 ? strchr(name, '.') : NULL;

    return rest && rest > name ? ap_cstr_casecmp(cn + 1, rest) == 0 : ap_cstr_casecmp(cn, name) == 0;
}

static ssl_peer_problem common_name_problem(apr_pool_t *p, X509 *cert, const char *name)
{
    const char *cn = ssl_x509_name_entry(p, X509_get_subject_name(cert), NID_commonName, 0, 0);
    ssl_peer_problem none = { NULL, NULL }, wrong = { APLOGNO(02005), NULL };

    if (cn && common_name_covers(cn, name)) {
        return none;
    }
    wrong.text = apr_psprintf(p, "the common name of its certificate is '%s', not '%s' as was asked for "
                              "(SSLProxyCheckPeerCN)", cn ? cn : "", name);
    return wrong;
}

ssl_peer_problem ssl_peer_check(apr_pool_t *p, X509 *cert, const ssl_proxy_config *settings, const char *name)
{
    ssl_peer_name_rule rule = ssl_peer_rule(settings->check_peer_name, settings->check_peer_cn);
    ssl_peer_problem problem = { NULL, NULL };

    if (!cert) {
        int matters = settings->tls.verify == SSL_CVERIFY_REQUIRE || settings->check_peer_expire ||
                      (rule != SSL_PEER_ANY_NAME && name);

        problem.text = matters ? "it has no certificate" : NULL;
        return problem;
    }
    if (settings->check_peer_expire) {
        problem.number = APLOGNO(02004);
        problem.text = validity_problem(p, cert);
    }
    if (problem.text || !name || rule == SSL_PEER_ANY_NAME) {
        return problem;
    }
    return rule == SSL_PEER_NAMES ? names_problem(p, cert, name) : common_name_problem(p, cert, name);
}

/* --- chains ------------------------------------------------------------------------------- */

static const char *issuer(apr_pool_t *p, X509 *cert)
{
    return cert ? ssl_x509_name_rfc2253(p, X509_get_issuer_name(cert)) : "";
}

/* Words for errors in which only subject and issuer are of interest. */
static const struct {
    int error;
    const char *words;
} chain_problems[] = {
    { X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
      "the certificate '{subject}' is self-signed, and is not itself in SSLProxyCACertificateFile or ...Path" },
    { X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
      "the root of its chain, '{subject}', is not one of the CAs in SSLProxyCACertificateFile or ...Path" },
    { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
      "the issuer of '{subject}', '{issuer}', is not known: it is not in SSLProxyCACertificateFile or ...Path, and the "
      "backend did not send it" },
    { X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
      "the issuer of '{subject}', '{issuer}', is not in SSLProxyCACertificateFile or ...Path" },
    { X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
      "the issuer of '{subject}', '{issuer}', is not known: it is not in SSLProxyCACertificateFile or ...Path, and the "
      "backend did not send it" },
    { X509_V_ERR_CERT_REVOKED, "the certificate '{subject}' was revoked by '{issuer}'" },
    { X509_V_ERR_UNABLE_TO_GET_CRL,
      "there is no revocation list of '{issuer}', who issued '{subject}', in SSLProxyCARevocationFile or ...Path where "
      "the CAs are from (of several <Proxy> sections the last that names CAs or lists has to name both)" },
    { X509_V_ERR_CRL_HAS_EXPIRED, "the revocation list of '{issuer}' is out of date: fetch it anew" },
    { X509_V_ERR_CRL_NOT_YET_VALID, "the revocation list of '{issuer}' is not valid yet" },
    { X509_V_ERR_CRL_SIGNATURE_FAILURE, "the revocation list of '{issuer}' is not signed by that CA" },
    { X509_V_ERR_CERT_SIGNATURE_FAILURE, "the signature of '{subject}' is not by '{issuer}'" },
    { X509_V_ERR_APPLICATION_VERIFICATION,
      "no OCSP responder vouches for '{subject}' (SSLProxyOCSPEnable; the message AH03239 says why)" },
    { X509_V_ERR_INVALID_PURPOSE, "the certificate '{subject}' is not one for TLS servers" },
};

static const char *replace(apr_pool_t *p, const char *text, const char *mark, const char *value)
{
    const char *at = strstr(text, mark);

    return at ? apr_pstrcat(p, apr_pstrmemdup(p, text, (apr_size_t)(at - text)), value, at + strlen(mark), NULL) : text;
}

/* The later mark first: what came from outside is not looked through for marks. */
static const char *fill_in(apr_pool_t *p, const char *words, X509 *cert)
{
    const char *by = issuer(p, cert), *who = subject(p, cert);
    int issuer_first = strstr(words, "{issuer}") && strstr(words, "{issuer}") < strstr(words, "{subject}");

    if (issuer_first) {
        return replace(p, replace(p, words, "{subject}", who), "{issuer}", by);
    }
    return replace(p, replace(p, words, "{issuer}", by), "{subject}", who);
}

const char *ssl_peer_verify_problem(apr_pool_t *p, int error, X509 *cert, const ssl_proxy_config *settings)
{
    const char *words = NULL;
    size_t i;

    if (error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID) {
        words = cert ? validity_problem(p, cert) : NULL;
    }
    if (error == X509_V_ERR_CERT_CHAIN_TOO_LONG) {
        return apr_psprintf(p, "'%s' stands higher above its certificate than SSLProxyVerifyDepth %d lets it",
                            subject(p, cert), settings->tls.verify_depth);
    }
    for (i = 0; !words && i < sizeof(chain_problems) / sizeof(chain_problems[0]); i++) {
        if (chain_problems[i].error == error) {
            words = fill_in(p, chain_problems[i].words, cert);
        }
    }
    return words ? words : apr_psprintf(p, "%s: certificate '%s'", X509_verify_cert_error_string(error),
                                        subject(p, cert));
}

/* In a renegotiation: before our own certificate is sent to whoever it now is (the "triple handshake"). */
static int is_another(ssl_conn *conn, X509_STORE_CTX *store)
{
    ssl_backend *backend = conn->backend;

    backend->problem = ssl_peer_check(conn->c->pool, X509_STORE_CTX_get_current_cert(store), &backend->settings,
                                      backend->name).text;
    return backend->problem != NULL;
}

int ssl_peer_verify_callback(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    ssl_conn *conn = SSL_get_app_data(ssl);
    const ssl_proxy_config *settings = &conn->backend->settings;
    int error = X509_STORE_CTX_get_error(store), depth = X509_STORE_CTX_get_error_depth(store);

    if (ok && depth > settings->tls.verify_depth) {
        ok = 0;
        error = X509_V_ERR_CERT_CHAIN_TOO_LONG;
    }
    else if (!ok && error == X509_V_ERR_UNABLE_TO_GET_CRL && (settings->tls.crl_check & SSL_CRLCHECK_NO_CRL_OK)) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        ok = 1;
    }
    else if (!ok && settings->tls.verify == SSL_CVERIFY_OPTIONAL_NO_CA && ssl_verify_is_unknown_issuer(error)) {
        conn->verify_generous = 1;
        ok = 1;
    }
    if (ok && settings->tls.verify != SSL_CVERIFY_NONE && ssl_ocsp_wanted(settings->ocsp, depth)) {
        error = ssl_ocsp_check(conn, store, depth);
        ok = error == X509_V_OK;
    }
    if (!ok) {
        conn->backend->problem =
            ssl_peer_verify_problem(conn->c->pool, error, X509_STORE_CTX_get_current_cert(store), settings);
    }
    else if (depth == 0 && conn->state >= SSL_CONN_ESTABLISHED && is_another(conn, store)) {
        error = X509_V_ERR_APPLICATION_VERIFICATION;
        ok = 0;
    }
    if (!ok) {
        X509_STORE_CTX_set_error(store, error);
        conn->verify_result = error;
    }
    return ok;
}

/* --- handshakes ------------------------------------------------------------------------------- */

/** What an error of OpenSSL means of a backend. */
static const struct {
    int reason;
    const char *words;
} handshake_problems[] = {
    { SSL_R_WRONG_VERSION_NUMBER, "what it answered is not TLS (is this a port for plain HTTP?)" },
    { SSL_R_UNSUPPORTED_PROTOCOL, "it chose a protocol version that SSLProxyProtocol does not allow" },
    { SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "it speaks none of the protocol versions that SSLProxyProtocol allows" },
    { SSL_R_TLS_ALERT_HANDSHAKE_FAILURE, "it found nothing in common with us: no cipher of SSLProxyCipherSuite, no "
      "group, no signature; or it needs a client certificate" },
    { SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY, "our ciphers are too weak for it (SSLProxyCipherSuite)" },
    { SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, "it requires a client certificate (SSLProxyMachineCertificateFile)" },
    { SSL_R_TLS_ALERT_BAD_CERTIFICATE, "it refused our client certificate" },
    { SSL_R_TLS_ALERT_CERTIFICATE_UNKNOWN, "it refused our client certificate" },
    { SSL_R_TLS_ALERT_CERTIFICATE_EXPIRED, "it says that our client certificate has expired" },
    { SSL_R_TLSV1_ALERT_UNKNOWN_CA, "it does not know the CA of our client certificate" },
    { SSL_R_TLSV1_UNRECOGNIZED_NAME, "it does not serve the name that it was asked for" },
    { SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL, "it speaks none of the protocols that we offer (ALPN)" },
    { SSL_R_UNEXPECTED_EOF_WHILE_READING, "it closed the connection" },
    { SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED, "its TLS is too old to be safe: it lacks RFC 5746" },
    { SSL_R_EXCESSIVE_MESSAGE_SIZE, "it sent more certificates than a chain can need" },
    { SSL_R_LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED, "it speaks TLS 1.1 or older, whose signatures OpenSSL's security "
      "level forbids (SSLProxyCipherSuite ...:@SECLEVEL=0 allows them)" },
    { SSL_R_DH_KEY_TOO_SMALL, "its Diffie-Hellman parameters are too short for OpenSSL's security level" },
    { SSL_R_EE_KEY_TOO_SMALL, "the key of its certificate is too short for OpenSSL's security level" },
    { SSL_R_CA_MD_TOO_WEAK, "a certificate of its chain is signed with a hash that is too weak" },
};

const char *ssl_peer_handshake_problem(apr_pool_t *p, const ssl_conn *conn)
{
    unsigned long error = ERR_peek_last_error();
    size_t i;

    if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED &&
        conn->backend->problem) {
        return conn->backend->problem;
    }
    for (i = 0; i < sizeof(handshake_problems) / sizeof(handshake_problems[0]); i++) {
        if (ERR_GET_LIB(error) == ERR_LIB_SSL && handshake_problems[i].reason == ERR_GET_REASON(error)) {
            return handshake_problems[i].words;
        }
    }
    return ssl_log_reason(p);
}
