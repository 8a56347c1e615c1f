/* SPDX-License-Identifier: BSD-2-Clause */
/* Graves, and the slots and records they make superfluous. */
#include "repo/bury.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "crypto/hash.h"
#include "format/slot.h"
#include "format/snapshot.h"

#define GRAVES_A_RECORD 100000u /* keeps a record far below LIMIT_ADMIN */
#define EMPTY_SLOT_MAX 256u     /* a slot without records is smaller, one with is larger */
#define SLOT_NAME (sizeof("snapshots/") + VV_UUID_TEXT)

/* --- reading slots ---------------------------------------------------------------------------- */

/** One slot; VV_ENOTFOUND: it is gone.  *ret_whole false: it cannot be decoded, or lies under a
 *  name that is not its session's. */
static enum vv_rc
read_slot(struct repo *r, const char *text, struct vv_buf *object, struct slot *ret,
          bool *ret_whole, struct vv_error *err)
{
    char name[SLOT_NAME] = "snapshots/";
    struct vv_uuid id;
    enum vv_rc rc;

    *ret_whole = false;
    if (!vv_uuid_parse(text, strlen(text), &id)) {
        return VV_OK;
    }
    memcpy(name + strlen(name), text, VV_UUID_TEXT);
    vv_buf_reset(object);
    rc = storage_read_all(repo_storage(r), name, LIMIT_SLOT, object, err);
    if (rc == VV_OK) {
        rc = slot_decode(vv_buf_span(object), repo_id(r), ret, err);
    }
    if (rc == VV_ECORRUPT || rc == VV_EUNSUPPORTED || rc == VV_ELIMIT || rc == VV_EIO) {
        vv_error_clear(err); /* who lists snapshots tells */
        return VV_OK;
    }
    VV_TRY(rc);
    *ret_whole = vv_uuid_equal(&ret->session, &id);
    return VV_OK;
}

/* --- graves ----------------------------------------------------------------------------------- */

static enum vv_rc
publish_graves(struct repo *r, const struct grave *graves, size_t count, struct vv_error *err)
{
    for (size_t at = 0; at < count;) {
        VV_CLEANUP(vv_buf_release) struct vv_buf payload = {0};
        size_t n = count - at < GRAVES_A_RECORD ? count - at : GRAVES_A_RECORD;
        struct vv_uuid digits;
        char text[VV_UUID_TEXT];
        char name[sizeof("grave-") + VV_UUID_TEXT] = "grave-";
        grave_list_begin(&payload, (uint32_t)n);
        for (size_t i = 0; i < n; i++) {
            grave_put(&payload, &graves[at + i]);
        }
        VV_TRY(vv_buf_check(&payload, err));
        vv_random(digits.b, sizeof(digits.b));
        vv_uuid_text(&digits, text);
        memcpy(name + strlen(name), text, sizeof(text));
        VV_TRY(admin_publish(r, 1, ADMIN_GRAVE, name, vv_buf_span(&payload), err));
        at += n;
    }
    return VV_OK;
}

static int
compare_uuids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct vv_uuid));
}

struct burying {
    struct repo *repo;
    const struct vv_uuid *snapshots; /* sorted */
    size_t count;
    struct admin_records admin;
    struct vv_buf graves; /* struct grave */
};

static enum vv_rc
bury_records(struct burying *b, const struct slot *slot, struct vv_error *err)
{
    struct vv_reader in = vv_reader(slot->records.data, slot->records.len);
    struct vv_span bytes;

    while (slot_next_record(&in, &bytes)) {
        struct snapshot_record record;
        struct grave g = {.session = slot->session, .reason = GRAVE_FORGOTTEN};
        if (snapshot_record_decode(bytes, repo_id(b->repo), &record, NULL) != VV_OK ||
            b->count == 0 ||
            bsearch(&record.head.id, b->snapshots, b->count, sizeof(*b->snapshots),
                    compare_uuids) == NULL) {
            continue;
        }
        g.snapshot = record.head.id;
        g.client = record.head.client;
        g.sequence = record.head.sequence;
        sha256(bytes.data, bytes.len, g.hash.b);
        vv_buf_put(&b->graves, &g, sizeof(g));
    }
    return vv_buf_check(&b->graves, err);
}

