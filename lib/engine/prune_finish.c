/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune, P5 to P7: the index without what goes, this session's slot, and then away with it. */
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "engine/parity_site.h"
#include "engine/prune_internal.h"

#define REWRITE_ATTEMPTS 10
#define REMOVERS 8u      /* threads that delete packs... */
#define REMOVED_MANY 32u /* ... if there are so many */

/** Packs that the index names and that are not there any more: an index segment published by a prune
 *  that was fenced may still name what another one had deleted. */
static enum vv_rc
find_gone(const struct prune_round *round, struct vv_buf *gone, struct vv_error *err)
{
    uint32_t count = index_marks_packs(round->marks);

    for (uint32_t i = 0; i < count; i++) {
        struct marked_pack pack;
        index_marks_pack(round->marks, i, &pack);
        if (pack.indexed && pack_list_find(&round->packs, &pack.name) == round->packs.count) {
            vv_buf_put(gone, &pack.name, sizeof(pack.name));
        }
    }
    VV_TRY(vv_buf_check(gone, err));
    if (gone->len > 0) {
        qsort(gone->data, gone->len / sizeof(struct pack_name), sizeof(struct pack_name),
              pack_name_order);
    }
    return VV_OK;
}

enum vv_rc
prune_begin_index(struct prune_round *round, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf gone = {0};
    struct index_rewrite_wanted wanted = {.go = round->go, .go_count = round->go_count};
    enum vv_rc rc = VV_OK;

    VV_TRY(find_gone(round, &gone, err));
    wanted.gone = (const struct pack_name *)(const void *)gone.data;
    wanted.gone_count = gone.len / sizeof(struct pack_name);
    for (int attempt = 0; attempt < REWRITE_ATTEMPTS; attempt++) {
        index_rewrite_free(TAKE(round->rewrite));
        vv_error_clear(err);
        rc = index_rewrite_begin(round->p->repo, &wanted, &round->rewrite, err);
        if (rc != VV_ENOTFOUND) { /* that is: merged meanwhile */
            break;
        }
    }
    return rc == VV_ENOTFOUND ? vv_error_set(err, VV_ETRANSIENT, "the index keeps changing") : rc;
}

/** Take what must stay (I4) out of what goes. */
static void
keep_damaged(struct prune_round *round)
{
    size_t kept = 0;

    for (size_t i = 0; i < round->go_count; i++) {
        size_t at = pack_list_find(&round->packs, &round->go[i]);
        if (at == round->packs.count || !round->items[at].kept) {
            round->go[kept] = round->go[i];
            round->go_dead[kept++] = round->go_dead[i];
        }
    }
    round->go_count = kept;
}

/** P5, first half; ${ret_old}: bytes of the segments that can go. */
static enum vv_rc
publish_index(struct prune_round *round, uint64_t *ret_old, struct vv_error *err)
{
    enum index_rewrite_way way =
        round->p->options->dry_run ? INDEX_REWRITE_COUNT : INDEX_REWRITE_PUBLISH;
    struct index_rewrite_counts counts = {0};
    enum vv_rc rc =
        index_rewrite_publish(round->rewrite, round->go, round->go_count, way, &counts, err);

    for (int attempt = 0; rc == VV_ENOTFOUND && attempt < REWRITE_ATTEMPTS; attempt++) {
        vv_error_clear(err);
        VV_TRY(prune_begin_index(round, err));
        rc = index_rewrite_publish(round->rewrite, round->go, round->go_count, way, &counts, err);
    }
    VV_TRY(rc);
    round->p->s.bytes_written += counts.bytes_new;
    *ret_old = counts.bytes_old;
    return VV_OK;
}

static enum vv_rc
remove_object(struct prune *p, const char *name, struct vv_error *err)
{
    enum vv_rc rc = storage_remove(repo_storage(p->repo), name, err);

    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        return VV_OK;
    }
    return rc;
}

/** A repair may have taken this session's list away because it was damaged: then others may refer to
 *  what it named (admin_records.h, L4). */
