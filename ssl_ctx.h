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

/** A certificate, its private key and the chain above it, read from files
 * once for all hosts that name them.  Not changed after it was made; kept for
 * the process, or in pconf if it has no signature. */
typedef struct ssl_pair {
    X509 *cert;            /**< its alias (X509_alias_get0(3)) is its file as it may be shown */
    EVP_PKEY *key;         /**< of a dump: the public key alone */
    STACK_OF(X509) *chain; /**< of the certificate's file; NULL: there is none */
    STACK_OF(X509) *extra; /**< of SSLCertificateChainFile, for want of `chain`; or NULL */
    int has_parameters;    /**< the file also holds DH parameters or a curve */
    const char *signature; /**< of the files and their stamps; NULL: it can't be kept */
} ssl_pair;

/** The certificates of a virtual host, shared with hosts of equal settings
 * that have the same.  Made in pconf. */
typedef struct ssl_cert_set {
    int n;
    const ssl_pair **pairs;
    STACK_OF(X509) **chains; /**< where connections get them: what is sent after each, or NULL; else NULL */
} ssl_cert_set;

/** Hosts whose settings are equal, certificates apart.  Only used by
 * ssl_engine_ctx.c while hosts are made. */
typedef struct ssl_ctx_group ssl_ctx_group;

/** A virtual host with SSLEngine on, ready to serve.  Lives in pconf. */
struct ssl_host {
    server_rec *server;
    SSL_CTX *ctx;              /**< shared with hosts of equal settings */
    const ssl_ctx_extras *extras; /**< of ctx, or NULL if there are none */
    const char *id;            /**< "name:port", for messages */
    ssl_cert_set *certs;       /**< from SSLCertificateFile */
    ssl_ctx_group *group;      /**< while hosts are made */
    unsigned char session_id_context[32]; /**< differs between hosts: see ssl_conn_bind_host() */
    const struct ssl_ticket_keys *ticket_keys; /**< of ssl_ticket.h */
    unsigned fallback_cert : 1; /**< its certificate is a stopgap: requests get 503 */
    unsigned needs_own_ctx : 1; /**< something in it can't be shared with hosts of other certificates */
    unsigned gives_certs : 1;   /**< `ctx` has no certificate: each SSL gets `certs`, see ssl_conn_use_certs() */
};

/** What building one host's SSL_CTX needs at hand. */
typedef struct ssl_ctx_build {
    server_rec *server;
    const ssl_server_config *cfg;
    const char *id; /**< "name:port" */
    int outgoing;   /**< for TLS to backends: cfg->tls is what SSLProxy... say */
    SSL_CTX *ctx;
    X509_STORE *part[2]; /**< out, if outgoing: the CAs, the CRLs of the files, each alone; NULL: none */
    apr_pool_t *p;  /**< temporary */
    apr_array_header_t *pairs; /**< const ssl_pair *: what ssl_certs_load() found */
    ssl_cert_set *certs;       /**< what the SSL_CTX is to have; NULL: no certificates */
    int outdated_key; /**< out: a key is not the one that its file holds now, for want of its pass phrase */
} ssl_ctx_build;

/** The making of all hosts of a configuration, in PTEMP. */
typedef struct ssl_ctx_plan ssl_ctx_plan;
ssl_ctx_plan *ssl_ctx_plan_make(apr_pool_t *ptemp);

/** First, for every host: loads its certificates and finds hosts like it.
 * P is the configuration's pool, SCRATCH is cleared by the caller. */
apr_status_t ssl_ctx_prepare(ssl_ctx_plan *plan, ssl_host *host, apr_pool_t *p, apr_pool_t *scratch);

/** Then, for every host: sets host->ctx, which is shared with hosts of equal
 * settings, of this configuration or the last: what did not change is not made
 * again.  APR_SUCCESS, or logged why not. */
apr_status_t ssl_ctx_assign(ssl_ctx_plan *plan, ssl_host *host, apr_pool_t *scratch);

/** Something that outlives the configuration that it was made for.  Allocated
 * by malloc: such come and go for the life of the process. */
typedef struct ssl_kept {
    void *object;
    int in_use; /**< by the configuration that is being made */
    char signature[];
} ssl_kept;

/** What is kept of this KIND under SIGNATURE, or NULL.  Who takes it sets in_use. */
ssl_kept *ssl_kept_find(const char *kind, const char *signature);

/** Keeps OBJECT, in use, under a copy of SIGNATURE. */
ssl_kept *ssl_kept_add(const char *kind, const char *signature, void *object);

/** Destroys what is not in use, and clears that mark of all else. */
void ssl_kept_sweep(const char *kind, void (*destroy)(void *object));

/** The extras of CTX: NULL if there are none, or made if there were none.
 * Only to be asked for while configuration is read; they are freed with CTX. */
ssl_ctx_extras *ssl_ctx_extras_of(SSL_CTX *ctx);
ssl_ctx_extras *ssl_ctx_extras_make(SSL_CTX *ctx);

/** The hash of this NAME that lives as long as the process, made when first
 * asked for.  It outlives this module's code, which httpd unloads between
 * readings of the configuration: so nothing in it may hold an address of ours,
 * a function's or a literal's. */
apr_hash_t *ssl_kept_hash(const char *name);

