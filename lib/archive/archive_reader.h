/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ARCHIVE_ARCHIVE_READER_H
#define VARVE_ARCHIVE_ARCHIVE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/error.h"
#include "core/thread.h"

/*
 * Reading tar, cpio and zip archives, plain or compressed (gzip, bzip2, xz, lzma, lzip, zstd, lz4,
 * compress).  Names come as the archive has them, in bytes, whatever the locale is: nothing here is
 * checked or made safe.  Only names that a zip archive says are UTF-8 may come out normalised.
 *
 * What is damaged or cut off is an error of archive_reader_next or archive_reader_data (VV_EIO,
 * VV_ORIGIN_SOURCE) and ends the reading; that includes a tar archive without its end mark and a
 * compressed stream that is damaged behind the archive's end.  What only this reader cannot keep of
 * a member is archive_member.warning.
 */
enum archive_member_type {
    ARCHIVE_MEMBER_OTHER = 0, /* nothing that can be kept */
    ARCHIVE_MEMBER_FILE,
    ARCHIVE_MEMBER_DIRECTORY,
    ARCHIVE_MEMBER_SYMLINK,
    ARCHIVE_MEMBER_HARD_LINK, /* to the member named by target */
    ARCHIVE_MEMBER_FIFO,
    ARCHIVE_MEMBER_CHARACTER_DEVICE,
    ARCHIVE_MEMBER_BLOCK_DEVICE,
    ARCHIVE_MEMBER_SOCKET,
};

/** An extended attribute.  POSIX ACLs are system.posix_acl_access and _default, as the kernel
 *  encodes them. */
struct archive_attribute {
    struct vv_span name;
    struct vv_span value;
};

struct archive_member {
    struct vv_span name; /* no data: it cannot be told */
    enum archive_member_type type;
    uint32_t mode;  /* 07777 */
    bool has_owner; /* the archive tells uid and gid */
    uint32_t uid;
    uint32_t gid;
    struct vv_span user; /* empty: unknown */
    struct vv_span group;
    int64_t mtime_sec;
    uint32_t mtime_nsec;
    int64_t ctime_sec; /* mtime where the archive has none */
    uint32_t ctime_nsec;
    bool size_known;
    uint64_t size;         /* logical, holes included */
    bool sparse;           /* it may have holes: data comes with gaps */
    bool late_content;     /* cpio: the content may come with a later hard link to this */
    struct vv_span target; /* of a symbolic or hard link */
    uint32_t major;
    uint32_t minor;
    uint32_t inode_flags; /* FS_IOC_GETFLAGS */
    struct archive_attribute *attributes;
    uint32_t attribute_count;
    bool encrypted;
    char warning[160]; /* what is not kept of it; usually empty */
};

struct archive_reader;

/** archive_reader_open(path, cancel, ret, err): ${path} "-" is standard input.  Reads the
 *  beginning; VV_EIO for what is no archive; VV_EUNSUPPORTED where libarchive is not there.  A zip
 *  archive that cannot be sought in (a pipe, compressed) is first copied to an unnamed file in
 *  $TMPDIR or /var/tmp: its directory is at its end. */
MUST_CHECK enum vv_rc archive_reader_open(const char *path, struct vv_cancel *cancel,
                                          struct archive_reader **ret, struct vv_error *err);

/** archive_reader_next(r, ret, err): the next member (what was not read of the one before is
 *  skipped), valid until the next call; NULL at the end of a whole archive. */
MUST_CHECK enum vv_rc archive_reader_next(struct archive_reader *r,
                                          const struct archive_member **ret, struct vv_error *err);

/** archive_reader_data(r, ret_block, ret_offset, ret_end, err): the next piece of the member's
 *  content and where in it it belongs, valid until the next call; or *ret_end.  Gaps between
 *  pieces are holes.  Nothing is promised about the order of offsets. */
MUST_CHECK enum vv_rc archive_reader_data(struct archive_reader *r, struct vv_span *ret_block,
                                          uint64_t *ret_offset, bool *ret_end,
                                          struct vv_error *err);

void archive_reader_free(struct archive_reader *r);
VV_DEFINE_CLEANUP(struct archive_reader, archive_reader_free);

#endif
