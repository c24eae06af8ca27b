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

#include "apr_base64.h"

#include "ssl_confcmd.h"
#include "ssl_ctx.h"
#include "ssl_log.h"
#include "ssl_pairs.h"
#include "ssl_pphrase.h"
#include "ssl_token.h"
#include "ssl_x509.h"

#define MAX_FILE_SIZE (16 * 1024 * 1024) /* what is behind it is not looked at */

/** What one SSLCertificateFile holds. */
typedef struct cert_file {
    X509 *leaf;
    STACK_OF(X509) *chain; /* may be empty */
    int has_parameters;
} cert_file;

/** Where a certificate and its key come from. */
typedef struct pair_source {
    const char *cert_path, *key_path; /**< as configured */
    const char *cert_name, *key_name; /**< as they may be logged */
} pair_source;

static void cert_file_clear(cert_file *cf)
{
    X509_free(cf->leaf);
    sk_X509_pop_free(cf->chain, X509_free);
    cf->leaf = NULL;
    cf->chain = NULL;
}

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

int ssl_certs_read_block(BIO *bio, ssl_pem_block *block)
{
    return PEM_read_bio_ex(bio, &block->name, &block->header, &block->content, &block->len,
                           PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE);
}

void ssl_certs_clear_block(ssl_pem_block *block)
{
    OPENSSL_secure_free(block->name);
    OPENSSL_secure_free(block->header);
    OPENSSL_secure_clear_free(block->content, (size_t)block->len);
}

int ssl_certs_is_key(const ssl_pem_block *block)
{
    return strstr(block->name, PEM_STRING_PKCS8INF) != NULL; /* "ENCRYPTED PRIVATE KEY" and "RSA PRIVATE KEY", too */
}

