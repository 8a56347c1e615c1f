/* SPDX-License-Identifier: BSD-2-Clause */
/* Repair: snapshot records and certificates out of metadata packs: A4. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "engine/closure_internal.h"
#include "engine/id_table_internal.h"
#include "engine/repair_internal.h"
#include "format/slot.h"
#include "repo/pack_reader.h"
#include "repo/writer_session.h"

#define CERTIFICATES_MAX 16u

struct recovery {
    struct repair *x;
    struct writer_session *session; /* registered before anything is looked at, as prune wants it */
    struct chunk_index *index;
    struct chunk_reader *chunks;
    struct snapshot_list list;
    struct pack_names packs;
    struct vv_buf taken;   /* struct taken: what comes back */
    struct vv_buf copies;  /* struct copy: records in metadata packs */
    struct vv_buf records; /* those that come back, as a slot holds them */
    uint32_t count;
    struct vv_buf named; /* struct vv_id: hashes of packs whose directory is known */
    uint32_t unread;     /* copies that cannot be read */
    bool certified;      /* a certificate was put back */
};
/** A record that comes back. */
struct taken {
    struct vv_uuid client;
    uint64_t sequence;
    struct vv_id hash;
};
/** A chunk of type record. */
struct copy {
    struct vv_id id;
    struct pack_name pack;
};

static void
release(struct recovery *v)
{
    chunk_reader_free(v->chunks);
    chunk_index_free(v->index);
    snapshot_list_release(&v->list);
    pack_names_release(&v->packs);
    vv_buf_release(&v->copies);
    vv_buf_release(&v->named);
    vv_buf_release(&v->taken);
    writer_session_free(v->session);
    vv_buf_release(&v->records);
}

/* --- finding copies ---------------------------------------------------------------------------- */

static enum vv_rc
note_copies(void *ctx, const struct pack_name *name, const struct index_body *body,
            struct vv_error *err)
{
    struct recovery *v = ctx;
    VV_CLEANUP(pack_directory_release) struct pack_directory d = {0};

    vv_buf_put(&v->named, &name->hash, sizeof(name->hash));
    VV_TRY(vv_buf_check(&v->named, err));
    if (body->pack_class != PACK_METADATA) {
        return VV_OK;
    }
    VV_TRY(pack_directory_decode(body->directory, body->file_size, &d, err));
    for (uint32_t i = 0; i < d.chunk_count; i++) {
        if (d.chunks[i].type == CHUNK_RECORD) {
            struct copy c = {d.chunks[i].id, *name};
            vv_buf_put(&v->copies, &c, sizeof(c));
        }
    }
    return vv_buf_check(&v->copies, err);
}

static int
compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct vv_id));
}

/** Packs of which nobody knows what they hold, because a segment could not be read just now, may hold
 *  copies. */
static void
count_unknown(struct recovery *v)
{
    size_t count = v->named.len / sizeof(struct vv_id);

    if (count > 0) {
        qsort(v->named.data, count, sizeof(struct vv_id), compare_ids);
    }
    for (size_t i = 0; i < v->packs.count; i++) {
        v->unread += count == 0 || bsearch(&v->packs.names[i].hash, v->named.data, count,
                                           sizeof(struct vv_id), compare_ids) == NULL;
    }
}

/** The two parts of a copy; false if it is none. */
static bool
copy_decode(struct vv_span bytes, struct vv_span *ret_record, struct vv_span *ret_certificate)
{
    struct vv_reader r = vv_reader(bytes.data, bytes.len);

    *ret_record = vv_get_bytes(&r, vv_get_u32(&r), 1);
    *ret_certificate = vv_get_bytes(&r, vv_get_u32(&r), 1);
    return vv_reader_done(&r);
}

/* --- certificates ------------------------------------------------------------------------------ */

