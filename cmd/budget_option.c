/* SPDX-License-Identifier: BSD-2-Clause */
/* How much may be read: a share, bytes, or a time. */
#include "budget_option.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

/** Seconds of a unit; 0: it is none of time. */
static double
unit_seconds(const char *unit)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(unit, units[i].unit) == 0) {
            return units[i].seconds;
        }
    }
    return 0;
}

enum vv_rc
budget_option_parse(const char *text, struct read_budget *ret, struct vv_error *err)
{
    char *unit = NULL;
    double number = strtod(text, &unit);
    double seconds = unit_seconds(unit);
    bool plain =
        unit != text && strspn(text, "0123456789.") == (size_t)(unit - text) && isfinite(number);

    if (plain && strcmp(unit, "%") == 0 && number > 0 && number <= 100) {
        ret->kind = BUDGET_PART;
        ret->part = number / 100;
        return VV_OK;
    }
    if (plain && seconds > 0 && number > 0 && number * seconds < 1e9) {
        ret->kind = BUDGET_TIME;
        ret->amount = (uint64_t)(number * seconds * 1e9);
        return VV_OK;
    }
    if (plain && vv_text_parse_size(text, &ret->amount) && ret->amount > 0) {
        ret->kind = BUDGET_BYTES;
        return VV_OK;
    }
    (void)vv_error_set(err, VV_EUSAGE, "'%s' is no budget", text);
    vv_error_hint(err, "'5%%' of everything, '10GiB', or a time: '30m', '2h'");
    return VV_EUSAGE;
}
