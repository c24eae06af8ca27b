/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_hello.c - what a handshake tells beside its result: the
 * ClientHello and its fingerprints, signature algorithms, the round trip.
 *
 * Which virtual host a client wants is in its ClientHello, and whether to keep
 * that is up to the virtual host.  So it is kept if any host of the address
 * wants it (SSLClientHelloVars), and shown only where the one that was chosen
 * does.  It is copied as it came, and taken apart only for who asks.
 */
#include "ssl_config.h"
#include "ssl_conn.h"
#include "ssl_filter.h"
#include "ssl_hello.h"

#include "apr_strings.h"

/* msg_type and the length of it: RFC 8446, 4. */
#define HANDSHAKE_HEADER_LEN 4

/* A list of all ciphers that OpenSSL knows is shorter. */
#define SHARED_CIPHERS_MAX_LEN 8192

/* SSL_set_msg_callback(3): the first ClientHello, not the one after a HelloRetryRequest. */
static void keep_hello(int sent, int version, int type, const void *data, size_t len, SSL *ssl, void *arg)
{
    ssl_conn *conn = arg;
    const unsigned char *message = data;

    if (sent || version == SSL2_VERSION || type != SSL3_RT_HANDSHAKE || len < HANDSHAKE_HEADER_LEN ||
        message[0] != SSL3_MT_CLIENT_HELLO) {
        return;
    }
    SSL_set_msg_callback(ssl, NULL);
    SSL_set_msg_callback_arg(ssl, NULL);
    if (len - HANDSHAKE_HEADER_LEN <= SSL_HELLO_MAX_LEN) {
        conn->hello_len = len - HANDSHAKE_HEADER_LEN;
        conn->hello = apr_pmemdup(conn->c->pool, message + HANDSHAKE_HEADER_LEN, conn->hello_len);
    }
}

void ssl_hello_watch(ssl_conn *conn)
{
    if (ssl_sni_wants_hello(conn->c)) {
        SSL_set_msg_callback(conn->ssl, keep_hello);
        SSL_set_msg_callback_arg(conn->ssl, conn);
    }
}

int ssl_hello_shown(const ssl_conn *conn)
{
    return conn->hello && ssl_config_of(conn->server)->client_hello_vars == 1;
}

static const char *hello_fact(apr_pool_t *p, const ssl_hello *hello, ssl_fact fact)
{
    switch (fact) {
    case SSL_FACT_HELLO_VERSION:
        return apr_psprintf(p, "%04x", hello->version);
    case SSL_FACT_HELLO_CIPHERS:
        return ssl_hello_hex(p, &hello->ciphers);
    case SSL_FACT_HELLO_EXTENSIONS:
        return ssl_hello_extension_types(p, hello);
    case SSL_FACT_HELLO_GROUPS:
        return ssl_hello_hex(p, &hello->groups);
    case SSL_FACT_HELLO_EC_FORMATS:
        return ssl_hello_hex(p, &hello->ec_formats);
    case SSL_FACT_HELLO_SIG_ALGOS:
        return ssl_hello_hex(p, &hello->signature_algorithms);
    case SSL_FACT_HELLO_ALPN:
        return ssl_hello_hex(p, &hello->alpn);
    case SSL_FACT_HELLO_VERSIONS:
        return ssl_hello_hex(p, &hello->versions);
    case SSL_FACT_JA3:
        return ssl_hello_ja3(p, hello);
    case SSL_FACT_JA3_HASH:
        return ssl_hello_ja3_hash(p, hello);
    case SSL_FACT_JA4:
        return ssl_hello_ja4(p, hello);
    case SSL_FACT_JA4_RAW:
        return ssl_hello_ja4_raw(p, hello);
    default:
        return NULL;
    }
}

static const char *shared_ciphers(apr_pool_t *p, const ssl_conn *conn)
{
    char list[SHARED_CIPHERS_MAX_LEN];

    return SSL_get_shared_ciphers(conn->ssl, list, sizeof(list)) ? apr_pstrdup(p, list) : NULL;
}

