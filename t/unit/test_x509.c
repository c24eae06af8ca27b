/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_x509.c - certificates in words.  The certificates are made here through
 * OpenSSL's X509 functions: no command line makes such odd ones.
 */
#include <stdlib.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include "ssl_x509.h"
#include "tap.h"

/* A string constant with its length, so that it may hold NULs. */
#define BYTES(constant) (constant), (int)sizeof(constant) - 1
#define COUNT(array) (int)(sizeof(array) / sizeof((array)[0]))

static apr_pool_t *p;
static EVP_PKEY *key;

/* ---- making certificates ---- */

typedef struct attribute {
    const char *field;
    int type;
    const char *bytes;
    int len;
    int set; /* -1: in the same RDN as the one before */
} attribute;

static ASN1_STRING *make_string(int type, const char *bytes, int len)
{
    ASN1_STRING *string = ASN1_STRING_type_new(type);

    ASN1_STRING_set(string, bytes, len);
    return string;
}

static void add_attribute(X509_NAME *name, const attribute *a)
{
    ASN1_OBJECT *type = OBJ_txt2obj(a->field, 0);
    X509_NAME_ENTRY *entry =
        X509_NAME_ENTRY_create_by_OBJ(NULL, type, a->type, (const unsigned char *)a->bytes, a->len);

    X509_NAME_add_entry(name, entry, -1, a->set);
    X509_NAME_ENTRY_free(entry);
    ASN1_OBJECT_free(type);
}

static X509_NAME *make_name(const attribute *attributes, int count)
{
    X509_NAME *name = X509_NAME_new();

    for (int i = 0; i < count; i++) {
        add_attribute(name, &attributes[i]);
    }
    return name;
}

static void set_serial(X509 *cert, const char *hex)
{
    BIGNUM *number = NULL;
    ASN1_INTEGER *serial;

    BN_hex2bn(&number, hex);
    serial = BN_to_ASN1_INTEGER(number, NULL);
    X509_set_serialNumber(cert, serial);
    ASN1_INTEGER_free(serial);
    BN_free(number);
}

/* A certificate of subject and issuer NAME (freed here; NULL: an empty one), yet unsigned. */
static X509 *make_cert(X509_NAME *name)
{
    X509 *cert = X509_new();

    X509_set_version(cert, X509_VERSION_3);
    set_serial(cert, "0A1B");
    ASN1_TIME_set_string(X509_getm_notBefore(cert), "20200102030405Z");
    ASN1_TIME_set_string(X509_getm_notAfter(cert), "20991231235959Z");
    X509_set_pubkey(cert, key);
    if (name) {
        X509_set_subject_name(cert, name);
        X509_set_issuer_name(cert, name);
        X509_NAME_free(name);
    }
    return cert;
}

static void add_extension(X509 *cert, const char *oid, const char *der, int len)
{
    ASN1_OCTET_STRING *value = make_string(V_ASN1_OCTET_STRING, der, len);
    ASN1_OBJECT *type = OBJ_txt2obj(oid, 0);
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, type, 0, value);

    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
    ASN1_OBJECT_free(type);
    ASN1_OCTET_STRING_free(value);
}

typedef struct alt_name {
    int type;   /* GEN_... */
    int other;  /* NID of the type-id of a GEN_OTHERNAME */
    int string; /* V_ASN1_... of its value */
    const char *bytes;
    int len;
} alt_name;

static GENERAL_NAME *make_alt_name(const alt_name *a)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_TYPE *value;

    if (a->type != GEN_OTHERNAME) {
        GENERAL_NAME_set0_value(name, a->type,
                                make_string(a->type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING, a->bytes,
                                            a->len));
        return name;
    }
    value = ASN1_TYPE_new();
    ASN1_TYPE_set(value, a->string, make_string(a->string, a->bytes, a->len));
    GENERAL_NAME_set0_othername(name, OBJ_nid2obj(a->other), value);
    return name;
}

