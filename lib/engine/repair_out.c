/* SPDX-License-Identifier: BSD-2-Clause */
/* Repair: which records in metadata packs are of no session that counts: A4. */

#include <stdio.h>

#include "engine/closure_internal.h"
#include "engine/repair_internal.h"
#include "format/pack.h"
#include "format/slot.h"

/** Is there a fence in the slot of this session? */
static enum vv_rc
is_fenced(struct repair *x, const struct vv_uuid *session, bool *ret, struct vv_error *err)
{
    struct repo *r = x->repo;
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct slot slot;
    char text[VV_UUID_TEXT];
    char name[STORAGE_NAME_MAX + 1];
    bool there = false;

    vv_uuid_text(session, text);
    (void)snprintf(name, sizeof(name), "snapshots/%s", text);
    VV_TRY(repair_read_object(r, name, LIMIT_SLOT, &object, &there, err));
    *ret = there && slot_decode(vv_buf_span(&object), repo_id(r), &slot, NULL) == VV_OK &&
           slot.status == SLOT_FENCE && vv_uuid_equal(&slot.session, session) &&
           keyring_admin_verify_object(repo_keyring(r), vv_buf_span(&object));
    return VV_OK;
}

/** The session that one of the two headers of a pack names; false in *ret_known if it cannot be read. */
static enum vv_rc
read_session(struct repo *r, const char *object, uint64_t at, struct vv_uuid *ret, bool *ret_known,
             struct vv_error *err)
{
    uint8_t bytes[PACK_HEADER_LEN];
    struct pack_header header;
    struct vv_error why = {0};
    size_t got = 0;
    enum vv_rc rc = storage_read(repo_storage(r), object, at, bytes, sizeof(bytes), &got, &why);

    *ret_known = rc == VV_OK && got == sizeof(bytes) &&
                 pack_header_decode(bytes, repo_id(r), &header, NULL) == VV_OK;
    if (rc != VV_OK && !damage_found(rc, &why)) {
        *err = why;
        return rc;
    }
    if (*ret_known) {
        *ret = header.session;
    }
    return VV_OK;
}

/** One instance.  A header has no checksum: both are believed if they say that the session is out. */
static enum vv_rc
is_instance_out(struct repair *x, const struct admin_records *admin, const struct pack_name *pack,
                uint64_t size, bool *ret, struct vv_error *err)
{
    const uint64_t places[] = {0, size - PACK_TAIL_LEN};
    char object[PACK_OBJECT_TEXT];
    struct vv_uuid before = {{0}};

    pack_object_text(pack, object);
    for (unsigned i = 0; i < VV_COUNT(places) && size >= PACK_TAIL_LEN && !*ret; i++) {
        struct vv_uuid session;
        bool known;
        VV_TRY(read_session(x->repo, object, places[i], &session, &known, err));
        if (!known || vv_uuid_equal(&session, &before)) {
            continue;
        }
        before = session;
        *ret = admin_buried(admin, &session, NULL);
        if (!*ret) {
            VV_TRY(is_fenced(x, &session, ret, err));
        }
    }
    return VV_OK;
}

enum vv_rc
repair_is_out(struct repair *x, const struct admin_records *admin, const struct pack_names *packs,
              const struct vv_id *hash, const struct vv_uuid *snapshot, bool *ret,
              struct vv_error *err)
{
    const struct vv_uuid nobody = {{0}};
    size_t count;
    const struct pack_name *first = pack_names_find(packs, hash, &count);

    *ret = admin_buried(admin, &nobody, snapshot);
    for (size_t i = 0; i < count && !*ret; i++) { /* a healed one knows better */
        size_t at = (size_t)(first - packs->names) + i;
        VV_TRY(is_instance_out(x, admin, &first[i], packs->sizes[at], ret, err));
    }
    return VV_OK;
}
