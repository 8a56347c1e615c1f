/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_BYTES_H
#define VARVE_CORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/** Borrowed bytes. */
struct vv_span {
    const uint8_t *data;
    size_t len;
};

static inline struct vv_span
vv_span(const void *data, size_t len)
{
    return (struct vv_span){.data = data, .len = len};
}

/** A growing byte string.  Initialise with {0}; release with vv_buf_release. */
struct vv_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    bool failed; /* sticky: an append ran out of memory; everything after it is ignored */
};

/** vv_buf_reserve(b, more): Make room for ${more} further bytes. */
MUST_CHECK enum vv_rc vv_buf_reserve(struct vv_buf *b, size_t more, struct vv_error *err);

/** Appending never fails at the call; ask vv_buf_check once at the end (sticky flag). */
void vv_buf_put(struct vv_buf *b, const void *data, size_t len);
void vv_buf_put_zeros(struct vv_buf *b, size_t len);
void vv_buf_put_u8(struct vv_buf *b, uint8_t v);
void vv_buf_put_u16(struct vv_buf *b, uint16_t v); /* all integers little-endian */
void vv_buf_put_u32(struct vv_buf *b, uint32_t v);
void vv_buf_put_u64(struct vv_buf *b, uint64_t v);
void vv_buf_put_varint(struct vv_buf *b, uint64_t v);  /* LEB128, at most 10 bytes, shortest form */
void vv_buf_put_signed(struct vv_buf *b, int64_t v);   /* zigzag, then varint */
void vv_buf_put_text(struct vv_buf *b, const char *s); /* the bytes of s without its NUL */
void vv_buf_printf(struct vv_buf *b, const char *fmt, ...) VV_PRINTF(2, 3);

/** vv_buf_check(b, err): VV_OK, or VV_ENOMEM if any append failed. */
MUST_CHECK enum vv_rc vv_buf_check(const struct vv_buf *b, struct vv_error *err);

/** vv_buf_text(b): the content as NUL-terminated text (NUL not counted in len); "" on failure. */
const char *vv_buf_text(struct vv_buf *b);

/** vv_buf_reset(b): empty it, keep the memory.  vv_buf_release(b): give the memory back, to {0}. */
void vv_buf_reset(struct vv_buf *b);
void vv_buf_release(struct vv_buf *b);

/** vv_buf_span(b): borrow the content. */
static inline struct vv_span
vv_buf_span(const struct vv_buf *b)
{
    return vv_span(b->data, b->len);
}

/**
 * A bounded, sticky reader for untrusted bytes: a read past the end (or a varint that is not in
 * shortest form or too long) sets `failed`, yields zeros and an empty span, and so does
 * everything after it.  Ask vv_reader_done at the end.
 */
struct vv_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct vv_reader
vv_reader(const void *data, size_t len)
{
    /* NULL + 0 is not defined in C, and an empty span may well be NULL. */
    const uint8_t *at = (const uint8_t *)data;
    return (struct vv_reader){.at = at, .end = at != NULL ? at + len : at, .failed = false};
}

uint8_t vv_get_u8(struct vv_reader *r);
uint16_t vv_get_u16(struct vv_reader *r);
uint32_t vv_get_u32(struct vv_reader *r);
uint64_t vv_get_u64(struct vv_reader *r);
uint64_t vv_get_varint(struct vv_reader *r);
int64_t vv_get_signed(struct vv_reader *r);
/** vv_get_bytes(r, count, size): borrow ${count} * ${size} bytes (overflow-checked), or empty. */
struct vv_span vv_get_bytes(struct vv_reader *r, uint64_t count, size_t size);
/** vv_get_copy(r, out, len): copy ${len} bytes to ${out} (zeros on failure). */
void vv_get_copy(struct vv_reader *r, void *out, size_t len);
/** vv_get_zeros(r, len): skip ${len} bytes that must all be zero. */
void vv_get_zeros(struct vv_reader *r, size_t len);

static inline size_t
vv_reader_left(const struct vv_reader *r)
{
    return r->failed ? 0 : (size_t)(r->end - r->at);
}

/** vv_reader_done(r): nothing failed and nothing is left over. */
static inline bool
vv_reader_done(const struct vv_reader *r)
{
    return !r->failed && r->at == r->end;
}

/** Raw little-endian access to memory known to be large enough. */
uint32_t vv_load_u32(const void *p);
uint64_t vv_load_u64(const void *p);
void vv_store_u32(void *p, uint32_t v);
void vv_store_u64(void *p, uint64_t v);

/** vv_hex(out, data, len): write 2*len lower-case digits and a NUL to ${out}. */
void vv_hex(char *out, const void *data, size_t len);
/** vv_unhex(out, len, text, text_len): exactly 2*len hexadecimal digits (lower case only) to
 *  ${out}; false if it is anything else. */
MUST_CHECK bool vv_unhex(void *out, size_t len, const char *text, size_t text_len);

#endif
