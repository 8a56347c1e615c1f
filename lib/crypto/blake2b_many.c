/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keyed BLAKE2b-256 of many messages: which kernel, and which message sits in which lane.
 *
 *   1. Lanes 0 to live-1 hold unfinished messages; between two kernel calls each of them stands at
 *      a block boundary with `body` whole blocks before its last one.
 *   2. The last block of a message (1 to 128 bytes) is hashed by a call of one step; then the lane
 *      takes the next message, or, if there is none, the last live lane moves into its place.
 *   3. Lanes a kernel has beyond the live ones read along with lane 0; what they compute is junk.
 *   4. All messages share the chaining value after the key block, which is computed once.
 */
#include <assert.h>
#include <endian.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "crypto/blake2b_internal.h"
#include "crypto/hash.h"

/* Long messages go first so that the lanes end together; ordered within groups of this size. */
#define GROUP 512u
#define LENGTH_CLASSES 256u

/* The messages in the order in which lanes take them. */
struct feed {
    struct hash_job *jobs; /* the current group */
    size_t left;           /* jobs from the current group on */
    size_t next;           /* within the group */
    size_t group;          /* its size */
    uint16_t order[GROUP];
};

struct batch {
    struct blake2b_lanes lanes;
    uint64_t start[8]; /* chaining value after the key block: as secret as the key */
    uint8_t last[BLAKE2B_LANES_MAX][BLAKE2B_BLOCK]; /* last blocks, padded with zeros */
    struct hash_job *job[BLAKE2B_LANES_MAX];
    size_t body[BLAKE2B_LANES_MAX];
    unsigned live;
    const uint8_t *key;
    struct feed feed;
};

/* 0: not yet chosen */
static atomic_uint selected_lanes;

static unsigned
cpu_lanes(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) {
        return 8;
    }
    if (__builtin_cpu_supports("avx2")) {
        return 4;
    }
#endif
    return 1;
}

unsigned
blake2b_select_lanes(unsigned lanes)
{
    unsigned best = cpu_lanes();
    if (lanes != 1 && lanes != 4 && lanes != 8) {
        lanes = best;
    }
    lanes = lanes < best ? lanes : best;
    atomic_store_explicit(&selected_lanes, lanes, memory_order_relaxed);
    return lanes;
}

static unsigned
lanes_in_force(void)
{
    unsigned lanes = atomic_load_explicit(&selected_lanes, memory_order_relaxed);
    return lanes != 0 ? lanes : blake2b_select_lanes(0);
}

static void
hash_alone(const uint8_t *key, struct hash_job *job)
{
    int rc = crypto_generichash(job->out, sizeof(job->out), job->data, job->len, key, 32);
    assert(rc == 0);
    (void)rc;
}

/* Lengths to classes: four to a power of two, longest first. */
static unsigned
length_class(size_t len)
{
    if (len < 4) {
        return LENGTH_CLASSES - 1;
    }
    unsigned log2 = 63u - (unsigned)__builtin_clzll(len);
    unsigned quarter = (unsigned)(len >> (log2 - 2)) & 3u;
    return LENGTH_CLASSES - 1 - (log2 * 4 + quarter);
}

/* Begin a group: a counting sort by length class. */
static void
feed_start_group(struct feed *f)
{
    uint16_t at[LENGTH_CLASSES + 1] = {0};
    f->group = f->left < GROUP ? f->left : GROUP;
    f->next = 0;
    for (size_t i = 0; i < f->group; i++) {
        at[length_class(f->jobs[i].len) + 1]++;
    }
    for (size_t i = 1; i < LENGTH_CLASSES; i++) {
        at[i] = (uint16_t)(at[i] + at[i - 1]);
    }
    for (size_t i = 0; i < f->group; i++) {
        f->order[at[length_class(f->jobs[i].len)]++] = (uint16_t)i;
    }
}

/* The next message; NULL when there are no more. */
static struct hash_job *
feed_next(struct feed *f)
{
    if (f->next == f->group) {
        f->jobs += f->group;
        f->left -= f->group;
        if (f->left == 0) {
            f->group = f->next = 0;
            return NULL;
        }
        feed_start_group(f);
    }
    return &f->jobs[f->order[f->next++]];
}

/* Put the next message into ${lane}; false when there is none.  Empty messages end with the key
 * block and are done on the spot. */
static bool
lane_refill(struct batch *b, unsigned lane)
{
    struct hash_job *job;
    while ((job = feed_next(&b->feed)) != NULL && job->len == 0) {
        hash_alone(b->key, job);
    }
    if (job == NULL) {
        return false;
    }
    for (unsigned word = 0; word < 8; word++) {
        b->lanes.h[word][lane] = b->start[word];
    }
    b->lanes.counter[lane] = (uint64_t)2 * BLAKE2B_BLOCK;
    b->lanes.final[lane] = 0;
    b->lanes.block[lane] = job->data;
    b->job[lane] = job;
    b->body[lane] = (job->len - 1) / BLAKE2B_BLOCK;
    return true;
}

