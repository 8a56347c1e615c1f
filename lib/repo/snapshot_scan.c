/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading slots: which snapshots are visible. */

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "format/slot.h"
#include "repo/object_ahead.h"
#include "repo/sealed_envelope.h"
#include "repo/snapshots_internal.h"

#define READ_ATTEMPTS 10

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

void
slot_scan_release(struct slot_scan *s)
{
    snapshot_list_release(&s->list);
    vv_free(s->seen);
    vv_buf_release(&s->passed_over);
    vv_buf_release(&s->records);
    admin_records_release(&s->admin);
    memset(s, 0, sizeof(*s));
}

const struct passed_over *
scan_passed_over(const struct slot_scan *s, size_t *ret_count)
{
    *ret_count = s->passed_over.len / sizeof(struct passed_over);
    return (const struct passed_over *)(const void *)s->passed_over.data;
}

/** Decrypt the body of a record whose signature has been checked. */
static enum vv_rc
open_body(struct repo *r, const struct snapshot_record *record, struct snapshot_body *ret,
          struct vv_error *err)
{
    uint8_t secret[32];
    struct vv_buf plain = {0};
    struct vv_span sealed = record->sealed_body;
    enum vv_rc rc;

    if (sealed.len < PACK_SEALED_LEN) {
        return vv_error_set(err, VV_ECORRUPT, "the snapshot's body is too short");
    }
    rc = keyring_unseal(repo_keyring(r), record->head.epoch, vv_span(sealed.data, PACK_SEALED_LEN),
                        secret, err);
    if (rc != VV_OK) {
        (void)vv_error_prefix(err, "the snapshot's body");
        return rc;
    }
    rc = envelope_open(secret, "snapshot", record->prefix,
                       vv_span(sealed.data + PACK_SEALED_LEN, sealed.len - PACK_SEALED_LEN), &plain,
                       err);
    crypto_wipe(secret, sizeof(secret));
    if (rc == VV_EKEY) {
        rc = vv_error_set(err, VV_ECORRUPT, "the snapshot's body does not fit its head");
    }
    if (rc == VV_OK) {
        rc = snapshot_body_decode(vv_buf_span(&plain), ret, err);
    }
    vv_buf_release(&plain);
    return rc;
}

static enum vv_rc
add_seen(struct slot_scan *s, const struct snapshot_head *head, struct vv_error *err)
{
    struct seen_head *grown;

    if (head->seen_count == 0) {
        return VV_OK;
    }
    grown = vv_realloc_array(s->seen, s->seen_count + head->seen_count, sizeof(*grown));
    if (grown == NULL) {
        return vv_error_nomem(err);
    }
    s->seen = grown;
    for (uint32_t i = 0; i < head->seen_count; i++) {
        s->seen[s->seen_count].site = head->site;
        s->seen[s->seen_count].client = head->client;
        if (snapshot_seen_at(head, i, &s->seen[s->seen_count].seen)) {
            s->seen_count++;
        }
    }
    return VV_OK;
}

/** Is this record signed by a client that may make snapshots? */
static bool
is_authentic(const struct slot_scan *s, const struct snapshot_record *record)
{
    const struct certificate *c = admin_certificate(&s->admin, &record->head.client);

    return certificate_may_write(c) &&
           ed25519_verify(c->ed25519, record->signed_part, record->signature.data);
}

enum vv_rc
snapshot_from_record(struct repo *r, const struct admin_records *admin, struct vv_span bytes,
                     struct snapshot *ret, struct vv_error *err)
{
    struct snapshot_record record;
    struct snapshot item = {0};
    const struct certificate *c;

    VV_TRY(snapshot_record_decode(bytes, repo_id(r), &record, err));
    c = admin_certificate(admin, &record.head.client);
    if (!certificate_may_write(c) ||
        !ed25519_verify(c->ed25519, record.signed_part, record.signature.data)) {
        return vv_error_set(err, VV_EFORGED, "a snapshot record of nobody certified");
    }
    VV_TRY(open_body(r, &record, &item.body, err));
    sha256(bytes.data, bytes.len, item.hash.b);
    item.id = record.head.id;
    item.client = record.head.client;
    item.sequence = record.head.sequence;
    item.previous = record.head.previous;
    item.site = record.head.site;
    item.time = record.head.time;
    item.epoch = record.head.epoch;
    *ret = item;
    return VV_OK;
}

