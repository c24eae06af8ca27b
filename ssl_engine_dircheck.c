/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_dircheck.c - directories of CAs and revocation lists.
 *
 * OpenSSL finds a certificate in them by the hash of its subject, a CRL by that
 * of its issuer: HHHHHHHH.0, .1 ... and HHHHHHHH.r0, .r1 ..., without a gap.
 * Everything else in such a directory is never read.  The names are links made
 * by `openssl rehash`, which is forgotten when a file is added; those that
 * OpenSSL 0.9 made go by another hash.
 */
#include "ssl_check.h"
#include "ssl_x509.h"

#include "apr_file_info.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGEST 20     /* bytes of SHA-1, which here only tells files apart */
#define HASH_DIGITS 8

/** What a file of the directory holds. */
typedef struct content {
    int known; /* a certificate or CRL */
    unsigned long hash, old_hash;
    unsigned char digest[DIGEST];
} content;

/** A name of the directory. */
typedef struct entry {
    const char *name;
    int is_link_name; /* HHHHHHHH.[r]N */
    int denied;       /* children cannot read it */
    unsigned long hash;
    long number;
    const content *content;
} entry;

typedef struct dircheck {
    apr_pool_t *p;
    const char *path;
    int crls;
    int passable;         /* the children's rights to each file matter; not where they cannot even get in */
    apr_hash_t *by_file;  /* device and inode -> content: a link and its file are read once */
    apr_hash_t *names;    /* names of the directory */
    apr_hash_t *found;    /* digests of what OpenSSL finds */
    apr_array_header_t *entries;
    ssl_few unlinked, old, wrong, dangling, unreadable, gaps;
} dircheck;

/* --- files --------------------------------------------------------------------- */

static void describe_cert(content *c, X509 *cert)
{
    c->hash = X509_subject_name_hash(cert);
    c->old_hash = X509_subject_name_hash_old(cert);
    c->known = X509_digest(cert, EVP_sha1(), c->digest, NULL) == 1;
}

static void describe_crl(content *c, X509_CRL *crl)
{
    int ok = 0;

    c->hash = X509_NAME_hash_ex(X509_CRL_get_issuer(crl), NULL, NULL, &ok);
    c->old_hash = X509_NAME_hash_old(X509_CRL_get_issuer(crl));
    c->known = ok && X509_CRL_digest(crl, EVP_sha1(), c->digest, NULL) == 1;
}

static void read_content(content *c, const char *path, int crls)
{
    BIO *bio = BIO_new_file(path, "rb");
    X509 *cert = bio && !crls ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) : NULL;
    X509_CRL *crl = bio && crls ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;

    if (cert) {
        describe_cert(c, cert);
    }
    if (crl) {
        describe_crl(c, crl);
    }
    X509_free(cert);
    X509_CRL_free(crl);
    BIO_free(bio);
    ERR_clear_error();
}

/* What PATH, with status ST, holds. */
static const content *content_of(dircheck *check, const char *path, const struct stat *st)
{
    const char *key = apr_psprintf(check->p, "%lu/%lu", (unsigned long)st->st_dev, (unsigned long)st->st_ino);
    content *c = apr_hash_get(check->by_file, key, APR_HASH_KEY_STRING);

    if (!c) {
        c = apr_pcalloc(check->p, sizeof(*c));
        read_content(c, path, check->crls);
        apr_hash_set(check->by_file, key, APR_HASH_KEY_STRING, c);
    }
    return c;
}

/* --- names ----------------------------------------------------------------------- */

/* Whether E is named as OpenSSL looks for what CHECK is about. */
static int parse_name(entry *e, int crls)
{
    char *end;

    if (strspn(e->name, "0123456789abcdef") != HASH_DIGITS || e->name[HASH_DIGITS] != '.') {
        return 0;
    }
    e->hash = strtoul(e->name, NULL, 16);
    end = (char *)e->name + HASH_DIGITS + 1;
    if ((*end == 'r') != crls || !apr_isdigit(end[crls])) {
        return 0;
    }
    e->number = strtol(end + crls, &end, 10);
    return *end == '\0';
}

/* HHHHHHHH.rN among certificates, HHHHHHHH.N among CRLs: the other kind's. */
static int is_of_other_kind(const entry *e, int crls)
{
    entry other = { .name = e->name };

    return parse_name(&other, !crls);
}

static void add_entry(dircheck *check, const char *name)
{
    const char *path = apr_pstrcat(check->p, check->path, "/", name, NULL), *denied;
    struct stat st;
    entry *e;

    if (stat(path, &st) != 0) {
        if (errno == ENOENT || errno == ELOOP) {
            ssl_few_add(check->p, &check->dangling, name);
        }
        return;
    }
    if (!S_ISREG(st.st_mode)) {
        return;
    }
    e = apr_array_push(check->entries);
    e->name = name;
    e->is_link_name = parse_name(e, check->crls);
    e->content = content_of(check, path, &st);
    apr_hash_set(check->names, name, APR_HASH_KEY_STRING, name);
    denied = e->is_link_name && check->passable ? ssl_path_denied(check->p, path, R_OK) : NULL;
    if (denied) {
        e->denied = 1;
        ssl_few_add(check->p, &check->unreadable, apr_psprintf(check->p, "%s (%s)", name, denied));
    }
}

