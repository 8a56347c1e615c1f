/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading all slots, or those of them that this run has not read yet. */

#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "repo/object_ahead.h"
#include "repo/repo_internal.h"
#include "repo/slot_cache.h"
#include "repo/slot_memory.h"
#include "repo/snapshots_internal.h"

#define READ_ATTEMPTS 10

/** A repair buries the session of a damaged slot once what it held is elsewhere: no news then. */
static bool
is_buried_slot(const struct slot_scan *s, const char *file)
{
    struct vv_uuid session;

    return vv_uuid_parse(file, strlen(file), &session) && admin_buried(&s->admin, &session, NULL);
}

/** A slot that was read before, if all of it still counts: Y3. */
static enum vv_rc
take_known(struct slot_scan *s, const char *file, bool *ret_taken, struct vv_error *err)
{
    struct vv_uuid session;
    const struct known_record *k;
    size_t count = 0;

    *ret_taken = false;
    if (s->memory == NULL || !vv_uuid_parse(file, strlen(file), &session)) {
        return VV_OK;
    }
    k = slot_memory_find(s->memory, &session, &count);
    for (size_t i = 0; i < count; i++) {
        const struct certificate *c = admin_certificate(&s->admin, &k[i].client);
        if (k[i].kind == KNOWN_RECORD &&
            (!certificate_may_write(c) || memcmp(c->ed25519, k[i].signer, 32) != 0)) {
            return VV_OK;
        }
    }
    *ret_taken = count > 0;
    for (size_t i = 0; i < count; i++) {
        struct snapshot item = {.id = k[i].id,
                                .session = k[i].session,
                                .client = k[i].client,
                                .sequence = k[i].sequence,
                                .previous = k[i].previous,
                                .hash = k[i].hash,
                                .site = k[i].site,
                                .time = k[i].time,
                                .epoch = k[i].epoch};
        slot_memory_note(s->memory, &k[i]);
        s->list.fenced += k[i].kind == KNOWN_FENCE;
        if (k[i].kind == KNOWN_RECORD && !admin_buried(&s->admin, &session, NULL)) {
            VV_TRY(scan_keep(s, &item, err));
        }
    }
    return VV_OK;
}

/** A slot whose bytes are here: taken, and if all of it is in order remembered (Y2). */
static enum vv_rc
take_object(struct repo *r, const char *name, struct vv_span object, unsigned with,
            struct slot_scan *s, struct vv_error *err)
{
    const char *file = name + strlen("snapshots/");
    size_t noted = s->memory != NULL ? slot_memory_noted(s->memory) : 0;
    size_t trouble = s->list.damaged + s->list.forged;
    size_t fenced = s->list.fenced;
    struct known_record k = {.kind = KNOWN_EMPTY};
    enum vv_rc rc = scan_take_slot(r, name, object, with, s, err);

    if (s->memory == NULL) {
        return rc;
    }
    if (rc != VV_OK || s->list.damaged + s->list.forged != trouble) {
        slot_memory_forget(s->memory, noted);
    } else if (slot_memory_noted(s->memory) == noted &&
               vv_uuid_parse(file, strlen(file), &k.session) &&
               !admin_buried(&s->admin, &k.session, NULL)) {
        k.kind = s->list.fenced != fenced ? KNOWN_FENCE : KNOWN_EMPTY;
        slot_memory_note(s->memory, &k);
    }
    return rc;
}

/** One that was read: kept for later runs, too, if all of it is in order (Q2), and all was opened that
 *  this key opens. */
static enum vv_rc
take_read(struct repo *r, const char *name, struct vv_span object, unsigned with,
          struct slot_scan *s, struct vv_error *err)
{
    const char *file = name + strlen("snapshots/");
    size_t trouble = s->list.damaged + s->list.forged;
    bool opens = (with & SLOT_SCAN_BODIES) != 0 || !keyring_may_read(repo_keyring(r));
    struct vv_uuid session;
    enum vv_rc rc;

    if (s->cache == NULL || !opens || !vv_uuid_parse(file, strlen(file), &session)) {
        return take_object(r, name, object, with, s, err);
    }
    slot_cache_begin(s->cache, &session, object);
    rc = take_object(r, name, object, with, s, err);
    slot_cache_end(s->cache, rc == VV_OK && s->list.damaged + s->list.forged == trouble);
    return rc;
}

/** One that is in the cache. */
static enum vv_rc
take_kept(struct repo *r, const char *name, struct kept_slot *kept, unsigned with,
          struct slot_scan *s, struct vv_error *err)
{
    enum vv_rc rc;

