/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_access.c - who may come in: the virtual host that SNI named
 * against the one that the Host header names, and what directories demand.
 *
 * Everything here fails closed: a demand that cannot be checked is not met.
 */
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_require.h"
#include "ssl_verify.h"
#include "ssl_x509.h"

#include "mod_auth.h"

/* --- SNI against Host --------------------------------------------------------- */

static int same_list(const apr_array_header_t *a, const apr_array_header_t *b)
{
    int i, n = a ? a->nelts : 0;

    if (n != (b ? b->nelts : 0)) {
        return 0;
    }
    for (i = 0; i < n; i++) {
        if (strcmp(APR_ARRAY_IDX(a, i, const char *), APR_ARRAY_IDX(b, i, const char *)) != 0) {
            return 0;
        }
    }
    return 1;
}

static int same_conf_cmds(const apr_array_header_t *a, const apr_array_header_t *b)
{
    int i, n = a ? a->nelts : 0;

    if (n != (b ? b->nelts : 0)) {
        return 0;
    }
    for (i = 0; i < n; i++) {
        const ssl_conf_cmd *x = &APR_ARRAY_IDX(a, i, ssl_conf_cmd), *y = &APR_ARRAY_IDX(b, i, ssl_conf_cmd);

        if (strcmp(x->name, y->name) != 0 || strcmp(x->value, y->value) != 0) {
            return 0;
        }
    }
    return 1;
}

/* The first setting about client authentication in which A and B differ, or
 * NULL.  SSLOpenSSLConfCmd can be about anything, so it counts. */
static const char *differs_in_auth(const ssl_server_config *a, const ssl_server_config *b)
{
    const struct {
        const char *name;
        int same;
    } checks[] = {
        { "SSLVerifyClient", a->tls.verify == b->tls.verify },
        { "SSLVerifyDepth", a->tls.verify_depth == b->tls.verify_depth },
        { "SSLCACertificateFile", ssl_same_text(a->tls.ca_file, b->tls.ca_file) },
        { "SSLCACertificatePath", ssl_same_text(a->tls.ca_path, b->tls.ca_path) },
        { "SSLCADNRequestFile", ssl_same_text(a->ca_dn_file, b->ca_dn_file) },
        { "SSLCADNRequestPath", ssl_same_text(a->ca_dn_path, b->ca_dn_path) },
        { "SSLCARevocationCheck", a->tls.crl_check == b->tls.crl_check },
        { "SSLCARevocationFile", ssl_same_text(a->tls.crl_file, b->tls.crl_file) },
        { "SSLCARevocationPath", ssl_same_text(a->tls.crl_path, b->tls.crl_path) },
        { "SSLOCSPEnable", a->ocsp.enable == b->ocsp.enable },
        { "SSLOCSPDefaultResponder", ssl_same_text(a->ocsp.responder, b->ocsp.responder) },
        { "SSLOCSPOverrideResponder", a->ocsp.override_responder == b->ocsp.override_responder },
        { "SSLOCSPNoVerify", a->ocsp.no_verify == b->ocsp.no_verify },
        { "SSLOCSPResponderCertificateFile", ssl_same_text(a->ocsp.responder_cert_file, b->ocsp.responder_cert_file) },
        { "SSLSRPVerifierFile", ssl_same_text(a->srp_verifier_file, b->srp_verifier_file) },
        { "SSLOpenSSLConfCmd", same_conf_cmds(a->conf_cmds, b->conf_cmds) },
    };
    size_t i;

    for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        if (!checks[i].same) {
            return checks[i].name;
        }
    }
    return NULL;
}

/* The same for the server's certificate and what protects the connection. */
static const char *differs_in_security(const ssl_server_config *a, const ssl_server_config *b)
{
    if (!same_list(a->cert_files, b->cert_files)) {
        return "SSLCertificateFile";
    }
    if (!same_list(a->key_files, b->key_files)) {
        return "SSLCertificateKeyFile";
    }
    if (a->tls.protocols != b->tls.protocols) {
        return "SSLProtocol";
    }
    return ssl_same_text(a->tls.cipher_suite, b->tls.cipher_suite) &&
           ssl_same_text(a->tls.tls13_cipher_suites, b->tls.tls13_cipher_suites) ? NULL : "SSLCipherSuite";
}

/* The setting for which SSLVHostSNIPolicy keeps a connection to CONNECTED from
 * serving requests for WANTED, or NULL. */
