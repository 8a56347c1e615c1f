/* SPDX-License-Identifier: BSD-2-Clause */
/* Backup: puts session, sources, baseline, workers and tree together. */

#include "engine/backup.h"

#include <string.h>
#include <time.h>

#include "core/alloc.h"
#include "engine/parent_cache_internal.h"

#define THREADS_MAX 64u
#define PARENT_CACHE (4u << 20) /* of the parent's tree, which is read once, in order */

void
backup_add(struct backup *b, uint64_t *counter, uint64_t n)
{
    vv_mutex_lock(&b->count_lock);
    *counter += n;
    vv_mutex_unlock(&b->count_lock);
}

void
backup_problem(struct backup *b, const struct source_item *item, const char *event,
               const char *text)
{
    bool expected = item->may_change && strcmp(event, "content-changed-silently") != 0 &&
                    strcmp(event, "name-taken") != 0;

    if (expected) {
        backup_add(b, &b->statistics.volatile_changed, 1);
        vv_emit(repo_events(b->repo), VV_EVENT_NOTICE, event, item->entry.path, "%s (expected)",
                text);
        return;
    }
    backup_add(b, &b->statistics.problems, 1);
    atomic_fetch_add_explicit(&b->progress->problems, 1, memory_order_relaxed);
    vv_emit(repo_events(b->repo), VV_EVENT_PROBLEM, event, item->entry.path, "%s", text);
}

/** Things that live for one run and are always released. */
static void
release(struct backup *b)
{
    pool_free(b);
    baseline_free(b->baseline);
    checkpoint_free(b->checkpoint);
    parent_cache_free(b->kept);
    source_free(b->source);
    databases_free(b);
    pack_writer_free(b->packs);
    chunk_reader_free(b->reader);
    chunk_index_free(b->index);
    writer_session_free(b->session);
    snapshot_list_release(&b->list);
    vv_free(b->sequence);
    vv_arena_release(&b->sequence_arena);
    vv_cond_release(&b->work);
    vv_cond_release(&b->finished);
    vv_mutex_release(&b->lock);
    vv_mutex_release(&b->count_lock);
}

static unsigned
thread_count(const struct backup_options *o)
{
    unsigned n = o->threads != 0 ? o->threads : vv_cpu_count();

    return n > THREADS_MAX ? THREADS_MAX : n;
}

/** The source's own problems (attributes it could not read) count like any other. */
static void
pass_on(struct vv_events *self, const struct vv_event *event)
{
    struct backup *b = ((struct counting_events *)(void *)self)->b;
    struct vv_events *sink = repo_events(b->repo);

    if (event->kind == VV_EVENT_PROBLEM) {
        backup_add(b, &b->statistics.problems, 1);
        atomic_fetch_add_explicit(&b->progress->problems, 1, memory_order_relaxed);
    }
    if (sink != NULL) {
        sink->emit(sink, event);
    }
}

/** The directories that are never backed up: repository, cache and state. */
static size_t
never_list(struct backup *b, struct source_identity out[4])
{
    size_t count = 0;
    uint64_t device;
    uint64_t inode;

    if (storage_local_identity(repo_storage(b->repo), &device, &inode)) {
        out[count++] = (struct source_identity){device, inode};
    }
    if (repo_cache_identity(b->repo, &device, &inode)) {
        out[count++] = (struct source_identity){device, inode};
    }
    if (repo_state_identity(b->repo, &device, &inode)) {
        out[count++] = (struct source_identity){device, inode};
    }
    return count;
}

static enum vv_rc
open_source(struct backup *b, struct source_identity never[4], struct vv_error *err)
{
    const struct backup_options *o = b->options;
    struct source_fs_options fs = {.paths = o->paths,
                                   .path_count = o->path_count,
                                   .excludes = o->excludes,
                                   .may_change = o->may_change,
                                   .exclude_caches = o->exclude_caches,
                                   .exclude_larger_than = o->exclude_larger_than,
                                   .one_file_system = o->one_file_system,
                                   .never = never,
                                   .events = &b->source_events.base,
                                   .cancel = repo_cancel(b->repo)};

    b->source_events = (struct counting_events){{pass_on}, b};
    if (o->path_count == 0) {
        return VV_OK;
    }
    fs.never_count = never_list(b, never);
    return source_fs_new(&fs, &b->source, err);
}

