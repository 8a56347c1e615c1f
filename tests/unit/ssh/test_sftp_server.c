/* SPDX-License-Identifier: BSD-2-Clause */
/* The client against the sftp-server of OpenSSH. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/thread.h"
#include "helper_server.h"
#include "ssh/sftp_codec.h"
#include "ssh/stream_child.h"

static void
write_local(const char *path, const void *data, size_t len)
{
    expect_ok(vv_file_create(AT_FDCWD, path, vv_span(data, len), 0644, &err_));
}

static uint8_t *
pattern(size_t len, uint64_t seed)
{
    uint8_t *data = malloc(len + 8);
    uint64_t state = seed * 2654435761u + 88172645463325252u;

    assert_non_null(data);
    for (size_t i = 0; i < len; i += 8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(data + i, &state, 8);
    }
    return data;
}

/* ---- what it offers ---- */

static void
client__knows_what_the_server_offers(void **state)
{
    struct served *s = *state;
    uint32_t wanted = SFTP_FSYNC | SFTP_HARDLINK | SFTP_POSIX_RENAME | SFTP_STATVFS | SFTP_LIMITS;

    assert_int_equal(sftp_client_extensions(s->client) & wanted, wanted);
    assert_non_null(strstr(sftp_client_extension_names(s->client), "hardlink@openssh.com 1\n"));
    assert_int_equal(sftp_client_read_size(s->client), 255 * 1024);
    assert_int_equal(sftp_client_write_size(s->client), 255 * 1024);
    assert_false(sftp_client_failed(s->client));
    assert_int_equal(sftp_client_busy(s->client), 0);
}

/* ---- files ---- */

