/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listing over SFTP.  All names are collected before the callback sees the first: it may use the
 * storage, and a listing that breaks off is begun anew.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "storage/sftp_internal.h"

struct listing {
    const char *directory;
    bool shards;
    struct vv_buf names; /* each followed by its NUL */
    struct vv_buf sizes;
    struct vv_buf places; /* a byte for each: the shard */
};

struct entry_context {
    struct listing *l;
    const struct sftp *s;
    uint8_t place;
};

static enum vv_rc
add_entry(void *ctx, struct vv_span name, const struct sftp_attributes *a, struct vv_error *err)
{
    struct entry_context *e = ctx;
    if (memchr(name.data, '\0', name.len) != NULL || name.len == 0) {
        return vv_error_set(err, VV_EIO, "the server of '%s' lists a name that cannot be",
                            e->s->url);
    }
    if (!a->has_mode || !a->has_size) {
        return vv_error_set(err, VV_EUNSUPPORTED,
                            "the server of '%s' lists names without their kind and size",
                            e->s->url);
    }
    if (S_ISDIR(a->mode)) {
        return VV_OK;
    }
    vv_buf_put(&e->l->names, name.data, name.len);
    vv_buf_put_u8(&e->l->names, 0);
    vv_buf_put_u64(&e->l->sizes, a->size);
    vv_buf_put_u8(&e->l->places, e->place);
    VV_TRY(vv_buf_check(&e->l->names, err));
    VV_TRY(vv_buf_check(&e->l->sizes, err));
    return vv_buf_check(&e->l->places, err);
}

/* All shards in one go. */
static enum vv_rc
list_shards(struct sftp *s, struct sftp_channel *c, struct listing *l, struct vv_error *err)
{
    struct entry_context entries[STORAGE_SHARDS];
    VV_CLEANUP(vv_freep)
    char(*names)[SFTP_PATH_MAX] = vv_alloc_array(STORAGE_SHARDS, sizeof(*names));
    const char *paths[STORAGE_SHARDS];
    void *contexts[STORAGE_SHARDS];
    if (names == NULL) {
        return vv_error_nomem(err);
    }
    for (unsigned i = 0; i < STORAGE_SHARDS; i++) {
        char name[STORAGE_COMPONENT_MAX + 4];
        (void)snprintf(name, sizeof(name), "%s/%02x", l->directory, i);
        VV_TRY(sftp_path(s, name, names[i], err));
        paths[i] = names[i];
        entries[i] = (struct entry_context){.l = l, .s = s, .place = (uint8_t)i};
        contexts[i] = &entries[i];
    }
    return sftp_list_many(c->client, paths, STORAGE_SHARDS, add_entry, contexts, err);
}

static enum vv_rc
attempt_list(struct sftp *s, struct sftp_channel *c, unsigned attempt, void *ctx,
             struct vv_error *err)
{
    struct listing *l = ctx;
    struct entry_context e = {.l = l, .s = s};
    char path[SFTP_PATH_MAX];
    (void)attempt;
    vv_buf_reset(&l->names);
    vv_buf_reset(&l->sizes);
    vv_buf_reset(&l->places);
    if (l->shards) {
        return list_shards(s, c, l, err);
    }
    VV_TRY(sftp_path(s, l->directory, path, err));
    struct vv_error why = {0};
    enum vv_rc rc = sftp_list(c->client, path, add_entry, &e, &why);
    struct sftp_attributes a;
    if (rc != VV_OK && rc != VV_ENOMEM && !sftp_client_failed(c->client) &&
        sftp_stat(c->client, path, &a, NULL) == VV_OK && a.has_mode && !S_ISDIR(a.mode)) {
        return vv_error_set(err, VV_ENOTFOUND, "'%s/%s' is not a directory", s->url, l->directory);
    }
    if (rc != VV_OK && err != NULL) {
        *err = why;
    }
    return rc;
}

static enum vv_rc
list(struct sftp *s, struct listing *l, storage_list_fn *fn, void *const *ctxs,
     struct vv_error *err)
{
    enum vv_rc rc = sftp_run(s, attempt_list, l, err);
    const char *name = (const char *)l->names.data;
    for (size_t i = 0; rc == VV_OK && i < l->places.len; i++) {
        rc = fn(ctxs[l->places.data[i]], name, vv_load_u64(l->sizes.data + i * sizeof(uint64_t)),
                err);
        name += strlen(name) + 1;
    }
    vv_buf_release(&l->names);
    vv_buf_release(&l->sizes);
    vv_buf_release(&l->places);
    return rc;
}

enum vv_rc
sftp_storage_list(struct storage *st, const char *directory, storage_list_fn *fn, void *ctx,
                  struct vv_error *err)
{
    struct listing l = {.directory = directory};
    return list((struct sftp *)st, &l, fn, &ctx, err);
}

enum vv_rc
sftp_storage_list_shards(struct storage *st, const char *directory, storage_list_fn *fn,
                         void *const ctxs[STORAGE_SHARDS], struct vv_error *err)
{
    struct listing l = {.directory = directory, .shards = true};
    return list((struct sftp *)st, &l, fn, ctxs, err);
}
