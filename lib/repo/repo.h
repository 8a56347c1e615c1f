/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_REPO_H
#define VARVE_REPO_REPO_H

#include "core/clock.h"
#include "core/event.h"
#include "core/thread.h"
#include "format/admin.h"
#include "repo/key_slots.h"
#include "repo/keyring.h"
#include "repo/local_state.h"
#include "storage/storage.h"

/** An opened repository: storage, keys, site, this host's state and cache, the index (lazily). */
struct repo;
struct index;          /* repo/index.h */
struct replicas;       /* repo/replicas.h */
struct replica_source; /* repo/replicas.h */

/** What a run may make of slots this host has read before (repo/slot_cache.h). */
enum known_slots {
    KNOWN_SLOTS_UNUSED,
    KNOWN_SLOTS_COMPARED, /* each is read; one that is the same as before was checked before */
    KNOWN_SLOTS_TRUSTED,  /* they are not read again: what they are like now does not matter */
};

struct repo_options {
    const char *state_dir;        /* VARVE_STATE_DIR; NULL: no state (freshness not checked) */
    const char *cache_dir;        /* VARVE_CACHE_DIR; NULL: no cache (temporary memory instead) */
    const struct vv_clock *clock; /* NULL: the system's */
    struct vv_events *events;
    struct vv_cancel *cancel;
    /* NULL: nothing is taken from replicas, as must be for writing (H4).  Borrowed. */
    const struct replica_source *replicas;
    const struct key_objects *keys; /* as read from the storage before; NULL: repo_open does */
    enum known_slots known_slots;
    const char *expect_head; /* a head that must be there (head_text); NULL: none.  Borrowed. */
    bool accept_heads;       /* what is missing now is not missed again (needs a state directory) */
};

struct repo_init_options {
    const struct slot_secret *secret; /* the first slot */
    const char *label;
    struct slot_cost cost;
    const struct slot_secret *recovery; /* recovery words' 32 bytes, or NULL */
    uint64_t reserve;                   /* bytes set aside, 0: none */
    uint32_t chunk_min, chunk_max;      /* 0: defaults */
    uint64_t chunk_threshold;
    bool parity; /* this site keeps parity of packs (repo/pack_parity.h) */
};
/**
 * repo_init(st, init, options, ret, err): Make a repository: layout, keys, config, site, README,
 * reserve, slots.  Commit point is `config`, published last: an init that dies before leaves a
 * directory that a second init refuses with a hint.  VV_EREFUSED if the place is not empty.
 */
MUST_CHECK enum vv_rc repo_init(struct storage *st, const struct repo_init_options *init,
                                const struct repo_options *options, struct repo **ret,
                                struct vv_error *err);
/** repo_open(st, secret, options, ret, err): ${st} is borrowed and must outlive the repository.
 *  VV_ENOREPO, VV_EKEY, VV_ECORRUPT (config does not fit the slot: VV_EFORGED).  Where no key slot
 *  can be read any more, but `config` can, those of a replica that was named serve. */
MUST_CHECK enum vv_rc repo_open(struct storage *st, const struct slot_secret *secret,
                                const struct repo_options *options, struct repo **ret,
                                struct vv_error *err);
/** repo_open_keyless(st, options, ret, err): without any key, for copying and checking: the
 *  administrator's public key is taken from `config` and pinned in the state directory when it is
 *  first seen (another one later: VV_EFORGED).  What needs a key (bodies of snapshots and index
 *  records, packs, client keys, administrator's signatures) must not be asked for; the session of a
 *  replication can be begun. */
MUST_CHECK enum vv_rc repo_open_keyless(struct storage *st, const struct repo_options *options,
                                        struct repo **ret, struct vv_error *err);
bool repo_is_keyless(const struct repo *r);
void repo_free(struct repo *r);
VV_DEFINE_CLEANUP(struct repo, repo_free);

