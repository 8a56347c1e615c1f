/* SPDX-License-Identifier: BSD-2-Clause */
/* Index segments as plain lists of records. */
#include "repo/index_records.h"

#include <string.h>

#include "crypto/hash.h"

enum vv_rc
index_segments_list(struct repo *r, struct vv_buf *ret, struct vv_error *err)
{
    struct name_list names;

    VV_TRY(repo_list(r, "index", &names, err)); /* sorted: hex order is byte order */
    for (size_t i = 0; i < names.count; i++) {
        struct vv_id id;
        if (vv_unhex(id.b, 32, names.names[i], strlen(names.names[i]))) {
            vv_buf_put(ret, &id, sizeof(id));
        } else {
            repo_report(r, "index-damaged", names.names[i], "no name of an index segment");
        }
    }
    name_list_release(&names);
    return vv_buf_check(ret, err);
}

static bool
is_damage(enum vv_rc rc)
{
    return rc == VV_ECORRUPT || rc == VV_EUNSUPPORTED || rc == VV_ELIMIT || rc == VV_EIO;
}

enum vv_rc
index_segment_each(struct repo *r, const struct vv_id *id, index_record_fn *fn, void *ctx,
                   bool *ret_damaged, struct vv_error *err)
{
    struct vv_buf object = {0};
    struct index_iter it = {0};
    struct index_record record;
    struct vv_id found;
    char name[6 + 65] = "index/";
    enum vv_rc rc;

    vv_hex(name + 6, id->b, 32);
    rc = storage_read_all(repo_storage(r), name, LIMIT_INDEX_SEGMENT, &object, err);
    if (rc == VV_OK) {
        sha256(object.data, object.len, found.b);
        rc = vv_id_equal(&found, id)
                 ? index_segment_open(vv_buf_span(&object), repo_id(r), &it, err)
                 : vv_error_set(err, VV_ECORRUPT, "its content does not have the hash in its name");
    }
    if (is_damage(rc)) {
        repo_report(r, "index-damaged", name, err != NULL ? err->message : "damaged");
        vv_error_clear(err);
        *ret_damaged = true;
        vv_buf_release(&object);
        return VV_OK;
    }
    while (rc == VV_OK && index_segment_next(&it, &record)) {
        rc = fn(ctx, &record, err);
    }
    if (rc == VV_OK && !index_segment_ok(&it)) {
        repo_report(r, "index-damaged", name, "its list of records does not end where it should");
        *ret_damaged = true;
    }
    vv_buf_release(&object);
    return rc;
}
