/* SPDX-License-Identifier: BSD-2-Clause */
/* varve schedule list: which job is run when, and by what. */
#include "schedule_list.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"

enum installed { NOT_INSTALLED, OUTDATED, NOT_ENABLED, INSTALLED };

/* What is and what should be in a place. */
struct view {
    const struct schedule_place *place;
    struct schedule_jobs jobs;
    struct schedule_file *wanted;
    struct schedule_file *present;
};

static enum vv_rc
view_make(struct app *app, const struct settings *c, const struct schedule_place *p,
          struct view *ret)
{
    *ret = (struct view){.place = p};
    VV_TRY(schedule_jobs_make(app, c, p->manager, p->user, &ret->jobs, &app->err));
    VV_TRY(schedule_files_wanted(p, &ret->jobs, &ret->wanted, &app->err));
    return schedule_files_present(p, &ret->present, &app->err);
}

static void
view_release(struct view *v)
{
    schedule_files_release(&v->wanted);
    schedule_files_release(&v->present);
    schedule_jobs_release(&v->jobs);
}

static bool
is_current(const struct view *v, const char *name)
{
    const struct schedule_file *want = schedule_files_find(v->wanted, name);
    const struct schedule_file *is = schedule_files_find(v->present, name);

    return want != NULL && is != NULL && want->text.len == is->text.len &&
           memcmp(want->text.data, is->text.data, is->text.len) == 0;
}

/* systemd starts what is linked from a target. */
static bool
is_enabled(const struct view *v, const struct scheduled_job *j, const char *unit)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf link = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    char target[4096];

    if (!v->place->live) {
        return true; /* nobody knows yet */
    }
    vv_buf_printf(&link, "%s.wants/%s",
                  j->kind != SCHEDULED_WATCH ? "timers.target"
                  : v->place->user           ? "default.target"
                                             : "multi-user.target",
                  unit);
    return schedule_place_path(v->place, vv_buf_text(&link), &path, NULL) == VV_OK &&
           readlink(vv_buf_text(&path), target, sizeof(target)) > 0;
}

static enum installed
unit_state(const struct view *v, const struct scheduled_job *j)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf service = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf timer = {0};
    const struct schedule_file *f;

    unit_put_name(j, &service);
    vv_buf_put_text(&service, ".service");
    unit_put_name(j, &timer);
    vv_buf_put_text(&timer, j->kind == SCHEDULED_WATCH ? ".service" : ".timer");
    f = schedule_files_find(v->present, vv_buf_text(&timer));
    if (f == NULL || f->foreign) {
        return NOT_INSTALLED;
    }
    if (!is_current(v, vv_buf_text(&timer)) || !is_current(v, vv_buf_text(&service))) {
        return OUTDATED;
    }
    return is_enabled(v, j, vv_buf_text(&timer)) ? INSTALLED : NOT_ENABLED;
}

/* All jobs stand in one text there. */
static enum installed
crontab_state(const struct view *v, const struct scheduled_job *j)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf line = {0};
    const struct schedule_file *f = v->present;

    if (f == NULL || f->foreign) {
        return NOT_INSTALLED;
    }
    if (is_current(v, f->name)) {
        return INSTALLED;
    }
    vv_buf_put_text(&line, "# ");
    crontab_put_title(j, &line);
    return !line.failed && memmem(f->text.data, f->text.len, line.data, line.len) != NULL
               ? OUTDATED
               : NOT_INSTALLED;
}

static const char *
manager_name(const struct schedule_place *p)
{
    return p->manager == SCHEDULE_SYSTEMD ? "systemd" : "crontab";
}

struct row {
    const char *job;
    const struct scheduled_job *scheduled; /* NULL: it has no schedule */
    enum installed installed;
    const struct schedule_place *by;
    int64_t next;
};

static const char *
schedule_text(const struct row *r)
{
    return r->scheduled == NULL                    ? "-"
           : r->scheduled->kind == SCHEDULED_WATCH ? "continuously"
                                                   : r->scheduled->schedule_text;
}

static void
print_row(const struct row *r)
{
    static const char *const notes[] = {[NOT_INSTALLED] = "",
                                        [OUTDATED] = ", not up to date",
                                        [NOT_ENABLED] = ", not enabled",
                                        [INSTALLED] = ""};
    char when[VV_TIME_TEXT] = "-";
    char jitter[32] = "-";

    if (r->scheduled != NULL && r->scheduled->kind == SCHEDULED_RUN) {
        vv_text_duration(r->scheduled->jitter_s, jitter);
        if (r->next != INT64_MAX) {
            vv_time_format(r->next, when);
        }
    }
    printf("%-16s %-26s %-26s %-12s %s%s\n", r->job, schedule_text(r), when, jitter,
           r->by != NULL          ? manager_name(r->by)
           : r->scheduled != NULL ? "not installed"
                                  : "-",
           notes[r->installed]);
}

