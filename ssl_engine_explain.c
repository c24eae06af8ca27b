/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_explain.c - "no shared cipher" and its kin in words: what the
 * client offered, and why each of it was out here.
 *
 * All but the versions is still to be had from the SSL when the handshake has
 * failed, so that a handshake that succeeds pays for a glance at one extension
 * only.  What the client sent appears as names out of tables or as hex digits,
 * and not more than MAX_NAMES of each kind: nothing in the line is its text.
 */
#include "ssl_config.h"
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_log.h"
#include "ssl_metrics.h"

#include <openssl/evp.h>

#define MAX_NAMES 24
#define MAX_JUDGED 256 /* a hello of 64 KB must not cost more than others */

/** What the client and this host have, in words. */
typedef struct list {
    apr_pool_t *p;
    const char *text;
    int count;
} list;

static void add(list *l, const char *separator, const char *name)
{
    if (l->count++ < MAX_NAMES) {
        l->text = l->text ? apr_pstrcat(l->p, l->text, separator, name, NULL) : name;
    }
}

static const char *text_of(const list *l, const char *if_none)
{
    return !l->count             ? if_none
           : l->count > MAX_NAMES ? apr_psprintf(l->p, "%s and %d more", l->text, l->count - MAX_NAMES)
                                  : l->text;
}

/* The number ID as it goes into L, which has room for a few only. */
static const char *hex(const list *l, unsigned int id)
{
    return l->count < MAX_NAMES ? apr_psprintf(l->p, "0x%04x", id) : "";
}

/* Values that mean nothing and are there to keep servers tolerant (RFC 8701). */
static int is_grease(unsigned int id)
{
    return (id & 0x0f0f) == 0x0a0a && id >> 8 == (id & 0xff);
}

/* --- versions ------------------------------------------------------------------- */

static const struct {
    unsigned int number, bit;
    const char *name;
} versions[] = {
    { SSL3_VERSION, SSL_PROTO_SSLV3, "SSLv3" },
    { TLS1_VERSION, SSL_PROTO_TLSV1, "TLSv1" },
    { TLS1_1_VERSION, SSL_PROTO_TLSV1_1, "TLSv1.1" },
    { TLS1_2_VERSION, SSL_PROTO_TLSV1_2, "TLSv1.2" },
    { TLS1_3_VERSION, SSL_PROTO_TLSV1_3, "TLSv1.3" },
};
#define N_VERSIONS (sizeof(versions) / sizeof(versions[0]))

void ssl_explain_note_hello(ssl_conn *conn, SSL *ssl)
{
    const unsigned char *ext;
    size_t len, at, i;

    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &ext, &len)) {
        return;
    }
    for (at = 1; at + 1 < len; at += 2) {
        for (i = 0; i < N_VERSIONS; i++) {
            if (versions[i].number == ((unsigned int)ext[at] << 8 | ext[at + 1])) {
                conn->offered_versions |= versions[i].bit;
            }
        }
    }
}

static const char *version_name(unsigned int number)
{
    size_t i;

    for (i = 0; i < N_VERSIONS; i++) {
        if (versions[i].number == number) {
            return versions[i].name;
        }
    }
    return "an unknown version";
}

static const char *offered_versions(const ssl_conn *conn)
{
    list names = { .p = conn->c->pool };
    size_t i;

    if (!conn->offered_versions) { /* before TLS 1.3 a client names its highest */
        return apr_pstrcat(names.p, "up to ", version_name((unsigned int)SSL_client_version(conn->ssl)), NULL);
    }
    for (i = 0; i < N_VERSIONS; i++) {
        if (conn->offered_versions & versions[i].bit) {
            add(&names, ", ", versions[i].name);
        }
    }
    return text_of(&names, "none that is known");
}

