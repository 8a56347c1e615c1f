/* SPDX-License-Identifier: BSD-2-Clause */
/* Index records of this run, published as segments. */
#include <string.h>

#include "core/alloc.h"
#include "core/thread.h"
#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "repo/chunk_index.h"
#include "repo/sealed_envelope.h"

#define INDEX_LABEL "varve index"
#define WAITING_SHARE 32u /* a segment when more than a 32nd of the published ones is waiting */

struct index_writer {
    struct repo *repo;
    const struct client_keys *client; /* NULL: records are only attached */
    bool dry_run;                     /* segments are counted and thrown away */
    uint32_t gathered;                /* records a segment; 0: by WAITING_SHARE */
    struct vv_mutex lock;             /* guards everything below */
    struct vv_cond idle;
    struct vv_buf records; /* waiting */
    uint32_t count;        /* how many they are */
    uint64_t published;
    uint64_t bytes_published; /* sizes of all segments */
    bool busy;                /* a segment is being published (without the lock) */
    enum vv_rc failure_rc;
    struct vv_error failure;
};

enum vv_rc
index_writer_new(struct repo *r, const struct client_keys *client, struct index_writer **ret,
                 struct vv_error *err)
{
    struct index_writer *w = vv_alloc_array(1, sizeof(*w));

    if (w == NULL) {
        return vv_error_nomem(err);
    }
    w->repo = r;
    w->client = client;
    vv_mutex_init(&w->lock);
    vv_cond_init(&w->idle);
    *ret = w;
    return VV_OK;
}

void
index_writer_dry_run(struct index_writer *w)
{
    w->dry_run = true;
}

void
index_writer_gather(struct index_writer *w, uint32_t records)
{
    w->gathered = records;
}

uint64_t
index_writer_bytes(struct index_writer *w)
{
    uint64_t bytes;

    vv_mutex_lock(&w->lock);
    bytes = w->bytes_published;
    vv_mutex_unlock(&w->lock);
    return bytes;
}

void
index_writer_free(struct index_writer *w)
{
    if (w == NULL) {
        return;
    }
    vv_buf_release(&w->records);
    vv_cond_release(&w->idle);
    vv_mutex_release(&w->lock);
    vv_free(w);
}

/* A record of a pack of many small files has megabytes: each form of it goes when the next is made. */

static enum vv_rc
encode_body(uint64_t file_size, enum pack_class class, const struct pack_directory *directory,
            struct vv_buf *out, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf plain = {0};
    struct index_body content = {.file_size = file_size, .pack_class = (uint8_t) class};

    VV_TRY(pack_directory_encode(directory, &plain, err));
    content.directory = vv_buf_span(&plain);
    return index_body_encode(&content, out, err);
}

/** The sealed body of one record. */
static enum vv_rc
seal_record(struct index_writer *w, const struct vv_id *hash, uint64_t file_size,
            enum pack_class class, const struct pack_directory *directory, struct vv_buf *out,
            struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf plain = {0};
    struct vv_span parts[2] = {vv_span(INDEX_LABEL, strlen(INDEX_LABEL)), vv_span(hash->b, 32)};
    uint8_t key[32];
    enum vv_rc rc;

    VV_TRY(encode_body(file_size, class, directory, &plain, err));
    blake2b_256(keyring_index_key(repo_keyring(w->repo)), 32, parts, 2, key);
    rc = envelope_seal(key, "index", parts[1], vv_buf_span(&plain), out, err);
    crypto_wipe(key, sizeof(key));
    return rc;
}

/** One whole record, signed. */
static enum vv_rc
make_record(struct index_writer *w, const struct pack_name *name, uint64_t file_size,
            enum pack_class class, const struct pack_directory *directory, struct vv_buf *out,
            struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf body = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf message = {0};
    uint8_t signature[FORMAT_SIGNATURE_LEN];
    struct index_record record = {.name = *name, .client = w->client->id};

    VV_TRY(seal_record(w, &name->hash, file_size, class, directory, &body, err));
    record.body = vv_buf_span(&body);
    index_record_signed(&record, repo_id(w->repo), &message);
    VV_TRY(vv_buf_check(&message, err));
    ed25519_sign(w->client->ed25519_secret, vv_buf_span(&message), signature);
    vv_buf_release(&message);
    record.signature = vv_span(signature, sizeof(signature));
    index_record_append(&record, out);
    return vv_buf_check(out, err);
}

/** Publish ${records}, which are released as soon as may be.  A segment's name is its content's hash: a
 *  taken name holds the same bytes. */
