/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_report.h - facts for people and for programs: a tree that is built once
 * and written as text or as JSON.  No httpd types, so that t/unit links it
 * alone.
 *
 * A group holds named facts, lists and groups; a list holds texts or groups.
 * Names are written for people ("TLS 1.3 suites"); in JSON they are in lower
 * case with '_' for what is neither letter nor digit ("tls_1_3_suites").
 * Strings are not copied: they have to live as long as the tree, in its pool.
 */
#ifndef SSL_REPORT_H
#define SSL_REPORT_H

#include <apr_file_io.h>
#include <apr_pools.h>
#include <apr_tables.h>
#include <openssl/ssl.h>

typedef struct ssl_report ssl_report;

/** An empty group, the root of a tree or to be adopted by one. */
ssl_report *ssl_report_make(apr_pool_t *p);

/** Adds a fact to GROUP.  No text (NULL): nothing is added. */
void ssl_report_text(ssl_report *group, const char *name, const char *text);
void ssl_report_number(ssl_report *group, const char *name, apr_int64_t number);
/** "on" or "off"; in JSON true or false. */
void ssl_report_flag(ssl_report *group, const char *name, int on);

/** A new, empty group or list in GROUP. */
ssl_report *ssl_report_group(ssl_report *group, const char *name);
ssl_report *ssl_report_list(ssl_report *group, const char *name);

/** Adds TEXT to LIST; NULL is not added. */
void ssl_report_item(ssl_report *list, const char *text);

/** A new group in LIST; TITLE heads it in text, JSON does not show it. */
ssl_report *ssl_report_entry(ssl_report *list, const char *title);

/** Adds PART, a group or list of its own, to GROUP under NAME.  A part may be
 * in several groups. */
void ssl_report_adopt(ssl_report *group, const char *name, ssl_report *part);

/** Writes the tree to OUT: aligned and wrapped at 120 columns, control
 * characters as \xHH; or as one JSON value. */
apr_status_t ssl_report_write_text(const ssl_report *report, apr_file_t *out);
apr_status_t ssl_report_write_json(const ssl_report *report, apr_file_t *out);

/* --- what OpenSSL makes of a configuration (ssl_util_describe.c) ------------ */

/** Adds to GROUP what clients can really negotiate with CTX, as OpenSSL would:
 * protocols, ciphers for each of them, groups, options.  CTX stays as it is.
 * GROUPS: what connections set by SSL_set1_groups_list(3); NULL: nothing. */
void ssl_describe_tls(apr_pool_t *p, ssl_report *group, SSL_CTX *ctx, const char *groups);

/** Adds to LIST a group for each certificate of CTX.  The path of its file is
 * its alias (X509_alias_get0(3)).  Changes which certificate of CTX is the
 * current one. */
void ssl_describe_certs(apr_pool_t *p, ssl_report *list, SSL_CTX *ctx);

/** How many CA certificates CTX trusts, and how many CA names clients are told. */
int ssl_describe_count_cas(SSL_CTX *ctx);
int ssl_describe_count_ca_names(const SSL_CTX *ctx);

/** How many certificates, CRLs, in PEM, the file PATH holds. */
int ssl_describe_count_certs(const char *path);
int ssl_describe_count_crls(const char *path);

/** Adds to LIST a group for each certificate of the PEM file PATH that is not a CA's. */
void ssl_describe_file_certs(apr_pool_t *p, ssl_report *list, const char *path);

/** The names of the OpenSSL providers that are loaded, into LIST. */
void ssl_describe_providers(ssl_report *list);

#endif /* SSL_REPORT_H */
