/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_STORAGE_STORAGE_INTERNAL_H
#define VARVE_STORAGE_STORAGE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "storage/storage.h"

/* What the drivers share: how names are taken apart and which directories a repository has. */

enum {
    STORAGE_SESSION_MAX = 64, /* longest text of a temporaries' session */
    STORAGE_LAYOUT_NAME = 16, /* room for the longest name of a layout directory, and NUL */
};

/** storage_layout_count(), storage_layout_name(i, out): the directories of a repository, parents
 *  before their children, the root not among them. */
size_t storage_layout_count(void);
void storage_layout_name(size_t i, char out[STORAGE_LAYOUT_NAME]);

/** storage_layout_has(name, len): name[0..len) is one of them. */
bool storage_layout_has(const char *name, size_t len);

/** storage_component_valid(text, len): text[0..len) can be one component of a name. */
bool storage_component_valid(const char *text, size_t len);

/** storage_leaf(name): the part of ${name} after its directory. */
const char *storage_leaf(const char *name);

/** storage_directory_len(name): the length of the directory part of ${name}, 0 for the root. */
size_t storage_directory_len(const char *name);

/** storage_percent_decode(text): replace %XX in place; false if an escape is malformed or yields a
 *  NUL. */
bool storage_percent_decode(char *text);

#endif
