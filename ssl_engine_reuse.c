/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_reuse.c - whether a connection to a backend that lies in
 * mod_proxy's pool is for the request that would use it again.
 *
 * Virtual hosts and sections may share a worker, and with it its pool, and
 * differ in what they demand of the backend or who they are to it.  mod_proxy
 * gives no say in which connection it takes; but before it uses one it looks
 * whether it is still open, by a read through our filter, in the thread that
 * serves the request.  One that is not for that request is closed then, which
 * mod_proxy takes for the backend's doing: it makes another.
 */
#include "ssl_filter.h"
#include "ssl_proxy.h"

/* What this thread hands to mod_proxy: valid until that has answered, and only looked at before. */
static _Thread_local request_rec *served;

/* Whose response mod_proxy_http makes in this thread: only compared, for it may be gone. */
static _Thread_local const conn_rec *http_client;

/* SetHandler "proxy:URL" makes a request mod_proxy's only in mod_proxy's own handler. */
static int is_for_proxy(const request_rec *r)
{
    return r->proxyreq != PROXYREQ_NONE || (r->handler && strncmp(r->handler, "proxy:", 6) == 0);
}

/* R's response is not made by mod_proxy_http any more.  If that was a part of a page, what is gathered of it leaves: the
 * source of the next part may not flush before it waits. */
static void let_go(const request_rec *r)
{
    ssl_conn *conn = http_client == r->connection && r->main ? ssl_conn_get(r->connection) : NULL;

    http_client = NULL;
    if (conn && conn->state == SSL_CONN_ESTABLISHED) {
        ssl_io_flush(conn);
    }
}

int ssl_reuse_note(request_rec *r)
{
    let_go(r);
    served = is_for_proxy(r) ? r : NULL;
    return DECLINED;
}

/* A balancer tells by its variable whom it has chosen. */
static const char *backend_url(const request_rec *r)
{
    const char *url = r->filename && strncmp(r->filename, "proxy:", 6) == 0 ? r->filename + 6 : NULL;

    return url && strncmp(url, "balancer:", 9) == 0 ? apr_table_get(r->subprocess_env, "BALANCER_WORKER_NAME") : url;
}

int ssl_reuse_note_backend(request_rec *r)
{
    const char *url = backend_url(r);

    /* the connection of an HTTP/2 stream is none: others write to that */
    http_client = !r->connection->master && url &&
                  (strncmp(url, "http:", 5) == 0 || strncmp(url, "https:", 6) == 0) ? r->connection : NULL;
    return OK;
}

int ssl_reuse_is_http_client(const conn_rec *c)
{
    return c == http_client;
}

int ssl_reuse_forget(int *status, request_rec *r)
{
    (void)status;
    let_go(r);
    served = NULL;
    return DECLINED;
}

/* mod_proxy merges the section of a balancer's member when it has chosen that: so not before it is asked for. */
int ssl_reuse_wanted(const ap_conf_vector_t *dir_conf, ssl_proxy_config *settings, server_rec **server)
{
    const ssl_proxy_config *base, *add;

    if (!served || (dir_conf && dir_conf != served->per_dir_config)) {
        return 0;
    }
    *server = served->server;
    base = ssl_config_proxy_of(served->server);
    add = ssl_dir_config_of(served)->proxy;
    *settings = *base;
    if (add) {
        ssl_config_proxy_merge(served->pool, base, add, settings);
    }
    return 1;
}

/* The virtual hosts may be two, and say the same. */
static int is_same_ocsp(const ssl_ocsp_config *a, const ssl_ocsp_config *b)
{
    return a == b ||
           (a && b && ssl_same_text(a->responder, b->responder) && ssl_same_text(a->proxy_url, b->proxy_url) &&
            ssl_same_text(a->responder_cert_file, b->responder_cert_file) &&
            a->override_responder == b->override_responder && a->no_verify == b->no_verify &&
            a->use_nonce == b->use_nonce && a->time_skew == b->time_skew && a->max_age == b->max_age &&
            a->timeout == b->timeout);
}

int ssl_reuse_is_same(const ssl_backend *old, const ssl_backend *new)
{
    const ssl_proxy_config *a = &old->settings, *b = &new->settings;

    return old->material == new->material && a->engine == b->engine && a->tls.verify == b->tls.verify &&
           a->tls.verify_depth == b->tls.verify_depth && a->tls.crl_check == b->tls.crl_check &&
           a->tls.protocols == b->tls.protocols && ssl_same_text(a->tls.cipher_suite, b->tls.cipher_suite) &&
           ssl_same_text(a->tls.tls13_cipher_suites, b->tls.tls13_cipher_suites) &&
           a->ocsp == b->ocsp && is_same_ocsp(old->ocsp, new->ocsp) && a->check_peer_expire == b->check_peer_expire &&
           ssl_peer_rule(a->check_peer_name, a->check_peer_cn) == ssl_peer_rule(b->check_peer_name, b->check_peer_cn) &&
           a->require_close_notify == b->require_close_notify && ssl_same_text(a->alpn, b->alpn) &&
           ssl_same_text(a->sni, b->sni);
}
