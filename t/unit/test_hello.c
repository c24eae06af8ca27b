/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_hello.c - ClientHellos in words: fingerprints as published by those who
 * defined them, as tshark has them for real clients (../data/client-hellos.txt),
 * and of what no client sends.
 */
#include <stdlib.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "ssl_hello.h"
#include "tap.h"

static apr_pool_t *p;

/* ---- making ClientHellos ---- */

typedef struct buffer {
    unsigned char bytes[70000];
    size_t len;
} buffer;

static void put(buffer *b, unsigned int value, int size)
{
    while (size-- > 0) {
        b->bytes[b->len++] = (unsigned char)(value >> 8 * size);
    }
}

/* WORDS: hex numbers with blanks between them, as many octets as they have digits. */
static void put_hex(buffer *b, const char *words)
{
    for (; *words; words++) {
        unsigned int octet;

        if (*words != ' ' && sscanf(words, "%2x", &octet) == 1) {
            put(b, octet, 1);
            words++;
        }
    }
}

/* EXTENSIONS: "type:content type:content", in hex without blanks in the content; NULL: no block of them. */
static buffer *make_hello(unsigned int version, const char *ciphers, const char *extensions)
{
    buffer *b = apr_pcalloc(p, sizeof(*b)), *list = apr_pcalloc(p, sizeof(*b)), *block = apr_pcalloc(p, sizeof(*b));
    char *rest = apr_pstrdup(p, extensions ? extensions : ""), *word;

    put(b, version, 2);
    b->len += 32;
    put(b, 0, 1);
    put_hex(list, ciphers);
    put(b, (unsigned int)list->len, 2);
    memcpy(b->bytes + b->len, list->bytes, list->len);
    b->len += list->len;
    put(b, 0x0100, 2);
    while ((word = apr_strtok(rest, " ", &rest)) != NULL) {
        put_hex(block, apr_pstrndup(p, word, 4));
        put(block, (unsigned int)strlen(word + 5) / 2, 2);
        put_hex(block, word + 5);
    }
    if (extensions) {
        put(b, (unsigned int)block->len, 2);
        memcpy(b->bytes + b->len, block->bytes, block->len);
        b->len += block->len;
    }
    return b;
}

/* ---- fingerprints ---- */

typedef char *fingerprint(apr_pool_t *, const ssl_hello *);

static const char *print_of(fingerprint *print, const buffer *b)
{
    ssl_hello hello;

    return ssl_hello_parse(&hello, b->bytes, b->len) ? print(p, &hello) : "no ClientHello";
}

/* github.com/salesforce/ja3, README */
static void test_ja3(void)
{
    buffer *b = make_hello(769, "002f 0035 0005 000a c009 c00a c013 c014 0032 0038 0013 0004",
                           "0000:00 000a:0006001700180019 000b:0100");

    is(print_of(ssl_hello_ja3, b), "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0", "JA3");
    is(print_of(ssl_hello_ja3_hash, b), "ada70206e40642a3e4461f35503241d5", "its hash");
    b = make_hello(769, "0004 0005 000a 0009 0064 0062 0003 0006 0013 0012 0063", NULL);
    is(print_of(ssl_hello_ja3, b), "769,4-5-10-9-100-98-3-6-19-18-99,,,", "JA3 without extensions");
    is(print_of(ssl_hello_ja3_hash, b), "de350869b8c85de67a350c8d186f11e6", "its hash");
    b = make_hello(771, "2a2a 1301 fafa 0a1a", "8a8a: 0017: 000a:00080a0a001d1a2a7a7a dada:00");
    is(print_of(ssl_hello_ja3, b), "771,4865-2586,23-10,29-6698,", "JA3 passes over GREASE, and only that");
}

