/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SQLITE_DATABASE_H
#define VARVE_SQLITE_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

/*
 * A local SQLite database, for what this host remembers and could do without.  One connection belongs
 * to one thread; other processes may use the file at the same time (they are waited for, for some
 * seconds).
 *
 * Errors: VV_ENOTFOUND (DATABASE_READ: no file), VV_ECORRUPT (damaged, or no database at all),
 * VV_ENOSPACE, VV_ETRANSIENT (locked for too long), VV_EIO.  All with VV_ORIGIN_LOCAL.
 */
enum database_use {
    DATABASE_READ,
    DATABASE_WRITE, /* made (0600) if it is missing */
};
struct database;
/** database_open(path, use, ret, err): the file is not read before the first statement. */
MUST_CHECK enum vv_rc database_open(const char *path, enum database_use use, struct database **ret,
                                    struct vv_error *err);
void database_free(struct database *d);
VV_DEFINE_CLEANUP(struct database, database_free);
/** database_execute(d, sql, err): statements without parameters; results are thrown away. */
MUST_CHECK enum vv_rc database_execute(struct database *d, const char *sql, struct vv_error *err);
/** database_begin(d, err): a transaction that writes; database_commit ends it.  One that is not ended
 *  when its connection is freed has not been. */
MUST_CHECK enum vv_rc database_begin(struct database *d, struct vv_error *err);
MUST_CHECK enum vv_rc database_commit(struct database *d, struct vv_error *err);

struct statement;
/** statement_prepare(d, sql, ret, err): one statement; parameters are "?", counted from 1.  Must be freed
 *  before its connection. */
MUST_CHECK enum vv_rc statement_prepare(struct database *d, const char *sql, struct statement **ret,
                                        struct vv_error *err);
void statement_free(struct statement *s);
VV_DEFINE_CLEANUP(struct statement, statement_free);
/** Parameters; failures come out at the next step.  Texts are copied; NULL is NULL. */
void statement_bind_text(struct statement *s, int at, const char *text);
void statement_bind_i64(struct statement *s, int at, int64_t value);
/** statement_step(s, ret_row, err): run it up to its next row; false: there is none.  Afterwards it can be
 *  bound and run anew. */
MUST_CHECK enum vv_rc statement_step(struct statement *s, bool *ret_row, struct vv_error *err);
/** statement_run(s, err): to its end, whatever it yields. */
MUST_CHECK enum vv_rc statement_run(struct statement *s, struct vv_error *err);
/** Of the row; columns are counted from 0.  Texts live until the next step; NULL is "" and 0. */
const char *statement_text(const struct statement *s, int column);
int64_t statement_i64(const struct statement *s, int column);

#endif
