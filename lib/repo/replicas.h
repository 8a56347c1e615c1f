/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPO_REPLICAS_H
#define VARVE_REPO_REPLICAS_H

#include "repo/chunk_index.h"
#include "repo/repo.h"

/*
 * Where readers take damaged or missing objects from: other copies of the same repository, with
 * names and an index of their own.
 *
 * H1  A replica is opened when something failed here and not before: it is damaged or missing, or the
 *     storage was tried again for as long as it is worth while (event "repository-unreachable").  One that cannot be opened, or
 *     fails later, is named once and left alone for the rest of the run; the next one is tried.
 * H2  What a replica sends is believed no more than what the repository itself sends: blocks are
 *     authenticated and ids recomputed, records need their signatures.
 * H3  A replica whose `config` is another repository's, or not the one of the keys, is refused and
 *     named.
 * H4  Only readers use replicas (struct repo_options): a writer refers to nothing but what its own
 *     repository holds.
 * H5  What is buried or revoked here does not come back from elsewhere.
 * H6  Nothing here forgets that the repository is damaged: whatever came from a replica is a
 *     problem (events "block-healed", "snapshot-healed", "keys-healed"), and counted.
 *
 * Thread-safe.  A replica is opened by one thread while others that need it wait.
 */
struct replicas; /* repo_replicas(r) */

/** How a URL becomes a storage: the transport's options are the caller's business.  May be called
 *  from any thread, by one at a time. */
typedef enum vv_rc replica_open_fn(void *ctx, const char *url, struct storage **ret,
                                   struct vv_error *err);
/** Borrowed while the repository lives. */
struct replica_source {
    const char *const *urls; /* tried in this order, then those remembered in local state */
    size_t count;
    replica_open_fn *open;
    void *ctx;
};

enum replica_condition {
    REPLICA_UNUSED,      /* nothing was missing, or nobody looked there yet */
    REPLICA_OPEN,        /* in use */
    REPLICA_UNREACHABLE, /* cannot be opened, or failed */
    REPLICA_OTHER,       /* another repository, or this one itself */
    REPLICA_FORGED,      /* its `config` is not the one the keys belong to */
};
struct replica_report {
    const char *url;
    bool remembered; /* nobody named it: it is from local state */
    enum replica_condition condition;
    uint64_t blocks;  /* damaged or missing here that came from there; each once */
    uint64_t objects; /* likewise snapshots and key slots */
};
/** replicas_report(s, nth, ret): the ${nth} replica; false if there is none.  ${s} may be NULL. */
bool replicas_report(struct replicas *s, size_t nth, struct replica_report *ret);

/** replicas_read_chunk(s, loc, type, id, out, err): append a chunk that cannot be read here, from
 * the first replica that has it whole: in the same pack if ${loc} says which, else wherever the
 *  replica's index says.  VV_ENOTFOUND if none has it. */
MUST_CHECK enum vv_rc replicas_read_chunk(struct replicas *s, const struct chunk_location *loc,
                                          enum chunk_type type, const struct vv_id *id,
                                          struct vv_buf *out, struct vv_error *err);
/** replicas_find_chunk(s, type, id, ret, err): where a replica has a chunk that is nowhere here. */
MUST_CHECK enum vv_rc replicas_find_chunk(struct replicas *s, enum chunk_type type,
                                          const struct vv_id *id, struct chunk_location *ret,
                                          struct vv_error *err);

/** replicas_repo(s, nth, ret, err): the ${nth} replica, opened if need be, as a repository to read
 *  from (borrowed; without replicas of its own).  VV_ENOTFOUND: there is none, *ret is NULL; VV_OK
 *  with *ret NULL: this one cannot be used, which has been said. */
MUST_CHECK enum vv_rc replicas_repo(struct replicas *s, size_t nth, struct repo **ret,
                                    struct vv_error *err);
/** replicas_failed(s, nth, why): reading from it failed in a way that will not pass. */
void replicas_failed(struct replicas *s, size_t nth, const struct vv_error *why);
/** replicas_count_object(s, nth): an object came from there. */
void replicas_count_object(struct replicas *s, size_t nth);

/** replicas_has_pack(s, nth, name, size, read, ret, err): does the ${nth} replica hold these bytes
 *  under whatever suffix?  ${size} 0: unknown.  Compares sizes; with ${read} it reads and checks
 *  every byte. */
MUST_CHECK enum vv_rc replicas_has_pack(struct replicas *s, size_t nth,
                                        const struct pack_name *name, uint64_t size, bool read,
                                        bool *ret, struct vv_error *err);

/** A pack some of whose blocks came from a replica. */
struct healed_pack {
    struct pack_name name;
    size_t replica;
    uint64_t blocks;
};
/** replicas_healed(s, nth, ret): the ${nth} of them; false if there are no more. */
bool replicas_healed(struct replicas *s, size_t nth, struct healed_pack *ret);

#endif
