/* SPDX-License-Identifier: BSD-2-Clause */
/* Repair: one good pack out of two that are damaged in different places, A2. */

#include <string.h>

#include "engine/repair_internal.h"
#include "repo/pack_parity.h"
#include "repo/pack_reader.h"

#define RUNS_MAX 10u /* differences in one block that are tried both ways: 1024 combinations */
#define RUN_GAP 64u  /* equal bytes between two of them */

/** The bytes of the damaged instance here, healed as far as parity goes. */
static enum vv_rc
read_here(struct repair *x, const struct vv_id *hash, struct vv_buf *image, struct vv_error *err)
{
    struct pack_names l;
    enum vv_rc rc = pack_names_list_hash(x->repo, "packs", hash, &l, err);

    VV_TRY(rc);
    vv_buf_reset(image);
    if (l.count > 0) {
        struct parity_outcome outcome = {0};
        char object[PACK_OBJECT_TEXT];
        rc = pack_parity_heal(x->repo, &l.names[0], image, &outcome, err);
        parity_outcome_release(&outcome);
        if (rc != VV_OK && !repair_ends(rc)) {
            vv_error_clear(err);
            pack_object_text(&l.names[0], object);
            vv_buf_reset(image);
            rc = storage_read_all(repo_storage(x->repo), object, LIMIT_PACK, image, err);
        }
    }
    pack_names_release(&l);
    return repair_of_object(rc, err);
}

/** Where the blocks of a wanted pack lie, from the index. */
struct layout {
    const struct vv_id *hash;
    struct pack_directory directory;
    uint64_t size; /* 0: not known */
};

static enum vv_rc
find_layout(void *ctx, const struct pack_name *name, const struct index_body *body,
            struct vv_error *err)
{
    struct layout *l = ctx;

    if (l->size != 0 || !vv_id_equal(&name->hash, l->hash)) {
        return VV_OK;
    }
    VV_TRY(pack_directory_decode(body->directory, body->file_size, &l->directory, err));
    l->size = body->file_size;
    return VV_OK;
}

/** What is put together out of two damaged instances. */
struct mixture {
    struct vv_buf *image;
    const struct vv_buf *mine;
    const struct vv_buf *theirs;
    const struct layout *layout;
    struct pack_reader *reader;
    uint8_t *plain;
};

/** Bytes in which the two instances differ. */
struct difference {
    size_t offset;
    size_t len;
};

/** The differences within a range, those close to each other as one; more than there is room for:
 *  RUNS_MAX + 1. */
static unsigned
find_differences(const struct mixture *m, size_t offset, size_t len, struct difference *ret)
{
    const uint8_t *a = m->mine->data;
    const uint8_t *b = m->theirs->data;
    unsigned count = 0;

    for (size_t at = offset; at < offset + len; at++) {
        if (a[at] == b[at]) {
            continue;
        }
        if (count > 0 && at - (ret[count - 1].offset + ret[count - 1].len) <= RUN_GAP) {
            ret[count - 1].len = at + 1 - ret[count - 1].offset;
        } else if (count == RUNS_MAX) {
            return RUNS_MAX + 1;
        } else {
            ret[count++] = (struct difference){at, 1};
        }
    }
    return count;
}

/** A block damaged in both: take each difference from here or from there, until it decodes.  It is
 *  the authentication that decides. */
static enum vv_rc
mix_block(struct mixture *m, const struct chunk_location *loc, struct vv_error *err)
{
    struct difference runs[RUNS_MAX];
    unsigned count = find_differences(m, loc->block_offset, loc->block_stored, runs);

    for (unsigned way = 1; count <= RUNS_MAX && way < 1u << count; way++) {
        enum vv_rc rc;
        for (unsigned i = 0; i < count; i++) {
            const struct vv_buf *from = (way >> i & 1) != 0 ? m->theirs : m->mine;
            memcpy(m->image->data + runs[i].offset, from->data + runs[i].offset, runs[i].len);
        }
        rc = pack_read_block_from(m->reader, vv_buf_span(m->image), loc, m->plain, err);
        if (rc != VV_ECORRUPT) {
            return rc;
        }
        vv_error_clear(err);
    }
    return VV_OK; /* the hash of the whole will tell */
}

/** Blocks that do not decode as they are here. */
static enum vv_rc
mix_blocks(struct mixture *m, struct vv_error *err)
{
    for (uint32_t i = 0; i < m->layout->directory.block_count; i++) {
        const struct pack_block *b = &m->layout->directory.blocks[i];
        struct chunk_location loc = {.pack.hash = *m->layout->hash,
                                     .block_number = i,
                                     .block_offset = b->offset,
                                     .block_stored = b->stored_len,
                                     .block_plain = b->plain_len,
                                     .block_flags = b->flags};
        enum vv_rc rc = pack_read_block_from(m->reader, vv_buf_span(m->image), &loc, m->plain, err);
        if (rc == VV_ECORRUPT) {
            vv_error_clear(err);
            rc = mix_block(m, &loc, err);
        }
        VV_TRY(rc);
    }
    return VV_OK;
}

/** Try with header and tail from here or there: four ways. */
static enum vv_rc
mix(struct mixture *m, bool *ret_good, struct vv_error *err)
{
    const struct pack_directory *d = &m->layout->directory;
    const struct pack_block *last = &d->blocks[d->block_count - 1];
    size_t tail = (size_t)last->offset + last->stored_len;

    for (unsigned way = 0; way < 4 && !*ret_good; way++) {
        const struct vv_buf *head = (way & 1) != 0 ? m->theirs : m->mine;
        const struct vv_buf *end = (way & 2) != 0 ? m->theirs : m->mine;
        memcpy(m->image->data, m->mine->data, m->mine->len);
        memcpy(m->image->data, head->data, PACK_HEADER_LEN);
        memcpy(m->image->data + tail, end->data + tail, m->image->len - tail);
        VV_TRY(mix_blocks(m, err));
        *ret_good = repair_has_hash(m->image, m->layout->hash);
    }
    return VV_OK;
}

enum vv_rc
repair_mix(struct repair *x, const struct vv_id *hash, struct chunk_reader *chunks,
           const struct vv_buf *theirs, struct vv_buf *image, bool *ret_good, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf mine = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf plain = {0};
    VV_CLEANUP(pack_reader_freep) struct pack_reader *reader = NULL;
    struct layout layout = {.hash = hash};
    struct mixture m = {.mine = &mine, .theirs = theirs, .image = image, .layout = &layout};
    enum vv_rc rc = chunk_index_each_pack(chunk_reader_index(chunks), find_layout, &layout, err);

    *ret_good = false;
    vv_buf_reset(image);
    if (rc == VV_OK) {
        rc = read_here(x, hash, &mine, err);
    }
    if (rc == VV_OK && layout.size != 0 && layout.directory.block_count > 0 &&
        mine.len == layout.size && theirs->len == layout.size) {
        rc = pack_reader_new(chunk_reader_keys(chunks), &reader, err);
        if (rc == VV_OK) {
            rc = vv_buf_reserve(&plain, LIMIT_BLOCK_PLAIN, err);
        }
        vv_buf_put(image, mine.data, mine.len);
        m.reader = reader;
        m.plain = plain.data;
        rc = rc == VV_OK ? vv_buf_check(image, err) : rc;
        rc = rc == VV_OK ? mix(&m, ret_good, err) : rc;
    }
    pack_directory_release(&layout.directory);
    return rc;
}
