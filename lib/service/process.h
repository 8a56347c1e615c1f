/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_PROCESS_H
#define VARVE_SERVICE_PROCESS_H

#include "core/bytes.h"
#include "core/thread.h"
#include "service/output_tail.h"

/*
 * Programs that a service runs and waits for: each leads a session of its own (no terminal: nobody is
 * asked for anything), reads from /dev/null, has none of our other descriptors, and ends (SIGTERM)
 * with us, however we end.  What it writes to standard error goes to ours; with a tail through a pipe, which
 * is closed when the program has ended: what it leaves running should not talk there any more.
 */
struct process_spec {
    const char *const *words;       /* NULL-terminated; the first is looked for in PATH */
    const char *const *environment; /* "NAME=VALUE" beside what we have; NULL-terminated, at most
                         PROCESS_ENVIRONMENT_MOST; may be NULL */
    struct vv_span input;           /* what it reads on standard input, instead of /dev/null */
    struct output_tail *tail;       /* remembers what it says on standard error; may be NULL */
    bool silent;       /* what it says on standard error goes nowhere; without a tail */
    bool capture;      /* keep standard output; else it goes to our standard error */
    uint64_t limit_ms; /* end it after so long; 0: never */
};
struct process_result {
    int code;   /* exit code; 128 and the number of the signal that ended it */
    int signal; /* that one; 0: it ended by itself */
    bool timed_out;
    uint64_t milliseconds;
    struct vv_buf
        output; /* with capture: at most PROCESS_OUTPUT_MOST bytes, the rest is left out */
};
#define PROCESS_OUTPUT_MOST (4u << 20)
#define PROCESS_ENVIRONMENT_MOST 16u

/** process_run(spec, cancel, ret, err): start it and wait for its end.  On ${cancel} or the limit, SIGTERM
 *  to it and its children, and ten seconds later SIGKILL; then VV_ECANCELLED.  A program that cannot
 *  be started has code 127, and standard error says why.  ${ret} must be released in any case. */
MUST_CHECK enum vv_rc process_run(const struct process_spec *spec, struct vv_cancel *cancel,
                                  struct process_result *ret, struct vv_error *err);
void process_result_release(struct process_result *r);

#endif
