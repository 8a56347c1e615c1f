/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: one-thread */
/* The journal of a receiver of WAL: what is told as safe is there after a kill at any moment, and
 * nothing is dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc_sweep.h"
#include "core/alloc.h"
#include "engine/wal_journal.h"
#include "format/wal.h"

#define SIZE (1u << 20)
#define SYSTEM 7000000000000000001u

static char dir[64];
static struct vv_error err;
#define E (&err)
#define must(call)                                                                                 \
    do {                                                                                           \
        if ((call) != VV_OK) {                                                                     \
            fail_msg("%s: %s", #call, err.message);                                                \
        }                                                                                          \
    } while (0)

static int
begin(void **state)
{
    (void)state;
    memcpy(dir, "/tmp/varve-journal-XXXXXX", 26);
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int
end(void **state)
{
    DIR *d = opendir(dir);
    const struct dirent *e;

    (void)state;
    while (d != NULL && (e = readdir(d)) != NULL) {
        (void)unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    return rmdir(dir);
}

static struct wal_journal *
open_with(uint64_t limit)
{
    struct wal_journal_options o = {
        .directory = dir, .system = SYSTEM, .segment_size = SIZE, .limit = limit};
    struct wal_journal *j = NULL;

    must(wal_journal_open(&o, &j, E));
    return j;
}

/** The byte at a position, on every timeline. */
static uint8_t
byte_at(uint64_t lsn)
{
    return (uint8_t)(lsn ^ lsn >> 8 ^ lsn >> 16);
}

static enum vv_rc
put(struct wal_journal *j, uint64_t from, uint64_t to)
{
    uint8_t *data = malloc((size_t)(to - from) + 1);
    enum vv_rc rc;

    assert_non_null(data);
    for (uint64_t at = from; at < to; at++) {
        data[at - from] = byte_at(at);
    }
    rc = wal_journal_append(j, from, vv_span(data, (size_t)(to - from)), E);
    free(data);
    return rc;
}

/** Read all of a pending stretch back. */
static void
check_pending(struct wal_journal *j, const struct wal_pending *p)
{
    for (uint64_t at = p->from; at < p->to; at += SIZE) {
        struct wal_journal_reader *r = NULL;
        struct wal_file f = {0};
        uint8_t *data;
        must(wal_journal_read(j, p, at / SIZE, &r, &f, E));
        data = malloc((size_t)f.size);
        assert_non_null(data);
        for (uint64_t done = 0; done < f.size;) { /* in odd steps */
            size_t len = f.size - done < 10007 ? (size_t)(f.size - done) : 10007;
            must(f.read(f.ctx, done, data + done, len, E));
            done += len;
        }
        for (uint64_t i = 0; i < f.size; i++) {
            assert_int_equal(data[i], byte_at(at + i));
        }
        free(data);
        wal_journal_close(r);
    }
}

static void
journal__holds_what_was_safe(void **state)
{
    (void)state;
    struct wal_journal *j = open_with(UINT64_C(64) << 20);
    struct wal_pending p;

    assert_int_equal(wal_journal_end(j).timeline, 0);
    assert_false(wal_journal_pending(j, &p));
    must(wal_journal_begin(j, (struct wal_place){1, 5 * SIZE}, E));
    must(put(j, 5 * SIZE, 5 * SIZE + 1000));
    assert_int_equal(wal_journal_safe(j).timeline, 0); /* J1 */
    assert_false(wal_journal_pending(j, &p));
    must(wal_journal_sync(j, E));
    assert_int_equal(wal_journal_safe(j).lsn, 5 * SIZE + 1000);
    must(put(j, 5 * SIZE + 1000, 7 * SIZE + 77)); /* over two borders */
    must(wal_journal_sync(j, E));
    assert_true(wal_journal_pending(j, &p));
    assert_int_equal(p.from, 5 * SIZE);
    assert_int_equal(p.to, 7 * SIZE + 77);
    check_pending(j, &p);
    wal_journal_free(j);
    j = open_with(UINT64_C(64) << 20);
    assert_int_equal(wal_journal_end(j).lsn, 7 * SIZE + 77);
    assert_int_equal(wal_journal_safe(j).lsn, 7 * SIZE + 77);
    assert_true(wal_journal_pending(j, &p));
    check_pending(j, &p);
    must(put(j, 7 * SIZE + 77, 7 * SIZE + 100));
    must(wal_journal_sync(j, E));
    assert_true(wal_journal_pending(j, &p));
    check_pending(j, &p);
    wal_journal_free(j);
}

static void
journal__records_begin_where_the_last_ended(void **state)
{
    (void)state;
    struct wal_journal *j = open_with(UINT64_C(64) << 20);

    assert_int_equal(put(j, 0, 10), VV_ECORRUPT);
    assert_int_equal(wal_journal_begin(j, (struct wal_place){1, 100}, E), VV_EUSAGE);
    must(wal_journal_begin(j, (struct wal_place){1, SIZE}, E));
    must(put(j, SIZE, SIZE + 10));
    assert_int_equal(put(j, SIZE + 11, SIZE + 20), VV_ECORRUPT);
    assert_int_equal(put(j, SIZE + 9, SIZE + 20), VV_ECORRUPT);
    must(put(j, SIZE + 10, 2 * SIZE));
    assert_int_equal(put(j, 3 * SIZE, 3 * SIZE + 1), VV_ECORRUPT);
    must(put(j, 2 * SIZE, 2 * SIZE + 1));
    wal_journal_free(j);
}

