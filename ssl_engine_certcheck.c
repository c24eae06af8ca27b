/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_certcheck.c - certificates that clients will not like: dates,
 * keys, signatures, names, usages.  Chains: ssl_engine_chaincheck.c.
 *
 * Everything is judged as it is served, so that no file is read
 * again.  A certificate is judged once however many hosts serve it; a host
 * only adds its names, by hash lookups.
 */
#include "ssl_check.h"
#include "ssl_x509.h"

#include "apr_escape.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#define SOON_DAYS 30

/** A certificate file as hosts serve it. */
typedef struct served {
    X509 *leaf;
    const char *path;  /* or "SSLOpenSSLConfCmd Certificate" */
    const char *key;   /* what tells it from all others */
    const char *place; /* file:line of the directive, or of the host */
    server_rec *server; /* the first host */
    ssl_few hosts, strangers, unstapled; /* strangers: names of hosts that it does not cover */
    apr_hash_t *names;  /* "name" and "*.suffix", lower case */
    apr_hash_t *tails;  /* ".suffix" of each name */
    int must_staple;
} served;

/** An intermediate, in however many files. */
typedef struct intermediate {
    X509 *cert;
    server_rec *server;
    ssl_few files;
} intermediate;

typedef struct certcheck {
    apr_pool_t *p;
    apr_hash_t *served_index, *chain_index, *intermediate_index;
    apr_array_header_t *all_served, *all_chains, *all_intermediates; /* pointers, in order of configuration */
    X509_STORE *system; /* CAs of the system; NULL until needed */
} certcheck;

/* Whether TIME lies before now. */
static int is_past(const ASN1_TIME *time)
{
    int days = 0, seconds = 0;

    return ASN1_TIME_diff(&days, &seconds, NULL, time) && (days < 0 || seconds < 0);
}

/* --- one certificate: each check returns what is wrong, and the cure, or NULL ----------------- */

/* Certificates of a few days or weeks are renewed in the last third of their life. */
static const char *expires_soon(apr_pool_t *p, const X509 *cert)
{
    const ASN1_TIME *start = X509_get0_notBefore(cert), *end = X509_get0_notAfter(cert);
    int life, left, seconds;

    if (!ASN1_TIME_diff(&left, &seconds, NULL, end) || !ASN1_TIME_diff(&life, &seconds, start, end) ||
        left >= SOON_DAYS || left > life / 3) {
        return NULL;
    }
    return apr_psprintf(p, "expires on %s, in %d days; renew it", ssl_x509_time(p, end), left);
}

const char *ssl_check_dates(apr_pool_t *p, const X509 *cert, const char *who)
{
    const ASN1_TIME *start = X509_get0_notBefore(cert), *end = X509_get0_notAfter(cert);

    if (is_past(end)) {
        return apr_psprintf(p, "has expired on %s: %s refuse it; renew it", ssl_x509_time(p, end), who);
    }
    if (!is_past(start)) {
        return apr_psprintf(p, "is not yet valid: it begins on %s, and %s refuse it until then; is the clock of this "
                            "machine right?", ssl_x509_time(p, start), who);
    }
    return expires_soon(p, cert);
}

static const char *bad_dates(apr_pool_t *p, X509 *cert)
{
    return ssl_check_dates(p, cert, "clients");
}

static const char *weak_key(apr_pool_t *p, X509 *cert)
{
    EVP_PKEY *key = X509_get0_pubkey(cert);
    int bits = key ? EVP_PKEY_get_bits(key) : 0;

    if (!key) {
        return "has a key that OpenSSL cannot read; use RSA, ECDSA or Ed25519";
    }
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
        return bits < 2048 ? apr_psprintf(p, "has a weak key: RSA of %d bits, and clients refuse less than 2048; make "
                                          "a new key and have it certified", bits) : NULL;
    case EVP_PKEY_DSA:
        return "has a weak key: DSA, which no client takes any more; make an RSA or ECDSA key and have it certified";
    case EVP_PKEY_EC:
        return bits < 224 ? apr_psprintf(p, "has a weak key: a curve of %d bits; make a new key with P-256 and have it "
                                         "certified", bits) : NULL;
    default:
        return NULL;
    }
}

