/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Publishing in a directory.
 *
 *   1  create tmp/<session>-<n> exclusively, mode 0400 (so that nobody who holds this account over
 *      SFTP without delete and chmod can change it later)
 *   2  write, fsync, close; if one fails the file is deleted and never looked at again: after a
 *      failed fsync the kernel calls the lost pages clean (S5)
 *   3  open the final directory, link the final name: fails if it is taken (S3), shows the object
 *      only as a whole (S1)
 *   4  fsync the final directory (S2)
 *   5  delete the temporary name; if that fails it is left over and harms nobody
 *
 * A file system without hard links gets renameat2(RENAME_NOREPLACE) in 3.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "storage/local_internal.h"

enum {
    NAME_ATTEMPTS = 10000, /* leftovers of the same session that are stepped over */
    COMPARE_BLOCK = 65536,
    MODE = 0400,
};

/* Create the temporary file under a name that is free; returns the descriptor or -errno. */
static int
create(struct local *l, struct local_temporary *t)
{
    char session[sizeof(l->session)];
    vv_mutex_lock(&l->mutex);
    memcpy(session, l->session, sizeof(session));
    vv_mutex_unlock(&l->mutex);
    for (int i = 0; i < NAME_ATTEMPTS; i++) {
        uint64_t n = atomic_fetch_add(&l->last_temporary, 1) + 1;
        snprintf(t->name, sizeof(t->name), "%s-%" PRIu64, session, n);
        int fd = l->calls->open(t->tmp, t->name,
                                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, MODE);
        if (fd >= 0) {
            return fd;
        }
        if (errno != EEXIST && errno != EINTR) {
            return -errno;
        }
    }
    /* not EEXIST: that would tell the caller that the object is there */
    return -EBUSY;
}

/* Write everything; 0 or errno. */
static int
write_all(const struct local_calls *calls, int fd, struct vv_span data)
{
    while (data.len > 0) {
        ssize_t n = calls->write(fd, data.data, data.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? errno : EIO;
        }
        data = vv_span(data.data + n, data.len - (size_t)n);
    }
    return 0;
}

enum vv_rc
local_temporary_new(struct local *l, int tmp, struct vv_span data, const char *object,
                    struct local_temporary *ret, struct vv_error *err)
{
    struct local_temporary t = {.tmp = tmp};
    int fd = create(l, &t);
    if (fd < 0) {
        return local_error(l, err, -fd, "create a temporary file for", object);
    }
    const char *action = "write";
    int sys = write_all(l->calls, fd, data);
    if (sys == 0 && (l->calls->fsync(fd) != 0 || fstat(fd, &t.identity) != 0)) {
        sys = errno;
        action = "make durable";
    }
    /* never closed twice: whatever close says, the descriptor is gone */
    if (l->calls->close(fd) != 0 && sys == 0) {
        sys = errno;
        action = "make durable";
    }
    if (sys != 0) {
        (void)l->calls->unlink(tmp, t.name);
        return local_error(l, err, sys, action, object);
    }
    *ret = t;
    return VV_OK;
}

/* Whether the file ${name} of ${directory} holds exactly ${data}. */
static bool
holds(int directory, const char *name, struct vv_span data)
{
    VV_CLEANUP(vv_fd_closep)
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    uint8_t block[COMPARE_BLOCK];
    for (;;) {
        ssize_t n = read(fd, block, sizeof(block));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n == 0) {
            return data.len == 0;
        }
        if (n < 0 || (size_t)n > data.len || memcmp(block, data.data, (size_t)n) != 0) {
            return false;
        }
        data = vv_span(data.data + n, data.len - (size_t)n);
    }
}

enum outcome {
    OUTCOME_OURS,    /* the name is there, and this attempt put it there */
    OUTCOME_THEIRS,  /* the name is there, from somebody else */
    OUTCOME_ABSENT,  /* the name is not there */
    OUTCOME_UNKNOWN, /* it cannot be told */
};

/*
 * Find out what a failed attempt to give the final name has done: on a network file system the
 * reply may have been lost, or the request repeated by the client, so that even EEXIST may be the
 * answer to our own success.  Equal bytes alone do not prove that it was us; being the very file
 * we wrote does (or, if it was to be renamed, the temporary name being gone).
 */
