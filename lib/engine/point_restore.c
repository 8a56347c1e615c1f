/* SPDX-License-Identifier: BSD-2-Clause */
/* Is the WAL there that a recovery needs?  N1, N2. */
#include "engine/point_restore.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/look_internal.h"
#include "engine/wal_fetch.h"
#include "format/wal.h"

#define SMALL_FILE (1u << 20)

void
point_plan_release(struct point_plan *p)
{
    vv_free(p->root);
    for (size_t i = 0; i < p->tablespace_count; i++) {
        vv_free(p->tablespaces[i].location);
    }
    vv_free(p->tablespaces);
    memset(p, 0, sizeof(*p));
}

/* --- which base backup ------------------------------------------------------------------------ */

/** What planning works with. */
struct planning {
    struct looker look;
    struct wal_fetcher *fetcher;
    const struct snapshot_list *list;
    const struct snapshot *snap;
    const struct point_target *target;
    struct point_plan *plan;
};

/** "postgres/NAME" of a path at or below its data. */
static bool
root_of(struct vv_span path, struct vv_buf *out)
{
    size_t at = 9;

    if (path.len <= 9 || memcmp(path.data, "postgres/", 9) != 0) {
        return false;
    }
    while (at < path.len && path.data[at] != '/') {
        at++;
    }
    if (at < path.len && (path.len != at + 5 || memcmp(path.data + at, "/data", 5) != 0)) {
        return false;
    }
    vv_buf_put(out, path.data, at);
    return true;
}

/** The only base backup of the snapshot. */
static enum vv_rc
find_root(struct planning *g, struct vv_buf *out, struct vv_error *err)
{
    VV_CLEANUP(tree_cursor_freep) struct tree_cursor *t = NULL;
    const struct entry *e = NULL;
    unsigned count = 0;

    VV_TRY(tree_cursor_new(g->look.chunks, &g->snap->body.root, vv_span("postgres", 8), &t, err));
    for (;;) {
        VV_CLEANUP(vv_buf_release) struct vv_buf next = {0};
        VV_TRY(tree_cursor_next(t, &e, err));
        if (e == NULL) {
            break;
        }
        if (e->path.len <= 9 || memchr(e->path.data + 9, '/', e->path.len - 9) != NULL) {
            continue;
        }
        if (count++ == 0) {
            vv_buf_put(out, e->path.data, e->path.len);
        }
        vv_buf_put(&next, e->path.data, e->path.len);
        vv_buf_put_u8(&next, 1); /* behind everything below it: '/' counts as if it were 0 */
        VV_TRY(vv_buf_check(&next, err));
        VV_TRY(tree_cursor_seek(t, vv_buf_span(&next), err));
    }
    if (count > 1) {
        (void)vv_error_set(err, VV_EUSAGE, "this snapshot has several base backups");
        vv_error_hint(err, "say which: SNAP:postgres/NAME");
        return VV_EUSAGE;
    }
    return vv_buf_check(out, err);
}

/** A small file of the base backup; VV_ENOTFOUND if it is not there. */
static enum vv_rc
read_small(struct planning *g, const char *name, struct vv_buf *out, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    struct vv_arena arena = {0};
    struct entry e;
    enum vv_rc rc;

    vv_buf_printf(&path, "%s/%s", g->plan->root, name);
    VV_TRY(vv_buf_check(&path, err));
    rc = look_entry(&g->look, g->snap, vv_buf_span(&path), &arena, &e, err);
    if (rc == VV_OK) {
        rc = stream_read_all(g->look.chunks, &e.content, SMALL_FILE, out, err);
    }
    vv_arena_release(&arena);
    return rc;
}

/** What the snapshot says of this cluster's WAL. */
static enum vv_rc
find_base(struct planning *g, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf control = {0};
    uint64_t system = 0;

    VV_TRY(read_small(g, "data/global/pg_control", &control, err));
    VV_TRY(wal_control_decode(vv_buf_span(&control), &system, err));
    for (uint32_t i = 0; i < g->snap->body.wal_count; i++) {
        if (g->snap->body.wal[i].system == system) {
            g->plan->base = g->snap->body.wal[i];
            return VV_OK;
        }
    }
    return vv_error_set(err, VV_EUSAGE,
                        "the snapshot does not say where the base backup '%s' begins",
                        g->plan->root);
}

