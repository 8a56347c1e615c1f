/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening a repository without a key. */
#include <string.h>

#include "crypto/asymmetric.h"
#include "crypto/secret.h"
#include "repo/repo_internal.h"

/** Is this a config, signed by the administrator it names? */
static enum vv_rc
check_config(struct vv_span object, struct config *ret, struct vv_error *err)
{
    struct vv_reader body;
    struct vv_span message;
    struct vv_span signature;

    VV_TRY(container_open(object, FORMAT_CONFIG, NULL, &body, err));
    VV_TRY(config_decode(object, ret, err));
    if (!container_signed_part(object, &message, &signature) ||
        !ed25519_verify(ret->admin_public, message, signature.data)) {
        return vv_error_set(err, VV_EFORGED,
                            "'config' is not signed by the administrator it names");
    }
    return VV_OK;
}

struct search {
    struct storage *st;
    struct vv_buf *out;
    struct config *ret;
    bool found;
};

/** A key slot: does it hold a copy of config? */
static enum vv_rc
try_slot(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct search *s = ctx;
    struct vv_buf object = {0};
    struct key_slot slot;
    char path[5 + STORAGE_COMPONENT_MAX + 1] = "keys/";

    (void)err;
    if (s->found || size > LIMIT_KEY_SLOT || strlen(name) > STORAGE_COMPONENT_MAX) {
        return VV_OK;
    }
    memcpy(path + 5, name, strlen(name) + 1);
    if (storage_name_valid(path) &&
        storage_read_all(s->st, path, LIMIT_KEY_SLOT, &object, NULL) == VV_OK &&
        key_slot_decode(vv_buf_span(&object), &slot, NULL) == VV_OK &&
        check_config(slot.config, s->ret, NULL) == VV_OK) {
        vv_buf_reset(s->out);
        vv_buf_put(s->out, slot.config.data, slot.config.len);
        s->found = !s->out->failed;
    }
    vv_buf_release(&object);
    return VV_OK;
}

enum vv_rc
repo_config_object(struct storage *st, struct vv_buf *out, struct config *ret, struct vv_error *err)
{
    struct search s = {.st = st, .out = out, .ret = ret};
    struct vv_error why = {0};
    enum vv_rc rc;

    vv_buf_reset(out);
    rc = storage_read_all(st, "config", LIMIT_CONFIG, out, &why);
    if (rc == VV_OK) {
        rc = check_config(vv_buf_span(out), ret, &why);
    }
    if (rc == VV_ENOTFOUND || rc == VV_ECORRUPT || rc == VV_ELIMIT || rc == VV_EIO) {
        enum vv_rc listed = storage_list(st, "keys", try_slot, &s, NULL);
        if (listed == VV_OK && s.found) {
            return VV_OK;
        }
    }
    if (rc == VV_ENOTFOUND) {
        rc = vv_error_set(err, VV_ENOREPO, "there is no varve repository at '%s'", st->url);
        vv_error_hint(err, "'varve -r %s init' makes one", st->url);
        return rc;
    }
    if (rc != VV_OK && err != NULL) {
        *err = why;
    }
    return vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
}

enum vv_rc
repo_open_config(struct storage *st, const struct config *config,
                 const struct repo_options *options, struct repo **ret, struct vv_error *err)
{
    VV_CLEANUP(repo_freep) struct repo *r = NULL;
    struct slot_info slot = {0};

    VV_TRY(repo_make(st, NULL, config, &slot, options, &r, err));
    VV_TRY(repo_load_site(r, err));
    *ret = TAKE(r);
    return VV_OK;
}

enum vv_rc
repo_open_keyless(struct storage *st, const struct repo_options *options, struct repo **ret,
                  struct vv_error *err)
{
    struct vv_buf object = {0};
    struct config config;
    enum vv_rc rc;

    VV_TRY(crypto_init(err));
    rc = repo_config_object(st, &object, &config, err);
    vv_buf_release(&object);
    VV_TRY(rc);
    return repo_open_config(st, &config, options, ret, err);
}
