/* SPDX-License-Identifier: BSD-2-Clause */
/* Growing byte strings and the encodings written to them; hexadecimal; raw integer access. */
#include "core/bytes.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"

#define BUF_FIRST 64

/* Make room for ${more} bytes; false (and nothing changed) if that is impossible. */
static bool
grow(struct vv_buf *b, size_t more)
{
    if (more <= b->cap - b->len) {
        return true;
    }
    if (more > SIZE_MAX - b->len) {
        return false;
    }
    size_t need = b->len + more;
    size_t cap = b->cap <= SIZE_MAX / 2 ? b->cap * 2 : SIZE_MAX;
    if (cap < BUF_FIRST) {
        cap = BUF_FIRST;
    }
    if (cap < need) {
        cap = need;
    }
    uint8_t *data = vv_realloc_array(b->data, cap, 1);
    if (data == NULL) {
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

/* For appends: ${len} bytes at the end to be filled, or NULL once the buffer has failed. */
static uint8_t *
extend(struct vv_buf *b, size_t len)
{
    if (b->failed) {
        return NULL;
    }
    if (!grow(b, len)) {
        b->failed = true;
        return NULL;
    }
    uint8_t *at = b->data + b->len;
    b->len += len;
    return at;
}

enum vv_rc
vv_buf_reserve(struct vv_buf *b, size_t more, struct vv_error *err)
{
    if (b->failed || !grow(b, more)) {
        return vv_error_nomem(err);
    }
    return VV_OK;
}

void
vv_buf_put(struct vv_buf *b, const void *data, size_t len)
{
    if (len == 0) {
        return;
    }
    uint8_t *at = extend(b, len);

    if (at != NULL) {
        memcpy(at, data, len);
    }
}

void
vv_buf_put_zeros(struct vv_buf *b, size_t len)
{
    if (len == 0) {
        return;
    }
    uint8_t *at = extend(b, len);

    if (at != NULL) {
        memset(at, 0, len);
    }
}

void
vv_buf_put_u8(struct vv_buf *b, uint8_t v)
{
    vv_buf_put(b, &v, sizeof(v));
}

void
vv_buf_put_u16(struct vv_buf *b, uint16_t v)
{
    uint16_t le = htole16(v);

    vv_buf_put(b, &le, sizeof(le));
}

void
vv_buf_put_u32(struct vv_buf *b, uint32_t v)
{
    uint32_t le = htole32(v);

    vv_buf_put(b, &le, sizeof(le));
}

void
vv_buf_put_u64(struct vv_buf *b, uint64_t v)
{
    uint64_t le = htole64(v);

    vv_buf_put(b, &le, sizeof(le));
}

void
vv_buf_put_varint(struct vv_buf *b, uint64_t v)
{
    uint8_t out[10];
    size_t n = 0;

    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    vv_buf_put(b, out, n);
}

void
vv_buf_put_signed(struct vv_buf *b, int64_t v)
{
    uint64_t sign = v < 0 ? UINT64_MAX : 0;

    vv_buf_put_varint(b, ((uint64_t)v << 1) ^ sign);
}

void
vv_buf_put_text(struct vv_buf *b, const char *s)
{
    vv_buf_put(b, s, strlen(s));
}

void
vv_buf_printf(struct vv_buf *b, const char *fmt, ...)
{
    va_list args;

    if (b->failed) {
        return;
    }
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    /* One byte more than the text: vsnprintf ends it with a NUL, which is not counted. */
    if (n < 0 || !grow(b, (size_t)n + 1)) {
        b->failed = true;
        return;
    }
    va_start(args, fmt);
    vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, args);
    va_end(args);
    b->len += (size_t)n;
}

enum vv_rc
vv_buf_check(const struct vv_buf *b, struct vv_error *err)
{
    return b->failed ? vv_error_nomem(err) : VV_OK;
}

const char *
vv_buf_text(struct vv_buf *b)
{
    if (b->failed) {
        return "";
    }
    if (!grow(b, 1)) {
        b->failed = true;
        return "";
    }
    b->data[b->len] = '\0';
    return (const char *)b->data;
}

void
vv_buf_reset(struct vv_buf *b)
{
    b->len = 0;
    b->failed = false;
}

void
vv_buf_release(struct vv_buf *b)
{
    vv_free(b->data);
    *b = (struct vv_buf){0};
}

uint32_t
vv_load_u32(const void *p)
{
    uint32_t le;

    memcpy(&le, p, sizeof(le));
    return le32toh(le);
}

uint64_t
vv_load_u64(const void *p)
{
    uint64_t le;

    memcpy(&le, p, sizeof(le));
    return le64toh(le);
}

void
vv_store_u32(void *p, uint32_t v)
{
    uint32_t le = htole32(v);

    memcpy(p, &le, sizeof(le));
}

void
vv_store_u64(void *p, uint64_t v)
{
    uint64_t le = htole64(v);

    memcpy(p, &le, sizeof(le));
}

void
vv_hex(char *out, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *in = data;

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[2 * len] = '\0';
}

/* The value of a lower-case hexadecimal digit, or -1. */
static int
digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return -1;
}

bool
vv_unhex(void *out, size_t len, const char *text, size_t text_len)
{
    uint8_t *bytes = out;

    if (len > SIZE_MAX / 2 || text_len != 2 * len) {
        return false;
    }
    for (size_t i = 0; i < text_len; i++) {
        if (digit_value(text[i]) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < len; i++) {
        unsigned high = (unsigned)digit_value(text[2 * i]);
        unsigned low = (unsigned)digit_value(text[2 * i + 1]);
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
