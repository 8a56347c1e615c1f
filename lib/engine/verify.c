/* SPDX-License-Identifier: BSD-2-Clause */
/* Verify: small objects, index, trees, packs; then whom the damage hits. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/verify_internal.h"
#include "repo/reader_session.h"

void
verify_report(struct verify *v, const char *event, const char *object, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    vv_mutex_lock(&v->lock);
    v->s.objects_damaged++;
    vv_mutex_unlock(&v->lock);
    if (v->progress != NULL) {
        atomic_fetch_add_explicit(&v->progress->problems, 1, memory_order_relaxed);
    }
    vv_emit(repo_events(v->repo), VV_EVENT_PROBLEM, event, vv_span(object, strlen(object)), "%s",
            text);
}

enum vv_rc
verify_read(struct verify *v, const char *name, uint64_t limit, struct vv_buf *out,
            struct vv_error *err)
{
    storage_uncache(repo_storage(v->repo), name);
    vv_buf_reset(out);
    return storage_read_all(repo_storage(v->repo), name, limit, out, err);
}

static int
compare_packs(const void *a, const void *b)
{
    return pack_name_compare(&((const struct verify_pack *)a)->name,
                             &((const struct verify_pack *)b)->name);
}

struct verify_pack *
verify_find_pack(const struct verify *v, const struct pack_name *name)
{
    struct verify_pack wanted;

    if (v->pack_list.len == 0) {
        return NULL;
    }
    memset(&wanted, 0, sizeof(wanted));
    wanted.name = *name;
    return bsearch(&wanted, v->pack_list.data, verify_pack_count(v), sizeof(wanted), compare_packs);
}

struct verify_pack *
verify_twin(const struct verify *v, const struct verify_pack *p, const struct verify_pack *before)
{
    struct verify_pack *packs = verify_packs(v);
    uint64_t size = p->index_size;
    size_t at = before != NULL ? (size_t)(before - packs) + 1 : (size_t)(p - packs);

    while (before == NULL && at > 0 && vv_id_equal(&packs[at - 1].name.hash, &p->name.hash)) {
        at--;
    }
    for (; at < verify_pack_count(v) && vv_id_equal(&packs[at].name.hash, &p->name.hash); at++) {
        if (&packs[at] != p && packs[at].listed && (size == 0 || packs[at].size == size)) {
            return &packs[at];
        }
    }
    return NULL;
}

void
verify_superseded(struct verify *v, struct verify_pack *p)
{
    char object[PACK_OBJECT_TEXT];

    if (p->superseded) {
        return;
    }
    p->superseded = true;
    pack_object_text(&p->name, object);
    vv_emit(repo_events(v->repo), VV_EVENT_WARNING, "pack-superseded",
            vv_span(object, strlen(object)), "%s; another instance with the same content is there",
            p->listed ? "damaged" : "missing");
}

static enum vv_rc
choose_snapshots(struct verify *v, struct vv_error *err)
{
    size_t count = v->options->snapshots != NULL ? v->options->snapshot_count : v->list->count;

    v->snapshots = vv_alloc_array(count + 1, sizeof(*v->snapshots));
    if (v->snapshots == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < count; i++) {
        v->snapshots[i] =
            v->options->snapshots != NULL ? v->options->snapshots[i] : &v->list->snapshots[i];
    }
    v->snapshot_count = count;
    v->s.snapshots = count;
    return VV_OK;
}

static void
enter_phase(struct verify *v, enum verify_phase phase)
{
    if (v->progress != NULL) {
        atomic_store_explicit(&v->progress->phase, (int)phase, memory_order_relaxed);
    }
}

static enum vv_rc
run(struct verify *v, struct vv_error *err)
{
    VV_TRY(choose_snapshots(v, err));
    VV_TRY(looker_open(&v->look, v->repo, err));
    chunk_reader_strict(v->look.chunks);
    enter_phase(v, VERIFY_OBJECTS);
    VV_TRY(verify_small_objects(v, err));
    VV_TRY(verify_index(v, err));
    enter_phase(v, VERIFY_TREES);
    VV_TRY(verify_trees(v, err));
    VV_TRY(verify_absent(v, err));
    if (v->options->data) {
        enter_phase(v, VERIFY_PACKS);
        VV_TRY(verify_pack_data(v, err));
    }
    VV_TRY(verify_replicas(v, err));
    VV_TRY(verify_parity(v, err));
    if (v->bad.count > 0 || v->unreadable) {
        enter_phase(v, VERIFY_PATHS);
        VV_TRY(verify_name_paths(v, err));
    }
    enter_phase(v, VERIFY_DONE);
    return VV_OK;
}

/** Reading everything takes its time. */
static struct reader_session *
register_reader(struct verify *v)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf ids = {0};
    size_t count = v->options->snapshots != NULL ? v->options->snapshot_count : v->list->count;

    if (!v->options->data) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        const struct snapshot *s =
            v->options->snapshots != NULL ? v->options->snapshots[i] : &v->list->snapshots[i];
        vv_buf_put(&ids, &s->id, sizeof(s->id));
    }
    return ids.failed
               ? NULL
               : reader_session_begin(v->repo, (const struct vv_uuid *)(const void *)ids.data,
                                      ids.len / sizeof(struct vv_uuid));
}

enum vv_rc
verify_run(struct repo *r, const struct snapshot_list *l, const struct verify_options *o,
           struct vv_progress *progress, struct verify_summary *ret, struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(r);
    struct verify v = {.repo = r, .options = o, .list = l, .progress = progress};
    uint64_t start = clock->monotonic(clock);
    struct vv_error own = {0};
    struct reader_session *reader;
    enum vv_rc rc;

    vv_mutex_init(&v.lock);
    vv_mutex_init(&v.naming);
    v.s.objects_damaged = l->damaged;
    v.s.forged = l->forged > 0 || l->freshness == FRESHNESS_ROLLED_BACK;
    reader = register_reader(&v);
    rc = run(&v, &own);
    reader_session_end(reader, rc == VV_ETRANSIENT ? READER_LEAVE : READER_CLEAN);
    looker_close(&v.look);
    admin_records_release(&v.admin);
    condemned_set_release(&v.condemned);
    name_list_release(&v.slots);
    vv_buf_release(&v.pack_list);
    scrub_ledger_free(v.ledger);
    id_table_release(&v.seen);
    id_table_release(&v.bad);
    vv_free(v.snapshots);
    vv_buf_release(&v.named);
    vv_mutex_release(&v.naming);
    vv_mutex_release(&v.lock);
    if (rc != VV_OK) {
        if (err != NULL) {
            *err = own;
        }
        return rc;
    }
    v.s.duration_ns = clock->monotonic(clock) - start;
    *ret = v.s;
    return VV_OK;
}
