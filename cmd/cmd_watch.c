/* SPDX-License-Identifier: BSD-2-Clause */
/* varve watch JOB: a snapshot whenever something has changed. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "core/clock.h"
#include "core/file.h"
#include "duration.h"
#include "job_start.h"
#include "manager_notify.h"
#include "signals.h"
#include "watch_job.h"
#include "watch_receivers.h"

#define SECOND UINT64_C(1000000000)
#define QUIET_DEFAULT (2 * SECOND)
#define DELAY_DEFAULT (10 * SECOND)
#define BLIND (900 * SECOND)
#define SLOT_DEFAULT (3u * 60)
#define BUSY_WAIT SECOND /* while 'varve run' is at it */
#define STOP_GRACE_S 20u
#define COMMAND_LINE_MOST ((size_t)1 << 20)

struct watch_command_line {
    bool inotify;
};
static const struct option_spec specs[] = {
    {"inotify", '\0', OPTION_FLAG, offsetof(struct watch_command_line, inotify), NULL,
     "watch every directory by inotify, also where fanotify could be used", NULL},
    OPTION_END,
};

/** One run of it. */
struct service {
    struct app *app;
    struct watch_job job;
    struct watch_pace pace;
    struct manager manager;
    struct watch_receivers *receivers;
    int signal_fd;
    int lock; /* one watch a job */
    uint64_t busy_until;
    bool told_busy;
    enum watch_way way;
};

static uint64_t
now_ns(void)
{
    return vv_clock_system()->monotonic(vv_clock_system());
}

static int64_t
real_ns(void)
{
    return vv_clock_system()->realtime(vv_clock_system());
}

static struct watch_pace_settings
settings_of(const struct service *s)
{
    const struct settings_section *job = s->job.section;
    struct watch_pace_settings p = {.quiet = QUIET_DEFAULT,
                                    .delay = DELAY_DEFAULT,
                                    .blind = BLIND,
                                    .slot = SLOT_DEFAULT,
                                    .may_forget = watch_job_may_forget(&s->job)};
    const char *quiet = settings_get(job, "watch-quiet");
    const char *delay = settings_get(job, "watch-delay");
    const char *slot = settings_get(job, "watch-full-walk");

    /* The configuration was checked by the same functions. */
    if ((quiet != NULL && !seconds_parse(quiet, &p.quiet)) ||
        (delay != NULL && !seconds_parse(delay, &p.delay)) ||
        (slot != NULL && !time_of_day_parse(slot, &p.slot))) {
        p.slot = SLOT_DEFAULT;
    }
    return p;
}

/* ---- reload ---- */

/** Would this job be watched by the configuration as it is now? */
static enum vv_rc
check_configuration(struct service *s, struct vv_error *err)
{
    struct app probe;
    struct settings *c = NULL;
    const struct settings_section *job = NULL;
    enum vv_rc rc;

    app_init(&probe);
    probe.global.config = s->app->global.config;
    probe.path[0] = s->app->path[0];
    rc = settings_input_need(&probe, &c, &probe.err);
    rc = rc == VV_OK ? settings_input_refuse(c, 0, &probe.err) : rc;
    rc = rc == VV_OK ? job_find(&probe, c, s->job.section->name, &job) : rc;
    rc = rc == VV_OK ? job_check_secrets(&probe, job) : rc;
    *err = probe.err;
    app_release(&probe);
    return rc;
}

/** The words of a "/proc/self/cmdline". */
static bool
split_words(struct vv_buf *text, char **words, size_t room)
{
    size_t count = 0;

    for (size_t at = 0; at < text->len && count + 1 < room;
         at += strlen((char *)text->data + at) + 1) {
        words[count++] = (char *)text->data + at;
    }
    words[count] = NULL;
    return count > 0;
}

/** Become the program anew, with the same words: whatever the configuration says counts then, and what has
 *  changed meanwhile is found as after any start. */
