/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening and closing a connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "postgres/postgres_internal.h"

#define CONNECT_SECONDS 30u
#define SILENCE_SECONDS 60u

/* What the server remarks.  In a base backup warnings keep their place between the data; others go to
 * the events.  Notices are of no interest. */
static void
receive_notice(void *arg, const PGresult *result)
{
    struct postgres *p = arg;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    struct postgres_warning *w;

    if (text == NULL || severity == NULL || strcmp(severity, "WARNING") != 0) {
        return;
    }
    if (p->doing != POSTGRES_BASE) {
        vv_emit(p->events, VV_EVENT_WARNING, "server-warning", vv_span(NULL, 0), "'%s' warns: %s",
                p->name, text);
        return;
    }
    w = vv_alloc_array(1, sizeof(*w));
    if (w != NULL) {
        w->text = vv_strdup(text);
        w->function = vv_strdup(function != NULL ? function : "");
    }
    if (w == NULL || w->text == NULL || w->function == NULL) {
        p->no_memory = true;
        vv_free(w != NULL ? w->text : NULL);
        vv_free(w != NULL ? w->function : NULL);
        vv_free(w);
        return;
    }
    if (p->last_warning != NULL) {
        p->last_warning->next = w;
    } else {
        p->first_warning = w;
    }
    p->last_warning = w;
}

static void
warning_free(struct postgres_warning *w)
{
    if (w != NULL) {
        vv_free(w->text);
        vv_free(w->function);
        vv_free(w);
    }
}

void
postgres_warnings_free(struct postgres *p)
{
    while (p->first_warning != NULL) {
        struct postgres_warning *w = p->first_warning;
        p->first_warning = w->next;
        warning_free(w);
    }
    p->last_warning = NULL;
    warning_free(p->lent_warning);
    p->lent_warning = NULL;
}

void
postgres_lend(struct postgres *p, char *message)
{
    PQfreemem(p->message);
    p->message = message;
}

void
postgres_free(struct postgres *p)
{
    if (p == NULL) {
        return;
    }
    PQfreemem(p->message);
    PQfinish(p->connection);
    postgres_warnings_free(p);
    vv_free(p->tablespaces);
    vv_free(p->name);
    vv_free(p);
}

/* Who we talk to, or would. */
static enum vv_rc
set_name(struct postgres *p, struct vv_error *err)
{
    const char *host = PQhost(p->connection);
    const char *port = PQport(p->connection);
    VV_CLEANUP(vv_buf_release) struct vv_buf name = {0};

    vv_buf_put_text(&name, host != NULL && host[0] != '\0' ? host : "local");
    if (port != NULL && port[0] != '\0') {
        vv_buf_printf(&name, ":%s", port);
    }
    VV_TRY(vv_buf_check(&name, err));
    vv_free(p->name);
    p->name = vv_strdup(vv_buf_text(&name));
    return p->name != NULL ? VV_OK : vv_error_nomem(err);
}

/* Keywords and values for libpq. */
struct parameters {
    const char *keywords[96];
    const char *values[96];
    size_t count;
};

static void
put(struct parameters *p, const char *keyword, const char *value)
{
    if (p->count + 1 < VV_COUNT(p->keywords)) {
        p->keywords[p->count] = keyword;
        p->values[p->count++] = value;
    }
}

