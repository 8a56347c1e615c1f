/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands of the replication protocol that have one short answer. */
#include <stdlib.h>
#include <string.h>

#include "postgres/postgres_internal.h"

#define SLOT_NAME_MOST 63u

bool
postgres_lsn(const char *text, uint64_t *ret)
{
    uint64_t halves[2] = {0, 0};

    for (unsigned i = 0; i < 2; i++) {
        size_t n = strspn(text, "0123456789abcdefABCDEF");
        if (n < 1 || n > 8 || text[n] != (i == 0 ? '/' : '\0')) {
            return false;
        }
        halves[i] = strtoull(text, NULL, 16);
        text += n + 1;
    }
    *ret = halves[0] << 32 | halves[1];
    return true;
}

bool
postgres_number(const char *text, uint64_t most, uint64_t *ret)
{
    size_t n = strspn(text, "0123456789");
    uint64_t value = 0;

    if (n == 0 || n > 20 || text[n] != '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *ret = value;
    return value <= most;
}

void
postgres_quote(struct vv_buf *out, const char *text)
{
    vv_buf_put_u8(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            vv_buf_put_u8(out, '\'');
        }
        vv_buf_put_u8(out, (uint8_t)*text);
    }
    vv_buf_put_u8(out, '\'');
}

enum vv_rc
postgres_identify(struct postgres *p, struct postgres_system *ret, struct vv_error *err)
{
    VV_CLEANUP(postgres_clearp) PGresult *r = NULL;
    struct postgres_system s = {0};
    uint64_t timeline = 0;

    VV_TRY(postgres_command(p, "IDENTIFY_SYSTEM", "cannot get the system's identifier", &r, err));
    if (r == NULL || PQntuples(r) != 1 || PQnfields(r) < 3 ||
        !postgres_number(PQgetvalue(r, 0, 0), UINT64_MAX, &s.system) ||
        !postgres_number(PQgetvalue(r, 0, 1), UINT32_MAX, &timeline) ||
        !postgres_lsn(PQgetvalue(r, 0, 2), &s.position)) {
        return postgres_violation(p, "the answer to IDENTIFY_SYSTEM cannot be read", err);
    }
    s.timeline = (uint32_t)timeline;
    *ret = s;
    return VV_OK;
}

static enum vv_rc
check_slot_name(const char *name, struct vv_error *err)
{
    size_t len = strlen(name);

    if (len == 0 || len > SLOT_NAME_MOST ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != len) {
        (void)vv_error_set(err, VV_EUSAGE, "'%s' is no name for a replication slot", name);
        vv_error_hint(err, "lower-case letters, digits and '_', at most %u", SLOT_NAME_MOST);
        return VV_EUSAGE;
    }
    return VV_OK;
}

enum vv_rc
postgres_slot_create(struct postgres *p, const char *name, enum postgres_slot_kind kind,
                     struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf sql = {0};

    VV_TRY(check_slot_name(name, err));
    vv_buf_printf(&sql, "CREATE_REPLICATION_SLOT \"%s\"%s PHYSICAL (RESERVE_WAL true)", name,
                  kind == POSTGRES_SLOT_TEMPORARY ? " TEMPORARY" : "");
    VV_TRY(vv_buf_check(&sql, err));
    return postgres_command(p, vv_buf_text(&sql), "cannot get a replication slot", NULL, err);
}

enum vv_rc
postgres_slot_read(struct postgres *p, const char *name, struct postgres_slot *ret,
                   struct vv_error *err)
{
    VV_CLEANUP(postgres_clearp) PGresult *r = NULL;
    VV_CLEANUP(vv_buf_release) struct vv_buf sql = {0};
    struct postgres_slot s = {0};
    uint64_t timeline = 0;

    VV_TRY(check_slot_name(name, err));
    vv_buf_printf(&sql, "READ_REPLICATION_SLOT \"%s\"", name);
    VV_TRY(vv_buf_check(&sql, err));
    VV_TRY(postgres_command(p, vv_buf_text(&sql), "cannot get the state of a slot", &r, err));
    if (r == NULL || PQntuples(r) != 1 || PQnfields(r) < 3) {
        return postgres_violation(p, "the answer to READ_REPLICATION_SLOT cannot be read", err);
    }
    s.exists = !PQgetisnull(r, 0, 0);
    s.physical = s.exists && strcmp(PQgetvalue(r, 0, 0), "physical") == 0;
    s.reserved = !PQgetisnull(r, 0, 1) && !PQgetisnull(r, 0, 2);
    if (s.reserved && (!postgres_lsn(PQgetvalue(r, 0, 1), &s.restart) ||
                       !postgres_number(PQgetvalue(r, 0, 2), UINT32_MAX, &timeline))) {
        return postgres_violation(p, "the answer to READ_REPLICATION_SLOT cannot be read", err);
    }
    s.timeline = (uint32_t)timeline;
    *ret = s;
    return VV_OK;
}

enum vv_rc
postgres_slot_drop(struct postgres *p, const char *name, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf sql = {0};

    VV_TRY(check_slot_name(name, err));
    vv_buf_printf(&sql, "DROP_REPLICATION_SLOT \"%s\" WAIT", name);
    VV_TRY(vv_buf_check(&sql, err));
    return postgres_command(p, vv_buf_text(&sql), "cannot drop the replication slot", NULL, err);
}

enum vv_rc
postgres_timeline_history(struct postgres *p, uint32_t timeline, struct vv_buf *content,
                          struct vv_error *err)
{
    VV_CLEANUP(postgres_clearp) PGresult *r = NULL;
    VV_CLEANUP(vv_buf_release) struct vv_buf sql = {0};

    vv_buf_printf(&sql, "TIMELINE_HISTORY %u", timeline);
    VV_TRY(vv_buf_check(&sql, err));
    VV_TRY(postgres_command(p, vv_buf_text(&sql), "cannot get the history of a timeline", &r, err));
    if (r == NULL || PQntuples(r) != 1 || PQnfields(r) != 2) {
        return postgres_violation(p, "the answer to TIMELINE_HISTORY cannot be read", err);
    }
    vv_buf_put(content, PQgetvalue(r, 0, 1), (size_t)PQgetlength(r, 0, 1));
    return vv_buf_check(content, err);
}
