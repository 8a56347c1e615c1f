/* SPDX-License-Identifier: BSD-2-Clause */
/* The client against servers that do not do as they should. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alloc_sweep.h"
#include "core/rate_limit.h"
#include "helper_script.h"
#include "helper_server.h"

#define BYTES (1u << 20)

static uint8_t buffer[BYTES + 16];

static void
expect_content(const uint8_t *data, uint64_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] != script_byte(offset + i)) {
            fail_msg("byte %zu is wrong", i);
        }
    }
}

/* ---- what is allowed, though unusual ---- */

static void
read__continues_short_answers(void **state)
{
    static const uint32_t lengths[] = {1, 7, 4096, 32767};

    (void)state;
    for (size_t i = 0; i < VV_COUNT(lengths); i++) {
        struct script s = {.short_reads = lengths[i], .size = lengths[i] < 10 ? 999 : BYTES};
        struct sftp_client *c = script_client(&s, script_serve, NULL);
        size_t got = 0;
        memset(buffer, 0, sizeof(buffer));
        expect_ok(sftp_read_file(c, "file", 0, buffer, s.size, &got, &err_));
        assert_int_equal(got, s.size);
        expect_content(buffer, 0, got);
        expect_ok(sftp_read_file(c, "file", s.size - 100, buffer, 1000, &got, &err_));
        assert_int_equal(got, 100);
        expect_content(buffer, s.size - 100, got);
        assert_int_equal(buffer[100], script_byte(100)); /* not written beyond */
        sftp_client_free(c);
        script_end(&s);
    }
}

/* Takes FSTAT and eight READs, answers the last first. */
static void
answer_in_reverse(struct script *s)
{
    enum { COUNT = 9 };
    static struct script_request r[COUNT];

    if (!script_greet(s) || !script_take(s, &r[0]) || !script_reply(s, &r[0])) { /* OPEN */
        return;
    }
    for (int i = 0; i < COUNT; i++) {
        if (!script_take(s, &r[i])) {
            return;
        }
    }
    for (int i = COUNT; i-- > 0;) {
        if (!script_reply(s, &r[i])) {
            return;
        }
    }
    script_hold(s);
}

static void
read__takes_answers_in_any_order(void **state)
{
    struct script s = {.size = BYTES};
    struct sftp_client *c = script_client(&s, answer_in_reverse, NULL);
    size_t got = 0;

    (void)state;
    assert_int_equal(sftp_client_read_size(c), 32768);
    expect_ok(sftp_read_file(c, "file", 3, buffer, 8 * 32768, &got, &err_));
    assert_int_equal(got, 8 * 32768);
    expect_content(buffer, 3, got);
    sftp_client_free(c);
    script_end(&s);
}

/* After a short answer that ends where fstat said the file ends nothing more is asked for. */
static void
read_file__believes_fstat_about_the_end(void **state)
{
    struct script s = {.size = 777};
    struct sftp_client *c = script_client(&s, script_serve, NULL);
    struct sftp_counts before;
    struct sftp_counts after;
    size_t got = 0;

    (void)state;
    sftp_client_counts(c, &before);
    expect_ok(sftp_read_file(c, "file", 7, buffer, 1000, &got, &err_));
    sftp_client_counts(c, &after);
    assert_int_equal(got, 770);
    expect_content(buffer, 7, got);
    assert_int_equal(after.round_trips - before.round_trips, 2); /* OPEN; FSTAT and READ */
    sftp_client_free(c);
    script_end(&s);
}

/* A server that sends its packets in pieces of one byte. */
static void
answer_byte_by_byte(struct script *s)
{
    static struct script_request r;
    static const uint8_t data[] = {0, 0, 0, 12, 103, 0, 0, 0, 0, 0, 0, 0, 3, 'a', 'b', 'c'};
    uint8_t packet[sizeof(data)];

    for (int i = 0; i < 3; i++) { /* OPEN, FSTAT, READ */
        if ((i == 0 && !script_greet(s)) || !script_take(s, &r) ||
            (i < 2 && !script_reply(s, &r))) {
            return;
        }
    }
    memcpy(packet, data, sizeof(data));
    sftp_store_u32(packet + 5, r.id);
    for (size_t i = 0; i < sizeof(data); i++) {
        if (!script_bytes(s, packet + i, 1)) {
            return;
        }
        usleep(500);
    }
    script_hold(s);
}

