/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune, P4: one block of a condemned pack, read and looked at. */
#include "engine/prune_block_internal.h"

#include "core/alloc.h"

/** Recompute the ids of the chunks of one type, and put them at the chunks' places. */
static void
hash_type(const struct keyring *keyring, const struct pack_chunk *chunks, uint32_t count,
          enum chunk_type type, struct prune_block *b)
{
    uint32_t first = 0;

    while (first < count) { /* chunks of one type stand side by side, most often all of them */
        uint32_t end = first;
        while (end < count && chunks[end].type == type) {
            end++;
        }
        if (end > first) {
            blake2b_256_many(keyring_id_key(keyring, type), b->jobs + first, end - first);
        }
        first = end + 1;
    }
}

static enum vv_rc
hash_chunks(const struct prune_round *round, const struct pack_directory *d, uint32_t number,
            struct prune_block *b, struct vv_error *err)
{
    const struct pack_block *block = &d->blocks[number];
    const struct pack_chunk *chunks = d->chunks + block->first_chunk;
    size_t at = 0;

    if (block->chunk_count > b->job_room) {
        struct hash_job *jobs = vv_realloc_array(b->jobs, block->chunk_count, sizeof(*jobs));
        if (jobs == NULL) {
            return vv_error_nomem(err);
        }
        b->jobs = jobs;
        b->job_room = block->chunk_count;
    }
    for (uint32_t i = 0; i < block->chunk_count; at += chunks[i++].len) {
        b->jobs[i] = (struct hash_job){.data = b->plain.data + at, .len = chunks[i].len};
    }
    for (enum chunk_type type = CHUNK_DATA; type <= CHUNK_RECORD; type++) {
        hash_type(repo_keyring(round->p->repo), chunks, block->chunk_count, type, b);
    }
    return VV_OK;
}

enum vv_rc
prune_block_read(const struct prune_round *round, struct pack_reader *reader, size_t pack,
                 const struct pack_directory *d, uint32_t number, struct prune_block *b,
                 struct vv_error *err)
{
    const struct pack_list_item *item = &round->packs.items[pack];
    const struct pack_block *block = &d->blocks[number];
    struct chunk_location loc = {.pack = item->name,
                                 .pack_size = item->size,
                                 .block_number = number,
                                 .block_offset = block->offset,
                                 .block_stored = block->stored_len,
                                 .block_plain = block->plain_len,
                                 .block_flags = block->flags};

    vv_buf_reset(&b->plain);
    VV_TRY(vv_buf_reserve(&b->plain, block->plain_len, err));
    VV_TRY(pack_read_content(reader, &loc, b->plain.data, &b->frame, &b->proof, err));
    block_proof_entries(&b->proof, block, d->chunks + block->first_chunk); /* M1 */
    b->plain.len = block->plain_len;
    b->content = vv_buf_span((block->flags & BLOCK_ZSTD) != 0 ? &b->frame : &b->plain);
    return hash_chunks(round, d, number, b, err);
}

void
prune_block_release(struct prune_block *b)
{
    vv_buf_release(&b->plain);
    vv_buf_release(&b->frame);
    vv_free(b->jobs);
}
