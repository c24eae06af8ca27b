/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_io.c - the filter pair: plaintext on httpd's side of a connection.
 *
 * Output.  Small pieces are gathered into full records, across calls, until
 * something asks for them to leave (FLUSH, the end of a response, a source
 * that makes us wait); large ones, files included, are encrypted in full
 * records straight from where they are.
 *
 * Input.  Plaintext that was decrypted and not asked for yet stays in
 * `plain`; all modes take from there, and refill it.  Lines are lent.
 */
#include <unistd.h>

#include "apr_portable.h"

#include "ssl_config.h"
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_filter.h"
#include "ssl_log.h"
#include "ssl_proxy.h"

#define FILTER_NAME "SSL/TLS Filter"
#define GATHERING_NAME "SSL/TLS Coalescing Filter" /* as mod_proxy knows it */

/* Plaintext of a full record (RFC 8446, 5.1). */
#define RECORD SSL_RECORD_BLOCK

/* Read from a file at a time: four records, one write to the network. */
#define FILE_CHUNK (4 * RECORD)

/* SSLDynamicRecordSize.  A record can be read when all of it has come.  At first
 * the network takes ten packets (RFC 6928) and then waits for the peer, and so
 * it is again after a pause (RFC 9293, 3.8.2): that much goes out in records of
 * one packet each, whatever the cipher adds to them. */
#define PACKET_RECORD 1370
#define FIRST_PACKETS 10
#define PAUSE apr_time_from_sec(1)

/* What a read of lines asks for. */
#define LINE_CHUNK SSL_SMALL_BLOCK

static ap_filter_rec_t *input_filter, *output_filter, *gathering_filter;

/** Both filters of a connection share this. */
typedef struct io_ctx {
    ssl_conn *conn;
    apr_bucket_brigade *plain; /* decrypted, not yet asked for */
    char *record;              /* to be encrypted: gathered small pieces, or NULL */
    apr_size_t gathered;       /* bytes in record */
    int small_records;         /* how many of the next records are to fit a packet each */
    apr_time_t last_sent;      /* when the last output was done; 0 while there was none */
} io_ctx;

/* --- input ------------------------------------------------------------------------ */

