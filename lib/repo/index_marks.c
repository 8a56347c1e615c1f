/* SPDX-License-Identifier: BSD-2-Clause */
/* Which chunks and blocks of the index are live. */
#include "repo/index_marks.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/alloc.h"
#include "repo/chunk_index_internal.h"
#include "repo/pack_reader.h"

#define PASSED_BYTES (8u << 20) /* of the mapped file, then let go of */

struct index_marks {
    struct chunk_index *index;
    struct index_view view;      /* keeps the index' table */
    struct index_table combined; /* with the packs no segment names; mapped, or empty */
    const struct index_table *t; /* one of both */
    uint64_t indexed_packs;      /* of t: those before are in a segment */
    uint64_t *bits;              /* by record */
    uint32_t *block_live;        /* plaintext bytes counted, by block */
    uint32_t *block_chunks;      /* chunks counted, by block */
    uint64_t *first_block;       /* by pack, and one more */
};

/** The directories of listed packs the table does not name. */
static enum vv_rc
collect_unindexed(struct index_marks *m, const struct pack_list *listed, struct table_builder *b,
                  struct vv_error *err)
{
    VV_CLEANUP(vv_freep) bool *known = vv_alloc_array(listed->count + 1, sizeof(*known));
    VV_CLEANUP(pack_reader_freep) struct pack_reader *reader = NULL;
    const struct index_table *t = &m->view.table->t;
    struct pack_keys *keys = NULL;
    enum vv_rc rc = VV_OK;

    if (known == NULL) {
        return vv_error_nomem(err);
    }
    for (uint64_t i = 0; i < t->pack_count; i++) {
        known[pack_list_find(listed, &t->packs[i].name)] = true;
    }
    for (size_t i = 0; i < listed->count && rc == VV_OK; i++) {
        if (known[i]) {
            continue;
        }
        if (keys == NULL) {
            rc = pack_keys_new(m->index->repo, &keys, err);
        }
        if (rc == VV_OK && reader == NULL) {
            rc = pack_reader_new(keys, &reader, err);
        }
        if (rc == VV_OK) {
            rc = index_add_orphan(reader, &listed->items[i].name, listed->items[i].size, b, err);
        }
    }
    pack_reader_free(TAKE(reader)); /* before its keys */
    pack_keys_free(keys);
    return rc;
}

/** One table of both. */
static enum vv_rc
combine(struct index_marks *m, struct table_builder *b, struct vv_error *err)
{
    struct index_table more;

    table_builder_sort(b);
    table_builder_view(b, &more);
    m->t = &m->combined;
    return table_store(m->index->repo, false, &m->view.table->t, &more, &m->combined, err);
}

/** Blocks of one pack lie side by side, in the order of packs. */
static enum vv_rc
find_blocks(struct index_marks *m, struct vv_error *err)
{
    const struct index_table *t = m->t;
    uint64_t block = 0;

    m->first_block = vv_alloc_array(t->pack_count + 1, sizeof(*m->first_block));
    if (m->first_block == NULL) {
        return vv_error_nomem(err);
    }
    for (uint64_t pack = 0; pack <= t->pack_count; pack++) {
        while (block < t->block_count && t->blocks[block].pack < pack) {
            block++;
        }
        m->first_block[pack] = block;
    }
    return block == t->block_count
               ? VV_OK
               : vv_error_set(err, VV_ECORRUPT, "the local form of the index is damaged");
}

enum vv_rc
index_marks_open(struct chunk_index *x, const struct pack_list *listed, struct index_marks **ret,
                 struct vv_error *err)
{
    VV_CLEANUP(index_marks_freep) struct index_marks *m = vv_alloc_array(1, sizeof(*m));
    struct table_builder more = {0};
    enum vv_rc rc;

    if (m == NULL) {
        return vv_error_nomem(err);
    }
    m->index = x;
    VV_TRY(index_view_open(x, &m->view, err));
    m->t = &m->view.table->t;
    m->indexed_packs = m->t->pack_count;
    rc = collect_unindexed(m, listed, &more, err);
    if (rc == VV_OK && more.packs.len > 0) {
        rc = combine(m, &more, err);
    }
    table_builder_release(&more);
    VV_TRY(rc);
    VV_TRY(find_blocks(m, err));
    m->bits = vv_alloc_array(m->t->record_count / 64 + 1, sizeof(*m->bits));
    m->block_live = vv_alloc_array(m->t->block_count + 1, sizeof(*m->block_live));
    m->block_chunks = vv_alloc_array(m->t->block_count + 1, sizeof(*m->block_chunks));
    if (m->bits == NULL || m->block_live == NULL || m->block_chunks == NULL) {
        return vv_error_nomem(err);
    }
    *ret = TAKE(m);
    return VV_OK;
}

