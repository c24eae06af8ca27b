/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_util_ticket.c - ticket keys in memory that processes share.
 *
 * LAYOUT
 *
 *   locks | generation | due | set 0 | set 1       set: habits, number of keys, keys
 *
 * Set (generation & 1) counts.  Who changes something takes the lock, changes
 * a copy of that set in memory of its own, writes it over the other one, and then
 * counts the generation up: one store, so that at any instant, whoever dies where, one
 * whole set counts.  The set that counted before is wiped: it may hold keys that were
 * just given up.  If the holder of the lock dies, the next one only has to begin anew.
 *
 * Readers take no lock.  They copy one key and look whether the generation is
 * still the same: a set is not written to before it has been replaced.
 *
 * Keys stand in the order in which they begin to seal, the latest first.
 * Except for keys from files, which stand as they were given.
 *
 * The next key is random, not derived from the last: who could read the
 * memory at some time knows nothing of the keys that are made later, nor of those
 * that were wiped before.
 *
 * ATTACKER
 *
 * A child that was taken over can read all keys, as it must in order to serve.
 * What it writes here, at any time, must not make others, and least of all the parent, read
 * or write elsewhere: the capacity is each process' own; numbers are read
 * once, checked, and then used; nothing is changed in place.  The locks are trusted.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "ssl_shmcb.h" /* its lock */
#include "ssl_ticketring.h"

/* After each step that changes the memory.  The unit test ends the process here instead. */
#ifndef SSL_TICKET_STEP
#define SSL_TICKET_STEP() atomic_signal_fence(memory_order_seq_cst)
#endif

/* The first also counts the time in which a machine sleeps. */
#ifdef CLOCK_BOOTTIME
#define STEADY_CLOCK CLOCK_BOOTTIME
#else
#define STEADY_CLOCK CLOCK_MONOTONIC
#endif

#define MOST_SECONDS (INT64_C(1) << 40) /* of a rotation or time-out: sums stay far from the end of the numbers */
#define TRIES 64                        /* of a reader that is overtaken by changes, which are seconds apart */

typedef struct key_set {
    int64_t rotation, timeout;
    uint64_t made;
    uint32_t shared, n;
    ssl_ticket_key key[];
} key_set;

struct ssl_ticket_memory {
    pthread_mutex_t lock, exchange;
    _Atomic uint64_t generation;
    _Atomic int64_t due;
    _Atomic uint32_t note;
    key_set sets[]; /* two, further apart than the type says */
};

int64_t ssl_ticket_clock(void)
{
    struct timespec now = { 0 };

    clock_gettime(STEADY_CLOCK, &now);
    return now.tv_sec;
}

/* --- memory ---------------------------------------------------------------------- */

static size_t set_size(uint32_t capacity)
{
    return sizeof(key_set) + capacity * sizeof(ssl_ticket_key);
}

size_t ssl_ticket_ring_size(uint32_t capacity)
{
    return sizeof(struct ssl_ticket_memory) + 2 * set_size(capacity);
}

static key_set *set_at(const ssl_ticket_ring *ring, uint64_t generation)
{
    return (key_set *)(void *)((char *)ring->memory->sets + (generation & 1) * set_size(ring->capacity));
}

void ssl_ticket_ring_attach(ssl_ticket_ring *ring, void *memory, uint32_t capacity)
{
    ring->memory = memory;
    ring->capacity = capacity;
}

int ssl_ticket_ring_init(ssl_ticket_ring *ring, void *memory, uint32_t capacity)
{
    int failed;

    memset(memory, 0, ssl_ticket_ring_size(capacity));
    ssl_ticket_ring_attach(ring, memory, capacity);
    atomic_store(&ring->memory->due, SSL_TICKET_NEVER);
    failed = ssl_shmcb_lock_init(&ring->memory->lock);
    return failed ? failed : ssl_shmcb_lock_init(&ring->memory->exchange);
}

/* --- changing -------------------------------------------------------------------- */

static int owned(pthread_mutex_t *lock, int failed)
{
    return failed == EOWNERDEAD ? pthread_mutex_consistent(lock) == 0 : failed == 0;
}

static int64_t within(int64_t number, int64_t most)
{
    return number < -most ? -most : number > most ? most : number;
}

/* How many keys SET has, read once: it may be shared. */
static uint32_t count_of(const key_set *set, uint32_t capacity)
{
    uint32_t n = __atomic_load_n(&set->n, __ATOMIC_RELAXED);

    return n > capacity ? capacity : n;
}

/* FROM is shared, COPY is not and has its capacity. */
static void copy_set(key_set *copy, const key_set *from, uint32_t capacity)
{
    uint32_t n = count_of(from, capacity), i;

    *copy = *from;
    copy->n = n;
    copy->rotation = within(copy->rotation, MOST_SECONDS);
    copy->timeout = within(copy->timeout, MOST_SECONDS);
    memcpy(copy->key, from->key, n * sizeof(copy->key[0]));
    for (i = 0; i < n; i++) {
        copy->key[i].from = within(copy->key[i].from, INT64_MAX / 2);
    }
}

