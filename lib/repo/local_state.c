/* SPDX-License-Identifier: BSD-2-Clause */
/* This host's memory of a repository: its client keys and the heads it has seen. */

#include "repo/local_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/random.h"
#include "crypto/asymmetric.h"
#include "crypto/secret.h"
#include "repo/keyring.h"
#include "repo/local_state_internal.h"
#include "repo/sealed_envelope.h"

/*
 * Files (all sealed with the repository's local key, so one that was edited or comes from another
 * repository is noticed):
 *   client     u8 1 | 16 B id | 32 B Ed25519 seed | 32 B X25519 secret | u8 certified
 *              | u64 sequence
 */
#define CLIENT_PURPOSE "local client"
#define STATE_VERSION 1u
#define STATE_LIMIT (16u << 20)

enum vv_rc
local_state_open(const char *dir, const struct keyring *k, struct local_state **ret,
                 struct vv_error *err)
{
    VV_CLEANUP(local_state_freep) struct local_state *s = vv_alloc_array(1, sizeof(*s));
    char id[VV_UUID_TEXT];
    struct vv_buf path = {0};

    if (s == NULL) {
        return vv_error_nomem(err);
    }
    s->dir = -1;
    s->lock = -1;
    s->repository = keyring_config(k)->repository;
    vv_uuid_text(&s->repository, id);
    vv_buf_printf(&path, "%s/%s", dir, id);
    s->path = path.failed ? NULL : vv_strdup(vv_buf_text(&path));
    vv_buf_release(&path);
    if (s->path == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(vv_error_origin(err, VV_ORIGIN_LOCAL, vv_mkdir_all(s->path, 0700, err)));
    s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir < 0) {
        return vv_error_origin(
            err, VV_ORIGIN_LOCAL,
            vv_error_sys(err, errno, "cannot open state directory '%s'", s->path));
    }
    VV_TRY(secret_new(sizeof(*s->client), &s->memory, err));
    s->keyless = keyring_is_public(k);
    s->own = keyring_client(k);
    memcpy(s->client_file, "client-", sizeof("client-"));
    if (s->own != NULL) {
        vv_uuid_text(&s->own->client, s->client_file + 7);
    } else {
        s->client_file[6] = '\0';
    }
    if (!s->keyless) {
        keyring_local_key(k, "state", s->key);
    }
    *ret = TAKE(s);
    return VV_OK;
}

void
local_state_free(struct local_state *s)
{
    if (s == NULL) {
        return;
    }
    local_state_unlock(s);
    vv_fd_close(s->dir);
    secret_free(s->memory);
    crypto_wipe(s->key, sizeof(s->key));
    crypto_wipe(s->seed, sizeof(s->seed));
    site_memory_release(&s->site);
    vv_free(s->path);
    vv_free(s);
}

int
local_state_directory(const struct local_state *s, const char **ret_path)
{
    *ret_path = s->path;
    return s->dir;
}

static enum vv_rc
needs_key(const struct local_state *s, const char *name, struct vv_error *err)
{
    return vv_error_origin(
        err, VV_ORIGIN_LOCAL,
        vv_error_set(err, VV_EREFUSED, "local state '%s/%s' needs a key", s->path, name));
}

enum vv_rc
local_state_read_sealed(struct local_state *s, const char *name, const char *purpose,
                        struct vv_buf *out, struct vv_error *err)
{
    struct vv_buf sealed = {0};
    enum vv_rc rc = s->keyless ? needs_key(s, name, err)
                               : vv_file_read(s->dir, name, STATE_LIMIT, &sealed, err);

    if (rc == VV_OK) {
        rc = envelope_open(s->key, purpose, vv_span(s->repository.b, 16), vv_buf_span(&sealed), out,
                           err);
        if (rc == VV_EKEY || rc == VV_ECORRUPT) {
            rc = vv_error_set(err, VV_ECORRUPT, "local state '%s/%s' is damaged", s->path, name);
            vv_error_hint(err, "move it away to go on without; nothing in the repository depends "
                               "on it");
        }
    }
    vv_buf_release(&sealed);
    return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
}

enum vv_rc
local_state_write_sealed(struct local_state *s, const char *name, const char *purpose,
                         struct vv_buf *plain, bool create, struct vv_error *err)
{
    struct vv_buf sealed = {0};
    enum vv_rc rc = s->keyless ? needs_key(s, name, err) : vv_buf_check(plain, err);

    if (rc == VV_OK) {
        rc = envelope_seal(s->key, purpose, vv_span(s->repository.b, 16), vv_buf_span(plain),
                           &sealed, err);
    }
    if (rc == VV_OK) {
        rc = create ? vv_file_create(s->dir, name, vv_buf_span(&sealed), 0600, err)
                    : vv_file_replace(s->dir, name, vv_buf_span(&sealed), 0600, err);
    }
    vv_buf_release(&sealed);
    return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
}

