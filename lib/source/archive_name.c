/* SPDX-License-Identifier: BSD-2-Clause */
/* Names in archives are anybody's; paths in snapshots are ours. */
#include "source/archive_name.h"

#include <string.h>

#include "format/common.h"

bool
archive_name_sanitise(struct vv_span raw, uint8_t *out, size_t *ret_len, const char **ret_reason)
{
    size_t len = 0;

    for (size_t at = 0; at < raw.len;) {
        const uint8_t *part = raw.data + at;
        const uint8_t *slash = memchr(part, '/', raw.len - at);
        size_t part_len = slash == NULL ? raw.len - at : (size_t)(slash - part);
        at += part_len + 1;
        if (part_len == 0 || (part_len == 1 && part[0] == '.')) {
            continue;
        }
        if (part_len == 2 && part[0] == '.' && part[1] == '.') {
            *ret_reason = "its name has a '..' component";
            return false;
        }
        if (len > 0) {
            out[len++] = '/';
        }
        memcpy(out + len, part, part_len);
        len += part_len;
    }
    if (!path_valid(vv_span(out, len))) {
        *ret_reason = memchr(out, 0, len) != NULL ? "its name holds a NUL byte"
                                                  : "its name or path is too long";
        return false;
    }
    *ret_len = len;
    return true;
}
