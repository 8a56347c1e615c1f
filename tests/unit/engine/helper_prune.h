/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of prune: a repository in memory with some snapshots of files that change, and an
 * administrator with a clock that moves when told. */
#ifndef VARVE_TESTS_HELPER_PRUNE_H
#define VARVE_TESTS_HELPER_PRUNE_H

#include "core/clock.h"
#include "engine/helper_backup.h"
#include "engine/prune.h"
#include "engine/verify.h"

struct prune_world {
    struct backup_world b;
    struct vv_clock_manual clock;
    unsigned hosts;     /* each pw_restore is on another */
    struct repo *admin; /* over b.fault */
    struct prune_options options;
    struct prune_summary s; /* of the last run */
    struct vv_error err;
};

/** pw_begin(w, snapshots): so many snapshots, numbered from 0; each has files of its own and shares
 *  others. */
void pw_begin(struct prune_world *w, unsigned snapshots);
void pw_end(struct prune_world *w);
/** pw_backup(w, n): snapshot number ${n}, and the next ones after it. */
void pw_backup(struct prune_world *w, unsigned n);
/** pw_reopen(w): as the next process would; a storage that stopped works again. */
void pw_reopen(struct prune_world *w);
/** pw_save, pw_restore: the storage as it is now, to be broken again and again. */
void pw_save(struct prune_world *w, struct storage **ret);
void pw_restore(struct prune_world *w, struct storage *saved);
/** pw_forget(w, first, step): forget snapshots ${first}, ${first} + ${step}, ... but never the
 *  newest; without grace. */
void pw_forget(struct prune_world *w, unsigned first, unsigned step);
enum vv_rc pw_run(struct prune_world *w);
/** pw_prune(w): one that ends well. */
void pw_prune(struct prune_world *w);
/** pw_sound(w): verifies with all data and finds nothing; returns the number of snapshots. */
size_t pw_sound(struct prune_world *w);
/** pw_bytes(w): sizes of all packs, their parity and index segments. */
uint64_t pw_bytes(struct prune_world *w);
size_t pw_count(struct prune_world *w, const char *directory);
#define pw_must(w, call)                                                                           \
    do {                                                                                           \
        enum vv_rc pw_rc_ = (call);                                                                \
        if (pw_rc_ != VV_OK) {                                                                     \
            fail_msg("%s: %s", #call, (w)->err.message);                                           \
        }                                                                                          \
    } while (0)

#endif
