/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verify: index segments are read from the repository, whatever the local cache holds, and compared
 * with the packs that are there.
 */

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "engine/verify_internal.h"
#include "format/slot.h"
#include "repo/sealed_envelope.h"

/** One segment being checked. */
struct segment_check {
    struct verify *v;
    const char *name;
    struct vv_buf plain;
    struct vv_buf message;
    uint32_t bad_records;
    bool unsigned_seen;
};

/* --- packs that are there --------------------------------------------------------------------- */

static void
take_shard(struct verify *v, unsigned shard, const struct name_list *names)
{
    char directory[16] = "packs/";
    uint8_t number = (uint8_t)shard;

    vv_hex(directory + 6, &number, 1);
    for (size_t i = 0; i < names->count; i++) {
        struct verify_pack pack;
        memset(&pack, 0, sizeof(pack));
        if (!pack_name_parse(names->names[i], strlen(names->names[i]), &pack.name) ||
            pack.name.hash.b[0] != number) {
            vv_emit(repo_events(v->repo), VV_EVENT_NOTICE, "object-misnamed",
                    vv_span(names->names[i], strlen(names->names[i])),
                    "in '%s', but no name of a pack there; not looked at", directory);
            continue;
        }
        pack.size = names->sizes[i];
        pack.listed = true;
        vv_buf_put(&v->pack_list, &pack, sizeof(pack));
    }
}

/** Slower, and it tells which directories are not there. */
static enum vv_rc
list_one_by_one(struct verify *v, struct vv_error *err)
{
    for (unsigned shard = 0; shard < STORAGE_SHARDS; shard++) {
        struct name_list names = {0};
        char directory[16] = "packs/";
        uint8_t number = (uint8_t)shard;
        enum vv_rc rc;
        vv_hex(directory + 6, &number, 1);
        rc = repo_list(v->repo, directory, &names, err);
        if (rc == VV_ENOTFOUND) {
            verify_report(v, "directory-unreadable", directory, "it is not there");
            vv_error_clear(err);
            continue;
        }
        VV_TRY(rc);
        take_shard(v, shard, &names);
        name_list_release(&names);
    }
    return vv_buf_check(&v->pack_list, err);
}

static enum vv_rc
list_packs(struct verify *v, struct vv_error *err)
{
    struct name_list *shards = NULL;
    enum vv_rc rc = repo_list_shards(v->repo, "packs", &shards, err);

    if (rc == VV_ENOTFOUND) { /* one directory is missing: which? */
        vv_error_clear(err);
        return list_one_by_one(v, err);
    }
    VV_TRY(rc);
    for (unsigned shard = 0; shard < STORAGE_SHARDS; shard++) {
        take_shard(v, shard, &shards[shard]);
    }
    name_lists_release(shards);
    return vv_buf_check(&v->pack_list, err);
}

/* --- segments --------------------------------------------------------------------------------- */

static bool
record_signed(struct segment_check *k, const struct index_record *record)
{
    const struct certificate *c = admin_certificate(&k->v->admin, &record->client);

    vv_buf_reset(&k->message);
    index_record_signed(record, repo_id(k->v->repo), &k->message);
    return c != NULL && !k->message.failed &&
           ed25519_verify(c->ed25519, vv_buf_span(&k->message), record->signature.data);
}

/** Has the administrator vouched for a record, whose signature is right? */
static bool
record_vouched(const struct segment_check *k, const struct index_record *record)
{
    const struct certificate *c = admin_certificate(&k->v->admin, &record->client);

    return c != NULL && c->role == KEY_ROLE_ADMIN &&
           !admin_revoked(&k->v->admin, &record->client, UINT64_MAX);
}

/** Decrypt a record's body and check the directory inside. */
static enum vv_rc
open_record(struct segment_check *k, const struct index_record *record, struct index_body *ret,
            struct vv_error *err)
{
    struct vv_span hash = vv_span(record->name.hash.b, sizeof(record->name.hash.b));
    struct vv_span parts[2] = {vv_span("varve index", 11), hash};
    struct pack_directory directory = {0};
    uint8_t key[32];
    enum vv_rc rc;

    blake2b_256(keyring_index_key(repo_keyring(k->v->repo)), 32, parts, 2, key);
    vv_buf_reset(&k->plain);
    rc = envelope_open(key, "index", hash, record->body, &k->plain, err);
    crypto_wipe(key, sizeof(key));
    if (rc == VV_EKEY) {
        return vv_error_set(err, VV_ECORRUPT, "a record that does not open");
    }
    VV_TRY(rc);
    VV_TRY(index_body_decode(vv_buf_span(&k->plain), ret, err));
    VV_TRY(pack_directory_decode(ret->directory, ret->file_size, &directory, err));
    pack_directory_release(&directory);
    return VV_OK;
}