void
index_marks_free(struct index_marks *m)
{
    if (m == NULL) {
        return;
    }
    table_unmap(&m->combined);
    if (m->view.table != NULL) {
        index_view_close(m->index, &m->view);
    }
    vv_free(m->bits);
    vv_free(m->block_live);
    vv_free(m->block_chunks);
    vv_free(m->first_block);
    vv_free(m);
}

uint32_t
index_marks_packs(const struct index_marks *m)
{
    return (uint32_t)m->t->pack_count;
}

void
index_marks_pack(const struct index_marks *m, uint32_t number, struct marked_pack *ret)
{
    const struct table_pack *p = &m->t->packs[number];

    *ret = (struct marked_pack){.name = p->name,
                                .client = p->client,
                                .file_size = p->file_size,
                                .class = p->class,
                                .indexed = number < m->indexed_packs};
}

/* --- marking ---------------------------------------------------------------------------------- */

static bool
bit(const struct index_marks *m, uint64_t record)
{
    return (m->bits[record / 64] >> (record % 64) & 1) != 0;
}

/** Mark the records from..to of one chunk and count it in the best place; false: it has none. */
static bool
mark_chunk(struct index_marks *m, uint64_t from, uint64_t to, const uint8_t *standing)
{
    const struct table_record *best = NULL;
    uint8_t best_standing = PACK_ABSENT;

    for (uint64_t i = from; i < to; i++) {
        const struct table_record *record = &m->t->records[i];
        const struct table_pack *pack = table_pack_of(m->t, record);
        m->bits[i / 64] |= 1ull << (i % 64);
        if (pack != NULL && standing[pack - m->t->packs] > best_standing) {
            best = record;
            best_standing = standing[pack - m->t->packs];
        }
    }
    if (best == NULL) {
        return false;
    }
    m->block_live[best->block] += best->len;
    m->block_chunks[best->block]++;
    return true;
}

struct marking {
    struct index_marks *m;
    const uint8_t *standing;
    uint64_t at; /* the first record that was not passed */
    uint64_t let_go;
    uint64_t missing;
};

/** Live chunks and records are both in the order of ids. */
static enum vv_rc
mark_next(void *ctx, const struct live_key *key, struct vv_error *err)
{
    struct marking *k = ctx;
    const struct index_table *t = k->m->t;
    uint64_t from;

    (void)err;
    for (; k->at < t->record_count; k->at++) {
        struct live_key found = live_key_of(&t->records[k->at].id);
        if (live_key_compare(&found, key) >= 0) {
            break;
        }
    }
    from = k->at;
    for (; k->at < t->record_count; k->at++) {
        struct live_key found = live_key_of(&t->records[k->at].id);
        if (live_key_compare(&found, key) != 0) {
            break;
        }
    }
    if (!mark_chunk(k->m, from, k->at, k->standing)) {
        k->missing++;
    }
    if ((k->at - k->let_go) * sizeof(*t->records) >= PASSED_BYTES) {
        table_let_go(&t->records[k->let_go], (k->at - k->let_go) * sizeof(*t->records));
        k->let_go = k->at;
    }
    return VV_OK;
}

enum vv_rc
index_marks_apply(struct index_marks *m, struct live_chunks *live, const uint8_t *standing,
                  uint64_t *ret_missing, struct vv_error *err)
{
    struct marking k = {.m = m, .standing = standing};

    memset(m->bits, 0, (m->t->record_count / 64 + 1) * sizeof(*m->bits));
    memset(m->block_live, 0, (m->t->block_count + 1) * sizeof(*m->block_live));
    memset(m->block_chunks, 0, (m->t->block_count + 1) * sizeof(*m->block_chunks));
    if (m->t->map != NULL) {
        (void)madvise(m->t->map, m->t->map_len, MADV_SEQUENTIAL);
    }
    VV_TRY(live_chunks_each(live, mark_next, &k, err));
    if (m->t->map != NULL) {
        (void)madvise(m->t->map, m->t->map_len, MADV_RANDOM);
    }
    index_marks_trim(m);
    *ret_missing = k.missing;
    return VV_OK;
}

/** The records of one chunk; false if there is none. */
static bool
find_records(const struct index_marks *m, const struct vv_id *id, uint64_t *ret_from,
             uint64_t *ret_to)
{
    uint64_t from = table_find(m->t, id);
    uint64_t to = from;

    while (to < m->t->record_count && vv_id_equal(&m->t->records[to].id, id)) {
        to++;
    }
    *ret_from = from;
    *ret_to = to;
    return from < to;
}

void
index_marks_add(struct index_marks *m, const struct vv_id *id, const uint8_t *standing)
{
    uint64_t from;
    uint64_t to;

    if (find_records(m, id, &from, &to) && !bit(m, from)) {
        (void)mark_chunk(m, from, to, standing);
    }
}

void
index_marks_usage(const struct index_marks *m, uint32_t number, double moved_dead,
                  struct pack_usage *ret)
{
    struct pack_usage u = {0};

