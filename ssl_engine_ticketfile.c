/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_ticketfile.c - ticket keys from files (SSLSessionTicketKeyFile),
 * which are read at start, and again when they change.
 *
 * A key file is a farm's: it has to mean the same to every server in it.
 *
 *    48 bytes   name 16 | HMAC-SHA256 key 16 | AES-128-CBC key 16
 *    80 bytes   name 16 | HMAC-SHA256 key 32 | AES-256-CBC key 32
 *
 * Of a file of any other size the first 48 bytes count, as they do in the stock
 * module - when the server starts.  While it runs, a file of another size is taken for one that is being written.
 *
 * The parent reads files, then as at start: it may read what the children's
 * user may not.  httpd calls it every ten seconds (the hook "monitor").  Keys go to
 * the children through shared memory.
 */
#include <sys/stat.h>
#include <time.h>

#include "ssl_log.h"
#include "ssl_ticket.h"

#include "apr_file_io.h"

#define FILE_SIZE(key) (SSL_TICKET_NAME + 2 * (key))

/* Tells whether a file is still the same. */
typedef struct file_stamp {
    apr_int64_t mtime, mtime_ns, ctime, ctime_ns, size;
    apr_uint64_t inode, device;
} file_stamp;

typedef struct ticket_file {
    const char *path;
    file_stamp seen;
    apr_size_t size; /* when it was last taken */
} ticket_file;

/* The files of a host, and of all others with the same. */
typedef struct file_set {
    ssl_ticket_keys keys; /* first: what hosts know of it */
    const char *id;       /* the first of these hosts */
    int n;
    ticket_file *files;
    ssl_ticket_key *incoming; /* n; wiped but while files are read */
    struct file_set *next;
} file_set;

/* For the life of the configuration. */
static struct {
    apr_pool_t *p;
    apr_hash_t *by_paths; /* paths, one a line -> file_set */
    file_set *all;
} files;

static apr_status_t forget_files(void *unused)
{
    (void)unused;
    memset(&files, 0, sizeof(files));
    return APR_SUCCESS;
}

void ssl_ticket_files_begin(apr_pool_t *p)
{
    files.p = p;
    files.by_paths = apr_hash_make(p);
    files.all = NULL;
    apr_pool_cleanup_register(p, NULL, forget_files, apr_pool_cleanup_null);
}

/* --- one file ------------------------------------------------------------------------ */

/* All zero: it is not there. */
static file_stamp stamp_of(const char *path)
{
    file_stamp stamp = { 0 };
    struct stat info;

    if (stat(path, &info) == 0) {
        stamp = (file_stamp){ info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec,
                              info.st_size, info.st_ino, info.st_dev };
    }
    return stamp;
}

static int use_bytes(ssl_ticket_key *key, const unsigned char *bytes, apr_size_t len)
{
    if (len < FILE_SIZE(SSL_TICKET_SMALL)) {
        return 0;
    }
    memset(key, 0, sizeof(*key));
    key->size = len == FILE_SIZE(SSL_TICKET_LARGE) ? SSL_TICKET_LARGE : SSL_TICKET_SMALL;
    memcpy(key->name, bytes, SSL_TICKET_NAME);
    memcpy(key->hmac, bytes + SSL_TICKET_NAME, key->size);
    memcpy(key->aes, bytes + SSL_TICKET_NAME + key->size, key->size);
    return 1;
}

/* Sets *LEN to what the file holds, at most one byte more than anybody needs.
 * APR_EINVAL: that is too little. */
