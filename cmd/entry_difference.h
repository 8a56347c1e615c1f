/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_ENTRY_DIFFERENCE_H
#define VARVE_CMD_ENTRY_DIFFERENCE_H

#include "format/entry.h"

#define ENTRY_DIFFERENCES 10u

/** entry_difference(a, b, live): bit i set: the i-th of entry_difference_name differs.  ${live}: b
 *  is from a disk and has no content; if nothing else differs, that is what does. */
uint32_t entry_difference(const struct entry *a, const struct entry *b, bool live);
/** "type", "content", "size", "mode", "owner", "mtime", "target", "device", "attributes",
 * "flags" */
const char *entry_difference_name(unsigned i);

#endif
