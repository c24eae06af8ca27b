/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_util_expr.c - SSLRequire's expressions: lexer, parser by recursive
 * descent, evaluator.  The text may come from whoever may write a .htaccess:
 * it is bounded in length and depth, and a wrong one is answered with the place
 * of the mistake.
 *
 *   or    := and { ("||" | "or") and }
 *   and   := not { ("&&" | "and") not }
 *   not   := ("!" | "not") not | "(" or ")" | "true" | "false" | "-N" word | test
 *   test  := word compare word | word "-NAME" word | word ("=~" | "!~") regex
 *          | word ("in" | "-in") ("{" word { "," word } "}" | NAME "(" word ")")
 *   word  := part { "." part }
 *   part  := number | "$N" | '"' string '"' | "'" string "'" | variable | NAME "(" word ")"
 *   variable := "%{" NAME "}" | "%{" NAME ":" string "}"
 *   string   := characters, escapes, variables and $N
 *   regex := "/" pattern "/" ["i"] | "m" D pattern D ["i"]
 *
 * `and`, `or` and `.` make one node with many operands, not a chain, so that
 * only what the parser counts as depth is recursion in the evaluator, too.
 */
#include "ssl_expr.h"

#include <stdarg.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

typedef enum {
    NODE_TRUE,
    NODE_FALSE,
    NODE_NOT,         /* left */
    NODE_ALL,         /* parts: and */
    NODE_ANY,         /* parts: or */
    NODE_COMPARE,     /* left, right, orders */
    NODE_MATCH,       /* left, regex, negated */
    NODE_IN_LIST,     /* left, parts */
    NODE_IN_FUNCTION, /* left, symbol, right */
    NODE_TEST,        /* left or NULL, symbol, right */
    /* what gives a string */
    NODE_TEXT,        /* text */
    NODE_GROUP,       /* number: $N */
    NODE_CALL,        /* symbol, right or NULL */
    NODE_CONCAT       /* parts */
} node_type;

struct ssl_expr {
    node_type type;
    const ssl_expr *left, *right;
    apr_array_header_t *parts; /* const ssl_expr * */
    const char *text;
    ssl_expr_symbol symbol;
    ssl_expr_regex regex;
    int orders;   /* which results of a comparison are true: ORDER_ */
    int negated;
    int number;
    int constant; /* a quoted string without variables */
};

enum { ORDER_LESS = 1, ORDER_EQUAL = 2, ORDER_GREATER = 4 };

typedef enum {
    TOKEN_END,
    TOKEN_NAME,    /* none of the words below */
    TOKEN_NUMBER,
    TOKEN_STRING,  /* the quotation mark that opens one */
    TOKEN_VARIABLE, /* %{ */
    TOKEN_GROUP,   /* $N */
    TOKEN_UNARY,   /* -N */
    TOKEN_BINARY,  /* -NAME */
    TOKEN_OPEN, TOKEN_CLOSE, TOKEN_OPEN_LIST, TOKEN_CLOSE_LIST, TOKEN_COMMA, TOKEN_DOT,
    TOKEN_TRUE, TOKEN_FALSE, TOKEN_NOT, TOKEN_AND, TOKEN_OR, TOKEN_IN, TOKEN_COMPARE, TOKEN_MATCHES, TOKEN_NO_MATCH,
    TOKEN_BAD      /* a character that begins nothing, or an error that is noted already */
} token_type;

/* Words and signs of fixed spelling: a longer sign stands before what it begins with. */
typedef struct spelling {
    const char *text;
    token_type type;
    int orders;
} spelling;

static const spelling words[] = {
    { "true", TOKEN_TRUE, 0 }, { "false", TOKEN_FALSE, 0 }, { "not", TOKEN_NOT, 0 }, { "and", TOKEN_AND, 0 },
    { "or", TOKEN_OR, 0 },     { "in", TOKEN_IN, 0 },
    { "eq", TOKEN_COMPARE, ORDER_EQUAL },                { "ne", TOKEN_COMPARE, ORDER_LESS | ORDER_GREATER },
    { "lt", TOKEN_COMPARE, ORDER_LESS },                 { "le", TOKEN_COMPARE, ORDER_LESS | ORDER_EQUAL },
    { "gt", TOKEN_COMPARE, ORDER_GREATER },              { "ge", TOKEN_COMPARE, ORDER_GREATER | ORDER_EQUAL },
    { NULL, TOKEN_NAME, 0 }
};

