/* SPDX-License-Identifier: BSD-2-Clause */
/* The walk: items of the source, merged with the baseline and with what sequences brought. */

#include <string.h>

#include "engine/backup_internal.h"

/** The walk's state. */
struct walk {
    struct backup *b;
    struct source *source; /* NULL: none */
    struct baseline *baseline;
    struct window *win;
    bool needs_work;
    size_t sequence_at;     /* next entry of b->sequence */
    size_t sequence_end;    /* behind the last one to be merged */
    struct vv_span covered; /* a directory whose name is taken: what is below it is left out */
};

bool
walk_same_metadata(struct source *source, const struct entry *now, const struct entry *base,
                   const struct snapshot_file_system *table, uint32_t table_count)
{
    const struct snapshot_file_system *ours;
    uint32_t count = 0;

    if (now->type != base->type || now->size != base->size || now->mtime.sec != base->mtime.sec ||
        now->mtime.nsec != base->mtime.nsec || now->ctime.sec != base->ctime.sec ||
        now->ctime.nsec != base->ctime.nsec) {
        return false;
    }
    if (now->file_system == 0 || base->file_system == 0 || base->file_system > table_count) {
        return true; /* inode numbers mean nothing without an identity */
    }
    ours = source_fs_file_systems(source, &count);
    if (now->file_system > count) {
        return true;
    }
    if (ours[now->file_system - 1].type != table[base->file_system - 1].type ||
        ours[now->file_system - 1].identity != table[base->file_system - 1].identity) {
        return true; /* another file system: its inode numbers cannot be compared */
    }
    return now->inode == base->inode;
}

/** Take the baseline's entry, with what belongs to this run's look at it. */
static void
take_over(struct window_item *it)
{
    const struct entry *now = &it->item.entry;

    it->entry = it->base;
    it->entry.path = now->path;
    it->entry.file_system = now->file_system;
    it->entry.inode = now->inode;
    it->entry.user = now->user;
    it->entry.group = now->group;
    it->entry.flags &= ~(ENTRY_IMPLIED | ENTRY_MAY_CHANGE);
    it->entry.flags |= now->flags & ENTRY_IMPLIED;
}

/** Decide what is to be done with an item, from the baseline. */
static enum vv_rc
classify(struct walk *k, struct window_item *it, struct vv_error *err)
{
    struct backup *b = k->b;
    const struct entry *base = NULL;
    const struct snapshot_file_system *table = NULL;
    uint32_t table_count = 0;
    bool trusted = false;

    it->state = ITEM_READ;
    it->entry = it->item.entry;
    if (k->baseline == NULL) {
        return VV_OK;
    }
    VV_TRY(baseline_find(k->baseline, it->item.entry.path, &base, &trusted, &table, &table_count,
                         err));
    if (base == NULL) {
        return VV_OK;
    }
    VV_TRY(entry_copy(&k->win->arena, base, &it->base, err));
    it->same_stat = walk_same_metadata(k->source, &it->item.entry, &it->base, table, table_count);
    if (!it->same_stat || (it->base.flags & (ENTRY_RACY | ENTRY_TORN | ENTRY_MAY_CHANGE)) ||
        b->options->full) {
        return VV_OK;
    }
    take_over(it);
    it->state = trusted ? ITEM_TAKEN : ITEM_CHECK;
    return VV_OK;
}

static enum vv_rc
new_window(struct walk *k, struct vv_error *err)
{
    k->win = pool_new_window(k->b, k->source);
    k->needs_work = false;
    if (k->win == NULL) {
        return vv_error_nomem(err);
    }
    return backup_failed(k->b) ? vv_error_set(err, VV_ECANCELLED, "stopped") : VV_OK;
}

static void
submit(struct walk *k)
{
    pool_submit(k->b, k->win, k->needs_work);
    k->win = NULL;
}

/** The next place in the current window. */
static enum vv_rc
place(struct walk *k, struct window_item **ret, struct vv_error *err)
{
    if (k->win != NULL && (k->win->count == WINDOW_ITEMS || k->win->bytes >= WINDOW_BYTES)) {
        submit(k);
    }
    if (k->win == NULL) {
        VV_TRY(new_window(k, err));
    }
    *ret = &k->win->items[k->win->count];
    memset(*ret, 0, sizeof(**ret));
    return VV_OK;
}

/** What kind of news is what a sequence brought?  Content was read; times of a command's output, or of
 *  a file that a server made for us, mean nothing. */
static enum vv_rc
judge_sequence_entry(struct walk *k, struct window_item *it, struct vv_error *err)
{
    const struct snapshot_file_system *table;
    const struct entry *base = NULL;
    uint32_t count = 0;
    bool trusted;

    VV_TRY(baseline_find(k->baseline, it->entry.path, &base, &trusted, &table, &count, err));
    if (base != NULL) {
        it->base.type = base->type;
        it->same_stat = base->type == it->entry.type && base->mode == it->entry.mode &&
                        (base->type != ENTRY_FILE || judge_same_content(base, &it->entry)) &&
                        base->target.len == it->entry.target.len &&
                        (base->target.len == 0 ||
                         memcmp(base->target.data, it->entry.target.data, base->target.len) == 0);
        it->changed = !it->same_stat;
    }
    return VV_OK;
}

/** Put one entry of a sequence into the tree's order. */
static enum vv_rc
add_sequence_entry(struct walk *k, struct vv_error *err)
{
    struct window_item *it;

    VV_TRY(place(k, &it, err));
    it->entry = k->b->sequence[k->sequence_at++];
    it->from_sequence = true;
    it->state = ITEM_READY;
    k->win->count++;
    return judge_sequence_entry(k, it, err);
}

