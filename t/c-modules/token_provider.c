/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_provider.c - a provider of OpenSSL with a store for pkcs11: URIs, for
 * systems that have no other.  Its "token" is the directory $TOKEN_DIR with
 * NAME.key.der and NAME.crt.der; each private key costs the PIN $TOKEN_PIN,
 * from the URI's pin-value or by question.  Each PIN tried is written to
 * $TOKEN_TRIES.
 */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>
#include <openssl/store.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct object {
    char name[64];
    char pin[64];
    int expect; /* 0: whatever there is */
    int step;   /* of store_load */
} object;

/* The value of NAME= in URI. */
static void attribute(const char *uri, const char *name, char *value, size_t size)
{
    const char *at = strstr(uri, name);
    size_t len = at ? strcspn(at + strlen(name), ";?&") : 0;

    snprintf(value, size, "%.*s", (int)len, at ? at + strlen(name) : "");
}

static void *store_open(void *provider, const char *uri)
{
    object *o = strncmp(uri, "pkcs11:", 7) == 0 ? calloc(1, sizeof(*o)) : NULL;

    (void)provider;
    if (o) {
        attribute(uri, "object=", o->name, sizeof(o->name));
        attribute(uri, "pin-value=", o->pin, sizeof(o->pin));
    }
    return o;
}

static const OSSL_PARAM *store_settable(void *provider)
{
    static const OSSL_PARAM settable[] = { OSSL_PARAM_int(OSSL_STORE_PARAM_EXPECT, NULL), OSSL_PARAM_END };

    (void)provider;
    return settable;
}

static int store_set(void *ctx, const OSSL_PARAM params[])
{
    const OSSL_PARAM *expect = OSSL_PARAM_locate_const(params, OSSL_STORE_PARAM_EXPECT);

    return !expect || OSSL_PARAM_get_int(expect, &((object *)ctx)->expect);
}

static int opens(object *o, OSSL_PASSPHRASE_CALLBACK *ask, void *arg)
{
    OSSL_PARAM params[] = { OSSL_PARAM_utf8_string(OSSL_PASSPHRASE_PARAM_INFO, "test token", 0), OSSL_PARAM_END };
    FILE *tries = fopen(getenv("TOKEN_TRIES"), "a");
    size_t len = strlen(o->pin);
    int given = len > 0 || ask(o->pin, sizeof(o->pin) - 1, &len, params, arg);

    o->pin[given ? len : 0] = '\0';
    if (tries && given) {
        fprintf(tries, "%s %s\n", o->name, o->pin);
    }
    if (tries) {
        fclose(tries);
    }
    return given && strcmp(o->pin, getenv("TOKEN_PIN")) == 0;
}

static int deliver(object *o, int type, const char *suffix, OSSL_CALLBACK *deliver_to, void *arg)
{
    char path[512], der[8192];
    OSSL_PARAM params[3];
    size_t len = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s.%s.der", getenv("TOKEN_DIR"), o->name, suffix);
    file = fopen(path, "rb");
    if (file) {
        len = fread(der, 1, sizeof(der), file);
        fclose(file);
    }
    params[0] = OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_DATA, der, len);
    params[2] = OSSL_PARAM_construct_end();
    return len > 0 && deliver_to(params, arg);
}

/* The certificate, then the key. */
static int store_load(void *ctx, OSSL_CALLBACK *cb, void *arg, OSSL_PASSPHRASE_CALLBACK *ask, void *ask_arg)
{
    object *o = ctx;

    if (o->step++ == 0 && o->expect != OSSL_STORE_INFO_PKEY) {
        return deliver(o, OSSL_OBJECT_CERT, "crt", cb, arg);
    }
    o->step = 2;
    return opens(o, ask, ask_arg) && deliver(o, OSSL_OBJECT_PKEY, "key", cb, arg);
}

static int store_eof(void *ctx)
{
    object *o = ctx;

    return o->step >= (o->expect == OSSL_STORE_INFO_CERT ? 1 : 2);
}

static int store_close(void *ctx)
{
    free(ctx);
    return 1;
}

#define FUNCTION(id, f) { id, (void (*)(void))f }
static const OSSL_DISPATCH store[] = {
    FUNCTION(OSSL_FUNC_STORE_OPEN, store_open),
    FUNCTION(OSSL_FUNC_STORE_SETTABLE_CTX_PARAMS, store_settable),
    FUNCTION(OSSL_FUNC_STORE_SET_CTX_PARAMS, store_set),
    FUNCTION(OSSL_FUNC_STORE_LOAD, store_load),
    FUNCTION(OSSL_FUNC_STORE_EOF, store_eof),
    FUNCTION(OSSL_FUNC_STORE_CLOSE, store_close),
    { 0, NULL },
};

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
    static const OSSL_ALGORITHM stores[] = { { "pkcs11", "provider=token", store, "test" }, { NULL, NULL, NULL, NULL } };

    (void)provider;
    *no_cache = 0;
    return operation == OSSL_OP_STORE ? stores : NULL;
}

__attribute__((visibility("default")))
int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **ctx)
{
    static const OSSL_DISPATCH functions[] = { FUNCTION(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query), { 0, NULL } };

    (void)in;
    *out = functions;
    *ctx = (void *)handle;
    return 1;
}
