/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_util_ocsp.c - OCSP (RFC 6960): to ask, to fetch, to judge.
 *
 * A responder is reached over plain HTTP, so anybody on the way may be the one
 * who answers.  Whoever it is cannot make a certificate good: that takes a
 * signature.  He can be late, endless or malformed, and that ends here:
 *
 * - one deadline for the whole exchange, one limit for the size of the answer;
 *   the HTTP client is OpenSSL's;
 * - an answer is one DER value and not a byte more;
 * - no status is looked at before the signature was, no signature counts
 *   unless it is the issuer's or of one that the issuer lets answer for it;
 * - what is quoted from an answer is cut short and made printable.
 */
#include <limits.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_network_io.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <apr_support.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/http.h>
#include <openssl/ocsperr.h>
#include <openssl/x509v3.h>

#include "ssl_compat.h"
#include "ssl_ocsp.h"

/* Of a text that came from outside: enough to recognize it by. */
#define QUOTE_MAX 200

/* TEXT, which may be anybody's and NULL, for a log line. */
static const char *quoted(apr_pool_t *p, const char *text)
{
    char *copy = apr_pstrndup(p, text ? text : "", QUOTE_MAX);

    for (char *c = copy; *c; c++) {
        if (!apr_isprint(*c)) {
            *c = '?';
        }
    }
    return text && strlen(text) > QUOTE_MAX ? apr_pstrcat(p, copy, "...", NULL) : copy;
}

/* What OpenSSL complains of, and what that means here. */
static const struct complaint {
    int lib, reason;
    const char *words;
} complaints[] = {
    { ERR_LIB_HTTP, HTTP_R_CONTENT_TYPE_MISMATCH, "it sent text, and no DER" },
    { ERR_LIB_HTTP, HTTP_R_ERROR_PARSING_ASN1_LENGTH, "it sent no DER" },
    { ERR_LIB_HTTP, HTTP_R_FAILED_READING_DATA, "it closed the connection before an answer was whole" },
    { ERR_LIB_HTTP, HTTP_R_HEADER_PARSE_ERROR, "it does not speak HTTP" },
    { ERR_LIB_HTTP, HTTP_R_INCONSISTENT_CONTENT_LENGTH, "its answer is not as long as it says" },
    { ERR_LIB_HTTP, HTTP_R_MAX_RESP_LEN_EXCEEDED, "its answer is too long" },
    { ERR_LIB_HTTP, HTTP_R_MISSING_ASN1_ENCODING, "it sent no DER" },
    { ERR_LIB_HTTP, HTTP_R_MISSING_CONTENT_TYPE, "it does not call its answer application/ocsp-response" },
    { ERR_LIB_HTTP, HTTP_R_MISSING_REDIRECT_LOCATION, "it redirects, which is not followed" },
    { ERR_LIB_HTTP, HTTP_R_RECEIVED_ERROR, "it answers with an HTTP error" },
    { ERR_LIB_HTTP, HTTP_R_RECEIVED_WRONG_HTTP_VERSION, "it does not speak HTTP/1" },
    { ERR_LIB_HTTP, HTTP_R_REDIRECTION_NOT_ENABLED, "it redirects, which is not followed" },
    { ERR_LIB_HTTP, HTTP_R_RESPONSE_TOO_MANY_HDRLINES, "it sends too long an HTTP header" },
    { ERR_LIB_HTTP, HTTP_R_STATUS_CODE_UNSUPPORTED, "it answers with an unexpected HTTP status" },
    { ERR_LIB_HTTP, HTTP_R_UNEXPECTED_CONTENT_TYPE, "it does not call its answer application/ocsp-response" },
    { ERR_LIB_OCSP, OCSP_R_CERTIFICATE_VERIFY_ERROR, "the certificate of who signed it cannot be trusted" },
    { ERR_LIB_OCSP, OCSP_R_ERROR_IN_NEXTUPDATE_FIELD, "its nextUpdate is no time" },
    { ERR_LIB_OCSP, OCSP_R_ERROR_IN_THISUPDATE_FIELD, "its thisUpdate is no time" },
    { ERR_LIB_OCSP, OCSP_R_MISSING_OCSPSIGNING_USAGE, "who signed it is not the issuer of the certificate, and the "
      "signer's certificate is not for OCSP (extended key usage OCSPSigning)" },
    { ERR_LIB_OCSP, OCSP_R_NEXTUPDATE_BEFORE_THISUPDATE, "its nextUpdate lies before its thisUpdate" },
    { ERR_LIB_OCSP, OCSP_R_NOT_BASIC_RESPONSE, "it is not of the type id-pkix-ocsp-basic" },
    { ERR_LIB_OCSP, OCSP_R_NO_RESPONSE_DATA, "there is nothing in it" },
    { ERR_LIB_OCSP, OCSP_R_RESPONSE_CONTAINS_NO_REVOCATION_DATA, "it is about no certificate" },
    { ERR_LIB_OCSP, OCSP_R_ROOT_CA_NOT_TRUSTED, "who signed it is not the issuer of the certificate, nor did that "
      "issue the signer's" },
    { ERR_LIB_OCSP, OCSP_R_SIGNATURE_FAILURE, "its signature is wrong" },
    { ERR_LIB_OCSP, OCSP_R_SIGNER_CERTIFICATE_NOT_FOUND, "it was signed by an unknown, without his certificate" },
    { ERR_LIB_OCSP, OCSP_R_STATUS_EXPIRED, "it has expired" },
    { ERR_LIB_OCSP, OCSP_R_STATUS_NOT_YET_VALID, "it is not valid yet: compare the clocks" },
    { ERR_LIB_OCSP, OCSP_R_STATUS_TOO_OLD, "it is older than allowed" }
};

