/* SPDX-License-Identifier: BSD-2-Clause */
/* Snapshot records for copying. */
#include "repo/record_scan.h"

#include <string.h>

#include "repo/snapshots_internal.h"

void
record_scan_release(struct record_scan *s)
{
    snapshot_list_release(&s->list);
    vv_buf_release(&s->bytes);
    vv_buf_release(&s->hidden);
    admin_records_release(&s->admin);
    memset(s, 0, sizeof(*s));
}

/** Take out what forgets hide. */
static void
drop_hidden(struct record_scan *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->list.count; i++) {
        struct snapshot *snapshot = &s->list.snapshots[i];
        if (admin_forgotten(&s->admin, &snapshot->id) != NULL) {
            snapshot_body_release(&snapshot->body);
            vv_buf_put(&s->hidden, &snapshot->hash, sizeof(snapshot->hash));
        } else {
            s->list.snapshots[kept++] = *snapshot;
        }
    }
    s->list.count = kept;
}

enum vv_rc
record_scan_read(struct repo *r, struct record_scan *ret, struct vv_error *err)
{
    unsigned with = SLOT_SCAN_RECORDS | (repo_is_keyless(r) ? 0u : SLOT_SCAN_BODIES);
    struct record_scan out = {0};
    struct slot_scan s = {0};

    VV_TRY(slot_scan_read(r, with, &s, err));
    out.list = s.list;
    out.bytes = s.records;
    out.admin = s.admin;
    memset(&s.list, 0, sizeof(s.list));
    memset(&s.records, 0, sizeof(s.records));
    memset(&s.admin, 0, sizeof(s.admin));
    slot_scan_release(&s);
    drop_hidden(&out);
    if (out.hidden.failed) {
        record_scan_release(&out);
        return vv_error_nomem(err);
    }
    *ret = out;
    return VV_OK;
}

struct vv_span
record_bytes(const struct record_scan *s, const struct snapshot *snapshot)
{
    return vv_span(s->bytes.data + snapshot->record_at, snapshot->record_len);
}
