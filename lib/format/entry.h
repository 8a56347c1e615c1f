/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_ENTRY_H
#define VARVE_FORMAT_ENTRY_H

#include "core/arena.h"
#include "format/common.h"

/*
 * Entries of a tree: one per path.  The path is the key: relative to the snapshot's root, no
 * leading slash ("srv/shop/a"), any bytes but NUL.  Body (everything but the path), at most
 * LIMIT_ENTRY bytes, the symbolic link's target not counted:
 *   u8 type | varint flags | varint mode (12 bits) | varint uid | varint gid | varint user name |
 *   varint group name (1-based place in the node's name table, 0: unknown) | mtime: signed s,
 *   varint ns | ctime: signed s, varint ns | varint file system number | varint inode | varint
 *   nlink | varint size | varint inode flags | then, as `flags` say, in this order:
 *   ENTRY_HAS_DEVICE: varint major, varint minor
 *   ENTRY_HAS_TARGET: varint length, bytes
 *   ENTRY_HAS_CONTENT: stream root
 *   ENTRY_HAS_EXTENTS: varint count, per data extent: varint gap since the end of the one before,
 *      varint length.  Absent: the file has no holes.  The content is the data extents' bytes, one
 *      after the other.
 *   ENTRY_HAS_EXTENTS_STREAM: stream root; the stream holds the same bytes as ENTRY_HAS_EXTENTS
 *   ENTRY_HAS_XATTRS: varint count, per attribute, sorted by name: varint length, name, varint
 *      length, value
 *   ENTRY_HAS_XATTRS_STREAM: stream root; the stream holds the same bytes as ENTRY_HAS_XATTRS
 * POSIX ACLs are the attributes system.posix_acl_access and system.posix_acl_default, capabilities
 * security.capability, in the kernel's encoding.
 *
 * Stream root: varint height | varint size in bytes
 *   | height 0: varint count (at most 48), per chunk varint length, 32 B id
 *   | height > 0: 32 B id of the topmost list.
 */
#define LIMIT_ENTRY 4096u
#define LIMIT_TARGET 65535u
#define STREAM_INLINE_CHUNKS 48u /* about 3 MiB; keeps an entry below LIMIT_ENTRY */
#define XATTR_INLINE_LIMIT 1024u /* larger sets live out of line */
#define EXTENT_INLINE_LIMIT 64u  /* more extents than this live out of line */
#define LIMIT_XATTRS (16u << 20) /* of a set, as encoded */

enum entry_type {
    ENTRY_FILE = 1,
    ENTRY_DIRECTORY = 2,
    ENTRY_SYMLINK = 3,
    ENTRY_FIFO = 4,
    ENTRY_CHARACTER_DEVICE = 5,
    ENTRY_BLOCK_DEVICE = 6,
};
#define ENTRY_HAS_DEVICE (1u << 0)
#define ENTRY_HAS_TARGET (1u << 1)
#define ENTRY_HAS_CONTENT (1u << 2)
#define ENTRY_HAS_EXTENTS (1u << 3)
#define ENTRY_HAS_EXTENTS_STREAM (1u << 4)
#define ENTRY_HAS_XATTRS (1u << 5)
#define ENTRY_HAS_XATTRS_STREAM (1u << 6)
#define ENTRY_RACY (1u << 8)        /* never matches as unchanged */
#define ENTRY_TORN (1u << 9)        /* changed while it was read */
#define ENTRY_MAY_CHANGE (1u << 10) /* changed while it was read, and was expected to */
#define ENTRY_NO_OWNER (1u << 11)   /* owner unknown (archives, command output by name only) */
#define ENTRY_IMPLIED (1u << 12)    /* a directory above the sources, not itself a source */
#define ENTRY_PAGES (1u << 13)      /* content is in fixed-size chunks */
#define ENTRY_STREAM (1u << 14)     /* output of a command or standard input: size known after */
#define ENTRY_FLAGS_KNOWN 0x7f7fu

/** A chunk or list and the number of content bytes below it. */
struct chunk_ref {
    struct vv_id id;
    uint64_t size;
};
struct stream_root {
    uint32_t height;
    uint64_t size;
    uint32_t count; /* height 0: chunks in refs; else 1 */
    struct chunk_ref *refs;
};
struct extent {
    uint64_t offset;
    uint64_t len;
};
struct xattr {
    struct vv_span name; /* no NUL */
    struct vv_span value;
};
struct entry_time {
    int64_t sec;
    uint32_t nsec;
};

/** An entry; who produces it says how long its pointers live. */
struct entry {
    struct vv_span path;
    enum entry_type type;
    uint32_t flags;
    uint32_t mode; /* 07777 */
    uint32_t uid;
    uint32_t gid;
    struct vv_span user;  /* empty: unknown */
    struct vv_span group; /* empty: unknown */
    struct entry_time mtime;
    struct entry_time ctime;
    uint32_t file_system; /* number in the snapshot's table, from 1; 0: none */
    uint64_t inode;
    uint64_t nlink;
    uint64_t size;        /* files: logical size; links: length of the target; else 0 */
    uint32_t inode_flags; /* FS_IOC_GETFLAGS, masked to INODE_FLAGS_KEPT */
    uint32_t major;
    uint32_t minor;
    struct vv_span target;
    struct stream_root content;
    struct extent *extents;
    uint32_t extent_count;
    struct stream_root extents_stream;
    struct xattr *xattrs;
    uint32_t xattr_count;
    struct stream_root xattrs_stream;
};
/** Inode flags that are kept: compress, sync, immutable, append, nodump, noatime, nocompress,
 *  journal-data, notail, dirsync, topdir, nocow, project-inherit. */
