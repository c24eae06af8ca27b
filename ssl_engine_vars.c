/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_vars.c - SSL_* variables.
 *
 * `variables` below is all of them: a name, or a prefix that takes an index or
 * a component after it, and the getter.  A lookup finds the row by a hash of
 * the exact names, else among the few prefixes.
 *
 * SSLOptions +StdEnvVars sets some seventy variables per request.  Nearly all
 * are facts of a certificate, so they are put into words once per certificate:
 * the list hangs on the X509 itself (ex_data) and goes with it.  That way the
 * server's certificate is worded once per child, a client's once per session,
 * and a renegotiation that brings another certificate cannot leave stale words
 * behind.  HTTP/2 asks from several threads at once, hence words_mutex.
 */
#include "ssl_private.h"

#include "ap_expr.h"
#include "apr_thread_mutex.h"
#include "http_ssl.h"
#include "mod_log_config.h"

#include "mod_ssl.h"
#include "ssl_config.h"
#include "ssl_conn.h"
#include "ssl_vars.h"
#include "ssl_x509.h"

/* A name longer than this is none of ours. */
#define NAME_MAX_LEN 64

/* Whose certificate; ISSUER goes with either: the issuer's name, not the subject's. */
enum { CLIENT = 0, SERVER = 1, ISSUER = 2 };

/* When +StdEnvVars exports the variable, and where its value comes from. */
typedef enum {
    HIDDEN,        /* looked up only */
    PER_CERT,      /* from the words of the certificate */
    PER_CERT_NAME, /* the same, in the format that LegacyDNStringFormat asks for */
    PER_REQUEST,   /* from its getter */
    PER_HELLO      /* the same, with SSLClientHelloVars on */
} export_kind;

/* One question: each of c, r, conn may be NULL. */
typedef struct lookup {
    apr_pool_t *p;
    conn_rec *c;
    request_rec *r;
    ssl_conn *conn;
    X509 *cert; /* this one instead of the connection's */
} lookup;

typedef struct variable variable;

/* The value of variable V, or NULL; REST is what follows V's name if that is a prefix. */
typedef const char *getter(const lookup *q, const variable *v, const char *rest);

struct variable {
    const char *name; /* a prefix if it ends in "_" or ":" */
    getter *get;
    int arg;
    const char *text;
    const void *data;
    export_kind export;
};

/* Made in register_hooks */
static apr_hash_t *exact_names;      /* upper case name -> const variable * */
static apr_array_header_t *prefixes; /* of prefix */

typedef struct prefix {
    const variable *variable;
    size_t len;
} prefix;

/* ---- the connection -------------------------------------------------------- */

static const char *https(const lookup *q, const variable *v, const char *rest)
{
    return !q->c ? NULL : q->conn ? "on" : "off";
}

/* mod_http2 asks for protocol and cipher in the ALPN callback, before the facts are known. */
static const char *protocol(const lookup *q, const variable *v, const char *rest)
{
    if (!q->conn) {
        return NULL;
    }
    return q->conn->facts.protocol ? q->conn->facts.protocol : SSL_get_version(q->conn->ssl);
}

static const SSL_CIPHER *current_cipher(const lookup *q)
{
    const SSL_CIPHER *cipher = q->conn ? SSL_get_current_cipher(q->conn->ssl) : NULL;

    return cipher || !q->conn ? cipher : SSL_get_pending_cipher(q->conn->ssl);
}

static const char *cipher_name(const lookup *q, const variable *v, const char *rest)
{
    const SSL_CIPHER *cipher = current_cipher(q);

    return cipher ? SSL_CIPHER_get_name(cipher) : NULL;
}

/* No library that this module works with has export ciphers. */
static const char *cipher_export(const lookup *q, const variable *v, const char *rest)
{
    return current_cipher(q) ? "false" : NULL;
}

static const char *cipher_bits(const lookup *q, const variable *v, const char *rest)
{
    const SSL_CIPHER *cipher = current_cipher(q);
    int possible = 0, used;

    if (!cipher) {
        return NULL;
    }
    used = SSL_CIPHER_get_bits(cipher, &possible);
    return apr_itoa(q->p, v->arg ? possible : used);
}

static const char *session_id(const lookup *q, const variable *v, const char *rest)
{
    SSL_SESSION *session = q->conn ? SSL_get1_session(q->conn->ssl) : NULL;
    const unsigned char *id;
    unsigned int len = 0;
    const char *text;

    if (!session) {
        return NULL;
    }
    id = SSL_SESSION_get_id(session, &len);
    text = len ? ssl_x509_hex(q->p, id, len) : NULL;
    SSL_SESSION_free(session);
    return text;
}

static const char *session_resumed(const lookup *q, const variable *v, const char *rest)
{
    return !q->conn ? NULL : SSL_session_reused(q->conn->ssl) ? "Resumed" : "Initial";
}

static const char *secure_renegotiation(const lookup *q, const variable *v, const char *rest)
{
    return !q->conn ? NULL : SSL_get_secure_renegotiation_support(q->conn->ssl) ? "true" : "false";
}

static const char *compression(const lookup *q, const variable *v, const char *rest)
{
    return q->conn ? ssl_compat_compression(q->conn->ssl) : NULL;
}

static const char *sni(const lookup *q, const variable *v, const char *rest)
{
    return q->conn ? q->conn->sni : NULL;
}

static const char *srp_user(const lookup *q, const variable *v, const char *rest)
{
    return q->conn ? ssl_compat_srp_username(q->conn->ssl) : NULL;
}

static const char *srp_userinfo(const lookup *q, const variable *v, const char *rest)
{
    return q->conn ? ssl_compat_srp_userinfo(q->conn->ssl) : NULL;
}

static const char *fixed_text(const lookup *q, const variable *v, const char *rest)
{
    return v->text;
}

static const char *library_version(const lookup *q, const variable *v, const char *rest)
{
    return apr_pstrcat(q->p, "OpenSSL/", OpenSSL_version(OPENSSL_VERSION_STRING), NULL);
}

