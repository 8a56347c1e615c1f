/* SPDX-License-Identifier: BSD-2-Clause */
/* What the destination's index names. */
#include <stdlib.h>
#include <string.h>

#include "engine/replicate_internal.h"

static enum vv_rc
add_name(void *ctx, const struct index_record *record, struct vv_error *err)
{
    struct vv_buf *names = ctx;

    vv_buf_put(names, &record->name, sizeof(record->name));
    return vv_buf_check(names, err);
}

/** Full names in the segments that the journal does not know; it will (J1). */
static enum vv_rc
read_segments(struct destination *d, const struct vv_buf *unknown, struct vv_buf *all,
              struct vv_error *err)
{
    VV_CLEANUP(index_segment_reader_freep) struct index_segment_reader *reader = NULL;
    VV_CLEANUP(vv_buf_release) struct vv_buf names = {0};

    VV_TRY(index_segment_reader_new(d->site, vv_buf_span(unknown), &reader, err));
    for (size_t at = 0; at < unknown->len; at += sizeof(struct vv_id)) {
        struct vv_id id;
        bool damaged = false;
        memcpy(id.b, unknown->data + at, sizeof(id.b));
        vv_buf_reset(&names);
        VV_TRY(index_segment_next_each(reader, add_name, &names, &damaged, err));
        vv_buf_put(all, names.data, names.len);
        VV_TRY(vv_buf_check(all, err));
        if (!damaged) {
            VV_TRY(replica_journal_note_segment(d->journal, &id,
                                                (const struct pack_name *)(const void *)names.data,
                                                names.len / sizeof(struct pack_name), err));
        }
    }
    return VV_OK;
}

/** Full names in the segments, from the journal if it knows them. */
static enum vv_rc
segment_names(struct destination *d, const struct vv_buf *segments, struct vv_buf *all,
              struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf unknown = {0};

    for (size_t at = 0; at < segments->len; at += sizeof(struct vv_id)) {
        struct vv_id id;
        const struct pack_name *known;
        size_t count;
        memcpy(id.b, segments->data + at, sizeof(id.b));
        if (replica_journal_segment(d->journal, &id, &known, &count)) {
            vv_buf_put(all, known, count * sizeof(*known));
        } else {
            vv_buf_put(&unknown, &id, sizeof(id));
        }
    }
    VV_TRY(vv_buf_check(all, err));
    VV_TRY(vv_buf_check(&unknown, err));
    return unknown.len > 0 ? read_segments(d, &unknown, all, err) : VV_OK;
}

enum vv_rc
site_index_restless(struct vv_error *err)
{
    return vv_error_set(err, VV_ETRANSIENT, "the index there keeps changing");
}

enum vv_rc
site_index_read(struct destination *d, struct vv_buf *ret_segments, struct vv_buf *ret_names,
                struct vv_error *err)
{
    enum vv_rc rc = VV_ENOTFOUND;

    for (int attempt = 0; rc == VV_ENOTFOUND; attempt++) { /* one vanished: merged meanwhile */
        vv_error_clear(err);
        vv_buf_reset(ret_segments);
        vv_buf_reset(ret_names);
        rc = attempt < SITE_READ_ATTEMPTS ? index_segments_list(d->site, ret_segments, err)
                                          : site_index_restless(err);
        if (rc == VV_OK) {
            rc = segment_names(d, ret_segments, ret_names, err);
        }
    }
    if (rc == VV_OK && ret_names->len > 0) {
        qsort(ret_names->data, ret_names->len / sizeof(struct pack_name), sizeof(struct pack_name),
              pack_name_order);
    }
    return rc;
}

static int
compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct vv_id));
}

enum vv_rc
site_index_lost_any(struct destination *d, const struct vv_buf *segments, bool *ret,
                    struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf now = {0};
    size_t count;

    VV_TRY(index_segments_list(d->site, &now, err));
    count = now.len / sizeof(struct vv_id);
    *ret = false;
    for (size_t at = 0; at < segments->len && !*ret; at += sizeof(struct vv_id)) {
        *ret = count == 0 || bsearch(segments->data + at, now.data, count, sizeof(struct vv_id),
                                     compare_ids) == NULL;
    }
    return VV_OK;
}
