/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of replication: a repository with a few snapshots, and a place for its replica, both in
 * memory behind storages that can fail. */
#ifndef VARVE_TESTS_HELPER_REPLICATE_H
#define VARVE_TESTS_HELPER_REPLICATE_H

#include "engine/helper_backup.h"
#include "engine/replicate.h"
#include "engine/verify.h"
#include "repo/record_scan.h"

struct replicate_ear {
    struct vv_events base;
    struct vv_buf names; /* of events, each with a line feed */
    unsigned problems;   /* of those, alarms */
};
/** A clock that moves when somebody sleeps on it, from several threads at once. */
struct replicate_clock {
    struct vv_clock base;
    _Atomic int64_t real_ns;
    _Atomic uint64_t mono_ns;
};
struct replicate_world {
    struct backup_world b; /* the source: b.memory */
    struct replicate_clock clock;
    struct replicate_ear ear;
    struct storage *memory; /* the site's */
    struct storage *site;   /* around it; what replication writes to */
    struct storage *source; /* around b.memory; what replication reads */
    storage_fault_fn *hook; /* of the site */
    storage_fault_fn *source_hook;
    void *hook_ctx;
    char home[96]; /* state and cache directories of the host that replicates */
    struct replicate_options options;
    struct replicate_destination to;
    struct vv_error err;
};

enum with_key { KEYLESS, WITH_KEY };

/** rw_begin(w, snapshots): a source with that many snapshots of changing files. */
void rw_begin(struct replicate_world *w, unsigned snapshots);
/** rw_advance(w, ns): time passes. */
void rw_advance(struct replicate_world *w, uint64_t ns);
void rw_end(struct replicate_world *w);
/** rw_case(name, setup, world): a test with a world of its own: rw_begin with 2 or 3, and rw_end. */
#define rw_case(name, setup, world)                                                                \
    cmocka_unit_test_prestate_setup_teardown(name, setup, rw_teardown, world)
int rw_setup_two(void **state);
int rw_setup_three(void **state);
int rw_teardown(void **state);
/** rw_new_site(w): an empty place instead of the site; the host forgets nothing. */
void rw_new_site(struct replicate_world *w);
/** rw_backup(w, n): another snapshot. */
void rw_backup(struct replicate_world *w, unsigned n);
/** rw_open(w, st, how): as the host that replicates; repo_free it. */
struct repo *rw_open(struct replicate_world *w, struct storage *st, enum with_key how);
/** rw_run(w, how): one run to w->to, which has its result. */
enum vv_rc rw_run(struct replicate_world *w, enum with_key how);
/** rw_must_run(w, how): one that ends well. */
const struct replicate_summary *rw_must_run(struct replicate_world *w, enum with_key how);
/** rw_must(w, call) */
#define rw_must(w, call)                                                                           \
    do {                                                                                           \
        enum vv_rc rw_rc_ = (call);                                                                \
        if (rw_rc_ != VV_OK) {                                                                     \
            fail_msg("%s: %s", #call, (w)->err.message);                                           \
        }                                                                                          \
    } while (0)
/** rw_told(w, event): how many of that name since the run began. */
size_t rw_told(const struct replicate_world *w, const char *event);
/** rw_sound(w, st): opens with nothing but its key and verifies, all data; returns how many
 *  snapshots it lists.  A place that is no repository yet has none. */
size_t rw_sound(struct replicate_world *w, struct storage *st);
/** rw_sound_but_missing(w, st): the same where packs are gone that the index still names: nothing a
 *  snapshot needs may be missing. */
size_t rw_sound_but_missing(struct replicate_world *w, struct storage *st);
/** rw_packs(st, ret, room): full names, sorted by shard. */
size_t rw_packs(struct storage *st, struct pack_name *ret, size_t room);
/** rw_poke_pack(st, name, bytes to keep, flip): cut a pack short or change a byte of it; both 0:
 *  drop it. */
void rw_damage_pack(struct storage *st, const struct pack_name *name, size_t keep, bool flip);
/** rw_lose_index(w): the segments of the site are there, and empty. */
void rw_lose_index(struct replicate_world *w);
/** rw_names(st, directory): how many objects are in it. */
size_t rw_count(struct storage *st, const char *directory);

#endif
