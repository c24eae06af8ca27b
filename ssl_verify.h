/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_verify.h - client certificates, and who may come in.
 */
#ifndef SSL_VERIFY_H
#define SSL_VERIFY_H

#include "ssl_config.h"

/** SSL_CTX_set_verify(3): refuses, or lets through what optional_no_ca lets through. */
int ssl_verify_callback(int ok, X509_STORE_CTX *store);

/** Whether R, which arrived over CONN, may use the virtual host that its Host
 * header named (SSLVHostSNIPolicy, SSLStrictSNIVHostCheck): OK, or 421, 403 or 400. */
int ssl_access_check_vhost(ssl_conn *conn, request_rec *r);

/** What R's directory (or the virtual host of its Host header) demands of the
 * connection: SSLVerifyClient, SSLCipherSuite.  DECLINED or HTTP_FORBIDDEN,
 * which no Satisfy Any overrules.  Hook post_perdir_config. */
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
