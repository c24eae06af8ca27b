/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_verify.c - client certificates: what they are checked against,
 * and the last word on each.
 */
#include "ssl_check.h"
#include "ssl_conn.h"
#include "ssl_ctx.h"
#include "ssl_log.h"
#include "ssl_verify.h"
#include "ssl_x509.h"

#include <unistd.h>

/* "CACertificateFile" by its full name. */
static const char *directive_of(const ssl_ctx_build *b, const char *name)
{
    return apr_pstrcat(b->p, b->outgoing ? "SSLProxy" : "SSL", name, NULL);
}

static apr_status_t fail(ssl_ctx_build *b, const char *directive, const char *path)
{
    const char *problem = ssl_path_problem(b->p, path, ap_is_directory(b->p, path));

    if (!problem && access(path, R_OK) != 0) {
        problem = apr_pstrdup(b->p, strerror(errno));
    }
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server, "%s: %s: nothing usable in '%s': %s", b->id, directive, path,
                 problem ? problem : ssl_log_reason(b->p));
    ssl_log_queue(APLOG_MARK, APLOG_EMERG, b->server);
    return APR_EGENERAL;
}

/* A server may start without the names; whom it trusts is another matter. */
static int unreadable_dn_file(ssl_ctx_build *b, const char *file)
{
    apr_file_t *opened;
    apr_status_t rv = apr_file_open(&opened, file, APR_READ, APR_OS_DEFAULT, b->p);

    if (rv == APR_SUCCESS) {
        apr_file_close(opened);
        return 0;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, rv, b->server,
                 "%s: SSLCADNRequestFile: cannot read '%s': clients are told no names from it", b->id, file);
    return 1;
}

/* PATH: the directory that had none, or NULL; what is wrong in it is logged, too. */
static apr_status_t no_cas(ssl_ctx_build *b, int own, const char *path)
{
    if (path) {
        ssl_check_hash_directory(b->server, b->id, own ? "SSLCADNRequestPath" : "SSLCACertificatePath", path,
                                 own ? SSL_DIR_NAMES : SSL_DIR_CERTS, b->p);
    }
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                 APLOGNO(01896) "%s: Unable to determine list of acceptable CA certificates for client authentication: "
                 "no certificate was found in the files of %s", b->id,
                 own ? "SSLCADNRequestFile and SSLCADNRequestPath" : "SSLCACertificateFile and SSLCACertificatePath");
    return APR_EGENERAL;
}

int ssl_verify_add(X509_STORE *store, X509_STORE *part)
{
    STACK_OF(X509_OBJECT) *objects = ssl_compat_store_objects(part);
    int i, ok = objects != NULL;

    for (i = 0; ok && i < sk_X509_OBJECT_num(objects); i++) {
        X509_OBJECT *object = sk_X509_OBJECT_value(objects, i);
        X509_CRL *crl = X509_OBJECT_get0_X509_CRL(object);

        ok = crl ? X509_STORE_add_crl(store, crl) : X509_STORE_add_cert(store, X509_OBJECT_get0_X509(object));
    }
    ssl_compat_store_objects_done(objects);
    return ok;
}

/* What is for backends may be put together anew: it is kept by file, too. */
static int load_file(ssl_ctx_build *b, const char *file, int which)
{
    X509_STORE *store = SSL_CTX_get_cert_store(b->ctx);

    if (!b->outgoing) {
        return X509_STORE_load_file(store, file);
    }
    b->part[which] = X509_STORE_new();
    return b->part[which] && X509_STORE_load_file(b->part[which], file) && ssl_verify_add(store, b->part[which]);
}

static apr_status_t load_cas(ssl_ctx_build *b)
{
    const ssl_tls_settings *tls = &b->cfg->tls;

    if (tls->ca_file && !load_file(b, tls->ca_file, 0)) {
        return fail(b, directive_of(b, "CACertificateFile"), tls->ca_file);
    }
    if (tls->ca_path && SSL_CTX_load_verify_dir(b->ctx, tls->ca_path) != 1) {
        return fail(b, directive_of(b, "CACertificatePath"), tls->ca_path);
    }
    return APR_SUCCESS;
}

