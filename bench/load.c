/*
 * The load generator of bench/run: one thread, blocking sockets, sequential operations.
 *
 * Only the server's CPU is measured, so a simple client that does the same thing every time is
 * better than a fast one.  Every operation is checked (resumed or not, status, length and content
 * of the body); the first surprise ends the process with status 1, so a figure that comes out
 * is a figure for work that was really done.
 *
 * Dialogue with bench/run over stdin/stdout, so that preparation and teardown stay outside the
 * measured interval:
 *     load: "ready"    (connections are open, the first session is at hand)
 *     run:  a line     -> the operations start
 *     load: one line of JSON with the counts
 *     run:  a line     -> connections are closed, exit 0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum mode { MODE_CONNECT, MODE_KEEPALIVE, MODE_IDLE };
enum resume { RESUME_NONE, RESUME_TICKET, RESUME_ID };

#define SOCKET_TIMEOUT_SECONDS 20
#define MAX_SAMPLES 100000

static struct {
    enum mode mode;
    enum resume resume;
    int port;
    int plain;
    int tls_version;         /* TLS1_2_VERSION or TLS1_3_VERSION */
    const char *sni;
    const char *path;        /* NULL: no request, the connection alone */
    const char *body_file;   /* what the response body has to be, byte for byte */
    const char *cert;        /* client certificate and key, one PEM file; NULL: none */
    const char *header;      /* one more request header, without CRLF */
    int status;
    int connections;
    long upload;
    double seconds;
    long max_operations;     /* 0: bounded by time alone */
    int ttfb;
    int staple;              /* asks for an OCSP response; the first connection tries until one comes */
    long pool;               /* sessions to resume, in turns */
} opt = {
    .mode = MODE_CONNECT,
    .tls_version = TLS1_3_VERSION,
    .sni = "localhost",
    .status = 200,
    .connections = 1,
    .seconds = 0.5,
    .pool = 1,
};

static struct {
    long operations;
    long full_handshakes;
    long resumed_handshakes;
    uint64_t body_bytes;
    uint64_t upload_bytes;
    uint64_t wire_bytes_in;  /* TLS only */
    uint64_t records_in;     /* TLS only */
    uint64_t samples;
    float ttfb_us[MAX_SAMPLES];
} count;

struct connection {
    int fd;
    SSL *ssl;
    uint64_t wire_seen;      /* part of the read BIO's counter that is already in count */
};

struct response {
    char head[8192];
    size_t head_len;
    int in_body;
    int chunked;
    int done;
    long long length;        /* Content-Length, or what is left of the chunk */
    uint64_t received;
    enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER } chunk;
    int trailer_line;        /* bytes on the current trailer line */
    double first_byte_at;
};

static SSL_CTX *ctx;
static SSL_SESSION *latest_session;
static SSL_SESSION **pool;
static const unsigned char *expected_body;
static size_t expected_length;
static char *request;
static size_t request_length;
static unsigned char *upload_block;
#define UPLOAD_BLOCK 16384

static void die(const char *format, ...)
{
    va_list args;
    unsigned long e;

    fputs("load: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    while ((e = ERR_get_error()) != 0)
        fprintf(stderr, "load:   %s\n", ERR_error_string(e, NULL));
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* ---- TLS context ---------------------------------------------------------------------- */

static int keep_latest_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(latest_session);
    latest_session = session;
    return 1;
}

static void count_records(int write_p, int version, int content_type, const void *buf, size_t len,
                          SSL *ssl, void *arg)
{
    (void)version; (void)buf; (void)len; (void)ssl; (void)arg;
    if (!write_p && content_type == SSL3_RT_HEADER)
        count.records_in++;
}

static void context_create(void)
{
    if ((ctx = SSL_CTX_new(TLS_client_method())) == NULL)
        die("SSL_CTX_new");
    /* P-256 is for TLS 1.2, where the list has to contain the certificate's curve as well; the
     * key exchange is X25519 in both versions. */
    if (!SSL_CTX_set_min_proto_version(ctx, opt.tls_version)
        || !SSL_CTX_set_max_proto_version(ctx, opt.tls_version)
        || !SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256")
        || !SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256:"
                                         "ECDHE-RSA-AES128-GCM-SHA256")
        || !SSL_CTX_set1_groups_list(ctx, "X25519:P-256"))
        die("cannot set protocol, ciphers and group");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    if (opt.cert != NULL && (SSL_CTX_use_certificate_file(ctx, opt.cert, SSL_FILETYPE_PEM) != 1
                             || SSL_CTX_use_PrivateKey_file(ctx, opt.cert, SSL_FILETYPE_PEM) != 1))
        die("cannot use the client certificate %s", opt.cert);
    SSL_CTX_set_mode(ctx, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_latest_session);
    SSL_CTX_set_msg_callback(ctx, count_records);
    if (opt.resume == RESUME_ID && opt.tls_version == TLS1_2_VERSION)
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    /* Read-ahead spares the client system calls; time to first byte must see each record alone. */
    if (!opt.ttfb && !opt.plain) {
        SSL_CTX_set_read_ahead(ctx, 1);
        SSL_CTX_set_default_read_buffer_len(ctx, 65536);
    }
}

