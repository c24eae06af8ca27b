/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_stapling.h - OCSP stapling (RFC 6066, 8; RFC 8446, 4.4.2.1).
 *
 * Handshakes only look into the table of ssl_staple.h, which all processes
 * share.  One process fills it (ssl_engine_staplefetch.c), before it is
 * needed.  The parent makes all records here at start; children only read them.
 */
#ifndef SSL_STAPLING_H
#define SSL_STAPLING_H

#include "ssl_config.h"
#include "ssl_staple.h"

/** SSLStaplingMustStaple. */
enum { SSL_MUST_STAPLE_WARN, SSL_MUST_STAPLE_REFUSE };

/** A certificate that answers are stapled for; made in pconf.  Settings are
 * those of the first virtual host that has it. */
typedef struct ssl_staple_cert {
    unsigned char key[SSL_STAPLE_KEY]; /**< its SHA-256 */
    X509 *cert, *issuer;      /**< references of its own; issuer NULL: not found */
    server_rec *server;       /**< the first virtual host with SSLUseStapling, or else the first with the certificate */
    const char *name;         /**< for messages: file and subject */
    const char *responder;    /**< URL that answers come from; NULL: none */
    uint32_t slot;            /**< in the table, if `own` */
    unsigned wanted : 1;      /**< a virtual host that has it has SSLUseStapling on */
    unsigned own : 1;         /**< answers are fetched here */
    unsigned foreign : 1;     /**< another module said that it brings them */
    unsigned must_staple : 1; /**< the certificate demands it (RFC 7633) */
} ssl_staple_cert;

/** All of them, with what they share.  Lives in pconf. */
typedef struct ssl_stapling {
    apr_array_header_t *certs; /**< ssl_staple_cert *: those that are `own`, in the order of their slots */
    apr_hash_t *by_cert;       /**< X509 * -> ssl_staple_cert, all */
    apr_hash_t *by_key;        /**< the same, by key */
    ssl_staple_table table;
    server_rec *server;        /**< the main server */
} ssl_stapling;

/** post_config, when all hosts are made: which certificates are there, who
 * answers for them, and what is known already: from before a restart, or from
 * SSLStaplingStore.  FOR_GOOD: this is not the first of the two readings at
 * start.  APR_SUCCESS, or logged why not. */
apr_status_t ssl_stapling_init(server_rec *main_server, apr_pool_t *p, apr_pool_t *ptemp, int for_good);

/** child_init: attaches to SSLStaplingCache; without mod_watchdog, starts what fetches. */
void ssl_stapling_init_child(server_rec *main_server, apr_pool_t *p);

/** Lets connections of CTX staple (SSL_CTX_set_tlsext_status_cb(3)). */
void ssl_stapling_setup(SSL_CTX *ctx);

/** What is known of one certificate. */
typedef struct ssl_stapling_status {
    const char *name;       /**< file and subject of the certificate */
    server_rec *server;     /**< the first virtual host that has it */
    const char *responder;  /**< URL, or NULL */
    int foreign;            /**< another module (mod_md) brings the answers: facts are empty */
    int must_staple;
    const ssl_staple_facts *facts;
} ssl_stapling_status;

typedef void ssl_stapling_visitor(void *context, const ssl_stapling_status *status);

/** For mod_status and metrics: shows VISITOR each certificate, in any process
 * and thread.  What it gets is good for the call alone, strings for as long as the
 * configuration.  Nothing is shown where nothing is stapled. */
void ssl_stapling_report(ssl_stapling_visitor *visitor, void *context);

/* --- between the files of this room ------------------------------------------- */

/** Where an answer comes from. */
typedef enum { SSL_STAPLE_FROM_RESPONDER, SSL_STAPLE_FROM_CACHE, SSL_STAPLE_FROM_STORE } ssl_staple_source;

/** Judges DER as an answer about CERT.  If it may be stapled, and is newer than
 * what is held, it is from now on, in all processes; if not, it is a failure, which
 * is noted and logged if it came from the responder.  True: an answer is held that
 * needs no other yet. */
int ssl_staple_accept(const ssl_stapling *stapling, const ssl_staple_cert *cert, ssl_staple_source from,
                      const unsigned char *der, apr_size_t len, apr_pool_t *p);

/** post_config: has the certificates of STAPLING kept fresh from now on. */
void ssl_staplefetch_init(const ssl_stapling *stapling, apr_pool_t *p);
void ssl_staplefetch_init_child(server_rec *s, apr_pool_t *p);

/** SSLStaplingCache, shared by a farm.  _init() in post_config: APR_SUCCESS, or logged why not. */
apr_status_t ssl_staplecache_init(server_rec *s, apr_pool_t *p);
void ssl_staplecache_init_child(server_rec *s, apr_pool_t *p);

/** What the cache holds for CERT, still to be judged, in P.  False: nothing. */
int ssl_staplecache_find(const ssl_staple_cert *cert, const unsigned char **der, apr_size_t *len, apr_pool_t *p);

/** Puts an answer into it, until EXPIRES. */
void ssl_staplecache_store(const ssl_staple_cert *cert, const unsigned char *der, apr_size_t len, apr_time_t expires,
                           apr_pool_t *p);

/** SSLStaplingStore: prepares the directory and reads the answers for
 * certificates that have none.  The reading is done by a process that has dropped its privileges. */
void ssl_staplestore_load(const ssl_stapling *stapling, apr_pool_t *ptemp);

/** Keeps an answer about CERT in the directory, if there is one. */
void ssl_staplestore_save(const ssl_staple_cert *cert, const unsigned char *der, apr_size_t len, apr_pool_t *p);

#endif /* SSL_STAPLING_H */
