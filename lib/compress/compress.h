/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_COMPRESS_COMPRESS_H
#define VARVE_COMPRESS_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

/** zstd with reused contexts; one thread at a time per object.  Frames carry the content size and
 *  no checksum (the AEAD and the chunk ids are stronger). */
struct compressor;
struct decompressor;

#define COMPRESS_LEVEL 3 /* unless somebody asks for another */
/** What is going to be compressed.  Pages and logs of databases repeat what stands near, and little else:
 *  at the default level they get smaller tables than zstd has for it, which lie in the first cache.  They
 *  become no larger by it, and it takes 0.6 to 0.75 of the time (tests/bench/bench_compress). */
enum compress_content { COMPRESS_ANYTHING, COMPRESS_DATABASE };
/** compressor_new(level, content, ...): VV_EUSAGE if zstd has no such level. */
MUST_CHECK enum vv_rc compressor_new(int level, enum compress_content content,
                                     struct compressor **ret, struct vv_error *err);
void compressor_free(struct compressor *c);
VV_DEFINE_CLEANUP(struct compressor, compressor_free);
/** compress_bound(len): room compress_block needs. */
size_t compress_bound(size_t len);
/** compress_block(c, plain, out, cap, ret_len, err): one frame; VV_ELIMIT if ${cap} is too small.
 */
MUST_CHECK enum vv_rc compress_block(struct compressor *c, struct vv_span plain, uint8_t *out,
                                     size_t cap, size_t *ret_len, struct vv_error *err);

MUST_CHECK enum vv_rc decompressor_new(struct decompressor **ret, struct vv_error *err);
void decompressor_free(struct decompressor *d);
VV_DEFINE_CLEANUP(struct decompressor, decompressor_free);
/** decompress_block(d, frame, out, plain_len, err): the frame must be exactly one, declare and
 *  yield exactly ${plain_len} bytes; anything else (also a dictionary, or a window over 128 MiB) is
 *  VV_ECORRUPT.  Never writes more than ${plain_len} bytes; on failure their content is junk. */
MUST_CHECK enum vv_rc decompress_block(struct decompressor *d, struct vv_span frame, uint8_t *out,
                                       size_t plain_len, struct vv_error *err);

/** compressible(data): a cheap look (sampled byte histogram and repeats): false if compressing is
 *  surely wasted time.  Errs towards true. */
bool compressible(struct vv_span data);

#endif