static const spelling signs[] = {
    { "==", TOKEN_COMPARE, ORDER_EQUAL },                { "=~", TOKEN_MATCHES, 0 },
    { "=", TOKEN_COMPARE, ORDER_EQUAL },                 { "!=", TOKEN_COMPARE, ORDER_LESS | ORDER_GREATER },
    { "!~", TOKEN_NO_MATCH, 0 },                         { "!", TOKEN_NOT, 0 },
    { "<=", TOKEN_COMPARE, ORDER_LESS | ORDER_EQUAL },   { "<", TOKEN_COMPARE, ORDER_LESS },
    { ">=", TOKEN_COMPARE, ORDER_GREATER | ORDER_EQUAL }, { ">", TOKEN_COMPARE, ORDER_GREATER },
    { "&&", TOKEN_AND, 0 },    { "||", TOKEN_OR, 0 },       { "(", TOKEN_OPEN, 0 },  { ")", TOKEN_CLOSE, 0 },
    { "{", TOKEN_OPEN_LIST, 0 }, { "}", TOKEN_CLOSE_LIST, 0 }, { ",", TOKEN_COMMA, 0 }, { ".", TOKEN_DOT, 0 },
    { "%{", TOKEN_VARIABLE, 0 }, { "\"", TOKEN_STRING, 0 }, { "'", TOKEN_STRING, 0 },
    { NULL, TOKEN_BAD, 0 }
};

typedef struct parser {
    apr_pool_t *p;
    const ssl_expr_names *names;
    const char *text;
    const char *at;    /* behind the token */
    struct {
        token_type type;
        const char *begin;
        int orders;
    } token;
    int depth;
    const char *error; /* the first one */
    const char *error_at;
} parser;

static const ssl_expr *parse_or(parser *in);
static const ssl_expr *parse_word(parser *in);
static const ssl_expr *parse_string(parser *in, char end);

/* ---- mistakes ------------------------------------------------------------------ */

/* Notes the first mistake, which is at PLACE.  Returns NULL, as parsers do then. */
__attribute__((format(printf, 3, 4)))
static const ssl_expr *fail(parser *in, const char *place, const char *format, ...)
{
    va_list args;

    if (!in->error) {
        va_start(args, format);
        in->error = apr_pvsprintf(in->p, format, args);
        in->error_at = place;
        va_end(args);
    }
    in->token.type = TOKEN_BAD;
    return NULL;
}

/* LEN bytes of TEXT for a log. */
static const char *printable(apr_pool_t *p, const char *text, apr_size_t len)
{
    char *copy = apr_pstrmemdup(p, text, len);

    for (char *c = copy; c < copy + len; c++) {
        if (apr_iscntrl(*c) || (unsigned char)*c > 126) {
            *c = '?';
        }
    }
    return copy;
}

/* The noted mistake, with its column and what stands around it. */
static const char *explain(const parser *in)
{
    enum { AROUND = 32 };
    apr_size_t before = (apr_size_t)(in->error_at - in->text), after = strlen(in->error_at);
    apr_size_t from = before > AROUND ? AROUND : before, upto = after > AROUND ? AROUND : after;

    return apr_psprintf(in->p, "%s at column %" APR_SIZE_T_FMT " (<-- HERE): %s%s <-- HERE %s%s", in->error, before + 1,
                        before > from ? "..." : "", printable(in->p, in->error_at - from, from),
                        printable(in->p, in->error_at, upto), after > upto ? "..." : "");
}

/* ---- the lexer ------------------------------------------------------------------- */

