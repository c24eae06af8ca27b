/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_ssl_openssl.h - for other modules: hooks that see OpenSSL's objects.
 */
#ifndef __MOD_SSL_OPENSSL_H__
#define __MOD_SSL_OPENSSL_H__

#include "mod_ssl.h"

#include <openssl/ssl.h>

/** post_config: CTX is ready for server S (IS_PROXY: for its outgoing
 * connections).  While this hook is in use, no two servers share an SSL_CTX. */
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, init_server, (server_rec *s, apr_pool_t *p, int is_proxy, SSL_CTX *ctx))

/** SSL was made for connection C; its handshake has not begun. */
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, pre_handshake, (conn_rec *c, SSL *ssl, int is_proxy))

/** The handshake of outgoing connection C is over and its peer verified.
 * DECLINED, or OK to go on, else the connection is refused. */
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, proxy_post_handshake, (conn_rec *c, SSL *ssl))

/** post_config: whether the hook's module brings OCSP answers for CERT of S, issued by
 * ISSUER; then OK, and mod_ssl asks it and nobody else; else DECLINED. */
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, init_stapling_status, (server_rec *s, apr_pool_t *p, X509 *cert, X509 *issuer))

/** In the handshake of C: the answer for CERT.  OK, and *PDER, made by
 * OPENSSL_malloc(3) and from now on mod_ssl's, with *PDERLEN bytes; else DECLINED. */
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, get_stapling_status,
                          (unsigned char **pder, int *pderlen, conn_rec *c, server_rec *s, X509 *cert))

#endif /* __MOD_SSL_OPENSSL_H__ */
