/* SPDX-License-Identifier: BSD-2-Clause */
/* The verify pass: every entry is read back from the target and compared with the snapshot. */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "engine/restore_internal.h"

/** An entry to be verified. */
struct verify_item {
    struct entry entry; /* whole */
    bool differs;       /* its content does; named once */
};
/** Entries that one worker verifies together, so that their chunks are hashed together. */
struct verify_window {
    struct job job;
    struct vv_arena arena;
    struct verify_item items[VERIFY_ITEMS];
    uint32_t count;
    uint64_t bytes;
};

void
restore_differs(struct restore *r, struct vv_span path, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    restore_add(&r->counts.verify_differences, 1);
    restore_emit(r, VV_EVENT_PROBLEM, "verify-difference", path, "%s", text);
}

uint32_t
restore_in_flight(const struct restore *r)
{
    return 2 * r->pool.worker_count + 2;
}

enum vv_rc
restore_verify_metadata(struct restore *r, const struct entry *e, const struct entry *found,
                        bool *ret_content, struct vv_error *err)
{
    struct vv_buf list = {0};
    enum vv_rc rc;

    sink_compare(r->sink, e, found, &list);
    if (e->type == found->type && e->type != ENTRY_DIRECTORY && !links_same(r, e, found->inode)) {
        vv_buf_put_text(&list, list.len > 0 ? ", not linked to its other names"
                                            : "not linked to its other names");
    }
    rc = vv_buf_check(&list, err);
    if (rc == VV_OK && list.len > 0) {
        restore_differs(r, e->path, "%s", vv_buf_text(&list));
    }
    vv_buf_release(&list);
    *ret_content = e->type == ENTRY_FILE && found->type == ENTRY_FILE && e->size == found->size;
    return rc;
}

enum vv_rc
restore_verify_inspect(struct restore *r, const struct entry *e, struct vv_arena *arena,
                       struct entry *ret, int *ret_fd, bool *ret_there, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc = sink_inspect(r->sink, e->path, arena, ret, ret_fd, &why);

    *ret_there = rc == VV_OK;
    if (rc == VV_ENOMEM || rc == VV_ECANCELLED) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    if (rc == VV_ENOTFOUND) {
        restore_differs(r, e->path, "missing");
    } else if (rc != VV_OK && why.sys == EACCES && (e->mode & 0400) == 0) {
        restore_add(&r->counts.not_verified, 1);
        restore_emit(r, VV_EVENT_PROBLEM, "not-verified", e->path,
                     "its permissions do not let this user read it back");
    } else if (rc != VV_OK) {
        restore_differs(r, e->path, "%s", why.message);
    }
    return VV_OK;
}

static void
content_differs(struct restore *r, void *owner, uint64_t offset, uint64_t len, const char *why)
{
    struct verify_item *it = owner;

    if (!it->differs) {
        restore_differs(r, it->entry.path, "bytes %" PRIu64 " to %" PRIu64 ": %s", offset,
                        offset + len, why);
    }
    it->differs = true;
}

/** The content of a small file goes into the worker's buffer, to be hashed with its neighbours'. */
static enum vv_rc
read_content(struct restore_worker *w, struct verify_window *win, struct verify_item *it,
             const struct entry *found, int fd, struct vv_error *err)
{
    struct restore *r = w->r;
    struct vv_error why = {0};
    uint64_t *starts = NULL;
    enum vv_rc rc = extents_prepare(&it->entry, &win->arena, &starts, &why);

    if (rc == VV_OK) {
        rc = readback_stream(w->back, it, &it->entry, starts, fd, &why);
    }
    if (rc == VV_OK) {
        rc = readback_holes(w->back, it, &it->entry, found, fd, &why);
    }
    if (file_lost_trouble(rc)) {
        restore_differs(r, it->entry.path, "its content could not be compared: %s", why.message);
        return VV_OK;
    }
    if (rc != VV_OK) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    restore_add(&r->counts.verified_files, 1);
    restore_add(&r->counts.verified_bytes, it->entry.content.size);
    restore_add(&r->progress->bytes_done, it->entry.content.size);
    restore_add(&r->progress->files_done, 1);
    return VV_OK;
}

