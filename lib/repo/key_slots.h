/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_KEY_SLOTS_H
#define VARVE_REPO_KEY_SLOTS_H

#include "core/bytes.h"
#include "format/config.h"
#include "format/key_slot.h"
#include "storage/storage.h"

/* Key slots in the repository: each slot alone opens it.  Every slot is stored twice (-a, -b). */

/** What opens a slot.  For a passphrase: text; for key file and recovery words: 32 bytes. */
struct slot_secret {
    enum key_slot_type type;
    struct vv_span secret;
};

/** What a slot looks like from outside. */
struct slot_info {
    char id[17]; /* 16 hexadecimal digits */
    enum key_slot_type type;
    char label[LIMIT_LABEL + 1];
    int64_t created;
    unsigned copies;  /* readable copies, 1 or 2 */
    bool config_copy; /* from key_slots_open: `config` is missing or damaged */
};
struct slot_list {
    struct slot_info *slots;
    size_t count;
    size_t damaged; /* objects in keys/ that could not be read as a slot */
};
void slot_list_release(struct slot_list *l);
MUST_CHECK enum vv_rc key_slots_list(struct storage *st, struct slot_list *ret,
                                     struct vv_error *err);

/**
 * key_slots_open(st, secret, ret_bundle, ret_config, ret_slot, err): Try ${secret} on every slot of
 * its type.  The bundle's config hash and administrator's key are checked against the stored
 * `config`; where `config` is missing or damaged the slot's copy serves; an intact one that is not
 * the slot's is VV_EFORGED.  VV_EKEY if none opens (the hint lists the slots: kind, label, date);
 * VV_ECORRUPT if there are slots and none can be read; VV_ENOREPO if there are none.
 */
MUST_CHECK enum vv_rc key_slots_open(struct storage *st, const struct slot_secret *secret,
                                     struct key_bundle *ret_bundle, struct config *ret_config,
                                     struct slot_info *ret_slot, struct vv_error *err);

/** What a repository is opened with, read in one go: on a long line that is four round trips instead
 *  of four for each slot. */
struct key_objects;
/** key_objects_read(st, ret, err): keys/, `config` and `site`.  VV_ENOREPO if there are no slots. */
MUST_CHECK enum vv_rc key_objects_read(struct storage *st, struct key_objects **ret,
                                       struct vv_error *err);
void key_objects_free(struct key_objects *o);
VV_DEFINE_CLEANUP(struct key_objects, key_objects_free);
/** key_objects_open(o, ...): as key_slots_open. */
MUST_CHECK enum vv_rc key_objects_open(const struct key_objects *o,
                                       const struct slot_secret *secret,
                                       struct key_bundle *ret_bundle, struct config *ret_config,
                                       struct slot_info *ret_slot, struct vv_error *err);
/** key_objects_site(o, ret, err): the bytes of `site`, or why it could not be read. */
MUST_CHECK enum vv_rc key_objects_site(const struct key_objects *o, struct vv_span *ret,
                                       struct vv_error *err);

/** key_objects_keep(o, directory, err): copies of them in a directory of this host, which is made, in
 *  the place of older ones; nothing if any is missing or damaged.  They are as secret as in the
 *  repository.  key_objects_kept(directory, ret, err): read them; VV_ENOREPO: none are there. */
MUST_CHECK enum vv_rc key_objects_keep(const struct key_objects *o, const char *directory,
                                       struct vv_error *err);
MUST_CHECK enum vv_rc key_objects_kept(const char *directory, struct key_objects **ret,
                                       struct vv_error *err);

/** key_slots_open_for(st, config_st, ...): the same with slots from ${st} and `config` from
 *  ${config_st}, where it must be intact and the one these slots were made for (else VV_EFORGED). */
MUST_CHECK enum vv_rc key_slots_open_for(struct storage *st, struct storage *config_st,
                                         const struct slot_secret *secret,
                                         struct key_bundle *ret_bundle, struct config *ret_config,
                                         struct slot_info *ret_slot, struct vv_error *err);

/** Argon2id cost for new passphrase slots. */
struct slot_cost {
    uint32_t passes;
    uint32_t memory_kib;
};
/** key_slots_check(secret, label, cost, err): would key_slots_add take these?  VV_EUSAGE. */
MUST_CHECK enum vv_rc key_slots_check(const struct slot_secret *secret, const char *label,
                                      const struct slot_cost *cost, struct vv_error *err);
/** key_slots_add(st, secret, label, cost, bundle, config_object, now, ret, err): publish a slot,
 * both copies, and read it back.  A reader's or writer's slot is named after its client (the first
 * 16 digits of its id).  On failure what was published is taken away again where the
 * storage allows it. */
MUST_CHECK enum vv_rc key_slots_add(struct storage *st, const struct slot_secret *secret,
                                    const char *label, const struct slot_cost *cost,
                                    const struct key_bundle *bundle, struct vv_span config_object,
                                    int64_t now, struct slot_info *ret, struct vv_error *err);
/** key_slots_remove(st, id, err): VV_EREFUSED for the last one. */
MUST_CHECK enum vv_rc key_slots_remove(struct storage *st, const char *id, struct vv_error *err);

#endif
