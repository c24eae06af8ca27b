/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_dump.c - `httpd -t -D DUMP_...`: what the configuration comes to,
 * without starting the server.
 *
 *   DUMP_SSL_CONFIG       all of it, for people
 *   DUMP_SSL_CONFIG_JSON  the same for programs
 *   DUMP_SSL_POLICIES     what each SSLPolicy stands for
 *   DUMP_SSL_VERSION      versions, for a bug report
 *   DUMP_CERTS            the paths of all certificates, as httpd has long had it
 *
 * post_config does not run under -t, so the hosts are made here, from
 * certificates only: no private key is read and nobody is asked for a pass phrase.
 */
#include <stdio.h>

#include "ssl_check.h"
#include "ssl_ctx.h"
#include "ssl_proxy.h"
#include "ssl_report.h"
#include "ssl_token.h"
#include "ssl_x509.h"

#include "ap_mpm.h"
#include "apr_version.h"
#include "http_main.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

/** A value and its word in the configuration; a table ends with a NULL word. */
typedef struct value_word {
    int value;
    const char *word;
} value_word;

static const value_word protocol_words[] = {
    { SSL_PROTO_TLSV1_3, "TLSv1.3" }, { SSL_PROTO_TLSV1_2, "TLSv1.2" }, { SSL_PROTO_TLSV1_1, "TLSv1.1" },
    { SSL_PROTO_TLSV1, "TLSv1" },     { SSL_PROTO_SSLV3, "SSLv3" },     { 0, NULL }
};
static const value_word verify_words[] = {
    { SSL_CVERIFY_NONE, "none" },         { SSL_CVERIFY_OPTIONAL_NO_CA, "optional_no_ca" },
    { SSL_CVERIFY_OPTIONAL, "optional" }, { SSL_CVERIFY_REQUIRE, "require" },
    { 0, NULL }
};
static const value_word crl_words[] = {
    { SSL_CRLCHECK_NONE, "none" }, { SSL_CRLCHECK_LEAF, "leaf" }, { SSL_CRLCHECK_CHAIN, "chain" }, { 0, NULL }
};
static const value_word ocsp_words[] = {
    { SSL_OCSP_OFF, "off" }, { SSL_OCSP_LEAF, "leaf" }, { SSL_OCSP_CHAIN, "on" }, { 0, NULL }
};
static const value_word sni_words[] = {
    { SSL_SNI_STRICT, "strict" },     { SSL_SNI_SECURE, "secure" }, { SSL_SNI_AUTHONLY, "authonly" },
    { SSL_SNI_INSECURE, "insecure" }, { 0, NULL }
};
static const value_word stapling_words[] = {
    { SSL_STAPLING_OFF, "off" },
    { SSL_STAPLING_ON, "on" },
    { SSL_STAPLING_IF_CACHE, "on where there is an SSLStaplingCache" },
    { 0, NULL }
};
static const value_word flag_words[] = { { 0, "off" }, { 1, "on" }, { 0, NULL } };

/* NULL for what is not in the table, as SSL_UNSET. */
static const char *word_of(const value_word *words, int value)
{
    for (; words->word && words->value != value; words++) {
    }
    return words->word;
}

static void list_bits(ssl_report *list, const value_word *words, int bits)
{
    for (; words->word; words++) {
        if (bits & words->value) {
            ssl_report_item(list, words->word);
        }
    }
}

static void list_paths(apr_pool_t *p, ssl_report *list, const apr_array_header_t *paths)
{
    int i;

    for (i = 0; paths && i < paths->nelts; i++) {
        ssl_report_item(list, ssl_token_shown(p, APR_ARRAY_IDX(paths, i, const char *)));
    }
}

static void list_conf_cmds(apr_pool_t *p, ssl_report *group, const apr_array_header_t *cmds)
{
    ssl_report *list = cmds && cmds->nelts ? ssl_report_list(group, "OpenSSL commands") : NULL;
    int i;

    for (i = 0; list && i < cmds->nelts; i++) {
        const ssl_conf_cmd *cmd = &APR_ARRAY_IDX(cmds, i, ssl_conf_cmd);

        ssl_report_item(list, apr_pstrcat(p, cmd->name, " ", ssl_token_shown(p, cmd->value), NULL));
    }
}

