/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_buffer.c - a request body that was read before a handshake, and
 * is given back by an input filter above the one that reads HTTP.
 */
#include "ssl_config.h"
#include "ssl_verify.h"

#include "util_filter.h"

#define FILTER_NAME "SSL/TLS Buffer"

/* Read from the protocol's filter at a time. */
#define CHUNK 8192

static ap_filter_rec_t *buffer_filter;

/* --- giving it back ------------------------------------------------------------------ */

/* Moves what lies before AFTER from SAVED to BB, and the end of the body behind it. */
static void move_until(apr_bucket_brigade *saved, apr_bucket *after, apr_bucket_brigade *bb)
{
    apr_bucket *e;

    while ((e = APR_BRIGADE_FIRST(saved)) != APR_BRIGADE_SENTINEL(saved) && (e != after || APR_BUCKET_IS_EOS(e))) {
        APR_BUCKET_REMOVE(e);
        APR_BRIGADE_INSERT_TAIL(bb, e);
    }
}

static apr_status_t copy_until(apr_bucket_brigade *saved, const apr_bucket *after, apr_bucket_brigade *bb)
{
    apr_bucket *e, *copy;

    for (e = APR_BRIGADE_FIRST(saved); e != APR_BRIGADE_SENTINEL(saved) && e != after; e = APR_BUCKET_NEXT(e)) {
        apr_status_t rv = apr_bucket_copy(e, &copy);

        if (rv != APR_SUCCESS) {
            return rv;
        }
        APR_BRIGADE_INSERT_TAIL(bb, copy);
    }
    return APR_SUCCESS;
}

static apr_status_t give_bytes(apr_bucket_brigade *saved, apr_bucket_brigade *bb, ap_input_mode_t mode, apr_off_t most)
{
    apr_bucket *after;
    apr_status_t rv = apr_brigade_partition(saved, most, &after);

    if (rv != APR_SUCCESS && rv != APR_INCOMPLETE) {
        return rv;
    }
    if (mode == AP_MODE_SPECULATIVE) {
        return copy_until(saved, after, bb);
    }
    move_until(saved, after, bb);
    return APR_SUCCESS;
}

/* The filter stays when it is empty: a subrequest may hold its address. */
static apr_status_t filter_body(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode, apr_read_type_e block,
                                apr_off_t readbytes)
{
    apr_bucket_brigade *saved = f->ctx;

    if (APR_BRIGADE_EMPTY(saved) || mode == AP_MODE_INIT || mode == AP_MODE_EATCRLF) {
        return ap_get_brigade(f->next, bb, mode, block, readbytes);
    }
    switch (mode) {
    case AP_MODE_GETLINE:
        if (APR_BUCKET_IS_EOS(APR_BRIGADE_FIRST(saved))) {
            move_until(saved, NULL, bb);
            return APR_SUCCESS;
        }
        return apr_brigade_split_line(bb, saved, block, HUGE_STRING_LEN);
    case AP_MODE_EXHAUSTIVE:
        APR_BRIGADE_CONCAT(bb, saved);
        return APR_SUCCESS;
    default:
        return give_bytes(saved, bb, mode, readbytes);
    }
}

/* --- reading it ---------------------------------------------------------------------- */

/* Copies the data in BB to the end of SAVED: a bucket may be one byte in a block
 * of thousands. */
static apr_status_t save(apr_bucket_brigade *saved, apr_bucket_brigade *bb, apr_off_t *room, int *is_end)
{
    apr_bucket *e;

    for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb) && !*is_end; e = APR_BUCKET_NEXT(e)) {
        const char *data;
        apr_size_t len;
        apr_status_t rv;

        *is_end = APR_BUCKET_IS_EOS(e);
        if (APR_BUCKET_IS_METADATA(e)) {
            continue;
        }
        rv = apr_bucket_read(e, &data, &len, APR_BLOCK_READ);
        if (rv == APR_SUCCESS && (apr_off_t)len > *room) {
            rv = APR_ENOSPC;
        }
        if (rv == APR_SUCCESS) {
            *room -= (apr_off_t)len;
            rv = apr_brigade_write(saved, NULL, NULL, data, len);
        }
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    return APR_SUCCESS;
}

static apr_status_t read_body(request_rec *r, apr_bucket_brigade *saved, apr_off_t limit)
{
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    apr_status_t rv = APR_SUCCESS;
    int is_end = 0;

    while (rv == APR_SUCCESS && !is_end) {
        rv = ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES, APR_BLOCK_READ, CHUNK);
        if (rv == APR_SUCCESS) {
            rv = save(saved, bb, &limit, &is_end);
        }
        apr_brigade_cleanup(bb);
    }
    APR_BRIGADE_INSERT_TAIL(saved, apr_bucket_eos_create(r->connection->bucket_alloc));
    apr_brigade_destroy(bb);
    return rv;
}

static int refuse_length(request_rec *r, apr_off_t limit)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  APLOGNO(02018) "request body exceeds maximum size (%" APR_OFF_T_FMT ") for SSL buffer: for %s the "
                  "client is asked for another handshake, and its request has to be kept until that is done; see "
                  "SSLRenegBufferSize, or demand the same in the virtual host", limit, r->uri);
    return HTTP_REQUEST_ENTITY_TOO_LARGE;
}

static int has_body(request_rec *r)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");

    return (length && strcmp(length, "0") != 0) || apr_table_get(r->headers_in, "Transfer-Encoding");
}

/* A body above the filters of the protocol: they are what a redirect keeps. */
static void add_filter(request_rec *r, apr_bucket_brigade *saved)
{
    ap_filter_t *f = ap_add_input_filter_handle(buffer_filter, saved, r, r->connection);

    if (r->proto_input_filters == f->next) {
        r->proto_input_filters = f;
    }
}

int ssl_buffer_body(request_rec *r, apr_off_t limit)
{
    apr_bucket_brigade *saved;
    apr_off_t length = 0;
    const char *text = apr_table_get(r->headers_in, "Content-Length");
    apr_status_t rv;

    if (r->main || r->expecting_100 || !has_body(r)) {
        return OK;
    }
    if (text && ap_parse_strict_length(&length, text) && length > limit) {
        return refuse_length(r, limit);
    }
    saved = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    rv = read_body(r, saved, limit);
    if (rv == APR_ENOSPC) {
        return refuse_length(r, limit);
    }
    if (rv != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, rv, r, APLOGNO(02015) "could not read request body for SSL buffer");
        return ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
    }
    add_filter(r, saved);
    return OK;
}

void ssl_buffer_register(apr_pool_t *p)
{
    (void)p;
    buffer_filter = ap_register_input_filter(FILTER_NAME, filter_body, NULL, AP_FTYPE_PROTOCOL - 1);
}
