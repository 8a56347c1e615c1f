/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trace of the model followed by the real code.  Every process of the trace is one of the real
 * engine, stopped before each storage call that is a step of the protocol; the trace says whose turn it
 * is.  Where the code takes another step than the trace, or the same with another result, the code
 * differs from the (mutated) model.
 */
#ifndef VARVE_TESTS_REPLAY_H
#define VARVE_TESTS_REPLAY_H

#include "format/admin.h"
#include "format/pack.h"
#include "simulation/world.h"

enum { ACTORS = 6, STEP_TEXT = 64, PACK_SETS = 256 };
enum actor_kind { ACTOR_SESSION, ACTOR_REPLICATION, ACTOR_PRUNE };

struct replay;
struct actor {
    struct replay *replay;
    enum actor_kind kind;
    unsigned number; /* of its kind in the trace */
    unsigned host;
    bool started;
    bool reuses; /* the trace has it reuse its parent: what it reads beside counts for nothing */
    bool let_go; /* no more stops */
    unsigned process;
    char session[VV_UUID_TEXT]; /* "": not registered */
    uint32_t steps;             /* bits of those taken */
    char pending[STEP_TEXT];    /* the step it will take when it is let */
    enum vv_rc commit;          /* result of creating its slot */
    bool data_pack;             /* published, and not in the index yet */
    struct pack_name published; /* the last data pack */
    bool buried;                /* what it committed was forgotten and buried */
    bool listed_records;        /* the last listing was of admin/, not behind sessions/ */
    bool listed_sessions;       /* the last listing was of sessions/ */
    bool reported;              /* it ended with success */
    char ended[256];            /* how it ended */
    struct vv_events events;
    char state[160];
    char cache[160];
};
struct replay {
    struct world world;
    struct storage *elsewhere; /* where replications come from; NULL: none */
    struct actor actors[ACTORS];
    unsigned actor_count;
    struct {
        struct vv_uuid id;
        struct vv_uuid session;
    } first;                           /* the model's first snapshot */
    struct pack_name packs[PACK_SETS]; /* names of the model's packs, by their bits; 1: the first */
    struct vv_uuid repository;
    struct vv_uuid forget; /* of the first snapshot */
    bool fences;           /* prunes fence open sessions at once */
    bool forgets; /* the first snapshot is forgotten with a record that can be taken back */
};

/** steps_storage(a, inner): stops ${a} before each step of the protocol. */
MUST_CHECK struct storage *steps_storage(struct actor *a, struct storage *inner);

/* replay_actors.c */
/** actor_find(r, name): "session 0", "prune 1"; made when first asked for. */
struct actor *actor_find(struct replay *r, const char *name, bool is_replication);
void actor_start(struct actor *a);

/* replay_setup.c */
/** replay_setup(r, replica, rotten, suspect): the repository of the trace; in a process. */
struct setup {
    struct replay *replay;
    bool is_replica;
    bool rotten;  /* a damaged second copy of the chunk */
    bool suspect; /* which is known */
};
void replay_setup(void *setup);
/** What the administrator does in a trace; bodies of processes, of a struct replay. */
void replay_bury_first(void *replay);
/** Body of a process, of a struct actor: bury what its session committed. */
void replay_bury_session(void *actor);
void replay_forget_first(void *replay);
/** Carry the forget out, or take it back; body of a process, of this. */
struct forget_ending {
    struct replay *replay;
    enum forget_outcome outcome;
    enum vv_rc rc;
};
void replay_end_forget(void *ending);

#endif
