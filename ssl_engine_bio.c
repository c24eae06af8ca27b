/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_bio.c - the transport: a BIO whose other side is httpd's filter
 * chain.
 *
 * Sending.  OpenSSL writes one record at a time; they are copied one behind
 * the other into a block, and a block goes down as one heap bucket: so a
 * handshake flight, or four full records, cost one pass and one writev.  The
 * first records after a request leave sooner.
 * Nothing is sent because OpenSSL says "flush": what matters is whether the
 * peer waits, and that is known when we are about to wait for the peer.
 *
 * Receiving.  From clients, through httpd's filters; from backends, 64 KB at a
 * time from the socket, if no other filter needs to see the bytes.
 */
#include "ssl_filter.h"

#include "apr_portable.h"
#include "apr_support.h"
#include "apr_thread_proc.h"

/* What is gathered of a response before it first leaves: a full record, so that
 * the peer can begin; it doubles from then on, up to four. */
#define FIRST_BATCH (16 * 1024)
#define LARGE_BATCH (64 * 1024)

/* --- blocks ---------------------------------------------------------------------- */

/* Of each kind, what a download needs at a time: a piece of the file, what is
 * gathered, and the ciphertext. */
#define SPARES 3

typedef struct spare_blocks {
    struct {
        int n;
        void *block[SPARES];
    } of[SSL_BLOCK_KINDS];
} spare_blocks;

static const apr_size_t block_sizes[SSL_BLOCK_KINDS] = { SSL_SMALL_BLOCK, SSL_RECORD_BLOCK, SSL_LARGE_BLOCK };

static apr_threadkey_t *spares; /* of each thread: spare_blocks */
static _Thread_local spare_blocks *known_spares; /* the same, found faster */

static void free_spares(void *data)
{
    spare_blocks *mine = data;
    int kind;

    for (kind = 0; kind < SSL_BLOCK_KINDS; kind++) {
        while (mine->of[kind].n > 0) {
            free(mine->of[kind].block[--mine->of[kind].n]);
        }
    }
    free(mine);
    known_spares = NULL; /* it was this thread's; what ends after it may still give blocks back */
}

static spare_blocks *my_spares(void)
{
    if (!known_spares && spares) {
        known_spares = ap_calloc(1, sizeof(*known_spares));
        apr_threadkey_private_set(known_spares, spares); /* for its destructor */
    }
    return known_spares;
}

char *ssl_block_take(ssl_block_kind kind)
{
    spare_blocks *mine = my_spares();

    return mine && mine->of[kind].n > 0 ? mine->of[kind].block[--mine->of[kind].n] : ap_malloc(block_sizes[kind]);
}

static void give(void *block, ssl_block_kind kind)
{
    spare_blocks *mine = my_spares();

    if (mine && mine->of[kind].n < SPARES) {
        mine->of[kind].block[mine->of[kind].n++] = block;
    }
    else {
        free(block);
    }
}

void ssl_block_give_small(void *block)
{
    give(block, SSL_BLOCK_SMALL);
}

void ssl_block_give_record(void *block)
{
    give(block, SSL_BLOCK_RECORD);
}

void ssl_block_give_large(void *block)
{
    give(block, SSL_BLOCK_LARGE);
}

/* --- sending ------------------------------------------------------------------ */

static void close_block(ssl_transport *t)
{
    if (t->block) {
        apr_bucket *e = apr_bucket_heap_create(
            t->block, t->used, t->size == SSL_LARGE_BLOCK ? ssl_block_give_large : ssl_block_give_small,
            t->c->bucket_alloc);

        APR_BRIGADE_INSERT_TAIL(t->to_send, e);
        t->flushing = 0;
        t->block = NULL;
    }
}

static void open_block(ssl_transport *t, apr_size_t first)
{
    int large = first > SSL_SMALL_BLOCK / 2;

    t->size = large ? SSL_LARGE_BLOCK : SSL_SMALL_BLOCK;
    t->block = ssl_block_take(large ? SSL_BLOCK_LARGE : SSL_BLOCK_SMALL);
    t->used = 0;
}

