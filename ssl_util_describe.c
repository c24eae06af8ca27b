/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_util_describe.c - what an SSL_CTX really does, asked of OpenSSL rather
 * than read from the configuration.  No httpd types.
 */
#include "ssl_report.h"
#include "ssl_x509.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>

/* --- ciphers ---------------------------------------------------------------------- */

/** The kinds of key that the certificates have. */
enum { KEY_RSA = 1, KEY_RSA_PSS = 2, KEY_EC = 4, KEY_OTHER = 8 };

static const struct {
    const char *name;
    int version;
    uint64_t off; /* the option that switches it off */
} versions[] = {
    { "TLSv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3 }, { "TLSv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2 },
    { "TLSv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1 }, { "TLSv1", TLS1_VERSION, SSL_OP_NO_TLSv1 },
    { "SSLv3", SSL3_VERSION, SSL_OP_NO_SSLv3 },
};

static int key_kind(const EVP_PKEY *key)
{
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        return KEY_RSA;
    case EVP_PKEY_RSA_PSS:
        return KEY_RSA_PSS;
    case EVP_PKEY_EC:
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
        return KEY_EC;
    default:
        return KEY_OTHER;
    }
}

static int key_kinds(SSL_CTX *ctx)
{
    long more = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_FIRST);
    int kinds = 0;

    for (; more; more = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_NEXT)) {
        kinds |= key_kind(X509_get0_pubkey(SSL_CTX_get0_certificate(ctx)));
    }
    return kinds;
}

/* Whether a certificate with a key of one of these KINDS serves for CIPHER.
 * Nothing is known of the keys (0): it may. */
static int has_key(const SSL_CIPHER *cipher, int kinds)
{
    switch (SSL_CIPHER_get_auth_nid(cipher)) {
    case NID_auth_rsa:
        return !kinds || kinds & KEY_RSA || (kinds & KEY_RSA_PSS && SSL_CIPHER_get_kx_nid(cipher) != NID_kx_rsa);
    case NID_auth_ecdsa:
        return !kinds || kinds & KEY_EC;
    case NID_auth_any:
        return 1;
    default:
        return 0;
    }
}

/* Whether VERSION is within the range of CTX and not switched off. */
static int is_allowed(SSL_CTX *ctx, int version, uint64_t off)
{
    long low = SSL_CTX_get_min_proto_version(ctx), high = SSL_CTX_get_max_proto_version(ctx);

    return !(SSL_CTX_get_options(ctx) & off) && (!low || version >= low) && (!high || version <= high);
}

/* What OpenSSL would choose from at VERSION: its security level and its own
 * rules applied.  The caller's; NULL if there is nothing. */
static STACK_OF(SSL_CIPHER) *ciphers_at(SSL_CTX *ctx, int version)
{
    SSL *ssl = SSL_new(ctx);
    STACK_OF(SSL_CIPHER) *ciphers = NULL;

    if (ssl && SSL_set_min_proto_version(ssl, version) && SSL_set_max_proto_version(ssl, version)) {
        ciphers = SSL_get1_supported_ciphers(ssl);
    }
    SSL_free(ssl);
    ERR_clear_error();
    return ciphers;
}

/** The ciphers of one SSL_CTX, being sorted. */
typedef struct cipher_sorter {
    SSL_CTX *ctx;
    int kinds;             /* of key */
    ssl_report *by_version;
    ssl_report *other_keys; /* allowed, but no certificate serves for them */
    apr_hash_t *seen;       /* what is in other_keys */
} cipher_sorter;

/* Before TLS 1.2 there is no signature without SHA-1, which only level 0
 * allows. OpenSSL asks for one even where RSA key exchange would need none. */
static int can_sign(SSL_CTX *ctx, int version)
{
    return version >= TLS1_2_VERSION || SSL_CTX_get_security_level(ctx) < 1;
}

/* Adds the ciphers of VERSION, if there are any that can be used.  Their number. */
static int sort_ciphers(apr_pool_t *p, cipher_sorter *sorter, int version, const char *version_name)
{
    STACK_OF(SSL_CIPHER) *ciphers = can_sign(sorter->ctx, version) ? ciphers_at(sorter->ctx, version) : NULL;
    ssl_report *list = ssl_report_list(ssl_report_make(p), version_name);
    int i, count = 0;

    for (i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ciphers, i);
        const char *name = SSL_CIPHER_get_name(cipher);

        if (has_key(cipher, sorter->kinds)) {
            ssl_report_item(list, name);
            count++;
        }
        else if (!apr_hash_get(sorter->seen, name, APR_HASH_KEY_STRING)) {
            apr_hash_set(sorter->seen, name, APR_HASH_KEY_STRING, name);
            ssl_report_item(sorter->other_keys, name);
        }
    }
    sk_SSL_CIPHER_free(ciphers);
    if (count) {
        ssl_report_adopt(sorter->by_version, version_name, list);
    }
    return count;
}

