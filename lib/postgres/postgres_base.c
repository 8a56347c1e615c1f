/* SPDX-License-Identifier: BSD-2-Clause */
/* BASE_BACKUP: one copy stream of tagged messages, with two answers before and one behind. */
#include <string.h>

#include "postgres/postgres_internal.h"

static const char what[] = "cannot get a base backup";

static enum vv_rc
send_command(struct postgres *p, const struct postgres_base_options *o, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf sql = {0};

    vv_buf_put_text(&sql, "BASE_BACKUP (LABEL ");
    postgres_quote(&sql, o->label != NULL ? o->label : "varve");
    vv_buf_printf(&sql,
                  ", PROGRESS true, CHECKPOINT '%s', WAIT false, WAL false, TABLESPACE_MAP false,"
                  " VERIFY_CHECKSUMS %s, MANIFEST 'yes', MANIFEST_CHECKSUMS 'CRC32C'",
                  o->fast_checkpoint ? "fast" : "spread", o->verify_checksums ? "true" : "false");
    if (o->rate_kib != 0) {
        vv_buf_printf(&sql, ", MAX_RATE %u", o->rate_kib);
    }
    vv_buf_put_text(&sql, ")");
    VV_TRY(vv_buf_check(&sql, err));
    p->doing = POSTGRES_BASE;
    return postgres_send(p, vv_buf_text(&sql), what, err);
}

/* The next result must have this status. */
static enum vv_rc
expect(struct postgres *p, ExecStatusType status, unsigned seconds, PGresult **ret,
       struct vv_error *err)
{
    PGresult *r = NULL;

    VV_TRY(postgres_result(p, seconds, what, &r, err));
    if (r == NULL || PQresultStatus(r) != status) {
        enum vv_rc rc = r == NULL || PQresultStatus(r) == PGRES_FATAL_ERROR
                            ? postgres_fail(p, r, what, err)
                            : postgres_violation(p, "an answer of another kind was due", err);
        PQclear(r);
        return rc;
    }
    *ret = r;
    return VV_OK;
}

static bool
parse_position(const PGresult *r, uint64_t *ret_position, uint32_t *ret_timeline)
{
    uint64_t timeline = 0;

    if (PQntuples(r) != 1 || PQnfields(r) < 2 || !postgres_lsn(PQgetvalue(r, 0, 0), ret_position) ||
        !postgres_number(PQgetvalue(r, 0, 1), UINT32_MAX, &timeline)) {
        return false;
    }
    *ret_timeline = (uint32_t)timeline;
    return true;
}

/* One row for each tablespace: oid, location, size in KiB; the data directory's has neither of the
 * first two. */
static enum vv_rc
take_tablespaces(struct postgres *p, const PGresult *r, struct postgres_base_start *ret,
                 struct vv_error *err)
{
    size_t rows = (size_t)PQntuples(r);
    size_t room = 0;
    char *text;

    if (PQnfields(r) < 3) {
        return postgres_violation(p, "the list of tablespaces cannot be read", err);
    }
    for (size_t i = 0; i < rows; i++) {
        room += (size_t)PQgetlength(r, (int)i, 1) + 1;
    }
    vv_free(p->tablespaces);
    p->tablespaces = vv_alloc(rows * sizeof(*p->tablespaces) + room);
    if (p->tablespaces == NULL) {
        return vv_error_nomem(err);
    }
    text = (char *)(p->tablespaces + rows); /* locations live behind the table */
    for (int i = 0; i < (int)rows; i++) {
        uint64_t kib = 0;
        uint64_t oid = 0;
        size_t len = (size_t)PQgetlength(r, i, 1) + 1;
        if ((!PQgetisnull(r, i, 2) &&
             !postgres_number(PQgetvalue(r, i, 2), UINT64_MAX / 1024, &kib)) ||
            (!PQgetisnull(r, i, 0) && !postgres_number(PQgetvalue(r, i, 0), UINT32_MAX, &oid))) {
            return postgres_violation(p, "the list of tablespaces cannot be read", err);
        }
        ret->size += kib * 1024;
        if (PQgetisnull(r, i, 0)) {
            continue;
        }
        memcpy(text, PQgetvalue(r, i, 1), len);
        p->tablespaces[ret->tablespace_count++] = (struct postgres_tablespace){
            .oid = (uint32_t)oid, .location = text, .size = kib * 1024};
        text += len;
    }
    ret->tablespaces = p->tablespaces;
    return VV_OK;
}

enum vv_rc
postgres_base_begin(struct postgres *p, const struct postgres_base_options *o,
                    struct postgres_base_start *ret, struct vv_error *err)
{
    VV_CLEANUP(postgres_clearp) PGresult *position = NULL;
    VV_CLEANUP(postgres_clearp) PGresult *list = NULL;
    VV_CLEANUP(postgres_clearp) PGresult *copy = NULL;
    struct postgres_base_start s = {0};

    VV_TRY(send_command(p, o, err));
    VV_TRY(expect(p, PGRES_TUPLES_OK, POSTGRES_FOREVER, &position, err));
    if (!parse_position(position, &s.start, &s.timeline)) {
        return postgres_violation(p, "where the base backup begins cannot be read", err);
    }
    VV_TRY(expect(p, PGRES_TUPLES_OK, POSTGRES_FOREVER, &list, err));
    VV_TRY(take_tablespaces(p, list, &s, err));
    VV_TRY(expect(p, PGRES_COPY_OUT, p->silence_seconds, &copy, err));
    p->waiting_for_end = false;
    *ret = s;
    return VV_OK;
}