/* ARG: a ssl_fact. */
static const char *handshake_fact(const lookup *q, const variable *v, const char *rest)
{
    return q->conn && q->conn->state >= SSL_CONN_ESTABLISHED ? ssl_handshake_fact(q->p, q->conn, (ssl_fact)v->arg)
                                                             : NULL;
}

/* ---- certificates ---------------------------------------------------------- */

/* The certificate that V speaks of, borrowed; NULL if there is none. */
static X509 *cert_of(const lookup *q, const variable *v)
{
    if (q->cert || !q->conn) {
        return q->cert;
    }
    if (v->arg & SERVER) {
        return SSL_get_certificate(q->conn->ssl);
    }
    return q->conn->facts.peer ? q->conn->facts.peer : SSL_get0_peer_certificate(q->conn->ssl);
}

static const char *cert_version(const lookup *q, const variable *v, const char *rest)
{
    X509 *cert = cert_of(q, v);

    return cert ? apr_ltoa(q->p, X509_get_version(cert) + 1) : NULL;
}

static const char *cert_serial(const lookup *q, const variable *v, const char *rest)
{
    X509 *cert = cert_of(q, v);

    return cert ? ssl_x509_serial(q->p, cert) : NULL;
}

static const char *cert_start(const lookup *q, const variable *v, const char *rest)
{
    X509 *cert = cert_of(q, v);

    return cert ? ssl_x509_time(q->p, X509_get0_notBefore(cert)) : NULL;
}

static const char *cert_end(const lookup *q, const variable *v, const char *rest)
{
    X509 *cert = cert_of(q, v);

    return cert ? ssl_x509_time(q->p, X509_get0_notAfter(cert)) : NULL;
}

static const char *cert_days_left(const lookup *q, const variable *v, const char *rest)
{
    X509 *cert = cert_of(q, v);

    return cert ? ssl_x509_days_left(q->p, X509_get0_notAfter(cert)) : NULL;
}

static const char *cert_signature_algorithm(const lookup *q, const variable *v, const char *rest)
{
    X509 *cert = cert_of(q, v);

    return cert ? OBJ_nid2ln(X509_get_signature_nid(cert)) : NULL;
}

static const char *cert_key_algorithm(const lookup *q, const variable *v, const char *rest)
{
    X509 *cert = cert_of(q, v);
    ASN1_OBJECT *algorithm;

    if (!cert || !X509_PUBKEY_get0_param(&algorithm, NULL, NULL, NULL, X509_get_X509_PUBKEY(cert))) {
        return NULL;
    }
    return OBJ_nid2ln(OBJ_obj2nid(algorithm));
}

static const char *cert_pem(const lookup *q, const variable *v, const char *rest)
{
    X509 *cert = cert_of(q, v);

    return cert ? ssl_x509_pem(q->p, cert) : NULL;
}

static const char *cert_base64(const lookup *q, const variable *v, const char *rest)
{
    X509 *cert = cert_of(q, v);

    return cert ? ssl_x509_base64(q->p, cert) : NULL;
}

static const char *cert_assertion(const lookup *q, const variable *v, const char *rest)
{
    X509 *cert = cert_of(q, v);

    return cert ? ssl_x509_exact_assertion(q->p, cert) : NULL;
}

/* An index as in "_0": digits and nothing else; -1 if TEXT is no such thing. */
static int parse_index(const char *text)
{
    size_t len = strspn(text, "0123456789");

    return len == 0 || len > 6 || text[len] ? -1 : atoi(text);
}

/* REST: which certificate of the chain that the client sent; its own is not among them. */
static const char *cert_chain(const lookup *q, const variable *v, const char *rest)
{
    STACK_OF(X509) *chain = q->conn ? SSL_get_peer_cert_chain(q->conn->ssl) : NULL;
    int index = parse_index(rest);

    return index >= 0 && index < sk_X509_num(chain) ? ssl_x509_pem(q->p, sk_X509_value(chain, index)) : NULL;
}

/* A certificate that optional_no_ca let through is GENEROUS up to TLS 1.2, and
 * FAILED with the reason in TLS 1.3: so do the applications know it.  Never
 * SUCCESS, not even when its session is resumed. */
static const char *client_verify(const lookup *q, const variable *v, const char *rest)
{
    const ssl_conn *conn = q->conn;

    if (!conn) {
        return NULL;
    }
    if (!cert_of(q, v)) {
        return "NONE";
    }
    if (conn->verify_error) {
        return apr_pstrcat(q->p, "FAILED:", conn->verify_error, NULL);
    }
    if (SSL_version(conn->ssl) != TLS1_3_VERSION && (conn->verify_generous || conn->verify_result != X509_V_OK)) {
        return "GENEROUS";
    }
    if (conn->verify_result != X509_V_OK) {
        return apr_pstrcat(q->p, "FAILED:", X509_verify_cert_error_string(conn->verify_result), NULL);
    }
    return conn->verify_generous ? "GENEROUS" : "SUCCESS";
}

/* ---- names in certificates ------------------------------------------------- */

/* x509 in SSL_*_DN_x509. The first of a type is the name it is exported under. */
static const struct dn_component {
    const char *name;
    int nid;
} dn_components[] = {
    { "C", NID_countryName },
    { "ST", NID_stateOrProvinceName },
    { "SP", NID_stateOrProvinceName },
    { "L", NID_localityName },
    { "O", NID_organizationName },
    { "OU", NID_organizationalUnitName },
    { "CN", NID_commonName },
    { "T", NID_title },
    { "I", NID_initials },
    { "G", NID_givenName },
    { "S", NID_surname },
    { "D", NID_description },
    { "UID", NID_userId },
    { "Email", NID_pkcs9_emailAddress },
    { "SerialNumber", NID_serialNumber },
};
enum { DN_COMPONENTS = sizeof(dn_components) / sizeof(dn_components[0]) };

/* SSL_*_SAN_x; `export` has one bit per side: 1 << CLIENT, 1 << SERVER. */
typedef struct san_kind {
    const char *name;
    int type, other_nid, export;
} san_kind;

