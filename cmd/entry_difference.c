/* SPDX-License-Identifier: BSD-2-Clause */
/* What is different about two entries. */
#include "entry_difference.h"

#include <string.h>

enum { TYPE, CONTENT, SIZE, MODE, OWNER, MTIME, TARGET, DEVICE, ATTRIBUTES, FLAGS };

const char *
entry_difference_name(unsigned i)
{
    static const char *const names[ENTRY_DIFFERENCES] = {
        "type",  "content", "size",   "mode",       "owner",
        "mtime", "target",  "device", "attributes", "flags",
    };

    return names[i];
}

static bool
spans_differ(struct vv_span a, struct vv_span b)
{
    return a.len != b.len || (a.len > 0 && memcmp(a.data, b.data, a.len) != 0);
}

static bool
streams_differ(const struct stream_root *a, const struct stream_root *b)
{
    if (a->height != b->height || a->size != b->size || a->count != b->count) {
        return true;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (!vv_id_equal(&a->refs[i].id, &b->refs[i].id)) {
            return true;
        }
    }
    return false;
}

static bool
attributes_differ(const struct entry *a, const struct entry *b)
{
    if (a->xattr_count != b->xattr_count || streams_differ(&a->xattrs_stream, &b->xattrs_stream)) {
        return true;
    }
    for (uint32_t i = 0; i < a->xattr_count; i++) {
        if (spans_differ(a->xattrs[i].name, b->xattrs[i].name) ||
            spans_differ(a->xattrs[i].value, b->xattrs[i].value)) {
            return true;
        }
    }
    return false;
}

static bool
owners_differ(const struct entry *a, const struct entry *b)
{
    bool names = a->user.len > 0 && b->user.len > 0 && a->group.len > 0 && b->group.len > 0;

    return a->uid != b->uid || a->gid != b->gid ||
           (names && (spans_differ(a->user, b->user) || spans_differ(a->group, b->group)));
}

uint32_t
entry_difference(const struct entry *a, const struct entry *b, bool live)
{
    uint32_t what = 0;

    if (a->type != b->type) {
        return 1u << TYPE;
    }
    what |= a->type == ENTRY_FILE && !live && streams_differ(&a->content, &b->content)
                ? 1u << CONTENT
                : 0;
    what |= a->type == ENTRY_FILE && a->size != b->size ? 1u << SIZE : 0;
    what |= a->mode != b->mode ? 1u << MODE : 0;
    what |= owners_differ(a, b) ? 1u << OWNER : 0;
    what |= a->mtime.sec != b->mtime.sec || a->mtime.nsec != b->mtime.nsec ? 1u << MTIME : 0;
    what |= a->type == ENTRY_SYMLINK && spans_differ(a->target, b->target) ? 1u << TARGET : 0;
    what |= a->major != b->major || a->minor != b->minor ? 1u << DEVICE : 0;
    what |= attributes_differ(a, b) ? 1u << ATTRIBUTES : 0;
    what |= a->inode_flags != b->inode_flags ? 1u << FLAGS : 0;
    if (what == 0 && a->type == ENTRY_FILE) {
        what = 1u << CONTENT; /* holes, or what reading the disk has found */
    }
    return what;
}