/* --- the whole server -------------------------------------------------------------- */

static void report_versions(ssl_report *root)
{
    ssl_report *group = ssl_report_group(root, "Versions");

    ssl_report_text(group, "module", SSL_MODULE_VERSION);
    ssl_report_text(group, "httpd", ap_get_server_description());
    ssl_report_text(group, "httpd built", ap_get_server_built());
    ssl_report_text(group, "httpd compiled against", AP_SERVER_BASEVERSION);
    ssl_report_text(group, "MPM", ap_show_mpm());
    ssl_report_text(group, "APR", apr_version_string());
    ssl_report_text(group, "OpenSSL compiled against", OPENSSL_VERSION_TEXT);
    ssl_report_text(group, "OpenSSL loaded", OpenSSL_version(OPENSSL_VERSION));
    ssl_report_text(group, "OpenSSL directory", OPENSSL_info(OPENSSL_INFO_CONFIG_DIR));
    ssl_report_text(group, "OpenSSL modules", OPENSSL_info(OPENSSL_INFO_MODULES_DIR));
    ssl_describe_providers(ssl_report_list(group, "OpenSSL providers"));
    ssl_report_text(group, "processor features", OPENSSL_info(OPENSSL_INFO_CPU_SETTINGS));
}

static void report_server(apr_pool_t *p, ssl_report *root)
{
    const ssl_global_config *global = ssl_global();
    ssl_report *group = ssl_report_group(root, "Whole server"), *policies;
    int i;

    ssl_report_text(group, "session cache", global->session_cache_name ? global->session_cache_name : "none");
    ssl_report_text(group, "stapling cache", global->stapling_cache ? global->stapling_cache->name : "none");
    ssl_report_text(group, "stapling store", global->stapling_store);
    ssl_report_text(group, "pass phrases", global->pass_phrase_dialog ? global->pass_phrase_dialog : "builtin");
    ssl_report_text(group, "crypto device", global->crypto_device ? global->crypto_device : "builtin");
    ssl_report_text(group, "SNI policy", word_of(sni_words, global->sni_policy));
    ssl_report_flag(group, "FIPS", EVP_default_properties_is_fips_enabled(NULL));
    policies = ssl_report_list(group, "policies");
    for (i = 0; i < global->policies->nelts; i++) {
        ssl_report_item(policies, APR_ARRAY_IDX(global->policies, i, ssl_policy).name);
    }
}

/* --- virtual hosts ------------------------------------------------------------------- */

/** What hosts that share an SSL_CTX have in common. */
typedef struct ctx_report {
    ssl_report *certs; /* NULL: none */
    ssl_report *tls;
    int cas, ca_names, crls;
} ctx_report;

static const char *dh_words(const ssl_server_config *cfg)
{
    int i;

    for (i = 0; cfg->conf_cmds && i < cfg->conf_cmds->nelts; i++) {
        if (ap_cstr_casecmp(APR_ARRAY_IDX(cfg->conf_cmds, i, ssl_conf_cmd).name, "DHParameters") == 0) {
            return "SSLOpenSSLConfCmd DHParameters";
        }
    }
    return cfg->dh_bits == 2048 ? "2048 bits (ffdhe2048), unless the first certificate's file holds others" :
           cfg->dh_bits == 1024 ? "1024 bits, unless the first certificate's file holds others" :
                                  "as strong as the key, unless the first certificate's file holds others";
}

static ctx_report *describe_ctx(apr_pool_t *p, const ssl_server_config *cfg)
{
    ctx_report *r = apr_pcalloc(p, sizeof(*r));
    ssl_report *holder = ssl_report_make(p);

    r->certs = ssl_report_list(holder, "certificates");
    ssl_describe_certs(p, r->certs, cfg->host->ctx);
    r->tls = ssl_report_group(holder, "tls");
    ssl_describe_tls(p, r->tls, cfg->host->ctx, cfg->host->extras ? cfg->host->extras->groups : NULL);
    ssl_report_text(r->tls, "DH parameters", dh_words(cfg));
    list_conf_cmds(p, r->tls, cfg->conf_cmds);
    r->cas = ssl_describe_count_cas(cfg->host->ctx);
    r->ca_names = ssl_describe_count_ca_names(cfg->host->ctx);
    r->crls = cfg->tls.crl_file ? ssl_describe_count_crls(cfg->tls.crl_file) : 0;
    return r;
}

