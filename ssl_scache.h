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

/** post_config: opens the cache that SSLSessionCache names, for the life of P.
 * APR_SUCCESS also when there is none; else logged why not. */
apr_status_t ssl_scache_init(server_rec *main_server, apr_pool_t *p);

/** child_init: attaches to the mutex. */
void ssl_scache_init_child(server_rec *main_server, apr_pool_t *p);

/** Sets the session cache mode and callbacks of CTX (SSL_CTX_sess_set_new_cb(3)). */
void ssl_scache_setup(SSL_CTX *ctx, int timeout);

/** mod_status: a line about the cache. */
int ssl_scache_status(request_rec *r, int flags);

#endif /* SSL_SCACHE_H */
