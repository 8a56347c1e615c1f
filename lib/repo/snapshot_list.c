/* SPDX-License-Identifier: BSD-2-Clause */
/* The snapshots as a reader or writer sees them: what the slots hold, checked and sorted out. */

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "crypto/hash.h"
#include "format/slot.h"
#include "repo/snapshots_internal.h"

#define SCAN_ATTEMPTS 10

void
snapshot_list_release(struct snapshot_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        snapshot_body_release(&l->snapshots[i].body);
    }
    for (size_t i = 0; i < l->forgotten_count; i++) {
        snapshot_body_release(&l->forgotten[i].body);
    }
    vv_free(l->snapshots);
    vv_free(l->forgotten);
    admin_records_release(&l->admin);
    memset(l, 0, sizeof(*l));
}

/** What has to be done about an epoch whose keys this reader lacks. */
static void
tell_locked(struct repo *r, const struct admin_records *admin, const struct snapshot *a)
{
    const struct key_bundle *own = keyring_client(repo_keyring(r));
    char when[VV_TIME_TEXT];
    char about[VV_UUID_TEXT];
    char text[320];
    bool here = false;

    for (size_t i = 0; i < admin->epoch_count; i++) {
        here = here || admin->epochs[i].number == a->epoch;
    }
    vv_uuid_text(&a->id, about);
    about[8] = '\0';
    vv_time_format(a->time, when);
    (void)snprintf(
        text, sizeof(text),
        "the snapshot of %s is of epoch %u, of which this reader's key has no key: %s", when,
        (unsigned)a->epoch,
        own != NULL && admin_revoked(admin, &own->client, UINT64_MAX) ? "it was revoked"
        : here
            ? "an administrator makes one that opens it with 'varve key add --role reader'"
            : "the epoch's record in 'admin' is missing or damaged, and 'varve repair --from' or "
              "a replication brings it back");
    repo_report(r, "epoch-unknown", about, text);
}

/** Take out those no key is here for; they have been counted in the chains. */
static void
drop_locked(struct repo *r, struct slot_scan *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->list.count; i++) {
        struct snapshot *a = &s->list.snapshots[i];
        if (!a->locked) {
            s->list.snapshots[kept++] = *a;
            continue;
        }
        if (admin_forgotten(&s->admin, &a->id) == NULL) {
            tell_locked(r, &s->admin, a);
            s->list.locked++;
        }
    }
    s->list.count = kept;
}

/** Put those that a forget hides into a list of their own. */
static enum vv_rc
set_forgotten_apart(struct snapshot_list *l, struct vv_error *err)
{
    size_t kept = 0;

    l->forgotten = vv_alloc_array(l->count + 1, sizeof(*l->forgotten));
    if (l->forgotten == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < l->count; i++) {
        if (admin_forgotten(&l->admin, &l->snapshots[i].id) != NULL) {
            l->forgotten[l->forgotten_count++] = l->snapshots[i];
        } else {
            l->snapshots[kept++] = l->snapshots[i];
        }
    }
    l->count = kept;
    return VV_OK;
}

/** Scan until what is missing was missing before, too: the repository may change all the time. */
static enum vv_rc
scan_and_check(struct repo *r, struct slot_scan *s, struct vv_error *err)
{
    /* What a writer cannot open it need not know. */
    unsigned with = keyring_may_read(repo_keyring(r)) ? SLOT_SCAN_BODIES | SLOT_SCAN_LOCKED : 0;
    struct chain_doubts before = {0};
    struct chain_doubts doubts = {0};
    enum vv_rc rc = VV_OK;

    for (int attempt = 0; rc == VV_OK && attempt < SCAN_ATTEMPTS; attempt++) {
        slot_scan_release(s);
        chain_doubts_release(&before);
        before = doubts;
        memset(&doubts, 0, sizeof(doubts));
        rc = slot_scan_read(r, with, s, err);
        if (rc == VV_OK) {
            rc = chain_check(r, s, &before, &doubts, err);
        }
        if (rc == VV_OK && !doubts.any) {
            break;
        }
    }
    if (rc == VV_OK && doubts.any) {
        rc = vv_error_set(err, VV_ETRANSIENT, "the snapshots keep changing");
        rc = vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
    }
    chain_doubts_release(&before);
    chain_doubts_release(&doubts);
    return rc;
}

enum vv_rc
snapshot_list_read(struct repo *r, struct snapshot_list *ret, struct vv_error *err)
{
    struct slot_scan s = {0};
    enum vv_rc rc = scan_and_check(r, &s, err);

    if (rc == VV_OK) {
        rc = slot_scan_heal(r, &s, err);
    }
    if (rc == VV_OK) {
        drop_locked(r, &s);
        s.list.admin = s.admin;
        memset(&s.admin, 0, sizeof(s.admin));
        rc = set_forgotten_apart(&s.list, err);
    }
    if (rc == VV_OK) {
        *ret = s.list;
        memset(&s.list, 0, sizeof(s.list));
    }
    slot_scan_release(&s);
    return rc;
}

enum vv_rc
snapshot_confirm(struct repo *r, const struct snapshot *s, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    char name[sizeof("snapshots/") + VV_UUID_TEXT] = "snapshots/";
    struct slot slot;
    struct vv_reader in;
    struct vv_span record;

    vv_uuid_text(&s->session, name + strlen(name));
    VV_TRY(storage_read_all(repo_storage(r), name, LIMIT_SLOT, &object, err));
    VV_TRY(slot_decode(vv_buf_span(&object), repo_id(r), &slot, err));
    in = vv_reader(slot.records.data, slot.records.len);
    while (slot_next_record(&in, &record)) {
        struct vv_id hash;
        sha256(record.data, record.len, hash.b);
        if (vv_id_equal(&hash, &s->hash)) {
            return VV_OK;
        }
    }
    return vv_error_set(err, VV_ECORRUPT, "'%s' does not hold the snapshot it held", name);
}
