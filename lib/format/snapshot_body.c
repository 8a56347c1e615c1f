/* SPDX-License-Identifier: BSD-2-Clause */
/* The sealed part of a snapshot record: tagged fields. */
#include <assert.h>
#include <string.h>

#include "core/alloc.h"
#include "format/entry.h"
#include "format/snapshot.h"
#include "format/wal.h"

#define ROOT_LEN (32u + 4u + 8u + 8u)
#define FILE_SYSTEM_LEN 16u
#define WAL_LEN 32u
#define STATISTICS_COUNT (sizeof(struct snapshot_statistics) / sizeof(uint64_t))

static_assert(sizeof(struct snapshot_statistics) == 18 * sizeof(uint64_t),
              "varve-format(5), Snapshot body: 18 numbers");

void
snapshot_body_release(struct snapshot_body *b)
{
    if (b == NULL) {
        return;
    }
    vv_free(b->host);
    vv_free(b->user);
    vv_free(b->program);
    for (uint32_t i = 0; b->sources != NULL && i < b->source_count; i++) {
        vv_buf_release(&b->sources[i]);
    }
    for (uint32_t i = 0; b->tags != NULL && i < b->tag_count; i++) {
        vv_free(b->tags[i]);
    }
    for (uint32_t i = 0; b->incomplete != NULL && i < b->incomplete_count; i++) {
        vv_free(b->incomplete[i]);
    }
    vv_free(b->sources);
    vv_free(b->tags);
    vv_free(b->incomplete);
    vv_free(b->file_systems);
    vv_free(b->wal);
    *b = (struct snapshot_body){0};
}

static void
put_root(struct vv_buf *out, const struct tree_root *root)
{
    uint8_t bytes[ROOT_LEN];
    memcpy(bytes, root->node.b, 32);
    vv_store_u32(bytes + 32, root->height);
    vv_store_u64(bytes + 36, root->entries);
    vv_store_u64(bytes + 44, root->bytes);
    field_put(out, SNAPSHOT_F_ROOT, bytes, sizeof(bytes));
}

static void
put_statistics(struct vv_buf *out, const struct snapshot_statistics *s)
{
    uint64_t values[STATISTICS_COUNT];
    uint8_t bytes[sizeof(values)];
    memcpy(values, s, sizeof(values));
    for (size_t i = 0; i < STATISTICS_COUNT; i++) {
        vv_store_u64(bytes + i * 8, values[i]);
    }
    field_put(out, SNAPSHOT_F_STATISTICS, bytes, sizeof(bytes));
}

static void
put_optional_text(struct vv_buf *out, uint16_t tag, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        field_put_text(out, tag, text);
    }
}

/** What a snapshot may say of WAL: a publication says it of one stretch, from a segment's first byte. */
static bool
wal_is_possible(const struct snapshot_wal *w, enum snapshot_mode mode)
{
    return wal_segment_size_valid(w->segment_size) && w->timeline != 0 && w->from <= w->to &&
           (mode != SNAPSHOT_WAL || w->from % w->segment_size == 0);
}

static enum vv_rc
check_wal(const struct snapshot_body *b, enum vv_rc category, struct vv_error *err)
{
    bool possible = b->mode != SNAPSHOT_WAL || b->wal_count == 1;

    for (uint32_t i = 0; i < b->wal_count; i++) {
        possible = possible && wal_is_possible(&b->wal[i], b->mode);
    }
    return possible ? VV_OK : vv_error_set(err, category, "snapshot: impossible stretch of WAL");
}

static void
put_wal(struct vv_buf *out, const struct snapshot_wal *w)
{
    uint8_t bytes[WAL_LEN];

    vv_store_u64(bytes, w->system);
    vv_store_u32(bytes + 8, w->segment_size);
    vv_store_u32(bytes + 12, w->timeline);
    vv_store_u64(bytes + 16, w->from);
    vv_store_u64(bytes + 24, w->to);
    field_put(out, SNAPSHOT_F_WAL, bytes, sizeof(bytes));
}