/* As SSL_add_dir_cert_subjects_to_stack(), but a file that cannot be read (a link
 * that leads nowhere, say) does not hide the others: ssl_check_hash_directory() names it. */
static int add_directory(STACK_OF(X509_NAME) *names, const char *path, apr_pool_t *p)
{
    apr_finfo_t info;
    apr_dir_t *dir;

    if (apr_dir_open(&dir, path, p) != APR_SUCCESS) {
        return 0;
    }
    while (apr_dir_read(&info, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        const char *file = apr_pstrcat(p, path, "/", info.name, NULL);

        if (!ap_is_directory(p, file) && !SSL_add_file_cert_subjects_to_stack(names, file)) {
            ERR_clear_error();
        }
    }
    apr_dir_close(dir);
    return 1;
}

/* The CAs that clients are told: SSLCADNRequest..., else those that we trust. */
static apr_status_t name_cas(ssl_ctx_build *b)
{
    const ssl_server_config *cfg = b->cfg;
    int own = cfg->ca_dn_file || cfg->ca_dn_path;
    const char *file = own ? cfg->ca_dn_file : cfg->tls.ca_file;
    const char *path = own ? cfg->ca_dn_path : cfg->tls.ca_path;
    STACK_OF(X509_NAME) *names = ssl_compat_new_x509_name_stack();

    if (own && file && unreadable_dn_file(b, file)) {
        file = NULL;
    }
    if ((file && !SSL_add_file_cert_subjects_to_stack(names, file)) ||
        (path && !add_directory(names, path, b->p))) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail(b, own ? "SSLCADNRequestFile or SSLCADNRequestPath" : "SSLCACertificateFile or ...Path",
                    file ? file : path);
    }
    if (sk_X509_NAME_num(names) == 0 && (cfg->tls.ca_file || cfg->tls.ca_path)) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return no_cas(b, own, path);
    }
    if (sk_X509_NAME_num(names) == 0 && cfg->tls.verify == SSL_CVERIFY_REQUIRE) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, b->server,
                     APLOGNO(01896) "%s: SSLVerifyClient asks for certificates, but no CA is known that issues them: "
                     "set SSLCACertificateFile or SSLCACertificatePath", b->id);
    }
    SSL_CTX_set_client_CA_list(b->ctx, names);
    return APR_SUCCESS;
}

static apr_status_t load_crls(ssl_ctx_build *b)
{
    const ssl_tls_settings *tls = &b->cfg->tls;
    X509_STORE *store = SSL_CTX_get_cert_store(b->ctx);

    if (tls->crl_file && !load_file(b, tls->crl_file, 1)) {
        return fail(b, directive_of(b, "CARevocationFile"), tls->crl_file);
    }
    if (tls->crl_path && !X509_STORE_load_path(store, tls->crl_path)) {
        return fail(b, directive_of(b, "CARevocationPath"), tls->crl_path);
    }
    return APR_SUCCESS;
}

unsigned long ssl_verify_crl_flags(int crl_check)
{
    int mode = crl_check & SSL_CRLCHECK_MASK;

    return (mode == SSL_CRLCHECK_NONE ? 0 : X509_V_FLAG_CRL_CHECK) |
           (mode == SSL_CRLCHECK_CHAIN ? X509_V_FLAG_CRL_CHECK_ALL : 0);
}

static apr_status_t check_crls(ssl_ctx_build *b)
{
    const ssl_tls_settings *tls = &b->cfg->tls;
    unsigned long flags = ssl_verify_crl_flags(tls->crl_check);
    int any = tls->crl_file || tls->crl_path;

    if (!flags) {
        if (any) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, b->server,
                         APLOGNO(01899) "%s: revocation lists are configured, but %s is none: they are not used", b->id,
                         directive_of(b, "CARevocationCheck"));
        }
        return load_crls(b);
    }
    if (!any) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, b->server,
                     "%s: %s needs %s or %s", b->id, directive_of(b, "CARevocationCheck"),
                     directive_of(b, "CARevocationFile"), directive_of(b, "CARevocationPath"));
        return APR_EGENERAL;
    }
    X509_STORE_set_flags(SSL_CTX_get_cert_store(b->ctx), flags);
    return load_crls(b);
}

