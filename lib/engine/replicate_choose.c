/* SPDX-License-Identifier: BSD-2-Clause */
/* Which snapshot records are brought there next, and the alarm when the source shrank. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/replicate_internal.h"

/** Q2: what is at the destination, or must not come back there. */
struct exclusion {
    struct id_table there;  /* hashes of the records in its slots */
    struct id_table buried; /* hashes its graves name */
    const struct admin_records *admin;
};

static void
exclusion_release(struct exclusion *x)
{
    id_table_release(&x->there);
    id_table_release(&x->buried);
}

/** Graves there that name a record by its hash. */
static enum vv_rc
add_graves(struct exclusion *x, struct vv_error *err)
{
    static const struct vv_id zeros;
    struct id_slot *slot;
    bool is_new;

    for (size_t i = 0; i < x->admin->grave_count; i++) {
        if (!vv_id_equal(&x->admin->graves[i].hash, &zeros)) {
            VV_TRY(id_table_put(&x->buried, &x->admin->graves[i].hash, &slot, &is_new, err));
        }
    }
    return VV_OK;
}

/* Graves are read after the slots: what is buried and deleted in between is then in a grave. */
static enum vv_rc
exclusion_read(struct batch *b, struct exclusion *x, struct vv_error *err)
{
    struct destination *d = b->d;

    VV_TRY(site_record_hashes(d, &x->there, err));
    VV_TRY(admin_records_read(d->site, &b->site_admin, err));
    x->admin = &b->site_admin;
    return VV_OK;
}

bool
is_visible(const struct admin_records *admin, const struct snapshot *s)
{
    return !admin_buried(admin, &s->session, &s->id) && admin_forgotten(admin, &s->id) == NULL &&
           !admin_revoked(admin, &s->client, s->sequence);
}

bool
is_past_undelete(const struct admin_records *admin, const struct snapshot *s)
{
    const struct forgotten *f = admin_forgotten(admin, &s->id);

    return admin_buried(admin, &s->session, &s->id) ||
           admin_revoked(admin, &s->client, s->sequence) || (f != NULL && f->carried_out);
}

static bool
is_excluded(const struct exclusion *x, const struct snapshot *s)
{
    return id_table_find(&x->buried, &s->hash) != NULL || is_past_undelete(x->admin, s);
}

static bool
is_selected(const struct replicate_options *o, const struct snapshot *s)
{
    for (size_t i = 0; i < o->snapshot_count; i++) {
        if (vv_uuid_equal(&o->snapshots[i], &s->id)) {
            return true;
        }
    }
    return o->snapshots == NULL;
}

/** Note what is there already, and tell whether this one is still to come. */
static bool
is_to_come(struct batch *b, const struct exclusion *x, const struct snapshot *s)
{
    struct destination *d = b->d;

    if (!is_selected(d->run->options, s)) {
        return false;
    }
    if (is_excluded(x, s)) {
        return false;
    }
    d->s->snapshots_source++;
    if (id_table_find(&x->there, &s->hash) != NULL) {
        d->s->snapshots_there++;
        b->present[b->present_count++] = s;
        d->s->newest = s->time > d->s->newest ? s->time : d->s->newest;
        return false;
    }
    return id_table_find(&d->incomplete, &s->hash) == NULL;
}

/** Newest first with a key; the group bounds the batch. */
static enum vv_rc
choose(struct batch *b, struct exclusion *x, struct vv_error *err)
{
    struct destination *d = b->d;
    size_t most = repo_is_keyless(d->run->source) ? SIZE_MAX : d->group;
    size_t to_come = 0;

    b->chosen = vv_alloc_array(b->scan.list.count + 1, sizeof(struct snapshot *));
    b->present = vv_alloc_array(b->scan.list.count + 1, sizeof(struct snapshot *));
    if (b->chosen == NULL || b->present == NULL) {
        return vv_error_nomem(err);
    }
    d->s->snapshots_source = 0;
    d->s->snapshots_there = 0;
    for (size_t i = b->scan.list.count; i-- > 0;) {
        const struct snapshot *s = &b->scan.list.snapshots[i];
        if (is_to_come(b, x, s)) {
            if (b->chosen_count < most) {
                b->chosen[b->chosen_count++] = s;
            }
            to_come++;
        }
    }
    b->more = to_come > b->chosen_count;
    return VV_OK;
}

enum vv_rc
choose_records(struct batch *b, struct vv_error *err)
{
    struct exclusion x = {0};
    enum vv_rc rc = exclusion_read(b, &x, err);

    if (rc == VV_OK) {
        rc = add_graves(&x, err);
    }
    if (rc == VV_OK) {
        rc = check_lost(b, &x.there, err);
    }
    if (rc == VV_OK) {
        rc = choose(b, &x, err);
    }
    exclusion_release(&x);
    return rc;
}

enum vv_rc
collect_explained(const struct record_scan *scan, struct id_table *t, struct vv_error *err)
{
    struct id_slot *slot;
    bool is_new;

    for (size_t i = 0; i < scan->list.count; i++) {
        VV_TRY(id_table_put(t, &scan->list.snapshots[i].hash, &slot, &is_new, err));
    }
    for (size_t i = 0; i < scan->admin.grave_count; i++) {
        VV_TRY(id_table_put(t, &scan->admin.graves[i].hash, &slot, &is_new, err));
    }
    for (size_t at = 0; at < scan->hidden.len; at += sizeof(struct vv_id)) {
        struct vv_id hash;
        memcpy(hash.b, scan->hidden.data + at, sizeof(hash.b));
        VV_TRY(id_table_put(t, &hash, &slot, &is_new, err));
    }
    return VV_OK;
}

enum vv_rc
check_shrunken(struct destination *d, const struct record_scan *scan, struct vv_error *err)
{
    struct id_table now = {0};
    const struct vv_id *before;
    size_t count = 0;
    size_t lost = 0;
    enum vv_rc rc;

    if (d->run->options->accept_shrunken || !replica_journal_source(d->journal, &before, &count)) {
        return VV_OK;
    }
    rc = collect_explained(scan, &now, err);
    for (size_t i = 0; i < count && rc == VV_OK; i++) {
        lost += id_table_find(&now, &before[i]) == NULL;
    }
    id_table_release(&now);
    VV_TRY(rc);
    if (lost > 1 && lost * 10 > count) {
        (void)vv_error_set(err, VV_EREFUSED,
                           "the source has lost %zu of the %zu snapshots it had when '%s' was last "
                           "brought up to date; nothing was copied",
                           lost, count, d->storage->url);
        vv_error_hint(err, "no administrator has forgotten them; if it is right so, go on with "
                           "--accept-shrunken-source; the replica keeps them in any case");
        return VV_EREFUSED;
    }
    return VV_OK;
}

enum vv_rc
note_source(struct destination *d, const struct record_scan *scan, struct vv_error *err)
{
    struct vv_buf hashes = {0};
    enum vv_rc rc;

    for (size_t i = 0; i < scan->list.count; i++) {
        vv_buf_put(&hashes, &scan->list.snapshots[i].hash, sizeof(struct vv_id));
    }
    rc = vv_buf_check(&hashes, err);
    if (rc == VV_OK) {
        rc =
            replica_journal_note_source(d->journal, (const struct vv_id *)(const void *)hashes.data,
                                        hashes.len / sizeof(struct vv_id), err);
    }
    vv_buf_release(&hashes);
    return rc;
}
