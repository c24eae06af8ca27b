/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_keylog.h - secrets of connections for wireshark, if the environment
 * variable SSLKEYLOGFILE names a file for them.
 */
#ifndef SSL_KEYLOG_H
#define SSL_KEYLOG_H

#include "ssl_private.h"

/** post_config: opens the file, for the life of P; while still root, since it
 * is to be nobody else's.  APR_SUCCESS also without the variable (or with an
 * OpenSSL that heeds it by itself); else logged why it cannot be opened. */
apr_status_t ssl_keylog_open(server_rec *s, apr_pool_t *p);

/** Lets connections of CTX write there; or no longer, if there is no such file. */
void ssl_keylog_setup(SSL_CTX *ctx);

#endif /* SSL_KEYLOG_H */
