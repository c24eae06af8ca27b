/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_sni.c - which virtual host a ClientHello asks for.
 *
 * httpd keeps, per address, a chain of virtual hosts; the first whose
 * ServerName, ServerAlias or wildcard matches wins.  The index gives the same
 * answer without walking the chain: exact names and "*.suffix" patterns are
 * hashed with their place in the chain, the few other patterns are tried in
 * order, and the match with the lowest place wins.
 *
 * The choice is made when the ClientHello arrives, before OpenSSL looks at the
 * protocol version, ciphers or sessions, so that all of them follow the host.
 */
#include "ssl_confcmd.h"
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_filter.h"
#include "ssl_log.h"
#include "ssl_metrics.h"

#include "ap_listen.h"
#include "http_ssl.h"
#include "http_vhost.h"

#include <openssl/pem.h>

#define MAX_HOST_NAME 255

/** A virtual host and its place in the chain of its address: lower wins. */
typedef struct sni_entry {
    server_rec *server;
    int place;
    const char *pattern; /* of the ones that are tried in order */
} sni_entry;

/** The names of one chain. */
typedef struct sni_table {
    apr_hash_t *names;           /* lower-case name -> sni_entry */
    apr_hash_t *suffixes;        /* ".example.org" of "*.example.org" -> sni_entry */
    apr_array_header_t *patterns; /* sni_entry, in order */
    int n_hosts;
    int wants_hello; /* one of the hosts has SSLClientHelloVars on */
} sni_table;

/* Chain (conn_rec's vhost_lookup_data) -> sni_table.  Made in the parent. */
static apr_hash_t *tables;

/* --- making the index ------------------------------------------------------ */

typedef struct collect {
    sni_table *table;
    apr_pool_t *p;
} collect;

/* NAME itself, which lives as long as P, if that is in lower case: most of thousands are. */
static const char *lower(apr_pool_t *p, const char *name)
{
    const char *at = name;
    char *copy;

    while (*at && !apr_isupper(*at)) {
        at++;
    }
    if (!*at) {
        return name;
    }
    copy = apr_pstrdup(p, name);
    ap_str_tolower(copy);
    return copy;
}

static void add_to(collect *into, apr_hash_t *hash, const char *name, server_rec *s)
{
    const char *key = lower(into->p, name);
    sni_entry *entry = apr_hash_get(hash, key, APR_HASH_KEY_STRING);

    if (!entry) {
        entry = apr_pcalloc(into->p, sizeof(*entry));
        entry->server = s;
        entry->place = into->table->n_hosts;
        apr_hash_set(hash, key, APR_HASH_KEY_STRING, entry);
    }
    else if (entry->server != s) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "two virtual hosts of one address are named '%s': the one at %s:%u answers, the one at %s:%u "
                     "never does under this name", name, entry->server->defn_name, entry->server->defn_line_number,
                     s->defn_name, s->defn_line_number);
    }
}

static void add_pattern(collect *into, const char *pattern, server_rec *s)
{
    if (pattern[0] == '*' && pattern[1] == '.' && !ap_is_matchexp(pattern + 1)) {
        add_to(into, into->table->suffixes, pattern + 1, s);
    }
    else {
        sni_entry *entry = apr_array_push(into->table->patterns);

        entry->server = s;
        entry->place = into->table->n_hosts;
        entry->pattern = pattern;
    }
}

/* Callback of ap_vhost_iterate_given_conn(): S is next in the chain. */
static int collect_host(void *baton, conn_rec *c, server_rec *s)
{
    collect *into = baton;
    int i;

    (void)c;
    if (s->server_hostname) {
        add_to(into, into->table->names, s->server_hostname, s);
    }
    for (i = 0; s->names && i < s->names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(s->names, i, const char *);
        if (name) {
            add_to(into, into->table->names, name, s);
        }
    }
    for (i = 0; s->wild_names && i < s->wild_names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(s->wild_names, i, const char *);
        if (name) {
            add_pattern(into, name, s);
        }
    }
    into->table->n_hosts++;
    into->table->wants_hello |= ssl_config_of(s)->client_hello_vars == 1;
    return 0;
}

static sni_table *table_make(apr_pool_t *p, conn_rec *c)
{
    sni_table *table = apr_pcalloc(p, sizeof(*table));
    collect into = { table, p };

    table->names = apr_hash_make(p);
    table->suffixes = apr_hash_make(p);
    table->patterns = apr_array_make(p, 2, sizeof(sni_entry));
    ap_vhost_iterate_given_conn(c, collect_host, &into);
    return table;
}

