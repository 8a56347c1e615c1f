/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading condemned lists: what prunes have decided to remove. */

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "format/slot.h"
#include "repo/admin_records.h"

/** Did the administrator end the session from outside?  (L3) */
static bool
is_fenced(struct repo *r, const char *session)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    char name[sizeof("snapshots/") + VV_UUID_TEXT] = "snapshots/";
    struct vv_uuid id;
    struct slot slot;

    if (!vv_uuid_parse(session, strlen(session), &id)) {
        return false;
    }
    memcpy(name + strlen(name), session, VV_UUID_TEXT);
    return storage_read_all(repo_storage(r), name, LIMIT_SLOT, &object, NULL) == VV_OK &&
           slot_decode(vv_buf_span(&object), repo_id(r), &slot, NULL) == VV_OK &&
           slot.status == SLOT_FENCE && vv_uuid_equal(&slot.session, &id) &&
           keyring_admin_verify_object(repo_keyring(r), vv_buf_span(&object));
}

/** Is there anything of a session of that name?  A prune registers before it condemns, and its
 *  registration goes only when it has a slot. */
static bool
session_exists(struct repo *r, const char *file)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
    uint64_t size;

    vv_buf_printf(&name, "sessions/%s", file);
    if (name.failed ||
        storage_size(repo_storage(r), vv_buf_text(&name), &size, NULL) != VV_ENOTFOUND) {
        return true;
    }
    vv_buf_reset(&name);
    vv_buf_printf(&name, "snapshots/%s", file);
    return name.failed ||
           storage_size(repo_storage(r), vv_buf_text(&name), &size, NULL) != VV_ENOTFOUND;
}

/** May this be what a prune at work has published, though its bytes are not?  (L2)  ${rc} is what
 *  reading it gave. */
static bool
may_be_genuine(struct repo *r, enum vv_rc rc, const char *file)
{
    struct vv_uuid id;

    return (rc == VV_ECORRUPT || rc == VV_ELIMIT || rc == VV_EIO) &&
           vv_uuid_parse(file, strlen(file), &id) && session_exists(r, file) && !is_fenced(r, file);
}

/** Is this object one the administrator signed?  ${rc} is what decoding it gave. */
static bool
list_counts(struct repo *r, enum vv_rc rc, struct vv_span object, const char *file,
            const struct condemned *list)
{
    char session[VV_UUID_TEXT];

    if (rc == VV_ECORRUPT || rc == VV_ELIMIT || rc == VV_EIO ||
        ((rc == VV_OK || rc == VV_EUNSUPPORTED) &&
         !keyring_admin_verify_object(repo_keyring(r), object))) {
        return false;
    }
    if (rc == VV_OK) { /* published under another name it would be an old one brought back */
        vv_uuid_text(&list->session, session);
        return strcmp(session, file) == 0;
    }
    return true;
}

static enum vv_rc
add_condemned(struct condemned_set *c, const struct condemned *list, struct vv_error *err)
{
    struct vv_reader in;
    struct pack_name *packs;
    uint32_t count;

    VV_TRY(pack_list_open(list->packs, &in, &count, err));
    packs = vv_realloc_array(c->packs, c->count + count + 1, sizeof(*packs));
    if (packs == NULL) {
        return vv_error_nomem(err);
    }
    c->packs = packs;
    for (uint32_t i = 0; i < count; i++) {
        pack_list_next(&in, &packs[c->count + i]);
    }
    c->count += count;
    c->lists++;
    return VV_OK;
}

static enum vv_rc
read_condemned(struct repo *r, const char *file, struct condemned_set *c, struct vv_buf *object,
               struct vv_error *err)
{
    struct vv_buf name = {0};
    struct vv_reader body;
    struct condemned list = {0};
    enum vv_rc rc;

    vv_buf_printf(&name, "condemned/%s", file);
    (void)vv_buf_text(&name);
    rc = vv_buf_check(&name, err);
    if (rc == VV_OK) {
        rc = repo_read_object(r, vv_buf_text(&name), FORMAT_CONDEMNED, LIMIT_CONDEMNED, object,
                              &body, err);
    }
    if (rc != VV_OK && may_be_genuine(r, rc, file)) {
        repo_report(r, "condemned-damaged", vv_buf_text(&name),
                    "it may name any pack, so nothing stored before is referred to, and nothing is "
                    "deleted, until 'varve repair' with the administrator's key has taken it away");
        vv_error_clear(err);
        c->damaged++;
        vv_buf_release(&name);
        return VV_OK;
    }
    if (rc == VV_OK) {
        rc = condemned_decode(vv_buf_span(object), repo_id(r), &list, err);
    }
    if (rc != VV_ENOMEM && !list_counts(r, rc, vv_buf_span(object), file, &list)) {
        repo_report(r, "forged-record", vv_buf_text(&name),
                    "not an intact list signed by the administrator; ignored");
        vv_error_clear(err);
        c->forged++;
        rc = VV_OK;
    } else if (rc == VV_OK) {
        rc = add_condemned(c, &list, err);
    }
    vv_buf_release(&name);
    return rc;
}

