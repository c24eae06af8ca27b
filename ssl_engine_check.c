/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_check.c - mistakes that do not stop a start: virtual hosts
 * against Listen, ports and SSLEngine; what the children may not read.
 * Certificates are looked at in ssl_engine_certcheck.c, directories of CAs and
 * CRLs in ssl_engine_dircheck.c.
 *
 * Hosts are grouped by address first, so that the cost is linear in hosts and
 * a mistake that a thousand of them share is one line.
 */
#include "ssl_check.h"
#include "ssl_proxy.h"

#include "ap_listen.h"
#include "apr_user.h"
#include "unixd.h"

#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FEW 3

/* --- words ------------------------------------------------------------------ */

void ssl_few_add(apr_pool_t *p, ssl_few *few, const char *item)
{
    if (few->count++ < FEW) {
        few->text = few->text ? apr_pstrcat(p, few->text, ", ", item, NULL) : item;
    }
}

const char *ssl_few_text(apr_pool_t *p, const ssl_few *few)
{
    return few->count > FEW ? apr_psprintf(p, "%s and %d more", few->text, few->count - FEW) : few->text;
}

const char *ssl_server_place(apr_pool_t *p, server_rec *s)
{
    const ap_directive_t *defined_at = ssl_config_of(s)->defined_at;

    if (s->defn_name) {
        return apr_psprintf(p, "%s:%u", s->defn_name, s->defn_line_number);
    }
    return defined_at ? ssl_config_place_of(p, defined_at) : "the main server";
}

/* httpd lists virtual hosts from the last to the first. */
apr_array_header_t *ssl_servers_in_order(apr_pool_t *p, server_rec *main_server)
{
    apr_array_header_t *servers = apr_array_make(p, 16, sizeof(server_rec *));
    server_rec *s;
    int i, j;

    for (s = main_server; s; s = s->next) {
        APR_ARRAY_PUSH(servers, server_rec *) = s;
    }
    for (i = 1, j = servers->nelts - 1; i < j; i++, j--) {
        s = APR_ARRAY_IDX(servers, i, server_rec *);
        APR_ARRAY_IDX(servers, i, server_rec *) = APR_ARRAY_IDX(servers, j, server_rec *);
        APR_ARRAY_IDX(servers, j, server_rec *) = s;
    }
    return servers;
}

static void add_host(apr_pool_t *p, ssl_few *few, server_rec *s)
{
    if (few->count < FEW) {
        ssl_few_add(p, few, apr_psprintf(p, "%s (%s)", ssl_server_id(p, s), ssl_server_place(p, s)));
    }
    else {
        few->count++;
    }
}

/* --- addresses ---------------------------------------------------------------- */

/** The virtual hosts of one <VirtualHost> address. */
typedef struct address {
    const char *name;        /* "*:443" */
    apr_sockaddr_t *addr;
    unsigned int port;       /* 0: any */
    server_rec *first, *last; /* the first answers while no name is known */
    ssl_few tls, plain;
} address;

typedef struct layout {
    server_rec *main_server;
    apr_pool_t *p;
    apr_hash_t *index;             /* name -> address */
    apr_array_header_t *addresses; /* address *, in order of configuration */
    ssl_few idle_certs, off_certs; /* hosts with certificates that are not used */
    ssl_few inherited;             /* hosts on port 80 that TLS was turned on for by the main server */
} layout;

static int has_tls(server_rec *s)
{
    return ssl_config_of(s)->engine == 1;
}

static const char *address_text(apr_pool_t *p, const apr_sockaddr_t *addr, unsigned int port)
{
    const char *number = port ? apr_itoa(p, (int)port) : "*";
    char *ip = NULL;

    if (apr_sockaddr_is_wildcard(addr) || apr_sockaddr_ip_get(&ip, (apr_sockaddr_t *)addr) != APR_SUCCESS) {
        return apr_pstrcat(p, "*:", number, NULL);
    }
    return strchr(ip, ':') ? apr_pstrcat(p, "[", ip, "]:", number, NULL) : apr_pstrcat(p, ip, ":", number, NULL);
}

