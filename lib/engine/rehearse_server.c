/* SPDX-License-Identifier: BSD-2-Clause */
/* A server that nobody else can reach, and that reaches nobody. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "engine/rehearse_internal.h"
#include "format/wal.h"

#define TAIL 2000u
#define STOP_MS (UINT64_C(3600) * 1000)

/* On the command line they override what ALTER SYSTEM has set in the cluster. */
static const char *const settings[] = {
    "listen_addresses=",
    "port=5432",
    "unix_socket_permissions=0700",
    "unix_socket_group=",
    /* Nothing leaves it: no WAL, no query to a publisher, no mail from a job, no command of its own. */
    "archive_mode=off",
    "archive_command=",
    "archive_cleanup_command=",
    "recovery_end_command=",
    "primary_conninfo=",
    "primary_slot_name=",
    "max_logical_replication_workers=0",
    "max_worker_processes=0",
    "shared_preload_libraries=",
    "session_preload_libraries=",
    "local_preload_libraries=",
    "synchronous_standby_names=",
    "ssl=off",
    /* Until it has recovered it need not, and shall not, answer. */
    "hot_standby=off",
    "restart_after_crash=off",
    "autovacuum=off",
    "logging_collector=off",
    "log_destination=stderr",
    /* Sizes of this machine, not of the original. */
    "shared_buffers=128MB",
    "huge_pages=off",
    "max_connections=50",
    "max_prepared_transactions=200",
    "max_locks_per_transaction=512",
    "fsync=off",
    NULL,
};

/* What its sessions have, whatever was set for a database or a role: nothing more is loaded, and no
 * examination is cut short, which pg_amcheck could not tell from damage. */
static const char session[] =
    "-c session_preload_libraries= -c local_preload_libraries= -c statement_timeout=0"
    " -c lock_timeout=0 -c idle_session_timeout=0 -c idle_in_transaction_session_timeout=0"
    " -c default_transaction_read_only=off";

static enum vv_rc
put_file(struct rehearsal *h, const char *name, const char *text, struct vv_buf *path,
         struct vv_error *err)
{
    VV_TRY(rehearse_file(h, name, path, err));
    VV_TRY(vv_file_replace(AT_FDCWD, vv_buf_text(path), vv_span(text, strlen(text)), 0644, err));
    if (h->user.other && lchown(vv_buf_text(path), h->user.uid, h->user.gid) != 0) {
        return vv_error_sys(err, errno, "cannot give '%s' to user '%s'", vv_buf_text(path),
                            h->user.name);
    }
    return VV_OK;
}

/** The files it reads instead of the cluster's own, and where its socket is: settings, too. */
static enum vv_rc
make_files(struct rehearsal *h, struct vv_buf own[4], struct vv_error *err)
{
    static const char *const files[][3] = {
        {"config_file", "rehearse.conf", "# all settings are given on the command line\n"},
        {"hba_file", "rehearse_hba.conf", "local all all trust\n"},
        {"ident_file", "rehearse_ident.conf", "\n"},
    };

    for (size_t i = 0; i < VV_COUNT(files); i++) {
        VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
        VV_TRY(put_file(h, files[i][1], files[i][2], &path, err));
        vv_buf_printf(&own[i], "%s=%s", files[i][0], vv_buf_text(&path));
    }
    vv_buf_printf(&own[3], "unix_socket_directories=%s", vv_buf_text(&h->sockets));
    for (size_t i = 0; i < 4; i++) {
        (void)vv_buf_text(&own[i]);
        VV_TRY(vv_buf_check(&own[i], err));
    }
    return VV_OK;
}

static enum vv_rc
start_with(struct rehearsal *h, struct vv_buf own[4], const char *log, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf program = {0};
    const char *words[2 * (VV_COUNT(settings) + 4) + 4];
    size_t count = 0;

    VV_TRY(make_files(h, own, err));
    vv_buf_printf(&program, "%s/postgres", vv_buf_text(&h->bin));
    words[count++] = vv_buf_text(&program);
    VV_TRY(vv_buf_check(&program, err));
    words[count++] = "-D";
    words[count++] = vv_buf_text(&h->data);
    for (size_t i = 0; i < 4; i++) {
        words[count++] = "-c";
        words[count++] = vv_buf_text(&own[i]);
    }
    for (size_t i = 0; settings[i] != NULL; i++) {
        words[count++] = "-c";
        words[count++] = settings[i];
    }
    words[count] = NULL;
    const struct rehearse_program run = {words, vv_buf_text(&h->scratch), log, &h->user};
    return rehearse_process_start(&h->server, &run, err);
}

static enum vv_rc
start(struct rehearsal *h, const char *log, struct vv_error *err)
{
    struct vv_buf own[4] = {{0}};
    enum vv_rc rc = start_with(h, own, log, err);

    for (size_t i = 0; i < VV_COUNT(own); i++) {
        vv_buf_release(&own[i]);
    }
    return rc;
}

/** A value as connection strings want it. */
static void
put_value(struct vv_buf *out, const char *name, const char *value)
{
    vv_buf_printf(out, "%s='", name);
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\'' || *c == '\\') {
            vv_buf_put_u8(out, '\\');
        }
        vv_buf_put_u8(out, (uint8_t)*c);
    }
    vv_buf_put_text(out, "' ");
}

enum vv_rc
rehearse_server_target(struct rehearsal *h, const char *database, struct vv_buf *out,
                       struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf options = {0};

    vv_buf_put_text(&options, session);
    if (h->major >= 17) {
        vv_buf_put_text(&options, " -c transaction_timeout=0");
    }
    (void)vv_buf_text(&options);
    VV_TRY(vv_buf_check(&options, err));
    put_value(out, "host", vv_buf_text(&h->sockets));
    put_value(out, "port", "5432");
    put_value(out, "user", h->o->role);
    put_value(out, "dbname", database);
    put_value(out, "options", vv_buf_text(&options));
    (void)vv_buf_text(out);
    return vv_buf_check(out, err);
}

