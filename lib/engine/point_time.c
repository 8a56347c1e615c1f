/* SPDX-License-Identifier: BSD-2-Clause */
/* Moments, as people write them; without a zone none is meant. */
#include <time.h>

#include "engine/point_restore.h"

#define NS_PER_S INT64_C(1000000000)

/** Two digits, and what must follow them. */
static bool
two_digits(const char **at, int least, int most, int *ret)
{
    const char *s = *at;

    if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9') {
        return false;
    }
    *ret = (s[0] - '0') * 10 + (s[1] - '0');
    *at = s + 2;
    return *ret >= least && *ret <= most;
}

static bool
read_zone(const char *at, int64_t *ret_seconds)
{
    int sign = *at == '-' ? -1 : 1;
    int hours;
    int minutes = 0;

    if ((*at == 'Z' || *at == 'z') && at[1] == '\0') {
        *ret_seconds = 0;
        return true;
    }
    if (*at != '+' && *at != '-') {
        return false;
    }
    at++;
    if (!two_digits(&at, 0, 15, &hours)) {
        return false;
    }
    at += *at == ':';
    if (*at != '\0' && !two_digits(&at, 0, 59, &minutes)) {
        return false;
    }
    *ret_seconds = (int64_t)sign * (hours * 3600 + minutes * 60);
    return *at == '\0';
}

bool
point_time_parse(const char *text, int64_t *ret)
{
    struct tm t = {0};
    const char *at = text;
    int64_t fraction = 0;
    int64_t zone;
    int century;
    int year;

    if (!two_digits(&at, 19, 22, &century) || !two_digits(&at, 0, 99, &year) || *at++ != '-' ||
        !two_digits(&at, 1, 12, &t.tm_mon) || *at++ != '-' || !two_digits(&at, 1, 31, &t.tm_mday) ||
        (*at != ' ' && *at != 'T')) {
        return false;
    }
    at++;
    if (!two_digits(&at, 0, 23, &t.tm_hour) || *at++ != ':' || !two_digits(&at, 0, 59, &t.tm_min)) {
        return false;
    }
    if (*at == ':') {
        at++;
        if (!two_digits(&at, 0, 59, &t.tm_sec)) {
            return false;
        }
    }
    if (*at == '.') {
        int64_t unit = NS_PER_S / 10;
        for (at++; *at >= '0' && *at <= '9'; at++, unit /= 10) {
            fraction += (*at - '0') * unit;
        }
    }
    at += *at == ' ';
    if (!read_zone(at, &zone)) {
        return false;
    }
    t.tm_year = century * 100 + year - 1900;
    t.tm_mon--;
    {
        int day = t.tm_mday;
        time_t seconds = timegm(&t);
        if (t.tm_mday != day) {
            return false; /* the 31st of a month with 30 days */
        }
        *ret = ((int64_t)seconds - zone) * NS_PER_S + fraction;
    }
    return true;
}
