/* SPDX-License-Identifier: BSD-2-Clause */
/* A finished image becomes an object: named, checked by decoding it, stored, told to the index. */
#include <assert.h>
#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "crypto/hash.h"
#include "repo/pack_writer_internal.h"

#define READ_BACK_BYTES (1u << 20)

void (*pack_writer_test_hook)(uint8_t *image, size_t len);

/** Does the pack, read back from its image, hold what was put in? */
static bool
same_content(const struct pack_directory *a, const struct pack_directory *b)
{
    if (a->block_count != b->block_count || a->chunk_count != b->chunk_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->chunk_count; i++) {
        if (a->chunks[i].type != b->chunks[i].type || a->chunks[i].len != b->chunks[i].len ||
            !vv_id_equal(&a->chunks[i].id, &b->chunks[i].id)) {
            return false;
        }
    }
    return true;
}

static bool
is_empty(const struct check_memory *memory)
{
    return memory->frame.data == NULL && memory->plain.data == NULL;
}

/** Memory to look at an image with: what somebody else has kept, or none yet. */
static struct check_memory
borrow_memory(struct pack_writer *w)
{
    struct check_memory memory = {0};

    vv_mutex_lock(&w->lock);
    for (unsigned i = 0; i < SPARE_CHECKS && is_empty(&memory); i++) {
        memory = w->spare_check[i];
        w->spare_check[i] = (struct check_memory){0};
    }
    vv_mutex_unlock(&w->lock);
    return memory;
}

static void
return_memory(struct pack_writer *w, struct check_memory *memory)
{
    vv_mutex_lock(&w->lock);
    for (unsigned i = 0; i < SPARE_CHECKS; i++) {
        if (is_empty(&w->spare_check[i])) {
            w->spare_check[i] = *memory;
            *memory = (struct check_memory){0};
            break;
        }
    }
    vv_mutex_unlock(&w->lock);
    check_memory_release(memory);
}

/** P3, P4: name and check a finished image.  The name comes first: bytes that change after the
 *  check then no longer fit it. */
static enum vv_rc
name_and_check(struct pack_writer *w, const struct pack_image *image, struct image_checker *checker,
               struct pack_name *ret_name, struct pack_directory *ret_directory,
               struct vv_error *err)
{
    struct vv_span bytes = vv_span(image->memory.data, image->len);
    struct check_memory memory = borrow_memory(w);
    struct finished_image finished = {
        .bytes = bytes,
        .ephemeral = image->ephemeral != NULL ? secret_data(image->ephemeral) : NULL,
        .proofs = image->proofs,
        .proof_count = image->directory.block_count};
    enum vv_rc rc;

    sha256(bytes.data, bytes.len, ret_name->hash.b);
    vv_random(ret_name->suffix.b, sizeof(ret_name->suffix.b));
    rc = image_check(checker, &memory, repo_keyring(w->repo), &finished, ret_directory, err);
    return_memory(w, &memory);
    if (rc == VV_ECORRUPT) {
        (void)vv_error_prefix(err, "a finished pack does not decode to what it was made from");
        vv_error_hint(err, "nothing of it was stored; test this machine's memory");
    }
    VV_TRY(rc);
    if (!same_content(&image->directory, ret_directory)) {
        return vv_error_set(err, VV_ECORRUPT, "a finished pack does not hold what was put into it");
    }
    return VV_OK;
}

/** Does the storage have what was published?  Piece by piece, to memory for so many bytes. */
static enum vv_rc
compare_stored(struct pack_writer *w, const struct pack_image *image, const char *object,
               uint8_t *piece, struct vv_error *err)
{
    struct storage *st = repo_storage(w->repo);
    size_t at = 0;

    storage_uncache(st, object);
    while (at < image->len) {
        size_t want = image->len - at < READ_BACK_BYTES ? image->len - at : READ_BACK_BYTES;
        size_t got = 0;
        VV_TRY(storage_read(st, object, at, piece, want, &got, err));
        if (got != want || memcmp(piece, image->memory.data + at, want) != 0) {
            return vv_error_set(err, VV_ECORRUPT, "'%s' comes back other than it was stored",
                                object);
        }
        at += want;
    }
    return VV_OK;
}

static enum vv_rc
read_back(struct pack_writer *w, const struct pack_image *image, const char *object,
          struct vv_error *err)
{
    struct check_memory memory = borrow_memory(w);
    enum vv_rc rc;

