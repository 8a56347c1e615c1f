/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_BACKUP_MANIFEST_H
#define VARVE_FORMAT_BACKUP_MANIFEST_H

#include "core/bytes.h"

/*
 * The manifest of a PostgreSQL base backup: JSON of a fixed form (PostgreSQL's documentation, "Backup
 * Manifest Format", versions 1 and 2), whose last line holds the SHA-256 of what precedes it.  Pure.
 * Read in one pass, without a tree of values in memory: it has a line for every file of the cluster.
 */
#define LIMIT_BACKUP_MANIFEST (1u << 30)
#define LIMIT_MANIFEST_PATH 4096u

enum manifest_algorithm { MANIFEST_NONE, MANIFEST_CRC32C, MANIFEST_OTHER };
struct manifest_file {
    struct vv_span path; /* decoded; valid during the call */
    uint64_t size;
    enum manifest_algorithm algorithm;
    uint32_t crc32c; /* MANIFEST_CRC32C */
};
/** WAL needed to make the backup consistent. */
struct manifest_wal {
    uint32_t timeline;
    uint64_t start;
    uint64_t end;
};
/** What whoever reads gets; either may be NULL.  A failure ends the reading. */
struct manifest_calls {
    void *ctx;
    enum vv_rc (*file)(void *ctx, const struct manifest_file *f, struct vv_error *err);
    enum vv_rc (*wal)(void *ctx, const struct manifest_wal *w, struct vv_error *err);
};

/** manifest_read(text, calls, err): VV_ECORRUPT if it is not of that form, or its own checksum is
 *  wrong (which is looked at first); VV_EUNSUPPORTED for a later version. */
MUST_CHECK enum vv_rc manifest_read(struct vv_span text, const struct manifest_calls *calls,
                                    struct vv_error *err);

/** Writing one (backup_manifest_write.c), version 1: the beginning, each file (a checksum or
 *  MANIFEST_NONE; modified at ${mtime}, seconds since 1970), the end with its checksum.  ${out} must
 *  be empty before, and be checked with vv_buf_check. */
void manifest_write_begin(struct vv_buf *out);
void manifest_write_file(struct vv_buf *out, const struct manifest_file *f, int64_t mtime);
void manifest_write_end(struct vv_buf *out, const struct manifest_wal *wal);

#endif
