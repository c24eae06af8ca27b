/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_config.c - configuration records: created, merged, completed and
 * compared by one table of fields per record, so that these never disagree.
 */
#include "ssl_config.h"

#include "apr_file_info.h"

/** What a field is made of, and how a virtual host inherits it. */
typedef enum {
    FIELD_INT,     /* int, SSL_UNSET until set */
    FIELD_STRING,  /* const char *, NULL until set */
    FIELD_FILE,    /* as FIELD_STRING; what it names is read at start */
    FIELD_FILES,   /* array of const char *; a virtual host's own replace the inherited ones */
    FIELD_STRINGS, /* array of const char *; inherited ones come first */
    FIELD_LIST,    /* array of pointers; inherited ones come first; shapes no SSL_CTX */
    FIELD_CMDS     /* array of ssl_conf_cmd; inherited ones come first */
} field_kind;

typedef struct field {
    apr_size_t offset;
    field_kind kind;
    int preset;   /* default of a FIELD_INT */
    int in_ctx;   /* shapes the SSL_CTX of a server */
} field;

#define ROW(record, member, kind, preset, in_ctx) { offsetof(record, member), kind, preset, in_ctx }
#define END_OF_FIELDS { 0, FIELD_INT, 0, -1 }

#define TLS(member, kind, preset) ROW(ssl_tls_settings, member, kind, preset, 1)
static const field tls_fields[] = {
    TLS(protocols, FIELD_INT, SSL_PROTO_DEFAULT),
    TLS(cipher_suite, FIELD_STRING, 0),
    TLS(tls13_cipher_suites, FIELD_STRING, 0),
    TLS(ca_file, FIELD_FILE, 0),
    TLS(ca_path, FIELD_FILE, 0),
    TLS(crl_file, FIELD_FILE, 0),
    TLS(crl_path, FIELD_FILE, 0),
    TLS(crl_check, FIELD_INT, SSL_CRLCHECK_NONE),
    TLS(verify, FIELD_INT, SSL_CVERIFY_NONE),
    TLS(verify_depth, FIELD_INT, 1),
    END_OF_FIELDS
};

#define PROXY(member, kind, preset) ROW(ssl_proxy_config, member, kind, preset, 1)
#define PROXY_ONLY(member, kind, preset) ROW(ssl_proxy_config, member, kind, preset, 0)
static const field proxy_fields[] = {
    PROXY_ONLY(engine, FIELD_INT, 0),
    PROXY(cert_file, FIELD_FILE, 0),
    PROXY(cert_path, FIELD_FILE, 0),
    PROXY(chain_file, FIELD_FILE, 0),
    PROXY_ONLY(ocsp, FIELD_INT, SSL_OCSP_OFF),
    PROXY_ONLY(check_peer_expire, FIELD_INT, 1),
    /* Which of the two counts depends on whether the other was set. */
    PROXY_ONLY(check_peer_cn, FIELD_INT, SSL_UNSET),
    PROXY_ONLY(check_peer_name, FIELD_INT, SSL_UNSET),
    PROXY_ONLY(session_cache, FIELD_INT, 1),
    PROXY_ONLY(require_close_notify, FIELD_INT, 1),
    PROXY_ONLY(alpn, FIELD_STRING, 0),
    PROXY_ONLY(sni, FIELD_STRING, 0),
    END_OF_FIELDS
};

