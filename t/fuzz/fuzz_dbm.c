/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_dbm.c SECONDS [SEED] - sessions in a DBM file, while somebody flips its
 * bytes, cuts it off, removes it, and kills the processes that use it.
 *
 * What is found must be what was once stored under its id.  No process may end
 * otherwise than by being killed, or stand still; at the end sessions are
 * stored and found again.  httpd is not needed: what it would do is below.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "../../ssl_scache_dbm.c"

#include "apr_general.h"

enum { PROCESSES = 4, IDS = 200, LONGEST = 1500, STILL_SECONDS = 30 };

/* ---- httpd, as far as it is needed ---- */

module ssl_module;
server_rec *ap_server_conf;
unixd_config_rec ap_unixd_config;
static apr_pool_t *process_pool;
static apr_hash_t *kept_states;

apr_hash_t *ssl_kept_hash(const char *name)
{
    (void)name;
    return kept_states;
}

void ap_log_error_(const char *file, int line, int module_index, int level, apr_status_t status, const server_rec *s,
                   const char *format, ...)
{
    (void)file, (void)line, (void)module_index, (void)level, (void)status, (void)s, (void)format;
}

char *ap_server_root_relative(apr_pool_t *p, const char *path)
{
    return apr_pstrdup(p, path);
}

char *ap_runtime_dir_relative(apr_pool_t *p, const char *path)
{
    return apr_pstrdup(p, path);
}

char *ap_make_dirstr_parent(apr_pool_t *p, const char *path)
{
    return apr_pstrdup(p, path);
}

const char *ssl_path_problem(apr_pool_t *p, const char *path, int directory)
{
    (void)p, (void)path, (void)directory;
    return NULL;
}

int ap_state_query(int query)
{
    (void)query;
    return 0;
}

int ap_rprintf(request_rec *r, const char *format, ...)
{
    (void)r, (void)format;
    return 0;
}

int ap_rwrite(const void *bytes, int len, request_rec *r)
{
    (void)bytes, (void)r;
    return len;
}

void ssl_scache_print_lines(request_rec *r, const ssl_scache_line *lines, apr_size_t n)
{
    (void)r, (void)lines, (void)n;
}

/* ---- chance ---- */

/** What workers tell, in shared memory. */
static struct tally {
    atomic_ulong operations, hits, alive[PROCESSES];
    atomic_int wrong;
} *told;

static unsigned long long state;

static unsigned below(unsigned limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 16) % limit;
}

static void finding(const char *what, long detail)
{
    printf("fuzz_dbm: FOUND: %s (%ld)\n", what, detail);
    fflush(stdout);
    kill(0, SIGKILL);
}

/* ---- a worker ---- */

static unsigned char byte_of(unsigned number, unsigned len, unsigned i)
{
    return (unsigned char)(number * 131 + len * 7 + i * 3);
}

static apr_status_t put_number(ap_socache_instance_t *cache, unsigned number, unsigned len, apr_pool_t *p)
{
    unsigned char id[32], data[LONGEST];
    unsigned i;

    memset(id, (int)number, sizeof(id));
    for (i = 0; i < len; i++) {
        data[i] = byte_of(number, len, i);
    }
    return store(cache, NULL, id, sizeof(id), apr_time_now() + below(4000000), data, len, p);
}

static apr_status_t get_number(ap_socache_instance_t *cache, unsigned number, apr_pool_t *p)
{
    unsigned char id[32], data[LONGEST];
    unsigned len = sizeof(data), i;
    apr_status_t rv;

    memset(id, (int)number, sizeof(id));
    rv = retrieve(cache, NULL, id, sizeof(id), data, &len, p);
    for (i = 0; rv == APR_SUCCESS && i < len; i++) {
        if (data[i] != byte_of(number, len, i)) {
            told->wrong = (int)number + 1;
        }
    }
    told->hits += rv == APR_SUCCESS;
    return rv;
}

static apr_status_t see(ap_socache_instance_t *cache, server_rec *s, void *context, const unsigned char *id,
                        unsigned int id_len, const unsigned char *data, unsigned int len, apr_pool_t *p)
{
    (void)cache, (void)s, (void)p;
    *(unsigned *)context += id[id_len - 1] + (len ? data[len - 1] : 0u);
    return APR_SUCCESS;
}

