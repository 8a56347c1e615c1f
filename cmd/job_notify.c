/* SPDX-License-Identifier: BSD-2-Clause */
/* Notifications of a job's run. */
#include "job_notify.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "directories.h"
#include "job_report.h"
#include "notify_settings.h"
#include "report/tty.h"

enum { AT_START, AT_END };

const char *
notify_outcome_name(enum notify_outcome o)
{
    static const char *const names[] = {"", "held back", "sent", "failed"};

    return names[o];
}

/* ---- problems ---- */

static void tell_problem(struct job_notify *n, const char *fmt, ...) VV_PRINTF(2, 3);

static void
tell_problem(struct job_notify *n, const char *fmt, ...)
{
    char text[1600];
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    vv_emit(&n->app->messages.events, VV_EVENT_PROBLEM, "notify-failed", vv_span(NULL, 0),
            "job '%s': %s", n->job->name, text);
}

/* What others can read is used all the same: this is no reason to be silent, nor not to back up. */
static void
check_secrets(struct job_notify *n, struct settings *c, const struct settings_section *section)
{
    unsigned known = settings_problem_count(c);
    struct vv_error err = {0};
    enum vv_rc rc = settings_check_secrets(c, section, &err);

    rc = rc == VV_OK ? settings_input_refuse(c, known, &err) : rc;
    if (rc != VV_OK) {
        tell_problem(n, "%s (%s)", err.message, err.hint);
    }
}

void
job_notify_init(struct job_notify *n, struct app *app, const struct settings_section *job,
                const char *run)
{
    const struct settings_section *section;
    struct settings *c = NULL;
    struct vv_error err = {0};
    enum vv_rc rc;

    *n = (struct job_notify){.app = app, .job = job, .run = run};
    rc = settings_input_read(app, &c, &err);
    section = rc == VV_OK ? notify_settings_of(c, job) : NULL;
    if (section != NULL) {
        check_secrets(n, c, section);
        rc = notify_settings_make(section, &n->arena, &n->settings, &err);
    }
    if (rc != VV_OK) {
        tell_problem(n, "nobody will be told of it: %s", err.message);
        return;
    }
    for (enum notify_channel i = NOTIFY_PING; section != NULL && i < NOTIFY_CHANNELS; i++) {
        n->wanted = n->wanted || notify_has(&n->settings, i);
    }
    n->tail.journal = app->messages.journal;
    n->tail.columns = tty_is_terminal(STDERR_FILENO) ? tty_width(STDERR_FILENO) : 0;
}

/* ---- sending ---- */

static void
log_result(struct job_notify *n, enum notify_channel c, const struct notify_result *r)
{
    static const char *const names[] = {"", "notify.held-back", "notify.sent", "notify.failed"};
    const struct event_field fields[] = {
        event_text("channel", notify_channel_name(c)),
        event_text("about", notify_event_name(r->event)),
        event_text("why", r->err.message),
    };

    event_log_write(&n->app->log, r->outcome == NOTIFY_FAILED ? EVENT_ERROR : EVENT_INFO,
                    names[r->outcome], fields, VV_COUNT(fields) - (r->outcome != NOTIFY_FAILED));
}

/* The file in that directory where it is kept what was told. */
static enum vv_rc
put_state_name(struct vv_buf *directory, const struct settings_section *job, struct vv_buf *path,
               struct vv_error *err)
{
    vv_buf_printf(path, "%s/notify-%s.state", vv_buf_text(directory), job->name);
    return vv_buf_check(path, err);
}

/* Empty, and it is said why, if nothing can be kept. */
static void
find_state(struct job_notify *n, struct vv_buf *path)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf directory = {0};
    struct vv_error err = {0};
    enum vv_rc rc = directories_find(DIRECTORY_STATE, &directory, &err);

    rc = rc == VV_OK ? directories_make(&directory, &err) : rc;
    rc = rc == VV_OK ? put_state_name(&directory, n->job, path, &err) : rc;
    if (rc != VV_OK) {
        vv_buf_reset(path);
        messages_warning(&n->app->messages, "notify-state",
                         "job '%s': what was told is not remembered: %s", n->job->name,
                         err.message);
    }
}

