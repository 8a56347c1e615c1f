/* SPDX-License-Identifier: BSD-2-Clause */
/* Readers that register. */
#include "repo/reader_session.h"

#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "core/thread.h"
#include "format/session.h"

#define HEARTBEAT_NS (600ull * 1000 * 1000 * 1000)
#define HEARTBEAT_POLL_MS 1000u

struct reader_session {
    struct repo *repo;
    struct vv_uuid id;
    struct vv_uuid *snapshots;
    size_t count;
    uint64_t beats;
    uint64_t last_beat; /* monotonic ns */
    bool running;       /* the thread was started */
    bool registered;    /* once that runs its own, until it was joined */
    struct vv_thread heart;
    struct vv_mutex lock; /* guards stop, beats, last_beat */
    struct vv_cond wake;
    bool stop;
};

static enum vv_rc
object_name(const struct reader_session *s, uint64_t beat, struct vv_buf *out, struct vv_error *err)
{
    char text[VV_UUID_TEXT];

    vv_uuid_text(&s->id, text);
    vv_buf_reset(out);
    vv_buf_printf(out, "sessions/%s", text);
    if (beat > 0) {
        vv_buf_printf(out, ".%llu", (unsigned long long)beat);
    }
    (void)vv_buf_text(out);
    return vv_buf_check(out, err);
}

/** Publish the registration (beat 0) or a heartbeat. */
static enum vv_rc
publish(struct reader_session *s, uint64_t beat, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf object = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};
    struct session_record record = {.session = s->id, .kind = SESSION_READER, .beat = beat};

    if (s->count > UINT32_MAX) {
        return vv_error_set(err, VV_ELIMIT, "too many snapshots");
    }
    record.time = repo_clock(s->repo)->realtime(repo_clock(s->repo));
    record.snapshot_count = (uint32_t)s->count;
    record.snapshots = vv_span(s->snapshots, s->count * sizeof(*s->snapshots));
    vv_random(record.nonce, sizeof(record.nonce));
    VV_TRY(object_name(s, beat, &name, err));
    VV_TRY(session_encode(&record, repo_id(s->repo), &object, err));
    return storage_publish(repo_storage(s->repo), vv_buf_text(&name), vv_buf_span(&object), err);
}

void
reader_session_beat(struct reader_session *s)
{
    const struct vv_clock *clock = repo_clock(s->repo);
    uint64_t now = clock->monotonic(clock);
    struct vv_error err = {0};
    uint64_t beat;

    vv_mutex_lock(&s->lock);
    if (now - s->last_beat < HEARTBEAT_NS) {
        vv_mutex_unlock(&s->lock);
        return;
    }
    s->last_beat = now;
    beat = ++s->beats;
    vv_mutex_unlock(&s->lock);
    if (publish(s, beat, &err) != VV_OK) {
        vv_emit(repo_events(s->repo), VV_EVENT_NOTICE, "heartbeat-failed", vv_span(NULL, 0), "%s",
                err.message);
    }
}

/** Q2 */
static void
tell_unregistered(const struct repo *r, const struct vv_error *err)
{
    vv_emit(repo_events(r), VV_EVENT_NOTICE, "reader-not-registered", vv_span(NULL, 0),
            "no prune can know what is being read here (what it deletes meanwhile is missed, "
            "never mistaken): %s",
            err->message);
}

static void
heart(void *arg)
{
    struct reader_session *s = arg;
    struct vv_error err = {0};

    if (!s->registered) { /* Q4 */
        s->registered = publish(s, 0, &err) == VV_OK;
        if (!s->registered) {
            tell_unregistered(s->repo, &err);
            return;
        }
    }
    vv_mutex_lock(&s->lock);
    while (!s->stop) {
        (void)vv_cond_wait_ms(&s->wake, &s->lock, HEARTBEAT_POLL_MS);
        if (!s->stop) {
            vv_mutex_unlock(&s->lock);
            reader_session_beat(s);
            vv_mutex_lock(&s->lock);
        }
    }
    vv_mutex_unlock(&s->lock);
}

static enum vv_rc
begin(struct reader_session *s, const struct vv_uuid *snapshots, struct vv_error *err)
{
    char text[VV_UUID_TEXT];

    s->snapshots = vv_alloc_array(s->count + 1, sizeof(*s->snapshots));
    if (s->snapshots == NULL) {
        return vv_error_nomem(err);
    }
    if (s->count > 0) {
        memcpy(s->snapshots, snapshots, s->count * sizeof(*snapshots));
    }
    vv_random(s->id.b, sizeof(s->id.b));
    vv_uuid_text(&s->id, text);
    storage_set_session(repo_storage(s->repo), text);
    s->last_beat = repo_clock(s->repo)->monotonic(repo_clock(s->repo));
    if (storage_parallel(repo_storage(s->repo)) <= 1) {
        VV_TRY(publish(s, 0, err));
        s->registered = true;
    }
    VV_TRY(vv_thread_start(&s->heart, "heartbeat", heart, s, err));
    s->running = true;
    return VV_OK;
}

struct reader_session *
reader_session_begin(struct repo *r, const struct vv_uuid *snapshots, size_t count)
{
    struct reader_session *s = vv_alloc_array(1, sizeof(*s));
    struct vv_error err = {0};

    if (s == NULL) {
        return NULL;
    }
    s->repo = r;
    s->count = count;
    vv_mutex_init(&s->lock);
    vv_cond_init(&s->wake);
    if (begin(s, snapshots, &err) != VV_OK) {
        tell_unregistered(r, &err);
        reader_session_end(s, READER_CLEAN);
        return NULL;
    }
    return s;
}

/** Q3.  Where it cannot be done nothing is lost. */
static void
clean(struct reader_session *s)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};

    for (uint64_t beat = s->beats + 1; beat-- > 0;) { /* the registration last */
        if (object_name(s, beat, &name, NULL) != VV_OK ||
            storage_remove(repo_storage(s->repo), vv_buf_text(&name), NULL) == VV_ETRANSIENT) {
            return;
        }
    }
}

void
reader_session_end(struct reader_session *s, enum reader_end how)
{
    if (s == NULL) {
        return;
    }
    if (s->running) {
        vv_mutex_lock(&s->lock);
        s->stop = true;
        vv_cond_broadcast(&s->wake);
        vv_mutex_unlock(&s->lock);
        vv_thread_join(&s->heart);
        if (how == READER_CLEAN && s->registered) {
            clean(s);
        }
    }
    vv_cond_release(&s->wake);
    vv_mutex_release(&s->lock);
    vv_free(s->snapshots);
    vv_free(s);
}
