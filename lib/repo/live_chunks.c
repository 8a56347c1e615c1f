/* SPDX-License-Identifier: BSD-2-Clause */
/* Sorting the ids of live chunks outside memory. */
#include "repo/live_chunks.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"

#define KEYS_MIN 1024u       /* collected before anything is sorted */
#define RUN_KEYS_MIN 1024u   /* read at once from each run */
#define SEEN_KEYS (1u << 16) /* 1 MiB */
#define TEMP_NAME "temporary file"

/** A sorted part of the temporary file. */
struct run {
    uint64_t first; /* in keys from the beginning of the file */
    uint64_t count;
};

/** Reading one run, or the keys in memory. */
struct run_reader {
    struct live_key *keys; /* owned unless these are the collected ones */
    size_t at;
    size_t count;  /* in keys */
    uint64_t next; /* in the file */
    uint64_t left; /* in the file, not read yet */
};

struct live_chunks {
    const char *temp_dir; /* borrowed */
    int fd;               /* -1: nothing was spilled yet */
    struct live_key *keys;
    size_t count;
    size_t room;
    size_t room_max;
    struct live_key *seen; /* by their bits some of those added: snapshots share most of them */
    struct run *runs;
    size_t run_count;
    uint64_t spilled; /* keys in the file */
};

struct live_key
live_key_of(const struct vv_id *id)
{
    struct live_key k = {0};

    for (unsigned i = 0; i < 8; i++) {
        k.high = k.high << 8 | id->b[i];
        k.low = k.low << 8 | id->b[8 + i];
    }
    return k;
}

int
live_key_compare(const struct live_key *a, const struct live_key *b)
{
    if (a->high != b->high) {
        return a->high < b->high ? -1 : 1;
    }
    return a->low < b->low ? -1 : a->low > b->low;
}

static int
compare_keys(const void *a, const void *b)
{
    return live_key_compare(a, b);
}

enum vv_rc
live_chunks_new(const char *temp_dir, size_t memory, struct live_chunks **ret, struct vv_error *err)
{
    struct live_chunks *l = vv_alloc_array(1, sizeof(*l));

    if (l == NULL) {
        return vv_error_nomem(err);
    }
    l->seen = vv_alloc_array(SEEN_KEYS, sizeof(*l->seen));
    if (l->seen == NULL) {
        vv_free(l);
        return vv_error_nomem(err);
    }
    l->temp_dir = temp_dir;
    l->fd = -1;
    l->room_max = memory / sizeof(*l->keys);
    if (l->room_max < KEYS_MIN) {
        l->room_max = KEYS_MIN;
    }
    *ret = l;
    return VV_OK;
}

void
live_chunks_free(struct live_chunks *l)
{
    if (l == NULL) {
        return;
    }
    vv_fd_close(l->fd);
    vv_free(l->keys);
    vv_free(l->seen);
    vv_free(l->runs);
    vv_free(l);
}

uint64_t
live_chunks_spilled(const struct live_chunks *l)
{
    return l->spilled * sizeof(struct live_key);
}

/** Sort what was collected and drop repetitions. */
static void
arrange(struct live_chunks *l)
{
    size_t kept = 0;

    if (l->count == 0) {
        return;
    }
    qsort(l->keys, l->count, sizeof(*l->keys), compare_keys);
    for (size_t i = 0; i < l->count; i++) {
        if (kept == 0 || live_key_compare(&l->keys[kept - 1], &l->keys[i]) != 0) {
            l->keys[kept++] = l->keys[i];
        }
    }
    l->count = kept;
}

/** Write what was collected behind the other runs. */
static enum vv_rc
spill(struct live_chunks *l, struct vv_error *err)
{
    struct run *runs;

    if (l->fd < 0) {
        VV_TRY(vv_temp_file(l->temp_dir, &l->fd, err));
    }
    runs = vv_realloc_array(l->runs, l->run_count + 1, sizeof(*runs));
    if (runs == NULL) {
        return vv_error_nomem(err);
    }
    l->runs = runs;
    VV_TRY(vv_fd_pwrite_full(l->fd, l->keys, l->count * sizeof(*l->keys),
                             l->spilled * sizeof(*l->keys), TEMP_NAME, err));
    runs[l->run_count++] = (struct run){.first = l->spilled, .count = l->count};
    l->spilled += l->count;
    l->count = 0;
    return VV_OK;
}

