/* SPDX-License-Identifier: BSD-2-Clause */
/* What a restored cluster is asked. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "engine/rehearse_internal.h"
#include "postgres/statements.h"

#define TAIL 4000u
#define ROWS_SHOWN 5u
#define QUERY_SHOWN 200u

/** Run one of PostgreSQL's programs to its end; what it said last goes to the step's detail. */
static enum vv_rc
run_program(struct rehearsal *h, const char *name, const char *const *arguments,
            enum rehearse_step step, struct rehearse_process *p, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf program = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf log = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf log_name = {0};
    const char *words[20];
    size_t count = 0;
    enum vv_rc rc;

    vv_buf_printf(&program, "%s/%s", vv_buf_text(&h->bin), name);
    vv_buf_printf(&log_name, "%s.log", name);
    VV_TRY(rehearse_file(h, vv_buf_text(&log_name), &log, err));
    words[count++] = vv_buf_text(&program);
    VV_TRY(vv_buf_check(&program, err));
    for (size_t i = 0; arguments[i] != NULL && count + 1 < VV_COUNT(words); i++) {
        words[count++] = arguments[i];
    }
    words[count] = NULL;
    const struct rehearse_program run = {words, vv_buf_text(&h->scratch), vv_buf_text(&log),
                                         &h->user};
    VV_TRY(rehearse_process_start(p, &run, err));
    rc = rehearse_process_wait(p, REHEARSE_TOOL_MS, h->o->cancel, err);
    rehearse_process_end(p);
    if (rc != VV_OK) {
        return vv_error_prefix(err, "%s", name);
    }
    if (!rehearse_process_succeeded(p)) {
        rehearse_log_tail(vv_buf_text(&log), TAIL, &h->report->steps[step].detail);
    }
    return VV_OK;
}

static int
exit_code(const struct rehearse_process *p)
{
    return WIFEXITED(p->status) ? WEXITSTATUS(p->status) : -1;
}

enum vv_rc
rehearse_check_manifest(struct rehearsal *h, struct vv_error *err)
{
    const char *const arguments[] = {vv_buf_text(&h->data), NULL};
    struct rehearse_result *result = &h->report->steps[REHEARSE_MANIFEST];
    struct rehearse_process p = {0};

    VV_TRY(run_program(h, "pg_verifybackup", arguments, REHEARSE_MANIFEST, &p, err));
    result->verdict = rehearse_process_succeeded(&p) ? REHEARSE_PROVEN
                      : exit_code(&p) == 1           ? REHEARSE_DAMAGED
                                                     : REHEARSE_NOT_PROVEN;
    return VV_OK;
}

/* ---- pg_amcheck ---- */

/** The extension into every database; those where it cannot be are named in the detail. */
static enum vv_rc
install_amcheck(struct rehearsal *h, const struct postgres_rows *databases, unsigned *ret_missing,
                struct vv_error *err)
{
    unsigned missing = 0;

    for (unsigned i = 0; i < postgres_rows_count(databases); i++) {
        VV_CLEANUP(postgres_freep) struct postgres *p = NULL;
        const char *name = postgres_value(databases, i, 0);
        struct vv_error why = {0};
        enum vv_rc rc = rehearse_server_connect(h, name, &p, &why);

        if (rc == VV_OK) {
            rc = postgres_query(p, "create extension if not exists amcheck with schema pg_catalog",
                                NULL, 0, NULL, &why);
        }
        VV_TRY(vv_cancel_check(h->o->cancel, err));
        if (rc != VV_OK) {
            missing++;
            vv_buf_printf(&h->report->steps[REHEARSE_STRUCTURE].detail,
                          "database '%s': extension amcheck cannot be created: %s\n", name,
                          why.message);
        }
    }
    *ret_missing = missing;
    return VV_OK;
}

static enum vv_rc
run_amcheck(struct rehearsal *h, unsigned missing, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf target = {0};
    struct rehearse_result *result = &h->report->steps[REHEARSE_STRUCTURE];
    struct rehearse_process p = {0};

    VV_TRY(rehearse_server_target(h, "postgres", &target, err));
    /* The name of the database alone is replaced for each. */
    const char *const arguments[] = {
        "--all", "--heapallindexed", "--no-password", "--maintenance-db", vv_buf_text(&target),
        NULL};
    VV_TRY(run_program(h, "pg_amcheck", arguments, REHEARSE_STRUCTURE, &p, err));
    if (exit_code(&p) == 2) {
        result->verdict = REHEARSE_DAMAGED;
    } else if (rehearse_process_succeeded(&p) && missing == 0) {
        result->verdict = REHEARSE_PROVEN;
    }
    return VV_OK;
}

