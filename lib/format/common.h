/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_COMMON_H
#define VARVE_FORMAT_COMMON_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/error.h"

/*
 * What all objects share.  format/ encodes and decodes; it does no I/O, draws no random bytes and
 * knows no keys.  The normative text is varve-format(5).  All integers are little-endian.
 *
 * Container (every object but packs and README):
 *   header 24 B = "varve" | kind (1 byte) | u16 version = 1 | repository id (16 B)
 *   body        = as its kind says
 *   [signature  = 64 B Ed25519 over all bytes before it, in signed kinds]
 *   trailer     = SHA-256 of all bytes before it (32 B)
 */

#define FORMAT_VERSION 1u
#define FORMAT_HEADER_LEN 24u
#define FORMAT_TRAILER_LEN 32u
#define FORMAT_SIGNATURE_LEN 64u

enum format_kind {
    FORMAT_CONFIG = 'C',
    FORMAT_KEY_SLOT = 'K',
    FORMAT_SITE = 'S',
    FORMAT_SESSION = 'E',
    FORMAT_SLOT = 'T',
    FORMAT_PACK = 'P',
    FORMAT_INDEX = 'X',
    FORMAT_CONDEMNED = 'D',
    FORMAT_ADMIN = 'A',
    FORMAT_PARITY = 'Y',
    FORMAT_PARITY_DECISION = 'Q',
};

/** A keyed BLAKE2b-256 (chunk, node, list) or a SHA-256. */
struct vv_id {
    uint8_t b[32];
};
/** 128 random bits: repository, site, session, client, snapshot. */
struct vv_uuid {
    uint8_t b[16];
};
/** A pack's full name: SHA-256 of the file and 128 random bits drawn at each publication. */
struct pack_name {
    struct vv_id hash;
    struct vv_uuid suffix;
};

bool vv_id_equal(const struct vv_id *a, const struct vv_id *b);
bool vv_uuid_equal(const struct vv_uuid *a, const struct vv_uuid *b);
bool vv_uuid_is_zero(const struct vv_uuid *a);
int pack_name_compare(const struct pack_name *a, const struct pack_name *b);
/** pack_name_order(a, b): the same for qsort and bsearch. */
int pack_name_order(const void *a, const void *b);

/** Text forms.  Pack object: "packs/<2 digits>/<64 digits>-<32 digits>" = 106 characters. */
#define VV_UUID_TEXT 33
#define PACK_NAME_TEXT 98
#define PACK_OBJECT_TEXT 112
void vv_uuid_text(const struct vv_uuid *id, char out[VV_UUID_TEXT]);
MUST_CHECK bool vv_uuid_parse(const char *text, size_t len, struct vv_uuid *ret);
void pack_name_text(const struct pack_name *name, char out[PACK_NAME_TEXT]);
MUST_CHECK bool pack_name_parse(const char *text, size_t len, struct pack_name *ret);
void pack_object_text(const struct pack_name *name, char out[PACK_OBJECT_TEXT]);

/** Limits checked before anything is allocated (all in bytes unless said). */
#define LIMIT_CONFIG 4096u
#define LIMIT_KEY_SLOT 16384u
#define LIMIT_SMALL_OBJECT (1u << 20) /* site, session, admin record other than grave */
#define LIMIT_SLOT (64u << 20)
#define LIMIT_ADMIN (64u << 20) /* graves */
#define LIMIT_CONDEMNED (256u << 20)
#define LIMIT_INDEX_SEGMENT (64u << 20) /* writers stop at 8 MiB */
#define LIMIT_PACK (1u << 30)
#define LIMIT_BLOCKS 65536u           /* blocks in a pack */
#define LIMIT_BLOCK_PLAIN (16u << 20) /* plaintext of a block */
#define LIMIT_PATH 65536u
#define LIMIT_NAME 255u
#define LIMIT_DEPTH 4096u
#define LIMIT_LABEL 255u

/** container_begin(out, kind, repo): append the header. */
void container_begin(struct vv_buf *out, enum format_kind kind, const struct vv_uuid *repo);

/** container_finish(out, err): append the trailer over everything in ${out}. */
MUST_CHECK enum vv_rc container_finish(struct vv_buf *out, struct vv_error *err);

/**
 * container_open(object, kind, repo, ret_body, err): Check trailer, magic, kind and version, and,
 * unless ${repo} is NULL, the repository id.  Sets ${ret_body} to the bytes between header and
 * trailer.  VV_ECORRUPT, or VV_EUNSUPPORTED for a newer version (only when the trailer is right).
 */
MUST_CHECK enum vv_rc container_open(struct vv_span object, enum format_kind kind,
                                     const struct vv_uuid *repo, struct vv_reader *ret_body,
                                     struct vv_error *err);

/**
 * container_signed_part(object, ret_signed, ret_signature): For a signed kind (already checked by
 * container_open): the bytes the signature covers, and the signature.  False if too short.
 */
MUST_CHECK bool container_signed_part(struct vv_span object, struct vv_span *ret_signed,
                                      struct vv_span *ret_signature);

/** padme(len): the Padmé size of a ${len}-byte object, at least 16384 (at most 12 % more; 3 % at
 *  32 MiB).  Source: Nikitin et al., PURBs, 2019. */
uint64_t padme(uint64_t len);

/*
 * Tagged fields, for bodies that grow: u16 tag | u32 length | bytes, ascending tags (repeats
 * allowed).  An unknown tag with the high bit (0x8000) set must be ignored; any other unknown
 * tag makes the object unreadable (VV_EUNSUPPORTED).
 */
#define FIELD_OPTIONAL 0x8000u
void field_put(struct vv_buf *out, uint16_t tag, const void *data, size_t len);
void field_put_u64(struct vv_buf *out, uint16_t tag, uint64_t value);
void field_put_text(struct vv_buf *out, uint16_t tag, const char *text);
/** field_next(r, ret_tag, ret_value): false at the end or when ${r} failed. */
MUST_CHECK bool field_next(struct vv_reader *r, uint16_t *ret_tag, struct vv_span *ret_value);
/** field_u64(value, ret): a field of exactly 8 bytes. */
MUST_CHECK bool field_u64(struct vv_span value, uint64_t *ret);

/** The order of tree keys: bytewise, as if '/' came before every other byte, so that a directory
 *  is followed by all of its subtree.  <0, 0, >0. */
int path_compare(struct vv_span a, struct vv_span b);
/** path_is_below(path, directory): path is inside directory (not equal).  An empty directory is
 *  the root, above all. */
bool path_is_below(struct vv_span path, struct vv_span directory);
/** A run of paths in tree order, given by its ends: behind `from`, or (from_below) behind all that is
 *  below it, too; as far as `to` (itself left out), or (to_below) to the end of what is below it. */
struct path_range {
    struct vv_span from;
    struct vv_span to;
    bool from_below;
    bool to_below;
};
/** path_range_begun(r, path): ${path} is not before the range.  path_range_over(r, path): it is behind
 *  the range. */
bool path_range_begun(const struct path_range *r, struct vv_span path);
bool path_range_over(const struct path_range *r, struct vv_span path);
/** path_valid(path): relative, no empty, "." or ".." component, no NUL, limits kept.  The empty
 *  path (the root) is valid. */
bool path_valid(struct vv_span path);

#endif
