/* SPDX-License-Identifier: BSD-2-Clause */
/* Repair: small objects of which a copy exists: A1. */

#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "engine/closure_internal.h"
#include "engine/repair_internal.h"
#include "format/key_slot.h"
#include "format/readme.h"
#include "repo/open_sessions.h"
#include "repo/pack_parity.h"
#include "repo/repo_mend.h"

#define KEY_NAME_LEN 18u /* 16 digits, '-', 'a' or 'b' */

/** Does it end with the hash of what precedes it, as nearly every object does? */
static bool
ends_well(const struct vv_buf *object)
{
    uint8_t found[32];

    if (object->len < sizeof(found)) {
        return false;
    }
    sha256(object->data, object->len - sizeof(found), found);
    return memcmp(found, object->data + object->len - sizeof(found), sizeof(found)) == 0;
}

enum vv_rc
repair_read_object(struct repo *r, const char *name, uint64_t limit, struct vv_buf *out,
                   bool *ret_there, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc = VV_OK;

    for (unsigned attempt = 0; attempt < 2; attempt++) {
        vv_error_clear(&why);
        vv_buf_reset(out);
        storage_uncache(repo_storage(r), name);
        rc = storage_read_all(repo_storage(r), name, limit, out, &why);
        if (rc == VV_ENOTFOUND || (rc == VV_OK && ends_well(out)) ||
            (rc != VV_OK && !damage_found(rc, &why))) {
            break;
        }
    }
    *ret_there = rc == VV_OK;
    if (rc != VV_OK && !damage_found(rc, &why)) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    return VV_OK;
}

/* --- config, README, site ---------------------------------------------------------------------- */

static enum vv_rc
mend_config(struct repair *x, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf good = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf stored = {0};
    bool there;
    enum vv_rc rc = repo_config_bytes(x->repo, &good, err);

    if (rc == VV_ENOTFOUND) { /* opened by the keys of a replica */
        vv_error_clear(err);
        repair_lost(x, "config", "no key slot here holds a copy: 'varve replicate --from'");
        return VV_OK;
    }
    VV_TRY(rc);
    VV_TRY(repair_read_object(x->repo, "config", LIMIT_CONFIG, &stored, &there, err));
    if (there && stored.len == good.len && memcmp(stored.data, good.data, good.len) == 0) {
        return VV_OK;
    }
    return repair_put(x, "config", vv_buf_span(&good), "put back from a key slot", err);
}

static enum vv_rc
mend_readme(struct repair *x, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf bytes = {0};
    bool there;

    VV_TRY(repair_read_object(x->repo, "README", LIMIT_SMALL_OBJECT, &bytes, &there, err));
    if (there && readme_valid(vv_buf_span(&bytes))) {
        return VV_OK;
    }
    vv_buf_reset(&bytes);
    VV_TRY(repo_readme_bytes(x->repo, &bytes, err));
    return repair_put(x, "README", vv_buf_span(&bytes), "written anew", err);
}

/** The site that a decision about parity, or a record meant for this site only, names. */
static enum vv_rc
find_site(struct repair *x, const char *directory, struct vv_uuid *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct name_list names;
    enum vv_rc rc = repo_list(x->repo, directory, &names, err);

    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    for (size_t i = 0; i < names.count && rc == VV_OK && vv_uuid_is_zero(ret); i++) {
        struct parity_decision d;
        struct admin_record record;
        char name[STORAGE_NAME_MAX + 1];
        bool there = false;
        (void)snprintf(name, sizeof(name), "%s/%s", directory, names.names[i]);
        if (!storage_name_valid(name)) {
            continue;
        }
        rc = repair_read_object(x->repo, name, LIMIT_ADMIN, &object, &there, err);
        if (rc != VV_OK || !there) {
            continue;
        }
        if (parity_decision_decode(vv_buf_span(&object), repo_id(x->repo), &d, NULL) == VV_OK) {
            *ret = d.site;
        } else if (admin_decode(vv_buf_span(&object), repo_id(x->repo), &record, NULL) == VV_OK &&
                   record.type != ADMIN_GRAVE && /* a revoked one travels */
                   keyring_admin_verify_object(repo_keyring(x->repo), vv_buf_span(&object))) {
            *ret = record.site;
        }
    }
    name_list_release(&names);
    return rc;
}

static enum vv_rc
mend_site(struct repair *x, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct vv_uuid id = {{0}};
    bool known;

    if (!vv_uuid_is_zero(&repo_site(x->repo)->id)) {
        return VV_OK;
    }
    VV_TRY(find_site(x, "parity", &id, err));
    if (vv_uuid_is_zero(&id)) {
        VV_TRY(find_site(x, "admin", &id, err));
    }
    known = !vv_uuid_is_zero(&id);
    VV_TRY(repo_new_site(x->repo, known ? &id : NULL, &object, err));
    return repair_put(x, "site", vv_buf_span(&object),
                      known ? "its id was told by another object"
                            : "this copy has a new identity: whether it is fresh is not known",
                      err);
}