enum vv_rc
rehearse_server_connect(struct rehearsal *h, const char *database, struct postgres **ret,
                        struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf target = {0};
    struct postgres_options o = {.use = POSTGRES_SQL,
                                 .program = "varve rehearse",
                                 .connect_seconds = 60,
                                 .silence_seconds = (unsigned)(REHEARSE_TOOL_MS / 1000),
                                 .cancel = h->o->cancel};

    VV_TRY(rehearse_server_target(h, database, &target, err));
    o.target = vv_buf_text(&target);
    return postgres_open(&o, ret, err);
}

/** Wait until it answers.  *ret is NULL, and the verdict told, if it does not. */
static enum vv_rc
await(struct rehearsal *h, const char *log, struct postgres **ret, struct vv_error *err)
{
    const struct vv_clock *clock = vv_clock_system();
    const struct timespec pause = {.tv_nsec = 100000000};
    struct rehearse_result *result = &h->report->steps[REHEARSE_REPLAY];
    uint64_t end = clock->monotonic(clock) + h->o->limit_ms * 1000000;
    struct vv_error why = {0};

    for (;;) {
        enum vv_rc rc;
        VV_TRY(vv_cancel_check(h->o->cancel, err));
        if (rehearse_process_ended(&h->server)) {
            vv_buf_put_text(&result->detail, "the server has ended:\n");
            break;
        }
        vv_error_clear(&why);
        rc = rehearse_server_connect(h, "postgres", ret, &why);
        if (rc == VV_OK) {
            return VV_OK;
        }
        VV_TRY(vv_cancel_check(h->o->cancel, err));
        if (rc != VV_ETRANSIENT) {
            vv_buf_printf(&result->detail, "the server cannot be asked: %s\n", why.message);
            break;
        }
        if (clock->monotonic(clock) >= end) {
            vv_buf_printf(&result->detail, "it has not recovered after %llu s (--limit):\n",
                          (unsigned long long)(h->o->limit_ms / 1000));
            break;
        }
        (void)nanosleep(&pause, NULL);
    }
    result->verdict = REHEARSE_FAILED;
    rehearse_process_end(&h->server);
    rehearse_log_tail(log, TAIL, &result->detail);
    return VV_OK;
}

/** Up to where: is that what was asked for? */
static enum vv_rc
judge(struct rehearsal *h, struct postgres *p, struct vv_error *err)
{
    VV_CLEANUP(postgres_rows_freep) struct postgres_rows *rows = NULL;
    struct rehearse_result *result = &h->report->steps[REHEARSE_REPLAY];
    const struct point_plan *plan = h->o->plan;
    uint64_t at = 0;
    uint64_t want = plan->base.to;
    char text[WAL_LSN_TEXT];

    VV_TRY(postgres_query(p,
                          "select coalesce(pg_last_wal_replay_lsn()::text, ''),"
                          " coalesce(pg_last_xact_replay_timestamp()::text, ''),"
                          " current_setting('data_checksums')",
                          NULL, 0, &rows, err));
    const char *position = postgres_value(rows, 0, 0);
    const char *commit = postgres_value(rows, 0, 1);
    const char *checksums = postgres_value(rows, 0, 2);
    h->checksums = checksums != NULL && strcmp(checksums, "on") == 0;
    (void)snprintf(h->report->position, sizeof(h->report->position), "%s",
                   position != NULL ? position : "");
    (void)snprintf(h->report->last_commit, sizeof(h->report->last_commit), "%s",
                   commit != NULL ? commit : "");
    /* The end of what there is may lie inside a record; more than two segments are no record's rest. */
    if (h->o->target->kind == POINT_LATEST) {
        uint64_t rest = UINT64_C(2) * plan->base.segment_size;
        want = plan->reach > rest && plan->reach - rest > want ? plan->reach - rest : want;
    } else if (h->o->target->kind == POINT_LSN) {
        want = h->o->target->lsn;
    }
    wal_lsn_text(want, text);
    if (position == NULL || !wal_lsn_parse(position, &at) || at < want) {
        result->verdict = REHEARSE_FAILED;
        vv_buf_printf(&result->detail, "the server has replayed up to '%s' only, not to %s",
                      position != NULL ? position : "", text);
        return VV_OK;
    }
    result->verdict = REHEARSE_PROVEN;
    return VV_OK;
}

enum vv_rc
rehearse_server_start(struct rehearsal *h, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf log = {0};
    VV_CLEANUP(postgres_freep) struct postgres *p = NULL;

    VV_TRY(rehearse_file(h, "server.log", &log, err));
    VV_TRY(start(h, vv_buf_text(&log), err));
    VV_TRY(await(h, vv_buf_text(&log), &p, err));
    return p != NULL ? judge(h, p, err) : VV_OK;
}

enum vv_rc
rehearse_server_stop(struct rehearsal *h, bool *ret_clean, struct vv_error *err)
{
    enum vv_rc rc;

    if (rehearse_process_ended(&h->server)) {
        *ret_clean = false;
        return VV_OK;
    }
    (void)kill(h->server.pid, SIGINT); /* a fast shutdown, with a checkpoint */
    rc = rehearse_process_wait(&h->server, STOP_MS, h->o->cancel, err);
    if (rc == VV_ETRANSIENT) {
        vv_error_clear(err);
        rehearse_process_end(&h->server);
        rc = VV_OK;
    }
    *ret_clean = rc == VV_OK && rehearse_process_succeeded(&h->server);
    return rc;
}