/* Described once for each SSL_CTX, so that many hosts cost little more than one. */
static const ctx_report *ctx_report_of(apr_pool_t *p, apr_hash_t *known, const ssl_server_config *cfg)
{
    SSL_CTX **key = &cfg->host->ctx;
    ctx_report *r = apr_hash_get(known, key, sizeof(*key));

    if (!r) {
        r = describe_ctx(p, cfg);
        apr_hash_set(known, key, sizeof(*key), r);
    }
    return r;
}

static void list_names(ssl_report *list, const apr_array_header_t *names)
{
    int i;

    for (i = 0; names && i < names->nelts; i++) {
        ssl_report_item(list, APR_ARRAY_IDX(names, i, const char *));
    }
}

static const char *address_text(apr_pool_t *p, const server_addr_rec *at)
{
    const char *host = at->virthost ? at->virthost : "*";
    const char *port = at->host_port ? apr_psprintf(p, "%u", at->host_port) : "*";
    int is_ipv6 = ap_strchr_c(host, ':') && host[0] != '[';

    return apr_psprintf(p, is_ipv6 ? "[%s]:%s" : "%s:%s", host, port);
}

static void list_addresses(apr_pool_t *p, ssl_report *list, const server_rec *s)
{
    const server_addr_rec *at;
    const char *last = "";

    if (!s->is_virtual) {
        ssl_report_item(list, "all that no virtual host has");
        return;
    }
    for (at = s->addrs; at; at = at->next) {
        const char *text = address_text(p, at);

        if (strcmp(text, last) != 0) { /* "*" and names may stand for several addresses */
            ssl_report_item(list, text);
        }
        last = text;
    }
}

static void report_identity(apr_pool_t *p, ssl_report *group, server_rec *s)
{
    const ssl_server_config *cfg = ssl_config_of(s);
    ssl_report *aliases;

    ssl_report_text(group, "name", s->server_hostname);
    aliases = ssl_report_list(group, "aliases");
    list_names(aliases, s->names);
    list_names(aliases, s->wild_names);
    list_addresses(p, ssl_report_list(group, "addresses"), s);
    ssl_report_text(group, "defined at",
                    s->defn_name ? apr_psprintf(p, "%s:%u", s->defn_name, s->defn_line_number) : "the main server");
    if (cfg->engine == 1) {
        ssl_report_text(group, "SSLEngine on at", ssl_config_place_of(p, cfg->defined_at));
    }
    ssl_report_text(group, "policy", cfg->policy ? cfg->policy : "none");
}

static int is_covered(apr_pool_t *p, SSL_CTX *ctx, const char *name)
{
    long more = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_FIRST);

    for (; more; more = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_NEXT)) {
        if (ssl_x509_matches_name(p, SSL_CTX_get0_certificate(ctx), name)) {
            return 1;
        }
    }
    return 0;
}

/* Names of S for which browsers will refuse its certificates. */
static void report_uncovered(apr_pool_t *p, ssl_report *group, const server_rec *s, SSL_CTX *ctx)
{
    ssl_report *list = ssl_report_list(group, "names in no certificate");
    int i;

    if (s->server_hostname && !is_covered(p, ctx, s->server_hostname)) {
        ssl_report_item(list, s->server_hostname);
    }
    for (i = 0; s->names && i < s->names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(s->names, i, const char *);

        if (!is_covered(p, ctx, name)) {
            ssl_report_item(list, name);
        }
    }
}

static void report_keys(apr_pool_t *p, ssl_report *group, const server_rec *s, const ssl_server_config *cfg)
{
    ssl_report *files = ssl_report_group(group, "Files");

    list_paths(p, ssl_report_list(files, "certificates"), cfg->cert_files);
    list_paths(p, ssl_report_list(files, "private keys"), cfg->key_files);
    ssl_report_text(files, "chain", cfg->chain_file);
    if (!cfg->cert_files) {
        ssl_report_text(files, "note", "there is no SSLCertificateFile: the server starts only if another module, as "
                        "mod_md, brings a certificate");
    }
    else {
        report_uncovered(p, files, s, cfg->host->ctx);
    }
}

