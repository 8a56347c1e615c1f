/* SPDX-License-Identifier: BSD-2-Clause */
/* WAL of a base backup: received by a thread into a ring of segments. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/random.h"
#include "source/base_source.h"

#define RING_BYTES (64u << 20)
#define WAIT_MS 100u
#define STATUS_MS 10000u    /* well below wal_sender_timeout */
#define SILENCE_MS 120000u  /* the server sends a keepalive every 30 s by default */
#define COMPLETION_MS 1000u /* for the rest of a segment that was closed at the backup's end */

struct base_wal {
    struct postgres *server;
    struct vv_cancel cancel;
    struct vv_thread thread;
    int spool;
    uint32_t segment_size;
    uint64_t slots; /* segments in the ring */
    uint64_t first; /* number of the first segment */
    char slot_name[32];
    bool may_acknowledge;
    uint64_t status_due; /* ms */

    struct vv_mutex lock;
    struct vv_cond changed;
    /* all below under the lock */
    uint64_t complete; /* segments, from the first */
    uint64_t taken;
    uint64_t position; /* received up to here */
    uint64_t stop;     /* 0: not known yet */
    bool ended;        /* the thread is done */
    struct vv_error error;
};

static uint64_t
now_ms(void)
{
    const struct vv_clock *clock = vv_clock_system();

    return clock->monotonic(clock) / 1000000;
}

/* Could the server count us among its synchronous standbys? */
static enum vv_rc
ask_synchronous(struct base_wal *w, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf names = {0};

    VV_TRY(postgres_show(w->server, "synchronous_standby_names", &names, err));
    w->may_acknowledge = strchr(vv_buf_text(&names), '*') == NULL &&
                         strcasestr(vv_buf_text(&names), BASE_WAL_APPLICATION) == NULL;
    return VV_OK;
}

enum vv_rc
base_wal_reserve(const struct base_wal_options *o, struct base_wal **ret, struct vv_error *err)
{
    struct base_wal *w = vv_alloc_array(1, sizeof(*w));
    struct postgres_options connect = {
        .target = o->target, .use = POSTGRES_REPLICATION, .program = BASE_WAL_APPLICATION};
    struct postgres_system system = {0};
    uint64_t random;
    enum vv_rc rc;

    if (w == NULL) {
        return vv_error_nomem(err);
    }
    vv_mutex_init(&w->lock);
    vv_cond_init(&w->changed);
    w->spool = -1;
    w->segment_size = o->segment_size;
    w->slots = RING_BYTES / o->segment_size < 2 ? 2 : RING_BYTES / o->segment_size;
    vv_random(&random, sizeof(random));
    (void)snprintf(w->slot_name, sizeof(w->slot_name), "varve_base_%016" PRIx64, random);
    connect.cancel = o->cancel;
    rc = vv_error_origin(err, VV_ORIGIN_LOCAL, vv_temp_file(o->temp_dir, &w->spool, err));
    rc = rc != VV_OK ? rc : postgres_open(&connect, &w->server, err);
    rc = rc != VV_OK ? rc : postgres_identify(w->server, &system, err);
    if (rc == VV_OK && system.system != o->system) {
        (void)vv_error_set(err, VV_EREFUSED,
                           "the second connection to '%s' reached another database system",
                           postgres_name(w->server));
        rc = vv_error_origin(err, VV_ORIGIN_SOURCE, VV_EREFUSED);
    }
    rc = rc != VV_OK ? rc : ask_synchronous(w, err);
    rc = rc != VV_OK ? rc
                     : postgres_slot_create(w->server, w->slot_name, POSTGRES_SLOT_TEMPORARY, err);
    if (rc != VV_OK) {
        base_wal_free(w);
        return rc;
    }
    *ret = w;
    return VV_OK;
}

static enum vv_rc
send_status(struct base_wal *w, struct vv_error *err)
{
    const struct vv_clock *clock = vv_clock_system();
    uint64_t safe = w->may_acknowledge ? w->position : 0;
    struct postgres_stream_status status = {
        .written = w->position, .flushed = safe, .applied = safe, .now = clock->realtime(clock)};

    w->status_due = now_ms() + STATUS_MS;
    return postgres_stream_status(w->server, &status, err);
}

static enum vv_rc
send_status_when_due(struct base_wal *w, struct vv_error *err)
{
    return now_ms() >= w->status_due ? send_status(w, err) : VV_OK;
}

