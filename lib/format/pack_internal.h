/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_PACK_INTERNAL_H
#define VARVE_FORMAT_PACK_INTERNAL_H

/* Sizes of the directory's parts, which footer and directory must agree about. */
#define PACK_DIRECTORY_COUNT_LEN 4u
#define PACK_DIRECTORY_BLOCK_LEN 18u
#define PACK_DIRECTORY_CHUNK_LEN 37u

#endif