static void report_client_auth(ssl_report *group, const ssl_server_config *cfg, const ctx_report *r)
{
    const ssl_tls_settings *tls = &cfg->tls;

    group = ssl_report_group(group, "Client certificates");
    ssl_report_text(group, "verify", word_of(verify_words, tls->verify));
    ssl_report_number(group, "depth", tls->verify_depth);
    ssl_report_text(group, "CA file", tls->ca_file);
    ssl_report_text(group, "CA path", tls->ca_path);
    if (tls->ca_file) {
        ssl_report_number(group, "CAs in the file", r->cas);
    }
    ssl_report_text(group, "CA names from file", cfg->ca_dn_file);
    ssl_report_text(group, "CA names from path", cfg->ca_dn_path);
    ssl_report_number(group, "CA names told to clients", r->ca_names);
    ssl_report_text(group, "CRL check", word_of(crl_words, tls->crl_check & SSL_CRLCHECK_MASK));
    if (tls->crl_check & SSL_CRLCHECK_NO_CRL_OK) {
        ssl_report_flag(group, "no CRL is no error", 1);
    }
    ssl_report_text(group, "CRL file", tls->crl_file);
    ssl_report_text(group, "CRL path", tls->crl_path);
    if (tls->crl_file) {
        ssl_report_number(group, "CRLs in the file", r->crls);
    }
    ssl_report_text(group, "OCSP", word_of(ocsp_words, cfg->ocsp.enable & SSL_OCSP_MASK));
    ssl_report_text(group, "OCSP responder", cfg->ocsp.responder);
    ssl_report_flag(group, "strict SNI", cfg->strict_sni);
}

static void report_paths(ssl_report *list, const apr_array_header_t *paths)
{
    int i;

    for (i = 0; i < paths->nelts; i++) {
        ssl_report_item(list, APR_ARRAY_IDX(paths, i, const char *));
    }
}

static void report_sessions(ssl_report *group, const ssl_server_config *cfg)
{
    const ssl_global_config *global = ssl_global();

    group = ssl_report_group(group, "Sessions");
    ssl_report_text(group, "cache", global->session_cache_name ? global->session_cache_name : "none");
    ssl_report_number(group, "timeout in seconds", cfg->session_timeout);
    ssl_report_flag(group, "tickets", (SSL_CTX_get_options(cfg->host->ctx) & SSL_OP_NO_TICKET) == 0);
    ssl_report_number(group, "tickets per handshake", (apr_int64_t)SSL_CTX_get_num_tickets(cfg->host->ctx));
    if (cfg->ticket_key_files) {
        report_paths(ssl_report_list(group, "ticket key files"), cfg->ticket_key_files);
    }
}

static void report_stapling(ssl_report *group, const ssl_server_config *cfg)
{
    group = ssl_report_group(group, "Stapling");
    ssl_report_flag(group, "enabled", cfg->stapling.enable);
    ssl_report_text(group, "responder", cfg->stapling.force_url);
    ssl_report_text(group, "proxy", cfg->stapling.proxy_url);
    if (!cfg->stapling.enable && cfg->policy && !ssl_global()->stapling_cache) {
        ssl_report_text(group, "note", "the built-in policies staple only where there is an SSLStaplingCache");
    }
}

static const char *const name_words[] = {
    [SSL_PEER_ANY_NAME] = "none", [SSL_PEER_NAMES] = "all", [SSL_PEER_COMMON_NAME] = "first common name"
};

static void report_trust(ssl_report *group, const ssl_proxy_config *proxy)
{
    ssl_report_text(group, "verify", word_of(verify_words, proxy->tls.verify));
    ssl_report_number(group, "depth", proxy->tls.verify_depth);
    ssl_report_text(group, "CA file", proxy->tls.ca_file);
    ssl_report_text(group, "CA path", proxy->tls.ca_path);
    if (proxy->tls.ca_file) {
        ssl_report_number(group, "CAs in the file", ssl_describe_count_certs(proxy->tls.ca_file));
    }
    ssl_report_text(group, "CRL check", word_of(crl_words, proxy->tls.crl_check & SSL_CRLCHECK_MASK));
    if (proxy->tls.crl_check & SSL_CRLCHECK_NO_CRL_OK) {
        ssl_report_flag(group, "no CRL is no error", 1);
    }
    ssl_report_text(group, "CRL file", proxy->tls.crl_file);
    ssl_report_text(group, "CRL path", proxy->tls.crl_path);
    if (proxy->tls.crl_file) {
        ssl_report_number(group, "CRLs in the file", ssl_describe_count_crls(proxy->tls.crl_file));
    }
}

