/* SPDX-License-Identifier: BSD-2-Clause */
/* Watching paths: the thread that reads what the kernel tells, and what of it is a change. */
#include "service/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "format/common.h"
#include "service/watch_internal.h"

#define GATHER_MS 20
#define ROOTS_CHECK_MS 1000 /* how often it is looked whether the paths are there still */

/* ---- what is a change ---- */

static void
tell(struct watch *w)
{
    const uint64_t one = 1;

    if (write(w->told_fd, &one, sizeof(one)) < 0) {
        /* full: it is readable already */
    }
}

void
watch_note_everything(struct watch *w)
{
    vv_mutex_lock(&w->lock);
    change_set_add_everything(w->set);
    vv_mutex_unlock(&w->lock);
    tell(w);
}

static bool
is_at_or_below(struct vv_span path, struct vv_span directory)
{
    return path_compare(path, directory) == 0 || path_is_below(path, directory);
}

bool
watch_is_own(const struct watch *w, struct vv_span path)
{
    for (size_t i = 0; i < w->options.own_count; i++) {
        if (is_at_or_below(path, w->own[i])) {
            return true;
        }
    }
    return false;
}

bool
watch_is_inside(const struct watch *w, struct vv_span path)
{
    for (size_t i = 0; i < w->options.root_count; i++) {
        if (is_at_or_below(path, w->roots[i].path)) {
            return true;
        }
    }
    return false;
}

bool
watch_note(struct watch *w, struct vv_span directory, struct vv_span name, bool is_new)
{
    struct vv_span path;

    vv_buf_reset(&w->path);
    vv_buf_put(&w->path, directory.data, directory.len);
    if (directory.len > 0) {
        vv_buf_put_u8(&w->path, '/');
    }
    vv_buf_put(&w->path, name.data, name.len);
    if (w->path.failed) {
        watch_note_everything(w);
        return true;
    }
    path = vv_buf_span(&w->path);
    if (watch_is_own(w, directory) || !watch_is_inside(w, path)) {
        return false; /* N4 */
    }
    vv_mutex_lock(&w->lock);
    change_set_add(w->set, directory, CHANGE_HERE);
    if (is_new) {
        change_set_add(w->set, path, CHANGE_ALL); /* N3 */
    }
    vv_mutex_unlock(&w->lock);
    tell(w);
    return true;
}

/* ---- the paths ---- */

/** Look at the paths: has one come, gone, or become another (N2)?  The first time, only look. */
static bool
look_at_roots(struct watch *w)
{
    bool changed = false;

    for (size_t i = 0; i < w->options.root_count; i++) {
        struct watch_root now = {.path = w->roots[i].path};
        struct stat st;
        /* The text is the span's with its slash, and NUL-terminated: copied by watch_open. */
        if (lstat((const char *)now.path.data - 1, &st) == 0) {
            now.exists = true;
            now.device = st.st_dev;
            now.inode = st.st_ino;
        }
        changed = changed || now.exists != w->roots[i].exists || now.device != w->roots[i].device ||
                  now.inode != w->roots[i].inode;
        w->roots[i] = now;
    }
    return changed;
}

/* ---- opening ---- */

static void
set_way(struct watch *w, enum watch_way way)
{
    vv_mutex_lock(&w->lock);
    w->way = way;
    vv_mutex_unlock(&w->lock);
}

static enum vv_rc
open_inotify(struct watch *w, struct vv_error *err)
{
    enum vv_rc rc = watch_inotify_open(w, &w->inotify, err);

    if (rc == VV_ELIMIT) {
        vv_emit(w->options.events, VV_EVENT_WARNING, "watches-exhausted", vv_span(NULL, 0),
                "%s; raise fs.inotify.max_user_watches (sysctl): until then all files are looked "
                "at from time to time",
                err != NULL ? err->message : "there are not enough watches");
        vv_error_clear(err);
        set_way(w, WATCH_BLIND);
        return VV_OK;
    }
    set_way(w, WATCH_INOTIFY);
    return rc;
}

/** Watch anew, as mounts and paths are now. */
static enum vv_rc
begin(struct watch *w, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc = w->options.inotify ? VV_EUNSUPPORTED : VV_OK;

    watch_fanotify_close(TAKE(w->fanotify));
    watch_inotify_close(TAKE(w->inotify));
    watch_mounts_release(&w->mounts);
    VV_TRY(watch_mounts_read(w, &w->mounts, err));
    (void)look_at_roots(w);
    if (rc == VV_OK) {
        rc = watch_fanotify_open(w, &w->fanotify, &why);
    }
    if (rc == VV_OK) {
        set_way(w, WATCH_FANOTIFY);
        return VV_OK;
    }
    if (!w->options.inotify && !w->told_inotify) {
        w->told_inotify = true;
        vv_emit(w->options.events, VV_EVENT_NOTICE, "watch-by-inotify", vv_span(NULL, 0),
                "%s; watching every directory by inotify", why.message);
    }
    return open_inotify(w, err);
}