static const san_kind san_email = { "Email", GEN_EMAIL, 0, 1 << CLIENT | 1 << SERVER };
static const san_kind san_dns = { "DNS", GEN_DNS, 0, 1 << CLIENT | 1 << SERVER };
static const san_kind san_upn = { "OTHER_msUPN", GEN_OTHERNAME, NID_ms_upn, 1 << CLIENT };
static const san_kind san_srv = { "OTHER_dnsSRV", GEN_OTHERNAME, NID_SRVName, 1 << SERVER };
static const san_kind *const san_kinds[] = { &san_email, &san_dns, &san_upn, &san_srv, NULL };

static SSL_X509_CONST X509_NAME *name_of(X509 *cert, const variable *v)
{
    return v->arg & ISSUER ? X509_get_issuer_name(cert) : X509_get_subject_name(cert);
}

static const char *dn(const lookup *q, const variable *v, const char *rest)
{
    X509 *cert = cert_of(q, v);

    if (!cert) {
        return NULL;
    }
    return q->r && (ssl_dir_options(q->r) & SSL_OPT_LEGACY_DN_FORMAT) ? ssl_x509_name_legacy(q->p, name_of(cert, v))
                                                                      : ssl_x509_name_rfc2253(q->p, name_of(cert, v));
}

static int component_nid(const char *name, size_t len)
{
    for (int i = 0; i < DN_COMPONENTS; i++) {
        if (strlen(dn_components[i].name) == len && !memcmp(dn_components[i].name, name, len)) {
            return dn_components[i].nid;
        }
    }
    return NID_undef;
}

/* REST: x509, x509_n, x509_RAW or x509_n_RAW; an empty n is 0. */
static const char *dn_component(const lookup *q, const variable *v, const char *rest)
{
    X509 *cert = cert_of(q, v);
    size_t len = strlen(rest), name_len = strcspn(rest, "_");
    int raw = len > 4 && !strcmp(rest + len - 4, "_RAW");
    const char *index_text;
    int nid = component_nid(rest, name_len), index = 0;

    if (raw) {
        len -= 4;
    }
    if (!cert || nid == NID_undef) {
        return NULL;
    }
    if (len > name_len + 1) {
        index_text = apr_pstrmemdup(q->p, rest + name_len + 1, len - name_len - 1);
        index = parse_index(index_text);
    }
    return index < 0 ? NULL : ssl_x509_name_entry(q->p, name_of(cert, v), nid, index, raw);
}

/* REST: which one, counting those that have no usable value. */
static const char *san(const lookup *q, const variable *v, const char *rest)
{
    const san_kind *kind = v->data;
    X509 *cert = cert_of(q, v);
    int index = parse_index(rest);
    apr_array_header_t *names;

    if (!cert || index < 0) {
        return NULL;
    }
    names = ssl_x509_alt_names(q->p, cert, kind->type, kind->other_nid);
    return index < names->nelts ? APR_ARRAY_IDX(names, index, const char *) : NULL;
}

/* ---- the request, the server, the time ------------------------------------- */

static const char *request_header(const lookup *q, const variable *v, const char *rest)
{
    return q->r ? apr_table_get(q->r->headers_in, v->text ? v->text : rest) : NULL;
}

/* As ENV: in mod_rewrite: what the request says, else what the server was started with. */
static const char *request_env(const lookup *q, const variable *v, const char *rest)
{
    const char *value;

    if (!q->r) {
        return NULL;
    }
    value = apr_table_get(q->r->subprocess_env, rest);
    if (!value) {
        value = apr_table_get(q->r->notes, rest);
    }
    return value ? value : getenv(rest);
}

/* ARG: offset of a string in request_rec. */
static const char *request_member(const lookup *q, const variable *v, const char *rest)
{
    return q->r ? *(const char *const *)((const char *)q->r + v->arg) : NULL;
}

static const char *request_scheme(const lookup *q, const variable *v, const char *rest)
{
    return q->r ? ap_http_scheme(q->r) : NULL;
}

static const char *remote_host(const lookup *q, const variable *v, const char *rest)
{
    return q->r ? ap_get_useragent_host(q->r, REMOTE_NAME, NULL) : NULL;
}

static const char *remote_ident(const lookup *q, const variable *v, const char *rest)
{
    return q->r ? ap_get_remote_logname(q->r) : NULL;
}

static const char *is_subrequest(const lookup *q, const variable *v, const char *rest)
{
    return !q->r ? NULL : q->r->main ? "true" : "false";
}

static const char *document_root(const lookup *q, const variable *v, const char *rest)
{
    return q->r ? ap_document_root(q->r) : NULL;
}

static const char *server_admin(const lookup *q, const variable *v, const char *rest)
{
    return q->r ? q->r->server->server_admin : NULL;
}

static const char *server_name(const lookup *q, const variable *v, const char *rest)
{
    return q->r ? ap_get_server_name(q->r) : NULL;
}

static const char *server_port(const lookup *q, const variable *v, const char *rest)
{
    return q->r ? apr_itoa(q->p, ap_get_server_port(q->r)) : NULL;
}

static const char *server_software(const lookup *q, const variable *v, const char *rest)
{
    return ap_get_server_banner();
}

/* TEXT: how strftime() writes it. */
static const char *local_time(const lookup *q, const variable *v, const char *rest)
{
    apr_time_exp_t now;
    apr_size_t len;
    char text[32];

    apr_time_exp_lt(&now, apr_time_now());
    return apr_strftime(text, &len, sizeof(text), v->text, &now) == APR_SUCCESS ? apr_pstrmemdup(q->p, text, len)
                                                                                : NULL;
}

/* TEXT: today's name of it. */
static const char *alias(const lookup *q, const variable *v, const char *rest)
{
    return ssl_var_lookup(q->p, NULL, q->c, q->r, v->text);
}

/* ---- the table -------------------------------------------------------------- */

