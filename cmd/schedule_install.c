/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing and removing what systemd and cron read. */
#include "schedule_install.h"

#include <string.h>

#include "core/alloc.h"
#include "service/process.h"
#include "signals.h"
#include "user_crontab.h"

struct installing {
    struct app *app;
    const struct schedule_place *place;
    bool dry_run;
    struct schedule_file *wanted;
    struct schedule_file *present;
    struct schedule_changes changes;
};

/* What stands there under that name is the same. */
static bool
is_same(const struct installing *k, const struct schedule_file *f)
{
    const struct schedule_file *before = schedule_files_find(k->present, f->name);

    return before != NULL && before->text.len == f->text.len &&
           memcmp(before->text.data, f->text.data, f->text.len) == 0;
}

/* ---- what is said ---- */

static enum vv_rc
tell(struct installing *k, const struct schedule_file *f, const char *state, bool with_text)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    struct json *j = app_json(k->app);

    VV_TRY(schedule_place_path(k->place, f->name, &path, &k->app->err));
    if (j != NULL) {
        json_put_object(j, NULL);
        json_put_bytes(j, "path", vv_buf_span(&path));
        json_put_text(j, "state", state);
        if (with_text) {
            json_put_bytes(j, "text", vv_buf_span(&f->text));
        }
        json_put_end(j);
        return VV_OK;
    }
    if (with_text) {
        VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
        printf("# %s: ", state);
        message_print(vv_buf_text(&path), stdout);
        printf("\n");
        vv_buf_put(&text, f->text.data, f->text.len);
        VV_TRY(vv_buf_check(&text, &k->app->err));
        (void)fwrite(text.data, 1, text.len, stdout);
        printf("\n");
    } else if (!k->app->global.quiet && strcmp(state, "unchanged") != 0) {
        printf("%s ", state);
        message_print(vv_buf_text(&path), stdout);
        printf("\n");
    }
    return VV_OK;
}

/* ---- systemd ---- */

/* systemctl VERB..., with what is started of ${files}; those that are new or different only, if ${changed}. */
static enum vv_rc
systemctl(const struct installing *k, const char *const *verbs, const struct schedule_file *files,
          bool changed)
{
    VV_CLEANUP(vv_freep) const char **words = NULL;
    VV_CLEANUP(process_result_release) struct process_result r = {0};
    size_t count = 0;
    size_t at = 0;
    size_t named = 0;
    struct process_spec spec = {0};

    for (const struct schedule_file *f = files; f != NULL; f = f->next) {
        count++;
    }
    words = vv_alloc_array(count + 8, sizeof(*words));
    if (words == NULL) {
        return vv_error_nomem(&k->app->err);
    }
    words[at++] = "systemctl";
    if (k->place->user) {
        words[at++] = "--user";
    }
    while (*verbs != NULL) {
        words[at++] = *verbs++;
    }
    for (const struct schedule_file *f = files; f != NULL; f = f->next) {
        if (unit_is_enabled(f->name) && !f->foreign && (!changed || !is_same(k, f))) {
            words[at++] = f->name;
            named++;
        }
    }
    words[at] = NULL;
    if (files != NULL && named == 0) {
        return VV_OK;
    }
    spec.words = words;
    VV_TRY(process_run(&spec, signals_cancel(), &r, &k->app->err));
    if (r.code != 0) {
        (void)vv_error_set(&k->app->err, VV_EIO, "'systemctl %s' fails (exit code %d)", verbs[-1],
                           r.code);
        vv_error_hint(&k->app->err, "what it says stands above; then give this command again");
        return VV_EIO;
    }
    return VV_OK;
}

static bool
tells_systemd(const struct installing *k)
{
    return k->place->manager == SCHEDULE_SYSTEMD && k->place->live && !k->dry_run &&
           program_available("systemctl");
}

/* Timers that go: they must not fire any more, and their links go. */
static enum vv_rc
disable(const struct installing *k, const struct schedule_file *going)
{
    static const char *const now[] = {"--quiet", "--now", "disable", NULL};
    static const char *const later[] = {"--quiet", "disable", NULL};

    if (!tells_systemd(k) || going == NULL) {
        return VV_OK;
    }
    return systemctl(k, schedule_place_running(k->place) ? now : later, going, false);
}