/** One record of a slot: believed only with a certified client's signature. */
static enum vv_rc
take_record(struct repo *r, const char *slot_name, const struct vv_uuid *session,
            struct vv_span bytes, unsigned with, struct slot_scan *s, struct vv_error *err)
{
    struct snapshot_record record;
    struct snapshot item = {.session = *session};
    struct snapshot *grown;
    bool revoked;

    VV_TRY(snapshot_record_decode(bytes, repo_id(r), &record, err));
    if (!is_authentic(s, &record)) {
        repo_report(r, "forged-record", slot_name,
                    "a snapshot without the signature of a client the administrator certified for "
                    "writing; ignored");
        s->list.forged++;
        return VV_OK;
    }
    sha256(bytes.data, bytes.len, item.hash.b);
    revoked = admin_revoked(&s->admin, &record.head.client, record.head.sequence);
    if (revoked || admin_buried(&s->admin, session, &record.head.id)) {
        const struct passed_over p = {.hash = item.hash,
                                      .previous = record.head.previous,
                                      .client = record.head.client,
                                      .site = record.head.site,
                                      .sequence = record.head.sequence};
        vv_buf_put(&s->passed_over, &p, sizeof(p));
        s->list.revoked += revoked;
        return vv_buf_check(&s->passed_over, err);
    }
    item.id = record.head.id;
    item.client = record.head.client;
    item.sequence = record.head.sequence;
    item.previous = record.head.previous;
    item.site = record.head.site;
    item.time = record.head.time;
    item.epoch = record.head.epoch;
    if (s->list.count == 0 || (s->list.count & (s->list.count - 1)) == 0) {
        grown = vv_realloc_array(s->list.snapshots, s->list.count == 0 ? 1 : s->list.count * 2,
                                 sizeof(*grown));
        if (grown == NULL) {
            return vv_error_nomem(err);
        }
        s->list.snapshots = grown;
    }
    if ((with & SLOT_SCAN_BODIES) != 0) {
        enum vv_rc rc = open_body(r, &record, &item.body, err);
        item.locked = rc == VV_EKEY && (with & SLOT_SCAN_LOCKED) != 0;
        if (rc != VV_OK && !item.locked) {
            return rc;
        }
    }
    if ((with & SLOT_SCAN_RECORDS) != 0) {
        item.record_at = s->records.len;
        item.record_len = bytes.len;
        vv_buf_put(&s->records, bytes.data, bytes.len);
        if (s->records.failed) {
            snapshot_body_release(&item.body);
            return vv_error_nomem(err);
        }
    }
    s->list.snapshots[s->list.count++] = item;
    return add_seen(s, &record.head, err);
}

static bool
is_damage(enum vv_rc rc)
{
    return rc == VV_ECORRUPT || rc == VV_EUNSUPPORTED || rc == VV_ELIMIT || rc == VV_EIO;
}

/** Note damage and go on; any other failure stays one. */
static enum vv_rc
pass_over_damage(struct repo *r, const char *name, struct slot_scan *s, enum vv_rc rc,
                 struct vv_error *err)
{
    if (!is_damage(rc)) {
        return rc;
    }
    repo_report(r, "snapshot-damaged", name, err->message);
    vv_error_clear(err);
    s->list.damaged++;
    return VV_OK;
}

/** One slot, already read. */
static enum vv_rc
take_slot(struct repo *r, const char *name, struct vv_span object, unsigned with,
          struct slot_scan *s, struct vv_error *err)
{
    struct slot slot;
    struct vv_reader in;
    struct vv_span bytes;
    char text[VV_UUID_TEXT];

