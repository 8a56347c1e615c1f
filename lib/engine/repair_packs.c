/* SPDX-License-Identifier: BSD-2-Clause */
/* Repair: packs out of other repositories, A2, and which instances are suspect, A5. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "crypto/hash.h"
#include "engine/pack_healer_internal.h"
#include "engine/repair_internal.h"
#include "repo/index_records.h"
#include "repo/pack_parity.h"
#include "repo/pack_reader.h"

#define RUNS_MAX 10u /* differences in one block that are tried both ways: 1024 combinations */
#define RUN_GAP 64u  /* equal bytes between two of them */
#define SUSPECTS_MAX 16384u /* names in one record */

/* --- reading all that is here ------------------------------------------------------------------ */

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

/* --- other repositories ------------------------------------------------------------------------ */

/** One pack that is wanted. */
struct wanted {
    struct repair *x;
    struct pack_healer *healer;
    const struct vv_id *hash;
    bool done;
};

static bool
has_hash(const struct vv_buf *image, const struct vv_id *hash)
{
    struct vv_id found;

    sha256(image->data, image->len, found.b);
    return vv_id_equal(&found, hash);
}

/** A failure that ends the run? */
static bool
ends_the_run(enum vv_rc rc)
{
    return rc == VV_ENOMEM || rc == VV_ECANCELLED;
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
    *ret_good = rc == VV_OK && has_hash(image, &name->hash);
    if (*ret_good || ends_the_run(rc)) {
        if (rc != VV_OK && err != NULL) {
            *err = why;
        }
        return rc;
    }
    rc = pack_parity_heal(other, name, image, &outcome, &why);
    *ret_good = rc == VV_OK && outcome.whole;
    parity_outcome_release(&outcome);
    if (ends_the_run(rc)) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    if (rc != VV_OK) { /* as it was */
        vv_buf_reset(image);
        rc = storage_read_all(repo_storage(other), object, LIMIT_PACK, image, NULL);
        return ends_the_run(rc) ? rc : VV_OK;
    }
    return VV_OK;
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

/** The bytes of the damaged instance here, healed as far as parity goes. */
static enum vv_rc
read_here(struct repair *x, const struct vv_id *hash, struct vv_buf *image, struct vv_error *err)
{
    struct pack_names l;
    enum vv_rc rc = pack_names_list_hash(x->repo, "packs", hash, &l, err);

    VV_TRY(rc);
    vv_buf_reset(image);
    if (l.count > 0) {
        struct parity_outcome outcome = {0};
        char object[PACK_OBJECT_TEXT];
        rc = pack_parity_heal(x->repo, &l.names[0], image, &outcome, NULL);
        parity_outcome_release(&outcome);
        if (rc != VV_OK) {
            pack_object_text(&l.names[0], object);
            vv_buf_reset(image);
            rc = storage_read_all(repo_storage(x->repo), object, LIMIT_PACK, image, NULL);
        }
    }
    pack_names_release(&l);
    return ends_the_run(rc) ? rc : VV_OK;
}

/** Where the blocks of a wanted pack lie, from the index. */
struct layout {
    const struct vv_id *hash;
    struct pack_directory directory;
    uint64_t size; /* 0: not known */
};

static enum vv_rc
find_layout(void *ctx, const struct pack_name *name, const struct index_body *body,
            struct vv_error *err)
{
    struct layout *l = ctx;

    if (l->size != 0 || !vv_id_equal(&name->hash, l->hash)) {
        return VV_OK;
    }
    VV_TRY(pack_directory_decode(body->directory, body->file_size, &l->directory, err));
    l->size = body->file_size;
    return VV_OK;
}

/** What is put together out of two damaged instances. */
struct mixture {
    struct vv_buf image;
    const struct vv_buf *mine;
    const struct vv_buf *theirs;
    const struct layout *layout;
    struct pack_reader *reader;
    uint8_t *plain;
};

/** Bytes in which the two instances differ. */
struct difference {
    size_t offset;
    size_t len;
};

/** The differences within a range, those close to each other as one; more than there is room for:
 *  RUNS_MAX + 1. */
static unsigned
find_differences(const struct mixture *m, size_t offset, size_t len, struct difference *ret)
{
    const uint8_t *a = m->mine->data;
    const uint8_t *b = m->theirs->data;
    unsigned count = 0;

    for (size_t at = offset; at < offset + len; at++) {
        if (a[at] == b[at]) {
            continue;
        }
        if (count > 0 && at - (ret[count - 1].offset + ret[count - 1].len) <= RUN_GAP) {
            ret[count - 1].len = at + 1 - ret[count - 1].offset;
        } else if (count == RUNS_MAX) {
            return RUNS_MAX + 1;
        } else {
            ret[count++] = (struct difference){at, 1};
        }
    }
    return count;
}

/** A block damaged in both: take each difference from here or from there, until it decodes.  It is
 *  the authentication that decides. */
static enum vv_rc
mix_block(struct mixture *m, const struct chunk_location *loc, struct vv_error *err)
{
    struct difference runs[RUNS_MAX];
    unsigned count = find_differences(m, loc->block_offset, loc->block_stored, runs);

    for (unsigned way = 1; count <= RUNS_MAX && way < 1u << count; way++) {
        enum vv_rc rc;
        for (unsigned i = 0; i < count; i++) {
            const struct vv_buf *from = (way >> i & 1) != 0 ? m->theirs : m->mine;
            memcpy(m->image.data + runs[i].offset, from->data + runs[i].offset, runs[i].len);
        }
        rc = pack_read_block_from(m->reader, vv_buf_span(&m->image), loc, m->plain, err);
        if (rc != VV_ECORRUPT) {
            return rc;
        }
        vv_error_clear(err);
    }
    return VV_OK; /* the hash of the whole will tell */
}

/** Blocks that do not decode as they are here. */
static enum vv_rc
mix_blocks(struct mixture *m, struct vv_error *err)
{
    for (uint32_t i = 0; i < m->layout->directory.block_count; i++) {
        const struct pack_block *b = &m->layout->directory.blocks[i];
        struct chunk_location loc = {.pack.hash = *m->layout->hash,
                                     .block_number = i,
                                     .block_offset = b->offset,
                                     .block_stored = b->stored_len,
                                     .block_plain = b->plain_len,
                                     .block_flags = b->flags};
        enum vv_rc rc =
            pack_read_block_from(m->reader, vv_buf_span(&m->image), &loc, m->plain, err);
        if (rc == VV_ECORRUPT) {
            vv_error_clear(err);
            rc = mix_block(m, &loc, err);
        }
        VV_TRY(rc);
    }
    return VV_OK;
}

/** Try with header and tail from here or there: four ways. */
static enum vv_rc
mix(struct mixture *m, bool *ret_good, struct vv_error *err)
{
    const struct pack_directory *d = &m->layout->directory;
    const struct pack_block *last = &d->blocks[d->block_count - 1];
    size_t tail = (size_t)last->offset + last->stored_len;

    for (unsigned way = 0; way < 4 && !*ret_good; way++) {
        const struct vv_buf *head = (way & 1) != 0 ? m->theirs : m->mine;
        const struct vv_buf *end = (way & 2) != 0 ? m->theirs : m->mine;
        memcpy(m->image.data, m->mine->data, m->mine->len);
        memcpy(m->image.data, head->data, PACK_HEADER_LEN);
        memcpy(m->image.data + tail, end->data + tail, m->image.len - tail);
        VV_TRY(mix_blocks(m, err));
        *ret_good = has_hash(&m->image, m->layout->hash);
    }
    return VV_OK;
}

/** Both instances are damaged, hopefully in different places. */
static enum vv_rc
mix_instances(struct wanted *w, struct chunk_reader *chunks, const struct vv_buf *theirs,
              struct repo *other, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf mine = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf plain = {0};
    VV_CLEANUP(pack_reader_freep) struct pack_reader *reader = NULL;
    struct layout layout = {.hash = w->hash};
    struct mixture m = {.mine = &mine, .theirs = theirs, .layout = &layout};
    bool good = false;
    enum vv_rc rc = chunk_index_each_pack(chunk_reader_index(chunks), find_layout, &layout, err);

    if (rc == VV_OK) {
        rc = read_here(w->x, w->hash, &mine, err);
    }
    if (rc == VV_OK && layout.size != 0 && layout.directory.block_count > 0 &&
        mine.len == layout.size && theirs->len == layout.size) {
        rc = pack_reader_new(chunk_reader_keys(chunks), &reader, err);
        if (rc == VV_OK) {
            rc = vv_buf_reserve(&plain, LIMIT_BLOCK_PLAIN, err);
        }
        vv_buf_put(&m.image, mine.data, mine.len);
        m.reader = reader;
        m.plain = plain.data;
        rc = rc == VV_OK ? vv_buf_check(&m.image, err) : rc;
        rc = rc == VV_OK ? mix(&m, &good, err) : rc;
        if (rc == VV_OK && good) {
            rc = put(w, &m.image, other, err);
        }
    }
    vv_buf_release(&m.image);
    pack_directory_release(&layout.directory);
    return rc;
}

/** All instances of one hash in all other repositories. */
static enum vv_rc
look_elsewhere(struct wanted *w, struct chunk_reader *chunks, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf image = {0};

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
                rc = mix_instances(w, chunks, &image, other, err);
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
        for (size_t at = 0; rc == VV_OK && at < segments.len; at += 32) {
            struct vv_id id;
            memcpy(id.b, segments.data + at, 32);
            rc = index_segment_each(x->others[i], &id, borrow_record, &b, &damaged, err);
            if (rc == VV_ENOTFOUND) { /* merged meanwhile; the packs' own directories serve, too */
                vv_error_clear(err);
                rc = VV_OK;
            }
        }
        VV_TRY(rc);
    }
    return VV_OK;
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
        bool repeated = false;
        for (size_t k = 0; k < i; k++) {
            repeated = repeated || vv_id_equal(&ids[k], &ids[i]);
        }
        if (repeated) {
            continue;
        }
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

/* --- suspects ---------------------------------------------------------------------------------- */

static bool
is_suspect(const struct admin_records *a, const struct pack_name *name)
{
    for (size_t i = 0; i < a->suspect_count; i++) {
        if (pack_name_compare(&a->suspects[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static enum vv_rc
publish_suspects(struct repair *x, const struct pack_name *names, uint32_t count,
                 struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf payload = {0};
    char name[64] = "suspect-";
    uint8_t random[16];

    pack_list_encode(names, count, &payload);
    VV_TRY(vv_buf_check(&payload, err));
    vv_random(random, sizeof(random));
    vv_hex(name + strlen(name), random, sizeof(random));
    VV_TRY(admin_publish(x->repo, 1, ADMIN_SUSPECT, name, vv_buf_span(&payload), err));
    x->s.packs_suspect += count;
    return VV_OK;
}

enum vv_rc
repair_suspects(struct repair *x, struct vv_error *err)
{
    struct pack_name *names = (struct pack_name *)(void *)x->bad.data;
    size_t count = x->bad.len / sizeof(*names);
    struct admin_records admin = {0};
    size_t kept = 0;
    enum vv_rc rc = VV_OK;

    if (count == 0) {
        return VV_OK;
    }
    VV_TRY(admin_records_read(x->repo, &admin, err));
    for (size_t i = 0; i < count; i++) {
        if (!is_suspect(&admin, &names[i])) {
            names[kept++] = names[i];
        }
    }
    admin_records_release(&admin);
    for (size_t at = 0; at < kept && rc == VV_OK; at += SUSPECTS_MAX) {
        size_t run = kept - at < SUSPECTS_MAX ? kept - at : SUSPECTS_MAX;
        rc = publish_suspects(x, &names[at], (uint32_t)run, err);
    }
    return rc;
}