static const char *words_of(unsigned long error)
{
    for (size_t i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++) {
        if (complaints[i].lib == ERR_GET_LIB(error) && complaints[i].reason == ERR_GET_REASON(error)) {
            return complaints[i].words;
        }
    }
    return NULL;
}

/* Empties OpenSSL's error queue: the last complaint that we have words for, else
 * UNKNOWN and the first one in OpenSSL's words. */
static const char *why(apr_pool_t *p, const char *unknown)
{
    const char *found = NULL, *first = NULL, *data;
    unsigned long error;
    int flags;

    while ((error = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
        const char *words = words_of(error), *reason = ERR_reason_error_string(error);

        if (words) {
            found = (flags & ERR_TXT_STRING) && *data ? apr_pstrcat(p, words, " (", quoted(p, data), ")", NULL) : words;
        }
        first = first ? first : reason;
    }
    return found ? found : first ? apr_pstrcat(p, unknown, " (", quoted(p, first), ")", NULL) : unknown;
}

/* --- to ask ----------------------------------------------------------------- */

static apr_status_t free_query(void *data)
{
    ssl_ocsp_query *query = data;

    OCSP_REQUEST_free(query->request);
    X509_free(query->issuer);
    return APR_SUCCESS;
}

static int fill_query(apr_pool_t *p, ssl_ocsp_query *query, X509 *cert)
{
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), cert, query->issuer);
    unsigned char *at;
    int len;

    if (!id || !OCSP_request_add0_id(query->request, id)) {
        OCSP_CERTID_free(id);
        return 0;
    }
    query->id = id;
    if (query->has_nonce && !OCSP_request_add1_nonce(query->request, NULL, -1)) {
        return 0;
    }
    len = i2d_OCSP_REQUEST(query->request, NULL);
    if (len <= 0) {
        return 0;
    }
    query->der = at = apr_palloc(p, (apr_size_t)len);
    query->len = (apr_size_t)len;
    return i2d_OCSP_REQUEST(query->request, &at) == len;
}

ssl_ocsp_query *ssl_ocsp_query_make(apr_pool_t *p, X509 *cert, X509 *issuer, int nonce)
{
    ssl_ocsp_query *query = apr_pcalloc(p, sizeof(*query));
    int made;

    ERR_set_mark();
    query->has_nonce = nonce;
    query->request = OCSP_REQUEST_new();
    query->issuer = X509_up_ref(issuer) ? issuer : NULL;
    apr_pool_cleanup_register(p, query, free_query, apr_pool_cleanup_null);
    made = query->request && query->issuer && fill_query(p, query, cert);
    ERR_pop_to_mark();
    return made ? query : NULL;
}

static int is_http(const char *url)
{
    return !strncasecmp(url, "http://", 7);
}

const char *ssl_ocsp_responder(apr_pool_t *p, X509 *cert)
{
    STACK_OF(OPENSSL_STRING) *urls = X509_get1_ocsp(cert);
    const char *found = NULL;

    for (int i = 0; i < sk_OPENSSL_STRING_num(urls); i++) {
        const char *url = sk_OPENSSL_STRING_value(urls, i);

        if (is_http(url)) {
            found = url;
            break;
        }
        found = found ? found : url;
    }
    found = found ? apr_pstrdup(p, found) : NULL;
    X509_email_free(urls);
    return found;
}

