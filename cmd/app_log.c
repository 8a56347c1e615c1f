/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the log of this run goes, and its first and last line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "core/clock.h"

const char *const app_log_formats[] = {"text", "json", NULL};

/* Option or environment; *ret -1: neither. */
static enum vv_rc
find_format(struct app *app, int *ret)
{
    const char *given = getenv("VARVE_LOG_FORMAT");

    *ret = app->global.log_format;
    if (*ret >= 0 || given == NULL || given[0] == '\0') {
        return VV_OK;
    }
    for (int i = 0; app_log_formats[i] != NULL; i++) {
        if (strcmp(given, app_log_formats[i]) == 0) {
            *ret = i;
            return VV_OK;
        }
    }
    return vv_error_set(&app->err, VV_EUSAGE, "VARVE_LOG_FORMAT is '%s', neither text nor json",
                        given);
}

static const char *
find_file(const struct app *app)
{
    const char *given =
        app->global.log_file != NULL ? app->global.log_file : getenv("VARVE_LOG_FILE");

    return given != NULL && given[0] != '\0' ? given : NULL;
}

/* A run has its own first and last line, for each job. */
static bool
is_run(const struct app *app)
{
    return strcmp(app->path[0], "run") == 0;
}

enum vv_rc
app_log_begin(struct app *app)
{
    struct event_log *log = &app->log;
    const char *job = getenv("VARVE_JOB");
    const char *file = find_file(app);
    int format = -1;

    if (strcmp(app->path[0], "completion") == 0) {
        return VV_OK; /* somebody waits with a finger on a key: no trace, no error, no waiting */
    }
    VV_TRY(find_format(app, &format));
    if (file == NULL && format < 0) {
        return VV_OK;
    }
    log->format = format == EVENT_LOG_JSON ? EVENT_LOG_JSON : EVENT_LOG_TEXT;
    log->job = job != NULL && getenv("VARVE_RUN") != NULL ? job : "";
    run_id_inherit(log->run);
    (void)snprintf(log->process, sizeof(log->process), "%s%s%s", app->path[0],
                   app->path[1] != NULL ? "-" : "", app->path[1] != NULL ? app->path[1] : "");
    if (file == NULL) {
        event_log_open_stderr(log);
        app->messages.only_log = true;
    } else if (event_log_open_file(log, file, &app->err) != VV_OK) {
        /* What was asked for is done all the same. */
        messages_warning(&app->messages, "log-unwritable", "%s", app->err.message);
        vv_error_clear(&app->err);
    }
    app->log_began = vv_clock_system()->monotonic(vv_clock_system());
    app->messages.log = log;
    if (!is_run(app)) {
        event_log_write(log, EVENT_INFO, "command.begin", NULL, 0);
    }
    return VV_OK;
}

void
app_log_end(struct app *app, enum exit_code code)
{
    uint64_t now = vv_clock_system()->monotonic(vv_clock_system());
    const struct event_field fields[] = {
        event_number("code", (int64_t)code),
        event_seconds("seconds", (now - app->log_began) / 1000000)};

    if (app->log.open && !is_run(app)) {
        event_log_write(&app->log, code == EXIT_DONE ? EVENT_INFO : EVENT_ERROR, "command.end",
                        fields, VV_COUNT(fields));
    }
    if (app->log.failed) {
        app->messages.log = NULL; /* once, and not into it */
        messages_warning(&app->messages, "log-unwritable", "lines of the log were lost");
    }
    app->messages.log = NULL;
    event_log_close(&app->log);
}
