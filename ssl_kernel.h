/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_kernel.h - httpd's hooks that concern requests; registered in mod_ssl.c.
 */
#ifndef SSL_KERNEL_H
#define SSL_KERNEL_H

#include "ssl_private.h"

/** http_scheme and default_port of requests to a virtual host with SSLEngine on. */
const char *ssl_hook_http_scheme(const request_rec *r);
apr_port_t ssl_hook_default_port(const request_rec *r);

/** ssl_conn_is_ssl (http_ssl.h): OK while C speaks TLS with its client. */
int ssl_hook_conn_is_ssl(conn_rec *c);

/** post_read_request, first: refuses what must not be answered on this
 * connection (plain HTTP, another virtual host, a stopgap certificate). */
int ssl_hook_read_request(request_rec *r);

/** post_read_request, last: notes ssl-unclean-shutdown and ssl-accurate-shutdown. */
int ssl_hook_note_shutdown(request_rec *r);

/** access_checker, after ssl_access_check(): SSLUserName, unless FakeBasicAuth is on. */
int ssl_hook_user_name(request_rec *r);

/** fixups: environment variables. */
int ssl_hook_fixups(request_rec *r);

#endif /* SSL_KERNEL_H */