static void
put_row(struct json *j, const struct row *r)
{
    static const char *const states[] = {[NOT_INSTALLED] = "not installed",
                                         [OUTDATED] = "not up to date",
                                         [NOT_ENABLED] = "not enabled",
                                         [INSTALLED] = "installed"};

    json_put_object(j, NULL);
    json_put_text(j, "job", r->job);
    json_put_text(j, "schedule", r->scheduled != NULL ? schedule_text(r) : NULL);
    if (r->scheduled != NULL) {
        if (r->next != INT64_MAX) {
            json_put_time(j, "next", r->next);
        }
        json_put_u64(j, "jitter_seconds", r->scheduled->jitter_s);
        if (r->scheduled->kind == SCHEDULED_RUN) {
            json_put_u64(j, "longest_seconds", schedule_longest(&r->scheduled->schedule));
        }
        json_put_text(j, "state", states[r->installed]);
        json_put_text(j, "by", r->by != NULL ? manager_name(r->by) : NULL);
    }
    json_put_end(j);
}

/* What is best of all places. */
static void
find_row(const struct view *views, unsigned count, const char *job, int64_t now, struct row *ret)
{
    *ret = (struct row){.job = job};
    for (unsigned v = 0; v < count; v++) {
        for (size_t i = 0; i < views[v].jobs.count; i++) {
            const struct scheduled_job *j = &views[v].jobs.items[i];
            enum installed state;
            if (j->kind == SCHEDULED_STATUS || strcmp(j->name, job) != 0 ||
                (ret->scheduled != NULL && ret->scheduled->kind != j->kind)) {
                continue;
            }
            state = views[v].place->manager == SCHEDULE_SYSTEMD ? unit_state(&views[v], j)
                                                                : crontab_state(&views[v], j);
            ret->scheduled = j;
            ret->next = j->kind == SCHEDULED_RUN ? schedule_next(&j->schedule, now) : INT64_MAX;
            if (state > ret->installed) {
                ret->installed = state;
                ret->by = views[v].place;
            }
        }
    }
}

/* What is installed, but of no job any more. */
static enum vv_rc
warn_of_superfluous(struct app *app, const struct view *v)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};

    for (const struct schedule_file *f = v->present; f != NULL; f = f->next) {
        if (!f->foreign && schedule_files_find(v->wanted, f->name) == NULL) {
            VV_TRY(schedule_place_path(v->place, f->name, &path, &app->err));
            messages_warning(&app->messages, "schedule-superfluous",
                             "'%s' is for no schedule of the configuration: 'varve schedule "
                             "install' removes it",
                             vv_buf_text(&path));
        }
    }
    return VV_OK;
}

static enum vv_rc
list(struct app *app, const struct settings *c, const struct view *views, unsigned count,
     int64_t now)
{
    struct json *j = app_json(app);
    bool any = false;

    if (j != NULL) {
        json_put_array(j, "jobs");
    }
    for (const struct settings_section *s = settings_sections(c); s != NULL; s = s->next) {
        struct row r;
        if (strcmp(s->spec->kind, "job") != 0) {
            continue;
        }
        find_row(views, count, s->name, now, &r);
        if (j != NULL) {
            put_row(j, &r);
        } else {
            if (!any) {
                printf("%-16s %-26s %-26s %-12s %s\n", "job", "schedule", "next run", "jitter",
                       "run by");
            }
            print_row(&r);
        }
        any = true;
    }
    if (j != NULL) {
        json_put_end(j);
    }
    for (unsigned v = 0; v < count; v++) {
        VV_TRY(warn_of_superfluous(app, &views[v]));
    }
    return VV_OK;
}

enum vv_rc
schedule_list(struct app *app, const struct settings *c, const struct schedule_place *places,
              unsigned count, int64_t now)
{
    struct view views[2] = {{0}};
    enum vv_rc rc = VV_OK;

    for (unsigned v = 0; v < count && rc == VV_OK; v++) {
        rc = view_make(app, c, &places[v], &views[v]);
    }
    if (rc == VV_OK) {
        rc = list(app, c, views, count, now);
    }
    for (unsigned v = 0; v < count; v++) {
        view_release(&views[v]);
    }
    return rc;
}
