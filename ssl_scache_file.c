/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ssl_scache_file.c - the file in which the memory of a "shmcb:file:" cache
 * lies, so that sessions outlive the server.
 *
 * The file holds the block of ssl_util_shmcb.c and nothing else: no lock and
 * no address, so that what a former server, or a former boot, left in it is
 * only content, and taken for hostile.  An exclusive flock() for the life
 * of the server (its children inherit it) keeps a second one out.
 *
 * The attacker may write to the directory, and puts links or files of his own
 * there: nothing but a plain file of ours, with one name, is used.  A new one is
 * made as PATH.new, complete, and then takes the name, so that a crash leaves
 * the old one or the new one.  All of its space is reserved: a disk that is full
 * later cannot kill who writes to the memory.
 */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ssl_config.h"
#include "ssl_scache.h"

static int same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static apr_status_t complain(server_rec *s, apr_status_t rv, const char *path, const char *what)
{
    ap_log_error(APLOG_MARK, APLOG_ERR, rv, s, "shmcb:file:%s: %s", path, what);
    return rv;
}

static apr_status_t complain_errno(server_rec *s, const char *path, const char *what)
{
    return complain(s, APR_FROM_OS_ERROR(errno), path, what);
}

/* Takes the lock, and looks whether FD is what it should be. */
static apr_status_t take(int fd, const char *path, struct stat *info, server_rec *s)
{
    if (fstat(fd, info) != 0) {
        return complain_errno(s, path, "cannot be looked at");
    }
    if (!S_ISREG(info->st_mode) || info->st_nlink > 1 || info->st_uid != geteuid()) {
        return complain(s, APR_EACCES, path, "is not used: it must be a plain file, with one name, that belongs to the "
                        "user who starts httpd; remove it, or name another one");
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK
                   ? complain(s, APR_EBUSY, path, "is in use by another server, or by another cache of this one: each "
                              "needs a file of its own")
                   : complain_errno(s, path, "cannot be locked");
    }
    return APR_SUCCESS;
}

/* Others may have read and written what anybody could: it is not believed. */
static int was_open_to_others(int fd, const char *path, const struct stat *info, server_rec *s)
{
    if (!(info->st_mode & 077)) {
        return 0;
    }
    fchmod(fd, 0600);
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, "shmcb:file:%s: others could read or write this file (mode %03o): it is "
                 "emptied, and has mode 600 now", path, (unsigned int)info->st_mode & 0777);
    return 1;
}

static void fill(ssl_cache_file *file, int fd, const struct stat *info)
{
    file->fd = fd;
    file->device = info->st_dev;
    file->inode = info->st_ino;
    file->size = (apr_size_t)info->st_size;
}

apr_status_t ssl_cache_file_open(ssl_cache_file *file, const char *path, server_rec *s)
{
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat info, named;
    apr_status_t rv;

    if (fd < 0) {
        return errno == ENOENT ? APR_ENOENT : complain_errno(s, path, "cannot be opened");
    }
    rv = take(fd, path, &info, s);
    if (rv == APR_SUCCESS && (lstat(path, &named) != 0 || !same_file(&info, &named))) {
        rv = complain(s, APR_EBUSY, path, "another server has just replaced it");
    }
    if (rv != APR_SUCCESS) {
        close(fd);
        return rv;
    }
    if (was_open_to_others(fd, path, &info, s)) {
        info.st_size = 0;
    }
    fill(file, fd, &info);
    return APR_SUCCESS;
}

/* PATH is free, or it is REPLACED. */
static int may_be_made(const char *path, const ssl_cache_file *replaced)
{
    struct stat named;

    return lstat(path, &named) != 0 ? errno == ENOENT : replaced && ssl_cache_file_is(replaced, path);
}

/* As large as it is to be, with space on the disk. */
static apr_status_t reserve(int fd, apr_size_t size)
{
    int failed;

    if (ftruncate(fd, 0) != 0) {
        return APR_FROM_OS_ERROR(errno);
    }
    failed = posix_fallocate(fd, 0, (off_t)size);
    return failed ? APR_FROM_OS_ERROR(failed) : APR_SUCCESS;
}

apr_status_t ssl_cache_file_create(ssl_cache_file *file, const char *path, apr_size_t size,
                                   const ssl_cache_file *replaced, server_rec *s, apr_pool_t *p)
{
    const char *temporary = apr_pstrcat(p, path, ".new", NULL);
    int fd = open(temporary, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    struct stat info, named;
    apr_status_t rv;

    if (fd < 0) {
        return complain_errno(s, temporary, "cannot be made (its directory must be there)");
    }
    rv = take(fd, temporary, &info, s);
    if (rv == APR_SUCCESS && (lstat(temporary, &named) != 0 || !same_file(&info, &named) ||
                              !may_be_made(path, replaced))) {
        rv = complain(s, APR_EBUSY, path, "another server is making it");
    }
    if (rv == APR_SUCCESS) {
        fchmod(fd, 0600);
        rv = reserve(fd, size);
        if (rv != APR_SUCCESS) {
            unlink(temporary);
            complain(s, rv, path, "there is no space for it on this file system");
        }
    }
    if (rv != APR_SUCCESS) {
        close(fd);
        return rv;
    }
    info.st_size = (off_t)size;
    fill(file, fd, &info);
    return APR_SUCCESS;
}

apr_status_t ssl_cache_file_install(const char *path, server_rec *s, apr_pool_t *p)
{
    const char *temporary = apr_pstrcat(p, path, ".new", NULL);
    apr_status_t rv;

    if (rename(temporary, path) == 0) {
        return APR_SUCCESS;
    }
    rv = complain_errno(s, path, "cannot take the place of what is there");
    unlink(temporary);
    return rv;
}

int ssl_cache_file_is(const ssl_cache_file *file, const char *path)
{
    struct stat named;

    return lstat(path, &named) == 0 && named.st_dev == file->device && named.st_ino == file->inode;
}

void ssl_cache_file_close(ssl_cache_file *file)
{
    if (file->fd > 0) {
        close(file->fd);
    }
    memset(file, 0, sizeof(*file));
}
