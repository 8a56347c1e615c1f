/* SPDX-License-Identifier: BSD-2-Clause */
/* Creating the directories of a local repository, durably. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "storage/local_internal.h"

enum { MODE = 0700 };

/* What was created, so that a failure can take it back. */
struct progress {
    int root;
    size_t made;       /* directories of the layout */
    bool root_is_ours; /* did not exist before */
    bool completing;   /* what is there already is kept */
};

static void
undo(struct local *l, const struct progress *p)
{
    for (size_t i = p->made; i > 0; i--) {
        char name[STORAGE_LAYOUT_NAME];
        storage_layout_name(i - 1, name);
        (void)unlinkat(p->root, name, AT_REMOVEDIR);
    }
    if (p->root_is_ours) {
        (void)rmdir(l->path);
    }
}

static enum vv_rc
not_empty(struct local *l, struct vv_error *err)
{
    vv_error_set(err, VV_EREFUSED, "'%s' is not empty", l->path);
    vv_error_hint(err, "choose a new or an empty directory; if this is the rest of an interrupted "
                       "init, delete it first");
    return VV_EREFUSED;
}

/* Whether ${name} may be in the root of a layout that is to be completed: files are the caller's to
 * judge, directories must be those of a repository. */
static bool
is_of_layout(int root, const char *name)
{
    struct stat st;
    return fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           (S_ISREG(st.st_mode) || (S_ISDIR(st.st_mode) && storage_layout_has(name, strlen(name))));
}

/* Refuse a root in which anything is, except the lost+found of a file system of its own and, when
 * completing, parts of a repository. */
static enum vv_rc
check_empty(struct local *l, int root, bool completing, struct vv_error *err)
{
    int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        int sys = errno;
        vv_fd_close(fd);
        return local_error(l, err, sys, "list", "");
    }
    enum vv_rc rc = VV_OK;
    const struct dirent *entry;
    while (rc == VV_OK && (errno = 0, entry = readdir(dir)) != NULL) {
        struct stat st;
        bool known =
            strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            (strcmp(entry->d_name, "lost+found") == 0 &&
             fstatat(root, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode));
        if (!known && !(completing && is_of_layout(root, entry->d_name))) {
            rc = not_empty(l, err);
        }
    }
    if (rc == VV_OK && errno != 0) {
        rc = local_error(l, err, errno, "list", "");
    }
    closedir(dir);
    return rc;
}

/* Make the root if need be and open it. */
static enum vv_rc
open_root(struct local *l, struct progress *p, struct vv_error *err)
{
    p->root_is_ours = mkdir(l->path, MODE) == 0;
    if (!p->root_is_ours && errno != EEXIST) {
        int sys = errno;
        enum vv_rc rc = local_error(l, err, sys, "create directory", "");
        if (sys == ENOENT) {
            vv_error_hint(err, "the directory above it must exist: is a disk not mounted?");
        }
        return rc;
    }
    p->root = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->root < 0) {
        return local_error(l, err, errno, "open directory", "");
    }
    return p->root_is_ours ? VV_OK : check_empty(l, p->root, p->completing, err);
}

/* fsync directory ${name} of ${parent}; ${label} is for messages. */
static enum vv_rc
sync_directory(struct local *l, int parent, const char *name, const char *label,
               struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep)
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int sys = fd < 0 ? errno : local_directory_sync(l, fd);
    return sys == 0 ? VV_OK : local_error(l, err, sys, "make durable directory", label);
}

static enum vv_rc
make_directories(struct local *l, struct progress *p, struct vv_error *err)
{
    VV_TRY(open_root(l, p, err));
    char name[STORAGE_LAYOUT_NAME];
    size_t count = storage_layout_count();
    for (size_t i = 0; i < count; i++) {
        storage_layout_name(i, name);
        if (mkdirat(p->root, name, MODE) != 0) {
            if (errno == EEXIST && p->completing) {
                continue;
            }
            /* EEXIST: another init is at work; one of the two goes on */
            return errno == EEXIST ? not_empty(l, err)
                                   : local_error(l, err, errno, "create directory", name);
        }
        p->made = i + 1;
    }
    for (size_t i = count; i > 0; i--) {
        storage_layout_name(i - 1, name);
        VV_TRY(sync_directory(l, p->root, name, name, err));
    }
    VV_TRY(sync_directory(l, p->root, ".", "", err));
    return p->root_is_ours ? sync_directory(l, p->root, "..", "..", err) : VV_OK;
}

enum vv_rc
local_make_layout(struct storage *s, struct vv_error *err)
{
    struct local *l = (struct local *)s;
    struct progress p = {.root = -1};
    enum vv_rc rc = make_directories(l, &p, err);
    if (rc != VV_OK) {
        undo(l, &p);
    }
    vv_fd_close(p.root);
    return rc;
}

enum vv_rc
local_complete_layout(struct storage *s, struct vv_error *err)
{
    struct local *l = (struct local *)s;
    struct progress p = {.root = -1, .completing = true};
    enum vv_rc rc = make_directories(l, &p, err);
    vv_fd_close(p.root);
    return rc;
}
