/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeping the tree of a snapshot in the local cache while it is made. */
#include "engine/parent_cache_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/random.h"
#include "crypto/secret.h"
#include "repo/sealed_envelope.h"

#define WRITE_AT (1u << 20) /* bytes collected before they are written */

struct parent_cache {
    struct backup *b;
    char *path;
    char *temporary;
    int fd;
    uint8_t key[32];
    uint8_t nonce[16];
    uint64_t frames;
    uint64_t offset; /* of what is in out */
    struct vv_buf plain;
    struct vv_buf out;
    bool broken;
};

void
parent_prefix(struct backup *b, char out[64])
{
    char client[VV_UUID_TEXT];

    vv_uuid_text(&keyring_client(repo_keyring(b->repo))->client, client);
    (void)snprintf(out, 64, "parent-%s-", client);
}

void
parent_aad(const uint8_t nonce[16], uint64_t number, uint8_t out[24])
{
    memcpy(out, nonce, 16);
    vv_store_u64(out + 16, number);
}

/** The file's name: one for each set of sources, so that runs of different ones do not drive each
 *  other's out. */
static enum vv_rc
make_names(struct parent_cache *c, const struct snapshot_body *body, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf sources = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    char name[64 + 17];
    char session[VV_UUID_TEXT];
    uint8_t hash[32];
    struct vv_span bytes;

    for (uint32_t i = 0; i < body->source_count; i++) {
        vv_buf_put_u32(&sources, (uint32_t)body->sources[i].len);
        vv_buf_put(&sources, body->sources[i].data, body->sources[i].len);
    }
    VV_TRY(vv_buf_check(&sources, err));
    bytes = vv_buf_span(&sources);
    blake2b_256(c->key, 32, &bytes, 1, hash);
    parent_prefix(c->b, name);
    vv_hex(name + strlen(name), hash, 8);
    if (!repo_cache_path(c->b->repo, name, &path)) {
        return VV_ENOTFOUND;
    }
    c->path = vv_strdup(vv_buf_text(&path));
    vv_uuid_text(writer_session_id(c->b->session), session);
    vv_buf_printf(&path, ".%s.tmp", session);
    c->temporary = path.failed ? NULL : vv_strdup(vv_buf_text(&path));
    return c->path == NULL || c->temporary == NULL ? vv_error_nomem(err) : VV_OK;
}

/** Remove temporaries of this client whose run has ended: nobody holds their lock. */
static void
remove_stale(struct backup *b)
{
    struct vv_buf path = {0};
    char prefix[64];
    DIR *d = repo_cache_path(b->repo, ".", &path) ? opendir(vv_buf_text(&path)) : NULL;
    struct dirent *e;

    parent_prefix(b, prefix);
    while (d != NULL && (e = readdir(d)) != NULL) {
        size_t len = strlen(e->d_name);
        bool got = false;
        int fd;
        if (strncmp(e->d_name, prefix, strlen(prefix)) != 0 || len < 4 ||
            strcmp(e->d_name + len - 4, ".tmp") != 0) {
            continue;
        }
        fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0 && vv_file_lock(fd, false, &got, NULL) == VV_OK && got) {
            (void)unlinkat(dirfd(d), e->d_name, 0);
        }
        vv_fd_close(fd);
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    vv_buf_release(&path);
}

static void
give_up(struct parent_cache *c, const struct vv_error *err)
{
    c->broken = true;
    vv_emit(repo_events(c->b->repo), VV_EVENT_WARNING, "parent-not-kept",
            vv_span(c->path, strlen(c->path)), "%s; the next run reads every file again",
            err->message);
}

enum vv_rc
parent_cache_new(struct backup *b, const struct snapshot_body *body, struct parent_cache **ret,
                 struct vv_error *err)
{
    struct parent_cache *c;
    bool got = false;
    enum vv_rc rc;

