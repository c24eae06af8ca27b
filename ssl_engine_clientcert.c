/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_clientcert.c - our certificates for backends that ask for one
 * (SSLProxyMachineCertificateFile, ...Path, ...ChainFile).
 *
 * All files are one heap of PEM blocks: keys go with the certificates that have
 * their public key, in whatever order they stand; certificates of CAs make the
 * chains.  The backend names the CAs that it accepts, and gets the first
 * certificate below one of them.
 */
#include "ssl_log.h"
#include "ssl_pphrase.h"
#include "ssl_proxy.h"
#include "ssl_token.h"
#include "ssl_x509.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define LONGEST_CHAIN 10

/** A private key, and where it was found. */
typedef struct found_key {
    EVP_PKEY *key;    /* NULL when taken */
    const char *from; /* the directive */
    const char *path; /* or URI */
    int number;       /* among the keys of the file, from 1; 0: from a token */
} found_key;

/** What the files hold. */
typedef struct heap {
    ssl_ctx_build *b;
    STACK_OF(X509) *certs;    /* each once */
    apr_array_header_t *keys; /* found_key */
    const char *from;         /* the directive and what it names, for messages */
    int n_file, n_path; /* certificates of ...File; of this and ...Path: the others are ...ChainFile's */
} heap;

/** A file that is being read. */
typedef struct pem_file {
    const char *path;
    int may_have_keys;
    int blocks, certs, keys; /* so far */
} pem_file;

static apr_status_t fail(heap *h, const char *number, const char *path, const char *what)
{
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, h->b->server, "%s%s: %s: '%s': %s", number, h->b->id, h->from,
                 ssl_token_shown(h->b->p, path), what);
    ssl_log_queue(APLOG_MARK, APLOG_EMERG, h->b->server);
    return APR_EGENERAL;
}

/* What the stock module starts with, too: said, and gone on without. */
static apr_status_t skip(heap *h, const char *number, const char *path, const char *what)
{
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, h->b->server, "%s%s: %s: '%s' is not used: %s", number, h->b->id, h->from,
                 ssl_token_shown(h->b->p, path), what);
    ssl_log_queue(APLOG_MARK, APLOG_ERR, h->b->server);
    return APR_SUCCESS;
}

/* --- reading ------------------------------------------------------------------------ */

static int is_known(STACK_OF(X509) *certs, const X509 *cert)
{
    int i;

    for (i = 0; i < sk_X509_num(certs); i++) {
        if (X509_cmp(sk_X509_value(certs, i), cert) == 0) {
            return 1;
        }
    }
    return 0;
}

/* A directory with hash links shows each certificate more than once. */
static void add_cert(heap *h, X509 *cert)
{
    if (!cert || is_known(h->certs, cert)) {
        X509_free(cert);
        return;
    }
    sk_X509_push(h->certs, cert);
}

static void add_key(heap *h, EVP_PKEY *key, const char *path, int number)
{
    found_key found = { key, h->from, path, number };

    APR_ARRAY_PUSH(h->keys, found_key) = found;
}

static apr_status_t add_cert_block(heap *h, pem_file *file, const ssl_pem_block *block)
{
    const unsigned char *der = block->content;
    X509 *cert = d2i_X509(NULL, &der, block->len);

    file->certs++;
    if (!cert) {
        return fail(h, APLOGNO(02252), file->path,
                    apr_psprintf(h->b->p, "certificate %d in it cannot be read", file->certs));
    }
    add_cert(h, cert);
    return APR_SUCCESS;
}

static int is_encrypted(const ssl_pem_block *block)
{
    return strcmp(block->name, PEM_STRING_PKCS8) == 0 || strstr(block->header, "ENCRYPTED") != NULL;
}

/* NULL: logged why not. */
static EVP_PKEY *read_key(heap *h, const pem_file *file, const ssl_pem_block *block)
{
    const unsigned char *der = block->content;
    EVP_PKEY *key;

    if (is_encrypted(block)) {
        return ssl_pphrase_load_numbered_key(h->b, file->path, file->keys);
    }
    key = d2i_AutoPrivateKey(NULL, &der, block->len);
    if (!key) {
        fail(h, APLOGNO(02252), file->path,
             apr_psprintf(h->b->p, "private key %d in it cannot be read", file->keys));
    }
    return key;
}

static apr_status_t add_key_block(heap *h, pem_file *file, const ssl_pem_block *block)
{
    EVP_PKEY *key;

    file->keys++;
    if (!file->may_have_keys) {
        return fail(h, APLOGNO(02252), file->path, "a private key has no business here");
    }
    key = read_key(h, file, block);
    if (key) {
        add_key(h, key, file->path, file->keys);
    }
    return key ? APR_SUCCESS : APR_EGENERAL;
}