static const char *our_versions(ssl_conn *conn)
{
    long low = SSL_get_min_proto_version(conn->ssl), high = SSL_get_max_proto_version(conn->ssl);
    const char *lowest = low ? version_name((unsigned int)low) : "TLSv1";
    const char *highest = high ? version_name((unsigned int)high) : "TLSv1.3";

    return low && low == high ? lowest : apr_pstrcat(conn->c->pool, lowest, " to ", highest, NULL);
}

/* --- certificates of this host ----------------------------------------------------- */

enum { KEY_RSA = 1, KEY_RSA_PSS = 2, KEY_EC = 4, KEY_ED = 8, KEY_OTHER = 16 };

typedef struct our_cert {
    int kind;
    const char *name; /* "ECDSA prime256v1" */
    int curve;        /* NID of an EC key's, else 0 */
    const char *type; /* "ed25519" of a KEY_ED */
} our_cert;

/* A host has a certificate of each kind at most. */
typedef struct our_certs {
    our_cert of[10];
    int n, kinds;
} our_certs;

static void describe_key(apr_pool_t *p, our_cert *cert, EVP_PKEY *key)
{
    char group[80] = "";
    size_t len;

    cert->name = "a key of an unusual kind";
    cert->kind = KEY_OTHER;
    switch (key ? EVP_PKEY_get_base_id(key) : 0) {
    case EVP_PKEY_RSA:
        cert->kind = KEY_RSA;
        cert->name = apr_psprintf(p, "RSA of %d bits", EVP_PKEY_get_bits(key));
        break;
    case EVP_PKEY_RSA_PSS:
        cert->kind = KEY_RSA_PSS;
        cert->name = "RSASSA-PSS";
        break;
    case EVP_PKEY_EC:
        cert->kind = KEY_EC;
        EVP_PKEY_get_group_name(key, group, sizeof(group), &len);
        cert->curve = OBJ_txt2nid(group);
        cert->name = apr_pstrcat(p, "ECDSA ", group, NULL);
        break;
    case EVP_PKEY_ED25519:
    case EVP_PKEY_ED448:
        cert->kind = KEY_ED;
        cert->name = cert->type = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED448 ? "ed448" : "ed25519";
        break;
    }
}

static void our_certs_collect(our_certs *certs, ssl_conn *conn)
{
    long more = SSL_set_current_cert(conn->ssl, SSL_CERT_SET_FIRST);

    while (more && certs->n < (int)(sizeof(certs->of) / sizeof(certs->of[0]))) {
        our_cert *cert = &certs->of[certs->n++];

        describe_key(conn->c->pool, cert, X509_get0_pubkey(SSL_get_certificate(conn->ssl)));
        certs->kinds |= cert->kind;
        more = SSL_set_current_cert(conn->ssl, SSL_CERT_SET_NEXT);
    }
}

static const char *our_certs_text(apr_pool_t *p, const our_certs *certs)
{
    list names = { .p = p };
    int i;

    for (i = 0; i < certs->n; i++) {
        add(&names, ", ", certs->of[i].name);
    }
    return text_of(&names, "none");
}

/* --- groups ------------------------------------------------------------------------- */

/* The client's groups (NIDs, or 0x1000000 and a number), N of them, in POOL. */
static int *client_groups(ssl_conn *conn, int *n)
{
    int *groups;

    *n = (int)SSL_get1_groups(conn->ssl, NULL);
    *n = *n < 0 ? 0 : *n;
    groups = apr_pcalloc(conn->c->pool, sizeof(*groups) * (size_t)(*n + 1));
    if (*n) {
        SSL_get1_groups(conn->ssl, groups);
    }
    return groups;
}

static const char *groups_text(ssl_conn *conn, const int *groups, int n)
{
    list names = { .p = conn->c->pool };
    int i;

    for (i = 0; i < n; i++) {
        const char *name = SSL_group_to_name(conn->ssl, groups[i]);
        unsigned int id = (unsigned int)groups[i] & 0xffff;

        if (name || !is_grease(id)) {
            add(&names, ":", name ? name : hex(&names, id));
        }
    }
    return text_of(&names, "not said");
}