/* --- to fetch --------------------------------------------------------------- */

/* A URL in its parts. */
typedef struct place {
    const char *host; /* an IPv6 address without brackets */
    const char *path;
    const char *host_header;
    apr_port_t port;
} place;

/* What is wrong with how URL is written, in words, or NULL. */
static const char *url_problem(const char *url)
{
    if (!strncasecmp(url, "https:", 6)) {
        return "https:// is not supported (answers are signed: http:// is as safe)";
    }
    if (!is_http(url)) {
        return "it does not begin with http://";
    }
    for (const char *c = url; *c; c++) {
        if (!apr_isgraph(*c)) {
            return "there is a blank, a control character or something else than ASCII in it";
        }
    }
    return NULL;
}

/* URL in its parts, in AT; what keeps it from that, in words, or NULL. */
static const char *parse_url(apr_pool_t *p, const char *url, place *at)
{
    char *host = NULL, *path = NULL;
    const char *problem = url_problem(url);
    int port;

    /* OpenSSL knows the scheme in small letters only. */
    if (!problem && (!OSSL_HTTP_parse_url(apr_pstrcat(p, "http", url + 4, NULL), NULL, NULL, &host, NULL, &port, &path,
                                          NULL, NULL) || !*host)) {
        problem = "it is not http://host[:port][/path]";
    }
    if (!problem) {
        at->path = apr_pstrdup(p, path);
        at->port = (apr_port_t)port;
        at->host_header = port == 80 ? apr_pstrdup(p, host) : apr_psprintf(p, "%s:%d", host, port);
        at->host = *host == '[' ? apr_pstrmemdup(p, host + 1, strlen(host) - 2) : apr_pstrdup(p, host);
    }
    OPENSSL_free(host);
    OPENSSL_free(path);
    ERR_clear_error();
    return problem;
}

const char *ssl_ocsp_url_problem(apr_pool_t *p, const char *url)
{
    place at;

    return parse_url(p, url, &at);
}

/* A connection to a responder or proxy, that ends by itself. */
typedef struct transport {
    apr_pool_t *p;
    apr_socket_t *socket;
    apr_time_t deadline;
    const volatile int *stop;
    apr_size_t bytes_left; /* to be received, HTTP header and all */
    int late, flooded;
    char head[QUOTE_MAX]; /* the first bytes that came, and a NUL */
} transport;

#define SLICE apr_time_from_msec(100) /* how often an exchange that may be stopped is looked after */

/* Sets how long the next operation on T's socket may take: UNTIL then, but with T's stop no longer than a
 * slice.  False: no time is left. */
static int lend_time(transport *t, apr_time_t until)
{
    apr_interval_time_t left = until - apr_time_now();

    t->late = left <= 0 || (t->stop && *t->stop);
    return !t->late && apr_socket_timeout_set(t->socket, t->stop && left > SLICE ? SLICE : left) == APR_SUCCESS;
}

/* Until there is something to read, or room to write. */
static apr_status_t wait_for(transport *t, int reading)
{
    apr_status_t rv = APR_TIMEUP;

    while (APR_STATUS_IS_TIMEUP(rv) && lend_time(t, t->deadline)) {
        rv = apr_wait_for_io_or_timeout(NULL, t->socket, reading);
    }
    return rv;
}

/* LEN bytes have come. */
static void note_head(transport *t, const char *data, size_t len)
{
    size_t have = strlen(t->head), room = sizeof(t->head) - 1 - have;

    memcpy(t->head + have, data, len < room ? len : room);
}

/* BIO_callback_fn_ex: OpenSSL's HTTP client only counts seconds, and does not
 * look at the clock while data flows. */
static long watch(BIO *bio, int operation, const char *data, size_t len, int i, long l, int result, size_t *processed)
{
    transport *t = (transport *)BIO_get_callback_arg(bio);
    int reading = operation == BIO_CB_READ;

    (void)len, (void)i, (void)l;
    if (operation == (BIO_CB_READ | BIO_CB_RETURN) && result > 0 && processed) {
        note_head(t, data, *processed);
        t->flooded = *processed > t->bytes_left;
        t->bytes_left -= t->flooded ? t->bytes_left : *processed;
        return t->flooded ? 0 : result;
    }
    if (!reading && operation != BIO_CB_WRITE) {
        return result;
    }
    if (wait_for(t, reading) == APR_SUCCESS) {
        return 1;
    }
    BIO_clear_retry_flags(bio);
    return 0;
}

