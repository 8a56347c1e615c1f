/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a parity object, and healing with it.  No fuzzer guesses a SHA-256, so the one of the
 * first table is made right; then ${size} of its own bytes play the pack. */
#include "crypto/hash.h"
#include "format/parity_object.h"
#include "fuzz_support.h"

#define FIXED 64u            /* header, size, hash */
#define PACK_MAX (64u << 10) /* what is worth healing here */

static const struct vv_uuid repository = FUZZ_REPOSITORY;

/** The hash at the end of a table of ${stripes} stripes. */
static void
seal_table(uint8_t *bytes, size_t size, uint64_t stripes)
{
    size_t at = FIXED + (size_t)stripes * 34 * 8;

    if (at + 32 <= size) {
        sha256(bytes, at, bytes + at);
    }
}

static void
heal(const struct parity_object *o, const uint8_t *data, size_t size)
{
    uint8_t *image = malloc((size_t)o->pack_size);
    struct parity_outcome outcome;
    uint64_t present = size < o->pack_size ? size : o->pack_size;

    fuzz_require(image != NULL);
    memcpy(image, data, (size_t)present);
    fuzz_require(parity_object_heal(o, image, present, &outcome, NULL) == VV_OK);
    fuzz_require(!outcome.whole || outcome.lost.len == 0);
    parity_outcome_release(&outcome);
    free(image);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size + 1);
    struct parity_object o;

    fuzz_require(bytes != NULL);
    if (size > 0) {
        memcpy(bytes, data, size);
    }
    for (int sealed = 0; sealed < 2; sealed++) {
        if (parity_object_decode(vv_span(bytes, size), &repository, &o, NULL) == VV_OK &&
            o.pack_size <= PACK_MAX) {
            heal(&o, data, size);
        }
        if (size >= FIXED) {
            uint64_t shard = (vv_load_u64(bytes + 24) % LIMIT_PACK + 31) / 32;
            seal_table(bytes, size, (shard + PARITY_STRIPE - 1) / PARITY_STRIPE);
        }
    }
    free(bytes);
    return 0;
}
