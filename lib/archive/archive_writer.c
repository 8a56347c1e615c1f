/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing archives through libarchive. */

#include "archive/archive_writer.h"

#include <errno.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "loaded/archive_functions.h"

#define ZEROS_AT_ONCE (64u << 10)
#define TAR_BLOCK 10240 /* what tar(1) pads to */
#define OUTPUT_BLOCK (1 << 20)
#define ABORT_FILL_MAX (UINT64_C(256) << 20)

struct archive_writer {
    struct archive *archive;
    struct archive_entry *entry;
    enum archive_kind kind;
    archive_output_fn *output;
    void *ctx;
    struct vv_error failure; /* of the output */
    bool aborted;            /* nothing more goes to the output */
    uint64_t left;           /* bytes the current member still wants */
    locale_t utf8;           /* so that names in UTF-8 are known as such, whatever the locale */
    struct vv_buf scratch;
};

/** Never tells libarchive of a failure: it would leave its buffers behind.  What comes after one is
 *  thrown away, and whoever called libarchive looks at w->failure. */
static la_ssize_t
on_write(struct archive *a, void *ctx, const void *data, size_t len)
{
    struct archive_writer *w = ctx;

    (void)a;
    if (w->failure.rc == VV_OK && !w->aborted) {
        enum vv_rc rc = w->output(w->ctx, vv_span(data, len), &w->failure);
        w->failure.rc = rc;
    }
    return (la_ssize_t)len;
}

/** What libarchive says, or why the output failed. */
static enum vv_rc
writer_error(struct archive_writer *w, struct vv_error *err)
{
    const char *text = archive_error_string(w->archive);

    if (w->failure.rc != VV_OK) {
        if (err != NULL) {
            *err = w->failure;
        }
        return w->failure.rc;
    }
    if (archive_errno(w->archive) == ENOMEM) {
        return vv_error_nomem(err);
    }
    return vv_error_set(err, VV_EIO, "cannot write the archive: %s",
                        text != NULL ? text : "failed");
}

static int
set_up(struct archive_writer *w)
{
    int rc;

    if (w->kind == ARCHIVE_ZIP) {
        rc = archive_write_set_format_zip(w->archive);
        if (rc == ARCHIVE_OK) {
            rc = archive_write_set_bytes_in_last_block(w->archive, 1);
        }
        if (rc == ARCHIVE_OK && w->utf8 != (locale_t)0) {
            rc = archive_write_set_options(w->archive, "zip:hdrcharset=UTF-8");
        }
    } else {
        rc = archive_write_set_format_pax(w->archive);
        if (rc == ARCHIVE_OK) {
            rc = archive_write_set_options(w->archive, "pax:xattrheader=SCHILY");
        }
        if (rc == ARCHIVE_OK) {
            rc = archive_write_set_bytes_in_last_block(w->archive, TAR_BLOCK);
        }
    }
    if (rc == ARCHIVE_OK) {
        rc = archive_write_set_bytes_per_block(w->archive, OUTPUT_BLOCK);
    }
    if (rc == ARCHIVE_OK) {
        rc = archive_write_open(w->archive, w, NULL, on_write, NULL);
    }
    return rc;
}

enum vv_rc
archive_writer_new(enum archive_kind kind, archive_output_fn *output, void *ctx,
                   struct archive_writer **ret, struct vv_error *err)
{
    VV_CLEANUP(archive_writer_freep) struct archive_writer *w = NULL;
    locale_t before;
    int rc;

    VV_TRY(archive_functions_load(err));
    w = vv_alloc_array(1, sizeof(*w));
    if (w == NULL) {
        return vv_error_nomem(err);
    }
    w->kind = kind;
    w->output = output;
    w->ctx = ctx;
    w->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    w->archive = archive_write_new();
    w->entry = archive_entry_new();
    if (w->archive == NULL || w->entry == NULL) {
        return vv_error_nomem(err);
    }
    before = w->utf8 != (locale_t)0 ? uselocale(w->utf8) : (locale_t)0;
    rc = set_up(w);
    if (before != (locale_t)0) {
        (void)uselocale(before);
    }
    if (rc != ARCHIVE_OK) {
        return writer_error(w, err);
    }
    *ret = TAKE(w);
    return VV_OK;
}

