/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_chaincheck.c - chains that lead nowhere, or where they should not.
 *
 * Clients go up from the server's certificate through what is sent until they
 * meet a root of their own.  Roots need not be sent, so that a chain whose end
 * was issued by a CA which this system trusts is complete.
 */
#include "ssl_check.h"
#include "ssl_x509.h"

#include <openssl/x509v3.h>

#define NAME_MAX_LENGTH 200
#define MAX_CHAIN 16

static const char *short_name(apr_pool_t *p, SSL_X509_CONST X509_NAME *name)
{
    const char *text = ssl_x509_name_rfc2253(p, name);

    return !text ? "(unreadable)" : !*text ? "(empty)" : apr_pstrndup(p, text, NAME_MAX_LENGTH);
}

const char *ssl_check_subject(apr_pool_t *p, const X509 *cert)
{
    return short_name(p, X509_get_subject_name(cert));
}

static const char *issuer_of(apr_pool_t *p, const X509 *cert)
{
    return short_name(p, X509_get_issuer_name(cert));
}

int ssl_chain_repeats(const ssl_sent_chain *links, int n)
{
    X509 *cert = sk_X509_value(links->certs, n);
    int i, twice = X509_cmp(cert, links->leaf) == 0;

    for (i = 0; i < n && !twice; i++) {
        twice = X509_cmp(cert, sk_X509_value(links->certs, i)) == 0;
    }
    return twice;
}

/* --- issuers -------------------------------------------------------------------------- */

static void complain(apr_pool_t *p, const ssl_sent_chain *links, int level, const char *text)
{
    ap_log_error(APLOG_MARK, level, 0, links->server, "chain of the server certificate in '%s' (%s; %s): %s",
                 links->cert_path, links->place, ssl_few_text(p, links->hosts), text);
}

static int issued(X509 *issuer, X509 *cert)
{
    return X509_check_issued(issuer, cert) == X509_V_OK;
}

/* The certificate among those sent that issued CERT: its number, or -1. */
static int issuer_in(STACK_OF(X509) *certs, X509 *cert)
{
    int i;

    for (i = 0; i < sk_X509_num(certs); i++) {
        if (sk_X509_value(certs, i) != cert && issued(sk_X509_value(certs, i), cert)) {
            return i;
        }
    }
    return -1;
}

/* The certificate in STORE that issued CERT: a reference of the caller's, or NULL. */
static X509 *issuer_in_store(X509_STORE *store, X509 *cert)
{
    X509_STORE_CTX *look = X509_STORE_CTX_new();
    X509 *issuer = NULL;

    ERR_set_mark();
    if (!look || !X509_STORE_CTX_init(look, store, cert, NULL) ||
        X509_STORE_CTX_get1_issuer(&issuer, look, cert) != 1) {
        issuer = NULL;
    }
    X509_STORE_CTX_free(look);
    ERR_pop_to_mark();
    return issuer;
}

/* X509_STORE_set_default_paths(3) would also go through the directory file by
 * file for each CA that it lacks. */
static X509_STORE *system_cas(X509_STORE **system)
{
    if (!*system) {
        *system = X509_STORE_new();
        ERR_set_mark();
        X509_LOOKUP_load_file(X509_STORE_add_lookup(*system, X509_LOOKUP_file()), NULL, X509_FILETYPE_DEFAULT);
        X509_LOOKUP_add_dir(X509_STORE_add_lookup(*system, X509_LOOKUP_hash_dir()), NULL, X509_FILETYPE_DEFAULT);
        ERR_pop_to_mark();
    }
    return *system;
}

/* Where CERT says that its issuer's certificate is to be had (authorityInfoAccess), or NULL. */
static const char *issuer_url(apr_pool_t *p, X509 *cert)
{
    AUTHORITY_INFO_ACCESS *access;
    const char *url = NULL;
    int i;

    ERR_set_mark();
    access = X509_get_ext_d2i(cert, NID_info_access, NULL, NULL);
    for (i = 0; i < sk_ACCESS_DESCRIPTION_num(access) && !url; i++) {
        const ACCESS_DESCRIPTION *where = sk_ACCESS_DESCRIPTION_value(access, i);

        if (OBJ_obj2nid(where->method) == NID_ad_ca_issuers && where->location->type == GEN_URI) {
            url = ssl_x509_string(p, where->location->d.uniformResourceIdentifier, 0);
        }
    }
    AUTHORITY_INFO_ACCESS_free(access);
    ERR_pop_to_mark();
    return url ? apr_pstrndup(p, url, NAME_MAX_LENGTH) : NULL;
}

/* TOP is the last that the server can show.  That its issuer is a root which
 * clients know cannot be seen from here; an intermediate between is likelier if
 * the file brings none. */
