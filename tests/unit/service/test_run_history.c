/* SPDX-License-Identifier: BSD-2-Clause */
/* The history of runs: what is noted is found again, and damage never stands in the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/run_history.h"

#define DAY (INT64_C(24) * 3600 * 1000000000)
#define NOW (INT64_C(1800000000) * 1000000000)

static char directory[64];

static int
make_directory(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof(directory), "/tmp/varve-history.XXXXXX");
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static void
path_of(const char *name, char out[128])
{
    (void)snprintf(out, 128, "%s/%s", directory, name);
}

static int
remove_directory(void **state)
{
    static const char *const names[] = {"runs.db", "runs.db-journal", "runs.db.damaged",
                                        "runs.db.damaged-journal", "runs.db.lock"};
    char path[128];

    (void)state;
    for (size_t i = 0; i < VV_COUNT(names); i++) {
        path_of(names[i], path);
        (void)unlink(path);
    }
    return rmdir(directory);
}

static struct run_history *
open_history(enum database_use use)
{
    struct run_history *h = NULL;
    struct vv_error err = {0};

    if (run_history_open(directory, use, &h, &err) != VV_OK) {
        fail_msg("%s", err.message);
    }
    return h;
}

static void
put_run(struct run_history *h, const char *id, const char *job, int64_t began, int64_t ended,
        int code)
{
    const struct history_run run = {id, job, began, ended, code};

    assert_int_equal(run_history_put_run(h, &run, NULL), VV_OK);
}

/* Everything that a listing yields, as text. */
static enum vv_rc
write_run(void *ctx, const struct history_run *r, struct vv_error *err)
{
    (void)err;
    vv_buf_printf(ctx, "%s %s %lld %lld %d\n", r->id, r->job, (long long)(r->began - NOW),
                  (long long)(r->ended != 0 ? r->ended - NOW : 0), r->exit_code);
    return VV_OK;
}

static enum vv_rc
write_part(void *ctx, const struct history_part *p, struct vv_error *err)
{
    (void)err;
    vv_buf_printf(ctx, "%s|%s|%s|%s|%d|%lld\n", p->name, p->command, p->state, p->why, p->exit_code,
                  (long long)p->milliseconds);
    return VV_OK;
}

static enum vv_rc
write_event(void *ctx, const struct history_event *e, struct vv_error *err)
{
    (void)err;
    vv_buf_printf(ctx, "%s %s>%s %d %lld %s\n", history_kind_name(e->kind), e->repository, e->other,
                  e->exit_code, (long long)e->bytes, e->text);
    return VV_OK;
}

static void
expect_runs(struct run_history *h, const char *job, size_t most, const char *wanted)
{
    struct vv_buf out = {0};

    assert_int_equal(run_history_runs(h, job, most, write_run, &out, NULL), VV_OK);
    assert_string_equal(vv_buf_text(&out), wanted);
    vv_buf_release(&out);
}

static void
runs__are_listed_newest_first_by_job(void **state)
{
    VV_CLEANUP(run_history_freep) struct run_history *h = open_history(DATABASE_WRITE);

    (void)state;
    put_run(h, "r1", "web", NOW, NOW + 5, 0);
    put_run(h, "r2", "db", NOW + 1, NOW + 2, 3);
    put_run(h, "r3", "web", NOW + 9, 0, 0);
    expect_runs(h, NULL, 10, "r3 web 9 0 0\nr2 db 1 2 3\nr1 web 0 5 0\n");
    expect_runs(h, "web", 10, "r3 web 9 0 0\nr1 web 0 5 0\n");
    expect_runs(h, "web", 1, "r3 web 9 0 0\n");
    expect_runs(h, "mail", 1, "");
}

/* A clock that was wrong hides nothing that came later. */
static void
runs__are_in_the_order_of_noting(void **state)
{
    VV_CLEANUP(run_history_freep) struct run_history *h = open_history(DATABASE_WRITE);

    (void)state;
    put_run(h, "r1", "web", NOW + 30 * DAY, 0, 0);
    put_run(h, "r2", "web", NOW, NOW, 1);
    put_run(h, "r1", "web", NOW + 30 * DAY, NOW + 31 * DAY, 0);
    expect_runs(h, NULL, 1, "r2 web 0 0 1\n");
}

static void
a_run__ends_with_its_parts(void **state)
{
    const struct history_part parts[] = {
        {.name = "backup", .state = "ok", .milliseconds = 1500},
        {.name = "after",
         .command = "it's; --",
         .state = "failed",
         .why = "timed out",
         .exit_code = 143},
    };
    const struct history_run run = {"r1", "web", NOW, NOW + 7, 1};
    VV_CLEANUP(run_history_freep) struct run_history *h = open_history(DATABASE_WRITE);
    struct vv_buf out = {0};

    (void)state;
    put_run(h, "r1", "web", NOW, 0, 0);
    assert_int_equal(run_history_end_run(h, &run, parts, VV_COUNT(parts), NULL), VV_OK);
    run_history_free(h);
    h = open_history(DATABASE_READ);
    expect_runs(h, "web", 10, "r1 web 0 7 1\n");
    assert_int_equal(run_history_parts(h, "r1", write_part, &out, NULL), VV_OK);
    assert_string_equal(vv_buf_text(&out),
                        "backup||ok||0|1500\nafter|it's; --|failed|timed out|143|0\n");
    vv_buf_release(&out);
}

