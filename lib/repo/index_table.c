/* SPDX-License-Identifier: BSD-2-Clause */
/* The local, sorted, mapped form of the index. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "core/file.h"
#include "repo/index_table_internal.h"

_Static_assert(sizeof(struct table_header) == 64, "no padding");
_Static_assert(sizeof(struct table_pack) == 80, "no padding");
_Static_assert(sizeof(struct table_block) == 24, "no padding");
_Static_assert(sizeof(struct table_record) == 48, "no padding");

void
table_builder_release(struct table_builder *b)
{
    vv_buf_release(&b->segments);
    vv_buf_release(&b->packs);
    vv_buf_release(&b->blocks);
    vv_buf_release(&b->records);
    vv_buf_release(&b->metadata);
}

enum vv_rc
table_builder_add(struct table_builder *b, const struct table_pack *pack,
                  const struct pack_directory *directory, struct vv_error *err)
{
    uint32_t pack_number = (uint32_t)(b->packs.len / sizeof(*pack));

    vv_buf_put(&b->packs, pack, sizeof(*pack));
    for (uint32_t i = 0; i < directory->block_count; i++) {
        const struct pack_block *from = &directory->blocks[i];
        struct table_block block = {.pack = pack_number,
                                    .number = i,
                                    .offset = from->offset,
                                    .stored_len = from->stored_len,
                                    .plain_len = from->plain_len,
                                    .kind = from->kind,
                                    .flags = from->flags};
        uint32_t block_number = (uint32_t)(b->blocks.len / sizeof(block));
        uint32_t offset = 0;
        vv_buf_put(&b->blocks, &block, sizeof(block));
        for (uint32_t j = 0; j < from->chunk_count; j++) {
            const struct pack_chunk *chunk = &directory->chunks[from->first_chunk + j];
            struct table_record record = {.id = chunk->id,
                                          .block = block_number,
                                          .offset = offset,
                                          .len = chunk->len,
                                          .type = chunk->type};
            vv_buf_put(&b->records, &record, sizeof(record));
            if (chunk->type != CHUNK_DATA) {
                vv_buf_put(&b->metadata, &record, sizeof(record));
            }
            offset += chunk->len;
        }
    }
    VV_TRY(vv_buf_check(&b->packs, err));
    VV_TRY(vv_buf_check(&b->blocks, err));
    VV_TRY(vv_buf_check(&b->metadata, err));
    return vv_buf_check(&b->records, err);
}

static int
compare_records(const void *a, const void *b)
{
    const struct table_record *x = a;
    const struct table_record *y = b;
    int c = memcmp(x->id.b, y->id.b, sizeof(x->id.b));

    return c != 0 ? c : x->block < y->block ? -1 : x->block > y->block;
}

static int
compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct vv_id));
}

static void
sort_records(struct vv_buf *records)
{
    if (records->len > 0) {
        qsort(records->data, records->len / sizeof(struct table_record),
              sizeof(struct table_record), compare_records);
    }
}

void
table_builder_sort(struct table_builder *b)
{
    sort_records(&b->records);
    sort_records(&b->metadata);
    if (b->segments.len > 0) {
        qsort(b->segments.data, b->segments.len / sizeof(struct vv_id), sizeof(struct vv_id),
              compare_ids);
    }
}

void
table_builder_view(const struct table_builder *b, struct index_table *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->segments = (const void *)b->segments.data;
    ret->packs = (const void *)b->packs.data;
    ret->blocks = (const void *)b->blocks.data;
    ret->records = (const void *)b->records.data;
    ret->metadata = (const void *)b->metadata.data;
    ret->segment_count = b->segments.len / sizeof(struct vv_id);
    ret->pack_count = b->packs.len / sizeof(struct table_pack);
    ret->block_count = b->blocks.len / sizeof(struct table_block);
    ret->record_count = b->records.len / sizeof(struct table_record);
    ret->metadata_count = b->metadata.len / sizeof(struct table_record);
}

#define PAGE_BYTES 4096u

void
table_let_go(const void *from, size_t len)
{
    uintptr_t start = ((uintptr_t)from + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    uintptr_t end = ((uintptr_t)from + len) / PAGE_BYTES * PAGE_BYTES;

    if (end > start) {
        (void)madvise((void *)start, end - start, MADV_DONTNEED);
    }
}

void
table_chain_piece(uint8_t chain[32], const void *piece, size_t len)
{
    vv_hash128(piece, len, chain + 16);
    vv_hash128(chain, 32, chain);
}

/** The check of a mapped table file, of which each piece is let go of when it has been looked at, so that
 *  a large index does not fill memory. */
static void
check_pieces(const uint8_t *map, size_t len, uint8_t out[16])
{
    uint8_t chain[32] = {0};

    for (size_t at = sizeof(struct table_header); at < len;) {
        size_t piece = len - at < TABLE_PIECE ? len - at : TABLE_PIECE;
        table_chain_piece(chain, map + at, piece);
        table_let_go(map + at, piece);
        at += piece;
    }
    memcpy(out, chain, 16);
}

static bool
check_fits(const uint8_t *map, size_t len, const struct table_header *h)
{
    uint8_t expected[16];
    uint8_t check[16] = {0};

    memcpy(expected, h->check, sizeof(expected));
    if (len > sizeof(*h)) {
        check_pieces(map, len, check);
    }
    return memcmp(check, expected, sizeof(check)) == 0;
}