static void
start_anew(struct service *s)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    char program[PATH_MAX];
    char *words[1024];
    sigset_t hold;
    ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
    static const char deleted[] = " (deleted)"; /* by an upgrade: the new one is there */

    if (len <= 0 ||
        vv_file_read(AT_FDCWD, "/proc/self/cmdline", COMMAND_LINE_MOST, &text, NULL) != VV_OK ||
        !split_words(&text, words, VV_COUNT(words))) {
        return;
    }
    program[len] = '\0';
    if ((size_t)len > sizeof(deleted) &&
        strcmp(program + len - (sizeof(deleted) - 1), deleted) == 0) {
        program[(size_t)len - (sizeof(deleted) - 1)] = '\0';
    }
    watch_receivers_end(TAKE(s->receivers));
    (void)sigemptyset(&hold); /* one more SIGHUP meanwhile is not the end of it */
    (void)sigaddset(&hold, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &hold, NULL);
    (void)execv(program, words);
    (void)execv("/proc/self/exe", words);
    (void)sigprocmask(SIG_UNBLOCK, &hold, NULL);
}

static void
reload(struct service *s)
{
    struct vv_error err = {0};

    manager_say(&s->manager, "RELOADING=1\nMONOTONIC_USEC=%llu",
                (unsigned long long)(now_ns() / 1000));
    if (check_configuration(s, &err) == VV_OK) {
        messages_say(&s->app->messages, "varve: the configuration is read anew");
        start_anew(s);
        (void)vv_error_set(&err, VV_EIO, "cannot start anew");
    }
    (void)vv_error_prefix(&err, "the configuration stays as it was");
    messages_error(&s->app->messages, &err);
    manager_say(&s->manager, "READY=1");
}

/* ---- what is to be done ---- */

/** What the watch has seen. */
static void
look(struct service *s)
{
    enum watch_way way = watch_way(s->job.watch);

    if (watch_take(s->job.watch, s->job.pending)) {
        if (change_set_is_everything(s->job.pending)) {
            watch_pace_whole(&s->pace, now_ns());
        } else {
            watch_pace_changed(&s->pace, now_ns());
        }
    }
    watch_pace_blind(&s->pace, way == WATCH_BLIND);
    s->way = way;
}

static void
tell_status(struct service *s, enum watch_outcome outcome)
{
    char when[VV_TIME_TEXT];

    vv_time_format(real_ns(), when);
    switch (outcome) {
    case WATCH_MADE:
        manager_say(&s->manager, "STATUS=last snapshot at %.19s", when);
        break;
    case WATCH_UNCHANGED:
        manager_say(&s->manager, "STATUS=nothing new at %.19s", when);
        break;
    case WATCH_BUSY:
        manager_say(&s->manager, "STATUS=waiting for 'varve run' of this job");
        break;
    case WATCH_FAILED:
        manager_say(&s->manager, "STATUS=no snapshot can be made since before %.19s; trying again",
                    when);
        break;
    case WATCH_ENDS:
        break;
    }
}

/** One snapshot; false: this is the end (app->err). */
static bool
save(struct service *s, const struct watch_step *step)
{
    enum watch_outcome outcome;
    struct vv_error err = {0};

    if (s->way == WATCH_BLIND && !s->told_busy && watch_job_again(&s->job, &err) == VV_OK) {
        s->way = watch_way(s->job.watch);
    }
    watch_pace_began(&s->pace);
    outcome = watch_job_snapshot(&s->job, step);
    if (outcome == WATCH_MADE || outcome == WATCH_UNCHANGED) {
        s->told_busy = false;
        watch_pace_ended(&s->pace, step, outcome == WATCH_MADE, now_ns(), real_ns());
    } else {
        bool failed = outcome != WATCH_BUSY;
        watch_pace_put_off(&s->pace, step, failed, now_ns());
        s->busy_until = failed ? 0 : now_ns() + BUSY_WAIT;
        if (!failed && !s->told_busy) {
            s->told_busy = true;
            messages_say(&s->app->messages,
                         "varve: 'varve run' of this job goes on; snapshots wait for it");
        }
    }
    tell_status(s, outcome);
    return outcome != WATCH_ENDS;
}

static void
wait_for_something(struct service *s, uint64_t ns)
{
    struct pollfd p[] = {{.fd = s->signal_fd, .events = POLLIN},
                         {.fd = watch_fd(s->job.watch), .events = POLLIN}};
    uint64_t count;
    uint64_t ms = ns / 1000000 + 1;

    (void)poll(p, VV_COUNT(p), ms < INT_MAX ? (int)ms : INT_MAX);
    if (read(s->signal_fd, &count, sizeof(count)) < 0) {
        /* no signal */
    }
}

