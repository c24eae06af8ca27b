/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_scache_shmcb.c - "shmcb:" as a socache provider: where the memory of
 * ssl_util_shmcb.c comes from, and what mod_status shows of it.
 *
 * The memory is anonymous, mapped by the parent and inherited by the children:
 * sessions are never on a disk, and no file has to be writable.  The path in
 * the directive is accepted and not used; the stock module's shared memory has
 * no name in the file system either.  "shmcb:file:/path" asks for a file: then
 * the block is mapped from it (ssl_scache_file.c), the locks still are not.
 *
 * It is kept in the process pool, so that a restart finds its sessions again.
 * Nothing in it holds an address of this module.  When the size changes, the
 * sessions move.  Children of the old generation go on with the old memory
 * until they end.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "ssl_ctx.h"
#include "ssl_scache.h"
#include "ssl_shmcb.h"

#include "ap_mpm.h"
#include "mod_status.h"

#define DEFAULT_SIZE 524288
#define KEPT_BLOCKS "mod_ssl:shmcb-2" /* another number when kept_block changes */

/** Lives in the process pool: it is read by code that was loaded later, perhaps of another version. */
typedef struct kept_block {
    apr_uint32_t layout; /* SSL_SHMCB_LAYOUT of who made it */
    pid_t owner;         /* the parent, who alone may wipe it */
    void *memory;        /* locks, then a page that nobody may touch, then the block */
    apr_size_t mapped, block_at, size;
    ssl_cache_file file;
    const char *path; /* of the file; in the process pool */
} kept_block;

struct ap_socache_instance_t {
    apr_size_t size;
    const char *path; /* of its file, or NULL */
    const char *name; /* of the consumer */
    ssl_shmcb cache;
};

/* --- the directive ------------------------------------------------------------ */

static const char *parse_size(const char *text, apr_size_t *size)
{
    char *end;
    apr_int64_t number = apr_strtoi64(text, &end, 10);

    if (end == text || *end != ')' || end[1]) {
        return "shmcb: what stands in parentheses at the end is the size, a number of bytes: shmcb:path(512000)";
    }
    if (number >= 0 && number < SSL_SHMCB_MIN_SIZE) {
        return "shmcb: the least size is 8192 bytes";
    }
    if (number < 0 || number >= SSL_SHMCB_MAX_SIZE) {
        return "shmcb: the size must be below 4294967295 bytes";
    }
    *size = (apr_size_t)number;
    return NULL;
}

/* "file:" PATH_AND_SIZE */
static const char *parse_file(ap_socache_instance_t *instance, const char *text, const char *parenthesis, apr_pool_t *p)
{
    apr_size_t len = parenthesis ? (apr_size_t)(parenthesis - text) : strlen(text);

    instance->path = len ? ap_server_root_relative(p, apr_pstrmemdup(p, text, len)) : NULL;
    return instance->path ? NULL : "shmcb:file: needs the path of a file: shmcb:file:/run/apache2/sessions(512000)";
}

/* "[[file:]path][(size)]" */
static const char *create(ap_socache_instance_t **instance, const char *arg, apr_pool_t *tmp, apr_pool_t *p)
{
    const char *parenthesis = arg ? strrchr(arg, '(') : NULL, *problem;

    (void)tmp;
    *instance = apr_pcalloc(p, sizeof(**instance));
    (*instance)->size = DEFAULT_SIZE;
    if (arg && strncmp(arg, "file:", 5) == 0) {
        problem = parse_file(*instance, arg + 5, parenthesis, p);
        if (problem) {
            return problem;
        }
    }
    if (!parenthesis) {
        return arg && strchr(arg, ')') ? parse_size("", &(*instance)->size) : NULL;
    }
    return parse_size(parenthesis + 1, &(*instance)->size);
}

/* --- memory ----------------------------------------------------------------------- */

static apr_size_t whole_pages(apr_size_t bytes)
{
    apr_size_t page = (apr_size_t)sysconf(_SC_PAGESIZE);

    return (bytes + page - 1) / page * page;
}

static apr_status_t attach(ssl_shmcb *cache, const kept_block *kept)
{
    return ssl_shmcb_attach(cache, (char *)kept->memory + kept->block_at, kept->size, kept->memory);
}

