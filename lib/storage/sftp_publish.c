/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Publishing over SFTP.
 *
 *   1  create tmp/<session>-<n> exclusively, mode 0400 (an account without delete and chmod cannot
 *      change it later: OpenSSH can forbid those, but not truncating a file that may be written),
 *      write, fsync, compare the size, close
 *   2  hardlink it to the final name: fails if that is taken (S3), shows the object only as a whole
 *   3  fsync the directory, by a handle opened before 2; delete the temporary name
 *
 * What a failed attempt has done is remembered, so that the next one, on another channel, goes on
 * from there:
 *   Q1  after a failure within 1 the temporary is never used again (S5), but deleted
 *   Q2  a link that was asked for without an answer may be made at any later moment: from then on a
 *       name that is there and holds exactly our bytes is ours; before, equal bytes mean nothing
 *   Q3  once the name is known to be ours, only 3 is left
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "storage/sftp_internal.h"

enum { MODE = 0400, COMPARE_BLOCK = 1 << 20 };
#define LONG_TRIP_NS 2000000 /* from there on a thread costs less than a round trip */

enum step { STEP_WRITE, STEP_NAME, STEP_SYNC };

struct publication {
    const char *name;
    char *directory; /* part of the name */
    struct vv_span data;
    enum step step;
    bool may_be_ours; /* Q2 */
    char final[SFTP_PATH_MAX];
    char temporary[SFTP_PATH_MAX]; /* "": none */
};

static enum vv_rc
exists(const struct sftp *s, const struct publication *p, struct vv_error *err)
{
    return vv_error_set(err, VV_EEXISTS, "'%s/%s' exists already", s->url, p->name);
}

/* Why writing the temporary failed: OpenSSH says FAILURE (VV_EIO) of a full disk, a quota and a broken
 * disk alike.  Asked before the temporary is deleted; what others are writing at the moment needs
 * space as well. */
static enum vv_rc
explain_write(struct sftp *s, struct sftp_channel *c, const struct publication *p, enum vv_rc rc,
              struct vv_error *err)
{
    struct sftp_attributes a;
    struct vv_error why = {0};
    bool status = err == NULL || err->sys == SFTP_FAILURE;

    if (rc != VV_EIO) {
        return rc;
    }
    if (sftp_no_space(s, c, sftp_pool_load(s))) {
        return vv_error_set(err, VV_ENOSPACE, "no space left for '%s/%s'", s->url, p->name);
    }
    if (!status || sftp_lstat(c->client, p->temporary, &a, NULL) != VV_OK) {
        return rc; /* it was not opened, or something else is odd */
    }
    if (err != NULL) {
        why = *err;
    }
    rc = vv_error_set(err, VV_ENOSPACE,
                      "the server of '%s' did not take the bytes of '%s', most likely because of a "
                      "quota, for its disk has space left: %s",
                      s->url, p->name, why.message);
    vv_error_hint(err,
                  "is the account's quota used up, or a limit on the size of files reached?  If "
                  "neither, its disk may fail: see the server's log");
    return rc;
}

/* Step 1. */
static enum vv_rc
write_temporary(struct sftp *s, struct sftp_channel *c, struct publication *p, struct vv_error *err)
{
    if (p->temporary[0] != '\0') { /* Q1 */
        (void)!sftp_remove(c->client, p->temporary, NULL);
        p->temporary[0] = '\0';
    }
    char path[SFTP_PATH_MAX];
    VV_TRY(sftp_temporary_path(s, path, err));
    bool sync = (sftp_client_extensions(c->client) & SFTP_FSYNC) != 0;
    enum vv_rc rc = sftp_write_file(c->client, path, MODE, p->data, sync, err);
    memcpy(p->temporary, path, sizeof(path));
    if (rc == VV_OK) {
        p->step = STEP_NAME;
        return VV_OK;
    }
    if (sftp_client_failed(c->client) || rc == VV_ECANCELLED) {
        return rc;
    }
    rc = explain_write(s, c, p, rc, err);
    (void)!sftp_remove(c->client, p->temporary, NULL);
    p->temporary[0] = '\0';
    return rc;
}

