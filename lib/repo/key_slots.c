/* SPDX-License-Identifier: BSD-2-Clause */
/* Key slots: opening, and the list of them. */

#include "repo/key_slots_internal.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "crypto/passphrase.h"
#include "crypto/secret.h"
#include "format/envelope.h"
#include "repo/sealed_envelope.h"

void
key_slot_describe(const struct slot_object *o, struct slot_info *ret)
{
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->id, o->name + 5, 16);
    ret->type = o->slot.type;
    memcpy(ret->label, o->slot.label, sizeof(ret->label));
    ret->created = o->slot.created;
    ret->copies = 1;
}

void
slot_list_release(struct slot_list *l)
{
    vv_free(l->slots);
    memset(l, 0, sizeof(*l));
}

enum vv_rc
key_slots_list(struct storage *st, struct slot_list *ret, struct vv_error *err)
{
    struct slot_objects objects;
    struct slot_list l = {0};

    VV_TRY(slot_objects_read(st, &objects, err));
    l.damaged = objects.damaged;
    l.slots = vv_alloc_array(objects.count + 1, sizeof(*l.slots));
    if (l.slots == NULL) {
        slot_objects_release(&objects);
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < objects.count; i++) {
        struct slot_info info;
        key_slot_describe(&objects.items[i], &info);
        if (l.count > 0 && strcmp(l.slots[l.count - 1].id, info.id) == 0) {
            l.slots[l.count - 1].copies++;
        } else {
            l.slots[l.count++] = info;
        }
    }
    slot_objects_release(&objects);
    *ret = l;
    return VV_OK;
}

enum vv_rc
key_slot_secret(const struct key_slot *slot, const struct slot_secret *secret, uint8_t out[32],
                struct vv_error *err)
{
    if (slot->type != KEY_SLOT_PASSPHRASE) {
        if (secret->secret.len != 32) {
            return vv_error_set(err, VV_EUSAGE, "a key file or recovery secret has 32 bytes");
        }
        memcpy(out, secret->secret.data, 32);
        return VV_OK;
    }
    if (slot->passes < ARGON2_FLOOR_PASSES || slot->memory_kib < ARGON2_FLOOR_KIB ||
        slot->passes > ARGON2_CAP_PASSES || slot->memory_kib > ARGON2_CAP_KIB) {
        return vv_error_set(err, VV_ECORRUPT,
                            "key slot: Argon2id parameters out of bounds (%u passes, %u KiB)",
                            slot->passes, slot->memory_kib);
    }
    return argon2id(secret->secret, slot->salt, slot->passes, slot->memory_kib, out, err);
}

enum vv_rc
key_slot_try(const struct slot_object *o, const struct slot_secret *secret, struct key_bundle *ret,
             struct vv_error *err)
{
    uint8_t key[32];
    struct vv_buf plain = {0};
    enum vv_rc rc;

    VV_TRY(key_slot_secret(&o->slot, secret, key, err));
    rc = envelope_open(key, SLOT_PURPOSE, o->slot.prefix, o->slot.envelope, &plain, err);
    crypto_wipe(key, sizeof(key));
    if (rc == VV_OK) {
        rc = key_bundle_decode(vv_buf_span(&plain), ret, err);
    }
    if (plain.data != NULL) {
        crypto_wipe(plain.data, plain.len);
    }
    vv_buf_release(&plain);
    return rc;
}

/** Is this the object whose hash the bundle holds? */
static bool
is_config(struct vv_span object, const struct key_bundle *bundle)
{
    uint8_t hash[32];

    sha256(object.data, object.len, hash);
    return crypto_equal(hash, bundle->config_hash, sizeof(hash)) != 0;
}

/** The config the bundle was made for: the stored one; where that is missing or damaged, the slot's
 *  copy.  An intact one that is another is no accident. */
static enum vv_rc
choose_config(const struct stored_object *stored, const struct slot_object *o,
              const struct key_bundle *bundle, struct config *ret, bool *ret_copy,
              struct vv_error *err)
{
    struct vv_span object = vv_buf_span(&stored->bytes);
    struct vv_span message;
    struct vv_span signature;
    struct vv_reader body;
    bool intact = stored->rc == VV_OK;
    enum vv_rc rc;

    *ret_copy = !intact || !is_config(object, bundle);
    intact = intact && container_open(object, FORMAT_CONFIG, NULL, &body, NULL) == VV_OK;
    if (*ret_copy) {
        object = o->slot.config;
    }
    if ((*ret_copy && intact) || !is_config(object, bundle)) {
        rc = vv_error_set(err, VV_EFORGED, "'config' is not the one this key slot was made for");
        vv_error_hint(err, "the storage holds a foreign 'config': use a replica, or move 'config' "
                           "away, since the key slot has a copy of the right one");
    } else if (!container_signed_part(object, &message, &signature) ||
               !ed25519_verify(bundle->admin_public, message, signature.data)) {
        rc = vv_error_set(err, VV_EFORGED, "'config' is not signed by the administrator");
    } else {
        rc = config_decode(object, ret, err);
    }
    return rc;
}

static const char *
type_text(enum key_slot_type type)
{
    switch (type) {
    case KEY_SLOT_PASSPHRASE:
        return "passphrase";
    case KEY_SLOT_KEY_FILE:
        return "key file";
    case KEY_SLOT_RECOVERY:
        return "recovery words";
    }
    return "unknown";
}

