/* SPDX-License-Identifier: BSD-2-Clause */
/* Verify: config, key slots, administrator's records, and what is worth a notice only. */

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "crypto/asymmetric.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "engine/verify_internal.h"
#include "format/readme.h"

#define KEY_NAME_LEN 18u /* 16 digits, '-', 'a' or 'b' */

static enum vv_rc
check_config(struct verify *v, struct vv_buf *object, struct vv_error *err)
{
    const struct key_bundle *bundle = keyring_bundle(repo_keyring(v->repo));
    struct vv_span message;
    struct vv_span signature;
    struct config config;
    uint8_t hash[32];
    enum vv_rc rc = verify_read(v, "config", LIMIT_CONFIG, object, err);

    if (rc == VV_OK) {
        rc = config_decode(vv_buf_span(object), &config, err);
    }
    if (rc == VV_OK) {
        sha256(object->data, object->len, hash);
        if (!crypto_equal(hash, bundle->config_hash, sizeof(hash))) {
            rc = vv_error_set(err, VV_ECORRUPT, "it is not the one the key slots were made for");
        } else if (!container_signed_part(vv_buf_span(object), &message, &signature) ||
                   !ed25519_verify(bundle->admin_public, message, signature.data)) {
            rc = vv_error_set(err, VV_ECORRUPT, "it is not signed by the administrator");
        }
    }
    if (damage_found(rc, err)) {
        verify_report(v, "config-damaged", "config", "%s (the key slots hold copies)",
                      err->message);
        vv_error_clear(err);
        return VV_OK;
    }
    return rc;
}

/* --- key slots -------------------------------------------------------------------------------- */

/** One stored copy: well-formed, and for this repository's config. */
static enum vv_rc
check_slot_copy(struct verify *v, const char *name, struct vv_buf *object, struct vv_error *err)
{
    const struct key_bundle *bundle = keyring_bundle(repo_keyring(v->repo));
    struct key_slot slot;
    uint8_t hash[32];

    VV_TRY(verify_read(v, name, LIMIT_KEY_SLOT, object, err));
    VV_TRY(key_slot_decode(vv_buf_span(object), &slot, err));
    sha256(slot.config.data, slot.config.len, hash);
    if (!vv_uuid_equal(&slot.repository, repo_id(v->repo)) ||
        !crypto_equal(hash, bundle->config_hash, sizeof(hash))) {
        return vv_error_set(err, VV_ECORRUPT, "it belongs to another repository");
    }
    return VV_OK;
}

static bool
key_name_valid(const char *name)
{
    uint8_t id[8];

    return strlen(name) == KEY_NAME_LEN && vv_unhex(id, sizeof(id), name, 16) && name[16] == '-' &&
           (name[17] == 'a' || name[17] == 'b');
}

/** The other copy must be there with the same bytes: nothing else protects the sealed part of a
 *  slot whose secret is not at hand. */