static apr_status_t add_block(heap *h, pem_file *file, const ssl_pem_block *block)
{
    file->blocks++;
    if (strcmp(block->name, PEM_STRING_X509) == 0 || strcmp(block->name, PEM_STRING_X509_OLD) == 0) {
        return add_cert_block(h, file, block);
    }
    if (ssl_certs_is_key(block)) {
        return add_key_block(h, file, block);
    }
    return APR_SUCCESS; /* parameters, say */
}

static apr_status_t read_blocks(heap *h, pem_file *file, BIO *bio)
{
    apr_status_t rv = APR_SUCCESS;
    ssl_pem_block block;

    ERR_clear_error();
    while (rv == APR_SUCCESS && ssl_certs_read_block(bio, &block)) {
        rv = add_block(h, file, &block);
        ssl_certs_clear_block(&block);
    }
    if (rv == APR_SUCCESS && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
        return fail(h, APLOGNO(02252), file->path,
                    apr_psprintf(h->b->p, "PEM block %d in it is damaged", file->blocks + 1));
    }
    ERR_clear_error();
    return rv;
}

static apr_status_t read_file(heap *h, pem_file *file)
{
    BIO *bio = ssl_certs_open(file->path);
    apr_status_t rv;

    if (!bio) {
        const char *problem = ssl_path_problem(h->b->p, file->path, 0);

        return skip(h, APLOGNO(02252), file->path, problem ? problem : strerror(errno));
    }
    rv = read_blocks(h, file, bio);
    BIO_free(bio);
    return rv;
}

static apr_status_t read_pairs(heap *h, const char *path)
{
    pem_file file = { .path = path, .may_have_keys = 1 };

    return read_file(h, &file);
}

static apr_status_t read_token(heap *h, const char *uri)
{
    X509 *cert = ssl_token_load_cert(h->b, uri);
    EVP_PKEY *key = cert ? ssl_token_load_key(h->b, uri) : NULL;

    if (key) {
        add_key(h, key, uri, 0);
    }
    add_cert(h, cert);
    return key ? APR_SUCCESS : APR_EGENERAL;
}

