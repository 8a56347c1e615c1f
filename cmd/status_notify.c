/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is told of jobs that are CRITICAL. */
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

void
status_notify(struct app *app, const struct settings_section *job, const struct status_report *r)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf critical = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};
    struct job_notify n;

    put_critical(r, &critical);
    for (size_t i = 0; i < r->count; i++) {
        const struct status_finding *f = &r->findings[i];
        if (f->level != STATUS_OK) {
            vv_buf_printf(&text, "%s %s%s%s: %s\n", status_level_name(f->level), f->topic,
                          f->place[0] != '\0' ? " " : "", f->place, f->text);
        }
    }
    job_notify_init(&n, app, job, "");
    if (!job_notify_silence(&n, vv_buf_text(&critical), vv_buf_text(&text))) {
        /* that is a problem, told already */
    }
    job_notify_release(&n);
}
