/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_ocsp.c - OCSP answers: which are believed, and what they say.  They are
 * made here, each lie in one way only.
 */
#include <stdlib.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "ssl_ocsp.h"
#include "tap.h"

static apr_pool_t *p;

/* --- a small PKI: a CA, whom it lets answer, and others ---- */

typedef struct identity {
    X509 *cert;
    EVP_PKEY *key;
} identity;

static identity ca, other_ca, leaf, delegate, stale, plain, stranger;

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

/* NAME, issued by ISSUER (NULL: itself), valid for DAYS; KIND: an extended key usage, "CA", an AIA or NULL. */
static identity make(const char *name, const identity *issuer, int nid, const char *value, long days)
{
    static long serial = 1;
    identity made = { X509_new(), EVP_EC_gen("P-256") };
    X509_NAME *subject = X509_NAME_new();

    X509_set_version(made.cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.cert), -100 * 86400);
    X509_gmtime_adj(X509_getm_notAfter(made.cert), days * 86400);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_subject_name(made.cert, subject);
    X509_set_issuer_name(made.cert, issuer ? X509_get_subject_name(issuer->cert) : subject);
    X509_set_pubkey(made.cert, made.key);
    if (nid) {
        add_extension(made.cert, issuer ? issuer->cert : made.cert, nid, value);
    }
    X509_sign(made.cert, issuer ? issuer->key : made.key, EVP_sha256());
    X509_NAME_free(subject);
    return made;
}

static void make_pki(void)
{
    ca = make("CA", NULL, NID_basic_constraints, "critical,CA:TRUE", 30);
    other_ca = make("Other CA", NULL, NID_basic_constraints, "critical,CA:TRUE", 30);
    leaf = make("leaf", &ca, NID_info_access,
                "OCSP;URI:ldap://l.test/,OCSP;URI:http://o.test/,OCSP;URI:http://p.test/", 30);
    delegate = make("delegate", &ca, NID_ext_key_usage, "OCSPSigning", 30);
    stale = make("stale delegate", &ca, NID_ext_key_usage, "OCSPSigning", -1);
    plain = make("no delegate", &ca, NID_ext_key_usage, "clientAuth", 30);
    stranger = make("delegate of another", &other_ca, NID_ext_key_usage, "OCSPSigning", 30);
}

/* --- one answer per row ---- */

enum { NONCE_COPIED, NONCE_LEFT_OUT, NONCE_OTHER };
enum { SIGNER_SHOWN, SIGNER_HIDDEN };

/* How the bytes are spoilt after signing. */
enum { WHOLE, SIGNATURE_BIT, ONE_BYTE_MORE, ONE_BYTE_LESS, HALF, NOTHING, NO_DER };

typedef struct row {
    const char *name;
    ssl_ocsp_status want;
    const char *words; /* part of the verdict's */
    const identity *signer;
    int status, spoilt, nonce, hidden;
    long this_update, next_update; /* seconds from now; next_update 0: none */
    const identity *subject;       /* NULL: leaf */
    int no_verify;
    const identity *trusted;
    long max_age; /* 0: none */
} row;

#define GOOD V_OCSP_CERTSTATUS_GOOD
#define REVOKED V_OCSP_CERTSTATUS_REVOKED
#define HOUR 3600
#define NOW .this_update = -60, .next_update = HOUR