/** Choose the parent (W8: looked up after registering) and open the baseline. */
static enum vv_rc
open_baseline(struct backup *b, const struct snapshot_body *body, struct vv_error *err)
{
    struct vv_span *sources = vv_alloc_array(body->source_count + 1, sizeof(*sources));
    const struct client_keys *client = NULL;
    enum vv_rc rc;

    if (sources == NULL) {
        return vv_error_nomem(err);
    }
    for (uint32_t i = 0; i < body->source_count; i++) {
        sources[i] = vv_buf_span(&body->sources[i]);
    }
    rc = snapshot_list_read(b->repo, &b->list, err);
    if (rc == VV_OK) {
        rc = parent_readers_find(b, err);
    }
    if (rc == VV_OK && repo_state(b->repo) != NULL &&
        local_state_client(repo_state(b->repo), 0, &client, NULL) == VV_OK) {
        b->parent = keep_parent(b, sources, body->source_count);
        if (b->parent == NULL) {
            b->parent = snapshot_parent(&b->list, &client->id, sources, body->source_count);
        }
        b->same_sources =
            b->parent != NULL && keep_same_sources(b->parent, sources, body->source_count);
    }
    vv_free(sources);
    VV_TRY(rc);
    b->parent_trusted = b->session != NULL && writer_session_parent_reuse(b->session) &&
                        writer_session_admin(b->session)->suspect_count == 0;
    VV_TRY(baseline_open(b, &b->baseline, err));
    return keep_begin(b, err);
}

/** Walk thread's body. */
static void
walk_main(void *arg)
{
    struct backup *b = arg;
    struct vv_error err = {0};
    enum vv_rc rc = walk_run(b, &err);

    if (rc != VV_OK) {
        backup_fail(b, rc, &err);
    }
    pool_walk_ended(b);
}

/** Run walk and workers beside the tree; everything has ended when this returns. */
static enum vv_rc
run_threads(struct backup *b, struct tree_root *root, struct vv_error *err)
{
    unsigned count = thread_count(b->options);
    struct worker *workers = vv_alloc_array(count, sizeof(*workers));
    struct vv_thread walker = {0};
    struct vv_error own = {0};
    unsigned opened = 0;
    enum vv_rc rc = workers == NULL ? vv_error_nomem(&own) : VV_OK;

    b->in_flight_limit = count * 2 + 4;
    for (; rc == VV_OK && opened < count; opened++) {
        rc = worker_open(b, &workers[opened], &own);
        if (rc == VV_OK) {
            rc = vv_thread_start(&workers[opened].thread, "worker", worker_main, &workers[opened],
                                 &own);
        }
    }
    if (rc == VV_OK && (b->options->command_count > 0 || b->options->database_count > 0 ||
                        b->options->archive != NULL)) {
        struct worker reader;
        rc = worker_open(b, &reader, &own);
        if (rc == VV_OK) {
            rc = sequences_read(b, &reader, &own);
        }
        worker_close(&reader);
    }
    if (rc == VV_OK) {
        rc = vv_thread_start(&walker, "walk", walk_main, b, &own);
    }
    if (rc == VV_OK) {
        rc = tree_run(b, root, &own);
    }
    if (rc != VV_OK) {
        backup_fail(b, rc, &own);
    }
    vv_thread_join(&walker);
    pool_walk_ended(b);
    for (unsigned i = 0; i < opened; i++) {
        vv_thread_join(&workers[i].thread);
        worker_close(&workers[i]);
    }
    vv_free(workers);
    if (b->failed) {
        if (err != NULL) {
            *err = b->error;
        }
        return b->error.rc;
    }
    return VV_OK;
}

/** All paths missing and nothing else given: there is nothing to make a snapshot of. */
static enum vv_rc
refuse_nothing(struct backup *b, struct vv_error *err)
{
    if (b->source == NULL || b->source->counts.roots_found > 0 || b->sequence_count > 0) {
        return VV_OK;
    }
    (void)vv_error_set(err, VV_ENOTFOUND, "none of the paths to back up exists");
    vv_error_hint(err, "no snapshot was made");
    return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_ENOTFOUND);
}

static enum vv_rc
prepare_writing(struct backup *b, struct vv_error *err)
{
    struct pack_writer_options packs = {.level = b->options->level,
                                        .threads = thread_count(b->options) + 2};

    VV_TRY(writer_session_begin(b->repo, SESSION_BACKUP, &b->session, err));
    chunk_index_for_writing(b->index, writer_session_condemned(b->session),
                            writer_session_admin(b->session),
                            &writer_session_client(b->session)->id);
    return pack_writer_new(b->repo, b->session, b->index, &packs, &b->packs, err);
}

