/* SPDX-License-Identifier: BSD-2-Clause */
/* Restore: opens what is needed, runs plan, deletion, finish and verify pass, and sums up. */

#include "engine/restore.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/restore_internal.h"
#include "repo/reader_session.h"

#define NODE_CACHE (32u << 20)

/* --- events and counts ------------------------------------------------------------------------ */

static void
count_and_pass_on(struct vv_events *self, const struct vv_event *event)
{
    struct counting_events *c = (struct counting_events *)(void *)self;

    if (event->kind == VV_EVENT_PROBLEM) {
        restore_add(&c->counts->problems, 1);
        restore_add(&c->progress->problems, 1);
    }
    if (c->next != NULL) {
        c->next->emit(c->next, event);
    }
}

struct vv_events *
restore_events(struct restore *r)
{
    return &r->events.base;
}

struct vv_span
restore_map(const struct restore *r, struct vv_span full)
{
    if (full.len == 0) {
        return full;
    }
    if (full.len < r->strip) {
        return vv_span(full.data + full.len, 0);
    }
    return vv_span(full.data + r->strip, full.len - r->strip);
}

struct vv_span
restore_shown(const struct restore *r, struct vv_span path, struct vv_buf *out)
{
    if (r->strip == 0) {
        return path;
    }
    vv_buf_reset(out);
    vv_buf_put(out, r->base.data, r->strip - 1);
    if (path.len > 0) {
        vv_buf_put_u8(out, '/');
        vv_buf_put(out, path.data, path.len);
    }
    return out->failed ? path : vv_buf_span(out);
}

void
restore_emit(struct restore *r, enum vv_event_kind kind, const char *name, struct vv_span path,
             const char *fmt, ...)
{
    struct vv_buf shown = {0};
    char text[1536];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    vv_emit(restore_events(r), kind, name, restore_shown(r, path, &shown), "%s", text);
    vv_buf_release(&shown);
}

enum vv_rc
restore_trouble(struct restore *r, struct vv_span path, enum vv_rc rc, const struct vv_error *why,
                struct vv_error *err)
{
    if (rc == VV_ENOMEM || rc == VV_ECANCELLED || rc == VV_ENOSPACE) {
        if (err != NULL) {
            *err = *why;
        }
        return rc;
    }
    if (rc == VV_EEXISTS) {
        restore_emit(r, VV_EVENT_PROBLEM, "kept", path, "%s", why->message);
        restore_add(&r->counts.kept, 1);
    } else {
        restore_emit(r, VV_EVENT_PROBLEM, "restore-failed", path, "%s", why->message);
        restore_add(&r->counts.failed, 1);
    }
    return skipped_add(&r->skipped, path, err);
}

void
restore_done(struct restore *r, const struct entry *e)
{
    if (e->type == ENTRY_DIRECTORY) {
        restore_add(&r->counts.directories, 1);
    } else if (e->type == ENTRY_FILE) {
        restore_add(&r->counts.files, 1);
        restore_add(&r->counts.bytes, e->size);
        restore_add(&r->progress->files_new, 1);
    } else {
        restore_add(&r->counts.others, 1);
    }
    if (e->type != ENTRY_DIRECTORY) {
        restore_add(&r->progress->files_done, 1);
    }
    if (r->options->verbose) {
        restore_emit(r, VV_EVENT_ENTRY, "entry", e->path, "%s",
                     r->options->dry_run ? "would be restored" : "restored");
    }
}

void
restore_already(struct restore *r, const struct entry *e)
{
    restore_add(&r->counts.already, 1);
    if (e->type != ENTRY_DIRECTORY) {
        restore_add(&r->progress->files_done, 1);
        restore_add(&r->progress->files_unchanged, 1);
    }
}

/* --- opening ---------------------------------------------------------------------------------- */

