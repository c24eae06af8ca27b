/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_metrics.h - what is counted, and what else can be told in figures: for
 * mod_status and for Prometheus.  docs/metrics.md is the administrator's view.
 *
 * To count something new: a row in SSL_COUNTERS here, a family in
 * ssl_util_metrics.c if the metric is new, and ssl_count(SSL_COUNT_...) where it happens.
 * To show figures that somebody else keeps: a row in `sections` of ssl_engine_metrics.c.
 */
#ifndef SSL_METRICS_H
#define SSL_METRICS_H

#include <stddef.h>
#include <stdint.h>

/* --- counters: no httpd types, so that t/unit links ssl_util_metrics.c alone ------------- */

/** Each counter: its name here, its metric, its labels.  Rows of one metric stand together. */
#define SSL_COUNTERS(ROW) \
    ROW(SSL_COUNT_FULL_SSLV3, "ssl_handshakes_total", "protocol=\"SSLv3\",kind=\"full\"") \
    ROW(SSL_COUNT_RESUMED_SSLV3, "ssl_handshakes_total", "protocol=\"SSLv3\",kind=\"resumed\"") \
    ROW(SSL_COUNT_FULL_TLSV1, "ssl_handshakes_total", "protocol=\"TLSv1\",kind=\"full\"") \
    ROW(SSL_COUNT_RESUMED_TLSV1, "ssl_handshakes_total", "protocol=\"TLSv1\",kind=\"resumed\"") \
    ROW(SSL_COUNT_FULL_TLSV1_1, "ssl_handshakes_total", "protocol=\"TLSv1.1\",kind=\"full\"") \
    ROW(SSL_COUNT_RESUMED_TLSV1_1, "ssl_handshakes_total", "protocol=\"TLSv1.1\",kind=\"resumed\"") \
    ROW(SSL_COUNT_FULL_TLSV1_2, "ssl_handshakes_total", "protocol=\"TLSv1.2\",kind=\"full\"") \
    ROW(SSL_COUNT_RESUMED_TLSV1_2, "ssl_handshakes_total", "protocol=\"TLSv1.2\",kind=\"resumed\"") \
    ROW(SSL_COUNT_FULL_TLSV1_3, "ssl_handshakes_total", "protocol=\"TLSv1.3\",kind=\"full\"") \
    ROW(SSL_COUNT_RESUMED_TLSV1_3, "ssl_handshakes_total", "protocol=\"TLSv1.3\",kind=\"resumed\"") \
    ROW(SSL_COUNT_FAILED_CIPHER, "ssl_handshake_failures_total", "reason=\"no_shared_cipher\"") \
    ROW(SSL_COUNT_FAILED_VERSION, "ssl_handshake_failures_total", "reason=\"protocol_version\"") \
    ROW(SSL_COUNT_FAILED_ALPN, "ssl_handshake_failures_total", "reason=\"no_application_protocol\"") \
    ROW(SSL_COUNT_FAILED_CERT_MISSING, "ssl_handshake_failures_total", "reason=\"client_certificate_missing\"") \
    ROW(SSL_COUNT_FAILED_CERT_REFUSED, "ssl_handshake_failures_total", "reason=\"client_certificate_refused\"") \
    ROW(SSL_COUNT_FAILED_PLAIN_HTTP, "ssl_handshake_failures_total", "reason=\"plain_http\"") \
    ROW(SSL_COUNT_FAILED_NOT_TLS, "ssl_handshake_failures_total", "reason=\"not_tls\"") \
    ROW(SSL_COUNT_FAILED_CLIENT_ALERT, "ssl_handshake_failures_total", "reason=\"client_alert\"") \
    ROW(SSL_COUNT_FAILED_UNUSED, "ssl_handshake_failures_total", "reason=\"closed_unused\"") \
    ROW(SSL_COUNT_FAILED_CLOSED, "ssl_handshake_failures_total", "reason=\"closed_by_client\"") \
    ROW(SSL_COUNT_FAILED_TIMEOUT, "ssl_handshake_failures_total", "reason=\"timeout\"") \
    ROW(SSL_COUNT_FAILED_INTERNAL, "ssl_handshake_failures_total", "reason=\"internal\"") \
    ROW(SSL_COUNT_FAILED_OTHER, "ssl_handshake_failures_total", "reason=\"other\"") \
    ROW(SSL_COUNT_SNI_MATCHED, "ssl_server_names_total", "result=\"matched\"") \
    ROW(SSL_COUNT_SNI_UNKNOWN, "ssl_server_names_total", "result=\"unknown\"") \
    ROW(SSL_COUNT_SNI_NONE, "ssl_server_names_total", "result=\"none\"") \
    ROW(SSL_COUNT_MISDIRECTED, "ssl_requests_refused_total", "reason=\"virtual_host\"") \
    ROW(SSL_COUNT_RENEG_DONE, "ssl_rehandshakes_total", "kind=\"renegotiation\",result=\"done\"") \
    ROW(SSL_COUNT_RENEG_FAILED, "ssl_rehandshakes_total", "kind=\"renegotiation\",result=\"failed\"") \
    ROW(SSL_COUNT_RENEG_BY_CLIENT, "ssl_rehandshakes_total", "kind=\"renegotiation\",result=\"client_refused\"") \
    ROW(SSL_COUNT_PHA_DONE, "ssl_rehandshakes_total", "kind=\"post_handshake_auth\",result=\"done\"") \
    ROW(SSL_COUNT_PHA_FAILED, "ssl_rehandshakes_total", "kind=\"post_handshake_auth\",result=\"failed\"") \
    ROW(SSL_COUNT_TICKET_ISSUED, "ssl_tickets_total", "result=\"issued\"") \
    ROW(SSL_COUNT_TICKET_ACCEPTED, "ssl_tickets_total", "result=\"accepted\"") \
    ROW(SSL_COUNT_TICKET_REFUSED, "ssl_tickets_total", "result=\"refused\"") \
    ROW(SSL_COUNT_CACHE_HIT, "ssl_session_cache_operations_total", "operation=\"retrieve\",result=\"hit\"") \
    ROW(SSL_COUNT_CACHE_MISS, "ssl_session_cache_operations_total", "operation=\"retrieve\",result=\"miss\"") \
    ROW(SSL_COUNT_CACHE_STORED, "ssl_session_cache_operations_total", "operation=\"store\",result=\"done\"") \
    ROW(SSL_COUNT_CACHE_NOT_STORED, "ssl_session_cache_operations_total", "operation=\"store\",result=\"failed\"") \
    ROW(SSL_COUNT_CACHE_REMOVED, "ssl_session_cache_operations_total", "operation=\"remove\",result=\"done\"") \
    ROW(SSL_COUNT_CACHE_NOT_REMOVED, "ssl_session_cache_operations_total", "operation=\"remove\",result=\"failed\"") \
    ROW(SSL_COUNT_BACKEND_FULL_SSLV3, "ssl_backend_handshakes_total", "protocol=\"SSLv3\",kind=\"full\"") \
    ROW(SSL_COUNT_BACKEND_RESUMED_SSLV3, "ssl_backend_handshakes_total", "protocol=\"SSLv3\",kind=\"resumed\"") \
    ROW(SSL_COUNT_BACKEND_FULL_TLSV1, "ssl_backend_handshakes_total", "protocol=\"TLSv1\",kind=\"full\"") \
    ROW(SSL_COUNT_BACKEND_RESUMED_TLSV1, "ssl_backend_handshakes_total", "protocol=\"TLSv1\",kind=\"resumed\"") \
    ROW(SSL_COUNT_BACKEND_FULL_TLSV1_1, "ssl_backend_handshakes_total", "protocol=\"TLSv1.1\",kind=\"full\"") \
    ROW(SSL_COUNT_BACKEND_RESUMED_TLSV1_1, "ssl_backend_handshakes_total", "protocol=\"TLSv1.1\",kind=\"resumed\"") \
    ROW(SSL_COUNT_BACKEND_FULL_TLSV1_2, "ssl_backend_handshakes_total", "protocol=\"TLSv1.2\",kind=\"full\"") \
    ROW(SSL_COUNT_BACKEND_RESUMED_TLSV1_2, "ssl_backend_handshakes_total", "protocol=\"TLSv1.2\",kind=\"resumed\"") \
    ROW(SSL_COUNT_BACKEND_FULL_TLSV1_3, "ssl_backend_handshakes_total", "protocol=\"TLSv1.3\",kind=\"full\"") \
    ROW(SSL_COUNT_BACKEND_RESUMED_TLSV1_3, "ssl_backend_handshakes_total", "protocol=\"TLSv1.3\",kind=\"resumed\"") \
    ROW(SSL_COUNT_BACKEND_CERT, "ssl_backend_failures_total", "reason=\"certificate\"") \
    ROW(SSL_COUNT_BACKEND_NAME, "ssl_backend_failures_total", "reason=\"name_or_dates\"") \
    ROW(SSL_COUNT_BACKEND_TLS, "ssl_backend_failures_total", "reason=\"tls\"") \
    ROW(SSL_COUNT_BACKEND_TIMEOUT, "ssl_backend_failures_total", "reason=\"timeout\"") \
    ROW(SSL_COUNT_BACKEND_CLOSED, "ssl_backend_failures_total", "reason=\"closed\"") \
    ROW(SSL_COUNT_BACKEND_CUT, "ssl_backend_failures_total", "reason=\"cut_off\"") \
    ROW(SSL_COUNT_BACKEND_OTHER, "ssl_backend_failures_total", "reason=\"other\"")

