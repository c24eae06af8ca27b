/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_metrics.c - figures for those who watch: mod_status' section, and
 * the handler "ssl-metrics" in Prometheus' text format; and which counter a
 * handshake is counted by.
 *
 * A section tells metrics and values once; the writer puts them into the form
 * that was asked for.  So all forms show the same.
 */
#include <sys/mman.h>

#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_metrics.h"
#include "ssl_scache.h"
#include "ssl_stapling.h"
#include "ssl_ticket.h"

#include "mod_status.h"

#define KEPT_COUNTERS "mod_ssl:counters"
#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* --- where the counters are ------------------------------------------------------------- */

/** Lives in the process pool, over restarts. */
typedef struct kept_counters {
    apr_uint64_t layout; /* ssl_counters_layout() of who made it */
    apr_size_t size;
    void *memory;
    apr_time_t since;
} kept_counters;

static kept_counters *find_kept(void)
{
    return ssl_kept_record(KEPT_COUNTERS, KEPT_COUNTERS, sizeof(kept_counters));
}

void ssl_metrics_init(server_rec *s)
{
    kept_counters *kept = find_kept();
    void *memory = kept->memory;

    if (memory && kept->layout != ssl_counters_layout()) {
        munmap(memory, kept->size); /* other figures: they begin anew */
        memory = NULL;
    }
    if (!memory) {
        memory = mmap(NULL, ssl_counters_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, APR_FROM_OS_ERROR(errno), s, "no shared memory for the counters of "
                         "ssl-metrics and mod_status: each process counts for itself");
            memory = NULL;
        }
        kept->memory = memory;
        kept->size = ssl_counters_size();
        kept->layout = ssl_counters_layout();
        kept->since = apr_time_now();
    }
    ssl_counters_use(memory);
}

/* --- what a handshake is counted by -------------------------------------------------------- */

/* By the version that OpenSSL names; the counter of resumed handshakes follows each. */
static const struct {
    int version;
    ssl_counter full, backend_full;
} versions[] = {
    { SSL3_VERSION, SSL_COUNT_FULL_SSLV3, SSL_COUNT_BACKEND_FULL_SSLV3 },
    { TLS1_VERSION, SSL_COUNT_FULL_TLSV1, SSL_COUNT_BACKEND_FULL_TLSV1 },
    { TLS1_1_VERSION, SSL_COUNT_FULL_TLSV1_1, SSL_COUNT_BACKEND_FULL_TLSV1_1 },
    { TLS1_2_VERSION, SSL_COUNT_FULL_TLSV1_2, SSL_COUNT_BACKEND_FULL_TLSV1_2 },
    { TLS1_3_VERSION, SSL_COUNT_FULL_TLSV1_3, SSL_COUNT_BACKEND_FULL_TLSV1_3 },
};

void ssl_metrics_established(const ssl_conn *conn)
{
    int version = SSL_version(conn->ssl);
    size_t i;

    for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        if (versions[i].version == version) {
            ssl_count((conn->is_proxy ? versions[i].backend_full : versions[i].full) + (conn->facts.resumed ? 1 : 0));
        }
    }
}

