/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_filter.h - the way of a byte: the transport (ciphertext, a BIO over
 * bucket brigades) and the filter pair (plaintext).
 */
#ifndef SSL_FILTER_H
#define SSL_FILTER_H

#include "ssl_conn.h"

#include "apr_buckets.h"
#include "util_filter.h"

/**
 * Between OpenSSL and the network.  Ciphertext that OpenSSL writes is gathered
 * in blocks and handed down in few brigades; what the network brings is kept
 * in buckets until OpenSSL has read it.  No memory is held while idle.
 */
struct ssl_transport {
    conn_rec *c;
    ap_filter_t *in, *out;         /**< our filters; ->next leads to the network */
    apr_bucket_brigade *received;  /**< ciphertext (or plain HTTP) not yet read */
    apr_bucket_brigade *to_send;   /**< whole blocks and metadata, in order */
    char *block;                   /**< block being filled, or NULL */
    apr_size_t used, size;         /**< of block */
    apr_size_t gathered;           /**< bytes in to_send and block */
    apr_size_t batch;              /**< bytes that are gathered before they leave unasked */
    apr_read_type_e mode;          /**< whether reads may block */
    int unflushed;                 /**< passed down without a flush: some may lie in httpd's own filter */
    int flushing;                  /**< the end of to_send is a FLUSH bucket, and metadata at most behind it */
    int peers_turn;                /**< all was flushed, and nothing read since */
    apr_socket_t *direct;          /**< read without httpd's own filter; NULL: through it */
    ap_filter_t *below;            /**< what was next to `in` when that was decided; NULL: it was not yet */
    int answer_expected;           /**< the peer waits for what is gathered: send it before reading */
    apr_time_t flight_sent;        /**< when the first bytes were flushed; 0: not yet */
    apr_interval_time_t round_trip; /**< from then until the peer answered; 0: not yet */
    int looked;                    /**< in_status is what the next read will find, too */
    apr_status_t in_status, out_status; /**< of the last read and of the first failed write */
};

/** What the first bytes of a connection are. */
typedef enum { SSL_FIRST_TLS, SSL_FIRST_HTTP, SSL_FIRST_OTHER } ssl_first_bytes;

/** Bytes of a small block: a handshake, a request, a small response. */
#define SSL_SMALL_BLOCK 8000

/** Bytes of a large block: four full records, with what any cipher adds to each. */
#define SSL_LARGE_BLOCK (4 * (16384 + 256 + 5))

/** Bytes of a block for the plaintext of a full record (RFC 8446, 5.1). */
#define SSL_RECORD_BLOCK SSL3_RT_MAX_PLAIN_LENGTH

typedef enum { SSL_BLOCK_SMALL, SSL_BLOCK_RECORD, SSL_BLOCK_LARGE, SSL_BLOCK_KINDS } ssl_block_kind;

/** A block, and its return, which fits apr_bucket_heap_create().  Each thread keeps
 * a few, so that traffic needs no new memory and an idle connection holds none;
 * APR's buckets would keep them for the connection that once used them. */
char *ssl_block_take(ssl_block_kind kind);
void ssl_block_give_small(void *block);
void ssl_block_give_record(void *block);
void ssl_block_give_large(void *block);

/** post_config: makes what all transports share, for the life of P. */
void ssl_transport_init(apr_pool_t *p);

/** A transport for C over the filters IN and OUT; lives in C's pool. */
ssl_transport *ssl_transport_make(conn_rec *c, ap_filter_t *in, ap_filter_t *out);

/** A BIO for SSL_set_bio(3), both directions, or NULL.  The SSL owns it; T must outlive it. */
BIO *ssl_transport_bio(ssl_transport *t);

/** Waits (T->mode) for the first bytes and says what they are; they stay unread.
 * APR_SUCCESS, APR_EAGAIN, APR_EOF or why they can't be had. */
apr_status_t ssl_transport_recognise(ssl_transport *t, ssl_first_bytes *what);

/** Gets more from the network into t->received, at most WANT bytes, as T->mode says. */
apr_status_t ssl_transport_fetch(ssl_transport *t, apr_size_t want);

/** Without waiting (T->mode is APR_NONBLOCK_READ): whether the peer has sent nothing that was not yet read.
 * False as well when reading fails, which the next read then reports. */
int ssl_transport_is_silent(ssl_transport *t);

/** Hands what is gathered down to the network; with FLUSH it leaves at once. */
apr_status_t ssl_transport_send(ssl_transport *t, int flush);

/** What is sent from now on is the last: it leaves in one packet with the end of
 * the connection, which the MPM brings about next. */
void ssl_transport_expect_end(ssl_transport *t);

/** Puts metadata bucket E behind what is gathered. */
void ssl_transport_append(ssl_transport *t, apr_bucket *e);

/** Forgets what is gathered. */
void ssl_transport_discard(ssl_transport *t);

/** Registers the filters; their names are those that other modules know. */
void ssl_io_register(apr_pool_t *p);

/** Adds the filter pair of CONN to its connection and makes conn->transport. */
void ssl_io_add(ssl_conn *conn);

/** post_config: finds out whether the kernel can, if any host has SSLKTLS on (WANTED). */
void ssl_ktls_init(server_rec *s, int wanted);

/** While CONN has sent nothing yet and its host has SSLKTLS on: lets OpenSSL write to the
 * socket, which is how it gives its keys to the kernel. */
void ssl_ktls_offer(ssl_conn *conn);

/** When the handshake is over: sets conn->ktls, or puts the transport back. */
void ssl_ktls_settle(ssl_conn *conn);

/** Waits until the socket of T takes more.  APR_EAGAIN: it does; else why not. */
apr_status_t ssl_transport_wait_writable(ssl_transport *t);
/** For a handshake amid CONN: one SSL_read.  Application data is kept for the
 * input filter and its length added to COUNT.  APR_SUCCESS; APR_EAGAIN: no
 * application data came, but perhaps handshake messages; else CONN is of no more use. */
apr_status_t ssl_io_read_ahead(ssl_conn *conn, apr_size_t *count);

/** Encrypts and sends what the output filter of CONN has gathered. */
apr_status_t ssl_io_flush(ssl_conn *conn);

/** Whether decrypted bytes of CONN wait for a reader. */
int ssl_io_has_input(ssl_conn *conn);

/** The two kinds of mistaken port: registers the filter and hooks. */
void ssl_plain_register(apr_pool_t *p);

/** post_config: whether any virtual host has SSLEngine on; else nothing is watched. */
void ssl_plain_init(int any_tls);

/** On a connection to a port of plain HTTP: watches for a ClientHello. */
void ssl_plain_watch(conn_rec *c);

/** For a request that came as plain HTTP to a TLS port: 400 and why; else DECLINED. */
int ssl_plain_refuse(request_rec *r);

#endif /* SSL_FILTER_H */