/** Asked to stop: what has changed since is saved if that is quickly done. */
static void
stop(struct service *s)
{
    const struct watch_step last = {.action = WATCH_SNAPSHOT};

    manager_say(&s->manager, "STOPPING=1");
    look(s);
    if (!watch_pace_unsaved(&s->pace)) {
        return;
    }
    if (s->pace.whole || s->pace.failures > 0 ||
        watch_job_snapshot(&s->job, &last) > WATCH_UNCHANGED) {
        messages_say(&s->app->messages,
                     "varve: stopped with changes that are in no snapshot yet; they are found when "
                     "this is started again");
        vv_error_clear(&s->app->err);
    }
}

static enum vv_rc
serve(struct service *s)
{
    for (;;) {
        struct watch_step step;
        uint64_t now = now_ns();
        manager_alive(&s->manager);
        if (signals_stop_wanted()) {
            stop(s);
            return VV_OK;
        }
        if (signals_reload_wanted()) {
            reload(s);
        }
        look(s);
        step = watch_pace_next(&s->pace, now, real_ns());
        if (step.action == WATCH_SNAPSHOT && now < s->busy_until) {
            step = (struct watch_step){.wait = s->busy_until - now};
        }
        if (step.action == WATCH_SNAPSHOT && !save(s, &step)) {
            if (signals_stop_wanted()) { /* there was no time for it */
                vv_error_clear(&s->app->err);
                stop(s);
                return VV_OK;
            }
            return s->app->err.rc;
        }
        if (step.action == WATCH_FORGET) {
            watch_job_forget(&s->job);
            watch_pace_forgot(&s->pace, now_ns());
        } else if (step.action == WATCH_WAIT) {
            wait_for_something(s, step.wait);
        }
    }
}

static enum vv_rc
begin(struct service *s, const char *name, bool inotify)
{
    static const char *const ways[] = {"fanotify", "inotify", "full walks"};
    struct app *app = s->app;
    struct settings *c = NULL;
    const struct settings_section *section = NULL;
    struct watch_pace_settings pace;

    VV_TRY(job_check_global(app));
    if (app->global.json) {
        return app_usage(app, "this goes on and on: there is no document at its end");
    }
    VV_TRY(settings_input_need(app, &c, &app->err));
    VV_TRY(settings_input_refuse(c, 0, &app->err));
    VV_TRY(job_find(app, c, name, &section));
    VV_TRY(job_check_secrets(app, section));
    VV_TRY(job_watch_lock(app, name, &s->lock));
    VV_TRY(signals_serve(STOP_GRACE_S, &s->signal_fd, &app->err));
    messages_once(&app->messages, false);
    VV_TRY(watch_job_open(app, section, inotify, &s->job, &app->err));
    s->way = watch_way(s->job.watch);
    pace = settings_of(s);
    watch_pace_begin(&s->pace, &pace, now_ns(), real_ns());
    VV_TRY(watch_receivers_begin(app, section, &s->receivers, &app->err));
    VV_TRY(manager_begin(&s->manager, &s->job.progress, &app->err));
    if (!app->global.quiet) {
        messages_say(&app->messages, "varve: watching job '%s' by %s", name, ways[s->way]);
    }
    manager_say(&s->manager, "READY=1\nSTATUS=watching");
    return VV_OK;
}

static enum exit_code
run(struct app *app, int argc, char **argv)
{
    struct watch_command_line o = {0};
    struct service s = {
        .app = app, .job = {.app = app}, .signal_fd = -1, .lock = -1, .manager = {.fd = -1}};
    struct arguments args = {0};
    enum vv_rc rc;

    if (!app_arguments(app, &o, argc, argv, 1, 1, &args)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = begin(&s, args.items[0], o.inotify);
    rc = rc == VV_OK ? serve(&s) : rc;
    manager_end(&s.manager);
    watch_receivers_end(s.receivers);
    watch_job_release(&s.job);
    vv_fd_close(s.signal_fd);
    vv_fd_close(s.lock);
    arguments_release(&args);
    app->messages.problems = 0; /* they were told as they came; a stop that was asked for is none */
    return app_finish(app, rc, EXIT_DONE);
}

const struct command cmd_watch = {
    .name = "watch",
    .arguments = "JOB",
    .summary = "make a snapshot of a job's files whenever something in them has changed",
    .details = "Runs until it is stopped (SIGTERM); SIGHUP reads the configuration anew.  A "
               "snapshot looks\n"
               "only at what has changed; once a day, and whenever it is not known what has, at "
               "all files.\n"
               "See varve.conf(5) for watch-quiet, watch-delay and watch-full-walk.",
    .specs = specs,
    .run = run,
};
