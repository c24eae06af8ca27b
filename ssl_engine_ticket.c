/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_ticket.c - session tickets: where their keys come from, and the
 * callback that uses them.
 *
 * OpenSSL would do all of this itself, with a key pair in each SSL_CTX.  Doing
 * it here lets hosts share an SSL_CTX and not the file of keys, takes several
 * keys, and does not look the cipher up by name for each ticket.
 *
 * A key file is a farm's: it has to mean the same to every server in it.
 *
 *    48 bytes   name 16 | HMAC-SHA256 key 16 | AES-128-CBC key 16
 *    80 bytes   name 16 | HMAC-SHA256 key 32 | AES-256-CBC key 32
 *
 * Of a file of any other size the first 48 bytes count, as they do in the stock module.
 *
 * Who can read a key can read what was recorded of TLS 1.2 connections that
 * were resumed by its tickets; hence the warning about files that others can read.
 */
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_log.h"
#include "ssl_metrics.h"
#include "ssl_ticket.h"

#include "apr_file_io.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define NAME_SIZE 16
#define SMALL_KEY 16
#define LARGE_KEY 32
#define FILE_SIZE(key) (NAME_SIZE + 2 * (key))

typedef struct ticket_key {
    unsigned char name[NAME_SIZE]; /* first in a ticket, in the clear */
    unsigned char hmac[LARGE_KEY], aes[LARGE_KEY];
    size_t size; /* of each */
} ticket_key;

struct ssl_ticket_keys {
    int n;
    ticket_key key[];
};

/* For the life of the configuration: set by ssl_ticket_init(). */
static struct {
    const ssl_ticket_keys *random;
    apr_hash_t *by_paths; /* paths, one a line -> ssl_ticket_keys */
    EVP_CIPHER *aes128, *aes256;
} tickets;

/* --- making them --------------------------------------------------------------- */

static apr_status_t wipe(void *data)
{
    ssl_ticket_keys *keys = data;

    OPENSSL_cleanse(keys->key, sizeof(keys->key[0]) * (size_t)keys->n);
    return APR_SUCCESS;
}

static ssl_ticket_keys *make_keys(apr_pool_t *p, int n)
{
    ssl_ticket_keys *keys = apr_pcalloc(p, sizeof(*keys) + sizeof(keys->key[0]) * (size_t)n);

    keys->n = n;
    apr_pool_cleanup_register(p, keys, wipe, wipe); /* a program that is started gets none of it either */
    return keys;
}

static apr_status_t forget_ciphers(void *unused)
{
    (void)unused;
    EVP_CIPHER_free(tickets.aes128);
    EVP_CIPHER_free(tickets.aes256);
    memset(&tickets, 0, sizeof(tickets));
    return APR_SUCCESS;
}

static int make_random(ticket_key *key)
{
    key->size = LARGE_KEY;
    return RAND_bytes(key->name, sizeof(key->name)) == 1 && RAND_priv_bytes(key->hmac, sizeof(key->hmac)) == 1 &&
           RAND_priv_bytes(key->aes, sizeof(key->aes)) == 1;
}

apr_status_t ssl_ticket_init(server_rec *s, apr_pool_t *p)
{
    ssl_ticket_keys *keys = make_keys(p, 1);

    tickets.aes128 = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
    tickets.aes256 = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    tickets.by_paths = apr_hash_make(p);
    tickets.random = keys;
    apr_pool_cleanup_register(p, NULL, forget_ciphers, apr_pool_cleanup_null);
    if (!tickets.aes128 || !tickets.aes256 || !make_random(&keys->key[0])) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "no keys for session tickets can be made: %s", ssl_log_reason(p));
        ssl_log_queue(APLOG_MARK, APLOG_EMERG, s);
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
}

/* --- reading them ---------------------------------------------------------------- */

static int use_bytes(ticket_key *key, const unsigned char *bytes, apr_size_t len)
{
    if (len < FILE_SIZE(SMALL_KEY)) {
        return 0;
    }
    key->size = len == FILE_SIZE(LARGE_KEY) ? LARGE_KEY : SMALL_KEY;
    memcpy(key->name, bytes, NAME_SIZE);
    memcpy(key->hmac, bytes + NAME_SIZE, key->size);
    memcpy(key->aes, bytes + NAME_SIZE + key->size, key->size);
    return 1;
}

static void warn_if_open(server_rec *s, const char *id, const char *path, apr_file_t *file)
{
    apr_finfo_t info;

    if (apr_file_info_get(&info, APR_FINFO_PROT, file) == APR_SUCCESS && (info.protection & APR_FPROT_WREAD)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "%s: SSLSessionTicketKeyFile '%s' can be read by everybody on "
                     "this machine: chmod 600 '%s', and make new keys", id, path, path);
    }
}

static void warn_if_odd(server_rec *s, const char *id, const char *path, apr_size_t len)
{
    if (len != FILE_SIZE(SMALL_KEY) && len != FILE_SIZE(LARGE_KEY)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "%s: SSLSessionTicketKeyFile: '%s' holds neither %d nor %d bytes: "
                     "the first %d are used", id, path, FILE_SIZE(SMALL_KEY), FILE_SIZE(LARGE_KEY),
                     FILE_SIZE(SMALL_KEY));
    }
}

