/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_expr.c - any bytes as an expression of SSLRequire: parsed, and evaluated
 * if they are one, with a world in which every name exists and what it gives
 * depends on the bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "ssl_expr.h"

static const char *find(void *baton, apr_pool_t *p, ssl_expr_symbol *symbol, const char *argument)
{
    (void)baton;
    (void)p;
    symbol->data = argument;
    return *symbol->name == 'x' ? "there is no such name" : NULL;
}

static const char *compile(void *baton, apr_pool_t *p, ssl_expr_regex *regex)
{
    (void)baton;
    (void)p;
    regex->groups = (int)strlen(regex->pattern) % 12;
    return strchr(regex->pattern, '(') ? "unbalanced" : NULL;
}

static const char *string(void *baton, const ssl_expr_symbol *symbol, const char *argument)
{
    (void)baton;
    return argument ? argument : *symbol->name == 'n' ? NULL : symbol->name;
}

static const apr_array_header_t *list(void *baton, const ssl_expr_symbol *symbol, const char *argument)
{
    apr_array_header_t *values = apr_array_make(baton, 1, sizeof(const char *));

    APR_ARRAY_PUSH(values, const char *) = argument;
    return *symbol->name == 'n' ? NULL : values;
}

static int test(void *baton, const ssl_expr_symbol *symbol, const char *left, const char *right)
{
    (void)baton;
    return left ? strcmp(left, right) : *symbol->name == *right;
}

/* Any spans within the subject, unset ones among them. */
static int match(void *baton, const ssl_expr_regex *regex, const char *subject, ssl_expr_span spans[SSL_EXPR_SPANS])
{
    int len = (int)strlen(subject);

    (void)baton;
    for (int i = 0; i < SSL_EXPR_SPANS; i++) {
        spans[i] = i <= regex->groups ? (ssl_expr_span){ len * i / SSL_EXPR_SPANS, len } : (ssl_expr_span){ -1, -1 };
    }
    return len > 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ssl_expr_names names = { NULL, find, compile };
    static apr_pool_t *global;
    apr_pool_t *p;
    const char *error;
    const ssl_expr *expr;

    if (!global) {
        apr_initialize();
        apr_pool_create(&global, NULL);
    }
    apr_pool_create(&p, global);
    /* On the heap, so that the sanitizer sees every byte that is read behind the end. */
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    expr = ssl_expr_parse(p, text, &names, &error);
    if (!expr == !error) {
        abort();
    }
    if (error && (strlen(error) > 600 || strpbrk(error, "\r\n\033"))) {
        abort();
    }
    free(text); /* a tree does not point into it */
    if (expr) {
        ssl_expr_values values = { p, string, list, test, match };

        if (ssl_expr_evaluate(p, expr, &values) != ssl_expr_evaluate(p, expr, &values)) {
            abort();
        }
    }
    apr_pool_destroy(p);
    return 0;
}
