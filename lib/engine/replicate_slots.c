/* SPDX-License-Identifier: BSD-2-Clause */
/* Which snapshot records the destination has in its slots; the journal remembers, slots never change. */
#include <string.h>

#include "crypto/hash.h"
#include "engine/replicate_internal.h"
#include "format/slot.h"

static enum vv_rc
add_hashes(struct id_table *t, const struct vv_id *hashes, size_t count, struct vv_error *err)
{
    struct id_slot *slot;
    bool is_new;

    for (size_t i = 0; i < count; i++) {
        VV_TRY(id_table_put(t, &hashes[i], &slot, &is_new, err));
    }
    return VV_OK;
}

/** Hashes of the records of one slot; none if it is no slot that could be read. */
static enum vv_rc
slot_hashes(struct destination *d, const char *name, const struct vv_uuid *session,
            struct vv_buf *object, struct vv_buf *hashes, struct vv_error *err)
{
    struct vv_buf path = {0};
    struct vv_reader in;
    struct vv_span record;
    struct slot slot;
    enum vv_rc rc;

    vv_buf_reset(object);
    vv_buf_reset(hashes);
    vv_buf_printf(&path, "snapshots/%s", name);
    rc = storage_read_all(d->storage, vv_buf_text(&path), LIMIT_SLOT, object, err);
    vv_buf_release(&path);
    VV_TRY(rc);
    VV_TRY(slot_decode(vv_buf_span(object), repo_id(d->site), &slot, err));
    if (!vv_uuid_equal(&slot.session, session) || slot.status != SLOT_RECORDS) {
        return VV_OK;
    }
    in = vv_reader(slot.records.data, slot.records.len);
    while (slot_next_record(&in, &record)) {
        struct vv_id hash;
        sha256(record.data, record.len, hash.b);
        vv_buf_put(hashes, &hash, sizeof(hash));
    }
    return vv_buf_check(hashes, err);
}

enum vv_rc
site_record_hashes(struct destination *d, struct id_table *ret, struct vv_error *err)
{
    struct vv_buf object = {0};
    struct vv_buf hashes = {0};
    struct name_list names;
    enum vv_rc rc = VV_OK;

    VV_TRY(repo_list(d->site, "snapshots", &names, err));
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        struct vv_uuid session;
        const struct vv_id *known;
        size_t count;
        if (!vv_uuid_parse(names.names[i], strlen(names.names[i]), &session)) {
            continue;
        }
        if (replica_journal_slot(d->journal, &session, names.sizes[i], &known, &count)) {
            rc = add_hashes(ret, known, count, err);
            continue;
        }
        rc = slot_hashes(d, names.names[i], &session, &object, &hashes, err);
        if (rc == VV_OK) {
            known = (const void *)hashes.data;
            count = hashes.len / sizeof(*known);
            rc = add_hashes(ret, known, count, err);
        }
        if (rc == VV_OK) {
            rc = replica_journal_note_slot(d->journal, &session, names.sizes[i], known, count, err);
        } else if (rc == VV_ECORRUPT || rc == VV_EUNSUPPORTED || rc == VV_ENOTFOUND ||
                   rc == VV_ELIMIT || rc == VV_EIO) { /* what it may hold is not visible there */
            vv_error_clear(err);
            rc = VV_OK;
        }
    }
    vv_buf_release(&object);
    vv_buf_release(&hashes);
    name_list_release(&names);
    return rc;
}
