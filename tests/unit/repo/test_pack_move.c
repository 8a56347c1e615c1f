/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks that move from pack to pack as they are (repo/block_proof.h): what changes between reading
 * and publishing is found, although they are decoded only once. */
#include "pack_writer_fixture.h"

#define CHUNK_LEN 3000u
#define CHUNKS 5u

enum change {
    CHANGE_NOTHING,
    CHANGE_CONTENT_FIRST,
    CHANGE_CONTENT_LAST,
    CHANGE_ID,
    CHANGE_TYPE,
    CHANGE_LENGTHS, /* of two chunks: their sum stays */
    CHANGE_FLAGS,
    CHANGE_COUNT
};

/** A block as it was read from its pack. */
struct read_block {
    struct pack_block block;
    struct pack_chunk chunks[CHUNKS];
    uint8_t plain[CHUNKS * CHUNK_LEN];
    struct vv_buf frame;
    struct block_proof proof;
};

static void
write_pack(struct fixture *f, bool compresses)
{
    struct pack_writer *w = NULL;
    struct block_builder *b = NULL;
    uint8_t data[CHUNK_LEN];

    must(pack_writer_new(f->repo, f->session, f->index,
                         &(struct pack_writer_options){.level = 3, .threads = 1}, &w, E));
    must(block_builder_new(w, &b, E));
    for (unsigned i = 0; i < CHUNKS; i++) {
        struct vv_id id;
        bool is_new;
        (compresses ? fixture_text : fixture_noise)(data, sizeof(data), i + 1);
        chunk_id(repo_keyring(f->repo), CHUNK_DATA, vv_span(data, sizeof(data)), &id);
        must(block_builder_put(b, BLOCK_SMALL, CHUNK_DATA, &id, vv_span(data, sizeof(data)),
                               &is_new, E));
        assert_true(is_new);
    }
    must(block_builder_flush(b, E));
    must(pack_writer_flush(w, E));
    block_builder_free(b);
    pack_writer_free(w);
}

static void
read_back(struct fixture *f, const struct stored_pack *p, struct read_block *ret)
{
    const struct pack_block *block = &p->directory.blocks[0];
    struct chunk_location loc = {.pack = p->name,
                                 .pack_size = p->size,
                                 .block_offset = block->offset,
                                 .block_stored = block->stored_len,
                                 .block_plain = block->plain_len,
                                 .block_flags = block->flags};
    struct pack_keys *keys = NULL;
    struct pack_reader *reader = NULL;

    memset(ret, 0, sizeof(*ret));
    assert_int_equal(p->directory.block_count, 1);
    assert_int_equal(block->plain_len, sizeof(ret->plain));
    must(pack_keys_new(f->repo, &keys, E));
    must(pack_reader_new(keys, &reader, E));
    must(pack_read_content(reader, &loc, ret->plain, &ret->frame, &ret->proof, E));
    ret->block = *block;
    memcpy(ret->chunks, p->directory.chunks, sizeof(ret->chunks));
    block_proof_entries(&ret->proof, &ret->block, ret->chunks);
    pack_reader_free(reader);
    pack_keys_free(keys);
}

static void
change(struct read_block *r, struct vv_span content, enum change what)
{
    uint8_t *bytes = (r->block.flags & BLOCK_ZSTD) != 0 ? r->frame.data : r->plain;

    switch (what) {
    case CHANGE_CONTENT_FIRST:
        bytes[0] ^= 0x40;
        break;
    case CHANGE_CONTENT_LAST:
        bytes[content.len - 1] ^= 0x01;
        break;
    case CHANGE_ID:
        r->chunks[2].id.b[7] ^= 0x08;
        break;
    case CHANGE_TYPE:
        r->chunks[1].type = CHUNK_LIST;
        break;
    case CHANGE_LENGTHS:
        r->chunks[0].len--;
        r->chunks[1].len++;
        break;
    case CHANGE_FLAGS:
        r->block.flags ^= BLOCK_ZSTD;
        break;
    case CHANGE_NOTHING:
    case CHANGE_COUNT:
        break;
    }
}

/** Move the block into a pack of its own after a change; the result of publishing that. */
static enum vv_rc
move(struct fixture *f, struct read_block *r, enum change what)
{
    struct vv_span content = (r->block.flags & BLOCK_ZSTD) != 0
                                 ? vv_buf_span(&r->frame)
                                 : vv_span(r->plain, sizeof(r->plain));
    struct pack_writer *w = NULL;
    struct block_builder *b = NULL;
    enum vv_rc rc;

    must(pack_writer_new(f->repo, f->session, f->index,
                         &(struct pack_writer_options){
                             .level = 3, .threads = 1, .own_only = true, .read_back = true},
                         &w, E));
    must(block_builder_new(w, &b, E));
    change(r, content, what);
    rc = block_builder_move(b, &r->block, content, r->chunks, &r->proof, E);
    if (rc == VV_OK) {
        rc = pack_writer_flush(w, E);
    }
    assert_int_equal(pack_writer_counts(w)->packs_data, rc == VV_OK ? 1 : 0);
    block_builder_free(b);
    pack_writer_free(w);
    return rc;
}

static void
try_changes(bool compresses)
{
    for (enum change what = CHANGE_NOTHING; what < CHANGE_COUNT; what++) {
        struct fixture f;
        struct stored_packs before;
        struct stored_packs after;
        struct read_block r;

        fixture_begin(&f);
        write_pack(&f, compresses);
        before = fixture_packs(&f);
        assert_int_equal(before.count, 1);
        read_back(&f, &before.packs[0], &r);
        assert_int_equal((r.block.flags & BLOCK_ZSTD) != 0, compresses);
        assert_int_equal(move(&f, &r, what), what == CHANGE_NOTHING ? VV_OK : VV_ECORRUPT);
        after = fixture_packs(&f); /* checked as any reader does, all ids recomputed */
        assert_int_equal(after.count, what == CHANGE_NOTHING ? 2 : 1);
        fixture_packs_release(&before);
        fixture_packs_release(&after);
        vv_buf_release(&r.frame);
        fixture_end(&f);
    }
}

static void
block_move__publishes_what_was_read_and_nothing_else(void **state)
{
    (void)state;
    try_changes(true);
    try_changes(false);
}

/** Without a proof a moved block is decoded again. */
static void
block_move__decodes_what_has_no_proof(void **state)
{
    (void)state;
    for (enum change what = CHANGE_NOTHING; what <= CHANGE_CONTENT_LAST; what++) {
        struct fixture f;
        struct stored_packs before;
        struct read_block r;

        fixture_begin(&f);
        write_pack(&f, true);
        before = fixture_packs(&f);
        read_back(&f, &before.packs[0], &r);
        r.proof.given = false;
        assert_int_equal(move(&f, &r, what), what == CHANGE_NOTHING ? VV_OK : VV_ECORRUPT);
        fixture_packs_release(&before);
        vv_buf_release(&r.frame);
        fixture_end(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_move__publishes_what_was_read_and_nothing_else),
        cmocka_unit_test(block_move__decodes_what_has_no_proof),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
