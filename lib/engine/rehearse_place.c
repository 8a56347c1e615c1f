/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a rehearsal takes place, whose it is, and with which programs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "engine/rehearse_internal.h"

#define SOCKET_PATH_MOST 90u /* of 107, less the socket's own name */
#define DEPTH_MOST 512u

static enum vv_rc
make_directory(const char *in, struct vv_buf *out, struct vv_error *err)
{
    vv_buf_printf(out, "%s/varve-rehearse-XXXXXX", in);
    (void)vv_buf_text(out);
    VV_TRY(vv_buf_check(out, err));
    if (mkdtemp((char *)out->data) == NULL) {
        int error = errno;
        vv_buf_reset(out);
        return vv_error_origin(err, VV_ORIGIN_TARGET,
                               vv_error_sys(err, error, "cannot make a directory in '%s'", in));
    }
    return VV_OK;
}

enum vv_rc
rehearse_place_make(struct rehearsal *h, struct vv_error *err)
{
    VV_TRY(make_directory(h->o->scratch, &h->scratch, err));
    if (h->scratch.len > SOCKET_PATH_MOST) {
        return make_directory("/tmp", &h->sockets, err);
    }
    VV_TRY(rehearse_file(h, "socket", &h->sockets, err));
    if (mkdir(vv_buf_text(&h->sockets), 0700) != 0) {
        return vv_error_sys(err, errno, "cannot make '%s'", vv_buf_text(&h->sockets));
    }
    return VV_OK;
}

/* ---- the user ---- */

static bool
look_up(bool by_name, const char *name, uid_t uid, struct rehearse_user *u)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char text[4096];
    int rc = by_name ? getpwnam_r(name, &entry, text, sizeof(text), &found)
                     : getpwuid_r(uid, &entry, text, sizeof(text), &found);

    if (rc != 0 || found == NULL || found->pw_uid == 0) {
        return false;
    }
    u->uid = found->pw_uid;
    u->gid = found->pw_gid;
    (void)snprintf(u->name, sizeof(u->name), "%s", found->pw_name);
    return true;
}

/** A directory and all in it: given to the user.  Links are not followed. */
static enum vv_rc
give(int parent, const char *name, const struct rehearse_user *u, unsigned depth,
     struct vv_error *err)
{
    int fd;
    DIR *d;
    enum vv_rc rc = VV_OK;

    if (fchownat(parent, name, u->uid, u->gid, AT_SYMLINK_NOFOLLOW) != 0) {
        return vv_error_sys(err, errno, "cannot give '%s' to user '%s'", name, u->name);
    }
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOTDIR || errno == ELOOP
                   ? VV_OK
                   : vv_error_sys(err, errno, "cannot open '%s'", name);
    }
    d = depth < DEPTH_MOST ? fdopendir(fd) : NULL;
    if (d == NULL) {
        vv_fd_close(fd);
        return vv_error_set(err, VV_EIO, "cannot list '%s'", name);
    }
    for (struct dirent *e = readdir(d); e != NULL && rc == VV_OK; e = readdir(d)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            rc = give(dirfd(d), e->d_name, u, depth + 1, err);
        }
    }
    (void)closedir(d);
    return rc;
}

/** Every directory from the scratch directory down to the cluster lets the user through. */
static enum vv_rc
let_through(struct rehearsal *h, struct vv_error *err)
{
    char *path = (char *)h->data.data;

    for (size_t i = h->scratch.len; path[i] != '\0'; i++) {
        if (path[i] == '/') {
            path[i] = '\0';
            int rc = chmod(path, i == h->scratch.len ? 0700 : 0711);
            path[i] = '/';
            if (rc != 0) {
                return vv_error_sys(err, errno, "cannot change the mode of '%s'", path);
            }
        }
    }
    return VV_OK;
}

enum vv_rc
rehearse_place_own(struct rehearsal *h, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf root = {0};
    struct rehearse_user *u = &h->user;
    struct stat st;

    (void)vv_buf_text(&h->data);
    if (stat(vv_buf_text(&h->data), &st) != 0) {
        return vv_error_sys(err, errno, "cannot look at '%s'", vv_buf_text(&h->data));
    }
    u->uid = geteuid();
    (void)snprintf(u->name, sizeof(u->name), "uid %lu", (unsigned long)u->uid);
    if (geteuid() != 0) {
        (void)look_up(false, NULL, geteuid(), u);
    } else if (look_up(false, NULL, st.st_uid, u) || look_up(true, "postgres", 0, u)) {
        u->other = true;
        vv_buf_put(&root, h->data.data, h->data.len - strlen("/data"));
        VV_TRY(let_through(h, err));
        VV_TRY(give(AT_FDCWD, vv_buf_text(&root), u, 0, err));
        VV_TRY(give(AT_FDCWD, vv_buf_text(&h->sockets), u, 0, err));
        if (chown(vv_buf_text(&h->scratch), u->uid, u->gid) != 0) {
            return vv_error_sys(err, errno, "cannot give the scratch directory to '%s'", u->name);
        }
    } else {
        (void)vv_error_set(err, VV_EUNSUPPORTED,
                           "a server of PostgreSQL does not run as root, and there is no user of "
                           "number %lu or name 'postgres'",
                           (unsigned long)st.st_uid);
        vv_error_hint(err, "run this as an ordinary user");
        return VV_EUNSUPPORTED;
    }
    (void)snprintf(h->report->user, sizeof(h->report->user), "%s", u->name);
    return VV_OK;
}

