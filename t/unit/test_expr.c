/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_expr.c - expressions of SSLRequire without a server: what is true, what
 * is refused and where, how deep and how long they may be.
 */
#include <regex.h>
#include <stdlib.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "ssl_expr.h"
#include "tap.h"

#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

static apr_pool_t *p;

/* ---- a small world: variables V and EMPTY, functions upper() and calls(), list
 * letters() "a".."c", unary -n and -fail, binary -same ---- */

static int calls; /* of calls() */

static const char *known[] = { "V", "EMPTY", "upper", "calls", "letters", "n", "same" };

static const char *find(void *baton, apr_pool_t *pool, ssl_expr_symbol *symbol, const char *argument)
{
    (void)baton;
    for (int i = 0; i < COUNT(known); i++) {
        if (!strcmp(known[i], symbol->name)) {
            symbol->function = known[i];
            symbol->data = argument;
            return NULL;
        }
    }
    return apr_pstrcat(pool, "unknown ", symbol->name, NULL);
}

static apr_status_t free_regex(void *code)
{
    regfree(code);
    return APR_SUCCESS;
}

static const char *compile(void *baton, apr_pool_t *pool, ssl_expr_regex *regex)
{
    regex_t *code = apr_pcalloc(pool, sizeof(*code));

    (void)baton;
    if (regcomp(code, regex->pattern, REG_EXTENDED | (regex->ignore_case ? REG_ICASE : 0)) != 0) {
        return "bad pattern";
    }
    apr_pool_cleanup_register(pool, code, free_regex, apr_pool_cleanup_null);
    regex->code = code;
    regex->groups = (int)code->re_nsub;
    return NULL;
}

static const char *string(void *baton, const ssl_expr_symbol *symbol, const char *argument)
{
    if (!argument) {
        return !strcmp(symbol->name, "V") ? "value" : NULL;
    }
    calls += !strcmp(symbol->name, "calls");
    char *copy = apr_pstrdup(baton, argument);
    for (char *c = copy; *c && !strcmp(symbol->name, "upper"); c++) {
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
    }
    return copy;
}

static const apr_array_header_t *list(void *baton, const ssl_expr_symbol *symbol, const char *argument)
{
    apr_array_header_t *letters = apr_array_make(baton, 3, sizeof(const char *));

    (void)symbol;
    APR_ARRAY_PUSH(letters, const char *) = "a";
    APR_ARRAY_PUSH(letters, const char *) = "b";
    APR_ARRAY_PUSH(letters, const char *) = argument;
    return *argument ? letters : NULL;
}

static int test(void *baton, const ssl_expr_symbol *symbol, const char *left, const char *right)
{
    (void)baton;
    (void)symbol;
    return left ? !strcmp(left, right) : *right != '\0';
}

static int match(void *baton, const ssl_expr_regex *regex, const char *subject, ssl_expr_span spans[SSL_EXPR_SPANS])
{
    regmatch_t found[SSL_EXPR_SPANS];

    (void)baton;
    if (regexec(regex->code, subject, SSL_EXPR_SPANS, found, 0) != 0) {
        return 0;
    }
    for (int i = 0; i < SSL_EXPR_SPANS; i++) {
        spans[i] = (ssl_expr_span){ (int)found[i].rm_so, (int)found[i].rm_eo };
    }
    return 1;
}

static const ssl_expr_names names = { NULL, find, compile };

/* "true", "false", or the reason why TEXT is refused. */
static const char *outcome(const char *text)
{
    ssl_expr_values values = { p, string, list, test, match };
    const char *error;
    const ssl_expr *expr = ssl_expr_parse(p, text, &names, &error);

    return !expr ? error : ssl_expr_evaluate(p, expr, &values) ? "true" : "false";
}

/* ---- tables ---- */

