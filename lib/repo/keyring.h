/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_KEYRING_H
#define VARVE_REPO_KEYRING_H

#include <stdbool.h>
#include <stdint.h>

#include "chunker/chunker.h"
#include "format/config.h"
#include "format/key_slot.h"
#include "format/pack.h"

/*
 * Every key of an opened repository.  Read-only after it is made, hence shared by all threads.
 * Derivations (varve-format(5)): sub(label) = BLAKE2b-256(key = master, label | repository id).
 */
struct keyring;

/** keyring_new(bundle, config, ret, err): derive everything; copies, so wipe the bundle after. */
MUST_CHECK enum vv_rc keyring_new(const struct key_bundle *bundle, const struct config *config,
                                  struct keyring **ret, struct vv_error *err);
/** keyring_new_public(config, ret, err): for who has no key: the administrator's public key of
 *  ${config} (whose signature has been checked) is all there is; of the calls below only
 *  keyring_config, keyring_admin_public and keyring_admin_verify_object may be used. */
MUST_CHECK enum vv_rc keyring_new_public(const struct config *config, struct keyring **ret,
                                         struct vv_error *err);
bool keyring_is_public(const struct keyring *k);
void keyring_free(struct keyring *k);
VV_DEFINE_CLEANUP(struct keyring, keyring_free);

const struct config *keyring_config(const struct keyring *k);
/** The bundle as it was (for making further slots); secret memory, borrowed. */
const struct key_bundle *keyring_bundle(const struct keyring *k);

/** Chunk ids: the key of one type; index key; the chunker, ready to cut; the tree's level key. */
const uint8_t *keyring_id_key(const struct keyring *k, enum chunk_type type);
const uint8_t *keyring_index_key(const struct keyring *k);
const struct chunker *keyring_chunker(const struct keyring *k);
const uint8_t *keyring_level_key(const struct keyring *k);
/** A key for local files of one purpose ("checkpoint", ...), 32 bytes to ${out}. */
void keyring_local_key(const struct keyring *k, const char *purpose, uint8_t out[32]);

/** chunk_id(k, type, data, ret): the id of one chunk. */
void chunk_id(const struct keyring *k, enum chunk_type type, struct vv_span data,
              struct vv_id *ret);

/** keyring_epoch_public(k, epoch, out): the epoch's X25519 public key. */
void keyring_epoch_public(const struct keyring *k, uint32_t epoch, uint8_t out[32]);
/** keyring_pack_key(k, header, sealed secret opened) ... for a writer: from the secret it drew. */
void keyring_pack_key(const struct keyring *k, uint32_t epoch, const uint8_t secret[32],
                      uint8_t out[32]);
/** keyring_open_pack(k, header_bytes, ret_header, out_key, err): open the sealed secret, derive the
 *  pack key, compare the commitment.  VV_ECORRUPT if it does not fit. */
MUST_CHECK enum vv_rc keyring_open_pack(const struct keyring *k,
                                        const uint8_t header_bytes[PACK_HEADER_LEN],
                                        struct pack_header *ret_header, uint8_t out_key[32],
                                        struct vv_error *err);
/** keyring_unseal(k, epoch, sealed, out): what was sealed to the epoch's key (e.g. a snapshot's
 *  secret); false if it was not. */
MUST_CHECK bool keyring_unseal(const struct keyring *k, uint32_t epoch, struct vv_span sealed,
                               uint8_t *out);

/** keyring_admin_sign(k, message, out); keyring_admin_public(k). */
void keyring_admin_sign(const struct keyring *k, struct vv_span message, uint8_t out[64]);
const uint8_t *keyring_admin_public(const struct keyring *k);
/** keyring_admin_verify_object(k, object): an administrator's signature on a signed container whose
 *  trailer has been checked. */
MUST_CHECK bool keyring_admin_verify_object(const struct keyring *k, struct vv_span object);

#endif
