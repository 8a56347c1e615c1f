/* SPDX-License-Identifier: BSD-2-Clause */
/* An entry's body: everything but its path.  Millions are read and written, so the numbers take
 * the short way (varint_put, varint_get). */
#include "format/entry.h"

#include <assert.h>
#include <string.h>

#include "format/entry_internal.h"
#include "format/format_internal.h"

#define NUMBERS_MAX 24u /* more than an entry's varints before the variable parts */
#define NSEC_PER_SEC 1000000000u
#define MODE_MASK 07777u

#define HAS_CONTENT_PARTS (ENTRY_HAS_CONTENT | ENTRY_HAS_EXTENTS | ENTRY_HAS_EXTENTS_STREAM)
#define HAS_ALL                                                                                    \
    (ENTRY_HAS_DEVICE | ENTRY_HAS_TARGET | HAS_CONTENT_PARTS | ENTRY_HAS_XATTRS |                  \
     ENTRY_HAS_XATTRS_STREAM)

static_assert((HAS_ALL | ENTRY_RACY | ENTRY_TORN | ENTRY_MAY_CHANGE | ENTRY_NO_OWNER |
               ENTRY_IMPLIED | ENTRY_PAGES | ENTRY_STREAM) == ENTRY_FLAGS_KNOWN,
              "every flag is either a part or a mark");

static bool
is_device(enum entry_type type)
{
    return type == ENTRY_CHARACTER_DEVICE || type == ENTRY_BLOCK_DEVICE;
}

/* Do the parts that ${flags} announce suit the type? */
static bool
flags_fit(enum entry_type type, uint32_t flags)
{
    const uint32_t extents = ENTRY_HAS_EXTENTS | ENTRY_HAS_EXTENTS_STREAM;
    const uint32_t xattrs = ENTRY_HAS_XATTRS | ENTRY_HAS_XATTRS_STREAM;
    if (((flags & ENTRY_HAS_DEVICE) != 0) != is_device(type) ||
        ((flags & ENTRY_HAS_TARGET) != 0) != (type == ENTRY_SYMLINK)) {
        return false;
    }
    if ((flags & HAS_CONTENT_PARTS) != 0 && type != ENTRY_FILE) {
        return false;
    }
    return (flags & extents) != extents && (flags & xattrs) != xattrs;
}

/* The flags to store: marks as given, parts as the members are. */
static uint32_t
flags_of(const struct entry *e)
{
    uint32_t flags = e->flags & ~HAS_ALL;
    if (is_device(e->type)) {
        flags |= ENTRY_HAS_DEVICE;
    }
    if (e->type == ENTRY_SYMLINK) {
        flags |= ENTRY_HAS_TARGET;
    }
    if (e->content.count > 0) {
        flags |= ENTRY_HAS_CONTENT;
    }
    if ((e->flags & ENTRY_HAS_EXTENTS_STREAM) != 0 || e->extents_stream.count > 0) {
        flags |= ENTRY_HAS_EXTENTS_STREAM;
    } else if ((e->flags & ENTRY_HAS_EXTENTS) != 0 || e->extent_count > 0) {
        flags |= ENTRY_HAS_EXTENTS;
    }
    if ((e->flags & ENTRY_HAS_XATTRS_STREAM) != 0 || e->xattrs_stream.count > 0) {
        flags |= ENTRY_HAS_XATTRS_STREAM;
    } else if (e->xattr_count > 0) {
        flags |= ENTRY_HAS_XATTRS;
    }
    return flags;
}