enum vv_rc
table_map_written(int fd, struct index_table *ret, struct vv_error *err)
{
    struct index_table t = {0};
    const struct table_header *h;
    uint64_t want = 0;
    struct stat st;

    if (fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof(*h)) {
        return vv_error_set(err, VV_ECORRUPT, "index cache too short");
    }
    t.map_len = (size_t)st.st_size;
    t.map = mmap(NULL, t.map_len, PROT_READ, MAP_SHARED, fd, 0);
    if (t.map == MAP_FAILED) {
        return vv_error_sys(err, errno, "cannot map the index cache");
    }
    h = t.map;
    t.segment_count = h->segments;
    t.pack_count = h->packs;
    t.block_count = h->blocks;
    t.record_count = h->records;
    t.metadata_count = h->metadata;
    if (memcmp(h->magic, TABLE_MAGIC, sizeof(h->magic)) == 0 && h->segments < (1u << 30) &&
        h->packs <= UINT32_MAX && h->blocks <= UINT32_MAX && h->records < (1ull << 40) &&
        h->metadata <= h->records) {
        want = sizeof(*h) + h->segments * 32 + h->packs * sizeof(*t.packs) +
               h->blocks * sizeof(*t.blocks) + (h->records + h->metadata) * sizeof(*t.records);
    }
    t.segments = (const void *)((const uint8_t *)t.map + sizeof(*h));
    t.packs = (const void *)(t.segments + t.segment_count);
    t.blocks = (const void *)(t.packs + t.pack_count);
    t.records = (const void *)(t.blocks + t.block_count);
    t.metadata = t.records + t.record_count;
    if (want != t.map_len) {
        table_unmap(&t);
        return vv_error_set(err, VV_ECORRUPT, "index cache damaged");
    }
    (void)madvise(t.map, t.map_len, MADV_RANDOM);
    *ret = t;
    return VV_OK;
}

enum vv_rc
table_map(int fd, struct index_table *ret, struct vv_error *err)
{
    struct index_table t = {0};

    VV_TRY(table_map_written(fd, &t, err));
    if (!check_fits(t.map, t.map_len, t.map)) {
        table_unmap(&t);
        return vv_error_set(err, VV_ECORRUPT, "index cache damaged");
    }
    *ret = t;
    return VV_OK;
}

void
table_unmap(struct index_table *t)
{
    if (t->map != NULL) {
        (void)munmap(t->map, t->map_len);
    }
    memset(t, 0, sizeof(*t));
}

static uint64_t
id_prefix(const struct vv_id *id)
{
    return (uint64_t)id->b[0] << 56 | (uint64_t)id->b[1] << 48 | (uint64_t)id->b[2] << 40 |
           (uint64_t)id->b[3] << 32 | (uint64_t)id->b[4] << 24 | (uint64_t)id->b[5] << 16 |
           (uint64_t)id->b[6] << 8 | id->b[7];
}

const struct table_pack *
table_pack_of(const struct index_table *t, const struct table_record *record)
{
    uint32_t pack;

    if (record->block >= t->block_count) {
        return NULL;
    }
    pack = t->blocks[record->block].pack;
    return pack < t->pack_count ? &t->packs[pack] : NULL;
}

void
table_location(const struct index_table *t, const struct table_record *record,
               struct chunk_location *ret)
{
    const struct table_block *block = &t->blocks[record->block];
    const struct table_pack *pack = &t->packs[block->pack];

    *ret = (struct chunk_location){.pack = pack->name,
                                   .pack_size = pack->file_size,
                                   .block_number = block->number,
                                   .block_offset = block->offset,
                                   .block_stored = block->stored_len,
                                   .block_plain = block->plain_len,
                                   .block_flags = block->flags,
                                   .block_kind = block->kind,
                                   .chunk_type = record->type,
                                   .chunk_offset = record->offset,
                                   .chunk_len = record->len};
}

/** Where ids are spread evenly, the place is nearly known: a few interpolation steps, then
 * halving. */
static uint64_t
find_first(const struct table_record *records, uint64_t count, const struct vv_id *id)
{
    uint64_t low = 0;
    uint64_t high = count; /* first record >= id lies in [low, high] */
    uint64_t want = id_prefix(id);

    for (int step = 0; step < 6 && high - low > 32; step++) {
        uint64_t first = id_prefix(&records[low].id);
        uint64_t last = id_prefix(&records[high - 1].id);
        uint64_t guess;
        uint64_t reach;
        if (want <= first || want >= last || last == first) {
            break;
        }
        guess = low + (uint64_t)((__uint128_t)(want - first) * (high - 1 - low) / (last - first));
        reach = 8 + (high - low) / 64;
        if (memcmp(records[guess].id.b, id->b, 32) < 0) {
            low = guess + 1;
            if (guess + reach < high && memcmp(records[guess + reach].id.b, id->b, 32) >= 0) {
                high = guess + reach;
            }
        } else {
            high = guess;
            if (guess > low + reach && memcmp(records[guess - reach].id.b, id->b, 32) < 0) {
                low = guess - reach + 1;
            }
        }
    }
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (memcmp(records[middle].id.b, id->b, 32) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && vv_id_equal(&records[low].id, id) ? low : count;
}

uint64_t
table_find(const struct index_table *t, const struct vv_id *id)
{
    return find_first(t->records, t->record_count, id);
}

const struct table_record *
table_records_of(const struct index_table *t, enum chunk_type type, const struct vv_id *id,
                 uint64_t *ret_count)
{
    const struct table_record *records = type == CHUNK_DATA ? t->records : t->metadata;
    uint64_t count = type == CHUNK_DATA ? t->record_count : t->metadata_count;
    uint64_t from = find_first(records, count, id);
    uint64_t to = from;

    while (to < count && vv_id_equal(&records[to].id, id)) {
        to++;
    }
    *ret_count = to - from;
    return records != NULL ? records + from : NULL;
}
