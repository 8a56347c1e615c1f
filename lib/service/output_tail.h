/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SERVICE_OUTPUT_TAIL_H
#define VARVE_SERVICE_OUTPUT_TAIL_H

#include "core/bytes.h"

/*
 * The last lines of what programs have said on standard error, whatever that was: lines that were drawn over
 * (progress) and control sequences are left out, what else could act on a terminal is escaped, long lines
 * are cut.  Memory is bounded.  Initialise with {0}.  Not thread-safe.
 */
#define OUTPUT_TAIL_LINES 50u
#define OUTPUT_TAIL_LINE_MOST 500u /* bytes, before escaping */

struct output_tail {
    bool journal;        /* ours is the journal: lines begin with "<N>", which is left out here */
    unsigned columns;    /* ours is a terminal with so many of them; 0: it is none */
    struct vv_buf lines; /* whole ones, with their ends */
    unsigned count;      /* of them */
    struct vv_buf line;  /* that has no end yet */
    bool returned;       /* its last byte was a carriage return */
};

/** output_tail_take(t, some): what was said next. */
void output_tail_take(struct output_tail *t, struct vv_span some);
/** output_tail_text(t, out): append the lines, each with its end, the last one also if it has none. */
void output_tail_text(const struct output_tail *t, struct vv_buf *out);
void output_tail_release(struct output_tail *t);

#endif