static enum vv_rc
bury_in_slots(struct burying *b, const struct name_list *names, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};

    for (size_t i = 0; i < names->count; i++) {
        struct slot slot;
        bool whole;
        enum vv_rc rc = read_slot(b->repo, names->names[i], &object, &slot, &whole, err);
        if (rc == VV_ENOTFOUND) {
            vv_error_clear(err);
            continue;
        }
        VV_TRY(rc);
        if (whole && slot.status == SLOT_RECORDS) {
            VV_TRY(bury_records(b, &slot, err));
        }
    }
    return VV_OK;
}

enum vv_rc
bury_snapshots(struct repo *r, const struct vv_uuid *snapshots, size_t count, size_t *ret_buried,
               struct vv_error *err)
{
    struct burying b = {.repo = r, .snapshots = snapshots, .count = count};
    struct name_list names;
    size_t found;
    enum vv_rc rc;

    VV_TRY(repo_list(r, "snapshots", &names, err));
    rc = bury_in_slots(&b, &names, err);
    name_list_release(&names);
    found = b.graves.len / sizeof(struct grave);
    if (rc == VV_OK) {
        rc = publish_graves(r, (const struct grave *)(const void *)b.graves.data, found, err);
    }
    vv_buf_release(&b.graves);
    VV_TRY(rc);
    *ret_buried = found;
    return VV_OK;
}

enum vv_rc
bury_empty_sessions(struct repo *r, size_t least, size_t *ret_buried, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf graves = {0};
    struct name_list names;
    size_t found;
    enum vv_rc rc;

    VV_TRY(repo_list(r, "snapshots", &names, err));
    rc = VV_OK;
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        struct slot slot;
        bool whole = false;
        if (names.sizes[i] <= EMPTY_SLOT_MAX) {
            rc = read_slot(r, names.names[i], &object, &slot, &whole, err);
        }
        if (rc == VV_ENOTFOUND) {
            vv_error_clear(err);
            rc = VV_OK;
        } else if (rc == VV_OK && whole && slot.record_count == 0) {
            struct grave g = {.session = slot.session, .reason = GRAVE_FENCED};
            vv_buf_put(&graves, &g, sizeof(g));
            rc = vv_buf_check(&graves, err);
        }
    }
    name_list_release(&names);
    VV_TRY(rc);
    found = graves.len / sizeof(struct grave);
    *ret_buried = 0;
    if (found >= least && found > 0) {
        VV_TRY(publish_graves(r, (const struct grave *)(const void *)graves.data, found, err));
        *ret_buried = found;
    }
    return VV_OK;
}

/* --- what is buried goes ---------------------------------------------------------------------- */

/** Is everything the slot holds in graves?  (G1) */
static bool
is_buried(const struct admin_records *admin, struct repo *r, const struct slot *slot)
{
    struct vv_reader in = vv_reader(slot->records.data, slot->records.len);
    struct vv_span bytes;

    if (admin_buried(admin, &slot->session, NULL)) {
        return true;
    }
    if (slot->status != SLOT_RECORDS) {
        return false;
    }
    while (slot_next_record(&in, &bytes)) {
        struct snapshot_record record;
        if (snapshot_record_decode(bytes, repo_id(r), &record, NULL) != VV_OK ||
            !admin_buried(admin, &slot->session, &record.head.id)) {
            return false;
        }
    }
    return true;
}

/** Is anything of that session in a grave? */
static bool
session_in_grave(const struct admin_records *admin, const struct vv_uuid *session)
{
    size_t low = 0;
    size_t high = admin->grave_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(admin->graves[middle].session.b, session->b, 16) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < admin->grave_count && vv_uuid_equal(&admin->graves[low].session, session);
}

static enum vv_rc
remove_if_buried(struct repo *r, const struct admin_records *admin, const char *text,
                 struct vv_buf *object, size_t *removed, struct vv_error *err)
{
    char name[SLOT_NAME] = "snapshots/";
    struct slot slot;
    struct vv_uuid id;
    bool whole;
    enum vv_rc rc;

    if (!vv_uuid_parse(text, strlen(text), &id) || !session_in_grave(admin, &id)) {
        return VV_OK;
    }
    rc = read_slot(r, text, object, &slot, &whole, err);
    if (rc == VV_OK && whole && is_buried(admin, r, &slot)) {
        memcpy(name + strlen(name), text, VV_UUID_TEXT);
        rc = storage_remove(repo_storage(r), name, err);
        *removed += rc == VV_OK;
    }
    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        rc = VV_OK;
    }
    return rc;
}

