/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_POSTGRES_POSTGRES_INTERNAL_H
#define VARVE_POSTGRES_POSTGRES_INTERNAL_H

#include "core/alloc.h"
#include "loaded/pq_functions.h"
#include "postgres/postgres.h"

/*
 *   postgres_target.c       URLs and connection strings     postgres_query.c        statements
 *   postgres_connect.c      opening and closing             postgres_replication.c  commands
 *   postgres_wait.c         waiting, with a deadline        postgres_base.c         base backup
 *   postgres_error.c        SQLSTATE -> category, hints     postgres_stream.c       WAL stream
 *   postgres_none.c         all of it, in a build without libpq
 */

#define POSTGRES_VERSION_LEAST 150000
#define POSTGRES_FOREVER 0u

/** A warning of the server that waits for its turn in a base backup. */
struct postgres_warning {
    char *text;
    char *function;
    struct postgres_warning *next;
};

enum postgres_doing { POSTGRES_IDLE, POSTGRES_BASE, POSTGRES_STREAM };

struct postgres {
    PGconn *connection;
    char *name;
    struct vv_events *events;
    struct vv_cancel *cancel;
    unsigned silence_seconds;
    char sqlstate[6];
    enum postgres_doing doing;
    bool waiting_for_end; /* POSTGRES_BASE: all was sent */
    char *message;        /* libpq's, lent to the caller of the last ..._next */
    struct postgres_tablespace *tablespaces;
    struct postgres_warning *first_warning; /* POSTGRES_BASE only */
    struct postgres_warning *last_warning;
    struct postgres_warning *lent_warning;
    bool no_memory;      /* a warning was lost to that */
    int held_len;        /* POSTGRES_BASE: of `message`, which comes after the warnings */
    bool ended;          /* POSTGRES_STREAM: CopyDone has gone both ways */
    bool timeline_ended; /* POSTGRES_STREAM: before it began */
    uint32_t next_timeline;
    uint64_t next_start;
};

/** postgres_target_parse(target, ret, err): all keywords, with values or without (PQconninfoFree).  Whoever has
 *  come through here may call libpq. */
MUST_CHECK enum vv_rc postgres_target_parse(const char *target, PQconninfoOption **ret,
                                            struct vv_error *err);
static inline void
postgres_options_freep(PQconninfoOption **options)
{
    if (*options != NULL) { /* else libpq may not be there */
        PQconninfoFree(*options);
    }
}

/** postgres_category(sqlstate): "" is a lost connection. */
enum vv_rc postgres_category(const char *sqlstate);
/** postgres_fail(p, result, what, err): write down why ${what} ("cannot ...") failed: from the
 *  result, or (NULL) from the connection. */
enum vv_rc postgres_fail(struct postgres *p, const PGresult *result, const char *what,
                         struct vv_error *err);
/** postgres_fail_connect(p, err): the same of connecting. */
enum vv_rc postgres_fail_connect(struct postgres *p, struct vv_error *err);
/** postgres_hint(p, sqlstate, err): what to do about it. */
void postgres_hint(const char *sqlstate, struct vv_error *err);
/** postgres_violation(p, what, err): the server sent what the protocol does not allow. */
enum vv_rc postgres_violation(struct postgres *p, const char *what, struct vv_error *err);

/** postgres_wait(p, writing, ms, ret_ready, err): until the socket can be read (or written), at most
 *  ${ms}.  Only cancellation fails. */
MUST_CHECK enum vv_rc postgres_wait(struct postgres *p, bool writing, uint64_t ms, bool *ret_ready,
                                    struct vv_error *err);
/** postgres_result(p, seconds, what, ret, err): the next result, NULL at the end of a command.
 *  ${seconds} of silence at most, or POSTGRES_FOREVER. */
MUST_CHECK enum vv_rc postgres_result(struct postgres *p, unsigned seconds, const char *what,
                                      PGresult **ret, struct vv_error *err);
/** postgres_drain(p, what, err): read results to the end of the command; a refusal among them
 *  fails. */
MUST_CHECK enum vv_rc postgres_drain(struct postgres *p, const char *what, struct vv_error *err);
/** postgres_command(p, sql, what, ret, err): send it and take its one result with rows (NULL in
 *  ${ret}: it has none). */
MUST_CHECK enum vv_rc postgres_command(struct postgres *p, const char *sql, const char *what,
                                       PGresult **ret, struct vv_error *err);
/** postgres_send(p, sql, what, err). */
MUST_CHECK enum vv_rc postgres_send(struct postgres *p, const char *sql, const char *what,
                                    struct vv_error *err);

/** postgres_lsn(text, ret): "16/B374D848". */
MUST_CHECK bool postgres_lsn(const char *text, uint64_t *ret);
/** postgres_number(text, most, ret): decimal digits. */
MUST_CHECK bool postgres_number(const char *text, uint64_t most, uint64_t *ret);
/** postgres_lend(p, message): keep it until the next one. */
void postgres_lend(struct postgres *p, char *message);
void postgres_warnings_free(struct postgres *p);
/** postgres_quote(out, text): append an SQL literal for the replication grammar. */
void postgres_quote(struct vv_buf *out, const char *text);

static inline void
postgres_clearp(PGresult **r)
{
    PQclear(*r);
}

static inline uint64_t
postgres_get_u64(const void *bytes)
{
    const uint8_t *b = bytes;
    uint64_t v = 0;

    for (unsigned i = 0; i < 8; i++) {
        v = v << 8 | b[i];
    }
    return v;
}

#endif
