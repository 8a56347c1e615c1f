/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing the local form of the index: a table as it is, and what has come to it. */

#include <string.h>

#include "core/file.h"
#include "repo/index_table_internal.h"

/** What is behind the header, written piece by piece, each taken into the check as it goes out: so the file need
 *  not be read again. */
struct table_output {
    int fd;
    struct vv_buf buf;
    uint8_t chain[32];
    struct vv_error *err;
    enum vv_rc rc;
};

static void
write_out(struct table_output *o)
{
    if (o->rc == VV_OK) {
        o->rc = vv_buf_check(&o->buf, o->err);
    }
    if (o->rc == VV_OK && o->buf.len > 0) {
        table_chain_piece(o->chain, o->buf.data, o->buf.len);
        o->rc = vv_fd_write_full(o->fd, o->buf.data, o->buf.len, "index cache", o->err);
    }
    vv_buf_reset(&o->buf);
}

static void
out_put(struct table_output *o, const void *data, size_t len)
{
    const uint8_t *from = data;

    while (o->rc == VV_OK && len > 0) {
        size_t part = TABLE_PIECE - o->buf.len;
        part = len < part ? len : part;
        vv_buf_put(&o->buf, from, part);
        if (o->buf.failed || o->buf.len == TABLE_PIECE) {
            write_out(o);
        }
        from += part;
        len -= part;
    }
}

static void
merge_segments(struct table_output *o, const struct index_table *a, const struct index_table *b)
{
    uint64_t i = 0;
    uint64_t j = 0;

    while (i < a->segment_count || j < b->segment_count) {
        bool first = j == b->segment_count ||
                     (i < a->segment_count && memcmp(a->segments[i].b, b->segments[j].b, 32) <= 0);
        out_put(o, first ? &a->segments[i++] : &b->segments[j++], sizeof(struct vv_id));
    }
}

/** Records sorted by id. */
struct record_run {
    const struct table_record *records;
    uint64_t count;
};

/** The first record from ${at} on with a greater id: in strides that double, then by halves. */
static uint64_t
first_above(struct record_run a, uint64_t at, const struct vv_id *id)
{
    uint64_t low = at;
    uint64_t stride = 1;
    uint64_t high = at;

    while (high < a.count && memcmp(a.records[high].id.b, id->b, 32) <= 0) {
        low = high + 1;
        high = a.count - high > stride ? high + stride : a.count;
        stride *= 2;
    }
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (memcmp(a.records[middle].id.b, id->b, 32) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/** Records ${at} to ${until} as they are; those from ${*passed} on are let go of when they make a piece. */
static void
put_records(struct table_output *o, struct record_run a, uint64_t at, uint64_t until,
            uint64_t *passed)
{
    const uint64_t most = TABLE_PIECE / sizeof(*a.records);

    while (at < until) {
        uint64_t n = until - at < most ? until - at : most;
        out_put(o, &a.records[at], n * sizeof(*a.records));
        at += n;
        if (at - *passed >= most) {
            table_let_go(&a.records[*passed], (at - *passed) * sizeof(*a.records));
            *passed = at;
        }
    }
}

/** Merge two runs, of which ${b} is as a rule much the shorter one; its block numbers grow by ${shift}. */
static void
merge_records(struct table_output *o, struct record_run a, struct record_run b, uint64_t shift)
{
    uint64_t passed = 0;
    uint64_t i = 0;

    for (uint64_t j = 0; j < b.count; j++) {
        struct table_record record = b.records[j];
        uint64_t until = first_above(a, i, &record.id);
        put_records(o, a, i, until, &passed);
        i = until;
        record.block += (uint32_t)shift;
        out_put(o, &record, sizeof(record));
    }
    put_records(o, a, i, a.count, &passed);
}

static enum vv_rc
flush_output(struct table_output *o)
{
    write_out(o);
    vv_buf_release(&o->buf);
    return o->rc;
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
    memcpy(h.magic, TABLE_MAGIC, sizeof(h.magic));
    VV_TRY(vv_fd_write_full(fd, &h, sizeof(h), "index cache", err));
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
    memcpy(h.check, o.chain, sizeof(h.check));
    return vv_fd_pwrite_full(fd, &h, sizeof(h), 0, "index cache", err);
}
