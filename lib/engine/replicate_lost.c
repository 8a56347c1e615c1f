/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the source has lost of its own, as the destination knows it.  Chains show a hole when a later
 * record is there, and local state shows that the newest is gone; a host without a memory, or without
 * a key, learns of that only here.
 */
#include <string.h>

#include "engine/replicate_internal.h"
#include "repo/local_state.h"

static bool
holds_other(const struct id_table *there, const struct id_table *explained)
{
    for (size_t i = 0; i < there->size; i++) {
        if (there->slots[i].used && id_table_find(explained, &there->slots[i].id) == NULL) {
            return true;
        }
    }
    return false;
}

/** Has a person on this host accepted that it is missing?  All destinations' threads may ask. */
static bool
is_accepted(struct replication *run, const struct vv_id *hash)
{
    struct local_state *state = repo_state(run->source);
    const struct site_memory *memory = NULL;
    struct vv_error ignored = {0};
    bool accepted = false;

    if (state == NULL || repo_is_keyless(run->source)) {
        return false;
    }
    vv_mutex_lock(&run->memory);
    if (local_state_site(state, &repo_site(run->source)->id, &memory, &ignored) == VV_OK &&
        memory != NULL) {
        for (size_t i = 0; i < memory->accepted_count && !accepted; i++) {
            accepted = vv_id_equal(&memory->accepted[i], hash);
        }
    }
    vv_mutex_unlock(&run->memory);
    return accepted;
}

static bool
is_lost(struct replication *run, const struct record_scan *scan, const struct id_table *explained,
        const struct snapshot *s)
{
    static const struct vv_uuid no_session;

    return vv_uuid_equal(&s->site, &repo_site(run->source)->id) &&
           id_table_find(explained, &s->hash) == NULL &&
           !admin_buried(&scan->admin, &no_session, &s->id) &&
           !admin_revoked(&scan->admin, &s->client, s->sequence) &&
           admin_forgotten(&scan->admin, &s->id) == NULL && !is_accepted(run, &s->hash);
}

static void
tell_lost(struct destination *d, const struct snapshot *s)
{
    char id[VV_UUID_TEXT];

    vv_uuid_text(&s->id, id);
    d->s->forged = true;
    vv_emit(d->run->events, VV_EVENT_PROBLEM, "source-lost-snapshot", vv_span(id, 32),
            "it was made at the source and is at '%s', but the source has it no more, and no "
            "administrator removed it; 'replicate --from' that place brings it back",
            d->storage->url);
}

/** The destination's slots were read before; the source is read once more, since what was committed
 *  and copied by somebody else in between is not lost. */
static enum vv_rc
look_again(struct destination *d, struct record_scan *there, struct record_scan *here,
           struct id_table *explained, struct vv_error *err)
{
    struct repo *source = d->run->source;

    VV_TRY(record_scan_read(d->site, there, err));
    VV_TRY(record_scan_read(source, here, err));
    VV_TRY(collect_explained(here, explained, err));
    for (size_t i = 0; here->list.damaged == 0 && i < there->list.count; i++) {
        if (is_lost(d->run, here, explained, &there->list.snapshots[i])) {
            tell_lost(d, &there->list.snapshots[i]);
        }
    }
    return VV_OK;
}

enum vv_rc
check_lost(struct batch *b, const struct id_table *there, struct vv_error *err)
{
    static const struct vv_uuid no_site;
    struct destination *d = b->d;
    struct id_table explained = {0};
    struct record_scan at_site = {0};
    struct record_scan at_source = {0};
    bool other;
    enum vv_rc rc;

    /* a damaged slot is told anyway, and nobody knows what it held */
    if (d->lost_checked || d->run->options->accept_shrunken || b->scan.list.damaged > 0 ||
        vv_uuid_equal(&repo_site(d->run->source)->id, &no_site)) {
        return VV_OK;
    }
    rc = collect_explained(&b->scan, &explained, err);
    other = rc == VV_OK && holds_other(there, &explained);
    id_table_release(&explained);
    if (other) {
        rc = look_again(d, &at_site, &at_source, &explained, err);
    }
    d->lost_checked = rc == VV_OK;
    id_table_release(&explained);
    record_scan_release(&at_site);
    record_scan_release(&at_source);
    return rc;
}
