/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that read objects before they are wanted; see object_ahead.h. */
#include "repo/object_ahead.h"

#include <string.h>

#include "core/alloc.h"
#include "core/thread.h"

struct ahead_item {
    struct vv_buf bytes;
    struct vv_error error;
    enum vv_rc rc;
    bool done;
};

struct object_ahead {
    struct storage *storage;
    const char *directory;
    char *const *names;
    size_t count;
    uint64_t limit;
    struct vv_mutex lock; /* guards what follows; a place belongs to its reader until done */
    struct vv_cond changed;
    size_t next;  /* to be read */
    size_t taken; /* handed out */
    bool stopping;
    struct ahead_item *items; /* OBJECT_AHEAD_WINDOW places, NULL: nobody reads ahead */
    struct vv_thread threads[OBJECT_AHEAD_WINDOW];
    unsigned thread_count;
};

static enum vv_rc
read_one(const struct object_ahead *a, size_t i, struct vv_buf *out, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};

    vv_buf_reset(out);
    vv_buf_printf(&name, "%s/%s", a->directory, a->names[i]);
    (void)vv_buf_text(&name);
    VV_TRY(vv_buf_check(&name, err));
    if (!storage_name_valid(vv_buf_text(&name))) { /* listed, but never one of ours */
        return vv_error_set(err, VV_ECORRUPT, "no name of an object");
    }
    return storage_read_all(a->storage, vv_buf_text(&name), a->limit, out, err);
}

static void
read_ahead(void *arg)
{
    struct object_ahead *a = arg;

    vv_mutex_lock(&a->lock);
    while (!a->stopping && a->next < a->count) {
        if (a->next - a->taken >= OBJECT_AHEAD_WINDOW) { /* A2 */
            vv_cond_wait(&a->changed, &a->lock);
            continue;
        }
        size_t i = a->next++;
        struct ahead_item *item = &a->items[i % OBJECT_AHEAD_WINDOW];
        vv_mutex_unlock(&a->lock);
        item->rc = read_one(a, i, &item->bytes, &item->error);
        vv_mutex_lock(&a->lock);
        item->done = true;
        vv_cond_broadcast(&a->changed);
    }
    vv_mutex_unlock(&a->lock);
}

/* As many as help; whatever cannot be started is done without. */
static void
start_threads(struct object_ahead *a, unsigned wanted)
{
    wanted = wanted > OBJECT_AHEAD_WINDOW ? OBJECT_AHEAD_WINDOW : wanted;
    wanted = wanted > a->count ? (unsigned)a->count : wanted;
    a->items = vv_alloc_array(OBJECT_AHEAD_WINDOW, sizeof(*a->items));
    while (a->items != NULL && a->thread_count < wanted &&
           vv_thread_start(&a->threads[a->thread_count], "ahead", read_ahead, a, NULL) == VV_OK) {
        a->thread_count++;
    }
}

enum vv_rc
object_ahead_new(struct storage *s, const char *directory, char *const *names, size_t count,
                 uint64_t limit, struct object_ahead **ret, struct vv_error *err)
{
    struct object_ahead *a = vv_alloc_array(1, sizeof(*a));

    if (a == NULL) {
        return vv_error_nomem(err);
    }
    a->storage = s;
    a->directory = directory;
    a->names = names;
    a->count = count;
    a->limit = limit;
    vv_mutex_init(&a->lock);
    vv_cond_init(&a->changed);
    if (storage_parallel(s) > 1 && count > 0) {
        start_threads(a, storage_parallel(s));
    }
    *ret = a;
    return VV_OK;
}

enum vv_rc
object_ahead_next(struct object_ahead *a, struct vv_buf *out, struct vv_error *err)
{
    if (a->thread_count == 0) {
        return read_one(a, a->taken++, out, err);
    }
    vv_mutex_lock(&a->lock);
    struct ahead_item *item = &a->items[a->taken % OBJECT_AHEAD_WINDOW];
    while (!item->done) {
        vv_cond_wait(&a->changed, &a->lock);
    }
    enum vv_rc rc = item->rc;
    if (rc != VV_OK && err != NULL) {
        *err = item->error;
    }
    struct vv_buf bytes = item->bytes;
    *item = (struct ahead_item){0};
    a->taken++;
    vv_cond_broadcast(&a->changed);
    vv_mutex_unlock(&a->lock);
    vv_buf_release(out);
    *out = bytes;
    return rc;
}

void
object_ahead_free(struct object_ahead *a)
{
    if (a == NULL) {
        return;
    }
    vv_mutex_lock(&a->lock);
    a->stopping = true;
    vv_cond_broadcast(&a->changed);
    vv_mutex_unlock(&a->lock);
    for (unsigned i = 0; i < a->thread_count; i++) {
        vv_thread_join(&a->threads[i]);
    }
    for (unsigned i = 0; a->items != NULL && i < OBJECT_AHEAD_WINDOW; i++) {
        vv_buf_release(&a->items[i].bytes);
    }
    vv_free(a->items);
    vv_cond_release(&a->changed);
    vv_mutex_release(&a->lock);
    vv_free(a);
}