static const struct {
    int reason;
    ssl_counter counter;
} failures[] = {
    { SSL_R_NO_SHARED_CIPHER, SSL_COUNT_FAILED_CIPHER },
    { SSL_R_NO_CIPHERS_SPECIFIED, SSL_COUNT_FAILED_CIPHER },
    { SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, SSL_COUNT_FAILED_CIPHER },
    { SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, SSL_COUNT_FAILED_CIPHER },
    { SSL_R_NO_SUITABLE_KEY_SHARE, SSL_COUNT_FAILED_CIPHER },
    { SSL_R_NO_SHARED_GROUPS, SSL_COUNT_FAILED_CIPHER },
    { SSL_R_UNSUPPORTED_PROTOCOL, SSL_COUNT_FAILED_VERSION },
    { SSL_R_VERSION_TOO_LOW, SSL_COUNT_FAILED_VERSION },
    { SSL_R_VERSION_TOO_HIGH, SSL_COUNT_FAILED_VERSION },
    { SSL_R_NO_PROTOCOLS_AVAILABLE, SSL_COUNT_FAILED_VERSION },
    { SSL_R_INAPPROPRIATE_FALLBACK, SSL_COUNT_FAILED_VERSION },
    { SSL_R_NO_APPLICATION_PROTOCOL, SSL_COUNT_FAILED_ALPN },
    { SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, SSL_COUNT_FAILED_CERT_MISSING },
    { SSL_R_CERTIFICATE_VERIFY_FAILED, SSL_COUNT_FAILED_CERT_REFUSED },
    { SSL_R_EE_KEY_TOO_SMALL, SSL_COUNT_FAILED_CERT_REFUSED },
    { SSL_R_CA_KEY_TOO_SMALL, SSL_COUNT_FAILED_CERT_REFUSED },
    { SSL_R_CA_MD_TOO_WEAK, SSL_COUNT_FAILED_CERT_REFUSED },
    { SSL_R_HTTP_REQUEST, SSL_COUNT_FAILED_NOT_TLS },
    { SSL_R_HTTPS_PROXY_REQUEST, SSL_COUNT_FAILED_NOT_TLS },
    { SSL_R_WRONG_VERSION_NUMBER, SSL_COUNT_FAILED_NOT_TLS },
    { SSL_R_UNKNOWN_PROTOCOL, SSL_COUNT_FAILED_NOT_TLS },
    { SSL_R_UNEXPECTED_EOF_WHILE_READING, SSL_COUNT_FAILED_CLOSED },
    { SSL_R_CALLBACK_FAILED, SSL_COUNT_FAILED_INTERNAL },
    { ERR_R_INTERNAL_ERROR, SSL_COUNT_FAILED_INTERNAL },
    { ERR_R_MALLOC_FAILURE, SSL_COUNT_FAILED_INTERNAL },
};

ssl_counter ssl_metrics_failure(unsigned long error)
{
    int reason = ERR_GET_REASON(error);
    size_t i;

    for (i = 0; ERR_GET_LIB(error) == ERR_LIB_SSL && i < sizeof(failures) / sizeof(failures[0]); i++) {
        if (failures[i].reason == reason) {
            return failures[i].counter;
        }
    }
    return ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256
               ? SSL_COUNT_FAILED_CLIENT_ALERT : SSL_COUNT_FAILED_OTHER;
}

static int is_counted(const ssl_conn *conn)
{
    return conn->state < SSL_CONN_ESTABLISHED && !conn->is_proxy;
}

/* What fails below the SSL library leaves its own error before that. */
void ssl_metrics_failed(const ssl_conn *conn)
{
    unsigned long error = ERR_peek_error();

    if (is_counted(conn)) {
        ssl_count(ssl_metrics_failure(ERR_GET_LIB(error) == ERR_LIB_SSL ? error : ERR_peek_last_error()));
    }
}

void ssl_metrics_cut_off(const ssl_conn *conn, apr_status_t status)
{
    if (is_counted(conn)) {
        ssl_count(APR_STATUS_IS_TIMEUP(status) ? SSL_COUNT_FAILED_TIMEOUT
                  : !APR_STATUS_IS_EOF(status) && !APR_STATUS_IS_ECONNRESET(status) && !APR_STATUS_IS_EPIPE(status)
                      ? SSL_COUNT_FAILED_OTHER
                  : conn->state == SSL_CONN_NEW ? SSL_COUNT_FAILED_UNUSED : SSL_COUNT_FAILED_CLOSED);
    }
}

void ssl_metrics_server_name(const ssl_conn *conn)
{
    ssl_count(!conn->sni ? SSL_COUNT_SNI_NONE : conn->sni_matched ? SSL_COUNT_SNI_MATCHED : SSL_COUNT_SNI_UNKNOWN);
}

/* --- writers ------------------------------------------------------------------------------- */

