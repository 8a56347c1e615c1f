/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal an earlier run of a receiver has left. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "engine/wal_receive_internal.h"

enum vv_rc
receiver_open_journal(struct receiver *v, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf directory = {0};
    struct wal_journal_options o = {.system = v->system,
                                    .segment_size = v->segment_size,
                                    .limit = v->options->journal_limit,
                                    .events = repo_events(v->repo)};

    VV_TRY(wal_journal_directory(v->repo, v->system, v->options->slot, &directory, err));
    o.directory = vv_buf_text(&directory);
    return wal_journal_open(&o, &v->journal, err);
}

/** The one journal of this slot, whatever the cluster; none, or several: VV_OK and nothing found. */
static enum vv_rc
find_journal(struct receiver *v, struct wal_journal_options *ret, bool *ret_found,
             struct vv_error *err)
{
    const char *state = NULL;
    int fd = dup(local_state_directory(repo_state(v->repo), &state));
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;
    size_t slot = strlen(v->options->slot);
    unsigned count = 0;

    if (d == NULL) {
        enum vv_rc rc = vv_error_sys(err, errno, "cannot read '%s'", state);
        vv_fd_close(fd);
        return rc;
    }
    rewinddir(d);
    while ((e = readdir(d)) != NULL) {
        size_t digits =
            strncmp(e->d_name, "wal-", 4) == 0 ? strspn(e->d_name + 4, "0123456789") : 0;
        VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
        if (digits == 0 || e->d_name[4 + digits] != '-' || strlen(e->d_name) != 5 + digits + slot ||
            strcmp(e->d_name + 5 + digits, v->options->slot) != 0) {
            continue;
        }
        vv_buf_printf(&path, "%s/%s", state, e->d_name);
        count += wal_journal_about(vv_buf_text(&path), ret, NULL) == VV_OK;
    }
    (void)closedir(d);
    *ret_found = count == 1;
    return VV_OK;
}

enum vv_rc
receiver_resume(struct receiver *v, struct vv_error *err)
{
    struct wal_journal_options about = {0};
    bool found = false;

    if (repo_state(v->repo) == NULL) {
        return vv_error_set(err, VV_EUSAGE, "the journal needs a state directory");
    }
    VV_TRY(vv_error_origin(err, VV_ORIGIN_LOCAL, find_journal(v, &about, &found, err)));
    if (!found) {
        return VV_OK;
    }
    v->system = about.system;
    v->segment_size = about.segment_size;
    v->sum->system = v->system;
    VV_TRY(receiver_open_journal(v, err));
    if (wal_journal_end(v->journal).timeline == 0 &&
        wal_journal_published(v->journal).timeline == 0) {
        wal_journal_free(v->journal); /* never used: where to begin is asked of the repository */
        v->journal = NULL;
        v->system = 0;
    }
    return VV_OK;
}