    VV_TRY(slot_decode(object, repo_id(r), &slot, err));
    vv_uuid_text(&slot.session, text);
    if (strcmp(text, name + strlen("snapshots/")) != 0) {
        return vv_error_set(err, VV_ECORRUPT, "the slot belongs to session %s", text);
    }
    if (slot.status == SLOT_FENCE) {
        if (!keyring_admin_verify_object(repo_keyring(r), object)) {
            repo_report(r, "forged-record", name,
                        "a fence not signed by the administrator; ignored");
            s->list.forged++;
        } else {
            s->list.fenced++;
        }
        return VV_OK;
    }
    if (slot.status == SLOT_EMPTY || admin_buried(&s->admin, &slot.session, NULL)) {
        return VV_OK;
    }
    in = vv_reader(slot.records.data, slot.records.len);
    while (slot_next_record(&in, &bytes)) {
        enum vv_rc rc = take_record(r, name, &slot.session, bytes, with, s, err);
        VV_TRY(pass_over_damage(r, name, s, rc, err));
    }
    return VV_OK;
}

/** A repair buries the session of a damaged slot once what it held is elsewhere: no news then. */
static bool
is_buried_slot(const struct slot_scan *s, const char *file)
{
    struct vv_uuid session;

    return vv_uuid_parse(file, strlen(file), &session) && admin_buried(&s->admin, &session, NULL);
}

static enum vv_rc
read_slots(struct repo *r, unsigned with, struct slot_scan *s, struct vv_error *err)
{
    VV_CLEANUP(object_ahead_freep) struct object_ahead *ahead = NULL;
    struct name_list names;
    struct vv_buf object = {0};
    struct vv_buf name = {0};
    enum vv_rc rc;

    repo_scan_begins(r);
    rc = repo_list(r, "snapshots", &names, err);
    if ((rc == VV_ENOTFOUND || rc == VV_EIO) && repo_replicas(r) != NULL) {
        return pass_over_damage(r, "snapshots", s, VV_EIO, err);
    }
    VV_TRY(rc);
    rc = object_ahead_new(repo_storage(r), "snapshots", names.names, names.count, LIMIT_SLOT,
                          &ahead, err);
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        const char *text;
        vv_buf_reset(&name);
        vv_buf_printf(&name, "snapshots/%s", names.names[i]);
        text = vv_buf_text(&name);
        rc = vv_buf_check(&name, err);
        if (rc == VV_OK) {
            rc = object_ahead_next(ahead, &object, err);
        }
        if (rc == VV_ENOTFOUND) { /* buried meanwhile: the records in admin/ have changed */
            vv_error_clear(err);
            rc = VV_OK;
        } else if (rc == VV_OK) {
            rc = take_slot(r, text, vv_buf_span(&object), with, s, err);
        }
        if (is_damage(rc) && is_buried_slot(s, names.names[i])) {
            vv_error_clear(err);
            rc = VV_OK;
        }
        rc = pass_over_damage(r, text, s, rc, err);
    }
    object_ahead_free(TAKE(ahead)); /* before the names it uses */
    vv_buf_release(&object);
    vv_buf_release(&name);
    name_list_release(&names);
    return rc;
}

/*
 * Certificates and graves are read before the slots.  What happens in between must not look like a
 * forgery (a client certified meanwhile) or a loss (a slot buried meanwhile), so all is read again
 * until admin/ holds nothing new behind the slots.
 */
enum vv_rc
slot_scan_read(struct repo *r, unsigned with, struct slot_scan *ret, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc = VV_OK;

    for (int attempt = 0; attempt < READ_ATTEMPTS && rc == VV_OK; attempt++) {
        struct slot_scan s = {0};
        bool changed = false;
        rc = admin_records_read(r, &s.admin, &why);
        if (rc == VV_OK) {
            admin_learn_epochs(r, &s.admin);
            rc = read_slots(r, with, &s, &why);
        }
        if (rc == VV_OK) {
            rc = admin_records_changed(r, &s.admin, &changed, &why);
        }
        if (rc == VV_OK && !changed) {
            snapshot_list_drop_doubles(&s.list);
            rc = snapshot_list_sort(&s.list, &why);
            if (rc == VV_OK) {
                s.list.forged += s.admin.forged;
                *ret = s;
                return VV_OK;
            }
        }
        slot_scan_release(&s);
    }
    if (rc == VV_OK) {
        rc = vv_error_set(&why, VV_ETRANSIENT, "the records in 'admin' keep changing");
    }
    if (err != NULL) {
        *err = why;
    }
    return vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
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

    for (int attempt = 0; rc == VV_OK && attempt < READ_ATTEMPTS; attempt++) {
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