static void add_address(layout *l, server_rec *s, server_addr_rec *sar)
{
    const char *name = address_text(l->p, sar->host_addr, sar->host_port);
    address *a = apr_hash_get(l->index, name, APR_HASH_KEY_STRING);

    if (!a) {
        a = apr_pcalloc(l->p, sizeof(*a));
        a->name = name;
        a->addr = sar->host_addr;
        a->port = sar->host_port;
        a->first = s;
        apr_hash_set(l->index, name, APR_HASH_KEY_STRING, a);
        APR_ARRAY_PUSH(l->addresses, address *) = a;
    }
    if (a->last != s) { /* "*" may stand for IPv4 and for IPv6 */
        a->last = s;
        add_host(l->p, has_tls(s) ? &a->tls : &a->plain, s);
    }
}

/* Whether a connection accepted by LISTENER may be for A. */
static int is_listened(const address *a, const ap_listen_rec *listener)
{
    const apr_sockaddr_t *bound = listener->bind_addr;

    return (a->port == 0 || a->port == bound->port) &&
           (apr_sockaddr_is_wildcard(a->addr) || apr_sockaddr_is_wildcard(bound) || apr_sockaddr_equal(a->addr, bound));
}

static const char *listened_ports(apr_pool_t *p)
{
    ssl_few ports = { 0 };
    ap_listen_rec *l;

    for (l = ap_listeners; l; l = l->next) {
        ssl_few_add(p, &ports, apr_itoa(p, l->bind_addr->port));
    }
    return ports.count ? ssl_few_text(p, &ports) : "nothing";
}

/* A TLS host that no connection can reach. */
static void check_reachable(layout *l, const address *a)
{
    ap_listen_rec *listener;

    for (listener = ap_listeners; listener; listener = listener->next) {
        if (is_listened(a, listener)) {
            return;
        }
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, a->first,
                 "no Listen directive covers %s: connections never reach the SSL virtual host%s %s; write 'Listen %u' "
                 "outside of <VirtualHost>, or change the port of <VirtualHost> (httpd listens on %s)",
                 a->name, a->tls.count > 1 ? "s" : "", ssl_few_text(l->p, &a->tls), a->port,
                 listened_ports(l->p));
}

/* TLS for some hosts of an address and not for others: whether a connection
 * speaks TLS is settled before a name is known. */
static void check_mixed(layout *l, const address *a)
{
    if (!a->tls.count || !a->plain.count) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, a->first,
                 "%s: SSLEngine is on for %s, but not for %s: the first virtual host of an address decides for all "
                 "(%s: SSLEngine %s); write 'SSLEngine on' into all of them, or give those without TLS another port",
                 a->name, ssl_few_text(l->p, &a->tls), ssl_few_text(l->p, &a->plain),
                 ssl_server_place(l->p, a->first), has_tls(a->first) ? "on" : "off");
}

/* Hosts of *:port are not asked for connections to an address that has hosts of its own. */
static void note_hidden(layout *l, const address *a)
{
    const char *any = apr_psprintf(l->p, "*:%u", a->port);
    const address *hidden = apr_hash_get(l->index, any, APR_HASH_KEY_STRING);

    if (hidden && hidden != a && hidden->tls.count) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, a->first,
                     "connections to %s only reach %s; the virtual hosts of %s (%s) have no part in them",
                     a->name, ssl_few_text(l->p, &a->tls), hidden->name,
                     ssl_few_text(l->p, &hidden->tls));
    }
}

/* --- ports for https --------------------------------------------------------- */