/* T's socket is for ADDRESS, which has half of the time if there is another. */
static apr_status_t connect_to(transport *t, apr_sockaddr_t *address)
{
    apr_time_t until = address->next ? apr_time_now() + (t->deadline - apr_time_now()) / 2 : t->deadline;
    apr_status_t rv = APR_TIMEUP;

    while (APR_STATUS_IS_TIMEUP(rv) && lend_time(t, until)) {
        rv = apr_socket_connect(t->socket, address);
    }
    return rv;
}

/* Each of the host's addresses in turn; a dead one must not take all the time. */
static apr_status_t dial(transport *t, const place *at)
{
    apr_sockaddr_t *address = NULL;
    apr_status_t rv = apr_sockaddr_info_get(&address, at->host, APR_UNSPEC, at->port, 0, t->p);

    for (; address; address = address->next) {
        rv = apr_socket_create(&t->socket, address->family, SOCK_STREAM, APR_PROTO_TCP, t->p);
        if (rv == APR_SUCCESS) {
            rv = connect_to(t, address);
            if (rv == APR_SUCCESS) {
                break;
            }
            apr_socket_close(t->socket);
        }
    }
    return rv;
}

/* A BIO over T's socket, or NULL.  The socket stays T's. */
static BIO *watched_bio(transport *t)
{
    apr_os_sock_t fd;
    BIO *bio;

    if (apr_os_sock_get(&fd, t->socket) != APR_SUCCESS || !(bio = BIO_new_socket(fd, BIO_NOCLOSE))) {
        return NULL;
    }
    BIO_set_callback_ex(bio, watch);
    BIO_set_callback_arg(bio, (char *)t);
    return bio;
}

/* The bytes of ANSWER in P, if they are one DER value. */
static const unsigned char *whole_value(apr_pool_t *p, BIO *answer, apr_size_t *len)
{
    unsigned char *data;
    long size = BIO_get_mem_data(answer, &data), length;
    const unsigned char *at = data;
    int tag, class;

    if (size <= 0 || ASN1_get_object(&at, &length, &tag, &class, size) != V_ASN1_CONSTRUCTED ||
        at + length != data + size) {
        return NULL;
    }
    *len = (apr_size_t)size;
    return apr_pmemdup(p, data, *len);
}

/* One POST of QUERY over T to PATH (a whole URL for a proxy): the answer, to be freed, or NULL. */
static BIO *post(transport *t, const place *at, const char *path, const ssl_ocsp_query *query,
                 const ssl_ocsp_exchange *how, apr_size_t max_len)
{
    STACK_OF(CONF_VALUE) *headers = NULL;
    BIO *bio = watched_bio(t), *request = BIO_new_mem_buf(query->der, (int)query->len), *answer = NULL;

    /* OpenSSL's own Host header lacks the port. */
    if (bio && request && X509V3_add_value("Host", at->host_header, &headers)) {
        answer = OSSL_HTTP_transfer(NULL, NULL, NULL, path, 0, NULL, NULL, bio, bio, NULL, NULL, 0, headers,
                                    "application/ocsp-request", request,
                                    how->any_type ? NULL : "application/ocsp-response", 1, max_len, 0, 0);
    }
    sk_CONF_VALUE_pop_free(headers, X509V3_conf_free);
    BIO_free(request);
    BIO_free(bio);
    return answer;
}

static const char *first_line(apr_pool_t *p, const char *text)
{
    return apr_pstrndup(p, text, strcspn(text, "\r\n"));
}

/* What is wrong with the status that came, or NULL.  OpenSSL refuses errors itself before 3.5, later it hands over what
 * came with them. */
static const char *status_problem(const transport *t)
{
    const char *code = t->head + strcspn(t->head, " "), *reason;

    code += strspn(code, " ");
    if (strncmp(code, "200", 3) == 0) {
        return NULL;
    }
    reason = code + strcspn(code, " \r\n");
    return apr_psprintf(t->p, "it answers with an HTTP error (code=%s, reason=%s)",
                        quoted(t->p, apr_pstrndup(t->p, code, (apr_size_t)(reason - code))),
                        quoted(t->p, first_line(t->p, reason + strspn(reason, " "))));
}