static enum vv_rc
verify_item(struct restore_worker *w, struct verify_window *win, struct verify_item *it,
            struct vv_error *err)
{
    struct entry found = {0};
    bool there = false;
    bool content = false;
    int fd = -1;
    enum vv_rc rc;

    vv_arena_reset(&w->arena);
    rc = restore_verify_inspect(w->r, &it->entry, &w->arena, &found, &fd, &there, err);
    if (rc == VV_OK && there) {
        rc = restore_verify_metadata(w->r, &it->entry, &found, &content, err);
        if (rc == VV_OK && content) {
            rc = read_content(w, win, it, &found, fd, err);
        }
    }
    vv_fd_close(fd);
    return rc;
}

static enum vv_rc
run_window(struct restore_worker *w, struct job *j, uint32_t index, struct vv_error *err)
{
    struct verify_window *win = (struct verify_window *)(void *)j;
    struct readback *back;

    (void)index;
    VV_TRY(worker_readback(w, &back, err));
    readback_begin(back, content_differs);
    vv_progress_current(w->r->progress, win->items[0].entry.path);
    for (uint32_t i = 0; i < win->count; i++) {
        VV_TRY(verify_item(w, win, &win->items[i], err));
    }
    readback_flush(back);
    return VV_OK;
}

static void
free_window(struct restore *r, struct job *j)
{
    struct verify_window *win = (struct verify_window *)(void *)j;

    (void)r;
    vv_arena_release(&win->arena);
    vv_free(win);
}

static enum vv_rc
submit_window(struct restore *r, struct verify_window **win, struct vv_error *err)
{
    struct verify_window *full = TAKE(*win);

    return full == NULL ? VV_OK : jobs_submit(r, &full->job, restore_in_flight(r), err);
}

/** Put an entry into the window. */
static enum vv_rc
add_item(struct restore *r, const struct entry *e, struct verify_window **win, struct vv_error *err)
{
    struct verify_item *it;
    bool lost = false;

    if (*win == NULL) {
        *win = vv_alloc_array(1, sizeof(**win));
        if (*win == NULL) {
            return vv_error_nomem(err);
        }
        (*win)->job = (struct job){.run = run_window, .end = free_window, .count = 1};
    }
    it = &(*win)->items[(*win)->count];
    VV_TRY(entry_copy(&(*win)->arena, e, &it->entry, err));
    VV_TRY(entry_bring(r, &it->entry, &(*win)->arena, &lost, err));
    if (lost) {
        return VV_OK;
    }
    (*win)->count++;
    (*win)->bytes += e->content.size;
    if ((*win)->count == VERIFY_ITEMS || (*win)->bytes >= READBACK_BYTES) {
        return submit_window(r, win, err);
    }
    return VV_OK;
}

static enum vv_rc
verify_all(struct restore *r, struct walk *w, struct verify_window **win, struct vv_error *err)
{
    for (;;) {
        struct walk_item item;
        bool end;
        VV_TRY(vv_cancel_check(repo_cancel(r->repo), err));
        VV_TRY(restore_walk_next(w, &item, &end, err));
        if (end) {
            break;
        }
        if (skipped_has(&r->skipped, item.entry.path)) {
            if (item.entry.type == ENTRY_DIRECTORY) {
                VV_TRY(restore_walk_skip_below(w, err));
            }
            continue;
        }
        if (sink_withheld(r->sink, &item.entry)) {
            continue;
        }
        if (item.entry.type == ENTRY_FILE && item.entry.content.size > VERIFY_LARGE) {
            VV_TRY(restore_verify_large(r, &item.entry, err));
        } else {
            VV_TRY(add_item(r, &item.entry, win, err));
        }
    }
    VV_TRY(submit_window(r, win, err));
    return jobs_drain(r, err);
}

enum vv_rc
restore_verify(struct restore *r, struct vv_error *err)
{
    VV_CLEANUP(restore_walk_freep) struct walk *w = NULL;
    struct verify_window *win = NULL;
    enum vv_rc rc;

    sink_uncache(r->sink, &r->verified_from_memory);
    VV_TRY(restore_walk_new(r, false, &w, err));
    rc = verify_all(r, w, &win, err);
    if (win != NULL) {
        free_window(r, &win->job);
    }
    return rc;
}
