/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_cmds.c - directives: they check their arguments and store them,
 * nothing else.  Most need no function of their own: a row of the table at the
 * end names the field, and a generic setter fills it.
 */

#include "ssl_confcmd.h"
#include "ssl_config.h"
#include "ssl_renamed.h"
#include "ssl_require.h"
#include "ssl_scache.h"
#include "ssl_ticket.h"
#include "ssl_stapling.h"
#include "util_mutex.h"

/** Which record a directive writes to. */
typedef enum { RECORD_SERVER, RECORD_PROXY, RECORD_DIR } record_kind;

typedef struct word_value {
    const char *word;
    int value;
} word_value;

/** What a row of the directive table tells its setter. */
typedef struct target {
    record_kind record;
    apr_size_t offset;
    int min, max;            /* of an int; max 0: as large as it may be */
    const word_value *words; /* arguments of an enumeration, or NULL */
    const word_value *flags; /* words that may follow it, or-ed to it */
} target;

/* In a <Proxy> section, its own; else the server's. */
static ssl_proxy_config *proxy_record(cmd_parms *cmd, void *dir)
{
    ssl_proxy_config **at = cmd->path ? &ssl_config_dir_at(cmd, dir)->proxy : &ssl_config_of(cmd->server)->proxy;
    ssl_proxy_config *proxy = ssl_config_proxy_at(at, cmd->pool);

    if (!proxy->defined_at) {
        proxy->defined_at = ssl_config_place(cmd);
    }
    return proxy;
}

static void *field_of(cmd_parms *cmd, void *dir)
{
    const target *t = cmd->info;
    char *record;

    switch (t->record) {
    case RECORD_DIR:
        record = (char *)ssl_config_dir_at(cmd, dir);
        break;
    case RECORD_PROXY:
        record = (char *)proxy_record(cmd, dir);
        break;
    default:
        record = (char *)ssl_config_of(cmd->server);
        break;
    }
    return record + t->offset;
}

static const char *invalid(cmd_parms *cmd, const char *arg, const char *wanted)
{
    return apr_psprintf(cmd->pool, "%s: '%s' is not a valid argument; %s", cmd->cmd->name, arg, wanted);
}

static const char *list_words(apr_pool_t *p, const word_value *w)
{
    const char *text = "";

    for (; w->word; w++) {
        text = apr_pstrcat(p, text, *text ? ", " : "", "'", w->word, "'", NULL);
    }
    return text;
}

static const word_value *find_word(const word_value *w, const char *arg)
{
    for (; w && w->word; w++) {
        if (ap_cstr_casecmp(w->word, arg) == 0) {
            return w;
        }
    }
    return NULL;
}

/* --- generic setters ----------------------------------------------------- */

static const char *set_flag(cmd_parms *cmd, void *dir, int on)
{
    *(int *)field_of(cmd, dir) = on;
    return NULL;
}

/* Leading digits count, as they always have: "60s" is 60, "x" is 0.  Not where
 * there is a bound: those directives are ours alone. */
static const char *bounded_int(cmd_parms *cmd, const char *arg, int min, int max, int *field)
{
    char *end;
    long number = strtol(arg, &end, 10);

    if (number < min || number > max || (max != INT_MAX && (end == arg || *end))) {
        return invalid(cmd, arg, apr_psprintf(cmd->pool, "it is a number from %d to %d", min, max));
    }
    *field = (int)number;
    return NULL;
}

static const char *set_int(cmd_parms *cmd, void *dir, const char *arg)
{
    const target *t = cmd->info;

    return bounded_int(cmd, arg, t->min, t->max ? t->max : INT_MAX, field_of(cmd, dir));
}

static const char *set_string(cmd_parms *cmd, void *dir, const char *arg)
{
    *(const char **)field_of(cmd, dir) = arg;
    return NULL;
}

/* Checked at once; responders' URLs are looked at when they are used. */
static const char *set_url(cmd_parms *cmd, void *dir, const char *arg)
{
    apr_uri_t uri;

    if (apr_uri_parse(cmd->temp_pool, arg, &uri) != APR_SUCCESS) {
        return invalid(cmd, arg, "it is a URL: http://host:port/");
    }
    return set_string(cmd, dir, arg);
}

/* ARG beneath ServerRoot: ARG itself, which lives as long, if it is absolute.  NULL: it cannot be. */
static const char *absolute(cmd_parms *cmd, const char *arg)
{
    const char *path;
    apr_pool_t *scratch;

    apr_pool_create(&scratch, cmd->temp_pool);
    path = ap_server_root_relative(scratch, arg);
    if (path) {
        path = strcmp(path, arg) == 0 ? arg : apr_pstrdup(cmd->pool, path);
    }
    apr_pool_destroy(scratch);
    return path;
}

static const char *checked_path(cmd_parms *cmd, const char *arg, int directory, const char **path)
{
    const char *problem;

    *path = absolute(cmd, arg);
    if (!*path) {
        return invalid(cmd, arg, "it cannot be made a path");
    }
    if (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_DUMP) {
        return NULL; /* httpd -S is for everybody, whatever may be read */
    }
    problem = ssl_path_problem(cmd->pool, *path, directory);
    return problem ? apr_psprintf(cmd->pool, "%s: cannot use '%s': %s", cmd->cmd->name, *path, problem) : NULL;
}

static const char *set_file(cmd_parms *cmd, void *dir, const char *arg)
{
    const char *path, *err = checked_path(cmd, arg, 0, &path);

    return err ? err : set_string(cmd, dir, path);
}

static const char *set_file_or_uri(cmd_parms *cmd, void *dir, const char *arg)
{
    return ssl_is_key_uri(arg) ? set_string(cmd, dir, arg) : set_file(cmd, dir, arg);
}

static const char *set_path(cmd_parms *cmd, void *dir, const char *arg)
{
    const char *path, *err = checked_path(cmd, arg, 1, &path);

    return err ? err : set_string(cmd, dir, path);
}