static void
events__are_found_by_kind_repository_and_time(void **state)
{
    const struct history_event events[] = {
        {.kind = HISTORY_REPLICATION, .time = NOW, .repository = "main", .other = "a", .bytes = 1},
        {.kind = HISTORY_REPLICATION, .time = NOW + 1, .repository = "else", .other = "b"},
        {.kind = HISTORY_INCIDENT,
         .time = NOW + 2,
         .repository = "main",
         .other = "verify",
         .exit_code = 12,
         .text = "damaged"},
        {.kind = HISTORY_REPLICATION, .time = NOW + 3, .repository = "main", .other = "c"},
    };
    VV_CLEANUP(run_history_freep) struct run_history *h = open_history(DATABASE_WRITE);
    struct vv_buf out = {0};

    (void)state;
    for (size_t i = 0; i < VV_COUNT(events); i++) {
        assert_int_equal(run_history_put_event(h, &events[i], NULL), VV_OK);
    }
    assert_int_equal(
        run_history_events(h, HISTORY_REPLICATION, "main", NOW, 9, write_event, &out, NULL), VV_OK);
    vv_buf_put_text(&out, "--\n");
    assert_int_equal(
        run_history_events(h, HISTORY_REPLICATION, NULL, NOW + 1, 9, write_event, &out, NULL),
        VV_OK);
    vv_buf_put_text(&out, "--\n");
    assert_int_equal(run_history_events(h, HISTORY_INCIDENT, NULL, 0, 9, write_event, &out, NULL),
                     VV_OK);
    assert_string_equal(vv_buf_text(&out), "replication main>c 0 0 \nreplication main>a 0 1 \n--\n"
                                           "replication main>c 0 0 \nreplication else>b 0 0 \n--\n"
                                           "incident main>verify 12 0 damaged\n");
    vv_buf_release(&out);
}

static void
facts__are_replaced(void **state)
{
    VV_CLEANUP(run_history_freep) struct run_history *h = open_history(DATABASE_WRITE);
    struct vv_buf out = {0};
    int64_t time = 7;

    (void)state;
    assert_int_equal(run_history_fact(h, "site", &time, &out, NULL), VV_OK);
    assert_int_equal(time, 0);
    assert_int_equal(run_history_put_fact(h, "site", NOW, "{1}", NULL), VV_OK);
    assert_int_equal(run_history_put_fact(h, "site", NOW + 1, "{2}", NULL), VV_OK);
    assert_int_equal(run_history_fact(h, "site", &time, &out, NULL), VV_OK);
    assert_int_equal(time, NOW + 1);
    assert_string_equal(vv_buf_text(&out), "{2}");
    vv_buf_release(&out);
}

/* H4 */
static void
what_is_old__goes_with_the_end_of_a_run(void **state)
{
    const struct history_part part = {.name = "backup", .state = "ok"};
    const struct history_run old = {"old", "web", NOW - 800 * DAY, NOW - 800 * DAY, 0};
    const struct history_run young = {"young", "web", NOW - 700 * DAY, NOW - 700 * DAY, 0};
    const struct history_run last = {"last", "web", NOW, NOW, 0};
    const struct history_event event = {
        .kind = HISTORY_SPACE, .time = NOW - 800 * DAY, .repository = "main"};
    VV_CLEANUP(run_history_freep) struct run_history *h = open_history(DATABASE_WRITE);
    struct vv_buf out = {0};

    (void)state;
    assert_int_equal(run_history_end_run(h, &old, &part, 1, NULL), VV_OK);
    assert_int_equal(run_history_put_event(h, &event, NULL), VV_OK);
    assert_int_equal(run_history_end_run(h, &young, &part, 1, NULL), VV_OK);
    assert_int_equal(run_history_parts(h, "old", write_part, &out, NULL), VV_OK);
    assert_int_not_equal(out.len, 0);
    vv_buf_reset(&out);
    assert_int_equal(run_history_end_run(h, &last, &part, 1, NULL), VV_OK);
    assert_int_equal(run_history_runs(h, NULL, 9, write_run, &out, NULL), VV_OK);
    assert_non_null(strstr(vv_buf_text(&out), "young"));
    assert_null(strstr(vv_buf_text(&out), "old"));
    vv_buf_reset(&out);
    assert_int_equal(run_history_parts(h, "old", write_part, &out, NULL), VV_OK);
    assert_int_equal(run_history_events(h, HISTORY_SPACE, NULL, 0, 9, write_event, &out, NULL),
                     VV_OK);
    assert_int_equal(out.len, 0);
    vv_buf_release(&out);
}

static void
overwrite(const char *name, off_t at, const char *text, size_t len)
{
    char path[128];
    int fd;

    path_of(name, path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, text, len, at), (ssize_t)len);
    assert_int_equal(close(fd), 0);
}

