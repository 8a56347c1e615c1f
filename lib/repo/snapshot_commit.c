/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a run: number, sign, copy into the last metadata pack, create the slot. */

#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "format/slot.h"
#include "repo/pack_writer.h"
#include "repo/sealed_envelope.h"
#include "repo/snapshots_internal.h"

/** What the commit lock protects: this client's place in its chain. */
struct place {
    uint64_t sequence;
    struct vv_id previous;
    struct vv_buf seen;
    uint32_t seen_count;
};

/** Take the newest of other clients' heads into the record. */
static enum vv_rc
note_seen(struct place *p, const struct snapshot_list *l, const struct vv_uuid *own,
          struct vv_error *err)
{
    struct head *heads;
    size_t count;

    VV_TRY(newest_heads(l, &heads, &count, err));
    for (size_t i = 0; i < count; i++) {
        if (!vv_uuid_equal(&heads[i].client, own)) {
            struct snapshot_seen seen = {heads[i].client, heads[i].sequence, heads[i].hash};
            snapshot_seen_put(&p->seen, &seen);
            p->seen_count++;
        }
    }
    vv_free(heads);
    return vv_buf_check(&p->seen, err);
}

/** The next place in the chain, from max(local state, storage). */
static enum vv_rc
find_place(struct repo *r, const struct client_keys *client, struct place *ret,
           struct vv_error *err)
{
    struct slot_scan scan;
    const struct site_memory *memory = NULL;
    uint64_t newest_here = 0;
    enum vv_rc rc;

    VV_TRY(slot_scan_read(r, SLOT_SCAN_KNOWN, &scan, err));
    ret->sequence = client->sequence;
    for (size_t i = 0; i < scan.list.count; i++) {
        const struct snapshot *s = &scan.list.snapshots[i];
        if (!vv_uuid_equal(&s->client, &client->id)) {
            continue;
        }
        if (s->sequence > ret->sequence) {
            ret->sequence = s->sequence;
        }
        if (vv_uuid_equal(&s->site, &repo_site(r)->id) && s->sequence > newest_here) {
            newest_here = s->sequence;
            ret->previous = s->hash;
        }
    }
    for (size_t i = 0; i < scan.admin.grave_count; i++) { /* a number is used once */
        const struct grave *g = &scan.admin.graves[i];
        if (!vv_uuid_equal(&g->client, &client->id)) {
            continue;
        }
        if (g->sequence > ret->sequence) {
            ret->sequence = g->sequence;
        }
        if (vv_uuid_equal(&g->site, &repo_site(r)->id) && g->sequence > newest_here) {
            newest_here = g->sequence;
            ret->previous = g->hash;
        }
    }
    rc = note_seen(ret, &scan.list, &client->id, err);
    slot_scan_release(&scan);
    VV_TRY(rc);
    rc = local_state_site(repo_state(r), &repo_site(r)->id, &memory, err);
    if (rc == VV_ECORRUPT) { /* reading the list has told; the chain goes on from what is here */
        vv_error_clear(err);
        rc = VV_OK;
    }
    for (size_t i = 0; rc == VV_OK && memory != NULL && i < memory->head_count; i++) {
        const struct head *h = &memory->heads[i];
        if (vv_uuid_equal(&h->client, &client->id) && h->sequence > newest_here) {
            /* Ours, but forgotten since, or lost: readers will tell. */
            ret->previous = h->hash;
            ret->sequence = h->sequence > ret->sequence ? h->sequence : ret->sequence;
        }
    }
    ret->sequence++;
    return rc;
}

/** Append the sealed body: sealed secret and envelope. */
static enum vv_rc
seal_body(struct repo *r, const struct snapshot_head *head, const struct snapshot_body *body,
          struct vv_buf *record, struct vv_error *err)
{
    uint8_t secret[32];
    uint8_t public_key[32];
    uint8_t sealed[PACK_SEALED_LEN];
    struct vv_buf plain = {0};
    struct vv_buf envelope = {0};
    enum vv_rc rc = snapshot_body_encode(body, &plain, err);

    vv_random(secret, sizeof(secret));
    if (rc == VV_OK) {
        rc = envelope_seal(secret, "snapshot", vv_buf_span(record), vv_buf_span(&plain), &envelope,
                           err);
    }
    if (rc == VV_OK) {
        keyring_epoch_public(repo_keyring(r), head->epoch, public_key);
        seal_box(public_key, vv_span(secret, sizeof(secret)), sealed);
        vv_buf_put_u32(record, (uint32_t)(sizeof(sealed) + envelope.len));
        vv_buf_put(record, sealed, sizeof(sealed));
        vv_buf_put(record, envelope.data, envelope.len);
    }
    crypto_wipe(secret, sizeof(secret));
    vv_buf_release(&plain);
    vv_buf_release(&envelope);
    return rc;
}

/** Build and sign the record. */
static enum vv_rc
build_record(struct repo *r, const struct client_keys *client, const struct place *place,
             const struct snapshot_body *body, struct snapshot_head *head, struct vv_buf *record,
             struct vv_error *err)
{
    uint8_t signature[FORMAT_SIGNATURE_LEN];

    memset(head, 0, sizeof(*head));
    head->repository = *repo_id(r);
    vv_random(head->id.b, sizeof(head->id.b));
    head->client = client->id;
    head->sequence = place->sequence;
    head->previous = place->previous;
    head->site = repo_site(r)->id;
    head->time = repo_clock(r)->realtime(repo_clock(r));
    head->seen_count = place->seen_count;
    head->seen = vv_buf_span(&place->seen);
    head->epoch = repo_epoch(r);
    VV_TRY(snapshot_head_encode(head, record, err));
    VV_TRY(seal_body(r, head, body, record, err));
    VV_TRY(vv_buf_check(record, err));
    ed25519_sign(client->ed25519_secret, vv_buf_span(record), signature);
    vv_buf_put(record, signature, sizeof(signature));
    return vv_buf_check(record, err);
}

