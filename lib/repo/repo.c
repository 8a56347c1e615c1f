/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening a repository, and what its parts ask it for. */

#include "repo/repo.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "core/file.h"
#include "crypto/secret.h"
#include "repo/chunk_index.h"
#include "repo/replicas_internal.h"
#include "repo/repo_internal.h"
#include "repo/slot_cache.h"
#include "repo/slot_memory.h"

enum vv_rc
repo_use_cache(struct repo *r, const char *dir, struct vv_error *err)
{
    struct vv_buf path = {0};
    struct vv_error why = {0};
    char id[VV_UUID_TEXT];
    enum vv_rc rc;

    vv_uuid_text(repo_id(r), id);
    vv_buf_printf(&path, "%s/%s", dir, id);
    rc = vv_buf_check(&path, err);
    if (rc == VV_OK) {
        r->cache = vv_strdup(vv_buf_text(&path));
        r->cache_root = vv_strdup(dir);
        rc = r->cache == NULL || r->cache_root == NULL ? vv_error_nomem(err) : VV_OK;
    }
    vv_buf_release(&path);
    if (rc == VV_OK && vv_mkdir_all(r->cache, 0700, &why) != VV_OK) {
        vv_emit(r->events, VV_EVENT_WARNING, "cache-unusable", vv_span(r->cache, strlen(r->cache)),
                "%s; going on without a cache", why.message);
        vv_free(TAKE(r->cache));
    }
    return rc;
}

/** Reading must be possible on a host whose disk is full or read-only: without state freshness is
 *  "not checked", and writer_session_begin refuses. */
static enum vv_rc
open_state(struct repo *r, const char *dir, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc;

    r->state_root = vv_strdup(dir);
    if (r->state_root == NULL) {
        return vv_error_nomem(err);
    }
    rc = local_state_open(dir, r->keyring, &r->state, &why);
    if (rc == VV_ENOMEM) {
        return vv_error_nomem(err);
    }
    if (rc != VV_OK) {
        vv_emit(r->events, VV_EVENT_WARNING, "state-unusable", vv_span(dir, strlen(dir)),
                "the state directory cannot be used, freshness is not checked: %s", why.message);
    }
    return VV_OK;
}

/** Without a key the administrator's key is believed when it is first seen, and no other one later;
 *  a key proves it. */
static enum vv_rc
pin_administrator(struct repo *r, struct vv_error *err)
{
    const uint8_t *key = keyring_admin_public(r->keyring);
    struct vv_error why = {0};
    enum vv_rc rc = keyring_is_public(r->keyring) ? local_state_pin(r->state, key, &why)
                                                  : local_state_repin(r->state, key, &why);

    if (rc == VV_EFORGED || rc == VV_ENOMEM) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    if (rc != VV_OK && keyring_is_public(r->keyring)) {
        vv_emit(r->events, VV_EVENT_WARNING, "state-unusable", vv_span(NULL, 0),
                "the administrator's key cannot be compared with earlier runs: %s", why.message);
    }
    return VV_OK;
}

enum vv_rc
repo_make(struct storage *st, const struct key_bundle *bundle, const struct config *config,
          const struct slot_info *slot, const struct repo_options *options, struct repo **ret,
          struct vv_error *err)
{
    VV_CLEANUP(repo_freep) struct repo *r = vv_alloc_array(1, sizeof(*r));

    if (r == NULL) {
        return vv_error_nomem(err);
    }
    vv_mutex_init(&r->lock);
    r->storage = st;
    r->slot = *slot;
    r->clock = options->clock != NULL ? options->clock : vv_clock_system();
    r->events = options->events;
    r->cancel = options->cancel;
    r->expect_head = options->expect_head;
    r->accept_heads = options->accept_heads;
    r->known_slots = options->known_slots;
    VV_TRY(bundle != NULL ? keyring_new(bundle, config, &r->keyring, err)
                          : keyring_new_public(config, &r->keyring, err));
    if (bundle != NULL && bundle->epoch_count > 0) {
        repo_note_epoch(r, bundle->epochs[bundle->epoch_count - 1].number);
    }
    if (options->cache_dir != NULL) {
        VV_TRY(repo_use_cache(r, options->cache_dir, err));
    }
    if (options->state_dir != NULL) {
        VV_TRY(open_state(r, options->state_dir, err));
    }
    if (r->state != NULL) {
        VV_TRY(pin_administrator(r, err));
    }
    if (options->replicas != NULL) {
        VV_TRY(replicas_new(r, options->replicas, &r->replicas, err));
    }
    *ret = TAKE(r);
    return VV_OK;
}

/** `site` is not worth failing for when reading: without it (or with a damaged one) the site id is
 *  zero, freshness cannot be judged, and nothing can be written (writer_session_begin). */