static const char *incompatible(server_rec *connected, server_rec *wanted)
{
    const ssl_server_config *a = ssl_config_of(connected), *b = ssl_config_of(wanted);
    const char *setting = NULL;

    if (connected == wanted || ssl_global()->sni_policy == SSL_SNI_INSECURE) {
        return NULL;
    }
    if (ssl_global()->sni_policy == SSL_SNI_STRICT) {
        return "name (SSLVHostSNIPolicy strict)";
    }
    if (a->engine != b->engine) {
        return "SSLEngine";
    }
    if (ssl_global()->sni_policy == SSL_SNI_SECURE) {
        setting = differs_in_security(a, b);
    }
    return setting ? setting : differs_in_auth(a, b);
}

static int refuse_without_sni(request_rec *r)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  APLOGNO(02033) "No hostname was provided via SNI for a name based virtual host, and "
                  "SSLStrictSNIVHostCheck is on");
    return HTTP_FORBIDDEN;
}

int ssl_access_check_vhost(ssl_conn *conn, request_rec *r)
{
    const char *setting;

    if (conn->sni && !r->hostname) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      APLOGNO(02031) "Hostname %s provided via SNI, but no hostname provided in HTTP request",
                      ap_escape_logitem(r->pool, conn->sni));
        return HTTP_BAD_REQUEST;
    }
    if (!conn->sni && ssl_sni_has_names(conn->c) &&
        (ssl_config_of(r->server)->strict_sni == 1 ||
         ssl_config_of(conn->server)->strict_sni == 1)) {
        return refuse_without_sni(r);
    }
    setting = incompatible(conn->sni_server, r->server);
    if (setting) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      APLOGNO(02032) "Hostname %s %s and hostname %s provided via HTTP have no compatible SSL setup: "
                      "%s (%s:%u) and %s (%s:%u) differ in %s",
                      conn->sni ? ap_escape_logitem(r->pool, conn->sni) : "of the first virtual host",
                      conn->sni ? "provided via SNI" : "(no SNI)",
                      r->hostname ? ap_escape_logitem(r->pool, r->hostname) : "(none)",
                      ssl_server_id(r->pool, conn->sni_server),
                      conn->sni_server->defn_name ? conn->sni_server->defn_name : "main server",
                      conn->sni_server->defn_line_number, ssl_server_id(r->pool, r->server),
                      r->server->defn_name ? r->server->defn_name : "main server", r->server->defn_line_number,
                      setting);
        return HTTP_MISDIRECTED_REQUEST;
    }
    return OK;
}

/* --- what directories demand ------------------------------------------------------ */

static int forbid(request_rec *r)
{
    apr_table_setn(r->notes, "ssl-access-forbidden", "1");
    return HTTP_FORBIDDEN;
}

/* What R's directory, or else the virtual host that its Host header chose,
 * demands: SSLVHostSNIPolicy insecure lets a connection come here that was made
 * with another virtual host. */
static ssl_demand demand_of(request_rec *r)
{
    const ssl_dir_config *dir = ssl_dir_config_of(r);
    const ssl_tls_settings *tls = &ssl_config_of(r->server)->tls;
    ssl_demand demand = {
        .verify = SSL_OR(dir->verify, tls->verify),
        .verify_depth = SSL_OR(dir->verify_depth, tls->verify_depth),
        .cipher_suite = dir->cipher_suite
    };

    return demand;
}

/* Whether R's virtual host checks client certificates as that of CONN does. */
static int same_authority(request_rec *r, ssl_conn *conn)
{
    return r->server == conn->server || !differs_in_auth(ssl_config_of(r->server), ssl_config_of(conn->server));
}

/* A handshake with the same or a stronger demand meets it.  So does a
 * certificate that was verified though it need not have been; but not by other
 * CAs, nor one further below its CA than is allowed here. */
static int meets_verify(request_rec *r, ssl_conn *conn, const ssl_demand *demand)
{
    int verified = ssl_conn_peer_verified(conn);

    if (demand->verify == SSL_CVERIFY_NONE) {
        return 1;
    }
    if (!same_authority(r, conn)) {
        return demand->verify <= ssl_config_of(conn->server)->tls.verify;
    }
    if (verified) {
        return conn->facts.peer_depth <= demand->verify_depth;
    }
    return demand->verify != SSL_CVERIFY_REQUIRE && conn->verify != SSL_CVERIFY_NONE;
}

static int meets_cipher(ssl_conn *conn, const ssl_demand *demand)
{
    return !demand->cipher_suite || ssl_same_text(demand->cipher_suite, ssl_config_of(conn->server)->tls.cipher_suite) ||
           ssl_reneg_cipher_allowed(conn, demand->cipher_suite);
}