/* ---- connections ---------------------------------------------------------------------- */

static int tcp_connect(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(opt.port) };
    struct timeval timeout = { .tv_sec = SOCKET_TIMEOUT_SECONDS };
    int fd, one = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if ((fd = socket(AF_INET, SOCK_STREAM, 0)) < 0)
        die("socket: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("connect to port %d: %s", opt.port, strerror(errno));
    return fd;
}

static void connection_open(struct connection *c, SSL_SESSION *session)
{
    memset(c, 0, sizeof(*c));
    c->fd = tcp_connect();
    if (opt.plain)
        return;
    if ((c->ssl = SSL_new(ctx)) == NULL || !SSL_set_fd(c->ssl, c->fd)
        || !SSL_set_tlsext_host_name(c->ssl, opt.sni)
        || (session != NULL && !SSL_set_session(c->ssl, session)))
        die("cannot set up SSL");
    if (opt.staple)
        SSL_set_tlsext_status_type(c->ssl, TLSEXT_STATUSTYPE_ocsp);
    if (SSL_connect(c->ssl) != 1)
        die("handshake failed");
    if (SSL_session_reused(c->ssl) != (session != NULL))
        die("handshake was %s", session != NULL ? "full, not resumed" : "resumed, not full");
    if (session != NULL)
        count.resumed_handshakes++;
    else
        count.full_handshakes++;
}

static int has_staple(struct connection *c)
{
    const unsigned char *response;

    /* shorter ones say that there is no answer: tryLater, for one */
    return SSL_get_tlsext_status_ocsp_resp(c->ssl, &response) > 100;
}

static void account_wire(struct connection *c)
{
    uint64_t total;

    if (c->ssl == NULL)
        return;
    total = BIO_number_read(SSL_get_rbio(c->ssl));
    count.wire_bytes_in += total - c->wire_seen;
    c->wire_seen = total;
}

/*
 * Closes like a well-behaved client and then waits for the server's FIN: with the server done
 * before the next operation starts, operations do not overlap, and no RST discards its tickets.
 */
static void connection_close(struct connection *c)
{
    char scrap[4096];
    ssize_t n;

    if (c->ssl != NULL) {
        if (SSL_shutdown(c->ssl) < 0)
            die("sending close_notify failed");
        account_wire(c);
    }
    shutdown(c->fd, SHUT_WR);
    while ((n = read(c->fd, scrap, sizeof(scrap))) > 0)
        if (c->ssl != NULL)
            count.wire_bytes_in += n;
    if (n < 0 && errno != ECONNRESET)
        die("waiting for the server's FIN: %s", strerror(errno));
    SSL_free(c->ssl);
    close(c->fd);
}

static void connection_write(struct connection *c, const void *data, size_t len)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = c->ssl ? SSL_write(c->ssl, p, len) : write(c->fd, p, len);

        if (n <= 0)
            die("write failed: %s", strerror(errno));
        p += n;
        len -= n;
    }
}

