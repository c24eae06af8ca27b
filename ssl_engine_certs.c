/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_certs.c - certificates, chains and keys from files and tokens.
 *
 * A certificate file holds, in PEM: the server's certificate, then those of
 * the CAs above it; perhaps DH parameters, the name of a curve and the private
 * key, anywhere.  Or it is one certificate in DER.  What is in a file that we
 * cannot use (PKCS#12, a key where a certificate should be) is named.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/dh.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

#include "ssl_confcmd.h"
#include "ssl_ctx.h"
#include "ssl_log.h"
#include "ssl_pphrase.h"
#include "ssl_token.h"
#include "ssl_x509.h"

#define MAX_FILE_SIZE (16 * 1024 * 1024) /* what is behind it is not looked at */

/** What one SSLCertificateFile holds. */
typedef struct cert_file {
    X509 *leaf;
    STACK_OF(X509) *chain; /* may be empty */
} cert_file;

/** A certificate and its key. */
typedef struct key_pair {
    cert_file cert;
    EVP_PKEY *key;
    const char *cert_path, *key_path; /**< as configured */
    const char *cert_name, *key_name; /**< as they may be logged */
} key_pair;

/* What a file that starts with HEAD is, in PEM; NULL: it is not. */
static const char *what_pem_is(const char *head)
{
    if (strstr(head, "PRIVATE KEY-----")) {
        return "a private key";
    }
    if (strstr(head, "CERTIFICATE REQUEST-----")) {
        return "a certificate request, which a CA has yet to turn into a certificate";
    }
    if (strstr(head, "BEGIN CERTIFICATE-----") || strstr(head, "BEGIN TRUSTED CERTIFICATE-----")) {
        return "a certificate, perhaps damaged";
    }
    return NULL;
}

/* What is in a file that is not what it should be, for a message. */
static const char *what_is_in(BIO *bio)
{
    char head[4096];
    int n = BIO_read(bio, head, sizeof(head) - 1);
    const char *pem;
    PKCS12 *p12;

    (void)BIO_reset(bio);
    if (n <= 0) {
        return "nothing that can be read";
    }
    head[n] = '\0';
    pem = what_pem_is(head);
    p12 = !pem && head[0] == 0x30 ? d2i_PKCS12_bio(bio, NULL) : NULL;
    OPENSSL_cleanse(head, sizeof(head));
    (void)BIO_reset(bio);
    if (p12) {
        PKCS12_free(p12);
        return "PKCS#12; convert it: openssl pkcs12 -in FILE -nodes -out FILE.pem";
    }
    return pem ? pem : "neither PEM nor DER";
}

/* --- files ------------------------------------------------------------------- */

/* Through memory that BIO_free() wipes: stdio's buffers would keep keys. */
BIO *ssl_certs_open(const char *path)
{
    BIO *bio = NULL;
    char part[4096];
    ssize_t n = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC), failure;

    if (fd >= 0) {
        bio = BIO_new(BIO_s_mem());
        BIO_set_flags(bio, BIO_FLAGS_NONCLEAR_RST);
        BIO_set_mem_eof_return(bio, 0);
        while ((n = read(fd, part, sizeof(part))) > 0 && BIO_pending(bio) < MAX_FILE_SIZE) {
            BIO_write(bio, part, (int)n);
        }
    }
    failure = errno;
    OPENSSL_cleanse(part, sizeof(part));
    if (fd >= 0) {
        close(fd);
    }
    if (n < 0) {
        BIO_free(bio);
        bio = NULL;
    }
    errno = failure;
    return bio;
}

/* NUMBER is that of the message about what the file was to bring. */
static BIO *open_file(ssl_ctx_build *b, const char *number, const char *path)
{
    BIO *bio = ssl_certs_open(path);

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
        cf->leaf = ssl_token_load_cert(b, path);
        return cf->leaf != NULL;
    }
    return read_certs(b, path, cf);
}

/* --- keys ------------------------------------------------------------------ */

/* The private key in PEM or DER.  NULL with ASKED: it is encrypted. */
static EVP_PKEY *read_key(BIO *bio, int *asked)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, refuse_pass_phrase, asked);

    if (!key && !*asked) {
        (void)BIO_reset(bio);
        key = d2i_PrivateKey_bio(bio, NULL);
    }
    if (!key && !*asked) {
        (void)BIO_reset(bio);
        key = d2i_PKCS8PrivateKey_bio(bio, NULL, refuse_pass_phrase, asked);
    }
    return key;
}