#define SERVER(member, kind, preset) ROW(ssl_server_config, member, kind, preset, 1)
#define SERVER_ONLY(member, kind, preset) ROW(ssl_server_config, member, kind, preset, 0)
static const field server_fields[] = {
    SERVER_ONLY(engine, FIELD_INT, 0),
    /* Certificates are compared by ssl_engine_ctx.c: hosts may share an SSL_CTX and differ in them. */
    SERVER_ONLY(cert_files, FIELD_FILES, 0),
    SERVER_ONLY(key_files, FIELD_FILES, 0),
    SERVER_ONLY(chain_file, FIELD_FILE, 0),
    SERVER(ca_dn_file, FIELD_FILE, 0),
    SERVER(ca_dn_path, FIELD_FILE, 0),
    SERVER(honor_cipher_order, FIELD_INT, 0),
    SERVER(compression, FIELD_INT, 0),
    SERVER(insecure_renegotiation, FIELD_INT, 0),
    SERVER_ONLY(strict_sni, FIELD_INT, 0),
    SERVER(dh_bits, FIELD_INT, 0),
    SERVER(session_tickets, FIELD_INT, 1),
    SERVER(session_timeout, FIELD_INT, 300),
    SERVER(num_tickets, FIELD_INT, 1),
    SERVER_ONLY(client_hello_vars, FIELD_INT, 0),
    SERVER_ONLY(ktls, FIELD_INT, 0),
    SERVER_ONLY(dynamic_record_size, FIELD_INT, 1),
    SERVER_ONLY(ticket_key_files, FIELD_FILES, 0),
    SERVER(srp_verifier_file, FIELD_FILE, 0),
    SERVER(srp_unknown_user_seed, FIELD_STRING, 0),
    SERVER(conf_cmds, FIELD_CMDS, 0),
    SERVER(ocsp.enable, FIELD_INT, SSL_OCSP_OFF),
    SERVER_ONLY(ocsp.responder, FIELD_STRING, 0),
    SERVER_ONLY(ocsp.proxy_url, FIELD_STRING, 0),
    SERVER_ONLY(ocsp.responder_cert_file, FIELD_FILE, 0),
    SERVER_ONLY(ocsp.override_responder, FIELD_INT, 0),
    SERVER_ONLY(ocsp.no_verify, FIELD_INT, 0),
    SERVER_ONLY(ocsp.use_nonce, FIELD_INT, 1),
    SERVER_ONLY(ocsp.time_skew, FIELD_INT, 300),
    SERVER_ONLY(ocsp.max_age, FIELD_INT, -1),
    SERVER_ONLY(ocsp.timeout, FIELD_INT, 10),
    SERVER_ONLY(stapling.enable, FIELD_INT, SSL_STAPLING_OFF),
    SERVER_ONLY(stapling.force_url, FIELD_STRING, 0),
    SERVER_ONLY(stapling.proxy_url, FIELD_STRING, 0),
    SERVER_ONLY(stapling.time_skew, FIELD_INT, 300),
    SERVER_ONLY(stapling.max_age, FIELD_INT, -1),
    SERVER_ONLY(stapling.timeout, FIELD_INT, 10),
    SERVER_ONLY(stapling.cache_timeout, FIELD_INT, -1), /* 3600 for an answer that names no end */
    SERVER_ONLY(stapling.error_timeout, FIELD_INT, 600),
    SERVER_ONLY(stapling.return_errors, FIELD_INT, 0),
    SERVER_ONLY(stapling.fake_try_later, FIELD_INT, 1),
    SERVER_ONLY(stapling.must_staple, FIELD_INT, 0), /* SSL_MUST_STAPLE_WARN */
    END_OF_FIELDS
};

/* options_* are missing here: they merge as masks, by a rule of their own. */
#define DIR(member, kind, preset) ROW(ssl_dir_config, member, kind, preset, 0)
static const field dir_fields[] = {
    DIR(require_ssl, FIELD_INT, 0),
    DIR(verify, FIELD_INT, SSL_CVERIFY_NONE),
    DIR(verify_depth, FIELD_INT, 1),
    DIR(cipher_suite, FIELD_STRING, 0),
    DIR(user_name, FIELD_STRING, 0),
    DIR(reneg_buffer_size, FIELD_INT, 131072),
    DIR(requires, FIELD_LIST, 0),
    END_OF_FIELDS
};

#define INT_AT(record, f) (*(int *)((char *)(record) + (f)->offset))
#define STRING_AT(record, f) (*(const char **)((char *)(record) + (f)->offset))
#define ARRAY_AT(record, f) (*(apr_array_header_t **)((char *)(record) + (f)->offset))

static int is_last(const field *f)
{
    return f->in_ctx < 0;
}

static void fields_create(const field *f, void *record)
{
    for (; !is_last(f); f++) {
        if (f->kind == FIELD_INT) {
            INT_AT(record, f) = SSL_UNSET;
        }
    }
}

static apr_array_header_t *append_arrays(apr_pool_t *p, apr_array_header_t *base, apr_array_header_t *add)
{
    if (!base || !add) {
        return add ? add : base;
    }
    return apr_array_append(p, base, add);
}

static void fields_merge(apr_pool_t *p, const field *f, const void *base, const void *add, void *result)
{
    for (; !is_last(f); f++) {
        switch (f->kind) {
        case FIELD_INT:
            INT_AT(result, f) = SSL_OR(INT_AT(add, f), INT_AT(base, f));
            break;
        case FIELD_STRING:
        case FIELD_FILE:
            STRING_AT(result, f) = STRING_AT(add, f) ? STRING_AT(add, f) : STRING_AT(base, f);
            break;
        case FIELD_FILES:
            ARRAY_AT(result, f) = ARRAY_AT(add, f) ? ARRAY_AT(add, f) : ARRAY_AT(base, f);
            break;
        case FIELD_STRINGS:
        case FIELD_LIST:
        case FIELD_CMDS:
            ARRAY_AT(result, f) = append_arrays(p, ARRAY_AT(base, f), ARRAY_AT(add, f));
            break;
        }
    }
}