static void add_alt_names(X509 *cert, const alt_name *names, int count)
{
    GENERAL_NAMES *list = GENERAL_NAMES_new();

    for (int i = 0; i < count; i++) {
        sk_GENERAL_NAME_push(list, make_alt_name(&names[i]));
    }
    X509_add1_ext_i2d(cert, NID_subject_alt_name, list, 0, 0);
    GENERAL_NAMES_free(list);
}

/* ---- what is tested ---- */

static void test_strings(void)
{
    static const struct {
        int type;
        const char *bytes;
        int len;
        const char *utf8, *raw;
    } table[] = {
        { V_ASN1_UTF8STRING, BYTES("plain"), "plain", "plain" },
        { V_ASN1_UTF8STRING, BYTES(""), "", "" },
        { V_ASN1_UTF8STRING, BYTES("B\xc3\xa4yern"), "B\xc3\xa4yern", "B\xe4yern" },
        { V_ASN1_T61STRING, BYTES("M\xfcnchen"), "M\xc3\xbcnchen", "M\xfcnchen" },
        { V_ASN1_BMPSTRING, BYTES("\0G\0\xfc\x20\xac"), "G\xc3\xbc\xe2\x82\xac", "G\xfc\\U20AC" },
        { V_ASN1_UNIVERSALSTRING, BYTES("\0\0\0Z\0\1\xf6\0"), "Z\xf0\x9f\x98\x80", "Z\\W0001F600" },
        { V_ASN1_UTF8STRING, BYTES("good.example\0.evil"), "good.example\\00.evil", "good.example\\00.evil" },
        { V_ASN1_BMPSTRING, BYTES("\0a\0\0\0b"), "a\\00b", "a\\00b" },
        { V_ASN1_IA5STRING, BYTES("good.example\\00.evil"), "good.example\\\\00.evil", "good.example\\\\00.evil" },
        { V_ASN1_UTF8STRING, BYTES("a\r\nSet-Cookie: x\x7f"), "a\\0D\\0ASet-Cookie: x\\7F",
          "a\\0D\\0ASet-Cookie: x\\7F" },
        { V_ASN1_UTF8STRING, BYTES("no \xff\xfe utf8"), "no \xff\xfe utf8", NULL },
        { V_ASN1_BMPSTRING, BYTES("\0a\0"), NULL, NULL },
        { V_ASN1_UNIVERSALSTRING, BYTES("\0\0\0"), NULL, NULL },
    };

    for (int i = 0; i < COUNT(table); i++) {
        ASN1_STRING *string = make_string(table[i].type, table[i].bytes, table[i].len);

        is(ssl_x509_string(p, string, 0), table[i].utf8, apr_psprintf(p, "string %d in UTF-8", i));
        is(ssl_x509_string(p, string, 1), table[i].raw, apr_psprintf(p, "string %d raw", i));
        ASN1_STRING_free(string);
    }
    ok(ERR_peek_error() == 0, "OpenSSL's error queue is empty");
}

static const attribute rich_name[] = {
    { "C", V_ASN1_PRINTABLESTRING, BYTES("US"), 0 },
    { "O", V_ASN1_UTF8STRING, BYTES("Example, Inc. \xc3\xa9"), 0 },
    { "OU", V_ASN1_UTF8STRING, BYTES("a/b=c+d"), 0 },
    { "OU", V_ASN1_UTF8STRING, BYTES("#second"), 0 },
    { "CN", V_ASN1_UTF8STRING, BYTES("nul\0evil"), 0 },
    { "UID", V_ASN1_UTF8STRING, BYTES("u1"), -1 },
    { "emailAddress", V_ASN1_IA5STRING, BYTES("\"q\"@example.org"), 0 },
    { "1.2.3.99", V_ASN1_UTF8STRING, BYTES("unk"), 0 },
};