static EVP_PKEY *load_key(ssl_ctx_build *b, const char *path)
{
    EVP_PKEY *key = NULL;
    int asked = 0;
    BIO *bio;

    if (ssl_is_key_uri(path)) {
        return ssl_token_load_key(b, path);
    }
    bio = open_file(b, APLOGNO(02564), path);
    if (!bio) {
        return NULL;
    }
    ERR_clear_error();
    key = read_key(bio, &asked);
    if (!key && !asked) {
        (void)BIO_reset(bio);
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                     APLOGNO(02564) "%s: no private key could be read from '%s': it holds %s", b->id, path,
                     what_is_in(bio));
        ssl_log_queue(APLOG_MARK, APLOG_EMERG, b->server);
    }
    BIO_free(bio);
    ERR_clear_error();
    return asked ? ssl_pphrase_load_key(b, path) : key;
}

static int check_pair(ssl_ctx_build *b, const key_pair *pair)
{
    X509 *cert = pair->cert.leaf;

    if (X509_check_private_key(cert, pair->key)) {
        return 1;
    }
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                 APLOGNO(02565) "%s: the certificate in '%s' (%s, public key SHA-256 %s) and the key in '%s' (public "
                 "key SHA-256 %s) do not belong together", b->id, pair->cert_name, ssl_x509_summary(b->p, cert),
                 ssl_x509_key_fingerprint(b->p, X509_get0_pubkey(cert)), pair->key_name,
                 ssl_x509_key_fingerprint(b->p, pair->key));
    ERR_clear_error();
    return 0;
}

/* For a report the private key is not needed, but OpenSSL wants some key with
 * each certificate. */
static EVP_PKEY *key_of_pair(ssl_ctx_build *b, const key_pair *pair)
{
    return ssl_global()->reporting ? X509_get_pubkey(pair->cert.leaf) : load_key(b, pair->key_path);
}

static int read_pair(ssl_ctx_build *b, key_pair *pair)
{
    if (!load_cert(b, pair->cert_path, &pair->cert)) {
        return 0;
    }
    pair->key = key_of_pair(b, pair);
    return pair->key && check_pair(b, pair);
}

static int use_pair(ssl_ctx_build *b, const key_pair *pair)
{
    /* An empty chain is left unset, so that SSLCertificateChainFile or the CA store fills it. */
    STACK_OF(X509) *chain = sk_X509_num(pair->cert.chain) > 0 ? pair->cert.chain : NULL;

    if (SSL_CTX_use_cert_and_key(b->ctx, pair->cert.leaf, pair->key, chain, 1) != 1) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                     APLOGNO(02561) "%s: OpenSSL refuses the certificate in '%s': %s", b->id, pair->cert_name,
                     ssl_log_reason(b->p));
        ssl_log_queue(APLOG_MARK, APLOG_EMERG, b->server);
        return 0;
    }
    X509_alias_set1(pair->cert.leaf, (const unsigned char *)pair->cert_name, -1); /* for checks and reports */
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, b->server,
                 APLOGNO(02568) "%s: certificate and private key configured from %s and %s", b->id, pair->cert_name,
                 pair->key_name);
    return 1;
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
    BIO *bio = ssl_is_key_uri(path) ? NULL : ssl_certs_open(path);
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

static key_pair *add_pair(ssl_ctx_build *b, int i)
{
    apr_array_header_t *keys = b->cfg->key_files;
    key_pair *pair = apr_array_push(b->pairs);

    memset(pair, 0, sizeof(*pair));
    pair->cert_path = APR_ARRAY_IDX(b->cfg->cert_files, i, const char *);
    pair->key_path = keys && i < keys->nelts ? APR_ARRAY_IDX(keys, i, const char *) : pair->cert_path;
    pair->cert_name = ssl_token_shown(b->p, pair->cert_path);
    pair->key_name = ssl_token_shown(b->p, pair->key_path);
    return pair;
}

apr_status_t ssl_certs_read(ssl_ctx_build *b)
{
    int i, n = b->cfg->cert_files ? b->cfg->cert_files->nelts : 0;

    b->pairs = apr_array_make(b->p, n, sizeof(key_pair));
    for (i = 0; i < n; i++) {
        if (!read_pair(b, add_pair(b, i))) {
            return APR_EGENERAL;
        }
    }
    return APR_SUCCESS;
}

apr_status_t ssl_certs_use(ssl_ctx_build *b)
{
    int i;

    for (i = 0; i < b->pairs->nelts; i++) {
        if (!use_pair(b, &APR_ARRAY_IDX(b->pairs, i, key_pair))) {
            return APR_EGENERAL;
        }
    }
    if (b->pairs->nelts > 0) {
        load_parameters(b, APR_ARRAY_IDX(b->pairs, 0, key_pair).cert_path);
    }
    return b->cfg->chain_file ? load_chain_file(b) : APR_SUCCESS;
}

void ssl_certs_release(ssl_ctx_build *b)
{
    key_pair *pair;

    while ((pair = apr_array_pop(b->pairs)) != NULL) {
        X509_free(pair->cert.leaf);
        sk_X509_pop_free(pair->cert.chain, X509_free);
        EVP_PKEY_free(pair->key);
    }
}