static void describe_ciphers(apr_pool_t *p, ssl_report *group, SSL_CTX *ctx)
{
    ssl_report *protocols = ssl_report_list(group, "protocols");
    ssl_report *useless = ssl_report_list(group, "protocols without a cipher"), *parts = ssl_report_make(p);
    cipher_sorter sorter = { .ctx = ctx, .kinds = key_kinds(ctx), .seen = apr_hash_make(p) };
    size_t i;

    sorter.by_version = ssl_report_group(group, "ciphers");
    sorter.other_keys = ssl_report_list(parts, "other keys");
    for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        if (is_allowed(ctx, versions[i].version, versions[i].off)) {
            int count = sort_ciphers(p, &sorter, versions[i].version, versions[i].name);

            ssl_report_item(count ? protocols : useless, versions[i].name);
        }
    }
    if (apr_hash_count(sorter.seen)) {
        ssl_report_adopt(sorter.by_version, "for other keys", sorter.other_keys);
    }
}

/* --- groups: as the ClientHello of a client with the same settings has them --------- */

typedef struct hello {
    apr_pool_t *p;
    SSL *ssl;
    ssl_report *list;
} hello;

/* Takes a field with a length of SIZE bytes before it off *AT; NULL: it does not fit. */
static const unsigned char *take(const unsigned char **at, const unsigned char *end, int size, size_t *length)
{
    const unsigned char *field;

    for (*length = 0; size > 0 && *at < end; size--) {
        *length = *length << 8 | *(*at)++;
    }
    if (size > 0 || *length > (size_t)(end - *at)) {
        return NULL;
    }
    field = *at;
    *at += *length;
    return field;
}

static void list_groups(hello *h, const unsigned char *at, size_t length)
{
    for (at += 2; length >= 4; at += 2, length -= 2) {
        int id = at[0] << 8 | at[1];
        const char *name = SSL_group_to_name(h->ssl, TLSEXT_nid_unknown | id);

        ssl_report_item(h->list, name ? name : apr_psprintf(h->p, "0x%04x", (unsigned int)id));
    }
}

static void read_hello(hello *h, const unsigned char *at, const unsigned char *end)
{
    size_t length, type;
    const unsigned char *field;

    at += 4 + 2 + 32; /* type and length, version, random */
    if (at >= end || !take(&at, end, 1, &length) || !take(&at, end, 2, &length) || !take(&at, end, 1, &length) ||
        !take(&at, end, 2, &length)) {
        return;
    }
    at -= length; /* to the first extension */
    while (end - at >= 4) {
        type = (size_t)(at[0] << 8 | at[1]);
        at += 2;
        field = take(&at, end, 2, &length);
        if (!field) {
            return;
        }
        if (type == TLSEXT_TYPE_supported_groups) {
            list_groups(h, field, length);
        }
    }
}

/* SSL_set_msg_callback(3) */
static void see_message(int sent, int version, int type, const void *data, size_t length, SSL *ssl, void *arg)
{
    const unsigned char *message = data;

    (void)version;
    (void)ssl;
    if (sent && type == SSL3_RT_HANDSHAKE && length > 4 && message[0] == SSL3_MT_CLIENT_HELLO) {
        read_hello(arg, message, message + length);
    }
}

/* OpenSSL has no function that tells them; a client of its own does. */
static void describe_groups(apr_pool_t *p, ssl_report *group, SSL_CTX *ctx, const char *groups)
{
    hello h = { .p = p, .ssl = SSL_new(ctx), .list = ssl_report_list(group, "groups") };
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

    if (!h.ssl || !in || !out || !SSL_set_ssl_method(h.ssl, TLS_client_method()) ||
        (groups && !SSL_set1_groups_list(h.ssl, groups))) {
        BIO_free(in);
        BIO_free(out);
        SSL_free(h.ssl);
        ERR_clear_error();
        return;
    }
    SSL_set_bio(h.ssl, in, out);
    SSL_set_connect_state(h.ssl);
    SSL_set_msg_callback(h.ssl, see_message);
    SSL_set_msg_callback_arg(h.ssl, &h);
    SSL_do_handshake(h.ssl);
    SSL_free(h.ssl);
    ERR_clear_error();
}

