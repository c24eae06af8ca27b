/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_private.h - what every room of the module needs: httpd, OpenSSL, the
 * module record and the forward names.  A room's own contract stands in the
 * header of its family:
 *
 *   ssl_config.h   configuration records and their field tables
 *   ssl_ctx.h      SSL_CTX, certificates and virtual hosts, made at start
 *   ssl_conn.h     one TLS connection, and what is known of it
 *   ssl_filter.h   bytes: the BIO and the filter pair
 *   ssl_verify.h   client certificates and access control
 *   ssl_vars.h     SSL_* variables        ssl_x509.h   certificates in words
 *   ssl_scache.h   session cache          ssl_log.h    messages
 *   ssl_pphrase.h  encrypted keys         ssl_token.h  keys in tokens
 *   ssl_confcmd.h  OpenSSL's directives   ssl_srp.h    TLS-SRP
 *   ssl_rand.h     SSLRandomSeed          ssl_keylog.h SSLKEYLOGFILE
 *   ssl_report.h   facts as text or JSON  ssl_check.h  usual mistakes
 *   ssl_require.h  one SSLRequire         ssl_expr.h   its language
 *   ssl_ticket.h   ticket keys            ssl_ticketring.h the memory that they are in
 *   ssl_metrics.h  counters, figures      ssl_ocsp.h   questions about certificates
 *   ssl_proxy.h    TLS to backends        ssl_hello.h  what a client offered
 *   ssl_stapling.h OCSP stapling          ssl_staple.h the memory of its answers
 *   ssl_kernel.h   request hooks          ssl_renamed.h directives of the past
 */
#ifndef SSL_PRIVATE_H
#define SSL_PRIVATE_H

#include "httpd.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"

#include "apr_hash.h"
#include "apr_lib.h"
#include "apr_optional.h"
#include "apr_strings.h"
#include "apr_tables.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "ssl_compat.h"

extern module AP_MODULE_DECLARE_DATA ssl_module;
APLOG_USE_MODULE(ssl);

/* The name in the Server header and in SSL_VERSION_INTERFACE; the number is
 * httpd's own, as administrators and scripts know it. */
#define SSL_MODULE_VERSION "mod_ssl/" AP_SERVER_BASEREVISION

typedef struct ssl_global_config ssl_global_config; /* ssl_config.h */
typedef struct ssl_server_config ssl_server_config; /* ssl_config.h */
typedef struct ssl_dir_config ssl_dir_config;       /* ssl_config.h */
typedef struct ssl_host ssl_host;                   /* ssl_ctx.h */
typedef struct ssl_conn ssl_conn;                   /* ssl_conn.h */
typedef struct ssl_transport ssl_transport;         /* ssl_filter.h */
typedef struct ssl_backend ssl_backend;             /* ssl_proxy.h */

#endif /* SSL_PRIVATE_H */