static void fields_complete(const field *f, void *record)
{
    for (; !is_last(f); f++) {
        if (f->kind == FIELD_INT) {
            INT_AT(record, f) = SSL_OR(INT_AT(record, f), f->preset);
        }
    }
}

const char *ssl_config_file_stamp(apr_pool_t *p, const char *path)
{
    apr_finfo_t info;

    if (!path || ssl_is_key_uri(path) || apr_stat(&info, path, APR_FINFO_NORM, p) != APR_SUCCESS) {
        return path ? path : "-";
    }
    return apr_psprintf(p, "%s@%" APR_TIME_T_FMT "/%" APR_TIME_T_FMT "/%" APR_OFF_T_FMT "/%" APR_UINT64_T_FMT,
                        path, info.mtime, info.ctime, info.size, (apr_uint64_t)info.inode);
}

static void sign_array(apr_pool_t *p, const field *f, apr_array_header_t *array, apr_array_header_t *parts)
{
    int i;

    for (i = 0; array && i < array->nelts; i++) {
        if (f->kind == FIELD_CMDS) {
            ssl_conf_cmd *cmd = &APR_ARRAY_IDX(array, i, ssl_conf_cmd);

            APR_ARRAY_PUSH(parts, const char *) = cmd->name;
            APR_ARRAY_PUSH(parts, const char *) = ssl_config_file_stamp(p, cmd->value);
        }
        else {
            APR_ARRAY_PUSH(parts, const char *) = ssl_config_file_stamp(p, APR_ARRAY_IDX(array, i, const char *));
        }
    }
    APR_ARRAY_PUSH(parts, const char *) = "";
}

static void fields_sign(apr_pool_t *p, const field *f, const void *record, apr_array_header_t *parts)
{
    for (; !is_last(f); f++) {
        if (!f->in_ctx) {
            continue;
        }
        switch (f->kind) {
        case FIELD_INT:
            APR_ARRAY_PUSH(parts, const char *) = apr_itoa(p, INT_AT(record, f));
            break;
        case FIELD_STRING:
            APR_ARRAY_PUSH(parts, const char *) = STRING_AT(record, f) ? STRING_AT(record, f) : "-";
            break;
        case FIELD_FILE:
            APR_ARRAY_PUSH(parts, const char *) = ssl_config_file_stamp(p, STRING_AT(record, f));
            break;
        case FIELD_FILES:
        case FIELD_STRINGS:
        case FIELD_CMDS:
            sign_array(p, f, ARRAY_AT(record, f), parts);
            break;
        case FIELD_LIST:
            break;
        }
    }
}

const char *ssl_config_signature(apr_pool_t *p, const ssl_server_config *cfg)
{
    apr_array_header_t *parts = apr_array_make(p, 64, sizeof(const char *));

    fields_sign(p, tls_fields, &cfg->tls, parts);
    fields_sign(p, server_fields, cfg, parts);
    return apr_array_pstrcat(p, parts, '\n');
}

static ssl_global_config *global_config;

/* For servers and directories without a record of their own. */
static const ssl_dir_config *empty_dir;
static const ssl_proxy_config *preset_proxy;

ssl_global_config *ssl_global(void)
{
    return global_config;
}

ssl_server_config *ssl_config_of(server_rec *s)
{
    return ap_get_module_config(s->module_config, &ssl_module);
}

const ssl_dir_config *ssl_dir_config_of(request_rec *r)
{
    const ssl_dir_config *dir = ap_get_module_config(r->per_dir_config, &ssl_module);

    return dir ? dir : empty_dir;
}

const ssl_proxy_config *ssl_config_proxy_of(server_rec *s)
{
    const ssl_proxy_config *proxy = ssl_config_of(s)->proxy;

    return proxy ? proxy : preset_proxy;
}

int ssl_dir_options(request_rec *r)
{
    const ssl_dir_config *dir = ssl_dir_config_of(r);

    return (SSL_OR(dir->options_set, 0) | dir->options_add) & ~dir->options_del;
}

ssl_proxy_config *ssl_config_proxy_at(ssl_proxy_config **proxy, apr_pool_t *p)
{
    if (!*proxy) {
        *proxy = apr_pcalloc(p, sizeof(**proxy));
        fields_create(tls_fields, &(*proxy)->tls);
        fields_create(proxy_fields, *proxy);
    }
    return *proxy;
}