enum vv_rc
rehearse_check_structure(struct rehearsal *h, struct vv_error *err)
{
    VV_CLEANUP(postgres_freep) struct postgres *p = NULL;
    VV_CLEANUP(postgres_rows_freep) struct postgres_rows *databases = NULL;
    struct rehearse_result *result = &h->report->steps[REHEARSE_STRUCTURE];
    struct vv_error why = {0};
    unsigned missing = 0;
    enum vv_rc rc = rehearse_server_connect(h, "postgres", &p, &why);

    if (rc == VV_OK) {
        rc = postgres_query(p, "select datname from pg_database where datallowconn order by 1",
                            NULL, 0, &databases, &why);
    }
    VV_TRY(vv_cancel_check(h->o->cancel, err));
    if (rc != VV_OK) {
        vv_buf_put_text(&result->detail, why.message);
        return VV_OK;
    }
    VV_TRY(install_amcheck(h, databases, &missing, err));
    h->report->databases = postgres_rows_count(databases) - missing;
    return h->report->databases > 0 ? run_amcheck(h, missing, err) : VV_OK;
}

/* ---- the user's questions ---- */

static void
show_rows(struct vv_buf *out, const struct postgres_rows *rows)
{
    unsigned count = postgres_rows_count(rows);

    for (unsigned i = 0; i < count && i < ROWS_SHOWN; i++) {
        vv_buf_put_text(out, "  ");
        for (unsigned k = 0; k < postgres_rows_width(rows); k++) {
            const char *value = postgres_value(rows, i, k);
            size_t len = value != NULL ? strlen(value) : 0;
            vv_buf_put_text(out, k > 0 ? " | " : "");
            vv_buf_put(out, value, len < QUERY_SHOWN ? len : QUERY_SHOWN);
        }
        vv_buf_put_text(out, "\n");
    }
    if (count > ROWS_SHOWN) {
        vv_buf_printf(out, "  and %u more\n", count - ROWS_SHOWN);
    }
}

static enum vv_rc
ask(struct rehearsal *h, struct postgres *p, struct vv_span query, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf sql = {0};
    VV_CLEANUP(postgres_rows_freep) struct postgres_rows *rows = NULL;
    struct vv_buf *out = &h->report->steps[REHEARSE_QUESTIONS].detail;
    struct vv_error why = {0};
    enum vv_rc rc;

    vv_buf_put(&sql, query.data, query.len);
    (void)vv_buf_text(&sql);
    VV_TRY(vv_buf_check(&sql, err));
    rc = postgres_query(p, vv_buf_text(&sql), NULL, 0, &rows, &why);
    VV_TRY(vv_cancel_check(h->o->cancel, err));
    if (rc == VV_OK && postgres_rows_width(rows) == 0 && postgres_rows_count(rows) == 0) {
        return VV_OK; /* SET and the like: no question */
    }
    h->report->questions++;
    if (rc == VV_OK && postgres_rows_count(rows) == 0) {
        return VV_OK;
    }
    h->report->answers++;
    vv_buf_put(out, query.data, query.len < QUERY_SHOWN ? query.len : QUERY_SHOWN);
    vv_buf_put_text(out, query.len < QUERY_SHOWN ? "\n" : "...\n");
    if (rc != VV_OK) {
        vv_buf_printf(out, "  %s\n", why.message);
    } else {
        show_rows(out, rows);
    }
    return VV_OK;
}

enum vv_rc
rehearse_check_questions(struct rehearsal *h, struct vv_error *err)
{
    VV_CLEANUP(postgres_freep) struct postgres *p = NULL;
    struct rehearse_result *result = &h->report->steps[REHEARSE_QUESTIONS];
    struct vv_span rest = h->o->questions;
    struct vv_span query;
    struct vv_error why = {0};
    enum vv_rc rc = rehearse_server_connect(h, h->o->database, &p, &why);

    VV_TRY(vv_cancel_check(h->o->cancel, err));
    if (rc != VV_OK) {
        vv_buf_put_text(&result->detail, why.message);
        result->verdict = REHEARSE_FAILED;
        return VV_OK;
    }
    while (postgres_statement_next(&rest, &query)) {
        VV_TRY(ask(h, p, query, err));
    }
    result->verdict = h->report->answers > 0     ? REHEARSE_FAILED
                      : h->report->questions > 0 ? REHEARSE_PROVEN
                                                 : REHEARSE_NOT_PROVEN;
    if (h->report->questions == 0) {
        vv_buf_put_text(&result->detail, "there was no query that could return a row");
    }
    return VV_OK;
}

/* ---- pg_checksums ---- */

enum vv_rc
rehearse_check_pages(struct rehearsal *h, struct vv_error *err)
{
    const char *const arguments[] = {"--check", "-D", vv_buf_text(&h->data), NULL};
    struct rehearse_result *result = &h->report->steps[REHEARSE_PAGES];
    struct rehearse_process p = {0};

    if (!h->checksums) {
        result->verdict = REHEARSE_NOT_APPLICABLE;
        vv_buf_put_text(&result->detail, "the cluster has no data checksums");
        return VV_OK;
    }
    VV_TRY(run_program(h, "pg_checksums", arguments, REHEARSE_PAGES, &p, err));
    if (rehearse_process_succeeded(&p)) {
        result->verdict = REHEARSE_PROVEN;
    } else if (strstr(vv_buf_text(&result->detail), "checksum verification failed") != NULL ||
               strstr(vv_buf_text(&result->detail), "Bad checksums:") != NULL) {
        result->verdict = REHEARSE_DAMAGED;
    }
    return VV_OK;
}
