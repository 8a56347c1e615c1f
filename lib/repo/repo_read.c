/* SPDX-License-Identifier: BSD-2-Clause */
/* Small objects and listings, as every part of a repository reads them. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "repo/repo.h"
#include "repo/repo_internal.h"

enum vv_rc
repo_check_object(struct repo *r, const char *name, enum format_kind kind, struct vv_span object,
                  struct vv_reader *ret_body, struct vv_error *err)
{
    enum vv_rc rc = container_open(object, kind, repo_id(r), ret_body, err);

    if (rc != VV_OK) {
        (void)vv_error_prefix(err, "'%s'", name);
        return vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
    }
    return VV_OK;
}

enum vv_rc
repo_read_object(struct repo *r, const char *name, enum format_kind kind, uint64_t limit,
                 struct vv_buf *out, struct vv_reader *ret_body, struct vv_error *err)
{
    vv_buf_reset(out);
    if (!storage_name_valid(name)) { /* listed, but never one of ours */
        return vv_error_set(err, VV_ECORRUPT, "no name of an object");
    }
    VV_TRY(storage_read_all(r->storage, name, limit, out, err));
    return repo_check_object(r, name, kind, vv_buf_span(out), ret_body, err);
}

static enum vv_rc
collect_name(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct name_list *l = ctx;

    if ((l->count & (l->count - 1)) == 0) {
        size_t room = l->count == 0 ? 1 : l->count * 2;
        char **names = vv_realloc_array(l->names, room, sizeof(*names));
        uint64_t *sizes;
        if (names == NULL) {
            return vv_error_nomem(err);
        }
        l->names = names;
        sizes = vv_realloc_array(l->sizes, room, sizeof(*sizes));
        if (sizes == NULL) {
            return vv_error_nomem(err);
        }
        l->sizes = sizes;
    }
    l->names[l->count] = vv_strdup(name);
    if (l->names[l->count] == NULL) {
        return vv_error_nomem(err);
    }
    l->sizes[l->count++] = size;
    return VV_OK;
}

struct named {
    char *name;
    uint64_t size;
};

static int
compare_named(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/** Sort names and sizes together. */
static enum vv_rc
sort_names(struct name_list *l, struct vv_error *err)
{
    struct named *pairs = vv_alloc_array(l->count + 1, sizeof(*pairs));

    if (pairs == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < l->count; i++) {
        pairs[i] = (struct named){l->names[i], l->sizes[i]};
    }
    qsort(pairs, l->count, sizeof(*pairs), compare_named);
    for (size_t i = 0; i < l->count; i++) {
        l->names[i] = pairs[i].name;
        l->sizes[i] = pairs[i].size;
    }
    vv_free(pairs);
    return VV_OK;
}

enum vv_rc
repo_list(struct repo *r, const char *directory, struct name_list *ret, struct vv_error *err)
{
    struct name_list l = {0};
    enum vv_rc rc = storage_list(r->storage, directory, collect_name, &l, err);

    if (rc == VV_OK) {
        rc = sort_names(&l, err);
    }
    if (rc != VV_OK) {
        name_list_release(&l);
        return rc;
    }
    *ret = l;
    return VV_OK;
}

void
name_list_release(struct name_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        vv_free(l->names[i]);
    }
    vv_free(l->names);
    vv_free(l->sizes);
    memset(l, 0, sizeof(*l));
}

enum vv_rc
repo_list_shards(struct repo *r, const char *directory, struct name_list **ret,
                 struct vv_error *err)
{
    struct name_list *lists = vv_alloc_array(STORAGE_SHARDS, sizeof(*lists));
    void *ctxs[STORAGE_SHARDS];
    enum vv_rc rc;

    if (lists == NULL) {
        return vv_error_nomem(err);
    }
    for (unsigned i = 0; i < STORAGE_SHARDS; i++) {
        ctxs[i] = &lists[i];
    }
    rc = storage_list_each_shard(r->storage, directory, collect_name, ctxs, err);
    for (unsigned i = 0; rc == VV_OK && i < STORAGE_SHARDS; i++) {
        rc = sort_names(&lists[i], err);
    }
    if (rc != VV_OK) {
        name_lists_release(lists);
        return rc;
    }
    *ret = lists;
    return VV_OK;
}

void
name_lists_release(struct name_list *lists)
{
    for (unsigned i = 0; lists != NULL && i < STORAGE_SHARDS; i++) {
        name_list_release(&lists[i]);
    }
    vv_free(lists);
}

unsigned
repo_read_threads(struct repo *r, unsigned most)
{
    unsigned processors = vv_cpu_count();
    unsigned parallel = storage_parallel(r->storage);

    parallel = parallel < most ? parallel : most;
    return processors > parallel ? processors : parallel;
}