/* The number of characters of a name that begins at TEXT: letters, then also digits and '_'. */
static apr_size_t name_length(const char *text)
{
    apr_size_t len = 0;

    while (apr_isalpha(text[len]) || (len && (apr_isdigit(text[len]) || text[len] == '_'))) {
        len++;
    }
    return len;
}

/* The row of TABLE that the LEN characters at TEXT spell; else its last one. */
static const spelling *find_word(const spelling *table, const char *text, apr_size_t len)
{
    while (table->text && (strlen(table->text) != len || memcmp(table->text, text, len) != 0)) {
        table++;
    }
    return table;
}

/* The same for the row whose text TEXT begins with. */
static const spelling *find_sign(const spelling *table, const char *text)
{
    while (table->text && strncmp(table->text, text, strlen(table->text)) != 0) {
        table++;
    }
    return table;
}

static void set_token(parser *in, const spelling *found, apr_size_t len)
{
    in->token.type = found->type;
    in->token.orders = found->orders;
    in->at = in->token.begin + len;
}

static void lex_number(parser *in, apr_size_t len)
{
    while (apr_isdigit(in->token.begin[len])) {
        len++;
    }
    set_token(in, &(spelling){ NULL, TOKEN_NUMBER, 0 }, len);
}

/* "-1", "-z", "-ipmatch"; "-eq" and "-in" are the words without the '-'. */
static void lex_minus(parser *in)
{
    const char *name = in->token.begin + 1;
    apr_size_t len = 0;
    const spelling *word;
    token_type type;

    if (apr_isdigit(*name)) {
        lex_number(in, 1);
        return;
    }
    while (apr_isalnum(name[len]) || name[len] == '_') {
        len++;
    }
    word = find_word(words, name, len);
    if (word->type == TOKEN_COMPARE || word->type == TOKEN_IN) {
        set_token(in, word, len + 1);
        return;
    }
    type = len > 1 ? TOKEN_BINARY : len == 1 && apr_isalpha(*name) ? TOKEN_UNARY : TOKEN_BAD;
    set_token(in, &(spelling){ NULL, type, 0 }, len + 1);
}

/* Reads the next token. */
static void advance(parser *in)
{
    const spelling *sign;
    apr_size_t len;

    if (in->error) {
        return;
    }
    in->at += strspn(in->at, " \t\r\n");
    in->token.begin = in->at;
    len = name_length(in->at);
    if (len) {
        set_token(in, find_word(words, in->at, len), len);
    }
    else if (apr_isdigit(*in->at)) {
        lex_number(in, 0);
    }
    else if (*in->at == '-') {
        lex_minus(in);
    }
    else if (*in->at == '$' && apr_isdigit(in->at[1])) {
        set_token(in, &(spelling){ NULL, TOKEN_GROUP, 0 }, 2);
    }
    else {
        sign = find_sign(signs, in->at);
        set_token(in, sign, sign->text ? strlen(sign->text) : 0);
        in->token.type = *in->token.begin ? sign->type : TOKEN_END;
    }
}

static char *token_text(const parser *in)
{
    return apr_pstrmemdup(in->p, in->token.begin, (apr_size_t)(in->at - in->token.begin));
}

/* NULL: the token is not what the grammar wants here, which is WANTED. */
static const ssl_expr *unexpected(parser *in, const char *wanted)
{
    const char *begin = in->token.begin;

    if (in->token.type == TOKEN_END) {
        return fail(in, begin, "the expression ends where %s is expected", wanted);
    }
    if (in->token.type == TOKEN_BAD && (*begin == '&' || *begin == '|')) {
        return fail(in, begin, "a single '%c' is no operator (write '%c%c')", *begin, *begin, *begin);
    }
    return fail(in, begin, "%s is expected", wanted);
}

/* Takes a token of TYPE, or fails. */
static int take(parser *in, token_type type, const char *wanted)
{
    if (in->token.type != type) {
        unexpected(in, wanted);
        return 0;
    }
    advance(in);
    return !in->error;
}

/* ---- nodes ------------------------------------------------------------------------- */

