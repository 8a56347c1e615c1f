/* SPDX-License-Identifier: BSD-2-Clause */
/* Parity of a pack: the object, and healing with it. */

#include "format/parity_object.h"

#include <assert.h>
#include <string.h>

#include "core/alloc.h"
#include "core/checksum.h"
#include "crypto/hash.h"
#include "format/format_internal.h"
#include "parity/reed_solomon.h"

#define TABLE_FIXED ((size_t)FORMAT_HEADER_LEN + 8u + 32u) /* before the checksums */
#define STRIPE_CHECKSUMS ((size_t)8 * PARITY_SHARDS)
#define STRIPES_MAX (LIMIT_PACK / PARITY_DATA / PARITY_STRIPE)
#define TAIL_LEN (4u + FORMAT_TRAILER_LEN)

static_assert(PARITY_CODE == 2, "varve-format(5), PARITY");
static_assert(LIMIT_PACK % (PARITY_DATA * PARITY_STRIPE) == 0,
              "the largest pack fills its stripes");

/* --- geometry --------------------------------------------------------------------------------- */

static size_t
shard_len_of(uint64_t pack_size)
{
    return (size_t)((pack_size + PARITY_DATA - 1) / PARITY_DATA);
}

static uint32_t
stripes_of(size_t shard_len)
{
    return (uint32_t)((shard_len + PARITY_STRIPE - 1) / PARITY_STRIPE);
}

static size_t
table_len_of(uint32_t stripes)
{
    return TABLE_FIXED + (size_t)stripes * STRIPE_CHECKSUMS + 32;
}

/** Cells of one stripe: those inside the pack lie in its image, the others in ${scratch}. */
struct stripe {
    size_t offset; /* in each shard */
    size_t len;
    uint8_t *cells[PARITY_SHARDS];
    uint64_t at[PARITY_DATA];   /* offset in the pack */
    size_t inside[PARITY_DATA]; /* bytes of the cell that belong to the pack */
};

/** Where stripe ${nth} of a pack's shards lies; ${scratch} has room for a stripe of all shards.
 *  Code cells are in ${scratch}. */
static void
stripe_init(struct stripe *s, uint32_t nth, size_t shard_len, uint8_t *image, uint64_t size,
            uint8_t *scratch)
{
    s->offset = (size_t)nth * PARITY_STRIPE;
    s->len = shard_len - s->offset < PARITY_STRIPE ? shard_len - s->offset : PARITY_STRIPE;
    for (unsigned i = 0; i < PARITY_SHARDS; i++) {
        uint64_t at = (uint64_t)i * shard_len + s->offset;
        s->cells[i] = scratch + (size_t)i * PARITY_STRIPE;
        if (i >= PARITY_DATA) {
            continue;
        }
        s->at[i] = at;
        s->inside[i] = at >= size ? 0 : size - at < s->len ? (size_t)(size - at) : s->len;
        if (s->inside[i] == s->len) {
            s->cells[i] = image + at;
        } else {
            if (s->inside[i] > 0) {
                memcpy(s->cells[i], image + at, s->inside[i]);
            }
            memset(s->cells[i] + s->inside[i], 0, s->len - s->inside[i]);
        }
    }
}

/* --- making one ------------------------------------------------------------------------------- */

/** Code shards and checksums of the whole pack. */
static void
compute(uint8_t *image, uint64_t size, size_t shard_len, uint8_t *scratch, uint8_t *checksums,
        uint8_t *code)
{
    uint32_t stripes = stripes_of(shard_len);

    for (uint32_t n = 0; n < stripes; n++) {
        const uint8_t *data[PARITY_DATA];
        struct stripe s;
        stripe_init(&s, n, shard_len, image, size, scratch);
        for (unsigned c = 0; c < PARITY_CODE; c++) {
            s.cells[PARITY_DATA + c] = code + c * shard_len + s.offset;
        }
        memcpy(data, s.cells, sizeof(data));
        reed_solomon_encode(data, &s.cells[PARITY_DATA], s.len);
        for (unsigned i = 0; i < PARITY_SHARDS; i++) {
            vv_store_u64(checksums + 8 * ((size_t)n * PARITY_SHARDS + i),
                         vv_checksum64(s.cells[i], s.len));
        }
    }
}

uint64_t
parity_object_size(uint64_t pack_size)
{
    size_t shard_len = shard_len_of(pack_size);

    return 2 * (uint64_t)table_len_of(stripes_of(shard_len)) + PARITY_CODE * (uint64_t)shard_len +
           TAIL_LEN;
}

enum vv_rc
parity_object_encode(struct vv_span image, const struct vv_id *hash, const struct vv_uuid *repo,
                     struct vv_buf *out, struct vv_error *err)
{
    size_t shard_len = shard_len_of(image.len);
    size_t table_len = table_len_of(stripes_of(shard_len));
    size_t code_len = PARITY_CODE * shard_len;
    uint8_t *scratch;
    uint8_t *bytes; /* not written to: cells inside the image are only read */
    uint8_t digest[32];

