/* SPDX-License-Identifier: BSD-2-Clause */
/* Verify with data: every pack is read whole from the device and checked, in parallel. */

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/verify_internal.h"

#define BUFFER_MAX (48u << 20) /* larger packs are read by one thread at a time */
#define THREADS_MAX 64u
#define REMOTE_THREADS 6u /* each holds a whole pack */

struct data_check {
    struct verify *v;
    struct pack_keys *keys;
    atomic_size_t next;
    atomic_bool stop;
    struct vv_mutex large;
    struct vv_mutex lock; /* guards error */
    struct vv_error error;
};
struct data_worker {
    struct data_check *check;
    struct vv_thread thread;
};

static enum vv_rc
read_whole(struct verify *v, const char *object, uint64_t size, struct vv_buf *out,
           struct vv_error *err)
{
    size_t got = 0;

    if (size > LIMIT_PACK) {
        return vv_error_set(err, VV_ECORRUPT, "a pack of %llu bytes", (unsigned long long)size);
    }
    vv_buf_reset(out);
    VV_TRY(vv_buf_reserve(out, (size_t)size + 1, err));
    storage_uncache(repo_storage(v->repo), object);
    VV_TRY(storage_read(repo_storage(v->repo), object, 0, out->data, (size_t)size + 1, &got, err));
    out->len = got;
    if (got != size) {
        return vv_error_set(err, VV_ECORRUPT, "%s than listed", got < size ? "shorter" : "longer");
    }
    return VV_OK;
}

/** Gone since it was listed: fine if a prune announced it. */
static enum vv_rc
was_pruned(struct verify *v, const struct verify_pack *p, bool *ret, struct vv_error *err)
{
    struct condemned_set now;

    VV_TRY(condemned_read(v->repo, &now, err));
    *ret = condemned_contains(&now, &p->name) || condemned_contains(&v->condemned, &p->name);
    condemned_set_release(&now);
    return VV_OK;
}

static enum vv_rc
check_pack(struct verify *v, struct pack_reader *reader, struct verify_pack *p,
           struct vv_buf *bytes, struct vv_error *err)
{
    char object[PACK_OBJECT_TEXT];
    struct pack_directory directory = {0};
    enum pack_class class;
    bool pruned = false;
    enum vv_rc rc;

    pack_object_text(&p->name, object);
    rc = read_whole(v, object, p->size, bytes, err);
    if (rc == VV_OK) {
        rc = pack_check_directory(reader, &p->name, vv_buf_span(bytes), &directory, &class, err);
    }
    if (rc == VV_OK && !p->damaged && verify_vouch_wanted(v, p)) {
        verify_vouch_add(v, p, &directory, class);
    }
    pack_directory_release(&directory);
    if (rc == VV_ENOTFOUND) {
        struct vv_error other = {0};
        enum vv_rc asked = was_pruned(v, p, &pruned, &other);
        if (asked != VV_OK) {
            *err = other;
            return asked;
        }
    }
    if (damage_found(rc, err)) {
        if (!pruned && !p->damaged) { /* a wrong size has been reported */
            verify_report(v, "pack-damaged", object, "%s", err->message);
        }
        p->damaged = !pruned;
        vv_error_clear(err);
        rc = VV_OK;
    }
    vv_mutex_lock(&v->lock);
    v->s.packs_read++;
    v->s.bytes_read += bytes->len;
    vv_mutex_unlock(&v->lock);
    if (v->progress != NULL) {
        atomic_fetch_add_explicit(&v->progress->bytes_done, p->size, memory_order_relaxed);
    }
    return rc;
}

static enum vv_rc
work(struct data_check *c, struct pack_reader *reader, struct vv_buf *bytes, struct vv_error *err)
{
    struct verify *v = c->v;

    for (;;) {
        size_t at = atomic_fetch_add(&c->next, 1);
        struct verify_pack *p;
        enum vv_rc rc;
        if (at >= verify_pack_count(v) || atomic_load(&c->stop)) {
            return VV_OK;
        }
        VV_TRY(vv_cancel_check(repo_cancel(v->repo), err));
        p = &verify_packs(v)[at];
        if (!p->listed) {
            continue;
        }
        if (p->size <= BUFFER_MAX) {
            VV_TRY(check_pack(v, reader, p, bytes, err));
            continue;
        }
        vv_mutex_lock(&c->large);
        rc = check_pack(v, reader, p, bytes, err);
        vv_buf_release(bytes);
        vv_mutex_unlock(&c->large);
        VV_TRY(rc);
    }
}

