/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_pairs.h - certificates with their keys, of which there may be thousands:
 * read once, kept while their files do not change, what several have in common shared.
 * Used in the parent, while virtual hosts are made.
 */
#ifndef SSL_PAIRS_H
#define SSL_PAIRS_H

#include "ssl_ctx.h"

/** The pair that was made of files with these stamps, now in use; or NULL. */
ssl_pair *ssl_pairs_find(const char *signature);

/** Takes over PAIR: kept under SIGNATURE for the process, or, with SIGNATURE
 * NULL, freed with P. */
void ssl_pairs_keep(ssl_pair *pair, const char *signature, apr_pool_t *p);

/** Frees a pair that nobody has taken over. */
void ssl_pairs_free(ssl_pair *pair);

/** The certificate of a CA from its DER: a new reference to the one that
 * another pair has in its chain, if there is one.  NULL: see OpenSSL's queue. */
X509 *ssl_pairs_shared_cert(const unsigned char *der, long len);

/** The private key of type TYPE ("EC") in DER, unencrypted, in PKCS#8 or the type's own
 * form.  NULL: it is not that. */
EVP_PKEY *ssl_pairs_decode_key(const char *type, const unsigned char *der, long len);

/** All hosts have their certificates: frees what reading them needed. */
void ssl_pairs_done(void);

/** Frees the pairs that the configuration just made does not use. */
void ssl_pairs_sweep(void);

#endif /* SSL_PAIRS_H */
