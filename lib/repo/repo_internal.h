/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_REPO_INTERNAL_H
#define VARVE_REPO_REPO_INTERNAL_H

#include "repo/repo.h"

/* Shared by repo.c and the files that make or open repositories only. */

#define REPORTED_MAX 4096u /* problems remembered; what comes later may be told again */

struct repo {
    struct storage *storage; /* borrowed */
    struct keyring *keyring;
    struct local_state *state; /* NULL: none */
    char *cache;               /* "<cache dir>/<repository id>", NULL: none */
    char *cache_root;          /* as given, NULL: none */
    _Atomic bool cache_failed; /* it cannot be written to */
    char *state_root;          /* as given, NULL: none */
    const struct vv_clock *clock;
    struct vv_events *events;
    struct vv_cancel *cancel;
    struct replicas *replicas; /* NULL: none are used */
    const char *expect_head;   /* borrowed */
    bool accept_heads;
    _Atomic enum known_slots known_slots;
    struct site site;
    struct slot_info slot;
    _Atomic uint32_t epoch;
    _Atomic uint64_t scans;
    struct vv_mutex lock;            /* guards what follows */
    struct chunk_index *index_ahead; /* being loaded for whoever opens it next; NULL: none */
    struct slot_memory *slots;       /* NULL: none, or somebody uses it */
    struct slot_cache *slot_cache;   /* likewise */
    uint64_t reported[REPORTED_MAX];
    unsigned reported_count;
};

/** repo_index_ahead(r, x): put ${x} (may be NULL) in the place of what is being loaded ahead, and
 *  return that: it is the caller's now. */
struct chunk_index *repo_index_ahead(struct repo *r, struct chunk_index *x);

/** repo_slot_memory(r, m): put ${m} (may be NULL) in the place of the memory of slots, and return
 *  that: it is the caller's now. */
struct slot_memory *repo_slot_memory(struct repo *r, struct slot_memory *m);

/** repo_slot_cache(r, c): likewise of the cache of slots. */
struct slot_cache *repo_slot_cache(struct repo *r, struct slot_cache *c);

/** repo_make(...): a repo from keys that have been checked (${bundle} NULL: without any, from a
 *  config whose signature has been); site not yet loaded. */
MUST_CHECK enum vv_rc repo_make(struct storage *st, const struct key_bundle *bundle,
                                const struct config *config, const struct slot_info *slot,
                                const struct repo_options *options, struct repo **ret,
                                struct vv_error *err);
/** repo_open_config(st, config, options, ret, err): without a key, by a config whose signature has
 *  been checked and that is known to be the one there. */
MUST_CHECK enum vv_rc repo_open_config(struct storage *st, const struct config *config,
                                       const struct repo_options *options, struct repo **ret,
                                       struct vv_error *err);
MUST_CHECK enum vv_rc repo_load_site(struct repo *r, struct vv_error *err);
/** repo_use_cache(r, dir, err): "<dir>/<repository id>"; one that cannot be used is done without. */
MUST_CHECK enum vv_rc repo_use_cache(struct repo *r, const char *dir, struct vv_error *err);
/** repo_keys_elsewhere(st, secret, options, ret_bundle, ret_config, ret_slot, ret_url, err): the
 *  keys out of a replica's slots.  VV_ENOTFOUND if that leads nowhere. */
MUST_CHECK enum vv_rc repo_keys_elsewhere(struct storage *st, const struct slot_secret *secret,
                                          const struct repo_options *options,
                                          struct key_bundle *ret_bundle, struct config *ret_config,
                                          struct slot_info *ret_slot, const char **ret_url,
                                          struct vv_error *err);

/** readme_text(repository, out): the note for people. */
void readme_text(const struct vv_uuid *repository, struct vv_buf *out);
/** What init and becoming a replica both publish. */
MUST_CHECK enum vv_rc publish_readme(struct storage *st, const struct vv_uuid *repository,
                                     struct vv_error *err);
MUST_CHECK enum vv_rc publish_reserve(struct storage *st, uint64_t size, struct vv_error *err);
MUST_CHECK enum vv_rc publish_site(struct storage *st, const struct vv_uuid *repository,
                                   int64_t now, struct vv_error *err);

/** repo_config_object(st, out, ret, err): `config` as stored, its signature checked against the key
 *  inside it; where it is missing or damaged, a key slot's copy.  VV_ENOREPO if there is none. */
MUST_CHECK enum vv_rc repo_config_object(struct storage *st, struct vv_buf *out, struct config *ret,
                                         struct vv_error *err);

#endif
