/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: the body of a site. */
#include "format/admin.h"
#include "fuzz_support.h"

static const struct vv_uuid repository = FUZZ_REPOSITORY;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf object = {0};
    struct vv_buf again = {0};
    struct site s;
    fuzz_container(FORMAT_SITE, data, size, &object);
    if (site_decode(vv_buf_span(&object), &repository, &s, NULL) == VV_OK) {
        fuzz_require(site_encode(&s, &repository, &again, NULL) == VV_OK);

        fuzz_same(vv_buf_span(&object), vv_buf_span(&again));
    }
    vv_buf_release(&object);
    vv_buf_release(&again);
    return 0;
}