static const char *round_trip(apr_pool_t *p, const ssl_conn *conn)
{
    apr_int64_t microseconds = ssl_compat_handshake_rtt(conn->ssl);

    if (microseconds <= 0) {
        microseconds = conn->transport->round_trip;
    }
    return microseconds > 0 ? apr_psprintf(p, "%" APR_INT64_T_FMT, microseconds) : NULL;
}

/* The names of TLS's registry (SignatureScheme) for what OpenSSL tells in two
 * numbers: TYPE of the signature, and DIGEST. */
static const char *scheme_name(apr_pool_t *p, int type, int digest, const X509 *signer)
{
    static const struct {
        int type, digest;
        const char *name;
    } schemes[] = {
        { EVP_PKEY_EC, NID_sha256, "ecdsa_secp256r1_sha256" },
        { EVP_PKEY_EC, NID_sha384, "ecdsa_secp384r1_sha384" },
        { EVP_PKEY_EC, NID_sha512, "ecdsa_secp521r1_sha512" },
        { EVP_PKEY_EC, NID_sha1, "ecdsa_sha1" },
        { EVP_PKEY_RSA, NID_sha256, "rsa_pkcs1_sha256" },
        { EVP_PKEY_RSA, NID_sha384, "rsa_pkcs1_sha384" },
        { EVP_PKEY_RSA, NID_sha512, "rsa_pkcs1_sha512" },
        { EVP_PKEY_RSA, NID_sha1, "rsa_pkcs1_sha1" },
        { EVP_PKEY_ED25519, NID_undef, "ed25519" },
        { EVP_PKEY_ED448, NID_undef, "ed448" },
    };
    int is_pss_key = signer && X509_get0_pubkey(signer) && EVP_PKEY_is_a(X509_get0_pubkey(signer), "RSA-PSS");

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (schemes[i].type == type && schemes[i].digest == digest) {
            return schemes[i].name;
        }
    }
    if (type == EVP_PKEY_RSA_PSS) {
        const char *name = digest == NID_sha384 ? "sha384" : digest == NID_sha512 ? "sha512" : "sha256";

        return apr_pstrcat(p, is_pss_key ? "rsa_pss_pss_" : "rsa_pss_rsae_", name, NULL);
    }
    return digest == NID_undef ? OBJ_nid2sn(type) : apr_pstrcat(p, OBJ_nid2sn(type), "+", OBJ_nid2sn(digest), NULL);
}

/* There is none in a resumed session. With RSA key exchange OpenSSL has chosen one, and then signs nothing. */
static const char *own_signature(apr_pool_t *p, const ssl_conn *conn)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(conn->ssl);
    int type = NID_undef, digest = NID_undef;

    return cipher && SSL_CIPHER_get_kx_nid(cipher) != NID_kx_rsa && SSL_get_signature_type_nid(conn->ssl, &type) &&
                   SSL_get_signature_nid(conn->ssl, &digest)
               ? scheme_name(p, type, digest, SSL_get_certificate(conn->ssl))
               : NULL;
}

static const char *peer_signature(apr_pool_t *p, const ssl_conn *conn)
{
    int type = NID_undef, digest = NID_undef;

    return conn->facts.peer && SSL_get_peer_signature_type_nid(conn->ssl, &type) &&
                   SSL_get_peer_signature_nid(conn->ssl, &digest)
               ? scheme_name(p, type, digest, conn->facts.peer)
               : NULL;
}

const char *ssl_handshake_fact(apr_pool_t *p, const ssl_conn *conn, ssl_fact fact)
{
    ssl_hello hello;

    switch (fact) {
    case SSL_FACT_SHARED_CIPHERS:
        return shared_ciphers(p, conn);
    case SSL_FACT_ROUND_TRIP:
        return round_trip(p, conn);
    case SSL_FACT_SIGNATURE:
        return own_signature(p, conn);
    case SSL_FACT_CLIENT_SIGNATURE:
        return peer_signature(p, conn);
    case SSL_FACT_GROUP:
        return conn->facts.group;
    case SSL_FACT_ALPN:
        return conn->facts.alpn;
    default:
        return ssl_hello_shown(conn) && ssl_hello_parse(&hello, conn->hello, conn->hello_len)
                   ? hello_fact(p, &hello, fact)
                   : NULL;
    }
}
