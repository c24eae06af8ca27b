/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_ticketshare.c - SSLSessionTicketKeySharing: the servers of a farm
 * seal with the same keys, which rotate, through a store that need not be trusted.
 *
 * Time since 1970 is cut into epochs, one rotation long, each with a key of
 * its own.  Any server makes the key of an epoch that has none, sealed
 * (ssl_util_ticketseal.c), puts it into the store, and takes what then is there.
 * The key of the next epoch is made half a rotation ahead, that of the current
 * one seals a few exchanges later: all servers have it before anybody uses it.
 *
 * Two servers may make one at the same time.  Each server looks again at every
 * exchange; of two keys for an epoch all prefer the same one
 * (ssl_ticket_ring_adopt()), and who holds that puts it into the store again, if there is
 * another or none.  So a store that was emptied is filled again, too.
 *
 * While the store is away, servers go on with the keys that they have.  One that
 * got none for two rotations makes keys of its own.
 *
 * The exchange is done by mod_watchdog, in one child at a time, never by a handshake.
 */
#include <sys/stat.h>

#include "ssl_log.h"
#include "ssl_scache.h"
#include "ssl_ticket.h"

#include "apr_file_io.h"
#include "mod_watchdog.h"

#define WATCHDOG "_mod_ssl_ticket_keys_"
#define LEAST_ROTATION 10
#define LEAST_SECRET 32
#define MOST_SECRET 4096

/* What all processes know of the store (ssl_ticket_ring_note()): said once, when it changes. */
enum { STORE_WORKS, STORE_LOST, STORE_CORRUPT };

/* For the life of the configuration. */
static struct {
    server_rec *server;
    ssl_ticket_habits habits;
    int interval, lead; /* seconds: between exchanges; until a new key may seal */
    unsigned char sealing_key[SSL_TICKET_SEALING_KEY];
} share;

const char *ssl_ticket_set_sharing(cmd_parms *cmd, void *dir, const char *cache, const char *path)
{
    ssl_global_config *global = ssl_global();
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY), *problem;

    (void)dir;
    if (err) {
        return err;
    }
    global->ticket_store = NULL;
    global->ticket_store_name = cache;
    global->ticket_sealing_file = ap_server_root_relative(cmd->pool, path);
    problem =
        global->ticket_sealing_file ? ssl_path_problem(cmd->temp_pool, global->ticket_sealing_file, 0) : "no path";
    if (problem) {
        return apr_psprintf(cmd->pool, "SSLSessionTicketKeySharing: the file of the sealing key, '%s': %s", path,
                            problem);
    }
    return ssl_scache_open(cmd, cache, &global->ticket_store, &global->ticket_store_instance);
}

/* --- start ---------------------------------------------------------------------------- */

static apr_status_t refuse(server_rec *s, apr_status_t rv, const char *problem)
{
    ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s, "SSLSessionTicketKeySharing %s: %s", ssl_global()->ticket_store_name,
                 problem);
    return rv == APR_SUCCESS ? APR_EGENERAL : rv;
}

static apr_status_t read_secret(server_rec *s, apr_pool_t *p)
{
    const char *path = ssl_global()->ticket_sealing_file;
    unsigned char secret[MOST_SECRET];
    apr_size_t len = sizeof(secret);
    apr_file_t *file;
    apr_finfo_t info = { 0 };
    apr_status_t rv = apr_file_open(&file, path, APR_READ | APR_BINARY, APR_OS_DEFAULT, p);
    int derived;

    if (rv != APR_SUCCESS) {
        return refuse(s, rv, apr_psprintf(p, "cannot read the file of the sealing key, '%s'", path));
    }
    rv = apr_file_read_full(file, secret, sizeof(secret), &len);
    apr_file_info_get(&info, APR_FINFO_PROT, file);
    apr_file_close(file);
    derived = (rv == APR_SUCCESS || APR_STATUS_IS_EOF(rv)) && len >= LEAST_SECRET &&
              ssl_ticket_derive(secret, len, share.sealing_key);
    OPENSSL_cleanse(secret, sizeof(secret));
    if (info.protection & (APR_FPROT_WREAD | APR_FPROT_WWRITE | APR_FPROT_GWRITE)) {
        return refuse(s, 0,
                      apr_psprintf(p,
                                   "the file of the sealing key, '%s', can be read or written by others: chmod "
                                   "600 '%s'; if it could be read, make a new one",
                                   path, path));
    }
    if (!derived) {
        return refuse(s, 0,
                      apr_psprintf(p,
                                   "'%s' must hold at least %d random bytes, the same on all servers; make "
                                   "one: openssl rand -out FILE 32",
                                   path, LEAST_SECRET));
    }
    return APR_SUCCESS;
}

