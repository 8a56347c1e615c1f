/* SPDX-License-Identifier: BSD-2-Clause */
/* The epochs of packs, out of their headers. */
#include "repo/pack_epochs.h"

#include <stdlib.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "format/pack.h"

#define THREADS_MAX 16u

/** Every ${step}th pack from ${first} on. */
struct stripe {
    struct repo *repo;
    const struct pack_list_item *const *packs;
    size_t count;
    size_t first;
    size_t step;
    uint32_t *epochs;
};

static enum vv_rc
read_epoch(struct repo *r, const struct pack_name *name, uint32_t *ret, struct vv_error *err)
{
    uint8_t bytes[PACK_HEADER_LEN];
    char object[PACK_OBJECT_TEXT];
    struct pack_header header;
    size_t got = 0;
    enum vv_rc rc;

    *ret = PACK_EPOCH_UNKNOWN;
    pack_object_text(name, object);
    rc = storage_read(repo_storage(r), object, 0, bytes, sizeof(bytes), &got, err);
    if (rc == VV_ENOTFOUND || rc == VV_EIO) {
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    if (got == sizeof(bytes) && pack_header_decode(bytes, repo_id(r), &header, NULL) == VV_OK) {
        *ret = header.epoch;
    }
    return VV_OK;
}

static enum vv_rc
read_stripe(void *ctx, struct vv_error *err)
{
    const struct stripe *s = ctx;

    for (size_t i = s->first; i < s->count; i += s->step) {
        VV_TRY(vv_cancel_check(repo_cancel(s->repo), err));
        VV_TRY(read_epoch(s->repo, &s->packs[i]->name, &s->epochs[i], err));
    }
    return VV_OK;
}

enum vv_rc
pack_epochs_read(struct repo *r, const struct pack_list_item *const *packs, size_t count,
                 uint32_t *ret, struct vv_error *err)
{
    unsigned threads = repo_read_threads(r, THREADS_MAX);
    struct stripe stripes[THREADS_MAX];
    struct vv_job jobs[THREADS_MAX];

    threads = threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
    for (unsigned i = 0; i < threads; i++) {
        stripes[i] = (struct stripe){r, packs, count, i, threads, NULL};
        stripes[i].epochs = ret;
        jobs[i] = (struct vv_job){.run = read_stripe, .ctx = &stripes[i]};
    }
    return vv_parallel_run(jobs, threads, threads, err);
}

/** Add a pack to its epoch's share: there are few epochs. */
static void
add_to_share(struct epoch_share *shares, size_t *count, uint32_t epoch, uint64_t size)
{
    size_t at = 0;

    while (at < *count && shares[at].epoch != epoch) {
        at++;
    }
    if (at == *count) {
        shares[(*count)++] = (struct epoch_share){.epoch = epoch};
    }
    shares[at].packs++;
    shares[at].bytes += size;
}

static int
compare_shares(const void *a, const void *b)
{
    const struct epoch_share *x = a;
    const struct epoch_share *y = b;

    return x->epoch < y->epoch ? -1 : x->epoch > y->epoch;
}

/** The epochs of all listed packs; with one epoch only, that. */
static enum vv_rc
read_all(struct repo *r, const struct pack_list *l, uint32_t newest, uint32_t *epochs,
         struct vv_error *err)
{
    VV_CLEANUP(vv_freep) const struct pack_list_item **packs = NULL;

    if (newest == 0) {
        return VV_OK; /* zeros */
    }
    packs = vv_alloc_array(l->count + 1, sizeof(*packs));
    if (packs == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < l->count; i++) {
        packs[i] = &l->items[i];
    }
    return pack_epochs_read(r, packs, l->count, epochs, err);
}

enum vv_rc
pack_epochs_count(struct repo *r, uint32_t newest, struct epoch_share **ret, size_t *ret_count,
                  struct vv_error *err)
{
    VV_CLEANUP(vv_freep) struct epoch_share *shares = NULL;
    VV_CLEANUP(vv_freep) uint32_t *epochs = NULL;
    VV_CLEANUP(pack_list_release) struct pack_list l = {0};
    size_t count = 0;

    VV_TRY(pack_list_read(r, &l, err));
    epochs = vv_alloc_array(l.count + 1, sizeof(*epochs));
    shares = vv_alloc_array(LIMIT_EPOCHS + 2, sizeof(*shares));
    if (epochs == NULL || shares == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(read_all(r, &l, newest, epochs, err));
    for (size_t i = 0; i < l.count; i++) {
        uint32_t epoch = epochs[i] < LIMIT_EPOCHS ? epochs[i] : PACK_EPOCH_UNKNOWN;
        add_to_share(shares, &count, epoch, l.items[i].size);
    }
    if (count > 0) {
        qsort(shares, count, sizeof(*shares), compare_shares);
    }
    *ret = TAKE(shares);
    *ret_count = count;
    return VV_OK;
}