/* ---- the programs ---- */

static bool
is_program(struct vv_buf *bin, const char *name)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};

    vv_buf_printf(&path, "%s/%s", vv_buf_text(bin), name);
    return access(vv_buf_text(&path), X_OK) == 0;
}

/** Is the server of this directory of the major version?  By the name of the directory of its files. */
static bool
is_version(struct rehearsal *h, const char *major)
{
    static const struct rehearse_user me = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf program = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf log = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf said = {0};
    struct rehearse_process p = {0};
    char want[32];

    vv_buf_printf(&program, "%s/postgres", vv_buf_text(&h->bin));
    if (rehearse_file(h, "version.log", &log, NULL) != VV_OK) {
        return false;
    }
    const char *words[] = {vv_buf_text(&program), "--version", NULL};
    const struct rehearse_program run = {words, "/", vv_buf_text(&log), &me};
    if (rehearse_process_start(&p, &run, NULL) == VV_OK) {
        (void)!rehearse_process_wait(&p, 60000, h->o->cancel, NULL);
        rehearse_process_end(&p);
    }
    rehearse_log_tail(vv_buf_text(&log), 200, &said);
    (void)unlink(vv_buf_text(&log));
    (void)snprintf(want, sizeof(want), " %s.", major);
    return strstr(vv_buf_text(&said), want) != NULL;
}

static bool
search_path(struct rehearsal *h, const char *major)
{
    const char *at = getenv("PATH");

    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, ":");
        vv_buf_reset(&h->bin);
        vv_buf_put(&h->bin, at, len);
        if (len > 0 && at[0] == '/' && is_program(&h->bin, "postgres") && is_version(h, major)) {
            return true;
        }
        at += len + (at[len] == ':' ? 1 : 0);
    }
    return false;
}

enum vv_rc
rehearse_place_programs(struct rehearsal *h, struct vv_error *err)
{
    static const char *const needed[] = {"postgres", "pg_verifybackup", "pg_amcheck",
                                         "pg_checksums"};
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    const char *major;

    vv_buf_printf(&path, "%s/PG_VERSION", vv_buf_text(&h->data));
    VV_TRY(vv_buf_check(&path, err));
    VV_TRY(vv_file_read(AT_FDCWD, vv_buf_text(&path), 64, &text, err));
    while (text.len > 0 && text.data[text.len - 1] == '\n') {
        text.len--;
    }
    major = vv_buf_text(&text);
    if (text.len == 0 || text.len > 3 || strspn(major, "0123456789") != text.len) {
        return vv_error_set(err, VV_ECORRUPT,
                            "'PG_VERSION' of the restored cluster holds no version");
    }
    h->major = (unsigned)strtoul(major, NULL, 10);
    vv_buf_printf(&h->bin, "/usr/lib/postgresql/%s/bin", major);
    if (!is_program(&h->bin, "postgres") && !search_path(h, major)) {
        (void)vv_error_set(
            err, VV_ENOTFOUND,
            "the cluster is one of PostgreSQL %s, whose server is not installed here", major);
        vv_error_hint(err, "install the package 'postgresql-%s'", major);
        return VV_ENOTFOUND;
    }
    for (size_t i = 0; i < VV_COUNT(needed); i++) {
        if (!is_program(&h->bin, needed[i])) {
            (void)vv_error_set(err, VV_ENOTFOUND, "'%s' is not in '%s'", needed[i],
                               vv_buf_text(&h->bin));
            vv_error_hint(err, "install the package 'postgresql-%s'", major);
            return VV_ENOTFOUND;
        }
    }
    return VV_OK;
}

/* ---- and away ---- */

static bool
remove_all(int parent, const char *name, unsigned depth)
{
    bool done = true;
    int fd;
    DIR *d;

    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) {
        return true;
    }
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0) {
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (fd < 0) {
        return false;
    }
    (void)fchmod(fd, 0700); /* ours, but it may be restored without leave to write */
    d = depth < DEPTH_MOST ? fdopendir(fd) : NULL;
    if (d == NULL) {
        vv_fd_close(fd);
        return false;
    }
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            done = remove_all(dirfd(d), e->d_name, depth + 1) && done;
        }
    }
    (void)closedir(d);
    return done && unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

void
rehearse_place_remove(struct rehearsal *h)
{
    if (h->sockets.len > 0) {
        (void)remove_all(AT_FDCWD, vv_buf_text(&h->sockets), 0);
    }
    if (h->scratch.len > 0 && !remove_all(AT_FDCWD, vv_buf_text(&h->scratch), 0)) {
        vv_buf_put(&h->report->left, h->scratch.data, h->scratch.len);
    }
}
