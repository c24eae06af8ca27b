/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_util_staple.c - OCSP answers in memory that processes share.
 *
 * LAYOUT
 *
 *   table:  slot | slot | ...                 each of SSL_STAPLE_SLOT bytes
 *   slot:   sequence, checksum, length | facts | answer
 *
 * LOCKS
 *
 * There is none.  The sequence is odd while somebody writes.  A reader notes
 * it, copies, and looks at it again: what changed meanwhile is thrown away, and
 * after a few tries the handshake goes on without an answer.  Writers are
 * rare (a fetched answer, a failure) and take microseconds, so a sequence that
 * stays odd and the same for a second belongs to one that has died: the next
 * takes it over by making it another odd number.
 *
 * ATTACKER
 *
 * A process that may write to the table may write anything.  It can take
 * answers from the server's clients or give them wrong ones, which they will
 * not believe: answers are signed.  It must not make others read or write
 * outside of the table: a slot's number comes from its reader, the length is
 * read once and checked, text is ended by the reader.  The checksum is
 * against accidents (two writers, one of them thought dead); it has no key.
 */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

#include "ssl_staple.h"

/* Writing a slot between these takes longer, so that the unit test meets writers amid their work. */
#ifndef SSL_STAPLE_STEP
#define SSL_STAPLE_STEP() ((void)0)
#endif

#define READ_TRIES 8
#define TAKEOVER_TRIES 1000 /* of a millisecond each */

typedef struct slot {
    _Atomic uint32_t sequence;
    uint32_t len;      /* of the answer; 0: none */
    uint64_t checksum; /* of facts and answer */
    ssl_staple_facts facts;
    unsigned char answer[SSL_STAPLE_MAX_ANSWER];
} slot;

_Static_assert(sizeof(slot) <= SSL_STAPLE_SLOT, "a slot holds the longest answer");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "the sequence is shared between processes");

size_t ssl_staple_size(uint32_t slots)
{
    return (size_t)slots * SSL_STAPLE_SLOT;
}

static slot *slot_at(const ssl_staple_table *table, uint32_t n)
{
    return (slot *)(table->memory + (size_t)n * SSL_STAPLE_SLOT);
}

/* FNV-1a by eight bytes: of accidents, it misses next to none. */
static uint64_t sum(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *at = data;
    uint64_t word;

    for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        hash = (hash ^ word) * 0x100000001b3ULL;
        hash ^= hash >> 29;
    }
    for (; len > 0; at++, len--) {
        hash = (hash ^ *at) * 0x100000001b3ULL;
    }
    return hash;
}

static uint64_t checksum(const ssl_staple_facts *facts, const unsigned char *answer, uint32_t len)
{
    return sum(sum(0xcbf29ce484222325ULL ^ len, facts, sizeof(*facts)), answer, len);
}

/* --- reading ------------------------------------------------------------------- */

/* Copies S to COPY as far as it is in use.  False: somebody writes, or has written nonsense. */
static int snapshot(slot *s, slot *copy)
{
    uint32_t before = atomic_load_explicit(&s->sequence, memory_order_acquire);
    uint32_t len = *(volatile uint32_t *)&s->len;

    if (before & 1 || len > SSL_STAPLE_MAX_ANSWER) {
        return 0;
    }
    memcpy(&copy->checksum, &s->checksum, sizeof(copy->checksum));
    memcpy(&copy->facts, &s->facts, sizeof(copy->facts));
    memcpy(copy->answer, s->answer, len);
    copy->len = len;
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&s->sequence, memory_order_relaxed) != before) {
        return 0;
    }
    if (before == 0) { /* never written to */
        copy->len = 0;
        memset(&copy->facts, 0, sizeof(copy->facts));
        return 1;
    }
    copy->facts.error[sizeof(copy->facts.error) - 1] = '\0';
    return copy->checksum == checksum(&copy->facts, copy->answer, len);
}

static apr_status_t read_slot(const ssl_staple_table *table, uint32_t n, slot *copy)
{
    int i;

    if (n >= table->slots) {
        return APR_NOTFOUND;
    }
    for (i = 0; i < READ_TRIES; i++) {
        if (snapshot(slot_at(table, n), copy)) {
            return APR_SUCCESS;
        }
        sched_yield();
    }
    return APR_EAGAIN;
}