/** There will be no snapshot of this session, and nobody is to wait for it: a prune would. */
static enum vv_rc
end_without(struct backup *b, enum vv_rc rc, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc ended = writer_session_commit(b->session, vv_span(NULL, 0), 0, &why);

    b->session_ended = ended == VV_OK;
    if (rc == VV_OK && ended != VV_OK) {
        if (err != NULL) {
            *err = why;
        }
        return ended;
    }
    return rc;
}

static enum vv_rc
commit(struct backup *b, struct snapshot_body *body, const struct tree_root *root,
       struct backup_summary *ret, struct vv_error *err)
{
    VV_CLEANUP(block_builder_freep) struct block_builder *builder = NULL;

    atomic_store(&b->progress->phase, BACKUP_COMMITTING);
    if (refuse_nothing(b, err) != VV_OK) {
        return end_without(b, VV_ENOTFOUND, err);
    }
    VV_TRY(vv_cancel_check(repo_cancel(b->repo), err));
    VV_TRY(pack_writer_flush(b->packs, err)); /* B4 */
    VV_TRY(body_end(b, root, body, err));
    VV_TRY(block_builder_new(b->packs, &builder, err));
    VV_TRY(snapshot_commit(b->repo, b->session, b->packs, builder, body, &ret->snapshot, err));
    ret->committed = true;
    databases_remember(b);
    if (b->kept != NULL) {
        parent_cache_finish(b->kept, &ret->snapshot.id, body);
    }
    b->statistics.bytes_stored = atomic_load(&pack_writer_counts(b->packs)->bytes_stored);
    baseline_discard(b->baseline);
    if (b->checkpoint != NULL) {
        checkpoint_discard(b->checkpoint);
    }
    return VV_OK;
}

static void
summarize(struct backup *b, struct backup_summary *ret)
{
    ret->statistics = b->statistics;
    ret->parent_used = b->parent != NULL;
    if (b->parent != NULL) {
        ret->parent = b->parent->id;
    }
    if (b->packs != NULL) {
        ret->packs_data = atomic_load(&pack_writer_counts(b->packs)->packs_data);
        ret->packs_metadata = atomic_load(&pack_writer_counts(b->packs)->packs_metadata);
    }
    ret->problems = b->statistics.problems > 0;
    ret->freshness = b->list.freshness;
    ret->forged = b->list.forged;
    ret->index_loaded = b->index != NULL && chunk_index_was_loaded(b->index);
    ret->kept = b->unchanged.changes != NULL;
    ret->resumed = b->baseline != NULL && baseline_resumed(b->baseline);
    ret->dry_run = b->options->dry_run;
}

/** Is the parent's tree what this run found? */
static bool
is_parents_tree(const struct backup *b, const struct tree_root *root)
{
    const struct tree_root *parent = b->parent != NULL ? &b->parent->body.root : NULL;

    return parent != NULL && b->same_sources && parent->height == root->height &&
           vv_id_equal(&parent->node, &root->node);
}

/** Totals for the display until a count is done: the parent's. */
static void
expect_parents_totals(struct backup *b)
{
    if (b->parent != NULL) {
        atomic_store(&b->progress->bytes_total, b->parent->body.statistics.bytes);
        atomic_store(&b->progress->files_total, b->parent->body.statistics.files);
    }
}

