/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_rand.h - SSLRandomSeed: what is mixed into OpenSSL's random generator
 * besides what OpenSSL takes from the kernel by itself.
 */
#ifndef SSL_RAND_H
#define SSL_RAND_H

#include "ssl_config.h"

/** post_config: mixes in the `startup` sources, waiting no longer than some
 * seconds for each, and says what becomes of the `connect` sources.
 * APR_SUCCESS, or the generator has no seed: logged, and the start is to fail. */
apr_status_t ssl_rand_startup(server_rec *s, apr_pool_t *ptemp);

/** child_init: mixes in what tells this child from the others, the files among
 * the `startup` sources, and those `connect` sources that one must wait for. */
void ssl_rand_child(server_rec *s, apr_pool_t *p);

/** Mixes the other `connect` sources into the generators of this thread.
 * Never waits; costs next to nothing with Debian's `builtin` and /dev/urandom. */
void ssl_rand_connect(void);

#endif /* SSL_RAND_H */