static ssl_expr *new_node(parser *in, node_type type)
{
    ssl_expr *node = apr_pcalloc(in->p, sizeof(*node));

    node->type = type;
    return node;
}

static void push(parser *in, apr_array_header_t **list, const ssl_expr *node)
{
    if (!*list) {
        *list = apr_array_make(in->p, 4, sizeof(const ssl_expr *));
    }
    APR_ARRAY_PUSH(*list, const ssl_expr *) = node;
}

/* NEXT behind FIRST, in an array that is made when there are two. */
static void add_part(parser *in, apr_array_header_t **parts, const ssl_expr *first, const ssl_expr *next)
{
    if (!*parts) {
        push(in, parts, first);
    }
    push(in, parts, next);
}

/* FIRST if there are no more PARTS, else a node of TYPE with all of them. */
static const ssl_expr *join(parser *in, node_type type, const ssl_expr *first, apr_array_header_t *parts)
{
    ssl_expr *node;

    if (!parts) {
        return first;
    }
    node = new_node(in, type);
    node->parts = parts;
    return node;
}

static int enter(parser *in)
{
    if (++in->depth > SSL_EXPR_MAX_DEPTH) {
        fail(in, in->token.begin, "the expression is nested too deeply (more than %d levels)", SSL_EXPR_MAX_DEPTH);
    }
    return !in->error;
}

/* Looks up the name NAME, which stands at PLACE, for NODE. */
static const ssl_expr *resolve(parser *in, ssl_expr *node, ssl_expr_kind kind, const char *name, const char *place)
{
    const char *argument = node->right && node->right->constant ? node->right->text : NULL;
    const char *problem;

    node->symbol.kind = kind;
    node->symbol.name = name;
    problem = in->names->find(in->names->baton, in->p, &node->symbol, argument);
    return problem ? fail(in, place, "%s", problem) : node;
}

/* ---- strings and variables ----------------------------------------------------------- */

/* The character that the escape sequence at *AT (behind the backslash) stands for; < 0: none. */
static int unescape(parser *in, const char **at)
{
    static const char letters[] = "nrtbf", meanings[] = "\n\r\t\b\f";
    const char *begin = *at, *letter = strchr(letters, *begin);
    int code = 0;

    if (!apr_isdigit(*begin)) {
        (*at)++;
        return (unsigned char)(letter ? meanings[letter - letters] : *begin);
    }
    while (apr_isdigit(**at)) {
        code = **at > '7' || *at - begin >= 3 ? 256 : code * 8 + **at - '0';
        if (code > 255) {
            fail(in, begin, "an octal escape sequence goes from \\0 to \\377 (a backslash is \\\\)");
            return -1;
        }
        (*at)++;
    }
    return code;
}

/* A piece of a string without variables, up to END or what has a meaning of its own. */
static const ssl_expr *parse_literal(parser *in, char end)
{
    char *text = apr_palloc(in->p, strcspn(in->at, "\n") + 1);
    apr_size_t len = 0;
    ssl_expr *node = new_node(in, NODE_TEXT);

    while (*in->at && *in->at != '\n' && *in->at != end && strncmp(in->at, "%{", 2) != 0 &&
           !(*in->at == '$' && apr_isdigit(in->at[1])) && !(end == '}' && strchr("\"'", *in->at))) {
        int c = (unsigned char)*in->at++;

        if (c == '\\' && *in->at && *in->at != '\n' && (c = unescape(in, &in->at)) < 0) {
            return NULL;
        }
        text[len++] = (char)c;
    }
    text[len] = '\0';
    node->text = text;
    return node;
}

