/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Temporary names (K1): ".varve-", 8 digits of the run, 8 digits of a counter, ".tmp".  A name that
 * is complete gets its final name by rename; what a killed run left is swept away by the next.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "sink/sink_internal.h"

#define PREFIX ".varve-"
#define SUFFIX ".tmp"
#define DIGITS 16u

void
sink_temp_name(struct sink *s, char out[SINK_TEMP_NAME])
{
    uint32_t n = atomic_fetch_add_explicit(&s->temp_count, 1, memory_order_relaxed);

    (void)snprintf(out, SINK_TEMP_NAME, PREFIX "%08" PRIx32 "%08" PRIx32 SUFFIX, s->run, n);
}

bool
sink_temp_is(const char *name)
{
    static const char digits[] = "0123456789abcdef";

    return strlen(name) == strlen(PREFIX) + DIGITS + strlen(SUFFIX) &&
           strncmp(name, PREFIX, strlen(PREFIX)) == 0 &&
           strspn(name + strlen(PREFIX), digits) == DIGITS &&
           strcmp(name + strlen(PREFIX) + DIGITS, SUFFIX) == 0;
}

bool
sink_temp_is_ours(const struct sink *s, const char *name)
{
    char run[9];

    (void)snprintf(run, sizeof(run), "%08" PRIx32, s->run);
    return sink_temp_is(name) && strncmp(name + strlen(PREFIX), run, 8) == 0;
}

void
sink_sweep(struct sink *s, int fd)
{
    DIR *dir = fdopendir(fd);
    struct dirent *d;

    if (dir == NULL) {
        vv_fd_close(fd);
        return;
    }
    while ((d = readdir(dir)) != NULL) {
        /* Files, links and nodes only: no directory ever gets such a name. */
        if (d->d_type != DT_DIR && sink_temp_is(d->d_name) && !sink_temp_is_ours(s, d->d_name)) {
            (void)unlinkat(dirfd(dir), d->d_name, 0);
        }
    }
    (void)closedir(dir);
}

static const char differs[] = "exists and differs";

/* Without RENAME_NOREPLACE: a hard link fails on an existing name just as well. */
static enum vv_rc
publish_by_link(const struct sink_place *place, const char *temp, struct vv_span path,
                struct vv_error *err)
{
    int fd = place->parent->fd;
    struct stat st;

    if (linkat(fd, temp, fd, place->name, 0) == 0) {
        (void)unlinkat(fd, temp, 0);
        return VV_OK;
    }
    if (errno == EEXIST) {
        return sink_kept(err, path, differs);
    }
    if (errno != EPERM && errno != ENOTSUP && errno != ENOSYS && errno != EMLINK) {
        return sink_error(err, errno, "create", path);
    }
    if (fstatat(fd, place->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        return sink_kept(err, path, differs);
    }
    if (renameat(fd, temp, fd, place->name) != 0) {
        return sink_error(err, errno, "create", path);
    }
    return VV_OK;
}

/* Make room for a rename that failed with ${sys}; false (and ${*rc}) if that is not possible. */
static bool
make_room(const struct sink_place *place, int sys, struct vv_span path, enum vv_rc *rc,
          struct vv_error *err)
{
    uint32_t flags;

    if (sys == EISDIR || sys == ENOTEMPTY || sys == EEXIST) {
        if (unlinkat(place->parent->fd, place->name, AT_REMOVEDIR) == 0) {
            sink_parents_forget(place->sink);
            return true;
        }
        if (errno == ENOTEMPTY || errno == EEXIST) {
            *rc = sink_kept(err, path, "is a directory that is not empty");
            return false;
        }
        *rc = sink_error(err, errno, "replace", path);
        return false;
    }
    if (sys == EPERM && sink_unlock(place, &flags)) {
        return true;
    }
    *rc = sink_error(err, sys, "replace", path);
    return false;
}

enum vv_rc
sink_publish(const struct sink_place *place, const char *temp, struct vv_span path,
             struct vv_error *err)
{
    int fd = place->parent->fd;
    enum vv_rc rc = VV_OK;

    if (place->sink->overwrite == SINK_NEVER) {
        if (renameat2(fd, temp, fd, place->name, RENAME_NOREPLACE) == 0) {
            return VV_OK;
        }
        if (errno == EINVAL || errno == ENOSYS) {
            return publish_by_link(place, temp, path, err);
        }
        return errno == EEXIST ? sink_kept(err, path, differs)
                               : sink_error(err, errno, "create", path);
    }
    for (int tries = 0; tries < 3; tries++) {
        if (renameat(fd, temp, fd, place->name) == 0) {
            return VV_OK;
        }
        if (!make_room(place, errno, path, &rc, err)) {
            return rc;
        }
    }
    return sink_error(err, ESTALE, "replace", path);
}