/** "16384 /srv/fast\n" */
static enum vv_rc
find_tablespaces(struct planning *g, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    struct vv_error why = {0};
    enum vv_rc rc = read_small(g, "tablespace_map", &text, &why);
    char *rest;
    char *line;
    size_t lines = 1;

    if (rc == VV_ENOTFOUND) {
        return VV_OK;
    }
    if (rc != VV_OK) {
        *err = why;
        return rc;
    }
    for (size_t i = 0; i < text.len; i++) {
        lines += text.data[i] == '\n';
    }
    g->plan->tablespaces = vv_alloc_array(lines, sizeof(*g->plan->tablespaces));
    if (g->plan->tablespaces == NULL) {
        return vv_error_nomem(err);
    }
    (void)vv_buf_text(&text);
    rest = (char *)text.data;
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *end = NULL;
        unsigned long oid = strtoul(line, &end, 10);
        struct point_tablespace *one = &g->plan->tablespaces[g->plan->tablespace_count];
        if (end == line || *end != ' ' || oid == 0 || oid > UINT32_MAX) {
            continue;
        }
        one->oid = (uint32_t)oid;
        one->location = vv_strdup(end + 1);
        if (one->location == NULL) {
            return vv_error_nomem(err);
        }
        g->plan->tablespace_count++;
    }
    return VV_OK;
}

/* --- which timeline --------------------------------------------------------------------------- */

/** A timeline's history, if the repository has it (*ret_found). */
static enum vv_rc
read_history(struct planning *g, uint32_t timeline, struct vv_arena *arena, struct wal_history *ret,
             bool *ret_found, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    struct wal_found found = {0};
    char name[WAL_HISTORY_NAME];

    wal_history_name(timeline, name);
    VV_TRY(wal_fetch_find(g->fetcher, g->plan->base.system, name, &found, err));
    *ret_found = !found.absent;
    if (found.absent) {
        return VV_OK;
    }
    VV_TRY(wal_fetch_read(g->fetcher, g->plan->base.system, name, &found, SMALL_FILE, &text, err));
    return wal_history_parse(vv_buf_span(&text), timeline, arena, ret, err);
}

/** Where a history leaves the base backup's timeline; 0: it does not come from it, or has left it before
 *  it was consistent. */
static bool
comes_from_base(const struct wal_history *h, const struct snapshot_wal *base)
{
    for (uint32_t i = 0; i < h->count; i++) {
        if (h->ancestors[i].timeline == base->timeline) {
            return h->ancestors[i].end >= base->to;
        }
    }
    return false;
}

/** N2: the newest there is, as a server finds it: one after the other, until one has no history. */
static enum vv_rc
choose_timeline(struct planning *g, struct vv_arena *arena, struct wal_history *ret,
                struct vv_error *err)
{
    const struct snapshot_wal *base = &g->plan->base;
    uint32_t wanted = g->target->timeline == UINT32_MAX ? base->timeline : g->target->timeline;
    bool found = false;

    *ret = (struct wal_history){.timeline = base->timeline};
    if (wanted == base->timeline || g->target->kind == POINT_IMMEDIATE) {
        return VV_OK;
    }
    if (wanted != 0) {
        VV_TRY(read_history(g, wanted, arena, ret, &found, err));
        if (!found || !comes_from_base(ret, base)) {
            return vv_error_set(err, VV_EREFUSED,
                                found ? "timeline %u does not come from the base backup's, %u"
                                      : "the repository has no history of timeline %u (the base "
                                        "backup is on %u)",
                                (unsigned)wanted, (unsigned)base->timeline);
        }
        return VV_OK;
    }
    for (uint32_t timeline = base->timeline + 1;; timeline++) {
        struct wal_history h = {0};
        VV_TRY(read_history(g, timeline, arena, &h, &found, err));
        if (!found) {
            return VV_OK;
        }
        if (comes_from_base(&h, base)) {
            *ret = h;
        }
    }
}

/* --- is it there? ----------------------------------------------------------------------------- */

