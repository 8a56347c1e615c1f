/* SPDX-License-Identifier: BSD-2-Clause */
/* Index segments without the records of packs that go. */
#include "repo/index_rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "crypto/hash.h"
#include "storage/removal.h"

#define SMALL_BYTES (INDEX_SEGMENT_TARGET / 8u)
#define SMALL_MANY 8u /* small segments worth merging */

struct old_segment {
    struct vv_id id;
    uint64_t size;
    bool rewrite;
    bool published_again; /* a new segment has the same bytes, and so the same name */
};
struct index_rewrite {
    struct repo *repo;
    const struct pack_name *go;
    size_t go_count;
    struct old_segment *segments;
    size_t count;
    const struct index_rewrite_wanted *wanted; /* while looking */
    bool found; /* likewise: a record that goes, or of what is gone */
    struct pack_list listed;
    struct vv_buf records; /* of the segment being filled */
    uint32_t record_count;
    enum index_rewrite_way way;
    struct index_rewrite_counts counts;
};

void
index_rewrite_free(struct index_rewrite *w)
{
    if (w == NULL) {
        return;
    }
    vv_free(w->segments);
    pack_list_release(&w->listed);
    vv_buf_release(&w->records);
    vv_free(w);
}

static bool
is_among(const struct pack_name *sorted, size_t count, const struct pack_name *name)
{
    return count > 0 && bsearch(name, sorted, count, sizeof(*sorted), pack_name_order) != NULL;
}

/* --- reading ---------------------------------------------------------------------------------- */

typedef enum vv_rc record_fn(struct index_rewrite *w, const struct index_record *record,
                             struct vv_error *err);

/** The bytes of a segment; *ret_whole false: they are not those its name stands for. */
static enum vv_rc
read_segment(struct index_rewrite *w, const struct old_segment *s, struct vv_buf *object,
             bool *ret_whole, struct vv_error *err)
{
    char name[6 + 65] = "index/";
    struct vv_id found;
    enum vv_rc rc;

    vv_hex(name + 6, s->id.b, 32);
    vv_buf_reset(object);
    rc = storage_read_all(repo_storage(w->repo), name, LIMIT_INDEX_SEGMENT, object, err);
    if (rc == VV_ELIMIT) {
        vv_error_clear(err);
        *ret_whole = false;
        return VV_OK;
    }
    VV_TRY(rc);
    sha256(object->data, object->len, found.b);
    *ret_whole = vv_id_equal(&found, &s->id);
    return VV_OK;
}

/** Every record of a segment.  What comes back wrong is read once more: only what is wrong for good
 *  is damaged (N4). */
static enum vv_rc
each_record(struct index_rewrite *w, const struct old_segment *s, record_fn *fn, bool *ret_damaged,
            struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct index_iter it = {0};
    struct index_record record;
    bool whole = false;

    VV_TRY(vv_cancel_check(repo_cancel(w->repo), err));
    for (int attempt = 0; attempt < 2 && !whole; attempt++) {
        VV_TRY(read_segment(w, s, &object, &whole, err));
    }
    *ret_damaged =
        !whole || index_segment_open(vv_buf_span(&object), repo_id(w->repo), &it, NULL) != VV_OK;
    while (!*ret_damaged && index_segment_next(&it, &record)) {
        VV_TRY(fn(w, &record, err));
    }
    *ret_damaged = *ret_damaged || !index_segment_ok(&it);
    return VV_OK;
}

/* --- which ------------------------------------------------------------------------------------ */

static enum vv_rc
look_at_record(struct index_rewrite *w, const struct index_record *record, struct vv_error *err)
{
    (void)err;
    w->found = w->found || is_among(w->wanted->go, w->wanted->go_count, &record->name) ||
               is_among(w->wanted->gone, w->wanted->gone_count, &record->name);
    return VV_OK;
}

static enum vv_rc
list_segments(struct index_rewrite *w, struct vv_error *err)
{
    struct name_list names;

    VV_TRY(repo_list(w->repo, "index", &names, err));
    w->segments = vv_alloc_array(names.count + 1, sizeof(*w->segments));
    for (size_t i = 0; w->segments != NULL && i < names.count; i++) {
        struct old_segment *s = &w->segments[w->count];
        if (vv_unhex(s->id.b, 32, names.names[i], strlen(names.names[i]))) {
            s->size = names.sizes[i];
            w->count++;
        }
    }
    name_list_release(&names);
    return w->segments == NULL ? vv_error_nomem(err) : VV_OK;
}

static enum vv_rc
choose_segments(struct index_rewrite *w, struct vv_error *err)
{
    size_t small = 0;

    for (size_t i = 0; i < w->count; i++) {
        small += w->segments[i].size < SMALL_BYTES;
    }
    for (size_t i = 0; i < w->count; i++) {
        struct old_segment *s = &w->segments[i];
        bool damaged = false;
        w->found = false;
        if (w->wanted->go_count + w->wanted->gone_count == 0 && small < SMALL_MANY) {
            continue;
        }
        VV_TRY(each_record(w, s, look_at_record, &damaged, err));
        s->rewrite = !damaged && (w->found || (small >= SMALL_MANY && s->size < SMALL_BYTES));
    }
    return VV_OK;
}

