/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the tree of a client's last snapshot out of the local cache. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "crypto/secret.h"
#include "engine/parent_cache_internal.h"
#include "repo/sealed_envelope.h"

#define DAY_S 86400

struct parent_reader {
    struct backup *b;
    int fd;
    uint8_t key[32];
    uint8_t nonce[16];
    uint64_t offset; /* of the next frame */
    uint64_t frames;
    uint64_t last; /* offset of the last frame */
    struct vv_buf sealed;
    struct vv_buf plain;
    struct vv_arena arena;
    struct node node; /* the leaf at hand */
    uint32_t at;
    bool pending; /* a leaf's frame has been read into plain but not been taken */
    bool ended;
    tree_node_fn *on_node;
    void *on_node_ctx;
};

void
parent_reader_free(struct parent_reader *p)
{
    if (p == NULL) {
        return;
    }
    vv_fd_close(p->fd);
    crypto_wipe(p->key, sizeof(p->key));
    if (p->plain.data != NULL) {
        crypto_wipe(p->plain.data, p->plain.len);
    }
    vv_buf_release(&p->sealed);
    vv_buf_release(&p->plain);
    vv_arena_release(&p->arena);
    vv_free(p);
}

void
parent_reader_on_node(struct parent_reader *p, tree_node_fn *fn, void *ctx)
{
    p->on_node = fn;
    p->on_node_ctx = ctx;
}

/** Read ${len} bytes at an offset; false if they are not there. */
static bool
read_at(struct parent_reader *p, uint64_t offset, void *out, size_t len)
{
    size_t got = 0;

    return vv_fd_pread_full(p->fd, out, len, offset, "parent", &got, NULL) == VV_OK && got == len;
}

/** Open the frame at p->offset into p->plain and go behind it. */
static bool
next_frame(struct parent_reader *p)
{
    uint8_t head[4];
    uint8_t aad[24];
    uint32_t len;

    if (!read_at(p, p->offset, head, sizeof(head))) {
        return false;
    }
    len = vv_load_u32(head);
    vv_buf_reset(&p->sealed);
    vv_buf_reset(&p->plain);
    if (len > PARENT_FRAME_LIMIT || vv_buf_reserve(&p->sealed, len, NULL) != VV_OK ||
        !read_at(p, p->offset + 4, p->sealed.data, len)) {
        return false;
    }
    parent_aad(p->nonce, p->offset == p->last ? PARENT_LAST_FRAME : p->frames, aad);
    if (envelope_open(p->key, PARENT_PURPOSE, vv_span(aad, sizeof(aad)),
                      vv_span(p->sealed.data, len), &p->plain, NULL) != VV_OK) {
        return false;
    }
    p->frames++;
    p->offset += 4 + (uint64_t)len;
    return p->plain.len > 0;
}

/** What is left of the tree is not used; told once. */
static void
tell_damaged(struct backup *b, const char *name)
{
    if (!b->parent_damage_told) {
        b->parent_damage_told = true;
        vv_emit(
            repo_events(b->repo), VV_EVENT_WARNING, "parent-damaged", vv_span(name, strlen(name)),
            "the last run's tree in the cache is damaged; what it had from there on is read again");
    }
}

/** Open a file, and its last frame into p->plain. */
static struct parent_reader *
open_file(struct backup *b, int dir, const char *name)
{
    struct parent_reader *p = vv_alloc_array(1, sizeof(*p));
    uint8_t head[PARENT_HEAD_LEN];
    uint8_t tail[8];
    struct stat st;

    if (p == NULL) {
        return NULL;
    }
    p->b = b;
    keyring_local_key(repo_keyring(b->repo), PARENT_PURPOSE, p->key);
    p->fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (p->fd >= 0 && fstat(p->fd, &st) == 0 && st.st_size > (off_t)(sizeof(head) + sizeof(tail)) &&
        read_at(p, 0, head, sizeof(head)) && memcmp(head, PARENT_MAGIC, PARENT_MAGIC_LEN) == 0 &&
        read_at(p, (uint64_t)st.st_size - sizeof(tail), tail, sizeof(tail))) {
        memcpy(p->nonce, head + PARENT_MAGIC_LEN, sizeof(p->nonce));
        p->last = vv_load_u64(tail);
        p->offset = p->last;
        if (next_frame(p) && p->plain.data[0] == PARENT_END && p->plain.len >= 17) {
            return p;
        }
    }
    parent_reader_free(p);
    return NULL;
}

