/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_kept.c - what outlives the configuration that it was made for:
 * contexts, certificates with their keys, CAs.
 *
 * Each kind is a hash in the process' pool, from a signature (the settings and
 * the stamps of the files that it was made from) to the object.  httpd unloads
 * this module between readings of its configuration, so nothing in there may
 * hold an address of ours: whoever sweeps brings the function that destroys.
 * The module that finds an object may even be a newer one than made it: a kind
 * whose records change gets a new name.
 */
#include <stdlib.h>
#include <string.h>

#include "ssl_ctx.h"

#include "http_main.h"

apr_hash_t *ssl_kept_hash(const char *name)
{
    apr_pool_t *process = ap_server_conf->process->pool;
    void *data = NULL;

    apr_pool_userdata_get(&data, name, process);
    if (!data) {
        data = apr_hash_make(process);
        apr_pool_userdata_set(data, name, apr_pool_cleanup_null, process); /* copies the name */
    }
    return data;
}

void *ssl_kept_record(const char *kind, const char *name, apr_size_t size)
{
    apr_hash_t *all = ssl_kept_hash(kind);
    apr_pool_t *process = apr_hash_pool_get(all);
    void *record = apr_hash_get(all, name, APR_HASH_KEY_STRING);

    if (!record) {
        record = apr_pcalloc(process, size);
        apr_hash_set(all, apr_pstrdup(process, name), APR_HASH_KEY_STRING, record);
    }
    return record;
}

ssl_kept *ssl_kept_find(const char *kind, const char *signature)
{
    return apr_hash_get(ssl_kept_hash(kind), signature, APR_HASH_KEY_STRING);
}

ssl_kept *ssl_kept_add(const char *kind, const char *signature, void *object)
{
    apr_size_t size = strlen(signature) + 1;
    ssl_kept *kept = ap_malloc(sizeof(*kept) + size);

    kept->object = object;
    kept->in_use = 1;
    memcpy(kept->signature, signature, size);
    apr_hash_set(ssl_kept_hash(kind), kept->signature, APR_HASH_KEY_STRING, kept);
    return kept;
}

static void forget(apr_hash_t *all, ssl_kept *kept, void (*destroy)(void *object))
{
    apr_hash_set(all, kept->signature, APR_HASH_KEY_STRING, NULL);
    destroy(kept->object);
    free(kept);
}

void ssl_kept_sweep(const char *kind, void (*destroy)(void *object))
{
    apr_hash_t *all = ssl_kept_hash(kind);
    apr_hash_index_t *i;

    for (i = apr_hash_first(NULL, all); i; i = apr_hash_next(i)) {
        ssl_kept *kept = apr_hash_this_val(i);

        if (kept->in_use) {
            kept->in_use = 0;
        }
        else {
            forget(all, kept, destroy);
        }
    }
}
