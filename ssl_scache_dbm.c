/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_scache_dbm.c - "dbm:" as a socache provider: sessions in a DBM file.
 *
 * All functions run under the "ssl-cache" mutex (AP_SOCACHE_FLAG_NOTMPSAFE).
 * Each reading of the configuration makes that anew, and at a graceful restart
 * two generations use the file: so there is a lock beside it that all share.
 * The file is opened for each operation: no DBM of APR's lets several processes
 * keep one open and see each other's changes.  SDBM, the default, opens in
 * microseconds and never waits for the disk.
 *
 * KEYS
 *
 *   "b"            the book: how many records there are, ends of the queue
 *   "q" number     the queue: ids in the order in which they were stored
 *   "s" id piece   a record: header and data, in pieces that fit into a page of SDBM
 *
 * Each store takes the front of the queue, a few ids that have expired: nobody
 * ever walks through all of the file.
 *
 * DAMAGE
 *
 * The book and each record carry a checksum.  A writer raises a flag in shared
 * memory; who finds it up follows somebody who died while he wrote.  A file that
 * is damaged, or cut off, or was left so, is renamed to *.bad, and a new one
 * made: full handshakes for a while, one line in the log.  If nothing can be
 * written (disk full), sessions are not stored, and one line says so.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ssl_ctx.h"
#include "ssl_scache.h"
#include "ssl_shmcb.h"

#include "ap_mpm.h"
#include "apr_dbm.h"
#include "http_main.h"
#include "mod_status.h"
#include "unixd.h"

#define DEFAULT_TYPE "sdbm"
#define KEPT_STATES "mod_ssl:dbm"
#define FILE_MODE (APR_FPROT_UREAD | APR_FPROT_UWRITE)

enum { MAX_ID = 128, MAX_DATA = 65536, PIECE = 480, EXPIRED_PER_STORE = 4, BOOK_MAGIC = 0x62736c31 };

/** Between processes, and kept over restarts. */
typedef struct shared_state {
    pthread_mutex_t lock;
    volatile apr_uint32_t changing; /* a writer is at work, or died */
    apr_uint64_t stores, replaced, expired, hits, misses, removes, remove_misses, failures, set_aside;
} shared_state;

/** Lives in the process pool. */
typedef struct kept_state {
    apr_size_t size; /* of what SHARED points to: another version of this module may have another */
    pid_t owner;     /* the parent, who alone removes the files */
    shared_state *shared;
} kept_state;

typedef struct book {
    apr_uint32_t magic, entries, head, tail; /* the queue's numbers: tail is the oldest, head the next to be given */
    apr_uint64_t bytes, checksum;
} book;

typedef struct record_header {
    apr_uint64_t checksum;
    apr_time_t expiry;
    apr_uint32_t len, unused;
} record_header;

struct ap_socache_instance_t {
    const char *type, *path, *name; /* name: of the consumer */
    const char *files[2];           /* the second may be NULL */
    kept_state *kept;
    apr_time_t complained; /* when this process last did */
};

/** An open file, for one operation. */
typedef struct session_file {
    ap_socache_instance_t *instance;
    server_rec *server;
    apr_pool_t *pool;
    apr_dbm_t *dbm;
    book book;
    int writing;
} session_file;

typedef struct dbm_key {
    unsigned char bytes[MAX_ID + 8];
    apr_size_t len;
} dbm_key;

static shared_state *shared_of(ap_socache_instance_t *instance)
{
    return instance->kept->shared;
}

/* --- keys and values ------------------------------------------------------------ */

static void book_key(dbm_key *key)
{
    key->bytes[0] = 'b';
    key->len = 1;
}

static void queue_key(dbm_key *key, apr_uint32_t number)
{
    key->bytes[0] = 'q';
    memcpy(key->bytes + 1, &number, sizeof(number));
    key->len = 1 + sizeof(number);
}

static void piece_key(dbm_key *key, const unsigned char *id, apr_size_t id_len, unsigned int piece)
{
    key->bytes[0] = 's';
    memcpy(key->bytes + 1, id, id_len);
    key->bytes[1 + id_len] = (unsigned char)piece;
    key->len = id_len + 2;
}