/* Behind "%{": a variable, or a function with what follows ':' as its argument. */
static const ssl_expr *parse_variable(parser *in)
{
    const char *place = in->at;
    apr_size_t len = name_length(place);
    const char *name = apr_pstrmemdup(in->p, place, len);
    ssl_expr *node = new_node(in, NODE_CALL);
    ssl_expr_kind kind = SSL_EXPR_VARIABLE;

    if (!enter(in)) {
        return NULL;
    }
    in->at += len;
    if (!len || (*in->at != '}' && *in->at != ':')) {
        return fail(in, in->at, "a variable is %%{NAME}, a function's value %%{NAME:argument}; NAME begins with a "
                    "letter and goes on with letters, digits and '_'");
    }
    if (*in->at++ == ':') {
        kind = SSL_EXPR_FUNCTION;
        node->right = *in->at == '}' ? fail(in, in->at, "an argument is expected") : parse_string(in, '}');
        if (!node->right) {
            return NULL;
        }
    }
    in->depth--;
    return resolve(in, node, kind, name, place);
}

static const ssl_expr *group(parser *in, char digit)
{
    ssl_expr *node = new_node(in, NODE_GROUP);

    node->number = digit - '0';
    return node;
}

/* One piece of a string: text, variable or $N. */
static const ssl_expr *parse_piece(parser *in, char end)
{
    if (*in->at == '$' && apr_isdigit(in->at[1])) {
        in->at += 2;
        return group(in, in->at[-1]);
    }
    if (strncmp(in->at, "%{", 2) == 0) {
        in->at += 2;
        return parse_variable(in);
    }
    return parse_literal(in, end);
}

/* The string that begins at in->at and goes on to END, which is taken, too. */
static const ssl_expr *parse_string(parser *in, char end)
{
    const char *begin = in->at - 1;
    const ssl_expr *first = NULL;
    apr_array_header_t *parts = NULL;

    while (*in->at != end || !first) {
        const ssl_expr *piece;

        if (*in->at == '\0' || *in->at == '\n') {
            return fail(in, begin, end == '}' ? "this %%{...} has no end (})" : "this string has no end (%c)", end);
        }
        if (end == '}' && strchr("\"'", *in->at)) {
            return fail(in, in->at, "a quotation mark inside of %%{...} is written \\%c", *in->at);
        }
        piece = parse_piece(in, end);
        if (!piece) {
            return NULL;
        }
        if (first) {
            add_part(in, &parts, first, piece);
        }
        first = first ? first : piece;
    }
    in->at++;
    if (first->type == NODE_TEXT && !parts) {
        ((ssl_expr *)first)->constant = 1;
    }
    return join(in, NODE_CONCAT, first, parts);
}

/* ---- words ---------------------------------------------------------------------------------- */

/* NAME "(" word ")", into NODE. */
static const ssl_expr *parse_call(parser *in, ssl_expr *node, ssl_expr_kind kind)
{
    const char *name = token_text(in), *place = in->token.begin;

    advance(in);
    if (in->token.type != TOKEN_OPEN) {
        return fail(in, place, "this is neither a string (\"...\" or '...') nor a variable (%%{...}) nor a function "
                    "(NAME(...)) nor one of the words true, false, not, and, or, in, eq, ne, lt, le, gt, ge");
    }
    if (!enter(in)) {
        return NULL;
    }
    advance(in);
    node->right = parse_word(in);
    if (!node->right || !take(in, TOKEN_CLOSE, "')' or '.' behind the argument of a function")) {
        return NULL;
    }
    in->depth--;
    return resolve(in, node, kind, name, place);
}

static const ssl_expr *number(parser *in)
{
    ssl_expr *node = new_node(in, NODE_TEXT);

    node->text = token_text(in);
    return node;
}

static const ssl_expr *parse_part(parser *in)
{
    const ssl_expr *part;

    switch (in->token.type) {
    case TOKEN_NAME:
        return parse_call(in, new_node(in, NODE_CALL), SSL_EXPR_FUNCTION);
    case TOKEN_NUMBER:
        part = number(in);
        break;
    case TOKEN_GROUP:
        part = group(in, in->token.begin[1]);
        break;
    case TOKEN_STRING:
        part = parse_string(in, *in->token.begin);
        break;
    case TOKEN_VARIABLE:
        part = parse_variable(in);
        break;
    default:
        return unexpected(in, "a string, number, variable or function");
    }
    advance(in);
    return part;
}

