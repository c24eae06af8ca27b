/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_ocsp.h - OCSP (RFC 6960): to ask, to fetch, to judge.
 *
 * ssl_util_ocsp.c knows no httpd types, so that t/unit and t/fuzz link it
 * alone.  Nothing here logs: what went wrong is told in words, in which
 * whatever a responder said is cut short and printable.  All that these
 * functions return is in the pool given, or freed with it, by cleanups that
 * hold addresses of this module: no pool that outlives it (the process's).
 * OpenSSL's error queue is empty after them.
 */
#ifndef SSL_OCSP_H
#define SSL_OCSP_H

#include <apr_errno.h>
#include <apr_pools.h>
#include <apr_time.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>

/** What is asked: one certificate. */
typedef struct ssl_ocsp_query {
    OCSP_REQUEST *request;
    OCSP_CERTID *id;          /**< SHA-1, as all responders know it; belongs to request */
    X509 *issuer;             /**< whose answer is wanted */
    int has_nonce;
    const unsigned char *der; /**< request, encoded */
    apr_size_t len;
} ssl_ocsp_query;

/** How it is asked. */
typedef struct ssl_ocsp_exchange {
    const char *url;             /**< http://host[:port][/path]; an IPv6 address in brackets */
    const char *proxy;           /**< the same, of an HTTP proxy; NULL: none, whatever the environment says */
    apr_interval_time_t timeout; /**< for all of it: connecting, sending, receiving */
    apr_size_t max_len;          /**< most bytes of an answer; 0: SSL_OCSP_MAX_ANSWER */
    const volatile int *stop;    /**< once it is true the exchange ends within 100 ms, as if late; NULL: it never is */
    int any_type;                /**< do not insist on Content-Type: application/ocsp-response */
} ssl_ocsp_exchange;

/** Answers are a few hundred bytes, and a few thousand with certificates. */
#define SSL_OCSP_MAX_ANSWER (64 * 1024)

/** Whom to believe, and for how long. */
typedef struct ssl_ocsp_rules {
    X509_STORE *store;                   /**< what a signer's certificate must lead to; NULL: the issuer is enough */
    const STACK_OF(X509) *chain;         /**< what else may stand between the two; NULL: nothing */
    const STACK_OF(X509) *responders;    /**< signers that need to lead nowhere; NULL: none */
    int no_verify;                       /**< signatures are not looked at */
    int need_nonce;                      /**< an answer without the query's nonce is not taken */
    apr_interval_time_t skew;            /**< how far clocks may differ */
    apr_interval_time_t max_age;         /**< since thisUpdate; negative: until nextUpdate */
} ssl_ocsp_rules;

typedef enum {
    SSL_OCSP_GOOD,
    SSL_OCSP_REVOKED,
    SSL_OCSP_UNKNOWN, /**< a valid answer that says that the responder does not know the certificate */
    SSL_OCSP_ERROR    /**< no answer that may be believed */
} ssl_ocsp_status;

/** What is wrong with an answer, for advice that fits. */
typedef enum {
    SSL_OCSP_FAULT_NONE,
    SSL_OCSP_FAULT_ENCODING,  /**< not an OCSP response, or more than that */
    SSL_OCSP_FAULT_RESPONDER, /**< a responseStatus that is not successful */
    SSL_OCSP_FAULT_NONCE,
    SSL_OCSP_FAULT_SIGNATURE,
    SSL_OCSP_FAULT_SUBJECT,   /**< about another certificate */
    SSL_OCSP_FAULT_TIME
} ssl_ocsp_fault;

/** What an answer is worth. */
typedef struct ssl_ocsp_verdict {
    ssl_ocsp_status status;
    ssl_ocsp_fault fault;    /**< SSL_OCSP_ERROR only */
    const char *words;       /**< what it says, or what is wrong with it; never NULL */
    int response_status;     /**< OCSP_RESPONSE_STATUS_..., also of what is not successful; -1: not to be decoded */
    apr_time_t this_update;  /**< 0 where there is none, or with SSL_OCSP_ERROR */
    apr_time_t next_update;  /**< 0: the answer names none */
    apr_time_t revoked_at;   /**< SSL_OCSP_REVOKED only */
    int reason;              /**< OCSP_REVOKED_STATUS_..., SSL_OCSP_REVOKED only */
} ssl_ocsp_verdict;

/** A query about CERT, issued by ISSUER, with a fresh NONCE or without.  Keeps
 * a reference to ISSUER.  NULL: no memory, or no hash SHA-1 in this OpenSSL. */
ssl_ocsp_query *ssl_ocsp_query_make(apr_pool_t *p, X509 *cert, X509 *issuer, int nonce);

/** The first http:// URL of a responder in CERT; if it has none of these the
 * first of any other kind; NULL: it names no responder. */
const char *ssl_ocsp_responder(apr_pool_t *p, X509 *cert);

/** What keeps URL from being a responder's or proxy's, in words; NULL: nothing. */
const char *ssl_ocsp_url_problem(apr_pool_t *p, const char *url);

/** Asks QUERY as HOW says and puts the answer, one whole DER value, still to be
 * judged, into DER and LEN.  Blocks for HOW's timeout at most, apart from
 * looking up the host's name.  No redirection is followed.  APR_SUCCESS, or
 * APR_TIMEUP (nothing whole came in time), APR_EGENERAL, and PROBLEM says with whom and why. */
apr_status_t ssl_ocsp_fetch(apr_pool_t *p, const ssl_ocsp_exchange *how, const ssl_ocsp_query *query,
                            const unsigned char **der, apr_size_t *len, const char **problem);

/** What DER, any LEN bytes, are worth as an answer to QUERY. */
const ssl_ocsp_verdict *ssl_ocsp_judge(apr_pool_t *p, const ssl_ocsp_query *query, const unsigned char *der,
                                       apr_size_t len, const ssl_ocsp_rules *rules);

/** The words for a responseStatus: "tryLater (3): the responder is too busy". */
const char *ssl_ocsp_response_status_words(apr_pool_t *p, int status);

#endif /* SSL_OCSP_H */