static void
read__takes_bytes_one_by_one(void **state)
{
    struct script s = {0};
    struct sftp_client *c = script_client(&s, answer_byte_by_byte, NULL);
    size_t got = 0;

    (void)state;
    expect_ok(sftp_read_file(c, "file", 0, buffer, 3, &got, &err_));
    assert_int_equal(got, 3);
    assert_memory_equal(buffer, "abc", 3);
    sftp_client_free(c);
    script_end(&s);
}

static void
client__does_without_extensions(void **state)
{
    struct script s = {.size = 5};
    struct sftp_client *c = script_client(&s, script_serve, NULL);
    struct vv_error err = {0};
    uint64_t free_bytes;
    uint64_t total;
    struct sftp_handle h = {.len = 1};

    (void)state;
    assert_int_equal(sftp_client_extensions(c), 0);
    assert_string_equal(sftp_client_extension_names(c), "");
    assert_int_equal(sftp_client_write_size(c), 32768);
    assert_int_equal(sftp_hardlink(c, "a", "b", &err), VV_EUNSUPPORTED);
    assert_int_equal(sftp_fsync(c, &h, &err), VV_EUNSUPPORTED);
    assert_int_equal(sftp_statvfs(c, "a", &free_bytes, &total, &err), VV_EUNSUPPORTED);
    assert_int_equal(sftp_write_file(c, "a", 0400, vv_span("12345", 5), true, &err),
                     VV_EUNSUPPORTED);
    expect_ok(sftp_write_file(c, "a", 0400, vv_span("12345", 5), false, &err_));
    assert_int_equal(sftp_write_file(c, "a", 0400, vv_span("1234", 4), false, &err), VV_EIO);
    assert_non_null(strstr(err.message, "5 bytes on the server, 4 were written"));
    sftp_client_free(c);
    script_end(&s);
}

/* ---- the first packet ---- */

static enum vv_rc
first_words(script_fn *fn, uint32_t version, struct vv_error *err)
{
    struct script s = {.version = version};
    struct sftp_client *c = NULL;
    enum vv_rc rc = sftp_client_new(script_begin(&s, fn), NULL, &c, err);

    sftp_client_free(c);
    script_end(&s);
    return rc;
}

static void
print_banner(struct script *s)
{
    script_bytes(s, "Welcome to\033 example!\nsecond line\n", 34);
    script_hold(s);
}

static void
new__tells_of_text_before_the_first_packet(void **state)
{
    struct vv_error err = {0};

    (void)state;
    assert_int_equal(first_words(print_banner, 0, &err), VV_EIO);
    assert_non_null(strstr(err.message, "'Welcome to\033 example!'"));
    assert_non_null(strstr(err.hint, ".bashrc"));
}

static void
new__refuses_version_2(void **state)
{
    struct vv_error err = {0};

    (void)state;
    assert_int_equal(first_words(script_serve, 2, &err), VV_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "version 2"));
    assert_int_equal(first_words(script_serve, 6, &err), VV_OK);
}

static void
begin_with_status(struct script *s)
{
    script_status(s, 1, SFTP_OK);
    script_hold(s);
}

static void
begin_with_half_a_version(struct script *s)
{
    script_bytes(s, "\0\0\0\7\2\0", 6);
}

static void
begin_with_broken_extensions(struct script *s)
{
    script_bytes(s, "\0\0\0\11\2\0\0\0\3\0\0\1\0", 13);
    script_hold(s);
}

static void
say_nothing(struct script *s)
{
    (void)s;
}

static void
new__refuses_what_is_no_greeting(void **state)
{
    struct vv_error err = {0};

    (void)state;
    assert_int_equal(first_words(begin_with_status, 0, &err), VV_EIO);
    assert_int_equal(first_words(begin_with_half_a_version, 0, &err), VV_ETRANSIENT);
    assert_int_equal(first_words(begin_with_broken_extensions, 0, &err), VV_EIO);
    assert_int_equal(first_words(say_nothing, 0, &err), VV_ETRANSIENT);
}

/* ---- F1 ---- */

/* How the STAT or READ that follows the greeting is answered. */
struct wrong {
    const char *what;
    bool reading; /* OPEN is answered, READ of 10 bytes wrongly; else it is a STAT */
    void (*answer)(struct script *s, uint32_t id);
    enum vv_rc rc;
};