apr_status_t ssl_transport_wait_writable(ssl_transport *t)
{
    apr_socket_t *socket = ap_get_conn_socket(t->c);
    apr_status_t rv = socket ? apr_wait_for_io_or_timeout(NULL, socket, 0) : APR_EGENERAL;

    if (rv != APR_SUCCESS) {
        t->out_status = rv;
    }
    return rv == APR_SUCCESS ? APR_EAGAIN : rv;
}

/* Each packet costs some microseconds: close_notify waits for the FIN. */
void ssl_transport_expect_end(ssl_transport *t)
{
    apr_socket_t *socket = ap_get_conn_socket(t->c);
    apr_os_sock_t fd;

    if (socket && apr_os_sock_get(&fd, socket) == APR_SUCCESS) {
        ssl_compat_cork(fd);
    }
}

void ssl_transport_append(ssl_transport *t, apr_bucket *e)
{
    close_block(t);
    APR_BRIGADE_INSERT_TAIL(t->to_send, e);
    t->flushing = APR_BUCKET_IS_FLUSH(e) || (t->flushing && APR_BUCKET_IS_METADATA(e));
}

void ssl_transport_discard(ssl_transport *t)
{
    close_block(t);
    apr_brigade_cleanup(t->to_send);
    t->gathered = 0;
}

apr_status_t ssl_transport_send(ssl_transport *t, int flush)
{
    apr_status_t rv;

    close_block(t);
    t->gathered = 0;
    t->answer_expected = 0;
    if (APR_BRIGADE_EMPTY(t->to_send) && !(flush && t->unflushed)) {
        return t->out_status;
    }
    if (flush) {
        APR_BRIGADE_INSERT_TAIL(t->to_send, apr_bucket_flush_create(t->c->bucket_alloc));
    }
    t->unflushed = !flush && !t->flushing;
    t->peers_turn = !t->unflushed;
    t->flushing = 0;
    rv = ap_pass_brigade(t->out->next, t->to_send);
    apr_brigade_cleanup(t->to_send);
    if (rv == APR_SUCCESS && t->c->aborted) {
        rv = APR_ECONNABORTED;
    }
    if (rv != APR_SUCCESS && t->out_status == APR_SUCCESS) {
        t->out_status = rv;
    }
    return rv;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    ssl_transport *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (t->out_status != APR_SUCCESS || len < 0) {
        return -1;
    }
    if (len > SSL_LARGE_BLOCK) {
        len = SSL_LARGE_BLOCK; /* a flight with a long chain: OpenSSL writes the rest next */
    }
    if (t->block && t->used + (apr_size_t)len > t->size) {
        close_block(t);
    }
    if (!t->block) {
        open_block(t, (apr_size_t)len);
    }
    memcpy(t->block + t->used, data, (apr_size_t)len);
    t->used += (apr_size_t)len;
    t->gathered += (apr_size_t)len;
    if (t->gathered >= t->batch) {
        t->batch = t->batch < LARGE_BATCH / 2 ? t->batch * 2 : LARGE_BATCH;
        ssl_transport_send(t, 0); /* should it fail, the next write does */
    }
    return len;
}

/* --- receiving ---------------------------------------------------------------- */

/* What is no ciphertext. */
static void drop_empty(apr_bucket_brigade *bb)
{
    apr_bucket *e = APR_BRIGADE_FIRST(bb), *next;

    for (; e != APR_BRIGADE_SENTINEL(bb); e = next) {
        next = APR_BUCKET_NEXT(e);
        if (APR_BUCKET_IS_METADATA(e) || e->length == 0) {
            apr_bucket_delete(e);
        }
    }
}

/* On a connection to a backend nobody reads what mod_logio counts. */
static int counts_only(const ap_filter_t *f)
{
    return strcmp(f->frec->name, "log_input_output") == 0;
}