static size_t connection_read(struct connection *c, void *buf, size_t size)
{
    ssize_t n = c->ssl ? SSL_read(c->ssl, buf, size) : read(c->fd, buf, size);

    if (n <= 0)
        die("connection ended inside a response (%s)", n < 0 ? strerror(errno) : "EOF");
    return n;
}

/* ---- HTTP responses ------------------------------------------------------------------- */

static void body_bytes(struct response *r, const unsigned char *data, size_t len)
{
    if (len == 0)
        return;
    if (r->received == 0)
        r->first_byte_at = now();
    if (opt.body_file != NULL
        && (r->received + len > expected_length
            || memcmp(data, expected_body + r->received, len) != 0))
        die("%s: body differs from %s at or after offset %llu", opt.path, opt.body_file,
            (unsigned long long)r->received);
    r->received += len;
}

static void head_parse(struct response *r)
{
    char *line, *rest = NULL;
    int status = 0;

    r->length = -1;
    if (sscanf(r->head, "HTTP/1.%*d %d", &status) != 1 || status != opt.status)
        die("%s: status %d, expected %d", opt.path, status, opt.status);
    for (line = strtok_r(r->head, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            r->length = atoll(line + 15);
        else if (strncasecmp(line, "Transfer-Encoding: chunked", 26) == 0)
            r->chunked = 1;
        else if (strncasecmp(line, "Connection: close", 17) == 0)
            die("%s: the server wants to close a keep-alive connection", opt.path);
    }
    if (!r->chunked && r->length < 0)
        die("%s: neither Content-Length nor chunked", opt.path);
    r->in_body = 1;
    if (r->chunked) {
        r->chunk = CHUNK_SIZE;
        r->length = 0;
    }
    else if (r->length == 0) {
        r->done = 1;
    }
}

/* Returns how much of the data belongs to the head. */
static size_t head_take(struct response *r, const unsigned char *data, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (r->head_len + 1 >= sizeof(r->head))
            die("response head too long");
        r->head[r->head_len++] = data[i];
        if (r->head_len >= 4 && memcmp(r->head + r->head_len - 4, "\r\n\r\n", 4) == 0) {
            r->head[r->head_len] = '\0';
            head_parse(r);
            return i + 1;
        }
    }
    return len;
}