/* KEPT->file, if it is open, is where the block is. */
static apr_status_t map(kept_block *kept, apr_size_t size)
{
    apr_size_t locks = whole_pages(ssl_shmcb_locks_size(size)), guard = whole_pages(1);

    kept->layout = SSL_SHMCB_LAYOUT;
    kept->owner = getpid();
    kept->size = size;
    kept->block_at = locks + guard;
    kept->mapped = locks + guard + whole_pages(size);
    kept->memory = mmap(NULL, kept->mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (kept->memory == MAP_FAILED) {
        kept->memory = NULL;
        return APR_FROM_OS_ERROR(errno);
    }
    if (kept->file.fd > 0 && mmap((char *)kept->memory + kept->block_at, size, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_FIXED, kept->file.fd, 0) == MAP_FAILED) {
        apr_status_t rv = APR_FROM_OS_ERROR(errno);

        munmap(kept->memory, kept->mapped);
        kept->memory = NULL;
        return rv;
    }
    mprotect((char *)kept->memory + locks, guard, PROT_NONE);
    /* Sessions are as good as keys: they have no place in a core dump. */
    madvise((char *)kept->memory + kept->block_at, kept->mapped - kept->block_at, MADV_DONTDUMP);
    return APR_SUCCESS;
}

static void unmap(kept_block *kept)
{
    if (kept->memory) {
        munmap(kept->memory, kept->mapped);
    }
    ssl_cache_file_close(&kept->file);
    memset(kept, 0, sizeof(*kept));
}

static kept_block *find_kept(const char *name)
{
    return ssl_kept_record(KEPT_BLOCKS, name, sizeof(kept_block));
}

static void move_one(void *context, const unsigned char *id, uint32_t id_len, apr_time_t expiry,
                     const unsigned char *data, uint32_t len)
{
    ssl_shmcb_store(context, id, id_len, expiry, data, len, apr_time_now());
}

/* The sessions of another size, or from elsewhere, move in as far as there is room. */
static void move_all(ssl_shmcb *to, const kept_block *old, server_rec *s)
{
    ssl_shmcb from;

    if (old->memory && old->layout == SSL_SHMCB_LAYOUT && attach(&from, old) == APR_SUCCESS && ssl_shmcb_is_formatted(&from)) {
        ssl_shmcb_iterate(&from, move_one, to, apr_time_now());
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s, "shmcb: the cache was made anew with %" APR_SIZE_T_FMT " bytes "
                     "(before: %" APR_SIZE_T_FMT "); its content has moved", to->size, old->size);
    }
}

/* --- the provider ------------------------------------------------------------------- */

/* Whoever removes the file of a running server and restarts it, wants to be rid of what is in it. */
static int was_removed(const kept_block *kept)
{
    return kept->path && !ssl_cache_file_is(&kept->file, kept->path);
}

/* The memory of the last generation is this one's. */
static int takes_over(ap_socache_instance_t *instance, const kept_block *kept)
{
    int same_place = !instance->path && !kept->path;

    if (instance->path && kept->path) {
        same_place = strcmp(instance->path, kept->path) == 0 && !was_removed(kept);
    }
    return same_place && kept->memory && kept->layout == SSL_SHMCB_LAYOUT && kept->size == instance->size &&
           attach(&instance->cache, kept) == APR_SUCCESS && ssl_shmcb_is_formatted(&instance->cache);
}

/* An empty cache, anonymous or in FRESH's file. */
static apr_status_t make_empty(ap_socache_instance_t *instance, kept_block *fresh)
{
    apr_status_t rv = map(fresh, instance->size);

    if (rv == APR_SUCCESS) {
        attach(&instance->cache, fresh);
        rv = ssl_shmcb_format(&instance->cache);
    }
    return rv;
}

