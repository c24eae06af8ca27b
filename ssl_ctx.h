/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_ctx.h - what is made of the configuration at start: an SSL_CTX for each
 * distinct set of settings, its certificates, and the index from names to
 * virtual hosts.  Made in the parent by post_config, only read by children.
 */
#ifndef SSL_CTX_H
#define SSL_CTX_H

#include "ssl_config.h"

/** What belongs to an SSL_CTX and has no place in it; lives and is kept with it. */
typedef struct ssl_ctx_extras {
    SSL_CTX *ctx;
    char *groups;    /**< for SSL_set1_groups_list(3), by malloc; NULL: OpenSSL's own */
    void *srp_users; /**< SRP_VBASE of SSLSRPVerifierFile, or NULL */
} ssl_ctx_extras;

/** A virtual host with SSLEngine on, ready to serve.  Lives in pconf. */
struct ssl_host {
    server_rec *server;
    SSL_CTX *ctx;          /**< shared with hosts of equal settings */
    const ssl_ctx_extras *extras; /**< of ctx, or NULL if there are none */
    const char *id;        /**< "name:port", for messages */
    unsigned char session_id_context[32]; /**< differs between hosts: see ssl_conn_bind_host() */
    const struct ssl_ticket_keys *ticket_keys; /**< of ssl_ticket.h */
    int fallback_cert;     /**< its certificate is a stopgap: requests get 503 */
};

/** What building one host's SSL_CTX needs at hand. */
typedef struct ssl_ctx_build {
    server_rec *server;
    const ssl_server_config *cfg;
    const char *id; /**< "name:port" */
    SSL_CTX *ctx;
    apr_pool_t *p;  /**< temporary */
    apr_array_header_t *pairs; /**< certificates and keys between ssl_certs_read() and ssl_certs_release() */
    int outdated_key; /**< out: a key is not the one that its file holds now, for want of its pass phrase */
} ssl_ctx_build;

/** An SSL_CTX with the settings of S, shared if an equal one was made before,
 * in this generation of the configuration or the last: keys and certificates
 * whose files did not change are not read again.  NULL: logged why not. */
SSL_CTX *ssl_ctx_for_server(server_rec *s, const char *id, apr_pool_t *ptemp);

/** The extras of CTX: NULL if there are none, or made if there were none.
 * Only to be asked for while configuration is read; they are freed with CTX. */
ssl_ctx_extras *ssl_ctx_extras_of(SSL_CTX *ctx);
ssl_ctx_extras *ssl_ctx_extras_make(SSL_CTX *ctx);

/** The hash of this NAME that lives as long as the process, made when first
 * asked for.  It outlives this module's code, which httpd unloads between
 * readings of the configuration: so nothing in it may hold an address of ours,
 * a function's or a literal's. */
apr_hash_t *ssl_kept_hash(const char *name);

/** Frees what earlier generations left behind and this one, which lives in P,
 * does not use; and when the process ends, all. */
void ssl_ctx_sweep(apr_pool_t *p, apr_pool_t *ptemp);

/** The file PATH, to be read and reset like any BIO; BIO_free() wipes what was
 * read of it.  NULL: errno says why. */
BIO *ssl_certs_open(const char *path);

/** Reads the certificates and keys of B: before there is an SSL_CTX, which
 * takes note of what providers can do, and some can only do it once they have
 * opened their token.  APR_SUCCESS, or logged why not; to be released in
 * either case. */
apr_status_t ssl_certs_read(ssl_ctx_build *b);
void ssl_certs_release(ssl_ctx_build *b);

/** Gives B's SSL_CTX what was read, the chain, and the DH parameters and curve
 * at the end of the first file.  APR_SUCCESS, or logged why not. */
apr_status_t ssl_certs_use(ssl_ctx_build *b);

/** Gives each certificate of B that has no chain the one that B's CAs lead to,
 * and lets handshakes no longer look for it.  The last step; APR_SUCCESS. */
apr_status_t ssl_chain_complete(ssl_ctx_build *b);

/** Sets how B verifies client certificates and which CAs it names to them. */
apr_status_t ssl_verify_setup(ssl_ctx_build *b);

/** The SNI index: made once all hosts are (post_config), in P. */
void ssl_sni_index_build(server_rec *main_server, apr_pool_t *p, apr_pool_t *ptemp);

/** The virtual host of C's address that answers to NAME by httpd's order of
 * precedence (first match in configuration order), or NULL.  NAME is compared
 * without regard to case; cost does not depend on the number of hosts. */
server_rec *ssl_sni_find(conn_rec *c, const char *name);

/** Whether more than one virtual host is to be had at C's address. */
int ssl_sni_has_names(conn_rec *c);

/** post_config and child_init of the module. */
int ssl_init_module(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s);
void ssl_init_child(apr_pool_t *p, server_rec *s);

/** What post_config does to all hosts, as far as it can be done under `httpd -t`,
 * when other modules are not ready: they are made from certificates without
 * private keys, and none serves. One that cannot be made has no ssl_host: logged why. */
void ssl_init_for_report(server_rec *main_server, apr_pool_t *p);

/** Whether -D DUMP_... asks for any of what ssl_dump() prints. */
int ssl_dump_asked(void);

/** test_config: prints what -D DUMP_... asks for. */
void ssl_dump(apr_pool_t *p, server_rec *main_server);

/** "name:port" of S, for messages; the port is the one that S is reached at. */
const char *ssl_server_id(apr_pool_t *p, server_rec *s);

/** Hooks of mod_ssl.h and mod_ssl_openssl.h, run where their comments say. */
int ssl_run_add_cert_files(server_rec *s, apr_pool_t *p, apr_array_header_t *certs, apr_array_header_t *keys);
int ssl_run_add_fallback_cert_files(server_rec *s, apr_pool_t *p, apr_array_header_t *certs, apr_array_header_t *keys);
int ssl_run_init_server(server_rec *s, apr_pool_t *p, int is_proxy, SSL_CTX *ctx);
int ssl_run_pre_handshake(conn_rec *c, SSL *ssl, int is_proxy);
int ssl_run_proxy_post_handshake(conn_rec *c, SSL *ssl);

#endif /* SSL_CTX_H */
