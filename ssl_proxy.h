/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_proxy.h - TLS to backends: what post_config makes of SSLProxy..., and
 * the outgoing connections that mod_proxy asks for.
 *
 * A section's SSLProxy... directives (<Proxy>, or a server) become a
 * ssl_outgoing if they differ from those of its server.  Sections are merged
 * per request, field by field, so that what belongs together may come from
 * several: an outgoing connection has the SSL_CTX of the innermost, and what
 * was read from files is put together for it (ssl_engine_material.c).
 */
#ifndef SSL_PROXY_H
#define SSL_PROXY_H

#include "ssl_conn.h"
#include "ssl_ctx.h"

/** A certificate for backends that ask for one, with its key. */
typedef struct ssl_client_cert {
    X509 *cert;
    EVP_PKEY *key;
    STACK_OF(X509) *issuers; /**< CAs above it as far as they are known, a root included; may be empty */
    STACK_OF(X509) *sent;    /**< those of them that are sent: without the root */
    int from_path;           /**< it was in SSLProxyMachineCertificatePath, not ...File */
} ssl_client_cert;

/** What SSLProxy... name files or directories for. */
typedef enum {
    SSL_FILE_CAS,      /**< SSLProxyCACertificateFile */
    SSL_FILE_CRLS,     /**< SSLProxyCARevocationFile */
    SSL_FILE_CERTS,    /**< SSLProxyMachineCertificateFile */
    SSL_FILE_CERT_DIR, /**< SSLProxyMachineCertificatePath */
    SSL_FILE_CHAIN,    /**< SSLProxyMachineCertificateChainFile */
    SSL_FILE_CA_DIR,   /**< SSLProxyCACertificatePath: from here on read when needed, not at start */
    SSL_FILE_CRL_DIR,  /**< SSLProxyCARevocationPath */
    SSL_FILES_N
} ssl_proxy_file;

/** What verifies backends, and the certificates for them. By malloc; not changed once it is made. */
typedef struct ssl_material {
    char *files[SSL_FILES_N]; /**< what they are of; NULL: not set */
    int crl_check;            /**< SSL_CRLCHECK_, of the store */
    X509_STORE *store;        /**< all CAs and CRLs */
    X509_STORE *part[2];      /**< those of SSL_FILE_CAS, of SSL_FILE_CRLS alone; NULL: none */
    STACK_OF(X509) *cas[SSL_FILES_N]; /**< of the SSL_FILE_CERT..., those without a key; or NULL */
    int n_certs;
    ssl_client_cert *certs;
    struct ssl_material *next; /**< of those that are put together; see ssl_material_for() */
} ssl_material;

typedef struct ssl_resume_cache ssl_resume_cache;

/** One distinct configuration of TLS to backends: kept and shared like the
 * SSL_CTX of hosts, by signature.  By malloc; only read after post_config. */
typedef struct ssl_outgoing {
    SSL_CTX *ctx;
    int protocols;                                    /**< the settings that ctx was made with */
    char *cipher_suite, *tls13_cipher_suites;
    ssl_material material;
    ssl_resume_cache *sessions; /**< of its backends */
} ssl_outgoing;

/** What an outgoing ssl_conn has beside; lives as long. */
struct ssl_backend {
    ssl_proxy_config settings; /**< complete: of the section, over those of the server */
    const ssl_ocsp_config *ocsp; /**< who is asked about its certificate: of the server; NULL: nobody */
    const ssl_outgoing *made;  /**< whose SSL_CTX it has */
    const ssl_material *material;
    const char *address;       /**< "name:port" of the backend, for messages */
    const char *name;          /**< that it was asked for (proxy-request-hostname), or NULL */
    const char *session_key;   /**< under which its sessions are kept, or NULL: they are not */
    time_t verified_at;        /**< when the full handshake was whose session is offered; 0: none is */
    const char *problem;       /**< why its certificate was not accepted, in words */
    unsigned truncated : 1;    /**< it closed without close_notify */
    unsigned pooled : 1;       /**< mod_proxy has put it back, and not yet taken it for a request */
};

/** What is wrong with a backend's certificate. */
typedef struct ssl_peer_problem {
    const char *number; /**< of the message: "AH02411: " */
    const char *text;   /**< words that follow "backend x refused: "; NULL: nothing is wrong */
} ssl_peer_problem;

/** How a backend's name is compared. */
typedef enum {
    SSL_PEER_ANY_NAME,    /**< not at all */
    SSL_PEER_NAMES,       /**< with all names of the certificate */
    SSL_PEER_COMMON_NAME  /**< with its first common name alone */
} ssl_peer_name_rule;

/** A <Proxy> section with SSLProxy... directives, as a server has it. */
typedef struct ssl_proxy_section {
    const char *title;                /**< '<Proxy "https://backend.example.org/">' */
    const ssl_proxy_config *own;      /**< what it says itself */
    const ssl_proxy_config *settings; /**< the same over what its server says: complete if the server's record is */
} ssl_proxy_section;

/** --- start --- */

/** The sections of S and those that it inherits, in order, made in P: ssl_proxy_section. */
apr_array_header_t *ssl_proxy_sections(apr_pool_t *p, server_rec *s);

/** What S, or with SECTION this section of it, says of backends: its name for a log, with file and line. */
const char *ssl_proxy_scope(apr_pool_t *p, server_rec *s, const ssl_proxy_section *section);

/** post_config: makes the outgoing configuration of S, whose record is complete,
 * if SSLProxyEngine is on there.  APR_SUCCESS, or logged why not. */
