/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_certs.c - certificates, chains and keys from files and tokens.
 *
 * A certificate file holds, in PEM: the server's certificate, then those of
 * the CAs above it; perhaps DH parameters, the name of a curve and the private
 * key, anywhere.  Or it is one certificate in DER.  What is in a file that we
 * cannot use (PKCS#12, a key where a certificate should be) is named.
 */
#include <openssl/dh.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/store.h>

#include "ssl_confcmd.h"
#include "ssl_ctx.h"
#include "ssl_log.h"
#include "ssl_pphrase.h"
#include "ssl_x509.h"

/** What one SSLCertificateFile holds. */
typedef struct cert_file {
    X509 *leaf;
    STACK_OF(X509) *chain; /* may be empty */
} cert_file;

static void cert_file_clear(cert_file *cf)
{
    X509_free(cf->leaf);
    sk_X509_pop_free(cf->chain, X509_free);
    cf->leaf = NULL;
    cf->chain = NULL;
}

/* What a file that starts like this is, for a message. */
static const char *what_is_in(BIO *bio)
{
    char head[4096];
    int n = BIO_read(bio, head, sizeof(head) - 1);
    PKCS12 *p12;

    (void)BIO_reset(bio);
    if (n <= 0) {
        return "nothing that can be read";
    }
    head[n] = '\0';
    if (strstr(head, "PRIVATE KEY-----")) {
        return "a private key";
    }
    if (strstr(head, "CERTIFICATE REQUEST-----")) {
        return "a certificate request, which a CA has yet to turn into a certificate";
    }
    if (strstr(head, "BEGIN CERTIFICATE-----") || strstr(head, "BEGIN TRUSTED CERTIFICATE-----")) {
        return "a certificate, perhaps damaged";
    }
    p12 = head[0] == 0x30 ? d2i_PKCS12_bio(bio, NULL) : NULL;
    (void)BIO_reset(bio);
    if (p12) {
        PKCS12_free(p12);
        return "PKCS#12; convert it: openssl pkcs12 -in FILE -nodes -out FILE.pem";
    }
    return "neither PEM nor DER";
}

/* NUMBER is that of the message about what the file was to bring. */
static BIO *open_file(ssl_ctx_build *b, const char *number, const char *path)
{
    BIO *bio = BIO_new_file(path, "rb");

    if (!bio) {
        const char *problem = ssl_path_problem(b->p, path, 0);

        ap_log_error(APLOG_MARK, APLOG_EMERG, errno, b->server, "%s%s: cannot open '%s'%s%s", number, b->id, path,
                     problem ? ": " : "", problem ? problem : "");
        ERR_clear_error();
    }
    return bio;
}

static int refuse_pass_phrase(char *buffer, int size, int for_writing, void *asked)
{
    (void)buffer;
    (void)size;
    (void)for_writing;
    *(int *)asked = 1;
    return -1;
}

/* --- tokens and stores ----------------------------------------------------- */

/* The first object of kind TYPE that URI leads to, as *CERT or *KEY. */
static int load_from_store(ssl_ctx_build *b, const char *uri, int type, X509 **cert, EVP_PKEY **key)
{
    OSSL_STORE_CTX *store = OSSL_STORE_open(uri, NULL, NULL, NULL, NULL);
    int found = 0;

    if (store) {
        OSSL_STORE_expect(store, type);
    }
    while (store && !found && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (info && OSSL_STORE_INFO_get_type(info) == type) {
            if (type == OSSL_STORE_INFO_CERT) {
                *cert = OSSL_STORE_INFO_get1_CERT(info);
            }
            else {
                *key = OSSL_STORE_INFO_get1_PKEY(info);
            }
            found = 1;
        }
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    if (!found) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server, "%s: no %s found at '%s'; is a provider for it set up in "
                     "OpenSSL's configuration file?", b->id,
                     type == OSSL_STORE_INFO_CERT ? "certificate" : "private key", uri);
        ssl_log_queue(APLOG_MARK, APLOG_EMERG, b->server);
    }
    return found;
}

/* --- certificates ---------------------------------------------------------- */

