/* SPDX-License-Identifier: BSD-2-Clause */
/* Running a job's commands and parts in order. */
#include "service/job.h"

#include <signal.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "service/exit_codes.h"

struct running {
    const struct job *job;
    struct vv_cancel *cancel;
    struct job_report *report;
    uint64_t end_ms; /* J6; 0: none */
    bool stopped;    /* by a command of `before` */
    bool snapshot;
    bool has_backup;
    bool no_space; /* for the backup */
};

const char *
job_moment_name(enum job_moment m)
{
    static const char *const names[JOB_MOMENTS] = {"before", "on-success", "on-error", "after"};

    return names[m];
}

static bool
is_failure(const struct job_result *r)
{
    return r->state == JOB_FAILED || r->state == JOB_PROBLEMS;
}

static bool
has_failed(const struct job_report *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (is_failure(&r->results[i])) {
            return true;
        }
    }
    return r->cancelled || r->overdue;
}

void
job_report_failed(const struct job_report *r, struct vv_buf *out)
{
    for (size_t i = 0, some = 0; i < r->count; i++) {
        if (is_failure(&r->results[i])) {
            vv_buf_printf(out, "%s%s", some++ > 0 ? " " : "", r->results[i].name);
        }
    }
}

static enum vv_rc
put_failed(const struct job_report *r, struct vv_buf *out, struct vv_error *err)
{
    vv_buf_put_text(out, "VARVE_FAILED=");
    job_report_failed(r, out);
    vv_buf_put_u8(out, 0);
    return vv_buf_check(out, err);
}

/* There is room for all that can be due. */
static struct job_result *
add_result(struct running *k, const char *name, const char *command)
{
    struct job_result *r = &k->report->results[k->report->count++];

    *r = (struct job_result){.name = name, .command = command, .why = ""};
    return r;
}

static void
tell(const struct running *k, enum job_step step, const struct job_result *r)
{
    if (k->job->observer != NULL) {
        k->job->observer->step(k->job->observer, step, r);
    }
}

static void
leave_out(const struct running *k, struct job_result *r, const char *why)
{
    r->state = JOB_LEFT_OUT;
    r->why = why;
    tell(k, JOB_ENDS, r);
}

static uint64_t
now_ms(void)
{
    return vv_clock_system()->monotonic(vv_clock_system()) / 1000000;
}

/* The limit of the run, where that comes before its own: true. */
static bool
put_limit(const struct running *k, struct process_spec *spec)
{
    uint64_t now = now_ms();
    uint64_t left = k->end_ms > now ? k->end_ms - now : 1;

    if (k->end_ms == 0 || (spec->limit_ms != 0 && spec->limit_ms <= left)) {
        return false;
    }
    spec->limit_ms = left;
    return true;
}

/* Of what ended by itself nothing is said; its exit code tells. */
static const char *
what_ended(const struct process_result *r)
{
    switch (r->signal) {
    case 0:
        return "";
    case SIGKILL:
        return "killed (SIGKILL): was there enough memory?";
    case SIGSEGV:
    case SIGBUS:
    case SIGABRT:
    case SIGILL:
    case SIGFPE:
    case SIGSYS:
        return "crashed";
    default:
        return "ended by a signal";
    }
}

/* How it went. */
static enum vv_rc
judge_one(struct running *k, struct job_result *r, const struct process_spec *spec,
          const char *late, struct vv_cancel *cancel, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc = process_run(spec, cancel, &r->process, &why);

    if (rc == VV_ECANCELLED) {
        k->report->cancelled = true;
        r->state = JOB_FAILED;
        r->why = "stopped";
        return VV_OK;
    }
    if (rc == VV_ENOMEM) {
        return vv_error_nomem(err);
    }
    if (rc != VV_OK) { /* not even a process: that is this one's failure, not the others' */
        r->state = JOB_FAILED;
        r->process.code = 127;
        r->why = "could not be started";
        return VV_OK;
    }
    r->why = r->process.timed_out ? late : what_ended(&r->process);
    r->state = r->process.timed_out                                     ? JOB_FAILED
               : r->process.code == 0                                   ? JOB_DONE
               : r->process.code == CODE_PROBLEMS && r->command == NULL ? JOB_PROBLEMS
                                                                        : JOB_FAILED;
    return VV_OK;
}

/* Run one, and judge it; ${late}: what is said if its time ends. */
static enum vv_rc
run_one(struct running *k, struct job_result *r, const struct process_spec *spec, const char *late,
        struct vv_cancel *cancel, struct vv_error *err)
{
    enum vv_rc rc;

    tell(k, JOB_BEGINS, r);
    rc = judge_one(k, r, spec, late, cancel, err);
    tell(k, JOB_ENDS, r);
    return rc;
}

/* What all hooks and parts find: VARVE_JOB, and what the job's owner says. */
static enum vv_rc
put_environment(struct running *k, struct vv_buf *job, const char **environment, size_t room,
                size_t *ret_count, struct vv_error *err)
{
    const char *const *more = k->job->environment;
    size_t count = 0;

    vv_buf_printf(job, "VARVE_JOB=%s", k->job->name);
    VV_TRY(vv_buf_check(job, err));
    environment[count++] = vv_buf_text(job);
    for (; more != NULL && *more != NULL && count < room; more++) {
        environment[count++] = *more;
    }
    *ret_count = count;
    return VV_OK;
}

/* What ends at a request to stop, and with the time of the run. */
static enum vv_rc
run_in_time(struct running *k, struct job_result *r, struct process_spec *spec,
            struct vv_error *err)
{
    bool last = put_limit(k, spec);

