/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that publish finished packs while the builders go on, on a storage where publishing is
 * mostly waiting.  Elsewhere the builder that completed a pack publishes it itself.
 */
#include "core/alloc.h"
#include "repo/pack_writer_internal.h"

struct pack_uploader {
    struct pack_writer *writer;
    struct image_checker *checker;
    struct vv_thread thread;
};

/** The next finished image; lock held. */
static struct pack_image *
take_finished(struct pack_writer *w)
{
    struct pack_image *image = w->finished;

    if (image != NULL) {
        w->finished = image->next;
        image->next = NULL;
    }
    return image;
}

static void
upload(void *arg)
{
    struct pack_uploader *u = arg;
    struct pack_writer *w = u->writer;

    vv_mutex_lock(&w->lock);
    for (;;) {
        struct pack_image *image = take_finished(w);
        if (image == NULL) {
            if (w->closing) {
                break;
            }
            vv_cond_wait(&w->room, &w->lock);
            continue;
        }
        vv_mutex_unlock(&w->lock);
        pack_writer_publish(w, image, u->checker);
        vv_mutex_lock(&w->lock);
    }
    vv_mutex_unlock(&w->lock);
}

enum vv_rc
pack_uploaders_start(struct pack_writer *w, unsigned count, struct vv_error *err)
{
    w->uploaders = vv_alloc_array(count, sizeof(*w->uploaders));
    if (w->uploaders == NULL) {
        return vv_error_nomem(err);
    }
    while (w->uploader_count < count) {
        struct pack_uploader *u = &w->uploaders[w->uploader_count];
        u->writer = w;
        VV_TRY(image_checker_new(&u->checker, err));
        w->uploader_count++; /* from here on pack_uploaders_stop cares for it */
        VV_TRY(vv_thread_start(&u->thread, "upload", upload, u, err));
    }
    return VV_OK;
}

void
pack_uploaders_stop(struct pack_writer *w)
{
    vv_mutex_lock(&w->lock);
    w->closing = true;
    vv_cond_broadcast(&w->room);
    vv_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->uploader_count; i++) {
        vv_thread_join(&w->uploaders[i].thread);
        image_checker_free(w->uploaders[i].checker);
    }
    vv_free(w->uploaders);
    w->uploaders = NULL;
    w->uploader_count = 0;
}

void
pack_writer_hand_over(struct pack_writer *w, struct pack_image *image,
                      struct image_checker *checker)
{
    struct pack_image **end;

    if (w->uploader_count == 0) {
        pack_writer_publish(w, image, checker);
        return;
    }
    vv_mutex_lock(&w->lock);
    for (end = &w->finished; *end != NULL; end = &(*end)->next) {
    }
    image->next = NULL;
    image->order = w->handed++;
    *end = image;
    vv_cond_broadcast(&w->room);
    vv_mutex_unlock(&w->lock);
}
