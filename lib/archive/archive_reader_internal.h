/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ARCHIVE_ARCHIVE_READER_INTERNAL_H
#define VARVE_ARCHIVE_ARCHIVE_READER_INTERNAL_H

#include <locale.h>

#include "archive/archive_reader.h"
#include "core/arena.h"
#include "loaded/archive_functions.h"

/*
 * Two libarchive readers, one behind the other: the first only uncompresses, the second takes the
 * result apart.  So the whole compressed stream can be read to its end, also what is behind the
 * archive (its checksum), and the beginning can be looked at before the format is chosen.
 *
 *   archive_input.c   descriptor -> uncompressed bytes;  archive_gzip.c: their checksum
 *   archive_reader.c  bytes -> members and data
 *   archive_member.c  libarchive's description of a member -> ours;  archive_acl.c: its ACLs
 */
#define ARCHIVE_INPUT_BUFFER ((size_t)128 << 10)

struct archive_gzip;
struct archive_input {
    int fd;
    struct vv_cancel *cancel;
    uint8_t *buffer;
    struct archive *filter; /* uncompresses; NULL: the descriptor is read as it is, with seeking */
    const void *first;      /* first block of the filter, read ahead; NULL: taken */
    size_t first_len;
    struct archive_gzip *gzip; /* if that is the filter */
    struct vv_error error;     /* trouble of ours inside a callback */
};

/** archive_input_open(in, path, err): afterwards in->filter says which way to read. */
MUST_CHECK enum vv_rc archive_input_open(struct archive_input *in, const char *path,
                                         struct vv_error *err);
/** archive_input_attach(in, format): let ${format} read from it; a code of libarchive. */
int archive_input_attach(struct archive_input *in, struct archive *format);
/** archive_input_finish(in, err): read what is behind the archive. */
MUST_CHECK enum vv_rc archive_input_finish(struct archive_input *in, struct vv_error *err);
/** archive_input_failed(in, a, err): record why a call on ${a} failed. */
enum vv_rc archive_input_failed(struct archive_input *in, struct archive *a, struct vv_error *err);
void archive_input_release(struct archive_input *in);

/** The check of a gzip stream.  Feed it what is compressed and what comes out; it is damaged if the
 *  trailer tells the right length and another checksum (several streams in a row, or something
 *  behind the stream, cannot be judged). */
struct archive_gzip *archive_gzip_new(void);
void archive_gzip_compressed(struct archive_gzip *g, const uint8_t *data, size_t len);
void archive_gzip_plain(struct archive_gzip *g, const uint8_t *data, size_t len);
bool archive_gzip_damaged(const struct archive_gzip *g);

/** archive_member_fill(e, kind, arena, ret): everything but the warning libarchive itself gave.
 *  ${kind}: ARCHIVE_FORMAT_* (base).  Borrows from ${e} and ${arena}. */
MUST_CHECK enum vv_rc archive_member_fill(struct archive_entry *e, int kind, struct vv_arena *arena,
                                          struct archive_member *ret, struct vv_error *err);

/** archive_acl_encode(e, type, arena, ret_value, ret_mask, ret_warning): the ACL of ${type}
 *  (ARCHIVE_ENTRY_ACL_TYPE_ACCESS or _DEFAULT) in the kernel's encoding; empty if there is none.
 *  *ret_mask: the mask's permissions, or -1.  *ret_warning: why entries were left out, or NULL. */
MUST_CHECK enum vv_rc archive_acl_encode(struct archive_entry *e, int type, struct vv_arena *arena,
                                         struct vv_span *ret_value, int *ret_mask,
                                         const char **ret_warning, struct vv_error *err);

#endif
