/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the administrator's records. */

#include "repo/admin_records.h"
#include "repo/object_ahead.h"
#include "repo/record_array.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

/** What the graves' writer saw on this site. */
static enum vv_rc
add_grave_heads(struct admin_records *a, const struct grave_list *l, struct vv_error *err)
{
    struct snapshot_seen *heads =
        record_array_grow(a->heads, a->head_count, l->head_count, sizeof(*heads), err);

    if (heads == NULL) {
        return VV_ENOMEM;
    }
    a->heads = heads;
    for (uint32_t i = 0; i < l->head_count; i++) {
        grave_list_head_at(l, i, &heads[a->head_count++]);
    }
    return VV_OK;
}

/** Graves count on the site they name; revoked ones everywhere. */
static enum vv_rc
add_graves(struct repo *r, struct admin_records *a, const struct admin_record *record,
           struct vv_error *err)
{
    bool this_site = vv_uuid_equal(&record->site, &repo_site(r)->id);
    bool here = this_site || vv_uuid_is_zero(&record->site);
    struct grave_list l;
    struct grave *graves;

    VV_TRY(grave_list_decode(record->payload, &l, err));
    graves = record_array_grow(a->graves, a->grave_count, l.count, sizeof(*graves), err);
    if (graves == NULL) {
        return VV_ENOMEM;
    }
    a->graves = graves;
    for (uint32_t i = 0; i < l.count; i++) {
        struct grave *g = &graves[a->grave_count];
        grave_list_at(&l, i, g);
        a->grave_count += here || g->reason == GRAVE_REVOKED;
    }
    return this_site ? add_grave_heads(a, &l, err) : VV_OK;
}

static enum vv_rc
add_suspects(struct admin_records *a, const struct admin_record *record, struct vv_error *err)
{
    struct vv_reader in;
    struct pack_name *suspects;
    uint32_t count;

    VV_TRY(pack_list_open(record->payload, &in, &count, err));
    suspects = record_array_grow(a->suspects, a->suspect_count, count, sizeof(*suspects), err);
    if (suspects == NULL) {
        return VV_ENOMEM;
    }
    a->suspects = suspects;
    for (uint32_t i = 0; i < count; i++) {
        pack_list_next(&in, &suspects[a->suspect_count + i]);
    }
    a->suspect_count += count;
    return VV_OK;
}

static enum vv_rc
add_certificate(struct admin_records *a, const char *file, const struct admin_record *record,
                struct vv_error *err)
{
    struct certified *certificates =
        record_array_grow(a->certificates, a->certificate_count, 1, sizeof(*certificates), err);
    struct certified *c;

    if (certificates == NULL) {
        return VV_ENOMEM;
    }
    a->certificates = certificates;
    c = &certificates[a->certificate_count];
    memset(c, 0, sizeof(*c));
    VV_TRY(certificate_decode(record->payload, &c->certificate, err));
    c->time = record->time;
    memcpy(c->name, file, strlen(file)); /* a valid component: at most STORAGE_COMPONENT_MAX */
    a->certificate_count++;
    return VV_OK;
}

static enum vv_rc
add_revocation(struct admin_records *a, const struct admin_record *record, struct vv_error *err)
{
    struct revocation *revocations =
        record_array_grow(a->revocations, a->revocation_count, 1, sizeof(*revocations), err);

    if (revocations == NULL) {
        return VV_ENOMEM;
    }
    a->revocations = revocations;
    VV_TRY(revocation_decode(record->payload, &revocations[a->revocation_count], err));
    a->revocation_count++;
    return VV_OK;
}

/** One record that is signed by the administrator. */
static enum vv_rc
take_record(struct repo *r, struct admin_records *a, const char *file,
            const struct admin_record *record, struct vv_error *err)
{
    bool everywhere = vv_uuid_is_zero(&record->site);
    bool here = everywhere || vv_uuid_equal(&record->site, &repo_site(r)->id);

    switch (record->type) {
    case ADMIN_CERTIFICATE:
        return everywhere ? add_certificate(a, file, record, err) : VV_OK;
    case ADMIN_REVOCATION:
        return everywhere ? add_revocation(a, record, err) : VV_OK;
    case ADMIN_EPOCH:
        return everywhere ? admin_add_epoch(r, a, file, record, err) : VV_OK;
    case ADMIN_GRAVE:
        return add_graves(r, a, record, err);
    case ADMIN_SUSPECT:
        return here ? add_suspects(a, record, err) : VV_OK;
    case ADMIN_FORGET:
    case ADMIN_FORGET_END:
    case ADMIN_PIN:
    case ADMIN_ACCEPTED:
        return here ? retention_records_take(&a->retention, file, record, err) : VV_OK;
    case ADMIN_LISTED:
        return everywhere ? retention_records_take(&a->retention, file, record, err) : VV_OK;
    }
    return VV_OK;
}