static int has_group(const int *groups, int n, int nid)
{
    int i;

    for (i = 0; i < n; i++) {
        if (groups[i] == nid) {
            return 1;
        }
    }
    return n == 0; /* nothing said: anything goes */
}

/* --- signatures ---------------------------------------------------------------------- */

/** Signature schemes (RFC 8446, 4.2.3): whose key makes them, and whether TLS 1.3 lets them sign a handshake. */
static const struct {
    unsigned int id;
    const char *name;
    int kinds, tls13, curve;
} schemes[] = {
    { 0x0201, "rsa_pkcs1_sha1", KEY_RSA, 0, 0 },
    { 0x0301, "rsa_pkcs1_sha224", KEY_RSA, 0, 0 },
    { 0x0401, "rsa_pkcs1_sha256", KEY_RSA, 0, 0 },
    { 0x0501, "rsa_pkcs1_sha384", KEY_RSA, 0, 0 },
    { 0x0601, "rsa_pkcs1_sha512", KEY_RSA, 0, 0 },
    { 0x0203, "ecdsa_sha1", KEY_EC, 0, 0 },
    { 0x0303, "ecdsa_sha224", KEY_EC, 0, 0 },
    { 0x0403, "ecdsa_secp256r1_sha256", KEY_EC, 1, NID_X9_62_prime256v1 },
    { 0x0503, "ecdsa_secp384r1_sha384", KEY_EC, 1, NID_secp384r1 },
    { 0x0603, "ecdsa_secp521r1_sha512", KEY_EC, 1, NID_secp521r1 },
    { 0x0804, "rsa_pss_rsae_sha256", KEY_RSA, 1, 0 },
    { 0x0805, "rsa_pss_rsae_sha384", KEY_RSA, 1, 0 },
    { 0x0806, "rsa_pss_rsae_sha512", KEY_RSA, 1, 0 },
    { 0x0807, "ed25519", KEY_ED, 1, NID_ED25519 },
    { 0x0808, "ed448", KEY_ED, 1, NID_ED448 },
    { 0x0809, "rsa_pss_pss_sha256", KEY_RSA_PSS, 1, 0 },
    { 0x080a, "rsa_pss_pss_sha384", KEY_RSA_PSS, 1, 0 },
    { 0x080b, "rsa_pss_pss_sha512", KEY_RSA_PSS, 1, 0 },
    { 0x0202, "dsa_sha1", 0, 0, 0 },
    { 0x0402, "dsa_sha256", 0, 0, 0 },
};
#define N_SCHEMES (sizeof(schemes) / sizeof(schemes[0]))

/* The client's I-th signature scheme; 0 if there is none. */
static unsigned int client_scheme(ssl_conn *conn, int i)
{
    unsigned char low = 0, high = 0;

    return i < SSL_get_sigalgs(conn->ssl, i, NULL, NULL, NULL, &low, &high) ? (unsigned int)high << 8 | low : 0;
}

static const char *schemes_text(ssl_conn *conn)
{
    list names = { .p = conn->c->pool };
    unsigned int id;
    size_t at;
    int i;

    for (i = 0; (id = client_scheme(conn, i)) != 0; i++) {
        for (at = 0; at < N_SCHEMES && schemes[at].id != id; at++) {
        }
        if (at < N_SCHEMES || !is_grease(id)) {
            add(&names, ":", at < N_SCHEMES ? schemes[at].name : hex(&names, id));
        }
    }
    return text_of(&names, "not said");
}

static int scheme_fits(size_t at, const our_cert *cert, int tls13)
{
    if (!(schemes[at].kinds & cert->kind) || (tls13 && !schemes[at].tls13)) {
        return 0;
    }
    if (cert->kind == KEY_ED) {
        return strcmp(schemes[at].name, cert->type) == 0;
    }
    return !tls13 || !schemes[at].curve || schemes[at].curve == cert->curve;
}

