/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_PROGRESS_H
#define VARVE_CMD_PROGRESS_H

#include "core/event.h"
#include "core/thread.h"
#include "message.h"

/*
 * The display of progress: on a terminal one line on standard error, drawn four times a second;
 * with --progress and no terminal a line a minute; else nothing.
 */
enum progress_style { PROGRESS_NONE, PROGRESS_LINE, PROGRESS_LOG };

struct progress {
    struct vv_progress counters;
    struct messages *messages;
    const char *const *phases; /* texts by counters.phase; NULL: "working" */
    unsigned phase_count;
    enum progress_style style;
    uint64_t started; /* monotonic ns */
    struct {
        uint64_t at;
        uint64_t bytes;
        uint64_t files;
    } samples[40]; /* the last ten seconds */
    unsigned sample_count;
    struct vv_mutex lock;
    struct vv_cond wake;
    bool ending;
    struct vv_thread thread;
};

/** progress_start(p, m, style): counters to zero, then draw in a thread.  Without a thread there is
 *  no display, which is no reason to fail. */
void progress_start(struct progress *p, struct messages *m, enum progress_style style,
                    const char *const *phases, unsigned phase_count);
/** progress_stop(p): the line is gone afterwards. */
void progress_stop(struct progress *p);

/** progress_text(p, now, columns, out): the line as of ${now} (monotonic ns). */
void progress_text(struct progress *p, uint64_t now, size_t columns, struct vv_buf *out);

#endif
