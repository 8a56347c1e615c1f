/* SPDX-License-Identifier: BSD-2-Clause */
/* The writer's half of the prune protocol: steps W6 and W7, and whether somebody was faster. */

#include "repo/writer_session_internal.h"

#include <string.h>

#include "core/random.h"
#include "format/slot.h"

static enum vv_rc
fenced(struct writer_session *s, struct vv_error *err)
{
    s->ended = true;
    (void)vv_error_set(err, VV_EREFUSED,
                       "this run was fenced: a prune closed its session, nothing was committed");
    vv_error_hint(err, "run the command again; what was stored serves the next run");
    return VV_EREFUSED;
}

/** Is the object under this session's slot's name an administrator's fence? */
static bool
is_fence(struct writer_session *s, struct vv_span object)
{
    struct slot slot;

    return slot_decode(object, repo_id(s->repo), &slot, NULL) == VV_OK &&
           slot.status == SLOT_FENCE && keyring_admin_verify_object(repo_keyring(s->repo), object);
}

/** Is all of this session in a grave? */
static enum vv_rc
read_graves(struct writer_session *s, bool *ret_buried, struct vv_error *err)
{
    struct admin_records admin = {0};
    enum vv_rc rc = admin_records_read(s->repo, &admin, err);

    if (rc == VV_OK) {
        rc = admin_records_conclusive(&admin, err);
    }
    *ret_buried = rc == VV_OK && admin_buried(&admin, &s->id, NULL);
    admin_records_release(&admin);
    return rc;
}

/** Does a fence lie in this session's slot, or, where that was tidied away, a grave tell of it? */
static bool
look_for_fence(struct writer_session *s)
{
    char name[sizeof("snapshots/") + VV_UUID_TEXT] = "snapshots/";
    struct vv_buf found = {0};
    bool fence = false;
    enum vv_rc rc;

    vv_uuid_text(&s->id, name + strlen(name));
    rc = storage_read_all(repo_storage(s->repo), name, LIMIT_SLOT, &found, NULL);
    if (rc == VV_OK) {
        fence = is_fence(s, vv_buf_span(&found));
    } else if (rc == VV_ENOTFOUND) {
        (void)!read_graves(s, &fence, NULL);
    }
    vv_buf_release(&found);
    return fence;
}

bool
writer_session_was_fenced(struct writer_session *s, enum vv_rc *rc, struct vv_error *err)
{
    /* Who has waited for the storage in vain need not wait once more to learn nothing. */
    if (*rc == VV_OK || *rc == VV_ECANCELLED || *rc == VV_ENOMEM ||
        (err != NULL && (err->exhausted || err->origin == VV_ORIGIN_SOURCE))) {
        return false;
    }
    if (!s->ended && look_for_fence(s)) {
        vv_error_clear(err);
        *rc = fenced(s, err);
    }
    return s->ended;
}

/** Creating the slot failed with ${rc}: what lies there now?  (A reply may have been lost, and 128
 *  random bits tell our slot from any other.) */
static enum vv_rc
settle_slot(struct writer_session *s, const char *name, struct vv_span object, enum vv_rc rc,
            struct vv_error *err)
{
    struct vv_buf found = {0};
    bool read = storage_read_all(repo_storage(s->repo), name, LIMIT_SLOT, &found, NULL) == VV_OK;
    bool ours = read && found.len == object.len && memcmp(found.data, object.data, object.len) == 0;

    if (ours && (rc == VV_EEXISTS || rc == VV_ETRANSIENT)) {
        vv_error_clear(err);
        rc = VV_OK;
    } else if (ours) {
        (void)vv_error_prefix(err, "the snapshot is visible, but may not survive a power failure");
    } else if (rc == VV_EEXISTS && read && is_fence(s, vv_buf_span(&found))) {
        rc = fenced(s, err);
    } else if (rc == VV_EEXISTS) {
        s->ended = true;
        rc = vv_error_set(err, VV_EREFUSED,
                          "something that is no fence lies in the place of this run's snapshot; "
                          "nothing was committed");
        vv_error_hint(err, "run the command again; what was stored serves the next run");
    }
    vv_buf_release(&found);
    return rc;
}

enum vv_rc
writer_create_slot(struct writer_session *s, struct vv_span records, uint32_t count,
                   struct vv_error *err)
{
    struct slot slot = {.session = s->id, .record_count = count, .records = records};
    struct vv_buf object = {0};
    char name[sizeof("snapshots/") + VV_UUID_TEXT] = "snapshots/";
    enum vv_rc rc;

    slot.status = count > 0 ? SLOT_RECORDS : SLOT_EMPTY;
    vv_random(slot.nonce, sizeof(slot.nonce));
    vv_uuid_text(&s->id, name + strlen(name));
    rc = slot_encode(&slot, repo_id(s->repo), &object, err);
    if (rc == VV_OK) {
        rc = container_finish(&object, err);
    }
    if (rc == VV_OK) {
        rc = storage_publish(repo_storage(s->repo), name, vv_buf_span(&object), err);
        if (rc != VV_OK) {
            rc = settle_slot(s, name, vv_buf_span(&object), rc, err);
        }
        s->closed = s->closed || rc == VV_OK;
    }
    vv_buf_release(&object);
    return rc;
}

enum vv_rc
writer_session_commit(struct writer_session *s, struct vv_span records, uint32_t count,
                      struct vv_error *err)
{
    bool buried = false;
    enum vv_rc rc = writer_create_slot(s, records, count, err); /* W6 */

    if (rc == VV_OK) {
        rc = read_graves(s, &buried, err); /* W7 */
        if (rc != VV_OK) {
            (void)vv_error_prefix(err,
                                  "the snapshot was stored, but whether it counts is not known");
        }
    }
    return buried ? fenced(s, err) : rc;
}
