/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs that are told what has changed keep the rest of the parent's tree (B6 to B10). */

#include <string.h>

#include "engine/backup_internal.h"

bool
keep_same_sources(const struct snapshot *s, const struct vv_span *sources, size_t count)
{
    if (s->body.source_count != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct vv_span had = vv_buf_span(&s->body.sources[i]);
        if (had.len != sources[i].len || memcmp(had.data, sources[i].data, had.len) != 0) {
            return false;
        }
    }
    return true;
}

/** May this run keep anything at all? */
static bool
is_possible(const struct backup *b)
{
    const struct backup_options *o = b->options;

    return o->changes != NULL && !change_set_is_everything(o->changes->set) && !o->full &&
           !o->dry_run && o->command_count == 0 && o->database_count == 0 && o->archive == NULL &&
           b->source != NULL && keyring_may_read(repo_keyring(b->repo));
}

const struct snapshot *
keep_parent(struct backup *b, const struct vv_span *sources, size_t count)
{
    const struct client_keys *client = NULL;

    if (!is_possible(b) || repo_state(b->repo) == NULL ||
        local_state_client(repo_state(b->repo), 0, &client, NULL) != VV_OK) {
        return NULL;
    }
    for (size_t i = 0; i < b->list.count; i++) {
        const struct snapshot *s = &b->list.snapshots[i];
        if (memcmp(&s->id, &b->options->changes->since, sizeof(s->id)) == 0 &&
            memcmp(&s->client, &client->id, sizeof(s->client)) == 0 &&
            keep_same_sources(s, sources, count)) {
            return s;
        }
    }
    return NULL;
}

/** U1: the same directory, stored whole? */
static enum vv_rc
known(void *ctx, struct vv_span path, const struct entry *e, bool *ret, struct vv_error *err)
{
    struct backup *b = ctx;
    const struct entry *had = NULL;

    VV_TRY(baseline_parent_entry(b->baseline, path, &had, err));
    *ret = had != NULL && had->type == ENTRY_DIRECTORY && (had->flags & ENTRY_IMPLIED) == 0 &&
           had->inode == e->inode && had->file_system == e->file_system;
    return VV_OK;
}

enum vv_rc
keep_begin(struct backup *b, struct vv_error *err)
{
    const struct snapshot *parent = b->parent;

    if (!is_possible(b) || parent == NULL || !b->parent_trusted || !b->same_sources ||
        memcmp(&parent->id, &b->options->changes->since, sizeof(parent->id)) != 0) {
        return VV_OK;
    }
    b->unchanged = (struct source_unchanged){
        .changes = b->options->changes->set,
        .known = known,
        .ctx = b,
        .file_systems = parent->body.file_systems,
        .file_system_count = parent->body.file_system_count,
    };
    baseline_skip_ahead(b->baseline);
    return source_fs_keep(b->source, &b->unchanged, err);
}

void
keep_unsettled(struct backup *b, struct vv_span path, bool directory)
{
    if (b->options->unsettled == NULL) {
        return;
    }
    vv_mutex_lock(&b->count_lock);
    change_set_add_parent(b->options->unsettled, path);
    if (directory) {
        change_set_add(b->options->unsettled, path, CHANGE_HERE);
    }
    vv_mutex_unlock(&b->count_lock);
}

/* ---- the tree ---- */

static enum vv_rc
count_passed(void *ctx, const struct entry *e)
{
    struct keeping *k = ctx;

    switch (e->type) {
    case ENTRY_FILE:
        k->passed.files++;
        k->passed.bytes += e->size;
        break;
    case ENTRY_DIRECTORY:
        k->passed.directories++;
        break;
    case ENTRY_SYMLINK:
        k->passed.symlinks++;
        break;
    case ENTRY_FIFO:
    case ENTRY_CHARACTER_DEVICE:
    case ENTRY_BLOCK_DEVICE:
        k->passed.others++;
        break;
    }
    return linked_names_add(&k->before, e, NULL);
}

enum vv_rc
keeping_open(struct backup *b, struct tree_writer *t, struct keeping *ret, struct vv_error *err)
{
    *ret = (struct keeping){.b = b, .keeper = {.writer = t, .passed = count_passed, .ctx = ret}};
    VV_TRY(
        tree_cursor_new(b->reader, &b->parent->body.root, vv_span(NULL, 0), &ret->keeper.old, err));
    tree_cursor_on_node(ret->keeper.old, baseline_trust_node, b);
    return VV_OK;
}

/** What tree_keep and its like return: B7. */
static enum vv_rc
judge(struct keeping *k, enum vv_rc rc)
{
    k->b->keeping_unreadable = k->keeper.unreadable;
    k->b->keeping_failed = k->keeper.unreadable;
    return rc;
}

enum vv_rc
keeping_range(struct keeping *k, const struct path_range *range, struct vv_error *err)
{
    return judge(k, tree_keep(&k->keeper, range, err));
}

enum vv_rc
keeping_entry(struct keeping *k, const struct entry *e, struct vv_error *err)
{
    return k->keeper.old == NULL ? VV_OK : linked_names_add(&k->now, e, err);
}

enum vv_rc
keeping_finish(struct keeping *k, struct snapshot_statistics *s, struct vv_error *err)
{
    const struct snapshot_statistics *had = &k->b->parent->body.statistics;

    VV_TRY(judge(k, tree_keep_nothing(&k->keeper, err)));
    if (!linked_names_accounted(&k->now, &k->before)) {
        k->b->keeping_failed = true;
        return vv_error_set(err, VV_EREFUSED, "a file has got a name where nobody looked");
    }
    s->files += had->files - k->passed.files;
    s->files_unchanged += had->files - k->passed.files;
    s->bytes += had->bytes - k->passed.bytes;
    s->directories += had->directories - k->passed.directories;
    s->symlinks += had->symlinks - k->passed.symlinks;
    s->others += had->others - k->passed.others;
    return VV_OK;
}

void
keeping_close(struct keeping *k)
{
    tree_cursor_free(k->keeper.old);
    k->keeper.old = NULL;
    linked_names_release(&k->now);
    linked_names_release(&k->before);
}