/* httpd's own filter reads 8000 bytes at a time.  On a connection to a backend it is
 * left out, from the first byte on, unless another filter wants to see them. */
static apr_socket_t *direct_socket(ssl_transport *t)
{
    ap_filter_t *f = t->in->next;

    if (!t->below) {
        t->below = f;
        while (f && counts_only(f)) {
            f = f->next;
        }
        t->direct = t->c->outgoing && f && f->frec == ap_core_input_filter_handle ? ap_get_conn_socket(t->c) : NULL;
    }
    if (t->direct && t->in->next != t->below) {
        t->direct = NULL; /* from now on; nothing lies in httpd's filter */
    }
    return t->direct;
}

/* As the core's filter has it: the socket's timeout, or none. */
static apr_status_t receive(apr_socket_t *socket, apr_read_type_e mode, char *block, apr_size_t *len)
{
    apr_interval_time_t timeout = 0;
    apr_status_t rv;

    if (mode == APR_NONBLOCK_READ) {
        apr_socket_timeout_get(socket, &timeout);
        apr_socket_timeout_set(socket, 0);
    }
    rv = apr_socket_recv(socket, block, len);
    if (mode == APR_NONBLOCK_READ) {
        apr_socket_timeout_set(socket, timeout);
    }
    return rv == APR_SUCCESS && *len == 0 ? APR_EOF : rv;
}

static apr_status_t read_socket(ssl_transport *t, apr_socket_t *socket, apr_bucket_brigade *bb, apr_read_type_e mode)
{
    apr_size_t len = SSL_LARGE_BLOCK;
    apr_status_t rv = APR_SUCCESS;
    char *block;

    if (mode == APR_BLOCK_READ && t->peers_turn) { /* a read now would come too early for the answer */
        rv = apr_wait_for_io_or_timeout(NULL, socket, 1);
    }
    block = ssl_block_take(SSL_BLOCK_LARGE);
    if (rv == APR_SUCCESS) {
        rv = receive(socket, mode, block, &len);
    }
    if (rv != APR_SUCCESS) {
        ssl_block_give_large(block);
        return rv;
    }
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_heap_create(block, len, ssl_block_give_large, t->c->bucket_alloc));
    return APR_SUCCESS;
}

/* httpd's own filter keeps what comes with it; it would read the socket again
 * to give more than it has, so no more than WANT is asked for. */
static apr_status_t read_filter(ssl_transport *t, apr_bucket_brigade *bb, apr_read_type_e mode, apr_size_t want)
{
    apr_status_t rv = ap_get_brigade(t->in->next, bb, AP_MODE_READBYTES, mode, (apr_off_t)want);

    drop_empty(bb);
    if (rv == APR_SUCCESS && APR_BRIGADE_EMPTY(bb)) {
        rv = mode == APR_NONBLOCK_READ ? APR_EAGAIN : APR_EOF;
    }
    return rv;
}

static apr_status_t get_bytes(ssl_transport *t, apr_read_type_e mode, apr_size_t want)
{
    apr_bucket_brigade *bb = t->received;
    int had_some = !APR_BRIGADE_EMPTY(bb);
    apr_socket_t *socket = direct_socket(t);
    apr_status_t rv;

    if (had_some) {
        bb = apr_brigade_create(t->c->pool, t->c->bucket_alloc);
    }
    rv = socket ? read_socket(t, socket, bb, mode) : read_filter(t, bb, mode, want);
    if (rv == APR_SUCCESS) {
        t->peers_turn = 0;
    }
    if (had_some) {
        APR_BRIGADE_CONCAT(t->received, bb);
        apr_brigade_destroy(bb);
    }
    return rv;
}

