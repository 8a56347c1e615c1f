/* SPDX-License-Identifier: BSD-2-Clause */
/* Parity at one site: adding, dropping, telling. */

#include "engine/parity_site.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "repo/pack_names.h"
#include "repo/pack_parity.h"

/** What is there. */
struct stock {
    struct pack_names packs;
    struct pack_names parity;
};

static void
stock_release(struct stock *s)
{
    pack_names_release(&s->packs);
    pack_names_release(&s->parity);
}

/** Parity first: a pack is published before its parity, so none looks orphaned for that reason. */
static enum vv_rc
stock_read(struct repo *r, struct stock *ret, struct vv_error *err)
{
    struct stock s = {0};
    enum vv_rc rc = pack_names_list(r, "parity", &s.parity, err);

    if (rc == VV_OK) {
        rc = pack_names_list(r, "packs", &s.packs, err);
    }
    if (rc != VV_OK) {
        stock_release(&s);
        return rc;
    }
    *ret = s;
    return VV_OK;
}

static bool
is_repeated(const struct pack_names *l, size_t i)
{
    return i > 0 && vv_id_equal(&l->names[i].hash, &l->names[i - 1].hash);
}

static void
count_stock(const struct stock *s, struct parity_summary *ret)
{
    size_t count;

    ret->packs = s->packs.count;
    ret->bytes = 0;
    ret->packs_with = 0;
    for (size_t i = 0; i < s->packs.count; i++) {
        ret->bytes += s->packs.sizes[i];
        ret->packs_with += pack_names_find(&s->parity, &s->packs.names[i].hash, &count) != NULL;
    }
    ret->objects = s->parity.count;
    ret->parity_bytes = 0;
    ret->orphans = 0;
    for (size_t i = 0; i < s->parity.count; i++) {
        ret->parity_bytes += s->parity.sizes[i];
        ret->orphans += pack_names_find(&s->packs, &s->parity.names[i].hash, &count) == NULL;
    }
}

enum vv_rc
parity_site_status(struct repo *r, struct parity_summary *ret, struct vv_error *err)
{
    struct parity_summary summary = {0};
    struct parity_decision d;
    struct stock s;
    uint64_t number;
    enum vv_rc rc = parity_decision_read(r, &d, &number, err);

    if (rc == VV_OK) {
        summary.decided = true;
        summary.on = d.on;
    } else if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
    } else {
        return rc;
    }
    VV_TRY(stock_read(r, &s, err));
    count_stock(&s, &summary);
    stock_release(&s);
    *ret = summary;
    return VV_OK;
}

/* --- adding ----------------------------------------------------------------------------------- */

static void
tell_damaged(struct repo *r, const char *object, const char *text)
{
    vv_emit(repo_events(r), VV_EVENT_PROBLEM, "pack-damaged", vv_span(object, strlen(object)),
            "%s; no parity was made", text);
}

/** Read one pack and store its parity; false in *ret_good if it is damaged. */
static enum vv_rc
add_one(struct repo *r, const struct pack_name *name, struct vv_buf *image, bool *ret_good,
        uint64_t *ret_size, struct vv_error *err)
{
    char object[PACK_OBJECT_TEXT];
    struct vv_id hash;
    enum vv_rc rc;

    pack_object_text(name, object);
    vv_buf_reset(image);
    rc = storage_read_all(repo_storage(r), object, LIMIT_PACK, image, err);
    if (rc == VV_ECORRUPT || rc == VV_EIO || rc == VV_ELIMIT) {
        tell_damaged(r, object, err->message);
        vv_error_clear(err);
        *ret_good = false;
        return VV_OK;
    }
    VV_TRY(rc);
    sha256(image->data, image->len, hash.b);
    *ret_good = vv_id_equal(&hash, &name->hash);
    if (!*ret_good) {
        tell_damaged(r, object, "its content does not have the hash in its name");
        return VV_OK;
    }
    return pack_parity_publish(r, &hash, vv_buf_span(image), ret_size, err);
}

/** All packs without parity, each hash once, from whichever instance is good. */
static enum vv_rc
add_missing(struct repo *r, const struct stock *s, struct vv_progress *progress,
            struct parity_summary *summary, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf image = {0};
    bool done = false;

    for (size_t i = 0; i < s->packs.count; i++) {
        const struct pack_name *name = &s->packs.names[i];
        uint64_t size = 0;
        size_t count;
        enum vv_rc rc;
        done = done && is_repeated(&s->packs, i);
        if (done || pack_names_find(&s->parity, &name->hash, &count) != NULL) {
            continue;
        }
        VV_TRY(vv_cancel_check(repo_cancel(r), err));
        rc = add_one(r, name, &image, &done, &size, err);
        if (rc == VV_ENOTFOUND) { /* deleted since it was listed */
            vv_error_clear(err);
            continue;
        }
        VV_TRY(rc);
        summary->added += done;
        summary->added_bytes += done ? size : 0;
        summary->packs_damaged += !done;
        if (progress != NULL) {
            atomic_fetch_add(&progress->bytes_done, s->packs.sizes[i]);
        }
    }
    return VV_OK;
}

