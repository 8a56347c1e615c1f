/* SPDX-License-Identifier: BSD-2-Clause */
/* One session at the destination: invariants R3 to R6. */
#include <string.h>

#include "core/alloc.h"
#include "engine/replicate_internal.h"
#include "format/slot.h"

#define FENCED_MAX 3u

static void
batch_release(struct batch *b)
{
    index_writer_free(b->index);
    writer_session_free(b->session);
    record_scan_release(&b->scan);
    admin_records_release(&b->site_admin);
    site_catalog_release(&b->site);
    source_catalog_release(&b->source);
    id_table_release(&b->needed);
    id_table_release(&b->heal);
    vv_free(b->chosen);
    vv_free(b->present);
    vv_free(b->jobs);
}

static bool
has_index(const struct site_catalog *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if ((c->packs[i].flags & SITE_INDEXED) != 0) {
            return true;
        }
    }
    return false;
}

/** R7: has the site's index lost something?  Then everything has to be looked at. */
static enum vv_rc
check_index(struct batch *b, struct vv_error *err)
{
    struct destination *d = b->d;

    b->complete = d->run->options->complete || (b->present_count > 0 && !has_index(&b->site));
    VV_TRY(site_adoptable_set(&b->site, &b->heal, err));
    if (b->complete || b->chosen_count > 0 || b->heal.count == 0) {
        return VV_OK;
    }
    VV_TRY(source_read_index(b, err)); /* can anything be done about it? */
    source_catalog_release(&b->source);
    for (size_t i = 0; i < b->job_count && !b->complete; i++) {
        size_t count;
        const struct site_pack *packs = site_range(&b->site, &b->jobs[i].hash, &count);
        for (size_t k = 0; packs != NULL && k < count; k++) {
            b->complete = b->complete || packs[k].flags == SITE_LISTED;
        }
    }
    if (b->job_count == 0) {
        id_table_release(&b->heal);
    }
    return VV_OK;
}

/** What is to be done?  False: nothing. */
static enum vv_rc
prepare(struct batch *b, bool *ret_work, struct vv_error *err)
{
    struct destination *d = b->d;

    VV_TRY(record_scan_read(d->run->source, &b->scan, err));
    d->s->forged = d->s->forged || b->scan.list.forged > 0;
    if (!d->looked) {
        VV_TRY(check_shrunken(d, &b->scan, err));
        d->looked = true;
    }
    VV_TRY(look_for_batch(b, !d->seen_site, err));
    if (!d->seen_site) {
        VV_TRY(site_heal_set(&b->site, &b->heal, err));
        VV_TRY(check_index(b, err));
    }
    *ret_work = b->chosen_count > 0 || b->heal.count > 0 || b->complete;
    if (!*ret_work) {
        VV_TRY(note_source(d, &b->scan, err));
        if (!d->seen_site) {
            site_catalog_release(&d->catalog);
            d->catalog = b->site;
            d->catalog_valid = true;
            memset(&b->site, 0, sizeof(b->site));
        }
    }
    d->seen_site = true;
    return VV_OK;
}

/** Packs the closures need that no index record of the source covers cannot be made usable there. */
static enum vv_rc
check_needed(struct batch *b, struct vv_error *err)
{
    for (size_t i = 0; i < b->needed.size; i++) {
        struct id_slot *slot;
        size_t count;
        bool is_new;
        if (b->needed.slots[i].used &&
            source_records(&b->source, &b->needed.slots[i].id, &count) == NULL) {
            VV_TRY(id_table_put(&b->d->lost, &b->needed.slots[i].id, &slot, &is_new, err));
            b->lost = true;
        }
    }
    return VV_OK;
}

static void
drop_hidden(struct batch *b, const struct admin_records *now)
{
    size_t kept = 0;

    for (size_t i = 0; i < b->chosen_count; i++) {
        if (is_visible(now, b->chosen[i])) {
            b->chosen[kept++] = b->chosen[i];
        }
    }
    b->d->s->snapshots_source -= b->chosen_count - kept;
    b->chosen_count = kept;
}

/** What the administrator has said at the source since this batch looked there, asked when its index has
 *  been read.  R3: records in it may be of clients that were certified since.  R6: a prune may have taken
 *  out of it what a chosen snapshot needs; by then that one is forgotten. */
