/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_LAST_RUN_H
#define VARVE_CMD_LAST_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "exit_code.h"

/* When a job was last run to its end, whatever that was; kept in the state directory. */
struct last_run {
    int64_t began; /* nanoseconds since 1970 */
    int64_t ended;
    enum exit_code code;
};

/** last_run_read(directory, job, ret, ret_found, err): not found: never, or the record cannot be read as
 *  one: whoever asks takes that for never. */
MUST_CHECK enum vv_rc last_run_read(const char *directory, const char *job, struct last_run *ret,
                                    bool *ret_found, struct vv_error *err);
/** last_run_write(directory, job, run, err): in place of the one before. */
MUST_CHECK enum vv_rc last_run_write(const char *directory, const char *job,
                                     const struct last_run *run, struct vv_error *err);

#endif
