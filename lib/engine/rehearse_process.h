/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_REHEARSE_PROCESS_H
#define VARVE_ENGINE_REHEARSE_PROCESS_H

#include <sys/types.h>

#include "core/bytes.h"
#include "core/thread.h"

/*
 * Programs of PostgreSQL's as children: what they write goes to a file, they lead a session of their
 * own, have none of our other descriptors, none of the PG* variables, and end (SIGQUIT) with us,
 * however we end.
 */
struct rehearse_user {
    bool other; /* somebody else than we are; the rest is of use only then */
    uid_t uid;
    gid_t gid;
    char name[64]; /* always set */
};
struct rehearse_process {
    pid_t pid;  /* 0: not running (any more) */
    int status; /* as of waitpid(2), once it has ended */
};
struct rehearse_program {
    const char *const *words; /* NULL-terminated; the first is the program's path */
    const char *directory;    /* to run in; another user's home */
    const char *log;          /* appended to */
    const struct rehearse_user *user;
};

/** rehearse_process_start(p, program, err): ${p} is for the caller to end. */
MUST_CHECK enum vv_rc rehearse_process_start(struct rehearse_process *p,
                                             const struct rehearse_program *program,
                                             struct vv_error *err);
/** rehearse_process_ended(p): has it?  Then p->pid is 0 and p->status set. */
bool rehearse_process_ended(struct rehearse_process *p);
/** rehearse_process_wait(p, limit_ms, cancel, err): until it has ended; VV_ETRANSIENT if it has not after
 *  that time, VV_ECANCELLED: it still runs then. */
MUST_CHECK enum vv_rc rehearse_process_wait(struct rehearse_process *p, uint64_t limit_ms,
                                            struct vv_cancel *cancel, struct vv_error *err);
/** rehearse_process_end(p): SIGQUIT, and ten seconds later SIGKILL; nothing if it does not run. */
void rehearse_process_end(struct rehearse_process *p);
/** rehearse_process_succeeded(p): did it end with exit code 0? */
bool rehearse_process_succeeded(const struct rehearse_process *p);

/** rehearse_log_tail(path, most, out): append the last lines of a log, at most ${most} bytes. */
void rehearse_log_tail(const char *path, size_t most, struct vv_buf *out);

#endif
