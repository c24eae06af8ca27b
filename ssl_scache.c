/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_scache.c - between OpenSSL's session callbacks and a socache provider:
 * ours (ssl_scache_shmcb.c, ssl_scache_dbm.c) or one of httpd's.
 *
 * Sessions are stored in OpenSSL's ASN.1 form under their id.  They are made
 * and parsed outside the lock.  What the cache returns is taken for hostile:
 * OpenSSL's parser must use it up to the last byte, and OpenSSL then compares
 * the session id context, which names the virtual host.
 */
#include "ssl_check.h"
#include "ssl_conn.h"
#include "ssl_log.h"
#include "ssl_metrics.h"
#include "ssl_scache.h"

#include "ap_provider.h"
#include "mod_status.h"
#include "util_mutex.h"

#include <unistd.h>

/* A session with a chain of client certificates fits; anything larger is not stored. */
#define MAX_SESSION 10240

static apr_global_mutex_t *mutex; /* NULL while the provider needs none */

apr_status_t ssl_scache_register_mutexes(apr_pool_t *p)
{
    static const char *const types[] = { SSL_CACHE_MUTEX_TYPE, SSL_STAPLING_MUTEX_TYPE,
                                         SSL_STAPLING_REFRESH_MUTEX_TYPE };
    apr_status_t rv = APR_SUCCESS;
    size_t i;

    for (i = 0; rv == APR_SUCCESS && i < sizeof(types) / sizeof(types[0]); i++) {
        rv = ap_mutex_register(p, types[i], NULL, APR_LOCK_DEFAULT, 0);
    }
    return rv;
}

/* "shmcb" and "dbm" are ours, with nothing else loaded.  "default" is what a
 * module registers as such (mod_socache_shmcb does), else shmcb as well. */
static const ap_socache_provider_t *find_provider(const char *name)
{
    const ap_socache_provider_t *foreign;

    if (!strcmp(name, ssl_scache_shmcb.name)) {
        return &ssl_scache_shmcb;
    }
    if (!strcmp(name, ssl_scache_dbm.name) || !strncmp(name, "dbm/", 4)) {
        return &ssl_scache_dbm;
    }
    foreign = ap_lookup_provider(AP_SOCACHE_PROVIDER_GROUP, name, AP_SOCACHE_PROVIDER_VERSION);
    return foreign || strcmp(name, AP_SOCACHE_DEFAULT_PROVIDER) ? foreign : &ssl_scache_shmcb;
}

const char *ssl_scache_open(cmd_parms *cmd, const char *arg, const ap_socache_provider_t **provider,
                            ap_socache_instance_t **instance)
{
    const char *colon = ap_strchr_c(arg, ':');
    const char *name = colon ? apr_pstrmemdup(cmd->pool, arg, (apr_size_t)(colon - arg)) : arg;
    const char *err;

    *provider = find_provider(name);
    if (!*provider) {
        return apr_psprintf(cmd->pool, "%s: there is no cache named '%s'; perhaps mod_socache_%s is to be loaded "
                            "before this line (shmcb and dbm need no module)", cmd->cmd->name, name, name);
    }
    err = (*provider)->create(instance, colon ? colon + 1 : NULL, cmd->temp_pool, cmd->pool);
    if (!err && *provider == &ssl_scache_dbm && name[3]) {
        err = ssl_scache_dbm_set_type(*instance, name + 4, cmd->pool);
    }
    return err ? apr_psprintf(cmd->pool, "%s: %s", cmd->cmd->name, err) : NULL;
}

static apr_status_t destroy_cache(void *server)
{
    ssl_global_config *global = ssl_global();

    if (global->session_cache) {
        global->session_cache->destroy(global->session_cache_instance, server);
    }
    return APR_SUCCESS;
}

/* The file of SSLSessionCache dbm:path, which each child opens for itself; else NULL. */
static const char *dbm_file(apr_pool_t *p)
{
    const char *name = ssl_global()->session_cache_name;

    return ap_cstr_casecmpn(name, "dbm:", 4) == 0 ? ap_server_root_relative(p, name + 4) : NULL;
}

