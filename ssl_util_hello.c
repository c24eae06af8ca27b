/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_util_hello.c - a ClientHello in words.
 *
 * It is the first thing that anybody can send, so each length is held against
 * what is left before it is believed.  OpenSSL shows a ClientHello to its
 * callback only as far as it knows the extensions; a fingerprint needs all of
 * them, hence a parser of our own.
 *
 * GREASE (RFC 8701): values that browsers strew in at random so that servers
 * keep passing over what they do not know.  No fingerprint counts them.
 */
#include "ssl_hello.h"

#include <stdlib.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/evp.h>

#include "ssl_x509.h"

enum {
    EXT_SERVER_NAME = 0,
    EXT_GROUPS = 10,
    EXT_EC_FORMATS = 11,
    EXT_SIGNATURE_ALGORITHMS = 13,
    EXT_ALPN = 16,
    EXT_VERSIONS = 43
};

/* Digits of a hash in a JA4. */
#define JA4_HASH_LEN 12
#define JA4_COUNT_MAX 99

/* ---- taking it apart ---- */

/* The next COUNT octets of FROM; false if there are not as many. */
static int take(ssl_bytes *from, apr_size_t count, ssl_bytes *taken)
{
    if (count > from->len) {
        return 0;
    }
    *taken = (ssl_bytes){ from->data, count };
    from->data += count;
    from->len -= count;
    return 1;
}

/* The next SIZE (1 or 2) octets of FROM as a number. */
static int take_number(ssl_bytes *from, apr_size_t size, unsigned int *number)
{
    ssl_bytes octets;

    if (!take(from, size, &octets)) {
        return 0;
    }
    *number = size == 1 ? octets.data[0] : (unsigned int)octets.data[0] << 8 | octets.data[1];
    return 1;
}

/* A vector: a length of SIZE octets, and that many octets. */
static int take_vector(ssl_bytes *from, apr_size_t size, ssl_bytes *vector)
{
    unsigned int len;

    return take_number(from, size, &len) && take(from, len, vector);
}

/* The list that is all of extension DATA, of items of ITEM octets; empty if it is something else. */
static ssl_bytes whole_list(ssl_bytes data, apr_size_t length_size, apr_size_t item)
{
    ssl_bytes list, none = { data.data, 0 };

    return take_vector(&data, length_size, &list) && data.len == 0 && list.len % item == 0 ? list : none;
}

/* The same for ALPN, whose items say how long they are. */
static ssl_bytes whole_alpn(ssl_bytes data)
{
    ssl_bytes list = whole_list(data, 2, 1), rest = list, name, none = { data.data, 0 };

    while (rest.len) {
        if (!take_vector(&rest, 1, &name)) {
            return none;
        }
    }
    return list;
}

static void note_extension(ssl_hello *hello, unsigned int type, ssl_bytes data)
{
    switch (type) {
    case EXT_SERVER_NAME:
        hello->has_server_name = 1;
        break;
    case EXT_GROUPS:
        hello->groups = whole_list(data, 2, 2);
        break;
    case EXT_EC_FORMATS:
        hello->ec_formats = whole_list(data, 1, 1);
        break;
    case EXT_SIGNATURE_ALGORITHMS:
        hello->signature_algorithms = whole_list(data, 2, 2);
        break;
    case EXT_ALPN:
        hello->alpn = whole_alpn(data);
        break;
    case EXT_VERSIONS:
        hello->versions = whole_list(data, 1, 2);
        break;
    default:
        break;
    }
}

static int take_extension(ssl_bytes *from, unsigned int *type, ssl_bytes *data)
{
    return take_number(from, 2, type) && take_vector(from, 2, data);
}