static const char *set_words(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    const target *t = cmd->info;
    const word_value *found = argc > 0 ? find_word(t->words, argv[0]) : NULL;
    int value, i;

    if (!found) {
        return invalid(cmd, argc > 0 ? argv[0] : "",
                       apr_psprintf(cmd->pool, "it is one of %s", list_words(cmd->pool, t->words)));
    }
    value = found->value;
    for (i = 1; i < argc; i++) {
        found = find_word(t->flags, argv[i]);
        if (!found) {
            return invalid(cmd, argv[i], t->flags ? apr_psprintf(cmd->pool, "the flags are %s", list_words(cmd->pool, t->flags))
                                                  : "there are no flags");
        }
        value |= found->value;
    }
    *(int *)field_of(cmd, dir) = value;
    return NULL;
}

static const char *set_word(cmd_parms *cmd, void *dir, const char *arg)
{
    char *argv[] = { (char *)arg };

    return set_words(cmd, dir, 1, argv);
}

/* SSLCertificateFile and SSLCertificateKeyFile: a path or a token's URI. */
static const char *add_key_or_cert(cmd_parms *cmd, void *dir, const char *arg)
{
    apr_array_header_t **files = field_of(cmd, dir);
    ssl_server_config *cfg = ssl_config_of(cmd->server);

    if (!ssl_is_key_uri(arg)) {
        const char *err = checked_path(cmd, arg, 0, &arg);
        if (err) {
            return err;
        }
    }
    if (!*files) {
        *files = apr_array_make(cmd->pool, 1, sizeof(const char *));
    }
    if (files == &cfg->cert_files && !cfg->certs_at) {
        cfg->certs_at = cmd->directive;
    }
    APR_ARRAY_PUSH(*files, const char *) = arg;
    return NULL;
}

static const char *add_file(cmd_parms *cmd, void *dir, const char *arg)
{
    apr_array_header_t **files = field_of(cmd, dir);
    const char *path, *err = checked_path(cmd, arg, 0, &path);

    if (err) {
        return err;
    }
    if (!*files) {
        *files = apr_array_make(cmd->pool, 1, sizeof(const char *));
    }
    APR_ARRAY_PUSH(*files, const char *) = path;
    return NULL;
}

/* --- setters of their own ------------------------------------------------ */

static const char *set_engine(cmd_parms *cmd, void *dir, const char *arg)
{
    ssl_server_config *cfg = ssl_config_of(cmd->server);

    (void)dir;
    if (ap_cstr_casecmp(arg, "optional") == 0) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, cmd->server,
                     APLOGNO(10510) "%s: SSLEngine optional: the TLS upgrade of RFC 2817 was removed because it let "
                     "requests be smuggled (CVE-2025-49812); the engine stays off here", ssl_config_place(cmd));
        return NULL;
    }
    if (ap_cstr_casecmp(arg, "on") != 0 && ap_cstr_casecmp(arg, "off") != 0) {
        return "SSLEngine: Argument must be On or Off";
    }
    cfg->engine = ap_cstr_casecmp(arg, "on") == 0;
    cfg->defined_at = cmd->directive;
    return NULL;
}

static const word_value protocol_words[] = {
    { "SSLv3", SSL_PROTO_SSLV3 },     { "TLSv1", SSL_PROTO_TLSV1 },     { "TLSv1.1", SSL_PROTO_TLSV1_1 },
    { "TLSv1.2", SSL_PROTO_TLSV1_2 }, { "TLSv1.3", SSL_PROTO_TLSV1_3 }, { "all", SSL_PROTO_ALL },
    { NULL, 0 }
};

/* One word of SSLProtocol: what it stands for, or why it cannot be had. */
static const char *protocol_word(cmd_parms *cmd, const char *word, char sign, int *bits)
{
    const word_value *found = find_word(protocol_words, word);

    *bits = 0;
    if (ap_cstr_casecmp(word, "SSLv2") == 0) {
        return sign == '-' ? NULL : apr_pstrcat(cmd->pool, cmd->cmd->name, ": SSLv2 is no longer supported", NULL);
    }
    if (!found) {
        return apr_psprintf(cmd->pool, "%s: Illegal protocol '%s'; there are %s", cmd->cmd->name, word,
                            list_words(cmd->pool, protocol_words));
    }
    if (found->value == SSL_PROTO_SSLV3 && !SSL_HAVE_SSLV3 && sign != '-') {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, ": SSLv3 not supported by this version of OpenSSL", NULL);
    }
    *bits = found->value;
    return NULL;
}

/* httpd leaves out an only argument that is empty: "" says no more than nothing at all would, and is a mistake. */
static const char *empty_argument(cmd_parms *cmd, int argc)
{
    return argc == 0 && *cmd->directive->args ? invalid(cmd, "", "it is empty") : NULL;
}

static const char *set_protocol(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    int protocols = 0, bits, i;
    const char *empty = empty_argument(cmd, argc);

    if (empty) {
        return empty;
    }
    for (i = 0; i < argc; i++) {
        char sign = argv[i][0] == '+' || argv[i][0] == '-' ? argv[i][0] : '\0';
        const char *err = protocol_word(cmd, argv[i] + (sign != '\0'), sign, &bits);

        if (err) {
            return err;
        }
        if (sign == '-') {
            protocols &= ~bits;
        }
        else if (sign == '+') {
            protocols |= bits;
        }
        else {
            if (protocols) {
                ap_log_error(APLOG_MARK, APLOG_WARNING, 0, cmd->server,
                             APLOGNO(02532) "%s: %s: '%s' without a + or - replaces the protocols named before it",
                             ssl_config_place(cmd), cmd->cmd->name, argv[i]);
            }
            protocols = bits;
        }
    }
    *(int *)field_of(cmd, dir) = protocols;
    return NULL;
}

/* Which list "[protocol] cipher-spec" sets: *TLS13, or the one up to TLS 1.2.
 * Suites without encryption or authentication are never used, whatever the
 * list says (manual, SSLCipherSuite). */
