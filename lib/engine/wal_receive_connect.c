/* SPDX-License-Identifier: BSD-2-Clause */
/* A receiver's connection: the right server, its slot, its histories, and where to begin. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "engine/wal_fetch.h"
#include "engine/wal_receive_internal.h"

static enum vv_rc
source(struct vv_error *err, enum vv_rc rc)
{
    return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
}

static uint64_t
segment_begin(const struct receiver *v, uint64_t lsn)
{
    return lsn - lsn % v->segment_size;
}

/** V5 */
static enum vv_rc
identify(struct receiver *v, struct vv_error *err)
{
    uint32_t segment_size = 0;

    VV_TRY(postgres_identify(v->server, &v->now, err));
    VV_TRY(postgres_segment_size(v->server, &segment_size, err));
    if (v->system != 0 && (v->now.system != v->system || segment_size != v->segment_size)) {
        (void)vv_error_set(err, VV_EREFUSED,
                           "%s is another cluster now: its system identifier is %llu, not %llu",
                           postgres_name(v->server), (unsigned long long)v->now.system,
                           (unsigned long long)v->system);
        return source(err, VV_EREFUSED);
    }
    if (!wal_segment_size_valid(segment_size)) {
        return source(err, vv_error_set(err, VV_ECORRUPT, "%s has an impossible wal_segment_size",
                                        postgres_name(v->server)));
    }
    v->system = v->now.system;
    v->segment_size = segment_size;
    v->sum->system = v->system;
    return VV_OK;
}

/** A slot nobody reads from fills the server's disk, unless the server lets go of it in time. */
static enum vv_rc
check_bound(struct receiver *v, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf value = {0};

    if (v->options->unbounded_slot) {
        return VV_OK;
    }
    VV_TRY(postgres_show(v->server, "max_slot_wal_keep_size", &value, err));
    if (strcmp(vv_buf_text(&value), "-1") != 0) {
        return VV_OK;
    }
    (void)vv_error_set(
        err, VV_EREFUSED,
        "%s keeps WAL for a slot without bound (max_slot_wal_keep_size = -1): should "
        "this receiver stop, its disk would fill up",
        postgres_name(v->server));
    vv_error_hint(err, "set max_slot_wal_keep_size there, or give --unbounded-slot");
    return source(err, VV_EREFUSED);
}

/** The slot, reserving WAL; made, or made anew if the server has let go of its WAL. */
static enum vv_rc
ensure_slot(struct receiver *v, struct postgres_slot *ret, struct vv_error *err)
{
    const char *name = v->options->slot;

    VV_TRY(postgres_slot_read(v->server, name, ret, err));
    if (ret->exists && !ret->physical) {
        return source(err, vv_error_set(err, VV_EREFUSED, "slot '%s' of %s is not a physical one",
                                        name, postgres_name(v->server)));
    }
    if (ret->exists && ret->reserved) {
        return VV_OK;
    }
    if (ret->exists) {
        VV_TRY(postgres_slot_drop(v->server, name, err));
    }
    VV_TRY(postgres_slot_create(v->server, name, POSTGRES_SLOT_LASTING, err));
    return postgres_slot_read(v->server, name, ret, err);
}

/* --- histories -------------------------------------------------------------------------------- */

static bool
has_history(const struct receiver *v, uint32_t timeline)
{
    for (size_t i = 0; i < v->history_count; i++) {
        if (v->histories[i].timeline == timeline) {
            return true;
        }
    }
    return false;
}

/** Take ${content} into the list; the publisher does the rest. */
static enum vv_rc
add_history(struct receiver *v, uint32_t timeline, struct vv_buf *content, bool done,
            struct vv_error *err)
{
    struct received_history *grown;

    vv_mutex_lock(&v->lock);
    grown = vv_realloc_array(v->histories, v->history_count + 1, sizeof(*grown));
    if (grown != NULL) {
        v->histories = grown;
        grown[v->history_count++] = (struct received_history){timeline, done, *content};
        *content = (struct vv_buf){0};
        vv_cond_signal(&v->wake);
    }
    vv_mutex_unlock(&v->lock);
    return grown != NULL ? VV_OK : vv_error_nomem(err);
}

/** Was it published by this receiver?  Another one under its name: two servers have begun this
 *  timeline. */
