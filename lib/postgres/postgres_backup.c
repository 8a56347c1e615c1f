/* SPDX-License-Identifier: BSD-2-Clause */
/* pg_backup_start and pg_backup_stop: for a copy of the files made beside the server. */
#include <string.h>

#include "postgres/postgres_internal.h"

/* What the role lacks, as commands. */
static enum vv_rc
refused(struct postgres *p, enum vv_rc rc, struct vv_error *err)
{
    if (strcmp(p->sqlstate, "42501") == 0) {
        vv_error_hint(err, "as a superuser, in the database this connects to: grant execute on "
                           "function pg_backup_start(text, boolean), pg_backup_stop(boolean) to "
                           "ROLE; grant pg_read_all_settings to ROLE");
    }
    return rc;
}

static enum vv_rc
take_position(struct postgres *p, const struct postgres_rows *rows, uint64_t *ret,
              struct vv_error *err)
{
    const char *text = postgres_value(rows, 0, 0);

    return text != NULL && postgres_lsn(text, ret)
               ? VV_OK
               : postgres_violation(p, "no position of a backup's start or end", err);
}

enum vv_rc
postgres_backup_start(struct postgres *p, const char *label, uint64_t *ret_start,
                      struct vv_error *err)
{
    VV_CLEANUP(postgres_rows_freep) struct postgres_rows *rows = NULL;
    enum vv_rc rc = postgres_query(p, "select pg_catalog.pg_backup_start($1, fast => true)", &label,
                                   1, &rows, err);

    return rc != VV_OK ? refused(p, rc, err) : take_position(p, rows, ret_start, err);
}

enum vv_rc
postgres_backup_stop(struct postgres *p, uint64_t *ret_end, struct vv_buf *label,
                     struct vv_buf *map, struct vv_error *err)
{
    VV_CLEANUP(postgres_rows_freep) struct postgres_rows *rows = NULL;
    const char *text;
    enum vv_rc rc;

    rc = postgres_query(p,
                        /* The WAL comes by a slot: there is nothing to wait for. */
                        "select lsn, labelfile, spcmapfile from "
                        "pg_catalog.pg_backup_stop(wait_for_archive => false)",
                        NULL, 0, &rows, err);
    if (rc != VV_OK) {
        return refused(p, rc, err);
    }
    VV_TRY(take_position(p, rows, ret_end, err));
    text = postgres_value(rows, 0, 1);
    if (text == NULL || text[0] == '\0') {
        return postgres_violation(p, "a backup without a label", err);
    }
    vv_buf_put_text(label, text);
    VV_TRY(vv_buf_check(label, err));
    text = postgres_value(rows, 0, 2);
    vv_buf_put_text(map, text != NULL ? text : "");
    return vv_buf_check(map, err);
}

enum vv_rc
postgres_started(struct postgres *p, int64_t *ret, struct vv_error *err)
{
    VV_CLEANUP(postgres_rows_freep) struct postgres_rows *rows = NULL;
    const char *text;
    uint64_t seconds = 0;

    VV_TRY(postgres_query(
        p, "select extract(epoch from pg_catalog.pg_postmaster_start_time())::bigint", NULL, 0,
        &rows, err));
    text = postgres_value(rows, 0, 0);
    if (text == NULL || !postgres_number(text, INT64_MAX, &seconds)) {
        return postgres_violation(p, "no time of its start", err);
    }
    *ret = (int64_t)seconds;
    return VV_OK;
}
