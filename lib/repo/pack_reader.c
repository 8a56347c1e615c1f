/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading blocks and directories of packs. */

#include "repo/pack_reader.h"

#include <string.h>

#include "compress/compress.h"
#include "core/alloc.h"
#include "core/parallel.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "repo/pack_reader_internal.h"
#include "repo/pack_writer_internal.h"

struct pack_reader {
    struct pack_keys *keys;
    struct aead *aead;
    struct pack_name keyed; /* the pack whose key the context holds */
    bool has_key;
    struct vv_id pack_id;
    struct pack_header header; /* of that pack, its commitment checked */
    struct decompressor *decompressor;
    struct vv_buf stored;
    struct vv_buf frame;
    struct image_checker *checker; /* made when first needed */
    struct check_memory check_memory;
};

enum vv_rc
pack_reader_new(struct pack_keys *k, struct pack_reader **ret, struct vv_error *err)
{
    VV_CLEANUP(pack_reader_freep) struct pack_reader *p = vv_alloc_array(1, sizeof(*p));
    uint8_t none[32] = {0};

    if (p == NULL) {
        return vv_error_nomem(err);
    }
    p->keys = k;
    VV_TRY(aead_new(PACK_CHACHA20, none, &p->aead, err));
    VV_TRY(decompressor_new(&p->decompressor, err));
    *ret = TAKE(p);
    return VV_OK;
}

void
pack_reader_free(struct pack_reader *p)
{
    if (p == NULL) {
        return;
    }
    aead_free(p->aead);
    decompressor_free(p->decompressor);
    vv_buf_release(&p->stored);
    vv_buf_release(&p->frame);
    image_checker_free(p->checker);
    check_memory_release(&p->check_memory);
    vv_free(p);
}

/** Load a pack's key into the context unless it is there. */
static enum vv_rc
use_pack(struct pack_reader *p, const struct pack_name *name, struct vv_error *err)
{
    struct opened_pack opened;
    enum vv_rc rc;

    if (p->has_key && pack_name_compare(&p->keyed, name) == 0) {
        return VV_OK;
    }
    p->has_key = false;
    VV_TRY(pack_keys_get(p->keys, name, &opened, err));
    rc = aead_rekey(p->aead, (uint8_t)opened.header.suite, opened.key, err);
    if (rc == VV_OK) {
        p->keyed = *name;
        p->pack_id = opened.id;
        p->header = opened.header;
        p->has_key = true;
    }
    crypto_wipe(&opened, sizeof(opened));
    return rc;
}

/** Put the object's name in front of an error. */
static enum vv_rc
in_pack(const struct pack_name *name, uint32_t number, enum vv_rc rc, struct vv_error *err)
{
    char object[PACK_OBJECT_TEXT];

    if (rc == VV_ECORRUPT) {
        pack_object_text(name, object);
        (void)vv_error_prefix(err, "'%s' block %u", object, number);
        return vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
    }
    return rc;
}

/** Read exactly ${len} bytes of a pack to p->stored. */
static enum vv_rc
read_exactly(struct pack_reader *p, const struct pack_name *name, uint64_t offset, size_t len,
             struct vv_error *err)
{
    char object[PACK_OBJECT_TEXT];
    size_t got = 0;

    pack_object_text(name, object);
    vv_buf_reset(&p->stored);
    VV_TRY(vv_buf_reserve(&p->stored, len, err));
    VV_TRY(storage_read(repo_storage(pack_keys_repo(p->keys)), object, offset, p->stored.data, len,
                        &got, err));
    if (got != len) {
        return vv_error_set(err, VV_ECORRUPT, "'%s' is cut short", object);
    }
    p->stored.len = len;
    return VV_OK;
}

/** Where a block goes: its plaintext, and what was encrypted on the way. */
struct block_target {
    uint8_t *plain;
    struct vv_buf *frame;      /* its zstd frame, if it is one */
    struct block_proof *proof; /* of the content; NULL: not wanted */
};