static int refuse_demand(request_rec *r, const char *reason)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, APLOGNO(02229) "access to %s failed: %s", r->uri, reason);
    return HTTP_FORBIDDEN;
}

/* RFC 7540, 9.2.1 and RFC 8740: mod_http2 answers the note with HTTP_1_1_REQUIRED,
 * and clients come back with HTTP/1.1. */
static int refuse_stream(request_rec *r, const char *cause)
{
    apr_table_setn(r->notes, "ssl-renegotiate-forbidden", cause);
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  "%s demands another handshake (%s), which HTTP/2 forbids: the client is told to use "
                  "HTTP/1.1", r->uri, cause);
    return HTTP_FORBIDDEN;
}

/* By another handshake; then it is looked at again what holds. */
static int change_connection(request_rec *r, ssl_conn *conn, const ssl_demand *demand, int ask)
{
    int limit = SSL_OR(ssl_dir_config_of(r)->reneg_buffer_size, 131072), rv = ssl_buffer_body(r, limit);

    if (rv == OK) {
        rv = ssl_reneg_run(r, conn, demand, ask);
    }
    if (rv != OK) {
        return rv;
    }
    if (!meets_verify(r, conn, demand)) {
        return refuse_demand(r, "SSLVerifyClient demands a client certificate that this connection did not bring");
    }
    if (!meets_cipher(conn, demand)) {
        return refuse_demand(r, "SSLCipherSuite does not allow the cipher of this connection");
    }
    return DECLINED;
}

int ssl_access_check_demands(request_rec *r)
{
    ssl_conn *conn = ssl_conn_secure(r->connection);
    ssl_demand demand;
    int ask, other_cipher;

    if (!conn) {
        return DECLINED;
    }
    demand = demand_of(r);
    ask = !meets_verify(r, conn, &demand);
    other_cipher = !meets_cipher(conn, &demand);
    if (!ask && !other_cipher) {
        return DECLINED;
    }
    if (r->connection->master) {
        return refuse_stream(r, ask ? "verify-client" : "cipher-suite");
    }
    if (ask && !same_authority(r, conn)) {
        return refuse_demand(r, "SSLVerifyClient demands a client certificate, and the connection was made with a "
                             "virtual host that checks them in another way");
    }
    return change_connection(r, conn, &demand, ask);
}

/* No more of an expression is needed to find it.  It is the administrator's own
 * text, full of quotation marks: httpd's escaping of the error log is enough. */
enum { ENOUGH_OF_EXPRESSION = 500 };

static int refuse_requirement(request_rec *r, const ssl_requirement *requirement, const char *error)
{
    const char *place = apr_psprintf(r->pool, "%s:%u", requirement->info.filename, requirement->info.line_number);
    X509 *peer = ssl_conn_secure(r->connection)->facts.peer;
    const char *who = peer ? ssl_x509_name_rfc2253(r->pool, X509_get_subject_name(peer)) : "none";

    if (error) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      APLOGNO(02265) "access to %s failed, reason: SSLRequire (%s) could not be evaluated: %s (client "
                      "certificate: %s, expression: %.*s)", r->filename, place, ap_escape_logitem(r->pool, error),
                      ap_escape_logitem(r->pool, who), ENOUGH_OF_EXPRESSION, requirement->text);
    }
    else {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      APLOGNO(02229) "access to %s failed, reason: SSLRequire (%s) is not fulfilled (client "
                      "certificate: %s, expression: %.*s)", r->filename, place, ap_escape_logitem(r->pool, who),
                      ENOUGH_OF_EXPRESSION, requirement->text);
    }
    return forbid(r);
}

/* All must hold. */
static int check_requirements(request_rec *r, const apr_array_header_t *requires)
{
    for (int i = 0; requires && i < requires->nelts; i++) {
        const ssl_requirement *requirement = APR_ARRAY_IDX(requires, i, const ssl_requirement *);
        const char *error;

        if (!ssl_require_holds(r, requirement, &error)) {
            return refuse_requirement(r, requirement, error);
        }
    }
    return DECLINED;
}

/* As with the stock module SSLRequire says nothing about plain HTTP; SSLRequireSSL does. */
int ssl_access_check(request_rec *r)
{
    const ssl_dir_config *dir = ssl_dir_config_of(r);

    if (dir->require_ssl == 1 && !ssl_conn_secure(r->connection)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      APLOGNO(02219) "access to %s failed, reason: SSL connection required", r->filename);
        return forbid(r);
    }
    return ssl_conn_secure(r->connection) ? check_requirements(r, dir->requires) : DECLINED;
}

