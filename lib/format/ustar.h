/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_USTAR_H
#define VARVE_FORMAT_USTAR_H

#include "core/bytes.h"

/*
 * Members of a plain POSIX tar, as PostgreSQL streams a cluster in.  (Archives of users, with all the
 * dialects there are, are read by libarchive: lib/archive.)  Pure: no I/O, nothing is allocated.
 */
#define USTAR_BLOCK 512u
#define USTAR_NAME 257u /* prefix, slash, name, NUL */

enum ustar_type { USTAR_FILE, USTAR_DIRECTORY, USTAR_SYMLINK };
struct ustar_member {
    enum ustar_type type;
    char name[USTAR_NAME]; /* without "./" before and slashes behind */
    char target[101];      /* USTAR_SYMLINK */
    char user[33];
    char group[33];
    uint32_t mode; /* 07777 */
    uint32_t uid;
    uint32_t gid;
    uint64_t size; /* 0 unless USTAR_FILE */
    int64_t mtime; /* seconds */
};

/**
 * ustar_decode(block, ret_end, ret, err): a header of USTAR_BLOCK bytes; *ret_end: it is of zeros only
 * (two of them end an archive), and nothing else is set.  VV_ECORRUPT: no header, a wrong checksum, a
 * number out of range, a name that is empty, absolute or has a ".." in it.  VV_EUNSUPPORTED: a member
 * of another type.
 */
MUST_CHECK enum vv_rc ustar_decode(const uint8_t block[USTAR_BLOCK], bool *ret_end,
                                   struct ustar_member *ret, struct vv_error *err);

/** ustar_padding(size): zeros behind ${size} bytes of content. */
static inline uint32_t
ustar_padding(uint64_t size)
{
    return (uint32_t)(-size & (USTAR_BLOCK - 1));
}

#endif
