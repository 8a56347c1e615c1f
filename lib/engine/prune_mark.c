/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune, P1 and P4: what is live, and what is there. */
#include <string.h>

#include "core/alloc.h"
#include "engine/closure_internal.h"
#include "engine/prune_internal.h"
#include "repo/record_chunks.h"

#define SURVEYS 3u
#define STEPS_LET_GO 8192u /* nodes looked up in the mapped index before it is let go of */

/* --- what is live ----------------------------------------------------------------------------- */

static enum vv_rc
enter(void *ctx, const struct vv_id *id, bool *ret_enter, struct vv_error *err)
{
    struct prune *p = ctx;

    VV_TRY(id_set_put(&p->entered, id, ret_enter, err));
    if (!*ret_enter) {
        return VV_OK;
    }
    if (++p->steps % STEPS_LET_GO == 0) {
        chunk_index_trim(p->index);
    }
    return live_chunks_add(p->live, id, err);
}

static enum vv_rc
mark_entry(void *ctx, const struct entry *e, struct vv_error *err)
{
    struct prune *p = ctx;

    (void)e;
    (void)err;
    if (p->progress != NULL) {
        atomic_fetch_add_explicit(&p->progress->files_done, 1, memory_order_relaxed);
    }
    return VV_OK;
}

static enum vv_rc
mark_chunk(void *ctx, const struct chunk_ref *chunk, struct vv_error *err)
{
    return live_chunks_add(((struct prune *)ctx)->live, &chunk->id, err);
}

/** I4 */
static enum vv_rc
lose(void *ctx, enum chunk_type type, const struct vv_id *id, const struct vv_error *why,
     struct vv_error *err)
{
    char text[65];

    (void)ctx;
    vv_hex(text, id->b, sizeof(id->b));
    (void)vv_error_set(err, VV_ECORRUPT, "the %s %.16s... cannot be read: %s",
                       type == CHUNK_NODE ? "tree node" : "chunk list", text, why->message);
    vv_error_hint(err, "nothing more is deleted until it is known what is needed; 'varve verify' "
                       "names the snapshots");
    return vv_error_origin(err, VV_ORIGIN_REPOSITORY, VV_ECORRUPT);
}

static const struct closure_ops ops = {
    .node = enter, .list = enter, .entry = mark_entry, .chunk = mark_chunk, .lost = lose};

static enum vv_rc
mark_snapshot(struct prune *p, const struct snapshot *s, struct vv_error *err)
{
    char id[VV_UUID_TEXT];
    bool is_new;
    enum vv_rc rc;

    VV_TRY(id_set_put(&p->walked, &s->hash, &is_new, err));
    if (!is_new) {
        return VV_OK;
    }
    p->s.snapshots++;
    rc = closure_walk(p->chunks, &s->body.root, &ops, p, repo_cancel(p->repo), err);
    if (rc != VV_OK && rc != VV_ECANCELLED) {
        vv_uuid_text(&s->id, id);
        (void)vv_error_prefix(err, "snapshot %.8s", id);
    }
    return rc;
}

/** I4 */
enum vv_rc
prune_check_list(const struct snapshot_list *l, struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    if (l->freshness == FRESHNESS_ROLLED_BACK) {
        rc = vv_error_set(err, VV_EFORGED, "snapshots are missing that no grave explains");
        vv_error_hint(err, "'varve snapshots' names them; nothing is deleted while what they need "
                           "is not known");
    } else if (l->forged > 0 || l->admin.forged > 0) {
        rc = vv_error_set(err, VV_EFORGED,
                          "there are records that the administrator or a certified client did not "
                          "sign");
        vv_error_hint(err, "they are named above; nothing is deleted before they are explained: a "
                           "certificate may be lost, or somebody may have put them there");
    } else if (l->damaged > 0 || l->admin.damaged > 0 || l->admin.unreadable > 0) {
        rc = vv_error_set(err, VV_ECORRUPT, "snapshots or records in 'admin' cannot be read");
        vv_error_hint(err, "they are named above; nothing is deleted while what they need is not "
                           "known");
    }
    return vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
}

