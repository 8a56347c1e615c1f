/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_REPLICA_JOURNAL_INTERNAL_H
#define VARVE_REPO_REPLICA_JOURNAL_INTERNAL_H

#include "repo/replica_journal.h"

/* Shared by replica_journal.c and replica_journal_entry.c. */

/*
 * File: magic | 16 B repository | 16 B site | entries: u32 length | payload | u64 checksum (XXH3)
 * Payload: u8 kind | 48 B key (shorter ones padded with zeros) | u64 size or time | i64 verified at
 *          or due | u8 bad | u32 count | list
 */
#define MAGIC "varve replica journal 1\n"
#define MAGIC_LEN 24u
#define HEAD_LEN (MAGIC_LEN + 32u)
#define KEY_LEN 48u
#define PAYLOAD_LEN (1u + KEY_LEN + 8u + 8u + 1u + 4u)
#define JOURNAL_LIMIT (1u << 30)

enum kind { KIND_PACK = 1, KIND_SEGMENT, KIND_SLOT, KIND_SOURCE, KIND_BUDGET };

struct journal_item {
    uint8_t kind; /* 0: free */
    uint8_t key[KEY_LEN];
    uint64_t size;
    int64_t number;
    bool bad;
    bool used; /* in this run */
    uint32_t count;
    uint8_t *list;
};

/** journal_element_size(kind): bytes of one element of ${list}, 0 if there is none. */
size_t journal_element_size(uint8_t kind);
/** journal_encode_item(item, out): append the entry. */
void journal_encode_item(const struct journal_item *item, struct vv_buf *out);
/** journal_decode_item(in, ret, list): the next entry, its list in ${list}; false at the end, or where
 *  the file is damaged. */
MUST_CHECK bool journal_decode_item(struct vv_reader *in, struct journal_item *ret,
                                    struct vv_buf *list);

#endif
