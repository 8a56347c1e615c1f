/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading slots: which snapshots are visible. */

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "format/slot.h"
#include "repo/object_ahead.h"
#include "repo/sealed_envelope.h"
#include "repo/snapshots_internal.h"

#define READ_ATTEMPTS 10

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

/** What is read of a repository at once: on a long line the slots are on their way while the
 *  administrator's records are read. */
struct reading {
    struct repo *repo;
    struct admin_records admin;
    struct name_list names; /* of the slots */
    struct object_ahead *ahead;
};

static void
reading_release(struct reading *g)
{
    object_ahead_free(g->ahead); /* before the names it uses */
    name_list_release(&g->names);
    admin_records_release(&g->admin);
}

static enum vv_rc
fetch_admin(void *ctx, struct vv_error *err)
{
    struct reading *g = ctx;

    return admin_records_read_once(g->repo, &g->admin, err);
}

static enum vv_rc
fetch_slots(void *ctx, struct vv_error *err)
{
    struct reading *g = ctx;

    repo_scan_begins(g->repo);
    VV_TRY(repo_list(g->repo, "snapshots", &g->names, err));
    return object_ahead_new(repo_storage(g->repo), "snapshots", g->names.names, g->names.count,
                            LIMIT_SLOT, &g->ahead, err);
}

/** Go through the slots, with the administrator's records in ${s}. */
static enum vv_rc
take_slots(struct reading *g, unsigned with, struct slot_scan *s, struct vv_error *err)
{
    struct repo *r = g->repo;
    struct vv_buf object = {0};
    struct vv_buf name = {0};
    enum vv_rc rc = VV_OK;

    for (size_t i = 0; i < g->names.count && rc == VV_OK; i++) {
        const char *text;
        vv_buf_reset(&name);
        vv_buf_printf(&name, "snapshots/%s", g->names.names[i]);
        text = vv_buf_text(&name);
        rc = vv_buf_check(&name, err);
        if (rc == VV_OK) {
            rc = object_ahead_next(g->ahead, &object, err);
        }
        if (rc == VV_ENOTFOUND) { /* buried meanwhile: the records in admin/ have changed */
            vv_error_clear(err);
            rc = VV_OK;
        } else if (rc == VV_OK) {
            rc = take_slot(r, text, vv_buf_span(&object), with, s, err);
        }
        if (is_damage(rc) && is_buried_slot(s, g->names.names[i])) {
            vv_error_clear(err);
            rc = VV_OK;
        }
        rc = pass_over_damage(r, text, s, rc, err);
    }
    vv_buf_release(&object);
    vv_buf_release(&name);
    return rc;
}

/** One attempt; *ret_again: something vanished or appeared meanwhile. */
static enum vv_rc
try_scan(struct repo *r, unsigned with, struct slot_scan *s, bool *ret_again, struct vv_error *err)
{
    VV_CLEANUP(reading_release) struct reading g = {.repo = r};
    struct vv_job jobs[] = {{.run = fetch_admin, .ctx = &g}, {.run = fetch_slots, .ctx = &g}};
    enum vv_rc rc = vv_parallel_run(jobs, VV_COUNT(jobs), storage_parallel(repo_storage(r)), err);
    bool unreadable = rc == VV_ENOTFOUND || rc == VV_EIO;

    *ret_again = jobs[0].rc == VV_ENOTFOUND; /* a record was merged into another */
    VV_TRY(jobs[0].rc);
    if (unreadable && repo_replicas(r) != NULL) { /* the slots */
        rc = pass_over_damage(r, "snapshots", s, VV_EIO, err);
    }
    VV_TRY(rc);
    s->admin = g.admin;
    memset(&g.admin, 0, sizeof(g.admin));
    admin_learn_epochs(r, &s->admin);
    VV_TRY(take_slots(&g, with, s, err));
    return admin_records_changed(r, &s->admin, ret_again, err);
}

/*
 * What happens while certificates, graves and slots are read must not look like a forgery (a client
 * certified meanwhile) or a loss (a slot buried meanwhile), so all is read again until admin/ holds
 * nothing new behind both.  That is the second listing as well without which no record's absence is
 * believed (admin_records.h).
 */
enum vv_rc
slot_scan_read(struct repo *r, unsigned with, struct slot_scan *ret, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc = VV_OK;
    bool again = true;

    for (int attempt = 0; attempt < READ_ATTEMPTS && again; attempt++) {
        struct slot_scan s = {0};
        vv_error_clear(&why);
        rc = try_scan(r, with, &s, &again, &why);
        if (rc == VV_OK && !again) {
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