static enum vv_rc
check_list_is_there(const struct prune_round *round, struct vv_error *err)
{
    char name[sizeof("condemned/") + VV_UUID_TEXT] = "condemned/";
    uint64_t size;
    enum vv_rc rc;

    vv_uuid_text(writer_session_id(round->session), name + strlen(name));
    rc = storage_size(repo_storage(round->p->repo), name, &size, err);
    return rc == VV_ENOTFOUND
               ? vv_error_set(err, VV_EREFUSED, "the list of what this prune deletes is gone")
               : rc;
}

/** P6, one pack.  Parity is a hash's, of which there may be more packs: it goes later (P7). */
static enum vv_rc
remove_pack(const struct prune_round *round, size_t number, struct vv_error *err)
{
    struct prune *p = round->p;
    char object[PACK_OBJECT_TEXT];

    VV_TRY(check_list_is_there(round, err));
    pack_object_text(&round->go[number], object);
    VV_TRY(remove_object(p, object, err));
    if (p->progress != NULL) {
        atomic_fetch_add_explicit(&p->progress->files_done, 1, memory_order_relaxed);
    }
    return VV_OK;
}

/** Every REMOVERSth pack: making a deletion durable is mostly waiting. */
struct removing {
    const struct prune_round *round;
    size_t first;
    size_t step;
};

static enum vv_rc
remove_share(void *ctx, struct vv_error *err)
{
    const struct removing *r = ctx;

    for (size_t i = r->first; i < r->round->go_count; i += r->step) {
        VV_TRY(vv_cancel_check(repo_cancel(r->round->p->repo), err));
        VV_TRY(remove_pack(r->round, i, err));
    }
    return VV_OK;
}

static enum vv_rc
remove_packs(const struct prune_round *round, struct vv_error *err)
{
    struct removing shares[REMOVERS];
    struct vv_job jobs[REMOVERS];
    size_t count = round->go_count >= REMOVED_MANY ? REMOVERS : 1;

    memset(jobs, 0, sizeof(jobs));
    for (size_t i = 0; i < count; i++) {
        shares[i] = (struct removing){.round = round, .first = i, .step = count};
        jobs[i].run = remove_share;
        jobs[i].ctx = &shares[i];
    }
    return vv_parallel_run(jobs, count, (unsigned)count, err);
}

static enum vv_rc
delete_packs(struct prune_round *round, struct vv_error *err)
{
    struct prune *p = round->p;

    prune_phase(p, PRUNE_DELETING);
    if (!p->options->dry_run) {
        enum vv_rc rc = remove_packs(round, err);
        round->overtaken = rc == VV_EREFUSED;
        VV_TRY(rc);
    }
    for (size_t i = 0; i < round->go_count; i++) {
        size_t at = pack_list_find(&round->packs, &round->go[i]);
        if (at < round->packs.count) {
            p->s.bytes_deleted += round->packs.items[at].size;
            p->s.packs_dead += round->go_dead[i];
            p->s.packs_emptied += !round->go_dead[i];
        }
    }
    return VV_OK;
}

enum vv_rc
prune_finish(struct prune_round *round, struct vv_error *err)
{
    struct prune *p = round->p;
    uint64_t old_index;
    uint64_t parity;
    size_t retired = 0;

    keep_damaged(round);
    VV_TRY(publish_index(round, &old_index, err));
    if (p->options->dry_run) {
        VV_TRY(parity_site_would_sweep(p->repo, round->go, round->go_count, &parity, err));
        p->s.bytes_deleted += old_index + parity;
        return delete_packs(round, err);
    }
    VV_TRY(writer_session_commit(round->session, vv_span(NULL, 0), 0, err)); /* I1 */
    VV_TRY(index_rewrite_drop(round->rewrite, err));
    p->s.bytes_deleted += old_index; /* and not before */
    VV_TRY(delete_packs(round, err));
    return condemned_retire(p->repo, round->go, round->go_count, &retired, err); /* P7 */
}
