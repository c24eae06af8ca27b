/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_ticket.c - session tickets: the keys of hosts that name no file of
 * keys, and the callback that uses keys.
 *
 * OpenSSL would do all of this itself, with a key pair in each SSL_CTX.  Doing
 * it here lets hosts share an SSL_CTX and not the file of keys, takes several
 * keys, renews them while all processes go on, and does not look the cipher
 * up by name for each ticket.
 *
 * Keys without a file are random and lie in anonymous memory that all processes
 * share (ssl_util_ticket.c), found again through the process pool: so a
 * graceful restart keeps them, and all children rotate at the same moment.
 * Who uses a key and sees that the next is due makes it; nobody waits.
 *
 * Who can read a key can read what was recorded of TLS 1.2 connections that
 * were resumed by its tickets: hence rotation, and no key on a disk or in a core dump.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_log.h"
#include "ssl_metrics.h"
#include "ssl_ticket.h"

#include "http_main.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define KEPT_RINGS "mod_ssl:ticket-keys"
#define COMMON_CAPACITY 256
#define DEFAULT_ROTATION (12 * 3600)

/** Lives in the process pool: it is read by code that was loaded later, perhaps of another version. */
typedef struct kept_ring {
    apr_uint32_t layout; /* SSL_TICKET_LAYOUT of who made it */
    apr_uint32_t capacity;
    void *memory;
} kept_ring;

/* For the life of the configuration: set by ssl_ticket_init(). */
static struct {
    ssl_ticket_keys common;
    EVP_CIPHER *aes128, *aes256;
} tickets;

/* --- directives ------------------------------------------------------------------- */

const char *ssl_ticket_set_rotation(cmd_parms *cmd, void *dir, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_interval_time_t rotation = 0;

    (void)dir;
    if (err) {
        return err;
    }
    if (ap_cstr_casecmp(arg, "off") != 0 &&
        (!apr_isdigit(*arg) || ap_timeout_parameter_parse(arg, &rotation, "s") != APR_SUCCESS ||
         apr_time_sec(rotation) > INT_MAX || (rotation > 0 && rotation < apr_time_from_sec(1)))) {
        return apr_psprintf(cmd->pool,
                            "SSLSessionTicketKeyRotation: invalid argument '%s'; it is 'off' or the time from "
                            "one key to the next, at least a second: a number of seconds, or 30min, 12h",
                            arg);
    }
    ssl_global()->ticket_rotation = (int)apr_time_sec(rotation);
    return NULL;
}

/* --- memory --------------------------------------------------------------------------- */

static void *map_memory(apr_size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        return NULL;
    }
    madvise(memory, size, MADV_DONTDUMP);
    (void)mlock(memory, size); /* keeps it from the swap space, if the limits allow */
    return memory;
}

static apr_status_t map_ring(ssl_ticket_ring *ring, uint32_t capacity)
{
    void *memory = map_memory(ssl_ticket_ring_size(capacity));

    return memory ? ssl_ticket_ring_init(ring, memory, capacity) : APR_FROM_OS_ERROR(errno);
}

/* Not wiped: children of the generation that ends may still be using it.  The
 * system clears memory before it gives it to somebody else. */
static apr_status_t unmap_ring(void *data)
{
    const ssl_ticket_ring *ring = data;

    munmap(ring->memory, ssl_ticket_ring_size(ring->capacity));
    return APR_SUCCESS;
}

apr_status_t ssl_ticket_map(ssl_ticket_ring *ring, uint32_t capacity, apr_pool_t *p)
{
    apr_status_t rv = map_ring(ring, capacity);

    if (rv == APR_SUCCESS) {
        apr_pool_cleanup_register(p, apr_pmemdup(p, ring, sizeof(*ring)), unmap_ring, apr_pool_cleanup_null);
    }
    return rv;
}

