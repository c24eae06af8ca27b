/*
 * The practical limit: the same responses by a bare libssl socket loop.
 *
 * One thread, epoll, OpenSSL on the sockets, files in memory, nothing parsed but
 * the path.  What it costs no server on this machine can do without; what another
 * costs beyond it is that server's own, and httpd's share shows in the variant
 * "plain".  Only for the bench: it believes whatever the load generator sends.
 *
 *     minimal DOCROOT PORT CERT KEY [PORT CERT KEY ...]      ("-" before a PORT: no tickets)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#define MAX_FILES 32
#define HEAD 256

typedef struct file {
    char path[64];
    char *response; /* head and body in one piece */
    size_t size;
} file;

typedef struct end {
    int fd;
    SSL_CTX *ctx; /* of a listening socket */
    SSL *ssl;     /* of a connection */
    char head[8192];
    size_t have;
    long body_left; /* of a request, to be read and dropped */
    const file *sending;
    size_t sent;
} end;

static file files[MAX_FILES];
static int n_files, poller;
static const char *docroot;

static void die(const char *what)
{
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* Read once; the largest downloads share the page cache with nobody, which is cheaper than any server can be. */
static const file *find(const char *path)
{
    char name[512];
    struct stat info;
    file *f;
    int fd, n;

    for (n = 0; n < n_files; n++) {
        if (strcmp(files[n].path, path) == 0) {
            return &files[n];
        }
    }
    if (n_files == MAX_FILES || strlen(path) >= sizeof(files[0].path)) {
        return NULL;
    }
    snprintf(name, sizeof(name), "%s%s", docroot, path);
    fd = open(name, O_RDONLY);
    if (fd < 0 || fstat(fd, &info) != 0) {
        return NULL;
    }
    f = &files[n_files++];
    strcpy(f->path, path);
    f->response = malloc(HEAD + (size_t)info.st_size);
    n = snprintf(f->response, HEAD, "HTTP/1.1 200 OK\r\nServer: minimal\r\nContent-Type: text/html\r\n"
                 "Content-Length: %lld\r\n\r\n", (long long)info.st_size);
    for (f->size = (size_t)n; f->size < (size_t)n + (size_t)info.st_size;) {
        ssize_t got = read(fd, f->response + f->size, (size_t)n + (size_t)info.st_size - f->size);
        if (got <= 0) {
            die(name);
        }
        f->size += (size_t)got;
    }
    close(fd);
    return f;
}

static void drop(end *e)
{
    SSL_free(e->ssl);
    close(e->fd);
    free(e);
}

static void watch(end *e, int op, unsigned events)
{
    struct epoll_event event = { .events = events, .data.ptr = e };

    epoll_ctl(poller, op, e->fd, &event);
}

/* 1: go on; 0: wait for the socket; -1: over. */
static int judge(end *e, int ret)
{
    switch (SSL_get_error(e->ssl, ret)) {
    case SSL_ERROR_WANT_READ:
        watch(e, EPOLL_CTL_MOD, EPOLLIN);
        return 0;
    case SSL_ERROR_WANT_WRITE:
        watch(e, EPOLL_CTL_MOD, EPOLLOUT);
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        SSL_shutdown(e->ssl);
        return -1;
    default:
        ERR_clear_error();
        return -1;
    }
}

static int send_some(end *e)
{
    while (e->sent < e->sending->size) {
        size_t left = e->sending->size - e->sent;
        int n = SSL_write(e->ssl, e->sending->response + e->sent, left > 1 << 20 ? 1 << 20 : (int)left);
        if (n <= 0) {
            return judge(e, n);
        }
        e->sent += (size_t)n;
    }
    e->sending = NULL;
    watch(e, EPOLL_CTL_MOD, EPOLLIN);
    return 1;
}

/* A request is at hand. */
static int answer(end *e, char *stop)
{
    char *path = strchr(e->head, ' '), *length = strcasestr(e->head, "\r\nContent-Length:");
    size_t used = (size_t)(stop + 4 - e->head), more = e->have - used;

    if (!path || !strchr(++path, ' ')) {
        return -1;
    }
    e->body_left = length && length < stop ? atol(length + 17) - (long)more : 0;
    *strchr(path, ' ') = '\0';
    e->sending = find(path);
    e->sent = e->have = 0;
    return e->sending ? 1 : -1;
}

static int receive_some(end *e)
{
    static char waste[16384];
    int n;

    if (e->body_left > 0) {
        n = SSL_read(e->ssl, waste, sizeof(waste));
        e->body_left -= n > 0 ? n : 0;
        return n > 0 ? 1 : judge(e, n);
    }
    n = SSL_read(e->ssl, e->head + e->have, (int)(sizeof(e->head) - 1 - e->have));
    if (n > 0) {
        char *stop;

        e->head[e->have += (size_t)n] = '\0';
        stop = strstr(e->head, "\r\n\r\n");
        return stop ? answer(e, stop) : e->have < sizeof(e->head) - 1 ? 1 : -1;
    }
    return judge(e, n);
}

static void serve(end *e)
{
    int more = 1;

    while (more > 0) {
        more = e->sending && e->body_left <= 0 ? send_some(e) : receive_some(e);
    }
    if (more < 0) {
        drop(e);
    }
}

static void welcome(end *listener)
{
    int fd, on = 1;

    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        end *e = calloc(1, sizeof(*e));

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        e->fd = fd;
        e->ssl = SSL_new(listener->ctx);
        SSL_set_fd(e->ssl, fd);
        SSL_set_accept_state(e->ssl);
        watch(e, EPOLL_CTL_ADD, EPOLLIN);
        serve(e);
    }
}

static SSL_CTX *make_ctx(const char *cert, const char *key, int tickets)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 || SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
        die(cert);
    }
    SSL_CTX_set_options(ctx, tickets ? 0 : SSL_OP_NO_TICKET);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"minimal", 7);
    SSL_CTX_set_num_tickets(ctx, 1);
    return ctx;
}

static void listen_on(int port, SSL_CTX *ctx)
{
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    end *e = calloc(1, sizeof(*e));
    int on = 1;

    e->ctx = ctx;
    e->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(e->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(e->fd, (struct sockaddr *)&where, sizeof(where)) != 0 || listen(e->fd, 1024) != 0) {
        die("listen");
    }
    watch(e, EPOLL_CTL_ADD, EPOLLIN);
}

int main(int argc, char **argv)
{
    struct epoll_event events[64];
    int i, n;

    signal(SIGPIPE, SIG_IGN);
    poller = epoll_create1(0);
    docroot = argv[1];
    for (i = 2; i + 2 < argc; i += 3) {
        int tickets = argv[i][0] != '-';

        listen_on(atoi(argv[i] + !tickets), make_ctx(argv[i + 1], argv[i + 2], tickets));
    }
    for (;;) {
        n = epoll_wait(poller, events, 64, -1);
        for (i = 0; i < n; i++) {
            end *e = events[i].data.ptr;

            if (e->ssl) {
                serve(e);
            }
            else {
                welcome(e);
            }
        }
    }
}
