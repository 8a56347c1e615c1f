/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_REPO_RESERVE_H
#define VARVE_REPO_REPO_RESERVE_H

#include "repo/repo.h"

/** repo_publish_reserve(r, size, err): set space aside (object `reserve`), as init does.  VV_OK too
 *  if there is one. */
MUST_CHECK enum vv_rc repo_publish_reserve(struct repo *r, uint64_t size, struct vv_error *err);

#endif
