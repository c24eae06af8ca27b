/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_util_x509.c - certificates in words.
 *
 * What a certificate says was chosen by whoever asked for it, and is read here
 * before or without any trust in it: a name may hold NULs, control characters
 * or megabytes, an extension may be no DER at all.  So every string passes
 * ssl_x509_string(), which escapes control characters (a NUL becomes the three
 * characters \00) and therefore the backslash: no two different values give
 * the same words, and no value ends early.
 */
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "ssl_x509.h"

/* RFC 2253 lets UTF-8 stand as it is; only the CertificateExactAssertion stays within ASCII. */
#define NAME_UTF8 (XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB)
#define NAME_ASCII XN_FLAG_RFC2253

/* A name in a log line: enough to recognize it, and the rest of the line still fits. */
#define SUMMARY_NAME_MAX 400

/** Where to write text for take_text().  What OpenSSL complains of in between
 * is not left in its error queue, where the next user would find it. */
static BIO *new_text(void)
{
    ERR_set_mark();
    return BIO_new(BIO_s_mem());
}

/** What was written to BIO (from new_text(); NULL: no memory), as a string in P; frees BIO.
 * NULL if OK is not set. */
static char *take_text(apr_pool_t *p, BIO *bio, int ok)
{
    char *data, *text = NULL;
    long len;

    if (bio && ok && (len = BIO_get_mem_data(bio, &data)) >= 0) {
        text = apr_pstrmemdup(p, len ? data : "", (apr_size_t)len);
    }
    BIO_free(bio);
    ERR_pop_to_mark();
    return text;
}

static int has_nul(const void *data, long len)
{
    return len > 0 && memchr(data, 0, (size_t)len) != NULL;
}

static int string_has_nul(const ASN1_STRING *string)
{
    return has_nul(ASN1_STRING_get0_data(string), ASN1_STRING_length(string));
}

/** Whether STRING is the same in every writing: the printable characters of
 * ASCII, one octet each, without the backslash.  Nearly all are, and need no BIO. */
static int is_plain(const ASN1_STRING *string)
{
    const unsigned char *data = ASN1_STRING_get0_data(string);
    int type = ASN1_STRING_type(string), len = ASN1_STRING_length(string);

    if (type != V_ASN1_UTF8STRING && type != V_ASN1_PRINTABLESTRING && type != V_ASN1_IA5STRING) {
        return 0;
    }
    while (len > 0 && data[len - 1] >= ' ' && data[len - 1] < 0x7f && data[len - 1] != '\\') {
        len--;
    }
    return len == 0;
}

char *ssl_x509_string(apr_pool_t *p, const ASN1_STRING *string, int raw)
{
    unsigned long flags = ASN1_STRFLGS_ESC_CTRL | (raw ? 0 : ASN1_STRFLGS_UTF8_CONVERT);
    BIO *bio;

    if (is_plain(string)) {
        return apr_pstrmemdup(p, (const char *)ASN1_STRING_get0_data(string), (apr_size_t)ASN1_STRING_length(string));
    }
    bio = new_text();
    return take_text(p, bio, bio && ASN1_STRING_print_ex(bio, string, flags) >= 0);
}

/* ---- names ---- */

static char *name_text(apr_pool_t *p, SSL_X509_CONST X509_NAME *name, unsigned long flags)
{
    BIO *bio = new_text();

    return take_text(p, bio, bio && X509_NAME_print_ex(bio, name, 0, flags) >= 0);
}

char *ssl_x509_name_rfc2253(apr_pool_t *p, SSL_X509_CONST X509_NAME *name)
{
    return name_text(p, name, NAME_UTF8);
}

char *ssl_x509_name_legacy(apr_pool_t *p, SSL_X509_CONST X509_NAME *name)
{
    char *line = X509_NAME_oneline(name, NULL, 0);
    char *copy = line ? apr_pstrdup(p, line) : NULL;

    OPENSSL_free(line);
    return copy;
}