/** The path asked for, and what is cut off every path for it. */
static enum vv_rc
resolve_base(struct restore *r, struct vv_error *err)
{
    struct vv_span path = r->options->path;
    struct vv_arena arena = {0};
    struct entry e;
    const uint8_t *slash;
    enum vv_rc rc;

    while (path.len > 0 && path.data[0] == '/') {
        path = vv_span(path.data + 1, path.len - 1);
    }
    while (path.len > 0 && path.data[path.len - 1] == '/') {
        path.len--;
    }
    if (path.len == 0) {
        return VV_OK;
    }
    if (!path_valid(path)) {
        return vv_error_set(err, VV_EUSAGE,
                            "the path in the snapshot must not have empty, '.' or "
                            "'..' components");
    }
    vv_buf_put(&r->base, path.data, path.len);
    VV_TRY(vv_buf_check(&r->base, err));
    rc = tree_find(r->reader, &r->snap->body.root, path, &arena, &e, err);
    if (rc == VV_OK) {
        slash = memrchr(r->base.data, '/', r->base.len);
        if (e.type == ENTRY_DIRECTORY) {
            r->strip = r->base.len + 1;
        } else {
            r->strip = slash == NULL ? 0 : (size_t)(slash - r->base.data) + 1;
        }
    }
    vv_arena_release(&arena);
    return rc;
}

static enum vv_rc
open_sink(struct restore *r, struct vv_error *err)
{
    const struct restore_options *o = r->options;
    struct sink_fs_options fs = {.target = o->target,
                                 .overwrite = o->overwrite,
                                 .owner = o->owner,
                                 .dry_run = o->dry_run,
                                 .inert = o->inert,
                                 .events = restore_events(r),
                                 .cancel = repo_cancel(r->repo)};

    return sink_fs_new(&fs, &r->sink, err);
}

static void
expect_totals(struct restore *r)
{
    if (r->base.len == 0 && !restore_patterned(r->options)) {
        atomic_store(&r->progress->bytes_total, r->snap->body.root.bytes);
        atomic_store(&r->progress->files_total, r->snap->body.statistics.files +
                                                    r->snap->body.statistics.symlinks +
                                                    r->snap->body.statistics.others);
    }
}

/* --- the run ---------------------------------------------------------------------------------- */

static enum vv_rc
verify(struct restore *r, struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(r->repo);
    uint64_t start = clock->monotonic(clock);
    enum vv_rc rc;

    atomic_store(&r->progress->phase, RESTORE_VERIFYING);
    atomic_store(&r->progress->bytes_done, 0);
    atomic_store(&r->progress->files_done, 0);
    rc = restore_verify(r, err);
    r->verified = rc == VV_OK && atomic_load(&r->counts.not_verified) == 0;
    r->verify_ns = clock->monotonic(clock) - start;
    return rc;
}

/** Patterns to include that nothing in the snapshot fits. */
static enum vv_rc
refuse_unused(struct restore *r, struct vv_error *err)
{
    const struct pattern_set *includes = r->options->includes;
    const char *text;
    enum vv_rc rc = VV_OK;

    for (size_t i = 0; includes != NULL && (text = pattern_set_unused(includes, i)) != NULL; i++) {
        vv_emit(restore_events(r), VV_EVENT_PROBLEM, "include-unmatched",
                vv_span(text, strlen(text)), "nothing in the snapshot matches this pattern");
        rc = vv_error_set(err, VV_ENOTFOUND, "nothing in the snapshot matches '%s'", text);
    }
    return rc;
}

static enum vv_rc
run(struct restore *r, struct vv_error *err)
{
    const struct restore_options *o = r->options;

    VV_TRY(chunk_index_open(r->repo, &r->index, err));
    VV_TRY(chunk_reader_new(r->repo, r->index, NODE_CACHE, &r->reader, err));
    VV_TRY(resolve_base(r, err));
    VV_TRY(open_sink(r, err));
    VV_TRY(jobs_open(r, o->threads, err));
    expect_totals(r);
    atomic_store(&r->progress->phase, o->dry_run ? RESTORE_PLANNING : RESTORE_WRITING);
    VV_TRY(plan_run(r, err));
    if (o->delete_extra) {
        VV_TRY(restore_delete(r, err));
    }
    if (o->dry_run) {
        VV_TRY(restore_estimate_measure(r, err));
        return refuse_unused(r, err);
    }
    atomic_store(&r->progress->phase, RESTORE_FINISHING);
    VV_TRY(sink_finish(r->sink, err));
    if (o->verify) {
        VV_TRY(verify(r, err));
    }
    return refuse_unused(r, err);
}