static apr_status_t read_directory(heap *h, const char *path)
{
    apr_status_t rv = APR_SUCCESS;
    apr_finfo_t info;
    apr_dir_t *dir;

    if (apr_dir_open(&dir, path, h->b->p) != APR_SUCCESS) {
        return fail(h, APLOGNO(02252), path, "this directory cannot be read");
    }
    while (rv == APR_SUCCESS && apr_dir_read(&info, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        const char *file = apr_pstrcat(h->b->p, path, "/", info.name, NULL);

        if (!ap_is_directory(h->b->p, file)) {
            rv = read_pairs(h, file);
        }
    }
    apr_dir_close(dir);
    return rv;
}

static apr_status_t read_all(heap *h, const ssl_proxy_config *proxy)
{
    apr_status_t rv = APR_SUCCESS;

    h->from = "SSLProxyMachineCertificateFile";
    if (proxy->cert_file) {
        rv = (ssl_is_key_uri(proxy->cert_file) ? read_token : read_pairs)(h, proxy->cert_file);
    }
    h->n_file = sk_X509_num(h->certs);
    if (rv == APR_SUCCESS && proxy->cert_path) {
        h->from = "SSLProxyMachineCertificatePath";
        rv = read_directory(h, proxy->cert_path);
    }
    h->n_path = sk_X509_num(h->certs);
    return rv;
}

/* Trusted as well, as the manual has it. */
static apr_status_t read_chain(heap *h, const char *path)
{
    X509_STORE *store = SSL_CTX_get_cert_store(h->b->ctx);
    pem_file file = { .path = path };
    int first = sk_X509_num(h->certs), i;
    apr_status_t rv;

    h->from = "SSLProxyMachineCertificateChainFile";
    rv = read_file(h, &file);
    if (rv == APR_SUCCESS && file.blocks == 0) {
        return skip(h, APLOGNO(02252), path, "there is no certificate in it");
    }
    for (i = first; rv == APR_SUCCESS && i < sk_X509_num(h->certs); i++) {
        X509_STORE_add_cert(store, sk_X509_value(h->certs, i));
    }
    return rv;
}

/* --- certificates with their keys --------------------------------------------------- */

static EVP_PKEY *take_key(heap *h, const X509 *cert)
{
    int i;

    for (i = 0; i < h->keys->nelts; i++) {
        found_key *found = &APR_ARRAY_IDX(h->keys, i, found_key);

        if (found->key && X509_check_private_key(cert, found->key) == 1) {
            EVP_PKEY *key = found->key;

            found->key = NULL;
            return key;
        }
    }
    ERR_clear_error();
    return NULL;
}

static X509 *issuer_of(const STACK_OF(X509) *certs, X509 *cert)
{
    int i;

    for (i = 0; !ssl_x509_is_self_issued(cert) && i < sk_X509_num(certs); i++) {
        X509 *above = sk_X509_value(certs, i);

        if (above != cert && X509_check_issued(above, cert) == X509_V_OK) {
            return above;
        }
    }
    return NULL;
}

static void find_issuers(const STACK_OF(X509) *certs, ssl_client_cert *client)
{
    X509 *above = client->cert;
    int i;

    client->issuers = ssl_compat_new_x509_stack();
    client->sent = ssl_compat_new_x509_stack();
    for (i = 0; i < LONGEST_CHAIN && (above = issuer_of(certs, above)) != NULL; i++) {
        X509_up_ref(above);
        sk_X509_push(client->issuers, above);
        if (!ssl_x509_is_self_issued(above)) {
            sk_X509_push(client->sent, above);
        }
    }
}

/* Takes KEY over. */
static void add_client(ssl_material *out, X509 *cert, EVP_PKEY *key, int from_path, const STACK_OF(X509) *cas)
{
    ssl_client_cert *client = &out->certs[out->n_certs++];

    X509_up_ref(cert);
    client->cert = cert;
    client->key = key;
    client->from_path = from_path;
    find_issuers(cas, client);
}

void ssl_client_certs_add(ssl_material *out, const ssl_material *from, int from_path, const STACK_OF(X509) *cas)
{
    int i;

    out->certs = ap_realloc(out->certs, (apr_size_t)(out->n_certs + from->n_certs + 1) * sizeof(*out->certs));
    for (i = 0; i < from->n_certs; i++) {
        const ssl_client_cert *client = &from->certs[i];

        if (client->from_path == from_path) {
            EVP_PKEY_up_ref(client->key);
            add_client(out, client->cert, client->key, from_path, cas);
        }
    }
}

/* For chains that are made when other files come into play. */
static void keep_ca(heap *h, ssl_material *out, int at)
{
    ssl_proxy_file file = at < h->n_file ? SSL_FILE_CERTS : at < h->n_path ? SSL_FILE_CERT_DIR : SSL_FILE_CHAIN;
    X509 *cert = sk_X509_value(h->certs, at);

    if (!out->cas[file]) {
        out->cas[file] = ssl_compat_new_x509_stack();
    }
    X509_up_ref(cert);
    sk_X509_push(out->cas[file], cert);
}

static apr_status_t refuse_leftover_key(heap *h, const found_key *left)
{
    h->from = left->from;
    return fail(h, APLOGNO(02326), left->path,
                left->number ? apr_psprintf(h->b->p, "private key %d in it belongs to none of the certificates",
                                            left->number)
                             : "this private key does not belong to the certificate there");
}

static apr_status_t pair_up(heap *h, ssl_material *out, const char *shown)
{
    int i, n = sk_X509_num(h->certs);

    out->certs = ap_calloc((apr_size_t)(n ? n : 1), sizeof(*out->certs));
    for (i = 0; i < n; i++) {
        X509 *cert = sk_X509_value(h->certs, i);
        EVP_PKEY *key = take_key(h, cert);

        if (key) {
            add_client(out, cert, key, i >= h->n_file, h->certs);
        }
        else if (ssl_x509_is_ca(cert) || i >= h->n_path) {
            keep_ca(h, out, i);
        }
        else {
            skip(h, APLOGNO(02252), shown, apr_psprintf(h->b->p, "there is no private key for this certificate: %s",
                                                        ssl_x509_summary(h->b->p, cert)));
        }
    }
    for (i = 0; i < h->keys->nelts; i++) {
        if (APR_ARRAY_IDX(h->keys, i, found_key).key) {
            return refuse_leftover_key(h, &APR_ARRAY_IDX(h->keys, i, found_key));
        }
    }
    return APR_SUCCESS;
}

static void log_result(heap *h, const ssl_material *out, const char *shown)
{
    if (out->n_certs == 0) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, h->b->server,
                     APLOGNO(02206) "%s: SSLProxyMachineCertificate...: there is no client certificate in '%s'",
                     h->b->id, shown);
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, h->b->server, APLOGNO(02207) "%s: %d client certificates for backends",
                 h->b->id, out->n_certs);
}

