/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_util_shmcb.c - a cache in a block of memory that processes share.
 *
 * LAYOUT
 *
 *   block:   header | region | region | ...           all regions of one size
 *   region:  counters, head, tail | buckets | ring
 *   ring:    ... free | record | record | filler || record | free ...
 *               tail ^                 end of the ring ^      ^ head
 *
 * An id's hash chooses a region and a bucket.  A bucket begins a chain of
 * records (offset in the ring / 8 + 1; 0 ends it).  Records are written one
 * after the other, never across the ring's end, and are given up in the same
 * order: what is oldest makes room.  So there is nothing to search for, and
 * nothing to fragment: storing costs the same in a full cache as in an empty
 * one.  What was removed is overwritten at once, and its place is free when
 * the tail passes it.  Each store also takes a few records that have expired.
 *
 * head and tail count bytes since the region was made (modulo ring: the
 * offset), and each is changed by one store.
 *
 * LOCKS
 *
 * One robust mutex for each region, outside of the block.  If its holder dies,
 * the next one is told, and repairs the region from the records alone: the
 * index is made anew of those that are whole.  Steps are ordered (STEP) so
 * that after each of them the records between tail and head tell the truth.
 *
 * ATTACKER
 *
 * A process that may write to the block - a child taken over by an attacker -
 * may write anything, at any time, locks or not.  It can make others lose
 * sessions, and read all of them, as it could before.  It must not make others
 * read or write outside of the block, or loop: the geometry is computed from
 * the size, never read from the block; each length and offset is copied out
 * once, checked, and only then used; each chain and walk is bounded.  Records
 * carry a checksum of header, id, data and the region's generation, compared
 * over the copy that the caller gets: that is against accidents (it has no
 * key).  What is not as it should be costs the region its content.  The
 * locks are trusted: glibc keeps pointers in them, therefore they
 * lie outside of the block.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ssl_shmcb.h"

/* After each step that changes the block: what comes later in the source comes
 * later in memory.  The unit test ends the process here instead. */
#ifndef SSL_SHMCB_STEP
#define SSL_SHMCB_STEP() atomic_signal_fence(memory_order_seq_cst)
#endif

#define MAGIC "mod_ssl\n"
#define SMALLEST_REGION 32768
#define MOST_REGIONS 4096
#define LOCK_WAIT_NS 250000000L /* a process that holds a lock may have been stopped: go on without the cache */
#define EXPIRED_PER_STORE 8

enum { LIVE = 0x4c495645, DEAD = 0x44454144 };

typedef struct header {
    char magic[8];
    uint32_t layout, regions, region_size, unused;
    uint64_t size;
    uint64_t reserved[4];
} header;

typedef struct region {
    uint64_t generation; /* counts how often the region was emptied */
    uint64_t head, tail;
    uint64_t entries, bytes, stores, replaced, expired, evicted, hits, misses, removes, remove_misses, repairs;
    uint64_t locked, waited;
} region;

typedef struct record {
    uint32_t size;  /* with id, data and padding: a multiple of 8 */
    uint32_t state; /* a filler ends here, and is DEAD */
    uint32_t next;
    uint32_t hash;
    int64_t expiry;
    uint64_t checksum;
    uint32_t id_len, data_len;
} record;

enum { FILLER = 8 };

/* What became of an attempt to make sense of a region. */
typedef enum { FOUND, ABSENT, DAMAGED } outcome;

/* A record that was looked up: a copy of its header, and where it is. */
typedef struct place {
    record copy;
    uint32_t offset;
    uint32_t *link; /* what points to it: a bucket, or the next of another record */
} place;

/* ---- geometry ---- */

static int compute_geometry(ssl_shmcb *cache, size_t size)
{
    size_t room = size - sizeof(header), count = room / SMALLEST_REGION;

    if (size < SSL_SHMCB_MIN_SIZE || size > SSL_SHMCB_MAX_SIZE) {
        return 0;
    }
    count = count < 1 ? 1 : count > MOST_REGIONS ? MOST_REGIONS : count;
    cache->size = size;
    cache->regions = (uint32_t)count;
    cache->region_size = (uint32_t)(room / count) & ~63U;
    cache->buckets = (cache->region_size / 256) & ~1U; /* even: the ring after them is aligned to 8 */
    cache->ring = (cache->region_size - (uint32_t)sizeof(region) - cache->buckets * 4) & ~7U;
    return 1;
}

