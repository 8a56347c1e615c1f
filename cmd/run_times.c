/* SPDX-License-Identifier: BSD-2-Clause */
/* When 'varve run' begins. */
#include "run_times.h"

#include <unistd.h>

#include "core/clock.h"
#include "core/random.h"
#include "duration.h"
#include "job_start.h"
#include "run_notes.h"
#include "schedule_jobs.h"
#include "signals.h"

#define WAIT_STEP_US 200000u
#define RUNS_LOOKED_AT 32u

enum vv_rc
run_times_jitter(struct app *app, const char *jitter)
{
    const struct vv_clock *clock = vv_clock_system();
    uint64_t began = clock->monotonic(clock);
    uint64_t random;
    int64_t most;

    if (jitter == NULL) {
        return VV_OK;
    }
    if (!duration_parse(jitter, &most)) {
        return app_usage(app, "--jitter: '%s' is not a duration such as 90s, 10min, 1h", jitter);
    }
    vv_random(&random, sizeof(random));
    random %= (uint64_t)most + 1;
    while (clock->monotonic(clock) - began < random) {
        uint64_t left_us = (random - (clock->monotonic(clock) - began)) / 1000;
        VV_TRY(vv_cancel_check(signals_cancel(), &app->err));
        (void)usleep(left_us < WAIT_STEP_US ? (useconds_t)left_us : WAIT_STEP_US);
    }
    return VV_OK;
}

struct last_begin {
    const char *job;
    int64_t time; /* 0: never */
};

/* Newest first. */
static enum vv_rc
note_begin(void *ctx, const struct history_run *r, struct vv_error *err)
{
    struct last_begin *last = ctx;
    bool counts = r->ended != 0 ? r->exit_code != EXIT_INTERRUPTED : job_is_running(last->job);

    (void)err;
    last->time = last->time == 0 && counts ? r->began : last->time;
    return VV_OK;
}

bool
run_times_missed(const struct settings_section *job)
{
    VV_CLEANUP(run_history_freep) struct run_history *h = NULL;
    int64_t now = vv_clock_system()->realtime(vv_clock_system());
    struct last_begin last = {.job = job->name};
    struct schedule schedule;

    if (!schedule_of(job, &schedule)) {
        return false;
    }
    if (run_notes_open(&h, NULL) == VV_OK &&
        run_history_runs(h, job->name, RUNS_LOOKED_AT, note_begin, &last, NULL) != VV_OK) {
        last.time = 0;
    }
    return last.time > now || last.time < schedule_previous(&schedule, now + 1);
}