/* --- key slots --------------------------------------------------------------------------------- */

/** Is this a slot of this repository? */
static bool
slot_good(struct repair *x, struct vv_span object)
{
    const struct key_bundle *bundle = keyring_bundle(repo_keyring(x->repo));
    struct key_slot slot;
    uint8_t hash[32];

    if (key_slot_decode(object, &slot, NULL) != VV_OK ||
        !vv_uuid_equal(&slot.repository, repo_id(x->repo))) {
        return false;
    }
    sha256(slot.config.data, slot.config.len, hash);
    return memcmp(hash, bundle->config_hash, sizeof(hash)) == 0;
}

/** A good copy of the slot with these 16 digits, from here or elsewhere. */
static enum vv_rc
find_slot(struct repair *x, const char *digits, struct vv_buf *out, bool *ret_found,
          struct vv_error *err)
{
    *ret_found = false;
    for (size_t i = 0; i <= x->other_count && !*ret_found; i++) {
        struct repo *r = i == 0 ? x->repo : x->others[i - 1];
        for (unsigned copy = 0; copy < 2 && !*ret_found; copy++) {
            char name[32];
            bool there;
            (void)snprintf(name, sizeof(name), "keys/%.16s-%c", digits, "ab"[copy]);
            VV_TRY(repair_read_object(r, name, LIMIT_KEY_SLOT, out, &there, err));
            *ret_found = there && slot_good(x, vv_buf_span(out));
        }
    }
    return VV_OK;
}

static enum vv_rc
mend_slot(struct repair *x, const char *digits, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf good = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf stored = {0};
    char name[32];
    bool found;

    VV_TRY(find_slot(x, digits, &good, &found, err));
    if (!found) {
        (void)snprintf(name, sizeof(name), "keys/%.16s", digits);
        repair_lost(x, name, "both copies of this key slot are damaged: it opens nothing any more");
        return VV_OK;
    }
    for (unsigned copy = 0; copy < 2; copy++) {
        bool there;
        (void)snprintf(name, sizeof(name), "keys/%.16s-%c", digits, "ab"[copy]);
        VV_TRY(repair_read_object(x->repo, name, LIMIT_KEY_SLOT, &stored, &there, err));
        if (!there || !slot_good(x, vv_buf_span(&stored))) {
            VV_TRY(repair_put(x, name, vv_buf_span(&good), "put back from its other copy", err));
        }
    }
    return VV_OK;
}

static enum vv_rc
mend_keys(struct repair *x, struct vv_error *err)
{
    struct name_list names;
    enum vv_rc rc = repo_list(x->repo, "keys", &names, err);

    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        const char *name = names.names[i];
        uint8_t id[8];
        bool second = i > 0 && strncmp(name, names.names[i - 1], 16) == 0;
        if (strlen(name) == KEY_NAME_LEN && vv_unhex(id, sizeof(id), name, 16) && !second) {
            rc = mend_slot(x, name, err);
        }
    }
    name_list_release(&names);
    return rc;
}

/* --- administrator's records, sessions, decisions ---------------------------------------------- */

/** Is this a record the administrator signed, and of this site if of any? */
static bool
record_good(struct repair *x, struct vv_span object)
{
    struct admin_record record;

    return admin_decode(object, repo_id(x->repo), &record, NULL) == VV_OK &&
           keyring_admin_verify_object(repo_keyring(x->repo), object) &&
           (vv_uuid_is_zero(&record.site) || vv_uuid_equal(&record.site, &repo_site(x->repo)->id));
}

static enum vv_rc
mend_record(struct repair *x, const char *name, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf bytes = {0};
    struct admin_record record;
    enum vv_rc decoded;
    bool there;

    VV_TRY(repair_read_object(x->repo, name, LIMIT_ADMIN, &bytes, &there, err));
    decoded = admin_decode(vv_buf_span(&bytes), repo_id(x->repo), &record, NULL);
    if (there && (decoded == VV_OK || decoded == VV_EUNSUPPORTED)) {
        return VV_OK; /* whether it is believed is another matter */
    }
    for (size_t i = 0; i < x->other_count; i++) {
        VV_TRY(repair_read_object(x->others[i], name, LIMIT_ADMIN, &bytes, &there, err));
        if (there && record_good(x, vv_buf_span(&bytes))) {
            return repair_put(x, name, vv_buf_span(&bytes), "put back from another repository",
                              err);
        }
    }
    if (strncmp(name, "admin/certificate-", strlen("admin/certificate-")) != 0) {
        repair_lost(x, name, "what the administrator decided there has to be decided again");
    }
    return repair_note_aside(x, name, err); /* certificates come back from metadata packs */
}