int ssl_hello_parse(ssl_hello *hello, const unsigned char *message, apr_size_t len)
{
    ssl_bytes rest = { message, len }, ignored;
    unsigned int type;

    memset(hello, 0, sizeof(*hello));
    /* version, random, session id, ciphers, compression methods */
    if (!take_number(&rest, 2, &hello->version) || !take(&rest, 32, &ignored) || !take_vector(&rest, 1, &ignored) ||
        !take_vector(&rest, 2, &hello->ciphers) || hello->ciphers.len % 2 || !take_vector(&rest, 1, &ignored)) {
        return 0;
    }
    if (rest.len == 0) {
        return 1; /* of the time before extensions */
    }
    if (!take_vector(&rest, 2, &hello->extensions) || rest.len) {
        return 0;
    }
    for (rest = hello->extensions; rest.len;) {
        ssl_bytes data;

        if (!take_extension(&rest, &type, &data)) {
            return 0;
        }
        note_extension(hello, type, data);
    }
    return 1;
}

/* ---- lists in hex ---- */

char *ssl_hello_hex(apr_pool_t *p, const ssl_bytes *list)
{
    return ssl_x509_hex(p, list->data, list->len);
}

/* ---- lists of numbers ---- */

typedef struct numbers {
    unsigned int *value;
    int count;
} numbers;

static int is_grease(unsigned int value)
{
    return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

/* The items of LIST but for GREASE, of SIZE octets each. */
static numbers numbers_of(apr_pool_t *p, ssl_bytes list, apr_size_t size)
{
    numbers found = { apr_palloc(p, (list.len / size + 1) * sizeof(unsigned int)), 0 };
    unsigned int value;

    while (take_number(&list, size, &value)) {
        if (size == 1 || !is_grease(value)) {
            found.value[found.count++] = value;
        }
    }
    return found;
}

/* The types of all extensions; with WITHOUT_GREASE those that are not GREASE. */
static numbers extension_types(apr_pool_t *p, const ssl_hello *hello, int without_grease)
{
    ssl_bytes rest = hello->extensions, data;
    numbers found = { apr_palloc(p, (rest.len / 4 + 1) * sizeof(unsigned int)), 0 };
    unsigned int type;

    while (take_extension(&rest, &type, &data)) {
        if (!without_grease || !is_grease(type)) {
            found.value[found.count++] = type;
        }
    }
    return found;
}

/* LIST, each number by FORMAT, with SEPARATOR between them. */
static char *join(apr_pool_t *p, numbers list, const char *format, char separator)
{
    char *text = apr_palloc(p, (apr_size_t)list.count * 6 + 1), *at = text;

    for (int i = 0; i < list.count; i++) {
        if (i && separator) {
            *at++ = separator;
        }
        at += apr_snprintf(at, 6, format, list.value[i]);
    }
    *at = '\0';
    return text;
}

char *ssl_hello_extension_types(apr_pool_t *p, const ssl_hello *hello)
{
    return join(p, extension_types(p, hello, 0), "%04x", 0);
}

/* ---- JA3 ---- */

char *ssl_hello_ja3(apr_pool_t *p, const ssl_hello *hello)
{
    return apr_psprintf(p, "%u,%s,%s,%s,%s", hello->version, join(p, numbers_of(p, hello->ciphers, 2), "%u", '-'),
                        join(p, extension_types(p, hello, 1), "%u", '-'),
                        join(p, numbers_of(p, hello->groups, 2), "%u", '-'),
                        join(p, numbers_of(p, hello->ec_formats, 1), "%u", '-'));
}

/* The first DIGITS hex digits of the hash of TEXT; NULL if OpenSSL refuses. */
static char *hash_text(apr_pool_t *p, const char *text, const EVP_MD *md, int digits)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;

    if (!EVP_Digest(text, strlen(text), digest, &len, md, NULL) || digits > (int)len * 2) {
        return NULL;
    }
    return ssl_x509_hex(p, digest, (apr_size_t)digits / 2);
}

char *ssl_hello_ja3_hash(apr_pool_t *p, const ssl_hello *hello)
{
    return hash_text(p, ssl_hello_ja3(p, hello), EVP_md5(), 32);
}

/* ---- JA4 ---- */

static int compare_numbers(const void *a, const void *b)
{
    unsigned int left = *(const unsigned int *)a, right = *(const unsigned int *)b;

    return left < right ? -1 : left > right;
}