/* Whether one of the client's schemes, if it named any, can be made with CERT's key. */
static int can_sign(ssl_conn *conn, const our_cert *cert)
{
    int tls13 = SSL_version(conn->ssl) >= TLS1_3_VERSION, i;
    unsigned int id;
    size_t at;

    for (i = 0; (id = client_scheme(conn, i)) != 0; i++) {
        for (at = 0; at < N_SCHEMES; at++) {
            if (schemes[at].id == id && scheme_fits(at, cert, tls13)) {
                return 1;
            }
        }
    }
    return i == 0;
}

/* --- ciphers -------------------------------------------------------------------------- */

/** What is asked for by old clients and no longer in OpenSSL, and so has no name there. */
static const struct {
    unsigned int id;
    const char *name;
} forgotten[] = {
    { 0x0003, "EXP-RC4-MD5" },           { 0x0004, "RC4-MD5" },
    { 0x0005, "RC4-SHA" },               { 0x0006, "EXP-RC2-CBC-MD5" },
    { 0x0007, "IDEA-CBC-SHA" },          { 0x0008, "EXP-DES-CBC-SHA" },
    { 0x0009, "DES-CBC-SHA" },           { 0x000a, "DES-CBC3-SHA" },
    { 0x0012, "EDH-DSS-DES-CBC-SHA" },   { 0x0013, "EDH-DSS-DES-CBC3-SHA" },
    { 0x0014, "EXP-EDH-RSA-DES-CBC-SHA" }, { 0x0015, "EDH-RSA-DES-CBC-SHA" },
    { 0x0016, "EDH-RSA-DES-CBC3-SHA" },  { 0x0018, "ADH-RC4-MD5" },
    { 0x0062, "EXP1024-DES-CBC-SHA" },   { 0x0064, "EXP1024-RC4-SHA" },
    { 0xc002, "ECDH-ECDSA-RC4-SHA" },    { 0xc007, "ECDHE-ECDSA-RC4-SHA" },
    { 0xc008, "ECDHE-ECDSA-DES-CBC3-SHA" }, { 0xc011, "ECDHE-RSA-RC4-SHA" },
    { 0xc012, "ECDHE-RSA-DES-CBC3-SHA" },
};

/** Why a cipher of the client's was out. */
typedef enum {
    OUT_UNKNOWN, OUT_NOT_LISTED, OUT_LEVEL, OUT_VERSION, OUT_RSA, OUT_ECDSA, OUT_AUTH, OUT_GROUP, OUT_SIGNATURE,
    OUT_NOTHING, N_VERDICTS
} verdict;

static const char *const verdict_texts[N_VERDICTS] = {
    [OUT_UNKNOWN] = "not in this OpenSSL",
    [OUT_NOT_LISTED] = "not in SSLCipherSuite",
    [OUT_LEVEL] = "forbidden by OpenSSL's security level or SSLProtocol",
    [OUT_VERSION] = "not for the version agreed on",
    [OUT_RSA] = "RSA, and this host has no RSA certificate",
    [OUT_ECDSA] = "ECDSA, and this host has no ECDSA or EdDSA certificate",
    [OUT_AUTH] = "in need of what no certificate gives (DSA, PSK, SRP, anonymous)",
    [OUT_GROUP] = "ECDHE, and none of the client's groups is enabled here",
    [OUT_SIGNATURE] = "for certificates that this host has, but the client takes no signature or curve of theirs",
    [OUT_NOTHING] = "possible",
};

/* What the ciphers of this connection are held against. */
typedef struct hello {
    ssl_conn *conn;
    our_certs certs;
    int usable;         /* kinds of certificates whose signature and curve the client takes */
    int *groups, n_groups;
    STACK_OF(SSL_CIPHER) *supported; /* of ours, those that the security level lets pass */
    list ciphers;
    int verdicts[N_VERDICTS], n;
} hello;

static int is_signalling(unsigned int id)
{
    return id == 0x00ff || id == 0x5600 || is_grease(id); /* RFC 5746, RFC 7507 */
}

