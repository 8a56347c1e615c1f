/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for the server: never for longer than told, and never deaf to a request to stop. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "core/clock.h"
#include "postgres/postgres_internal.h"

enum { SLICE_MS = 100 };

static uint64_t
now_ms(void)
{
    const struct vv_clock *clock = vv_clock_system();

    return clock->monotonic(clock) / 1000000;
}

enum vv_rc
postgres_wait(struct postgres *p, bool writing, uint64_t ms, bool *ret_ready, struct vv_error *err)
{
    uint64_t until = now_ms() + ms;

    for (;;) {
        struct pollfd poll_fd = {.fd = PQsocket(p->connection),
                                 .events = writing ? POLLOUT : POLLIN};
        uint64_t now = now_ms();
        uint64_t left = until > now ? until - now : 0;
        VV_TRY(vv_cancel_check(p->cancel, err));
        int n = poll(&poll_fd, 1, left < SLICE_MS ? (int)left : SLICE_MS);
        if (n > 0 || (n < 0 && errno != EINTR) || (n == 0 && left == 0)) {
            *ret_ready = n != 0; /* of a broken descriptor libpq will tell */
            return VV_OK;
        }
    }
}

static enum vv_rc
silent(struct postgres *p, const char *what, unsigned seconds, struct vv_error *err)
{
    (void)vv_error_set(err, VV_ETRANSIENT, "%s from '%s': not a byte for %u seconds", what, p->name,
                       seconds);
    return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_ETRANSIENT);
}

enum vv_rc
postgres_result(struct postgres *p, unsigned seconds, const char *what, PGresult **ret,
                struct vv_error *err)
{
    while (PQisBusy(p->connection)) {
        bool ready = false;
        uint64_t ms = seconds == POSTGRES_FOREVER ? UINT32_MAX : seconds * UINT64_C(1000);
        VV_TRY(postgres_wait(p, false, ms, &ready, err));
        if (!ready && seconds != POSTGRES_FOREVER) {
            return silent(p, what, seconds, err);
        }
        if (ready && PQconsumeInput(p->connection) == 0) {
            return postgres_fail(p, NULL, what, err);
        }
    }
    *ret = PQgetResult(p->connection);
    return VV_OK;
}

enum vv_rc
postgres_drain(struct postgres *p, const char *what, struct vv_error *err)
{
    enum vv_rc rc = VV_OK;

    for (;;) {
        VV_CLEANUP(postgres_clearp) PGresult *r = NULL;
        VV_TRY(postgres_result(p, p->silence_seconds, what, &r, err));
        if (r == NULL) {
            return rc;
        }
        if (rc == VV_OK && PQresultStatus(r) == PGRES_FATAL_ERROR) {
            rc = postgres_fail(p, r, what, err);
        }
        if (PQstatus(p->connection) == CONNECTION_BAD) {
            return rc != VV_OK ? rc : postgres_fail(p, NULL, what, err);
        }
    }
}

enum vv_rc
postgres_send(struct postgres *p, const char *sql, const char *what, struct vv_error *err)
{
    p->sqlstate[0] = '\0';
    if (PQsendQuery(p->connection, sql) == 0) {
        return postgres_fail(p, NULL, what, err);
    }
    return VV_OK;
}

enum vv_rc
postgres_command(struct postgres *p, const char *sql, const char *what, PGresult **ret,
                 struct vv_error *err)
{
    VV_CLEANUP(postgres_clearp) PGresult *rows = NULL;
    enum vv_rc rc = VV_OK;

    VV_TRY(postgres_send(p, sql, what, err));
    for (;;) {
        PGresult *r = NULL;
        VV_TRY(postgres_result(p, p->silence_seconds, what, &r, err));
        if (r == NULL) {
            break;
        }
        ExecStatusType status = PQresultStatus(r);
        if (status == PGRES_TUPLES_OK && rows == NULL) {
            rows = r;
            continue;
        }
        if (rc == VV_OK && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            rc = postgres_fail(p, r, what, err);
        }
        PQclear(r);
        if (PQstatus(p->connection) == CONNECTION_BAD) {
            break;
        }
    }
    VV_TRY(rc);
    if (PQstatus(p->connection) == CONNECTION_BAD) {
        return postgres_fail(p, NULL, what, err);
    }
    if (ret != NULL) {
        *ret = TAKE(rows);
    }
    return VV_OK;
}
