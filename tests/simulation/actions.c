/* SPDX-License-Identifier: BSD-2-Clause */
/* What processes do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/backup.h"
#include "engine/replicate.h"
#include "simulation/action.h"

/** The words of a run, for --verbose, and for what must never be said. */
static void
hear(struct vv_events *self, const struct vv_event *event)
{
    struct action *a = (struct action *)(void *)((char *)self - offsetof(struct action, events));

    world_hear(a->world, event);
}

struct repo *
action_open(struct action *a, struct storage *s, bool keyless, struct vv_error *err)
{
    struct repo_options o = {
        .state_dir = a->state, .cache_dir = a->cache, .clock = &world_clock, .events = &a->events};
    struct repo *r = NULL;
    enum vv_rc rc =
        keyless ? repo_open_keyless(s, &o, &r, err) : repo_open(s, &world_key, &o, &r, err);

    if (rc != VV_OK) {
        world_fail(a->world, "cannot open site %u: %s", a->site, err->message);
    }
    return r;
}

static bool
is_repository(struct world *w, unsigned site)
{
    struct vv_span config;

    return storage_memory_peek(w->sites[site], "config", &config);
}

/* --- backup ------------------------------------------------------------------------------------ */

static void
backup_ended(struct action *a, enum vv_rc rc, const struct backup_summary *s,
             const struct vv_error *err)
{
    struct world *w = a->world;

    if (rc == VV_OK && s->committed) {
        w->records[a->record].reported = true;
        w->counters[COUNT_BACKUPS_COMMITTED]++;
        w->counters[COUNT_PARENT_REUSED] += s->parent_used && s->statistics.files_unchanged > 0;
        world_say(w, "backup done");
    } else if (rc == VV_EREFUSED && strstr(err->message, "fenced") != NULL) {
        w->counters[COUNT_REFUSED]++;
        world_say(w, "backup: %s", err->message);
    } else {
        world_fail(w, "backup failed: %s", err->message);
    }
}

static void
backup(void *arg)
{
    struct action *a = arg;
    struct world *w = a->world;
    struct vv_progress progress = {.current_busy = ATOMIC_FLAG_INIT};
    struct backup_summary summary = {0};
    struct vv_error err = {0};
    const char *path = w->hosts[a->host].source;
    char tag[16];
    const char *tags[1] = {tag};
    char host[16];
    struct backup_options o = {.paths = &path,
                               .path_count = 1,
                               .tags = tags,
                               .tag_count = 1,
                               .host = host,
                               .user = "root",
                               .threads = 1 + (unsigned)fibers_below(2),
                               .level = 1};
    struct storage *s = world_storage(w, a->site);
    struct repo *r;

    (void)snprintf(tag, sizeof(tag), "run-%u", a->record);
    (void)snprintf(host, sizeof(host), "host%u", a->host);
    world_say(w, "backup of host %u to site %u, %s", a->host, a->site, tag);
    r = action_open(a, s, false, &err);
    if (r != NULL) {
        enum vv_rc rc = backup_run(r, &o, &progress, &summary, &err);
        backup_ended(a, rc, &summary, &err);
        repo_free(r);
    }
    storage_free(s);
}

/** Sources stay as they are while somebody reads them. */
static void
count_writers(struct world *w)
{
    for (unsigned i = 0; i < HOSTS; i++) {
        w->hosts[i].writers = 0;
    }
    for (unsigned i = 0; i < w->record_count; i++) {
        w->hosts[w->records[i].host].writers += !process_ended(w->records[i].process);
    }
}

static void
start_backup(struct world *w, struct action *a)
{
    struct record *record = &w->records[w->record_count];

    a->record = w->record_count++;
    a->site = is_repository(w, 1) ? (unsigned)fibers_chance(1, 4) : 0;
    count_writers(w);
    source_change(w, a->host);
    *record = (struct record){.host = a->host, .site = a->site};
    memcpy(record->files, w->hosts[a->host].files, sizeof(record->files));
    record->process = process_start(backup, a);
    w->counters[COUNT_BACKUPS]++;
}

/* --- replicate --------------------------------------------------------------------------------- */