/* What a reader would refuse is never written; NULL, or what is wrong. */
static const char *
find_fault(const struct entry *e, uint32_t flags)
{
    if (e->type < ENTRY_FILE || e->type > ENTRY_BLOCK_DEVICE) {
        return "unknown type";
    }
    if ((flags & ~ENTRY_FLAGS_KNOWN) != 0 || !flags_fit(e->type, flags)) {
        return "flags that do not suit the type";
    }
    if (e->mode > MODE_MASK || e->mtime.nsec >= NSEC_PER_SEC || e->ctime.nsec >= NSEC_PER_SEC) {
        return "impossible mode or time";
    }
    if ((flags & ENTRY_HAS_TARGET) != 0 && (e->target.len == 0 || e->target.len > LIMIT_TARGET ||
                                            memchr(e->target.data, 0, e->target.len) != NULL)) {
        return "impossible target of a symbolic link";
    }
    if (((flags & ENTRY_HAS_CONTENT) != 0 && !stream_root_valid(&e->content)) ||
        ((flags & ENTRY_HAS_EXTENTS_STREAM) != 0 && !stream_root_valid(&e->extents_stream)) ||
        ((flags & ENTRY_HAS_XATTRS_STREAM) != 0 && !stream_root_valid(&e->xattrs_stream))) {
        return "impossible stream";
    }
    if ((flags & ENTRY_HAS_EXTENTS) != 0 && !extents_valid(e->extents, e->extent_count, e->size)) {
        return "extents out of order or beyond the end";
    }
    if ((flags & ENTRY_HAS_XATTRS) != 0 && !xattrs_valid(e->xattrs, e->xattr_count)) {
        return "impossible name of an extended attribute";
    }
    return NULL;
}

static uint64_t
zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

/* Everything every entry has. */
static void
put_numbers(const struct entry *e, uint32_t flags, uint32_t user, uint32_t group,
            struct vv_buf *out)
{
    uint8_t bytes[NUMBERS_MAX * VARINT_MAX];
    uint8_t *at = bytes;
    *at++ = (uint8_t)e->type;
    at = varint_put(at, flags);
    at = varint_put(at, e->mode);
    at = varint_put(at, e->uid);
    at = varint_put(at, e->gid);
    at = varint_put(at, user);
    at = varint_put(at, group);
    at = varint_put(at, zigzag(e->mtime.sec));
    at = varint_put(at, e->mtime.nsec);
    at = varint_put(at, zigzag(e->ctime.sec));
    at = varint_put(at, e->ctime.nsec);
    at = varint_put(at, e->file_system);
    at = varint_put(at, e->inode);
    at = varint_put(at, e->nlink);
    at = varint_put(at, e->size);
    at = varint_put(at, e->inode_flags & INODE_FLAGS_KEPT);
    if ((flags & ENTRY_HAS_DEVICE) != 0) {
        at = varint_put(at, e->major);
        at = varint_put(at, e->minor);
    }
    if ((flags & ENTRY_HAS_TARGET) != 0) {
        at = varint_put(at, e->target.len);
    }
    vv_buf_put(out, bytes, (size_t)(at - bytes));
}

enum vv_rc
entry_body_encode(const struct entry *e, uint32_t user, uint32_t group, struct vv_buf *out,
                  struct vv_error *err)
{
    uint32_t flags = flags_of(e);
    const char *fault = find_fault(e, flags);
    if (fault != NULL) {
        return vv_error_set(err, VV_EUSAGE, "entry '%.*s': %s",
                            (int)(e->path.len < 512 ? e->path.len : 512),
                            e->path.len > 0 ? (const char *)e->path.data : "", fault);
    }
    put_numbers(e, flags, user, group, out);
    if ((flags & ENTRY_HAS_TARGET) != 0) {
        vv_buf_put(out, e->target.data, e->target.len);
    }
    if ((flags & ENTRY_HAS_CONTENT) != 0) {
        stream_root_put(out, &e->content);
    }
    if ((flags & ENTRY_HAS_EXTENTS) != 0) {
        extents_encode(e->extents, e->extent_count, out);
    }
    if ((flags & ENTRY_HAS_EXTENTS_STREAM) != 0) {
        stream_root_put(out, &e->extents_stream);
    }
    if ((flags & ENTRY_HAS_XATTRS) != 0) {
        xattrs_encode(e->xattrs, e->xattr_count, out);
    }
    if ((flags & ENTRY_HAS_XATTRS_STREAM) != 0) {
        stream_root_put(out, &e->xattrs_stream);
    }
    return vv_buf_check(out, err);
}

static struct vv_span
name_at(struct leaf_names *names, uint32_t place, struct vv_reader *r)
{
    if (place == 0) {
        return vv_span(NULL, 0);
    }
    if (place > names->used) {
        if (place != names->used + 1 || place > names->count) {
            r->failed = true;
            return vv_span(NULL, 0);
        }
        names->used = place;
    }
    return names->names[place - 1];
}