/* clang-format off */
#define CERT(side, arg) \
    { "SSL_" #side "_M_VERSION", cert_version, arg, .export = PER_CERT }, \
    { "SSL_" #side "_M_SERIAL", cert_serial, arg, .export = PER_CERT }, \
    { "SSL_" #side "_V_START", cert_start, arg, .export = PER_CERT }, \
    { "SSL_" #side "_V_END", cert_end, arg, .export = PER_CERT }, \
    { "SSL_" #side "_S_DN", dn, arg, .export = PER_CERT_NAME }, \
    { "SSL_" #side "_S_DN_", dn_component, arg }, \
    { "SSL_" #side "_I_DN", dn, (arg) | ISSUER, .export = PER_CERT_NAME }, \
    { "SSL_" #side "_I_DN_", dn_component, (arg) | ISSUER }, \
    { "SSL_" #side "_A_KEY", cert_key_algorithm, arg, .export = PER_CERT }, \
    { "SSL_" #side "_A_SIG", cert_signature_algorithm, arg, .export = PER_CERT }, \
    { "SSL_" #side "_SAN_Email_", san, arg, .data = &san_email }, \
    { "SSL_" #side "_SAN_DNS_", san, arg, .data = &san_dns }, \
    { "SSL_" #side "_SAN_OTHER_msUPN_", san, arg, .data = &san_upn }, \
    { "SSL_" #side "_SAN_OTHER_dnsSRV_", san, arg, .data = &san_srv }, \
    { "SSL_" #side "_CERT", cert_pem, arg }, \
    { "SSL_" #side "_B64CERT", cert_base64, arg }

/* Names of the older solutions (manual: "Compatibility", table 2): looked up, never exported. */
#define ALIAS(name, today) { name, alias, .text = today }
#define CERT_ALIASES(side) \
    ALIAS("SSL_" #side "_CERTIFICATE", "SSL_" #side "_CERT"), \
    ALIAS("SSL_" #side "_CERT_START", "SSL_" #side "_V_START"), \
    ALIAS("SSL_" #side "_CERT_END", "SSL_" #side "_V_END"), \
    ALIAS("SSL_" #side "_CERT_SERIAL", "SSL_" #side "_M_SERIAL"), \
    ALIAS("SSL_" #side "_SIGNATURE_ALGORITHM", "SSL_" #side "_A_SIG"), \
    ALIAS("SSL_" #side "_DN", "SSL_" #side "_S_DN"), \
    ALIAS("SSL_" #side "_CN", "SSL_" #side "_S_DN_CN"), \
    ALIAS("SSL_" #side "_EMAIL", "SSL_" #side "_S_DN_Email"), \
    ALIAS("SSL_" #side "_O", "SSL_" #side "_S_DN_O"), \
    ALIAS("SSL_" #side "_OU", "SSL_" #side "_S_DN_OU"), \
    ALIAS("SSL_" #side "_C", "SSL_" #side "_S_DN_C"), \
    ALIAS("SSL_" #side "_SP", "SSL_" #side "_S_DN_SP"), \
    ALIAS("SSL_" #side "_L", "SSL_" #side "_S_DN_L"), \
    ALIAS("SSL_" #side "_IDN", "SSL_" #side "_I_DN"), \
    ALIAS("SSL_" #side "_ICN", "SSL_" #side "_I_DN_CN"), \
    ALIAS("SSL_" #side "_IEMAIL", "SSL_" #side "_I_DN_Email"), \
    ALIAS("SSL_" #side "_IO", "SSL_" #side "_I_DN_O"), \
    ALIAS("SSL_" #side "_IOU", "SSL_" #side "_I_DN_OU"), \
    ALIAS("SSL_" #side "_IC", "SSL_" #side "_I_DN_C"), \
    ALIAS("SSL_" #side "_ISP", "SSL_" #side "_I_DN_SP"), \
    ALIAS("SSL_" #side "_IL", "SSL_" #side "_I_DN_L")

static const variable variables[] = {
    { "HTTPS", https },
    { "SSL_TLS_SNI", sni },
    { "SSL_VERSION_INTERFACE", fixed_text, .text = SSL_MODULE_VERSION, .export = PER_REQUEST },
    { "SSL_VERSION_LIBRARY", library_version, .export = PER_REQUEST },
    { "SSL_VERSION_LIBRARY_INTERFACE", fixed_text, .text = "OpenSSL/" OPENSSL_VERSION_STR },
    { "SSL_PROTOCOL", protocol, .export = PER_REQUEST },
    { "SSL_SECURE_RENEG", secure_renegotiation, .export = PER_REQUEST },
    { "SSL_COMPRESS_METHOD", compression, .export = PER_REQUEST },
    { "SSL_CIPHER", cipher_name, .export = PER_REQUEST },
    { "SSL_CIPHER_EXPORT", cipher_export, .export = PER_REQUEST },
    { "SSL_CIPHER_USEKEYSIZE", cipher_bits, 0, .export = PER_REQUEST },
    { "SSL_CIPHER_ALGKEYSIZE", cipher_bits, 1, .export = PER_REQUEST },
    { "SSL_SRP_USER", srp_user, .export = PER_REQUEST },
    { "SSL_SRP_USERINFO", srp_userinfo, .export = PER_REQUEST },
    { "SSL_SESSION_ID", session_id, .export = PER_REQUEST },
    { "SSL_SESSION_RESUMED", session_resumed, .export = PER_REQUEST },

    { "SSL_SHARED_CIPHERS", handshake_fact, SSL_FACT_SHARED_CIPHERS },
    { "SSL_HANDSHAKE_RTT", handshake_fact, SSL_FACT_ROUND_TRIP },
    { "SSL_NEGOTIATED_GROUP", handshake_fact, SSL_FACT_GROUP },
    { "SSL_SIGALG", handshake_fact, SSL_FACT_SIGNATURE },
    { "SSL_CLIENT_SIGALG", handshake_fact, SSL_FACT_CLIENT_SIGNATURE },
    { "SSL_ALPN", handshake_fact, SSL_FACT_ALPN },
    { "SSL_CLIENTHELLO_VERSION", handshake_fact, SSL_FACT_HELLO_VERSION, .export = PER_HELLO },
    { "SSL_CLIENTHELLO_CIPHERS", handshake_fact, SSL_FACT_HELLO_CIPHERS, .export = PER_HELLO },
    { "SSL_CLIENTHELLO_EXTENSIONS", handshake_fact, SSL_FACT_HELLO_EXTENSIONS, .export = PER_HELLO },
    { "SSL_CLIENTHELLO_GROUPS", handshake_fact, SSL_FACT_HELLO_GROUPS, .export = PER_HELLO },
    { "SSL_CLIENTHELLO_EC_FORMATS", handshake_fact, SSL_FACT_HELLO_EC_FORMATS, .export = PER_HELLO },
    { "SSL_CLIENTHELLO_SIG_ALGOS", handshake_fact, SSL_FACT_HELLO_SIG_ALGOS, .export = PER_HELLO },
    { "SSL_CLIENTHELLO_ALPN", handshake_fact, SSL_FACT_HELLO_ALPN, .export = PER_HELLO },
    { "SSL_CLIENTHELLO_VERSIONS", handshake_fact, SSL_FACT_HELLO_VERSIONS, .export = PER_HELLO },
    { "SSL_JA3", handshake_fact, SSL_FACT_JA3, .export = PER_HELLO },
    { "SSL_JA3_HASH", handshake_fact, SSL_FACT_JA3_HASH, .export = PER_HELLO },
    { "SSL_JA4", handshake_fact, SSL_FACT_JA4, .export = PER_HELLO },
    { "SSL_JA4_R", handshake_fact, SSL_FACT_JA4_RAW, .export = PER_HELLO },

    { "SSL_CLIENT_VERIFY", client_verify, CLIENT, .export = PER_REQUEST },
    { "SSL_CLIENT_V_REMAIN", cert_days_left, CLIENT, .export = PER_REQUEST },
    { "SSL_SERVER_V_REMAIN", cert_days_left, SERVER },
    { "SSL_CLIENT_CERT_RFC4523_CEA", cert_assertion, CLIENT, .export = PER_CERT },
    { "SSL_CLIENT_CERT_CHAIN_", cert_chain, CLIENT },
    CERT(CLIENT, CLIENT),
    CERT(SERVER, SERVER),

    { "HTTP_USER_AGENT", request_header, .text = "User-Agent" },
    { "HTTP_REFERER", request_header, .text = "Referer" },
    { "HTTP_COOKIE", request_header, .text = "Cookie" },
    { "HTTP_FORWARDED", request_header, .text = "Forwarded" },
    { "HTTP_HOST", request_header, .text = "Host" },
    { "HTTP_PROXY_CONNECTION", request_header, .text = "Proxy-Connection" },
    { "HTTP_ACCEPT", request_header, .text = "Accept" },
    { "HTTP:", request_header },
    { "ENV:", request_env },
    { "THE_REQUEST", request_member, APR_OFFSETOF(request_rec, the_request) },
    { "REQUEST_FILENAME", request_member, APR_OFFSETOF(request_rec, filename) },
    { "SCRIPT_FILENAME", request_member, APR_OFFSETOF(request_rec, filename) },
    { "REQUEST_METHOD", request_member, APR_OFFSETOF(request_rec, method) },
    { "REQUEST_URI", request_member, APR_OFFSETOF(request_rec, uri) },
    { "PATH_INFO", request_member, APR_OFFSETOF(request_rec, path_info) },
    { "QUERY_STRING", request_member, APR_OFFSETOF(request_rec, args) },
    { "SERVER_PROTOCOL", request_member, APR_OFFSETOF(request_rec, protocol) },
    { "REMOTE_ADDR", request_member, APR_OFFSETOF(request_rec, useragent_ip) },
    { "REMOTE_USER", request_member, APR_OFFSETOF(request_rec, user) },
    { "AUTH_TYPE", request_member, APR_OFFSETOF(request_rec, ap_auth_type) },
    { "REQUEST_SCHEME", request_scheme },
    { "REMOTE_HOST", remote_host },
    { "REMOTE_IDENT", remote_ident },
    { "IS_SUBREQ", is_subrequest },
    { "DOCUMENT_ROOT", document_root },
    { "SERVER_ADMIN", server_admin },
    { "SERVER_NAME", server_name },
    { "SERVER_PORT", server_port },
    { "SERVER_SOFTWARE", server_software },
    { "API_VERSION", fixed_text, .text = APR_STRINGIFY(MODULE_MAGIC_NUMBER_MAJOR) },
    { "TIME_YEAR", local_time, .text = "%Y" },
    { "TIME_MON", local_time, .text = "%m" },
    { "TIME_DAY", local_time, .text = "%d" },
    { "TIME_HOUR", local_time, .text = "%H" },
    { "TIME_MIN", local_time, .text = "%M" },
    { "TIME_SEC", local_time, .text = "%S" },
    { "TIME_WDAY", local_time, .text = "%w" },
    { "TIME", local_time, .text = "%Y%m%d%H%M%S" },

    ALIAS("SSL_PROTOCOL_VERSION", "SSL_PROTOCOL"),
    ALIAS("SSLEAY_VERSION", "SSL_VERSION_LIBRARY"),
    ALIAS("SSL_SSLEAY_VERSION", "SSL_VERSION_LIBRARY"),
    ALIAS("HTTPS_CIPHER", "SSL_CIPHER"),
    ALIAS("HTTPS_EXPORT", "SSL_CIPHER_EXPORT"),
    ALIAS("SSL_EXPORT", "SSL_CIPHER_EXPORT"),
    ALIAS("HTTPS_SECRETKEYSIZE", "SSL_CIPHER_USEKEYSIZE"),
    ALIAS("SSL_SECKEYSIZE", "SSL_CIPHER_USEKEYSIZE"),
    ALIAS("HTTPS_KEYSIZE", "SSL_CIPHER_ALGKEYSIZE"),
    ALIAS("SSL_KEYSIZE", "SSL_CIPHER_ALGKEYSIZE"),
    ALIAS("SSL_SERVER_KEY_SIZE", "SSL_CIPHER_ALGKEYSIZE"),
    CERT_ALIASES(CLIENT),
    CERT_ALIASES(SERVER),
    { NULL }
};
/* clang-format on */

static int is_prefix(const variable *v)
{
    char last = v->name[strlen(v->name) - 1];

    return last == '_' || last == ':';
}

/* NAME in upper case in BUFFER (of NAME_MAX_LEN); 0 if it is too long. */
static size_t fold_name(char *buffer, const char *name)
{
    size_t len = 0;

    for (; name[len]; len++) {
        if (len == NAME_MAX_LEN) {
            return 0;
        }
        buffer[len] = apr_toupper(name[len]);
    }
    return len;
}

static void index_names(apr_pool_t *p)
{
    exact_names = apr_hash_make(p);
    prefixes = apr_array_make(p, 16, sizeof(prefix));
    for (const variable *v = variables; v->name; v++) {
        if (is_prefix(v)) {
            APR_ARRAY_PUSH(prefixes, prefix) = (prefix){ v, strlen(v->name) };
        }
        else {
            apr_hash_set(exact_names, v->name, APR_HASH_KEY_STRING, v);
        }
    }
}

/* The row of NAME; *REST is what follows if it is a prefix. */
static const variable *find_variable(const char *name, const char **rest)
{
    char folded[NAME_MAX_LEN];
    size_t len = fold_name(folded, name);
    const variable *v = len && exact_names ? apr_hash_get(exact_names, folded, (apr_ssize_t)len) : NULL;

    *rest = "";
    if (v || !prefixes) {
        return v;
    }
    for (int i = 0; i < prefixes->nelts; i++) {
        const prefix *candidate = &APR_ARRAY_IDX(prefixes, i, prefix);

        if (!strncasecmp(name, candidate->variable->name, candidate->len)) {
            *rest = name + candidate->len;
            return candidate->variable;
        }
    }
    return NULL;
}

const char *ssl_var_lookup(apr_pool_t *p, server_rec *s, conn_rec *c, request_rec *r, const char *name)
{
    const char *rest;
    const variable *v = find_variable(name, &rest);
    lookup q = { .p = p, .c = c ? c : r ? r->connection : NULL, .r = r };

    if (!v) {
        return NULL;
    }
    q.conn = q.c ? ssl_conn_secure(q.c) : NULL;
    return v->get(&q, v, rest);
}

apr_array_header_t *ssl_vars_ext_list(apr_pool_t *p, conn_rec *c, int peer, const char *extension)
{
    variable side = { .arg = peer ? CLIENT : SERVER };
    lookup q = { .p = p, .c = c, .conn = c ? ssl_conn_secure(c) : NULL };
    X509 *cert = cert_of(&q, &side);

    return cert && extension ? ssl_x509_extensions(p, cert, extension) : NULL;
}

/* ---- the words of a certificate ---------------------------------------------- */

/* Which words: always, in one DN format or the other, or with ExportCertData. */
enum { WORD_STD = 1, WORD_DN = 2, WORD_LEGACY_DN = 4, WORD_PEM = 8 };

typedef struct word {
    const char *name, *value;
    int kind;
} word;

/* One block of memory: the words, then their strings. */
typedef struct words {
    int count;
    word word[];
} words;

static apr_thread_mutex_t *words_mutex;
static int words_index[2] = { -1, -1 }; /* of X509's ex_data: CLIENT, SERVER */

static void add_word(apr_array_header_t *list, const char *name, const char *value, int kind)
{
    if (value) {
        *(word *)apr_array_push(list) = (word){ name, value, kind };
    }
}

/* The same, but an empty value is not exported. */
static void add_filled(apr_array_header_t *list, const char *name, const char *value, int kind)
{
    add_word(list, name, value && *value ? value : NULL, kind);
}

static int exported_component(int nid)
{
    for (int i = 0; i < DN_COMPONENTS; i++) {
        if (dn_components[i].nid == nid) {
            return i;
        }
    }
    return -1;
}

/* The attributes of NAME under PREFIX: "..._OU", "..._OU_1", as they come. */
static void word_name(apr_pool_t *p, apr_array_header_t *list, const char *prefix, SSL_X509_CONST X509_NAME *name)
{
    int seen[DN_COMPONENTS] = { 0 };

    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        SSL_X509_CONST X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        int which = exported_component(OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)));
        const char *key;

        if (which < 0) {
            continue;
        }
        key = apr_pstrcat(p, prefix, dn_components[which].name, NULL);
        if (seen[which]++) {
            key = apr_psprintf(p, "%s_%d", key, seen[which] - 1);
        }
        add_word(list, key, ssl_x509_string(p, X509_NAME_ENTRY_get_data(entry), 0), WORD_STD);
    }
}

/* The alternative names of one kind, those with a usable value numbered from 0. */
static void word_alt_names(apr_pool_t *p, apr_array_header_t *list, const char *prefix, X509 *cert,
                           const san_kind *kind)
{
    apr_array_header_t *names = ssl_x509_alt_names(p, cert, kind->type, kind->other_nid);

    for (int i = 0, n = 0; i < names->nelts; i++) {
        const char *value = APR_ARRAY_IDX(names, i, const char *);

        if (value) {
            add_word(list, apr_psprintf(p, "%sSAN_%s_%d", prefix, kind->name, n++), value, WORD_STD);
        }
    }
}

/* The rows of the table that are facts of CERT. */
static void word_rows(apr_pool_t *p, apr_array_header_t *list, X509 *cert, int side)
{
    lookup q = { .p = p, .cert = cert };

    for (const variable *v = variables; v->name; v++) {
        if ((v->arg & SERVER) != side || (v->export != PER_CERT && v->export != PER_CERT_NAME)) {
            continue;
        }
        add_filled(list, v->name, v->get(&q, v, ""), v->export == PER_CERT ? WORD_STD : WORD_DN);
        if (v->export == PER_CERT_NAME) {
            add_filled(list, v->name, ssl_x509_name_legacy(p, name_of(cert, v)), WORD_LEGACY_DN);
        }
    }
}

static apr_array_header_t *word_cert(apr_pool_t *p, X509 *cert, int side)
{
    apr_array_header_t *list = apr_array_make(p, 64, sizeof(word));
    const char *prefix = side == SERVER ? "SSL_SERVER_" : "SSL_CLIENT_";

    word_name(p, list, apr_pstrcat(p, prefix, "S_DN_", NULL), X509_get_subject_name(cert));
    word_name(p, list, apr_pstrcat(p, prefix, "I_DN_", NULL), X509_get_issuer_name(cert));
    for (const san_kind *const *kind = san_kinds; *kind; kind++) {
        if ((*kind)->export & 1 << side) {
            word_alt_names(p, list, prefix, cert, *kind);
        }
    }
    word_rows(p, list, cert, side);
    add_word(list, apr_pstrcat(p, prefix, "CERT", NULL), ssl_x509_pem(p, cert), WORD_PEM);
    return list;
}

static const char *put_string(char **at, const char *string)
{
    size_t size = strlen(string) + 1;
    char *copy = memcpy(*at, string, size);

    *at += size;
    return copy;
}

/* LIST in one block of memory, to be freed by OPENSSL_free(); NULL if there is none. */
static words *pack_words(const apr_array_header_t *list)
{
    const word *from = (const word *)list->elts;
    size_t size = sizeof(words) + (size_t)list->nelts * sizeof(word);
    words *packed;
    char *at;

    for (int i = 0; i < list->nelts; i++) {
        size += strlen(from[i].name) + strlen(from[i].value) + 2;
    }
    packed = OPENSSL_malloc(size);
    if (!packed) {
        return NULL;
    }
    packed->count = list->nelts;
    at = (char *)&packed->word[list->nelts];
    for (int i = 0; i < list->nelts; i++) {
        packed->word[i].kind = from[i].kind;
        packed->word[i].name = put_string(&at, from[i].name);
        packed->word[i].value = put_string(&at, from[i].value);
    }
    return packed;
}

/* CRYPTO_EX_free: X509 is about to go. */
static void free_words(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    OPENSSL_free(ptr);
}

/* Hangs CANDIDATE on CERT unless another thread was faster: the words that CERT
 * has from now on. CANDIDATE NULL: those that it has, if any. */
static const words *settle_words(X509 *cert, int index, words *candidate)
{
    words *known;

    apr_thread_mutex_lock(words_mutex);
    known = X509_get_ex_data(cert, index);
    if (!known && candidate && X509_set_ex_data(cert, index, candidate)) {
        known = candidate;
        candidate = NULL;
    }
    apr_thread_mutex_unlock(words_mutex);
    OPENSSL_free(candidate);
    return known;
}

/* The words of CERT, which live as long as it does; P is for what it takes to find them. */
static const words *words_of(apr_pool_t *p, X509 *cert, int side)
{
    const words *known = settle_words(cert, words_index[side == SERVER], NULL);

    return known ? known : settle_words(cert, words_index[side == SERVER], pack_words(word_cert(p, cert, side)));
}

/* OpenSSL would call free_words() after httpd has unloaded this module. */
static apr_status_t forget_words(void *unused)
{
    CRYPTO_free_ex_index(CRYPTO_EX_INDEX_X509, words_index[CLIENT]);
    CRYPTO_free_ex_index(CRYPTO_EX_INDEX_X509, words_index[SERVER]);
    return APR_SUCCESS;
}

/* In PCONF, before any certificate is loaded into it, and so after they all have gone. */
static int prepare_words(apr_pool_t *pconf)
{
    words_index[CLIENT] = X509_get_ex_new_index(0, NULL, NULL, NULL, free_words);
    words_index[SERVER] = X509_get_ex_new_index(0, NULL, NULL, NULL, free_words);
    apr_pool_cleanup_register(pconf, NULL, forget_words, apr_pool_cleanup_null);
    if (words_index[CLIENT] < 0 || words_index[SERVER] < 0) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return apr_thread_mutex_create(&words_mutex, APR_THREAD_MUTEX_DEFAULT, pconf) == APR_SUCCESS
               ? OK
               : HTTP_INTERNAL_SERVER_ERROR;
}

/* ---- the environment ---------------------------------------------------------- */

typedef void set_variable(apr_table_t *env, const char *name, const char *value);

/* Setting a variable searches for an older value of it, and all our names
 * begin alike: that would be most of the work.  Where no SSL_ name is set yet,
 * adding comes to the same. */
static set_variable *how_to_set(const apr_table_t *env)
{
    const apr_array_header_t *list = apr_table_elts(env);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)list->elts;

    for (int i = 0; i < list->nelts; i++) {
        if (!strncasecmp(entry[i].key, "SSL_", 4)) {
            return apr_table_setn;
        }
    }
    return apr_table_addn;
}

static apr_status_t release_cert(void *cert)
{
    X509_free(cert);
    return APR_SUCCESS;
}

/* The environment points into the words of CERT: it has to outlive R, through a renegotiation. */
static void hold_cert(request_rec *r, X509 *cert)
{
    X509_up_ref(cert);
    apr_pool_cleanup_register(r->pool, cert, release_cert, apr_pool_cleanup_null);
}

static void export_words(request_rec *r, set_variable *set, X509 *cert, int side, int kinds)
{
    const words *known = cert ? words_of(r->pool, cert, side) : NULL;

    if (!known) {
        return;
    }
    hold_cert(r, cert);
    for (int i = 0; i < known->count; i++) {
        if (known->word[i].kind & kinds) {
            set(r->subprocess_env, known->word[i].name, known->word[i].value);
        }
    }
}

/* HTTPS may be set already: by SetEnv, or by the request that led to this one. */
static void export_always(request_rec *r, set_variable *set, const ssl_conn *conn)
{
    apr_table_setn(r->subprocess_env, "HTTPS", "on");
    if (conn->sni) {
        set(r->subprocess_env, "SSL_TLS_SNI", conn->sni);
    }
}

static void export_rows(const lookup *q, set_variable *set)
{
    int hello_shown = ssl_hello_shown(q->conn);

    for (const variable *v = variables; v->name; v++) {
        int wanted = v->export == PER_REQUEST || (v->export == PER_HELLO && hello_shown);
        const char *value = wanted ? v->get(q, v, "") : NULL;

        if (value && *value) {
            set(q->r->subprocess_env, v->name, value);
        }
    }
}

/* SSL_CLIENT_CERT_CHAIN_n, and SSL_CLIENT_CERT even if there is none. */
static void export_chain(const lookup *q, set_variable *set, X509 *client)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(q->conn->ssl);

    if (!client) {
        set(q->r->subprocess_env, "SSL_CLIENT_CERT", "");
    }
    for (int i = 0; i < sk_X509_num(chain); i++) {
        char *pem = ssl_x509_pem(q->p, sk_X509_value(chain, i));

        if (pem) {
            set(q->r->subprocess_env, apr_psprintf(q->p, "SSL_CLIENT_CERT_CHAIN_%d", i), pem);
        }
    }
}

void ssl_vars_export(request_rec *r, int std_env_vars, int export_cert_data)
{
    lookup q = { .p = r->pool, .c = r->connection, .r = r, .conn = ssl_conn_secure(r->connection) };
    int kinds = export_cert_data ? WORD_PEM : 0;
    set_variable *set;
    X509 *client;

    if (!q.conn) {
        return;
    }
    set = how_to_set(r->subprocess_env);
    export_always(r, set, q.conn);
    if (std_env_vars) {
        kinds |= WORD_STD | (ssl_dir_options(r) & SSL_OPT_LEGACY_DN_FORMAT ? WORD_LEGACY_DN : WORD_DN);
        export_rows(&q, set);
    }
    client = cert_of(&q, &(variable){ .arg = CLIENT });
    if (kinds) {
        export_words(r, set, cert_of(&q, &(variable){ .arg = SERVER }), SERVER, kinds);
        export_words(r, set, client, CLIENT, kinds);
    }
    if (export_cert_data) {
        export_chain(&q, set, client);
    }
}

/* ---- other modules --------------------------------------------------------------- */

/* Callers of the optional function have never been given NULL. */
static char *optional_var_lookup(apr_pool_t *p, server_rec *s, conn_rec *c, request_rec *r, char *name)
{
    const char *value = name ? ssl_var_lookup(p, s, c, r, name) : NULL;

    return value ? apr_pstrdup(p, value) : apr_pstrdup(p, "");
}

/* ---- expressions: %{SSL_...}, %{SSL:...}, ssl(), PeerExtList() ------------------ */

static const char *expr_variable(ap_expr_eval_ctx_t *ctx, const void *name)
{
    return ctx->c && ssl_conn_secure(ctx->c) ? ssl_var_lookup(ctx->p, ctx->s, ctx->c, ctx->r, name) : NULL;
}

static const char *expr_ssl(ap_expr_eval_ctx_t *ctx, const void *unused, const char *name)
{
    return ssl_var_lookup(ctx->p, ctx->s, ctx->c, ctx->r, name);
}

static apr_array_header_t *expr_peer_ext_list(ap_expr_eval_ctx_t *ctx, const void *unused, const char *extension)
{
    return ssl_vars_ext_list(ctx->p, ctx->c, 1, extension);
}

static int expr_lookup(ap_expr_lookup_parms *parms)
{
    if (parms->type == AP_EXPR_FUNC_VAR && !strncasecmp(parms->name, "SSL_", 4)) {
        *parms->func = expr_variable;
        *parms->data = apr_pstrdup(parms->pool, parms->name);
        return OK;
    }
    if (parms->type == AP_EXPR_FUNC_STRING && !strcasecmp(parms->name, "SSL")) {
        *parms->func = expr_ssl;
        *parms->data = NULL;
        return OK;
    }
    if (parms->type == AP_EXPR_FUNC_LIST && !strcasecmp(parms->name, "PeerExtList")) {
        *parms->func = expr_peer_ext_list;
        *parms->data = NULL;
        return OK;
    }
    return DECLINED;
}

/* ---- logs: %{...}x and %{...}c ----------------------------------------------------- */

/* VALUE for a log line: the peer may have chosen it. "-" stands for NULL. */
static const char *log_value(request_rec *r, const char *value)
{
    return value && *value ? ap_escape_logitem(r->pool, value) : NULL;
}

static const char *log_variable(request_rec *r, char *name)
{
    return log_value(r, ssl_var_lookup(r->pool, r->server, r->connection, r, name));
}

static const char *log_cryptography(request_rec *r, char *name)
{
    static const struct {
        const char *name, *variable;
    } functions[] = {
        { "version", "SSL_PROTOCOL" },
        { "cipher", "SSL_CIPHER" },
        { "subjectdn", "SSL_CLIENT_S_DN" },
        { "issuerdn", "SSL_CLIENT_I_DN" },
    };
    const ssl_conn *conn = ssl_conn_secure(r->connection);

    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (!strcmp(name, functions[i].name)) {
            return log_value(r, ssl_var_lookup(r->pool, r->server, r->connection, r, functions[i].variable));
        }
    }
    if (conn && conn->verify_error && !strcmp(name, "errcode")) {
        return apr_ltoa(r->pool, conn->verify_result);
    }
    return conn && !strcmp(name, "errstr") ? log_value(r, conn->verify_error) : NULL;
}

/* Until here mod_log_config may not have been loaded, or have thrown its handlers away. */
static int vars_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    APR_OPTIONAL_FN_TYPE(ap_register_log_handler) *add = APR_RETRIEVE_OPTIONAL_FN(ap_register_log_handler);
    static char variable_tag[] = "x", cryptography_tag[] = "c";

    if (add) {
        add(pconf, variable_tag, log_variable, 0);
        add(pconf, cryptography_tag, log_cryptography, 0);
    }
    return prepare_words(pconf);
}

void ssl_vars_register(apr_pool_t *p)
{
    static const char *const log_config[] = { "mod_log_config.c", NULL };
    APR_OPTIONAL_FN_TYPE(ssl_var_lookup) *lookup_fn = optional_var_lookup;
    APR_OPTIONAL_FN_TYPE(ssl_ext_list) *list_fn = ssl_vars_ext_list;

    index_names(p);
    ap_hook_pre_config(vars_pre_config, log_config, NULL, APR_HOOK_MIDDLE);
    ap_hook_expr_lookup(expr_lookup, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_ssl_var_lookup(ssl_var_lookup, NULL, NULL, APR_HOOK_MIDDLE);
    apr_dynamic_fn_register("ssl_var_lookup", (apr_opt_fn_t *)lookup_fn);
    apr_dynamic_fn_register("ssl_ext_list", (apr_opt_fn_t *)list_fn);
}
