/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_expr.h - expressions of SSLRequire: text to tree, tree to true or false.
 *
 * Parser and evaluator (ssl_util_expr.c) know no httpd types beyond APR's, so
 * that t/unit and t/fuzz can link them alone: what an expression refers to
 * (variables, functions, operators, regular expressions) is found and called
 * through the two records below.  ssl_engine_expr.c fills them with httpd's.
 *
 * A tree is made once, in its pool, and only read after that, by any number of
 * threads.  Its depth and its size are bounded by those of the text.
 */
#ifndef SSL_EXPR_H
#define SSL_EXPR_H

#include <apr_pools.h>
#include <apr_tables.h>

/** Bounds: characters, and pairs of parentheses, negations, calls and variables in one another. */
#define SSL_EXPR_MAX_LENGTH (1024 * 1024)
#define SSL_EXPR_MAX_DEPTH 200

/** A parsed expression. */
typedef struct ssl_expr ssl_expr;

typedef enum {
    SSL_EXPR_VARIABLE,      /**< %{NAME} */
    SSL_EXPR_FUNCTION,      /**< NAME("argument"), %{NAME:argument}: a string */
    SSL_EXPR_LIST_FUNCTION, /**< in NAME("argument"): a list of strings */
    SSL_EXPR_UNARY,         /**< -N "argument": true or false */
    SSL_EXPR_BINARY         /**< "left" -NAME "right": true or false */
} ssl_expr_kind;

/** What an expression refers to by name. */
typedef struct ssl_expr_symbol {
    ssl_expr_kind kind;
    const char *name;                 /**< without the '-' of an operator */
    const void *function, *data;      /**< whatever find() put there */
} ssl_expr_symbol;

/** The regular expression of a =~ or !~. */
typedef struct ssl_expr_regex {
    const char *pattern;
    int ignore_case;
    int groups;       /**< number of capture groups, set by compile() */
    const void *code; /**< whatever compile() put there */
} ssl_expr_regex;

/** Where a group matched: offsets in the subject; begin < 0: nowhere. */
typedef struct ssl_expr_span {
    int begin, end;
} ssl_expr_span;

/** $0 ... $9 */
#define SSL_EXPR_SPANS 10

/** What names and patterns mean, while a text is parsed.  Both functions return
 * NULL, or what is wrong in words for a log (in P or constant). */
typedef struct ssl_expr_names {
    void *baton;
    /** Completes SYMBOL.  ARGUMENT: the operand, of a binary operator the right
     * one, if it is a quoted string without variables; otherwise NULL. */
    const char *(*find)(void *baton, apr_pool_t *p, ssl_expr_symbol *symbol, const char *argument);
    const char *(*compile)(void *baton, apr_pool_t *p, ssl_expr_regex *regex);
} ssl_expr_names;

/** What names and patterns give, while a tree is evaluated.  Errors are the
 * caller's to note by way of the baton. */
typedef struct ssl_expr_values {
    void *baton;
    /** A variable (ARGUMENT NULL) or function; NULL counts as "". */
    const char *(*string)(void *baton, const ssl_expr_symbol *symbol, const char *argument);
    /** const char * each; NULL counts as empty. */
    const apr_array_header_t *(*list)(void *baton, const ssl_expr_symbol *symbol, const char *argument);
    /** A unary (LEFT NULL) or binary operator. */
    int (*test)(void *baton, const ssl_expr_symbol *symbol, const char *left, const char *right);
    /** Whether REGEX matches SUBJECT, and if so where: all SPANS are written. */
    int (*match)(void *baton, const ssl_expr_regex *regex, const char *subject, ssl_expr_span spans[SSL_EXPR_SPANS]);
} ssl_expr_values;

/** Parses TEXT into a tree in P.  On failure NULL, and *ERROR is what is wrong
 * and where, in printable words that quote at most some 70 characters of TEXT. */
const ssl_expr *ssl_expr_parse(apr_pool_t *p, const char *text, const ssl_expr_names *names, const char **error);

/** 1 if EXPR is true, else 0.  P is for intermediate strings. */
int ssl_expr_evaluate(apr_pool_t *p, const ssl_expr *expr, const ssl_expr_values *values);

#endif /* SSL_EXPR_H */