static const ssl_expr *parse_word(parser *in)
{
    const ssl_expr *first = parse_part(in);
    apr_array_header_t *parts = NULL;

    while (first && in->token.type == TOKEN_DOT) {
        const ssl_expr *part;

        advance(in);
        part = parse_part(in);
        if (!part) {
            return NULL;
        }
        add_part(in, &parts, first, part);
    }
    return in->error ? NULL : join(in, NODE_CONCAT, first, parts);
}

/* ---- tests ------------------------------------------------------------------------------------ */

/* Behind "=~": a regular expression runs to the next delimiter, which no backslash hides. */
static const ssl_expr *parse_regex(parser *in, ssl_expr *node)
{
    const char *begin = in->at + strspn(in->at, " \t\r\n"), *end;
    const char *problem;

    in->token.begin = begin;
    begin += *begin == 'm';
    if (!*begin || !strchr(begin == in->token.begin ? "/" : "/#$%^|?!'\",;:.-", *begin)) {
        return fail(in, in->token.begin, "a regular expression is expected: /.../, or m#...# with a delimiter of "
                    "/ # $ %% ^ | ? ! ' \" , ; : . -");
    }
    end = strchr(begin + 1, *begin);
    if (!end) {
        return fail(in, in->token.begin, "this regular expression has no end (%c)", *begin);
    }
    node->regex.pattern = apr_pstrmemdup(in->p, begin + 1, (apr_size_t)(end - begin - 1));
    node->regex.ignore_case = end[1] == 'i';
    in->at = end + 1 + node->regex.ignore_case;
    problem = in->names->compile(in->names->baton, in->p, &node->regex);
    if (problem) {
        return fail(in, in->token.begin, "%s", problem);
    }
    advance(in);
    return node;
}

/* Behind "in": { word, ... } or NAME(word). */
static const ssl_expr *parse_in(parser *in, ssl_expr *node)
{
    if (in->token.type == TOKEN_NAME) {
        node->type = NODE_IN_FUNCTION;
        return parse_call(in, node, SSL_EXPR_LIST_FUNCTION);
    }
    if (!take(in, TOKEN_OPEN_LIST, "{ or PeerExtList(...)")) {
        return NULL;
    }
    for (;;) {
        const ssl_expr *word = parse_word(in);

        if (!word) {
            return NULL;
        }
        push(in, &node->parts, word);
        if (in->token.type != TOKEN_COMMA) {
            return take(in, TOKEN_CLOSE_LIST, "',' or '}'") ? node : NULL;
        }
        advance(in);
    }
}

static const ssl_expr *parse_operator(parser *in, ssl_expr *node, ssl_expr_kind kind)
{
    const char *name = token_text(in) + 1, *place = in->token.begin;

    advance(in);
    node->right = parse_word(in);
    return node->right ? resolve(in, node, kind, name, place) : NULL;
}

static const ssl_expr *parse_test(parser *in)
{
    ssl_expr *node = new_node(in, NODE_TEST);

    node->left = parse_word(in);
    if (!node->left) {
        return NULL;
    }
    switch (in->token.type) {
    case TOKEN_COMPARE:
        node->type = NODE_COMPARE;
        node->orders = in->token.orders;
        advance(in);
        node->right = parse_word(in);
        return node->right ? node : NULL;
    case TOKEN_MATCHES:
    case TOKEN_NO_MATCH:
        node->type = NODE_MATCH;
        node->negated = in->token.type == TOKEN_NO_MATCH;
        return parse_regex(in, node);
    case TOKEN_IN:
        node->type = NODE_IN_LIST;
        advance(in);
        return parse_in(in, node);
    case TOKEN_BINARY:
        return parse_operator(in, node, SSL_EXPR_BINARY);
    default:
        return unexpected(in, "a comparison (==, !=, <, <=, >, >=, =~, !~, in)");
    }
}

/* ---- true and false ------------------------------------------------------------------------------ */