static enum vv_rc
was_published(struct receiver *v, uint32_t timeline, const struct vv_buf *content, bool *ret,
              struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf kept = {0};
    struct vv_error why = {0};
    char name[WAL_HISTORY_NAME];
    enum vv_rc rc;

    wal_history_name(timeline, name);
    rc = wal_journal_kept(v->journal, name, &kept, &why);
    *ret = rc == VV_OK && kept.len == content->len &&
           (kept.len == 0 || memcmp(kept.data, content->data, kept.len) == 0);
    if (rc == VV_OK && !*ret) {
        (void)vv_error_set(err, VV_EREFUSED,
                           "%s has another history of timeline %u than was received before: two "
                           "servers have begun it",
                           postgres_name(v->server), (unsigned)timeline);
        return source(err, VV_EREFUSED);
    }
    return rc == VV_ENOMEM ? vv_error_nomem(err) : VV_OK;
}

/** V4: the histories of a timeline and of all its ancestors. */
static enum vv_rc
want_histories(struct receiver *v, uint32_t timeline, struct vv_error *err)
{
    struct vv_arena arena = {0};
    struct wal_history h = {0};
    enum vv_rc rc = VV_OK;

    for (uint32_t i = 0; timeline > 1 && rc == VV_OK && i <= h.count; i++) {
        uint32_t one = i == 0 ? timeline : h.ancestors[i - 1].timeline;
        struct vv_buf content = {0};
        bool there = false;
        if (one == 1 || (i > 0 && has_history(v, one))) {
            continue;
        }
        rc = postgres_timeline_history(v->server, one, &content, err);
        if (rc == VV_OK && i == 0) {
            rc = source(err, wal_history_parse(vv_buf_span(&content), one, &arena, &h, err));
        } else if (rc == VV_ENOTFOUND) { /* its own history names them all the same */
            vv_error_clear(err);
            rc = VV_OK;
            continue;
        }
        if (rc == VV_OK && !has_history(v, one)) {
            rc = was_published(v, one, &content, &there, err);
            if (rc == VV_OK) {
                rc = add_history(v, one, &content, there, err);
            }
        }
        vv_buf_release(&content);
    }
    vv_arena_release(&arena);
    return rc;
}

/* --- where to begin --------------------------------------------------------------------------- */

/** The last position in the repository on the server's timeline or, if there is none, on the newest of
 *  its ancestors that has any. */
static enum vv_rc
end_of_archive(const struct receiver *v, struct wal_fetcher *f, struct wal_place *ret,
               struct vv_error *err)
{
    const struct wal_catalog *c = wal_fetcher_catalog(f);
    struct vv_arena arena = {0};
    struct wal_history h = {0};
    enum vv_rc rc = VV_OK;

    *ret = (struct wal_place){v->now.timeline, wal_catalog_end(c, v->system, v->now.timeline)};
    for (size_t i = 0; i < v->history_count && rc == VV_OK; i++) {
        if (v->histories[i].timeline == v->now.timeline) {
            rc = wal_history_parse(vv_buf_span(&v->histories[i].content), v->now.timeline, &arena,
                                   &h, err);
        }
    }
    for (uint32_t i = h.count; i > 0 && ret->lsn == 0; i--) {
        uint32_t timeline = h.ancestors[i - 1].timeline;
        *ret = (struct wal_place){timeline, wal_catalog_end(c, v->system, timeline)};
    }
    if (ret->lsn == 0) {
        ret->timeline = 0;
    }
    vv_arena_release(&arena);
    return rc;
}

/** V2 */
static enum vv_rc
decide_beginning(struct receiver *v, const struct postgres_slot *slot, struct wal_fetcher *f,
                 struct vv_error *err)
{
    struct wal_place place = wal_journal_published(v->journal);

    if (wal_journal_end(v->journal).timeline != 0) {
        return VV_OK;
    }
    if (place.timeline == 0 && f != NULL) {
        VV_TRY(end_of_archive(v, f, &place, err));
    }
    if (place.timeline == 0 && slot->reserved) {
        place = (struct wal_place){slot->timeline, slot->restart};
    }
    if (place.timeline == 0) {
        place = (struct wal_place){v->now.timeline, v->now.position};
    }
    place.lsn = segment_begin(v, place.lsn);
    return wal_journal_begin(v->journal, place, err);
}

