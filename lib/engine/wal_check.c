/* SPDX-License-Identifier: BSD-2-Clause */
/* Gaps, age, and how much longer the server keeps what was not received. */
#include "engine/wal_check.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/text.h"
#include "format/wal.h"
#include "postgres/postgres.h"

/** One check. */
struct checking {
    struct repo *repo;
    const struct wal_check_options *options;
    struct wal_check_summary *sum;
};

bool
wal_size_setting(const char *text, uint64_t *ret)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {{"", 0}, {"B", 0}, {"kB", 10}, {"MB", 20}, {"GB", 30}, {"TB", 40}};
    char *end = NULL;
    unsigned long long n = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;

    for (size_t i = 0; end != NULL && i < VV_COUNT(units); i++) {
        if (strcmp(end, units[i].unit) == 0 && n <= UINT64_MAX >> units[i].shift) {
            *ret = (uint64_t)n << units[i].shift;
            return true;
        }
    }
    return false;
}

static bool
is_wanted(const struct checking *c, uint64_t system)
{
    uint64_t wanted = c->sum->asked ? c->sum->system : c->options->system;

    return wanted == 0 || wanted == system;
}

static void
check_gaps(struct checking *c, const struct wal_run *runs, size_t count)
{
    uint64_t system = 0;

    for (size_t i = 0; i < count; i++) {
        char from[WAL_LSN_TEXT];
        char to[WAL_LSN_TEXT];
        if (!is_wanted(c, runs[i].system)) {
            continue;
        }
        c->sum->clusters += runs[i].system != system;
        system = runs[i].system;
        if (runs[i].newest > c->sum->newest) {
            c->sum->newest = runs[i].newest;
        }
        if ((!c->sum->asked || runs[i].timeline == c->sum->timeline) &&
            runs[i].to > c->sum->published) {
            c->sum->published = runs[i].to;
        }
        if (runs[i].gap_before) {
            wal_lsn_text(runs[i - 1].to, from);
            wal_lsn_text(runs[i].from, to);
            c->sum->gaps++;
            vv_emit(repo_events(c->repo), VV_EVENT_PROBLEM, "wal-gap", vv_span(NULL, 0),
                    "WAL from %s to %s on timeline %u of cluster %llu is missing: nothing can be "
                    "recovered across that from a base backup before it",
                    from, to, (unsigned)runs[i].timeline, (unsigned long long)runs[i].system);
        }
    }
}

/** What the slot keeps, and for how much longer. */
static enum vv_rc
check_slot(struct checking *c, struct postgres *p, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf value = {0};
    struct vv_events *events = repo_events(c->repo);
    struct postgres_slot slot = {0};
    struct wal_check_summary *s = c->sum;
    uint64_t keep = 0;
    char text[24];

    VV_TRY(postgres_slot_read(p, c->options->slot, &slot, err));
    s->slot_reserved = slot.exists && slot.reserved;
    if (!s->slot_reserved) {
        vv_emit(events, VV_EVENT_PROBLEM, "slot-missing", vv_span(NULL, 0),
                "%s has no slot '%s'%s: it does not keep WAL for a receiver", postgres_name(p),
                c->options->slot, slot.exists ? " that reserves WAL (any more)" : "");
        return VV_OK;
    }
    VV_TRY(postgres_show(p, "max_slot_wal_keep_size", &value, err));
    s->bounded = wal_size_setting(vv_buf_text(&value), &keep);
    if (!s->bounded) {
        if (!c->options->unbounded_slot) {
            vv_emit(
                events, VV_EVENT_PROBLEM, "slot-unbounded", vv_span(NULL, 0),
                "%s keeps WAL for its slots without bound: without a receiver its disk fills up "
                "(max_slot_wal_keep_size)",
                postgres_name(p));
        }
        return VV_OK;
    }
    {
        uint64_t behind = s->position > slot.restart ? s->position - slot.restart : 0;
        s->safe = behind < keep ? keep - behind : 0;
    }
    if (s->safe < c->options->least_safe) {
        vv_text_size(s->safe, text);
        vv_emit(events, VV_EVENT_PROBLEM, "slot-unsafe", vv_span(NULL, 0),
                "after %s more %s may let go of WAL that was not received", text, postgres_name(p));
    }
    return VV_OK;
}

static enum vv_rc
ask_server(struct checking *c, struct vv_error *err)
{
    VV_CLEANUP(postgres_freep) struct postgres *p = NULL;
    struct postgres_options o = {.target = c->options->target,
                                 .use = POSTGRES_REPLICATION,
                                 .events = repo_events(c->repo),
                                 .cancel = repo_cancel(c->repo)};
    struct postgres_system now = {0};

    VV_TRY(postgres_open(&o, &p, err));
    VV_TRY(postgres_identify(p, &now, err));
    c->sum->asked = true;
    c->sum->system = now.system;
    c->sum->timeline = now.timeline;
    c->sum->position = now.position;
    return c->options->slot != NULL ? check_slot(c, p, err) : VV_OK;
}

static void
check_age(struct checking *c)
{
    const struct vv_clock *clock = repo_clock(c->repo);
    struct wal_check_summary *s = c->sum;
    int64_t age;
    char text[32];

    if (s->newest == INT64_MIN) {
        vv_emit(repo_events(c->repo), VV_EVENT_PROBLEM, "wal-none", vv_span(NULL, 0),
                "there is no WAL of this cluster in the repository");
        return;
    }
    if (s->asked && s->published >= s->position) {
        return; /* there is nothing newer */
    }
    age = clock->realtime(clock) - s->newest;
    if (age > c->options->most_age) {
        vv_text_duration((uint64_t)(age / 1000000000), text);
        vv_emit(repo_events(c->repo), VV_EVENT_PROBLEM, "wal-old", vv_span(NULL, 0),
                "the newest publication of WAL is %s old%s", text,
                s->asked ? ", and the server has written more since" : "");
    }
}

enum vv_rc
wal_check(struct repo *r, const struct snapshot_list *l, const struct wal_check_options *o,
          struct wal_check_summary *ret, struct vv_error *err)
{
    VV_CLEANUP(wal_catalog_release) struct wal_catalog catalog = {0};
    VV_CLEANUP(vv_freep) struct wal_run *runs = NULL;
    struct wal_check_summary sum = {.newest = INT64_MIN};
    struct checking c = {.repo = r, .options = o, .sum = &sum};
    size_t count = 0;

    if (o->target != NULL) {
        VV_TRY(ask_server(&c, err));
    }
    VV_TRY(wal_catalog_read(l, &catalog, err));
    VV_TRY(wal_catalog_runs(&catalog, &runs, &count, err));
    check_gaps(&c, runs, count);
    check_age(&c);
    *ret = sum;
    return VV_OK;
}