static enum vv_rc
take_site(struct repo *r, enum vv_rc rc, struct vv_span object, struct vv_error *err)
{
    if (rc == VV_OK) {
        rc = site_decode(object, repo_id(r), &r->site, err);
    }
    if (rc == VV_ENOTFOUND || rc == VV_ECORRUPT || rc == VV_ELIMIT || rc == VV_EIO) {
        vv_emit(r->events, VV_EVENT_WARNING, "site-damaged", vv_span("site", 4),
                "'site' is missing or damaged: this copy of the repository has no identity");
        memset(&r->site, 0, sizeof(r->site));
        vv_error_clear(err);
        rc = VV_OK;
    }
    return rc;
}

enum vv_rc
repo_load_site(struct repo *r, struct vv_error *err)
{
    struct vv_buf object = {0};
    enum vv_rc rc = storage_read_all(r->storage, "site", LIMIT_SMALL_OBJECT, &object, err);

    rc = take_site(r, rc, vv_buf_span(&object), err);
    vv_buf_release(&object);
    return rc;
}

/** The keys that the secret opens here, or where nothing here can be read, at a replica. */
static enum vv_rc
open_keys(struct storage *st, const struct key_objects *keys, enum vv_rc rc,
          const struct slot_secret *secret, const struct repo_options *options,
          struct key_bundle *ret_bundle, struct config *ret_config, struct slot_info *ret_slot,
          const char **ret_elsewhere, struct vv_error *err)
{
    if (rc == VV_OK) {
        rc = key_objects_open(keys, secret, ret_bundle, ret_config, ret_slot, err);
    }
    if ((rc == VV_ENOREPO || rc == VV_ECORRUPT || rc == VV_EKEY) && options->replicas != NULL) {
        struct vv_error why = {0};
        enum vv_rc other = repo_keys_elsewhere(st, secret, options, ret_bundle, ret_config,
                                               ret_slot, ret_elsewhere, &why);
        if (other != VV_ENOTFOUND) {
            rc = other;
            if (err != NULL) {
                *err = why;
            }
        }
    }
    return rc;
}

enum vv_rc
repo_open(struct storage *st, const struct slot_secret *secret, const struct repo_options *options,
          struct repo **ret, struct vv_error *err)
{
    VV_CLEANUP(repo_freep) struct repo *r = NULL;
    VV_CLEANUP(key_objects_freep) struct key_objects *own = NULL;
    const struct key_objects *keys = options->keys;
    struct key_bundle bundle;
    struct config config;
    struct slot_info slot;
    struct vv_span site = {0};
    const char *elsewhere = NULL;
    enum vv_rc rc;

    VV_TRY(crypto_init(err));
    if (keys == NULL) {
        rc = key_objects_read(st, &own, err);
        keys = own;
    } else {
        rc = VV_OK;
    }
    rc = open_keys(st, keys, rc, secret, options, &bundle, &config, &slot, &elsewhere, err);
    VV_TRY(rc);
    if (slot.config_copy) {
        vv_emit(options->events, VV_EVENT_PROBLEM, "config-damaged", vv_span("config", 6),
                "'config' is missing or damaged; the copy in the key slot serves");
    }
    rc = repo_make(st, &bundle, &config, &slot, options, &r, err);
    crypto_wipe(&bundle, sizeof(bundle));
    VV_TRY(rc);
    if (elsewhere != NULL) {
        replicas_note_keys(r->replicas, elsewhere);
    }
    if (keys == NULL) {
        VV_TRY(repo_load_site(r, err));
    } else {
        rc = key_objects_site(keys, &site, err);
        VV_TRY(take_site(r, rc, site, err));
    }
    *ret = TAKE(r);
    return VV_OK;
}

void
repo_free(struct repo *r)
{
    if (r == NULL) {
        return;
    }
    chunk_index_free(r->index_ahead); /* its thread uses the rest */
    slot_memory_free(r->slots);
    slot_cache_free(r->slot_cache);
    replicas_free(r->replicas);
    keyring_free(r->keyring);
    local_state_free(r->state);
    vv_free(r->cache);
    vv_free(r->cache_root);
    vv_free(r->state_root);
    vv_mutex_release(&r->lock);
    vv_free(r);
}

struct chunk_index *
repo_index_ahead(struct repo *r, struct chunk_index *x)
{
    struct chunk_index *before;

    vv_mutex_lock(&r->lock);
    before = r->index_ahead;
    r->index_ahead = x;
    vv_mutex_unlock(&r->lock);
    return before;
}

struct slot_memory *
repo_slot_memory(struct repo *r, struct slot_memory *m)
{
    struct slot_memory *before;

    vv_mutex_lock(&r->lock);
    before = r->slots;
    r->slots = m;
    vv_mutex_unlock(&r->lock);
    return before;
}

struct slot_cache *
repo_slot_cache(struct repo *r, struct slot_cache *c)
{
    struct slot_cache *before;

    vv_mutex_lock(&r->lock);
    before = r->slot_cache;
    r->slot_cache = c;
    vv_mutex_unlock(&r->lock);
    return before;
}

