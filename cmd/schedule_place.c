/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of systemd and cron runs jobs, and where its files are. */
#include "schedule_place.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user_crontab.h"

#define UNIT_DIRECTORY "/etc/systemd/system"
#define CRONTAB_DIRECTORY "/etc/cron.d"

static bool
is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void
schedule_place_release(struct schedule_place *p)
{
    vv_buf_release(&p->directory);
}

bool
schedule_place_running(const struct schedule_place *p)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    const char *runtime = getenv("XDG_RUNTIME_DIR");

    if (!is_directory("/run/systemd/system")) {
        return false;
    }
    if (!p->user) {
        return true;
    }
    vv_buf_printf(&path, "%s/systemd", runtime != NULL ? runtime : "");
    return runtime != NULL && is_directory(vv_buf_text(&path));
}

/* A file in /etc/cron.d is of no use without a daemon that reads it. */
static bool
cron_is_there(bool user)
{
    if (user) {
        return user_crontab_available();
    }
    return is_directory(CRONTAB_DIRECTORY) &&
           (program_available("cron") || program_available("crond") ||
            program_available("crontab"));
}

static enum vv_rc
check_options(struct app *app, const struct schedule_options *o)
{
    if (o->systemd && o->crontab) {
        return app_usage(app, "either --systemd or --crontab");
    }
    if (o->system && o->user) {
        return app_usage(app, "either --system or --user");
    }
    if (o->directory != NULL && o->crontab && o->user) {
        return app_usage(app, "a user's crontab is in no directory");
    }
    if (o->directory != NULL && !is_directory(o->directory)) {
        return app_usage(app, "'%s' is no directory", o->directory);
    }
    return VV_OK;
}

static bool
for_user(const struct schedule_options *o)
{
    /* A directory that was named is made for a system, unless it is said. */
    return o->user || (!o->system && o->directory == NULL && geteuid() != 0);
}

static enum vv_rc
find_directory(const struct schedule_options *o, struct schedule_place *p, struct vv_error *err)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");

    p->live = o->directory == NULL;
    if (o->directory != NULL) {
        vv_buf_put_text(&p->directory, o->directory);
    } else if (p->manager == SCHEDULE_CRONTAB) {
        vv_buf_put_text(&p->directory, p->user ? "" : CRONTAB_DIRECTORY);
    } else if (!p->user) {
        vv_buf_put_text(&p->directory, UNIT_DIRECTORY);
    } else if (config != NULL && config[0] == '/') {
        vv_buf_printf(&p->directory, "%s/systemd/user", config);
    } else if (home != NULL && home[0] == '/') {
        vv_buf_printf(&p->directory, "%s/.config/systemd/user", home);
    } else {
        return vv_error_set(err, VV_EUSAGE, "without HOME it is not known where units belong");
    }
    return vv_buf_check(&p->directory, err);
}

enum vv_rc
schedule_place_choose(struct app *app, const struct schedule_options *o, struct schedule_place *ret)
{
    *ret = (struct schedule_place){.user = for_user(o)};
    VV_TRY(check_options(app, o));
    if (o->crontab) {
        ret->manager = SCHEDULE_CRONTAB;
    } else if (o->systemd || o->directory != NULL || schedule_place_running(ret)) {
        ret->manager = SCHEDULE_SYSTEMD;
    } else if (cron_is_there(ret->user)) {
        ret->manager = SCHEDULE_CRONTAB;
    } else {
        (void)vv_error_set(&app->err, VV_EUNSUPPORTED,
                           "neither systemd is running nor cron installed%s: nothing would run a "
                           "job",
                           ret->user ? " for this user" : "");
        vv_error_hint(&app->err, "install cron; or, for a system that is not running yet, say "
                                 "--systemd or --crontab");
        return VV_EUNSUPPORTED;
    }
    if (ret->manager == SCHEDULE_CRONTAB && ret->user && !user_crontab_available()) {
        return vv_error_set(&app->err, VV_EUNSUPPORTED, "there is no crontab(1)");
    }
    return find_directory(o, ret, &app->err);
}

enum vv_rc
schedule_place_all(struct app *app, const struct schedule_options *o, struct schedule_place ret[2],
                   unsigned *ret_count)
{
    *ret_count = 0;
    VV_TRY(check_options(app, o));
    for (enum schedule_manager m = SCHEDULE_SYSTEMD; m <= SCHEDULE_CRONTAB; m++) {
        struct schedule_place *p = &ret[*ret_count];
        if (m == SCHEDULE_SYSTEMD ? o->crontab : o->systemd) {
            continue;
        }
        *p = (struct schedule_place){.manager = m, .user = for_user(o)};
        if (m == SCHEDULE_CRONTAB && p->user &&
            (o->directory != NULL || !user_crontab_available())) {
            continue;
        }
        *ret_count += 1;
        VV_TRY(find_directory(o, p, &app->err));
    }
    return VV_OK;
}

enum vv_rc
schedule_place_path(const struct schedule_place *p, const char *name, struct vv_buf *out,
                    struct vv_error *err)
{
    vv_buf_reset(out);
    if (p->directory.len > 0) {
        vv_buf_put(out, p->directory.data, p->directory.len);
        vv_buf_put_text(out, "/");
    }
    vv_buf_put_text(out, name);
    return vv_buf_check(out, err);
}
