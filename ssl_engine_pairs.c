/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_pairs.c - thousands of certificates and keys: kept over restarts,
 * with one copy of what they have in common, and quick to read.
 */
#include <stdlib.h>

#include "ssl_pairs.h"

#include <openssl/decoder.h>
#include <openssl/evp.h>

#define PAIRS "mod_ssl:pairs-2"

/* --- pairs ------------------------------------------------------------------ */

void ssl_pairs_free(ssl_pair *pair)
{
    X509_free(pair->cert);
    EVP_PKEY_free(pair->key);
    sk_X509_pop_free(pair->chain, X509_free);
    sk_X509_pop_free(pair->extra, X509_free);
    free(pair);
}

ssl_pair *ssl_pairs_find(const char *signature)
{
    ssl_kept *kept = ssl_kept_find(PAIRS, signature);

    if (!kept) {
        return NULL;
    }
    kept->in_use = 1;
    return kept->object;
}

static apr_status_t free_with_pool(void *pair)
{
    ssl_pairs_free(pair);
    return APR_SUCCESS;
}

void ssl_pairs_keep(ssl_pair *pair, const char *signature, apr_pool_t *p)
{
    if (signature) {
        pair->signature = ssl_kept_add(PAIRS, signature, pair)->signature;
    }
    else {
        apr_pool_cleanup_register(p, pair, free_with_pool, apr_pool_cleanup_null);
    }
}

static void destroy_pair(void *pair)
{
    ssl_pairs_free(pair);
}

void ssl_pairs_sweep(void)
{
    ssl_kept_sweep(PAIRS, destroy_pair);
}

/* --- chains ------------------------------------------------------------------ */

#define DIGEST_SIZE 32 /* SHA-256 */

static apr_pool_t *chains_pool;
static apr_hash_t *chains; /* digest -> X509, a reference of its own */

static void remember(X509 *cert, const unsigned char *digest)
{
    X509_up_ref(cert);
    apr_hash_set(chains, apr_pmemdup(chains_pool, digest, DIGEST_SIZE), DIGEST_SIZE, cert);
}

/* Where chains are shared, all but the first host's are known already. */
static void remember_chain(STACK_OF(X509) *chain, apr_hash_t *seen)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    int i;

    for (i = 0; i < sk_X509_num(chain); i++) {
        X509 *cert = sk_X509_value(chain, i);

        if (!apr_hash_get(seen, &cert, sizeof(cert))) {
            apr_hash_set(seen, apr_pmemdup(chains_pool, &cert, sizeof(cert)), sizeof(cert), cert);
            if (X509_digest(cert, EVP_sha256(), digest, NULL) && !apr_hash_get(chains, digest, DIGEST_SIZE)) {
                remember(cert, digest);
            }
        }
    }
}

/* Only when something is read at all: chains of what is kept from before count, too. */
static void open_chains(void)
{
    apr_hash_t *seen;
    apr_hash_index_t *i;

    apr_pool_create(&chains_pool, NULL);
    chains = apr_hash_make(chains_pool);
    seen = apr_hash_make(chains_pool);
    for (i = apr_hash_first(chains_pool, ssl_kept_hash(PAIRS)); i; i = apr_hash_next(i)) {
        const ssl_pair *pair = ((ssl_kept *)apr_hash_this_val(i))->object;

        remember_chain(pair->chain, seen);
        remember_chain(pair->extra, seen);
    }
}

static void close_chains(void)
{
    apr_hash_index_t *i;

    if (chains) {
        for (i = apr_hash_first(chains_pool, chains); i; i = apr_hash_next(i)) {
            X509_free(apr_hash_this_val(i));
        }
        apr_pool_destroy(chains_pool);
        chains = NULL;
    }
}

X509 *ssl_pairs_shared_cert(const unsigned char *der, long len)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    const unsigned char *at = der;
    X509 *cert;

    if (!chains) {
        open_chains();
    }
    if (!EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL)) {
        return NULL;
    }
    cert = apr_hash_get(chains, digest, DIGEST_SIZE);
    if (cert) {
        X509_up_ref(cert);
        return cert;
    }
    cert = d2i_X509(NULL, &at, len);
    if (cert) {
        remember(cert, digest);
    }
    return cert;
}

/* --- keys -------------------------------------------------------------------- */

/* What decodes keys of one type.  It writes to where it was told when it was made: to `decoded`. */
static struct {
    char type[24];
    OSSL_DECODER_CTX *decoder;
} decoders[4];

#define N_DECODERS (sizeof(decoders) / sizeof(decoders[0]))

static EVP_PKEY *decoded;

static void close_decoder(size_t i)
{
    OSSL_DECODER_CTX_free(decoders[i].decoder);
    decoders[i].decoder = NULL;
}

/* N_DECODERS: there is no place for it. */
static size_t open_decoder(const char *type)
{
    size_t i;

    for (i = 0; i < N_DECODERS && decoders[i].decoder; i++) {
        if (strcmp(decoders[i].type, type) == 0) {
            return i;
        }
    }
    if (i < N_DECODERS && strlen(type) < sizeof(decoders[i].type)) {
        apr_cpystrn(decoders[i].type, type, sizeof(decoders[i].type));
        decoders[i].decoder = OSSL_DECODER_CTX_new_for_pkey(&decoded, "DER", NULL, decoders[i].type,
                                                            EVP_PKEY_KEYPAIR, NULL, NULL);
    }
    return i < N_DECODERS && decoders[i].decoder ? i : N_DECODERS;
}

EVP_PKEY *ssl_pairs_decode_key(const char *type, const unsigned char *der, long len)
{
    size_t i = open_decoder(type), left = (size_t)len;
    EVP_PKEY *key;

    if (i == N_DECODERS) {
        return NULL;
    }
    decoded = NULL;
    if (!OSSL_DECODER_from_data(decoders[i].decoder, &der, &left) || left > 0) {
        EVP_PKEY_free(decoded);
        decoded = NULL;
    }
    key = decoded;
    decoded = NULL;
    return key;
}

void ssl_pairs_done(void)
{
    size_t i;

    for (i = 0; i < N_DECODERS; i++) {
        close_decoder(i);
    }
    close_chains();
}