/* The words for an exchange with WHO that did not come about. */
static const char *no_answer(transport *t, const char *who, const ssl_ocsp_exchange *how, apr_size_t max_len)
{
    const char *cause = why(t->p, "it sends too long a line of HTTP, or broke off");

    /* of which OpenSSL since 3.5 says that the connection ended */
    if (*t->head && strncmp(t->head, "HTTP/", strlen("HTTP/")) != 0) {
        cause = apr_psprintf(t->p, "it does not speak HTTP (%s)", quoted(t->p, first_line(t->p, t->head)));
    }
    return t->late ? apr_psprintf(t->p, "%s did not answer within %" APR_TIME_T_FMT " ms", who,
                                  apr_time_as_msec(how->timeout))
         : t->flooded ? apr_psprintf(t->p, "%s sends more than %" APR_SIZE_T_FMT " bytes", who, max_len)
         : apr_psprintf(t->p, "%s sent no usable answer: %s", who, cause);
}

/* What an HTTP header may take in addition to the answer. */
#define HEADER_MAX (16 * 1024)

static apr_status_t exchange(transport *t, const place *at, const char *path, const char *who,
                             const ssl_ocsp_exchange *how, const ssl_ocsp_query *query, const unsigned char **der,
                             apr_size_t *len, const char **problem)
{
    apr_size_t max_len = how->max_len ? how->max_len : SSL_OCSP_MAX_ANSWER;
    const char *wrong;
    BIO *answer;

    t->bytes_left = max_len + HEADER_MAX;
    answer = post(t, at, path, query, how, max_len);
    if (!answer) {
        *problem = no_answer(t, who, how, max_len);
        return t->late ? APR_TIMEUP : APR_EGENERAL;
    }
    wrong = status_problem(t);
    *der = wrong ? NULL : whole_value(t->p, answer, len);
    BIO_free(answer);
    if (!*der) {
        *problem = apr_psprintf(t->p, "%s sent no usable answer: %s", who,
                                wrong ? wrong : "there is something behind it");
    }
    return *der ? APR_SUCCESS : APR_EGENERAL;
}

apr_status_t ssl_ocsp_fetch(apr_pool_t *p, const ssl_ocsp_exchange *how, const ssl_ocsp_query *query,
                            const unsigned char **der, apr_size_t *len, const char **problem)
{
    place at, proxy;
    transport t = { p, .deadline = apr_time_now() + how->timeout, .stop = how->stop };
    const char *who = apr_psprintf(p, "responder %s%s%s", quoted(p, how->url), how->proxy ? " by way of proxy " : "",
                                   how->proxy ? quoted(p, how->proxy) : "");
    const char *wrong = parse_url(p, how->url, &at);
    char buffer[120];
    apr_status_t rv;

    if (!wrong && how->proxy) {
        wrong = parse_url(p, how->proxy, &proxy);
    }
    if (wrong) {
        *problem = apr_psprintf(p, "%s cannot be asked: %s", who, wrong);
        return APR_EGENERAL;
    }
    rv = dial(&t, how->proxy ? &proxy : &at);
    if (rv != APR_SUCCESS) {
        *problem = apr_psprintf(p, "%s cannot be reached: %s", who, apr_strerror(rv, buffer, sizeof(buffer)));
        return APR_STATUS_IS_TIMEUP(rv) ? APR_TIMEUP : APR_EGENERAL;
    }
    ERR_clear_error();
    rv = exchange(&t, &at, how->proxy ? apr_pstrcat(p, "http://", at.host_header, at.path, NULL) : at.path, who, how,
                  query, der, len, problem);
    apr_socket_close(t.socket);
    ERR_clear_error();
    return rv;
}

/* --- to judge --------------------------------------------------------------- */