enum vv_rc
index_rewrite_begin(struct repo *r, const struct index_rewrite_wanted *wanted,
                    struct index_rewrite **ret, struct vv_error *err)
{
    VV_CLEANUP(index_rewrite_freep) struct index_rewrite *w = vv_alloc_array(1, sizeof(*w));

    if (w == NULL) {
        return vv_error_nomem(err);
    }
    w->repo = r;
    w->wanted = wanted;
    VV_TRY(list_segments(w, err));
    VV_TRY(choose_segments(w, err));
    w->wanted = NULL;
    VV_TRY(pack_list_read(r, &w->listed, err)); /* N2 */
    *ret = TAKE(w);
    return VV_OK;
}

/* --- new segments ----------------------------------------------------------------------------- */

/** A segment's name is its content's hash, so what lies there has the same bytes; unless it has
 *  rotted, and then nothing may be dropped for it. */
static enum vv_rc
check_taken(struct index_rewrite *w, const char *name, const struct vv_buf *object,
            struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf found = {0};

    vv_error_clear(err);
    VV_TRY(storage_read_all(repo_storage(w->repo), name, LIMIT_INDEX_SEGMENT, &found, err));
    if (found.len != object->len || memcmp(found.data, object->data, found.len) != 0) {
        return vv_error_set(err, VV_ECORRUPT, "'%s' does not have the content its name stands for",
                            name);
    }
    return VV_OK;
}

static enum vv_rc
publish_filled(struct index_rewrite *w, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    char name[6 + 65] = "index/";
    struct vv_id id;
    bool again = false;
    enum vv_rc rc = VV_OK;

    if (w->record_count == 0) {
        return VV_OK;
    }
    VV_TRY(vv_buf_check(&w->records, err));
    VV_TRY(index_segment_encode(repo_id(w->repo), w->record_count, vv_buf_span(&w->records),
                                &object, err));
    sha256(object.data, object.len, id.b);
    vv_hex(name + 6, id.b, 32);
    if (w->way == INDEX_REWRITE_PUBLISH) {
        rc = storage_publish(repo_storage(w->repo), name, vv_buf_span(&object), err);
    }
    if (rc == VV_EEXISTS) {
        rc = check_taken(w, name, &object, err);
    }
    VV_TRY(rc);
    for (size_t i = 0; i < w->count; i++) {
        if (vv_id_equal(&w->segments[i].id, &id)) {
            w->segments[i].published_again = true;
            again = true;
        }
    }
    if (!again) { /* one that was there stays: nothing was written, and it is not dropped */
        w->counts.segments_new++;
        w->counts.bytes_new += object.len;
    }
    vv_buf_reset(&w->records);
    w->record_count = 0;
    return VV_OK;
}

static enum vv_rc
keep_record(struct index_rewrite *w, const struct index_record *record, struct vv_error *err)
{
    size_t before = w->records.len;

    if (is_among(w->go, w->go_count, &record->name) ||
        pack_list_find(&w->listed, &record->name) == w->listed.count) { /* N2 */
        w->counts.records_dropped++;
        return VV_OK;
    }
    index_record_append(record, &w->records); /* N1 */
    VV_TRY(vv_buf_check(&w->records, err));
    w->record_count++;
    if (w->records.len > INDEX_SEGMENT_TARGET && before > 0) { /* without this last one */
        VV_CLEANUP(vv_buf_release) struct vv_buf last = {0};
        vv_buf_put(&last, w->records.data + before, w->records.len - before);
        VV_TRY(vv_buf_check(&last, err));
        w->records.len = before;
        w->record_count--;
        VV_TRY(publish_filled(w, err));
        vv_buf_put(&w->records, last.data, last.len);
        w->record_count = 1;
    }
    return vv_buf_check(&w->records, err);
}

enum vv_rc
index_rewrite_publish(struct index_rewrite *w, const struct pack_name *go, size_t go_count,
                      enum index_rewrite_way way, struct index_rewrite_counts *ret,
                      struct vv_error *err)
{
    w->go = go;
    w->go_count = go_count;
    w->way = way;
    for (size_t i = 0; i < w->count; i++) {
        struct old_segment *s = &w->segments[i];
        bool damaged = false;
        if (!s->rewrite) {
            continue;
        }
        VV_TRY(each_record(w, s, keep_record, &damaged, err));
        s->rewrite = !damaged; /* N4 */
    }
    VV_TRY(publish_filled(w, err));
    for (size_t i = 0; i < w->count; i++) {
        if (w->segments[i].rewrite && !w->segments[i].published_again) {
            w->counts.segments_old++;
            w->counts.bytes_old += w->segments[i].size;
        }
    }
    *ret = w->counts;
    return VV_OK;
}

enum vv_rc
index_rewrite_drop(struct index_rewrite *w, struct vv_error *err)
{
    VV_CLEANUP(removal_release) struct removal gone = {.storage = repo_storage(w->repo)};

    for (size_t i = 0; i < w->count; i++) {
        const struct old_segment *s = &w->segments[i];
        char file[65];
        if (s->rewrite && !s->published_again) {
            vv_hex(file, s->id.b, 32);
            VV_TRY(removal_add(&gone, "index", file, err));
        }
    }
    return removal_finish(&gone, err);
}
