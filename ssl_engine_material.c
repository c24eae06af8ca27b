/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_material.c - what files hold for TLS to backends: CAs, CRLs,
 * client certificates.
 *
 * Each section's are read at start, over those of its server.  <Proxy> sections
 * that meet in a request are merged field by field, and so there may be a mixture
 * that was read for none of them: it is put together, without reading anything,
 * when it is first asked for, and kept.
 */
#include "ssl_proxy.h"
#include "ssl_verify.h"

#include <openssl/crypto.h>

/* All of this configuration, and what was put together from them. */
static apr_array_header_t *known; /* const ssl_outgoing * */
static ssl_material *mixtures;
static CRYPTO_RWLOCK *lock;

static void free_files(ssl_material *material)
{
    int i;

    for (i = 0; i < SSL_FILES_N; i++) {
        free(material->files[i]);
        material->files[i] = NULL;
    }
}

void ssl_material_free(ssl_material *material)
{
    ssl_client_certs_free(material);
    X509_STORE_free(material->part[0]);
    X509_STORE_free(material->part[1]);
    X509_STORE_free(material->store);
    free_files(material);
}

static apr_status_t forget(void *unused)
{
    (void)unused;
    while (mixtures) {
        ssl_material *next = mixtures->next;

        ssl_material_free(mixtures);
        free(mixtures);
        mixtures = next;
    }
    CRYPTO_THREAD_lock_free(lock);
    lock = NULL;
    known = NULL;
    return APR_SUCCESS;
}

void ssl_material_know(apr_pool_t *p, const ssl_outgoing *out)
{
    if (!known) {
        known = apr_array_make(p, 8, sizeof(const ssl_outgoing *));
        lock = CRYPTO_THREAD_lock_new();
        apr_pool_cleanup_register(p, NULL, forget, apr_pool_cleanup_null);
    }
    APR_ARRAY_PUSH(known, const ssl_outgoing *) = out;
}

/* --- which it is ------------------------------------------------------------------------ */

static void list_files(const ssl_proxy_config *settings, const char **files)
{
    files[SSL_FILE_CAS] = settings->tls.ca_file;
    files[SSL_FILE_CRLS] = settings->tls.crl_file;
    files[SSL_FILE_CERTS] = settings->cert_file;
    files[SSL_FILE_CERT_DIR] = settings->cert_path;
    files[SSL_FILE_CHAIN] = settings->chain_file;
    files[SSL_FILE_CA_DIR] = settings->tls.ca_path;
    files[SSL_FILE_CRL_DIR] = settings->tls.crl_path;
}

static int is_of(const ssl_material *material, const char *const *files, int crl_check)
{
    int i = 0;

    while (i < SSL_FILES_N && ssl_same_text(material->files[i], files[i])) {
        i++;
    }
    return i == SSL_FILES_N && material->crl_check == crl_check;
}

static const ssl_material *find(const char *const *files, int crl_check)
{
    const ssl_material *found = mixtures;

    while (found && !is_of(found, files, crl_check)) {
        found = found->next;
    }
    return found;
}

/* --- making ------------------------------------------------------------------------------ */

static void set_files(ssl_material *out, const ssl_proxy_config *settings)
{
    const char *files[SSL_FILES_N];
    int i;

    list_files(settings, files);
    for (i = 0; i < SSL_FILES_N; i++) {
        out->files[i] = files[i] ? strdup(files[i]) : NULL;
    }
    out->crl_check = settings->tls.crl_check;
}

apr_status_t ssl_material_load(ssl_ctx_build *b, const ssl_proxy_config *settings, ssl_material *out)
{
    apr_status_t rv = ssl_verify_load(b);

    out->part[0] = b->part[0];
    out->part[1] = b->part[1];
    out->store = SSL_CTX_get_cert_store(b->ctx);
    X509_STORE_up_ref(out->store);
    set_files(out, settings);
    return rv == APR_SUCCESS ? ssl_client_certs_load(b, settings, out) : rv;
}

/* What was read of the file that OUT has for WHICH; NULL if it has none, or nobody has read it. */
static const ssl_material *reader_of(const ssl_material *out, ssl_proxy_file which)
{
    int i;

    for (i = 0; out->files[which] && i < known->nelts; i++) {
        const ssl_material *material = &APR_ARRAY_IDX(known, i, const ssl_outgoing *)->material;

        if (ssl_same_text(material->files[which], out->files[which])) {
            return material;
        }
    }
    return NULL;
}

static int add_part(ssl_material *out, ssl_proxy_file which)
{
    const ssl_material *from = reader_of(out, which);

    return !out->files[which] || (from && ssl_verify_add(out->store, from->part[which]));
}

static int add_certs(X509_STORE *store, const STACK_OF(X509) *certs)
{
    int i = 0;

    while (i < sk_X509_num(certs) && X509_STORE_add_cert(store, sk_X509_value(certs, i))) {
        i++;
    }
    return i >= sk_X509_num(certs);
}

static int mix_store(ssl_material *out)
{
    const ssl_material *chain = reader_of(out, SSL_FILE_CHAIN);
    const char *ca_dir = out->files[SSL_FILE_CA_DIR], *crl_dir = out->files[SSL_FILE_CRL_DIR];

    out->store = X509_STORE_new();
    return out->store && add_part(out, SSL_FILE_CAS) && add_part(out, SSL_FILE_CRLS) &&
           (!chain || add_certs(out->store, chain->cas[SSL_FILE_CHAIN])) &&
           (!ca_dir || X509_STORE_load_path(out->store, ca_dir)) &&
           (!crl_dir || ssl_same_text(ca_dir, crl_dir) || X509_STORE_load_path(out->store, crl_dir)) &&
           X509_STORE_set_flags(out->store, ssl_verify_crl_flags(out->crl_check));
}

static int mix_certs(ssl_material *out)
{
    static const ssl_proxy_file sources[] = { SSL_FILE_CERTS, SSL_FILE_CERT_DIR, SSL_FILE_CHAIN };
    STACK_OF(X509) *cas = sk_X509_new_null();
    int i, j;

    for (i = 0; cas && i < 3; i++) {
        const ssl_material *from = reader_of(out, sources[i]);

        for (j = 0; from && j < sk_X509_num(from->cas[sources[i]]); j++) {
            sk_X509_push(cas, sk_X509_value(from->cas[sources[i]], j));
        }
    }
    for (i = 0; cas && i < 2; i++) {
        const ssl_material *from = reader_of(out, sources[i]);

        if (from) {
            ssl_client_certs_add(out, from, sources[i] == SSL_FILE_CERT_DIR, cas);
        }
    }
    sk_X509_free(cas);
    return cas != NULL;
}

/* With the lock held. */
static const ssl_material *mix(const ssl_proxy_config *settings)
{
    ssl_material *out = ap_calloc(1, sizeof(*out));

    set_files(out, settings);
    if (!mix_store(out) || !mix_certs(out)) {
        ssl_material_free(out);
        free(out);
        return NULL;
    }
    out->next = mixtures;
    mixtures = out;
    return out;
}

const ssl_material *ssl_material_for(const ssl_proxy_config *settings, const ssl_outgoing *made)
{
    const char *files[SSL_FILES_N];
    const ssl_material *found;

    list_files(settings, files);
    if (is_of(&made->material, files, settings->tls.crl_check)) {
        return &made->material;
    }
    if (!lock || !CRYPTO_THREAD_write_lock(lock)) {
        return NULL;
    }
    found = find(files, settings->tls.crl_check);
    found = found ? found : mix(settings);
    CRYPTO_THREAD_unlock(lock);
    return found;
}
