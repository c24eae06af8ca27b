/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_tls_probe.c - a module of the tests that talks to mod_ssl the way third parties do: through the optional functions
 * and hooks of the installed mod_ssl.h, the functions and hooks of http_ssl.h, and ALPN.
 *
 *   SetHandler ssl-probe                 answers "name value" lines for the words of the query string, see probe_handler
 *   ProbeFiles WAY CERTIFICATE KEY       gives these files to mod_ssl by the hook WAY: optional, core,
 *                                        fallback-optional or fallback-core; may be given more than once
 *   ProbeChallenge NAME CERTIFICATE KEY  answers acme-tls/1 connections that name NAME with this certificate
 *   ProbeLog on                          logs every call of the hooks with OpenSSL's types
 *   ProbeRefuse pre_handshake|proxy_post_handshake|init_server   makes that hook return an error
 */
/* first: some of the others need it */
#include "httpd.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_main.h"
#include "http_protocol.h"
#include "http_ssl.h"
#include "mod_ssl.h"

#include <openssl/ssl.h>

/* The installed header of these hooks is not everywhere: Debian leaves mod_ssl_openssl.h out. */
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, init_server, (server_rec *s, apr_pool_t *p, int is_proxy, SSL_CTX *ctx))
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, pre_handshake, (conn_rec *c, SSL *ssl, int is_proxy))
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, proxy_post_handshake, (conn_rec *c, SSL *ssl))

extern module AP_MODULE_DECLARE_DATA tls_probe_module;
APLOG_USE_MODULE(tls_probe);

#define ACME "acme-tls/1"

typedef struct probe_files {
    const char *way, *cert, *key;
    struct probe_files *next;
} probe_files;

typedef struct {
    probe_files *files;
    const char *challenge_name, *challenge_cert, *challenge_key;
    const char *refuse;
    int log;
} probe_server;

static probe_server *server_record(server_rec *s)
{
    return ap_get_module_config(s->module_config, &tls_probe_module);
}

static void *create_server(apr_pool_t *p, server_rec *s)
{
    return apr_pcalloc(p, sizeof(probe_server));
}

/* Logging and refusing count everywhere, files and challenges only where they are given. */
static void *merge_server(apr_pool_t *p, void *base, void *add)
{
    probe_server *merged = apr_pmemdup(p, add, sizeof *merged);
    const probe_server *main_server = base;
    merged->log |= main_server->log;
    if (!merged->refuse)
        merged->refuse = main_server->refuse;
    return merged;
}

static const char *set_files(cmd_parms *cmd, void *unused, const char *way, const char *cert, const char *key)
{
    probe_files **end = &server_record(cmd->server)->files;
    while (*end)
        end = &(*end)->next;
    *end = apr_pcalloc(cmd->pool, sizeof **end);
    (*end)->way = way;
    (*end)->cert = cert;
    (*end)->key = key;
    return NULL;
}

/* Read while the server still is root: it need not be able to later. */
static const char *file_text(apr_pool_t *p, const char *path)
{
    apr_file_t *file;
    apr_finfo_t info;
    if (apr_file_open(&file, path, APR_READ, 0, p) != APR_SUCCESS)
        return NULL;
    char *text = NULL;
    if (apr_file_info_get(&info, APR_FINFO_SIZE, file) == APR_SUCCESS) {
        apr_size_t length = (apr_size_t)info.size;
        text = apr_pcalloc(p, length + 1);
        if (apr_file_read_full(file, text, length, &length) != APR_SUCCESS)
            text = NULL;
    }
    apr_file_close(file);
    return text;
}

static const char *set_challenge(cmd_parms *cmd, void *unused, const char *name, const char *cert, const char *key)
{
    probe_server *record = server_record(cmd->server);
    record->challenge_name = name;
    record->challenge_cert = file_text(cmd->pool, cert);
    record->challenge_key = file_text(cmd->pool, key);
    return record->challenge_cert && record->challenge_key ? NULL : "ProbeChallenge: cannot read a file";
}

static const char *set_log(cmd_parms *cmd, void *unused, int on)
{
    server_record(cmd->server)->log = on;
    return NULL;
}

static const char *set_refuse(cmd_parms *cmd, void *unused, const char *hook)
{
    server_record(cmd->server)->refuse = hook;
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_TAKE3("ProbeFiles", set_files, NULL, RSRC_CONF, "a way, a certificate file and a key file"),
    AP_INIT_TAKE3("ProbeChallenge", set_challenge, NULL, RSRC_CONF, "a name, a certificate file and a key file"),
    AP_INIT_FLAG("ProbeLog", set_log, NULL, RSRC_CONF, "log the calls of hooks"),
    AP_INIT_TAKE1("ProbeRefuse", set_refuse, NULL, RSRC_CONF, "the hook that fails"),
    { NULL }
};

/* ---- certificates ------------------------------------------------------------------------------- */

