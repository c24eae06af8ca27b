/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_config.h - what the administrator wrote.
 *
 * Records are filled by the setters of ssl_engine_cmds.c while configuration
 * is read, merged by httpd, completed with defaults in post_config, and only
 * read after that.  Every plain field has a row in the field tables of
 * ssl_engine_config.c, which create, merge and complete the records: a new
 * field is a member here and a row there.
 */
#ifndef SSL_CONFIG_H
#define SSL_CONFIG_H

#include <limits.h>

#include "ap_socache.h"
#include "ssl_private.h"

/** An int that no directive has set. */
#define SSL_UNSET INT_MIN

/** A directory record's int, or its default: directory records are merged per
 * request, so that post_config can't complete them. */
#define SSL_OR(value, preset) ((value) == SSL_UNSET ? (preset) : (value))

/** SSLProtocol: a mask. */
enum {
    SSL_PROTO_SSLV3 = 1 << 0,
    SSL_PROTO_TLSV1 = 1 << 1,
    SSL_PROTO_TLSV1_1 = 1 << 2,
    SSL_PROTO_TLSV1_2 = 1 << 3,
    SSL_PROTO_TLSV1_3 = 1 << 4,
    SSL_PROTO_DEFAULT = SSL_PROTO_TLSV1 | SSL_PROTO_TLSV1_1 | SSL_PROTO_TLSV1_2 | SSL_PROTO_TLSV1_3,
    SSL_PROTO_ALL = SSL_PROTO_DEFAULT | (SSL_HAVE_SSLV3 ? SSL_PROTO_SSLV3 : 0)
};

/** SSLVerifyClient, SSLProxyVerify: from the weakest demand to the strongest. */
typedef enum {
    SSL_CVERIFY_NONE,
    SSL_CVERIFY_OPTIONAL_NO_CA,
    SSL_CVERIFY_OPTIONAL,
    SSL_CVERIFY_REQUIRE
} ssl_verify_level;

/** SSLCARevocationCheck and its flag. */
enum { SSL_CRLCHECK_NONE, SSL_CRLCHECK_LEAF, SSL_CRLCHECK_CHAIN, SSL_CRLCHECK_MASK = 3, SSL_CRLCHECK_NO_CRL_OK = 4 };

/** SSLOCSPEnable and its flag. */
enum { SSL_OCSP_OFF, SSL_OCSP_LEAF, SSL_OCSP_CHAIN, SSL_OCSP_MASK = 3, SSL_OCSP_NO_URL_OK = 4 };

/** SSLVHostSNIPolicy, from the strictest. */
typedef enum { SSL_SNI_STRICT, SSL_SNI_SECURE, SSL_SNI_AUTHONLY, SSL_SNI_INSECURE } ssl_sni_policy;

/** SSLOptions: a mask. */
enum {
    SSL_OPT_STD_ENV_VARS = 1 << 0,
    SSL_OPT_EXPORT_CERT_DATA = 1 << 1,
    SSL_OPT_FAKE_BASIC_AUTH = 1 << 2,
    SSL_OPT_STRICT_REQUIRE = 1 << 3,
    SSL_OPT_OPT_RENEGOTIATE = 1 << 4,
    SSL_OPT_LEGACY_DN_FORMAT = 1 << 5
};

/** What both ends of TLS are configured with. */
typedef struct ssl_tls_settings {
    int protocols;                   /**< mask of SSL_PROTO_ */
    const char *cipher_suite;        /**< TLS <= 1.2, SSL_CTX_set_cipher_list(3) */
    const char *tls13_cipher_suites; /**< SSL_CTX_set_ciphersuites(3) */
    const char *ca_file, *ca_path;   /**< whose certificates are trusted */
    const char *crl_file, *crl_path;
    int crl_check;    /**< SSL_CRLCHECK_ */
    int verify;       /**< ssl_verify_level */
    int verify_depth; /**< number of CA certificates above the peer's */
} ssl_tls_settings;

/** SSLProxy...: this end as a client; of a virtual host, or of a <Proxy> section. */
typedef struct ssl_proxy_config {
    int engine;
    ssl_tls_settings tls;
    const char *cert_file, *cert_path, *chain_file; /**< SSLProxyMachineCertificate... */
    int ocsp; /**< SSLProxyOCSPEnable: SSL_OCSP_ */
    int check_peer_expire;
    int check_peer_cn, check_peer_name; /**< may stay SSL_UNSET: see ssl_peer_name_rule() */
    int session_cache;                  /**< SSLProxySessionCache */
    int require_close_notify;           /**< SSLProxyRequireCloseNotify */
    const char *alpn;                   /**< SSLProxyALPN: names, separated by commas, or "off"; for h2 mod_proxy's count */
    const char *sni;                    /**< SSLProxySNI, "off" for none; NULL or "on": the name of the request */

    const char *defined_at; /**< "file:line" of the first SSLProxy... here; NULL: there is none */
    /** What post_config made of this record, of the innermost that has one when records are merged; NULL: nothing.
     * See ssl_proxy.h. */
    const struct ssl_outgoing *made;
} ssl_proxy_config;

