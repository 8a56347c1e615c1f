/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The paths given: made absolute and free of ".", ".." and symbolic links in the middle (a tree
 * with a directory where the machine has a link would not be a copy of the machine), sorted,
 * duplicates dropped.  Resolved component by component with descriptors, so that length does not
 * matter.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "source/fs_internal.h"

#define LINKS_MOST 40u

struct resolver {
    const char *given;
    struct vv_buf path; /* so far: "/a/b", or empty for "/" */
    struct vv_buf rest; /* still to do, NUL-terminated */
    struct vv_buf scratch;
    int fd;           /* of path; O_PATH */
    bool missing;     /* path does not exist: the rest is only text */
    bool follow_last; /* the path given ends in '/', "." or ".." */
    bool through_link;
    unsigned links;
};

static void
resolver_release(struct resolver *r)
{
    vv_buf_release(&r->path);
    vv_buf_release(&r->rest);
    vv_buf_release(&r->scratch);
    vv_fd_close(r->fd);
}

static void
set_fd(struct resolver *r, int fd)
{
    vv_fd_close(r->fd);
    r->fd = fd;
    r->missing = r->missing || fd < 0;
}

static void
go_to_root(struct resolver *r)
{
    vv_buf_reset(&r->path);
    r->missing = false;
    set_fd(r, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static void
go_up(struct resolver *r)
{
    while (r->path.len > 0 && r->path.data[--r->path.len] != '/') {
    }
    if (!r->missing) {
        set_fd(r, openat(r->fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
}

static void
append_component(struct resolver *r, const char *name)
{
    vv_buf_put_u8(&r->path, '/');
    vv_buf_put_text(&r->path, name);
}

/* Put the target of the link open at ${fd} in front of the rest. */
static enum vv_rc
follow_link(struct resolver *r, int fd, struct vv_error *err)
{
    ssize_t len;
    size_t room = 256;
    do {
        room *= 2;
        vv_buf_reset(&r->scratch);
        VV_TRY(vv_buf_reserve(&r->scratch, room + r->rest.len + 2, err));
        len = readlinkat(fd, "", (char *)r->scratch.data, room);
    } while (len > 0 && (size_t)len == room && room < LIMIT_PATH);
    if (len <= 0 || ++r->links > LINKS_MOST) {
        r->missing = true;
        return VV_OK;
    }
    r->scratch.len = (size_t)len;
    bool absolute = r->scratch.data[0] == '/';
    vv_buf_put_u8(&r->scratch, '/');
    vv_buf_put(&r->scratch, r->rest.data, r->rest.len);
    VV_TRY(vv_buf_check(&r->scratch, err));
    struct vv_buf swap = r->rest;
    r->rest = r->scratch;
    r->scratch = swap;
    r->through_link = true;
    if (absolute) {
        go_to_root(r);
    }
    return VV_OK;
}

/* Go into ${name}, which is not the end of the path given (or is to be followed). */
static enum vv_rc
go_into(struct resolver *r, const char *name, struct vv_error *err)
{
    int fd = r->missing ? -1 : openat(r->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct fs_stat stat = {0};
    if (fd >= 0) {
        fs_stat_fd(fd, &stat);
    }
    if (fd >= 0 && stat.error == 0 && (stat.mode & S_IFMT) == S_IFLNK) {
        enum vv_rc rc = follow_link(r, fd, err);
        vv_fd_close(fd);
        if (rc != VV_OK || !r->missing) {
            return rc;
        }
        fd = -1; /* a loop: the name stays as it is, and will be reported */
    }
    append_component(r, name);
    set_fd(r, fd);
    return VV_OK;
}

/* Take the first component off the rest into ${name}; false at the end. */
static enum vv_rc
next_component(struct resolver *r, struct vv_buf *name, bool *ret_end, struct vv_error *err)
{
    size_t start = 0;
    while (start < r->rest.len && r->rest.data[start] == '/') {
        start++;
    }
    size_t end = start;
    while (end < r->rest.len && r->rest.data[end] != '/') {
        end++;
    }
    vv_buf_reset(name);
    vv_buf_put(name, r->rest.data + start, end - start);
    *ret_end = start == end;
    while (end < r->rest.len && r->rest.data[end] == '/') {
        end++;
    }
    memmove(r->rest.data, r->rest.data + end, r->rest.len - end);
    r->rest.len -= end;
    (void)vv_buf_text(name);
    return vv_buf_check(name, err);
}

static enum vv_rc
resolve(struct resolver *r, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
    go_to_root(r);
    for (;;) {
        bool end;
        VV_TRY(next_component(r, &name, &end, err));
        if (end) {
            return vv_buf_check(&r->path, err);
        }
        const char *text = vv_buf_text(&name);
        if (strcmp(text, ".") == 0) {
            continue;
        }
        if (strcmp(text, "..") == 0) {
            go_up(r);
        } else if (r->rest.len == 0 && !r->follow_last) {
            append_component(r, text);
        } else {
            VV_TRY(go_into(r, text, err));
        }
        if (r->path.len > LIMIT_PATH || r->rest.len > (size_t)2 * LIMIT_PATH) {
            return vv_error_set(err, VV_EUSAGE, "source path of %zu bytes is too long",
                                r->path.len + r->rest.len);
        }
    }
}

static enum vv_rc
put_working_directory(struct vv_buf *out, struct vv_error *err)
{
    for (size_t size = 4096;; size *= 4) {
        VV_TRY(vv_buf_reserve(out, size, err));
        if (getcwd((char *)out->data, size) != NULL) {
            out->len = strlen((char *)out->data);
            vv_buf_put_u8(out, '/');
            break;
        }
        if (errno != ERANGE || size > LIMIT_PATH) {
            return vv_error_sys(err, errno, "cannot tell the working directory");
        }
    }
    if (out->data[0] != '/') {
        return vv_error_set(err, VV_EUSAGE, "the working directory cannot be reached from '/'");
    }
    return VV_OK;
}

static bool
ends_in_directory(const char *path)
{
    size_t len = strlen(path);
    const char *slash = strrchr(path, '/');
    const char *last = slash == NULL ? path : slash + 1;
    return path[len - 1] == '/' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0;
}

static enum vv_rc
root_init(struct vv_buf *out, const char *given, struct vv_events *events, struct vv_error *err)
{
    VV_CLEANUP(resolver_release) struct resolver r = {.given = given, .fd = -1};
    if (given[0] == 0) {
        return vv_error_set(err, VV_EUSAGE, "a source path is empty");
    }
    r.follow_last = ends_in_directory(given);
    if (given[0] != '/') {
        VV_TRY(put_working_directory(&r.rest, err));
    }
    vv_buf_put_text(&r.rest, given);
    VV_TRY(vv_buf_check(&r.rest, err));
    VV_TRY(resolve(&r, err));
    if (r.path.len == 0) {
        vv_buf_put_u8(&r.path, '/');
        VV_TRY(vv_buf_check(&r.path, err));
    }
    if (r.through_link) {
        vv_emit(events, VV_EVENT_NOTICE, "source-through-link",
                vv_span(r.path.data + 1, r.path.len - 1),
                "'%s' goes through a symbolic link; stored under the real path", given);
    }
    *out = r.path;
    r.path = (struct vv_buf){0};
    return VV_OK;
}

static int
compare_spans(const void *a, const void *b)
{
    return path_compare(*(const struct vv_span *)a, *(const struct vv_span *)b);
}

void
fs_roots_release(struct fs_roots *r)
{
    for (size_t i = 0; r->buffers != NULL && i < r->buffer_count; i++) {
        vv_buf_release(&r->buffers[i]);
    }
    vv_free(r->buffers);
    vv_free(r->all);
    vv_free(r->merged);
    *r = (struct fs_roots){0};
}

/* all[] is sorted: drop what is there twice, and list those not below another. */
static void
merge(struct fs_roots *r, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && path_compare(r->all[kept - 1], r->all[i]) == 0) {
            continue;
        }
        r->all[kept++] = r->all[i];
        struct vv_span *last = r->merged_count > 0 ? &r->merged[r->merged_count - 1] : NULL;
        if (last == NULL || !path_is_below(r->all[i], vv_span(last->data + 1, last->len - 1))) {
            r->merged[r->merged_count++] = vv_span(r->all[i].data - 1, r->all[i].len + 1);
        }
    }
    r->count = kept;
}

enum vv_rc
fs_roots_init(struct fs_roots *r, const struct source_fs_options *o, struct vv_error *err)
{
    if (o->path_count == 0) {
        return vv_error_set(err, VV_EUSAGE, "no source path given");
    }
    *r = (struct fs_roots){0};
    r->buffers = vv_alloc_array(o->path_count, sizeof(*r->buffers));
    r->all = vv_alloc_array(o->path_count, sizeof(*r->all));
    r->merged = vv_alloc_array(o->path_count, sizeof(*r->merged));
    if (r->buffers == NULL || r->all == NULL || r->merged == NULL) {
        return vv_error_nomem(err);
    }
    r->buffer_count = o->path_count;
    for (size_t i = 0; i < o->path_count; i++) {
        VV_TRY(root_init(&r->buffers[i], o->paths[i], o->events, err));
        r->all[i] = vv_span(r->buffers[i].data + 1, r->buffers[i].len - 1);
    }
    qsort(r->all, o->path_count, sizeof(*r->all), compare_spans);
    merge(r, o->path_count);
    return VV_OK;
}
