/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an SFTP server can promise: tried in tmp/.  What file system is behind it, and whether its
 * disks keep what was synced, cannot be seen from here.
 */
#include <stdio.h>
#include <string.h>

#include "storage/sftp_internal.h"

enum { MODE = 0400 };

struct trial {
    uint32_t found;
    enum vv_rc why; /* VV_OK: everything could be tried */
};

struct trial_paths {
    char a[SFTP_PATH_MAX];
    char b[SFTP_PATH_MAX];
    char other[SFTP_PATH_MAX];
};

/* Give ${a} the name ${other}, then ${b} the same name: the second must fail. */
static bool
exclusive(struct sftp *s, struct sftp_channel *c, const struct trial_paths *t)
{
    if ((sftp_client_extensions(c->client) & SFTP_HARDLINK) == 0) {
        return sftp_rename_safe(s, c, NULL) == VV_OK;
    }
    return sftp_hardlink(c->client, t->a, t->other, NULL) == VV_OK &&
           sftp_hardlink(c->client, t->b, t->other, NULL) != VV_OK &&
           !sftp_client_failed(c->client);
}

/* The names in tmp/ can be made durable. */
static bool
durable_names(struct sftp *s, struct sftp_channel *c)
{
    struct sftp_directory *d = NULL;
    if (sftp_directory_get(s, c, "tmp", &d, NULL) != VV_OK || d == NULL) {
        return false;
    }
    enum vv_rc rc = sftp_directory_sync(s, c, d, NULL, NULL);
    sftp_directory_put(c, d);
    return rc == VV_OK && !atomic_load(&s->no_directory_sync);
}

static enum vv_rc
try_all(struct sftp *s, struct sftp_channel *c, const struct trial_paths *t, struct trial *r,
        struct vv_error *err)
{
    static const char text[] = "varve\n";
    bool sync = (sftp_client_extensions(c->client) & SFTP_FSYNC) != 0;
    struct vv_span data = vv_span(text, strlen(text));
    VV_TRY(sftp_write_file(c->client, t->a, MODE, data, sync, err));
    VV_TRY(sftp_write_file(c->client, t->b, MODE, data, sync, err));
    r->found |= sync ? (uint32_t)STORAGE_DURABLE_FILE : 0;
    r->found |= exclusive(s, c, t) ? (uint32_t)STORAGE_EXCLUSIVE_CREATE : 0;
    r->found |= sync && durable_names(s, c) ? (uint32_t)STORAGE_DURABLE_NAME : 0;
    return VV_OK;
}

static enum vv_rc
attempt_abilities(struct sftp *s, struct sftp_channel *c, unsigned attempt, void *ctx,
                  struct vv_error *err)
{
    struct trial *r = ctx;
    struct trial_paths t;
    (void)attempt;
    *r = (struct trial){.found = STORAGE_COMPLETE_LISTING};
    VV_TRY(sftp_temporary_path(s, t.a, err));
    VV_TRY(sftp_temporary_path(s, t.b, err));
    VV_TRY(sftp_temporary_path(s, t.other, err));
    enum vv_rc rc = try_all(s, c, &t, r, err);
    (void)!sftp_remove(c->client, t.other, NULL);
    (void)!sftp_remove(c->client, t.b, NULL);
    if (sftp_remove(c->client, t.a, NULL) == VV_OK) {
        r->found |= STORAGE_DELETE;
    }
    if (rc != VV_OK && !sftp_client_failed(c->client)) {
        r->why = rc == VV_EIO && sftp_no_space(s, c, 0) ? VV_ENOSPACE : rc;
        return VV_OK;
    }
    return sftp_client_failed(c->client) && rc == VV_OK
               ? vv_error_set(err, VV_ETRANSIENT, "the connection was lost")
               : rc;
}

uint32_t
sftp_storage_abilities(struct storage *st)
{
    struct sftp *s = (struct sftp *)st;
    struct trial r = {0};
    if (atomic_load(&s->abilities_known)) {
        return atomic_load(&s->abilities);
    }
    if (sftp_run(s, attempt_abilities, &r, NULL) != VV_OK || r.why != VV_OK) {
        return r.found & STORAGE_COMPLETE_LISTING;
    }
    atomic_store(&s->abilities, r.found);
    atomic_store(&s->abilities_known, true);
    return r.found;
}
