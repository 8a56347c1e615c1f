/* SPDX-License-Identifier: BSD-2-Clause */
/* Index segments as plain lists of records. */
#include "repo/index_records.h"

#include <string.h>

#include "core/alloc.h"
#include "crypto/hash.h"
#include "repo/object_ahead.h"

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

struct index_segment_reader {
    struct repo *repo;
    struct vv_span ids;
    size_t taken; /* segments gone through */
    char (*texts)[65];
    char **names; /* for the storage */
    struct object_ahead *ahead;
};

enum vv_rc
index_segment_reader_new(struct repo *r, struct vv_span ids, struct index_segment_reader **ret,
                         struct vv_error *err)
{
    VV_CLEANUP(index_segment_reader_freep)
    struct index_segment_reader *s = vv_alloc_array(1, sizeof(*s));
    size_t count = ids.len / sizeof(struct vv_id);

    if (s == NULL) {
        return vv_error_nomem(err);
    }
    s->repo = r;
    s->ids = ids;
    s->texts = vv_alloc_array(count + 1, sizeof(*s->texts));
    s->names = vv_alloc_array(count + 1, sizeof(*s->names));
    if (s->texts == NULL || s->names == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < count; i++) {
        vv_hex(s->texts[i], ids.data + i * sizeof(struct vv_id), sizeof(struct vv_id));
        s->names[i] = s->texts[i];
    }
    VV_TRY(object_ahead_new(repo_storage(r), "index", s->names, count, LIMIT_INDEX_SEGMENT,
                            &s->ahead, err));
    *ret = TAKE(s);
    return VV_OK;
}

void
index_segment_reader_free(struct index_segment_reader *s)
{
    if (s == NULL) {
        return;
    }
    object_ahead_free(s->ahead); /* before the names it uses */
    vv_free(s->names);
    vv_free(s->texts);
    vv_free(s);
}

/** The next segment's bytes, if they are those its name says. */
static enum vv_rc
read_next(struct index_segment_reader *s, const uint8_t *id, struct vv_buf *object,
          struct index_iter *ret, struct vv_error *err)
{
    struct vv_id found;

    VV_TRY(object_ahead_next(s->ahead, object, err));
    sha256(object->data, object->len, found.b);
    if (memcmp(found.b, id, sizeof(found.b)) != 0) {
        return vv_error_set(err, VV_ECORRUPT, "its content does not have the hash in its name");
    }
    return index_segment_open(vv_buf_span(object), repo_id(s->repo), ret, err);
}

enum vv_rc
index_segment_next_each(struct index_segment_reader *s, index_record_fn *fn, void *ctx,
                        bool *ret_damaged, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    const uint8_t *id = s->ids.data + s->taken++ * sizeof(struct vv_id);
    struct index_iter it = {0};
    struct index_record record;
    char name[6 + 65] = "index/";
    enum vv_rc rc = read_next(s, id, &object, &it, err);

    vv_hex(name + 6, id, sizeof(struct vv_id));
    if (is_damage(rc)) {
        repo_report(s->repo, "index-damaged", name, err != NULL ? err->message : "damaged");
        vv_error_clear(err);
        *ret_damaged = true;
        return VV_OK;
    }
    while (rc == VV_OK && index_segment_next(&it, &record)) {
        rc = fn(ctx, &record, err);
    }
    if (rc == VV_OK && !index_segment_ok(&it)) {
        repo_report(s->repo, "index-damaged", name,
                    "its list of records does not end where it should");
        *ret_damaged = true;
    }
    return rc;
}

enum vv_rc
index_segments_each(struct repo *r, struct vv_span ids, index_record_fn *fn, void *ctx,
                    bool *ret_damaged, struct vv_error *err)
{
    VV_CLEANUP(index_segment_reader_freep) struct index_segment_reader *s = NULL;

    VV_TRY(index_segment_reader_new(r, ids, &s, err));
    while (s->taken * sizeof(struct vv_id) < ids.len) {
        VV_TRY(index_segment_next_each(s, fn, ctx, ret_damaged, err));
    }
    return VV_OK;
}