/* A Listen for https where no host speaks TLS. */
static void check_listener(layout *l, const ap_listen_rec *listener)
{
    ssl_few plain = { 0 };
    int i, covered = 0;

    for (i = 0; i < l->addresses->nelts; i++) {
        const address *a = APR_ARRAY_IDX(l->addresses, i, const address *);

        if (!is_listened(a, listener)) {
            continue;
        }
        if (a->tls.count) {
            return;
        }
        covered |= apr_sockaddr_is_wildcard(a->addr);
        ssl_few_add(l->p, &plain, ssl_few_text(l->p, &a->plain));
    }
    if (!covered && has_tls(l->main_server)) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, l->main_server,
                 "Listen %u is for https, but no virtual host there has SSLEngine on: clients get plain HTTP from it; "
                 "%s%s%s", listener->bind_addr->port,
                 plain.count ? "write 'SSLEngine on' and 'SSLCertificateFile ...' into "
                             : "add a <VirtualHost> with SSLEngine and SSLCertificateFile for it, or remove the Listen",
                 plain.count ? ssl_few_text(l->p, &plain) : "", plain.count && covered && has_tls(l->main_server)
                     ? " (SSLEngine on in the main server does not reach it)" : "");
}

static void check_listeners(layout *l)
{
    unsigned int last = 0;
    ap_listen_rec *listener;

    for (listener = ap_listeners; listener; listener = listener->next) {
        unsigned int port = listener->bind_addr->port;

        if (listener->protocol && ap_cstr_casecmp(listener->protocol, "https") == 0 && port != last) {
            last = port; /* IPv4 and IPv6 of one Listen stand side by side */
            check_listener(l, listener);
        }
    }
}

/* --- one host ----------------------------------------------------------------- */

/* What S says itself of SSLEngine and certificates, against what comes of it. */
static void check_server(layout *l, server_rec *s)
{
    const ssl_server_config *cfg = ssl_config_of(s), *of_main = ssl_config_of(l->main_server);
    int own_engine = cfg->defined_at && (s == l->main_server || cfg->defined_at != of_main->defined_at);
    int own_certs = cfg->certs_at && cfg->certs_at != of_main->certs_at;

    if (own_certs && !has_tls(s)) {
        add_host(l->p, own_engine ? &l->off_certs : &l->idle_certs, s);
    }
    if (has_tls(s) && !own_engine && s->addrs && s->addrs->host_port == 80) {
        add_host(l->p, &l->inherited, s);
    }
}

/* Certificates in the main server count if any host makes use of them. */
static void check_main_certs(layout *l, apr_array_header_t *servers)
{
    const ssl_server_config *of_main = ssl_config_of(l->main_server);
    int i;

    for (i = 0; i < servers->nelts; i++) {
        server_rec *s = APR_ARRAY_IDX(servers, i, server_rec *);

        if (has_tls(s) && ssl_config_of(s)->certs_at == of_main->certs_at) {
            return;
        }
    }
    if (of_main->certs_at) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, l->main_server,
                     "SSLCertificateFile at %s has no effect: no server that it applies to has SSLEngine on; write "
                     "'SSLEngine on' beside it, or into the virtual hosts that are to use it",
                     ssl_config_place_of(l->p, of_main->certs_at));
    }
}

static void report_servers(layout *l)
{
    if (l->idle_certs.count) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, l->main_server,
                     "SSLCertificateFile is set, but SSLEngine is not on: %s; write 'SSLEngine on', or clients that "
                     "speak TLS are turned away", ssl_few_text(l->p, &l->idle_certs));
    }
    if (l->off_certs.count) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, l->main_server,
                     "SSLCertificateFile is set, but has no effect because of 'SSLEngine off': %s",
                     ssl_few_text(l->p, &l->off_certs));
    }
    if (l->inherited.count) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, l->main_server,
                     "SSLEngine on at %s, outside of <VirtualHost>, holds for virtual hosts on port 80, too: %s speak "
                     "TLS only; write 'SSLEngine off' into them, or move SSLEngine into those for https",
                     ssl_config_place_of(l->p, ssl_config_of(l->main_server)->defined_at),
                     ssl_few_text(l->p, &l->inherited));
    }
}

static void check_layout(apr_array_header_t *servers, apr_pool_t *p)
{
    layout l = { .main_server = APR_ARRAY_IDX(servers, 0, server_rec *), .p = p };
    server_addr_rec *sar;
    int i;

    l.index = apr_hash_make(p);
    l.addresses = apr_array_make(p, 8, sizeof(address *));
    for (i = 0; i < servers->nelts; i++) {
        server_rec *s = APR_ARRAY_IDX(servers, i, server_rec *);

        check_server(&l, s);
        for (sar = i ? s->addrs : NULL; sar; sar = sar->next) {
            add_address(&l, s, sar);
        }
    }
    check_main_certs(&l, servers);
    report_servers(&l);
    for (i = 0; i < l.addresses->nelts; i++) {
        const address *a = APR_ARRAY_IDX(l.addresses, i, const address *);

        check_mixed(&l, a);
        if (a->tls.count) {
            check_reachable(&l, a);
            note_hidden(&l, a);
        }
    }
    check_listeners(&l);
}

