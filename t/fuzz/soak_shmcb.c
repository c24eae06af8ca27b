/* SPDX-License-Identifier: Apache-2.0 */
/*
 * soak_shmcb.c SECONDS [SEED] - the cache in shared memory, used by processes
 * that are killed at random (SIGKILL, at any instruction) while bytes of it are
 * flipped at random.
 *
 * What is found must be what was once stored under its id.  No process may end
 * otherwise than by being killed, or stand still; at the end each region must be
 * lockable and usable.  Rounds differ in size, number of processes, and in
 * whether bytes are flipped; those without flips must lose nothing but by eviction.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ssl_shmcb.h"

enum { MOST_PROCESSES = 16, IDS = 500, LONGEST = 2500, ROUND_SECONDS = 8, STILL_SECONDS = 30 };

/** What workers tell, in shared memory. */
typedef struct tally {
    atomic_ulong operations, hits, timeouts, other_errors;
    atomic_ulong alive[MOST_PROCESSES]; /* operations of each: it must go on */
    atomic_int wrong;                   /* an id whose data was another's, plus 1 */
} tally;

static tally *told;
static unsigned long kills, flips, rounds, repairs;
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
    return next_random() % limit;
}

static void finding(const char *what, long detail)
{
    printf("soak_shmcb: FOUND: %s (%ld)\n", what, detail);
    fflush(stdout);
    kill(0, SIGKILL);
}

/* ---- a worker ---- */

static void make_id(unsigned number, unsigned char id[32])
{
    unsigned i;

    for (i = 0; i < 32; i++) {
        id[i] = (unsigned char)(number >> (i % 4 * 8)) ^ (unsigned char)(i * 37);
    }
}

/* Of any length, and any byte tells whose it is. */
static unsigned char byte_of(unsigned number, unsigned len, unsigned i)
{
    return (unsigned char)(number * 131 + len * 7 + i * 3 + (number >> 8));
}

static void store(ssl_shmcb *cache, unsigned number, const unsigned char id[32], apr_time_t now, unsigned me)
{
    unsigned char data[LONGEST];
    unsigned len = below(below(10) ? 300 : LONGEST), i;
    apr_status_t rv;

    for (i = 0; i < len; i++) {
        data[i] = byte_of(number, len, i);
    }
    rv = ssl_shmcb_store(cache, id, 32, now + (apr_time_t)below(2000000), data, len, now);
    if (rv == APR_TIMEUP) {
        told->timeouts++;
    }
    else if (rv != APR_SUCCESS && rv != APR_ENOSPC) {
        told->other_errors++;
    }
    told->alive[me]++;
}

static void retrieve(ssl_shmcb *cache, unsigned number, const unsigned char id[32], apr_time_t now)
{
    unsigned char data[LONGEST];
    uint32_t len = sizeof(data), i;
    apr_status_t rv = ssl_shmcb_retrieve(cache, id, 32, data, &len, now);

    if (rv == APR_TIMEUP) {
        told->timeouts++;
    }
    if (rv != APR_SUCCESS) {
        return;
    }
    told->hits++;
    for (i = 0; i < len; i++) {
        if (data[i] != byte_of(number, len, i)) {
            told->wrong = (int)number + 1;
        }
    }
}

static void see(void *context, const unsigned char *id, uint32_t id_len, apr_time_t expiry, const unsigned char *data,
                uint32_t len)
{
    *(unsigned *)context += (id_len ? id[0] : 0u) + (len ? data[len - 1] : 0u) + (unsigned)expiry;
}

static void work(ssl_shmcb *cache, unsigned me)
{
    unsigned char id[32];
    unsigned sum = 0;

    for (;;) {
        unsigned number = below(IDS), what = below(1000);
        apr_time_t now = apr_time_now();

        make_id(number, id);
        if (what < 450) {
            store(cache, number, id, now, me);
        }
        else if (what < 900) {
            retrieve(cache, number, id, now);
        }
        else if (what < 999) {
            ssl_shmcb_remove(cache, id, 32);
        }
        else {
            ssl_shmcb_iterate(cache, see, &sum, now);
        }
        told->operations++;
        told->alive[me]++;
    }
}

static pid_t start(ssl_shmcb *cache, unsigned me)
{
    unsigned long long seed = state ^ (next_random() * 0x9e3779b97f4a7c15ULL);
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        state = seed | 1;
        work(cache, me);
    }
    if (pid < 0) {
        finding("fork failed", pid);
    }
    return pid;
}

