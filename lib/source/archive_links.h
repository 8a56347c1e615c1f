/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SOURCE_ARCHIVE_LINKS_H
#define VARVE_SOURCE_ARCHIVE_LINKS_H

#include "core/bytes.h"

/*
 * Hard links in archives.  A member gets an inode number made from its path, so that it is the same
 * the next time; a repeated member gets another one, since links to the earlier one do not share
 * its content.
 *
 * In cpio archives ("newc") the content comes with the last of several links, the others being
 * empty: the first one is a "waiting" original, for which the names of links are kept.
 */
struct archive_waiting {
    uint8_t *path;
    size_t len;
    struct vv_buf names; /* of its links so far: u32 length, bytes */
};
struct archive_links {
    uint64_t *inodes; /* open addressing, a power of two; 0: empty */
    size_t inode_room;
    size_t inode_count;
    struct archive_waiting *waiting;
    size_t waiting_count;
    size_t waiting_room;
};

/** archive_links_inode(l, path, ret, err): a number no member had before, not 0. */
MUST_CHECK enum vv_rc archive_links_inode(struct archive_links *l, struct vv_span path,
                                          uint64_t *ret, struct vv_error *err);
/** archive_links_wait(l, path, err): ${path} may get its content later (starts afresh if it waited
 *  before). */
MUST_CHECK enum vv_rc archive_links_wait(struct archive_links *l, struct vv_span path,
                                         struct vv_error *err);
/** archive_links_find(l, path): the waiting original, NULL if it does not wait. */
struct archive_waiting *archive_links_find(struct archive_links *l, struct vv_span path);
/** archive_links_add(w, name, err): note one more link. */
MUST_CHECK enum vv_rc archive_links_add(struct archive_waiting *w, struct vv_span name,
                                        struct vv_error *err);
/** archive_links_take(l, w): it waits no longer; returns the names (now the caller's). */
struct vv_buf archive_links_take(struct archive_links *l, struct archive_waiting *w);
void archive_links_release(struct archive_links *l);

#endif
