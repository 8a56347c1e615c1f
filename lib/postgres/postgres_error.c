/* SPDX-License-Identifier: BSD-2-Clause */
/* What a server says, as categories and hints. */
#include <ctype.h>
#include <string.h>

#include "postgres/postgres_internal.h"

struct category {
    const char *state; /* two characters: a class */
    enum vv_rc rc;
    const char *hint;
};

/* Codes before the classes they are in. */
static const struct category categories[] = {
    {"28P01", VV_EAUTH,
     "is the password in ~/.pgpass right (for replication: a line of its own, "
     "with 'replication' as database), and not readable by others?"},
    {"28", VV_EAUTH,
     "pg_hba.conf of the server needs a line for this role and host with the database "
     "'replication', as varve-postgres(7) shows; and the role needs LOGIN and REPLICATION"},
    {"42501", VV_EAUTH,
     "give the role what it needs: alter role ... replication; see varve-postgres(7)"},
    {"53300", VV_ETRANSIENT,
     "raise max_connections or max_wal_senders on the server (a backup takes two of them)"},
    {"53400", VV_EREFUSED, "raise max_replication_slots on the server (a backup takes one)"},
    {"57P03", VV_ETRANSIENT, NULL},
    {"57P", VV_ETRANSIENT, NULL},
    {"08", VV_ETRANSIENT, NULL},
    {"40", VV_ETRANSIENT, NULL},
    {"55006", VV_ETRANSIENT,
     "another connection holds it; one that has died is noticed after "
     "wal_sender_timeout"},
    {"55000", VV_EREFUSED, NULL},
    {"55", VV_EREFUSED, NULL},
    {"42710", VV_EEXISTS, NULL},
    {"42704", VV_ENOTFOUND, NULL},
    {"3D000", VV_ENOTFOUND, NULL},
    {"58P01", VV_ENOTFOUND, NULL},
    {"XX001", VV_ECORRUPT, NULL},
    {"XX002", VV_ECORRUPT, NULL},
    {"0A", VV_EUNSUPPORTED, NULL},
    {"42601", VV_EUNSUPPORTED, NULL},
};

static const struct category *
find(const char *sqlstate)
{
    for (size_t i = 0; i < VV_COUNT(categories); i++) {
        if (strncmp(sqlstate, categories[i].state, strlen(categories[i].state)) == 0) {
            return &categories[i];
        }
    }
    return NULL;
}

enum vv_rc
postgres_category(const char *sqlstate)
{
    const struct category *c = find(sqlstate);

    if (sqlstate[0] == '\0') {
        return VV_ETRANSIENT;
    }
    return c != NULL ? c->rc : VV_EIO;
}

void
postgres_hint(const char *sqlstate, struct vv_error *err)
{
    const struct category *c = find(sqlstate);

    if (c != NULL && c->hint != NULL) {
        vv_error_hint(err, "%s", c->hint);
    }
}

/* The length of a text without the white space at its end. */
static int
trimmed(const char *text)
{
    size_t len = strlen(text);

    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        len--;
    }
    return (int)(len > 700 ? 700 : len);
}

/* libpq begins the further lines of a message with a tab, which would be told as "\t". */
static void
without_tabs(struct vv_error *err)
{
    size_t at = 0;

    for (size_t i = 0; err != NULL && err->message[i] != '\0'; i++) {
        if (err->message[i] != '\t') {
            err->message[at++] = err->message[i];
        } else if (i > 0 && err->message[i - 1] != '\n') {
            err->message[at++] = ' ';
        }
    }
    if (err != NULL) {
        err->message[at] = '\0';
    }
}

enum vv_rc
postgres_fail(struct postgres *p, const PGresult *result, const char *what, struct vv_error *err)
{
    const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *text = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *hint = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_HINT) : NULL;
    enum vv_rc rc;

    state = state == NULL ? "" : state;
    if (text == NULL) {
        text = result != NULL ? PQresultErrorMessage(result) : PQerrorMessage(p->connection);
    }
    memset(p->sqlstate, 0, sizeof(p->sqlstate));
    memcpy(p->sqlstate, state, strnlen(state, sizeof(p->sqlstate) - 1));
    rc = postgres_category(p->sqlstate);
    (void)vv_error_set(err, rc, "%s from '%s': %.*s", what, p->name, trimmed(text), text);
    without_tabs(err);
    if (hint != NULL) {
        vv_error_hint(err, "%s", hint);
    }
    postgres_hint(p->sqlstate, err);
    return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
}

enum vv_rc
postgres_violation(struct postgres *p, const char *what, struct vv_error *err)
{
    (void)vv_error_set(err, VV_ECORRUPT, "'%s' does not keep to the protocol: %s", p->name, what);
    return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_ECORRUPT);
}

/* While connecting, libpq tells the SQLSTATE only in its verbose messages: "FATAL:  28000: no ...".
 * The last one counts: of several hosts, the last that was tried. */
static void
find_state(const char *text, char out[6])
{
    out[0] = '\0';
    for (const char *at = text; (at = strstr(at, ":  ")) != NULL; at++) {
        const char *code = at + 3;
        size_t n = strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (n == 5 && code[5] == ':') {
            memcpy(out, code, 5);
            out[5] = '\0';
        }
    }
}

enum vv_rc
postgres_fail_connect(struct postgres *p, struct vv_error *err)
{
    const char *text = PQerrorMessage(p->connection);
    const char *location;
    enum vv_rc rc;
    int len;

    find_state(text, p->sqlstate);
    rc = postgres_category(p->sqlstate);
    if (PQconnectionNeedsPassword(p->connection) || strstr(text, "certificate") != NULL) {
        rc = VV_EAUTH;
    }
    /* In verbose messages, where in the server's source it was said follows on a line of its own. */
    location = strstr(text, "\nLOCATION:");
    len = trimmed(text);
    if (location != NULL && location - text < len) {
        len = (int)(location - text);
    }
    (void)vv_error_set(err, rc, "cannot connect to PostgreSQL at '%s': %.*s", p->name, len, text);
    without_tabs(err);
    if (PQconnectionNeedsPassword(p->connection) && p->sqlstate[0] == '\0') {
        vv_error_hint(err, "put it into ~/.pgpass (mode 0600): HOST:PORT:DATABASE:ROLE:PASSWORD, "
                           "with 'replication' as DATABASE for backups");
    }
    postgres_hint(p->sqlstate, err);
    return vv_error_origin(err, VV_ORIGIN_SOURCE, rc);
}
