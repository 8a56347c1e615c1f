/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal of one replica: a table in memory, and a file that is appended to. */
#include "repo/replica_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "core/file.h"
#include "repo/replica_journal_internal.h"

struct replica_journal {
    struct repo *site;
    struct vv_mutex lock; /* guards everything below */
    struct journal_item *items;
    size_t room; /* a power of two, or 0 */
    size_t count;
    char name[8 + VV_UUID_TEXT];
    int dir; /* borrowed; -1: no file */
    int fd;  /* -1: nothing is appended */
};

static struct journal_item *
place_of(struct journal_item *items, size_t room, uint8_t kind, const uint8_t key[KEY_LEN])
{
    size_t at = (size_t)vv_hash64(key, KEY_LEN, kind) & (room - 1);

    while (items[at].kind != 0 &&
           (items[at].kind != kind || memcmp(items[at].key, key, KEY_LEN) != 0)) {
        at = (at + 1) & (room - 1);
    }
    return &items[at];
}

static enum vv_rc
make_room(struct replica_journal *j, struct vv_error *err)
{
    size_t room = j->room == 0 ? 64 : j->room * 2;
    struct journal_item *items;

    if (j->room > 0 && j->count * 2 < j->room) {
        return VV_OK;
    }
    items = vv_alloc_array(room, sizeof(*items));
    if (items == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < j->room; i++) {
        if (j->items[i].kind != 0) {
            *place_of(items, room, j->items[i].kind, j->items[i].key) = j->items[i];
        }
    }
    vv_free(j->items);
    j->items = items;
    j->room = room;
    return VV_OK;
}

/** Put an item in, in place of an earlier one; ${item->list} is copied. */
static enum vv_rc
put_item(struct replica_journal *j, const struct journal_item *item, struct vv_error *err)
{
    size_t len = item->count * journal_element_size(item->kind);
    struct journal_item *slot;
    uint8_t *list = NULL;

    VV_TRY(make_room(j, err));
    if (len > 0) {
        list = vv_memdup(item->list, len);
        if (list == NULL) {
            return vv_error_nomem(err);
        }
    }
    slot = place_of(j->items, j->room, item->kind, item->key);
    j->count += slot->kind == 0;
    vv_free(slot->list);
    *slot = *item;
    slot->list = list;
    return VV_OK;
}

static void
put_head(struct replica_journal *j, struct vv_buf *out)
{
    vv_buf_put_text(out, MAGIC);
    vv_buf_put(out, repo_id(j->site)->b, 16);
    vv_buf_put(out, repo_site(j->site)->id.b, 16);
}

static void
tell(struct replica_journal *j, const char *text)
{
    vv_emit(repo_events(j->site), VV_EVENT_WARNING, "journal-damaged",
            vv_span(j->name, strlen(j->name)), "%s", text);
}

/** Take in what the file holds; J2. */
static enum vv_rc
load(struct replica_journal *j, struct vv_error *err)
{
    struct vv_buf bytes = {0};
    struct vv_buf head = {0};
    struct vv_buf list = {0};
    struct vv_reader in;
    struct journal_item item;
    enum vv_rc rc = vv_file_read(j->dir, j->name, JOURNAL_LIMIT, &bytes, NULL);

    put_head(j, &head);
    if (rc == VV_OK && !head.failed &&
        (bytes.len < HEAD_LEN || memcmp(bytes.data, head.data, HEAD_LEN) != 0)) {
        tell(j, "the journal of this replica is damaged; started over");
        rc = VV_ECORRUPT;
    }
    if (rc == VV_OK) {
        in = vv_reader(bytes.data + HEAD_LEN, bytes.len - HEAD_LEN);
        while (rc == VV_OK && vv_reader_left(&in) > 0 && journal_decode_item(&in, &item, &list)) {
            rc = put_item(j, &item, err);
        }
        if (rc == VV_OK && !vv_reader_done(&in)) {
            tell(j, "the journal of this replica ends damaged; what is behind is looked up again");
        }
    }
    rc = rc == VV_ENOMEM || head.failed ? vv_error_nomem(err) : VV_OK;
    vv_buf_release(&bytes);
    vv_buf_release(&head);
    vv_buf_release(&list);
    return rc;
}