apr_status_t ssl_client_certs_load(ssl_ctx_build *b, const ssl_proxy_config *proxy, ssl_material *out)
{
    const char *shown = ssl_token_shown(b->p, proxy->cert_file ? proxy->cert_file : proxy->cert_path);
    heap h = { .b = b, .certs = ssl_compat_new_x509_stack() };
    apr_status_t rv;
    int i;

    h.keys = apr_array_make(b->p, 4, sizeof(found_key));
    rv = read_all(&h, proxy);
    if (rv == APR_SUCCESS && proxy->chain_file) {
        const char *from = h.from;

        rv = read_chain(&h, proxy->chain_file);
        h.from = from;
    }
    if (rv == APR_SUCCESS && (shown || proxy->chain_file)) {
        rv = pair_up(&h, out, shown);
    }
    if (rv == APR_SUCCESS && shown) {
        log_result(&h, out, shown);
    }
    for (i = 0; i < h.keys->nelts; i++) {
        EVP_PKEY_free(APR_ARRAY_IDX(h.keys, i, found_key).key);
    }
    sk_X509_pop_free(h.certs, X509_free);
    return rv;
}

void ssl_client_certs_free(ssl_material *out)
{
    int i;

    for (i = 0; i < SSL_FILES_N; i++) {
        sk_X509_pop_free(out->cas[i], X509_free);
        out->cas[i] = NULL;
    }

    for (i = 0; i < out->n_certs; i++) {
        ssl_client_cert *client = &out->certs[i];

        sk_X509_free(client->sent);
        sk_X509_pop_free(client->issuers, X509_free);
        X509_free(client->cert);
        EVP_PKEY_free(client->key);
    }
    free(out->certs);
    out->certs = NULL;
    out->n_certs = 0;
}

/* --- the choice ----------------------------------------------------------------------- */

static int is_below(const ssl_client_cert *client, const X509_NAME *ca)
{
    int i;

    if (X509_NAME_cmp(X509_get_issuer_name(client->cert), ca) == 0) {
        return 1;
    }
    for (i = 0; i < sk_X509_num(client->issuers); i++) {
        if (X509_NAME_cmp(X509_get_issuer_name(sk_X509_value(client->issuers, i)), ca) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Of our certificates below CA (NULL: of all) the first whose algorithms the
 * backend can use, else the first. */
static const ssl_client_cert *first_below(SSL *ssl, const ssl_material *out, const X509_NAME *ca)
{
    const ssl_client_cert *first = NULL;
    int i;

    for (i = 0; i < out->n_certs; i++) {
        const ssl_client_cert *client = &out->certs[i];

        if (ca && !is_below(client, ca)) {
            continue;
        }
        if (SSL_check_chain(ssl, client->cert, client->key, client->issuers) & CERT_PKEY_SIGN) {
            return client;
        }
        first = first ? first : client;
    }
    return first;
}

/* The backend's order of CAs counts (manual, SSLProxyMachineCertificateFile). */
static const ssl_client_cert *choose(SSL *ssl, const ssl_material *out)
{
    const STACK_OF(X509_NAME) *cas = SSL_get0_peer_CA_list(ssl);
    const ssl_client_cert *found = NULL;
    int i;

    if (sk_X509_NAME_num(cas) <= 0) {
        return first_below(ssl, out, NULL);
    }
    for (i = 0; !found && i < sk_X509_NAME_num(cas); i++) {
        found = first_below(ssl, out, sk_X509_NAME_value(cas, i));
    }
    return found;
}

int ssl_client_certs_choose(SSL *ssl, void *arg)
{
    ssl_conn *conn = SSL_get_app_data(ssl);
    ssl_backend *backend = conn ? conn->backend : NULL;
    const ssl_client_cert *client;

    (void)arg;
    if (!backend) {
        return 1;
    }
    client = choose(ssl, backend->material);
    ERR_clear_error();
    SSL_certs_clear(ssl); /* of an earlier handshake, perhaps of another kind */
    if (!client) {
        ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, conn->c,
                      "%sthe backend %s wants a client certificate, but %s: none is sent",
                      backend->material->n_certs ? APLOGNO(02269) : APLOGNO(02268), backend->address,
                      backend->material->n_certs ? "none of ours is by a CA that it accepts"
                                              : "SSLProxyMachineCertificateFile names none");
        return 1;
    }
    ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, conn->c, APLOGNO(02277) "client certificate for the backend %s: %s",
                  backend->address, ssl_x509_summary(conn->c->pool, client->cert));
    return SSL_use_cert_and_key(ssl, client->cert, client->key, client->sent, 1);
}
