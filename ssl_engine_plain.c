/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_plain.c - the mistaken port, both ways round.
 *
 * HTTP on a TLS port: the filters have let the bytes through unchanged; the
 * request is read as any other and refused with a page that leads to https.
 *
 * A ClientHello on a port of plain HTTP: a TLS alert at once, and a log line
 * that names the virtual host and what it lacks.
 */
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_filter.h"

#include "util_filter.h"

#define WATCH_NAME "SSL ClientHello on a plain port"

static ap_filter_rec_t *watch_filter;

/* --- HTTP on a TLS port -------------------------------------------------------------- */

/* r->uri is still as it was sent: httpd decodes it later. */
static const char *https_url(request_rec *r)
{
    const char *path = r->uri && r->uri[0] == '/' ? r->uri : "/";

    return ap_construct_url(r->pool, apr_pstrcat(r->pool, path, r->args ? "?" : NULL, r->args, NULL), r);
}

int ssl_plain_refuse(request_rec *r)
{
    ssl_conn *conn = ssl_conn_get(r->connection);
    const char *url;

    if (!conn || !conn->plain_http || r->prev || r->main) {
        return DECLINED;
    }
    url = ap_escape_html(r->pool, https_url(r));
    apr_table_setn(r->notes, "error-notes",
                   apr_pstrcat(r->pool, "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />\n"
                               "Use the HTTPS scheme for this address, please: <a href=\"", url, "\"><b>", url,
                               "</b></a><br />\n", NULL));
    /* Nobody reads its body: least of all the program of an ErrorDocument. */
    apr_table_unset(r->headers_in, "Content-Length");
    apr_table_unset(r->headers_in, "Transfer-Encoding");
    r->connection->keepalive = AP_CONN_CLOSE;
    return HTTP_BAD_REQUEST;
}

/* --- a ClientHello on a plain port ------------------------------------------------------ */

/* Fatal handshake_failure in a record that every version understands (RFC 8446, 5.1 and 6). */
static const char alert_record[] = { 0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28 };

static void refuse_hello(ap_filter_t *f)
{
    conn_rec *c = f->c;
    server_rec *s = c->base_server;
    apr_bucket_brigade *bb = apr_brigade_create(c->pool, c->bucket_alloc);

    ap_log_cerror(APLOG_MARK, APLOG_ERR, 0, c,
                  "TLS spoken on a port of plain HTTP (%pI): the virtual host %s (%s:%u) has no SSLEngine on; a client "
                  "that asks for https:// here is refused", c->local_addr, ssl_server_id(c->pool, s),
                  s->defn_name ? s->defn_name : "main server", s->defn_line_number);
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_immortal_create(alert_record, sizeof(alert_record), c->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(c->bucket_alloc));
    ap_pass_brigade(c->output_filters, bb);
    apr_brigade_destroy(bb);
    c->keepalive = AP_CONN_CLOSE;
    c->aborted = 1;
}

/* Looks at the first two bytes: content type handshake, which no request begins
 * with, and major version 3 if it is there already. */
static apr_status_t look(ap_filter_t *f, apr_read_type_e block, int *is_hello)
{
    apr_bucket_brigade *bb = apr_brigade_create(f->c->pool, f->c->bucket_alloc);
    char head[2] = { 0 };
    apr_size_t len = 0;
    apr_status_t rv;

    rv = ap_get_brigade(f->next, bb, AP_MODE_SPECULATIVE, block, sizeof(head));
    if (rv == APR_SUCCESS) {
        len = sizeof(head);
        rv = apr_brigade_flatten(bb, head, &len);
    }
    apr_brigade_destroy(bb);
    *is_hello = len > 0 && head[0] == 0x16 && (len == 1 || head[1] == 0x03);
    return rv == APR_SUCCESS && len == 0 ? APR_EAGAIN : rv;
}

typedef enum { WATCHING, HARMLESS, REFUSED } watch_state;

/* It stays in the chain and only passes on when it has seen enough: requests
 * that began meanwhile lead through it. */
static apr_status_t watch(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode, apr_read_type_e block,
                          apr_off_t readbytes)
{
    watch_state *state = f->ctx;
    int is_hello = 0;

    if (*state == WATCHING && mode != AP_MODE_INIT && look(f, block, &is_hello) == APR_SUCCESS) {
        *state = is_hello ? REFUSED : HARMLESS;
        if (is_hello) {
            refuse_hello(f);
        }
    }
    return *state == REFUSED ? APR_EOF : ap_get_brigade(f->next, bb, mode, block, readbytes);
}

/* Only where a virtual host could have been meant: on servers that use TLS at all. */
static int tls_in_use;

void ssl_plain_watch(conn_rec *c)
{
    if (tls_in_use) {
        ap_add_input_filter_handle(watch_filter, apr_pcalloc(c->pool, sizeof(watch_state)), NULL, c);
    }
}

void ssl_plain_init(int any_tls)
{
    tls_in_use = any_tls;
}

void ssl_plain_register(apr_pool_t *p)
{
    (void)p;
    watch_filter = ap_register_input_filter(WATCH_NAME, watch, NULL, AP_FTYPE_CONNECTION + 5);
}