/* The first flight that we send, and the answer to it: one round trip. */
static void measure_round_trip(ssl_transport *t, int answered)
{
    if (t->round_trip || (t->flight_sent && !answered)) {
        return;
    }
    if (!t->flight_sent) {
        t->flight_sent = answered ? 0 : apr_time_now();
        return;
    }
    t->round_trip = apr_time_now() - t->flight_sent;
    t->round_trip = t->round_trip > 0 ? t->round_trip : 1;
}

/* What is gathered, here or below us, leaves before we wait: during a handshake
 * at once, for the peer can't go on without it; else (tickets behind a
 * handshake, a response) only if there is indeed nothing to read, since the
 * answer to what there is will take it along. */
apr_status_t ssl_transport_fetch(ssl_transport *t, apr_size_t want)
{
    int held = t->gathered || (t->unflushed && t->mode == APR_BLOCK_READ);
    apr_status_t rv = APR_EAGAIN;

    t->batch = FIRST_BATCH;
    if (held && !t->answer_expected) {
        rv = get_bytes(t, APR_NONBLOCK_READ, want);
    }
    if (held && APR_STATUS_IS_EAGAIN(rv)) {
        apr_status_t sent = ssl_transport_send(t, 1);

        if (sent != APR_SUCCESS) {
            return t->in_status = sent;
        }
        measure_round_trip(t, 0);
    }
    if (APR_STATUS_IS_EAGAIN(rv)) {
        rv = get_bytes(t, t->mode, want);
    }
    if (rv == APR_SUCCESS) {
        measure_round_trip(t, 1);
    }
    return t->in_status = rv;
}

/* Whether reading may be tried again: for OpenSSL a peer that is silent for
 * too long has not failed, it may still be told that this is the end. */
static int may_retry(apr_status_t rv)
{
    return APR_STATUS_IS_EAGAIN(rv) || APR_STATUS_IS_EINTR(rv) || APR_STATUS_IS_TIMEUP(rv);
}

int ssl_transport_is_silent(ssl_transport *t)
{
    apr_status_t rv = APR_BRIGADE_EMPTY(t->received) ? ssl_transport_fetch(t, SSL3_RT_HEADER_LENGTH) : APR_SUCCESS;

    t->looked = rv != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(rv);
    return APR_STATUS_IS_EAGAIN(rv);
}

/* What BIO_read(3) says when there is nothing. */
static int read_nothing(BIO *bio, ssl_transport *t)
{
    t->looked = 0;
    if (may_retry(t->in_status)) {
        BIO_set_retry_read(bio);
        return -1;
    }
    return APR_STATUS_IS_EOF(t->in_status) ? 0 : -1;
}

/* Takes at most SIZE bytes out of the first bucket; 0: there is none. */
static apr_size_t take_received(ssl_transport *t, char *buffer, apr_size_t size)
{
    apr_bucket *e = APR_BRIGADE_FIRST(t->received);
    const char *data;
    apr_size_t len;

    if (APR_BRIGADE_EMPTY(t->received) || apr_bucket_read(e, &data, &len, APR_BLOCK_READ) != APR_SUCCESS) {
        return 0;
    }
    if (len > size) {
        memcpy(buffer, data, size);
        e->start += (apr_off_t)size;
        e->length -= size;
        return size;
    }
    memcpy(buffer, data, len);
    apr_bucket_delete(e);
    return len;
}

static int bio_read(BIO *bio, char *buffer, int size)
{
    ssl_transport *t = BIO_get_data(bio);
    apr_size_t copied = 0, more;

    BIO_clear_retry_flags(bio);
    if (size <= 0) {
        return 0;
    }
    if (APR_BRIGADE_EMPTY(t->received) && (t->looked || ssl_transport_fetch(t, (apr_size_t)size) != APR_SUCCESS)) {
        return read_nothing(bio, t);
    }
    do {
        more = take_received(t, buffer + copied, (apr_size_t)size - copied);
        copied += more;
    } while (more && copied < (apr_size_t)size);
    return copied ? (int)copied : -1;
}

/* --- the first bytes ------------------------------------------------------------ */