/* Why the cache could not be set up, as far as its file's directory tells. */
static const char *setup_problem(apr_pool_t *p)
{
    const char *path = dbm_file(p);
    const char *slash = path ? ap_strrchr_c(path, '/') : NULL;
    const char *directory = slash ? apr_pstrmemdup(p, path, (apr_size_t)(slash - path)) : NULL;
    const char *problem = directory && *directory ? ssl_path_problem(p, directory, 1) : NULL;

    return problem ? apr_psprintf(p, ": its directory '%s': %s", directory, problem) : "";
}

/* What the children's User will not get at, told before it happens. */
static void warn_of_denied(server_rec *s, apr_pool_t *p)
{
    const char *lock = mutex ? apr_global_mutex_lockfile(mutex) : NULL;
    const char *denied = lock ? ssl_path_denied(p, lock, R_OK | W_OK) : NULL;
    const char *dbm = dbm_file(p);

    if (denied) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "the children need the lock file '%s' (Mutex ... " SSL_CACHE_MUTEX_TYPE "), but %s: chmod o+x the "
                     "directory, or name another one in Mutex or SSLMutex", lock, denied);
    }
    denied = dbm ? ssl_path_denied(p, dbm, R_OK | W_OK) : NULL;
    if (denied) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "the children need the file of SSLSessionCache %s, but %s: chmod o+x the directory, or name "
                     "another one", ssl_global()->session_cache_name, denied);
    }
}

apr_status_t ssl_scache_init(server_rec *s, apr_pool_t *p)
{
    static const struct ap_socache_hints hints = { .avg_obj_size = 150, .avg_id_len = 32, .expiry_interval = 30000000 };
    ssl_global_config *global = ssl_global();
    apr_status_t rv = APR_SUCCESS;

    mutex = NULL;
    if (!global->session_cache) {
        if (!global->session_cache_name) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                         APLOGNO(01873) "Init: Session Cache is not configured [hint: SSLSessionCache]");
        }
        return rv;
    }
    if (global->session_cache->flags & AP_SOCACHE_FLAG_NOTMPSAFE) {
        rv = ap_global_mutex_create(&mutex, NULL, SSL_CACHE_MUTEX_TYPE, NULL, s, p, 0);
    }
    if (rv == APR_SUCCESS) {
        rv = global->session_cache->init(global->session_cache_instance, "mod_ssl-sess", &hints, s, p);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s, APLOGNO(01874) "cannot set up SSLSessionCache %s%s",
                     global->session_cache_name, setup_problem(p));
        return rv;
    }
    warn_of_denied(s, p);
    apr_pool_cleanup_register(p, s, destroy_cache, apr_pool_cleanup_null);
    return rv;
}

void ssl_scache_init_child(server_rec *s, apr_pool_t *p)
{
    const char *lock = mutex ? apr_global_mutex_lockfile(mutex) : NULL, *denied;
    apr_status_t rv;

    if (!mutex) {
        return;
    }
    rv = apr_global_mutex_child_init(&mutex, lock, p);
    if (rv != APR_SUCCESS) {
        denied = lock ? ssl_path_denied(p, lock, R_OK | W_OK) : NULL;
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s, "this child cannot use the " SSL_CACHE_MUTEX_TYPE " mutex%s%s%s: "
                     "its clients' sessions are not resumed", lock ? ", whose file is " : "", lock ? lock : "",
                     denied ? apr_pstrcat(p, "; ", denied, NULL) : "");
        ssl_global()->session_cache = NULL;
    }
}

static int lock_cache(server_rec *s)
{
    apr_status_t rv = mutex ? apr_global_mutex_lock(mutex) : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s, "cannot lock the session cache: going on without it");
    }
    return rv == APR_SUCCESS;
}

static void unlock_cache(void)
{
    if (mutex) {
        apr_global_mutex_unlock(mutex);
    }
}

