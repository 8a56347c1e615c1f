/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Reaching a place of the target.  Directories are opened beneath the target's descriptor with
 * openat2, which refuses every symbolic link; paths longer than the kernel takes are walked in
 * steps.  The most recently used directories stay open, since entries come in tree order.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "core/file.h"
#include "sink/sink_internal.h"

/* One openat2, beneath ${dir}, following nothing. */
static int
open_beneath(int dir, const char *path, int flags, uint64_t resolve)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | resolve,
    };
    long fd;
    int tries = 0;

    do {
        fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
    } while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 100)));
    return (int)fd;
}

/* The same for a single component, without openat2.  An O_PATH descriptor of a link is refused as
 * no directory; ELOOP says more. */
static int
open_component(int dir, const char *name, int flags)
{
    int fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 && errno == ENOTDIR) {
        bool link = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
        errno = link ? ELOOP : ENOTDIR;
    }
    return fd;
}

/* The end of the next step: as many whole components as fit. */
static size_t
step_end(struct vv_span path, size_t start, size_t most)
{
    size_t end = start;

    while (end < path.len) {
        const uint8_t *slash = memchr(path.data + end, '/', path.len - end);
        size_t next = slash == NULL ? path.len : (size_t)(slash - path.data);
        if (next - start > most && end > start) {
            return end - 1; /* the slash before it */
        }
        if (next == path.len) {
            return next;
        }
        end = next + 1;
        if (most == 0) {
            return next;
        }
    }
    return end;
}

int
sink_open_directory(struct sink *s, struct vv_span path, int flags, int *ret_fd)
{
    char step[PATH_MAX];
    VV_CLEANUP(vv_fd_closep) int at = -1;
    size_t start = 0;

    if (s->root < 0) {
        return ENOENT;
    }
    if (path.len == 0) {
        path = vv_span(".", 1);
    }
    while (start < path.len) {
        size_t end = step_end(path, start, s->stepwise ? 0 : sizeof(step) - 2);
        bool last = end == path.len;
        int how = (last ? flags : O_PATH) | O_DIRECTORY;
        int dir = at < 0 ? s->root : at;
        int fd;

        if (end - start >= sizeof(step)) {
            return ENAMETOOLONG;
        }
        memcpy(step, path.data + start, end - start);
        step[end - start] = '\0';
        fd = s->stepwise ? open_component(dir, step, how) : open_beneath(dir, step, how, 0);
        if (fd < 0) {
            return errno;
        }
        vv_fd_close(at);
        at = fd;
        start = end + 1;
    }
    *ret_fd = at;
    at = -1;
    return 0;
}

int
sink_open_child(struct sink *s, int dir, const char *name)
{
    struct stat st[2];
    int fd;

    if (!s->stepwise) {
        return open_beneath(dir, name, O_RDONLY | O_DIRECTORY, RESOLVE_NO_XDEV);
    }
    fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 &&
        (fstat(dir, &st[0]) != 0 || fstat(fd, &st[1]) != 0 || st[0].st_dev != st[1].st_dev)) {
        vv_fd_close(fd);
        errno = EXDEV;
        return -1;
    }
    return fd;
}

/* Drops a reference; with the lock held. */
static void
parent_drop(struct sink_parent *p)
{
    if (--p->references == 0) {
        vv_fd_close(p->fd);
        vv_free(p->path);
        vv_free(p);
    }
}

/* With the lock held. */
static struct sink_parent *
parent_find(struct sink *s, struct vv_span path, uint64_t hash)
{
    for (unsigned i = 0; i < SINK_PARENTS; i++) {
        struct sink_parent *p = s->parents[i];
        if (p != NULL && p->hash == hash && p->len == path.len &&
            memcmp(p->path, path.data, path.len) == 0) {
            p->used = ++s->parent_clock;
            p->references++;
            return p;
        }
    }
    return NULL;
}

static struct sink_parent *
parent_new(struct vv_span path, uint64_t hash, int fd, bool fresh)
{
    struct sink_parent *p = vv_alloc_array(1, sizeof(*p));

    if (p == NULL) {
        return NULL;
    }
    p->path = vv_memdup(path.data, path.len);
    if (p->path == NULL) {
        vv_free(p);
        return NULL;
    }
    p->len = path.len;
    p->hash = hash;
    p->fd = fd;
    p->fresh = fresh;
    p->references = 1;
    return p;
}

