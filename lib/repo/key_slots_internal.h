/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_KEY_SLOTS_INTERNAL_H
#define VARVE_REPO_KEY_SLOTS_INTERNAL_H

#include "repo/key_slots.h"

/* Shared by key_slots.c, key_objects.c and key_slots_change.c. */

#define SLOT_PURPOSE "key slot"

/** One stored copy of a slot. */
struct slot_object {
    char name[32]; /* "keys/<16 digits>-a" */
    struct vv_buf bytes;
    struct key_slot slot; /* spans into bytes */
};

/** What is in keys/, sorted by name; damaged objects are counted. */
struct slot_objects {
    struct slot_object *items;
    size_t count;
    size_t damaged;
};
void slot_objects_release(struct slot_objects *l);
/** slot_objects_read(st, ret, err): all of them, several at once on a long line. */
MUST_CHECK enum vv_rc slot_objects_read(struct storage *st, struct slot_objects *ret,
                                        struct vv_error *err);

/** An object that may be missing or damaged. */
struct stored_object {
    enum vv_rc rc; /* VV_OK, or why it could not be read, with the error */
    struct vv_error err;
    struct vv_buf bytes;
};
/** stored_object_read(st, name, limit, ret, err): fails only with what says nothing about the
 *  object: VV_ETRANSIENT, VV_EAUTH, VV_ECANCELLED, VV_ENOMEM. */
MUST_CHECK enum vv_rc stored_object_read(struct storage *st, const char *name, uint64_t limit,
                                         struct stored_object *ret, struct vv_error *err);

struct key_objects {
    struct slot_objects slots;
    struct stored_object config;
    struct stored_object site;
};
/** key_slots_none(st, err): VV_ENOREPO, with what to do. */
enum vv_rc key_slots_none(const struct storage *st, struct vv_error *err);

void key_slot_describe(const struct slot_object *o, struct slot_info *ret);
/** key_slot_secret(slot, secret, out, err): the key-encryption key of one slot for one secret.
 *  VV_ECORRUPT if the slot asks for Argon2id parameters out of bounds. */
MUST_CHECK enum vv_rc key_slot_secret(const struct key_slot *slot, const struct slot_secret *secret,
                                      uint8_t out[32], struct vv_error *err);
/** key_slot_try(o, secret, ret, err): open one stored copy.  VV_EKEY if the secret does not. */
MUST_CHECK enum vv_rc key_slot_try(const struct slot_object *o, const struct slot_secret *secret,
                                   struct key_bundle *ret, struct vv_error *err);

#endif
