/* SPDX-License-Identifier: BSD-2-Clause */
/* Scrub: list, read the oldest first, heal. */

#include "engine/scrub_internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "repo/pack_parity.h"

static int
compare_age(const void *a, const void *b)
{
    const struct scrub_item *x = a;
    const struct scrub_item *y = b;

    if (x->read_at != y->read_at) {
        return x->read_at < y->read_at ? -1 : 1;
    }
    if (x->kind != y->kind) { /* small ones, which everything depends on, before packs */
        return x->kind > y->kind ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

static void
count_all(struct scrub *s)
{
    s->s.objects = s->count;
    s->s.packs = s->packs.count;
    for (size_t i = 0; i < s->count; i++) {
        s->s.bytes += s->items[i].size;
    }
}

/** What the display is to count to. */
static void
tell_total(struct scrub *s)
{
    const struct read_budget *b = &s->options->budget;
    uint64_t total = b->kind == BUDGET_PART    ? (uint64_t)((double)s->s.bytes * b->part)
                     : b->kind == BUDGET_BYTES ? b->amount
                                               : s->s.bytes;

    if (s->progress != NULL) {
        atomic_store(&s->progress->bytes_total, total < s->s.bytes ? total : s->s.bytes);
        atomic_store(&s->progress->total_is_final, b->kind != BUDGET_TIME);
    }
}

/** Was a pack with this content healed? */
static bool
is_healed(const struct scrub *s, const struct vv_id *hash)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->items[i].healed && s->items[i].kind == SCRUB_PACK &&
            vv_id_equal(&s->items[i].pack.hash, hash)) {
            return true;
        }
    }
    return false;
}

/** All that was found, for a repair. */
static enum vv_rc
tell_damage(struct scrub *s, struct vv_error *err)
{
    const struct scrub_options *o = s->options;
    const struct pack_name *missing = (const struct pack_name *)(const void *)s->missing.data;

    for (size_t i = 0; o->damage != NULL && i < s->count; i++) {
        const struct scrub_item *item = &s->items[i];
        struct scrub_damage d = {item->name, item->kind, item->pack, true, item->superseded};
        if (item->state == ITEM_BAD) {
            d.made_up = d.made_up || (item->kind == SCRUB_PACK && is_healed(s, &item->pack.hash));
            VV_TRY(o->damage(o->damage_ctx, &d, err));
        }
    }
    for (size_t i = 0; o->damage != NULL && i < s->missing.len / sizeof(*missing); i++) {
        struct scrub_damage d = {NULL, SCRUB_PACK, missing[i], false, false};
        VV_TRY(o->damage(o->damage_ctx, &d, err));
    }
    return VV_OK;
}

/** How old is what we know? */
static void
count_ages(struct scrub *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct scrub_item *item = &s->items[i];
        if (item->state == ITEM_GONE) {
            continue;
        }
        if (item->read_at == 0) {
            s->s.never_read++;
        } else if (s->s.oldest_read == 0 || item->read_at < s->s.oldest_read) {
            s->s.oldest_read = item->read_at;
        }
    }
}

static enum vv_rc
run(struct scrub *s, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc;

    VV_TRY(scrub_ledger_open(s->repo, &s->ledger, err));
    VV_TRY(parity_wanted(s->repo, &s->parity_on, err));
    VV_TRY(scrub_list(s, err));
    count_all(s);
    if (s->count > 0) {
        qsort(s->items, s->count, sizeof(*s->items), compare_age);
    }
    tell_total(s);
    rc = scrub_read_all(s, err);
    if (rc == VV_OK) {
        rc = scrub_missing(s, err);
    }
    if (rc == VV_OK) {
        rc = scrub_heal(s, err);
    }
    if (rc == VV_OK) {
        rc = tell_damage(s, err);
    }
    if (rc != VV_OK) {
        scrub_tell_rest(s);
    }
    if (scrub_ledger_save(s->ledger, LEDGER_SEEN, &why) != VV_OK) {
        vv_emit(repo_events(s->repo), VV_EVENT_WARNING, "journal-unusable", vv_span(NULL, 0),
                "when objects were read cannot be remembered: %s", why.message);
    }
    count_ages(s);
    return rc;
}

static void
release(struct scrub *s)
{
    for (size_t i = 0; i < s->count; i++) {
        vv_free(s->items[i].name);
        vv_free(s->items[i].lost);
    }
    vv_free(s->items);
    pack_names_release(&s->packs);
    pack_names_release(&s->parity);
    vv_buf_release(&s->missing);
    scrub_ledger_free(s->ledger);
    vv_mutex_release(&s->lock);
}

enum vv_rc
scrub_run(struct repo *r, const struct scrub_options *options, struct vv_progress *progress,
          struct scrub_summary *ret, struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(r);
    struct scrub s = {.repo = r, .options = options, .progress = progress};
    enum vv_rc rc;

    vv_mutex_init(&s.lock);
    s.started = clock->monotonic(clock);
    s.saved_at = s.started;
    rc = run(&s, err);
    release(&s);
    s.s.duration_ns = clock->monotonic(clock) - s.started;
    *ret = s.s;
    return rc;
}

enum vv_rc
scrub_ages_read(struct repo *r, int64_t since, struct scrub_ages *ret, struct vv_error *err)
{
    static const struct scrub_options none = {0};
    struct scrub s = {.repo = r, .options = &none};
    enum vv_rc rc;

    *ret = (struct scrub_ages){0};
    vv_mutex_init(&s.lock);
    rc = scrub_ledger_open(r, &s.ledger, err);
    rc = rc == VV_OK ? scrub_list(&s, err) : rc;
    if (rc == VV_OK) {
        count_all(&s);
        count_ages(&s);
        *ret = (struct scrub_ages){.objects = s.s.objects,
                                   .bytes = s.s.bytes,
                                   .never_read = s.s.never_read,
                                   .oldest_read = s.s.oldest_read};
        for (size_t i = 0; i < s.count; i++) {
            ret->last_read =
                s.items[i].read_at > ret->last_read ? s.items[i].read_at : ret->last_read;
            ret->bytes_since +=
                s.items[i].read_at >= since && s.items[i].read_at != 0 ? s.items[i].size : 0;
        }
    }
    release(&s);
    return rc;
}