/* A copy of the set that counts, in memory of our own, to be changed and then
 * published or abandoned; NULL: no lock. */
static key_set *begin(const ssl_ticket_ring *ring, int wait)
{
    pthread_mutex_t *lock = &ring->memory->lock;
    key_set *copy;

    if (!owned(lock, wait ? ssl_shmcb_lock(lock) : pthread_mutex_trylock(lock))) {
        return NULL;
    }
    SSL_TICKET_STEP();
    copy = OPENSSL_zalloc(set_size(ring->capacity));
    if (!copy) {
        pthread_mutex_unlock(lock);
        return NULL;
    }
    copy_set(copy, set_at(ring, atomic_load(&ring->memory->generation)), ring->capacity);
    return copy;
}

static void abandon(const ssl_ticket_ring *ring, key_set *copy)
{
    pthread_mutex_unlock(&ring->memory->lock);
    OPENSSL_clear_free(copy, set_size(ring->capacity));
}

static void write_set(key_set *set, const key_set *copy)
{
    uint32_t i;

    *set = *copy;
    SSL_TICKET_STEP();
    for (i = 0; i < copy->n; i++) {
        set->key[i] = copy->key[i];
        SSL_TICKET_STEP();
    }
}

static void publish(const ssl_ticket_ring *ring, key_set *copy, int64_t due)
{
    uint64_t generation = atomic_load(&ring->memory->generation);

    write_set(set_at(ring, generation + 1), copy);
    atomic_store(&ring->memory->generation, generation + 1);
    SSL_TICKET_STEP();
    atomic_store(&ring->memory->due, due);
    SSL_TICKET_STEP();
    /* What is wiped now was read by nobody who will not notice the new generation. */
    atomic_thread_fence(memory_order_seq_cst);
    OPENSSL_cleanse(set_at(ring, generation), set_size(ring->capacity));
    SSL_TICKET_STEP();
    abandon(ring, copy);
}

/* --- the keys of a set ------------------------------------------------------------- */

/* The key that seals at NOW: the latest that has begun to.  With keys that all
 * are to begin later, the next of them.  N: there is none. */
static uint32_t sealing(const key_set *set, uint32_t n, int64_t now)
{
    uint32_t i, next = n;

    for (i = 0; i < n; i++) {
        if (set->key[i].seals) {
            next = i;
            if (set->key[i].from <= now) {
                break;
            }
        }
    }
    return next;
}

static void drop(key_set *set, uint32_t i)
{
    memmove(&set->key[i], &set->key[i + 1], (set->n - i - 1) * sizeof(set->key[0]));
    set->n--;
    OPENSSL_cleanse(&set->key[set->n], sizeof(set->key[0]));
}

/* Makes room for a key that seals from FROM; a full set gives up its oldest. */
static ssl_ticket_key *insert(key_set *set, uint32_t capacity, int64_t from)
{
    uint32_t i = 0;

    if (set->n == capacity) {
        drop(set, set->n - 1);
    }
    while (i < set->n && set->key[i].from > from) {
        i++;
    }
    memmove(&set->key[i + 1], &set->key[i], (set->n - i) * sizeof(set->key[0]));
    set->n++;
    set->made++;
    return &set->key[i];
}

/* When a new random key is to take the place of key I. */
static int64_t rotation_time(const key_set *set, uint32_t i)
{
    const ssl_ticket_key *key = &set->key[i];
    int64_t rotation = within(set->rotation, MOST_SECONDS);

    if (rotation <= 0) {
        return SSL_TICKET_NEVER;
    }
    return within(key->from, INT64_MAX / 2) + rotation * (set->shared && key->period ? 2 : 1);
}

static int64_t lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Gives up what has expired; returns when there is something to do again. */
static int64_t arrange(key_set *set, int64_t now)
{
    uint32_t current = sealing(set, set->n, now), i;
    int64_t due = current < set->n ? rotation_time(set, current) : SSL_TICKET_NEVER;

    for (i = set->n; i-- > 0;) {
        ssl_ticket_key *key = &set->key[i];

        if (i > current && current < set->n) {
            key->until = lesser(key->until, set->key[current].from + set->timeout);
        }
        if (i != current && key->until <= now) {
            drop(set, i);
            current -= i < current;
        }
        else if (i != current) {
            due = lesser(due, key->from > now ? key->from : key->until);
        }
    }
    return due;
}

int ssl_ticket_key_random(ssl_ticket_key *key)
{
    key->size = SSL_TICKET_LARGE;
    return RAND_bytes(key->name, sizeof(key->name)) == 1 && RAND_priv_bytes(key->hmac, sizeof(key->hmac)) == 1 &&
           RAND_priv_bytes(key->aes, sizeof(key->aes)) == 1;
}