/** VV_EKEY with the slots there are. */
static enum vv_rc
no_slot_opens(const struct slot_objects *l, size_t damaged, const struct slot_secret *secret,
              struct vv_error *err)
{
    struct vv_buf text = {0};
    const char *last = "";

    for (size_t i = 0; i < l->count; i++) {
        char when[VV_TIME_TEXT];
        if (strncmp(last, l->items[i].name + 5, 16) == 0) {
            continue;
        }
        last = l->items[i].name + 5;
        vv_time_format(l->items[i].slot.created, when);
        vv_buf_printf(&text, "%s%s '%s' of %s", text.len > 0 ? "; " : "",
                      type_text(l->items[i].slot.type), l->items[i].slot.label, when);
    }
    if (l->count == 0) {
        vv_buf_release(&text);
        (void)vv_error_set(err, VV_ECORRUPT,
                           "none of the %zu objects in 'keys' can be read as a slot", damaged);
        vv_error_hint(err, "use a replica; any of its key slots opens this copy as well");
        return VV_ECORRUPT;
    }
    (void)vv_error_set(err, VV_EKEY, "the %s opens no key slot of this repository",
                       type_text(secret->type));
    vv_error_hint(err, "key slots: %s%s", text.len > 0 ? vv_buf_text(&text) : "none",
                  damaged > 0 ? "; some slots are damaged" : "");
    vv_buf_release(&text);
    return VV_EKEY;
}

/** Try the secret on every slot; ${config}: of this storage, or of the one that the slots are to be
 *  for (${foreign}), where it must be the very one. */
static enum vv_rc
open_slots(const struct slot_objects *l, const struct stored_object *stored, bool foreign,
           const struct slot_secret *secret, struct key_bundle *ret_bundle,
           struct config *ret_config, struct slot_info *ret_slot, struct vv_error *err)
{
    char opened_not[17] = "";
    bool no_memory = false;
    bool copy = false;
    size_t damaged = l->damaged;
    enum vv_rc rc = VV_EKEY;

    for (size_t i = 0; i < l->count && rc == VV_EKEY; i++) {
        const struct slot_object *o = &l->items[i];
        struct key_bundle bundle;
        struct config config;

        /* The twin of a slot that a secret did not open need not be tried (Argon2id is slow). */
        if (o->slot.type != secret->type || strncmp(opened_not, o->name + 5, 16) == 0) {
            continue;
        }
        rc = key_slot_try(o, secret, &bundle, err);
        if (rc == VV_EKEY) {
            memcpy(opened_not, o->name + 5, 16);
            continue;
        }
        if (rc == VV_ECORRUPT || rc == VV_EUNSUPPORTED) {
            rc = VV_EKEY; /* a damaged copy: its twin may open */
            damaged++;
            continue;
        }
        if (rc == VV_ENOMEM) {
            rc = VV_EKEY; /* a slot may ask for more than there is: another may not */
            no_memory = true;
            continue;
        }
        if (rc == VV_OK) {
            rc = choose_config(stored, o, &bundle, &config, &copy, err);
        }
        if (rc == VV_OK && copy && foreign) {
            rc = vv_error_set(err, VV_EFORGED, "they are of a 'config' that is not here");
        }
        if (rc == VV_OK) {
            *ret_bundle = bundle;
            *ret_config = config;
            key_slot_describe(o, ret_slot);
            ret_slot->config_copy = copy;
            vv_error_clear(err);
        }
        crypto_wipe(&bundle, sizeof(bundle));
    }
    if (rc == VV_EKEY) {
        rc = no_memory ? vv_error_nomem(err) : no_slot_opens(l, damaged, secret, err);
    }
    return rc;
}

enum vv_rc
key_objects_open(const struct key_objects *o, const struct slot_secret *secret,
                 struct key_bundle *ret_bundle, struct config *ret_config,
                 struct slot_info *ret_slot, struct vv_error *err)
{
    return open_slots(&o->slots, &o->config, false, secret, ret_bundle, ret_config, ret_slot, err);
}

enum vv_rc
key_slots_open(struct storage *st, const struct slot_secret *secret, struct key_bundle *ret_bundle,
               struct config *ret_config, struct slot_info *ret_slot, struct vv_error *err)
{
    VV_CLEANUP(key_objects_freep) struct key_objects *o = NULL;

    VV_TRY(key_objects_read(st, &o, err));
    return key_objects_open(o, secret, ret_bundle, ret_config, ret_slot, err);
}

enum vv_rc
key_slots_open_for(struct storage *st, struct storage *config_st, const struct slot_secret *secret,
                   struct key_bundle *ret_bundle, struct config *ret_config,
                   struct slot_info *ret_slot, struct vv_error *err)
{
    struct slot_objects slots = {0};
    struct stored_object config = {0};
    enum vv_rc rc = slot_objects_read(st, &slots, err);

    VV_TRY(rc);
    rc = slots.count == 0 && slots.damaged == 0
             ? key_slots_none(st, err)
             : stored_object_read(config_st, "config", LIMIT_CONFIG, &config, err);
    if (rc == VV_OK) {
        rc = open_slots(&slots, &config, true, secret, ret_bundle, ret_config, ret_slot, err);
    }
    vv_buf_release(&config.bytes);
    slot_objects_release(&slots);
    return rc;
}