    for (uint64_t i = m->first_block[number]; i < m->first_block[number + 1]; i++) {
        const struct table_block *block = &m->t->blocks[i];
        uint64_t live = m->block_live[i] < block->plain_len ? m->block_live[i] : block->plain_len;
        u.blocks += block->stored_len;
        if (m->block_chunks[i] == 0) {
            continue;
        }
        u.live_chunks += m->block_chunks[i];
        u.chunks_live_bytes += live;
        u.stays += block_moves(block->plain_len, live, moved_dead)
                       ? block->stored_len
                       : block->stored_len * live / block->plain_len;
    }
    *ret = u;
}

bool
index_marks_live(const struct index_marks *m, const struct vv_id *id)
{
    uint64_t from;
    uint64_t to;

    return find_records(m, id, &from, &to) && bit(m, from);
}

bool
index_marks_place(const struct index_marks *m, enum chunk_type type, const struct vv_id *id,
                  uint32_t nth, struct chunk_location *ret, uint32_t *ret_pack)
{
    uint64_t from;
    uint64_t to;

    if (!find_records(m, id, &from, &to)) {
        return false;
    }
    for (uint64_t i = from; i < to; i++) {
        const struct table_record *record = &m->t->records[i];
        const struct table_pack *pack = table_pack_of(m->t, record);
        if (pack == NULL || record->type != type || nth-- > 0) {
            continue;
        }
        table_location(m->t, record, ret);
        *ret_pack = (uint32_t)(pack - m->t->packs);
        return true;
    }
    return false;
}

static int
compare_places(const void *a, const void *b)
{
    const struct table_record *x = a;
    const struct table_record *y = b;

    if (x->block != y->block) {
        return x->block < y->block ? -1 : 1;
    }
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/** All records of the blocks ${from} to ${to}, in their order. */
static enum vv_rc
records_of(const struct index_marks *m, uint64_t from, uint64_t to, struct vv_buf *out,
           struct vv_error *err)
{
    for (uint64_t i = 0; i < m->t->record_count; i++) {
        if (m->t->records[i].block >= from && m->t->records[i].block < to) {
            vv_buf_put(out, &m->t->records[i], sizeof(m->t->records[i]));
        }
    }
    VV_TRY(vv_buf_check(out, err));
    if (out->len > 0) {
        qsort(out->data, out->len / sizeof(struct table_record), sizeof(struct table_record),
              compare_places);
    }
    index_marks_trim(m);
    return VV_OK;
}

/** A directory of the blocks from ${from} on, out of their sorted records. */
static enum vv_rc
build_directory(const struct index_marks *m, uint64_t from, uint64_t to,
                const struct vv_buf *records, struct pack_directory *d, struct vv_error *err)
{
    const struct table_record *r = (const void *)records->data;
    size_t count = records->len / sizeof(*r);
    size_t at = 0;

    d->blocks = vv_alloc_array((size_t)(to - from) + 1, sizeof(*d->blocks));
    d->chunks = vv_alloc_array(count + 1, sizeof(*d->chunks));
    if (d->blocks == NULL || d->chunks == NULL) {
        return vv_error_nomem(err);
    }
    for (uint64_t i = from; i < to; i++) {
        const struct table_block *b = &m->t->blocks[i];
        struct pack_block *block = &d->blocks[d->block_count++];
        *block = (struct pack_block){.kind = b->kind,
                                     .flags = b->flags,
                                     .offset = b->offset,
                                     .stored_len = b->stored_len,
                                     .plain_len = b->plain_len,
                                     .first_chunk = d->chunk_count};
        for (; at < count && r[at].block == i; at++) {
            d->chunks[d->chunk_count++] =
                (struct pack_chunk){.id = r[at].id, .len = r[at].len, .type = r[at].type};
            block->chunk_count++;
        }
    }
    return VV_OK;
}

enum vv_rc
index_marks_directory(const struct index_marks *m, const struct pack_name *name,
                      struct pack_directory *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf records = {0};
    struct pack_directory d = {0};
    enum vv_rc rc = VV_OK;

    for (uint64_t i = 0; i < m->t->pack_count && d.blocks == NULL && rc == VV_OK; i++) {
        uint64_t from = m->first_block[i];
        uint64_t to = m->first_block[i + 1];
        if (pack_name_compare(&m->t->packs[i].name, name) == 0) {
            rc = records_of(m, from, to, &records, err);
            if (rc == VV_OK) {
                rc = build_directory(m, from, to, &records, &d, err);
            }
        }
    }
    if (rc != VV_OK) {
        pack_directory_release(&d);
        return rc;
    }
    *ret = d;
    return VV_OK;
}

void
index_marks_trim(const struct index_marks *m)
{
    if (m->t->map != NULL) {
        (void)madvise(m->t->map, m->t->map_len, MADV_DONTNEED);
    }
}
