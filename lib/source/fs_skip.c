/* SPDX-License-Identifier: BSD-2-Clause */
/* File systems: which number they have in the snapshot, and which are no place for data.  They are
 * asked once per device number. */
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "core/alloc.h"
#include "source/fs_internal.h"

struct fs_system_device {
    uint64_t device;
    struct fs_system system;
};

/* What the kernel makes up: nothing in it can be restored.  tmpfs, ramfs, devtmpfs and overlay hold
 * what somebody put there and are kept. */
static const uint64_t pseudo_types[] = {
    PROC_SUPER_MAGIC,   SYSFS_MAGIC,          CGROUP_SUPER_MAGIC,  CGROUP2_SUPER_MAGIC,
    DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC,        TRACEFS_MAGIC,       SECURITYFS_MAGIC,
    SELINUX_MAGIC,      SMACK_MAGIC,          BPF_FS_MAGIC,        PSTOREFS_MAGIC,
    EFIVARFS_MAGIC,     HUGETLBFS_MAGIC,      BINFMTFS_MAGIC,      AUTOFS_SUPER_MAGIC,
    NSFS_MAGIC,         RDTGROUP_SUPER_MAGIC, ANON_INODE_FS_MAGIC, SOCKFS_MAGIC,
    PIPEFS_MAGIC,       0x62656570, /* configfs */
    0x65735543,                     /* fusectl */
    0x19800202,                     /* mqueue */
    0x67596969,                     /* rpc_pipefs */
    0x6e667364,                     /* nfsd */
};

bool
source_fs_pseudo(uint64_t type)
{
    for (size_t i = 0; i < VV_COUNT(pseudo_types); i++) {
        if (pseudo_types[i] == type) {
            return true;
        }
    }
    return false;
}

void
fs_systems_release(struct fs_systems *f)
{
    vv_free(f->devices);
    vv_free(f->table);
    for (unsigned i = 0; i < f->outgrown_count; i++) {
        vv_free(f->outgrown[i]);
    }
}

enum vv_rc
fs_systems_begin(struct fs_systems *f, const struct snapshot_file_system *table, uint32_t count,
                 struct vv_error *err)
{
    f->table = vv_alloc_array((size_t)count + 1, sizeof(*f->table));
    if (f->table == NULL) {
        return vv_error_nomem(err);
    }
    if (count > 0) {
        memcpy(f->table, table, count * sizeof(*f->table));
    }
    f->count = count;
    f->cap = count + 1;
    return VV_OK;
}

bool
fs_system_find(const struct fs_systems *f, uint64_t device, struct fs_system *ret)
{
    for (size_t i = f->device_count; i > 0; i--) {
        if (f->devices[i - 1].device == device) {
            *ret = f->devices[i - 1].system;
            return true;
        }
    }
    return false;
}

/* The number of (type, identity) in the table, added if new. */
static enum vv_rc
number_of(struct fs_systems *f, uint64_t type, uint64_t identity, uint32_t *ret,
          struct vv_error *err)
{
    for (uint32_t i = 0; i < f->count; i++) {
        if (f->table[i].type == type && f->table[i].identity == identity) {
            *ret = i + 1;
            return VV_OK;
        }
    }
    if (f->count == f->cap) {
        /* The old table stays: source_fs_file_systems may have handed it out. */
        if (f->outgrown_count == VV_COUNT(f->outgrown)) {
            return vv_error_set(err, VV_ELIMIT, "too many file systems");
        }
        uint32_t cap = f->cap == 0 ? 16 : f->cap * 2;
        struct snapshot_file_system *grown = vv_alloc_array(cap, sizeof(*grown));
        if (grown == NULL) {
            return vv_error_nomem(err);
        }
        if (f->count > 0) {
            memcpy(grown, f->table, f->count * sizeof(*grown));
            f->outgrown[f->outgrown_count++] = f->table;
        }
        f->table = grown;
        f->cap = cap;
    }
    f->table[f->count].type = type;
    f->table[f->count].identity = identity;
    *ret = ++f->count;
    return VV_OK;
}

enum vv_rc
fs_system_learn(struct fs_systems *f, uint64_t device, int fd, struct fs_system *ret,
                struct vv_error *err)
{
    struct statfs st;
    struct fs_system_device found = {.device = device};
    if (fstatfs(fd, &st) != 0) {
        *ret = found.system; /* unknown; inode numbers on it will not be compared */
        return VV_OK;
    }
    uint64_t type = (uint64_t)st.f_type & UINT32_MAX;
    uint64_t identity = 0;
    memcpy(&identity, &st.f_fsid,
           sizeof(identity) < sizeof(st.f_fsid) ? sizeof(identity) : sizeof(st.f_fsid));
    if (identity == 0) {
        identity = device; /* a file system without an identity of its own */
    }
    VV_TRY(number_of(f, type, identity, &found.system.number, err));
    found.system.pseudo = source_fs_pseudo(type);
    struct fs_system_device *grown =
        vv_realloc_array(f->devices, f->device_count + 1, sizeof(*grown));
    if (grown == NULL) {
        return vv_error_nomem(err);
    }
    f->devices = grown;
    f->devices[f->device_count++] = found;
    *ret = found.system;
    return VV_OK;
}
