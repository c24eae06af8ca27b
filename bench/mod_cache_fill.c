/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_cache_fill.c - fills the session cache of the mod_ssl that it is loaded
 * beside, ours or the stock one, with sessions that nobody made.
 *
 *   CacheFill 1000000      so many, all at once, before the handshake of the first connection to a host
 *                          with SSLSessionTickets off
 *
 * The sessions go the way of real ones: through the callback that mod_ssl gave
 * to OpenSSL (SSL_CTX_sess_set_new_cb(3)), so whatever the provider is, and its
 * lock, and however a module writes its records, is in it.
 */
#include "httpd.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_log.h"

#include "mod_ssl_openssl.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

extern module AP_MODULE_DECLARE_DATA cache_fill_module;
APLOG_USE_MODULE(cache_fill);

static long wanted;
static atomic_int *begun; /* shared by the children */

/* Ids are random bytes, as OpenSSL's are. */
static void make_id(unsigned long number, unsigned char *id, size_t len)
{
    uint64_t value = number + 0x9e3779b97f4a7c15ULL;
    size_t i;

    for (i = 0; i < len; i++) {
        value = value * 6364136223846793005ULL + 1442695040888963407ULL;
        id[i] = (unsigned char)(value >> 56);
    }
}

static int store_one(SSL *ssl, unsigned long number)
{
    int (*store)(SSL *, SSL_SESSION *) = SSL_CTX_sess_get_new_cb(SSL_get_SSL_CTX(ssl));
    unsigned char secret[48], id[SSL_MAX_SSL_SESSION_ID_LENGTH], host[SSL_MAX_SID_CTX_LENGTH];
    SSL_SESSION *session = SSL_SESSION_new();

    make_id(number, id, sizeof(id));
    make_id(~number, secret, sizeof(secret));
    make_id(1, host, sizeof(host));
    if (!store || !session || !SSL_SESSION_set_protocol_version(session, TLS1_2_VERSION) ||
        !SSL_SESSION_set_cipher(session, sk_SSL_CIPHER_value(SSL_get_ciphers(ssl), 0)) ||
        !SSL_SESSION_set1_master_key(session, secret, sizeof(secret)) ||
        !SSL_SESSION_set1_id(session, id, sizeof(id)) || !SSL_SESSION_set1_id_context(session, host, sizeof(host)) ||
        !SSL_SESSION_set1_hostname(session, "localhost") || !SSL_SESSION_set_timeout(session, 3600)) {
        return 0;
    }
    store(ssl, session);
    SSL_SESSION_free(session);
    return 1;
}

/* The stock module completes its record of the connection after this hook. */
static int keep_ssl(conn_rec *c, SSL *ssl, int is_proxy)
{
    ap_set_module_config(c->conn_config, &cache_fill_module, is_proxy ? NULL : ssl);
    return DECLINED;
}

static int fill(conn_rec *c)
{
    SSL *ssl = ap_get_module_config(c->conn_config, &cache_fill_module);
    long i;

    if (!ssl || !(SSL_get_options(ssl) & SSL_OP_NO_TICKET) || atomic_exchange(begun, 1)) {
        return DECLINED;
    }
    for (i = 0; i < wanted; i++) {
        if (!store_one(ssl, (unsigned long)i)) {
            ap_log_cerror(APLOG_MARK, APLOG_ERR, 0, c, "CacheFill: no session could be made, or there is no cache");
            return DECLINED;
        }
    }
    ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, c, "CacheFill: done");
    return DECLINED;
}

static const char *set_fill(cmd_parms *cmd, void *dir, const char *arg)
{
    begun = mmap(NULL, sizeof(*begun), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    wanted = atol(arg);
    atomic_store(begun, 0);
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_TAKE1("CacheFill", set_fill, NULL, RSRC_CONF, "sessions to put into the cache"),
    { NULL }
};

static void register_hooks(apr_pool_t *p)
{
    APR_OPTIONAL_HOOK(ssl, pre_handshake, keep_ssl, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_process_connection(fill, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

module AP_MODULE_DECLARE_DATA cache_fill_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, commands, register_hooks, 0
};
