/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_CONFIG_H
#define VARVE_FORMAT_CONFIG_H

#include "format/common.h"

/*
 * `config`: immutable, signed by the administrator (kind C).  Body:
 *   u64 time of creation (ns since 1970, signed) | u16 chunker suite (1 = keyed Gear64, threshold)
 *   u32 chunk minimum | u32 chunk maximum | u64 chunk threshold (cut where hash < threshold)
 *   u32 page chunk size | u16 id suite (1 = keyed BLAKE2b-256) | u8 dedup trust (0 own and
 *   administrator's, 1 all) | 32 B administrator's Ed25519 public key | signature | trailer
 * Its hash (SHA-256 of the whole object) and the public key are inside every key slot; nothing in
 * config is used before both agree.
 */
struct config {
    struct vv_uuid repository;
    int64_t created;
    uint16_t chunker_suite;
    uint32_t chunk_min;
    uint32_t chunk_max;
    uint64_t chunk_threshold;
    uint32_t page_size;
    uint16_t id_suite;
    uint8_t dedup_trust;
    uint8_t admin_public[32];
};

/** config_encode(c, out, err): header and body, ready to be signed (append the signature, then
 *  container_finish). */
MUST_CHECK enum vv_rc config_encode(const struct config *c, struct vv_buf *out,
                                    struct vv_error *err);
/** config_decode(object, ret, err): limits and consistency checked; the signature is not. */
MUST_CHECK enum vv_rc config_decode(struct vv_span object, struct config *ret,
                                    struct vv_error *err);

#endif