/* SSLOCSP... of the server say how backends' responders are asked, too. */
static void report_proxy_ocsp(ssl_report *group, const ssl_proxy_config *proxy, const ssl_ocsp_config *ocsp)
{
    ssl_report_text(group, "OCSP", word_of(ocsp_words, proxy->ocsp & SSL_OCSP_MASK));
    if (proxy->ocsp & SSL_OCSP_MASK) {
        ssl_report_flag(group, "no OCSP responder is no error", (proxy->ocsp & SSL_OCSP_NO_URL_OK) != 0);
        ssl_report_text(group, "OCSP responder", ocsp->responder);
        ssl_report_text(group, "OCSP proxy", ocsp->proxy_url);
    }
}

/* Links stand for files of the same directory. */
static void describe_directory(apr_pool_t *p, ssl_report *list, const char *path)
{
    apr_finfo_t info;
    apr_dir_t *dir;

    if (apr_dir_open(&dir, path, p) != APR_SUCCESS) {
        return;
    }
    while (apr_dir_read(&info, APR_FINFO_NAME | APR_FINFO_TYPE, dir) == APR_SUCCESS) {
        if (info.filetype == APR_REG) {
            ssl_describe_file_certs(p, list, apr_pstrcat(p, path, "/", info.name, NULL));
        }
    }
    apr_dir_close(dir);
}

static void report_client_certs(apr_pool_t *p, ssl_report *group, const ssl_proxy_config *proxy)
{
    ssl_report *list;

    ssl_report_text(group, "certificate file", ssl_token_shown(p, proxy->cert_file));
    ssl_report_text(group, "certificate path", proxy->cert_path);
    ssl_report_text(group, "certificate chain", proxy->chain_file);
    list = ssl_report_list(group, "Certificates");
    if (proxy->cert_file && !ssl_is_key_uri(proxy->cert_file)) {
        ssl_describe_file_certs(p, list, proxy->cert_file);
    }
    if (proxy->cert_path) {
        describe_directory(p, list, proxy->cert_path);
    }
}

static void report_proxy(apr_pool_t *p, ssl_report *group, const ssl_proxy_config *proxy, const ssl_ocsp_config *ocsp)
{
    list_bits(ssl_report_list(group, "configured protocols"), protocol_words, proxy->tls.protocols);
    ssl_report_text(group, "configured ciphers", proxy->tls.cipher_suite);
    ssl_report_text(group, "configured TLS 1.3 suites", proxy->tls.tls13_cipher_suites);
    report_trust(group, proxy);
    report_proxy_ocsp(group, proxy, ocsp);
    ssl_report_text(group, "compared names", name_words[ssl_peer_rule(proxy->check_peer_name, proxy->check_peer_cn)]);
    ssl_report_flag(group, "dates checked", proxy->check_peer_expire);
    ssl_report_flag(group, "sessions resumed", proxy->session_cache);
    ssl_report_flag(group, "close_notify required", proxy->require_close_notify);
    ssl_report_text(group, "ALPN", proxy->alpn);
    ssl_report_text(group, "SNI", proxy->sni);
    report_client_certs(p, group, proxy);
}

/* Whether S or a section of it, of which it makes SECTIONS, speaks TLS to backends. */
static int has_backends(apr_pool_t *p, server_rec *s, apr_array_header_t **sections)
{
    int i, found = ssl_config_proxy_of(s)->engine == 1;

    *sections = ssl_proxy_sections(p, s);
    for (i = 0; i < (*sections)->nelts; i++) {
        found |= APR_ARRAY_IDX(*sections, i, ssl_proxy_section).settings->engine == 1;
    }
    return found;
}

