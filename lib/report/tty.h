/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPORT_TTY_H
#define VARVE_REPORT_TTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/bytes.h"

/* Terminals: is there one, how wide is it, and one line on it that is drawn again and again. */

/** tty_is_terminal(fd): a terminal that understands cursor movements (TERM is not "dumb"), or a pipe that
 *  leads to one, as VARVE_TERMINAL_STREAM (device:inode:columns) says. */
bool tty_is_terminal(int fd);
/** tty_width(fd): columns now (asked anew each time, so that a resized window is noticed); 80 if
 *  nobody knows. */
unsigned tty_width(int fd);

/** tty_columns(text): columns that valid, escaped UTF-8 takes up (wide characters count twice). */
size_t tty_columns(struct vv_span text);
/** tty_fit(text, columns): how many bytes of ${text} fit into so many columns, whole characters. */
size_t tty_fit(struct vv_span text, size_t columns);
/** tty_fit_end(text, columns): the same from its end. */
size_t tty_fit_end(struct vv_span text, size_t columns);

/** One line at the bottom that is redrawn.  Not thread-safe. */
struct tty_line {
    FILE *file;
    bool drawn;
};
/** tty_line_draw(l, text): show ${text} (escaped) in place of what is there, cut to the width. */
void tty_line_draw(struct tty_line *l, struct vv_span text);
/** tty_line_clear(l): take it away, so that something else can be printed. */
void tty_line_clear(struct tty_line *l);

#endif