/** After a loss: from now on all is seen again, and everything before counts as changed. */
static void
begin_again(struct watch *w)
{
    struct vv_error err = {0};

    if (begin(w, &err) != VV_OK) {
        vv_emit(w->options.events, VV_EVENT_WARNING, "watch-failed", vv_span(NULL, 0),
                "%s; all files are looked at from time to time", err.message);
        set_way(w, WATCH_BLIND);
    }
    watch_note_everything(w);
}

/* ---- the thread ---- */

static void
watch_main(void *arg)
{
    struct watch *w = arg;

    for (;;) {
        struct pollfd p[] = {{.fd = w->stop_fd, .events = POLLIN},
                             {.fd = w->mount_fd, .events = POLLPRI},
                             {.fd = watch_fanotify_fd(w->fanotify), .events = POLLIN},
                             {.fd = watch_inotify_fd(w->inotify), .events = POLLIN}};
        bool again = false;
        (void)poll(p, VV_COUNT(p), ROOTS_CHECK_MS);
        if (p[0].revents != 0) {
            return;
        }
        if (p[2].revents != 0 || p[3].revents != 0) { /* more at once costs less */
            (void)poll(p, 1, GATHER_MS);
        }
        if (p[2].revents != 0) {
            watch_fanotify_read(w, w->fanotify, &again);
        }
        if (p[3].revents != 0) {
            watch_inotify_read(w, w->inotify, &again);
        }
        if (again || (p[1].revents != 0 && watch_mounts_changed(w)) || look_at_roots(w)) {
            begin_again(w);
        }
    }
}

/* ---- the outside ---- */

static enum vv_rc
copy_paths(struct watch *w, struct vv_error *err)
{
    const struct watch_options *o = &w->options;

    w->roots = vv_alloc_array(o->root_count + 1, sizeof(*w->roots));
    w->own = vv_alloc_array(o->own_count + 1, sizeof(*w->own));
    if (w->roots == NULL || w->own == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < o->root_count; i++) {
        char *copy = vv_alloc(o->roots[i].len + 1);
        if (copy == NULL) {
            return vv_error_nomem(err);
        }
        memcpy(copy, o->roots[i].data, o->roots[i].len);
        copy[o->roots[i].len] = '\0';
        w->roots[i].path = vv_span(copy + 1, o->roots[i].len - 1);
    }
    for (size_t i = 0; i < o->own_count; i++) {
        w->own[i] = vv_span(o->own[i] + 1, strlen(o->own[i]) - 1);
    }
    return VV_OK;
}

static enum vv_rc
make(struct watch *w, struct vv_error *err)
{
    VV_TRY(copy_paths(w, err));
    VV_TRY(change_set_new(w->options.set_most, &w->set, err));
    w->told_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->mount_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    if (w->told_fd < 0 || w->stop_fd < 0 || w->mount_fd < 0) {
        return vv_error_sys(err, errno, "cannot watch for changes");
    }
    VV_TRY(begin(w, err));
    return vv_thread_start(&w->thread, "watch", watch_main, w, err);
}

enum vv_rc
watch_open(const struct watch_options *o, struct watch **ret, struct vv_error *err)
{
    VV_CLEANUP(watch_freep) struct watch *w = vv_alloc_array(1, sizeof(*w));

    if (w == NULL) {
        return vv_error_nomem(err);
    }
    w->options = *o;
    w->told_fd = -1;
    w->stop_fd = -1;
    w->mount_fd = -1;
    vv_mutex_init(&w->lock);
    VV_TRY(make(w, err));
    *ret = TAKE(w);
    return VV_OK;
}

void
watch_free(struct watch *w)
{
    const uint64_t one = 1;

    if (w == NULL) {
        return;
    }
    if (w->stop_fd >= 0 && write(w->stop_fd, &one, sizeof(one)) < 0) {
        /* it ends at the next look at the paths */
    }
    vv_thread_join(&w->thread);
    watch_fanotify_close(w->fanotify);
    watch_inotify_close(w->inotify);
    watch_mounts_release(&w->mounts);
    vv_fd_close(w->told_fd);
    vv_fd_close(w->stop_fd);
    vv_fd_close(w->mount_fd);
    for (size_t i = 0; w->roots != NULL && i < w->options.root_count; i++) {
        if (w->roots[i].path.data != NULL) {
            vv_free((char *)(uintptr_t)w->roots[i].path.data - 1);
        }
    }
    vv_free(w->roots);
    vv_free(w->own);
    change_set_free(w->set);
    vv_buf_release(&w->path);
    vv_mutex_release(&w->lock);
    vv_free(w);
}

int
watch_fd(const struct watch *w)
{
    return w->told_fd;
}

bool
watch_take(struct watch *w, struct change_set *set)
{
    uint64_t count;
    bool any;

    if (read(w->told_fd, &count, sizeof(count)) < 0) {
        /* nothing new; but the set says */
    }
    vv_mutex_lock(&w->lock);
    any = !change_set_is_empty(w->set);
    change_set_merge(set, w->set);
    change_set_clear(w->set);
    vv_mutex_unlock(&w->lock);
    return any;
}

enum watch_way
watch_way(struct watch *w)
{
    enum watch_way way;

    vv_mutex_lock(&w->lock);
    way = w->way;
    vv_mutex_unlock(&w->lock);
    return way;
}
