/* SPDX-License-Identifier: BSD-2-Clause */
/* Index segments: a list of records, each about one pack and movable without a key. */
#include "format/index.h"

#include "format/envelope.h"
#include "format/format_internal.h"
#include "format/pack.h"

#define RECORD_FIXED (48u + 16u + 4u + FORMAT_SIGNATURE_LEN)
#define BODY_FIXED (8u + 1u + 4u)
#define BODY_UNIT 1024u
#define SIGNED_LABEL "varve index record"

void
index_record_append(const struct index_record *r, struct vv_buf *out)
{
    if (r->body.len > LIMIT_INDEX_SEGMENT || r->signature.len != FORMAT_SIGNATURE_LEN) {
        out->failed = true; /* would yield a segment that cannot be read */
        return;
    }
    vv_buf_put(out, r->name.hash.b, sizeof(r->name.hash.b));
    vv_buf_put(out, r->name.suffix.b, sizeof(r->name.suffix.b));
    vv_buf_put(out, r->client.b, sizeof(r->client.b));
    vv_buf_put_u32(out, (uint32_t)r->body.len);
    vv_buf_put(out, r->body.data, r->body.len);
    vv_buf_put(out, r->signature.data, r->signature.len);
}

bool
index_segment_next(struct index_iter *it, struct index_record *ret)
{
    if (it->left == 0 || it->in.failed) {
        return false;
    }
    struct index_record record;
    vv_get_copy(&it->in, record.name.hash.b, sizeof(record.name.hash.b));
    vv_get_copy(&it->in, record.name.suffix.b, sizeof(record.name.suffix.b));
    vv_get_copy(&it->in, record.client.b, sizeof(record.client.b));
    uint32_t len = vv_get_u32(&it->in);
    record.body = vv_get_bytes(&it->in, len, 1);
    record.signature = vv_get_bytes(&it->in, FORMAT_SIGNATURE_LEN, 1);
    if (len < ENVELOPE_OVERHEAD) {
        it->in.failed = true;
    }
    if (it->in.failed) {
        return false;
    }
    it->left--;
    *ret = record;
    return true;
}

bool
index_segment_ok(const struct index_iter *it)
{
    return it->left == 0 && vv_reader_done(&it->in);
}

uint64_t
index_record_size(const struct pack_directory *d)
{
    uint64_t plain = BODY_FIXED + PACK_DIRECTORY_FIXED +
                     (uint64_t)d->block_count * PACK_DIRECTORY_BLOCK +
                     (uint64_t)d->chunk_count * PACK_DIRECTORY_CHUNK;

    plain = (plain + BODY_UNIT - 1) / BODY_UNIT * BODY_UNIT;
    return RECORD_FIXED + ENVELOPE_OVERHEAD + plain;
}

enum vv_rc
index_segment_encode(const struct vv_uuid *repo, uint32_t count, struct vv_span records,
                     struct vv_buf *out, struct vv_error *err)
{
    struct index_iter it = {.in = vv_reader(records.data, records.len), .left = count};
    struct index_record record;
    while (index_segment_next(&it, &record)) {
    }
    if (!index_segment_ok(&it)) {
        return vv_error_set(err, VV_EUSAGE, "index segment: these are not %u records", count);
    }
    size_t total = FORMAT_HEADER_LEN + 4 + records.len + FORMAT_TRAILER_LEN;
    if (total > LIMIT_INDEX_SEGMENT) {
        return vv_error_set(err, VV_ELIMIT, "index segment: %zu bytes are too many", total);
    }
    VV_TRY(vv_buf_reserve(out, total, err));
    container_begin(out, FORMAT_INDEX, repo);
    vv_buf_put_u32(out, count);
    vv_buf_put(out, records.data, records.len);
    return container_finish(out, err);
}

enum vv_rc
index_segment_open(struct vv_span object, const struct vv_uuid *repo, struct index_iter *ret,
                   struct vv_error *err)
{
    if (object.len > LIMIT_INDEX_SEGMENT) {
        return vv_error_set(err, VV_ECORRUPT, "index segment: too large (%zu bytes)", object.len);
    }
    struct index_iter it;
    VV_TRY(container_open(object, FORMAT_INDEX, repo, &it.in, err));
    it.left = vv_get_u32(&it.in);
    if (it.in.failed || it.left > vv_reader_left(&it.in) / (RECORD_FIXED + ENVELOPE_OVERHEAD)) {
        return vv_error_set(err, VV_ECORRUPT, "index segment: impossible count");
    }
    *ret = it;
    return VV_OK;
}

void
index_record_signed(const struct index_record *r, const struct vv_uuid *repo, struct vv_buf *out)
{
    vv_buf_put_text(out, SIGNED_LABEL);
    vv_buf_put(out, repo->b, sizeof(repo->b));
    vv_buf_put(out, r->name.hash.b, sizeof(r->name.hash.b));
    vv_buf_put(out, r->client.b, sizeof(r->client.b));
    vv_buf_put(out, r->body.data, r->body.len);
}

enum vv_rc
index_body_encode(const struct index_body *b, struct vv_buf *out, struct vv_error *err)
{
    if (b->directory.len > LIMIT_INDEX_SEGMENT || b->file_size > LIMIT_PACK ||
        b->pack_class < PACK_METADATA || b->pack_class > PACK_LOG) {
        return vv_error_set(err, VV_EUSAGE, "index record: impossible content");
    }
    size_t len = BODY_FIXED + b->directory.len;
    size_t padding = (BODY_UNIT - len % BODY_UNIT) % BODY_UNIT;
    VV_TRY(vv_buf_reserve(out, len + padding, err));
    vv_buf_put_u64(out, b->file_size);
    vv_buf_put_u8(out, b->pack_class);
    vv_buf_put_u32(out, (uint32_t)b->directory.len);
    vv_buf_put(out, b->directory.data, b->directory.len);
    vv_buf_put_zeros(out, padding);
    return vv_buf_check(out, err);
}

enum vv_rc
index_body_decode(struct vv_span plain, struct index_body *ret, struct vv_error *err)
{
    struct vv_reader r = vv_reader(plain.data, plain.len);
    struct index_body b;
    b.file_size = vv_get_u64(&r);
    b.pack_class = vv_get_u8(&r);
    uint32_t len = vv_get_u32(&r);
    b.directory = vv_get_bytes(&r, len, 1);
    size_t padding = vv_reader_left(&r);
    vv_get_zeros(&r, padding);
    if (!vv_reader_done(&r) || padding >= BODY_UNIT || plain.len % BODY_UNIT != 0 ||
        b.file_size > LIMIT_PACK) {
        return vv_error_set(err, VV_ECORRUPT, "index record: impossible length or padding");
    }
    if (b.pack_class < PACK_METADATA || b.pack_class > PACK_LOG) {
        return vv_error_set(err, VV_EUNSUPPORTED, "index record: unknown pack class %u",
                            b.pack_class);
    }
    *ret = b;
    return VV_OK;
}
