/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_PACK_H
#define VARVE_FORMAT_PACK_H

#include "format/common.h"

/*
 * Pack: header (256 B) | blocks | padding | directory record | copy of header | footer record
 *
 * Header: 24 B container header of kind P | u8 class | u8 suite | u16 0 | u32 epoch
 *   | 16 B session | 16 B client | 80 B secret sealed to the epoch's X25519 key (crypto_box_seal)
 *   | 32 B commitment | zeros up to 256.
 * Pack id  = BLAKE2b-256(header).  It is not the name: it exists before the first block.
 * Pack key = BLAKE2b-256(key = writer key of the epoch, "varve pack" | secret | repository id)
 * Commitment = BLAKE2b-256(key = pack key, "varve commitment" | header without commitment and
 *   zeros, i.e. its first 144 bytes), compared before any decryption.
 * Record = AEAD ciphertext | 16 B tag.  Nonce = 8 zero bytes, u32 big-endian record number.
 *   Additional data (46 B) = pack id 32 | u8 record type | u32 number | u32 stored length (with
 *   tag) | u32 plaintext length (before compression) | u8 flags.
 *   Blocks are numbered from 0; directory 2^32-2; footer 2^32-1.
 * Padding: keystream of ChaCha20 (IETF, zero nonce, counter 0) under BLAKE2b-256(key = pack key,
 *   "varve padding"); fills up to padme(size), and is checked when the whole pack is read.
 * Directory plaintext: u32 blocks, then per block: u8 kind | u8 flags | u32 offset | u32 stored
 *   length | u32 plaintext length | u32 chunks, then per chunk: u8 type | u32 length | 32 B id.
 *   Chunks lie in the block in this order without gaps.
 * Footer plaintext (32 B): u64 directory offset | u32 directory stored length | u32 directory
 *   plaintext length | u32 blocks | u32 chunks | u64 total file size.
 */
#define PACK_HEADER_LEN 256u
#define PACK_COMMITTED_LEN 144u /* header bytes the commitment covers */
#define PACK_SEALED_LEN 80u
#define PACK_AAD_LEN 46u
#define PACK_TAG_LEN 16u
#define PACK_FOOTER_PLAIN 32u
#define PACK_FOOTER_LEN (PACK_FOOTER_PLAIN + PACK_TAG_LEN)
#define PACK_TAIL_LEN (PACK_HEADER_LEN + PACK_FOOTER_LEN) /* enough to find everything else */
#define PACK_DIRECTORY_FIXED 4u /* bytes of a directory, and for each block and chunk */
#define PACK_DIRECTORY_BLOCK 18u
#define PACK_DIRECTORY_CHUNK 37u
#define PACK_NUMBER_DIRECTORY 0xfffffffeu
#define PACK_NUMBER_FOOTER 0xffffffffu

enum pack_class { PACK_METADATA = 1, PACK_DATA = 2, PACK_LOG = 3 };
enum pack_suite { PACK_AES_GCM = 1, PACK_CHACHA20 = 2 };
enum pack_record { PACK_RECORD_BLOCK = 1, PACK_RECORD_DIRECTORY = 2, PACK_RECORD_FOOTER = 3 };

enum block_kind {
    BLOCK_TREE = 1,  /* nodes, lists, records: 128 KiB */
    BLOCK_PAGE = 2,  /* fixed-size chunks of databases and disk images: 256 KiB */
    BLOCK_SMALL = 3, /* files up to 1 MiB: 1 MiB */
    BLOCK_BULK = 4,  /* larger files and streams: 1 MiB */
    BLOCK_LOG = 5,   /* write-ahead logs: 1 MiB */
};
#define BLOCK_ZSTD 1u /* flag: the record's plaintext is one zstd frame of plain_len bytes */

/** What a chunk is; each type has its own id key, so one can never pass for another. */
enum chunk_type { CHUNK_DATA = 1, CHUNK_NODE = 2, CHUNK_LIST = 3, CHUNK_RECORD = 4 };

struct pack_header {
    struct vv_uuid repository;
    enum pack_class class;
    enum pack_suite suite;
    uint32_t epoch;
    struct vv_uuid session;
    struct vv_uuid client;
    uint8_t sealed[PACK_SEALED_LEN];
    uint8_t commitment[32];
};
/** pack_header_encode(h, out): exactly PACK_HEADER_LEN bytes. */
void pack_header_encode(const struct pack_header *h, uint8_t out[PACK_HEADER_LEN]);
MUST_CHECK enum vv_rc pack_header_decode(const uint8_t in[PACK_HEADER_LEN],
                                         const struct vv_uuid *repo, struct pack_header *ret,
                                         struct vv_error *err);

/** pack_aad(out, ...): the additional data of one record. */
void pack_aad(uint8_t out[PACK_AAD_LEN], const struct vv_id *pack_id, enum pack_record type,
              uint32_t number, uint32_t stored_len, uint32_t plain_len, uint8_t flags);

struct pack_chunk {
    struct vv_id id;
    uint32_t len;
    uint8_t type; /* enum chunk_type */
};
struct pack_block {
    uint8_t kind;  /* enum block_kind */
    uint8_t flags; /* BLOCK_ZSTD */
    uint32_t offset;
    uint32_t stored_len; /* with tag */
    uint32_t plain_len;
    uint32_t first_chunk; /* index into pack_directory.chunks */
    uint32_t chunk_count;
};
/** A directory; owns both arrays. */
struct pack_directory {
    struct pack_block *blocks;
    uint32_t block_count;
    struct pack_chunk *chunks;
    uint32_t chunk_count;
};
void pack_directory_release(struct pack_directory *d);
MUST_CHECK enum vv_rc pack_directory_encode(const struct pack_directory *d, struct vv_buf *out,
                                            struct vv_error *err);
/** pack_directory_decode(plain, file_size, ret, err): checks every rule: offsets ascending from
 *  256 without overlap and inside ${file_size}, lengths sum up, kinds and types known, limits. */
MUST_CHECK enum vv_rc pack_directory_decode(struct vv_span plain, uint64_t file_size,
                                            struct pack_directory *ret, struct vv_error *err);

struct pack_footer {
    uint64_t directory_offset;
    uint32_t directory_stored;
    uint32_t directory_plain;
    uint32_t block_count;
    uint32_t chunk_count;
    uint64_t file_size;
};
void pack_footer_encode(const struct pack_footer *f, uint8_t out[PACK_FOOTER_PLAIN]);
MUST_CHECK enum vv_rc pack_footer_decode(const uint8_t in[PACK_FOOTER_PLAIN], uint64_t file_size,
                                         struct pack_footer *ret, struct vv_error *err);

#endif