/* --- permissions --------------------------------------------------------------- */

#define MAX_GROUPS 256

/** Who reads: the children's User. */
typedef struct reader {
    uid_t uid;
    gid_t groups[MAX_GROUPS];
    int n_groups;
} reader;

static void who_reads(reader *who)
{
    int n = MAX_GROUPS;

    if (geteuid() != 0) {
        who->uid = geteuid();
        n = getgroups(MAX_GROUPS - 1, who->groups);
        who->n_groups = n < 0 ? 0 : n;
        who->groups[who->n_groups++] = getegid();
        return;
    }
    who->uid = ap_unixd_config.user_id;
    who->groups[0] = ap_unixd_config.group_id;
    who->n_groups = 1;
    if (ap_unixd_config.user_name && ap_unixd_config.user_name[0] != '#' &&
        getgrouplist(ap_unixd_config.user_name, ap_unixd_config.group_id, who->groups, &n) >= 0) {
        who->n_groups = n;
    }
}

static int in_group(const reader *who, gid_t gid)
{
    int i;

    for (i = 0; i < who->n_groups; i++) {
        if (who->groups[i] == gid) {
            return 1;
        }
    }
    return 0;
}

/* Whether WHO may do WANTED (R_OK, W_OK, X_OK are the bits of a class) with PATH; what cannot be looked at may pass. */
static int may(const reader *who, const char *path, int wanted, struct stat *st)
{
    unsigned int shift;

    if (stat(path, st) != 0) {
        return 1;
    }
    shift = st->st_uid == who->uid ? 6 : in_group(who, st->st_gid) ? 3 : 0;
    return ((unsigned int)wanted & ~(st->st_mode >> shift) & 7) == 0;
}

static const char *user_name(apr_pool_t *p, uid_t uid)
{
    char *name = NULL;

    return apr_uid_name_get(&name, uid, p) == APR_SUCCESS ? name : apr_psprintf(p, "#%ld", (long)uid);
}

static const char *denied_on_the_way(apr_pool_t *p, const reader *who, const char *path, int wanted)
{
    const char *slash = path, *part = "/";
    struct stat st;

    while ((slash = strchr(slash + 1, '/')) != NULL && may(who, part, X_OK, &st)) {
        part = apr_pstrmemdup(p, path, (apr_size_t)(slash - path));
    }
    if (may(who, part, X_OK, &st)) {
        if (may(who, path, wanted, &st)) {
            return NULL;
        }
        part = path;
    }
    return apr_psprintf(p, "%s '%s' (mode %04o, owner uid %ld) %s user '%s'", S_ISDIR(st.st_mode) ? "the directory" :
                        "the file", part, (unsigned int)st.st_mode & 07777, (long)st.st_uid,
                        part != path || wanted & X_OK ? "cannot be passed (no x permission) by" :
                        wanted & W_OK ? "cannot be read and written by" : "cannot be read by",
                        user_name(p, who->uid));
}

const char *ssl_path_denied(apr_pool_t *p, const char *path, int wanted)
{
    const char *problem;
    char *target;
    reader who;

    who_reads(&who);
    if (who.uid == 0) {
        return NULL;
    }
    problem = denied_on_the_way(p, &who, path, wanted);
    target = problem ? NULL : realpath(path, NULL);
    if (target) { /* links may lead elsewhere */
        problem = denied_on_the_way(p, &who, apr_pstrdup(p, target), wanted);
        free(target);
    }
    return problem;
}

/* --- directories ---------------------------------------------------------------- */