static void test_names(void)
{
    X509 *cert = make_cert(make_name(rich_name, COUNT(rich_name))), *empty = make_cert(NULL);
    SSL_X509_CONST X509_NAME *name = X509_get_subject_name(cert);

    is(ssl_x509_name_rfc2253(p, name),
       "1.2.3.99=#0C03756E6B,emailAddress=\\\"q\\\"@example.org,UID=u1+CN=nul\\00evil,OU=\\#second,OU=a/b=c\\+d,"
       "O=Example\\, Inc. \xc3\xa9,C=US",
       "RFC 2253: escapes, UTF-8 as it is, a multi-valued RDN, an unknown type");
    is(ssl_x509_name_legacy(p, name),
       "/C=US/O=Example, Inc. \\xC3\\xA9/OU=a\\/b=c\\+d/OU=#second/CN=nul\\x00evil+UID=u1/emailAddress=\"q\"@example.org"
       "/1.2.3.99=unk",
       "the legacy format");
    is(ssl_x509_name_entry(p, name, NID_organizationalUnitName, 0, 0), "a/b=c+d", "the first OU");
    is(ssl_x509_name_entry(p, name, NID_organizationalUnitName, 1, 0), "#second", "the second OU");
    is(ssl_x509_name_entry(p, name, NID_organizationalUnitName, 2, 0), NULL, "there is no third one");
    is(ssl_x509_name_entry(p, name, NID_organizationalUnitName, -1, 0), NULL, "nor one before the first");
    is(ssl_x509_name_entry(p, name, NID_commonName, 0, 1), "nul\\00evil", "a common name with a NUL");
    is(ssl_x509_name_entry(p, name, NID_organizationName, 0, 1), "Example, Inc. \xe9", "raw");
    is(ssl_x509_name_rfc2253(p, X509_get_subject_name(empty)), "", "no name in RFC 2253");
    is(ssl_x509_name_entry(p, X509_get_subject_name(empty), NID_commonName, 0, 0), NULL, "no common name");
    is(ssl_x509_exact_assertion(p, cert),
       "{ serialNumber 2587, issuer rdnSequence:\"1.2.3.99=#0C03756E6B,emailAddress=\\\"q\\\"@example.org,"
       "UID=u1+CN=nul\\00evil,OU=\\#second,OU=a/b=c\\+d,O=Example\\, Inc. \\C3\\A9,C=US\" }",
       "the CertificateExactAssertion is ASCII");
    ok(ssl_x509_is_self_issued(cert), "self-issued");
    X509_free(cert);
    X509_free(empty);
}

static void test_long_name(void)
{
    const int len = 16000;
    char *big = memset(apr_pcalloc(p, (apr_size_t)len + 1), 'x', (size_t)len), *text;
    const attribute a[] = { { "CN", V_ASN1_UTF8STRING, big, len, 0 }, { "C", V_ASN1_PRINTABLESTRING, BYTES("US"), 0 } };
    X509 *cert = make_cert(make_name(a, COUNT(a)));

    text = ssl_x509_name_rfc2253(p, X509_get_subject_name(cert));
    ok(text && strlen(text) == (size_t)len + strlen("C=US,CN="), "a name of 16000 characters is whole");
    text = ssl_x509_summary(p, cert);
    ok(text && strlen(text) < 1200 && strstr(text, "serial: 0A1B"),
       "... but short in a log line, serial number and all");
    X509_free(cert);
}

static void test_serials(void)
{
    static const struct {
        const char *hex, *wanted;
    } table[] = {
        { "0", "00" },
        { "1", "01" },
        { "ABCDEF0123", "ABCDEF0123" },
        { "00FF", "FF" },
        { "FF00112233445566778899AABBCCDDEEFF001122", "FF00112233445566778899AABBCCDDEEFF001122" },
        { "-80", "-80" },
        { "112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF00112233445566778899",
          "112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF00112233445566778899" },
    };

    for (int i = 0; i < COUNT(table); i++) {
        X509 *cert = make_cert(NULL);

        set_serial(cert, table[i].hex);
        is(ssl_x509_serial(p, cert), table[i].wanted, apr_pstrcat(p, "serial number ", table[i].hex, NULL));
        X509_free(cert);
    }
}

