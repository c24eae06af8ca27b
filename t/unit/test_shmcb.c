/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_shmcb.c - the cache in shared memory.  Its source is included rather
 * than linked, so that a process can be made to die after each of its steps.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int steps_left = -1;

/* Dies as by kill -9 when its steps are used up. */
static void step(void)
{
    if (steps_left > 0 && --steps_left == 0) {
        kill(getpid(), SIGKILL);
    }
}

#define SSL_SHMCB_STEP() step()
#include "../../ssl_util_shmcb.c"

#include "tap.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW 1000000000LL
#define LATER (NOW + 300000000LL)

static ssl_shmcb make(size_t size)
{
    ssl_shmcb cache;
    size_t locks = ssl_shmcb_locks_size(size);
    char *memory = mmap(NULL, locks + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    memset(&cache, 0, sizeof(cache));
    ssl_shmcb_attach(&cache, memory + locks, size, memory);
    ssl_shmcb_format(&cache);
    return cache;
}

static void discard(ssl_shmcb *cache)
{
    munmap(cache->locks, ssl_shmcb_locks_size(cache->size) + cache->size);
}

/* Ids and data are functions of a number, so that any answer can be judged. */
static uint32_t id_of(unsigned number, unsigned char id[32])
{
    uint64_t digest = number;
    int i;

    for (i = 0; i < 4; i++) {
        digest = ssl_shmcb_digest(digest + 1, &number, sizeof(number));
        memcpy(id + i * 8, &digest, 8);
    }
    return 32;
}

static uint32_t data_of(unsigned number, uint32_t len, unsigned char *data)
{
    uint32_t i;

    for (i = 0; i < len; i++) {
        data[i] = (unsigned char)(number * 7 + i * 13 + (i >> 8));
    }
    return len;
}

static uint32_t usual_length(unsigned number)
{
    return 100 + number * 37 % 200;
}

static apr_status_t put_until(ssl_shmcb *cache, unsigned number, uint32_t len, apr_time_t expiry, apr_time_t now)
{
    unsigned char id[32], data[70000];

    id_of(number, id);
    return ssl_shmcb_store(cache, id, 32, expiry, data, data_of(number, len, data), now);
}

static apr_status_t put(ssl_shmcb *cache, unsigned number)
{
    return put_until(cache, number, usual_length(number), LATER, NOW);
}

/* APR_EGENERAL: something else than what was stored. */
static apr_status_t get_at(ssl_shmcb *cache, unsigned number, uint32_t wanted, apr_time_t now)
{
    unsigned char id[32], data[70000], expected[70000];
    uint32_t len = sizeof(data);
    apr_status_t rv = ssl_shmcb_retrieve(cache, id, id_of(number, id), data, &len, now);

    data_of(number, wanted, expected);
    return rv != APR_SUCCESS ? rv : len == wanted && !memcmp(data, expected, len) ? APR_SUCCESS : APR_EGENERAL;
}

static apr_status_t get(ssl_shmcb *cache, unsigned number)
{
    return get_at(cache, number, usual_length(number), NOW);
}

static apr_status_t drop(ssl_shmcb *cache, unsigned number)
{
    unsigned char id[32];

    return ssl_shmcb_remove(cache, id, id_of(number, id));
}

static int holds_bytes(const ssl_shmcb *cache, const unsigned char *bytes, size_t len)
{
    return memmem(cache->block, cache->size, bytes, len) != NULL;
}

/* ---- sizes ---- */

static const struct {
    size_t size;
    unsigned regions; /* 0: refused */
} sizes[] = {
    { 0, 0 },         { 8191, 0 },       { 8192, 1 },          { 65600, 2 },
    { 512000, 15 },   { 524288, 15 },    { 100000000, 3051 },  { 4294967295U, 4096 },
    { 4294967296U, 0 }
};

static void test_sizes(void)
{
    size_t i;

    for (i = 0; i < COUNT(sizes); i++) {
        ssl_shmcb cache;
        apr_status_t rv = ssl_shmcb_attach(&cache, NULL, sizes[i].size, NULL);

        if (!sizes[i].regions) {
            ok(rv == APR_EINVAL, "%zu bytes: refused", sizes[i].size);
            continue;
        }
        ok(rv == APR_SUCCESS && cache.regions == sizes[i].regions, "%zu bytes: %u regions", sizes[i].size,
           sizes[i].regions);
        ok(sizeof(header) + (size_t)cache.regions * cache.region_size <= cache.size &&
               sizeof(region) + cache.buckets * 4 + cache.ring <= cache.region_size,
           "... which fit into it");
    }
}

static void test_smallest(void)
{
    ssl_shmcb cache = make(8192);
    unsigned i;
    int failed = 0;

    for (i = 0; i < 1000; i++) {
        failed += put(&cache, i) != APR_SUCCESS || get(&cache, i) != APR_SUCCESS;
    }
    ok(!failed, "8192 bytes: each of 1000 sessions is there after it was stored");
    discard(&cache);
}

/* ---- what a cache does ---- */

static void test_basics(void)
{
    ssl_shmcb cache = make(512000);
    unsigned char small[4];
    unsigned char id[32];
    uint32_t len = sizeof(small);

    ok(ssl_shmcb_is_formatted(&cache), "it says what it is");
    ok(get(&cache, 1) == APR_NOTFOUND, "not there before");
    ok(put(&cache, 1) == APR_SUCCESS && get(&cache, 1) == APR_SUCCESS, "there after");
    ok(get(&cache, 2) == APR_NOTFOUND, "another is not");
    ok(ssl_shmcb_retrieve(&cache, id, id_of(1, id), small, &len, NOW) == APR_ENOSPC, "a buffer that is too small");
    ok(put_until(&cache, 1, 77, LATER, NOW) == APR_SUCCESS && get_at(&cache, 1, 77, NOW) == APR_SUCCESS, "replaced");
    ok(drop(&cache, 1) == APR_SUCCESS && get(&cache, 1) == APR_NOTFOUND, "removed");
    ok(drop(&cache, 1) == APR_NOTFOUND, "not to be removed twice");
    ok(put_until(&cache, 3, 20000, LATER, NOW) == APR_SUCCESS && get_at(&cache, 3, 20000, NOW) == APR_SUCCESS,
       "20000 bytes");
    ok(put_until(&cache, 4, 0, LATER, NOW) == APR_SUCCESS && get_at(&cache, 4, 0, NOW) == APR_SUCCESS, "0 bytes");
    ok(put_until(&cache, 5, 65000, LATER, NOW) == APR_ENOSPC, "larger than a region: refused");
    ok(ssl_shmcb_store(&cache, id, 0, LATER, small, 4, NOW) == APR_EINVAL, "no id: refused");
    ok(get_at(&cache, 3, 20000, NOW) == APR_SUCCESS, "... and the others stay");
    discard(&cache);
}

static void test_expiry(void)
{
    ssl_shmcb cache = make(65536);
    ssl_shmcb_stats stats;
    unsigned i;

    for (i = 0; i < 20; i++) {
        put_until(&cache, i, 50, NOW + 10, NOW);
    }
    ok(get_at(&cache, 3, 50, NOW + 9) == APR_SUCCESS, "a moment before its time is over");
    ok(get_at(&cache, 3, 50, NOW + 10) == APR_NOTFOUND, "and after");
    ssl_shmcb_read_stats(&cache, &stats, NOW + 9);
    ok(stats.oldest_expiry == NOW + 10 && stats.newest_expiry == NOW + 10, "the range of times");
    for (i = 100; i < 110; i++) {
        put_until(&cache, i, 50, NOW + 100, NOW + 50);
    }
    ssl_shmcb_read_stats(&cache, &stats, NOW + 50);
    ok(stats.expired == 20 && stats.entries == 10, "10 stores cleared 20 expired (expired %d, left %d)",
       (int)stats.expired, (int)stats.entries);
    ok(stats.evicted == 0, "none was evicted for it");
    discard(&cache);
}

static void test_eviction(void)
{
    ssl_shmcb cache = make(65536);
    ssl_shmcb_stats stats;
    unsigned i, last;
    int failed = 0, found = 0, hole = 0;

    for (i = 0; i < 20000; i++) {
        failed += put(&cache, i) != APR_SUCCESS;
        if (i % 3 == 0) {
            drop(&cache, i / 2);
        }
    }
    ok(!failed, "20000 stores into 64 KB, with removals in between: none failed");
    for (i = 15000, last = 0; i < 20000; i++) {
        apr_status_t rv = get(&cache, i);

        failed += rv != APR_SUCCESS && rv != APR_NOTFOUND;
        found += rv == APR_SUCCESS;
        hole += rv != APR_SUCCESS && i > 19920;
        last = rv == APR_SUCCESS ? i : last;
    }
    ok(!failed && last == 19999, "the latest are there, and none is wrong");
    ok(!hole, "the oldest made room: the last 80 are all there");
    ok(found > 200, "the room is used (%d sessions)", found);
    ssl_shmcb_read_stats(&cache, &stats, NOW);
    ok(stats.stores == 20000 && stats.repairs == 0 && stats.bytes <= stats.capacity, "figures: %d stores, no repair",
       (int)stats.stores);
    ok(stats.bytes > stats.capacity * 85 / 100, "%d of %d bytes in use", (int)stats.bytes, (int)stats.capacity);
    discard(&cache);
}

/* As long as the ring, from every offset. */
static void test_longest(void)
{
    ssl_shmcb cache = make(8192);
    uint32_t longest = cache.ring - (uint32_t)sizeof(record) - 32;
    unsigned i;
    int failed = 0;

    for (i = 0; i < 100; i++) {
        failed += put_until(&cache, i, i % 2 ? longest : i * 8 + 1, LATER, NOW) != APR_SUCCESS;
        failed += get_at(&cache, i, i % 2 ? longest : i * 8 + 1, NOW) != APR_SUCCESS;
    }
    ok(!failed, "records as long as the ring");
    ok(put_until(&cache, 1, longest + 1, LATER, NOW) == APR_ENOSPC, "one byte more is refused");
    discard(&cache);
}

static void test_wiping(void)
{
    ssl_shmcb cache = make(65536);
    unsigned char secret[200];
    unsigned i;

    data_of(7, 200, secret);
    put_until(&cache, 7, 200, LATER, NOW);
    ok(holds_bytes(&cache, secret, 200), "the secret is in the block");
    drop(&cache, 7);
    ok(!holds_bytes(&cache, secret + 8, 8), "not after it was removed");
    put_until(&cache, 7, 200, NOW + 5, NOW);
    put_until(&cache, 8, 50, LATER, NOW + 6);
    get_at(&cache, 7, 200, NOW + 6);
    ok(!holds_bytes(&cache, secret + 8, 8), "nor after it was found expired");
    put_until(&cache, 7, 200, LATER, NOW);
    for (i = 1000; i < 2000; i++) {
        put_until(&cache, i, 20, LATER, NOW);
    }
    ok(!holds_bytes(&cache, secret, 200), "nor after it made room");
    discard(&cache);
}

static void count_visit(void *context, const unsigned char *id, uint32_t id_len, apr_time_t expiry,
                        const unsigned char *data, uint32_t len)
{
    unsigned *count = context;

    (void)id;
    (void)expiry;
    (void)data;
    *count += id_len == 32 && len >= 50;
}

static void test_iterate(void)
{
    ssl_shmcb cache = make(512000);
    unsigned i, count = 0;

    for (i = 0; i < 100; i++) {
        put_until(&cache, i, 60, i < 40 ? NOW + 5 : LATER, NOW);
    }
    drop(&cache, 50);
    ssl_shmcb_iterate(&cache, count_visit, &count, NOW + 5);
    ok(count == 59, "iterate: what is neither removed nor expired (%u)", count);
    discard(&cache);
}

/* ---- damage ---- */

static const struct {
    const char *what;
    size_t offset; /* from the region's start */
    uint64_t value;
    size_t width;
} damages[] = {
    { "a head beyond the tail", offsetof(region, head), 1ULL << 40, 8 },
    { "a head that is not aligned", offsetof(region, head), 1003, 8 },
    { "a tail beyond the head", offsetof(region, tail), 1ULL << 50, 8 },
    { "another generation", offsetof(region, generation), 99, 8 },
    { "a record's size 0", 0, 0, 4 },
    { "a record's size 4 GB", 0, 0xfffffff8U, 4 },
    { "a state that is none", 4, 12345, 4 },
    { "a chain to nowhere", 8, 0xffffffffU, 4 },
    { "a chain to itself", 8, 1, 4 },
    { "an id of 4 GB", offsetof(record, id_len), 0xffffffffU, 4 },
    { "data of 4 GB", offsetof(record, data_len), 0xffffffffU, 4 },
    { "a byte of data", sizeof(record) + 40, 0xee, 1 },
    { "a time that is over", offsetof(record, expiry), 5, 8 },
};

static void test_damage(void)
{
    size_t i;

    for (i = 0; i < COUNT(damages); i++) {
        ssl_shmcb cache = make(8192);
        unsigned char *at = cache.block + sizeof(header) + damages[i].offset;
        unsigned n;
        int wrong = 0;

        for (n = 0; n < 10; n++) {
            put(&cache, n);
        }
        if (i > 3) {
            at += sizeof(region) + cache.buckets * 4;
        }
        memcpy(at, &damages[i].value, damages[i].width);
        for (n = 0; n < 10; n++) {
            wrong += get(&cache, n) == APR_EGENERAL;
            drop(&cache, n + 20);
        }
        ok(!wrong, "%s: nothing wrong is found", damages[i].what);
        for (n = 0; n < 200; n++) {
            wrong += put(&cache, n) != APR_SUCCESS || get(&cache, n) != APR_SUCCESS;
        }
        ok(!wrong, "... and it goes on");
        discard(&cache);
    }
}

/* ---- death ---- */

typedef struct deed {
    const char *what;
    void (*run)(ssl_shmcb *cache);
} deed;

static void store_new(ssl_shmcb *cache)
{
    put(cache, 5000);
}

static void store_again(ssl_shmcb *cache)
{
    put_until(cache, 13, 250, LATER, NOW);
}

static void store_many(ssl_shmcb *cache)
{
    unsigned i;

    for (i = 3000; i < 3060; i++) {
        put(cache, i);
    }
}

static void store_after_expiry(ssl_shmcb *cache)
{
    put_until(cache, 4000, 100, LATER + 1000, LATER + 1);
}

static void remove_one(ssl_shmcb *cache)
{
    drop(cache, 13);
}

static void retrieve_expired(ssl_shmcb *cache)
{
    get_at(cache, 13, 100, LATER + 1);
}

static void repair_a_region(ssl_shmcb *cache)
{
    unsigned i;

    for (i = 0; i < cache->regions; i++) {
        pthread_mutex_lock(&cache->locks[i]);
        repair(cache, region_at(cache, i));
        pthread_mutex_unlock(&cache->locks[i]);
    }
}

static void empty_a_region(ssl_shmcb *cache)
{
    pthread_mutex_lock(&cache->locks[0]);
    reset(cache, region_at(cache, 0));
    pthread_mutex_unlock(&cache->locks[0]);
}

static const deed deeds[] = {
    { "store", store_new },
    { "store in place of another", store_again },
    { "60 stores, round the end of the ring", store_many },
    { "store that clears expired ones", store_after_expiry },
    { "remove", remove_one },
    { "retrieve of an expired one", retrieve_expired },
    { "repair", repair_a_region },
    { "reset", empty_a_region },
};

/* Whether the child came to the end of its deed before its steps did. */
static int run_and_die(ssl_shmcb *cache, const deed *what, int steps)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        steps_left = steps;
        what->run(cache);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status);
}

