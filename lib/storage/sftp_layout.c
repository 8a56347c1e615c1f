/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Creating the directories of a repository over SFTP.  What was created is made durable through the
 * directories that hold the names: the root's parent, the root, packs and parity.  Not repeated
 * when the line fails: what is there then would look like somebody else's.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "storage/sftp_internal.h"

enum { MODE = 0700 };

static enum vv_rc
not_empty(const struct sftp *s, struct vv_error *err)
{
    vv_error_set(err, VV_EREFUSED, "'%s' is not empty", s->url);
    vv_error_hint(err, "choose a new or an empty directory; if this is the rest of an interrupted "
                       "init, delete it first");
    return VV_EREFUSED;
}

static enum vv_rc
refuse_entry(void *ctx, struct vv_span name, const struct sftp_attributes *a, struct vv_error *err)
{
    static const char spared[] = "lost+found"; /* of a file system of its own */
    if (name.len == strlen(spared) && memcmp(name.data, spared, name.len) == 0 && a->has_mode &&
        S_ISDIR(a->mode)) {
        return VV_OK;
    }
    return not_empty(ctx, err);
}

/* The directory above the root; false if there is none to speak of. */
static bool
parent_of(const char *root, char out[SFTP_PATH_MAX])
{
    size_t len = strlen(root);
    if (len >= SFTP_PATH_MAX || strcmp(root, "/") == 0 || strcmp(root, ".") == 0) {
        return false;
    }
    while (len > 0 && root[len - 1] != '/') {
        len--;
    }
    while (len > 1 && root[len - 1] == '/') {
        len--;
    }
    memcpy(out, len == 0 ? "." : root, len == 0 ? 1 : len);
    out[len == 0 ? 1 : len] = '\0';
    return true;
}

/* Make the root if it is not there. */
static enum vv_rc
make_root(struct sftp *s, struct sftp_channel *c, bool *ret_made, struct vv_error *err)
{
    struct sftp_attributes a = {0};
    enum vv_rc rc = sftp_stat(c->client, s->root, &a, err);
    if (rc == VV_OK) {
        *ret_made = false;
        if (a.has_mode && !S_ISDIR(a.mode)) {
            return vv_error_set(err, VV_EREFUSED, "'%s' is not a directory", s->url);
        }
        return VV_OK;
    }
    if (rc != VV_ENOTFOUND) {
        return rc;
    }
    *ret_made = true;
    rc = sftp_mkdir(c->client, s->root, MODE, err);
    if (rc == VV_ENOTFOUND) {
        vv_error_hint(err, "the directory above it must exist on the server");
    }
    return rc;
}

/* fsync the directory at ${path}, where this server can. */
static enum vv_rc
sync_path(struct sftp *s, struct sftp_channel *c, const char *path, struct vv_error *err)
{
    struct sftp_handle handle;
    struct vv_error why = {0};
    if ((sftp_client_extensions(c->client) & SFTP_FSYNC) == 0) {
        return VV_OK;
    }
    enum vv_rc rc = sftp_open(c->client, path, SFTP_OPEN_READ, 0, &handle, &why);
    if (rc == VV_OK) {
        rc = sftp_fsync(c->client, &handle, &why);
        sftp_close_later(c->client, &handle);
        if (why.sys == SFTP_BAD_MESSAGE || why.sys == SFTP_OP_UNSUPPORTED) {
            rc = VV_OK;
        }
    } else if (!sftp_client_failed(c->client) && rc != VV_ECANCELLED && rc != VV_ENOMEM) {
        atomic_store(&s->no_directory_sync, true); /* it does not open directories */
        rc = VV_OK;
    }
    if (rc != VV_OK && err != NULL) {
        *err = why;
    }
    return rc;
}

struct path_to_sync {
    struct sftp *s;
    struct sftp_channel *c;
    char path[SFTP_PATH_MAX];
};

static enum vv_rc
sync_one(void *ctx, struct vv_error *err)
{
    const struct path_to_sync *p = ctx;
    return sync_path(p->s, p->c, p->path, err);
}

/* All at once: each is two round trips. */
static enum vv_rc
make_durable(struct sftp *s, struct sftp_channel *c, bool root_is_ours, struct vv_error *err)
{
    static const char *const parents[] = {"packs", "parity", ""};
    enum { MOST = VV_COUNT(parents) + 1 };
    VV_CLEANUP(vv_freep) struct path_to_sync *paths = vv_alloc_array(MOST, sizeof(*paths));
    struct vv_job jobs[MOST] = {{0}};
    size_t count = 0;
    if (paths == NULL) {
        return vv_error_nomem(err);
    }
    for (; count < VV_COUNT(parents); count++) {
        VV_TRY(sftp_path(s, parents[count], paths[count].path, err));
    }
    count += root_is_ours && parent_of(s->root, paths[count].path);
    for (size_t i = 0; i < count; i++) {
        paths[i].s = s;
        paths[i].c = c;
        jobs[i] = (struct vv_job){.run = sync_one, .ctx = &paths[i]};
    }
    return vv_parallel_run(jobs, count, MOST, err);
}

