/* SPDX-License-Identifier: BSD-2-Clause */
/* Into graves, and the slots they make superfluous. */
#include "repo/bury_internal.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "format/slot.h"
#include "format/snapshot.h"

#define EMPTY_SLOT_MAX 256u /* a slot without records is smaller, one with is larger */
#define SLOT_NAME (sizeof("snapshots/") + VV_UUID_TEXT)

/* --- reading slots ---------------------------------------------------------------------------- */

/** One slot; VV_ENOTFOUND: it is gone.  *ret_whole false: it cannot be decoded, or lies under a
 *  name that is not its session's. */
static enum vv_rc
read_slot(struct repo *r, const char *text, struct vv_buf *object, struct slot *ret,
          bool *ret_whole, struct vv_error *err)
{
    char name[SLOT_NAME] = "snapshots/";
    struct vv_uuid id;
    enum vv_rc rc;

    *ret_whole = false;
    if (!vv_uuid_parse(text, strlen(text), &id)) {
        return VV_OK;
    }
    memcpy(name + strlen(name), text, VV_UUID_TEXT);
    vv_buf_reset(object);
    rc = storage_read_all(repo_storage(r), name, LIMIT_SLOT, object, err);
    if (rc == VV_OK) {
        rc = slot_decode(vv_buf_span(object), repo_id(r), ret, err);
    }
    if (rc == VV_ECORRUPT || rc == VV_EUNSUPPORTED || rc == VV_ELIMIT || rc == VV_EIO) {
        vv_error_clear(err); /* who lists snapshots tells */
        return VV_OK;
    }
    VV_TRY(rc);
    *ret_whole = vv_uuid_equal(&ret->session, &id);
    return VV_OK;
}

/* --- into graves ------------------------------------------------------------------------------ */

static int
compare_uuids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct vv_uuid));
}

struct burying {
    struct repo *repo;
    const struct vv_uuid *snapshots; /* sorted */
    size_t count;
    struct admin_records admin;
    struct vv_buf graves; /* struct grave */
    struct vv_buf heads;  /* struct snapshot_seen: of what is not buried */
};

/** What an unsigned record says must not get into a grave, which is believed. */
static bool
is_authentic(const struct burying *b, const struct snapshot_record *record)
{
    const struct certificate *c = admin_certificate(&b->admin, &record->head.client);

    return certificate_may_write(c) &&
           ed25519_verify(c->ed25519, record->signed_part, record->signature.data);
}

static void
bury_record(struct burying *b, const struct slot *slot, const struct snapshot_record *record,
            struct vv_span bytes)
{
    const struct snapshot_head *h = &record->head;
    struct grave g;

    memset(&g, 0, sizeof(g)); /* what lies between the members, too */
    g.session = slot->session;
    g.snapshot = h->id;
    g.client = h->client;
    g.sequence = h->sequence;
    sha256(bytes.data, bytes.len, g.hash.b);
    g.previous = h->previous;
    g.site = h->site;
    g.reason = GRAVE_FORGOTTEN;
    vv_buf_put(&b->graves, &g, sizeof(g));
}

static enum vv_rc
bury_records(struct burying *b, const struct slot *slot, struct vv_error *err)
{
    struct vv_reader in = vv_reader(slot->records.data, slot->records.len);
    struct vv_span bytes;

    while (slot_next_record(&in, &bytes)) {
        struct snapshot_record record;
        if (snapshot_record_decode(bytes, repo_id(b->repo), &record, NULL) != VV_OK ||
            !is_authentic(b, &record)) {
            continue;
        }
        if (b->count > 0 && bsearch(&record.head.id, b->snapshots, b->count, sizeof(*b->snapshots),
                                    compare_uuids) != NULL) {
            bury_record(b, slot, &record, bytes);
        } else if (!admin_buried(&b->admin, &slot->session, &record.head.id) &&
                   !admin_revoked(&b->admin, &record.head.client, record.head.sequence)) {
            struct snapshot_seen head;
            memset(&head, 0, sizeof(head));
            head.client = record.head.client;
            head.sequence = record.head.sequence;
            sha256(bytes.data, bytes.len, head.hash.b);
            graves_note_head(&b->heads, &head);
        }
    }
    VV_TRY(vv_buf_check(&b->heads, err));
    return vv_buf_check(&b->graves, err);
}

static enum vv_rc
bury_in_slots(struct burying *b, const struct name_list *names, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};

    for (size_t i = 0; i < names->count; i++) {
        struct slot slot;
        bool whole;
        enum vv_rc rc = read_slot(b->repo, names->names[i], &object, &slot, &whole, err);
        if (rc == VV_ENOTFOUND) {
            vv_error_clear(err);
            continue;
        }
        VV_TRY(rc);
        if (whole && slot.status == SLOT_RECORDS) {
            VV_TRY(bury_records(b, &slot, err));
        }
    }
    return VV_OK;
}