typedef enum { FORM_PROMETHEUS, FORM_AUTO, FORM_HTML } form;

struct ssl_metrics_writer {
    request_rec *r;
    form form;
    const char *name, *help; /* of the metric that was begun */
    int shown;               /* values of it that were written */
};

request_rec *ssl_metrics_request(ssl_metrics_writer *w)
{
    return w->r;
}

static int is_total(const char *name)
{
    size_t len = strlen(name);

    return len > 6 && !strcmp(name + len - 6, "_total");
}

void ssl_metrics_begin(ssl_metrics_writer *w, const char *name, const char *help)
{
    w->name = name;
    w->help = help;
    w->shown = 0;
}

static void add_prometheus(ssl_metrics_writer *w, const char *labels, apr_int64_t value)
{
    if (!w->shown) {
        ap_rprintf(w->r, "# HELP %s %s\n# TYPE %s %s\n", w->name, w->help, w->name,
                   is_total(w->name) ? "counter" : "gauge");
    }
    ap_rprintf(w->r, *labels ? "%s{%s} %" APR_INT64_T_FMT "\n" : "%s%s %" APR_INT64_T_FMT "\n", w->name, labels, value);
}

/* "ssl_handshake_failures_total" -> "TLSHandshakeFailures" */
static const char *auto_key(apr_pool_t *p, const char *name)
{
    size_t len = strlen(name) - (is_total(name) ? 6 : 0), i;
    char *key = apr_pstrcat(p, "TLS", NULL), *word, *last;
    char *words = apr_pstrmemdup(p, name, len);

    for (i = 0, word = apr_strtok(words, "_", &last); word; word = apr_strtok(NULL, "_", &last), i++) {
        word[0] = apr_toupper(word[0]);
        key = i ? apr_pstrcat(p, key, word, NULL) : key; /* the first is "ssl" */
    }
    return key;
}

/* protocol="TLSv1.2",kind="full" -> .TLSv1.2.full, with SEPARATOR for the dots before; with dots, what
 * could be taken for the end of a key becomes '_'. */
static const char *label_values(apr_pool_t *p, const char *labels, char separator)
{
    char *values = apr_palloc(p, strlen(labels) + 2), *to = values;
    int inside = 0;

    for (; *labels; labels++) {
        if (*labels == '"') {
            inside = !inside;
            *to = separator;
            to += inside;
        }
        else if (inside) {
            labels += *labels == '\\' && labels[1];
            *to++ = separator != '.' || apr_isalnum(*labels) || strchr(".-_", *labels) ? *labels : '_';
        }
    }
    *to = '\0';
    return values;
}

static void add_auto(ssl_metrics_writer *w, const char *labels, apr_int64_t value)
{
    ap_rprintf(w->r, "%s%s: %" APR_INT64_T_FMT "\n", auto_key(w->r->pool, w->name),
               label_values(w->r->pool, labels, '.'), value);
}

/* What never happened takes no line: there are many counters. */
static void add_html(ssl_metrics_writer *w, const char *labels, apr_int64_t value)
{
    if (!value && *labels) {
        return;
    }
    if (!w->shown) {
        ap_rprintf(w->r, "<tr><th colspan=\"2\" align=\"left\">%s</th></tr>\n", ap_escape_html(w->r->pool, w->help));
    }
    ap_rprintf(w->r, "<tr><td>%s</td><td align=\"right\"><b>%" APR_INT64_T_FMT "</b></td></tr>\n",
               *labels ? ap_escape_html(w->r->pool, label_values(w->r->pool, labels, ' ') + 1) : "", value);
}

void ssl_metrics_add(ssl_metrics_writer *w, const char *labels, apr_int64_t value)
{
    static void (*const adders[])(ssl_metrics_writer *w, const char *labels, apr_int64_t value) = {
        [FORM_PROMETHEUS] = add_prometheus, [FORM_AUTO] = add_auto, [FORM_HTML] = add_html
    };

    adders[w->form](w, labels, value);
    w->shown += w->form != FORM_HTML || value || !*labels;
}

