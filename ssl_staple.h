/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_staple.h - a table of OCSP answers in memory that processes share: one
 * slot for each certificate.  No httpd types, so that t/unit links it alone.
 *
 * Handshakes read, in all processes; they never wait.  Who fetches writes, and
 * there is seldom more than one of these.  Nothing in the table is an address.
 */
#ifndef SSL_STAPLE_H
#define SSL_STAPLE_H

#include <stddef.h>
#include <stdint.h>

#include "apr_errno.h"
#include "apr_time.h"

/** Bytes of a slot.  A page is only there once something was written to it. */
#define SSL_STAPLE_SLOT 16384

/** Longest answer: with a responder's certificate and RSA signatures they have 2 or 3 KB. */
#define SSL_STAPLE_MAX_ANSWER 15360

/** Bytes of a certificate's key: its SHA-256. */
#define SSL_STAPLE_KEY 32

/** Changes whenever the layout of a slot does. */
#define SSL_STAPLE_LAYOUT 1

/** What the answer that is held says. */
typedef enum { SSL_STAPLE_NONE, SSL_STAPLE_GOOD, SSL_STAPLE_REVOKED } ssl_staple_state;

/** What is known of a certificate's answer.  Times are microseconds since 1970, 0: there is none. */
typedef struct ssl_staple_facts {
    apr_time_t this_update, next_update; /**< of the answer that is held; next_update 0: it names none */
    apr_time_t expires;                  /**< from then on it is not stapled */
    apr_time_t fetched;                  /**< when it came from the responder, the cache or the disk */
    apr_time_t next_fetch;               /**< when the responder is to be asked again */
    uint32_t state;                      /**< ssl_staple_state */
    uint32_t failures;                   /**< attempts since the last that brought an answer */
    int32_t response_status;             /**< responseStatus of the last failure; -1: there was no response */
    char error[212];                     /**< of the last attempt, in words; "": it brought an answer */
} ssl_staple_facts;

/** One process's view of a table; the memory outlives it. */
typedef struct ssl_staple_table {
    unsigned char *memory; /**< shared, ssl_staple_size(slots) bytes, zeroed before it was first used */
    uint32_t slots;
} ssl_staple_table;

size_t ssl_staple_size(uint32_t slots);

/** Copies what is known about certificate SLOT, at one moment, to FACTS.
 * APR_EAGAIN: it is being written or was damaged; FACTS are zeroed. */
apr_status_t ssl_staple_read_facts(const ssl_staple_table *table, uint32_t slot, ssl_staple_facts *facts);

/** The answer of SLOT, if it may be stapled at the time NOW: *DER is made by
 * OPENSSL_malloc(3), the caller's.  APR_NOTFOUND: there is none, or it has
 * expired.  APR_EAGAIN: it is being written or was damaged.  Never waits. */
apr_status_t ssl_staple_read(const ssl_staple_table *table, uint32_t slot, apr_time_t now, unsigned char **der,
                             size_t *len);

/** Replaces the facts of SLOT and, unless DER is NULL, its answer.  LEN 0 with
 * DER: the answer goes.  APR_ENOSPC: LEN is above SSL_STAPLE_MAX_ANSWER.
 * APR_EBUSY: another writer stayed in it; one that died is put aside. */
apr_status_t ssl_staple_write(const ssl_staple_table *table, uint32_t slot, const ssl_staple_facts *facts,
                              const unsigned char *der, size_t len);

/** Copies SLOT of FROM to TO's slot AT, answer and all, if it is whole. */
void ssl_staple_copy(const ssl_staple_table *from, uint32_t slot, const ssl_staple_table *to, uint32_t at);

/** How long to wait before asking again after FAILURES (at least 1) in a row:
 * 5 seconds, doubled with each, at most CAP (at least a second). */
apr_interval_time_t ssl_staple_back_off(uint32_t failures, apr_interval_time_t cap);

/** When to ask again, after an answer came at NOW: at half of its validity, of
 * what is left of it if that has passed; no sooner than 10 seconds.  CHANCE
 * (0 to 255) moves it by up to a tenth to either side.  CAP bounds the wait; 0: it
 * doesn't.  EXPIRES is when the answer is not to be stapled any longer. */
apr_time_t ssl_staple_refresh_time(apr_time_t now, apr_time_t this_update, apr_time_t expires,
                                   apr_interval_time_t cap, unsigned int chance);

#endif /* SSL_STAPLE_H */
