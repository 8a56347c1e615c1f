/* SPDX-License-Identifier: BSD-2-Clause */
/* A restored data directory is told what to recover to. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "engine/point_restore.h"
#include "format/wal.h"

#define CONFIGURATION "postgresql.auto.conf"
#define CONFIGURATION_LIMIT (16u << 20)

/** One setting; quotes and backslashes as PostgreSQL's files want them. */
static void
put_setting(struct vv_buf *out, const char *name, const char *value)
{
    vv_buf_printf(out, "%s = '", name);
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\'' || *c == '\\') {
            vv_buf_put_u8(out, (uint8_t)*c);
        }
        vv_buf_put_u8(out, (uint8_t)*c);
    }
    vv_buf_put_text(out, "'\n");
}

/** In UTC, to the microsecond, never later than what was asked for. */
static void
time_text(int64_t ns, char out[64])
{
    int64_t seconds = ns / 1000000000;
    struct tm t = {0};
    time_t s = (time_t)seconds;

    (void)gmtime_r(&s, &t);
    (void)snprintf(out, 64, "%04d-%02d-%02d %02d:%02d:%02d.%06d+00", t.tm_year + 1900, t.tm_mon + 1,
                   t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, (int)(ns % 1000000000 / 1000));
}

/** Of several targets a server takes none: those of the original are unset first. */
static void
put_target(struct vv_buf *out, const struct point_target *t)
{
    static const char *const names[] = {"recovery_target", "recovery_target_name",
                                        "recovery_target_time", "recovery_target_xid",
                                        "recovery_target_lsn"};
    const char *name = NULL;
    char text[64] = "";

    switch (t->kind) {
    case POINT_NONE:
    case POINT_LATEST:
        break;
    case POINT_IMMEDIATE:
        name = names[0];
        break;
    case POINT_NAME:
        name = names[1];
        break;
    case POINT_TIME:
        name = names[2];
        time_text(t->time, text);
        break;
    case POINT_XID:
        name = names[3];
        break;
    case POINT_LSN:
        name = names[4];
        wal_lsn_text(t->lsn, text);
        break;
    }
    for (size_t i = 0; i < VV_COUNT(names); i++) {
        if (names[i] != name) {
            put_setting(out, names[i], "");
        }
    }
    if (name != NULL) {
        put_setting(out, name,
                    t->kind == POINT_IMMEDIATE ? "immediate"
                    : text[0] != '\0'          ? text
                                               : t->text);
    }
}

static void
put_settings(struct vv_buf *out, const struct point_plan *p, const struct point_target *t,
             const char *restore_command)
{
    char timeline[16];

    (void)snprintf(timeline, sizeof(timeline), "%u", (unsigned)p->timeline);
    vv_buf_put_text(out, "\n# Recovery, as varve restore was asked for it.\n");
    put_setting(out, "restore_command", restore_command);
    put_setting(out, "recovery_target_timeline", timeline);
    put_target(out, t);
    put_setting(out, "recovery_target_inclusive", "on");
    put_setting(out, "recovery_target_action", "promote");
}

/** A file of the data directory, of the same owner as that. */
static enum vv_rc
put_file(int dir, const char *name, struct vv_span content, struct vv_error *err)
{
    struct stat st;

    VV_TRY(vv_file_replace(dir, name, content, 0600, err));
    if (fstat(dir, &st) != 0 ||
        (geteuid() == 0 && fchownat(dir, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) != 0)) {
        return vv_error_sys(err, errno, "cannot give '%s' to the owner of the data directory",
                            name);
    }
    return VV_OK;
}

static enum vv_rc
remove_file(int dir, const char *name, struct vv_error *err)
{
    if (unlinkat(dir, name, 0) != 0 && errno != ENOENT) {
        return vv_error_sys(err, errno, "cannot remove '%s'", name);
    }
    return VV_OK;
}

