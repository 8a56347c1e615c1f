/* SPDX-License-Identifier: BSD-2-Clause */

/* Inode flags (lsattr, chattr). */

#include <errno.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "core/file.h"
#include "sink/sink_internal.h"

bool
sink_flags_read(const struct sink_object *o, uint32_t *ret)
{
    int flags = 0; /* the kernel writes an int whatever the number's type says */

    if (o->path_only || (!S_ISREG(o->st.st_mode) && !S_ISDIR(o->st.st_mode))) {
        return false;
    }
    if (ioctl(o->fd, FS_IOC_GETFLAGS, &flags) != 0) {
        return false;
    }
    *ret = (uint32_t)flags;
    return true;
}

bool
sink_flags_try(const struct sink_object *o, uint32_t flags)
{
    int value = (int)flags;

    return ioctl(o->fd, FS_IOC_SETFLAGS, &value) == 0;
}

void
sink_flags_write(struct sink *s, const struct sink_object *o, uint32_t current, uint32_t wanted)
{
    uint32_t now = current;
    uint32_t missing;
    bool forbidden = false;

    if (!sink_flags_try(o, wanted)) {
        /* One that is not possible spoils all: set each alone. */
        forbidden = errno == EPERM || errno == EACCES;
        for (uint32_t bit = 1; bit != 0; bit <<= 1) {
            if (((now ^ wanted) & bit) != 0 && sink_flags_try(o, now ^ bit)) {
                now ^= bit;
            }
        }
    }
    if (!sink_flags_read(o, &now)) {
        now = 0;
    }
    missing = (now ^ wanted) & INODE_FLAGS_KEPT;
    if (missing != 0) {
        sink_refuse(s, forbidden ? REFUSED_FLAGS : UNSUPPORTED_FLAGS);
    }
}

bool
sink_unlock(const struct sink_place *place, uint32_t *ret_flags)
{
    struct sink *s = place->sink;
    struct sink_object o;
    uint32_t flags = 0;
    bool done;

    if (!sink_capable(s, CAP_LINUX_IMMUTABLE) ||
        sink_object_open(place->parent->fd, place->name, &o) != 0) {
        return false;
    }
    done = sink_flags_read(&o, &flags) && (flags & SINK_LATE_FLAGS) != 0 &&
           sink_flags_try(&o, flags & ~SINK_LATE_FLAGS);
    vv_fd_close(o.fd);
    if (done) {
        *ret_flags = flags & INODE_FLAGS_KEPT;
    }
    return done;
}