/* Make the directories of the layout but those of which ${there} (may be NULL) says that they are
 * there. */
static enum vv_rc
make_directories(struct sftp *s, struct sftp_channel *c, const bool *there, struct vv_error *err)
{
    size_t all = storage_layout_count();
    size_t count = 0;
    VV_CLEANUP(vv_freep) char(*names)[SFTP_PATH_MAX] = vv_alloc_array(all, sizeof(*names));
    VV_CLEANUP(vv_freep) const char **paths = vv_alloc_array(all, sizeof(*paths));
    if (names == NULL || paths == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < all; i++) {
        char name[STORAGE_LAYOUT_NAME];
        storage_layout_name(i, name);
        if (there == NULL || !there[i]) {
            VV_TRY(sftp_path(s, name, names[count], err));
            paths[count] = names[count];
            count++;
        }
    }
    if (count == 0) {
        return VV_OK;
    }
    struct vv_error why = {0};
    struct sftp_attributes a;
    enum vv_rc rc = sftp_mkdir_many(c->client, paths, count, MODE, &why);
    if (rc == VV_EIO && !sftp_client_failed(c->client) && sftp_no_space(s, c, 0)) {
        return vv_error_set(err, VV_ENOSPACE, "no space left to create '%s'", s->url);
    }
    if (rc == VV_EIO && !sftp_client_failed(c->client) &&
        sftp_lstat(c->client, paths[0], &a, NULL) == VV_OK) {
        return not_empty(s, err); /* another init is at work; one of the two goes on */
    }
    if (rc != VV_OK && err != NULL) {
        *err = why;
    }
    return rc;
}

static enum vv_rc
attempt_layout(struct sftp *s, struct sftp_channel *c, unsigned attempt, void *ctx,
               struct vv_error *err)
{
    bool root_is_ours = false;
    (void)attempt;
    (void)ctx;
    VV_TRY(make_root(s, c, &root_is_ours, err));
    if (!root_is_ours) {
        VV_TRY(sftp_list(c->client, s->root, refuse_entry, s, err));
    }
    VV_TRY(make_directories(s, c, NULL, err));
    return make_durable(s, c, root_is_ours, err);
}

enum vv_rc
sftp_storage_make_layout(struct storage *st, struct vv_error *err)
{
    return sftp_run_once((struct sftp *)st, attempt_layout, NULL, err);
}

/* --- what is missing -------------------------------------------------------------------------- */

/* A listing of a directory of which ${parent} is the name, "" the root. */
struct found {
    const struct sftp *s;
    const char *parent;
    bool *there; /* by place in the layout */
};

static enum vv_rc
note_directory(void *ctx, struct vv_span name, const struct sftp_attributes *a,
               struct vv_error *err)
{
    struct found *f = ctx;
    char whole[STORAGE_LAYOUT_NAME];
    bool is_root = f->parent[0] == '\0';
    if (!a->has_mode || !S_ISDIR(a->mode)) {
        return VV_OK; /* files are the caller's to judge */
    }
    int n = snprintf(whole, sizeof(whole), "%s%s%.*s", f->parent, is_root ? "" : "/", (int)name.len,
                     (const char *)name.data);
    for (size_t i = 0; n > 0 && (size_t)n < sizeof(whole) && i < storage_layout_count(); i++) {
        char known[STORAGE_LAYOUT_NAME];
        storage_layout_name(i, known);
        if (strcmp(known, whole) == 0) {
            f->there[i] = true;
            return VV_OK;
        }
    }
    return is_root ? refuse_entry((void *)(uintptr_t)f->s, name, a, err) : VV_OK;
}

static enum vv_rc
attempt_complete(struct sftp *s, struct sftp_channel *c, unsigned attempt, void *ctx,
                 struct vv_error *err)
{
    static const char *const parents[] = {"", "packs", "parity"};
    VV_CLEANUP(vv_freep) bool *there = vv_alloc_array(storage_layout_count(), sizeof(*there));
    bool root_is_ours = false;
    char path[SFTP_PATH_MAX];
    (void)attempt;
    (void)ctx;
    if (there == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(make_root(s, c, &root_is_ours, err));
    for (size_t i = 0; !root_is_ours && i < VV_COUNT(parents); i++) {
        struct found f = {.s = s, .parent = parents[i], .there = there};
        VV_TRY(sftp_path(s, parents[i], path, err));
        enum vv_rc rc = sftp_list(c->client, path, note_directory, &f, err);
        if (rc == VV_ENOTFOUND && i > 0) {
            vv_error_clear(err);
            continue;
        }
        VV_TRY(rc);
    }
    VV_TRY(make_directories(s, c, there, err));
    return make_durable(s, c, root_is_ours, err);
}

enum vv_rc
sftp_storage_complete_layout(struct storage *st, struct vv_error *err)
{
    return sftp_run((struct sftp *)st, attempt_complete, NULL, err);
}