static enum vv_rc
check_twin(struct verify *v, const char *name, const struct vv_buf *object, struct vv_error *err)
{ /* object NULL: this copy is damaged itself */
    VV_CLEANUP(vv_buf_release) struct vv_buf twin = {0};
    char twin_name[5 + KEY_NAME_LEN + 1];
    enum vv_rc rc;

    memcpy(twin_name, name, sizeof(twin_name));
    twin_name[5 + 17] = name[5 + 17] == 'a' ? 'b' : 'a';
    rc = verify_read(v, twin_name, LIMIT_KEY_SLOT, &twin, err);
    if (rc == VV_ENOTFOUND) {
        verify_report(v, "key-slot-damaged", twin_name, "the second copy of this slot is missing");
        vv_error_clear(err);
        return VV_OK;
    }
    if (damage_found(rc, err)) { /* reported on its own */
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    if (object != NULL && name[5 + 17] == 'a' &&
        !look_path_equal(vv_buf_span(object), vv_buf_span(&twin))) {
        struct key_slot slot;
        if (key_slot_decode(vv_buf_span(&twin), &slot, NULL) == VV_OK) {
            verify_report(v, "key-slot-damaged", name, "the two copies of this slot differ");
        }
    }
    return VV_OK;
}

static enum vv_rc
check_keys(struct verify *v, struct vv_buf *object, struct vv_error *err)
{
    struct name_list names;
    enum vv_rc rc;

    rc = repo_list(v->repo, "keys", &names, err);
    if (rc == VV_ENOTFOUND) {
        verify_report(v, "directory-unreadable", "keys", "it is not there");
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    if (names.count == 0) {
        verify_report(v, "key-slot-damaged", "keys", "there is no key slot");
    }
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        struct vv_buf name = {0};
        vv_buf_printf(&name, "keys/%s", names.names[i]);
        if (!key_name_valid(names.names[i])) {
            verify_report(v, "key-slot-damaged", vv_buf_text(&name), "no name of a key slot");
        } else {
            rc = check_slot_copy(v, vv_buf_text(&name), object, err);
            if (rc == VV_OK) {
                rc = check_twin(v, vv_buf_text(&name), object, err);
            } else if (damage_found(rc, err)) {
                verify_report(v, "key-slot-damaged", vv_buf_text(&name), "%s", err->message);
                vv_error_clear(err);
                rc = check_twin(v, vv_buf_text(&name), NULL, err);
            }
        }
        vv_buf_release(&name);
    }
    name_list_release(&names);
    return rc;
}

/* --- administrator's records ------------------------------------------------------------------ */

/** The type a name promises; 0: none. */
static bool
admin_name_fits(const char *name, enum admin_type type)
{
    static const struct {
        const char *prefix;
        enum admin_type type;
    } kinds[] = {{"certificate-", ADMIN_CERTIFICATE},
                 {"revocation-", ADMIN_REVOCATION},
                 {"epoch-", ADMIN_EPOCH},
                 {"grave-", ADMIN_GRAVE},
                 {"suspect-", ADMIN_SUSPECT},
                 {"forget-", ADMIN_FORGET},
                 {"forget-", ADMIN_FORGET_END},
                 {"pin-", ADMIN_PIN},
                 {"listed-", ADMIN_LISTED},
                 {"accepted-", ADMIN_ACCEPTED}};

    for (size_t i = 0; i < VV_COUNT(kinds); i++) {
        if (kinds[i].type == type && strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) {
            return true;
        }
    }
    return false;
}

/** Is the record the one its name says?  Damaged and forged ones have been reported and counted. */
static enum vv_rc
check_admin_name(struct verify *v, const char *file, struct vv_buf *object, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
    struct admin_record record;
    struct certificate certificate;
    char client[VV_UUID_TEXT];
    bool fits;

    vv_buf_printf(&name, "admin/%s", file);
    if (verify_read(v, vv_buf_text(&name), LIMIT_ADMIN, object, err) != VV_OK ||
        admin_decode(vv_buf_span(object), repo_id(v->repo), &record, err) != VV_OK) {
        bool damage = damage_found(err->rc, err);
        enum vv_rc rc = err->rc;
        if (damage) {
            vv_error_clear(err);
        }
        return damage ? VV_OK : rc;
    }
    fits = admin_name_fits(file, record.type);
    if (fits && record.type == ADMIN_CERTIFICATE) {
        fits = certificate_decode(record.payload, &certificate, NULL) == VV_OK;
        vv_uuid_text(&certificate.client, client);
        fits = fits && strncmp(file + strlen("certificate-"), client, strlen(client)) == 0;
    }
    if (!fits) {
        verify_report(v, "admin-record-damaged", vv_buf_text(&name),
                      "it holds another record than its name says");
    }
    return VV_OK;
}

static enum vv_rc
check_admin(struct verify *v, struct vv_buf *object, struct vv_error *err)
{
    struct name_list names;
    enum vv_rc rc = VV_OK;

    VV_TRY(admin_records_read(v->repo, &v->admin, err));
    VV_TRY(condemned_read(v->repo, &v->condemned, err));
    v->s.objects_damaged += v->condemned.damaged; /* reported */
    v->s.objects_damaged += v->admin.damaged;
    v->s.forged = v->s.forged || v->admin.forged > 0 || v->condemned.forged > 0;
    VV_TRY(repo_list(v->repo, "admin", &names, err));
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        rc = check_admin_name(v, names.names[i], object, err);
    }
    name_list_release(&names);
    return rc;
}