static const row rows[] = {
    { "the issuer's word", SSL_OCSP_GOOD, "is good", &ca, GOOD, NOW },
    { "without the issuer's certificate", SSL_OCSP_GOOD, "is good", &ca, GOOD, NOW, .hidden = SIGNER_HIDDEN },
    { "a delegate's word", SSL_OCSP_GOOD, "is good", &delegate, GOOD, NOW },
    { "without a nextUpdate", SSL_OCSP_GOOD, "is good", &ca, GOOD, .this_update = -1000 * HOUR },
    { "revoked", SSL_OCSP_REVOKED, "(keyCompromise)", &ca, REVOKED, NOW },
    { "unknown", SSL_OCSP_UNKNOWN, "does not know", &ca, V_OCSP_CERTSTATUS_UNKNOWN, NOW },
    /* whose */
    { "a delegate without his certificate", SSL_OCSP_ERROR, "by an unknown", &delegate, GOOD, NOW,
      .hidden = SIGNER_HIDDEN },
    { "an expired delegate", SSL_OCSP_ERROR, "cannot be trusted", &stale, GOOD, NOW },
    { "a certificate that is for other things", SSL_OCSP_ERROR, "who signed it", &plain, GOOD, NOW },
    { "the subject itself", SSL_OCSP_ERROR, "who signed it", &leaf, GOOD, NOW },
    { "another CA", SSL_OCSP_ERROR, "cannot be trusted", &other_ca, GOOD, NOW },
    { "another CA's delegate", SSL_OCSP_ERROR, "cannot be trusted", &stranger, GOOD, NOW },
    { "a stranger, without checks", SSL_OCSP_GOOD, "is good", &stranger, GOOD, NOW, .no_verify = 1 },
    { "a stranger who is trusted", SSL_OCSP_GOOD, "is good", &stranger, GOOD, NOW, .trusted = &stranger },
    { "the same, his certificate known", SSL_OCSP_GOOD, "is good", &stranger, GOOD, NOW, .trusted = &stranger,
      .hidden = SIGNER_HIDDEN },
    { "a stranger while another is trusted", SSL_OCSP_ERROR, "cannot be trusted", &stranger, GOOD, NOW,
      .trusted = &delegate },
    { "the issuer while another is trusted", SSL_OCSP_GOOD, "is good", &ca, GOOD, NOW, .trusted = &stranger },
    /* about whom */
    { "another certificate's answer", SSL_OCSP_ERROR, "about another certificate", &ca, GOOD, NOW,
      .subject = &delegate },
    /* when */
    { "expired", SSL_OCSP_ERROR, "it has expired", &ca, GOOD, .this_update = -2 * HOUR, .next_update = -HOUR },
    { "expired within the skew", SSL_OCSP_GOOD, "is good", &ca, GOOD, .this_update = -2 * HOUR, .next_update = -60 },
    { "revoked, but expired", SSL_OCSP_ERROR, "it has expired", &ca, REVOKED, .this_update = -2 * HOUR,
      .next_update = -HOUR },
    { "of tomorrow", SSL_OCSP_ERROR, "not valid yet", &ca, GOOD, .this_update = 24 * HOUR, .next_update = 25 * HOUR },
    { "ahead within the skew", SSL_OCSP_GOOD, "is good", &ca, GOOD, .this_update = 60, .next_update = HOUR },
    { "ending before it begins", SSL_OCSP_ERROR, "before its thisUpdate", &ca, GOOD, .this_update = 200,
      .next_update = 100 },
    { "too old", SSL_OCSP_ERROR, "older than allowed", &ca, GOOD, .this_update = -HOUR, .next_update = HOUR,
      .max_age = 600 },
    { "just not too old", SSL_OCSP_GOOD, "is good", &ca, GOOD, .this_update = -500, .next_update = HOUR,
      .max_age = 600 },
    /* to which question */
    { "another question's answer", SSL_OCSP_ERROR, "an old answer", &ca, GOOD, NOW, .nonce = NONCE_OTHER },
    { "a question's without a nonce", SSL_OCSP_ERROR, "has no nonce", &ca, GOOD, NOW, .nonce = NONCE_LEFT_OUT },
    /* spoilt */
    { "a bit of the signature", SSL_OCSP_ERROR, "signature", &ca, GOOD, NOW, .spoilt = SIGNATURE_BIT },
    { "the same, without checks", SSL_OCSP_GOOD, "is good", &ca, GOOD, NOW, .spoilt = SIGNATURE_BIT,
      .no_verify = 1 },
    { "one byte more", SSL_OCSP_ERROR, "something behind", &ca, GOOD, NOW, .spoilt = ONE_BYTE_MORE },
    { "one byte less", SSL_OCSP_ERROR, "no OCSP response", &ca, GOOD, NOW, .spoilt = ONE_BYTE_LESS },
    { "half of it", SSL_OCSP_ERROR, "no OCSP response", &ca, GOOD, NOW, .spoilt = HALF },
    { "nothing", SSL_OCSP_ERROR, "no OCSP response", &ca, GOOD, NOW, .spoilt = NOTHING },
    { "no DER", SSL_OCSP_ERROR, "no OCSP response", &ca, GOOD, NOW, .spoilt = NO_DER },
};