static const struct {
    const char *text, *wanted;
} values[] = {
    { "true", "true" }, { "false", "false" }, { "not false", "true" }, { "!!true", "true" }, { "!not true", "true" },
    { "true or false and false", "true" }, { "(true or true) and false", "false" }, { "not false and false", "false" },
    { "not (false and false)", "true" }, { "true&&true||false", "true" }, { " \t( true ) \r", "true" },
    { "\"a\" == 'a'", "true" }, { "1 = 1", "true" }, { "1 eq 01", "false" }, { "1 ne 01", "true" },
    { "\"b\" < \"aa\"", "true" }, { "9 lt 10", "true" }, { "9 -gt 10", "false" }, { "-1 > 1", "true" },
    { "1 <= 1 and 1 >= 1 and 1 -le 1 and 1 -ge 1", "true" }, { "1 < 1 or 1 > 1", "false" }, { "\"\" < \"a\"", "true" },
    { "\"\xe9\" < \"a\"", "true" }, { "\"\xe9\" != \"a\"", "true" }, { "\"ab\" > \"aa\"", "true" },
    { "%{V} == \"value\"", "true" }, { "\"x%{V}y\" == \"xvaluey\"", "true" }, { "%{EMPTY} == \"\"", "true" },
    { "upper(\"a\" . %{V}) == \"AVALUE\"", "true" }, { "%{upper:a%{V}} == \"AVALUE\"", "true" },
    { "%{upper:a\\}b} == \"A}B\"", "true" }, { "\"a\" . \"b\" . 1 == \"ab1\"", "true" }, { "1.2.3 == 123", "true" },
    { "-n \"x\" and not -n \"\"", "true" }, { "\"a\" -same \"a\"", "true" }, { "!\"a\" -same \"b\"", "true" },
    { "\"a\" in {\"b\", 'a'}", "true" }, { "\"a\" -in {\"b\"}", "false" }, { "\"c\" in letters(\"c\")", "true" },
    { "\"d\" in letters(\"c\")", "false" }, { "\"a\" in letters(\"\")", "false" },
    { "\"abc\" =~ /b/", "true" }, { "\"abc\" !~ m#B#", "true" }, { "\"abc\" =~ m|B|i", "true" },
    { "\"abc\" =~ /(b)(c)/ and \"$2$1$0\" == \"cbbc\"", "true" }, { "\"abc\" =~ /(b)/ and $1 == \"b\"", "true" },
    { "\"abc\" =~ /(b)/ and \"x\" =~ /x/ and $1 == \"b\"", "true" }, { "\"abc\" =~ /(b)/ and \"x\" !~ /(y)/ and $1 == \"\"", "true" },
    { "\"ab\" =~ /(x)?b/ and $1 == \"\" and $9 == \"\"", "true" }, { "$0 == \"\"", "true" },
    { "\"\\101\\n\\t\\\\\\\"\\x\" == 'A\\n\\t\\\\\"x'", "true" }, { "\"a\\0b\" == \"a\"", "true" }, { "\"\\$1\\%{V}\" == '\\$1\\%{V}'", "true" },
    { "\"$a$\" == '$a$' and \"%\" == \"%\"", "true" },
};

/* What is wrong, and the column that is named. */
static const struct {
    const char *text, *problem;
    int column;
} mistakes[] = {
    { "", "the expression ends", 1 },           { "true and", "the expression ends", 9 },   { "(true", "the expression ends", 6 },
    { "true)", "'and', 'or' or the end", 5 },   { "true true", "'and', 'or' or the end", 6 }, { "a == b", "neither a string", 1 },
    { "TRUE", "neither a string", 1 },          { "\"a\"", "the expression ends", 4 },      { "\"a\" ==", "the expression ends", 7 },
    { "\"a", "this string has no end (\")", 1 }, { "'a", "this string has no end (')", 1 }, { "\"a\nb\" == 1", "this string has no end", 1 },
    { "\"\\", "this string has no end", 1 },    { "\"%{V", "a variable is", 5 },             { "%{", "a variable is", 3 },
    { "%{}", "a variable is", 3 },              { "%{V V}", "a variable is", 4 },           { "%{upper:", "has no end", 8 },
    { "%{upper:}", "an argument is expected", 9 }, { "%{upper:\"}", "a quotation mark", 9 }, { "%{nosuch} == 1", "unknown nosuch", 3 },
    { "nosuch(1) == 1", "unknown nosuch", 1 },  { "upper() == 1", "a string, number", 7 },  { "upper(1 == 1", "')' or '.'", 9 },
    { "-q 1", "unknown q", 1 },                 { "1 -nosuch 1", "unknown nosuch", 3 },     { "- 1", "a string, number", 1 },
    { "\"a\" =~ /(/", "bad pattern", 8 },       { "\"a\" =~ /a", "this regular expression has no end", 8 },
    { "\"a\" =~ \"a\"", "a regular expression is expected", 8 }, { "\"a\" =~ m(a)", "a regular expression is expected", 8 },
    { "\"a\" =~", "a regular expression is expected", 7 }, { "\"a\" in {}", "a string, number", 9 }, { "\"a\" in {1 2}", "',' or '}'", 11 },
    { "\"a\" in \"a\"", "{ or PeerExtList", 8 }, { "\"\\400\" == 1", "an octal escape", 3 }, { "\"\\18\" == 1", "an octal escape", 3 },
    { "\"\\1234\" == 1", "an octal escape", 3 }, { "true & true", "a single '&'", 6 },      { "1 < 2 < 3", "'and', 'or' or the end", 7 },
    { "\"a\" =~ /a/x", "'and', 'or' or the end", 11 }, { "$a == 1", "a string, number", 1 }, { "#", "a string, number", 1 },
    { "true\x01", "'and', 'or' or the end", 5 },
};