/* SSL_CTX_sess_set_new_cb(3): the session is not kept by OpenSSL (return 0). */
static int store_session(SSL *ssl, SSL_SESSION *session)
{
    const ssl_global_config *global = ssl_global();
    ssl_conn *conn = SSL_get_app_data(ssl);
    unsigned char der[MAX_SESSION], *end = der;
    unsigned int id_len;
    const unsigned char *id = SSL_SESSION_get_id(session, &id_len);
    apr_time_t expiry;
    apr_status_t rv;
    int len;

    /* A stateless ticket holds its session itself: nobody would ever ask for it here. */
    if (!global->session_cache ||
        (SSL_version(ssl) >= TLS1_3_VERSION && !(SSL_get_options(ssl) & SSL_OP_NO_TICKET))) {
        return 0;
    }
    len = i2d_SSL_SESSION(session, NULL);
    if (len <= 0 || len > MAX_SESSION) {
        ssl_count(SSL_COUNT_CACHE_NOT_STORED);
        return 0;
    }
    i2d_SSL_SESSION(session, &end);
    expiry = apr_time_now() + apr_time_from_sec(SSL_SESSION_get_timeout(session));
    if (!lock_cache(conn->server)) {
        ssl_count(SSL_COUNT_CACHE_NOT_STORED);
        OPENSSL_cleanse(der, (size_t)len);
        return 0;
    }
    rv = global->session_cache->store(global->session_cache_instance, conn->server, id, id_len, expiry, der,
                                      (unsigned int)len, conn->c->pool);
    unlock_cache();
    OPENSSL_cleanse(der, (size_t)len);
    ssl_count(rv == APR_SUCCESS ? SSL_COUNT_CACHE_STORED : SSL_COUNT_CACHE_NOT_STORED);
    ap_log_cerror(APLOG_MARK, APLOG_TRACE2, rv, conn->c, "session stored: %d bytes", len);
    return 0;
}

/* Not removed at once: the client may have to begin anew (HelloRetryRequest),
 * and what has not shown that it knows the session's secret must not end it. */
static void note_use(ssl_conn *conn, const unsigned char *id, int id_len)
{
    if (SSL_version(conn->ssl) >= TLS1_3_VERSION && (size_t)id_len <= sizeof(conn->session_used)) {
        memcpy(conn->session_used, id, (size_t)id_len);
        conn->session_used_len = (unsigned int)id_len;
    }
}

/* SSL_CTX_sess_set_get_cb(3) */
static SSL_SESSION *find_session(SSL *ssl, const unsigned char *id, int id_len, int *copy)
{
    const ssl_global_config *global = ssl_global();
    ssl_conn *conn = SSL_get_app_data(ssl);
    unsigned char der[MAX_SESSION];
    const unsigned char *at = der;
    unsigned int len = sizeof(der);
    SSL_SESSION *session = NULL;
    apr_status_t rv;

    *copy = 0;
    if (!global->session_cache || id_len <= 0 || !lock_cache(conn->server)) {
        return NULL;
    }
    rv = global->session_cache->retrieve(global->session_cache_instance, conn->server, id, (unsigned int)id_len, der,
                                         &len, conn->c->pool);
    unlock_cache();
    if (rv == APR_SUCCESS && len <= sizeof(der)) {
        session = d2i_SSL_SESSION(NULL, &at, len);
        if (session && at != der + len) {
            SSL_SESSION_free(session);
            session = NULL;
        }
        OPENSSL_cleanse(der, len);
        ERR_clear_error();
    }
    ssl_count(session ? SSL_COUNT_CACHE_HIT : SSL_COUNT_CACHE_MISS);
    if (session) {
        note_use(conn, id, id_len);
    }
    ap_log_cerror(APLOG_MARK, APLOG_TRACE2, rv, conn->c, "session %s", session ? "found" : "not found");
    return session;
}

static void remove_id(server_rec *s, const unsigned char *id, unsigned int id_len, apr_pool_t *p)
{
    const ssl_global_config *global = ssl_global();
    apr_status_t rv = APR_EGENERAL;

    if (lock_cache(s)) {
        rv = global->session_cache->remove(global->session_cache_instance, s, id, id_len, p);
        unlock_cache();
    }
    ssl_count(rv == APR_SUCCESS ? SSL_COUNT_CACHE_REMOVED : SSL_COUNT_CACHE_NOT_REMOVED);
}

/* SSL_CTX_sess_set_remove_cb(3) */
static void remove_session(SSL_CTX *ctx, SSL_SESSION *session)
{
    const ssl_global_config *global = ssl_global();
    unsigned int id_len;
    const unsigned char *id = SSL_SESSION_get_id(session, &id_len);
    apr_pool_t *p;

    (void)ctx;
    if (!global || !global->session_cache || !id_len || apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return;
    }
    remove_id(NULL, id, id_len, p);
    apr_pool_destroy(p);
}

