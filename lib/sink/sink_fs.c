/* SPDX-License-Identifier: BSD-2-Clause */

/* Opening and closing a file system sink.  The target itself is opened once, by the user's path,
 * through whatever links lead there; everything after that is beneath its descriptor. */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/random.h"
#include "sink/sink_internal.h"

/* Old kernels, and some containers' system call filters, have no openat2. */
static bool
lacks_openat2(int root)
{
    struct open_how how = {
        .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd = syscall(SYS_openat2, root, ".", &how, sizeof(how));

    if (fd >= 0) {
        vv_fd_close((int)fd);
    }
    return fd < 0;
}

/* The target's descriptor; -1 stays if it is missing and this is a dry run. */
static enum vv_rc
open_target(struct sink *s, const char *target, struct vv_error *err)
{
    struct vv_span path = vv_span(target, strlen(target));
    bool existed = true;

    s->root = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->root < 0 && errno == ENOENT) {
        if (s->dry_run) {
            return VV_OK;
        }
        existed = false;
        VV_TRY(vv_error_origin(err, VV_ORIGIN_TARGET, vv_mkdir_all(target, 0700, err)));
        s->root = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (s->root < 0 && errno == EACCES) { /* may be entered but not read */
        s->root_path_only = true;
        s->root = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (s->root < 0) {
        return sink_error(err, errno, "open the target", path);
    }
    s->stepwise = lacks_openat2(s->root);
    s->top.fd = s->root;
    s->top.fresh = !existed;
    if (existed && !s->dry_run && !s->root_path_only) {
        int fd = openat(s->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            sink_sweep(s, fd);
        }
    }
    return VV_OK;
}

static enum vv_rc
learn_target(struct sink *s, struct vv_error *err)
{
    struct statvfs vfs;
    struct stat st;

    s->block_size = 4096;
    if (s->root < 0) {
        return VV_OK;
    }
    if (fstat(s->root, &st) != 0 || fstatvfs(s->root, &vfs) != 0) {
        return sink_error(err, errno, "inspect the target", vv_span(NULL, 0));
    }
    s->device = st.st_dev;
    if (vfs.f_bsize > s->block_size) {
        s->block_size = vfs.f_bsize;
    }
    return VV_OK;
}

enum vv_rc
sink_fs_new(const struct sink_fs_options *o, struct sink **ret, struct vv_error *err)
{
    VV_CLEANUP(sink_freep) struct sink *s = vv_alloc_array(1, sizeof(*s));

    if (s == NULL) {
        return vv_error_nomem(err);
    }
    s->root = -1;
    s->overwrite = o->overwrite;
    s->owner = o->owner;
    s->dry_run = o->dry_run;
    s->inert = o->inert;
    s->events = o->events;
    s->cancel = o->cancel;
    s->top.fd = -1;
    s->top.references = 1; /* never given back */
    vv_mutex_init(&s->lock);
    vv_random(&s->run, sizeof(s->run));
    VV_TRY(sink_rights_init(s, err));
    VV_TRY(open_target(s, o->target, err));
    VV_TRY(learn_target(s, err));
    *ret = TAKE(s);
    return VV_OK;
}

void
sink_free(struct sink *s)
{
    if (s == NULL) {
        return;
    }
    sink_parents_forget(s);
    sink_systems_release(s);
    sink_names_release(s);
    vv_arena_release(&s->arena);
    vv_buf_release(&s->deferred_path);
    vv_fd_close(s->root);
    vv_mutex_release(&s->lock);
    vv_free(s);
}