static const char *cipher_name(const list *l, const SSL_CIPHER *cipher, unsigned int id)
{
    size_t i;

    for (i = 0; !cipher && i < sizeof(forgotten) / sizeof(forgotten[0]); i++) {
        if (forgotten[i].id == id) {
            return forgotten[i].name;
        }
    }
    return cipher ? SSL_CIPHER_get_name(cipher) : hex(l, id);
}

/* By version: TLS 1.3 has ciphers of its own, TLS 1.2 some that came with it. */
static int fits_version(ssl_conn *conn, const SSL_CIPHER *cipher)
{
    const char *since = SSL_CIPHER_get_version(cipher);
    int version = SSL_version(conn->ssl);

    if (version >= TLS1_3_VERSION || strcmp(since, "TLSv1.3") == 0) {
        return version >= TLS1_3_VERSION && strcmp(since, "TLSv1.3") == 0;
    }
    return version >= TLS1_2_VERSION || strcmp(since, "TLSv1.2") != 0;
}

/* By certificate: RSA ciphers want RSA keys, ECDSA ones also EdDSA's. */
static verdict judge_auth(const hello *h, const SSL_CIPHER *cipher)
{
    int kinds;

    switch (SSL_CIPHER_get_auth_nid(cipher)) {
    case NID_auth_rsa:
        kinds = SSL_CIPHER_get_kx_nid(cipher) == NID_kx_rsa ? KEY_RSA : KEY_RSA | KEY_RSA_PSS;
        break;
    case NID_auth_ecdsa:
        kinds = KEY_EC | KEY_ED;
        break;
    case NID_auth_any:
        kinds = KEY_RSA | KEY_RSA_PSS | KEY_EC | KEY_ED;
        break;
    default:
        return OUT_AUTH;
    }
    if (!(h->certs.kinds & kinds)) {
        return kinds & KEY_RSA ? OUT_RSA : OUT_ECDSA;
    }
    /* The key itself decrypts where RSA is the key exchange: nothing is signed. */
    return h->usable & kinds || SSL_CIPHER_get_kx_nid(cipher) == NID_kx_rsa ? OUT_NOTHING : OUT_SIGNATURE;
}

static verdict judge(const hello *h, const SSL_CIPHER *cipher)
{
    int kx = cipher ? SSL_CIPHER_get_kx_nid(cipher) : 0;
    verdict by_auth;

    if (!cipher) {
        return OUT_UNKNOWN;
    }
    if (sk_SSL_CIPHER_find(SSL_get_ciphers(h->conn->ssl), (SSL_CIPHER *)cipher) < 0) {
        return OUT_NOT_LISTED;
    }
    if (!fits_version(h->conn, cipher)) {
        return OUT_VERSION;
    }
    if (h->supported && sk_SSL_CIPHER_find(h->supported, (SSL_CIPHER *)cipher) < 0) {
        return OUT_LEVEL;
    }
    by_auth = judge_auth(h, cipher);
    if (by_auth == OUT_NOTHING && (kx == NID_kx_ecdhe || kx == NID_kx_any) &&
        SSL_get_shared_group(h->conn->ssl, -1) == 0) {
        return OUT_GROUP;
    }
    return by_auth;
}

static void judge_ciphers(hello *h)
{
    unsigned char *raw = NULL;
    long len = SSL_get0_raw_cipherlist(h->conn->ssl, &raw), at;

    for (at = 0; raw && at + 1 < len; at += 2) {
        unsigned int id = (unsigned int)raw[at] << 8 | raw[at + 1];
        const SSL_CIPHER *cipher = SSL_CIPHER_find(h->conn->ssl, raw + at);

        if (is_signalling(id)) {
            continue;
        }
        add(&h->ciphers, ":", cipher_name(&h->ciphers, cipher, id));
        if (h->n < MAX_JUDGED) {
            h->verdicts[judge(h, cipher)]++;
            h->n++;
        }
    }
}

