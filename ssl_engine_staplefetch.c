/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_staplefetch.c - keeps the OCSP answers fresh: when to ask whom,
 * in one process, and what becomes of the answers.
 *
 * The process is elected by mod_watchdog (a singleton: another child takes
 * over when it ends) or, without that, by a lock.  Five times a second it looks
 * whether an answer is due.  If so, up to four threads take one certificate
 * after the other, and end when nothing is due any more.
 *
 * A responder is a host and port.  It has at most two questions at a time, one
 * until it has answered for the first time.  One that cannot be reached is left alone
 * for a while, then has one, and all such together have no more than half of
 * the threads, so that the others' certificates do not wait for them.
 *
 * All that another process needs to go on is in the shared table.
 */
#include "ssl_ocsp.h"
#include "ssl_scache.h"
#include "ssl_stapling.h"

#include "ap_mpm.h"
#include "apr_thread_cond.h"
#include "apr_thread_proc.h"
#include "mod_watchdog.h"
#include "util_mutex.h"

#include <openssl/rand.h>

#define THREADS 4
#define PER_RESPONDER 2
#define TICK apr_time_from_msec(200)
#define LONGEST_QUIET apr_time_from_sec(60) /* of a responder that cannot be reached */
#define CACHE_TIMEOUT 3600                  /* seconds that an answer without nextUpdate is good for */

/* A test build may set it to 0, to do as if mod_watchdog were not there. */
#ifndef SSL_STAPLE_WATCHDOG
#define SSL_STAPLE_WATCHDOG 1
#endif

/** Who is asked. */
typedef struct responder responder;

/** A certificate and when it is due. */
typedef struct job {
    const ssl_staple_cert *cert;
    responder *at;
    apr_time_t due;
} job;

struct responder {
    job **heap; /* those that nobody works at, the earliest first */
    int n;
    int active; /* questions under way */
    int known;  /* it has been reached */
    apr_uint32_t failures;  /* since it was last reached */
    apr_time_t quiet_until; /* not to be asked before */
};

/** A thread that asks. */
typedef struct worker {
    apr_thread_t *thread; /* NULL: none */
    apr_pool_t *p;        /* of the thread */
    volatile int done;
    struct fetcher *fetcher;
} worker;

typedef struct fetcher {
    const ssl_stapling *stapling;
    apr_pool_t *p;              /* NULL: this process is not the one that fetches */
    apr_thread_mutex_t *lock;   /* of all below */
    apr_array_header_t *responders; /* responder * */
    int troubled;               /* questions under way to responders that were not reached last time */
    volatile int stop;
    worker workers[THREADS];
} fetcher;

/* --- answers ------------------------------------------------------------------------ */

static apr_interval_time_t seconds(int n)
{
    return apr_time_from_sec((apr_int64_t)n);
}

static const ssl_stapling_config *settings_of(const ssl_staple_cert *cert)
{
    return &ssl_config_of(cert->server)->stapling;
}

/* When an answer is not to be stapled any longer. */
static apr_time_t end_of(const ssl_ocsp_verdict *verdict, const ssl_stapling_config *cfg, apr_time_t since)
{
    int lasts = cfg->cache_timeout >= 0 ? cfg->cache_timeout : CACHE_TIMEOUT;
    apr_time_t end = verdict->next_update ? verdict->next_update : since + seconds(lasts);
    apr_time_t oldest = verdict->this_update + seconds(cfg->max_age);

    return cfg->max_age >= 0 && oldest < end ? oldest : end;
}

static apr_time_t next_fetch(const ssl_staple_facts *facts, const ssl_stapling_config *cfg, apr_time_t now)
{
    apr_interval_time_t cap = cfg->cache_timeout < 0 ? 0 : seconds(cfg->cache_timeout ? cfg->cache_timeout : 1);
    unsigned char chance = 128;

    RAND_bytes(&chance, 1);
    return ssl_staple_refresh_time(now, facts->this_update, facts->expires, cap, chance);
}

