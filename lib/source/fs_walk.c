/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walk: a stack of directories (frames), the names of each sorted, one item a call.  As '/'
 * sorts before every other byte in the order of paths, going into a directory right after emitting
 * it, and taking names in the order of their bytes, gives that order. (1) frames[i].dir is the
 * parent of frames[i + 1].dir; path begins with frames[i]'s path. (2) A directory is listed before
 * it is emitted, so that its item can say that listing failed. (3) If a frame is pending, so is
 * everything in it so far: nothing below was emitted yet. (4) A frame's root range only ever moves
 * forward: roots and names are in the same order. (5) Of what is kept (U1) each frame of CHANGE_BELOW
 * hands out the range before each of its names, and the one behind the last.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "source/fs_internal.h"

static enum vv_rc
emit_missing(struct fs_source *fs, struct source_item *ret, struct vv_error *err)
{
    struct vv_span path = fs->roots.all[fs->walk.missing_at++];
    fs->base.counts.roots_missing++;
    fs->base.counts.roots_found--;
    VV_TRY(fs_emit(fs, &(struct fs_emission){.name = "", .path = path, .error = ENOENT}, ret, err));
    memcpy(ret->problem.text, "it does not exist", sizeof("it does not exist"));
    return VV_OK;
}

/* Emit the topmost pending directory: something below it is wanted. */
static enum vv_rc
emit_pending(struct fs_source *fs, struct source_item *ret, struct vv_error *err)
{
    struct fs_frame *frame = fs->walk.frames;
    while (!frame->pending) {
        frame++;
    }
    frame->pending = false;
    fs->walk.pending--;
    const struct fs_emission e = {
        .dir = frame->dir->parent,
        .name = frame->dir->name,
        .path = vv_span(fs->walk.path.data, frame->path_len),
        .stat = &frame->stat,
        .file_system = frame->system.number,
        .error = frame->list_error,
        .implied = true,
        .may_change = frame->may_change.verdict == PATTERN_MATCH,
    };
    return fs_emit(fs, &e, ret, err);
}

/* The first item: the root directory. */
static enum vv_rc
start(struct fs_source *fs, struct source_item *ret, struct vv_error *err)
{
    bool given = fs->roots.all[0].len == 0;
    struct fs_frame frame = {.whole = given, .implied = !given};
    frame.root_from = given ? 1 : 0;
    frame.root_to = fs->roots.count;
    fs_stat_at(AT_FDCWD, "/", &frame.stat);
    if (frame.stat.error != 0) {
        return vv_error_origin(err, VV_ORIGIN_SOURCE,
                               vv_error_sys(err, frame.stat.error, "cannot look at '/'"));
    }
    VV_CLEANUP(vv_fd_closep)
    int fd = fs_openat(&fs->handles, AT_FDCWD, "/", O_PATH | O_DIRECTORY, false);
    if (fd >= 0) {
        VV_TRY(fs_system_learn(&fs->systems, frame.stat.device, fd, &frame.system, err));
    }
    int error;
    VV_TRY(fs_look_root(fs, &frame, err));
    VV_TRY(fs_push(fs, &frame, NULL, "/", &error, err));
    fs->walk.started = true;
    const struct fs_emission e = {
        .dir = fs->walk.depth > 0 ? fs->walk.frames[0].dir : NULL,
        .name = "",
        .stat = &frame.stat,
        .file_system = frame.system.number,
        .error = error,
        .implied = !given,
    };
    return fs_emit(fs, &e, ret, err);
}

/* Put together what the walk knows of the frame's next name. */
static enum vv_rc
next_child(struct fs_source *fs, struct fs_frame *frame, struct fs_child *ret, struct vv_error *err)
{
    static const struct fs_stat too_long = {.error = ENAMETOOLONG};
    struct fs_walk *w = &fs->walk;
    VV_TRY(fs_batch_load(fs, frame, err));
    struct fs_child c = {.stat = &frame->batch.stats[frame->next - frame->batch.first]};
    c.name = fs_listing_name(&frame->list, frame->next, &c.name_len);
    w->path.len = frame->path_len;
    if (frame->path_len > 0) {
        vv_buf_put_u8(&w->path, '/');
    }
    vv_buf_put(&w->path, c.name, c.name_len);
    VV_TRY(vv_buf_check(&w->path, err));
    c.path = vv_buf_span(&w->path);
    if (c.path.len > LIMIT_PATH || w->depth > LIMIT_DEPTH) {
        c.stat = &too_long;
    }
    const struct vv_span *roots = fs->roots.all;
    while (frame->root_from < frame->root_to && path_compare(roots[frame->root_from], c.path) < 0) {
        frame->root_from++;
    }
    c.root_from = frame->root_from;
    c.given = c.root_from < frame->root_to && path_compare(roots[c.root_from], c.path) == 0;
    c.root_to = c.root_from + (c.given ? 1 : 0);
    while (c.root_to < frame->root_to && path_is_below(roots[c.root_to], c.path)) {
        c.root_to++;
    }
    *ret = c;
    return VV_OK;
}

/* Go into the directory ${c}; *ret_error as in fs_push. */
static enum vv_rc
enter(struct fs_source *fs, struct fs_dir *parent, const struct fs_child *c,
      const struct fs_decision *d, enum change look, int *ret_error, struct vv_error *err)
{
    struct fs_frame frame = {
        .path_len = c->path.len,
        .root_from = c->root_from + (c->given ? 1 : 0),
        .root_to = c->root_to,
        .excluded = d->excluded,
        .may_change = d->may_change,
        .stat = *c->stat,
        .system = d->system,
        .look = look,
        .whole = d->whole,
        .implied = d->implied,
        .pending = d->choice == FS_PENDING,
    };
    return fs_push(fs, &frame, parent, c->name, ret_error, err);
}

