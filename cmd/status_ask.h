/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_STATUS_ASK_H
#define VARVE_CMD_STATUS_ASK_H

#include "status_gather.h"

/* Of status_gather.c: asking a job's repositories and databases. */

/** status_ask_place(a, job, name, f, ret, err): texts belong to ${f}. */
MUST_CHECK enum vv_rc status_ask_place(const struct status_asking *a,
                                       const struct settings_section *job, const char *name,
                                       struct status_facts *f, struct status_place *ret,
                                       struct vv_error *err);
/** status_ask_wal(a, job, f, err): those databases of the job whose WAL is received: their clusters' WAL is in
 *  the repository. */
MUST_CHECK enum vv_rc status_ask_wal(const struct status_asking *a,
                                     const struct settings_section *job, struct status_facts *f,
                                     struct vv_error *err);

#endif