int ssl_verify_mode(int level)
{
    static const int modes[] = {
        [SSL_CVERIFY_NONE] = SSL_VERIFY_NONE,
        [SSL_CVERIFY_OPTIONAL_NO_CA] = SSL_VERIFY_PEER,
        [SSL_CVERIFY_OPTIONAL] = SSL_VERIFY_PEER,
        [SSL_CVERIFY_REQUIRE] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    };

    return modes[level];
}

apr_status_t ssl_verify_load(ssl_ctx_build *b)
{
    apr_status_t rv = load_cas(b);

    return rv == APR_SUCCESS ? check_crls(b) : rv;
}

apr_status_t ssl_verify_setup(ssl_ctx_build *b)
{
    apr_status_t rv;

    SSL_CTX_set_verify(b->ctx, ssl_verify_mode(b->cfg->tls.verify), ssl_verify_callback);
    rv = load_cas(b);
    if (rv == APR_SUCCESS) {
        rv = name_cas(b);
    }
    return rv == APR_SUCCESS ? check_crls(b) : rv;
}

/* --- the last word on a certificate --------------------------------------- */

/* Errors that only say that no CA of ours stands above the certificate. */
int ssl_verify_is_unknown_issuer(int error)
{
    switch (error) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return 1;
    default:
        return 0;
    }
}

static void log_refusal(ssl_conn *conn, X509_STORE_CTX *store, int error, int depth)
{
    X509 *cert = X509_STORE_CTX_get_current_cert(store);

    conn->verify_error = X509_verify_cert_error_string(error);
    conn->verify_result = error;
    ap_log_cerror(APLOG_MARK, APLOG_INFO, 0, conn->c,
                  APLOGNO(02276) "client certificate refused: %s [%s; depth %d; virtual host %s]", conn->verify_error,
                  cert ? ap_escape_logitem(conn->c->pool, ssl_x509_summary(conn->c->pool, cert)) : "no certificate",
                  depth, ssl_server_id(conn->c->pool, conn->server));
}

/* What is wrong with the certificate that STORE stands at, for CFG and what is
 * asked of CONN now: X509_V_OK if nothing is. */
static int final_error(const ssl_conn *conn, const ssl_server_config *cfg, int ok, int error, int depth)
{
    if (ok && depth > conn->verify_depth) {
        return X509_V_ERR_CERT_CHAIN_TOO_LONG;
    }
    if (!ok && error == X509_V_ERR_UNABLE_TO_GET_CRL && (cfg->tls.crl_check & SSL_CRLCHECK_NO_CRL_OK)) {
        return X509_V_OK;
    }
    return ok ? X509_V_OK : error;
}

int ssl_verify_callback(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    ssl_conn *conn = SSL_get_app_data(ssl);
    const ssl_server_config *cfg = ssl_config_of(conn->server);
    int depth = X509_STORE_CTX_get_error_depth(store);
    int error = final_error(conn, cfg, ok, X509_STORE_CTX_get_error(store), depth), generous = 0;

    if (conn->verify == SSL_CVERIFY_OPTIONAL_NO_CA && ssl_verify_is_unknown_issuer(error)) {
        conn->verify_generous = generous = 1;
    }
    /* A certificate that is let through in spite of something is come back to. */
    if ((generous || (ok && error == X509_V_OK)) && ssl_ocsp_wanted(cfg->ocsp.enable, depth)) {
        error = ssl_ocsp_check(conn, store, depth);
        generous = 0;
    }
    if (generous) {
        return 1;
    }
    if (error == X509_V_OK) {
        if (!ok) {
            X509_STORE_CTX_set_error(store, X509_V_OK);
        }
        return 1;
    }
    X509_STORE_CTX_set_error(store, error);
    log_refusal(conn, store, error, depth);
    return 0;
}
