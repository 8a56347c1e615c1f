/* SPDX-License-Identifier: BSD-2-Clause */
/* --delete: what the snapshot does not have goes from the directories that were restored.  Not from
 * directories that only lead to what was backed up, and not what the patterns hide. */

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "core/random.h"
#include "engine/restore_internal.h"

/** Hashes of the names the snapshot has in a directory.  A collision only keeps a name. */
struct names {
    size_t count;
    size_t room;
    uint64_t hashes[];
};
struct deletion {
    struct restore *r;
    uint64_t seed;
};
/** Names of the target that are not in the snapshot: u8 is directory, NUL-terminated name. */
struct extras {
    struct deletion *d;
    const struct names *names; /* NULL: everything is extra */
    struct vv_buf list;
};

static struct vv_span
last_component(struct vv_span path)
{
    const uint8_t *slash = path.len == 0 ? NULL : memrchr(path.data, '/', path.len);

    return slash == NULL ? path : vv_span(slash + 1, path.len - (size_t)(slash + 1 - path.data));
}

static enum vv_rc
note_name(struct deletion *d, struct walk_frame *f, struct vv_span path, struct vv_error *err)
{
    struct vv_span name = last_component(path);
    struct names *n = f->extra;

    if (n == NULL || n->count == n->room) {
        size_t room = n == NULL ? 30 : n->room * 2;
        struct names *larger = vv_realloc_array(n, sizeof(*n) + room * sizeof(n->hashes[0]), 1);
        if (larger == NULL) {
            return vv_error_nomem(err);
        }
        if (n == NULL) {
            larger->count = 0;
        }
        larger->room = room;
        f->extra = larger;
        n = larger;
    }
    n->hashes[n->count++] = vv_hash64(name.data, name.len, d->seed);
    return VV_OK;
}

static int
compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static enum vv_rc
note_extra(void *ctx, struct vv_span name, bool is_directory, struct vv_error *err)
{
    struct extras *x = ctx;
    uint64_t hash = vv_hash64(name.data, name.len, x->d->seed);

    (void)err;
    if (x->names == NULL || x->names->count == 0 ||
        bsearch(&hash, x->names->hashes, x->names->count, sizeof(hash), compare_hashes) == NULL) {
        vv_buf_put_u8(&x->list, is_directory ? 1 : 0);
        vv_buf_put(&x->list, name.data, name.len);
        vv_buf_put_u8(&x->list, 0);
    }
    return VV_OK;
}

/** Remove one thing, whole. */
static enum vv_rc
remove_one(struct deletion *d, struct vv_span path, struct vv_error *err)
{
    struct restore *r = d->r;
    struct vv_error why = {0};
    enum vv_rc rc;

    VV_TRY(vv_cancel_check(repo_cancel(r->repo), err));
    if (r->options->dry_run) {
        restore_emit(r, VV_EVENT_NOTICE, "would-delete", path, "not in the snapshot");
        restore_add(&r->counts.deleted, 1);
        return VV_OK;
    }
    rc = sink_remove(r->sink, path, &why);
    if (rc != VV_OK) {
        return restore_trouble(r, path, rc, &why, err);
    }
    restore_add(&r->counts.deleted, 1);
    if (r->options->verbose) {
        restore_emit(r, VV_EVENT_ENTRY, "entry", path, "deleted");
    }
    return VV_OK;
}

static enum vv_rc delete_extras(struct deletion *d, struct vv_span directory,
                                const struct names *names, struct pattern_match include,
                                struct pattern_match exclude, bool *ret_all, struct vv_error *err);

/** Something extra: patterns decide, for a directory also about what is in it. */
static enum vv_rc
delete_one(struct deletion *d, struct vv_span path, bool is_directory, struct pattern_match include,
           struct pattern_match exclude, bool *ret_gone, struct vv_error *err)
{
    struct vv_buf shown = {0};
    bool selected = restore_walk_selects(d->r, restore_shown(d->r, path, &shown), is_directory,
                                         &include, &exclude);