static void
tell_total(const struct stock *s, struct vv_progress *progress)
{
    uint64_t total = 0;
    size_t count;

    for (size_t i = 0; i < s->packs.count; i++) {
        if (pack_names_find(&s->parity, &s->packs.names[i].hash, &count) == NULL &&
            !is_repeated(&s->packs, i)) {
            total += s->packs.sizes[i];
        }
    }
    atomic_store(&progress->bytes_total, total);
    atomic_store(&progress->total_is_final, 1);
}

enum vv_rc
parity_site_add(struct repo *r, struct vv_progress *progress, struct parity_summary *ret,
                struct vv_error *err)
{
    struct parity_summary summary = {0};
    struct parity_summary after;
    struct stock s;
    enum vv_rc rc;

    VV_TRY(parity_decide(r, true, err));
    VV_TRY(stock_read(r, &s, err));
    if (progress != NULL) {
        tell_total(&s, progress);
    }
    rc = add_missing(r, &s, progress, &summary, err);
    stock_release(&s);
    VV_TRY(rc);
    VV_TRY(parity_site_status(r, &after, err));
    after.added = summary.added;
    after.added_bytes = summary.added_bytes;
    after.packs_damaged = summary.packs_damaged;
    *ret = after;
    return VV_OK;
}

/* --- removing --------------------------------------------------------------------------------- */

/** Remove all parity, or that of packs which are gone. */
static enum vv_rc
remove_some(struct repo *r, const struct stock *s, bool orphans_only, uint64_t *ret_count,
            uint64_t *ret_bytes, struct vv_error *err)
{
    for (size_t i = 0; i < s->parity.count; i++) {
        char object[PARITY_OBJECT_TEXT];
        size_t count;
        enum vv_rc rc;
        if (orphans_only && pack_names_find(&s->packs, &s->parity.names[i].hash, &count) != NULL) {
            continue;
        }
        VV_TRY(vv_cancel_check(repo_cancel(r), err));
        parity_object_text(&s->parity.names[i], object);
        rc = storage_remove(repo_storage(r), object, err);
        if (rc == VV_ENOTFOUND) {
            vv_error_clear(err);
            continue;
        }
        VV_TRY(rc);
        ++*ret_count;
        *ret_bytes += s->parity.sizes[i];
    }
    return VV_OK;
}

enum vv_rc
parity_site_drop(struct repo *r, struct parity_summary *ret, struct vv_error *err)
{
    struct parity_summary after;
    uint64_t removed = 0;
    uint64_t bytes = 0;
    struct stock s;
    enum vv_rc rc;

    VV_TRY(parity_decide(r, false, err));
    VV_TRY(stock_read(r, &s, err));
    rc = remove_some(r, &s, false, &removed, &bytes, err);
    stock_release(&s);
    VV_TRY(rc);
    VV_TRY(parity_site_status(r, &after, err));
    after.removed = removed;
    after.removed_bytes = bytes;
    *ret = after;
    return VV_OK;
}

enum vv_rc
parity_site_sweep(struct repo *r, uint64_t *ret_bytes, struct vv_error *err)
{
    uint64_t removed = 0;
    uint64_t bytes = 0;
    struct stock s;
    enum vv_rc rc;

    VV_TRY(stock_read(r, &s, err));
    rc = remove_some(r, &s, true, &removed, &bytes, err);
    stock_release(&s);
    VV_TRY(rc);
    *ret_bytes = bytes;
    return VV_OK;
}

/** Does a pack with this hash stay when ${go} are gone? */
static bool
stays(const struct stock *s, const struct vv_id *hash, const struct pack_name *go, size_t count)
{
    size_t instances;
    const struct pack_name *first = pack_names_find(&s->packs, hash, &instances);

    for (size_t i = 0; i < instances; i++) {
        if (count == 0 || bsearch(&first[i], go, count, sizeof(*go), pack_name_order) == NULL) {
            return true;
        }
    }
    return false;
}

enum vv_rc
parity_site_would_sweep(struct repo *r, const struct pack_name *go, size_t count,
                        uint64_t *ret_bytes, struct vv_error *err)
{
    uint64_t bytes = 0;
    struct stock s;

    VV_TRY(stock_read(r, &s, err));
    for (size_t i = 0; i < s.parity.count; i++) {
        bytes += stays(&s, &s.parity.names[i].hash, go, count) ? 0 : s.parity.sizes[i];
    }
    stock_release(&s);
    *ret_bytes = bytes;
    return VV_OK;
}
