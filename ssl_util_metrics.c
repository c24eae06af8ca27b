/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_util_metrics.c - counters that all processes share.
 *
 *   memory:  number of threads | slot | slot | ...
 *   slot:    one value for each counter, on cache lines of its own
 *
 * A thread counts in one slot, so that processors do not take cache lines from
 * each other; more threads than slots share them, hence the atomic addition.
 * Whoever reads adds up the slots.  A process that is killed loses nothing: each
 * count is one instruction.  Nothing in there is an address, or trusted: a
 * child that writes nonsense makes figures wrong, no more.
 */
#include <stdatomic.h>
#include <string.h>

#define SSL_COUNTERS_ALONE
#include "ssl_metrics.h"

enum { LINE = 64, SLOTS = 64 };

typedef struct slot {
    _Alignas(LINE) atomic_uint_fast64_t values[SSL_COUNTERS_N];
} slot;

typedef struct counters {
    _Alignas(LINE) atomic_uint threads;
    slot slots[SLOTS];
} counters;

#define COUNTER_ROW(counter, metric, labels) [counter] = { metric, labels },
const ssl_counter_row ssl_counter_rows[SSL_COUNTERS_N] = { SSL_COUNTERS(COUNTER_ROW) };

static const struct {
    const char *metric, *help;
} families[] = {
    { "ssl_handshakes_total", "TLS handshakes that were completed, the first of each connection." },
    { "ssl_handshake_failures_total", "Connections to a TLS port whose handshake was not completed." },
    { "ssl_server_names_total", "ClientHellos by what their server name (SNI) led to." },
    { "ssl_requests_refused_total", "Requests that were refused for what their connection is." },
    { "ssl_rehandshakes_total", "Renegotiations (up to TLS 1.2) and post-handshake authentications (TLS 1.3)." },
    { "ssl_tickets_total", "Stateless session tickets: sealed here, opened, or under none of our keys." },
    { "ssl_session_cache_operations_total", "Operations on SSLSessionCache, whichever it is." },
    { "ssl_backend_handshakes_total", "TLS handshakes with backends that were completed and let them in." },
    { "ssl_backend_failures_total", "Connections to backends that failed for reasons of TLS." },
};

static counters own;           /* until there is shared memory */
static counters *used = &own;

/* Which slot is this thread's, plus 1. A child's first thread comes from its parent, so it takes the parent's with it: no harm. */
static _Thread_local unsigned my_slot;

const char *ssl_counter_help(const char *metric)
{
    size_t i;

    for (i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (!strcmp(families[i].metric, metric)) {
            return families[i].help;
        }
    }
    return NULL;
}

size_t ssl_counters_size(void)
{
    return sizeof(counters);
}

static uint64_t mix(uint64_t value, const char *text)
{
    for (; *text; text++) {
        value = (value ^ (unsigned char)*text) * 0x100000001b3U;
    }
    return value;
}

uint64_t ssl_counters_layout(void)
{
    uint64_t value = sizeof(counters);
    size_t i;

    for (i = 0; i < SSL_COUNTERS_N; i++) {
        value = mix(mix(value, ssl_counter_rows[i].metric), ssl_counter_rows[i].labels);
    }
    return value;
}

void ssl_counters_use(void *memory)
{
    used = memory ? memory : &own;
}

static slot *slot_of_thread(void)
{
    if (!my_slot) {
        my_slot = 1 + atomic_fetch_add_explicit(&used->threads, 1, memory_order_relaxed) % SLOTS;
    }
    return &used->slots[my_slot - 1];
}

void ssl_count(ssl_counter counter)
{
    atomic_fetch_add_explicit(&slot_of_thread()->values[counter], 1, memory_order_relaxed);
}

uint64_t ssl_counter_sum(ssl_counter counter)
{
    uint64_t sum = 0;
    int i;

    for (i = 0; i < SLOTS; i++) {
        sum += atomic_load_explicit(&used->slots[i].values[counter], memory_order_relaxed);
    }
    return sum;
}

/* --- label values ------------------------------------------------------------------------ */

/* Bytes of the UTF-8 character at AT; 0 if it is none. */
static size_t utf8_length(const unsigned char *at)
{
    size_t i, len = at[0] < 0x80 ? 1 : at[0] >= 0xc2 && at[0] < 0xe0 ? 2 : (at[0] & 0xf0) == 0xe0 ? 3
                    : at[0] >= 0xf0 && at[0] < 0xf5 ? 4 : 0;

    for (i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) { /* the terminating 0, too */
            return 0;
        }
    }
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] >= 0xa0) || (at[0] == 0xf0 && at[1] < 0x90) ||
        (at[0] == 0xf4 && at[1] >= 0x90)) {
        return 0; /* longer than need be, a surrogate, beyond Unicode */
    }
    return len;
}

void ssl_label_escape(char *escaped, size_t size, const char *value)
{
    const unsigned char *at = (const unsigned char *)value;
    size_t len, used_up = 0;

    for (; *at; at += len ? len : 1) {
        const char *piece = *at == '\n' ? "\\n" : *at == '"' ? "\\\"" : *at == '\\' ? "\\\\" : (const char *)at;
        size_t piece_len;

        len = utf8_length(at);
        piece_len = piece != (const char *)at ? 2 : len ? len : 1;
        if (used_up + piece_len >= size) {
            break;
        }
        memcpy(escaped + used_up, len ? piece : "?", piece_len);
        used_up += piece_len;
    }
    escaped[used_up] = '\0';
}
