/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_INDEX_TABLE_INTERNAL_H
#define VARVE_REPO_INDEX_TABLE_INTERNAL_H

#include "repo/chunk_index.h"

/*
 * The local form of the index: packs, blocks and chunk records sorted by id, in one file that is
 * mapped into memory.  Not a repository format: host byte order, rebuilt whenever it does not fit.
 *
 *   header | segment hashes (sorted) | packs | blocks | records (sorted by id, then block) | metadata
 *
 * Metadata: once more the records of chunks that are no file's data, in the same order.  Whoever reads
 * a tree looks there, so that what it touches does not grow with the number of files' chunks.
 */
#define TABLE_MAGIC "vvindex2"
struct table_header {
    char magic[8];
    uint64_t segments;
    uint64_t packs;
    uint64_t blocks;
    uint64_t records;
    uint64_t metadata;
    uint8_t check[16]; /* vv_hash128 of everything behind the header */
};
/** What a record's signature was worth when it was read. */
enum table_signature {
    TABLE_UNKNOWN_SIGNER = 0, /* the client had no certificate (or nobody signs: orphans) */
    TABLE_SIGNED = 1,
    TABLE_WRONG_SIGNATURE = 2,
};
struct table_pack {
    struct pack_name name;
    struct vv_uuid client;
    uint64_t file_size;
    uint8_t class;
    uint8_t signature; /* enum table_signature */
    uint8_t reserved[6];
};
struct table_block {
    uint32_t pack;
    uint32_t number;
    uint32_t offset;
    uint32_t stored_len;
    uint32_t plain_len;
    uint8_t kind;
    uint8_t flags;
    uint8_t reserved[2];
};
struct table_record {
    struct vv_id id;
    uint32_t block;
    uint32_t offset;
    uint32_t len;
    uint8_t type;
    uint8_t reserved[3];
};

/** A table, mapped or in memory. */
struct index_table {
    const struct vv_id *segments;
    const struct table_pack *packs;
    const struct table_block *blocks;
    const struct table_record *records;
    const struct table_record *metadata;
    uint64_t segment_count;
    uint64_t pack_count;
    uint64_t block_count;
    uint64_t record_count;
    uint64_t metadata_count;
    void *map; /* NULL: the arrays are on the heap (a builder's) */
    size_t map_len;
};

/** A table being collected on the heap. */
struct table_builder {
    struct vv_buf segments;
    struct vv_buf packs;
    struct vv_buf blocks;
    struct vv_buf records;
    struct vv_buf metadata;
};
void table_builder_release(struct table_builder *b);
/** table_builder_add(b, pack, directory, err). */
MUST_CHECK enum vv_rc table_builder_add(struct table_builder *b, const struct table_pack *pack,
                                        const struct pack_directory *directory,
                                        struct vv_error *err);
/** table_builder_sort(b): records and metadata by id. */
void table_builder_sort(struct table_builder *b);
/** table_builder_view(b, ret): the builder's arrays as a table (borrowed). */
void table_builder_view(const struct table_builder *b, struct index_table *ret);

/** table_merge(old, new, fd, err): write header and the merge of both (new's block and pack numbers
 *  shifted) to ${fd}; ${old} may be NULL. */
MUST_CHECK enum vv_rc table_merge(const struct index_table *old, const struct index_table *new,
                                  int fd, struct vv_error *err);
/** table_map(fd, ret, err): map and check a table file; VV_ECORRUPT if it is not whole.
 *  table_map_written: one that table_merge has just written; it is not read once more. */
MUST_CHECK enum vv_rc table_map_written(int fd, struct index_table *ret, struct vv_error *err);
MUST_CHECK enum vv_rc table_map(int fd, struct index_table *ret, struct vv_error *err);
/** table_store(r, cached, old, new, ret, err): merge into a file and map it: the cache's table for
 *  later runs, if ${cached}, else an unnamed file.  A place that cannot be written to is told and done
 *  without (repo_cache_failed); the last is memory. */
MUST_CHECK enum vv_rc table_store(struct repo *r, bool cached, const struct index_table *old,
                                  const struct index_table *new, struct index_table *ret,
                                  struct vv_error *err);
void table_unmap(struct index_table *t);
/** table_chain_piece(chain, piece, len): the check of a table file is of pieces of TABLE_PIECE: the one so far
 *  (16 bytes, first all 0) and the next piece's (16 bytes) make the next one. */
#define TABLE_PIECE (4u << 20)
void table_chain_piece(uint8_t chain[32], const void *piece, size_t len);
/** table_pack_of(t, record): the pack a record lies in; NULL if the numbers lead nowhere (the file
 *  a table is mapped from may change under it). */
const struct table_pack *table_pack_of(const struct index_table *t,
                                       const struct table_record *record);
/** table_location(t, record, ret): the place of a record whose pack table_pack_of has found. */
void table_location(const struct index_table *t, const struct table_record *record,
                    struct chunk_location *ret);
/** table_let_go(from, len): give back the pages of a mapped file (whole ones only) that will not be
 *  needed again soon. */
void table_let_go(const void *from, size_t len);
/** table_find(t, id): place of the first record with this id, or record_count. */
uint64_t table_find(const struct index_table *t, const struct vv_id *id);
/** table_records_of(t, type, id, ret_count): the records of this type with this id (and perhaps some of
 *  another type: compare), in the order of blocks. */
const struct table_record *table_records_of(const struct index_table *t, enum chunk_type type,
                                            const struct vv_id *id, uint64_t *ret_count);

/** index_record_open(r, record, out, err): decrypt a record's body. */
MUST_CHECK enum vv_rc index_record_open(struct repo *r, const struct index_record *record,
                                        struct vv_buf *out, struct vv_error *err);
struct object_ahead; /* repo/object_ahead.h */
/** index_segment_collect(r, id, ahead, admin, b, strangers, err): take one segment, the next of ${ahead},
 *  into ${b}; a damaged one is reported and left out; one with records of nobody certified is appended to
 *  ${strangers} (struct vv_id): a certificate may have come since ${admin} was read.  VV_ENOTFOUND: it
 *  vanished.  index_tell_strangers(r, strangers): report these. */
MUST_CHECK enum vv_rc index_segment_collect(struct repo *r, const struct vv_id *id,
                                            struct object_ahead *ahead,
                                            const struct admin_records *admin,
                                            struct table_builder *b, struct vv_buf *strangers,
                                            struct vv_error *err);
void index_tell_strangers(struct repo *r, const struct vv_buf *strangers);
struct pack_reader; /* repo/pack_reader.h */
/** index_add_orphan(reader, name, size, b, err): add the directory of a pack nobody indexed; what
 *  cannot be read is left out. */
MUST_CHECK enum vv_rc index_add_orphan(struct pack_reader *reader, const struct pack_name *name,
                                       uint64_t size, struct table_builder *b,
                                       struct vv_error *err);
/** index_orphans(x's repository, known table, builder, err): add the directories of packs the table
 *  does not name. */
MUST_CHECK enum vv_rc index_orphans(struct repo *r, const struct index_table *known,
                                    struct table_builder *b, struct vv_error *err);

#endif