struct storage *
repo_storage(struct repo *r)
{
    return r->storage;
}

struct replicas *
repo_replicas(const struct repo *r)
{
    return r->replicas;
}

const struct keyring *
repo_keyring(const struct repo *r)
{
    return r->keyring;
}

struct local_state *
repo_state(struct repo *r)
{
    return r->state;
}

const struct vv_clock *
repo_clock(const struct repo *r)
{
    return r->clock;
}

struct vv_events *
repo_events(const struct repo *r)
{
    return r->events;
}

struct vv_cancel *
repo_cancel(const struct repo *r)
{
    return r->cancel;
}

const struct site *
repo_site(const struct repo *r)
{
    return &r->site;
}

bool
repo_is_keyless(const struct repo *r)
{
    return keyring_is_public(r->keyring);
}

const struct vv_uuid *
repo_id(const struct repo *r)
{
    return &keyring_config(r->keyring)->repository;
}

const struct slot_info *
repo_slot(const struct repo *r)
{
    return &r->slot;
}

const char *
repo_expect_head(const struct repo *r)
{
    return r->expect_head;
}

enum known_slots
repo_known_slots(const struct repo *r)
{
    return atomic_load(&r->known_slots);
}

void
repo_use_known_slots(struct repo *r, enum known_slots how)
{
    atomic_store(&r->known_slots, how);
}

bool
repo_accept_heads(const struct repo *r)
{
    return r->accept_heads;
}

uint32_t
repo_epoch(const struct repo *r)
{
    return atomic_load(&r->epoch);
}

void
repo_note_epoch(struct repo *r, uint32_t epoch)
{
    uint32_t known = atomic_load(&r->epoch);

    while (epoch > known && !atomic_compare_exchange_weak(&r->epoch, &known, epoch)) {
    }
}

uint64_t
repo_scan_number(const struct repo *r)
{
    return atomic_load(&r->scans);
}

void
repo_scan_begins(struct repo *r)
{
    atomic_fetch_add(&r->scans, 1);
}

void
repo_report(struct repo *r, const char *event, const char *about, const char *text)
{
    uint64_t hash = vv_hash64(about, strlen(about), vv_hash64(event, strlen(event), 0));
    bool known = false;

    vv_mutex_lock(&r->lock);
    for (unsigned i = 0; i < r->reported_count && !known; i++) {
        known = r->reported[i] == hash;
    }
    if (!known && r->reported_count < REPORTED_MAX) {
        r->reported[r->reported_count++] = hash;
    }
    vv_mutex_unlock(&r->lock);
    if (!known) {
        vv_emit(r->events, VV_EVENT_PROBLEM, event, vv_span(about, strlen(about)), "%s", text);
    }
}

enum vv_rc
repo_has_recovery(struct repo *r, bool *ret, struct vv_error *err)
{
    struct slot_list l;

    VV_TRY(key_slots_list(r->storage, &l, err));
    *ret = false;
    for (size_t i = 0; i < l.count; i++) {
        if (l.slots[i].type == KEY_SLOT_RECOVERY) {
            *ret = true;
        }
    }
    slot_list_release(&l);
    return VV_OK;
}

bool
repo_cache_path(struct repo *r, const char *name, struct vv_buf *out)
{
    if (r->cache == NULL) {
        return false;
    }
    vv_buf_reset(out);
    vv_buf_printf(out, "%s/%s", r->cache, name);
    (void)vv_buf_text(out);
    return !out->failed;
}

static bool
identity(const char *path, uint64_t *ret_device, uint64_t *ret_inode)
{
    struct stat st;

    if (path == NULL || stat(path, &st) != 0) {
        return false;
    }
    *ret_device = st.st_dev;
    *ret_inode = st.st_ino;
    return true;
}

bool
repo_cache_identity(struct repo *r, uint64_t *ret_device, uint64_t *ret_inode)
{
    return identity(r->cache_root, ret_device, ret_inode);
}

bool
repo_state_identity(struct repo *r, uint64_t *ret_device, uint64_t *ret_inode)
{
    return identity(r->state_root, ret_device, ret_inode);
}

void
repo_cache_failed(struct repo *r, const struct vv_error *why)
{
    if (!atomic_exchange(&r->cache_failed, true) && r->cache != NULL) {
        vv_emit(r->events, VV_EVENT_WARNING, "cache-unusable", vv_span(r->cache, strlen(r->cache)),
                "%s; going on without a cache", why->message);
    }
}

bool
repo_cache_has_failed(const struct repo *r)
{
    return r->cache_failed;
}

const char *
repo_temp_dir(struct repo *r)
{
    const char *dir;

    if (r->cache != NULL && !r->cache_failed) {
        return r->cache;
    }
    dir = getenv("TMPDIR");
    return dir != NULL && dir[0] == '/' ? dir : "/tmp";
}