/** Sequence entries that come before ${item} (all, if NULL); *ret_taken: one has its very path. */
static enum vv_rc
add_sequence_before(struct walk *k, const struct source_item *item, bool *ret_taken,
                    struct vv_error *err)
{
    struct backup *b = k->b;

    *ret_taken = false;
    while (k->sequence_at < k->sequence_end) {
        const struct entry *next = &b->sequence[k->sequence_at];
        int order = item != NULL ? path_compare(next->path, item->entry.path) : -1;
        if (order > 0) {
            break;
        }
        if (order == 0) {
            /* Directories may come from both: the file system's is the real one. */
            if (next->type == ENTRY_DIRECTORY && item->entry.type == ENTRY_DIRECTORY) {
                k->sequence_at++;
            } else {
                *ret_taken = true;
            }
            break;
        }
        VV_TRY(add_sequence_entry(k, err));
    }
    return VV_OK;
}

static void
report_item(struct backup *b, const struct source_item *item)
{
    const char *event = "file-unreadable";

    if (item->status == SOURCE_VANISHED) {
        event = "file-vanished";
    } else if (item->status == SOURCE_REPLACED) {
        event = "file-replaced";
    }
    backup_problem(b, item, event, item->problem.text);
}

/** What the file system has where a command's or archive's output goes cannot be stored: the output
 *  may exist nowhere else. */
static void
leave_out(struct walk *k, struct source_item *item)
{
    bool directory = item->entry.type == ENTRY_DIRECTORY;

    backup_problem(k->b, item, "name-taken",
                   directory ? "a command's or archive's output has this name; the directory was "
                               "left out with all that is in it"
                             : "a command's or archive's output has this name, or goes below it; "
                               "the file was left out");
    if (directory) {
        k->covered = k->b->sequence[k->sequence_at].path;
    }
    source_item_release(k->source, item);
}

/** A range of the parent's tree. */
static enum vv_rc
add_kept(struct walk *k, struct source_item *item, struct vv_error *err)
{
    struct window_item *it;
    enum vv_rc rc = place(k, &it, err);

    if (rc != VV_OK) {
        source_item_release(k->source, item);
        return rc;
    }
    it->item = *item;
    it->state = ITEM_KEPT;
    k->win->count++;
    return VV_OK;
}

/** One item of the file system. */
static enum vv_rc
add_item(struct walk *k, struct source_item *item, struct vv_error *err)
{
    struct backup *b = k->b;
    struct window_item *it;
    bool taken = false;
    enum vv_rc rc;

    if (item->kept != NULL) {
        return add_kept(k, item, err);
    }
    if (k->covered.len > 0 && path_is_below(item->entry.path, k->covered)) {
        source_item_release(k->source, item);
        return VV_OK;
    }
    if (item->status != SOURCE_OK) {
        report_item(b, item);
        keep_unsettled(b, item->entry.path, item->entry.type == ENTRY_DIRECTORY);
        if (item->status != SOURCE_UNREADABLE || item->entry.type != ENTRY_DIRECTORY) {
            source_item_release(k->source, item);
            return VV_OK;
        } /* else a directory whose names could not be listed: itself it is kept */
    }
    rc = add_sequence_before(k, item, &taken, err);
    if (rc == VV_OK && taken) {
        leave_out(k, item);
        return VV_OK;
    }
    if (rc == VV_OK) {
        rc = place(k, &it, err);
    }
    if (rc != VV_OK) {
        source_item_release(k->source, item);
        return rc;
    }
    it->item = *item;
    k->win->count++; /* from here on the window owns the item */
    VV_TRY(classify(k, it, err));
    if (it->state == ITEM_READ || it->state == ITEM_CHECK) {
        k->needs_work = true;
        if (it->state == ITEM_READ && it->entry.type == ENTRY_FILE) {
            k->win->bytes += it->entry.size;
        }
    } else if (it->entry.type == ENTRY_FILE) {
        atomic_fetch_add_explicit(&b->progress->bytes_done, it->entry.size, memory_order_relaxed);
    }
    return VV_OK;
}

static enum vv_rc
walk_items(struct walk *k, struct vv_error *err)
{
    struct backup *b = k->b;
    bool end = k->source == NULL;
    bool taken;

    while (!end) {
        struct source_item item = {0};
        VV_TRY(vv_cancel_check(repo_cancel(b->repo), err));
        VV_TRY(source_next(k->source, &item, &end, err));
        if (!end) {
            VV_TRY(add_item(k, &item, err));
        }
    }
    VV_TRY(add_sequence_before(k, NULL, &taken, err));
    return k->source != NULL ? source_end(k->source, err) : VV_OK;
}

static enum vv_rc
run_walk(struct walk *k, struct vv_error *err)
{
    enum vv_rc rc = walk_items(k, err);

    if (k->win != NULL) {
        submit(k);
    }
    return rc;
}

enum vv_rc
walk_run(struct backup *b, struct vv_error *err)
{
    struct walk k = {
        .b = b, .source = b->source, .baseline = b->baseline, .sequence_end = b->sequence_count};

    return run_walk(&k, err);
}

enum vv_rc
walk_alone(struct backup *b, struct source *source, struct baseline *baseline, struct vv_error *err)
{
    struct walk k = {.b = b, .source = source, .baseline = baseline};

    return run_walk(&k, err);
}
