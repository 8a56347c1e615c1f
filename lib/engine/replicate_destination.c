/* SPDX-License-Identifier: BSD-2-Clause */
/* One destination from opening it to reading it back: invariant R8. */
#include <string.h>

#include "engine/replicate_internal.h"

/** Who looks on should know why nothing goes on, but not of each hiccup: the third attempt, the fifth, the ninth... */
static bool
is_worth_a_warning(unsigned attempts)
{
    return attempts >= 2 && (attempts & (attempts - 1)) == 0;
}

/** After a failure in passing: tell, wait, and go on with what is there. */
static enum vv_rc
try_again(struct destination *d, enum vv_rc rc, struct vv_error *err)
{
    if (rc != VV_ETRANSIENT || err->exhausted) {
        return rc;
    }
    vv_emit(d->run->events, is_worth_a_warning(d->attempts) ? VV_EVENT_WARNING : VV_EVENT_NOTICE,
            "replica-retry", vv_span(NULL, 0), "'%s': %s; trying again, for ten minutes at most",
            d->storage->url, err->message);
    d->s->retries++;
    d->catalog_valid = false;
    d->seen_site = false;
    return retry_wait(d, &d->attempts, err);
}

static enum vv_rc
open_destination(struct destination *d, struct vv_error *err)
{
    struct replication *run = d->run;

    while (d->site == NULL) {
        enum vv_rc rc = replica_open(run->source, d->storage, run->repo_options,
                                     run->options->reserve, &d->site, &d->s->made, err);
        if (rc != VV_OK) {
            VV_TRY(try_again(d, rc, err));
        }
    }
    d->attempts = 0;
    patience_renew(d);
    if (run->rate != NULL) {
        d->paced = storage_set_rate_limit(d->storage, run->rate);
    }
    return replica_journal_open(d->site, &d->journal, err);
}

/** Sessions until nothing is left to do. */
static enum vv_rc
run_batches(struct destination *d, struct vv_error *err)
{
    bool more = true;

    while (more) {
        enum vv_rc rc = vv_cancel_check(d->run->cancel, err);
        if (rc == VV_OK) {
            rc = batch_run(d, &more, err);
        }
        if (rc != VV_OK) {
            VV_TRY(try_again(d, rc, err));
            more = true;
        } else {
            patience_renew(d);
        }
    }
    return VV_OK;
}

/** The catalog as it is now, unless it was read and nothing was published since. */
static enum vv_rc
refresh_catalog(struct destination *d, struct vv_error *err)
{
    while (!d->catalog_valid) {
        struct site_catalog c = {0};
        enum vv_rc rc = look_at_site(d, &c, err);
        if (rc != VV_OK) {
            VV_TRY(try_again(d, rc, err));
            continue;
        }
        site_catalog_release(&d->catalog);
        d->catalog = c;
        d->catalog_valid = true;
    }
    return VV_OK;
}

/** Read a share back; what turns out bad is healed at once. */
static enum vv_rc
read_back(struct destination *d, struct vv_error *err)
{
    bool bad = false;

    VV_TRY(refresh_catalog(d, err));
    VV_TRY(read_back_share(d, &d->catalog, &bad, err));
    if (!bad) {
        return VV_OK;
    }
    d->catalog_valid = false;
    d->seen_site = false;
    VV_TRY(run_batches(d, err));
    return refresh_catalog(d, err);
}

static enum vv_rc
sum_up(struct destination *d, struct vv_error *err)
{
    struct id_table heal = {0};
    enum vv_rc rc = site_heal_set(&d->catalog, &heal, err);

    d->s->packs_unhealed = heal.count;
    id_table_release(&heal);
    d->s->packs_there = 0;
    d->s->bytes_there = 0;
    for (size_t i = 0; i < d->catalog.count; i++) {
        if ((d->catalog.packs[i].flags & SITE_LISTED) != 0) {
            d->s->packs_there++;
            d->s->bytes_there += d->catalog.packs[i].size;
        }
    }
    return rc;
}

static enum vv_rc
replicate_to(struct destination *d, struct vv_error *err)
{
    VV_TRY(open_destination(d, err));
    VV_TRY(run_batches(d, err));
    VV_TRY(read_back(d, err));
    parity_writer_wait(d->parity);
    VV_TRY(sum_up(d, err));
    return replica_journal_finish(d->journal, err);
}

void
destination_run(void *arg)
{
    struct destination *d = arg;
    uint64_t start = d->run->clock->monotonic(d->run->clock);

    d->group = 1;
    d->rc = replicate_to(d, &d->err);
    d->s->duration_ns = d->run->clock->monotonic(d->run->clock) - start;
    if (d->paced && !storage_set_rate_limit(d->storage, NULL)) {
        d->paced = false;
    }
    replica_journal_free(d->journal);
    parity_writer_free(d->parity);
    repo_free(d->site);
    site_catalog_release(&d->catalog);
    id_table_release(&d->lost);
    id_table_release(&d->incomplete);
    id_table_release(&d->told);
}
