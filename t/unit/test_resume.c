/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_resume.c - sessions of backends: how long one may stand for a
 * verification, however often TLS 1.3 renews it.
 */
#include "tap.h"

#include "ssl_proxy.h"

#include <openssl/ec.h>
#include <openssl/ssl.h>
#include <time.h>

static time_t today;
#define time(unused) today
#include "ssl_engine_resume.c"
#undef time

/* httpd's */
void *ap_calloc(size_t n, size_t size)
{
    return calloc(n, size);
}

static ssl_outgoing made;

static SSL_CTX *make_server(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();

    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 1000);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    SSL_CTX_use_certificate(ctx, cert);
    SSL_CTX_use_PrivateKey(ctx, key);
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}

static SSL_CTX *make_client(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, ssl_resume_new_session);
    return ctx;
}

/* A connection that takes and leaves sessions as ssl_engine_backend.c does: whether it resumed one. */
static int connect_once(SSL_CTX *client_ctx, SSL_CTX *server_ctx)
{
    ssl_backend backend = { .made = &made, .session_key = "key" };
    ssl_conn conn = { .backend = &backend };
    SSL *client = SSL_new(client_ctx), *server = SSL_new(server_ctx);
    SSL_SESSION *session = ssl_resume_take(made.sessions, "key", &backend.verified_at);
    BIO *there, *here;
    char byte;
    int i, resumed;

    BIO_new_bio_pair(&there, 0, &here, 0);
    SSL_set_bio(client, there, there);
    SSL_set_bio(server, here, here);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    SSL_set_app_data(client, &conn);
    if (session) {
        SSL_set_session(client, session);
        SSL_SESSION_free(session);
    }
    for (i = 0; i < 5; i++) {
        SSL_do_handshake(client);
        SSL_do_handshake(server);
    }
    SSL_read(client, &byte, 1); /* tickets */
    resumed = SSL_session_reused(client);
    SSL_shutdown(client);
    SSL_free(client);
    SSL_free(server);
    return resumed;
}

int main(void)
{
    SSL_CTX *client = make_client(), *server = make_server();
    time_t start = time(NULL) + 100; /* OpenSSL stamps sessions by its own clock, which must not be ahead of ours */

    made.sessions = ssl_resume_make();
    today = start;
    ok(!connect_once(client, server), "the first is full");
    ok(connect_once(client, server), "the second is resumed");
    today = start + LONGEST_LIFE - 1;
    ok(connect_once(client, server), "still resumed, by a ticket that was renewed");
    today = start + LONGEST_LIFE;
    ok(!connect_once(client, server), "then the certificate is looked at again");
    ok(connect_once(client, server), "and counts anew");
    ssl_resume_free(made.sessions);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    return done();
}