static enum vv_rc
check_record(struct segment_check *k, const struct index_record *record, struct vv_error *err)
{
    struct verify *v = k->v;
    struct verify_pack pack;
    struct index_body body;
    enum vv_rc rc = open_record(k, record, &body, err);

    if (damage_found(rc, err)) {
        k->bad_records++;
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    memset(&pack, 0, sizeof(pack));
    pack.vouched = record_signed(k, record);
    k->unsigned_seen = k->unsigned_seen || !pack.vouched;
    pack.vouched = pack.vouched && record_vouched(k, record);
    pack.name = record->name;
    pack.index_size = body.file_size;
    pack.metadata = body.pack_class == PACK_METADATA;
    vv_buf_put(&v->pack_list, &pack, sizeof(pack));
    return vv_buf_check(&v->pack_list, err);
}

static enum vv_rc
check_segment(struct segment_check *k, const struct vv_id *id, struct vv_buf *object,
              struct vv_error *err)
{
    struct index_iter it = {0};
    struct index_record record;
    struct vv_id found;

    VV_TRY(verify_read(k->v, k->name, LIMIT_INDEX_SEGMENT, object, err));
    sha256(object->data, object->len, found.b);
    if (!vv_id_equal(&found, id)) {
        return vv_error_set(err, VV_ECORRUPT, "its content does not have the hash in its name");
    }
    VV_TRY(index_segment_open(vv_buf_span(object), repo_id(k->v->repo), &it, err));
    while (index_segment_next(&it, &record)) {
        VV_TRY(vv_cancel_check(repo_cancel(k->v->repo), err));
        VV_TRY(check_record(k, &record, err));
    }
    if (!index_segment_ok(&it)) {
        return vv_error_set(err, VV_ECORRUPT, "its records do not end where they should");
    }
    return VV_OK;
}

/** Records of nobody certified: has a client been certified since the administrator's records were read? */
static enum vv_rc
look_for_certificates(struct verify *v, bool *ret_new, struct vv_error *err)
{
    struct admin_records now = {0};

    VV_TRY(admin_records_changed(v->repo, &v->admin, ret_new, err));
    if (*ret_new) {
        VV_TRY(admin_records_read(v->repo, &now, err));
        admin_records_release(&v->admin);
        v->admin = now;
    }
    return VV_OK;
}

/** check_segment, and again if it was read before its client's certificate. */
static enum vv_rc
judge_segment(struct segment_check *k, const struct vv_id *id, struct vv_buf *object,
              struct vv_error *err)
{
    size_t before = k->v->pack_list.len;
    bool again;
    enum vv_rc rc;

    do {
        again = false;
        k->v->pack_list.len = before;
        k->bad_records = 0;
        k->unsigned_seen = false;
        rc = check_segment(k, id, object, err);
        if (rc == VV_OK && k->unsigned_seen) {
            rc = look_for_certificates(k->v, &again, err);
        }
    } while (rc == VV_OK && again);
    return rc;
}

static enum vv_rc
check_named_segment(struct verify *v, const char *file, struct vv_buf *object, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
    struct segment_check k = {.v = v};
    struct vv_id id;
    enum vv_rc rc;

    vv_buf_printf(&name, "index/%s", file);
    k.name = vv_buf_text(&name);
    if (!vv_unhex(id.b, sizeof(id.b), file, strlen(file))) {
        verify_report(v, "index-damaged", k.name, "no name of an index segment");
        return VV_OK;
    }
    rc = judge_segment(&k, &id, object, err);
    if (damage_found(rc, err)) {
        if (rc != VV_ENOTFOUND) { /* else it was replaced meanwhile */
            verify_report(v, "index-damaged", k.name, "%s", err->message);
        }
        vv_error_clear(err);
        rc = VV_OK;
    } else if (k.bad_records > 0) {
        verify_report(v, "index-damaged", k.name, "%u of its records cannot be read",
                      k.bad_records);
    }
    if (k.unsigned_seen) {
        vv_emit(repo_events(v->repo), VV_EVENT_PROBLEM, "forged-record",
                vv_span(k.name, strlen(k.name)),
                "records without the signature of a certified client");
        v->s.forged = true;
    }
    vv_buf_release(&k.plain);
    vv_buf_release(&k.message);
    return rc;
}

/* --- both together ---------------------------------------------------------------------------- */

static int
compare_packs(const void *a, const void *b)
{
    return pack_name_compare(&((const struct verify_pack *)a)->name,
                             &((const struct verify_pack *)b)->name);
}

/** Join what was listed with what the index names.  Of several index sizes the first counts: they
 *  are of one content, since the name holds its hash. */
static void
join_packs(struct verify *v)
{
    struct verify_pack *packs = verify_packs(v);
    size_t count = verify_pack_count(v);
    size_t kept = 0;

    if (count == 0) {
        return;
    }
    qsort(packs, count, sizeof(*packs), compare_packs);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || pack_name_compare(&packs[kept - 1].name, &packs[i].name) != 0) {
            packs[kept++] = packs[i];
            continue;
        }
        packs[kept - 1].vouched = packs[kept - 1].vouched || packs[i].vouched;
        if (packs[i].listed) {
            packs[kept - 1].listed = true;
            packs[kept - 1].size = packs[i].size;
        } else if (packs[kept - 1].index_size == 0) {
            packs[kept - 1].index_size = packs[i].index_size;
            packs[kept - 1].metadata = packs[i].metadata;
        }
    }
    v->pack_list.len = kept * sizeof(*packs);
}