    VV_TRY(run_one(k, r, spec, last ? JOB_OVERDUE : "timed out", k->cancel, err));
    k->report->overdue = k->report->overdue || (last && r->process.timed_out);
    return VV_OK;
}

/* A request to stop may come while nothing runs. */
static void
look_for_stop(struct running *k)
{
    if (vv_cancel_check(k->cancel, NULL) != VV_OK) {
        k->report->cancelled = true;
    }
}

/* Why nothing more is begun; NULL: it is.  So may the end of the time. */
static const char *
reason_to_stop(struct running *k)
{
    look_for_stop(k);
    if (k->end_ms != 0 && now_ms() >= k->end_ms) {
        k->report->overdue = true;
    }
    return k->report->cancelled ? "stopped" : k->report->overdue ? JOB_OVERDUE : NULL;
}

/* Commands of a moment; those of `before` only until one fails. */
static enum vv_rc
run_hooks(struct running *k, enum job_moment moment, struct vv_error *err)
{
    const struct job_hooks *h = &k->job->hooks[moment];
    VV_CLEANUP(vv_buf_release) struct vv_buf job = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf when = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf failed = {0};
    const char *environment[PROCESS_ENVIRONMENT_MOST + 1] = {NULL};
    size_t count = 0;

    VV_TRY(put_environment(k, &job, environment, PROCESS_ENVIRONMENT_MOST - 2, &count, err));
    vv_buf_printf(&when, "VARVE_MOMENT=%s", job_moment_name(moment));
    VV_TRY(put_failed(k->report, &failed, err));
    environment[count++] = vv_buf_text(&when);
    environment[count] = (const char *)failed.data;
    VV_TRY(vv_buf_check(&when, err));
    for (size_t i = 0; i < h->count; i++) {
        const char *words[] = {"bash", "-o", "pipefail", "-c", h->commands[i], NULL};
        struct process_spec spec = {.words = words,
                                    .environment = environment,
                                    .tail = k->job->tail,
                                    .limit_ms = k->job->hook_limit_ms};
        struct job_result *r = add_result(k, job_moment_name(moment), h->commands[i]);
        const char *why;
        if (moment != JOB_BEFORE) { /* a request to stop is heard; these clean up behind it */
            look_for_stop(k);
            VV_TRY(run_one(k, r, &spec, "timed out", NULL, err));
            continue;
        }
        why = k->stopped ? "a command before it failed" : reason_to_stop(k);
        if (why != NULL) {
            leave_out(k, r, why);
            continue;
        }
        VV_TRY(run_in_time(k, r, &spec, err));
        k->stopped = k->stopped || r->state != JOB_DONE;
    }
    return VV_OK;
}

static const char *
reason_to_leave_out(struct running *k, const struct job_part *part)
{
    const char *why = reason_to_stop(k);

    if (why != NULL) {
        return why;
    }
    if (k->stopped) {
        return "a command of 'before' failed";
    }
    if (part->kind == JOB_BACKUP || part->kind == JOB_ANY || !k->has_backup || k->snapshot ||
        (part->kind == JOB_RECLAIMS && k->no_space)) {
        return NULL;
    }
    return "the backup failed";
}

static enum vv_rc
run_parts(struct running *k, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf job = {0};
    const char *environment[PROCESS_ENVIRONMENT_MOST + 1] = {NULL};
    size_t count = 0;

    VV_TRY(put_environment(k, &job, environment, PROCESS_ENVIRONMENT_MOST, &count, err));
    for (size_t i = 0; i < k->job->part_count; i++) {
        const struct job_part *part = &k->job->parts[i];
        struct process_spec spec = {.words = part->words,
                                    .environment = environment,
                                    .tail = k->job->tail,
                                    .capture = true};
        struct job_result *r = add_result(k, part->name, NULL);
        const char *why = reason_to_leave_out(k, part);
        if (why != NULL) {
            leave_out(k, r, why);
            continue;
        }
        VV_TRY(run_in_time(k, r, &spec, err));
        if (part->kind == JOB_BACKUP) {
            k->has_backup = true;
            k->snapshot = r->state == JOB_DONE || r->state == JOB_PROBLEMS;
            k->no_space = r->state == JOB_FAILED && r->process.code == CODE_NO_SPACE;
        }
    }
    return VV_OK;
}

enum vv_rc
job_run(const struct job *j, struct vv_cancel *cancel, struct job_report *ret, struct vv_error *err)
{
    struct running k = {.job = j, .cancel = cancel, .report = ret};
    size_t most = j->part_count;

    k.end_ms = j->limit_ms != 0 ? now_ms() + j->limit_ms : 0;
    for (unsigned m = 0; m < JOB_MOMENTS; m++) {
        most += j->hooks[m].count;
    }
    *ret = (struct job_report){0};
    ret->results = vv_alloc_array(most + 1, sizeof(*ret->results));
    if (ret->results == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(run_hooks(&k, JOB_BEFORE, err));
    VV_TRY(run_parts(&k, err));
    VV_TRY(run_hooks(&k, has_failed(ret) ? JOB_ON_ERROR : JOB_ON_SUCCESS, err));
    return run_hooks(&k, JOB_AFTER, err);
}

void
job_report_release(struct job_report *r)
{
    for (size_t i = 0; i < r->count; i++) {
        process_result_release(&r->results[i].process);
    }
    vv_free(r->results);
    *r = (struct job_report){0};
}
