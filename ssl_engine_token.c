/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_token.c - keys and certificates in tokens, by PKCS#11 URIs.
 *
 * The PIN of a token is unlike the pass phrase of a file: three wrong ones
 * lock most tokens.  So it is asked for once, never tried with another token,
 * and where one way to a token has failed the other is not tried.
 */
#include <openssl/store.h>

#include "http_main.h"

#include "ssl_log.h"
#include "ssl_pphrase.h"
#include "ssl_token.h"

#define ENGINES_IN_USE "mod_ssl:engines"
#define SCHEME "pkcs11"

/** One object to be fetched. */
typedef struct token_request {
    ssl_ctx_build *b;
    const char *uri;
    int type; /**< OSSL_STORE_INFO_CERT or OSSL_STORE_INFO_PKEY */
    ssl_pphrase_pin *pin;
    X509 *cert;     /**< out */
    EVP_PKEY *key;  /**< out */
    const char *by; /**< out: who was asked, in words; NULL: there is nobody */
} token_request;

const char *ssl_token_shown(apr_pool_t *p, const char *id)
{
    const char *value = id && ssl_is_key_uri(id) ? ap_strcasestr(id, "pin-value=") : NULL, *end;

    if (!value) {
        return id;
    }
    value += sizeof("pin-value=") - 1;
    end = value + strcspn(value, "&");
    return apr_psprintf(p, "%.*s***%s", (int)(value - id), id, end);
}

/* --- engines ----------------------------------------------------------------- */

/* An engine that is ready stays so: what is done with it last may close its tokens. */
static ssl_compat_engine *engine_named(const char *name)
{
    apr_hash_t *in_use = ssl_kept_hash(ENGINES_IN_USE);
    ssl_compat_engine *engine = apr_hash_get(in_use, name, APR_HASH_KEY_STRING);

    if (!engine) {
        engine = ssl_compat_engine_open(name);
        if (engine) {
            apr_hash_set(in_use, apr_pstrdup(ap_server_conf->process->pool, name), APR_HASH_KEY_STRING, engine);
        }
    }
    return engine;
}

static apr_status_t refuse_device(server_rec *s, const char *message)
{
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "%s '%s' (SSLCryptoDevice)", message, ssl_global()->crypto_device);
    ssl_log_queue(APLOG_MARK, APLOG_EMERG, s);
    return APR_EGENERAL;
}

apr_status_t ssl_token_use_device(server_rec *s)
{
    const char *name = ssl_global()->crypto_device;
    ssl_compat_engine *engine;

    if (!name) {
        return APR_SUCCESS;
    }
    if (!SSL_HAVE_ENGINE) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "SSLCryptoDevice %s has no effect: OpenSSL has no engines any "
                     "more; '" SCHEME ":' URIs lead to a provider, set up in OpenSSL's configuration file", name);
        return APR_SUCCESS;
    }
    ERR_clear_error();
    engine = engine_named(name);
    if (!engine) {
        return refuse_device(s, APLOGNO(01888) "Init: OpenSSL cannot load or start the engine");
    }
    if (!ssl_compat_engine_make_default(engine)) {
        return refuse_device(s, APLOGNO(01889) "Init: OpenSSL cannot make use of the engine");
    }
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, s, APLOGNO(01890) "Init: loaded Crypto Device API '%s'", name);
    return APR_SUCCESS;
}

static int ask_engine(token_request *r)
{
    ssl_compat_engine *engine = engine_named(SCHEME);

    if (!engine) {
        return 0;
    }
    r->by = "the engine '" SCHEME "'";
    if (r->type == OSSL_STORE_INFO_CERT) {
        r->cert = ssl_compat_engine_cert(engine, r->uri, r->pin->method, r->pin);
    }
    else {
        r->key = ssl_compat_engine_key(engine, r->uri, r->pin->method, r->pin);
    }
    return 1;
}

/* --- providers --------------------------------------------------------------- */

static int has_store(void)
{
    OSSL_STORE_LOADER *loader = OSSL_STORE_LOADER_fetch(NULL, SCHEME, NULL);

    OSSL_STORE_LOADER_free(loader);
    return loader != NULL;
}