static int add_random(key_set *set, uint32_t capacity, int64_t now)
{
    ssl_ticket_key *key = insert(set, capacity, now);

    memset(key, 0, sizeof(*key));
    key->seals = 1;
    key->from = now;
    key->until = SSL_TICKET_NEVER;
    return ssl_ticket_key_random(key);
}

/* --- what a ring does by itself ---------------------------------------------------- */

int ssl_ticket_ring_is_due(const ssl_ticket_ring *ring, int64_t now)
{
    return now >= atomic_load_explicit(&ring->memory->due, memory_order_relaxed);
}

int ssl_ticket_ring_upkeep(const ssl_ticket_ring *ring, int64_t now)
{
    key_set *set = ssl_ticket_ring_is_due(ring, now) ? begin(ring, 0) : NULL;
    uint32_t current = set ? sealing(set, set->n, now) : 0;
    int rotated = 0;

    if (!set) {
        return 0;
    }
    /* Somebody may have been here between the two questions. */
    if (current == set->n || now >= rotation_time(set, current)) {
        rotated = 1;
        if (!add_random(set, ring->capacity, now)) {
            atomic_store(&ring->memory->due, now + 1);
            abandon(ring, set);
            return -1;
        }
    }
    publish(ring, set, arrange(set, now));
    return rotated;
}

/* The shortest rotation of which all keys that still open have room, with those that come ahead. */
static int64_t least_rotation(uint32_t capacity, int64_t timeout)
{
    return timeout / (capacity > 8 ? capacity - 8 : 1) + 1;
}

static void forget_ahead(key_set *set, int64_t now)
{
    while (set->n && set->key[0].from > now) {
        drop(set, 0);
    }
}

int ssl_ticket_ring_configure(const ssl_ticket_ring *ring, ssl_ticket_habits *habits, int64_t now)
{
    int64_t least = least_rotation(ring->capacity, habits->timeout);
    key_set *set = begin(ring, 1);

    if (!set) {
        return 0;
    }
    habits->rotation = habits->rotation > 0 && habits->rotation < least ? least : habits->rotation;
    set->rotation = habits->rotation;
    set->timeout = habits->timeout;
    set->shared = habits->shared ? 1 : 0;
    if (!habits->shared) {
        forget_ahead(set, now);
    }
    if (sealing(set, set->n, now) == set->n && !add_random(set, ring->capacity, now)) {
        abandon(ring, set);
        return 0;
    }
    publish(ring, set, arrange(set, now));
    return 1;
}

/* --- keys from elsewhere -------------------------------------------------------------- */

int ssl_ticket_ring_replace(const ssl_ticket_ring *ring, const ssl_ticket_key *keys, uint32_t n, int64_t now)
{
    key_set *set = begin(ring, 1);
    uint32_t i;

    if (!set) {
        return 0;
    }
    set->n = n > ring->capacity ? ring->capacity : n;
    for (i = 0; i < set->n; i++) {
        set->key[i] = keys[i];
        set->key[i].seals = i == 0;
        set->key[i].from = now;
        set->key[i].until = SSL_TICKET_NEVER;
    }
    set->made++;
    publish(ring, set, SSL_TICKET_NEVER);
    return 1;
}

static int is_for(const ssl_ticket_key *key, int64_t period, int64_t epoch)
{
    return key->seals && key->period == period && key->epoch == epoch;
}

static int has_name(const key_set *set, const unsigned char *name)
{
    uint32_t i;

    for (i = 0; i < set->n && memcmp(set->key[i].name, name, SSL_TICKET_NAME) != 0; i++) {
    }
    return i < set->n;
}

static int comes_before(const ssl_ticket_key *a, const ssl_ticket_key *b)
{
    return a->made_from != b->made_from ? a->made_from < b->made_from : memcmp(a->name, b->name, SSL_TICKET_NAME) < 0;
}

/* Whether KEY is to seal in its epoch; what was to do so until now then only opens. */
static uint32_t takes_epoch(key_set *set, const ssl_ticket_key *key)
{
    uint32_t i;

    for (i = 0; i < set->n; i++) {
        if (is_for(&set->key[i], key->period, key->epoch)) {
            if (!comes_before(key, &set->key[i])) {
                return 0;
            }
            set->key[i].seals = 0;
        }
    }
    return 1;
}

int ssl_ticket_ring_adopt(const ssl_ticket_ring *ring, const ssl_ticket_key *key, int64_t now)
{
    key_set *set = begin(ring, 1);
    ssl_ticket_key *place;
    uint32_t seals;

    if (!set) {
        return -1;
    }
    if (has_name(set, key->name)) {
        abandon(ring, set);
        return 0;
    }
    seals = takes_epoch(set, key);
    place = insert(set, ring->capacity, key->from);
    *place = *key;
    place->seals = seals;
    publish(ring, set, arrange(set, now));
    return 1;
}