static apr_status_t read_file(const char *path, ssl_ticket_key *key, apr_size_t *len, int *open_to_all, apr_pool_t *p)
{
    unsigned char bytes[FILE_SIZE(SSL_TICKET_LARGE) + 1];
    apr_file_t *file;
    apr_finfo_t info;
    apr_status_t rv = apr_file_open(&file, path, APR_READ | APR_BINARY, APR_OS_DEFAULT, p);

    *len = sizeof(bytes);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = apr_file_read_full(file, bytes, sizeof(bytes), len);
    rv = APR_STATUS_IS_EOF(rv) ? APR_SUCCESS : rv;
    *open_to_all = apr_file_info_get(&info, APR_FINFO_PROT, file) == APR_SUCCESS && (info.protection & APR_FPROT_WREAD);
    apr_file_close(file);
    if (rv == APR_SUCCESS && !use_bytes(key, bytes, *len)) {
        rv = APR_EINVAL;
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    return rv;
}

static void warn_if_open(server_rec *s, const char *id, const char *path, int open_to_all)
{
    if (open_to_all) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "%s: SSLSessionTicketKeyFile '%s' can be read by everybody on "
                     "this machine: chmod 600 '%s', and make new keys",
                     id, path, path);
    }
}

static int is_usual(apr_size_t len)
{
    return len == FILE_SIZE(SSL_TICKET_SMALL) || len == FILE_SIZE(SSL_TICKET_LARGE);
}

/* --- at start -------------------------------------------------------------------------- */

static int read_at_start(server_rec *s, const char *id, ticket_file *file, ssl_ticket_key *key, apr_pool_t *p)
{
    const char *path = file->path;
    int open_to_all = 0;
    apr_status_t rv;

    file->seen = stamp_of(path);
    rv = read_file(path, key, &file->size, &open_to_all, p);
    if (rv == APR_EINVAL) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                     APLOGNO(02287) "%s: SSLSessionTicketKeyFile: '%s' must hold %d or %d "
                                    "bytes, it holds %" APR_SIZE_T_FMT "; make one: openssl rand -out FILE %d",
                     id, path, FILE_SIZE(SSL_TICKET_SMALL), FILE_SIZE(SSL_TICKET_LARGE), file->size,
                     FILE_SIZE(SSL_TICKET_LARGE));
        return 0;
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s, APLOGNO(02286) "%s: SSLSessionTicketKeyFile: cannot read '%s'", id,
                     path);
        return 0;
    }
    warn_if_open(s, id, path, open_to_all);
    if (!is_usual(file->size)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "%s: SSLSessionTicketKeyFile: '%s' holds neither %d nor %d bytes: "
                     "the first %d are used",
                     id, path, FILE_SIZE(SSL_TICKET_SMALL), FILE_SIZE(SSL_TICKET_LARGE), FILE_SIZE(SSL_TICKET_SMALL));
    }
    return 1;
}

static apr_status_t wipe_incoming(void *data)
{
    file_set *set = data;

    OPENSSL_cleanse(set->incoming, sizeof(set->incoming[0]) * (apr_size_t)set->n);
    return APR_SUCCESS;
}

static file_set *make_set(const char *id, apr_array_header_t *paths, apr_pool_t *p)
{
    file_set *set = apr_pcalloc(p, sizeof(*set));
    int i;

    set->keys.source = SSL_TICKET_FILES;
    set->id = id;
    set->n = paths->nelts;
    set->files = apr_pcalloc(p, sizeof(set->files[0]) * (apr_size_t)set->n);
    set->incoming = apr_pcalloc(p, sizeof(set->incoming[0]) * (apr_size_t)set->n);
    for (i = 0; i < set->n; i++) {
        set->files[i].path = APR_ARRAY_IDX(paths, i, const char *);
    }
    return set;
}

static apr_status_t read_set(server_rec *s, file_set *set, apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < set->n && rv == APR_SUCCESS; i++) {
        rv = read_at_start(s, set->id, &set->files[i], &set->incoming[i], p) ? APR_SUCCESS : APR_EGENERAL;
    }
    if (rv == APR_SUCCESS) {
        rv = ssl_ticket_map(&set->keys.ring, (uint32_t)set->n, files.p);
        if (rv != APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                         "%s: there is no shared memory for the keys of session tickets", set->id);
        }
    }
    if (rv == APR_SUCCESS) {
        ssl_ticket_ring_replace(&set->keys.ring, set->incoming, (uint32_t)set->n, ssl_ticket_clock());
    }
    wipe_incoming(set);
    return rv;
}

