/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_keylog.c - SSLKEYLOGFILE, the environment variable by which
 * administrators let wireshark read what a server sends: a file of the secrets
 * of all connections, in NSS's key log format.
 */
#include "ssl_keylog.h"

#include "apr_env.h"
#include "apr_file_io.h"

static apr_file_t *keylog; /* of this configuration, or NULL */

apr_status_t ssl_keylog_open(server_rec *s, apr_pool_t *p)
{
    char *path = NULL;
    apr_status_t rv;

    keylog = NULL;
    if (SSL_HAVE_LIBRARY_KEYLOG || apr_env_get(&path, "SSLKEYLOGFILE", p) != APR_SUCCESS || !*path) {
        return APR_SUCCESS;
    }
    rv = apr_file_open(&keylog, path, APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_APPEND | APR_FOPEN_LARGEFILE,
                       APR_FPROT_UREAD | APR_FPROT_UWRITE, p);
    if (rv != APR_SUCCESS) {
        keylog = NULL;
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                     APLOGNO(10226) "Could not open log file '%s' configured via SSLKEYLOGFILE: correct this variable "
                     "of httpd's environment, or remove it", path);
        return rv;
    }
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                 APLOGNO(10227) "Init: Logging SSL private key material to %s, as the environment variable "
                 "SSLKEYLOGFILE says: whoever reads this file can decrypt what this server sends and receives", path);
    return APR_SUCCESS;
}

/* One writev(2) at the end of the file, so that processes do not mix their lines. */
static void write_line(const SSL *ssl, const char *line)
{
    struct iovec parts[] = { { (void *)line, strlen(line) }, { (void *)"\n", 1 } };
    apr_size_t written;

    (void)ssl;
    (void)apr_file_writev(keylog, parts, 2, &written);
}

void ssl_keylog_setup(SSL_CTX *ctx)
{
    SSL_CTX_set_keylog_callback(ctx, keylog ? write_line : NULL);
}