size_t ssl_shmcb_locks_size(size_t size)
{
    ssl_shmcb cache;

    return compute_geometry(&cache, size) ? cache.regions * sizeof(pthread_mutex_t) : 0;
}

static region *region_at(const ssl_shmcb *cache, uint32_t number)
{
    return (region *)(void *)(cache->block + sizeof(header) + (size_t)number * cache->region_size);
}

static uint32_t *buckets_of(region *r)
{
    return (uint32_t *)(void *)(r + 1);
}

static unsigned char *ring_of(const ssl_shmcb *cache, region *r)
{
    return (unsigned char *)(buckets_of(r) + cache->buckets);
}

/* OFFSET was checked by a peek() or load(). */
static record *record_at(const ssl_shmcb *cache, region *r, uint32_t offset)
{
    return (record *)(void *)(ring_of(cache, r) + offset);
}

static uint32_t link_to(uint32_t offset)
{
    return offset / 8 + 1;
}

/* ---- digests ---- */

uint64_t ssl_shmcb_digest(uint64_t start, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    uint64_t value = start ^ (len * 0x9e3779b97f4a7c15U), word;

    for (; len >= 8; len -= 8, at += 8) {
        memcpy(&word, at, 8);
        value = (value ^ word) * 0xd6e8feb86659fd93U;
        value ^= value >> 32;
    }
    if (len) {
        word = 0;
        memcpy(&word, at, len);
        value = (value ^ word) * 0xd6e8feb86659fd93U;
        value ^= value >> 32;
    }
    return value * 0x9e3779b97f4a7c15U;
}

/* Of a record whose links and state may change. */
static uint64_t checksum_of(const record *copy, uint64_t generation, const unsigned char *id, const unsigned char *data)
{
    uint64_t facts[5] = { generation, copy->size, copy->hash, (uint64_t)copy->expiry,
                          (uint64_t)copy->id_len << 32 | copy->data_len };
    uint64_t value = ssl_shmcb_digest(0, facts, sizeof(facts));

    return ssl_shmcb_digest(ssl_shmcb_digest(value, id, copy->id_len), data, copy->data_len);
}

/* ---- reading, with suspicion ---- */

/* Size and state of what begins at OFFSET; only the part of COPY that a filler has is filled. */
static int peek(const ssl_shmcb *cache, region *r, uint32_t offset, record *copy)
{
    if (offset % 8 || offset > cache->ring - FILLER) {
        return 0;
    }
    memcpy(copy, ring_of(cache, r) + offset, FILLER);
    return copy->size >= FILLER && copy->size % 8 == 0 && copy->size <= cache->ring - offset &&
           (copy->state == LIVE || copy->state == DEAD);
}

/* A whole header that is consistent in itself. */
static int load(const ssl_shmcb *cache, region *r, uint32_t offset, record *copy)
{
    if (offset % 8 || offset > cache->ring - sizeof(record)) {
        return 0;
    }
    memcpy(copy, ring_of(cache, r) + offset, sizeof(*copy));
    return copy->size % 8 == 0 && copy->size <= cache->ring - offset && copy->size >= sizeof(*copy) && copy->id_len &&
           copy->id_len <= copy->size - sizeof(*copy) &&
           copy->data_len <= copy->size - sizeof(*copy) - copy->id_len;
}

/* Positions that can be: no more than a ring apart. */
static int positions_are_sane(const ssl_shmcb *cache, uint64_t tail, uint64_t head)
{
    return tail <= head && head - tail <= cache->ring && tail % 8 == 0 && head % 8 == 0;
}

/* A chain that is longer than there can be records goes round. */
static uint32_t longest_chain(const ssl_shmcb *cache)
{
    return cache->ring / (uint32_t)sizeof(record) + 1;
}