/* Wait until the segment at w->position has a place in the ring. */
static enum vv_rc
await_room(struct base_wal *w, struct vv_error *err)
{
    for (;;) {
        uint64_t place = w->position / w->segment_size - w->first;
        vv_mutex_lock(&w->lock);
        bool room = place - w->taken < w->slots;
        if (!room) {
            (void)vv_cond_wait_ms(&w->changed, &w->lock, WAIT_MS);
        }
        vv_mutex_unlock(&w->lock);
        if (room) {
            return VV_OK;
        }
        VV_TRY(vv_cancel_check(&w->cancel, err));
        VV_TRY(send_status_when_due(w, err));
    }
}

static uint64_t
spool_offset(const struct base_wal *w, uint64_t position)
{
    uint64_t place = position / w->segment_size - w->first;

    return place % w->slots * w->segment_size + position % w->segment_size;
}

static enum vv_rc
write_spool(struct base_wal *w, const uint8_t *data, size_t len, struct vv_error *err)
{
    enum vv_rc rc = vv_fd_pwrite_full(w->spool, data, len, spool_offset(w, w->position),
                                      "temporary file for WAL", err);

    return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
}

/* Append; segments that are full can be taken. */
static enum vv_rc
append(struct base_wal *w, struct vv_span data, struct vv_error *err)
{
    while (data.len > 0) {
        uint64_t room = w->segment_size - w->position % w->segment_size;
        size_t len = data.len < room ? data.len : (size_t)room;
        VV_TRY(await_room(w, err));
        VV_TRY(write_spool(w, data.data, len, err));
        vv_mutex_lock(&w->lock);
        w->position += len;
        w->complete = w->position / w->segment_size - w->first;
        vv_cond_broadcast(&w->changed);
        vv_mutex_unlock(&w->lock);
        data = vv_span(data.data + len, data.len - len);
    }
    return VV_OK;
}

/* A server that has not switched segments (a standby cannot) leaves the last one incomplete: what
 * recovery needs of it is there, and a segment must have its size. */
static enum vv_rc
fill_up(struct base_wal *w, uint64_t stop, struct vv_error *err)
{
    static const uint8_t zeros[65536];
    uint64_t end = ((stop - 1) / w->segment_size + 1) * w->segment_size;

    while (w->position < end) {
        uint64_t room = end - w->position;
        VV_TRY(append(w, vv_span(zeros, room < sizeof(zeros) ? (size_t)room : sizeof(zeros)), err));
    }
    return VV_OK;
}

static enum vv_rc
source_error(struct vv_error *err, enum vv_rc rc)
{
    return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
}

static enum vv_rc
handle(struct base_wal *w, const struct postgres_stream_message *m, struct vv_error *err)
{
    uint64_t place = w->position / w->segment_size;

    switch (m->kind) {
    case POSTGRES_STREAM_WAL:
        if (m->start != w->position) {
            return source_error(err,
                                vv_error_set(err, VV_ECORRUPT,
                                             "WAL came from %" PRIX64 " on instead of %" PRIX64,
                                             m->start, w->position));
        }
        VV_TRY(append(w, m->data, err));
        return w->position / w->segment_size != place ? send_status(w, err) : VV_OK;
    case POSTGRES_STREAM_KEEPALIVE:
        return m->answer ? send_status(w, err) : VV_OK;
    case POSTGRES_STREAM_TIMELINE_END:
        (void)vv_error_set(err, VV_EIO, "the server at '%s' was promoted during the base backup",
                           postgres_name(w->server));
        vv_error_hint(err, "start the backup again");
        return source_error(err, VV_EIO);
    case POSTGRES_STREAM_END:
        return source_error(err, vv_error_set(err, VV_ETRANSIENT,
                                              "the server at '%s' ended the WAL stream",
                                              postgres_name(w->server)));
    case POSTGRES_STREAM_NOTHING:
        break;
    }
    return VV_OK;
}

/* Is everything here?  Of the last segment the rest may still be under way; it is waited for a little. */
static bool
is_over(struct base_wal *w, uint64_t *reached)
{
    uint64_t stop;

    vv_mutex_lock(&w->lock);
    stop = w->stop;
    vv_mutex_unlock(&w->lock);
    if (stop == 0 || w->position < stop) {
        return false;
    }
    if (*reached == 0) {
        *reached = now_ms();
    }
    return w->position / w->segment_size > (stop - 1) / w->segment_size ||
           now_ms() - *reached >= COMPLETION_MS;
}