/* What signs itself is not believed for its signature. */
static const char *weak_signature(apr_pool_t *p, X509 *cert)
{
    int digest = NID_undef;

    if (ssl_x509_is_self_issued(cert) || !X509_get_signature_info(cert, &digest, NULL, NULL, NULL)) {
        return NULL;
    }
    return digest == NID_sha1 || digest == NID_md5 || digest == NID_md5_sha1 || digest == NID_md4 || digest == NID_md2
               ? apr_psprintf(p, "is signed with %s: clients refuse it; have it issued again with SHA-256",
                              OBJ_nid2sn(digest))
               : NULL;
}

static const char *is_a_ca(apr_pool_t *p, X509 *cert)
{
    (void)p;
    return ssl_x509_is_ca(cert) ? "is a CA certificate (basicConstraints: CA:TRUE): some clients refuse it as a "
                                  "server's; have one issued with CA:FALSE" : NULL;
}

static const char *not_a_ca(apr_pool_t *p, X509 *cert)
{
    (void)p;
    return X509_check_ca(cert) ? NULL : "is not a CA's (basicConstraints: CA:FALSE), so that nothing it issued is "
                                        "valid; take it out of the file";
}

/* nsSGC and msSGC (Server Gated Cryptography) stand for serverAuth, as ever. */
static const char *no_server_usage(apr_pool_t *p, X509 *cert)
{
    static const uint32_t fine = XKU_SSL_SERVER | XKU_SGC | XKU_ANYEKU;

    (void)p;
    return X509_get_extension_flags(cert) & EXFLAG_XKUSAGE && !(X509_get_extended_key_usage(cert) & fine)
               ? "is not for servers: its extendedKeyUsage lacks serverAuth, and clients refuse it; have one issued "
                 "for a server"
               : NULL;
}

static const char *no_signing(apr_pool_t *p, X509 *cert)
{
    (void)p;
    return X509_get_extension_flags(cert) & EXFLAG_KUSAGE && !(X509_get_key_usage(cert) & KU_DIGITAL_SIGNATURE)
               ? "may not sign: its keyUsage lacks digitalSignature, which TLS 1.3 and all ECDHE and DHE ciphers need; "
                 "have it issued with digitalSignature"
               : NULL;
}

static const char *no_alt_names(apr_pool_t *p, X509 *cert)
{
    return X509_get_ext_by_NID(cert, NID_subject_alt_name, -1) < 0
               ? apr_psprintf(p, "has no subjectAltName: browsers ignore the common name (subject %s) and refuse it; "
                              "have it issued with subjectAltName=DNS:the.name", ssl_check_subject(p, cert))
               : NULL;
}

typedef struct judgement {
    const char *(*check)(apr_pool_t *p, X509 *cert);
    int level;
    const char *number; /* of the message */
} judgement;

static const judgement of_servers[] = {
    { bad_dates, APLOG_WARNING, "" },
    { weak_key, APLOG_WARNING, "" },
    { weak_signature, APLOG_WARNING, "" },
    { is_a_ca, APLOG_WARNING, APLOGNO(01906) },
    { no_server_usage, APLOG_WARNING, "" },
    { no_signing, APLOG_WARNING, "" },
    { no_alt_names, APLOG_WARNING, "" },
    { NULL, 0, NULL }
};

static const judgement of_intermediates[] = {
    { bad_dates, APLOG_WARNING, "" },
    { weak_key, APLOG_WARNING, "" },
    { weak_signature, APLOG_WARNING, "" },
    { not_a_ca, APLOG_WARNING, "" },
    { NULL, 0, NULL }
};

int ssl_cert_must_staple(const X509 *cert)
{
    TLS_FEATURE *features;
    int i, found = 0;

    ERR_set_mark();
    features = X509_get_ext_d2i(cert, NID_tlsfeature, NULL, NULL);
    for (i = 0; i < sk_ASN1_INTEGER_num(features); i++) {
        found |= ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == TLSEXT_TYPE_status_request;
    }
    TLS_FEATURE_free(features);
    ERR_pop_to_mark();
    return found;
}

/* --- names --------------------------------------------------------------------- */

static void add_name(served *cert, apr_pool_t *p, const char *text)
{
    char *name = text ? apr_pstrdup(p, text) : NULL;
    const char *dot;

    if (!name) {
        return;
    }
    ap_str_tolower(name);
    apr_hash_set(cert->names, name, APR_HASH_KEY_STRING, name);
    for (dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
        apr_hash_set(cert->tails, dot, APR_HASH_KEY_STRING, dot);
    }
}

