/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Comparing what stands in the target with what the snapshot says.  What rights, options or the
 * file system keep from being set is left out, in the same way whether or not this run has tried.
 */

#include <inttypes.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "sink/sink_internal.h"

static void VV_PRINTF(2, 3) differ(struct vv_buf *out, const char *fmt, ...);

/* Appends an item to the list. */
static void
differ(struct vv_buf *out, const char *fmt, ...)
{
    char item[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(item, sizeof(item), fmt, args);
    va_end(args);
    if (out->len > 0) {
        vv_buf_put_text(out, ", ");
    }
    vv_buf_put_text(out, item);
}

static const char *
type_name(enum entry_type type)
{
    switch (type) {
    case ENTRY_FILE:
        return "file";
    case ENTRY_DIRECTORY:
        return "directory";
    case ENTRY_SYMLINK:
        return "symbolic link";
    case ENTRY_FIFO:
        return "FIFO";
    case ENTRY_CHARACTER_DEVICE:
        return "character device";
    case ENTRY_BLOCK_DEVICE:
        return "block device";
    default:
        return "socket";
    }
}

static void
compare_owner(struct sink *s, const struct sink_wanted *w, const struct entry *found,
              struct vv_buf *out)
{
    if (!w->owner) {
        return;
    }
    if (found->uid != w->uid && sink_capable(s, CAP_CHOWN) && !sink_refused(s, REFUSED_OWNER)) {
        differ(out, "owner %" PRIu32 " instead of %" PRIu32, found->uid, w->uid);
    }
    if (found->gid != w->gid && sink_may_give_group(s, w->gid) && !sink_refused(s, REFUSED_GROUP)) {
        differ(out, "group %" PRIu32 " instead of %" PRIu32, found->gid, w->gid);
    }
}

static void
compare_mode(struct sink *s, const struct sink_wanted *w, const struct entry *found,
             struct vv_buf *out)
{
    uint32_t mode = sink_expected_mode(w, found->uid, found->gid);
    uint32_t missing = mode & ~found->mode;

    if (w->type == ENTRY_SYMLINK || found->mode == mode) {
        return;
    }
    if (sink_refused(s, REFUSED_MODE) && found->uid != s->uid) {
        return;
    }
    /* Where an ACL could not be kept, the group has only its own rights. */
    if ((found->mode & ~mode) == 0 && (missing & ~070u) == 0 &&
        (sink_refused(s, UNSUPPORTED_ACL) || sink_refused(s, REFUSED_ACL))) {
        return;
    }
    differ(out, "mode %04" PRIo32 " instead of %04" PRIo32, found->mode, mode);
}

/* Times equal as far as the file system can keep them. */
static bool
times_agree(struct sink *s, struct entry_time wanted, struct entry_time found)
{
    uint64_t granularity;

    if (wanted.sec == found.sec && wanted.nsec == found.nsec) {
        return true;
    }
    if (found.nsec % 10 != 0 || found.sec > wanted.sec ||
        (uint64_t)wanted.sec - (uint64_t)found.sec > 1) {
        return false;
    }
    granularity = sink_abilities(s).granularity;
    if (granularity >= 2000000000u) {
        return found.nsec == 0;
    }
    return wanted.sec == found.sec && wanted.nsec / granularity * granularity == found.nsec;
}

static void
compare_time(struct sink *s, const struct entry *wanted, const struct entry *found,
             struct vv_buf *out)
{
    if (times_agree(s, wanted->mtime, found->mtime) ||
        (sink_refused(s, REFUSED_TIME) && found->uid != s->uid)) {
        return;
    }
    differ(out, "modification time %" PRId64 ".%09" PRIu32 " instead of %" PRId64 ".%09" PRIu32,
           found->mtime.sec, found->mtime.nsec, wanted->mtime.sec, wanted->mtime.nsec);
}

void
sink_compare_stat(struct sink *s, const struct entry *wanted, const struct entry *found,
                  struct vv_buf *out)
{
    struct sink_wanted w = sink_wanted_of(s, wanted);

    if (wanted->type != found->type) {
        differ(out, "%s instead of %s", type_name(found->type), type_name(wanted->type));
        return;
    }
    if (wanted->type == ENTRY_FILE && wanted->size != found->size) {
        differ(out, "size %" PRIu64 " instead of %" PRIu64, found->size, wanted->size);
    }
    if ((wanted->type == ENTRY_CHARACTER_DEVICE || wanted->type == ENTRY_BLOCK_DEVICE) &&
        (wanted->major != found->major || wanted->minor != found->minor)) {
        differ(out, "device %" PRIu32 ":%" PRIu32 " instead of %" PRIu32 ":%" PRIu32, found->major,
               found->minor, wanted->major, wanted->minor);
    }
    compare_owner(s, &w, found, out);
    compare_mode(s, &w, found, out);
    compare_time(s, wanted, found, out);
}

static bool
span_equal(struct vv_span a, struct vv_span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static const struct xattr *
xattr_find(const struct entry *e, struct vv_span name)
{
    for (uint32_t i = 0; i < e->xattr_count; i++) {
        if (span_equal(e->xattrs[i].name, name)) {
            return &e->xattrs[i];
        }
    }
    return NULL;
}

/* "access list", "attribute user.x": names come from the snapshot and are made safe. */
static void
differ_xattr(struct vv_buf *out, struct vv_span name, const char *how)
{
    struct vv_buf shown = {0};

    vv_text_escape(&shown, name);
    differ(out, "extended attribute %s %s", vv_buf_text(&shown), how);
    if (shown.failed) {
        out->failed = true;
    }
    vv_buf_release(&shown);
}

static void
compare_xattrs(struct sink *s, const struct entry *wanted, const struct entry *found,
               struct vv_buf *out)
{
    struct sink_wanted w = sink_wanted_of(s, wanted);
    bool right = w.owner_known && found->uid == w.uid && found->gid == w.gid;

    if ((found->flags & SINK_NO_XATTRS) != 0) {
        return;
    }
    for (uint32_t i = 0; i < wanted->xattr_count; i++) {
        const struct xattr *x = &wanted->xattrs[i];
        const struct xattr *y = xattr_find(found, x->name);
        if (!sink_xattr_expected(s, x->name, right)) {
            continue;
        }
        if (y == NULL) {
            differ_xattr(out, x->name, "missing");
        } else if (!span_equal(x->value, y->value)) {
            differ_xattr(out, x->name, "with another value");
        }
    }
    for (uint32_t i = 0; i < found->xattr_count; i++) {
        struct vv_span name = found->xattrs[i].name;
        if (sink_xattr_removable(name) && sink_xattr_expected(s, name, true) &&
            xattr_find(wanted, name) == NULL) {
            differ_xattr(out, name, "too many");
        }
    }
}

/* Names of the flags as lsattr shows them. */
static void
flag_letters(uint32_t flags, char out[33])
{
    static const struct {
        uint32_t flag;
        char letter;
    } letters[] = {
        {FS_COMPR_FL, 'c'},       {FS_SYNC_FL, 'S'},         {FS_IMMUTABLE_FL, 'i'},
        {FS_APPEND_FL, 'a'},      {FS_NODUMP_FL, 'd'},       {FS_NOATIME_FL, 'A'},
        {FS_NOCOMP_FL, 'm'},      {FS_JOURNAL_DATA_FL, 'j'}, {FS_NOTAIL_FL, 't'},
        {FS_DIRSYNC_FL, 'D'},     {FS_TOPDIR_FL, 'T'},       {FS_NOCOW_FL, 'C'},
        {FS_PROJINHERIT_FL, 'P'},
    };
    size_t n = 0;

    for (size_t i = 0; i < VV_COUNT(letters); i++) {
        if ((flags & letters[i].flag) != 0) {
            out[n++] = letters[i].letter;
        }
    }
    if (n == 0) {
        out[n++] = '-';
    }
    out[n] = '\0';
}

static void
compare_flags(struct sink *s, const struct entry *wanted, const struct entry *found,
              struct vv_buf *out)
{
    uint32_t mask = INODE_FLAGS_KEPT;
    uint32_t missing;
    char wanted_text[33];
    char found_text[33];

    if ((wanted->type != ENTRY_FILE && wanted->type != ENTRY_DIRECTORY) ||
        (found->flags & SINK_NO_FLAGS) != 0) {
        return;
    }
    if (!sink_capable(s, CAP_LINUX_IMMUTABLE)) {
        mask &= ~SINK_LATE_FLAGS;
    }
    if (!sink_capable(s, CAP_SYS_RESOURCE)) {
        mask &= ~(uint32_t)FS_JOURNAL_DATA_FL;
    }
    missing = wanted->inode_flags & ~found->inode_flags & mask;
    if (missing != 0) {
        mask &= ~(missing & ~sink_abilities(s).flags);
        if (sink_refused(s, REFUSED_FLAGS)) {
            mask &= ~missing;
        }
    }
    if (((wanted->inode_flags ^ found->inode_flags) & mask) != 0) {
        flag_letters(wanted->inode_flags & mask, wanted_text);
        flag_letters(found->inode_flags & mask, found_text);
        differ(out, "inode flags %s instead of %s", found_text, wanted_text);
    }
}

void
sink_compare_rest(struct sink *s, const struct entry *wanted, const struct entry *found,
                  struct vv_buf *out)
{
    if (wanted->type != found->type) {
        return;
    }
    if (wanted->type == ENTRY_SYMLINK && !span_equal(wanted->target, found->target)) {
        differ(out, "another target of the symbolic link");
    }
    compare_flags(s, wanted, found, out);
    compare_xattrs(s, wanted, found, out);
}

void
sink_compare(struct sink *s, const struct entry *wanted, const struct entry *found,
             struct vv_buf *out)
{
    struct vv_buf list = {0};

    sink_compare_stat(s, wanted, found, &list);
    sink_compare_rest(s, wanted, found, &list);
    if (wanted->type == ENTRY_FILE && found->type == ENTRY_FILE && wanted->size == found->size &&
        !sink_extents_agree(wanted, found, s->block_size) && sink_abilities(s).holes) {
        differ(&list, "holes at other places");
    }
    if (list.len > 0) {
        vv_buf_put(out, list.data, list.len);
    }
    if (list.failed) {
        out->failed = true;
    }
    vv_buf_release(&list);
}