static void
wrong_id(struct script *s, uint32_t id)
{
    script_status(s, id + 1, SFTP_FAILURE);
}

static void
wrong_generation(struct script *s, uint32_t id)
{
    script_status(s, id + 1024, SFTP_FAILURE);
}

static void
wrong_huge_id(struct script *s, uint32_t id)
{
    (void)id;
    script_status(s, UINT32_MAX, SFTP_FAILURE);
}

static void
wrong_ok(struct script *s, uint32_t id)
{
    script_status(s, id, SFTP_OK);
}

static void
wrong_handle(struct script *s, uint32_t id)
{
    script_answer(s, SFTP_PACKET_HANDLE, id, vv_span("\0\0\0\1h", 5));
}

static void
wrong_data(struct script *s, uint32_t id)
{
    script_answer(s, SFTP_PACKET_DATA, id, vv_span("\0\0\0\1h", 5));
}

static void
wrong_request(struct script *s, uint32_t id)
{
    script_answer(s, SFTP_PACKET_STAT, id, vv_span("\0\0\0\1h", 5));
}

static void
wrong_left_over(struct script *s, uint32_t id)
{
    script_answer(s, SFTP_PACKET_ATTRS, id, vv_span("\0\0\0\0x", 5));
}

static void
wrong_missing(struct script *s, uint32_t id)
{
    script_answer(s, SFTP_PACKET_ATTRS, id, vv_span("\0\0\0\1\0\0\0", 7));
}

static void
wrong_length(struct script *s, uint32_t id)
{
    (void)id;
    script_bytes(s, "\377\377\377\377\145\0\0\0\0", 9);
}

static void
wrong_short_length(struct script *s, uint32_t id)
{
    (void)id;
    script_bytes(s, "\0\0\0\4\145\0\0\0\0", 9);
}

static void
wrong_garbage(struct script *s, uint32_t id)
{
    uint8_t noise[4096];

    for (size_t i = 0; i < sizeof(noise); i++) {
        noise[i] = script_byte(i * 7 + id + 1);
    }
    script_bytes(s, noise, sizeof(noise));
}

static void
wrong_end(struct script *s, uint32_t id)
{
    (void)id;
    script_bytes(s, "\0\0\1\0\145\0\0\0\0", 9);
    shutdown(s->fd, SHUT_RDWR);
}

static void
wrong_more_data(struct script *s, uint32_t id)
{
    script_answer(s, SFTP_PACKET_DATA, id, vv_span("\0\0\0\13hello world", 15));
}

static void
wrong_data_length(struct script *s, uint32_t id)
{
    script_answer(s, SFTP_PACKET_DATA, id, vv_span("\0\0\0\4hello", 9));
}

static void
wrong_data_beyond_packet(struct script *s, uint32_t id)
{
    script_answer(s, SFTP_PACKET_DATA, id, vv_span("\0\0\0\12hello", 9));
}

static void
wrong_data_without_length(struct script *s, uint32_t id)
{
    script_answer(s, SFTP_PACKET_DATA, id, vv_span("\0\0", 2));
}

static void
wrong_end_of_data(struct script *s, uint32_t id)
{
    uint8_t head[] = {0, 0, 0, 19, 103, 0, 0, 0, 0, 0, 0, 0, 10, 'x'};

    sftp_store_u32(head + 5, id);
    script_bytes(s, head, sizeof(head));
    shutdown(s->fd, SHUT_RDWR);
}

static const struct wrong wrongs[] = {
    {"id of another", false, wrong_id, VV_EIO},
    {"id of another generation", false, wrong_generation, VV_EIO},
    {"largest id", false, wrong_huge_id, VV_EIO},
    {"OK to STAT", false, wrong_ok, VV_EIO},
    {"a handle to STAT", false, wrong_handle, VV_EIO},
    {"data to STAT", false, wrong_data, VV_EIO},
    {"a request", false, wrong_request, VV_EIO},
    {"a byte left over", false, wrong_left_over, VV_EIO},
    {"bytes missing", false, wrong_missing, VV_EIO},
    {"4 GiB", false, wrong_length, VV_EIO},
    {"4 bytes", false, wrong_short_length, VV_EIO},
    {"garbage", false, wrong_garbage, VV_EIO},
    {"the end within a packet", false, wrong_end, VV_ETRANSIENT},
    {"OK to READ", true, wrong_ok, VV_EIO},
    {"a handle to READ", true, wrong_handle, VV_EIO},
    {"attributes to READ", true, wrong_left_over, VV_EIO},
    {"more than asked for", true, wrong_more_data, VV_EIO},
    {"less data than the packet", true, wrong_data_length, VV_EIO},
    {"more data than the packet", true, wrong_data_beyond_packet, VV_EIO},
    {"data without length", true, wrong_data_without_length, VV_EIO},
    {"the end within data", true, wrong_end_of_data, VV_ETRANSIENT},
};

