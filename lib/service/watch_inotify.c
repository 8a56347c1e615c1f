/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes by inotify(7): a watch on every directory, which is set before the directory is listed, so that
 * whatever comes later is told.  A directory that is moved loses its watches with all that is below, and
 * gets new ones where it has come to: its content counts as changed in any case (N3).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "format/common.h"
#include "service/watch_inotify_internal.h"
#include "source/source.h"

#define EVENTS                                                                                     \
    (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)
#define BUFFER ((size_t)256 << 10)
#define READS_MOST 64u
#define DEPTH_MOST 512u /* of directories, each open while what is below is looked at */

/* ---- setting watches ---- */

static void
note_lost(struct watch_inotify *n, int sys)
{
    if (n->lost) {
        return;
    }
    n->lost = true;
    (void)vv_error_sys(&n->why, sys, "after %zu directories inotify can watch no more", n->count);
}

/** Is one of the places of that watch ${below}, or above it? */
static bool
is_above(const struct watch_inotify *n, int wd, const struct watched *below)
{
    struct watched *at = watched_find(n, wd);

    while (at != NULL && !watched_is_above(at, below)) {
        at = watched_again(at);
    }
    return at != NULL;
}

static void
absolute_path(struct watch_inotify *n, const struct watched *node, struct vv_buf *out)
{
    struct vv_span path = watched_path(n, node);

    vv_buf_put_u8(out, '/');
    vv_buf_put(out, path.data, path.len);
}

/** Is the directory open at ${fd} there, too? */
static bool
is_there(struct watch_inotify *n, const struct watched *node, int fd)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    struct stat here;
    struct stat there;

    absolute_path(n, node, &path);
    if (path.failed || n->path.failed) {
        note_lost(n, ENOMEM);
        return true;
    }
    return fstat(fd, &here) == 0 && lstat(vv_buf_text(&path), &there) == 0 &&
           here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/** Forget the places of a watch where its directory, open at ${fd}, is no more: it was moved, which is still to be
 *  told.  It stays where it is bound.  True: nothing is left of the watch. */
static bool
drop_moved(struct watch_inotify *n, int wd, int fd)
{
    struct watched *at = watched_find(n, wd);
    bool known = at != NULL;

    while (at != NULL) {
        struct watched *next = watched_again(at); /* none of them is below another */
        if (!is_there(n, at, fd)) {
            watched_drop(n, at);
        }
        at = next;
    }
    return known && watched_find(n, wd) == NULL;
}

/** A watch on the directory open at ${fd}, known as ${name} in ${parent}. */
static struct watched *
set_watch(struct watch_inotify *n, int fd, struct watched *parent, const char *name, size_t len)
{
    struct watched *node = watched_new(n, parent, name, len);
    char link[64];
    int wd;

    if (node == NULL) {
        note_lost(n, ENOMEM);
        return NULL;
    }
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    wd = inotify_add_watch(n->fd, link, EVENTS | IN_ONLYDIR);
    if (wd < 0) {
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
            note_lost(n, errno);
        }
        vv_free(node);
        return NULL;
    }
    if (is_above(n, wd, parent)) {
        note_lost(n, ELOOP); /* bound into itself: there is no end of places */
        vv_free(node);
        return NULL;
    }
    if (drop_moved(n, wd, fd)) {
        wd = inotify_add_watch(n->fd, link, EVENTS | IN_ONLYDIR);
        if (wd < 0) {
            note_lost(n, errno);
            vv_free(node);
            return NULL;
        }
    }
    watched_put(n, node, wd);
    return node;
}

/** Is a directory not to be watched: our own, or on a file system that is not backed up? */
static bool
is_left_out(struct watch *w, struct watch_inotify *n, const struct watched *node, int fd,
            dev_t above, dev_t *ret_device)
{
    struct stat st;
    struct statfs system;

    if (fstat(fd, &st) != 0) {
        return true;
    }
    *ret_device = st.st_dev;
    if (st.st_dev != above &&
        (w->options.one_file_system ||
         (fstatfs(fd, &system) == 0 && source_fs_pseudo((uint64_t)system.f_type & UINT32_MAX)))) {
        return true;
    }
    return watch_is_own(w, watched_path(n, node));
}

static void add_below(struct watch *w, struct watch_inotify *n, struct watched *node, int fd,
                      dev_t device, unsigned depth);

