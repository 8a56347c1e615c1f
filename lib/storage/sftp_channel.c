/* SPDX-License-Identifier: BSD-2-Clause */
/* One channel: a client, and the directories and packs that are kept open on it. */
#include <string.h>

#include "core/alloc.h"
#include "storage/sftp_internal.h"

enum vv_rc
sftp_channel_new(struct sftp *s, struct sftp_channel **ret, struct vv_error *err)
{
    struct byte_stream *stream = NULL;
    VV_TRY(s->connect(s->connect_ctx, &stream, err));
    struct sftp_channel *c = vv_alloc_array(1, sizeof(*c));
    char *transport = c == NULL ? NULL : vv_strdup(stream->name);
    if (transport == NULL) {
        byte_stream_free(stream);
        vv_free(c);
        return vv_error_nomem(err);
    }
    vv_mutex_lock(&s->lock);
    struct sftp_options options = {
        .clock = s->clock, .stall_ms = s->stall_ms, .limit = s->limit, .cancel = s->cancel};
    vv_mutex_unlock(&s->lock);
    enum vv_rc rc = sftp_client_new(stream, &options, &c->client, err);
    if (rc != VV_OK) {
        vv_free(transport);
        vv_free(c);
        return rc;
    }
    c->transport = transport;
    vv_mutex_init(&c->lock);
    vv_cond_init(&c->changed);
    *ret = c;
    return VV_OK;
}

void
sftp_channel_free(struct sftp_channel *c)
{
    if (c == NULL) {
        return;
    }
    sftp_client_free(c->client); /* the server closes the handles */
    for (unsigned i = 0; i < SFTP_KEPT_DIRECTORIES; i++) {
        vv_free(c->directories[i].name);
    }
    for (unsigned i = 0; i < SFTP_KEPT_FILES; i++) {
        vv_free(c->files[i].name);
    }
    vv_cond_release(&c->changed);
    vv_mutex_release(&c->lock);
    vv_free(c->transport);
    vv_free(c);
}

/* --- directories --- */

/* Where ${name} is kept open and fine to use.  Lock held. */
static struct sftp_directory *
find_directory(struct sftp_channel *c, const char *name)
{
    for (unsigned i = 0; i < SFTP_KEPT_DIRECTORIES; i++) {
        struct sftp_directory *d = &c->directories[i];
        if (d->name != NULL && d->failed == VV_OK && strcmp(d->name, name) == 0) {
            d->users++;
            d->last_used = ++c->tick;
            return d;
        }
    }
    return NULL;
}

/* A place for another: free, or that of the longest unused one, which is taken out.  Lock held;
 * waits while all are in use. */
static struct sftp_directory *
free_directory(struct sftp_channel *c, struct sftp_handle *ret_close, bool *ret_has_close)
{
    for (;;) {
        struct sftp_directory *best = NULL;
        for (unsigned i = 0; i < SFTP_KEPT_DIRECTORIES; i++) {
            struct sftp_directory *d = &c->directories[i];
            if (d->users == 0 && (best == NULL || d->name == NULL ||
                                  (best->name != NULL && d->last_used < best->last_used))) {
                best = d;
            }
        }
        if (best != NULL) {
            *ret_has_close = best->name != NULL;
            *ret_close = best->handle;
            vv_free(best->name);
            *best = (struct sftp_directory){.users = 1, .last_used = ++c->tick};
            return best;
        }
        vv_cond_wait(&c->changed, &c->lock);
    }
}

/* Whether the server's answer to opening a directory means that it cannot do that at all. */
static bool
cannot_open(struct sftp_channel *c, const char *path, enum vv_rc rc)
{
    struct sftp_attributes a;
    if (rc == VV_ENOTFOUND || rc == VV_ETRANSIENT || rc == VV_ECANCELLED || rc == VV_ENOMEM) {
        return false;
    }
    return !sftp_client_failed(c->client) && sftp_stat(c->client, path, &a, NULL) == VV_OK;
}

