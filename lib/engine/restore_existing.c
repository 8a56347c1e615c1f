/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands in the target already: is it right (R3), to be kept, or to be replaced? */

#include "core/alloc.h"
#include "core/file.h"
#include "engine/restore_internal.h"

/** Keep what is there: named, counted, left out of the verify pass. */
static enum vv_rc
keep(struct restore *r, const struct entry *e, struct vv_error *err)
{
    restore_emit(r, VV_EVENT_PROBLEM, "kept", e->path,
                 "exists and differs: kept as it is (see --overwrite)");
    restore_add(&r->counts.kept, 1);
    return skipped_add(&r->skipped, e->path, err);
}

/** --delete: a directory in place of something else goes with all that is in it. */
static enum vv_rc
remove_directory(struct restore *r, const struct entry *e, struct vv_error *err)
{
    struct vv_arena arena = {0};
    struct entry found = {0};
    int fd = -1;
    bool directory;

    if (!r->options->delete_extra || r->options->overwrite == SINK_NEVER ||
        restore_patterned(r->options)) {
        return VV_OK;
    }
    directory = sink_inspect(r->sink, e->path, &arena, &found, &fd, NULL) == VV_OK &&
                found.type == ENTRY_DIRECTORY;
    vv_fd_close(fd);
    vv_arena_release(&arena);
    if (!directory) {
        return VV_OK;
    }
    if (r->options->dry_run) {
        restore_emit(r, VV_EVENT_NOTICE, "would-delete", e->path,
                     "a directory in place of what is restored");
    } else {
        VV_TRY(sink_remove(r->sink, e->path, err));
    }
    restore_add(&r->counts.deleted, 1);
    return VV_OK;
}

enum vv_rc
existing_judge(struct restore *r, const struct entry *e, bool parent_absent,
               enum existing_verdict *ret, struct vv_error *err)
{
    const struct restore_options *o = r->options;
    enum sink_existing existing = SINK_ABSENT;

    *ret = EXISTING_FETCH;
    if (parent_absent) {
        return VV_OK;
    }
    VV_TRY(sink_existing(r->sink, e, &existing, err));
    if (existing == SINK_ABSENT) {
        return VV_OK;
    }
    if (existing == SINK_EQUAL) {
        if (e->type != ENTRY_FILE || (o->dry_run && o->overwrite != SINK_ALWAYS)) {
            *ret = EXISTING_ALREADY;
            restore_already(r, e);
        } else if (o->overwrite != SINK_ALWAYS) {
            *ret = EXISTING_CHECK;
        }
        return VV_OK;
    }
    if (o->overwrite == SINK_NEVER) {
        *ret = EXISTING_KEPT;
        return keep(r, e, err);
    }
    VV_TRY(remove_directory(r, e, err));
    if (e->type == ENTRY_FILE && o->overwrite == SINK_CHANGED && !o->dry_run) {
        *ret = EXISTING_CHECK;
    }
    return VV_OK;
}

enum vv_rc
existing_check_later(struct restore *r, const struct entry *e, struct link_first *first,
                     struct vv_error *err)
{
    struct check_list *list = &r->plan.checks;
    struct restore_file *f;

    if (list->files == NULL) {
        list->files = vv_alloc_array(CHECKS_MAX, sizeof(struct restore_file *));
        if (list->files == NULL) {
            return vv_error_nomem(err);
        }
    }
    VV_TRY(plan_own_file(r, e, &f, err));
    f->first = first;
    list->files[list->count++] = f;
    return list->count == CHECKS_MAX ? existing_check_all(r, err) : VV_OK;
}

static void
note_different(struct restore *r, void *owner, uint64_t offset, uint64_t len, const char *why)
{
    struct restore_file *f = owner;

    (void)r;
    (void)offset;
    (void)len;
    (void)why;
    f->different = true;
}

