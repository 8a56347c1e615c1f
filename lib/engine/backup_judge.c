/* SPDX-License-Identifier: BSD-2-Clause */
/* What kind of news is a file that was read? */

#include "engine/backup_internal.h"
#include "engine/look_live_internal.h"

bool
judge_same_content(const struct entry *a, const struct entry *b)
{
    if (a->content.size != b->content.size || a->content.height != b->content.height ||
        a->content.count != b->content.count) {
        return false;
    }
    for (uint32_t i = 0; i < a->content.count; i++) {
        if (!vv_id_equal(&a->content.refs[i].id, &b->content.refs[i].id)) {
            return false;
        }
    }
    return true;
}

static bool
same_time(const struct entry_time *a, const struct entry_time *b)
{
    return a->sec == b->sec && a->nsec == b->nsec;
}

/** Did the metadata still agree with the baseline's when the file was read?  Between the walk's
 *  look and the reading it may have been written to, like any file that is in use. */
static bool
still_same_stat(const struct window_item *it)
{
    return it->same_stat && it->entry.size == it->base.size &&
           same_time(&it->entry.mtime, &it->base.mtime) &&
           same_time(&it->entry.ctime, &it->base.ctime);
}

/**
 * Does the file hold the very bytes the baseline has of it?  What is stored may differ although it
 * does: whether preallocated space reads as data or as a hole changes with what is in the page
 * cache, and nothing in the file's metadata tells.  The file is read once more, and compared by the
 * ids of the baseline's chunks, holes counting as zeros.
 */
static enum vv_rc
same_bytes(struct worker *w, struct source *source, const struct window_item *it, bool *ret,
           struct vv_error *err)
{
    struct backup *b = w->b;
    struct looker look = {.repo = b->repo, .index = b->index, .chunks = b->reader};
    struct source_item again = it->item; /* same handle, released once, with the window */
    struct source_problem problem = {0};
    struct source_file *f = NULL;
    struct vv_arena scratch = {0};
    struct entry base = it->base;
    enum source_status status = SOURCE_OK;
    enum vv_rc rc = entry_complete(b->reader, &base, &scratch, err);

    *ret = false;
    if (rc == VV_OK && source_open(source, &again, &scratch, &f, &problem) == SOURCE_OK &&
        f != NULL) {
        struct entry ignored = again.entry;
        rc = live_content_equal(&look, &base, &again.entry, f, ret, &status, &problem, err);
        (void)source_close(f, &ignored, &problem);
    }
    vv_arena_release(&scratch);
    if (rc == VV_ENOTFOUND || rc == VV_ECORRUPT ||
        rc == VV_EKEY) { /* nobody can tell any more: it is news */
        vv_error_clear(err);
        *ret = false;
        rc = VV_OK;
    }
    return rc;
}

enum vv_rc
judge_item(struct worker *w, struct source *source, struct window_item *it, struct vv_error *err)
{
    struct backup *b = w->b;
    bool same = false;

    if (it->entry.type != ENTRY_FILE) {
        return VV_OK;
    }
    it->same_stat = still_same_stat(it);
    it->changed = it->base.type != ENTRY_FILE || !judge_same_content(&it->base, &it->entry);
    if (!it->same_stat || !it->changed || it->base.type != ENTRY_FILE ||
        (it->base.flags & (ENTRY_RACY | ENTRY_TORN | ENTRY_MAY_CHANGE)) != 0) {
        return VV_OK;
    }
    VV_TRY(same_bytes(w, source, it, &same, err));
    if (same) {
        it->changed = false;
        return VV_OK;
    }
    backup_add(b, &b->statistics.silent_changes, 1);
    backup_problem(b, &it->item, "content-changed-silently",
                   "content differs although size, times and inode are unchanged; the new content "
                   "was stored, the snapshot before has the old one");
    return VV_OK;
}
