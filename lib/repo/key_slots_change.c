/* SPDX-License-Identifier: BSD-2-Clause */
/* Key slots: adding and removing. */

#include "repo/key_slots_internal.h"

#include <string.h>

#include "core/random.h"
#include "crypto/secret.h"
#include "repo/sealed_envelope.h"

/** The bytes of a new slot object. */
static enum vv_rc
build_slot(const struct slot_secret *secret, const struct key_slot *slot,
           const struct key_bundle *bundle, struct vv_buf *out, struct vv_error *err)
{
    uint8_t key[32];
    struct vv_buf plain = {0};
    struct vv_buf sealed = {0};
    enum vv_rc rc;

    VV_TRY(key_slot_secret(slot, secret, key, err));
    rc = key_slot_encode_prefix(slot, out, err);
    if (rc == VV_OK) {
        rc = key_bundle_encode(bundle, &plain, err);
    }
    if (rc == VV_OK) {
        rc = envelope_seal(key, SLOT_PURPOSE, vv_buf_span(out), vv_buf_span(&plain), &sealed, err);
    }
    if (rc == VV_OK) {
        vv_buf_put(out, sealed.data, sealed.len);
        rc = container_finish(out, err);
    }
    crypto_wipe(key, sizeof(key));
    if (plain.data != NULL) {
        crypto_wipe(plain.data, plain.len);
    }
    vv_buf_release(&plain);
    vv_buf_release(&sealed);
    return rc;
}

/** The cost a new slot gets. */
static struct slot_cost
effective_cost(const struct slot_secret *secret, const struct slot_cost *cost)
{
    struct slot_cost c = {0};

    if (secret->type == KEY_SLOT_PASSPHRASE) {
        c.passes = cost != NULL && cost->passes != 0 ? cost->passes : ARGON2_DEFAULT_PASSES;
        c.memory_kib =
            cost != NULL && cost->memory_kib != 0 ? cost->memory_kib : ARGON2_DEFAULT_KIB;
    }
    return c;
}

enum vv_rc
key_slots_check(const struct slot_secret *secret, const char *label, const struct slot_cost *cost,
                struct vv_error *err)
{
    struct slot_cost c = effective_cost(secret, cost);

    if (strlen(label) > LIMIT_LABEL) {
        return vv_error_set(err, VV_EUSAGE, "the label is longer than %u bytes", LIMIT_LABEL);
    }
    if (secret->type != KEY_SLOT_PASSPHRASE) {
        return secret->secret.len == 32
                   ? VV_OK
                   : vv_error_set(err, VV_EUSAGE, "a key file or recovery secret has 32 bytes");
    }
    if (c.passes < ARGON2_FLOOR_PASSES || c.passes > ARGON2_CAP_PASSES ||
        c.memory_kib < ARGON2_FLOOR_KIB || c.memory_kib > ARGON2_CAP_KIB) {
        return vv_error_set(
            err, VV_EUSAGE, "Argon2id takes %u to %u passes and %u to %u MiB of memory",
            ARGON2_FLOOR_PASSES, ARGON2_CAP_PASSES, ARGON2_FLOOR_KIB >> 10, ARGON2_CAP_KIB >> 10);
    }
    return VV_OK;
}

/** Publish one copy and read it back into ${check}. */
static enum vv_rc
publish_copy(struct storage *st, struct slot_object *check, char copy, struct vv_span object,
             struct vv_error *err)
{
    check->name[21] = '-';
    check->name[22] = copy;
    check->name[23] = '\0';
    VV_TRY(storage_publish(st, check->name, object, err));
    vv_buf_reset(&check->bytes);
    VV_TRY(storage_read_all(st, check->name, LIMIT_KEY_SLOT, &check->bytes, err));
    if (check->bytes.len != object.len || memcmp(check->bytes.data, object.data, object.len) != 0) {
        return vv_error_set(err, VV_ECORRUPT, "'%s' does not read back as written", check->name);
    }
    return VV_OK;
}

/** Take a slot away that is not what it should be. */
static void
withdraw(struct storage *st, struct slot_object *o)
{
    for (const char *copy = "ab"; *copy != '\0'; copy++) {
        o->name[22] = *copy;
        (void)!storage_remove(st, o->name, NULL);
    }
}

enum vv_rc
key_slots_add(struct storage *st, const struct slot_secret *secret, const char *label,
              const struct slot_cost *cost, const struct key_bundle *bundle,
              struct vv_span config_object, int64_t now, struct slot_info *ret,
              struct vv_error *err)
{
    struct slot_cost c = effective_cost(secret, cost);
    struct key_slot slot = {.type = secret->type,
                            .created = now,
                            .passes = c.passes,
                            .memory_kib = c.memory_kib,
                            .config = config_object};
    struct slot_object check = {0};
    struct config config;
    struct key_bundle again;
    struct vv_buf object = {0};
    uint8_t id[8];
    enum vv_rc rc;

    VV_TRY(key_slots_check(secret, label, cost, err));
    VV_TRY(config_decode(config_object, &config, err));
    slot.repository = config.repository;
    memcpy(slot.label, label, strlen(label));
    vv_random(slot.salt, sizeof(slot.salt));
    vv_random(id, sizeof(id));
    if (bundle->role != KEY_ROLE_ADMIN) { /* so that a client and its slot find each other */
        memcpy(id, bundle->client.b, sizeof(id));
    }
    memcpy(check.name, "keys/", 5);
    vv_hex(check.name + 5, id, sizeof(id));
    rc = build_slot(secret, &slot, bundle, &object, err);
    if (rc != VV_OK) {
        vv_buf_release(&object);
        return rc;
    }
    rc = publish_copy(st, &check, 'a', vv_buf_span(&object), err);
    if (rc == VV_OK) {
        rc = publish_copy(st, &check, 'b', vv_buf_span(&object), err);
    }
    if (rc == VV_OK) {
        rc = key_slot_decode(vv_buf_span(&check.bytes), &check.slot, err);
    }
    if (rc == VV_OK) {
        rc = key_slot_try(&check, secret, &again, err); /* it opens, before anybody relies on it */
        crypto_wipe(&again, sizeof(again));
    }
    if (rc != VV_OK) {
        withdraw(st, &check);
    } else if (ret != NULL) {
        key_slot_describe(&check, ret);
        ret->copies = 2;
    }
    vv_buf_release(&object);
    vv_buf_release(&check.bytes);
    return rc;
}

enum vv_rc
key_slots_remove(struct storage *st, const char *id, struct vv_error *err)
{
    struct slot_list l;
    bool found = false;
    size_t others = 0;
    enum vv_rc rc;

    VV_TRY(key_slots_list(st, &l, err));
    for (size_t i = 0; i < l.count; i++) {
        if (strcmp(l.slots[i].id, id) == 0) {
            found = true;
        } else {
            others++;
        }
    }
    slot_list_release(&l);
    if (!found) {
        return vv_error_set(err, VV_ENOTFOUND, "there is no key slot '%s'", id);
    }
    if (others == 0) {
        rc = vv_error_set(err, VV_EREFUSED, "'%s' is the last key slot", id);
        vv_error_hint(err, "add another one first: 'varve key add'");
        return rc;
    }
    for (const char *copy = "ab"; *copy != '\0'; copy++) {
        struct vv_buf name = {0};
        vv_buf_printf(&name, "keys/%s-%c", id, *copy);
        rc = storage_remove(st, vv_buf_text(&name), err);
        vv_buf_release(&name);
        if (rc == VV_ENOTFOUND) {
            vv_error_clear(err);
            rc = VV_OK;
        }
        VV_TRY(rc);
    }
    return VV_OK;
}
