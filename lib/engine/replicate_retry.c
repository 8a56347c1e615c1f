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

enum vv_rc
retry_wait(struct replication *run, struct backoff *b, struct vv_error *err)
{
    uint64_t now = run->clock->monotonic(run->clock);
    uint64_t longest = SECOND_NS;
    uint64_t random;
    struct vv_error cancelled = {0};

    if (b->attempts == 0) {
        b->since = now;
    }
    if (now - b->since >= PATIENCE_NS) {
        (void)vv_error_prefix(err, "given up after %u attempts", b->attempts + 1);
        return VV_ETRANSIENT;
    }
    for (unsigned i = 0; i < b->attempts && longest < LONGEST_NS; i++) {
        longest *= 2;
    }
    longest = longest < LONGEST_NS ? longest : LONGEST_NS;
    b->attempts++;
    vv_random(&random, sizeof(random));
    if (pause_for(run, random % longest, &cancelled) != VV_OK) {
        if (err != NULL) {
            *err = cancelled;
        }
        return VV_ECANCELLED;
    }
    vv_error_clear(err);
    return VV_OK;
}