#define SSL_COUNTER_NAME(counter, metric, labels) counter,
typedef enum { SSL_COUNTERS(SSL_COUNTER_NAME) SSL_COUNTERS_N } ssl_counter;

/** A counter as others see it; labels as in Prometheus' format, without braces. */
typedef struct ssl_counter_row {
    const char *metric, *labels;
} ssl_counter_row;
extern const ssl_counter_row ssl_counter_rows[SSL_COUNTERS_N];

/** What a metric of SSL_COUNTERS is, in words; NULL if it has no family. */
const char *ssl_counter_help(const char *metric);

/** Bytes of shared memory that the counters take. */
size_t ssl_counters_size(void);

/** What tells whether memory was made for the same counters: of another version, perhaps. */
uint64_t ssl_counters_layout(void);

/** Counts in MEMORY from now on, in this process and those that it forks: ssl_counters_size() bytes,
 * aligned to 64, zero at first.  NULL: in memory of this process' own, where it was before the first call. */
void ssl_counters_use(void *memory);

/** One more.  By any thread of any process, at any time; waits for nobody. */
void ssl_count(ssl_counter counter);

/** How often COUNTER was counted by all processes together. */
uint64_t ssl_counter_sum(ssl_counter counter);

/** Copies the label value VALUE to ESCAPED as Prometheus wants it between quotes: at most SIZE - 1 bytes
 * and a 0; what does not fit, or is no UTF-8, becomes '?' or is cut off between characters. */