enum vv_rc
bury_snapshots(struct repo *r, const struct vv_uuid *snapshots, size_t count, size_t *ret_buried,
               struct vv_error *err)
{
    struct burying b = {.repo = r, .snapshots = snapshots, .count = count};
    struct name_list names;
    size_t found;
    enum vv_rc rc;

    VV_TRY(repo_list(r, "snapshots", &names, err));
    rc = admin_records_read(r, &b.admin, err);
    if (rc == VV_OK) {
        rc = bury_in_slots(&b, &names, err);
    }
    name_list_release(&names);
    admin_records_release(&b.admin);
    found = b.graves.len / sizeof(struct grave);
    if (rc == VV_OK && found > 0) {
        rc = graves_publish(r, &b.graves, &b.heads, err);
    }
    vv_buf_release(&b.graves);
    vv_buf_release(&b.heads);
    VV_TRY(rc);
    *ret_buried = found;
    return VV_OK;
}

enum vv_rc
bury_empty_sessions(struct repo *r, size_t least, size_t *ret_buried, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf graves = {0};
    struct name_list names;
    size_t found;
    enum vv_rc rc;

    VV_TRY(repo_list(r, "snapshots", &names, err));
    rc = VV_OK;
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        struct slot slot = {0};
        bool whole = false;
        if (names.sizes[i] <= EMPTY_SLOT_MAX) {
            rc = read_slot(r, names.names[i], &object, &slot, &whole, err);
        }
        if (rc == VV_ENOTFOUND) {
            vv_error_clear(err);
            rc = VV_OK;
        } else if (rc == VV_OK && whole && slot.record_count == 0) {
            struct grave g;
            memset(&g, 0, sizeof(g));
            g.session = slot.session;
            g.reason = GRAVE_FENCED;
            vv_buf_put(&graves, &g, sizeof(g));
            rc = vv_buf_check(&graves, err);
        }
    }
    name_list_release(&names);
    VV_TRY(rc);
    found = graves.len / sizeof(struct grave);
    *ret_buried = 0;
    if (found >= least && found > 0) {
        VV_TRY(graves_publish(r, &graves, &(const struct vv_buf){0}, err));
        *ret_buried = found;
    }
    return VV_OK;
}

/* --- what is buried goes ---------------------------------------------------------------------- */

/** Is everything the slot holds in graves?  (G1) */
static bool
is_buried(const struct admin_records *admin, struct repo *r, const struct slot *slot)
{
    struct vv_reader in = vv_reader(slot->records.data, slot->records.len);
    struct vv_span bytes;

    if (admin_buried(admin, &slot->session, NULL)) {
        return true;
    }
    if (slot->status != SLOT_RECORDS) {
        return false;
    }
    while (slot_next_record(&in, &bytes)) {
        struct snapshot_record record;
        if (snapshot_record_decode(bytes, repo_id(r), &record, NULL) != VV_OK ||
            !admin_buried(admin, &slot->session, &record.head.id)) {
            return false;
        }
    }
    return true;
}

/** Is anything of that session in a grave? */
static bool
session_in_grave(const struct admin_records *admin, const struct vv_uuid *session)
{
    size_t low = 0;
    size_t high = admin->grave_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(admin->graves[middle].session.b, session->b, 16) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < admin->grave_count && vv_uuid_equal(&admin->graves[low].session, session);
}

static enum vv_rc
remove_if_buried(struct repo *r, const struct admin_records *admin, const char *text,
                 struct vv_buf *object, size_t *removed, struct vv_error *err)
{
    char name[SLOT_NAME] = "snapshots/";
    struct slot slot;
    struct vv_uuid id;
    bool whole;
    enum vv_rc rc;

    if (!vv_uuid_parse(text, strlen(text), &id) || !session_in_grave(admin, &id)) {
        return VV_OK;
    }
    rc = read_slot(r, text, object, &slot, &whole, err);
    if (rc == VV_OK && whole && is_buried(admin, r, &slot)) {
        memcpy(name + strlen(name), text, VV_UUID_TEXT);
        rc = storage_remove(repo_storage(r), name, err);
        *removed += rc == VV_OK;
    }
    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        rc = VV_OK;
    }
    return rc;
}

enum vv_rc
slots_remove_buried(struct repo *r, size_t *ret_removed, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct admin_records admin = {0};
    struct name_list names;
    size_t removed = 0;
    enum vv_rc rc;

    VV_TRY(repo_list(r, "snapshots", &names, err));
    rc = admin_records_read(r, &admin, err);
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        rc = remove_if_buried(r, &admin, names.names[i], &object, &removed, err);
    }
    name_list_release(&names);
    admin_records_release(&admin);
    VV_TRY(rc);
    *ret_removed = removed;
    return VV_OK;
}
