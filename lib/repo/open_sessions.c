/* SPDX-License-Identifier: BSD-2-Clause */
/* Which sessions are open, and ending one from outside. */
#include "repo/open_sessions.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "format/slot.h"

#define ID_DIGITS 32u
#define BEAT_DIGITS_MAX 19u

bool
session_name_parse(const char *text, struct vv_uuid *ret_id, uint64_t *ret_beat)
{
    size_t len = strlen(text);
    uint64_t beat = 0;

    if (len < ID_DIGITS || !vv_uuid_parse(text, ID_DIGITS, ret_id)) {
        return false;
    }
    *ret_beat = 0;
    if (len == ID_DIGITS) {
        return true;
    }
    text += ID_DIGITS + 1;
    len -= ID_DIGITS + 1;
    if (text[-1] != '.' || len == 0 || len > BEAT_DIGITS_MAX || text[0] == '0') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        beat = beat * 10 + (uint64_t)(text[i] - '0');
    }
    *ret_beat = beat;
    return true;
}

static int
compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool
name_list_has(const struct name_list *l, const char *name)
{
    return l->count > 0 &&
           bsearch(&name, l->names, l->count, sizeof(*l->names), compare_text) != NULL;
}

static int
compare_sessions(const void *a, const void *b)
{
    return memcmp(((const struct open_session *)a)->id.b, ((const struct open_session *)b)->id.b,
                  16);
}

void
open_sessions_release(struct open_sessions *o)
{
    for (size_t i = 0; i < o->count; i++) {
        vv_free(o->items[i].snapshots);
    }
    vv_free(o->items);
    name_list_release(&o->slots);
    name_list_release(&o->sessions);
    memset(o, 0, sizeof(*o));
}

const struct open_session *
open_sessions_find(const struct open_sessions *o, const struct vv_uuid *id)
{
    struct open_session wanted = {.id = *id};

    return o->count == 0
               ? NULL
               : bsearch(&wanted, o->items, o->count, sizeof(*o->items), compare_sessions);
}

static enum vv_rc
copy_snapshots(const struct session_record *record, struct open_session *s, struct vv_error *err)
{
    s->snapshots = vv_alloc_array((size_t)record->snapshot_count + 1, sizeof(*s->snapshots));
    if (s->snapshots == NULL) {
        return vv_error_nomem(err);
    }
    s->snapshot_count = record->snapshot_count;
    for (uint32_t i = 0; i < record->snapshot_count; i++) {
        memcpy(s->snapshots[i].b, record->snapshots.data + (size_t)i * 16, 16);
    }
    return VV_OK;
}