static void test_times(void)
{
    ASN1_TIME *time = ASN1_TIME_new();

    ASN1_TIME_set_string(time, "20261123211200Z");
    is(ssl_x509_time(p, time), "Nov 23 21:12:00 2026 GMT", "a time");
    ASN1_TIME_set_string(time, "20200102030405Z");
    is(ssl_x509_time(p, time), "Jan  2 03:04:05 2020 GMT", "a day of one digit");
    is(ssl_x509_days_left(p, time), "0", "no days are left of the past");
    X509_gmtime_adj(time, -5);
    is(ssl_x509_days_left(p, time), "0", "nor since a moment ago");
    X509_gmtime_adj(time, 86400 * 10 + 3600);
    is(ssl_x509_days_left(p, time), "10", "ten days and an hour are ten days");
    X509_gmtime_adj(time, 3600);
    is(ssl_x509_days_left(p, time), "0", "an hour is no day");
    ASN1_STRING_set(time, "no time at all", -1);
    ok(!ssl_x509_time(p, time) || strstr(ssl_x509_time(p, time), "Bad"), "what is no time is not taken for one");
    is(ssl_x509_days_left(p, time), "0", "and has no days left");
    ASN1_TIME_free(time);
    ok(ERR_peek_error() == 0, "OpenSSL's error queue is empty");
}

/* The names of one type, joined by "|", "-" for a NULL. */
static const char *joined(X509 *cert, int type, int other)
{
    apr_array_header_t *names = ssl_x509_alt_names(p, cert, type, other);

    for (int i = 0; i < names->nelts; i++) {
        if (!APR_ARRAY_IDX(names, i, char *)) {
            APR_ARRAY_IDX(names, i, const char *) = "-";
        }
    }
    return apr_array_pstrcat(p, names, '|');
}

static void test_alt_names(void)
{
    static const alt_name names[] = {
        { GEN_DNS, 0, 0, BYTES("good.example\0.evil") },
        { GEN_DNS, 0, 0, BYTES("ok.example") },
        { GEN_DNS, 0, 0, BYTES("") },
        { GEN_DNS, 0, 0, BYTES("caf\xe9\n") },
        { GEN_EMAIL, 0, 0, BYTES("a@example.org") },
        { GEN_URI, 0, 0, BYTES("https://example.org/") },
        { GEN_OTHERNAME, NID_ms_upn, V_ASN1_UTF8STRING, BYTES("user@dom") },
        { GEN_OTHERNAME, NID_ms_upn, V_ASN1_IA5STRING, BYTES("ia5@dom") },
        { GEN_OTHERNAME, NID_ms_upn, V_ASN1_UTF8STRING, BYTES("two@dom") },
        { GEN_OTHERNAME, NID_SRVName, V_ASN1_UTF8STRING, BYTES("_utf8.example") },
        { GEN_OTHERNAME, NID_SRVName, V_ASN1_IA5STRING, BYTES("_https.example") },
    };
    X509 *cert = make_cert(NULL), *none = make_cert(NULL), *broken = make_cert(NULL);

    add_alt_names(cert, names, COUNT(names));
    add_extension(broken, "subjectAltName",
                  BYTES("\x30\x05\x82\x7f"
                        "abc"));
    is(joined(cert, GEN_DNS, 0), "good.example\\00.evil|ok.example|-|caf\xc3\xa9\\0A", "dNSName");
    is(joined(cert, GEN_EMAIL, 0), "a@example.org", "rfc822Name");
    is(joined(cert, GEN_OTHERNAME, NID_ms_upn), "user@dom|-|two@dom", "UPN: only UTF8String");
    is(joined(cert, GEN_OTHERNAME, NID_SRVName), "-|_https.example", "SRVName: only IA5String");
    is(joined(none, GEN_DNS, 0), "", "no extension, no names");
    is(joined(broken, GEN_DNS, 0), "", "no sense in the extension, no names");
    ok(ERR_peek_error() == 0, "OpenSSL's error queue is empty");
    X509_free(cert);
    X509_free(none);
    X509_free(broken);
}

