/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_ocsp.c - SSLOCSPEnable, SSLProxyOCSPEnable: is the peer's certificate
 * still good?
 *
 * Asked within the handshake, for each certificate that the verification has
 * found right so far, from the top of the chain down.  The client is let in by
 * one thing only: a valid answer that says good.  What the thread that serves
 * the client can be made to wait is the responder's time-out per certificate.
 */
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_log.h"
#include "ssl_ocsp.h"
#include "ssl_proxy.h"
#include "ssl_verify.h"
#include "ssl_x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>

/* One certificate in question. */
typedef struct inquiry {
    apr_pool_t *p; /* only for this inquiry */
    ssl_conn *conn;
    const ssl_server_config *cfg;
    X509_STORE_CTX *store;
    X509 *cert, *issuer;
    int enable;
    const char *peer; /* "client" or "backend" */
    const char *url; /* of the responder, or NULL */
} inquiry;

/* What an administrator may do about an answer that is not believed. */
static const char *const advice[] = {
    [SSL_OCSP_FAULT_NONE] = "see docs/troubleshooting.md, OCSP",
    [SSL_OCSP_FAULT_ENCODING] = "is that URL an OCSP responder's?",
    [SSL_OCSP_FAULT_RESPONDER] = "is that the responder of this certificate's CA?",
    [SSL_OCSP_FAULT_NONCE] = "for responders that never repeat a nonce: SSLOCSPUseRequestNonce off",
    [SSL_OCSP_FAULT_SIGNATURE] = "if that responder is to be trusted: SSLOCSPResponderCertificateFile",
    [SSL_OCSP_FAULT_SUBJECT] = "is that the responder of this certificate's CA?",
    [SSL_OCSP_FAULT_TIME] = "compare the clocks, SSLOCSPResponseTimeSkew and SSLOCSPResponseMaxAge",
};

/* LEVEL as for ap_log_cerror(); WORDS: why, HINT: what to do, or NULL. */
static void tell(const inquiry *q, int level, const char *what, const char *words, const char *hint)
{
    ap_log_cerror(APLOG_MARK, level, 0, q->conn->c,
                  APLOGNO(03239) "OCSP: %s%s: %s%s%s [%s; responder %s; virtual host %s]", q->peer, what, words,
                  hint ? ": " : "", hint ? hint : "", ap_escape_logitem(q->p, ssl_x509_summary(q->p, q->cert)),
                  q->url ? ap_escape_logitem(q->p, q->url) : "none", ssl_server_id(q->p, q->conn->server));
}

/* The responder's URL, and in PROBLEM why there is none that can be asked, or NULL. */
static const char *find_responder(inquiry *q, const char **problem)
{
    const ssl_ocsp_config *ocsp = &q->cfg->ocsp;
    const char *named = ocsp->override_responder ? NULL : ssl_ocsp_responder(q->p, q->cert);
    const char *url = named ? named : ocsp->responder;

    *problem = url ? ssl_ocsp_url_problem(q->p, url)
             : ocsp->override_responder ? "SSLOCSPOverrideResponder is on, but SSLOCSPDefaultResponder is not set"
                                        : "the certificate names no OCSP responder, nor does SSLOCSPDefaultResponder";
    return url;
}

static const ssl_ocsp_verdict *no_verdict(const inquiry *q, const char *words)
{
    ssl_ocsp_verdict *verdict = apr_pcalloc(q->p, sizeof(*verdict));

    verdict->status = SSL_OCSP_ERROR;
    verdict->words = words;
    return verdict;
}

static const ssl_ocsp_verdict *ask(const inquiry *q)
{
    const ssl_ocsp_config *ocsp = &q->cfg->ocsp;
    ssl_ocsp_exchange how = { q->url, ocsp->proxy_url, apr_time_from_sec(ocsp->timeout), 0, .any_type = 1 };
    ssl_ocsp_rules rules = {
        .store = X509_STORE_CTX_get0_store(q->store),
        .chain = X509_STORE_CTX_get0_chain(q->store),
        .responders = ocsp->responders,
        .no_verify = ocsp->no_verify,
        .need_nonce = ocsp->use_nonce,
        .skew = apr_time_from_sec(ocsp->time_skew),
        .max_age = ocsp->max_age < 0 ? -1 : apr_time_from_sec(ocsp->max_age),
    };
    ssl_ocsp_query *query = ssl_ocsp_query_make(q->p, q->cert, q->issuer, ocsp->use_nonce);
    const unsigned char *der;
    const char *problem;
    apr_size_t len;

    if (!query) {
        return no_verdict(q, "the question cannot be made (out of memory, or OpenSSL has no SHA-1)");
    }
    if (ssl_ocsp_fetch(q->p, &how, query, &der, &len, &problem) != APR_SUCCESS) {
        return no_verdict(q, problem);
    }
    return ssl_ocsp_judge(q->p, query, der, len, &rules);
}

