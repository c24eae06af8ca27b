/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_staplecache.c - SSLStaplingCache: OCSP answers that the servers of
 * a farm share, by any socache provider.
 *
 * Only who fetches uses it: before it asks a responder, and after.  What it
 * returns is taken for hostile, and judged like a responder's answer.
 */
#include "ssl_check.h"
#include "ssl_scache.h"
#include "ssl_stapling.h"

#include "util_mutex.h"

static apr_global_mutex_t *mutex; /* NULL while the provider needs none */
static int usable;                /* this child can use it */

static apr_status_t destroy_cache(void *server)
{
    ssl_global_config *global = ssl_global();

    global->stapling_cache->destroy(global->stapling_cache_instance, server);
    return APR_SUCCESS;
}

apr_status_t ssl_staplecache_init(server_rec *s, apr_pool_t *p)
{
    static const struct ap_socache_hints hints = { .avg_obj_size = 1500, .avg_id_len = SSL_STAPLE_KEY,
                                                   .expiry_interval = 300000000 };
    ssl_global_config *global = ssl_global();
    apr_status_t rv = APR_SUCCESS;

    mutex = NULL;
    usable = 0;
    if (global->stapling_cache->flags & AP_SOCACHE_FLAG_NOTMPSAFE) {
        rv = ap_global_mutex_create(&mutex, NULL, SSL_STAPLING_MUTEX_TYPE, NULL, s, p, 0);
    }
    if (rv == APR_SUCCESS) {
        rv = global->stapling_cache->init(global->stapling_cache_instance, "mod_ssl-staple", &hints, s, p);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s, APLOGNO(01872) "cannot set up SSLStaplingCache (%s)",
                     global->stapling_cache->name ? global->stapling_cache->name : "?");
        return rv;
    }
    usable = 1;
    apr_pool_cleanup_register(p, s, destroy_cache, apr_pool_cleanup_null);
    return rv;
}

void ssl_staplecache_init_child(server_rec *s, apr_pool_t *p)
{
    const char *lock = mutex ? apr_global_mutex_lockfile(mutex) : NULL, *denied;
    apr_status_t rv = mutex ? apr_global_mutex_child_init(&mutex, lock, p) : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        usable = 0;
        denied = lock ? ssl_path_denied(p, lock, R_OK | W_OK) : NULL;
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s, "this child cannot use the " SSL_STAPLING_MUTEX_TYPE " mutex%s%s: "
                     "it leaves SSLStaplingCache alone", denied ? "; " : "", denied ? denied : "");
    }
}

static int lock_cache(const ssl_staple_cert *cert)
{
    apr_status_t rv = mutex ? apr_global_mutex_lock(mutex) : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, cert->server, "cannot lock SSLStaplingCache: going on without it");
    }
    return rv == APR_SUCCESS;
}

static void unlock_cache(void)
{
    if (mutex) {
        apr_global_mutex_unlock(mutex);
    }
}

int ssl_staplecache_find(const ssl_staple_cert *cert, const unsigned char **der, apr_size_t *len, apr_pool_t *p)
{
    const ssl_global_config *global = ssl_global();
    unsigned int size = SSL_STAPLE_MAX_ANSWER;
    unsigned char *found;
    apr_status_t rv;

    if (!usable || !lock_cache(cert)) {
        return 0;
    }
    found = apr_palloc(p, size);
    rv = global->stapling_cache->retrieve(global->stapling_cache_instance, cert->server, cert->key, sizeof(cert->key),
                                          found, &size, p);
    unlock_cache();
    *der = found;
    *len = size;
    return rv == APR_SUCCESS && size > 0 && size <= SSL_STAPLE_MAX_ANSWER;
}

void ssl_staplecache_store(const ssl_staple_cert *cert, const unsigned char *der, apr_size_t len, apr_time_t expires,
                           apr_pool_t *p)
{
    const ssl_global_config *global = ssl_global();
    apr_status_t rv;

    if (!usable || !lock_cache(cert)) {
        return;
    }
    rv = global->stapling_cache->store(global->stapling_cache_instance, cert->server, cert->key, sizeof(cert->key),
                                       expires, (unsigned char *)der, (unsigned int)len, p);
    unlock_cache();
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_INFO, rv, cert->server, "SSLStaplingCache takes no answer of %" APR_SIZE_T_FMT
                     " bytes: this server staples it, others of a farm have to fetch it themselves", len);
    }
}
