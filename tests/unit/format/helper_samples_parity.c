/* SPDX-License-Identifier: BSD-2-Clause */
/* Samples of parity. */
#include "helper_samples_internal.h"

#include "crypto/hash.h"
#include "format/parity_object.h"

#define SAMPLE_PACK 70

void
build_parity_object(struct vv_buf *out)
{
    uint8_t pack[SAMPLE_PACK];
    struct vv_id hash;

    for (size_t i = 0; i < sizeof(pack); i++) {
        pack[i] = (uint8_t)(i * i + 3);
    }
    sha256(pack, sizeof(pack), hash.b);
    OK(parity_object_encode(vv_span(pack, sizeof(pack)), &hash, &sample_repository, out, NULL));
}

/* Damaged objects may be of use; for these tests only a whole one counts. */
enum vv_rc
decode_parity_object(struct vv_span bytes, struct vv_error *err)
{
    struct parity_object o;

    VV_TRY(parity_object_decode(bytes, &sample_repository, &o, err));
    return o.whole ? VV_OK : vv_error_set(err, VV_ECORRUPT, "damaged");
}

void
build_parity_decision(struct vv_buf *out)
{
    struct parity_decision d = {
        .site = sample_uuid(8), .on = true, .time = 1700000000000000000, .nonce = {9, 8, 7}};

    OK(parity_decision_encode(&d, &sample_repository, out, NULL));
}

enum vv_rc
decode_parity_decision(struct vv_span bytes, struct vv_error *err)
{
    struct parity_decision d;

    return parity_decision_decode(bytes, &sample_repository, &d, err);
}
