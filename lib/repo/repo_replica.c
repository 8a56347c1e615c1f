/* SPDX-License-Identifier: BSD-2-Clause */
/* A replica as a repository, and keys out of a replica. */

#include <string.h>

#include "core/alloc.h"
#include "crypto/secret.h"
#include "repo/replica_site.h"
#include "repo/replicas_internal.h"
#include "repo/repo_internal.h"

enum vv_rc
repo_open_replica(struct repo *r, struct storage *st, struct vv_events *events, struct repo **ret,
                  struct vv_error *err)
{
    struct repo_options options = {.clock = r->clock, .events = events, .cancel = r->cancel};
    VV_CLEANUP(repo_freep) struct repo *made = NULL;
    struct vv_buf name = {0};
    struct vv_buf path = {0};
    char site[VV_UUID_TEXT];
    enum vv_rc rc = VV_OK;

    VV_TRY(repo_make(st, keyring_bundle(r->keyring), keyring_config(r->keyring), &r->slot, &options,
                     &made, err));
    VV_TRY(repo_load_site(made, err));
    vv_uuid_text(&made->site.id, site);
    vv_buf_printf(&name, "replica-%s", site);
    if (repo_cache_path(r, vv_buf_text(&name), &path)) {
        rc = repo_use_cache(made, vv_buf_text(&path), err);
    }
    vv_buf_release(&name);
    vv_buf_release(&path);
    VV_TRY(rc);
    *ret = TAKE(made);
    return VV_OK;
}

/** The repository id in a `config` that is whole. */
static bool
config_id(struct storage *st, struct vv_uuid *ret)
{
    struct vv_buf object = {0};
    struct vv_reader body;
    struct config config;
    bool whole = storage_read_all(st, "config", LIMIT_CONFIG, &object, NULL) == VV_OK &&
                 container_open(vv_buf_span(&object), FORMAT_CONFIG, NULL, &body, NULL) == VV_OK &&
                 config_decode(vv_buf_span(&object), &config, NULL) == VV_OK;

    if (whole) {
        *ret = config.repository;
    }
    vv_buf_release(&object);
    return whole;
}

/*
 * Only where `config` is there: a place without keys and without `config` is no repository, and
 * nobody should restore from elsewhere because of a mistyped path.  The keys must be those of this
 * `config`; a slot of another repository that the same secret opens is none of them.
 */
enum vv_rc
repo_keys_elsewhere(struct storage *st, const struct slot_secret *secret,
                    const struct repo_options *options, struct key_bundle *ret_bundle,
                    struct config *ret_config, struct slot_info *ret_slot, const char **ret_url,
                    struct vv_error *err)
{
    const struct replica_source *source = options->replicas;
    struct slot_list own = {0};
    struct vv_uuid id;
    bool needed = key_slots_list(st, &own, NULL) != VV_OK || own.count == 0 || own.damaged > 0;

    slot_list_release(&own);
    for (size_t i = 0; needed && i < source->count && config_id(st, &id); i++) {
        const char *url = source->urls[i];
        struct storage *other = NULL;
        struct vv_error why = {0};
        enum vv_rc rc = source->open(source->ctx, url, &other, &why);
        if (rc == VV_OK) {
            rc = key_slots_open_for(other, st, secret, ret_bundle, ret_config, ret_slot, &why);
        }
        storage_free(other);
        if (rc == VV_OK) {
            *ret_url = url;
            vv_emit(options->events, VV_EVENT_PROBLEM, "keys-healed", vv_span("keys", 4),
                    "missing or damaged here; a key slot of '%s' serves", url);
            return VV_OK;
        }
        if (rc == VV_ENOMEM || rc == VV_ECANCELLED) {
            *err = why;
            return rc;
        }
        vv_emit(options->events, VV_EVENT_WARNING, "replica-refused", vv_span(url, strlen(url)),
                "its key slots do not serve: %s", why.message);
    }
    return vv_error_set(err, VV_ENOTFOUND, "no replica has a key slot that serves");
}
