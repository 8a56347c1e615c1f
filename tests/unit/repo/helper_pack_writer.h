/* SPDX-License-Identifier: BSD-2-Clause */
/* For unit tests of pack writers: chunks are put, and looked for in the packs that come of it. */
#ifndef VARVE_TESTS_HELPER_PACK_WRITER_H
#define VARVE_TESTS_HELPER_PACK_WRITER_H

#include "repo/pack_writer_fixture.h"

#define BIG (20u << 20)

static uint8_t *big; /* room for a test's bytes */

static inline int
get_room(void **state)
{
    (void)state;
    big = vv_alloc(BIG);
    return big == NULL;
}

static inline int
leave_room(void **state)
{
    (void)state;
    vv_free(big);
    return 0;
}

static inline struct pack_writer *
new_writer(struct fixture *f, const struct pack_writer_options *o)
{
    struct pack_writer *w = NULL;

    must(pack_writer_new(f->repo, f->session, f->index, o, &w, E));
    return w;
}

static inline struct block_builder *
new_builder(struct pack_writer *w)
{
    struct block_builder *b = NULL;

    must(block_builder_new(w, &b, E));
    return b;
}

static inline enum vv_rc
try_put(struct fixture *f, struct block_builder *b, enum block_kind kind, enum chunk_type type,
        struct vv_span data, bool *ret_new, struct vv_error *err)
{
    struct vv_id id;

    chunk_id(repo_keyring(f->repo), type, data, &id);
    return block_builder_put(b, kind, type, &id, data, ret_new, err);
}

/** Put a chunk; was it new? */
static inline bool
put(struct fixture *f, struct block_builder *b, enum block_kind kind, enum chunk_type type,
    const uint8_t *data, size_t len)
{
    bool is_new = false;

    must(try_put(f, b, kind, type, vv_span(data, len), &is_new, E));
    return is_new;
}

static inline void
flush(struct pack_writer *w, struct block_builder *b)
{
    must(block_builder_flush(b, E));
    must(pack_writer_flush(w, E));
}

/** How often a chunk is stored. */
static inline unsigned
stored(const struct stored_packs *all, const struct vv_id *id)
{
    unsigned count = 0;

    for (size_t i = 0; i < all->count; i++) {
        const struct pack_directory *d = &all->packs[i].directory;
        for (uint32_t j = 0; j < d->chunk_count; j++) {
            count += vv_id_equal(&d->chunks[j].id, id);
        }
    }
    return count;
}

static inline uint64_t
stored_chunks(const struct stored_packs *all)
{
    uint64_t count = 0;

    for (size_t i = 0; i < all->count; i++) {
        count += all->packs[i].directory.chunk_count;
    }
    return count;
}

static inline uint32_t
target_of(unsigned kind)
{
    return kind == BLOCK_TREE ? 128u << 10 : kind == BLOCK_PAGE ? 256u << 10 : 1u << 20;
}

/** What holds for every pack. */
static inline void
assert_sound(const struct stored_packs *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct stored_pack *p = &all->packs[i];
        assert_int_equal(p->size, padme(p->size));
        for (uint32_t j = 0; j < p->directory.block_count; j++) {
            const struct pack_block *b = &p->directory.blocks[j];
            assert_true(b->plain_len <= target_of(b->kind) || b->chunk_count == 1);
            assert_int_equal(p->header.class, b->kind == BLOCK_TREE  ? PACK_METADATA
                                              : b->kind == BLOCK_LOG ? PACK_LOG
                                                                     : PACK_DATA);
        }
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(p->key, all->packs[j].key, 32);
        }
    }
}

static inline void
count_records(void *ctx, struct fixture *f, const struct index_record *record)
{
    char object[PACK_OBJECT_TEXT];
    struct vv_span bytes;

    pack_object_text(&record->name, object);
    assert_true(storage_memory_peek(f->memory, object, &bytes)); /* P5 */
    (*(size_t *)ctx)++;
}

#endif
