/* SPDX-License-Identifier: BSD-2-Clause */
/* What becomes of something the walk meets: excluded, skipped by nature, kept, gone into. */
#include <errno.h>
#include <fcntl.h>

#include "core/file.h"
#include "source/fs_internal.h"

/* The file system ${child} is on.  Only a device number never seen before needs an open; O_PATH
 * pulls no automount trigger. */
static enum vv_rc
find_system(struct fs_source *fs, const struct fs_frame *frame, const struct fs_child *child,
            struct fs_system *ret, struct vv_error *err)
{
    if (child->stat->device == frame->stat.device) {
        *ret = frame->system;
        return VV_OK;
    }
    if (fs_system_find(&fs->systems, child->stat->device, ret)) {
        return VV_OK;
    }
    *ret = (struct fs_system){0};
    int dir = fs_dir_pin(&fs->handles, frame->dir);
    if (dir < 0) {
        return VV_OK; /* going into it will fail in the same way, and say so */
    }
    VV_CLEANUP(vv_fd_closep)
    int fd = fs_openat(&fs->handles, dir, child->name, O_PATH | O_NOFOLLOW, false);
    fs_dir_unpin(&fs->handles, frame->dir);
    struct fs_stat stat;
    if (fd < 0) {
        return VV_OK;
    }
    fs_stat_fd(fd, &stat);
    if (stat.error != 0 || stat.device != child->stat->device) {
        return VV_OK;
    }
    return fs_system_learn(&fs->systems, child->stat->device, fd, ret, err);
}

static bool
is_never(const struct fs_source *fs, const struct fs_stat *stat)
{
    for (size_t i = 0; i < fs->options.never_count; i++) {
        if (fs->options.never[i].device == stat->device &&
            fs->options.never[i].inode == stat->inode) {
            return true;
        }
    }
    return false;
}

static struct pattern_match
test_below(const struct pattern_set *set, struct pattern_match above, struct vv_span path,
           bool is_directory)
{
    if (set == NULL) {
        return above;
    }
    return pattern_match_below(above, pattern_set_match(set, path, is_directory));
}

/* Something whose stat failed.  What would have been left out anyway is not worth a word. */
static void
choose_failed(struct fs_source *fs, const struct fs_frame *frame, const struct fs_child *child,
              struct fs_decision *d)
{
    const struct pattern_set *excludes = fs->options.excludes;
    bool excluded =
        test_below(excludes, frame->excluded, child->path, false).verdict == PATTERN_MATCH ||
        test_below(excludes, frame->excluded, child->path, true).verdict == PATTERN_MATCH;
    bool gone = child->stat->error == ENOENT || child->stat->error == ENOTDIR;
    d->choice = FS_FAILED;
    if (gone && child->root_to > child->root_from) {
        d->choice = FS_MISSING;
    } else if (excluded && child->root_from == child->root_to) {
        d->choice = FS_SKIP;
        d->counter = &fs->base.counts.excluded;
    }
}

/* Left out by what it is, or by an option other than patterns?  Says which counter in *counter. */
static bool
left_out(struct fs_source *fs, const struct fs_frame *frame, const struct fs_child *child,
         const struct fs_decision *d, uint64_t **counter)
{
    const struct fs_stat *stat = child->stat;
    enum entry_type type = fs_type(stat->mode);
    struct source_counts *counts = &fs->base.counts;
    if (type == 0) {
        *counter = &counts->sockets;
        return true;
    }
    if (type == ENTRY_DIRECTORY) {
        *counter = &counts->excluded;
        return stat->nodump;
    }
    /* A file with a file system of its own: bound over the one that is there.  Only the mount
     * tells: on overlay file systems files have other device numbers than their directories. */
    bool mounted = stat->mount != frame->stat.mount && stat->mount != 0 && frame->stat.mount != 0;
    if (d->system.pseudo || (fs->options.one_file_system && mounted)) {
        *counter = &counts->skipped_file_systems;
        return true;
    }
    *counter = &counts->excluded;
    return stat->nodump || (fs->options.exclude_larger_than != 0 && type == ENTRY_FILE &&
                            stat->size > fs->options.exclude_larger_than);
}

/* A directory that is neither excluded nor given: what about its content? */
static void
choose_content(struct fs_source *fs, const struct fs_frame *frame, const struct fs_child *child,
               struct fs_decision *d)
{
    bool crossing = child->stat->device != frame->stat.device;
    if (d->system.pseudo || child->stat->automount) {
        d->content_counter = &fs->base.counts.skipped_file_systems;
        d->hands_off = true;
        d->enter = false;
    } else if (crossing && fs->options.one_file_system && !child->given) {
        d->content_counter = &fs->base.counts.skipped_file_systems;
        d->whole = false;
        d->enter = child->root_to > child->root_from;
    }
}

/* Something given, or on the way to something given: no exclusion applies. */
static void
choose_given(struct fs_source *fs, const struct fs_frame *frame, const struct fs_child *child,
             struct fs_decision *d)
{
    enum entry_type type = fs_type(child->stat->mode);
    d->choice = FS_KEEP;
    if (child->given) {
        d->excluded = (struct pattern_match){0};
        if (type == 0) {
            d->choice = FS_SKIP;
            d->counter = &fs->base.counts.sockets;
        }
    } else if (!frame->whole || d->excluded.verdict == PATTERN_MATCH || child->stat->nodump) {
        d->whole = false;
        d->implied = true;
        if (type != ENTRY_DIRECTORY) {
            d->choice = FS_MISSING;
        }
    } else if (type == 0) {
        d->choice = FS_MISSING;
    }
    d->enter = type == ENTRY_DIRECTORY;
}

enum vv_rc
fs_choose(struct fs_source *fs, const struct fs_frame *frame, const struct fs_child *child,
          struct fs_decision *ret, struct vv_error *err)
{
    const struct fs_stat *stat = child->stat;
    struct fs_decision d = {.choice = FS_KEEP, .whole = true};
    d.excluded = frame->excluded;
    d.may_change = frame->may_change;
    *ret = d;
    if (stat->error != 0) {
        choose_failed(fs, frame, child, ret);
        return VV_OK;
    }
    bool directory = fs_type(stat->mode) == ENTRY_DIRECTORY;
    d.excluded = test_below(fs->options.excludes, frame->excluded, child->path, directory);
    d.may_change = test_below(fs->options.may_change, frame->may_change, child->path, directory);
    VV_TRY(find_system(fs, frame, child, &d.system, err));
    if (directory && is_never(fs, stat)) {
        d.choice = FS_SKIP;
        d.counter = &fs->base.counts.excluded;
    } else if (child->root_to > child->root_from) {
        choose_given(fs, frame, child, &d);
    } else if (left_out(fs, frame, child, &d, &d.counter)) {
        d.choice = FS_SKIP;
    } else if (d.excluded.verdict != PATTERN_MATCH) {
        d.enter = directory;
    } else {
        bool wanted = directory && pattern_set_may_include_below(fs->options.excludes,
                                                                 d.excluded.rank, child->path);
        d.choice = wanted ? FS_PENDING : FS_SKIP;
        d.counter = &fs->base.counts.excluded;
        d.enter = wanted;
    }
    if (d.enter) {
        choose_content(fs, frame, child, &d);
    }
    if (d.choice == FS_PENDING && !d.enter) {
        d.choice = FS_SKIP;
        d.content_counter = NULL;
    }
    *ret = d;
    return VV_OK;
}