static void proxy_complete(ssl_proxy_config *proxy)
{
    fields_complete(tls_fields, &proxy->tls);
    fields_complete(proxy_fields, proxy);
}

void ssl_config_proxy_merge(apr_pool_t *p, const ssl_proxy_config *base, const ssl_proxy_config *add,
                            ssl_proxy_config *result)
{
    fields_merge(p, tls_fields, &base->tls, &add->tls, &result->tls);
    fields_merge(p, proxy_fields, base, add, result);
    result->defined_at = add->defined_at ? add->defined_at : base->defined_at;
    result->made = add->made ? add->made : base->made;
}

const char *ssl_config_proxy_signature(apr_pool_t *p, const ssl_proxy_config *proxy)
{
    apr_array_header_t *parts = apr_array_make(p, 16, sizeof(const char *));

    fields_sign(p, tls_fields, &proxy->tls, parts);
    fields_sign(p, proxy_fields, proxy, parts);
    return apr_array_pstrcat(p, parts, '\n');
}

void *ssl_config_server_create(apr_pool_t *p, server_rec *s)
{
    ssl_server_config *cfg = apr_pcalloc(p, sizeof(*cfg));

    (void)s;
    fields_create(tls_fields, &cfg->tls);
    fields_create(server_fields, cfg);
    return cfg;
}

/* A record of its own: post_config writes to it. */
static ssl_proxy_config *merge_proxies(apr_pool_t *p, const ssl_proxy_config *base, const ssl_proxy_config *add)
{
    const ssl_proxy_config *only = base ? base : add;
    ssl_proxy_config *proxy = only ? apr_pmemdup(p, only, sizeof(*only)) : NULL;

    if (base && add) {
        ssl_config_proxy_merge(p, base, add, proxy);
    }
    return proxy;
}

/* CFG, where the result goes, may be ADD. */
static ssl_server_config *merge_servers(apr_pool_t *p, const ssl_server_config *base, const ssl_server_config *add,
                                        ssl_server_config *cfg)
{
    fields_merge(p, tls_fields, &base->tls, &add->tls, &cfg->tls);
    fields_merge(p, server_fields, base, add, cfg);
    cfg->proxy = merge_proxies(p, base->proxy, add->proxy);
    cfg->defined_at = add->defined_at ? add->defined_at : base->defined_at;
    cfg->certs_at = add->certs_at ? add->certs_at : base->certs_at;
    cfg->policy = add->policy ? add->policy : base->policy;
    cfg->defaults = NULL;
    return cfg;
}

ssl_server_config *ssl_config_with_policy(apr_pool_t *p, ssl_server_config *cfg)
{
    return cfg->defaults ? merge_servers(p, cfg->defaults, cfg, apr_pcalloc(p, sizeof(*cfg))) : cfg;
}

/* A policy stands beneath the directives of its own scope, so that their order
 * within the scope does not matter, and above those of the scope outside.  The
 * result goes into the virtual host's own record, which nobody needs as it was:
 * 500 bytes for each of them. */
void *ssl_config_server_merge(apr_pool_t *p, void *base, void *add)
{
    ssl_server_config *cfg = ssl_config_with_policy(p, add);

    return merge_servers(p, ssl_config_with_policy(p, base), cfg, cfg);
}

/* httpd asks for one as soon as it reads any of our directives, SSLEngine too. */
void *ssl_config_dir_create(apr_pool_t *p, char *path)
{
    (void)p;
    (void)path;
    return NULL;
}

static ssl_dir_config *dir_create(apr_pool_t *p)
{
    ssl_dir_config *dir = apr_pcalloc(p, sizeof(*dir));

    fields_create(dir_fields, dir);
    dir->options_set = SSL_UNSET;
    return dir;
}

ssl_dir_config *ssl_config_dir_at(cmd_parms *cmd, void *dir)
{
    dir = dir ? dir : ap_get_module_config(cmd->context, &ssl_module); /* a setter may ask twice */
    if (!dir) {
        dir = dir_create(cmd->pool);
        ap_set_module_config(cmd->context, &ssl_module, dir);
    }
    return dir;
}

static void make_presets(apr_pool_t *p)
{
    ssl_proxy_config *proxy = NULL;

    proxy_complete(ssl_config_proxy_at(&proxy, p));
    preset_proxy = proxy;
    empty_dir = dir_create(p);
}

