/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ARCHIVE_ARCHIVE_WRITER_H
#define VARVE_ARCHIVE_ARCHIVE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/error.h"

/*
 * Writing archives: tar (pax: any size, nanoseconds, any bytes in names, extended attributes as
 * SCHILY.xattr.*, POSIX ACLs as SCHILY.acl.* too, sparse files, hard links, devices) and zip
 * (files, directories, symbolic links).  The same members give the same bytes: no time of writing,
 * process or random number enters (a zip's times are written in the process's time zone, as the
 * format wants it, and in UTC beside that).
 */
struct archive_writer;

enum archive_kind { ARCHIVE_TAR = 1, ARCHIVE_ZIP = 2 };
enum member_type {
    MEMBER_FILE = 1,
    MEMBER_DIRECTORY,
    MEMBER_SYMLINK,
    MEMBER_FIFO,
    MEMBER_CHARACTER_DEVICE,
    MEMBER_BLOCK_DEVICE,
    MEMBER_HARD_LINK, /* to an earlier member */
};
struct member_extent {
    uint64_t offset;
    uint64_t len;
};
struct member_xattr {
    struct vv_span name;
    struct vv_span value;
};
struct archive_member {
    struct vv_span path; /* relative */
    enum member_type type;
    uint32_t mode; /* 07777 */
    bool has_owner;
    uint32_t uid;
    uint32_t gid;
    struct vv_span user;
    struct vv_span group;
    int64_t mtime_sec;
    uint32_t mtime_nsec;
    uint64_t size; /* files: of all bytes, holes included */
    uint32_t major;
    uint32_t minor;
    struct vv_span target; /* of a symbolic link, or the earlier member's path */
    bool sparse;           /* files: what lies outside the extents is holes */
    const struct member_extent *extents;
    uint32_t extent_count;
    const struct member_xattr *xattrs;
    uint32_t xattr_count;
};

/** Takes the archive's bytes in order. */
typedef enum vv_rc archive_output_fn(void *ctx, struct vv_span data, struct vv_error *err);

/** archive_writer_new(kind, output, ctx, ret, err): VV_EUNSUPPORTED where libarchive is not there. */
MUST_CHECK enum vv_rc archive_writer_new(enum archive_kind kind, archive_output_fn *output,
                                         void *ctx, struct archive_writer **ret,
                                         struct vv_error *err);
/** archive_writer_free(w): without archive_writer_finish what was written is no whole archive. */
void archive_writer_free(struct archive_writer *w);
VV_DEFINE_CLEANUP(struct archive_writer, archive_writer_free);

/** archive_writer_holds(kind, type): can this kind of archive hold such a member? */
bool archive_writer_holds(enum archive_kind kind, enum member_type type);

/** archive_writer_begin(w, m, err): the next member; for a file exactly m->size bytes follow, holes
 *  included, through _data and _hole. */
MUST_CHECK enum vv_rc archive_writer_begin(struct archive_writer *w, const struct archive_member *m,
                                           struct vv_error *err);
MUST_CHECK enum vv_rc archive_writer_data(struct archive_writer *w, struct vv_span data,
                                          struct vv_error *err);
MUST_CHECK enum vv_rc archive_writer_hole(struct archive_writer *w, uint64_t len,
                                          struct vv_error *err);
/** archive_writer_finish(w, err): the archive's end; every member must be complete. */
MUST_CHECK enum vv_rc archive_writer_finish(struct archive_writer *w, struct vv_error *err);

#endif