static enum vv_rc
publish_segment(struct index_writer *w, struct vv_buf *records, uint32_t count,
                struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    uint8_t digest[32];
    char name[6 + 64 + 1] = "index/";
    enum vv_rc rc;

    VV_TRY(index_segment_encode(repo_id(w->repo), count, vv_buf_span(records), &object, err));
    vv_buf_release(records);
    sha256(object.data, object.len, digest);
    vv_hex(name + 6, digest, sizeof(digest));
    rc = storage_publish(repo_storage(w->repo), name, vv_buf_span(&object), err);
    if (rc == VV_EEXISTS) {
        vv_error_clear(err);
        return VV_OK;
    }
    return rc;
}

/** What went wrong before, again.  Lock held. */
static enum vv_rc
failed_before(const struct index_writer *w, struct vv_error *err)
{
    if (w->failure_rc != VV_OK && err != NULL) {
        *err = w->failure;
    }
    return w->failure_rc;
}

/** Publish what is waiting.  Lock held and nobody busy; gives the lock away meanwhile. */
static enum vv_rc
publish_waiting(struct index_writer *w, struct vv_error *err)
{
    struct vv_buf records = w->records;
    uint32_t count = w->count;
    uint64_t size = INDEX_SEGMENT_OVERHEAD + w->records.len;
    struct vv_error local = {0};
    enum vv_rc rc;

    if (count == 0) {
        return VV_OK;
    }
    w->records = (struct vv_buf){0};
    w->count = 0;
    w->busy = true;
    vv_mutex_unlock(&w->lock);
    rc = w->dry_run ? VV_OK : publish_segment(w, &records, count, &local);
    vv_buf_release(&records);
    vv_mutex_lock(&w->lock);
    w->busy = false;
    if (rc == VV_OK) {
        w->published += count;
        w->bytes_published += size;
    } else {
        w->failure_rc = rc;
        w->failure = local;
    }
    vv_cond_broadcast(&w->idle);
    return failed_before(w, err);
}

static bool
due(const struct index_writer *w)
{
    bool many = w->gathered != 0 ? w->count >= w->gathered
                                 : (uint64_t)w->count * WAITING_SHARE > w->published;

    return many || w->records.len >= INDEX_SEGMENT_TARGET;
}

/** Append a record, which is released, and publish when it is time.  While another thread publishes,
 *  records pile up only as far as a segment may hold.  Lock held. */
static enum vv_rc
add_record(struct index_writer *w, struct vv_buf *record, struct vv_error *err)
{
    while (w->failure_rc == VV_OK && w->count > 0 &&
           w->records.len + record->len > INDEX_SEGMENT_TARGET) {
        if (w->busy) {
            vv_cond_wait(&w->idle, &w->lock);
        } else {
            VV_TRY(publish_waiting(w, err));
        }
    }
    VV_TRY(failed_before(w, err));
    if (w->count == 0) {
        vv_buf_release(&w->records);
        w->records = *record;
        *record = (struct vv_buf){0};
    } else {
        VV_TRY(vv_buf_reserve(&w->records, record->len, err));
        vv_buf_put(&w->records, record->data, record->len);
        vv_buf_release(record);
    }
    w->count++;
    return w->busy || !due(w) ? VV_OK : publish_waiting(w, err);
}

enum vv_rc
index_writer_add(struct index_writer *w, const struct pack_name *name, uint64_t file_size,
                 enum pack_class class, const struct pack_directory *directory,
                 struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf record = {0};
    enum vv_rc rc;

    if (w->dry_run) {
        vv_buf_put_zeros(&record, (size_t)index_record_size(directory));
        VV_TRY(vv_buf_check(&record, err));
    } else {
        VV_TRY(make_record(w, name, file_size, class, directory, &record, err));
    }
    vv_mutex_lock(&w->lock);
    rc = add_record(w, &record, err);
    vv_mutex_unlock(&w->lock);
    return rc;
}

enum vv_rc
index_writer_attach(struct index_writer *w, const struct index_record *record, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf bytes = {0};
    enum vv_rc rc;

    index_record_append(record, &bytes);
    VV_TRY(vv_buf_check(&bytes, err));
    vv_mutex_lock(&w->lock);
    rc = add_record(w, &bytes, err);
    vv_mutex_unlock(&w->lock);
    return rc;
}

enum vv_rc
index_writer_flush(struct index_writer *w, struct vv_error *err)
{
    enum vv_rc rc;

    vv_mutex_lock(&w->lock);
    while (w->busy) {
        vv_cond_wait(&w->idle, &w->lock);
    }
    rc = failed_before(w, err);
    if (rc == VV_OK) {
        rc = publish_waiting(w, err);
    }
    vv_mutex_unlock(&w->lock);
    return rc;
}
