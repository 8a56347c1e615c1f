/* SPDX-License-Identifier: BSD-2-Clause */
/* The processes of a trace: backups, replications, prunes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/backup.h"
#include "engine/prune.h"
#include "engine/replicate.h"
#include "simulation/replay.h"

static void
hear(struct vv_events *self, const struct vv_event *event)
{
    struct actor *a = (struct actor *)(void *)((char *)self - offsetof(struct actor, events));

    world_say(&a->replay->world, "  %s: %s", event->name, event->text);
}

static struct repo_options
options_of(struct actor *a)
{
    return (struct repo_options){
        .state_dir = a->state, .cache_dir = a->cache, .clock = &world_clock, .events = &a->events};
}

static void
end(struct actor *a, enum vv_rc rc, const struct vv_error *err)
{
    a->reported = rc == VV_OK;
    (void)snprintf(a->ended, sizeof(a->ended), "%.250s", rc == VV_OK ? "well" : err->message);
}

static void
backup(void *arg)
{
    struct actor *a = arg;
    struct world *w = &a->replay->world;
    struct vv_progress progress = {.current_busy = ATOMIC_FLAG_INIT};
    struct backup_summary summary = {0};
    struct vv_error err = {0};
    const char *path = w->hosts[a->host].source;
    struct backup_options o = {
        .paths = &path, .path_count = 1, .host = "host", .user = "root", .threads = 1, .level = 1};
    struct repo_options options = options_of(a);
    struct storage *s = steps_storage(a, w->sites[0]);
    struct repo *r = NULL;
    enum vv_rc rc = repo_open(s, &world_key, &options, &r, &err);

    if (rc == VV_OK) {
        rc = backup_run(r, &o, &progress, &summary, &err);
    }
    end(a, rc, &err);
    repo_free(r);
    storage_free(s);
}

static void
replicate(void *arg)
{
    struct actor *a = arg;
    struct vv_error err = {0};
    struct repo_options options = options_of(a);
    struct replicate_options o = {.share = REPLICATE_SHARE_PART, .threads = 1};
    struct replicate_destination to = {.storage = steps_storage(a, a->replay->world.sites[0])};
    struct repo *r = NULL;
    enum vv_rc rc = repo_open(a->replay->elsewhere, &world_key, &options, &r, &err);

    if (rc == VV_OK) {
        rc = replicate_run(r, &to, 1, &options, &o, NULL, &err);
    }
    if (rc == VV_OK) {
        rc = to.rc;
        err = to.err;
    }
    end(a, rc, &err);
    repo_free(r);
    storage_free(to.storage);
}

static void
prune(void *arg)
{
    struct actor *a = arg;
    struct vv_error err = {0};
    struct prune_options o = {.budget = UINT64_MAX,
                              .grace_ns = INT64_MAX,
                              .wait_ns = UINT64_C(1200) * 1000000000,
                              .fence = a->replay->fences,
                              .level = 1};
    struct vv_progress progress = {.current_busy = ATOMIC_FLAG_INIT};
    struct prune_summary summary = {0};
    struct repo_options options = options_of(a);
    struct storage *s = steps_storage(a, a->replay->world.sites[0]);
    struct repo *r = NULL;
    enum vv_rc rc = repo_open(s, &world_key, &options, &r, &err);

    if (rc == VV_OK) {
        rc = prune_run(r, &o, &progress, &summary, &err);
    }
    end(a, rc, &err);
    repo_free(r);
    storage_free(s);
}

struct actor *
actor_find(struct replay *r, const char *name, bool is_replication)
{
    bool is_prune = strncmp(name, "prune ", 6) == 0;
    unsigned number = (unsigned)(name[strlen(name) - 1] - '0');
    enum actor_kind kind = is_prune         ? ACTOR_PRUNE
                           : is_replication ? ACTOR_REPLICATION
                                            : ACTOR_SESSION;
    struct actor *a;

    for (unsigned i = 0; i < r->actor_count; i++) {
        if (r->actors[i].kind == kind && r->actors[i].number == number) {
            return &r->actors[i];
        }
    }
    if (r->actor_count == ACTORS) {
        abort();
    }
    a = &r->actors[r->actor_count++];
    *a = (struct actor){.replay = r, .kind = kind, .number = number, .events = {hear}};
    return a;
}

void
actor_start(struct actor *a)
{
    static unsigned serial;
    struct world *w = &a->replay->world;
    /* Who reuses a parent is the first snapshot's host; others are new here. */
    unsigned host = a->kind == ACTOR_SESSION && !a->reuses ? 1 + a->number : 0;

    a->host = host;
    if (a->kind == ACTOR_SESSION) {
        (void)snprintf(a->state, sizeof(a->state), "%s/state", w->hosts[host].home);
        (void)snprintf(a->cache, sizeof(a->cache), "%s/cache", w->hosts[host].home);
    } else {
        (void)snprintf(a->state, sizeof(a->state), "%s/state-%u", w->hosts[host].home, ++serial);
        (void)snprintf(a->cache, sizeof(a->cache), "%s/cache-%u", w->hosts[host].home, serial);
    }
    a->started = true;
    a->steps = 0;
    a->session[0] = '\0';
    a->commit = VV_OK;
    a->process = process_start(a->kind == ACTOR_PRUNE         ? prune
                               : a->kind == ACTOR_REPLICATION ? replicate
                                                              : backup,
                               a);
    fibers_hold(a->process, true);
}