static void add_nonce(OCSP_BASICRESP *basic, const row *r, const ssl_ocsp_query *query)
{
    if (r->nonce == NONCE_COPIED) {
        OCSP_copy_nonce(basic, query->request);
    } else if (r->nonce == NONCE_OTHER) {
        OCSP_basic_add1_nonce(basic, NULL, 16);
    }
}

static void add_status(OCSP_BASICRESP *basic, const row *r)
{
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), r->subject ? r->subject->cert : leaf.cert, ca.cert);
    ASN1_TIME *from = ASN1_TIME_adj(NULL, time(NULL), 0, r->this_update);
    ASN1_TIME *to = r->next_update ? ASN1_TIME_adj(NULL, time(NULL), 0, r->next_update) : NULL;
    ASN1_TIME *revoked = ASN1_TIME_set(NULL, 1700000000);

    OCSP_basic_add1_status(basic, id, r->status, OCSP_REVOKED_STATUS_KEYCOMPROMISE, revoked, from, to);
    ASN1_TIME_free(revoked);
    ASN1_TIME_free(to);
    ASN1_TIME_free(from);
    OCSP_CERTID_free(id);
}

static unsigned char *spoil(unsigned char *der, int *len, int how)
{
    der = realloc(der, (size_t)*len + 1);
    switch (how) {
    case SIGNATURE_BIT:
        /* The signer's certificate is behind it: its own signature would be found, too, but that is not at stake. */
        der[*len - 3] ^= 1;
        break;
    case ONE_BYTE_MORE:
        der[(*len)++] = 0;
        break;
    case ONE_BYTE_LESS:
        (*len)--;
        break;
    case HALF:
        *len /= 2;
        break;
    case NOTHING:
        *len = 0;
        break;
    case NO_DER:
        memset(der, 'x', (size_t)*len);
        break;
    }
    return realloc(der, *len ? (size_t)*len : 1); /* so that the sanitizer sees what is read behind it */
}

static unsigned char *answer(const row *r, const ssl_ocsp_query *query, int *len)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_RESPONSE *response;
    unsigned char *der = NULL, *copy;

    add_status(basic, r);
    add_nonce(basic, r, query);
    OCSP_basic_sign(basic, r->signer->cert, r->signer->key, EVP_sha256(), NULL,
                    r->hidden || r->spoilt == SIGNATURE_BIT ? OCSP_NOCERTS : 0);
    response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    *len = i2d_OCSP_RESPONSE(response, &der);
    copy = malloc((size_t)*len);
    memcpy(copy, der, (size_t)*len);
    OPENSSL_free(der);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    return spoil(copy, len, r->spoilt);
}

static void test_row(const row *r)
{
    ssl_ocsp_query *query = ssl_ocsp_query_make(p, leaf.cert, ca.cert, 1);
    STACK_OF(X509) *trusted = r->trusted ? sk_X509_new_null() : NULL;
    ssl_ocsp_rules rules = { .no_verify = r->no_verify, .need_nonce = 1, .skew = apr_time_from_sec(300),
                             .max_age = r->max_age ? apr_time_from_sec(r->max_age) : -1, .responders = trusted };
    const ssl_ocsp_verdict *verdict;
    unsigned char *der;
    int len;

    if (trusted) {
        sk_X509_push(trusted, r->trusted->cert);
    }
    der = answer(r, query, &len);
    verdict = ssl_ocsp_judge(p, query, der, (apr_size_t)len, &rules);
    if (!ok(verdict->status == r->want && strstr(verdict->words, r->words), "%s", r->name)) {
        printf("# got %d: %s\n", verdict->status, verdict->words);
    }
    ok(!ERR_peek_error(), "%s: no error is left behind", r->name);
    free(der);
    sk_X509_free(trusted);
}

static void test_details(void)
{
    static const row revoked = { "", SSL_OCSP_REVOKED, "", &ca, REVOKED, NOW };
    ssl_ocsp_query *query = ssl_ocsp_query_make(p, leaf.cert, ca.cert, 1);
    ssl_ocsp_rules rules = { .max_age = -1 };
    const ssl_ocsp_verdict *verdict;
    apr_time_t now = apr_time_now();
    int len;
    unsigned char *der = answer(&revoked, query, &len);

    verdict = ssl_ocsp_judge(p, query, der, (apr_size_t)len, &rules);
    ok(verdict->revoked_at == apr_time_from_sec(1700000000), "when it was revoked");
    ok(verdict->reason == OCSP_REVOKED_STATUS_KEYCOMPROMISE, "why it was revoked");
    ok(verdict->this_update < now && verdict->this_update > now - apr_time_from_sec(120), "thisUpdate");
    ok(verdict->next_update > now && verdict->next_update < now + apr_time_from_sec(2 * HOUR), "nextUpdate");
    free(der);
}

