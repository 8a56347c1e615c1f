/* SPDX-License-Identifier: BSD-2-Clause */
/* Durations and moments on the command line. */
#include "duration.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

/** One number and its unit; ${text} moves behind them. */
static bool
take_part(const char **text, int64_t *ret)
{
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}, {"y", 31536000}};
    const char *at = *text;
    int64_t n = 0;

    if (!isdigit((unsigned char)*at)) {
        return false;
    }
    for (; isdigit((unsigned char)*at); at++) {
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *at - '0', &n)) {
            return false;
        }
    }
    for (size_t i = 0; i < VV_COUNT(units); i++) {
        size_t len = strlen(units[i].name);
        if (strncmp(at, units[i].name, len) == 0 && !isalpha((unsigned char)at[len])) {
            *text = at + len;
            return !__builtin_mul_overflow(n, units[i].seconds, &n) &&
                   !__builtin_mul_overflow(n, NS_PER_S, ret);
        }
    }
    return false;
}

bool
duration_parse(const char *text, int64_t *ret)
{
    int64_t sum = 0;

    if (strcmp(text, "0") == 0) {
        *ret = 0;
        return true;
    }
    do {
        int64_t part;
        if (!take_part(&text, &part) || __builtin_add_overflow(sum, part, &sum)) {
            return false;
        }
    } while (*text != '\0');
    *ret = sum;
    return true;
}

bool
seconds_parse(const char *text, uint64_t *ret)
{
    char *end = NULL;
    unsigned long n = isdigit((unsigned char)text[0]) ? strtoul(text, &end, 10) : 0;
    int64_t ns = 0;

    if (end != NULL && n < 1000000000 && strcmp(end, "ms") == 0) {
        ns = (int64_t)n * (NS_PER_S / 1000);
    } else if (!duration_parse(text, &ns)) {
        return false;
    }
    *ret = (uint64_t)ns;
    return ns >= NS_PER_S / 10 && ns <= 86400 * NS_PER_S;
}

bool
time_of_day_parse(const char *text, unsigned *ret)
{
    struct tm tm = {0};
    const char *end = isdigit((unsigned char)text[0]) ? strptime(text, "%H:%M", &tm) : NULL;

    *ret = (unsigned)(tm.tm_hour * 60 + tm.tm_min);
    return end != NULL && *end == '\0';
}

bool
moment_parse(const char *text, int64_t now, int64_t *ret)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%d", &tm);
    int day = tm.tm_mday;
    time_t seconds;
    int64_t duration;

    if (end != NULL && *end == ' ') {
        end = strptime(end + 1, "%H:%M", &tm);
    }
    if (end != NULL && *end == '\0') {
        tm.tm_isdst = -1;
        seconds = mktime(&tm);
        return seconds != (time_t)-1 && tm.tm_mday == day &&
               !__builtin_mul_overflow((int64_t)seconds, NS_PER_S, ret);
    }
    return duration_parse(text, &duration) && !__builtin_add_overflow(now, duration, ret);
}
