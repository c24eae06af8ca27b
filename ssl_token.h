/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_token.h - keys and certificates in tokens, named by PKCS#11 URIs (RFC
 * 7512), and OpenSSL's engines (manual: SSLCryptoDevice).
 *
 * A URI leads to a provider that has a store for it or to the engine "pkcs11":
 * with SSLCryptoDevice to the engine first, without to the provider.  Engines
 * stay in use until the process ends; in OpenSSL 4.0 there are none.
 */
#ifndef SSL_TOKEN_H
#define SSL_TOKEN_H

#include "ssl_ctx.h"

/** post_config: lets the engine of SSLCryptoDevice do what it can.
 * APR_SUCCESS, or logged why not. */
apr_status_t ssl_token_use_device(server_rec *main_server);

/** The certificate, or the private key, that URI leads to: the caller's, or
 * NULL: logged why.  Where the URI has no PIN (pin-value, pin-source) the pass
 * phrase dialog is asked for it, once per token. */
X509 *ssl_token_load_cert(ssl_ctx_build *b, const char *uri);
EVP_PKEY *ssl_token_load_key(ssl_ctx_build *b, const char *uri);

/** ID, a path or URI or NULL, as it may be shown: without the PIN, if it is a URI
 * that holds one. */
const char *ssl_token_shown(apr_pool_t *p, const char *id);

/** child_init: from here on, for the life of P, no token's provider gets to ask
 * for its PIN at the terminal, amid a handshake. */
void ssl_token_init_child(apr_pool_t *p);

#endif /* SSL_TOKEN_H */