static const char *cipher_spec(cmd_parms *cmd, const char **spec, const char *arg1, const char *arg2, int *tls13)
{
    *tls13 = 0;
    if (arg2 && ap_cstr_casecmp(arg1, "TLSv1.3") == 0) {
        *tls13 = 1;
        *spec = arg2;
        return NULL;
    }
    if (arg2 && ap_cstr_casecmp(arg1, "SSL") != 0) {
        return apr_psprintf(cmd->pool, "%s: protocol '%s' not supported; it is 'SSL' (up to TLS 1.2) or 'TLSv1.3'",
                            cmd->cmd->name, arg1);
    }
    *spec = apr_pstrcat(cmd->pool, arg2 ? arg2 : arg1, SSL_NEVER_CIPHERS, NULL);
    return NULL;
}

static const char *set_cipher_suite(cmd_parms *cmd, void *dirv, const char *arg1, const char *arg2)
{
    ssl_server_config *cfg = ssl_config_of(cmd->server);
    const char *spec, *err;
    int tls13;

    err = cipher_spec(cmd, &spec, arg1, arg2, &tls13);
    if (err) {
        return err;
    }
    if (cmd->path) {
        if (tls13) {
            return "SSLCipherSuite: TLSv1.3 ciphers cannot be set inside a directory context: "
                   "TLS 1.3 has no renegotiation";
        }
        ssl_config_dir_at(cmd, dirv)->cipher_suite = spec;
        return NULL;
    }
    *(tls13 ? &cfg->tls.tls13_cipher_suites : &cfg->tls.cipher_suite) = spec;
    return NULL;
}

static const char *set_proxy_cipher_suite(cmd_parms *cmd, void *dir, const char *arg1, const char *arg2)
{
    ssl_tls_settings *tls = field_of(cmd, dir);
    const char *spec, *err;
    int tls13;

    err = cipher_spec(cmd, &spec, arg1, arg2, &tls13);
    if (!err) {
        *(tls13 ? &tls->tls13_cipher_suites : &tls->cipher_suite) = spec;
    }
    return err;
}

/* Kept as one list, separated by commas. */
static const char *set_alpn(cmd_parms *cmd, void *dir, int argc, char *const argv[])
{
    const char *list = "";
    int i;

    for (i = 0; i < argc; i++) {
        if (!*argv[i] || strlen(argv[i]) > 255 || strchr(argv[i], ',')) {
            return invalid(cmd, argv[i], "the name of a protocol has 1 to 255 characters (RFC 7301) and no comma");
        }
        list = apr_pstrcat(cmd->pool, list, *list ? "," : "", argv[i], NULL);
    }
    return argc ? set_string(cmd, dir, list) : invalid(cmd, "", "it is one or more protocols ('http/1.1'), or 'off'");
}