enum vv_rc
snapshot_body_encode(const struct snapshot_body *b, struct vv_buf *out, struct vv_error *err)
{
    if (b->mode < SNAPSHOT_FULL || b->mode > SNAPSHOT_WAL || b->root.height > LIMIT_TREE_HEIGHT) {
        return vv_error_set(err, VV_EUSAGE, "snapshot: impossible mode or tree height");
    }
    VV_TRY(check_wal(b, VV_EUSAGE, err));
    put_root(out, &b->root);
    put_optional_text(out, SNAPSHOT_F_HOST, b->host);
    for (uint32_t i = 0; i < b->source_count; i++) {
        field_put(out, SNAPSHOT_F_SOURCE, b->sources[i].data, b->sources[i].len);
    }
    for (uint32_t i = 0; i < b->tag_count; i++) {
        field_put_text(out, SNAPSHOT_F_TAG, b->tags[i]);
    }
    field_put_u64(out, SNAPSHOT_F_START, (uint64_t)b->start);
    field_put_u64(out, SNAPSHOT_F_END, (uint64_t)b->end);
    field_put_u64(out, SNAPSHOT_F_ZONE, (uint64_t)b->zone);
    field_put_u64(out, SNAPSHOT_F_MODE, (uint64_t)b->mode);
    if (b->has_parent) {
        field_put(out, SNAPSHOT_F_PARENT, b->parent.b, sizeof(b->parent.b));
    }
    put_statistics(out, &b->statistics);
    put_optional_text(out, SNAPSHOT_F_PROGRAM, b->program);
    for (uint32_t i = 0; i < b->file_system_count; i++) {
        uint8_t bytes[FILE_SYSTEM_LEN];
        vv_store_u64(bytes, b->file_systems[i].type);
        vv_store_u64(bytes + 8, b->file_systems[i].identity);
        field_put(out, SNAPSHOT_F_FILE_SYSTEM, bytes, sizeof(bytes));
    }
    for (uint32_t i = 0; i < b->incomplete_count; i++) {
        field_put_text(out, SNAPSHOT_F_INCOMPLETE, b->incomplete[i]);
    }
    put_optional_text(out, SNAPSHOT_F_USER, b->user);
    for (uint32_t i = 0; i < b->wal_count; i++) {
        put_wal(out, &b->wal[i]);
    }
    return vv_buf_check(out, err);
}

static enum vv_rc
bad_field(uint16_t tag, struct vv_error *err)
{
    return vv_error_set(err, VV_ECORRUPT, "snapshot: field %u has an impossible value", tag);
}

/* A field that may come several times? */
static bool
is_repeated(uint16_t tag)
{
    return tag == SNAPSHOT_F_SOURCE || tag == SNAPSHOT_F_TAG || tag == SNAPSHOT_F_FILE_SYSTEM ||
           tag == SNAPSHOT_F_INCOMPLETE || tag == SNAPSHOT_F_WAL;
}

/* First pass: order, tags known, how many of each. */
static enum vv_rc
count_fields(struct vv_span plain, uint32_t counts[SNAPSHOT_F_WAL + 1], struct vv_error *err)
{
    uint16_t last = 0;
    uint16_t tag;
    struct vv_span value;
    struct vv_reader r = vv_reader(plain.data, plain.len);
    while (field_next(&r, &tag, &value)) {
        if (tag < last) {
            return vv_error_set(err, VV_ECORRUPT, "snapshot: field %u out of order", tag);
        }
        last = tag;
        if (tag >= SNAPSHOT_F_ROOT && tag <= SNAPSHOT_F_WAL) {
            if (++counts[tag] > 1 && !is_repeated(tag)) {
                return vv_error_set(err, VV_ECORRUPT, "snapshot: field %u comes twice", tag);
            }
        } else if ((tag & FIELD_OPTIONAL) == 0) {
            return vv_error_set(err, VV_EUNSUPPORTED, "snapshot: unknown field %u", tag);
        }
    }
    if (!vv_reader_done(&r) || counts[SNAPSHOT_F_ROOT] == 0 || counts[SNAPSHOT_F_MODE] == 0 ||
        counts[SNAPSHOT_F_START] == 0 || counts[SNAPSHOT_F_END] == 0) {
        return vv_error_set(err, VV_ECORRUPT, "snapshot: incomplete");
    }
    return VV_OK;
}

