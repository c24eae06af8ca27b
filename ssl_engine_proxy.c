/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_proxy.c - TLS to backends: the outgoing SSL_CTX of each server and
 * <Proxy> section, made at start.
 *
 * It knows no server_rec and is kept over restarts, like those of hosts (see
 * ssl_engine_ctx.c).  What differs between sections without shaping an SSL_CTX
 * (SSLProxyVerify, SSLProxyCheckPeer...) is in the merged record that each
 * outgoing connection has.
 */
#include "ssl_check.h"
#include "ssl_keylog.h"
#include "ssl_log.h"
#include "ssl_pphrase.h"
#include "ssl_proxy.h"
#include "ssl_verify.h"

#include "mod_proxy.h"

#include "apr_optional_hooks.h"
#include "http_main.h"

#define OUTGOING "mod_ssl:outgoing-2"

/* --- sections ----------------------------------------------------------------------- */

static void add_section(apr_pool_t *p, apr_array_header_t *sections, server_rec *s, ap_conf_vector_t *vector,
                        const module *mod_proxy)
{
    const ssl_dir_config *dir = ap_get_module_config(vector, &ssl_module);
    const proxy_dir_conf *where = ap_get_module_config(vector, mod_proxy);
    ssl_proxy_config *settings;
    ssl_proxy_section *section;

    if (!dir || !dir->proxy) {
        return;
    }
    settings = apr_pcalloc(p, sizeof(*settings));
    ssl_config_proxy_merge(p, ssl_config_proxy_of(s), dir->proxy, settings);
    section = apr_array_push(sections);
    section->own = dir->proxy;
    section->settings = settings;
    section->title = apr_psprintf(p, "<Proxy%s \"%s\">", where && where->r ? "Match" : "",
                                  where && where->p ? where->p : "*");
}

apr_array_header_t *ssl_proxy_sections(apr_pool_t *p, server_rec *s)
{
    apr_array_header_t *sections = apr_array_make(p, 4, sizeof(ssl_proxy_section));
    const module *mod_proxy = ap_find_linked_module("mod_proxy.c"); /* it need not be there */
    const proxy_server_conf *conf = mod_proxy ? ap_get_module_config(s->module_config, mod_proxy) : NULL;
    int i;

    for (i = 0; conf && conf->sec_proxy && i < conf->sec_proxy->nelts; i++) {
        add_section(p, sections, s, APR_ARRAY_IDX(conf->sec_proxy, i, ap_conf_vector_t *), mod_proxy);
    }
    return sections;
}

const char *ssl_proxy_scope(apr_pool_t *p, server_rec *s, const ssl_proxy_section *section)
{
    const char *at = section ? section->own->defined_at : ssl_config_proxy_of(s)->defined_at;

    return apr_psprintf(p, "%s, %s (%s)", ssl_server_id(p, s), section ? section->title : "TLS to backends",
                        at ? at : "inherited");
}

/* --- making ------------------------------------------------------------------------- */

static void outgoing_free(void *object)
{
    ssl_outgoing *out = object;

    ssl_material_free(&out->material);
    SSL_CTX_free(out->ctx);
    ssl_resume_free(out->sessions);
    free(out->cipher_suite);
    free(out->tls13_cipher_suites);
    free(out);
}

static apr_status_t outgoing_cleanup(void *out)
{
    outgoing_free(out);
    return APR_SUCCESS;
}

/* Addresses of ours: set again when a kept SSL_CTX is used by reloaded code. */
static void set_callbacks(SSL_CTX *ctx)
{
    SSL_CTX_set_info_callback(ctx, ssl_log_info_callback);
    SSL_CTX_set_cert_cb(ctx, ssl_client_certs_choose, NULL);
    SSL_CTX_sess_set_new_cb(ctx, ssl_resume_new_session);
    ssl_keylog_setup(ctx);
}

static void set_options(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_ALL | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL |
                                            SSL_SESS_CACHE_NO_AUTO_CLEAR);
    SSL_CTX_set_post_handshake_auth(ctx, 1); /* a directory of the backend's may want our certificate */
}

static char *copy_or_null(const char *text)
{
    return text ? strdup(text) : NULL;
}

static ssl_outgoing *build(ssl_ctx_build *b, const ssl_proxy_config *settings)
{
    ssl_outgoing *out = ap_calloc(1, sizeof(*out));

    ERR_clear_error();
    out->ctx = b->ctx = SSL_CTX_new(TLS_client_method());
    out->protocols = settings->tls.protocols;
    out->cipher_suite = copy_or_null(settings->tls.cipher_suite);
    out->tls13_cipher_suites = copy_or_null(settings->tls.tls13_cipher_suites);
    out->sessions = ssl_resume_make();
    if (b->ctx) {
        set_options(b->ctx);
    }
    if (!b->ctx || ssl_ctx_set_protocols(b) != APR_SUCCESS || ssl_ctx_set_ciphers(b) != APR_SUCCESS ||
        ssl_material_load(b, settings, &out->material) != APR_SUCCESS) {
        outgoing_free(out);
        return NULL;
    }
    return out;
}