/* BEFORE, COUNT times, then MIDDLE, then AFTER as often. */
static const char *nested(const char *before, int count, const char *middle, const char *after)
{
    apr_array_header_t *parts = apr_array_make(p, 2 * count + 1, sizeof(const char *));

    for (int i = 0; i < count; i++) {
        APR_ARRAY_PUSH(parts, const char *) = before;
    }
    APR_ARRAY_PUSH(parts, const char *) = middle;
    for (int i = 0; i < count; i++) {
        APR_ARRAY_PUSH(parts, const char *) = after;
    }
    return apr_array_pstrcat(p, parts, '\0');
}

static const struct {
    const char *before, *middle, *after, *wanted;
} nests[] = {
    { "(", "true", ")", "true" },
    { "!", "true", "", "true" },
    { "not ", "true", "", "true" },
    { "upper(", "\"a\"", ") ", "a comparison" },
    { "%{upper:", "a", "}", "a comparison" },
};

static void test_bounds(void)
{
    for (int i = 0; i < COUNT(nests); i++) {
        const char *fits = outcome(nested(nests[i].before, SSL_EXPR_MAX_DEPTH, nests[i].middle, nests[i].after));
        const char *deep = outcome(nested(nests[i].before, SSL_EXPR_MAX_DEPTH + 1, nests[i].middle, nests[i].after));
        const char *bomb = outcome(nested(nests[i].before, 100000, "", ""));

        ok(strstr(fits, nests[i].wanted) != NULL, "%s: as deep as allowed: %.60s", nests[i].before, fits);
        ok(strstr(deep, "nested too deeply") != NULL, "%s: deeper: %.60s", nests[i].before, deep);
        ok(strstr(bomb, "nested too deeply") != NULL, "%s: a bomb", nests[i].before);
    }
    is(outcome(nested("true and ", 100000, "true", "")), "true", "a hundred thousand and's");
    is(outcome(nested("false or ", 100000, "false", "")), "false", "a hundred thousand or's");
    is(outcome(nested("\"a\" . ", 100000, "\"\" =~ /^a{9}a/", "")), "true", "a hundred thousand dots");
    is(outcome(nested("(true) and ", 1000, "true", "")), "true", "depth counts what is in one another, not what is in a row");
    is(outcome(apr_pstrcat(p, "\"", nested("a", SSL_EXPR_MAX_LENGTH - 8, "", ""), "\" != 1", NULL)), "true", "as long as allowed");
    ok(strstr(outcome(nested(" ", SSL_EXPR_MAX_LENGTH, "true", "")), "longer than") != NULL, "longer");
}

static void test_order(void)
{
    calls = 0;
    is(outcome("true or calls(\"x\") == 1"), "true", "or");
    is(outcome("false and calls(\"x\") == 1"), "false", "and");
    ok(calls == 0, "what cannot change the result is not evaluated");
    outcome("calls(\"x\") == calls(\"x\")");
    ok(calls == 2, "what can is, once");
}

/* A tree is not changed by its evaluation. */
static void test_reuse(void)
{
    ssl_expr_values world = { p, string, list, test, match };
    const char *error;
    const ssl_expr *expr = ssl_expr_parse(p, "$1 == \"\" and \"abc\" =~ /(b)/ and $1 == \"b\"", &names, &error);
    int all = expr != NULL;

    for (int i = 0; i < 3; i++) {
        all = all && ssl_expr_evaluate(p, expr, &world);
    }
    ok(all, "the third evaluation is as the first");
}

int main(void)
{
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&p, NULL);
    for (int i = 0; i < COUNT(values); i++) {
        is(outcome(values[i].text), values[i].wanted, values[i].text);
    }
    for (int i = 0; i < COUNT(mistakes); i++) {
        const char *got = outcome(mistakes[i].text);
        const char *column = apr_psprintf(p, " at column %d (", mistakes[i].column);

        ok(strstr(got, mistakes[i].problem) && strstr(got, column), "mistake %d: %s", i, got);
    }
    test_bounds();
    test_order();
    test_reuse();
    apr_pool_destroy(p);
    return done();
}
