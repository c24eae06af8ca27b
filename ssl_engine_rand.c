/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_rand.c - SSLRandomSeed.
 *
 * OpenSSL seeds its generators from the kernel, again and again, and after
 * each fork; no source here is needed for that, and none can make it worse:
 * everything is only mixed in.  So no source may cost anything either: each
 * has a time limit at startup, and a connection never waits for one.
 *
 *   source               startup           child starts      connection
 *   builtin              parent            always            mixed in
 *   file: regular        parent            read              -
 *   file: pipe, device   parent, limited   `startup` ones,   what is there already
 *                                          if ready
 *   file: the kernel's   parent            -                 not read: OpenSSL has it
 *   exec:, egd:          parent, limited   `connect` ones    -
 *
 * A regular file says the same each time, and may lie on a mount that hangs; a
 * pipe or device is opened when the child starts, for the same reason.
 */
#include "ssl_rand.h"

#include "apr_portable.h"
#include "apr_thread_proc.h"
#include "http_main.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BLOCK 1024
#define MOST_UNLIMITED (64 * 1024) /* bytes, where the directive names no number */
#define MOST_PER_CONNECTION (16 * 1024)
#define EGD_MOST 255                  /* bytes, in one answer */
#define PATIENCE apr_time_from_sec(5) /* with one source, at startup */
#define CHILD_PATIENCE apr_time_from_sec(2)

/** One source being asked. */
typedef struct asking {
    const ssl_random_source *source;
    server_rec *s;
    apr_pool_t *p;
    apr_time_t until; /* when patience ends */
} asking;

static const char *const kind_names[] = { "builtin", "file:", "exec:", "egd:" };

/* --- reading -------------------------------------------------------------- */

static apr_size_t bytes_wanted(const ssl_random_source *source)
{
    return source->bytes ? (apr_size_t)source->bytes : MOST_UNLIMITED;
}

static int ready(int fd, short event, apr_time_t until)
{
    struct pollfd p = { .fd = fd, .events = event };
    apr_time_t left = until - apr_time_now();

    return poll(&p, 1, left > 0 ? (int)apr_time_as_msec(left) + 1 : 0) > 0;
}

/* As read(2), but waits until UNTIL and no longer. */
static ssize_t read_until(int fd, void *buffer, size_t size, apr_time_t until)
{
    ssize_t n = -1;

    do {
        n = ready(fd, POLLIN, until) ? read(fd, buffer, size) : -1;
    } while (n < 0 && (errno == EINTR || errno == EAGAIN) && apr_time_now() < until);
    return n;
}

/* Mixes in what FD gives; returns how much. */
static apr_size_t drain(int fd, apr_size_t wanted, apr_time_t until)
{
    unsigned char block[BLOCK];
    apr_size_t total = 0;

    while (total < wanted) {
        apr_size_t want = wanted - total < sizeof(block) ? wanted - total : sizeof(block);
        ssize_t n = read_until(fd, block, want, until);

        if (n <= 0) {
            break;
        }
        RAND_seed(block, (int)n);
        total += (apr_size_t)n;
    }
    OPENSSL_cleanse(block, sizeof(block));
    return total;
}