/* Indexes the chain that a connection to ADDR:PORT would get.  httpd tells only
 * by way of a connection, so it is shown one that has nothing but an address. */
static void index_address(server_rec *main_server, apr_sockaddr_t *addr, apr_port_t port, apr_pool_t *p)
{
    apr_sockaddr_t local = *addr;
    conn_rec probe = { 0 };
    void *chain;

    local.port = port;
    if (local.family == APR_INET) {
        local.sa.sin.sin_port = htons(port);
    }
    probe.pool = p;
    probe.base_server = main_server;
    probe.local_addr = &local;
    ap_update_vhost_given_ip(&probe);
    chain = probe.vhost_lookup_data;
    if (chain && !apr_hash_get(tables, &chain, sizeof(chain))) {
        apr_hash_set(tables, apr_pmemdup(p, &chain, sizeof(chain)), sizeof(chain), table_make(p, &probe));
    }
}

/* A host on "*:*" or "address:*" is reached on each port that is listened to. */
static void index_any_port(server_rec *main_server, apr_sockaddr_t *addr, apr_pool_t *p)
{
    ap_listen_rec *l;

    for (l = ap_listeners; l; l = l->next) {
        index_address(main_server, addr, l->bind_addr->port, p);
    }
}

void ssl_sni_index_build(server_rec *main_server, apr_pool_t *p, apr_pool_t *ptemp)
{
    apr_hash_t *done = apr_hash_make(ptemp);
    server_rec *s;

    tables = apr_hash_make(p);
    for (s = main_server->next; s; s = s->next) {
        server_addr_rec *sar;

        for (sar = s->addrs; sar; sar = sar->next) {
            const char *key = apr_psprintf(ptemp, "%pI %u", sar->host_addr, sar->host_port);

            if (apr_hash_get(done, key, APR_HASH_KEY_STRING)) {
                continue;
            }
            apr_hash_set(done, key, APR_HASH_KEY_STRING, key);
            if (sar->host_port) {
                index_address(main_server, sar->host_addr, sar->host_port, p);
            }
            else {
                index_any_port(main_server, sar->host_addr, p);
            }
        }
    }
}

/* --- asking it -------------------------------------------------------------- */

static const sni_entry *better(const sni_entry *a, const sni_entry *b)
{
    return !a || (b && b->place < a->place) ? b : a;
}

/* "*.example.org" matches whatever stands before ".example.org", dots included. */
static const sni_entry *find_suffix(const sni_table *table, const char *name)
{
    const sni_entry *best = NULL;
    const char *dot = apr_hash_count(table->suffixes) ? strchr(name, '.') : NULL;

    for (; dot; dot = strchr(dot + 1, '.')) {
        best = better(best, apr_hash_get(table->suffixes, dot, APR_HASH_KEY_STRING));
    }
    return best;
}

static const sni_entry *find_pattern(const sni_table *table, const char *name, const sni_entry *best)
{
    int i;

    for (i = 0; i < table->patterns->nelts; i++) {
        const sni_entry *entry = &APR_ARRAY_IDX(table->patterns, i, sni_entry);

        if (best && best->place <= entry->place) {
            break;
        }
        if (ap_strcasecmp_match(name, entry->pattern) == 0) {
            return entry;
        }
    }
    return best;
}