static apr_status_t find_common(void)
{
    kept_ring *kept = ssl_kept_record(KEPT_RINGS, "common", sizeof(*kept));
    apr_status_t rv;

    if (kept->memory && kept->layout == SSL_TICKET_LAYOUT && kept->capacity == COMMON_CAPACITY) {
        ssl_ticket_ring_attach(&tickets.common.ring, kept->memory, kept->capacity);
        (void)mlock(kept->memory, ssl_ticket_ring_size(kept->capacity)); /* a daemon is a child of who did it first */
        return APR_SUCCESS;
    }
    rv = map_ring(&tickets.common.ring, COMMON_CAPACITY);
    if (rv == APR_SUCCESS) {
        *kept = (kept_ring){ SSL_TICKET_LAYOUT, COMMON_CAPACITY, tickets.common.ring.memory };
    }
    return rv;
}

/* --- start ---------------------------------------------------------------------------- */

static apr_status_t forget_ciphers(void *unused)
{
    (void)unused;
    EVP_CIPHER_free(tickets.aes128);
    EVP_CIPHER_free(tickets.aes256);
    memset(&tickets, 0, sizeof(tickets));
    return APR_SUCCESS;
}

apr_status_t ssl_ticket_init(server_rec *s, apr_pool_t *p)
{
    apr_status_t rv = find_common();

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s, "there is no shared memory for the keys of session tickets");
        return rv;
    }
    tickets.aes128 = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
    tickets.aes256 = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    apr_pool_cleanup_register(p, NULL, forget_ciphers, apr_pool_cleanup_null);
    ssl_ticket_files_begin(p);
    if (!tickets.aes128 || !tickets.aes256) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "no session tickets can be made: %s", ssl_log_reason(p));
        ssl_log_queue(APLOG_MARK, APLOG_EMERG, s);
        return APR_EGENERAL;
    }
    return APR_SUCCESS;
}

static int longest_timeout(server_rec *main_server)
{
    server_rec *s;
    int longest = 0;

    for (s = main_server; s; s = s->next) {
        const ssl_server_config *cfg = ssl_config_of(s);

        longest = cfg->host && cfg->session_timeout > longest ? cfg->session_timeout : longest;
    }
    return longest;
}

apr_status_t ssl_ticket_ready(server_rec *s, apr_pool_t *p, int for_good)
{
    const ssl_global_config *global = ssl_global();
    int wanted = global->ticket_rotation == SSL_UNSET ? DEFAULT_ROTATION : global->ticket_rotation;
    ssl_ticket_habits habits = { .rotation = wanted, .timeout = longest_timeout(s), .shared = !!global->ticket_store };

    tickets.common.source = habits.shared ? SSL_TICKET_SHARED : SSL_TICKET_RANDOM;
    if (!ssl_ticket_ring_configure(&tickets.common.ring, &habits, ssl_ticket_clock())) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "no keys for session tickets can be made: %s", ssl_log_reason(p));
        ssl_log_queue(APLOG_MARK, APLOG_EMERG, s);
        return APR_EGENERAL;
    }
    if (for_good && habits.rotation != wanted) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "SSLSessionTicketKeyRotation: with an SSLSessionCacheTimeout of %" APR_INT64_T_FMT
                     " seconds there is not room enough for the keys of so short a time: %" APR_INT64_T_FMT
                     " seconds are used",
                     (apr_int64_t)habits.timeout, (apr_int64_t)habits.rotation);
    }
    return for_good && habits.shared ? ssl_ticket_share_init(s, &habits, p) : APR_SUCCESS;
}

const ssl_ticket_keys *ssl_ticket_common(void)
{
    return &tickets.common;
}

void ssl_ticket_describe(const ssl_ticket_keys *keys, ssl_ticket_facts *facts)
{
    static const char *const names[] = { "random", "shared", "file" };

    keys = keys ? keys : &tickets.common;
    facts->source = keys->source;
    facts->source_name = names[keys->source];
    ssl_ticket_ring_describe(&keys->ring, ssl_ticket_clock(), &facts->ring);
    facts->farm_key = facts->ring.shared;
}

