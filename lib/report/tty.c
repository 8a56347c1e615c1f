/* SPDX-License-Identifier: BSD-2-Clause */
/* Terminals: detection, width, a line that is redrawn. */
#include "report/tty.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/file.h"

#define WIDTH_DEFAULT 80
#define WIDTH_MIN 20

/* Does ${fd} lead to a terminal through whoever has started us?  *ret_columns: how wide that is. */
static bool
leads_to_terminal(int fd, unsigned *ret_columns)
{
    const char *stream = getenv("VARVE_TERMINAL_STREAM");
    const char *rest;

    if (stream == NULL || !vv_fd_is(fd, stream, &rest) || rest[0] != ':') {
        return false;
    }
    *ret_columns = (unsigned)strtoul(rest + 1, NULL, 10);
    return true;
}

bool
tty_is_terminal(int fd)
{
    const char *term = getenv("TERM");
    unsigned columns;

    return (isatty(fd) == 1 || leads_to_terminal(fd, &columns)) &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

unsigned
tty_width(int fd)
{
    struct winsize size;
    unsigned columns;

    if (leads_to_terminal(fd, &columns)) {
        return columns < WIDTH_MIN ? WIDTH_MIN : columns;
    }
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
        return WIDTH_DEFAULT;
    }
    return size.ws_col < WIDTH_MIN ? WIDTH_MIN : size.ws_col;
}

/** The code point at ${p} of valid UTF-8 and its length (1 for a stray byte). */
static size_t
code_point(const uint8_t *p, size_t left, uint32_t *ret)
{
    size_t len = p[0] < 0xc0 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint32_t v = len == 1 ? p[0] : p[0] & (0x7fu >> len);

    if (len > left) {
        *ret = p[0];
        return 1;
    }
    for (size_t i = 1; i < len; i++) {
        v = v << 6 | (p[i] & 0x3fu);
    }
    *ret = v;
    return len;
}

/** Columns of a character.  Combining marks of the common blocks take none; what is in doubt takes
 *  more rather than less, so that a line never wraps. */
static size_t
width_of(uint32_t v)
{
    static const struct {
        uint32_t first;
        uint32_t last;
    } wide[] = {{0x1100, 0x115f}, {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23f3},
                {0x25fd, 0x27bf}, {0x2b1b, 0x2b55},   {0x2e80, 0xa4cf},   {0xa960, 0xa97f},
                {0xac00, 0xd7a3}, {0xf900, 0xfaff},   {0xfe10, 0xfe6f},   {0xff00, 0xff60},
                {0xffe0, 0xffe6}, {0x16fe0, 0x1b2ff}, {0x1f000, 0x1faff}, {0x20000, 0x3fffd}};

    if ((v >= 0x300 && v <= 0x36f) || (v >= 0x200b && v <= 0x200d)) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        if (v >= wide[i].first && v <= wide[i].last) {
            return 2;
        }
    }
    return 1;
}

size_t
tty_columns(struct vv_span text)
{
    size_t columns = 0;

    for (size_t i = 0; i < text.len;) {
        uint32_t v;
        i += code_point(text.data + i, text.len - i, &v);
        columns += width_of(v);
    }
    return columns;
}

size_t
tty_fit(struct vv_span text, size_t columns)
{
    size_t used = 0;
    size_t i = 0;

    while (i < text.len) {
        uint32_t v;
        size_t n = code_point(text.data + i, text.len - i, &v);
        used += width_of(v);
        if (used > columns) {
            break;
        }
        i += n;
    }
    return i;
}

size_t
tty_fit_end(struct vv_span text, size_t columns)
{
    size_t total = tty_columns(text);
    size_t i = 0;

    while (i < text.len && total > columns) {
        uint32_t v;
        i += code_point(text.data + i, text.len - i, &v);
        total -= width_of(v);
    }
    return text.len - i;
}

void
tty_line_draw(struct tty_line *l, struct vv_span text)
{
    size_t columns = tty_width(fileno(l->file)) - 1;
    size_t len = tty_fit(text, columns);

    fputs("\r\033[K", l->file);
    if (len > 0) {
        (void)fwrite(text.data, 1, len, l->file);
    }
    (void)fflush(l->file);
    l->drawn = true;
}

void
tty_line_clear(struct tty_line *l)
{
    if (!l->drawn) {
        return;
    }
    fputs("\r\033[K", l->file);
    (void)fflush(l->file);
    l->drawn = false;
}