static int in_names(apr_array_header_t *names, const char *name)
{
    int i;

    for (i = 0; names && i < names->nelts; i++) {
        const char *pattern = APR_ARRAY_IDX(names, i, const char *);
        if (pattern && ap_strcasecmp_match(name, pattern) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Whether S answers to NAME, asked of the one host of an address. */
static int answers_to(server_rec *s, const char *name)
{
    return (s->server_hostname && ap_cstr_casecmp(s->server_hostname, name) == 0) || in_names(s->names, name) ||
           in_names(s->wild_names, name);
}

int ssl_sni_has_names(conn_rec *c)
{
    void *chain = c->vhost_lookup_data;
    const sni_table *table = chain ? apr_hash_get(tables, &chain, sizeof(chain)) : NULL;

    return table && table->n_hosts > 1;
}

int ssl_sni_wants_hello(conn_rec *c)
{
    void *chain = c->vhost_lookup_data;
    const sni_table *table = chain ? apr_hash_get(tables, &chain, sizeof(chain)) : NULL;

    return table ? table->wants_hello : ssl_config_of(c->base_server)->client_hello_vars == 1;
}

server_rec *ssl_sni_find(conn_rec *c, const char *name)
{
    void *chain = c->vhost_lookup_data;
    const sni_table *table = chain ? apr_hash_get(tables, &chain, sizeof(chain)) : NULL;
    char lowered[MAX_HOST_NAME + 1];
    const sni_entry *best;

    if (!table) {
        return answers_to(c->base_server, name) ? c->base_server : NULL;
    }
    apr_cpystrn(lowered, name, sizeof(lowered));
    ap_str_tolower(lowered);
    best = apr_hash_get(table->names, lowered, APR_HASH_KEY_STRING);
    best = better(best, find_suffix(table, lowered));
    best = find_pattern(table, lowered, best);
    return best ? best->server : NULL;
}

/* --- the ClientHello -------------------------------------------------------- */

/* The host_name of the server_name extension (RFC 6066, 3), or NULL. */
static const char *hello_server_name(SSL *ssl, apr_pool_t *p)
{
    const unsigned char *ext;
    size_t len, list, name;

    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &ext, &len) || len < 5) {
        return NULL;
    }
    list = (size_t)ext[0] << 8 | ext[1];
    name = (size_t)ext[3] << 8 | ext[4];
    if (list + 2 != len || ext[2] != TLSEXT_NAMETYPE_host_name || name + 5 > len || name == 0 ||
        name > MAX_HOST_NAME || memchr(ext + 5, 0, name)) {
        return NULL;
    }
    return apr_pstrmemdup(p, (const char *)ext + 5, name);
}

/* Whether the client wants to talk to an ACME validator's responder and
 * nothing else: ALPN with that one protocol (RFC 8737, 3). */
static int hello_is_acme(SSL *ssl)
{
    static const unsigned char only_acme[] = "\0\013\012" SSL_ALPN_ACME;
    const unsigned char *ext;
    size_t len;

    return SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &ext, &len) &&
           len == sizeof(only_acme) - 1 && memcmp(ext, only_acme, len) == 0;
}

static int use_challenge(ssl_conn *conn, const char *cert_pem, const char *key_pem)
{
    BIO *certs = BIO_new_mem_buf(cert_pem, -1), *keys = BIO_new_mem_buf(key_pem ? key_pem : cert_pem, -1);
    X509 *cert = PEM_read_bio_X509(certs, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(keys, NULL, NULL, NULL);
    int ok = cert && key;

    if (ok) {
        SSL_certs_clear(conn->ssl);
        SSL_set_verify(conn->ssl, SSL_VERIFY_NONE, NULL); /* a validator has no certificate */
        ok = SSL_use_cert_and_key(conn->ssl, cert, key, NULL, 1) == 1;
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(certs);
    BIO_free(keys);
    return ok;
}

/* mod_md proves to a CA that it rules this name: with a certificate of its own. */
static int answer_acme(ssl_conn *conn)
{
    apr_array_header_t *offers = apr_array_make(conn->c->pool, 1, sizeof(const char *));
    const char *chosen, *cert_pem = NULL, *key_pem = NULL;

    APR_ARRAY_PUSH(offers, const char *) = SSL_ALPN_ACME;
    chosen = ap_select_protocol(conn->c, NULL, conn->server, offers);
    if (!chosen || strcmp(chosen, SSL_ALPN_ACME) != 0) {
        return 1;
    }
    if (ap_switch_protocol(conn->c, NULL, conn->server, chosen) != APR_SUCCESS ||
        !conn->sni || !ap_ssl_answer_challenge(conn->c, conn->sni, &cert_pem, &key_pem)) {
        return 1;
    }
    if (!cert_pem || !use_challenge(conn, cert_pem, key_pem)) {
        ap_log_cerror(APLOG_MARK, APLOG_ERR, 0, conn->c,
                      APLOGNO(10266) "the certificate for the acme-tls/1 challenge of '%s' cannot be used",
                      conn->sni ? conn->sni : "");
        return 0;
    }
    conn->facts.alpn = SSL_ALPN_ACME;
    return 1;
}

static void choose_host(ssl_conn *conn)
{
    server_rec *found;

    if (!conn->sni) {
        ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, conn->c,
                      APLOGNO(02645) "no server name in the ClientHello: the first virtual host of the address is used");
        return;
    }
    found = ssl_sni_find(conn->c, conn->sni);
    conn->sni_server = found ? found : conn->server;
    if (!found || !ssl_config_of(found)->host) {
        ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, conn->c,
                      APLOGNO(02044) "no virtual host of this address is named '%s': the first one is used",
                      ap_escape_logitem(conn->c->pool, conn->sni));
        return;
    }
    conn->sni_matched = 1;
    conn->server = found;
    ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, conn->c, APLOGNO(02043) "SSL virtual host for servername %s found",
                  ap_escape_logitem(conn->c->pool, conn->sni));
}