/* Of a registered method, with room to spare. */
#define LONGEST_METHOD 31

/* A request line begins with a method and a space (RFC 9112, 3).
 * HTTP/2's preface does too, but is none: nobody may start HTTP/2 here. */
static ssl_first_bytes classify(const char *head, apr_size_t len, int *sure)
{
    apr_size_t i = 0;

    *sure = 1;
    if (len && (head[0] == 0x16 || (unsigned char)head[0] >= 0x80)) {
        return SSL_FIRST_TLS;
    }
    while (i < len && (apr_isalpha(head[i]) || (i > 0 && strchr("-_.", head[i])))) {
        i++;
    }
    if (i == len && len < LONGEST_METHOD + 1) {
        *sure = 0;
        return SSL_FIRST_OTHER;
    }
    if (i < 3 || i > LONGEST_METHOD || i == len || head[i] != ' ' || strncmp(head, "PRI ", 4) == 0) {
        return SSL_FIRST_OTHER;
    }
    return SSL_FIRST_HTTP;
}

apr_status_t ssl_transport_recognise(ssl_transport *t, ssl_first_bytes *what)
{
    char head[LONGEST_METHOD + 1];
    int sure = 0;

    for (;;) {
        apr_size_t len = sizeof(head);
        apr_status_t rv = apr_brigade_flatten(t->received, head, &len);

        if (rv == APR_SUCCESS) {
            *what = classify(head, len, &sure);
        }
        if (rv != APR_SUCCESS || sure) {
            return rv;
        }
        rv = ssl_transport_fetch(t, sizeof(head));
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
}

/* --- the BIO ---------------------------------------------------------------------- */

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    ssl_transport *t = BIO_get_data(bio);
    apr_off_t length = 0;

    (void)num;
    (void)ptr;
    switch (cmd) {
    case BIO_CTRL_FLUSH: /* see the head of this file */
        t->answer_expected = 1;
        return 1;
    case BIO_CTRL_PENDING:
        apr_brigade_length(t->received, 0, &length);
        return (long)length;
    case BIO_CTRL_WPENDING:
        return (long)t->gathered;
    case BIO_CTRL_EOF:
        return APR_STATUS_IS_EOF(t->in_status);
    default:
        return 0;
    }
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *make_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "httpd filter chain");

    if (m) {
        BIO_meth_set_write(m, bio_write);
        BIO_meth_set_read(m, bio_read);
        BIO_meth_set_ctrl(m, bio_ctrl);
        BIO_meth_set_create(m, bio_create);
    }
    return m;
}

static BIO_METHOD *method;

static apr_status_t free_method(void *unused)
{
    (void)unused;
    BIO_meth_free(method);
    method = NULL;
    if (spares) {
        apr_threadkey_private_delete(spares); /* its destructor is code that may be unloaded next */
        spares = NULL;
        if (known_spares) {
            free_spares(known_spares);
        }
    }
    return APR_SUCCESS;
}

void ssl_transport_init(apr_pool_t *p)
{
    method = make_method();
    if (apr_threadkey_private_create(&spares, free_spares, p) != APR_SUCCESS) {
        spares = NULL;
    }
    apr_pool_cleanup_register(p, NULL, free_method, apr_pool_cleanup_null);
}

BIO *ssl_transport_bio(ssl_transport *t)
{
    BIO *bio = BIO_new(method);

    if (bio) {
        BIO_set_data(bio, t);
    }
    return bio;
}

ssl_transport *ssl_transport_make(conn_rec *c, ap_filter_t *in, ap_filter_t *out)
{
    ssl_transport *t = apr_pcalloc(c->pool, sizeof(*t));

    t->c = c;
    t->in = in;
    t->out = out;
    t->received = apr_brigade_create(c->pool, c->bucket_alloc);
    t->to_send = apr_brigade_create(c->pool, c->bucket_alloc);
    t->mode = APR_BLOCK_READ;
    t->batch = FIRST_BATCH;
    return t;
}
