/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The file systems below the target: a new machine's disks are mounted there before everything is
 * restored, and each has to be written out before the restore may call itself done.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/file.h"
#include "sink/sink_internal.h"

void
sink_system_note(struct sink *s, int directory)
{
    struct stat st;
    unsigned i;

    if (fstat(directory, &st) != 0 || st.st_dev == s->device) {
        return;
    }
    vv_mutex_lock(&s->lock);
    for (i = 0; i < s->system_count && s->systems[i].device != st.st_dev; i++) {
    }
    if (i == s->system_count && i < SINK_SYSTEMS) {
        s->systems[i].device = st.st_dev;
        s->systems[i].fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        s->system_count++;
    } else if (i == s->system_count) {
        s->more_systems = true;
    }
    vv_mutex_unlock(&s->lock);
}

enum vv_rc
sink_systems_sync(struct sink *s, struct vv_error *err)
{
    bool all = s->root_path_only || s->more_systems;

    if (!s->root_path_only && syncfs(s->root) != 0) {
        return sink_error(err, errno, "write out the file system of", vv_span(NULL, 0));
    }
    for (unsigned i = 0; i < s->system_count; i++) {
        if (s->systems[i].fd < 0) {
            all = true;
        } else if (syncfs(s->systems[i].fd) != 0) {
            return sink_error(err, errno, "write out a file system mounted below",
                              vv_span(NULL, 0));
        }
    }
    if (all) { /* tells nobody whether it has worked, but what else is there? */
        sync();
    }
    return VV_OK;
}

static bool
in_memory(int fd)
{
    struct statfs vfs;

    return fstatfs(fd, &vfs) == 0 &&
           ((unsigned long)vfs.f_type == TMPFS_MAGIC || (unsigned long)vfs.f_type == RAMFS_MAGIC);
}

bool
sink_systems_in_memory(const struct sink *s)
{
    bool memory = in_memory(s->root);

    for (unsigned i = 0; i < s->system_count; i++) {
        memory = memory || (s->systems[i].fd >= 0 && in_memory(s->systems[i].fd));
    }
    return memory;
}

void
sink_systems_release(struct sink *s)
{
    for (unsigned i = 0; i < s->system_count; i++) {
        vv_fd_close(s->systems[i].fd);
    }
    s->system_count = 0;
}