/** An object that could not be used: does it matter? */
static enum vv_rc
judge_failure(struct repo *r, struct admin_records *a, const char *name, struct vv_span object,
              enum vv_rc rc, struct vv_error *err)
{
    /* A newer version is told only when the trailer is right, so the signature can be looked at. */
    bool newer = rc == VV_EUNSUPPORTED && keyring_admin_verify_object(repo_keyring(r), object);

    if (rc != VV_ECORRUPT && rc != VV_EUNSUPPORTED && rc != VV_ELIMIT && rc != VV_EIO) {
        return rc;
    }
    repo_report(r, "admin-record-damaged", name, err->message);
    a->damaged++;
    a->unreadable += rc == VV_EIO || newer;
    vv_error_clear(err);
    return VV_OK;
}

static enum vv_rc
read_record(struct repo *r, const char *file, struct object_ahead *ahead, struct admin_records *a,
            struct vv_buf *object, struct vv_error *err)
{
    struct vv_buf name = {0};
    struct vv_reader body;
    struct admin_record record;
    enum vv_rc rc;

    vv_buf_printf(&name, "admin/%s", file);
    (void)vv_buf_text(&name);
    rc = vv_buf_check(&name, err);
    if (rc == VV_OK) {
        rc = object_ahead_next(ahead, object, err);
    }
    if (rc == VV_OK) {
        rc =
            repo_check_object(r, vv_buf_text(&name), FORMAT_ADMIN, vv_buf_span(object), &body, err);
    }
    if (rc == VV_OK) {
        rc = admin_decode(vv_buf_span(object), repo_id(r), &record, err);
    }
    if (rc == VV_OK && !keyring_admin_verify_object(repo_keyring(r), vv_buf_span(object))) {
        repo_report(r, "forged-record", vv_buf_text(&name),
                    "not signed by the administrator; ignored");
        a->forged++;
    } else if (rc == VV_OK) {
        a->newest = record.time > a->newest ? record.time : a->newest;
        rc = take_record(r, a, file, &record, err);
    }
    if (rc == VV_EFORGED) { /* the administrator's, but put there by somebody else */
        repo_report(r, "forged-record", vv_buf_text(&name), err->message);
        vv_error_clear(err);
        a->forged++;
        rc = VV_OK;
    }
    if (rc != VV_OK && rc != VV_ENOMEM) {
        rc = judge_failure(r, a, vv_buf_text(&name), vv_buf_span(object), rc, err);
    }
    vv_buf_release(&name);
    return rc;
}

static int
compare_certified(const void *a, const void *b)
{
    const struct certified *x = a;
    const struct certified *y = b;
    int c = memcmp(x->certificate.client.b, y->certificate.client.b, 16);

    if (c != 0) {
        return c;
    }
    if (x->time != y->time) {
        return x->time > y->time ? -1 : 1;
    }
    return strcmp(x->name, y->name);
}

static int
compare_graves(const void *a, const void *b)
{
    const struct grave *x = a;
    const struct grave *y = b;
    int c = memcmp(x->session.b, y->session.b, 16);

    return c != 0 ? c : memcmp(x->snapshot.b, y->snapshot.b, 16);
}

void
admin_records_release(struct admin_records *a)
{
    vv_free(a->certificates);
    vv_free(a->revocations);
    vv_free(a->graves);
    vv_free(a->buried);
    vv_free(a->heads);
    vv_free(a->suspects);
    retention_records_release(&a->retention);
    vv_free(a->epochs);
    name_list_release(&a->names);
    memset(a, 0, sizeof(*a));
}

/** Order everything for look-ups. */
static enum vv_rc
arrange(struct admin_records *a, struct vv_error *err)
{
    a->buried = vv_alloc_array(a->grave_count + 1, sizeof(*a->buried));
    if (a->buried == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < a->grave_count; i++) {
        if (!vv_uuid_is_zero(&a->graves[i].snapshot)) {
            a->buried[a->buried_count++] = a->graves[i].snapshot;
        }
    }
    record_array_sort(a->buried, a->buried_count, sizeof(*a->buried), record_compare_ids);
    record_array_sort(a->graves, a->grave_count, sizeof(*a->graves), compare_graves);
    record_array_sort(a->suspects, a->suspect_count, sizeof(*a->suspects), pack_name_order);
    record_array_sort(a->certificates, a->certificate_count, sizeof(*a->certificates),
                      compare_certified);
    return retention_records_arrange(&a->retention, err);
}

