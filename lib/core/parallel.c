/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/parallel.h"

#include "core/thread.h"

enum { THREADS_MAX = 8 };

static void
run_job(void *arg)
{
    struct vv_job *job = arg;

    job->rc = job->run(job->ctx, &job->err);
}

static enum vv_rc
run_in_turn(struct vv_job *jobs, size_t count, struct vv_error *err)
{
    for (size_t i = 0; i < count; i++) {
        jobs[i].rc = jobs[i].run(jobs[i].ctx, err);
        VV_TRY(jobs[i].rc);
    }
    return VV_OK;
}

enum vv_rc
vv_parallel_run(struct vv_job *jobs, size_t count, unsigned threads, struct vv_error *err)
{
    struct vv_thread started[THREADS_MAX] = {0};

    if (threads <= 1) {
        return run_in_turn(jobs, count, err);
    }
    for (size_t i = 0; i < count; i++) {
        jobs[i].rc = VV_OK;
        jobs[i].err = (struct vv_error){0};
        bool last = i + 1 == count; /* this thread has nothing else to do */
        if (last || i >= THREADS_MAX ||
            vv_thread_start(&started[i], "parallel", run_job, &jobs[i], NULL) != VV_OK) {
            run_job(&jobs[i]);
        }
    }
    for (size_t i = 0; i < THREADS_MAX; i++) {
        vv_thread_join(&started[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (jobs[i].rc != VV_OK) {
            if (err != NULL) {
                *err = jobs[i].err;
            }
            return jobs[i].rc;
        }
    }
    return VV_OK;
}