/* Without TLS the network's bytes are the plaintext. */
static apr_status_t fill_unencrypted(io_ctx *io)
{
    ssl_transport *t = io->conn->transport;

    if (APR_BRIGADE_EMPTY(t->received)) {
        apr_status_t rv = ssl_transport_fetch(t, LINE_CHUNK);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    APR_BRIGADE_CONCAT(io->plain, t->received);
    return APR_SUCCESS;
}

/* Bytes that OpenSSL has, or the end that it has seen: it is to be asked, whatever the network says. */
static int may_know_more(const SSL *ssl)
{
    return SSL_has_pending(ssl) || (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN);
}

/* Decrypts some more, at most SIZE bytes, into io->plain. */
static apr_status_t fill(io_ctx *io, apr_read_type_e block, apr_size_t size)
{
    ssl_conn *conn = io->conn;
    apr_bucket_alloc_t *alloc = conn->c->bucket_alloc;
    apr_status_t rv;
    void (*give)(void *);
    char *buffer;
    int n;

    conn->transport->mode = block;
    if (conn->plain_http) {
        return fill_unencrypted(io);
    }
    if (block == APR_NONBLOCK_READ && !may_know_more(conn->ssl) && ssl_transport_is_silent(conn->transport)) {
        return APR_EAGAIN; /* as SSL_read() would find out at more length */
    }
    give = size > SSL_SMALL_BLOCK ? ssl_block_give_record : ssl_block_give_small;
    buffer = ssl_block_take(size > SSL_SMALL_BLOCK ? SSL_BLOCK_RECORD : SSL_BLOCK_SMALL);
    do {
        ssl_log_forget_errors();
        n = SSL_read(conn->ssl, buffer, (int)size);
        rv = n > 0 ? APR_SUCCESS : ssl_conn_result(conn, n, "reading");
    } while (APR_STATUS_IS_EAGAIN(rv) && block == APR_BLOCK_READ);
    if (rv != APR_SUCCESS) {
        give(buffer);
        return rv;
    }
    APR_BRIGADE_INSERT_TAIL(io->plain, apr_bucket_heap_create(buffer, (apr_size_t)n, give, alloc));
    return APR_SUCCESS;
}

/* In a handshake amid the connection.  Small pieces are put together, or a peer
 * that sends many would have us hold a block for each. */
apr_status_t ssl_io_read_ahead(ssl_conn *conn, apr_size_t *count)
{
    io_ctx *io = conn->transport->in->ctx;
    char buffer[LINE_CHUNK];
    apr_status_t rv;
    int n;

    conn->transport->mode = APR_BLOCK_READ;
    conn->transport->answer_expected = 1;
    ERR_clear_error();
    n = SSL_read(conn->ssl, buffer, sizeof(buffer));
    if (n <= 0) {
        return ssl_conn_result(conn, n, "renegotiation");
    }
    *count += (apr_size_t)n;
    rv = apr_brigade_write(io->plain, NULL, NULL, buffer, (apr_size_t)n);
    OPENSSL_cleanse(buffer, (size_t)n);
    return rv;
}

/* Splitting a bucket at its end leaves an empty one, which is not input. */
static int has_bytes(io_ctx *io)
{
    while (!APR_BRIGADE_EMPTY(io->plain) && APR_BRIGADE_FIRST(io->plain)->length == 0) {
        apr_bucket_delete(APR_BRIGADE_FIRST(io->plain));
    }
    return !APR_BRIGADE_EMPTY(io->plain);
}

static apr_status_t need_bytes(io_ctx *io, apr_read_type_e block, apr_size_t size)
{
    return has_bytes(io) ? APR_SUCCESS : fill(io, block, size);
}

/* How much to decrypt when the caller wants READBYTES. */
static apr_size_t chunk_for(apr_off_t readbytes)
{
    return readbytes <= 0 || readbytes > LINE_CHUNK ? RECORD : LINE_CHUNK;
}

static apr_status_t take_bytes(io_ctx *io, apr_bucket_brigade *bb, apr_read_type_e block, apr_off_t readbytes)
{
    apr_status_t rv = need_bytes(io, block, chunk_for(readbytes));
    apr_bucket *after;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = apr_brigade_partition(io->plain, readbytes, &after);
    if (rv != APR_SUCCESS && rv != APR_INCOMPLETE) {
        return rv;
    }
    while (APR_BRIGADE_FIRST(io->plain) != after) {
        apr_bucket *e = APR_BRIGADE_FIRST(io->plain);
        APR_BUCKET_REMOVE(e);
        APR_BRIGADE_INSERT_TAIL(bb, e);
    }
    return APR_SUCCESS;
}

/* What is only looked at stays in one piece: mod_proxy looks at a byte after each header field. */
static apr_status_t peek_bytes(io_ctx *io, apr_bucket_brigade *bb, apr_read_type_e block, apr_off_t readbytes)
{
    apr_status_t rv = need_bytes(io, block, chunk_for(readbytes));
    apr_bucket *e, *copy;

    for (e = APR_BRIGADE_FIRST(io->plain); e != APR_BRIGADE_SENTINEL(io->plain) && readbytes > 0 && rv == APR_SUCCESS;
         e = APR_BUCKET_NEXT(e)) {
        rv = apr_bucket_copy(e, &copy);
        if (rv == APR_SUCCESS) {
            copy->length = (apr_off_t)copy->length > readbytes ? (apr_size_t)readbytes : copy->length;
            readbytes -= (apr_off_t)copy->length;
            APR_BRIGADE_INSERT_TAIL(bb, copy);
        }
    }
    return rv;
}

/* Most lines lie whole in what was decrypted.  They are lent to the caller until its next call, as transient buckets
 * are. */
static int lend_line(io_ctx *io, apr_bucket_brigade *bb)
{
    const char *data, *end;
    apr_size_t len;
    apr_bucket *e;

    if (!APR_BRIGADE_EMPTY(bb) || !has_bytes(io) || !APR_BUCKET_IS_HEAP(e = APR_BRIGADE_FIRST(io->plain)) ||
        apr_bucket_read(e, &data, &len, APR_NONBLOCK_READ) != APR_SUCCESS) {
        return 0;
    }
    end = memchr(data, '\n', len < HUGE_STRING_LEN ? len : HUGE_STRING_LEN);
    if (!end) {
        return 0;
    }
    len = (apr_size_t)(end + 1 - data);
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_transient_create(data, len, bb->bucket_alloc));
    e->start += (apr_off_t)len;
    e->length -= len;
    return 1;
}

