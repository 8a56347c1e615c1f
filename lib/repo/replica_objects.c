/* SPDX-License-Identifier: BSD-2-Clause */
/* Copying key slots and the administrator's records to a replica: Y3, Y4. */
#include <stdio.h>
#include <string.h>

#include "repo/replica_site.h"

struct copying {
    struct repo *source;
    struct repo *site;
    struct name_list there;
    struct replica_small_objects *sum;
};

static bool
is_listed(const struct name_list *l, const char *name)
{
    size_t low = 0;
    size_t high = l->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = strcmp(l->names[middle], name);
        if (c == 0) {
            return true;
        }
        if (c < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

/** A record of the administrator's at ${path}, read into ${object}.  *ret_usable false: what lies there
 *  is none that counts. */
static enum vv_rc
read_record(struct repo *r, const char *path, struct vv_buf *object, struct admin_record *ret,
            bool *ret_usable, struct vv_error *err)
{
    struct vv_reader body;
    enum vv_rc rc = repo_read_object(r, path, FORMAT_ADMIN, LIMIT_ADMIN, object, &body, err);

    if (rc == VV_OK) {
        rc = admin_decode(vv_buf_span(object), repo_id(r), ret, err);
    }
    if (rc == VV_ETRANSIENT || rc == VV_ENOMEM || rc == VV_ECANCELLED) {
        return rc;
    }
    vv_error_clear(err); /* admin_records_read tells what is wrong with it */
    *ret_usable = rc == VV_OK && keyring_admin_verify_object(repo_keyring(r), vv_buf_span(object));
    return VV_OK;
}

/** The same of a file in the source's admin/, whose path goes into ${path}. */
static enum vv_rc
read_of_source(struct copying *c, const char *file, struct vv_buf *path, struct vv_buf *object,
               struct admin_record *ret, bool *ret_usable, struct vv_error *err)
{
    vv_buf_printf(path, "admin/%s", file);
    (void)vv_buf_text(path);
    VV_TRY(vv_buf_check(path, err));
    return read_record(c->source, vv_buf_text(path), object, ret, ret_usable, err);
}

/** Does what took the name of a record say the same?  Whoever signs again what holds everywhere, a
 *  certificate above all, gets the same record but for its time and random bytes. */
static enum vv_rc
says_the_same(struct copying *c, const char *path, const struct admin_record *record, bool *ret,
              struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct admin_record there;
    bool usable = false;

    VV_TRY(read_record(c->site, path, &object, &there, &usable, err));
    *ret = usable && there.type == record->type && vv_uuid_equal(&there.site, &record->site) &&
           there.payload.len == record->payload.len &&
           memcmp(there.payload.data, record->payload.data, record->payload.len) == 0;
    return VV_OK;
}

/** Publish one, of ${record} unless that is NULL; a name that is taken by something else is told, and no
 *  reason to stop. */
static enum vv_rc
publish_one(struct copying *c, const char *path, struct vv_span object,
            const struct admin_record *record, struct vv_error *err)
{
    bool same = false;
    enum vv_rc rc = publish_same(repo_storage(c->site), path, object, err);

    if (rc != VV_EEXISTS) {
        c->sum->copied += rc == VV_OK;
        return rc;
    }
    vv_error_clear(err);
    if (record != NULL) {
        VV_TRY(says_the_same(c, path, record, &same, err));
    }
    if (!same) {
        repo_report(c->site, "object-differs", path,
                    "something else lies there under the name of an object of the source");
        c->sum->refused++;
    }
    return VV_OK;
}

/** Y3: does this grave list say anything at another site, and nothing it should not? */
static bool
grave_travels(const struct admin_record *record)
{
    struct grave_list l;
    uint32_t revoked = 0;

    if (grave_list_decode(record->payload, &l, NULL) != VV_OK) {
        return false;
    }
    for (uint32_t i = 0; i < l.count; i++) {
        struct grave g;
        grave_list_at(&l, i, &g);
        revoked += g.reason == GRAVE_REVOKED;
    }
    return revoked > 0 && (revoked == l.count || !vv_uuid_is_zero(&record->site));
}

static bool
record_travels(const struct admin_record *record)
{
    switch (record->type) {
    case ADMIN_CERTIFICATE:
    case ADMIN_REVOCATION:
    case ADMIN_EPOCH:
    case ADMIN_LISTED:
        return vv_uuid_is_zero(&record->site);
    case ADMIN_GRAVE:
        return grave_travels(record);
    case ADMIN_SUSPECT:
    case ADMIN_FORGET:
    case ADMIN_FORGET_END:
    case ADMIN_PIN:
    case ADMIN_ACCEPTED:
        return false;
    }
    return false;
}

static bool
may_travel(const char *file)
{
    return strncmp(file, "certificate-", 12) == 0 || strncmp(file, "revocation-", 11) == 0 ||
           strncmp(file, "epoch-", 6) == 0 || strncmp(file, "grave-", 6) == 0 ||
           strncmp(file, "listed-", 7) == 0;
}

static enum vv_rc
copy_admin(struct copying *c, const char *file, struct vv_buf *object, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    struct admin_record record;
    bool usable = false;

    if (!may_travel(file) || is_listed(&c->there, file)) {
        return VV_OK;
    }
    VV_TRY(read_of_source(c, file, &path, object, &record, &usable, err));
    if (!usable || !record_travels(&record)) {
        return VV_OK;
    }
    return publish_one(c, vv_buf_text(&path), vv_buf_span(object), &record, err);
}

static enum vv_rc
copy_key(struct copying *c, const char *file, uint64_t size, struct vv_buf *object,
         struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    struct vv_reader body;
    enum vv_rc rc;

    if (size > LIMIT_KEY_SLOT || is_listed(&c->there, file)) {
        return VV_OK;
    }
    vv_buf_printf(&path, "keys/%s", file);
    (void)vv_buf_text(&path);
    VV_TRY(vv_buf_check(&path, err));
    rc = repo_read_object(c->source, vv_buf_text(&path), FORMAT_KEY_SLOT, LIMIT_KEY_SLOT, object,
                          &body, err);
    if (rc == VV_ECORRUPT || rc == VV_EUNSUPPORTED || rc == VV_EIO || rc == VV_ENOTFOUND) {
        repo_report(c->source, "key-slot-damaged", vv_buf_text(&path),
                    "a key slot that cannot be read is not copied");
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    c->sum->key_slots++;
    return publish_one(c, vv_buf_text(&path), vv_buf_span(object), NULL, err);
}

static enum vv_rc
copy_keys(struct copying *c, struct vv_buf *object, struct vv_error *err)
{
    struct name_list here;
    enum vv_rc rc;

    VV_TRY(repo_list(c->source, "keys", &here, err));
    rc = repo_list(c->site, "keys", &c->there, err);
    for (size_t i = 0; rc == VV_OK && i < here.count; i++) {
        rc = copy_key(c, here.names[i], here.sizes[i], object, err);
    }
    for (size_t i = 0; rc == VV_OK && i < c->there.count; i++) {
        const char *name = c->there.names[i];
        size_t len = strlen(name);
        if (!is_listed(&here, name) && len > 2 && strcmp(name + len - 2, "-a") == 0) {
            c->sum->slots_extra++;
        }
    }
    name_list_release(&here);
    name_list_release(&c->there);
    return rc;
}

/* --- Y5 --------------------------------------------------------------------------------------- */

/** Publish a revocation of the source's under the first number that is free at the site, unless one of
 *  those before it says the same. */
static enum vv_rc
publish_revocation(struct copying *c, struct vv_span object, const struct admin_record *record,
                   const struct vv_uuid *client, struct vv_error *err)
{
    char name[ADMIN_NUMBERED_NAME];
    char path[sizeof("admin/") + ADMIN_NUMBERED_NAME];

    for (unsigned n = 1; n <= ADMIN_NUMBERS; n++) {
        bool same = false;
        enum vv_rc rc;
        admin_numbered_name("revocation", client, n, name);
        (void)snprintf(path, sizeof(path), "admin/%s", name);
        /* Looked at first: it may have been copied since ${there} was read. */
        VV_TRY(says_the_same(c, path, record, &same, err));
        if (same) {
            return VV_OK;
        }
        rc = publish_same(repo_storage(c->site), path, object, err);
        if (rc != VV_EEXISTS) {
            c->sum->copied += rc == VV_OK;
            return rc;
        }
        vv_error_clear(err);
    }
    repo_report(c->site, "object-differs", path,
                "the names of this client's revocations are all taken");
    c->sum->refused++;
    return VV_OK;
}

static enum vv_rc
copy_revocation(struct copying *c, const char *file, const struct admin_records *there,
                struct vv_buf *object, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    struct admin_record record;
    struct revocation r;
    bool usable = false;

    VV_TRY(read_of_source(c, file, &path, object, &record, &usable, err));
    if (!usable || record.type != ADMIN_REVOCATION || !record_travels(&record) ||
        revocation_decode(record.payload, &r, NULL) != VV_OK ||
        admin_revoked(there, &r.client, r.since)) {
        return VV_OK;
    }
    return publish_revocation(c, vv_buf_span(object), &record, &r.client, err);
}

bool
replica_revocations_hold(const struct admin_records *admin, const struct admin_records *there)
{
    for (size_t i = 0; i < admin->revocation_count; i++) {
        if (!admin_revoked(there, &admin->revocations[i].client, admin->revocations[i].since)) {
            return false;
        }
    }
    return true;
}

enum vv_rc
replica_copy_revocations(struct repo *source, const struct admin_records *admin, struct repo *site,
                         const struct admin_records *there, struct replica_small_objects *ret,
                         struct vv_error *err)
{
    struct copying c = {.source = source, .site = site, .sum = ret};
    struct vv_buf object = {0};
    enum vv_rc rc = VV_OK;

    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; rc == VV_OK && i < admin->names.count; i++) {
        if (strncmp(admin->names.names[i], "revocation-", 11) == 0) {
            rc = copy_revocation(&c, admin->names.names[i], there, &object, err);
        }
    }
    vv_buf_release(&object);
    return rc;
}

enum vv_rc
replica_copy_small(struct repo *source, const struct admin_records *admin, struct repo *site,
                   struct replica_small_objects *ret, struct vv_error *err)
{
    struct copying c = {.source = source, .site = site, .sum = ret};
    struct vv_buf object = {0};
    enum vv_rc rc;

    memset(ret, 0, sizeof(*ret));
    rc = copy_keys(&c, &object, err);
    if (rc == VV_OK) {
        rc = repo_list(site, "admin", &c.there, err);
    }
    for (size_t i = 0; rc == VV_OK && i < admin->names.count; i++) {
        rc = copy_admin(&c, admin->names.names[i], &object, err);
    }
    name_list_release(&c.there);
    vv_buf_release(&object);
    return rc;
}
