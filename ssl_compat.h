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
#include <openssl/httperr.h>
#include <openssl/opensslv.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "ap_expr.h"
#include "ap_mmn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error "mod_ssl needs OpenSSL 3.0 or newer"
#endif

/* httpd before 2.4.68 knows no such flag: ssl_engine_expr.c refuses these functions itself. */
#ifndef AP_EXPR_FLAG_RESTRICTED_FILE_FUNC
#define AP_EXPR_FLAG_RESTRICTED_FILE_FUNC 16
#endif

/* What older OpenSSLs do not complain of: the number of an HTTP header's lines; text where DER was expected. */
#ifndef HTTP_R_RESPONSE_TOO_MANY_HDRLINES
#define HTTP_R_RESPONSE_TOO_MANY_HDRLINES 130
#endif
#ifndef HTTP_R_CONTENT_TYPE_MISMATCH
#define HTTP_R_CONTENT_TYPE_MISMATCH 131
#endif

/* SSLv3 was removed from most builds of OpenSSL 3 and altogether from 4.0. */
#if defined(OPENSSL_NO_SSL3) || defined(OPENSSL_NO_SSL3_METHOD) || OPENSSL_VERSION_NUMBER >= 0x40000000L
#define SSL_HAVE_SSLV3 0
#else
#define SSL_HAVE_SSLV3 1
#endif

/** The objects of STORE, until ..._done(). */
#if OPENSSL_VERSION_NUMBER >= 0x30300000L
#define ssl_compat_store_objects(store) X509_STORE_get1_objects(store)
#define ssl_compat_store_objects_done(objects) sk_X509_OBJECT_pop_free(objects, X509_OBJECT_free)
#else
#define ssl_compat_store_objects(store) X509_STORE_get0_objects(store)
#define ssl_compat_store_objects_done(objects) ((void)(objects))
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

/** Holds back what is sent on socket FD until a packet is full or the sending side ends. */
#ifdef TCP_CORK
static inline void ssl_compat_cork(int fd)
{
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}
#else
#define ssl_compat_cork(fd) ((void)(fd))
#endif

/* TLS in the kernel (SSL_CTX_set_options(3), SSL_OP_ENABLE_KTLS). */
#if defined(SSL_OP_ENABLE_KTLS) && !defined(OPENSSL_NO_KTLS) && defined(TCP_ULP)
#define ssl_compat_enable_ktls(ssl) SSL_set_options((ssl), SSL_OP_ENABLE_KTLS)
/** What keeps this machine from it, in words; NULL if nothing does. */
static inline const char *ssl_compat_ktls_problem(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

    /* With a kernel that can, all that is missing is a connection. */
    error = fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0 ? 0 : errno;
    if (fd >= 0) {
        close(fd);
    }
    return error == 0 || error == ENOTCONN ? NULL
           : error == ENOENT ? "this kernel has no TLS (CONFIG_TLS; as a module: modprobe tls)"
                             : "this kernel refuses TLS on sockets";
}
#else
#define ssl_compat_enable_ktls(ssl) ((void)(ssl))
#define ssl_compat_ktls_problem() "this OpenSSL was built without kernel TLS"
#endif

/* Built with `enable-sslkeylog`, OpenSSL 3.5 heeds the variable SSLKEYLOGFILE by itself. */
#if OPENSSL_VERSION_NUMBER >= 0x30500000L && !defined(OPENSSL_NO_SSLKEYLOG)
#define SSL_HAVE_LIBRARY_KEYLOG 1
#else
#define SSL_HAVE_LIBRARY_KEYLOG 0
#endif

/* The name of the negotiated group; older libraries only give its NID. */
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
#define ssl_compat_group_name(ssl) SSL_get0_group_name(ssl)
#else
#define ssl_compat_group_name(ssl) SSL_group_to_name((SSL *)(ssl), SSL_get_negotiated_group((SSL *)(ssl)))
#endif