static outcome find(const ssl_shmcb *cache, region *r, const unsigned char *id, uint32_t id_len, uint32_t hash,
                    place *found)
{
    uint32_t *link = &buckets_of(r)[hash % cache->buckets], left = longest_chain(cache), value;

    while ((value = *(volatile uint32_t *)link) != 0) {
        if (value > cache->ring / 8 || !left-- || !load(cache, r, (value - 1) * 8, &found->copy)) {
            return DAMAGED;
        }
        found->offset = (value - 1) * 8;
        found->link = link;
        if (found->copy.hash == hash && found->copy.id_len == id_len && found->copy.state == LIVE &&
            !memcmp(record_at(cache, r, found->offset) + 1, id, id_len)) {
            return FOUND;
        }
        link = &record_at(cache, r, found->offset)->next;
    }
    return ABSENT;
}

/* The link that leads to the record at OFFSET. */
static uint32_t *find_link(const ssl_shmcb *cache, region *r, uint32_t hash, uint32_t offset)
{
    uint32_t *link = &buckets_of(r)[hash % cache->buckets], left = longest_chain(cache), value;
    record copy;

    while ((value = *(volatile uint32_t *)link) != link_to(offset)) {
        if (!value || value > cache->ring / 8 || !left-- || !load(cache, r, (value - 1) * 8, &copy)) {
            return NULL;
        }
        link = &record_at(cache, r, (value - 1) * 8)->next;
    }
    return link;
}

/* ---- changing ---- */

/* Nothing is left but the room that the record took. */
static void bury(const ssl_shmcb *cache, region *r, const place *p)
{
    record *dead = record_at(cache, r, p->offset);

    dead->state = DEAD;
    SSL_SHMCB_STEP();
    *p->link = p->copy.next;
    SSL_SHMCB_STEP();
    memset(dead + 1, 0, p->copy.size - sizeof(*dead));
    SSL_SHMCB_STEP();
    r->entries--;
    r->bytes -= p->copy.size;
    SSL_SHMCB_STEP();
}

/* Gives up the record at the tail: expired, or EVICTED for another's sake.
 * ABSENT: the ring is empty, or what is there has not expired and is to stay. */
static outcome drop_oldest(const ssl_shmcb *cache, region *r, apr_time_t now, int evict)
{
    uint64_t tail = r->tail, head = r->head;
    place p = { .offset = (uint32_t)(tail % cache->ring) };

    if (!positions_are_sane(cache, tail, head)) {
        return DAMAGED;
    }
    if (tail == head) {
        return ABSENT;
    }
    if (!peek(cache, r, p.offset, &p.copy) || p.copy.size > head - tail) {
        return DAMAGED;
    }
    if (p.copy.state == LIVE) {
        if (!load(cache, r, p.offset, &p.copy)) {
            return DAMAGED;
        }
        if (!evict && p.copy.expiry > now) {
            return ABSENT;
        }
        p.link = find_link(cache, r, p.copy.hash, p.offset);
        if (!p.link) {
            return DAMAGED;
        }
        *(p.copy.expiry > now ? &r->evicted : &r->expired) += 1;
        bury(cache, r, &p);
    }
    r->tail = tail + p.copy.size;
    SSL_SHMCB_STEP();
    return FOUND;
}

/* Room for SIZE bytes after head. */
static outcome make_room(const ssl_shmcb *cache, region *r, uint32_t size, apr_time_t now)
{
    uint32_t left = cache->ring / FILLER + 1;

    for (;;) {
        uint64_t tail = r->tail, head = r->head;

        if (!positions_are_sane(cache, tail, head)) {
            return DAMAGED;
        }
        if (size <= cache->ring - (head - tail)) {
            return FOUND;
        }
        if (!left-- || drop_oldest(cache, r, now, 1) != FOUND) {
            return DAMAGED;
        }
    }
}