/** Authenticate and decompress the record in p->stored. */
static enum vv_rc
open_block(struct pack_reader *p, const struct chunk_location *loc, const struct block_target *t,
           struct vv_error *err)
{
    bool is_frame = (loc->block_flags & BLOCK_ZSTD) != 0;
    uint8_t nonce[12];
    uint8_t aad[PACK_AAD_LEN];
    struct vv_span sealed = vv_buf_span(&p->stored);
    struct vv_span content;

    pack_nonce(loc->block_number, nonce);
    pack_aad(aad, &p->pack_id, PACK_RECORD_BLOCK, loc->block_number, loc->block_stored,
             loc->block_plain, loc->block_flags);
    if (!is_frame && loc->block_plain + PACK_TAG_LEN != loc->block_stored) {
        return vv_error_set(err, VV_ECORRUPT, "lengths do not agree");
    }
    vv_buf_reset(t->frame);
    if (is_frame) {
        VV_TRY(vv_buf_reserve(t->frame, sealed.len, err));
    }
    VV_TRY(aead_open(p->aead, nonce, vv_span(aad, sizeof(aad)), sealed,
                     is_frame ? t->frame->data : t->plain, err));
    content = vv_span(is_frame ? t->frame->data : t->plain, sealed.len - PACK_TAG_LEN);
    if (t->proof != NULL) {
        block_proof_content(t->proof, content); /* M1 */
    }
    if (!is_frame) {
        return VV_OK;
    }
    t->frame->len = content.len;
    return decompress_block(p->decompressor, content, t->plain, loc->block_plain, err);
}

/* The pack's header, for its key, and the block's bytes. */
struct block_reading {
    struct pack_reader *p;
    const struct chunk_location *loc;
};

static enum vv_rc
read_key(void *ctx, struct vv_error *err)
{
    const struct block_reading *b = ctx;
    return use_pack(b->p, &b->loc->pack, err);
}

static enum vv_rc
read_block(void *ctx, struct vv_error *err)
{
    const struct block_reading *b = ctx;
    return read_exactly(b->p, &b->loc->pack, b->loc->block_offset, b->loc->block_stored, err);
}

/** Both at once if the key is not known yet and a round trip takes long. */
static enum vv_rc
read_key_and_block(struct pack_reader *p, const struct chunk_location *loc, struct vv_error *err)
{
    struct block_reading b = {.p = p, .loc = loc};
    struct vv_job jobs[] = {{.run = read_key, .ctx = &b}, {.run = read_block, .ctx = &b}};
    unsigned threads = storage_parallel(repo_storage(pack_keys_repo(p->keys)));

    if (pack_keys_has(p->keys, &loc->pack)) {
        threads = 1;
    }
    return vv_parallel_run(jobs, VV_COUNT(jobs), threads, err);
}

static enum vv_rc
read_to(struct pack_reader *p, const struct chunk_location *loc, const struct block_target *t,
        struct vv_error *err)
{
    if (loc->block_stored < PACK_TAG_LEN || loc->block_plain > LIMIT_BLOCK_PLAIN ||
        loc->block_stored > LIMIT_BLOCK_PLAIN + (1u << 20)) {
        return vv_error_set(err, VV_ECORRUPT, "a block of impossible size");
    }
    VV_TRY(read_key_and_block(p, loc, err));
    return in_pack(&loc->pack, loc->block_number, open_block(p, loc, t, err), err);
}

enum vv_rc
pack_read_block(struct pack_reader *p, const struct chunk_location *loc, uint8_t *out,
                struct vv_error *err)
{
    struct block_target target = {.frame = &p->frame};

    target.plain = out;
    return read_to(p, loc, &target, err);
}

enum vv_rc
pack_read_content(struct pack_reader *p, const struct chunk_location *loc, uint8_t *out,
                  struct vv_buf *frame, struct block_proof *ret_proof, struct vv_error *err)
{
    struct block_target target = {.frame = frame, .proof = ret_proof};

