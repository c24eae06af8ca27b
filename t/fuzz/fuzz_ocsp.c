/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_ocsp.c - any bytes as an OCSP answer, or, since few bytes get past the
 * first brackets, changes to a true one: triples of an offset and a byte.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <openssl/evp.h>

#include "ssl_ocsp.h"

static apr_pool_t *global;
static X509 *ca;
static EVP_PKEY *key;
static ssl_ocsp_query *query;
static OCSP_REQUEST *reachable; /* LeakSanitizer does not look into a pool's memory */
static unsigned char *truth;
static int truth_len;

/* A CA that is also the certificate in question. */
static void make_ca(void)
{
    key = EVP_EC_gen("P-256");
    ca = X509_new();
    X509_set_version(ca, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(ca), 1);
    X509_gmtime_adj(X509_getm_notBefore(ca), -86400);
    X509_gmtime_adj(X509_getm_notAfter(ca), 30 * 86400);
    X509_NAME *name = X509_NAME_new();
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"CA", -1, -1, 0);
    X509_set_subject_name(ca, name);
    X509_set_issuer_name(ca, name);
    X509_NAME_free(name);
    X509_set_pubkey(ca, key);
    X509_sign(ca, key, EVP_sha256());
}

static void make_truth(void)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    ASN1_TIME *from = X509_gmtime_adj(NULL, -60), *to = X509_gmtime_adj(NULL, 86400);
    OCSP_RESPONSE *response;

    OCSP_basic_add1_status(basic, query->id, V_OCSP_CERTSTATUS_REVOKED, OCSP_REVOKED_STATUS_SUPERSEDED, from, from, to);
    OCSP_copy_nonce(basic, query->request);
    OCSP_basic_sign(basic, ca, key, EVP_sha256(), NULL, 0);
    response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    truth_len = i2d_OCSP_RESPONSE(response, &truth);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
}

static void prepare(void)
{
    if (!global) {
        apr_initialize();
        apr_pool_create(&global, NULL);
        make_ca();
        query = ssl_ocsp_query_make(global, ca, ca, 1);
        reachable = query->request;
        make_truth();
    }
}

/* On the heap and exactly as long as it says, so that the sanitizer sees every byte that is read behind the end. */
static unsigned char *answer_from(const uint8_t *data, size_t size, int changed, size_t *len)
{
    unsigned char *der = malloc(changed ? (size_t)truth_len : size ? size : 1);

    *len = changed ? (size_t)truth_len : size;
    memcpy(der, changed ? truth : data, *len);
    for (size_t i = 0; changed && i + 2 < size; i += 3) {
        der[(data[i] << 8 | data[i + 1]) % truth_len] = data[i + 2];
    }
    return der;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int how = size ? data[0] : 0;
    ssl_ocsp_rules rules = { .no_verify = how & 2, .need_nonce = how & 4, .skew = apr_time_from_sec(300),
                             .max_age = how & 8 ? apr_time_from_sec(600) : -1 };
    apr_pool_t *p;
    size_t len;
    const ssl_ocsp_verdict *verdict;

    prepare();
    apr_pool_create(&p, global);
    unsigned char *der = answer_from(size ? data + 1 : data, size ? size - 1 : 0, how & 1, &len);
    verdict = ssl_ocsp_judge(p, query, der, len, &rules);
    free(der); /* a verdict does not point into it */
    if (!verdict->words || strlen(verdict->words) > 1000 || strpbrk(verdict->words, "\r\n\033")) {
        abort();
    }
    /* Nobody else can say that. */
    if (verdict->status == SSL_OCSP_GOOD && !rules.no_verify) {
        abort();
    }
    apr_pool_destroy(p);
    return 0;
}
