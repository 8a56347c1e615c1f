/* SPDX-License-Identifier: BSD-2-Clause */
/* A watched job: setting it up, and making its snapshots. */
#include "watch_job.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/file.h"
#include "directories.h"
#include "job_start.h"
#include "signals.h"

#define SET_MOST ((size_t)16 << 20)            /* some 100,000 directories */
#define FORGET_LIMIT_MS (UINT64_C(540) * 1000) /* the watchdog waits for ten minutes */

/* ---- setting up ---- */

/** What the backup is made with: as 'varve run' would, but of files alone. */
static enum vv_rc
make_plan(struct watch_job *j, struct vv_error *err)
{
    const struct option_set sets[] = {{backup_option_specs, &j->line}};
    const char *const *words = NULL;
    int count = 0;

    if (settings_get(j->section, "path") == NULL) {
        (void)vv_error_set(err, VV_EUSAGE, "job '%s' has no path: there are no files to watch",
                           j->section->name);
        vv_error_hint(err, "for a database alone 'varve wal receive' does what is continuous");
        return VV_EUSAGE;
    }
    VV_TRY(job_plan_files(j->section, &j->arena, &count, &words, err));
    VV_TRY(options_parse(sets, VV_COUNT(sets), count, (char *const *)(uintptr_t)words, false,
                         &j->args, NULL, err));
    VV_TRY(backup_plan_make(j->app, &j->line, &j->args, &j->plan));
    j->plan.options.verbose = j->app->global.verbose > 1;
    return job_plan_make(j->app, j->section, &j->parts, err);
}

static void
add_own(struct watch_job *j, const char *path)
{
    char *real = path[0] == '/' ? realpath(path, NULL) : NULL;
    /* One that is not there yet comes under the name it was given. */
    char *copy = path[0] == '/' ? vv_strdup(real != NULL ? real : path) : NULL;

    if (copy != NULL) {
        j->own[j->own_count++] = copy;
    }
    free(real); /* layers: of realpath(3) */
}

/** Where our own writes go, if it is on this machine. */
static enum vv_rc
find_own(struct watch_job *j, struct vv_error *err)
{
    struct app *app = j->app;
    const char *url = NULL;
    const struct storage_options *options = NULL;

    VV_TRY(directories_find(DIRECTORY_STATE, &app->state_dir, err));
    VV_TRY(directories_make(&app->state_dir, err));
    VV_TRY(directories_find(DIRECTORY_CACHE, &app->cache_dir, err));
    add_own(j, vv_buf_text(&app->state_dir));
    if (directories_make(&app->cache_dir, NULL) == VV_OK) {
        add_own(j, vv_buf_text(&app->cache_dir));
    }
    VV_TRY(
        settings_input_storage(app, settings_get(j->section, "repository"), &url, &options, err));
    if (url != NULL) {
        add_own(j, url);
    }
    return VV_OK;
}

enum vv_rc
watch_job_again(struct watch_job *j, struct vv_error *err)
{
    size_t count = 0;
    const struct vv_span *roots = source_fs_roots(j->paths, &count);
    const struct watch_options o = {.roots = roots,
                                    .root_count = count,
                                    .own = (const char *const *)j->own,
                                    .own_count = j->own_count,
                                    .one_file_system = j->plan.options.one_file_system,
                                    .inotify = j->inotify,
                                    .set_most = SET_MOST,
                                    .events = &j->app->messages.events};

    struct watch *fresh = NULL;

    VV_TRY(watch_open(&o, &fresh, err));
    change_set_add_everything(
        j->pending); /* nobody watched in between, and what one has seen goes with it */
    watch_free(j->watch);
    j->watch = fresh;
    return VV_OK;
}

enum vv_rc
watch_job_open(struct app *app, const struct settings_section *section, bool inotify,
               struct watch_job *j, struct vv_error *err)
{
    struct source_fs_options fs = {0};

    *j = (struct watch_job){.app = app,
                            .section = section,
                            .inotify = inotify,
                            .progress = {.current_busy = ATOMIC_FLAG_INIT}};
    VV_TRY(make_plan(j, err));
    VV_TRY(find_own(j, err));
    fs.paths = j->plan.options.paths;
    fs.path_count = j->plan.options.path_count;
    VV_TRY(source_fs_new(&fs, &j->paths, err));
    VV_TRY(change_set_new(SET_MOST, &j->pending, err));
    VV_TRY(change_set_new(SET_MOST, &j->unsettled, err));
    return watch_job_again(j, err);
}

static void
close_repository(struct app *app)
{
    repo_free(TAKE(app->repo));
    key_objects_free(TAKE(app->keys));
    if (app->storage != NULL) {
        storage_free(TAKE(app->storage));
    }
}

void
watch_job_release(struct watch_job *j)
{
    watch_free(j->watch);
    close_repository(j->app);
    change_set_free(j->pending);
    change_set_free(j->unsettled);
    source_free(j->paths);
    for (size_t i = 0; i < j->own_count; i++) {
        vv_free(j->own[i]);
    }
    job_plan_release(&j->parts);
    backup_plan_release(&j->plan);
    arguments_release(&j->args);
    backup_command_line_release(&j->line);
    vv_arena_release(&j->arena);
}

/* ---- snapshots ---- */

static enum vv_rc
open_repository(struct watch_job *j)
{
    struct app *app = j->app;

    if (app->repo != NULL) {
        return VV_OK;
    }
    close_repository(app);
    app->global.repository = settings_get(j->section, "repository");
    VV_TRY(app_open(app, APP_WRITE));
    j->was_open = true;
    return VV_OK;
}