static void
open__creates_exclusively(void **state)
{
    struct served *s = *state;
    struct sftp_handle h;
    struct vv_error err = {0};
    const uint32_t flags = SFTP_OPEN_WRITE | SFTP_OPEN_CREATE | SFTP_OPEN_EXCLUSIVE;

    expect_ok(sftp_open(s->client, served_path(s, "new"), flags, 0400, &h, &err_));
    expect_ok(sftp_close(s->client, &h, &err_));
    struct stat st;
    assert_int_equal(stat(served_path(s, "new"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);

    assert_int_equal(sftp_open(s->client, served_path(s, "new"), flags, 0400, &h, &err), VV_EIO);
    assert_int_equal(err.sys, SFTP_FAILURE);
    assert_non_null(strstr(err.message, "/new'"));
    assert_non_null(strstr(err.message, "Failure"));
}

static void
open__tells_what_is_missing_from_what_is_forbidden(void **state)
{
    struct served *s = *state;
    struct sftp_handle h;
    struct vv_error err = {0};

    assert_int_equal(sftp_open(s->client, served_path(s, "none"), SFTP_OPEN_READ, 0, &h, &err),
                     VV_ENOTFOUND);
    assert_int_equal(err.sys, SFTP_NO_SUCH_FILE);
    if (geteuid() != 0) {
        write_local(served_path(s, "closed"), "x", 1);
        assert_int_equal(chmod(served_path(s, "closed"), 0), 0);
        assert_int_equal(
            sftp_open(s->client, served_path(s, "closed"), SFTP_OPEN_READ, 0, &h, &err),
            VV_EREFUSED);
    }
    /* It goes on. */
    struct sftp_attributes a;
    expect_ok(sftp_stat(s->client, s->directory, &a, &err_));
}

static void
write__and_read_move_what_was_given(void **state)
{
    struct served *s = *state;
    const size_t len = 3 * 1024 * 1024 + 17;
    uint8_t *data = pattern(len, 1);
    uint8_t *back = malloc(len);
    struct sftp_handle h;
    size_t got = 0;

    assert_non_null(back);
    expect_ok(sftp_open(s->client, served_path(s, "file"),
                        SFTP_OPEN_READ | SFTP_OPEN_WRITE | SFTP_OPEN_CREATE, 0600, &h, &err_));
    expect_ok(sftp_write(s->client, &h, 5, vv_span(data, len), &err_));
    expect_ok(sftp_fsync(s->client, &h, &err_));
    struct sftp_attributes a;
    expect_ok(sftp_fstat(s->client, &h, &a, &err_));
    assert_true(a.has_size);
    assert_int_equal(a.size, len + 5);
    expect_ok(sftp_read(s->client, &h, 5, back, len, &got, &err_));
    assert_int_equal(got, len);
    assert_memory_equal(data, back, len);
    /* Beyond the end: what there is. */
    expect_ok(sftp_read(s->client, &h, 1000, back, len, &got, &err_));
    assert_int_equal(got, len + 5 - 1000);
    assert_memory_equal(data + 995, back, got);
    expect_ok(sftp_read(s->client, &h, len + 5, back, len, &got, &err_));
    assert_int_equal(got, 0);
    expect_ok(sftp_read(s->client, &h, 0, back, 0, &got, &err_));
    assert_int_equal(got, 0);
    expect_ok(sftp_write(s->client, &h, 0, vv_span(NULL, 0), &err_));
    expect_ok(sftp_close(s->client, &h, &err_));
    struct vv_error err = {0};
    assert_int_equal(sftp_read(s->client, &h, 0, back, 10, &got, &err), VV_EIO);
    free(data);
    free(back);
}

static void
write__to_a_file_open_for_reading_is_refused(void **state)
{
    struct served *s = *state;
    struct sftp_handle h;
    struct vv_error err = {0};
    uint8_t *data = pattern(2000000, 2);

    write_local(served_path(s, "file"), "x", 1);
    expect_ok(sftp_open(s->client, served_path(s, "file"), SFTP_OPEN_READ, 0, &h, &err_));
    assert_int_not_equal(sftp_write(s->client, &h, 0, vv_span(data, 2000000), &err), VV_OK);
    assert_int_not_equal(err.sys, SFTP_OK);
    assert_false(sftp_client_failed(s->client));
    expect_ok(sftp_close(s->client, &h, &err_));
    free(data);
}

static void
write_file__needs_two_round_trips(void **state)
{
    struct served *s = *state;
    struct sftp_counts before;
    struct sftp_counts after;
    uint8_t *data = pattern(1000000, 3);
    uint8_t *back = malloc(1000001);
    size_t got = 0;
    struct vv_error err = {0};

    sftp_client_counts(s->client, &before);
    expect_ok(sftp_write_file(s->client, served_path(s, "file"), 0400, vv_span(data, 1000000), true,
                              &err_));
    sftp_client_counts(s->client, &after);
    assert_int_equal(after.round_trips - before.round_trips, 2);
    assert_true(after.bytes_sent - before.bytes_sent >= 1000000);

    sftp_client_counts(s->client, &before);
    expect_ok(sftp_read_file(s->client, served_path(s, "file"), 0, back, 1000000, &got, &err_));
    sftp_client_counts(s->client, &after);
    assert_int_equal(after.round_trips - before.round_trips, 2);
    assert_int_equal(got, 1000000);
    assert_memory_equal(data, back, got);

    expect_ok(sftp_read_file(s->client, served_path(s, "file"), 999990, back, 100, &got, &err_));
    assert_int_equal(got, 10);
    assert_memory_equal(data + 999990, back, got);
    assert_int_equal(
        sftp_write_file(s->client, served_path(s, "file"), 0400, vv_span("x", 1), true, &err),
        VV_EIO);
    expect_ok(
        sftp_write_file(s->client, served_path(s, "empty"), 0400, vv_span(NULL, 0), false, &err_));
    expect_ok(sftp_read_file(s->client, served_path(s, "empty"), 0, back, 100, &got, &err_));
    assert_int_equal(got, 0);
    free(data);
    free(back);
}

/* ---- names ---- */

static void
hardlink__does_not_replace(void **state)
{
    struct served *s = *state;
    struct vv_error err = {0};
    struct stat st;

    write_local(served_path(s, "from"), "from", 4);
    write_local(served_path(s, "taken"), "taken", 5);
    expect_ok(sftp_hardlink(s->client, served_path(s, "from"), served_path(s, "to"), &err_));
    assert_int_equal(stat(served_path(s, "to"), &st), 0);
    assert_int_equal(st.st_nlink, 2);
    assert_int_equal(
        sftp_hardlink(s->client, served_path(s, "from"), served_path(s, "taken"), &err), VV_EIO);
    assert_non_null(strstr(err.message, "/taken'"));
    assert_int_equal(sftp_rename(s->client, served_path(s, "from"), served_path(s, "taken"), &err),
                     VV_EIO);
    expect_ok(sftp_rename(s->client, served_path(s, "from"), served_path(s, "moved"), &err_));
    assert_int_equal(stat(served_path(s, "from"), &st), -1);
    assert_int_equal(stat(served_path(s, "taken"), &st), 0);
    assert_int_equal(st.st_size, 5);
}

static void
paths__are_made_removed_and_inspected(void **state)
{
    struct served *s = *state;
    struct sftp_attributes a;
    struct vv_error err = {0};
    struct vv_buf real = {0};
    uint64_t space = 0;
    uint64_t total = 0;

    expect_ok(sftp_mkdir(s->client, served_path(s, "directory"), 0700, &err_));
    assert_int_equal(sftp_mkdir(s->client, served_path(s, "directory"), 0700, &err), VV_EIO);
    expect_ok(sftp_stat(s->client, served_path(s, "directory"), &a, &err_));
    assert_true(a.has_mode && S_ISDIR(a.mode));
    assert_int_equal(a.mode & 07777, 0700);
    assert_true(a.has_owner && a.uid == geteuid());
    assert_int_equal(symlink("directory", served_path(s, "link")), 0);
    expect_ok(sftp_lstat(s->client, served_path(s, "link"), &a, &err_));
    assert_true(S_ISLNK(a.mode));
    expect_ok(sftp_real_path(s->client, served_path(s, "directory/../link"), &real, &err_));
    assert_string_equal(vv_buf_text(&real), served_path(s, "directory"));
    vv_buf_release(&real);
    expect_ok(sftp_remove(s->client, served_path(s, "link"), &err_));
    assert_int_equal(sftp_remove(s->client, served_path(s, "link"), &err), VV_ENOTFOUND);
    expect_ok(sftp_statvfs(s->client, s->directory, &space, &total, &err_));
    assert_true(total > 0 && space <= total);
    assert_int_equal(sftp_stat(s->client, served_path(s, "none"), &a, &err), VV_ENOTFOUND);
}

static void
paths__too_long_are_refused(void **state)
{
    struct served *s = *state;
    struct vv_error err = {0};
    char *path = calloc(1, 20001);

    assert_non_null(path);
    memset(path, 'x', 20000);
    assert_int_equal(sftp_mkdir(s->client, path, 0700, &err), VV_ELIMIT);
    path[10000] = '\0'; /* the server's limit */
    assert_int_equal(sftp_mkdir(s->client, path, 0700, &err), VV_EIO);
    assert_false(sftp_client_failed(s->client));
    free(path);
}

static void
raw__sends_anything(void **state)
{
    struct served *s = *state;
    struct vv_buf body = {0};
    struct vv_buf out = {0};

    sftp_put_text(&body, served_path(s, "none"));
    expect_ok(sftp_request_raw(s->client, SFTP_PACKET_RMDIR, vv_buf_span(&body), &out, &err_));
    assert_true(out.len > 9);
    assert_int_equal(out.data[0], SFTP_PACKET_STATUS);
    assert_int_equal(sftp_load_u32(out.data + 5), SFTP_NO_SUCH_FILE);
    vv_buf_release(&body);
    vv_buf_release(&out);
}

/* ---- listings ---- */

struct seen {
    size_t count;
    size_t stop_at;
    uint64_t sizes;
    uint8_t flags[5000];
};

static enum vv_rc
see(void *ctx, struct vv_span name, const struct sftp_attributes *a, struct vv_error *err)
{
    struct seen *seen = ctx;
    char text[32] = {0};

    assert_true(name.len < sizeof(text));
    memcpy(text, name.data, name.len);
    unsigned long number = strtoul(text + 1, NULL, 10);
    assert_true(text[0] == 'n' && number < 5000);
    assert_int_equal(seen->flags[number], 0);
    seen->flags[number] = 1;
    seen->count++;
    seen->sizes += a->size;
    if (seen->count == seen->stop_at) {
        return vv_error_set(err, VV_EREFUSED, "enough");
    }
    return VV_OK;
}

static void
make_names(const char *directory, size_t count)
{
    char path[300];

    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/n%zu", directory, i);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        if (i < 10) {
            assert_int_equal(write(fd, "x", 1), 1);
        }
        close(fd);
    }
}