/* --- keeping them up to date ------------------------------------------------------------ */

static void keep_up(const ssl_ticket_keys *keys, server_rec *s, apr_int64_t now)
{
    int rotated = ssl_ticket_ring_is_due(&keys->ring, now) ? ssl_ticket_ring_upkeep(&keys->ring, now) : 0;

    if (rotated > 0) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s, "a new key seals session tickets%s",
                     keys->source == SSL_TICKET_SHARED
                         ? ": of this server only, for none has come from SSLSessionTicketKeySharing"
                         : "");
    }
    else if (rotated < 0) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     "a new key for session tickets is due, but OpenSSL has no random "
                     "bytes: the old key stays in use");
        ERR_clear_error();
    }
}

int ssl_ticket_monitor(apr_pool_t *p, server_rec *s)
{
    (void)p;
    if (tickets.common.ring.memory) {
        keep_up(&tickets.common, s, ssl_ticket_clock());
        ssl_ticket_files_check(s);
    }
    return DECLINED;
}

/* --- using them -------------------------------------------------------------------- */

static const ssl_ticket_keys *keys_of(const ssl_conn *conn)
{
    const ssl_host *host = conn ? ssl_config_of(conn->server)->host : NULL;

    return host ? host->ticket_keys : NULL;
}

static int set_hmac(EVP_MAC_CTX *hmac, const ssl_ticket_key *key)
{
    OSSL_PARAM params[3];

    params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->hmac, key->size);
    params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0);
    params[2] = OSSL_PARAM_construct_end();
    return EVP_MAC_CTX_set_params(hmac, params);
}

static const EVP_CIPHER *cipher_for(const ssl_ticket_key *key)
{
    return key->size == SSL_TICKET_SMALL ? tickets.aes128 : tickets.aes256;
}

static int seal(const ssl_ticket_key *key, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                EVP_MAC_CTX *hmac)
{
    memcpy(name, key->name, SSL_TICKET_NAME);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(cipher_for(key))) != 1 ||
        !EVP_EncryptInit_ex2(cipher, cipher_for(key), key->aes, iv, NULL) || !set_hmac(hmac, key)) {
        return -1;
    }
    return 1;
}

/* 2: the client gets a new ticket: under the key that is in use now, and in TLS
 * 1.3 because each is to be used once (RFC 8446, C.4). */
static int open_ticket(SSL *ssl, const ssl_ticket_key *key, int current, const unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *hmac)
{
    if (!EVP_DecryptInit_ex2(cipher, cipher_for(key), key->aes, iv, NULL) || !set_hmac(hmac, key)) {
        return -1;
    }
    return current && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
}

/* 0: none of our keys, a full handshake follows. */
static int ticket_key_callback(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                               EVP_MAC_CTX *hmac, int sealing)
{
    const ssl_conn *conn = SSL_get_app_data(ssl);
    const ssl_ticket_keys *keys = keys_of(conn);
    apr_int64_t now = ssl_ticket_clock();
    ssl_ticket_found found;
    ssl_ticket_key key;
    int result = 0;

    if (!keys) {
        return 0;
    }
    keep_up(keys, conn->server, now);
    found = ssl_ticket_ring_find(&keys->ring, sealing ? NULL : name, now, &key);
    if (found != SSL_TICKET_UNKNOWN) {
        result = sealing ? seal(&key, name, iv, cipher, hmac)
                         : open_ticket(ssl, &key, found == SSL_TICKET_CURRENT, iv, cipher, hmac);
        OPENSSL_cleanse(&key, sizeof(key));
    }
    ssl_count(result <= 0 ? SSL_COUNT_TICKET_REFUSED : sealing ? SSL_COUNT_TICKET_ISSUED : SSL_COUNT_TICKET_ACCEPTED);
    return result;
}

void ssl_ticket_setup(SSL_CTX *ctx)
{
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket_key_callback);
}
