/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_engine_staplestore.c - SSLStaplingStore: OCSP answers on disk, so that a
 * server that was stopped staples from its first handshake.
 *
 * One file for each certificate, named by its SHA-256, with the answer in DER
 * (openssl ocsp -respin FILE -text shows it).  The directory belongs to the
 * User of the children, for one of them writes.  Whoever may write there might
 * also write nonsense: files are read and judged in a process that has dropped
 * root's privileges, and what it finds reaches the others by the shared table.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ssl_check.h"
#include "ssl_stapling.h"
#include "ssl_x509.h"

#include "mpm_common.h"
#include "unixd.h"

#define READING_LIMIT 30 /* seconds that a start waits for it */

static const char *file_of(const ssl_staple_cert *cert, apr_pool_t *p)
{
    return apr_pstrcat(p, ssl_global()->stapling_store, "/", ssl_x509_hex(p, cert->key, sizeof(cert->key)), NULL);
}

/* --- the directory ---------------------------------------------------------------- */

/* Makes what is not there, for the children's User.  False: logged why not. */
static int prepare(const char *directory, server_rec *s, apr_pool_t *p)
{
    const char *problem;

    if (mkdir(directory, 0700) == 0 && geteuid() == 0 &&
        chown(directory, ap_unixd_config.user_id, ap_unixd_config.group_id) != 0) {
        ap_log_error(APLOG_MARK, APLOG_ERR, errno, s, "SSLStaplingStore: cannot give '%s' to the User of the children",
                     directory);
        return 0;
    }
    problem = ssl_path_problem(p, directory, 1);
    problem = problem ? problem : ssl_path_denied(p, directory, R_OK | W_OK | X_OK);
    if (problem) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, "SSLStaplingStore '%s' cannot be used, OCSP answers are lost when "
                     "the server is stopped: %s; the User of the children must be able to write there", directory, problem);
    }
    return !problem;
}

/* --- reading ------------------------------------------------------------------------ */

static apr_size_t read_file(const char *path, unsigned char *buffer, apr_size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat info;
    apr_size_t len = 0;
    ssize_t n = 1;

    if (fd < 0) {
        return 0;
    }
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        while (n > 0 && len < size) {
            n = read(fd, buffer + len, size - len);
            len += n > 0 ? (apr_size_t)n : 0;
        }
    }
    close(fd);
    return len;
}

static int lacks_answer(const ssl_stapling *stapling, const ssl_staple_cert *cert)
{
    ssl_staple_facts facts;

    return ssl_staple_read_facts(&stapling->table, cert->slot, &facts) != APR_SUCCESS ||
           facts.expires <= apr_time_now();
}

static void read_all(const ssl_stapling *stapling, apr_pool_t *p)
{
    static unsigned char buffer[SSL_STAPLE_MAX_ANSWER + 1];
    apr_pool_t *scratch;
    int i;

    apr_pool_create(&scratch, p);
    for (i = 0; i < stapling->certs->nelts; i++) {
        const ssl_staple_cert *cert = APR_ARRAY_IDX(stapling->certs, i, ssl_staple_cert *);
        apr_size_t len = lacks_answer(stapling, cert) ? read_file(file_of(cert, scratch), buffer, sizeof(buffer)) : 0;

        if (len > 0) {
            ssl_staple_accept(stapling, cert, SSL_STAPLE_FROM_STORE, buffer, len, scratch);
        }
        apr_pool_clear(scratch);
    }
}

/* What httpd's children do to be nobody in particular. */
static void read_unprivileged(const ssl_stapling *stapling, apr_pool_t *p)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGALRM };
    size_t i;

    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        signal(signals[i], SIG_DFL); /* httpd's are for its parent */
    }
    alarm(READING_LIMIT);
    if (ap_run_drop_privileges(p, stapling->server) == 0) {
        read_all(stapling, p);
    }
    _exit(0);
}

static int any_lacks_answer(const ssl_stapling *stapling)
{
    int i;

    for (i = 0; i < stapling->certs->nelts; i++) {
        if (lacks_answer(stapling, APR_ARRAY_IDX(stapling->certs, i, ssl_staple_cert *))) {
            return 1;
        }
    }
    return 0;
}

void ssl_staplestore_load(const ssl_stapling *stapling, apr_pool_t *ptemp)
{
    const char *directory = ssl_global()->stapling_store;
    int status = 0;
    pid_t reader;

    if (!directory || !prepare(directory, stapling->server, ptemp) || !any_lacks_answer(stapling)) {
        return;
    }
    reader = fork();
    if (reader == 0) {
        read_unprivileged(stapling, ptemp);
    }
    while (reader > 0 && waitpid(reader, &status, 0) < 0 && errno == EINTR) {
        /* again */
    }
    if (reader < 0 || !WIFEXITED(status)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, reader < 0 ? errno : 0, stapling->server,
                     "SSLStaplingStore '%s' was not read to its end", directory);
    }
}

/* --- writing ------------------------------------------------------------------------ */

static int write_file(const char *path, const unsigned char *der, apr_size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), whole;

    if (fd < 0) {
        return 0;
    }
    whole = write(fd, der, len) == (ssize_t)len;
    return close(fd) == 0 && whole;
}

/* One thread of one process works at a certificate, seldom two when a restart is under way: hence the number. */
void ssl_staplestore_save(const ssl_staple_cert *cert, const unsigned char *der, apr_size_t len, apr_pool_t *p)
{
    const char *path, *temporary;

    if (!ssl_global()->stapling_store) {
        return;
    }
    path = file_of(cert, p);
    temporary = apr_psprintf(p, "%s.%" APR_PID_T_FMT, path, getpid());
    if (!write_file(temporary, der, len) || rename(temporary, path) != 0) {
        ap_log_error(APLOG_MARK, APLOG_ERR, errno, cert->server, "SSLStaplingStore: cannot write '%s'", path);
        unlink(temporary);
    }
}
