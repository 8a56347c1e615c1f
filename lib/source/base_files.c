/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of a cluster on this machine: finding its directories, and giving all back. */
#include "source/base_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "format/wal.h"

#define TABLESPACES "pg_tblspc"
#define STARTED_MOST 5 /* seconds between what postmaster.pid says and the server */

void
base_files_fail(struct base_files *f, int sys, const char *path)
{
    vv_mutex_lock(&f->lock);
    if (f->failure.rc == VV_OK) {
        (void)vv_error_sys(&f->failure, sys, "cannot read '%s' of the database's files", path);
        if (sys == EACCES || sys == EPERM) {
            vv_error_hint(&f->failure, "run as the server's user or as root");
        }
        (void)vv_error_origin(&f->failure, VV_ORIGIN_SOURCE, f->failure.rc);
    }
    vv_mutex_unlock(&f->lock);
}

void
base_files_stop(struct base_files *f, const struct vv_error *why)
{
    vv_mutex_lock(&f->lock);
    if (f->failure.rc == VV_OK) {
        f->failure = *why;
    }
    vv_mutex_unlock(&f->lock);
}

int
base_files_open_at(const struct base_files *f, const struct base_files_file *file)
{
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    int root = f->roots[file->root].fd;
    long fd = syscall(SYS_openat2, root, file->below, &how, sizeof(how));

    if (fd < 0 && errno == ENOSYS) {
        fd = openat(root, file->below, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    }
    return fd < 0 ? -errno : (int)fd;
}

enum vv_rc
base_files_failure(struct base_files *f, struct vv_error *err)
{
    enum vv_rc rc;

    vv_mutex_lock(&f->lock);
    rc = f->failure.rc;
    if (rc != VV_OK && err != NULL) {
        *err = f->failure;
    }
    vv_mutex_unlock(&f->lock);
    return rc;
}

static enum vv_rc
end(struct source *s, struct vv_error *err)
{
    return base_files_failure((struct base_files *)s, err);
}

static void
release_item(struct source *s, struct source_item *item)
{
    (void)s;
    base_item_free(item);
}

/* The walk is a part of the base backup's source, which gives it back. */
static void
free_nothing(struct source *s)
{
    (void)s;
}

static const struct source_ops files_ops = {
    .next = base_files_next,
    .item_release = release_item,
    .open = base_files_item_open,
    .read = base_files_read,
    .close = base_files_close,
    .end = end,
    .free = free_nothing,
};

void
base_files_free(struct base_files *f)
{
    if (f == NULL) {
        return;
    }
    for (size_t i = 0; i < f->depth; i++) {
        fs_listing_release(&f->frames[i].list);
        vv_fd_close(f->frames[i].fd);
    }
    for (unsigned i = 0; i < f->root_count; i++) {
        vv_fd_close(f->roots[i].fd);
        vv_free(f->roots[i].path);
    }
    vv_free(f->frames);
    vv_free(f->roots);
    vv_free(f->tablespaces);
    vv_free(f->names);
    vv_buf_release(&f->path);
    vv_buf_release(&f->bad_list);
    vv_rate_limit_free(f->rate);
    vv_arena_release(&f->arena);
    vv_mutex_release(&f->lock);
    vv_free(f);
}

/* ---- opening ---- */

static enum vv_rc
cannot_open(int sys, const char *path, struct vv_error *err)
{
    enum vv_rc rc = vv_error_sys(err, sys, "cannot open the database's directory '%s'", path);

    vv_error_hint(err, "%s",
                  sys == ENOENT ? "--database-files works on the database's own host; leave it out"
                                : "run as the server's user or as root");
    return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
}

static enum vv_rc
open_root(struct base_files *f, const char *path, const char *where, const char *inside,
          struct vv_error *err)
{
    struct base_files_root *root = &f->roots[f->root_count];

    root->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root->fd < 0) {
        return cannot_open(errno, path, err);
    }
    f->root_count++;
    (void)snprintf(root->where, sizeof(root->where), "%s", where);
    (void)snprintf(root->inside, sizeof(root->inside), "%s", inside);
    root->path = vv_strdup(path);
    return root->path != NULL ? VV_OK : vv_error_nomem(err);
}

/* Is this the directory of the server that answers? */
static enum vv_rc
check_system(struct base_files *f, const char *directory, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf control = {0};
    uint64_t system = 0;
    enum vv_rc rc = vv_file_read(f->roots[0].fd, "global/pg_control", 65536, &control, err);

    rc = rc == VV_OK ? wal_control_decode(vv_buf_span(&control), &system, err) : rc;
    if (rc == VV_OK && system != f->owner->facts.system) {
        rc = vv_error_set(err, VV_EREFUSED,
                          "'%s' is the directory of another cluster than the server's", directory);
        vv_error_hint(err, "--database-files works on the database's own host; leave it out");
    }
    return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
}

/* Line ${number} of postmaster.pid, a number; 0 if there is none. */
static int64_t
pid_line(const char *text, unsigned number)
{
    for (; number > 1 && text != NULL; number--) {
        text = strchr(text, '\n');
        text = text != NULL ? text + 1 : NULL;
    }
    return text != NULL ? strtoll(text, NULL, 10) : 0;
}

