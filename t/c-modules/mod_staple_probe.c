/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_staple_probe.c - another module that brings OCSP answers, as mod_md does, by either pair of hooks:
 *
 *   StapleProbe core|openssl FILE   answers by the hooks of http_ssl.h, or by those with OpenSSL's types, with
 *                                   the bytes of FILE as they are when asked for; while it is missing, with none
 *
 * Each call of a hook is a line of the error log: "staple_probe: prime HOST cert=N issuer=N" and "get HOST".
 */
#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_ssl.h"
#include "apr_optional_hooks.h"
#include "apr_strings.h"

#include <openssl/ssl.h>

/* The installed header of these hooks is not everywhere: Debian leaves mod_ssl_openssl.h out. */
#define SSL_DECLARE(type) type
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, init_stapling_status, (server_rec *s, apr_pool_t *p, X509 *cert, X509 *issuer))
APR_DECLARE_EXTERNAL_HOOK(ssl, SSL, int, get_stapling_status,
                          (unsigned char **pder, int *pderlen, conn_rec *c, server_rec *s, X509 *cert))

module AP_MODULE_DECLARE_DATA staple_probe_module;
APLOG_USE_MODULE(staple_probe);

typedef struct probe {
    const char *way, *file;
} probe;

static void *create_server(apr_pool_t *p, server_rec *s)
{
    return apr_pcalloc(p, sizeof(probe));
}

static const char *set_probe(cmd_parms *cmd, void *unused, const char *way, const char *file)
{
    probe *record = ap_get_module_config(cmd->server->module_config, &staple_probe_module);

    record->way = way;
    record->file = file;
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_TAKE2("StapleProbe", set_probe, NULL, RSRC_CONF, "core|openssl and a file"),
    { NULL }
};

static const char *file_of(server_rec *s, const char *way)
{
    probe *record = ap_get_module_config(s->module_config, &staple_probe_module);

    return record->way && !strcmp(record->way, way) ? record->file : NULL;
}

static apr_size_t count(const char *text, const char *part)
{
    apr_size_t n = 0;

    for (; (text = strstr(text, part)) != NULL; text++) {
        n++;
    }
    return n;
}

static int prime(server_rec *s, apr_pool_t *p, const char *id, apr_size_t id_len, const char *pem)
{
    if (!file_of(s, "core")) {
        return DECLINED;
    }
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "staple_probe: prime %s id=%d certificates=%d", s->server_hostname,
                 (int)id_len, (int)count(pem, "BEGIN CERTIFICATE"));
    return OK;
}

static apr_size_t read_answer(const char *path, unsigned char *buffer, apr_size_t size)
{
    FILE *file = fopen(path, "rb");
    apr_size_t len = file ? fread(buffer, 1, size, file) : 0;

    if (file) {
        fclose(file);
    }
    return len;
}

static int get_resp(server_rec *s, conn_rec *c, const char *id, apr_size_t id_len, ap_ssl_ocsp_copy_resp *cb,
                    void *userdata)
{
    const char *path = file_of(s, "core");
    unsigned char buffer[8192];
    apr_size_t len;

    if (!path) {
        return DECLINED;
    }
    ap_log_cerror(APLOG_MARK, APLOG_NOTICE, 0, c, "staple_probe: get %s id=%d", s->server_hostname, (int)id_len);
    len = read_answer(path, buffer, sizeof(buffer));
    cb(len ? buffer : NULL, len, userdata);
    return OK;
}

static int init_stapling_status(server_rec *s, apr_pool_t *p, X509 *cert, X509 *issuer)
{
    if (!file_of(s, "openssl")) {
        return DECLINED;
    }
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, "staple_probe: init %s cert=%d issuer=%d", s->server_hostname,
                 cert != NULL, issuer != NULL);
    return OK;
}

static int get_stapling_status(unsigned char **pder, int *pderlen, conn_rec *c, server_rec *s, X509 *cert)
{
    const char *path = file_of(s, "openssl");
    unsigned char buffer[8192];
    apr_size_t len;

    if (!path) {
        return DECLINED;
    }
    ap_log_cerror(APLOG_MARK, APLOG_NOTICE, 0, c, "staple_probe: status %s", s->server_hostname);
    len = read_answer(path, buffer, sizeof(buffer));
    *pder = len ? OPENSSL_memdup(buffer, len) : NULL;
    *pderlen = (int)len;
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    ap_hook_ssl_ocsp_prime_hook(prime, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_ssl_ocsp_get_resp_hook(get_resp, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ssl, init_stapling_status, init_stapling_status, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ssl, get_stapling_status, get_stapling_status, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA staple_probe_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, create_server, NULL, commands, register_hooks
};