static void
journal__lets_go_of_what_is_published_and_whole(void **state)
{
    (void)state;
    struct wal_journal *j = open_with(UINT64_C(64) << 20);
    struct wal_pending p;

    must(wal_journal_begin(j, (struct wal_place){1, 0}, E));
    must(put(j, 0, SIZE + 500));
    must(wal_journal_sync(j, E));
    assert_true(wal_journal_pending(j, &p));
    must(wal_journal_done(j, &p, E));
    assert_false(wal_journal_pending(j, &p));
    assert_in_range(wal_journal_bytes(j), 500, 1000); /* J3: the piece stays */
    assert_int_equal(wal_journal_safe(j).lsn, SIZE + 500);
    must(put(j, SIZE + 500, SIZE + 600));
    must(wal_journal_sync(j, E));
    assert_true(wal_journal_pending(j, &p));
    assert_int_equal(p.from, SIZE); /* the piece is published from its beginning */
    assert_int_equal(p.published, SIZE + 500);
    assert_int_equal(p.to, SIZE + 600);
    check_pending(j, &p);
    must(wal_journal_done(j, &p, E));
    wal_journal_free(j);
    j = open_with(UINT64_C(64) << 20);
    assert_false(wal_journal_pending(j, &p));
    assert_int_equal(wal_journal_published(j).lsn, SIZE + 600);
    /* The next timeline: the last piece of the old one is over. */
    must(wal_journal_begin(j, (struct wal_place){2, SIZE}, E));
    must(put(j, SIZE, SIZE + 700));
    must(wal_journal_sync(j, E));
    assert_true(wal_journal_pending(j, &p));
    assert_int_equal(p.timeline, 2);
    must(wal_journal_done(j, &p, E));
    must(put(j, SIZE + 700, 2 * SIZE));
    must(wal_journal_sync(j, E));
    assert_true(wal_journal_pending(j, &p));
    must(wal_journal_done(j, &p, E));
    assert_int_equal(wal_journal_bytes(j), 0);
    assert_int_equal(wal_journal_safe(j).lsn, 2 * SIZE);
    wal_journal_free(j);
    j = open_with(UINT64_C(64) << 20);
    assert_int_equal(wal_journal_published(j).timeline, 2);
    assert_int_equal(wal_journal_published(j).lsn, 2 * SIZE);
    wal_journal_free(j);
}

static void
journal__takes_no_more_at_its_limit_and_drops_nothing(void **state)
{
    (void)state;
    struct wal_journal *j = open_with(0); /* four segments */
    struct wal_pending p;
    uint64_t before;

    must(wal_journal_begin(j, (struct wal_place){1, 0}, E));
    assert_int_equal(put(j, 0, 6 * SIZE), VV_ELIMIT); /* J4 */
    before = wal_journal_end(j).lsn;
    assert_in_range(before, 3 * SIZE, 4 * SIZE);
    assert_int_equal(put(j, before, before + SIZE), VV_ELIMIT);
    assert_int_equal(wal_journal_end(j).lsn, before);
    must(wal_journal_sync(j, E));
    assert_true(wal_journal_pending(j, &p));
    check_pending(j, &p);
    must(wal_journal_done(j, &p, E));
    must(put(j, before, before + 1000));
    wal_journal_free(j);
}

static void
journal__belongs_to_one_process_and_one_cluster(void **state)
{
    (void)state;
    struct wal_journal *j = open_with(UINT64_C(64) << 20);
    struct wal_journal_options o = {.directory = dir, .system = SYSTEM, .segment_size = SIZE};
    struct wal_journal *other = NULL;

    must(wal_journal_begin(j, (struct wal_place){1, 0}, E));
    must(put(j, 0, 10));
    must(wal_journal_sync(j, E));
    assert_int_equal(wal_journal_open(&o, &other, E), VV_EREFUSED);
    wal_journal_free(j);
    o.system++;
    assert_int_equal(wal_journal_open(&o, &other, E), VV_EREFUSED);
}

