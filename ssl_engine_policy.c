/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_policy.c - SSLPolicy and <SSLPolicyDefine>: defaults by name.
 *
 * A policy is a server record with the fields set that it speaks of. It is
 * merged beneath the directives of the scope that names it, by the table that
 * merges a virtual host's record with the main server's: see
 * ssl_config_server_merge().
 */
#include "ssl_confcmd.h"

/* --- the built-in policies ------------------------------------------------- */

/** A configuration of Mozilla's "Server Side TLS", in OpenSSL's names. */
typedef struct recommendation {
    const char *name;
    int protocols;
    const char *cipher_suite; /* up to TLS 1.2; NULL: there is no such version */
    const char *tls13_cipher_suites;
    const char *groups;
    int honor_cipher_order;
    int session_tickets;
    int dh_bits;  /* 0: there is no DHE */
    int stapling; /* SSL_STAPLING_ */
} recommendation;

#define TLS13_SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384"
#define AEAD_WITH_FORWARD_SECRECY \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:" \
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"
/* SHA-1 signatures, which TLS 1.0 and 1.1 need, begin at security level 0. */
#define OLD_CIPHERS \
    AEAD_WITH_FORWARD_SECRECY ":" \
    "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:" \
    "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:" \
    "DHE-RSA-AES128-SHA256:DHE-RSA-AES256-SHA256:AES128-GCM-SHA256:AES256-GCM-SHA384:" \
    "AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA:DES-CBC3-SHA:@SECLEVEL=0"

/* Guidelines 5.7, https://ssl-config.mozilla.org/guidelines/5.7.json; session
 * tickets as Mozilla's generator of configurations has them for httpd. */
static const recommendation recommendations[] = {
    { .name = "modern",
      .protocols = SSL_PROTO_TLSV1_3,
      .tls13_cipher_suites = TLS13_SUITES,
      .groups = GROUPS,
      .stapling = SSL_STAPLING_IF_CACHE },
    { .name = "intermediate",
      .protocols = SSL_PROTO_TLSV1_2 | SSL_PROTO_TLSV1_3,
      .cipher_suite = AEAD_WITH_FORWARD_SECRECY,
      .tls13_cipher_suites = TLS13_SUITES,
      .groups = GROUPS,
      .dh_bits = 2048,
      .stapling = SSL_STAPLING_IF_CACHE },
    { .name = "old",
      .protocols = SSL_PROTO_TLSV1 | SSL_PROTO_TLSV1_1 | SSL_PROTO_TLSV1_2 | SSL_PROTO_TLSV1_3,
      .cipher_suite = OLD_CIPHERS,
      .tls13_cipher_suites = TLS13_SUITES,
      .groups = GROUPS,
      .honor_cipher_order = 1,
      .dh_bits = 1024,
      .stapling = SSL_STAPLING_IF_CACHE },
};

static const ssl_server_config *settings_of(apr_pool_t *p, const recommendation *r)
{
    ssl_server_config *cfg = ssl_config_server_create(p, NULL);
    ssl_conf_cmd *groups;

    cfg->tls.protocols = r->protocols;
    cfg->tls.cipher_suite = r->cipher_suite;
    cfg->tls.tls13_cipher_suites = r->tls13_cipher_suites;
    cfg->honor_cipher_order = r->honor_cipher_order;
    cfg->session_tickets = r->session_tickets;
    cfg->compression = 0;
    cfg->insecure_renegotiation = 0;
    cfg->dh_bits = r->dh_bits;
    cfg->stapling.enable = r->stapling;
    cfg->conf_cmds = apr_array_make(p, 1, sizeof(ssl_conf_cmd));
    groups = &APR_ARRAY_PUSH(cfg->conf_cmds, ssl_conf_cmd);
    groups->name = "Groups";
    groups->value = r->groups;
    groups->type = SSL_CONF_TYPE_STRING;
    groups->at = apr_pstrcat(p, "SSLPolicy ", r->name, NULL);
    return cfg;
}

apr_array_header_t *ssl_policy_builtins(apr_pool_t *p)
{
    apr_array_header_t *policies = apr_array_make(p, 4, sizeof(ssl_policy));
    size_t i;

    for (i = 0; i < sizeof(recommendations) / sizeof(recommendations[0]); i++) {
        ssl_policy *policy = &APR_ARRAY_PUSH(policies, ssl_policy);

        policy->name = recommendations[i].name;
        policy->defined_at = NULL;
        policy->settings = settings_of(p, &recommendations[i]);
    }
    return policies;
}

/* --- SSLPolicy --------------------------------------------------------------- */

static const ssl_policy *find_policy(const char *name)
{
    const apr_array_header_t *policies = ssl_global()->policies;
    int i;

    for (i = 0; i < policies->nelts; i++) {
        const ssl_policy *policy = &APR_ARRAY_IDX(policies, i, ssl_policy);

        if (ap_cstr_casecmp(policy->name, name) == 0) {
            return policy;
        }
    }
    return NULL;
}

static const char *known_names(apr_pool_t *p)
{
    const apr_array_header_t *policies = ssl_global()->policies;
    const char *names = "";
    int i;

    for (i = 0; i < policies->nelts; i++) {
        names = apr_pstrcat(p, names, i ? ", '" : "'", APR_ARRAY_IDX(policies, i, ssl_policy).name, "'", NULL);
    }
    return names;
}

