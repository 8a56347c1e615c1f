/* SPDX-License-Identifier: BSD-2-Clause */
/* The publishing half of a receiver: histories first, then what the journal holds. */
#include <string.h>

#include "core/alloc.h"
#include "engine/wal_receive_internal.h"

#define TOLD_AGAIN UINT64_C(600000000000) /* ns between reports of the same trouble */
#define WAIT_MOST_MS 1000u

/** The publisher's own. */
struct publisher {
    struct receiver *v;
    struct wal_pace pace;
    struct wal_chunk_ids ids; /* of the segment that is not whole yet */
    uint32_t ids_timeline;
    uint64_t ids_number;
    uint64_t told; /* when trouble was told last; 0: there is none */
};

static enum vv_rc
read_history(void *ctx, uint64_t offset, uint8_t *buf, size_t len, struct vv_error *err)
{
    const struct vv_buf *content = ctx;

    (void)err;
    memcpy(buf, content->data + offset, len);
    return VV_OK;
}

static enum vv_rc
publish_history(struct receiver *v, const struct received_history *h, struct vv_error *err)
{
    struct vv_buf content = h->content;
    char name[WAL_HISTORY_NAME];
    struct wal_file f = {.name = name, .size = content.len, .read = read_history, .ctx = &content};
    struct wal_publication p = {.wal = {v->system, v->segment_size, h->timeline, 0, 0},
                                .files = &f,
                                .count = 1,
                                .host = v->options->host,
                                .user = v->options->user,
                                .level = v->options->level};

    wal_history_name(h->timeline, name);
    VV_TRY(wal_publish(v->repo, &p, NULL, err));
    return wal_journal_keep(v->journal, name, vv_buf_span(&content), err);
}

/** The ids of a piece that was published before, if it is of this segment. */
static struct wal_chunk_ids *
ids_of(struct publisher *b, uint32_t timeline, uint64_t number)
{
    if (b->ids_timeline != timeline || b->ids_number != number) {
        wal_chunk_ids_release(&b->ids);
        b->ids_timeline = timeline;
        b->ids_number = number;
    }
    return &b->ids;
}

static enum vv_rc
publish_pending(struct publisher *b, const struct wal_pending *pending, struct vv_error *err)
{
    struct receiver *v = b->v;
    struct wal_journal_reader *readers[WAL_PENDING_SEGMENTS] = {0};
    struct wal_file files[WAL_PENDING_SEGMENTS] = {0};
    char names[WAL_PENDING_SEGMENTS][WAL_NAME];
    struct wal_publication p = {
        .wal = {v->system, v->segment_size, pending->timeline, pending->from, pending->to},
        .files = files,
        .host = v->options->host,
        .user = v->options->user,
        .level = v->options->level};
    uint64_t first = pending->from / v->segment_size;
    uint64_t last = (pending->to - 1) / v->segment_size;
    enum vv_rc rc = VV_OK;

    for (uint64_t n = first; n <= last && rc == VV_OK; n++, p.count++) {
        wal_name(pending->timeline, n, v->segment_size, names[p.count]);
        rc = wal_journal_read(v->journal, pending, n, &readers[p.count], &files[p.count], err);
        files[p.count].name = names[p.count];
    }
    if (rc == VV_OK) {
        files[0].known = ids_of(b, pending->timeline, first);
        rc = wal_publish(v->repo, &p, NULL, err);
    }
    for (size_t i = 0; i < WAL_PENDING_SEGMENTS; i++) {
        wal_journal_close(readers[i]);
    }
    return rc == VV_OK ? wal_journal_done(v->journal, pending, err) : rc;
}

static struct received_history *
next_history(struct receiver *v)
{
    for (size_t i = 0; i < v->history_count; i++) {
        if (!v->histories[i].done) {
            return &v->histories[i];
        }
    }
    return NULL;
}

