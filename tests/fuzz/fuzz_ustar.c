/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a member's header in a server's tar.  Checksums are made right, or nothing would get
 * past them. */
#include <stdio.h>
#include <string.h>

#include "format/ustar.h"
#include "fuzz_support.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t block[USTAR_BLOCK] = {0};
    struct ustar_member m;
    bool end = false;
    unsigned sum = 0;

    memcpy(block, data, size < sizeof(block) ? size : sizeof(block));
    memset(block + 148, ' ', 8);
    for (size_t i = 0; i < sizeof(block); i++) {
        sum += block[i];
    }
    (void)snprintf((char *)block + 148, 8, "%06o", sum);
    if (ustar_decode(block, &end, &m, NULL) == VV_OK && !end) {
        fuzz_require(m.name[0] != '\0' && m.name[0] != '/' && strlen(m.name) < sizeof(m.name));
        fuzz_require(strstr(m.name, "/../") == NULL && strncmp(m.name, "../", 3) != 0);
        fuzz_require(m.size <= INT64_MAX && (m.mode & ~07777u) == 0);
        fuzz_require((m.size + ustar_padding(m.size)) % USTAR_BLOCK == 0);
    }
    return 0;
}
