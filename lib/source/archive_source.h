/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SOURCE_ARCHIVE_SOURCE_H
#define VARVE_SOURCE_ARCHIVE_SOURCE_H

#include "archive/archive_reader.h"
#include "source/archive_links.h"
#include "source/source.h"

/*
 * An archive as a source; shared by the archive*.c files.
 *
 *   archive.c          the sequence of items        archive_file.c   reading one's content
 *   archive_item.c     member -> item               archive_name.c   names -> paths
 *   archive_links.c    hard links
 */

/** What an item owns; its handle. */
struct archive_item {
    struct vv_arena arena; /* everything the entry points to */
    uint64_t number;       /* of the member; its content can be read while it is the newest */
    char warning[160];     /* of a member that is kept: what is not kept of it */
};

/** archive_item_new(path, ret, err): an item with a copy of ${path} and nothing else. */
MUST_CHECK enum vv_rc archive_item_new(struct vv_span path, struct source_item *ret,
                                       struct vv_error *err);
/** archive_item_fill(m, type, item, err): everything but inode and nlink; sets the status if the
 *  member cannot be kept. */
MUST_CHECK enum vv_rc archive_item_fill(const struct archive_member *m, enum entry_type type,
                                        struct source_item *item, struct vv_error *err);
void archive_item_problem(struct source_item *item, const char *text);
void archive_item_free(struct source_item *item);

/** The content of the newest member. */
struct archive_file {
    struct source_file base;
    struct archive_source *source;
    struct vv_arena *arena; /* the opener's: extents go there */
    struct vv_span block;   /* of the piece read last, what is left */
    uint64_t consumed;      /* content handed out */
    uint64_t position;      /* where in the file the piece read last ends */
    uint64_t size;
    struct extent *extents; /* of data, so far */
    uint32_t extent_count;
    uint32_t extent_room;
    bool at_end;
    struct extent *kept; /* at the end: in the arena; NULL with no extents at all */
    bool sparse;         /* at the end: it has holes */
};

struct archive_source {
    struct source base;
    struct archive_reader *reader; /* NULL: not opened yet */
    char *path;
    struct vv_cancel *cancel;
    struct archive_links links;
    struct archive_file file;
    uint64_t number;         /* of the newest member */
    struct source_item held; /* handle not NULL: comes next */
    struct vv_buf replay;    /* cpio: names of links that come next */
    size_t replay_at;
    struct vv_buf original; /* they are links to */
    bool at_end;
    struct vv_error error; /* rc not VV_OK: reading is over, and why */
};

/** archive_source_fail(a, err): remember ${err}; source_end will tell it again. */
enum vv_rc archive_source_fail(struct archive_source *a, const struct vv_error *local,
                               struct vv_error *err);

enum source_status archive_source_open(struct source *s, struct source_item *item,
                                       struct vv_arena *arena, struct source_file **ret,
                                       struct source_problem *problem);
enum source_status archive_source_read(struct source_file *f, uint64_t offset, uint8_t *buf,
                                       size_t len, size_t *ret_len, struct source_problem *problem);
enum source_status archive_source_close(struct source_file *f, struct entry *entry,
                                        struct source_problem *problem);
void archive_file_reset(struct archive_file *f);

#endif
