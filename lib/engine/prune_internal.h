/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_PRUNE_INTERNAL_H
#define VARVE_ENGINE_PRUNE_INTERNAL_H

#include "engine/id_set_internal.h"
#include "engine/prune.h"
#include "engine/retention.h"
#include "repo/index_marks.h"
#include "repo/index_rewrite.h"
#include "repo/open_sessions.h"
#include "repo/pack_list.h"
#include "repo/pack_writer.h"
#include "repo/stillness.h"

/* Shared by prune*.c. */

/** A listed pack. */
struct prune_pack {
    uint64_t blocks;     /* stored bytes of all blocks */
    uint64_t stays;      /* bytes that are worth keeping, about */
    uint64_t live_bytes; /* plaintext of chunks counted here */
    uint64_t live_chunks;
    uint8_t class;
    bool named;   /* an index record, or its own directory, tells what it holds */
    bool indexed; /* a segment names it */
    bool suspect;
    bool condemned; /* by a list that was pending before this run's */
    bool open;      /* its header names an open session (I2); decided only for candidates */
    bool victim;    /* condemned by this run's list, adopted ones included */
    bool dead;      /* nothing of it was live when it was chosen */
    bool kept;      /* cannot go yet: something live in it has no other copy (I3, I4) */
};

/** What stays from one round to the next. */
struct prune {
    struct repo *repo;
    const struct prune_options *options;
    struct vv_progress *progress; /* may be NULL */
    struct prune_summary s;
    struct stillness *still; /* NULL: dry run */
    struct chunk_index *index;
    struct chunk_reader *chunks;
    struct id_set entered; /* nodes and lists */
    struct id_set walked;  /* snapshots, by the hashes of their records */
    struct live_chunks *live;
    struct vv_buf records; /* ids of record chunks worth keeping (record_chunks.h) */
    double moved_dead;     /* blocks of which at most this part is dead move as they are */
    uint64_t budget_left;  /* less what stays of the packs that were chosen so far */
    uint64_t reserve;      /* size of the reserve that was dropped; 0: none was */
    unsigned steps;        /* nodes read since the index was let go of */
    unsigned overtaken;    /* rounds that another prune put an end to */
};

/** One session's work. */
struct prune_round {
    struct prune *p;
    struct writer_session *session; /* NULL: dry run */
    struct admin_records admin;     /* as last read */
    struct condemned_set condemned; /* as last read */
    struct pack_list packs;         /* as last listed */
    struct prune_pack *items;       /* of packs, in their order */
    struct index_marks *marks;
    uint8_t *standing;    /* of the packs of marks */
    struct pack_name *go; /* this run's list: what goes; sorted */
    bool *go_dead;        /* of go: nothing of it was live when it was chosen */
    size_t go_count;
    struct index_rewrite *rewrite; /* begun before anything is copied */
    uint64_t space;                /* bytes that may be written before anything is deleted */
    bool more;                     /* there is more to do when this round has made room */
    bool overtaken; /* another prune closed this session, or deleted what it was to read: what is
                       missing is no damage */
};

/* --- prune_mark.c: P1 and P4 ------------------------------------------------------------------ */

/** prune_check_list(l, err): refuse what I4 names. */
MUST_CHECK enum vv_rc prune_check_list(const struct snapshot_list *l, struct vv_error *err);
#define PRUNE_LIVE_MEMORY (64u << 20) /* for sorting the ids of live chunks */
/** prune_mark(round, err): list slots and mark what was not marked yet (also in an earlier round);
 *  refuses what I4 names. */
MUST_CHECK enum vv_rc prune_mark(struct prune_round *round, struct vv_error *err);
/** prune_survey(round, err): load the index, list packs, read lists; fill items and marks.  Packs of
 *  round->go count as leaving. */
MUST_CHECK enum vv_rc prune_survey(struct prune_round *round, struct vv_error *err);
void prune_round_release(struct prune_round *round);

/* --- prune_choose.c: P2 ----------------------------------------------------------------------- */

/** prune_choose(round, err): fill round->go and mark victims. */
MUST_CHECK enum vv_rc prune_choose(struct prune_round *round, struct vv_error *err);

/* --- prune_resolve.c: P3 ---------------------------------------------------------------------- */

/** prune_resolve(round, ret_resolved, err): false: some session is still open. */
MUST_CHECK enum vv_rc prune_resolve(struct prune_round *round, bool *ret_resolved,
                                    struct vv_error *err);
#define PRUNE_STILL_NS (3600ull * 1000 * 1000 * 1000)

/* --- prune_copy.c: P4 ------------------------------------------------------------------------- */

/** prune_copy(round, err): I3 for every victim; those that must stay are marked kept. */
MUST_CHECK enum vv_rc prune_copy(struct prune_round *round, struct vv_error *err);

/* --- prune_finish.c: P5 to P7 ----------------------------------------------------------------- */

/** prune_begin_index(round, err): which index segments will be rewritten. */
MUST_CHECK enum vv_rc prune_begin_index(struct prune_round *round, struct vv_error *err);
/** prune_finish(round, err): VV_EREFUSED: fenced, nothing was deleted. */
MUST_CHECK enum vv_rc prune_finish(struct prune_round *round, struct vv_error *err);

/* --- prune_forget.c --------------------------------------------------------------------------- */

/** prune_carry_out(round, err): forgets whose grace is over, and those an earlier run began. */
MUST_CHECK enum vv_rc prune_carry_out(struct prune_round *round, struct vv_error *err);
/** prune_would_bury(p, l, marks, open, snapshot): would prune_carry_out put this forgotten one in a
 *  grave? */
bool prune_would_bury(const struct prune *p, const struct snapshot_list *l,
                      const struct retention_marks *marks, const struct open_sessions *open,
                      const struct vv_uuid *snapshot);

/* --- prune_clean.c ---------------------------------------------------------------------------- */

/** prune_clean(p, err): what ended sessions left behind. */
MUST_CHECK enum vv_rc prune_clean(struct prune *p, struct vv_error *err);

/* --- prune_space.c ---------------------------------------------------------------------------- */

/** prune_make_room(p, err): drop the reserve if there is next to no space. */
MUST_CHECK enum vv_rc prune_make_room(struct prune *p, struct vv_error *err);
/** prune_restore_reserve(p): set it aside again if there is space. */
void prune_restore_reserve(struct prune *p);
/** prune_space(p): bytes that may be written; UINT64_MAX if nobody knows. */
uint64_t prune_space(struct prune *p);

void prune_phase(struct prune *p, enum prune_phase phase);

#endif