static void
worker_main(void *arg)
{
    struct data_worker *w = arg;
    struct data_check *c = w->check;
    struct pack_reader *reader = NULL;
    struct vv_buf bytes = {0};
    struct vv_error err = {0};
    enum vv_rc rc = pack_reader_new(c->keys, &reader, &err);

    if (rc == VV_OK) {
        rc = work(c, reader, &bytes, &err);
    }
    pack_reader_free(reader);
    vv_buf_release(&bytes);
    if (rc != VV_OK) {
        vv_mutex_lock(&c->lock);
        if (c->error.rc == VV_OK) {
            c->error = err;
            c->error.rc = rc;
        }
        vv_mutex_unlock(&c->lock);
        atomic_store(&c->stop, true);
    }
}

static enum vv_rc
run_workers(struct data_check *c, struct vv_error *err)
{
    struct data_worker workers[THREADS_MAX];
    unsigned wanted = c->v->options->threads != 0 ? c->v->options->threads
                                                  : repo_read_threads(c->v->repo, REMOTE_THREADS);
    unsigned started = 0;
    enum vv_rc rc = VV_OK;

    wanted = wanted < THREADS_MAX ? wanted : THREADS_MAX;
    if (wanted == 1) {
        workers[0] = (struct data_worker){.check = c};
        worker_main(&workers[0]);
        wanted = 0;
    }
    for (; started < wanted && rc == VV_OK; started++) {
        workers[started] = (struct data_worker){.check = c};
        rc = vv_thread_start(&workers[started].thread, "verify", worker_main, &workers[started],
                             err);
    }
    if (rc != VV_OK) {
        atomic_store(&c->stop, true);
    }
    for (unsigned i = 0; i < started; i++) {
        vv_thread_join(&workers[i].thread);
    }
    VV_TRY(rc);
    if (c->error.rc != VV_OK) {
        *err = c->error;
    }
    return c->error.rc;
}

/* --- which chunks a damaged pack takes with it ------------------------------------------------ */

static enum vv_rc
try_chunks(void *ctx, const struct pack_name *name, const struct index_body *body,
           struct vv_error *err)
{
    struct verify *v = ctx;
    const struct verify_pack *p = verify_find_pack(v, name);
    struct pack_directory directory = {0};
    struct vv_buf bytes = {0};
    enum vv_rc rc = VV_OK;

    if (p == NULL || !p->damaged) {
        return VV_OK;
    }
    VV_TRY(pack_directory_decode(body->directory, body->file_size, &directory, err));
    for (uint32_t i = 0; i < directory.chunk_count && rc == VV_OK; i++) {
        const struct pack_chunk *chunk = &directory.chunks[i];
        struct id_slot *slot;
        bool is_new;
        vv_buf_reset(&bytes);
        rc = vv_cancel_check(repo_cancel(v->repo), err);
        if (rc == VV_OK) {
            rc = chunk_read_here(v->look.chunks, (enum chunk_type)chunk->type, &chunk->id, &bytes,
                                 err);
        }
        if (damage_found(rc, err)) {
            vv_error_clear(err);
            v->unreadable = v->unreadable || chunk->type != CHUNK_DATA;
            rc = id_table_put(&v->bad, &chunk->id, &slot, &is_new, err);
        }
    }
    vv_buf_release(&bytes);
    pack_directory_release(&directory);
    return rc;
}

enum vv_rc
verify_pack_data(struct verify *v, struct vv_error *err)
{
    struct data_check c = {.v = v};
    bool damaged = false;
    enum vv_rc rc;

    if (v->progress != NULL) {
        uint64_t total = 0;
        for (size_t i = 0; i < verify_pack_count(v); i++) {
            total += verify_packs(v)[i].listed ? verify_packs(v)[i].size : 0;
        }
        atomic_store_explicit(&v->progress->bytes_total, total, memory_order_relaxed);
        atomic_store_explicit(&v->progress->total_is_final, 1, memory_order_relaxed);
    }
    VV_TRY(verify_vouch_begin(v, err));
    c.keys = chunk_reader_keys(v->look.chunks);
    vv_mutex_init(&c.large);
    vv_mutex_init(&c.lock);
    rc = run_workers(&c, err);
    verify_vouch_end(v);
    vv_mutex_release(&c.large);
    vv_mutex_release(&c.lock);
    VV_TRY(rc);
    for (size_t i = 0; i < verify_pack_count(v); i++) {
        damaged = damaged || verify_packs(v)[i].damaged;
    }
    return damaged ? chunk_index_each_pack(v->look.index, try_chunks, v, err) : VV_OK;
}