    target.plain = out;
    return read_to(p, loc, &target, err);
}

/** The key of a pack in memory, from either of its headers; not kept for the next call. */
static enum vv_rc
use_image(struct pack_reader *p, struct vv_span image, struct vv_error *err)
{
    const struct keyring *keyring = repo_keyring(pack_keys_repo(p->keys));
    struct opened_pack opened;
    const uint8_t *copy;
    enum vv_rc rc;

    p->has_key = false;
    if (image.len < PACK_HEADER_LEN + PACK_TAIL_LEN) {
        return vv_error_set(err, VV_ECORRUPT, "a pack of %zu bytes", image.len);
    }
    copy = image.data + image.len - PACK_TAIL_LEN;
    rc = opened_pack_from_header(keyring, image.data, &opened, err);
    if (rc == VV_ECORRUPT || (rc == VV_EKEY && memcmp(image.data, copy, PACK_HEADER_LEN) != 0)) {
        rc = opened_pack_from_header(keyring, copy, &opened, err);
    }
    VV_TRY(rc);
    rc = aead_rekey(p->aead, (uint8_t)opened.header.suite, opened.key, err);
    p->pack_id = opened.id;
    p->header = opened.header;
    crypto_wipe(&opened, sizeof(opened));
    return rc;
}

enum vv_rc
pack_read_block_from(struct pack_reader *p, struct vv_span image, const struct chunk_location *loc,
                     uint8_t *out, struct vv_error *err)
{
    struct block_target target = {.frame = &p->frame};

    target.plain = out;
    if (loc->block_stored < PACK_TAG_LEN || loc->block_plain > LIMIT_BLOCK_PLAIN ||
        loc->block_offset > image.len || loc->block_stored > image.len - loc->block_offset) {
        return vv_error_set(err, VV_ECORRUPT, "a block of impossible size");
    }
    VV_TRY(use_image(p, image, err));
    vv_buf_reset(&p->stored);
    vv_buf_put(&p->stored, image.data + loc->block_offset, loc->block_stored);
    VV_TRY(vv_buf_check(&p->stored, err));
    return in_pack(&loc->pack, loc->block_number, open_block(p, loc, &target, err), err);
}

/** Footer of the pack whose last bytes are in p->stored. */
static enum vv_rc
open_footer(struct pack_reader *p, uint64_t file_size, struct pack_footer *ret,
            struct vv_error *err)
{
    uint8_t nonce[12];
    uint8_t aad[PACK_AAD_LEN];
    uint8_t plain[PACK_FOOTER_PLAIN];

    pack_nonce(PACK_NUMBER_FOOTER, nonce);
    pack_aad(aad, &p->pack_id, PACK_RECORD_FOOTER, PACK_NUMBER_FOOTER, PACK_FOOTER_LEN,
             PACK_FOOTER_PLAIN, 0);
    VV_TRY(aead_open(p->aead, nonce, vv_span(aad, sizeof(aad)),
                     vv_span(p->stored.data + PACK_HEADER_LEN, PACK_FOOTER_LEN), plain, err));
    return pack_footer_decode(plain, file_size, ret, err);
}

static enum vv_rc
open_directory(struct pack_reader *p, const struct pack_footer *f, struct pack_directory *ret,
               struct vv_error *err)
{
    uint8_t nonce[12];
    uint8_t aad[PACK_AAD_LEN];

    pack_nonce(PACK_NUMBER_DIRECTORY, nonce);
    pack_aad(aad, &p->pack_id, PACK_RECORD_DIRECTORY, PACK_NUMBER_DIRECTORY, f->directory_stored,
             f->directory_plain, 0);
    vv_buf_reset(&p->frame);
    VV_TRY(vv_buf_reserve(&p->frame, f->directory_stored, err));
    VV_TRY(aead_open(p->aead, nonce, vv_span(aad, sizeof(aad)), vv_buf_span(&p->stored),
                     p->frame.data, err));
    return pack_directory_decode(vv_span(p->frame.data, f->directory_plain), f->file_size, ret,
                                 err);
}

