/* SPDX-License-Identifier: BSD-2-Clause */
/* What the builders of a session share: open packs, places in them, publication. */
#include "repo/pack_writer.h"

#include <assert.h>
#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "crypto/hash.h"
#include "repo/pack_writer_internal.h"

enum vv_rc
pack_writer_new(struct repo *r, struct writer_session *s, struct chunk_index *x,
                const struct pack_writer_options *o, struct pack_writer **ret, struct vv_error *err)
{
    VV_CLEANUP(pack_writer_freep) struct pack_writer *w = NULL;
    bool parity = false;

    if (o->suite != 0 && o->suite != PACK_AES_GCM && o->suite != PACK_CHACHA20) {
        return vv_error_set(err, VV_EUSAGE, "there is no cipher suite %u", o->suite);
    }
    w = vv_alloc_array(1, sizeof(*w));
    if (w == NULL) {
        return vv_error_nomem(err);
    }
    vv_mutex_init(&w->lock);
    vv_cond_init(&w->room);
    w->repo = r;
    w->session = s;
    w->index = x;
    w->level = o->level;
    w->suite = (enum pack_suite)(o->suite != 0 ? o->suite : aead_best_suite());
    w->images_max = (o->threads > 1 ? o->threads : 2) + 1; /* at least one for each class */
    w->own_only = o->own_only;
    w->read_back = o->read_back;
    w->dry_run = o->dry_run;
    w->target = o->target;
    if (!o->dry_run && (o->behind || storage_parallel(repo_storage(r)) > 1)) {
        bool far = storage_parallel(repo_storage(r)) > 1;
        unsigned uploaders = far ? PACK_UPLOADERS : PACK_PUBLISHERS;
        VV_TRY(pack_uploaders_start(w, uploaders, err));
        w->images_max += far ? uploaders : 1; /* one is filled while two are published */
    }
    VV_TRY(parity_wanted(r, &parity, err));
    if (parity) {
        VV_TRY(parity_writer_new(r, &w->parity, err));
    }
    if (parity && o->dry_run) {
        parity_writer_dry_run(w->parity);
    }
    VV_TRY(claim_table_new(repo_temp_dir(r), &w->claims, err));
    VV_TRY(index_writer_new(r, s != NULL ? writer_session_client(s) : NULL, &w->index_writer, err));
    if (o->dry_run) {
        index_writer_dry_run(w->index_writer);
    }
    if (o->behind) {
        index_writer_gather(w->index_writer, PACK_RECORDS);
    }
    if (!o->own_only) {
        chunk_index_for_writing(x, writer_session_condemned(s), writer_session_admin(s),
                                &writer_session_client(s)->id);
    }
    *ret = TAKE(w);
    return VV_OK;
}

void
pack_writer_free(struct pack_writer *w)
{
    if (w == NULL) {
        return;
    }
    (void)pack_writer_fail(w, VV_ECANCELLED, NULL); /* what is not published yet need not be */
    pack_uploaders_stop(w);
    parity_writer_free(w->parity);
    for (unsigned i = 0; i < PACK_CLASSES; i++) {
        pack_image_free(w->open[i], NULL);
    }
    for (unsigned i = 0; i < SPARE_MEMORIES; i++) {
        vv_free(w->spare[i].data);
    }
    for (unsigned i = 0; i < SPARE_CHECKS; i++) {
        check_memory_release(&w->spare_check[i]);
    }
    index_writer_free(w->index_writer);
    claim_table_free(w->claims);
    vv_cond_release(&w->room);
    vv_mutex_release(&w->lock);
    vv_free(w);
}

const struct pack_writer_counts *
pack_writer_counts(const struct pack_writer *w)
{
    return &w->counts;
}

uint64_t
pack_writer_parity_bytes(struct pack_writer *w)
{
    if (w->parity == NULL) {
        return 0;
    }
    parity_writer_wait(w->parity);
    return parity_writer_counts(w->parity).bytes;
}

unsigned
pack_writer_images_peak(const struct pack_writer *w)
{
    return w->images_peak;
}

/* --- failure ---------------------------------------------------------------------------------- */

/** Lock held. */
static enum vv_rc
check_locked(const struct pack_writer *w, struct vv_error *err)
{
    if (w->failure_rc != VV_OK && err != NULL) {
        *err = w->failure;
    }
    return w->failure_rc;
}

void
pack_writer_fail_locked(struct pack_writer *w, enum vv_rc rc, const struct vv_error *err)
{
    if (w->failure_rc == VV_OK) {
        if (err != NULL && err->rc == rc) {
            w->failure = *err;
        } else {
            (void)vv_error_set(&w->failure, rc, "storing chunks failed before");
        }
        w->failure_rc = rc;
        atomic_store(&w->failed, true);
    }
    vv_cond_broadcast(&w->room);
}

enum vv_rc
pack_writer_check(struct pack_writer *w, struct vv_error *err)
{
    enum vv_rc rc;

    if (!atomic_load_explicit(&w->failed, memory_order_relaxed)) {
        return VV_OK;
    }
    vv_mutex_lock(&w->lock);
    rc = check_locked(w, err);
    vv_mutex_unlock(&w->lock);
    return rc;
}