char *ssl_x509_name_entry(apr_pool_t *p, SSL_X509_CONST X509_NAME *name, int nid, int index, int raw)
{
    int at = -1;

    for (; index >= 0; index--) {
        at = X509_NAME_get_index_by_NID(name, nid, at);
        if (at < 0) {
            return NULL;
        }
    }
    return at < 0 ? NULL : ssl_x509_string(p, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)), raw);
}

/* ---- numbers and dates ---- */

/** The serial number of CERT as TO_TEXT (BN_bn2hex or BN_bn2dec) writes it. */
static char *serial_text(apr_pool_t *p, const X509 *cert, char *(*to_text)(const BIGNUM *))
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *digits = number ? to_text(number) : NULL;
    char *copy = digits ? apr_pstrdup(p, digits) : NULL;

    OPENSSL_free(digits);
    BN_free(number);
    return copy;
}

char *ssl_x509_serial(apr_pool_t *p, const X509 *cert)
{
    char *digits = serial_text(p, cert, BN_bn2hex);

    /* Whole octets; BN_bn2hex() knows one exception to that. */
    return digits && !strcmp(digits, "0") ? apr_pstrdup(p, "00") : digits;
}

char *ssl_x509_exact_assertion(apr_pool_t *p, const X509 *cert)
{
    char *serial = serial_text(p, cert, BN_bn2dec);
    char *issuer = name_text(p, X509_get_issuer_name(cert), NAME_ASCII);

    return serial && issuer ? apr_pstrcat(p, "{ serialNumber ", serial, ", issuer rdnSequence:\"", issuer, "\" }", NULL)
                            : NULL;
}

char *ssl_x509_time(apr_pool_t *p, const ASN1_TIME *time)
{
    BIO *bio = new_text();

    return take_text(p, bio, bio && ASN1_TIME_print(bio, time));
}

char *ssl_x509_days_left(apr_pool_t *p, const ASN1_TIME *time)
{
    int days, seconds;

    if (!ASN1_TIME_diff(&days, &seconds, NULL, time) || days < 0 || seconds < 0) {
        days = 0;
    }
    return apr_itoa(p, days);
}

char *ssl_x509_pem(apr_pool_t *p, X509 *cert)
{
    BIO *bio = new_text();

    return take_text(p, bio, bio && PEM_write_bio_X509(bio, cert));
}

char *ssl_x509_base64(apr_pool_t *p, X509 *cert)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    char *text = len > 0 ? apr_palloc(p, (apr_size_t)(len + 2) / 3 * 4 + 1) : NULL;

    if (text) {
        EVP_EncodeBlock((unsigned char *)text, der, len);
    }
    OPENSSL_free(der);
    return text;
}

/* ---- subject alternative names ---- */

/** All alternative names of CERT, for GENERAL_NAMES_free(); NULL if there are none, or no sense in them. */
static GENERAL_NAMES *alt_names_of(X509 *cert)
{
    GENERAL_NAMES *names;

    ERR_set_mark();
    names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    ERR_pop_to_mark();
    return names;
}

/** The string in NAME's otherName if its type-id is NID, else NULL.  Each form
 * has one string type: UPN is a UTF8String, SRVName an IA5String (RFC 4985). */
static const ASN1_STRING *other_name(const GENERAL_NAME *name, int nid)
{
    const OTHERNAME *other = name->d.otherName;
    int type = nid == NID_SRVName ? V_ASN1_IA5STRING : V_ASN1_UTF8STRING;

    return other->value && other->value->type == type ? other->value->value.asn1_string : NULL;
}

static int is_wanted(const GENERAL_NAME *name, int type, int other_nid)
{
    return name->type == type && (type != GEN_OTHERNAME || OBJ_obj2nid(name->d.otherName->type_id) == other_nid);
}

