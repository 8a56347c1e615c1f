/* SPDX-License-Identifier: BSD-2-Clause */
/* The note for people. */

#include "format/readme.h"

#include <string.h>

#include "crypto/hash.h"

bool
readme_valid(struct vv_span text)
{
    static const char label[] = "SHA-256 of the lines above: ";
    size_t tail = sizeof(label) - 1 + 64 + 1;
    uint8_t said[32];
    uint8_t digest[32];
    const char *line;

    if (text.len < tail) {
        return false;
    }
    line = (const char *)text.data + text.len - tail;
    if (memcmp(line, label, sizeof(label) - 1) != 0 ||
        !vv_unhex(said, sizeof(said), line + sizeof(label) - 1, 64) ||
        text.data[text.len - 1] != '\n') {
        return false;
    }
    sha256(text.data, text.len - tail, digest);
    return memcmp(digest, said, sizeof(said)) == 0;
}
