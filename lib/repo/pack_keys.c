/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of packs being read: a bounded cache, because opening one costs an X25519 operation. */

#include <string.h>

#include "core/alloc.h"
#include "core/thread.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "repo/pack_reader_internal.h"

#define SLOTS 512u /* direct-mapped by the pack's hash */

struct pack_keys {
    struct repo *repo;
    struct vv_mutex lock;
    struct secret *memory;
    struct opened_pack *slots; /* in secret memory */
};

enum vv_rc
pack_keys_new(struct repo *r, struct pack_keys **ret, struct vv_error *err)
{
    struct pack_keys *k = vv_alloc_array(1, sizeof(*k));
    enum vv_rc rc;

    if (k == NULL) {
        return vv_error_nomem(err);
    }
    rc = secret_new(SLOTS * sizeof(*k->slots), &k->memory, err);
    if (rc != VV_OK) {
        vv_free(k);
        return rc;
    }
    k->repo = r;
    k->slots = (struct opened_pack *)(void *)secret_data(k->memory);
    memset(k->slots, 0, SLOTS * sizeof(*k->slots));
    vv_mutex_init(&k->lock);
    *ret = k;
    return VV_OK;
}

void
pack_keys_free(struct pack_keys *k)
{
    if (k == NULL) {
        return;
    }
    secret_free(k->memory);
    vv_mutex_release(&k->lock);
    vv_free(k);
}

struct repo *
pack_keys_repo(struct pack_keys *k)
{
    return k->repo;
}

static struct opened_pack *
slot_of(struct pack_keys *k, const struct pack_name *name)
{
    return &k->slots[(name->hash.b[0] | (unsigned)name->hash.b[1] << 8) % SLOTS];
}

enum vv_rc
opened_pack_from_header(const struct keyring *keyring, const uint8_t header[PACK_HEADER_LEN],
                        struct opened_pack *ret, struct vv_error *err)
{
    struct vv_span bytes = vv_span(header, PACK_HEADER_LEN);

    VV_TRY(keyring_open_pack(keyring, header, &ret->header, ret->key, err));
    blake2b_256(NULL, 0, &bytes, 1, ret->id.b);
    return VV_OK;
}

/** The header names an epoch whose keys are not here.  So it is, if the copy at the end says the same;
 *  else it is damaged. */
static enum vv_rc
doubt_epoch(struct repo *r, const char *object, const uint8_t header[PACK_HEADER_LEN],
            struct vv_error *err)
{
    uint8_t copy[PACK_HEADER_LEN];
    struct vv_error why = *err;
    uint64_t size;
    size_t got = 0;

    vv_error_clear(err);
    VV_TRY(storage_size(repo_storage(r), object, &size, err));
    if (size >= PACK_HEADER_LEN + PACK_TAIL_LEN) {
        VV_TRY(storage_read(repo_storage(r), object, size - PACK_TAIL_LEN, copy, sizeof(copy), &got,
                            err));
    }
    if (got != sizeof(copy) || memcmp(header, copy, sizeof(copy)) != 0) {
        return vv_error_set(err, VV_ECORRUPT, "the header and its copy differ");
    }
    *err = why;
    return VV_EKEY;
}

bool
pack_keys_has(struct pack_keys *k, const struct pack_name *name)
{
    const struct opened_pack *slot = slot_of(k, name);
    bool found;

    vv_mutex_lock(&k->lock);
    found = slot->used && pack_name_compare(&slot->name, name) == 0;
    vv_mutex_unlock(&k->lock);
    return found;
}

enum vv_rc
pack_keys_get(struct pack_keys *k, const struct pack_name *name, struct opened_pack *ret,
              struct vv_error *err)
{
    struct opened_pack *slot = slot_of(k, name);
    uint8_t header[PACK_HEADER_LEN];
    char object[PACK_OBJECT_TEXT];
    struct vv_error why = {0};
    size_t got = 0;
    bool found;
    enum vv_rc rc;

    vv_mutex_lock(&k->lock);
    found = slot->used && pack_name_compare(&slot->name, name) == 0;
    if (found) {
        *ret = *slot;
    }
    vv_mutex_unlock(&k->lock);
    if (found) {
        return VV_OK;
    }
    pack_object_text(name, object);
    VV_TRY(storage_read(repo_storage(k->repo), object, 0, header, sizeof(header), &got, err));
    if (got != sizeof(header)) {
        return vv_error_set(err, VV_ECORRUPT, "'%s' is cut short", object);
    }
    rc = opened_pack_from_header(repo_keyring(k->repo), header, ret, &why);
    if (rc == VV_EKEY) {
        rc = doubt_epoch(k->repo, object, header, &why);
    }
    if (rc != VV_OK) {
        if (err != NULL) {
            *err = why;
        }
        (void)vv_error_prefix(err, "'%s'", object);
        return rc;
    }
    ret->name = *name;
    ret->used = true;
    vv_mutex_lock(&k->lock);
    *slot = *ret;
    vv_mutex_unlock(&k->lock);
    return VV_OK;
}
