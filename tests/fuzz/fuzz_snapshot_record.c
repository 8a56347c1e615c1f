/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a snapshot record. */
#include "format/snapshot.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf again = {0};
    struct snapshot_record s;
    struct snapshot_seen seen;
    if (snapshot_record_decode(vv_span(data, size), NULL, &s, NULL) == VV_OK) {
        uint32_t i = 0;
        while (snapshot_seen_at(&s.head, i, &seen)) {
            i++;
        }
        fuzz_require(i == s.head.seen_count);
        fuzz_require(snapshot_head_encode(&s.head, &again, NULL) == VV_OK);
        fuzz_same(vv_buf_span(&again), s.prefix);
        vv_buf_put_u32(&again, (uint32_t)s.sealed_body.len);
        vv_buf_put(&again, s.sealed_body.data, s.sealed_body.len);
        fuzz_same(vv_buf_span(&again), s.signed_part);
    }
    vv_buf_release(&again);
    return 0;
}
