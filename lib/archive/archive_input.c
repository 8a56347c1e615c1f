/* SPDX-License-Identifier: BSD-2-Clause */
/* Where an archive's bytes come from: a file or pipe, uncompressed on the way. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/archive_reader_internal.h"
#include "core/alloc.h"
#include "core/file.h"

#define POLL_MS 100 /* how soon a request to stop is seen */

/* ---- callbacks of libarchive ---- */

/* Record our own trouble and tell libarchive that there is some. */
static la_ssize_t
give_up(struct archive_input *in, struct archive *a, enum vv_rc rc)
{
    in->error.rc = rc;
    archive_set_error(a, EIO, "%s", in->error.message);
    return -1;
}

static la_ssize_t
read_descriptor(struct archive *a, void *ctx, const void **ret)
{
    struct archive_input *in = ctx;

    for (;;) {
        struct pollfd poll_fd = {.fd = in->fd, .events = POLLIN};
        enum vv_rc rc = vv_cancel_check(in->cancel, &in->error);
        if (rc != VV_OK) {
            return give_up(in, a, rc);
        }
        if (poll(&poll_fd, 1, POLL_MS) <= 0) {
            continue;
        }
        ssize_t got = read(in->fd, in->buffer, ARCHIVE_INPUT_BUFFER);
        if (got >= 0) {
            *ret = in->buffer;
            if (in->gzip != NULL) {
                archive_gzip_compressed(in->gzip, in->buffer, (size_t)got);
            }
            return got;
        }
        if (errno != EINTR && errno != EAGAIN) {
            return give_up(in, a, vv_error_sys(&in->error, errno, "cannot read"));
        }
    }
}

static la_int64_t
seek_descriptor(struct archive *a, void *ctx, la_int64_t offset, int whence)
{
    struct archive_input *in = ctx;
    off_t at = lseek(in->fd, offset, whence);

    return at >= 0 ? at : give_up(in, a, vv_error_sys(&in->error, errno, "cannot seek"));
}

static la_ssize_t
read_filter(struct archive *a, void *ctx, const void **ret)
{
    struct archive_input *in = ctx;
    size_t len = in->first_len;
    la_int64_t offset;

    if (in->first != NULL) {
        *ret = in->first;
        in->first = NULL;
        if (in->gzip != NULL) {
            archive_gzip_plain(in->gzip, *ret, len);
        }
        return (la_ssize_t)len;
    }
    int rc = archive_read_data_block(in->filter, ret, &len, &offset);
    if (rc == ARCHIVE_EOF) {
        return 0;
    }
    if (rc != ARCHIVE_OK) {
        const char *text = archive_error_string(in->filter);
        archive_set_error(a, archive_errno(in->filter), "%s", text == NULL ? "damaged" : text);
        return -1;
    }
    if (in->gzip != NULL) {
        archive_gzip_plain(in->gzip, *ret, len);
    }
    return (la_ssize_t)len;
}

/* ---- opening ---- */

enum vv_rc
archive_input_failed(struct archive_input *in, struct archive *a, struct vv_error *err)
{
    if (in->error.rc != VV_OK) {
        if (err != NULL) {
            *err = in->error;
        }
        return in->error.rc;
    }
    const char *text = archive_error_string(a);
    if (archive_errno(a) == ENOMEM) {
        return vv_error_nomem(err);
    }
    return vv_error_set(err, VV_EIO, "%s", text == NULL ? "damaged" : text);
}

/* Filters that are part of libarchive here: none that runs a program which an archive names. */
static int
allow_filters(struct archive *a)
{
    int (*const allow[])(struct archive *) = {
        archive_read_support_filter_gzip, archive_read_support_filter_bzip2,
        archive_read_support_filter_xz,   archive_read_support_filter_lzma,
        archive_read_support_filter_lzip, archive_read_support_filter_zstd,
        archive_read_support_filter_lz4,  archive_read_support_filter_compress};
    for (size_t i = 0; i < VV_COUNT(allow); i++) {
        int rc = allow[i](a);
        if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN) {
            return rc;
        }
    }
    return ARCHIVE_OK;
}

static bool
is_zip(const void *data, size_t len)
{
    /* A member; the directory's end (no members); the mark of a split archive. */
    return len >= 4 && (memcmp(data, "PK\003\004", 4) == 0 || memcmp(data, "PK\005\006", 4) == 0 ||
                        memcmp(data, "PK\007\010", 4) == 0 || memcmp(data, "PK00", 4) == 0);
}