/** The string of NAME, of a type that ssl_x509_alt_names() takes; NULL if it has none or an empty one. */
static const ASN1_STRING *name_string(const GENERAL_NAME *name, int other_nid)
{
    const ASN1_STRING *string = name->type == GEN_OTHERNAME ? other_name(name, other_nid) : name->d.ia5;

    return string && ASN1_STRING_length(string) > 0 ? string : NULL;
}

apr_array_header_t *ssl_x509_alt_names(apr_pool_t *p, X509 *cert, int type, int other_nid)
{
    apr_array_header_t *found = apr_array_make(p, 4, sizeof(char *));
    GENERAL_NAMES *names = alt_names_of(cert);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        const ASN1_STRING *string;

        if (!is_wanted(name, type, other_nid)) {
            continue;
        }
        string = name_string(name, other_nid);
        APR_ARRAY_PUSH(found, char *) = string ? ssl_x509_string(p, string, 0) : NULL;
    }
    GENERAL_NAMES_free(names);
    return found;
}

/* ---- any extension ---- */

/** EXTENSION in the words of OpenSSL; NULL if it does not know the type or cannot read the value. */
static char *known_extension(apr_pool_t *p, SSL_X509_CONST X509_EXTENSION *extension)
{
    BIO *bio = new_text();
    int ok = bio && X509V3_EXT_print(bio, (X509_EXTENSION *)extension, 0, 0) == 1;
    char *data = NULL;
    long len = ok ? BIO_get_mem_data(bio, &data) : 0;

    return take_text(p, bio, ok && !has_nul(data, len));
}

/** EXTENSION if its value is one string of the types of DisplayText (RFC 5280,
 * 4.2.1.4): UTF8String, IA5String, VisibleString, BMPString; in UTF-8. */
static char *string_extension(apr_pool_t *p, SSL_X509_CONST X509_EXTENSION *extension)
{
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data((X509_EXTENSION *)extension);
    const unsigned char *at = ASN1_STRING_get0_data(value), *end = at + ASN1_STRING_length(value);
    ASN1_STRING *string = d2i_DISPLAYTEXT(NULL, &at, end - at);
    unsigned char *utf8 = NULL;
    char *text = NULL;
    int len = string && at == end ? ASN1_STRING_to_UTF8(&utf8, string) : -1;

    /* Compared as C strings from here on: one that would be cut short is no match for anything. */
    if (len >= 0 && !has_nul(utf8, len)) {
        text = apr_pstrmemdup(p, (char *)utf8, (apr_size_t)len);
    }
    OPENSSL_free(utf8);
    ASN1_STRING_free(string);
    return text;
}

apr_array_header_t *ssl_x509_extensions(apr_pool_t *p, X509 *cert, const char *extension)
{
    ASN1_OBJECT *oid;
    apr_array_header_t *values = NULL;

    ERR_set_mark();
    oid = OBJ_txt2obj(extension, 0);
    for (int at = -1; oid && (at = X509_get_ext_by_OBJ(cert, oid, at)) >= 0;) {
        SSL_X509_CONST X509_EXTENSION *found = X509_get_ext(cert, at);
        char *text = known_extension(p, found);

        if (!text) {
            text = string_extension(p, found);
        }
        if (text) {
            values = values ? values : apr_array_make(p, 2, sizeof(char *));
            APR_ARRAY_PUSH(values, char *) = text;
        }
    }
    ASN1_OBJECT_free(oid);
    ERR_pop_to_mark();
    return values;
}

/* ---- whose certificate is it ---- */

/** Whether PATTERN covers NAME (RFC 9525, 6.3): "*" may only be the whole
 * first label, and stands for one label. */
static int pattern_covers(const char *pattern, const char *name)
{
    const char *rest;

    if (pattern[0] != '*' || pattern[1] != '.') {
        return !strcasecmp(pattern, name);
    }
    rest = strchr(name, '.');
    return rest && rest != name && rest[1] && !strcasecmp(pattern + 1, rest);
}

/** Whether STRING, a dNSName or common name, covers NAME; an IP address is
 * covered by no wildcard. */
