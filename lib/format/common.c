/* SPDX-License-Identifier: BSD-2-Clause */
/* What all objects share: identifiers and their text, the container around every object, the
 * tagged fields of bodies that grow, and the size a pack is padded to. */
#include "format/common.h"

#include <assert.h>
#include <string.h>

#include "core/text.h"
#include "crypto/hash.h"
#include "format/format_internal.h"

static_assert(FORMAT_HEADER_LEN == FORMAT_MAGIC_LEN + 1 + 2 + 16, "varve-format(5), Container");
static_assert(VV_UUID_TEXT == 32 + 1, "128 bits in hexadecimal");
static_assert(PACK_NAME_TEXT == 64 + 1 + 32 + 1, "varve-format(5), Names");
static_assert(PACK_OBJECT_TEXT >= 6 + 2 + 1 + PACK_NAME_TEXT, "varve-format(5), Names");

#define PADME_MINIMUM 16384u

bool
vv_id_equal(const struct vv_id *a, const struct vv_id *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool
vv_uuid_equal(const struct vv_uuid *a, const struct vv_uuid *b)
{
    return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool
vv_uuid_is_zero(const struct vv_uuid *a)
{
    static const struct vv_uuid zero;
    return vv_uuid_equal(a, &zero);
}

int
pack_name_compare(const struct pack_name *a, const struct pack_name *b)
{
    int order = memcmp(a->hash.b, b->hash.b, sizeof(a->hash.b));
    return order != 0 ? order : memcmp(a->suffix.b, b->suffix.b, sizeof(a->suffix.b));
}

int
pack_name_order(const void *a, const void *b)
{
    return pack_name_compare(a, b);
}

void
vv_uuid_text(const struct vv_uuid *id, char out[VV_UUID_TEXT])
{
    vv_hex(out, id->b, sizeof(id->b));
}

bool
vv_uuid_parse(const char *text, size_t len, struct vv_uuid *ret)
{
    struct vv_uuid id;
    if (!vv_unhex(id.b, sizeof(id.b), text, len)) {
        return false;
    }
    *ret = id;
    return true;
}

void
pack_name_text(const struct pack_name *name, char out[PACK_NAME_TEXT])
{
    vv_hex(out, name->hash.b, sizeof(name->hash.b));
    out[64] = '-';
    vv_hex(out + 65, name->suffix.b, sizeof(name->suffix.b));
}

bool
pack_name_parse(const char *text, size_t len, struct pack_name *ret)
{
    struct pack_name name;
    if (len != PACK_NAME_TEXT - 1 || text[64] != '-' ||
        !vv_unhex(name.hash.b, sizeof(name.hash.b), text, 64) ||
        !vv_unhex(name.suffix.b, sizeof(name.suffix.b), text + 65, 32)) {
        return false;
    }
    *ret = name;
    return true;
}

void
pack_object_text(const struct pack_name *name, char out[PACK_OBJECT_TEXT])
{
    char text[PACK_NAME_TEXT];
    pack_name_text(name, text);
    memcpy(out, "packs/", 6);
    memcpy(out + 6, text, 2);
    out[8] = '/';
    memcpy(out + 9, text, PACK_NAME_TEXT);
}

void
span_copy(void *out, struct vv_span span)
{
    if (span.len > 0) {
        memcpy(out, span.data, span.len);
    }
}

/* A kind in words, for messages. */
static const char *
kind_name(uint8_t kind)
{
    switch (kind) {
    case FORMAT_CONFIG:
        return "config";
    case FORMAT_KEY_SLOT:
        return "key slot";
    case FORMAT_SITE:
        return "site";
    case FORMAT_SESSION:
        return "session";
    case FORMAT_SLOT:
        return "snapshot slot";
    case FORMAT_PACK:
        return "pack";
    case FORMAT_INDEX:
        return "index segment";
    case FORMAT_CONDEMNED:
        return "condemned list";
    case FORMAT_ADMIN:
        return "administrator's record";
    case FORMAT_PARITY:
        return "parity";
    case FORMAT_PARITY_DECISION:
        return "decision about parity";
    case FORMAT_SNAPSHOT_RECORD:
        return "snapshot record";
    default:
        return "object";
    }
}

void
header_put(struct vv_buf *out, uint8_t kind, const struct vv_uuid *repo)
{
    vv_buf_put(out, FORMAT_MAGIC, FORMAT_MAGIC_LEN);
    vv_buf_put_u8(out, kind);
    vv_buf_put_u16(out, FORMAT_VERSION);
    vv_buf_put(out, repo->b, sizeof(repo->b));
}

enum vv_rc
header_check(struct vv_span object, uint8_t kind, const struct vv_uuid *repo, struct vv_error *err)
{
    const char *name = kind_name(kind);
    if (object.len < FORMAT_HEADER_LEN ||
        memcmp(object.data, FORMAT_MAGIC, FORMAT_MAGIC_LEN) != 0) {
        return vv_error_set(err, VV_ECORRUPT, "%s: not an object of varve", name);
    }
    if (object.data[FORMAT_MAGIC_LEN] != kind) {
        return vv_error_set(err, VV_ECORRUPT, "%s: this is another kind of object (0x%02x)", name,
                            object.data[FORMAT_MAGIC_LEN]);
    }
    unsigned version = object.data[6] | (unsigned)object.data[7] << 8;
    if (version > FORMAT_VERSION) {
        (void)vv_error_set(err, VV_EUNSUPPORTED, "%s: format version %u is newer than %u", name,
                           version, FORMAT_VERSION);
        vv_error_hint(err, "use a newer varve");
        return VV_EUNSUPPORTED;
    }
    if (version < 1) {
        return vv_error_set(err, VV_ECORRUPT, "%s: format version 0", name);
    }
    if (repo != NULL && memcmp(object.data + 8, repo->b, sizeof(repo->b)) != 0) {
        return vv_error_set(err, VV_ECORRUPT, "%s: belongs to another repository", name);
    }
    return VV_OK;
}

struct vv_uuid
header_repository(struct vv_span object)
{
    struct vv_uuid id;
    memcpy(id.b, object.data + 8, sizeof(id.b));
    return id;
}

void
container_begin(struct vv_buf *out, enum format_kind kind, const struct vv_uuid *repo)
{
    header_put(out, (uint8_t)kind, repo);
}

enum vv_rc
container_finish(struct vv_buf *out, struct vv_error *err)
{
    VV_TRY(vv_buf_check(out, err));
    VV_TRY(vv_buf_reserve(out, FORMAT_TRAILER_LEN, err));
    uint8_t digest[FORMAT_TRAILER_LEN];
    sha256(out->data, out->len, digest);
    vv_buf_put(out, digest, sizeof(digest));
    return vv_buf_check(out, err);
}

enum vv_rc
container_open(struct vv_span object, enum format_kind kind, const struct vv_uuid *repo,
               struct vv_reader *ret_body, struct vv_error *err)
{
    if (object.len < FORMAT_HEADER_LEN + FORMAT_TRAILER_LEN) {
        return vv_error_set(err, VV_ECORRUPT, "%s: too short (%zu bytes)", kind_name((uint8_t)kind),
                            object.len);
    }
    size_t body_end = object.len - FORMAT_TRAILER_LEN;
    uint8_t digest[FORMAT_TRAILER_LEN];
    sha256(object.data, body_end, digest);
    if (memcmp(digest, object.data + body_end, sizeof(digest)) != 0) {
        return vv_error_set(err, VV_ECORRUPT, "%s: checksum does not match",
                            kind_name((uint8_t)kind));
    }
    VV_TRY(header_check(object, (uint8_t)kind, repo, err));
    *ret_body = vv_reader(object.data + FORMAT_HEADER_LEN, body_end - FORMAT_HEADER_LEN);
    return VV_OK;
}

bool
container_signed_part(struct vv_span object, struct vv_span *ret_signed,
                      struct vv_span *ret_signature)
{
    if (object.len < FORMAT_HEADER_LEN + FORMAT_SIGNATURE_LEN + FORMAT_TRAILER_LEN) {
        return false;
    }
    size_t signed_len = object.len - FORMAT_SIGNATURE_LEN - FORMAT_TRAILER_LEN;
    *ret_signed = vv_span(object.data, signed_len);
    *ret_signature = vv_span(object.data + signed_len, FORMAT_SIGNATURE_LEN);
    return true;
}

uint64_t
padme(uint64_t len)
{
    if (len < PADME_MINIMUM) {
        return PADME_MINIMUM;
    }
    unsigned exponent = 63u - (unsigned)__builtin_clzll(len);
    unsigned exponent_bits = 32u - (unsigned)__builtin_clz(exponent);
    uint64_t mask = (UINT64_C(1) << (exponent - exponent_bits)) - 1;
    if (len > UINT64_MAX - mask) {
        return len; /* cannot be rounded up; far beyond any object */
    }
    return (len + mask) & ~mask;
}

void
field_put(struct vv_buf *out, uint16_t tag, const void *data, size_t len)
{
    if (len > UINT32_MAX) {
        out->failed = true;
        return;
    }
    vv_buf_put_u16(out, tag);
    vv_buf_put_u32(out, (uint32_t)len);
    if (len > 0) {
        vv_buf_put(out, data, len);
    }
}

void
field_put_u64(struct vv_buf *out, uint16_t tag, uint64_t value)
{
    uint8_t bytes[8];
    vv_store_u64(bytes, value);
    field_put(out, tag, bytes, sizeof(bytes));
}

void
field_put_text(struct vv_buf *out, uint16_t tag, const char *text)
{
    field_put(out, tag, text, strlen(text));
}

bool
field_next(struct vv_reader *r, uint16_t *ret_tag, struct vv_span *ret_value)
{
    if (vv_reader_left(r) == 0) {
        return false;
    }
    uint16_t tag = vv_get_u16(r);
    uint32_t len = vv_get_u32(r);
    struct vv_span value = vv_get_bytes(r, len, 1);
    if (r->failed) {
        return false;
    }
    *ret_tag = tag;
    *ret_value = value;
    return true;
}

bool
field_u64(struct vv_span value, uint64_t *ret)
{
    if (value.len != 8) {
        return false;
    }
    *ret = vv_load_u64(value.data);
    return true;
}

bool
label_get(struct vv_reader *r, char out[LIMIT_LABEL + 1])
{
    uint8_t len = vv_get_u8(r);
    struct vv_span label = vv_get_bytes(r, len, 1);
    if (r->failed || (label.len > 0 && memchr(label.data, 0, label.len) != NULL) ||
        !vv_utf8_valid(label)) {
        return false;
    }
    span_copy(out, label);
    out[label.len] = '\0';
    return true;
}

void
label_put(struct vv_buf *out, const char *label)
{
    size_t len = strnlen(label, LIMIT_LABEL);
    vv_buf_put_u8(out, (uint8_t)len);
    vv_buf_put(out, label, len);
}
