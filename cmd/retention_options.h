/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_RETENTION_OPTIONS_H
#define VARVE_CMD_RETENTION_OPTIONS_H

#include "app.h"
#include "engine/retention.h"

/** The options that make a policy, as they stand on the command line. */
struct retention_options {
    const char *keep[RETENTION_RULES];
    const char *within;
    struct option_list tags;
    const char *group_by;
    unsigned wal_days; /* 0: not given */
};
/** The policy; its tags are owned here, their texts by the command line. */
struct retention_choice {
    struct retention_policy policy;
    const char **tags;
};
void retention_choice_release(struct retention_choice *c);
/** retention_options_read(app, o, ret): VV_EUSAGE. */
MUST_CHECK enum vv_rc retention_options_read(struct app *app, const struct retention_options *o,
                                             struct retention_choice *ret);

#endif
