/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_STATUS_PRINT_H
#define VARVE_CMD_STATUS_PRINT_H

#include "status_gather.h"

/** A job that was looked at. */
struct status_looked {
    struct status_facts facts;
    struct status_report report;
};
/** status_print_line(jobs, count, level, perfdata): the line a monitoring system shows: the worst finding, and
 *  how many more there are; with performance data behind "|". */
void status_print_line(const struct status_looked *jobs, size_t count, enum status_level level,
                       bool perfdata);
/** status_print_text(jobs, count): every finding of every job. */
void status_print_text(const struct status_looked *jobs, size_t count);
void status_print_json(struct json *j, const struct status_looked *jobs, size_t count,
                       enum status_level level);

/** status_metrics_write(path, jobs, count, now, err): the file of a Prometheus textfile collector, replaced at
 *  once (0644). */
MUST_CHECK enum vv_rc status_metrics_write(const char *path, const struct status_looked *jobs,
                                           size_t count, int64_t now, struct vv_error *err);

#endif