/** SSLOCSP...: OCSP questions about client certificates. */
typedef struct ssl_ocsp_config {
    int enable; /**< SSL_OCSP_ */
    const char *responder, *proxy_url, *responder_cert_file;
    int override_responder, no_verify, use_nonce;
    int time_skew, max_age, timeout; /**< seconds */
    STACK_OF(X509) *responders; /**< post_config: those of responder_cert_file; NULL: none */
} ssl_ocsp_config;

/** SSLUseStapling. What a built-in policy says takes no effect where there is no
 * SSLStaplingCache, without which SSLUseStapling on is a mistake. */
enum { SSL_STAPLING_OFF, SSL_STAPLING_ON, SSL_STAPLING_IF_CACHE };

/** SSLUseStapling and SSLStapling... */
typedef struct ssl_stapling_config {
    int enable;
    const char *force_url, *proxy_url;
    int time_skew, max_age, timeout;    /**< seconds */
    int cache_timeout, error_timeout;   /**< seconds; cache_timeout -1: not configured */
    int return_errors, fake_try_later;
    int must_staple; /**< SSL_MUST_STAPLE_ of ssl_stapling.h */
} ssl_stapling_config;

/** One SSLOpenSSLConfCmd. */
typedef struct ssl_conf_cmd {
    const char *name, *value;
    int type;       /**< SSL_CONF_TYPE_ of the value */
    const char *at; /**< "file:line" */
} ssl_conf_cmd;

struct ssl_server_config {
    int engine;
    ssl_tls_settings tls;
    apr_array_header_t *cert_files, *key_files; /**< const char *: paths or pkcs11: URIs, in order */
    const char *chain_file;
    const char *ca_dn_file, *ca_dn_path;
    int honor_cipher_order, compression, insecure_renegotiation;
    int strict_sni;
    int dh_bits; /**< size of DH parameters that a policy wants; 0: as strong as the key */
    int session_tickets, session_timeout; /**< on/off; seconds */
    int num_tickets; /**< after a full handshake of TLS 1.3; a resumption gets one */
    int client_hello_vars;   /**< what the ClientHello said is kept, for variables */
    int ktls;                /**< records made by the kernel where it can */
    int dynamic_record_size; /**< small records first */
    apr_array_header_t *ticket_key_files; /**< const char *, the first seals */
    const char *srp_verifier_file, *srp_unknown_user_seed;
    apr_array_header_t *conf_cmds; /**< ssl_conf_cmd */
    ssl_ocsp_config ocsp;
    ssl_stapling_config stapling;
    ssl_proxy_config *proxy; /**< NULL: nothing is set; to be read through ssl_config_proxy_of() */

    const ap_directive_t *defined_at; /**< the SSLEngine that holds here, or NULL: see ssl_config_place_of() */
    const ap_directive_t *certs_at;   /**< the first SSLCertificateFile here, or NULL */
    const char *policy;      /**< name of the SSLPolicy here, or inherited; NULL: none */
    const ssl_server_config *defaults; /**< what that policy sets, as long as it is not merged into this record */
    ssl_host *host;          /**< made in post_config while SSLEngine is on; NULL otherwise */
};

/** Only made where a directive sets something in it: thousands of virtual hosts need none. */
struct ssl_dir_config {
    int require_ssl;
    int options_set, options_add, options_del; /**< masks; options_set is SSL_UNSET without an absolute SSLOptions */
    int verify, verify_depth;
    const char *cipher_suite;
    const char *user_name;
    int reneg_buffer_size; /**< bytes */
    apr_array_header_t *requires; /**< const ssl_requirement *: SSLRequire, the outer ones first */
    ssl_proxy_config *proxy; /**< NULL: nothing is set */
};

/** One SSLRandomSeed. */
typedef struct ssl_random_source {
    int at_connect; /**< else at startup */
    int per_connection; /**< connections use it (post_config) */
    int per_child; /**< or, in place of them, each child when it starts (post_config) */
    int fd; /**< in a child, of a file that connections use; else -1 */
    enum { SSL_RANDOM_BUILTIN, SSL_RANDOM_FILE, SSL_RANDOM_EXEC, SSL_RANDOM_EGD } kind;
    const char *path;
    int bytes; /**< 0: all there is */
    const char *at; /**< "file:line" */
} ssl_random_source;

/** A named set of defaults: built in, or from <SSLPolicyDefine>. */
typedef struct ssl_policy {
    const char *name;
    const char *defined_at; /**< "file:line"; NULL: built in */
    const ssl_server_config *settings; /**< only what the policy sets; the base policy is merged in */
} ssl_policy;

/** What is set once for the whole server.  Made anew by each reading of the
 * configuration; lives in pconf. */
