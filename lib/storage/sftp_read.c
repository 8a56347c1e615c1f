/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading objects over SFTP. */
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "storage/sftp_internal.h"

struct range {
    const char *name;
    uint64_t offset;
    uint8_t *buf;
    size_t len;
    size_t got;
};

/* What stat says of object ${name}: a directory is no object, anything else odd is an error. */
static enum vv_rc
check_type(const struct sftp *s, const char *name, const struct sftp_attributes *a,
           struct vv_error *err)
{
    if (!a->has_mode || S_ISREG(a->mode)) {
        return VV_OK;
    }
    if (S_ISDIR(a->mode)) {
        return vv_error_set(err, VV_ENOTFOUND, "'%s/%s' is a directory", s->url, name);
    }
    return vv_error_set(err, VV_EIO, "'%s/%s' is not a regular file", s->url, name);
}

/* A read failed because of what the server said, ${why}: perhaps that is no file. */
static enum vv_rc
explain(struct sftp *s, struct sftp_channel *c, const char *name, const char *path,
        const struct vv_error *why, struct vv_error *err)
{
    struct sftp_attributes a;
    bool answered = !sftp_client_failed(c->client) && why->rc != VV_ECANCELLED;
    if (answered && why->rc != VV_ENOTFOUND && why->rc != VV_ENOMEM &&
        sftp_lstat(c->client, path, &a, NULL) == VV_OK) {
        VV_TRY(check_type(s, name, &a, err));
    }
    if (err != NULL) {
        *err = *why;
    }
    return why->rc;
}

static bool
is_pack(const char *name)
{
    return strncmp(name, "packs/", 6) == 0 || strncmp(name, "parity/", 7) == 0;
}

static enum vv_rc
attempt_read(struct sftp *s, struct sftp_channel *c, unsigned attempt, void *ctx,
             struct vv_error *err)
{
    struct range *r = ctx;
    struct vv_error why = {0};
    char path[SFTP_PATH_MAX];
    enum vv_rc rc;

    (void)attempt;
    VV_TRY(sftp_path(s, r->name, path, err));
    if (is_pack(r->name)) {
        struct sftp_file *f = NULL;
        rc = sftp_file_get(s, c, r->name, &f, &why);
        if (rc == VV_OK) {
            rc = sftp_read(c->client, &f->handle, r->offset, r->buf, r->len, &r->got, &why);
            sftp_file_put(c, f);
            if (rc != VV_OK) {
                sftp_file_forget(c, r->name);
            }
        }
    } else {
        rc = sftp_read_file(c->client, path, r->offset, r->buf, r->len, &r->got, &why);
    }
    return rc == VV_OK ? VV_OK : explain(s, c, r->name, path, &why, err);
}

static enum vv_rc
read_range(struct sftp *s, struct range *r, struct vv_error *err)
{
    return sftp_run_load(s, attempt_read, r, r->len, err);
}

/* Read the whole units that hold the range, and give of them what was asked for. */
static enum vv_rc
read_rounded(struct sftp *s, struct range *r, struct vv_error *err)
{
    uint64_t start = r->offset / SFTP_READ_UNIT * SFTP_READ_UNIT;
    size_t before = (size_t)(r->offset - start);
    size_t len = (before + r->len + SFTP_READ_UNIT - 1) / SFTP_READ_UNIT * SFTP_READ_UNIT;
    VV_CLEANUP(vv_freep) uint8_t *units = vv_alloc(len);
    if (units == NULL) {
        return vv_error_nomem(err);
    }
    struct range whole = {.name = r->name, .offset = start, .buf = units, .len = len};
    VV_TRY(read_range(s, &whole, err));
    size_t there = whole.got > before ? whole.got - before : 0;
    r->got = there < r->len ? there : r->len;
    memcpy(r->buf, units + before, r->got);
    return VV_OK;
}

enum vv_rc
sftp_storage_read(struct storage *st, const char *name, uint64_t offset, uint8_t *buf, size_t len,
                  size_t *ret_len, struct vv_error *err)
{
    struct sftp *s = (struct sftp *)st;
    struct range r = {.name = name, .offset = offset, .len = len};
    bool beyond = offset > INT64_MAX || len > (uint64_t)INT64_MAX - offset;
    if (len == 0 || beyond) {
        /* is it there at all?  No file reaches that far */
        uint64_t size = 0;
        VV_TRY(sftp_storage_size(st, name, &size, err));
        if (len == 0 || offset >= size) {
            *ret_len = 0;
            return VV_OK;
        }
        r.len = (size_t)(size - offset);
    }
    r.buf = buf;
    bool exact = !is_pack(name) || (r.offset % SFTP_READ_UNIT == 0 && r.len % SFTP_READ_UNIT == 0);
    /* so much in one piece is most often the whole pack, or all of it but its beginning */
    exact = exact || (r.offset % SFTP_READ_UNIT == 0 && r.len > 16 * (size_t)SFTP_READ_UNIT);
    VV_TRY(exact ? read_range(s, &r, err) : read_rounded(s, &r, err));
    *ret_len = r.got;
    return VV_OK;
}

struct question {
    const char *name;
    uint64_t size;
};

static enum vv_rc
attempt_size(struct sftp *s, struct sftp_channel *c, unsigned attempt, void *ctx,
             struct vv_error *err)
{
    struct question *q = ctx;
    struct sftp_attributes a = {0};
    char path[SFTP_PATH_MAX];
    (void)attempt;
    VV_TRY(sftp_path(s, q->name, path, err));
    VV_TRY(sftp_lstat(c->client, path, &a, err));
    VV_TRY(check_type(s, q->name, &a, err));
    if (!a.has_size) {
        return vv_error_set(err, VV_EUNSUPPORTED, "the server does not tell the size of '%s/%s'",
                            s->url, q->name);
    }
    q->size = a.size;
    return VV_OK;
}

enum vv_rc
sftp_storage_size(struct storage *st, const char *name, uint64_t *ret, struct vv_error *err)
{
    struct question q = {.name = name};
    VV_TRY(sftp_run((struct sftp *)st, attempt_size, &q, err));
    *ret = q.size;
    return VV_OK;
}