/** The run's last chunk: the record and the client's certificate, so that slots and admin/ can be
 * rebuilt from packs: u32 length, record, u32 length, certificate object. */
static enum vv_rc
store_copy(struct repo *r, const struct writer_session *s, struct pack_writer *w,
           struct block_builder *b, struct vv_span record, struct vv_error *err)
{
    struct vv_buf chunk = {0};
    struct vv_buf certificate = {0};
    struct vv_buf name = {0};
    struct vv_id id;
    bool is_new;
    enum vv_rc rc;

    vv_buf_printf(&name, "admin/%s", writer_session_certificate(s));
    (void)vv_buf_text(&name);
    rc = vv_buf_check(&name, err);
    if (rc == VV_OK) {
        rc = storage_read_all(repo_storage(r), vv_buf_text(&name), LIMIT_SMALL_OBJECT, &certificate,
                              err);
    }
    if (rc == VV_OK) {
        vv_buf_put_u32(&chunk, (uint32_t)record.len);
        vv_buf_put(&chunk, record.data, record.len);
        vv_buf_put_u32(&chunk, (uint32_t)certificate.len);
        vv_buf_put(&chunk, certificate.data, certificate.len);
        rc = vv_buf_check(&chunk, err);
    }
    if (rc == VV_OK) {
        chunk_id(repo_keyring(r), CHUNK_RECORD, vv_buf_span(&chunk), &id);
        rc = block_builder_put(b, BLOCK_TREE, CHUNK_RECORD, &id, vv_buf_span(&chunk), &is_new, err);
    }
    if (rc == VV_OK) {
        rc = block_builder_flush(b, err);
    }
    if (rc == VV_OK) {
        rc = pack_writer_flush(w, err);
    }
    vv_buf_release(&chunk);
    vv_buf_release(&certificate);
    vv_buf_release(&name);
    return rc;
}

/** Remember the new head of this client, leaving the others as they were. */
static enum vv_rc
remember(struct repo *r, const struct head *own, struct vv_error *err)
{
    const struct site_memory *old = NULL;
    struct site_memory memory = {0};
    struct head *heads;
    size_t i = 0;
    enum vv_rc rc = local_state_site(repo_state(r), &repo_site(r)->id, &old, err);

    if (rc == VV_ECORRUPT) { /* told before: a new memory begins */
        vv_error_clear(err);
        rc = VV_OK;
    }
    VV_TRY(rc);
    if (old != NULL) {
        memory = *old;
    }
    heads = vv_alloc_array(memory.head_count + 1, sizeof(*heads));
    if (heads == NULL) {
        return vv_error_nomem(err);
    }
    if (memory.head_count > 0) {
        memcpy(heads, memory.heads, memory.head_count * sizeof(*heads));
    }
    while (i < memory.head_count && !vv_uuid_equal(&heads[i].client, &own->client)) {
        i++;
    }
    heads[i] = *own;
    memory.heads = heads;
    memory.head_count += i == memory.head_count;
    rc = local_state_remember(repo_state(r), &repo_site(r)->id, &memory, err);
    vv_free(heads);
    return rc;
}

static enum vv_rc
commit_locked(struct repo *r, struct writer_session *s, struct pack_writer *w,
              struct block_builder *b, const struct snapshot_body *body, struct place *place,
              struct vv_buf *record, struct snapshot *ret, struct vv_error *err)
{
    const struct client_keys *client = writer_session_client(s);
    struct snapshot_head head;
    struct head own;
    struct vv_buf records = {0};
    enum vv_rc rc;

    VV_TRY(find_place(r, client, place, err));
    VV_TRY(build_record(r, client, place, body, &head, record, err));
    VV_TRY(store_copy(r, s, w, b, vv_buf_span(record), err));
    /* The number is spent from here on, whatever becomes of the slot. */
    VV_TRY(local_state_set_sequence(repo_state(r), place->sequence, err));
    slot_append_record(&records, vv_buf_span(record));
    rc = vv_buf_check(&records, err);
    if (rc == VV_OK) {
        rc = writer_session_commit(s, vv_buf_span(&records), 1, err);
    }
    vv_buf_release(&records);
    VV_TRY(rc);
    own.client = client->id;
    own.sequence = head.sequence;
    sha256(record->data, record->len, own.hash.b);
    if (ret != NULL) {
        memset(ret, 0, sizeof(*ret));
        ret->id = head.id;
        ret->session = *writer_session_id(s);
        ret->client = head.client;
        ret->sequence = head.sequence;
        ret->previous = head.previous;
        ret->hash = own.hash;
        ret->site = head.site;
        ret->time = head.time;
        ret->epoch = head.epoch;
    }
    if (remember(r, &own, err) != VV_OK) { /* committed all the same */
        vv_emit(repo_events(r), VV_EVENT_WARNING, "state-not-updated", vv_span(NULL, 0), "%s",
                err != NULL ? err->message : "local state could not be written");
        vv_error_clear(err);
    }
    return VV_OK;
}

enum vv_rc
snapshot_commit(struct repo *r, struct writer_session *s, struct pack_writer *w,
                struct block_builder *b, const struct snapshot_body *body, struct snapshot *ret,
                struct vv_error *err)
{
    struct place place = {0};
    struct vv_buf record = {0};
    enum vv_rc rc;

    VV_TRY(local_state_lock(repo_state(r), err));
    rc = commit_locked(r, s, w, b, body, &place, &record, ret, err);
    local_state_unlock(repo_state(r));
    vv_buf_release(&place.seen);
    vv_buf_release(&record);
    return rc;
}