static void
answer_wrongly(struct script *s)
{
    static struct script_request r;
    const struct wrong *wrong = s->arg;

    if (!script_greet(s) || !script_take(s, &r) ||
        (wrong->reading && (!script_reply(s, &r) || !script_take(s, &r)))) {
        return;
    }
    wrong->answer(s, r.id);
    script_hold(s);
}

static void
answer__that_is_wrong_ends_the_channel(void **state)
{
    (void)state;
    for (size_t i = 0; i < VV_COUNT(wrongs); i++) {
        union {
            const struct wrong *wrong;
            void *arg;
        } which = {.wrong = &wrongs[i]};
        struct script s = {.arg = which.arg};
        struct sftp_client *c = script_client(&s, answer_wrongly, NULL);
        struct sftp_attributes a;
        struct vv_error err = {0};
        size_t got = 77;
        enum vv_rc rc = wrongs[i].reading ? sftp_read_file(c, "f", 0, buffer, 10, &got, &err)
                                          : sftp_stat(c, "f", &a, &err);
        if (rc != wrongs[i].rc || err.rc != rc || !sftp_client_failed(c)) {
            fail_msg("%s: '%s' (%s)", wrongs[i].what, vv_rc_name(rc), err.message);
        }
        if (rc == VV_EIO) {
            assert_non_null(strstr(err.message, "does not speak SFTP"));
        }
        /* F3: for ever. */
        assert_int_equal(sftp_stat(c, "f", &a, &err), wrongs[i].rc);
        assert_int_equal(got, 77);
        assert_int_equal(sftp_client_busy(c), 0);
        sftp_client_free(c);
        script_end(&s);
    }
}

static void
answer_twice(struct script *s)
{
    static struct script_request r;

    if (script_greet(s) && script_take(s, &r) && script_reply(s, &r)) {
        script_reply(s, &r);
        script_hold(s);
    }
}

static void
answer__that_comes_twice_ends_the_channel(void **state)
{
    struct script s = {0};
    struct sftp_client *c = script_client(&s, answer_twice, NULL);
    struct sftp_attributes a;
    struct vv_error err = {0};

    (void)state;
    expect_ok(sftp_stat(c, "f", &a, &err_));
    assert_int_equal(sftp_stat(c, "f", &a, &err), VV_EIO);
    assert_non_null(strstr(err.message, "waits for none"));
    sftp_client_free(c);
    script_end(&s);
}

/* Answers a WRITE of which it has seen the beginning only, and sees no more of it. */
static void
answer_too_early(struct script *s)
{
    static struct script_request r;
    static const uint8_t limits[] = {0, 0, 0, 0, 0, 4, 0,    0, 0, 0, 0, 0, 0, 3, 0xfc, 0,
                                     0, 0, 0, 0, 0, 3, 0xfc, 0, 0, 0, 0, 0, 0, 0, 0,    0};
    uint8_t head[9];

    if (!script_greet(s) || !script_take(s, &r) ||
        !script_answer(s, SFTP_PACKET_EXTENDED_REPLY, r.id, vv_span(limits, sizeof(limits))) ||
        !script_take(s, &r) || !script_reply(s, &r) || recv(s->fd, head, 9, MSG_WAITALL) != 9) {
        return;
    }
    script_status(s, sftp_load_u32(head + 5), SFTP_OK);
    struct pollfd gone = {.fd = s->fd, .events = POLLRDHUP};
    (void)poll(&gone, 1, -1);
}

static void
answer__before_the_request_has_left_ends_the_channel(void **state)
{
    struct script s = {.extensions = {"limits@openssh.com"}};
    struct sftp_client *c = script_client(&s, answer_too_early, NULL);
    struct vv_error err = {0};

    (void)state;
    assert_int_equal(sftp_client_write_size(c), 255 * 1024);
    assert_int_equal(sftp_write_file(c, "f", 0400, vv_span(buffer, 250 * 1024), false, &err),
                     VV_EIO);
    assert_non_null(strstr(err.message, "has not been sent"));
    sftp_client_free(c);
    script_end(&s);
}

