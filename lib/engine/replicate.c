/* SPDX-License-Identifier: BSD-2-Clause */
/* Replication to several destinations at once. */
#include "engine/replicate.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "engine/replicate_internal.h"

static void
init_destination(struct destination *d, struct replication *run, struct replicate_destination *to)
{
    memset(&to->summary, 0, sizeof(to->summary));
    vv_error_clear(&to->err);
    d->run = run;
    d->storage = to->storage;
    d->s = &to->summary;
    vv_mutex_init(&d->lock);
}

/** A thread for each but the first, which this one serves; one that cannot be started is served
 *  when the others are done. */
static void
run_all(struct destination *d, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (vv_thread_start(&d[i].thread, "replicate", destination_run, &d[i], NULL) != VV_OK) {
            d[i].thread.running = false;
        }
    }
    destination_run(&d[0]);
    for (size_t i = 1; i < count; i++) {
        if (d[i].thread.running) {
            vv_thread_join(&d[i].thread);
        } else {
            destination_run(&d[i]);
        }
    }
}

enum vv_rc
replicate_run(struct repo *source, struct replicate_destination *destinations, size_t count,
              const struct repo_options *options, const struct replicate_options *o,
              struct vv_progress *progress, struct vv_error *err)
{
    struct replication run = {.source = source,
                              .repo_options = options,
                              .options = o,
                              .clock = repo_clock(source),
                              .events = repo_events(source),
                              .cancel = repo_cancel(source),
                              .progress = progress};
    struct destination *d;

    if (count == 0 || (o->snapshots != NULL && repo_is_keyless(source))) {
        return vv_error_set(err, VV_EUSAGE, "choosing snapshots needs a key");
    }
    d = vv_alloc_array(count, sizeof(*d));
    if (d == NULL) {
        return vv_error_nomem(err);
    }
    if (rate_begin(&run, err) != VV_OK) {
        vv_free(d);
        return VV_ENOMEM;
    }
    vv_mutex_init(&run.memory);
    for (size_t i = 0; i < count; i++) {
        init_destination(&d[i], &run, &destinations[i]);
    }
    run_all(d, count);
    for (size_t i = 0; i < count; i++) {
        destinations[i].rc = d[i].rc;
        destinations[i].err = d[i].err;
        vv_mutex_release(&d[i].lock);
    }
    vv_mutex_release(&run.memory);
    if (progress != NULL) {
        atomic_store(&progress->phase, REPLICATE_DONE);
    }
    vv_rate_limit_free(run.rate);
    vv_free(d);
    return VV_OK;
}

enum vv_rc
replicate_check_append_only(struct storage *st, struct append_only_proof *ret, struct vv_error *err)
{
    static const char first[] = "varve canary\n";
    static const char second[] = "varve canary, overwritten\n";
    VV_CLEANUP(vv_buf_release) struct vv_buf found = {0};
    struct vv_error ignored = {0};
    uint8_t random[16];
    char hex[33];
    enum vv_rc rc;

    vv_random(random, sizeof(random));
    vv_hex(hex, random, sizeof(random));
    (void)snprintf(ret->name, sizeof(ret->name), "tmp/canary-%s", hex);
    VV_TRY(storage_publish(st, ret->name, vv_span(first, sizeof(first) - 1), err));
    ret->overwritten =
        storage_publish(st, ret->name, vv_span(second, sizeof(second) - 1), &ignored) == VV_OK;
    rc = storage_read_all(st, ret->name, sizeof(second), &found, err);
    VV_TRY(rc);
    ret->overwritten = ret->overwritten || found.len != sizeof(first) - 1 ||
                       memcmp(found.data, first, found.len) != 0;
    vv_error_clear(&ignored);
    rc = storage_remove(st, ret->name, &ignored);
    if (rc == VV_ETRANSIENT) {
        *err = ignored;
        return rc;
    }
    vv_buf_reset(&found);
    ret->removed = storage_read_all(st, ret->name, sizeof(second), &found, &ignored) != VV_OK;
    return VV_OK;
}