/* The common name counts where no name does: what clients make of that is said by no_alt_names(). */
static void collect_names(served *cert, apr_pool_t *p)
{
    apr_array_header_t *names = ssl_x509_alt_names(p, cert->leaf, GEN_DNS, 0);
    int i;

    cert->names = apr_hash_make(p);
    cert->tails = apr_hash_make(p);
    for (i = 0; i < names->nelts; i++) {
        add_name(cert, p, APR_ARRAY_IDX(names, i, const char *));
    }
    if (names->nelts == 0) {
        add_name(cert, p, ssl_x509_name_entry(p, X509_get_subject_name(cert->leaf), NID_commonName, 0, 0));
    }
}

static int is_address(const char *name)
{
    return strchr(name, ':') || name[strspn(name, "0123456789.")] == '\0';
}

/* "[2001:db8::1]" is how Host headers have it. */
static const char *without_brackets(char *address)
{
    apr_size_t len = strlen(address);

    if (len < 2 || address[0] != '[' || address[len - 1] != ']') {
        return address;
    }
    address[len - 1] = '\0';
    return address + 1;
}

/* Whether CERT is for NAME, which a host goes by: a host name, an address, or a
 * pattern of ServerAlias.  Of patterns only "*.suffix" is judged, by whether
 * any name of the certificate could fit. */
static int covers(const served *cert, apr_pool_t *p, const char *name)
{
    char *lower = apr_pstrdup(p, name);
    const char *dot;

    ap_str_tolower(lower);
    if (is_address(lower)) {
        return ssl_x509_matches_name(p, cert->leaf, without_brackets(lower));
    }
    if (ap_is_matchexp(lower)) {
        return lower[0] != '*' || lower[1] != '.' || ap_is_matchexp(lower + 1) ||
               apr_hash_get(cert->tails, lower + 1, APR_HASH_KEY_STRING) != NULL;
    }
    dot = strchr(lower, '.');
    return apr_hash_get(cert->names, lower, APR_HASH_KEY_STRING) ||
           (dot && dot != lower && apr_hash_get(cert->names, apr_pstrcat(p, "*", dot, NULL), APR_HASH_KEY_STRING));
}

static void check_name(served *cert, apr_pool_t *p, server_rec *s, const char *directive, const char *name)
{
    if (name && !covers(cert, p, name)) {
        ssl_few_add(p, &cert->strangers, apr_psprintf(p, "%s %s (%s)", directive, name, ssl_server_place(p, s)));
    }
}

static void check_names(served *cert, apr_pool_t *p, server_rec *s)
{
    apr_array_header_t *const lists[] = { s->names, s->wild_names };
    int i, j;

    check_name(cert, p, s, "ServerName", s->server_hostname);
    for (i = 0; i < 2; i++) {
        for (j = 0; lists[i] && j < lists[i]->nelts; j++) {
            check_name(cert, p, s, "ServerAlias", APR_ARRAY_IDX(lists[i], j, const char *));
        }
    }
}

/* --- what hosts serve -------------------------------------------------------------- */

/* ssl_certs_load() notes the path as the certificate's alias. */
static const char *path_of(apr_pool_t *p, X509 *leaf)
{
    int len = 0;
    const unsigned char *path = X509_alias_get0(leaf, &len);

    return path ? apr_pstrmemdup(p, (const char *)path, (apr_size_t)len) : "SSLOpenSSLConfCmd Certificate";
}

/* The path, under which a certificate of SSLCertificateFile is known; those of SSLOpenSSLConfCmd have
 * none, and go by what they are. */
static const char *key_of(apr_pool_t *p, X509 *leaf, const char *path)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;

    if (X509_alias_get0(leaf, NULL) || !X509_digest(leaf, EVP_sha256(), digest, &len)) {
        return path;
    }
    return apr_pstrcat(p, path, "\n", apr_pescape_hex(p, digest, len, 0), NULL);
}