const char *ssl_ocsp_response_status_words(apr_pool_t *p, int status)
{
    static const char *const words[] = {
        [OCSP_RESPONSE_STATUS_SUCCESSFUL] = "successful",
        [OCSP_RESPONSE_STATUS_MALFORMEDREQUEST] = "malformedRequest (1): it does not understand the question",
        [OCSP_RESPONSE_STATUS_INTERNALERROR] = "internalError (2): it is out of order",
        [OCSP_RESPONSE_STATUS_TRYLATER] = "tryLater (3): it cannot answer for the moment",
        [OCSP_RESPONSE_STATUS_SIGREQUIRED] = "sigRequired (5): it wants questions to be signed, which is not supported",
        [OCSP_RESPONSE_STATUS_UNAUTHORIZED] = "unauthorized (6): it does not answer us, or not for this certificate",
    };
    int known = status >= 0 && status < (int)(sizeof(words) / sizeof(words[0])) && words[status];

    return known ? words[status] : apr_psprintf(p, "%d, which is none that RFC 6960 knows", status);
}

/* A case: what is to be judged, and what came of it. */
typedef struct judgement {
    apr_pool_t *p;
    const ssl_ocsp_query *query;
    const ssl_ocsp_rules *rules;
    const unsigned char *der;
    apr_size_t len;
    OCSP_RESPONSE *response;
    OCSP_BASICRESP *basic;
    OCSP_SINGLERESP *single;
    ssl_ocsp_verdict *verdict;
} judgement;

/* Each step: what is wrong, in words, or NULL. */
static const char *decode(judgement *j)
{
    const unsigned char *at = j->der;

    j->response = j->len > 0 && j->len <= INT_MAX ? d2i_OCSP_RESPONSE(NULL, &at, (long)j->len) : NULL;
    return !j->response ? "it is no OCSP response"
         : at != j->der + j->len ? "there is something behind the OCSP response" : NULL;
}

static const char *check_response_status(judgement *j)
{
    int status = j->verdict->response_status = OCSP_response_status(j->response);

    return status == OCSP_RESPONSE_STATUS_SUCCESSFUL ? NULL
         : apr_pstrcat(j->p, "the responder says ", ssl_ocsp_response_status_words(j->p, status), NULL);
}

static const char *decode_basic(judgement *j)
{
    j->basic = OCSP_response_get1_basic(j->response);
    return j->basic ? NULL : why(j->p, "it cannot be decoded");
}

static const char *check_nonce(judgement *j)
{
    int found = j->query->has_nonce ? OCSP_check_nonce(j->query->request, j->basic) : 1;

    return found == 0 ? "its nonce is that of another question: it is an old answer"
         : found < 0 && j->rules->need_nonce ? "it has no nonce: it may be an old answer" : NULL;
}

/* A store in which the issuer is trusted, whatever stands above it: who asks
 * about a certificate has verified it. */
static X509_STORE *issuer_store(X509 *issuer)
{
    X509_STORE *store = X509_STORE_new();

    if (store && X509_STORE_add_cert(store, issuer) && X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN)) {
        return store;
    }
    X509_STORE_free(store);
    return NULL;
}

/* Signed by the issuer, which whoever asks has verified, or by one of those that
 * are trusted as they stand. */
static int signed_by_known(judgement *j)
{
    const STACK_OF(X509) *responders = j->rules->responders;
    STACK_OF(X509) *known = responders ? sk_X509_dup(responders) : sk_X509_new_null();
    int right = known && sk_X509_push(known, j->query->issuer) &&
                OCSP_basic_verify(j->basic, known, NULL, OCSP_TRUSTOTHER | OCSP_NOINTERN) == 1;

    sk_X509_free(known);
    return right;
}

/* Signed by one whom the issuer lets answer for it. */
static int signed_by_delegate(judgement *j)
{
    X509_STORE *own = j->rules->store ? NULL : issuer_store(j->query->issuer);
    X509_STORE *store = j->rules->store ? j->rules->store : own;
    STACK_OF(X509) *above = j->rules->chain ? sk_X509_dup(j->rules->chain) : sk_X509_new_null();
    int right = store && above && sk_X509_unshift(above, j->query->issuer) &&
                OCSP_basic_verify(j->basic, above, store, 0) == 1;

    sk_X509_free(above);
    X509_STORE_free(own);
    return right;
}

static const char *check_signature(judgement *j)
{
    if (j->rules->no_verify || signed_by_known(j)) {
        return NULL;
    }
    ERR_clear_error();
    return signed_by_delegate(j) ? NULL : why(j->p, "its signature cannot be checked");
}