static int ends_with_newline(apr_bucket_brigade *bb)
{
    const char *data;
    apr_size_t len;

    return !APR_BRIGADE_EMPTY(bb) &&
           apr_bucket_read(APR_BRIGADE_LAST(bb), &data, &len, APR_NONBLOCK_READ) == APR_SUCCESS && len > 0 &&
           data[len - 1] == '\n';
}

/* Up to and with LF; less at the end of input or past HUGE_STRING_LEN, as the
 * core's own filter has it. */
static apr_status_t take_line(io_ctx *io, apr_bucket_brigade *bb, apr_read_type_e block)
{
    apr_off_t length = 0;
    apr_status_t rv = APR_BRIGADE_EMPTY(bb) ? need_bytes(io, block, LINE_CHUNK) : APR_SUCCESS;

    if (rv != APR_SUCCESS || lend_line(io, bb)) {
        return rv;
    }
    while (!ends_with_newline(bb) && length < HUGE_STRING_LEN) {
        rv = need_bytes(io, block, LINE_CHUNK);
        if (rv == APR_SUCCESS) {
            rv = apr_brigade_split_line(bb, io->plain, block, HUGE_STRING_LEN - length);
        }
        if (rv != APR_SUCCESS) {
            break;
        }
        apr_brigade_length(bb, 1, &length);
    }
    /* Who waited once too long for the rest of a line need not wait again. */
    return APR_BRIGADE_EMPTY(bb) || APR_STATUS_IS_TIMEUP(rv) ? rv : APR_SUCCESS;
}

/* Drops CR and LF before the next request. */
static apr_status_t eat_newlines(io_ctx *io, apr_read_type_e block)
{
    for (;;) {
        apr_status_t rv = need_bytes(io, block, LINE_CHUNK);
        const char *data;
        apr_size_t len, n = 0;
        apr_bucket *e;

        if (rv != APR_SUCCESS) {
            return APR_STATUS_IS_EAGAIN(rv) ? APR_SUCCESS : rv;
        }
        e = APR_BRIGADE_FIRST(io->plain);
        rv = apr_bucket_read(e, &data, &len, APR_BLOCK_READ);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        while (n < len && (data[n] == '\r' || data[n] == '\n')) {
            n++;
        }
        if (n < len) {
            apr_bucket_split(e, n);
        }
        if (n > 0) {
            apr_bucket_delete(e);
        }
        if (n < len) {
            return APR_SUCCESS;
        }
    }
}

/* Everything until the peer has no more: the caller wants it all at once. */
static apr_status_t take_all(io_ctx *io, apr_bucket_brigade *bb, apr_read_type_e block)
{
    apr_status_t rv;

    do {
        rv = need_bytes(io, block, RECORD);
        APR_BRIGADE_CONCAT(bb, io->plain);
    } while (rv == APR_SUCCESS);
    return APR_BRIGADE_EMPTY(bb) ? rv : APR_SUCCESS;
}

/* A body that ends with the connection looks the same whether it is whole or cut
 * off, but for close_notify (RFC 9112, 8: it is then incomplete). */
static apr_status_t end_of_body(const ssl_conn *conn, apr_status_t rv)
{
    const ssl_backend *backend = conn->backend;

    return APR_STATUS_IS_EOF(rv) && backend && backend->truncated && backend->settings.require_close_notify
               ? APR_ECONNABORTED
               : rv;
}

