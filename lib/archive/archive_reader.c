/* SPDX-License-Identifier: BSD-2-Clause */
/* Members and their data, one after the other. */
#include "archive/archive_reader.h"

#include <stdio.h>
#include <string.h>

#include "archive/archive_reader_internal.h"
#include "core/alloc.h"

struct archive_reader {
    struct archive_input input;
    struct archive *format;
    struct vv_arena arena; /* of the member */
    struct archive_member member;
    char *path;
    /* libarchive converts names to the locale's character set.  In "C" that fails for whatever is
     * not ASCII, and then it hands out the bytes as they are, which is what we want; where names
     * are normalised on the way (UTF-8 to UTF-8), it would not.  Of zip alone it keeps nothing
     * then. */
    locale_t locale;
    bool broken;
};

static enum vv_rc
failed(struct archive_reader *r, enum vv_rc rc, struct vv_error *err)
{
    r->broken = true;
    if (strcmp(r->path, "-") == 0) {
        (void)vv_error_prefix(err, "archive on standard input");
    } else {
        (void)vv_error_prefix(err, "archive '%s'", r->path);
    }
    return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
}

static enum vv_rc
attach(struct archive_reader *r, struct vv_error *err)
{
    bool zip = r->input.filter == NULL;
    struct archive *a = archive_read_new();
    int rc;

    if (a == NULL) {
        return vv_error_nomem(err);
    }
    r->format = a;
    if (zip) {
        rc = archive_read_support_format_zip_seekable(a);
    } else {
        rc = archive_read_support_format_tar(a);
        rc = rc != ARCHIVE_OK ? rc : archive_read_support_format_cpio(a);
    }
    if (rc != ARCHIVE_OK) {
        return archive_input_failed(&r->input, a, err);
    }
    if (archive_input_attach(&r->input, a) != ARCHIVE_OK) {
        const char *text = archive_error_string(a);
        if (r->input.error.rc != VV_OK || text == NULL ||
            strcmp(text, "Unrecognized archive format") != 0) {
            return archive_input_failed(&r->input, a, err);
        }
        return vv_error_set(err, VV_EIO, "it is no tar, cpio or zip archive");
    }
    return VV_OK;
}

static enum vv_rc
open_all(struct archive_reader *r, struct vv_error *err)
{
    locale_t before = uselocale(r->locale);
    enum vv_rc rc = archive_input_open(&r->input, r->path, err);

    if (rc == VV_OK && r->input.filter == NULL) {
        locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
        if (utf8 != (locale_t)0) {
            (void)uselocale(utf8);
            freelocale(r->locale);
            r->locale = utf8;
        }
    }
    rc = rc != VV_OK ? rc : attach(r, err);
    (void)uselocale(before);
    return rc;
}

enum vv_rc
archive_reader_open(const char *path, struct vv_cancel *cancel, struct archive_reader **ret,
                    struct vv_error *err)
{
    VV_CLEANUP(archive_reader_freep) struct archive_reader *r = vv_alloc_array(1, sizeof(*r));
    enum vv_rc rc;

    if (r == NULL) {
        return vv_error_nomem(err);
    }
    r->input.fd = -1;
    r->input.cancel = cancel;
    r->path = vv_strdup(path);
    r->locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (r->path == NULL || r->locale == (locale_t)0) {
        return vv_error_nomem(err);
    }
    rc = archive_functions_load(err);
    rc = rc != VV_OK ? rc : open_all(r, err);
    if (rc != VV_OK) {
        return failed(r, rc, err);
    }
    *ret = TAKE(r);
    return VV_OK;
}

/* The end of the archive was met: was it the end?  A tar archive cut off between two members looks
 * like one that ends, but for the mark. */
static enum vv_rc
check_end(struct archive_reader *r, struct vv_error *err)
{
    int kind = archive_format(r->format) & ARCHIVE_FORMAT_BASE_MASK;

    if (kind == ARCHIVE_FORMAT_TAR &&
        archive_filter_bytes(r->format, 0) <= archive_read_header_position(r->format)) {
        (void)vv_error_set(err, VV_EIO, "the end mark is missing: it may be cut off");
        vv_error_hint(err, "if whoever wrote it never writes one, append it: "
                           "(cat ARCHIVE; head -c 1024 /dev/zero) | varve backup --archive -");
        return VV_EIO;
    }
    return archive_input_finish(&r->input, err);
}

/* Names that are not ASCII (see the locale above) are no reason to warn. */
static void
take_warning(struct archive_reader *r)
{
    const char *text = archive_error_string(r->format);
    struct archive_member *m = &r->member;

    if (text == NULL || m->warning[0] != '\0' || strstr(text, "t be converted ") != NULL ||
        strstr(text, "cannot be converted") != NULL) {
        return;
    }
    (void)snprintf(m->warning, sizeof(m->warning), "%s", text);
}

static enum vv_rc
next_member(struct archive_reader *r, bool *ret_end, struct vv_error *err)
{
    struct archive_entry *e = NULL;
    int rc = archive_read_next_header(r->format, &e);

    if (rc == ARCHIVE_EOF) {
        *ret_end = true;
        return check_end(r, err);
    }
    if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) {
        return archive_input_failed(&r->input, r->format, err);
    }
    vv_arena_reset(&r->arena);
    VV_TRY(archive_member_fill(e, archive_format(r->format) & ARCHIVE_FORMAT_BASE_MASK, &r->arena,
                               &r->member, err));
    if (rc == ARCHIVE_WARN) {
        take_warning(r);
    }
    *ret_end = false;
    return VV_OK;
}

enum vv_rc
archive_reader_next(struct archive_reader *r, const struct archive_member **ret,
                    struct vv_error *err)
{
    bool end = false;

    if (r->broken) {
        return vv_error_set(err, VV_EIO, "it is damaged");
    }
    locale_t before = uselocale(r->locale);
    enum vv_rc rc = next_member(r, &end, err);
    (void)uselocale(before);
    if (rc != VV_OK) {
        return failed(r, rc, err);
    }
    *ret = end ? NULL : &r->member;
    return VV_OK;
}

enum vv_rc
archive_reader_data(struct archive_reader *r, struct vv_span *ret_block, uint64_t *ret_offset,
                    bool *ret_end, struct vv_error *err)
{
    const void *block = NULL;
    size_t len = 0;
    la_int64_t offset = 0;

    if (r->broken) {
        return vv_error_set(err, VV_EIO, "it is damaged");
    }
    locale_t before = uselocale(r->locale);
    int rc = archive_read_data_block(r->format, &block, &len, &offset);
    (void)uselocale(before);
    if (rc == ARCHIVE_EOF) {
        *ret_end = true;
        return VV_OK;
    }
    if (rc != ARCHIVE_OK || offset < 0) { /* a warning here is a checksum or a size that is wrong */
        return failed(r, archive_input_failed(&r->input, r->format, err), err);
    }
    *ret_block = vv_span(block, len);
    *ret_offset = (uint64_t)offset;
    *ret_end = false;
    return VV_OK;
}

void
archive_reader_free(struct archive_reader *r)
{
    if (r == NULL) {
        return;
    }
    locale_t before = r->locale != (locale_t)0 ? uselocale(r->locale) : (locale_t)0;
    if (r->format != NULL) {
        (void)archive_read_free(r->format);
    }
    archive_input_release(&r->input);
    if (r->locale != (locale_t)0) {
        (void)uselocale(before);
        freelocale(r->locale);
    }
    vv_arena_release(&r->arena);
    vv_free(r->path);
    vv_free(r);
}
