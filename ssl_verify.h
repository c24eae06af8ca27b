/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_verify.h - client certificates, and who may come in.
 */
#ifndef SSL_VERIFY_H
#define SSL_VERIFY_H

#include "ssl_config.h"

/** SSL_CTX_set_verify(3): refuses, or lets through what optional_no_ca lets through. */
int ssl_verify_callback(int ok, X509_STORE_CTX *store);

/** SSL_VERIFY_... for a ssl_verify_level. */
int ssl_verify_mode(int level);

/** X509_V_FLAG_CRL_... for a SSL_CRLCHECK_. */
unsigned long ssl_verify_crl_flags(int crl_check);

/** Makes S, in messages ID, ready for ENABLE, of SSLOCSPEnable or SSLProxyOCSPEnable; what lives as long as it is
 * in P.  What is wrong with its settings is logged; then fewer answers are believed, not more. */
void ssl_ocsp_init(server_rec *s, const char *id, int enable, apr_pool_t *p, apr_pool_t *ptemp);

/** Whether ENABLE (SSL_OCSP_) wants an OCSP answer about the certificate at DEPTH (0: the peer's own). */
int ssl_ocsp_wanted(int enable, int depth);

/** Asks about the certificate of CONN's peer, a client or backend, that STORE stands at, within its verification;
 * what is above it in the chain is right.  Blocks, at most for SSLOCSPResponderTimeout.
 * X509_V_OK; X509_V_ERR_CERT_REVOKED or X509_V_ERR_APPLICATION_VERIFICATION, and logged why. */
int ssl_ocsp_check(ssl_conn *conn, X509_STORE_CTX *store, int depth);

/** What a directory demands of the connection that its requests arrive over. */
typedef struct ssl_demand {
    int verify;               /**< ssl_verify_level */
    int verify_depth;         /**< most CA certificates above the client's */
    const char *cipher_suite; /**< list for TLS <= 1.2, or NULL: any */
} ssl_demand;

/** Whether the cipher of CONN is in the list SUITE.  1; 0: it is not, or SUITE
 * names none.  TLS 1.3 has ciphers of its own, which no directory rules: 1. */
int ssl_reneg_cipher_allowed(ssl_conn *conn, const char *suite);

/** Makes CONN, which R arrived over, meet DEMAND by another handshake (TLS <= 1.2)
 * or post-handshake authentication (TLS 1.3).  ASK: for the client's
 * certificate; otherwise it is only for the cipher.  What the client sends
 * meanwhile is kept for the input filter.  OK, or 403 and logged why; the
 * connection is closed then if the handshake had begun. */
int ssl_reneg_run(request_rec *r, ssl_conn *conn, const ssl_demand *demand, int ask);

/** Reads R's body, at most LIMIT bytes, and gives it back to whoever reads it
 * later, so that the client is free to answer a handshake.  Nothing is read
 * when there is no body, or the client waits for "100 Continue" before it sends
 * it.  OK, 413 when it is longer, or another HTTP status. */
int ssl_buffer_body(request_rec *r, apr_off_t limit);

/** Registers the filter that gives it back. */
void ssl_buffer_register(apr_pool_t *p);

/** Whether R, which arrived over CONN, may use the virtual host that its Host
 * header named (SSLVHostSNIPolicy, SSLStrictSNIVHostCheck): OK, or 421, 403 or 400. */
int ssl_access_check_vhost(ssl_conn *conn, request_rec *r);

/** What R's directory (or the virtual host of its Host header) demands of the
 * connection: SSLVerifyClient, SSLVerifyDepth, SSLCipherSuite.  If it does not
 * meet them, the client is asked.  DECLINED, or HTTP_FORBIDDEN, which no Satisfy
 * Any overrules, or what ssl_buffer_body() says.  Hook post_perdir_config. */
int ssl_access_check_demands(request_rec *r);

/** SSLRequireSSL and SSLRequire.  DECLINED or HTTP_FORBIDDEN.  Hook access_checker. */
int ssl_access_check(request_rec *r);

/** SSLOptions FakeBasicAuth: the subject of a verified client certificate
 * becomes the user of Basic authentication.  DECLINED, or HTTP_FORBIDDEN for a
 * client that sends such a user itself, with or without the option.  Hook
 * check_authn, before mod_auth_basic. */
int ssl_access_fake_basic(request_rec *r);

/** SSLOptions StrictRequire: HTTP_FORBIDDEN for what ssl_access_check() forbade
 * and `Satisfy Any` would let in, or has let in, all the same.  Hooks check_authn
 * (before a password is asked for) and fixups (where none is), first in both. */
int ssl_access_check_strict(request_rec *r);

/** Registers `Require ssl` and `Require ssl-verify-client`. */
void ssl_access_register(apr_pool_t *p);

#endif /* SSL_VERIFY_H */
