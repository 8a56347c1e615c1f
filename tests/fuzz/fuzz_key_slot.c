/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: the body of a key slot. */
#include "format/key_slot.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf object = {0};
    struct vv_buf again = {0};
    struct key_slot s;
    fuzz_container(FORMAT_KEY_SLOT, data, size, &object);
    if (key_slot_decode(vv_buf_span(&object), &s, NULL) == VV_OK) {
        fuzz_require(key_slot_encode_prefix(&s, &again, NULL) == VV_OK);
        fuzz_same(vv_buf_span(&again), s.prefix);
        vv_buf_put(&again, s.envelope.data, s.envelope.len);
        fuzz_require(container_finish(&again, NULL) == VV_OK);
        fuzz_same(vv_buf_span(&object), vv_buf_span(&again));
    }
    vv_buf_release(&object);
    vv_buf_release(&again);
    return 0;
}
