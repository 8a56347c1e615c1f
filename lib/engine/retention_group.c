/* SPDX-License-Identifier: BSD-2-Clause */
/* Groups: snapshots with the same host, paths or tags. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/retention_internal.h"

/** What makes a group, as bytes that are equal if the groups are. */
struct group_key {
    struct vv_buf bytes;
    size_t index;
};

static int
compare_spans(const void *a, const void *b)
{
    const struct vv_span *x = a;
    const struct vv_span *y = b;
    size_t least = x->len < y->len ? x->len : y->len;
    int c = least > 0 ? memcmp(x->data, y->data, least) : 0;

    return c != 0 ? c : x->len < y->len ? -1 : x->len > y->len;
}

static int
compare_keys(const void *a, const void *b)
{
    struct vv_span x = vv_buf_span(&((const struct group_key *)a)->bytes);
    struct vv_span y = vv_buf_span(&((const struct group_key *)b)->bytes);

    return compare_spans(&x, &y);
}

/** Their order does not matter, nor how often each is named. */
static void
put_set(struct vv_buf *out, struct vv_span *items, size_t count)
{
    if (count > 0) {
        qsort(items, count, sizeof(*items), compare_spans);
    }
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || compare_spans(&items[i - 1], &items[i]) != 0) {
            vv_buf_put_u32(out, (uint32_t)items[i].len);
            vv_buf_put(out, items[i].data, items[i].len);
        }
    }
    vv_buf_put_u32(out, UINT32_MAX);
}

static enum vv_rc
put_key(const struct snapshot_body *b, unsigned group_by, struct vv_buf *out, struct vv_error *err)
{
    size_t most = (size_t)b->source_count + b->tag_count;
    VV_CLEANUP(vv_freep) struct vv_span *items = vv_alloc_array(most + 1, sizeof(*items));

    if (items == NULL) {
        return vv_error_nomem(err);
    }
    if (b->mode == SNAPSHOT_WAL) { /* of a cluster, whoever published it */
        vv_buf_put_text(out, "wal");
        group_by = RETENTION_BY_PATHS;
    }
    if ((group_by & RETENTION_BY_HOST) != 0) {
        items[0] = vv_span(b->host, strlen(b->host));
        put_set(out, items, 1);
    }
    if ((group_by & RETENTION_BY_PATHS) != 0) {
        for (uint32_t i = 0; i < b->source_count; i++) {
            items[i] = vv_buf_span(&b->sources[i]);
        }
        put_set(out, items, b->source_count);
    }
    if ((group_by & RETENTION_BY_TAGS) != 0) {
        for (uint32_t i = 0; i < b->tag_count; i++) {
            items[i] = vv_span(b->tags[i], strlen(b->tags[i]));
        }
        put_set(out, items, b->tag_count);
    }
    return vv_buf_check(out, err);
}

static void
number(struct group_key *keys, size_t count, struct retention_verdict *verdicts, size_t *ret_groups)
{
    size_t groups = 0;

    if (count > 0) {
        qsort(keys, count, sizeof(*keys), compare_keys);
    }
    for (size_t i = 0; i < count; i++) {
        groups += i == 0 || compare_keys(&keys[i - 1], &keys[i]) != 0;
        verdicts[keys[i].index].group = groups - 1;
    }
    *ret_groups = groups;
}

enum vv_rc
groups_number(const struct snapshot_list *l, unsigned group_by, struct retention_verdict *verdicts,
              size_t *ret_groups, struct vv_error *err)
{
    struct group_key *keys = vv_alloc_array(l->count + 1, sizeof(*keys));
    size_t count = 0;
    enum vv_rc rc = VV_OK;

    if (keys == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < l->count && rc == VV_OK; i++) {
        if (verdicts[i].considered) {
            keys[count].index = i;
            rc = put_key(&l->snapshots[i].body, group_by, &keys[count++].bytes, err);
        }
    }
    if (rc == VV_OK) {
        number(keys, count, verdicts, ret_groups);
    }
    for (size_t i = 0; i < count; i++) {
        vv_buf_release(&keys[i].bytes);
    }
    vv_free(keys);
    return rc;
}