void
archive_writer_free(struct archive_writer *w)
{
    if (w == NULL) {
        return;
    }
    if (w->archive != NULL) {
        w->aborted = true;
        if (w->left >
            ABORT_FILL_MAX) { /* closing would fill the member up; losing a buffer is less */
            (void)archive_write_fail(w->archive);
        }
        (void)archive_write_free(w->archive);
    }
    archive_entry_free(w->entry);
    if (w->utf8 != (locale_t)0) {
        freelocale(w->utf8);
    }
    vv_buf_release(&w->scratch);
    vv_free(w);
}

bool
archive_writer_holds(enum archive_kind kind, enum member_type type)
{
    return kind == ARCHIVE_TAR || type == MEMBER_FILE || type == MEMBER_DIRECTORY ||
           type == MEMBER_SYMLINK;
}

static mode_t
file_type(enum member_type type)
{
    switch (type) {
    case MEMBER_FILE:
    case MEMBER_HARD_LINK:
        return AE_IFREG;
    case MEMBER_DIRECTORY:
        return AE_IFDIR;
    case MEMBER_SYMLINK:
        return AE_IFLNK;
    case MEMBER_FIFO:
        return AE_IFIFO;
    case MEMBER_CHARACTER_DEVICE:
        return AE_IFCHR;
    case MEMBER_BLOCK_DEVICE:
        return AE_IFBLK;
    }
    return AE_IFREG;
}

/** A NUL-terminated copy. */
static const char *
text(struct archive_writer *w, struct vv_span span)
{
    vv_buf_reset(&w->scratch);
    vv_buf_put(&w->scratch, span.data, span.len);
    return vv_buf_text(&w->scratch);
}

/** POSIX ACL as the kernel stores it: u32 version 2, then u16 tag, u16 permissions, u32 id.  It
 * sets
 *  the mode's group bits to what the group has (stat shows the mask there), as the text of an ACL
 *  wants it; who restores the ACL gets the mask back. */
static void
add_acl(struct archive_writer *w, struct vv_span value, int type)
{
    static const struct {
        uint16_t kernel;
        int tag;
    } tags[] = {{0x01, ARCHIVE_ENTRY_ACL_USER_OBJ},  {0x02, ARCHIVE_ENTRY_ACL_USER},
                {0x04, ARCHIVE_ENTRY_ACL_GROUP_OBJ}, {0x08, ARCHIVE_ENTRY_ACL_GROUP},
                {0x10, ARCHIVE_ENTRY_ACL_MASK},      {0x20, ARCHIVE_ENTRY_ACL_OTHER}};
    struct vv_reader in = vv_reader(value.data, value.len);

    if (vv_get_u32(&in) != 2) {
        return;
    }
    while (vv_reader_left(&in) >= 8) {
        uint16_t tag = vv_get_u16(&in);
        int permissions = vv_get_u16(&in) & 7; /* the same bits as ARCHIVE_ENTRY_ACL_* */
        uint32_t id = vv_get_u32(&in);
        for (size_t i = 0; i < VV_COUNT(tags); i++) {
            bool named = tag == 0x02 || tag == 0x08;
            if (tags[i].kernel == tag) {
                (void)archive_entry_acl_add_entry(w->entry, type, permissions, tags[i].tag,
                                                  named ? (int)id : -1, NULL);
            }
        }
    }
}

static void
add_xattrs(struct archive_writer *w, const struct archive_member *m)
{
    for (uint32_t i = m->xattr_count; i > 0; i--) { /* libarchive puts each in front */
        const struct member_xattr *x = &m->xattrs[i - 1];
        const char *name = text(w, x->name);
        archive_entry_xattr_add_entry(w->entry, name, x->value.data, x->value.len);
        if (strcmp(name, "system.posix_acl_access") == 0) {
            add_acl(w, x->value, ARCHIVE_ENTRY_ACL_TYPE_ACCESS);
        } else if (strcmp(name, "system.posix_acl_default") == 0) {
            add_acl(w, x->value, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT);
        }
    }
}

/** Extents as libarchive wants them: an all-hole file has one empty extent at its end. */
static void
add_extents(struct archive_writer *w, const struct archive_member *m)
{
    for (uint32_t i = 0; i < m->extent_count; i++) {
        archive_entry_sparse_add_entry(w->entry, (la_int64_t)m->extents[i].offset,
                                       (la_int64_t)m->extents[i].len);
    }
    if (m->extent_count == 0 && m->size > 0) {
        archive_entry_sparse_add_entry(w->entry, (la_int64_t)m->size, 0);
    }
}

