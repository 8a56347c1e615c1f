/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A checkpoint: the entries a run has read and stored so far, in the local cache, sealed.  It is a
 * stat cache and nothing more: each chunk it names is looked up before it is relied on.
 *
 * File "<cache>/<repository>/checkpoint-<session>": frames of u32 length | envelope; plaintext: u32
 * count of file systems, per file system u64 type, u64 identity | a leaf node (format/entry.h).
 * A torn last frame (the run was killed) ends the reading.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "crypto/secret.h"
#include "engine/backup_internal.h"
#include "repo/sealed_envelope.h"

#define FRAME_ENTRIES 256u
#define FRAME_CONTENT (4u << 20) /* bytes of files whose reading a kill may cost again */
#define FRAME_LIMIT (64u << 20)
#define PURPOSE "checkpoint"

struct checkpoint {
    struct backup *b;
    int fd;
    char *path;
    uint8_t key[32];
    struct leaf_builder leaf;
    struct vv_buf plain;
    struct vv_buf frame;
    uint64_t content; /* of the files in the open frame */
    bool broken;      /* could not be written: given up, quietly after one warning */
};

enum vv_rc
checkpoint_new(struct backup *b, struct checkpoint **ret, struct vv_error *err)
{
    struct checkpoint *c;
    struct vv_buf path = {0};
    char session[VV_UUID_TEXT];
    char name[64] = "checkpoint-";

    *ret = NULL;
    vv_uuid_text(writer_session_id(b->session), session);
    memcpy(name + 11, session, sizeof(session));
    if (!repo_cache_path(b->repo, name, &path)) {
        vv_buf_release(&path);
        return VV_OK;
    }
    c = vv_alloc_array(1, sizeof(*c));
    if (c == NULL) {
        vv_buf_release(&path);
        return vv_error_nomem(err);
    }
    c->b = b;
    c->path = vv_strdup(vv_buf_text(&path));
    vv_buf_release(&path);
    keyring_local_key(repo_keyring(b->repo), PURPOSE, c->key);
    c->fd = c->path != NULL
                ? open(c->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)
                : -1;
    if (c->fd < 0) {
        checkpoint_free(c);
        return VV_OK;
    }
    *ret = c;
    return VV_OK;
}

static void
give_up(struct checkpoint *c, const struct vv_error *err)
{
    c->broken = true;
    if (repo_cache_has_failed(c->b->repo)) {
        return; /* told already */
    }
    vv_emit(repo_events(c->b->repo), VV_EVENT_WARNING, "checkpoint-failed",
            vv_span(c->path, strlen(c->path)),
            "%s; if this run is interrupted, the next one reads everything again", err->message);
}

void
checkpoint_flush(struct checkpoint *c)
{
    struct vv_error err = {0};
    uint32_t count = 0;
    const struct snapshot_file_system *table = NULL;
    enum vv_rc rc;

    if (c->leaf.count == 0 || c->broken) {
        return;
    }
    if (c->b->source != NULL) {
        table = source_fs_file_systems(c->b->source, &count);
    }
    vv_buf_reset(&c->plain);
    vv_buf_reset(&c->frame);
    vv_buf_put_u32(&c->plain, count);
    for (uint32_t i = 0; i < count; i++) {
        vv_buf_put_u64(&c->plain, table[i].type);
        vv_buf_put_u64(&c->plain, table[i].identity);
    }
    rc = leaf_builder_finish(&c->leaf, &c->plain, &err);
    leaf_builder_reset(&c->leaf);
    c->content = 0;
    vv_buf_put_u32(&c->frame, 0);
    if (rc == VV_OK) {
        rc = envelope_seal(c->key, PURPOSE, vv_span(NULL, 0), vv_buf_span(&c->plain), &c->frame,
                           &err);
    }
    if (rc == VV_OK) {
        vv_store_u32(c->frame.data, (uint32_t)(c->frame.len - 4));
        rc = vv_fd_write_full(c->fd, c->frame.data, c->frame.len, c->path, &err);
    }
    if (rc != VV_OK) {
        give_up(c, &err);
    }
}

void
checkpoint_add(struct checkpoint *c, const struct entry *e)
{
    struct vv_error err = {0};

    if (c->broken) {
        return;
    }
    if (leaf_builder_add(&c->leaf, e, &err) != VV_OK) {
        give_up(c, &err);
        return;
    }
    c->content += e->type == ENTRY_FILE ? e->size : 0;
    if (c->leaf.count >= FRAME_ENTRIES || c->content >= FRAME_CONTENT) {
        checkpoint_flush(c);
    }
}