void
condemned_set_release(struct condemned_set *c)
{
    vv_free(c->packs);
    memset(c, 0, sizeof(*c));
}

/*
 * One listing is enough here.  A list that matters was published before this session registered: it
 * is missed only if it is retired meanwhile, and by then its packs are gone and no listing shows
 * them.  Of lists published later the prune waits for this session.
 */
enum vv_rc
condemned_read(struct repo *r, struct condemned_set *ret, struct vv_error *err)
{
    struct condemned_set c = {0};
    struct vv_buf object = {0};
    struct name_list names;
    enum vv_rc rc = VV_OK;

    VV_TRY(repo_list(r, "condemned", &names, err));
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        rc = read_condemned(r, names.names[i], &c, &object, err);
        if (rc == VV_ENOTFOUND) { /* retired */
            vv_error_clear(err);
            rc = VV_OK;
        }
    }
    name_list_release(&names);
    vv_buf_release(&object);
    if (rc != VV_OK) {
        condemned_set_release(&c);
        return rc;
    }
    if (c.count > 0) {
        qsort(c.packs, c.count, sizeof(*c.packs), pack_name_order);
    }
    *ret = c;
    return VV_OK;
}

/** Has everything a list names been deleted? */
static bool
is_carried_out(const struct condemned_set *list, const struct pack_name *gone, size_t count)
{
    for (size_t i = 0; i < list->count; i++) {
        if (count == 0 ||
            bsearch(&list->packs[i], gone, count, sizeof(*gone), pack_name_order) == NULL) {
            return false;
        }
    }
    return true;
}

enum vv_rc
condemned_retire(struct repo *r, const struct pack_name *gone, size_t count, size_t *ret_retired,
                 struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
    struct name_list names;
    size_t retired = 0;
    enum vv_rc rc = repo_list(r, "condemned", &names, err);

    VV_TRY(rc);
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        struct condemned_set list = {0};
        rc = read_condemned(r, names.names[i], &list, &object, err);
        if (rc == VV_OK && list.lists > 0 && is_carried_out(&list, gone, count)) {
            vv_buf_reset(&name);
            vv_buf_printf(&name, "condemned/%s", names.names[i]);
            (void)vv_buf_text(&name);
            rc = vv_buf_check(&name, err);
            if (rc == VV_OK) {
                rc = storage_remove(repo_storage(r), vv_buf_text(&name), err);
            }
            retired += rc == VV_OK;
        }
        if (rc == VV_ENOTFOUND) { /* somebody else has retired it */
            vv_error_clear(err);
            rc = VV_OK;
        }
        condemned_set_release(&list);
    }
    name_list_release(&names);
    VV_TRY(rc);
    *ret_retired = retired;
    return VV_OK;
}

enum vv_rc
condemned_conclusive(const struct condemned_set *c, struct vv_error *err)
{
    if (c->damaged == 0) {
        return VV_OK;
    }
    (void)vv_error_set(err, VV_ECORRUPT,
                       "a list of what a prune is deleting is damaged: it may name any pack");
    vv_error_hint(err, "'varve repair' with the administrator's key ends that prune and takes the "
                       "list away");
    return vv_error_origin(err, VV_ORIGIN_REPOSITORY, VV_ECORRUPT);
}

enum vv_rc
condemned_damaged(struct repo *r, const char *file, bool *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
    struct vv_reader body;
    struct vv_uuid id;
    enum vv_rc rc;

    vv_buf_printf(&name, "condemned/%s", file);
    (void)vv_buf_text(&name);
    VV_TRY(vv_buf_check(&name, err));
    rc = repo_read_object(r, vv_buf_text(&name), FORMAT_CONDEMNED, LIMIT_CONDEMNED, &object, &body,
                          err);
    *ret = (rc == VV_ECORRUPT || rc == VV_ELIMIT || rc == VV_EIO) &&
           vv_uuid_parse(file, strlen(file), &id);
    if (*ret || rc == VV_ENOTFOUND || rc == VV_EUNSUPPORTED || rc == VV_ECORRUPT ||
        rc == VV_ELIMIT || rc == VV_EIO) {
        vv_error_clear(err);
        return VV_OK;
    }
    return rc;
}

bool
condemned_contains(const struct condemned_set *c, const struct pack_name *name)
{
    return c->count > 0 &&
           bsearch(name, c->packs, c->count, sizeof(*c->packs), pack_name_order) != NULL;
}
