/* SPDX-License-Identifier: BSD-2-Clause */
/* What a site has decided about parity. */

#include "format/parity_object.h"

#define DECIDED_ON 1u
#define DECIDED_OFF 2u

enum vv_rc
parity_decision_encode(const struct parity_decision *d, const struct vv_uuid *repo,
                       struct vv_buf *out, struct vv_error *err)
{
    container_begin(out, FORMAT_PARITY_DECISION, repo);
    vv_buf_put(out, d->site.b, sizeof(d->site.b));
    vv_buf_put_u8(out, d->on ? DECIDED_ON : DECIDED_OFF);
    vv_buf_put_u64(out, (uint64_t)d->time);
    vv_buf_put(out, d->nonce, sizeof(d->nonce));
    return container_finish(out, err);
}

enum vv_rc
parity_decision_decode(struct vv_span object, const struct vv_uuid *repo,
                       struct parity_decision *ret, struct vv_error *err)
{
    struct parity_decision d;
    struct vv_reader r;
    uint8_t what;

    VV_TRY(container_open(object, FORMAT_PARITY_DECISION, repo, &r, err));
    vv_get_copy(&r, d.site.b, sizeof(d.site.b));
    what = vv_get_u8(&r);
    d.time = (int64_t)vv_get_u64(&r);
    vv_get_copy(&r, d.nonce, sizeof(d.nonce));
    if (!vv_reader_done(&r) || (what != DECIDED_ON && what != DECIDED_OFF)) {
        return vv_error_set(err, VV_ECORRUPT, "decision about parity: wrong length or value");
    }
    d.on = what == DECIDED_ON;
    *ret = d;
    return VV_OK;
}
