/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The baseline of an incremental run: what is already stored, as entries in path order.  Two kinds:
 * the parent snapshot's tree, and checkpoints of runs that were interrupted.  Checkpoints come
 * first (they are newer); their chunks are never relied on without a look-up.
 */

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "engine/parent_cache_internal.h"

#define CHECKPOINTS_MAX 4u

/** One sorted source of entries with the entry it stands at. */
struct baseline_part {
    struct checkpoint_reader *checkpoint; /* or */
    struct tree_cursor *cursor;           /* or */
    struct parent_reader *cached;         /* the parent's tree, for a key that cannot read it */
    char *path;                           /* of the checkpoint */
    const struct entry *at;
    bool ended;
};
struct baseline {
    struct backup *b;
    struct baseline_part parts[CHECKPOINTS_MAX + 1];
    unsigned count;
    bool skip_ahead;
};

/** Move a part to its first entry at or behind ${path}. */
static enum vv_rc
advance(struct baseline *l, struct baseline_part *p, struct vv_span path, struct vv_error *err)
{
    while (!p->ended && (p->at == NULL || path_compare(p->at->path, path) < 0)) {
        if (l->skip_ahead && p->cursor != NULL) {
            VV_TRY(tree_cursor_seek(p->cursor, path, err));
        }
        if (p->checkpoint != NULL) {
            checkpoint_reader_next(p->checkpoint, &p->at);
        } else if (p->cached != NULL) {
            VV_TRY(parent_reader_next(p->cached, &p->at, err));
        } else {
            enum vv_rc rc = tree_cursor_next(p->cursor, &p->at, err);
            if (rc == VV_ECORRUPT || rc == VV_ENOTFOUND || rc == VV_EIO) {
                vv_emit(repo_events(l->b->repo), VV_EVENT_WARNING, "parent-damaged",
                        vv_span(NULL, 0),
                        "part of the parent snapshot cannot be read; its files are read again");
                vv_error_clear(err);
                continue;
            }
            VV_TRY(rc);
        }
        p->ended = p->at == NULL;
    }
    return VV_OK;
}

enum vv_rc
baseline_find(struct baseline *l, struct vv_span path, const struct entry **ret, bool *ret_trusted,
              const struct snapshot_file_system **ret_table, uint32_t *ret_table_count,
              struct vv_error *err)
{
    *ret = NULL;
    for (unsigned i = 0; i < l->count; i++) {
        struct baseline_part *p = &l->parts[i];
        VV_TRY(advance(l, p, path, err));
        if (*ret != NULL || p->ended || path_compare(p->at->path, path) != 0) {
            continue;
        }
        *ret = p->at;
        if (p->checkpoint != NULL) {
            *ret_trusted = false;
            *ret_table = checkpoint_reader_table(p->checkpoint, ret_table_count);
        } else {
            *ret_trusted = l->b->parent_trusted;
            *ret_table = l->b->parent->body.file_systems;
            *ret_table_count = l->b->parent->body.file_system_count;
        }
    }
    return VV_OK;
}

void
baseline_skip_ahead(struct baseline *l)
{
    l->skip_ahead = true;
}

enum vv_rc
baseline_parent_entry(struct baseline *l, struct vv_span path, const struct entry **ret,
                      struct vv_error *err)
{
    *ret = NULL;
    for (unsigned i = 0; i < l->count; i++) {
        struct baseline_part *p = &l->parts[i];
        if (p->checkpoint != NULL) {
            continue;
        }
        VV_TRY(advance(l, p, path, err));
        if (!p->ended && path_compare(p->at->path, path) == 0) {
            *ret = p->at;
        }
    }
    return VV_OK;
}

enum vv_rc
baseline_trust_node(void *ctx, const struct vv_id *node, uint32_t height, struct vv_error *err)
{
    struct backup *b = ctx;

    (void)height;
    return pack_writer_trust(b->packs, CHUNK_NODE, node, err);
}

static enum vv_rc
add_parent(struct baseline *l, struct vv_error *err)
{
    struct backup *b = l->b;
    struct baseline_part *p = &l->parts[l->count];

    if (b->parent == NULL) {
        return VV_OK;
    }
    if (!keyring_may_read(repo_keyring(b->repo))) {
        enum vv_rc rc = parent_reader_open(b, &p->cached, err);
        if (rc == VV_ENOTFOUND) { /* a run beside this one has just replaced it */
            vv_error_clear(err);
            b->parent = NULL;
            return VV_OK;
        }
        VV_TRY(rc);
        if (b->parent_trusted && b->packs != NULL) {
            parent_reader_on_node(p->cached, baseline_trust_node, b);
        }
        l->count++;
        return VV_OK;
    }
    VV_TRY(tree_cursor_new(b->reader, &b->parent->body.root, vv_span(NULL, 0), &p->cursor, err));
    if (b->parent_trusted && b->packs != NULL) {
        tree_cursor_on_node(p->cursor, baseline_trust_node, b);
    }
    l->count++;
    return VV_OK;
}