static int
compare_text(const void *key, const void *item)
{
    return strcmp(key, *(char *const *)item);
}

/** Does a session's slot hold snapshots?  One that cannot be read counts as if it did. */
static bool
slot_has_records(struct verify *v, const char *session)
{
    char name[sizeof("snapshots/") + VV_UUID_TEXT] = "snapshots/";
    struct vv_buf object = {0};
    struct slot slot;
    bool records = true;

    memcpy(name + strlen(name), session, VV_UUID_TEXT);
    if (storage_read_all(repo_storage(v->repo), name, LIMIT_SLOT, &object, NULL) == VV_OK &&
        slot_decode(vv_buf_span(&object), repo_id(v->repo), &slot, NULL) == VV_OK) {
        records = slot.status == SLOT_RECORDS;
    }
    vv_buf_release(&object);
    return records;
}

/** Did the session that wrote the pack commit, rather than end in a fence or with nothing?  Its
 *  header says which it was. */
static bool
session_committed(struct verify *v, const char *object)
{
    uint8_t header[PACK_HEADER_LEN];
    struct pack_header decoded;
    char session[VV_UUID_TEXT];
    size_t got = 0;

    if (storage_read(repo_storage(v->repo), object, 0, header, sizeof(header), &got, NULL) !=
            VV_OK ||
        got != sizeof(header) ||
        pack_header_decode(header, repo_id(v->repo), &decoded, NULL) != VV_OK) {
        return false;
    }
    vv_uuid_text(&decoded.session, session);
    return v->slots.count > 0 &&
           bsearch(session, v->slots.names, v->slots.count, sizeof(*v->slots.names),
                   compare_text) != NULL &&
           slot_has_records(v, session);
}

/** Does the index name another instance of an unnamed pack, which is there in full?  A repair indexes
 *  the good one of two. */
static bool
is_indexed_elsewhere(const struct verify *v, const struct verify_pack *p)
{
    const struct verify_pack *twin = NULL;

    while ((twin = verify_twin(v, p, twin)) != NULL) {
        if (twin->index_size != 0 && twin->index_size == twin->size) {
            return true;
        }
    }
    return false;
}

static void
compare_pack(struct verify *v, struct verify_pack *p)
{
    char object[PACK_OBJECT_TEXT];

    pack_object_text(&p->name, object);
    if (p->listed) {
        v->s.packs++;
    }
    if ((!p->listed || (p->index_size != 0 && p->size != p->index_size)) &&
        !condemned_contains(&v->condemned, &p->name) && verify_twin(v, p, NULL) != NULL) {
        verify_superseded(v, p);
    } else if (!p->listed && !condemned_contains(&v->condemned, &p->name)) {
        p->absent = true; /* the index is a hint: what needs it decides (verify_absent) */
    } else if (p->listed && p->index_size != 0 && p->size != p->index_size) {
        p->damaged = true;
        verify_report(v, "pack-damaged", object, "%llu bytes where the index says %llu",
                      (unsigned long long)p->size, (unsigned long long)p->index_size);
    } else if (p->listed && p->index_size == 0 && condemned_contains(&v->condemned, &p->name)) {
        return; /* a prune is about to delete it, or was interrupted at that */
    } else if (p->listed && p->index_size == 0) {
        if (session_committed(v, object) && !is_indexed_elsewhere(v, p)) {
            p->complained = true;
            verify_report(v, "index-incomplete", object,
                          "no index segment names it, though its session ended well");
        } else {
            v->s.packs_unindexed++;
            vv_emit(repo_events(v->repo), VV_EVENT_NOTICE, "pack-unindexed",
                    vv_span(object, strlen(object)),
                    "no index segment names it: a run that was interrupted, or is still going on");
        }
    }
    if (p->metadata && p->listed) {
        storage_uncache(repo_storage(v->repo), object); /* trees are read from the device */
    }
}

enum vv_rc
verify_index(struct verify *v, struct vv_error *err)
{
    struct name_list names;
    struct vv_buf object = {0};
    enum vv_rc rc = VV_OK;

    /* Segments first, packs after: what a segment names was there before it. */
    rc = repo_list(v->repo, "index", &names, err);
    if (rc == VV_ENOTFOUND) {
        verify_report(v, "directory-unreadable", "index", "it is not there");
        vv_error_clear(err);
        names = (struct name_list){0};
        rc = VV_OK;
    }
    VV_TRY(rc);
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        rc = check_named_segment(v, names.names[i], &object, err);
    }
    name_list_release(&names);
    vv_buf_release(&object);
    VV_TRY(rc);
    VV_TRY(list_packs(v, err));
    join_packs(v);
    for (size_t i = 0; i < verify_pack_count(v); i++) {
        compare_pack(v, &verify_packs(v)[i]);
    }
    return VV_OK;
}
