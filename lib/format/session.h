/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_SESSION_H
#define VARVE_FORMAT_SESSION_H

#include "format/common.h"

/*
 * Registered session `sessions/<sid>` and its heartbeats `sessions/<sid>.<n>` (n decimal, from 1),
 * kind E: 16 B session | u8 kind | 16 B client | i64 time (ns) | u64 heartbeat number (0 when
 * registering) | 16 random bytes | u32 count, that many 16 B snapshot ids (readers only)
 */
enum session_kind {
    SESSION_BACKUP = 1,
    SESSION_REPLICATE = 2,
    SESSION_REPAIR = 3,
    SESSION_PRUNE = 4,
    SESSION_READER = 5,
    SESSION_ADMIN = 6, /* key management */
};
struct session_record {
    struct vv_uuid session;
    enum session_kind kind;
    struct vv_uuid client;
    int64_t time;
    uint64_t beat;
    uint8_t nonce[16];
    uint32_t snapshot_count;
    struct vv_span snapshots; /* snapshot_count * 16 bytes, borrowed */
};
MUST_CHECK enum vv_rc session_encode(const struct session_record *s, const struct vv_uuid *repo,
                                     struct vv_buf *out, struct vv_error *err);
MUST_CHECK enum vv_rc session_decode(struct vv_span object, const struct vv_uuid *repo,
                                     struct session_record *ret, struct vv_error *err);

#endif
