/* SPDX-License-Identifier: BSD-2-Clause */
/* Repair: packs out of other repositories, A2. */

#include <string.h>

#include "crypto/hash.h"
#include "engine/pack_healer_internal.h"
#include "engine/repair_internal.h"
#include "repo/index_records.h"
#include "repo/pack_parity.h"
#include "repo/pack_reader.h"
#include "repo/record_array.h"

static enum vv_rc
note_damage(void *ctx, const struct scrub_damage *d, struct vv_error *err)
{
    struct repair *x = ctx;

    switch (d->kind) {
    case SCRUB_PACK:
        if (d->listed) {
            vv_buf_put(&x->bad, &d->pack, sizeof(d->pack));
        }
        if (!d->made_up) {
            vv_buf_put(&x->wanted, &d->pack.hash, sizeof(d->pack.hash));
            x->s.packs_damaged++;
        }
        break;
    case SCRUB_INDEX:
        return repair_note_aside(x, d->name, err);
    case SCRUB_PARITY:
    case SCRUB_DECISION:
    case SCRUB_SLOT:
    case SCRUB_ADMIN:
    case SCRUB_KEY:
    case SCRUB_SESSION:
    case SCRUB_CONDEMNED:
    case SCRUB_CONFIG:
    case SCRUB_SITE:
    case SCRUB_README:
        break;
    }
    VV_TRY(vv_buf_check(&x->bad, err));
    return vv_buf_check(&x->wanted, err);
}

enum vv_rc
repair_read_packs(struct repair *x, struct vv_error *err)
{
    struct scrub_options options = {
        .threads = x->options->threads, .damage = note_damage, .damage_ctx = x};
    struct scrub_summary s;

    VV_TRY(scrub_run(x->repo, &options, x->progress, &s, err));
    x->s.packs_healed_parity = s.packs_healed;
    x->s.packs_damaged += s.packs_healed;
    return VV_OK;
}

/** One pack that is wanted. */
struct wanted {
    struct repair *x;
    struct pack_healer *healer;
    const struct vv_id *hash;
    bool done;
};

bool
repair_has_hash(const struct vv_buf *image, const struct vv_id *hash)
{
    struct vv_id found;

    sha256(image->data, image->len, found.b);
    return vv_id_equal(&found, hash);
}

bool
repair_ends(enum vv_rc rc)
{
    return rc == VV_ENOMEM || rc == VV_ECANCELLED || rc == VV_ETRANSIENT;
}

enum vv_rc
repair_of_object(enum vv_rc rc, struct vv_error *err)
{
    if (rc == VV_OK || repair_ends(rc)) {
        return rc;
    }
    vv_error_clear(err);
    return VV_OK;
}

/** One instance elsewhere: as it is, or healed from the parity there. */
static enum vv_rc
read_elsewhere(struct repo *other, const struct pack_name *name, struct vv_buf *image,
               bool *ret_good, struct vv_error *err)
{
    struct parity_outcome outcome = {0};
    struct vv_error why = {0};
    char object[PACK_OBJECT_TEXT];
    enum vv_rc rc;

    pack_object_text(name, object);
    vv_buf_reset(image);
    rc = storage_read_all(repo_storage(other), object, LIMIT_PACK, image, &why);
    *ret_good = rc == VV_OK && repair_has_hash(image, &name->hash);
    if (*ret_good || repair_ends(rc)) {
        if (rc != VV_OK && err != NULL) {
            *err = why;
        }
        return rc;
    }
    rc = pack_parity_heal(other, name, image, &outcome, &why);
    *ret_good = rc == VV_OK && outcome.whole;
    parity_outcome_release(&outcome);
    if (repair_ends(rc)) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    if (rc != VV_OK) { /* as it was */
        vv_buf_reset(image);
        rc = storage_read_all(repo_storage(other), object, LIMIT_PACK, image, err);
    }
    return repair_of_object(rc, err);
}

static enum vv_rc
put(struct wanted *w, const struct vv_buf *image, struct repo *other, struct vv_error *err)
{
    struct pack_name name;
    char object[PACK_OBJECT_TEXT];

    VV_TRY(pack_healer_put(w->healer, w->hash, vv_buf_span(image), &name, err));
    pack_object_text(&name, object);
    vv_emit(repo_events(w->x->repo), VV_EVENT_PROBLEM, "pack-healed",
            vv_span(object, strlen(object)), "was damaged or missing; came from '%s'",
            repo_storage(other)->url);
    w->x->s.packs_healed_elsewhere++;
    w->done = true;
    return VV_OK;
}

