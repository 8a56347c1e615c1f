/* SPDX-License-Identifier: BSD-2-Clause */
/* A dry run: how much would be read, and how fast that goes, measured on a sample. */

#include <string.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "core/random.h"
#include "engine/restore_internal.h"

static size_t
slot_of(const uint64_t *slots, size_t room, uint64_t hash)
{
    size_t at = (size_t)hash & (room - 1);

    while (slots[at] != 0 && slots[at] != hash) {
        at = (at + 1) & (room - 1);
    }
    return at;
}

static enum vv_rc
grow(struct restore_estimate *d, struct vv_error *err)
{
    size_t room = d->room == 0 ? 1024 : d->room * 2;
    uint64_t *slots = vv_alloc_array(room, sizeof(*slots));

    if (slots == NULL) {
        return vv_error_nomem(err);
    }
    if (d->room == 0) {
        vv_random(&d->seed, sizeof(d->seed));
        vv_random(&d->random, sizeof(d->random));
    }
    for (size_t i = 0; i < d->room; i++) {
        if (d->slots[i] != 0) {
            slots[slot_of(slots, room, d->slots[i])] = d->slots[i];
        }
    }
    vv_free(d->slots);
    d->slots = slots;
    d->room = room;
    return VV_OK;
}

enum vv_rc
restore_estimate_note(struct restore *r, const struct chunk_location *loc, struct vv_error *err)
{
    struct restore_estimate *d = &r->dry;
    uint64_t hash;
    size_t at;

    if (d->count * 2 >= d->room) {
        VV_TRY(grow(d, err));
    }
    hash = vv_hash64(&loc->pack, sizeof(loc->pack), d->seed ^ loc->block_number);
    hash = hash == 0 ? 1 : hash;
    at = slot_of(d->slots, d->room, hash);
    if (d->slots[at] == hash) {
        return VV_OK;
    }
    d->slots[at] = hash;
    d->count++;
    d->stored += loc->block_stored;
    /* Reservoir sampling: each block is as likely to be among the sample as any other. */
    if (d->sampled < SAMPLE_BLOCKS) {
        d->sample[d->sampled++] = *loc;
    } else {
        d->random = d->random * 6364136223846793005u + 1442695040888963407u;
        at = (size_t)((d->random >> 33) % d->count);
        if (at < SAMPLE_BLOCKS) {
            d->sample[at] = *loc;
        }
    }
    return VV_OK;
}

static enum vv_rc
run_sample(struct restore_worker *w, struct job *j, uint32_t index, struct vv_error *err)
{
    const struct chunk_location *loc = &w->r->dry.sample[index];
    struct vv_error why = {0};
    enum vv_rc rc;

    (void)j;
    if (loc->block_plain > LIMIT_BLOCK_PLAIN) {
        return VV_OK;
    }
    vv_buf_reset(&w->block);
    VV_TRY(vv_buf_reserve(&w->block, (size_t)loc->block_plain + 1, err));
    rc = pack_read_block(w->packs, loc, w->block.data, &why);
    if (rc == VV_OK) {
        struct hash_job hash = {.data = w->block.data, .len = loc->block_plain};
        blake2b_256_many(keyring_id_key(repo_keyring(w->r->repo), CHUNK_DATA), &hash, 1);
        restore_add(&w->r->counts.bytes_read, loc->block_stored);
    } else if (rc == VV_ENOMEM || rc == VV_ECANCELLED) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    return VV_OK; /* a damaged block has no speed; `verify` is for that */
}

enum vv_rc
restore_estimate_measure(struct restore *r, struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(r->repo);
    struct job job = {.run = run_sample, .count = r->dry.sampled};
    uint64_t start = clock->monotonic(clock);
    uint64_t read;
    uint64_t ns;

    if (r->dry.sampled == 0) {
        return VV_OK;
    }
    VV_TRY(jobs_run(r, &job, err));
    ns = clock->monotonic(clock) - start;
    read = atomic_load(&r->counts.bytes_read);
    if (ns > 0 && read > 0) {
        r->measured_rate = (uint64_t)((double)read * 1e9 / (double)ns);
    }
    return VV_OK;
}
