/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_STILLNESS_H
#define VARVE_REPO_STILLNESS_H

#include "repo/repo.h"

/*
 * For how long something has not changed, by this host's monotonic clock, carried in the state
 * directory (`stillness-<site>`) from one run to the next as long as the machine is not booted
 * again.  The clock of whoever is watched does not matter, nor does this host's time of day.
 */
struct stillness;

/** stillness_open(r, ret, err): what earlier runs of this boot have seen; a memory that is damaged,
 *  or of another boot, is none. */
MUST_CHECK enum vv_rc stillness_open(struct repo *r, struct stillness **ret, struct vv_error *err);
void stillness_free(struct stillness *s);
VV_DEFINE_CLEANUP(struct stillness, stillness_free);

/** stillness_of(s, name, value, ret, err): ${name} (no white space) has this value now: for how many
 *  ns it has had it.  0 when it is seen for the first time. */
MUST_CHECK enum vv_rc stillness_of(struct stillness *s, const char *name, uint64_t value,
                                   uint64_t *ret, struct vv_error *err);
/** stillness_store(s, err): remember what was asked for since stillness_open, durably. */
MUST_CHECK enum vv_rc stillness_store(struct stillness *s, struct vv_error *err);

#endif