/* What is put before the target gives way to what the target says; what is put after does not. */
static enum vv_rc
start(struct postgres *p, const struct postgres_options *o, struct vv_error *err)
{
    VV_CLEANUP(postgres_options_freep) PQconninfoOption *target = NULL;
    const bool replication = o->use == POSTGRES_REPLICATION;
    struct parameters list = {0};

    VV_TRY(postgres_target_parse(o->target, &target, err));
    put(&list, "keepalives_idle", "30");
    put(&list, "keepalives_interval", "10");
    put(&list, "keepalives_count", "3");
    put(&list, "tcp_user_timeout", "60000");
    if (getenv("PGOPTIONS") == NULL) {
        /* What we wait for may take hours, and meanwhile other connections of ours are idle. */
        put(&list, "options", "-c statement_timeout=0 -c idle_session_timeout=0");
    }
    if (!replication && getenv("PGDATABASE") == NULL) {
        /* There is one everywhere, unlike one named as the role. */
        put(&list, "dbname", "postgres");
    }
    for (const PQconninfoOption *t = target; t->keyword != NULL; t++) {
        if (t->val != NULL && !(replication && strcmp(t->keyword, "dbname") == 0)) {
            put(&list, t->keyword, t->val);
        }
    }
    put(&list, "client_encoding", "UTF8");
    put(&list, "fallback_application_name", o->program != NULL ? o->program : "varve");
    if (replication) {
        /* The server has no use for a database; in ~/.pgpass this stands in the place of one. */
        put(&list, "dbname", "replication");
        put(&list, "replication", "true");
    }
    p->connection = PQconnectStartParams(list.keywords, list.values, 0);
    if (p->connection == NULL) {
        return vv_error_nomem(err);
    }
    (void)PQsetErrorVerbosity(p->connection, PQERRORS_VERBOSE); /* find_state wants the SQLSTATE */
    (void)PQsetNoticeReceiver(p->connection, receive_notice, p);
    return set_name(p, err);
}

static enum vv_rc
late(struct postgres *p, unsigned seconds, struct vv_error *err)
{
    (void)vv_error_set(err, VV_ETRANSIENT,
                       "cannot connect to PostgreSQL at '%s': no answer within %u seconds", p->name,
                       seconds);
    return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_ETRANSIENT);
}

static enum vv_rc
complete(struct postgres *p, unsigned seconds, struct vv_error *err)
{
    const struct vv_clock *clock = vv_clock_system();
    uint64_t until = clock->monotonic(clock) / 1000000 + seconds * UINT64_C(1000);
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;

    while (PQstatus(p->connection) != CONNECTION_BAD && status != PGRES_POLLING_FAILED) {
        uint64_t now = clock->monotonic(clock) / 1000000;
        bool ready = false;
        if (status == PGRES_POLLING_OK) {
            return set_name(p, err);
        }
        VV_TRY(postgres_wait(p, status == PGRES_POLLING_WRITING, until > now ? until - now : 0,
                             &ready, err));
        if (!ready) {
            return late(p, seconds, err);
        }
        status = PQconnectPoll(p->connection);
    }
    return postgres_fail_connect(p, err);
}

enum vv_rc
postgres_open(const struct postgres_options *o, struct postgres **ret, struct vv_error *err)
{
    VV_CLEANUP(postgres_freep) struct postgres *p = NULL;

    VV_TRY(postgres_target_check(o->target, err));
    p = vv_alloc_array(1, sizeof(*p));
    if (p == NULL) {
        return vv_error_nomem(err);
    }
    p->events = o->events;
    p->cancel = o->cancel;
    p->silence_seconds = o->silence_seconds != 0 ? o->silence_seconds : SILENCE_SECONDS;
    VV_TRY(start(p, o, err));
    VV_TRY(complete(p, o->connect_seconds != 0 ? o->connect_seconds : CONNECT_SECONDS, err));
    (void)PQsetErrorVerbosity(p->connection, PQERRORS_DEFAULT);
    if (PQserverVersion(p->connection) < POSTGRES_VERSION_LEAST) {
        (void)vv_error_set(err, VV_EUNSUPPORTED, "PostgreSQL at '%s' is version %d, older than 15",
                           p->name, PQserverVersion(p->connection) / 10000);
        return vv_error_origin(err, VV_ORIGIN_SOURCE, VV_EUNSUPPORTED);
    }
    *ret = TAKE(p);
    return VV_OK;
}

void
postgres_set_cancel(struct postgres *p, struct vv_cancel *cancel)
{
    p->cancel = cancel;
}

const char *
postgres_name(const struct postgres *p)
{
    return p->name;
}

bool
postgres_on_socket(const struct postgres *p)
{
    const char *host = PQhost(p->connection);

    return host == NULL || host[0] == '\0' || host[0] == '/' || host[0] == '@';
}

int
postgres_version(const struct postgres *p)
{
    return PQserverVersion(p->connection);
}

const char *
postgres_sqlstate(const struct postgres *p)
{
    return p->sqlstate;
}

int
postgres_socket(const struct postgres *p)
{
    return PQsocket(p->connection);
}
