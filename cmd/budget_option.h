/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_BUDGET_OPTION_H
#define VARVE_CMD_BUDGET_OPTION_H

#include "core/error.h"
#include "engine/read_budget.h"

/** budget_option_parse(text, ret, err): "5%" (of all bytes), "10GiB", or a time: "90s", "30m", "2h",
 *  "1d".  A bare "m" is minutes: mebibytes are "M" or "MiB".  VV_EUSAGE. */
MUST_CHECK enum vv_rc budget_option_parse(const char *text, struct read_budget *ret,
                                          struct vv_error *err);

#endif