/* When to ask for CERT: as was settled when FACTS came about, perhaps sooner by what is configured now. */
static apr_time_t due_at(const ssl_staple_cert *cert, const ssl_staple_facts *facts)
{
    int lasts = settings_of(cert)->cache_timeout;
    apr_time_t latest = facts->fetched + seconds(lasts);

    if (facts->fetched > apr_time_now() + seconds(3600)) {
        return 0; /* the clock has been set back */
    }
    return lasts > 0 && !facts->failures && latest < facts->next_fetch ? latest : facts->next_fetch;
}

/* What the administrator must hear: once for each change. */
static void tell_change(const ssl_staple_cert *cert, const ssl_staple_facts *before, const ssl_staple_facts *after,
                        const char *words)
{
    if (after->state == SSL_STAPLE_REVOKED && before->state != SSL_STAPLE_REVOKED) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, cert->server, "REVOKED: the server certificate %s: its OCSP responder "
                     "says that %s; this is stapled, and clients refuse the certificate: replace it", cert->name,
                     words);
    }
    else if (after->state == SSL_STAPLE_GOOD && before->state == SSL_STAPLE_REVOKED) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, cert->server, "the server certificate %s, revoked before, is good "
                     "again, says its OCSP responder", cert->name);
    }
    if (before->failures) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, cert->server, "OCSP stapling for %s: an answer again, after %u "
                     "failures", cert->name, before->failures);
    }
}

static void note_failure(const ssl_stapling *stapling, const ssl_staple_cert *cert, const char *problem,
                         int response_status)
{
    apr_time_t now = apr_time_now();
    ssl_staple_facts facts;
    int often;

    ssl_staple_read_facts(&stapling->table, cert->slot, &facts);
    facts.failures += facts.failures < 0xffff;
    facts.response_status = response_status;
    facts.next_fetch = now + ssl_staple_back_off(facts.failures, seconds(settings_of(cert)->error_timeout));
    apr_cpystrn(facts.error, problem, sizeof(facts.error));
    ssl_staple_write(&stapling->table, cert->slot, &facts, NULL, 0);
    often = (facts.failures & (facts.failures - 1)) != 0; /* the 1st, 2nd, 4th, 8th... are worth a warning */
    ap_log_error(APLOG_MARK, often ? APLOG_INFO : APLOG_WARNING, 0, cert->server,
                 "OCSP stapling for %s: %s; attempt %u, the next in %" APR_TIME_T_FMT " s; until then %s", cert->name,
                 problem, facts.failures, apr_time_sec(facts.next_fetch - now),
                 facts.expires > now ? "the last answer is stapled" : "nothing is stapled");
}

static const ssl_ocsp_verdict *judge(const ssl_staple_cert *cert, const unsigned char *der, apr_size_t len,
                                     apr_pool_t *p)
{
    const ssl_stapling_config *cfg = settings_of(cert);
    const ssl_ocsp_rules rules = { .skew = seconds(cfg->time_skew),
                                   .max_age = cfg->max_age < 0 ? -1 : seconds(cfg->max_age) };
    const ssl_ocsp_query *query = ssl_ocsp_query_make(p, cert->cert, cert->issuer, 0);

    return query ? ssl_ocsp_judge(p, query, der, len, &rules) : NULL;
}

static int refuse(const ssl_stapling *stapling, const ssl_staple_cert *cert, ssl_staple_source from,
                  const char *problem, int response_status, apr_pool_t *p)
{
    if (from == SSL_STAPLE_FROM_RESPONDER) {
        note_failure(stapling, cert, apr_psprintf(p, "responder %s: %s", cert->responder, problem), response_status);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, cert->server, "OCSP stapling for %s: what %s holds is not used: %s",
                     cert->name, from == SSL_STAPLE_FROM_CACHE ? "SSLStaplingCache" : "SSLStaplingStore", problem);
    }
    return 0;
}

/* Older than what is held: that stays, and is all there is for now. */
static int keep_newer(const ssl_stapling *stapling, const ssl_staple_cert *cert, ssl_staple_facts *held,
                      ssl_staple_source from)
{
    apr_time_t now = apr_time_now();

    if (from == SSL_STAPLE_FROM_RESPONDER) {
        held->failures = 0;
        held->error[0] = '\0';
        held->next_fetch = next_fetch(held, settings_of(cert), now);
        ssl_staple_write(&stapling->table, cert->slot, held, NULL, 0);
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, cert->server, "OCSP stapling for %s: responder %s sent an older answer "
                     "than we have, which stays", cert->name, cert->responder);
    }
    return due_at(cert, held) > now;
}

