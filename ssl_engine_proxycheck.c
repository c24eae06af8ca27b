/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_proxycheck.c - our certificates for backends
 * (SSLProxyMachineCertificateFile, ...Path) that backends will not like.
 *
 * They are judged as they are in memory, each once, however many servers and
 * <Proxy> sections name it.
 */
#include "ssl_check.h"
#include "ssl_proxy.h"
#include "ssl_token.h"
#include "ssl_x509.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>

typedef struct proxycheck {
    apr_pool_t *p;
    apr_hash_t *done; /* digests of certificates; addresses of what hosts and sections share */
    server_rec *server;
    const char *scope;                /* where it is named, with file and line */
    const ssl_proxy_config *settings; /* which name its file */
} proxycheck;

/* Whether CERT was looked at before. */
static int is_done(proxycheck *check, const X509 *cert)
{
    unsigned char *digest = apr_palloc(check->p, EVP_MAX_MD_SIZE);
    unsigned int len = 0;

    if (!X509_digest(cert, EVP_sha256(), digest, &len) || apr_hash_get(check->done, digest, len)) {
        return 1;
    }
    apr_hash_set(check->done, digest, len, cert);
    return 0;
}

static const char *no_client_usage(X509 *cert)
{
    return X509_get_extension_flags(cert) & EXFLAG_XKUSAGE &&
                   !(X509_get_extended_key_usage(cert) & (XKU_SSL_CLIENT | XKU_ANYEKU))
               ? "is not for clients: its extendedKeyUsage lacks clientAuth, and backends refuse it; have one issued "
                 "for a client"
               : NULL;
}

static void tell(const proxycheck *check, const X509 *cert, const char *what, const char *path, const char *problem)
{
    if (problem) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, check->server, "%s: %s '%s' in '%s' %s", check->scope, what,
                     ssl_check_subject(check->p, cert), ssl_token_shown(check->p, path), problem);
    }
}

static void check_chain(proxycheck *check, const ssl_client_cert *client, const char *path)
{
    int i;

    for (i = 0; i < sk_X509_num(client->sent); i++) {
        X509 *cert = sk_X509_value(client->sent, i);

        if (!is_done(check, cert)) {
            tell(check, cert, "the CA certificate", path,
                 ssl_check_dates(check->p, cert, "backends"));
        }
    }
}

/* MATERIAL is that of the settings being checked. */
static void check_material(proxycheck *check, const ssl_material *material)
{
    int i;

    if (apr_hash_get(check->done, &material, sizeof(material))) {
        return;
    }
    apr_hash_set(check->done, apr_pmemdup(check->p, &material, sizeof(material)), sizeof(material), material);
    for (i = 0; i < material->n_certs; i++) {
        const ssl_client_cert *client = &material->certs[i];
        const char *path = client->from_path ? check->settings->cert_path : check->settings->cert_file;
        const char *chain = check->settings->chain_file;

        if (!is_done(check, client->cert)) {
            tell(check, client->cert, "the client certificate", path,
                 ssl_check_dates(check->p, client->cert, "backends"));
            tell(check, client->cert, "the client certificate", path, no_client_usage(client->cert));
        }
        check_chain(check, client, chain ? chain : path);
    }
}

static void check_server(proxycheck *check, server_rec *s)
{
    const apr_array_header_t *sections = ssl_proxy_sections(check->p, s);
    const ssl_proxy_config *proxy = ssl_config_proxy_of(s);
    int i;

    check->server = s;
    if (proxy->made) {
        check->scope = ssl_proxy_scope(check->p, s, NULL);
        check->settings = proxy;
        check_material(check, &proxy->made->material);
    }
    for (i = 0; i < sections->nelts; i++) {
        const ssl_proxy_section *section = &APR_ARRAY_IDX(sections, i, ssl_proxy_section);

        if (section->own->made) {
            check->scope = ssl_proxy_scope(check->p, s, section);
            check->settings = section->settings;
            check_material(check, &section->own->made->material);
        }
    }
}

void ssl_check_client_certs(server_rec *main_server, apr_pool_t *ptemp)
{
    proxycheck check = { .p = ssl_passing_pool(ptemp) };
    apr_array_header_t *servers = ssl_servers_in_order(check.p, main_server);
    int i;

    check.done = apr_hash_make(check.p);
    for (i = 0; i < servers->nelts; i++) {
        check_server(&check, APR_ARRAY_IDX(servers, i, server_rec *));
    }
    ERR_clear_error();
    apr_pool_destroy(check.p);
}
