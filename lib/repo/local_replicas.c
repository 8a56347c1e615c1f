/* SPDX-License-Identifier: BSD-2-Clause */
/* What this host remembers about a repository without any key: the administrator's public key, and
 * where replicas are. */
#include <string.h>

#include "core/file.h"
#include "repo/local_state.h"

#define PIN_FILE "administrator"
#define REPLICAS_FILE "replicas"
#define REPLICAS_LIMIT (1u << 20)

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

/** Read the file and turn line feeds into NULs. */
static enum vv_rc
read_replicas(struct local_state *s, struct vv_buf *out, struct vv_error *err)
{
    const char *path;
    enum vv_rc rc =
        vv_file_read(local_state_directory(s, &path), REPLICAS_FILE, REPLICAS_LIMIT, out, err);

    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(vv_error_origin(err, VV_ORIGIN_LOCAL, rc));
    while (out->len > 0 && out->data[out->len - 1] != '\n') { /* a line without its end */
        out->len--;
    }
    for (size_t i = 0; i < out->len; i++) {
        out->data[i] = out->data[i] == '\n' ? '\0' : out->data[i];
    }
    return VV_OK;
}

enum vv_rc
local_state_replicas(struct local_state *s, struct vv_buf *ret, struct vv_error *err)
{
    struct vv_buf found = {0};
    enum vv_rc rc = read_replicas(s, &found, err);

    for (size_t at = 0; rc == VV_OK && at < found.len;) {
        size_t len = strlen((const char *)found.data + at);
        if (len > 0) {
            vv_buf_put(ret, found.data + at, len + 1);
        }
        at += len + 1;
    }
    vv_buf_release(&found);
    return rc == VV_OK ? vv_buf_check(ret, err) : rc;
}

static bool
is_listed(const struct vv_buf *urls, const char *url)
{
    for (size_t at = 0; at < urls->len;) {
        const char *text = (const char *)urls->data + at;
        if (strcmp(text, url) == 0) {
            return true;
        }
        at += strlen(text) + 1;
    }
    return false;
}

enum vv_rc
local_state_add_replica(struct local_state *s, const char *url, struct vv_error *err)
{
    struct vv_buf urls = {0};
    const char *path;
    enum vv_rc rc;

    if (url[0] == '\0' || strchr(url, '\n') != NULL) {
        return vv_error_set(err, VV_EUSAGE, "a replica's address of more than one line");
    }
    VV_TRY(local_state_lock(s, err));
    rc = local_state_replicas(s, &urls, err);
    if (rc == VV_OK && !is_listed(&urls, url)) {
        vv_buf_put(&urls, url, strlen(url) + 1);
        for (size_t i = 0; i < urls.len; i++) {
            urls.data[i] = urls.data[i] == '\0' ? '\n' : urls.data[i];
        }
        rc = vv_buf_check(&urls, err);
        if (rc == VV_OK) {
            rc = vv_error_origin(err, VV_ORIGIN_LOCAL,
                                 vv_file_replace(local_state_directory(s, &path), REPLICAS_FILE,
                                                 vv_buf_span(&urls), 0600, err));
        }
    }
    vv_buf_release(&urls);
    local_state_unlock(s);
    return rc;
}