static int hex_value(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte of a chunk's framing. */
static void chunk_framing(struct response *r, int byte)
{
    switch (r->chunk) {
    case CHUNK_SIZE:
        if (hex_value(byte) >= 0) {
            r->length = r->length * 16 + hex_value(byte);
            break;
        }
        r->chunk = CHUNK_EXTENSION;
        /* fall through */
    case CHUNK_EXTENSION:
        if (byte == '\n') {
            r->chunk = r->length > 0 ? CHUNK_DATA : CHUNK_TRAILER;
            r->trailer_line = 0;
        }
        break;
    case CHUNK_DATA_END:
        if (byte == '\n') {
            r->chunk = CHUNK_SIZE;
            r->length = 0;
        }
        else if (byte != '\r') {
            die("%s: garbage after a chunk", opt.path);
        }
        break;
    case CHUNK_TRAILER:
        if (byte == '\n' && r->trailer_line == 0)
            r->done = 1;
        else if (byte == '\n')
            r->trailer_line = 0;
        else if (byte != '\r')
            r->trailer_line++;
        break;
    case CHUNK_DATA:
        break;
    }
}

/* Returns how much of the data belongs to the body. */
static size_t body_take(struct response *r, const unsigned char *data, size_t len)
{
    size_t n;

    if (r->chunked && r->chunk != CHUNK_DATA) {
        chunk_framing(r, data[0]);
        return 1;
    }
    n = (long long)len < r->length ? len : (size_t)r->length;
    body_bytes(r, data, n);
    r->length -= n;
    if (r->length == 0) {
        if (r->chunked)
            r->chunk = CHUNK_DATA_END;
        else
            r->done = 1;
    }
    return n;
}

static void response_read(struct connection *c, double sent_at)
{
    static unsigned char buf[65536];
    struct response r;

    memset(&r, 0, sizeof(r));
    while (!r.done) {
        size_t len = connection_read(c, buf, sizeof(buf)), used = 0;

        while (used < len && !r.done)
            used += r.in_body ? body_take(&r, buf + used, len - used)
                              : head_take(&r, buf + used, len - used);
        if (used < len)
            die("%s: %zu bytes after the end of the response", opt.path, len - used);
    }
    if (opt.body_file != NULL && r.received != expected_length)
        die("%s: body of %llu bytes, expected %zu", opt.path, (unsigned long long)r.received,
            expected_length);
    count.body_bytes += r.received;
    if (opt.ttfb && count.samples < MAX_SAMPLES)
        count.ttfb_us[count.samples++] = (r.first_byte_at - sent_at) * 1e6;
}

static double request_send(struct connection *c)
{
    double sent_at;
    long left;

    connection_write(c, request, request_length);
    sent_at = opt.ttfb ? now() : 0;
    for (left = opt.upload; left > 0; left -= UPLOAD_BLOCK)
        connection_write(c, upload_block, left < UPLOAD_BLOCK ? left : UPLOAD_BLOCK);
    count.upload_bytes += opt.upload;
    return sent_at;
}

static void request_prepare(void)
{
    char length[64] = "";

    if (opt.upload > 0) {
        snprintf(length, sizeof(length), "Content-Length: %ld\r\n", opt.upload);
        if ((upload_block = malloc(UPLOAD_BLOCK)) == NULL)
            die("out of memory");
        memset(upload_block, 'u', UPLOAD_BLOCK);
    }
    request_length = asprintf(&request, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\n"
                                        "Accept: */*\r\n%s%s%s\r\n",
                              opt.upload > 0 ? "POST" : "GET", opt.path, opt.sni, length,
                              opt.header ? opt.header : "", opt.header ? "\r\n" : "");
}

static void body_prepare(void)
{
    struct stat st;
    int fd;

    if (opt.body_file == NULL)
        return;
    if ((fd = open(opt.body_file, O_RDONLY)) < 0 || fstat(fd, &st) != 0)
        die("%s: %s", opt.body_file, strerror(errno));
    expected_length = st.st_size;
    if (expected_length > 0) {
        expected_body = mmap(NULL, expected_length, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
        if (expected_body == MAP_FAILED)
            die("mmap: %s", strerror(errno));
    }
    close(fd);
}

/* ---- modes ---------------------------------------------------------------------------- */

static void dialogue_wait(const char *say)
{
    char line[16];

    puts(say);
    fflush(stdout);
    if (fgets(line, sizeof(line), stdin) == NULL)
        exit(1);
}

static int float_order(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static void report(double elapsed)
{
    char line[512];
    float ttfb = 0, p99 = 0, most = 0;

    if (count.samples > 0) {
        qsort(count.ttfb_us, count.samples, sizeof(count.ttfb_us[0]), float_order);
        ttfb = count.ttfb_us[count.samples / 2];
        p99 = count.ttfb_us[count.samples - 1 - count.samples / 100];
        most = count.ttfb_us[count.samples - 1];
    }
    snprintf(line, sizeof(line),
             "{\"operations\": %ld, \"seconds\": %.6f, \"body_bytes\": %llu, "
             "\"upload_bytes\": %llu, \"wire_bytes_in\": %llu, \"records_in\": %llu, "
             "\"full\": %ld, \"resumed\": %ld, \"ttfb_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}",
             count.operations, elapsed, (unsigned long long)count.body_bytes,
             (unsigned long long)count.upload_bytes, (unsigned long long)count.wire_bytes_in,
             (unsigned long long)count.records_in, count.full_handshakes,
             count.resumed_handshakes, ttfb, p99, most);
    dialogue_wait(line);
}

static int goes_on(double started)
{
    if (opt.max_operations > 0)
        return count.operations < opt.max_operations;
    return count.operations == 0 || now() - started < opt.seconds;
}

/* A session serves once in TLS 1.3: each connection has to leave a new one behind, which takes
 * the place of the one it used. */
static SSL_SESSION *session_take(long slot)
{
    SSL_SESSION *session = pool[slot];

    if (opt.resume == RESUME_NONE)
        return NULL;
    if (SSL_SESSION_is_resumable(session) != 1)
        die("the session is not resumable");
    if (opt.tls_version == TLS1_3_VERSION)
        pool[slot] = NULL;
    else
        SSL_SESSION_up_ref(session);
    return session;
}

static void session_put(long slot)
{
    if (opt.resume == RESUME_NONE || pool[slot] != NULL)
        return;
    if (latest_session == NULL)
        die("the server sent no session to resume");
    pool[slot] = latest_session;
    latest_session = NULL;
}

static void connect_once(SSL_SESSION *session)
{
    struct connection c;

    connection_open(&c, session);
    if (opt.path != NULL)
        response_read(&c, request_send(&c));
    connection_close(&c);
    SSL_SESSION_free(session);
}

/*
 * Whether the server keeps the session, or the client does, inside the ticket. TLS 1.3 knows only
 * tickets, but one that refers to the server's cache is no longer than a session ID.
 */
static int session_is_stateless(SSL_SESSION *session)
{
    const unsigned char *ticket;
    size_t len = 0;

    SSL_SESSION_get0_ticket(session, &ticket, &len);
    return len > SSL_MAX_SSL_SESSION_ID_LENGTH;
}

static void check_session_kind(void)
{
    if (opt.resume == RESUME_NONE)
        return;
    if (latest_session == NULL)
        die("the server sent no session to resume");
    if (session_is_stateless(latest_session) != (opt.resume == RESUME_TICKET))
        die("the session is not of the kind that this row is about");
}

/* A server may get its responses behind the handshakes' back: the measurement begins once they are there. */
static void wait_for_staple(void)
{
    int tries, found = 0;

    for (tries = 0; !found && tries < 100; tries++) {
        struct connection c;

        connection_open(&c, NULL);
        found = has_staple(&c);
        connection_close(&c);
        if (!found)
            usleep(100000);
    }
    if (!found)
        die("no OCSP response is stapled");
}

static void sample(double since)
{
    if (opt.ttfb && count.samples < MAX_SAMPLES)
        count.ttfb_us[count.samples++] = (now() - since) * 1e6;
}

static void pool_fill(void)
{
    long i;

    if ((pool = calloc(opt.pool, sizeof(*pool))) == NULL)
        die("out of memory");
    for (i = 0; i < opt.pool; i++) {
        connect_once(NULL);
        check_session_kind();
        session_put(i);
    }
}

static void run_connect(void)
{
    double started, since;
    long slot;

    if (opt.staple == 1)
        wait_for_staple();
    since = now();
    pool_fill();
    memset(&count, 0, sizeof(count));
    if (opt.staple == 2)
        sample(since); /* it is the first that may have to wait */
    dialogue_wait("ready");
    for (started = since = now(); goes_on(started); count.operations++) {
        slot = count.operations % opt.pool;
        connect_once(session_take(slot));
        session_put(slot);
        sample(since);
        since = now();
    }
    report(now() - started);
}

static struct connection *connections_open(void)
{
    struct connection *all = calloc(opt.connections, sizeof(*all));
    int i;

    if (all == NULL)
        die("out of memory");
    for (i = 0; i < opt.connections; i++) {
        connection_open(&all[i], NULL);
        response_read(&all[i], request_send(&all[i]));
        account_wire(&all[i]);
    }
    return all;
}

static void connections_close(struct connection *all)
{
    int i;

    for (i = 0; i < opt.connections; i++)
        connection_close(&all[i]);
    free(all);
}

/* The request goes out on every connection before the first response is read, so that the
 * server has more than one connection ready at a time. */
static void run_keepalive(void)
{
    struct connection *all = connections_open();
    double started, *sent = calloc(opt.connections, sizeof(*sent));
    int i;

    if (sent == NULL)
        die("out of memory");
    memset(&count, 0, sizeof(count));
    dialogue_wait("ready");
    for (started = now(); goes_on(started); count.operations += opt.connections) {
        for (i = 0; i < opt.connections; i++)
            sent[i] = request_send(&all[i]);
        for (i = 0; i < opt.connections; i++) {
            response_read(&all[i], sent[i]);
            account_wire(&all[i]);
        }
    }
    report(now() - started);
    connections_close(all);
    free(sent);
}

/* "ready" comes before the first connection: the server's memory is read then, and again after
 * the line of JSON. */
static void run_idle(void)
{
    struct connection *all;

    dialogue_wait("ready");
    all = connections_open();
    count.operations = opt.connections;
    report(0);
    /* A connection that the server has dropped meanwhile must not pass for an idle one. */
    for (int i = 0; i < opt.connections; i++)
        response_read(&all[i], request_send(&all[i]));
    connections_close(all);
}

/* ---- command line --------------------------------------------------------------------- */

static const struct option long_options[] = {
    { "mode", required_argument, NULL, 'm' },      /* connect | keepalive | idle */
    { "port", required_argument, NULL, 'p' },
    { "plain", no_argument, NULL, 'P' },
    { "tls", required_argument, NULL, 'v' },       /* 1.2 | 1.3 */
    { "resume", required_argument, NULL, 'r' },    /* none | ticket | id */
    { "sni", required_argument, NULL, 's' },
    { "path", required_argument, NULL, 'u' },
    { "body", required_argument, NULL, 'b' },
    { "header", required_argument, NULL, 'H' },
    { "cert", required_argument, NULL, 'C' },
    { "status", required_argument, NULL, 'S' },
    { "connections", required_argument, NULL, 'c' },
    { "upload", required_argument, NULL, 'l' },
    { "seconds", required_argument, NULL, 't' },
    { "operations", required_argument, NULL, 'n' },
    { "ttfb", no_argument, NULL, 'f' },            /* wall times: to the first byte, or of a connection */
    { "staple", required_argument, NULL, 'o' },    /* 1: waits until a response is stapled; 2: only asks */
    { "pool", required_argument, NULL, 'O' },
    { NULL, 0, NULL, 0 }
};

/* Index of the word in a list that NULL ends. */
static int word(const char *option, const char *value, const char *const *words)
{
    int i;

    for (i = 0; words[i] != NULL; i++)
        if (strcmp(words[i], value) == 0)
            return i;
    die("unknown value of --%s: %s", option, value);
    return -1;
}

static void options_read(int argc, char **argv)
{
    static const char *const modes[] = { "connect", "keepalive", "idle", NULL };
    static const char *const resumes[] = { "none", "ticket", "id", NULL };
    static const char *const versions[] = { "1.2", "1.3", NULL };
    static const int version_numbers[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    int c;

    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
        case 'm': opt.mode = word("mode", optarg, modes); break;
        case 'p': opt.port = atoi(optarg); break;
        case 'P': opt.plain = 1; break;
        case 'v': opt.tls_version = version_numbers[word("tls", optarg, versions)]; break;
        case 'r': opt.resume = word("resume", optarg, resumes); break;
        case 's': opt.sni = optarg; break;
        case 'u': opt.path = optarg; break;
        case 'b': opt.body_file = optarg; break;
        case 'H': opt.header = optarg; break;
        case 'C': opt.cert = optarg; break;
        case 'S': opt.status = atoi(optarg); break;
        case 'c': opt.connections = atoi(optarg); break;
        case 'l': opt.upload = atol(optarg); break;
        case 't': opt.seconds = atof(optarg); break;
        case 'n': opt.max_operations = atol(optarg); break;
        case 'f': opt.ttfb = 1; break;
        case 'o': opt.staple = atoi(optarg); break;
        case 'O': opt.pool = atol(optarg); break;
        default: exit(2);
        }
    }
    if (optind != argc || opt.port <= 0 || opt.connections <= 0 || opt.pool <= 0)
        die("usage: load --port N [options], see long_options in load.c");
    if (opt.path == NULL && (opt.mode != MODE_CONNECT || opt.upload > 0))
        die("this mode needs --path");
    if (opt.plain)
        opt.resume = RESUME_NONE;
}

int main(int argc, char **argv)
{
    options_read(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    /* Whatever hangs, this process does not outlive its run by more than a minute. */
    alarm((unsigned)opt.seconds + 60);
    context_create();
    body_prepare();
    request_prepare();
    switch (opt.mode) {
    case MODE_CONNECT: run_connect(); break;
    case MODE_KEEPALIVE: run_keepalive(); break;
    case MODE_IDLE: run_idle(); break;
    }
    return 0;
}