/** Put a client's certificate back, under a name that is free. */
static enum vv_rc
put_certificate(struct recovery *v, struct vv_span object, struct vv_error *err)
{
    struct repo *r = v->x->repo;
    struct admin_record record;
    struct certificate c;
    char client[VV_UUID_TEXT];

    if (admin_decode(object, repo_id(r), &record, NULL) != VV_OK ||
        record.type != ADMIN_CERTIFICATE || !vv_uuid_is_zero(&record.site) ||
        !keyring_admin_verify_object(repo_keyring(r), object) ||
        certificate_decode(record.payload, &c, NULL) != VV_OK ||
        admin_certificate(&v->list.admin, &c.client) != NULL) {
        return VV_OK;
    }
    vv_uuid_text(&c.client, client);
    for (unsigned n = 1; n <= CERTIFICATES_MAX; n++) {
        char name[STORAGE_NAME_MAX + 1];
        enum vv_rc rc;
        (void)snprintf(name, sizeof(name), "admin/certificate-%s-%u", client, n);
        rc = storage_publish(repo_storage(r), name, object, err);
        if (rc == VV_EEXISTS) { /* a damaged one */
            vv_error_clear(err);
            continue;
        }
        VV_TRY(rc);
        v->certified = true;
        repair_mended(v->x, name, "put back from a metadata pack");
        return VV_OK;
    }
    return VV_OK;
}

static enum vv_rc
read_list(struct recovery *v, struct vv_error *err)
{
    snapshot_list_release(&v->list);
    return snapshot_list_read(v->x->repo, &v->list, err);
}

/* --- records ----------------------------------------------------------------------------------- */

static bool
is_listed(const struct snapshot *snapshots, size_t count, const struct snapshot *s, bool *ret_other)
{
    for (size_t i = 0; i < count; i++) {
        if (vv_id_equal(&snapshots[i].hash, &s->hash)) {
            return true;
        }
        *ret_other = *ret_other || (vv_uuid_equal(&snapshots[i].client, &s->client) &&
                                    snapshots[i].sequence == s->sequence);
    }
    return false;
}

/** The same among those that come back. */
static bool
is_taken(const struct recovery *v, const struct snapshot *s, bool *ret_other)
{
    const struct taken *t = (const struct taken *)(const void *)v->taken.data;

    for (size_t i = 0; i < v->taken.len / sizeof(*t); i++) {
        if (vv_id_equal(&t[i].hash, &s->hash)) {
            return true;
        }
        *ret_other =
            *ret_other || (vv_uuid_equal(&t[i].client, &s->client) && t[i].sequence == s->sequence);
    }
    return false;
}

struct closure_check {
    struct recovery *v;
    struct id_table seen;
    bool incomplete;
};

static enum vv_rc
see(void *ctx, const struct vv_id *id, bool *ret_enter, struct vv_error *err)
{
    struct closure_check *k = ctx;
    struct id_slot *slot;

    return id_table_put(&k->seen, id, &slot, ret_enter, err);
}

static enum vv_rc
see_chunk(void *ctx, const struct chunk_ref *chunk, struct vv_error *err)
{
    struct closure_check *k = ctx;
    struct chunk_location loc;
    bool found = false;
    enum vv_rc rc = VV_OK;

    for (uint32_t nth = 0; rc == VV_OK && !found; nth++) {
        rc = chunk_index_find(k->v->index, CHUNK_DATA, &chunk->id, nth, &loc, err);
        found = rc == VV_OK && pack_names_has(&k->v->packs, &loc.pack);
    }
    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        rc = VV_OK;
    }
    k->incomplete = k->incomplete || !found;
    return rc;
}

static enum vv_rc
lose(void *ctx, enum chunk_type type, const struct vv_id *id, const struct vv_error *why,
     struct vv_error *err)
{
    struct closure_check *k = ctx;

    (void)type;
    (void)id;
    (void)why;
    (void)err;
    k->incomplete = true;
    return VV_OK;
}

static enum vv_rc
is_complete(struct recovery *v, const struct snapshot *s, bool *ret, struct vv_error *err)
{
    static const struct closure_ops ops = {
        .node = see, .list = see, .chunk = see_chunk, .lost = lose};
    struct closure_check k = {.v = v};
    enum vv_rc rc = closure_walk(v->chunks, &s->body.root, &ops, &k, repo_cancel(v->x->repo), err);

    *ret = !k.incomplete;
    id_table_release(&k.seen);
    return rc;
}

