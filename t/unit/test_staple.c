/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_staple.c - the table of OCSP answers: what was written is read, whole
 * or not at all, whoever writes, dies or scribbles meanwhile.
 */
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

/* Writers are met amid their work. */
static int die_at_step;
static void step(void)
{
    if (die_at_step && --die_at_step == 0) {
        _exit(0);
    }
    sched_yield();
}
#define SSL_STAPLE_STEP() step()
#include "ssl_util_staple.c"

#define SLOTS 3
#define ROUNDS 4000
#define NOW apr_time_from_sec(1000)
#define LATER apr_time_from_sec(2000)

/* Followed by a page that nobody may touch: reading or writing behind the table ends the test. */
static ssl_staple_table make_table(uint32_t slots)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = ssl_staple_size(slots);
    ssl_staple_table table = { mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), slots };

    mprotect(table.memory + size, page, PROT_NONE);
    return table;
}

/* An answer of LEN bytes that can be told from all others, and facts that go with it. */
static void make_answer(uint32_t number, unsigned char *der, size_t len, ssl_staple_facts *facts)
{
    memset(der, (int)(number * 31 + 7), len);
    *facts = (ssl_staple_facts){ .this_update = number, .next_update = (apr_time_t)len, .expires = LATER, .fetched = 1,
                                 .state = SSL_STAPLE_GOOD };
    memset(facts->error, 'a' + (int)(number % 26), sizeof(facts->error) - 1);
}

static int is_answer(uint32_t number, const unsigned char *der, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (der[i] != (unsigned char)(number * 31 + 7)) {
            return 0;
        }
    }
    return 1;
}

static apr_status_t put(const ssl_staple_table *table, uint32_t slot, uint32_t number, size_t len)
{
    static unsigned char der[SSL_STAPLE_MAX_ANSWER + 1];
    ssl_staple_facts facts;

    make_answer(number, der, len, &facts);
    return ssl_staple_write(table, slot, &facts, der, len);
}

/* Whether SLOT holds this. */
static int holds(const ssl_staple_table *table, uint32_t slot, uint32_t number, size_t len)
{
    unsigned char *der = NULL;
    size_t found = 0;
    int same = ssl_staple_read(table, slot, NOW, &der, &found) == APR_SUCCESS && found == len &&
               is_answer(number, der, found);

    OPENSSL_free(der);
    return same;
}

static void test_basics(void)
{
    static const size_t lengths[] = { 1, 7, 8, 9, 1000, SSL_STAPLE_MAX_ANSWER };
    ssl_staple_table table = make_table(SLOTS), other = make_table(SLOTS);
    ssl_staple_facts facts;
    unsigned char *der = NULL;
    size_t i, len = 0;

    ok(ssl_staple_read(&table, 0, NOW, &der, &len) == APR_NOTFOUND && !der, "a new table holds nothing");
    ok(ssl_staple_read_facts(&table, 0, &facts) == APR_SUCCESS && facts.expires == 0, "and knows nothing");
    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        ok(put(&table, 1, (uint32_t)i, lengths[i]) == APR_SUCCESS && holds(&table, 1, (uint32_t)i, lengths[i]),
           "%zu bytes", lengths[i]);
    }
    ok(put(&table, 2, 9, SSL_STAPLE_MAX_ANSWER) == APR_SUCCESS && holds(&table, 2, 9, SSL_STAPLE_MAX_ANSWER),
       "the last slot, to its last byte");
    ok(put(&table, 1, 9, SSL_STAPLE_MAX_ANSWER + 1) == APR_ENOSPC, "one byte more");
    ok(holds(&table, 1, 5, SSL_STAPLE_MAX_ANSWER), "leaves what was there");
    ok(put(&table, SLOTS, 9, 10) == APR_ENOSPC, "no such slot to write");
    ok(ssl_staple_read(&table, SLOTS, NOW, &der, &len) == APR_NOTFOUND, "nor to read");

    ssl_staple_read_facts(&table, 1, &facts);
    ok(facts.this_update == 5 && strlen(facts.error) == sizeof(facts.error) - 1, "facts, their text ended");
    facts.failures = 3;
    ok(ssl_staple_write(&table, 1, &facts, NULL, 0) == APR_SUCCESS && holds(&table, 1, 5, SSL_STAPLE_MAX_ANSWER),
       "new facts, the same answer");
    ssl_staple_copy(&table, 1, &other, 0);
    ssl_staple_read_facts(&other, 0, &facts);
    ok(facts.failures == 3 && holds(&other, 0, 5, SSL_STAPLE_MAX_ANSWER), "copied to another table");
    ok(ssl_staple_read(&table, 1, LATER, &der, &len) == APR_NOTFOUND, "expired");
    ok(ssl_staple_write(&table, 1, &facts, (const unsigned char *)"", 0) == APR_SUCCESS &&
           ssl_staple_read(&table, 1, NOW, &der, &len) == APR_NOTFOUND, "taken away");
}