static void missing_issuer(const ssl_sent_chain *links, X509 *top, apr_pool_t *p)
{
    const char *url = issuer_url(p, top);
    int alone = sk_X509_num(links->certs) <= 0;

    complain(p, links, alone ? APLOG_WARNING : APLOG_NOTICE,
             apr_psprintf(p, "it is incomplete: it ends at '%s', whose issuer '%s' is neither sent nor a root of "
                          "this system: clients that lack it cannot verify the certificate; append %s issuer's "
                          "certificate to '%s'%s%s%s (for a root of your own that clients have: make it known to this "
                          "system, by update-ca-certificates)", ssl_check_subject(p, top), issuer_of(p, top),
                          alone ? "the intermediate" : "this", links->path, url ? " (to be had from " : "",
                          url ? url : "", url ? ")" : ""));
}

/* NEXT if clients need not be sent it, or are; else NULL. */
static X509 *if_clients_have(X509 *next, int sent)
{
    if (next && !sent && !ssl_x509_is_self_issued(next)) {
        X509_free(next);
        return NULL;
    }
    return next;
}

/* The issuer of TOP among the CAs of the SSL_CTX, of which OpenSSL sends those it
 * needs where no chain is set, or among the roots of the system. */
static X509 *known_issuer(const ssl_sent_chain *links, X509 *top, X509_STORE **system)
{
    X509 *next = if_clients_have(issuer_in_store(links->store, top), sk_X509_num(links->certs) <= 0);

    return next ? next : if_clients_have(issuer_in_store(system_cas(system), top), 0);
}

/* Up from TOP through what is known here. */
static void check_end(const ssl_sent_chain *links, X509 *top, X509_STORE **system, apr_pool_t *p)
{
    X509 *next;
    int depth = 0;

    X509_up_ref(top);
    while (!ssl_x509_is_self_issued(top) && depth++ < MAX_CHAIN) {
        next = known_issuer(links, top, system);
        if (!next) {
            missing_issuer(links, top, p);
            break;
        }
        X509_free(top);
        top = next;
    }
    X509_free(top);
}

static int is_in_store(X509_STORE *store, X509 *root)
{
    X509 *found = issuer_in_store(store, root);
    int same = found && X509_cmp(found, root) == 0;

    X509_free(found);
    return same;
}

/* The N-th certificate sent: on the way up from the leaf (USED), there twice, a root, or a stranger. */
static void check_link(const ssl_sent_chain *links, int n, const char *used, apr_pool_t *p)
{
    X509 *cert = sk_X509_value(links->certs, n);
    const char *name = ssl_check_subject(p, cert);

    if (ssl_chain_repeats(links, n)) {
        complain(p, links, APLOG_NOTICE,
                 apr_psprintf(p, "'%s' is sent twice; take one out of '%s'", name, links->path));
    }
    else if (!used[n]) {
        complain(p, links, APLOG_WARNING,
                 apr_psprintf(p, "'%s' does not belong to it: it issued none of the others; take it out of '%s'",
                              name, links->path));
    }
    else if (ssl_x509_is_self_issued(cert) && !is_in_store(links->store, cert)) { /* else it may come from there */
        complain(p, links, APLOG_INFO,
                 apr_psprintf(p, "the root '%s' is sent needlessly: clients only believe their own copy; take "
                              "it out of '%s'", name, links->path));
    }
}

/* The way up from the leaf through what is sent, which is marked in USED: its
 * last certificate.  *IN_ORDER: whether it is sent in this order. */
static X509 *climb(const ssl_sent_chain *links, char *used, int *in_order)
{
    X509 *top = links->leaf;
    int next, last = -1;

    *in_order = 1;
    while (!ssl_x509_is_self_issued(top) && (next = issuer_in(links->certs, top)) >= 0 && !used[next]) {
        used[next] = 1;
        *in_order &= next > last;
        last = next;
        top = sk_X509_value(links->certs, next);
    }
    return top;
}

void ssl_check_chain(const ssl_sent_chain *links, X509_STORE **system, apr_pool_t *p)
{
    int n = sk_X509_num(links->certs), in_order, i;
    char *used = apr_pcalloc(p, (apr_size_t)(n > 0 ? n : 1));
    X509 *top = climb(links, used, &in_order);

    for (i = 0; i < n && n <= MAX_CHAIN; i++) {
        check_link(links, i, used, p);
    }
    if (!in_order) {
        complain(p, links, APLOG_WARNING,
                 apr_psprintf(p, "it is in the wrong order, which not all clients take; in '%s' each "
                              "certificate has to be followed by its issuer's", links->path));
    }
    check_end(links, top, system, p);
}

