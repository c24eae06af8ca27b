/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_util_report.c - a tree of facts, and its two writers.
 */
#include "ssl_report.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

typedef enum { KIND_TEXT, KIND_NUMBER, KIND_FLAG, KIND_LIST, KIND_GROUP } report_kind;

struct ssl_report {
    apr_pool_t *p;
    report_kind kind;
    const char *text;
    apr_int64_t number;        /* also of a flag */
    apr_array_header_t *parts; /* part: of a list or group */
};

typedef struct part {
    const char *name; /* in a list: the title of a group */
    ssl_report *value;
} part;

#define LINE_WIDTH 120
#define INDENT 2

/* --- the tree ------------------------------------------------------------------ */

static ssl_report *make(apr_pool_t *p, report_kind kind)
{
    ssl_report *report = apr_pcalloc(p, sizeof(*report));

    report->p = p;
    report->kind = kind;
    if (kind == KIND_LIST || kind == KIND_GROUP) {
        report->parts = apr_array_make(p, 8, sizeof(part));
    }
    return report;
}

void ssl_report_adopt(ssl_report *group, const char *name, ssl_report *value)
{
    part *added = &APR_ARRAY_PUSH(group->parts, part);

    added->name = name;
    added->value = value;
}

static ssl_report *add(ssl_report *to, const char *name, report_kind kind)
{
    ssl_report *value = make(to->p, kind);

    ssl_report_adopt(to, name, value);
    return value;
}

ssl_report *ssl_report_make(apr_pool_t *p)
{
    return make(p, KIND_GROUP);
}

void ssl_report_text(ssl_report *group, const char *name, const char *text)
{
    if (text) {
        add(group, name, KIND_TEXT)->text = text;
    }
}

void ssl_report_number(ssl_report *group, const char *name, apr_int64_t number)
{
    add(group, name, KIND_NUMBER)->number = number;
}

void ssl_report_flag(ssl_report *group, const char *name, int on)
{
    add(group, name, KIND_FLAG)->number = on;
}

ssl_report *ssl_report_group(ssl_report *group, const char *name)
{
    return add(group, name, KIND_GROUP);
}

ssl_report *ssl_report_list(ssl_report *group, const char *name)
{
    return add(group, name, KIND_LIST);
}

void ssl_report_item(ssl_report *list, const char *text)
{
    ssl_report_text(list, NULL, text);
}

ssl_report *ssl_report_entry(ssl_report *list, const char *title)
{
    return add(list, title, KIND_GROUP);
}

static const part *part_at(const ssl_report *report, int i)
{
    return &APR_ARRAY_IDX(report->parts, i, part);
}

/* --- text ------------------------------------------------------------------------ */

static void put_spaces(apr_file_t *out, int count)
{
    apr_file_printf(out, "%*s", count, "");
}

/* No certificate or name may send the terminal commands. */
static const char *printable(apr_pool_t *p, const char *text)
{
    char *clean = apr_palloc(p, 4 * strlen(text) + 1), *to = clean;

    for (; *text; text++) {
        if (apr_iscntrl(*text)) {
            static const char digits[] = "0123456789abcdef";

            *to++ = '\\';
            *to++ = 'x';
            *to++ = digits[(unsigned char)*text >> 4];
            *to++ = digits[*text & 15];
        }
        else {
            *to++ = *text;
        }
    }
    *to = '\0';
    return clean;
}

/* How much of TEXT goes onto a line with ROOM columns: up to a blank, comma or
 * colon, or more than there is room for where there is none. */
static size_t line_length(const char *text, size_t room)
{
    size_t i, fits = 0;

    for (i = 0; text[i]; i++) {
        if (i >= room && fits) {
            return fits;
        }
        if (text[i] == ' ' || text[i] == ',' || text[i] == ':') {
            fits = i + 1;
            if (i >= room) {
                return fits;
            }
        }
    }
    return i;
}

static void put_wrapped(apr_pool_t *p, apr_file_t *out, const char *text, int column)
{
    size_t room = column < LINE_WIDTH - 40 ? (size_t)(LINE_WIDTH - column) : 40;

    text = printable(p, text);
    while (strlen(text) > room) {
        size_t length = line_length(text, room), shown = length;

        if (!text[length]) {
            break;
        }
        while (shown > 1 && text[shown - 1] == ' ') {
            shown--;
        }
        apr_file_write_full(out, text, shown, NULL);
        apr_file_putc('\n', out);
        put_spaces(out, column);
        text += length;
    }
    apr_file_puts(text, out);
    apr_file_putc('\n', out);
}

/* Whether PART takes lines of its own beneath a heading. */
static int is_section(const part *part)
{
    const ssl_report *value = part->value;

    return value->kind == KIND_GROUP ||
           (value->kind == KIND_LIST && value->parts->nelts > 0 && part_at(value, 0)->value->kind == KIND_GROUP);
}

static const char *value_text(const ssl_report *value)
{
    apr_array_header_t *texts;
    int i;

    switch (value->kind) {
    case KIND_TEXT:
        return value->text;
    case KIND_NUMBER:
        return apr_psprintf(value->p, "%" APR_INT64_T_FMT, value->number);
    case KIND_FLAG:
        return value->number ? "on" : "off";
    default:
        break;
    }
    texts = apr_array_make(value->p, value->parts->nelts + 1, sizeof(const char *));
    for (i = 0; i < value->parts->nelts; i++) {
        const char *comma = i + 1 < value->parts->nelts ? ", " : "";

        APR_ARRAY_PUSH(texts, const char *) = apr_pstrcat(value->p, part_at(value, i)->value->text, comma, NULL);
    }
    return texts->nelts ? apr_array_pstrcat(value->p, texts, 0) : "none";
}