    *ret = NULL;
    if (keyring_may_read(repo_keyring(b->repo))) {
        return VV_OK;
    }
    c = vv_alloc_array(1, sizeof(*c));
    if (c == NULL) {
        return vv_error_nomem(err);
    }
    c->b = b;
    c->fd = -1;
    keyring_local_key(repo_keyring(b->repo), PARENT_PURPOSE, c->key);
    rc = make_names(c, body, err);
    if (rc == VV_OK) {
        remove_stale(b);
        c->fd = open(c->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (c->fd < 0) {
            struct vv_error why = {0};
            (void)vv_error_sys(&why, errno, "cannot create '%s'", c->temporary);
            give_up(c, &why);
            rc = VV_ENOTFOUND;
        }
    }
    if (rc != VV_OK) {
        parent_cache_free(c);
        return rc == VV_ENOTFOUND ? VV_OK : rc;
    }
    (void)!vv_file_lock(c->fd, false, &got, NULL); /* see remove_stale */
    vv_random(c->nonce, sizeof(c->nonce));
    vv_buf_put(&c->out, PARENT_MAGIC, PARENT_MAGIC_LEN);
    vv_buf_put(&c->out, c->nonce, sizeof(c->nonce));
    *ret = c;
    return VV_OK;
}

static enum vv_rc
write_out(struct parent_cache *c, struct vv_error *err)
{
    VV_TRY(vv_buf_check(&c->out, err));
    VV_TRY(vv_fd_write_full(c->fd, c->out.data, c->out.len, c->temporary, err));
    c->offset += c->out.len;
    vv_buf_reset(&c->out);
    return VV_OK;
}

/** Seal what is in c->plain as frame ${number}. */
static enum vv_rc
put_frame(struct parent_cache *c, uint64_t number, struct vv_error *err)
{
    uint8_t aad[24];
    size_t at = c->out.len;

    VV_TRY(vv_buf_check(&c->plain, err));
    parent_aad(c->nonce, number, aad);
    vv_buf_put_u32(&c->out, 0);
    VV_TRY(envelope_seal(c->key, PARENT_PURPOSE, vv_span(aad, sizeof(aad)), vv_buf_span(&c->plain),
                         &c->out, err));
    VV_TRY(vv_buf_check(&c->out, err));
    vv_store_u32(c->out.data + at, (uint32_t)(c->out.len - at - 4));
    return c->out.len >= WRITE_AT ? write_out(c, err) : VV_OK;
}

enum vv_rc
parent_cache_node(void *ctx, const struct vv_id *node, uint32_t height, struct vv_span bytes,
                  struct vv_error *err)
{
    struct parent_cache *c = ctx;
    struct vv_error why = {0};
    enum vv_rc rc;

    if (c->broken) {
        return VV_OK;
    }
    vv_buf_reset(&c->plain);
    vv_buf_put_u8(&c->plain, height == 0 ? PARENT_LEAF : PARENT_INNER);
    vv_buf_put(&c->plain, node->b, 32);
    if (height == 0) {
        vv_buf_put(&c->plain, bytes.data, bytes.len);
    }
    rc = put_frame(c, c->frames++, &why);
    if (rc == VV_ENOMEM) {
        return vv_error_nomem(err);
    }
    if (rc != VV_OK) {
        give_up(c, &why);
    }
    return VV_OK;
}

static enum vv_rc
finish(struct parent_cache *c, const struct vv_uuid *snapshot, const struct snapshot_body *body,
       struct vv_error *err)
{
    uint64_t last = c->offset + c->out.len;

    vv_buf_reset(&c->plain);
    vv_buf_put_u8(&c->plain, PARENT_END);
    vv_buf_put(&c->plain, snapshot->b, 16);
    VV_TRY(snapshot_body_encode(body, &c->plain, err));
    VV_TRY(put_frame(c, PARENT_LAST_FRAME, err));
    vv_buf_put_u64(&c->out, last);
    VV_TRY(write_out(c, err));
    if (rename(c->temporary, c->path) != 0) {
        return vv_error_sys(err, errno, "cannot rename '%s'", c->temporary);
    }
    return VV_OK;
}

void
parent_cache_finish(struct parent_cache *c, const struct vv_uuid *snapshot,
                    const struct snapshot_body *body)
{
    struct vv_error err = {0};

    if (!c->broken && finish(c, snapshot, body, &err) != VV_OK) {
        give_up(c, &err);
    }
}

void
parent_cache_free(struct parent_cache *c)
{
    if (c == NULL) {
        return;
    }
    if (c->fd >= 0 && c->temporary != NULL) {
        (void)unlink(c->temporary); /* gone if it was finished */
    }
    vv_fd_close(c->fd);
    crypto_wipe(c->key, sizeof(c->key));
    if (c->plain.data != NULL) {
        crypto_wipe(c->plain.data, c->plain.len);
    }
    vv_buf_release(&c->plain);
    vv_buf_release(&c->out);
    vv_free(c->path);
    vv_free(c->temporary);
    vv_free(c);
}
