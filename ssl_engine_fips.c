/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_fips.c - SSLFIPS: OpenSSL's FIPS provider, for the whole process.
 *
 * The provider is no use as a file alone: the result of its self-test, which
 * `openssl fipsinstall` writes, has to be in OpenSSL's configuration.  Which of
 * the two is missing OpenSSL's own errors do not say.
 */
#include "ssl_config.h"
#include "ssl_fips.h"
#include "ssl_log.h"

#include <openssl/conf.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include <unistd.h>

#define STATE "mod_ssl:fips" /* of the process: there while the mode is of our making */

static int have_provider(const char *name)
{
    return OSSL_PROVIDER_available(NULL, name) || OSSL_PROVIDER_load(NULL, name);
}

static const char *module_path(apr_pool_t *p)
{
    const char *elsewhere = getenv("OPENSSL_MODULES");

    return apr_pstrcat(p, elsewhere ? elsewhere : OPENSSL_info(OPENSSL_INFO_MODULES_DIR), "/fips",
                       OPENSSL_info(OPENSSL_INFO_DSO_EXTENSION), NULL);
}

/* What there is to do, in words. */
static const char *advice(apr_pool_t *p)
{
    const char *module = module_path(p), *directory = X509_get_default_cert_area();
    char *config = CONF_get1_default_config_file();
    const char *setup =
        apr_psprintf(p, "run 'openssl fipsinstall -module %s -out %s/fipsmodule.cnf', include that file in OpenSSL's "
                     "configuration file (%s) and name the section fips_sect among its providers", module, directory,
                     config ? config : "openssl.cnf");

    OPENSSL_free(config);
    return access(module, R_OK) == 0
               ? apr_psprintf(p, "'%s' is there, but not set up or not fit for this machine: %s", module, setup)
               : apr_psprintf(p, "there is no '%s': install it (Debian 13 and later: package openssl-provider-fips), "
                              "then %s", module, setup);
}

/* APR copies the name; the value may not be an address of ours, for httpd unloads this module. */
static void remember(server_rec *s, int on)
{
    apr_pool_t *process = s->process->pool;

    apr_pool_userdata_set(on ? process : NULL, STATE, apr_pool_cleanup_null, process);
}

static int is_ours(server_rec *s)
{
    void *on = NULL;

    apr_pool_userdata_get(&on, STATE, s->process->pool);
    return on != NULL;
}

static apr_status_t enable(server_rec *s, apr_pool_t *ptemp)
{
    /* A provider that is loaded by name takes the place of the default one, which also reads PEM files; so does `base`. */
    if (!have_provider("fips") || !have_provider("base") || !EVP_default_properties_enable_fips(NULL, 1)) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s,
                     APLOGNO(01885) "SSLFIPS on: OpenSSL's FIPS provider cannot be used: %s", advice(ptemp));
        ssl_log_queue(APLOG_MARK, APLOG_EMERG, s);
        return APR_EGENERAL;
    }
    remember(s, 1);
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, APLOGNO(01884) "Operating in SSL FIPS mode");
    return APR_SUCCESS;
}

/* Providers stay loaded.  Had they not been named in OpenSSL's configuration file, there would be no default one. */
static apr_status_t disable(server_rec *s)
{
    if (!have_provider("default") || !EVP_default_properties_enable_fips(NULL, 0)) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "SSLFIPS: FIPS mode cannot be left without a full stop and start");
        ssl_log_queue(APLOG_MARK, APLOG_EMERG, s);
        return APR_EGENERAL;
    }
    remember(s, 0);
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, APLOGNO(01886) "SSL FIPS mode disabled");
    return APR_SUCCESS;
}

apr_status_t ssl_fips_set(server_rec *s, apr_pool_t *ptemp)
{
    int enabled = EVP_default_properties_is_fips_enabled(NULL), wanted = ssl_global()->fips == 1;

    ERR_clear_error();
    if (wanted && !enabled) {
        return enable(s, ptemp);
    }
    return !wanted && enabled && is_ours(s) ? disable(s) : APR_SUCCESS;
}
