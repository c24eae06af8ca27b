/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_vars.h - SSL_* variables, one table of them, in every place that can
 * read a variable.
 */
#ifndef SSL_VARS_H
#define SSL_VARS_H

#include "ssl_private.h"

/** The value of variable NAME (manual: "Environment Variables"), compared
 * without regard to case as the manual's other lookups are; C or R may be
 * NULL when there is none.  NULL if there is no such variable or it has no
 * value here; otherwise a string that lives in P or in the connection. */
const char *ssl_var_lookup(apr_pool_t *p, server_rec *s, conn_rec *c, request_rec *r, const char *name);

/** Adds to R's environment what SSLOptions asks for: HTTPS and SSL_TLS_SNI
 * always, the standard set with STD_ENV_VARS, the certificates in PEM with
 * EXPORT_CERT_DATA.  Nothing when the connection is not TLS. */
void ssl_vars_export(request_rec *r, int std_env_vars, int export_cert_data);

/** The values of the certificate extension EXTENSION (a name of OpenSSL's or
 * a dotted OID) in the peer's certificate (PEER != 0) or our own: array of
 * const char *, or NULL if there is none. */
apr_array_header_t *ssl_vars_ext_list(apr_pool_t *p, conn_rec *c, int peer, const char *extension);

/** Registers the optional functions ssl_var_lookup and ssl_ext_list, the hook
 * ap_hook_ssl_var_lookup, the ap_expr variables (%{SSL_...}, %{HTTPS}, ssl(), PeerExtList()),
 * and with mod_log_config %{...}x and %{...}c. */
void ssl_vars_register(apr_pool_t *p);

#endif /* SSL_VARS_H */