static const struct {
    const char *oid, *der;
    int len;
} extensions[] = {
    { "1.2.3.4", BYTES("\x0c\x06"
                       "foobar") },
    { "1.2.3.4", BYTES("\x16\x03"
                       "ia5") },
    { "1.2.3.5", BYTES("\x1a\x03"
                       "vis") },
    { "1.2.3.6", BYTES("\x1e\x04\0A\x20\xac") },
    { "1.2.3.10", BYTES("\x13\x03"
                        "prn") },          /* PrintableString: not one of the four types */
    { "1.2.3.11", BYTES("\x02\x01\x05") }, /* INTEGER */
    { "1.2.3.12", BYTES("\x16\x08"
                        "foo\0evil") }, /* would be compared as "foo" */
    { "1.2.3.13", BYTES("\x0c\x7f"
                        "short") }, /* longer than it is */
    { "1.2.3.14", BYTES("\x0c\x84\xff\xff\xff\xff") },
    { "1.2.3.15", BYTES("\x0c") },
    { "1.2.3.16", BYTES("") },
    { "1.2.3.17", BYTES("\x0c\x03"
                        "foo\x0c\x03"
                        "bar") },              /* more than one string */
    { "1.2.3.18", BYTES("\x0c\x02\xff\xfe") }, /* no UTF-8 */
    { "1.2.3.19", BYTES("\x1e\x03\0A\0") },    /* half a character */
    { "nsComment", BYTES("\x16\x07"
                         "comment") },
    { "basicConstraints", BYTES("\x30\x03\x01\x01\xff") },
    { "keyUsage", BYTES("\xff") },
};

static void test_extensions(void)
{
    static const struct {
        const char *name, *wanted;
    } table[] = {
        { "1.2.3.4", "foobar|ia5" },
        { "1.2.3.5", "vis" },
        { "1.2.3.6", "A\xe2\x82\xac" },
        { "1.2.3.10", NULL },
        { "1.2.3.11", NULL },
        { "1.2.3.12", NULL },
        { "1.2.3.13", NULL },
        { "1.2.3.14", NULL },
        { "1.2.3.15", NULL },
        { "1.2.3.16", NULL },
        { "1.2.3.17", NULL },
        { "1.2.3.18", NULL },
        { "1.2.3.19", NULL },
        { "nsComment", "comment" },
        { "2.16.840.1.113730.1.13", "comment" },
        { "basicConstraints", "CA:TRUE" },
        { "keyUsage", NULL },
        { "1.2.3.99", NULL },
        { "no such name", NULL },
        { "", NULL },
    };
    X509 *cert = make_cert(NULL);

    for (int i = 0; i < COUNT(extensions); i++) {
        add_extension(cert, extensions[i].oid, extensions[i].der, extensions[i].len);
    }
    for (int i = 0; i < COUNT(table); i++) {
        apr_array_header_t *values = ssl_x509_extensions(p, cert, table[i].name);

        is(values ? apr_array_pstrcat(p, values, '|') : NULL, table[i].wanted,
           apr_pstrcat(p, "extension ", table[i].name, NULL));
    }
    ok(ERR_peek_error() == 0, "OpenSSL's error queue is empty");
    X509_free(cert);
}

