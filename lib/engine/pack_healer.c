/* SPDX-License-Identifier: BSD-2-Clause */
/* Packs that come back as new instances. */

#include "engine/pack_healer_internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "crypto/hash.h"
#include "repo/chunk_index.h"
#include "repo/index_records.h"
#include "repo/writer_session.h"

#define LIST_ATTEMPTS 10

/** An index record that is kept. */
struct kept_record {
    struct index_record record; /* borrows from bytes */
    uint8_t *bytes;
};
struct pack_healer {
    struct repo *repo;
    struct writer_session *session;
    struct index_writer *index;
    struct vv_id *hashes; /* sorted */
    size_t hash_count;
    struct kept_record *records;
    size_t record_count;
    size_t record_room;
};

static int
compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct vv_id));
}

enum vv_rc
pack_healer_add_record(struct pack_healer *h, const struct index_record *record,
                       struct vv_error *err)
{
    size_t body = record->body.len;
    struct kept_record *kept;

    for (size_t i = 0; i < h->record_count; i++) {
        const struct index_record *other = &h->records[i].record;
        if (vv_id_equal(&other->name.hash, &record->name.hash) &&
            vv_uuid_equal(&other->client, &record->client)) {
            return VV_OK; /* attached to another instance */
        }
    }
    if (h->record_count == h->record_room) {
        size_t room = h->record_room == 0 ? 16 : h->record_room * 2;
        struct kept_record *grown = vv_realloc_array(h->records, room, sizeof(*grown));
        if (grown == NULL) {
            return vv_error_nomem(err);
        }
        h->records = grown;
        h->record_room = room;
    }
    kept = &h->records[h->record_count];
    kept->bytes = vv_alloc(body + record->signature.len);
    if (kept->bytes == NULL) {
        return vv_error_nomem(err);
    }
    memcpy(kept->bytes, record->body.data, body);
    memcpy(kept->bytes + body, record->signature.data, record->signature.len);
    kept->record = *record;
    kept->record.body.data = kept->bytes;
    kept->record.signature.data = kept->bytes + body;
    h->record_count++;
    return VV_OK;
}

static enum vv_rc
look_at_record(void *ctx, const struct index_record *record, struct vv_error *err)
{
    struct pack_healer *h = ctx;

    if (h->hash_count == 0 || bsearch(&record->name.hash, h->hashes, h->hash_count,
                                      sizeof(*h->hashes), compare_ids) == NULL) {
        return VV_OK;
    }
    return pack_healer_add_record(h, record, err);
}

/** The records of the hashes, from all segments. */
static enum vv_rc
read_records(struct pack_healer *h, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf segments = {0};
    enum vv_rc rc = VV_ENOTFOUND;
    bool damaged;

    for (int attempt = 0; rc == VV_ENOTFOUND; attempt++) { /* merged into another meanwhile */
        vv_error_clear(err);
        vv_buf_reset(&segments);
        rc = attempt < LIST_ATTEMPTS ? index_segments_list(h->repo, &segments, err)
                                     : vv_error_set(err, VV_ETRANSIENT, "the index keeps changing");
        if (rc == VV_OK) {
            rc = index_segments_each(h->repo, vv_buf_span(&segments), look_at_record, h, &damaged,
                                     err);
        }
    }
    return rc;
}

enum vv_rc
pack_healer_begin(struct repo *r, const struct vv_id *hashes, size_t count,
                  struct pack_healer **ret, struct vv_error *err)
{
    VV_CLEANUP(pack_healer_freep) struct pack_healer *h = vv_alloc_array(1, sizeof(*h));

    if (h == NULL) {
        return vv_error_nomem(err);
    }
    h->repo = r;
    h->hashes = vv_alloc_array(count + 1, sizeof(*h->hashes));
    if (h->hashes == NULL) {
        return vv_error_nomem(err);
    }
    if (count > 0) {
        memcpy(h->hashes, hashes, count * sizeof(*hashes));
        qsort(h->hashes, count, sizeof(*hashes), compare_ids);
    }
    h->hash_count = count;
    VV_TRY(writer_session_begin(r, SESSION_REPAIR, &h->session, err));
    VV_TRY(index_writer_new(r, writer_session_client(h->session), &h->index, err));
    VV_TRY(read_records(h, err));
    *ret = TAKE(h);
    return VV_OK;
}

void
pack_healer_free(struct pack_healer *h)
{
    if (h == NULL) {
        return;
    }
    index_writer_free(h->index);
    writer_session_free(h->session);
    for (size_t i = 0; i < h->record_count; i++) {
        vv_free(h->records[i].bytes);
    }
    vv_free(h->records);
    vv_free(h->hashes);
    vv_free(h);
}

bool
pack_healer_condemned(const struct pack_healer *h, const struct pack_name *name)
{
    return condemned_contains(writer_session_condemned(h->session), name);
}

/** What was stored is what was meant? */
static enum vv_rc
read_back(struct pack_healer *h, const char *object, const struct vv_id *hash, size_t len,
          struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf bytes = {0};
    struct vv_id found;

    storage_uncache(repo_storage(h->repo), object);
    VV_TRY(storage_read_all(repo_storage(h->repo), object, len, &bytes, err));
    sha256(bytes.data, bytes.len, found.b);
    return vv_id_equal(&found, hash)
               ? VV_OK
               : vv_error_set(err, VV_ECORRUPT, "'%s' was stored wrong", object);
}

enum vv_rc
pack_healer_attach(struct pack_healer *h, const struct pack_name *name, struct vv_error *err)
{
    for (size_t i = 0; i < h->record_count; i++) {
        if (vv_id_equal(&h->records[i].record.name.hash, &name->hash)) {
            struct index_record record = h->records[i].record;
            record.name = *name;
            VV_TRY(index_writer_attach(h->index, &record, err));
        }
    }
    return VV_OK;
}

enum vv_rc
pack_healer_put(struct pack_healer *h, const struct vv_id *hash, struct vv_span image,
                struct pack_name *ret, struct vv_error *err)
{
    struct pack_name name = {.hash = *hash};
    char object[PACK_OBJECT_TEXT];
    struct vv_id found;

    sha256(image.data, image.len, found.b);
    if (!vv_id_equal(&found, hash)) {
        return vv_error_set(err, VV_ECORRUPT, "a healed pack does not have the hash in its name");
    }
    vv_random(name.suffix.b, sizeof(name.suffix.b));
    pack_object_text(&name, object);
    VV_TRY(storage_publish(repo_storage(h->repo), object, image, err));
    VV_TRY(read_back(h, object, hash, image.len, err));
    VV_TRY(pack_healer_attach(h, &name, err));
    *ret = name;
    return VV_OK;
}

enum vv_rc
pack_healer_finish(struct pack_healer *h, struct vv_error *err)
{
    VV_TRY(index_writer_flush(h->index, err));
    return writer_session_commit(h->session, vv_span(NULL, 0), 0, err);
}