static int hold(const ssl_stapling *stapling, const ssl_staple_cert *cert, const ssl_ocsp_verdict *verdict,
                const unsigned char *der, apr_size_t len, const ssl_staple_facts *before, apr_time_t end)
{
    apr_time_t now = apr_time_now();
    ssl_staple_facts facts = { .this_update = verdict->this_update, .next_update = verdict->next_update,
                               .expires = end, .fetched = now };

    facts.state = verdict->status == SSL_OCSP_REVOKED ? SSL_STAPLE_REVOKED : SSL_STAPLE_GOOD;
    facts.next_fetch = next_fetch(&facts, settings_of(cert), now);
    if (ssl_staple_write(&stapling->table, cert->slot, &facts, der, len) != APR_SUCCESS) {
        return 0;
    }
    tell_change(cert, before, &facts, verdict->words);
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, cert->server, "OCSP stapling for %s: %s; stapled for %" APR_TIME_T_FMT
                 " s, asked again in %" APR_TIME_T_FMT " s", cert->name, verdict->words, apr_time_sec(end - now),
                 apr_time_sec(facts.next_fetch - now));
    return 1;
}

int ssl_staple_accept(const ssl_stapling *stapling, const ssl_staple_cert *cert, ssl_staple_source from,
                      const unsigned char *der, apr_size_t len, apr_pool_t *p)
{
    const ssl_ocsp_verdict *verdict = judge(cert, der, len, p);
    const ssl_stapling_config *cfg = settings_of(cert);
    apr_time_t now = apr_time_now(), end;
    ssl_staple_facts held;

    if (!verdict || (verdict->status != SSL_OCSP_GOOD && verdict->status != SSL_OCSP_REVOKED)) {
        return refuse(stapling, cert, from, verdict ? verdict->words : "out of memory",
                      verdict ? verdict->response_status : -1, p);
    }
    end = end_of(verdict, cfg, from == SSL_STAPLE_FROM_RESPONDER ? now : verdict->this_update);
    if (end <= now) {
        return refuse(stapling, cert, from, "it has expired", -1, p);
    }
    if (len > SSL_STAPLE_MAX_ANSWER) {
        return refuse(stapling, cert, from, "it is too large to be stapled", -1, p);
    }
    ssl_staple_read_facts(&stapling->table, cert->slot, &held);
    if (held.expires > now && (held.this_update > verdict->this_update ||
                               (held.this_update == verdict->this_update && from != SSL_STAPLE_FROM_RESPONDER))) {
        return keep_newer(stapling, cert, &held, from);
    }
    if (!hold(stapling, cert, verdict, der, len, &held, end)) {
        return 0;
    }
    if (from == SSL_STAPLE_FROM_RESPONDER) {
        ssl_staplecache_store(cert, der, len, cfg->cache_timeout >= 0 && now + seconds(cfg->cache_timeout) < end
                              ? now + seconds(cfg->cache_timeout) : end, p);
    }
    if (from != SSL_STAPLE_FROM_STORE) {
        ssl_staplestore_save(cert, der, len, p);
    }
    /* An answer from elsewhere may be past half of its validity. */
    return from == SSL_STAPLE_FROM_RESPONDER || now - verdict->this_update < (end - verdict->this_update) / 2;
}

/* Another server of the farm may have asked.  True: that will do. */
static int ask_cache(const ssl_stapling *stapling, const ssl_staple_cert *cert, apr_pool_t *p)
{
    const unsigned char *der;
    apr_size_t len;

    return ssl_staplecache_find(cert, &der, &len, p) &&
           ssl_staple_accept(stapling, cert, SSL_STAPLE_FROM_CACHE, der, len, p);
}

