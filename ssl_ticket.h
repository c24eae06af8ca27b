/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_ticket.h - the keys that seal session tickets (RFC 5077, 4; RFC 8446,
 * 4.6.1: a ticket of TLS 1.3 is opaque to the client, too).
 *
 * Made in the parent by post_config, read-only in the children; wiped when the
 * configuration that they belong to goes.
 */
#ifndef SSL_TICKET_H
#define SSL_TICKET_H

#include "ssl_config.h"

/** Keys in the order of use: the first seals, all of them open.  Lives in pconf. */
typedef struct ssl_ticket_keys ssl_ticket_keys;

/** post_config: the keys of hosts without SSLSessionTicketKeyFile, made at
 * random, anew for each reading of the configuration: a restart ends what stolen
 * keys are good for.  APR_SUCCESS, or logged for S why not. */
apr_status_t ssl_ticket_init(server_rec *s, apr_pool_t *p);

/** post_config: the keys that PATHS (const char *, one SSLSessionTicketKeyFile
 * each; NULL or empty: the random ones) hold, for the host that messages call ID.
 * Hosts with the same files share them.  NULL: logged why not. */
const ssl_ticket_keys *ssl_ticket_keys_for(server_rec *s, const char *id, apr_array_header_t *paths, apr_pool_t *p);

/** Lets CTX seal and open tickets with the keys of the connection's host
 * (SSL_CTX_set_tlsext_ticket_key_evp_cb(3)). */
void ssl_ticket_setup(SSL_CTX *ctx);

#endif /* SSL_TICKET_H */