/** The directory ${name} in the one open at ${at}, with all below. */
static void
add(struct watch *w, struct watch_inotify *n, struct watched *parent, int at, const char *name,
    dev_t device, unsigned depth)
{
    VV_CLEANUP(vv_fd_closep)
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct watched *node;
    dev_t own;

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE) {
            note_lost(n, errno);
        }
        return; /* gone, or not for us to read: then a backup cannot, either */
    }
    node = set_watch(n, fd, parent, name, strlen(name));
    if (node == NULL) {
        return;
    }
    if (is_left_out(w, n, node, fd, device, &own)) {
        watched_drop(n, node);
        return;
    }
    add_below(w, n, node, fd, own, depth);
}

static void
add_below(struct watch *w, struct watch_inotify *n, struct watched *node, int fd, dev_t device,
          unsigned depth)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    struct dirent *e;

    if (d == NULL || depth >= DEPTH_MOST) {
        note_lost(n, d == NULL ? errno : ENAMETOOLONG);
        if (d != NULL) {
            (void)closedir(d);
        } else {
            vv_fd_close(copy);
        }
        return;
    }
    while (!n->lost && (e = readdir(d)) != NULL) {
        bool may_be = e->d_type == DT_DIR || e->d_type == DT_UNKNOWN;
        if (may_be && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            add(w, n, node, fd, e->d_name, device, depth + 1);
        }
    }
    (void)closedir(d);
}