enum vv_rc
pack_writer_fail(struct pack_writer *w, enum vv_rc rc, const struct vv_error *err)
{
    if (rc != VV_OK) {
        vv_mutex_lock(&w->lock);
        pack_writer_fail_locked(w, rc, err);
        vv_mutex_unlock(&w->lock);
    }
    return rc;
}

/* --- places ----------------------------------------------------------------------------------- */

/** Packs by what they hold. */
static enum pack_class
class_of(enum block_kind kind)
{
    return kind == BLOCK_TREE ? PACK_METADATA : kind == BLOCK_LOG ? PACK_LOG : PACK_DATA;
}

/** P7.  Lock held. */
static uint64_t
next_target(const struct pack_writer *w, enum pack_class class)
{
    uint64_t target = w->stored[class] / PACK_TARGET_SHARE;

    if (w->target != 0) {
        return w->target;
    }
    if (class == PACK_METADATA) {
        return PACK_TARGET_METADATA;
    }
    return target < PACK_TARGET_MIN   ? PACK_TARGET_MIN
           : target > PACK_TARGET_MAX ? PACK_TARGET_MAX
                                      : target;
}

/** The smallest kept memory with so much room, so that small packs do not hold on to large ones; the
 *  smallest of all, to be given back, if none is large enough (P7 counts it).  Lock held. */
static struct image_memory
take_spare(struct pack_writer *w, uint64_t room)
{
    struct image_memory *best = NULL;
    struct image_memory ret = {0};

    for (unsigned i = 0; i < SPARE_MEMORIES; i++) {
        struct image_memory *m = &w->spare[i];
        bool better = best == NULL || (best->cap < room && m->cap >= room) ||
                      ((best->cap < room) == (m->cap < room) && m->cap < best->cap);
        if (m->data != NULL && better) {
            best = m;
        }
    }
    if (best != NULL) {
        ret = *best;
        *best = (struct image_memory){0};
    }
    return ret;
}

/** Lock held. */
static enum vv_rc
open_image(struct pack_writer *w, enum pack_class class, const struct block_draft *draft,
           struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(w->repo);
    struct pack_image_origin origin = {
        .keyring = repo_keyring(w->repo),
        .epoch = repo_epoch(w->repo),
        .serial = ++w->serial,
        .time = clock->realtime(clock),
        .class = class,
        .suite = w->suite,
        .target = next_target(w, class),
    };
    struct image_memory memory = {0};
    enum vv_rc rc;

    /* A pack of many small chunks is complete before; one whose padding would be large, later. */
    origin.filled = w->target != 0 ? w->target + w->target / 4 : origin.target / 2;
    if (w->session != NULL) { /* a dry run has none */
        origin.session = *writer_session_id(w->session);
        origin.client = writer_session_client(w->session)->id;
    }
    memory = take_spare(w, pack_image_room(&origin, draft));
    rc = pack_image_new(&origin, draft, &memory, &w->open[class], err);
    vv_free(memory.data); /* it was too small */
    VV_TRY(rc);
    w->open[class]->data_before = w->stored[PACK_DATA];
    w->images++;
    if (w->images > w->images_peak) {
        w->images_peak = w->images;
    }
    return VV_OK;
}

/** No more blocks; yields the image if nothing is outstanding, for the caller to publish.  Lock
 *  held. */
static struct pack_image *
close_image(struct pack_writer *w, enum pack_class class)
{
    struct pack_image *image = TAKE(w->open[class]);

    image->closed = true;
    w->stored[class] += image->len;
    return image->outstanding == 0 ? image : NULL;
}

/** Make sure that the open image of a class has room for a block.  A thread that waits here holds
 *  no place, and images_max is no less than the number of classes, of which its own has no image open:
 *  so another thread is at work on an image.
 *  ${ret_ready}: an image to be published first, without the lock.  Lock held. */
static enum vv_rc
find_image(struct pack_writer *w, enum pack_class class, const struct block_draft *draft,
           struct pack_image **ret_ready, struct vv_error *err)
{
    for (;;) {
        VV_TRY(check_locked(w, err));
        if (w->open[class] != NULL) {
            if (pack_image_fits(w->open[class], draft)) {
                return VV_OK;
            }
            *ret_ready = close_image(w, class);
            if (*ret_ready != NULL) {
                return VV_OK;
            }
        }
        if (w->images < w->images_max) {
            return open_image(w, class, draft, err);
        }
        vv_cond_wait(&w->room, &w->lock);
    }
}

/** Has an image that holds lists waited long enough?  A killed run's successor can refer to a large
 *  file's chunks only through its published lists.  Lock held. */
static bool
lists_are_due(const struct pack_writer *w, struct pack_image *image,
              const struct block_draft *draft)
{
    uint64_t limit = w->stored[PACK_DATA] / PACK_LISTS_SHARE;

    for (uint32_t i = 0; i < draft->chunk_count && !image->lists; i++) {
        image->lists = draft->chunks[i].type == CHUNK_LIST;
    }
    return image->lists && w->stored[PACK_DATA] - image->data_before >=
                               (limit > PACK_LISTS_MIN ? limit : PACK_LISTS_MIN);
}