static struct entry_time
get_time(struct vv_reader *r)
{
    uint64_t sec = varint_get(r);
    struct entry_time t = {.sec = (int64_t)(sec >> 1) ^ -(int64_t)(sec & 1)};
    t.nsec = varint_get_u32(r);
    if (t.nsec >= NSEC_PER_SEC) {
        r->failed = true;
    }
    return t;
}

/* The counterpart of put_numbers. */
static void
get_numbers(struct vv_reader *r, struct leaf_names *names, struct entry *e)
{
    e->mode = varint_get_u32(r);
    e->uid = varint_get_u32(r);
    e->gid = varint_get_u32(r);
    uint32_t user = varint_get_u32(r);
    uint32_t group = varint_get_u32(r);
    e->user = name_at(names, user, r);
    e->group = name_at(names, group, r);
    e->mtime = get_time(r);
    e->ctime = get_time(r);
    e->file_system = varint_get_u32(r);
    e->inode = varint_get(r);
    e->nlink = varint_get(r);
    e->size = varint_get(r);
    e->inode_flags = varint_get_u32(r);
    if (e->mode > MODE_MASK || (e->inode_flags & ~INODE_FLAGS_KEPT) != 0) {
        r->failed = true;
    }
}

/* Parts of variable length, in the order of their flags. */
static enum vv_rc
get_parts(struct vv_reader *r, struct vv_arena *arena, struct entry *e, struct vv_error *err)
{
    if ((e->flags & ENTRY_HAS_DEVICE) != 0) {
        e->major = varint_get_u32(r);
        e->minor = varint_get_u32(r);
    }
    if ((e->flags & ENTRY_HAS_TARGET) != 0) {
        e->target = vv_get_bytes(r, varint_get(r), 1);
        if (e->target.len == 0 || e->target.len > LIMIT_TARGET ||
            memchr(e->target.data, 0, e->target.len) != NULL) {
            return vv_error_set(err, VV_ECORRUPT, "impossible target of a symbolic link");
        }
    }
    if ((e->flags & ENTRY_HAS_CONTENT) != 0) {
        VV_TRY(stream_root_get(r, arena, &e->content, err));
    }
    if ((e->flags & ENTRY_HAS_EXTENTS) != 0) {
        VV_TRY(extents_get(r, e->size, arena, &e->extents, &e->extent_count, err));
    }
    if ((e->flags & ENTRY_HAS_EXTENTS_STREAM) != 0) {
        VV_TRY(stream_root_get(r, arena, &e->extents_stream, err));
    }
    if ((e->flags & ENTRY_HAS_XATTRS) != 0) {
        VV_TRY(xattrs_get(r, arena, &e->xattrs, &e->xattr_count, err));
        if (e->xattr_count == 0) {
            return vv_error_set(err, VV_ECORRUPT, "extended attributes: none");
        }
    }
    if ((e->flags & ENTRY_HAS_XATTRS_STREAM) != 0) {
        VV_TRY(stream_root_get(r, arena, &e->xattrs_stream, err));
    }
    return VV_OK;
}

enum vv_rc
entry_body_decode(struct vv_span body, struct leaf_names *names, struct vv_arena *arena,
                  struct entry *e, struct vv_error *err)
{
    struct vv_reader r = vv_reader(body.data, body.len);
    uint8_t type = vv_get_u8(&r);
    uint32_t flags = varint_get_u32(&r);
    if (r.failed) {
        return vv_error_set(err, VV_ECORRUPT, "entry cut short");
    }
    if (type < ENTRY_FILE || type > ENTRY_BLOCK_DEVICE || (flags & ~ENTRY_FLAGS_KNOWN) != 0) {
        return vv_error_set(err, VV_EUNSUPPORTED, "unknown entry type %u or flags 0x%x", type,
                            flags);
    }
    e->type = (enum entry_type)type;
    e->flags = flags;
    get_numbers(&r, names, e);
    if (r.failed || !flags_fit(e->type, flags)) {
        return vv_error_set(err, VV_ECORRUPT, "impossible entry");
    }
    VV_TRY(get_parts(&r, arena, e, err));
    if (!vv_reader_done(&r) || body.len - e->target.len > LIMIT_ENTRY) {
        return vv_error_set(err, VV_ECORRUPT, "entry of a wrong length");
    }
    return VV_OK;
}