static void report_backends(apr_pool_t *p, ssl_report *group, server_rec *s)
{
    const ssl_ocsp_config *ocsp = &ssl_config_of(s)->ocsp;
    const ssl_proxy_config *proxy = ssl_config_proxy_of(s);
    apr_array_header_t *sections;
    ssl_report *list;
    int i;

    if (!has_backends(p, s, &sections)) {
        return;
    }
    if (proxy->engine == 1) {
        ssl_report *own = ssl_report_group(group, "Backends");

        ssl_report_text(own, "defined at", proxy->defined_at);
        report_proxy(p, own, proxy, ocsp);
    }
    list = sections->nelts ? ssl_report_list(group, "Backend sections") : NULL;
    for (i = 0; i < sections->nelts; i++) {
        const ssl_proxy_section *section = &APR_ARRAY_IDX(sections, i, ssl_proxy_section);
        ssl_report *entry = ssl_report_entry(list, apr_pstrcat(p, "Backends of ", section->title, NULL));

        ssl_report_text(entry, "section", section->title);
        ssl_report_text(entry, "defined at", section->own->defined_at);
        ssl_report_flag(entry, "SSLProxyEngine", section->settings->engine == 1);
        report_proxy(p, entry, section->settings, ocsp);
    }
}

static void report_host(apr_pool_t *p, ssl_report *hosts, apr_hash_t *known, server_rec *s)
{
    const ssl_server_config *cfg = ssl_config_of(s);
    ssl_report *group = ssl_report_entry(hosts, apr_pstrcat(p, "Virtual host ", ssl_server_id(p, s), NULL));
    const ctx_report *r;

    report_identity(p, group, s);
    if (!cfg->host) {
        ssl_report_text(group, "error", "the server will not start with this virtual host: see the messages on stderr");
        return;
    }
    r = ctx_report_of(p, known, cfg);
    report_keys(p, group, s, cfg);
    ssl_report_adopt(group, "Certificates", r->certs);
    ssl_report_adopt(group, "TLS", r->tls);
    report_client_auth(group, cfg, r);
    report_sessions(group, cfg);
    report_stapling(group, cfg);
    report_backends(p, group, s);
}

/* A server that is a client of TLS only. */
static void report_client(apr_pool_t *p, ssl_report *root, ssl_report **list, server_rec *s)
{
    apr_array_header_t *sections;
    ssl_report *group;

    if (!has_backends(p, s, &sections)) {
        return;
    }
    *list = *list ? *list : ssl_report_list(root, "hosts with TLS to backends only");
    group = ssl_report_entry(*list, apr_pstrcat(p, s->is_virtual ? "Virtual host " : "Main server ",
                                                ssl_server_id(p, s), " (TLS to backends only)", NULL));
    report_identity(p, group, s);
    report_backends(p, group, s);
}

static void report_hosts(apr_pool_t *p, ssl_report *root, server_rec *main_server)
{
    ssl_report *list = ssl_report_list(root, "virtual hosts"), *clients = NULL;
    apr_array_header_t *servers = ssl_servers_in_order(p, main_server);
    apr_hash_t *known = apr_hash_make(p);
    int i;

    for (i = 0; i < servers->nelts; i++) {
        server_rec *s = APR_ARRAY_IDX(servers, i, server_rec *);

        if (ssl_config_of(s)->engine == 1) {
            report_host(p, list, known, s);
        }
        else {
            report_client(p, root, &clients, s);
        }
    }
}

/* --- policies ---------------------------------------------------------------------------- */

static void report_tls_settings(ssl_report *group, const char *protocols, const char *ciphers, const char *suites,
                                const ssl_tls_settings *tls)
{
    if (tls->protocols != SSL_UNSET) {
        list_bits(ssl_report_list(group, protocols), protocol_words, tls->protocols);
    }
    ssl_report_text(group, ciphers, tls->cipher_suite);
    ssl_report_text(group, suites, tls->tls13_cipher_suites);
}