void ssl_describe_tls(apr_pool_t *p, ssl_report *group, SSL_CTX *ctx, const char *groups)
{
    uint64_t options = SSL_CTX_get_options(ctx);

    describe_ciphers(p, group, ctx);
    describe_groups(p, group, ctx, groups);
    ssl_report_number(group, "security level", SSL_CTX_get_security_level(ctx));
    ssl_report_flag(group, "honor cipher order", (options & SSL_OP_CIPHER_SERVER_PREFERENCE) != 0);
    ssl_report_flag(group, "compression", (options & SSL_OP_NO_COMPRESSION) == 0);
    ssl_report_flag(group, "insecure renegotiation", (options & SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION) != 0);
}

/* --- certificates --------------------------------------------------------------------- */

static const char *general_name(apr_pool_t *p, GENERAL_NAME *name)
{
    BIO *bio;
    char *data;
    const char *text;
    long length;

    switch (name->type) {
    case GEN_DNS:
        return apr_pstrcat(p, "DNS:", ssl_x509_string(p, name->d.dNSName, 0), NULL);
    case GEN_EMAIL:
        return apr_pstrcat(p, "email:", ssl_x509_string(p, name->d.rfc822Name, 0), NULL);
    case GEN_URI:
        return apr_pstrcat(p, "URI:", ssl_x509_string(p, name->d.uniformResourceIdentifier, 0), NULL);
    default:
        bio = BIO_new(BIO_s_mem());
        GENERAL_NAME_print(bio, name);
        length = BIO_get_mem_data(bio, &data);
        text = apr_pstrmemdup(p, data, (apr_size_t)length);
        BIO_free(bio);
        return text;
    }
}

static void describe_names(apr_pool_t *p, ssl_report *group, const X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    ssl_report *list = ssl_report_list(group, "names");
    int i;

    for (i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        ssl_report_item(list, general_name(p, sk_GENERAL_NAME_value(names, i)));
    }
    GENERAL_NAMES_free(names);
}

/* Days until TIME, rounded down: negative if it is past. */
static int days_until(const ASN1_TIME *time)
{
    int days = 0, seconds = 0;

    ASN1_TIME_diff(&days, &seconds, NULL, time);
    return seconds < 0 ? days - 1 : days;
}

static const char *validity(const ASN1_TIME *start, const ASN1_TIME *end)
{
    return days_until(end) < 0 ? "EXPIRED" : days_until(start) >= 0 ? "NOT YET VALID" : "valid";
}

static void describe_validity(apr_pool_t *p, ssl_report *group, const X509 *cert)
{
    const ASN1_TIME *start = X509_get0_notBefore(cert), *end = X509_get0_notAfter(cert);

    ssl_report_text(group, "valid from", ssl_x509_time(p, start));
    ssl_report_text(group, "valid until", ssl_x509_time(p, end));
    ssl_report_number(group, "days left", days_until(end));
    ssl_report_text(group, "state", validity(start, end));
}

static void describe_key(apr_pool_t *p, ssl_report *group, EVP_PKEY *key)
{
    const char *type = key ? EVP_PKEY_get0_type_name(key) : NULL;
    char curve[80];
    size_t length;

    if (key && EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, curve, sizeof(curve), &length)) {
        type = apr_psprintf(p, "EC %s", curve);
    }
    ssl_report_text(group, "key", type ? type : "unknown");
    ssl_report_number(group, "key bits", key ? EVP_PKEY_get_bits(key) : 0);
}

static const char *fingerprint(apr_pool_t *p, const X509 *cert)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0, i;
    char *text;

    if (!X509_digest(cert, EVP_sha256(), digest, &length)) {
        return NULL;
    }
    text = apr_palloc(p, 3 * length + 1);
    for (i = 0; i < length; i++) {
        apr_snprintf(text + 3 * i, 4, "%02X:", digest[i]);
    }
    text[3 * length - 1] = '\0';
    return text;
}

static void describe_ocsp_urls(apr_pool_t *p, ssl_report *group, X509 *cert)
{
    STACK_OF(OPENSSL_STRING) *urls = X509_get1_ocsp(cert);
    ssl_report *list = sk_OPENSSL_STRING_num(urls) > 0 ? ssl_report_list(group, "OCSP responders") : NULL;
    int i;

    for (i = 0; i < sk_OPENSSL_STRING_num(urls); i++) {
        ssl_report_item(list, apr_pstrdup(p, sk_OPENSSL_STRING_value(urls, i)));
    }
    X509_email_free(urls);
}

