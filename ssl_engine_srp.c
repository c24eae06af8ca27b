/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_srp.c - TLS-SRP: the verifier file, read once per SSL_CTX, and
 * the answer to a client that names a user.
 */
#include "ssl_srp.h"
#include "ssl_conn.h"
#include "ssl_log.h"

#if SSL_HAVE_SRP

#include <openssl/srp.h>

/* Deprecated as a whole since OpenSSL 3.0, and without a successor. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static const char *load_error(int error)
{
    switch (error) {
    case SRP_ERR_OPEN_FILE:
        return "it cannot be opened";
    case SRP_ERR_VBASE_INCOMPLETE_FILE:
        return "it is no verifier file, or incomplete; `openssl srp -srpvfile FILE -add USER` makes one";
    case SRP_ERR_VBASE_BN_LIB:
        return "a verifier, salt or group in it is damaged";
    default:
        return "out of memory";
    }
}

apr_status_t ssl_srp_load(ssl_ctx_build *b)
{
    const ssl_server_config *cfg = b->cfg;
    SRP_VBASE *users;
    int error;

    if (!cfg->srp_verifier_file) {
        return APR_SUCCESS;
    }
    users = SRP_VBASE_new((char *)cfg->srp_unknown_user_seed);
    error = users ? SRP_VBASE_init(users, (char *)cfg->srp_verifier_file) : SRP_ERR_MEMORY;
    if (error) {
        const char *problem = ssl_path_problem(b->p, cfg->srp_verifier_file, 0);

        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                     APLOGNO(02310) "%s: Unable to load SRP verifier file '%s': %s", b->id, cfg->srp_verifier_file,
                     problem ? problem : load_error(error));
        ssl_log_queue(APLOG_MARK, APLOG_EMERG, b->server);
        SRP_VBASE_free(users);
        return APR_EGENERAL;
    }
    if (sk_SRP_user_pwd_num(users->users_pwd) <= 0) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, b->server, "%s: SSLSRPVerifierFile: there is no user in '%s'", b->id,
                     cfg->srp_verifier_file);
    }
    ssl_ctx_extras_make(b->ctx)->srp_users = users;
    return APR_SUCCESS;
}

/* OpenSSL's question for the user whom the client has named. */
static int find_user(SSL *ssl, int *alert, void *arg)
{
    ssl_conn *conn = SSL_get_app_data(ssl);
    const ssl_ctx_extras *extras = ssl_config_of(conn->server)->host->extras;
    char *name = SSL_get_srp_username(ssl);
    SRP_user_pwd *user = name && extras ? SRP_VBASE_get1_by_user(extras->srp_users, name) : NULL;
    int ok;

    (void)arg;
    ok = user && SSL_set_srp_server_param(ssl, user->N, user->g, user->s, user->v, user->info) == 1;
    SRP_user_pwd_free(user);
    if (!ok) {
        ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, conn->c, "SRP: there is no user '%s' (server %s)",
                      name ? ap_escape_logitem(conn->c->pool, name) : "", ssl_server_id(conn->c->pool, conn->server));
        *alert = SSL_AD_UNKNOWN_PSK_IDENTITY;
        return SSL3_AL_FATAL;
    }
    return SSL_ERROR_NONE;
}

static int has_users(SSL_CTX *ctx)
{
    const ssl_ctx_extras *extras = ssl_ctx_extras_of(ctx);

    return extras && extras->srp_users;
}

void ssl_srp_set_callback(SSL_CTX *ctx)
{
    if (has_users(ctx)) {
        SSL_CTX_set_srp_username_callback(ctx, find_user);
    }
}

int ssl_srp_follow(SSL *ssl, int was_on)
{
    ssl_conn *conn = SSL_get_app_data(ssl);
    const ssl_ctx_extras *extras = ssl_config_of(conn->server)->host->extras;

    if (!was_on && !(extras && extras->srp_users)) {
        return 1;
    }
    return SSL_SRP_CTX_free(ssl) == 1 && SSL_SRP_CTX_init(ssl) == 1;
}

void ssl_srp_free(void *users)
{
    SRP_VBASE_free(users);
}

#else

apr_status_t ssl_srp_load(ssl_ctx_build *b)
{
    if (b->cfg->srp_verifier_file) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, b->server,
                     "%s: SSLSRPVerifierFile has no effect: this OpenSSL (%s) has no SRP", b->id,
                     OpenSSL_version(OPENSSL_VERSION));
    }
    return APR_SUCCESS;
}

void ssl_srp_set_callback(SSL_CTX *ctx)
{
    (void)ctx;
}

int ssl_srp_follow(SSL *ssl, int was_on)
{
    (void)ssl;
    (void)was_on;
    return 1;
}

void ssl_srp_free(void *users)
{
    (void)users;
}

#endif /* SSL_HAVE_SRP */
