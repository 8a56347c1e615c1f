/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of the log for programs. */
#include "event_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"
#include "report/json.h"

#define WHEN_TEXT 48

static const char *const level_names[] = {"debug", "info", "warning", "error"};

/* ---- fields ---- */

struct event_field
event_text(const char *name, const char *text)
{
    return event_bytes(name, vv_span(text, strlen(text)));
}

struct event_field
event_bytes(const char *name, struct vv_span bytes)
{
    return (struct event_field){.name = name, .kind = EVENT_BYTES, .bytes = bytes};
}

struct event_field
event_number(const char *name, int64_t number)
{
    return (struct event_field){.name = name, .kind = EVENT_NUMBER, .number = number};
}

struct event_field
event_seconds(const char *name, uint64_t milliseconds)
{
    return (struct event_field){
        .name = name, .kind = EVENT_SECONDS, .number = (int64_t)milliseconds};
}

/* ---- the journal ---- */

bool
journal_is(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    const char *rest;

    return stream != NULL && vv_fd_is(fd, stream, &rest) && rest[0] == '\0';
}

int
journal_priority(enum event_level level)
{
    static const int priorities[] = {7, 6, 4, 3};

    return priorities[level];
}

/* ---- opening ---- */

enum vv_rc
event_log_open_file(struct event_log *log, const char *path, struct vv_error *err)
{
    /* It does not wait for somebody to read a FIFO; lines wait, then, for who reads slowly. */
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    int flags = fd >= 0 ? fcntl(fd, F_GETFL) : -1;

    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) {
        int why = errno;
        vv_fd_close(fd);
        return vv_error_sys(err, why, "cannot write the log '%s'%s", path,
                            why == ENXIO ? " (if it is a FIFO, nobody reads it)" : "");
    }
    log->fd = fd;
    log->journal = false;
    log->open = true;
    return VV_OK;
}

void
event_log_open_stderr(struct event_log *log)
{
    log->fd = STDERR_FILENO;
    log->journal = journal_is(STDERR_FILENO);
    log->open = true;
}

void
event_log_close(struct event_log *log)
{
    if (log->open && log->fd != STDERR_FILENO) {
        vv_fd_close(log->fd);
    }
    log->open = false;
}

/* ---- lines ---- */

/* "2026-11-27T02:30:00.123456Z" */
static void
format_time(int64_t ns, char out[WHEN_TEXT])
{
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm tm;

    if (gmtime_r(&seconds, &tm) == NULL ||
        strftime(out, WHEN_TEXT, "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
        out[0] = '\0';
    }
    (void)snprintf(out + strlen(out), WHEN_TEXT - strlen(out), ".%06uZ",
                   (unsigned)(ns % 1000000000 / 1000));
}

static bool
is_plain(struct vv_span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] == '"' || text.data[i] == '=') {
            return false;
        }
    }
    return text.len > 0;
}

/* "key=value", in quotes where that is needed; nothing in it ends the line or the quotes. */
static void
put_text_field(struct vv_buf *out, const char *name, struct vv_span text)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf escaped = {0};

    vv_text_escape(&escaped, text);
    vv_buf_printf(out, " %s=", name);
    if (is_plain(vv_buf_span(&escaped))) {
        vv_buf_put(out, escaped.data, escaped.len);
        return;
    }
    vv_buf_put_u8(out, '"');
    for (size_t i = 0; i < escaped.len; i++) {
        if (escaped.data[i] == '"') {
            vv_buf_put_u8(out, '\\');
        }
        vv_buf_put_u8(out, escaped.data[i]);
    }
    vv_buf_put_u8(out, '"');
}

static void
put_text(const struct event_log *log, const char *when, enum event_level level, const char *event,
         const struct event_field *fields, size_t count, struct vv_buf *out)
{
    vv_buf_printf(out, "%s %-7s %s run=%s", when, level_names[level], event, log->run);
    if (log->job[0] != '\0') {
        put_text_field(out, "job", vv_span(log->job, strlen(log->job)));
    }
    put_text_field(out, "process", vv_span(log->process, strlen(log->process)));
    vv_buf_printf(out, " pid=%ld", (long)getpid());
    for (size_t i = 0; i < count; i++) {
        const struct event_field *f = &fields[i];
        if (f->kind == EVENT_BYTES) {
            put_text_field(out, f->name, f->bytes);
        } else if (f->kind == EVENT_NUMBER) {
            vv_buf_printf(out, " %s=%" PRId64, f->name, f->number);
        } else {
            vv_buf_printf(out, " %s=%.3f", f->name, (double)f->number / 1000);
        }
    }
    vv_buf_put_u8(out, '\n');
}

static void
put_json(const struct event_log *log, const char *when, enum event_level level, const char *event,
         const struct event_field *fields, size_t count, struct vv_buf *out)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    struct json j;

    if (file == NULL) {
        out->failed = true;
        return;
    }
    json_begin_line(&j, file);
    json_put_text(&j, "time", when);
    json_put_text(&j, "level", level_names[level]);
    json_put_text(&j, "event", event);
    json_put_text(&j, "run", log->run);
    if (log->job[0] != '\0') {
        json_put_text(&j, "job", log->job);
    }
    json_put_text(&j, "process", log->process);
    json_put_i64(&j, "pid", (int64_t)getpid());
    for (size_t i = 0; i < count; i++) {
        const struct event_field *f = &fields[i];
        if (f->kind == EVENT_BYTES) {
            json_put_bytes(&j, f->name, f->bytes);
        } else if (f->kind == EVENT_NUMBER) {
            json_put_i64(&j, f->name, f->number);
        } else {
            json_put_real(&j, f->name, (double)f->number / 1000);
        }
    }
    json_finish(&j);
    out->failed = out->failed || fclose(file) != 0 || j.failed;
    vv_buf_put(out, text, len);
    free(text);
}

void
event_log_write(struct event_log *log, enum event_level level, const char *event,
                const struct event_field *fields, size_t count)
{
    const struct vv_clock *clock = vv_clock_system();
    VV_CLEANUP(vv_buf_release) struct vv_buf line = {0};
    char when[WHEN_TEXT];

    if (!log->open) {
        return;
    }
    format_time(clock->realtime(clock), when);
    if (log->journal) {
        vv_buf_printf(&line, "<%d>", journal_priority(level));
    }
    if (log->format == EVENT_LOG_JSON) {
        put_json(log, when, level, event, fields, count, &line);
    } else {
        put_text(log, when, level, event, fields, count, &line);
    }
    if (vv_buf_check(&line, NULL) != VV_OK ||
        vv_fd_write_full(log->fd, line.data, line.len, "the log", NULL) != VV_OK) {
        log->failed = true;
    }
}