/* NULL: it is not kept.  What is in directories is not looked at: it serves one reading. */
static const char *sign(const ssl_proxy_config *settings, apr_pool_t *p)
{
    int directories = settings->tls.ca_path || settings->tls.crl_path || settings->cert_path;

    if (ssl_ctx_others_look()) {
        return NULL;
    }
    return apr_psprintf(p, "%s\n%s\n%" APR_TIME_T_FMT, ssl_config_proxy_signature(p, settings),
                        ssl_global()->fips == 1 ? "fips" : "", directories ? ssl_global()->read_at : 0);
}

static ssl_outgoing *find_or_build(ssl_ctx_build *b, const ssl_proxy_config *settings)
{
    const char *signature = sign(settings, b->p);
    ssl_kept *kept = signature ? ssl_kept_find(OUTGOING, signature) : NULL;
    ssl_outgoing *out = kept ? kept->object : build(b, settings);

    if (!out) {
        return NULL;
    }
    if (kept) {
        kept->in_use = 1;
    }
    else if (signature && !b->outdated_key) {
        ssl_kept_add(OUTGOING, signature, out);
    }
    else {
        apr_pool_cleanup_register(b->server->process->pconf, out, outgoing_cleanup, apr_pool_cleanup_null);
    }
    set_callbacks(out->ctx);
    return out;
}

static int tell_others(server_rec *s, apr_pool_t *p, const ssl_outgoing *out, const char *id)
{
    int rv = ssl_run_init_server(s, p, 1, out->ctx);

    if (rv == OK || rv == DECLINED) {
        return 1;
    }
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "%s: the init_server hook of another module failed", id);
    return 0;
}

/* SETTINGS are complete. NULL: logged why. */
static const ssl_outgoing *make(server_rec *s, const ssl_proxy_config *settings, const char *at, apr_pool_t *p,
                                apr_pool_t *ptemp)
{
    ssl_server_config *cfg = apr_pmemdup(ptemp, ssl_config_of(s), sizeof(*cfg));
    ssl_ctx_build b = { .server = s, .cfg = cfg, .p = ptemp, .outgoing = 1 };
    ssl_outgoing *out;

    ssl_ocsp_init(s, ssl_server_id(ptemp, s), settings->ocsp, p, ptemp);
    cfg->tls = settings->tls;
    b.id = apr_psprintf(ptemp, "%s, TLS to backends (%s)", ssl_server_id(ptemp, s), at ? at : "inherited");
    out = find_or_build(&b, settings);
    if (!out || !tell_others(s, p, out, b.id)) {
        return NULL;
    }
    ssl_material_know(p, out);
    return out;
}

/* --- post_config ---------------------------------------------------------------------- */

apr_status_t ssl_proxy_make_server(server_rec *s, apr_pool_t *p, apr_pool_t *ptemp)
{
    ssl_proxy_config *proxy = ssl_config_of(s)->proxy;

    if (!proxy || proxy->engine != 1) {
        return APR_SUCCESS;
    }
    proxy->made = make(s, proxy, proxy->defined_at, p, ptemp);
    return proxy->made ? APR_SUCCESS : APR_EGENERAL;
}

/* Whether a section with these SETTINGS can come to be used: virtual hosts inherit
 * the main server's sections, and may have the engine on. */
static int is_needed(const ssl_proxy_config *settings)
{
    server_rec *s;

    for (s = ap_server_conf; s && settings->engine != 1; s = s->next) {
        if (ssl_config_proxy_of(s)->engine == 1) {
            return 1;
        }
    }
    return settings->engine == 1;
}

static int section_post_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s,
                               ap_conf_vector_t *section)
{
    ssl_dir_config *dir = section ? ap_get_module_config(section, &ssl_module) : NULL;
    ssl_proxy_config *proxy = dir ? dir->proxy : NULL, settings = { 0 };

    (void)plog;
    if (!proxy || proxy->made) {
        return OK;
    }
    ssl_config_proxy_merge(ptemp, ssl_config_proxy_of(s), proxy, &settings);
    if (!is_needed(&settings)) {
        return OK;
    }
    proxy->made = make(s, &settings, proxy->defined_at, p, ptemp);
    if (!proxy->made) {
        ssl_pphrase_forget(); /* sections_are_made() is not reached */
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

static apr_status_t forget_all(void *unused)
{
    (void)unused;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_EXITING) {
        ssl_kept_sweep(OUTGOING, outgoing_free);
    }
    return APR_SUCCESS;
}

/* All sections are made: what the last configuration had and this one has not, goes. */
static int sections_are_made(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    (void)plog;
    ssl_pphrase_forget();
    ssl_kept_sweep(OUTGOING, outgoing_free);
    if (ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG) {
        ssl_check_client_certs(s, ptemp);
    }
    apr_pool_cleanup_register(p, NULL, forget_all, apr_pool_cleanup_null);
    return OK;
}

void ssl_proxy_register(apr_pool_t *p)
{
    (void)p;
    APR_OPTIONAL_HOOK(proxy, section_post_config, section_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(proxy, fixups, ssl_reuse_note_backend, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(proxy, request_status, ssl_reuse_forget, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(ssl_reuse_note, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_post_config(sections_are_made, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_ssl_bind_outgoing(ssl_proxy_bind, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_insert_error_filter(ssl_proxy_explain_page, NULL, NULL, APR_HOOK_MIDDLE);
}
