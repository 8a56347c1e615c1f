/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune: from one session to the next until there is nothing left to do. */
#include "engine/prune.h"

#include <string.h>

#include "core/alloc.h"
#include "engine/prune_internal.h"
#include "repo/pack_reader.h"

#define BLOCK_CACHE (32u << 20)
#define MOVED_DEAD_MAX 0.25
#define ROUNDS_MAX 1000u
#define OVERTAKEN_MAX 10u
#define ABILITIES_NEEDED (STORAGE_EXCLUSIVE_CREATE | STORAGE_COMPLETE_LISTING | STORAGE_DELETE)

void
prune_phase(struct prune *p, enum prune_phase phase)
{
    if (p->progress != NULL) {
        atomic_store_explicit(&p->progress->phase, (int)phase, memory_order_relaxed);
    }
}

/* --- may it be done at all? ------------------------------------------------------------------- */

static enum vv_rc
check_role(struct repo *r, struct vv_error *err)
{
    VV_TRY(keyring_need_admin(repo_keyring(r), "deleting", err));
    if (vv_uuid_is_zero(&repo_site(r)->id)) {
        return vv_error_set(err, VV_EREFUSED,
                            "'site' is missing or damaged: what is meant for this copy only would "
                            "count on every copy");
    }
    return VV_OK;
}

/** Found by trying, now: the repository may have been moved since it was made. */
static enum vv_rc
check_abilities(struct repo *r, struct vv_error *err)
{
    uint32_t abilities = storage_abilities(repo_storage(r));
    enum vv_rc rc;

    if ((abilities & ABILITIES_NEEDED) == ABILITIES_NEEDED) {
        return VV_OK;
    }
    rc = vv_error_set(err, VV_EREFUSED, "the storage cannot promise %s",
                      (abilities & STORAGE_EXCLUSIVE_CREATE) == 0 ? "exclusive creation of objects"
                      : (abilities & STORAGE_COMPLETE_LISTING) == 0 ? "complete listings"
                                                                    : "that anything is deleted");
    vv_error_hint(err, "nothing is deleted here; on a site that only takes new objects, prune from "
                       "where they can be deleted");
    return vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
}

/* --- one session ------------------------------------------------------------------------------ */

static enum vv_rc
begin(struct prune_round *round, struct vv_error *err)
{
    struct prune *p = round->p;

    prune_phase(p, PRUNE_STARTING);
    if (!p->options->dry_run) {
        VV_TRY(writer_session_begin(p->repo, SESSION_PRUNE, &round->session, err)); /* P1 */
        VV_TRY(prune_carry_out(round, err));
    }
    prune_phase(p, PRUNE_MARKING);
    VV_TRY(prune_mark(round, err));
    return prune_survey(round, err);
}

static void
note_sizes(struct prune_round *round)
{
    struct prune *p = round->p;

    if (p->s.rounds > 1) {
        return;
    }
    p->s.packs = round->packs.count;
    p->s.lists_adopted = round->condemned.lists;
    for (size_t i = 0; i < round->packs.count; i++) {
        p->s.bytes += round->packs.items[i].size;
    }
}

static void
plan_progress(struct prune_round *round)
{
    struct prune *p = round->p;
    uint64_t bytes = 0;

    for (size_t i = 0; i < round->packs.count; i++) {
        bytes += round->items[i].victim ? round->items[i].live_bytes : 0;
    }
    if (p->progress != NULL) {
        atomic_store(&p->progress->files_done, 0);
        atomic_store(&p->progress->files_total, round->go_count);
        atomic_fetch_add(&p->progress->bytes_total, bytes);
    }
}

/** Nothing more is done in this session: others need not wait for it. */
static enum vv_rc
give_up(struct prune_round *round, struct vv_error *err)
{
    enum vv_rc rc = writer_session_commit(round->session, vv_span(NULL, 0), 0, err);

    if (rc == VV_EREFUSED) { /* fenced: ended as well */
        vv_error_clear(err);
        rc = VV_OK;
    }
    return rc;
}

/** P2 and P3; *ret_resolved false: what was condemned waits. */
static enum vv_rc
condemn(struct prune_round *round, bool *ret_resolved, struct vv_error *err)
{
    *ret_resolved = true;
    if (round->p->options->dry_run || round->go_count == 0) {
        return VV_OK;
    }
    if (round->go_count > UINT32_MAX ||
        (uint64_t)round->go_count * sizeof(struct pack_name) > LIMIT_CONDEMNED / 2) {
        return vv_error_set(err, VV_ELIMIT, "too many packs to be deleted at once");
    }
    VV_TRY(condemned_publish(round->p->repo, writer_session_id(round->session), round->go,
                             (uint32_t)round->go_count, err));
    return prune_resolve(round, ret_resolved, err);
}