static enum vv_rc
not_on_this_branch(struct receiver *v, uint32_t timeline, struct vv_error *err)
{
    (void)vv_error_set(err, VV_EREFUSED,
                       "%s is on timeline %u, which does not come from timeline %u, the one that "
                       "was received so far",
                       postgres_name(v->server), (unsigned)v->now.timeline, (unsigned)timeline);
    vv_error_hint(err, "is it an old primary, or restored to an earlier moment?  another --slot "
                       "begins a journal of its own");
    return source(err, VV_EREFUSED);
}

/** The journal is behind (or on) the server's timeline; or ahead of where that one began. */
static enum vv_rc
find_branch(struct receiver *v, const struct wal_history *h, struct vv_error *err)
{
    struct wal_place end = wal_journal_end(v->journal);
    char fork[WAL_LSN_TEXT];
    char had[WAL_LSN_TEXT];
    uint32_t i = 0;

    while (i < h->count && h->ancestors[i].timeline != end.timeline) {
        i++;
    }
    if (i == h->count) {
        return not_on_this_branch(v, end.timeline, err);
    }
    if (end.lsn <= h->ancestors[i].end) {
        return VV_OK;
    }
    wal_lsn_text(h->ancestors[i].end, fork);
    wal_lsn_text(end.lsn, had);
    vv_emit(repo_events(v->repo), VV_EVENT_WARNING, "timeline", vv_span(NULL, 0),
            "timeline %u was received up to %s, but the server left it at %s: what was committed "
            "between is in the repository only",
            (unsigned)end.timeline, had, fork);
    end.timeline = i + 1 < h->count ? h->ancestors[i + 1].timeline : v->now.timeline;
    end.lsn = segment_begin(v, h->ancestors[i].end);
    return wal_journal_begin(v->journal, end, err);
}

static enum vv_rc
choose_timeline(struct receiver *v, struct vv_error *err)
{
    struct wal_place end = wal_journal_end(v->journal);
    VV_CLEANUP(vv_buf_release) struct vv_buf content = {0};
    struct vv_arena arena = {0};
    struct wal_history h;
    enum vv_rc rc;

    if (end.timeline == v->now.timeline) {
        return VV_OK;
    }
    if (end.timeline > v->now.timeline) {
        return not_on_this_branch(v, end.timeline, err);
    }
    VV_TRY(postgres_timeline_history(v->server, v->now.timeline, &content, err));
    rc = source(err, wal_history_parse(vv_buf_span(&content), v->now.timeline, &arena, &h, err));
    if (rc == VV_OK) {
        rc = find_branch(v, &h, err);
    }
    vv_arena_release(&arena);
    return rc;
}

static enum vv_rc
begin_stream(struct receiver *v, struct vv_error *err)
{
    struct wal_place end = wal_journal_end(v->journal);

    v->heard = receiver_clock(v);
    return postgres_stream_begin(v->server, v->options->slot, end.lsn, end.timeline, err);
}

static enum vv_rc
open_server(struct receiver *v, struct postgres_slot *ret_slot, struct vv_error *err)
{
    struct postgres_options o = {.target = v->options->target,
                                 .use = POSTGRES_REPLICATION,
                                 .program = v->options->program,
                                 .events = repo_events(v->repo),
                                 .cancel = repo_cancel(v->repo)};

    postgres_free(v->server);
    v->server = NULL;
    VV_TRY(postgres_open(&o, &v->server, err));
    VV_TRY(identify(v, err));
    VV_TRY(check_bound(v, err));
    return ensure_slot(v, ret_slot, err);
}

/** The first time: the journal, and a look into the repository (which nobody else uses yet). */
static enum vv_rc
prepare(struct receiver *v, const struct postgres_slot *slot, struct vv_error *err)
{
    VV_CLEANUP(snapshot_list_release) struct snapshot_list l = {0};
    VV_CLEANUP(wal_fetcher_freep) struct wal_fetcher *f = NULL;

    VV_TRY(receiver_open_journal(v, err));
    if (keyring_may_read(repo_keyring(v->repo))) {
        enum vv_rc rc = snapshot_list_read(v->repo, &l, err);
        if (rc == VV_OK) {
            rc = wal_fetcher_open(v->repo, &l, &f, err);
        }
        if (rc != VV_OK && rc != VV_ECANCELLED) {
            vv_error_hint(err, "without a journal the repository must say where its WAL ends; once "
                               "there is one, it is not needed to receive");
        }
        VV_TRY(rc);
    }
    VV_TRY(want_histories(v, v->now.timeline, err));
    return decide_beginning(v, slot, f, err);
}

