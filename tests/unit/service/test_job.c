/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that are run and waited for, and jobs made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alloc_sweep.h"
#include "core/clock.h"
#include "service/job.h"

/* run SCRIPT: by sh, its output kept. */
static struct process_result
run(const char *script, uint64_t limit_ms)
{
    const char *words[] = {"sh", "-c", script, NULL};
    struct process_spec spec = {.words = words, .capture = true, .limit_ms = limit_ms};
    struct process_result r;

    assert_int_equal(process_run(&spec, NULL, &r, NULL), VV_OK);
    return r;
}

static void
expect(const char *script, int code, const char *output)
{
    struct process_result r = run(script, 0);

    assert_int_equal(r.code, code);
    assert_false(r.timed_out);
    assert_string_equal(vv_buf_text(&r.output), output);
    process_result_release(&r);
}

static void
processes(void **state)
{
    const char *nothing[] = {"/nowhere/program", NULL};
    struct process_spec spec = {.words = nothing};
    struct process_result r;

    (void)state;
    expect("echo a; echo b", 0, "a\nb\n");
    expect("exit 7", 7, "");
    expect("kill -KILL $$", 128 + SIGKILL, "");
    expect("cat", 0, ""); /* nothing to read */
    assert_int_equal(dup2(STDERR_FILENO, 9), 9);
    expect("test ! -e /proc/self/fd/9 && echo closed", 0, "closed\n");
    assert_int_equal(close(9), 0);
    /* Somebody who holds the pipe open keeps nobody waiting. */
    expect("echo said; sleep 20 2>/dev/null & exit 3", 3, "said\n");
    assert_int_equal(process_run(&spec, NULL, &r, NULL), VV_OK);
    assert_int_equal(r.code, 127);
    process_result_release(&r);
    /* More than a pipe holds. */
    r = run("head -c 1000000 /dev/zero | tr '\\0' x", 0);
    assert_int_equal(r.output.len, 1000000);
    process_result_release(&r);
    r = run("head -c 10000000 /dev/zero", 0);
    assert_int_equal(r.code, 0); /* it could say it all */
    assert_int_equal(r.output.len, PROCESS_OUTPUT_MOST);
    process_result_release(&r);
}

static void
environment(void **state)
{
    const char *words[] = {"sh", "-c", "echo \"$ONE $VARVE_TEST_TWO\"; env | grep -c ^ONE=", NULL};
    const char *more[] = {"ONE=new", "VARVE_TEST_TWO=two", NULL};
    struct process_spec spec = {.words = words, .environment = more, .capture = true};
    struct process_result r;

    (void)state;
    assert_int_equal(setenv("ONE", "old", 1), 0);
    assert_int_equal(process_run(&spec, NULL, &r, NULL), VV_OK);
    assert_string_equal(vv_buf_text(&r.output), "new two\n1\n");
    process_result_release(&r);
}

static pid_t
number_in(const struct vv_buf *text)
{
    return (pid_t)strtol((const char *)text->data, NULL, 10);
}

/* What takes too long is ended, with its children. */
static void
limits(void **state)
{
    struct process_result r = run("sleep 1005 & echo $!; wait", 200);
    struct vv_cancel cancel = {0};
    const char *words[] = {"sleep", "1006", NULL};
    struct process_spec spec = {.words = words};

    (void)state;
    assert_true(r.timed_out);
    assert_int_equal(r.code, 128 + SIGTERM);
    assert_true(number_in(&r.output) > 1);
    assert_int_equal(kill(number_in(&r.output), 0), -1);
    process_result_release(&r);
    /* Also one that would rather not: ten seconds later. */
    r = run("(trap '' TERM; sleep 1007) & echo $!; wait", 200);
    assert_true(number_in(&r.output) > 1);
    assert_int_equal(kill(number_in(&r.output), 0), -1);
    process_result_release(&r);
    atomic_store(&cancel.wanted, true);
    assert_int_equal(process_run(&spec, &cancel, &r, NULL), VV_ECANCELLED);
    process_result_release(&r);
}

/* ---- jobs ---- */

#define SH(script)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        "sh", "-c", script, NULL                                                                   \
    }

static void
expect_job(const struct job *j, const char *want)
{
    struct vv_buf got = {0};
    struct job_report report;

    assert_int_equal(job_run(j, NULL, &report, NULL), VV_OK);
    for (size_t i = 0; i < report.count; i++) {
        static const char *const states[] = {"ok", "problems", "failed", "left"};
        vv_buf_printf(&got, "%s%s:%s", i > 0 ? " " : "", report.results[i].name,
                      states[report.results[i].state]);
    }
    assert_string_equal(vv_buf_text(&got), want);
    vv_buf_release(&got);
    job_report_release(&report);
}

