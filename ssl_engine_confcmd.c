/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_confcmd.c - SSLOpenSSLConfCmd.
 */
#include "ssl_confcmd.h"
#include "ssl_log.h"

#define FILE_COMMANDS (SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_SERVER | SSL_CONF_FLAG_CERTIFICATE)

/** Commands that need more than being passed to OpenSSL. */
typedef enum { PLAIN_COMMAND, SETS_GROUPS, SETS_CIPHERS, SETS_DH } command_kind;

static command_kind kind_of(const char *name)
{
    static const struct {
        const char *name;
        command_kind kind;
    } special[] = {
        { "Groups", SETS_GROUPS },        { "Curves", SETS_GROUPS },   { "ECDHParameters", SETS_GROUPS },
        { "CipherString", SETS_CIPHERS }, { "DHParameters", SETS_DH },
    };
    size_t i;

    for (i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        if (ap_cstr_casecmp(special[i].name, name) == 0) {
            return special[i].kind;
        }
    }
    return PLAIN_COMMAND;
}

int ssl_confcmd_type(const char *name)
{
    SSL_CONF_CTX *conf = SSL_CONF_CTX_new();
    int type;

    SSL_CONF_CTX_set_flags(conf, FILE_COMMANDS | SSL_CONF_FLAG_CLIENT);
    type = SSL_CONF_cmd_value_type(conf, name);
    SSL_CONF_CTX_free(conf);
    return type;
}

int ssl_confcmd_sets_ciphers(const char *name)
{
    return kind_of(name) == SETS_CIPHERS;
}

/* --- groups ------------------------------------------------------------------ */

static void keep_groups(ssl_ctx_build *b, const char *list)
{
    ssl_ctx_extras *extras = ssl_ctx_extras_make(b->ctx);

    free(extras->groups);
    extras->groups = ap_malloc(strlen(list) + 1);
    strcpy(extras->groups, list);
}

int ssl_confcmd_set_groups(ssl_ctx_build *b, const char *list)
{
    SSL *probe = SSL_new(b->ctx);
    int ok = probe && SSL_set1_groups_list(probe, list) == 1;

    SSL_free(probe);
    if (ok) {
        keep_groups(b, list);
    }
    return ok;
}

/* "ECDHParameters Automatic" leaves what was set before. */
static int is_automatic(const ssl_conf_cmd *cmd)
{
    return ap_cstr_casecmp(cmd->name, "ECDHParameters") == 0 &&
           ap_cstr_casecmp(cmd->value[0] == '+' ? cmd->value + 1 : cmd->value, "Automatic") == 0;
}

/* Tried on a connection, kept for all. */
static int run_groups_cmd(ssl_ctx_build *b, const ssl_conf_cmd *cmd)
{
    SSL_CONF_CTX *conf = SSL_CONF_CTX_new();
    SSL *probe = SSL_new(b->ctx);
    int rv;

    SSL_CONF_CTX_set_flags(conf, FILE_COMMANDS | SSL_CONF_FLAG_SHOW_ERRORS);
    SSL_CONF_CTX_set_ssl(conf, probe);
    rv = probe ? SSL_CONF_cmd(conf, cmd->name, cmd->value) : 0;
    if (rv > 0 && !is_automatic(cmd)) {
        keep_groups(b, cmd->value);
    }
    SSL_CONF_CTX_free(conf);
    SSL_free(probe);
    return rv;
}

int ssl_confcmd_use_groups(SSL *ssl, const ssl_host *host)
{
    return !host->extras || !host->extras->groups || SSL_set1_groups_list(ssl, host->extras->groups) == 1;
}

/* --- the commands of a host ---------------------------------------------------- */

/* The terminal is for SSLPassPhraseDialog to ask at. */
static int refuse_pass_phrase(char *buffer, int size, int for_writing, void *asked)
{
    (void)buffer;
    (void)size;
    (void)for_writing;
    *(int *)asked = 1;
    return -1;
}

static const char *what_is_wrong(int rv, int asked)
{
    if (asked) {
        return "the key is encrypted; SSLCertificateKeyFile is what can ask for its pass phrase";
    }
    return rv == -2   ? "OpenSSL does not know this command for a server"
           : rv == -3 ? "it needs a value"
                      : "OpenSSL does not accept this value";
}

static int run_cmd(ssl_ctx_build *b, SSL_CONF_CTX *conf, const ssl_conf_cmd *cmd)
{
    command_kind kind = kind_of(cmd->name);
    int asked = 0, rv;

    SSL_CTX_set_default_passwd_cb(b->ctx, refuse_pass_phrase);
    SSL_CTX_set_default_passwd_cb_userdata(b->ctx, &asked);
    rv = kind == SETS_GROUPS ? run_groups_cmd(b, cmd) : SSL_CONF_cmd(conf, cmd->name, cmd->value);
    SSL_CTX_set_default_passwd_cb(b->ctx, NULL);
    SSL_CTX_set_default_passwd_cb_userdata(b->ctx, NULL);
    if (rv > 0) {
        if (kind == SETS_DH) {
            SSL_CTX_set_dh_auto(b->ctx, 0); /* or OpenSSL would go on choosing them itself */
        }
        return 1;
    }
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                 APLOGNO(02407) "%s: \"SSLOpenSSLConfCmd %s %s\" (%s) failed: %s", b->id, cmd->name, cmd->value,
                 cmd->at, what_is_wrong(rv, asked));
    ssl_log_queue(APLOG_MARK, APLOG_EMERG, b->server);
    return 0;
}

static int finish(ssl_ctx_build *b, SSL_CONF_CTX *conf)
{
    if (SSL_CONF_CTX_finish(conf)) {
        return 1;
    }
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                 APLOGNO(02547) "%s: SSLOpenSSLConfCmd: the commands together do not make a valid configuration",
                 b->id);
    ssl_log_queue(APLOG_MARK, APLOG_EMERG, b->server);
    return 0;
}

apr_status_t ssl_confcmd_run(ssl_ctx_build *b)
{
    apr_array_header_t *cmds = b->cfg->conf_cmds;
    SSL_CONF_CTX *conf;
    int i, ok = 1;

    if (!cmds) {
        return APR_SUCCESS;
    }
    conf = SSL_CONF_CTX_new();
    SSL_CONF_CTX_set_flags(conf, FILE_COMMANDS | SSL_CONF_FLAG_SHOW_ERRORS);
    SSL_CONF_CTX_set_ssl_ctx(conf, b->ctx);
    for (i = 0; ok && i < cmds->nelts; i++) {
        ok = run_cmd(b, conf, &APR_ARRAY_IDX(cmds, i, ssl_conf_cmd));
    }
    ok = ok && finish(b, conf);
    SSL_CONF_CTX_free(conf);
    return ok ? APR_SUCCESS : APR_EGENERAL;
}
