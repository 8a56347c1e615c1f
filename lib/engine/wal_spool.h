/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_WAL_SPOOL_H
#define VARVE_ENGINE_WAL_SPOOL_H

#include "engine/wal_fetch.h"

/*
 * Segments fetched ahead, in the local cache: a recovery asks for one after the other, each time of a new
 * process, and what costs most is to open the repository and to read its list of snapshots.
 *
 * Only whole segments are kept, which never change; each with a keyed hash of its name and its bytes, so
 * that whoever can write to the cache cannot change what a server replays.  Whatever goes wrong here is
 * as if nothing had been fetched ahead.
 */

/** wal_spool_take(r, system, name, path, ret, err): put it at ${path} if it is here (*ret), and forget it.
 *  Fails only if ${path} cannot be written. */
MUST_CHECK enum vv_rc wal_spool_take(struct repo *r, uint64_t system, const char *name,
                                     const char *path, bool *ret, struct vv_error *err);
/** wal_spool_fill(r, f, system, name, count): fetch the ${count} segments behind ${name}, as far as they
 *  are there, and forget those before it. */
void wal_spool_fill(struct repo *r, struct wal_fetcher *f, uint64_t system, const char *name,
                    unsigned count);

#endif