#define INODE_FLAGS_KEPT 0x2083c4fcu

/** xattrs_encode / xattrs_decode: the bytes of ENTRY_HAS_XATTRS (inline or as a stream).  Any order
 *  is taken (of equal names the last); names have 1 to LIMIT_NAME bytes.  What is decoded lives in
 *  the arena. */
void xattrs_encode(const struct xattr *xattrs, uint32_t count, struct vv_buf *out);
MUST_CHECK enum vv_rc xattrs_decode(struct vv_span bytes, struct vv_arena *arena,
                                    struct xattr **ret, uint32_t *ret_count, struct vv_error *err);
/** extents_encode / extents_decode: likewise; encode takes ascending extents, leaves out empty ones
 *  and joins touching ones; decode checks order and that they end by ${size}. */
void extents_encode(const struct extent *extents, uint64_t count, struct vv_buf *out);
MUST_CHECK enum vv_rc extents_decode(struct vv_span bytes, uint64_t size, struct vv_arena *arena,
                                     struct extent **ret, uint32_t *ret_count,
                                     struct vv_error *err);

/*
 * Tree node (CHUNK_NODE): u8 height | varint count |
 *   height 0: varint number of names, per name: varint length, bytes (user and group names);
 *             per entry: varint bytes shared with the path before | varint length, rest of the path
 *             | varint length, body
 *   height>0: per item: varint shared | varint length, rest of the first path below
 *             | 32 B node id | varint entries below | varint bytes of files below
 *             | varint flags (0)
 * Paths ascend strictly (path_compare).  At most NODE_COUNT_CAP items.
 */
#define NODE_COUNT_CAP 16384u
#define NODE_LEVEL_BITS 6u
#define LIMIT_NODE LIMIT_BLOCK_PLAIN
#define LIMIT_TREE_HEIGHT 16u

/** Builds the bytes of one leaf.  Initialise with {0}; reusable after leaf_builder_reset. */
struct leaf_builder {
    struct vv_buf names;
    struct vv_buf places; /* where in names each one lies */
    struct vv_buf items;
    struct vv_buf last_path;
    struct vv_buf body; /* scratch */
    uint32_t name_count;
    uint32_t count;
    uint32_t recent_user; /* place of the name used last; 0: none */
    uint32_t recent_group;
};
/**
 * leaf_builder_add(b, e, err): VV_ELIMIT if the entry's body is over LIMIT_ENTRY, or a user or
 * group name over LIMIT_NAME; VV_EUSAGE for what a reader would refuse (paths out of order, extents
 * beyond the size, ...).  The leaf is unchanged then.  ENTRY_HAS_* are taken from the members: a
 * device or link by type, content, streams, attributes by their counts (a stream goes before the
 * same in memory); only ENTRY_HAS_EXTENTS without extents (all hole) must be set by the caller.
 * Attributes are sorted, extents joined as needed.
 */
MUST_CHECK enum vv_rc leaf_builder_add(struct leaf_builder *b, const struct entry *e,
                                       struct vv_error *err);
MUST_CHECK enum vv_rc leaf_builder_finish(struct leaf_builder *b, struct vv_buf *out,
                                          struct vv_error *err);
void leaf_builder_reset(struct leaf_builder *b);
void leaf_builder_release(struct leaf_builder *b);

/** An item of an inner node. */
struct node_item {
    struct vv_span path; /* first path below */
    struct vv_id node;
    uint64_t entries;
    uint64_t bytes;
};
struct inner_builder {
    struct vv_buf items;
    struct vv_buf last_path;
    uint32_t count;
    bool misused; /* sticky: paths out of order, no entries, or too many items */
};
/** inner_builder_add(b, item): misuse shows in inner_builder_finish (VV_EUSAGE). */
void inner_builder_add(struct inner_builder *b, const struct node_item *item);
MUST_CHECK enum vv_rc inner_builder_finish(struct inner_builder *b, uint32_t height,
                                           struct vv_buf *out, struct vv_error *err);
void inner_builder_reset(struct inner_builder *b);
void inner_builder_release(struct inner_builder *b);

/** A decoded node; everything lives in the arena given, paths are whole. */
struct node {
    uint32_t height;
    uint32_t count;
    struct entry *entries;   /* height 0 */
    struct node_item *items; /* height > 0 */
};
/** node_decode(bytes, arena, ret, err): every rule checked (order, path_valid, limits, flags).
 *  Nothing is borrowed from ${bytes}. */
MUST_CHECK enum vv_rc node_decode(struct vv_span bytes, struct vv_arena *arena, struct node *ret,
                                  struct vv_error *err);

/*
 * Stream list (CHUNK_LIST): u8 height (1: of chunks) | varint count (at most LIST_COUNT_CAP) | per
 *   item: varint content bytes below | 32 B id
 * Boundaries: content-defined streams end a list after an item whose id's first u16 is below 64
 * (about 1024 items), but not before 64 items and at LIST_COUNT_CAP; fixed-size streams every 1024.
 */
#define LIST_COUNT_CAP 4096u
#define LIST_FIXED_FANOUT 1024u
#define LIST_MIN_ITEMS 64u
#define LIST_BOUNDARY 64u
#define LIMIT_STREAM_HEIGHT 8u
MUST_CHECK enum vv_rc list_encode(uint32_t height, const struct chunk_ref *refs, uint32_t count,
                                  struct vv_buf *out, struct vv_error *err);
MUST_CHECK enum vv_rc list_decode(struct vv_span bytes, struct vv_arena *arena,
                                  uint32_t *ret_height, struct chunk_ref **ret_refs,
                                  uint32_t *ret_count, struct vv_error *err);

#endif
