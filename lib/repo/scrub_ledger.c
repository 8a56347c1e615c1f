/* SPDX-License-Identifier: BSD-2-Clause */
/* The ledger of scrub: a table in memory, and a file that is replaced. */

#include "repo/scrub_ledger.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "core/file.h"

/* File: magic | 16 B repository | 16 B site | u64 count | entries | u64 checksum (XXH3) of all before
 * it.  Entry: 16 B hash of the name (XXH3) | i64 time. */
#define MAGIC "varve scrub ledger 1\n"
#define HEAD_LEN (sizeof(MAGIC) - 1 + 32u + 8u)
#define ENTRY_LEN 24u
#define LEDGER_LIMIT (1u << 30)

struct line {
    uint8_t key[16];
    int64_t time; /* 0: free */
    bool seen;    /* in this run */
};
struct scrub_ledger {
    struct repo *repo;
    struct vv_mutex lock; /* guards all below */
    struct line *lines;
    size_t room; /* a power of two */
    size_t count;
    char name[6 + VV_UUID_TEXT];
};

static struct line *
place_of(struct line *lines, size_t room, const uint8_t key[16])
{
    size_t at = (size_t)vv_load_u64(key) & (room - 1);

    while (lines[at].time != 0 && memcmp(lines[at].key, key, 16) != 0) {
        at = (at + 1) & (room - 1);
    }
    return &lines[at];
}

/** Room for one more line. */
static enum vv_rc
make_room(struct scrub_ledger *l, struct vv_error *err)
{
    size_t room = l->room == 0 ? 256 : l->room * 2;
    struct line *lines;

    if (l->room > 0 && (l->count + 1) * 2 < l->room) {
        return VV_OK;
    }
    lines = vv_alloc_array(room, sizeof(*lines));
    if (lines == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < l->room; i++) {
        if (l->lines[i].time != 0) {
            *place_of(lines, room, l->lines[i].key) = l->lines[i];
        }
    }
    vv_free(l->lines);
    l->lines = lines;
    l->room = room;
    return VV_OK;
}

static enum vv_rc
put(struct scrub_ledger *l, const uint8_t key[16], int64_t time, bool seen, struct vv_error *err)
{
    struct line *line;

    VV_TRY(make_room(l, err));
    line = place_of(l->lines, l->room, key);
    l->count += line->time == 0;
    memcpy(line->key, key, 16);
    line->time = time != 0 ? time : 1;
    line->seen = seen;
    return VV_OK;
}

static void
put_head(const struct scrub_ledger *l, uint64_t count, struct vv_buf *out)
{
    vv_buf_put_text(out, MAGIC);
    vv_buf_put(out, repo_id(l->repo)->b, 16);
    vv_buf_put(out, repo_site(l->repo)->id.b, 16);
    vv_buf_put_u64(out, count);
}

/** Take in a file's lines; false if it is none of ours. */
static bool
take_in(struct scrub_ledger *l, struct vv_span bytes, enum vv_rc *ret_rc, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf head = {0};
    uint64_t count;

    if (bytes.len < HEAD_LEN + 8 ||
        vv_load_u64(bytes.data + bytes.len - 8) != vv_hash64(bytes.data, bytes.len - 8, 0)) {
        return false;
    }
    count = vv_load_u64(bytes.data + HEAD_LEN - 8);
    put_head(l, count, &head);
    if (head.failed || memcmp(bytes.data, head.data, HEAD_LEN) != 0 ||
        count != (bytes.len - HEAD_LEN - 8) / ENTRY_LEN) {
        return false;
    }
    for (uint64_t i = 0; i < count && *ret_rc == VV_OK; i++) {
        const uint8_t *at = bytes.data + HEAD_LEN + i * ENTRY_LEN;
        *ret_rc = put(l, at, (int64_t)vv_load_u64(at + 16), false, err);
    }
    return true;
}

enum vv_rc
scrub_ledger_open(struct repo *r, struct scrub_ledger **ret, struct vv_error *err)
{
    VV_CLEANUP(scrub_ledger_freep) struct scrub_ledger *l = vv_alloc_array(1, sizeof(*l));
    VV_CLEANUP(vv_buf_release) struct vv_buf bytes = {0};
    const char *path;
    enum vv_rc rc = VV_OK;

    if (l == NULL) {
        return vv_error_nomem(err);
    }
    vv_mutex_init(&l->lock);
    l->repo = r;
    memcpy(l->name, "scrub-", 6);
    vv_uuid_text(&repo_site(r)->id, l->name + 6);
    if (repo_state(r) != NULL &&
        vv_file_read(local_state_directory(repo_state(r), &path), l->name, LEDGER_LIMIT, &bytes,
                     NULL) == VV_OK &&
        !take_in(l, vv_buf_span(&bytes), &rc, err)) {
        vv_emit(repo_events(r), VV_EVENT_WARNING, "journal-damaged",
                vv_span(l->name, strlen(l->name)),
                "when objects were read last is not known any more: the ledger is damaged");
    }
    VV_TRY(rc);
    *ret = TAKE(l);
    return VV_OK;
}

void
scrub_ledger_free(struct scrub_ledger *l)
{
    if (l == NULL) {
        return;
    }
    vv_free(l->lines);
    vv_mutex_release(&l->lock);
    vv_free(l);
}

int64_t
scrub_ledger_find(struct scrub_ledger *l, const char *name)
{
    uint8_t key[16];
    int64_t time = 0;

    vv_hash128(name, strlen(name), key);
    vv_mutex_lock(&l->lock);
    if (l->room > 0) {
        struct line *line = place_of(l->lines, l->room, key);
        if (line->time != 0) {
            line->seen = true;
            time = line->time;
        }
    }
    vv_mutex_unlock(&l->lock);
    return time;
}

enum vv_rc
scrub_ledger_note(struct scrub_ledger *l, const char *name, int64_t time, struct vv_error *err)
{
    uint8_t key[16];
    enum vv_rc rc;

    vv_hash128(name, strlen(name), key);
    vv_mutex_lock(&l->lock);
    rc = put(l, key, time, true, err);
    vv_mutex_unlock(&l->lock);
    return rc;
}

/** The file's bytes; lock held. */
static void
write_out(const struct scrub_ledger *l, enum ledger_part part, struct vv_buf *out)
{
    uint64_t count = 0;

    for (size_t i = 0; i < l->room; i++) {
        count += l->lines[i].time != 0 && (l->lines[i].seen || part == LEDGER_ALL);
    }
    put_head(l, count, out);
    for (size_t i = 0; i < l->room; i++) {
        if (l->lines[i].time != 0 && (l->lines[i].seen || part == LEDGER_ALL)) {
            vv_buf_put(out, l->lines[i].key, 16);
            vv_buf_put_u64(out, (uint64_t)l->lines[i].time);
        }
    }
    if (!out->failed) {
        vv_buf_put_u64(out, vv_hash64(out->data, out->len, 0));
    }
}

enum vv_rc
scrub_ledger_save(struct scrub_ledger *l, enum ledger_part part, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf bytes = {0};
    const char *path;

    if (repo_state(l->repo) == NULL) {
        return VV_OK;
    }
    vv_mutex_lock(&l->lock);
    write_out(l, part, &bytes);
    vv_mutex_unlock(&l->lock);
    VV_TRY(vv_buf_check(&bytes, err));
    return vv_file_replace(local_state_directory(repo_state(l->repo), &path), l->name,
                           vv_buf_span(&bytes), 0600, err);
}