static const char *set_sni(cmd_parms *cmd, void *dir, const char *arg)
{
    apr_size_t legal = strspn(arg, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");
    int is_address = arg[strspn(arg, "0123456789.")] == '\0';

    if (!*arg || arg[legal] || is_address || legal > 255) {
        return invalid(cmd, arg, "it is 'on', 'off' or the name of a host, which an address is not (RFC 6066, 3)");
    }
    return set_string(cmd, dir, arg);
}

static const word_value verify_words[] = {
    { "none", SSL_CVERIFY_NONE },         { "optional", SSL_CVERIFY_OPTIONAL },
    { "require", SSL_CVERIFY_REQUIRE },   { "optional_no_ca", SSL_CVERIFY_OPTIONAL_NO_CA },
    { "off", SSL_CVERIFY_NONE },          { "on", SSL_CVERIFY_REQUIRE },
    { NULL, 0 }
};

static const char *set_verify_client(cmd_parms *cmd, void *dirv, const char *arg)
{
    const word_value *found = find_word(verify_words, arg);

    if (!found) {
        return invalid(cmd, arg, "it is one of 'none', 'optional', 'require', 'optional_no_ca'");
    }
    if (cmd->path) {
        ssl_config_dir_at(cmd, dirv)->verify = found->value;
    }
    else {
        ssl_config_of(cmd->server)->tls.verify = found->value;
    }
    return NULL;
}

static const char *set_verify_depth(cmd_parms *cmd, void *dirv, const char *arg)
{
    return bounded_int(cmd, arg, 0, INT_MAX, cmd->path ? &ssl_config_dir_at(cmd, dirv)->verify_depth
                                                       : &ssl_config_of(cmd->server)->tls.verify_depth);
}

static const char *no_directory(cmd_parms *cmd)
{
    return cmd->path ? apr_psprintf(cmd->pool, "%s: Your SSL library does not have support for per-directory CA; "
                                    "set it for the virtual host", cmd->cmd->name) : NULL;
}

static const char *set_ca_file(cmd_parms *cmd, void *dir, const char *arg)
{
    const char *err = no_directory(cmd);

    return err ? err : set_file(cmd, dir, arg);
}

static const char *set_ca_path(cmd_parms *cmd, void *dir, const char *arg)
{
    const char *err = no_directory(cmd);

    return err ? err : set_path(cmd, dir, arg);
}

static const word_value option_words[] = {
    { "StdEnvVars", SSL_OPT_STD_ENV_VARS },         { "ExportCertData", SSL_OPT_EXPORT_CERT_DATA },
    { "FakeBasicAuth", SSL_OPT_FAKE_BASIC_AUTH },   { "StrictRequire", SSL_OPT_STRICT_REQUIRE },
    { "OptRenegotiate", SSL_OPT_OPT_RENEGOTIATE },  { "LegacyDNStringFormat", SSL_OPT_LEGACY_DN_FORMAT },
    { NULL, 0 }
};

static const char *set_options(cmd_parms *cmd, void *dirv, int argc, char *const argv[])
{
    ssl_dir_config *dir = ssl_config_dir_at(cmd, dirv);
    const char *empty = empty_argument(cmd, argc);
    int i;

    if (empty) {
        return empty;
    }
    for (i = 0; i < argc; i++) {
        char sign = argv[i][0] == '+' || argv[i][0] == '-' ? argv[i][0] : '\0';
        const word_value *option = find_word(option_words, argv[i] + (sign != '\0'));

        if (!option) {
            return apr_psprintf(cmd->pool, "SSLOptions: Illegal option '%s'; there are %s", argv[i],
                                list_words(cmd->pool, option_words));
        }
        if (sign == '-') {
            dir->options_del |= option->value;
            dir->options_add &= ~option->value;
        }
        else if (sign == '+') {
            dir->options_add |= option->value;
            dir->options_del &= ~option->value;
        }
        else {
            dir->options_set = SSL_OR(dir->options_set, 0) | option->value;
            dir->options_del &= ~option->value;
        }
    }
    return NULL;
}

static const char *set_require_ssl(cmd_parms *cmd, void *dir)
{
    ssl_config_dir_at(cmd, dir)->require_ssl = 1;
    return NULL;
}

static const char *add_require(cmd_parms *cmd, void *dirv, const char *arg)
{
    ssl_dir_config *dir = ssl_config_dir_at(cmd, dirv);
    const ssl_requirement *requirement;
    const char *err = ssl_require_parse(cmd, arg, &requirement);

    if (err) {
        return apr_pstrcat(cmd->pool, "SSLRequire: ", err, NULL);
    }
    if (!dir->requires) {
        dir->requires = apr_array_make(cmd->pool, 1, sizeof(const ssl_requirement *));
    }
    APR_ARRAY_PUSH(dir->requires, const ssl_requirement *) = requirement;
    return NULL;
}

static const char *add_conf_cmd(cmd_parms *cmd, void *dir, const char *name, const char *value)
{
    apr_array_header_t **cmds = field_of(cmd, dir);
    ssl_conf_cmd added = { name, value, ssl_confcmd_type(name), ssl_config_place(cmd) };
    const char *err = NULL;

    if (added.type == SSL_CONF_TYPE_UNKNOWN) {
        return apr_psprintf(cmd->pool, "SSLOpenSSLConfCmd: '%s': invalid OpenSSL configuration command; "
                            "see SSL_CONF_cmd(3) for those there are", name);
    }
    if (added.type == SSL_CONF_TYPE_FILE || added.type == SSL_CONF_TYPE_DIR) {
        err = checked_path(cmd, value, added.type == SSL_CONF_TYPE_DIR, &added.value);
    }
    if (ssl_confcmd_sets_ciphers(name)) {
        added.value = apr_pstrcat(cmd->pool, value, SSL_NEVER_CIPHERS, NULL);
    }
    if (!err) {
        *cmds = *cmds ? *cmds : apr_array_make(cmd->pool, 2, sizeof(ssl_conf_cmd));
        APR_ARRAY_PUSH(*cmds, ssl_conf_cmd) = added;
    }
    return err;
}

static const char *set_sni_policy(cmd_parms *cmd, void *dir, const char *arg)
{
    static const word_value words[] = { { "strict", SSL_SNI_STRICT },     { "secure", SSL_SNI_SECURE },
                                        { "authonly", SSL_SNI_AUTHONLY }, { "insecure", SSL_SNI_INSECURE },
                                        { NULL, 0 } };
    const word_value *found = find_word(words, arg);
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    if (err) {
        return err;
    }
    if (!found) {
        return invalid(cmd, arg, apr_psprintf(cmd->pool, "it is one of %s", list_words(cmd->pool, words)));
    }
    ssl_global()->sni_policy = found->value;
    return NULL;
}

static const char *set_compression(cmd_parms *cmd, void *dir, int on)
{
    if (on && !ssl_compat_can_compress()) {
        return "SSLCompression: This version of OpenSSL does not have any compression methods available, "
               "cannot enable SSLCompression.";
    }
    return set_flag(cmd, dir, on);
}

static const char *set_fips(cmd_parms *cmd, void *dir, int on)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    if (!err && ssl_global()->fips != SSL_UNSET && ssl_global()->fips != on) {
        err = "SSLFIPS: it cannot be both on and off; it holds for the whole server";
    }
    ssl_global()->fips = on;
    return err;
}

/* It must be there; whether it is a program matters only once a key wants a phrase. */
static const char *set_phrase_program(cmd_parms *cmd, const char *arg)
{
    const char *path = ap_server_root_relative(cmd->pool, arg);
    apr_finfo_t info;

    if (!path || apr_stat(&info, path, APR_FINFO_TYPE, cmd->temp_pool) != APR_SUCCESS) {
        return apr_psprintf(cmd->pool, "SSLPassPhraseDialog: '%s' does not exist", path ? path : arg);
    }
    ssl_global()->pass_phrase_dialog = apr_pstrcat(cmd->pool, "exec:", path, NULL);
    return NULL;
}

static const char *set_pass_phrase_dialog(cmd_parms *cmd, void *dir, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    if (err) {
        return err;
    }
    if (strncmp(arg, "exec:", 5) == 0 && arg[5]) {
        return set_phrase_program(cmd, arg + 5);
    }
    if (ap_cstr_casecmp(arg, "builtin") != 0 && !(arg[0] == '|' && arg[1])) {
        return invalid(cmd, arg, "it is 'builtin', '|/path/to/program [args]' or 'exec:/path/to/program'");
    }
    ssl_global()->pass_phrase_dialog = arg;
    return NULL;
}

static const char *set_crypto_device(cmd_parms *cmd, void *dir, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    if (err) {
        return err;
    }
    if (ap_cstr_casecmp(arg, "builtin") != 0) {
        if (!*arg || (SSL_HAVE_ENGINE && !ssl_compat_engine_exists(arg))) {
            return invalid(cmd, arg, "OpenSSL has no such engine; 'builtin' means none, and keys in tokens are "
                           "better named by a pkcs11: URI through a provider");
        }
        ssl_global()->crypto_device = arg;
    }
    return NULL;
}

