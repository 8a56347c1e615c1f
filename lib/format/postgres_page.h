/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_FORMAT_POSTGRES_PAGE_H
#define VARVE_FORMAT_POSTGRES_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Pages of PostgreSQL's relation files.  The checksum is 16 bits at offset 8 of a page: 32 parallel
 * FNV-1a sums of its 32-bit words (the field itself counts as 0), mixed with the block's number.
 */
#define POSTGRES_PAGE_SIZE_LEAST 1024u
#define POSTGRES_PAGE_SIZE_MOST 32768u

/** postgres_page_checksum(page, size, block): what the page should carry; ${size} is a power of two
 *  between the limits. */
uint16_t postgres_page_checksum(const uint8_t *page, size_t size, uint32_t block);
/** postgres_page_checksum_portable: the same without the CPU's vectors, for tests and other machines. */
uint16_t postgres_page_checksum_portable(const uint8_t *page, size_t size, uint32_t block);

/** postgres_page_is_bad(page, size, block, start): does a page that was last changed before the
 *  position ${start} carry another checksum?  Later changes are in the WAL, with the page whole;
 *  new pages carry none. */
bool postgres_page_is_bad(const uint8_t *page, size_t size, uint32_t block, uint64_t start);

/** Files that consist of pages: "base/5/1259", "global/1262_fsm", "pg_tblspc/16390/PG_.../5/16391.2"
 *  (paths in the data directory). */
struct postgres_relation_file {
    bool is_relation;
    uint32_t segment; /* the number behind the dot */
};
struct postgres_relation_file postgres_relation_file(const char *path);

#endif