/* --- several processes --------------------------------------------------------------- */

static void write_forever(const ssl_staple_table *table, unsigned int seed)
{
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t number = (uint32_t)rand_r(&seed);

        put(table, (uint32_t)rand_r(&seed) % SLOTS, number, 1 + (size_t)rand_r(&seed) % SSL_STAPLE_MAX_ANSWER);
    }
    _exit(0);
}

/* The exit status says how many answers were not whole; 100: none could be read at all. */
static void read_forever(const ssl_staple_table *table, unsigned int seed)
{
    int torn = 0, seen = 0;

    for (int i = 0; i < ROUNDS * 4; i++) {
        uint32_t slot = (uint32_t)rand_r(&seed) % SLOTS;
        unsigned char *der = NULL;
        ssl_staple_facts facts;
        size_t len = 0;

        if (ssl_staple_read(table, slot, NOW, &der, &len) == APR_SUCCESS) {
            seen++;
            torn += !is_answer((uint32_t)((der[0] - 7) * 223 & 255), der, len); /* 223 * 31 = 1 (mod 256) */
        }
        OPENSSL_free(der);
        if (ssl_staple_read_facts(table, slot, &facts) == APR_SUCCESS && facts.fetched) {
            torn += facts.error[0] != 'a' + (char)(facts.this_update % 26) ||
                    facts.error[sizeof(facts.error) - 2] != facts.error[0];
        }
    }
    _exit(!seen ? 100 : torn > 99 ? 99 : torn);
}

static void test_processes(void)
{
    ssl_staple_table table = make_table(SLOTS);
    int status, torn = 0, lost = 0, i;

    for (i = 0; i < 6; i++) {
        if (fork() == 0) {
            (i < 2 ? write_forever : read_forever)(&table, (unsigned int)i + 1);
        }
    }
    for (i = 0; i < 6; i++) {
        wait(&status);
        lost += !WIFEXITED(status);
        torn += WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    }
    ok(lost == 0, "2 writers and 4 readers come to their end");
    ok(torn == 0, "nobody ever saw half of an answer (%d)", torn);
}

/* --- accidents and attacks -------------------------------------------------------------- */

static void test_death(void)
{
    ssl_staple_table table = make_table(1);
    unsigned char *der = NULL;
    size_t len;
    int n;

    for (n = 1; n <= 2; n++) {
        put(&table, 0, 1, 100);
        if (fork() == 0) {
            die_at_step = n;
            put(&table, 0, 2, 200);
            _exit(1);
        }
        wait(NULL);
        ok(ssl_staple_read(&table, 0, NOW, &der, &len) == APR_EAGAIN, "a writer has died at step %d: nothing to read", n);
        ok(put(&table, 0, 3, 300) == APR_SUCCESS && holds(&table, 0, 3, 300), "the next one puts it in order");
    }
}

/* The sequence wraps around without becoming "never written to". */
static void test_wrap(void)
{
    ssl_staple_table table = make_table(1);
    int i, whole = 1;

    atomic_store(&slot_at(&table, 0)->sequence, 0xfffffffaU);
    for (i = 0; i < 8; i++) {
        whole &= put(&table, 0, (uint32_t)i, 50) == APR_SUCCESS && holds(&table, 0, (uint32_t)i, 50);
    }
    ok(whole, "the sequence wraps around");
}

