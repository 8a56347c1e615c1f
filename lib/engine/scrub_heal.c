/* SPDX-License-Identifier: BSD-2-Clause */
/* Scrub: what becomes of damaged packs and parity. */

#include <string.h>

#include "core/alloc.h"
#include "engine/pack_healer_internal.h"
#include "engine/scrub_internal.h"
#include "repo/pack_parity.h"

/** Another object with the same content that is right, read now if need be; NULL if there is none. */
static enum vv_rc
find_good(struct scrub *s, const struct scrub_item *bad, struct scrub_item **ret,
          struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf bytes = {0};

    *ret = NULL;
    for (size_t i = 0; i < s->count; i++) {
        struct scrub_item *item = &s->items[i];
        if (item->kind != bad->kind || item == bad ||
            !vv_id_equal(&item->pack.hash, &bad->pack.hash)) {
            continue;
        }
        if (item->state == ITEM_UNREAD) {
            VV_TRY(scrub_read(s, item, &bytes, err));
        }
        if (item->state == ITEM_GOOD) {
            *ret = item;
            return VV_OK;
        }
    }
    return VV_OK;
}

static void
tell(struct scrub *s, enum vv_event_kind kind, const char *event, struct scrub_item *item,
     const char *text)
{
    item->told = true;
    vv_emit(repo_events(s->repo), kind, event, vv_span(item->name, strlen(item->name)), "%s", text);
}

/** Another one makes up for it: that is worth a warning, and once it was said no more. */
static void
tell_superseded(struct scrub *s, struct scrub_item *item)
{
    item->superseded = true;
    s->s.superseded++;
    tell(s, VV_EVENT_WARNING, "pack-superseded", item,
         item->kind == SCRUB_PACK ? "damaged; another instance with the same content is right"
                                  : "damaged; another parity of that pack is right");
}

/** Why parity did not help: that is told when no other instance can be healed either. */
static enum vv_rc
note_lost(struct scrub_item *item, const struct parity_outcome *outcome, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};

    if (outcome == NULL) {
        vv_buf_put_text(&text, "damaged, and there is no parity to heal it with");
    } else {
        vv_buf_put_text(&text, "damaged beyond what its parity can heal: ");
        pack_parity_describe(&outcome->lost, &text);
    }
    item->lost = vv_strdup(vv_buf_text(&text));
    return item->lost != NULL ? VV_OK : vv_error_nomem(err);
}

/** B3, one instance: healed, or noted why not. */
static enum vv_rc
heal_pack(struct scrub *s, struct pack_healer *h, struct scrub_item *item, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf image = {0};
    VV_CLEANUP(parity_outcome_release) struct parity_outcome outcome = {0};
    struct pack_name name;
    char object[PACK_OBJECT_TEXT];
    enum vv_rc rc = pack_parity_heal(s->repo, &item->pack, &image, &outcome, err);

    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        return note_lost(item, NULL, err);
    }
    VV_TRY(rc);
    if (!outcome.whole) {
        return note_lost(item, &outcome, err);
    }
    VV_TRY(pack_healer_put(h, &item->pack.hash, vv_buf_span(&image), &name, err));
    pack_object_text(&name, object);
    item->healed = true;
    item->told = true;
    s->s.packs_healed++;
    vv_emit(repo_events(s->repo), VV_EVENT_PROBLEM, "pack-healed",
            vv_span(item->name, strlen(item->name)),
            "damaged; computed from its parity and stored as '%s'", object);
    return VV_OK;
}

/** Damaged parity of a pack that is right: another one joins it. */
static enum vv_rc
renew_parity(struct scrub *s, struct scrub_item *item, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf bytes = {0};
    struct scrub_item wanted = {.kind = SCRUB_PACK, .pack = item->pack};
    struct scrub_item *pack = NULL;
    uint64_t size = 0;

    VV_TRY(find_good(s, &wanted, &pack, err));
    if (pack == NULL || !s->parity_on || s->options->no_heal) {
        tell(s, VV_EVENT_PROBLEM, "parity-damaged", item,
             s->parity_on ? "damaged" : "damaged; this site keeps no parity of new packs");
        s->s.objects_unhealed++;
        return VV_OK;
    }
    VV_TRY(storage_read_all(repo_storage(s->repo), pack->name, LIMIT_PACK, &bytes, err));
    VV_TRY(scrub_check(s, pack, vv_buf_span(&bytes), err));
    VV_TRY(pack_parity_publish(s->repo, &pack->pack.hash, vv_buf_span(&bytes), &size, err));
    s->s.parity_added++;
    s->s.parity_added_bytes += size;
    item->healed = true;
    tell(s, VV_EVENT_PROBLEM, "parity-damaged", item, "damaged; made again from the pack");
    return VV_OK;
}