static void work(ap_socache_instance_t *cache, unsigned me)
{
    unsigned char id[32];
    unsigned sum = 0;
    apr_pool_t *p;

    for (;;) {
        unsigned number = below(IDS), what = below(100);

        apr_pool_create(&p, process_pool);
        memset(id, (int)number, sizeof(id));
        if (what < 45) {
            put_number(cache, number, below(LONGEST), p);
        }
        else if (what < 90) {
            get_number(cache, number, p);
        }
        else if (what < 98) {
            remove_object(cache, NULL, id, sizeof(id), p);
        }
        else {
            iterate(cache, NULL, &sum, see, p);
        }
        apr_pool_destroy(p);
        told->operations++;
        told->alive[me]++;
    }
}

static pid_t start(ap_socache_instance_t *cache, unsigned me)
{
    unsigned long long seed = state ^ below(0xffffffff) * 0x9e3779b97f4a7c15ULL;
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        state = seed | 1;
        work(cache, me);
    }
    return pid;
}

/* ---- the enemy ---- */

static void end(pid_t pid)
{
    int status = 0;

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        finding("a process ended by itself: wait status", status);
    }
}

static void damage(const char *path)
{
    struct stat info;
    unsigned char bytes[64];
    unsigned i, n = 1 + below(sizeof(bytes));
    int fd = open(path, O_RDWR), kind = (int)below(20);

    if (fd < 0 || fstat(fd, &info) != 0 || info.st_size == 0) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    for (i = 0; i < n; i++) {
        bytes[i] = (unsigned char)below(256);
    }
    if (kind == 0) {
        unlink(path);
    }
    else if (kind == 1) {
        n = ftruncate(fd, (off_t)below((unsigned)info.st_size)) == 0;
    }
    else { /* a byte, or a stretch */
        n = pwrite(fd, bytes, kind < 12 ? 1 : n, (off_t)below((unsigned)info.st_size)) > 0;
    }
    close(fd);
}

static void run(ap_socache_instance_t *cache, time_t until)
{
    unsigned long last[PROCESSES] = { 0 }, kills = 0, damages = 0;
    time_t since[PROCESSES];
    pid_t pids[PROCESSES];
    unsigned i;

    for (i = 0; i < PROCESSES; i++) {
        since[i] = time(NULL);
        pids[i] = start(cache, i);
    }
    while (time(NULL) < until) {
        usleep(below(8000));
        i = below(PROCESSES);
        if (below(4) == 0) {
            damage(cache->files[below(8) == 0]);
            damages++;
        }
        if (below(4) == 0) {
            end(pids[i]);
            kills++;
            pids[i] = start(cache, i);
        }
        if (told->alive[i] != last[i]) {
            last[i] = told->alive[i];
            since[i] = time(NULL);
        }
        if (told->wrong || time(NULL) - since[i] > STILL_SECONDS) {
            finding(told->wrong ? "data of another id" : "a process stands still", told->wrong ? told->wrong - 1 : (long)i);
        }
    }
    for (i = 0; i < PROCESSES; i++) {
        end(pids[i]);
    }
    printf("fuzz_dbm: %lu operations (%lu hits), %lu kills, damaged %lu times, %lu files set aside, nothing found\n",
           (unsigned long)told->operations, (unsigned long)told->hits, kills, damages,
           (unsigned long)shared_of(cache)->set_aside);
}

int main(int argc, char **argv)
{
    time_t until = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
    unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : (unsigned long)time(NULL);
    char directory[] = "/tmp/fuzz_dbm.XXXXXX";
    ap_socache_instance_t *cache = NULL;
    server_rec server = { 0 };

    setpgid(0, 0);
    apr_initialize();
    apr_pool_create(&process_pool, NULL);
    kept_states = apr_hash_make(process_pool);
    ap_server_conf = &server;
    ap_unixd_config.user_id = geteuid();
    ap_unixd_config.group_id = getegid();
    printf("fuzz_dbm: seed %lu\n", seed);
    fflush(stdout);
    state = seed * 0x9e3779b97f4a7c15ULL + 1;
    told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!mkdtemp(directory) || create(&cache, apr_pstrcat(process_pool, directory, "/cache", NULL), NULL, process_pool) ||
        init(cache, "fuzz", NULL, &server, process_pool) != APR_SUCCESS) {
        finding("no file can be made", 0);
    }
    run(cache, until);
    if (put_number(cache, 1, 500, process_pool) != APR_SUCCESS) {
        finding("nothing can be stored any more", 0);
    }
    return system(apr_psprintf(process_pool, "rm -rf %s", directory)) != 0;
}
