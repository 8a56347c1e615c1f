/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands inside the administrator's records that retention works with. */
#include <assert.h>

#include "format/admin.h"

static_assert(FIRST_LISTED_LEN == 16 + 8, "varve-format(5), listed");

static void
put_ids(struct vv_buf *out, struct vv_span ids, uint32_t count)
{
    if (ids.len != (uint64_t)count * 16) {
        out->failed = true;
        return;
    }
    vv_buf_put_u32(out, count);
    if (ids.len > 0) {
        vv_buf_put(out, ids.data, ids.len);
    }
}

void
forget_encode(const struct forget *f, struct vv_buf *out)
{
    put_ids(out, f->snapshots, f->count);
    vv_buf_put_u64(out, (uint64_t)f->grace);
}

enum vv_rc
forget_decode(struct vv_span payload, struct forget *ret, struct vv_error *err)
{
    struct forget f;
    struct vv_reader r = vv_reader(payload.data, payload.len);

    f.count = vv_get_u32(&r);
    f.snapshots = vv_get_bytes(&r, f.count, 16);
    f.grace = (int64_t)vv_get_u64(&r);
    if (!vv_reader_done(&r) || f.grace < 0) {
        return vv_error_set(err, VV_ECORRUPT, "forget: impossible content");
    }
    *ret = f;
    return VV_OK;
}

void
forget_end_encode(const struct forget_end *e, struct vv_buf *out)
{
    vv_buf_put(out, e->forget.b, sizeof(e->forget.b));
    vv_buf_put_u8(out, (uint8_t)e->outcome);
}

enum vv_rc
forget_end_decode(struct vv_span payload, struct forget_end *ret, struct vv_error *err)
{
    struct vv_reader r = vv_reader(payload.data, payload.len);
    struct forget_end e;
    uint8_t outcome;

    vv_get_copy(&r, e.forget.b, sizeof(e.forget.b));
    outcome = vv_get_u8(&r);
    if (!vv_reader_done(&r)) {
        return vv_error_set(err, VV_ECORRUPT, "end of a forget: wrong length");
    }
    if (outcome < FORGET_CARRIED_OUT || outcome > FORGET_CANCELLED) {
        return vv_error_set(err, VV_EUNSUPPORTED, "end of a forget: unknown outcome %u", outcome);
    }
    e.outcome = (enum forget_outcome)outcome;
    *ret = e;
    return VV_OK;
}

void
pin_encode(const struct pin *p, struct vv_buf *out)
{
    vv_buf_put(out, p->snapshot.b, sizeof(p->snapshot.b));
    vv_buf_put_u64(out, (uint64_t)p->until);
    vv_buf_put_u8(out, p->pinned ? 1 : 2);
}

enum vv_rc
pin_decode(struct vv_span payload, struct pin *ret, struct vv_error *err)
{
    struct pin p;
    struct vv_reader r = vv_reader(payload.data, payload.len);
    uint8_t what;

    vv_get_copy(&r, p.snapshot.b, sizeof(p.snapshot.b));
    p.until = (int64_t)vv_get_u64(&r);
    what = vv_get_u8(&r);
    if (!vv_reader_done(&r)) {
        return vv_error_set(err, VV_ECORRUPT, "pin: wrong length");
    }
    if (what < 1 || what > 2) {
        return vv_error_set(err, VV_EUNSUPPORTED, "pin: unknown action %u", what);
    }
    p.pinned = what == 1;
    *ret = p;
    return VV_OK;
}

void
first_listed_begin(struct vv_buf *out, uint32_t count)
{
    vv_buf_put_u32(out, count);
}

void
first_listed_put(struct vv_buf *out, const struct first_listed *l)
{
    vv_buf_put(out, l->snapshot.b, sizeof(l->snapshot.b));
    vv_buf_put_u64(out, (uint64_t)l->time);
}

enum vv_rc
first_listed_open(struct vv_span payload, struct vv_reader *ret, uint32_t *ret_count,
                  struct vv_error *err)
{
    return counted_list_open(payload, FIRST_LISTED_LEN, "listed", ret, ret_count, err);
}

void
first_listed_next(struct vv_reader *r, struct first_listed *ret)
{
    vv_get_copy(r, ret->snapshot.b, sizeof(ret->snapshot.b));
    ret->time = (int64_t)vv_get_u64(r);
}

void
accepted_encode(const struct vv_uuid *snapshots, uint32_t count, struct vv_buf *out)
{
    put_ids(out, vv_span(snapshots, (size_t)count * sizeof(*snapshots)), count);
}

enum vv_rc
accepted_decode(struct vv_span payload, struct vv_span *ret_ids, uint32_t *ret_count,
                struct vv_error *err)
{
    struct vv_reader r;

    VV_TRY(counted_list_open(payload, 16, "accepted", &r, ret_count, err));
    *ret_ids = vv_get_bytes(&r, *ret_count, 16);
    return VV_OK;
}
