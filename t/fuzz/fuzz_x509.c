/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_x509.c - any bytes as a certificate in DER: every word that the module
 * makes of one.  What it says in a name must not end early, nor bring a control
 * character into a log or an environment.  Seeds: corpus/x509.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "ssl_x509.h"

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static void check_printable(const char *text)
{
    for (; text && *text; text++) {
        require((unsigned char)*text >= 0x20 && *text != 0x7f);
    }
}

static void check_name(apr_pool_t *p, SSL_X509_CONST X509_NAME *name)
{
    check_printable(ssl_x509_name_rfc2253(p, name));
    check_printable(ssl_x509_name_legacy(p, name));
    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        SSL_X509_CONST X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));

        check_printable(ssl_x509_string(p, X509_NAME_ENTRY_get_data(entry), 0));
        check_printable(ssl_x509_string(p, X509_NAME_ENTRY_get_data(entry), 1));
        check_printable(ssl_x509_name_entry(p, name, nid, i, i & 1));
    }
}

static void check_alt_names(apr_pool_t *p, X509 *cert)
{
    static const int kinds[][2] = {
        { GEN_EMAIL, 0 }, { GEN_DNS, 0 }, { GEN_OTHERNAME, NID_ms_upn }, { GEN_OTHERNAME, NID_SRVName }
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        apr_array_header_t *names = ssl_x509_alt_names(p, cert, kinds[i][0], kinds[i][1]);

        for (int j = 0; j < names->nelts; j++) {
            check_printable(APR_ARRAY_IDX(names, j, const char *));
        }
    }
}

static void check_extensions(apr_pool_t *p, X509 *cert)
{
    for (int i = 0; i < X509_get_ext_count(cert); i++) {
        char oid[256];
        int len = OBJ_obj2txt(oid, sizeof(oid), X509_EXTENSION_get_object(X509_get_ext(cert, i)), 1);
        apr_array_header_t *values = len > 0 && len < (int)sizeof(oid) ? ssl_x509_extensions(p, cert, oid) : NULL;

        for (int j = 0; values && j < values->nelts; j++) {
            require(APR_ARRAY_IDX(values, j, const char *) != NULL);
        }
    }
}

static void check_cert(apr_pool_t *p, X509 *cert)
{
    check_name(p, X509_get_subject_name(cert));
    check_name(p, X509_get_issuer_name(cert));
    check_alt_names(p, cert);
    check_extensions(p, cert);
    check_printable(ssl_x509_serial(p, cert));
    check_printable(ssl_x509_exact_assertion(p, cert));
    check_printable(ssl_x509_time(p, X509_get0_notBefore(cert)));
    check_printable(ssl_x509_days_left(p, X509_get0_notAfter(cert)));
    check_printable(ssl_x509_summary(p, cert));
    check_printable(ssl_x509_base64(p, cert));
    ssl_x509_pem(p, cert);
    ssl_x509_matches_name(p, cert, "www.example.org");
    ssl_x509_matches_name(p, cert, "127.0.0.1");
    ssl_x509_is_self_issued(cert);
    ssl_x509_is_ca(cert);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *global;
    const unsigned char *at = data;
    apr_pool_t *p;
    X509 *cert;

    if (!global) {
        apr_initialize();
        apr_pool_create(&global, NULL);
    }
    apr_pool_create(&p, global);
    cert = d2i_X509(NULL, &at, (long)size);
    ERR_clear_error();
    if (cert) {
        check_cert(p, cert);
        require(ERR_peek_error() == 0);
    }
    X509_free(cert);
    apr_pool_destroy(p);
    return 0;
}
