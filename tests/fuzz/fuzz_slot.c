/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: the body of a slot. */
#include "format/slot.h"
#include "format/snapshot.h"
#include "fuzz_support.h"

static const struct vv_uuid repository = FUZZ_REPOSITORY;

/* Every record inside is looked at too. */
static void
walk(const struct slot *s)
{
    struct vv_reader r = vv_reader(s->records.data, s->records.len);
    struct vv_span record;
    struct snapshot_record decoded;
    uint32_t count = 0;
    while (slot_next_record(&r, &record)) {
        count++;
        if (snapshot_record_decode(record, &repository, &decoded, NULL) == VV_OK) {
            fuzz_require(decoded.signed_part.len + decoded.signature.len == record.len);
        }
    }
    fuzz_require(vv_reader_done(&r) && count == s->record_count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf object = {0};
    struct vv_buf again = {0};
    struct slot s;
    fuzz_container(FORMAT_SLOT, data, size, &object);
    if (slot_decode(vv_buf_span(&object), &repository, &s, NULL) == VV_OK) {
        walk(&s);
        fuzz_require(slot_encode(&s, &repository, &again, NULL) == VV_OK);
        if (s.status == SLOT_FENCE) {
            fuzz_signed_again(vv_buf_span(&object), &again);
        } else {
            fuzz_require(container_finish(&again, NULL) == VV_OK);
        }
        fuzz_same(vv_buf_span(&object), vv_buf_span(&again));
    }
    vv_buf_release(&object);
    vv_buf_release(&again);
    return 0;
}
