/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_fips.h - SSLFIPS.
 */
#ifndef SSL_FIPS_H
#define SSL_FIPS_H

#include "ssl_private.h"

/** post_config, before anything that asks OpenSSL for cryptography: lets the
 * whole process use what is approved and nothing else, if SSLFIPS is on; or
 * all again, if it was on and is not now.  APR_SUCCESS, or logged what is
 * missing. */
apr_status_t ssl_fips_set(server_rec *s, apr_pool_t *ptemp);

#endif /* SSL_FIPS_H */
