/* SPDX-License-Identifier: Apache-2.0 */
/* A protocol of its own: waits for a line, and then reads on without waiting, at least until the end has come. */
#include "httpd.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_log.h"
#include "util_filter.h"

#define READS 5

static void log_read(conn_rec *c, int n, apr_status_t rv)
{
    ap_log_cerror(APLOG_MARK, APLOG_WARNING, 0, c, "read on %d: %s", n,
                  rv == APR_SUCCESS ? "bytes" : APR_STATUS_IS_EOF(rv) ? "end" : APR_STATUS_IS_EAGAIN(rv) ? "nothing yet" : "error");
}

static int read_on(conn_rec *c)
{
    apr_bucket_brigade *bb = apr_brigade_create(c->pool, c->bucket_alloc);
    int n;

    (void)ap_get_brigade(c->input_filters, bb, AP_MODE_GETLINE, APR_BLOCK_READ, 0);
    for (n = 1; n <= READS; n++) {
        apr_brigade_cleanup(bb);
        log_read(c, n, ap_get_brigade(c->input_filters, bb, AP_MODE_READBYTES, APR_NONBLOCK_READ, 100));
        apr_sleep(apr_time_from_msec(20));
    }
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_process_connection(read_on, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(read_on) = { STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0 };
