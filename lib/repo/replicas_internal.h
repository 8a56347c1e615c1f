/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_REPLICAS_INTERNAL_H
#define VARVE_REPO_REPLICAS_INTERNAL_H

#include "core/thread.h"
#include "repo/pack_reader.h"
#include "repo/replicas.h"

/* Shared by repo.c, replicas.c and replica_read.c. */

#define REPLICAS_MAX 64u

/** Events of a replica on their way to the repository's: its damage is a warning there. */
struct replica_events {
    struct vv_events base;
    struct vv_events *next;
    const char *url;
};

struct replica {
    char *url;
    bool remembered;
    enum replica_condition condition;
    uint64_t blocks;
    uint64_t objects;
    struct replica_events events;
    struct storage *storage;
    struct repo *repo;
    struct chunk_index *index;
    struct chunk_reader *reader;
};

/** A set of hashes, open addressing. */
struct hash_set {
    uint64_t *slots; /* 0: free */
    size_t room;     /* power of two */
    size_t count;
};

struct replicas {
    struct repo *repo; /* whose replicas they are; borrowed */
    const struct replica_source *source;
    struct vv_mutex opening; /* held while one is opened; taken before `lock` */
    struct vv_mutex lock;    /* guards all below but what an opened replica consists of */
    struct replica *items[REPLICAS_MAX];
    size_t count;
    bool recalled; /* those in local state have been added */
    struct hash_set blocks;
    struct healed_pack *packs;
    size_t pack_count;
    size_t pack_room;
};

/** replicas_new(r, source, ret, err): nothing is opened. */
MUST_CHECK enum vv_rc replicas_new(struct repo *r, const struct replica_source *source,
                                   struct replicas **ret, struct vv_error *err);
void replicas_free(struct replicas *s);

/** replicas_use(s, nth, ret, err): as replicas_repo, the whole of it. */
MUST_CHECK enum vv_rc replicas_use(struct replicas *s, size_t nth, struct replica **ret,
                                   struct vv_error *err);
/** replicas_note_key_slots(s, url): the keys came from there. */
void replicas_note_keys(struct replicas *s, const char *url);

#endif
