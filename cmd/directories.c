/* SPDX-License-Identifier: BSD-2-Clause */
/* Where state and cache live. */
#include "directories.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"

#define PASSWORD_ENTRY_MAX 65536

/** An environment variable that holds an absolute path, else NULL. */
static const char *
absolute(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] == '/' ? value : NULL;
}

/** The home directory of the password file; false if there is none. */
static bool
home_of_user(struct vv_buf *out)
{
    VV_CLEANUP(vv_freep) char *buffer = vv_alloc(PASSWORD_ENTRY_MAX);
    struct passwd entry;
    struct passwd *found = NULL;

    if (buffer == NULL || getpwuid_r(geteuid(), &entry, buffer, PASSWORD_ENTRY_MAX, &found) != 0 ||
        found == NULL || found->pw_dir == NULL || found->pw_dir[0] != '/') {
        return false;
    }
    vv_buf_put_text(out, found->pw_dir);
    return true;
}

static enum vv_rc
named_by_user(const char *value, struct vv_buf *out, struct vv_error *err)
{
    char *here;

    if (value[0] != '/') {
        here = getcwd(NULL, 0);
        if (here == NULL) {
            return vv_error_sys(err, errno, "cannot tell the current directory");
        }
        vv_buf_printf(out, "%s/", here);
        free(here);
    }
    vv_buf_put_text(out, value);
    return vv_buf_check(out, err);
}

enum vv_rc
directories_find(enum directory_kind kind, struct vv_buf *out, struct vv_error *err)
{
    bool state = kind == DIRECTORY_STATE;
    const char *given = getenv(state ? "VARVE_STATE_DIR" : "VARVE_CACHE_DIR");
    const char *xdg = absolute(state ? "XDG_STATE_HOME" : "XDG_CACHE_HOME");
    const char *home = absolute("HOME");

    vv_buf_reset(out);
    if (given != NULL && given[0] != '\0') {
        return named_by_user(given, out, err);
    }
    if (geteuid() == 0) {
        vv_buf_put_text(out, state ? "/var/lib/varve" : "/var/cache/varve");
        return vv_buf_check(out, err);
    }
    if (xdg != NULL) {
        vv_buf_printf(out, "%s/varve", xdg);
        return vv_buf_check(out, err);
    }
    if (home != NULL) {
        vv_buf_put_text(out, home);
    } else if (!home_of_user(out)) {
        return vv_error_set(err, VV_ENOTFOUND, "this user has no home directory for %s",
                            state ? "state" : "a cache");
    }
    vv_buf_put_text(out, state ? "/.local/state/varve" : "/.cache/varve");
    return vv_buf_check(out, err);
}

enum vv_rc
directories_make(struct vv_buf *path, struct vv_error *err)
{
    const char *text = vv_buf_text(path);

    VV_TRY(vv_error_origin(err, VV_ORIGIN_LOCAL, vv_mkdir_all(text, 0700, err)));
    if (access(text, W_OK | X_OK) != 0) {
        return vv_error_origin(err, VV_ORIGIN_LOCAL,
                               vv_error_sys(err, errno, "cannot write to '%s'", text));
    }
    return VV_OK;
}