static void count_all(void *context, const unsigned char *id, uint32_t id_len, apr_time_t expiry,
                      const unsigned char *data, uint32_t len)
{
    (void)id;
    (void)id_len;
    (void)expiry;
    (void)data;
    (void)len;
    ++*(unsigned *)context;
}

/* What holds after a death, whatever its moment: nothing wrong is found, the figures are right, and after one repair
 * nothing is left to be found damaged. */
static int check_survivors(ssl_shmcb *cache, int all_stay, int *found)
{
    unsigned i, count = 0;
    int wrong = 0;

    for (i = 0; i < 20; i++) {
        apr_status_t rv = get(cache, i);

        if (i == 13 && get_at(cache, 13, 250, NOW) == APR_SUCCESS) {
            rv = APR_SUCCESS; /* replaced before the death */
        }
        wrong += rv != APR_SUCCESS && rv != APR_NOTFOUND;
        wrong += all_stay && i != 13 && rv != APR_SUCCESS;
        *found += rv == APR_SUCCESS;
    }
    for (i = 7000; i < 7100; i++) {
        wrong += put(cache, i) != APR_SUCCESS || get(cache, i) != APR_SUCCESS;
        wrong += drop(cache, i) != APR_SUCCESS || get(cache, i) != APR_NOTFOUND;
    }
    ssl_shmcb_iterate(cache, count_all, &count, 0);
    return wrong + (count != region_at(cache, 0)->entries);
}

