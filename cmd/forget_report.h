/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_FORGET_REPORT_H
#define VARVE_CMD_FORGET_REPORT_H

#include "app.h"
#include "engine/forget.h"

/** forget_report_json(j, l, s, dry_run): the members of the document. */
void forget_report_json(struct json *j, const struct snapshot_list *l,
                        const struct forget_summary *s, bool dry_run);
/** forget_report_table(app, l, s): every snapshot considered: kept or not, and why. */
MUST_CHECK enum vv_rc forget_report_table(struct app *app, const struct snapshot_list *l,
                                          const struct forget_summary *s);
/** forget_report_summary(s, dry_run): the last lines. */
void forget_report_summary(const struct forget_summary *s, bool dry_run);

#endif
