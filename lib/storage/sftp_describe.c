/* SPDX-License-Identifier: BSD-2-Clause */
/* What `varve stats --storage` tells about an SFTP storage. */
#include <string.h>

#include "core/text.h"
#include "storage/sftp_internal.h"

static void
put_size(struct vv_buf *out, const char *before, uint64_t bytes, const char *after)
{
    char text[24];
    vv_text_size(bytes, text);
    vv_buf_printf(out, "%s%s%s", before, text, after);
}

static void
put_extensions(struct vv_buf *out, const char *names)
{
    vv_buf_put_text(out, "server offers: ");
    if (names[0] == '\0') {
        vv_buf_put_text(out, "no extensions");
    }
    for (const char *line = names; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        vv_buf_printf(out, "%s%.*s", line == names ? "" : ", ", (int)len, line);
        line += len + (line[len] != '\0');
    }
    vv_buf_put_text(out, "\n");
}

static void
put_lacks(struct sftp *s, struct vv_buf *out, uint32_t extensions)
{
    bool fsync = (extensions & SFTP_FSYNC) != 0;
    if (!fsync) {
        vv_buf_put_text(out, "not promised: that what was written survives a power cut (the server "
                             "has no fsync@openssh.com)\n");
    } else if (atomic_load(&s->no_directory_sync)) {
        vv_buf_put_text(out, "not promised: that names survive a power cut (directories cannot be "
                             "synced)\n");
    } else {
        vv_buf_put_text(out, "durable: as far as the server's file system and disks keep what they "
                             "have said to be written\n");
    }
    if ((extensions & SFTP_HARDLINK) == 0) {
        vv_buf_put_text(out, "publishing: by renaming, as the server has no "
                             "hardlink@openssh.com\n");
    }
    if ((extensions & SFTP_STATVFS) == 0) {
        vv_buf_put_text(out, "free space: not told by this server\n");
    }
}

static enum vv_rc
attempt_describe(struct sftp *s, struct sftp_channel *c, unsigned attempt, void *ctx,
                 struct vv_error *err)
{
    struct vv_buf *out = ctx;
    (void)attempt;
    (void)err;
    vv_buf_reset(out);
    vv_buf_printf(out, "transport: %s", c->transport);
    if (s->choice.reason[0] != '\0') {
        vv_buf_printf(out, " (%s)", s->choice.reason);
    }
    vv_buf_put_text(out, "\n");
    put_extensions(out, sftp_client_extension_names(c->client));
    put_size(out, "request size: ", sftp_client_read_size(c->client), " for reading, ");
    put_size(out, "", sftp_client_write_size(c->client), " for writing\n");
    vv_mutex_lock(&s->pool.lock);
    unsigned count = s->pool.count;
    vv_mutex_unlock(&s->pool.lock);
    vv_buf_printf(out, "channels: %u open, up to %u while more help\n", count, s->most);
    put_lacks(s, out, sftp_client_extensions(c->client));
    return VV_OK;
}

enum vv_rc
sftp_storage_describe(struct storage *st, struct vv_buf *out, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    VV_TRY(sftp_run((struct sftp *)st, attempt_describe, &text, err));
    VV_TRY(vv_buf_check(&text, err));
    vv_buf_put(out, text.data, text.len);
    return vv_buf_check(out, err);
}