struct storage *repo_storage(struct repo *r);
struct replicas *repo_replicas(const struct repo *r); /* NULL: none are used */
const struct keyring *repo_keyring(const struct repo *r);
struct local_state *repo_state(struct repo *r); /* NULL without a (usable) state directory */
const struct vv_clock *repo_clock(const struct repo *r);
struct vv_events *repo_events(const struct repo *r);
struct vv_cancel *repo_cancel(const struct repo *r);
const struct site *repo_site(const struct repo *r);
const struct vv_uuid *repo_id(const struct repo *r);
const struct slot_info *repo_slot(const struct repo *r); /* which slot opened it */
const char *repo_expect_head(const struct repo *r);      /* NULL: none */
bool repo_accept_heads(const struct repo *r);
/** repo_known_slots(r) / repo_use_known_slots(r, how): as it was opened with / from now on. */
enum known_slots repo_known_slots(const struct repo *r);
void repo_use_known_slots(struct repo *r, enum known_slots how);
uint32_t repo_epoch(const struct repo *r); /* newest epoch, used for writing */
/** repo_note_epoch(r, epoch): an epoch whose keys are known; never goes back.  Thread-safe. */
void repo_note_epoch(struct repo *r, uint32_t epoch);
/** repo_has_recovery(r, ret, err): is there a recovery-words slot? */
MUST_CHECK enum vv_rc repo_has_recovery(struct repo *r, bool *ret, struct vv_error *err);
/** repo_cache_path(r, name, out): "<cache>/<repository id>/<name>"; false without a cache. */
MUST_CHECK bool repo_cache_path(struct repo *r, const char *name, struct vv_buf *out);
/** repo_cache_identity / repo_state_identity(r, device, inode): the directories this process
 *  writes to locally, so that a backup can leave them out; false if there is none. */
bool repo_cache_identity(struct repo *r, uint64_t *ret_device, uint64_t *ret_inode);
bool repo_state_identity(struct repo *r, uint64_t *ret_device, uint64_t *ret_inode);
/** repo_cache_failed(r, why): something could not be written to the cache: from now on temporary files
 *  are made elsewhere.  Told the first time (event "cache-unusable").  Thread-safe. */
void repo_cache_failed(struct repo *r, const struct vv_error *why);
bool repo_cache_has_failed(const struct repo *r);
/** repo_temp_dir(r): a directory for unnamed temporary files (the cache unless it has failed, else
 *  TMPDIR or /tmp). */
const char *repo_temp_dir(struct repo *r);

/** repo_read_object(r, name, kind, limit, out, ret_body, err): read a plain container and check it
 *  (trailer, kind, repository). */
MUST_CHECK enum vv_rc repo_read_object(struct repo *r, const char *name, enum format_kind kind,
                                       uint64_t limit, struct vv_buf *out,
                                       struct vv_reader *ret_body, struct vv_error *err);

/** repo_report(r, event, about, text): a problem with an object, told once per opened repository
 *  however often the object is met.  Thread-safe. */
void repo_report(struct repo *r, const char *event, const char *about, const char *text);

/** repo_scan_number(r) / repo_scan_begins(r): how many times slots have been listed; whoever has
 *  read something since the last time has seen all that the snapshots listed then refer to.
 *  Thread-safe. */
uint64_t repo_scan_number(const struct repo *r);
void repo_scan_begins(struct repo *r);

/** Names of a directory, as an array of strings (sorted), released with name_list_release. */
struct name_list {
    char **names;
    uint64_t *sizes;
    size_t count;
};
MUST_CHECK enum vv_rc repo_list(struct repo *r, const char *directory, struct name_list *ret,
                                struct vv_error *err);
void name_list_release(struct name_list *l);
/** repo_list_shards(r, "packs", ret, err): packs/00 to packs/ff, as repo_list of each, in a few round
 *  trips; ${ret} has STORAGE_SHARDS lists, released with name_lists_release. */
MUST_CHECK enum vv_rc repo_list_shards(struct repo *r, const char *directory,
                                       struct name_list **ret, struct vv_error *err);
void name_lists_release(struct name_list *lists);
/** repo_read_threads(r, most): how many threads reading is worth: the processors', or what the
 *  storage takes at once if that is more, then at most ${most}. */
unsigned repo_read_threads(struct repo *r, unsigned most);
/** repo_check_object(r, name, kind, object, ret_body, err): as repo_read_object, of bytes that were
 *  read already. */
MUST_CHECK enum vv_rc repo_check_object(struct repo *r, const char *name, enum format_kind kind,
                                        struct vv_span object, struct vv_reader *ret_body,
                                        struct vv_error *err);

#endif
