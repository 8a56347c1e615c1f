/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits on bandwidth as they are typed. */
#include "rate_option.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"

static bool
parse_two_digits(const char *text, unsigned most, unsigned *ret)
{
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9') {
        return false;
    }
    *ret = (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
    return *ret <= most;
}

/** "HH:MM" to minutes; "24:00" is midnight. */
static bool
parse_time(const char *text, unsigned *ret)
{
    unsigned hours = 0;
    unsigned minutes = 0;

    if (!parse_two_digits(text, 24, &hours) || text[2] != ':' ||
        !parse_two_digits(text + 3, 59, &minutes) || (hours == 24 && minutes > 0)) {
        return false;
    }
    *ret = hours % 24 * 60 + minutes;
    return true;
}

static bool
parse_rate(const char *text, uint64_t *ret)
{
    if (strcmp(text, "off") == 0) {
        *ret = 0;
        return true;
    }
    return vv_text_parse_size(text, ret) && *ret > 0;
}

enum vv_rc
rate_option_parse(const char *text, struct replicate_rate *ret, struct vv_error *err)
{
    const char *equals = strchr(text, '=');
    struct replicate_rate r = {0};
    bool ok;

    if (equals == NULL) {
        ok = parse_rate(text, &r.rate);
    } else {
        ok = equals - text == 11 && parse_time(text, &r.from) && text[5] == '-' &&
             parse_time(text + 6, &r.to) && parse_rate(equals + 1, &r.rate);
    }
    if (!ok) {
        (void)vv_error_set(err, VV_EUSAGE, "'%s' is no limit on bandwidth", text);
        vv_error_hint(err, "'10M' is 10 MiB a second, '08:00-18:00=2M' holds at that time of day, "
                           "'off' means none");
        return VV_EUSAGE;
    }
    *ret = r;
    return VV_OK;
}