/* False: the responder could not be reached, or did not answer in time. */
static int ask_responder(fetcher *f, const ssl_staple_cert *cert, apr_pool_t *p)
{
    int timeout = settings_of(cert)->timeout;
    const ssl_ocsp_exchange how = { .url = cert->responder, .proxy = settings_of(cert)->proxy_url,
                                    .timeout = seconds(timeout > 0 ? timeout : 1),
                                    .max_len = SSL_STAPLE_MAX_ANSWER, .stop = &f->stop };
    const ssl_ocsp_query *query = ssl_ocsp_query_make(p, cert->cert, cert->issuer, 0);
    const char *problem = "out of memory";
    const unsigned char *der;
    apr_status_t rv = APR_ENOMEM;
    apr_size_t len;

    if (query) {
        rv = ssl_ocsp_fetch(p, &how, query, &der, &len, &problem);
    }
    if (f->stop) {
        return 1; /* the next one asks anew */
    }
    if (rv != APR_SUCCESS) {
        note_failure(f->stapling, cert, problem, -1);
        return 0;
    }
    ssl_staple_accept(f->stapling, cert, SSL_STAPLE_FROM_RESPONDER, der, len, p);
    return 1;
}

/* --- what is due --------------------------------------------------------------------- */

static void swap(job **heap, int a, int b)
{
    job *other = heap[a];

    heap[a] = heap[b];
    heap[b] = other;
}

static void push(job *j)
{
    job **heap = j->at->heap;
    int i = j->at->n++;

    heap[i] = j;
    for (; i > 0 && heap[i]->due < heap[(i - 1) / 2]->due; i = (i - 1) / 2) {
        swap(heap, i, (i - 1) / 2);
    }
}

static job *pop(responder *at)
{
    job **heap = at->heap, *first = heap[0];
    int i = 0, child;

    heap[0] = heap[--at->n];
    while ((child = 2 * i + 1) < at->n) {
        child += child + 1 < at->n && heap[child + 1]->due < heap[child]->due;
        if (heap[i]->due <= heap[child]->due) {
            break;
        }
        swap(heap, i, child);
        i = child;
    }
    return first;
}

/* Whether AT may be asked now about its next certificate. */
static int is_due(const fetcher *f, const responder *at, apr_time_t now)
{
    if (at->n == 0 || at->heap[0]->due > now || at->quiet_until > now) {
        return 0;
    }
    if (at->failures) {
        return at->active == 0 && f->troubled < THREADS / 2;
    }
    return at->active < (at->known ? PER_RESPONDER : 1);
}

/* Those that were reached last time come first. */
static responder *choose(const fetcher *f, apr_time_t now)
{
    responder *best = NULL;
    int i;

    for (i = 0; i < f->responders->nelts; i++) {
        responder *at = APR_ARRAY_IDX(f->responders, i, responder *);

        if (is_due(f, at, now) && (!best || (best->failures && !at->failures) ||
                                   (!best->failures == !at->failures && at->heap[0]->due < best->heap[0]->due))) {
            best = at;
        }
    }
    return best;
}

/* Takes the next job.  NULL: nothing is due, or it is time to stop. */
static job *take(fetcher *f, int *troubled)
{
    responder *at;
    job *j = NULL;

    apr_thread_mutex_lock(f->lock);
    at = f->stop ? NULL : choose(f, apr_time_now());
    if (at) {
        j = pop(at);
        at->active++;
        *troubled = at->failures > 0;
        f->troubled += *troubled;
    }
    apr_thread_mutex_unlock(f->lock);
    return j;
}

static void give_back(fetcher *f, job *j, int reached, int troubled)
{
    apr_interval_time_t longest = seconds(settings_of(j->cert)->error_timeout);
    ssl_staple_facts facts;
    apr_time_t now = apr_time_now();
    responder *at = j->at;

    ssl_staple_read_facts(&f->stapling->table, j->cert->slot, &facts);
    apr_thread_mutex_lock(f->lock);
    f->troubled -= troubled;
    at->active--;
    at->known |= reached;
    at->failures = reached ? 0 : at->failures + (at->failures < 0xffff);
    at->quiet_until = reached ? 0 : now + ssl_staple_back_off(at->failures, longest < LONGEST_QUIET ? longest
                                                                                                    : LONGEST_QUIET);
    /* facts that could not be read or written must not make it due at once, again and again */
    j->due = due_at(j->cert, &facts);
    j->due = j->due > now ? j->due : now + seconds(10);
    push(j);
    apr_thread_mutex_unlock(f->lock);
}