/* github.com/FoxIO-LLC/ja4, README: a browser, in the order of the numbers, which does not count. */
static void test_ja4(void)
{
    buffer *b = make_hello(0x0303, "6a6a 1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035",
                   "7a7a: 001b: 0000: 0033: 0010:000c02683208687474702f312e31 4469: 0017: 002d: "
                   "000d:001004030804040105030805050108060601 0005: 0023: 0012: 002b:066a6a03040303 ff01: 000b: 000a: 0015:");
    is(print_of(ssl_hello_ja4, b), "t13d1516h2_8daaf6152771_e5627efa2ab1", "JA4");
    is(print_of(ssl_hello_ja4_raw, b),
       "t13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_"
       "0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_"
       "0403,0804,0401,0503,0805,0501,0806,0601", "its text");
}

static void test_ja4_heads(void)
{
    static const struct {
        unsigned int version;
        const char *ciphers, *extensions, *raw, *what;
    } cases[] = {
        { 0x0303, "", NULL, "t12i000000__", "nothing" },
        { 0x0303, "1301", "", "t12i010000_1301_", "a block without extensions" },
        { 0x0304, "1301", NULL, "t13i010000_1301_", "legacy_version" },
        { 0x0302, "1301", NULL, "t11i010000_1301_", "... 1.1" },
        { 0x0301, "1301", NULL, "t10i010000_1301_", "... 1.0" },
        { 0x0300, "1301", NULL, "ts3i010000_1301_", "... SSLv3" },
        { 0x0002, "1301", NULL, "ts2i010000_1301_", "... SSLv2" },
        { 0x0305, "1301", NULL, "t00i010000_1301_", "... of the future" },
        { 0x0303, "1301", "002b:04fafa0302", "t11i010100_1301_002b", "supported_versions count, GREASE does not" },
        { 0x0303, "1301", "002b:02fafa", "t12i010100_1301_002b", "... nothing else in them" },
        { 0x0303, "1301", "002b:06030203040303", "t13i010100_1301_002b", "... the highest" },
        { 0x0303, "1301", "002b:0304", "t12i010100_1301_002b", "... without sense" },
        { 0x0303, "1301", "0000:", "t12d010100_1301_", "a server name without a name" },
        { 0x0303, "1301", "0010:0003026832", "t12i0101h2_1301_", "ALPN h2" },
        { 0x0303, "1301", "0010:000908687474702f312e31", "t12i0101h1_1301_", "http/1.1" },
        { 0x0303, "1301", "0010:00020178", "t12i0101xx_1301_", "one letter" },
        { 0x0303, "1301", "0010:000201ab", "t12i0101ab_1301_", "one octet" },
        { 0x0303, "1301", "0010:000302abcd", "t12i0101ad_1301_", "two octets" },
        { 0x0303, "1301", "0010:00030230ab", "t12i01013b_1301_", "a digit and an octet" },
        { 0x0303, "1301", "0010:0005043031abcd", "t12i01013d_1301_", "two and two" },
        { 0x0303, "1301", "0010:00050430abcd31", "t12i010101_1301_", "octets within" },
        { 0x0303, "1301", "0010:000100", "t12i010100_1301_", "an empty protocol" },
        { 0x0303, "1301", "0010:0000", "t12i010100_1301_", "no protocol" },
        { 0x0303, "1301", "0010:00030568", "t12i010100_1301_", "a protocol that is cut short" },
        { 0x0303, "1301", "000d:000404031a1a", "t12i010100_1301_000d_0403", "GREASE among signature algorithms" },
        { 0x0303, "1301", "000d:00021a1a", "t12i010100_1301_000d", "... nothing else" },
        { 0x0303, "1301", "000d:0003040308", "t12i010100_1301_000d", "signature algorithms of odd length" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is(print_of(ssl_hello_ja4_raw, make_hello(cases[i].version, cases[i].ciphers, cases[i].extensions)),
           cases[i].raw, cases[i].what);
    }
    is(print_of(ssl_hello_ja4, make_hello(0x0303, "", "0000:")), "t12d000100_000000000000_000000000000",
       "hashes of nothing are zeros");
}

static void test_counts(void)
{
    char *ciphers = apr_pstrdup(p, ""), *extensions = apr_pstrdup(p, "");
    const char *print;

    for (int i = 0; i < 150; i++) {
        ciphers = apr_psprintf(p, "%s%04x ", ciphers, 0xc000 + i);
        extensions = apr_psprintf(p, "%s%04x: ", extensions, 0x1000 + i);
    }
    print = print_of(ssl_hello_ja4, make_hello(0x0303, ciphers, extensions));
    ok(!strncmp(print, "t12i999900_", 11), "counts end at 99: %s", print);
    print = print_of(ssl_hello_ja3, make_hello(0x0303, ciphers, extensions));
    ok(strstr(print, "-49301,4096-") != NULL, "JA3 has them all");
}

/* ---- what was captured ---- */

/* A line of FILE, without its end; NULL at the end. */
static char *read_line(FILE *file)
{
    static char line[40000];

    do {
        if (!fgets(line, sizeof(line), file)) {
            return NULL;
        }
    } while (*line == '#');
    line[strcspn(line, "\n")] = '\0';
    return apr_pstrdup(p, line);
}

static void test_captured(void)
{
    static fingerprint *const prints[] = { ssl_hello_ja3, ssl_hello_ja3_hash, ssl_hello_ja4, ssl_hello_ja4_raw };
    FILE *file = fopen("../data/client-hellos.txt", "r");
    const char *client;
    int count = 0;

    while (file && (client = read_line(file)) != NULL) {
        buffer *b = apr_pcalloc(p, sizeof(*b));

        put_hex(b, read_line(file));
        for (int i = 0; i < 4; i++) {
            is(print_of(prints[i], b), read_line(file), client);
        }
        count++;
    }
    if (file) {
        fclose(file);
    }
    ok(count == 17, "%d clients", count);
}

/* ---- what is none ---- */

/* LEN bytes of B on the heap, where the sanitizer sees what is read behind their end. */
static int parses(const buffer *b, size_t len)
{
    unsigned char *copy = malloc(len ? len : 1);
    ssl_hello hello;
    int good;

    memcpy(copy, b->bytes, len);
    good = ssl_hello_parse(&hello, copy, len);
    if (good) {
        ssl_hello_ja3(p, &hello);
        ssl_hello_ja4_raw(p, &hello);
        ssl_hello_extension_types(p, &hello);
    }
    free(copy);
    return good;
}

static void test_cut_short(void)
{
    buffer *b = make_hello(0x0303, "1301 1302", "0000: 002b:0403040303 0010:0003026832");
    size_t bare = 2 + 32 + 1 + 2 + 4 + 2;
    int good = 0;

    for (size_t len = 0; len < b->len; len++) {
        good += parses(b, len) && len != bare;
    }
    ok(good == 0, "no part of a ClientHello is one");
    ok(parses(b, bare), "but what ends before the extensions");
    ok(parses(b, b->len), "the whole is");
    b->bytes[b->len++] = 0;
    ok(!parses(b, b->len), "nothing may follow");
    b = make_hello(0x0303, "130113", NULL);
    ok(!parses(b, b->len), "ciphers of odd length");
}

static void test_lists(void)
{
    buffer *b = make_hello(0x0303, "1a1a 1301", "1a1a: 0000: 000a:00041a1a001d 000b:03000102 ff01:00");
    ssl_hello hello;

    ok(ssl_hello_parse(&hello, b->bytes, b->len), "a ClientHello with GREASE");
    is(ssl_hello_hex(p, &hello.ciphers), "1a1a1301", "ciphers as they are");
    is(ssl_hello_extension_types(p, &hello), "1a1a0000000a000bff01", "extensions as they are");
    is(ssl_hello_hex(p, &hello.groups), "1a1a001d", "groups as they are");
    is(ssl_hello_hex(p, &hello.ec_formats), "000102", "formats");
    is(ssl_hello_hex(p, &hello.versions), "", "no versions");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    test_ja3();
    test_ja4();
    test_ja4_heads();
    test_counts();
    test_captured();
    test_cut_short();
    test_lists();
    apr_pool_destroy(p);
    apr_terminate();
    return done();
}
