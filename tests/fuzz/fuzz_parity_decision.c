/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: the body of a decision about parity. */
#include "format/parity_object.h"
#include "fuzz_support.h"

static const struct vv_uuid repository = FUZZ_REPOSITORY;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf object = {0};
    struct vv_buf again = {0};
    struct parity_decision d;

    fuzz_container(FORMAT_PARITY_DECISION, data, size, &object);
    if (parity_decision_decode(vv_buf_span(&object), &repository, &d, NULL) == VV_OK) {
        fuzz_require(parity_decision_encode(&d, &repository, &again, NULL) == VV_OK);
        fuzz_same(vv_buf_span(&object), vv_buf_span(&again));
    }
    vv_buf_release(&object);
    vv_buf_release(&again);
    return 0;
}