/* Text without NUL, copied; frees what was there. */
static enum vv_rc
set_text(char **target, uint16_t tag, struct vv_span value, struct vv_error *err)
{
    if (value.len > 0 && memchr(value.data, 0, value.len) != NULL) {
        return bad_field(tag, err);
    }
    char *text = vv_memdup(value.len > 0 ? (const char *)value.data : "", value.len);
    if (text == NULL) {
        return vv_error_nomem(err);
    }
    vv_free(*target);
    *target = text;
    return VV_OK;
}

static enum vv_rc
set_number(uint64_t *target, uint16_t tag, struct vv_span value, struct vv_error *err)
{
    return field_u64(value, target) ? VV_OK : bad_field(tag, err);
}

static enum vv_rc
set_signed(int64_t *target, uint16_t tag, struct vv_span value, struct vv_error *err)
{
    uint64_t number;
    VV_TRY(set_number(&number, tag, value, err));
    *target = (int64_t)number;
    return VV_OK;
}

static enum vv_rc
set_root(struct tree_root *root, struct vv_span value, struct vv_error *err)
{
    if (value.len != ROOT_LEN) {
        return bad_field(SNAPSHOT_F_ROOT, err);
    }
    memcpy(root->node.b, value.data, 32);
    root->height = vv_load_u32(value.data + 32);
    root->entries = vv_load_u64(value.data + 36);
    root->bytes = vv_load_u64(value.data + 44);
    return root->height <= LIMIT_TREE_HEIGHT ? VV_OK : bad_field(SNAPSHOT_F_ROOT, err);
}

/* Numbers that are missing at the end stay 0; further ones are of a newer version: ignored. */
static enum vv_rc
set_statistics(struct snapshot_statistics *s, struct vv_span value, struct vv_error *err)
{
    if (value.len % 8 != 0) {
        return bad_field(SNAPSHOT_F_STATISTICS, err);
    }
    uint64_t values[STATISTICS_COUNT] = {0};
    for (size_t i = 0; i < STATISTICS_COUNT && i < value.len / 8; i++) {
        values[i] = vv_load_u64(value.data + i * 8);
    }
    memcpy(s, values, sizeof(values));
    return VV_OK;
}

static enum vv_rc
set_mode(struct snapshot_body *b, struct vv_span value, struct vv_error *err)
{
    uint64_t mode;
    VV_TRY(set_number(&mode, SNAPSHOT_F_MODE, value, err));
    if (mode < SNAPSHOT_FULL || mode > SNAPSHOT_WAL) {
        return vv_error_set(err, VV_EUNSUPPORTED, "snapshot: unknown mode %llu",
                            (unsigned long long)mode);
    }
    b->mode = (enum snapshot_mode)mode;
    return VV_OK;
}

static enum vv_rc
add_source(struct snapshot_body *b, struct vv_span value, struct vv_error *err)
{
    struct vv_buf *source = &b->sources[b->source_count++];
    vv_buf_put(source, value.len > 0 ? value.data : (const uint8_t *)"", value.len);
    return vv_buf_check(source, err);
}

static enum vv_rc
add_file_system(struct snapshot_body *b, struct vv_span value, struct vv_error *err)
{
    if (value.len != FILE_SYSTEM_LEN) {
        return bad_field(SNAPSHOT_F_FILE_SYSTEM, err);
    }
    b->file_systems[b->file_system_count++] = (struct snapshot_file_system){
        .type = vv_load_u64(value.data),
        .identity = vv_load_u64(value.data + 8),
    };
    return VV_OK;
}

static enum vv_rc
add_wal(struct snapshot_body *b, struct vv_span value, struct vv_error *err)
{
    if (value.len != WAL_LEN) {
        return bad_field(SNAPSHOT_F_WAL, err);
    }
    b->wal[b->wal_count++] = (struct snapshot_wal){
        .system = vv_load_u64(value.data),
        .segment_size = vv_load_u32(value.data + 8),
        .timeline = vv_load_u32(value.data + 12),
        .from = vv_load_u64(value.data + 16),
        .to = vv_load_u64(value.data + 24),
    };
    return VV_OK;
}