static enum vv_rc
catch_up(struct batch *b, struct vv_error *err)
{
    struct destination *d = b->d;
    struct repo *source = d->run->source;
    struct replica_small_objects small = {0};
    struct admin_records now = {0};
    bool changed = false;
    enum vv_rc rc;

    VV_TRY(admin_records_changed(source, &b->scan.admin, &changed, err));
    if (!changed) {
        return VV_OK;
    }
    VV_TRY(admin_records_read(source, &now, err));
    rc = replica_copy_small(source, &now, d->site, &small, err);
    drop_hidden(b, &now);
    admin_records_release(&now);
    d->s->objects_copied += small.copied;
    d->s->objects_refused += small.refused;
    return rc;
}

/** R1 to R3 up to the slot. */
static enum vv_rc
bring_packs(struct batch *b, struct vv_error *err)
{
    struct destination *d = b->d;
    bool keyless = repo_is_keyless(d->run->source);
    enum vv_rc rc;
    enum vv_rc flushed;
    struct vv_error why = {0};

    site_catalog_release(&b->site);
    id_table_release(&b->heal);
    VV_TRY(site_catalog_read(d, writer_session_condemned(b->session),
                             writer_session_admin(b->session), &b->site, err));
    VV_TRY(site_heal_set(&b->site, &b->heal, err));
    b->lacking = b->present_count > 0 && !has_index(&b->site);
    if (b->complete) {
        VV_TRY(site_adoptable_set(&b->site, &b->heal, err));
    }
    if (!keyless && (b->chosen_count > 0 || b->complete)) {
        VV_TRY(closure_collect(b, err));
        if (b->vanished) {
            return VV_OK;
        }
    }
    VV_TRY(source_read_index(b, err));
    VV_TRY(catch_up(b, err));
    d->s->source_unindexed = b->source.unindexed;
    VV_TRY(check_needed(b, err));
    b->lost = b->lost || (keyless && b->source.damaged);
    VV_TRY(index_writer_new(d->site, NULL, &b->index, err));
    rc = copy_packs(b, err);
    flushed = index_writer_flush(b->index, rc == VV_OK ? err : &why); /* serves the next batch */
    return rc != VV_OK ? rc : flushed;
}

/** End the session without a snapshot, so that no prune there has to wait for it. */
static void
end_session(struct batch *b)
{
    struct vv_error ignored = {0};

    if (writer_session_commit(b->session, vv_span(NULL, 0), 0, &ignored) != VV_OK) {
        return; /* a prune will fence it */
    }
}

static void
count_commit(struct batch *b)
{
    struct replicate_summary *s = b->d->s;
    const struct vv_clock *clock = b->d->run->clock;

    for (size_t i = 0; i < b->chosen_count; i++) {
        s->newest = b->chosen[i]->time > s->newest ? b->chosen[i]->time : s->newest;
    }
    s->snapshots_copied += b->chosen_count;
    s->snapshots_there += b->chosen_count;
    if (s->useful_since == 0) {
        s->useful_since = clock->realtime(clock);
        vv_emit(b->d->run->events, VV_EVENT_NOTICE, "replica-useful", vv_span(NULL, 0),
                "'%s' can be restored from: %zu snapshot%s complete there", b->d->storage->url,
                b->chosen_count, b->chosen_count == 1 ? " is" : "s are");
    }
}

/** R3: the slot, once. */
static enum vv_rc
commit(struct batch *b, struct vv_error *err)
{
    struct destination *d = b->d;
    struct vv_buf records = {0};
    enum vv_rc rc;

    for (size_t i = 0; i < b->chosen_count; i++) {
        slot_append_record(&records, record_bytes(&b->scan, b->chosen[i]));
    }
    rc = vv_buf_check(&records, err);
    if (rc == VV_OK) {
        rc = writer_session_commit(b->session, vv_buf_span(&records), (uint32_t)b->chosen_count,
                                   err);
    }
    vv_buf_release(&records);
    if (rc == VV_EREFUSED && ++d->fenced < FENCED_MAX) { /* R4 */
        vv_emit(d->run->events, VV_EVENT_NOTICE, "replica-fenced", vv_span(NULL, 0),
                "a prune at '%s' closed the session; beginning again", d->storage->url);
        vv_error_clear(err);
        b->more = true;
        d->seen_site = false;
        return VV_OK;
    }
    VV_TRY(rc);
    d->fenced = 0;
    d->vanished = 0;
    d->attempts = 0;
    if (b->chosen_count > 0) {
        count_commit(b);
        d->group *= 2;
    }
    return VV_OK;
}