BIO *ssl_certs_open_key(const char *path, int number)
{
    BIO *file = ssl_certs_open(path), *key = NULL;
    ssl_pem_block block;

    while (file && !key && ssl_certs_read_block(file, &block)) {
        if (ssl_certs_is_key(&block) && --number == 0) {
            key = BIO_new(BIO_s_mem());
            PEM_write_bio(key, block.name, block.header, block.content, block.len);
        }
        ssl_certs_clear_block(&block);
    }
    BIO_free(file);
    return key;
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

/* The next certificate of BIO, which is none's own: shared with all that have the same in their chain. */
static X509 *read_chain_cert(BIO *bio)
{
    unsigned char *der = NULL;
    long len = 0;
    X509 *cert;

    if (!PEM_bytes_read_bio(&der, &len, NULL, PEM_STRING_X509, bio, NULL, NULL)) {
        return NULL;
    }
    cert = ssl_pairs_shared_cert(der, len);
    OPENSSL_free(der);
    return cert;
}

/* All certificates of BIO from here on into CHAIN.  False if one of them can't be read. */
static int read_chain(BIO *bio, STACK_OF(X509) *chain)
{
    X509 *cert;

    while ((cert = read_chain_cert(bio)) != NULL) {
        sk_X509_push(chain, cert);
    }
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

/* OpenSSL looks for parameters in all that it could read them from, which takes
 * longer than reading the certificate. */
static int mentions_parameters(BIO *bio)
{
    char line[256];
    int found = 0;

    (void)BIO_reset(bio);
    while (!found && BIO_gets(bio, line, sizeof(line)) > 0) {
        found = strncmp(line, "-----BEGIN ", 11) == 0 && strstr(line, " PARAMETERS-----") != NULL;
    }
    OPENSSL_cleanse(line, sizeof(line)); /* the key may be in the same file */
    return found;
}

/* All certificates that BIO holds: the first into cf->leaf, the others into cf->chain. */
static int read_pem_certs(BIO *bio, cert_file *cf)
{
    cf->leaf = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    if (!cf->leaf || !read_chain(bio, cf->chain)) {
        return 0;
    }
    cf->has_parameters = mentions_parameters(bio);
    return 1;
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
    cf->has_parameters = 0;
    cf->chain = ssl_compat_new_x509_stack();
    if (ssl_is_key_uri(path)) {
        cf->leaf = ssl_token_load_cert(b, path);
        return cf->leaf != NULL;
    }
    return read_certs(b, path, cf);
}

/* --- keys ------------------------------------------------------------------ */

/* Most of PEM_read_bio_PrivateKey()'s time goes into finding out what could
 * read a key of any kind in any form.  The certificate says which kind it is, and
 * what can read that serves for the next key, too: a tenth of the time.  NULL: it is
 * not as simple as that, BIO is to be read from the start. */
static EVP_PKEY *read_plain_key(BIO *bio, X509 *cert)
{
    EVP_PKEY *public_key = X509_get0_pubkey(cert), *key = NULL;
    const char *type = public_key ? EVP_PKEY_get0_type_name(public_key) : NULL;
    unsigned char *der = NULL;
    char *name = NULL;
    long len = 0;
    int asked = 0;

    if (type && PEM_bytes_read_bio_secmem(&der, &len, &name, PEM_STRING_EVP_PKEY, bio, refuse_pass_phrase, &asked)) {
        if (strcmp(name, PEM_STRING_PKCS8) != 0) {
            key = ssl_pairs_decode_key(type, der, len);
        }
        OPENSSL_secure_clear_free(der, (size_t)len);
        OPENSSL_secure_free(name);
    }
    if (!key) {
        (void)BIO_reset(bio);
        ERR_clear_error();
    }
    return key;
}

/* The private key of CERT in PEM or DER.  NULL with ASKED: it is encrypted. */
static EVP_PKEY *read_key(BIO *bio, X509 *cert, int *asked)
{
    EVP_PKEY *key = read_plain_key(bio, cert);

    if (!key) {
        key = PEM_read_bio_PrivateKey(bio, NULL, refuse_pass_phrase, asked);
    }
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

static EVP_PKEY *load_key(ssl_ctx_build *b, const char *path, X509 *cert)
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
    key = read_key(bio, cert, &asked);
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

static int check_pair(ssl_ctx_build *b, const pair_source *from, X509 *cert, EVP_PKEY *key)
{
    if (X509_check_private_key(cert, key)) {
        return 1;
    }
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                 APLOGNO(02565) "%s: the certificate in '%s' (%s, public key SHA-256 %s) and the key in '%s' (public "
                 "key SHA-256 %s) do not belong together", b->id, from->cert_name, ssl_x509_summary(b->p, cert),
                 ssl_x509_key_fingerprint(b->p, X509_get0_pubkey(cert)), from->key_name,
                 ssl_x509_key_fingerprint(b->p, key));
    ERR_clear_error();
    return 0;
}

/* For a report the private key is not needed, but OpenSSL wants some key with
 * each certificate. */
static EVP_PKEY *key_of_pair(ssl_ctx_build *b, const pair_source *from, X509 *cert)
{
    return ssl_global()->reporting ? X509_get_pubkey(cert) : load_key(b, from->key_path, cert);
}

/* SSLCertificateChainFile: for every certificate that brings no chain itself. */
static int load_chain_file(ssl_ctx_build *b, STACK_OF(X509) *chain)
{
    const char *path = b->cfg->chain_file;
    BIO *bio = open_file(b, APLOGNO(01903), path);
    int whole = bio && read_chain(bio, chain);

    if (bio && (!whole || sk_X509_num(chain) == 0)) {
        (void)BIO_reset(bio);
        ap_log_error(APLOG_MARK, whole ? APLOG_WARNING : APLOG_EMERG, 0, b->server,
                     APLOGNO(01903) "%s: SSLCertificateChainFile: %s in '%s': it holds %s", b->id,
                     whole ? "no certificate" : "a certificate that cannot be read", path, what_is_in(bio));
    }
    BIO_free(bio);
    ERR_clear_error();
    return whole;
}

/* An empty chain is left unset, so that SSLCertificateChainFile or the CA store fills it. */
static STACK_OF(X509) *unless_empty(STACK_OF(X509) *chain)
{
    if (sk_X509_num(chain) > 0) {
        return chain;
    }
    sk_X509_free(chain);
    return NULL;
}

static int take_chains(ssl_ctx_build *b, cert_file *cf, ssl_pair *pair)
{
    STACK_OF(X509) *extra;
    int ok;

    pair->chain = unless_empty(cf->chain);
    cf->chain = NULL;
    if (!b->cfg->chain_file) {
        return 1;
    }
    extra = ssl_compat_new_x509_stack();
    ok = load_chain_file(b, extra);
    if (ok && !pair->chain) {
        pair->extra = unless_empty(extra);
    }
    else {
        sk_X509_pop_free(extra, X509_free);
    }
    return ok;
}

/* Takes the key and what CF holds.  NULL: logged why. */
static ssl_pair *make_pair(ssl_ctx_build *b, const pair_source *from, cert_file *cf, EVP_PKEY *key)
{
    ssl_pair *pair = ap_calloc(1, sizeof(*pair));

    pair->cert = cf->leaf;
    pair->key = key;
    pair->has_parameters = cf->has_parameters;
    cf->leaf = NULL;
    X509_alias_set1(pair->cert, (const unsigned char *)from->cert_name, -1); /* for checks and reports */
    if (!take_chains(b, cf, pair)) {
        ssl_pairs_free(pair);
        return NULL;
    }
    return pair;
}

static ssl_pair *load_pair(ssl_ctx_build *b, const pair_source *from)
{
    ssl_pair *pair = NULL;
    EVP_PKEY *key = NULL;
    cert_file cf;

    if (load_cert(b, from->cert_path, &cf)) {
        key = key_of_pair(b, from, cf.leaf);
    }
    if (key && check_pair(b, from, cf.leaf, key)) {
        pair = make_pair(b, from, &cf, key);
    }
    else {
        EVP_PKEY_free(key);
    }
    cert_file_clear(&cf);
    return pair;
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

/* --- the whole --------------------------------------------------------------- */

/* Without a key file of its own, a certificate's file holds the key. */
static pair_source source_of(const ssl_ctx_build *b, int i)
{
    apr_array_header_t *keys = b->cfg->key_files;
    pair_source from;

    from.cert_path = APR_ARRAY_IDX(b->cfg->cert_files, i, const char *);
    from.key_path = keys && i < keys->nelts ? APR_ARRAY_IDX(keys, i, const char *) : from.cert_path;
    from.cert_name = ssl_token_shown(b->p, from.cert_path);
    from.key_name = ssl_token_shown(b->p, from.key_path);
    return from;
}

/* Thousands of hosts keep one each: so not the text, with two paths in it. */
static const char *digest(apr_pool_t *p, const char *text)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned int len;
    char *shown = apr_palloc(p, (apr_size_t)apr_base64_encode_len(sizeof(hash)));

    if (!EVP_Digest(text, strlen(text), hash, &len, EVP_sha256(), NULL)) {
        return text;
    }
    apr_base64_encode_binary(shown, hash, (int)len);
    return shown;
}

/* Without its private key, a certificate of a dump is another one. */
static const char *sign(const ssl_ctx_build *b, const pair_source *from)
{
    const char *text =
        apr_pstrcat(b->p, ssl_global()->reporting ? "report\n" : "", ssl_global()->fips == 1 ? "fips\n" : "",
                    ssl_config_file_stamp(b->p, from->cert_path), "\n",
                    ssl_config_file_stamp(b->p, from->key_path), "\n",
                    ssl_config_file_stamp(b->p, b->cfg->chain_file), NULL);

    return digest(b->p, text);
}

static const ssl_pair *find_or_load(ssl_ctx_build *b, int i)
{
    pair_source from = source_of(b, i);
    const char *signature = sign(b, &from);
    ssl_pair *pair = ssl_pairs_find(signature);

    if (pair) {
        return pair;
    }
    b->outdated_key = 0;
    pair = load_pair(b, &from);
    if (pair) {
        ssl_pairs_keep(pair, b->outdated_key ? NULL : signature, b->server->process->pconf);
    }
    return pair;
}

apr_status_t ssl_certs_load(ssl_ctx_build *b)
{
    int i, n = b->cfg->cert_files ? b->cfg->cert_files->nelts : 0;

    b->pairs = apr_array_make(b->p, n ? n : 1, sizeof(const ssl_pair *));
    for (i = 0; i < n; i++) {
        const ssl_pair *pair = find_or_load(b, i);

        if (!pair) {
            return APR_EGENERAL;
        }
        APR_ARRAY_PUSH(b->pairs, const ssl_pair *) = pair;
    }
    return APR_SUCCESS;
}

/* ACCEPTED: what OpenSSL says of the I-th certificate. */
static int log_use(ssl_ctx_build *b, int i, int accepted)
{
    pair_source from = source_of(b, i);

    if (accepted != 1) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                     APLOGNO(02561) "%s: OpenSSL refuses the certificate in '%s': %s", b->id, from.cert_name,
                     ssl_log_reason(b->p));
        ssl_log_queue(APLOG_MARK, APLOG_EMERG, b->server);
        return 0;
    }
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, b->server,
                 APLOGNO(02568) "%s: certificate and private key configured from %s and %s", b->id, from.cert_name,
                 from.key_name);
    return 1;
}