static void test_death(const deed *what)
{
    int all_stay = what->run == store_new || what->run == store_again || what->run == remove_one ||
                   what->run == repair_a_region;
    unsigned already = what->run == repair_a_region || what->run == empty_a_region; /* it counts as a repair itself */
    int steps, wrong = 0, ended = 0, found = 0, deaths = 0;

    for (steps = 1; !ended && steps < 5000; steps++) {
        ssl_shmcb cache = make(8192);
        unsigned i;

        for (i = 0; i < 20; i++) { /* there is room for more */
            put(&cache, i);
        }
        ended = run_and_die(&cache, what, steps);
        deaths += !ended;
        wrong += check_survivors(&cache, all_stay, &found);
        wrong += region_at(&cache, 0)->repairs > (uint64_t)!ended + already;
        discard(&cache);
    }
    ok(ended && deaths > 1 && !wrong, "%s: killed after each of %d steps, the others go on%s", what->what, deaths,
       all_stay ? ", nothing else is lost" : "");
}

/* A removed session does not come back by way of a repair. */
static void test_no_return(void)
{
    ssl_shmcb cache = make(8192);
    unsigned i;
    int back = 0;

    for (i = 0; i < 20; i++) {
        put(&cache, i);
    }
    for (i = 0; i < 20; i += 2) {
        drop(&cache, i);
    }
    repair(&cache, region_at(&cache, 0));
    for (i = 0; i < 20; i++) {
        back += get(&cache, i) == (i % 2 ? APR_NOTFOUND : APR_SUCCESS);
    }
    ok(!back, "a repair brings back what was there, and only that");
    discard(&cache);
}