const char *ssl_policy_use(cmd_parms *cmd, void *dir, const char *name)
{
    const ssl_policy *policy = find_policy(name);
    ssl_server_config *cfg = ssl_config_of(cmd->server);

    (void)dir;
    if (!policy) {
        return apr_psprintf(cmd->pool, "SSLPolicy: there is no policy '%s'; so far there are %s. A policy of your own "
                            "is to be defined above the line that uses it: <SSLPolicyDefine %s>", name,
                            known_names(cmd->temp_pool), name);
    }
    cfg->policy = policy->name;
    cfg->defaults = policy->settings;
    return NULL;
}

/* --- <SSLPolicyDefine> ------------------------------------------------------- */

#define WHOLE_SERVER "it is set once for the whole server"
#define ONE_HOST "it is for one virtual host"
#define ONE_DIRECTORY "it is for directories"

/** Directives that no policy can hold, and why. */
static const struct refused {
    const char *name;
    const char *why;
} refused[] = {
    { "SSLEngine", ONE_HOST },
    { "SSLCertificateFile", ONE_HOST },
    { "SSLCertificateKeyFile", ONE_HOST },
    { "SSLCertificateChainFile", ONE_HOST },
    { "SSLCryptoDevice", WHOLE_SERVER },
    { "SSLFIPS", WHOLE_SERVER },
    { "SSLMutex", WHOLE_SERVER },
    { "SSLPassPhraseDialog", WHOLE_SERVER },
    { "SSLRandomSeed", WHOLE_SERVER },
    { "SSLSessionCache", WHOLE_SERVER },
    { "SSLStaplingCache", WHOLE_SERVER },
    { "SSLStaplingStore", WHOLE_SERVER },
    { "SSLVHostSNIPolicy", WHOLE_SERVER },
    { "SSLOptions", ONE_DIRECTORY },
    { "SSLRenegBufferSize", ONE_DIRECTORY },
    { "SSLRequire", ONE_DIRECTORY },
    { "SSLRequireSSL", ONE_DIRECTORY },
    { "SSLUserName", ONE_DIRECTORY },
};

/* Why the directive NAME cannot stand in a policy; NULL if it can. */
static const char *why_refused(const char *name)
{
    const command_rec *row;
    size_t i;

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (ap_cstr_casecmp(refused[i].name, name) == 0) {
            return refused[i].why;
        }
    }
    for (row = ssl_directives; row->name; row++) {
        if (row->name[0] != '<' && ap_cstr_casecmp(row->name, name) == 0) {
            return NULL;
        }
    }
    return "it is no directive of mod_ssl that takes one line";
}

static const char *check_content(cmd_parms *cmd, const char *policy)
{
    const ap_directive_t *line;

    for (line = cmd->directive->first_child; line; line = line->next) {
        const char *why = why_refused(line->directive);

        if (why) {
            cmd->err_directive = line;
            return apr_psprintf(cmd->pool, "%s cannot be part of the policy '%s': %s", line->directive, policy, why);
        }
    }
    return NULL;
}

/* Lets the directives inside write to CFG, as if it were the main server's record. */
static const char *fill(cmd_parms *cmd, ssl_server_config *cfg)
{
    ap_conf_vector_t *records = cmd->server->module_config;
    ssl_server_config *outside = ssl_config_of(cmd->server);
    const char *err;

    ap_set_module_config(records, &ssl_module, cfg);
    err = ap_walk_config(cmd->directive->first_child, cmd, ap_create_per_dir_config(cmd->temp_pool));
    ap_set_module_config(records, &ssl_module, outside);
    return err;
}

/* The only word of "NAME>". */
static const char *section_name(cmd_parms *cmd, const char *arg, const char **name)
{
    const char *end = ap_strrchr_c(arg, '>');

    if (!end) {
        return "<SSLPolicyDefine> lacks its closing '>'";
    }
    arg = apr_pstrmemdup(cmd->pool, arg, (apr_size_t)(end - arg));
    *name = ap_getword_conf(cmd->pool, &arg);
    return **name && !*arg ? NULL : "<SSLPolicyDefine> takes one word, the policy's name";
}

const char *ssl_policy_define(cmd_parms *cmd, void *dir, const char *arg)
{
    ssl_server_config *cfg = ssl_config_server_create(cmd->pool, cmd->server);
    const char *name = NULL, *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    const ssl_policy *other;
    ssl_policy *policy;

    (void)dir;
    err = err ? err : section_name(cmd, arg, &name);
    if (err) {
        return err;
    }
    other = find_policy(name);
    if (other) {
        return apr_psprintf(cmd->pool, "<SSLPolicyDefine %s>: there is such a policy already: it %s%s; choose another "
                            "name", name, other->defined_at ? "is defined at " : "is built in",
                            other->defined_at ? other->defined_at : "");
    }
    err = check_content(cmd, name);
    err = err ? err : fill(cmd, cfg);
    if (err) {
        return err;
    }
    policy = &APR_ARRAY_PUSH(ssl_global()->policies, ssl_policy);
    policy->name = name;
    policy->defined_at = ssl_config_place(cmd);
    policy->settings = ssl_config_with_policy(cmd->pool, cfg);
    return NULL;
}