/** R6: without a key nobody can tell which snapshots the lost pack belongs to. */
static enum vv_rc
hold_back(struct batch *b, struct vv_error *err)
{
    struct destination *d = b->d;

    for (size_t i = 0; i < b->chosen_count; i++) {
        struct id_slot *slot;
        bool is_new;
        VV_TRY(id_table_put(&d->incomplete, &b->chosen[i]->hash, &slot, &is_new, err));
        d->s->snapshots_incomplete += is_new;
    }
    vv_emit(
        d->run->events, VV_EVENT_PROBLEM, "snapshots-held-back", vv_span(NULL, 0),
        "the source cannot give all packs, and without a key it is not known which snapshots "
        "need them: %zu are not published at '%s'; a run with a key copies those that are whole",
        b->chosen_count, d->storage->url);
    return VV_OK;
}

/** R7 found something: snapshots there were not whole.  Where nobody can tell (without a key, and of
 *  those that only the destination still has) it is a warning: what an interrupted run has left, or a prune
 *  has taken away, looks the same. */
static void
tell_incomplete(struct batch *b)
{
    struct vv_events *events = b->d->run->events;
    const char *url = b->d->storage->url;

    if (!b->complete || b->job_count == 0) {
        return;
    }
    if (b->lacking) {
        vv_emit(events, VV_EVENT_PROBLEM, "replica-incomplete", vv_span(NULL, 0),
                "packs that snapshots need, or their index records, were missing at '%s'; they are "
                "there again",
                url);
    } else if (b->chosen_count == 0) {
        vv_emit(events, VV_EVENT_WARNING, "replica-unindexed", vv_span(NULL, 0),
                "the index at '%s' did not name packs that lie there; %zu packs or their index "
                "records are there again, and it is not known whether a snapshot had missed them",
                url, b->job_count);
    }
}

/** What became of the packs decides about the slot. */
static enum vv_rc
conclude(struct batch *b, struct vv_error *err)
{
    struct destination *d = b->d;

    if (b->vanished) { /* R4 */
        d->vanished++;
        d->seen_site = false;
        b->more = true;
    } else if (b->lost && b->chosen_count > 0) {
        if (repo_is_keyless(d->run->source)) {
            VV_TRY(hold_back(b, err));
        }
        b->more = true; /* with a key: again, knowing what is lost */
    } else {
        tell_incomplete(b);
        VV_TRY(commit(b, err));
        return b->more ? VV_OK : note_source(d, &b->scan, err);
    }
    end_session(b);
    return VV_OK;
}

/** Once, when something is to be copied at all. */
static enum vv_rc
ask_about_parity(struct destination *d, struct vv_error *err)
{
    bool wanted = false;

    if (d->parity_asked) {
        return VV_OK;
    }
    VV_TRY(parity_wanted(d->site, &wanted, err));
    if (wanted) {
        VV_TRY(parity_writer_new(d->site, &d->parity, err));
    }
    d->parity_asked = true;
    return VV_OK;
}

static enum vv_rc
run_session(struct batch *b, struct vv_error *err)
{
    struct destination *d = b->d;
    enum vv_rc rc;

    d->catalog_valid = false;
    d->s->batches++;
    VV_TRY(ask_about_parity(d, err));
    VV_TRY(writer_session_begin(d->site, SESSION_REPLICATE, &b->session, err));
    rc = bring_packs(b, err);
    if (rc != VV_OK) {
        end_session(b);
        return rc;
    }
    return conclude(b, err);
}

enum vv_rc
batch_run(struct destination *d, bool *ret_more, struct vv_error *err)
{
    struct batch b = {.d = d, .source = {.spool = -1}};
    bool work = false;
    enum vv_rc rc = prepare(&b, &work, err);

    if (rc == VV_OK && work) {
        rc = run_session(&b, err);
        *ret_more = b.more;
    } else {
        *ret_more = false;
    }
    batch_release(&b);
    return rc;
}
