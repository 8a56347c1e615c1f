/* SPDX-License-Identifier: BSD-2-Clause */
/* The history of runs: reading it.  What is asked for is read whole before anybody is told of it: while a
 * statement is open nobody can write, and whoever is told may be a pager that waits for a person. */
#include "service/run_history_internal.h"

#include <string.h>

#include "core/arena.h"

/* Rows, in the order in which they came. */
struct rows {
    struct vv_arena arena;
    struct row *first;
    struct row **end;
};
struct row {
    struct row *next;
    union {
        struct history_run run;
        struct history_part part;
        struct history_event event;
    } of;
};

static void
rows_release(struct rows *r)
{
    vv_arena_release(&r->arena);
}

static struct row *
add_row(struct rows *r)
{
    struct row *row = vv_arena_alloc(&r->arena, sizeof(*row));

    if (row != NULL) {
        memset(row, 0, sizeof(*row));
        *r->end = row;
        r->end = &row->next;
    }
    return row;
}

/* The next row of the statement, with room for it; NULL and VV_OK: there is none. */
static enum vv_rc
next_row(struct statement *s, struct rows *r, struct row **ret, struct vv_error *err)
{
    bool row = false;

    *ret = NULL;
    VV_TRY(statement_step(s, &row, err));
    if (row) {
        *ret = add_row(r);
    }
    return row && *ret == NULL ? vv_error_nomem(err) : VV_OK;
}

/* NULL if memory runs out: see texts_are_there. */
static const char *
keep(struct rows *r, const struct statement *s, int column)
{
    const char *text = statement_text(s, column);

    return vv_arena_copy(&r->arena, text, strlen(text));
}

static enum vv_rc
read_runs(struct run_history *h, const char *job, size_t most, struct rows *rows,
          struct vv_error *err)
{
    VV_CLEANUP(statement_freep) struct statement *s = NULL;
    struct row *row;

    /* By when they were noted: a clock that was wrong must not hide what came later. */
    VV_TRY(statement_prepare(h->database,
                             "SELECT id, job, began, ended, exit_code FROM run"
                             " WHERE ?1 IS NULL OR job = ?1 ORDER BY place DESC LIMIT ?2",
                             &s, err));
    statement_bind_text(s, 1, job);
    statement_bind_i64(s, 2, (int64_t)most);
    for (;;) {
        struct history_run *run;
        VV_TRY(next_row(s, rows, &row, err));
        if (row == NULL) {
            return VV_OK;
        }
        run = &row->of.run;
        *run = (struct history_run){.id = keep(rows, s, 0),
                                    .job = keep(rows, s, 1),
                                    .began = statement_i64(s, 2),
                                    .ended = statement_i64(s, 3),
                                    .exit_code = (int)statement_i64(s, 4)};
        if (run->id == NULL || run->job == NULL) {
            return vv_error_nomem(err);
        }
    }
}

enum vv_rc
run_history_runs(struct run_history *h, const char *job, size_t most, history_run_fn *fn, void *ctx,
                 struct vv_error *err)
{
    VV_CLEANUP(rows_release) struct rows rows = {.first = NULL};

    rows.end = &rows.first;
    VV_TRY(read_runs(h, job, most, &rows, err));
    for (const struct row *row = rows.first; row != NULL; row = row->next) {
        VV_TRY(fn(ctx, &row->of.run, err));
    }
    return VV_OK;
}

static enum vv_rc
read_parts(struct run_history *h, const char *run, struct rows *rows, struct vv_error *err)
{
    VV_CLEANUP(statement_freep) struct statement *s = NULL;
    struct row *row;

    VV_TRY(statement_prepare(h->database,
                             "SELECT name, command, state, why, exit_code, milliseconds FROM part"
                             " WHERE run = ? ORDER BY place",
                             &s, err));
    statement_bind_text(s, 1, run);
    for (;;) {
        struct history_part *part;
        VV_TRY(next_row(s, rows, &row, err));
        if (row == NULL) {
            return VV_OK;
        }
        part = &row->of.part;
        *part = (struct history_part){.name = keep(rows, s, 0),
                                      .command = keep(rows, s, 1),
                                      .state = keep(rows, s, 2),
                                      .why = keep(rows, s, 3),
                                      .exit_code = (int)statement_i64(s, 4),
                                      .milliseconds = statement_i64(s, 5)};
        if (part->name == NULL || part->command == NULL || part->state == NULL ||
            part->why == NULL) {
            return vv_error_nomem(err);
        }
    }
}

enum vv_rc
run_history_parts(struct run_history *h, const char *run, history_part_fn *fn, void *ctx,
                  struct vv_error *err)
{
    VV_CLEANUP(rows_release) struct rows rows = {.first = NULL};

    rows.end = &rows.first;
    VV_TRY(read_parts(h, run, &rows, err));
    for (const struct row *row = rows.first; row != NULL; row = row->next) {
        VV_TRY(fn(ctx, &row->of.part, err));
    }
    return VV_OK;
}

static enum vv_rc
read_events(struct run_history *h, enum history_kind kind, const char *repository, int64_t since,
            size_t most, struct rows *rows, struct vv_error *err)
{
    VV_CLEANUP(statement_freep) struct statement *s = NULL;
    struct row *row;

    VV_TRY(statement_prepare(
        h->database,
        "SELECT time, run, job, repository, other, exit_code, milliseconds, bytes, total, text"
        " FROM event WHERE kind = ?1 AND time >= ?2 AND (?3 IS NULL OR repository = ?3)"
        " ORDER BY rowid DESC LIMIT ?4",
        &s, err));
    statement_bind_text(s, 1, history_kind_name(kind));
    statement_bind_i64(s, 2, since);
    statement_bind_text(s, 3, repository);
    statement_bind_i64(s, 4, (int64_t)most);
    for (;;) {
        struct history_event *e;
        VV_TRY(next_row(s, rows, &row, err));
        if (row == NULL) {
            return VV_OK;
        }
        e = &row->of.event;
        *e = (struct history_event){.kind = kind,
                                    .time = statement_i64(s, 0),
                                    .run = keep(rows, s, 1),
                                    .job = keep(rows, s, 2),
                                    .repository = keep(rows, s, 3),
                                    .other = keep(rows, s, 4),
                                    .exit_code = (int)statement_i64(s, 5),
                                    .milliseconds = statement_i64(s, 6),
                                    .bytes = statement_i64(s, 7),
                                    .total = statement_i64(s, 8),
                                    .text = keep(rows, s, 9)};
        if (e->run == NULL || e->job == NULL || e->repository == NULL || e->other == NULL ||
            e->text == NULL) {
            return vv_error_nomem(err);
        }
    }
}

enum vv_rc
run_history_events(struct run_history *h, enum history_kind kind, const char *repository,
                   int64_t since, size_t most, history_event_fn *fn, void *ctx,
                   struct vv_error *err)
{
    VV_CLEANUP(rows_release) struct rows rows = {.first = NULL};

    rows.end = &rows.first;
    VV_TRY(read_events(h, kind, repository, since, most, &rows, err));
    for (const struct row *row = rows.first; row != NULL; row = row->next) {
        VV_TRY(fn(ctx, &row->of.event, err));
    }
    return VV_OK;
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