static void
jobs(void **state)
{
    static const char *const fine[] = {"true"};
    static const char *const bad[] = {"true", "exit 1", "true"};
    static const char *const sees[] = {"test \"$VARVE_JOB $VARVE_MOMENT $VARVE_FAILED\" = "
                                       "'j on-error backup copy'"};
    struct job_part parts[] = {
        {.name = "backup", .kind = JOB_BACKUP, .words = SH("exit 0")},
        {.name = "copy", .kind = JOB_ANY, .words = SH("exit 0")},
        {.name = "forget", .kind = JOB_NEEDS_BACKUP, .words = SH("exit 0")},
        {.name = "scrub", .kind = JOB_ANY, .words = SH("exit 0")},
    };
    struct job j = {.name = "j", .parts = parts, .part_count = VV_COUNT(parts)};

    (void)state;
    j.hooks[JOB_BEFORE] = (struct job_hooks){fine, 1};
    j.hooks[JOB_ON_SUCCESS] = (struct job_hooks){fine, 1};
    j.hooks[JOB_ON_ERROR] = (struct job_hooks){fine, 1};
    j.hooks[JOB_AFTER] = (struct job_hooks){fine, 1};
    expect_job(&j, "before:ok backup:ok copy:ok forget:ok scrub:ok on-success:ok after:ok");
    parts[0].words = SH("exit 3"); /* a snapshot all the same */
    expect_job(&j, "before:ok backup:problems copy:ok forget:ok scrub:ok on-error:ok after:ok");
    parts[0].words = SH("exit 1");
    expect_job(&j, "before:ok backup:failed copy:ok forget:left scrub:ok on-error:ok after:ok");
    parts[1].words = SH("kill -KILL $$");
    j.hooks[JOB_ON_ERROR] = (struct job_hooks){sees, 1};
    expect_job(&j, "before:ok backup:failed copy:failed forget:left scrub:ok on-error:ok after:ok");
    j.hooks[JOB_ON_ERROR] = (struct job_hooks){bad, 3};
    j.hooks[JOB_BEFORE] = (struct job_hooks){bad, 3};
    expect_job(&j, "before:ok before:failed before:left backup:left copy:left forget:left "
                   "scrub:left on-error:ok on-error:failed on-error:ok after:ok");
    /* Space for the next one, but nothing is given up for it. */
    parts[0].words = SH("exit 15");
    parts[3].kind = JOB_RECLAIMS;
    j = (struct job){.name = "j", .parts = parts, .part_count = VV_COUNT(parts)};
    expect_job(&j, "backup:failed copy:failed forget:left scrub:ok");
    parts[0].words = SH("exit 1");
    expect_job(&j, "backup:failed copy:failed forget:left scrub:left");
    parts[0].words = SH("exit 3");
    expect_job(&j, "backup:problems copy:failed forget:ok scrub:ok");
    /* Without a backup in it there is none to wait for. */
    j = (struct job){.name = "j", .parts = parts + 2, .part_count = 1};
    expect_job(&j, "forget:ok");
    j.part_count = 0;
    expect_job(&j, "");
}

/* J6: whose ${at}th result is the one that took too long; what comes behind the parts has its own time. */
static void
expect_overdue(const struct job *j, size_t at, const char *want)
{
    struct job_report report;

    expect_job(j, want);
    assert_int_equal(job_run(j, NULL, &report, NULL), VV_OK);
    assert_true(report.overdue);
    assert_false(report.cancelled);
    for (size_t i = at; i < report.count && strncmp(report.results[i].name, "on-", 3) != 0; i++) {
        assert_string_equal(report.results[i].why, JOB_OVERDUE);
    }
    job_report_release(&report);
}

