/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_ssl.h - for other modules: optional functions and hooks.  The names,
 * types and meanings are those of the header of the same name that httpd
 * installs; a module built against either works with both.
 */
#ifndef __MOD_SSL_H__
#define __MOD_SSL_H__

#include "httpd.h"

#include "http_config.h"

#include "apr_optional.h"
#include "apr_tables.h"

#define SSL_DECLARE(type) type
#define SSL_DECLARE_NONSTD(type) type
#define SSL_DECLARE_DATA

/** The value of a variable, by pool, server, connection or NULL, request or
 * NULL, and name; in the pool, and "" where it has none or there is no such variable. */
APR_DECLARE_OPTIONAL_FN(char *, ssl_var_lookup, (apr_pool_t *, server_rec *, conn_rec *, request_rec *, char *));

/** The values of extension EXTENSION (an OpenSSL name or a dotted OID) of the
 * peer's certificate (PEER != 0) or of the server's: const char * each, in P;
 * NULL if it isn't there. */
APR_DECLARE_OPTIONAL_FN(apr_array_header_t *, ssl_ext_list,
                        (apr_pool_t *p, conn_rec *c, int peer, const char *extension));

/** Whether requests on the connection come over TLS. */
APR_DECLARE_OPTIONAL_FN(int, ssl_is_https, (conn_rec *));

/** For outgoing connections, before their pre_connection hooks have run: use
 * TLS (1 if it can be had, else 0); do not use TLS (1 if the connection is
 * not TLS after it); either, with the configuration of a directory. */
APR_DECLARE_OPTIONAL_FN(int, ssl_proxy_enable, (conn_rec *));
APR_DECLARE_OPTIONAL_FN(int, ssl_engine_disable, (conn_rec *));
APR_DECLARE_OPTIONAL_FN(int, ssl_engine_set, (conn_rec *, ap_conf_vector_t *, int proxy, int enable));

#define SSL_CERT_HOOKS

/** Adds paths (const char *) of certificate and key files for server S, as many
 * of the one as of the other.  OK, DECLINED or an error. */
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, add_cert_files,
                          (server_rec *s, apr_pool_t *p, apr_array_header_t *cert_files,
                           apr_array_header_t *key_files))

/** The same, for a server that has none yet: requests to it are answered with
 * 503 while such a certificate is in use. */
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, add_fallback_cert_files,
                          (server_rec *s, apr_pool_t *p, apr_array_header_t *cert_files,
                           apr_array_header_t *key_files))

#endif /* __MOD_SSL_H__ */