apr_status_t ssl_staple_read_facts(const ssl_staple_table *table, uint32_t n, ssl_staple_facts *facts)
{
    slot copy;
    apr_status_t rv = read_slot(table, n, &copy);

    memset(facts, 0, sizeof(*facts));
    if (rv == APR_SUCCESS) {
        *facts = copy.facts;
    }
    return rv;
}

apr_status_t ssl_staple_read(const ssl_staple_table *table, uint32_t n, apr_time_t now, unsigned char **der,
                             size_t *len)
{
    slot copy;
    apr_status_t rv = read_slot(table, n, &copy);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (copy.len == 0 || copy.facts.expires <= now) {
        return APR_NOTFOUND;
    }
    *der = OPENSSL_memdup(copy.answer, copy.len);
    *len = copy.len;
    return *der ? APR_SUCCESS : APR_ENOMEM;
}

/* --- writing ------------------------------------------------------------------- */

static void a_millisecond(void)
{
    const struct timespec pause = { 0, 1000000 };

    nanosleep(&pause, NULL);
}

/* Makes the sequence of S odd, and ours.  What it was then, or 0. */
static uint32_t begin(slot *s)
{
    uint32_t seen = atomic_load(&s->sequence), stuck = seen;
    int tries = 0;

    while (tries < TAKEOVER_TRIES) {
        if (!(seen & 1)) {
            if (atomic_compare_exchange_weak(&s->sequence, &seen, seen + 1)) {
                return seen + 1;
            }
            continue;
        }
        tries = seen == stuck ? tries + 1 : 0;
        stuck = seen;
        a_millisecond();
        seen = atomic_load(&s->sequence);
    }
    return atomic_compare_exchange_strong(&s->sequence, &seen, seen + 2) ? seen + 2 : 0;
}

/* Nobody has taken it from us: then the next number is ours. 0 would mean "never written to". */
static void end(slot *s, uint32_t ours)
{
    uint32_t next = ours + 1 ? ours + 1 : 2;

    atomic_compare_exchange_strong(&s->sequence, &ours, next);
}

apr_status_t ssl_staple_write(const ssl_staple_table *table, uint32_t n, const ssl_staple_facts *facts,
                              const unsigned char *der, size_t len)
{
    slot *s;
    uint32_t ours, kept;

    if (n >= table->slots || len > SSL_STAPLE_MAX_ANSWER) {
        return APR_ENOSPC;
    }
    s = slot_at(table, n);
    ours = begin(s);
    if (!ours) {
        return APR_EBUSY;
    }
    atomic_thread_fence(memory_order_release);
    kept = s->len <= SSL_STAPLE_MAX_ANSWER ? s->len : 0;
    if (der) {
        memcpy(s->answer, der, len);
        kept = (uint32_t)len;
    }
    SSL_STAPLE_STEP();
    s->len = kept;
    s->facts = *facts;
    SSL_STAPLE_STEP();
    s->facts.error[sizeof(s->facts.error) - 1] = '\0';
    s->checksum = checksum(&s->facts, s->answer, kept);
    atomic_thread_fence(memory_order_release);
    end(s, ours);
    return APR_SUCCESS;
}

void ssl_staple_copy(const ssl_staple_table *from, uint32_t n, const ssl_staple_table *to, uint32_t at)
{
    slot copy;

    if (read_slot(from, n, &copy) == APR_SUCCESS && copy.facts.fetched) {
        ssl_staple_write(to, at, &copy.facts, copy.answer, copy.len);
    }
}

/* --- when to ask ------------------------------------------------------------------ */

apr_interval_time_t ssl_staple_back_off(uint32_t failures, apr_interval_time_t cap)
{
    apr_interval_time_t wait = apr_time_from_sec(5);
    uint32_t i;

    if (cap < apr_time_from_sec(1)) {
        cap = apr_time_from_sec(1);
    }
    for (i = 1; i < failures && wait < cap; i++) {
        wait *= 2;
    }
    return wait < cap ? wait : cap;
}

apr_time_t ssl_staple_refresh_time(apr_time_t now, apr_time_t this_update, apr_time_t expires,
                                   apr_interval_time_t cap, unsigned int chance)
{
    apr_interval_time_t wait = (expires - this_update) / 2 - (now - this_update);

    if (wait <= 0 || this_update > now) {
        wait = (expires - now) / 2;
    }
    wait += wait / 10 * ((int)(chance & 255) - 128) / 128;
    if (wait < apr_time_from_sec(10)) {
        wait = apr_time_from_sec(10);
    }
    return now + (cap > 0 && wait > cap ? cap : wait);
}
