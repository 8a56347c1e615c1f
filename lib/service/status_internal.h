/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_STATUS_INTERNAL_H
#define VARVE_SERVICE_STATUS_INTERNAL_H

#include "service/status.h"

/* Shared by status.c and status_place.c. */
struct judging {
    const struct status_job *job;
    struct status_report *report;
    bool failed; /* memory */
};
#define STATUS_SECOND INT64_C(1000000000)
#define STATUS_SKEW (600 * STATUS_SECOND) /* by which clocks may differ */
#define FINDINGS_OF_PLACE 9u

/** status_find(k, level, topic, place, fmt, ...): one more finding. */
void status_find(struct judging *k, enum status_level level, const char *topic, const char *place,
                 const char *fmt, ...) VV_PRINTF(5, 6);
/** status_age(ns, out): "3 h 02 min"; returns ${out}. */
const char *status_age(int64_t ns, char out[32]);
/** status_judge_place(k, p): at most FINDINGS_OF_PLACE findings. */
void status_judge_place(struct judging *k, const struct status_place *p);

#endif
