/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One zstd frame per block, and back.  Decompression trusts nothing: the frame's header is checked
 * against what the caller knows before zstd sees a block of it.
 */
#include "compress/compress.h"

#include <zstd.h>
#include <zstd_errors.h>

#include "core/alloc.h"

/* What `zstd -d` takes without being asked twice. */
#define WINDOW_MAX (UINT64_C(1) << 27)

struct compressor {
    ZSTD_CCtx *ctx;
};

struct decompressor {
    ZSTD_DCtx *ctx;
};

struct parameter {
    ZSTD_cParameter name;
    int value;
};

/* The frame's form. */
static const struct parameter always[] = {
    {ZSTD_c_contentSizeFlag, 1}, {ZSTD_c_checksumFlag, 0}, {ZSTD_c_dictIDFlag, 0}};
/* COMPRESS_DATABASE; figures in lib/README.md. */
static const struct parameter database[] = {{ZSTD_c_strategy, ZSTD_dfast},
                                            {ZSTD_c_hashLog, 13},
                                            {ZSTD_c_chainLog, 13},
                                            {ZSTD_c_minMatch, 5}};

/** Set parameters unless ${rc} says that something has failed. */
static size_t
set_parameters(ZSTD_CCtx *ctx, const struct parameter *p, size_t count, size_t rc)
{
    for (size_t i = 0; !ZSTD_isError(rc) && i < count; i++) {
        rc = ZSTD_CCtx_setParameter(ctx, p[i].name, p[i].value);
    }
    return rc;
}

enum vv_rc
compressor_new(int level, enum compress_content content, struct compressor **ret,
               struct vv_error *err)
{
    if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel()) {
        return vv_error_set(err, VV_EUSAGE, "compression level %d is not between %d and %d", level,
                            ZSTD_minCLevel(), ZSTD_maxCLevel());
    }
    VV_CLEANUP(compressor_freep) struct compressor *c = vv_alloc_array(1, sizeof(*c));
    if (c == NULL) {
        return vv_error_nomem(err);
    }
    c->ctx = ZSTD_createCCtx();
    if (c->ctx == NULL) {
        return vv_error_nomem(err);
    }
    size_t rc = ZSTD_CCtx_setParameter(c->ctx, ZSTD_c_compressionLevel, level);
    rc = set_parameters(c->ctx, always, VV_COUNT(always), rc);
    if (content == COMPRESS_DATABASE && level == COMPRESS_LEVEL) {
        rc = set_parameters(c->ctx, database, VV_COUNT(database), rc);
    }
    if (ZSTD_isError(rc)) {
        return vv_error_set(err, VV_EUSAGE, "zstd: %s", ZSTD_getErrorName(rc));
    }
    *ret = TAKE(c);
    return VV_OK;
}

void
compressor_free(struct compressor *c)
{
    if (c != NULL) {
        ZSTD_freeCCtx(c->ctx);
        vv_free(c);
    }
}

size_t
compress_bound(size_t len)
{
    return ZSTD_compressBound(len);
}

enum vv_rc
compress_block(struct compressor *c, struct vv_span plain, uint8_t *out, size_t cap,
               size_t *ret_len, struct vv_error *err)
{
    size_t len = ZSTD_compress2(c->ctx, out, cap, plain.data, plain.len);
    if (!ZSTD_isError(len)) {
        *ret_len = len;
        return VV_OK;
    }
    ZSTD_ErrorCode code = ZSTD_getErrorCode(len);
    if (code == ZSTD_error_memory_allocation) {
        return vv_error_nomem(err);
    }
    return vv_error_set(err, code == ZSTD_error_dstSize_tooSmall ? VV_ELIMIT : VV_EUSAGE,
                        "compressing %zu bytes: %s", plain.len, ZSTD_getErrorName(len));
}

enum vv_rc
decompressor_new(struct decompressor **ret, struct vv_error *err)
{
    VV_CLEANUP(decompressor_freep) struct decompressor *d = vv_alloc_array(1, sizeof(*d));
    if (d == NULL) {
        return vv_error_nomem(err);
    }
    d->ctx = ZSTD_createDCtx();
    if (d->ctx == NULL) {
        return vv_error_nomem(err);
    }
    *ret = TAKE(d);
    return VV_OK;
}

void
decompressor_free(struct decompressor *d)
{
    if (d != NULL) {
        ZSTD_freeDCtx(d->ctx);
        vv_free(d);
    }
}

/* What is wrong with the fixed part of a frame's header (RFC 8878, 3.1.1.1); NULL if nothing. */
static const char *
header_fault(struct vv_span frame)
{
    if (frame.len < 6 || vv_load_u32(frame.data) != ZSTD_MAGICNUMBER) {
        return "not a zstd frame"; /* a skippable frame neither */
    }
    uint8_t descriptor = frame.data[4];
    if ((descriptor & 3u) != 0) {
        return "the frame needs a dictionary";
    }
    if ((descriptor & 0x20u) == 0) { /* not a single segment: a window descriptor follows */
        unsigned exponent = frame.data[5] >> 3;
        unsigned mantissa = frame.data[5] & 7u;
        uint64_t base = UINT64_C(1) << (10 + exponent);
        if (base + base / 8 * mantissa > WINDOW_MAX) {
            return "the frame's window is too large";
        }
    }
    return NULL;
}

enum vv_rc
decompress_block(struct decompressor *d, struct vv_span frame, uint8_t *out, size_t plain_len,
                 struct vv_error *err)
{
    const char *fault = header_fault(frame);
    if (fault == NULL && ZSTD_getFrameContentSize(frame.data, frame.len) != plain_len) {
        fault = "the frame declares another length"; /* or none, or is cut off in the header */
    }
    if (fault == NULL && ZSTD_findFrameCompressedSize(frame.data, frame.len) != frame.len) {
        fault = "the frame is cut off or something follows it";
    }
    if (fault == NULL) {
        size_t got = ZSTD_decompressDCtx(d->ctx, out, plain_len, frame.data, frame.len);
        if (ZSTD_isError(got) && ZSTD_getErrorCode(got) == ZSTD_error_memory_allocation) {
            return vv_error_nomem(err);
        }
        if (ZSTD_isError(got)) {
            fault = ZSTD_getErrorName(got);
        } else if (got != plain_len) {
            fault = "the frame yields another length";
        }
    }
    if (fault != NULL) {
        return vv_error_set(err, VV_ECORRUPT, "compressed block: %s", fault);
    }
    return VV_OK;
}