/* H3 */
static void
a_damaged_history__is_refused_and_set_aside(void **state)
{
    static char rubbish[8192];
    struct run_history *h = open_history(DATABASE_WRITE);
    struct run_history *again = NULL;
    char path[128];

    (void)state;
    for (int i = 0; i < 300; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "r%d", i);
        put_run(h, id, "web", NOW + i, NOW + i, 0);
    }
    run_history_free(h);
    memset(rubbish, 0x5a, sizeof(rubbish));
    overwrite("runs.db", 8192, rubbish, sizeof(rubbish)); /* two pages in the middle */
    assert_int_equal(run_history_open(directory, DATABASE_READ, &again, NULL), VV_ECORRUPT);
    assert_int_equal(run_history_open(directory, DATABASE_WRITE, &again, NULL), VV_ECORRUPT);
    assert_int_equal(run_history_set_aside(directory, NULL), VV_OK);
    h = open_history(DATABASE_WRITE);
    expect_runs(h, NULL, 9, "");
    run_history_free(h);
    path_of("runs.db.damaged", path);
    assert_int_equal(access(path, F_OK), 0);
    /* Another process that has seen the damage, too, comes later: the new one stays. */
    h = open_history(DATABASE_WRITE);
    put_run(h, "new", "web", NOW, NOW, 0);
    run_history_free(h);
    assert_int_equal(run_history_set_aside(directory, NULL), VV_OK);
    h = open_history(DATABASE_READ);
    expect_runs(h, NULL, 9, "new web 0 0 0\n");
    run_history_free(h);
}

/* While one is told of what there is, others can write. */
static enum vv_rc
write_meanwhile(void *ctx, const struct history_run *r, struct vv_error *err)
{
    VV_CLEANUP(run_history_freep) struct run_history *other = open_history(DATABASE_WRITE);
    const struct history_run more = {"more", "web", NOW, NOW, 0};

    (void)r;
    *(int *)ctx += 1;
    return run_history_put_run(other, &more, err);
}

static void
a_listing__keeps_nobody_from_writing(void **state)
{
    VV_CLEANUP(run_history_freep) struct run_history *h = open_history(DATABASE_WRITE);
    int calls = 0;

    (void)state;
    put_run(h, "r1", "web", NOW, NOW, 0);
    put_run(h, "r2", "web", NOW, NOW, 0);
    assert_int_equal(run_history_runs(h, NULL, 9, write_meanwhile, &calls, NULL), VV_OK);
    assert_int_equal(calls, 2);
}

static void
what_is_no_history__is_refused(void **state)
{
    struct run_history *h = NULL;
    struct database *d = NULL;
    char path[128];
    struct stat st;

    (void)state;
    assert_int_equal(run_history_open(directory, DATABASE_READ, &h, NULL), VV_ENOTFOUND);
    overwrite("runs.db", 0, "this is a text, and no database at all", 38);
    assert_int_equal(run_history_open(directory, DATABASE_WRITE, &h, NULL), VV_ECORRUPT);
    path_of("runs.db", path);
    assert_int_equal(unlink(path), 0);
    h = open_history(DATABASE_WRITE);
    run_history_free(h);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(database_open(path, DATABASE_WRITE, &d, NULL), VV_OK);
    assert_int_equal(database_execute(d, "PRAGMA user_version = 99", NULL), VV_OK);
    database_free(d);
    h = NULL;
    assert_int_equal(run_history_open(directory, DATABASE_WRITE, &h, NULL), VV_EUNSUPPORTED);
    assert_int_equal(run_history_open(directory, DATABASE_READ, &h, NULL), VV_EUNSUPPORTED);
    assert_null(h);
}

/* A callback's failure is what the listing returns. */
static enum vv_rc
refuse(void *ctx, const struct history_run *r, struct vv_error *err)
{
    (void)r;
    *(int *)ctx += 1;
    return vv_error_set(err, VV_ECANCELLED, "enough");
}

static void
a_listing__stops_when_told(void **state)
{
    VV_CLEANUP(run_history_freep) struct run_history *h = open_history(DATABASE_WRITE);
    int calls = 0;

    (void)state;
    put_run(h, "r1", "web", NOW, NOW, 0);
    put_run(h, "r2", "web", NOW, NOW, 0);
    assert_int_equal(run_history_runs(h, NULL, 9, refuse, &calls, NULL), VV_ECANCELLED);
    assert_int_equal(calls, 1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)
    const struct CMUnitTest tests[] = {
        TEST(runs__are_listed_newest_first_by_job),
        TEST(runs__are_in_the_order_of_noting),
        TEST(a_listing__keeps_nobody_from_writing),
        TEST(a_run__ends_with_its_parts),
        TEST(events__are_found_by_kind_repository_and_time),
        TEST(facts__are_replaced),
        TEST(what_is_old__goes_with_the_end_of_a_run),
        TEST(a_damaged_history__is_refused_and_set_aside),
        TEST(what_is_no_history__is_refused),
        TEST(a_listing__stops_when_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