static const char *verdicts_text(const hello *h)
{
    list reasons = { .p = h->conn->c->pool };
    int i;

    for (i = 0; i < N_VERDICTS; i++) {
        if (h->verdicts[i]) {
            add(&reasons, "; ", h->verdicts[i] == h->n
                                    ? apr_psprintf(reasons.p, "all %d are %s", h->n, verdict_texts[i])
                                    : apr_psprintf(reasons.p, "%d are %s", h->verdicts[i], verdict_texts[i]));
        }
    }
    return text_of(&reasons, "none was offered");
}

/* --- certificates against what the client takes ------------------------------------------ */

/* Which certificates the client's signatures and groups leave; the others are named in REASONS. */
static void judge_certs(hello *h, list *reasons)
{
    int i, tls13 = SSL_version(h->conn->ssl) >= TLS1_3_VERSION;

    for (i = 0; i < h->certs.n; i++) {
        const our_cert *cert = &h->certs.of[i];

        if (!can_sign(h->conn, cert)) {
            add(reasons, "; ", apr_psprintf(reasons->p, "none of the client's signatures can be made with the %s key",
                                            cert->name));
        }
        else if (cert->kind == KEY_EC && !tls13 && !has_group(h->groups, h->n_groups, cert->curve)) {
            add(reasons, "; ", apr_psprintf(reasons->p, "the curve of the %s certificate is not among the client's "
                                            "groups", cert->name));
        }
        else {
            h->usable |= cert->kind;
        }
    }
}

/* --- the line ----------------------------------------------------------------------------- */

static void explain_version(ssl_conn *conn, int reason)
{
    ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, conn->c,
                  "nothing in common (virtual host %s): the client offers %s, SSLProtocol allows %s here%s",
                  ssl_server_id(conn->c->pool, conn->server), offered_versions(conn), our_versions(conn),
                  reason == SSL_R_INAPPROPRIATE_FALLBACK
                      ? "; it has come down to a lower version after a failure, though this host has a higher one "
                        "(RFC 7507)" : "");
}

static void explain_offers(ssl_conn *conn)
{
    apr_pool_t *p = conn->c->pool;
    hello h = { .conn = conn, .ciphers = { .p = p } };
    list certs = { .p = p };

    our_certs_collect(&h.certs, conn);
    h.groups = client_groups(conn, &h.n_groups);
    h.supported = SSL_get1_supported_ciphers(conn->ssl);
    judge_certs(&h, &certs);
    judge_ciphers(&h);
    ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, conn->c,
                  "nothing in common (virtual host %s): the client offers versions %s, ciphers %s, groups %s, "
                  "signatures %s; this host has %s (agreed on: %s), certificates: %s. Of the client's ciphers %s%s%s%s",
                  ssl_server_id(p, conn->server), offered_versions(conn), text_of(&h.ciphers, "none"),
                  groups_text(conn, h.groups, h.n_groups), schemes_text(conn), our_versions(conn),
                  SSL_get_version(conn->ssl), our_certs_text(p, &h.certs), verdicts_text(&h), certs.count ? "; " : "",
                  text_of(&certs, ""), h.n_groups && SSL_get_shared_group(conn->ssl, -1) == 0
                      ? "; none of the client's groups is enabled here (SSLOpenSSLConfCmd Groups)" : "");
    sk_SSL_CIPHER_free(h.supported);
}

void ssl_explain_failure(ssl_conn *conn)
{
    unsigned long error = ERR_peek_error();
    ssl_counter why = ssl_metrics_failure(error);

    if (conn->is_proxy || conn->state >= SSL_CONN_ESTABLISHED || !APLOGcinfo(conn->c) ||
        (why != SSL_COUNT_FAILED_VERSION && why != SSL_COUNT_FAILED_CIPHER)) {
        return;
    }
    ERR_set_mark();
    if (why == SSL_COUNT_FAILED_VERSION) {
        explain_version(conn, ERR_GET_REASON(error));
    }
    else {
        explain_offers(conn);
    }
    ERR_pop_to_mark();
}