    if (image.len == 0 || image.len > LIMIT_PACK) {
        return vv_error_set(err, VV_EUSAGE, "no parity for a pack of %zu bytes", image.len);
    }
    VV_TRY(vv_buf_reserve(out, (size_t)parity_object_size(image.len), err));
    scratch = vv_alloc((size_t)PARITY_SHARDS * PARITY_STRIPE);
    if (scratch == NULL) {
        return vv_error_nomem(err);
    }
    memcpy(&bytes, &image.data, sizeof(bytes));
    container_begin(out, FORMAT_PARITY, repo);
    vv_buf_put_u64(out, image.len);
    vv_buf_put(out, hash->b, sizeof(hash->b));
    compute(bytes, image.len, shard_len, scratch, out->data + TABLE_FIXED, out->data + table_len);
    vv_free(scratch);
    out->len = table_len - 32;
    sha256(out->data, out->len, digest);
    vv_buf_put(out, digest, sizeof(digest));
    out->len += code_len;
    vv_buf_put(out, out->data, table_len); /* there is room: the source does not move */
    vv_buf_put_u32(out, (uint32_t)table_len);
    return container_finish(out, err);
}

/* --- taking one apart ------------------------------------------------------------------------- */

/** One of the two tables, at the beginning of ${bytes}. */
static bool
table_decode(struct vv_span bytes, const struct vv_uuid *repo, struct parity_object *ret)
{
    uint8_t digest[32];
    size_t len;

    if (bytes.len < TABLE_FIXED || header_check(bytes, FORMAT_PARITY, repo, NULL) != VV_OK) {
        return false;
    }
    ret->repository = header_repository(bytes);
    ret->pack_size = vv_load_u64(bytes.data + FORMAT_HEADER_LEN);
    if (ret->pack_size == 0 || ret->pack_size > LIMIT_PACK) {
        return false;
    }
    memcpy(ret->pack.b, bytes.data + FORMAT_HEADER_LEN + 8, 32);
    ret->shard_len = shard_len_of(ret->pack_size);
    ret->stripes = stripes_of(ret->shard_len);
    ret->checksums = bytes.data + TABLE_FIXED;
    len = table_len_of(ret->stripes);
    if (bytes.len < len) {
        return false;
    }
    sha256(bytes.data, len - 32, digest);
    return memcmp(digest, bytes.data + len - 32, 32) == 0;
}

/** The second table, which is found from the end. */
static bool
second_table_decode(struct vv_span object, const struct vv_uuid *repo, struct parity_object *ret)
{
    size_t len;

    if (object.len < TAIL_LEN) {
        return false;
    }
    len = vv_load_u32(object.data + object.len - TAIL_LEN);
    return len <= object.len - TAIL_LEN &&
           table_decode(vv_span(object.data + object.len - TAIL_LEN - len, len), repo, ret) &&
           table_len_of(ret->stripes) == len;
}

/** Is everything as it was written? */
static bool
is_whole(struct vv_span object, const struct parity_object *o)
{
    size_t table_len = table_len_of(o->stripes);
    size_t second = table_len + PARITY_CODE * o->shard_len;
    uint8_t digest[32];

    if (object.len != second + table_len + TAIL_LEN ||
        memcmp(object.data, object.data + second, table_len) != 0 ||
        vv_load_u32(object.data + object.len - TAIL_LEN) != table_len) {
        return false;
    }
    sha256(object.data, object.len - FORMAT_TRAILER_LEN, digest);
    return memcmp(digest, object.data + object.len - FORMAT_TRAILER_LEN, sizeof(digest)) == 0;
}

enum vv_rc
parity_object_decode(struct vv_span object, const struct vv_uuid *repo, struct parity_object *ret,
                     struct vv_error *err)
{
    struct parity_object o = {0};
    size_t at;

    if (!table_decode(object, repo, &o) && !second_table_decode(object, repo, &o)) {
        return vv_error_set(err, VV_ECORRUPT, "parity: both of its tables are damaged");
    }
    at = table_len_of(o.stripes);
    for (unsigned c = 0; c < PARITY_CODE; c++, at += o.shard_len) {
        size_t left = at < object.len ? object.len - at : 0;
        o.code[c] = left > 0 ? vv_span(object.data + at, left < o.shard_len ? left : o.shard_len)
                             : vv_span(NULL, 0);
    }
    o.whole = is_whole(object, &o);
    *ret = o;
    return VV_OK;
}

/* --- healing ---------------------------------------------------------------------------------- */

void
parity_outcome_release(struct parity_outcome *o)
{
    vv_buf_release(&o->rebuilt);
    vv_buf_release(&o->lost);
}

/** Append a range; ranges that touch become one. */
static void
add_range(struct vv_buf *ranges, uint64_t offset, uint64_t len)
{
    struct parity_range range = {offset, len};
    struct parity_range *last =
        ranges->len == 0 ? NULL : (struct parity_range *)(void *)(ranges->data + ranges->len) - 1;

    if (last != NULL && last->offset + last->len == offset) {
        last->len += len;
    } else {
        vv_buf_put(ranges, &range, sizeof(range));
    }
}