/* The next message of the copy stream into p->message; 0: none, the stream is over. */
static enum vv_rc
receive(struct postgres *p, int *ret_len, struct vv_error *err)
{
    for (;;) {
        char *message = NULL;
        bool ready = false;
        int n = PQgetCopyData(p->connection, &message, 1);
        if (n > 0) {
            postgres_lend(p, message);
            *ret_len = n;
            return VV_OK;
        }
        if (n == -1) {
            *ret_len = 0;
            return VV_OK;
        }
        if (n < -1) {
            return postgres_fail(p, NULL, what, err);
        }
        VV_TRY(postgres_wait(p, false, p->silence_seconds * UINT64_C(1000), &ready, err));
        if (!ready) {
            (void)vv_error_set(err, VV_ETRANSIENT, "%s from '%s': not a byte for %u seconds", what,
                               p->name, p->silence_seconds);
            return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_ETRANSIENT);
        }
        if (PQconsumeInput(p->connection) == 0) {
            return postgres_fail(p, NULL, what, err);
        }
    }
}

/* "n", then the archive's name and the tablespace's location, each with its NUL. */
static bool
parse_archive(const char *message, size_t len, struct postgres_base_piece *ret)
{
    size_t name = strnlen(message + 1, len - 1) + 1;

    if (1 + name >= len || 1 + name + strnlen(message + 1 + name, len - 1 - name) >= len) {
        return false;
    }
    ret->name = message + 1;
    ret->location = message + 1 + name;
    return true;
}

static enum vv_rc
decode(struct postgres *p, const char *message, size_t len, struct postgres_base_piece *ret,
       struct vv_error *err)
{
    switch (message[0]) {
    case 'n':
        ret->kind = POSTGRES_BASE_ARCHIVE;
        if (!parse_archive(message, len, ret)) {
            return postgres_violation(p, "the name of an archive cannot be read", err);
        }
        return VV_OK;
    case 'd':
        ret->kind = POSTGRES_BASE_DATA;
        ret->data = vv_span(message + 1, len - 1);
        return VV_OK;
    case 'p':
        ret->kind = POSTGRES_BASE_PROGRESS;
        if (len != 9) {
            return postgres_violation(p, "a message of progress is of another size", err);
        }
        ret->done = postgres_get_u64(message + 1);
        return VV_OK;
    case 'm':
        ret->kind = POSTGRES_BASE_MANIFEST;
        return VV_OK;
    default:
        return postgres_violation(p, "a message of an unknown kind in a base backup", err);
    }
}

/* Warnings that libpq met on its way to a message come before it. */
static bool
take_warning(struct postgres *p, struct postgres_base_piece *ret)
{
    struct postgres_warning *w = p->first_warning;

    if (w == NULL) {
        return false;
    }
    if (p->lent_warning != NULL) {
        vv_free(p->lent_warning->text);
        vv_free(p->lent_warning->function);
        vv_free(p->lent_warning);
    }
    p->lent_warning = w;
    p->first_warning = w->next;
    if (p->first_warning == NULL) {
        p->last_warning = NULL;
    }
    w->next = NULL;
    *ret = (struct postgres_base_piece){
        .kind = POSTGRES_BASE_WARNING, .text = w->text, .function = w->function};
    return true;
}

enum vv_rc
postgres_base_next(struct postgres *p, struct postgres_base_piece *ret, struct vv_error *err)
{
    struct postgres_base_piece piece = {0};
    int len = p->held_len;

    if (take_warning(p, ret)) {
        return VV_OK;
    }
    if (len == 0 && !p->waiting_for_end) {
        VV_TRY(receive(p, &len, err));
        if (p->no_memory) {
            return vv_error_nomem(err);
        }
        p->waiting_for_end = len == 0;
        if (take_warning(p, ret)) {
            p->held_len = len;
            return VV_OK;
        }
    }
    p->held_len = 0;
    if (p->waiting_for_end) {
        piece.kind = POSTGRES_BASE_END;
    } else {
        VV_TRY(decode(p, p->message, (size_t)len, &piece, err));
    }
    *ret = piece;
    return VV_OK;
}

enum vv_rc
postgres_base_finish(struct postgres *p, struct postgres_base_end *ret, struct vv_error *err)
{
    VV_CLEANUP(postgres_clearp) PGresult *r = NULL;
    struct postgres_base_end e = {0};
    struct vv_error own = {0};
    enum vv_rc rc;

    VV_TRY(expect(p, PGRES_TUPLES_OK, p->silence_seconds, &r, err));
    if (!parse_position(r, &e.end, &e.timeline)) {
        return postgres_violation(p, "where the base backup ends cannot be read", err);
    }
    rc = postgres_drain(p, what, &own);
    /* Pages with wrong checksums are told last, as an error, when all else is done. */
    if (rc == VV_ECORRUPT && strcmp(p->sqlstate, "XX001") == 0) {
        e.bad_pages = true;
        rc = VV_OK;
    }
    p->doing = POSTGRES_IDLE;
    postgres_warnings_free(p);
    if (rc != VV_OK) {
        if (err != NULL) {
            *err = own;
        }
        return rc;
    }
    *ret = e;
    return VV_OK;
}
