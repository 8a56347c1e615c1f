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

/** keyring_new(bundle, config, ret, err): derive everything, or take over what a reader's or writer's
 *  bundle has; copies, so wipe the bundle after. */
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

/** What a keyring is good for.  An administrator's may everything; a reader's opens packs and
 *  bodies of snapshots; a writer's only makes them; one without a key neither. */
bool keyring_may_administer(const struct keyring *k);
bool keyring_may_read(const struct keyring *k);
/** keyring_need_admin(k, what, err): VV_EKEY "${what} needs an administrator's key" unless it may. */
MUST_CHECK enum vv_rc keyring_need_admin(const struct keyring *k, const char *what,
                                         struct vv_error *err);
/** keyring_client(k): the bundle with the client's id and keys that a reader's or writer's key is
 *  made for; NULL for an administrator, whose clients are drawn by each state directory. */
const struct key_bundle *keyring_client(const struct keyring *k);

const struct config *keyring_config(const struct keyring *k);
/** The bundle as it was (for making further slots); secret memory, borrowed. */
const struct key_bundle *keyring_bundle(const struct keyring *k);

/** Chunk ids: the key of one type; index key; the chunker, ready to cut; the tree's level key. */
const uint8_t *keyring_id_key(const struct keyring *k, enum chunk_type type);
const uint8_t *keyring_index_key(const struct keyring *k);
const struct chunker *keyring_chunker(const struct keyring *k);
const uint8_t *keyring_level_key(const struct keyring *k);
/** A key for local files of one purpose ("checkpoint", ...), 32 bytes to ${out}; each client's key
 *  has its own. */
void keyring_local_key(const struct keyring *k, const char *purpose, uint8_t out[32]);
/** keyring_issue(k, client, role, newest, ret): the bundle of a reader's or writer's key, with a
 *  reader's epochs up to ${newest}, a writer's of ${newest} alone.  By an administrator; wipe it. */
void keyring_issue(const struct keyring *k, const struct key_bundle *client, enum key_role role,
                   uint32_t newest, struct key_bundle *ret);

/** chunk_id(k, type, data, ret): the id of one chunk. */
void chunk_id(const struct keyring *k, enum chunk_type type, struct vv_span data,
              struct vv_id *ret);

/*
 * Epochs.  An administrator derives the keys of any; others have those in their bundle, and learn
 * the later ones from records sealed to them (admin_epochs.h).
 */
/** keyring_epoch_known(k, epoch): can packs of it be made? */
bool keyring_epoch_known(const struct keyring *k, uint32_t epoch);
/** keyring_epoch_keys(k, epoch, ret): all keys of an epoch that is known; wipe them. */
void keyring_epoch_keys(const struct keyring *k, uint32_t epoch, struct epoch_keys *ret);
/** keyring_learn_epoch(k, keys): those of another one; kept as they are if it is known.  Thread-safe
 *  beside all other calls. */
void keyring_learn_epoch(const struct keyring *k, const struct epoch_keys *keys);
/** keyring_epoch_public(k, epoch, out): the X25519 public key of an epoch that is known. */
void keyring_epoch_public(const struct keyring *k, uint32_t epoch, uint8_t out[32]);
/** keyring_pack_key(k, epoch, secret, out): for a writer, from the secret it drew; the epoch is
 *  known. */
void keyring_pack_key(const struct keyring *k, uint32_t epoch, const uint8_t secret[32],
                      uint8_t out[32]);
/** keyring_open_pack(k, header_bytes, ret_header, out_key, err): open the sealed secret, derive the
 *  pack key, compare the commitment.  VV_ECORRUPT if it does not fit, VV_EKEY if this key opens no
 *  packs (of this epoch). */
MUST_CHECK enum vv_rc keyring_open_pack(const struct keyring *k,
                                        const uint8_t header_bytes[PACK_HEADER_LEN],
                                        struct pack_header *ret_header, uint8_t out_key[32],
                                        struct vv_error *err);
/** keyring_reopen_pack(k, header_bytes, ephemeral, ...): the same by who has just sealed the secret
 *  with ${ephemeral} (seal_box_from), and needs no more than a writer's key. */
MUST_CHECK enum vv_rc keyring_reopen_pack(const struct keyring *k,
                                          const uint8_t header_bytes[PACK_HEADER_LEN],
                                          const uint8_t ephemeral[32],
                                          struct pack_header *ret_header, uint8_t out_key[32],
                                          struct vv_error *err);
/** keyring_unseal(k, epoch, sealed, out, err): what was sealed to the epoch's key (e.g. a snapshot's
 *  secret).  VV_ECORRUPT if it was not, VV_EKEY if this key reads nothing (of this epoch). */
MUST_CHECK enum vv_rc keyring_unseal(const struct keyring *k, uint32_t epoch, struct vv_span sealed,
                                     uint8_t *out, struct vv_error *err);

/** keyring_admin_sign(k, message, out): keyring_may_administer; keyring_admin_public(k). */
void keyring_admin_sign(const struct keyring *k, struct vv_span message, uint8_t out[64]);
const uint8_t *keyring_admin_public(const struct keyring *k);
/** keyring_admin_verify_object(k, object): an administrator's signature on a signed container whose
 *  trailer has been checked. */
MUST_CHECK bool keyring_admin_verify_object(const struct keyring *k, struct vv_span object);

#endif