/** Go to the first frame. */
static void
rewind_frames(struct parent_reader *p)
{
    p->offset = PARENT_HEAD_LEN;
    p->frames = 0;
}

/** The snapshot a file is of, if it is in the list. */
static struct snapshot *
find_snapshot(struct backup *b, const struct parent_reader *p)
{
    for (size_t i = b->list.count; i > 0; i--) {
        if (memcmp(b->list.snapshots[i - 1].id.b, p->plain.data + 1, 16) == 0) {
            return &b->list.snapshots[i - 1];
        }
    }
    return NULL;
}

/** A file of which nothing can come any more is removed, unless a run beside this one may just have
 *  made it. */
static void
remove_useless(struct backup *b, int dir, const char *name)
{
    struct stat st;

    if (!b->options->dry_run && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        st.st_mtim.tv_sec < b->start / 1000000000 - DAY_S) {
        (void)unlinkat(dir, name, 0);
    }
}

typedef enum vv_rc each_fn(struct backup *b, struct parent_reader *p, struct snapshot *s, void *ctx,
                           struct vv_error *err);

/** Call ${fn} with every file that can be used, which owns the reader. */
static enum vv_rc
each_file(struct backup *b, each_fn *fn, void *ctx, struct vv_error *err)
{
    struct vv_buf path = {0};
    char prefix[64];
    DIR *d = repo_cache_path(b->repo, ".", &path) ? opendir(vv_buf_text(&path)) : NULL;
    struct dirent *e;
    enum vv_rc rc = VV_OK;

    vv_buf_release(&path);
    parent_prefix(b, prefix);
    while (d != NULL && rc == VV_OK && (e = readdir(d)) != NULL) {
        uint8_t digits[8];
        struct parent_reader *p;
        struct snapshot *s;
        size_t len = strlen(prefix);
        if (strncmp(e->d_name, prefix, len) != 0 ||
            !vv_unhex(digits, sizeof(digits), e->d_name + len, strlen(e->d_name + len))) {
            continue;
        }
        p = open_file(b, dirfd(d), e->d_name);
        if (p == NULL && faccessat(dirfd(d), e->d_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
            tell_damaged(b, e->d_name);
        }
        s = p != NULL ? find_snapshot(b, p) : NULL;
        if (s == NULL) {
            remove_useless(b, dirfd(d), e->d_name);
            parent_reader_free(p);
        } else {
            rc = fn(b, p, s, ctx, err);
        }
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    return rc;
}

static enum vv_rc
take_body(struct backup *b, struct parent_reader *p, struct snapshot *s, void *ctx,
          struct vv_error *err)
{
    struct vv_span bytes = vv_span(p->plain.data + 17, p->plain.len - 17);
    enum vv_rc rc = VV_OK;

    (void)b;
    (void)ctx;
    if (s->body.source_count == 0) {
        rc = snapshot_body_decode(bytes, &s->body, err);
    }
    parent_reader_free(p);
    if (rc != VV_OK && rc != VV_ENOMEM) {
        vv_error_clear(err);
        rc = VV_OK;
    }
    return rc;
}

enum vv_rc
parent_readers_find(struct backup *b, struct vv_error *err)
{
    return keyring_may_read(repo_keyring(b->repo)) ? VV_OK : each_file(b, take_body, NULL, err);
}

static enum vv_rc
take_parent(struct backup *b, struct parent_reader *p, struct snapshot *s, void *ctx,
            struct vv_error *err)
{
    struct parent_reader **found = ctx;

    (void)err;
    if (s == b->parent && *found == NULL) {
        rewind_frames(p);
        *found = p;
    } else {
        parent_reader_free(p);
    }
    return VV_OK;
}

enum vv_rc
parent_reader_open(struct backup *b, struct parent_reader **ret, struct vv_error *err)
{
    struct parent_reader *found = NULL;

    VV_TRY(each_file(b, take_parent, &found, err));
    if (found == NULL) {
        return vv_error_set(err, VV_ENOTFOUND, "the parent snapshot is not in the cache");
    }
    *ret = found;
    return VV_OK;
}

/** Tell of the node in p->plain. */
static enum vv_rc
tell_node(struct parent_reader *p, uint32_t height, struct vv_error *err)
{
    struct vv_id id;

    memcpy(id.b, p->plain.data + 1, 32);
    return p->on_node != NULL ? p->on_node(p->on_node_ctx, &id, height, err) : VV_OK;
}

static void
end_damaged(struct parent_reader *p)
{
    p->ended = true;
    tell_damaged(p->b, "parent");
}

/** Inner nodes that follow, so that none is left behind the last leaf; then a leaf is pending or
 *  all has been read. */
static enum vv_rc
read_inner_nodes(struct parent_reader *p, struct vv_error *err)
{
    while (!p->ended && !p->pending) {
        if (p->offset == p->last) {
            p->ended = true;
        } else if (p->offset > p->last || !next_frame(p) || p->plain.len < 33) {
            end_damaged(p);
        } else if (p->plain.data[0] == PARENT_INNER) {
            VV_TRY(tell_node(p, 1, err));
        } else if (p->plain.data[0] == PARENT_LEAF) {
            p->pending = true;
        } else {
            end_damaged(p);
        }
    }
    return VV_OK;
}

/** Decode the pending leaf; one that does not have its id ends the reading. */
static enum vv_rc
take_leaf(struct parent_reader *p, struct vv_error *err)
{
    struct vv_span bytes = vv_span(p->plain.data + 33, p->plain.len - 33);
    struct vv_id id;

    p->pending = false;
    p->at = 0;
    vv_arena_reset(&p->arena);
    memset(&p->node, 0, sizeof(p->node));
    chunk_id(repo_keyring(p->b->repo), CHUNK_NODE, bytes, &id);
    if (memcmp(id.b, p->plain.data + 1, 32) != 0 ||
        node_decode(bytes, &p->arena, &p->node, NULL) != VV_OK || p->node.height != 0) {
        memset(&p->node, 0, sizeof(p->node));
        end_damaged(p);
        return VV_OK;
    }
    VV_TRY(tell_node(p, 0, err));
    return read_inner_nodes(p, err);
}

enum vv_rc
parent_reader_next(struct parent_reader *p, const struct entry **ret, struct vv_error *err)
{
    *ret = NULL;
    while (p->at >= p->node.count) {
        if (!p->pending) {
            VV_TRY(read_inner_nodes(p, err));
        }
        if (!p->pending) {
            return VV_OK;
        }
        VV_TRY(take_leaf(p, err));
    }
    *ret = &p->node.entries[p->at++];
    return VV_OK;
}

enum vv_rc
parent_find(struct backup *b, struct vv_span path, struct vv_arena *arena, struct entry *ret,
            struct vv_error *err)
{
    struct parent_reader *p = NULL;
    const struct entry *e = NULL;
    bool found = false;
    enum vv_rc rc;

    if (keyring_may_read(repo_keyring(b->repo))) {
        return tree_find(b->reader, &b->parent->body.root, path, arena, ret, err);
    }
    VV_TRY(parent_reader_open(b, &p, err));
    do {
        rc = parent_reader_next(p, &e, err);
        found = rc == VV_OK && e != NULL && path_compare(e->path, path) == 0;
    } while (rc == VV_OK && e != NULL && !found);
    if (found) {
        rc = entry_copy(arena, e, ret, err);
    } else if (rc == VV_OK) {
        rc = vv_error_set(err, VV_ENOTFOUND, "no such entry");
    }
    parent_reader_free(p);
    return rc;
}