    vv_buf_release(&shown);
    *ret_gone = selected;
    if (!selected) {
        return VV_OK;
    }
    if (is_directory && restore_patterned(d->r->options)) {
        VV_TRY(delete_extras(d, path, NULL, include, exclude, ret_gone, err));
    }
    return *ret_gone ? remove_one(d, path, err) : VV_OK;
}

/** Delete what is in ${directory} and not among ${names}; *ret_all: all of that. */
static enum vv_rc
delete_extras(struct deletion *d, struct vv_span directory, const struct names *names,
              struct pattern_match include, struct pattern_match exclude, bool *ret_all,
              struct vv_error *err)
{
    struct extras x = {.d = d, .names = names};
    struct vv_buf path = {0};
    struct vv_error why = {0};
    enum vv_rc rc = sink_list(d->r->sink, directory, note_extra, &x, &why);

    *ret_all = rc == VV_OK;
    if (rc == VV_OK) {
        rc = vv_buf_check(&x.list, &why);
    } else if (rc == VV_ENOTFOUND) {
        rc = VV_OK; /* a dry run into nothing */
    }
    if (rc != VV_OK) {
        rc = restore_trouble(d->r, directory, rc, &why, err);
    }
    for (size_t at = 0; rc == VV_OK && at < x.list.len;) {
        bool is_directory = x.list.data[at] != 0;
        const char *name = (const char *)x.list.data + at + 1;
        bool gone = false;
        at += strlen(name) + 2;
        vv_buf_reset(&path);
        vv_buf_put(&path, directory.data, directory.len);
        if (directory.len > 0) {
            vv_buf_put_u8(&path, '/');
        }
        vv_buf_put_text(&path, name);
        rc = vv_buf_check(&path, err);
        if (rc == VV_OK) {
            rc = delete_one(d, vv_buf_span(&path), is_directory, include, exclude, &gone, err);
        }
        *ret_all = *ret_all && gone;
    }
    vv_buf_release(&x.list);
    vv_buf_release(&path);
    return rc;
}

static enum vv_rc
leave(void *ctx, struct walk_frame *f, struct vv_error *err)
{
    struct deletion *d = ctx;
    struct names *n = f->extra;
    bool all;

    if (!f->selected || f->made_up || (f->entry.flags & ENTRY_IMPLIED) != 0) {
        return VV_OK;
    }
    if (n != NULL) {
        qsort(n->hashes, n->count, sizeof(n->hashes[0]), compare_hashes);
    }
    return delete_extras(d, f->entry.path, n, f->include, f->exclude, &all, err);
}

enum vv_rc
restore_delete(struct restore *r, struct vv_error *err)
{
    VV_CLEANUP(restore_walk_freep) struct walk *w = NULL;
    struct deletion d = {.r = r};

    if (r->tree_damaged) {
        restore_emit(r, VV_EVENT_PROBLEM, "delete-skipped", vv_span(NULL, 0),
                     "nothing is deleted: the snapshot's tree is damaged, and what is in its "
                     "unreadable part cannot be told from what is not in the snapshot");
        return VV_OK;
    }
    vv_random(&d.seed, sizeof(d.seed));
    VV_TRY(restore_walk_new(r, false, &w, err));
    restore_walk_on_leave(w, leave, &d);
    for (;;) {
        struct walk_item item;
        bool end;
        VV_TRY(vv_cancel_check(repo_cancel(r->repo), err));
        VV_TRY(restore_walk_next(w, &item, &end, err));
        if (end) {
            return VV_OK;
        }
        if (item.parent != NULL) {
            VV_TRY(note_name(&d, item.parent, item.entry.path, err));
        }
        if (item.frame != NULL && skipped_has(&r->skipped, item.entry.path)) {
            VV_TRY(restore_walk_skip_below(w, err));
        }
    }
}