enum vv_rc
prune_mark(struct prune_round *round, struct vv_error *err)
{
    struct prune *p = round->p;
    struct snapshot_list l = {0};
    struct open_sessions open = {0};
    struct retention_marks marks = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf gone = {0}; /* in a dry run: ids */
    enum vv_rc rc;

    VV_TRY(snapshot_list_read(p->repo, &l, err));
    rc = prune_check_list(&l, err);
    for (size_t i = 0; i < l.count && rc == VV_OK; i++) {
        rc = mark_snapshot(p, &l.snapshots[i], err);
    }
    if (rc == VV_OK && p->options->dry_run) {
        rc = open_sessions_read(p->repo, &l.admin, &open, err);
    }
    if (rc == VV_OK && p->options->dry_run) {
        rc = retention_marks_find(&l, &marks, err);
    }
    for (size_t i = 0; i < l.forgotten_count && rc == VV_OK; i++) {
        if (p->options->dry_run && prune_would_bury(p, &l, &marks, &open, &l.forgotten[i].id)) {
            p->s.snapshots_buried++;
            vv_buf_put(&gone, &l.forgotten[i].id, sizeof(l.forgotten[i].id));
        } else {
            rc = mark_snapshot(p, &l.forgotten[i], err);
        }
    }
    retention_marks_release(&marks);
    open_sessions_release(&open);
    snapshot_list_release(&l);
    VV_TRY(rc);
    chunk_index_trim(p->index);
    VV_TRY(vv_buf_check(&gone, err));
    vv_buf_reset(&p->records);
    return record_chunks_ids(p->repo, (const struct vv_uuid *)(const void *)gone.data,
                             gone.len / sizeof(struct vv_uuid), &p->records, err);
}

/* --- what is there ---------------------------------------------------------------------------- */

void
prune_round_release(struct prune_round *round)
{
    index_marks_free(round->marks);
    vv_free(round->standing);
    vv_free(round->items);
    pack_list_release(&round->packs);
    condemned_set_release(&round->condemned);
    admin_records_release(&round->admin);
    vv_free(round->go);
    vv_free(round->go_dead);
    index_rewrite_free(round->rewrite);
    writer_session_free(round->session);
    memset(round, 0, sizeof(*round));
}

/** Forget the last survey, but not what it led to. */
static void
forget_survey(struct prune_round *round)
{
    index_marks_free(TAKE(round->marks));
    vv_free(TAKE(round->standing));
    vv_free(TAKE(round->items));
    pack_list_release(&round->packs);
    condemned_set_release(&round->condemned);
    admin_records_release(&round->admin);
}

