/* SPDX-License-Identifier: BSD-2-Clause */
/* The history of runs: opening it, and writing it.  Reading: run_history_read.c. */
#include "service/run_history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "core/alloc.h"
#include "core/file.h"
#include "service/run_history_internal.h"

#define VERSION 1

static const char schema[] =
    "CREATE TABLE run (place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, job TEXT NOT NULL,"
    " began INTEGER NOT NULL, ended INTEGER NOT NULL, exit_code INTEGER NOT NULL);"
    "CREATE INDEX run_by_job ON run (job, place);"
    "CREATE TABLE part (run TEXT NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL,"
    " command TEXT NOT NULL, state TEXT NOT NULL, why TEXT NOT NULL, exit_code INTEGER NOT NULL,"
    " milliseconds INTEGER NOT NULL, PRIMARY KEY (run, place)) WITHOUT ROWID;"
    "CREATE TABLE event (kind TEXT NOT NULL, time INTEGER NOT NULL, run TEXT NOT NULL,"
    " job TEXT NOT NULL, repository TEXT NOT NULL, other TEXT NOT NULL, exit_code INTEGER NOT NULL,"
    " milliseconds INTEGER NOT NULL, bytes INTEGER NOT NULL, total INTEGER NOT NULL,"
    " text TEXT NOT NULL);"
    "CREATE INDEX event_by_time ON event (kind, time);"
    "CREATE TABLE fact (about TEXT PRIMARY KEY, time INTEGER NOT NULL, document TEXT NOT NULL);"
    "PRAGMA user_version = 1;";

const char *
history_kind_name(enum history_kind k)
{
    static const char *const names[HISTORY_KINDS] = {"replication", "rehearsal", "incident",
                                                     "space"};

    return names[k];
}

static enum vv_rc
version_of(struct run_history *h, int64_t *ret, struct vv_error *err)
{
    VV_CLEANUP(statement_freep) struct statement *s = NULL;
    bool row = false;

    VV_TRY(statement_prepare(h->database, "PRAGMA user_version", &s, err));
    VV_TRY(statement_step(s, &row, err));
    *ret = row ? statement_i64(s, 0) : 0;
    return VV_OK;
}

/* Two processes may come here at once: one of them makes it. */
static enum vv_rc
make_tables(struct run_history *h, struct vv_error *err)
{
    int64_t version = 0;

    VV_TRY(database_begin(h->database, err));
    VV_TRY(version_of(h, &version, err));
    if (version == 0) {
        VV_TRY(database_execute(h->database, schema, err));
    }
    return database_commit(h->database, err);
}

/* "ok", or the first thing that is wrong. */
static enum vv_rc
look_for_damage(struct run_history *h, struct vv_error *err)
{
    VV_CLEANUP(statement_freep) struct statement *s = NULL;
    bool row = false;

    VV_TRY(statement_prepare(h->database, "PRAGMA quick_check(1)", &s, err));
    VV_TRY(statement_step(s, &row, err));
    if (row && statement_text(s, 0)[0] == 'o' && statement_text(s, 0)[1] == 'k') {
        return VV_OK;
    }
    return vv_error_origin(err, VV_ORIGIN_LOCAL,
                           vv_error_set(err, VV_ECORRUPT, "the history of runs is damaged: %s",
                                        row ? statement_text(s, 0) : "no answer"));
}

static void
path_of(const char *directory, struct vv_buf *out)
{
    vv_buf_printf(out, "%s/" RUN_HISTORY_FILE, directory);
}

enum vv_rc
run_history_open(const char *directory, enum database_use use, struct run_history **ret,
                 struct vv_error *err)
{
    VV_CLEANUP(run_history_freep) struct run_history *h = vv_alloc(sizeof(*h));
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    int64_t version = 0;

    if (h == NULL) {
        return vv_error_nomem(err);
    }
    *h = (struct run_history){0};
    path_of(directory, &path);
    (void)vv_buf_text(&path);
    VV_TRY(vv_buf_check(&path, err));
    VV_TRY(database_open(vv_buf_text(&path), use, &h->database, err));
    VV_TRY(version_of(h, &version, err));
    if (version == 0 && use == DATABASE_WRITE) {
        VV_TRY(make_tables(h, err));
        version = VERSION;
    }
    if (version > VERSION) {
        return vv_error_origin(err, VV_ORIGIN_LOCAL,
                               vv_error_set(err, VV_EUNSUPPORTED,
                                            "'%s' was written by a newer varve",
                                            vv_buf_text(&path)));
    }
    if (version == 0) { /* being made, or another program's: there is nothing in it */
        return vv_error_set(err, VV_ENOTFOUND, "there is no history in '%s' yet",
                            vv_buf_text(&path));
    }
    VV_TRY(look_for_damage(h, err));
    *ret = TAKE(h);
    return VV_OK;
}

void
run_history_free(struct run_history *h)
{
    if (h != NULL) {
        database_free(h->database);
        vv_free(h);
    }
}

static enum vv_rc
move_aside(const char *directory, const char *suffix, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf from = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf to = {0};

    vv_buf_printf(&from, "%s/" RUN_HISTORY_FILE "%s", directory, suffix);
    vv_buf_printf(&to, "%s/" RUN_HISTORY_FILE ".damaged%s", directory, suffix);
    if (rename(vv_buf_text(&from), vv_buf_text(&to)) != 0 && errno != ENOENT) {
        return vv_error_origin(err, VV_ORIGIN_LOCAL,
                               vv_error_sys(err, errno, "cannot rename '%s'", vv_buf_text(&from)));
    }
    return VV_OK;
}

