/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_metrics.c - the counters: rows that Prometheus can take, sums over
 * threads and processes, also killed ones; label values with any bytes.
 */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SSL_COUNTERS_ALONE
#include "ssl_metrics.h"
#include "tap.h"

/* ---- rows ---- */

static int is_name(const char *name)
{
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyz_")] == '\0' && !strncmp(name, "ssl_", 4);
}

static void test_rows(void)
{
    int i, j, names = 1, helped = 1, together = 1, different = 1;

    for (i = 0; i < SSL_COUNTERS_N; i++) {
        const ssl_counter_row *row = &ssl_counter_rows[i];
        size_t len = strlen(row->metric);

        names &= is_name(row->metric) && len > 6 && !strcmp(row->metric + len - 6, "_total");
        helped &= ssl_counter_help(row->metric) != NULL;
        for (j = 0; j < i; j++) {
            int same = !strcmp(row->metric, ssl_counter_rows[j].metric);

            together &= !same || !strcmp(row->metric, ssl_counter_rows[i - 1].metric);
            different &= !same || strcmp(row->labels, ssl_counter_rows[j].labels) != 0;
        }
    }
    ok(names, "all are named ssl_..._total");
    ok(helped, "each metric is explained");
    ok(together, "rows of one metric stand together");
    ok(different, "no two rows are the same");
    ok(!ssl_counter_help("ssl_nothing_total"), "what is not there has no explanation");
}

/* ---- counting ---- */

enum { PROCESSES = 12, THREADS = 3, TIMES = 20000 };

static void *count_all(void *data)
{
    int i;

    for (i = 0; i < TIMES; i++) {
        ssl_count(SSL_COUNT_FULL_TLSV1_2);
        ssl_count((ssl_counter)(i % SSL_COUNTERS_N));
    }
    return data;
}

static void be_child(void)
{
    pthread_t threads[THREADS];
    int i;

    for (i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, count_all, NULL);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    raise(SIGKILL); /* what was counted stays */
}

static void test_processes(void)
{
    void *memory = mmap(NULL, ssl_counters_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t all = 0;
    int i, killed = 0, status;

    ssl_count(SSL_COUNT_TICKET_ISSUED);
    ok(ssl_counter_sum(SSL_COUNT_TICKET_ISSUED) == 1, "counts without shared memory");
    ssl_counters_use(memory);
    ok(ssl_counter_sum(SSL_COUNT_TICKET_ISSUED) == 0, "shared memory begins with 0");
    for (i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            be_child();
        }
    }
    while (wait(&status) > 0) {
        killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    }
    ok(killed == PROCESSES, "%d processes with %d threads each", killed, THREADS);
    for (i = 0; i < SSL_COUNTERS_N; i++) {
        all += ssl_counter_sum((ssl_counter)i);
    }
    ok(all == 2ULL * PROCESSES * THREADS * TIMES, "all that they counted adds up");
    ok(ssl_counter_sum(SSL_COUNT_FULL_SSLV3) ==
           (uint64_t)PROCESSES * THREADS * ((TIMES + SSL_COUNTERS_N - 1) / SSL_COUNTERS_N), "one counter, too");
    ssl_counters_use(NULL);
    ok(ssl_counter_sum(SSL_COUNT_TICKET_ISSUED) == 1, "back in its own memory");
    munmap(memory, ssl_counters_size());
}

/* ---- labels ---- */

static void test_labels(void)
{
    static const struct {
        const char *value, *escaped;
    } cases[] = {
        { "", "" },
        { "www.example.com:443", "www.example.com:443" },
        { "a\"b\\c\nd", "a\\\"b\\\\c\\nd" },
        { "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x92", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x92" },
        { "\xff\xc3", "??" },
        { "\xe2\x82", "??" },
        { "\xc0\xaf\xed\xa0\x80", "?????" },
        { "\xe2\"", "?\\\"" },
    };
    char escaped[64], small[6];
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ssl_label_escape(escaped, sizeof(escaped), cases[i].value);
        is(escaped, cases[i].escaped, "a label");
    }
    ssl_label_escape(small, sizeof(small), "abcd\"");
    is(small, "abcd", "an escape that does not fit is left out");
    ssl_label_escape(small, sizeof(small), "abc\xe2\x82\xac");
    is(small, "abc", "so is a character");
}

int main(void)
{
    test_rows();
    test_processes();
    test_labels();
    return done();
}
