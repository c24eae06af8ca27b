/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_conn.h - one TLS connection.
 *
 * Made in pre_connection, found through ssl_conn_get(), freed with the
 * connection's pool.  Used by the thread that serves the connection; nothing
 * here is locked.
 */
#ifndef SSL_CONN_H
#define SSL_CONN_H

#include "ssl_private.h"

/** ALPN protocol of ACME's challenges (RFC 8737). */
#define SSL_ALPN_ACME "acme-tls/1"

/** Where a connection stands, in chronological order: it only moves down. */
typedef enum {
    SSL_CONN_NEW,         /**< an SSL object, no byte seen */
    SSL_CONN_HANDSHAKE,   /**< first byte seen, not yet agreed on keys */
    SSL_CONN_ESTABLISHED, /**< application data may flow; `facts` is filled */
    SSL_CONN_CLOSED       /**< close_notify sent, or failed: `end` says why */
} ssl_conn_state;

/** How the connection is closed (manual: "SSL/TLS and MSIE": the ssl-*-shutdown variables). */
typedef enum {
    SSL_SHUTDOWN_STANDARD, /**< send close_notify, do not wait for the peer's (RFC 8446, 6.1) */
    SSL_SHUTDOWN_UNCLEAN,  /**< send nothing: ssl-unclean-shutdown */
    SSL_SHUTDOWN_ACCURATE  /**< send close_notify and wait for the peer's: ssl-accurate-shutdown */
} ssl_shutdown_kind;

/** What is known once the handshake is over: filled once by the handshake
 * (again after a renegotiation), only read by everybody else.  Strings live
 * as long as the connection. */
typedef struct ssl_conn_facts {
    const char *protocol;     /**< as SSL_PROTOCOL has it: "TLSv1.3" */
    const char *cipher;       /**< OpenSSL's name of the cipher suite */
    int cipher_bits_used;     /**< SSL_CIPHER_USEKEYSIZE */
    int cipher_bits_possible; /**< SSL_CIPHER_ALGKEYSIZE */
    const char *group;        /**< key exchange group ("x25519"), or NULL */
    const char *alpn;         /**< protocol selected by ALPN, or NULL */
    X509 *peer;               /**< peer's certificate, ours: the SSL drops its own when another
                                   handshake begins; NULL if it sent none */
    int peer_depth;           /**< CA certificates above it: at most, as far as is known; 0 if there is none */
    int resumed;              /**< the session was resumed */
} ssl_conn_facts;

struct ssl_conn {
    conn_rec *c;
    SSL *ssl;
    server_rec *server;       /**< virtual host in use: c->base_server until SNI chose another */
    ssl_transport *transport; /**< the way to the network */
    ssl_backend *backend;     /**< of an outgoing connection; NULL: the peer is a client */
    ssl_conn_state state;
    apr_status_t end; /**< why CLOSED: what reads and writes return from then on */
    ssl_shutdown_kind shutdown;
    ssl_conn_facts facts;
    const char *sni;          /**< host name asked for in the ClientHello, as sent; NULL if none */
    server_rec *sni_server;   /**< virtual host that `sni` names, with or without TLS; else the first */
    int verify;               /**< ssl_verify_level that the peer's certificate was asked for with */
    int verify_depth;         /**< most CA certificates above it; both are the virtual host's until a directory asks */
    const char *allowed_suite;/**< a directory's list in which the cipher was found; NULL until one was */
    const char *verify_error; /**< why the peer's certificate was refused, in words; NULL if it wasn't */
    long verify_result;       /**< X509_V_... of the peer's certificate */
    unsigned char session_used[SSL_MAX_SSL_SESSION_ID_LENGTH]; /**< id of the session from the cache that TLS 1.3 is to
                                                                     resume: for one use; see ssl_scache_used() */
    unsigned int session_used_len; /**< 0: there is none */
    const unsigned char *hello; /**< the first ClientHello, if it was to be kept: for ssl_hello_parse(); else NULL */
    apr_size_t hello_len;
    int offered_versions;     /**< mask of SSL_PROTO_: supported_versions of the ClientHello; 0 if it had none */
    unsigned is_proxy : 1;       /**< outgoing: this end is the TLS client */
    unsigned sni_matched : 1;    /**< `sni` named one of the virtual hosts of this address */
    unsigned verify_generous : 1;/**< optional_no_ca let an unverifiable certificate through */
    unsigned plain_http : 1;     /**< the peer spoke HTTP without TLS; filters pass bytes unchanged */
    unsigned renegotiation_refused : 1; /**< the peer asked to renegotiate; the connection is to end */
    unsigned ktls_offered : 1;   /**< OpenSSL writes to the socket, to give its keys to the kernel */
    unsigned ktls : 1;           /**< the kernel makes the records: plaintext is passed down */
    unsigned service_unavailable : 1;   /**< only a fallback certificate: requests get 503 */
};

/** The TLS connection of C or of its master (an HTTP/2 stream's connection
 * has one), or NULL when C has none or TLS was switched off for it. */
ssl_conn *ssl_conn_get(conn_rec *c);

/** As ssl_conn_get(), but NULL too while the peer speaks plain HTTP: whether
 * requests on C came over TLS. */
ssl_conn *ssl_conn_secure(conn_rec *c);

/** Whether CONN's peer has shown a certificate that was verified up to a CA:
 * not one that optional_no_ca only let through. */
