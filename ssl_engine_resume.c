/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_resume.c - sessions of backends, to be resumed by this child's
 * next connections to them (SSLProxySessionCache).
 *
 * A table of fixed size per outgoing configuration.  The key of a session says
 * all that it was made with: backend, names, what was demanded of the
 * certificate.  A session is thrown out by a newer one that needs its place.
 */
#include "ssl_proxy.h"

#include <openssl/crypto.h>

#define SLOTS 256
#define SESSIONS_PER_SLOT 4 /* a backend may send several TLS 1.3 tickets, and each resumes once */

/* Certificates and lists may have expired since.  TLS 1.3 brings a new ticket with each
 * resumption: its time says nothing, for the certificate was not verified again. */
#define LONGEST_LIFE 300

typedef struct kept_session {
    SSL_SESSION *session;
    time_t verified_at;
} kept_session;

typedef struct slot {
    char *key;
    kept_session kept[SESSIONS_PER_SLOT]; /* the newest last */
    int n;
} slot;

struct ssl_resume_cache {
    CRYPTO_RWLOCK *lock;
    slot slots[SLOTS];
};

ssl_resume_cache *ssl_resume_make(void)
{
    ssl_resume_cache *cache = ap_calloc(1, sizeof(*cache));

    cache->lock = CRYPTO_THREAD_lock_new();
    return cache;
}

static void clear(slot *s)
{
    while (s->n > 0) {
        SSL_SESSION_free(s->kept[--s->n].session);
    }
    free(s->key);
    s->key = NULL;
}

void ssl_resume_free(ssl_resume_cache *cache)
{
    int i;

    for (i = 0; cache && i < SLOTS; i++) {
        clear(&cache->slots[i]);
    }
    if (cache) {
        CRYPTO_THREAD_lock_free(cache->lock);
        free(cache);
    }
}

static slot *slot_of(ssl_resume_cache *cache, const char *key)
{
    apr_ssize_t len = APR_HASH_KEY_STRING;

    return &cache->slots[apr_hashfunc_default(key, &len) % SLOTS];
}

static int is_usable(const kept_session *kept)
{
    time_t now = time(NULL);
    long age = (long)(now - ssl_compat_session_time(kept->session)), verified = (long)(now - kept->verified_at);

    return age >= 0 && age < SSL_SESSION_get_timeout(kept->session) && verified >= 0 && verified < LONGEST_LIFE &&
           SSL_SESSION_is_resumable(kept->session);
}

/* With the lock held. */
static SSL_SESSION *take(slot *s, const char *key, time_t *verified_at)
{
    if (!s->key || strcmp(s->key, key) != 0) {
        return NULL;
    }
    while (s->n > 0) {
        SSL_SESSION *session = s->kept[s->n - 1].session;

        if (is_usable(&s->kept[s->n - 1])) {
            *verified_at = s->kept[s->n - 1].verified_at;
            if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION) {
                s->n--; /* who sees a ticket twice knows that both are of one client (RFC 8446, C.4) */
            }
            else {
                SSL_SESSION_up_ref(session);
            }
            return session;
        }
        SSL_SESSION_free(session);
        s->n--;
    }
    return NULL;
}

SSL_SESSION *ssl_resume_take(ssl_resume_cache *cache, const char *key, time_t *verified_at)
{
    SSL_SESSION *session;

    if (!cache->lock || !CRYPTO_THREAD_write_lock(cache->lock)) {
        return NULL;
    }
    session = take(slot_of(cache, key), key, verified_at);
    CRYPTO_THREAD_unlock(cache->lock);
    return session;
}

/* With the lock held; takes over SESSION. */
static void put(slot *s, const char *key, SSL_SESSION *session, time_t verified_at)
{
    if (!s->key || strcmp(s->key, key) != 0) {
        clear(s);
        s->key = strdup(key);
    }
    if (SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION) {
        while (s->n > 0) {
            SSL_SESSION_free(s->kept[--s->n].session);
        }
    }
    if (s->n == SESSIONS_PER_SLOT) {
        SSL_SESSION_free(s->kept[0].session);
        memmove(s->kept, s->kept + 1, sizeof(s->kept[0]) * (SESSIONS_PER_SLOT - 1));
        s->n--;
    }
    s->kept[s->n++] = (kept_session){ session, verified_at };
}

int ssl_resume_new_session(SSL *ssl, SSL_SESSION *session)
{
    ssl_conn *conn = SSL_get_app_data(ssl);
    ssl_resume_cache *cache = conn && conn->backend ? conn->backend->made->sessions : NULL;

    if (!cache || !cache->lock || !conn->backend->session_key || !CRYPTO_THREAD_write_lock(cache->lock)) {
        return 0;
    }
    put(slot_of(cache, conn->backend->session_key), conn->backend->session_key, session,
        SSL_session_reused(ssl) ? conn->backend->verified_at : time(NULL));
    CRYPTO_THREAD_unlock(cache->lock);
    return 1;
}