enum vv_rc
slots_remove_buried(struct repo *r, size_t *ret_removed, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct admin_records admin = {0};
    struct name_list names;
    size_t removed = 0;
    enum vv_rc rc;

    VV_TRY(repo_list(r, "snapshots", &names, err));
    rc = admin_records_read(r, &admin, err);
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        rc = remove_if_buried(r, &admin, names.names[i], &object, &removed, err);
    }
    name_list_release(&names);
    admin_records_release(&admin);
    VV_TRY(rc);
    *ret_removed = removed;
    return VV_OK;
}

/* --- merging ---------------------------------------------------------------------------------- */

/** A record of this site's graves: append its graves; *ret_ours: it is one. */
static enum vv_rc
take_graves(struct repo *r, const char *text, struct vv_buf *object, struct vv_buf *graves,
            bool *ret_ours, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
    struct admin_record record;
    struct vv_reader in;
    uint32_t count;

    *ret_ours = false;
    vv_buf_printf(&name, "admin/%s", text);
    (void)vv_buf_text(&name);
    VV_TRY(vv_buf_check(&name, err));
    vv_buf_reset(object);
    VV_TRY(storage_read_all(repo_storage(r), vv_buf_text(&name), LIMIT_ADMIN, object, err));
    if (admin_decode(vv_buf_span(object), repo_id(r), &record, NULL) != VV_OK ||
        !keyring_admin_verify_object(repo_keyring(r), vv_buf_span(object)) ||
        record.type != ADMIN_GRAVE || !vv_uuid_equal(&record.site, &repo_site(r)->id)) {
        return VV_OK;
    }
    VV_TRY(grave_list_open(record.payload, &in, &count, err));
    for (uint32_t i = 0; i < count; i++) {
        struct grave g;
        grave_next(&in, &g);
        vv_buf_put(graves, &g, sizeof(g));
    }
    *ret_ours = true;
    return vv_buf_check(graves, err);
}

static int
compare_graves(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct grave));
}

/** Sort, and drop repetitions. */
static size_t
arrange_graves(struct grave *graves, size_t count)
{
    size_t kept = 0;

    if (count > 0) {
        qsort(graves, count, sizeof(*graves), compare_graves);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || compare_graves(&graves[kept - 1], &graves[i]) != 0) {
            graves[kept++] = graves[i];
        }
    }
    return kept;
}

static enum vv_rc
merge(struct repo *r, struct name_list *names, size_t most, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf graves = {0};
    size_t kept = 0;
    size_t count;

    for (size_t i = 0; i < names->count; i++) { /* those taken come first */
        bool ours = false;
        if (strncmp(names->names[i], "grave-", 6) == 0) {
            VV_TRY(take_graves(r, names->names[i], &object, &graves, &ours, err));
        }
        if (ours) {
            char *other = names->names[kept];
            names->names[kept++] = names->names[i];
            names->names[i] = other;
        }
    }
    if (kept <= most) {
        return VV_OK;
    }
    count = arrange_graves((struct grave *)(void *)graves.data, graves.len / sizeof(struct grave));
    VV_TRY(publish_graves(r, (const struct grave *)(const void *)graves.data, count, err)); /* G2 */
    for (size_t i = 0; i < kept; i++) {
        VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
        enum vv_rc rc;
        vv_buf_printf(&name, "admin/%s", names->names[i]);
        (void)vv_buf_text(&name);
        VV_TRY(vv_buf_check(&name, err));
        rc = storage_remove(repo_storage(r), vv_buf_text(&name), err);
        if (rc != VV_ENOTFOUND) {
            VV_TRY(rc);
        }
        vv_error_clear(err);
    }
    return VV_OK;
}

enum vv_rc
graves_merge(struct repo *r, size_t most, struct vv_error *err)
{
    struct name_list names;
    size_t count = 0;
    enum vv_rc rc = VV_OK;

    VV_TRY(repo_list(r, "admin", &names, err));
    for (size_t i = 0; i < names.count; i++) {
        count += strncmp(names.names[i], "grave-", 6) == 0;
    }
    if (count > most) {
        rc = merge(r, &names, most, err);
        if (rc == VV_ENOTFOUND) { /* somebody else is merging them */
            vv_error_clear(err);
            rc = VV_OK;
        }
    }
    name_list_release(&names);
    return rc;
}