static void
lane_move(struct batch *b, unsigned to, unsigned from)
{
    for (unsigned word = 0; word < 8; word++) {
        b->lanes.h[word][to] = b->lanes.h[word][from];
    }
    b->lanes.counter[to] = b->lanes.counter[from];
    b->lanes.final[to] = b->lanes.final[from];
    b->lanes.block[to] = b->lanes.block[from];
    b->job[to] = b->job[from];
    b->body[to] = b->body[from];
}

/* Prepare the last block of the message in ${lane}. */
static void
lane_set_last(struct batch *b, unsigned lane)
{
    const struct hash_job *job = b->job[lane];
    size_t len = (job->len - 1) % BLAKE2B_BLOCK + 1;
    if (len < BLAKE2B_BLOCK) {
        memcpy(b->last[lane], b->lanes.block[lane], len);
        memset(b->last[lane] + len, 0, BLAKE2B_BLOCK - len);
        b->lanes.block[lane] = b->last[lane];
    }
    b->lanes.counter[lane] = BLAKE2B_BLOCK + (uint64_t)job->len;
    b->lanes.final[lane] = UINT64_MAX;
}

static void
lane_finish(struct batch *b, unsigned lane)
{
    for (unsigned word = 0; word < 4; word++) {
        uint64_t value = htole64(b->lanes.h[word][lane]);
        memcpy(b->job[lane]->out + 8 * (size_t)word, &value, sizeof(value));
    }
}

/* Advance all live lanes with the cheapest kernel that holds them. */
static void
advance(struct batch *b, unsigned lanes, size_t steps)
{
    unsigned width = 1;
    blake2b_kernel *kernel = blake2b_scalar;
#if defined(__x86_64__)
    if (b->live > 4) {
        width = 8;
        kernel = blake2b_avx512;
    } else if (b->live > 1) {
        width = 4;
        kernel = lanes == 8 ? blake2b_avx512vl : blake2b_avx2;
    }
#else
    (void)lanes;
#endif
    for (unsigned i = b->live; i < width; i++) {
        b->lanes.block[i] = b->lanes.block[0];
    }
    kernel(&b->lanes, steps);
}

/* The chaining value after the key block; keyed, 32-byte digest, no tree: RFC 7693 section 2.8. */
static void
absorb_key(struct batch *b)
{
    static const uint64_t iv[8] = {BLAKE2B_IV0, BLAKE2B_IV1, BLAKE2B_IV2, BLAKE2B_IV3,
                                   BLAKE2B_IV4, BLAKE2B_IV5, BLAKE2B_IV6, BLAKE2B_IV7};
    memset(b->last[0], 0, BLAKE2B_BLOCK);
    memcpy(b->last[0], b->key, 32);
    for (unsigned word = 0; word < 8; word++) {
        b->lanes.h[word][0] = iv[word];
    }
    b->lanes.h[0][0] ^= UINT64_C(0x01010000) ^ (32u << 8) ^ 32u;
    b->lanes.counter[0] = BLAKE2B_BLOCK;
    b->lanes.final[0] = 0;
    b->lanes.block[0] = b->last[0];
    blake2b_scalar(&b->lanes, 1);
    for (unsigned word = 0; word < 8; word++) {
        b->start[word] = b->lanes.h[word][0];
    }
}

/* One round of the scheduler: up to the end of the message that ends first. */
static void
run_to_next_end(struct batch *b, unsigned lanes)
{
    size_t steps = b->body[0];
    for (unsigned i = 1; i < b->live; i++) {
        steps = b->body[i] < steps ? b->body[i] : steps;
    }
    if (steps > 0) {
        advance(b, lanes, steps);
    }
    bool ends[BLAKE2B_LANES_MAX] = {false};
    for (unsigned i = 0; i < b->live; i++) {
        b->body[i] -= steps;
        ends[i] = b->body[i] == 0;
        if (ends[i]) {
            lane_set_last(b, i);
        }
    }
    advance(b, lanes, 1);
    for (unsigned i = b->live; i-- > 0;) { /* downwards: a lane moved here has been handled */
        if (!ends[i]) {
            b->body[i]--;
            continue;
        }
        lane_finish(b, i);
        if (!lane_refill(b, i)) {
            b->live--;
            if (i != b->live) {
                lane_move(b, i, b->live);
            }
        }
    }
}

void
blake2b_256_many(const uint8_t key[32], struct hash_job *jobs, size_t count)
{
    unsigned lanes = lanes_in_force();
    if (lanes == 1 || count <= 1) {
        for (size_t i = 0; i < count; i++) {
            hash_alone(key, &jobs[i]);
        }
        return;
    }
    struct batch b;
    b.key = key;
    b.live = 0;
    b.feed.jobs = jobs;
    b.feed.left = count;
    b.feed.next = b.feed.group = 0;
    memset(&b.lanes, 0, sizeof(b.lanes));
    absorb_key(&b);
    while (b.live < lanes && lane_refill(&b, b.live)) {
        b.live++;
    }
    while (b.live > 0) {
        run_to_next_end(&b, lanes);
    }
    sodium_memzero(&b.lanes, sizeof(b.lanes));
    sodium_memzero(b.start, sizeof(b.start));
    sodium_memzero(b.last, sizeof(b.last));
}