static void sort(numbers list)
{
    qsort(list.value, (size_t)list.count, sizeof(list.value[0]), compare_numbers);
}

/* The highest version that the client offers, in JA4's two characters. */
static const char *ja4_version(apr_pool_t *p, const ssl_hello *hello)
{
    static const struct {
        unsigned int version;
        const char *name;
    } names[] = { { 0x0304, "13" }, { 0x0303, "12" }, { 0x0302, "11" },
                  { 0x0301, "10" }, { 0x0300, "s3" }, { 0x0002, "s2" } };
    numbers offered = numbers_of(p, hello->versions, 2);
    unsigned int highest = 0;

    for (int i = 0; i < offered.count; i++) {
        highest = offered.value[i] > highest ? offered.value[i] : highest;
    }
    highest = highest ? highest : hello->version;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].version == highest) {
            return names[i].name;
        }
    }
    return "00";
}

/* First and last character of the first protocol; of its hex digits if one of them is neither letter nor digit. */
static const char *ja4_alpn(apr_pool_t *p, const ssl_hello *hello)
{
    ssl_bytes rest = hello->alpn, name = { NULL, 0 };
    const unsigned char *text;

    if (!take_vector(&rest, 1, &name) || !name.len) {
        return "00";
    }
    text = name.data;
    if (text[0] >= 0x80 || text[name.len - 1] >= 0x80 || !apr_isalnum(text[0]) || !apr_isalnum(text[name.len - 1])) {
        text = (const unsigned char *)ssl_x509_hex(p, name.data, name.len);
        name.len *= 2;
    }
    return apr_psprintf(p, "%c%c", text[0], text[name.len - 1]);
}

static int capped(int count)
{
    return count < JA4_COUNT_MAX ? count : JA4_COUNT_MAX;
}

/* LIST but for what its count alone tells in a JA4. */
static numbers without_names(numbers list)
{
    numbers kept = { list.value, 0 };

    for (int i = 0; i < list.count; i++) {
        if (list.value[i] != EXT_SERVER_NAME && list.value[i] != EXT_ALPN) {
            kept.value[kept.count++] = list.value[i];
        }
    }
    return kept;
}

/* The three parts of a JA4, the second and third not hashed. */
typedef struct ja4_parts {
    const char *head, *ciphers, *rest;
} ja4_parts;

static ja4_parts ja4_parts_of(apr_pool_t *p, const ssl_hello *hello)
{
    numbers ciphers = numbers_of(p, hello->ciphers, 2), types = extension_types(p, hello, 1);
    numbers algorithms = numbers_of(p, hello->signature_algorithms, 2);
    ja4_parts parts;

    parts.head = apr_psprintf(p, "t%s%c%02d%02d%s", ja4_version(p, hello), hello->has_server_name ? 'd' : 'i',
                              capped(ciphers.count), capped(types.count), ja4_alpn(p, hello));
    sort(ciphers);
    parts.ciphers = join(p, ciphers, "%04x", ',');
    types = without_names(types);
    sort(types);
    parts.rest = join(p, types, "%04x", ',');
    if (algorithms.count) {
        parts.rest = apr_pstrcat(p, parts.rest, "_", join(p, algorithms, "%04x", ','), NULL);
    }
    return parts;
}

char *ssl_hello_ja4_raw(apr_pool_t *p, const ssl_hello *hello)
{
    ja4_parts parts = ja4_parts_of(p, hello);

    return apr_pstrcat(p, parts.head, "_", parts.ciphers, "_", parts.rest, NULL);
}

static const char *ja4_hash(apr_pool_t *p, const char *text)
{
    return *text ? hash_text(p, text, EVP_sha256(), JA4_HASH_LEN) : "000000000000";
}

char *ssl_hello_ja4(apr_pool_t *p, const ssl_hello *hello)
{
    ja4_parts parts = ja4_parts_of(p, hello);
    const char *ciphers = ja4_hash(p, parts.ciphers), *rest = ja4_hash(p, parts.rest);

    return ciphers && rest ? apr_pstrcat(p, parts.head, "_", ciphers, "_", rest, NULL) : NULL;
}
