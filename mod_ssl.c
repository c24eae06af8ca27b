/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_ssl.c - the module record and the hooks: the table of contents.
 *
 * Directives stand in ssl_engine_cmds.c.  Where to look for the rest:
 *
 *   start        ssl_engine_init.c, ssl_engine_ctx.c, ssl_engine_certs.c, ssl_engine_token.c, ssl_engine_pphrase.c,
 *                ssl_engine_policy.c, ssl_engine_dump.c
 *   connection   ssl_engine_handshake.c, ssl_engine_sni.c, ssl_engine_verify.c
 *   bytes        ssl_engine_io.c, ssl_engine_bio.c, ssl_engine_plain.c
 *   request      ssl_engine_kernel.c, ssl_engine_access.c, ssl_engine_reneg.c, ssl_engine_buffer.c, ssl_engine_vars.c,
 *                ssl_engine_expr.c and ssl_util_expr.c (SSLRequire)
 *   sessions     ssl_scache.c, ssl_engine_ticket.c
 *   stapling     ssl_engine_stapling.c, ssl_engine_staplefetch.c
 *   backends     ssl_engine_proxy.c, ssl_engine_backend.c
 *   figures      ssl_engine_metrics.c
 *   mistakes     ssl_engine_check.c, ssl_engine_certcheck.c, ssl_engine_dircheck.c, ssl_engine_explain.c
 */
#include "mod_ssl.h"

#include "ssl_check.h"
#include "ssl_config.h"
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_filter.h"
#include "ssl_kernel.h"
#include "ssl_metrics.h"
#include "ssl_proxy.h"
#include "ssl_scache.h"
#include "ssl_ticket.h"
#include "ssl_vars.h"
#include "ssl_verify.h"

#include "http_ssl.h"
#include "mod_status.h"
#include "mpm_common.h"

/* --- optional functions for other modules -------------------------------------------- */

static int ssl_is_https(conn_rec *c)
{
    return ssl_conn_secure(c) != NULL;
}

static int ssl_engine_set(conn_rec *c, ap_conf_vector_t *dir_conf, int proxy, int enable)
{
    ssl_conn *conn = ap_get_module_config(c->conn_config, &ssl_module);

    if (enable) {
        return proxy ? ssl_proxy_bind(c, dir_conf, 1) == OK : conn && conn->ssl;
    }
    /* A connection that ssl_bind_outgoing has bound stays so: mod_proxy, when that hook has switched TLS on, has
     * it switched off here, for modules of the old kind not to do it once more. */
    if (!conn) {
        conn = apr_pcalloc(c->pool, sizeof(*conn));
        conn->c = c;
        conn->server = c->base_server;
        ssl_conn_abort(conn, APR_ENOTIMPL); /* pre_connection leaves it alone */
        c->keepalive = AP_CONN_UNKNOWN;
        ap_set_module_config(c->conn_config, &ssl_module, conn);
    }
    return conn->ssl == NULL;
}

static int ssl_proxy_enable(conn_rec *c)
{
    return ssl_engine_set(c, NULL, 1, 1);
}

static int ssl_engine_disable(conn_rec *c)
{
    return ssl_engine_set(c, NULL, 0, 0);
}

/* --- hooks -------------------------------------------------------------------------------- */

static int pre_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    ssl_config_begin(p);
    return ssl_scache_register_mutexes(p) == APR_SUCCESS ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

static void register_optional_functions(void)
{
    APR_REGISTER_OPTIONAL_FN(ssl_is_https);
    APR_REGISTER_OPTIONAL_FN(ssl_proxy_enable);
    APR_REGISTER_OPTIONAL_FN(ssl_engine_disable);
    APR_REGISTER_OPTIONAL_FN(ssl_engine_set);
}

static void register_hooks(apr_pool_t *p)
{
    /* The time limits of mod_reqtimeout begin before the handshake; mod_http2
     * reads what ALPN has chosen after it. */
    static const char *const before_handshake[] = { "mod_reqtimeout.c", NULL };
    static const char *const after_handshake[] = { "mod_http2.c", NULL };
    /* What BrowserMatch and SetEnvIf say about shutdown is known after them. */
    static const char *const setenvif[] = { "mod_setenvif.c", NULL };
    /* <Proxy> sections are made, by its post_config, upon what the servers have. */
    static const char *const proxy[] = { "mod_proxy.c", NULL };

    register_optional_functions();
    ssl_io_register(p);
    ssl_plain_register(p);
    ssl_access_register(p);
    ssl_buffer_register(p);
    ssl_vars_register(p);
    ssl_proxy_register(p);
    APR_OPTIONAL_HOOK(ap, status_hook, ssl_scache_status, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ap, status_hook, ssl_metrics_status, NULL, NULL, APR_HOOK_MIDDLE);

    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_test_config(ssl_check_test_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(ssl_init_module, NULL, proxy, APR_HOOK_MIDDLE); /* mod_md puts itself before us */
    ap_hook_test_config(ssl_dump, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_monitor(ssl_ticket_monitor, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(ssl_init_child, NULL, NULL, APR_HOOK_MIDDLE);

    ap_hook_pre_connection(ssl_conn_pre_connection, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_process_connection(ssl_conn_process_connection, before_handshake, after_handshake, APR_HOOK_FIRST);

    ap_hook_http_scheme(ssl_hook_http_scheme, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_default_port(ssl_hook_default_port, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_read_request(ssl_hook_read_request, NULL, setenvif, APR_HOOK_REALLY_FIRST);
    ap_hook_post_read_request(ssl_hook_note_shutdown, setenvif, NULL, APR_HOOK_LAST);
    ap_hook_post_perdir_config(ssl_access_check_demands, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_check_access(ssl_access_check, NULL, NULL, APR_HOOK_MIDDLE, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_check_access(ssl_hook_user_name, NULL, NULL, APR_HOOK_LAST, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_check_authn(ssl_access_check_strict, NULL, NULL, APR_HOOK_REALLY_FIRST, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_check_authn(ssl_access_fake_basic, NULL, NULL, APR_HOOK_FIRST, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_fixups(ssl_access_check_strict, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_fixups(ssl_hook_fixups, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(ssl_metrics_handler, NULL, NULL, APR_HOOK_MIDDLE);

    ap_hook_ssl_conn_is_ssl(ssl_hook_conn_is_ssl, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA ssl_module = {
    STANDARD20_MODULE_STUFF,
    ssl_config_dir_create,
    ssl_config_dir_merge,
    ssl_config_server_create,
    ssl_config_server_merge,
    ssl_directives,
    register_hooks,
    0
};
