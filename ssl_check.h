/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_check.h - what is usually wrong with a configuration that starts all the
 * same.  Checked once for each start and restart, when all hosts are made, in
 * the parent; nothing here stops a start.  Each mistake is one log line, which
 * names the place, a few of the virtual hosts concerned, the cause and the
 * cure.  Level warning: clients will stumble; notice or info: the rest.
 */
#ifndef SSL_CHECK_H
#define SSL_CHECK_H

#include "ssl_ctx.h"

/** A list for a message: the first few in words, the others as a number.  Start with { 0 }. */
typedef struct ssl_few {
    const char *text;
    int count;
} ssl_few;

/** Appends ITEM to FEW, in P. */
void ssl_few_add(apr_pool_t *p, ssl_few *few, const char *item);

/** "a, b, c and 7 more" */
const char *ssl_few_text(apr_pool_t *p, const ssl_few *few);

/** "file:line" where S is defined; "the main server" if nothing tells. */
const char *ssl_server_place(apr_pool_t *p, server_rec *s);

/** All servers from MAIN_SERVER on in the order of the configuration files: array of server_rec *. */
apr_array_header_t *ssl_servers_in_order(apr_pool_t *p, server_rec *main_server);

/** Virtual hosts against Listen, ports and SSLEngine; directories of CAs and
 * CRLs; certificates: calls the checks below for all hosts. */
void ssl_check_all(server_rec *main_server, apr_pool_t *ptemp);

/** Hook test_config (httpd -t): of the above, what needs no certificate. Not
 * beside a dump, whose readers may take stderr for part of it. */
void ssl_check_test_config(apr_pool_t *p, server_rec *main_server);

/** The certificates and chains that SERVERS (in order) serve, as they are in
 * memory: no file is read but, for an issuer that is nowhere else,
 * those of the system's CAs. */
void ssl_check_certificates(apr_array_header_t *servers, apr_pool_t *ptemp);

/** A certificate with the chain that is sent with it.  All borrowed. */
typedef struct ssl_sent_chain {
    server_rec *server;      /**< the first host that serves it */
    const ssl_few *hosts;    /**< all of them */
    X509 *leaf;
    STACK_OF(X509) *certs;   /**< what is sent after it; NULL: nothing */
    X509_STORE *store;       /**< the CAs of the SSL_CTX */
    const char *cert_path, *place; /**< file of the certificate; file:line of its directive */
    const char *path;        /**< file of the chain */
} ssl_sent_chain;

/** Checks LINKS.  *SYSTEM is made when the CAs of the system are needed; the caller frees it. */
void ssl_check_chain(const ssl_sent_chain *links, X509_STORE **system, apr_pool_t *p);

/** Whether the N-th certificate that is sent after the server's was sent before. */
int ssl_chain_repeats(const ssl_sent_chain *links, int n);

/** Whether CERT is void without a stapled answer (RFC 7633: status_request, 5). */
int ssl_cert_must_staple(const X509 *cert);

/** What is wrong with the dates of CERT, or soon will be, and the cure; NULL: nothing. WHO refuse it for that:
 * "clients" or "backends". */
const char *ssl_check_dates(apr_pool_t *p, const X509 *cert, const char *who);

/** Our certificates for backends, of servers and sections from MAIN_SERVER on, when all are made. */
void ssl_check_client_certs(server_rec *main_server, apr_pool_t *ptemp);

/** The subject of CERT for a message: not too long. */
const char *ssl_check_subject(apr_pool_t *p, const X509 *cert);

/** What a directory is for. */
typedef enum {
    SSL_DIR_CERTS, /**< certificates, found by hash link (see openssl-rehash(1)) */
    SSL_DIR_CRLS,  /**< revocation lists, found by hash link */
    SSL_DIR_NAMES  /**< certificates of which only the subject counts: all files are read, at start */
} ssl_directory_kind;

/** The files and links of the directory PATH, which DIRECTIVE of S names; ID: where, for messages. */
void ssl_check_hash_directory(server_rec *s, const char *id, const char *directive, const char *path,
                              ssl_directory_kind kind, apr_pool_t *ptemp);

/** What forbids the User of httpd's children (or this process, if it is not
 * root) to use PATH: words for a log that name the first directory on the way
 * that cannot be passed, or PATH itself for want of WANTED (R_OK, W_OK, X_OK).
 * NULL if nothing does.  Goes by owners and permission bits. */
const char *ssl_path_denied(apr_pool_t *p, const char *path, int wanted);

#endif /* SSL_CHECK_H */