/** pg_tblspc/OID points to the tablespace's new place. */
static enum vv_rc
link_tablespace(int dir, const struct point_mapping *m, struct vv_error *err)
{
    char name[32];
    struct stat st;

    (void)snprintf(name, sizeof(name), "pg_tblspc/%u", (unsigned)m->oid);
    VV_TRY(remove_file(dir, name, err));
    if (symlinkat(m->directory, dir, name) != 0) {
        return vv_error_sys(err, errno, "cannot link '%s' to '%s'", name, m->directory);
    }
    if (fstat(dir, &st) == 0 && geteuid() == 0 &&
        fchownat(dir, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
        return vv_error_sys(err, errno, "cannot give '%s' to the owner of the data directory",
                            name);
    }
    return VV_OK;
}

static enum vv_rc
finish(int dir, const struct point_plan *p, const struct point_target *target,
       const struct point_finish_options *o, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    enum vv_rc rc = vv_file_read(dir, CONFIGURATION, CONFIGURATION_LIMIT, &text, err);

    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        rc = VV_OK;
    }
    VV_TRY(rc);
    for (size_t i = 0; i < o->mapping_count; i++) {
        VV_TRY(link_tablespace(dir, &o->mappings[i], err));
    }
    put_settings(&text, p, target, o->restore_command);
    VV_TRY(vv_buf_check(&text, err));
    VV_TRY(put_file(dir, CONFIGURATION, vv_buf_span(&text), err));
    VV_TRY(remove_file(dir, "standby.signal", err));
    return put_file(dir, "recovery.signal", vv_span("", 0), err);
}

/** Durably: what follows must not reach the disk before it. */
static enum vv_rc
remove_control(int dir, const char *directory, struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep) int parent = -1;

    VV_TRY(remove_file(dir, POINT_CONTROL, err));
    parent = openat(dir, "global", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 || fsync(parent) != 0) {
        return vv_error_sys(err, errno, "cannot sync '%s/global'", directory);
    }
    return VV_OK;
}

/** A server at work there would write into what is being restored: PostgreSQL's own test, whether the
 *  process exists that its file names (first line: its id). */
static enum vv_rc
refuse_running(int dir, const char *directory, struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep) int fd = openat(dir, "postmaster.pid", O_RDONLY | O_CLOEXEC);
    char text[32] = "";
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    long process = got > 0 ? strtol(text, NULL, 10) : 0;

    if (process <= 0 || process > INT_MAX || (kill((pid_t)process, 0) != 0 && errno != EPERM)) {
        return VV_OK;
    }
    (void)vv_error_set(err, VV_EREFUSED, "a server is at work in '%s': process %ld", directory,
                       process);
    vv_error_hint(err, "stop it first; if that process is something else, remove 'postmaster.pid'");
    return VV_EREFUSED;
}

enum vv_rc
point_begin(const char *directory, bool replace, struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep) int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    if (dir < 0 && errno == ENOENT) {
        return VV_OK;
    }
    if (dir < 0) {
        return vv_error_origin(err, VV_ORIGIN_TARGET,
                               vv_error_sys(err, errno, "cannot open '%s'", directory));
    }
    if (fstatat(dir, POINT_CONTROL, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return VV_OK;
        }
        return vv_error_origin(
            err, VV_ORIGIN_TARGET,
            vv_error_sys(err, errno, "cannot look at '%s/" POINT_CONTROL "'", directory));
    }
    if (!replace) {
        return vv_error_set(err, VV_EREFUSED,
                            "'%s' holds a cluster: with --overwrite changed --delete it becomes "
                            "the one of the snapshot",
                            directory);
    }
    VV_TRY(refuse_running(dir, directory, err));
    return vv_error_origin(err, VV_ORIGIN_TARGET, remove_control(dir, directory, err));
}

enum vv_rc
point_finish(const struct point_plan *p, const struct point_target *target,
             const struct point_finish_options *o, struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep)
    int dir = open(o->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum vv_rc rc;

    if (dir < 0) {
        rc = vv_error_sys(err, errno, "cannot open '%s'", o->directory);
    } else {
        rc = finish(dir, p, target, o, err);
    }
    if (rc != VV_OK) {
        (void)vv_error_prefix(err, "the data directory '%s' is not set up for recovery",
                              o->directory);
    }
    return vv_error_origin(err, VV_ORIGIN_TARGET, rc);
}