int ssl_conn_peer_verified(const ssl_conn *conn);

/** The virtual host whose configuration rules C: the one that SNI selected,
 * or C's own. */
server_rec *ssl_conn_server(conn_rec *c);

/** pre_connection: makes the SSL object and adds the filters when the virtual
 * host of C has SSLEngine on; else, on a port of plain HTTP, the filter that
 * answers a ClientHello.  Returns OK, DECLINED or an HTTP error status. */
int ssl_conn_pre_connection(conn_rec *c, void *csd);

/** process_connection, before any protocol is chosen: the handshake.  Always
 * DECLINED; a failed handshake marks the connection aborted. */
int ssl_conn_process_connection(conn_rec *c);

/** Moves CONN on until its state is at least WANTED.
 * APR_EAGAIN: BLOCK is APR_NONBLOCK_READ and the peer has yet to send.
 * APR_SUCCESS with conn->plain_http set: the peer does not speak TLS.
 * Anything else: the connection is CLOSED and that is why. */
apr_status_t ssl_conn_progress(ssl_conn *conn, ssl_conn_state wanted, apr_read_type_e block);

/** What an OpenSSL call that returned RET (<= 0) on CONN means: the one
 * interpreter of SSL_get_error().  WHAT names the call in the log ("reading").
 * APR_EAGAIN: later again.  APR_EOF: the peer closed; orderly if SSL_RECEIVED_SHUTDOWN.
 * Else the reason; it is logged, and CONN is CLOSED. */
apr_status_t ssl_conn_result(ssl_conn *conn, int ret, const char *what);

/** Makes conn->ssl from CTX on conn->transport; freed with the connection. False: logged why not. */
int ssl_conn_make_ssl(ssl_conn *conn, SSL_CTX *ctx);

/** Fills conn->facts, when a handshake is over. */
void ssl_conn_fill_facts(ssl_conn *conn);

/** Ends the TLS session of CONN as conn->shutdown says; the bytes are handed
 * to the transport, not yet to the network.  Harmless when CLOSED already. */
void ssl_conn_shutdown(ssl_conn *conn);

/** Marks CONN closed because of STATUS, without a word to the peer. */
void ssl_conn_abort(ssl_conn *conn, apr_status_t status);

/** The id that a session must carry to be resumed here (SSL_set_session_id_context):
 * the virtual host and its client authentication.  Called when the virtual
 * host of a connection is settled.  Returns 0 on success. */
int ssl_conn_bind_host(ssl_conn *conn, server_rec *s);

/** Gives CONN the certificates of its virtual host, where its SSL_CTX does not
 * have them.  Called once that is settled by the ClientHello: before, there
 * may be none.  False: see OpenSSL's queue. */
int ssl_conn_use_certs(ssl_conn *conn);

/** Before the first byte: keeps the ClientHello of CONN, if a virtual host of its address wants it. */
void ssl_hello_watch(ssl_conn *conn);

/** Whether the ClientHello was kept, and CONN's virtual host shows it (SSLClientHelloVars). */
int ssl_hello_shown(const ssl_conn *conn);

/** Whether any virtual host that C may reach has SSLClientHelloVars on. */
int ssl_sni_wants_hello(conn_rec *c);

/** What a handshake tells. */
typedef enum {
    SSL_FACT_SHARED_CIPHERS,   /**< the client's ciphers that the host allows: "A:B" */
    SSL_FACT_ROUND_TRIP,       /**< microseconds from the first flight to the client's answer */
    SSL_FACT_SIGNATURE,        /**< how the server signed the handshake: "ecdsa_secp256r1_sha256" */
    SSL_FACT_CLIENT_SIGNATURE, /**< how the client did */
    SSL_FACT_GROUP,
    SSL_FACT_ALPN,
    /* of the ClientHello, in hex */
    SSL_FACT_HELLO_VERSION,
    SSL_FACT_HELLO_CIPHERS,
    SSL_FACT_HELLO_EXTENSIONS,
    SSL_FACT_HELLO_GROUPS,
    SSL_FACT_HELLO_EC_FORMATS,
    SSL_FACT_HELLO_SIG_ALGOS,
    SSL_FACT_HELLO_ALPN,
    SSL_FACT_HELLO_VERSIONS,
    /* its fingerprints */
    SSL_FACT_JA3,
    SSL_FACT_JA3_HASH,
    SSL_FACT_JA4,
    SSL_FACT_JA4_RAW
} ssl_fact;

/** FACT of CONN, which is ESTABLISHED, in P or static; NULL if it is not known. */
const char *ssl_handshake_fact(apr_pool_t *p, const ssl_conn *conn, ssl_fact fact);

/** OpenSSL callbacks; see SSL_CTX_set_client_hello_cb(3), SSL_CTX_set_tlsext_servername_callback(3),
 * SSL_CTX_set_alpn_select_cb(3), SSL_CTX_set_info_callback(3). */
int ssl_sni_client_hello(SSL *ssl, int *alert, void *arg);
int ssl_sni_servername(SSL *ssl, int *alert, void *arg);
int ssl_sni_alpn_select(SSL *ssl, const unsigned char **out, unsigned char *outlen,
                        const unsigned char *in, unsigned int inlen, void *arg);
void ssl_log_info_callback(const SSL *ssl, int where, int ret);

#endif /* SSL_CONN_H */
