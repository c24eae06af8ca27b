/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_compat.h - the only file that asks which OpenSSL or httpd this is.  Each
 * answer is a SSL_HAVE_... feature (always defined, 0 or 1, so that it can
 * stand in a C `if`) or a shim of the newer name for the older library.
 * OpenSSL 3.0 (Debian 12) is the oldest that is supported.
 */
#ifndef SSL_COMPAT_H
#define SSL_COMPAT_H

#include <openssl/comp.h>
#include <openssl/opensslv.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "ap_expr.h"
#include "ap_mmn.h"

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "mod_ssl needs OpenSSL 3.0 or newer"
#endif

/* httpd before 2.4.68 knows no such flag: ssl_engine_expr.c refuses these functions itself. */
#ifndef AP_EXPR_FLAG_RESTRICTED_FILE_FUNC
#define AP_EXPR_FLAG_RESTRICTED_FILE_FUNC 16
#endif

/* SSLv3 was removed from most builds of OpenSSL 3 and altogether from 4.0. */
#if defined(OPENSSL_NO_SSL3) || defined(OPENSSL_NO_SSL3_METHOD) || OPENSSL_VERSION_NUMBER >= 0x40000000L
#define SSL_HAVE_SSLV3 0
#else
#define SSL_HAVE_SSLV3 1
#endif

/** Whether this OpenSSL can compress records (RFC 3749); a distribution's never can. */
#ifdef OPENSSL_NO_COMP
#define ssl_compat_can_compress() 0
#else
#define ssl_compat_can_compress() (sk_SSL_COMP_num(SSL_COMP_get_compression_methods()) > 0)
#endif

#if defined(OPENSSL_NO_SRP) || defined(OPENSSL_NO_DEPRECATED_3_0)
#define SSL_HAVE_SRP 0
#else
#define SSL_HAVE_SRP 1
#endif

/* The name of the negotiated group; older libraries only give its NID. */
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
#define ssl_compat_group_name(ssl) SSL_get0_group_name(ssl)
#else
#define ssl_compat_group_name(ssl) SSL_group_to_name((SSL *)(ssl), SSL_get_negotiated_group((SSL *)(ssl)))
#endif

/* OpenSSL 4.0 made the accessors of an X509 return const pointers. */
#if OPENSSL_VERSION_NUMBER >= 0x40000000L
#define SSL_X509_CONST const
#else
#define SSL_X509_CONST
#endif

/* From OpenSSL 3.6 on, sk_X509_new_null() writes the address of a function of
 * its caller into the stack, which every copy inherits. These are for stacks
 * that may outlive this module's code, as those of an SSL_CTX that is kept over
 * a restart do: httpd unloads the module then. */
#define ssl_compat_new_x509_stack() ((STACK_OF(X509) *)OPENSSL_sk_new_null())
#define ssl_compat_new_x509_name_stack() ((STACK_OF(X509_NAME) *)OPENSSL_sk_new_null())

/* Alerts of SSLv3 that TLS has, too, go by its name from OpenSSL 4.0 on. */
#ifndef SSL_R_TLS_ALERT_BAD_CERTIFICATE
#define SSL_R_TLS_ALERT_BAD_CERTIFICATE SSL_R_SSLV3_ALERT_BAD_CERTIFICATE
#define SSL_R_TLS_ALERT_CERTIFICATE_UNKNOWN SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN
#define SSL_R_TLS_ALERT_CERTIFICATE_EXPIRED SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED
#define SSL_R_TLS_ALERT_HANDSHAKE_FAILURE SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE
#endif

/* Engines: deprecated in OpenSSL 3.0, gone from 4.0. */
#if defined(OPENSSL_NO_ENGINE) || defined(OPENSSL_NO_DEPRECATED_3_0) || OPENSSL_VERSION_NUMBER >= 0x40000000L
#define SSL_HAVE_ENGINE 0
#define ssl_compat_engine_exists(name) ((void)(name), 0)
#else
#define SSL_HAVE_ENGINE 1
#include <openssl/engine.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
/** Whether OpenSSL knows an engine of this NAME. */
static inline int ssl_compat_engine_exists(const char *name)
{
    ENGINE *engine;

    ENGINE_load_builtin_engines();
    engine = ENGINE_by_id(name);
    return engine ? ENGINE_free(engine) : 0;
}
#pragma GCC diagnostic pop
#endif

/* The compression method negotiated, by its name in IANA's registry. */
#ifndef OPENSSL_NO_COMP
static inline const char *ssl_compat_compression(SSL *ssl)
{
    const COMP_METHOD *method = SSL_get_current_compression(ssl);

    return !method ? "NULL" : COMP_get_type(method) == NID_zlib_compression ? "DEFLATE" : COMP_get_name(method);
}
#else
#define ssl_compat_compression(ssl) ((void)(ssl), "NULL")
#endif

/* SRP (RFC 5054): deprecated in OpenSSL 3.0. */
#if SSL_HAVE_SRP
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static inline const char *ssl_compat_srp_username(SSL *ssl)
{
    return SSL_get_srp_username(ssl);
}
static inline const char *ssl_compat_srp_userinfo(SSL *ssl)
{
    return SSL_get_srp_userinfo(ssl);
}
#pragma GCC diagnostic pop
#else
#define ssl_compat_srp_username(ssl) ((void)(ssl), NULL)
#define ssl_compat_srp_userinfo(ssl) ((void)(ssl), NULL)
#endif

#endif /* SSL_COMPAT_H */
