/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_CRC32C_H
#define VARVE_CORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/** vv_crc32c(crc, data, len): the Castagnoli CRC of RFC 3720 over further bytes; begin with 0.  By the
 *  CPU's own instruction where it has one. */
uint32_t vv_crc32c(uint32_t crc, const void *data, size_t len);
/** vv_crc32c_portable: the same by table, for tests and other machines. */
uint32_t vv_crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