static served *served_of(certcheck *check, server_rec *s, X509 *leaf)
{
    const ssl_server_config *cfg = ssl_config_of(s);
    const char *path = path_of(check->p, leaf), *key = key_of(check->p, leaf, path);
    served *cert = apr_hash_get(check->served_index, key, APR_HASH_KEY_STRING);

    if (!cert) {
        cert = apr_pcalloc(check->p, sizeof(*cert));
        cert->leaf = leaf;
        cert->path = path;
        cert->key = key;
        cert->place = cfg->certs_at ? ssl_config_place_of(check->p, cfg->certs_at) : ssl_server_place(check->p, s);
        cert->server = s;
        cert->must_staple = ssl_cert_must_staple(leaf);
        collect_names(cert, check->p);
        apr_hash_set(check->served_index, key, APR_HASH_KEY_STRING, cert);
        APR_ARRAY_PUSH(check->all_served, served *) = cert;
    }
    return cert;
}

static void add_intermediates(certcheck *check, server_rec *s, const ssl_sent_chain *links)
{
    int i;

    for (i = 0; i < sk_X509_num(links->certs); i++) {
        X509 *cert = sk_X509_value(links->certs, i);
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned int len = 0;
        intermediate *found;

        if (ssl_x509_is_self_issued(cert) || ssl_chain_repeats(links, i) ||
            !X509_digest(cert, EVP_sha1(), digest, &len)) {
            continue;
        }
        found = apr_hash_get(check->intermediate_index, digest, len);
        if (!found) {
            found = apr_pcalloc(check->p, sizeof(*found));
            found->cert = cert;
            found->server = s;
            apr_hash_set(check->intermediate_index, apr_pmemdup(check->p, digest, len), len, found);
            APR_ARRAY_PUSH(check->all_intermediates, intermediate *) = found;
        }
        ssl_few_add(check->p, &found->files, apr_pstrcat(check->p, "'", links->path, "'", NULL));
    }
}

/** What a host sends: its leaf, and the chains of which the first that is not empty counts. */
typedef struct sent {
    X509 *leaf;
    STACK_OF(X509) *own, *extra;
} sent;

/* The chain sent with CERT by S. */
static void add_chain(certcheck *check, server_rec *s, const served *cert, const sent *what)
{
    const ssl_server_config *cfg = ssl_config_of(s);
    ssl_sent_chain *links;
    const char *key = apr_pstrcat(check->p, cert->key, "\n", cfg->chain_file ? cfg->chain_file : "", "\n",
                                  cfg->tls.ca_file ? cfg->tls.ca_file : "", "\n",
                                  cfg->tls.ca_path ? cfg->tls.ca_path : "", NULL);

    if (apr_hash_get(check->chain_index, key, APR_HASH_KEY_STRING)) {
        return;
    }
    links = apr_pcalloc(check->p, sizeof(*links));
    links->server = cert->server;
    links->leaf = cert->leaf;
    links->cert_path = cert->path;
    links->place = cert->place;
    links->hosts = &cert->hosts;
    links->certs = sk_X509_num(what->own) > 0 ? what->own : what->extra;
    links->path = links->certs == what->own || !cfg->chain_file ? cert->path : cfg->chain_file;
    links->store = SSL_CTX_get_cert_store(cfg->host->ctx);
    apr_hash_set(check->chain_index, key, APR_HASH_KEY_STRING, links);
    APR_ARRAY_PUSH(check->all_chains, ssl_sent_chain *) = links;
    add_intermediates(check, s, links);
    if (cfg->chain_file && links->certs == what->own && sk_X509_num(what->own) > 0) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                     "%s: SSLCertificateChainFile '%s' has no effect for '%s', which holds a chain itself (%s)",
                     cfg->host->id, cfg->chain_file, cert->path, cert->place);
    }
}

static void add_cert(certcheck *check, server_rec *s, const sent *what)
{
    const ssl_host *host = ssl_config_of(s)->host;
    served *cert = served_of(check, s, what->leaf);

    ssl_few_add(check->p, &cert->hosts, host->id);
    check_names(cert, check->p, s);
    if (cert->must_staple && !ssl_config_of(s)->stapling.enable) {
        ssl_few_add(check->p, &cert->unstapled, host->id);
    }
    add_chain(check, s, cert, what);
}

/* Those that connections of S get. */
static void add_given_certs(certcheck *check, server_rec *s)
{
    const ssl_cert_set *certs = ssl_config_of(s)->host->certs;
    int i;

    for (i = 0; i < certs->n; i++) {
        const ssl_pair *pair = certs->pairs[i];
        sent what = { pair->cert, pair->extra ? NULL : certs->chains[i], pair->extra };

        add_cert(check, s, &what);
    }
}

