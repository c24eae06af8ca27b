/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_log.h - what OpenSSL says, in the error log.
 */
#ifndef SSL_LOG_H
#define SSL_LOG_H

#include "ssl_private.h"

/** Moves OpenSSL's error queue of this thread into the log of S or C, a line
 * each, with a hint where the cause has a usual cure.  Empties the queue. */
void ssl_log_queue(const char *file, int line, int module_index, int level, server_rec *s);
void ssl_log_queue_conn(const char *file, int line, int module_index, int level, conn_rec *c);

/** Why the last OpenSSL call of this thread failed, in words (not yet removed from the queue). */
const char *ssl_log_reason(apr_pool_t *p);

#endif /* SSL_LOG_H */