static enum vv_rc
set_parent(struct snapshot_body *b, struct vv_span value, struct vv_error *err)
{
    if (value.len != sizeof(b->parent.b)) {
        return bad_field(SNAPSHOT_F_PARENT, err);
    }
    memcpy(b->parent.b, value.data, sizeof(b->parent.b));
    b->has_parent = true;
    return VV_OK;
}

/* Second pass: one field of a known order and multiplicity. */
static enum vv_rc
set_field(struct snapshot_body *b, uint16_t tag, struct vv_span value, struct vv_error *err)
{
    switch (tag) {
    case SNAPSHOT_F_ROOT:
        return set_root(&b->root, value, err);
    case SNAPSHOT_F_HOST:
        return set_text(&b->host, tag, value, err);
    case SNAPSHOT_F_SOURCE:
        return add_source(b, value, err);
    case SNAPSHOT_F_TAG:
        return set_text(&b->tags[b->tag_count++], tag, value, err);
    case SNAPSHOT_F_START:
        return set_signed(&b->start, tag, value, err);
    case SNAPSHOT_F_END:
        return set_signed(&b->end, tag, value, err);
    case SNAPSHOT_F_ZONE:
        return set_signed(&b->zone, tag, value, err);
    case SNAPSHOT_F_MODE:
        return set_mode(b, value, err);
    case SNAPSHOT_F_PARENT:
        return set_parent(b, value, err);
    case SNAPSHOT_F_STATISTICS:
        return set_statistics(&b->statistics, value, err);
    case SNAPSHOT_F_PROGRAM:
        return set_text(&b->program, tag, value, err);
    case SNAPSHOT_F_FILE_SYSTEM:
        return add_file_system(b, value, err);
    case SNAPSHOT_F_INCOMPLETE:
        return set_text(&b->incomplete[b->incomplete_count++], tag, value, err);
    case SNAPSHOT_F_USER:
        return set_text(&b->user, tag, value, err);
    case SNAPSHOT_F_WAL:
        return add_wal(b, value, err);
    default:
        return VV_OK; /* optional and unknown */
    }
}

/* Room for everything that repeats, and texts that are never NULL. */
static enum vv_rc
prepare(struct snapshot_body *b, const uint32_t counts[SNAPSHOT_F_WAL + 1], struct vv_error *err)
{
    b->sources = vv_alloc_array(counts[SNAPSHOT_F_SOURCE], sizeof(*b->sources));
    b->tags = vv_alloc_array(counts[SNAPSHOT_F_TAG], sizeof(*b->tags));
    b->incomplete = vv_alloc_array(counts[SNAPSHOT_F_INCOMPLETE], sizeof(*b->incomplete));
    b->file_systems = vv_alloc_array(counts[SNAPSHOT_F_FILE_SYSTEM], sizeof(*b->file_systems));
    b->wal = vv_alloc_array(counts[SNAPSHOT_F_WAL], sizeof(*b->wal));
    b->host = vv_strdup("");
    b->user = vv_strdup("");
    b->program = vv_strdup("");
    if (b->sources == NULL || b->tags == NULL || b->incomplete == NULL || b->file_systems == NULL ||
        b->wal == NULL || b->host == NULL || b->user == NULL || b->program == NULL) {
        return vv_error_nomem(err);
    }
    return VV_OK;
}

enum vv_rc
snapshot_body_decode(struct vv_span plain, struct snapshot_body *ret, struct vv_error *err)
{
    uint32_t counts[SNAPSHOT_F_WAL + 1] = {0};
    if (plain.len > LIMIT_BLOCK_PLAIN) {
        return vv_error_set(err, VV_ECORRUPT, "snapshot: too large (%zu bytes)", plain.len);
    }
    VV_TRY(count_fields(plain, counts, err));
    VV_CLEANUP(snapshot_body_release) struct snapshot_body b = {0};
    VV_TRY(prepare(&b, counts, err));
    uint16_t tag;
    struct vv_span value;
    struct vv_reader r = vv_reader(plain.data, plain.len);
    while (field_next(&r, &tag, &value)) {
        VV_TRY(set_field(&b, tag, value, err));
    }
    VV_TRY(check_wal(&b, VV_ECORRUPT, err));
    *ret = b;
    b = (struct snapshot_body){0};
    return VV_OK;
}