/** List admin/ and read all of it, once.  VV_ENOTFOUND: a record vanished in between. */
static enum vv_rc
read_all(struct repo *r, struct admin_records *a, struct vv_error *err)
{
    VV_CLEANUP(object_ahead_freep) struct object_ahead *ahead = NULL;
    struct vv_buf object = {0};
    enum vv_rc rc;

    VV_TRY(repo_list(r, "admin", &a->names, err));
    rc = object_ahead_new(repo_storage(r), "admin", a->names.names, a->names.count, LIMIT_ADMIN,
                          &ahead, err);
    for (size_t i = 0; i < a->names.count && rc == VV_OK; i++) {
        rc = read_record(r, a->names.names[i], ahead, a, &object, err);
    }
    vv_buf_release(&object);
    return rc;
}

#define READ_ATTEMPTS 10

enum vv_rc
admin_records_read_once(struct repo *r, struct admin_records *ret, struct vv_error *err)
{
    struct admin_records a = {.newest = INT64_MIN};
    enum vv_rc rc = read_all(r, &a, err);

    if (rc == VV_OK) {
        rc = arrange(&a, err);
    }
    if (rc != VV_OK) {
        admin_records_release(&a);
        return vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
    }
    *ret = a;
    return VV_OK;
}

enum vv_rc
admin_records_read(struct repo *r, struct admin_records *ret, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc = VV_OK;

    for (int attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
        struct admin_records a = {0};
        bool changed = false;
        vv_error_clear(&why);
        rc = admin_records_read_once(r, &a, &why);
        if (rc == VV_OK) {
            rc = admin_records_changed(r, &a, &changed, &why);
        }
        if (rc == VV_OK && !changed) {
            *ret = a;
            return VV_OK;
        }
        admin_records_release(&a);
        if (rc != VV_OK && rc != VV_ENOTFOUND) { /* vanished: merged into another, read all again */
            break;
        }
    }
    if (rc == VV_OK) {
        rc = vv_error_set(&why, VV_ETRANSIENT, "the records in 'admin' keep changing");
    }
    if (err != NULL) {
        *err = why;
    }
    return vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
}

enum vv_rc
admin_records_changed(struct repo *r, const struct admin_records *a, bool *ret,
                      struct vv_error *err)
{
    struct name_list now;
    size_t at = 0;

    VV_TRY(repo_list(r, "admin", &now, err));
    *ret = false;
    for (size_t i = 0; i < now.count && !*ret; i++) { /* both are sorted */
        while (at < a->names.count && strcmp(a->names.names[at], now.names[i]) < 0) {
            at++;
        }
        *ret = at == a->names.count || strcmp(a->names.names[at], now.names[i]) != 0;
    }
    name_list_release(&now);
    return VV_OK;
}

enum vv_rc
admin_records_conclusive(const struct admin_records *a, struct vv_error *err)
{
    if (a->unreadable == 0) {
        return VV_OK;
    }
    (void)vv_error_set(err, VV_EIO, "%zu of the records in 'admin' cannot be read", a->unreadable);
    vv_error_hint(err, "one of them may say that this run was fenced or a pack is bad, so nothing "
                       "can be written until they are readable, or varve is new enough");
    return vv_error_origin(err, VV_ORIGIN_REPOSITORY, VV_EIO);
}

const struct certified *
admin_certified(const struct admin_records *a, const struct vv_uuid *client)
{
    return record_array_first(a->certificates, a->certificate_count, sizeof(*a->certificates),
                              client); /* its newest */
}

const struct certificate *
admin_certificate(const struct admin_records *a, const struct vv_uuid *client)
{
    const struct certified *c = admin_certified(a, client);

    return c != NULL ? &c->certificate : NULL;
}

bool
certificate_may_write(const struct certificate *c)
{
    return c != NULL && (c->role == KEY_ROLE_ADMIN || c->role == KEY_ROLE_WRITER);
}

bool
admin_revoked(const struct admin_records *a, const struct vv_uuid *client, uint64_t sequence)
{
    for (size_t i = 0; i < a->revocation_count; i++) {
        if (vv_uuid_equal(&a->revocations[i].client, client) &&
            sequence >= a->revocations[i].since) {
            return true;
        }
    }
    return false;
}

bool
admin_buried(const struct admin_records *a, const struct vv_uuid *session,
             const struct vv_uuid *snapshot)
{
    const struct grave whole = {.session = *session}; /* all of the session: no snapshot named */

    if (a->grave_count > 0 &&
        bsearch(&whole, a->graves, a->grave_count, sizeof(whole), compare_graves) != NULL) {
        return true;
    }
    /* A snapshot may lie in several slots (replicas): its own id decides. */
    return snapshot != NULL && a->buried_count > 0 &&
           bsearch(snapshot, a->buried, a->buried_count, sizeof(*snapshot), record_compare_ids) !=
               NULL;
}