const ssl_ticket_keys *ssl_ticket_keys_for(server_rec *s, const char *id, apr_array_header_t *paths, apr_pool_t *p)
{
    const char *name = paths ? apr_array_pstrcat(p, paths, '\n') : "";
    file_set *set = *name ? apr_hash_get(files.by_paths, name, APR_HASH_KEY_STRING) : NULL;

    if (!*name || set) {
        return set ? &set->keys : ssl_ticket_common();
    }
    set = make_set(id, paths, p);
    if (read_set(s, set, p) != APR_SUCCESS) {
        return NULL;
    }
    apr_hash_set(files.by_paths, name, APR_HASH_KEY_STRING, set);
    set->next = files.all;
    files.all = set;
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, s, APLOGNO(02288) "%s: session ticket keys loaded from %d file%s", id,
                 set->n, set->n == 1 ? "" : "s");
    return &set->keys;
}

/* --- while the server runs ----------------------------------------------------------------- */

/* Whether FILE has changed.  *TOO_NEW: so recently that somebody may still be
 * writing, and that another change might leave the stamp as it is. */
static int has_changed(const ticket_file *file, int *too_new)
{
    file_stamp now = stamp_of(file->path);
    apr_int64_t age = (apr_int64_t)time(NULL) - now.ctime;

    if (memcmp(&now, &file->seen, sizeof(now)) == 0) {
        return 0;
    }
    *too_new |= age >= 0 && age < 2;
    return 1;
}

static int any_changed(const file_set *set)
{
    int changed = 0, too_new = 0, i;

    for (i = 0; i < set->n; i++) {
        changed |= has_changed(&set->files[i], &too_new);
    }
    return changed && !too_new;
}

static int read_again(server_rec *s, const file_set *set, ticket_file *file, ssl_ticket_key *key, apr_pool_t *p)
{
    int open_to_all = 0;
    apr_size_t len;
    apr_status_t rv;

    file->seen = stamp_of(file->path);
    rv = read_file(file->path, key, &len, &open_to_all, p);
    if (rv == APR_SUCCESS && !is_usual(len) && len != file->size) {
        rv = APR_EINVAL;
    }
    if (rv == APR_SUCCESS) {
        file->size = len;
        warn_if_open(s, set->id, file->path, open_to_all);
        return 1;
    }
    if (rv == APR_EINVAL) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     "%s: SSLSessionTicketKeyFile: '%s' has changed, but holds neither %d nor "
                     "%d bytes: the old keys stay in use",
                     set->id, file->path, FILE_SIZE(SSL_TICKET_SMALL), FILE_SIZE(SSL_TICKET_LARGE));
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     "%s: SSLSessionTicketKeyFile: '%s' has changed, but cannot be read: "
                     "the old keys stay in use%s",
                     set->id, file->path,
                     APR_STATUS_IS_EACCES(rv) ? " (the user that httpd was started by must be able to read it)" : "");
    }
    return 0;
}

/* Reads all files, so that each has its say once. */
static void reload(server_rec *s, file_set *set, apr_pool_t *p)
{
    int good = 1, i;

    for (i = 0; i < set->n; i++) {
        good &= read_again(s, set, &set->files[i], &set->incoming[i], p);
    }
    if (good && ssl_ticket_ring_replace(&set->keys.ring, set->incoming, (uint32_t)set->n, ssl_ticket_clock())) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "%s: SSLSessionTicketKeyFile has changed: new keys are in use",
                     set->id);
    }
    wipe_incoming(set);
}

void ssl_ticket_files_check(server_rec *s)
{
    apr_pool_t *scratch;
    file_set *set;

    for (set = files.all; set; set = set->next) {
        if (any_changed(set) && apr_pool_create(&scratch, NULL) == APR_SUCCESS) {
            reload(s, set, scratch);
            apr_pool_destroy(scratch);
        }
    }
}