void ssl_scache_used(ssl_conn *conn)
{
    if (conn->session_used_len && conn->facts.resumed && ssl_global()->session_cache) {
        remove_id(conn->server, conn->session_used, conn->session_used_len, conn->c->pool);
    }
    conn->session_used_len = 0;
}

void ssl_scache_setup(SSL_CTX *ctx, int timeout)
{
    const ssl_global_config *global = ssl_global();
    long mode = SSL_SESS_CACHE_OFF;

    SSL_CTX_set_timeout(ctx, timeout);
    if (global->session_cache) {
        mode = SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL;
        SSL_CTX_sess_set_new_cb(ctx, store_session);
        SSL_CTX_sess_set_get_cb(ctx, find_session);
        SSL_CTX_sess_set_remove_cb(ctx, remove_session);
    }
    else if (global->session_id_without_cache) {
        mode = SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL;
    }
    SSL_CTX_set_session_cache_mode(ctx, mode);
}

void ssl_scache_print_lines(request_rec *r, const ssl_scache_line *lines, apr_size_t n)
{
    apr_size_t i;

    for (i = 0; i < n; i++) {
        ap_rprintf(r, "%s: %" APR_UINT64_T_FMT "\n", lines[i].name, lines[i].value);
    }
}

int ssl_scache_status(request_rec *r, int flags)
{
    const ssl_global_config *global = ssl_global();

    if (!global->session_cache || !global->session_cache->status) {
        return OK;
    }
    if (!(flags & AP_STATUS_SHORT)) {
        ap_rputs("<hr>\n<h2>SSL/TLS session cache</h2>\n", r);
    }
    else {
        ap_rputs("TLSSessionCacheStatus\n", r);
    }
    if (lock_cache(r->server)) {
        global->session_cache->status(global->session_cache_instance, r, flags);
        unlock_cache();
    }
    return OK;
}

/* What a provider of httpd's own keeps is its secret. */
static int read_figures(request_rec *r, ssl_scache_figures *figures)
{
    const ssl_global_config *global = ssl_global();
    int known = 0;

    if (global->session_cache == &ssl_scache_shmcb) {
        return ssl_scache_shmcb_figures(global->session_cache_instance, figures);
    }
    if (global->session_cache == &ssl_scache_dbm && lock_cache(r->server)) {
        known = ssl_scache_dbm_figures(global->session_cache_instance, r, figures);
        unlock_cache();
    }
    return known;
}

void ssl_scache_report(ssl_metrics_writer *w)
{
    static const struct {
        const char *name, *help;
        apr_size_t at;
    } metrics[] = {
        { "ssl_session_cache_entries", "Sessions in SSLSessionCache.", offsetof(ssl_scache_figures, entries) },
        { "ssl_session_cache_bytes", "Bytes that they take.", offsetof(ssl_scache_figures, bytes) },
        { "ssl_session_cache_capacity_bytes", "Bytes that there are for them.",
          offsetof(ssl_scache_figures, capacity) },
        { "ssl_session_cache_expired_total", "Sessions dropped after their time.",
          offsetof(ssl_scache_figures, expired) },
        { "ssl_session_cache_evicted_total", "Sessions dropped before their time, for want of room.",
          offsetof(ssl_scache_figures, evicted) },
        { "ssl_session_cache_locks_total", "Locks of regions that were taken.", offsetof(ssl_scache_figures, locked) },
        { "ssl_session_cache_lock_waits_total", "Locks of regions that were waited for.",
          offsetof(ssl_scache_figures, waited) },
        { "ssl_session_cache_repairs_total", "Regions or files put in order after damage or the death of a process.",
          offsetof(ssl_scache_figures, repairs) },
        { "ssl_session_cache_failures_total", "Operations that the cache could not do: disk full, for example.",
          offsetof(ssl_scache_figures, failures) },
    };
    ssl_scache_figures figures;
    apr_size_t i;

    memset(&figures, 0xff, sizeof(figures)); /* SSL_SCACHE_UNKNOWN */
    if (!read_figures(ssl_metrics_request(w), &figures)) {
        return;
    }
    for (i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        apr_int64_t value = *(const apr_int64_t *)(const void *)((const char *)&figures + metrics[i].at);

        if (value != SSL_SCACHE_UNKNOWN) {
            ssl_metrics_value(w, metrics[i].name, metrics[i].help, value);
        }
    }
}