/** Packs that nothing makes up for, each hash once. */
static enum vv_rc
collect_wanted(struct scrub *s, struct vv_buf *hashes, struct vv_error *err)
{
    for (size_t i = 0; i < s->count; i++) {
        struct scrub_item *item = &s->items[i];
        struct scrub_item *good = NULL;
        if (item->kind != SCRUB_PACK || item->state != ITEM_BAD) {
            continue;
        }
        VV_TRY(find_good(s, item, &good, err));
        if (good != NULL) {
            tell_superseded(s, item);
        } else {
            vv_buf_put(hashes, item->pack.hash.b, 32);
        }
    }
    return vv_buf_check(hashes, err);
}

/** A damaged pack that nothing makes up for, and that nothing was tried with yet. */
static bool
is_waiting(const struct scrub_item *item)
{
    return item->kind == SCRUB_PACK && item->state == ITEM_BAD && !item->superseded &&
           !item->healed && item->lost == NULL;
}

/** B3, the instances of one content, from item number ${first} on: each may be damaged in another
 *  place, and one that can be healed makes up for all. */
static enum vv_rc
heal_content(struct scrub *s, struct pack_healer *h, size_t first, struct vv_error *err)
{
    const struct vv_id *hash = &s->items[first].pack.hash;
    bool healed = false;

    for (size_t i = first; i < s->count && !healed; i++) {
        struct scrub_item *item = &s->items[i];
        if (is_waiting(item) && vv_id_equal(&item->pack.hash, hash) &&
            !pack_healer_condemned(h, &item->pack)) {
            VV_TRY(vv_cancel_check(repo_cancel(s->repo), err));
            VV_TRY(heal_pack(s, h, item, err));
            healed = item->healed;
        }
    }
    for (size_t i = first; i < s->count; i++) {
        struct scrub_item *item = &s->items[i];
        if (item->kind != SCRUB_PACK || item->told || !vv_id_equal(&item->pack.hash, hash)) {
            continue;
        }
        if (healed && item->state == ITEM_BAD) {
            tell_superseded(s, item);
        } else if (item->lost != NULL) {
            tell(s, VV_EVENT_PROBLEM, "pack-damaged", item, item->lost);
            s->s.objects_unhealed++;
        }
    }
    return VV_OK;
}

static enum vv_rc
heal_packs(struct scrub *s, const struct vv_buf *hashes, struct vv_error *err)
{
    VV_CLEANUP(pack_healer_freep) struct pack_healer *h = NULL;

    VV_TRY(pack_healer_begin(s->repo, (const struct vv_id *)(const void *)hashes->data,
                             hashes->len / 32, &h, err));
    for (size_t i = 0; i < s->count; i++) {
        if (is_waiting(&s->items[i])) {
            VV_TRY(heal_content(s, h, i, err));
        }
    }
    return pack_healer_finish(h, err);
}

/** Only look: everything stays as it is. */
static void
tell_all(struct scrub *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct scrub_item *item = &s->items[i];
        if (item->kind == SCRUB_PACK && item->state == ITEM_BAD && !item->superseded) {
            tell(s, VV_EVENT_PROBLEM, "pack-damaged", item,
                 "its content does not have the hash in its name");
            s->s.objects_unhealed++;
        }
    }
}

static enum vv_rc
settle_parity(struct scrub *s, struct vv_error *err)
{
    for (size_t i = 0; i < s->count; i++) {
        struct scrub_item *item = &s->items[i];
        struct scrub_item *good = NULL;
        if (item->kind != SCRUB_PARITY || item->state != ITEM_BAD) {
            continue;
        }
        VV_TRY(find_good(s, item, &good, err));
        if (good != NULL) {
            tell_superseded(s, item);
        } else {
            VV_TRY(renew_parity(s, item, err));
        }
    }
    return VV_OK;
}

enum vv_rc
scrub_heal(struct scrub *s, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf hashes = {0};

    for (size_t i = 0; i < s->count; i++) {
        const struct scrub_item *item = &s->items[i];
        s->s.objects_unhealed +=
            item->state == ITEM_BAD && item->kind != SCRUB_PACK && item->kind != SCRUB_PARITY;
    }
    s->s.objects_unhealed += s->s.packs_missing;
    VV_TRY(collect_wanted(s, &hashes, err));
    if (s->options->no_heal) {
        tell_all(s);
    } else if (hashes.len > 0) {
        VV_TRY(heal_packs(s, &hashes, err));
    }
    return settle_parity(s, err);
}

void
scrub_tell_rest(struct scrub *s)
{
    s->s.objects_unhealed = s->s.packs_missing;
    for (size_t i = 0; i < s->count; i++) {
        struct scrub_item *item = &s->items[i];
        if (item->state == ITEM_BAD && !item->told &&
            (item->kind == SCRUB_PACK || item->kind == SCRUB_PARITY)) {
            tell(s, VV_EVENT_PROBLEM, item->kind == SCRUB_PACK ? "pack-damaged" : "parity-damaged",
                 item, "damaged; this run ended before anything could be done about it");
        }
        s->s.objects_unhealed += item->state == ITEM_BAD && !item->superseded && !item->healed;
    }
}