/* ---- the one who kills ---- */

static void flip(ssl_shmcb *cache)
{
    unsigned i, n = 1 + below(4);

    for (i = 0; i < n; i++) {
        cache->block[(size_t)next_random() % cache->size] ^= (unsigned char)(1 + below(255));
        flips++;
    }
}

static void end(pid_t pid)
{
    int status = 0;

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        finding("a process ended by itself: wait status", status);
    }
}

/* Who has done nothing for long hangs. */
static void watch(unsigned long last[], time_t since[], unsigned processes)
{
    unsigned i;

    for (i = 0; i < processes; i++) {
        if (told->alive[i] != last[i]) {
            last[i] = told->alive[i];
            since[i] = time(NULL);
        }
        else if (time(NULL) - since[i] > STILL_SECONDS) {
            finding("a process stands still: number", (long)i);
        }
    }
    if (told->wrong) {
        finding("data of another id: id", (long)told->wrong - 1);
    }
}

/* Nobody is left: no lock may be lost, and each region has to do its work. */
static void check_end(ssl_shmcb *cache, int flipped)
{
    unsigned char id[32], data[64] = { 0 };
    apr_time_t now = apr_time_now();
    ssl_shmcb_stats stats;
    unsigned i, sum = 0;
    uint32_t len;

    if (ssl_shmcb_iterate(cache, see, &sum, now) != APR_SUCCESS) {
        finding("a lock is lost", 0);
    }
    for (i = 0; i < cache->regions * 8; i++) {
        make_id(i + 100000, id);
        len = sizeof(data);
        if (ssl_shmcb_store(cache, id, 32, now + 60000000, data, 40, now) != APR_SUCCESS ||
            ssl_shmcb_retrieve(cache, id, 32, data, &len, now) != APR_SUCCESS || len != 40) {
            finding("what was stored is not there", (long)i);
        }
    }
    ssl_shmcb_read_stats(cache, &stats, now);
    repairs += flipped ? 0 : stats.repairs; /* a flip may have hit the count */
}

static void run_round(time_t end_of_all)
{
    size_t size = SSL_SHMCB_MIN_SIZE + below(3) * (size_t)below(600000), locks = ssl_shmcb_locks_size(size);
    char *memory = mmap(NULL, (locks + 4095) / 4096 * 4096 + size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                        -1, 0);
    unsigned processes = 2 + below(MOST_PROCESSES - 1), i, flipping = below(2);
    unsigned long last[MOST_PROCESSES] = { 0 };
    time_t since[MOST_PROCESSES], until = time(NULL) + ROUND_SECONDS;
    pid_t pids[MOST_PROCESSES];
    ssl_shmcb cache;

    ssl_shmcb_attach(&cache, memory + (locks + 4095) / 4096 * 4096, size, memory);
    ssl_shmcb_format(&cache);
    for (i = 0; i < processes; i++) {
        since[i] = time(NULL);
        pids[i] = start(&cache, i);
    }
    while (time(NULL) < until && time(NULL) < end_of_all) {
        usleep(below(4000));
        i = below(processes);
        end(pids[i]);
        kills++;
        pids[i] = start(&cache, i);
        if (flipping && below(3) == 0) {
            flip(&cache);
        }
        watch(last, since, processes);
    }
    for (i = 0; i < processes; i++) {
        end(pids[i]);
    }
    check_end(&cache, flipping);
    munmap(memory, (locks + 4095) / 4096 * 4096 + size);
    rounds++;
}

int main(int argc, char **argv)
{
    time_t end_of_all = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
    unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : (unsigned long)time(NULL);

    setpgid(0, 0); /* a finding ends all of us, and nobody else */
    printf("soak_shmcb: seed %lu\n", seed);
    fflush(stdout);
    state = seed * 0x9e3779b97f4a7c15ULL + 1;
    told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    while (time(NULL) < end_of_all) {
        run_round(end_of_all);
    }
    printf("soak_shmcb: %lu rounds, %lu operations (%lu hits), %lu kills, %lu bytes flipped, %lu repairs (in rounds without), "
           "%lu timeouts, %lu other errors, nothing found\n", rounds, (unsigned long)told->operations, (unsigned long)told->hits,
           kills, flips, repairs, (unsigned long)told->timeouts, (unsigned long)told->other_errors);
    return 0;
}