static void judge_link(dircheck *check, const entry *e)
{
    const content *c = e->content;
    const char *before = apr_psprintf(check->p, "%08lx.%s%ld", e->hash, check->crls ? "r" : "", e->number - 1);

    if (c->known && e->hash == c->hash && e->number > 0 && !apr_hash_get(check->names, before, APR_HASH_KEY_STRING)) {
        ssl_few_add(check->p, &check->gaps, apr_psprintf(check->p, "%s (there is no %s)", e->name, before));
    }
    else if (c->known && e->hash == c->hash) {
        apr_hash_set(check->found, c->digest, DIGEST, c);
    }
    else if (c->known && e->hash == c->old_hash) {
        ssl_few_add(check->p, &check->old, apr_psprintf(check->p, "%s (now %08lx)", e->name, c->hash));
    }
    else {
        ssl_few_add(check->p, &check->wrong, e->name);
    }
}

static void judge(dircheck *check)
{
    int i;

    for (i = 0; i < check->entries->nelts; i++) {
        const entry *e = &APR_ARRAY_IDX(check->entries, i, entry);

        if (e->is_link_name && (e->content->known || !e->denied)) {
            judge_link(check, e);
        }
    }
    for (i = 0; i < check->entries->nelts; i++) {
        const entry *e = &APR_ARRAY_IDX(check->entries, i, entry);

        if (!e->is_link_name && !is_of_other_kind(e, check->crls) && e->content->known &&
            !apr_hash_get(check->found, e->content->digest, DIGEST)) {
            ssl_few_add(check->p, &check->unlinked, e->name);
        }
    }
}

/* --- the whole ---------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int read_names(dircheck *check)
{
    apr_array_header_t *names = apr_array_make(check->p, 32, sizeof(const char *));
    apr_finfo_t info;
    apr_dir_t *dir;
    int i;

    if (apr_dir_open(&dir, check->path, check->p) != APR_SUCCESS) {
        return 0;
    }
    while (apr_dir_read(&info, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        APR_ARRAY_PUSH(names, const char *) = apr_pstrdup(check->p, info.name);
    }
    apr_dir_close(dir);
    qsort(names->elts, (size_t)names->nelts, sizeof(const char *), by_name);
    for (i = 0; i < names->nelts; i++) {
        add_entry(check, APR_ARRAY_IDX(names, i, const char *));
    }
    return 1;
}

static void report(const dircheck *check, server_rec *s, const char *id, const char *directive)
{
    const struct {
        const ssl_few *names;
        const char *problem;
    } problems[] = {
        { &check->unlinked, "no hash link points here, so that OpenSSL never finds what is in it" },
        { &check->old, "named by the hash of OpenSSL before 1.0, which is not looked for any more" },
        { &check->wrong, "the name is not the hash of what is in it, so that it is never found" },
        { &check->gaps, "OpenSSL does not look beyond a missing number" },
        { &check->dangling, "the link leads nowhere" },
    };
    size_t i;

    for (i = 0; i < sizeof(problems) / sizeof(problems[0]); i++) {
        const char *names = ssl_few_text(check->p, problems[i].names);

        if (names) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "%s: %s '%s': %s: %s; run: openssl rehash %s",
                         id, directive, check->path, names, problems[i].problem, check->path);
        }
    }
    if (check->unreadable.count) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "%s: %s '%s': read while connections are served, but not "
                     "readable then: %s; chmod a+r them", id, directive, check->path,
                     ssl_few_text(check->p, &check->unreadable));
    }
}

void ssl_check_hash_directory(server_rec *s, const char *id, const char *directive, const char *path,
                              ssl_directory_kind kind, apr_pool_t *ptemp)
{
    dircheck check = { .path = path, .crls = kind == SSL_DIR_CRLS };

    if (apr_pool_create(&check.p, ptemp) != APR_SUCCESS) {
        return;
    }
    check.passable = kind != SSL_DIR_NAMES && ssl_path_denied(check.p, path, X_OK) == NULL;
    check.by_file = apr_hash_make(check.p);
    check.names = apr_hash_make(check.p);
    check.found = apr_hash_make(check.p);
    check.entries = apr_array_make(check.p, 32, sizeof(entry));
    if (read_names(&check)) {
        if (kind != SSL_DIR_NAMES) {
            judge(&check);
        }
        report(&check, s, id, directive);
    }
    apr_pool_destroy(check.p);
}
