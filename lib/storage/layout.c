/* SPDX-License-Identifier: BSD-2-Clause */
/* The directories of a repository: the same on every storage. */
#include <stdio.h>
#include <string.h>

#include "core/macros.h"
#include "storage/storage_internal.h"

static const char *const top_directories[] = {
    "keys", "admin", "sessions", "snapshots", "condemned", "index", "tmp", "packs", "parity"};
/* Those that are divided into 00..ff. */
static const char *const sharded[] = {"packs", "parity"};

size_t
storage_layout_count(void)
{
    return VV_COUNT(top_directories) + VV_COUNT(sharded) * STORAGE_SHARDS;
}

void
storage_layout_name(size_t i, char out[STORAGE_LAYOUT_NAME])
{
    if (i < VV_COUNT(top_directories)) {
        snprintf(out, STORAGE_LAYOUT_NAME, "%s", top_directories[i]);
        return;
    }
    i -= VV_COUNT(top_directories);
    snprintf(out, STORAGE_LAYOUT_NAME, "%s/%02x", sharded[i / STORAGE_SHARDS % VV_COUNT(sharded)],
             (unsigned)(i % STORAGE_SHARDS));
}

static bool
is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool
storage_layout_has(const char *name, size_t len)
{
    for (size_t i = 0; i < VV_COUNT(top_directories); i++) {
        if (strlen(top_directories[i]) == len && memcmp(top_directories[i], name, len) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < VV_COUNT(sharded); i++) {
        size_t parent = strlen(sharded[i]);
        if (len != parent + 3 || memcmp(sharded[i], name, parent) != 0 || name[parent] != '/') {
            continue;
        }
        if (is_hex(name[parent + 1]) && is_hex(name[parent + 2])) {
            return true;
        }
    }
    return false;
}
