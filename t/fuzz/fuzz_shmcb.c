/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_shmcb.c SECONDS [SEED] - the cache in shared memory, with content that
 * somebody else has written.
 *
 * Each round makes a cache of a random size in a buffer of exactly that size,
 * so that AddressSanitizer sees a step outside.  Between operations bytes,
 * words and whole stretches of it are overwritten: with noise, with values from
 * around the limits, with parts of the block itself.  In some rounds a
 * thread does so all the while, without locks: the attacker of
 * ssl_util_shmcb.c.  Whatever is found must be what was once stored under
 * its id; and no operation may go on for ever (alarm).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ssl_shmcb.h"

#define IDS 64
#define LONGEST 3000
#define ROUND_SECONDS 20

static unsigned long long state;

static unsigned next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 16);
}

static unsigned below(unsigned limit)
{
    return limit ? next_random() % limit : 0;
}

/* ---- overwriting ---- */

static const unsigned interesting[] = { 0, 1, 7, 8, 39, 40, 41, 48, 255, 256, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
                                        0x80000000, 0xffffffff, 0xfffffff8, 0x4c495645, 0x44454144 };

static void overwrite(unsigned char *block, size_t size, unsigned kind, unsigned at, unsigned value)
{
    unsigned word = kind & 8 ? interesting[value % (sizeof(interesting) / sizeof(interesting[0]))] : value;

    switch (kind % 4) {
    case 0:
        block[at % size] = (unsigned char)value;
        break;
    case 1: /* a field of a header, most likely */
        memcpy(block + (at % (size / 4)) * 4, &word, 4);
        break;
    case 2:
        memcpy(block + (at % (size / 8 - 1)) * 8, &word, 4);
        memset(block + (at % (size / 8 - 1)) * 8 + 4, value & 1 ? 0 : 255, 4);
        break;
    default: /* a stretch of it, elsewhere: aligned, so that headers stay headers */
        memmove(block + at % (size - 256) / 8 * 8, block + value % (size - 256) / 8 * 8, 8 + value % 248);
    }
}

static void fill_with_noise(unsigned char *block, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++) {
        block[i] = (unsigned char)next_random();
    }
}

/* The attacker's thread: plain writes that race, as they would. */
static volatile int attacking;

__attribute__((no_sanitize("thread"))) static void *attack(void *data)
{
    ssl_shmcb *cache = data;
    unsigned long long own = 88172645463325252ULL;

    while (attacking) {
        own ^= own << 13;
        own ^= own >> 7;
        own ^= own << 17;
        overwrite(cache->block, cache->size, (unsigned)own & 0xb, (unsigned)(own >> 8), (unsigned)(own >> 32));
    }
    return NULL;
}

/* ---- operations ---- */

static void make_id(unsigned number, unsigned char id[16])
{
    memset(id, (int)number, 16);
    id[3] = (unsigned char)(number * 7);
}

/* Whatever its length, the data of an id is recognized by its bytes. */
static unsigned make_data(unsigned number, unsigned len, unsigned char *data)
{
    unsigned i;

    for (i = 0; i < len; i++) {
        data[i] = (unsigned char)(number + len + i);
    }
    return len;
}

static void check_found(unsigned number, const unsigned char *data, unsigned len)
{
    unsigned i;

    for (i = 0; i < len; i++) {
        if (data[i] != (unsigned char)(number + len + i)) {
            fprintf(stderr, "id %u: %u bytes that were never stored under it\n", number, len);
            abort();
        }
    }
}

static void visit(void *context, const unsigned char *id, uint32_t id_len, apr_time_t expiry, const unsigned char *data,
                  uint32_t len)
{
    unsigned *sum = context;
    uint32_t i;

    for (i = 0; i < id_len + len; i++) {
        *sum += i < id_len ? id[i] : data[i - id_len];
    }
    *sum += (unsigned)expiry;
}

static void operate(ssl_shmcb *cache, apr_time_t now)
{
    unsigned char id[16], data[LONGEST];
    unsigned number = below(IDS), sum = 0;
    uint32_t len = sizeof(data);
    ssl_shmcb_stats stats;

    make_id(number, id);
    switch (below(16)) {
    case 0:
        ssl_shmcb_remove(cache, id, 16);
        break;
    case 1:
        ssl_shmcb_iterate(cache, visit, &sum, now);
        break;
    case 2:
        ssl_shmcb_read_stats(cache, &stats, now);
        break;
    case 3: case 4: case 5: case 6: case 7: case 8: case 9:
        len = make_data(number, below(below(8) ? 300 : LONGEST), data);
        ssl_shmcb_store(cache, id, 16, now + below(200) - 20, data, len, now);
        break;
    default:
        if (ssl_shmcb_retrieve(cache, id, 16, data, &len, now) == APR_SUCCESS) {
            check_found(number, data, len);
        }
    }
}


static void *lock_and_die(void *data)
{
    ssl_shmcb *cache = data;

    pthread_mutex_lock(&cache->locks[0]);
    return NULL;
}

/* Somebody dies while he holds the lock: the region is repaired. */
static void die_with_lock(ssl_shmcb *cache, pthread_t *thread)
{
    if (pthread_create(thread, NULL, lock_and_die, cache) == 0) {
        pthread_join(*thread, NULL);
    }
}

static unsigned long run_round(void)
{
    size_t size = SSL_SHMCB_MIN_SIZE + below(4) * (size_t)below(60000);
    unsigned char *block = malloc(size);
    ssl_shmcb cache;
    pthread_t thread;
    unsigned i, operations = 200 + below(2000);
    apr_time_t now = 1000000;
    int with_thread = below(8) == 0;

    alarm(ROUND_SECONDS);
    ssl_shmcb_attach(&cache, block, size, calloc(1, ssl_shmcb_locks_size(size)));
    fill_with_noise(block, size);
    ssl_shmcb_format(&cache);
    if (below(4) == 0) {
        fill_with_noise(block, size);
    }
    attacking = with_thread;
    with_thread = with_thread && pthread_create(&thread, NULL, attack, &cache) == 0;
    for (i = 0; i < operations; i++, now += below(5)) {
        operate(&cache, now);
        if (below(6) == 0) {
            overwrite(block, size, next_random(), next_random(), next_random());
        }
        if (below(300) == 0) {
            pthread_t other;

            die_with_lock(&cache, &other);
        }
    }
    if (with_thread) {
        attacking = 0;
        pthread_join(thread, NULL);
    }
    free(cache.locks);
    free(block);
    return operations;
}

int main(int argc, char **argv)
{
    time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
    unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : (unsigned long)time(NULL), rounds = 0, operations = 0;

    printf("fuzz_shmcb: seed %lu\n", seed);
    fflush(stdout);
    state = seed * 0x9e3779b97f4a7c15ULL + 1;
    while (time(NULL) < end) {
        operations += run_round();
        rounds++;
    }
    printf("fuzz_shmcb: %lu rounds, %lu operations, nothing found\n", rounds, operations);
    return 0;
}
