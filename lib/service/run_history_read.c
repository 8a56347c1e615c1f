/* SPDX-License-Identifier: BSD-2-Clause */
/* The history of runs: reading it. */
#include "service/run_history_internal.h"

enum vv_rc
run_history_runs(struct run_history *h, const char *job, size_t most, history_run_fn *fn, void *ctx,
                 struct vv_error *err)
{
    VV_CLEANUP(statement_freep) struct statement *s = NULL;
    bool row = false;

    VV_TRY(statement_prepare(h->database,
                             "SELECT id, job, began, ended, exit_code FROM run"
                             " WHERE ?1 IS NULL OR job = ?1 ORDER BY began DESC, rowid DESC"
                             " LIMIT ?2",
                             &s, err));
    statement_bind_text(s, 1, job);
    statement_bind_i64(s, 2, (int64_t)most);
    for (;;) {
        struct history_run run;
        VV_TRY(statement_step(s, &row, err));
        if (!row) {
            return VV_OK;
        }
        run = (struct history_run){.id = statement_text(s, 0),
                                   .job = statement_text(s, 1),
                                   .began = statement_i64(s, 2),
                                   .ended = statement_i64(s, 3),
                                   .exit_code = (int)statement_i64(s, 4)};
        VV_TRY(fn(ctx, &run, err));
    }
}

enum vv_rc
run_history_parts(struct run_history *h, const char *run, history_part_fn *fn, void *ctx,
                  struct vv_error *err)
{
    VV_CLEANUP(statement_freep) struct statement *s = NULL;
    bool row = false;

    VV_TRY(statement_prepare(h->database,
                             "SELECT name, command, state, why, exit_code, milliseconds FROM part"
                             " WHERE run = ? ORDER BY place",
                             &s, err));
    statement_bind_text(s, 1, run);
    for (;;) {
        struct history_part part;
        VV_TRY(statement_step(s, &row, err));
        if (!row) {
            return VV_OK;
        }
        part = (struct history_part){.name = statement_text(s, 0),
                                     .command = statement_text(s, 1),
                                     .state = statement_text(s, 2),
                                     .why = statement_text(s, 3),
                                     .exit_code = (int)statement_i64(s, 4),
                                     .milliseconds = statement_i64(s, 5)};
        VV_TRY(fn(ctx, &part, err));
    }
}

enum vv_rc
run_history_events(struct run_history *h, enum history_kind kind, const char *repository,
                   int64_t since, size_t most, history_event_fn *fn, void *ctx,
                   struct vv_error *err)
{
    VV_CLEANUP(statement_freep) struct statement *s = NULL;
    bool row = false;

    VV_TRY(statement_prepare(
        h->database,
        "SELECT time, run, job, repository, other, exit_code, milliseconds, bytes, total, text"
        " FROM event WHERE kind = ?1 AND time >= ?2 AND (?3 IS NULL OR repository = ?3)"
        " ORDER BY time DESC, rowid DESC LIMIT ?4",
        &s, err));
    statement_bind_text(s, 1, history_kind_name(kind));
    statement_bind_i64(s, 2, since);
    statement_bind_text(s, 3, repository);
    statement_bind_i64(s, 4, (int64_t)most);
    for (;;) {
        struct history_event e;
        VV_TRY(statement_step(s, &row, err));
        if (!row) {
            return VV_OK;
        }
        e = (struct history_event){.kind = kind,
                                   .time = statement_i64(s, 0),
                                   .run = statement_text(s, 1),
                                   .job = statement_text(s, 2),
                                   .repository = statement_text(s, 3),
                                   .other = statement_text(s, 4),
                                   .exit_code = (int)statement_i64(s, 5),
                                   .milliseconds = statement_i64(s, 6),
                                   .bytes = statement_i64(s, 7),
                                   .total = statement_i64(s, 8),
                                   .text = statement_text(s, 9)};
        VV_TRY(fn(ctx, &e, err));
    }
}

enum vv_rc
run_history_fact(struct run_history *h, const char *about, int64_t *ret_time, struct vv_buf *ret,
                 struct vv_error *err)
{
    VV_CLEANUP(statement_freep) struct statement *s = NULL;
    bool row = false;

    *ret_time = 0;
    VV_TRY(
        statement_prepare(h->database, "SELECT time, document FROM fact WHERE about = ?", &s, err));
    statement_bind_text(s, 1, about);
    VV_TRY(statement_step(s, &row, err));
    if (row) {
        *ret_time = statement_i64(s, 0);
        vv_buf_put_text(ret, statement_text(s, 1));
        (void)vv_buf_text(ret);
    }
    return vv_buf_check(ret, err);
}