/** The key, from the header at the front or, if that is damaged, from its copy behind the
 * directory. */
static enum vv_rc
use_pack_or_copy(struct pack_reader *p, const struct pack_name *name, struct vv_error *err)
{
    struct opened_pack opened;
    enum vv_rc rc = use_pack(p, name, err);

    if (rc != VV_ECORRUPT) {
        return rc;
    }
    vv_error_clear(err);
    VV_TRY(opened_pack_from_header(repo_keyring(pack_keys_repo(p->keys)), p->stored.data, &opened,
                                   err));
    rc = aead_rekey(p->aead, (uint8_t)opened.header.suite, opened.key, err);
    p->pack_id = opened.id;
    p->header = opened.header;
    crypto_wipe(&opened, sizeof(opened));
    return rc;
}

enum vv_rc
pack_read_directory(struct pack_reader *p, const struct pack_name *name, uint64_t file_size,
                    struct pack_directory *ret, struct pack_header *ret_header,
                    struct vv_error *err)
{
    struct pack_footer footer;
    enum vv_rc rc;

    if (file_size < PACK_HEADER_LEN + PACK_TAIL_LEN || file_size > LIMIT_PACK) {
        return vv_error_set(err, VV_ECORRUPT, "a pack of %llu bytes",
                            (unsigned long long)file_size);
    }
    VV_TRY(read_exactly(p, name, file_size - PACK_TAIL_LEN, PACK_TAIL_LEN, err));
    VV_TRY(use_pack_or_copy(p, name, err));
    VV_TRY(in_pack(name, PACK_NUMBER_FOOTER, open_footer(p, file_size, &footer, err), err));
    if (footer.directory_offset > file_size || footer.directory_stored < PACK_TAG_LEN ||
        footer.directory_stored > file_size - footer.directory_offset) {
        return vv_error_set(err, VV_ECORRUPT, "a directory outside its pack");
    }
    VV_TRY(read_exactly(p, name, footer.directory_offset, footer.directory_stored, err));
    rc = in_pack(name, PACK_NUMBER_DIRECTORY, open_directory(p, &footer, ret, err), err);
    if (rc == VV_OK) {
        *ret_header = p->header;
    }
    return rc;
}

enum vv_rc
pack_check_directory(struct pack_reader *p, const struct pack_name *name, struct vv_span image,
                     struct pack_directory *ret, enum pack_class *ret_class, struct vv_error *err)
{
    struct finished_image finished = {.bytes = image};
    struct pack_header header;
    struct vv_id hash;

    sha256(image.data, image.len, hash.b);
    if (!vv_id_equal(&hash, &name->hash)) {
        return vv_error_set(err, VV_ECORRUPT, "its content does not have the hash in its name");
    }
    if (p->checker == NULL) {
        VV_TRY(image_checker_new(&p->checker, err));
    }
    VV_TRY(image_check(p->checker, &p->check_memory, repo_keyring(pack_keys_repo(p->keys)),
                       &finished, ret, err));
    /* The check has compared both copies of the header and its commitment. */
    if (pack_header_decode(image.data, repo_id(pack_keys_repo(p->keys)), &header, err) != VV_OK) {
        pack_directory_release(ret);
        return VV_ECORRUPT;
    }
    *ret_class = header.class;
    return VV_OK;
}

enum vv_rc
pack_check(struct pack_reader *p, const struct pack_name *name, struct vv_span image,
           struct vv_error *err)
{
    struct pack_directory directory = {0};
    enum pack_class class;

    VV_TRY(pack_check_directory(p, name, image, &directory, &class, err));
    pack_directory_release(&directory);
    return VV_OK;
}