/* One process at a time; who comes second finds a new one. */
enum vv_rc
run_history_set_aside(const char *directory, struct vv_error *err)
{
    VV_CLEANUP(run_history_freep) struct run_history *h = NULL;
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    VV_CLEANUP(vv_fd_closep) int lock = -1;
    bool got = false;

    vv_buf_printf(&path, "%s/" RUN_HISTORY_FILE ".lock", directory);
    lock = open(vv_buf_text(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0) {
        return vv_error_origin(err, VV_ORIGIN_LOCAL,
                               vv_error_sys(err, errno, "cannot open '%s'", vv_buf_text(&path)));
    }
    VV_TRY(vv_file_lock(lock, true, &got, err));
    if (run_history_open(directory, DATABASE_READ, &h, NULL) != VV_ECORRUPT) {
        return VV_OK;
    }
    /* Its journal belongs to it, and has its name. */
    VV_TRY(move_aside(directory, "-journal", err));
    return move_aside(directory, "", err);
}

/* ---- writing ---- */

enum vv_rc
run_history_put_run(struct run_history *h, const struct history_run *run, struct vv_error *err)
{
    VV_CLEANUP(statement_freep) struct statement *s = NULL;

    VV_TRY(statement_prepare(h->database,
                             "INSERT INTO run (id, job, began, ended, exit_code)"
                             " VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
                             " ended = excluded.ended, exit_code = excluded.exit_code",
                             &s, err));
    statement_bind_text(s, 1, run->id);
    statement_bind_text(s, 2, run->job);
    statement_bind_i64(s, 3, run->began);
    statement_bind_i64(s, 4, run->ended);
    statement_bind_i64(s, 5, run->exit_code);
    return statement_run(s, err);
}

static const char *
text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static enum vv_rc
put_part(struct statement *s, const char *run, size_t place, const struct history_part *p,
         struct vv_error *err)
{
    statement_bind_text(s, 1, run);
    statement_bind_i64(s, 2, (int64_t)place);
    statement_bind_text(s, 3, p->name);
    statement_bind_text(s, 4, text_or_empty(p->command));
    statement_bind_text(s, 5, p->state);
    statement_bind_text(s, 6, text_or_empty(p->why));
    statement_bind_i64(s, 7, p->exit_code);
    statement_bind_i64(s, 8, p->milliseconds);
    return statement_run(s, err);
}

/* H4 */
static enum vv_rc
trim(struct run_history *h, int64_t before, struct vv_error *err)
{
    static const char *const rules[] = {
        "DELETE FROM part WHERE run IN (SELECT id FROM run WHERE began < ?)",
        "DELETE FROM run WHERE began < ?",
        "DELETE FROM event WHERE time < ?",
    };

    for (size_t i = 0; i < VV_COUNT(rules); i++) {
        VV_CLEANUP(statement_freep) struct statement *s = NULL;
        VV_TRY(statement_prepare(h->database, rules[i], &s, err));
        statement_bind_i64(s, 1, before);
        VV_TRY(statement_run(s, err));
    }
    return VV_OK;
}

enum vv_rc
run_history_end_run(struct run_history *h, const struct history_run *run,
                    const struct history_part *parts, size_t count, struct vv_error *err)
{
    VV_CLEANUP(statement_freep) struct statement *s = NULL;

    VV_TRY(database_begin(h->database, err));
    VV_TRY(run_history_put_run(h, run, err));
    VV_TRY(statement_prepare(
        h->database, "INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?, ?, ?, ?)", &s, err));
    for (size_t i = 0; i < count; i++) {
        VV_TRY(put_part(s, run->id, i, &parts[i], err));
    }
    VV_TRY(trim(h, run->ended - RUN_HISTORY_AGE, err));
    return database_commit(h->database, err);
}

enum vv_rc
run_history_put_event(struct run_history *h, const struct history_event *e, struct vv_error *err)
{
    VV_CLEANUP(statement_freep) struct statement *s = NULL;

    VV_TRY(statement_prepare(
        h->database, "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &s, err));
    statement_bind_text(s, 1, history_kind_name(e->kind));
    statement_bind_i64(s, 2, e->time);
    statement_bind_text(s, 3, text_or_empty(e->run));
    statement_bind_text(s, 4, text_or_empty(e->job));
    statement_bind_text(s, 5, text_or_empty(e->repository));
    statement_bind_text(s, 6, text_or_empty(e->other));
    statement_bind_i64(s, 7, e->exit_code);
    statement_bind_i64(s, 8, e->milliseconds);
    statement_bind_i64(s, 9, e->bytes);
    statement_bind_i64(s, 10, e->total);
    statement_bind_text(s, 11, text_or_empty(e->text));
    return statement_run(s, err);
}

enum vv_rc
run_history_put_fact(struct run_history *h, const char *about, int64_t time, const char *document,
                     struct vv_error *err)
{
    VV_CLEANUP(statement_freep) struct statement *s = NULL;

    VV_TRY(statement_prepare(h->database, "INSERT OR REPLACE INTO fact VALUES (?, ?, ?)", &s, err));
    statement_bind_text(s, 1, about);
    statement_bind_i64(s, 2, time);
    statement_bind_text(s, 3, document);
    return statement_run(s, err);
}