/* Sees to it that SIZE bytes can be written at *HEAD: the rest of the ring is given up if it is too short for them. */
static outcome prepare(const ssl_shmcb *cache, region *r, uint32_t size, apr_time_t now, uint64_t *head)
{
    record filler = { .state = DEAD };
    uint32_t offset;

    *head = r->head;
    offset = (uint32_t)(*head % cache->ring);
    if (*head % 8) {
        return DAMAGED;
    }
    if (size > cache->ring - offset) {
        filler.size = cache->ring - offset;
        if (make_room(cache, r, filler.size, now) != FOUND) {
            return DAMAGED;
        }
        memcpy(ring_of(cache, r) + offset, &filler, FILLER);
        SSL_SHMCB_STEP();
        r->head = *head += filler.size;
        SSL_SHMCB_STEP();
    }
    return *head % cache->ring > cache->ring - size ? DAMAGED : make_room(cache, r, size, now);
}

/* Writes a record at the head and makes it findable. */
static outcome append(const ssl_shmcb *cache, region *r, record *new_record, const unsigned char *id,
                      const unsigned char *data, apr_time_t now)
{
    uint32_t *bucket = &buckets_of(r)[new_record->hash % cache->buckets], offset;
    unsigned char *to;
    uint64_t head;

    if (prepare(cache, r, new_record->size, now, &head) != FOUND) {
        return DAMAGED;
    }
    offset = (uint32_t)(head % cache->ring);
    to = ring_of(cache, r) + offset;
    new_record->checksum = checksum_of(new_record, r->generation, id, data);
    new_record->next = *bucket;
    memcpy(to + sizeof(*new_record), id, new_record->id_len);
    SSL_SHMCB_STEP();
    memcpy(to + sizeof(*new_record) + new_record->id_len, data, new_record->data_len);
    SSL_SHMCB_STEP();
    memcpy(to, new_record, sizeof(*new_record));
    SSL_SHMCB_STEP();
    r->head = head + new_record->size;
    SSL_SHMCB_STEP();
    *bucket = link_to(offset);
    SSL_SHMCB_STEP();
    r->entries++;
    r->bytes += new_record->size;
    r->stores++;
    return FOUND;
}

/* ---- repair ---- */

static void empty(const ssl_shmcb *cache, region *r)
{
    r->head = r->tail = 0;
    SSL_SHMCB_STEP();
    r->generation++; /* what may be left of a record counts no more */
    SSL_SHMCB_STEP();
    memset(buckets_of(r), 0, cache->region_size - sizeof(*r));
    r->entries = r->bytes = 0;
    SSL_SHMCB_STEP();
}

static void reset(const ssl_shmcb *cache, region *r)
{
    r->repairs++;
    empty(cache, r);
}

/* Puts the record at OFFSET into the index, or overwrites it. */
static void readmit(const ssl_shmcb *cache, region *r, uint32_t offset, uint32_t size)
{
    record *at = record_at(cache, r, offset), copy;
    const unsigned char *id = (const unsigned char *)(at + 1);
    uint32_t *bucket;

    if (size == FILLER) {
        return;
    }
    if (load(cache, r, offset, &copy) && copy.state == LIVE &&
        copy.checksum == checksum_of(&copy, r->generation, id, id + copy.id_len)) {
        bucket = &buckets_of(r)[copy.hash % cache->buckets];
        at->next = *bucket;
        *bucket = link_to(offset);
        r->entries++;
        r->bytes += copy.size;
        return;
    }
    at->state = DEAD;
    SSL_SHMCB_STEP();
    memset((unsigned char *)at + FILLER, 0, size - FILLER);
}

/* Somebody died in the middle of a change: the index is made anew. */
static void repair(const ssl_shmcb *cache, region *r)
{
    uint64_t position = r->tail, head = r->head;
    record copy;

    r->repairs++;
    if (!positions_are_sane(cache, position, head)) {
        empty(cache, r);
        return;
    }
    memset(buckets_of(r), 0, cache->buckets * sizeof(uint32_t));
    r->entries = r->bytes = 0;
    SSL_SHMCB_STEP();
    while (position < head) {
        uint32_t offset = (uint32_t)(position % cache->ring);

        if (!peek(cache, r, offset, &copy) || copy.size > head - position) {
            empty(cache, r);
            return;
        }
        readmit(cache, r, offset, copy.size);
        SSL_SHMCB_STEP();
        position += copy.size;
    }
}