/* False: something that was due did not go out. */
static bool
send_all(struct job_notify *n, struct notify_facts *f, struct notify_report *report)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf state = {0};
    bool good = true;

    f->job = n->job->name;
    f->run = n->run;
    f->host = app_host();
    f->now = vv_clock_system()->realtime(vv_clock_system());
    find_state(n, &state);
    notify_send(&n->settings, f, state.len > 0 ? vv_buf_text(&state) : NULL, report);
    if (report->state.rc != VV_OK) {
        messages_warning(&n->app->messages, "notify-state",
                         "job '%s': what was told is not remembered: %s", n->job->name,
                         report->state.message);
    }
    for (enum notify_channel c = NOTIFY_PING; c < NOTIFY_CHANNELS; c++) {
        const struct notify_result *r = &report->results[c];
        if (r->outcome == NOTIFY_NONE) {
            continue;
        }
        log_result(n, c, r);
        if (r->outcome == NOTIFY_FAILED) {
            good = false;
            tell_problem(n, "the %s about its %s could not be sent: %s%s%s", notify_channel_name(c),
                         notify_event_name(r->event), r->err.message,
                         r->err.hint[0] != '\0' ? "\nhint: " : "", r->err.hint);
        }
    }
    return good;
}

void
job_notify_start(struct job_notify *n)
{
    struct notify_facts f = {.event = NOTIFY_START, .failed = "", .summary = "", .tail = ""};

    if (n->wanted) {
        n->told[AT_START] = true;
        (void)send_all(n, &f, &n->reports[AT_START]);
    }
}

enum exit_code
job_notify_end(struct job_notify *n, const struct job_report *report, enum exit_code code)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf failed = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf summary = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf tail = {0};
    struct notify_facts f = {.event = code == EXIT_DONE ? NOTIFY_SUCCESS : NOTIFY_FAILURE,
                             .code = (int)code};
    bool good = true;

    if (n->wanted) {
        if (report != NULL) {
            job_report_failed(report, &failed);
            job_report_summary(report, &summary);
        } else {
            message_escape(&summary, n->app->err.message);
        }
        output_tail_text(&n->tail, &tail);
        f.failed = vv_buf_text(&failed);
        f.summary = vv_buf_text(&summary);
        f.tail = vv_buf_text(&tail);
        n->told[AT_END] = true;
        good = send_all(n, &f, &n->reports[AT_END]);
    }
    for (enum notify_channel c = NOTIFY_PING; n->told[AT_START] && c < NOTIFY_CHANNELS; c++) {
        good = good && n->reports[AT_START].results[c].outcome != NOTIFY_FAILED;
    }
    return good ? code : exit_code_worse(code, EXIT_PROBLEMS);
}

void
job_notify_status(struct job_notify *n, enum notify_event event, const char *critical,
                  const char *text)
{
    struct notify_facts f = {.event = event, .failed = critical, .summary = text, .tail = ""};
    struct notify_report report;

    if (n->wanted) {
        (void)send_all(n, &f, &report);
    }
}

bool
job_notify_was_silent(const struct settings_section *job)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf directory = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};

    return directories_find(DIRECTORY_STATE, &directory, NULL) == VV_OK &&
           put_state_name(&directory, job, &path, NULL) == VV_OK &&
           notify_told(vv_buf_text(&path), NOTIFY_SILENT_BEFORE);
}

/* ---- the report ---- */

void
job_notify_print(const struct job_notify *n)
{
    for (enum notify_channel c = NOTIFY_PING; n->told[AT_END] && c < NOTIFY_CHANNELS; c++) {
        const struct notify_result *r = &n->reports[AT_END].results[c];
        if (r->outcome != NOTIFY_NONE) {
            printf("  %-11s %-9s %s%s", "notify", notify_outcome_name(r->outcome),
                   notify_channel_name(c),
                   r->outcome == NOTIFY_SUPPRESSED ? ", it was told before" : "");
            if (r->outcome == NOTIFY_FAILED) {
                printf(": ");
                message_print(r->err.message, stdout);
            }
            printf("\n");
        }
    }
}

static void
put_report(const struct notify_report *report, struct json *j)
{
    for (enum notify_channel c = NOTIFY_PING; c < NOTIFY_CHANNELS; c++) {
        const struct notify_result *r = &report->results[c];
        if (r->outcome != NOTIFY_NONE) {
            json_put_object(j, NULL);
            json_put_text(j, "channel", notify_channel_name(c));
            json_put_text(j, "about", notify_event_name(r->event));
            json_put_text(j, "state", notify_outcome_name(r->outcome));
            if (r->outcome == NOTIFY_FAILED) {
                json_put_text(j, "why", r->err.message);
            }
            json_put_end(j);
        }
    }
}

void
job_notify_json(const struct job_notify *n, struct json *j)
{
    json_put_array(j, "notifications");
    for (size_t i = 0; i < VV_COUNT(n->reports); i++) {
        if (n->told[i]) {
            put_report(&n->reports[i], j);
        }
    }
    json_put_end(j);
}

void
job_notify_release(struct job_notify *n)
{
    output_tail_release(&n->tail);
    vv_arena_release(&n->arena);
}