static void use_extra_chain(SSL_CTX *ctx, STACK_OF(X509) *extra)
{
    int i;

    for (i = 0; i < sk_X509_num(extra); i++) {
        X509 *cert = sk_X509_value(extra, i);

        if (X509_up_ref(cert) && SSL_CTX_add_extra_chain_cert(ctx, cert) != 1) {
            X509_free(cert);
        }
    }
}

apr_status_t ssl_certs_use(ssl_ctx_build *b)
{
    STACK_OF(X509) *extra = NULL; /* the same for all that have one */
    int i, n = b->certs ? b->certs->n : 0;

    for (i = 0; i < n; i++) {
        const ssl_pair *pair = b->certs->pairs[i];

        if (!log_use(b, i, SSL_CTX_use_cert_and_key(b->ctx, pair->cert, pair->key, pair->chain, 1))) {
            return APR_EGENERAL;
        }
        extra = pair->extra ? pair->extra : extra;
    }
    use_extra_chain(b->ctx, extra);
    if (n > 0 && b->certs->pairs[0]->has_parameters) {
        load_parameters(b, APR_ARRAY_IDX(b->cfg->cert_files, 0, const char *));
    }
    return APR_SUCCESS;
}

apr_status_t ssl_certs_try(ssl_ctx_build *b, SSL *probe)
{
    int i;

    SSL_certs_clear(probe);
    for (i = 0; i < b->certs->n; i++) {
        const ssl_pair *pair = b->certs->pairs[i];

        if (!log_use(b, i, SSL_use_cert_and_key(probe, pair->cert, pair->key, b->certs->chains[i], 1))) {
            return APR_EGENERAL;
        }
    }
    return APR_SUCCESS;
}