/* ---- locks ---- */

int ssl_shmcb_lock_init(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    int failed = pthread_mutexattr_init(&attributes);

    if (failed) {
        return failed;
    }
    failed = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    if (!failed) {
        failed = pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    }
    if (!failed) {
        failed = pthread_mutex_init(lock, &attributes);
    }
    pthread_mutexattr_destroy(&attributes);
    return failed;
}

int ssl_shmcb_lock(pthread_mutex_t *lock)
{
    struct timespec until;
    int failed = pthread_mutex_trylock(lock);

    if (failed != EBUSY) {
        return failed;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOCK_WAIT_NS;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    return pthread_mutex_timedlock(lock, &until);
}

static apr_status_t lock_region(ssl_shmcb *cache, uint32_t number)
{
    region *r = region_at(cache, number);
    int failed = pthread_mutex_trylock(&cache->locks[number]), busy = failed == EBUSY;

    if (busy) {
        failed = ssl_shmcb_lock(&cache->locks[number]);
    }
    if (failed == EOWNERDEAD) {
        repair(cache, r);
        failed = pthread_mutex_consistent(&cache->locks[number]);
    }
    if (!failed) {
        r->locked++;
        r->waited += (uint64_t)busy;
    }
    return failed == ETIMEDOUT ? APR_TIMEUP : failed;
}

static void unlock_region(ssl_shmcb *cache, uint32_t number)
{
    pthread_mutex_unlock(&cache->locks[number]);
}

static uint32_t region_number(const ssl_shmcb *cache, uint64_t digest)
{
    return (uint32_t)(((digest >> 32) * cache->regions) >> 32);
}

/* ---- making and ending ---- */

apr_status_t ssl_shmcb_attach(ssl_shmcb *cache, void *block, size_t size, void *locks)
{
    if (!compute_geometry(cache, size)) {
        return APR_EINVAL;
    }
    cache->block = block;
    cache->locks = locks;
    return APR_SUCCESS;
}

static int make_locks(ssl_shmcb *cache)
{
    uint32_t i;
    int failed = 0;

    for (i = 0; i < cache->regions && !failed; i++) {
        failed = ssl_shmcb_lock_init(&cache->locks[i]);
    }
    return failed;
}

static void fill_header(const ssl_shmcb *cache, header *h)
{
    memset(h, 0, sizeof(*h));
    memcpy(h->magic, MAGIC, sizeof(h->magic));
    h->layout = SSL_SHMCB_LAYOUT;
    h->regions = cache->regions;
    h->region_size = cache->region_size;
    h->size = cache->size;
}

apr_status_t ssl_shmcb_format(ssl_shmcb *cache)
{
    header h;
    uint32_t i;

    for (i = 0; i < cache->regions; i++) {
        region *r = region_at(cache, i);

        /* The ring stays as it is: fresh memory need not be touched, and old records have another generation. */
        memset(r, 0, sizeof(*r));
        memset(buckets_of(r), 0, cache->buckets * sizeof(uint32_t));
        r->generation = 1;
    }
    fill_header(cache, &h);
    memcpy(cache->block, &h, sizeof(h));
    return make_locks(cache);
}

apr_status_t ssl_shmcb_adopt(ssl_shmcb *cache)
{
    uint32_t i;

    for (i = 0; i < cache->regions; i++) {
        region *r = region_at(cache, i);

        repair(cache, r);
        r->stores = r->replaced = r->expired = r->evicted = r->hits = r->misses = 0;
        r->removes = r->remove_misses = r->repairs = r->locked = r->waited = 0;
    }
    return make_locks(cache);
}

int ssl_shmcb_is_formatted(const ssl_shmcb *cache)
{
    header h;

    fill_header(cache, &h);
    return !memcmp(cache->block, &h, sizeof(h));
}

void ssl_shmcb_wipe(ssl_shmcb *cache)
{
    memset(cache->block, 0, cache->size);
    SSL_SHMCB_STEP();
}

/* ---- operations ---- */

static outcome replace(ssl_shmcb *cache, region *r, record *new_record, const unsigned char *id,
                       const unsigned char *data, apr_time_t now)
{
    place old;
    int i;
    outcome done = find(cache, r, id, new_record->id_len, new_record->hash, &old);

    if (done == FOUND) {
        bury(cache, r, &old);
        r->replaced++;
    }
    for (i = 0; i < EXPIRED_PER_STORE && done != DAMAGED; i++) {
        done = drop_oldest(cache, r, now, 0);
        if (done == ABSENT) {
            break;
        }
    }
    return done == DAMAGED ? DAMAGED : append(cache, r, new_record, id, data, now);
}

apr_status_t ssl_shmcb_store(ssl_shmcb *cache, const unsigned char *id, uint32_t id_len, apr_time_t expiry,
                             const unsigned char *data, uint32_t len, apr_time_t now)
{
    uint64_t digest = ssl_shmcb_digest(0, id, id_len);
    uint32_t number = region_number(cache, digest);
    region *r = region_at(cache, number);
    record new_record = { .state = LIVE, .hash = (uint32_t)digest, .expiry = expiry, .id_len = id_len,
                          .data_len = len };
    apr_status_t rv;

    if (!id_len) {
        return APR_EINVAL;
    }
    if (id_len > cache->ring || len > cache->ring || sizeof(record) + id_len + len > cache->ring) {
        return APR_ENOSPC;
    }
    new_record.size = ((uint32_t)sizeof(record) + id_len + len + 7) & ~7U;
    rv = lock_region(cache, number);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (replace(cache, r, &new_record, id, data, now) == DAMAGED) {
        reset(cache, r);
        rv = append(cache, r, &new_record, id, data, now) == FOUND ? APR_SUCCESS : APR_EGENERAL;
    }
    unlock_region(cache, number);
    return rv;
}

/* Copies the data first and judges the copy. */
static apr_status_t copy_data(ssl_shmcb *cache, region *r, const place *p, const unsigned char *id,
                              unsigned char *data, uint32_t *len)
{
    const unsigned char *from = (const unsigned char *)(record_at(cache, r, p->offset) + 1) + p->copy.id_len;

    if (p->copy.data_len > *len) {
        return APR_ENOSPC;
    }
    memcpy(data, from, p->copy.data_len);
    if (p->copy.checksum != checksum_of(&p->copy, r->generation, id, data)) {
        memset(data, 0, p->copy.data_len);
        reset(cache, r);
        return APR_NOTFOUND;
    }
    *len = p->copy.data_len;
    return APR_SUCCESS;
}

static apr_status_t take(ssl_shmcb *cache, region *r, const place *p, const unsigned char *id, unsigned char *data,
                         uint32_t *len, apr_time_t now)
{
    if (p->copy.expiry <= now) {
        bury(cache, r, p);
        r->expired++;
        return APR_NOTFOUND;
    }
    return copy_data(cache, r, p, id, data, len);
}

apr_status_t ssl_shmcb_retrieve(ssl_shmcb *cache, const unsigned char *id, uint32_t id_len, unsigned char *data,
                                uint32_t *len, apr_time_t now)
{
    uint64_t digest = ssl_shmcb_digest(0, id, id_len);
    uint32_t number = region_number(cache, digest);
    region *r = region_at(cache, number);
    place p;
    outcome found;
    apr_status_t rv = lock_region(cache, number);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    found = find(cache, r, id, id_len, (uint32_t)digest, &p);
    if (found == DAMAGED) {
        reset(cache, r);
    }
    rv = found == FOUND ? take(cache, r, &p, id, data, len, now) : APR_NOTFOUND;
    *(rv == APR_SUCCESS ? &r->hits : &r->misses) += 1;
    unlock_region(cache, number);
    return rv;
}

apr_status_t ssl_shmcb_remove(ssl_shmcb *cache, const unsigned char *id, uint32_t id_len)
{
    uint64_t digest = ssl_shmcb_digest(0, id, id_len);
    uint32_t number = region_number(cache, digest);
    region *r = region_at(cache, number);
    place p;
    outcome found;
    apr_status_t rv = lock_region(cache, number);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    found = find(cache, r, id, id_len, (uint32_t)digest, &p);
    if (found == FOUND) {
        bury(cache, r, &p);
    }
    else if (found == DAMAGED) {
        reset(cache, r);
    }
    *(found == FOUND ? &r->removes : &r->remove_misses) += 1;
    unlock_region(cache, number);
    return found == FOUND ? APR_SUCCESS : APR_NOTFOUND;
}

/* ---- looking at all of it ---- */

/* R is a copy of a region that nobody else knows of. */
static void visit(const ssl_shmcb *cache, region *r, ssl_shmcb_visitor *visitor, void *context, apr_time_t now)
{
    uint64_t position = r->tail, head = r->head;
    record copy;

    if (!positions_are_sane(cache, position, head)) {
        return;
    }
    for (; position < head; position += copy.size) {
        uint32_t offset = (uint32_t)(position % cache->ring);
        const unsigned char *id = (const unsigned char *)(record_at(cache, r, offset) + 1);

        if (!peek(cache, r, offset, &copy)) {
            return;
        }
        if (copy.state == LIVE && load(cache, r, offset, &copy) && copy.expiry > now &&
            copy.checksum == checksum_of(&copy, r->generation, id, id + copy.id_len)) {
            visitor(context, id, copy.id_len, copy.expiry, id + copy.id_len, copy.data_len);
        }
    }
}

apr_status_t ssl_shmcb_iterate(ssl_shmcb *cache, ssl_shmcb_visitor *visitor, void *context, apr_time_t now)
{
    region *copy = malloc(cache->region_size);
    apr_status_t rv = copy ? APR_SUCCESS : APR_ENOMEM, locked;
    uint32_t i;

    for (i = 0; i < cache->regions && copy; i++) {
        locked = lock_region(cache, i);
        if (locked != APR_SUCCESS) {
            rv = locked;
            continue;
        }
        memcpy(copy, region_at(cache, i), cache->region_size);
        unlock_region(cache, i);
        visit(cache, copy, visitor, context, now);
        memset(copy, 0, cache->region_size);
        SSL_SHMCB_STEP();
    }
    free(copy);
    return rv;
}

static void note_expiry(void *context, const unsigned char *id, uint32_t id_len, apr_time_t expiry,
                        const unsigned char *data, uint32_t len)
{
    ssl_shmcb_stats *stats = context;

    (void)id;
    (void)id_len;
    (void)data;
    (void)len;
    if (!stats->oldest_expiry || expiry < stats->oldest_expiry) {
        stats->oldest_expiry = expiry;
    }
    if (expiry > stats->newest_expiry) {
        stats->newest_expiry = expiry;
    }
    stats->expiries++;
    stats->expiry_seconds += (uint64_t)expiry / APR_USEC_PER_SEC;
}

void ssl_shmcb_read_counts(const ssl_shmcb *cache, ssl_shmcb_stats *stats)
{
    uint32_t i;

    memset(stats, 0, sizeof(*stats));
    stats->capacity = (uint64_t)cache->regions * cache->ring;
    for (i = 0; i < cache->regions; i++) {
        const region *r = region_at(cache, i);

        stats->entries += r->entries;
        stats->bytes += r->bytes;
        stats->stores += r->stores;
        stats->replaced += r->replaced;
        stats->expired += r->expired;
        stats->evicted += r->evicted;
        stats->hits += r->hits;
        stats->misses += r->misses;
        stats->removes += r->removes;
        stats->remove_misses += r->remove_misses;
        stats->locked += r->locked;
        stats->waited += r->waited;
        stats->repairs += r->repairs;
    }
}

void ssl_shmcb_read_stats(ssl_shmcb *cache, ssl_shmcb_stats *stats, apr_time_t now)
{
    ssl_shmcb_read_counts(cache, stats);
    ssl_shmcb_iterate(cache, note_expiry, stats, now);
}
