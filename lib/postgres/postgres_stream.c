/* SPDX-License-Identifier: BSD-2-Clause */
/* START_REPLICATION: WAL one way, what became of it the other way. */
#include <string.h>

#include "core/clock.h"
#include "postgres/postgres_internal.h"

static const char what[] = "cannot get WAL";

/* The server counts microseconds from 2000-01-01. */
#define EPOCH_SECONDS INT64_C(946684800)

static int64_t
from_server_time(uint64_t us)
{
    return ((int64_t)us + EPOCH_SECONDS * 1000000) * 1000;
}

static uint64_t
to_server_time(int64_t ns)
{
    return (uint64_t)(ns / 1000 - EPOCH_SECONDS * 1000000);
}

/* Where the next timeline begins, as the server says at the end of one. */
static enum vv_rc
take_next_timeline(struct postgres *p, const PGresult *r, struct vv_error *err)
{
    uint64_t timeline = 0;

    if (PQntuples(r) != 1 || PQnfields(r) < 2 ||
        !postgres_number(PQgetvalue(r, 0, 0), UINT32_MAX, &timeline) ||
        !postgres_lsn(PQgetvalue(r, 0, 1), &p->next_start)) {
        return postgres_violation(p, "which timeline comes next cannot be read", err);
    }
    p->next_timeline = (uint32_t)timeline;
    p->timeline_ended = true;
    return VV_OK;
}

enum vv_rc
postgres_stream_begin(struct postgres *p, const char *slot, uint64_t start, uint32_t timeline,
                      struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf sql = {0};
    VV_CLEANUP(postgres_clearp) PGresult *r = NULL;

    vv_buf_put_text(&sql, "START_REPLICATION ");
    if (slot != NULL) {
        vv_buf_printf(&sql, "SLOT \"%s\" ", slot);
    }
    vv_buf_printf(&sql, "PHYSICAL %X/%X TIMELINE %u", (unsigned)(start >> 32),
                  (unsigned)(start & UINT32_MAX), timeline);
    VV_TRY(vv_buf_check(&sql, err));
    p->ended = false;
    p->timeline_ended = false;
    VV_TRY(postgres_send(p, vv_buf_text(&sql), what, err));
    VV_TRY(postgres_result(p, p->silence_seconds, what, &r, err));
    ExecStatusType status = r == NULL ? PGRES_FATAL_ERROR : PQresultStatus(r);
    if (status == PGRES_TUPLES_OK) { /* nothing to stream: the timeline had ended there */
        VV_TRY(take_next_timeline(p, r, err));
        p->ended = true;
        return postgres_drain(p, what, err);
    }
    if (status != PGRES_COPY_BOTH) {
        enum vv_rc rc = postgres_fail(p, r, what, err);
        (void)!postgres_drain(p, what, NULL);
        return rc;
    }
    p->doing = POSTGRES_STREAM;
    return VV_OK;
}

/* The server has ended its direction: end ours, and hear why. */
static enum vv_rc
end_stream(struct postgres *p, struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    p->doing = POSTGRES_IDLE;
    p->ended = true;
    /* After an error of the server (WAL that is gone) there is nothing to end: it is heard below. */
    bool put = PQputCopyEnd(p->connection, NULL) > 0;
    for (;;) {
        VV_CLEANUP(postgres_clearp) PGresult *r = NULL;
        VV_TRY(postgres_result(p, p->silence_seconds, what, &r, err));
        if (r == NULL) {
            return rc != VV_OK || put ? rc : postgres_fail(p, NULL, what, err);
        }
        ExecStatusType status = PQresultStatus(r);
        if (status == PGRES_TUPLES_OK && rc == VV_OK) {
            rc = take_next_timeline(p, r, err);
        } else if (status == PGRES_FATAL_ERROR && rc == VV_OK) {
            rc = postgres_fail(p, r, what, err);
        }
        if (PQstatus(p->connection) == CONNECTION_BAD) {
            return rc != VV_OK ? rc : postgres_fail(p, NULL, what, err);
        }
    }
}

static enum vv_rc
decode(struct postgres *p, const char *message, size_t len, struct postgres_stream_message *ret,
       struct vv_error *err)
{
    struct postgres_stream_message m = {0};