static void
tell_not(struct recovery *v, const struct snapshot *s, const char *why)
{
    char id[VV_UUID_TEXT];

    vv_uuid_text(&s->id, id);
    v->x->s.snapshots_unrecovered++;
    vv_emit(repo_events(v->x->repo), VV_EVENT_PROBLEM, "snapshot-unrecovered", vv_span(id, 32),
            "a snapshot that is in no slot does not come back: %s", why);
}

/** A record that is authentic: does it come back? */
static enum vv_rc
judge(struct recovery *v, const struct copy *c, const struct snapshot *s, struct vv_span bytes,
      struct vv_error *err)
{
    bool other = false;
    bool out;
    bool complete;

    if (is_listed(v->list.snapshots, v->list.count, s, &other) ||
        is_listed(v->list.forgotten, v->list.forgotten_count, s, &other) ||
        is_taken(v, s, &other) || admin_revoked(&v->list.admin, &s->client, s->sequence)) {
        return VV_OK;
    }
    if (other) {
        return VV_OK; /* a run that died; its number was given again */
    }
    VV_TRY(repair_is_out(v->x, &v->list.admin, &v->packs, &c->pack.hash, &s->id, &out, err));
    if (out) {
        return VV_OK;
    }
    if (writer_session_condemned(v->session)->lists +
            writer_session_condemned(v->session)->damaged >
        0) {
        tell_not(v, s, "a prune is under way; run repair again when it is through");
        return VV_OK;
    }
    VV_TRY(is_complete(v, s, &complete, err));
    if (!complete) {
        tell_not(v, s, "part of what it needs is lost");
        return VV_OK;
    }
    vv_buf_put(&v->taken, &(struct taken){s->client, s->sequence, s->hash}, sizeof(struct taken));
    VV_TRY(vv_buf_check(&v->taken, err));
    slot_append_record(&v->records, bytes);
    v->count++;
    return vv_buf_check(&v->records, err);
}

/** One copy: its certificate, and then perhaps its record. */
static enum vv_rc
take_copy(struct recovery *v, const struct copy *c, bool certificates, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf bytes = {0};
    struct vv_span record;
    struct vv_span certificate;
    struct snapshot s = {0};
    struct vv_error why = {0};
    enum vv_rc rc = chunk_read(v->chunks, CHUNK_RECORD, &c->id, &bytes, &why);

    if (rc != VV_OK && damage_found(rc, &why)) { /* it may have been for once */
        vv_error_clear(&why);
        vv_buf_reset(&bytes);
        rc = chunk_read(v->chunks, CHUNK_RECORD, &c->id, &bytes, &why);
    }
    v->unread += rc != VV_OK && !certificates;
    if (rc != VV_OK && !damage_found(rc, &why)) {
        *err = why;
        return rc;
    }
    if (rc != VV_OK || !copy_decode(vv_buf_span(&bytes), &record, &certificate)) {
        return VV_OK;
    }
    if (certificates) {
        return put_certificate(v, certificate, err);
    }
    rc = snapshot_from_record(v->x->repo, &v->list.admin, record, &s, &why);
    if (rc == VV_OK) {
        rc = judge(v, c, &s, record, err);
        snapshot_body_release(&s.body);
        return rc;
    }
    if (rc == VV_ENOMEM) {
        return vv_error_nomem(err);
    }
    return VV_OK; /* nobody's */
}

static enum vv_rc
take_copies(struct recovery *v, bool certificates, struct vv_error *err)
{
    const struct copy *copies = (const struct copy *)(const void *)v->copies.data;

    for (size_t i = 0; i < v->copies.len / sizeof(*copies); i++) {
        VV_TRY(vv_cancel_check(repo_cancel(v->x->repo), err));
        VV_TRY(take_copy(v, &copies[i], certificates, err));
    }
    return VV_OK;
}