/** One of the paths; a file's directory is watched for its name. */
static void
add_root(struct watch *w, struct watch_inotify *n, struct vv_span root)
{
    const char *text = (const char *)root.data - 1; /* with its slash, see watch.c */
    const uint8_t *slash = root.len > 0 ? memrchr(root.data, '/', root.len) : NULL;
    size_t parent_len = slash == NULL ? 0 : (size_t)(slash - root.data);
    VV_CLEANUP(vv_fd_closep) int fd = open(text, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    VV_CLEANUP(vv_fd_closep) int above = -1;
    struct vv_buf parent = {0};
    struct watched *node;
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0) {
        node = set_watch(n, fd, NULL, (const char *)root.data, root.len);
        if (node != NULL) {
            add_below(w, n, node, fd, st.st_dev, 0);
        }
    }
    if (root.len == 0 || watch_is_inside(w, vv_span(root.data, parent_len))) {
        return;
    }
    vv_buf_put_u8(&parent, '/');
    vv_buf_put(&parent, root.data, parent_len);
    above = open(vv_buf_text(&parent), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    vv_buf_release(&parent);
    if (above >= 0) { /* else nothing is there that could change without being looked at (N2) */
        node = set_watch(n, above, NULL, (const char *)root.data, parent_len);
        if (node != NULL) {
            node->outside = true;
        }
    }
}

/* ---- opening ---- */

void
watch_inotify_close(struct watch_inotify *n)
{
    if (n == NULL) {
        return;
    }
    vv_fd_close(n->fd); /* and all watches with it */
    n->fd = -1;
    while (n->roots != NULL) {
        watched_drop(n, n->roots);
    }
    vv_free(n->table);
    vv_free(n->buffer);
    vv_buf_release(&n->path);
    vv_free(n);
}

int
watch_inotify_fd(const struct watch_inotify *n)
{
    return n == NULL ? -1 : n->fd;
}

static enum vv_rc
make(struct watch *w, struct watch_inotify *n, struct vv_error *err)
{
    n->size = 1024;
    n->table = vv_alloc_array(n->size, sizeof(struct watched *));
    n->buffer = vv_alloc(BUFFER);
    if (n->table == NULL || n->buffer == NULL) {
        return vv_error_nomem(err);
    }
    n->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (n->fd < 0) {
        (void)vv_error_sys(err, errno, "inotify cannot be used");
        return VV_ELIMIT;
    }
    for (size_t i = 0; i < w->options.root_count && !n->lost; i++) {
        add_root(w, n, w->roots[i].path);
    }
    if (n->lost) {
        if (err != NULL) {
            *err = n->why;
        }
        return VV_ELIMIT;
    }
    return VV_OK;
}

enum vv_rc
watch_inotify_open(struct watch *w, struct watch_inotify **ret, struct vv_error *err)
{
    struct watch_inotify *n = vv_alloc_array(1, sizeof(*n));
    enum vv_rc rc;

    if (n == NULL) {
        return vv_error_nomem(err);
    }
    n->fd = -1;
    rc = make(w, n, err);
    if (rc != VV_OK) {
        watch_inotify_close(n);
        return rc;
    }
    *ret = n;
    return VV_OK;
}

/* ---- events ---- */

/** A directory has come to this name, or has become readable. */
static void
arrive(struct watch *w, struct watch_inotify *n, struct watched *node, const char *name)
{
    struct watched *before = watched_child(node, name, strlen(name));
    struct vv_buf path = {0};
    struct stat st;
    int at;

    if (before != NULL) {
        watched_drop(n, before);
    }
    absolute_path(n, node, &path);
    at = open(vv_buf_text(&path), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0 && errno != ENOENT && errno != ENOTDIR && errno != EACCES) {
        note_lost(n, errno); /* gone, or closed to us, is all right: its own event is to come */
    }
    vv_buf_release(&path);
    if (at >= 0 && fstat(at, &st) == 0) {
        add(w, n, node, at, name, st.st_dev, 0);
    }
    vv_fd_close(at);
}

/** A directory was made, moved, removed, or may be one that could not be read until now. */
static bool
is_of_tree(const struct watched *node, const struct inotify_event *e, const char *name)
{
    const uint32_t moves = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;

    return (e->mask & IN_ISDIR) != 0 && e->len > 0 &&
           ((e->mask & moves) != 0 ||
            ((e->mask & IN_ATTRIB) != 0 && watched_child(node, name, strlen(name)) == NULL));
}

/** Directories come to one that is watched, and go. */
static void
change_tree(struct watch *w, struct watch_inotify *n, struct watched *node,
            const struct inotify_event *e, const char *name)
{
    if ((e->mask & (IN_MOVED_FROM | IN_DELETE)) != 0) {
        struct watched *gone = watched_child(node, name, strlen(name));
        if (gone != NULL) {
            watched_drop(n, gone);
        }
        return;
    }
    arrive(w, n, node, name);
    /* Whoever has taken the note meanwhile may have looked there before it was watched (N1). */
    (void)watch_note(w, watched_path(n, node), vv_span(name, strlen(name)), true);
}

/** An event at one place of its directory. */
static void
take_event_at(struct watch *w, struct watch_inotify *n, struct watched *node,
              const struct inotify_event *e, const char *name)
{
    bool of_tree = is_of_tree(node, e, name);
    bool comes = of_tree && (e->mask & (IN_MOVED_FROM | IN_DELETE)) == 0;

    if (e->len == 0) { /* the directory itself, of which the one above hears, too */
        if (node->parent == NULL && !node->outside) {
            (void)watch_note(w, watched_path(n, node), vv_span("", 0), false);
        }
        return;
    }
    if (watch_note(w, watched_path(n, node), vv_span(name, strlen(name)), comes) &&
        !node->outside && of_tree) {
        change_tree(w, n, node, e, name);
    }
}

static void
take_event(struct watch *w, struct watch_inotify *n, const struct inotify_event *e,
           const char *name, bool *ret_again)
{
    struct watched *node = watched_find(n, e->wd);
    bool only_one = node != NULL && watched_again(node) == NULL;

    if ((e->mask & IN_Q_OVERFLOW) != 0) {
        *ret_again = true; /* directories may have come that nobody told of */
        return;
    }
    if (node == NULL) { /* of a watch that is no more */
        return;
    }
    if ((e->mask & (IN_IGNORED | IN_UNMOUNT)) != 0) {
        *ret_again = *ret_again || node->parent == NULL || !only_one;
        watched_drop(n, node);
        return;
    }
    if (!only_one && is_of_tree(node, e, name)) {
        /* At each of its places, of which some may be gone when others are looked at. */
        *ret_again = true;
        return;
    }
    for (; node != NULL; node = watched_again(node)) {
        take_event_at(w, n, node, e, name);
        if (only_one) {
            break; /* it may be gone */
        }
    }
    *ret_again = *ret_again || n->lost;
}

void
watch_inotify_read(struct watch *w, struct watch_inotify *n, bool *ret_again)
{
    for (unsigned i = 0; i < READS_MOST && !*ret_again; i++) {
        ssize_t got = read(n->fd, n->buffer, BUFFER);
        size_t at = 0;
        if (got <= 0) {
            *ret_again = got < 0 && errno != EAGAIN && errno != EINTR;
            return;
        }
        while ((size_t)got - at >= sizeof(struct inotify_event)) {
            struct inotify_event head;
            memcpy(&head, n->buffer + at, sizeof(head));
            if (head.len > (size_t)got - at - sizeof(head)) {
                *ret_again = true;
                return;
            }
            take_event(w, n, &head, (const char *)n->buffer + at + sizeof(head), ret_again);
            at += sizeof(head) + head.len;
        }
    }
}
