/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_shmcb_bench.c - the code of "shmcb:" alone, ours beside mod_socache_shmcb's,
 * under the load of 1 to 32 processes; a module, for that provider wants a
 * httpd around it.  Built and run by bench/shmcb.
 *
 * Of httpd's provider each call is made as mod_ssl has to: under a global mutex.
 * A process counts a wait when trylock says that the lock is taken.
 */
#include "httpd.h"
#include "http_config.h"
#include "http_core.h"

#include "ap_provider.h"
#include "ap_socache.h"
#include "apr_global_mutex.h"
#include "apr_strings.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ssl_shmcb.h"

enum { SIZE = 64 * 1024 * 1024, IDS = 100000, DATA = 180, MOST = 32, BUCKETS = 400 };

/** Shared by the processes of a run.  Times in steps of 5%. */
typedef struct tally {
    atomic_int go;
    atomic_ulong operations, waits, hits, histogram[BUCKETS];
} tally;

/** One of the two. */
typedef struct contestant {
    const char *name;
    ssl_shmcb ours;
    const ap_socache_provider_t *provider; /* else NULL */
    ap_socache_instance_t *instance;
    apr_global_mutex_t *mutex;
    server_rec *server;
    apr_pool_t *pool;
} contestant;

static tally *told;

static void lock(contestant *c)
{
    if (APR_STATUS_IS_EBUSY(apr_global_mutex_trylock(c->mutex))) {
        told->waits++;
        apr_global_mutex_lock(c->mutex);
    }
}

enum { STORE, RETRIEVE, REMOVE };

static apr_status_t operate(contestant *c, int what, unsigned char id[32])
{
    unsigned char data[DATA] = { 0 };
    uint32_t len = sizeof(data);
    apr_time_t now = apr_time_now(), expiry = now + apr_time_from_sec(300);
    apr_status_t rv;

    if (!c->provider) {
        return what == STORE ? ssl_shmcb_store(&c->ours, id, 32, expiry, data, DATA, now)
               : what == RETRIEVE ? ssl_shmcb_retrieve(&c->ours, id, 32, data, &len, now)
                                  : ssl_shmcb_remove(&c->ours, id, 32);
    }
    lock(c);
    rv = what == STORE ? c->provider->store(c->instance, c->server, id, 32, expiry, data, DATA, c->pool)
         : what == RETRIEVE ? c->provider->retrieve(c->instance, c->server, id, 32, data, &len, c->pool)
                            : c->provider->remove(c->instance, c->server, id, 32, c->pool);
    apr_global_mutex_unlock(c->mutex);
    return rv;
}

/* Ids are random bytes, as OpenSSL's are. */
static void make_id(unsigned number, unsigned char id[32])
{
    uint64_t value = number + 1;
    int i;

    for (i = 0; i < 32; i++) {
        value = value * 6364136223846793005ULL + 1442695040888963407ULL;
        id[i] = (unsigned char)(value >> 56);
    }
}

static uint64_t nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int bucket_of(uint64_t ns)
{
    double limit = 10;
    int i;

    for (i = 0; i < BUCKETS - 1 && (double)ns > limit; i++) {
        limit *= 1.05;
    }
    return i;
}

/* Half of the operations look up, the rest stores and removes. */
static void work(contestant *c, unsigned seed)
{
    static unsigned long histogram[BUCKETS];
    unsigned long operations = 0, hits = 0;
    unsigned char id[32];
    int i;

    if (c->mutex) {
        apr_global_mutex_child_init(&c->mutex, apr_global_mutex_lockfile(c->mutex), c->pool);
    }
    while (!told->go) {
        usleep(100);
    }
    while (told->go == 1) {
        int what = (seed = seed * 1664525U + 1013904223U) >> 30;
        uint64_t start;

        make_id((seed >> 4) % IDS, id);
        start = nanoseconds();
        hits += operate(c, what == 3 ? REMOVE : what == 2 ? STORE : RETRIEVE, id) == APR_SUCCESS && what < 2;
        histogram[bucket_of(nanoseconds() - start)]++;
        operations++;
    }
    told->operations += operations;
    told->hits += hits;
    for (i = 0; i < BUCKETS; i++) {
        told->histogram[i] += histogram[i];
    }
    _exit(0);
}

