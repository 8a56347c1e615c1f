/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes of an administrator: forget, undelete, prune. */
#include <string.h>

#include "engine/forget.h"
#include "engine/prune.h"
#include "repo/snapshots.h"
#include "simulation/action.h"

#define HOUR_NS (INT64_C(3600) * 1000000000)

/* --- forget ------------------------------------------------------------------------------------ */

static void
note_forgetting(struct world *w, const struct snapshot *s)
{
    struct record *record = check_record(w, s);

    if (record != NULL) {
        record->forgets++;
        record->undeleted_on = 0;
    }
}

static void
forget(struct action *a, struct repo *r, const struct snapshot_list *l)
{
    struct world *w = a->world;
    const struct snapshot *chosen[2];
    struct forget_options o = {.snapshots = chosen,
                               .snapshot_count = 1 + fibers_below(2),
                               .grace =
                                   fibers_chance(1, 2) ? 0 : (int64_t)fibers_below(72) * HOUR_NS,
                               .most_percent = 100};
    struct forget_summary summary = {0};
    struct vv_error err = {0};
    enum vv_rc rc;

    for (size_t i = 0; i < o.snapshot_count; i++) {
        chosen[i] = &l->snapshots[fibers_below(l->count)];
        note_forgetting(w, chosen[i]);
    }
    rc = forget_run(r, l, &o, &summary, &err);
    world_say(w, "forget ended: %s, %zu", rc == VV_OK ? "well" : err.message, summary.forgotten);
    w->counters[COUNT_FORGETS] += rc == VV_OK;
    if (rc != VV_OK && rc != VV_EREFUSED) {
        world_fail(w, "forget failed: %s", err.message);
    }
    forget_summary_release(&summary);
}

void
action_forget(void *arg)
{
    struct action *a = arg;
    struct snapshot_list l = {0};
    struct vv_error err = {0};
    struct storage *s = world_storage(a->world, a->site);
    struct repo *r;

    world_say(a->world, "forget on site %u", a->site);
    r = action_open(a, s, false, &err);
    if (r != NULL && snapshot_list_read(r, &l, &err) != VV_OK) {
        world_fail(a->world, "cannot read site %u: %s", a->site, err.message);
    } else if (r != NULL && l.count > 0) {
        forget(a, r, &l);
    }
    snapshot_list_release(&l);
    repo_free(r);
    storage_free(s);
}

/* --- undelete ---------------------------------------------------------------------------------- */

static void
undelete(struct action *a, struct repo *r, const struct snapshot_list *l)
{
    struct world *w = a->world;
    const struct snapshot *chosen = &l->forgotten[fibers_below(l->forgotten_count)];
    struct record *record = check_record(w, chosen);
    struct vv_error err = {0};
    size_t back = 0;
    unsigned forgets = 0;
    enum vv_rc rc;

    if (record != NULL) {
        forgets = record->forgets;
    }
    rc = undelete_run(r, l, &chosen, 1, &back, &err);

    world_say(w, "undelete ended: %s, %zu", rc == VV_OK ? "well" : err.message, back);
    w->counters[COUNT_UNDELETES] += back;
    if (rc == VV_OK && back > 0 && record != NULL && record->forgets == forgets) {
        record->undeleted_on = 1u << a->site; /* until somebody forgets it again */
    }
    if (rc != VV_OK && rc != VV_EREFUSED) {
        world_fail(w, "undelete failed: %s", err.message);
    }
}

void
action_undelete(void *arg)
{
    struct action *a = arg;
    struct snapshot_list l = {0};
    struct vv_error err = {0};
    struct storage *s = world_storage(a->world, a->site);
    struct repo *r;

    world_say(a->world, "undelete on site %u", a->site);
    r = action_open(a, s, false, &err);
    if (r != NULL && snapshot_list_read(r, &l, &err) != VV_OK) {
        world_fail(a->world, "cannot read site %u: %s", a->site, err.message);
    } else if (r != NULL && l.forgotten_count > 0) {
        undelete(a, r, &l);
    }
    snapshot_list_release(&l);
    repo_free(r);
    storage_free(s);
}

/* --- prune ------------------------------------------------------------------------------------- */

static void
prune_ended(struct world *w, enum vv_rc rc, const struct prune_summary *s,
            const struct vv_error *err)
{
    world_say(w, "prune ended: %s", rc == VV_OK ? "well" : err->message);
    if (rc == VV_EREFUSED &&
        (strstr(err->message, "fenced") != NULL || strstr(err->message, "overtaken") != NULL)) {
        w->counters[COUNT_REFUSED]++;
        return;
    }
    if (rc != VV_OK) {
        world_fail(w, "prune failed: %s", err->message);
        return;
    }
    w->counters[COUNT_CARRIED_OUT] += s->forgets_carried_out;
    w->counters[COUNT_PRUNES_LEFT] += s->lists_left;
    w->counters[COUNT_FENCES] += s->sessions_fenced;
    w->counters[COUNT_ADOPTIONS] += s->lists_adopted;
    w->counters[COUNT_COPIED_OUT] += s->chunks_copied;
    w->counters[COUNT_PACKS_DELETED] += s->packs_dead + s->packs_emptied;
    if (s->packs_damaged > 0) {
        world_fail(w, "prune found %llu packs damaged", (unsigned long long)s->packs_damaged);
    }
}

void
action_prune(void *arg)
{
    struct action *a = arg;
    struct world *w = a->world;
    static const double waste[] = {0, 0, 0.05, 0.3};
    struct prune_options o = {.max_waste = waste[fibers_below(VV_COUNT(waste))],
                              .budget = UINT64_MAX,
                              .grace_ns = INT64_MAX,
                              .wait_ns = fibers_below(3) * 600 * UINT64_C(1000000000),
                              .fence = fibers_chance(1, 4),
                              .level = 1};
    struct vv_progress progress = {.current_busy = ATOMIC_FLAG_INIT};
    struct prune_summary summary = {0};
    struct vv_error err = {0};
    struct storage *s = world_storage(w, a->site);
    struct repo *r;

    world_say(w, "prune of site %u", a->site);
    r = action_open(a, s, false, &err);
    if (r != NULL) {
        enum vv_rc rc = prune_run(r, &o, &progress, &summary, &err);
        prune_ended(w, rc, &summary, &err);
    }
    repo_free(r);
    storage_free(s);
}