/** Write the file anew: everything, or what was used in this run. */
static enum vv_rc
store(struct replica_journal *j, bool used_only, struct vv_error *err)
{
    struct vv_buf bytes = {0};
    enum vv_rc rc;

    put_head(j, &bytes);
    for (size_t i = 0; i < j->room; i++) {
        if (j->items[i].kind != 0 && (!used_only || j->items[i].used)) {
            journal_encode_item(&j->items[i], &bytes);
        }
    }
    rc = vv_buf_check(&bytes, err);
    if (rc == VV_OK) {
        rc = vv_file_replace(j->dir, j->name, vv_buf_span(&bytes), 0600, err);
    }
    vv_buf_release(&bytes);
    return rc;
}

static void
give_up_file(struct replica_journal *j, const char *why)
{
    vv_emit(repo_events(j->site), VV_EVENT_WARNING, "journal-unusable",
            vv_span(j->name, strlen(j->name)), "the journal cannot be written: %s", why);
    vv_fd_close(j->fd);
    j->fd = -1;
    j->dir = -1;
}

enum vv_rc
replica_journal_open(struct repo *site, struct replica_journal **ret, struct vv_error *err)
{
    VV_CLEANUP(replica_journal_freep) struct replica_journal *j = vv_alloc_array(1, sizeof(*j));
    struct vv_error why = {0};
    const char *path;
    enum vv_rc rc;

    if (j == NULL) {
        return vv_error_nomem(err);
    }
    vv_mutex_init(&j->lock);
    j->site = site;
    j->dir = -1;
    j->fd = -1;
    memcpy(j->name, "replica-", 8);
    vv_uuid_text(&repo_site(site)->id, j->name + 8);
    if (repo_state(site) != NULL) {
        j->dir = local_state_directory(repo_state(site), &path);
        VV_TRY(load(j, err));
        rc = store(j, false, &why);
        if (rc == VV_ENOMEM) {
            return vv_error_nomem(err);
        }
        if (rc == VV_OK) {
            j->fd = openat(j->dir, j->name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
            rc = j->fd >= 0 ? VV_OK : vv_error_sys(&why, errno, "cannot open it");
        }
        if (rc != VV_OK) {
            give_up_file(j, why.message);
        }
    }
    *ret = TAKE(j);
    return VV_OK;
}

void
replica_journal_free(struct replica_journal *j)
{
    if (j == NULL) {
        return;
    }
    for (size_t i = 0; i < j->room; i++) {
        vv_free(j->items[i].list);
    }
    vv_free(j->items);
    vv_fd_close(j->fd);
    vv_mutex_release(&j->lock);
    vv_free(j);
}

/** Look one up and note that it is of use.  Lock held. */
static struct journal_item *
find_item(struct replica_journal *j, uint8_t kind, const void *key, size_t key_len)
{
    uint8_t whole[KEY_LEN] = {0};
    struct journal_item *item;

    if (j->room == 0) {
        return NULL;
    }
    memcpy(whole, key, key_len);
    item = place_of(j->items, j->room, kind, whole);
    if (item->kind == 0) {
        return NULL;
    }
    item->used = true;
    return item;
}

/** Put one in and append it to the file, J2. */
static enum vv_rc
note_item(struct replica_journal *j, struct journal_item *item, const void *key, size_t key_len,
          struct vv_error *err)
{
    struct vv_buf bytes = {0};
    struct vv_error why = {0};
    enum vv_rc rc;

    memcpy(item->key, key, key_len);
    item->used = true;
    journal_encode_item(item, &bytes);
    vv_mutex_lock(&j->lock);
    rc = bytes.failed ? vv_error_nomem(err) : put_item(j, item, err);
    if (rc == VV_OK && j->fd >= 0 &&
        vv_fd_write_full(j->fd, bytes.data, bytes.len, j->name, &why) != VV_OK) {
        give_up_file(j, why.message);
    }
    vv_mutex_unlock(&j->lock);
    vv_buf_release(&bytes);
    return rc;
}

bool
replica_journal_pack(struct replica_journal *j, const struct pack_name *name,
                     struct replica_pack *ret)
{
    const struct journal_item *item;

    vv_mutex_lock(&j->lock);
    item = find_item(j, KIND_PACK, name, sizeof(*name));
    if (item != NULL) {
        *ret = (struct replica_pack){
            .name = *name, .size = item->size, .verified_at = item->number, .bad = item->bad};
    }
    vv_mutex_unlock(&j->lock);
    return item != NULL;
}

bool
replica_journal_segment(struct replica_journal *j, const struct vv_id *id,
                        const struct pack_name **ret, size_t *ret_count)
{
    const struct journal_item *item;

    vv_mutex_lock(&j->lock);
    item = find_item(j, KIND_SEGMENT, id, sizeof(*id));
    if (item != NULL) {
        *ret = (const struct pack_name *)(const void *)item->list;
        *ret_count = item->count;
    }
    vv_mutex_unlock(&j->lock);
    return item != NULL;
}

bool
replica_journal_slot(struct replica_journal *j, const struct vv_uuid *session, uint64_t size,
                     const struct vv_id **ret, size_t *ret_count)
{
    const struct journal_item *item;
    bool known;

    vv_mutex_lock(&j->lock);
    item = find_item(j, KIND_SLOT, session, sizeof(*session));
    known = item != NULL && item->size == size;
    if (known) {
        *ret = (const struct vv_id *)(const void *)item->list;
        *ret_count = item->count;
    }
    vv_mutex_unlock(&j->lock);
    return known;
}

bool
replica_journal_source(struct replica_journal *j, const struct vv_id **ret, size_t *ret_count)
{
    const struct journal_item *item;

    vv_mutex_lock(&j->lock);
    item = find_item(j, KIND_SOURCE, "", 0);
    if (item != NULL) {
        *ret = (const struct vv_id *)(const void *)item->list;
        *ret_count = item->count;
    }
    vv_mutex_unlock(&j->lock);
    return item != NULL;
}

bool
replica_journal_budget(struct replica_journal *j, int64_t *ret_time, int64_t *ret_due)
{
    const struct journal_item *item;

    vv_mutex_lock(&j->lock);
    item = find_item(j, KIND_BUDGET, "", 0);
    if (item != NULL) {
        *ret_time = (int64_t)item->size;
        *ret_due = item->number;
    }
    vv_mutex_unlock(&j->lock);
    return item != NULL;
}

enum vv_rc
replica_journal_note_pack(struct replica_journal *j, const struct replica_pack *pack,
                          struct vv_error *err)
{
    struct journal_item item = {
        .kind = KIND_PACK, .size = pack->size, .number = pack->verified_at, .bad = pack->bad};

    return note_item(j, &item, &pack->name, sizeof(pack->name), err);
}

/** A list is only read from: put_item copies it. */
static enum vv_rc
note_list(struct replica_journal *j, struct journal_item *item, struct vv_span key,
          const void *elements, size_t count, struct vv_error *err)
{
    struct vv_buf copy = {0};
    enum vv_rc rc;

    item->count = (uint32_t)count;
    vv_buf_put(&copy, elements, count * journal_element_size(item->kind));
    item->list = copy.data;
    rc = vv_buf_check(&copy, err);
    if (rc == VV_OK) {
        rc = note_item(j, item, key.data, key.len, err);
    }
    vv_buf_release(&copy);
    return rc;
}

enum vv_rc
replica_journal_note_segment(struct replica_journal *j, const struct vv_id *id,
                             const struct pack_name *packs, size_t count, struct vv_error *err)
{
    struct journal_item item = {.kind = KIND_SEGMENT};

    return note_list(j, &item, vv_span(id->b, 32), packs, count, err);
}

enum vv_rc
replica_journal_note_slot(struct replica_journal *j, const struct vv_uuid *session, uint64_t size,
                          const struct vv_id *hashes, size_t count, struct vv_error *err)
{
    struct journal_item item = {.kind = KIND_SLOT, .size = size};

    return note_list(j, &item, vv_span(session->b, 16), hashes, count, err);
}

enum vv_rc
replica_journal_note_source(struct replica_journal *j, const struct vv_id *hashes, size_t count,
                            struct vv_error *err)
{
    struct journal_item item = {.kind = KIND_SOURCE};

    return note_list(j, &item, vv_span("", 0), hashes, count, err);
}

enum vv_rc
replica_journal_note_budget(struct replica_journal *j, int64_t time, int64_t due,
                            struct vv_error *err)
{
    struct journal_item item = {.kind = KIND_BUDGET, .size = (uint64_t)time, .number = due};

    return note_item(j, &item, "", 0, err);
}

enum vv_rc
replica_journal_finish(struct replica_journal *j, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc = VV_OK;

    vv_mutex_lock(&j->lock);
    if (j->dir >= 0 && j->fd >= 0) {
        vv_fd_close(j->fd);
        j->fd = -1;
        rc = store(j, true, &why);
        if (rc != VV_OK && rc != VV_ENOMEM) {
            give_up_file(j, why.message);
            rc = VV_OK;
        }
    }
    vv_mutex_unlock(&j->lock);
    return rc == VV_OK ? VV_OK : vv_error_nomem(err);
}