static double percentile(double share)
{
    double limit = 10, wanted = (double)told->operations * share, seen = 0;
    int i;

    for (i = 0; i < BUCKETS; i++, limit *= 1.05) {
        seen += (double)told->histogram[i];
        if (seen >= wanted) {
            break;
        }
    }
    return limit / 1000;
}

static void run(contestant *c, int processes, double seconds)
{
    ssl_shmcb_stats before, after;
    int i;

    memset(told, 0, sizeof(*told));
    if (!c->provider) {
        ssl_shmcb_read_counts(&c->ours, &before);
    }
    for (i = 0; i < processes; i++) {
        if (fork() == 0) {
            work(c, (unsigned)i * 7919 + 1);
        }
    }
    usleep(50000);
    told->go = 1;
    usleep((useconds_t)(seconds * 1e6));
    told->go = 2;
    while (wait(NULL) > 0) {
    }
    if (!c->provider) {
        ssl_shmcb_read_counts(&c->ours, &after);
        told->waits = after.waited - before.waited;
    }
    printf("| %s | %d | %.0f | %.2f | %.2f | %lu | %lu | %.4f%% |\n", c->name, processes,
           (double)told->operations / seconds / 1000, percentile(0.5), percentile(0.99), (unsigned long)told->operations,
           (unsigned long)told->waits, 100.0 * (double)told->waits / (double)told->operations);
    fflush(stdout);
}

static void make_ours(contestant *c)
{
    size_t locks = (ssl_shmcb_locks_size(SIZE) + 4095) / 4096 * 4096;
    char *memory = mmap(NULL, locks + SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    c->name = "ours";
    ssl_shmcb_attach(&c->ours, memory + locks, SIZE, memory);
    ssl_shmcb_format(&c->ours);
}

static int make_stock(contestant *c, apr_pool_t *p, server_rec *s)
{
    static const struct ap_socache_hints hints = { 150, 32, 30000000 };
    const char *arg = apr_psprintf(p, "bench(%d)", SIZE);

    c->name = "stock";
    c->pool = p;
    c->server = s;
    c->provider = ap_lookup_provider(AP_SOCACHE_PROVIDER_GROUP, "shmcb", AP_SOCACHE_PROVIDER_VERSION);
    return c->provider && !c->provider->create(&c->instance, arg, p, p) &&
           c->provider->init(c->instance, "bench", &hints, s, p) == APR_SUCCESS &&
           apr_global_mutex_create(&c->mutex, NULL, APR_LOCK_DEFAULT, p) == APR_SUCCESS;
}

static int bench(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    static const int counts[] = { 1, 2, 4, 8, 16, MOST };
    double seconds = getenv("SECONDS_EACH") ? atof(getenv("SECONDS_EACH")) : 1;
    contestant both[2];
    unsigned char id[32];
    unsigned i, k;

    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    memset(both, 0, sizeof(both));
    told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    make_ours(&both[1]);
    if (!make_stock(&both[0], p, s)) {
        fprintf(stderr, "mod_socache_shmcb does not start\n");
        exit(1);
    }
    for (k = 0; k < 2; k++) {
        for (i = 0; i < IDS; i++) {
            make_id(i, id);
            operate(&both[k], STORE, id);
        }
    }
    printf("| | processes | 1000 operations/s | median, us | p99, us | locks taken | of these after a wait | |\n"
           "|---|---|---|---|---|---|---|---|\n");
    for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        for (k = 0; k < 2; k++) {
            run(&both[k], counts[i], seconds);
        }
    }
    exit(0);
}

static void register_hooks(apr_pool_t *p)
{
    ap_hook_post_config(bench, NULL, NULL, APR_HOOK_LAST);
}

module AP_MODULE_DECLARE_DATA shmcb_bench_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0
};
