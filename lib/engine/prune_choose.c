/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune, P2: which packs go. */
#include <stdlib.h>

#include "core/alloc.h"
#include "engine/prune_internal.h"
#include "repo/pack_epochs.h"

#define SMALL_PACK (4u << 20)
#define SMALL_MANY 8u /* small packs of one class worth merging... */
#define SMALL_SHARE                                                                                \
    4u /* ... if they are such a part of all: merging copies much and wins nothing */
#define CLASSES 4u
#define SPACE_KEPT (8u << 20) /* for the index, lists and slots */

struct candidate {
    uint64_t share; /* of waste, in 2^-32 */
    size_t pack;
};
struct choosing {
    struct prune_round *round;
    struct open_sessions open;
    struct candidate *order; /* that hold something live, most waste for its size first */
    size_t order_count;
    uint64_t waste; /* dead bytes in them */
    uint64_t room;  /* stored bytes that may still be copied in this round, within the budget */
};

/* --- I2 --------------------------------------------------------------------------------------- */

/** The session a pack's header names, from one of its two places; false if neither can be read. */
static enum vv_rc
session_of(struct prune_round *round, size_t pack, struct vv_uuid *ret, bool *ret_known,
           struct vv_error *err)
{
    uint64_t size = round->packs.items[pack].size;
    uint64_t places[2] = {0, size - PACK_TAIL_LEN};
    char object[PACK_OBJECT_TEXT];

    *ret_known = false;
    pack_object_text(&round->packs.items[pack].name, object);
    for (unsigned i = 0; i < 2 && !*ret_known; i++) {
        uint8_t bytes[PACK_HEADER_LEN];
        struct pack_header header;
        size_t got = 0;
        enum vv_rc rc;
        if (size < PACK_HEADER_LEN + PACK_TAIL_LEN) {
            break;
        }
        rc = storage_read(repo_storage(round->p->repo), object, places[i], bytes, sizeof(bytes),
                          &got, err);
        if (rc == VV_ENOTFOUND || rc == VV_EIO) {
            vv_error_clear(err);
            continue;
        }
        VV_TRY(rc);
        if (got == sizeof(bytes) &&
            pack_header_decode(bytes, repo_id(round->p->repo), &header, NULL) == VV_OK) {
            *ret = header.session;
            *ret_known = true;
        }
    }
    return VV_OK;
}

/** May this pack be condemned?  One whose session nobody can tell may not while any other session
 *  is open. */
static enum vv_rc
is_free(struct choosing *c, size_t pack, bool *ret, struct vv_error *err)
{
    struct prune_round *round = c->round;
    size_t others = c->open.count;
    struct vv_uuid session;
    bool known;

    if (round->session != NULL &&
        open_sessions_find(&c->open, writer_session_id(round->session)) != NULL) {
        others--;
    }
    *ret = true;
    if (others > 0) {
        VV_TRY(session_of(round, pack, &session, &known, err));
        *ret = known && open_sessions_find(&c->open, &session) == NULL;
        round->items[pack].open = !*ret;
    }
    return VV_OK;
}

/* --- choosing --------------------------------------------------------------------------------- */

/** Dead bytes: header, directory and padding are no waste. */
static uint64_t
waste_of(const struct prune_round *round, size_t pack)
{
    const struct prune_pack *item = &round->items[pack];

    return item->stays < item->blocks ? item->blocks - item->stays : 0;
}

static void
take(struct prune_round *round, size_t pack)
{
    round->items[pack].victim = true;
    round->items[pack].dead = round->items[pack].live_chunks == 0;
}

/** Wholly dead packs go; the others are looked at again. */
static enum vv_rc
take_dead(struct choosing *c, struct vv_error *err)
{
    struct prune_round *round = c->round;

    for (size_t i = 0; i < round->packs.count; i++) {
        struct prune_pack *item = &round->items[i];
        bool is_allowed = true;
        VV_TRY(vv_cancel_check(repo_cancel(round->p->repo), err));
        if (item->condemned) { /* adopted */
            take(round, i);
            continue;
        }
        if (item->live_chunks == 0) {
            VV_TRY(is_free(c, i, &is_allowed, err));
            if (is_allowed) {
                take(round, i);
                continue;
            }
        } else {
            c->order[c->order_count++] = (struct candidate){
                .share = (waste_of(round, i) << 32) / (item->blocks + 1), .pack = i};
        }
        c->waste += waste_of(round, i);
    }
    return VV_OK;
}

