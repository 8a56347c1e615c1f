/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_DURATION_H
#define VARVE_CMD_DURATION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

/** duration_parse(text, ret): "7d", "36h", "1y6w"; units s, min, h, d, w (7 days), y (365 days), or 0
 *  alone; in ns, not negative.  False if it is none. */
MUST_CHECK bool duration_parse(const char *text, int64_t *ret);
/** seconds_parse(text, ret): "2s", "500ms", or as above; in ns, 100 ms to a day. */
MUST_CHECK bool seconds_parse(const char *text, uint64_t *ret);
/** time_of_day_parse(text, ret): "03:00", as the minute of the day. */
MUST_CHECK bool time_of_day_parse(const char *text, unsigned *ret);
/** moment_parse(text, now, ret): "2027-01-31" (its beginning) or "2027-01-31 12:30" in local time, or
 *  a duration from ${now} on; ns since 1970. */
MUST_CHECK bool moment_parse(const char *text, int64_t now, int64_t *ret);

#endif