/* ---- F3: the end of the line ---- */

static enum vv_rc
ignore_name(void *ctx, struct vv_span name, const struct sftp_attributes *a, struct vv_error *err)
{
    (void)name;
    (void)a;
    (void)err;
    ++*(unsigned *)ctx;
    return VV_OK;
}

/* Some of everything, until the first error. */
static enum vv_rc
work(struct sftp_client *c, struct vv_error *err)
{
    struct sftp_attributes a;
    size_t got;
    unsigned names = 0;
    const char *const two[] = {"a", "b"};

    VV_TRY(sftp_stat(c, "f", &a, err));
    VV_TRY(sftp_write_file(c, "f", 0400, vv_span(buffer, 100000), true, err));
    VV_TRY(sftp_read_file(c, "f", 0, buffer, 100000, &got, err));
    VV_TRY(sftp_mkdir_many(c, two, 2, 0700, err));
    VV_TRY(sftp_list(c, "d", ignore_name, &names, err));
    assert_int_equal(got, 100000);
    assert_int_equal(names, 2);
    return VV_OK;
}

static void
client__survives_the_end_at_every_packet(void **state)
{
    unsigned at = 1;
    bool through = false;

    (void)state;
    for (; !through; at++) {
        struct script s = {.hang_up_at = at, .size = 100000, .extensions = {"fsync@openssh.com"}};
        struct sftp_client *c = NULL;
        struct vv_error err = {0};
        enum vv_rc rc = sftp_client_new(script_begin(&s, script_serve), NULL, &c, &err);
        if (rc == VV_OK) {
            rc = work(c, &err);
            through = rc == VV_OK;
        }
        if (!through) {
            assert_int_equal(rc, VV_ETRANSIENT);
            assert_non_null(strstr(err.message, "closed the connection"));
        }
        if (c != NULL && !through) {
            struct sftp_attributes a;
            assert_int_equal(sftp_stat(c, "f", &a, &err), VV_ETRANSIENT);
        }
        sftp_client_free(c);
        script_end(&s);
        assert_true(at < 100);
    }
    assert_true(at > 15);
}

/* ---- F4, cancelling, limits ---- */

struct waiting {
    struct sftp_client *client;
    struct vv_thread thread;
    atomic_bool done;
    bool write;
    enum vv_rc rc;
    struct vv_error err;
};

static void
wait_for_it(void *arg)
{
    struct waiting *w = arg;
    struct sftp_attributes a;
    static uint8_t much[8 << 20];
    struct sftp_handle h = {.len = 1};

    w->rc = w->write ? sftp_write(w->client, &h, 0, vv_span(much, sizeof(much)), &w->err)
                     : sftp_stat(w->client, "f", &a, &w->err);
    atomic_store(&w->done, true);
}

/* Greets and never answers: takes everything, or nothing. */
static void
greet_and_take(struct script *s)
{
    if (script_greet(s)) {
        script_hold(s);
    }
}

static void
greet_and_stop(struct script *s)
{
    struct pollfd gone = {.fd = s->fd, .events = POLLRDHUP};

    if (script_greet(s)) {
        (void)poll(&gone, 1, -1);
    }
}

static void
expect_stall(script_fn *fn, bool writing)
{
    struct moved_clock clock;
    struct script s = {0};
    struct waiting w = {.write = writing};

    moved_clock_init(&clock);
    const struct sftp_options options = {.clock = &clock.base, .stall_ms = 60000};
    w.client = script_client(&s, fn, &options);
    expect_ok(vv_thread_start(&w.thread, "waits", wait_for_it, &w, &err_));
    /* Not before its time ... */
    struct sftp_counts counts;
    do {
        usleep(1000);
        sftp_client_counts(w.client, &counts);
    } while (counts.requests < 2);
    atomic_fetch_add(&clock.ns, UINT64_C(59000000000));
    usleep(250000);
    assert_false(atomic_load(&w.done));
    /* ... but then. */
    while (!atomic_load(&w.done)) {
        atomic_fetch_add(&clock.ns, UINT64_C(1000000000));
        usleep(10000);
    }
    vv_thread_join(&w.thread);
    assert_int_equal(w.rc, VV_ETRANSIENT);
    assert_non_null(strstr(w.err.message, "has not answered for"));
    sftp_client_free(w.client);
    script_end(&s);
}

