/* SPDX-License-Identifier: BSD-2-Clause */
/* SQLite, and what its result codes mean here. */
#include "sqlite/database.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"

#define PATIENCE_MS 5000

struct database {
    sqlite3 *connection;
};
struct statement {
    sqlite3_stmt *compiled;
    struct database *database;
    int failed; /* result code of a binding */
};

static enum vv_rc
fail(const struct database *d, int code, struct vv_error *err)
{
    enum vv_rc rc = VV_EIO;

    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return vv_error_nomem(err);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* "no such table": a database, but not ours */
    case SQLITE_MISMATCH:
        rc = VV_ECORRUPT;
        break;
    case SQLITE_FULL:
        rc = VV_ENOSPACE;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        rc = VV_ETRANSIENT;
        break;
    default:
        break;
    }
    return vv_error_origin(err, VV_ORIGIN_LOCAL,
                           vv_error_set(err, rc, "'%s': %s",
                                        sqlite3_db_filename(d->connection, "main"),
                                        sqlite3_errmsg(d->connection)));
}

/* SQLite makes files readable to all: it is made here. */
static enum vv_rc
make_file(const char *path, enum database_use use, struct vv_error *err)
{
    int flags = use == DATABASE_WRITE ? O_RDWR | O_CREAT : O_RDONLY;
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

    if (fd < 0) {
        return vv_error_origin(err, VV_ORIGIN_LOCAL,
                               vv_error_sys(err, errno, "cannot open '%s'", path));
    }
    vv_fd_closep(&fd);
    return VV_OK;
}

enum vv_rc
database_open(const char *path, enum database_use use, struct database **ret, struct vv_error *err)
{
    VV_CLEANUP(database_freep) struct database *d = NULL;
    /* Who may write takes back what a transaction that was cut off has left, also if it is to read. */
    bool may_write = use == DATABASE_WRITE || access(path, W_OK) == 0;
    int flags = may_write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    int code;

    VV_TRY(make_file(path, use, err));
    d = vv_alloc(sizeof(*d));
    if (d == NULL) {
        return vv_error_nomem(err);
    }
    *d = (struct database){0};
    code = sqlite3_open_v2(path, &d->connection, flags | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX,
                           NULL);
    if (d->connection == NULL) {
        return vv_error_nomem(err);
    }
    if (code != SQLITE_OK) {
        return fail(d, code, err);
    }
    (void)sqlite3_extended_result_codes(d->connection, 1);
    (void)sqlite3_busy_timeout(d->connection, PATIENCE_MS);
    *ret = TAKE(d);
    return VV_OK;
}

void
database_free(struct database *d)
{
    if (d != NULL) {
        (void)sqlite3_close(d->connection);
        vv_free(d);
    }
}

enum vv_rc
database_execute(struct database *d, const char *sql, struct vv_error *err)
{
    int code = sqlite3_exec(d->connection, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? VV_OK : fail(d, code, err);
}

enum vv_rc
database_begin(struct database *d, struct vv_error *err)
{
    return database_execute(d, "BEGIN IMMEDIATE", err);
}

enum vv_rc
database_commit(struct database *d, struct vv_error *err)
{
    return database_execute(d, "COMMIT", err);
}

enum vv_rc
statement_prepare(struct database *d, const char *sql, struct statement **ret, struct vv_error *err)
{
    struct statement *s = vv_alloc(sizeof(*s));
    int code;

    if (s == NULL) {
        return vv_error_nomem(err);
    }
    *s = (struct statement){.database = d};
    code = sqlite3_prepare_v2(d->connection, sql, -1, &s->compiled, NULL);
    if (code != SQLITE_OK) {
        vv_free(s);
        return fail(d, code, err);
    }
    *ret = s;
    return VV_OK;
}

void
statement_free(struct statement *s)
{
    if (s != NULL) {
        (void)sqlite3_finalize(s->compiled);
        vv_free(s);
    }
}

static void
note(struct statement *s, int code)
{
    if (code != SQLITE_OK && s->failed == SQLITE_OK) {
        s->failed = code;
    }
}

void
statement_bind_text(struct statement *s, int at, const char *text)
{
    note(s, sqlite3_bind_text(s->compiled, at, text, -1, SQLITE_TRANSIENT));
}

void
statement_bind_i64(struct statement *s, int at, int64_t value)
{
    note(s, sqlite3_bind_int64(s->compiled, at, value));
}

enum vv_rc
statement_step(struct statement *s, bool *ret_row, struct vv_error *err)
{
    int code = s->failed != SQLITE_OK ? s->failed : sqlite3_step(s->compiled);

    s->failed = SQLITE_OK;
    *ret_row = code == SQLITE_ROW;
    if (code == SQLITE_ROW) {
        return VV_OK;
    }
    if (code != SQLITE_DONE) {
        enum vv_rc rc = fail(s->database, code, err);
        (void)sqlite3_reset(s->compiled);
        return rc;
    }
    (void)sqlite3_reset(s->compiled);
    return VV_OK;
}

enum vv_rc
statement_run(struct statement *s, struct vv_error *err)
{
    bool row = true;

    while (row) {
        VV_TRY(statement_step(s, &row, err));
    }
    return VV_OK;
}

const char *
statement_text(const struct statement *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s->compiled, column);

    return text != NULL ? (const char *)text : "";
}

int64_t
statement_i64(const struct statement *s, int column)
{
    return sqlite3_column_int64(s->compiled, column);
}