static void
summarize(struct restore *r, struct restore_summary *ret)
{
    struct restore_counts *c = &r->counts;

    *ret = (struct restore_summary){
        .files = atomic_load(&c->files),
        .directories = atomic_load(&c->directories),
        .others = atomic_load(&c->others),
        .hard_links = atomic_load(&c->hard_links),
        .bytes = atomic_load(&c->bytes),
        .already = atomic_load(&c->already),
        .kept = atomic_load(&c->kept),
        .deleted = atomic_load(&c->deleted),
        .damaged = atomic_load(&c->damaged),
        .failed = atomic_load(&c->failed),
        .bytes_read = atomic_load(&c->bytes_read),
        .bytes_planned = r->dry.stored,
        .verified = r->verified,
        .verified_from_memory = r->verified_from_memory,
        .verified_files = atomic_load(&c->verified_files),
        .verified_bytes = atomic_load(&c->verified_bytes),
        .not_verified = atomic_load(&c->not_verified),
        .verify_differences = atomic_load(&c->verify_differences),
        .verify_ns = r->verify_ns,
        .measured_rate = r->measured_rate,
        .problems = atomic_load(&c->problems) > 0,
    };
}

static void
begin(struct restore *r)
{
    r->events = (struct counting_events){.base = {.emit = count_and_pass_on},
                                         .next = repo_events(r->repo),
                                         .counts = &r->counts,
                                         .progress = r->progress};
    vv_mutex_init(&r->pool.lock);
    vv_cond_init(&r->pool.work);
    vv_cond_init(&r->pool.finished);
    vv_mutex_init(&r->plan.lock);
    vv_mutex_init(&r->links.lock);
    for (unsigned i = 0; i < OPEN_LOCKS; i++) {
        vv_mutex_init(&r->open_locks[i]);
    }
    skipped_init(&r->skipped);
}

static void
release(struct restore *r)
{
    jobs_close(r);
    plan_release(r);
    links_release(r);
    skipped_release(&r->skipped);
    sink_free(r->sink);
    chunk_reader_free(r->reader);
    chunk_index_free(r->index);
    vv_free(r->dry.slots);
    vv_buf_release(&r->base);
    for (unsigned i = 0; i < OPEN_LOCKS; i++) {
        vv_mutex_release(&r->open_locks[i]);
    }
    vv_cond_release(&r->pool.finished);
    vv_cond_release(&r->pool.work);
    vv_mutex_release(&r->pool.lock);
    vv_free(r);
}

enum vv_rc
restore_run(struct repo *r, const struct snapshot *snap, const struct restore_options *o,
            struct vv_progress *progress, struct restore_summary *ret, struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(r);
    uint64_t start = clock->monotonic(clock);
    struct restore *x = vv_alloc_array(1, sizeof(*x));
    struct reader_session *reader = NULL;
    enum vv_rc rc;

    memset(ret, 0, sizeof(*ret));
    if (x == NULL) {
        return vv_error_nomem(err);
    }
    x->repo = r;
    x->snap = snap;
    x->options = o;
    x->progress = progress;
    begin(x);
    if (!o->dry_run) {
        reader = reader_session_begin(r, &snap->id, 1);
    }
    rc = run(x, err);
    reader_session_end(reader, rc == VV_ETRANSIENT ? READER_LEAVE : READER_CLEAN);
    jobs_close(x);
    summarize(x, ret);
    ret->duration_ns = clock->monotonic(clock) - start;
    release(x);
    atomic_store(&progress->phase, RESTORE_DONE);
    return rc;
}

void
restore_summary_add(struct restore_summary *sum, const struct restore_summary *one)
{
    bool first = sum->duration_ns == 0;

    sum->files += one->files;
    sum->directories += one->directories;
    sum->others += one->others;
    sum->hard_links += one->hard_links;
    sum->bytes += one->bytes;
    sum->already += one->already;
    sum->kept += one->kept;
    sum->deleted += one->deleted;
    sum->damaged += one->damaged;
    sum->failed += one->failed;
    sum->bytes_read += one->bytes_read;
    sum->bytes_planned += one->bytes_planned;
    sum->verified = one->verified && (first || sum->verified);
    sum->verified_from_memory = sum->verified_from_memory || one->verified_from_memory;
    sum->verified_files += one->verified_files;
    sum->verified_bytes += one->verified_bytes;
    sum->verify_differences += one->verify_differences;
    sum->not_verified += one->not_verified;
    sum->duration_ns += one->duration_ns > 0 ? one->duration_ns : 1;
    sum->verify_ns += one->verify_ns;
    sum->measured_rate = one->measured_rate;
    sum->problems = sum->problems || one->problems;
}