enum vv_rc
pack_writer_reserve(struct pack_writer *w, const struct block_draft *draft,
                    struct image_checker *checker, struct block_place *ret, struct vv_error *err)
{
    enum pack_class class = class_of(draft->kind);
    struct pack_image *ready;
    enum vv_rc rc;

    vv_mutex_lock(&w->lock);
    do {
        ready = NULL;
        rc = find_image(w, class, draft, &ready, err);
        if (ready != NULL) {
            vv_mutex_unlock(&w->lock);
            pack_writer_hand_over(w, ready, checker);
            vv_mutex_lock(&w->lock);
        }
    } while (ready != NULL);
    if (rc == VV_OK) {
        rc = pack_image_reserve(w->open[class], draft, ret, err);
        if (rc == VV_OK &&
            (pack_image_full(w->open[class]) || lists_are_due(w, w->open[class], draft))) {
            (void)close_image(w, class); /* this very block is outstanding */
        }
    }
    if (rc != VV_OK) {
        pack_writer_fail_locked(w, rc, err);
    }
    vv_mutex_unlock(&w->lock);
    return rc;
}

enum vv_rc
pack_writer_complete(struct pack_writer *w, struct pack_image *image, enum vv_rc sealed,
                     struct pack_image **ret_ready, struct vv_error *err)
{
    vv_mutex_lock(&w->lock);
    if (sealed != VV_OK) {
        image->spoiled = true;
        pack_writer_fail_locked(w, sealed, err);
    }
    image->outstanding--;
    if (image->closed && image->outstanding == 0) {
        *ret_ready = image;
    }
    vv_mutex_unlock(&w->lock);
    return sealed;
}

/* --- the end ----------------------------------------------------------------------------------  */

/** Close and publish all open images; wait for those others are at work on. */
static enum vv_rc
publish_open(struct pack_writer *w, struct vv_error *err)
{
    static const enum pack_class order[] = {PACK_LOG, PACK_DATA, PACK_METADATA};
    VV_CLEANUP(image_checker_freep) struct image_checker *checker = NULL;
    enum vv_rc rc;

    VV_TRY(image_checker_new(&checker, err));
    for (unsigned i = 0; i < VV_COUNT(order); i++) {
        struct pack_image *ready = NULL;
        vv_mutex_lock(&w->lock);
        if (w->open[order[i]] != NULL) {
            ready = close_image(w, order[i]);
        }
        vv_mutex_unlock(&w->lock);
        if (ready != NULL) {
            pack_writer_hand_over(w, ready, checker);
        }
    }
    vv_mutex_lock(&w->lock);
    while (w->images > 0 && w->failure_rc == VV_OK) {
        vv_cond_wait(&w->room, &w->lock);
    }
    rc = check_locked(w, err);
    vv_mutex_unlock(&w->lock);
    return rc;
}

enum vv_rc
pack_writer_flush(struct pack_writer *w, struct vv_error *err)
{
    uint64_t unstored;

    VV_TRY(pack_writer_check(w, err));
    VV_TRY(publish_open(w, err));
    VV_TRY(pack_writer_fail(w, index_writer_flush(w->index_writer, err), err));
    atomic_store(&w->counts.bytes_indexed, index_writer_bytes(w->index_writer));
    unstored = atomic_load(&w->unstored);
    if (unstored != 0) { /* P6 */
        return vv_error_set(err, VV_EUSAGE, "%llu chunks are in no pack: a builder was not flushed",
                            (unsigned long long)unstored);
    }
    return VV_OK;
}

enum vv_rc
pack_writer_salvage(struct pack_writer *w, struct vv_error *err)
{
    enum vv_rc rc;

    (void)pack_writer_fail(w, VV_ECANCELLED, NULL); /* if it has not failed by itself */
    pack_uploaders_stop(w);                         /* nothing is being published any more */
    rc = index_writer_flush(w->index_writer, err);
    atomic_store(&w->counts.bytes_indexed, index_writer_bytes(w->index_writer));
    if (rc == VV_ENOSPACE) {
        vv_error_clear(err);
        rc = VV_OK;
    }
    return rc;
}

/* --- what is known ---------------------------------------------------------------------------- */

enum vv_rc
pack_writer_knows(struct pack_writer *w, enum chunk_type type, const struct vv_id *id, bool *ret,
                  struct vv_error *err)
{
    bool known = false;

    VV_TRY(pack_writer_check(w, err));
    VV_TRY(pack_writer_fail(w, claim_table_contains(w->claims, id, &known, err), err));
    if (!known && !w->own_only) {
        VV_TRY(pack_writer_fail(w, chunk_index_usable(w->index, type, id, &known, err), err));
    }
    *ret = known;
    return VV_OK;
}

enum vv_rc
pack_writer_trust(struct pack_writer *w, enum chunk_type type, const struct vv_id *id,
                  struct vv_error *err)
{
    bool is_new;

    (void)type; /* ids of different types differ */
    VV_TRY(pack_writer_check(w, err));
    return pack_writer_fail(w, claim_table_claim(w->claims, id, &is_new, err), err);
}
