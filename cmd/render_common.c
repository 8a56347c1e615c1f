/* SPDX-License-Identifier: BSD-2-Clause */
/* Small pieces of output that several commands share. */
#include <inttypes.h>
#include <string.h>

#include "core/text.h"
#include "render.h"

#define NS UINT64_C(1000000000)

const char *
render_slot_kind(enum key_slot_type type)
{
    switch (type) {
    case KEY_SLOT_PASSPHRASE:
        return "passphrase";
    case KEY_SLOT_KEY_FILE:
        return "key file";
    case KEY_SLOT_RECOVERY:
        return "recovery words";
    }
    return "unknown";
}

const char *
render_role(enum key_role role)
{
    switch (role) {
    case KEY_ROLE_ADMIN:
        return "administrator";
    case KEY_ROLE_READER:
        return "reader";
    case KEY_ROLE_WRITER:
        return "writer";
    }
    return "unknown";
}

const char *
render_entry_type(enum entry_type type)
{
    switch (type) {
    case ENTRY_FILE:
        return "file";
    case ENTRY_DIRECTORY:
        return "directory";
    case ENTRY_SYMLINK:
        return "symlink";
    case ENTRY_FIFO:
        return "fifo";
    case ENTRY_CHARACTER_DEVICE:
        return "character-device";
    case ENTRY_BLOCK_DEVICE:
        return "block-device";
    }
    return "unknown";
}

void
render_short_id(const struct vv_uuid *id, char out[RENDER_ID])
{
    char text[VV_UUID_TEXT];

    vv_uuid_text(id, text);
    memcpy(out, text, RENDER_ID - 1);
    out[RENDER_ID - 1] = '\0';
}

void
render_path(struct vv_span path, FILE *file)
{
    struct vv_buf text = {0};

    vv_text_escape(&text, path);
    fprintf(file, "/%s", vv_buf_text(&text));
    vv_buf_release(&text);
}

void
render_json_path(struct json *j, const char *key, struct vv_span path)
{
    struct vv_buf text = {0};

    vv_buf_put(&text, "/", 1);
    vv_buf_put(&text, path.data, path.len);
    json_put_bytes(j, key, vv_buf_span(&text));
    j->failed = j->failed || text.failed;
    vv_buf_release(&text);
}

void
render_json_uuid(struct json *j, const char *key, const struct vv_uuid *id)
{
    char text[VV_UUID_TEXT];

    vv_uuid_text(id, text);
    json_put_text(j, key, text);
}

void
render_count(uint64_t n, const char *one, const char *many, FILE *file)
{
    char text[32];

    vv_text_count(n, text);
    fprintf(file, "%s %s", text, n == 1 ? one : many);
}

void
render_duration(uint64_t ns, FILE *file)
{
    char text[32];

    if (ns < 10 * NS) {
        fprintf(file, "%" PRIu64 ".%02u s", ns / NS, (unsigned)(ns % NS / 10000000));
        return;
    }
    vv_text_duration(ns / NS, text);
    fprintf(file, "%s", text);
}

void
render_size(uint64_t bytes, FILE *file)
{
    char text[32];

    vv_text_size(bytes, text);
    fprintf(file, "%s", text);
}
