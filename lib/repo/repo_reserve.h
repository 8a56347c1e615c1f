/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_REPO_RESERVE_H
#define VARVE_REPO_REPO_RESERVE_H

#include "repo/repo.h"

/** repo_publish_reserve(r, size, err): set space aside (object `reserve`), as init does.  VV_OK too
 *  if there is one. */
MUST_CHECK enum vv_rc repo_publish_reserve(struct repo *r, uint64_t size, struct vv_error *err);

/** repo_reserve_take(r, scarce, ret_size, err): if less than ${scarce} bytes are free, the space set
 *  aside is given up, so that an administrator's command can do its work (event "reserve-used");
 *  ${ret_size} is its size, 0 if there was room, or no reserve, or nothing can be deleted here. */
MUST_CHECK enum vv_rc repo_reserve_take(struct repo *r, uint64_t scarce, uint64_t *ret_size,
                                        struct vv_error *err);
/** repo_reserve_return(r, size): set aside again what is free of it, so that it is there next time
 *  (0: nothing to do).  Less than half of it is told (event "reserve-missing"). */
void repo_reserve_return(struct repo *r, uint64_t size);
/** repo_reserve_explain(r, err): an error that is VV_ENOSPACE gets a hint about the reserve; others
 *  stay as they are. */
void repo_reserve_explain(struct repo *r, struct vv_error *err);

#endif
