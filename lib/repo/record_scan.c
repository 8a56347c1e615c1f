/* SPDX-License-Identifier: BSD-2-Clause */
/* Snapshot records for copying, and the forgets that hide some. */
#include "repo/record_scan.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "repo/snapshots_internal.h"

static int
compare_uuids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct vv_uuid));
}

void
forgotten_set_release(struct forgotten_set *f)
{
    vv_free(f->hidden);
    vv_free(f->gone);
    memset(f, 0, sizeof(*f));
}

bool
forgotten_contains(const struct vv_uuid *sorted, size_t count, const struct vv_uuid *id)
{
    return count > 0 && bsearch(id, sorted, count, sizeof(*sorted), compare_uuids) != NULL;
}

/** Read one authentic record that counts here; false if it is none. */
static bool
read_admin(struct repo *r, const char *file, struct vv_buf *object, struct admin_record *ret)
{
    struct vv_buf name = {0};
    struct vv_reader body;
    bool ok;

    vv_buf_printf(&name, "admin/%s", file);
    ok = repo_read_object(r, vv_buf_text(&name), FORMAT_ADMIN, LIMIT_ADMIN, object, &body, NULL) ==
             VV_OK &&
         admin_decode(vv_buf_span(object), repo_id(r), ret, NULL) == VV_OK &&
         keyring_admin_verify_object(repo_keyring(r), vv_buf_span(object)) &&
         (vv_uuid_is_zero(&ret->site) || vv_uuid_equal(&ret->site, &repo_site(r)->id));
    vv_buf_release(&name);
    return ok;
}

/** How a forget ended: 0 if it did not. */
static unsigned
outcome_of(struct repo *r, const struct admin_records *admin, const char *file)
{
    struct vv_buf object = {0};
    struct vv_buf end = {0};
    struct admin_record record;
    enum forget_outcome outcome = 0;
    unsigned found = 0;

    vv_buf_printf(&end, "%s.end", file);
    for (size_t i = 0; i < admin->names.count && found == 0; i++) {
        if (strcmp(admin->names.names[i], vv_buf_text(&end)) == 0 &&
            read_admin(r, admin->names.names[i], &object, &record) &&
            record.type == ADMIN_FORGET_END &&
            forget_end_decode(record.payload, &outcome, NULL) == VV_OK) {
            found = (unsigned)outcome;
        }
    }
    vv_buf_release(&object);
    vv_buf_release(&end);
    return found;
}

static bool
is_forget(const char *file)
{
    return strncmp(file, "forget-", 7) == 0 && strchr(file, '.') == NULL;
}

enum vv_rc
forgotten_read(struct repo *r, const struct admin_records *admin, struct forgotten_set *ret,
               struct vv_error *err)
{
    struct vv_buf object = {0};
    struct vv_buf hidden = {0};
    struct vv_buf gone = {0};
    enum vv_rc rc;

    for (size_t i = 0; i < admin->names.count; i++) {
        const char *file = admin->names.names[i];
        struct admin_record record;
        struct forget forget;
        unsigned outcome;
        if (!is_forget(file) || !read_admin(r, file, &object, &record) ||
            record.type != ADMIN_FORGET || forget_decode(record.payload, &forget, NULL) != VV_OK) {
            continue;
        }
        outcome = outcome_of(r, admin, file);
        if (outcome != FORGET_CANCELLED) {
            vv_buf_put(&hidden, forget.snapshots.data, forget.snapshots.len);
        }
        if (outcome == FORGET_CARRIED_OUT) {
            vv_buf_put(&gone, forget.snapshots.data, forget.snapshots.len);
        }
    }
    vv_buf_release(&object);
    rc = vv_buf_check(&hidden, err);
    if (rc == VV_OK) {
        rc = vv_buf_check(&gone, err);
    }
    if (rc != VV_OK) {
        vv_buf_release(&hidden);
        vv_buf_release(&gone);
        return rc;
    }
    *ret = (struct forgotten_set){.hidden = (struct vv_uuid *)(void *)hidden.data,
                                  .hidden_count = hidden.len / sizeof(struct vv_uuid),
                                  .gone = (struct vv_uuid *)(void *)gone.data,
                                  .gone_count = gone.len / sizeof(struct vv_uuid)};
    if (ret->hidden_count > 0) {
        qsort(ret->hidden, ret->hidden_count, sizeof(*ret->hidden), compare_uuids);
    }
    if (ret->gone_count > 0) {
        qsort(ret->gone, ret->gone_count, sizeof(*ret->gone), compare_uuids);
    }
    return VV_OK;
}

void
record_scan_release(struct record_scan *s)
{
    snapshot_list_release(&s->list);
    vv_buf_release(&s->bytes);
    admin_records_release(&s->admin);
    memset(s, 0, sizeof(*s));
}

/** Take out what forgets hide. */
static void
drop_hidden(struct record_scan *s, const struct forgotten_set *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->list.count; i++) {
        struct snapshot *snapshot = &s->list.snapshots[i];
        if (forgotten_contains(f->hidden, f->hidden_count, &snapshot->id)) {
            snapshot_body_release(&snapshot->body);
            s->hidden++;
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
    struct forgotten_set forgotten = {0};
    struct record_scan out = {0};
    struct slot_scan s = {0};
    enum vv_rc rc;

    VV_TRY(slot_scan_read(r, with, &s, err));
    out.list = s.list;
    out.bytes = s.records;
    out.admin = s.admin;
    memset(&s.list, 0, sizeof(s.list));
    memset(&s.records, 0, sizeof(s.records));
    memset(&s.admin, 0, sizeof(s.admin));
    slot_scan_release(&s);
    rc = forgotten_read(r, &out.admin, &forgotten, err);
    if (rc != VV_OK) {
        record_scan_release(&out);
        return rc;
    }
    drop_hidden(&out, &forgotten);
    forgotten_set_release(&forgotten);
    *ret = out;
    return VV_OK;
}

struct vv_span
record_bytes(const struct record_scan *s, const struct snapshot *snapshot)
{
    return vv_span(s->bytes.data + snapshot->record_at, snapshot->record_len);
}