static apr_status_t filter_in(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode, apr_read_type_e block,
                              apr_off_t readbytes)
{
    io_ctx *io = f->ctx;
    apr_status_t rv;

    if (mode == AP_MODE_SPECULATIVE && io->conn->backend && (rv = ssl_proxy_reuse(io->conn)) != APR_SUCCESS) {
        return rv;
    }
    if (!has_bytes(io)) {
        rv = ssl_conn_progress(io->conn, SSL_CONN_ESTABLISHED, block);
        if (rv != APR_SUCCESS || mode == AP_MODE_INIT) {
            return mode == AP_MODE_READBYTES ? end_of_body(io->conn, rv) : rv;
        }
    }
    switch (mode) {
    case AP_MODE_READBYTES:
        return end_of_body(io->conn, take_bytes(io, bb, block, readbytes));
    case AP_MODE_SPECULATIVE:
        return peek_bytes(io, bb, block, readbytes);
    case AP_MODE_GETLINE:
        return take_line(io, bb, block);
    case AP_MODE_EATCRLF:
        return eat_newlines(io, block);
    case AP_MODE_EXHAUSTIVE:
        return take_all(io, bb, block);
    case AP_MODE_INIT:
        return APR_SUCCESS;
    }
    return APR_ENOTIMPL;
}

/* --- output ------------------------------------------------------------------------- */

static int dynamic_record_size(const io_ctx *io)
{
    return ssl_config_of(io->conn->server)->dynamic_record_size;
}

/* The connection is new to the network, or again as good as new. */
static void choose_record_size(io_ctx *io)
{
    if (dynamic_record_size(io) && apr_time_now() - io->last_sent > PAUSE) {
        io->small_records = FIRST_PACKETS;
    }
}

/* How much of LEN to hand to OpenSSL at once. */
static apr_size_t next_portion(io_ctx *io, apr_size_t len)
{
    if (io->small_records > 0) {
        io->small_records--;
        return len < PACKET_RECORD ? len : PACKET_RECORD;
    }
    return len;
}

static apr_status_t encrypt(io_ctx *io, const char *data, apr_size_t len)
{
    ssl_conn *conn = io->conn;
    apr_status_t rv = APR_SUCCESS;
    size_t done = 0;
    int ok = 1;

    conn->transport->mode = APR_BLOCK_READ;
    while (len > 0 && (rv == APR_SUCCESS || APR_STATUS_IS_EAGAIN(rv))) {
        apr_size_t portion = next_portion(io, len);

        ssl_log_forget_errors();
        ok = SSL_write_ex(conn->ssl, data, portion, &done);
        rv = ok ? APR_SUCCESS : ssl_conn_result(conn, ok, "writing");
        if (ok) {
            data += done;
            len -= done;
        }
    }
    return rv;
}

/* The gathered pieces become a record. */
static apr_status_t encrypt_gathered(io_ctx *io)
{
    apr_status_t rv = APR_SUCCESS;

    if (io->gathered) {
        rv = encrypt(io, io->record, io->gathered);
        io->gathered = 0;
    }
    if (io->record) {
        ssl_block_give_record(io->record);
        io->record = NULL;
    }
    return rv;
}

static void gather(io_ctx *io, const char *data, apr_size_t len)
{
    if (!io->record) {
        io->record = ssl_block_take(SSL_BLOCK_RECORD);
    }
    memcpy(io->record + io->gathered, data, len);
    io->gathered += len;
}

static apr_status_t put(io_ctx *io, const char *data, apr_size_t len)
{
    apr_status_t rv = APR_SUCCESS;

    if (io->gathered) {
        apr_size_t room = RECORD - io->gathered, n = len < room ? len : room;

        gather(io, data, n);
        data += n;
        len -= n;
        if (n == room) {
            rv = encrypt(io, io->record, RECORD);
            io->gathered = 0;
        }
    }
    if (rv == APR_SUCCESS && len >= RECORD) {
        apr_size_t whole = len - len % RECORD;

        rv = encrypt(io, data, whole);
        data += whole;
        len -= whole;
    }
    if (rv == APR_SUCCESS && len) {
        gather(io, data, len);
    }
    return rv;
}

static apr_status_t send_all(io_ctx *io, int flush)
{
    apr_status_t rv = encrypt_gathered(io);

    return rv == APR_SUCCESS ? ssl_transport_send(io->conn->transport, flush) : rv;
}

apr_status_t ssl_io_flush(ssl_conn *conn)
{
    return send_all(conn->transport->in->ctx, 1);
}