static int add_files(server_rec *s, const char *way, apr_array_header_t *certs, apr_array_header_t *keys)
{
    const probe_files *files = server_record(s)->files;
    int rv = DECLINED;
    for (; files; files = files->next) {
        if (strcmp(files->way, way) == 0) {
            APR_ARRAY_PUSH(certs, const char *) = files->cert;
            APR_ARRAY_PUSH(keys, const char *) = files->key;
            rv = OK;
        }
    }
    return rv;
}

static int files_optional(server_rec *s, apr_pool_t *p, apr_array_header_t *certs, apr_array_header_t *keys)
{
    return add_files(s, "optional", certs, keys);
}

static int files_core(server_rec *s, apr_pool_t *p, apr_array_header_t *certs, apr_array_header_t *keys)
{
    return add_files(s, "core", certs, keys);
}

static int fallback_optional(server_rec *s, apr_pool_t *p, apr_array_header_t *certs, apr_array_header_t *keys)
{
    return add_files(s, "fallback-optional", certs, keys);
}

static int fallback_core(server_rec *s, apr_pool_t *p, apr_array_header_t *certs, apr_array_header_t *keys)
{
    return add_files(s, "fallback-core", certs, keys);
}

/* ---- acme-tls/1 --------------------------------------------------------------------------------- */

static int offers_acme(const apr_array_header_t *offers)
{
    for (int i = 0; offers && i < offers->nelts; ++i) {
        if (!strcmp(APR_ARRAY_IDX(offers, i, const char *), ACME))
            return 1;
    }
    return 0;
}

static int propose(conn_rec *c, request_rec *r, server_rec *s, const apr_array_header_t *offers, apr_array_header_t *proposals)
{
    if (r || !server_record(s)->challenge_name || !offers_acme(offers) || !ap_ssl_conn_is_ssl(c))
        return DECLINED;
    APR_ARRAY_PUSH(proposals, const char *) = ACME;
    return OK;
}

static int switch_protocol(conn_rec *c, request_rec *r, server_rec *s, const char *protocol)
{
    return !r && !strcmp(protocol, ACME) ? OK : DECLINED;
}

static int answer_challenge(conn_rec *c, const char *name, const char **cert, const char **key)
{
    for (server_rec *s = ap_server_conf; s; s = s->next) {
        const probe_server *record = server_record(s);
        if (!record->challenge_name || strcasecmp(record->challenge_name, name))
            continue;
        *cert = record->challenge_cert;
        *key = record->challenge_key;
        return OK;
    }
    return DECLINED;
}

/* ---- hooks with OpenSSL's types ------------------------------------------------------------------ */

static int refuses(server_rec *s, const char *hook)
{
    const probe_server *record = server_record(s);
    return record->refuse && !strcmp(record->refuse, hook);
}

static int init_server(server_rec *s, apr_pool_t *p, int is_proxy, SSL_CTX *ctx)
{
    if (server_record(s)->log) {
        /* whether certificates are in place already */
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "probe: init_server %s proxy=%d ctx=%d certificate=%d",
                     s->server_hostname, is_proxy, ctx != NULL, ctx && SSL_CTX_get0_certificate(ctx) != NULL);
    }
    return refuses(s, "init_server") ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

