/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_expr.c - SSLRequire in httpd: names mean what they mean to httpd's
 * own expressions (hook expr_lookup), so that variables and functions of every
 * module are there.  Only the language is ours: see ssl_util_expr.c.
 */
#include "ssl_expr.h"
#include "ssl_require.h"

#include "ap_expr.h"

/* ---- parsing ------------------------------------------------------------------- */

/* What reads files.  httpd refuses these by itself in a restricted context, but
 * only since AP_EXPR_FLAG_RESTRICTED_FILE_FUNC is known. */
static const char *const file_functions[] = { "file", "filesize", NULL };

static int reads_files(const ssl_expr_symbol *symbol)
{
    for (const char *const *name = file_functions; *name; name++) {
        if (symbol->kind != SSL_EXPR_VARIABLE && !strcasecmp(symbol->name, *name)) {
            return 1;
        }
    }
    return 0;
}

/* By ssl_expr_kind. */
static const struct {
    int type;
    const char *format; /* how it is written, for messages */
} kinds[] = {
    [SSL_EXPR_VARIABLE] = { AP_EXPR_FUNC_VAR, "variable %%{%s}" },
    [SSL_EXPR_FUNCTION] = { AP_EXPR_FUNC_STRING, "function %s()" },
    [SSL_EXPR_LIST_FUNCTION] = { AP_EXPR_FUNC_LIST, "function %s() for use behind 'in'" },
    [SSL_EXPR_UNARY] = { AP_EXPR_FUNC_OP_UNARY, "operator -%s" },
    [SSL_EXPR_BINARY] = { AP_EXPR_FUNC_OP_BINARY, "operator -%s" },
};

/* find() of ssl_expr_names; the baton is the ap_expr_info_t. */
static const char *find_symbol(void *baton, apr_pool_t *p, ssl_expr_symbol *symbol, const char *argument)
{
    const ap_expr_info_t *info = baton;
    const char *err = NULL;
    ap_expr_lookup_parms parms = { .type = kinds[symbol->kind].type, .name = symbol->name, .flags = (int)info->flags,
                                   .pool = p, .ptemp = p, .func = (const void **)&symbol->function,
                                   .data = (const void **)&symbol->data, .err = &err, .arg = argument };

    if ((info->flags & AP_EXPR_FLAG_RESTRICTED_FILE_FUNC) && reads_files(symbol)) {
        return apr_psprintf(p, "%s() reads files, which is not allowed in .htaccess", symbol->name);
    }
    if (ap_expr_lookup_default(&parms) == OK && symbol->function) {
        return NULL;
    }
    return err ? err : apr_pstrcat(p, "there is no ", apr_psprintf(p, kinds[symbol->kind].format, symbol->name), NULL);
}

static const char *compile_regex(void *baton, apr_pool_t *p, ssl_expr_regex *regex)
{
    ap_regex_t *code = ap_pregcomp(p, regex->pattern, regex->ignore_case ? AP_REG_ICASE : 0);

    if (!code) {
        return "this regular expression cannot be compiled";
    }
    regex->code = code;
    regex->groups = (int)code->re_nsub;
    return NULL;
}

const char *ssl_require_parse(cmd_parms *cmd, const char *text, const ssl_requirement **result)
{
    ssl_requirement *requirement = apr_pcalloc(cmd->pool, sizeof(*requirement));
    ssl_expr_names names = { &requirement->info, find_symbol, compile_regex };
    const char *err;

    requirement->text = apr_pstrdup(cmd->pool, text);
    requirement->info.filename = cmd->directive->filename;
    requirement->info.line_number = (unsigned)cmd->directive->line_num;
    requirement->info.flags = AP_EXPR_FLAG_SSL_EXPR_COMPAT;
    requirement->info.module_index = APLOG_MODULE_INDEX;
    if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS)) {
        requirement->info.flags |= AP_EXPR_FLAG_RESTRICTED_FILE_FUNC;
    }
    requirement->expr = ssl_expr_parse(cmd->pool, text, &names, &err);
    *result = requirement;
    return err;
}

/* ---- evaluation ------------------------------------------------------------------ */

/* These cast an address of data to one of a function, as the hook made the one of the other. */
static const char *string_of(void *baton, const ssl_expr_symbol *symbol, const char *argument)
{
    ap_expr_eval_ctx_t *ctx = baton;

    return argument ? ((ap_expr_string_func_t *)symbol->function)(ctx, symbol->data, argument)
                    : ((ap_expr_var_func_t *)symbol->function)(ctx, symbol->data);
}

static const apr_array_header_t *list_of(void *baton, const ssl_expr_symbol *symbol, const char *argument)
{
    return ((ap_expr_list_func_t *)symbol->function)(baton, symbol->data, argument);
}

static int test_holds(void *baton, const ssl_expr_symbol *symbol, const char *left, const char *right)
{
    ap_expr_eval_ctx_t *ctx = baton;

    return left ? ((ap_expr_op_binary_t *)symbol->function)(ctx, symbol->data, left, right)
                : ((ap_expr_op_unary_t *)symbol->function)(ctx, symbol->data, right);
}

static int regex_matches(void *baton, const ssl_expr_regex *regex, const char *subject,
                         ssl_expr_span spans[SSL_EXPR_SPANS])
{
    ap_regmatch_t found[SSL_EXPR_SPANS];

    if (ap_regexec(regex->code, subject, SSL_EXPR_SPANS, found, 0) != 0) {
        return 0;
    }
    for (int i = 0; i < SSL_EXPR_SPANS; i++) {
        spans[i] = (ssl_expr_span){ (int)found[i].rm_so, (int)found[i].rm_eo };
    }
    return 1;
}

int ssl_require_holds(request_rec *r, const ssl_requirement *requirement, const char **error)
{
    const char *vary = NULL, *source = NULL, *result = NULL;
    ap_regmatch_t none[SSL_EXPR_SPANS] = { { 0, 0 } };
    ap_expr_eval_ctx_t ctx = { .r = r, .c = r->connection, .s = r->server, .p = r->pool, .err = error,
                               .info = &requirement->info, .re_pmatch = none, .re_nmatch = SSL_EXPR_SPANS,
                               .re_source = &source, .vary_this = &vary, .result_string = &result };
    ssl_expr_values values = { &ctx, string_of, list_of, test_holds, regex_matches };
    int holds;

    *error = NULL;
    holds = ssl_expr_evaluate(r->pool, requirement->expr, &values);
    if (vary) {
        apr_table_mergen(r->headers_out, "Vary", vary);
    }
    return holds && !*error;
}