int ssl_io_has_input(ssl_conn *conn)
{
    return has_bytes(conn->transport->in->ctx);
}

/* Files are read here: buckets would be read, and so encrypted, 8000 bytes at
 * a time.  The first read is of one record, for the peer to begin with. */
static apr_status_t put_file(io_ctx *io, apr_bucket *e)
{
    apr_bucket_file *file = e->data;
    apr_off_t at = e->start, end = e->start + (apr_off_t)e->length;
    apr_size_t size = end - at < FILE_CHUNK ? (apr_size_t)(end - at) : FILE_CHUNK;
    apr_status_t rv = APR_SUCCESS;
    char *chunk;
    apr_os_file_t fd;

    apr_os_file_get(&fd, file->fd);
    chunk = ssl_block_take(SSL_BLOCK_LARGE);
    while (rv == APR_SUCCESS && at < end) {
        apr_off_t want = at == e->start ? RECORD : (apr_off_t)size;
        ssize_t n = pread(fd, chunk, (size_t)(end - at < want ? end - at : want), at);

        if (n <= 0) {
            rv = n < 0 ? (errno == EINTR ? APR_SUCCESS : errno) : APR_EOF;
            continue;
        }
        at += n;
        rv = put(io, chunk, (apr_size_t)n);
    }
    ssl_block_give_large(chunk);
    if (at < end && io->conn->state == SSL_CONN_ESTABLISHED) {
        ap_log_cerror(APLOG_MARK, APLOG_ERR, rv, io->conn->c,
                      "a file could not be read to its end while it was sent: was it made shorter? The connection is "
                      "closed");
    }
    return rv;
}

/* A source that has nothing yet: what there is leaves before we wait. */
static apr_status_t put_data(io_ctx *io, apr_bucket *e)
{
    const char *data;
    apr_size_t len;
    apr_status_t rv = apr_bucket_read(e, &data, &len, APR_NONBLOCK_READ);

    if (APR_STATUS_IS_EAGAIN(rv)) {
        rv = send_all(io, 1);
        if (rv == APR_SUCCESS) {
            rv = apr_bucket_read(e, &data, &len, APR_BLOCK_READ);
        }
    }
    return rv == APR_SUCCESS && len ? put(io, data, len) : rv;
}

/* The end of the connection: close_notify, if there is still somebody to hear it. */
static void finish(ssl_conn *conn)
{
    if (conn->ktls) {
        ssl_transport_send(conn->transport, 1); /* the alert does not come this way */
    }
    ssl_conn_shutdown(conn);
}

/* Metadata keeps its place behind the bytes before it. */
static apr_status_t put_metadata(io_ctx *io, apr_bucket *e)
{
    ssl_conn *conn = io->conn;
    int is_end = AP_BUCKET_IS_EOC(e);
    apr_status_t rv = conn->state == SSL_CONN_CLOSED ? APR_SUCCESS : encrypt_gathered(io);

    if (is_end) {
        finish(conn);
    }
    APR_BUCKET_REMOVE(e);
    ssl_transport_append(conn->transport, e);
    /* Nobody comes back for what the MPM leaves lying at the end of keep-alive. */
    if (is_end && conn->transport->gathered && rv == APR_SUCCESS) {
        rv = ssl_transport_send(conn->transport, 1);
    }
    return rv;
}

static apr_status_t put_bucket(io_ctx *io, apr_bucket *e)
{
    apr_status_t rv;

    if (APR_BUCKET_IS_METADATA(e)) {
        return put_metadata(io, e);
    }
    if (io->conn->ktls && io->conn->state == SSL_CONN_ESTABLISHED) {
        APR_BUCKET_REMOVE(e);
        ssl_transport_append(io->conn->transport, e);
        return APR_SUCCESS;
    }
    if (io->conn->state == SSL_CONN_CLOSED) {
        rv = io->conn->end == APR_SUCCESS || APR_STATUS_IS_EOF(io->conn->end) ? APR_ECONNABORTED : io->conn->end;
    }
    else {
        rv = APR_BUCKET_IS_FILE(e) ? put_file(io, e) : put_data(io, e);
    }
    apr_bucket_delete(e);
    return rv;
}

