/* SPDX-License-Identifier: BSD-2-Clause */
/* This host's memory of the administrator's public key, which a run without any key relies on. */
#include <string.h>

#include "core/file.h"
#include "repo/local_state.h"

#define PIN_FILE "administrator"

static enum vv_rc
write_pin(struct local_state *s, const uint8_t admin_public[32], struct vv_error *err)
{
    const char *path;
    char text[66];

    vv_hex(text, admin_public, 32);
    text[64] = '\n';
    return vv_error_origin(
        err, VV_ORIGIN_LOCAL,
        vv_file_replace(local_state_directory(s, &path), PIN_FILE, vv_span(text, 65), 0600, err));
}

/** The key remembered; VV_ENOTFOUND if there is none, or it is damaged. */
static enum vv_rc
read_pin(struct local_state *s, uint8_t out[32], struct vv_error *err)
{
    struct vv_buf text = {0};
    const char *path;
    enum vv_rc rc = vv_file_read(local_state_directory(s, &path), PIN_FILE, 128, &text, err);

    if (rc == VV_OK && (text.len != 65 || !vv_unhex(out, 32, (const char *)text.data, 64))) {
        rc = vv_error_set(err, VV_ENOTFOUND, "'%s/%s' is damaged", path, PIN_FILE);
    }
    vv_buf_release(&text);
    return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
}

enum vv_rc
local_state_pin(struct local_state *s, const uint8_t admin_public[32], struct vv_error *err)
{
    uint8_t known[32];
    const char *path;
    enum vv_rc rc = read_pin(s, known, err);

    if (rc == VV_ENOTFOUND || rc == VV_ELIMIT) {
        vv_error_clear(err);
        return write_pin(s, admin_public, err);
    }
    VV_TRY(rc);
    if (memcmp(known, admin_public, 32) != 0) {
        (void)local_state_directory(s, &path);
        rc = vv_error_set(err, VV_EFORGED,
                          "'config' names another administrator than the one this host knows");
        vv_error_hint(err,
                      "somebody may have put another 'config' there; open it with a key, which "
                      "tells which one is right ('%s/%s' holds the one known)",
                      path, PIN_FILE);
        return vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
    }
    return VV_OK;
}

enum vv_rc
local_state_repin(struct local_state *s, const uint8_t admin_public[32], struct vv_error *err)
{
    uint8_t known[32];
    enum vv_rc rc = read_pin(s, known, err);

    if (rc == VV_OK && memcmp(known, admin_public, 32) == 0) {
        return VV_OK;
    }
    vv_error_clear(err);
    return write_pin(s, admin_public, err);
}
