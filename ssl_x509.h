/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_x509.h - certificates in words: no httpd types beyond APR pools, so that
 * t/unit and t/fuzz can link it alone.  All strings are made in the pool.
 */
#ifndef SSL_X509_H
#define SSL_X509_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "ssl_compat.h"

/** STRING in UTF-8, or with RAW in Latin-1 (what Latin-1 lacks as \UXXXX or
 * \WXXXXXXXX).  Control characters, NUL among them, become \XX, a backslash
 * two: no value is cut short, and none can pass for another. */
char *ssl_x509_string(apr_pool_t *p, const ASN1_STRING *string, int raw);

/** DATA in lower case hex digits. */
char *ssl_x509_hex(apr_pool_t *p, const unsigned char *data, apr_size_t len);

/** NAME in the format of RFC 2253 (UTF-8, most specific first), as SSL_*_DN. */
char *ssl_x509_name_rfc2253(apr_pool_t *p, SSL_X509_CONST X509_NAME *name);

/** NAME in the old format "/C=../O=../CN=..", as SSLOptions LegacyDNStringFormat. */
char *ssl_x509_name_legacy(apr_pool_t *p, SSL_X509_CONST X509_NAME *name);

/** The INDEX-th (from 0) attribute of type NID in NAME, in the order of the
 * encoding, as ssl_x509_string() writes it.  NULL if there is none. */
char *ssl_x509_name_entry(apr_pool_t *p, SSL_X509_CONST X509_NAME *name, int nid, int index, int raw);

/** Serial number as hex digits ("0A1B"), as SSL_*_M_SERIAL. */
char *ssl_x509_serial(apr_pool_t *p, const X509 *cert);

/** Serial number and issuer as the CertificateExactAssertion of RFC 4523:
 * SSL_CLIENT_CERT_RFC4523_CEA. */
char *ssl_x509_exact_assertion(apr_pool_t *p, const X509 *cert);

/** TIME as OpenSSL prints it ("Nov 23 21:12:00 2026 GMT"), as SSL_*_V_START. */
char *ssl_x509_time(apr_pool_t *p, const ASN1_TIME *time);

/** Whole days until TIME, 0 if it is past, as SSL_CLIENT_V_REMAIN. */
char *ssl_x509_days_left(apr_pool_t *p, const ASN1_TIME *time);

/** CERT in PEM, with newlines, as SSL_*_CERT. */
char *ssl_x509_pem(apr_pool_t *p, X509 *cert);

/** CERT in DER, in base64 on one line, as SSL_*_B64CERT. */
char *ssl_x509_base64(apr_pool_t *p, X509 *cert);

/** Subject alternative names of TYPE (GEN_EMAIL, GEN_DNS, or GEN_OTHERNAME with
 * the NID of its type-id: NID_ms_upn, NID_SRVName): array of char *, in the order
 * of the certificate, empty if there are none; as ssl_x509_string() writes
 * them.  An empty name, or one of the wrong string type, is a NULL element. */
apr_array_header_t *ssl_x509_alt_names(apr_pool_t *p, X509 *cert, int type, int other_nid);

/** Values of the extension with this OID or OpenSSL name: array of char *, or
 * NULL.  A value that is neither in OpenSSL's vocabulary nor one string, or
 * that holds a NUL, is left out. */
apr_array_header_t *ssl_x509_extensions(apr_pool_t *p, X509 *cert, const char *extension);

/** Whether CERT covers NAME: one of its dNSNames or common names does (manual:
 * SSLProxyCheckPeerName), or, if NAME is an address, one of its iPAddresses.
 * Wildcards as RFC 9525, 6.3. */
int ssl_x509_matches_name(apr_pool_t *p, X509 *cert, const char *name);

/** Whether CERT names itself as its issuer; whether it is a CA's. */
int ssl_x509_is_self_issued(const X509 *cert);
int ssl_x509_is_ca(X509 *cert);

/** One line for a log: subject, issuer, serial and end of validity. */
char *ssl_x509_summary(apr_pool_t *p, X509 *cert);

/** SHA-256 fingerprint of the public key KEY (its SubjectPublicKeyInfo) as hex. */
char *ssl_x509_key_fingerprint(apr_pool_t *p, EVP_PKEY *key);

#endif /* SSL_X509_H */