static apr_datum_t datum(const void *bytes, apr_size_t len)
{
    apr_datum_t d = { (char *)bytes, len };

    return d;
}

/* Copies up to *LEN bytes of a value; sets *LEN.  False: there is no such key. */
static int fetch(session_file *file, const dbm_key *key, void *value, apr_size_t *len)
{
    apr_datum_t found = { NULL, 0 };

    if (apr_dbm_fetch(file->dbm, datum(key->bytes, key->len), &found) != APR_SUCCESS || !found.dptr) {
        return 0;
    }
    *len = found.dsize < *len ? found.dsize : *len;
    memcpy(value, found.dptr, *len);
    apr_dbm_freedatum(file->dbm, found);
    return 1;
}

static apr_status_t put(session_file *file, const dbm_key *key, const void *value, apr_size_t len)
{
    return apr_dbm_store(file->dbm, datum(key->bytes, key->len), datum(value, len));
}

static void forget(session_file *file, const dbm_key *key)
{
    apr_dbm_delete(file->dbm, datum(key->bytes, key->len));
}

/* --- the book ---------------------------------------------------------------------- */

static apr_uint64_t book_checksum(const book *b)
{
    return ssl_shmcb_digest(0, b, offsetof(book, checksum));
}

static int read_book(session_file *file)
{
    apr_size_t len = sizeof(file->book);
    dbm_key key;

    book_key(&key);
    return fetch(file, &key, &file->book, &len) && len == sizeof(file->book) && file->book.magic == BOOK_MAGIC &&
           file->book.checksum == book_checksum(&file->book);
}

static apr_status_t write_book(session_file *file)
{
    dbm_key key;

    book_key(&key);
    file->book.checksum = book_checksum(&file->book);
    return put(file, &key, &file->book, sizeof(file->book));
}

/* --- opening ---------------------------------------------------------------------------- */

static void complain(session_file *file, apr_status_t rv, const char *what)
{
    ap_socache_instance_t *instance = file->instance;

    shared_of(instance)->failures++;
    if (apr_time_now() - instance->complained > apr_time_from_sec(60)) {
        instance->complained = apr_time_now();
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, file->server, "dbm:%s: %s; going on without (this is said once a "
                     "minute at most)", instance->path, what);
    }
}

static apr_status_t open_dbm(session_file *file, apr_int32_t mode)
{
    return apr_dbm_open_ex(&file->dbm, file->instance->type, file->instance->path, mode, FILE_MODE, file->pool);
}

/* An empty file, open for writing. */
static apr_status_t start_afresh(session_file *file, apr_int32_t mode)
{
    apr_status_t rv = open_dbm(file, mode);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    memset(&file->book, 0, sizeof(file->book));
    file->book.magic = BOOK_MAGIC;
    shared_of(file->instance)->changing = 1;
    file->writing = 1;
    rv = write_book(file);
    if (rv != APR_SUCCESS) {
        apr_dbm_close(file->dbm);
        shared_of(file->instance)->changing = 0;
    }
    return rv;
}

/* Renames what is there to *.bad.  A child may not be allowed to: then it is emptied. */
static apr_status_t set_aside(session_file *file, const char *why)
{
    ap_socache_instance_t *instance = file->instance;
    apr_int32_t mode = APR_DBM_RWCREATE;
    apr_status_t rv;
    int i;

    for (i = 0; i < 2 && instance->files[i]; i++) {
        rv = apr_file_rename(instance->files[i], apr_pstrcat(file->pool, instance->files[i], ".bad", NULL), file->pool);
        if (rv != APR_SUCCESS && !APR_STATUS_IS_ENOENT(rv)) {
            mode = APR_DBM_RWTRUNC;
        }
    }
    rv = start_afresh(file, mode);
    if (rv != APR_SUCCESS) {
        complain(file, rv, apr_pstrcat(file->pool, why, ", and a new one cannot be made", NULL));
        return rv;
    }
    shared_of(instance)->set_aside++;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, file->server, "dbm:%s: %s: %s, and an empty one made; clients make full "
                 "handshakes meanwhile", instance->path, why,
                 mode == APR_DBM_RWCREATE ? "it was renamed to *.bad" : "it was emptied, because it cannot be renamed");
    return rv;
}