static const struct {
    int of_proxy; /* of what is set for backends: of ssl_proxy_config, else of ssl_server_config */
    apr_size_t offset;
    const char *directive;
    ssl_directory_kind kind;
} directories[] = {
    { 0, offsetof(ssl_server_config, tls.ca_path), "SSLCACertificatePath", SSL_DIR_CERTS },
    { 0, offsetof(ssl_server_config, tls.crl_path), "SSLCARevocationPath", SSL_DIR_CRLS },
    { 0, offsetof(ssl_server_config, ca_dn_path), "SSLCADNRequestPath", SSL_DIR_NAMES },
    { 1, offsetof(ssl_proxy_config, tls.ca_path), "SSLProxyCACertificatePath", SSL_DIR_CERTS },
    { 1, offsetof(ssl_proxy_config, tls.crl_path), "SSLProxyCARevocationPath", SSL_DIR_CRLS },
};

static void check_directory(server_rec *s, const char *id, size_t which, const char *path, apr_pool_t *p)
{
    const char *denied = directories[which].kind == SSL_DIR_NAMES ? NULL : ssl_path_denied(p, path, X_OK);

    if (denied) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "%s: %s '%s' is read while connections are served, but %s: nothing in it will be found; chmod or "
                     "chgrp what is named", id, directories[which].directive, path, denied);
    }
    ssl_check_hash_directory(s, id, directories[which].directive, path, directories[which].kind, p);
}

/* Those that RECORD of S names, which ID is the name of, and none before; DONE: kind and path of these. */
static void check_record(apr_hash_t *done, server_rec *s, const char *id, int of_proxy, const void *record,
                         apr_pool_t *p)
{
    size_t which;

    for (which = 0; which < sizeof(directories) / sizeof(directories[0]); which++) {
        const char *path = *(const char *const *)(const void *)((const char *)record + directories[which].offset);
        const char *key;

        if (directories[which].of_proxy != of_proxy || !path) {
            continue;
        }
        key = apr_psprintf(p, "%d%s", (int)directories[which].kind, path);
        if (!apr_hash_get(done, key, APR_HASH_KEY_STRING)) {
            apr_hash_set(done, key, APR_HASH_KEY_STRING, path);
            check_directory(s, id, which, path, p);
        }
    }
}

static void check_for_backends(apr_hash_t *done, server_rec *s, apr_pool_t *p)
{
    const apr_array_header_t *sections = ssl_proxy_sections(p, s);
    const ssl_proxy_config *proxy = ssl_config_proxy_of(s);
    int i;

    if (proxy->engine == 1) {
        check_record(done, s, ssl_proxy_scope(p, s, NULL), 1, proxy, p);
    }
    for (i = 0; i < sections->nelts; i++) {
        const ssl_proxy_section *section = &APR_ARRAY_IDX(sections, i, ssl_proxy_section);

        if (section->settings->engine == 1) {
            check_record(done, s, ssl_proxy_scope(p, s, section), 1, section->settings, p);
        }
    }
}

static void check_directories(apr_array_header_t *servers, apr_pool_t *p)
{
    apr_hash_t *done = apr_hash_make(p);
    int i;

    for (i = 0; i < servers->nelts; i++) {
        server_rec *s = APR_ARRAY_IDX(servers, i, server_rec *);

        if (has_tls(s)) {
            check_record(done, s, ssl_server_id(p, s), 0, ssl_config_of(s), p);
        }
        check_for_backends(done, s, p);
    }
}

/* --- all ---------------------------------------------------------------------------- */

void ssl_check_all(server_rec *main_server, apr_pool_t *ptemp)
{
    apr_pool_t *p = ssl_passing_pool(ptemp);
    apr_array_header_t *servers = ssl_servers_in_order(p, main_server);

    check_layout(servers, p);
    check_directories(servers, p);
    ssl_check_certificates(servers, p);
    apr_pool_destroy(p);
}

void ssl_check_test_config(apr_pool_t *p, server_rec *main_server)
{
    apr_array_header_t *servers;

    if (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST && !ssl_dump_asked()) {
        servers = ssl_servers_in_order(p, main_server);
        check_layout(servers, p);
        check_directories(servers, p);
    }
}