static apr_status_t forget(void *unused)
{
    ssl_global_config *global = ssl_global();

    (void)unused;
    global->ticket_store->destroy(global->ticket_store_instance, share.server);
    OPENSSL_cleanse(&share, sizeof(share));
    return APR_SUCCESS;
}

static ap_watchdog_callback_fn_t exchange;

static apr_status_t start_watchdog(server_rec *s, apr_pool_t *p)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *add = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;
    apr_status_t rv;

    if (!get || !add) {
        return refuse(s, 0, "mod_watchdog has to be loaded: it exchanges the keys");
    }
    rv = get(&watchdog, WATCHDOG, 0, 1, p);
    if (rv == APR_SUCCESS) {
        rv = add(watchdog, apr_time_from_sec(share.interval), NULL, exchange);
    }
    return rv == APR_SUCCESS ? rv : refuse(s, rv, "mod_watchdog does not take the exchange of keys");
}

static apr_status_t open_store(server_rec *s, apr_pool_t *p)
{
    static const struct ap_socache_hints hints = { .avg_obj_size = SSL_TICKET_RECORD,
                                                   .avg_id_len = SSL_TICKET_RECORD_ID,
                                                   .expiry_interval = 30000000 };
    ssl_global_config *global = ssl_global();
    apr_status_t rv = global->ticket_store->init(global->ticket_store_instance, "mod_ssl-ticket-keys", &hints, s, p);

    if (rv != APR_SUCCESS) {
        return refuse(s, rv, "the store cannot be set up");
    }
    apr_pool_cleanup_register(p, NULL, forget, apr_pool_cleanup_null);
    return rv;
}

apr_status_t ssl_ticket_share_init(server_rec *s, const ssl_ticket_habits *habits, apr_pool_t *p)
{
    apr_int64_t tenth = habits->rotation / 10;
    apr_status_t rv;

    if (habits->rotation < LEAST_ROTATION) {
        return refuse(s, 0, "SSLSessionTicketKeyRotation must not be off, nor less than 10 seconds");
    }
    share.server = s;
    share.habits = *habits;
    share.interval = tenth < 1 ? 1 : tenth > 5 ? 5 : (int)tenth;
    share.lead = 3 * share.interval;
    rv = read_secret(s, p);
    if (rv == APR_SUCCESS) {
        rv = open_store(s, p);
    }
    return rv == APR_SUCCESS ? start_watchdog(s, p) : rv;
}

/* --- the store -------------------------------------------------------------------------- */

static void note(apr_uint32_t state, apr_status_t rv)
{
    if (ssl_ticket_ring_note(&ssl_ticket_common()->ring, state) == state) {
        return;
    }
    if (state == STORE_LOST) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, share.server,
                     "SSLSessionTicketKeySharing %s: the store takes no keys; "
                     "going on with those that are here",
                     ssl_global()->ticket_store_name);
    }
    else if (state == STORE_CORRUPT) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, share.server,
                     "SSLSessionTicketKeySharing %s: what the store returns is no "
                     "key that this farm has sealed: ignored (who else writes to that store?)",
                     ssl_global()->ticket_store_name);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, share.server,
                     "SSLSessionTicketKeySharing %s: keys are exchanged again", ssl_global()->ticket_store_name);
    }
}

/* 1: KEY is what the store has for EPOCH.  0: there is none.  -1: what there is makes no sense. */
static int fetch(apr_int64_t epoch, ssl_ticket_key *key, apr_pool_t *p)
{
    const ssl_global_config *global = ssl_global();
    unsigned char id[SSL_TICKET_RECORD_ID], record[2 * SSL_TICKET_RECORD];
    unsigned int len = sizeof(record);
    apr_status_t rv;

    if (!ssl_ticket_record_id(share.sealing_key, share.habits.rotation, epoch, id)) {
        return 0;
    }
    rv = global->ticket_store->retrieve(global->ticket_store_instance, share.server, id, sizeof(id), record, &len, p);
    if (rv != APR_SUCCESS) {
        return rv == APR_ENOSPC ? -1 : 0;
    }
    return ssl_ticket_record_open(share.sealing_key, share.habits.rotation, epoch, record, len, key) ? 1 : -1;
}

