/* SPDX-License-Identifier: BSD-2-Clause */
/* Bringing the local table of the index up to date. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/parallel.h"
#include "repo/chunk_index_internal.h"
#include "repo/object_ahead.h"

#define READ_ATTEMPTS 10
/* Of records on the heap; more are merged into the file.  An eighth of what the file holds, so that
 * the file is written a bounded number of times however large it gets. */
#define COLLECT_MIN (4u << 20)
#define COLLECT_MAX (64u << 20)
#define COLLECT_SHARE 8u
/* What may stay on the heap for one that is loaded often: so many segments are read each time. */
#define RECENT_SEGMENTS 32u
#define RECENT_SHARE 16u

void
live_table_put(struct live_table *t)
{
    if (t == NULL || --t->users > 0) {
        return;
    }
    table_unmap(&t->t);
    table_builder_release(&t->data);
    vv_free(t->suspects);
    vv_free(t);
}

/** Names of segments as sorted hashes; names that are no segment's are reported. */
static enum vv_rc
list_segments(struct chunk_index *x, struct vv_buf *ret, struct vv_error *err)
{
    struct name_list names;
    enum vv_rc rc = repo_list(x->repo, "index", &names, err); /* sorted: hex order is byte order */

    if (rc == VV_ENOTFOUND && x->condemned == NULL) { /* readers find packs without it (X4) */
        repo_report(x->repo, "index-damaged", "index", err != NULL ? err->message : "missing");
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    for (size_t i = 0; i < names.count; i++) {
        struct vv_id id;
        if (vv_unhex(id.b, 32, names.names[i], strlen(names.names[i]))) {
            vv_buf_put(ret, &id, sizeof(id));
        } else {
            vv_emit(repo_events(x->repo), VV_EVENT_PROBLEM, "index-damaged",
                    vv_span(names.names[i], strlen(names.names[i])), "no name of an index segment");
        }
    }
    name_list_release(&names);
    return vv_buf_check(ret, err);
}

/** Are all segments of a table among ${segments}?  If one is gone, packs have moved. */
static bool
is_covered(const struct index_table *t, const struct vv_buf *segments)
{
    size_t at = 0;

    for (uint64_t i = 0; i < t->segment_count; i++) {
        while (at < segments->len && memcmp(segments->data + at, &t->segments[i], 32) < 0) {
            at += 32;
        }
        if (at >= segments->len || memcmp(segments->data + at, &t->segments[i], 32) != 0) {
            return false;
        }
    }
    return true;
}

/** Has a client been certified whose records were of nobody known when they were read? */
static bool
signer_appeared(const struct index_table *t, const struct admin_records *admin)
{
    for (uint64_t i = 0; i < t->pack_count; i++) {
        if (t->packs[i].signature == TABLE_UNKNOWN_SIGNER &&
            admin_certificate(admin, &t->packs[i].client) != NULL) {
            return true;
        }
    }
    return false;
}

/** The cached table, if there is one that fits. */
static enum vv_rc
open_cache(struct chunk_index *x, const struct vv_buf *segments, struct live_table **ret,
           struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    struct vv_buf path = {0};
    struct live_table *t;

    *ret = NULL;
    if (repo_cache_path(x->repo, "index", &path)) {
        fd = open(vv_buf_text(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    vv_buf_release(&path);
    if (fd < 0) {
        return VV_OK;
    }
    t = vv_alloc_array(1, sizeof(*t));
    if (t == NULL) {
        return vv_error_nomem(err);
    }
    t->users = 1;
    if (table_map(fd, &t->t, NULL) != VV_OK || !is_covered(&t->t, segments)) {
        live_table_put(t);
        return VV_OK;
    }
    *ret = t;
    return VV_OK;
}

static bool
has_segment(const struct index_table *t, const struct vv_id *id)
{
    uint64_t low = 0;
    uint64_t high = t != NULL ? t->segment_count : 0;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int c = memcmp(t->segments[middle].b, id->b, 32);
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

/** Replace ${*base} by itself merged with what was collected, which is emptied. */
static enum vv_rc
merge_collected(struct chunk_index *x, struct table_builder *b, struct live_table **base,
                struct vv_error *err)
{
    struct live_table *made = vv_alloc_array(1, sizeof(*made));
    struct index_table view;
    enum vv_rc rc;

    if (made == NULL) {
        return vv_error_nomem(err);
    }
    made->users = 1;
    table_builder_sort(b);
    table_builder_view(b, &view);
    rc = table_store(x->repo, true, *base != NULL ? &(*base)->t : NULL, &view, &made->t, err);
    if (rc != VV_OK) {
        live_table_put(made);
        return rc;
    }
    live_table_put(*base);
    *base = made;
    table_builder_release(b);
    return VV_OK;
}

/** Segments to be read: ids, and names for the storage. */
struct wanted_segments {
    struct vv_id *ids;
    char (*texts)[65];
    char **names;
    size_t count;
};

static void
wanted_release(struct wanted_segments *w)
{
    vv_free(w->ids);
    vv_free(w->texts);
    vv_free(w->names);
}

/** Those of ${segments} that ${base} does not have. */
static enum vv_rc
find_wanted(const struct vv_buf *segments, const struct live_table *base, struct wanted_segments *w,
            struct vv_error *err)
{
    size_t room = segments->len / 32 + 1;

    w->ids = vv_alloc_array(room, sizeof(*w->ids));
    w->texts = vv_alloc_array(room, sizeof(*w->texts));
    w->names = vv_alloc_array(room, sizeof(*w->names));
    if (w->ids == NULL || w->texts == NULL || w->names == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t at = 0; at < segments->len; at += 32) {
        struct vv_id *id = &w->ids[w->count];
        memcpy(id->b, segments->data + at, 32);
        if (base == NULL || !has_segment(&base->t, id)) {
            vv_hex(w->texts[w->count], id->b, 32);
            w->names[w->count] = w->texts[w->count];
            w->count++;
        }
    }
    return VV_OK;
}

static size_t
collect_limit(const struct live_table *base)
{
    size_t part = base != NULL ? base->t.map_len / COLLECT_SHARE : 0;

    return part < COLLECT_MIN ? COLLECT_MIN : part > COLLECT_MAX ? COLLECT_MAX : part;
}

/** One attempt to load: what is listed, what the base has of it, and the rest on its way. */
struct loading {
    struct chunk_index *x;
    struct vv_buf segments;
    struct admin_records admin;
    struct live_table *base;
    struct live_table *recent;
    struct wanted_segments wanted;
    struct object_ahead *ahead;
    struct vv_buf *strangers; /* struct vv_id of segments in the base: see index_segment_collect */
    bool segments_changed;
    bool admin_changed;
};

static void
loading_release(struct loading *l)
{
    object_ahead_free(l->ahead); /* before the names it uses */
    wanted_release(&l->wanted);
    live_table_put(l->base);
    live_table_put(l->recent);
    admin_records_release(&l->admin);
    vv_buf_release(&l->segments);
}

/** Everything is to be read, and judged, anew. */
static void
drop_base(struct loading *l)
{
    live_table_put(TAKE(l->base));
    vv_buf_reset(l->strangers);
}

/** Begin to read what the base does not have. */
static enum vv_rc
fetch_wanted(struct loading *l, struct vv_error *err)
{
    object_ahead_free(TAKE(l->ahead));
    wanted_release(&l->wanted);
    l->wanted = (struct wanted_segments){0};
    VV_TRY(find_wanted(&l->segments, l->base, &l->wanted, err));
    return object_ahead_new(repo_storage(l->x->repo), "index", l->wanted.names, l->wanted.count,
                            LIMIT_INDEX_SEGMENT, &l->ahead, err);
}

static enum vv_rc
fetch_segments(void *ctx, struct vv_error *err)
{
    struct loading *l = ctx;

    VV_TRY(list_segments(l->x, &l->segments, err));
    if (l->base != NULL && !is_covered(&l->base->t, &l->segments)) {
        drop_base(l);
    }
    if (l->base == NULL) {
        VV_TRY(open_cache(l->x, &l->segments, &l->base, err));
    }
    return fetch_wanted(l, err);
}

static enum vv_rc
fetch_admin(void *ctx, struct vv_error *err)
{
    struct loading *l = ctx;

    return admin_records_read_once(l->x->repo, &l->admin, err);
}

/** Is what was collected so little that it need not be merged?  Not where each segment is a round trip. */
static bool
may_stay(const struct loading *l, const struct table_builder *b)
{
    return atomic_load(&l->x->often) && l->base != NULL && l->wanted.count <= RECENT_SEGMENTS &&
           b->records.len <= l->base->t.map_len / RECENT_SHARE &&
           storage_parallel(repo_storage(l->x->repo)) <= 1;
}

/** What was collected as a table of its own; ${b} is emptied. */
static enum vv_rc
keep_recent(struct loading *l, struct table_builder *b, struct vv_error *err)
{
    struct live_table *made = vv_alloc_array(1, sizeof(*made));

    if (made == NULL) {
        return vv_error_nomem(err);
    }
    made->users = 1;
    table_builder_sort(b);
    made->data = *b;
    *b = (struct table_builder){0};
    table_builder_view(&made->data, &made->t);
    l->recent = made;
    return VV_OK;
}

/** Read the segments that the base does not have into it.  VV_ENOTFOUND: one vanished. */
static enum vv_rc
add_segments(struct loading *l, struct vv_error *err)
{
    struct table_builder b = {0};
    enum vv_rc rc = VV_OK;

    for (size_t i = 0; i < l->wanted.count && rc == VV_OK; i++) {
        rc = index_segment_collect(l->x->repo, &l->wanted.ids[i], l->ahead, &l->admin, &b,
                                   l->strangers, err);
        if (rc == VV_OK && b.records.len > collect_limit(l->base)) {
            rc = merge_collected(l->x, &b, &l->base, err);
        }
    }
    if (rc == VV_OK && (l->base == NULL || b.segments.len > 0 || b.packs.len > 0)) {
        rc = may_stay(l, &b) ? keep_recent(l, &b, err) : merge_collected(l->x, &b, &l->base, err);
    }
    table_builder_release(&b);
    return rc;
}

/** X5: is there a segment that was not in the listing before? */
static enum vv_rc
segments_appeared(struct chunk_index *x, const struct vv_buf *before, bool *ret,
                  struct vv_error *err)
{
    struct vv_buf now = {0};
    size_t at = 0;
    enum vv_rc rc = list_segments(x, &now, err);

    *ret = false;
    for (size_t i = 0; rc == VV_OK && i < now.len && !*ret; i += 32) {
        while (at < before->len && memcmp(before->data + at, now.data + i, 32) < 0) {
            at += 32;
        }
        *ret = at >= before->len || memcmp(before->data + at, now.data + i, 32) != 0;
    }
    vv_buf_release(&now);
    return rc;
}

static enum vv_rc
look_at_segments(void *ctx, struct vv_error *err)
{
    struct loading *l = ctx;

    return segments_appeared(l->x, &l->segments, &l->segments_changed, err);
}

static enum vv_rc
look_at_admin(void *ctx, struct vv_error *err)
{
    struct loading *l = ctx;

    return admin_records_changed(l->x->repo, &l->admin, &l->admin_changed, err);
}

/** One attempt: list, take what the base has, read the rest, list again; *ret_again: something vanished
 *  or appeared meanwhile.  Segments and the administrator's records are read at once on a long line. */
static enum vv_rc
try_load(struct loading *l, bool *ret_again, struct vv_error *err)
{
    unsigned threads = storage_parallel(repo_storage(l->x->repo));
    struct vv_job reads[] = {{.run = fetch_admin, .ctx = l}, {.run = fetch_segments, .ctx = l}};
    struct vv_job looks[] = {{.run = look_at_admin, .ctx = l}, {.run = look_at_segments, .ctx = l}};
    enum vv_rc rc = vv_parallel_run(reads, VV_COUNT(reads), threads, err);

    *ret_again = reads[0].rc == VV_ENOTFOUND; /* a record was merged into another */
    VV_TRY(rc);
    if (l->base != NULL && signer_appeared(&l->base->t, &l->admin)) {
        drop_base(l);
        VV_TRY(fetch_wanted(l, err));
    }
    rc = add_segments(l, err);
    if (rc == VV_ENOTFOUND) { /* merged into another: list again */
        vv_error_clear(err);
        *ret_again = true;
        return VV_OK;
    }
    VV_TRY(rc);
    VV_TRY(vv_parallel_run(looks, VV_COUNT(looks), threads, err));
    *ret_again = l->segments_changed || l->admin_changed;
    return VV_OK;
}

/** Give the tables made what is known of suspect packs, which they take or copy. */
static enum vv_rc
tell_suspects(struct admin_records *admin, struct live_table *recent, struct live_table *made,
              struct vv_error *err)
{
    size_t size = admin->suspect_count * sizeof(*admin->suspects);

    if (recent != NULL && size > 0) {
        recent->suspects = vv_alloc(size);
        if (recent->suspects == NULL) {
            return vv_error_nomem(err);
        }
        memcpy(recent->suspects, admin->suspects, size);
        recent->suspect_count = admin->suspect_count;
    }
    if (made != NULL) {
        made->suspects = TAKE(admin->suspects);
        made->suspect_count = admin->suspect_count;
    }
    return VV_OK;
}

enum vv_rc
index_load(struct chunk_index *x, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf strangers = {0};
    struct live_table *recent = NULL;
    struct live_table *base = x->table;
    bool again = true;
    enum vv_rc rc = VV_OK;

    if (base != NULL) {
        base->users++;
    }
    for (int attempt = 0; again && attempt < READ_ATTEMPTS; attempt++) {
        VV_CLEANUP(loading_release)
        struct loading l = {.x = x, .base = TAKE(base), .strangers = &strangers};
        vv_error_clear(err);
        rc = try_load(&l, &again, err);
        base = TAKE(l.base);
        if (rc == VV_OK && !again) {
            recent = TAKE(l.recent);
            rc = tell_suspects(&l.admin, recent, base != x->table ? base : NULL, err);
        }
    }
    if (again && rc == VV_OK) {
        rc = vv_error_set(err, VV_ETRANSIENT, "the index keeps changing");
        rc = vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
    }
    if (rc == VV_OK && base != x->table) {
        live_table_put(x->table);
        x->table = TAKE(base);
    }
    live_table_put(base);
    if (rc == VV_OK) {
        live_table_put(x->recent);
        x->recent = TAKE(recent);
    }
    live_table_put(recent);
    VV_TRY(rc);
    index_tell_strangers(x->repo, &strangers);
    index_forget_shards(x); /* X1: listings must be younger than the segments */
    x->generation++;
    return VV_OK;
}
