/* SPDX-License-Identifier: BSD-2-Clause */
/* Signing and publishing in the administrator's name. */

#include <stdio.h>

#include "core/random.h"
#include "repo/admin_records.h"

/** Sign a begun object, finish and publish it. */
static enum vv_rc
sign_and_publish(struct repo *r, const char *name, struct vv_buf *object, struct vv_error *err)
{
    uint8_t signature[FORMAT_SIGNATURE_LEN];

    VV_TRY(keyring_need_admin(repo_keyring(r), "a record in 'admin' or 'condemned'", err));
    keyring_admin_sign(repo_keyring(r), vv_buf_span(object), signature);
    vv_buf_put(object, signature, sizeof(signature));
    VV_TRY(container_finish(object, err));
    return storage_publish(repo_storage(r), name, vv_buf_span(object), err);
}

enum vv_rc
admin_record_begin(struct repo *r, int site_bound, enum admin_type type, struct vv_span payload,
                   struct admin_record *ret, struct vv_error *err)
{
    struct admin_record record = {.type = type, .payload = payload};

    if (site_bound && vv_uuid_is_zero(&repo_site(r)->id)) {
        return vv_error_set(err, VV_EREFUSED,
                            "'site' is missing or damaged: what is meant for this copy only would "
                            "count on every copy");
    }
    if (site_bound) {
        record.site = repo_site(r)->id;
    }
    record.time = repo_clock(r)->realtime(repo_clock(r));
    vv_random(record.nonce, sizeof(record.nonce));
    *ret = record;
    return VV_OK;
}

void
admin_numbered_name(const char *prefix, const struct vv_uuid *client, unsigned n,
                    char out[ADMIN_NUMBERED_NAME])
{
    char text[VV_UUID_TEXT];

    vv_uuid_text(client, text);
    (void)snprintf(out, ADMIN_NUMBERED_NAME, "%s-%s-%u", prefix, text, n);
}

enum vv_rc
admin_publish_record(struct repo *r, const struct admin_record *record, const char *name,
                     struct vv_error *err)
{
    struct vv_buf object = {0};
    struct vv_buf path = {0};
    enum vv_rc rc;

    vv_buf_printf(&path, "admin/%s", name);
    (void)vv_buf_text(&path);
    rc = vv_buf_check(&path, err);
    if (rc == VV_OK) {
        rc = admin_encode(record, repo_id(r), &object, err);
    }
    if (rc == VV_OK) {
        rc = sign_and_publish(r, vv_buf_text(&path), &object, err);
    }
    vv_buf_release(&object);
    vv_buf_release(&path);
    return rc;
}

enum vv_rc
admin_publish(struct repo *r, int site_bound, enum admin_type type, const char *name,
              struct vv_span payload, struct vv_error *err)
{
    struct admin_record record;

    VV_TRY(admin_record_begin(r, site_bound, type, payload, &record, err));
    return admin_publish_record(r, &record, name, err);
}

enum vv_rc
admin_publish_as_drawn(struct repo *r, const struct admin_record *record, const char *prefix,
                       struct vv_error *err)
{
    char name[64];
    char digits[33];

    vv_hex(digits, record->nonce, sizeof(record->nonce));
    (void)snprintf(name, sizeof(name), "%s-%s", prefix, digits);
    return admin_publish_record(r, record, name, err);
}

enum vv_rc
admin_publish_drawn(struct repo *r, int site_bound, enum admin_type type, const char *prefix,
                    const struct vv_buf *payload, struct admin_record *ret, struct vv_error *err)
{
    struct admin_record record;

    VV_TRY(vv_buf_check(payload, err));
    VV_TRY(admin_record_begin(r, site_bound, type, vv_buf_span(payload), &record, err));
    VV_TRY(admin_publish_as_drawn(r, &record, prefix, err));
    if (ret != NULL) {
        *ret = record;
    }
    return VV_OK;
}

enum vv_rc
condemned_publish(struct repo *r, const struct vv_uuid *session, const struct pack_name *packs,
                  uint32_t count, struct vv_error *err)
{
    struct condemned list = {.session = *session};
    struct vv_buf names = {0};
    struct vv_buf object = {0};
    struct vv_buf path = {0};
    char text[VV_UUID_TEXT];
    enum vv_rc rc;

    vv_random(list.nonce, sizeof(list.nonce));
    pack_list_encode(packs, count, &names);
    list.packs = vv_buf_span(&names);
    vv_uuid_text(session, text);
    vv_buf_printf(&path, "condemned/%s", text);
    (void)vv_buf_text(&path);
    rc = names.failed || path.failed ? vv_error_nomem(err) : VV_OK;
    if (rc == VV_OK) {
        rc = condemned_encode(&list, repo_id(r), &object, err);
    }
    if (rc == VV_OK) {
        rc = sign_and_publish(r, vv_buf_text(&path), &object, err);
    }
    vv_buf_release(&names);
    vv_buf_release(&object);
    vv_buf_release(&path);
    return rc;
}
