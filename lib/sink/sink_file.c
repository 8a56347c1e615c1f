/* SPDX-License-Identifier: BSD-2-Clause */

/* Regular files: written under a temporary name, published complete. */

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "sink/sink_internal.h"

/* Copy-on-write can be switched off only while a file is empty. */
#define EARLY_FLAGS ((uint32_t)FS_NOCOW_FL)

struct sink_file {
    struct sink_place place;
    const struct entry *entry;
    int fd; /* -1: dry run */
    char temp[SINK_TEMP_NAME];
};

static void
file_free(struct sink_file *f)
{
    vv_fd_close(f->fd);
    sink_place_release(&f->place);
    vv_free(f);
}

/* The mode to create with: the final one, if it grants nobody anything before the owner is right
 * that everybody has in the end, and nobody else the right to write; saves a call for nearly every
 * file. */
static mode_t
first_mode(const struct entry *e)
{
    uint32_t group = e->mode >> 3 & 7u;
    uint32_t others = e->mode & 7u;

    if ((group & ~others) != 0 || (e->mode & 06022u) != 0 || e->xattr_count > 0) {
        return 0600;
    }
    return (e->mode & 0777u) | 0600u;
}

static int
create_temporary(struct sink_file *f)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

    for (int tries = 0; tries < 100; tries++) {
        sink_temp_name(f->place.sink, f->temp);
        f->fd = openat(f->place.parent->fd, f->temp, flags, first_mode(f->entry));
        if (f->fd >= 0) {
            return 0;
        }
        if (errno == EMFILE || errno == ENFILE) {
            sink_parents_forget(f->place.sink);
        } else if (errno != EEXIST && errno != EINTR) {
            return errno;
        }
    }
    return errno;
}

enum vv_rc
sink_file_begin(struct sink *s, const struct entry *e, struct sink_file **ret, struct vv_error *err)
{
    struct sink_file *f;
    enum vv_rc rc = VV_OK;
    int sys = 0;

    VV_TRY(vv_cancel_check(s->cancel, err));
    f = vv_alloc_array(1, sizeof(*f));
    if (f == NULL) {
        return vv_error_nomem(err);
    }
    f->place.sink = s;
    f->entry = e;
    f->fd = -1;
    if (!s->dry_run) {
        rc = sink_locate(s, e->path, &f->place, err);
        if (rc == VV_OK) {
            sys = create_temporary(f);
        }
        if (sys != 0) {
            rc = sink_error(err, sys, "create", e->path);
        }
        if (rc != VV_OK) {
            file_free(f);
            return rc;
        }
        if ((e->inode_flags & EARLY_FLAGS) != 0) {
            struct sink_object o = {.fd = f->fd, .st = {.st_mode = S_IFREG}};
            uint32_t flags;
            if (sink_flags_read(&o, &flags)) { /* what fails is counted at the end */
                (void)sink_flags_try(&o, flags | (e->inode_flags & EARLY_FLAGS));
            }
        }
    }
    *ret = f;
    return VV_OK;
}

enum vv_rc
sink_file_write(struct sink_file *f, uint64_t offset, struct vv_span data, struct vv_error *err)
{
    size_t done = 0;

    if (f->fd < 0) {
        return VV_OK;
    }
    if (offset > INT64_MAX - data.len) {
        return sink_error(err, EFBIG, "write", f->entry->path);
    }
    while (done < data.len) {
        ssize_t n = pwrite(f->fd, data.data + done, data.len - done, (off_t)(offset + done));
        if (n < 0 && errno != EINTR) {
            return sink_error(err, errno, "write", f->entry->path);
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return VV_OK;
}

static enum vv_rc
complete(struct sink_file *f, struct vv_error *err)
{
    const struct entry *e = f->entry;
    struct sink *s = f->place.sink;
    struct sink_wanted w = sink_wanted_of(s, e);
    struct sink_object o = {.fd = f->fd};

    if (fstat(f->fd, &o.st) != 0) {
        return sink_error(err, errno, "inspect", e->path);
    }
    if (e->size > INT64_MAX) {
        return sink_error(err, EFBIG, "set the length of", e->path);
    }
    if ((uint64_t)o.st.st_size != e->size && ftruncate(f->fd, (off_t)e->size) != 0) {
        return sink_error(err, errno, "set the length of", e->path);
    }
    VV_TRY(sink_apply(s, &w, &o, e->path, err));
    VV_TRY(sink_publish(&f->place, f->temp, e->path, err));
    f->temp[0] = '\0';
    return sink_defer_flags(s, e->path, w.inode_flags, err);
}

enum vv_rc
sink_file_finish(struct sink_file *f, struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    if (f->fd >= 0) {
        rc = complete(f, err);
    }
    if (rc == VV_OK && f->fd >= 0) {
        int fd = f->fd;
        f->fd = -1;
        if (close(fd) != 0 && errno != EINTR) { /* NFS tells here that the disk is full */
            rc = sink_error(err, errno, "close", f->entry->path);
        }
        file_free(f);
        return rc;
    }
    sink_file_abort(f);
    return rc;
}

void
sink_file_abort(struct sink_file *f)
{
    if (f == NULL) {
        return;
    }
    if (f->fd >= 0 && f->temp[0] != '\0') {
        (void)unlinkat(f->place.parent->fd, f->temp, 0);
    }
    file_free(f);
}
