/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of graves: publishing and merging them. */
#include <string.h>

#include "repo/bury_internal.h"
#include "repo/record_array.h"

#define GRAVES_A_RECORD 100000u /* keeps a record far below LIMIT_ADMIN */

void
graves_note_head(struct vv_buf *heads, const struct snapshot_seen *head)
{
    struct snapshot_seen *all = (struct snapshot_seen *)(void *)heads->data;
    size_t count = heads->len / sizeof(*all);

    for (size_t i = 0; i < count; i++) { /* clients are few */
        if (!vv_uuid_equal(&all[i].client, &head->client)) {
            continue;
        }
        if (all[i].sequence > head->sequence || vv_id_equal(&all[i].hash, &head->hash)) {
            return;
        }
        if (all[i].sequence < head->sequence) {
            all[i] = *head;
            return;
        }
    }
    vv_buf_put(heads, head, sizeof(*head));
}

enum vv_rc
graves_publish(struct repo *r, const struct vv_buf *graves, const struct vv_buf *heads,
               struct vv_error *err)
{
    const struct grave *all = (const struct grave *)(const void *)graves->data;
    const struct snapshot_seen *seen = (const struct snapshot_seen *)(const void *)heads->data;
    size_t count = graves->len / sizeof(*all);
    size_t seen_count = heads->len / sizeof(*seen);

    for (size_t at = 0; at < count;) {
        VV_CLEANUP(vv_buf_release) struct vv_buf payload = {0};
        size_t n = count - at < GRAVES_A_RECORD ? count - at : GRAVES_A_RECORD;
        grave_list_encode(&all[at], (uint32_t)n, seen, (uint32_t)seen_count, &payload);
        VV_TRY(admin_publish_drawn(r, 1, ADMIN_GRAVE, "grave", &payload, NULL, err));
        seen_count = 0; /* one of the records is enough */
        at += n;
    }
    return VV_OK;
}

/** What the records to be merged hold. */
struct merging {
    struct repo *repo;
    struct vv_buf object;
    struct vv_buf graves; /* struct grave */
    struct vv_buf heads;  /* struct snapshot_seen */
};

static void
merging_release(struct merging *m)
{
    vv_buf_release(&m->object);
    vv_buf_release(&m->graves);
    vv_buf_release(&m->heads);
}

/** A record of this site's graves: take it in; *ret_ours: it is one. */
static enum vv_rc
take_graves(struct merging *m, const char *text, bool *ret_ours, struct vv_error *err)
{
    struct repo *r = m->repo;
    struct vv_buf *object = &m->object;
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
    struct admin_record record;
    struct grave_list l;

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
    VV_TRY(grave_list_decode(record.payload, &l, err));
    for (uint32_t i = 0; i < l.count; i++) {
        struct grave g;
        grave_list_at(&l, i, &g);
        vv_buf_put(&m->graves, &g, sizeof(g));
    }
    for (uint32_t i = 0; i < l.head_count; i++) {
        struct snapshot_seen head;
        grave_list_head_at(&l, i, &head);
        graves_note_head(&m->heads, &head);
    }
    *ret_ours = true;
    VV_TRY(vv_buf_check(&m->heads, err));
    return vv_buf_check(&m->graves, err);
}

static int
compare_graves(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct grave));
}

/** Sorted, each once. */
static void
arrange_graves(struct vv_buf *b)
{
    b->len = record_array_set(b->data, b->len / sizeof(struct grave), sizeof(struct grave),
                              compare_graves) *
             sizeof(struct grave);
}

static enum vv_rc
remove_records(struct repo *r, char *const *files, size_t count, struct vv_error *err)
{
    for (size_t i = 0; i < count; i++) {
        VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
        enum vv_rc rc;
        vv_buf_printf(&name, "admin/%s", files[i]);
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

static enum vv_rc
merge(struct merging *m, struct name_list *names, size_t most, struct vv_error *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < names->count; i++) { /* those taken come first */
        bool ours = false;
        if (strncmp(names->names[i], "grave-", 6) == 0) {
            VV_TRY(take_graves(m, names->names[i], &ours, err));
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
    arrange_graves(&m->graves);
    VV_TRY(graves_publish(m->repo, &m->graves, &m->heads, err)); /* G2 */
    return remove_records(m->repo, names->names, kept, err);
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
        struct merging m = {.repo = r};
        rc = merge(&m, &names, most, err);
        merging_release(&m);
        if (rc == VV_ENOTFOUND) { /* somebody else is merging them */
            vv_error_clear(err);
            rc = VV_OK;
        }
    }
    name_list_release(&names);
    return rc;
}
