/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_LOOK_LIVE_INTERNAL_H
#define VARVE_ENGINE_LOOK_LIVE_INTERNAL_H

#include "engine/look_internal.h"
#include "source/source.h"

/** live_content_equal(l, a, b, file, ret, problem, err): does the opened live file (b: what
 *  source_open told) hold the bytes of ${a} (complete)?  Read chunk by chunk as the snapshot has
 *  them and compared by id; holes count as zeros on both sides.  Trouble of the live file is a
 *  status. */
MUST_CHECK enum vv_rc live_content_equal(struct looker *l, const struct entry *a,
                                         const struct entry *b, struct source_file *file, bool *ret,
                                         enum source_status *ret_status,
                                         struct source_problem *problem, struct vv_error *err);

#endif