/** The record NAME of KIND, for the life of the process: SIZE bytes, 0 at first.  What it
 * says of its own layout is to be looked at: who made it may have been of another version. */
void *ssl_kept_record(const char *kind, const char *name, apr_size_t size);

/** Frees what earlier generations left behind and this one, which lives in P,
 * does not use; and when the process ends, all. */
void ssl_ctx_sweep(apr_pool_t *p);

/** The file PATH, to be read and reset like any BIO; BIO_free() wipes what was
 * read of it.  NULL: errno says why. */
BIO *ssl_certs_open(const char *path);

/** A block of PEM. */
typedef struct ssl_pem_block {
    char *name, *header;    /**< "RSA PRIVATE KEY"; "" or what says how it is encrypted */
    unsigned char *content; /**< DER, encrypted or not */
    long len;
} ssl_pem_block;

/** Reads the next one of BIO; end it with ..._clear(), which wipes it.  False: OpenSSL's queue says why, with
 * PEM_R_NO_START_LINE that there are no more. */
int ssl_certs_read_block(BIO *bio, ssl_pem_block *block);
void ssl_certs_clear_block(ssl_pem_block *block);

/** Whether BLOCK is a private key, in whatever form. */
int ssl_certs_is_key(const ssl_pem_block *block);

/** The block of the NUMBER-th private key (from 1) in the PEM file PATH, as it stands there, and nothing else: to be
 * read once.  NULL: it has none. */
BIO *ssl_certs_open_key(const char *path, int number);

/** Loads the certificates, keys and chains of B's host into b->pairs, which
 * is made in b->p.  What was read before and has not changed is not read again.
 * To be done before there is an SSL_CTX, which takes note of what providers can
 * do, and some can only do it once they have opened their token.
 * APR_SUCCESS, or logged why not. */
apr_status_t ssl_certs_load(ssl_ctx_build *b);

/** Gives b->certs to b->ctx, and the DH parameters and curve at the end of the
 * first file.  APR_SUCCESS, or logged why not. */
apr_status_t ssl_certs_use(ssl_ctx_build *b);

/** Gives b->certs to PROBE, an SSL of the SSL_CTX whose connections will get
 * them: what OpenSSL would refuse in a handshake, it is to refuse now.
 * APR_SUCCESS, or logged why not. */
apr_status_t ssl_certs_try(ssl_ctx_build *b, SSL *probe);

/** Gives each certificate of B that has no chain the one that B's CAs lead to,
 * and lets handshakes no longer look for it.  The last step; APR_SUCCESS. */
apr_status_t ssl_chain_complete(ssl_ctx_build *b);

/** The same for CERTS, which connections of CTX get: fills certs->chains, in P. */
void ssl_chain_complete_set(ssl_cert_set *certs, SSL_CTX *ctx, apr_pool_t *p);

/** The versions of B, the lowest to the highest; its ciphers.  APR_SUCCESS, or logged why not. */
apr_status_t ssl_ctx_set_protocols(ssl_ctx_build *b);
apr_status_t ssl_ctx_set_ciphers(ssl_ctx_build *b);

/** The bounds of a mask of SSL_PROTO_, as SSL_set_min_proto_version(3) wants them; 0: there are none. */
void ssl_ctx_protocol_bounds(int protocols, int *low, int *high);

/** Whether another module looks at each SSL_CTX, so that none is shared. */
int ssl_ctx_others_look(void);

/** Gives B the CAs and CRLs that certificates are verified with, and b->part.  APR_SUCCESS, or logged why not. */
apr_status_t ssl_verify_load(ssl_ctx_build *b);

/** Adds to STORE what PART has.  False: no memory. */
int ssl_verify_add(X509_STORE *store, X509_STORE *part);

/** Whether ERROR, of a verification, only says that no CA of ours stands above the certificate. */
int ssl_verify_is_unknown_issuer(int error);

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

/** A pool beneath PARENT for what thousands of hosts need for a moment: when it is destroyed its memory goes back to
 * the system, not into httpd's stock of free memory. */
apr_pool_t *ssl_passing_pool(apr_pool_t *parent);

/** "name:port" of S, for messages; the port is the one that S is reached at. */
const char *ssl_server_id(apr_pool_t *p, server_rec *s);

/** Hooks of mod_ssl.h and mod_ssl_openssl.h, run where their comments say. */
int ssl_run_add_cert_files(server_rec *s, apr_pool_t *p, apr_array_header_t *certs, apr_array_header_t *keys);
int ssl_run_add_fallback_cert_files(server_rec *s, apr_pool_t *p, apr_array_header_t *certs, apr_array_header_t *keys);
int ssl_run_init_server(server_rec *s, apr_pool_t *p, int is_proxy, SSL_CTX *ctx);
int ssl_run_pre_handshake(conn_rec *c, SSL *ssl, int is_proxy);
int ssl_run_proxy_post_handshake(conn_rec *c, SSL *ssl);
int ssl_run_init_stapling_status(server_rec *s, apr_pool_t *p, X509 *cert, X509 *issuer);
int ssl_run_get_stapling_status(unsigned char **pder, int *pderlen, conn_rec *c, server_rec *s, X509 *cert);

#endif /* SSL_CTX_H */
