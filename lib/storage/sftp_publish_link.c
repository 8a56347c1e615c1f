/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Servers without hardlink@openssh.com: RENAME must not replace (version 3 of the protocol says
 * so), but not every server keeps to that.  So it is tried, on two temporaries.
 */
#include <string.h>

#include "storage/sftp_internal.h"

enum { MODE = 0400 };

/* Whether renaming ${a} to ${b}, which both exist, is refused and leaves ${b} as it was. */
static enum vv_rc
try_rename(struct sftp_channel *c, const char *a, const char *b, bool *ret_safe,
           struct vv_error *err)
{
    static const char first[] = "varve 1\n";
    static const char second[] = "varve two\n";
    VV_TRY(sftp_write_file(c->client, a, MODE, vv_span(first, strlen(first)), false, err));
    VV_TRY(sftp_write_file(c->client, b, MODE, vv_span(second, strlen(second)), false, err));
    enum vv_rc rc = sftp_rename(c->client, a, b, err);
    if (sftp_client_failed(c->client) || rc == VV_ECANCELLED || rc == VV_ENOMEM) {
        return rc;
    }
    struct sftp_attributes attributes;
    if (rc == VV_OK) {
        *ret_safe = false;
        return VV_OK;
    }
    VV_TRY(sftp_lstat(c->client, b, &attributes, err));
    *ret_safe = attributes.has_size && attributes.size == strlen(second);
    return VV_OK;
}

enum vv_rc
sftp_rename_safe(struct sftp *s, struct sftp_channel *c, struct vv_error *err)
{
    int known = atomic_load(&s->rename_is_safe);
    if (known == 0) {
        char a[SFTP_PATH_MAX];
        char b[SFTP_PATH_MAX];
        bool safe = false;
        VV_TRY(sftp_temporary_path(s, a, err));
        VV_TRY(sftp_temporary_path(s, b, err));
        enum vv_rc rc = try_rename(c, a, b, &safe, err);
        (void)!sftp_remove(c->client, a, NULL);
        (void)!sftp_remove(c->client, b, NULL);
        VV_TRY(rc);
        known = safe ? 1 : -1;
        atomic_store(&s->rename_is_safe, known);
    }
    if (known < 0) {
        vv_error_set(err, VV_EUNSUPPORTED,
                     "the server of '%s' has no hard links, and renaming replaces existing files",
                     s->url);
        vv_error_hint(err, "use a server with the extension hardlink@openssh.com (OpenSSH 5.7 or "
                           "later)");
        return VV_EUNSUPPORTED;
    }
    return VV_OK;
}