static int name_width(const ssl_report *group)
{
    int i, width = 0;

    for (i = 0; i < group->parts->nelts; i++) {
        if (!is_section(part_at(group, i))) {
            int length = (int)strlen(part_at(group, i)->name);

            width = length > width ? length : width;
        }
    }
    return width;
}

static void put_group(const ssl_report *group, apr_file_t *out, int indent);

static void put_section(const ssl_report *group, const char *heading, apr_file_t *out, int indent)
{
    put_spaces(out, indent);
    put_wrapped(group->p, out, heading, indent);
    put_group(group, out, indent + INDENT);
}

/* Before all but the first of the largest sections. */
static void put_blank_line(apr_file_t *out, int indent, int i)
{
    if (indent == 0 && i > 0) {
        apr_file_putc('\n', out);
    }
}

static void put_part(const part *part, apr_file_t *out, int indent, int width)
{
    int i;

    if (!is_section(part)) {
        put_spaces(out, indent);
        apr_file_printf(out, "%-*s  ", width, part->name);
        put_wrapped(part->value->p, out, value_text(part->value), indent + width + 2);
    }
    else if (part->value->kind == KIND_GROUP) {
        put_section(part->value, part->name, out, indent);
    }
    else {
        for (i = 0; i < part->value->parts->nelts; i++) {
            put_blank_line(out, indent, i);
            put_section(part_at(part->value, i)->value, part_at(part->value, i)->name, out, indent);
        }
    }
}

static void put_group(const ssl_report *group, apr_file_t *out, int indent)
{
    int i, width = name_width(group);

    for (i = 0; i < group->parts->nelts; i++) {
        put_blank_line(out, indent, i);
        put_part(part_at(group, i), out, indent, width);
    }
}

apr_status_t ssl_report_write_text(const ssl_report *report, apr_file_t *out)
{
    put_group(report, out, 0);
    return apr_file_flush(out);
}

/* --- JSON (RFC 8259) --------------------------------------------------------------- */

/* The length of the UTF-8 character at TEXT; 0 if there is none that is valid. */
static int utf8_length(const unsigned char *text)
{
    int i, length = text[0] < 0x80 ? 1 : text[0] >= 0xc2 && text[0] < 0xe0 ? 2
                    : text[0] >= 0xe0 && text[0] < 0xf0 ? 3 : text[0] >= 0xf0 && text[0] < 0xf5 ? 4 : 0;

    for (i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f)) {
        return 0; /* overlong, a surrogate, or beyond the last character */
    }
    return length;
}

/* A byte that is no UTF-8 is taken for Latin-1: it must not make the whole unreadable. */
static void put_json_string(const char *string, apr_file_t *out)
{
    const unsigned char *text = (const unsigned char *)string;

    apr_file_putc('"', out);
    while (*text) {
        int length = utf8_length(text);

        if (*text == '"' || *text == '\\') {
            apr_file_printf(out, "\\%c", *text++);
        }
        else if (*text < 0x20 || *text == 0x7f || length == 0) {
            apr_file_printf(out, "\\u%04x", *text++);
        }
        else {
            apr_file_write_full(out, text, (apr_size_t)length, NULL);
            text += length;
        }
    }
    apr_file_putc('"', out);
}

static const char *json_name(apr_pool_t *p, const char *name)
{
    char *key = apr_pstrdup(p, name), *to = key;

    for (; *name; name++) {
        if (apr_isalnum(*name)) {
            *to++ = (char)apr_tolower(*name);
        }
        else if (to > key && to[-1] != '_') {
            *to++ = '_';
        }
    }
    *to = '\0';
    return key;
}

static void put_json(const ssl_report *value, apr_file_t *out, int indent);

static void put_json_parts(const ssl_report *value, apr_file_t *out, int indent)
{
    int i, named = value->kind == KIND_GROUP;

    apr_file_putc(named ? '{' : '[', out);
    for (i = 0; i < value->parts->nelts; i++) {
        const part *part = part_at(value, i);

        apr_file_puts(i ? ",\n" : "\n", out);
        put_spaces(out, indent + INDENT);
        if (named) {
            put_json_string(json_name(value->p, part->name), out);
            apr_file_puts(": ", out);
        }
        put_json(part->value, out, indent + INDENT);
    }
    if (value->parts->nelts) {
        apr_file_putc('\n', out);
        put_spaces(out, indent);
    }
    apr_file_putc(named ? '}' : ']', out);
}

static void put_json(const ssl_report *value, apr_file_t *out, int indent)
{
    switch (value->kind) {
    case KIND_TEXT:
        put_json_string(value->text, out);
        break;
    case KIND_NUMBER:
        apr_file_printf(out, "%" APR_INT64_T_FMT, value->number);
        break;
    case KIND_FLAG:
        apr_file_puts(value->number ? "true" : "false", out);
        break;
    case KIND_LIST:
    case KIND_GROUP:
        put_json_parts(value, out, indent);
        break;
    }
}

apr_status_t ssl_report_write_json(const ssl_report *report, apr_file_t *out)
{
    put_json(report, out, 0);
    apr_file_putc('\n', out);
    return apr_file_flush(out);
}