int ssl_sni_client_hello(SSL *ssl, int *alert, void *arg)
{
    ssl_conn *conn = SSL_get_app_data(ssl);

    (void)arg;
    if (conn->state >= SSL_CONN_ESTABLISHED) {
        return SSL_CLIENT_HELLO_SUCCESS; /* a renegotiation stays in its virtual host */
    }
    ssl_explain_note_hello(conn, ssl);
    conn->sni = hello_server_name(ssl, conn->c->pool);
    choose_host(conn);
    ssl_metrics_server_name(conn);
    if (ssl_conn_bind_host(conn, conn->server) != 0 || !ssl_conn_use_certs(conn) ||
        !ssl_confcmd_use_groups(ssl, ssl_config_of(conn->server)->host) || (hello_is_acme(ssl) && !answer_acme(conn))) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (ssl_config_of(conn->server)->ktls) {
        ssl_ktls_offer(conn);
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* The choice is made already; this only decides whether it is acknowledged. */
int ssl_sni_servername(SSL *ssl, int *alert, void *arg)
{
    ssl_conn *conn = SSL_get_app_data(ssl);

    (void)alert;
    (void)arg;
    return conn->sni_matched ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* --- ALPN ------------------------------------------------------------------- */

static apr_array_header_t *alpn_offers(apr_pool_t *p, const unsigned char *in, unsigned int inlen)
{
    apr_array_header_t *offers = apr_array_make(p, 4, sizeof(const char *));
    unsigned int at = 0;

    while (at < inlen && at + 1 + in[at] <= inlen) {
        APR_ARRAY_PUSH(offers, const char *) = apr_pstrmemdup(p, (const char *)in + at + 1, in[at]);
        at += 1u + in[at];
    }
    return offers;
}

/* Whether PROTOCOL is offered; *OUT are then the client's own bytes for it,
 * which live as long as OpenSSL needs them. */
static int alpn_pick(const char *protocol, const unsigned char *in, unsigned int inlen, const unsigned char **out,
                     unsigned char *outlen)
{
    size_t len = strlen(protocol);
    unsigned int at = 0;

    for (; at < inlen && at + 1 + in[at] <= inlen; at += 1u + in[at]) {
        if (in[at] == len && memcmp(in + at + 1, protocol, len) == 0) {
            *out = in + at + 1;
            *outlen = in[at];
            return 1;
        }
    }
    return 0;
}

int ssl_sni_alpn_select(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in,
                        unsigned int inlen, void *arg)
{
    ssl_conn *conn = SSL_get_app_data(ssl);
    conn_rec *c = conn->c;
    const char *chosen = conn->facts.alpn;

    (void)arg;
    if (!chosen && conn->state >= SSL_CONN_ESTABLISHED) {
        return SSL_TLSEXT_ERR_NOACK; /* a renegotiation changes no protocol */
    }
    if (!chosen) {
        chosen = ap_select_protocol(c, NULL, conn->server, alpn_offers(c->pool, in, inlen));
        chosen = chosen ? chosen : AP_PROTOCOL_HTTP1;
        if (alpn_pick(chosen, in, inlen, out, outlen) && strcmp(chosen, ap_get_protocol(c)) != 0) {
            apr_status_t rv = ap_switch_protocol(c, NULL, conn->server, chosen);

            if (rv != APR_SUCCESS) {
                ap_log_cerror(APLOG_MARK, APLOG_ERR, rv, c, APLOGNO(02908) "cannot switch to protocol '%s'", chosen);
                return SSL_TLSEXT_ERR_ALERT_FATAL;
            }
        }
    }
    if (!alpn_pick(chosen, in, inlen, out, outlen)) {
        ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, c, "none of the protocols that the client offers by ALPN is spoken "
                      "here (virtual host %s)", ssl_server_id(c->pool, conn->server));
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301, 3.2: no_application_protocol */
    }
    return SSL_TLSEXT_ERR_OK;
}