/* What a former server left.  LEFT has no memory afterwards if that is of no use, and no file if there is none. */
static apr_status_t find_left(ap_socache_instance_t *instance, kept_block *left, server_rec *s)
{
    apr_status_t rv = ssl_cache_file_open(&left->file, instance->path, s);
    apr_size_t size = left->file.size;
    ssl_shmcb cache;

    if (rv != APR_SUCCESS || size < SSL_SHMCB_MIN_SIZE || size >= SSL_SHMCB_MAX_SIZE || map(left, size) != APR_SUCCESS) {
        return rv == APR_ENOENT ? APR_SUCCESS : rv;
    }
    if (attach(&cache, left) != APR_SUCCESS || !ssl_shmcb_is_formatted(&cache) ||
        ssl_shmcb_adopt(&cache) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "shmcb:file:%s: what is in it is no session cache of this version: "
                     "it is replaced by an empty one", instance->path);
        munmap(left->memory, left->mapped);
        left->memory = NULL;
    }
    return APR_SUCCESS;
}

/* A new file in place of OLD's, if that has one, with OLD's content. */
static apr_status_t make_file(ap_socache_instance_t *instance, kept_block *fresh, const kept_block *old, server_rec *s,
                              apr_pool_t *p)
{
    apr_status_t rv = ssl_cache_file_create(&fresh->file, instance->path, instance->size,
                                            old->file.fd > 0 ? &old->file : NULL, s, p);

    if (rv == APR_SUCCESS) {
        rv = make_empty(instance, fresh);
    }
    if (rv == APR_SUCCESS) {
        move_all(&instance->cache, old, s);
        rv = ssl_cache_file_install(instance->path, s, p);
    }
    if (rv != APR_SUCCESS) {
        unmap(fresh);
    }
    return rv;
}

/* FRESH: what is in the file, if it fits, or else a new file.  KEPT is the last generation's memory. */
static apr_status_t enter_file(ap_socache_instance_t *instance, kept_block *fresh, const kept_block *kept, server_rec *s,
                               apr_pool_t *p)
{
    kept_block left = { .layout = SSL_SHMCB_LAYOUT };
    apr_status_t rv;

    if (kept->path && strcmp(kept->path, instance->path) == 0 && !was_removed(kept)) {
        return make_file(instance, fresh, kept, s, p); /* another size */
    }
    rv = find_left(instance, &left, s);
    if (rv == APR_SUCCESS && left.memory && left.size == instance->size) {
        *fresh = left;
        return attach(&instance->cache, fresh);
    }
    if (rv == APR_SUCCESS) {
        rv = make_file(instance, fresh, &left, s, p);
    }
    unmap(&left);
    return rv;
}

/* KEPT's place is not used any more: nothing is left behind in a file that nobody reads. */
static void give_up(kept_block *kept, const kept_block *fresh)
{
    ssl_shmcb cache;

    if (kept->path && kept->memory && attach(&cache, kept) == APR_SUCCESS) {
        ssl_shmcb_wipe(&cache);
        if (!was_removed(kept) && (!fresh->path || strcmp(fresh->path, kept->path) != 0)) {
            unlink(kept->path);
        }
    }
    unmap(kept);
}

static apr_status_t init(ap_socache_instance_t *instance, const char *cname, const struct ap_socache_hints *hints,
                         server_rec *s, apr_pool_t *p)
{
    kept_block *kept = find_kept(cname), fresh = { 0 };
    apr_status_t rv;

    (void)hints;
    instance->name = apr_pstrdup(p, cname);
    if (takes_over(instance, kept)) {
        return APR_SUCCESS;
    }
    rv = instance->path ? enter_file(instance, &fresh, kept, s, p) : make_empty(instance, &fresh);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s, "shmcb: cannot have %" APR_SIZE_T_FMT " bytes of shared memory",
                     instance->size);
        return rv;
    }
    if (!instance->path || !kept->path || strcmp(instance->path, kept->path) != 0) { /* else make_file() did */
        move_all(&instance->cache, kept, s);
    }
    fresh.path = instance->path ? apr_pstrdup(s->process->pool, instance->path) : NULL;
    give_up(kept, &fresh);
    *kept = fresh;
    return rv;
}

/* At a restart everything stays; the parent's end wipes it, unless there is a file for it. */
static void destroy(ap_socache_instance_t *instance, server_rec *s)
{
    kept_block *kept = instance->name ? find_kept(instance->name) : NULL;

    (void)s;
    if (kept && kept->memory && kept->owner == getpid() && ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_EXITING) {
        if (!kept->path) {
            ssl_shmcb_wipe(&instance->cache);
        }
        unmap(kept);
    }
}

