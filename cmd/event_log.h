/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_EVENT_LOG_H
#define VARVE_CMD_EVENT_LOG_H

#include <stddef.h>

#include "core/bytes.h"
#include "run_id.h"

/*
 * The log for programs: one line an event, with time, level, the event's stable name (varve-events(7)), run, job,
 * process and what else there is to say.  A line is one write, so that several processes can have one file.
 * It goes to a file, or to standard error in place of what is said there otherwise.
 */
enum event_level { EVENT_DEBUG, EVENT_INFO, EVENT_WARNING, EVENT_ERROR };
enum event_log_format { EVENT_LOG_TEXT, EVENT_LOG_JSON };

struct event_field {
    const char *name;
    enum { EVENT_BYTES, EVENT_NUMBER, EVENT_SECONDS } kind;
    struct vv_span bytes;
    int64_t number; /* EVENT_SECONDS: of milliseconds */
};
struct event_field event_text(const char *name, const char *text);
struct event_field event_bytes(const char *name, struct vv_span bytes);
struct event_field event_number(const char *name, int64_t number);
struct event_field event_seconds(const char *name, uint64_t milliseconds);

struct event_log {
    bool open;
    int fd;
    bool journal; /* lines begin with their priority */
    enum event_log_format format;
    char run[RUN_ID_TEXT];
    const char *job;  /* "" if none */
    char process[32]; /* the command's name */
    bool failed;      /* a line could not be written */
};

/** event_log_open_file(log, path, err): append to it (made with mode 0600).  A FIFO that nobody reads is an error, and
 *  not waited for. */
MUST_CHECK enum vv_rc event_log_open_file(struct event_log *log, const char *path,
                                          struct vv_error *err);
/** event_log_open_stderr(log): onto standard error. */
void event_log_open_stderr(struct event_log *log);
void event_log_close(struct event_log *log);
/** event_log_write(log, level, event, fields, count): nothing if it is not open.  A line that cannot be written is
 *  lost: log->failed.  Thread-safe, as long as nobody changes the log. */
void event_log_write(struct event_log *log, enum event_level level, const char *event,
                     const struct event_field *fields, size_t count);

/** journal_is(fd): is that descriptor the journal, or does it lead to it (JOURNAL_STREAM)? */
bool journal_is(int fd);
/** journal_priority(level): as the journal has them: 7, 6, 4, 3. */
int journal_priority(enum event_level level);

#endif