void
checkpoint_discard(struct checkpoint *c)
{
    (void)unlink(c->path);
}

void
checkpoint_free(struct checkpoint *c)
{
    if (c == NULL) {
        return;
    }
    vv_fd_close(c->fd);
    leaf_builder_release(&c->leaf);
    vv_buf_release(&c->plain);
    vv_buf_release(&c->frame);
    crypto_wipe(c->key, sizeof(c->key));
    vv_free(c->path);
    vv_free(c);
}

struct checkpoint_reader {
    int fd;
    uint8_t key[32];
    struct vv_arena arena;
    struct vv_buf frame;
    struct vv_buf plain;
    struct node node;
    uint32_t at;
    struct snapshot_file_system *table;
    uint32_t table_count;
    struct vv_buf last; /* last path: frames must go on behind it */
};

enum vv_rc
checkpoint_reader_open(struct repo *r, const char *path, struct checkpoint_reader **ret,
                       struct vv_error *err)
{
    struct checkpoint_reader *c = vv_alloc_array(1, sizeof(*c));

    if (c == NULL) {
        return vv_error_nomem(err);
    }
    keyring_local_key(repo_keyring(r), PURPOSE, c->key);
    c->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (c->fd < 0) {
        int sys = errno;
        vv_free(c);
        return vv_error_sys(err, sys, "cannot open '%s'", path);
    }
    *ret = c;
    return VV_OK;
}

/** Read and open the next frame; false at the end or at anything that is not right. */
static bool
next_frame(struct checkpoint_reader *c)
{
    uint8_t head[4];
    size_t got;
    uint32_t len;
    struct vv_reader in;

    if (vv_fd_read_full(c->fd, head, 4, "checkpoint", &got, NULL) != VV_OK || got != 4) {
        return false;
    }
    len = vv_load_u32(head);
    vv_buf_reset(&c->frame);
    vv_buf_reset(&c->plain);
    if (len > FRAME_LIMIT || vv_buf_reserve(&c->frame, len, NULL) != VV_OK ||
        vv_fd_read_full(c->fd, c->frame.data, len, "checkpoint", &got, NULL) != VV_OK ||
        got != len ||
        envelope_open(c->key, PURPOSE, vv_span(NULL, 0), vv_span(c->frame.data, len), &c->plain,
                      NULL) != VV_OK) {
        return false;
    }
    vv_arena_reset(&c->arena);
    in = vv_reader(c->plain.data, c->plain.len);
    c->table_count = vv_get_u32(&in);
    if (c->table_count > 65536 ||
        (c->table = vv_arena_alloc(&c->arena, (c->table_count + 1) * sizeof(*c->table))) == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < c->table_count; i++) {
        c->table[i].type = vv_get_u64(&in);
        c->table[i].identity = vv_get_u64(&in);
    }
    c->at = 0;
    return !in.failed &&
           node_decode(vv_span(in.at, vv_reader_left(&in)), &c->arena, &c->node, NULL) == VV_OK &&
           c->node.height == 0 && c->node.count > 0 &&
           (c->last.len == 0 || path_compare(c->node.entries[0].path, vv_buf_span(&c->last)) > 0);
}

void
checkpoint_reader_next(struct checkpoint_reader *c, const struct entry **ret)
{
    *ret = NULL;
    if (c->at >= c->node.count && !next_frame(c)) {
        c->node.count = 0;
        c->at = 0;
        return;
    }
    *ret = &c->node.entries[c->at++];
    if (c->at == c->node.count) {
        vv_buf_reset(&c->last);
        vv_buf_put(&c->last, (*ret)->path.data, (*ret)->path.len);
    }
}

const struct snapshot_file_system *
checkpoint_reader_table(const struct checkpoint_reader *c, uint32_t *ret_count)
{
    *ret_count = c->table_count;
    return c->table;
}

void
checkpoint_reader_free(struct checkpoint_reader *c)
{
    if (c == NULL) {
        return;
    }
    vv_fd_close(c->fd);
    vv_arena_release(&c->arena);
    vv_buf_release(&c->frame);
    vv_buf_release(&c->plain);
    vv_buf_release(&c->last);
    crypto_wipe(c->key, sizeof(c->key));
    vv_free(c);
}