/** Every byte at which a kill may have ended the writing: what is left is a prefix, of whole records. */
static void
journal__survives_a_kill_at_any_byte(void **state)
{
    (void)state;
    static const uint64_t ends[] = {0, 1, 130, 131, 400};
    struct wal_journal *j = open_with(UINT64_C(64) << 20);
    char path[128];
    uint8_t whole[1024];
    ssize_t size;
    int fd;

    must(wal_journal_begin(j, (struct wal_place){3, 9 * SIZE}, E));
    for (size_t i = 1; i < VV_COUNT(ends); i++) {
        must(put(j, 9 * SIZE + ends[i - 1], 9 * SIZE + ends[i]));
    }
    must(wal_journal_sync(j, E));
    wal_journal_free(j);
    (void)snprintf(path, sizeof(path), "%s/000000030000000000000009.wal", dir);
    fd = open(path, O_RDONLY);
    size = read(fd, whole, sizeof(whole));
    (void)close(fd);
    assert_in_range(size, 400, sizeof(whole) - 1);
    for (ssize_t cut = 0; cut <= size; cut++) {
        uint64_t got;
        size_t i = 0;
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        assert_int_equal(write(fd, whole, (size_t)cut), cut);
        if (cut % 2 == 0) { /* or the file was longer already, but not written */
            assert_int_equal(ftruncate(fd, cut + 100), 0);
        }
        (void)close(fd);
        j = open_with(UINT64_C(64) << 20);
        got = wal_journal_end(j).timeline == 0 ? 0 : wal_journal_end(j).lsn - 9 * SIZE;
        while (i < VV_COUNT(ends) && ends[i] != got) {
            i++;
        }
        assert_true(i < VV_COUNT(ends));
        assert_int_equal(cut == size, got == 400);
        if (got > 0) {
            struct wal_pending p;
            assert_true(wal_journal_pending(j, &p));
            check_pending(j, &p);
            must(put(j, 9 * SIZE + got, 9 * SIZE + got + 5)); /* and it goes on */
            must(wal_journal_sync(j, E));
        }
        wal_journal_free(j);
    }
}

static void
journal__finds_a_flipped_bit(void **state)
{
    (void)state;
    struct wal_journal *j = open_with(UINT64_C(64) << 20);
    char path[128];
    uint8_t byte;
    int fd;

    must(wal_journal_begin(j, (struct wal_place){1, 0}, E));
    must(put(j, 0, 300));
    must(put(j, 300, 600));
    must(wal_journal_sync(j, E));
    wal_journal_free(j);
    (void)snprintf(path, sizeof(path), "%s/000000010000000000000000.wal", dir);
    fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, 500), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, 500), 1);
    (void)close(fd);
    j = open_with(UINT64_C(64) << 20);
    assert_int_equal(wal_journal_end(j).lsn, 300);
    wal_journal_free(j);
}

static enum vv_rc
open_again(void *arg, struct vv_error *e)
{
    struct wal_journal_options o = {
        .directory = dir, .system = SYSTEM, .segment_size = SIZE, .limit = 64u * SIZE};
    struct wal_journal *j = NULL;
    enum vv_rc rc = wal_journal_open(&o, &j, e);

    if (rc == VV_OK) {
        assert_int_equal(wal_journal_end(j).lsn, *(const uint64_t *)arg);
    }
    wal_journal_free(j);
    return rc;
}

/** Memory that is short when a journal is opened says nothing about what it holds (J4). */
static void
journal__loses_nothing_for_want_of_memory(void **state)
{
    (void)state;
    struct wal_journal *j = open_with(UINT64_C(64) << 20);
    uint64_t safe = SIZE + 300;

    must(wal_journal_begin(j, (struct wal_place){1, 0}, E));
    must(put(j, 0, safe));
    must(wal_journal_sync(j, E));
    wal_journal_free(j);
    assert_true(alloc_sweep_coping(open_again, &safe) > 0);
    must(open_again(&safe, E));
}

/** A server that left the old timeline before what was received of it: nothing of the new one is safe
 *  that was not received (J1). */
static void
journal__tells_nothing_as_safe_beyond_where_a_stretch_begins(void **state)
{
    (void)state;
    struct wal_journal *j = open_with(UINT64_C(64) << 20);

    must(wal_journal_begin(j, (struct wal_place){1, 0}, E));
    must(put(j, 0, 2 * SIZE + 300));
    must(wal_journal_sync(j, E));
    assert_int_equal(wal_journal_safe(j).lsn, 2 * SIZE + 300);
    must(wal_journal_begin(j, (struct wal_place){2, SIZE}, E));
    assert_int_equal(wal_journal_safe(j).lsn, SIZE);
    must(put(j, SIZE, SIZE + 10));
    assert_int_equal(wal_journal_safe(j).lsn, SIZE);
    must(wal_journal_sync(j, E));
    assert_int_equal(wal_journal_safe(j).timeline, 2);
    assert_int_equal(wal_journal_safe(j).lsn, SIZE + 10);
    wal_journal_free(j);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(journal__holds_what_was_safe),
        CASE(journal__records_begin_where_the_last_ended),
        CASE(journal__lets_go_of_what_is_published_and_whole),
        CASE(journal__takes_no_more_at_its_limit_and_drops_nothing),
        CASE(journal__belongs_to_one_process_and_one_cluster),
        CASE(journal__survives_a_kill_at_any_byte),
        CASE(journal__finds_a_flipped_bit),
        CASE(journal__loses_nothing_for_want_of_memory),
        CASE(journal__tells_nothing_as_safe_beyond_where_a_stretch_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
