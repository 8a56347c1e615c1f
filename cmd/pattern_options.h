/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_PATTERN_OPTIONS_H
#define VARVE_CMD_PATTERN_OPTIONS_H

#include "options.h"
#include "source/pattern.h"

/** pattern_options_add(uses, ret, err): a set of the patterns given, in order; options whose name
 *  ends in "-from" name files of patterns.  *ret stays NULL if there are none. */
MUST_CHECK enum vv_rc pattern_options_add(const struct option_list *uses, struct pattern_set **ret,
                                          struct vv_error *err);

#endif
