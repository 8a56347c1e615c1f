/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: the body of a condemned list. */
#include "format/admin.h"
#include "fuzz_support.h"

static const struct vv_uuid repository = FUZZ_REPOSITORY;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf object = {0};
    struct vv_buf again = {0};
    struct condemned c;
    fuzz_container(FORMAT_CONDEMNED, data, size, &object);
    if (condemned_decode(vv_buf_span(&object), &repository, &c, NULL) == VV_OK) {
        fuzz_require(condemned_encode(&c, &repository, &again, NULL) == VV_OK);
        fuzz_signed_again(vv_buf_span(&object), &again);
        fuzz_same(vv_buf_span(&object), vv_buf_span(&again));
    }
    vv_buf_release(&object);
    vv_buf_release(&again);
    return 0;
}
