/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SOURCE_COMMAND_PROCESS_H
#define VARVE_SOURCE_COMMAND_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/thread.h"

/*
 * A shell command as a child process whose output is read.  It runs as `bash -o pipefail -c
 * COMMAND`, leads a process group of its own, has /dev/null as standard input and none of our other
 * descriptors.  What it writes to standard error is read all the time (so that it never blocks on
 * that); the end of it is kept.
 */
#define COMMAND_STDERR_KEPT 4096u

struct command_process {
    pid_t pid;    /* 0: not running (any more) */
    int out;      /* its standard output; -1: closed */
    int error_fd; /* its standard error, read by the thread */
    int stop[2];  /* closing [1] ends the thread, also if somebody still holds the other end */
    struct vv_thread drain;
    bool failed; /* it could not be found out how it ended */
    siginfo_t how;
    char
        tail[COMMAND_STDERR_KEPT]; /* ring of what it wrote last; the thread's until it is joined */
    size_t tail_at;
    bool tail_full;
};

/** command_process_start(p, command, err): ${p} needs no initialisation, and needs
 *  command_process_release only after VV_OK. */
MUST_CHECK enum vv_rc command_process_start(struct command_process *p, const char *command,
                                            struct vv_error *err);

/** command_process_wait(p, cancel, err): wait until it has ended (then ${p}->how says how, unless
 *  ${p}->failed) and all it wrote to standard error is there.  VV_ECANCELLED: it may still run. */
MUST_CHECK enum vv_rc command_process_wait(struct command_process *p, struct vv_cancel *cancel,
                                           struct vv_error *err);

/** command_process_stderr(p, out, size): the end of its standard error as text without newlines at
 *  its ends; whole lines if the last one fits.  Only after command_process_wait. */
void command_process_stderr(const struct command_process *p, char *out, size_t size);

/** command_process_release(p): if it still runs, its whole process group is told to end, and half a
 *  second later made to. */
void command_process_release(struct command_process *p);

#endif
