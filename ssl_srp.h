/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_srp.h - TLS-SRP (RFC 5054): users with passwords instead of
 * certificates, up to TLS 1.2.  All of it is harmless with an OpenSSL that has
 * no SRP.
 */
#ifndef SSL_SRP_H
#define SSL_SRP_H

#include "ssl_ctx.h"

/** Reads SSLSRPVerifierFile of B into the extras of B's SSL_CTX.
 * APR_SUCCESS, also if OpenSSL has no SRP (with a warning); or logged why not. */
apr_status_t ssl_srp_load(ssl_ctx_build *b);

/** Sets our callback: again when a kept CTX is used by reloaded code. */
void ssl_srp_set_callback(SSL_CTX *ctx);

/** SSL got another SSL_CTX; SSL_set_SSL_CTX(3) leaves SRP as the first had it.
 * WAS_ON: whether that one has SRP.  Returns 1, or 0 for want of memory. */
int ssl_srp_follow(SSL *ssl, int was_on);

/** Frees what ssl_srp_load() made; NULL is fine. */
void ssl_srp_free(void *users);

#endif /* SSL_SRP_H */