static enum outcome
read_back(const struct local_temporary *t, int directory, const char *leaf, struct vv_span data)
{
    struct stat final;
    if (fstatat(directory, leaf, &final, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? OUTCOME_ABSENT : OUTCOME_UNKNOWN;
    }
    if (final.st_dev == t->identity.st_dev && final.st_ino == t->identity.st_ino) {
        return holds(directory, leaf, data) ? OUTCOME_OURS : OUTCOME_UNKNOWN;
    }
    struct stat temporary;
    if (t->renamed && fstatat(t->tmp, t->name, &temporary, AT_SYMLINK_NOFOLLOW) != 0) {
        /* inode numbers need not survive a renaming where there are no hard links */
        bool ours = errno == ENOENT && holds(directory, leaf, data);
        return ours ? OUTCOME_OURS : OUTCOME_UNKNOWN;
    }
    return OUTCOME_THEIRS;
}

/* Give the final name exclusively, by whatever this file system offers; 0 or errno, ENOSYS if it
 * offers nothing. */
static int
give_name(struct local *l, struct local_temporary *t, int directory, const char *leaf)
{
    if (!atomic_load(&l->no_hard_links)) {
        if (l->calls->link(t->tmp, t->name, directory, leaf) == 0) {
            return 0;
        }
        if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS) {
            return errno;
        }
    }
    t->renamed = true;
    if (l->calls->renameat2(t->tmp, t->name, directory, leaf, RENAME_NOREPLACE) != 0) {
        return errno == EINVAL || errno == EOPNOTSUPP ? ENOSYS : errno;
    }
    atomic_store(&l->no_hard_links, true);
    return 0;
}

/* What to say of a name that could not be given, for the reason ${sys}. */
static enum vv_rc
refused(struct local *l, const struct local_temporary *t, int directory, const char *name,
        struct vv_span data, int sys, struct vv_error *err)
{
    if (sys == ENOSYS) {
        vv_error_set(err, VV_EUNSUPPORTED,
                     "the file system of '%s' has neither hard links nor exclusive renaming",
                     l->path);
        vv_error_hint(err, "choose a file system that has one of them, such as ext4, xfs, btrfs "
                           "or NFS");
        return VV_EUNSUPPORTED;
    }
    switch (read_back(t, directory, storage_leaf(name), data)) {
    case OUTCOME_OURS:
        return VV_OK;
    case OUTCOME_THEIRS:
        return vv_error_set(err, VV_EEXISTS, "'%s/%s' exists already", l->path, name);
    case OUTCOME_ABSENT:
        if (sys == EEXIST) { /* removed since */
            return vv_error_set(err, VV_EEXISTS, "'%s/%s' existed already", l->path, name);
        }
        if (sys == ENOENT && faccessat(t->tmp, t->name, F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
            return vv_error_set(err, VV_ETRANSIENT,
                                "the temporary file of '%s/%s' was deleted by somebody else",
                                l->path, name);
        }
        return local_error(l, err, sys, "publish", name);
    case OUTCOME_UNKNOWN:
        break;
    }
    enum vv_rc rc = local_error(l, err, sys == EEXIST ? EIO : sys, "publish", name);
    vv_error_prefix(err, "it cannot be told whether the object exists now");
    return rc;
}

/* Steps 3 and 4. */
static enum vv_rc
publish_temporary(struct local *l, struct local_temporary *t,
                  const struct local_directory *directory, const char *name, struct vv_span data,
                  struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep) int final = -1;
    VV_TRY(local_directory_begin_sync(l, directory, name, &final, err));
    int sys = give_name(l, t, final, storage_leaf(name));
    if (sys != 0) {
        VV_TRY(refused(l, t, final, name, data, sys, err));
    }
    sys = local_directory_sync(l, final);
    if (sys == 0 && t->renamed) {
        /* the old name must not come back after a crash, with the blocks of the new one */
        VV_CLEANUP(vv_fd_closep) int source = -1;
        struct local_directory tmp = {.fd = t->tmp};
        VV_TRY(local_directory_begin_sync(l, &tmp, name, &source, err));
        sys = local_directory_sync(l, source);
    }
    if (sys != 0) {
        /* Others may have seen the name, so it stays; but it is no success. */
        return local_error(l, err, sys, "make durable the name of", name);
    }
    return VV_OK;
}

enum vv_rc
local_publish(struct storage *s, const char *name, struct vv_span data, struct vv_error *err)
{
    struct local *l = (struct local *)s;
    VV_CLEANUP(local_directory_releasep) struct local_directory directory = LOCAL_NO_DIRECTORY;
    VV_CLEANUP(local_directory_releasep) struct local_directory tmp = LOCAL_NO_DIRECTORY;
    struct local_temporary t = {.tmp = -1};
    VV_TRY(local_directory_of(l, name, &directory, err));
    VV_TRY(local_directory_open(l, "tmp", strlen("tmp"), &tmp, err));
    VV_TRY(local_temporary_new(l, tmp.fd, data, name, &t, err));
    enum vv_rc rc = publish_temporary(l, &t, &directory, name, data, err);
    if (rc != VV_OK || !t.renamed) {
        (void)l->calls->unlink(t.tmp, t.name);
    }
    return rc;
}