static int
compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;

    return x->share != y->share ? (x->share > y->share ? -1 : 1)
                                : (x->pack < y->pack ? -1 : x->pack > y->pack);
}

/** Take a pack whose live chunks have to be copied, if there is room and it may be. */
static enum vv_rc
take_live(struct choosing *c, size_t pack, struct vv_error *err)
{
    struct prune_round *round = c->round;
    struct prune_pack *item = &round->items[pack];
    uint64_t *budget = &round->p->budget_left;
    bool is_allowed;

    if (item->victim || item->suspect) { /* a suspect one waits for repair */
        return VV_OK;
    }
    if (item->stays > c->room || c->room == 0) { /* however little stays, it is copied */
        bool affordable = item->stays <= *budget && *budget > 0; /* it is space that lacks */
        round->more = round->more || affordable;
        return VV_OK;
    }
    VV_TRY(is_free(c, pack, &is_allowed, err));
    if (is_allowed) {
        take(round, pack);
        c->room -= item->stays;
        *budget -= item->stays;
        c->waste -= waste_of(round, pack);
    }
    return VV_OK;
}

/** Packs no segment names, but that hold something live: left by a run that died, or by an index
 *  that was damaged. */
static enum vv_rc
take_unindexed(struct choosing *c, struct vv_error *err)
{
    for (size_t i = 0; i < c->order_count; i++) {
        if (!c->round->items[c->order[i].pack].indexed) {
            VV_TRY(take_live(c, c->order[i].pack, err));
        }
    }
    return VV_OK;
}

/** Most waste for its size first, until there is little enough in each. */
static enum vv_rc
take_wasteful(struct choosing *c, struct vv_error *err)
{
    double limit = c->round->p->options->max_waste;

    for (size_t i = 0; i < c->order_count; i++) {
        size_t pack = c->order[i].pack;
        double waste = (double)waste_of(c->round, pack);
        if (waste == 0 || waste <= limit * (double)c->round->items[pack].blocks) {
            break;
        }
        VV_TRY(take_live(c, pack, err));
    }
    return VV_OK;
}

/** A live pack whose keys are those of an older epoch. */
struct old_pack {
    uint32_t epoch;
    size_t pack;
};

static int
compare_old(const void *a, const void *b)
{
    const struct old_pack *x = a;
    const struct old_pack *y = b;

    return x->epoch != y->epoch ? (x->epoch < y->epoch ? -1 : 1)
                                : (x->pack < y->pack ? -1 : x->pack > y->pack);
}

/** Those of the candidates, oldest epoch first; what is to be chosen otherwise has been. */
static enum vv_rc
find_old(struct choosing *c, struct old_pack *ret, size_t *ret_count, struct vv_error *err)
{
    VV_CLEANUP(vv_freep) uint32_t *epochs = vv_alloc_array(c->order_count + 1, sizeof(*epochs));
    VV_CLEANUP(vv_freep)
    const struct pack_list_item **packs = vv_alloc_array(c->order_count + 1, sizeof(*packs));
    struct repo *r = c->round->p->repo;

    if (epochs == NULL || packs == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < c->order_count; i++) {
        packs[i] = &c->round->packs.items[c->order[i].pack];
    }
    VV_TRY(pack_epochs_read(r, packs, c->order_count, epochs, err));
    for (size_t i = 0; i < c->order_count; i++) {
        if (epochs[i] < repo_epoch(r)) {
            ret[(*ret_count)++] = (struct old_pack){epochs[i], c->order[i].pack};
        }
    }
    if (*ret_count > 0) {
        qsort(ret, *ret_count, sizeof(*ret), compare_old);
    }
    return VV_OK;
}

