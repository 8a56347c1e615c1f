/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune, P3: every session that might refer to what was condemned ends. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/prune_internal.h"
#include "repo/session_mark.h"

#define SECOND_NS (1000ull * 1000 * 1000)
#define POLL_MAX_NS (10 * SECOND_NS)

/** Sessions found open after the list was published, and not seen to end yet. */
struct waiting {
    struct vv_uuid *ids;
    size_t count;
};

static bool
is_waited_for(const struct prune_round *round, const struct open_session *s)
{
    return s->kind != SESSION_READER && !vv_uuid_equal(&s->id, writer_session_id(round->session));
}

static void
tell_fenced(struct prune *p, const struct open_session *s, const char *why)
{
    char id[VV_UUID_TEXT];

    vv_uuid_text(&s->id, id);
    p->s.sessions_fenced++;
    vv_emit(repo_events(p->repo), VV_EVENT_WARNING, "session-fenced", vv_span(id, 32),
            "session %.8s %s: it was ended from outside, and its run, should it go on, has to be "
            "started again",
            id, why);
}

static void
tell_left_behind(struct prune *p, const struct open_session *s)
{
    char id[VV_UUID_TEXT];

    vv_uuid_text(&s->id, id);
    p->s.sessions_fenced++;
    vv_emit(repo_events(p->repo), VV_EVENT_NOTICE, "session-fenced", vv_span(id, 32),
            "session %.8s was left behind by a run on this host that is gone: it was ended", id);
}

/** Does the caller want it ended at once?  Not another prune once one has ended this run's session:
 *  two of them would end each other again and again, and neither would come to its end. */
static bool
is_fenced_at_once(const struct prune *p, const struct open_session *s)
{
    return p->options->fence && (s->kind != SESSION_PRUNE || p->overtaken == 0);
}

/** End one session from outside if that is due; *ret_ended: it has a slot now. */
static enum vv_rc
fence_if_due(struct prune_round *round, const struct open_session *s, bool *ret_ended,
             struct vv_error *err)
{
    struct prune *p = round->p;
    bool at_once = is_fenced_at_once(p, s);
    bool left = session_mark_left(p->repo, &s->id);
    char id[VV_UUID_TEXT];
    uint64_t still = 0;
    enum vv_rc rc;

    vv_uuid_text(&s->id, id);
    VV_TRY(stillness_of(p->still, id, s->beat, &still, err));
    if (!at_once && !left && still < PRUNE_STILL_NS) {
        return VV_OK;
    }
    rc = session_fence(p->repo, &s->id, err);
    if (rc == VV_EEXISTS) { /* it was faster, or somebody else */
        vv_error_clear(err);
        *ret_ended = true;
        return VV_OK;
    }
    VV_TRY(rc);
    *ret_ended = true;
    if (left) {
        tell_left_behind(p, s);
        return VV_OK;
    }
    tell_fenced(p, s, at_once ? "is open" : "has shown no sign of life for an hour");
    return VV_OK;
}

/** Two prunes would wait for each other: the one whose id is greater gives way at once. */
static bool
gives_way(const struct prune_round *round, const struct open_session *s)
{
    return s->kind == SESSION_PRUNE &&
           memcmp(s->id.b, writer_session_id(round->session)->b, 16) < 0;
}

/** Look at those that are still waited for; the rest is forgotten. */
static enum vv_rc
look(struct prune_round *round, struct waiting *w, bool *ret_give_way, struct vv_error *err)
{
    struct open_sessions open = {0};
    size_t kept = 0;
    enum vv_rc rc = open_sessions_read(round->p->repo, &round->admin, &open, err);

    VV_TRY(rc);
    for (size_t i = 0; i < w->count && rc == VV_OK; i++) {
        const struct open_session *s = open_sessions_find(&open, &w->ids[i]);
        bool ended = s == NULL;
        if (!ended) {
            rc = fence_if_due(round, s, &ended, err);
        }
        if (rc == VV_OK && !ended) {
            *ret_give_way = *ret_give_way || gives_way(round, s);
            w->ids[kept++] = w->ids[i];
        }
    }
    w->count = kept;
    open_sessions_release(&open);
    if (rc == VV_OK) {
        rc = stillness_store(round->p->still, err);
    }
    return rc;
}

static enum vv_rc
list_open(struct prune_round *round, struct waiting *w, struct vv_error *err)
{
    struct open_sessions open = {0};

    VV_TRY(open_sessions_read(round->p->repo, &round->admin, &open, err));
    w->ids = vv_alloc_array(open.count + 1, sizeof(*w->ids));
    for (size_t i = 0; w->ids != NULL && i < open.count; i++) {
        if (is_waited_for(round, &open.items[i])) {
            w->ids[w->count++] = open.items[i].id;
        }
    }
    open_sessions_release(&open);
    return w->ids == NULL ? vv_error_nomem(err) : VV_OK;
}

static void
tell_left(struct prune *p, const struct waiting *w)
{
    for (size_t i = 0; i < w->count; i++) {
        char id[VV_UUID_TEXT];
        vv_uuid_text(&w->ids[i], id);
        vv_emit(repo_events(p->repo), VV_EVENT_NOTICE, "session-open", vv_span(id, 32),
                "session %.8s is at work, or died less than an hour ago: what was condemned waits "
                "for the next prune",
                id);
    }
}

enum vv_rc
prune_resolve(struct prune_round *round, bool *ret_resolved, struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(round->p->repo);
    uint64_t start = clock->monotonic(clock);
    uint64_t pause = SECOND_NS / 4;
    struct waiting w = {0};
    bool give_way = false;
    enum vv_rc rc = list_open(round, &w, err);

    prune_phase(round->p, PRUNE_WAITING);
    while (rc == VV_OK && w.count > 0) {
        rc = look(round, &w, &give_way, err);
        if (rc != VV_OK || w.count == 0 || give_way ||
            clock->monotonic(clock) - start >= round->p->options->wait_ns) {
            break;
        }
        rc = vv_cancel_check(repo_cancel(round->p->repo), err);
        if (rc == VV_OK) {
            clock->sleep(clock, pause);
            pause = pause * 2 < POLL_MAX_NS ? pause * 2 : POLL_MAX_NS;
        }
    }
    if (rc == VV_OK) {
        *ret_resolved = w.count == 0;
        round->p->s.sessions_open += w.count;
        tell_left(round->p, &w);
    }
    vv_free(w.ids);
    return rc;
}