void ssl_config_begin(apr_pool_t *p)
{
    global_config = apr_pcalloc(p, sizeof(*global_config));
    global_config->sni_policy = SSL_SNI_SECURE;
    global_config->fips = SSL_UNSET;
    global_config->ticket_rotation = SSL_UNSET;
    global_config->read_at = apr_time_now();
    global_config->random_sources = apr_array_make(p, 4, sizeof(ssl_random_source));
    global_config->policies = ssl_policy_builtins(p);
    make_presets(p);
}

/* Absolute SSLOptions hide what was inherited; +/- ones change it. */
static void merge_options(const ssl_dir_config *base, const ssl_dir_config *add, ssl_dir_config *dir)
{
    if (add->options_set != SSL_UNSET) {
        dir->options_set = add->options_set;
        dir->options_add = add->options_add;
        dir->options_del = add->options_del;
        return;
    }
    dir->options_set = base->options_set;
    dir->options_add = (base->options_add & ~add->options_del) | add->options_add;
    dir->options_del = (base->options_del & ~add->options_add) | add->options_del;
}

void *ssl_config_dir_merge(apr_pool_t *p, void *basev, void *addv)
{
    ssl_dir_config *base = basev, *add = addv, *dir = apr_pcalloc(p, sizeof(*dir));

    fields_merge(p, dir_fields, base, add, dir);
    merge_options(base, add, dir);
    dir->proxy = merge_proxies(p, base->proxy, add->proxy);
    return dir;
}

void ssl_config_complete(server_rec *s)
{
    ssl_server_config *cfg = ssl_config_of(s);

    if (cfg->defaults) { /* of the main server, which is merged with nothing */
        *cfg = *ssl_config_with_policy(s->process->pconf, cfg);
    }
    fields_complete(tls_fields, &cfg->tls);
    fields_complete(server_fields, cfg);
    if (cfg->proxy) {
        proxy_complete(cfg->proxy);
    }
    if (cfg->stapling.enable == SSL_STAPLING_IF_CACHE) {
        cfg->stapling.enable = ssl_global()->stapling_cache ? SSL_STAPLING_ON : SSL_STAPLING_OFF;
    }
}

const char *ssl_config_place_of(apr_pool_t *p, const ap_directive_t *line)
{
    return line ? apr_psprintf(p, "%s:%d", line->filename, line->line_num) : NULL;
}

const char *ssl_config_place(cmd_parms *cmd)
{
    return ssl_config_place_of(cmd->pool, cmd->directive);
}

int ssl_is_key_uri(const char *id)
{
    return ap_cstr_casecmpn(id, "pkcs11:", sizeof("pkcs11:") - 1) == 0;
}

/* The shortest leading part of PATH that cannot be found, or the directory that
 * does not let it be looked for; why, in *WHY. */
static const char *faulty_part(apr_pool_t *p, const char *path, apr_status_t *why)
{
    const char *slash = path, *above = "/";
    apr_finfo_t info;

    while ((slash = strchr(slash + 1, '/')) != NULL) {
        const char *part = apr_pstrmemdup(p, path, (apr_size_t)(slash - path));

        *why = apr_stat(&info, part, APR_FINFO_TYPE, p);
        if (*why != APR_SUCCESS && *why != APR_INCOMPLETE) {
            return APR_STATUS_IS_EACCES(*why) ? above : part;
        }
        above = part;
    }
    *why = apr_stat(&info, path, APR_FINFO_TYPE, p);
    return APR_STATUS_IS_EACCES(*why) ? above : path;
}

const char *ssl_path_problem(apr_pool_t *p, const char *path, int directory)
{
    apr_finfo_t info;
    apr_status_t why = apr_stat(&info, path, APR_FINFO_TYPE | APR_FINFO_SIZE, p);
    char reason[120];

    if (why != APR_SUCCESS && why != APR_INCOMPLETE) {
        const char *part;

        apr_strerror(why, reason, sizeof(reason));
        part = faulty_part(p, path, &why);
        if (APR_STATUS_IS_EACCES(why)) {
            return apr_psprintf(p, "%s: the directory '%s' cannot be passed (no x permission)", reason, part);
        }
        return strcmp(part, path) == 0 ? apr_pstrdup(p, reason)
                                       : apr_psprintf(p, "%s, because of '%s'", reason, part);
    }
    if (directory) {
        return info.filetype == APR_DIR ? NULL : "it is not a directory";
    }
    if (info.filetype == APR_DIR) {
        return "it is a directory";
    }
    return info.filetype != APR_PIPE && info.size == 0 ? "it is empty" : NULL;
}
