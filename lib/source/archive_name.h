/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SOURCE_ARCHIVE_NAME_H
#define VARVE_SOURCE_ARCHIVE_NAME_H

#include "core/bytes.h"

/**
 * archive_name_sanitise(raw, out, ret_len, ret_reason): A member's name as a path of a snapshot, at
 * most ${raw}.len bytes at ${out}: leading slashes, "." and empty components go.  False for what
 * has a ".." component or a NUL byte, or exceeds the limits: then *ret_reason says why ("its name
 * ...").  Nothing left ("./") is the root: true, with length 0.
 */
bool archive_name_sanitise(struct vv_span raw, uint8_t *out, size_t *ret_len,
                           const char **ret_reason);

#endif