/* Those in the SSL_CTX of S. */
static void add_ctx_certs(certcheck *check, server_rec *s, SSL_CTX *ctx)
{
    X509 *current = SSL_CTX_get0_certificate(ctx);
    long more = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_FIRST);

    for (; more; more = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_NEXT)) {
        sent what = { SSL_CTX_get0_certificate(ctx), NULL, NULL };

        SSL_CTX_get0_chain_certs(ctx, &what.own);
        SSL_CTX_get_extra_chain_certs_only(ctx, &what.extra);
        add_cert(check, s, &what);
    }
    if (current) {
        SSL_CTX_select_current_cert(ctx, current);
    }
}

static void add_host_certs(certcheck *check, server_rec *s)
{
    const ssl_host *host = ssl_config_of(s)->host;

    if (host->gives_certs) {
        add_given_certs(check, s);
    }
    else {
        add_ctx_certs(check, s, host->ctx);
    }
}

/* --- reports ---------------------------------------------------------------------------- */

static void report_served(certcheck *check, const served *cert)
{
    const char *hosts = ssl_few_text(check->p, &cert->hosts), *problem;
    const judgement *j;

    for (j = of_servers; j->check; j++) {
        if ((problem = j->check(check->p, cert->leaf)) != NULL) {
            ap_log_error(APLOG_MARK, j->level, 0, cert->server, "%sthe server certificate in '%s' (%s; %s) %s",
                         j->number, cert->path, cert->place, hosts, problem);
        }
    }
    if (cert->strangers.count) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, cert->server,
                     APLOGNO(01909) "the server certificate in '%s' does NOT include an ID which matches %s: clients "
                     "that ask for such a name refuse it; have it issued for these names, too, or take them out (%s)",
                     cert->path, ssl_few_text(check->p, &cert->strangers), ssl_x509_summary(check->p, cert->leaf));
    }
    if (cert->unstapled.count) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, cert->server,
                     "the server certificate in '%s' (%s) demands OCSP stapling (TLS feature status_request, "
                     "\"must-staple\"), but SSLUseStapling is off for %s: clients refuse it; write 'SSLUseStapling on' "
                     "and 'SSLStaplingCache ...'", cert->path, cert->place, ssl_few_text(check->p, &cert->unstapled));
    }
}

static void report_intermediate(certcheck *check, const intermediate *found)
{
    const char *problem;
    const judgement *j;

    for (j = of_intermediates; j->check; j++) {
        if ((problem = j->check(check->p, found->cert)) != NULL) {
            ap_log_error(APLOG_MARK, j->level, 0, found->server, "%sthe certificate of '%s' in the chain in %s %s",
                         j->number, ssl_check_subject(check->p, found->cert), ssl_few_text(check->p, &found->files),
                         problem);
        }
    }
}

static void report(certcheck *check)
{
    int i;

    for (i = 0; i < check->all_served->nelts; i++) {
        report_served(check, APR_ARRAY_IDX(check->all_served, i, const served *));
    }
    for (i = 0; i < check->all_intermediates->nelts; i++) {
        report_intermediate(check, APR_ARRAY_IDX(check->all_intermediates, i, const intermediate *));
    }
    for (i = 0; i < check->all_chains->nelts; i++) {
        ssl_check_chain(APR_ARRAY_IDX(check->all_chains, i, const ssl_sent_chain *), &check->system, check->p);
    }
}

void ssl_check_certificates(apr_array_header_t *servers, apr_pool_t *ptemp)
{
    certcheck check = { .p = ptemp };
    int i;

    check.served_index = apr_hash_make(ptemp);
    check.chain_index = apr_hash_make(ptemp);
    check.intermediate_index = apr_hash_make(ptemp);
    check.all_served = apr_array_make(ptemp, 8, sizeof(served *));
    check.all_chains = apr_array_make(ptemp, 8, sizeof(ssl_sent_chain *));
    check.all_intermediates = apr_array_make(ptemp, 8, sizeof(intermediate *));
    for (i = 0; i < servers->nelts; i++) {
        server_rec *s = APR_ARRAY_IDX(servers, i, server_rec *);
        const ssl_host *host = ssl_config_of(s)->host;

        if (host && !host->fallback_cert) {
            add_host_certs(&check, s);
        }
    }
    report(&check);
    X509_STORE_free(check.system);
    ERR_clear_error();
}