/* The source of SSLRandomSeed.  Its path must be there, now; a prefix without a
 * path is one itself, as it always has been. */
static const char *random_source(cmd_parms *cmd, ssl_random_source *source, const char *arg)
{
    static const word_value prefixes[] = {
        { "file:", SSL_RANDOM_FILE }, { "exec:", SSL_RANDOM_EXEC }, { "egd:", SSL_RANDOM_EGD }, { NULL, 0 }
    };
    const word_value *w = prefixes;

    if (ap_cstr_casecmp(arg, "builtin") == 0) {
        source->kind = SSL_RANDOM_BUILTIN;
        return NULL;
    }
    while (w->word && (strncmp(arg, w->word, strlen(w->word)) != 0 || !arg[strlen(w->word)])) {
        w++;
    }
    source->kind = w->word ? w->value : SSL_RANDOM_FILE;
    source->path = ap_server_root_relative(cmd->pool, w->word ? arg + strlen(w->word) : arg);
    if (!source->path || apr_stat(&(apr_finfo_t){ 0 }, source->path, APR_FINFO_TYPE, cmd->temp_pool) != APR_SUCCESS) {
        return apr_psprintf(cmd->pool, "SSLRandomSeed: source path '%s' does not exist",
                            source->path ? source->path : arg);
    }
    return NULL;
}

static const char *add_random_seed(cmd_parms *cmd, void *dir, const char *when, const char *from, const char *bytes)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    ssl_random_source source = { 0 };
    long number;

    (void)dir;
    if (err) {
        return err;
    }
    if (ap_cstr_casecmp(when, "startup") != 0 && ap_cstr_casecmp(when, "connect") != 0) {
        return apr_psprintf(cmd->pool, "SSLRandomSeed: invalid context '%s'; it is 'startup' or 'connect'", when);
    }
    source.at_connect = ap_cstr_casecmp(when, "connect") == 0;
    err = random_source(cmd, &source, from);
    if (!err && bytes && source.kind == SSL_RANDOM_BUILTIN) {
        err = "SSLRandomSeed: byte specification not allowed for builtin seed source";
    }
    number = bytes ? strtol(bytes, NULL, 10) : 0;
    if (!err && number < 0) {
        err = "SSLRandomSeed: the number of bytes cannot be negative";
    }
    source.bytes = number > INT_MAX ? INT_MAX : (int)number;
    source.at = ssl_config_place(cmd);
    if (!err) {
        APR_ARRAY_PUSH(ssl_global()->random_sources, ssl_random_source) = source;
    }
    return err;
}

static const char *set_session_cache(cmd_parms *cmd, void *dir, const char *arg)
{
    ssl_global_config *global = ssl_global();
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    if (err) {
        return err;
    }
    global->session_cache_name = arg;
    global->session_cache = NULL;
    global->session_id_without_cache = ap_cstr_casecmp(arg, "nonenotnull") == 0;
    if (global->session_id_without_cache || ap_cstr_casecmp(arg, "none") == 0) {
        return NULL;
    }
    return ssl_scache_open(cmd, arg, &global->session_cache, &global->session_cache_instance);
}

static const char *set_stapling_cache(cmd_parms *cmd, void *dir, const char *arg)
{
    ssl_global_config *global = ssl_global();
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dir;
    return err ? err : ssl_scache_open(cmd, arg, &global->stapling_cache, &global->stapling_cache_instance);
}

/* The directory is made at start if it is not there. */
static const char *set_stapling_store(cmd_parms *cmd, void *dir, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    char *path = err ? NULL : ap_server_root_relative(cmd->pool, arg);

    (void)dir;
    if (!err && !path) {
        return invalid(cmd, arg, "it cannot be made a path");
    }
    ssl_global()->stapling_store = path;
    return err;
}

/* Of httpd 2.2; the Mutex directive has taken its place. */
static const char *set_mutex(cmd_parms *cmd, void *dir, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    int i;

    (void)dir;
    if (!err && ap_cstr_casecmp(arg, "none") == 0) {
        return NULL; /* the default stays: caches that need a mutex are damaged without one, and shmcb has its own */
    }
    for (i = 0; !err && i < 2; i++) {
        const char *line = apr_pstrcat(cmd->pool, arg, i ? " ssl-stapling" : " ssl-cache", NULL);
        err = ap_set_mutex(cmd, NULL, line);
    }
    return err ? apr_psprintf(cmd->pool, "SSLMutex (the old form of 'Mutex %s ssl-cache'): %s", arg, err) : NULL;
}

static const char *renamed(cmd_parms *cmd, void *dir, const char *arg)
{
    const char *instead = cmd->info;

    (void)dir;
    (void)arg;
    return apr_pstrcat(cmd->pool, cmd->cmd->name, " directive is no longer supported - ",
                       instead ? apr_pstrcat(cmd->pool, "use ", instead, ".", NULL)
                               : "remove it; nothing takes its place.", NULL);
}

/* --- the directive table -------------------------------------------------- */

static const word_value crl_words[] = {
    { "none", SSL_CRLCHECK_NONE }, { "leaf", SSL_CRLCHECK_LEAF }, { "chain", SSL_CRLCHECK_CHAIN }, { NULL, 0 }
};
static const word_value crl_flags[] = { { "no_crl_for_cert_ok", SSL_CRLCHECK_NO_CRL_OK }, { NULL, 0 } };
static const word_value ocsp_words[] = {
    { "off", SSL_OCSP_OFF }, { "leaf", SSL_OCSP_LEAF }, { "on", SSL_OCSP_CHAIN }, { NULL, 0 }
};
static const word_value ocsp_flags[] = { { "no_ocsp_for_cert_ok", SSL_OCSP_NO_URL_OK }, { NULL, 0 } };

static const word_value must_staple_words[] = {
    { "warn", SSL_MUST_STAPLE_WARN }, { "refuse", SSL_MUST_STAPLE_REFUSE }, { NULL, 0 }
};