static void
list__names_every_one_once(void **state)
{
    struct served *s = *state;
    struct seen *seen = calloc(1, sizeof(*seen));
    struct sftp_counts before;
    struct sftp_counts after;

    assert_non_null(seen);
    make_names(s->directory, 5000);
    sftp_client_counts(s->client, &before);
    expect_ok(sftp_list(s->client, s->directory, see, seen, &err_));
    sftp_client_counts(s->client, &after);
    assert_int_equal(seen->count, 5000);
    assert_int_equal(seen->sizes, 10);
    assert_true(after.round_trips - before.round_trips <= 12); /* 50 answers */
    free(seen);
}

static void
list__ends_when_told(void **state)
{
    struct served *s = *state;
    struct seen *seen = calloc(1, sizeof(*seen));
    struct vv_error err = {0};
    struct sftp_attributes a;

    assert_non_null(seen);
    make_names(s->directory, 1000);
    seen->stop_at = 150;
    assert_int_equal(sftp_list(s->client, s->directory, see, seen, &err), VV_EREFUSED);
    assert_string_equal(err.message, "enough");
    assert_int_equal(seen->count, 150);
    expect_ok(sftp_stat(s->client, s->directory, &a, &err_));
    assert_int_equal(sftp_list(s->client, served_path(s, "none"), see, seen, &err), VV_ENOTFOUND);
    assert_non_null(strstr(err.message, "/none'"));
    free(seen);
}

