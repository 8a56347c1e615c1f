/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_NOTIFY_H
#define VARVE_SERVICE_NOTIFY_H

#include "core/bytes.h"

/*
 * Telling somebody what became of a job: pings of a dead-man service, mail, a command.
 *
 * Invariants
 * N1  A ping is never held back: silence is what a dead-man service takes for trouble.  That something went well is
 *     pinged by runs only: a look at the status is none, and must not pass for one.
 * N2  Mail and command tell the same trouble of a job once in `repeat_after`; another trouble at once.
 * N3  That a trouble is over is told once, and only to who was told of it.  A run that goes well ends a failure, and
 *     says nothing of silence; a silence is ended by who found it.
 * N4  What could not be sent counts as not told.
 * N5  State that is missing, damaged or of another version, and a clock that went back, hold nothing back.
 * N6  Nothing lasts longer than its limit, and no failure here is one of the job.
 * N7  No URL is in a message: tokens are in them.
 */
enum notify_event {
    NOTIFY_START,   /* a job begins */
    NOTIFY_SUCCESS, /* all of it went well */
    NOTIFY_FAILURE, /* exit code not 0 */
    NOTIFY_SILENCE, /* it has not gone well for longer than it should */
    NOTIFY_RECOVERY, /* a silence is over; success after a failure that was told, which notify_decide finds */
    NOTIFY_TEST, /* over every channel, whatever is wanted */
    NOTIFY_EVENTS
};
enum notify_channel { NOTIFY_PING, NOTIFY_MAIL, NOTIFY_COMMAND, NOTIFY_CHANNELS };

/** notify_event_name(e): "start", "success", "failure", "silence", "recovery", "test"; notify_channel_name(c):
 *  "ping", "mail", "command". */
const char *notify_event_name(enum notify_event e);
const char *notify_channel_name(enum notify_channel c);

#define NOTIFY_ON(event) (1u << (event))
struct notify_settings {
    const char *ping_url;   /* URL, URL/start, URL/fail; NULL: none */
    const char *ping_start; /* instead of those; NULL: as above */
    const char *ping_success;
    const char *ping_failure;
    bool ping_get; /* else POST, with the message */
    uint64_t ping_limit_ms;
    const char *const *mail_to; /* addresses */
    size_t mail_count;
    const char *mail_from; /* NULL: what sendmail makes of it */
    const char *sendmail;
    const char *command;       /* bash -o pipefail -c; NULL: none */
    uint64_t program_limit_ms; /* of sendmail and the command */
    unsigned on;               /* NOTIFY_ON(...) of mail and command */
    int64_t repeat_after_ns;
};
/** notify_has(s, c): is that channel configured? */
bool notify_has(const struct notify_settings *s, enum notify_channel c);

/** What happened. */
struct notify_facts {
    enum notify_event event;
    const char *job;
    const char *run; /* id; "" if there is none */
    const char *host;
    int64_t now; /* ns since 1970 */
    int code;    /* exit code; NOTIFY_FAILURE */
    /* NOTIFY_FAILURE: names of parts, with blanks between them; NOTIFY_SILENCE: "topic place" of what is CRITICAL,
     * with commas between them, sorted; else "".  Of one line. */
    const char *failed;
    const char *summary; /* lines; may be "" */
    const char *tail;    /* the end of the log, lines; may be "" */
};

/* ---- deciding ---- */

#define NOTIFY_WHAT_SIZE 160
/** A trouble that a channel was told of last, and that is not over. */
struct notify_trouble {
    bool told;
    int64_t when;                /* ns since 1970 */
    char what[NOTIFY_WHAT_SIZE]; /* exit code and names of parts, or what is CRITICAL */
};
/** Of each kind its own: a job that fails and is silent is not told anew by turns. */
enum notify_trouble_kind { NOTIFY_FAILED_BEFORE, NOTIFY_SILENT_BEFORE, NOTIFY_TROUBLES };
struct notify_state {
    struct notify_trouble troubles[NOTIFY_CHANNELS][NOTIFY_TROUBLES];
};
/** notify_state_parse(text): what is no state is an empty one (N5). */
struct notify_state notify_state_parse(struct vv_span text);
/** notify_state_print(s, out): its text. */
void notify_state_print(const struct notify_state *s, struct vv_buf *out);

enum notify_verdict {
    NOTIFY_UNWANTED,  /* not configured, or not on this event */
    NOTIFY_HELD_BACK, /* it was told before, and not long ago */
    NOTIFY_DUE,
};
struct notify_decision {
    enum notify_verdict verdict;
    enum notify_event event; /* what is told: NOTIFY_RECOVERY may have come of NOTIFY_SUCCESS */
};
/** notify_decide(s, f, state, c): touches nothing. */
struct notify_decision notify_decide(const struct notify_settings *s, const struct notify_facts *f,
                                     const struct notify_state *state, enum notify_channel c);
/** notify_remember(state, f, c): what was due was told, or what ends a trouble was not wanted. */
void notify_remember(struct notify_state *state, const struct notify_facts *f,
                     enum notify_channel c);

/* ---- wording ---- */

/** notify_subject(f, event, out): "varve on web1: job 'web' FAILED, exit code 13".  Of a run that is a recovery it
 *  says no more than that the run "went well again", since the job may be silent still. */
void notify_subject(const struct notify_facts *f, enum notify_event event, struct vv_buf *out);
/** notify_message(f, event, out): the subject, the run, the summary, the end of the log. */
void notify_message(const struct notify_facts *f, enum notify_event event, struct vv_buf *out);
/** notify_mail(s, f, event, out): with a head; lines short enough for mail (RFC 5322). */
void notify_mail(const struct notify_settings *s, const struct notify_facts *f,
                 enum notify_event event, struct vv_buf *out);
/** notify_ping_address(s, event, out): the URL to ping; empty if there is none for it.  A test pings the one for
 *  failures if there is one: it must not look like a success. */
void notify_ping_address(const struct notify_settings *s, enum notify_event event,
                         struct vv_buf *out);

/* ---- sending ---- */

enum notify_outcome { NOTIFY_NONE, NOTIFY_SUPPRESSED, NOTIFY_SENT, NOTIFY_FAILED };
struct notify_result {
    enum notify_outcome outcome; /* NOTIFY_NONE: unwanted */
    enum notify_event event;
    struct vv_error err; /* NOTIFY_FAILED: why */
};
struct notify_report {
    struct notify_result results[NOTIFY_CHANNELS];
    struct vv_error
        state; /* rc not VV_OK: the state could not be read or kept: something may be told again */
};
/** notify_send(s, f, state_file, ret): decide, send, and keep the state in that file (NULL: none is kept, and
 *  nothing is held back).  Of several at once for one file each one's news is kept: by a lock of FILE.lock. */
void notify_send(const struct notify_settings *s, const struct notify_facts *f,
                 const char *state_file, struct notify_report *ret);
/** notify_told(state_file, kind): was anybody told of such a trouble, and not yet that it is over? */
bool notify_told(const char *state_file, enum notify_trouble_kind kind);

#endif