/* --- threads ----------------------------------------------------------------------------- */

/* Another process may have fetched it meanwhile: the one before us, or the one after. */
static int is_fresh(const fetcher *f, const ssl_staple_cert *cert)
{
    ssl_staple_facts facts;

    return ssl_staple_read_facts(&f->stapling->table, cert->slot, &facts) == APR_SUCCESS &&
           due_at(cert, &facts) > apr_time_now();
}

static void *APR_THREAD_FUNC work(apr_thread_t *thread, void *data)
{
    worker *w = data;
    fetcher *f = w->fetcher;
    int troubled = 0;
    apr_pool_t *p;
    job *j;

    apr_pool_create(&p, w->p);
    while ((j = take(f, &troubled)) != NULL) {
        int reached = is_fresh(f, j->cert) || ask_cache(f->stapling, j->cert, p) || ask_responder(f, j->cert, p);

        give_back(f, j, reached, troubled);
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
    OPENSSL_thread_stop();
    w->done = 1;
    (void)thread;
    return NULL;
}

static void join(worker *w)
{
    apr_status_t rv;

    apr_thread_join(&rv, w->thread);
    apr_pool_destroy(w->p);
    w->thread = NULL;
}

static void start(fetcher *f, worker *w)
{
    apr_status_t rv;

    w->done = 0;
    w->fetcher = f;
    /* of its own allocator: pools of one tree are not for two threads */
    if (apr_pool_create(&w->p, NULL) != APR_SUCCESS) {
        return;
    }
    rv = apr_thread_create(&w->thread, NULL, work, w, w->p);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, f->stapling->server, "cannot start a thread that asks OCSP responders");
        apr_pool_destroy(w->p);
        w->thread = NULL;
    }
}

/* Threads that have ended go; one is started while there is more to do. */
static void tick(fetcher *f)
{
    int i, due;

    for (i = 0; i < THREADS; i++) {
        worker *w = &f->workers[i];

        if (w->thread && w->done) {
            join(w);
        }
        apr_thread_mutex_lock(f->lock);
        due = choose(f, apr_time_now()) != NULL;
        apr_thread_mutex_unlock(f->lock);
        if (due && !w->thread) {
            start(f, w);
        }
    }
}

static responder *find_responder(fetcher *f, apr_hash_t *known, const char *url)
{
    const char *host = strstr(url, "://");
    apr_size_t len;
    responder *at;

    host = host ? host + 3 : url;
    len = strcspn(host, "/?#");
    at = apr_hash_get(known, host, (apr_ssize_t)len);
    if (!at) {
        at = apr_pcalloc(f->p, sizeof(*at));
        apr_hash_set(known, host, (apr_ssize_t)len, at);
        APR_ARRAY_PUSH(f->responders, responder *) = at;
    }
    return at;
}

/* This process is the one from now on. */
static void begin(fetcher *f)
{
    const apr_array_header_t *certs = f->stapling->certs;
    apr_hash_t *known;
    job *jobs;
    int i;

    apr_pool_create(&f->p, NULL);
    apr_thread_mutex_create(&f->lock, APR_THREAD_MUTEX_DEFAULT, f->p);
    f->stop = 0;
    f->troubled = 0;
    f->responders = apr_array_make(f->p, 4, sizeof(responder *));
    known = apr_hash_make(f->p);
    jobs = apr_pcalloc(f->p, sizeof(*jobs) * (apr_size_t)certs->nelts);
    for (i = 0; i < certs->nelts; i++) {
        jobs[i].cert = APR_ARRAY_IDX(certs, i, const ssl_staple_cert *);
        jobs[i].at = find_responder(f, known, jobs[i].cert->responder);
        jobs[i].at->n++;
    }
    for (i = 0; i < f->responders->nelts; i++) {
        responder *at = APR_ARRAY_IDX(f->responders, i, responder *);

        at->heap = apr_pcalloc(f->p, sizeof(job *) * (apr_size_t)at->n);
        at->n = 0;
    }
    for (i = 0; i < certs->nelts; i++) {
        ssl_staple_facts facts;

        ssl_staple_read_facts(&f->stapling->table, jobs[i].cert->slot, &facts);
        jobs[i].due = due_at(jobs[i].cert, &facts);
        push(&jobs[i]);
    }
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, f->stapling->server, "OCSP stapling: this process keeps the answers for %d "
                 "certificates fresh, from %d responders", certs->nelts, f->responders->nelts);
}