static const ssl_expr *parse_not(parser *in)
{
    const ssl_expr *inner;
    ssl_expr *node;

    switch (in->token.type) {
    case TOKEN_TRUE:
    case TOKEN_FALSE:
        node = new_node(in, in->token.type == TOKEN_TRUE ? NODE_TRUE : NODE_FALSE);
        advance(in);
        return node;
    case TOKEN_UNARY:
        return parse_operator(in, new_node(in, NODE_TEST), SSL_EXPR_UNARY);
    case TOKEN_OPEN:
        if (!enter(in)) {
            return NULL;
        }
        advance(in);
        inner = parse_or(in);
        in->depth--;
        return inner && take(in, TOKEN_CLOSE, "')', 'and' or 'or'") ? inner : NULL;
    case TOKEN_NOT:
        if (!enter(in)) {
            return NULL;
        }
        advance(in);
        node = new_node(in, NODE_NOT);
        node->left = parse_not(in);
        in->depth--;
        return node->left ? node : NULL;
    default:
        return parse_test(in);
    }
}

/* OPERAND { SEPARATOR OPERAND } */
static const ssl_expr *parse_chain(parser *in, node_type type, token_type separator,
                                   const ssl_expr *(*operand)(parser *))
{
    const ssl_expr *first = operand(in);
    apr_array_header_t *parts = NULL;

    while (first && in->token.type == separator) {
        const ssl_expr *next;

        advance(in);
        next = operand(in);
        if (!next) {
            return NULL;
        }
        add_part(in, &parts, first, next);
    }
    return in->error ? NULL : join(in, type, first, parts);
}

static const ssl_expr *parse_and(parser *in)
{
    return parse_chain(in, NODE_ALL, TOKEN_AND, parse_not);
}

static const ssl_expr *parse_or(parser *in)
{
    return parse_chain(in, NODE_ANY, TOKEN_OR, parse_and);
}

const ssl_expr *ssl_expr_parse(apr_pool_t *p, const char *text, const ssl_expr_names *names, const char **error)
{
    parser in = { .p = p, .names = names, .text = text, .at = text };
    const ssl_expr *expr;

    *error = NULL;
    if (strlen(text) > SSL_EXPR_MAX_LENGTH) {
        *error = apr_psprintf(p, "the expression is longer than %d characters", SSL_EXPR_MAX_LENGTH);
        return NULL;
    }
    advance(&in);
    expr = parse_or(&in);
    if (expr && in.token.type != TOKEN_END) {
        unexpected(&in, "'and', 'or' or the end");
    }
    if (in.error) {
        *error = explain(&in);
        return NULL;
    }
    return expr;
}

/* ---- evaluation --------------------------------------------------------------------------------------- */

typedef struct evaluation {
    apr_pool_t *p;
    const ssl_expr_values *values;
    const char *subject; /* of the last match with groups; NULL: it failed, or there was none */
    ssl_expr_span spans[SSL_EXPR_SPANS];
} evaluation;

static const char *value_of(evaluation *e, const ssl_expr *expr);

static const char *value_of_group(evaluation *e, int number)
{
    const ssl_expr_span *span = &e->spans[number];

    return e->subject && span->begin >= 0 && span->end > span->begin
               ? apr_pstrmemdup(e->p, e->subject + span->begin, (apr_size_t)(span->end - span->begin)) : "";
}

static const char *value_of_parts(evaluation *e, const apr_array_header_t *parts)
{
    apr_array_header_t *values = apr_array_make(e->p, parts->nelts, sizeof(const char *));

    for (int i = 0; i < parts->nelts; i++) {
        APR_ARRAY_PUSH(values, const char *) = value_of(e, APR_ARRAY_IDX(parts, i, const ssl_expr *));
    }
    return apr_array_pstrcat(e->p, values, '\0');
}