static void
list_many__takes_few_round_trips(void **state)
{
    enum { DIRECTORIES = 256 };
    struct served *s = *state;
    struct seen *seen = calloc(DIRECTORIES, sizeof(*seen));
    char(*paths)[128] = calloc(DIRECTORIES, sizeof(*paths));
    const char *names[DIRECTORIES];
    void *ctxs[DIRECTORIES];
    struct sftp_counts before;
    struct sftp_counts after;

    assert_non_null(seen);
    assert_non_null(paths);
    for (size_t i = 0; i < DIRECTORIES; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s/%02zx", s->directory, i);
        names[i] = paths[i];
        ctxs[i] = &seen[i];
    }
    expect_ok(sftp_mkdir_many(s->client, names, DIRECTORIES, 0700, &err_));
    for (size_t i = 0; i < DIRECTORIES; i++) {
        make_names(paths[i], i % 20);
    }
    sftp_client_counts(s->client, &before);
    expect_ok(sftp_list_many(s->client, names, DIRECTORIES, see, ctxs, &err_));
    sftp_client_counts(s->client, &after);
    for (size_t i = 0; i < DIRECTORIES; i++) {
        assert_int_equal(seen[i].count, i % 20);
    }
    assert_true(after.round_trips - before.round_trips <= 4);
    expect_ok(sftp_list_many(s->client, names, 0, see, ctxs, &err_));
    free(paths);
    free(seen);
}

/* ---- many threads, and the end ---- */

enum { WORKERS = 8, LARGE = 64 << 20 };

struct worker {
    struct sftp_client *client;
    const struct sftp_handle *handle;
    uint8_t *data;
    uint8_t *back;
    size_t from;
    size_t len;
    bool for_ever; /* read again and again, until that fails */
    enum vv_rc rc;
    struct vv_error err;
    struct vv_thread thread;
};

static void
work_up(void *arg)
{
    struct worker *w = arg;

    w->rc = sftp_write(w->client, w->handle, w->from, vv_span(w->data + w->from, w->len), &w->err);
}

static void
work_down(void *arg)
{
    struct worker *w = arg;
    size_t got = 0;

    do {
        w->rc = sftp_read(w->client, w->handle, w->from, w->back + w->from, w->len, &got, &w->err);
        if (w->rc == VV_OK && got != w->len) {
            w->rc = vv_error_set(&w->err, VV_ECORRUPT, "%zu bytes came", got);
        }
    } while (w->for_ever && w->rc == VV_OK);
}

static void
start_workers(struct worker *w, void (*fn)(void *))
{
    for (size_t i = 0; i < WORKERS; i++) {
        expect_ok(vv_thread_start(&w[i].thread, "worker", fn, &w[i], &err_));
    }
}

static void
expect_workers(struct worker *w, enum vv_rc rc)
{
    for (size_t i = 0; i < WORKERS; i++) {
        vv_thread_join(&w[i].thread);
        if (w[i].rc != rc) {
            fail_msg("'%s': %s", vv_rc_name(w[i].rc), w[i].err.message);
        }
    }
}