/* Pipes and devices do not make open(2) wait, nor become our terminal. */
static int open_source(const char *path)
{
    return open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static int same_device(const struct stat *a, const char *path)
{
    struct stat b;

    return stat(path, &b) == 0 && S_ISCHR(b.st_mode) && a->st_rdev == b.st_rdev;
}

/* Whether PATH leads to one of the kernel's random devices, whatever its name. */
static int is_kernel_device(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISCHR(info.st_mode) &&
           (same_device(&info, "/dev/urandom") || same_device(&info, "/dev/random"));
}

static int is_regular(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* --- the kinds of sources ---------------------------------------------------- */

/** What tells one moment, process and thread from another: no secret, and
 * therefore counted as no entropy. */
typedef struct moment {
    apr_time_t now;
    pid_t pid;
    apr_os_thread_t thread;
    const void *stack;
} moment;

static moment this_moment(void)
{
    moment m;

    memset(&m, 0, sizeof(m));
    m.now = apr_time_now();
    m.pid = getpid();
    m.thread = apr_os_thread_current();
    m.stack = &m;
    return m;
}

static apr_size_t ask_builtin(const asking *a)
{
    moment m = this_moment();

    (void)a;
    RAND_add(&m, sizeof(m), 0);
    return sizeof(m);
}

static void complain(const asking *a, apr_status_t why, const char *what)
{
    ap_log_error(APLOG_MARK, APLOG_WARNING, why, a->s, "SSLRandomSeed %s%s (%s): %s", kind_names[a->source->kind],
                 a->source->path, a->source->at, what);
}

static apr_size_t ask_file(const asking *a)
{
    int fd = open_source(a->source->path);
    apr_size_t got;

    if (fd < 0) {
        complain(a, errno, "cannot be opened");
        return 0;
    }
    got = drain(fd, bytes_wanted(a->source), a->until);
    close(fd);
    return got;
}

/* Reaps PROGRAM; one that does not end in time is ended.  If it gave ENOUGH, it
 * may have failed only because nobody listened any more. */
static void end_program(const asking *a, apr_proc_t *program, int enough)
{
    apr_exit_why_e why = APR_PROC_EXIT;
    int code = 0;

    apr_file_close(program->out);
    while (apr_proc_wait(program, &code, &why, APR_NOWAIT) == APR_CHILD_NOTDONE) {
        if (apr_time_now() >= a->until) {
            complain(a, 0, "the program did not end in time and was killed");
            apr_proc_kill(program, SIGKILL);
            apr_proc_wait(program, &code, &why, APR_WAIT);
            return;
        }
        apr_sleep(apr_time_from_msec(10));
    }
    if (code && !enough) {
        complain(a, 0,
                 apr_psprintf(a->p,
                              APR_PROC_CHECK_SIGNALED(why) ? "the program was killed by signal %d"
                                                           : "the program failed, exit status %d",
                              code));
    }
}

/* The program is told how many bytes are wanted, or 0. */
static apr_status_t start_program(const asking *a, apr_proc_t *program)
{
    const char *argv[] = { a->source->path, apr_itoa(a->p, a->source->bytes), NULL };
    apr_procattr_t *attr;
    apr_status_t rv = apr_procattr_create(&attr, a->p);

    if (rv == APR_SUCCESS) {
        rv = apr_procattr_io_set(attr, APR_NO_FILE, APR_FULL_BLOCK, APR_NO_PIPE);
    }
    if (rv == APR_SUCCESS) {
        apr_procattr_cmdtype_set(attr, APR_PROGRAM_ENV);
        apr_procattr_error_check_set(attr, 1);
        rv = apr_proc_create(program, argv[0], argv, NULL, attr, a->p);
    }
    return rv;
}

static apr_size_t ask_program(const asking *a)
{
    apr_proc_t program = { 0 };
    apr_status_t rv = start_program(a, &program);
    apr_size_t got;
    apr_os_file_t fd;

    if (rv != APR_SUCCESS) {
        complain(a, rv, "the program cannot be started");
        return 0;
    }
    apr_os_file_get(&fd, program.out);
    got = drain(fd, bytes_wanted(a->source), a->until);
    end_program(a, &program, got == bytes_wanted(a->source));
    return got;
}

static int connect_egd(const asking *a)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    apr_cpystrn(address.sun_path, a->source->path, sizeof(address.sun_path));
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        int why = errno;

        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

/* One question of EGD's protocol that its daemon answers at once: 01, the
 * number of bytes wanted; the answer is how many follow, and those. */
static apr_size_t ask_egd_once(int fd, apr_size_t wanted, apr_time_t until)
{
    unsigned char question[] = { 1, (unsigned char)(wanted < EGD_MOST ? wanted : EGD_MOST) }, count;

    if (send(fd, question, sizeof(question), MSG_NOSIGNAL) != sizeof(question) ||
        read_until(fd, &count, 1, until) != 1) {
        return 0;
    }
    return drain(fd, count < wanted ? count : wanted, until);
}

static apr_size_t ask_egd(const asking *a)
{
    apr_size_t wanted = a->source->bytes ? (apr_size_t)a->source->bytes : EGD_MOST, total = 0, n;
    int fd = connect_egd(a);

    if (fd < 0) {
        complain(a, errno, "nobody answers at this socket");
        return 0;
    }
    do {
        n = ask_egd_once(fd, wanted - total, a->until);
        total += n;
    } while (n && total < wanted);
    close(fd);
    return total;
}

static apr_size_t ask(const ssl_random_source *source, server_rec *s, apr_pool_t *p, apr_interval_time_t patience)
{
    static apr_size_t (*const by_kind[])(const asking *) = { ask_builtin, ask_file, ask_program, ask_egd };
    asking a = { source, s, p, apr_time_now() + patience };
    apr_size_t got = by_kind[source->kind](&a);

    ap_log_error(APLOG_MARK, APLOG_TRACE2, 0, s, "SSLRandomSeed %s%s: %" APR_SIZE_T_FMT " bytes",
                 kind_names[source->kind], source->path ? source->path : "", got);
    if (got < (apr_size_t)(source->bytes > 0 ? source->bytes : 1) && patience) {
        complain(&a, 0,
                 apr_psprintf(p, "it gave %" APR_SIZE_T_FMT " bytes%s", got,
                              source->bytes ? apr_psprintf(p, " of %d", source->bytes) : ""));
    }
    return got;
}

/* --- startup ------------------------------------------------------------------ */

static ssl_random_source *source_at(int i)
{
    return &APR_ARRAY_IDX(ssl_global()->random_sources, i, ssl_random_source);
}

static int must_be_waited_for(const ssl_random_source *source)
{
    return source->kind == SSL_RANDOM_EXEC || source->kind == SSL_RANDOM_EGD;
}

/* Which `connect` sources connections use, and a word about the others. */
static void plan_connections(server_rec *s)
{
    int i;

    for (i = 0; i < ssl_global()->random_sources->nelts; i++) {
        ssl_random_source *source = source_at(i);
        int is_file = source->kind == SSL_RANDOM_FILE;
        int kernel = is_file && is_kernel_device(source->path);

        source->fd = -1;
        source->per_child = source->at_connect && (must_be_waited_for(source) || (is_file && is_regular(source->path)));
        source->per_connection = source->at_connect && !kernel && !source->per_child;
        if (source->at_connect && !source->per_connection) {
            ap_log_error(APLOG_MARK, APLOG_INFO, 0, s, "SSLRandomSeed connect %s%s (%s): %s", kind_names[source->kind],
                         source->path, source->at,
                         kernel ? "OpenSSL reads the kernel's generator by itself; it is not read again for each "
                                  "connection"
                                : "asked once by each child process when it starts; no connection waits for it");
        }
    }
}

static void ask_startup_sources(server_rec *s, apr_pool_t *ptemp)
{
    int i;

    for (i = 0; i < ssl_global()->random_sources->nelts; i++) {
        if (!source_at(i)->at_connect) {
            ask(source_at(i), s, ptemp, PATIENCE);
        }
    }
}

apr_status_t ssl_rand_startup(server_rec *s, apr_pool_t *ptemp)
{
    /* The first of the two readings at start is only a test: programs need not run for it. */
    int testing = ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG;

    if (!testing || RAND_status() != 1) {
        ask_startup_sources(s, ptemp);
    }
    if (!testing) {
        plan_connections(s);
    }
    if (RAND_status() == 1) {
        return APR_SUCCESS;
    }
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                 APLOGNO(01990) "Init: PRNG still contains insufficient entropy: OpenSSL's random generator cannot be "
                 "used; is its configuration file right, and can this process read /dev/urandom? A source of your own: "
                 "SSLRandomSeed startup");
    return APR_EGENERAL;
}

/* --- children and connections ------------------------------------------------- */

/* The parent may have been allowed to read what its children may not. */
static int may_read(const ssl_random_source *source, server_rec *s, apr_pool_t *p)
{
    asking a = { source, s, p, 0 };

    if (access(source->path, R_OK) == 0) {
        return 1;
    }
    if (source->at_connect) {
        complain(&a, errno, "this child process cannot read it");
    }
    return 0;
}

static apr_status_t close_source(void *source)
{
    close(((ssl_random_source *)source)->fd);
    ((ssl_random_source *)source)->fd = -1;
    return APR_SUCCESS;
}

/* For connections, in the life of P. */
static void open_for_connections(ssl_random_source *source, apr_pool_t *p)
{
    source->fd = open_source(source->path);
    if (source->fd >= 0) {
        apr_pool_cleanup_register(p, source, close_source, apr_pool_cleanup_null);
    }
}

static void start_file(ssl_random_source *source, server_rec *s, apr_pool_t *p)
{
    if (is_kernel_device(source->path) || !may_read(source, s, p)) {
        return;
    }
    if (source->per_connection) {
        open_for_connections(source, p);
    }
    else {
        ask(source, s, p, 0);
    }
}

void ssl_rand_child(server_rec *s, apr_pool_t *p)
{
    int i;

    ask_builtin(NULL);
    for (i = 0; i < ssl_global()->random_sources->nelts; i++) {
        ssl_random_source *source = source_at(i);

        if (source->kind == SSL_RANDOM_FILE) {
            start_file(source, s, p);
        }
        else if (source->per_child) {
            ask(source, s, p, CHILD_PATIENCE);
        }
    }
}

/* Additional input (SP 800-90A, 8.7.2) into one generator: unlike RAND_add()
 * this touches nothing that threads share, and asks the kernel for nothing. */
static void mix_into(EVP_RAND_CTX *generator, const unsigned char *bytes, size_t n)
{
    unsigned char unused[16];

    if (generator) {
        (void)EVP_RAND_generate(generator, unused, sizeof(unused), 0, 0, bytes, n);
        OPENSSL_cleanse(unused, sizeof(unused));
    }
}

static void mix(const void *bytes, size_t n)
{
    mix_into(RAND_get0_private(NULL), bytes, n);
    mix_into(RAND_get0_public(NULL), bytes, n);
}

/* What is there at once: the descriptor does not block. */
static void mix_file(const ssl_random_source *source)
{
    apr_size_t left =
        source->bytes && source->bytes < MOST_PER_CONNECTION ? (apr_size_t)source->bytes : MOST_PER_CONNECTION;
    unsigned char block[BLOCK];
    ssize_t n = source->fd < 0 ? 0 : 1;

    while (left > 0 && n > 0) {
        n = read(source->fd, block, left < sizeof(block) ? left : sizeof(block));
        if (n > 0) {
            mix(block, (size_t)n);
            left -= (apr_size_t)n;
        }
    }
    OPENSSL_cleanse(block, sizeof(block));
}

void ssl_rand_connect(void)
{
    int i;

    for (i = 0; i < ssl_global()->random_sources->nelts; i++) {
        const ssl_random_source *source = source_at(i);

        if (!source->per_connection) {
            continue;
        }
        if (source->kind == SSL_RANDOM_BUILTIN) {
            moment m = this_moment();
            mix(&m, sizeof(m));
        }
        else {
            mix_file(source);
        }
    }
    ERR_clear_error();
}