/* Never NULL. */
static const char *value_of(evaluation *e, const ssl_expr *expr)
{
    const char *value = expr->text;

    if (expr->type == NODE_CALL) {
        value = e->values->string(e->values->baton, &expr->symbol, expr->right ? value_of(e, expr->right) : NULL);
    }
    else if (expr->type == NODE_GROUP) {
        value = value_of_group(e, expr->number);
    }
    else if (expr->type == NODE_CONCAT) {
        value = value_of_parts(e, expr->parts);
    }
    return value ? value : "";
}

/* The shorter string is the lesser one; strings of one length go by their bytes,
 * which count as signed: what is not ASCII comes first, as in the stock module.
 * Hence numbers without sign and leading zeros compare as numbers. */
static int order_of(const char *a, const char *b)
{
    apr_size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len != b_len) {
        return a_len < b_len ? ORDER_LESS : ORDER_GREATER;
    }
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b ? ORDER_EQUAL : (signed char)*a < (signed char)*b ? ORDER_LESS : ORDER_GREATER;
}

/* A match without groups leaves $0 ... $9 as they are. */
static int matches(evaluation *e, const ssl_expr *expr)
{
    const char *subject = value_of(e, expr->left);
    ssl_expr_span spans[SSL_EXPR_SPANS];
    int found = e->values->match(e->values->baton, &expr->regex, subject, spans);

    if (expr->regex.groups) {
        e->subject = found ? subject : NULL;
        memcpy(e->spans, spans, found ? sizeof(spans) : 0);
    }
    return found != expr->negated;
}

/* From the last to the first, as the stock module does: it shows in Vary. */
static int is_in_list(evaluation *e, const ssl_expr *expr)
{
    const char *value = value_of(e, expr->left);

    for (int i = expr->parts->nelts - 1; i >= 0; i--) {
        if (strcmp(value, value_of(e, APR_ARRAY_IDX(expr->parts, i, const ssl_expr *))) == 0) {
            return 1;
        }
    }
    return 0;
}

static int is_in_function(evaluation *e, const ssl_expr *expr)
{
    const char *value = value_of(e, expr->left);
    const apr_array_header_t *list = e->values->list(e->values->baton, &expr->symbol, value_of(e, expr->right));

    for (int i = 0; list && i < list->nelts; i++) {
        if (strcmp(value, APR_ARRAY_IDX(list, i, const char *)) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Applies the operator that EXPR is to its operands, the left one first. */
static int passes(evaluation *e, const ssl_expr *expr)
{
    const char *left = expr->left ? value_of(e, expr->left) : NULL;

    return e->values->test(e->values->baton, &expr->symbol, left, value_of(e, expr->right)) != 0;
}

static int compare(evaluation *e, const ssl_expr *expr)
{
    const char *left = value_of(e, expr->left);

    return (order_of(left, value_of(e, expr->right)) & expr->orders) != 0;
}

static int is_true(evaluation *e, const ssl_expr *expr);

/* What the first part that is DECISIVE makes of them all. */
static int chain_is_true(evaluation *e, const apr_array_header_t *parts, int decisive)
{
    for (int i = 0; i < parts->nelts; i++) {
        if (is_true(e, APR_ARRAY_IDX(parts, i, const ssl_expr *)) == decisive) {
            return decisive;
        }
    }
    return !decisive;
}

static int is_true(evaluation *e, const ssl_expr *expr)
{
    switch (expr->type) {
    case NODE_TRUE:
        return 1;
    case NODE_NOT:
        return !is_true(e, expr->left);
    case NODE_ALL:
        return chain_is_true(e, expr->parts, 0);
    case NODE_ANY:
        return chain_is_true(e, expr->parts, 1);
    case NODE_COMPARE:
        return compare(e, expr);
    case NODE_MATCH:
        return matches(e, expr);
    case NODE_IN_LIST:
        return is_in_list(e, expr);
    case NODE_IN_FUNCTION:
        return is_in_function(e, expr);
    case NODE_TEST:
        return passes(e, expr);
    default:
        return 0;
    }
}

int ssl_expr_evaluate(apr_pool_t *p, const ssl_expr *expr, const ssl_expr_values *values)
{
    evaluation e = { .p = p, .values = values };

    return is_true(&e, expr);
}
