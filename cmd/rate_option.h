/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_RATE_OPTION_H
#define VARVE_CMD_RATE_OPTION_H

#include "engine/replicate.h"

/** rate_option_parse(text, ret, err): "10M" (bytes a second), "off", or one of them at a time of
 *  day: "22:00-06:30=50M".  VV_EUSAGE. */
MUST_CHECK enum vv_rc rate_option_parse(const char *text, struct replicate_rate *ret,
                                        struct vv_error *err);

#endif