#define TO(kind, type, member, ...) \
    (void *)&(const target) { .record = kind, .offset = offsetof(type, member), __VA_ARGS__ }
#define SERVER(member, ...) TO(RECORD_SERVER, ssl_server_config, member, __VA_ARGS__)
#define DIR(member, ...) TO(RECORD_DIR, ssl_dir_config, member, __VA_ARGS__)
#define PROXY(member) TO(RECORD_PROXY, ssl_proxy_config, member)
#define PROXY_WORDS(member, w, f) TO(RECORD_PROXY, ssl_proxy_config, member, .words = w, .flags = f)
#define HOST RSRC_CONF
#define PROXY_CTX (RSRC_CONF | PROXY_CONF)
#define ANYWHERE (OR_AUTHCFG | RSRC_CONF)
#define RENAMED(name, to) AP_INIT_RAW_ARGS(name, renamed, (void *)to, OR_ALL, "no longer supported: use " to)
#define REMOVED(name) AP_INIT_RAW_ARGS(name, renamed, NULL, OR_ALL, "no longer supported")

const command_rec ssl_directives[] = {
    /* the whole server */
    AP_INIT_TAKE1("SSLPassPhraseDialog", set_pass_phrase_dialog, NULL, HOST,
                  "where pass phrases of encrypted keys come from: builtin, |program or exec:program"),
    AP_INIT_TAKE1("SSLSessionCache", set_session_cache, NULL, HOST,
                  "where sessions are kept: none, nonenotnull, shmcb:path(size), dbm:path or another socache provider"),
    AP_INIT_TAKE1("SSLSessionTicketKeyRotation", ssl_ticket_set_rotation, NULL, HOST,
                  "time from one key of session tickets to the next: seconds, 30min, 12h (the default), or off"),
    AP_INIT_TAKE2("SSLSessionTicketKeySharing", ssl_ticket_set_sharing, NULL, HOST,
                  "where servers exchange keys of session tickets (a socache provider), and a file with the key that seals those"),
    AP_INIT_TAKE1("SSLCryptoDevice", set_crypto_device, NULL, HOST, "OpenSSL engine to use, or builtin"),
    AP_INIT_TAKE23("SSLRandomSeed", add_random_seed, NULL, HOST,
                   "startup|connect, a source (builtin, file:path, exec:path, egd:path) and a number of bytes"),
    AP_INIT_TAKE1("SSLVHostSNIPolicy", set_sni_policy, NULL, HOST,
                  "how alike two virtual hosts must be for one connection: strict, secure, authonly, insecure"),
    AP_INIT_FLAG("SSLFIPS", set_fips, NULL, HOST, "use FIPS 140 approved cryptography only (on, off)"),
    AP_INIT_TAKE1("SSLStaplingCache", set_stapling_cache, NULL, HOST, "where OCSP responses are kept"),
    AP_INIT_TAKE1("SSLStaplingStore", set_stapling_store, NULL, HOST, "directory where OCSP responses outlive restarts"),
    AP_INIT_RAW_ARGS("<SSLPolicyDefine", ssl_policy_define, NULL, HOST, "a name, and the directives that it stands for"),
    AP_INIT_TAKE1("SSLMutex", set_mutex, NULL, HOST, "old form of: Mutex type ssl-cache"),

    /* a virtual host */
    AP_INIT_TAKE1("SSLEngine", set_engine, NULL, HOST, "speak TLS on this virtual host (on, off)"),
    AP_INIT_TAKE1("SSLPolicy", ssl_policy_use, NULL, HOST,
                  "defaults: modern, intermediate, old (Mozilla's recommendations), or one of your own"),
    AP_INIT_TAKE12("SSLCipherSuite", set_cipher_suite, NULL, ANYWHERE,
                   "allowed cipher suites: [SSL|TLSv1.3] and a colon-separated list"),
    AP_INIT_TAKE1("SSLCertificateFile", add_key_or_cert, SERVER(cert_files), HOST,
                  "certificate, PEM or DER file or pkcs11: URI; once for each kind of key"),
    AP_INIT_TAKE1("SSLCertificateKeyFile", add_key_or_cert, SERVER(key_files), HOST,
                  "private key, PEM or DER file or pkcs11: URI; one for each SSLCertificateFile"),
    AP_INIT_TAKE1("SSLCertificateChainFile", set_file, SERVER(chain_file), HOST,
                  "certificates of the CAs between the server's and the root (PEM file)"),
    AP_INIT_TAKE1("SSLSessionTicketKeyFile", add_file, SERVER(ticket_key_files), HOST,
                  "key of session tickets (file of 48 or 80 random bytes); of several the first seals, all open"),
    AP_INIT_FLAG("SSLDynamicRecordSize", set_flag, SERVER(dynamic_record_size), HOST,
                 "begin a connection with records that fit a packet (on, off)"),
    AP_INIT_FLAG("SSLClientHelloVars", set_flag, SERVER(client_hello_vars), HOST,
                 "keep what a ClientHello says for SSL_CLIENTHELLO_*, SSL_JA3 and SSL_JA4 (on, off)"),
    AP_INIT_FLAG("SSLKTLS", set_flag, SERVER(ktls), HOST, "let the kernel make the records, where it can (on, off)"),
    AP_INIT_TAKE1("SSLNumTickets", set_int, SERVER(num_tickets, .max = 16), HOST,
                  "session tickets that a full handshake of TLS 1.3 sends (0 to 16; default 1)"),
    AP_INIT_TAKE1("SSLCACertificatePath", set_ca_path, SERVER(tls.ca_path), ANYWHERE,
                  "CAs of client certificates (directory with hash links)"),
    AP_INIT_TAKE1("SSLCACertificateFile", set_ca_file, SERVER(tls.ca_file), ANYWHERE,
                  "CAs of client certificates (PEM file)"),
    AP_INIT_TAKE1("SSLCADNRequestPath", set_path, SERVER(ca_dn_path), HOST,
                  "CAs whose names clients are told (directory with hash links)"),
    AP_INIT_TAKE1("SSLCADNRequestFile", set_file, SERVER(ca_dn_file), HOST,
                  "CAs whose names clients are told (PEM file)"),
    AP_INIT_TAKE1("SSLCARevocationPath", set_path, SERVER(tls.crl_path), HOST,
                  "certificate revocation lists (directory with hash links)"),
    AP_INIT_TAKE1("SSLCARevocationFile", set_file, SERVER(tls.crl_file), HOST,
                  "certificate revocation lists (PEM file)"),
    AP_INIT_TAKE_ARGV("SSLCARevocationCheck", set_words, SERVER(tls.crl_check, .words = crl_words, .flags = crl_flags),
                      HOST, "none, leaf or chain, and flags"),
    AP_INIT_TAKE1("SSLVerifyClient", set_verify_client, NULL, ANYWHERE,
                  "client certificates: none, optional, require, optional_no_ca"),
    AP_INIT_TAKE1("SSLVerifyDepth", set_verify_depth, NULL, ANYWHERE,
                  "how many CA certificates may stand above a client's"),
    AP_INIT_TAKE1("SSLSessionCacheTimeout", set_int, SERVER(session_timeout), HOST, "life of a session in seconds"),
    AP_INIT_TAKE_ARGV("SSLProtocol", set_protocol, SERVER(tls.protocols), HOST,
                      "[+|-]protocol ...: SSLv3, TLSv1, TLSv1.1, TLSv1.2, TLSv1.3, all"),
    AP_INIT_FLAG("SSLHonorCipherOrder", set_flag, SERVER(honor_cipher_order), HOST,
                 "the server's order of cipher suites counts (on, off)"),
    AP_INIT_FLAG("SSLCompression", set_compression, SERVER(compression), HOST, "TLS compression (on, off)"),
    AP_INIT_FLAG("SSLSessionTickets", set_flag, SERVER(session_tickets), HOST, "session tickets (on, off)"),
    AP_INIT_FLAG("SSLInsecureRenegotiation", set_flag, SERVER(insecure_renegotiation), HOST,
                 "renegotiate with clients that lack RFC 5746 (on, off)"),
    AP_INIT_FLAG("SSLStrictSNIVHostCheck", set_flag, SERVER(strict_sni), HOST,
                 "no name-based virtual host for clients without SNI (on, off)"),
    AP_INIT_TAKE1("SSLSRPVerifierFile", set_file, SERVER(srp_verifier_file), HOST, "SRP verifier file"),
    AP_INIT_TAKE1("SSLSRPUnknownUserSeed", set_string, SERVER(srp_unknown_user_seed), HOST,
                  "secret that makes unknown SRP users look like known ones"),
    AP_INIT_TAKE2("SSLOpenSSLConfCmd", add_conf_cmd, SERVER(conf_cmds), HOST,
                  "a command of SSL_CONF_cmd(3) and its value"),

    /* outgoing connections */
    AP_INIT_FLAG("SSLProxyEngine", set_flag, PROXY(engine), PROXY_CTX, "speak TLS to backends (on, off)"),
    AP_INIT_TAKE_ARGV("SSLProxyProtocol", set_protocol, PROXY(tls.protocols), PROXY_CTX,
                      "as SSLProtocol, for backends"),
    AP_INIT_TAKE12("SSLProxyCipherSuite", set_proxy_cipher_suite, PROXY(tls), PROXY_CTX,
                   "as SSLCipherSuite, for backends"),
    AP_INIT_TAKE1("SSLProxyVerify", set_word, PROXY_WORDS(tls.verify, verify_words, NULL), PROXY_CTX,
                  "backends' certificates: none, optional, require, optional_no_ca"),
    AP_INIT_TAKE1("SSLProxyVerifyDepth", set_int, PROXY(tls.verify_depth), PROXY_CTX,
                  "how many CA certificates may stand above a backend's"),
    AP_INIT_TAKE1("SSLProxyCACertificateFile", set_file, PROXY(tls.ca_file), PROXY_CTX, "CAs of backends (PEM file)"),
    AP_INIT_TAKE1("SSLProxyCACertificatePath", set_path, PROXY(tls.ca_path), PROXY_CTX,
                  "CAs of backends (directory with hash links)"),
    AP_INIT_TAKE1("SSLProxyCARevocationPath", set_path, PROXY(tls.crl_path), PROXY_CTX,
                  "revocation lists for backends (directory with hash links)"),
    AP_INIT_TAKE1("SSLProxyCARevocationFile", set_file, PROXY(tls.crl_file), PROXY_CTX,
                  "revocation lists for backends (PEM file)"),
    AP_INIT_TAKE_ARGV("SSLProxyCARevocationCheck", set_words, PROXY_WORDS(tls.crl_check, crl_words, crl_flags),
                      PROXY_CTX, "none, leaf or chain, and flags"),
    AP_INIT_TAKE1("SSLProxyMachineCertificateFile", set_file_or_uri, PROXY(cert_file), PROXY_CTX,
                  "our client certificates and keys (PEM file or pkcs11: URI)"),
    AP_INIT_TAKE1("SSLProxyMachineCertificatePath", set_path, PROXY(cert_path), PROXY_CTX,
                  "our client certificates and keys (directory of PEM files)"),
    AP_INIT_TAKE1("SSLProxyMachineCertificateChainFile", set_file, PROXY(chain_file), PROXY_CTX,
                  "CAs above our client certificates (PEM file)"),
    AP_INIT_TAKE_ARGV("SSLProxyOCSPEnable", set_words, PROXY_WORDS(ocsp, ocsp_words, ocsp_flags), PROXY_CTX,
                      "ask OCSP responders about backends: on, leaf or off, and flags"),
    AP_INIT_FLAG("SSLProxyCheckPeerExpire", set_flag, PROXY(check_peer_expire), PROXY_CTX,
                 "refuse a backend's expired certificate (on, off)"),
    AP_INIT_FLAG("SSLProxyCheckPeerCN", set_flag, PROXY(check_peer_cn), PROXY_CTX,
                 "compare a backend's common name (on, off)"),
    AP_INIT_FLAG("SSLProxyCheckPeerName", set_flag, PROXY(check_peer_name), PROXY_CTX,
                 "compare a backend's names (on, off)"),
    AP_INIT_FLAG("SSLProxySessionCache", set_flag, PROXY(session_cache), PROXY_CTX,
                 "resume sessions of backends (on, off)"),
    AP_INIT_FLAG("SSLProxyRequireCloseNotify", set_flag, PROXY(require_close_notify), PROXY_CTX,
                 "a response that ends with the connection is whole only with close_notify (on, off)"),
    AP_INIT_TAKE_ARGV("SSLProxyALPN", set_alpn, PROXY(alpn), PROXY_CTX, "protocols offered to backends, or off"),
    AP_INIT_TAKE1("SSLProxySNI", set_sni, PROXY(sni), PROXY_CTX,
                  "the name that backends are told: on (the request's), off, or a name"),

    /* directories */
    AP_INIT_TAKE_ARGV("SSLOptions", set_options, NULL, OR_OPTIONS | RSRC_CONF, "[+|-]option ..."),
    AP_INIT_NO_ARGS("SSLRequireSSL", set_require_ssl, NULL, OR_AUTHCFG, "deny access without TLS"),
    AP_INIT_RAW_ARGS("SSLRequire", add_require, NULL, OR_AUTHCFG, "deny access unless the expression is true"),
    AP_INIT_TAKE1("SSLRenegBufferSize", set_int, DIR(reneg_buffer_size), OR_AUTHCFG,
                  "bytes of a request body that are kept during renegotiation"),
    AP_INIT_TAKE1("SSLUserName", set_string, DIR(user_name), ANYWHERE, "variable that holds the user's name"),

    /* OCSP questions about client certificates */
    AP_INIT_TAKE_ARGV("SSLOCSPEnable", set_words,
                      SERVER(ocsp.enable, .words = ocsp_words, .flags = ocsp_flags), HOST,
                      "ask OCSP responders about client certificates: on, leaf, off, and flags"),
    AP_INIT_TAKE1("SSLOCSPDefaultResponder", set_string, SERVER(ocsp.responder), HOST,
                  "URL of a responder for certificates that name none"),
    AP_INIT_FLAG("SSLOCSPOverrideResponder", set_flag, SERVER(ocsp.override_responder), HOST,
                 "always ask the default responder (on, off)"),
    AP_INIT_TAKE1("SSLOCSPResponseTimeSkew", set_int, SERVER(ocsp.time_skew), HOST,
                  "seconds by which clocks may differ"),
    AP_INIT_TAKE1("SSLOCSPResponseMaxAge", set_int, SERVER(ocsp.max_age, .min = -1), HOST,
                  "seconds after which a response is too old"),
    AP_INIT_TAKE1("SSLOCSPResponderTimeout", set_int, SERVER(ocsp.timeout), HOST,
                  "seconds to wait for a responder"),
    AP_INIT_FLAG("SSLOCSPUseRequestNonce", set_flag, SERVER(ocsp.use_nonce), HOST,
                 "put a nonce into questions (on, off)"),
    AP_INIT_TAKE1("SSLOCSPProxyURL", set_url, SERVER(ocsp.proxy_url), HOST,
                  "HTTP proxy on the way to responders"),
    AP_INIT_FLAG("SSLOCSPNoVerify", set_flag, SERVER(ocsp.no_verify), HOST,
                 "do not verify the responder's certificate (on, off)"),
    AP_INIT_TAKE1("SSLOCSPResponderCertificateFile", set_file, SERVER(ocsp.responder_cert_file), HOST,
                  "trusted certificates of responders (PEM file)"),

    /* OCSP stapling */
    AP_INIT_FLAG("SSLUseStapling", set_flag, SERVER(stapling.enable), HOST, "staple OCSP responses (on, off)"),
    AP_INIT_TAKE1("SSLStaplingResponseTimeSkew", set_int, SERVER(stapling.time_skew), HOST,
                  "seconds by which clocks may differ"),
    AP_INIT_TAKE1("SSLStaplingResponderTimeout", set_int, SERVER(stapling.timeout), HOST,
                  "seconds to wait for a responder"),
    AP_INIT_TAKE1("SSLStaplingResponseMaxAge", set_int, SERVER(stapling.max_age, .min = -1), HOST,
                  "seconds after which a response is too old"),
    AP_INIT_TAKE1("SSLStaplingStandardCacheTimeout", set_int, SERVER(stapling.cache_timeout), HOST,
                  "seconds that a good response is kept"),
    AP_INIT_TAKE1("SSLStaplingErrorCacheTimeout", set_int, SERVER(stapling.error_timeout), HOST,
                  "seconds that a bad response is kept"),
    AP_INIT_FLAG("SSLStaplingReturnResponderErrors", set_flag, SERVER(stapling.return_errors), HOST,
                 "pass responders' errors on to clients (on, off)"),
    AP_INIT_FLAG("SSLStaplingFakeTryLater", set_flag, SERVER(stapling.fake_try_later), HOST,
                 "answer tryLater when a responder fails (on, off)"),
    AP_INIT_TAKE1("SSLStaplingForceURL", set_string, SERVER(stapling.force_url), HOST,
                  "URL of the responder, whatever the certificate names"),
    AP_INIT_TAKE1("SSLStaplingProxyURL", set_url, SERVER(stapling.proxy_url), HOST,
                  "HTTP proxy by which OCSP responders are asked for answers to staple"),
    AP_INIT_TAKE1("SSLStaplingMustStaple", set_word, SERVER(stapling.must_staple, .words = must_staple_words), HOST,
                  "what a certificate that demands stapling means while there is no answer: warn, refuse"),

    SSL_RENAMED_DIRECTIVES,
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL }
};