const char *ssl_metrics_label(ssl_metrics_writer *w, const char *name, const char *value)
{
    size_t size = 2 * strlen(value) + 1;
    char *escaped = apr_palloc(w->r->pool, size);

    ssl_label_escape(escaped, size, value);
    return apr_pstrcat(w->r->pool, name, "=\"", escaped, "\"", NULL);
}

void ssl_metrics_value(ssl_metrics_writer *w, const char *name, const char *help, apr_int64_t value)
{
    ssl_metrics_begin(w, name, help);
    ssl_metrics_add(w, "", value);
}

/* --- sections ------------------------------------------------------------------------------- */

static void report_module(ssl_metrics_writer *w)
{
    const char *openssl = OpenSSL_version(OPENSSL_VERSION_STRING);

    ssl_metrics_begin(w, "ssl_module_info", "Versions of this module and of the OpenSSL library that it runs with.");
    ssl_metrics_add(w, apr_pstrcat(w->r->pool, ssl_metrics_label(w, "module", SSL_MODULE_VERSION), ",",
                                   ssl_metrics_label(w, "openssl", openssl ? openssl : "unknown"), NULL), 1);
    ssl_metrics_value(w, "ssl_counting_since_timestamp_seconds", "When the counters were 0, in seconds since 1970.",
                      apr_time_sec(find_kept()->since));
}

static void report_counters(ssl_metrics_writer *w)
{
    int i;

    for (i = 0; i < SSL_COUNTERS_N; i++) {
        const ssl_counter_row *row = &ssl_counter_rows[i];

        if (!i || strcmp(row->metric, row[-1].metric)) {
            ssl_metrics_begin(w, row->metric, ssl_counter_help(row->metric));
        }
        ssl_metrics_add(w, row->labels, (apr_int64_t)ssl_counter_sum((ssl_counter)i));
    }
}

/* Keys from files are a host's own, and as old as the file says. */
static void report_tickets(ssl_metrics_writer *w)
{
    ssl_ticket_facts facts;

    ssl_ticket_describe(NULL, &facts);
    ssl_metrics_begin(w, "ssl_ticket_key_age_seconds", "How long the key has been in use that seals session tickets "
                      "of hosts without SSLSessionTicketKeyFile, and whence it comes.");
    ssl_metrics_add(w, ssl_metrics_label(w, "source", facts.source_name), facts.ring.age);
    ssl_metrics_value(w, "ssl_ticket_key_next_seconds", "Time until the next key seals session tickets; -1: never.",
                      facts.ring.next);
    ssl_metrics_value(w, "ssl_ticket_key_changes_total", "Keys for session tickets made or received so far.",
                      (apr_int64_t)facts.ring.generation);
    ssl_metrics_begin(w, "ssl_ticket_keys", "Keys for session tickets: those that only open, those that are to seal "
                      "later, and whether the one in use is the farm's.");
    ssl_metrics_add(w, "state=\"old\"", facts.ring.old);
    ssl_metrics_add(w, "state=\"ahead\"", facts.ring.ahead);
    ssl_metrics_add(w, "state=\"shared\"", facts.farm_key);
}

/* --- stapling: figures of each certificate ---------------------------------------------------- */

static apr_int64_t until(apr_time_t time)
{
    return time ? apr_time_sec(time - apr_time_now()) : 0;
}

static apr_int64_t answer_age(const ssl_staple_facts *facts)
{
    return facts->this_update ? -until(facts->this_update) : 0;
}

static apr_int64_t answer_state(const ssl_staple_facts *facts)
{
    return facts->state;
}

static apr_int64_t answer_expiry(const ssl_staple_facts *facts)
{
    return until(facts->expires);
}

static apr_int64_t next_fetch(const ssl_staple_facts *facts)
{
    return until(facts->next_fetch);
}

static apr_int64_t failure_count(const ssl_staple_facts *facts)
{
    return facts->failures;
}