static void finish(fetcher *f)
{
    int i;

    f->stop = 1;
    for (i = 0; i < THREADS; i++) {
        if (f->workers[i].thread) {
            join(&f->workers[i]);
        }
    }
    if (f->p) {
        apr_pool_destroy(f->p);
        f->p = NULL;
    }
}

/* --- which process ------------------------------------------------------------------------ */

static fetcher the_fetcher;

static apr_status_t on_watchdog(int state, void *data, apr_pool_t *pool)
{
    fetcher *f = data;

    (void)pool;
    if (state == AP_WATCHDOG_STATE_STOPPING) {
        finish(f);
        return APR_SUCCESS;
    }
    if (!f->p) {
        begin(f);
    }
    if (state == AP_WATCHDOG_STATE_RUNNING) {
        tick(f);
    }
    return APR_SUCCESS;
}

static int use_watchdog(fetcher *f, apr_pool_t *p)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get;
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *watch;
    ap_watchdog_t *watchdog;

    get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    watch = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    return SSL_STAPLE_WATCHDOG && get && watch && get(&watchdog, "_mod_ssl_stapling_", 0, 1, p) == APR_SUCCESS &&
           watch(watchdog, TICK, f, on_watchdog) == APR_SUCCESS;
}

static apr_global_mutex_t *election; /* without mod_watchdog: who has it fetches */
static apr_thread_t *elector;
static volatile int child_ends;

/* A thread of each child: waits to be the one, then does what mod_watchdog would. */
static void *APR_THREAD_FUNC elect(apr_thread_t *thread, void *data)
{
    int elected = 0;

    (void)thread;
    while (!child_ends) {
        if (!elected && apr_global_mutex_trylock(election) == APR_SUCCESS) {
            elected = 1;
            begin(data);
        }
        if (elected) {
            tick(data);
        }
        apr_sleep(TICK);
    }
    finish(data);
    if (elected) {
        apr_global_mutex_unlock(election);
    }
    return NULL;
}

static apr_status_t end_election(void *unused)
{
    apr_status_t rv;

    (void)unused;
    child_ends = 1;
    apr_thread_join(&rv, elector);
    return APR_SUCCESS;
}

void ssl_staplefetch_init(const ssl_stapling *stapling, apr_pool_t *p)
{
    apr_status_t rv;

    the_fetcher = (fetcher){ .stapling = stapling };
    election = NULL;
    if (use_watchdog(&the_fetcher, p)) {
        return;
    }
    rv = ap_global_mutex_create(&election, NULL, SSL_STAPLING_REFRESH_MUTEX_TYPE, NULL, stapling->server, p, 0);
    if (rv == APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, stapling->server, "mod_watchdog is not loaded: a thread of each "
                     "child stands by to fetch OCSP answers; the " SSL_STAPLING_REFRESH_MUTEX_TYPE " mutex says which does");
    }
    else {
        election = NULL;
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, stapling->server, "OCSP answers are not fetched, and what is known is "
                     "stapled until it expires: mod_watchdog is not loaded, and the " SSL_STAPLING_REFRESH_MUTEX_TYPE
                     " mutex cannot be made");
    }
}

void ssl_staplefetch_init_child(server_rec *s, apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;

    if (!election) {
        return;
    }
    child_ends = 0;
    rv = apr_global_mutex_child_init(&election, apr_global_mutex_lockfile(election), p);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_create(&elector, NULL, elect, &the_fetcher, p);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s, "this child cannot fetch OCSP answers");
        return;
    }
    apr_pool_pre_cleanup_register(p, NULL, end_election);
}