/* ---- many at a time ---- */

static int work(ssl_shmcb *cache, unsigned seed)
{
    unsigned i;
    int wrong = 0;

    for (i = 0; i < 20000; i++) {
        unsigned number = (seed * 7919 + i * 31) % 500;
        apr_status_t rv = i % 5 == 0 ? put(cache, number) : i % 17 == 0 ? drop(cache, number) : get(cache, number);

        wrong += rv != APR_SUCCESS && rv != APR_NOTFOUND;
    }
    return wrong;
}

static void test_concurrency(void)
{
    ssl_shmcb cache = make(65536);
    ssl_shmcb_stats stats;
    int i, status, failed = 0;

    for (i = 0; i < 4; i++) {
        if (fork() == 0) {
            _exit(work(&cache, (unsigned)i) ? 1 : 0);
        }
    }
    for (i = 0; i < 4; i++) {
        wait(&status);
        failed += !WIFEXITED(status) || WEXITSTATUS(status);
    }
    ssl_shmcb_read_stats(&cache, &stats, NOW);
    ok(!failed && !stats.repairs, "4 processes at once: nothing wrong, nothing to repair");
    ok(stats.hits > 1000 && stats.stores == 16000, "... and every store counted (%d hits, %d stores)", (int)stats.hits,
       (int)stats.stores);
    discard(&cache);
}

