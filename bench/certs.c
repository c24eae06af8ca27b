/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certs - many certificates in a short time, for the rows of bench/run with
 * thousands of virtual hosts: 5000 in two seconds.
 *
 *   certs hosts DIRECTORY NUMBER     h0.crt, h0.key, h1.crt... for h0.bench.test...
 *   certs roots FILE NUMBER          a bundle of self-signed CA certificates
 *
 * ECDSA P-256, PKCS#8 keys without a pass phrase, all hosts issued by one CA.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    if (!ext || !X509_add_ext(cert, ext, -1)) {
        die("extension");
    }
    X509_EXTENSION_free(ext);
}

static void set_serial(X509 *cert)
{
    unsigned char bytes[16];
    BIGNUM *number;

    RAND_bytes(bytes, sizeof(bytes));
    number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
}

/* ISSUER: NULL for a self-signed one. */
static X509 *make_cert(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *cert = X509_new();
    X509_NAME *subject = X509_NAME_new();
    char names[300];

    X509_set_version(cert, 2);
    set_serial(cert);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 30L * 86400);
    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC, (const unsigned char *)"bench", -1, -1, 0);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_subject_name(cert, subject);
    X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : subject);
    X509_set_pubkey(cert, key);
    if (issuer) {
        snprintf(names, sizeof(names), "DNS:%s", name);
        add_extension(cert, NID_subject_alt_name, names);
        add_extension(cert, NID_ext_key_usage, "serverAuth");
    }
    add_extension(cert, NID_basic_constraints, issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
    add_extension(cert, NID_key_usage, issuer ? "critical,digitalSignature" : "critical,keyCertSign,cRLSign");
    if (!X509_sign(cert, issuer_key, EVP_sha256())) {
        die("signature");
    }
    X509_NAME_free(subject);
    return cert;
}

static FILE *create(const char *path)
{
    FILE *f = fopen(path, "w");

    if (!f) {
        die(path);
    }
    return f;
}

static void make_hosts(const char *directory, int number)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    X509 *ca = make_cert("bench CA", ca_key, NULL, ca_key);
    char path[4096], name[64];
    int i;

    for (i = 0; i < number; i++) {
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509 *cert;
        FILE *f;

        snprintf(name, sizeof(name), "h%d.bench.test", i);
        cert = make_cert(name, key, ca, ca_key);
        snprintf(path, sizeof(path), "%s/h%d.crt", directory, i);
        f = create(path);
        PEM_write_X509(f, cert);
        fclose(f);
        snprintf(path, sizeof(path), "%s/h%d.key", directory, i);
        f = create(path);
        PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
        fclose(f);
        X509_free(cert);
        EVP_PKEY_free(key);
    }
    X509_free(ca);
    EVP_PKEY_free(ca_key);
}

static void make_roots(const char *path, int number)
{
    FILE *f = create(path);
    char name[64];
    int i;

    for (i = 0; i < number; i++) {
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509 *cert;

        snprintf(name, sizeof(name), "bench root %d", i);
        cert = make_cert(name, key, NULL, key);
        PEM_write_X509(f, cert);
        X509_free(cert);
        EVP_PKEY_free(key);
    }
    fclose(f);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "hosts") == 0) {
        make_hosts(argv[2], atoi(argv[3]));
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "roots") == 0) {
        make_roots(argv[2], atoi(argv[3]));
        return 0;
    }
    fprintf(stderr, "usage: certs hosts DIRECTORY NUMBER | certs roots FILE NUMBER\n");
    return 2;
}
