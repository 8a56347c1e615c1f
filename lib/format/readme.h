/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_README_H
#define VARVE_FORMAT_README_H

#include <stdbool.h>

#include "core/bytes.h"

/** readme_valid(text): does the note for people end with the SHA-256 of what precedes that line? */
bool readme_valid(struct vv_span text);

#endif
