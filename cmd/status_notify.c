/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is told of jobs that are CRITICAL, and of those that are not any more. */
#include "status_notify.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/text.h"
#include "job_notify.h"

static int
compare_findings(const void *a, const void *b)
{
    const struct status_finding *x = *(const struct status_finding *const *)a;
    const struct status_finding *y = *(const struct status_finding *const *)b;
    int order = strcmp(x->topic, y->topic);

    return order != 0 ? order : strcmp(x->place, y->place);
}

/* "copy site, wal shop": what is CRITICAL, each once, in an order that does not depend on the configuration's. */
static void
put_critical(const struct status_report *r, struct vv_buf *out)
{
    VV_CLEANUP(vv_freep)
    const struct status_finding **sorted = vv_alloc_array(r->count, sizeof(const void *));
    size_t count = 0;

    if (sorted == NULL) {
        return; /* then it is told once more than it need be */
    }
    for (size_t i = 0; i < r->count; i++) {
        if (r->findings[i].level == STATUS_CRITICAL) {
            sorted[count++] = &r->findings[i];
        }
    }
    qsort(sorted, count, sizeof(const void *), compare_findings);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || compare_findings(&sorted[i - 1], &sorted[i]) != 0) {
            vv_buf_printf(out, "%s%s%s", i > 0 ? ", " : "", sorted[i]->topic,
                          sorted[i]->place[0] != '\0' ? " " : "");
            vv_text_escape(out, vv_span(sorted[i]->place, strlen(sorted[i]->place)));
        }
    }
}

/* What is wrong with the job, a line each. */
static void
put_findings(const struct status_report *r, struct vv_buf *out)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct status_finding *f = &r->findings[i];
        if (f->level != STATUS_OK) {
            vv_buf_printf(out, "%s %s%s", status_level_name(f->level), f->topic,
                          f->place[0] != '\0' ? " " : "");
            message_escape(out, f->place);
            vv_buf_put_text(out, ": ");
            message_escape(out, f->text);
            vv_buf_put_text(out, "\n");
        }
    }
}

/* Could everything be looked at?  Otherwise that nothing is found CRITICAL does not mean that nothing is. */
static bool
is_certain(const struct status_report *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct status_finding *f = &r->findings[i];
        if (f->level == STATUS_UNKNOWN ||
            (f->level != STATUS_OK &&
             (strcmp(f->topic, "reach") == 0 || strcmp(f->topic, "history") == 0))) {
            return false;
        }
    }
    return true;
}

void
status_notify(struct app *app, const struct settings_section *job,
              const struct status_report *report)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf critical = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    bool is_critical = report->level == STATUS_CRITICAL;
    struct job_notify n;

    if (!is_critical && (!is_certain(report) || !job_notify_was_silent(job))) {
        return;
    }
    if (is_critical) {
        put_critical(report, &critical);
    } else {
        vv_buf_put_text(&text, "it is not CRITICAL any more\n");
    }
    put_findings(report, &text);
    job_notify_init(&n, app, job, "");
    job_notify_status(&n, is_critical ? NOTIFY_SILENCE : NOTIFY_RECOVERY, vv_buf_text(&critical),
                      vv_buf_text(&text));
    job_notify_release(&n);
}