/* --- FakeBasicAuth ------------------------------------------------------------------ */

/* The password that goes with a DN, in every AuthUserFile made for FakeBasicAuth. */
#define FAKE_PASSWORD "password"

/* Whether R brings what only FakeBasicAuth may make: a DN and that password. */
static int is_forged(request_rec *r)
{
    const char *line = apr_table_get(r->headers_in, "Authorization");
    const char *user, *colon;

    if (!line || ap_cstr_casecmp(ap_getword_white(r->pool, &line), "Basic") != 0) {
        return 0;
    }
    while (apr_isspace(*line)) {
        line++;
    }
    user = ap_pbase64decode(r->pool, line);
    colon = strchr(user, ':');
    return *user == '/' && colon && strcmp(colon + 1, FAKE_PASSWORD) == 0;
}

/* Subrequests and redirects share or copy the header that was made for R's first request. */
static int is_our_own(const request_rec *r)
{
    for (; r; r = r->main ? r->main : r->prev) {
        if (apr_table_get(r->notes, "ssl-fake-basic-auth")) {
            return 1;
        }
    }
    return 0;
}

/* Forgery is looked for without the option, too: the AuthUserFile may also serve
 * a directory or a virtual host that lacks it, plain ones among them. */
int ssl_access_fake_basic(request_rec *r)
{
    ssl_conn *conn = ssl_conn_secure(r->connection);
    int wanted = ssl_dir_options(r) & SSL_OPT_FAKE_BASIC_AUTH;
    const char *dn, *login;

    if ((!wanted && r->user) || is_our_own(r)) {
        return DECLINED;
    }
    if (is_forged(r)) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      APLOGNO(02035) "FakeBasicAuth: the client itself sent a DN as its user name: refused");
        return HTTP_FORBIDDEN;
    }
    if (!wanted || !ap_is_initial_req(r)) {
        return DECLINED;
    }
    if (!conn || !ssl_conn_peer_verified(conn)) {
        return DECLINED;
    }
    dn = ssl_x509_name_legacy(r->pool, X509_get_subject_name(conn->facts.peer));
    login = ap_pbase64encode(r->pool, apr_pstrcat(r->pool, dn, ":" FAKE_PASSWORD, NULL));
    apr_table_setn(r->headers_in, "Authorization", apr_pstrcat(r->pool, "Basic ", login, NULL));
    apr_table_setn(r->notes, "ssl-fake-basic-auth", "1");
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, APLOGNO(02036) "FakeBasicAuth: \"%s\" is the user name",
                  ap_escape_logitem(r->pool, dn));
    return DECLINED;
}

/* SSLOptions StrictRequire: what SSLRequireSSL or SSLRequire denied stays denied,
 * though Satisfy Any let a password in. */
int ssl_access_check_strict(request_rec *r)
{
    if (!(ssl_dir_options(r) & SSL_OPT_STRICT_REQUIRE) || !apr_table_get(r->notes, "ssl-access-forbidden")) {
        return DECLINED;
    }
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  "access to %s failed: SSLOptions StrictRequire upholds what SSLRequireSSL or SSLRequire denied",
                  r->filename);
    return HTTP_FORBIDDEN;
}

/* --- Require ... ------------------------------------------------------------------------ */

static authz_status require_ssl(request_rec *r, const char *line, const void *parsed)
{
    (void)line;
    (void)parsed;
    return ssl_conn_secure(r->connection) ? AUTHZ_GRANTED : AUTHZ_DENIED;
}

static authz_status require_verify(request_rec *r, const char *line, const void *parsed)
{
    ssl_conn *conn = ssl_conn_secure(r->connection);

    (void)line;
    (void)parsed;
    return conn && ssl_conn_peer_verified(conn) ? AUTHZ_GRANTED : AUTHZ_DENIED;
}

static const char *no_arguments(cmd_parms *cmd, const char *line, const void **parsed)
{
    (void)parsed;
    return line && *line ? apr_psprintf(cmd->pool, "'Require %s' takes no arguments", cmd->cmd->name) : NULL;
}

static const authz_provider ssl_provider = { require_ssl, no_arguments };
static const authz_provider verify_provider = { require_verify, no_arguments };

void ssl_access_register(apr_pool_t *p)
{
    ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP, "ssl", AUTHZ_PROVIDER_VERSION, &ssl_provider,
                              AP_AUTH_INTERNAL_PER_CONF);
    ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP, "ssl-verify-client", AUTHZ_PROVIDER_VERSION, &verify_provider,
                              AP_AUTH_INTERNAL_PER_CONF);
}