static apr_status_t store(ap_socache_instance_t *instance, server_rec *s, const unsigned char *id, unsigned int idlen,
                          apr_time_t expiry, unsigned char *data, unsigned int datalen, apr_pool_t *pool)
{
    (void)s;
    (void)pool;
    return ssl_shmcb_store(&instance->cache, id, idlen, expiry, data, datalen, apr_time_now());
}

static apr_status_t retrieve(ap_socache_instance_t *instance, server_rec *s, const unsigned char *id,
                             unsigned int idlen, unsigned char *data, unsigned int *datalen, apr_pool_t *pool)
{
    (void)s;
    (void)pool;
    return ssl_shmcb_retrieve(&instance->cache, id, idlen, data, datalen, apr_time_now());
}

static apr_status_t remove_object(ap_socache_instance_t *instance, server_rec *s, const unsigned char *id,
                                  unsigned int idlen, apr_pool_t *pool)
{
    (void)s;
    (void)pool;
    return ssl_shmcb_remove(&instance->cache, id, idlen);
}

/** What iterate()'s caller gave, while the core iterates. */
typedef struct visit {
    ap_socache_instance_t *instance;
    server_rec *server;
    void *context;
    ap_socache_iterator_t *iterator;
    apr_pool_t *pool;
    apr_status_t rv; /* the first that is not APR_SUCCESS ends it */
} visit;

static void visit_one(void *context, const unsigned char *id, uint32_t id_len, apr_time_t expiry,
                      const unsigned char *data, uint32_t len)
{
    visit *v = context;

    (void)expiry;
    if (v->rv == APR_SUCCESS) {
        v->rv = v->iterator(v->instance, v->server, v->context, id, id_len, data, len, v->pool);
    }
}

static apr_status_t iterate(ap_socache_instance_t *instance, server_rec *s, void *userctx,
                            ap_socache_iterator_t *iterator, apr_pool_t *pool)
{
    visit v = { instance, s, userctx, iterator, pool, APR_SUCCESS };
    apr_status_t rv = ssl_shmcb_iterate(&instance->cache, visit_one, &v, apr_time_now());

    return v.rv != APR_SUCCESS ? v.rv : rv;
}

/* --- mod_status ------------------------------------------------------------------------ */

static int seconds_left(apr_time_t expiry, apr_time_t now)
{
    return expiry ? (int)apr_time_sec(expiry - now) : 0;
}

static int average_left(const ssl_shmcb_stats *stats, apr_time_t now)
{
    return stats->expiries ? (int)(stats->expiry_seconds / stats->expiries - (apr_uint64_t)apr_time_sec(now)) : 0;
}

static int percent_used(const ssl_shmcb_stats *stats)
{
    return (int)(stats->bytes * 100 / stats->capacity);
}

/* Entries to buckets: more than 100% is possible, and no harm. */
static int percent_indexed(const ssl_shmcb *cache, const ssl_shmcb_stats *stats)
{
    return (int)(stats->entries * 100 / ((apr_uint64_t)cache->regions * cache->buckets));
}

/* Names that the stock module has, too, mean the same here. */
static void print_short(request_rec *r, const ssl_shmcb *cache, const ssl_shmcb_stats *stats, apr_time_t now)
{
    const ssl_scache_line lines[] = {
        { "CacheSharedMemory", cache->size },
        { "CacheCurrentEntries", stats->entries },
        { "CacheSubcaches", cache->regions },
        { "CacheIndexesPerSubcaches", cache->buckets },
        { "CacheTimeLeftOldestAvg", (apr_uint64_t)average_left(stats, now) },
        { "CacheTimeLeftOldestMin", (apr_uint64_t)seconds_left(stats->oldest_expiry, now) },
        { "CacheTimeLeftOldestMax", (apr_uint64_t)seconds_left(stats->newest_expiry, now) },
        { "CacheStoreCount", stats->stores },
        { "CacheReplaceCount", stats->replaced },
        { "CacheExpireCount", stats->expired },
        { "CacheDiscardCount", stats->evicted },
        { "CacheRetrieveHitCount", stats->hits },
        { "CacheRetrieveMissCount", stats->misses },
        { "CacheRemoveHitCount", stats->removes },
        { "CacheRemoveMissCount", stats->remove_misses },
        { "CacheLockCount", stats->locked },
        { "CacheLockWaitCount", stats->waited },
        { "CacheRepairCount", stats->repairs },
        { "CacheBytesUsed", stats->bytes },
        { "CacheBytesTotal", stats->capacity },
    };

    ap_rputs("CacheType: SHMCB\n", r);
    ssl_scache_print_lines(r, lines, sizeof(lines) / sizeof(lines[0]));
    ap_rprintf(r, "CacheIndexUsage: %d%%\nCacheUsage: %d%%\n", percent_indexed(cache, stats), percent_used(stats));
}

