/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_WAL_PUBLISH_H
#define VARVE_ENGINE_WAL_PUBLISH_H

#include "repo/snapshots.h"

/* A publication of WAL: a session of its own that ends with one snapshot of mode SNAPSHOT_WAL. */

/** wal_read_fn(ctx, offset, buf, len, err): exactly ${len} bytes of a file's content. */
typedef enum vv_rc wal_read_fn(void *ctx, uint64_t offset, uint8_t *buf, size_t len,
                               struct vv_error *err);
/** Ids of the whole chunks a segment begins with, as an earlier publication of a piece of it made them:
 *  where they are still known they need not be read again.  Zeros to begin with. */
struct wal_chunk_ids {
    struct vv_id *ids;
    size_t count;
    size_t room;
};
void wal_chunk_ids_release(struct wal_chunk_ids *c);
struct wal_file {
    const char *name; /* of a segment, or of another file of a timeline */
    uint64_t size;
    wal_read_fn *read;
    void *ctx;
    struct wal_chunk_ids *known; /* NULL: all is read; else taken from there, and put there */
};
struct wal_publication {
    struct snapshot_wal wal; /* what the files hold */
    const struct wal_file *files;
    size_t count; /* their names ascend */
    const char *host;
    const char *user;
    int level; /* zstd level, 0: off */
};
/** wal_publish(r, p, ret, err): durable when it returns VV_OK.  ${ret} (may be NULL): id, sequence,
 *  hash and time. */
MUST_CHECK enum vv_rc wal_publish(struct repo *r, const struct wal_publication *p,
                                  struct snapshot *ret, struct vv_error *err);

/** wal_path(system, name, out): "postgres/SYSTEM/wal/NAME". */
void wal_path(uint64_t system, const char *name, struct vv_buf *out);

#endif