void ssl_label_escape(char *escaped, size_t size, const char *value);

/* --- with httpd --------------------------------------------------------------------------- */
#ifndef SSL_COUNTERS_ALONE

#include "ssl_private.h"

/** What a section tells is written by this, in the form that was asked for. */
typedef struct ssl_metrics_writer ssl_metrics_writer;

/** Begins a metric: "ssl_x_total" for a counter, any other name for a gauge; HELP is one line, without escapes.
 * Each name once in all sections together. */
void ssl_metrics_begin(ssl_metrics_writer *w, const char *name, const char *help);

/** A value of the metric that was begun.  LABELS: name="value" pairs, commas between, values escaped
 * (ssl_metrics_label()), or "".  Each set of labels once. */
void ssl_metrics_add(ssl_metrics_writer *w, const char *labels, apr_int64_t value);

/** name="value" in the request's pool, VALUE escaped. */
const char *ssl_metrics_label(ssl_metrics_writer *w, const char *name, const char *value);

/** A metric without labels. */
void ssl_metrics_value(ssl_metrics_writer *w, const char *name, const char *help, apr_int64_t value);

/** The request that W answers: its pool, its server. */
request_rec *ssl_metrics_request(ssl_metrics_writer *w);

/** post_config: finds or makes the shared memory of the counters. */
void ssl_metrics_init(server_rec *main_server);

/** Counts CONN's handshake, which was completed; a backend's when that is let in as well. */
void ssl_metrics_established(const ssl_conn *conn);

/** Counts CONN's handshake as failed if it is not over: by the error at the head of this thread's queue. */
void ssl_metrics_failed(const ssl_conn *conn);

/** The same when the network ended it: STATUS is why. */
void ssl_metrics_cut_off(const ssl_conn *conn, apr_status_t status);

/** Which of the counters of failures an error of OpenSSL's stands for. */
ssl_counter ssl_metrics_failure(unsigned long error);

/** What the ClientHello named. */
void ssl_metrics_server_name(const ssl_conn *conn);

/** handler: "ssl-metrics", all in Prometheus' text format 0.0.4. */
int ssl_metrics_handler(request_rec *r);

/** mod_status' hook: a section. */
int ssl_metrics_status(request_rec *r, int flags);

#endif /* SSL_COUNTERS_ALONE */
#endif /* SSL_METRICS_H */