static void
fill(struct archive_writer *w, const struct archive_member *m)
{
    struct archive_entry *e = archive_entry_clear(w->entry);

    archive_entry_copy_pathname(e, text(w, m->path));
    archive_entry_set_mode(e, file_type(m->type) | (mode_t)(m->mode & 07777));
    archive_entry_set_mtime(e, (time_t)m->mtime_sec, (long)m->mtime_nsec);
    archive_entry_set_size(e, m->type == MEMBER_FILE ? (la_int64_t)m->size : 0);
    if (m->has_owner) {
        archive_entry_set_uid(e, m->uid);
        archive_entry_set_gid(e, m->gid);
        if (m->user.len > 0) {
            archive_entry_copy_uname(e, text(w, m->user));
        }
        if (m->group.len > 0) {
            archive_entry_copy_gname(e, text(w, m->group));
        }
    }
    if (m->type == MEMBER_SYMLINK) {
        archive_entry_copy_symlink(e, text(w, m->target));
    }
    if (m->type == MEMBER_HARD_LINK) {
        archive_entry_copy_hardlink(e, text(w, m->target));
        return; /* its attributes are the earlier member's */
    }
    if (m->type == MEMBER_CHARACTER_DEVICE || m->type == MEMBER_BLOCK_DEVICE) {
        archive_entry_set_rdevmajor(e, m->major);
        archive_entry_set_rdevminor(e, m->minor);
    }
    if (w->kind == ARCHIVE_TAR) {
        add_xattrs(w, m);
        if (m->type == MEMBER_FILE && m->sparse) {
            add_extents(w, m);
        }
    }
}

enum vv_rc
archive_writer_begin(struct archive_writer *w, const struct archive_member *m, struct vv_error *err)
{
    locale_t before;
    int rc;

    if (w->left > 0) {
        return vv_error_set(err, VV_EUSAGE, "the archive's last member is not complete");
    }
    if (!archive_writer_holds(w->kind, m->type) || m->path.len == 0 || m->size > INT64_MAX) {
        return vv_error_set(err, VV_EUSAGE, "such an archive cannot hold this member");
    }
    before = w->utf8 != (locale_t)0 ? uselocale(w->utf8) : (locale_t)0;
    fill(w, m);
    rc = w->scratch.failed ? ARCHIVE_FATAL : archive_write_header(w->archive, w->entry);
    if (before != (locale_t)0) {
        (void)uselocale(before);
    }
    VV_TRY(vv_buf_check(&w->scratch, err));
    if (w->failure.rc != VV_OK ||
        (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)) { /* a warning: a name that is no UTF-8 */
        return writer_error(w, err);
    }
    w->left = m->type == MEMBER_FILE ? m->size : 0;
    return VV_OK;
}

enum vv_rc
archive_writer_data(struct archive_writer *w, struct vv_span data, struct vv_error *err)
{
    if (data.len > w->left) {
        return vv_error_set(err, VV_EUSAGE, "more bytes than the member's size");
    }
    while (data.len > 0) {
        la_ssize_t done = archive_write_data(w->archive, data.data, data.len);
        if (done <= 0 || w->failure.rc != VV_OK) {
            return writer_error(w, err);
        }
        w->left -= (uint64_t)done;
        data = vv_span(data.data + done, data.len - (size_t)done);
    }
    return VV_OK;
}

enum vv_rc
archive_writer_hole(struct archive_writer *w, uint64_t len, struct vv_error *err)
{
    static const uint8_t zeros[ZEROS_AT_ONCE];

    while (len > 0) {
        size_t part = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);
        VV_TRY(archive_writer_data(w, vv_span(zeros, part), err));
        len -= part;
    }
    return VV_OK;
}

enum vv_rc
archive_writer_finish(struct archive_writer *w, struct vv_error *err)
{
    if (w->left > 0) {
        return vv_error_set(err, VV_EUSAGE, "the archive's last member is not complete");
    }
    if (archive_write_close(w->archive) != ARCHIVE_OK || w->failure.rc != VV_OK) {
        return writer_error(w, err);
    }
    return VV_OK;
}
