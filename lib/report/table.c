/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables for people. */
#include "report/table.h"

#include <stdarg.h>
#include <string.h>

#include "core/alloc.h"
#include "core/text.h"
#include "report/tty.h"

#define GAP 2

struct table {
    const struct table_column *columns;
    unsigned count;
    struct vv_buf text;   /* all cells, one after the other */
    struct vv_buf places; /* u64 end of each cell in text */
    size_t cells;
};

enum vv_rc
table_new(const struct table_column *columns, unsigned count, struct table **ret,
          struct vv_error *err)
{
    struct table *t = vv_alloc_array(1, sizeof(*t));

    if (t == NULL) {
        return vv_error_nomem(err);
    }
    t->columns = columns;
    t->count = count;
    *ret = t;
    return VV_OK;
}

void
table_free(struct table *t)
{
    if (t == NULL) {
        return;
    }
    vv_buf_release(&t->text);
    vv_buf_release(&t->places);
    vv_free(t);
}

void
table_cell(struct table *t, struct vv_span raw)
{
    vv_text_escape(&t->text, raw);
    vv_buf_put_u64(&t->places, t->text.len);
    t->cells++;
}

void
table_text(struct table *t, const char *text)
{
    table_cell(t, vv_span(text, strlen(text)));
}

void
table_printf(struct table *t, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(text, sizeof(text), fmt, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);
    table_text(t, text);
}

static struct vv_span
cell_at(const struct table *t, size_t i)
{
    uint64_t from = i == 0 ? 0 : vv_load_u64(t->places.data + (i - 1) * 8);
    uint64_t to = vv_load_u64(t->places.data + i * 8);

    return vv_span(to > from ? t->text.data + from : NULL, (size_t)(to - from));
}

static void
spaces(FILE *file, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fputc(' ', file);
    }
}

/** One cell; ${owed} blanks are due before the next visible character. */
static void
print_cell(FILE *file, struct vv_span text, size_t width, enum table_align align, size_t *owed)
{
    size_t used = tty_columns(text);
    size_t fill = width > used ? width - used : 0;

    if (align == TABLE_RIGHT) {
        *owed += fill;
        fill = 0;
    }
    if (text.len > 0) {
        spaces(file, *owed);
        *owed = 0;
        (void)fwrite(text.data, 1, text.len, file);
    } else {
        fill += used;
    }
    *owed += fill + GAP;
}

enum vv_rc
table_print(struct table *t, FILE *file, struct vv_error *err)
{
    size_t *widths;

    VV_TRY(vv_buf_check(&t->text, err));
    VV_TRY(vv_buf_check(&t->places, err));
    if (t->count == 0) {
        return VV_OK;
    }
    widths = vv_alloc_array(t->count, sizeof(*widths));
    if (widths == NULL) {
        return vv_error_nomem(err);
    }
    for (unsigned i = 0; i < t->count; i++) {
        widths[i] = strlen(t->columns[i].title);
    }
    for (size_t i = 0; i < t->cells; i++) {
        size_t used = tty_columns(cell_at(t, i));
        widths[i % t->count] = used > widths[i % t->count] ? used : widths[i % t->count];
    }
    for (size_t row = 0; row <= t->cells / t->count; row++) {
        size_t owed = 0;
        for (unsigned i = 0; i < t->count; i++) {
            const char *title = t->columns[i].title;
            struct vv_span text =
                row == 0 ? vv_span(title, strlen(title)) : cell_at(t, (row - 1) * t->count + i);
            print_cell(file, text, widths[i], t->columns[i].align, &owed);
        }
        fputc('\n', file);
    }
    vv_free(widths);
    return VV_OK;
}