/** Is it worth waiting for?  What is wrong from the beginning is not the repository being away. */
static bool
is_hopeless(const struct watch_job *j, enum vv_rc rc)
{
    return rc == VV_ENOMEM ||
           (!j->was_open && (rc == VV_ENOREPO || rc == VV_EKEY || rc == VV_EAUTH ||
                             rc == VV_EUSAGE || rc == VV_EUNSUPPORTED || rc == VV_EFORGED));
}

static enum watch_outcome
fail(struct watch_job *j, enum vv_rc rc)
{
    struct app *app = j->app;

    if (rc == VV_ECANCELLED || is_hopeless(j, rc)) {
        app->err.rc = rc;
        return WATCH_ENDS;
    }
    close_repository(app); /* and open it anew: whatever it was, it is not remembered */
    if (!j->told_away) {
        messages_error(&app->messages, &app->err);
        messages_say(&app->messages, "varve: no snapshot could be made; it is tried again until it "
                                     "can, and no change is forgotten");
        j->told_away = true;
    }
    vv_error_clear(&app->err);
    return WATCH_FAILED;
}

static void
tell(struct watch_job *j, const struct backup_summary *s)
{
    struct app *app = j->app;
    const struct snapshot_statistics *n = &s->statistics;
    char id[VV_UUID_TEXT];

    if (j->told_away) {
        messages_say(&app->messages, "varve: snapshots can be made again");
        j->told_away = false;
    }
    if (!s->committed || app->global.quiet) {
        return;
    }
    vv_uuid_text(&s->snapshot.id, id);
    messages_say(&app->messages,
                 "snapshot %.8s: %" PRIu64 " new and %" PRIu64 " changed of %" PRIu64
                 " files, %" PRIu64 " bytes read, %" PRIu64 " ms%s",
                 id, n->files_new, n->files_changed, n->files, n->bytes_read,
                 n->duration_ns / 1000000, s->kept ? "" : ", all files looked at");
}

/** What there is to save, as the engine is told; NULL: everything is to be looked at. */
static const struct backup_changes *
changes_of(struct watch_job *j, const struct watch_step *step, struct backup_changes *room)
{
    (void)watch_take(j->watch, j->pending);
    if (step->whole || !j->has_since || change_set_is_everything(j->pending)) {
        return NULL;
    }
    change_set_merge(j->pending, j->unsettled);
    change_set_sort(j->pending);
    *room = (struct backup_changes){.since = j->since, .set = j->pending};
    return room;
}

static enum vv_rc
back_up(struct watch_job *j, const struct watch_step *step, struct backup_summary *ret)
{
    VV_CLEANUP(change_set_freep) struct change_set *unsettled = NULL;
    struct backup_options o = j->plan.options;
    struct backup_changes changes;

    VV_TRY(change_set_new(SET_MOST, &unsettled, &j->app->err));
    o.changes = changes_of(j, step, &changes);
    o.unsettled = unsettled;
    o.only_changes = !step->daily;
    VV_TRY(backup_run(j->app->repo, &o, &j->progress, ret, &j->app->err));
    change_set_clear(j->pending);
    change_set_free(j->unsettled);
    j->unsettled = TAKE(unsettled);
    j->has_since = true;
    j->since = ret->committed ? ret->snapshot.id : ret->parent;
    return VV_OK;
}

enum watch_outcome
watch_job_snapshot(struct watch_job *j, const struct watch_step *step)
{
    struct app *app = j->app;
    struct backup_summary summary = {0};
    VV_CLEANUP(vv_fd_closep) int lock = -1;
    enum vv_rc rc = open_repository(j);

    if (rc == VV_OK) {
        rc = job_lock(app, j->section->name, JOB_LOCK_WATCH, &lock);
        if (rc == VV_EREFUSED) {
            vv_error_clear(&app->err);
            return WATCH_BUSY;
        }
    }
    if (step->daily) {
        messages_once(&app->messages, true);
    }
    rc = rc == VV_OK ? back_up(j, step, &summary) : rc;
    if (rc != VV_OK) {
        return fail(j, rc);
    }
    tell(j, &summary);
    return summary.committed ? WATCH_MADE : WATCH_UNCHANGED;
}

/* ---- forgetting ---- */

static const struct job_part *
forget_part(const struct watch_job *j)
{
    for (size_t i = 0; i < j->parts.job.part_count; i++) {
        if (strcmp(j->parts.job.parts[i].name, "forget") == 0) {
            return &j->parts.job.parts[i];
        }
    }
    return NULL;
}

bool
watch_job_may_forget(const struct watch_job *j)
{
    return forget_part(j) != NULL;
}

void
watch_job_forget(struct watch_job *j)
{
    const struct job_part *part = forget_part(j);
    struct process_result result = {0};
    struct process_spec spec = {.capture = true, .limit_ms = FORGET_LIMIT_MS};
    enum vv_rc rc;

    if (part == NULL) {
        return;
    }
    spec.words = part->words;
    rc = process_run(&spec, signals_cancel(), &result, &j->app->err);
    if (rc == VV_OK && result.code != 0 &&
        result.code != EXIT_PROBLEMS) { /* it says those itself */
        messages_warning(&j->app->messages, "forget-failed",
                         "snapshots could not be thinned out (exit code %d)", result.code);
    }
    process_result_release(&result);
    vv_error_clear(&j->app->err);
}
