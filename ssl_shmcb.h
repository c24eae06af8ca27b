/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_shmcb.h - a cache in a block of memory that processes share.  No httpd
 * types, so that t/unit and t/fuzz link it alone; ssl_scache_shmcb.c finds
 * the memory and is the socache provider.
 *
 * All functions but ssl_shmcb_attach(), _format(), _adopt() and _wipe() may be called by
 * any thread of any process at any time.  None keeps a pointer of its caller's.
 * Times are microseconds since 1970, as apr_time_t has them.
 */
#ifndef SSL_SHMCB_H
#define SSL_SHMCB_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_time.h"

/** Bytes of a block. */
#define SSL_SHMCB_MIN_SIZE 8192
#define SSL_SHMCB_MAX_SIZE 4294967295U

/** Changes whenever the layout of the block or of the locks does. */
#define SSL_SHMCB_LAYOUT 1

/** One process's view of a cache: its own memory, so what is here can be trusted. */
typedef struct ssl_shmcb {
    unsigned char *block;   /**< shared content */
    pthread_mutex_t *locks; /**< shared, one for each region */
    size_t size;            /**< of the block */
    uint32_t regions;
    uint32_t region_size;   /**< bytes, all of it */
    uint32_t buckets;       /**< of a region's index */
    uint32_t ring;          /**< bytes of a region that hold records */
} ssl_shmcb;

/** Sums over all regions. */
typedef struct ssl_shmcb_stats {
    uint64_t entries, bytes;               /**< that can be found now; those that have expired meanwhile included */
    uint64_t stores, replaced;             /**< new records; of those, in place of one with the same id */
    uint64_t expired, evicted;             /**< dropped after their time; before it, for want of room */
    uint64_t hits, misses;                 /**< of retrieve */
    uint64_t removes, remove_misses;
    uint64_t locked, waited;               /**< locks taken; of these after a wait for another's end */
    uint64_t repairs;                      /**< regions put in order after damage or the death of a process */
    uint64_t capacity;                     /**< bytes for records */
    apr_time_t oldest_expiry, newest_expiry; /**< of entries that have not expired; 0 without any */
    uint64_t expiries, expiry_seconds;       /**< how many these are; the sum of their times, in seconds */
} ssl_shmcb_stats;

/** Called with a copy of a record; its id and data are the callee's only during the call. */
typedef void ssl_shmcb_visitor(void *context, const unsigned char *id, uint32_t id_len, apr_time_t expiry,
                               const unsigned char *data, uint32_t len);

/** Bytes that the locks of a block of SIZE bytes take. */
size_t ssl_shmcb_locks_size(size_t size);

/** Makes CACHE a view of BLOCK (SIZE bytes, aligned to 8) and LOCKS, which both
 * must outlive it.  APR_EINVAL if SIZE is out of bounds. */
apr_status_t ssl_shmcb_attach(ssl_shmcb *cache, void *block, size_t size, void *locks);

/** Makes CACHE an empty cache, with new locks.  Before other processes know of it. */
apr_status_t ssl_shmcb_format(ssl_shmcb *cache);

/** Takes over a formatted block that no process uses any more, whatever has become of it since: new
 * locks, each region put in order, all counts 0.  Before other processes know of it. */
apr_status_t ssl_shmcb_adopt(ssl_shmcb *cache);

/** Whether the block was formatted as a cache of this size and layout. */
int ssl_shmcb_is_formatted(const ssl_shmcb *cache);

/** Overwrites all that is in the block. */
void ssl_shmcb_wipe(ssl_shmcb *cache);

/** Puts DATA under ID in place of what is there; the oldest records make room.
 * APR_ENOSPC: larger than a region.  APR_TIMEUP: the region stayed locked. */
apr_status_t ssl_shmcb_store(ssl_shmcb *cache, const unsigned char *id, uint32_t id_len, apr_time_t expiry,
                             const unsigned char *data, uint32_t len, apr_time_t now);

/** Copies what is stored under ID to DATA, which has room for *LEN bytes; sets *LEN.
 * APR_NOTFOUND: not there, or expired.  APR_ENOSPC: there is not room enough. */
apr_status_t ssl_shmcb_retrieve(ssl_shmcb *cache, const unsigned char *id, uint32_t id_len, unsigned char *data,
                                uint32_t *len, apr_time_t now);

/** Removes and overwrites what is stored under ID.  APR_NOTFOUND: it was not there. */
apr_status_t ssl_shmcb_remove(ssl_shmcb *cache, const unsigned char *id, uint32_t id_len);

/** Shows VISITOR each record that has not expired.  No lock is held meanwhile, so it may use the cache. */
apr_status_t ssl_shmcb_iterate(ssl_shmcb *cache, ssl_shmcb_visitor *visitor, void *context, apr_time_t now);

/** All but the times, in no time: without a lock, a figure may be a moment old. */
void ssl_shmcb_read_counts(const ssl_shmcb *cache, ssl_shmcb_stats *stats);

/** Reads all regions, one after the other, for the times of their entries. */
void ssl_shmcb_read_stats(ssl_shmcb *cache, ssl_shmcb_stats *stats, apr_time_t now);

/** The lock of a region, also used for other things that processes share. _init() makes one in memory that is
 * shared; 0 or an errno.  _lock() waits for a bounded time: 0; EOWNERDEAD: the last holder died, it is yours, and
 * pthread_mutex_consistent() is due once what it guards is in order; ETIMEDOUT and others: not yours. */
int ssl_shmcb_lock_init(pthread_mutex_t *lock);
int ssl_shmcb_lock(pthread_mutex_t *lock);

/** What the cache makes of its ids and records; for tests that look into the block. */
uint64_t ssl_shmcb_digest(uint64_t start, const void *bytes, size_t len);

#endif /* SSL_SHMCB_H */