/* The proxy modules pass on what they have without flushing it.  For a tunnel
 * they remove this filter, which only stands for gathering, from the client's
 * side; connections to backends never have it. */
static apr_status_t pass_on(ap_filter_t *f, apr_bucket_brigade *bb)
{
    return ap_pass_brigade(f->next, bb);
}

static int may_gather(const ssl_conn *conn)
{
    ap_filter_t *f = conn->backend ? NULL : conn->c->output_filters;

    while (f && f->frec != gathering_filter) {
        f = f->next;
    }
    return f != NULL;
}

/* Records wait for others where the source is known to flush before it waits: mod_proxy_http, not its tunnels. */
static int may_batch(const ssl_conn *conn, apr_status_t rv)
{
    return rv == APR_SUCCESS && ssl_reuse_is_http_client(conn->c) && may_gather(conn);
}

static apr_status_t filter_out(ap_filter_t *f, apr_bucket_brigade *bb)
{
    io_ctx *io = f->ctx;
    ssl_conn *conn = io->conn;
    apr_status_t rv = APR_SUCCESS;

    if (conn->plain_http) {
        return ap_pass_brigade(f->next, bb);
    }
    if (conn->state < SSL_CONN_ESTABLISHED && !APR_BRIGADE_EMPTY(bb) && !APR_BUCKET_IS_METADATA(APR_BRIGADE_FIRST(bb))) {
        rv = ssl_conn_progress(conn, SSL_CONN_ESTABLISHED, APR_BLOCK_READ);
    }
    choose_record_size(io);
    while (!APR_BRIGADE_EMPTY(bb) && rv == APR_SUCCESS) {
        rv = put_bucket(io, APR_BRIGADE_FIRST(bb));
    }
    if (rv != APR_SUCCESS && conn->state == SSL_CONN_ESTABLISHED) {
        ssl_conn_abort(conn, rv); /* a response cut short must not look complete */
        f->c->aborted = 1;
    }
    apr_brigade_cleanup(bb);
    if (io->gathered && rv == APR_SUCCESS && !may_gather(conn)) {
        rv = encrypt_gathered(io);
    }
    if (!APR_BRIGADE_EMPTY(conn->transport->to_send) || (conn->transport->block && !may_batch(conn, rv))) {
        apr_status_t sent = ssl_transport_send(conn->transport, 0);
        rv = rv == APR_SUCCESS ? sent : rv;
    }
    /* A large file leaves in one call: the pause begins with its end. */
    io->last_sent = dynamic_record_size(io) ? apr_time_now() : 0;
    return rv;
}

/* --- the pair ------------------------------------------------------------------------ */

static apr_status_t io_cleanup(void *data)
{
    io_ctx *io = data;

    if (io->record) {
        OPENSSL_cleanse(io->record, io->gathered);
        ssl_block_give_record(io->record);
        io->record = NULL;
    }
    return APR_SUCCESS;
}

void ssl_io_add(ssl_conn *conn)
{
    conn_rec *c = conn->c;
    io_ctx *io = apr_pcalloc(c->pool, sizeof(*io));
    ap_filter_t *in = ap_add_input_filter_handle(input_filter, io, NULL, c);
    ap_filter_t *out = ap_add_output_filter_handle(output_filter, io, NULL, c);

    if (!conn->backend) {
        ap_add_output_filter_handle(gathering_filter, NULL, NULL, c);
    }

    io->conn = conn;
    io->plain = apr_brigade_create(c->pool, c->bucket_alloc);
    conn->transport = ssl_transport_make(c, in, out);
    apr_pool_cleanup_register(c->pool, io, io_cleanup, apr_pool_cleanup_null);
}

void ssl_io_register(apr_pool_t *p)
{
    (void)p;
    /* mod_reqtimeout and others count on our place: above the network's, below HTTP's. */
    input_filter = ap_register_input_filter(FILTER_NAME, filter_in, NULL, AP_FTYPE_CONNECTION + 5);
    output_filter = ap_register_output_filter(FILTER_NAME, filter_out, NULL, AP_FTYPE_CONNECTION + 5);
    gathering_filter = ap_register_output_filter(GATHERING_NAME, pass_on, NULL, AP_FTYPE_CONNECTION + 4);
}