/** How far WAL is there without a gap from ${at} on; the publication that ends it. */
static uint64_t
reach_from(struct planning *g, uint32_t timeline, uint64_t at, const struct snapshot **ret_last)
{
    const struct wal_catalog *c = wal_fetcher_catalog(g->fetcher);
    uint64_t to = at;

    for (;;) {
        const struct wal_stretch *s =
            wal_catalog_find(c, g->plan->base.system, timeline, to, UINT64_MAX, &to);
        if (s == NULL) {
            return to;
        }
        *ret_last = s->snapshot;
    }
}

/** The first WAL behind ${at} on that timeline; 0: there is none. */
static uint64_t
next_after(struct planning *g, uint32_t timeline, uint64_t at)
{
    const struct wal_catalog *c = wal_fetcher_catalog(g->fetcher);
    uint64_t next = 0;

    for (size_t i = 0; i < c->count; i++) {
        const struct snapshot_wal *w = &c->items[i].wal;
        if (w->system == g->plan->base.system && w->timeline == timeline && w->from < w->to &&
            w->from > at && (next == 0 || w->from < next)) {
            next = w->from;
        }
    }
    return next;
}

static enum vv_rc
missing(struct planning *g, uint32_t timeline, uint64_t from, uint64_t to, struct vv_error *err)
{
    char a[WAL_LSN_TEXT];
    char b[WAL_LSN_TEXT];
    char name[WAL_NAME];

    wal_lsn_text(from, a);
    wal_lsn_text(to, b);
    wal_name(timeline, from / g->plan->base.segment_size, g->plan->base.segment_size, name);
    (void)vv_error_set(
        err, VV_EREFUSED,
        "WAL from %s to %s on timeline %u (segment %s and on) is missing; nothing was "
        "restored",
        a, b, (unsigned)timeline, name);
    vv_error_hint(err,
                  "'varve wal list' shows what there is; --to-lsn %s is the last point that can "
                  "be reached, --to-immediate needs no more WAL",
                  a);
    return VV_EREFUSED;
}

/** Where WAL out of the repository must begin.  A backup of a primary ends with a whole segment, which it
 *  brings itself; on a standby the rest of it is zeros. */
static enum vv_rc
first_needed(struct planning *g, uint64_t *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf label = {0};
    const struct snapshot_wal *base = &g->plan->base;
    const struct snapshot *last = NULL;

    *ret = base->to;
    if (base->to % base->segment_size == 0 ||
        reach_from(g, base->timeline, base->to, &last) > base->to) {
        return VV_OK;
    }
    VV_TRY(read_small(g, "data/backup_label", &label, err));
    if (strstr(vv_buf_text(&label), "BACKUP FROM: primary") != NULL) {
        *ret = base->to - base->to % base->segment_size + base->segment_size;
    }
    return VV_OK;
}

/** All of one timeline that is passed through, up to the segment in which the next begins. */
static enum vv_rc
check_passed(struct planning *g, uint32_t timeline, uint64_t *at, uint64_t end,
             struct vv_error *err)
{
    uint64_t size = g->plan->base.segment_size;
    uint64_t whole = end - end % size;
    const struct snapshot *last = NULL;

    if (*at < whole && reach_from(g, timeline, *at, &last) < whole) {
        uint64_t from = reach_from(g, timeline, *at, &last);
        uint64_t next = next_after(g, timeline, from);
        return missing(g, timeline, from, next != 0 && next < whole ? next : whole, err);
    }
    *at = *at > whole ? *at : whole;
    return VV_OK;
}

/** The last timeline: up to the target, or to the end of what there is. */
static enum vv_rc
check_last(struct planning *g, uint32_t timeline, uint64_t at, struct vv_error *err)
{
    const struct snapshot *last = NULL;
    const struct point_target *t = g->target;
    uint64_t reach = reach_from(g, timeline, at, &last);
    uint64_t next = next_after(g, timeline, reach);
    char when[VV_TIME_TEXT];

    g->plan->timeline = timeline;
    g->plan->reach = reach;
    g->plan->newest = last != NULL ? last->time : 0;
    if (t->kind == POINT_LSN) {
        if (reach < t->lsn) {
            return missing(g, timeline, reach, next != 0 && next < t->lsn ? next : t->lsn, err);
        }
        return VV_OK;
    }
    if (t->kind == POINT_TIME && last != NULL && last->time >= t->time) {
        return VV_OK;
    }
    if (next != 0) { /* the target may be behind the gap */
        return missing(g, timeline, reach, next, err);
    }
    if (t->kind == POINT_TIME) {
        vv_time_format(last != NULL ? last->time : g->snap->time, when);
        (void)vv_error_set(
            err, VV_EREFUSED,
            "WAL reaches to %s only, and no further than the time that is asked for; "
            "nothing was restored",
            when);
        vv_error_hint(err, "--to-latest restores all there is");
        return VV_EREFUSED;
    }
    return VV_OK;
}