enum vv_rc
receiver_connect(struct receiver *v, struct vv_error *err)
{
    struct postgres_slot slot = {0};

    VV_TRY(open_server(v, &slot, err));
    if (v->journal == NULL) {
        VV_TRY(prepare(v, &slot, err));
    } else {
        VV_TRY(want_histories(v, v->now.timeline, err));
        VV_TRY(decide_beginning(v, &slot, NULL, err));
    }
    VV_TRY(choose_timeline(v, err));
    return begin_stream(v, err);
}

enum vv_rc
receiver_next_timeline(struct receiver *v, uint32_t timeline, uint64_t at, struct vv_error *err)
{
    struct wal_place end = wal_journal_end(v->journal);
    char text[WAL_LSN_TEXT];

    wal_lsn_text(at, text);
    if (timeline <= end.timeline || at != end.lsn) {
        return source(err, vv_error_set(err, VV_ECORRUPT,
                                        "the server ends timeline %u at %s, to go on with %u, but "
                                        "that is not where its WAL had come to",
                                        (unsigned)end.timeline, text, (unsigned)timeline));
    }
    vv_emit(repo_events(v->repo), VV_EVENT_NOTICE, "timeline", vv_span(NULL, 0),
            "timeline %u ends at %s; going on with %u", (unsigned)end.timeline, text,
            (unsigned)timeline);
    VV_TRY(want_histories(v, timeline, err));
    VV_TRY(wal_journal_begin(v->journal, (struct wal_place){timeline, segment_begin(v, at)}, err));
    return begin_stream(v, err);
}

/** One line in the journal's directory, for whoever looks later. */
static enum vv_rc
write_gap(struct receiver *v, struct wal_place from, struct wal_place to, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    char line[160];
    char when[VV_TIME_TEXT];
    char a[WAL_LSN_TEXT];
    char b[WAL_LSN_TEXT];
    enum vv_rc rc;

    VV_TRY(wal_journal_directory(v->repo, v->system, v->options->slot, &path, err));
    vv_buf_put_text(&path, "/gaps");
    VV_TRY(vv_buf_check(&path, err));
    VV_CLEANUP(vv_fd_closep)
    int fd = open(vv_buf_text(&path), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return vv_error_sys(err, errno, "cannot open '%s'", vv_buf_text(&path));
    }
    wal_lsn_text(from.lsn, a);
    wal_lsn_text(to.lsn, b);
    vv_time_format_iso(repo_clock(v->repo)->realtime(repo_clock(v->repo)), when);
    (void)snprintf(line, sizeof(line), "%s %u %s %u %s\n", when, (unsigned)from.timeline, a,
                   (unsigned)to.timeline, b);
    rc = vv_fd_write_full(fd, line, strlen(line), vv_buf_text(&path), err);
    if (rc == VV_OK && fsync(fd) != 0) {
        rc = vv_error_sys(err, errno, "cannot flush '%s' to disk", vv_buf_text(&path));
    }
    return rc;
}

enum vv_rc
receiver_gap(struct receiver *v, struct vv_error *err)
{
    struct wal_place end = wal_journal_end(v->journal);
    struct postgres_slot slot = {0};
    struct vv_error why = *err;
    struct wal_place place;
    char a[WAL_LSN_TEXT];
    char b[WAL_LSN_TEXT];

    VV_TRY(open_server(v, &slot, err));
    place = (struct wal_place){slot.timeline, segment_begin(v, slot.restart)};
    if (!slot.reserved || place.timeline < end.timeline ||
        (place.timeline == end.timeline && place.lsn <= end.lsn)) {
        *err = why; /* its slot says that it has it: something else is wrong */
        return why.rc;
    }
    wal_lsn_text(end.lsn, a);
    wal_lsn_text(place.lsn, b);
    VV_TRY(vv_error_origin(err, VV_ORIGIN_LOCAL, write_gap(v, end, place, err)));
    v->sum->gaps++;
    vv_emit(repo_events(v->repo), VV_EVENT_PROBLEM, "wal-gap", vv_span(NULL, 0),
            "WAL from %s on timeline %u to %s on timeline %u is lost: the server does not have it "
            "any more; nothing can be recovered across that: take a base backup now",
            a, (unsigned)end.timeline, b, (unsigned)place.timeline);
    VV_TRY(want_histories(v, v->now.timeline, err));
    VV_TRY(wal_journal_begin(v->journal, place, err));
    VV_TRY(choose_timeline(v, err));
    return begin_stream(v, err);
}
