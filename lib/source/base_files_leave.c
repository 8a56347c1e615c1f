/* SPDX-License-Identifier: BSD-2-Clause */
/* What of a running cluster's files is left out of a base backup (F3): what the server makes anew when it
 * starts, what means something to the running server only, and what recovery empties. */
#include <stdio.h>
#include <string.h>

#include "source/base_files.h"

#define DIGITS "0123456789"

static bool
is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool
base_files_is_bare(const char *path)
{
    /* pg_tblspc: its links are made by us; pg_wal: received by a slot. */
    static const char *const bare[] = {"pg_dynshmem",  "pg_notify",   "pg_replslot", "pg_serial",
                                       "pg_snapshots", "pg_stat_tmp", "pg_subtrans", "pg_tblspc"};

    return is_among(path, bare, VV_COUNT(bare));
}

/* "t12_16384" and its forks and segments: of a session's temporary table. */
static bool
is_temporary(const char *name)
{
    size_t n;

    if (name[0] != 't') {
        return false;
    }
    n = strspn(name + 1, DIGITS);
    return n > 0 && name[n + 1] == '_' && strspn(name + n + 2, DIGITS) > 0;
}

/* A relation with an initialization fork beside it: of it only that fork outlives a crash. */
static bool
is_unlogged(const struct base_files_frame *frame, const char *name)
{
    size_t n = strspn(name, DIGITS);
    char fork[32];

    if (n == 0 || n > 10 || strncmp(name + n, "_init", 5) == 0) {
        return false;
    }
    (void)snprintf(fork, sizeof(fork), "%.*s_init", (int)n, name);
    return fs_listing_has(&frame->list, fork);
}

static bool
is_left_out_anywhere(const char *name)
{
    static const char *const names[] = {
        "postgresql.auto.conf.tmp", "current_logfiles.tmp", "backup_label",   "tablespace_map",
        "backup_manifest",          "postmaster.pid",       "postmaster.opts"};

    return is_among(name, names, VV_COUNT(names)) || strncmp(name, "pg_internal.init", 16) == 0 ||
           strncmp(name, "pgsql_tmp", 9) == 0;
}

bool
base_files_leaves_out(struct base_files *f, const struct base_files_frame *frame, const char *name)
{
    bool in_data = f->roots[f->next_root - 1].inside[0] == '\0';

    if (is_left_out_anywhere(name)) {
        return true;
    }
    if (frame->path_len == 0) {
        /* Of a tablespace's directory only what this major version has put there. */
        return in_data ? strcmp(name, "pg_wal") == 0
                       : strncmp(name, f->version, strlen(f->version)) != 0;
    }
    if (in_data && frame->path_len == 7 && strncmp(vv_buf_text(&f->path), "global/", 7) == 0 &&
        strcmp(name, "pg_control") == 0) {
        return true; /* F2 */
    }
    return frame->relations &&
           (is_temporary(name) || (frame->unlogged && is_unlogged(frame, name)));
}

void
base_files_judge(struct base_files *f, struct base_files_frame *frame)
{
    bool in_data = f->roots[f->next_root - 1].inside[0] == '\0';
    const char *path = vv_buf_text(&f->path);
    const char *number = NULL;

    if (in_data && strncmp(path, "base/", 5) == 0) {
        number = path + 5;
    } else if (!in_data && strchr(path, '/') != NULL) {
        number = strchr(path, '/') + 1;
    }
    frame->unlogged = number != NULL && strspn(number, DIGITS) > 0 &&
                      strcmp(number + strspn(number, DIGITS), "/") == 0;
    frame->relations = frame->unlogged || (in_data && strcmp(path, "global/") == 0);
}
