/* SPDX-License-Identifier: BSD-2-Clause */
/* The chunks that copy snapshot records into packs (snapshot_commit makes them). */
#include "repo/record_chunks.h"

#include "repo/snapshots_internal.h"

/** A client's certificate as it lies in admin/; empty if it cannot be read. */
static enum vv_rc
read_certificate(struct repo *r, const struct certified *c, struct vv_buf *out,
                 struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
    enum vv_rc rc;

    vv_buf_reset(out);
    vv_buf_printf(&name, "admin/%s", c->name);
    (void)vv_buf_text(&name);
    VV_TRY(vv_buf_check(&name, err));
    rc = storage_read_all(repo_storage(r), vv_buf_text(&name), LIMIT_SMALL_OBJECT, out, err);
    if (rc == VV_ENOTFOUND || rc == VV_EIO || rc == VV_ELIMIT) {
        vv_error_clear(err);
        vv_buf_reset(out);
        return VV_OK;
    }
    return rc;
}

static enum vv_rc
add_id(struct repo *r, struct vv_span record, struct vv_span certificate, struct vv_buf *chunk,
       struct vv_buf *out, struct vv_error *err)
{
    struct vv_id id;

    vv_buf_reset(chunk);
    vv_buf_put_u32(chunk, (uint32_t)record.len);
    vv_buf_put(chunk, record.data, record.len);
    vv_buf_put_u32(chunk, (uint32_t)certificate.len);
    vv_buf_put(chunk, certificate.data, certificate.len);
    VV_TRY(vv_buf_check(chunk, err));
    chunk_id(repo_keyring(r), CHUNK_RECORD, vv_buf_span(chunk), &id);
    vv_buf_put(out, &id, sizeof(id));
    return vv_buf_check(out, err);
}

static bool
is_among(const struct vv_uuid *ids, size_t count, const struct vv_uuid *id)
{
    for (size_t i = 0; i < count; i++) {
        if (vv_uuid_equal(&ids[i], id)) {
            return true;
        }
    }
    return false;
}

static enum vv_rc
collect(struct repo *r, const struct slot_scan *s, const struct vv_uuid *without, size_t count,
        struct vv_buf *out, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf certificate = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf chunk = {0};

    for (size_t i = 0; i < s->admin.certificate_count; i++) {
        const struct certified *c = &s->admin.certificates[i];
        VV_TRY(read_certificate(r, c, &certificate, err));
        for (size_t j = 0; certificate.len > 0 && j < s->list.count; j++) {
            const struct snapshot *a = &s->list.snapshots[j];
            if (vv_uuid_equal(&a->client, &c->certificate.client) &&
                !is_among(without, count, &a->id)) {
                VV_TRY(add_id(r, vv_span(s->records.data + a->record_at, a->record_len),
                              vv_buf_span(&certificate), &chunk, out, err));
            }
        }
    }
    return VV_OK;
}

enum vv_rc
record_chunks_ids(struct repo *r, const struct vv_uuid *without, size_t count, struct vv_buf *out,
                  struct vv_error *err)
{
    struct slot_scan s;
    enum vv_rc rc;

    VV_TRY(slot_scan_read(r, SLOT_SCAN_RECORDS, &s, err));
    rc = collect(r, &s, without, count, out, err);
    slot_scan_release(&s);
    return rc;
}