/* Say what is remarkable about a path given. */
static void
remark(const struct fs_source *fs, const struct fs_child *c, const struct fs_decision *d)
{
    if (c->given && fs_type(c->stat->mode) == ENTRY_SYMLINK) {
        vv_emit(fs->options.events, VV_EVENT_NOTICE, "source-is-link", c->path,
                "a source that is a symbolic link is stored as a link; "
                "end the path in '/' to follow it");
    }
    if (c->root_to > c->root_from && d->hands_off) {
        vv_emit(fs->options.events, VV_EVENT_WARNING, "source-pseudo", c->path,
                "its file system holds nothing to back up (proc, sysfs and the like); "
                "only the empty directory is stored");
    }
}

/* Emit a child that is kept, after going into it if it is a directory. */
static enum vv_rc
keep(struct fs_source *fs, const struct fs_frame *frame, const struct fs_child *c,
     const struct fs_decision *d, struct source_item *ret, struct vv_error *err)
{
    struct fs_dir *parent = frame->dir; /* frame moves when another is pushed */
    int error = 0;
    remark(fs, c, d);
    if (d->content_counter != NULL) {
        ++*d->content_counter;
    }
    if (d->enter) {
        enum change look;
        VV_TRY(fs_look(fs, frame, c, d, &look, err));
        fs->walk.keep_below = look == CHANGE_NONE;
        if (look != CHANGE_NONE) {
            VV_TRY(enter(fs, parent, c, d, look, &error, err));
        }
    } else if (fs_type(c->stat->mode) != ENTRY_DIRECTORY) {
        fs->walk.missing_at = c->root_from + (c->given ? 1 : 0);
        fs->walk.missing_to = c->root_to;
    }
    const struct fs_emission e = {
        .dir = parent,
        .name = c->name,
        .path = c->path,
        .stat = c->stat,
        .file_system = d->system.number,
        .error = error,
        .implied = d->implied,
        .may_change = d->may_change.verdict == PATTERN_MATCH,
        .hands_off = d->hands_off,
    };
    return fs_emit(fs, &e, ret, err);
}

static enum vv_rc
fail(struct fs_source *fs, const struct fs_frame *frame, const struct fs_child *c,
     const struct fs_decision *d, struct source_item *ret, struct vv_error *err)
{
    const struct fs_emission e = {
        .dir = frame->dir,
        .name = c->name,
        .path = c->path,
        .error = c->stat->error,
        .may_change = d->may_change.verdict == PATTERN_MATCH,
    };
    return fs_emit(fs, &e, ret, err);
}

/* Deal with the next name of the top frame; *ret_item tells whether that gave an item. */
static enum vv_rc
step(struct fs_source *fs, struct source_item *ret, bool *ret_item, struct vv_error *err)
{
    struct fs_walk *w = &fs->walk;
    struct fs_frame *frame = &w->frames[w->depth - 1];
    struct fs_child c;
    struct fs_decision d;
    int error = 0;
    VV_TRY(next_child(fs, frame, &c, err));
    VV_TRY(fs_choose(fs, frame, &c, &d, err));
    if (frame->look == CHANGE_BELOW) {
        bool on;
        VV_TRY(fs_leads_on(fs, &c, &d, &on, err));
        frame->kept = false;
        if (!on) {
            frame->next++;
            return VV_OK;
        }
    }
    *ret_item = d.choice == FS_KEEP || d.choice == FS_FAILED;
    if (*ret_item && w->pending > 0) {
        return emit_pending(fs, ret, err); /* and come back to this name */
    }
    frame->next++;
    switch (d.choice) {
    case FS_KEEP:
        return keep(fs, frame, &c, &d, ret, err);
    case FS_FAILED:
        return fail(fs, frame, &c, &d, ret, err);
    case FS_MISSING:
        w->missing_at = c.root_from;
        w->missing_to = c.root_to;
        return VV_OK;
    case FS_PENDING:
        VV_TRY(enter(fs, frame->dir, &c, &d, CHANGE_ALL, &error, err));
        if (w->frames[w->depth - 1].path_len == c.path.len) {
            return VV_OK; /* entered: counted when it is left */
        }
        fs->base.counts.excluded++;
        return VV_OK;
    case FS_SKIP:
        *d.counter += 1;
        return VV_OK;
    }
    return VV_OK;
}

enum vv_rc
fs_next(struct source *s, struct source_item *ret, bool *ret_end, struct vv_error *err)
{
    struct fs_source *fs = (struct fs_source *)s;
    struct fs_walk *w = &fs->walk;
    *ret_end = false;
    for (;;) {
        bool item = false;
        VV_TRY(vv_cancel_check(fs->options.cancel, err));
        if (w->missing_at < w->missing_to) {
            return emit_missing(fs, ret, err);
        }
        if (!w->started) {
            return start(fs, ret, err);
        }
        if (w->keep_below) {
            return fs_emit_kept_below(fs, ret, err);
        }
        if (w->depth == 0) {
            *ret_end = true;
            return VV_OK;
        }
        struct fs_frame *frame = &w->frames[w->depth - 1];
        if (frame->look == CHANGE_BELOW && !frame->kept) {
            return fs_emit_kept(fs, frame, ret, err);
        }
        if (frame->next == frame->list.count) {
            fs_pop(fs);
            continue;
        }
        VV_TRY(step(fs, ret, &item, err));
        if (item) {
            return VV_OK;
        }
    }
}