static void report_policy(apr_pool_t *p, ssl_report *group, const ssl_policy *policy)
{
    const ssl_server_config *cfg = policy->settings;

    ssl_report_text(group, "name", policy->name);
    ssl_report_text(group, "defined at", policy->defined_at ? policy->defined_at : "built in");
    ssl_report_text(group, "extends", cfg->policy);
    report_tls_settings(group, "protocols", "ciphers", "TLS 1.3 suites", &cfg->tls);
    ssl_report_text(group, "honor cipher order", word_of(flag_words, cfg->honor_cipher_order));
    ssl_report_text(group, "session tickets", word_of(flag_words, cfg->session_tickets));
    ssl_report_text(group, "compression", word_of(flag_words, cfg->compression));
    ssl_report_text(group, "insecure renegotiation", word_of(flag_words, cfg->insecure_renegotiation));
    ssl_report_text(group, "stapling", word_of(stapling_words, cfg->stapling.enable));
    if (cfg->dh_bits > 0) {
        ssl_report_number(group, "DH parameters bits", cfg->dh_bits);
    }
    list_conf_cmds(p, group, cfg->conf_cmds);
    if (cfg->proxy) {
        report_tls_settings(group, "backend protocols", "backend ciphers", "backend TLS 1.3 suites", &cfg->proxy->tls);
    }
}

static void report_policies(apr_pool_t *p, ssl_report *root)
{
    const apr_array_header_t *policies = ssl_global()->policies;
    ssl_report *list = ssl_report_list(root, "policies");
    int i;

    for (i = 0; i < policies->nelts; i++) {
        const ssl_policy *policy = &APR_ARRAY_IDX(policies, i, ssl_policy);

        report_policy(p, ssl_report_entry(list, apr_pstrcat(p, "SSLPolicy ", policy->name, NULL)), policy);
    }
}

/* --- the dumps ------------------------------------------------------------------------------ */

static void build_versions(apr_pool_t *p, ssl_report *root, server_rec *main_server)
{
    (void)p;
    (void)main_server;
    report_versions(root);
}

static void build_policies(apr_pool_t *p, ssl_report *root, server_rec *main_server)
{
    (void)main_server;
    report_policies(p, root);
}

static void build_config(apr_pool_t *p, ssl_report *root, server_rec *main_server)
{
    ssl_init_for_report(main_server, p);
    report_versions(root);
    report_server(p, root);
    report_hosts(p, root, main_server);
}

static const struct dump {
    const char *define;
    void (*build)(apr_pool_t *p, ssl_report *root, server_rec *main_server);
    apr_status_t (*write)(const ssl_report *root, apr_file_t *out);
} dumps[] = {
    { "DUMP_SSL_VERSION", build_versions, ssl_report_write_text },
    { "DUMP_SSL_POLICIES", build_policies, ssl_report_write_text },
    { "DUMP_SSL_CONFIG", build_config, ssl_report_write_text },
    { "DUMP_SSL_CONFIG_JSON", build_config, ssl_report_write_json },
};

/* The paths of all SSLCertificateFile, engine on or off. */
static void dump_certs(apr_pool_t *p, apr_file_t *out, server_rec *s)
{
    apr_file_puts("Server certificates:\n", out);
    for (; s; s = s->next) {
        const apr_array_header_t *files = ssl_config_of(s)->cert_files;
        int i;

        for (i = 0; files && i < files->nelts; i++) {
            apr_file_printf(out, "  %s\n", ssl_token_shown(p, APR_ARRAY_IDX(files, i, const char *)));
        }
    }
    apr_file_flush(out);
}

int ssl_dump_asked(void)
{
    size_t i;

    for (i = 0; i < sizeof(dumps) / sizeof(dumps[0]); i++) {
        if (ap_exists_config_define(dumps[i].define)) {
            return 1;
        }
    }
    return ap_exists_config_define("DUMP_CERTS");
}

void ssl_dump(apr_pool_t *pconf, server_rec *main_server)
{
    apr_file_t *out;
    apr_pool_t *p;
    size_t i, n_written = 0;

    fflush(stdout); /* what others have printed comes first */
    apr_pool_create(&p, pconf);
    if (apr_file_open_flags_stdout(&out, APR_BUFFERED, p) != APR_SUCCESS) {
        return;
    }
    if (ap_exists_config_define("DUMP_CERTS")) {
        dump_certs(p, out, main_server);
    }
    for (i = 0; i < sizeof(dumps) / sizeof(dumps[0]); i++) {
        if (ap_exists_config_define(dumps[i].define)) {
            ssl_report *root = ssl_report_make(p);

            if (n_written++) {
                apr_file_putc('\n', out);
            }
            dumps[i].build(p, root, main_server);
            dumps[i].write(root, out);
        }
    }
}