static void
threads__share_a_channel(void **state)
{
    struct served *s = *state;
    struct worker w[WORKERS] = {0};
    struct sftp_handle h;
    struct sftp_attributes a;
    uint8_t *data = pattern(LARGE, 4);
    uint8_t *back = malloc(LARGE);

    assert_non_null(back);
    expect_ok(sftp_open(s->client, served_path(s, "file"),
                        SFTP_OPEN_READ | SFTP_OPEN_WRITE | SFTP_OPEN_CREATE, 0600, &h, &err_));
    for (size_t i = 0; i < WORKERS; i++) {
        size_t from = LARGE / WORKERS * i - (i > 0 ? i : 0); /* pieces begin anywhere */
        w[i] = (struct worker){
            .client = s->client, .handle = &h, .data = data, .back = back, .from = from};
    }
    for (size_t i = 0; i < WORKERS; i++) {
        w[i].len = (i + 1 < WORKERS ? w[i + 1].from : LARGE) - w[i].from;
    }
    start_workers(w, work_up);
    expect_ok(sftp_stat(s->client, s->directory, &a, &err_)); /* in between */
    expect_workers(w, VV_OK);
    expect_ok(sftp_fstat(s->client, &h, &a, &err_));
    assert_int_equal(a.size, LARGE);
    start_workers(w, work_down);
    expect_workers(w, VV_OK);
    assert_memory_equal(data, back, LARGE);
    assert_int_equal(sftp_client_busy(s->client), 0);
    expect_ok(sftp_close(s->client, &h, &err_));
    free(data);
    free(back);
}

static void
threads__all_learn_of_the_end_of_the_server(void **state)
{
    struct served *s = *state;
    struct worker w[WORKERS] = {0};
    struct sftp_client *c = NULL;
    struct byte_stream *stream = NULL;
    struct sftp_handle h;
    uint8_t *back = malloc(LARGE);
    const char *const argv[] = {"sh",
                                "-c",
                                "echo $$ >\"$0\"; echo last words >&2; exec \"$1\"",
                                served_path(s, "pid"),
                                server_program(),
                                NULL};
    struct vv_error err = {0};
    char pid[32] = {0};
    struct sftp_counts counts;

    assert_non_null(back);
    expect_ok(stream_child_new(argv, "doomed server", &stream, &err_));
    expect_ok(sftp_client_new(stream, NULL, &c, &err_));
    write_local(served_path(s, "file"), back, LARGE / 4);
    expect_ok(sftp_open(c, served_path(s, "file"), SFTP_OPEN_READ, 0, &h, &err_));
    for (size_t i = 0; i < WORKERS; i++) {
        size_t len = LARGE / 4 / WORKERS;
        w[i] = (struct worker){
            .client = c, .handle = &h, .back = back, .from = len * i, .len = len, .for_ever = true};
    }
    start_workers(w, work_down);
    do {
        usleep(1000);
        sftp_client_counts(c, &counts);
    } while (counts.bytes_received < LARGE / 8);
    int fd = open(served_path(s, "pid"), O_RDONLY);
    assert_true(read(fd, pid, sizeof(pid) - 1) > 0);
    close(fd);
    assert_int_equal(kill((pid_t)strtol(pid, NULL, 10), SIGKILL), 0);
    expect_workers(w, VV_ETRANSIENT);
    assert_non_null(strstr(w[0].err.message, "doomed server: the server closed the connection"));
    assert_non_null(strstr(w[0].err.message, "last words"));
    assert_int_equal(sftp_close(c, &h, &err), VV_ETRANSIENT);
    assert_true(sftp_client_failed(c));
    sftp_client_free(c);
    free(back);
}

int
main(void)
{
#define SERVED(test) cmocka_unit_test_setup_teardown(test, served_setup, served_teardown)
    const struct CMUnitTest tests[] = {
        SERVED(client__knows_what_the_server_offers),
        SERVED(open__creates_exclusively),
        SERVED(open__tells_what_is_missing_from_what_is_forbidden),
        SERVED(write__and_read_move_what_was_given),
        SERVED(write__to_a_file_open_for_reading_is_refused),
        SERVED(write_file__needs_two_round_trips),
        SERVED(hardlink__does_not_replace),
        SERVED(paths__are_made_removed_and_inspected),
        SERVED(paths__too_long_are_refused),
        SERVED(raw__sends_anything),
        SERVED(list__names_every_one_once),
        SERVED(list__ends_when_told),
        SERVED(list_many__takes_few_round_trips),
        SERVED(threads__share_a_channel),
        SERVED(threads__all_learn_of_the_end_of_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