/** A damaged registration counts as an open session for ever, unless its slot shows that it ended. */
static enum vv_rc
mend_session(struct repair *x, const char *name, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf bytes = {0};
    struct session_record record;
    char slot[STORAGE_NAME_MAX + 1];
    uint64_t size;
    bool there;

    VV_TRY(repair_read_object(x->repo, name, LIMIT_SMALL_OBJECT, &bytes, &there, err));
    if (there &&
        session_decode(vv_buf_span(&bytes), repo_id(x->repo), &record, NULL) != VV_ECORRUPT) {
        return VV_OK;
    }
    (void)snprintf(slot, sizeof(slot), "snapshots/%.32s", name + strlen("sessions/"));
    return storage_size(repo_storage(x->repo), slot, &size, NULL) == VV_OK
               ? repair_note_aside(x, name, err)
               : VV_OK;
}

/** A damaged list of what a prune was to delete: that prune is ended, and the list goes (L4). */
static enum vv_rc
mend_condemned(struct repair *x, const char *name, struct vv_error *err)
{
    const char *file = name + strlen("condemned/");
    struct vv_uuid session;
    bool damaged;
    enum vv_rc rc;

    VV_TRY(condemned_damaged(x->repo, file, &damaged, err));
    if (!damaged || !vv_uuid_parse(file, strlen(file), &session)) {
        return VV_OK;
    }
    if (keyring_need_admin(repo_keyring(x->repo), "ending a prune", NULL) != VV_OK) {
        repair_lost(x, name, "only an administrator's key can end its prune and take it away");
        return VV_OK;
    }
    rc = session_fence(x->repo, &session, err);
    if (rc == VV_EEXISTS) { /* it has ended, or is deleting: it stops when its list is gone */
        vv_error_clear(err);
        rc = VV_OK;
    }
    VV_TRY(rc);
    if (repo_set_aside(x->repo, name, NULL) !=
        VV_OK) { /* told at the end: fenced, it counts for nothing */
        return repair_note_aside(x, name, err);
    }
    x->s.objects_aside++;
    repair_mended(x, name, "its prune was ended; the next one decides anew");
    return VV_OK;
}

typedef enum vv_rc mend_fn(struct repair *x, const char *name, struct vv_error *err);

static enum vv_rc
mend_each(struct repair *x, const char *directory, mend_fn *mend, struct vv_error *err)
{
    struct name_list names;
    enum vv_rc rc = repo_list(x->repo, directory, &names, err);

    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        char name[STORAGE_NAME_MAX + 1];
        (void)snprintf(name, sizeof(name), "%s/%s", directory, names.names[i]);
        if (storage_name_valid(name)) {
            rc = mend(x, name, err);
        }
    }
    name_list_release(&names);
    return rc;
}

static enum vv_rc
mend_decision(struct repair *x, const char *name, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf bytes = {0};
    struct parity_decision d;
    bool there;

    if (strncmp(name, "parity/decision-", strlen("parity/decision-")) != 0) {
        return VV_OK;
    }
    VV_TRY(repair_read_object(x->repo, name, LIMIT_SMALL_OBJECT, &bytes, &there, err));
    if (there &&
        parity_decision_decode(vv_buf_span(&bytes), repo_id(x->repo), &d, NULL) != VV_ECORRUPT) {
        return VV_OK;
    }
    return repair_note_aside(x, name, err);
}

/** Whoever keeps parity has decided so. */
static enum vv_rc
decide_again(struct repair *x, struct vv_error *err)
{
    struct parity_decision d;
    struct pack_names parity;
    uint64_t number;
    bool any;
    enum vv_rc rc = parity_decision_read(x->repo, &d, &number, err);

    if (rc != VV_ENOTFOUND) {
        return rc;
    }
    vv_error_clear(err);
    VV_TRY(pack_names_list(x->repo, "parity", &parity, err));
    any = parity.count > 0;
    pack_names_release(&parity);
    if (!any) {
        return VV_OK;
    }
    VV_TRY(parity_decide(x->repo, true, err));
    repair_mended(x, "parity", "that parity is kept here was decided again");
    return VV_OK;
}

enum vv_rc
repair_objects(struct repair *x, struct vv_error *err)
{
    VV_TRY(mend_keys(x, err));
    VV_TRY(mend_config(x, err));
    VV_TRY(mend_readme(x, err));
    VV_TRY(mend_site(x, err));
    VV_TRY(mend_each(x, "admin", mend_record, err));
    VV_TRY(mend_each(x, "condemned", mend_condemned, err));
    VV_TRY(mend_each(x, "sessions", mend_session, err));
    VV_TRY(mend_each(x, "parity", mend_decision, err));
    return decide_again(x, err);
}