/* Somebody is stopped while he holds a lock: waiting is bounded. */
static void test_stopped_holder(void)
{
    ssl_shmcb cache = make(8192);
    int pipes[2], status;
    char byte;
    pid_t pid;

    if (pipe(pipes)) {
        return;
    }
    pid = fork();
    if (pid == 0) {
        pthread_mutex_lock(&cache.locks[0]);
        status = (int)write(pipes[1], "x", 1);
        pause();
        _exit(status);
    }
    ok(read(pipes[0], &byte, 1) == 1 && put(&cache, 1) == APR_TIMEUP, "a lock that is not given back");
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    ok(put(&cache, 1) == APR_SUCCESS && get(&cache, 1) == APR_SUCCESS, "... until its holder dies");
    discard(&cache);
}

/* What a former server left: locks are garbage, anything may have happened to the block. */
static void test_adoption(void)
{
    ssl_shmcb cache = make(200000);
    ssl_shmcb_stats stats;
    unsigned i, lost = 0, wrong = 0;

    for (i = 0; i < 200; i++) {
        put(&cache, i);
    }
    memset(cache.locks, 0x55, ssl_shmcb_locks_size(cache.size));
    region_at(&cache, 1)->tail = region_at(&cache, 1)->head + 8;
    memset(buckets_of(region_at(&cache, 2)), 0xff, cache.buckets * sizeof(uint32_t));
    ok(ssl_shmcb_is_formatted(&cache) && ssl_shmcb_adopt(&cache) == APR_SUCCESS, "a former server's block is adopted");
    for (i = 0; i < 200; i++) {
        apr_status_t rv = get(&cache, i);

        lost += rv == APR_NOTFOUND;
        wrong += rv != APR_SUCCESS && rv != APR_NOTFOUND;
    }
    ok(lost > 0 && lost < 100 && !wrong, "... the region whose positions cannot be is empty, the others are whole");
    ssl_shmcb_read_counts(&cache, &stats);
    ok(stats.entries == 200 - lost && stats.stores == 0 && stats.hits == 200 - lost && stats.repairs == 0,
       "... counts begin with 0");
    ok(stats.locked == 200 && stats.waited == 0, "... 200 locks, none was waited for");
    ok(put(&cache, 1000) == APR_SUCCESS && get(&cache, 1000) == APR_SUCCESS, "... and it can be used");
    discard(&cache);
}

int main(void)
{
    size_t i;

    setvbuf(stdout, NULL, _IOLBF, 0);
    test_sizes();
    test_smallest();
    test_basics();
    test_expiry();
    test_eviction();
    test_longest();
    test_wiping();
    test_iterate();
    test_damage();
    test_adoption();
    for (i = 0; i < COUNT(deeds); i++) {
        test_death(&deeds[i]);
    }
    test_no_return();
    test_concurrency();
    test_stopped_holder();
    return done();
}
