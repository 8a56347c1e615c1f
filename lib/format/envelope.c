/* SPDX-License-Identifier: BSD-2-Clause */
/* The layout of the envelope around everything small that is encrypted. */
#include "format/envelope.h"

enum vv_rc
envelope_decode(struct vv_span bytes, struct envelope *ret, struct vv_error *err)
{
    if (bytes.len < ENVELOPE_OVERHEAD) {
        return vv_error_set(err, VV_ECORRUPT, "envelope: too short (%zu bytes)", bytes.len);
    }
    struct envelope e;
    struct vv_reader r = vv_reader(bytes.data, bytes.len);
    e.suite = vv_get_u8(&r);
    vv_get_copy(&r, e.salt, sizeof(e.salt));
    vv_get_copy(&r, e.commitment, sizeof(e.commitment));
    e.plain_len = vv_get_u32(&r);
    e.ciphertext = vv_get_bytes(&r, vv_reader_left(&r), 1);
    if (!vv_reader_done(&r) || e.ciphertext.len != (size_t)e.plain_len + 16) {
        return vv_error_set(err, VV_ECORRUPT, "envelope: wrong length");
    }
    if (e.suite < 1 || e.suite > 2) {
        return vv_error_set(err, VV_EUNSUPPORTED, "envelope: unknown cipher suite %u", e.suite);
    }
    *ret = e;
    return VV_OK;
}