/** A byte for every cell: what became of it. */
enum cell_state { CELL_GOOD, CELL_REBUILT, CELL_LOST };

/** The ranges of all cells in one state, in the order of the pack. */
static void
tell(const struct parity_object *o, const uint8_t *states, enum cell_state state,
     struct vv_buf *ranges)
{
    for (unsigned i = 0; i < PARITY_DATA; i++) {
        for (uint32_t n = 0; n < o->stripes; n++) {
            uint64_t in_shard = (uint64_t)n * PARITY_STRIPE;
            uint64_t at = (uint64_t)i * o->shard_len + in_shard;
            uint64_t len =
                o->shard_len - in_shard < PARITY_STRIPE ? o->shard_len - in_shard : PARITY_STRIPE;
            if (states[(size_t)n * PARITY_DATA + i] == state && at < o->pack_size) {
                add_range(ranges, at, len < o->pack_size - at ? len : o->pack_size - at);
            }
        }
    }
}

/** The code cells of a stripe, as far as the object has them. */
static void
load_code(const struct parity_object *o, struct stripe *s, bool missing[PARITY_CODE])
{
    for (unsigned c = 0; c < PARITY_CODE; c++) {
        missing[c] = o->code[c].len < s->offset + s->len;
        if (!missing[c]) {
            memcpy(s->cells[PARITY_DATA + c], o->code[c].data + s->offset, s->len);
        }
    }
}

/** Find what is damaged in stripe ${n} and compute it, if that is not too much. */
static void
heal_stripe(const struct parity_object *o, uint32_t n, uint8_t *image, uint64_t present,
            uint8_t *scratch, uint8_t *states)
{
    const uint8_t *checksums = o->checksums + (size_t)n * STRIPE_CHECKSUMS;
    unsigned damaged[PARITY_SHARDS];
    unsigned count = 0;
    bool missing[PARITY_CODE];
    bool rebuilt;
    struct stripe s;

    stripe_init(&s, n, o->shard_len, image, o->pack_size, scratch);
    load_code(o, &s, missing);
    for (unsigned i = 0; i < PARITY_SHARDS; i++) {
        bool cut = i < PARITY_DATA ? s.inside[i] > 0 && s.at[i] + s.inside[i] > present
                                   : missing[i - PARITY_DATA];
        if (cut || vv_checksum64(s.cells[i], s.len) != vv_load_u64(checksums + 8 * (size_t)i)) {
            damaged[count++] = i;
        }
    }
    if (count == 0) {
        return;
    }
    rebuilt = count <= PARITY_CODE && reed_solomon_rebuild(s.cells, damaged, count, s.len);
    for (unsigned d = 0; d < count; d++) {
        unsigned i = damaged[d];
        if (i >= PARITY_DATA) {
            continue;
        }
        states[i] = rebuilt ? CELL_REBUILT : CELL_LOST;
        if (rebuilt && s.inside[i] < s.len && s.inside[i] > 0) {
            memcpy(image + s.at[i], s.cells[i], s.inside[i]);
        }
    }
}

enum vv_rc
parity_object_heal(const struct parity_object *o, uint8_t *image, uint64_t present,
                   struct parity_outcome *ret, struct vv_error *err)
{
    size_t cells = (size_t)o->stripes * PARITY_DATA;
    uint8_t *states = vv_alloc_array(cells, 1);
    uint8_t *scratch = vv_alloc((size_t)PARITY_SHARDS * PARITY_STRIPE);
    struct parity_outcome outcome = {0};
    uint8_t digest[32];
    enum vv_rc rc;

    if (states == NULL || scratch == NULL) {
        vv_free(states);
        vv_free(scratch);
        return vv_error_nomem(err);
    }
    memset(states, CELL_GOOD, cells);
    if (present < o->pack_size) {
        memset(image + present, 0, (size_t)(o->pack_size - present));
    }
    for (uint32_t n = 0; n < o->stripes; n++) {
        heal_stripe(o, n, image, present, scratch, states + (size_t)n * PARITY_DATA);
    }
    tell(o, states, CELL_REBUILT, &outcome.rebuilt);
    tell(o, states, CELL_LOST, &outcome.lost);
    rc = vv_buf_check(&outcome.rebuilt, err);
    if (rc == VV_OK) {
        rc = vv_buf_check(&outcome.lost, err);
    }
    vv_free(states);
    vv_free(scratch);
    if (rc != VV_OK) {
        parity_outcome_release(&outcome);
        return rc;
    }
    sha256(image, (size_t)o->pack_size, digest);
    outcome.whole = memcmp(digest, o->pack.b, sizeof(digest)) == 0;
    if (outcome.whole) { /* whatever checksums say */
        vv_buf_release(&outcome.lost);
    }
    *ret = outcome;
    return VV_OK;
}