static int pre_handshake(conn_rec *c, SSL *ssl, int is_proxy)
{
    if (server_record(c->base_server)->log) {
        ap_log_cerror(APLOG_MARK, APLOG_NOTICE, 0, c, "probe: pre_handshake proxy=%d begun=%d of %s:%d", is_proxy,
                      SSL_is_init_finished(ssl) || !SSL_in_before(ssl), c->base_server->server_hostname,
                      c->client_addr->port);
    }
    return refuses(c->base_server, "pre_handshake") ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

static int proxy_post_handshake(conn_rec *c, SSL *ssl)
{
    if (server_record(c->base_server)->log) {
        ap_log_cerror(APLOG_MARK, APLOG_NOTICE, 0, c, "probe: proxy_post_handshake finished=%d",
                      SSL_is_init_finished(ssl));
    }
    return refuses(c->base_server, "proxy_post_handshake") ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

/* ---- the page ------------------------------------------------------------------------------------ */

static const char *shown(const char *value)
{
    return value ? value : "(null)";
}

static void print_presence(request_rec *r)
{
    ap_rprintf(r, "ssl_var_lookup %d\n", APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup) != NULL);
    ap_rprintf(r, "ssl_ext_list %d\n", APR_RETRIEVE_OPTIONAL_FN(ssl_ext_list) != NULL);
    ap_rprintf(r, "ssl_is_https %d\n", APR_RETRIEVE_OPTIONAL_FN(ssl_is_https) != NULL);
    ap_rprintf(r, "ssl_proxy_enable %d\n", APR_RETRIEVE_OPTIONAL_FN(ssl_proxy_enable) != NULL);
    ap_rprintf(r, "ssl_engine_disable %d\n", APR_RETRIEVE_OPTIONAL_FN(ssl_engine_disable) != NULL);
    ap_rprintf(r, "ssl_engine_set %d\n", APR_RETRIEVE_OPTIONAL_FN(ssl_engine_set) != NULL);
    ap_rprintf(r, "outgoing %d\n", ap_ssl_has_outgoing_handlers());
}

static void print_https(request_rec *r)
{
    APR_OPTIONAL_FN_TYPE(ssl_is_https) *is_https = APR_RETRIEVE_OPTIONAL_FN(ssl_is_https);
    conn_rec *c = r->connection;
    conn_rec *master = c->master ? c->master : c;
    ap_rprintf(r, "fn %d\n", is_https ? is_https(c) : -1);
    ap_rprintf(r, "fn-master %d\n", is_https ? is_https(master) : -1);
    ap_rprintf(r, "core %d\n", ap_ssl_conn_is_ssl(c));
    ap_rprintf(r, "core-master %d\n", ap_ssl_conn_is_ssl(master));
    ap_rprintf(r, "secondary %d\n", c->master != NULL);
    ap_rprintf(r, "scheme %s\nport %d\n", ap_http_scheme(r), (int)ap_default_port(r));
}

/* By both ways: with the request, with the connection alone, with the server alone. */
static void print_variable(request_rec *r, char *name)
{
    APR_OPTIONAL_FN_TYPE(ssl_var_lookup) *lookup = APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup);
    if (lookup) {
        ap_rprintf(r, "fn:%s %s\n", name, shown(lookup(r->pool, r->server, r->connection, r, name)));
        ap_rprintf(r, "fn-conn:%s %s\n", name, shown(lookup(r->pool, r->server, r->connection, NULL, name)));
        ap_rprintf(r, "fn-server:%s %s\n", name, shown(lookup(r->pool, r->server, NULL, NULL, name)));
    }
    ap_rprintf(r, "core:%s %s\n", name, shown(ap_ssl_var_lookup(r->pool, r->server, r->connection, r, name)));
    ap_rprintf(r, "core-conn:%s %s\n", name, shown(ap_ssl_var_lookup(r->pool, r->server, r->connection, NULL, name)));
    ap_rprintf(r, "core-server:%s %s\n", name, shown(ap_ssl_var_lookup(r->pool, r->server, NULL, NULL, name)));
}

static void print_extension(request_rec *r, int peer, const char *name)
{
    APR_OPTIONAL_FN_TYPE(ssl_ext_list) *list = APR_RETRIEVE_OPTIONAL_FN(ssl_ext_list);
    apr_array_header_t *values = list ? list(r->pool, r->connection, peer, name) : NULL;
    ap_rprintf(r, "count:%s %d\n", name, values ? values->nelts : -1);
    for (int i = 0; values && i < values->nelts; ++i)
        ap_rprintf(r, "value:%s %s\n", name, APR_ARRAY_IDX(values, i, const char *));
}

static int print_entry(void *data, const char *name, const char *value)
{
    ap_rprintf(data, "note:%s %s\n", name, value);
    return 1;
}

/* Words: "fns", "https", "notes", "var:NAME", "ext:NAME" (server's certificate), "peerext:NAME", with & between. */
static int probe_handler(request_rec *r)
{
    if (!r->handler || strcmp(r->handler, "ssl-probe"))
        return DECLINED;
    ap_set_content_type(r, "text/plain");
    char *state, *words = apr_pstrdup(r->pool, r->args ? r->args : "");
    for (char *word = apr_strtok(words, "&", &state); word; word = apr_strtok(NULL, "&", &state)) {
        ap_unescape_url(word);
        if (!strcmp(word, "fns"))
            print_presence(r);
        else if (!strcmp(word, "https"))
            print_https(r);
        else if (!strcmp(word, "notes"))
            apr_table_do(print_entry, r, r->notes, NULL);
        else if (!strncmp(word, "var:", 4))
            print_variable(r, word + 4);
        else if (!strncmp(word, "ext:", 4))
            print_extension(r, 0, word + 4);
        else if (!strncmp(word, "peerext:", 8))
            print_extension(r, 1, word + 8);
    }
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    ap_hook_handler(probe_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_ssl_add_cert_files(files_core, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_ssl_add_fallback_cert_files(fallback_core, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_protocol_propose(propose, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_protocol_switch(switch_protocol, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_ssl_answer_challenge(answer_challenge, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ssl, add_cert_files, files_optional, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ssl, add_fallback_cert_files, fallback_optional, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ssl, init_server, init_server, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ssl, pre_handshake, pre_handshake, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ssl, proxy_post_handshake, proxy_post_handshake, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA tls_probe_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, create_server, merge_server, commands, register_hooks
};
