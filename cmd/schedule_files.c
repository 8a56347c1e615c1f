/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of a place: what is wanted, what is there. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "schedule_place.h"
#include "user_crontab.h"

#define FILE_MOST (4u << 20)
#define CRONTAB_NAME "varve"        /* cron passes over names with a dot */
#define USER_CRONTAB_NAME "crontab" /* for messages */

void
schedule_files_release(struct schedule_file **files)
{
    while (*files != NULL) {
        struct schedule_file *f = *files;
        *files = f->next;
        vv_buf_release(&f->text);
        vv_free(f->name);
        vv_free(f);
    }
}

const struct schedule_file *
schedule_files_find(const struct schedule_file *files, const char *name)
{
    while (files != NULL && strcmp(files->name, name) != 0) {
        files = files->next;
    }
    return files;
}

/* In the order of their names, whatever the directory's is. */
static struct schedule_file *
add_file(struct schedule_file **files, const char *prefix, const char *name, const char *suffix)
{
    struct schedule_file *f = vv_alloc(sizeof(*f));
    size_t len = strlen(prefix) + strlen(name) + strlen(suffix) + 1;

    if (f == NULL) {
        return NULL;
    }
    *f = (struct schedule_file){.name = vv_alloc(len)};
    if (f->name == NULL) {
        vv_free(f);
        return NULL;
    }
    (void)snprintf(f->name, len, "%s%s%s", prefix, name, suffix);
    while (*files != NULL && strcmp((*files)->name, f->name) < 0) {
        files = &(*files)->next;
    }
    f->next = *files;
    *files = f;
    return f;
}

static bool
is_user_crontab(const struct schedule_place *p)
{
    return p->manager == SCHEDULE_CRONTAB && p->directory.len == 0;
}

/* ---- wanted ---- */

static enum vv_rc
want_units(const struct schedule_place *p, const struct scheduled_job *j,
           struct schedule_file **files, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
    struct schedule_file *service;
    struct schedule_file *timer;

    unit_put_name(j, &name);
    (void)vv_buf_text(&name);
    VV_TRY(vv_buf_check(&name, err));
    service = add_file(files, "", vv_buf_text(&name), ".service");
    if (service == NULL) {
        return vv_error_nomem(err);
    }
    unit_put_service(j, p->user, &service->text);
    VV_TRY(vv_buf_check(&service->text, err));
    if (j->kind == SCHEDULED_WATCH) {
        return VV_OK;
    }
    timer = add_file(files, "", vv_buf_text(&name), ".timer");
    if (timer == NULL) {
        return vv_error_nomem(err);
    }
    unit_put_timer(j, &timer->text);
    return vv_buf_check(&timer->text, err);
}

static enum vv_rc
want_crontab(const struct schedule_place *p, const struct schedule_jobs *jobs,
             struct schedule_file **files, struct vv_error *err)
{
    bool own = is_user_crontab(p);
    const char *user = own ? NULL : "root";
    struct schedule_file *f = add_file(files, "", own ? USER_CRONTAB_NAME : CRONTAB_NAME, "");

    if (f == NULL) {
        return vv_error_nomem(err);
    }
    if (!own) {
        crontab_put_begin(&f->text);
    }
    for (size_t i = 0; i < jobs->count; i++) {
        crontab_put_job(&jobs->items[i], user, &f->text); /* none is watched there */
    }
    crontab_put_missed(jobs->missed_words, jobs->environment, user, &f->text);
    return vv_buf_check(&f->text, err);
}

enum vv_rc
schedule_files_wanted(const struct schedule_place *p, const struct schedule_jobs *jobs,
                      struct schedule_file **ret, struct vv_error *err)
{
    if (jobs->count > 0 && p->manager == SCHEDULE_CRONTAB) {
        return want_crontab(p, jobs, ret, err);
    }
    for (size_t i = 0; i < jobs->count; i++) {
        VV_TRY(want_units(p, &jobs->items[i], ret, err));
    }
    return VV_OK;
}

/* ---- present ---- */

/* Is that the name of something of ours? */
static bool
may_be_ours(const struct schedule_place *p, const char *name)
{
    if (p->manager == SCHEDULE_CRONTAB) {
        return strcmp(name, CRONTAB_NAME) == 0;
    }
    return unit_is_ours(name);
}