/** Is this directory entry a checkpoint of an earlier run? */
static bool
is_checkpoint(const char *name)
{
    uint8_t id[16];

    return strncmp(name, "checkpoint-", 11) == 0 && vv_unhex(id, 16, name + 11, strlen(name + 11));
}

struct found_checkpoint {
    char *path;
    struct timespec changed;
};

/** Keep the newest few; older ones are removed for good. */
static void
keep_newest(struct found_checkpoint *found, unsigned *count, struct found_checkpoint item)
{
    unsigned at = *count;

    while (at > 0 && (found[at - 1].changed.tv_sec < item.changed.tv_sec ||
                      (found[at - 1].changed.tv_sec == item.changed.tv_sec &&
                       found[at - 1].changed.tv_nsec < item.changed.tv_nsec))) {
        at--;
    }
    memmove(found + at + 1, found + at, (*count - at) * sizeof(*found));
    found[at] = item;
    if (++*count > CHECKPOINTS_MAX) {
        --*count;
        (void)unlink(found[*count].path);
        vv_free(found[*count].path);
    }
}

static unsigned
find_checkpoints(const char *dir, struct found_checkpoint found[CHECKPOINTS_MAX + 1])
{
    unsigned count = 0;
    struct dirent *e;
    DIR *d = opendir(dir);

    while (d != NULL && (e = readdir(d)) != NULL) {
        struct found_checkpoint item = {0};
        struct vv_buf path = {0};
        struct stat st;
        if (!is_checkpoint(e->d_name) ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        vv_buf_printf(&path, "%s/%s", dir, e->d_name);
        item.path = vv_strdup(vv_buf_text(&path));
        item.changed = st.st_mtim;
        vv_buf_release(&path);
        if (item.path != NULL) {
            keep_newest(found, &count, item);
        }
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    return count;
}

/** Open what earlier runs left; one that cannot be read is of no use to anybody. */
static void
add_checkpoints(struct baseline *l)
{
    struct found_checkpoint found[CHECKPOINTS_MAX + 1];
    struct vv_buf dir = {0};
    unsigned count = 0;

    if (repo_cache_path(l->b->repo, "", &dir)) {
        count = find_checkpoints(vv_buf_text(&dir), found);
    }
    vv_buf_release(&dir);
    for (unsigned i = 0; i < count; i++) {
        struct baseline_part *p = &l->parts[l->count];
        if (checkpoint_reader_open(l->b->repo, found[i].path, &p->checkpoint, NULL) == VV_OK) {
            p->path = found[i].path;
            l->count++;
        } else {
            (void)unlink(found[i].path);
            vv_free(found[i].path);
        }
    }
}

static enum vv_rc
open_parts(struct backup *b, bool checkpoints, struct baseline **ret, struct vv_error *err)
{
    struct baseline *l = vv_alloc_array(1, sizeof(*l));
    enum vv_rc rc;

    if (l == NULL) {
        return vv_error_nomem(err);
    }
    l->b = b;
    if (checkpoints) {
        add_checkpoints(l);
    }
    rc = add_parent(l, err);
    if (rc != VV_OK) {
        baseline_free(l);
        return rc;
    }
    *ret = l;
    return VV_OK;
}

enum vv_rc
baseline_open(struct backup *b, struct baseline **ret, struct vv_error *err)
{
    return open_parts(b, !b->options->dry_run, ret, err);
}

enum vv_rc
baseline_open_parent(struct backup *b, struct baseline **ret, struct vv_error *err)
{
    const struct snapshot *parent = b->parent;
    enum vv_rc rc = open_parts(b, false, ret, err);

    b->parent = parent; /* the other baseline goes on with what it has open */
    return rc;
}

void
baseline_free(struct baseline *l)
{
    if (l == NULL) {
        return;
    }
    for (unsigned i = 0; i <= CHECKPOINTS_MAX; i++) {
        checkpoint_reader_free(l->parts[i].checkpoint);
        tree_cursor_free(l->parts[i].cursor);
        parent_reader_free(l->parts[i].cached);
        vv_free(l->parts[i].path);
    }
    vv_free(l);
}

bool
baseline_resumed(const struct baseline *l)
{
    return l->count > 0 && l->parts[0].checkpoint != NULL;
}

void
baseline_discard(struct baseline *l)
{
    for (unsigned i = 0; i < l->count; i++) {
        if (l->parts[i].path != NULL) {
            (void)unlink(l->parts[i].path);
        }
    }
}