static enum vv_rc
run(struct backup *b, struct snapshot_body *body, struct backup_summary *ret, struct vv_error *err)
{
    struct source_identity never[4];
    struct tree_root root = {0};
    enum vv_rc rc;

    VV_TRY(chunk_index_open(b->repo, &b->index, err));
    if (b->options->changes != NULL) {
        chunk_index_often(b->index);
    }
    VV_TRY(chunk_reader_new(b->repo, b->index, PARENT_CACHE, &b->reader, err));
    if (!b->options->dry_run) {
        VV_TRY(prepare_writing(b, err));
    }
    VV_TRY(open_source(b, never, err));
    VV_TRY(databases_open(b, err));
    VV_TRY(body_begin(b, body, err));
    VV_TRY(open_baseline(b, body, err));
    if (!b->options->dry_run) { /* not before: the baseline must not find it */
        VV_TRY(checkpoint_new(b, &b->checkpoint, err));
        VV_TRY(parent_cache_new(b, body, &b->kept, err));
    }
    expect_parents_totals(b);
    atomic_store(&b->progress->phase, BACKUP_READING);
    if (b->options->dry_run) {
        VV_TRY(dry_run(b, err));
        return refuse_nothing(b, err);
    }
    rc = run_threads(b, &root, err);
    ret->unchanged = rc == VV_OK && b->options->only_changes && is_parents_tree(b, &root);
    if (ret->unchanged || b->keeping_failed) {
        VV_TRY(end_without(b, rc, err));
    }
    if (ret->unchanged && b->checkpoint != NULL) {
        checkpoint_discard(b->checkpoint);
    }
    if (rc == VV_OK && !ret->unchanged) {
        rc = commit(b, body, &root, ret, err);
    }
    if (rc != VV_OK && b->checkpoint != NULL) {
        checkpoint_flush(b->checkpoint); /* what was read serves the next run */
    }
    return rc;
}

/** A run that failed before it published anything ends its session: no prune need wait for it.  One that did
 *  keeps it, and with it its packs for the next run (writer_session_free).  A storage that does not answer is
 *  not asked; after a request to stop one that would have to be waited for refuses by itself. */
static void
end_failed(struct backup *b, enum vv_rc rc, const struct vv_error *err)
{
    const struct pack_writer_counts *c = b->packs != NULL ? pack_writer_counts(b->packs) : NULL;
    bool published =
        c != NULL && (atomic_load(&c->packs_data) > 0 || atomic_load(&c->packs_metadata) > 0);
    bool lost = rc == VV_ETRANSIENT && (err == NULL || err->origin != VV_ORIGIN_SOURCE);
    struct vv_error why = {0};

    if (!published && !lost) {
        (void)!writer_session_commit(b->session, vv_span(NULL, 0), 0, &why);
    }
}

static enum vv_rc
run_once(struct repo *r, const struct backup_options *o, struct vv_progress *progress,
         struct backup_summary *ret, bool *ret_fenced, bool *ret_again, struct vv_error *err)
{
    struct backup *b = vv_alloc_array(1, sizeof(*b));
    struct snapshot_body body = {0};
    enum vv_rc rc;

    VV_TRY(b == NULL ? vv_error_nomem(err) : VV_OK);
    b->repo = r;
    b->options = o;
    b->progress = progress;
    b->start = repo_clock(r)->realtime(repo_clock(r));
    vv_mutex_init(&b->lock);
    vv_mutex_init(&b->count_lock);
    vv_cond_init(&b->work);
    vv_cond_init(&b->finished);
    memset(ret, 0, sizeof(*ret));
    rc = run(b, &body, ret, err);
    *ret_again = rc != VV_OK && b->keeping_failed;
    if (rc != VV_OK && b->session != NULL && !ret->committed && !b->session_ended) {
        *ret_fenced = writer_session_was_fenced(b->session, &rc, err);
        if (!*ret_fenced) {
            end_failed(b, rc, err);
        }
    }
    if (b->keeping_unreadable) {
        vv_emit(repo_events(r), VV_EVENT_WARNING, "parent-damaged", vv_span(NULL, 0),
                "part of the parent snapshot cannot be read; all files are looked at");
    }
    summarize(b, ret);
    release(b);
    snapshot_body_release(&body);
    vv_free(b);
    return rc;
}

enum vv_rc
backup_run(struct repo *r, const struct backup_options *o, struct vv_progress *progress,
           struct backup_summary *ret, struct vv_error *err)
{
    struct backup_options whole = *o; /* without changes, once they have failed */
    bool fenced = false;
    bool again = false;
    enum vv_rc rc;

    VV_TRY(sequences_check(o, err));
    rc = run_once(r, o, progress, ret, &fenced, &again, err);
    if (again) { /* B7, B9 */
        vv_error_clear(err);
        whole.changes = NULL;
        fenced = false; /* that was the first one's session */
        rc = run_once(r, &whole, progress, ret, &fenced, &again, err);
    }
    if (fenced && sequences_repeatable(o)) {
        vv_emit(repo_events(r), VV_EVENT_WARNING, "fenced", vv_span(NULL, 0),
                "a prune closed this run's session; starting once more");
        vv_error_clear(err);
        rc = run_once(r, &whole, progress, ret, &fenced, &again, err);
    }
    atomic_store(&progress->phase, BACKUP_DONE);
    return rc;
}