static int read_key(server_rec *s, const char *id, const char *path, ticket_key *key, apr_pool_t *p)
{
    unsigned char bytes[FILE_SIZE(LARGE_KEY) + 1];
    apr_size_t len = sizeof(bytes);
    apr_file_t *file;
    apr_status_t rv = apr_file_open(&file, path, APR_READ | APR_BINARY, APR_OS_DEFAULT, p);
    int ok = 0;

    if (rv == APR_SUCCESS) {
        rv = apr_file_read_full(file, bytes, sizeof(bytes), &len);
        rv = APR_STATUS_IS_EOF(rv) ? APR_SUCCESS : rv;
        ok = rv == APR_SUCCESS && use_bytes(key, bytes, len);
        warn_if_open(s, id, path, file);
        apr_file_close(file);
        OPENSSL_cleanse(bytes, sizeof(bytes));
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s, APLOGNO(02286) "%s: SSLSessionTicketKeyFile: cannot read '%s'", id,
                     path);
    }
    else if (!ok) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, APLOGNO(02287) "%s: SSLSessionTicketKeyFile: '%s' must hold %d or %d "
                     "bytes, it holds %" APR_SIZE_T_FMT "; make one: openssl rand -out FILE %d", id, path,
                     FILE_SIZE(SMALL_KEY), FILE_SIZE(LARGE_KEY), len, FILE_SIZE(LARGE_KEY));
    }
    else {
        warn_if_odd(s, id, path, len);
    }
    return ok;
}

const ssl_ticket_keys *ssl_ticket_keys_for(server_rec *s, const char *id, apr_array_header_t *paths, apr_pool_t *p)
{
    const char *name = paths ? apr_array_pstrcat(p, paths, '\n') : "";
    ssl_ticket_keys *keys = *name ? apr_hash_get(tickets.by_paths, name, APR_HASH_KEY_STRING) : NULL;
    int i;

    if (!*name || keys) {
        return keys ? keys : tickets.random;
    }
    keys = make_keys(p, paths->nelts);
    for (i = 0; i < paths->nelts; i++) {
        if (!read_key(s, id, APR_ARRAY_IDX(paths, i, const char *), &keys->key[i], p)) {
            return NULL;
        }
    }
    apr_hash_set(tickets.by_paths, name, APR_HASH_KEY_STRING, keys);
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, s, APLOGNO(02288) "%s: session ticket keys loaded from %d file%s", id,
                 keys->n, keys->n == 1 ? "" : "s");
    return keys;
}

/* --- using them -------------------------------------------------------------------- */

static const ssl_ticket_keys *keys_of(SSL *ssl)
{
    const ssl_conn *conn = SSL_get_app_data(ssl);
    const ssl_host *host = conn ? ssl_config_of(conn->server)->host : NULL;

    return host ? host->ticket_keys : NULL;
}

static int set_hmac(EVP_MAC_CTX *hmac, const ticket_key *key)
{
    OSSL_PARAM params[3];

    params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->hmac, key->size);
    params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0);
    params[2] = OSSL_PARAM_construct_end();
    return EVP_MAC_CTX_set_params(hmac, params);
}

static const EVP_CIPHER *cipher_for(const ticket_key *key)
{
    return key->size == SMALL_KEY ? tickets.aes128 : tickets.aes256;
}

static int seal(const ticket_key *key, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                EVP_MAC_CTX *hmac)
{
    memcpy(name, key->name, NAME_SIZE);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(cipher_for(key))) != 1 ||
        !EVP_EncryptInit_ex2(cipher, cipher_for(key), key->aes, iv, NULL) || !set_hmac(hmac, key)) {
        return -1;
    }
    return 1;
}

/* 0: none of our keys, a full handshake follows.  2: the client gets a new
 * ticket: under the key that is in use now, and in TLS 1.3 because each is to be
 * used once (RFC 8446, C.4). */
static int open_ticket(SSL *ssl, const ssl_ticket_keys *keys, const unsigned char *name, const unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *hmac)
{
    int i;

    for (i = 0; i < keys->n; i++) {
        const ticket_key *key = &keys->key[i];

        if (memcmp(name, key->name, NAME_SIZE) == 0) {
            if (!EVP_DecryptInit_ex2(cipher, cipher_for(key), key->aes, iv, NULL) || !set_hmac(hmac, key)) {
                return -1;
            }
            return i == 0 && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
        }
    }
    return 0;
}

static int ticket_key_callback(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                               EVP_MAC_CTX *hmac, int sealing)
{
    const ssl_ticket_keys *keys = keys_of(ssl);
    int done;

    if (!keys) {
        return 0;
    }
    done = sealing ? seal(&keys->key[0], name, iv, cipher, hmac) : open_ticket(ssl, keys, name, iv, cipher, hmac);
    ssl_count(done <= 0 ? SSL_COUNT_TICKET_REFUSED : sealing ? SSL_COUNT_TICKET_ISSUED : SSL_COUNT_TICKET_ACCEPTED);
    return done;
}

void ssl_ticket_setup(SSL_CTX *ctx)
{
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket_key_callback);
}
