/* SPDX-License-Identifier: BSD-2-Clause */
/* Statements, and settings. */
#include <stdlib.h>
#include <string.h>

#include "postgres/postgres_internal.h"

struct postgres_rows {
    PGresult *result;
};

/* A statement with values; what postgres_command is for those without. */
static enum vv_rc
send_with_values(struct postgres *p, const char *sql, const char *const *values, unsigned count,
                 PGresult **ret, struct vv_error *err)
{
    static const char what[] = "cannot ask for data";
    PGresult *r = NULL;

    p->sqlstate[0] = '\0';
    if (PQsendQueryParams(p->connection, sql, (int)count, NULL, values, NULL, NULL, 0) == 0) {
        return postgres_fail(p, NULL, what, err);
    }
    VV_TRY(postgres_result(p, p->silence_seconds, what, &r, err));
    if (r == NULL) {
        return postgres_fail(p, NULL, what, err);
    }
    if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK) {
        enum vv_rc rc = postgres_fail(p, r, what, err);
        PQclear(r);
        (void)!postgres_drain(p, what, NULL);
        return rc;
    }
    *ret = r;
    return postgres_drain(p, what, err);
}

enum vv_rc
postgres_query(struct postgres *p, const char *sql, const char *const *values, unsigned count,
               struct postgres_rows **ret, struct vv_error *err)
{
    VV_CLEANUP(postgres_clearp) PGresult *r = NULL;
    struct postgres_rows *rows;

    if (count > 0) {
        VV_TRY(send_with_values(p, sql, values, count, &r, err));
    } else {
        VV_TRY(postgres_command(p, sql, "cannot ask for data", &r, err));
    }
    if (ret == NULL) {
        return VV_OK;
    }
    rows = vv_alloc_array(1, sizeof(*rows));
    if (rows == NULL) {
        return vv_error_nomem(err);
    }
    rows->result = TAKE(r);
    *ret = rows;
    return VV_OK;
}

unsigned
postgres_rows_count(const struct postgres_rows *r)
{
    return r->result != NULL ? (unsigned)PQntuples(r->result) : 0;
}

unsigned
postgres_rows_width(const struct postgres_rows *r)
{
    return r->result != NULL ? (unsigned)PQnfields(r->result) : 0;
}

const char *
postgres_value(const struct postgres_rows *r, unsigned row, unsigned column)
{
    if (row >= postgres_rows_count(r) || column >= postgres_rows_width(r) ||
        PQgetisnull(r->result, (int)row, (int)column)) {
        return NULL;
    }
    return PQgetvalue(r->result, (int)row, (int)column);
}

void
postgres_rows_free(struct postgres_rows *r)
{
    if (r != NULL) {
        PQclear(r->result);
        vv_free(r);
    }
}

enum vv_rc
postgres_show(struct postgres *p, const char *name, struct vv_buf *out, struct vv_error *err)
{
    VV_CLEANUP(postgres_clearp) PGresult *r = NULL;
    VV_CLEANUP(vv_buf_release) struct vv_buf sql = {0};

    vv_buf_printf(&sql, "SHOW %s", name);
    VV_TRY(vv_buf_check(&sql, err));
    VV_TRY(postgres_command(p, vv_buf_text(&sql), "cannot get a setting", &r, err));
    if (r == NULL || PQntuples(r) != 1 || PQnfields(r) != 1) {
        return postgres_violation(p, "SHOW has no answer", err);
    }
    vv_buf_put_text(out, PQgetvalue(r, 0, 0));
    return vv_buf_check(out, err);
}

/* "16MB", "1GB": as SHOW writes it. */
static bool
parse_size(const char *text, uint64_t *ret)
{
    static const struct {
        const char *unit;
        uint64_t bytes;
    } units[] = {{"", 1},
                 {"B", 1},
                 {"kB", UINT64_C(1) << 10},
                 {"MB", UINT64_C(1) << 20},
                 {"GB", UINT64_C(1) << 30}};
    char *end = NULL;
    unsigned long long n = strtoull(text, &end, 10);

    for (size_t i = 0; end != text && i < VV_COUNT(units); i++) {
        if (strcmp(end, units[i].unit) == 0 && n <= UINT32_MAX) {
            *ret = n * units[i].bytes;
            return true;
        }
    }
    return false;
}

enum vv_rc
postgres_show_size(struct postgres *p, const char *name, uint64_t *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf text = {0};

    VV_TRY(postgres_show(p, name, &text, err));
    return parse_size(vv_buf_text(&text), ret)
               ? VV_OK
               : postgres_violation(p, "a setting that is a size cannot be read", err);
}

enum vv_rc
postgres_segment_size(struct postgres *p, uint32_t *ret, struct vv_error *err)
{
    uint64_t size = 0;

    VV_TRY(postgres_show_size(p, "wal_segment_size", &size, err));
    if (size < 1u << 20 || size > 1u << 30 || (size & (size - 1)) != 0) {
        return postgres_violation(p, "wal_segment_size is no size a segment can have", err);
    }
    *ret = (uint32_t)size;
    return VV_OK;
}
