/* SPDX-License-Identifier: BSD-2-Clause */
/* Verify with data: every pack is read whole from the device and checked, in parallel. */

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "engine/verify_internal.h"

#define BUFFER_MAX (48u << 20) /* larger packs are read by one thread at a time */
#define THREADS_MAX 64u
#define REMOTE_THREADS 6u /* each holds a whole pack */

/** A pack to be read. */
struct read_turn {
    struct verify_pack *pack;
    int64_t read_at; /* last, by this host; 0: never */
};
struct data_check {
    struct verify *v;
    struct pack_keys *keys;
    struct read_turn *turns; /* packs to be read, in this order */
    size_t turn_count;
    uint64_t total; /* bytes of these */
    uint64_t started;
    atomic_bool stop;
    struct vv_mutex large;
    struct vv_mutex lock; /* guards all below */
    size_t next;
    uint64_t begun; /* bytes */
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

static enum vv_rc
note_named(void *ctx, const struct pack_name *name, const struct index_body *body,
           struct vv_error *err)
{
    struct verify *v = ctx;

    (void)body;
    vv_buf_put(&v->named, name, sizeof(*name));
    return vv_buf_check(&v->named, err);
}

static bool
is_named(const struct verify *v, const struct pack_name *name)
{
    return v->named.len > 0 && bsearch(name, v->named.data, v->named.len / sizeof(*name),
                                       sizeof(*name), pack_name_order) != NULL;
}

/** Does the index, read after the pack was found missing, still name it?  Once looked up, what it does
 *  not name it will never name again. */
static enum vv_rc
still_named(struct verify *v, const struct pack_name *name, bool *ret, struct vv_error *err)
{
    *ret = true;
    if (v->named_read && !is_named(v, name)) {
        *ret = false;
        return VV_OK;
    }
    VV_TRY(chunk_index_reload(v->look.index, err));
    vv_buf_reset(&v->named);
    VV_TRY(chunk_index_each_pack(v->look.index, note_named, v, err));
    if (v->named.len > 0) {
        qsort(v->named.data, v->named.len / sizeof(*name), sizeof(*name), pack_name_order);
    }
    v->named_read = true;
    *ret = is_named(v, name);
    return VV_OK;
}

/** Gone since it was listed: fine if a prune announced it, or has dropped its name from the index,
 *  which it does before it deletes anything and after what lived in the pack was copied. */
static enum vv_rc
was_pruned(struct verify *v, const struct verify_pack *p, bool *ret, struct vv_error *err)
{
    struct condemned_set now;
    bool named = true;
    enum vv_rc rc = VV_OK;

    VV_TRY(condemned_read(v->repo, &now, err));
    *ret = condemned_contains(&now, &p->name) || condemned_contains(&v->condemned, &p->name);
    condemned_set_release(&now);
    if (!*ret) {
        vv_mutex_lock(&v->naming);
        rc = still_named(v, &p->name, &named, err);
        vv_mutex_unlock(&v->naming);
        *ret = !named;
    }
    return rc;
}

/** What is known of an instance: 1 it is right, -1 it is wrong, 0 nothing. */
static int
known_state(struct verify *v, const struct verify_pack *p)
{
    int state;

    vv_mutex_lock(&v->lock);
    state = p->read_good ? 1 : p->read_bad ? -1 : 0;
    vv_mutex_unlock(&v->lock);
    return state;
}

static void
note_state(struct verify *v, struct verify_pack *p, bool good)
{
    vv_mutex_lock(&v->lock);
    p->read_good = good;
    p->read_bad = !good;
    vv_mutex_unlock(&v->lock);
}

/** Read and check another instance. */
static enum vv_rc
check_twin(struct verify *v, struct pack_reader *reader, struct verify_pack *twin, bool *ret,
           struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf bytes = {0};
    char object[PACK_OBJECT_TEXT];
    enum vv_rc rc;

    pack_object_text(&twin->name, object);
    rc = read_whole(v, object, twin->size, &bytes, err);
    if (rc == VV_OK) {
        rc = pack_check(reader, &twin->name, vv_buf_span(&bytes), err);
    }
    *ret = rc == VV_OK || rc == VV_EKEY; /* its hash is right */
    if (rc == VV_EKEY || damage_found(rc, err)) {
        vv_error_clear(err);
        rc = VV_OK;
    }
    note_state(v, twin, *ret);
    return rc;
}

/** Is there another instance that is right?  Rarely asked, so it is read for that. */
static enum vv_rc
has_good_twin(struct verify *v, struct pack_reader *reader, const struct verify_pack *p, bool *ret,
              struct vv_error *err)
{
    struct verify_pack *twin = NULL;