/** Those that came back, in the slot of this session. */
static enum vv_rc
commit(struct recovery *v, struct vv_error *err)
{
    VV_TRY(writer_session_commit(v->session, vv_buf_span(&v->records), v->count, err));
    if (v->count > 0) {
        v->x->s.snapshots_recovered = v->count;
        vv_emit(repo_events(v->x->repo), VV_EVENT_PROBLEM, "snapshot-recovered", vv_span(NULL, 0),
                "%u snapshots that were in no readable slot came back from metadata packs",
                v->count);
    }
    return VV_OK;
}

/* --- damaged slots ----------------------------------------------------------------------------- */

/** A slot whose bytes are damaged: its session is closed for good by a grave, so that its name may
 *  go. */
static enum vv_rc
bury_slot(struct repair *x, const char *name, const struct vv_uuid *session, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf payload = {0};
    struct grave g = {.session = *session, .reason = GRAVE_FENCED};
    char grave[64] = "grave-";
    uint8_t random[16];

    grave_list_encode(&g, 1, NULL, 0, &payload);
    VV_TRY(vv_buf_check(&payload, err));
    vv_random(random, sizeof(random));
    vv_hex(grave + strlen(grave), random, sizeof(random));
    VV_TRY(admin_publish(x->repo, 1, ADMIN_GRAVE, grave, vv_buf_span(&payload), err));
    return repair_note_aside(x, name, err);
}

/** Is it sure that what a damaged slot held came back, or is in no pack?  Burying it lets a prune delete
 *  what its snapshot needs. */
static bool
is_sure(const struct recovery *v)
{
    return v->unread == 0 && v->x->s.snapshots_unrecovered == 0;
}

static void
leave_slot(struct repair *x, const char *name)
{
    x->s.objects_left++;
    vv_emit(repo_events(x->repo), VV_EVENT_PROBLEM, "object-left", vv_span(name, strlen(name)),
            "damaged, and stays: not every copy of a record could be read, so what it held may "
            "still come back; run repair again");
}

static enum vv_rc
bury_damaged(struct recovery *v, struct vv_error *err)
{
    struct repair *x = v->x;
    struct name_list names;
    enum vv_rc rc = repo_list(x->repo, "snapshots", &names, err);

    for (size_t i = 0; rc == VV_OK && i < names.count; i++) {
        VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
        struct vv_uuid session;
        struct slot slot;
        char name[STORAGE_NAME_MAX + 1];
        bool there = false;
        (void)snprintf(name, sizeof(name), "snapshots/%s", names.names[i]);
        if (!vv_uuid_parse(names.names[i], strlen(names.names[i]), &session)) {
            continue;
        }
        rc = repair_read_object(x->repo, name, LIMIT_SLOT, &object, &there, err);
        if (rc != VV_OK || !there ||
            slot_decode(vv_buf_span(&object), repo_id(x->repo), &slot, NULL) != VV_ECORRUPT) {
            continue;
        }
        if (admin_buried(&v->list.admin, &session, NULL)) {
            rc = repair_note_aside(x, name, err);
        } else if (is_sure(v)) {
            rc = bury_slot(x, name, &session, err);
        } else {
            leave_slot(x, name);
        }
    }
    name_list_release(&names);
    return rc;
}

static enum vv_rc
work(struct recovery *v, struct vv_error *err)
{
    struct repo *r = v->x->repo;

    VV_TRY(writer_session_begin(r, SESSION_REPAIR, &v->session, err));
    VV_TRY(chunk_index_open(r, &v->index, err));
    VV_TRY(chunk_reader_new(r, v->index, 32u << 20, &v->chunks, err));
    VV_TRY(pack_names_list(r, "packs", &v->packs, err));
    VV_TRY(read_list(v, err));
    VV_TRY(chunk_index_each_pack(v->index, note_copies, v, err));
    count_unknown(v);
    VV_TRY(take_copies(v, true, err));
    if (v->certified) {
        VV_TRY(read_list(v, err));
    }
    VV_TRY(take_copies(v, false, err));
    VV_TRY(commit(v, err));
    return bury_damaged(v, err);
}

enum vv_rc
repair_records(struct repair *x, struct vv_error *err)
{
    struct recovery v = {.x = x};
    enum vv_rc rc = work(&v, err);

    release(&v);
    return rc;
}
