/* SPDX-License-Identifier: BSD-2-Clause */
/* Putting back single objects. */

#include "repo/repo_mend.h"

#include <stdio.h>
#include <string.h>

#include "core/random.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "repo/repo_internal.h"

#define ASIDE_PIECE (64u << 10)
#define ASIDE_LIMIT (64u << 20) /* everything but packs and parity, which are never set aside */

/* --- config ----------------------------------------------------------------------------------- */

static bool
is_config(struct repo *r, struct vv_span object)
{
    const struct key_bundle *bundle = keyring_bundle(repo_keyring(r));
    uint8_t hash[32];

    sha256(object.data, object.len, hash);
    return crypto_equal(hash, bundle->config_hash, sizeof(hash));
}

/** The copy in one key slot. */
static bool
config_in_slot(struct repo *r, const char *name, struct vv_buf *out)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    struct key_slot slot;
    char path[STORAGE_NAME_MAX + 1];
    int len = snprintf(path, sizeof(path), "keys/%s", name);

    if (len < 0 || (size_t)len >= sizeof(path) || !storage_name_valid(path) ||
        storage_read_all(repo_storage(r), path, LIMIT_KEY_SLOT, &object, NULL) != VV_OK ||
        key_slot_decode(vv_buf_span(&object), &slot, NULL) != VV_OK || !is_config(r, slot.config)) {
        return false;
    }
    vv_buf_reset(out);
    vv_buf_put(out, slot.config.data, slot.config.len);
    return true;
}

enum vv_rc
repo_config_bytes(struct repo *r, struct vv_buf *out, struct vv_error *err)
{
    struct name_list names;
    bool found = false;

    vv_buf_reset(out);
    if (storage_read_all(repo_storage(r), "config", LIMIT_CONFIG, out, NULL) == VV_OK &&
        is_config(r, vv_buf_span(out))) {
        return VV_OK;
    }
    VV_TRY(repo_list(r, "keys", &names, err));
    for (size_t i = 0; i < names.count && !found; i++) {
        found = config_in_slot(r, names.names[i], out);
    }
    name_list_release(&names);
    VV_TRY(vv_buf_check(out, err));
    return found ? VV_OK : vv_error_set(err, VV_ENOTFOUND, "there is no copy of 'config' left");
}

/* --- README, site ------------------------------------------------------------------------------ */

enum vv_rc
repo_readme_bytes(struct repo *r, struct vv_buf *out, struct vv_error *err)
{
    readme_text(repo_id(r), out);
    return vv_buf_check(out, err);
}

enum vv_rc
repo_new_site(struct repo *r, const struct vv_uuid *id, struct vv_buf *out, struct vv_error *err)
{
    struct site site = {.time = r->clock->realtime(r->clock),
                        .abilities = storage_abilities(r->storage)};

    if (id != NULL) {
        site.id = *id;
    } else {
        vv_random(site.id.b, sizeof(site.id.b));
    }
    VV_TRY(site_encode(&site, repo_id(r), out, err));
    r->site = site;
    return VV_OK;
}

/* --- setting aside ----------------------------------------------------------------------------- */

/** What can be read of an object; pieces that cannot are left out. */
static enum vv_rc
read_what_is_there(struct storage *st, const char *name, struct vv_buf *out, struct vv_error *err)
{
    uint64_t size = 0;

    if (storage_read_all(st, name, ASIDE_LIMIT, out, err) == VV_OK) {
        return VV_OK;
    }
    vv_error_clear(err);
    vv_buf_reset(out);
    VV_TRY(storage_size(st, name, &size, err));
    for (uint64_t at = 0; at < size && at < ASIDE_LIMIT; at += ASIDE_PIECE) {
        size_t got = 0;
        VV_TRY(vv_buf_reserve(out, ASIDE_PIECE, err));
        if (storage_read(st, name, at, out->data + out->len, ASIDE_PIECE, &got, NULL) == VV_OK) {
            out->len += got;
        }
    }
    return VV_OK;
}

enum vv_rc
repo_set_aside(struct repo *r, const char *name, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf bytes = {0};
    uint8_t random[8];
    char digits[17];
    char aside[STORAGE_NAME_MAX + 1];

    VV_TRY(read_what_is_there(r->storage, name, &bytes, err));
    vv_random(random, sizeof(random));
    vv_hex(digits, random, sizeof(random));
    (void)snprintf(aside, sizeof(aside), "tmp/" REPO_ASIDE_PREFIX "%s-%.200s", digits, name);
    for (char *c = aside + strlen("tmp/"); *c != '\0'; c++) {
        if (*c == '/') {
            *c = '_';
        }
    }
    VV_TRY(storage_publish(r->storage, aside, vv_buf_span(&bytes), err));
    return storage_remove(r->storage, name, err);
}
