/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks of damaged packs, computed from their parity. */

#include <string.h>

#include "core/alloc.h"
#include "repo/chunk_reader_internal.h"
#include "repo/pack_parity.h"

/** A pack that is being read with the help of its parity. */
struct healed_image {
    struct pack_name name;
    struct vv_buf image;
    bool used;
};
struct chunk_healer {
    struct vv_mutex lock; /* one thread heals, others that need the same wait for it */
    struct healed_image images[HEALED_MAX];
    unsigned next;                           /* gives way */
    struct pack_name hopeless[HOPELESS_MAX]; /* no parity; direct-mapped */
    bool hopeless_used[HOPELESS_MAX];
};

enum vv_rc
chunk_healer_new(struct chunk_healer **ret, struct vv_error *err)
{
    struct chunk_healer *h = vv_alloc_array(1, sizeof(*h));

    if (h == NULL) {
        return vv_error_nomem(err);
    }
    vv_mutex_init(&h->lock);
    *ret = h;
    return VV_OK;
}

void
chunk_healer_free(struct chunk_healer *h)
{
    if (h == NULL) {
        return;
    }
    for (unsigned i = 0; i < HEALED_MAX; i++) {
        vv_buf_release(&h->images[i].image);
    }
    vv_mutex_release(&h->lock);
    vv_free(h);
}

/** Compute the pack; NULL in *ret if that leads nowhere.  h->lock held. */
static enum vv_rc
heal(struct chunk_reader *c, const struct pack_name *name, struct healed_image **ret,
     struct vv_error *err)
{
    struct chunk_healer *h = c->healer;
    unsigned slot = (unsigned)(chunk_reader_block_hash(name, 0) % HOPELESS_MAX);
    struct healed_image *x = &h->images[h->next];
    struct parity_outcome outcome = {0};
    enum vv_rc rc;

    *ret = NULL;
    if (h->hopeless_used[slot] && pack_name_compare(&h->hopeless[slot], name) == 0) {
        return VV_OK;
    }
    x->used = false;
    rc = pack_parity_heal(c->repo, name, &x->image, &outcome, err);
    if (rc == VV_OK && (outcome.rebuilt.len > 0 || outcome.whole)) {
        char object[PACK_OBJECT_TEXT];
        pack_object_text(name, object);
        vv_emit(repo_events(c->repo), VV_EVENT_PROBLEM, "block-healed",
                vv_span(object, strlen(object)),
                "damaged; what was needed of it was computed from its parity");
        x->name = *name;
        x->used = true;
        h->next = (h->next + 1) % HEALED_MAX;
        *ret = x;
    } else if (rc == VV_OK || rc == VV_ENOTFOUND || rc == VV_EIO) {
        h->hopeless[slot] = *name;
        h->hopeless_used[slot] = true;
        vv_error_clear(err);
        rc = VV_OK;
    }
    parity_outcome_release(&outcome);
    return rc;
}

static struct healed_image *
find_healed(struct chunk_healer *h, const struct pack_name *name)
{
    for (unsigned i = 0; i < HEALED_MAX; i++) {
        if (h->images[i].used && pack_name_compare(&h->images[i].name, name) == 0) {
            return &h->images[i];
        }
    }
    return NULL;
}

enum vv_rc
chunk_reader_healed_block(struct chunk_reader *c, struct pack_reader *p,
                          const struct chunk_location *loc, uint8_t *out, struct vv_error *err)
{
    struct healed_image *x;
    enum vv_rc rc = VV_OK;

    vv_mutex_lock(&c->healer->lock);
    x = find_healed(c->healer, &loc->pack);
    if (x == NULL) {
        rc = heal(c, &loc->pack, &x, err);
    }
    if (rc == VV_OK && x == NULL) {
        rc = vv_error_set(err, VV_ECORRUPT, "there is no parity that helps");
    }
    if (rc == VV_OK) {
        rc = pack_read_block_from(p, vv_buf_span(&x->image), loc, out, err);
    }
    vv_mutex_unlock(&c->healer->lock);
    return rc;
}
