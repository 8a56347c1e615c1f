/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_PARALLEL_H
#define VARVE_CORE_PARALLEL_H

#include <stddef.h>

#include "core/error.h"

/*
 * A few jobs at once that each wait long for something: round trips of a long line, say.
 */
struct vv_job {
    enum vv_rc (*run)(void *ctx, struct vv_error *err);
    void *ctx;
    enum vv_rc rc; /* set by vv_parallel_run, as the next */
    struct vv_error err;
};

/**
 * vv_parallel_run(jobs, count, threads, err): run all of them, each in a thread of its own if
 * ${threads} > 1 (or in this one if no thread can be started), else one after the other until one
 * fails.  Returns when all have ended: VV_OK, or what the first in the list that failed returned.
 */
MUST_CHECK enum vv_rc vv_parallel_run(struct vv_job *jobs, size_t count, unsigned threads,
                                      struct vv_error *err);

#endif