/** The place of a name, or ${count}. */
static size_t
find_name(const struct pack_name *sorted, size_t count, const struct pack_name *name)
{
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = pack_name_compare(&sorted[middle], name);
        if (c == 0) {
            return middle;
        }
        if (c < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return count;
}

static enum vv_rc
fill_items(struct prune_round *round, struct vv_error *err)
{
    round->items = vv_alloc_array(round->packs.count + 1, sizeof(*round->items));
    if (round->items == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < round->packs.count; i++) {
        const struct pack_name *name = &round->packs.items[i].name;
        round->items[i].condemned = condemned_contains(&round->condemned, name);
        size_t suspects = round->admin.suspect_count;
        size_t at = find_name(round->go, round->go_count, name);
        round->items[i].suspect = find_name(round->admin.suspects, suspects, name) < suspects;
        round->items[i].victim = at < round->go_count;
        round->items[i].dead = at < round->go_count && round->go_dead[at];
    }
    return VV_OK;
}

/** What each pack the index names is worth as a place of a chunk. */
static enum vv_rc
judge_places(struct prune_round *round, struct vv_error *err)
{
    uint32_t count = index_marks_packs(round->marks);

    round->standing = vv_alloc_array((size_t)count + 1, 1);
    if (round->standing == NULL) {
        return vv_error_nomem(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct marked_pack pack;
        struct prune_pack *item;
        size_t at;
        index_marks_pack(round->marks, i, &pack);
        at = pack_list_find(&round->packs, &pack.name);
        if (at == round->packs.count || round->packs.items[at].size != pack.file_size) {
            continue; /* PACK_ABSENT */
        }
        item = &round->items[at];
        item->named = true;
        item->indexed = item->indexed || pack.indexed;
        item->class = pack.class;
        round->standing[i] = item->suspect                                      ? PACK_DOUBTFUL
                             : item->victim || item->condemned || !pack.indexed ? PACK_LEAVING
                                                                                : PACK_STAYS;
    }
    return VV_OK;
}

/** I4 */
static enum vv_rc
tell_missing(uint64_t missing, struct vv_error *err)
{
    enum vv_rc rc = vv_error_set(err, VV_ECORRUPT, "%llu chunks that snapshots need are in no pack",
                                 (unsigned long long)missing);

    vv_error_hint(err, "'varve verify' names what is hit; nothing more is deleted before that "
                       "is repaired or forgotten");
    return vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
}

/** Count what is live into the packs; ${ret_missing}: chunks found in none. */
static enum vv_rc
count_live(struct prune_round *round, uint64_t *ret_missing, struct vv_error *err)
{
    uint32_t count = index_marks_packs(round->marks);

    VV_TRY(index_marks_apply(round->marks, round->p->live, round->standing, ret_missing, err));
    for (size_t at = 0; at < round->p->records.len; at += sizeof(struct vv_id)) {
        struct vv_id id;
        memcpy(&id, round->p->records.data + at, sizeof(id));
        index_marks_add(round->marks, &id, round->standing);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct marked_pack pack;
        struct pack_usage usage;
        size_t at;
        index_marks_pack(round->marks, i, &pack);
        at = pack_list_find(&round->packs, &pack.name);
        if (at < round->packs.count) {
            index_marks_usage(round->marks, i, round->p->moved_dead, &usage);
            if (usage.blocks > round->items[at].blocks) { /* named twice, it is still one pack */
                round->items[at].blocks = usage.blocks;
            }
            round->items[at].stays += usage.stays;
            round->items[at].live_chunks += usage.live_chunks;
            round->items[at].live_bytes += usage.chunks_live_bytes;
        }
    }
    return VV_OK;
}

static enum vv_rc
survey(struct prune_round *round, uint64_t *ret_missing, struct vv_error *err)
{
    struct prune *p = round->p;

    forget_survey(round);
    VV_TRY(condemned_read(p->repo, &round->condemned, err)); /* lists, index, listing: X1 */
    VV_TRY(condemned_conclusive(&round->condemned, err));
    VV_TRY(admin_records_read(p->repo, &round->admin, err));
    VV_TRY(admin_records_conclusive(&round->admin, err));
    VV_TRY(chunk_index_reload(p->index, err));
    VV_TRY(pack_list_read(p->repo, &round->packs, err));
    VV_TRY(index_marks_open(p->index, &round->packs, &round->marks, err));
    VV_TRY(fill_items(round, err));
    VV_TRY(judge_places(round, err));
    return count_live(round, ret_missing, err);
}

/** Mark from nothing: what was live when an earlier round began may have been buried since, and its
 *  chunks deleted by another prune. */
static enum vv_rc
mark_anew(struct prune_round *round, struct vv_error *err)
{
    struct prune *p = round->p;

    live_chunks_free(TAKE(p->live));
    id_set_release(&p->entered);
    id_set_release(&p->walked);
    p->s.snapshots = 0;
    VV_TRY(live_chunks_new(repo_temp_dir(p->repo), PRUNE_LIVE_MEMORY, &p->live, err));
    return prune_mark(round, err);
}

/** Index and packs are read one after the other: a copy that another prune made meanwhile may be in
 *  neither.  A chunk is missing if another look, begun after the first one ended, finds that a
 *  snapshot needs it and no pack has it. */
enum vv_rc
prune_survey(struct prune_round *round, struct vv_error *err)
{
    uint64_t missing = 0;

    for (unsigned looks = 0; looks < SURVEYS; looks++) {
        if (looks > 0) {
            VV_TRY(mark_anew(round, err));
        }
        missing = 0;
        VV_TRY(survey(round, &missing, err));
        if (missing == 0) {
            return VV_OK;
        }
    }
    return tell_missing(missing, err);
}
