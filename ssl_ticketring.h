/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_ticketring.h - ticket keys in memory that all processes share, and the
 * form in which a farm's servers exchange them.  No httpd types, so that t/unit
 * links ssl_util_ticket.c and ssl_util_ticketseal.c alone.
 *
 * All functions but ssl_ticket_ring_init() may be called by any thread of any
 * process at any time.  Who gets a key gets a copy, and cleanses it.
 */
#ifndef SSL_TICKETRING_H
#define SSL_TICKETRING_H

#include <stddef.h>
#include <stdint.h>

#define SSL_TICKET_NAME 16
#define SSL_TICKET_SMALL 16  /* bytes of a secret: AES-128 */
#define SSL_TICKET_LARGE 32  /* AES-256 */

/** Changes whenever the layout of the memory does. */
#define SSL_TICKET_LAYOUT 1

/** A time that does not come. */
#define SSL_TICKET_NEVER INT64_MAX

typedef struct ssl_ticket_key {
    unsigned char name[SSL_TICKET_NAME]; /**< first in a ticket, in the clear */
    unsigned char hmac[SSL_TICKET_LARGE], aes[SSL_TICKET_LARGE];
    uint32_t size;       /**< bytes of `hmac` and of `aes` */
    uint32_t seals;      /**< else it only opens */
    int64_t from, until; /**< seals from, opens until: seconds of ssl_ticket_clock() */
    /* Of a key that a farm shares, all 0 otherwise: seconds since 1970, the same on each machine. */
    int64_t period, epoch;          /**< of time since 1970, the part that it is for */
    int64_t made_from, made_until;  /**< as `from` and `until` */
} ssl_ticket_key;

/** One process's view: its own memory, so what is here can be trusted. */
typedef struct ssl_ticket_ring {
    struct ssl_ticket_memory *memory; /**< shared */
    uint32_t capacity;                /**< keys */
} ssl_ticket_ring;

/** What a ring does by itself. */
typedef struct ssl_ticket_habits {
    int64_t rotation; /**< seconds after which a new random key seals; 0: never */
    int64_t timeout;  /**< seconds for which the key before it still opens */
    int shared;       /**< keys come from elsewhere: a random one only when none came for two rotations */
} ssl_ticket_habits;

typedef enum { SSL_TICKET_UNKNOWN, SSL_TICKET_CURRENT, SSL_TICKET_OLD } ssl_ticket_found;

/** For an administrator: no secrets. */
typedef struct ssl_ticket_ring_facts {
    uint64_t generation; /**< keys that were ever put into the ring */
    int64_t age;         /**< seconds since the current key began to seal */
    int64_t next;        /**< seconds until the next is due; -1: never */
    uint32_t old, ahead; /**< keys that only open; that will seal later */
    int shared;          /**< the current key came from elsewhere */
} ssl_ticket_ring_facts;

/** Seconds since this machine has started: does not jump when somebody sets the clock. */
int64_t ssl_ticket_clock(void);

/** Bytes of memory for a ring of CAPACITY keys. */
size_t ssl_ticket_ring_size(uint32_t capacity);

/** Makes MEMORY an empty ring, before other processes know of it.  Nonzero: an errno. */
int ssl_ticket_ring_init(ssl_ticket_ring *ring, void *memory, uint32_t capacity);

/** Makes RING a view of MEMORY, which ssl_ticket_ring_init() has seen. */
void ssl_ticket_ring_attach(ssl_ticket_ring *ring, void *memory, uint32_t capacity);

/** Copies the key of this NAME (NULL: the one that seals now) to KEY. Waits for nobody. */
ssl_ticket_found ssl_ticket_ring_find(const ssl_ticket_ring *ring, const unsigned char *name, int64_t now,
                                      ssl_ticket_key *key);

/** Whether ssl_ticket_ring_upkeep() has something to do. */
int ssl_ticket_ring_is_due(const ssl_ticket_ring *ring, int64_t now);

/** Makes the next key if its time has come, wipes those whose time is over.
 * Waits for nobody: whoever holds the lock does the same.  1: a new key seals.  0: none does.
 * -1: there should be one, but OpenSSL has no random bytes; the old one stays. */
int ssl_ticket_ring_upkeep(const ssl_ticket_ring *ring, int64_t now);

/** Sets the habits, makes a first random key if there is none, forgets keys that were to come if HABITS->shared
 * is false.  A rotation that would leave no room for the keys that still open is made longer; HABITS then says so.
 * False: the lock or random bytes cannot be had. */
int ssl_ticket_ring_configure(const ssl_ticket_ring *ring, ssl_ticket_habits *habits, int64_t now);

/** Puts N keys (1 to the capacity) in the place of all: the first seals, none expires.  False: no lock. */
int ssl_ticket_ring_replace(const ssl_ticket_ring *ring, const ssl_ticket_key *keys, uint32_t n, int64_t now);

/** Adds a shared KEY.  Of several for one epoch the same seals on each machine: the one that was to seal first, or the
 * lesser name.  1: added.  0: it is there.  -1: no lock. */
int ssl_ticket_ring_adopt(const ssl_ticket_ring *ring, const ssl_ticket_key *key, int64_t now);

/** Copies the shared key that seals in EPOCH to KEY.  False: there is none. */
int ssl_ticket_ring_shared(const ssl_ticket_ring *ring, int64_t period, int64_t epoch, ssl_ticket_key *key);

void ssl_ticket_ring_describe(const ssl_ticket_ring *ring, int64_t now, ssl_ticket_ring_facts *facts);

/** Who exchanges keys with others holds this lock, one process at a time.  _begin: false: somebody else does. */
int ssl_ticket_ring_begin_exchange(const ssl_ticket_ring *ring);
void ssl_ticket_ring_end_exchange(const ssl_ticket_ring *ring);

/** Sets what all processes know of the exchange, a number; returns what it was. */
uint32_t ssl_ticket_ring_note(const ssl_ticket_ring *ring, uint32_t note);

/** Fills KEY with random bytes; its times and epoch are the caller's.  False: there are none. */
int ssl_ticket_key_random(ssl_ticket_key *key);

/* --- shared keys as they travel: ssl_util_ticketseal.c ------------------------------- */

#define SSL_TICKET_SEALING_KEY 32
#define SSL_TICKET_RECORD_ID 32
#define SSL_TICKET_RECORD 148

/** Derives the sealing key from a farm's secret.  False: OpenSSL cannot. */
int ssl_ticket_derive(const unsigned char *secret, size_t len, unsigned char sealing_key[SSL_TICKET_SEALING_KEY]);

/** What the record of an epoch is stored under: differs between farms, and tells nothing without the key. */
int ssl_ticket_record_id(const unsigned char *sealing_key, int64_t period, int64_t epoch,
                         unsigned char id[SSL_TICKET_RECORD_ID]);

/** Seals a shared KEY of SSL_TICKET_LARGE bytes. */
int ssl_ticket_record_seal(const unsigned char *sealing_key, const ssl_ticket_key *key,
                           unsigned char record[SSL_TICKET_RECORD]);

/** Opens what came back for this epoch; anybody may have written it.  Sets all of KEY but from and until.
 * False: it is not a record of this farm for this epoch, and KEY is wiped. */
int ssl_ticket_record_open(const unsigned char *sealing_key, int64_t period, int64_t epoch,
                           const unsigned char *record, size_t len, ssl_ticket_key *key);

#endif /* SSL_TICKETRING_H */
