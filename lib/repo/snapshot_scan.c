/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading slots: which snapshots are visible. */

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "format/slot.h"
#include "repo/sealed_envelope.h"
#include "repo/slot_cache.h"
#include "repo/slot_memory.h"
#include "repo/snapshots_internal.h"

void
slot_scan_release(struct slot_scan *s)
{
    snapshot_list_release(&s->list);
    vv_free(s->seen);
    vv_buf_release(&s->passed_over);
    vv_buf_release(&s->strangers);
    vv_buf_release(&s->records);
    admin_records_release(&s->admin);
    slot_memory_free(s->memory);
    slot_cache_free(s->cache);
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
open_body(struct repo *r, const struct snapshot_record *record, struct vv_buf *out,
          struct vv_error *err)
{
    uint8_t secret[32];
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
                       vv_span(sealed.data + PACK_SEALED_LEN, sealed.len - PACK_SEALED_LEN), out,
                       err);
    crypto_wipe(secret, sizeof(secret));
    if (rc == VV_EKEY) {
        rc = vv_error_set(err, VV_ECORRUPT, "the snapshot's body does not fit its head");
    }
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

/** Is this record signed by a client that may make snapshots?  ${known} (NULL: nothing): what was found
 *  to be its signer before. */
static bool
is_authentic(const struct slot_scan *s, const struct snapshot_record *record,
             const struct slot_proof *known)
{
    const struct certificate *c = admin_certificate(&s->admin, &record->head.client);

    if (!certificate_may_write(c)) {
        return false;
    }
    return (known != NULL && memcmp(known->signer, c->ed25519, sizeof(c->ed25519)) == 0) ||
           ed25519_verify(c->ed25519, record->signed_part, record->signature.data);
}

enum vv_rc
snapshot_from_record(struct repo *r, const struct admin_records *admin, struct vv_span bytes,
                     struct snapshot *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf plain = {0};
    struct snapshot_record record;
    struct snapshot item = {0};
    const struct certificate *c;

    VV_TRY(snapshot_record_decode(bytes, repo_id(r), &record, err));
    c = admin_certificate(admin, &record.head.client);
    if (!certificate_may_write(c) ||
        !ed25519_verify(c->ed25519, record.signed_part, record.signature.data)) {
        return vv_error_set(err, VV_EFORGED, "a snapshot record of nobody certified");
    }
    VV_TRY(open_body(r, &record, &plain, err));
    VV_TRY(snapshot_body_decode(vv_buf_span(&plain), &item.body, err));
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

/** Is it buried, or of a revoked client?  Then it bears witness, and that is all. */
static bool
is_passed_over(struct slot_scan *s, const struct snapshot *item)
{
    bool revoked = admin_revoked(&s->admin, &item->client, item->sequence);

    if (!revoked && !admin_buried(&s->admin, &item->session, &item->id)) {
        return false;
    }
    const struct passed_over p = {.hash = item->hash,
                                  .previous = item->previous,
                                  .client = item->client,
                                  .site = item->site,
                                  .sequence = item->sequence};
    vv_buf_put(&s->passed_over, &p, sizeof(p));
    s->list.revoked += revoked;
    return true;
}

/** Room for one more. */
static enum vv_rc
grow_list(struct snapshot_list *l, struct vv_error *err)
{
    struct snapshot *grown;

    if (l->count != 0 && (l->count & (l->count - 1)) != 0) {
        return VV_OK;
    }
    grown = vv_realloc_array(l->snapshots, l->count == 0 ? 1 : l->count * 2, sizeof(*grown));
    if (grown == NULL) {
        return vv_error_nomem(err);
    }
    l->snapshots = grown;
    return VV_OK;
}

enum vv_rc
scan_keep(struct slot_scan *s, const struct snapshot *item, struct vv_error *err)
{
    if (is_passed_over(s, item)) {
        return vv_buf_check(&s->passed_over, err);
    }
    VV_TRY(grow_list(&s->list, err));
    s->list.snapshots[s->list.count++] = *item;
    return VV_OK;
}

static void
note_record(struct slot_scan *s, const struct snapshot *item)
{
    struct known_record k = {.session = item->session,
                             .id = item->id,
                             .client = item->client,
                             .site = item->site,
                             .previous = item->previous,
                             .hash = item->hash,
                             .sequence = item->sequence,
                             .time = item->time,
                             .epoch = item->epoch};

    if (s->memory != NULL) {
        memcpy(k.signer, admin_certificate(&s->admin, &item->client)->ed25519, sizeof(k.signer));
        slot_memory_note(s->memory, &k);
    }
}

/** For the cache: who has signed it, and its body, if that was opened. */
static void
note_proof(struct slot_scan *s, const struct snapshot *item, struct vv_span body)
{
    struct slot_proof proof = {.body = body};

    if (s->cache != NULL && s->proofs == NULL) {
        memcpy(proof.signer, admin_certificate(&s->admin, &item->client)->ed25519,
               sizeof(proof.signer));
        slot_cache_note(s->cache, &proof);
    }
}

/** The body of a record that counts, opened, or as ${known} (NULL: nothing) has it. */
static enum vv_rc
take_body(struct repo *r, const struct snapshot_record *record, const struct slot_proof *known,
          unsigned with, struct slot_scan *s, struct snapshot *item, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf plain = {0};
    struct vv_span body = known != NULL ? known->body : vv_span(NULL, 0);
    enum vv_rc rc = VV_OK;

    if ((with & SLOT_SCAN_BODIES) != 0 && body.len == 0) {
        rc = open_body(r, record, &plain, err);
        item->locked = rc == VV_EKEY && (with & SLOT_SCAN_LOCKED) != 0;
        body = vv_buf_span(&plain);
    }
    if ((with & SLOT_SCAN_BODIES) != 0 && rc == VV_OK) {
        rc = snapshot_body_decode(body, &item->body, err);
    }
    if (rc != VV_OK && !item->locked) {
        return rc;
    }
    note_proof(s, item, body);
    return VV_OK;
}

/** One record of a slot: believed only with a certified client's signature. */
static enum vv_rc
take_record(struct repo *r, const char *slot_name, const struct vv_uuid *session,
            struct vv_span bytes, unsigned with, struct slot_scan *s, struct vv_error *err)
{
    struct snapshot_record record;
    struct snapshot item = {.session = *session};
    struct slot_proof proof;
    const struct slot_proof *known =
        s->proofs != NULL && slot_cache_proof(s->proofs, &proof) ? &proof : NULL;

    VV_TRY(snapshot_record_decode(bytes, repo_id(r), &record, err));
    if (!is_authentic(s, &record, known)) {
        s->list.forged++;
        vv_buf_put(&s->strangers, slot_name, strlen(slot_name) + 1);
        return vv_buf_check(&s->strangers, err);
    }
    sha256(bytes.data, bytes.len, item.hash.b);
    item.id = record.head.id;
    item.client = record.head.client;
    item.sequence = record.head.sequence;
    item.previous = record.head.previous;
    item.site = record.head.site;
    item.time = record.head.time;
    item.epoch = record.head.epoch;
    note_record(s, &item);
    if (is_passed_over(s, &item)) {
        note_proof(s, &item, vv_span(NULL, 0));
        return vv_buf_check(&s->passed_over, err);
    }
    VV_TRY(grow_list(&s->list, err));
    VV_TRY(take_body(r, &record, known, with, s, &item, err));
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
    return (with & SLOT_SCAN_KNOWN) != 0 ? VV_OK : add_seen(s, &record.head, err);
}

void
scan_tell_strangers(struct repo *r, const struct slot_scan *s)
{
    const char *names = (const char *)s->strangers.data;

    for (size_t at = 0; at < s->strangers.len; at += strlen(names + at) + 1) {
        repo_report(r, "forged-record", names + at,
                    "a snapshot without the signature of a client the administrator certified for "
                    "writing; ignored");
    }
}

bool
scan_is_damage(enum vv_rc rc)
{
    return rc == VV_ECORRUPT || rc == VV_EUNSUPPORTED || rc == VV_ELIMIT || rc == VV_EIO;
}

enum vv_rc
scan_pass_over_damage(struct repo *r, const char *name, struct slot_scan *s, enum vv_rc rc,
                      struct vv_error *err)
{
    if (!scan_is_damage(rc)) {
        return rc;
    }
    repo_report(r, "snapshot-damaged", name, err->message);
    vv_error_clear(err);
    s->list.damaged++;
    return VV_OK;
}

enum vv_rc
scan_take_slot(struct repo *r, const char *name, struct vv_span object, unsigned with,
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
        VV_TRY(scan_pass_over_damage(r, name, s, rc, err));
    }
    return VV_OK;
}
