/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_chain.c - the chain that goes with each certificate, settled at
 * start.
 *
 * For a certificate without a chain OpenSSL looks for one among the CAs of the
 * SSL_CTX (or those of SSLOpenSSLConfCmd ChainCAFile), in every handshake.  The
 * answer is always the same, so the question is asked once, here.
 */
#include "ssl_ctx.h"
#include "ssl_log.h"

#include <openssl/x509_vfy.h>

/* The certificates above LEAF as far as the CAs of STORE lead, a root included:
 * what OpenSSL would send.  NULL if there are none. */
static STACK_OF(X509) *find_chain(X509_STORE *store, X509 *leaf)
{
    X509_STORE_CTX *walk = X509_STORE_CTX_new();
    STACK_OF(X509) *chain = NULL;

    if (walk && X509_STORE_CTX_init(walk, store, leaf, NULL)) {
        (void)X509_verify_cert(walk); /* it need not be valid, only found */
        chain = X509_STORE_CTX_get1_chain(walk);
    }
    X509_STORE_CTX_free(walk);
    if (chain && sk_X509_num(chain) > 0) {
        X509_free(sk_X509_shift(chain));
    }
    if (chain && sk_X509_num(chain) == 0) {
        sk_X509_free(chain);
        chain = NULL;
    }
    return chain;
}

static void complete_current(SSL_CTX *ctx, X509_STORE *store)
{
    STACK_OF(X509) *chain = NULL;

    if (SSL_CTX_get0_chain_certs(ctx, &chain) && sk_X509_num(chain) > 0) {
        return;
    }
    chain = find_chain(store, SSL_CTX_get0_certificate(ctx));
    if (chain) {
        SSL_CTX_set1_chain(ctx, chain);
        sk_X509_pop_free(chain, X509_free);
    }
}

/* Where OpenSSL looks for the rest of a chain. */
static X509_STORE *chain_store(SSL_CTX *ctx)
{
    X509_STORE *store = NULL;

    SSL_CTX_get0_chain_cert_store(ctx, &store);
    return store ? store : SSL_CTX_get_cert_store(ctx);
}

apr_status_t ssl_chain_complete(ssl_ctx_build *b)
{
    STACK_OF(X509) *extra = NULL;
    X509_STORE *store = chain_store(b->ctx);
    long more;

    SSL_CTX_get_extra_chain_certs_only(b->ctx, &extra);
    more = sk_X509_num(extra) > 0 ? 0 : SSL_CTX_set_current_cert(b->ctx, SSL_CERT_SET_FIRST);
    for (; more; more = SSL_CTX_set_current_cert(b->ctx, SSL_CERT_SET_NEXT)) {
        complete_current(b->ctx, store);
    }
    ERR_clear_error();
    SSL_CTX_set_mode(b->ctx, SSL_MODE_NO_AUTO_CHAIN);
    return APR_SUCCESS;
}

static apr_status_t free_chain(void *chain)
{
    sk_X509_pop_free(chain, X509_free);
    return APR_SUCCESS;
}

/* As find_chain(), freed with P. */
static STACK_OF(X509) *find_own_chain(X509_STORE *store, X509 *leaf, apr_pool_t *p)
{
    STACK_OF(X509) *chain = find_chain(store, leaf);

    if (chain) {
        apr_pool_cleanup_register(p, chain, free_chain, apr_pool_cleanup_null);
    }
    return chain;
}

void ssl_chain_complete_set(ssl_cert_set *certs, SSL_CTX *ctx, apr_pool_t *p)
{
    int i;

    certs->chains = apr_pcalloc(p, sizeof(*certs->chains) * (apr_size_t)certs->n);
    for (i = 0; i < certs->n; i++) {
        const ssl_pair *pair = certs->pairs[i];

        certs->chains[i] = pair->chain ? pair->chain : pair->extra;
        if (!certs->chains[i]) {
            certs->chains[i] = find_own_chain(chain_store(ctx), pair->cert, p);
        }
    }
    ERR_clear_error();
}
