/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_scache.h - the session cache that all processes share.
 */
#ifndef SSL_SCACHE_H
#define SSL_SCACHE_H

#include "ssl_config.h"

/** Names of our mutexes for the Mutex directive. */
#define SSL_CACHE_MUTEX_TYPE "ssl-cache"
#define SSL_STAPLING_MUTEX_TYPE "ssl-stapling"
#define SSL_STAPLING_REFRESH_MUTEX_TYPE "ssl-stapling-refresh"

/** pre_config: registers the mutexes. */
apr_status_t ssl_scache_register_mutexes(apr_pool_t *p);

/** This module's own providers, for "shmcb" and "dbm". */
extern const ap_socache_provider_t ssl_scache_shmcb, ssl_scache_dbm;

/** Sets the type of a DBM (apr_dbm_open_ex()) that ssl_scache_dbm.create() made.
 * NULL, or why there is no such TYPE. */
const char *ssl_scache_dbm_set_type(ap_socache_instance_t *instance, const char *type, apr_pool_t *p);

/** A directive's "name[:arguments]": ours for "shmcb", "dbm" and "dbm/type", else
 * httpd's provider of this name.  NULL, or what is wrong; the cache still has to be initialized. */
const char *ssl_scache_open(cmd_parms *cmd, const char *arg, const ap_socache_provider_t **provider,
                            ap_socache_instance_t **instance);

/** post_config: opens the cache that SSLSessionCache names, for the life of P.
 * APR_SUCCESS also when there is none; else logged why not. */
apr_status_t ssl_scache_init(server_rec *main_server, apr_pool_t *p);

/** child_init: attaches to the mutex. */
void ssl_scache_init_child(server_rec *main_server, apr_pool_t *p);

/** A handshake of CONN is over: of TLS 1.3, the session that it resumed goes out
 * of the cache.  Its ticket was for one use (RFC 8446, 8.1; C.4); the client has got another. */
void ssl_scache_used(ssl_conn *conn);

/** Sets the session cache mode and callbacks of CTX (SSL_CTX_sess_set_new_cb(3)). */
void ssl_scache_setup(SSL_CTX *ctx, int timeout);

/** One figure of a cache in mod_status' machine-readable form. */
typedef struct ssl_scache_line {
    const char *name;
    apr_uint64_t value;
} ssl_scache_line;

/** Writes N LINES to R, "name: value" each. */
void ssl_scache_print_lines(request_rec *r, const ssl_scache_line *lines, apr_size_t n);

/** mod_status: a line about the cache. */
int ssl_scache_status(request_rec *r, int flags);

#endif /* SSL_SCACHE_H */