static apr_status_t open_sound(session_file *file, int writing)
{
    apr_status_t rv;

    if (shared_of(file->instance)->changing) {
        return set_aside(file, "a process died while it changed the file");
    }
    rv = open_dbm(file, writing ? APR_DBM_READWRITE : APR_DBM_READONLY);
    if (APR_STATUS_IS_ENOENT(rv)) {
        return set_aside(file, "the file is gone");
    }
    if (APR_STATUS_IS_EACCES(rv) || APR_STATUS_IS_EMFILE(rv) || APR_STATUS_IS_ENFILE(rv)) {
        complain(file, rv, "the file cannot be opened");
        return rv;
    }
    if (rv != APR_SUCCESS) {
        return set_aside(file, "the file is damaged: it cannot be opened");
    }
    if (!read_book(file)) {
        apr_dbm_close(file->dbm);
        return set_aside(file, "the file is damaged: its first record is missing or wrong");
    }
    file->writing = writing;
    shared_of(file->instance)->changing = (apr_uint32_t)writing;
    return rv;
}

static apr_status_t lock_state(shared_state *shared)
{
    int failed = ssl_shmcb_lock(&shared->lock);

    if (failed == EOWNERDEAD) {
        failed = pthread_mutex_consistent(&shared->lock); /* what he left is told by "changing" */
    }
    return failed == ETIMEDOUT ? APR_TIMEUP : failed;
}

/* The end of every operation. */
static void leave_file(session_file *file)
{
    pthread_mutex_unlock(&shared_of(file->instance)->lock);
    apr_pool_destroy(file->pool);
}

/* Opens by OPEN.  FILE is to be closed by close_file() if and only if the result is APR_SUCCESS. */
static apr_status_t enter_file(session_file *file, ap_socache_instance_t *instance, server_rec *s, apr_pool_t *p,
                               apr_status_t (*open)(session_file *file, int writing), int writing)
{
    apr_status_t rv;

    memset(file, 0, sizeof(*file));
    file->instance = instance;
    file->server = s ? s : ap_server_conf;
    rv = lock_state(shared_of(instance));
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_pool_create(&file->pool, p);
    rv = open(file, writing);
    if (rv != APR_SUCCESS) {
        leave_file(file);
    }
    return rv;
}

static apr_status_t open_file(session_file *file, ap_socache_instance_t *instance, server_rec *s, apr_pool_t *p,
                              int writing)
{
    return enter_file(file, instance, s, p, open_sound, writing);
}

static void close_file(session_file *file)
{
    apr_status_t rv = file->writing ? write_book(file) : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        complain(file, rv, "cannot be written");
    }
    apr_dbm_close(file->dbm);
    if (file->writing) {
        shared_of(file->instance)->changing = 0;
    }
    leave_file(file);
}

/* What an operation has come upon after it opened the file. */
static void give_up_file(session_file *file)
{
    apr_dbm_close(file->dbm);
    file->writing = 0;
    if (set_aside(file, "the file is damaged: the checksum of a record is wrong") == APR_SUCCESS) {
        close_file(file);
        return;
    }
    shared_of(file->instance)->changing = 0;
    leave_file(file);
}

/* --- records ------------------------------------------------------------------------------- */

static unsigned int pieces_of(apr_size_t len)
{
    return (unsigned int)((sizeof(record_header) + len + PIECE - 1) / PIECE);
}

static apr_uint64_t record_checksum(const record_header *h, const unsigned char *id, apr_size_t id_len,
                                    const unsigned char *data)
{
    apr_uint64_t facts[2] = { (apr_uint64_t)h->expiry, h->len };
    apr_uint64_t value = ssl_shmcb_digest(BOOK_MAGIC, facts, sizeof(facts));

    return ssl_shmcb_digest(ssl_shmcb_digest(value, id, id_len), data, h->len);
}

static int fetch_header(session_file *file, const unsigned char *id, apr_size_t id_len, record_header *header)
{
    apr_size_t len = sizeof(*header);
    dbm_key key;

    piece_key(&key, id, id_len, 0);
    return fetch(file, &key, header, &len) && len == sizeof(*header) && header->len <= MAX_DATA;
}

