/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_MESSAGE_H
#define VARVE_CMD_MESSAGE_H

#include "core/event.h"
#include "core/thread.h"
#include "event_log.h"
#include "report/json.h"
#include "report/tty.h"

/*
 * What is said on standard error, and kept for the JSON document.  Names and texts of others are
 * escaped here: no control character of theirs reaches a terminal.  Where standard error is the journal,
 * lines begin with their priority.  All of it goes into the log for programs too, if there is one.
 * Thread-safe.
 */

#define MESSAGES_KEPT 1000u /* of each kind, for the document */

struct messages {
    struct vv_events events; /* first: what engines emit ends here */
    struct vv_mutex lock;
    struct tty_line line;  /* standard error; the progress line goes before anything is printed */
    bool names;            /* -v: VV_EVENT_ENTRY and notices are printed */
    bool keep;             /* --json */
    bool journal;          /* standard error is */
    struct event_log *log; /* NULL: there is none */
    bool only_log;         /* which is on standard error in place of these messages */
    uint64_t *said;        /* with messages_once: hashes of what was said */
    uint64_t problems;
    uint64_t warnings;
    struct vv_buf kept[2]; /* problems, warnings: encoded */
};

void messages_init(struct messages *m);
void messages_release(struct messages *m);

/** messages_once(m, again): for a command that does the same again and again: from now on what was said once is
 *  not said again; ${again}: until now. */
void messages_once(struct messages *m, bool again);

/** messages_error(m, err): "varve: message", "hint: ...". */
void messages_error(struct messages *m, const struct vv_error *err);
/** messages_warning(m, name, fmt, ...): as an event of the command itself. */
void messages_warning(struct messages *m, const char *name, const char *fmt, ...) VV_PRINTF(3, 4);
/** messages_say(m, fmt, ...): one line of chatter. */
void messages_say(struct messages *m, const char *fmt, ...) VV_PRINTF(2, 3);
/** messages_json(m, j): "problems" and "warnings" into an open object. */
void messages_json(const struct messages *m, struct json *j);

/** message_escape(out, text): as vv_text_escape, but line ends stay, indented. */
void message_escape(struct vv_buf *out, const char *text);
/** message_print(text, file): escaped, on a stream. */
void message_print(const char *text, FILE *file);

#endif