static void
client__gives_up_a_silent_server(void **state)
{
    (void)state;
    expect_stall(greet_and_take, false);
    expect_stall(greet_and_stop, true);
}

static void
forget_the_first(struct script *s)
{
    static struct script_request r;

    if (script_greet(s) && script_take(s, &r)) {
        while (script_take(s, &r) && script_reply(s, &r)) {
        }
    }
}

static void
client__gives_up_a_server_that_forgets_a_request(void **state)
{
    struct moved_clock clock;
    struct script s = {0};
    struct waiting w = {0};
    struct sftp_counts counts;
    struct sftp_attributes a;
    unsigned steps = 0;

    (void)state;
    moved_clock_init(&clock);
    const struct sftp_options options = {.clock = &clock.base, .stall_ms = 60000};
    w.client = script_client(&s, forget_the_first, &options);
    expect_ok(vv_thread_start(&w.thread, "waits", wait_for_it, &w, &err_));
    do {
        usleep(1000);
        sftp_client_counts(w.client, &counts);
    } while (counts.requests < 2);
    while (sftp_stat(w.client, "g", &a, NULL) == VV_OK) {
        atomic_fetch_add(&clock.ns, UINT64_C(30000000000));
        assert_true(++steps < 100);
    }
    assert_true(steps >= 20); /* ten times a minute */
    vv_thread_join(&w.thread);
    assert_int_equal(w.rc, VV_ETRANSIENT);
    sftp_client_free(w.client);
    script_end(&s);
}

static void
client__gives_up_a_server_that_does_not_greet(void **state)
{
    struct script s = {0};
    struct sftp_client *c = NULL;
    struct vv_error err = {0};
    const struct sftp_options options = {.stall_ms = 50};

    (void)state;
    assert_int_equal(sftp_client_new(script_begin(&s, script_hold), &options, &c, &err),
                     VV_ETRANSIENT);
    assert_non_null(strstr(err.message, "has not answered"));
    script_end(&s);
}

static void
client__stops_when_told(void **state)
{
    struct script s = {0};
    struct vv_cancel cancel = {false};
    const struct sftp_options options = {.cancel = &cancel};
    struct waiting w = {.client = script_client(&s, greet_and_take, &options)};
    struct sftp_attributes a;

    (void)state;
    expect_ok(vv_thread_start(&w.thread, "waits", wait_for_it, &w, &err_));
    usleep(20000);
    assert_false(atomic_load(&w.done));
    atomic_store(&cancel.wanted, true);
    vv_thread_join(&w.thread);
    assert_int_equal(w.rc, VV_ECANCELLED);
    assert_int_equal(sftp_stat(w.client, "f", &a, NULL), VV_ECANCELLED);
    sftp_client_free(w.client);
    script_end(&s);
}

static void
client__keeps_to_a_rate(void **state)
{
    struct moved_clock clock;
    struct script s = {0};
    struct vv_rate_limit *limit = NULL;

    (void)state;
    moved_clock_init(&clock);
    expect_ok(vv_rate_limit_new(&clock.base, 8 << 20, &limit, &err_));
    const struct sftp_options options = {.clock = &clock.base, .limit = limit};
    struct waiting w = {.write = true, .client = script_client(&s, script_serve, &options)};
    uint64_t began = atomic_load(&clock.ns);
    expect_ok(vv_thread_start(&w.thread, "waits", wait_for_it, &w, &err_));
    while (!atomic_load(&w.done)) {
        atomic_fetch_add(&clock.ns, UINT64_C(5000000));
        usleep(500);
    }
    vv_thread_join(&w.thread);
    assert_int_equal(w.rc, VV_OK);
    /* 8 MiB at 8 MiB a second, a tenth of a second of them kept from before. */
    assert_true(atomic_load(&clock.ns) - began >= UINT64_C(880000000));
    sftp_client_free(w.client);
    vv_rate_limit_free(limit);
    script_end(&s);
}

/* ---- a directory without end ---- */

enum { NAMES_A_PACKET = 1000 };

