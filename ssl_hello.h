/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_hello.h - a ClientHello in words: what a client offers, and the
 * fingerprints made of it.  No httpd types beyond APR pools, so that t/unit and
 * t/fuzz can link it alone.
 */
#ifndef SSL_HELLO_H
#define SSL_HELLO_H

#include <apr_pools.h>

/** A larger ClientHello is not kept.  The largest in use (post-quantum key
 * shares, a ticket with a client certificate in it) are below 8 KB. */
#define SSL_HELLO_MAX_LEN 16384

/** Bytes of somebody else. */
typedef struct ssl_bytes {
    const unsigned char *data; /**< NULL: there is no such thing */
    apr_size_t len;
} ssl_bytes;

/** The parts of a ClientHello, where it was parsed: they point into it.  Lists
 * are without their length, and hold whole items only: two octets each, but one
 * in `ec_formats`, and in `alpn` a length and that many octets. */
typedef struct ssl_hello {
    unsigned int version; /**< legacy_version: 0x0303 for TLS 1.2 and 1.3 */
    ssl_bytes ciphers;
    ssl_bytes extensions; /**< the whole block: type, length, data of each */
    ssl_bytes groups, ec_formats, signature_algorithms, versions, alpn; /**< of the extensions of these names */
    int has_server_name;  /**< with or without a name in it */
} ssl_hello;

/** Parses MESSAGE, a ClientHello as RFC 8446, 4.1.2, has it, behind the four
 * octets of the handshake header.  False: it is none.  An extension whose
 * content makes no sense counts as present, and empty. */
int ssl_hello_parse(ssl_hello *hello, const unsigned char *message, apr_size_t len);

/** The lists as lower case hex digits without separators: "1301c02f". Empty if
 * there is none. */
char *ssl_hello_hex(apr_pool_t *p, const ssl_bytes *list);

/** The types of the extensions, in their order, likewise. */
char *ssl_hello_extension_types(apr_pool_t *p, const ssl_hello *hello);

/** JA3: "version,ciphers,extensions,groups,formats" in decimal, and its MD5 in
 * hex.  NULL if OpenSSL gives no MD5 (FIPS). */
char *ssl_hello_ja3(apr_pool_t *p, const ssl_hello *hello);
char *ssl_hello_ja3_hash(apr_pool_t *p, const ssl_hello *hello);

/** JA4 of TLS over TCP, and JA4_r, its text before hashing. */
char *ssl_hello_ja4(apr_pool_t *p, const ssl_hello *hello);
char *ssl_hello_ja4_raw(apr_pool_t *p, const ssl_hello *hello);

#endif /* SSL_HELLO_H */