/* The first object of the kind that is wanted. */
static void search_store(token_request *r, OSSL_STORE_CTX *store)
{
    OSSL_STORE_expect(store, r->type);
    while (!r->cert && !r->key && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);
        int type = info ? OSSL_STORE_INFO_get_type(info) : 0;

        if (!info && OSSL_STORE_error(store)) {
            return;
        }
        if (info && type == r->type && type == OSSL_STORE_INFO_CERT) {
            r->cert = OSSL_STORE_INFO_get1_CERT(info);
        }
        else if (info && type == r->type) {
            r->key = OSSL_STORE_INFO_get1_PKEY(info);
        }
        OSSL_STORE_INFO_free(info);
    }
}

static int ask_store(token_request *r)
{
    OSSL_STORE_CTX *store;

    if (!has_store()) {
        return 0;
    }
    r->by = "a provider's store";
    store = OSSL_STORE_open(r->uri, r->pin->method, r->pin, NULL, NULL);
    if (store) {
        search_store(r, store);
        OSSL_STORE_close(store);
    }
    return 1;
}

/* --- the whole ----------------------------------------------------------------- */

static void log_failure(token_request *r)
{
    ssl_ctx_build *b = r->b;
    const char *uri = ssl_token_shown(b->p, r->uri);
    const char *what = r->type == OSSL_STORE_INFO_CERT ? "certificate" : "private key";

    if (!r->by) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                     APLOGNO(10132) "%s: nobody can fetch the %s '%s': OpenSSL has neither a provider with a store for "
                     "'" SCHEME ":' URIs%s; set one up in OpenSSL's configuration file", b->id, what, uri,
                     SSL_HAVE_ENGINE ? " nor the engine '" SCHEME "'" : ", nor engines at all in this version");
    }
    else if (r->type == OSSL_STORE_INFO_CERT) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                     APLOGNO(10136) "%s: %s found no certificate at '%s'%s", b->id, r->by, uri,
                     r->pin->story);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                     APLOGNO(10133) "%s: %s gave no private key for '%s'%s", b->id, r->by, uri,
                     r->pin->story);
    }
    ssl_log_queue(APLOG_MARK, APLOG_EMERG, b->server);
}

static void fetch(token_request *r)
{
    int engine_first = ssl_global()->crypto_device != NULL;

    ERR_clear_error();
    if (!(engine_first ? ask_engine : ask_store)(r)) {
        (engine_first ? ask_store : ask_engine)(r);
    }
}

X509 *ssl_token_load_cert(ssl_ctx_build *b, const char *uri)
{
    ssl_pphrase_pin pin;
    token_request r = { .b = b, .uri = uri, .type = OSSL_STORE_INFO_CERT, .pin = &pin };

    ssl_pphrase_pin_begin(&pin, b, uri);
    fetch(&r);
    ssl_pphrase_pin_end(&pin, r.cert != NULL);
    if (!r.cert) {
        log_failure(&r);
    }
    ERR_clear_error();
    return r.cert;
}

EVP_PKEY *ssl_token_load_key(ssl_ctx_build *b, const char *uri)
{
    ssl_pphrase_pin pin;
    token_request r = { .b = b, .uri = uri, .type = OSSL_STORE_INFO_PKEY, .pin = &pin };

    ssl_pphrase_pin_begin_for_key(&pin, b, uri);
    fetch(&r);
    r.key = ssl_pphrase_pin_end_for_key(&pin, r.key);
    if (!r.key) {
        log_failure(&r);
    }
    ERR_clear_error();
    return r.key;
}

/* --- children ------------------------------------------------------------------ */

/* An error, unlike an empty answer, which would be tried as the PIN. */
static int ask_nobody(UI *ui, UI_STRING *string)
{
    (void)ui;
    (void)string;
    return 0;
}

static const UI_METHOD *usual_method;
static UI_METHOD *nobody;

static apr_status_t restore_method(void *unused)
{
    (void)unused;
    UI_set_default_method(usual_method);
    UI_destroy_method(nobody);
    return APR_SUCCESS;
}

void ssl_token_init_child(apr_pool_t *p)
{
    nobody = UI_create_method("nobody to be asked");
    if (nobody) {
        UI_method_set_reader(nobody, ask_nobody);
        usual_method = UI_get_default_method();
        UI_set_default_method(nobody);
        apr_pool_cleanup_register(p, NULL, restore_method, apr_pool_cleanup_null);
    }
}
