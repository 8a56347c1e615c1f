/* SPDX-License-Identifier: BSD-2-Clause */
/* The repository a trace begins with: one chunk, in a pack most of which is waste. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "engine/backup.h"
#include "engine/replicate.h"
#include "repo/bury.h"
#include "repo/retention_publish.h"
#include "repo/snapshots.h"
#include "simulation/replay.h"

#define GRACE_NS (INT64_C(7) * 86400 * 1000000000)
#define CHUNK 3u /* numbers of contents */
#define WASTE 9u
#define EMPTY_SESSIONS 32u /* as many as a prune finds worth a grave */

static void
need(struct replay *r, enum vv_rc rc, const struct vv_error *err, const char *what)
{
    if (rc != VV_OK) {
        world_fail(&r->world, "%s: %s", what, err->message);
    }
}

static struct repo *
open_as(struct replay *r, struct storage *s, unsigned host)
{
    char state[160];
    char cache[160];
    struct repo_options o = {.state_dir = state, .cache_dir = cache, .clock = &world_clock};
    struct vv_error err = {0};
    struct repo *repo = NULL;

    (void)snprintf(state, sizeof(state), "%s/state", r->world.hosts[host].home);
    (void)snprintf(cache, sizeof(cache), "%s/cache", r->world.hosts[host].home);
    need(r, repo_open(s, &world_key, &o, &repo, &err), &err, "open");
    return repo;
}

static void
set_source(struct replay *r, unsigned host, unsigned second)
{
    struct content files[FILES] = {{.number = CHUNK}, {.number = second}};

    source_set(&r->world, host, files);
}

/** A backup by a host; ${ret} may be NULL. */
static void
back_up(struct replay *r, struct storage *s, unsigned host, struct backup_summary *ret)
{
    struct vv_progress progress = {.current_busy = ATOMIC_FLAG_INIT};
    struct backup_summary summary = {0};
    struct vv_error err = {0};
    const char *path = r->world.hosts[host].source;
    struct backup_options o = {
        .paths = &path, .path_count = 1, .host = "host", .user = "root", .threads = 1, .level = 1};
    struct repo *repo = open_as(r, s, host);

    if (repo != NULL) {
        need(r, backup_run(repo, &o, &progress, &summary, &err), &err, "backup");
    }
    repo_free(repo);
    if (ret != NULL) {
        *ret = summary;
    }
}

static void
bury(struct replay *r, struct storage *s, const struct vv_uuid *snapshot)
{
    struct repo *repo = open_as(r, s, 0);
    struct vv_error err = {0};
    size_t count;

    if (repo != NULL) {
        need(r, bury_snapshots(repo, snapshot, 1, &count, &err), &err, "bury");
        need(r, slots_remove_buried(repo, &count, &err), &err, "remove slots");
    }
    repo_free(repo);
}

static void
leave_empty_sessions(struct replay *r, struct storage *s)
{
    struct repo *repo = open_as(r, s, 0);

    for (unsigned i = 0; i < EMPTY_SESSIONS && repo != NULL; i++) {
        struct writer_session *session = NULL;
        struct vv_error err = {0};
        need(r, writer_session_begin(repo, SESSION_BACKUP, &session, &err), &err, "session");
        need(r, writer_session_commit(session, vv_span(NULL, 0), 0, &err), &err, "end");
        writer_session_free(session);
    }
    repo_free(repo);
}

/* --- packs ------------------------------------------------------------------------------------- */

struct data_packs {
    struct storage *storage;
    const struct vv_uuid *repository;
    struct pack_name names[4];
    unsigned count;
};

static enum vv_rc
note_data_pack(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct data_packs *d = ctx;
    struct pack_header header;
    struct pack_name pack;
    char object[PACK_OBJECT_TEXT];
    struct vv_span bytes;

    (void)size;
    (void)err;
    if (pack_name_parse(name, strlen(name), &pack)) {
        pack_object_text(&pack, object);
        if (storage_memory_peek(d->storage, object, &bytes) &&
            pack_header_decode(bytes.data, d->repository, &header, NULL) == VV_OK &&
            header.class == PACK_DATA && d->count < VV_COUNT(d->names)) {
            d->names[d->count++] = pack;
        }
    }
    return VV_OK;
}

static struct data_packs
find_data_packs(struct replay *r, struct storage *s)
{
    struct data_packs d = {.storage = s, .repository = &r->repository};
    struct vv_error err = {0};

    need(r, storage_list_shards(s, "packs", note_data_pack, &d, &err), &err, "packs");
    return d;
}

static void
publish_suspect(struct replay *r, const struct pack_name *pack, const char *name)
{
    struct repo *repo = open_as(r, r->world.sites[0], 0);
    struct vv_buf payload = {0};
    struct vv_error err = {0};

    pack_list_encode(pack, 1, &payload);
    if (repo != NULL) {
        need(r, admin_publish(repo, 1, ADMIN_SUSPECT, name, vv_buf_span(&payload), &err), &err,
             "suspect");
    }
    vv_buf_release(&payload);
    repo_free(repo);
}

static void
damage(struct storage *s, const struct pack_name *pack)
{
    char object[PACK_OBJECT_TEXT];
    struct vv_buf copy = {0};
    struct vv_span bytes;

    pack_object_text(pack, object);
    if (storage_memory_peek(s, object, &bytes)) {
        vv_buf_put(&copy, bytes.data, bytes.len);
        for (size_t at = PACK_HEADER_LEN; at < copy.len && at < PACK_HEADER_LEN + 4096; at++) {
            copy.data[at] ^= 1; /* the blocks, not the header */
        }
        (void)!storage_memory_poke(s, object, vv_buf_span(&copy), NULL);
    }
    vv_buf_release(&copy);
}