/* All certificates that BIO holds: the first into cf->leaf, the others into cf->chain. */
static int read_pem_certs(BIO *bio, cert_file *cf)
{
    X509 *cert;

    cf->leaf = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    if (!cf->leaf) {
        return 0;
    }
    while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        sk_X509_push(cf->chain, cert);
    }
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static int read_certs(ssl_ctx_build *b, const char *path, cert_file *cf)
{
    BIO *bio = open_file(b, APLOGNO(02562), path);
    int ok;

    if (!bio) {
        return 0;
    }
    ERR_clear_error();
    ok = read_pem_certs(bio, cf);
    if (!ok && !cf->leaf) {
        (void)BIO_reset(bio);
        cf->leaf = d2i_X509_bio(bio, NULL);
        ok = cf->leaf != NULL;
    }
    if (!ok) {
        (void)BIO_reset(bio);
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                     APLOGNO(02562) "%s: no server certificate could be read from '%s': it holds %s", b->id, path,
                     what_is_in(bio));
        ssl_log_queue(APLOG_MARK, APLOG_EMERG, b->server);
    }
    BIO_free(bio);
    ERR_clear_error();
    return ok;
}

static int load_cert(ssl_ctx_build *b, const char *path, cert_file *cf)
{
    cf->leaf = NULL;
    cf->chain = ssl_compat_new_x509_stack();
    if (ssl_is_key_uri(path)) {
        return load_from_store(b, path, OSSL_STORE_INFO_CERT, &cf->leaf, NULL);
    }
    return read_certs(b, path, cf);
}

/* --- keys ------------------------------------------------------------------ */

static EVP_PKEY *load_key(ssl_ctx_build *b, const char *path)
{
    EVP_PKEY *key = NULL;
    int asked = 0;
    BIO *bio;

    if (ssl_is_key_uri(path)) {
        load_from_store(b, path, OSSL_STORE_INFO_PKEY, NULL, &key);
        return key;
    }
    bio = open_file(b, APLOGNO(02564), path);
    if (!bio) {
        return NULL;
    }
    key = PEM_read_bio_PrivateKey(bio, NULL, refuse_pass_phrase, &asked);
    if (!key && asked) {
        BIO_free(bio);
        ERR_clear_error();
        return ssl_pphrase_load_key(b, path);
    }
    if (!key) {
        (void)BIO_reset(bio);
        key = d2i_PrivateKey_bio(bio, NULL);
    }
    if (!key) {
        (void)BIO_reset(bio);
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                     APLOGNO(02564) "%s: no private key could be read from '%s': it holds %s", b->id, path,
                     what_is_in(bio));
        ssl_log_queue(APLOG_MARK, APLOG_EMERG, b->server);
    }
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static int check_pair(ssl_ctx_build *b, cert_file *cf, const char *cert_path, EVP_PKEY *key, const char *key_path)
{
    if (X509_check_private_key(cf->leaf, key)) {
        return 1;
    }
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                 APLOGNO(02565) "%s: the certificate in '%s' (%s, public key SHA-256 %s) and the key in '%s' (public "
                 "key SHA-256 %s) do not belong together", b->id, cert_path, ssl_x509_summary(b->p, cf->leaf),
                 ssl_x509_key_fingerprint(b->p, X509_get0_pubkey(cf->leaf)), key_path,
                 ssl_x509_key_fingerprint(b->p, key));
    ERR_clear_error();
    return 0;
}

/* For a report the private key is not needed, but OpenSSL wants some key with
 * each certificate. */
static EVP_PKEY *key_of_pair(ssl_ctx_build *b, const cert_file *cf, const char *key_path)
{
    return ssl_global()->reporting ? X509_get_pubkey(cf->leaf) : load_key(b, key_path);
}

