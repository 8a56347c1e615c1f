/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_JOB_H
#define VARVE_SERVICE_JOB_H

#include "service/output_tail.h"
#include "service/process.h"

/*
 * A job: commands before, the parts of the work (each a varve of its own), commands behind.
 *
 * Invariants
 * J1  a command of `before` that fails ends the job: no part runs, `on_error` and `after` do.
 * J2  a part that fails never keeps another one from running, but for those that give something up
 *     (JOB_NEEDS_BACKUP), which run only if this job's backup has made a snapshot.  What reclaims space of
 *     what was given up before (JOB_RECLAIMS) runs as well if the backup had none.
 * J3  every command and part that was due has a result: done, failed, or left out and why.
 * J4  `on_success` runs if nothing has failed, else `on_error`; `after` always, and last.
 * J5  a request to stop ends what is running; of what is left only `on_error` and `after` run.
 * J6  so does the end of `limit_ms`, which those two are no part of; and it is a failure of the run, even if
 *     nothing was running then.
 */
enum job_moment { JOB_BEFORE, JOB_ON_SUCCESS, JOB_ON_ERROR, JOB_AFTER, JOB_MOMENTS };
enum job_part_kind {
    JOB_BACKUP,
    JOB_ANY,
    JOB_NEEDS_BACKUP,
    JOB_RECLAIMS,
};
struct job_part {
    const char *name;
    enum job_part_kind kind;
    const char *const *words; /* of struct process_spec */
};
struct job_hooks {
    const char *const *commands; /* run by bash -o pipefail -c */
    size_t count;
};
/** Told as it happens; what was left out only ends. */
enum job_step { JOB_BEGINS, JOB_ENDS };
struct job_result;
struct job_observer {
    void (*step)(struct job_observer *self, enum job_step step, const struct job_result *r);
};
struct job {
    const char *name;
    const char *const
        *environment; /* of hooks and parts, beside VARVE_JOB; as process_spec's; may be NULL */
    struct output_tail *tail; /* remembers what all of them say on standard error; may be NULL */
    struct job_observer *observer; /* may be NULL */
    struct job_hooks hooks[JOB_MOMENTS];
    uint64_t hook_limit_ms;
    uint64_t limit_ms;            /* J6; 0: none */
    const struct job_part *parts; /* in this order */
    size_t part_count;
};

#define JOB_OVERDUE "the run took longer than max-runtime"
enum job_state { JOB_DONE, JOB_PROBLEMS, JOB_FAILED, JOB_LEFT_OUT };
struct job_result {
    const char *name;    /* of the part, or of the moment: "before" */
    const char *command; /* of a hook; NULL: a part */
    enum job_state state;
    const char *why; /* JOB_LEFT_OUT, "timed out", JOB_OVERDUE, what a signal did; else "" */
    struct process_result process;
};
struct job_report {
    struct job_result *results;
    size_t count;
    bool cancelled;
    bool overdue; /* J6 */
};

/** job_moment_name(m): "before", "on-success", "on-error", "after". */
const char *job_moment_name(enum job_moment m);
/** job_run(j, cancel, ret, err): run it.  Failures of what it runs are in the report; ${err} is for
 *  what keeps it from running anything.  All find the job in VARVE_JOB, hooks the moment in VARVE_MOMENT,
 *  and after the parts VARVE_FAILED (names, with blanks between them; empty if nothing has failed). */
MUST_CHECK enum vv_rc job_run(const struct job *j, struct vv_cancel *cancel, struct job_report *ret,
                              struct vv_error *err);
/** job_report_failed(r, out): append the names of what has failed so far, with blanks between them. */
void job_report_failed(const struct job_report *r, struct vv_buf *out);
void job_report_release(struct job_report *r);

#endif