static void
name_for_ever(struct script *s)
{
    static struct script_request r;
    static uint8_t names[4 + NAMES_A_PACKET * 34];

    if (!script_greet(s) || !script_take(s, &r) || !script_reply(s, &r)) {
        return;
    }
    sftp_store_u32(names, NAMES_A_PACKET);
    for (size_t i = 0; i < NAMES_A_PACKET; i++) {
        uint8_t *at = names + 4 + i * 34;
        sftp_store_u32(at, 22);
        memset(at + 4, 'n', 22);
    }
    while (script_take(s, &r)) {
        if (r.type == SFTP_PACKET_READDIR) {
            script_answer(s, SFTP_PACKET_NAME, r.id, vv_span(names, sizeof(names)));
        } else {
            script_status(s, r.id, SFTP_OK);
        }
    }
}

struct slow {
    struct sftp_client *client;
    unsigned names;
    uint64_t most;
};

/* Waits at first until much has come, and then to see whether more does; ends it at the third
 * time. */
static enum vv_rc
be_slow(void *ctx, struct vv_span name, const struct sftp_attributes *a, struct vv_error *err)
{
    struct slow *slow = ctx;
    struct sftp_counts counts;

    (void)a;
    assert_int_equal(name.len, 22);
    if (slow->names++ % (200 * NAMES_A_PACKET) == 0) {
        uint64_t before;
        sftp_client_counts(slow->client, &counts);
        do {
            before = counts.bytes_received;
            usleep(50000);
            sftp_client_counts(slow->client, &counts);
        } while (counts.bytes_received != before || before < 4 << 20);
        uint64_t looked_at = (uint64_t)slow->names * 34;
        uint64_t kept = counts.bytes_received - looked_at;
        slow->most = kept > slow->most ? kept : slow->most;
    }
    return slow->names < 450 * NAMES_A_PACKET ? VV_OK : vv_error_set(err, VV_EREFUSED, "enough");
}

static void
list__keeps_little_for_a_slow_caller(void **state)
{
    struct script s = {0};
    struct slow slow = {.client = script_client(&s, name_for_ever, NULL)};
    struct vv_error err = {0};
    struct sftp_attributes a;

    (void)state;
    assert_int_equal(sftp_list(slow.client, "d", be_slow, &slow, &err), VV_EREFUSED);
    /* What is kept, what was taken at once, and what was under way. */
    assert_true(slow.most > 4 << 20);
    assert_true(slow.most < 10 << 20);
    assert_int_not_equal(sftp_stat(slow.client, "f", &a, &err), VV_ENOMEM);
    sftp_client_free(slow.client);
    script_end(&s);
}

/* ---- memory ---- */

static enum vv_rc
work_anew(void *arg, struct vv_error *err)
{
    struct script s = {.size = 100000, .extensions = {"fsync@openssh.com"}};
    struct sftp_client *c = NULL;

    (void)arg;
    enum vv_rc rc = sftp_client_new(script_begin(&s, script_serve), NULL, &c, err);
    rc = rc != VV_OK ? rc : work(c, err);
    sftp_client_free(c);
    script_end(&s);
    return rc;
}

static void
client__copes_without_memory(void **state)
{
    (void)state;
    assert_true(alloc_sweep_coping(work_anew, NULL) > 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read__continues_short_answers),
        cmocka_unit_test(read__takes_answers_in_any_order),
        cmocka_unit_test(read_file__believes_fstat_about_the_end),
        cmocka_unit_test(read__takes_bytes_one_by_one),
        cmocka_unit_test(client__does_without_extensions),
        cmocka_unit_test(new__tells_of_text_before_the_first_packet),
        cmocka_unit_test(new__refuses_version_2),
        cmocka_unit_test(new__refuses_what_is_no_greeting),
        cmocka_unit_test(answer__that_is_wrong_ends_the_channel),
        cmocka_unit_test(answer__that_comes_twice_ends_the_channel),
        cmocka_unit_test(answer__before_the_request_has_left_ends_the_channel),
        cmocka_unit_test(client__survives_the_end_at_every_packet),
        cmocka_unit_test(client__gives_up_a_silent_server),
        cmocka_unit_test(client__gives_up_a_server_that_forgets_a_request),
        cmocka_unit_test(client__gives_up_a_server_that_does_not_greet),
        cmocka_unit_test(client__stops_when_told),
        cmocka_unit_test(client__keeps_to_a_rate),
        cmocka_unit_test(list__keeps_little_for_a_slow_caller),
        cmocka_unit_test(client__copes_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