static enum vv_rc
enable(const struct installing *k)
{
    static const char *const reload[] = {"daemon-reload", NULL};
    static const char *const now[] = {"--quiet", "--now", "enable", NULL};
    static const char *const later[] = {"--quiet", "enable", NULL};
    static const char *const restart[] = {"restart", NULL};
    bool running = schedule_place_running(k->place);

    if (!tells_systemd(k)) {
        return VV_OK;
    }
    if (running && (k->changes.written > 0 || k->changes.removed > 0)) {
        VV_TRY(systemctl(k, reload, NULL, false));
    }
    if (k->wanted == NULL) {
        return VV_OK;
    }
    VV_TRY(systemctl(k, running ? now : later, k->wanted, false));
    return running ? systemctl(k, restart, k->wanted, true) : VV_OK;
}

/* ---- changes ---- */

static enum vv_rc
check_foreign(const struct installing *k)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};

    for (const struct schedule_file *f = k->wanted; f != NULL; f = f->next) {
        const struct schedule_file *before = schedule_files_find(k->present, f->name);
        if (before == NULL || !before->foreign) {
            continue;
        }
        VV_TRY(schedule_place_path(k->place, f->name, &path, &k->app->err));
        (void)vv_error_set(&k->app->err, VV_EREFUSED, "'%s' is not from 'varve schedule install'",
                           vv_buf_text(&path));
        vv_error_hint(&k->app->err, "move it away, or give the job another name");
        return VV_EREFUSED;
    }
    return VV_OK;
}

/* Takes what is ours and not wanted out of what is present. */
static struct schedule_file *
take_superfluous(struct installing *k)
{
    struct schedule_file *going = NULL;
    struct schedule_file **last = &going;
    struct schedule_file **at = &k->present;

    while (*at != NULL) {
        struct schedule_file *f = *at;
        if (f->foreign || schedule_files_find(k->wanted, f->name) != NULL) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        f->next = NULL;
        *last = f;
        last = &f->next;
    }
    return going;
}

static enum vv_rc
remove_superfluous(struct installing *k, const struct schedule_file *going)
{
    VV_TRY(disable(k, going));
    for (const struct schedule_file *f = going; f != NULL; f = f->next) {
        if (!k->dry_run) {
            VV_TRY(schedule_file_remove(k->place, f->name, &k->app->err));
        }
        VV_TRY(tell(k, f, k->dry_run ? "would be removed" : "removed", false));
        k->changes.removed++;
    }
    return VV_OK;
}

static enum vv_rc
write_wanted(struct installing *k)
{
    for (const struct schedule_file *f = k->wanted; f != NULL; f = f->next) {
        bool same = is_same(k, f);
        if (!same && !k->dry_run) {
            VV_TRY(schedule_file_write(k->place, f->name, vv_buf_span(&f->text), &k->app->err));
        }
        VV_TRY(tell(k, f,
                    same         ? "unchanged"
                    : k->dry_run ? "would be written"
                                 : "written",
                    k->dry_run));
        k->changes.written += !same;
        k->changes.unchanged += same;
    }
    return VV_OK;
}

static enum vv_rc
install(struct installing *k, const struct schedule_jobs *jobs)
{
    struct schedule_file *going;
    enum vv_rc rc;

    VV_TRY(schedule_files_wanted(k->place, jobs, &k->wanted, &k->app->err));
    VV_TRY(schedule_files_present(k->place, &k->present, &k->app->err));
    VV_TRY(check_foreign(k));
    going = take_superfluous(k);
    rc = remove_superfluous(k, going);
    schedule_files_release(&going);
    VV_TRY(rc);
    VV_TRY(write_wanted(k));
    return enable(k);
}

enum vv_rc
schedule_install(struct app *app, const struct schedule_place *p, const struct schedule_jobs *jobs,
                 bool dry_run, struct schedule_changes *ret)
{
    struct installing k = {.app = app, .place = p, .dry_run = dry_run};
    enum vv_rc rc = install(&k, jobs);

    schedule_files_release(&k.wanted);
    schedule_files_release(&k.present);
    if (rc == VV_OK) {
        *ret = k.changes;
    }
    return rc;
}