static void
time_of_a_run(void **state)
{
    static const char *const fine[] = {"true"};
    static const char *const sleeps[] = {"sleep 1011", "true"};
    static const char *const sees[] = {"test \"$VARVE_FAILED\" = backup && sleep 0.4"};
    struct job_part parts[] = {
        {.name = "backup", .kind = JOB_BACKUP, .words = SH("exit 0")},
        {.name = "copy", .kind = JOB_ANY, .words = SH("exit 0")},
    };
    struct job j = {
        .name = "j", .parts = parts, .part_count = VV_COUNT(parts), .limit_ms = 3600000};
    struct job_report report;

    (void)state;
    assert_int_equal(job_run(&j, NULL, &report, NULL), VV_OK);
    assert_false(report.overdue);
    job_report_release(&report);
    j.limit_ms = 300;
    j.hooks[JOB_AFTER] = (struct job_hooks){fine, 1};
    j.hooks[JOB_ON_ERROR] = (struct job_hooks){sees, 1};
    parts[0].words = SH("sleep 1012");
    expect_overdue(&j, 0, "backup:failed copy:left on-error:ok after:ok");
    j.hooks[JOB_ON_ERROR] = (struct job_hooks){fine, 1};
    j.hooks[JOB_BEFORE] = (struct job_hooks){sleeps, 2};
    j.hook_limit_ms = 3600000;
    expect_job(&j, "before:failed before:left backup:left copy:left on-error:ok after:ok");
    /* A command's own limit comes first: that is no fault of the run's. */
    j.limit_ms = 3600000;
    j.hook_limit_ms = 100;
    assert_int_equal(job_run(&j, NULL, &report, NULL), VV_OK);
    assert_false(report.overdue);
    assert_string_equal(report.results[0].why, "timed out");
    job_report_release(&report);
}

/* ---- what the owner of a job sees of it, and says to it ---- */

struct seen {
    struct job_observer observer;
    struct vv_buf text;
};

static void
on_step(struct job_observer *self, enum job_step step, const struct job_result *r)
{
    struct seen *s = (struct seen *)self;
    static const char *const states[] = {"ok", "problems", "failed", "left"};

    if (step == JOB_BEGINS) {
        vv_buf_printf(&s->text, "%s ", r->name);
    } else {
        vv_buf_printf(&s->text, "%s:%s ", r->name, states[r->state]);
    }
}

static void
owner(void **state)
{
    static const char *const hook[] = {"test \"$VARVE_RUN $OTHER $VARVE_JOB $VARVE_MOMENT\" = "
                                       "'r o j after' && echo hook >&2"};
    static const char *const environment[] = {"VARVE_RUN=r", "OTHER=o", NULL};
    struct job_part parts[] = {
        {.name = "backup",
         .kind = JOB_BACKUP,
         .words = SH("test \"$VARVE_RUN $OTHER $VARVE_JOB\" = 'r o j' && echo part >&2; exit 1")},
        {.name = "forget", .kind = JOB_NEEDS_BACKUP, .words = SH("exit 0")},
        {.name = "scrub", .kind = JOB_ANY, .words = SH("echo last >&2")},
    };
    struct output_tail tail = {0};
    struct seen seen = {.observer.step = on_step};
    struct job j = {.name = "j",
                    .environment = environment,
                    .tail = &tail,
                    .observer = &seen.observer,
                    .parts = parts,
                    .part_count = VV_COUNT(parts)};
    struct vv_buf text = {0};

    (void)state;
    j.hooks[JOB_AFTER] = (struct job_hooks){hook, 1};
    expect_job(&j, "backup:failed forget:left scrub:ok after:ok");
    assert_string_equal(vv_buf_text(&seen.text), "backup backup:failed forget:left scrub scrub:ok "
                                                 "after after:ok ");
    output_tail_text(&tail, &text);
    assert_string_equal(vv_buf_text(&text), "part\nlast\nhook\n");
    vv_buf_release(&text);
    vv_buf_release(&seen.text);
    output_tail_release(&tail);
}

static enum vv_rc
sweep_job(void *ctx, struct vv_error *err)
{
    static const char *const hook[] = {"true"};
    const struct job_part part = {.name = "backup", .kind = JOB_BACKUP, .words = SH("echo a")};
    struct output_tail tail = {0};
    struct job j = {.name = "j", .tail = &tail, .parts = &part, .part_count = 1};
    struct job_report report;
    enum vv_rc rc;

    (void)ctx;
    j.hooks[JOB_AFTER] = (struct job_hooks){hook, 1};
    rc = job_run(&j, NULL, &report, err);
    job_report_release(&report);
    output_tail_release(&tail);
    return rc;
}

static void
memory_runs_out(void **state)
{
    (void)state;
    assert_true(alloc_sweep(sweep_job, NULL) > 0);
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes),       cmocka_unit_test(environment),
        cmocka_unit_test(limits),          cmocka_unit_test(jobs),
        cmocka_unit_test(time_of_a_run),   cmocka_unit_test(owner),
        cmocka_unit_test(memory_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
