/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_require.h - one SSLRequire: parsed when the directive is read, evaluated
 * for each request.
 */
#ifndef SSL_REQUIRE_H
#define SSL_REQUIRE_H

#include "ssl_private.h"

#include "ap_expr.h"

#include "ssl_expr.h"

/** Lives in the pool of the configuration (.htaccess: of the request); read-only. */
typedef struct ssl_requirement {
    const ssl_expr *expr;
    const char *text;    /**< as written */
    ap_expr_info_t info; /**< file, line and flags, for httpd's functions; no tree of httpd's */
} ssl_requirement;

/** Parses TEXT, the argument of CMD, into *RESULT.  In .htaccess what reads
 * files is refused.  Returns NULL, or what is wrong and where. */
const char *ssl_require_parse(cmd_parms *cmd, const char *text, const ssl_requirement **result);

/** 1 if REQUIREMENT is true for R and nothing failed on the way; else 0 and in
 * *ERROR what failed, or NULL if it is merely false.  Names of request headers
 * that it looked at go into Vary. */
int ssl_require_holds(request_rec *r, const ssl_requirement *requirement, const char **error);

#endif /* SSL_REQUIRE_H */
