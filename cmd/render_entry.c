/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries of trees. */
#include <inttypes.h>
#include <string.h>

#include "core/text.h"
#include "render.h"

static char
type_letter(enum entry_type type)
{
    switch (type) {
    case ENTRY_FILE:
        return '-';
    case ENTRY_DIRECTORY:
        return 'd';
    case ENTRY_SYMLINK:
        return 'l';
    case ENTRY_FIFO:
        return 'p';
    case ENTRY_CHARACTER_DEVICE:
        return 'c';
    case ENTRY_BLOCK_DEVICE:
        return 'b';
    }
    return '?';
}

/** Like ls: "drwxr-sr-t". */
static void
mode_text(const struct entry *e, char out[11])
{
    static const char letters[] = "rwxrwxrwx";

    out[0] = type_letter(e->type);
    for (unsigned i = 0; i < 9; i++) {
        out[1 + i] = '-';
        if ((e->mode & (0400u >> i)) != 0) {
            out[1 + i] = letters[i];
        }
    }
    if ((e->mode & 04000) != 0) {
        out[3] = out[3] == 'x' ? 's' : 'S';
    }
    if ((e->mode & 02000) != 0) {
        out[6] = out[6] == 'x' ? 's' : 'S';
    }
    if ((e->mode & 01000) != 0) {
        out[9] = out[9] == 'x' ? 't' : 'T';
    }
    out[10] = '\0';
}

int64_t
render_time(const struct entry_time *t)
{
    int64_t ns;

    if (__builtin_mul_overflow(t->sec, (int64_t)1000000000, &ns) ||
        __builtin_add_overflow(ns, (int64_t)t->nsec, &ns)) {
        return t->sec < 0 ? INT64_MIN : INT64_MAX;
    }
    return ns;
}

/** A name, or the number if there is none. */
static void
put_owner(struct vv_buf *out, struct vv_span name, uint32_t number, uint32_t flags)
{
    if (name.len > 0) {
        vv_text_escape(out, name);
    } else if ((flags & ENTRY_NO_OWNER) != 0) {
        vv_buf_put_text(out, "-");
    } else {
        vv_buf_printf(out, "%u", number);
    }
}

void
render_entry_long(const struct entry *e, FILE *file)
{
    char mode[11];
    char when[VV_TIME_TEXT];
    struct vv_buf owner = {0};
    struct vv_buf group = {0};
    struct vv_buf target = {0};

    mode_text(e, mode);
    put_owner(&owner, e->user, e->uid, e->flags);
    put_owner(&group, e->group, e->gid, e->flags);
    vv_time_format(render_time(&e->mtime), when);
    fprintf(file, "%s %3" PRIu64 " %-8s %-8s ", mode, e->nlink, vv_buf_text(&owner),
            vv_buf_text(&group));
    if (e->type == ENTRY_CHARACTER_DEVICE || e->type == ENTRY_BLOCK_DEVICE) {
        fprintf(file, "%7u,%4u", e->major, e->minor);
    } else {
        fprintf(file, "%12" PRIu64, e->size);
    }
    fprintf(file, " %s ", when);
    render_path(e->path, file);
    if (e->type == ENTRY_SYMLINK) {
        vv_text_escape(&target, e->target);
        fprintf(file, " -> %s", vv_buf_text(&target));
    }
    fprintf(file, (e->flags & ENTRY_TORN) != 0 ? " (changed while it was read)\n" : "\n");
    vv_buf_release(&owner);
    vv_buf_release(&group);
    vv_buf_release(&target);
}

void
render_json_entry(struct json *j, const struct entry *e)
{
    render_json_path(j, "path", e->path);
    json_put_text(j, "type", render_entry_type(e->type));
    json_put_u64(j, "size", e->size);
    json_put_u64(j, "mode", e->mode);
    if ((e->flags & ENTRY_NO_OWNER) == 0) {
        json_put_u64(j, "uid", e->uid);
        json_put_u64(j, "gid", e->gid);
    }
    if (e->user.len > 0) {
        json_put_bytes(j, "user", e->user);
    }
    if (e->group.len > 0) {
        json_put_bytes(j, "group", e->group);
    }
    json_put_time(j, "mtime", render_time(&e->mtime));
    json_put_u64(j, "inode", e->inode);
    json_put_u64(j, "links", e->nlink);
    if (e->type == ENTRY_SYMLINK) {
        json_put_bytes(j, "target", e->target);
    }
    if (e->type == ENTRY_CHARACTER_DEVICE || e->type == ENTRY_BLOCK_DEVICE) {
        json_put_u64(j, "major", e->major);
        json_put_u64(j, "minor", e->minor);
    }
    if ((e->flags & ENTRY_TORN) != 0) {
        json_put_bool(j, "torn", true);
    }
    if ((e->flags & ENTRY_IMPLIED) != 0) {
        json_put_bool(j, "implied", true);
    }
}
