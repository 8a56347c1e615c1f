/* SPDX-License-Identifier: BSD-2-Clause */
/* Which chunk ids this session has claimed: 64 tables of open addressing over one file of ids. */
#include "repo/claim_table_internal.h"

#include <assert.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/thread.h"

#define SHARDS 64u
#define FIRST_SLOTS 768u    /* an unchanged backup claims a few nodes only, all over the table */
#define SECOND_SLOTS 20480u /* a million ids in all: until then nothing grows again */
#define BUFFERED_IDS 2048u  /* 64 KiB at a time go to the file */
#define FILE_NAME "temporary file of chunk ids"
#define IDS_MAX (UINT32_MAX - 1u)

/** Empty if record is 0.  Linear probing from where the fingerprint alone says, so that a table can
 *  grow without its ids. */
struct slot_entry {
    uint32_t fingerprint;
    uint32_t record; /* number of the id, from 1 */
};

struct shard {
    struct vv_mutex lock;
    struct slot_entry *slots;
    uint32_t size;
    uint32_t used;
};

/** Ids by number; appended to the file in order. */
struct id_file {
    struct vv_mutex lock;
    char *temp_dir;
    int fd;      /* -1: not made yet */
    int left_fd; /* the one it was before the ids moved into memory; -1: none */
    bool in_memory;
    struct vv_id *buffer;
    uint32_t buffered;
    uint32_t written;
};

struct claim_table {
    struct shard shards[SHARDS];
    struct id_file ids;
};

enum vv_rc
claim_table_new(const char *temp_dir, struct claim_table **ret, struct vv_error *err)
{
    struct claim_table *t = vv_alloc_array(1, sizeof(*t));

    if (t == NULL) {
        return vv_error_nomem(err);
    }
    for (unsigned i = 0; i < SHARDS; i++) {
        vv_mutex_init(&t->shards[i].lock);
    }
    vv_mutex_init(&t->ids.lock);
    t->ids.fd = -1;
    t->ids.left_fd = -1;
    t->ids.temp_dir = vv_strdup(temp_dir);
    t->ids.buffer = vv_alloc_array(BUFFERED_IDS, sizeof(*t->ids.buffer));
    if (t->ids.temp_dir == NULL || t->ids.buffer == NULL) {
        claim_table_free(t);
        return vv_error_nomem(err);
    }
    *ret = t;
    return VV_OK;
}

void
claim_table_free(struct claim_table *t)
{
    if (t == NULL) {
        return;
    }
    for (unsigned i = 0; i < SHARDS; i++) {
        vv_free(t->shards[i].slots);
        vv_mutex_release(&t->shards[i].lock);
    }
    vv_fd_close(t->ids.fd);
    vv_fd_close(t->ids.left_fd);
    vv_free(t->ids.buffer);
    vv_free(t->ids.temp_dir);
    vv_mutex_release(&t->ids.lock);
    vv_free(t);
}

static enum vv_rc
read_bytes(int fd, void *out, size_t len, uint64_t offset, struct vv_error *err)
{
    size_t got = 0;

    VV_TRY(vv_error_origin(err, VV_ORIGIN_LOCAL,
                           vv_fd_pread_full(fd, out, len, offset, FILE_NAME, &got, err)));
    if (got != len) {
        return vv_error_origin(err, VV_ORIGIN_LOCAL,
                               vv_error_set(err, VV_EIO, "the %s has become shorter", FILE_NAME));
    }
    return VV_OK;
}

static enum vv_rc
put_buffer(struct id_file *f, struct vv_error *err)
{
    if (f->fd < 0) {
        VV_TRY(vv_error_origin(err, VV_ORIGIN_LOCAL, vv_temp_file(f->temp_dir, &f->fd, err)));
    }
    return vv_error_origin(err, VV_ORIGIN_LOCAL,
                           vv_fd_pwrite_full(f->fd, f->buffer, f->buffered * sizeof(*f->buffer),
                                             (uint64_t)f->written * sizeof(*f->buffer), FILE_NAME,
                                             err));
}

/** The disk is full, or there is none: what is written so far goes into memory, as what follows.
 *  The old file stays open: a thread may be reading from it. */
static enum vv_rc
move_to_memory(struct id_file *f, struct vv_error *err)
{
    VV_CLEANUP(vv_fd_closep) int fd = -1;
    struct vv_id piece[256];

    VV_TRY(vv_error_origin(err, VV_ORIGIN_LOCAL, vv_memory_file(&fd, err)));
    for (uint32_t at = 0; at < f->written; at += VV_COUNT(piece)) {
        uint32_t left = f->written - at;
        size_t len = (left < VV_COUNT(piece) ? left : VV_COUNT(piece)) * sizeof(*piece);
        uint64_t offset = (uint64_t)at * sizeof(*piece);
        VV_TRY(read_bytes(f->fd, piece, len, offset, err));
        VV_TRY(vv_error_origin(err, VV_ORIGIN_LOCAL,
                               vv_fd_pwrite_full(fd, piece, len, offset, FILE_NAME, err)));
    }
    f->left_fd = f->fd;
    f->fd = fd;
    f->in_memory = true;
    fd = -1;
    return VV_OK;
}

/** Write the full buffer out.  Lock of the file held. */
static enum vv_rc
write_ids(struct id_file *f, struct vv_error *err)
{
    if (f->in_memory || put_buffer(f, NULL) != VV_OK) {
        if (!f->in_memory) {
            VV_TRY(move_to_memory(f, err));
        }
        VV_TRY(put_buffer(f, err));
    }
    f->written += f->buffered;
    f->buffered = 0;
    return VV_OK;
}

