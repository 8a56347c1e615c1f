/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPORT_TABLE_H
#define VARVE_REPORT_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#include "core/bytes.h"

/* Tables for people: columns as wide as their widest cell, two blanks between, none at line
 * ends. */

enum table_align { TABLE_LEFT, TABLE_RIGHT };
struct table_column {
    const char *title;
    enum table_align align;
};
struct table;

/** table_new(columns, count, ret, err): ${columns} is borrowed. */
MUST_CHECK enum vv_rc table_new(const struct table_column *columns, unsigned count,
                                struct table **ret, struct vv_error *err);
void table_free(struct table *t);
VV_DEFINE_CLEANUP(struct table, table_free);
/** table_cell(t, raw): the next cell, row by row; names may be raw, they are escaped here.  Memory
 *  that runs out shows in table_print. */
void table_cell(struct table *t, struct vv_span raw);
void table_text(struct table *t, const char *text);
void table_printf(struct table *t, const char *fmt, ...) VV_PRINTF(2, 3);
/** table_print(t, file, err): titles and rows.  Failures of ${file} show in ferror. */
MUST_CHECK enum vv_rc table_print(struct table *t, FILE *file, struct vv_error *err);

#endif
