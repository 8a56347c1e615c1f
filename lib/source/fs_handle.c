/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Directory handles.  Every directory of the walk that somebody still needs has one; only a bounded
 * number of descriptors is open.
 *  (1) fd >= 0 and pins == 0: it is in the list, newest use first, and may be closed at any time.
 *  (2) pins > 0: fd >= 0, not in the list.
 *  (3) The root directory is pinned for ever, so reopening always finds an open one above.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "source/fs_internal.h"

#define BUDGET_LEAST 16u
#define BUDGET_MOST 1024u

void
fs_handles_init(struct fs_handles *h)
{
    struct rlimit limit = {.rlim_cur = 256};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t quarter = limit.rlim_cur / 4;
    *h = (struct fs_handles){.budget = BUDGET_MOST};
    if (quarter < BUDGET_MOST) {
        h->budget = quarter < BUDGET_LEAST ? BUDGET_LEAST : (unsigned)quarter;
    }
    vv_mutex_init(&h->lock);
}

void
fs_handles_release(struct fs_handles *h)
{
    vv_mutex_release(&h->lock);
}

static void
list_remove(struct fs_handles *h, struct fs_dir *dir)
{
    *(dir->newer != NULL ? &dir->newer->older : &h->newest) = dir->older;
    *(dir->older != NULL ? &dir->older->newer : &h->oldest) = dir->newer;
    dir->newer = NULL;
    dir->older = NULL;
}

static void
list_add(struct fs_handles *h, struct fs_dir *dir)
{
    dir->newer = NULL;
    dir->older = h->newest;
    *(h->newest != NULL ? &h->newest->newer : &h->oldest) = dir;
    h->newest = dir;
}

/* Close the descriptors used longest ago until at most ${most} are open or all left are pinned.
 * True if any was closed. */
static bool
close_down_to(struct fs_handles *h, unsigned most)
{
    bool any = false;
    while (h->open > most && h->oldest != NULL) {
        struct fs_dir *dir = h->oldest;
        list_remove(h, dir);
        vv_fd_close(dir->fd);
        dir->fd = -1;
        h->open--;
        any = true;
    }
    return any;
}

/* openat with what every caller wants; -errno on failure. */
static int
plain_openat(int dir, const char *name, int flags, bool noatime)
{
    for (;;) {
        int fd = openat(dir, name, flags | O_CLOEXEC | (noatime ? O_NOATIME : 0));
        if (fd >= 0) {
            return fd;
        }
        if (errno == EPERM && noatime) {
            noatime = false;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
}

static bool
out_of_descriptors(int result)
{
    return result == -EMFILE || result == -ENFILE;
}

int
fs_openat(struct fs_handles *h, int dir, const char *name, int flags, bool noatime)
{
    int fd = plain_openat(dir, name, flags, noatime);
    while (out_of_descriptors(fd)) {
        vv_mutex_lock(&h->lock);
        bool room = close_down_to(h, h->open / 2);
        vv_mutex_unlock(&h->lock);
        int again = plain_openat(dir, name, flags, noatime);
        if (!room) {
            return again;
        }
        fd = again;
    }
    return fd;
}

struct fs_dir *
fs_dir_new(struct fs_handles *h, struct fs_dir *parent, const char *name, int fd,
           const struct fs_stat *stat)
{
    size_t len = strlen(name) + 1;
    struct fs_dir *dir = vv_alloc(sizeof(*dir) + len);
    if (dir == NULL) {
        vv_fd_close(fd);
        return NULL;
    }
    *dir = (struct fs_dir){
        .parent = parent == NULL ? NULL : fs_dir_ref(parent),
        .device = stat->device,
        .inode = stat->inode,
        .fd = fd,
        .pins = parent == NULL ? 1 : 0,
    };
    memcpy(dir->name, name, len);
    atomic_init(&dir->references, 1);
    vv_mutex_lock(&h->lock);
    h->open++;
    close_down_to(h, h->budget);
    if (dir->pins == 0) {
        list_add(h, dir);
    }
    vv_mutex_unlock(&h->lock);
    return dir;
}

struct fs_dir *
fs_dir_ref(struct fs_dir *dir)
{
    atomic_fetch_add_explicit(&dir->references, 1, memory_order_relaxed);
    return dir;
}

void
fs_dir_unref(struct fs_handles *h, struct fs_dir *dir)
{
    while (dir != NULL &&
           atomic_fetch_sub_explicit(&dir->references, 1, memory_order_acq_rel) == 1) {
        struct fs_dir *parent = dir->parent;
        vv_mutex_lock(&h->lock);
        if (dir->fd >= 0) {
            if (dir->pins == 0) {
                list_remove(h, dir);
            }
            vv_fd_close(dir->fd);
            h->open--;
        }
        vv_mutex_unlock(&h->lock);
        vv_free(dir);
        dir = parent;
    }
}

/* Pin a directory whose descriptor is open. */
static void
pin_open(struct fs_handles *h, struct fs_dir *dir)
{
    if (dir->pins++ == 0) {
        list_remove(h, dir);
    }
}

static void
unpin_open(struct fs_handles *h, struct fs_dir *dir)
{
    if (--dir->pins == 0) {
        list_add(h, dir);
    }
}

/* Open ${dir} in its parent, which is open and pinned, and see that it is the same. */
static int
reopen_one(struct fs_handles *h, struct fs_dir *dir)
{
    const int flags = O_DIRECTORY | O_NOFOLLOW | O_PATH; /* its names have been read already */
    (void)close_down_to(h, h->budget - 1);
    int fd = plain_openat(dir->parent->fd, dir->name, flags, false);
    while (out_of_descriptors(fd) && close_down_to(h, h->open / 2)) {
        fd = plain_openat(dir->parent->fd, dir->name, flags, false);
    }
    if (fd < 0) {
        return fd;
    }
    struct fs_stat stat;
    fs_stat_fd(fd, &stat);
    if (stat.error != 0 || stat.device != dir->device || stat.inode != dir->inode) {
        vv_fd_close(fd);
        return stat.error != 0 ? -stat.error : -ESTALE;
    }
    dir->fd = fd;
    h->open++;
    list_add(h, dir);
    return 0;
}

/* Open all that is closed between the nearest open directory above and ${dir}. */
static int
reopen(struct fs_handles *h, struct fs_dir *dir)
{
    struct fs_dir *above = dir;
    dir->reopen = NULL;
    while (above->parent->fd < 0) {
        above->parent->reopen = above;
        above = above->parent;
    }
    for (; above != NULL; above = above->reopen) {
        pin_open(h, above->parent);
        int result = reopen_one(h, above);
        unpin_open(h, above->parent);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

int
fs_dir_pin(struct fs_handles *h, struct fs_dir *dir)
{
    int result = 0;
    vv_mutex_lock(&h->lock);
    if (dir->fd < 0) {
        result = reopen(h, dir);
    }
    if (result == 0) {
        pin_open(h, dir);
        result = dir->fd;
    }
    vv_mutex_unlock(&h->lock);
    return result;
}

void
fs_dir_unpin(struct fs_handles *h, struct fs_dir *dir)
{
    vv_mutex_lock(&h->lock);
    unpin_open(h, dir);
    vv_mutex_unlock(&h->lock);
}
