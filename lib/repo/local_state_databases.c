/* SPDX-License-Identifier: BSD-2-Clause */
/* This host's memory of which database system it has under which name. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "repo/local_state_internal.h"

#define FILE_NAME "databases"
#define FILE_LIMIT (1u << 20) /* as a person may have left it */

static enum vv_rc
read_file(struct local_state *s, struct vv_buf *text, struct vv_error *err)
{
    enum vv_rc rc = vv_file_read(s->dir, FILE_NAME, FILE_LIMIT, text, err);

    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        return VV_OK;
    }
    return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
}

/** "7712484556135646751 db": the number of the line with this name; other lines are passed over. */
static uint64_t
find(struct vv_buf *text, const char *name)
{
    const char *at = vv_buf_text(text);
    size_t len = strlen(name);

    while (*at != '\0') {
        char *end = NULL;
        uint64_t system = strtoull(at, &end, 10);
        size_t line = strcspn(at, "\n");
        if (end > at && *end == ' ' && (size_t)(at + line - end) == len + 1 &&
            memcmp(end + 1, name, len) == 0) {
            return system;
        }
        at += line + (at[line] == '\n');
    }
    return 0;
}

enum vv_rc
local_state_database(struct local_state *s, const char *name, uint64_t *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};

    VV_TRY(read_file(s, &text, err));
    *ret = find(&text, name);
    return vv_buf_check(&text, err);
}

enum vv_rc
local_state_set_database(struct local_state *s, const char *name, uint64_t system,
                         struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    enum vv_rc rc;

    VV_TRY(local_state_lock(s, err));
    rc = read_file(s, &text, err);
    if (rc == VV_OK && find(&text, name) == 0) {
        if (text.len > 0 && text.data[text.len - 1] != '\n') {
            vv_buf_put_u8(&text, '\n');
        }
        vv_buf_printf(&text, "%" PRIu64 " %s\n", system, name);
        rc = vv_buf_check(&text, err);
        rc = rc != VV_OK ? rc : vv_file_replace(s->dir, FILE_NAME, vv_buf_span(&text), 0600, err);
    }
    local_state_unlock(s);
    return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
}
