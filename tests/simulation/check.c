/* SPDX-License-Identifier: BSD-2-Clause */
/* The question at the end: does everything restore? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/restore.h"
#include "engine/verify.h"
#include "simulation/world.h"

struct ear {
    struct vv_events base;
    struct world *world;
    uint64_t stale; /* packs that the index names, that are gone, and that nothing needs */
};

static void
hear(struct vv_events *self, const struct vv_event *event)
{
    struct ear *ear = (struct ear *)self;

    ear->stale += strcmp(event->name, "index-stale") == 0;
    world_hear(ear->world, event);
}

struct record *
check_record(struct world *w, const struct snapshot *s)
{
    for (size_t i = 0; i < s->body.tag_count; i++) {
        if (strncmp(s->body.tags[i], "run-", 4) == 0) {
            unsigned long n = strtoul(s->body.tags[i] + 4, NULL, 10);
            return n < w->record_count ? &w->records[n] : NULL;
        }
    }
    return NULL;
}

bool
check_restore(struct world *w, struct repo *r, const struct snapshot *s, const char *source,
              const struct content *files)
{
    struct restore_options o = {.path_given = true,
                                .overwrite = SINK_ALWAYS,
                                .owner = SINK_OWNER_NONE,
                                .verify = false,
                                .threads = 1};
    struct vv_progress progress = {.current_busy = ATOMIC_FLAG_INIT};
    struct restore_summary summary = {0};
    struct vv_error err = {0};
    char target[128];
    char what[256] = "";
    bool good = false;

    (void)snprintf(target, sizeof(target), "%s/target-%u", w->base, process_current());
    o.target = target;
    o.path = vv_span(source + 1, strlen(source) - 1);
    if (restore_run(r, s, &o, &progress, &summary, &err) != VV_OK) {
        world_say(w, "restore: %s", err.message);
    } else if (summary.problems || summary.damaged > 0) {
        world_say(w, "restore with problems");
    } else if (!source_matches(target, files, what)) {
        world_say(w, "restored: %s", what);
    } else {
        good = true;
    }
    source_remove(target);
    return good;
}

bool
check_snapshot(struct world *w, struct repo *r, const struct snapshot *s, unsigned site)
{
    struct record *record = check_record(w, s);

    if (record == NULL) {
        world_fail(w, "site %u: a snapshot nobody made", site);
        return false;
    }
    world_say(w, "restore run-%u from site %u", (unsigned)(record - w->records), site);
    return check_restore(w, r, s, w->hosts[record->host].source, record->files);
}

static void
check_present(struct world *w, const struct snapshot_list *l, unsigned site)
{
    for (unsigned i = 0; i < w->record_count; i++) {
        const struct record *record = &w->records[i];
        bool found = false;
        for (size_t k = 0; k < l->count && !found; k++) {
            found = check_record(w, &l->snapshots[k]) == record;
        }
        if (record->site == site && record->reported && record->forgets == 0 && !found) {
            world_fail(w, "site %u: run-%u reported success and is not there", site, i);
        } else if ((record->undeleted_on & 1u << site) != 0 && !found) {
            world_fail(w, "site %u: run-%u was said to be back and is not there", site, i);
        }
    }
}

/** The index is a hint: a prune that was stopped and fenced may publish a segment that names packs
 *  another one has deleted.  Verify notes them until the next prune, and finds no damage. */
static void
check_site(struct world *w, unsigned site)
{
    struct ear ear = {.base = {hear}, .world = w};
    struct repo_options o = {.clock = &world_clock, .events = &ear.base};
    struct verify_options all = {.data = true, .threads = 1};
    struct verify_summary summary = {0};
    struct snapshot_list l = {0};
    struct vv_error err = {0};
    struct repo *r = NULL;

    if (repo_open(w->sites[site], &world_key, &o, &r, &err) != VV_OK ||
        snapshot_list_read(r, &l, &err) != VV_OK ||
        verify_run(r, &l, &all, NULL, &summary, &err) != VV_OK) {
        world_fail(w, "site %u: %s", site, err.message);
    } else if (l.damaged + l.forged + summary.chunks_missing + summary.paths_damaged +
                   summary.objects_damaged >
               0) {
        world_fail(
            w,
            "site %u: %zu snapshots damaged, %zu forged, %llu chunks missing, %llu paths and "
            "%llu objects damaged",
            site, l.damaged, l.forged, (unsigned long long)summary.chunks_missing,
            (unsigned long long)summary.paths_damaged, (unsigned long long)summary.objects_damaged);
    }
    w->counters[COUNT_STALE] += ear.stale;
    check_present(w, &l, site);
    for (size_t i = 0; i < l.count && !w->failed; i++) {
        w->counters[COUNT_CHECKED]++;
        if (!check_snapshot(w, r, &l.snapshots[i], site)) {
            world_fail(w, "site %u: a snapshot does not restore", site);
        }
    }
    snapshot_list_release(&l);
    repo_free(r);
}

/** What the hosts remember of the site is there: none of them sees an alarm. */
static void
check_memories(struct world *w, unsigned site)
{
    for (unsigned i = 0; i < HOSTS && !w->failed; i++) {
        struct ear ear = {.base = {hear}, .world = w};
        char state[160];
        struct repo_options o = {.state_dir = state, .clock = &world_clock, .events = &ear.base};
        struct snapshot_list l = {0};
        struct vv_error err = {0};
        struct repo *r = NULL;
        (void)snprintf(state, sizeof(state), "%s/client-state", w->hosts[i].home);
        if (repo_open(w->sites[site], &world_key, &o, &r, &err) != VV_OK ||
            snapshot_list_read(r, &l, &err) != VV_OK) {
            world_fail(w, "site %u, host %u: %s", site, i, err.message);
        } else if (l.freshness == FRESHNESS_ROLLED_BACK) {
            world_fail(w, "site %u, host %u: what it has seen is missing", site, i);
        }
        snapshot_list_release(&l);
        repo_free(r);
    }
}

static void
check(void *arg)
{
    struct world *w = arg;

    for (unsigned i = 0; i < SITES; i++) {
        struct vv_span config;
        if (storage_memory_peek(w->sites[i], "config", &config)) {
            check_site(w, i);
            check_memories(w, i);
        }
    }
}

void
check_start(struct world *w)
{
    (void)process_start(check, w);
}