apr_status_t ssl_proxy_make_server(server_rec *s, apr_pool_t *p, apr_pool_t *ptemp);

/** Registers the hooks: sections (after mod_proxy has read them), connections, error pages. */
void ssl_proxy_register(apr_pool_t *p);

/** Loads the client certificates of B, which stand in the files of PROXY, into OUT.
 * APR_SUCCESS, or logged why not. */
apr_status_t ssl_client_certs_load(ssl_ctx_build *b, const ssl_proxy_config *proxy, ssl_material *out);

/** Adds to OUT those of FROM that were FROM_PATH or not, with chains of CAS: all of them are OUT's own. */
void ssl_client_certs_add(ssl_material *out, const ssl_material *from, int from_path, const STACK_OF(X509) *cas);

/** Frees them, and what else they are made of. */
void ssl_client_certs_free(ssl_material *out);

/** Reads what SETTINGS name, but for the keys, for B into OUT.  APR_SUCCESS, or logged why not. */
apr_status_t ssl_material_load(ssl_ctx_build *b, const ssl_proxy_config *settings, ssl_material *out);
void ssl_material_free(ssl_material *material);

/** What SETTINGS, of which MADE is the innermost section's, name; put together of what was read at start for
 * MADE and others.  Lives as long as the configuration.  NULL: out of memory, or something was not read. */
const ssl_material *ssl_material_for(const ssl_proxy_config *settings, const ssl_outgoing *made);

/** post_config: OUT is of this configuration, from which ssl_material_for() may take; P is its pool. */
void ssl_material_know(apr_pool_t *p, const ssl_outgoing *out);

/** SSL_CTX_set_cert_cb(3): gives the backend the certificate that it accepts. */
int ssl_client_certs_choose(SSL *ssl, void *arg);

/** --- connections --- */

/** Hook handler, before all others: R is what this thread may be about to get a connection for. DECLINED. */
int ssl_reuse_note(request_rec *r);

/** Hook request_status of mod_proxy: it is done with R. DECLINED. */
int ssl_reuse_forget(int *status, request_rec *r);

/** Hook fixups of mod_proxy: R is about to be sent to the backend that was chosen. OK. */
int ssl_reuse_note_backend(request_rec *r);

/** Whether what this thread sends to C comes from mod_proxy_http, which flushes whenever its backend has nothing yet. */
int ssl_reuse_is_http_client(const conn_rec *c);

/** The settings of the request that was noted, and its server. False: there is none, or DIR_CONF (NULL: any)
 * is not its. */
int ssl_reuse_wanted(const ap_conf_vector_t *dir_conf, ssl_proxy_config *settings, server_rec **server);

/** Whether a connection that was made with A may be used for a request with B. */
int ssl_reuse_is_same(const ssl_backend *a, const ssl_backend *b);

/** mod_proxy looks whether CONN, which lay in its pool, is still open.  APR_SUCCESS: the request that was noted
 * may use it; else it was closed, and mod_proxy is to make another. */
apr_status_t ssl_proxy_reuse(ssl_conn *conn);

/** Hook ssl_bind_outgoing (http_ssl.h), and ssl_engine_set() for outgoing connections. */
int ssl_proxy_bind(conn_rec *c, ap_conf_vector_t *dir_conf, int enable);

/** pre_connection of an outgoing connection: makes its SSL.  OK, or 500. */
int ssl_proxy_start(ssl_conn *conn);

/** The first call for the handshake: by now it is known which name is asked for. */
apr_status_t ssl_proxy_begin(ssl_conn *conn);

/** The handshake is over: APR_SUCCESS, or why CONN is CLOSED. */
apr_status_t ssl_proxy_accept(ssl_conn *conn);

/** CONN's backend failed with the network's status RV or, if that is APR_SUCCESS, as
 * OpenSSL's queue says: logged, and told to mod_proxy. */
void ssl_proxy_failed(ssl_conn *conn, apr_status_t rv);

/** Hook insert_error_filter: the page says why as well. */
void ssl_proxy_explain_page(request_rec *r);

/** What SSLProxyCheckPeerName and SSLProxyCheckPeerCN mean together (manual, SSLProxyCheckPeerCN). */
ssl_peer_name_rule ssl_peer_rule(int check_name, int check_cn);

/** Compares validity and names of CERT with what SETTINGS demand; NAME may be NULL.  Words are made in P. */
ssl_peer_problem ssl_peer_check(apr_pool_t *p, X509 *cert, const ssl_proxy_config *settings, const char *name);

/** Words for ERROR of a verification that stands at CERT. */
const char *ssl_peer_verify_problem(apr_pool_t *p, int error, X509 *cert, const ssl_proxy_config *settings);

/** SSL_CTX_set_verify(3) of backends' certificates. */
int ssl_peer_verify_callback(int ok, X509_STORE_CTX *store);

/** Words for the last error in OpenSSL's queue. */
const char *ssl_peer_handshake_problem(apr_pool_t *p, const ssl_conn *conn);

/** --- sessions of backends: used by all threads of a child --- */

ssl_resume_cache *ssl_resume_make(void);
void ssl_resume_free(ssl_resume_cache *cache);

/** A session to be resumed with, or NULL; the caller's. One of TLS 1.3 is given once.
 * VERIFIED_AT: when the certificate was verified that it stands for. */
SSL_SESSION *ssl_resume_take(ssl_resume_cache *cache, const char *key, time_t *verified_at);

/** SSL_CTX_sess_set_new_cb(3). */
int ssl_resume_new_session(SSL *ssl, SSL_SESSION *session);

#endif /* SSL_PROXY_H */
