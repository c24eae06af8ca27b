/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_ticket.h - the keys that seal session tickets (RFC 5077, 4; RFC 8446,
 * 4.6.1: a ticket of TLS 1.3 is opaque to the client, too).
 *
 * Keys lie in memory that the parent maps and all processes share: see
 * ssl_ticketring.h.  Those of hosts without files of their own are kept over restarts.
 */
#ifndef SSL_TICKET_H
#define SSL_TICKET_H

#include "ssl_config.h"
#include "ssl_ticketring.h"

/** Where a host's keys come from. */
typedef enum {
    SSL_TICKET_RANDOM, /**< made here, by time */
    SSL_TICKET_SHARED, /**< SSLSessionTicketKeySharing: exchanged with other servers */
    SSL_TICKET_FILES   /**< SSLSessionTicketKeyFile */
} ssl_ticket_source;

/** The keys of a host.  Lives in pconf; the keys themselves do not. */
typedef struct ssl_ticket_keys {
    ssl_ticket_ring ring;
    ssl_ticket_source source;
} ssl_ticket_keys;

/** For mod_status and its like.  No secrets. */
typedef struct ssl_ticket_facts {
    ssl_ticket_source source;
    const char *source_name; /**< "random", "shared", "file" */
    int farm_key;            /**< the current key is one that the farm shares: false while its store is out of reach */
    ssl_ticket_ring_facts ring;
} ssl_ticket_facts;

/** Any process: what there is to say of KEYS (of a host: host->ticket_keys; NULL: those of hosts without files). */
void ssl_ticket_describe(const ssl_ticket_keys *keys, ssl_ticket_facts *facts);

/** post_config, before hosts are made: finds the keys of hosts without SSLSessionTicketKeyFile, which are kept
 * for the process, or makes them.  APR_SUCCESS, or logged for S why not. */
apr_status_t ssl_ticket_init(server_rec *s, apr_pool_t *p);

/** post_config, when all hosts are made: tells these keys when to rotate; FOR_GOOD: also begins to share them.
 * APR_SUCCESS, or logged why not. */
apr_status_t ssl_ticket_ready(server_rec *s, apr_pool_t *p, int for_good);

/** The keys of hosts without SSLSessionTicketKeyFile. */
const ssl_ticket_keys *ssl_ticket_common(void);

/** Memory for a ring of CAPACITY keys, for the life of P: shared by all processes, in no core dump.
 * APR_SUCCESS, or why not. */
apr_status_t ssl_ticket_map(ssl_ticket_ring *ring, uint32_t capacity, apr_pool_t *p);

/** post_config: the keys that PATHS (const char *, one SSLSessionTicketKeyFile
 * each; NULL or empty: the common ones) hold, for the host that messages call ID.
 * Hosts with the same files share them.  NULL: logged why not. */
const ssl_ticket_keys *ssl_ticket_keys_for(server_rec *s, const char *id, apr_array_header_t *paths, apr_pool_t *p);

/** Forgets which files were read: a new reading of the configuration begins, in P. */
void ssl_ticket_files_begin(apr_pool_t *p);

/** The parent, every few seconds: reads the files that have changed. */
void ssl_ticket_files_check(server_rec *s);

/** post_config: SSLSessionTicketKeySharing: reads the sealing key, opens the store, and lets mod_watchdog exchange
 * the common keys.  HABITS are theirs.  APR_SUCCESS, or logged why not. */
apr_status_t ssl_ticket_share_init(server_rec *s, const ssl_ticket_habits *habits, apr_pool_t *p);

/** monitor, in the parent: keeps keys up to date while no connection does. */
int ssl_ticket_monitor(apr_pool_t *p, server_rec *s);

/** SSLSessionTicketKeyRotation, SSLSessionTicketKeySharing: for the directive table. */
const char *ssl_ticket_set_rotation(cmd_parms *cmd, void *dir, const char *arg);
const char *ssl_ticket_set_sharing(cmd_parms *cmd, void *dir, const char *cache, const char *path);

/** Lets CTX seal and open tickets with the keys of the connection's host
 * (SSL_CTX_set_tlsext_ticket_key_evp_cb(3)). */
void ssl_ticket_setup(SSL_CTX *ctx);

#endif /* SSL_TICKET_H */