/* What is sent along with the current certificate of CTX. */
static void describe_chain(apr_pool_t *p, ssl_report *group, SSL_CTX *ctx)
{
    STACK_OF(X509) *chain = NULL;
    const char *from = "the certificate's file";
    ssl_report *list;
    int i;

    SSL_CTX_get0_chain_certs(ctx, &chain);
    if (sk_X509_num(chain) <= 0) {
        SSL_CTX_get_extra_chain_certs_only(ctx, &chain);
        from = sk_X509_num(chain) > 0 ? "SSLCertificateChainFile"
                                      : "nothing configured: OpenSSL adds what it finds among the trusted CAs";
    }
    ssl_report_text(group, "chain from", from);
    list = ssl_report_list(group, "chain");
    for (i = 0; i < sk_X509_num(chain); i++) {
        ssl_report_item(list, ssl_x509_name_rfc2253(p, X509_get_subject_name(sk_X509_value(chain, i))));
    }
}

static void describe_cert(apr_pool_t *p, ssl_report *group, X509 *cert, const char *file)
{
    ssl_report_text(group, "file", file);
    ssl_report_text(group, "subject", ssl_x509_name_rfc2253(p, X509_get_subject_name(cert)));
    describe_names(p, group, cert);
    ssl_report_text(group, "issuer", ssl_x509_name_rfc2253(p, X509_get_issuer_name(cert)));
    ssl_report_text(group, "serial", ssl_x509_serial(p, cert));
    describe_validity(p, group, cert);
    describe_key(p, group, X509_get0_pubkey(cert));
    ssl_report_text(group, "signature", OBJ_nid2sn(X509_get_signature_nid(cert)));
    ssl_report_text(group, "sha256", fingerprint(p, cert));
    describe_ocsp_urls(p, group, cert);
}

void ssl_describe_certs(apr_pool_t *p, ssl_report *list, SSL_CTX *ctx)
{
    long more = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_FIRST);

    for (; more; more = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_NEXT)) {
        X509 *cert = SSL_CTX_get0_certificate(ctx);
        int length = 0;
        const char *alias = (const char *)X509_alias_get0(cert, &length);
        const char *file = alias ? apr_pstrmemdup(p, alias, (apr_size_t)length) : NULL;

        ssl_report *group = ssl_report_entry(list, "Certificate");

        describe_cert(p, group, cert, file);
        describe_chain(p, group, ctx);
    }
    ERR_clear_error();
}

/* Calls VISIT for each certificate of the PEM file PATH, and says how many there are. */
static int visit_certs(const char *path, void (*visit)(void *context, X509 *cert), void *context)
{
    BIO *bio = BIO_new_file(path, "rb");
    X509 *cert;
    int count = 0;

    while (bio && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        if (visit) {
            visit(context, cert);
        }
        X509_free(cert);
        count++;
    }
    BIO_free(bio);
    ERR_clear_error();
    return count;
}

typedef struct file_certs {
    apr_pool_t *p;
    ssl_report *list;
    const char *path;
} file_certs;

static void describe_file_cert(void *context, X509 *cert)
{
    const file_certs *certs = context;

    if (!ssl_x509_is_ca(cert)) {
        describe_cert(certs->p, ssl_report_entry(certs->list, "Certificate for backends"), cert, certs->path);
    }
}

void ssl_describe_file_certs(apr_pool_t *p, ssl_report *list, const char *path)
{
    file_certs certs = { p, list, path };

    visit_certs(path, describe_file_cert, &certs);
}

/* --- client certificates ---------------------------------------------------------------- */

int ssl_describe_count_cas(SSL_CTX *ctx)
{
    STACK_OF(X509) *certs = X509_STORE_get1_all_certs(SSL_CTX_get_cert_store(ctx));
    int count = sk_X509_num(certs);

    sk_X509_pop_free(certs, X509_free);
    return count > 0 ? count : 0;
}

int ssl_describe_count_ca_names(const SSL_CTX *ctx)
{
    int count = sk_X509_NAME_num(SSL_CTX_get_client_CA_list(ctx));

    return count > 0 ? count : 0;
}

int ssl_describe_count_certs(const char *path)
{
    return visit_certs(path, NULL, NULL);
}

int ssl_describe_count_crls(const char *path)
{
    BIO *bio = BIO_new_file(path, "rb");
    X509_CRL *crl;
    int count = 0;

    while (bio && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
        X509_CRL_free(crl);
        count++;
    }
    BIO_free(bio);
    ERR_clear_error();
    return count;
}

/* --- OpenSSL ------------------------------------------------------------------------------ */

static int add_provider(OSSL_PROVIDER *provider, void *list)
{
    ssl_report_item(list, OSSL_PROVIDER_get0_name(provider));
    return 1;
}

void ssl_describe_providers(ssl_report *list)
{
    OSSL_PROVIDER_do_all(NULL, add_provider, list);
}