static enum vv_rc
store_client(struct local_state *s, const struct client_keys *c, bool create, struct vv_error *err)
{
    struct vv_buf plain = {0};
    enum vv_rc rc;

    vv_buf_put_u8(&plain, STATE_VERSION);
    vv_buf_put(&plain, c->id.b, 16);
    vv_buf_put(&plain, s->seed, 32);
    vv_buf_put(&plain, c->x25519_secret, 32);
    vv_buf_put_u8(&plain, c->certified ? 1 : 0);
    vv_buf_put_u64(&plain, c->sequence);
    rc = local_state_write_sealed(s, s->client_file, CLIENT_PURPOSE, &plain, create, err);
    if (plain.data != NULL) {
        crypto_wipe(plain.data, plain.len);
    }
    vv_buf_release(&plain);
    return rc;
}

static enum vv_rc
load_client(struct local_state *s, struct vv_error *err)
{
    struct vv_buf plain = {0};
    struct vv_reader in;
    struct client_keys *c = (struct client_keys *)(void *)secret_data(s->memory);
    struct vv_uuid before = s->client != NULL ? s->client->id : (struct vv_uuid){{0}};
    struct vv_uuid id;
    enum vv_rc rc = local_state_read_sealed(s, s->client_file, CLIENT_PURPOSE, &plain, err);
    uint8_t version;

    if (rc != VV_OK) {
        return rc;
    }
    in = vv_reader(plain.data, plain.len);
    version = vv_get_u8(&in);
    vv_get_copy(&in, id.b, 16);
    if ((s->client != NULL && !vv_uuid_equal(&id, &before)) ||
        (s->own != NULL && !vv_uuid_equal(&id, &s->own->client))) {
        rc = vv_error_set(err, VV_ECORRUPT, "local state '%s/%s' became another client's", s->path,
                          s->client_file);
    } else if (version != STATE_VERSION || vv_reader_left(&in) != 32 + 32 + 1 + 8) {
        rc = vv_error_set(err, VV_ECORRUPT, "local state '%s/%s' has a wrong form", s->path,
                          s->client_file);
    } else {
        c->id = id;
        vv_get_copy(&in, s->seed, 32);
        vv_get_copy(&in, c->x25519_secret, 32);
        c->certified = vv_get_u8(&in) == 1;
        c->sequence = vv_get_u64(&in);
        ed25519_from_seed(s->seed, c->ed25519_public, c->ed25519_secret);
        s->client = c;
    }
    crypto_wipe(plain.data, plain.len);
    vv_buf_release(&plain);
    return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
}

/** Draw a new client, or begin the memory of the one the key brings.  Of several runs that do so at
 *  once, one draws and the others read it. */
static enum vv_rc
create_client(struct local_state *s, struct vv_error *err)
{
    struct client_keys *c = (struct client_keys *)(void *)secret_data(s->memory);
    enum vv_rc rc;

    if (s->own != NULL) {
        c->id = s->own->client;
        memcpy(s->seed, s->own->client_seed, 32);
        memcpy(c->x25519_secret, s->own->client_x25519, 32);
    } else {
        vv_random(c->id.b, 16);
        vv_random(s->seed, 32);
        vv_random(c->x25519_secret, 32);
    }
    c->certified = false;
    c->sequence = 0;
    ed25519_from_seed(s->seed, c->ed25519_public, c->ed25519_secret);
    rc = store_client(s, c, true, err);
    if (rc == VV_EEXISTS) {
        vv_error_clear(err);
        return load_client(s, err);
    }
    VV_TRY(rc);
    s->client = c;
    return VV_OK;
}

enum vv_rc
local_state_client(struct local_state *s, int create, const struct client_keys **ret,
                   struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    if (s->client == NULL) {
        rc = load_client(s, err);
    }
    if (rc == VV_ENOTFOUND && create) {
        vv_error_clear(err);
        rc = create_client(s, err);
    }
    VV_TRY(rc);
    *ret = s->client;
    return VV_OK;
}

enum vv_rc
local_state_set_certified(struct local_state *s, struct vv_error *err)
{
    enum vv_rc rc;

    VV_TRY(local_state_lock(s, err));
    s->client->certified = true;
    rc = store_client(s, s->client, false, err);
    local_state_unlock(s);
    return rc;
}

enum vv_rc
local_state_set_sequence(struct local_state *s, uint64_t sequence, struct vv_error *err)
{
    s->client->sequence = sequence;
    return store_client(s, s->client, false, err);
}

enum vv_rc
local_state_lock(struct local_state *s, struct vv_error *err)
{
    bool got;
    enum vv_rc rc = VV_OK;

    s->lock = openat(s->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock < 0) {
        return vv_error_origin(err, VV_ORIGIN_LOCAL,
                               vv_error_sys(err, errno, "cannot open '%s/lock'", s->path));
    }
    rc = vv_error_origin(err, VV_ORIGIN_LOCAL, vv_file_lock(s->lock, true, &got, err));
    if (rc == VV_OK && s->client != NULL) {
        rc = load_client(s, err); /* another run may have spent numbers since */
    }
    if (rc == VV_ENOTFOUND) {
        rc = vv_error_set(err, VV_ECORRUPT, "local state '%s/%s' has vanished", s->path,
                          s->client_file);
        rc = vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
    }
    if (rc != VV_OK) {
        local_state_unlock(s);
    }
    return rc;
}

void
local_state_unlock(struct local_state *s)
{
    vv_fd_close(s->lock);
    s->lock = -1;
}
