/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_ktls.c - SSLKTLS: records made by the kernel (Linux, TCP_ULP "tls").
 *
 * OpenSSL gives its keys to the kernel when it writes to the socket itself: so
 * it does for the handshake of such a host, in place of the transport.  If the
 * kernel took the keys, httpd's buckets then pass the filter as they are, files by
 * sendfile(2) if EnableSendfile is on; else the transport is put back and nothing
 * is different.  Only what we send: what comes is decrypted by OpenSSL.
 */
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_filter.h"
#include "ssl_log.h"

#include "apr_portable.h"

static int usable; /* by this process: set by ssl_ktls_init() */

void ssl_ktls_init(server_rec *s, int wanted)
{
    const char *problem = wanted ? ssl_compat_ktls_problem() : NULL;

    usable = wanted && !problem;
    if (problem && ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "SSLKTLS on: %s; records are made by OpenSSL, as without it",
                     problem);
    }
}

void ssl_ktls_offer(ssl_conn *conn)
{
    apr_socket_t *socket = usable ? ap_get_conn_socket(conn->c) : NULL;
    apr_os_sock_t fd;
    BIO *bio = NULL;

    if (socket && apr_os_sock_get(&fd, socket) == APR_SUCCESS) {
        bio = BIO_new_socket(fd, BIO_NOCLOSE);
    }
    if (bio) {
        SSL_set0_wbio(conn->ssl, bio);
        ssl_compat_enable_ktls(conn->ssl);
        conn->ktls_offered = 1;
    }
}

void ssl_ktls_settle(ssl_conn *conn)
{
    BIO *bio;

    if (!conn->ktls_offered) {
        return;
    }
    conn->ktls = BIO_get_ktls_send(SSL_get_wbio(conn->ssl)) ? 1 : 0;
    ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, conn->c, "%s", conn->ktls ? "the kernel makes the records" :
                  "the kernel does not take the keys of this cipher: OpenSSL makes the records");
    bio = conn->ktls ? NULL : ssl_transport_bio(conn->transport);
    if (bio) {
        SSL_set0_wbio(conn->ssl, bio);
    }
}
