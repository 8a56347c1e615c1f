/* SPDX-License-Identifier: BSD-2-Clause */
/* Snapshots whose slots are damaged or missing here, out of replicas. */

#include <string.h>

#include "core/alloc.h"
#include "repo/replicas.h"
#include "repo/snapshots_internal.h"

/** What must not come back, and what need not. */
struct wanted {
    struct repo *repo;
    struct slot_scan *scan;
    bool all; /* also those committed on other sites: nobody can say which were here */
};

static bool
is_here(const struct slot_scan *s, const struct vv_id *hash)
{
    size_t count;
    const struct passed_over *p = scan_passed_over(s, &count);

    for (size_t i = 0; i < s->list.count; i++) {
        if (vv_id_equal(&s->list.snapshots[i].hash, hash)) {
            return true;
        }
    }
    for (size_t i = 0; i < s->admin.grave_count; i++) {
        if (vv_id_equal(&s->admin.graves[i].hash, hash)) {
            return true;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (vv_id_equal(&p[i].hash, hash)) {
            return true;
        }
    }
    return false;
}

/** H5 */
static bool
is_wanted(const struct wanted *w, const struct snapshot *a)
{
    const struct admin_records *admin = &w->scan->admin;

    return (w->all || vv_uuid_equal(&a->site, &repo_site(w->repo)->id)) &&
           !is_here(w->scan, &a->hash) && !admin_buried(admin, &a->session, &a->id) &&
           !admin_revoked(admin, &a->client, a->sequence);
}

static enum vv_rc
append(struct snapshot_list *l, const struct snapshot *a, struct vv_error *err)
{
    struct snapshot *grown = vv_realloc_array(l->snapshots, l->count + 1, sizeof(*grown));

    if (grown == NULL) {
        return vv_error_nomem(err);
    }
    l->snapshots = grown;
    l->snapshots[l->count++] = *a;
    return VV_OK;
}

/** Move over what ${from}, a replica's list, has and this one lacks. */
static enum vv_rc
take_over(const struct wanted *w, struct snapshot_list *from, size_t nth, const char *url,
          struct vv_error *err)
{
    struct replicas *replicas = repo_replicas(w->repo);

    for (size_t i = 0; i < from->count; i++) {
        struct snapshot *a = &from->snapshots[i];
        char id[VV_UUID_TEXT];
        char when[VV_TIME_TEXT];
        if (!is_wanted(w, a)) {
            continue;
        }
        VV_TRY(append(&w->scan->list, a, err));
        vv_uuid_text(&a->id, id);
        vv_time_format(a->time, when);
        vv_emit(repo_events(w->repo), VV_EVENT_PROBLEM, "snapshot-healed", vv_span(id, 8),
                "the snapshot of %s is damaged or missing here and came from '%s'", when, url);
        replicas_count_object(replicas, nth);
        memset(&a->body, 0, sizeof(a->body)); /* handed over */
    }
    return VV_OK;
}

/** Trouble with one replica is said and costs nothing else. */
static enum vv_rc
from_replica(const struct wanted *w, struct repo *other, size_t nth, struct vv_error *err)
{
    struct replicas *replicas = repo_replicas(w->repo);
    struct replica_report about = {0};
    struct slot_scan theirs = {0};
    struct vv_error why = {0};
    enum vv_rc rc = slot_scan_read(other, SLOT_SCAN_BODIES | SLOT_SCAN_LOCKED, &theirs, &why);

    if (rc == VV_OK && replicas_report(replicas, nth, &about)) {
        rc = take_over(w, &theirs.list, nth, about.url, &why);
    }
    slot_scan_release(&theirs);
    if (rc == VV_ENOMEM || rc == VV_ECANCELLED) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    if (rc != VV_OK) {
        replicas_failed(replicas, nth, &why);
    }
    return VV_OK;
}

enum vv_rc
slot_scan_heal(struct repo *r, struct slot_scan *s, struct vv_error *err)
{
    struct wanted w = {.repo = r, .scan = s};
    size_t before = s->list.count;
    enum vv_rc rc = VV_OK;

    if (repo_replicas(r) == NULL ||
        (s->list.damaged == 0 && s->list.count > 0 && s->list.freshness != FRESHNESS_ROLLED_BACK)) {
        return VV_OK;
    }
    w.all = s->list.damaged > 0 || s->list.count == 0 || vv_uuid_is_zero(&repo_site(r)->id);
    for (size_t nth = 0; rc == VV_OK; nth++) {
        struct repo *other = NULL;
        rc = replicas_repo(repo_replicas(r), nth, &other, err);
        if (rc == VV_OK && other != NULL) {
            rc = from_replica(&w, other, nth, err);
        }
    }
    if (rc == VV_ENOTFOUND) { /* there are no more */
        vv_error_clear(err);
        rc = VV_OK;
    }
    return rc == VV_OK && s->list.count > before ? snapshot_list_sort(&s->list, err) : rc;
}