    if (message[0] == 'w' && len >= 25) {
        m.kind = POSTGRES_STREAM_WAL;
        m.start = postgres_get_u64(message + 1);
        m.server_end = postgres_get_u64(message + 9);
        m.server_time = from_server_time(postgres_get_u64(message + 17));
        m.data = vv_span(message + 25, len - 25);
    } else if (message[0] == 'k' && len == 18) {
        m.kind = POSTGRES_STREAM_KEEPALIVE;
        m.server_end = postgres_get_u64(message + 1);
        m.server_time = from_server_time(postgres_get_u64(message + 9));
        m.answer = message[17] != 0;
    } else {
        return postgres_violation(p, "a message of an unknown kind in a WAL stream", err);
    }
    *ret = m;
    return VV_OK;
}

static enum vv_rc
tell_end(struct postgres *p, struct postgres_stream_message *ret)
{
    *ret = (struct postgres_stream_message){
        .kind = p->timeline_ended ? POSTGRES_STREAM_TIMELINE_END : POSTGRES_STREAM_END,
        .next_timeline = p->next_timeline,
        .next_start = p->next_start,
    };
    return VV_OK;
}

enum vv_rc
postgres_stream_next(struct postgres *p, unsigned wait_ms, struct postgres_stream_message *ret,
                     struct vv_error *err)
{
    const struct vv_clock *clock = vv_clock_system();
    uint64_t until = clock->monotonic(clock) / 1000000 + wait_ms;

    if (p->ended) {
        return tell_end(p, ret);
    }
    for (;;) {
        char *message = NULL;
        bool ready = false;
        uint64_t now;
        int n = PQgetCopyData(p->connection, &message, 1);
        if (n > 0) {
            postgres_lend(p, message);
            return decode(p, message, (size_t)n, ret, err);
        }
        if (n == -1) {
            VV_TRY(end_stream(p, err));
            return tell_end(p, ret);
        }
        if (n < -1) {
            return postgres_fail(p, NULL, what, err);
        }
        now = clock->monotonic(clock) / 1000000;
        VV_TRY(postgres_wait(p, false, until > now ? until - now : 0, &ready, err));
        if (!ready) {
            *ret = (struct postgres_stream_message){.kind = POSTGRES_STREAM_NOTHING};
            return VV_OK;
        }
        if (PQconsumeInput(p->connection) == 0) {
            return postgres_fail(p, NULL, what, err);
        }
    }
}

static void
put_u64(uint8_t *out, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(v >> (56 - 8 * i));
    }
}

enum vv_rc
postgres_stream_status(struct postgres *p, const struct postgres_stream_status *s,
                       struct vv_error *err)
{
    uint8_t message[34];

    if (p->ended) {
        return VV_OK;
    }
    message[0] = 'r';
    put_u64(message + 1, s->written);
    put_u64(message + 9, s->flushed);
    put_u64(message + 17, s->applied);
    put_u64(message + 25, to_server_time(s->now));
    message[33] = s->answer;
    if (PQputCopyData(p->connection, (const char *)message, sizeof(message)) <= 0 ||
        PQflush(p->connection) != 0) {
        return postgres_fail(p, NULL, "cannot acknowledge WAL", err);
    }
    return VV_OK;
}

/* WAL that was under way when we asked to end is read and thrown away. */
enum vv_rc
postgres_stream_finish(struct postgres *p, struct vv_error *err)
{
    if (p->ended || p->doing != POSTGRES_STREAM) {
        return VV_OK;
    }
    if (PQputCopyEnd(p->connection, NULL) <= 0 || PQflush(p->connection) != 0) {
        return postgres_fail(p, NULL, what, err);
    }
    for (;;) {
        char *message = NULL;
        bool ready = false;
        int n = PQgetCopyData(p->connection, &message, 1);
        PQfreemem(message);
        if (n == -1) {
            p->ended = true;
            p->doing = POSTGRES_IDLE;
            return postgres_drain(p, what, err);
        }
        if (n < -1) {
            return postgres_fail(p, NULL, what, err);
        }
        if (n > 0) {
            continue;
        }
        VV_TRY(postgres_wait(p, false, p->silence_seconds * UINT64_C(1000), &ready, err));
        if (!ready || PQconsumeInput(p->connection) == 0) {
            return postgres_fail(p, NULL, what, err);
        }
    }
}