    vv_buf_reset(&memory.plain);
    rc = vv_buf_reserve(&memory.plain, READ_BACK_BYTES, err);
    if (rc == VV_OK) {
        rc = compare_stored(w, image, object, memory.plain.data, err);
    }
    return_memory(w, &memory);
    return rc;
}

static enum vv_rc
publish_image(struct pack_writer *w, const struct pack_image *image, const struct pack_name *name,
              struct vv_error *err)
{
    char object[PACK_OBJECT_TEXT];
    enum vv_rc rc;

    pack_object_text(name, object);
    rc = storage_publish(repo_storage(w->repo), object, vv_span(image->memory.data, image->len),
                         err);
    if (rc == VV_EEXISTS) { /* 128 random bits */
        return vv_error_set(err, VV_EIO, "the storage says a name drawn at random is taken: '%s'",
                            object);
    }
    VV_TRY(rc);
    return w->read_back ? read_back(w, image, object, err) : VV_OK;
}

/** Wait until the index knows all images that were handed to uploaders before this one.  Each of them
 *  is with an uploader.  Once the writer has failed the order does not matter any more: what is stored
 *  is told all the same. */
static void
wait_for_turn(struct pack_writer *w, const struct pack_image *image)
{
    vv_mutex_lock(&w->lock);
    while (w->uploader_count > 0 && w->indexed != image->order && w->failure_rc == VV_OK) {
        vv_cond_wait(&w->room, &w->lock);
    }
    vv_mutex_unlock(&w->lock);
}

/** Finish, check, store, and only then (P5) tell the index. */
static enum vv_rc
store_image(struct pack_writer *w, struct pack_image *image, struct image_checker *checker,
            struct vv_error *err)
{
    VV_CLEANUP(pack_directory_release) struct pack_directory found = {0};
    struct pack_name name = {0};

    VV_TRY(pack_image_finish(image, err));
    if (pack_writer_test_hook != NULL) {
        pack_writer_test_hook(image->memory.data, image->len);
    }
    if (!w->dry_run) {
        VV_TRY(name_and_check(w, image, checker, &name, &found, err));
        VV_TRY(publish_image(w, image, &name, err));
    }
    wait_for_turn(w, image);
    VV_TRY(index_writer_add(w->index_writer, &name, image->len, image->class,
                            w->dry_run ? &image->directory : &found, err));
    atomic_fetch_add(
        image->class == PACK_METADATA ? &w->counts.packs_metadata : &w->counts.packs_data, 1);
    atomic_fetch_add(&w->counts.bytes_stored, image->len);
    atomic_fetch_sub(&w->unstored, image->directory.chunk_count);
    if (w->parity != NULL) {
        parity_writer_add(w->parity, &name.hash, vv_span(image->memory.data, image->len));
    }
    return VV_OK;
}

/** Keep an image's memory for the next one, as long as all of it stays within P7.  Lock held. */
static void
keep_memory(struct pack_writer *w, struct image_memory *memory)
{
    unsigned spares = 0;

    for (unsigned i = 0; i < SPARE_MEMORIES; i++) {
        spares += w->spare[i].data != NULL;
    }
    for (unsigned i = 0; i < SPARE_MEMORIES && w->images + spares < w->images_max; i++) {
        if (w->spare[i].data == NULL) {
            w->spare[i] = *memory;
            *memory = (struct image_memory){0};
            return;
        }
    }
}

void
pack_writer_publish(struct pack_writer *w, struct pack_image *image, struct image_checker *checker)
{
    struct image_memory memory = {0};
    uint64_t order = image->order;
    struct vv_error err = {0};
    enum vv_rc rc = pack_writer_check(w, &err);

    assert(image->closed && image->outstanding == 0);
    if (rc == VV_OK && !image->spoiled) {
        rc = store_image(w, image, checker, &err);
    }
    pack_image_free(image, &memory); /* with its key */
    vv_mutex_lock(&w->lock);
    w->indexed = order + 1;
    w->images--;
    keep_memory(w, &memory);
    if (rc != VV_OK) {
        pack_writer_fail_locked(w, rc, &err);
    }
    vv_cond_broadcast(&w->room);
    vv_mutex_unlock(&w->lock);
    vv_free(memory.data);
}
