/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the local table of the index is kept: in the cache, else elsewhere. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/random.h"
#include "repo/chunk_index_internal.h"

/** Each is tried when the one before cannot be written to. */
enum place {
    PLACE_CACHE,     /* under its name, for later runs */
    PLACE_TEMPORARY, /* unnamed, in the cache unless that failed */
    PLACE_ELSEWHERE, /* unnamed, not in the cache */
    PLACE_MEMORY,
};

/** Beside the cache's table, to be renamed over it. */
static enum vv_rc
create_in_cache(struct vv_buf *path, struct vv_buf *temp, int *ret_fd, struct vv_error *err)
{
    uint64_t number;

    vv_random(&number, sizeof(number)); /* other processes and threads make theirs */
    vv_buf_printf(temp, "%s.%016llx.tmp", vv_buf_text(path), (unsigned long long)number);
    (void)vv_buf_text(temp);
    VV_TRY(vv_buf_check(temp, err));
    *ret_fd = open(vv_buf_text(temp), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*ret_fd < 0) {
        return vv_error_sys(err, errno, "cannot create '%s'", vv_buf_text(temp));
    }
    return VV_OK;
}

static enum vv_rc
write_and_map(const struct index_table *old, const struct index_table *new, int fd,
              struct index_table *ret, struct vv_error *err)
{
    VV_TRY(table_merge(old, new, fd, err));
    return table_map_written(fd, ret, err);
}

static enum vv_rc
store_in_cache(struct repo *r, const struct index_table *old, const struct index_table *new,
               struct index_table *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf temp = {0};
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    enum vv_rc rc;

    if (!repo_cache_path(r, "index", &path)) {
        return vv_error_set(err, VV_ENOTFOUND, "there is no cache");
    }
    VV_TRY(create_in_cache(&path, &temp, &fd, err));
    rc = write_and_map(old, new, fd, ret, err);
    if (rc != VV_OK || rename(vv_buf_text(&temp), vv_buf_text(&path)) != 0) {
        (void)unlink(vv_buf_text(&temp));
    }
    return rc;
}

static enum vv_rc
store_unnamed(struct repo *r, enum place place, const struct index_table *old,
              const struct index_table *new, struct index_table *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep) int fd = -1;

    VV_TRY(place == PLACE_MEMORY ? vv_memory_file(&fd, err)
                                 : vv_temp_file(repo_temp_dir(r), &fd, err));
    return write_and_map(old, new, fd, ret, err);
}

/** Is it the place's fault? */
static bool
is_of_the_place(enum vv_rc rc)
{
    return rc != VV_OK && rc != VV_ENOMEM && rc != VV_ECANCELLED && rc != VV_ELIMIT;
}

enum vv_rc
table_store(struct repo *r, bool cached, const struct index_table *old,
            const struct index_table *new, struct index_table *ret, struct vv_error *err)
{
    enum place place = cached ? PLACE_CACHE : PLACE_TEMPORARY;
    struct vv_error why;
    enum vv_rc rc;

    for (;; place++) {
        memset(&why, 0, sizeof(why));
        rc = place == PLACE_CACHE ? store_in_cache(r, old, new, ret, &why)
                                  : store_unnamed(r, place, old, new, ret, &why);
        if (!is_of_the_place(rc) || place == PLACE_MEMORY) {
            break;
        }
        if (rc != VV_ENOTFOUND || place != PLACE_CACHE) {
            repo_cache_failed(r, &why);
        }
    }
    if (rc != VV_OK && err != NULL) {
        *err = why;
    }
    return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
}
