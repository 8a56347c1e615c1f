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

static const char table_magic[8] = "vvindex2";

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

/** Buffered output with a running place. */
struct table_output {
    int fd;
    struct vv_buf buf;
    struct vv_error *err;
    enum vv_rc rc;
};
#define OUTPUT_BYTES (1u << 20)
#define CHECK_PIECE (4u << 20)
#define PAGE_BYTES 4096u

static void
write_out(struct table_output *o)
{
    if (o->rc == VV_OK) {
        o->rc = vv_buf_check(&o->buf, o->err);
    }
    if (o->rc == VV_OK) {
        o->rc = vv_fd_write_full(o->fd, o->buf.data, o->buf.len, "index cache", o->err);
    }
    vv_buf_reset(&o->buf);
}

static void
out_put(struct table_output *o, const void *data, size_t len)
{
    if (o->rc != VV_OK) {
        return;
    }
    if (o->buf.len + len > OUTPUT_BYTES) {
        write_out(o);
    }
    if (o->rc == VV_OK && len > OUTPUT_BYTES) { /* whole arrays are not copied */
        o->rc = vv_fd_write_full(o->fd, data, len, "index cache", o->err);
    } else {
        vv_buf_put(&o->buf, data, len);
    }
}

static void
merge_segments(struct table_output *o, const struct index_table *a, const struct index_table *b)
{
    uint64_t i = 0;
    uint64_t j = 0;

    while (i < a->segment_count || j < b->segment_count) {
        bool first = j == b->segment_count ||
                     (i < a->segment_count && compare_ids(&a->segments[i], &b->segments[j]) <= 0);
        out_put(o, first ? &a->segments[i++] : &b->segments[j++], sizeof(struct vv_id));
    }
}

void
table_let_go(const void *from, size_t len)
{
    uintptr_t start = ((uintptr_t)from + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    uintptr_t end = ((uintptr_t)from + len) / PAGE_BYTES * PAGE_BYTES;

    if (end > start) {
        (void)madvise((void *)start, end - start, MADV_DONTNEED);
    }
}

/** Records sorted by id. */
struct record_run {
    const struct table_record *records;
    uint64_t count;
};

/** Merge two runs; the block numbers of ${b} grow by ${shift}. */
static void
merge_records(struct table_output *o, struct record_run a, struct record_run b, uint64_t shift)
{
    uint64_t i = 0;
    uint64_t j = 0;
    uint64_t passed = 0;

    while (i < a.count || j < b.count) {
        bool first =
            j == b.count || (i < a.count && memcmp(a.records[i].id.b, b.records[j].id.b, 32) <= 0);
        struct table_record record = first ? a.records[i++] : b.records[j++];
        if (!first) {
            record.block += (uint32_t)shift;
        }
        out_put(o, &record, sizeof(record));
        if (i - passed >= CHECK_PIECE / sizeof(record)) {
            table_let_go(&a.records[passed], (i - passed) * sizeof(record));
            passed = i;
        }
    }
}

static enum vv_rc
flush_output(struct table_output *o)
{
    write_out(o);
    vv_buf_release(&o->buf);
    return o->rc;
}

/** The check of a mapped table file: of pieces, each let go of when it has been looked at, so that
 *  a large index does not fill memory. */
static void
check_pieces(const uint8_t *map, size_t len, uint8_t out[16])
{
    uint8_t chain[32] = {0}; /* the check so far, the next piece's */

    for (size_t at = sizeof(struct table_header); at < len;) {
        size_t piece = len - at < CHECK_PIECE ? len - at : CHECK_PIECE;
        vv_hash128(map + at, piece, chain + 16);
        vv_hash128(chain, sizeof(chain), chain);
        table_let_go(map + at, piece);
        at += piece;
    }
    memcpy(out, chain, 16);
}

/** Put the checksum into the header of a written file. */
static enum vv_rc
seal_file(int fd, struct table_header *h, struct vv_error *err)
{
    struct stat st;
    size_t len;
    uint8_t *map;

    if (fstat(fd, &st) != 0) {
        return vv_error_sys(err, errno, "cannot look at the index cache");
    }
    len = (size_t)st.st_size;
    if (len > sizeof(*h)) {
        map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) {
            return vv_error_sys(err, errno, "cannot map the index cache");
        }
        check_pieces(map, len, h->check);
        (void)munmap(map, len);
    }
    return vv_fd_pwrite_full(fd, h, sizeof(*h), 0, "index cache", err);
}

enum vv_rc
table_merge(const struct index_table *old, const struct index_table *new, int fd,
            struct vv_error *err)
{
    static const struct index_table none;
    const struct index_table *a = old != NULL ? old : &none;
    struct table_header h = {.segments = a->segment_count + new->segment_count,
                             .packs = a->pack_count + new->pack_count,
                             .blocks = a->block_count + new->block_count,
                             .records = a->record_count + new->record_count,
                             .metadata = a->metadata_count + new->metadata_count};
    struct table_output o = {.fd = fd, .err = err};

    if (h.packs > UINT32_MAX || h.blocks > UINT32_MAX) {
        return vv_error_set(err, VV_ELIMIT, "the index names too many packs");
    }
    memcpy(h.magic, table_magic, sizeof(h.magic));
    out_put(&o, &h, sizeof(h));
    merge_segments(&o, a, new);
    out_put(&o, a->packs, a->pack_count * sizeof(*a->packs));
    out_put(&o, new->packs, new->pack_count * sizeof(*new->packs));
    out_put(&o, a->blocks, a->block_count * sizeof(*a->blocks));
    for (uint64_t i = 0; i < new->block_count; i++) {
        struct table_block block = new->blocks[i];
        block.pack += (uint32_t)a->pack_count;
        out_put(&o, &block, sizeof(block));
    }
    merge_records(&o, (struct record_run){a->records, a->record_count},
                  (struct record_run){new->records, new->record_count}, a->block_count);
    merge_records(&o, (struct record_run){a->metadata, a->metadata_count},
                  (struct record_run){new->metadata, new->metadata_count}, a->block_count);
    VV_TRY(flush_output(&o));
    return seal_file(fd, &h, err);
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
table_map(int fd, struct index_table *ret, struct vv_error *err)
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
    if (memcmp(h->magic, table_magic, sizeof(h->magic)) == 0 && h->segments < (1u << 30) &&
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
    if (want != t.map_len || !check_fits(t.map, t.map_len, h)) {
        table_unmap(&t);
        return vv_error_set(err, VV_ECORRUPT, "index cache damaged");
    }
    (void)madvise(t.map, t.map_len, MADV_RANDOM);
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