static void delete_record(session_file *file, const unsigned char *id, apr_size_t id_len, apr_uint32_t len)
{
    unsigned int i, pieces = pieces_of(len);
    dbm_key key;

    for (i = 0; i < pieces; i++) {
        piece_key(&key, id, id_len, i);
        forget(file, &key);
    }
    file->book.entries -= file->book.entries > 0;
    file->book.bytes -= len < file->book.bytes ? len : file->book.bytes;
}

static apr_status_t put_record(session_file *file, const unsigned char *id, apr_size_t id_len, apr_time_t expiry,
                               const unsigned char *data, apr_uint32_t len)
{
    apr_size_t whole = sizeof(record_header) + len, at;
    unsigned char *bytes = apr_palloc(file->pool, whole);
    record_header header = { .expiry = expiry, .len = len };
    apr_status_t rv = APR_SUCCESS;
    dbm_key key;

    header.checksum = record_checksum(&header, id, id_len, data);
    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), data, len);
    for (at = 0; at < whole && rv == APR_SUCCESS; at += PIECE) {
        piece_key(&key, id, id_len, (unsigned int)(at / PIECE));
        rv = put(file, &key, bytes + at, whole - at < PIECE ? whole - at : PIECE);
    }
    OPENSSL_cleanse(bytes, whole);
    file->book.entries++;
    file->book.bytes += len;
    if (rv != APR_SUCCESS) {
        delete_record(file, id, id_len, len);
    }
    return rv;
}

/* The whole record, in *BYTES of FILE's pool.  APR_NOTFOUND; APR_EGENERAL: damaged. */
static apr_status_t fetch_record(session_file *file, const unsigned char *id, apr_size_t id_len, record_header *header,
                                 unsigned char **bytes)
{
    apr_size_t whole, at, part;
    dbm_key key;

    if (!fetch_header(file, id, id_len, header)) {
        return APR_NOTFOUND;
    }
    whole = sizeof(*header) + header->len;
    *bytes = apr_palloc(file->pool, whole);
    for (at = 0; at < whole; at += PIECE) {
        part = whole - at < PIECE ? whole - at : PIECE;
        piece_key(&key, id, id_len, (unsigned int)(at / PIECE));
        if (!fetch(file, &key, *bytes + at, &part) || part != (whole - at < PIECE ? whole - at : PIECE)) {
            return APR_EGENERAL;
        }
    }
    return header->checksum == record_checksum(header, id, id_len, *bytes + sizeof(*header)) ? APR_SUCCESS
                                                                                             : APR_EGENERAL;
}

/* --- the queue ------------------------------------------------------------------------------ */

typedef struct queue_entry {
    apr_time_t expiry;
    unsigned char id[MAX_ID];
} queue_entry;

static apr_status_t enqueue(session_file *file, const unsigned char *id, apr_size_t id_len, apr_time_t expiry)
{
    queue_entry entry = { .expiry = expiry };
    dbm_key key;

    memcpy(entry.id, id, id_len);
    queue_key(&key, file->book.head++);
    return put(file, &key, &entry, offsetof(queue_entry, id) + id_len);
}

/* The oldest of the queue, if its time is over.  It may have been stored anew since. */
static int expire_one(session_file *file, apr_time_t now)
{
    queue_entry entry;
    record_header header;
    apr_size_t len = sizeof(entry);
    dbm_key key;

    if (file->book.tail == file->book.head) {
        return 0;
    }
    queue_key(&key, file->book.tail);
    if (fetch(file, &key, &entry, &len)) {
        if (len > offsetof(queue_entry, id) && entry.expiry > now) {
            return 0;
        }
        len -= len > offsetof(queue_entry, id) ? offsetof(queue_entry, id) : len;
        if (len && fetch_header(file, entry.id, len, &header) && header.expiry <= now) {
            delete_record(file, entry.id, len, header.len);
            shared_of(file->instance)->expired++;
        }
        forget(file, &key);
    }
    file->book.tail++;
    return 1;
}

static void expire_some(session_file *file, apr_time_t now)
{
    int left = EXPIRED_PER_STORE;

    while (left-- > 0 && expire_one(file, now)) {
    }
}

/* --- files, at start ------------------------------------------------------------------------- */

/* Makes PATH, or takes what is there, as a file of the children's user alone.
 * Whoever may write to the directory cannot make root write elsewhere. */