/** What is next: a history (whose content nobody changes once it is there), or WAL. */
static bool
find_work(struct publisher *b, struct received_history *ret_history, bool *ret_is_history,
          struct wal_pending *ret_pending)
{
    const struct received_history *h = next_history(b->v);

    *ret_is_history = h != NULL;
    if (h != NULL) {
        *ret_history = *h;
        return true;
    }
    return wal_journal_pending(b->v->journal, ret_pending);
}

static void
history_done(struct receiver *v, uint32_t timeline)
{
    vv_mutex_lock(&v->lock);
    for (size_t i = 0; i < v->history_count; i++) {
        v->histories[i].done = v->histories[i].done || v->histories[i].timeline == timeline;
    }
    vv_mutex_unlock(&v->lock);
}

/** Wait until something is to be published.  False: the end. */
static bool
wait_for_work(struct publisher *b, struct received_history *history, bool *is_history,
              struct wal_pending *pending)
{
    struct receiver *v = b->v;
    bool go_on;

    vv_mutex_lock(&v->lock);
    for (;;) {
        bool work = find_work(b, history, is_history, pending);
        uint64_t wait = wal_pace_wait(&b->pace, receiver_clock(v), work);
        uint64_t ms = wait == WAL_PACE_NEVER ? WAIT_MOST_MS : wait / 1000000 + 1;
        if (v->stop &&
            (!v->drain || !work || vv_cancel_check(repo_cancel(v->repo), NULL) != VV_OK)) {
            go_on = false;
            break;
        }
        if (work && (wait == 0 || v->drain)) {
            go_on = true;
            break;
        }
        (void)vv_cond_wait_ms(&v->wake, &v->lock, ms < WAIT_MOST_MS ? ms : WAIT_MOST_MS);
    }
    vv_mutex_unlock(&v->lock);
    return go_on;
}

static void
tell(struct publisher *b, enum vv_rc rc, const struct vv_error *err)
{
    struct receiver *v = b->v;
    uint64_t now = receiver_clock(v);

    if (rc == VV_OK) {
        if (b->told != 0) {
            vv_emit(repo_events(v->repo), VV_EVENT_NOTICE, "publish-failed", vv_span(NULL, 0),
                    "the repository takes WAL again");
        }
        b->told = 0;
    } else if (b->told == 0 || now - b->told >= TOLD_AGAIN) {
        vv_emit(repo_events(v->repo), VV_EVENT_PROBLEM, "publish-failed", vv_span(NULL, 0),
                "%s; WAL stays in the journal, and it is tried again", err->message);
        b->told = now > 0 ? now : 1;
    }
}

static enum vv_rc
run(struct publisher *b, struct vv_error *err)
{
    struct receiver *v = b->v;
    struct received_history history = {0};
    struct wal_pending pending = {0};
    bool is_history = false;

    while (wait_for_work(b, &history, &is_history, &pending)) {
        uint64_t start = receiver_clock(v);
        enum vv_rc rc;
        vv_error_clear(err);
        rc = is_history ? publish_history(v, &history, err) : publish_pending(b, &pending, err);
        wal_pace_ran(&b->pace, start, receiver_clock(v), rc == VV_OK);
        if (rc == VV_ECANCELLED) {
            return rc;
        }
        if (rc == VV_OK && is_history) {
            history_done(v, history.timeline);
        }
        v->sum->publications += rc == VV_OK;
        if (rc != VV_OK && v->options->once) {
            return rc;
        }
        tell(b, rc, err);
    }
    return VV_OK;
}

void
publisher_main(void *receiver)
{
    struct receiver *v = receiver;
    struct publisher b = {.v = v};
    struct vv_error err = {0};
    enum vv_rc rc = run(&b, &err);

    wal_chunk_ids_release(&b.ids);
    vv_mutex_lock(&v->lock);
    v->publish_rc = rc;
    v->publish_error = err;
    v->publisher_ended = true;
    vv_mutex_unlock(&v->lock);
}
