/* SPDX-License-Identifier: BSD-2-Clause */
/* The bounded reader for untrusted bytes (struct vv_reader of bytes.h). */
#include <endian.h>
#include <string.h>

#include "core/bytes.h"

/* Step over ${len} bytes; NULL (and failed) if there are fewer.  Also NULL for none of nothing. */
static const uint8_t *
take(struct vv_reader *r, size_t len)
{
    if (r->failed || len > (size_t)(r->end - r->at)) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *at = r->at;
    if (len > 0) { /* NULL + 0 is not defined, and an empty input may be NULL */
        r->at += len;
    }
    return at;
}

uint8_t
vv_get_u8(struct vv_reader *r)
{
    const uint8_t *p = take(r, 1);

    return p != NULL ? *p : 0;
}

uint16_t
vv_get_u16(struct vv_reader *r)
{
    uint16_t le = 0;
    const uint8_t *p = take(r, sizeof(le));

    if (p != NULL) {
        memcpy(&le, p, sizeof(le));
    }
    return le16toh(le);
}

uint32_t
vv_get_u32(struct vv_reader *r)
{
    const uint8_t *p = take(r, sizeof(uint32_t));

    return p != NULL ? vv_load_u32(p) : 0;
}

uint64_t
vv_get_u64(struct vv_reader *r)
{
    const uint8_t *p = take(r, sizeof(uint64_t));

    return p != NULL ? vv_load_u64(p) : 0;
}

uint64_t
vv_get_varint(struct vv_reader *r)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t *p = take(r, 1);
        if (p == NULL) {
            return 0;
        }
        uint8_t byte = *p;
        /* A last byte of zero is padding; the tenth byte has room for one bit only. */
        if ((byte == 0 && shift > 0) || (shift == 63 && byte > 1)) {
            break;
        }
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return v;
        }
    }
    r->failed = true;
    return 0;
}

int64_t
vv_get_signed(struct vv_reader *r)
{
    uint64_t v = vv_get_varint(r);

    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

struct vv_span
vv_get_bytes(struct vv_reader *r, uint64_t count, size_t size)
{
    size_t len;

    if (__builtin_mul_overflow(count, size, &len)) {
        r->failed = true;
    }
    const uint8_t *p = r->failed ? NULL : take(r, len);

    return p != NULL ? vv_span(p, len) : vv_span(NULL, 0);
}

void
vv_get_copy(struct vv_reader *r, void *out, size_t len)
{
    if (len == 0) {
        return;
    }
    const uint8_t *p = take(r, len);

    if (p != NULL) {
        memcpy(out, p, len);
    } else {
        memset(out, 0, len);
    }
}

void
vv_get_zeros(struct vv_reader *r, size_t len)
{
    const uint8_t *p = take(r, len);

    for (size_t i = 0; p != NULL && i < len; i++) {
        if (p[i] != 0) {
            r->failed = true;
            return;
        }
    }
}