/** On request: what is live in packs of older epochs is copied, which puts it under the newest. */
static enum vv_rc
take_old(struct choosing *c, struct vv_error *err)
{
    struct prune *p = c->round->p;
    VV_CLEANUP(vv_freep) struct old_pack *old = vv_alloc_array(c->order_count + 1, sizeof(*old));
    size_t count = 0;

    if (old == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(find_old(c, old, &count, err));
    p->s.bytes_old_epochs = 0;
    for (size_t i = 0; i < count; i++) {
        struct prune_pack *item = &c->round->items[old[i].pack];
        bool before = item->victim;
        VV_TRY(take_live(c, old[i].pack, err));
        p->s.packs_reencrypted += item->victim && !before;
        p->s.bytes_old_epochs += item->victim ? 0 : c->round->packs.items[old[i].pack].size;
    }
    return VV_OK;
}

/** Could more be in one pack?  Not where it is its chunks that make it full: merged, such packs would
 *  be as small again, with every prune. */
static bool
is_small(const struct choosing *c, size_t pack, unsigned class)
{
    const struct prune_pack *item = &c->round->items[pack];

    return !item->victim && item->class == class && c->round->packs.items[pack].size < SMALL_PACK &&
           item->live_chunks < pack_writer_chunks_max / 2;
}

/** Many small packs become few, where they are many among all. */
static enum vv_rc
take_small(struct choosing *c, struct vv_error *err)
{
    for (unsigned class = 0; class < CLASSES; class ++) {
        size_t count = 0;
        size_t all = 0;
        for (size_t i = 0; i < c->order_count; i++) {
            const struct prune_pack *item = &c->round->items[c->order[i].pack];
            count += is_small(c, c->order[i].pack, class);
            all += item->class == class;
        }
        if (count < SMALL_MANY || count * SMALL_SHARE < all) {
            continue;
        }
        for (size_t i = 0; i < c->order_count; i++) {
            if (is_small(c, c->order[i].pack, class)) {
                VV_TRY(take_live(c, c->order[i].pack, err));
            }
        }
    }
    return VV_OK;
}

static enum vv_rc
choose(struct choosing *c, struct vv_error *err)
{
    struct prune_round *round = c->round;
    uint64_t space = round->space > SPACE_KEPT ? round->space - SPACE_KEPT : 0;

    c->order = vv_alloc_array(round->packs.count + 1, sizeof(*c->order));
    if (c->order == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(take_dead(c, err));
    if (c->order_count > 0) {
        qsort(c->order, c->order_count, sizeof(*c->order), compare_candidates);
    }
    c->room = space < round->p->budget_left ? space : round->p->budget_left;
    VV_TRY(take_unindexed(c, err));
    VV_TRY(take_wasteful(c, err));
    VV_TRY(take_small(c, err));
    if (round->p->options->reencrypt) {
        VV_TRY(take_old(c, err));
    }
    round->p->s.bytes_waste = c->waste;
    return VV_OK;
}

/** This run's list: what was chosen, and everything that pending lists name, there or not. */
static enum vv_rc
make_list(struct prune_round *round, struct vv_error *err)
{
    size_t room = round->condemned.count + round->packs.count + 1;
    size_t kept = 0;

    round->go = vv_alloc_array(room, sizeof(*round->go));
    if (round->go == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < round->condemned.count; i++) {
        round->go[round->go_count++] = round->condemned.packs[i];
    }
    for (size_t i = 0; i < round->packs.count; i++) {
        if (round->items[i].victim && !round->items[i].condemned) {
            round->go[round->go_count++] = round->packs.items[i].name;
        }
    }
    if (round->go_count > 0) {
        qsort(round->go, round->go_count, sizeof(*round->go), pack_name_order);
    }
    for (size_t i = 0; i < round->go_count; i++) { /* several lists may name a pack */
        if (kept == 0 || pack_name_compare(&round->go[kept - 1], &round->go[i]) != 0) {
            round->go[kept++] = round->go[i];
        }
    }
    round->go_count = kept;
    round->go_dead = vv_alloc_array(kept + 1, sizeof(*round->go_dead));
    if (round->go_dead == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < kept; i++) {
        size_t at = pack_list_find(&round->packs, &round->go[i]);
        round->go_dead[i] = at == round->packs.count || round->items[at].dead;
    }
    return VV_OK;
}

enum vv_rc
prune_choose(struct prune_round *round, struct vv_error *err)
{
    struct choosing c = {.round = round};
    enum vv_rc rc = open_sessions_read(round->p->repo, &round->admin, &c.open, err); /* I2 */

    if (rc == VV_OK) {
        rc = choose(&c, err);
    }
    open_sessions_release(&c.open);
    vv_free(c.order);
    VV_TRY(rc);
    return make_list(round, err);
}
