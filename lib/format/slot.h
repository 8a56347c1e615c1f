/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_SLOT_H
#define VARVE_FORMAT_SLOT_H

#include "format/common.h"

/*
 * Slot `snapshots/<sid>` (kind T): 16 B session | u8 status | 16 random bytes | u32 count | per
 * record: u32 length, snapshot record | [status fence: 64 B administrator's signature] | trailer
 */
enum slot_status {
    SLOT_RECORDS = 1, /* one or more snapshot records, each complete and signed in itself */
    SLOT_EMPTY = 2,   /* finished without a snapshot */
    SLOT_FENCE = 3,   /* closed by a prune; counts only with the administrator's signature */
};
struct slot {
    struct vv_uuid session;
    enum slot_status status;
    uint8_t nonce[16];
    uint32_t record_count;
    struct vv_span records; /* the length-prefixed records; walk with slot_next_record */
};
/** slot_encode(s, repo, out, err): up to and without signature and trailer: append the
 *  signature if it is a fence, then container_finish.  ${s->records} is what slot_append_record
 *  produced. */
MUST_CHECK enum vv_rc slot_encode(const struct slot *s, const struct vv_uuid *repo,
                                  struct vv_buf *out, struct vv_error *err);
void slot_append_record(struct vv_buf *records, struct vv_span record);
MUST_CHECK enum vv_rc slot_decode(struct vv_span object, const struct vv_uuid *repo,
                                  struct slot *ret, struct vv_error *err);
/** slot_next_record(r, ret): iterate with a reader over s.records; false at the end. */
MUST_CHECK bool slot_next_record(struct vv_reader *r, struct vv_span *ret);

#endif
