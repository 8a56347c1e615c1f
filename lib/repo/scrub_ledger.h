/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_SCRUB_LEDGER_H
#define VARVE_REPO_SCRUB_LEDGER_H

#include "repo/repo.h"

/*
 * When this host last read each object of one site: <state>/<repository id>/scrub-<site id>.  It
 * decides about the order of reading only: lost or damaged, everything counts as never read.
 * Thread-safe; without a state directory it lasts as long as the run.
 */
struct scrub_ledger;

/** scrub_ledger_open(r, ret, err): VV_ENOMEM only; a damaged file is told and started over. */
MUST_CHECK enum vv_rc scrub_ledger_open(struct repo *r, struct scrub_ledger **ret,
                                        struct vv_error *err);
void scrub_ledger_free(struct scrub_ledger *l);
VV_DEFINE_CLEANUP(struct scrub_ledger, scrub_ledger_free);

/** scrub_ledger_find(l, name): when the object was last read whole, 0: never. */
int64_t scrub_ledger_find(struct scrub_ledger *l, const char *name);
/** scrub_ledger_note(l, name, time, err): it was read, right or wrong. */
MUST_CHECK enum vv_rc scrub_ledger_note(struct scrub_ledger *l, const char *name, int64_t time,
                                        struct vv_error *err);
/** scrub_ledger_save(l, all, err): write the file: ${all} of it, or what was found or noted since it
 *  was opened, so that objects that are gone leave it. */
enum ledger_part { LEDGER_SEEN, LEDGER_ALL };
MUST_CHECK enum vv_rc scrub_ledger_save(struct scrub_ledger *l, enum ledger_part part,
                                        struct vv_error *err);

#endif