static apr_status_t own_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    struct stat info;
    apr_status_t rv = APR_SUCCESS;

    if (fd < 0) {
        return APR_FROM_OS_ERROR(errno);
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1) {
        rv = APR_EINVAL;
    }
    else if (fchown(fd, ap_unixd_config.user_id, ap_unixd_config.group_id) != 0 || fchmod(fd, 0600) != 0) {
        rv = APR_FROM_OS_ERROR(errno);
    }
    close(fd);
    return rv;
}

/* From here to resume_root() the parent can do what its children will be able to do. */
static int act_as_user(void)
{
    return setegid(ap_unixd_config.group_id) == 0 && seteuid(ap_unixd_config.user_id) == 0;
}

static int resume_root(void)
{
    return seteuid(0) == 0 && setegid(0) == 0;
}

/* Nothing is there, or nothing is in it. */
static int is_new(session_file *file)
{
    apr_finfo_t info;
    int i;

    for (i = 0; i < 2 && file->instance->files[i]; i++) {
        if (apr_stat(&info, file->instance->files[i], APR_FINFO_SIZE, file->pool) == APR_SUCCESS && info.size > 0) {
            return 0;
        }
    }
    return 1;
}

static apr_status_t open_first(session_file *file, int writing)
{
    apr_status_t rv;

    if (is_new(file)) {
        return start_afresh(file, APR_DBM_RWCREATE);
    }
    rv = open_dbm(file, APR_DBM_READWRITE);
    if (rv != APR_SUCCESS) {
        return APR_STATUS_IS_EACCES(rv) ? rv : set_aside(file, "the file is damaged, or no session cache");
    }
    if (!read_book(file)) {
        apr_dbm_close(file->dbm);
        return set_aside(file, "the file is damaged, or no session cache");
    }
    file->writing = writing;
    shared_of(file->instance)->changing = (apr_uint32_t)writing;
    return rv;
}

/* As whom the children will be. */
static apr_status_t try_files(ap_socache_instance_t *instance, server_rec *s, apr_pool_t *p)
{
    session_file file;
    apr_status_t rv = enter_file(&file, instance, s, p, open_first, 1);
    int i;

    if (rv == APR_SUCCESS) {
        close_file(&file);
    }
    for (i = 0; i < 2 && instance->files[i] && rv == APR_SUCCESS; i++) {
        apr_file_perms_set(instance->files[i], FILE_MODE); /* those of an earlier server may have others */
    }
    return rv;
}

/* Root only helps where the children's user may not make files. */
static apr_status_t make_files(ap_socache_instance_t *instance, server_rec *s, apr_pool_t *p)
{
    apr_status_t rv, owned = APR_SUCCESS;
    int i;

    if (geteuid() != 0) {
        return try_files(instance, s, p);
    }
    rv = act_as_user() ? try_files(instance, s, p) : APR_EACCES;
    if (!resume_root()) {
        return APR_EGENERAL;
    }
    if (!APR_STATUS_IS_EACCES(rv)) {
        return rv;
    }
    for (i = 0; i < 2 && instance->files[i] && owned == APR_SUCCESS; i++) {
        owned = own_file(instance->files[i]);
    }
    if (owned != APR_SUCCESS) {
        return owned;
    }
    rv = act_as_user() ? try_files(instance, s, p) : APR_EACCES;
    return resume_root() ? rv : APR_EGENERAL;
}

