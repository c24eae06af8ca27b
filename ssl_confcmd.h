/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_confcmd.h - SSLOpenSSLConfCmd: OpenSSL's own directives (SSL_CONF_cmd(3)).
 */
#ifndef SSL_CONFCMD_H
#define SSL_CONFCMD_H

#include "ssl_ctx.h"

/** How OpenSSL wants the value of command NAME: SSL_CONF_TYPE_FILE, _DIR,
 * _STRING, or SSL_CONF_TYPE_UNKNOWN if there is no such command. */
int ssl_confcmd_type(const char *name);

/** What a suite must not lack, whatever cipher list was set: appended to it. */
#define SSL_NEVER_CIPHERS ":!aNULL:!eNULL:!EXP"

/** Whether command NAME sets the cipher list of TLS up to 1.2. */
int ssl_confcmd_sets_ciphers(const char *name);

/** Runs the commands of B, in order, as the last of all that shapes B's SSL_CTX.
 * APR_SUCCESS, or logged which one fails and why. */
apr_status_t ssl_confcmd_run(ssl_ctx_build *b);

/** Sets the key exchange groups of B: LIST in the words of
 * SSL_set1_groups_list(3).  They are not set in the SSL_CTX but in each
 * connection, by ssl_confcmd_use_groups(), since SSL_set_SSL_CTX(3) would leave
 * those of the first host of an address.  Returns 1, or 0 if OpenSSL refuses. */
int ssl_confcmd_set_groups(ssl_ctx_build *b, const char *list);

/** Sets the groups of HOST in SSL, whose ClientHello has just been seen.  1, or 0. */
int ssl_confcmd_use_groups(SSL *ssl, const ssl_host *host);

#endif /* SSL_CONFCMD_H */
