/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration files on the disk. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/settings_internal.h"
#include "core/file.h"

#define LIMIT_FILE (1u << 20)

/* Commands are run from it: whoever can write it can do what we can. */
static enum vv_rc
check_owner(struct settings *c, const char *path, const struct stat *st, struct vv_error *err)
{
    struct settings_place place = {.line = 1};

    place.file = vv_arena_copy(&c->arena, path, strlen(path));
    if (place.file == NULL) {
        return vv_error_nomem(err);
    }
    if (st->st_uid != 0 && st->st_uid != geteuid()) {
        return settings_complain(
            c, place, "chown it to root, or to the user that runs varve", err,
            "this file belongs to user %u, who could have any command run from it",
            (unsigned)st->st_uid);
    }
    if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return settings_complain(
            c, place, "chmod go-w", err,
            "this file can be written by others, who could have any command run "
            "from it");
    }
    return VV_OK;
}

enum vv_rc
settings_add_file(struct settings *c, const char *path, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    struct stat st;

    if (stat(path, &st) != 0) {
        return vv_error_sys(err, errno, "cannot read the configuration '%s'", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return vv_error_set(err, VV_EREFUSED, "the configuration '%s' is no file", path);
    }
    VV_TRY(vv_file_read(AT_FDCWD, path, LIMIT_FILE, &text, err));
    VV_TRY(check_owner(c, path, &st, err));
    return settings_add_text(c, path, vv_buf_span(&text), err);
}

enum vv_rc
settings_add_directory(struct settings *c, const char *path, bool readable_only,
                       unsigned *ret_count, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf pattern = {0};
    glob_t found = {0};
    enum vv_rc rc = VV_OK;

    *ret_count = 0;
    vv_buf_printf(&pattern, "%s/*.conf", path);
    VV_TRY(vv_buf_check(&pattern, err));
    switch (glob(vv_buf_text(&pattern), 0, NULL, &found)) {
    case 0:
        for (size_t i = 0; i < found.gl_pathc && rc == VV_OK; i++) {
            if (!readable_only || access(found.gl_pathv[i], R_OK) == 0) {
                rc = settings_add_file(c, found.gl_pathv[i], err);
                *ret_count += rc == VV_OK;
            }
        }
        break;
    case GLOB_NOSPACE:
        rc = vv_error_nomem(err);
        break;
    default:
        break;
    }
    globfree(&found);
    return rc;
}
