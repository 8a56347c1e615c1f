/* SPDX-License-Identifier: BSD-2-Clause */
/* K5: snapshots in which far more than usual has changed, and what they hold. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/retention_internal.h"

/* Marked is what changed at least this much... */
#define MARK_PERCENT 30u
/* ... in at least so many files... */
#define MARK_FILES 20u
/* ... and at least so many times as much as in all but one of so many snapshots before it: once is
 * an accident that was accepted, twice is usual. */
#define MARK_TIMES 2u
#define MARK_HISTORY 30u

/** What became of the files of a snapshot's predecessor. */
struct change {
    bool known;
    uint64_t files;
    uint64_t touched; /* changed, or not there any more */
};

static bool
same_sources(const struct snapshot_body *a, const struct snapshot_body *b)
{
    if (a->source_count != b->source_count) {
        return false;
    }
    for (uint32_t i = 0; i < a->source_count; i++) {
        if (a->sources[i].len != b->sources[i].len ||
            (a->sources[i].len > 0 &&
             memcmp(a->sources[i].data, b->sources[i].data, a->sources[i].len) != 0)) {
            return false;
        }
    }
    return true;
}

/** ${before}: the snapshot of the same client with the same sources before this one, if it is here;
 *  it need not be the parent the statistics compare with.
 *
 *  A file that only got other attributes or another name brings no new chunk, one whose content was
 *  replaced brings one at least, also if no more than its beginning was. */
static struct change
change_of(const struct snapshot *s, const struct snapshot *before)
{
    const struct snapshot_statistics *n = &s->body.statistics;
    struct change c = {.known = s->body.has_parent || before != NULL};
    uint64_t fewer = 0;

    c.files = n->files_changed + n->files_unchanged;
    c.touched = n->files_changed;
    if (before != NULL && (!s->body.has_parent || vv_uuid_equal(&s->body.parent, &before->id))) {
        c.files = before->body.statistics.files;
        c.touched = c.files > n->files_unchanged ? c.files - n->files_unchanged : 0;
        fewer = c.files > n->files ? c.files - n->files : 0;
    }
    if (c.touched > fewer && c.touched - fewer > n->chunks_new) {
        c.touched = fewer + n->chunks_new;
    }
    return c;
}

static unsigned
percent_of(const struct change *c)
{
    return c->files == 0 ? 0 : (unsigned)((double)c->touched * 100.0 / (double)c->files);
}

/** The snapshots of one client with one set of sources. */
struct line {
    const struct snapshot *last;
    unsigned history[MARK_HISTORY]; /* shares in percent, newest last */
    size_t length;
};

static void
remember(struct line *line, unsigned percent)
{
    if (line->length == MARK_HISTORY) {
        memmove(line->history, line->history + 1, (MARK_HISTORY - 1) * sizeof(line->history[0]));
        line->length--;
    }
    line->history[line->length++] = percent;
}

/** The second highest share: 0 if there are not two. */
static unsigned
usual_of(const struct line *line)
{
    unsigned most = 0;
    unsigned second = 0;

    for (size_t i = 0; i < line->length; i++) {
        unsigned percent = line->history[i];
        if (percent >= most) {
            second = most;
            most = percent;
        } else if (percent > second) {
            second = percent;
        }
    }
    return second;
}

/** Judge one snapshot by those before it in its line.  Marked ones are no measure for later ones,
 *  unless they were accepted. */
static void
judge(const struct snapshot_list *l, struct line *line, const struct snapshot *s,
      struct retention_marks *m)
{
    struct change c = change_of(s, line->last);
    unsigned percent = percent_of(&c);
    unsigned usual = usual_of(line);

    line->last = s;
    if (!c.known) {
        return;
    }
    if (percent < MARK_PERCENT || c.touched < MARK_FILES || percent < MARK_TIMES * usual ||
        admin_accepted(&l->admin, &s->id)) {
        remember(line, percent);
    } else {
        assert(m->marks != NULL);
        m->marks[m->count++] = (struct retention_mark){s, percent, usual};
    }
}

/** One client's snapshots, in its order: as many lines as it has sets of sources. */
static enum vv_rc
judge_client(const struct snapshot_list *l, const struct chain_item *items, size_t count,
             struct retention_marks *m, struct vv_error *err)
{
    VV_CLEANUP(vv_freep) struct line *lines = NULL;
    size_t line_count = 0;

    for (size_t i = 0; i < count; i++) {
        const struct snapshot *s = items[i].snapshot;
        size_t at = 0;
        while (at < line_count && !same_sources(&lines[at].last->body, &s->body)) {
            at++;
        }
        if (at == line_count) {
            struct line *grown = vv_realloc_array(lines, line_count + 1, sizeof(*lines));
            if (grown == NULL) {
                return vv_error_nomem(err);
            }
            lines = grown;
            lines[line_count++] = (struct line){0};
        }
        judge(l, &lines[at], s, m);
    }
    return VV_OK;
}

void
retention_marks_release(struct retention_marks *m)
{
    vv_free(m->marks);
    memset(m, 0, sizeof(*m));
}

enum vv_rc
retention_marks_find(const struct snapshot_list *l, struct retention_marks *ret,
                     struct vv_error *err)
{
    struct retention_marks m = {0};
    struct chains c = {0};
    size_t from = 0;
    enum vv_rc rc = chains_read(l, INT64_MAX, &c, err);

    if (rc == VV_OK && (m.marks = vv_alloc_array(c.count + 1, sizeof(*m.marks))) == NULL) {
        rc = vv_error_nomem(err);
    }
    for (size_t i = 1; i <= c.count && rc == VV_OK; i++) {
        if (i == c.count ||
            !vv_uuid_equal(&c.items[i].snapshot->client, &c.items[from].snapshot->client)) {
            rc = judge_client(l, &c.items[from], i - from, &m, err);
            from = i;
        }
    }
    chains_release(&c);
    if (rc != VV_OK) {
        retention_marks_release(&m);
        return rc;
    }
    *ret = m;
    return VV_OK;
}

const struct retention_mark *
retention_marked(const struct retention_marks *m, const struct snapshot *s)
{
    for (size_t i = 0; i < m->count; i++) {
        if (vv_uuid_equal(&m->marks[i].snapshot->id, &s->id)) {
            return &m->marks[i];
        }
    }
    return NULL;
}

bool
retention_held(const struct retention_marks *m, const struct snapshot *s)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct snapshot *marked = m->marks[i].snapshot;
        if (vv_uuid_equal(&marked->client, &s->client) ? s->sequence < marked->sequence
                                                       : s->time <= marked->time) {
            return true;
        }
    }
    return false;
}

bool
retention_holds(const struct snapshot_list *l, const struct retention_marks *m,
                const struct forget_run *f, int64_t now)
{
    const struct vv_uuid *ids = &l->admin.retention.forget_snapshots[f->first];

    for (uint32_t k = 0; k < f->count; k++) {
        if (admin_pinned(&l->admin, &ids[k], now, NULL)) {
            return true;
        }
    }
    for (size_t i = 0; i < l->forgotten_count && m->count > 0; i++) {
        const struct snapshot *s = &l->forgotten[i];
        if (!retention_held(m, s) && retention_marked(m, s) == NULL) {
            continue;
        }
        for (uint32_t k = 0; k < f->count; k++) {
            if (vv_uuid_equal(&ids[k], &s->id)) {
                return true;
            }
        }
    }
    return false;
}