static const struct staple_figure {
    const char *name, *help;
    apr_int64_t (*value)(const ssl_staple_facts *facts);
} staple_figures[] = {
    { "ssl_stapling_state", "The OCSP answer that is held for a certificate: 0 none, 1 good, 2 revoked.", answer_state },
    { "ssl_stapling_answer_age_seconds", "Time since the thisUpdate of that answer; 0: none.", answer_age },
    { "ssl_stapling_answer_expires_seconds", "Time for which it can still be stapled; 0: none.", answer_expiry },
    { "ssl_stapling_next_fetch_seconds", "Time until the responder is asked again.", next_fetch },
    { "ssl_stapling_failures", "Attempts in a row that brought no answer.", failure_count },
};

/* What the visitor of certificates is to write: a figure, or with NULL the last error. */
typedef struct staple_tour {
    ssl_metrics_writer *w;
    const struct staple_figure *figure;
    int begun;
} staple_tour;

static void report_certificate(void *context, const ssl_stapling_status *status)
{
    staple_tour *tour = context;
    const struct staple_figure *figure = tour->figure;
    const char *labels = ssl_metrics_label(tour->w, "certificate", status->name);

    if (status->foreign || (!figure && !*status->facts->error)) {
        return;
    }
    if (!tour->begun) {
        ssl_metrics_begin(tour->w, figure ? figure->name : "ssl_stapling_last_error_info",
                          figure ? figure->help : "Why the last attempt to get an OCSP answer failed.");
        tour->begun = 1;
    }
    if (!figure) {
        labels = apr_pstrcat(tour->w->r->pool, labels, ",",
                             ssl_metrics_label(tour->w, "error", status->facts->error), NULL);
    }
    ssl_metrics_add(tour->w, labels, figure ? figure->value(status->facts) : 1);
}

static void report_stapling(ssl_metrics_writer *w)
{
    size_t i, n = sizeof(staple_figures) / sizeof(staple_figures[0]);

    for (i = 0; i <= n; i++) {
        staple_tour tour = { w, i < n ? &staple_figures[i] : NULL, 0 };

        ssl_stapling_report(report_certificate, &tour);
    }
}

/* --- all of it --------------------------------------------------------------------------------- */

/* What is told, in this order.  A function of another room (ticket keys, stapling, ...) takes the writer, calls
 * ssl_metrics_begin() and ssl_metrics_add(), and gets a row here. */
static const struct {
    void (*report)(ssl_metrics_writer *w);
    int in_status; /* else mod_status has it elsewhere already */
} sections[] = {
    { report_module, 1 },
    { report_counters, 1 },
    { report_tickets, 1 },
    { report_stapling, 1 },
    { ssl_scache_report, 0 }, /* ssl_scache_status() */
};

static void report(request_rec *r, form form)
{
    ssl_metrics_writer w = { .r = r, .form = form };
    size_t i;

    for (i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        if (form == FORM_PROMETHEUS || sections[i].in_status) {
            sections[i].report(&w);
        }
    }
}

/* --- who asks ---------------------------------------------------------------------------------- */

int ssl_metrics_handler(request_rec *r)
{
    if (strcmp(r->handler, "ssl-metrics") != 0) {
        return DECLINED;
    }
    ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, M_OPTIONS, -1);
    if (r->method_number != M_GET) { /* HEAD is GET */
        return r->method_number == M_OPTIONS ? DECLINED : HTTP_METHOD_NOT_ALLOWED;
    }
    ap_set_content_type(r, CONTENT_TYPE);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    if (!r->header_only) {
        report(r, FORM_PROMETHEUS);
    }
    return OK;
}

int ssl_metrics_status(request_rec *r, int flags)
{
    if (flags & AP_STATUS_SHORT) {
        report(r, FORM_AUTO);
        return OK;
    }
    ap_rputs("<hr>\n<h2>SSL/TLS</h2>\n<table>\n", r);
    report(r, FORM_HTML);
    ap_rputs("</table>\n", r);
    return OK;
}