/* Put ${p} into the cache in place of the one unused for longest, or of an older one for the same
 * path; with the lock held. */
static void
parent_insert(struct sink *s, struct sink_parent *p)
{
    unsigned place = 0;

    for (unsigned i = 0; i < SINK_PARENTS; i++) {
        struct sink_parent *q = s->parents[i];
        if (q == NULL) {
            place = i;
            break;
        }
        if (q->used < s->parents[place]->used) {
            place = i;
        }
    }
    for (unsigned i = 0; i < SINK_PARENTS; i++) {
        struct sink_parent *q = s->parents[i];
        if (q != NULL && q->hash == p->hash && q->len == p->len &&
            memcmp(q->path, p->path, p->len) == 0) {
            place = i;
            break;
        }
    }
    if (s->parents[place] != NULL) {
        parent_drop(s->parents[place]);
    }
    p->used = ++s->parent_clock;
    p->references++;
    s->parents[place] = p;
}

void
sink_parents_forget(struct sink *s)
{
    vv_mutex_lock(&s->lock);
    for (unsigned i = 0; i < SINK_PARENTS; i++) {
        if (s->parents[i] != NULL) {
            parent_drop(s->parents[i]);
            s->parents[i] = NULL;
        }
    }
    vv_mutex_unlock(&s->lock);
}

void
sink_parent_add(struct sink *s, struct vv_span path, int fd)
{
    struct sink_parent *p = parent_new(path, vv_hash64(path.data, path.len, 0), fd, true);

    if (p == NULL) { /* no harm: it is opened again when it is needed */
        vv_fd_close(fd);
        return;
    }
    vv_mutex_lock(&s->lock);
    parent_insert(s, p);
    parent_drop(p);
    vv_mutex_unlock(&s->lock);
}

/* The open directory at ${path}, with a reference for the caller. */
static enum vv_rc
parent_acquire(struct sink *s, struct vv_span path, struct sink_parent **ret, struct vv_error *err)
{
    uint64_t hash = vv_hash64(path.data, path.len, 0);
    struct sink_parent *p;
    int fd = -1;
    int sys;

    vv_mutex_lock(&s->lock);
    if (path.len == 0) {
        p = &s->top;
        p->references++;
    } else {
        p = parent_find(s, path, hash);
    }
    vv_mutex_unlock(&s->lock);
    if (p != NULL) {
        *ret = p;
        return VV_OK;
    }
    sys = sink_open_directory(s, path, O_PATH, &fd);
    if (sys == EMFILE || sys == ENFILE) {
        sink_parents_forget(s);
        sys = sink_open_directory(s, path, O_PATH, &fd);
    }
    if (sys != 0) {
        return sink_error(err, sys, "open directory", path);
    }
    sink_system_note(s, fd);
    p = parent_new(path, hash, fd, false);
    if (p == NULL) {
        vv_fd_close(fd);
        return vv_error_nomem(err);
    }
    vv_mutex_lock(&s->lock);
    parent_insert(s, p);
    vv_mutex_unlock(&s->lock);
    *ret = p;
    return VV_OK;
}

enum vv_rc
sink_locate(struct sink *s, struct vv_span path, struct sink_place *ret, struct vv_error *err)
{
    const uint8_t *slash;
    size_t directory = 0;
    size_t start = 0;

    /* The format checks paths too; here is where a bad one would do harm. */
    if (path.len == 0 || !path_valid(path)) {
        return vv_error_origin(err, VV_ORIGIN_TARGET,
                               vv_error_set(err, VV_EREFUSED, "a path that is not allowed"));
    }
    slash = memrchr(path.data, '/', path.len);
    if (slash != NULL) {
        directory = (size_t)(slash - path.data);
        start = directory + 1;
    }
    if (path.len - start > LIMIT_NAME) {
        return sink_error(err, ENAMETOOLONG, "reach", path);
    }
    if (s->root < 0) {
        return sink_error(err, ENOENT, "reach", path);
    }
    VV_TRY(parent_acquire(s, vv_span(path.data, directory), &ret->parent, err));
    ret->sink = s;
    memcpy(ret->name, path.data + start, path.len - start);
    ret->name[path.len - start] = '\0';
    return VV_OK;
}

void
sink_place_release(struct sink_place *place)
{
    if (place->parent == NULL) {
        return;
    }
    vv_mutex_lock(&place->sink->lock);
    parent_drop(place->parent);
    vv_mutex_unlock(&place->sink->lock);
    place->parent = NULL;
}
