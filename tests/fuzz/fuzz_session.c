/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: the body of a session. */
#include "format/session.h"
#include "fuzz_support.h"

static const struct vv_uuid repository = FUZZ_REPOSITORY;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf object = {0};
    struct vv_buf again = {0};
    struct session_record s;
    fuzz_container(FORMAT_SESSION, data, size, &object);
    if (session_decode(vv_buf_span(&object), &repository, &s, NULL) == VV_OK) {
        fuzz_require(session_encode(&s, &repository, &again, NULL) == VV_OK);

        fuzz_same(vv_buf_span(&object), vv_buf_span(&again));
    }
    vv_buf_release(&object);
    vv_buf_release(&again);
    return 0;
}
