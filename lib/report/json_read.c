/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading JSON, by jansson. */
#include "report/json_read.h"

#include <jansson.h>
#include <stdio.h>
#include <time.h>

/* struct json_value is jansson's json_t, which is never seen from outside. */
static const json_t *
inside(const struct json_value *v)
{
    return (const json_t *)(const void *)v;
}

static const struct json_value *
outside(const json_t *v)
{
    return (const struct json_value *)(const void *)v;
}

enum vv_rc
json_read(struct vv_span text, struct json_value **ret, struct vv_error *err)
{
    json_error_t why;
    json_t *v = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &why);

    if (v == NULL) {
        return vv_error_set(err, VV_ECORRUPT, "this is no JSON document: %s, line %d", why.text,
                            why.line);
    }
    *ret = (struct json_value *)(void *)v;
    return VV_OK;
}

void
json_value_free(struct json_value *v)
{
    json_decref((json_t *)(void *)v);
}

const struct json_value *
json_get(const struct json_value *v, const char *key)
{
    return v != NULL ? outside(json_object_get(inside(v), key)) : NULL;
}

size_t
json_count(const struct json_value *v)
{
    return v != NULL ? json_array_size(inside(v)) : 0;
}

const struct json_value *
json_item(const struct json_value *v, size_t i)
{
    return v != NULL ? outside(json_array_get(inside(v), i)) : NULL;
}

const char *
json_get_text(const struct json_value *v, const char *key)
{
    const struct json_value *member = json_get(v, key);
    const char *text = member != NULL ? json_string_value(inside(member)) : NULL;

    return text != NULL ? text : "";
}

int64_t
json_get_i64(const struct json_value *v, const char *key)
{
    const struct json_value *member = json_get(v, key);

    return member != NULL ? (int64_t)json_integer_value(inside(member)) : 0;
}

bool
json_get_bool(const struct json_value *v, const char *key)
{
    const struct json_value *member = json_get(v, key);

    return member != NULL && json_is_true(inside(member));
}

int64_t
json_get_time(const struct json_value *v, const char *key)
{
    const char *text = json_get_text(v, key);
    struct tm tm = {0};
    long fraction = 0;
    int hours = 0;
    int minutes = 0;
    char sign = '+';
    int64_t seconds;

    /* "2026-11-22T15:15:45.123456789+00:00" */
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%9ld%c%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &fraction, &sign, &hours, &minutes) != 10) {
        return 0;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    seconds =
        timegm(&tm) - (sign == '-' ? -1 : 1) * ((int64_t)hours * 3600 + (int64_t)minutes * 60);
    return seconds * 1000000000 + fraction;
}
