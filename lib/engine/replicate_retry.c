/* SPDX-License-Identifier: BSD-2-Clause */
/* Patience with failures in passing. */
#include "core/random.h"
#include "engine/replicate_internal.h"

#define SECOND_NS (1000ull * 1000 * 1000)
#define PIECE_NS (200ull * 1000 * 1000)
#define LONGEST_NS (60 * SECOND_NS)
#define PATIENCE_NS (600 * SECOND_NS)

enum vv_rc
pause_for(struct replication *run, uint64_t ns, struct vv_error *err)
{
    while (ns > 0) {
        uint64_t piece = ns < PIECE_NS ? ns : PIECE_NS;
        VV_TRY(vv_cancel_check(run->cancel, err));
        run->clock->sleep(run->clock, piece);
        ns -= piece;
    }
    return vv_cancel_check(run->cancel, err);
}

/** Is it worth while to go on? */
static bool
is_patient(struct destination *d)
{
    const struct vv_clock *clock = d->run->clock;
    uint64_t now = clock->monotonic(clock);
    bool patient;

    vv_mutex_lock(&d->lock);
    if (d->failing_since == 0) {
        d->failing_since = now;
    }
    patient = now - d->failing_since < PATIENCE_NS;
    vv_mutex_unlock(&d->lock);
    return patient;
}

void
patience_renew(struct destination *d)
{
    vv_mutex_lock(&d->lock);
    d->failing_since = 0;
    vv_mutex_unlock(&d->lock);
}

enum vv_rc
retry_wait(struct destination *d, unsigned *attempts, struct vv_error *err)
{
    struct vv_error cancelled = {0};
    uint64_t longest = SECOND_NS;
    uint64_t random;

    if (err->exhausted) {
        return VV_ETRANSIENT;
    }
    if (!is_patient(d)) {
        (void)vv_error_prefix(err, "given up after ten minutes");
        vv_error_mark_exhausted(err);
        return VV_ETRANSIENT;
    }
    for (unsigned i = 0; i < *attempts && longest < LONGEST_NS; i++) {
        longest *= 2;
    }
    longest = longest < LONGEST_NS ? longest : LONGEST_NS;
    *attempts += 1;
    vv_random(&random, sizeof(random));
    if (pause_for(d->run, random % longest, &cancelled) != VV_OK) {
        *err = cancelled;
        return VV_ECANCELLED;
    }
    vv_error_clear(err);
    return VV_OK;
}
