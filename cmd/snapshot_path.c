/* SPDX-License-Identifier: BSD-2-Clause */
/* SNAP[:PATH] arguments. */
#include <string.h>

#include "app.h"

void
snapshot_path_release(struct snapshot_path *p)
{
    vv_buf_release(&p->snapshot);
    vv_buf_release(&p->path);
    p->path_given = false;
}

enum vv_rc
snapshot_path_normalise(const char *text, struct vv_buf *out, struct vv_error *err)
{
    const char *at = text;

    while (*at != '\0') {
        size_t len = strcspn(at, "/");
        if (len == 2 && at[0] == '.' && at[1] == '.') {
            return vv_error_set(err, VV_EUSAGE, "'%s': a path in a snapshot has no '..'", text);
        }
        if (len > 0 && !(len == 1 && at[0] == '.')) {
            vv_buf_put(out, "/", out->len > 0 ? 1 : 0);
            vv_buf_put(out, at, len);
        }
        at += len;
        at += *at == '/';
    }
    return vv_buf_check(out, err);
}

enum vv_rc
snapshot_path_parse(const char *text, struct snapshot_path *ret, struct vv_error *err)
{
    const char *colon = strchr(text, ':');
    struct snapshot_path p = {.path_given = colon != NULL};
    enum vv_rc rc = VV_OK;

    vv_buf_put(&p.snapshot, text, colon != NULL ? (size_t)(colon - text) : strlen(text));
    (void)vv_buf_text(&p.snapshot);
    if (p.snapshot.len == 0) {
        rc = vv_error_set(err, VV_EUSAGE, "'%s' names no snapshot", text);
        vv_error_hint(err,
                      "SNAP:PATH, where SNAP is the beginning of an id, 'latest', 'latest~1' or "
                      "'latest@HOST'");
    }
    if (rc == VV_OK && colon != NULL) {
        rc = snapshot_path_normalise(colon + 1, &p.path, err);
    }
    if (rc == VV_OK) {
        rc = vv_buf_check(&p.snapshot, err);
    }
    if (rc != VV_OK) {
        snapshot_path_release(&p);
        return rc;
    }
    *ret = p;
    return VV_OK;
}
