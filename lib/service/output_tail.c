/* SPDX-License-Identifier: BSD-2-Clause */
/* The last lines of an output. */
#include "service/output_tail.h"

#include <string.h>

#include "core/text.h"

/* Behind a control sequence ("ESC [ ... letter") that begins here; the same place if none does. */
static size_t
behind_sequence(struct vv_span s, size_t at)
{
    if (at + 1 < s.len && s.data[at] == 0x1b && s.data[at + 1] == '[') {
        for (size_t i = at + 2; i < s.len; i++) {
            if (s.data[i] >= 0x40 && s.data[i] <= 0x7e) {
                return i + 1;
            }
        }
        return s.len;
    }
    return at;
}

/* As it is shown. */
static void
put_line(const struct output_tail *t, struct vv_span line, struct vv_buf *out)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf plain = {0};
    bool has_priority = t->journal && line.len >= 3 && line.data[0] == '<' && line.data[1] >= '0' &&
                        line.data[1] <= '7' && line.data[2] == '>';

    for (size_t i = has_priority ? 3 : 0; i < line.len;) {
        size_t next = behind_sequence(line, i);
        if (next == i) {
            vv_buf_put_u8(&plain, line.data[i] == '\t' ? ' ' : line.data[i]);
            next++;
        }
        i = next;
    }
    vv_text_escape(out, vv_buf_span(&plain));
    if (line.len >= OUTPUT_TAIL_LINE_MOST) {
        vv_buf_put_text(out, "...");
    }
    vv_buf_put_u8(out, '\n');
}

static void
drop_oldest(struct output_tail *t)
{
    const uint8_t *end = memchr(t->lines.data, '\n', t->lines.len);

    if (end != NULL) {
        size_t len = (size_t)(end + 1 - t->lines.data);
        memmove(t->lines.data, t->lines.data + len, t->lines.len - len);
        t->lines.len -= len;
        t->count--;
    }
}

static void
end_line(struct output_tail *t)
{
    if (t->count >= OUTPUT_TAIL_LINES) {
        drop_oldest(t);
    }
    put_line(t, vv_buf_span(&t->line), &t->lines);
    t->count++;
    vv_buf_reset(&t->line);
}

void
output_tail_take(struct output_tail *t, struct vv_span some)
{
    for (size_t i = 0; i < some.len; i++) {
        uint8_t c = some.data[i];
        if (c == '\n') {
            end_line(t);
        } else if (c != '\r') {
            if (t->returned) { /* what was there is drawn over */
                vv_buf_reset(&t->line);
            }
            if (t->line.len < OUTPUT_TAIL_LINE_MOST) {
                vv_buf_put_u8(&t->line, c);
            }
        }
        t->returned = c == '\r';
    }
}

void
output_tail_text(const struct output_tail *t, struct vv_buf *out)
{
    vv_buf_put(out, t->lines.data, t->lines.len);
    if (t->line.len > 0 && !t->returned) {
        put_line(t, vv_buf_span(&t->line), out);
    }
}

void
output_tail_release(struct output_tail *t)
{
    vv_buf_release(&t->lines);
    vv_buf_release(&t->line);
    *t = (struct output_tail){0};
}
