/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: the body of an index segment. */
#include "format/index.h"
#include "fuzz_support.h"

static const struct vv_uuid repository = FUZZ_REPOSITORY;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf object = {0};
    struct vv_buf records = {0};
    struct vv_buf again = {0};
    struct index_iter it;
    struct index_record record;
    fuzz_container(FORMAT_INDEX, data, size, &object);
    if (index_segment_open(vv_buf_span(&object), &repository, &it, NULL) == VV_OK) {
        uint32_t count = it.left;
        while (index_segment_next(&it, &record)) {
            index_record_append(&record, &records);
        }
        if (index_segment_ok(&it) && count > 0) {
            fuzz_require(index_segment_encode(&repository, count, vv_buf_span(&records), &again,
                                              NULL) == VV_OK);
            fuzz_same(vv_buf_span(&object), vv_buf_span(&again));
        }
    }
    vv_buf_release(&object);
    vv_buf_release(&records);
    vv_buf_release(&again);
    return 0;
}