/** Append an id; its number, from 1, to ${ret}. */
static enum vv_rc
append_id(struct id_file *f, const struct vv_id *id, uint32_t *ret, struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    vv_mutex_lock(&f->lock);
    if (f->buffered == BUFFERED_IDS) {
        rc = write_ids(f, err);
    }
    if (rc == VV_OK && f->written + f->buffered >= IDS_MAX - BUFFERED_IDS) {
        rc = vv_error_set(err, VV_ELIMIT, "more than %u chunks in one run", IDS_MAX);
    }
    if (rc == VV_OK) {
        f->buffer[f->buffered++] = *id;
        *ret = f->written + f->buffered;
    }
    vv_mutex_unlock(&f->lock);
    return rc;
}

static enum vv_rc
read_id(struct id_file *f, uint32_t record, struct vv_id *ret, struct vv_error *err)
{
    uint32_t place = record - 1;
    int fd;

    vv_mutex_lock(&f->lock);
    assert(place < f->written + f->buffered);
    if (place >= f->written) {
        *ret = f->buffer[place - f->written];
        vv_mutex_unlock(&f->lock);
        return VV_OK;
    }
    fd = f->fd;
    vv_mutex_unlock(&f->lock);
    return read_bytes(fd, ret, sizeof(*ret), (uint64_t)place * sizeof(*ret), err);
}

static struct shard *
shard_of(struct claim_table *t, const struct vv_id *id)
{
    return &t->shards[id->b[0] % SHARDS];
}

static uint32_t
fingerprint_of(const struct vv_id *id)
{
    return vv_load_u32(id->b + 1);
}

/** The first slot to look at: the fingerprint scaled to the table's size. */
static uint32_t
home(const struct shard *s, uint32_t fingerprint)
{
    return (uint32_t)((uint64_t)fingerprint * s->size >> 32);
}

static uint32_t
next_slot(const struct shard *s, uint32_t at)
{
    return at + 1 == s->size ? 0 : at + 1;
}

static void
insert(struct shard *s, struct slot_entry e)
{
    uint32_t at = home(s, e.fingerprint);

    while (s->slots[at].record != 0) {
        at = next_slot(s, at);
    }
    s->slots[at] = e;
}

/** Make room for one more: at most four fifths of the slots are ever used. */
static enum vv_rc
grow(struct shard *s, struct vv_error *err)
{
    struct shard larger = {.used = s->used};
    uint64_t size = (uint64_t)s->size * 6 / 5; /* never half empty */
    uint64_t least = s->size == 0 ? FIRST_SLOTS : SECOND_SLOTS;

    if (((uint64_t)s->used + 1) * 5 <= (uint64_t)s->size * 4) {
        return VV_OK;
    }
    larger.size = (uint32_t)(size < least ? least : size);
    larger.slots = vv_alloc_array(larger.size, sizeof(*larger.slots));
    if (larger.slots == NULL) {
        return vv_error_nomem(err);
    }
    for (uint32_t i = 0; i < s->size; i++) {
        if (s->slots[i].record != 0) {
            insert(&larger, s->slots[i]);
        }
    }
    vv_free(s->slots);
    s->slots = larger.slots;
    s->size = larger.size;
    return VV_OK;
}

/** Lock of the shard held. */
static enum vv_rc
find(struct claim_table *t, const struct shard *s, const struct vv_id *id, bool *ret,
     struct vv_error *err)
{
    uint32_t fingerprint = fingerprint_of(id);
    struct vv_id there;

    *ret = false;
    if (s->size == 0) {
        return VV_OK;
    }
    for (uint32_t at = home(s, fingerprint); s->slots[at].record != 0; at = next_slot(s, at)) {
        if (s->slots[at].fingerprint == fingerprint) {
            VV_TRY(read_id(&t->ids, s->slots[at].record, &there, err));
            if (vv_id_equal(&there, id)) {
                *ret = true;
                return VV_OK;
            }
        }
    }
    return VV_OK;
}

enum vv_rc
claim_table_contains(struct claim_table *t, const struct vv_id *id, bool *ret, struct vv_error *err)
{
    struct shard *s = shard_of(t, id);
    bool found;
    enum vv_rc rc;

    vv_mutex_lock(&s->lock);
    rc = find(t, s, id, &found, err);
    vv_mutex_unlock(&s->lock);
    if (rc == VV_OK) {
        *ret = found;
    }
    return rc;
}

enum vv_rc
claim_table_claim(struct claim_table *t, const struct vv_id *id, bool *ret_new,
                  struct vv_error *err)
{
    struct shard *s = shard_of(t, id);
    struct slot_entry e = {.fingerprint = fingerprint_of(id)};
    bool found = false;
    enum vv_rc rc;

    vv_mutex_lock(&s->lock);
    rc = find(t, s, id, &found, err);
    if (rc == VV_OK && !found) {
        rc = grow(s, err);
        if (rc == VV_OK) {
            rc = append_id(&t->ids, id, &e.record, err);
        }
        if (rc == VV_OK) {
            insert(s, e);
            s->used++;
        }
    }
    vv_mutex_unlock(&s->lock);
    if (rc == VV_OK) {
        *ret_new = !found;
    }
    return rc;
}

uint64_t
claim_table_count(const struct claim_table *t)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < SHARDS; i++) {
        count += t->shards[i].used;
    }
    return count;
}

uint64_t
claim_table_heap(const struct claim_table *t)
{
    uint64_t bytes = sizeof(*t) + BUFFERED_IDS * sizeof(struct vv_id);

    for (unsigned i = 0; i < SHARDS; i++) {
        bytes += (uint64_t)t->shards[i].size * sizeof(struct slot_entry);
    }
    return bytes;
}
