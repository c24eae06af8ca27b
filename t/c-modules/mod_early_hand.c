/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_early_hand.c - a module of the tests that takes a connection in its own hands before anybody has spoken: it runs
 * first in process_connection and there asks about TLS, reads ahead through all filters, and runs the other modules'
 * process_connection by itself once more, as protocol modules do.
 *
 *   EarlyHand ask|peek|run       what to do; may be given more than once
 */
#include "httpd.h"

#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_ssl.h"
#include "mod_ssl.h"

extern module AP_MODULE_DECLARE_DATA early_hand_module;
APLOG_USE_MODULE(early_hand);

enum { HAND_ASK = 1, HAND_PEEK = 2, HAND_RUN = 4 };
static int hands;

static const char *set_hand(cmd_parms *cmd, void *dir, const char *word)
{
    hands |= !strcmp(word, "ask") ? HAND_ASK : !strcmp(word, "peek") ? HAND_PEEK : HAND_RUN;
    return NULL;
}

static void ask(conn_rec *c)
{
    APR_OPTIONAL_FN_TYPE(ssl_var_lookup) *lookup = APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup);
    const char *names[] = {"HTTPS", "SSL_PROTOCOL", "SSL_CIPHER", "SSL_CLIENT_S_DN", "SSL_SERVER_S_DN", "SSL_TLS_SNI", "SSL_SESSION_ID"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *value = lookup ? lookup(c->pool, c->base_server, c, NULL, (char *)names[i]) : NULL;
        ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, c, "early: %s=%s", names[i], value ? value : "(null)");
    }
    ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, c, "early: ssl=%d", ap_ssl_conn_is_ssl(c));
}

static void peek(conn_rec *c)
{
    apr_bucket_brigade *bb = apr_brigade_create(c->pool, c->bucket_alloc);
    apr_status_t rv = ap_get_brigade(c->input_filters, bb, AP_MODE_SPECULATIVE, APR_BLOCK_READ, 4);

    ap_log_cerror(APLOG_MARK, APLOG_INFO, rv, c, "early: peeked");
    apr_brigade_destroy(bb);
}

static int early_process(conn_rec *c)
{
    static __thread int inside;
    int rv = DECLINED;

    if (inside)
        return DECLINED;
    if (hands & HAND_ASK)
        ask(c);
    if (hands & HAND_PEEK)
        peek(c);
    if (hands & HAND_RUN) {
        inside = 1;
        rv = ap_run_process_connection(c);
        inside = 0;
    }
    if (hands & HAND_ASK)
        ask(c);
    return rv;
}

static void register_hooks(apr_pool_t *p)
{
    hands = 0;
    ap_hook_process_connection(early_process, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

static const command_rec directives[] = {
    AP_INIT_ITERATE("EarlyHand", set_hand, NULL, RSRC_CONF, "ask, peek, run"),
    {NULL}
};

module AP_MODULE_DECLARE_DATA early_hand_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, directives, register_hooks
};