/** What the registration says; *ret_gone: the session has ended and was cleaned away meanwhile. */
static enum vv_rc
read_registration(struct repo *r, const char *text, struct open_session *s, bool *ret_gone,
                  struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct session_record record;
    char name[sizeof("sessions/") + VV_UUID_TEXT] = "sessions/";
    enum vv_rc rc;

    memcpy(name + strlen(name), text, ID_DIGITS + 1);
    rc = storage_read_all(repo_storage(r), name, LIMIT_SMALL_OBJECT, &object, err);
    if (rc == VV_ENOTFOUND) { /* a heartbeat alone, or nothing any more */
        vv_error_clear(err);
        *ret_gone = s->beat == 0;
        return VV_OK;
    }
    if (rc == VV_OK) {
        rc = session_decode(vv_buf_span(&object), repo_id(r), &record, err);
    }
    if (rc == VV_ECORRUPT || rc == VV_ELIMIT || rc == VV_EUNSUPPORTED || rc == VV_EIO ||
        (rc == VV_OK && !vv_uuid_equal(&record.session, &s->id))) {
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    s->kind = record.kind;
    s->client = record.client;
    s->time = record.time;
    return record.snapshot_count > 0 ? copy_snapshots(&record, s, err) : VV_OK;
}

/** Is anything of that session in a grave?  Then it had a slot. */
static bool
in_grave(const struct admin_records *admin, const struct vv_uuid *id)
{
    size_t low = 0;
    size_t high = admin->grave_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(admin->graves[middle].session.b, id->b, 16) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < admin->grave_count && vv_uuid_equal(&admin->graves[low].session, id);
}

/** All names of one session stand side by side in the sorted list. */
static enum vv_rc
collect(struct repo *r, const struct admin_records *admin, struct open_sessions *o,
        struct vv_error *err)
{
    o->items = vv_alloc_array(o->sessions.count + 1, sizeof(*o->items));
    if (o->items == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < o->sessions.count;) {
        struct open_session s = {0};
        struct vv_uuid id;
        char text[VV_UUID_TEXT];
        uint64_t beat;
        bool gone = false;
        if (!session_name_parse(o->sessions.names[i], &s.id, &s.beat)) {
            i++;
            continue;
        }
        for (i++; i < o->sessions.count && session_name_parse(o->sessions.names[i], &id, &beat) &&
                  vv_uuid_equal(&id, &s.id);
             i++) {
            s.beat = beat > s.beat ? beat : s.beat;
        }
        vv_uuid_text(&s.id, text);
        if (name_list_has(&o->slots, text) || in_grave(admin, &s.id)) {
            continue;
        }
        VV_TRY(read_registration(r, text, &s, &gone, err));
        if (!gone) {
            o->items[o->count++] = s;
        }
    }
    if (o->count > 0) {
        qsort(o->items, o->count, sizeof(*o->items), compare_sessions);
    }
    return VV_OK;
}

/** Leave out what was buried since ${admin} was read: the grave came before the slot went. */
static enum vv_rc
drop_buried_since(struct repo *r, const struct admin_records *admin, struct open_sessions *o,
                  struct vv_error *err)
{
    struct admin_records now = {0};
    bool changed = false;
    size_t kept = 0;

    if (o->count > 0) {
        VV_TRY(admin_records_changed(r, admin, &changed, err));
    }
    if (!changed) {
        return VV_OK;
    }
    VV_TRY(admin_records_read(r, &now, err));
    for (size_t i = 0; i < o->count; i++) {
        if (in_grave(&now, &o->items[i].id)) {
            vv_free(o->items[i].snapshots);
        } else {
            o->items[kept++] = o->items[i];
        }
    }
    o->count = kept;
    admin_records_release(&now);
    return VV_OK;
}

enum vv_rc
open_sessions_read(struct repo *r, const struct admin_records *admin, struct open_sessions *ret,
                   struct vv_error *err)
{
    struct open_sessions o = {0};
    enum vv_rc rc = repo_list(r, "snapshots", &o.slots, err);

    if (rc == VV_OK) {
        rc = repo_list(r, "sessions", &o.sessions, err);
    }
    if (rc == VV_OK) {
        rc = collect(r, admin, &o, err);
    }
    if (rc == VV_OK) {
        rc = drop_buried_since(r, admin, &o, err);
    }
    if (rc != VV_OK) {
        open_sessions_release(&o);
        return rc;
    }
    *ret = o;
    return VV_OK;
}

enum vv_rc
session_fence(struct repo *r, const struct vv_uuid *id, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct slot slot = {.session = *id, .status = SLOT_FENCE};
    char name[sizeof("snapshots/") + VV_UUID_TEXT] = "snapshots/";
    uint8_t signature[FORMAT_SIGNATURE_LEN];

    vv_random(slot.nonce, sizeof(slot.nonce));
    vv_uuid_text(id, name + strlen(name));
    VV_TRY(slot_encode(&slot, repo_id(r), &object, err));
    keyring_admin_sign(repo_keyring(r), vv_buf_span(&object), signature);
    vv_buf_put(&object, signature, sizeof(signature));
    VV_TRY(container_finish(&object, err));
    return storage_publish(repo_storage(r), name, vv_buf_span(&object), err);
}