/* --- worth a notice --------------------------------------------------------------------------- */

static void
notice(struct verify *v, const char *event, const char *object, const char *text)
{
    vv_emit(repo_events(v->repo), VV_EVENT_NOTICE, event, vv_span(object, strlen(object)), "%s",
            text);
}

static enum vv_rc
check_sessions(struct verify *v, struct vv_buf *object, struct vv_error *err)
{
    struct name_list names;
    enum vv_rc rc = VV_OK;

    VV_TRY(repo_list(v->repo, "sessions", &names, err));
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        struct vv_buf name = {0};
        struct session_record record;
        char id[VV_UUID_TEXT];
        vv_buf_printf(&name, "sessions/%s", names.names[i]);
        rc = verify_read(v, vv_buf_text(&name), LIMIT_SMALL_OBJECT, object, err);
        if (rc == VV_OK) {
            rc = session_decode(vv_buf_span(object), repo_id(v->repo), &record, err);
        }
        if (rc == VV_OK) {
            vv_uuid_text(&record.session, id);
            if (strncmp(id, names.names[i], strlen(id)) != 0) {
                rc = vv_error_set(err, VV_ECORRUPT, "it belongs to another session");
            }
        }
        if (damage_found(rc, err)) { /* VV_ENOTFOUND: it ended meanwhile */
            if (rc != VV_ENOTFOUND) {
                notice(v, "session-damaged", vv_buf_text(&name), err->message);
            }
            vv_error_clear(err);
            rc = VV_OK;
        }
        vv_buf_release(&name);
    }
    name_list_release(&names);
    return rc;
}

static enum vv_rc
check_harmless(struct verify *v, struct vv_buf *object, struct vv_error *err)
{
    struct site site;
    enum vv_rc rc = verify_read(v, "README", LIMIT_SMALL_OBJECT, object, err);

    if (damage_found(rc, err) || (rc == VV_OK && !readme_valid(vv_buf_span(object)))) {
        notice(v, "readme-damaged", "README",
               "the note for people is missing or not as it was written; nothing depends on it");
        vv_error_clear(err);
        rc = VV_OK;
    }
    VV_TRY(rc);
    rc = verify_read(v, "site", LIMIT_SMALL_OBJECT, object, err);
    if (rc == VV_OK) {
        rc = site_decode(vv_buf_span(object), repo_id(v->repo), &site, err);
    }
    if (damage_found(rc, err)) {
        notice(v, "site-damaged", "site",
               "missing or damaged: this copy of the repository has no identity");
        vv_error_clear(err);
        rc = VV_OK;
    }
    VV_TRY(rc);
    return check_sessions(v, object, err);
}

enum vv_rc
verify_small_objects(struct verify *v, struct vv_error *err)
{
    struct vv_buf object = {0};
    enum vv_rc rc = check_config(v, &object, err);

    if (rc == VV_OK) {
        rc = check_keys(v, &object, err);
    }
    if (rc == VV_OK) {
        rc = check_admin(v, &object, err);
    }
    if (rc == VV_OK) {
        rc = check_harmless(v, &object, err);
    }
    if (rc == VV_OK) {
        rc = repo_list(v->repo, "snapshots", &v->slots, err);
    }
    if (rc == VV_ENOTFOUND) {
        verify_report(v, "directory-unreadable", "snapshots", "it is not there");
        vv_error_clear(err);
        rc = VV_OK;
    }
    vv_buf_release(&object);
    return rc;
}
