/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking at objects: one by one, and a directory's in the order of their inode numbers (which is
 * about their order on the disk), a window of the sorted names at a time. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "core/alloc.h"
#include "source/fs_internal.h"

/* The window is large where that is cheap; frames deep down get a smaller one, so that memory stays
 * bounded whatever the depth. */
#define BATCH_LARGE 4096u
#define BATCH_SMALL 256u
#define BATCH_LARGE_DEPTH 16u

#define RACY_NS 2000000000LL

void
fs_stat_at(int dir, const char *name, struct fs_stat *ret)
{
    struct statx x;
    *ret = (struct fs_stat){0};
    if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_MNT_ID,
              &x) != 0) {
        ret->error = errno;
        return;
    }
    ret->device = makedev(x.stx_dev_major, x.stx_dev_minor);
    ret->inode = x.stx_ino;
    ret->size = x.stx_size;
    ret->blocks = x.stx_blocks;
    ret->nlink = x.stx_nlink;
    ret->mount = (x.stx_mask & STATX_MNT_ID) != 0 ? x.stx_mnt_id : 0;
    ret->mtime_sec = x.stx_mtime.tv_sec;
    ret->mtime_nsec = x.stx_mtime.tv_nsec;
    ret->ctime_sec = x.stx_ctime.tv_sec;
    ret->ctime_nsec = x.stx_ctime.tv_nsec;
    ret->mode = x.stx_mode;
    ret->uid = x.stx_uid;
    ret->gid = x.stx_gid;
    ret->major = x.stx_rdev_major;
    ret->minor = x.stx_rdev_minor;
    ret->nodump = (x.stx_attributes & STATX_ATTR_NODUMP) != 0;
    ret->automount = (x.stx_attributes & STATX_ATTR_AUTOMOUNT) != 0;
}

void
fs_stat_fd(int fd, struct fs_stat *ret)
{
    struct stat st;
    *ret = (struct fs_stat){0};
    if (fstat(fd, &st) != 0) {
        ret->error = errno;
        return;
    }
    ret->device = st.st_dev;
    ret->inode = st.st_ino;
    ret->size = (uint64_t)st.st_size;
    ret->blocks = (uint64_t)st.st_blocks;
    ret->nlink = st.st_nlink;
    ret->mtime_sec = st.st_mtim.tv_sec;
    ret->mtime_nsec = (uint32_t)st.st_mtim.tv_nsec;
    ret->ctime_sec = st.st_ctim.tv_sec;
    ret->ctime_nsec = (uint32_t)st.st_ctim.tv_nsec;
    ret->mode = st.st_mode;
    ret->uid = st.st_uid;
    ret->gid = st.st_gid;
    ret->major = major(st.st_rdev);
    ret->minor = minor(st.st_rdev);
}

enum entry_type
fs_type(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return ENTRY_FILE;
    case S_IFDIR:
        return ENTRY_DIRECTORY;
    case S_IFLNK:
        return ENTRY_SYMLINK;
    case S_IFIFO:
        return ENTRY_FIFO;
    case S_IFCHR:
        return ENTRY_CHARACTER_DEVICE;
    case S_IFBLK:
        return ENTRY_BLOCK_DEVICE;
    default:
        return (enum entry_type)0;
    }
}

bool
fs_same_object(const struct fs_stat *a, const struct fs_stat *b)
{
    return a->device == b->device && a->inode == b->inode &&
           (a->mode & S_IFMT) == (b->mode & S_IFMT);
}

enum source_status
fs_problem(struct source_problem *problem, int sys, const char *what)
{
    const char *text = strerrordesc_np(sys);
    char reason[128];
    switch (sys) {
    case ENOENT:
        text = "it vanished";
        break;
    case ESTALE:
    case ELOOP:
    case ENOTDIR:
    case ENXIO:
        text = "something else is in its place now";
        break;
    case EIO:
        text = "input/output error: its disk may be failing, see 'dmesg'";
        break;
    default:
        break;
    }
    (void)snprintf(reason, sizeof(reason), "%s", text == NULL ? "unknown error" : text);
    if (reason[0] >= 'A' && reason[0] <= 'Z' && !(reason[1] >= 'A' && reason[1] <= 'Z')) {
        reason[0] = (char)(reason[0] - 'A' + 'a');
    }
    problem->sys = sys;
    (void)snprintf(problem->text, sizeof(problem->text), "%s%s%s", what == NULL ? "" : what,
                   what == NULL ? "" : ": ", reason);
    switch (sys) {
    case ENOENT:
        return SOURCE_VANISHED;
    case ESTALE:
    case ELOOP:
    case ENOTDIR:
    case ENXIO:
        return SOURCE_REPLACED;
    default:
        return SOURCE_UNREADABLE;
    }
}

bool
fs_racy(const struct fs_stat *stat)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    const struct {
        int64_t sec;
        int64_t nsec;
    } times[2] = {{stat->mtime_sec, stat->mtime_nsec}, {stat->ctime_sec, stat->ctime_nsec}};
    for (size_t i = 0; i < 2; i++) {
        if (times[i].sec > now.tv_sec) {
            return true;
        }
        if (times[i].sec + 3 >= now.tv_sec &&
            (now.tv_sec - times[i].sec) * 1000000000LL + now.tv_nsec - times[i].nsec < RACY_NS) {
            return true;
        }
    }
    return false;
}

/* A name of the window, to be sorted by inode number. */
struct batch_key {
    uint32_t inode;
    uint32_t place;
};

static int
key_compare(const void *a, const void *b)
{
    const struct batch_key *x = a;
    const struct batch_key *y = b;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static void
batch_look(const struct fs_frame *frame, int fd, struct fs_stat *stats, size_t count)
{
    struct batch_key keys[BATCH_LARGE];
    for (size_t i = 0; i < count; i++) {
        keys[i].inode = fs_listing_inode(&frame->list, frame->next + i);
        keys[i].place = (uint32_t)i;
    }
    qsort(keys, count, sizeof(keys[0]), key_compare);
    for (size_t i = 0; i < count; i++) {
        size_t len;
        fs_stat_at(fd, fs_listing_name(&frame->list, frame->next + keys[i].place, &len),
                   &stats[keys[i].place]);
    }
}

enum vv_rc
fs_batch_load(struct fs_source *fs, struct fs_frame *frame, struct vv_error *err)
{
    struct fs_batch *b = &frame->batch;
    if (frame->next >= b->first && frame->next - b->first < b->count) {
        return VV_OK;
    }
    size_t count = frame->list.count - frame->next;
    size_t most = fs->walk.depth <= BATCH_LARGE_DEPTH ? BATCH_LARGE : BATCH_SMALL;
    count = count < most ? count : most;
    if (b->cap < count) {
        struct fs_stat *grown = vv_realloc_array(b->stats, count, sizeof(*grown));
        if (grown == NULL) {
            return vv_error_nomem(err);
        }
        b->stats = grown;
        b->cap = count;
    }
    b->first = frame->next;
    b->count = count;
    int fd = fs_dir_pin(&fs->handles, frame->dir);
    if (fd >= 0) {
        batch_look(frame, fd, b->stats, count);
        fs_dir_unpin(&fs->handles, frame->dir);
        return VV_OK;
    }
    for (size_t i = 0; i < count; i++) {
        b->stats[i] = (struct fs_stat){.error = -fd};
    }
    return VV_OK;
}
