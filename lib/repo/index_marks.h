/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_INDEX_MARKS_H
#define VARVE_REPO_INDEX_MARKS_H

#include "repo/chunk_index.h"
#include "repo/live_chunks.h"
#include "repo/pack_list.h"

/*
 * What of the index is live, for whoever deletes: a picture of the index at one moment, with the
 * directories of listed packs that no segment names, and a mark on every chunk something refers to.
 *
 * One bit a chunk and four bytes a block on the heap; the index itself is mapped from its file, and
 * compared with the live chunks in one pass in the order of ids.
 *
 * What it says about a pack is what index records say.  They are hints (X1): before a pack goes its
 * own directory has to be read.
 */
struct index_marks;

/** What a pack the index names is worth as the place of a live chunk. */
enum pack_standing {
    PACK_ABSENT = 0, /* not listed, of another size than its record says, or condemned */
    PACK_DOUBTFUL,   /* suspect: only if there is no other */
    PACK_LEAVING,    /* listed, but to be emptied: only if there is none that stays */
    PACK_STAYS,
};

/** A pack as the index names it; the same full name may be named more than once. */
struct marked_pack {
    struct pack_name name;
    struct vv_uuid client;
    uint64_t file_size; /* by its record */
    uint8_t class;
    bool indexed; /* false: no segment names it */
};

/** index_marks_open(x, listed, ret, err): ${listed} was read after the index was loaded. */
MUST_CHECK enum vv_rc index_marks_open(struct chunk_index *x, const struct pack_list *listed,
                                       struct index_marks **ret, struct vv_error *err);
void index_marks_free(struct index_marks *m);
VV_DEFINE_CLEANUP(struct index_marks, index_marks_free);

uint32_t index_marks_packs(const struct index_marks *m);
void index_marks_pack(const struct index_marks *m, uint32_t number, struct marked_pack *ret);

/** index_marks_apply(m, live, standing, ret_missing, err): mark every record of a live chunk, and
 *  count each chunk in one of its places, the one that stands best.  ${standing} has an enum
 *  pack_standing for each pack.  *ret_missing: live chunks without any place.  What was marked
 *  before is forgotten. */
MUST_CHECK enum vv_rc index_marks_apply(struct index_marks *m, struct live_chunks *live,
                                        const uint8_t *standing, uint64_t *ret_missing,
                                        struct vv_error *err);
/** index_marks_add(m, id, standing): one more that is worth keeping, but not missed. */
void index_marks_add(struct index_marks *m, const struct vv_id *id, const uint8_t *standing);

/** How much of a pack would stay if it were repacked. */
struct pack_usage {
    uint64_t blocks;      /* stored bytes of all blocks */
    uint64_t stays;       /* stored bytes of blocks that are moved, and a guess for the others */
    uint64_t live_chunks; /* counted in this pack */
    uint64_t chunks_live_bytes; /* their plaintext */
};
void index_marks_usage(const struct index_marks *m, uint32_t number, double moved_dead,
                       struct pack_usage *ret);

/** index_marks_live(m, id): is the chunk marked?  (One the index does not name is not.) */
bool index_marks_live(const struct index_marks *m, const struct vv_id *id);
/** index_marks_place(m, type, id, nth, ret, ret_pack): the ${nth} place of a chunk, whatever it is
 *  worth, and the number of its pack. */
MUST_CHECK bool index_marks_place(const struct index_marks *m, enum chunk_type type,
                                  const struct vv_id *id, uint32_t nth, struct chunk_location *ret,
                                  uint32_t *ret_pack);
/** index_marks_directory(m, name, ret, err): what the index says a pack holds; looks at every chunk
 *  of the index.  Without blocks if no record names it. */
MUST_CHECK enum vv_rc index_marks_directory(const struct index_marks *m,
                                            const struct pack_name *name,
                                            struct pack_directory *ret, struct vv_error *err);
/** index_marks_trim(m): let go of what was read of the mapped file. */
void index_marks_trim(const struct index_marks *m);

/** block_moves(plain_len, live, moved_dead): is a block of which ${live} bytes are live moved as it
 *  is?  If at most the part ${moved_dead} is dead; of others the live chunks are put into new
 *  blocks. */
static inline bool
block_moves(uint32_t plain_len, uint64_t live, double moved_dead)
{
    return live >= plain_len || (double)(plain_len - live) <= moved_dead * (double)plain_len;
}

#endif
