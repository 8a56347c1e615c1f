/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: the body of a config. */
#include "format/config.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf object = {0};
    struct vv_buf again = {0};
    struct config c;
    fuzz_container(FORMAT_CONFIG, data, size, &object);
    if (config_decode(vv_buf_span(&object), &c, NULL) == VV_OK) {
        fuzz_require(config_encode(&c, &again, NULL) == VV_OK);
        fuzz_signed_again(vv_buf_span(&object), &again);
        fuzz_same(vv_buf_span(&object), vv_buf_span(&again));
    }
    vv_buf_release(&object);
    vv_buf_release(&again);
    return 0;
}