static apr_status_t load_pair(ssl_ctx_build *b, const char *cert_path, const char *key_path)
{
    cert_file cf;
    EVP_PKEY *key = NULL;
    apr_status_t rv = APR_EGENERAL;

    if (!load_cert(b, cert_path, &cf)) {
        cert_file_clear(&cf);
        return rv;
    }
    key = key_of_pair(b, &cf, key_path);
    if (key && check_pair(b, &cf, cert_path, key, key_path)) {
        /* An empty chain is left unset, so that SSLCertificateChainFile or the CA store fills it. */
        STACK_OF(X509) *chain = sk_X509_num(cf.chain) > 0 ? cf.chain : NULL;

        if (SSL_CTX_use_cert_and_key(b->ctx, cf.leaf, key, chain, 1) == 1) {
            X509_alias_set1(cf.leaf, (const unsigned char *)cert_path, -1); /* for checks and reports */
            ap_log_error(APLOG_MARK, APLOG_INFO, 0, b->server,
                         APLOGNO(02568) "%s: certificate and private key configured from %s and %s", b->id, cert_path,
                         key_path);
            rv = APR_SUCCESS;
        }
        else {
            ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                         APLOGNO(02561) "%s: OpenSSL refuses the certificate in '%s': %s", b->id, cert_path,
                         ssl_log_reason(b->p));
            ssl_log_queue(APLOG_MARK, APLOG_EMERG, b->server);
        }
    }
    EVP_PKEY_free(key);
    cert_file_clear(&cf);
    return rv;
}

/* --- what else a certificate file may hold -------------------------------- */

static void use_parameters(ssl_ctx_build *b, EVP_PKEY *params, const char *path)
{
    char group[80];
    size_t len;

    if (EVP_PKEY_is_a(params, "DH")) {
        int bits = EVP_PKEY_get_bits(params);

        if (SSL_CTX_set0_tmp_dh_pkey(b->ctx, params) == 1) {
            SSL_CTX_set_dh_auto(b->ctx, 0);
            ap_log_error(APLOG_MARK, APLOG_INFO, 0, b->server,
                         APLOGNO(02540) "%s: custom DH parameters (%d bits) loaded from %s", b->id, bits, path);
            return;
        }
    }
    else if (EVP_PKEY_get_group_name(params, group, sizeof(group), &len) &&
             ssl_confcmd_set_groups(b, group)) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, b->server, APLOGNO(02541) "%s: ECDH curve %s specified in %s", b->id,
                     group, path);
    }
    EVP_PKEY_free(params);
}

static void load_parameters(ssl_ctx_build *b, const char *path)
{
    BIO *bio = ssl_is_key_uri(path) ? NULL : BIO_new_file(path, "rb");
    EVP_PKEY *params;

    while (bio && (params = PEM_read_bio_Parameters(bio, NULL)) != NULL) {
        use_parameters(b, params, path);
    }
    BIO_free(bio);
    ERR_clear_error();
}

/* SSLCertificateChainFile: for every certificate that brings no chain itself. */
static apr_status_t load_chain_file(ssl_ctx_build *b)
{
    const char *path = b->cfg->chain_file;
    BIO *bio = open_file(b, APLOGNO(01903), path);
    X509 *cert;
    int n = 0, whole;

    if (!bio) {
        return APR_EGENERAL;
    }
    while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        n += SSL_CTX_add_extra_chain_cert(b->ctx, cert) == 1;
    }
    whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (!whole || n == 0) {
        (void)BIO_reset(bio);
        ap_log_error(APLOG_MARK, whole ? APLOG_WARNING : APLOG_EMERG, 0, b->server,
                     APLOGNO(01903) "%s: SSLCertificateChainFile: %s in '%s': it holds %s", b->id,
                     whole ? "no certificate" : "a certificate that cannot be read", path, what_is_in(bio));
    }
    BIO_free(bio);
    ERR_clear_error();
    return whole ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t ssl_certs_load(ssl_ctx_build *b)
{
    apr_array_header_t *certs = b->cfg->cert_files, *keys = b->cfg->key_files;
    int i, n_keys = keys ? keys->nelts : 0;

    for (i = 0; certs && i < certs->nelts; i++) {
        const char *cert = APR_ARRAY_IDX(certs, i, const char *);
        const char *key = i < n_keys ? APR_ARRAY_IDX(keys, i, const char *) : cert;

        if (load_pair(b, cert, key) != APR_SUCCESS) {
            return APR_EGENERAL;
        }
    }
    if (certs && certs->nelts > 0) {
        load_parameters(b, APR_ARRAY_IDX(certs, 0, const char *));
    }
    return b->cfg->chain_file ? load_chain_file(b) : APR_SUCCESS;
}
