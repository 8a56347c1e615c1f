/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_PACK_READER_INTERNAL_H
#define VARVE_REPO_PACK_READER_INTERNAL_H

#include "repo/pack_reader.h"

/** A pack whose header has been opened. */
struct opened_pack {
    struct pack_name name;
    struct pack_header header;
    struct vv_id id; /* BLAKE2b-256 of the header */
    uint8_t key[32];
    bool used;
};
/** opened_pack_from_header(keyring, header, ret, err): everything but the name. */
MUST_CHECK enum vv_rc opened_pack_from_header(const struct keyring *keyring,
                                              const uint8_t header[PACK_HEADER_LEN],
                                              struct opened_pack *ret, struct vv_error *err);
/** pack_keys_has(k, name): pack_keys_get will most likely not have to read.  Thread-safe. */
bool pack_keys_has(struct pack_keys *k, const struct pack_name *name);
/** pack_keys_get(k, name, ret, err): a copy; wipe it.  Thread-safe. */
MUST_CHECK enum vv_rc pack_keys_get(struct pack_keys *k, const struct pack_name *name,
                                    struct opened_pack *ret, struct vv_error *err);
struct repo *pack_keys_repo(struct pack_keys *k);

#endif
