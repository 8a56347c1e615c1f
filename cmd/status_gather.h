/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_STATUS_GATHER_H
#define VARVE_CMD_STATUS_GATHER_H

#include "app.h"
#include "core/arena.h"
#include "run_notes.h"
#include "service/status.h"

/*
 * What is known of a job: from the history of this host, and from its repositories, each asked by a varve of
 * its own ('varve inspect'), for a while.  What they answer is kept in the history, and counts when they do
 * not.
 */
struct status_asking {
    struct app *app;
    const struct settings *settings;
    struct run_history *history; /* NULL: missing or damaged */
    enum status_history history_state;
    const char *history_text;
    struct vv_error *unwritable; /* why what was found out could not be kept; rc VV_OK: it could */
    bool offline;                /* ask nobody */
    uint64_t limit_ms;           /* for each */
    int64_t now;
};
struct status_facts {
    struct status_job job;
    bool wal_received;     /* there is WAL of some cluster in the job's repository */
    struct vv_arena arena; /* what the job points to */
};
/** status_gather(a, section, ret, err): VV_ENOMEM and VV_ECANCELLED only; ${ret} is released in any case. */
MUST_CHECK enum vv_rc status_gather(const struct status_asking *a,
                                    const struct settings_section *section,
                                    struct status_facts *ret, struct vv_error *err);
void status_facts_release(struct status_facts *f);

#endif