    *ret = false;
    while (!*ret && (twin = verify_twin(v, p, twin)) != NULL) {
        *ret = known_state(v, twin) > 0;
    }
    twin = NULL;
    while (!*ret && (twin = verify_twin(v, p, twin)) != NULL) {
        if (known_state(v, twin) == 0) {
            VV_TRY(check_twin(v, reader, twin, ret, err));
        }
    }
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
    if (rc == VV_EKEY) { /* its hash is right; nothing more can be said */
        repo_report(v->repo, "epoch-unknown", "packs", err->message);
        vv_error_clear(err);
        rc = VV_OK;
    }
    if (rc == VV_OK || damage_found(rc, err)) {
        note_state(v, p, rc == VV_OK);
    }
    if (rc == VV_ENOTFOUND) {
        struct vv_error other = {0};
        enum vv_rc asked = was_pruned(v, p, &pruned, &other);
        if (asked != VV_OK) {
            *err = other;
            return asked;
        }
    }
    if (damage_found(rc, err)) {
        struct vv_error other = {0};
        bool twin = false;
        enum vv_rc asked = pruned ? VV_OK : has_good_twin(v, reader, p, &twin, &other);
        if (asked != VV_OK) {
            *err = other;
            return asked;
        }
        pruned = pruned || twin;
        if (twin) {
            vv_mutex_lock(&v->lock);
            verify_superseded(v, p);
            vv_mutex_unlock(&v->lock);
        } else if (!pruned && !p->damaged) { /* a wrong size has been reported */
            verify_report(v, "pack-damaged", object, "%s", err->message);
        }
        p->damaged = !pruned;
        vv_error_clear(err);
        rc = VV_OK;
    }
    if (rc == VV_OK) {
        const struct vv_clock *clock = repo_clock(v->repo);
        rc = scrub_ledger_note(v->ledger, object, clock->realtime(clock), err);
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

/** The next pack within the budget; NULL if there is none. */
static struct verify_pack *
take_pack(struct data_check *c)
{
    const struct vv_clock *clock = repo_clock(c->v->repo);
    struct verify_pack *p = NULL;

    vv_mutex_lock(&c->lock);
    if (c->next < c->turn_count && budget_allows(&c->v->options->budget, c->begun, c->total,
                                                 clock->monotonic(clock) - c->started)) {
        p = c->turns[c->next++].pack;
        c->begun += p->size;
    }
    vv_mutex_unlock(&c->lock);
    return p;
}

static enum vv_rc
work(struct data_check *c, struct pack_reader *reader, struct vv_buf *bytes, struct vv_error *err)
{
    struct verify *v = c->v;

    for (;;) {
        struct verify_pack *p = atomic_load(&c->stop) ? NULL : take_pack(c);
        enum vv_rc rc;
        if (p == NULL) {
            return VV_OK;
        }
        VV_TRY(vv_cancel_check(repo_cancel(v->repo), err));
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

static int
compare_turns(const void *a, const void *b)
{
    const struct read_turn *x = a;
    const struct read_turn *y = b;

    return x->read_at != y->read_at ? (x->read_at < y->read_at ? -1 : 1)
                                    : pack_name_compare(&x->pack->name, &y->pack->name);
}

/** Drawn with a chance of ${part}? */
static bool
is_drawn(double part)
{
    uint32_t r;

    vv_random(&r, sizeof(r));
    return (double)r < part * 4294967296.0;
}

static bool
is_among(const struct verify_options *o, const struct pack_name *name)
{
    for (size_t i = 0; i < o->only_count; i++) {
        if (pack_name_compare(&o->only[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/** Which packs are to be read, and in which order. */
static enum vv_rc
choose_packs(struct data_check *c, struct vv_error *err)
{
    struct verify *v = c->v;
    const struct verify_options *o = v->options;

    c->turns = vv_alloc_array(verify_pack_count(v) + 1, sizeof(*c->turns));
    if (c->turns == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < verify_pack_count(v); i++) {
        struct verify_pack *p = &verify_packs(v)[i];
        char object[PACK_OBJECT_TEXT];
        if (!p->listed || (o->only_these && !is_among(o, &p->name)) ||
            (o->sample > 0 && o->sample < 1 && !is_drawn(o->sample))) {
            continue;
        }
        pack_object_text(&p->name, object);
        c->turns[c->turn_count++] = (struct read_turn){
            p, o->budget.kind == BUDGET_NONE ? 0 : scrub_ledger_find(v->ledger, object)};
        c->total += p->size;
    }
    if (c->turn_count > 0) {
        qsort(c->turns, c->turn_count, sizeof(*c->turns), compare_turns);
    }
    if (v->progress != NULL) {
        atomic_store_explicit(&v->progress->bytes_total, c->total, memory_order_relaxed);
        atomic_store_explicit(&v->progress->total_is_final, o->budget.kind == BUDGET_NONE,
                              memory_order_relaxed);
    }
    return VV_OK;
}

enum vv_rc
verify_pack_data(struct verify *v, struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(v->repo);
    struct data_check c = {.v = v, .started = clock->monotonic(clock)};
    bool damaged = false;
    enum vv_rc rc;

    VV_TRY(scrub_ledger_open(v->repo, &v->ledger, err));
    VV_TRY(verify_vouch_begin(v, err));
    c.keys = chunk_reader_keys(v->look.chunks);
    vv_mutex_init(&c.large);
    vv_mutex_init(&c.lock);
    rc = choose_packs(&c, err);
    if (rc == VV_OK) {
        rc = run_workers(&c, err);
    }
    verify_vouch_end(v);
    vv_free(c.turns);
    vv_mutex_release(&c.large);
    vv_mutex_release(&c.lock);
    if (scrub_ledger_save(v->ledger, LEDGER_ALL, NULL) != VV_OK) {
        vv_emit(repo_events(v->repo), VV_EVENT_WARNING, "journal-unusable", vv_span(NULL, 0),
                "when packs were read cannot be remembered");
    }
    VV_TRY(rc);
    for (size_t i = 0; i < verify_pack_count(v); i++) {
        damaged = damaged || verify_packs(v)[i].damaged;
    }
    return damaged ? chunk_index_each_pack(v->look.index, try_chunks, v, err) : VV_OK;
}