/* Whether the file at ${path} holds exactly ${data}; VV_ECORRUPT if not. */
static enum vv_rc
compare(struct sftp_channel *c, const char *path, struct vv_span data, struct vv_error *err)
{
    struct sftp_handle handle;
    VV_CLEANUP(vv_freep) uint8_t *block = vv_alloc(COMPARE_BLOCK);
    if (block == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(sftp_open(c->client, path, SFTP_OPEN_READ, 0, &handle, err));
    enum vv_rc rc = VV_OK;
    size_t at = 0;
    for (size_t got = 1; rc == VV_OK && got > 0; at += got) {
        got = 0;
        rc = sftp_read(c->client, &handle, at, block, COMPARE_BLOCK, &got, err);
        if (rc == VV_OK && (got > data.len - at || memcmp(block, data.data + at, got) != 0)) {
            rc = vv_error_set(err, VV_ECORRUPT, "'%s' has other bytes", path);
        }
        if (rc != VV_OK) {
            break;
        }
    }
    if (rc == VV_OK && at != data.len) {
        rc = vv_error_set(err, VV_ECORRUPT, "'%s' is shorter", path);
    }
    sftp_close_later(c->client, &handle);
    return rc;
}

/* The final name may be ours (Q2): look. */
static enum vv_rc
look(struct sftp *s, struct sftp_channel *c, struct publication *p, struct vv_error *err)
{
    struct sftp_attributes a;
    enum vv_rc rc = sftp_lstat(c->client, p->final, &a, err);
    if (rc == VV_ENOTFOUND) {
        return VV_OK; /* not yet: name it (again) */
    }
    VV_TRY(rc);
    rc = compare(c, p->final, p->data, err);
    if (rc == VV_OK) {
        p->step = STEP_SYNC; /* Q3 */
    } else if (rc == VV_ECORRUPT) {
        rc = exists(s, p, err);
    }
    return rc;
}

/* What the server's refusal of the final name means; ${why} is its own error. */
static enum vv_rc
refused(struct sftp *s, struct sftp_channel *c, struct publication *p, const struct vv_error *why,
        struct vv_error *err)
{
    struct sftp_attributes a;
    enum vv_rc rc = sftp_lstat(c->client, p->final, &a, err);
    if (rc == VV_OK) {
        if (p->may_be_ours) {
            return look(s, c, p, err);
        }
        return exists(s, p, err);
    }
    if (rc != VV_ENOTFOUND) {
        return rc; /* nothing is known: the channel failed, or odd rights */
    }
    if (why->rc == VV_ENOTFOUND && sftp_lstat(c->client, p->temporary, &a, NULL) == VV_ENOTFOUND) {
        p->step = STEP_WRITE;
        return vv_error_set(err, VV_ETRANSIENT,
                            "the temporary file of '%s/%s' was deleted by somebody else", s->url,
                            p->name);
    }
    if (why->rc == VV_EIO && sftp_no_space(s, c, 0)) {
        return vv_error_set(err, VV_ENOSPACE, "no space left for the name of '%s/%s'", s->url,
                            p->name);
    }
    if (err != NULL) {
        *err = *why;
        if (why->rc == VV_EREFUSED) {
            vv_error_hint(err, "the server forbids hard links, or its file system has none; the "
                               "account needs them to publish without overwriting");
        }
    }
    return vv_error_prefix(err, "cannot publish '%s/%s'", s->url, p->name);
}

/* Step 2. */
static enum vv_rc
give_name(struct sftp *s, struct sftp_channel *c, struct publication *p, struct vv_error *err)
{
    bool link = (sftp_client_extensions(c->client) & SFTP_HARDLINK) != 0;
    struct vv_error why = {0};
    if (p->may_be_ours) {
        VV_TRY(look(s, c, p, err));
        if (p->step == STEP_SYNC) {
            return VV_OK;
        }
    }
    if (!link) {
        VV_TRY(sftp_rename_safe(s, c, err));
    }
    bool before = p->may_be_ours;
    p->may_be_ours = true;
    enum vv_rc rc = link ? sftp_hardlink(c->client, p->temporary, p->final, &why)
                         : sftp_rename(c->client, p->temporary, p->final, &why);
    if (rc == VV_OK) {
        p->step = STEP_SYNC;
        if (!link) {
            p->temporary[0] = '\0';
        }
        return VV_OK;
    }
    if (sftp_client_failed(c->client) || rc == VV_ECANCELLED || rc == VV_ENOMEM) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    p->may_be_ours = before; /* this one was answered */
    return refused(s, c, p, &why, err);
}

/* Step 1, and the handle of the directory. */
struct beginning {
    struct sftp *s;
    struct sftp_channel *c;
    struct publication *p;
    struct sftp_directory *d; /* may stay NULL */
};

static enum vv_rc
begin_write(void *ctx, struct vv_error *err)
{
    const struct beginning *b = ctx;
    return b->p->step == STEP_WRITE ? write_temporary(b->s, b->c, b->p, err) : VV_OK;
}

static enum vv_rc
begin_directory(void *ctx, struct vv_error *err)
{
    struct beginning *b = ctx;
    return sftp_directory_get(b->s, b->c, b->p->directory, &b->d, err);
}

/* Both at once on a long line: the latter is a round trip, too. */
static enum vv_rc
begin(struct sftp *s, struct sftp_channel *c, struct publication *p, struct sftp_directory **ret,
      struct vv_error *err)
{
    struct beginning b = {.s = s, .c = c, .p = p};
    struct vv_job jobs[] = {{.run = begin_write, .ctx = &b}, {.run = begin_directory, .ctx = &b}};
    unsigned threads = sftp_client_round_trip_ns(c->client) >= LONG_TRIP_NS ? 2 : 1;
    enum vv_rc rc = vv_parallel_run(jobs, VV_COUNT(jobs), threads, err);
    if (rc != VV_OK) {
        sftp_directory_put(c, b.d);
        return rc;
    }
    *ret = b.d;
    return VV_OK;
}

static enum vv_rc
attempt_publish(struct sftp *s, struct sftp_channel *c, unsigned attempt, void *ctx,
                struct vv_error *err)
{
    struct publication *p = ctx;
    struct sftp_directory *d = NULL;
    (void)attempt;
    VV_TRY(begin(s, c, p, &d, err));
    enum vv_rc rc = p->step == STEP_NAME ? give_name(s, c, p, err) : VV_OK;
    if (rc == VV_OK) {
        rc = sftp_directory_sync(s, c, d, p->temporary[0] != '\0' ? p->temporary : NULL, err);
    }
    sftp_directory_put(c, d);
    return rc;
}

/* Nothing more is wanted of the temporary. */
static enum vv_rc
attempt_clean(struct sftp *s, struct sftp_channel *c, unsigned attempt, void *ctx,
              struct vv_error *err)
{
    const struct publication *p = ctx;
    (void)s;
    (void)attempt;
    return sftp_remove(c->client, p->temporary, err);
}

enum vv_rc
sftp_storage_publish(struct storage *st, const char *name, struct vv_span data,
                     struct vv_error *err)
{
    struct sftp *s = (struct sftp *)st;
    VV_CLEANUP(vv_freep) struct publication *p = vv_alloc_array(1, sizeof(*p));
    VV_CLEANUP(vv_freep) char *directory = vv_memdup(name, storage_directory_len(name));
    if (p == NULL || directory == NULL) {
        return vv_error_nomem(err);
    }
    p->name = name;
    p->directory = directory;
    p->data = data;
    VV_TRY(sftp_path(s, name, p->final, err));
    enum vv_rc rc = sftp_run_load(s, attempt_publish, p, data.len, err);
    /* an append-only account may not delete: then it is left over and harms nobody */
    bool reachable = rc != VV_OK && rc != VV_ETRANSIENT && rc != VV_EAUTH && rc != VV_ECANCELLED;
    if (reachable && p->temporary[0] != '\0') {
        (void)!sftp_run_once(s, attempt_clean, p, NULL);
    }
    return rc;
}