enum vv_rc
sftp_directory_get(struct sftp *s, struct sftp_channel *c, const char *name,
                   struct sftp_directory **ret, struct vv_error *err)
{
    *ret = NULL;
    if (atomic_load(&s->no_directory_sync) ||
        (sftp_client_extensions(c->client) & SFTP_FSYNC) == 0) {
        return VV_OK;
    }
    vv_mutex_lock(&c->lock);
    *ret = find_directory(c, name);
    vv_mutex_unlock(&c->lock);
    if (*ret != NULL) {
        return VV_OK;
    }
    char path[SFTP_PATH_MAX];
    VV_TRY(sftp_path(s, name, path, err));
    char *copy = vv_strdup(name);
    if (copy == NULL) {
        return vv_error_nomem(err);
    }
    struct vv_error why = {0};
    struct sftp_handle handle;
    enum vv_rc rc = sftp_open(c->client, path, SFTP_OPEN_READ, 0, &handle, &why);
    if (rc != VV_OK) {
        vv_free(copy);
        if (cannot_open(c, path, rc)) {
            atomic_store(&s->no_directory_sync, true);
            return VV_OK;
        }
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    struct sftp_handle old;
    bool has_old = false;
    vv_mutex_lock(&c->lock);
    struct sftp_directory *d = free_directory(c, &old, &has_old);
    d->name = copy;
    d->handle = handle;
    vv_mutex_unlock(&c->lock);
    if (has_old) {
        sftp_close_later(c->client, &old);
    }
    *ret = d;
    return VV_OK;
}

void
sftp_directory_put(struct sftp_channel *c, struct sftp_directory *d)
{
    if (d != NULL) {
        vv_mutex_lock(&c->lock);
        d->users--;
        vv_cond_broadcast(&c->changed);
        vv_mutex_unlock(&c->lock);
    }
}

/* fsync ${d} and delete ${temporary} in one go. */
static enum vv_rc
sync_now(struct sftp *s, struct sftp_channel *c, struct sftp_directory *d, const char *temporary,
         struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc = temporary != NULL
                        ? sftp_fsync_and_remove(c->client, &d->handle, temporary, &why)
                        : sftp_fsync(c->client, &d->handle, &why);
    if (rc != VV_OK && (why.sys == SFTP_BAD_MESSAGE || why.sys == SFTP_OP_UNSUPPORTED) &&
        !sftp_client_failed(c->client)) {
        /* EINVAL, ENOSYS: a file system that cannot sync directories; see STORAGE_DURABLE_NAME */
        atomic_store(&s->no_directory_sync, true);
        return VV_OK;
    }
    if (rc != VV_OK && err != NULL) {
        *err = why;
        (void)vv_error_prefix(err, "cannot make durable the names in '%s/%s'", s->url, d->name);
    }
    return rc;
}

/* It is this thread's turn.  Lock held, not meanwhile. */
static enum vv_rc
lead(struct sftp *s, struct sftp_channel *c, struct sftp_directory *d, const char *temporary,
     struct vv_error *err)
{
    uint64_t covers = d->wanted;
    d->syncing = true;
    vv_mutex_unlock(&c->lock);
    enum vv_rc rc = sync_now(s, c, d, temporary, err);
    vv_mutex_lock(&c->lock);
    d->syncing = false;
    if (rc == VV_OK) {
        d->done = covers;
    } else {
        d->failed = rc;
    }
    vv_cond_broadcast(&c->changed);
    return rc;
}

enum vv_rc
sftp_directory_sync(struct sftp *s, struct sftp_channel *c, struct sftp_directory *d,
                    const char *temporary, struct vv_error *err)
{
    if (d == NULL || atomic_load(&s->no_directory_sync)) {
        return temporary == NULL || sftp_remove(c->client, temporary, NULL) != VV_ECANCELLED
                   ? VV_OK
                   : vv_error_set(err, VV_ECANCELLED, "interrupted");
    }
    enum vv_rc rc = VV_OK;
    vv_mutex_lock(&c->lock);
    uint64_t ticket = ++d->wanted;
    while (rc == VV_OK && d->done < ticket) {
        if (d->failed != VV_OK) {
            rc = vv_error_set(err, d->failed, "cannot make durable the names in '%s/%s'", s->url,
                              d->name);
        } else if (!d->syncing) {
            rc = lead(s, c, d, TAKE(temporary), err);
        } else if (temporary != NULL) {
            /* the other's fsync does not cover this one; use the time */
            vv_mutex_unlock(&c->lock);
            (void)!sftp_remove(c->client, TAKE(temporary), NULL);
            vv_mutex_lock(&c->lock);
        } else {
            vv_cond_wait(&c->changed, &c->lock);
        }
    }
    vv_mutex_unlock(&c->lock);
    if (temporary != NULL) {
        (void)!sftp_remove(c->client, temporary, NULL);
    }
    return rc;
}

/* --- files --- */

static struct sftp_file *
find_file(struct sftp_channel *c, const char *name)
{
    for (unsigned i = 0; i < SFTP_KEPT_FILES; i++) {
        struct sftp_file *f = &c->files[i];
        if (f->name != NULL && !f->unwanted && strcmp(f->name, name) == 0) {
            f->users++;
            f->last_used = ++c->tick;
            return f;
        }
    }
    return NULL;
}

static struct sftp_file *
free_file(struct sftp_channel *c, struct sftp_handle *ret_close, bool *ret_has_close)
{
    for (;;) {
        struct sftp_file *best = NULL;
        for (unsigned i = 0; i < SFTP_KEPT_FILES; i++) {
            struct sftp_file *f = &c->files[i];
            if (f->users == 0 && (best == NULL || f->name == NULL ||
                                  (best->name != NULL && f->last_used < best->last_used))) {
                best = f;
            }
        }
        if (best != NULL) {
            *ret_has_close = best->name != NULL;
            *ret_close = best->handle;
            vv_free(best->name);
            *best = (struct sftp_file){.users = 1, .last_used = ++c->tick};
            return best;
        }
        vv_cond_wait(&c->changed, &c->lock);
    }
}

enum vv_rc
sftp_file_get(struct sftp *s, struct sftp_channel *c, const char *name, struct sftp_file **ret,
              struct vv_error *err)
{
    vv_mutex_lock(&c->lock);
    struct sftp_file *f = find_file(c, name);
    vv_mutex_unlock(&c->lock);
    if (f != NULL) {
        *ret = f;
        return VV_OK;
    }
    char path[SFTP_PATH_MAX];
    VV_TRY(sftp_path(s, name, path, err));
    VV_CLEANUP(vv_freep) char *copy = vv_strdup(name);
    if (copy == NULL) {
        return vv_error_nomem(err);
    }
    struct sftp_handle handle;
    VV_TRY(sftp_open(c->client, path, SFTP_OPEN_READ, 0, &handle, err));
    struct sftp_handle old;
    bool has_old = false;
    vv_mutex_lock(&c->lock);
    f = free_file(c, &old, &has_old);
    f->name = TAKE(copy);
    f->handle = handle;
    vv_mutex_unlock(&c->lock);
    if (has_old) {
        sftp_close_later(c->client, &old);
    }
    *ret = f;
    return VV_OK;
}

/* Take ${f} out if it is neither wanted nor used.  Lock held. */
static bool
drop_file(struct sftp_file *f, struct sftp_handle *ret_close)
{
    if (f->name == NULL || !f->unwanted || f->users > 0) {
        return false;
    }
    *ret_close = f->handle;
    vv_free(f->name);
    *f = (struct sftp_file){0};
    return true;
}

void
sftp_file_put(struct sftp_channel *c, struct sftp_file *f)
{
    struct sftp_handle handle;
    vv_mutex_lock(&c->lock);
    f->users--;
    bool dropped = drop_file(f, &handle);
    vv_cond_broadcast(&c->changed);
    vv_mutex_unlock(&c->lock);
    if (dropped) {
        sftp_close_later(c->client, &handle);
    }
}

void
sftp_file_forget(struct sftp_channel *c, const char *name)
{
    for (unsigned i = 0; i < SFTP_KEPT_FILES; i++) {
        struct sftp_file *f = &c->files[i];
        struct sftp_handle handle;
        vv_mutex_lock(&c->lock);
        if (f->name != NULL && strcmp(f->name, name) == 0) {
            f->unwanted = true;
        }
        bool dropped = drop_file(f, &handle);
        vv_mutex_unlock(&c->lock);
        if (dropped) {
            sftp_close_later(c->client, &handle);
        }
    }
}