enum vv_rc
base_files_check_server(struct base_files *f, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    int64_t told = 0;
    int64_t seen;
    enum vv_rc rc = vv_file_read(f->roots[0].fd, "postmaster.pid", 4096, &text, err);

    if (rc != VV_OK && rc != VV_ENOTFOUND) {
        return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
    }
    seen = rc == VV_OK ? pid_line(vv_buf_text(&text), 3) : 0;
    VV_TRY(postgres_started(f->owner->sql, &told, err));
    if (seen == 0 || seen > told + STARTED_MOST || told > seen + STARTED_MOST) {
        (void)vv_error_set(
            err, VV_EREFUSED,
            "'%s' is not the directory of the server that answers at '%s', but perhaps "
            "a standby's or a copy",
            f->roots[0].path, postgres_name(f->owner->sql));
        vv_error_hint(err, "--database-files works on the database's own host; leave it out");
        return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_EREFUSED);
    }
    return VV_OK;
}

/* One link of pg_tblspc into f->tablespaces. */
static enum vv_rc
add_tablespace(struct base_files *f, int directory, const char *name, struct vv_error *err)
{
    char target[4096];
    ssize_t len = readlinkat(directory, name, target, sizeof(target) - 1);
    struct postgres_tablespace *t = &f->tablespaces[f->tablespace_count];

    if (len < 0 && errno == EINVAL) {
        (void)vv_error_set(err, VV_EUNSUPPORTED,
                           TABLESPACES "/%s is no link: a tablespace in place cannot be backed up",
                           name);
        return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_EUNSUPPORTED);
    }
    if (len < 0) {
        return cannot_open(errno, name, err);
    }
    target[len] = '\0';
    t->oid = (uint32_t)strtoul(name, NULL, 10);
    t->location = vv_arena_copy(&f->arena, target, (size_t)len);
    f->tablespace_count++;
    return t->location != NULL ? VV_OK : vv_error_nomem(err);
}

/* Sorted by name, as paths in the snapshot are. */
static enum vv_rc
list_tablespaces(struct base_files *f, struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep)
    int directory = openat(f->roots[0].fd, TABLESPACES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct fs_listing list = {0};
    enum vv_rc rc = VV_OK;
    int error;

    if (directory < 0) {
        return cannot_open(errno, TABLESPACES, err);
    }
    error = fs_listing_read(&list, directory, f->names, f->owner->options.cancel);
    if (error != 0) {
        fs_listing_release(&list);
        return cannot_open(error, TABLESPACES, err);
    }
    fs_listing_sort(&list);
    f->tablespaces = vv_alloc_array(list.count + 1, sizeof(*f->tablespaces));
    rc = f->tablespaces == NULL ? vv_error_nomem(err) : VV_OK;
    for (size_t i = 0; rc == VV_OK && i < list.count; i++) {
        size_t len;
        const char *name = fs_listing_name(&list, i, &len);
        if (strspn(name, "0123456789") == len && len <= 10) {
            rc = add_tablespace(f, directory, name, err);
        }
    }
    fs_listing_release(&list);
    return rc;
}

static enum vv_rc
open_data(struct base_files *f, const char *directory, struct vv_error *err)
{
    f->roots = vv_alloc_array(1, sizeof(*f->roots));
    if (f->roots == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(open_root(f, directory, "data", "", err));
    return check_system(f, directory, err);
}

enum vv_rc
base_files_open_tablespaces(struct base_files *f, struct vv_error *err)
{
    VV_TRY(list_tablespaces(f, err));
    struct base_files_root *grown =
        vv_realloc_array(f->roots, f->tablespace_count + 1, sizeof(*grown));
    if (grown == NULL) {
        return vv_error_nomem(err);
    }
    f->roots = grown;
    for (unsigned i = 0; i < f->tablespace_count; i++) {
        const struct postgres_tablespace *t = &f->tablespaces[i];
        char where[32];
        char inside[32];
        (void)snprintf(where, sizeof(where), "tablespaces/%u", t->oid);
        (void)snprintf(inside, sizeof(inside), TABLESPACES "/%u/", t->oid);
        if (t->location[0] == '/') { /* else it is refused when the backup begins */
            VV_TRY(open_root(f, t->location, where, inside, err));
        }
    }
    return VV_OK;
}

enum vv_rc
base_files_open(struct base_source *b, const char *directory, int version, struct base_files **ret,
                struct vv_error *err)
{
    struct base_files *f = vv_alloc_array(1, sizeof(*f));
    enum vv_rc rc;

    if (f == NULL) {
        return vv_error_nomem(err);
    }
    f->base.ops = &files_ops;
    f->owner = b;
    vv_mutex_init(&f->lock);
    (void)snprintf(f->version, sizeof(f->version), "PG_%d_", version / 10000);
    f->names = vv_alloc(FS_LIST_BUFFER);
    rc = f->names == NULL ? vv_error_nomem(err) : VV_OK;
    rc = rc != VV_OK ? rc : vv_rate_limit_new(vv_clock_system(), b->options.rate, &f->rate, err);
    rc = rc != VV_OK ? rc : open_data(f, directory, err);
    if (rc != VV_OK) {
        base_files_free(f);
        return rc;
    }
    *ret = f;
    return VV_OK;
}
