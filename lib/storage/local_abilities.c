/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a directory can promise.  The kind of file system tells what no trial can (whether a
 * listing may come from an old cache, whether fsync means a disk); the rest is tried in tmp/.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "storage/local_internal.h"

/* Not in linux/magic.h of every kernel. */
enum {
    MAGIC_CIFS = (int)0xff534d42,
    MAGIC_FUSE = 0x65735546,
};

/* What the kind of file system allows to be promised at best. */
static uint32_t
allowed_by_kind(int fd)
{
    const uint32_t durable = STORAGE_DURABLE_FILE | STORAGE_DURABLE_NAME;
    const uint32_t all =
        STORAGE_EXCLUSIVE_CREATE | durable | STORAGE_COMPLETE_LISTING | STORAGE_DELETE;
    struct statfs st;
    if (fstatfs(fd, &st) != 0) {
        return 0;
    }
    switch ((uint32_t)st.f_type) {
    case TMPFS_MAGIC:
    case RAMFS_MAGIC: /* fsync does nothing */
        return all & ~durable;
    case MAGIC_FUSE: /* fsync succeeds even if the program behind it has none */
        return all & ~(durable | STORAGE_COMPLETE_LISTING);
    case NFS_SUPER_MAGIC: /* directories are cached */
    case SMB_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case (uint32_t)MAGIC_CIFS:
    case CEPH_SUPER_MAGIC:
    case AFS_SUPER_MAGIC:
    case CODA_SUPER_MAGIC:
    case V9FS_MAGIC:
        return all & ~(uint32_t)STORAGE_COMPLETE_LISTING;
    default:
        return all;
    }
}

/* Give ${t} the name ${other} twice: the second time must fail.  Leaves ${other} if it worked. */
static bool
exclusive(struct local *l, const struct local_temporary *t, const struct local_temporary *second,
          const char *other)
{
    const struct local_calls *c = l->calls;
    if (c->link(t->tmp, t->name, t->tmp, other) == 0) {
        return c->link(t->tmp, t->name, t->tmp, other) != 0 && errno == EEXIST;
    }
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS) {
        return false;
    }
    if (c->renameat2(t->tmp, t->name, t->tmp, other, RENAME_NOREPLACE) != 0) {
        return false;
    }
    return c->renameat2(t->tmp, second->name, t->tmp, other, RENAME_NOREPLACE) != 0 &&
           errno == EEXIST;
}

/* Try in tmp/; false if nothing could be found out. */
static bool
try_abilities(struct local *l, int tmp, uint32_t *abilities, enum vv_rc *ret_why)
{
    struct local_temporary a;
    struct local_temporary b;
    struct vv_span text = vv_span("varve\n", 6);
    *ret_why = local_temporary_new(l, tmp, text, "tmp", &a, NULL);
    if (*ret_why != VV_OK) {
        return false;
    }
    *ret_why = local_temporary_new(l, tmp, text, "tmp", &b, NULL);
    if (*ret_why != VV_OK) {
        (void)l->calls->unlink(tmp, a.name);
        return false;
    }
    char other[LOCAL_TEMPORARY_NAME + 8];
    snprintf(other, sizeof(other), "%s-trial", a.name);
    uint32_t found = *abilities;
    if (!exclusive(l, &a, &b, other)) {
        found &= ~(uint32_t)STORAGE_EXCLUSIVE_CREATE;
    }
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    struct local_directory d = {.fd = tmp};
    if (local_directory_begin_sync(l, &d, "tmp", &fd, NULL) != VV_OK ||
        local_directory_sync(l, fd) != 0 || atomic_load(&l->no_directory_sync)) {
        found &= ~(uint32_t)STORAGE_DURABLE_NAME;
    }
    (void)l->calls->unlink(tmp, a.name); /* gone already if renamed */
    (void)l->calls->unlink(tmp, other);
    if (l->calls->unlink(tmp, b.name) != 0) {
        found &= ~(uint32_t)STORAGE_DELETE;
    }
    *abilities = found;
    return true;
}

uint32_t
local_abilities(struct storage *s)
{
    struct local *l = (struct local *)s;
    if (atomic_load(&l->abilities_known)) {
        return atomic_load(&l->abilities);
    }
    VV_CLEANUP(local_directory_releasep) struct local_directory tmp = LOCAL_NO_DIRECTORY;
    if (local_directory_open(l, "tmp", strlen("tmp"), &tmp, NULL) != VV_OK) {
        return 0;
    }
    uint32_t abilities = allowed_by_kind(tmp.fd);
    enum vv_rc why = VV_OK;
    if (try_abilities(l, tmp.fd, &abilities, &why)) {
        atomic_store(&l->abilities, abilities);
        atomic_store(&l->abilities_known, true);
        return abilities;
    }
    if (why == VV_ENOSPACE) {
        /* A full disk is what prune is needed for; every kind that is not known to be odd can. */
        return abilities;
    }
    return abilities & STORAGE_COMPLETE_LISTING;
}