/** A second pack with the chunk, by a host that took the first one for bad. */
static void
add_rotten_copy(struct replay *r, bool known)
{
    static const char suspect[] = "suspect-0123456789abcdef0123456789abcdef";
    struct data_packs before = find_data_packs(r, r->world.sites[0]);
    struct backup_summary s;
    struct data_packs after;

    publish_suspect(r, &before.names[0], suspect);
    set_source(r, 2, 0);
    back_up(r, r->world.sites[0], 2, &s);
    bury(r, r->world.sites[0], &s.snapshot.id);
    (void)!storage_memory_poke(r->world.sites[0], "admin/suspect-0123456789abcdef0123456789abcdef",
                               vv_span(NULL, 0), NULL);
    after = find_data_packs(r, r->world.sites[0]);
    if (after.count != 2) {
        world_fail(&r->world, "there should be two packs with the chunk, not %u", after.count);
        return;
    }
    struct pack_name *bad = pack_name_compare(&after.names[0], &before.names[0]) == 0
                                ? &after.names[1]
                                : &after.names[0];
    damage(r->world.sites[0], bad);
    if (known) {
        publish_suspect(r, bad, "suspect-fedcba9876543210fedcba9876543210");
    }
}

/* --- the whole --------------------------------------------------------------------------------- */

/** What was made so far is elsewhere; here is a replica of it with the first snapshot only. */
static void
move_elsewhere(struct replay *r)
{
    struct replicate_options o = {.snapshots = &r->first.id,
                                  .snapshot_count = 1,
                                  .share = REPLICATE_SHARE_PART,
                                  .threads = 1};
    struct replicate_destination to = {0};
    struct repo_options options = {.clock = &world_clock};
    struct vv_error err = {0};
    struct repo *repo;

    r->elsewhere = r->world.sites[0];
    need(r, storage_memory_new(&r->world.sites[0], &err), &err, "storage");
    set_source(r, 1, 0);
    back_up(r, r->elsewhere, 1, NULL); /* what a replication will bring */
    repo = open_as(r, r->elsewhere, 0);
    to.storage = r->world.sites[0];
    if (repo != NULL) {
        need(r, replicate_run(repo, &to, 1, &options, &o, NULL, &err), &err, "replicate");
        need(r, to.rc, &to.err, "replica");
    }
    repo_free(repo);
}

void
replay_setup(void *arg)
{
    const struct setup *setup = arg;
    struct replay *r = setup->replay;
    struct storage *s = r->world.sites[0];
    struct backup_summary wasteful;
    struct backup_summary first;
    struct repo *repo;

    repo = open_as(r, s, 0);
    if (repo == NULL) {
        return;
    }
    r->repository = *repo_id(repo);
    repo_free(repo);
    set_source(r, 0, WASTE);
    back_up(r, s, 0, &wasteful);
    fibers_advance(UINT64_C(60) * 1000000000);
    set_source(r, 0, 0);
    back_up(r, s, 0, &first);
    bury(r, s, &wasteful.snapshot.id);
    r->first.id = first.snapshot.id;
    if (setup->rotten) {
        add_rotten_copy(r, setup->suspect);
    }
    if (setup->is_replica) {
        move_elsewhere(r);
        s = r->world.sites[0];
    }
    leave_empty_sessions(r, s);
    r->packs[1] = find_data_packs(r, s).names[0];
    for (unsigned i = 1; i < HOSTS; i++) {
        set_source(r, i, 0);
    }
    fibers_advance(UINT64_C(60) * 1000000000);
}

void
replay_bury_first(void *arg)
{
    struct replay *r = arg;

    bury(r, r->world.sites[0], &r->first.id);
}

void
replay_bury_session(void *arg)
{
    struct actor *a = arg;
    struct replay *r = a->replay;
    struct repo *repo = open_as(r, r->world.sites[0], 0);
    struct snapshot_list l = {0};
    struct vv_error err = {0};

    if (repo != NULL) {
        need(r, snapshot_list_read(repo, &l, &err), &err, "list");
    }
    for (size_t i = 0; i < l.count; i++) {
        char text[VV_UUID_TEXT];
        vv_uuid_text(&l.snapshots[i].session, text);
        if (strcmp(text, a->session) == 0) {
            bury(r, r->world.sites[0], &l.snapshots[i].id);
            a->buried = true;
        }
    }
    snapshot_list_release(&l);
    repo_free(repo);
}

void
replay_forget_first(void *arg)
{
    struct replay *r = arg;
    struct repo *repo = open_as(r, r->world.sites[0], 0);
    struct vv_error err = {0};

    if (repo != NULL) {
        need(r, forget_publish(repo, &r->first.id, 1, GRACE_NS, &r->forget, &err), &err, "forget");
    }
    repo_free(repo);
}

void
replay_end_forget(void *arg)
{
    struct forget_ending *e = arg;
    struct replay *r = e->replay;
    struct repo *repo = open_as(r, r->world.sites[0], 0);

    if (repo != NULL) {
        e->rc = forget_end(repo, &r->forget, e->outcome, NULL);
        if (e->rc == VV_OK && e->outcome == FORGET_CARRIED_OUT) {
            replay_bury_first(r);
        }
    }
    repo_free(repo);
}
