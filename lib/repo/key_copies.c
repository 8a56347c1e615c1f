/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies on this host of what a repository is opened with. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "repo/key_slots_internal.h"

static bool
has_slot(const struct slot_objects *l, const char *file)
{
    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->items[i].name + strlen("keys/"), file) == 0) {
            return true;
        }
    }
    return false;
}

/** Slots that the repository does not have any more. */
static enum vv_rc
remove_others(int dir, const struct slot_objects *l, struct vv_error *err)
{
    int fd = openat(dir, "keys", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;
    enum vv_rc rc = VV_OK;

    if (d == NULL) {
        rc = vv_error_sys(err, errno, "cannot read the copies of key slots");
        vv_fd_close(fd);
        return rc;
    }
    while (rc == VV_OK && (e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.' && !has_slot(l, e->d_name) &&
            unlinkat(dirfd(d), e->d_name, 0) != 0) {
            rc = vv_error_sys(err, errno, "cannot remove the copy of the key slot '%s'", e->d_name);
        }
    }
    (void)closedir(d);
    return rc;
}

enum vv_rc
key_objects_keep(const struct key_objects *o, const char *directory, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf keys = {0};
    VV_CLEANUP(vv_fd_closep) int dir = -1;

    if (o->config.rc != VV_OK || o->site.rc != VV_OK || o->slots.count == 0) {
        return VV_OK; /* the last whole ones are worth more */
    }
    vv_buf_printf(&keys, "%s/keys", directory);
    (void)vv_buf_text(&keys);
    VV_TRY(vv_buf_check(&keys, err));
    VV_TRY(vv_mkdir_all(vv_buf_text(&keys), 0700, err));
    dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        return vv_error_sys(err, errno, "cannot open '%s'", directory);
    }
    for (size_t i = 0; i < o->slots.count; i++) {
        VV_TRY(vv_file_replace(dir, o->slots.items[i].name, vv_buf_span(&o->slots.items[i].bytes),
                               0600, err));
    }
    VV_TRY(vv_file_replace(dir, "config", vv_buf_span(&o->config.bytes), 0600, err));
    VV_TRY(vv_file_replace(dir, "site", vv_buf_span(&o->site.bytes), 0600, err));
    return remove_others(dir, &o->slots, err);
}

enum vv_rc
key_objects_kept(const char *directory, struct key_objects **ret, struct vv_error *err)
{
    VV_CLEANUP(storage_freep) struct storage *copies = NULL;

    VV_TRY(storage_local_new(directory, &copies, err));
    return key_objects_read(copies, ret, err);
}