struct ssl_global_config {
    const ap_socache_provider_t *session_cache; /**< NULL: none */
    ap_socache_instance_t *session_cache_instance;
    const char *session_cache_name; /**< as configured; NULL while SSLSessionCache is absent */
    int session_id_without_cache;   /**< nonenotnull */
    const ap_socache_provider_t *stapling_cache;
    ap_socache_instance_t *stapling_cache_instance;
    const ap_socache_provider_t *ticket_store; /**< SSLSessionTicketKeySharing; NULL: keys are not shared */
    ap_socache_instance_t *ticket_store_instance;
    const char *ticket_store_name, *ticket_sealing_file;
    int ticket_rotation; /**< seconds; 0: never */
    const char *stapling_store; /**< directory; NULL: answers are not kept on disk */
    int sni_policy; /**< ssl_sni_policy */
    int fips;
    const char *pass_phrase_dialog;
    const char *crypto_device;
    apr_array_header_t *random_sources; /**< ssl_random_source */
    apr_array_header_t *policies;       /**< ssl_policy: the built-in ones, then those defined so far */
    apr_time_t read_at;                 /**< tells this reading of the configuration from all others */
    int reporting;                      /**< hosts are made to be described, not to serve: without private keys */
};

/** The global record of the configuration being read or in force. */
ssl_global_config *ssl_global(void);

/** pre_config: a fresh global record in P. */
void ssl_config_begin(apr_pool_t *p);

/** Whether A and B say the same; NULL, for what is not set, is the same as NULL alone. */
static inline int ssl_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/** The records of a server and of the directory that a request is in; where there is none, one in
 * which nothing is set. */
ssl_server_config *ssl_config_of(server_rec *s);
const ssl_dir_config *ssl_dir_config_of(request_rec *r);

/** What S says of TLS to backends: complete once its record is. */
const ssl_proxy_config *ssl_config_proxy_of(server_rec *s);

/** While CMD is read: the directory record that it stands in, DIR if there is one. */
ssl_dir_config *ssl_config_dir_at(cmd_parms *cmd, void *dir);

/** *PROXY, a member of a record, made in P if there is none yet. */
ssl_proxy_config *ssl_config_proxy_at(ssl_proxy_config **proxy, apr_pool_t *p);

/** SSLOptions in force for R: a mask of SSL_OPT_. */
int ssl_dir_options(request_rec *r);

/** httpd's create and merge functions for the two records. That for directories creates none: see
 * ssl_config_dir_at(). */
void *ssl_config_server_create(apr_pool_t *p, server_rec *s);
void *ssl_config_server_merge(apr_pool_t *p, void *base, void *add);
void *ssl_config_dir_create(apr_pool_t *p, char *path);
void *ssl_config_dir_merge(apr_pool_t *p, void *base, void *add);

/** CFG with the settings of its policy beneath its own: CFG itself if it has
 * none, else a new record in P. */
ssl_server_config *ssl_config_with_policy(apr_pool_t *p, ssl_server_config *cfg);

/** pre_config: the built-in policies, in P. */
apr_array_header_t *ssl_policy_builtins(apr_pool_t *p);

/** SSLPolicy NAME and <SSLPolicyDefine NAME>: for the directive table. */
const char *ssl_policy_use(cmd_parms *cmd, void *dir, const char *name);
const char *ssl_policy_define(cmd_parms *cmd, void *dir, const char *arg);

/** RESULT becomes what ADD sets, and BASE where ADD sets nothing.  Complete if BASE is. */
void ssl_config_proxy_merge(apr_pool_t *p, const ssl_proxy_config *base, const ssl_proxy_config *add,
                            ssl_proxy_config *result);

/** Text that is equal for two complete records if and only if all their fields
 * that shape an outgoing SSL_CTX are. */
const char *ssl_config_proxy_signature(apr_pool_t *p, const ssl_proxy_config *proxy);

/** post_config: replaces SSL_UNSET in the record of S by the defaults. */
void ssl_config_complete(server_rec *s);

/** Text that is equal for two complete records if and only if all their fields
 * that shape a server's SSL_CTX are, its certificates apart. */
const char *ssl_config_signature(apr_pool_t *p, const ssl_server_config *cfg);

/** PATH and what tells whether its content is still the same: times, size,
 * inode.  "-" for NULL; the mere name for a pkcs11: URI or what can't be looked at. */
const char *ssl_config_file_stamp(apr_pool_t *p, const char *path);

/** "file:line" of CMD. */
const char *ssl_config_place(cmd_parms *cmd);

/** The same of a line of the configuration, in P; NULL for NULL. */
const char *ssl_config_place_of(apr_pool_t *p, const ap_directive_t *line);

/** What keeps PATH from being read as a file (or, with DIRECTORY, entered):
 * words for a log, naming the part of the path at fault; NULL if nothing does. */
const char *ssl_path_problem(apr_pool_t *p, const char *path, int directory);

/** Whether ID names an object in a token or store rather than a file: "pkcs11:..." (RFC 7512). */
int ssl_is_key_uri(const char *id);

/** The module's directives, for the module record. */
extern const command_rec ssl_directives[];

#endif /* SSL_CONFIG_H */