static enum vv_rc
check_target(struct planning *g, struct vv_error *err)
{
    const struct point_target *t = g->target;
    char a[WAL_LSN_TEXT];

    wal_lsn_text(g->plan->base.to, a);
    if (t->kind == POINT_LSN && t->lsn < g->plan->base.to) {
        (void)vv_error_set(
            err, VV_EREFUSED,
            "the base backup is consistent from %s on, which is behind the point that "
            "is asked for",
            a);
    } else if (t->kind == POINT_TIME && t->time < g->snap->body.end) {
        char when[VV_TIME_TEXT];
        vv_time_format(g->snap->body.end, when);
        (void)vv_error_set(err, VV_EREFUSED,
                           "the base backup is of %s, after the time that is asked for", when);
    } else {
        return VV_OK;
    }
    vv_error_hint(err, "take an older snapshot");
    return VV_EREFUSED;
}

/** N1 */
static enum vv_rc
check_wal(struct planning *g, struct vv_error *err)
{
    struct vv_arena arena = {0};
    struct wal_history h = {0};
    uint64_t at = 0;
    enum vv_rc rc;

    g->plan->timeline = g->plan->base.timeline;
    g->plan->reach = g->plan->base.to;
    VV_TRY(check_target(g, err));
    if (g->target->kind == POINT_IMMEDIATE) {
        return VV_OK; /* the snapshot brings what that needs */
    }
    VV_TRY(wal_catalog_complete(g->list, err));
    rc = choose_timeline(g, &arena, &h, err);
    if (rc == VV_OK) {
        rc = first_needed(g, &at, err);
    }
    for (uint32_t i = 0; i < h.count && rc == VV_OK; i++) {
        if (h.ancestors[i].timeline >= g->plan->base.timeline) {
            rc = check_passed(g, h.ancestors[i].timeline, &at, h.ancestors[i].end, err);
        }
    }
    if (rc == VV_OK) {
        rc = check_last(g, h.timeline, at, err);
    }
    vv_arena_release(&arena);
    return rc;
}

static enum vv_rc
make_plan(struct planning *g, struct vv_span path, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf root = {0};

    if (path.len > 0 && !root_of(path, &root)) {
        (void)vv_error_set(err, VV_EUSAGE, "that is no base backup of PostgreSQL");
        vv_error_hint(err, "give SNAP:postgres/NAME");
        return VV_EUSAGE;
    }
    if (path.len == 0) {
        VV_TRY(find_root(g, &root, err));
    }
    if (root.len == 0 || g->snap->body.mode == SNAPSHOT_WAL) {
        (void)vv_error_set(err, VV_EUSAGE, "this snapshot has no base backup of PostgreSQL");
        vv_error_hint(err, "'varve wal list --json' names those that have one");
        return VV_EUSAGE;
    }
    g->plan->root = vv_strdup(vv_buf_text(&root));
    if (g->plan->root == NULL) {
        return vv_error_nomem(err);
    }
    VV_TRY(find_base(g, err));
    VV_TRY(find_tablespaces(g, err));
    VV_TRY(wal_fetcher_open(g->look.repo, g->list, &g->fetcher, err));
    return check_wal(g, err);
}

enum vv_rc
point_plan_make(struct repo *r, const struct snapshot_list *l, const struct snapshot *snap,
                struct vv_span path, const struct point_target *target, struct point_plan *ret,
                struct vv_error *err)
{
    struct point_plan plan = {0};
    struct planning g = {.list = l, .snap = snap, .target = target, .plan = &plan};
    enum vv_rc rc;

    VV_TRY(looker_open(&g.look, r, err));
    rc = make_plan(&g, path, err);
    wal_fetcher_free(g.fetcher);
    looker_close(&g.look);
    if (rc != VV_OK) {
        point_plan_release(&plan);
        return rc;
    }
    *ret = plan;
    return VV_OK;
}
