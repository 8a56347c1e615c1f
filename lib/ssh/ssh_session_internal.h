/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SSH_SSH_SESSION_INTERNAL_H
#define VARVE_SSH_SSH_SESSION_INTERNAL_H

#include <libssh2.h>

#include "ssh/ssh_plan_internal.h"

/*
 * One libssh2 session with one channel.  libssh2 never blocks here; whoever gets EAGAIN waits.
 *
 * Invariants:
 * L1  the host key is checked before anything of ours but the user's name is shown.
 * L2  after EAGAIN the same call is repeated before any other that sends.
 * L3  no step takes longer than the plan's timeout, and none goes on once asked to stop.
 */
struct ssh_session {
    struct byte_stream base;
    char *name;
    int fd;
    LIBSSH2_SESSION *session;
    LIBSSH2_CHANNEL *channel;
    const struct vv_clock *clock;
    /* While connecting. */
    const struct ssh_plan *plan;
    uint64_t deadline_ms; /* of the present step */
    bool said_goodbye;    /* the server has ended the connection by a message */
    /* As a stream. */
    bool drained;     /* the last receive has found nothing more */
    bool send_failed; /* the last send took less than it was offered */
    uint64_t alive_ms;
};

/** ssh_session_step(s): the next step begins: it has the whole time. */
void ssh_session_step(struct ssh_session *s);
/** ssh_session_wait(s, what, err): until libssh2, which has said EAGAIN, can go on (L3).  ${what}
 *  the host has not done, if time runs out. */
MUST_CHECK enum vv_rc ssh_session_wait(struct ssh_session *s, const char *what,
                                       struct vv_error *err);
/** ssh_session_error(s, rc, what, err): what libssh2's ${rc} means: VV_ETRANSIENT for a lost
 *  connection, VV_ENOMEM, else VV_EIO. */
enum vv_rc ssh_session_error(struct ssh_session *s, int rc, const char *what, struct vv_error *err);

/** ssh_session_log_in(s, failure, err): VV_EAUTH with what was tried if nothing was accepted. */
MUST_CHECK enum vv_rc ssh_session_log_in(struct ssh_session *s, struct ssh_failure *failure,
                                         struct vv_error *err);

/** What logging in has tried, for the message if all of it fails. */
struct ssh_attempts {
    struct ssh_session *s;
    struct ssh_failure *failure;
    struct vv_buf tried; /* "a, b" */
    unsigned count;      /* of credentials shown to the server */
    bool in;             /* accepted */
    char hint[384];      /* of the first trouble met, empty if none */
};
/** ssh_attempt_note(a, fmt, ...): add to what was tried. */
void ssh_attempt_note(struct ssh_attempts *a, const char *fmt, ...) VV_PRINTF(2, 3);
/** ssh_attempt_unusable(a, type, path): a key that only the ssh command can use; true if so. */
bool ssh_attempt_unusable(struct ssh_attempts *a, enum ssh_key_type type, const char *path);
/** ssh_attempt_result(a, rc, ret_again, err): what libssh2's ${rc} of one attempt means: accepted
 *  (a->in), EAGAIN waited for (*ret_again), refused (VV_OK), or the end.  libssh2 says refused, too, when
 *  the connection was lost while it waited for the answer. */
MUST_CHECK enum vv_rc ssh_attempt_result(struct ssh_attempts *a, int rc, bool *ret_again,
                                         struct vv_error *err);
MUST_CHECK enum vv_rc ssh_attempt_agent(struct ssh_attempts *a, struct vv_error *err);
MUST_CHECK enum vv_rc ssh_attempt_files(struct ssh_attempts *a, struct vv_error *err);
MUST_CHECK enum vv_rc ssh_attempt_password(struct ssh_attempts *a, const char *methods,
                                           struct vv_error *err);

/** ssh_session_stream(s): make it a byte stream. */
void ssh_session_stream(struct ssh_session *s);
void ssh_session_free(struct ssh_session *s);
VV_DEFINE_CLEANUP(struct ssh_session, ssh_session_free);

#endif