/** One session from P1 to P7. */
static enum vv_rc
run_round(struct prune_round *round, bool *ret_waits, struct vv_error *err)
{
    struct prune *p = round->p;
    bool resolved;

    VV_TRY(begin(round, err));
    note_sizes(round);
    VV_TRY(prune_choose(round, err));
    plan_progress(round);
    VV_TRY(condemn(round, &resolved, err));
    if (!resolved) {
        *ret_waits = true;
        return give_up(round, err);
    }
    if (round->go_count > 0) {
        if (!p->options->dry_run) {
            VV_TRY(prune_mark(round, err)); /* P4 */
        }
        VV_TRY(prune_survey(round, err)); /* what goes is no place for a chunk any more */
    }
    VV_TRY(prune_begin_index(round, err));
    if (round->go_count > 0) {
        VV_TRY(prune_copy(round, err));
    }
    return prune_finish(round, err);
}

/* --- all of them ------------------------------------------------------------------------------ */

/** A round that failed ends its session if it can: the next one need not wait for it then. */
static void
end_failed(struct prune_round *round)
{
    struct vv_error err = {0};

    if (round->session != NULL) {
        (void)!give_up(round, &err);
    }
}

static enum vv_rc
give_way(struct vv_error *err)
{
    (void)vv_error_set(err, VV_EREFUSED,
                       "this prune has begun %u times, and was overtaken by another one each time",
                       OVERTAKEN_MAX);
    vv_error_hint(err, "nothing is lost, and what the others did is done; one prune at a time is "
                       "enough for a repository");
    return VV_EREFUSED;
}

/** Rounds until nothing is left to do, or nothing can be done. */
static enum vv_rc
run_rounds(struct prune *p, struct vv_error *err)
{
    bool waits = false;
    bool more = true;

    while (more && !waits && p->s.rounds < ROUNDS_MAX) {
        struct prune_round round = {.p = p,
                                    .space = p->options->dry_run ? UINT64_MAX : prune_space(p)};
        uint64_t deleted = p->s.bytes_deleted;
        enum vv_rc rc;
        p->s.rounds++;
        rc = run_round(&round, &waits, err);
        round.overtaken = round.overtaken || (round.session != NULL &&
                                              writer_session_was_fenced(round.session, &rc, err));
        more = round.more && p->s.bytes_deleted > deleted && !p->options->dry_run;
        if (rc != VV_OK) {
            end_failed(&round);
        }
        if (rc == VV_EREFUSED && round.overtaken) {
            vv_error_clear(err); /* another prune closed this session: begin again with a new one */
            more = ++p->overtaken < OVERTAKEN_MAX;
            rc = more ? VV_OK : give_way(err);
        } else if (rc == VV_OK && round.more && !more && !p->options->dry_run) {
            vv_emit(repo_events(p->repo), VV_EVENT_WARNING, "space-scarce", vv_span(NULL, 0),
                    "there is not enough space to copy what is live out of further packs");
        }
        prune_round_release(&round);
        VV_TRY(rc);
    }
    return VV_OK;
}

static enum vv_rc
count_left(struct prune *p, struct vv_error *err)
{
    struct condemned_set left;

    VV_TRY(condemned_read(p->repo, &left, err));
    p->s.lists_left = left.lists;
    condemned_set_release(&left);
    return VV_OK;
}

static enum vv_rc
run(struct prune *p, struct vv_error *err)
{
    struct repo *r = p->repo;

    VV_TRY(check_role(r, err));
    if (!p->options->dry_run) {
        VV_TRY(prune_make_room(p, err));
        VV_TRY(check_abilities(r, err));
        VV_TRY(stillness_open(r, &p->still, err));
    }
    VV_TRY(chunk_index_open(r, &p->index, err));
    VV_TRY(chunk_reader_new(r, p->index, BLOCK_CACHE, &p->chunks, err));
    VV_TRY(live_chunks_new(repo_temp_dir(r), PRUNE_LIVE_MEMORY, &p->live, err));
    VV_TRY(run_rounds(p, err));
    if (!p->options->dry_run) {
        VV_TRY(prune_clean(p, err));
        VV_TRY(count_left(p, err));
    }
    prune_phase(p, PRUNE_DONE);
    return VV_OK;
}

enum vv_rc
prune_run(struct repo *r, const struct prune_options *o, struct vv_progress *progress,
          struct prune_summary *ret, struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(r);
    struct prune p = {.repo = r, .options = o, .progress = progress, .budget_left = o->budget};
    uint64_t start = clock->monotonic(clock);
    struct vv_error own = {0};
    enum vv_rc rc;

    p.s.dry_run = o->dry_run;
    p.moved_dead = o->max_waste < MOVED_DEAD_MAX ? o->max_waste : MOVED_DEAD_MAX;
    rc = run(&p, &own);
    if (p.reserve > 0) {
        prune_restore_reserve(&p);
    }
    live_chunks_free(p.live);
    chunk_reader_free(p.chunks);
    chunk_index_free(p.index);
    stillness_free(p.still);
    id_set_release(&p.entered);
    id_set_release(&p.walked);
    vv_buf_release(&p.records);
    if (rc != VV_OK) {
        if (err != NULL) {
            *err = own;
        }
        return rc;
    }
    p.s.duration_ns = clock->monotonic(clock) - start;
    *ret = p.s;
    return VV_OK;
}