/* X509_V_... */
static int inquire(inquiry *q)
{
    const ssl_ocsp_verdict *verdict;
    const char *problem;

    q->url = find_responder(q, &problem);
    if (problem && (q->enable & SSL_OCSP_NO_URL_OK)) {
        tell(q, APLOG_DEBUG, "'s responder not asked (no_ocsp_for_cert_ok)", problem, NULL);
        return X509_V_OK;
    }
    if (problem) {
        tell(q, APLOG_ERR, " refused", problem, q->conn->backend
             ? "set SSLOCSPDefaultResponder, or say SSLProxyOCSPEnable ... no_ocsp_for_cert_ok"
             : "set SSLOCSPDefaultResponder, or say SSLOCSPEnable ... no_ocsp_for_cert_ok");
        return X509_V_ERR_APPLICATION_VERIFICATION;
    }
    verdict = ask(q);
    switch (verdict->status) {
    case SSL_OCSP_GOOD:
        tell(q, APLOG_DEBUG, "'s certificate checked", verdict->words, NULL);
        return X509_V_OK;
    case SSL_OCSP_REVOKED:
        tell(q, APLOG_INFO, " refused", verdict->words, NULL);
        return X509_V_ERR_CERT_REVOKED;
    case SSL_OCSP_UNKNOWN:
        tell(q, APLOG_INFO, " refused", verdict->words, advice[SSL_OCSP_FAULT_SUBJECT]);
        return X509_V_ERR_APPLICATION_VERIFICATION;
    case SSL_OCSP_ERROR:
    default:
        tell(q, APLOG_ERR, verdict->fault == SSL_OCSP_FAULT_NONE ? " refused" : " refused: bad answer",
             verdict->words, advice[verdict->fault]);
        return X509_V_ERR_APPLICATION_VERIFICATION;
    }
}

int ssl_ocsp_wanted(int enable, int depth)
{
    int mode = enable & SSL_OCSP_MASK;

    return mode == SSL_OCSP_CHAIN || (mode == SSL_OCSP_LEAF && depth == 0);
}

int ssl_ocsp_check(ssl_conn *conn, X509_STORE_CTX *store, int depth)
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(store);
    const ssl_server_config *cfg = ssl_config_of(conn->server);
    const ssl_backend *backend = conn->backend;
    inquiry q = { NULL, conn, cfg, store, X509_STORE_CTX_get_current_cert(store), sk_X509_value(chain, depth + 1),
                  backend ? backend->settings.ocsp : cfg->ocsp.enable, backend ? "backend" : "client", NULL };
    int error;

    if (conn->verify_generous) {
        ap_log_cerror(APLOG_MARK, APLOG_ERR, 0, conn->c,
                      APLOGNO(02038) "OCSP: %s refused: optional_no_ca would let its certificate through, but "
                      "without a known issuer nobody can answer for it; %s optional or require [virtual host %s]",
                      q.peer, backend ? "SSLProxyOCSPEnable needs SSLProxyVerify" : "SSLOCSPEnable needs SSLVerifyClient",
                      ssl_server_id(conn->c->pool, conn->server));
        return X509_V_ERR_APPLICATION_VERIFICATION;
    }
    if (!q.issuer) {
        return X509_V_OK; /* a CA of ours, whom nobody can revoke */
    }
    apr_pool_create(&q.p, conn->c->pool);
    error = inquire(&q);
    apr_pool_destroy(q.p);
    return error;
}

/* --- start -------------------------------------------------------------------- */

static apr_status_t free_responders(void *data)
{
    sk_X509_pop_free(data, X509_free);
    return APR_SUCCESS;
}

/* The certificates in PATH, until P goes; NULL: none can be read. */
static STACK_OF(X509) *load_responders(apr_pool_t *p, const char *path)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    BIO *file = BIO_new_file(path, "r");
    X509 *cert;

    while (certs && file && (cert = PEM_read_bio_X509(file, NULL, NULL, NULL)) != NULL) {
        if (!sk_X509_push(certs, cert)) {
            X509_free(cert);
            break;
        }
    }
    BIO_free(file);
    if (sk_X509_num(certs) < 1) {
        sk_X509_free(certs);
        return NULL;
    }
    ERR_clear_error(); /* the end of the file */
    apr_pool_cleanup_register(p, certs, free_responders, apr_pool_cleanup_null);
    return certs;
}

/* What will keep every client out, said before the first comes. */
static void warn(server_rec *s, const char *id, const ssl_ocsp_config *ocsp, apr_pool_t *ptemp)
{
    const char *problem = ocsp->responder ? ssl_ocsp_url_problem(ptemp, ocsp->responder) : NULL;

    if (problem) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "%s: SSLOCSPDefaultResponder %s cannot be asked: %s",
                     id, ocsp->responder, problem);
    }
    problem = ocsp->proxy_url ? ssl_ocsp_url_problem(ptemp, ocsp->proxy_url) : NULL;
    if (problem) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "%s: SSLOCSPProxyURL %s cannot be used: %s", id,
                     ocsp->proxy_url, problem);
    }
    if (ocsp->override_responder && !ocsp->responder) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "%s: SSLOCSPOverrideResponder is on, but SSLOCSPDefaultResponder is not set: no responder is "
                     "asked", id);
    }
}

void ssl_ocsp_init(server_rec *s, const char *id, int enable, apr_pool_t *p, apr_pool_t *ptemp)
{
    ssl_ocsp_config *ocsp = &ssl_config_of(s)->ocsp;

    if ((enable & SSL_OCSP_MASK) == SSL_OCSP_OFF) {
        return;
    }
    warn(s, id, ocsp, ptemp);
    if (!ocsp->responder_cert_file || ocsp->responders) {
        return;
    }
    ocsp->responders = load_responders(p, ocsp->responder_cert_file);
    if (!ocsp->responders) {
        /* The stock module starts with it, too.  Nobody is let in for that. */
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     "%s: SSLOCSPResponderCertificateFile is not used: no certificate could be read from '%s': %s", id,
                     ocsp->responder_cert_file, ssl_log_reason(ptemp));
        ssl_log_queue(APLOG_MARK, APLOG_ERR, s);
    }
}