static void test_response_status(void)
{
    static const struct {
        int status;
        const char *words;
    } statuses[] = { { 1, "malformedRequest" }, { 2, "internalError" }, { 3, "tryLater" }, { 4, "4, which is none" },
                     { 5, "sigRequired" },      { 6, "unauthorized" },  { 99, "99, which is none" } };
    ssl_ocsp_query *query = ssl_ocsp_query_make(p, leaf.cert, ca.cert, 0);
    ssl_ocsp_rules rules = { .no_verify = 1, .max_age = -1 };

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        unsigned char der[] = { 0x30, 3, 0x0a, 1, (unsigned char)statuses[i].status };
        const ssl_ocsp_verdict *verdict = ssl_ocsp_judge(p, query, der, sizeof(der), &rules);

        ok(verdict->status == SSL_OCSP_ERROR && verdict->response_status == statuses[i].status &&
           strstr(verdict->words, statuses[i].words), "responseStatus %d", statuses[i].status);
    }
}

static void test_urls(void)
{
    static const struct {
        const char *url, *problem;
    } urls[] = {
        { "http://a.test", NULL },       { "http://a.test:8080/x?y", NULL }, { "HTTP://[::1]:80/", NULL },
        { "https://a.test/", "https" },  { "ldap://a.test/", "begin" },      { "", "begin" },
        { "http://", "host" },           { "http://:80/", "host" },          { "http://[::1/", "host" },
        { "http://a.test:99999/", "host" }, { "http://a.test/ b", "blank" }, { "http://a\r\nX: y/", "blank" },
    };

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        const char *problem = ssl_ocsp_url_problem(p, urls[i].url);

        ok(urls[i].problem ? problem && strstr(problem, urls[i].problem) : !problem, "URL %lu '%.20s'",
           (unsigned long)i, strstr(urls[i].url, "\r") ? "(CR)" : urls[i].url);
    }
    is(ssl_ocsp_responder(p, leaf.cert), "http://o.test/", "the first HTTP responder of a certificate");
    is(ssl_ocsp_responder(p, ca.cert), NULL, "none");
}

/* Nobody listens there: what remains is in the words. */
static void test_nobody(void)
{
    static const struct {
        const char *url, *proxy, *words;
    } nobody[] = {
        { "http://127.0.0.1:1/", NULL, "responder http://127.0.0.1:1/ cannot be reached: Connection refused" },
        { "http://[::1]:1/", NULL, "responder http://[::1]:1/ cannot be reached: " },
        { "http://a.test/", "http://127.0.0.1:1",
          "responder http://a.test/ by way of proxy http://127.0.0.1:1 cannot be reached: Connection refused" },
        { "https://a.test/", NULL, "responder https://a.test/ cannot be asked: https:// is not" },
    };
    ssl_ocsp_query *query = ssl_ocsp_query_make(p, leaf.cert, ca.cert, 0);

    for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
        ssl_ocsp_exchange how = { .url = nobody[i].url, .proxy = nobody[i].proxy, .timeout = apr_time_from_sec(5) };
        const unsigned char *der;
        const char *problem = "";
        apr_size_t len;

        ok(ssl_ocsp_fetch(p, &how, query, &der, &len, &problem) != APR_SUCCESS &&
           !strncmp(problem, nobody[i].words, strlen(nobody[i].words)), "%s: %s", nobody[i].url, problem);
    }
}

static void free_identity(identity *i)
{
    X509_free(i->cert);
    EVP_PKEY_free(i->key);
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    make_pki();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        test_row(&rows[i]);
    }
    test_details();
    test_response_status();
    test_urls();
    test_nobody();
    apr_pool_destroy(p);
    apr_terminate();
    for (identity *all[] = { &ca, &other_ca, &leaf, &delegate, &stale, &plain, &stranger, NULL }, **i = all; *i; i++) {
        free_identity(*i);
    }
    return done();
}