static enum vv_rc
receive(struct base_wal *w, struct vv_error *err)
{
    uint64_t last_message = now_ms();
    uint64_t reached = 0;

    while (!is_over(w, &reached)) {
        struct postgres_stream_message m = {0};
        VV_TRY(postgres_stream_next(w->server, WAIT_MS, &m, err));
        VV_TRY(handle(w, &m, err));
        VV_TRY(send_status_when_due(w, err));
        if (m.kind != POSTGRES_STREAM_NOTHING) {
            last_message = now_ms();
        } else if (now_ms() - last_message > SILENCE_MS) {
            return source_error(err, vv_error_set(err, VV_ETRANSIENT,
                                                  "not a byte of WAL from '%s' for %u seconds",
                                                  postgres_name(w->server), SILENCE_MS / 1000));
        }
    }
    return fill_up(w, w->stop, err);
}

static void
thread_main(void *arg)
{
    struct base_wal *w = arg;
    struct vv_error err = {0};
    enum vv_rc rc = receive(w, &err);

    vv_mutex_lock(&w->lock);
    w->ended = true;
    if (rc != VV_OK) {
        w->error = err;
    }
    vv_cond_broadcast(&w->changed);
    vv_mutex_unlock(&w->lock);
}

enum vv_rc
base_wal_start(struct base_wal *w, uint64_t start, uint32_t timeline, struct vv_error *err)
{
    w->first = start / w->segment_size;
    w->position = w->first * w->segment_size;
    w->status_due = now_ms() + STATUS_MS;
    VV_TRY(postgres_stream_begin(w->server, w->slot_name, w->position, timeline, err));
    postgres_set_cancel(w->server, &w->cancel); /* base_wal_free ends the thread by it */
    return vv_thread_start(&w->thread, "wal", thread_main, w, err);
}

void
base_wal_stop_at(struct base_wal *w, uint64_t end)
{
    vv_mutex_lock(&w->lock);
    w->stop = end;
    vv_cond_broadcast(&w->changed);
    vv_mutex_unlock(&w->lock);
}

enum vv_rc
base_wal_take(struct base_wal *w, bool wait, struct vv_cancel *cancel, uint64_t *ret_number,
              bool *ret_end, struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    *ret_number = UINT64_MAX;
    *ret_end = false;
    vv_mutex_lock(&w->lock);
    for (;;) {
        uint64_t needed =
            w->stop == 0 ? UINT64_MAX : (w->stop - 1) / w->segment_size - w->first + 1;
        if (w->taken >= needed) {
            *ret_end = true;
        } else if (w->complete > w->taken) {
            *ret_number = w->first + w->taken;
        } else if (w->error.rc != VV_OK) {
            if (err != NULL) {
                *err = w->error;
            }
            rc = w->error.rc;
        } else if (wait) {
            (void)vv_cond_wait_ms(&w->changed, &w->lock, WAIT_MS);
            rc = vv_cancel_check(cancel, err);
            if (rc == VV_OK) {
                continue;
            }
        }
        break;
    }
    vv_mutex_unlock(&w->lock);
    return rc;
}

enum vv_rc
base_wal_read(struct base_wal *w, uint64_t offset, uint8_t *buf, size_t len, size_t *ret_len,
              struct vv_error *err)
{
    uint64_t left = offset < w->segment_size ? w->segment_size - offset : 0;
    size_t want = left < len ? (size_t)left : len;
    enum vv_rc rc;

    /* `taken` is changed by the caller's thread only. */
    rc = vv_fd_pread_full(w->spool, buf, want, w->taken % w->slots * w->segment_size + offset,
                          "temporary file for WAL", ret_len, err);
    if (rc == VV_OK && *ret_len != want) {
        rc = vv_error_set(err, VV_EIO, "the temporary file for WAL is too short");
    }
    return vv_error_origin(err, VV_ORIGIN_LOCAL, rc);
}

void
base_wal_give_back(struct base_wal *w)
{
    vv_mutex_lock(&w->lock);
    w->taken++;
    vv_cond_broadcast(&w->changed);
    vv_mutex_unlock(&w->lock);
}

void
base_wal_free(struct base_wal *w)
{
    if (w == NULL) {
        return;
    }
    atomic_store(&w->cancel.wanted, true);
    vv_thread_join(&w->thread);
    postgres_free(w->server);
    vv_fd_close(w->spool);
    vv_cond_release(&w->changed);
    vv_mutex_release(&w->lock);
    vv_free(w);
}