/* Memory for the life of the process. */
static apr_status_t make_state(kept_state *kept)
{
    void *memory = mmap(NULL, sizeof(shared_state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        return APR_FROM_OS_ERROR(errno);
    }
    kept->shared = memory;
    kept->size = sizeof(shared_state);
    kept->owner = getpid();
    return ssl_shmcb_lock_init(&kept->shared->lock);
}

static apr_status_t find_kept(kept_state **kept, const char *name)
{
    apr_hash_t *all = ssl_kept_hash(KEPT_STATES);
    apr_pool_t *process = apr_hash_pool_get(all);

    *kept = apr_hash_get(all, name, APR_HASH_KEY_STRING);
    if (!*kept) {
        *kept = apr_pcalloc(process, sizeof(**kept));
        apr_hash_set(all, apr_pstrdup(process, name), APR_HASH_KEY_STRING, *kept);
    }
    return (*kept)->size == sizeof(shared_state) ? APR_SUCCESS : make_state(*kept);
}

/* --- the provider ------------------------------------------------------------------------------ */

static const char *create(ap_socache_instance_t **instance, const char *arg, apr_pool_t *tmp, apr_pool_t *p)
{
    (void)tmp;
    *instance = apr_pcalloc(p, sizeof(**instance));
    (*instance)->type = DEFAULT_TYPE;
    if (arg && *arg) {
        (*instance)->path = ap_server_root_relative(p, arg);
        return (*instance)->path ? NULL : apr_psprintf(p, "Invalid cache file path %s", arg);
    }
    return NULL;
}

const char *ssl_scache_dbm_set_type(ap_socache_instance_t *instance, const char *type, apr_pool_t *p)
{
    const char *used1, *used2;

    instance->type = apr_pstrdup(p, type);
    return apr_dbm_get_usednames_ex(p, type, "x", &used1, &used2) == APR_SUCCESS
               ? NULL
               : apr_psprintf(p, "there is no DBM of type '%s'; APR may know sdbm, db, gdbm, ndbm and default", type);
}

static apr_status_t init(ap_socache_instance_t *instance, const char *cname, const struct ap_socache_hints *hints,
                         server_rec *s, apr_pool_t *p)
{
    apr_status_t rv;

    (void)hints;
    instance->name = apr_pstrdup(p, cname);
    if (!instance->path) {
        instance->path = ap_runtime_dir_relative(p, apr_pstrcat(p, "socache-dbm-", cname, NULL));
    }
    rv = find_kept(&instance->kept, apr_pstrcat(p, cname, ":", instance->type, ":", instance->path, NULL));
    if (rv == APR_SUCCESS) {
        rv = apr_dbm_get_usednames_ex(p, instance->type, instance->path, &instance->files[0], &instance->files[1]);
    }
    if (rv == APR_SUCCESS) {
        rv = make_files(instance, s, p);
    }
    if (rv != APR_SUCCESS) {
        const char *problem = ssl_path_problem(p, ap_make_dirstr_parent(p, instance->path), 1);

        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     APLOGNO(00804) "Cannot create socache DBM file `%s' (type %s) for the children's user '%s'%s%s",
                     instance->path, instance->type,
                     ap_unixd_config.user_name ? ap_unixd_config.user_name : "who started httpd", problem ? ": " : "",
                     problem ? problem : "");
    }
    return rv;
}

/* Sessions outlive a restart, but not the server. */
static void destroy(ap_socache_instance_t *instance, server_rec *s)
{
    int i;

    if (!instance->kept || instance->kept->owner != getpid() || ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_EXITING) {
        return;
    }
    for (i = 0; i < 2 && instance->files[i]; i++) {
        apr_file_remove(instance->files[i], s->process->pool);
    }
}

static apr_status_t write_session(session_file *file, const unsigned char *id, unsigned int id_len, apr_time_t expiry,
                                  const unsigned char *data, unsigned int len)
{
    record_header old;
    apr_status_t rv;

    if (fetch_header(file, id, id_len, &old)) {
        delete_record(file, id, id_len, old.len);
        shared_of(file->instance)->replaced++;
    }
    expire_some(file, apr_time_now());
    rv = put_record(file, id, id_len, expiry, data, len);
    if (rv == APR_SUCCESS) {
        rv = enqueue(file, id, id_len, expiry);
    }
    return rv;
}

static apr_status_t store(ap_socache_instance_t *instance, server_rec *s, const unsigned char *id, unsigned int idlen,
                          apr_time_t expiry, unsigned char *data, unsigned int datalen, apr_pool_t *pool)
{
    session_file file;
    apr_status_t rv;

    if (!idlen || idlen > MAX_ID) {
        return APR_EINVAL;
    }
    if (datalen > MAX_DATA) {
        return APR_ENOSPC;
    }
    rv = open_file(&file, instance, s, pool, 1);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = write_session(&file, id, idlen, expiry, data, datalen);
    if (rv == APR_SUCCESS) {
        shared_of(instance)->stores++;
    }
    else {
        complain(&file, rv, "a session cannot be stored");
    }
    close_file(&file);
    return rv;
}