static apr_status_t store(const ssl_ticket_key *key, apr_pool_t *p)
{
    const ssl_global_config *global = ssl_global();
    unsigned char id[SSL_TICKET_RECORD_ID], record[SSL_TICKET_RECORD];

    if (!ssl_ticket_record_id(share.sealing_key, key->period, key->epoch, id) ||
        !ssl_ticket_record_seal(share.sealing_key, key, record)) {
        return APR_EGENERAL;
    }
    return global->ticket_store->store(global->ticket_store_instance, share.server, id, sizeof(id),
                                       apr_time_from_sec(key->made_until), record, sizeof(record), p);
}

/* --- the exchange ------------------------------------------------------------------------- */

static apr_int64_t clock_now(void)
{
    return apr_time_sec(apr_time_now());
}

static void adopt(ssl_ticket_key *key)
{
    apr_int64_t now = ssl_ticket_clock(), difference = now - clock_now();

    key->from = key->made_from + difference;
    key->until = key->made_until + difference;
    if (ssl_ticket_ring_adopt(&ssl_ticket_common()->ring, key, now) > 0) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, share.server,
                     "SSLSessionTicketKeySharing: a key for the %" APR_INT64_T_FMT " seconds from %" APR_INT64_T_FMT,
                     key->period, key->made_from);
    }
}

/* Fills KEY for EPOCH, if that is still worth it. */
static int make(apr_int64_t epoch, ssl_ticket_key *key)
{
    apr_int64_t period = share.habits.rotation, start = epoch * period, earliest = clock_now() + share.lead;

    memset(key, 0, sizeof(*key));
    key->period = period;
    key->epoch = epoch;
    key->made_from = start > earliest ? start : earliest;
    key->made_until = start + 3 * period + share.habits.timeout;
    return key->made_from < start + period && ssl_ticket_key_random(key);
}

/* What is to be in the store and is not: FOUND is what fetch() said, and THEIRS the key, if it is one.
 * APR_SUCCESS also when there was nothing to do. */
static apr_status_t settle(apr_int64_t epoch, int found, ssl_ticket_key *theirs, int is_past, apr_pool_t *p)
{
    ssl_ticket_key ours;
    apr_status_t rv = APR_SUCCESS;

    if (found > 0) {
        adopt(theirs);
    }
    if (ssl_ticket_ring_shared(&ssl_ticket_common()->ring, share.habits.rotation, epoch, &ours)) {
        if (found <= 0 || memcmp(ours.name, theirs->name, sizeof(ours.name)) != 0) {
            rv = store(&ours, p);
        }
    }
    else if (found <= 0 && !is_past && make(epoch, &ours)) {
        rv = store(&ours, p);
        /* somebody else's may have come at the same time */
        if (rv == APR_SUCCESS && fetch(epoch, theirs, p) > 0) {
            adopt(theirs);
        }
    }
    OPENSSL_cleanse(&ours, sizeof(ours));
    return rv;
}

static apr_uint32_t exchange_epoch(apr_int64_t epoch, int is_past, apr_status_t *rv, apr_pool_t *p)
{
    ssl_ticket_key theirs;
    int found = fetch(epoch, &theirs, p);

    *rv = settle(epoch, found, &theirs, is_past, p);
    OPENSSL_cleanse(&theirs, sizeof(theirs));
    return *rv != APR_SUCCESS ? STORE_LOST : found < 0 ? STORE_CORRUPT : STORE_WORKS;
}

/* From the oldest epoch whose tickets may still be good to the next one, if it is time for that. */
static void exchange_all(apr_pool_t *p)
{
    apr_int64_t period = share.habits.rotation, now = clock_now(), current = now / period;
    apr_int64_t epoch = (now - share.habits.timeout) / period, last = (now + period / 2) / period;
    apr_uint32_t state = STORE_WORKS, worst = STORE_WORKS;
    apr_status_t rv = APR_SUCCESS;

    for (; epoch <= last && state != STORE_LOST; epoch++) {
        state = exchange_epoch(epoch, epoch < current, &rv, p);
        worst = state == STORE_WORKS ? worst : state;
    }
    note(worst, rv);
}

static apr_status_t exchange(int state, void *data, apr_pool_t *p)
{
    const ssl_ticket_ring *ring = &ssl_ticket_common()->ring;

    (void)data;
    if (state != AP_WATCHDOG_STATE_STOPPING && share.server && ssl_ticket_ring_begin_exchange(ring)) {
        exchange_all(p);
        ssl_ticket_ring_end_exchange(ring);
        ERR_clear_error();
    }
    return APR_SUCCESS;
}