/* TIME, or 0. */
static apr_time_t time_of(const ASN1_GENERALIZEDTIME *time)
{
    apr_time_exp_t when = { 0 };
    apr_time_t value = 0;
    struct tm tm;

    if (time && ASN1_TIME_to_tm(time, &tm)) {
        when.tm_sec = tm.tm_sec;
        when.tm_min = tm.tm_min;
        when.tm_hour = tm.tm_hour;
        when.tm_mday = tm.tm_mday;
        when.tm_mon = tm.tm_mon;
        when.tm_year = tm.tm_year;
        (void)apr_time_exp_gmt_get(&value, &when);
    }
    return value;
}

static const char *date(apr_pool_t *p, apr_time_t time)
{
    char *text = apr_palloc(p, APR_RFC822_DATE_LEN);

    return time && apr_rfc822_date(text, time) == APR_SUCCESS ? text : "never";
}

static const char *find_single(judgement *j)
{
    int index = OCSP_resp_find(j->basic, j->query->id, -1);

    j->single = index < 0 ? NULL : OCSP_resp_get0(j->basic, index);
    return j->single ? NULL : "it is about another certificate";
}

static const char *check_times(judgement *j)
{
    const ssl_ocsp_rules *rules = j->rules;
    long max_age = rules->max_age < 0 ? -1 : (long)apr_time_sec(rules->max_age);
    ASN1_GENERALIZEDTIME *from = NULL, *to = NULL;

    OCSP_single_get0_status(j->single, NULL, NULL, &from, &to);
    if (OCSP_check_validity(from, to, (long)apr_time_sec(rules->skew), max_age) == 1) {
        j->verdict->this_update = time_of(from);
        j->verdict->next_update = time_of(to);
        return NULL;
    }
    return apr_pstrcat(j->p, why(j->p, "its times cannot be checked"), ", thisUpdate ", date(j->p, time_of(from)),
                       ", nextUpdate ", date(j->p, time_of(to)), NULL);
}

static void read_status(judgement *j)
{
    ssl_ocsp_verdict *v = j->verdict;
    ASN1_GENERALIZEDTIME *revoked_at = NULL;
    int reason = OCSP_REVOKED_STATUS_NOSTATUS, status = OCSP_single_get0_status(j->single, &reason, &revoked_at, NULL,
                                                                                NULL);

    if (status == V_OCSP_CERTSTATUS_GOOD) {
        v->status = SSL_OCSP_GOOD;
        v->words = "the certificate is good";
        return;
    }
    if (status != V_OCSP_CERTSTATUS_REVOKED) {
        v->status = SSL_OCSP_UNKNOWN;
        v->words = "the responder does not know the certificate";
        return;
    }
    v->status = SSL_OCSP_REVOKED;
    v->reason = reason;
    v->revoked_at = time_of(revoked_at);
    v->words = apr_psprintf(j->p, "the certificate was revoked on %s (%s)", date(j->p, v->revoked_at),
                            reason < 0 ? "no reason is given" : OCSP_crl_reason_str(reason));
}

/* In this order: nothing is believed of what is not signed. */
static const struct step {
    const char *(*check)(judgement *j);
    ssl_ocsp_fault fault;
} steps[] = {
    { decode, SSL_OCSP_FAULT_ENCODING },      { check_response_status, SSL_OCSP_FAULT_RESPONDER },
    { decode_basic, SSL_OCSP_FAULT_ENCODING }, { check_nonce, SSL_OCSP_FAULT_NONCE },
    { check_signature, SSL_OCSP_FAULT_SIGNATURE }, { find_single, SSL_OCSP_FAULT_SUBJECT },
    { check_times, SSL_OCSP_FAULT_TIME }
};

const ssl_ocsp_verdict *ssl_ocsp_judge(apr_pool_t *p, const ssl_ocsp_query *query, const unsigned char *der,
                                       apr_size_t len, const ssl_ocsp_rules *rules)
{
    ssl_ocsp_verdict *verdict = apr_pcalloc(p, sizeof(*verdict));
    judgement j = { p, query, rules, der, len, NULL, NULL, NULL, verdict };

    verdict->status = SSL_OCSP_ERROR;
    verdict->response_status = -1;
    verdict->reason = OCSP_REVOKED_STATUS_NOSTATUS;
    ERR_clear_error();
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !verdict->words; i++) {
        verdict->words = steps[i].check(&j);
        verdict->fault = verdict->words ? steps[i].fault : SSL_OCSP_FAULT_NONE;
    }
    if (!verdict->words) {
        read_status(&j);
    }
    OCSP_BASICRESP_free(j.basic);
    OCSP_RESPONSE_free(j.response);
    ERR_clear_error();
    return verdict;
}