/** All instances of one hash in all other repositories. */
static enum vv_rc
look_elsewhere(struct wanted *w, struct chunk_reader *chunks, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf image = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf mixed = {0};

    for (size_t i = 0; i < w->x->other_count && !w->done; i++) {
        struct repo *other = w->x->others[i];
        struct pack_names l;
        enum vv_rc rc = pack_names_list_hash(other, "packs", w->hash, &l, err);
        VV_TRY(rc);
        for (size_t n = 0; n < l.count && !w->done && rc == VV_OK; n++) {
            bool good = false;
            rc = read_elsewhere(other, &l.names[n], &image, &good, err);
            if (rc == VV_OK && good) {
                rc = put(w, &image, other, err);
            } else if (rc == VV_OK) {
                rc = repair_mix(w->x, w->hash, chunks, &image, &mixed, &good, err);
                if (rc == VV_OK && good) {
                    rc = put(w, &mixed, other, err);
                }
            }
        }
        pack_names_release(&l);
        VV_TRY(rc);
    }
    return VV_OK;
}

/** Index records of other repositories serve where ours has none. */
struct borrowing {
    struct repair *x;
    struct pack_healer *healer;
};

static bool
is_wanted(const struct repair *x, const struct vv_id *hash)
{
    const struct vv_id *ids = (const struct vv_id *)(const void *)x->wanted.data;

    for (size_t i = 0; i < x->wanted.len / sizeof(*ids); i++) {
        if (vv_id_equal(&ids[i], hash)) {
            return true;
        }
    }
    return false;
}

static enum vv_rc
borrow_record(void *ctx, const struct index_record *record, struct vv_error *err)
{
    struct borrowing *b = ctx;

    return is_wanted(b->x, &record->name.hash) ? pack_healer_add_record(b->healer, record, err)
                                               : VV_OK;
}

static enum vv_rc
borrow_records(struct repair *x, struct pack_healer *healer, struct vv_error *err)
{
    struct borrowing b = {x, healer};

    for (size_t i = 0; i < x->other_count; i++) {
        VV_CLEANUP(vv_buf_release) struct vv_buf segments = {0};
        enum vv_rc rc = index_segments_list(x->others[i], &segments, err);
        bool damaged;
        VV_CLEANUP(index_segment_reader_freep) struct index_segment_reader *reader = NULL;
        if (rc == VV_OK) {
            rc = index_segment_reader_new(x->others[i], vv_buf_span(&segments), &reader, err);
        }
        for (size_t at = 0; rc == VV_OK && at < segments.len; at += 32) {
            rc = index_segment_next_each(reader, borrow_record, &b, &damaged, err);
            if (rc == VV_ENOTFOUND) { /* merged meanwhile; the packs' own directories serve, too */
                vv_error_clear(err);
                rc = VV_OK;
            }
        }
        VV_TRY(rc);
    }
    return VV_OK;
}

static int
compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct vv_id));
}

/** Keep of the wanted hashes those that are still wanted. */
static enum vv_rc
heal_wanted(struct repair *x, struct pack_healer *healer, struct chunk_reader *chunks,
            struct vv_error *err)
{
    struct vv_id *ids = (struct vv_id *)(void *)x->wanted.data;
    size_t count = x->wanted.len / sizeof(*ids);
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        struct wanted w = {.x = x, .healer = healer, .hash = &ids[i]};
        VV_TRY(vv_cancel_check(repo_cancel(x->repo), err));
        VV_TRY(look_elsewhere(&w, chunks, err));
        if (!w.done) {
            ids[kept++] = ids[i];
        }
    }
    x->wanted.len = kept * sizeof(*ids);
    return VV_OK;
}

enum vv_rc
repair_packs(struct repair *x, struct vv_error *err)
{
    VV_CLEANUP(pack_healer_freep) struct pack_healer *healer = NULL;
    VV_CLEANUP(chunk_index_freep) struct chunk_index *index = NULL;
    VV_CLEANUP(chunk_reader_freep) struct chunk_reader *chunks = NULL;

    /* Several instances of a pack may be damaged. */
    x->wanted.len = record_array_set(x->wanted.data, x->wanted.len / sizeof(struct vv_id),
                                     sizeof(struct vv_id), compare_ids) *
                    sizeof(struct vv_id);
    if (x->wanted.len > 0 && x->other_count > 0) {
        VV_TRY(chunk_index_open(x->repo, &index, err));
        VV_TRY(chunk_reader_new(x->repo, index, 0, &chunks, err));
        VV_TRY(pack_healer_begin(x->repo, (const struct vv_id *)(const void *)x->wanted.data,
                                 x->wanted.len / sizeof(struct vv_id), &healer, err));
        VV_TRY(borrow_records(x, healer, err));
        VV_TRY(heal_wanted(x, healer, chunks, err));
        VV_TRY(pack_healer_finish(healer, err));
    }
    x->s.packs_lost = x->wanted.len / sizeof(struct vv_id);
    return VV_OK;
}