    s->proofs = &kept->proofs;
    rc = take_object(r, name, kept->object, with, s, err);
    s->proofs = NULL;
    return rc;
}

/** The memory of slots for a scan, and back when that has gone well: what it did not meet is gone. */
static void
lend_memory(struct repo *r, struct slot_scan *s)
{
    s->memory = repo_slot_memory(r, NULL);
    if (s->memory == NULL) {
        s->memory = slot_memory_new();
    }
}

static void
return_memory(struct repo *r, struct slot_scan *s)
{
    if (s->memory != NULL) {
        slot_memory_turn(s->memory);
        slot_memory_free(repo_slot_memory(r, s->memory));
        s->memory = NULL;
    }
}

/** Likewise the cache. */
static void
lend_cache(struct repo *r, struct slot_scan *s)
{
    if (repo_known_slots(r) != KNOWN_SLOTS_UNUSED) {
        s->cache = repo_slot_cache(r, NULL);
        if (s->cache == NULL) {
            s->cache = slot_cache_load(r);
        }
    }
}

static void
return_cache(struct repo *r, struct slot_scan *s)
{
    if (s->cache != NULL) {
        slot_cache_save(r, s->cache);
        slot_cache_free(repo_slot_cache(r, s->cache));
        s->cache = NULL;
    }
}

/** What is read of a repository at once: on a long line the slots are on their way while the
 *  administrator's records are read. */
struct reading {
    struct repo *repo;
    struct admin_records admin;
    const struct slot_memory *memory; /* NULL: none */
    struct slot_cache *cache;         /* NULL: none */
    bool trusted;                     /* what is in there is not read */
    struct name_list names;           /* of the slots */
    char **unknown;                   /* those of them that are read */
    struct object_ahead *ahead;
};

static void
reading_release(struct reading *g)
{
    object_ahead_free(g->ahead); /* before the names it uses */
    vv_free(g->unknown);
    name_list_release(&g->names);
    admin_records_release(&g->admin);
}

static enum vv_rc
fetch_admin(void *ctx, struct vv_error *err)
{
    struct reading *g = ctx;

    return admin_records_read_once(g->repo, &g->admin, err);
}

static bool
find_kept(const struct reading *g, const char *file, struct kept_slot *ret)
{
    struct vv_uuid session;

    return g->cache != NULL && vv_uuid_parse(file, strlen(file), &session) &&
           slot_cache_find(g->cache, &session, ret);
}

static bool
is_known(const struct reading *g, const char *file)
{
    struct vv_uuid session;
    struct kept_slot kept;
    size_t count;
    bool is_kept = find_kept(g, file, &kept); /* asked also when that is not used: Q1 */

    return (is_kept && g->trusted) ||
           (g->memory != NULL && vv_uuid_parse(file, strlen(file), &session) &&
            slot_memory_find(g->memory, &session, &count) != NULL);
}

static enum vv_rc
fetch_slots(void *ctx, struct vv_error *err)
{
    struct reading *g = ctx;
    size_t count = 0;

    repo_scan_begins(g->repo);
    VV_TRY(repo_list(g->repo, "snapshots", &g->names, err));
    g->unknown = vv_alloc_array(g->names.count + 1, sizeof(*g->unknown));
    if (g->unknown == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < g->names.count; i++) {
        if (!is_known(g, g->names.names[i])) {
            g->unknown[count++] = g->names.names[i];
        }
    }
    return object_ahead_new(repo_storage(g->repo), "snapshots", g->unknown, count, LIMIT_SLOT,
                            &g->ahead, err);
}

/** The bytes of a slot that was not taken from the memory: read ahead, unless it was thought known. */
static enum vv_rc
next_slot(struct reading *g, const char *name, const char *file, struct vv_buf *out,
          struct vv_error *err)
{
    if (!is_known(g, file)) {
        return object_ahead_next(g->ahead, out, err);
    }
    vv_buf_reset(out);
    return storage_read_all(repo_storage(g->repo), name, LIMIT_SLOT, out, err);
}

/** A slot that was not taken from the memory.  VV_ENOTFOUND: it was buried meanwhile. */
static enum vv_rc
take_slot(struct reading *g, const char *name, unsigned with, struct slot_scan *s,
          struct vv_buf *object, struct vv_error *err)
{
    const char *file = name + strlen("snapshots/");
    struct kept_slot kept;
    bool is_kept = find_kept(g, file, &kept);

