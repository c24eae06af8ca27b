/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_kernel.c - requests: what TLS means for each, hook by hook.
 */
#include "ssl_kernel.h"

#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_filter.h"
#include "ssl_metrics.h"
#include "ssl_vars.h"
#include "ssl_verify.h"

const char *ssl_hook_http_scheme(const request_rec *r)
{
    return ssl_config_of(r->server)->engine == 1 ? "https" : NULL;
}

apr_port_t ssl_hook_default_port(const request_rec *r)
{
    return ssl_config_of(r->server)->engine == 1 ? DEFAULT_HTTPS_PORT : 0;
}

int ssl_hook_conn_is_ssl(conn_rec *c)
{
    return ssl_conn_secure(c) ? OK : DECLINED;
}

/* --- the request is read --------------------------------------------------------- */

/* A certificate that only stands in until mod_md has a real one serves no content. */
static int refuse_on_fallback(ssl_conn *conn, request_rec *r)
{
    if (!conn->service_unavailable) {
        return DECLINED;
    }
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  APLOGNO(10085) "%s has no certificate of its own yet: requests get 503 until it has",
                  ssl_server_id(r->pool, conn->server));
    return HTTP_SERVICE_UNAVAILABLE;
}

int ssl_hook_read_request(request_rec *r)
{
    ssl_conn *conn = ssl_conn_get(r->connection);
    int rv;

    if (!conn) {
        return DECLINED;
    }
    rv = ssl_plain_refuse(r);
    if (rv != DECLINED || conn->plain_http) {
        return rv;
    }
    apr_table_setn(r->notes, "ssl-secure-reneg", SSL_get_secure_renegotiation_support(conn->ssl) ? "1" : "0");
    rv = refuse_on_fallback(conn, r);
    if (rv != DECLINED) {
        return rv;
    }
    rv = ssl_access_check_vhost(conn, r);
    if (rv == OK) {
        return DECLINED;
    }
    ssl_count(SSL_COUNT_MISDIRECTED);
    return rv;
}

/* How to close, as the environment (BrowserMatch, SetEnvIf) says by now. */
int ssl_hook_note_shutdown(request_rec *r)
{
    ssl_conn *conn = ssl_conn_secure(r->connection);

    if (!conn || r->connection->master) {
        return DECLINED;
    }
    if (apr_table_get(r->subprocess_env, "ssl-unclean-shutdown")) {
        conn->shutdown = SSL_SHUTDOWN_UNCLEAN;
    }
    else if (apr_table_get(r->subprocess_env, "ssl-accurate-shutdown")) {
        conn->shutdown = SSL_SHUTDOWN_ACCURATE;
    }
    return DECLINED;
}

/* --- who is the user, what do programs see ------------------------------------------ */

int ssl_hook_user_name(request_rec *r)
{
    const ssl_dir_config *dir = ssl_dir_config_of(r);
    const char *name;

    /* With FakeBasicAuth the user is the one whose password was checked. */
    if (!dir->user_name || !ssl_conn_secure(r->connection) || (ssl_dir_options(r) & SSL_OPT_FAKE_BASIC_AUTH)) {
        return DECLINED;
    }
    name = ssl_var_lookup(r->pool, r->server, r->connection, r, dir->user_name);
    if (name && *name) {
        r->user = apr_pstrdup(r->pool, name);
    }
    return DECLINED;
}

int ssl_hook_fixups(request_rec *r)
{
    int options;

    ssl_hook_note_shutdown(r);
    if (!ssl_conn_secure(r->connection)) {
        return DECLINED;
    }
    options = ssl_dir_options(r);
    ssl_vars_export(r, options & SSL_OPT_STD_ENV_VARS, options & SSL_OPT_EXPORT_CERT_DATA);
    return DECLINED;
}
