/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_hello.c - any bytes as a ClientHello: parsed, put into words, and into
 * fingerprints, whose form always is the same.  Seeds: corpus/hello.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>

#include "ssl_hello.h"

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static void check_hex(const char *text, size_t digits_per_item)
{
    require(strlen(text) % digits_per_item == 0 && strspn(text, "0123456789abcdef") == strlen(text));
}

/* "t13d1516h2_8daaf6152771_e5627efa2ab1" */
static void check_ja4(const char *text)
{
    require(strlen(text) == 36 && text[0] == 't' && text[10] == '_' && text[23] == '_');
    require(strspn(text + 4, "0123456789") >= 4 && isalnum(text[8]) && isalnum(text[9]));
}

static void check_words(apr_pool_t *p, const ssl_hello *hello)
{
    check_hex(ssl_hello_hex(p, &hello->ciphers), 4);
    check_hex(ssl_hello_hex(p, &hello->groups), 4);
    check_hex(ssl_hello_hex(p, &hello->ec_formats), 2);
    check_hex(ssl_hello_hex(p, &hello->signature_algorithms), 4);
    check_hex(ssl_hello_hex(p, &hello->versions), 4);
    check_hex(ssl_hello_hex(p, &hello->alpn), 2);
    check_hex(ssl_hello_extension_types(p, hello), 4);
    require(strspn(ssl_hello_ja3(p, hello), "0123456789,-") == strlen(ssl_hello_ja3(p, hello)));
    require(strlen(ssl_hello_ja3_hash(p, hello)) == 32);
    check_ja4(ssl_hello_ja4(p, hello));
    require(!strncmp(ssl_hello_ja4_raw(p, hello), ssl_hello_ja4(p, hello), 11));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *global;
    apr_pool_t *p;
    ssl_hello hello;

    if (!global) {
        apr_initialize();
        apr_pool_create(&global, NULL);
    }
    apr_pool_create(&p, global);
    if (ssl_hello_parse(&hello, data, size)) {
        check_words(p, &hello);
    }
    apr_pool_destroy(p);
    return 0;
}
