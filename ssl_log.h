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

/** Empties OpenSSL's error queue of this thread, as SSL_get_error(3) wants it before each call of libssl.
 * ERR_clear_error(3) wipes all places of the queue, also of an empty one. */
static inline void ssl_log_forget_errors(void)
{
    if (ERR_peek_error()) {
        ERR_clear_error();
    }
}

/** To be called with the ClientHello (SSL_CTX_set_client_hello_cb(3)): remembers
 * in CONN the versions that it offers, all else being kept by OpenSSL. */
void ssl_explain_note_hello(ssl_conn *conn, SSL *ssl);

/** If the error at the head of this thread's queue, which stays there, means that
 * CONN's client and virtual host have nothing in common: a line at level info
 * with what the client offered and why it was out.  CONN's handshake has failed
 * and is not gone on with. */
void ssl_explain_failure(ssl_conn *conn);

#endif /* SSL_LOG_H */