static void test_matches_name(void)
{
    static const alt_name names[] = {
        { GEN_DNS, 0, 0, BYTES("www.example.org") },
        { GEN_DNS, 0, 0, BYTES("*.wild.example") },
        { GEN_DNS, 0, 0, BYTES("f*.part.example") },
        { GEN_DNS, 0, 0, BYTES("a.*.inner.example") },
        { GEN_DNS, 0, 0, BYTES("*") },
        { GEN_DNS, 0, 0, BYTES("*.0.0.2") },
        { GEN_DNS, 0, 0, BYTES("nul.example\0.evil.example") },
        { GEN_IPADD, 0, 0, BYTES("\x7f\0\0\1") },
    };
    static const attribute subject[] = {
        { "CN", V_ASN1_UTF8STRING, BYTES("common.example"), 0 },
        { "CN", V_ASN1_UTF8STRING, BYTES("*.second.example"), 0 },
        { "CN", V_ASN1_UTF8STRING, BYTES("cn-nul.example\0.evil.example"), 0 },
    };
    static const struct {
        const char *name;
        int wanted;
    } table[] = {
        { "www.example.org", 1 },
        { "WWW.Example.ORG", 1 },
        { "example.org", 0 },
        { "a.wild.example", 1 },
        { "a.b.wild.example", 0 },
        { "wild.example", 0 },
        { ".wild.example", 0 },
        { "*.wild.example", 1 },
        { "foo.part.example", 0 },
        { "a.b.inner.example", 0 },
        { "localhost", 0 },
        { "nul.example", 0 },
        { "127.0.0.1", 1 },
        { "127.0.0.2", 0 },
        { "1.0.0.2", 0 },
        { "common.example", 1 },
        { "x.second.example", 1 },
        { "cn-nul.example", 0 },
        { "", 0 },
    };
    X509 *cert = make_cert(make_name(subject, COUNT(subject)));

    add_alt_names(cert, names, COUNT(names));
    for (int i = 0; i < COUNT(table); i++) {
        ok(ssl_x509_matches_name(p, cert, table[i].name) == table[i].wanted, "\"%s\" is %scovered", table[i].name,
           table[i].wanted ? "" : "not ");
    }
    ok(ERR_peek_error() == 0, "OpenSSL's error queue is empty");
    X509_free(cert);
}

static void test_ca(void)
{
    X509 *ca = make_cert(NULL), *leaf = make_cert(NULL), *other = make_cert(NULL);
    static const attribute name[] = { { "CN", V_ASN1_UTF8STRING, BYTES("issuer"), 0 } };
    X509_NAME *issuer = make_name(name, 1);

    add_extension(ca, "basicConstraints", BYTES("\x30\x03\x01\x01\xff"));
    add_extension(leaf, "basicConstraints", BYTES("\x30\x00"));
    X509_set_issuer_name(other, issuer);
    X509_NAME_free(issuer);
    X509_sign(ca, key, NULL); /* else OpenSSL does not look at the extensions */
    X509_sign(leaf, key, NULL);
    X509_sign(other, key, NULL);
    ok(ssl_x509_is_ca(ca), "a CA");
    ok(!ssl_x509_is_ca(leaf), "no CA");
    ok(!ssl_x509_is_ca(other), "no word about it: no CA");
    ok(!ssl_x509_is_self_issued(other), "issued by another");
    X509_free(ca);
    X509_free(leaf);
    X509_free(other);
}

static void test_pem_and_fingerprint(void)
{
    static const unsigned char zeros[32];
    EVP_PKEY *known = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, zeros, sizeof(zeros));
    X509 *cert = make_cert(make_name(rich_name, COUNT(rich_name))), *back;
    char *pem;
    BIO *bio;

    X509_sign(cert, key, NULL);
    pem = ssl_x509_pem(p, cert);
    bio = BIO_new_mem_buf(pem, -1);
    back = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    ok(back && !X509_cmp(cert, back), "PEM reads as the same certificate");
    ok(pem && !strncmp(pem, "-----BEGIN CERTIFICATE-----\n", 28) &&
           !strcmp(pem + strlen(pem) - 26, "-----END CERTIFICATE-----\n"),
       "PEM ends in a newline");
    is(ssl_x509_key_fingerprint(p, known), "722abd12e99a5367f375aeb9672a8e07712e03c2add16fa8d6914d1cfa2efe0c",
       "fingerprint of a known key");
    is(ssl_x509_hex(p, (const unsigned char *)"\0\x0f\xf0\xff", 4), "000ff0ff", "hex digits");
    is(ssl_x509_hex(p, zeros, 0), "", "no digits of nothing");
    BIO_free(bio);
    X509_free(back);
    X509_free(cert);
    EVP_PKEY_free(known);
}

