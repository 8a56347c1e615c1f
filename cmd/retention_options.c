/* SPDX-License-Identifier: BSD-2-Clause */
/* --keep-... and --group-by. */
#include "retention_options.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "duration.h"

#define NS_PER_DAY (INT64_C(86400) * 1000000000)

void
retention_choice_release(struct retention_choice *c)
{
    vv_free(c->tags);
    memset(c, 0, sizeof(*c));
}

static enum vv_rc
read_count(struct app *app, enum retention_rule rule, const char *text, uint32_t *ret)
{
    char *end = NULL;
    unsigned long n;

    if (text == NULL) {
        *ret = 0;
        return VV_OK;
    }
    if (strcmp(text, "all") == 0) {
        *ret = RETENTION_ALL;
        return VV_OK;
    }
    n = text[0] >= '0' && text[0] <= '9' ? strtoul(text, &end, 10) : 0;
    if (n < 1 || n > 1000000 || *end != '\0') {
        return app_usage(app, "option '--keep-%s': '%s' is not 1 to 1000000, or all",
                         retention_reason_name((unsigned)rule), text);
    }
    *ret = (uint32_t)n;
    return VV_OK;
}

static enum vv_rc
read_group_by(struct app *app, const char *text, unsigned *ret)
{
    static const char *const names[] = {"host", "paths", "tags"}; /* bits in this order */
    unsigned group_by = 0;

    if (text == NULL) {
        *ret = RETENTION_BY_HOST | RETENTION_BY_PATHS;
        return VV_OK;
    }
    if (strcmp(text, "none") == 0) {
        *ret = 0;
        return VV_OK;
    }
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ",");
        unsigned bit = 0;
        while (bit < VV_COUNT(names) &&
               (strlen(names[bit]) != len || strncmp(names[bit], at, len) != 0)) {
            bit++;
        }
        if (bit == VV_COUNT(names)) {
            return app_usage(
                app, "option '--group-by': '%s' is not a list of host, paths, tags, nor none",
                text);
        }
        group_by |= 1u << bit;
        at += len;
        if (*at == '\0') {
            break;
        }
    }
    *ret = group_by;
    return VV_OK;
}

enum vv_rc
retention_options_read(struct app *app, const struct retention_options *o,
                       struct retention_choice *ret)
{
    struct retention_choice c = {0};

    for (unsigned rule = 0; rule < RETENTION_RULES; rule++) {
        VV_TRY(read_count(app, (enum retention_rule)rule, o->keep[rule], &c.policy.keep[rule]));
    }
    if (o->within != NULL &&
        (!duration_parse(o->within, &c.policy.within) || c.policy.within == 0)) {
        return app_usage(app, "option '--keep-within': '%s' is no duration such as 36h, 30d, 1y6w",
                         o->within);
    }
    c.policy.wal_within = (int64_t)o->wal_days * NS_PER_DAY;
    VV_TRY(read_group_by(app, o->group_by, &c.policy.group_by));
    c.tags = vv_alloc_array(o->tags.count + 1, sizeof(*c.tags));
    if (c.tags == NULL) {
        return vv_error_nomem(&app->err);
    }
    for (size_t i = 0; i < o->tags.count; i++) {
        c.tags[i] = o->tags.uses[i].value;
    }
    c.policy.tags = c.tags;
    c.policy.tag_count = o->tags.count;
    *ret = c;
    return VV_OK;
}