static void
replicate(void *arg)
{
    struct action *a = arg;
    struct world *w = a->world;
    struct vv_error err = {0};
    struct repo_options options = {
        .state_dir = a->state, .cache_dir = a->cache, .clock = &world_clock, .events = &a->events};
    struct replicate_options o = {.share = REPLICATE_SHARE_PART,
                                  .part = 0.2,
                                  .threads = 1 + (unsigned)fibers_below(2),
                                  .accept_shrunken = true};
    struct replicate_destination to = {.storage = world_storage(w, a->other)};
    struct storage *s = world_storage(w, a->site);
    bool keyless = fibers_chance(1, 3);
    struct repo *r;

    world_say(w, "replication from site %u to %u%s", a->site, a->other, keyless ? ", keyless" : "");
    r = action_open(a, s, keyless, &err);
    if (r != NULL) {
        enum vv_rc rc = replicate_run(r, &to, 1, &options, &o, NULL, &err);
        if (rc == VV_OK) {
            rc = to.rc;
            err = to.err;
        }
        world_say(w, "replication ended: %s", rc == VV_OK ? "well" : err.message);
        w->counters[COUNT_SNAPSHOTS_COPIED] += to.summary.snapshots_copied;
        w->counters[COUNT_PACKS_TAKEN_OVER] += to.summary.packs_adopted;
        repo_free(r);
    }
    storage_free(s);
    storage_free(to.storage);
}

static void
start_replication(struct world *w, struct action *a)
{
    a->site = is_repository(w, 1) ? (unsigned)fibers_chance(1, 4) : 0;
    a->other = 1 - a->site;
    w->counters[COUNT_REPLICATIONS]++;
    (void)process_start(replicate, a);
}

/* --- restore ----------------------------------------------------------------------------------- */

/** A restore beside the others; what nobody began to forget must be there to its end. */
static void
restore(void *arg)
{
    struct action *a = arg;
    struct world *w = a->world;
    struct snapshot_list l = {0};
    struct vv_error err = {0};
    struct storage *s = world_storage(w, a->site);
    struct repo *r;

    world_say(w, "restore from site %u", a->site);
    r = action_open(a, s, false, &err);
    if (r != NULL && snapshot_list_read(r, &l, &err) != VV_OK) {
        world_fail(w, "cannot read site %u: %s", a->site, err.message);
    } else if (r != NULL && l.count > 0) {
        const struct snapshot *chosen = &l.snapshots[fibers_below(l.count)];
        if (!check_snapshot(w, r, chosen, a->site) && check_record(w, chosen)->forgets == 0) {
            world_fail(w, "site %u: a restore beside the others failed", a->site);
        }
    }
    snapshot_list_release(&l);
    repo_free(r);
    storage_free(s);
}

static void
start_restore(struct world *w, struct action *a)
{
    a->site = is_repository(w, 1) ? (unsigned)fibers_chance(1, 2) : 0;
    w->counters[COUNT_READS]++;
    (void)process_start(restore, a);
}

/* --- choosing ---------------------------------------------------------------------------------- */

/** Everything else: an administrator's processes, with or without a memory of their own. */
static void
start_maintenance(struct world *w, struct action *a, void (*main)(void *arg), enum counter counter)
{
    a->site = is_repository(w, 1) ? (unsigned)fibers_chance(1, 3) : 0;
    w->counters[counter]++;
    (void)process_start(main, a);
}

static void
name_directories(const struct world *w, struct action *a, const char *who)
{
    (void)snprintf(a->state, sizeof(a->state), "%s/%s-state", w->hosts[a->host].home, who);
    (void)snprintf(a->cache, sizeof(a->cache), "%s/%s-cache", w->hosts[a->host].home, who);
}

void
action_start(struct world *w)
{
    struct action *a =
        vv_alloc_array(1, sizeof(*a)); /* killed or not, it lives as long as the round */
    uint64_t what = fibers_below(20);

    if (a == NULL) {
        abort();
    }
    a->world = w;
    a->events.emit = hear;
    a->host = (unsigned)fibers_below(HOSTS);
    name_directories(w, a, "client");
    w->counters[COUNT_PROCESSES]++;
    if (what < 7) {
        start_backup(w, a);
    } else if (what < 10) {
        name_directories(w, a, "replicator");
        start_replication(w, a);
    } else if (what < 11) {
        start_restore(w, a);
    } else if (what < 15) {
        start_maintenance(w, a, action_forget, COUNT_FORGETS_STARTED);
    } else if (what < 16) {
        start_maintenance(w, a, action_undelete, COUNT_UNDELETES_STARTED);
    } else {
        start_maintenance(w, a, action_prune, COUNT_PRUNES);
    }
}