/** Are the bytes of an open target file those of the snapshot?  f->different says so. */
static enum vv_rc
compare_content(struct restore_worker *w, struct restore_file *f, const struct entry *found, int fd,
                struct vv_error *err)
{
    struct readback *back;
    enum vv_rc rc;

    VV_TRY(worker_readback(w, &back, err));
    readback_begin(back, note_different);
    rc = extents_prepare(&f->entry, &f->arena, &f->starts, err);
    if (rc == VV_OK) {
        rc = readback_stream(back, f, &f->entry, f->starts, fd, err);
    }
    if (rc == VV_OK) {
        rc = readback_holes(back, f, &f->entry, found, fd, err);
    }
    readback_flush(back);
    if (file_lost_trouble(rc)) { /* of the repository: fetching it will tell */
        vv_error_clear(err);
        f->different = true;
        return VV_OK;
    }
    return rc;
}

/** Look at the target file: *ret_metadata if its attributes differ, f->different for its content.
 */
static enum vv_rc
compare(struct restore_worker *w, struct restore_file *f, bool content, bool *ret_metadata,
        struct vv_error *err)
{
    struct vv_buf differences = {0};
    struct entry found = {0};
    int fd = -1;
    enum vv_rc rc;

    vv_arena_reset(&w->arena);
    rc = sink_inspect(w->r->sink, f->entry.path, &w->arena, &found, &fd, err);
    if (rc != VV_OK && rc != VV_ENOMEM && rc != VV_ECANCELLED) {
        vv_error_clear(err); /* whatever it is, it is not known to be right */
        f->different = true;
        return VV_OK;
    }
    VV_TRY(rc);
    if (found.type != ENTRY_FILE || found.size != f->entry.size) {
        f->different = true;
    } else {
        sink_compare(w->r->sink, &f->entry, &found, &differences);
        *ret_metadata = differences.len > 0;
        rc = vv_buf_check(&differences, err);
        if (rc == VV_OK && content) {
            rc = compare_content(w, f, &found, fd, err);
        }
    }
    vv_buf_release(&differences);
    vv_fd_close(fd);
    return rc;
}

static enum vv_rc
run_check(struct restore_worker *w, struct job *j, uint32_t index, struct vv_error *err)
{
    struct restore *r = w->r;
    struct restore_file *f = r->plan.checks.files[index];
    bool metadata = false;

    (void)j;
    vv_progress_current(r->progress, f->entry.path);
    VV_TRY(compare(w, f, true, &metadata, err));
    if (f->different || !metadata) {
        return VV_OK;
    }
    if (r->options->overwrite == SINK_CHANGED) { /* the bytes are right: set the rest */
        struct vv_error failure = {0};
        enum vv_rc rc = sink_attributes(r->sink, &f->entry, &failure);
        if (rc == VV_OK) {
            metadata = false;
            VV_TRY(compare(w, f, false, &metadata, err));
        }
    }
    f->different = f->different || metadata;
    return VV_OK;
}

/** After the check: keep, leave, or fetch. */
static enum vv_rc
decide(struct restore *r, struct restore_file *f, struct vv_error *err)
{
    enum vv_rc rc;

    if (f->different && r->options->overwrite != SINK_NEVER) {
        return plan_fetch(r, f, err);
    }
    if (f->different) {
        rc = keep(r, &f->entry, err);
        file_settle(r, f, LINK_UNUSABLE);
        return rc;
    }
    restore_already(r, &f->entry);
    restore_add(&r->progress->bytes_done, f->entry.content.size);
    file_settle(r, f, LINK_GOOD);
    return VV_OK;
}

enum vv_rc
existing_check_all(struct restore *r, struct vv_error *err)
{
    struct check_list *list = &r->plan.checks;
    uint32_t count = list->count;

    if (count == 0) {
        return VV_OK;
    }
    list->job = (struct job){.run = run_check, .count = count};
    VV_TRY(jobs_run(r, &list->job, err));
    list->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        VV_TRY(decide(r, list->files[i], err));
    }
    return VV_OK;
}
