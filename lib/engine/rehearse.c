/* SPDX-License-Identifier: BSD-2-Clause */
/* The order of a rehearsal. */
#include "engine/rehearse.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "engine/rehearse_internal.h"

void
rehearse_report_release(struct rehearse_report *r)
{
    for (size_t i = 0; i < REHEARSE_STEPS; i++) {
        vv_buf_release(&r->steps[i].detail);
    }
    vv_buf_release(&r->left);
}

const char *
rehearse_step_name(enum rehearse_step s)
{
    static const char *const names[REHEARSE_STEPS] = {"files",     "manifest",  "replay",
                                                      "structure", "questions", "pages"};

    return names[s];
}

const char *
rehearse_verdict_name(enum rehearse_verdict v)
{
    static const char *const names[] = {"not-proven", "proven", "not-applicable", "failed",
                                        "damaged"};

    return names[v];
}

enum rehearse_verdict
rehearse_worst(const struct rehearse_report *r)
{
    enum rehearse_verdict worst = REHEARSE_PROVEN;

    for (size_t i = 0; i < REHEARSE_STEPS; i++) {
        enum rehearse_verdict v = r->steps[i].verdict;
        if (v == REHEARSE_DAMAGED || worst == REHEARSE_DAMAGED) {
            worst = REHEARSE_DAMAGED;
        } else if (v == REHEARSE_FAILED || worst == REHEARSE_FAILED) {
            worst = REHEARSE_FAILED;
        } else if (v == REHEARSE_NOT_PROVEN) {
            worst = v;
        }
    }
    return worst;
}

enum vv_rc
rehearse_file(struct rehearsal *h, const char *name, struct vv_buf *out, struct vv_error *err)
{
    vv_buf_printf(out, "%s/%s", vv_buf_text(&h->scratch), name);
    (void)vv_buf_text(out);
    return vv_buf_check(out, err);
}

static enum vv_rc
restore_files(struct rehearsal *h, struct repo *r, struct vv_progress *progress,
              struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf target = {0};
    const struct rehearse_options *o = h->o;
    struct rehearse_result *result = &h->report->steps[REHEARSE_FILES];
    struct restore_summary *s = &h->report->restored;
    struct restore_options options = {.path = o->path,
                                      .path_given = o->path_given,
                                      .owner = geteuid() == 0 ? SINK_OWNER_NUMBER : SINK_OWNER_NONE,
                                      .verify = true,
                                      .inert = true,
                                      .threads = o->threads};

    VV_TRY(rehearse_file(h, "restored", &target, err));
    options.target = vv_buf_text(&target);
    if (o->plan != NULL) {
        if (o->path_given) {
            options.path = vv_span(o->plan->root, strlen(o->plan->root));
        }
        vv_buf_printf(&h->data, "%s%s%s/data", options.target, o->path_given ? "" : "/",
                      o->path_given ? "" : o->plan->root);
        VV_TRY(vv_buf_check(&h->data, err));
    }
    VV_TRY(restore_run(r, o->snap, &options, progress, s, err));
    result->ns = s->duration_ns + s->verify_ns;
    result->verdict = s->damaged > 0 || s->verify_differences > 0 ? REHEARSE_DAMAGED
                      : s->problems || s->failed > 0              ? REHEARSE_FAILED
                      : s->verified                               ? REHEARSE_PROVEN
                                                                  : REHEARSE_NOT_PROVEN;
    return VV_OK;
}

/** What makes it recover: to the point, or with what the base backup brings. */
static enum vv_rc
prepare(struct rehearsal *h, struct vv_error *err)
{
    static const char *const signals[] = {"standby.signal", "recovery.signal"};
    const struct point_finish_options f = {.directory = vv_buf_text(&h->data),
                                           .restore_command = h->o->restore_command};

    if (h->o->target->kind != POINT_NONE) { /* links of tablespaces stay as they are: relative */
        return point_finish(h->o->plan, h->o->target, &f, err);
    }
    for (size_t i = 0; i < VV_COUNT(signals); i++) {
        VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
        vv_buf_printf(&path, "%s/%s", vv_buf_text(&h->data), signals[i]);
        VV_TRY(vv_buf_check(&path, err));
        if (unlink(vv_buf_text(&path)) != 0 && errno != ENOENT) {
            return vv_error_sys(err, errno, "cannot remove '%s'", vv_buf_text(&path));
        }
    }
    return VV_OK;
}