/* Copies a record that is sound and in time to DATA. */
static apr_status_t take(session_file *file, const unsigned char *id, unsigned int id_len, unsigned char *data,
                         unsigned int *len)
{
    record_header header;
    unsigned char *bytes;
    apr_status_t rv = fetch_record(file, id, id_len, &header, &bytes);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (header.expiry <= apr_time_now()) {
        rv = APR_NOTFOUND;
    }
    else if (header.len > *len) {
        rv = APR_ENOSPC;
    }
    else {
        memcpy(data, bytes + sizeof(header), header.len);
        *len = header.len;
    }
    OPENSSL_cleanse(bytes, sizeof(header) + header.len);
    return rv;
}

static apr_status_t retrieve(ap_socache_instance_t *instance, server_rec *s, const unsigned char *id,
                             unsigned int idlen, unsigned char *data, unsigned int *datalen, apr_pool_t *pool)
{
    session_file file;
    apr_status_t rv = idlen && idlen <= MAX_ID ? open_file(&file, instance, s, pool, 0) : APR_NOTFOUND;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = take(&file, id, idlen, data, datalen);
    *(rv == APR_SUCCESS ? &shared_of(instance)->hits : &shared_of(instance)->misses) += 1;
    if (rv == APR_EGENERAL) {
        give_up_file(&file);
        return APR_NOTFOUND;
    }
    close_file(&file);
    return rv;
}

static apr_status_t remove_object(ap_socache_instance_t *instance, server_rec *s, const unsigned char *id,
                                  unsigned int idlen, apr_pool_t *pool)
{
    session_file file;
    record_header header;
    apr_status_t rv = idlen && idlen <= MAX_ID ? open_file(&file, instance, s, pool, 1) : APR_NOTFOUND;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (fetch_header(&file, id, idlen, &header)) {
        delete_record(&file, id, idlen, header.len);
        shared_of(instance)->removes++;
    }
    else {
        rv = APR_NOTFOUND;
        shared_of(instance)->remove_misses++;
    }
    close_file(&file);
    return rv;
}

static apr_status_t show_record(session_file *file, const dbm_key *key, void *userctx, ap_socache_iterator_t *iterator,
                                apr_pool_t *pool)
{
    const unsigned char *id = key->bytes + 1;
    unsigned int id_len = (unsigned int)(key->len - 2);
    record_header header;
    unsigned char *bytes;

    if (fetch_record(file, id, id_len, &header, &bytes) != APR_SUCCESS || header.expiry <= apr_time_now()) {
        return APR_SUCCESS;
    }
    return iterator(file->instance, file->server, userctx, id, id_len, bytes + sizeof(header), header.len, pool);
}

/* The keys first: a DBM's walk ends when something else is asked of it. */
static apr_array_header_t *first_pieces(session_file *file)
{
    apr_array_header_t *keys = apr_array_make(file->pool, 64, sizeof(dbm_key));
    apr_datum_t found = { NULL, 0 };
    apr_status_t rv = apr_dbm_firstkey(file->dbm, &found);

    while (rv == APR_SUCCESS && found.dptr) {
        if (found.dsize > 2 && found.dsize <= MAX_ID + 2 && found.dptr[0] == 's' && !found.dptr[found.dsize - 1]) {
            dbm_key *key = apr_array_push(keys);

            key->len = found.dsize;
            memcpy(key->bytes, found.dptr, found.dsize);
        }
        rv = apr_dbm_nextkey(file->dbm, &found);
    }
    return keys;
}

static apr_status_t iterate(ap_socache_instance_t *instance, server_rec *s, void *userctx,
                            ap_socache_iterator_t *iterator, apr_pool_t *pool)
{
    session_file file;
    apr_array_header_t *keys;
    apr_status_t rv = open_file(&file, instance, s, pool, 0);
    int i;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    keys = first_pieces(&file);
    for (i = 0; i < keys->nelts && rv == APR_SUCCESS; i++) {
        rv = show_record(&file, &APR_ARRAY_IDX(keys, i, dbm_key), userctx, iterator, pool);
    }
    close_file(&file);
    return rv;
}

/* --- mod_status ---------------------------------------------------------------------------------- */

