/* SPDX-License-Identifier: BSD-2-Clause */

/* The end of a restore: what directories wait for, flags that lock, one sync, the report. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "sink/sink_internal.h"

/* The path of a deferred directory, put together from its parents' suffixes. */
static enum vv_rc
deferred_path(const struct sink_deferred *d, struct vv_buf *out, struct vv_error *err)
{
    size_t end = d->path_len;

    vv_buf_reset(out);
    VV_TRY(vv_buf_reserve(out, d->path_len + 1, err));
    vv_buf_put_zeros(out, d->path_len);
    VV_TRY(vv_buf_check(out, err));
    for (; d != NULL; d = d->parent) {
        if (end != d->path_len) { /* the slash between a parent and its child */
            out->data[--end] = '/';
        }
        end -= d->suffix_len;
        if (d->suffix_len > 0) {
            memcpy(out->data + end, d->suffix, d->suffix_len);
        }
    }
    return VV_OK;
}

/* Opens a directory beneath the target, for reading if allowed. */
static int
open_object(struct sink *s, struct vv_span path, struct sink_object *o)
{
    int sys = sink_open_directory(s, path, O_RDONLY, &o->fd);

    o->path_only = false;
    if (sys == EACCES) {
        o->path_only = true;
        sys = sink_open_directory(s, path, O_PATH, &o->fd);
    }
    if (sys == 0 && fstat(o->fd, &o->st) != 0) {
        sys = errno;
        vv_fd_close(o->fd);
    }
    return sys;
}

static enum vv_rc
finish_directory(struct sink *s, const struct sink_deferred *d, struct vv_span path,
                 struct vv_error *err)
{
    struct sink_object o;
    enum vv_rc rc;
    int sys = open_object(s, path, &o);

    if (sys != 0) {
        return sink_error(err, sys, "open directory", path);
    }
    rc = sink_apply(s, &d->wanted, &o, path, err);
    vv_fd_close(o.fd);
    VV_TRY(rc);
    return sink_defer_flags(s, path, d->wanted.inode_flags, err);
}

static enum vv_rc
finish_flags(struct sink *s, const struct sink_late *late, struct vv_error *err)
{
    struct vv_span path = vv_span(late->path, late->path_len);
    VV_CLEANUP(sink_place_release) struct sink_place place = {.sink = s};
    struct sink_object o;
    uint32_t flags;
    int sys;

    if (path.len == 0) {
        sys = open_object(s, path, &o);
    } else {
        VV_TRY(sink_locate(s, path, &place, err));
        sys = sink_object_open(place.parent->fd, place.name, &o);
    }
    if (sys != 0) {
        return sink_error(err, sys, "set the inode flags of", path);
    }
    if (sink_flags_read(&o, &flags)) { /* else counted when the others were set */
        sink_flags_write(s, &o, flags, flags | late->flags);
    }
    vv_fd_close(o.fd);
    return VV_OK;
}

/* Failures of one directory are named; those that end the restore are returned. */
static enum vv_rc
survive(struct sink *s, enum vv_rc rc, struct vv_span path, const struct vv_error *failure,
        struct vv_error *err)
{
    if (rc == VV_OK) {
        return VV_OK;
    }
    if (rc == VV_ENOMEM || rc == VV_ECANCELLED || rc == VV_ENOSPACE) {
        if (err != NULL) {
            *err = *failure;
        }
        return rc;
    }
    vv_emit(s->events, VV_EVENT_PROBLEM, "attributes-not-set", path, "%s", failure->message);
    return VV_OK;
}

static enum vv_rc
finish_directories(struct sink *s, struct vv_buf *path, struct vv_error *err)
{
    while (s->deferred != NULL) {
        struct sink_deferred *d = s->deferred;
        struct vv_error failure = {0};
        enum vv_rc rc;

        VV_TRY(vv_cancel_check(s->cancel, err));
        VV_TRY(deferred_path(d, path, err));
        rc = finish_directory(s, d, vv_buf_span(path), &failure);
        VV_TRY(survive(s, rc, vv_buf_span(path), &failure, err));
        s->deferred = d->next;
    }
    return VV_OK;
}

static enum vv_rc
finish_late(struct sink *s, struct vv_error *err)
{
    while (s->late != NULL) {
        struct sink_late *late = s->late;
        struct vv_error failure = {0};
        enum vv_rc rc;

        VV_TRY(vv_cancel_check(s->cancel, err));
        rc = finish_flags(s, late, &failure);
        VV_TRY(survive(s, rc, vv_span(late->path, late->path_len), &failure, err));
        s->late = late->next;
    }
    return VV_OK;
}

enum vv_rc
sink_finish(struct sink *s, struct vv_error *err)
{
    struct vv_buf path = {0};
    enum vv_rc rc;

    if (s->dry_run) {
        return VV_OK;
    }
    vv_buf_reset(&s->deferred_path);
    rc = finish_directories(s, &path, err);
    vv_buf_release(&path);
    VV_TRY(rc);
    VV_TRY(finish_late(s, err));
    VV_TRY(sink_systems_sync(s, err));
    sink_refusals_report(s);
    return VV_OK;
}