    if (!is_kept || !g->trusted) {
        VV_TRY(next_slot(g, name, file, object, err));
        is_kept = is_kept && kept.object.len == object->len &&
                  memcmp(kept.object.data, object->data, object->len) == 0;
    }
    return is_kept ? take_kept(g->repo, name, &kept, with, s, err)
                   : take_read(g->repo, name, vv_buf_span(object), with, s, err);
}

/** Go through the slots, with the administrator's records in ${s}. */
static enum vv_rc
take_slots(struct reading *g, unsigned with, struct slot_scan *s, struct vv_error *err)
{
    struct repo *r = g->repo;
    struct vv_buf object = {0};
    struct vv_buf name = {0};
    enum vv_rc rc = VV_OK;

    for (size_t i = 0; i < g->names.count && rc == VV_OK; i++) {
        const char *text;
        bool taken = false;
        rc = take_known(s, g->names.names[i], &taken, err);
        if (taken || rc != VV_OK) {
            continue;
        }
        vv_buf_reset(&name);
        vv_buf_printf(&name, "snapshots/%s", g->names.names[i]);
        text = vv_buf_text(&name);
        rc = vv_buf_check(&name, err);
        if (rc == VV_OK) {
            rc = take_slot(g, text, with, s, &object, err);
        }
        if (rc == VV_ENOTFOUND) { /* then the records in admin/ have changed */
            vv_error_clear(err);
            rc = VV_OK;
        }
        if (scan_is_damage(rc) && is_buried_slot(s, g->names.names[i])) {
            vv_error_clear(err);
            rc = VV_OK;
        }
        rc = scan_pass_over_damage(r, text, s, rc, err);
    }
    vv_buf_release(&object);
    vv_buf_release(&name);
    return rc;
}

/** One attempt; *ret_again: something vanished or appeared meanwhile. */
static enum vv_rc
try_scan(struct repo *r, unsigned with, struct slot_scan *s, bool *ret_again, struct vv_error *err)
{
    if ((with & SLOT_SCAN_KNOWN) != 0) {
        lend_memory(r, s);
    }
    if ((with & SLOT_SCAN_RECORDS) == 0) {
        lend_cache(r, s);
    }
    VV_CLEANUP(reading_release)
    struct reading g = {.repo = r,
                        .memory = s->memory,
                        .cache = s->cache,
                        .trusted = repo_known_slots(r) == KNOWN_SLOTS_TRUSTED};
    struct vv_job jobs[] = {{.run = fetch_admin, .ctx = &g}, {.run = fetch_slots, .ctx = &g}};
    enum vv_rc rc = vv_parallel_run(jobs, VV_COUNT(jobs), storage_parallel(repo_storage(r)), err);
    bool unreadable = rc == VV_ENOTFOUND || rc == VV_EIO;

    *ret_again = jobs[0].rc == VV_ENOTFOUND; /* a record was merged into another */
    VV_TRY(jobs[0].rc);
    if (unreadable && repo_replicas(r) != NULL) { /* the slots */
        rc = scan_pass_over_damage(r, "snapshots", s, VV_EIO, err);
    }
    VV_TRY(rc);
    s->admin = g.admin;
    memset(&g.admin, 0, sizeof(g.admin));
    admin_learn_epochs(r, &s->admin);
    VV_TRY(take_slots(&g, with, s, err));
    return_memory(r, s);
    return_cache(r, s);
    return admin_records_changed(r, &s->admin, ret_again, err);
}

/*
 * What happens while certificates, graves and slots are read must not look like a forgery (a client
 * certified meanwhile) or a loss (a slot buried meanwhile), so all is read again until admin/ holds
 * nothing new behind both.  That is the second listing as well without which no record's absence is
 * believed (admin_records.h).
 */
enum vv_rc
slot_scan_read(struct repo *r, unsigned with, struct slot_scan *ret, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc = VV_OK;
    bool again = true;

    for (int attempt = 0; attempt < READ_ATTEMPTS && again; attempt++) {
        struct slot_scan s = {0};
        vv_error_clear(&why);
        rc = try_scan(r, with, &s, &again, &why);
        if (rc == VV_OK && !again) {
            snapshot_list_drop_doubles(&s.list);
            rc = snapshot_list_sort(&s.list, &why);
            if (rc == VV_OK) {
                scan_tell_strangers(r, &s);
                s.list.forged += s.admin.forged;
                *ret = s;
                return VV_OK;
            }
        }
        slot_scan_release(&s);
    }
    if (rc == VV_OK) {
        rc = vv_error_set(&why, VV_ETRANSIENT, "the records in 'admin' keep changing");
    }
    if (err != NULL) {
        *err = why;
    }
    return vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
}
