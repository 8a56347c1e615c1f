/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/crc32c.h"

#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* reflected */

static uint32_t
step(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (unsigned i = 0; i < 8; i++) {
        crc = crc >> 1 ^ (POLYNOMIAL & (0u - (crc & 1u)));
    }
    return crc;
}

uint32_t
vv_crc32c_portable(uint32_t crc, const void *data, size_t len)
{
    uint32_t table[256];
    const uint8_t *at = data;

    crc = ~crc;
    if (len < 4096) { /* the table costs as much as that */
        for (; len > 0; len--) {
            crc = step(crc, *at++);
        }
        return ~crc;
    }
    for (unsigned i = 0; i < 256; i++) {
        table[i] = step(0, (uint8_t)i);
    }
    for (; len > 0; len--) {
        crc = crc >> 8 ^ table[(crc ^ *at++) & 0xffu];
    }
    return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t crc, const uint8_t *at, size_t len)
{
    uint64_t c = ~crc & UINT32_MAX;

    for (; len >= 8; len -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        c = __builtin_ia32_crc32di(c, word);
    }
    for (; len > 0; len--) {
        c = __builtin_ia32_crc32qi((uint32_t)c, *at++);
    }
    return ~(uint32_t)c;
}

uint32_t
vv_crc32c(uint32_t crc, const void *data, size_t len)
{
    return __builtin_cpu_supports("sse4.2") ? by_instruction(crc, data, len)
                                            : vv_crc32c_portable(crc, data, len);
}

#else

uint32_t
vv_crc32c(uint32_t crc, const void *data, size_t len)
{
    return vv_crc32c_portable(crc, data, len);
}

#endif
