/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Digests that the server's host computes: `sha256sum` run there by ssh.  Only where the account may
 * run commands; one that is bound to SFTP runs its SFTP server instead and prints nothing.
 */
#include <string.h>

#include "core/text.h"
#include "storage/sftp_internal.h"

enum { OUTPUT_MOST = 256 << 10, HEX = 64 };
static const char end_mark[] = "varve-end\n";

/* Whether a shell, whichever the account has, takes it for itself between single quotes. */
static bool
is_plain(const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+@:, ";
    return path[0] != '\0' && path[0] != '-' && path[strspn(path, plain)] == '\0';
}

static enum vv_rc
put_command(const struct sftp *s, const struct storage_digest *items, size_t count,
            struct vv_buf *out, struct vv_error *err)
{
    if (!is_plain(s->root)) {
        return vv_error_set(err, VV_EUNSUPPORTED,
                            "the path of '%s' has characters that are not given to a shell",
                            s->url);
    }
    vv_buf_printf(out, "cd '%s' && sha256sum --", s->root);
    for (size_t i = 0; i < count; i++) {
        vv_buf_printf(out, " %s", items[i].name); /* names of objects are plain */
    }
    vv_buf_printf(out, "; echo varve-end");
    (void)vv_buf_text(out);
    return vv_buf_check(out, err);
}

/* "<digest>  <name>", in any order, among whatever else the account's shell prints. */
static void
take_line(const char *line, size_t len, struct storage_digest *items, size_t count)
{
    uint8_t digest[32];

    if (len <= HEX + 2 || !vv_unhex(digest, sizeof(digest), line, HEX)) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        size_t name = strlen(items[i].name);
        if (len == HEX + 2 + name && memcmp(line + HEX + 2, items[i].name, name) == 0) {
            memcpy(items[i].sha256, digest, sizeof(digest));
            items[i].told = true;
        }
    }
}

enum vv_rc
sftp_storage_digests(struct storage *st, struct storage_digest *items, size_t count,
                     struct vv_error *err)
{
    struct sftp *s = (struct sftp *)st;
    struct ssh_target target = {
        .user = s->target.user, .host = s->target.host, .port = s->target.port};
    VV_CLEANUP(vv_buf_release) struct vv_buf command = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf out = {0};
    size_t told = 0;

    if (target.host == NULL) {
        return vv_error_set(err, VV_EUNSUPPORTED, "'%s' has no host to ask", s->url);
    }
    VV_TRY(put_command(s, items, count, &command, err));
    VV_TRY(ssh_run(&target, &s->ssh, vv_buf_text(&command), OUTPUT_MOST, &out, err));
    size_t mark = strlen(end_mark);
    if (out.len < mark || memcmp(out.data + out.len - mark, end_mark, mark) != 0) {
        return vv_error_set(err, VV_EUNSUPPORTED,
                            "the host of '%s' ran no command: is the account bound to SFTP?",
                            s->url);
    }
    for (size_t at = 0; at < out.len;) {
        const char *line = (const char *)out.data + at;
        const char *end = memchr(line, '\n', out.len - at); /* there is one: the mark's */
        take_line(line, (size_t)(end - line), items, count);
        at += (size_t)(end - line) + 1;
    }
    for (size_t i = 0; i < count; i++) {
        told += items[i].told;
    }
    return told > 0 || count == 0
               ? VV_OK
               : vv_error_set(err, VV_EUNSUPPORTED, "the host of '%s' computes no digests", s->url);
}