/* --- reading ---------------------------------------------------------------------------- */

/* What a reader looks for in a set, and what it takes along: one of the three functions below. */
typedef struct question {
    const unsigned char *name;
    int64_t now, period, epoch;
    ssl_ticket_key *key;
    ssl_ticket_ring_facts *facts;
    ssl_ticket_found found;
} question;

static void find_key(const key_set *set, uint32_t n, question *q)
{
    uint32_t current = sealing(set, n, q->now), i = current;

    if (q->name) {
        for (i = 0; i < n && memcmp(set->key[i].name, q->name, SSL_TICKET_NAME) != 0; i++) {
        }
    }
    q->found = i == n ? SSL_TICKET_UNKNOWN : i == current ? SSL_TICKET_CURRENT : SSL_TICKET_OLD;
    if (i < n) {
        *q->key = set->key[i];
    }
}

static void find_shared(const key_set *set, uint32_t n, question *q)
{
    uint32_t i;

    for (i = 0; i < n && !is_for(&set->key[i], q->period, q->epoch); i++) {
    }
    q->found = i < n ? SSL_TICKET_CURRENT : SSL_TICKET_UNKNOWN;
    if (i < n) {
        *q->key = set->key[i];
    }
}

static void find_facts(const key_set *set, uint32_t n, question *q)
{
    ssl_ticket_ring_facts *facts = q->facts;
    uint32_t current = sealing(set, n, q->now), i;
    int64_t next = SSL_TICKET_NEVER;

    memset(facts, 0, sizeof(*facts));
    facts->generation = set->made;
    for (i = 0; i < n; i++) {
        int ahead = set->key[i].seals && set->key[i].from > q->now;

        facts->ahead += ahead && i != current;
        facts->old += !ahead && i != current;
        next = ahead ? lesser(next, set->key[i].from) : next;
    }
    if (current < n) {
        next = lesser(next, rotation_time(set, current));
        facts->age = q->now - within(set->key[current].from, INT64_MAX / 2);
        facts->shared = set->key[current].period != 0;
    }
    facts->next = next == SSL_TICKET_NEVER ? -1 : next > q->now ? next - q->now : 0;
}

/* False, and what was taken is wiped: the set kept changing, which does not happen. */
static int ask(const ssl_ticket_ring *ring, void (*look)(const key_set *set, uint32_t n, question *q), question *q)
{
    int i;

    for (i = 0; i < TRIES; i++) {
        uint64_t generation = atomic_load_explicit(&ring->memory->generation, memory_order_acquire);
        const key_set *set = set_at(ring, generation);

        look(set, count_of(set, ring->capacity), q);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&ring->memory->generation, memory_order_relaxed) == generation) {
            return 1;
        }
    }
    return 0;
}

static int is_sane(const ssl_ticket_key *key)
{
    return key->size == SSL_TICKET_SMALL || key->size == SSL_TICKET_LARGE;
}

ssl_ticket_found ssl_ticket_ring_find(const ssl_ticket_ring *ring, const unsigned char *name, int64_t now,
                                      ssl_ticket_key *key)
{
    question q = { .name = name, .now = now, .key = key };

    if (ask(ring, find_key, &q) && q.found != SSL_TICKET_UNKNOWN && is_sane(key) && (!name || key->until > now)) {
        return q.found;
    }
    OPENSSL_cleanse(key, sizeof(*key));
    return SSL_TICKET_UNKNOWN;
}

int ssl_ticket_ring_shared(const ssl_ticket_ring *ring, int64_t period, int64_t epoch, ssl_ticket_key *key)
{
    question q = { .period = period, .epoch = epoch, .key = key };

    return ask(ring, find_shared, &q) && q.found != SSL_TICKET_UNKNOWN && key->size == SSL_TICKET_LARGE;
}

void ssl_ticket_ring_describe(const ssl_ticket_ring *ring, int64_t now, ssl_ticket_ring_facts *facts)
{
    question q = { .now = now, .facts = facts };

    ask(ring, find_facts, &q);
}

/* --- the exchange ------------------------------------------------------------------------- */

int ssl_ticket_ring_begin_exchange(const ssl_ticket_ring *ring)
{
    return owned(&ring->memory->exchange, pthread_mutex_trylock(&ring->memory->exchange));
}

void ssl_ticket_ring_end_exchange(const ssl_ticket_ring *ring)
{
    pthread_mutex_unlock(&ring->memory->exchange);
}

uint32_t ssl_ticket_ring_note(const ssl_ticket_ring *ring, uint32_t note)
{
    return atomic_exchange(&ring->memory->note, note);
}
