/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_report.c - a tree of facts, as text and as JSON.
 */
#include <stdlib.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "ssl_report.h"
#include "tap.h"

static apr_pool_t *p;

/* What WRITE makes of REPORT. */
static const char *written(const ssl_report *report, apr_status_t (*write)(const ssl_report *, apr_file_t *))
{
    const char *dir;
    char *name, *text = apr_pcalloc(p, 65536);
    apr_file_t *file;
    apr_off_t start = 0;
    apr_size_t length = 65535;

    apr_temp_dir_get(&dir, p);
    name = apr_pstrcat(p, dir, "/test_report.XXXXXX", NULL);
    if (apr_file_mktemp(&file, name, 0, p) != APR_SUCCESS || write(report, file) != APR_SUCCESS) {
        return "(no file)";
    }
    apr_file_seek(file, APR_SET, &start);
    apr_file_read(file, text, &length);
    apr_file_close(file);
    return text;
}

static ssl_report *sample(void)
{
    ssl_report *root = ssl_report_make(p), *group = ssl_report_group(root, "Whole server"), *list, *host;

    ssl_report_text(group, "name", "a.test");
    ssl_report_text(group, "left out", NULL);
    ssl_report_number(group, "days left", -3);
    ssl_report_flag(group, "TLS 1.3", 1);
    list = ssl_report_list(group, "ciphers");
    ssl_report_item(list, "A");
    ssl_report_item(list, NULL);
    ssl_report_item(list, "B");
    ssl_report_list(group, "empty");
    list = ssl_report_list(root, "virtual hosts");
    host = ssl_report_entry(list, "Virtual host one");
    ssl_report_text(host, "name", "one");
    ssl_report_adopt(host, "shared", group);
    host = ssl_report_entry(list, "Virtual host two");
    ssl_report_text(host, "name", "two");
    return root;
}

static void test_layout(void)
{
    is(written(sample(), ssl_report_write_text),
       "Whole server\n"
       "  name       a.test\n"
       "  days left  -3\n"
       "  TLS 1.3    on\n"
       "  ciphers    A, B\n"
       "  empty      none\n"
       "\n"
       "Virtual host one\n"
       "  name  one\n"
       "  shared\n"
       "    name       a.test\n"
       "    days left  -3\n"
       "    TLS 1.3    on\n"
       "    ciphers    A, B\n"
       "    empty      none\n"
       "\n"
       "Virtual host two\n"
       "  name  two\n", "text");
    is(written(sample(), ssl_report_write_json),
       "{\n"
       "  \"whole_server\": {\n"
       "    \"name\": \"a.test\",\n"
       "    \"days_left\": -3,\n"
       "    \"tls_1_3\": true,\n"
       "    \"ciphers\": [\n"
       "      \"A\",\n"
       "      \"B\"\n"
       "    ],\n"
       "    \"empty\": []\n"
       "  },\n"
       "  \"virtual_hosts\": [\n"
       "    {\n"
       "      \"name\": \"one\",\n"
       "      \"shared\": {\n"
       "        \"name\": \"a.test\",\n"
       "        \"days_left\": -3,\n"
       "        \"tls_1_3\": true,\n"
       "        \"ciphers\": [\n"
       "          \"A\",\n"
       "          \"B\"\n"
       "        ],\n"
       "        \"empty\": []\n"
       "      }\n"
       "    },\n"
       "    {\n"
       "      \"name\": \"two\"\n"
       "    }\n"
       "  ]\n"
       "}\n", "JSON");
}

static void test_strings(void)
{
    static const struct {
        const char *string, *text, *json;
    } cases[] = {
        { "plain", "plain", "plain" },
        { "a \"quote\" and \\", "a \"quote\" and \\", "a \\\"quote\\\" and \\\\" },
        { "line\nbell\007del\177", "line\\x0abell\\x07del\\x7f", "line\\u000abell\\u0007del\\u007f" },
        { "M\xc3\xbcller \xe2\x82\xac \xf0\x9f\x94\x92", "M\xc3\xbcller \xe2\x82\xac \xf0\x9f\x94\x92",
          "M\xc3\xbcller \xe2\x82\xac \xf0\x9f\x94\x92" },
        { "Latin \xe9t\xe9", "Latin \xe9t\xe9", "Latin \\u00e9t\\u00e9" },
        { "overlong \xc0\xaf \xe0\x80\xaf", "overlong \xc0\xaf \xe0\x80\xaf", "overlong \\u00c0\\u00af \\u00e0\\u0080\\u00af" },
        { "surrogate \xed\xa0\x80", "surrogate \xed\xa0\x80", "surrogate \\u00ed\\u00a0\\u0080" },
        { "beyond \xf4\x90\x80\x80", "beyond \xf4\x90\x80\x80", "beyond \\u00f4\\u0090\\u0080\\u0080" },
        { "cut off \xe2\x82", "cut off \xe2\x82", "cut off \\u00e2\\u0082" },
        { "cut off \xf0", "cut off \xf0", "cut off \\u00f0" },
        { "", "", "" },
    };
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ssl_report *root = ssl_report_make(p);

        ssl_report_text(root, "x", apr_pstrdup(p, cases[i].string));
        is(written(root, ssl_report_write_text), apr_pstrcat(p, "x  ", cases[i].text, "\n", NULL), apr_psprintf(p, "string %d", (int)i));
        is(written(root, ssl_report_write_json), apr_pstrcat(p, "{\n  \"x\": \"", cases[i].json, "\"\n}\n", NULL), "in JSON");
    }
}

/* The longest line of TEXT, and what is left when its breaks and indents are gone. */
static size_t longest_line(const char *text)
{
    size_t longest = 0;

    while (*text) {
        size_t length = strcspn(text, "\n");

        longest = length > longest ? length : longest;
        text += length + (text[length] != '\0');
    }
    return longest;
}

static void test_wrapping(void)
{
    ssl_report *root = ssl_report_make(p), *list = ssl_report_list(root, "list");
    char *word = apr_pcalloc(p, 301);
    const char *text;
    int i;

    for (i = 0; i < 60; i++) {
        ssl_report_item(list, apr_psprintf(p, "item-%d", i));
    }
    ssl_report_text(root, "colons", "AAAAAAAAAA:BBBBBBBBBB:CCCCCCCCCC:DDDDDDDDDD:EEEEEEEEEE:FFFFFFFFFF:GGGGGGGGGG:HHHHHHHHHH:"
                                    "IIIIIIIIII:JJJJJJJJJJ:KKKKKKKKKK:LLLLLLLLLL:MMMMMMMMMM");
    text = written(root, ssl_report_write_text);
    ok(longest_line(text) <= 120, "lines are wrapped");
    ok(!strstr(text, " \n"), "no blanks before a break");
    ok(strstr(text, ", item-59\n") != NULL, "nothing is lost");

    root = ssl_report_make(p);
    memset(word, 'x', 300);
    ssl_report_text(root, "long", apr_pstrcat(p, word, " end", NULL));
    is(written(root, ssl_report_write_text), apr_pstrcat(p, "long  ", word, "\n      end\n", NULL),
       "a word longer than a line stays whole");
}

int main(void)
{
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&p, NULL);
    test_layout();
    test_strings();
    test_wrapping();
    return done();
}
