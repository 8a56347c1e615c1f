/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_KEY_SLOTS_INTERNAL_H
#define VARVE_REPO_KEY_SLOTS_INTERNAL_H

#include "repo/key_slots.h"

/* Shared by key_slots.c and key_slots_change.c. */

#define SLOT_PURPOSE "key slot"

/** One stored copy of a slot. */
struct slot_object {
    char name[32]; /* "keys/<16 digits>-a" */
    struct vv_buf bytes;
    struct key_slot slot; /* spans into bytes */
};

void key_slot_describe(const struct slot_object *o, struct slot_info *ret);
/** key_slot_secret(slot, secret, out, err): the key-encryption key of one slot for one secret.
 *  VV_ECORRUPT if the slot asks for Argon2id parameters out of bounds. */
MUST_CHECK enum vv_rc key_slot_secret(const struct key_slot *slot, const struct slot_secret *secret,
                                      uint8_t out[32], struct vv_error *err);
/** key_slot_try(o, secret, ret, err): open one stored copy.  VV_EKEY if the secret does not. */
MUST_CHECK enum vv_rc key_slot_try(const struct slot_object *o, const struct slot_secret *secret,
                                   struct key_bundle *ret, struct vv_error *err);

#endif