/* A zip archive in a file: read in place. */
static bool
is_zip_file(int fd)
{
    struct stat st;
    uint8_t magic[4];
    off_t at = lseek(fd, 0, SEEK_CUR);

    return at == 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
           pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
           is_zip(magic, sizeof(magic));
}

static enum vv_rc
open_filter(struct archive_input *in, struct vv_error *err)
{
    struct archive_entry *entry;
    la_int64_t offset;
    struct archive *a = archive_read_new();

    if (a == NULL) {
        return vv_error_nomem(err);
    }
    in->filter = a;
    in->gzip = archive_gzip_new(); /* from the first byte on, as the filter is not known yet */
    if (in->gzip == NULL) {
        return vv_error_nomem(err);
    }
    if (archive_read_support_format_raw(a) != ARCHIVE_OK ||
        archive_read_support_format_empty(a) != ARCHIVE_OK || allow_filters(a) != ARCHIVE_OK ||
        archive_read_open(a, in, NULL, read_descriptor, NULL) != ARCHIVE_OK) {
        return archive_input_failed(in, a, err);
    }
    int rc = archive_read_next_header(a, &entry);
    if (rc == ARCHIVE_OK) {
        rc = archive_read_data_block(a, &in->first, &in->first_len, &offset);
    }
    if (rc == ARCHIVE_EOF) {
        in->first = NULL;
        return vv_error_set(err, VV_EIO, "it is empty");
    }
    if (archive_filter_code(a, 0) != ARCHIVE_FILTER_GZIP || archive_filter_count(a) > 2) {
        vv_free(in->gzip);
        in->gzip = NULL;
    }
    return rc == ARCHIVE_OK ? VV_OK : archive_input_failed(in, a, err);
}

/* Copy all of the stream to an unnamed file and go on from there. */
static enum vv_rc
spool(struct archive_input *in, struct vv_error *err)
{
    const char *directory = secure_getenv("TMPDIR");
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    const void *block;
    la_ssize_t len;

    if (directory == NULL || directory[0] == '\0') {
        directory = "/var/tmp";
    }
    VV_TRY(vv_temp_file(directory, &fd, err));
    while ((len = read_filter(in->filter, in, &block)) > 0) {
        VV_TRY(vv_fd_write_full(fd, block, (size_t)len, directory, err));
    }
    if (len < 0) {
        return archive_input_failed(in, in->filter, err);
    }
    if (lseek(fd, 0, SEEK_SET) != 0) {
        return vv_error_sys(err, errno, "cannot seek in '%s'", directory);
    }
    (void)archive_read_free(in->filter);
    in->filter = NULL;
    int old = in->fd;
    in->fd = fd;
    fd = old == STDIN_FILENO ? -1 : old;
    return VV_OK;
}

enum vv_rc
archive_input_open(struct archive_input *in, const char *path, struct vv_error *err)
{
    in->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (in->fd < 0) {
        return vv_error_sys(err, errno, "cannot open");
    }
    in->buffer = vv_alloc(ARCHIVE_INPUT_BUFFER);
    if (in->buffer == NULL) {
        return vv_error_nomem(err);
    }
    if (is_zip_file(in->fd)) {
        return VV_OK;
    }
    VV_TRY(open_filter(in, err));
    return is_zip(in->first, in->first_len) ? spool(in, err) : VV_OK;
}

int
archive_input_attach(struct archive_input *in, struct archive *format)
{
    if (in->filter != NULL) {
        return archive_read_open(format, in, NULL, read_filter, NULL);
    }
    int rc = archive_read_set_seek_callback(format, seek_descriptor);
    return rc != ARCHIVE_OK ? rc : archive_read_open(format, in, NULL, read_descriptor, NULL);
}

enum vv_rc
archive_input_finish(struct archive_input *in, struct vv_error *err)
{
    const void *block;
    la_ssize_t len;

    if (in->filter == NULL) {
        return VV_OK;
    }
    do {
        len = read_filter(in->filter, in, &block);
    } while (len > 0);
    if (len == 0 && in->gzip != NULL && archive_gzip_damaged(in->gzip)) {
        return vv_error_set(err, VV_EIO, "the checksum of the gzip stream is wrong: it is damaged");
    }
    return len == 0 ? VV_OK : archive_input_failed(in, in->filter, err);
}

void
archive_input_release(struct archive_input *in)
{
    if (in->filter != NULL) {
        (void)archive_read_free(in->filter);
        in->filter = NULL;
    }
    if (in->fd != STDIN_FILENO) {
        vv_fd_close(in->fd);
    }
    in->fd = -1;
    vv_free(in->buffer);
    in->buffer = NULL;
    vv_free(in->gzip);
    in->gzip = NULL;
}