static void print_short(request_rec *r, const book *b, const shared_state *shared)
{
    const ssl_scache_line lines[] = {
        { "CacheCurrentEntries", b->entries },
        { "CacheCurrentSize", b->bytes },
        { "CacheAvgEntrySize", b->entries ? b->bytes / b->entries : 0 },
        { "CacheStoreCount", shared->stores },
        { "CacheReplaceCount", shared->replaced },
        { "CacheExpireCount", shared->expired },
        { "CacheRetrieveHitCount", shared->hits },
        { "CacheRetrieveMissCount", shared->misses },
        { "CacheRemoveHitCount", shared->removes },
        { "CacheRemoveMissCount", shared->remove_misses },
        { "CacheFailureCount", shared->failures },
        { "CacheSetAsideCount", shared->set_aside },
    };

    ap_rputs("CacheType: DBM\nCacheMaximumSize: unlimited\n", r);
    ssl_scache_print_lines(r, lines, sizeof(lines) / sizeof(lines[0]));
}

static void print_html(request_rec *r, const ap_socache_instance_t *instance, const book *b,
                       const shared_state *shared)
{
    ap_rprintf(r, "cache type: <b>DBM</b> (%s), maximum size: <b>unlimited</b><br>\n", instance->type);
    ap_rprintf(r, "current entries: <b>%u</b>, current size: <b>%" APR_UINT64_T_FMT "</b> bytes<br>\n", b->entries,
               b->bytes);
    ap_rprintf(r, "average entry size: <b>%" APR_UINT64_T_FMT "</b> bytes<br>\n",
               b->entries ? b->bytes / b->entries : 0);
    ap_rprintf(r, "stored: <b>%" APR_UINT64_T_FMT "</b>, of these in place of another: <b>%" APR_UINT64_T_FMT
               "</b>, expired: <b>%" APR_UINT64_T_FMT "</b><br>\n", shared->stores, shared->replaced, shared->expired);
    ap_rprintf(r, "retrieves: <b>%" APR_UINT64_T_FMT "</b> hit, <b>%" APR_UINT64_T_FMT "</b> miss<br>\n", shared->hits,
               shared->misses);
    ap_rprintf(r, "removes: <b>%" APR_UINT64_T_FMT "</b> hit, <b>%" APR_UINT64_T_FMT "</b> miss<br>\n",
               shared->removes, shared->remove_misses);
    ap_rprintf(r, "failures: <b>%" APR_UINT64_T_FMT "</b>, files set aside: <b>%" APR_UINT64_T_FMT "</b><br>\n",
               shared->failures, shared->set_aside);
}

static void status(ap_socache_instance_t *instance, request_rec *r, int flags)
{
    session_file file;

    if (open_file(&file, instance, r->server, r->pool, 0) != APR_SUCCESS) {
        ap_rputs(flags & AP_STATUS_SHORT ? "CacheType: DBM\n" : "cache type: <b>DBM</b>, cannot be read now<br>\n", r);
        return;
    }
    if (flags & AP_STATUS_SHORT) {
        print_short(r, &file.book, shared_of(instance));
    }
    else {
        print_html(r, instance, &file.book, shared_of(instance));
    }
    close_file(&file);
}

int ssl_scache_dbm_figures(ap_socache_instance_t *instance, request_rec *r, ssl_scache_figures *figures)
{
    const shared_state *shared = shared_of(instance);
    session_file file;

    if (open_file(&file, instance, r->server, r->pool, 0) != APR_SUCCESS) {
        return 0;
    }
    figures->entries = file.book.entries;
    figures->bytes = (apr_int64_t)file.book.bytes;
    figures->expired = (apr_int64_t)shared->expired;
    figures->repairs = (apr_int64_t)shared->set_aside;
    figures->failures = (apr_int64_t)shared->failures;
    close_file(&file);
    return 1;
}

const ap_socache_provider_t ssl_scache_dbm = {
    .name = "dbm",
    .flags = AP_SOCACHE_FLAG_NOTMPSAFE,
    .create = create,
    .init = init,
    .destroy = destroy,
    .store = store,
    .retrieve = retrieve,
    .remove = remove_object,
    .status = status,
    .iterate = iterate
};