static int string_covers(apr_pool_t *p, const ASN1_STRING *string, const char *name, int is_ip)
{
    char *pattern;

    if (!string || string_has_nul(string) || !(pattern = ssl_x509_string(p, string, 0))) {
        return 0;
    }
    return is_ip ? !strcasecmp(pattern, name) : pattern_covers(pattern, name);
}

/** Whether one of NAMES covers NAME, the address IP if that isn't NULL. */
static int alt_names_cover(apr_pool_t *p, const GENERAL_NAMES *names, const char *name, const ASN1_OCTET_STRING *ip)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *alt = sk_GENERAL_NAME_value(names, i);

        if (alt->type == GEN_IPADD && ip && !ASN1_OCTET_STRING_cmp(alt->d.iPAddress, ip)) {
            return 1;
        }
        if (alt->type == GEN_DNS && string_covers(p, alt->d.dNSName, name, ip != NULL)) {
            return 1;
        }
    }
    return 0;
}

static int common_names_cover(apr_pool_t *p, SSL_X509_CONST X509_NAME *subject, const char *name, int is_ip)
{
    for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) {
        if (string_covers(p, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), name, is_ip)) {
            return 1;
        }
    }
    return 0;
}

/** NAME as an IP address, or NULL if it is a host name. */
static ASN1_OCTET_STRING *address_of(const char *name)
{
    ASN1_OCTET_STRING *ip;

    ERR_set_mark();
    ip = a2i_IPADDRESS(name);
    ERR_pop_to_mark();
    return ip;
}

int ssl_x509_matches_name(apr_pool_t *p, X509 *cert, const char *name)
{
    GENERAL_NAMES *names = alt_names_of(cert);
    ASN1_OCTET_STRING *ip = address_of(name);
    int covered =
        alt_names_cover(p, names, name, ip) || common_names_cover(p, X509_get_subject_name(cert), name, ip != NULL);

    ASN1_OCTET_STRING_free(ip);
    GENERAL_NAMES_free(names);
    return covered;
}

int ssl_x509_is_self_issued(const X509 *cert)
{
    return X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0;
}

int ssl_x509_is_ca(X509 *cert)
{
    int kind;

    ERR_set_mark();
    kind = X509_check_ca(cert);
    ERR_pop_to_mark();
    return kind == 1;
}

/* ---- for logs ---- */

static const char *short_name(apr_pool_t *p, SSL_X509_CONST X509_NAME *name)
{
    char *text = name_text(p, name, NAME_UTF8);

    if (!text) {
        return "(unreadable)";
    }
    if (!*text) {
        return "(empty)";
    }
    return strlen(text) <= SUMMARY_NAME_MAX ? text
                                            : apr_pstrcat(p, apr_pstrndup(p, text, SUMMARY_NAME_MAX), "...", NULL);
}

char *ssl_x509_summary(apr_pool_t *p, X509 *cert)
{
    const char *serial = ssl_x509_serial(p, cert), *end = ssl_x509_time(p, X509_get0_notAfter(cert));

    return apr_psprintf(p, "subject: %s / issuer: %s / serial: %s / notafter: %s",
                        short_name(p, X509_get_subject_name(cert)), short_name(p, X509_get_issuer_name(cert)),
                        serial ? serial : "(unreadable)", end ? end : "(unreadable)");
}

char *ssl_x509_key_fingerprint(apr_pool_t *p, EVP_PKEY *key)
{
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len = 0;
    int len = i2d_PUBKEY(key, &der), ok;

    ok = len > 0 && EVP_Digest(der, (size_t)len, digest, &digest_len, EVP_sha256(), NULL);
    OPENSSL_free(der);
    return ok ? ssl_x509_hex(p, digest, digest_len) : NULL;
}

char *ssl_x509_hex(apr_pool_t *p, const unsigned char *data, apr_size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *text = apr_palloc(p, 2 * len + 1);

    for (apr_size_t i = 0; i < len; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15];
    }
    text[2 * len] = '\0';
    return text;
}