static void test_scribbling(void)
{
    ssl_staple_table table = make_table(1);
    slot *s = slot_at(&table, 0);
    unsigned char *der = NULL, *memory = table.memory;
    ssl_staple_facts facts;
    unsigned int seed = 1;
    size_t len = 0;
    int i, taken = 0;

    put(&table, 0, 1, 100);
    s->len = 0xffffffffU;
    ok(ssl_staple_read(&table, 0, NOW, &der, &len) == APR_EAGAIN, "a length beyond the slot is not believed");
    put(&table, 0, 1, 100);
    s->len = 99;
    ok(ssl_staple_read(&table, 0, NOW, &der, &len) == APR_EAGAIN, "nor one that does not go with the rest");
    put(&table, 0, 1, 100);
    s->answer[50] ^= 1;
    ok(ssl_staple_read(&table, 0, NOW, &der, &len) == APR_EAGAIN, "nor a changed answer");
    for (i = 0; i < 20000; i++) {
        int n = 1 + rand_r(&seed) % 4;

        put(&table, 0, 1, 100);
        while (n-- > 0) {
            memory[rand_r(&seed) % (sizeof(s->sequence) + sizeof(s->len) + sizeof(s->checksum) + sizeof(s->facts) + 100)] =
                (unsigned char)rand_r(&seed);
        }
        atomic_fetch_and(&s->sequence, ~1U);
        der = NULL;
        if (ssl_staple_read(&table, 0, NOW, &der, &len) == APR_SUCCESS) {
            taken += len != 100 || !is_answer(1, der, len);
            OPENSSL_free(der);
        }
        ssl_staple_read_facts(&table, 0, &facts);
    }
    ok(taken == 0, "scribbling never passes for an answer");
}

/* --- when to ask ------------------------------------------------------------------------- */

static void test_back_off(void)
{
    static const struct {
        uint32_t failures;
        int cap, wanted; /* seconds */
    } cases[] = {
        { 1, 600, 5 }, { 2, 600, 10 }, { 3, 600, 20 }, { 7, 600, 320 }, { 8, 600, 600 }, { 65535, 600, 600 },
        { 4294967295U, 600, 600 }, { 4294967295U, 2147483647, 2147483647 }, { 64, 2147483647, 2147483647 },
        { 1, 0, 1 }, { 9, 0, 1 }, { 1, 3, 3 },
    };
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        apr_interval_time_t got = ssl_staple_back_off(cases[i].failures, apr_time_from_sec((apr_int64_t)cases[i].cap));

        ok(got == apr_time_from_sec((apr_int64_t)cases[i].wanted), "%u failures, cap %d: %d seconds", cases[i].failures,
           cases[i].cap, cases[i].wanted);
    }
}

static void test_refresh(void)
{
    static const struct {
        const char *what;
        int now, from, to, cap;
        unsigned int chance;
        int wanted; /* seconds */
    } cases[] = {
        { "half of the validity", 1000, 1000, 11000, 0, 128, 6000 },
        { "made some time ago", 2000, 1000, 11000, 0, 128, 6000 },
        { "more than half is over: half of what is left", 9000, 1000, 11000, 0, 128, 10000 },
        { "from the future: half of what is left", 1000, 2000, 12000, 0, 128, 6500 },
        { "a tenth sooner", 1000, 1000, 11000, 0, 0, 5500 },
        { "a tenth later", 1000, 1000, 11000, 0, 255, 5996 + 500 },
        { "no sooner than 10 seconds", 1000, 1000, 1010, 0, 128, 1010 },
        { "the cap", 1000, 1000, 11000, 60, 128, 1060 },
        { "a small cap", 1000, 1000, 1010, 1, 128, 1001 },
        { "a large cap", 1000, 1000, 11000, 9000, 128, 6000 },
    };
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        apr_time_t got = ssl_staple_refresh_time(apr_time_from_sec(cases[i].now), apr_time_from_sec(cases[i].from),
                                                 apr_time_from_sec(cases[i].to), apr_time_from_sec(cases[i].cap),
                                                 cases[i].chance);

        ok(apr_time_sec(got) == cases[i].wanted, "%s: at %d (%d)", cases[i].what, cases[i].wanted, (int)apr_time_sec(got));
    }
}

int main(void)
{
    test_basics();
    test_processes();
    test_death();
    test_wrap();
    test_scribbling();
    test_back_off();
    test_refresh();
    return done();
}