/* ---- any byte of it wrong ---- */

/* All that can be asked of CERT, for the sanitizers to watch. */
static void ask_everything(X509 *cert)
{
    static const int types[][2] = {
        { GEN_EMAIL, 0 }, { GEN_DNS, 0 }, { GEN_OTHERNAME, NID_ms_upn }, { GEN_OTHERNAME, NID_SRVName }
    };

    ssl_x509_summary(p, cert);
    ssl_x509_name_legacy(p, X509_get_subject_name(cert));
    ssl_x509_name_entry(p, X509_get_subject_name(cert), NID_commonName, 0, 0);
    ssl_x509_name_entry(p, X509_get_subject_name(cert), NID_commonName, 0, 1);
    ssl_x509_exact_assertion(p, cert);
    ssl_x509_time(p, X509_get0_notBefore(cert));
    ssl_x509_days_left(p, X509_get0_notAfter(cert));
    ssl_x509_pem(p, cert);
    ssl_x509_matches_name(p, cert, "www.example.org");
    ssl_x509_is_ca(cert);
    ssl_x509_is_self_issued(cert);
    for (int i = 0; i < COUNT(types); i++) {
        ssl_x509_alt_names(p, cert, types[i][0], types[i][1]);
    }
    for (int i = 0; i < COUNT(extensions); i++) {
        ssl_x509_extensions(p, cert, extensions[i].oid);
    }
}

static X509 *make_rich_cert(void)
{
    static const alt_name names[] = {
        { GEN_DNS, 0, 0, BYTES("www.example.org") },
        { GEN_OTHERNAME, NID_ms_upn, V_ASN1_UTF8STRING, BYTES("user@dom") },
        { GEN_OTHERNAME, NID_SRVName, V_ASN1_IA5STRING, BYTES("_https.example") },
        { GEN_IPADD, 0, 0, BYTES("\x7f\0\0\1") },
    };
    X509 *cert = make_cert(make_name(rich_name, COUNT(rich_name)));

    add_alt_names(cert, names, COUNT(names));
    for (int i = 0; i < COUNT(extensions); i++) {
        add_extension(cert, extensions[i].oid, extensions[i].der, extensions[i].len);
    }
    X509_sign(cert, key, NULL);
    return cert;
}

static void test_damaged(void)
{
    static const unsigned char patterns[] = { 0x01, 0x80, 0xff };
    X509 *cert = make_rich_cert();
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der), understood = 0, noisy = 0;
    apr_pool_t *outer = p;

    apr_pool_create(&p, outer);
    for (int i = 0; i < len * COUNT(patterns); i++) {
        const unsigned char *at = der;
        unsigned char pattern = patterns[i % COUNT(patterns)];
        X509 *damaged;

        der[i / COUNT(patterns)] ^= pattern;
        damaged = d2i_X509(NULL, &at, len);
        der[i / COUNT(patterns)] ^= pattern;
        ERR_clear_error();
        if (damaged) {
            understood++;
            ask_everything(damaged);
            noisy += ERR_peek_error() != 0;
            ERR_clear_error();
            X509_free(damaged);
        }
        apr_pool_clear(p);
    }
    p = outer;
    ok(understood > len / 4, "damaged certificates: %d of %d were understood", understood, len * COUNT(patterns));
    ok(noisy == 0, "none of them left anything in OpenSSL's error queue");
    OPENSSL_free(der);
    X509_free(cert);
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    test_strings();
    test_names();
    test_long_name();
    test_serials();
    test_times();
    test_alt_names();
    test_extensions();
    test_matches_name();
    test_ca();
    test_pem_and_fingerprint();
    test_damaged();
    EVP_PKEY_free(key);
    apr_pool_destroy(p);
    apr_terminate();
    return done();
}
