/* SPDX-License-Identifier: BSD-2-Clause */
/* For unit tests of repo/: a repository in memory, several hosts that use it, and a storage that
 * can be told what to do between any two operations. */
#ifndef VARVE_TESTS_HELPER_REPOSITORY_H
#define VARVE_TESTS_HELPER_REPOSITORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/clock.h"
#include "repo/key_roles.h"
#include "repo/pack_reader.h"
#include "repo/pack_writer.h"
#include "repo/replicas.h"
#include "repo/snapshots.h"

extern struct vv_error world_err;
#define E (&world_err)
#define must(call)                                                                                 \
    do {                                                                                           \
        enum vv_rc must_rc_ = (call);                                                              \
        if (must_rc_ != VV_OK) {                                                                   \
            fail_msg("%s: %s: %s", #call, vv_rc_name(must_rc_), world_err.message);                \
        }                                                                                          \
    } while (0)

struct world_events {
    struct vv_events base;
    char names[256][32];
    unsigned count;
    unsigned problems;
};
struct world {
    char dir[64]; /* state and cache directories are below */
    struct vv_clock_manual clock;
    struct storage *memory;
    struct storage *storage; /* around memory; what repositories use */
    struct world_events events;
    storage_fault_fn *hook; /* NULL: everything passes */
    void *hook_ctx;
    bool no_cache;
    const struct replica_source *replicas; /* what world_open opens with */
    const char *expect_head;               /* likewise */
    bool accept_heads;
};

/** world_begin(w): a fresh repository; opens nothing.  world_end(w) removes everything. */
void world_begin(struct world *w);
void world_end(struct world *w);
/** world_open(w, host): as the host of that name (own state and cache).  repo_free it. */
struct repo *world_open(struct world *w, const char *host);
/** world_add_client(w, role, name): a key for a client, made by host "init"; its secret is its name,
 *  repeated.  world_open_client(w, name, host): open with it. */
void world_add_client(struct world *w, enum key_role role, const char *name);
struct repo *world_open_client(struct world *w, const char *name, const char *host);
/** world_second_site(w): from now on a copy with another site id, as replication would make it. */
void world_second_site(struct world *w);
/** world_told(w, name): how many events of that name there were; world_forget_events(w). */
unsigned world_told(const struct world *w, const char *name);
void world_forget_events(struct world *w);
/** world_problems(w): how many of them were problems (exit 3 or worse). */
unsigned world_problems(const struct world *w);
/** Names in a directory, sorted; name_list_release. */
struct name_list world_names(struct world *w, const char *directory);
/** world_flip(w, object, at): change one bit (offset from the end if negative). */
void world_flip(struct world *w, const char *object, long at);
void world_drop(struct world *w, const char *object);
/** Publish bytes directly, whatever they are. */
void world_poke(struct world *w, const char *object, const void *data, size_t len);
/** Bytes of an object, copied; vv_buf_release. */
struct vv_buf world_bytes(struct world *w, const char *object);

/** One writing run. */
struct run {
    struct repo *repo;
    struct writer_session *session;
    struct chunk_index *index;
    struct pack_writer *writer;
    struct block_builder *builder;
};
void run_begin(struct run *r, struct repo *repo);
/** run_put(r, text, ret_id): store a text as a data chunk; was it new? */
bool run_put(struct run *r, const char *text, struct vv_id *ret_id);
void run_flush(struct run *r);
/** run_commit(r, ret): flush and commit a snapshot of host "shop" with source "/srv". */
enum vv_rc run_commit(struct run *r, struct snapshot *ret, struct vv_error *err);
void run_end(struct run *r);
/** backup(repo, text, ret): a whole run that stores one chunk. */
void backup(struct repo *repo, const char *text, struct snapshot *ret);

/** Names of the packs there are. */
struct pack_name *world_packs(struct world *w, size_t *ret_count);
/** The pack an id lies in, through a fresh index. */
struct pack_name pack_of(struct repo *repo, const struct vv_id *id);
/** Can the chunk be read through a fresh index, and is it this text? */
enum vv_rc read_text(struct repo *repo, const struct vv_id *id, const char *text);

/** Publish a grave list in the administrator's name. */
void publish_graves(struct repo *repo, const char *name, const struct grave *graves,
                    uint32_t count);
/** Fence a session as a prune would. */
enum vv_rc publish_fence(struct repo *repo, const struct vv_uuid *session, int with_signature);
void publish_suspect(struct repo *repo, const char *name, const struct pack_name *pack);
/** What a prune does at the end: drop all index segments (readers rebuild) and a pack. */
void remove_pack(struct world *w, const struct pack_name *name);

#endif
