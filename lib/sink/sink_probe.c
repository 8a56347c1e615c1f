/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the target's file system can keep, tried on an unnamed file when a comparison found a
 * difference that the file system itself may be the reason for.
 */

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/file.h"
#include "sink/sink_internal.h"

#define SECOND 1000000000u
#define PROBE_SIZE (16 << 20)

/* Which flags stick.  Immutable and append are a matter of rights and forbid the rest. */
static uint32_t
probe_flags(struct sink *s, const struct sink_object *o)
{
    struct statfs vfs;
    uint32_t kept = 0;
    uint32_t before;
    uint32_t after;

    if (!sink_flags_read(o, &before)) {
        return 0;
    }
    for (uint32_t bit = 1; bit != 0; bit <<= 1) {
        if ((INODE_FLAGS_KEPT & ~SINK_LATE_FLAGS & bit) == 0) {
            continue;
        }
        if (sink_flags_try(o, before | bit) && sink_flags_read(o, &after) && (after & bit) != 0) {
            kept |= bit;
        }
        (void)sink_flags_try(o, before);
    }
    /* What only directories have cannot be tried on a file. */
    if (fstatfs(o->fd, &vfs) == 0 && vfs.f_type == EXT4_SUPER_MAGIC) {
        kept |= FS_DIRSYNC_FL | FS_TOPDIR_FL | FS_PROJINHERIT_FL;
    } else if ((kept & FS_SYNC_FL) != 0) {
        kept |= FS_DIRSYNC_FL;
    }
    return sink_capable(s, CAP_LINUX_IMMUTABLE) ? kept | SINK_LATE_FLAGS : kept;
}

static uint64_t
probe_granularity(int fd)
{
    static const struct timespec odd[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = 1000000001, .tv_nsec = 999999999},
    };
    struct stat st;
    uint64_t granularity = 1;

    if (futimens(fd, odd) != 0 || fstat(fd, &st) != 0) {
        return 2ull * SECOND;
    }
    if (st.st_mtim.tv_nsec == 0) {
        return st.st_mtim.tv_sec % 2 == 0 ? 2ull * SECOND : SECOND;
    }
    while (granularity < SECOND &&
           (999999999u / granularity * granularity) != (uint64_t)st.st_mtim.tv_nsec) {
        granularity *= 10;
    }
    return granularity;
}

static struct sink_abilities
probe(struct sink *s)
{
    /* Nothing can be tried: then nothing that may be the file system's fault is held against it. */
    struct sink_abilities a = {.probed = true, .granularity = 2ull * SECOND};
    struct sink_object o = {.fd = -1};
    off_t data;

    if (s->root >= 0 && !s->dry_run) {
        o.fd = openat(s->root, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    }
    if (o.fd >= 0 && fstat(o.fd, &o.st) == 0) {
        a.granularity = probe_granularity(o.fd);
        a.flags = probe_flags(s, &o);
        if (ftruncate(o.fd, PROBE_SIZE) == 0) {
            data = lseek(o.fd, 0, SEEK_DATA);
            a.holes = data < 0 || data >= PROBE_SIZE;
        }
    }
    vv_fd_close(o.fd);
    return a;
}

struct sink_abilities
sink_abilities(struct sink *s)
{
    struct sink_abilities a;

    vv_mutex_lock(&s->lock);
    if (!s->abilities.probed) {
        s->abilities = probe(s);
    }
    a = s->abilities;
    vv_mutex_unlock(&s->lock);
    return a;
}