static void print_html(request_rec *r, const ssl_shmcb *cache, const ssl_shmcb_stats *stats, apr_time_t now)
{
    ap_rprintf(r, "cache type: <b>SHMCB</b>, shared memory: <b>%" APR_SIZE_T_FMT "</b> bytes, current entries: "
               "<b>%" APR_UINT64_T_FMT "</b><br>\n", cache->size, stats->entries);
    ap_rprintf(r, "regions: <b>%u</b>, cache usage: <b>%d%%</b> (%" APR_UINT64_T_FMT " of %" APR_UINT64_T_FMT
               " bytes)<br>\n", cache->regions, percent_used(stats), stats->bytes, stats->capacity);
    if (stats->oldest_expiry) {
        ap_rprintf(r, "time left of entries: <b>%d</b> to <b>%d</b> seconds<br>\n",
                   seconds_left(stats->oldest_expiry, now), seconds_left(stats->newest_expiry, now));
    }
    ap_rprintf(r, "stored: <b>%" APR_UINT64_T_FMT "</b>, of these in place of another: <b>%" APR_UINT64_T_FMT
               "</b><br>\n", stats->stores, stats->replaced);
    ap_rprintf(r, "expired: <b>%" APR_UINT64_T_FMT "</b>, made room before their time: <b>%" APR_UINT64_T_FMT
               "</b><br>\n", stats->expired, stats->evicted);
    ap_rprintf(r, "retrieves: <b>%" APR_UINT64_T_FMT "</b> hit, <b>%" APR_UINT64_T_FMT "</b> miss<br>\n", stats->hits,
               stats->misses);
    ap_rprintf(r, "removes: <b>%" APR_UINT64_T_FMT "</b> hit, <b>%" APR_UINT64_T_FMT "</b> miss<br>\n",
               stats->removes, stats->remove_misses);
    ap_rprintf(r, "locks taken: <b>%" APR_UINT64_T_FMT "</b>, of these after a wait: <b>%" APR_UINT64_T_FMT
               "</b><br>\n", stats->locked, stats->waited);
    ap_rprintf(r, "repairs after damage or the death of a process: <b>%" APR_UINT64_T_FMT "</b><br>\n", stats->repairs);
}

static void status(ap_socache_instance_t *instance, request_rec *r, int flags)
{
    apr_time_t now = apr_time_now();
    ssl_shmcb_stats stats;

    ssl_shmcb_read_stats(&instance->cache, &stats, now);
    (flags & AP_STATUS_SHORT ? print_short : print_html)(r, &instance->cache, &stats, now);
}

int ssl_scache_shmcb_figures(ap_socache_instance_t *instance, ssl_scache_figures *figures)
{
    ssl_shmcb_stats stats;

    ssl_shmcb_read_counts(&instance->cache, &stats);
    figures->entries = (apr_int64_t)stats.entries;
    figures->bytes = (apr_int64_t)stats.bytes;
    figures->capacity = (apr_int64_t)stats.capacity;
    figures->expired = (apr_int64_t)stats.expired;
    figures->evicted = (apr_int64_t)stats.evicted;
    figures->locked = (apr_int64_t)stats.locked;
    figures->waited = (apr_int64_t)stats.waited;
    figures->repairs = (apr_int64_t)stats.repairs;
    return 1;
}

const ap_socache_provider_t ssl_scache_shmcb = {
    .name = "shmcb",
    .flags = 0, /* each region has a lock of its own */
    .create = create,
    .init = init,
    .destroy = destroy,
    .store = store,
    .retrieve = retrieve,
    .remove = remove_object,
    .status = status,
    .iterate = iterate
};