static void
not_proven(struct rehearsal *h, enum rehearse_step step, const char *why)
{
    struct rehearse_result *result = &h->report->steps[step];

    if (result->verdict == REHEARSE_NOT_PROVEN && result->detail.len == 0) {
        vv_buf_put_text(&result->detail, why);
    }
}

/** Nothing is looked at from ${from} on. */
static enum vv_rc
none_proven(struct rehearsal *h, enum rehearse_step from, const char *why)
{
    for (int i = (int)from; i < REHEARSE_STEPS; i++) {
        not_proven(h, (enum rehearse_step)i, why);
    }
    return VV_OK;
}

/** One examination with its time. */
static enum vv_rc
timed(struct rehearsal *h, enum rehearse_step step,
      enum vv_rc (*check)(struct rehearsal *h, struct vv_error *err), struct vv_error *err)
{
    const struct vv_clock *clock = vv_clock_system();
    uint64_t begin = clock->monotonic(clock);
    enum vv_rc rc = check(h, err);

    h->report->steps[step].ns = clock->monotonic(clock) - begin;
    return rc;
}

static enum vv_rc
run_cluster(struct rehearsal *h, struct vv_error *err)
{
    enum rehearse_verdict files = h->report->steps[REHEARSE_FILES].verdict;
    bool clean = false;

    if (files == REHEARSE_DAMAGED || files == REHEARSE_FAILED) {
        return none_proven(h, REHEARSE_MANIFEST, "the files could not be restored whole");
    }
    VV_TRY(rehearse_place_programs(h, err));
    VV_TRY(rehearse_place_own(h, err));
    VV_TRY(timed(h, REHEARSE_MANIFEST, rehearse_check_manifest, err));
    VV_TRY(prepare(h, err));
    VV_TRY(timed(h, REHEARSE_REPLAY, rehearse_server_start, err));
    if (h->server.pid == 0) {
        return none_proven(h, REHEARSE_STRUCTURE, "the server did not come up");
    }
    VV_TRY(timed(h, REHEARSE_STRUCTURE, rehearse_check_structure, err));
    if (h->o->questions.len > 0) {
        VV_TRY(timed(h, REHEARSE_QUESTIONS, rehearse_check_questions, err));
    }
    VV_TRY(rehearse_server_stop(h, &clean, err));
    if (clean) {
        VV_TRY(timed(h, REHEARSE_PAGES, rehearse_check_pages, err));
    }
    not_proven(h, REHEARSE_PAGES, "the server did not end cleanly");
    return VV_OK;
}

enum vv_rc
rehearse_run(struct repo *r, const struct rehearse_options *o, struct vv_progress *progress,
             struct rehearse_report *ret, struct vv_error *err)
{
    struct rehearsal h = {.o = o, .report = ret};
    enum vv_rc rc;

    ret->database = o->plan != NULL;
    if (o->questions.len == 0) {
        ret->steps[REHEARSE_QUESTIONS].verdict = REHEARSE_NOT_APPLICABLE;
    }
    for (size_t i = REHEARSE_MANIFEST; o->plan == NULL && i < REHEARSE_STEPS; i++) {
        ret->steps[i].verdict = REHEARSE_NOT_APPLICABLE;
    }
    rc = rehearse_place_make(&h, err);
    if (rc == VV_OK) {
        rc = restore_files(&h, r, progress, err);
    }
    if (rc == VV_OK && o->plan != NULL) {
        rc = run_cluster(&h, err);
    }
    rehearse_process_end(&h.server);
    rehearse_place_remove(&h);
    vv_buf_release(&h.scratch);
    vv_buf_release(&h.data);
    vv_buf_release(&h.sockets);
    vv_buf_release(&h.bin);
    return rc;
}
