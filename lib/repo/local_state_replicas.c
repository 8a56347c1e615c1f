/* SPDX-License-Identifier: BSD-2-Clause */
/* This host's memory of where replicas are. */

#include <string.h>

#include "core/file.h"
#include "repo/local_state_internal.h"

#define FILE_NAME "replicas"
#define FILE_LIMIT (1u << 20) /* as a person may have left it */

/** An absolute path or something with a scheme, in one line. */
static bool
is_place(const char *text, size_t len)
{
    bool scheme = false;

    if (len == 0 || len > LOCAL_STATE_REPLICA_LEN) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return false;
        }
        scheme = scheme || (i > 0 && len - i > 3 && memcmp(text + i, "://", 3) == 0);
    }
    return text[0] == '/' || scheme;
}

/** Take a line off the front of ${*rest}. */
static bool
next_line(struct vv_span *rest, struct vv_span *ret)
{
    const uint8_t *end;

    if (rest->len == 0) {
        return false;
    }
    end = memchr(rest->data, '\n', rest->len);
    ret->data = rest->data;
    ret->len = end != NULL ? (size_t)(end - rest->data) : rest->len;
    rest->data += ret->len + (end != NULL);
    rest->len -= ret->len + (end != NULL);
    return true;
}

enum vv_rc
local_state_replicas(struct local_state *s, struct vv_buf *out, struct vv_error *err)
{
    struct vv_buf text = {0};
    struct vv_span rest;
    struct vv_span line;
    unsigned count = 0;
    enum vv_rc rc = vv_file_read(s->dir, FILE_NAME, FILE_LIMIT, &text, err);

    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        vv_buf_release(&text);
        return VV_OK;
    }
    rest = rc == VV_OK ? vv_buf_span(&text) : vv_span(NULL, 0);
    while (count < LOCAL_STATE_REPLICAS_MAX && next_line(&rest, &line)) {
        if (is_place((const char *)line.data, line.len)) {
            vv_buf_put(out, line.data, line.len);
            vv_buf_put_u8(out, '\n');
            count++;
        }
    }
    vv_buf_release(&text);
    if (rc == VV_OK) {
        rc = vv_buf_check(out, err);
    }
    return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
}

/** Add ${url} to the lines in ${text} unless it is among them; the oldest give way. */
static bool
add_line(struct vv_buf *text, const char *url)
{
    struct vv_span rest = vv_buf_span(text);
    struct vv_span line;
    struct vv_span first = {0};
    unsigned count = 0;

    while (next_line(&rest, &line)) {
        first = count++ == 0 ? line : first;
        if (line.len == strlen(url) && memcmp(line.data, url, line.len) == 0) {
            return false;
        }
    }
    if (count >= LOCAL_STATE_REPLICAS_MAX) {
        size_t gone = first.len + 1;
        memmove(text->data, text->data + gone, text->len - gone);
        text->len -= gone;
    }
    vv_buf_printf(text, "%s\n", url);
    return true;
}

enum vv_rc
local_state_add_replica(struct local_state *s, const char *url, struct vv_error *err)
{
    struct vv_buf text = {0};
    enum vv_rc rc;

    if (!is_place(url, strlen(url))) {
        return vv_error_set(err, VV_EUSAGE, "'%s' is no URL and no absolute path", url);
    }
    VV_TRY(local_state_lock(s, err));
    rc = local_state_replicas(s, &text, err);
    if (rc == VV_OK && add_line(&text, url)) {
        rc = vv_buf_check(&text, err);
        if (rc == VV_OK) {
            rc = vv_file_replace(s->dir, FILE_NAME, vv_buf_span(&text), 0600, err);
        }
    }
    local_state_unlock(s);
    vv_buf_release(&text);
    return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
}