/** Room for one more key. */
static enum vv_rc
make_room(struct live_chunks *l, struct vv_error *err)
{
    size_t room = l->room == 0 ? KEYS_MIN : l->room * 2;
    struct live_key *keys;

    if (l->room == l->room_max) {
        arrange(l);
        /* Few repetitions went: it would have to be sorted again soon. */
        return l->count > l->room / 2 ? vv_error_origin(err, VV_ORIGIN_LOCAL, spill(l, err))
                                      : VV_OK;
    }
    if (room > l->room_max) {
        room = l->room_max;
    }
    keys = vv_realloc_array(l->keys, room, sizeof(*keys));
    if (keys == NULL) {
        return vv_error_nomem(err);
    }
    l->keys = keys;
    l->room = room;
    return VV_OK;
}

enum vv_rc
live_chunks_add(struct live_chunks *l, const struct vv_id *id, struct vv_error *err)
{
    struct live_key key = live_key_of(id);
    struct live_key *seen = &l->seen[key.low % SEEN_KEYS];

    /* An empty place looks like zeros. */
    if (live_key_compare(seen, &key) == 0 && (key.high | key.low) != 0) {
        return VV_OK;
    }
    if (l->count == l->room) {
        VV_TRY(make_room(l, err));
    }
    l->keys[l->count++] = key;
    *seen = key;
    return VV_OK;
}

/* --- handing out ------------------------------------------------------------------------------ */

/** Make sure that there is a key to look at, unless the run has ended. */
static enum vv_rc
refill(struct live_chunks *l, struct run_reader *r, size_t room, struct vv_error *err)
{
    size_t want = r->left < room ? (size_t)r->left : room;
    size_t got = 0;

    if (r->at < r->count || want == 0) {
        return VV_OK;
    }
    VV_TRY(vv_fd_pread_full(l->fd, r->keys, want * sizeof(*r->keys), r->next * sizeof(*r->keys),
                            TEMP_NAME, &got, err));
    if (got != want * sizeof(*r->keys)) {
        return vv_error_set(err, VV_EIO, "a temporary file came back shorter");
    }
    r->at = 0;
    r->count = want;
    r->next += want;
    r->left -= want;
    return VV_OK;
}

/** The reader with the smallest key; NULL at the end. */
static struct run_reader *
smallest(struct run_reader *readers, size_t count)
{
    struct run_reader *best = NULL;

    for (size_t i = 0; i < count; i++) {
        struct run_reader *r = &readers[i];
        if (r->at < r->count &&
            (best == NULL || live_key_compare(&r->keys[r->at], &best->keys[best->at]) < 0)) {
            best = r;
        }
    }
    return best;
}

static enum vv_rc
merge(struct live_chunks *l, struct run_reader *readers, size_t count, size_t room,
      live_chunks_fn *fn, void *ctx, struct vv_error *err)
{
    struct live_key last = {0};
    bool first = true;

    for (size_t i = 0; i < count; i++) {
        VV_TRY(refill(l, &readers[i], room, err));
    }
    for (struct run_reader *r; (r = smallest(readers, count)) != NULL;) {
        struct live_key key = r->keys[r->at++];
        if (first || live_key_compare(&last, &key) != 0) {
            VV_TRY(fn(ctx, &key, err));
            last = key;
            first = false;
        }
        VV_TRY(refill(l, r, room, err));
    }
    return VV_OK;
}

enum vv_rc
live_chunks_each(struct live_chunks *l, live_chunks_fn *fn, void *ctx, struct vv_error *err)
{
    struct run_reader *readers = vv_alloc_array(l->run_count + 1, sizeof(*readers));
    size_t room = l->room_max / (l->run_count + 1);
    enum vv_rc rc = readers == NULL ? vv_error_nomem(err) : VV_OK;

    if (room < RUN_KEYS_MIN) {
        room = RUN_KEYS_MIN;
    }
    arrange(l);
    for (size_t i = 0; i < l->run_count && rc == VV_OK; i++) {
        readers[i].next = l->runs[i].first;
        readers[i].left = l->runs[i].count;
        readers[i].keys = vv_alloc(room * sizeof(struct live_key));
        if (readers[i].keys == NULL) {
            rc = vv_error_nomem(err);
        }
    }
    if (rc == VV_OK) {
        readers[l->run_count] = (struct run_reader){.keys = l->keys, .count = l->count};
        rc = merge(l, readers, l->run_count + 1, room, fn, ctx, err);
    }
    for (size_t i = 0; readers != NULL && i < l->run_count; i++) {
        vv_free(readers[i].keys);
    }
    vv_free(readers);
    return rc;
}