/* Microseconds of the handshake's round trip; 0 if the library does not measure it. */
#if OPENSSL_VERSION_NUMBER >= 0x30200000L
static inline long long ssl_compat_handshake_rtt(const SSL *ssl)
{
    uint64_t microseconds = 0;

    return SSL_get_handshake_rtt(ssl, &microseconds) == 1 ? (long long)microseconds : 0;
}
#else
#define ssl_compat_handshake_rtt(ssl) ((void)(ssl), 0)
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

/* Engines: deprecated in OpenSSL 3.0, gone from 4.0.  A configured engine is an
 * ssl_compat_engine; nothing else of the ENGINE interface is used. */
#if defined(OPENSSL_NO_ENGINE) || defined(OPENSSL_NO_DEPRECATED_3_0) || OPENSSL_VERSION_NUMBER >= 0x40000000L
#define SSL_HAVE_ENGINE 0
typedef void ssl_compat_engine;
#define ssl_compat_engine_exists(name) ((void)(name), 0)
#define ssl_compat_engine_open(name) ((void)(name), (ssl_compat_engine *)NULL)
#define ssl_compat_engine_make_default(engine) ((void)(engine), 0)
#define ssl_compat_engine_none(engine, id, ui, data) ((void)(engine), (void)(id), (void)(ui), (void)(data), NULL)
#define ssl_compat_engine_key ssl_compat_engine_none
#define ssl_compat_engine_cert ssl_compat_engine_none
#else
#define SSL_HAVE_ENGINE 1
#include <openssl/engine.h>
#include <openssl/ui.h>
typedef ENGINE ssl_compat_engine;
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

/** The engine of this NAME, ready for use; NULL: OpenSSL's queue says why not. */
static inline ENGINE *ssl_compat_engine_open(const char *name)
{
    ENGINE *engine, *ready = NULL;

    ENGINE_load_builtin_engines();
    engine = ENGINE_by_id(name);
    if (engine) {
        ready = ENGINE_init(engine) ? engine : NULL;
        ENGINE_free(engine);
    }
    return ready;
}

/** Lets ENGINE do all that it can do, for the whole process.  False: it could not. */
static inline int ssl_compat_engine_make_default(ENGINE *engine)
{
    return ENGINE_set_default(engine, ENGINE_METHOD_ALL);
}

/** The private key ID, asking UI for a PIN. */
static inline EVP_PKEY *ssl_compat_engine_key(ENGINE *engine, const char *id, UI_METHOD *ui, void *data)
{
    return ENGINE_load_private_key(engine, id, ui, data);
}

static inline void ssl_compat_engine_set_ui(ENGINE *engine, const UI_METHOD *ui, void *data)
{
    ENGINE_ctrl(engine, ENGINE_CTRL_SET_USER_INTERFACE, 0, (void *)ui, NULL);
    ENGINE_ctrl(engine, ENGINE_CTRL_SET_CALLBACK_DATA, 0, data, NULL);
}

/** The certificate ID, by the command that engines for tokens have for it. */
static inline X509 *ssl_compat_engine_cert(ENGINE *engine, const char *id, UI_METHOD *ui, void *data)
{
    struct {
        const char *id;
        X509 *cert;
    } request = { id, NULL };
    int found;

    ssl_compat_engine_set_ui(engine, ui, data);
    found = ENGINE_ctrl_cmd(engine, "LOAD_CERT_CTRL", 0, &request, NULL, 1);
    ssl_compat_engine_set_ui(engine, UI_get_default_method(), NULL); /* ours goes */
    return found ? request.cert : NULL;
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

/** When SESSION was made, in seconds since 1970 (SSL_SESSION_get_time(3)). */
#if OPENSSL_VERSION_NUMBER >= 0x30400000L
#define ssl_compat_session_time(session) SSL_SESSION_get_time_ex(session)
#else
#define ssl_compat_session_time(session) ((time_t)SSL_SESSION_get_time(session))
#endif

#endif /* SSL_COMPAT_H */