/* What is no regular file, or cannot be read as one, is somebody else's. */
static enum vv_rc
read_present(int directory, const char *name, struct schedule_file **files, struct vv_error *err)
{
    struct schedule_file *f = add_file(files, "", name, "");
    struct stat st;

    if (f == NULL) {
        return vv_error_nomem(err);
    }
    f->foreign = true;
    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) ||
        st.st_size > FILE_MOST) {
        return VV_OK;
    }
    VV_TRY(vv_file_read(directory, name, FILE_MOST, &f->text, err));
    f->foreign = !schedule_marked(vv_buf_span(&f->text));
    return VV_OK;
}

static enum vv_rc
read_directory(const struct schedule_place *p, DIR *d, struct schedule_file **files,
               struct vv_error *err)
{
    const struct dirent *e;

    while (errno = 0, (e = readdir(d)) != NULL) {
        if (may_be_ours(p, e->d_name)) {
            VV_TRY(read_present(dirfd(d), e->d_name, files, err));
        }
    }
    return errno == 0 ? VV_OK : vv_error_sys(err, errno, "cannot read a directory");
}

static enum vv_rc
present_of_user(struct schedule_file **files, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    struct vv_span block;
    struct schedule_file *f;

    VV_TRY(user_crontab_read(&text, err));
    VV_TRY(crontab_block(vv_buf_span(&text), &block, err));
    if (block.len == 0) {
        return VV_OK;
    }
    f = add_file(files, "", USER_CRONTAB_NAME, "");
    if (f == NULL) {
        return vv_error_nomem(err);
    }
    vv_buf_put(&f->text, block.data, block.len);
    return vv_buf_check(&f->text, err);
}

enum vv_rc
schedule_files_present(const struct schedule_place *p, struct schedule_file **ret,
                       struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    enum vv_rc rc;
    DIR *d;

    if (is_user_crontab(p)) {
        return present_of_user(ret, err);
    }
    vv_buf_put(&path, p->directory.data, p->directory.len);
    VV_TRY(vv_buf_check(&path, err));
    d = opendir(vv_buf_text(&path));
    if (d == NULL && errno == ENOENT) {
        return VV_OK;
    }
    if (d == NULL) {
        return vv_error_sys(err, errno, "cannot read '%s'", vv_buf_text(&path));
    }
    rc = read_directory(p, d, ret, err);
    (void)closedir(d);
    return rc == VV_OK ? VV_OK : vv_error_prefix(err, "'%s'", vv_buf_text(&path));
}

/* ---- changes ---- */

static enum vv_rc
replace_block(struct vv_span block, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf before = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};

    VV_TRY(user_crontab_read(&before, err));
    VV_TRY(crontab_replace_block(vv_buf_span(&before), block, &text, err));
    return user_crontab_write(vv_buf_span(&text), err);
}

enum vv_rc
schedule_file_write(const struct schedule_place *p, const char *name, struct vv_span text,
                    struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    mode_t mask;
    enum vv_rc rc;

    if (is_user_crontab(p)) {
        return replace_block(text, err);
    }
    vv_buf_put(&path, p->directory.data, p->directory.len);
    VV_TRY(vv_buf_check(&path, err));
    /* There is no secret in them, and systemd complains of units that not everybody can read. */
    mask = umask(022);
    rc = p->user ? vv_mkdir_all(vv_buf_text(&path), 0755, err) : VV_OK;
    rc = rc == VV_OK ? schedule_place_path(p, name, &path, err) : rc;
    rc = rc == VV_OK ? vv_file_replace(AT_FDCWD, vv_buf_text(&path), text, 0644, err) : rc;
    (void)umask(mask);
    return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
}

enum vv_rc
schedule_file_remove(const struct schedule_place *p, const char *name, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};

    if (is_user_crontab(p)) {
        return replace_block((struct vv_span){0}, err);
    }
    VV_TRY(schedule_place_path(p, name, &path, err));
    if (unlink(vv_buf_text(&path)) != 0 && errno != ENOENT) {
        return vv_error_sys(err, errno, "cannot remove '%s'", vv_buf_text(&path));
    }
    return VV_OK;
}
