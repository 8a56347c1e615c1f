/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots that this host has read are not read again, and nothing else changes by that. */
#include "helper_repository.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"

/** Readings of slots since the last time. */
static unsigned reads;

static enum fault_verdict
count_reads(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    reads += op == STORAGE_READ && strncmp(name, "snapshots/", 10) == 0;
    return FAULT_PASS;
}

static void
begin(struct world *w)
{
    world_begin(w);
    w->hook = count_reads;
}

static void
slot_name(const struct snapshot *s, char out[64])
{
    memcpy(out, "snapshots/", 10);
    vv_uuid_text(&s->session, out + 10);
}

/** What a run of ${repo} sees, and how many slots it reads; closes it. */
struct seen {
    size_t count;
    size_t damaged;
    size_t bodies;
    size_t revoked;
    unsigned reads;
    enum freshness freshness;
};
static struct seen
look(struct repo *repo, enum known_slots how)
{
    struct snapshot_list l;
    struct seen seen = {0};

    repo_use_known_slots(repo, how);
    reads = 0;
    must(snapshot_list_read(repo, &l, E));
    seen = (struct seen){.count = l.count,
                         .damaged = l.damaged,
                         .revoked = l.revoked,
                         .reads = reads,
                         .freshness = l.freshness};
    for (size_t i = 0; i < l.count; i++) {
        const struct snapshot_body *body = &l.snapshots[i].body;
        seen.bodies += body->source_count == 1 && body->sources[0].len == 4 &&
                       memcmp(body->sources[0].data, "/srv", 4) == 0;
    }
    snapshot_list_release(&l);
    repo_free(repo);
    return seen;
}

static void
backup_on(struct world *w, const char *host, struct snapshot *ret)
{
    struct repo *repo = world_open(w, host);

    backup(repo, host, ret);
    repo_free(repo);
}

/** The one cache of slots of a host: its path. */
static void
cache_file(struct world *w, const char *host, char out[256])
{
    struct repo *repo = world_open(w, host);
    struct vv_buf path = {0};

    assert_true(repo_cache_path(repo, "slots", &path));
    (void)snprintf(out, 256, "%s", vv_buf_text(&path));
    vv_buf_release(&path);
    repo_free(repo);
}

static long
file_size(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

static void
slot_cache__reads_each_slot_once(void **state)
{
    struct world w;
    struct seen seen;

    (void)state;
    begin(&w);
    for (int i = 0; i < 5; i++) {
        backup_on(&w, "a", NULL);
    }
    seen = look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED);
    assert_int_equal(seen.count, 5);
    assert_int_equal(seen.reads, 5);
    seen = look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED);
    assert_int_equal(seen.count, 5);
    assert_int_equal(seen.bodies, 5);
    assert_int_equal(seen.reads, 0);
    assert_int_equal(seen.freshness, FRESHNESS_OK);
    backup_on(&w, "a", NULL);
    seen = look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED);
    assert_int_equal(seen.bodies, 6);
    assert_int_equal(seen.reads, 1);
    seen = look(world_open(&w, "b"), KNOWN_SLOTS_UNUSED); /* as everybody else */
    assert_int_equal(seen.reads, 6);
    assert_int_equal(w.events.problems, 0);
    world_end(&w);
}

/* Whoever commits asks for its place in the chain, too. */
static void
slot_cache__serves_the_commit(void **state)
{
    struct world w;
    struct repo *repo;
    struct seen seen;

    (void)state;
    begin(&w);
    for (int i = 0; i < 5; i++) {
        backup_on(&w, "a", NULL);
    }
    (void)look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED);
    repo = world_open(&w, "b");
    repo_use_known_slots(repo, KNOWN_SLOTS_TRUSTED);
    reads = 0;
    backup(repo, "b", NULL);
    assert_int_equal(reads, 0);
    assert_int_equal(look(repo, KNOWN_SLOTS_TRUSTED).reads, 1); /* its own */
    backup_on(&w, "a", NULL);
    repo = world_open(&w, "b");
    repo_use_known_slots(repo, KNOWN_SLOTS_TRUSTED);
    reads = 0;
    backup(repo, "b", NULL); /* reads what is new, without opening it: that is kept by who does */
    assert_int_equal(reads, 1);
    assert_int_equal(look(repo, KNOWN_SLOTS_TRUSTED).reads, 2);
    seen = look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED);
    assert_int_equal(seen.reads, 0);
    assert_int_equal(seen.bodies, 8);
    world_end(&w);
}

/* Q1; and what freshness says stays the same. */
static void
slot_cache__holds_nothing_that_is_not_listed(void **state)
{
    struct world w;
    struct snapshot first;
    struct seen seen;
    char name[64];

    (void)state;
    begin(&w);
    backup_on(&w, "a", &first);
    backup_on(&w, "a", NULL);
    (void)look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED);
    slot_name(&first, name);
    world_drop(&w, name);
    seen = look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.freshness, FRESHNESS_ROLLED_BACK);
    world_end(&w);
}

/* Q5 */
static void
slot_cache__compares_where_the_storage_counts(void **state)
{
    struct world w;
    struct snapshot first;
    struct repo *repo;
    struct seen seen;
    char name[64];

    (void)state;
    begin(&w);
    backup_on(&w, "a", &first);
    backup_on(&w, "a", NULL);
    (void)look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED);
    seen = look(world_open(&w, "b"), KNOWN_SLOTS_COMPARED);
    assert_int_equal(seen.reads, 2);
    assert_int_equal(seen.bodies, 2);
    repo = world_open(&w, "b");
    must(snapshot_confirm(repo, &first, E));
    slot_name(&first, name);
    world_flip(&w, name, 100);
    assert_int_equal(snapshot_confirm(repo, &first, E), VV_ECORRUPT);
    assert_int_equal(look(repo, KNOWN_SLOTS_TRUSTED).bodies, 2);
    seen = look(world_open(&w, "b"), KNOWN_SLOTS_COMPARED);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.damaged, 1);
    world_flip(&w, name, 100); /* the same byte again: it is whole */
    assert_int_equal(look(world_open(&w, "b"), KNOWN_SLOTS_COMPARED).bodies, 2);
    world_end(&w);
}

/* Q3: a revocation made since counts. */
static void
slot_cache__asks_the_administrator_each_time(void **state)
{
    struct world w;
    struct snapshot second;
    struct repo *admin;
    struct seen seen;

    (void)state;
    begin(&w);
    backup_on(&w, "a", NULL);
    backup_on(&w, "a", &second);
    assert_int_equal(look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED).count, 2);
    admin = world_open(&w, "init");
    must(key_revoke(admin, &second.client, second.sequence, E));
    repo_free(admin);
    seen = look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.revoked, 1);
    assert_int_equal(seen.reads, 0);
    world_end(&w);
}

/* Q4: a changed byte anywhere, or an end that is missing, and it is as if it were not there. */
static void
slot_cache__believes_nothing_that_does_not_open(void **state)
{
    struct world w;
    char path[256];
    long size;

    (void)state;
    begin(&w);
    for (int i = 0; i < 3; i++) { /* an envelope each */
        backup_on(&w, "a", NULL);
        (void)look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED);
    }
    cache_file(&w, "b", path);
    size = file_size(path);
    assert_true(size > 300);
    for (long at = 0; at < size; at += 97) {
        struct seen seen;
        uint8_t byte;
        int fd = open(path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x40;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_int_equal(close(fd), 0);
        seen = look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED);
        assert_int_equal(seen.bodies, 3);
        assert_true(seen.reads >= 1 && seen.reads <= 3);
        assert_int_equal(look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED).reads, 0);
        size = file_size(path);
    }
    assert_int_equal(truncate(path, size - 1), 0);
    assert_int_equal(look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED).bodies, 3);
    assert_int_equal(look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED).reads, 0);
    assert_int_equal(w.events.problems, 0);
    world_end(&w);
}

static void
slot_cache__does_not_keep_what_is_gone(void **state)
{
    struct world w;
    struct snapshot all[16];
    char name[64];
    char path[256];
    long most = 0;

    (void)state;
    begin(&w);
    cache_file(&w, "b", path);
    for (int i = 0; i < 16; i++) {
        backup_on(&w, "a", &all[i]);
        (void)look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED);
    }
    for (int round = 0; round < 4; round++) { /* the oldest go, new ones come */
        for (int i = 0; i < 16; i++) {
            slot_name(&all[i], name);
            world_drop(&w, name);
            backup_on(&w, "a", &all[i]);
            assert_int_equal(look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED).reads, 1);
            most = file_size(path) > most ? file_size(path) : most;
        }
    }
    assert_true(file_size(path) < most / 2); /* it was written anew */
    world_end(&w);
}

/* A key of another role has a cache of its own, and opens what it may. */
static void
slot_cache__belongs_to_one_key(void **state)
{
    struct world w;
    char path[256];

    (void)state;
    begin(&w);
    world_add_client(&w, KEY_ROLE_READER, "auditor");
    world_add_client(&w, KEY_ROLE_WRITER, "shop");
    backup_on(&w, "a", NULL);
    (void)look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED);
    assert_int_equal(look(world_open_client(&w, "auditor", "b"), KNOWN_SLOTS_TRUSTED).reads, 1);
    assert_int_equal(look(world_open_client(&w, "auditor", "b"), KNOWN_SLOTS_TRUSTED).reads, 0);
    assert_int_equal(look(world_open_client(&w, "auditor", "b"), KNOWN_SLOTS_TRUSTED).bodies, 1);
    assert_int_equal(look(world_open_client(&w, "shop", "b"), KNOWN_SLOTS_TRUSTED).reads, 1);
    assert_int_equal(look(world_open_client(&w, "shop", "b"), KNOWN_SLOTS_TRUSTED).reads, 0);
    assert_int_equal(look(world_open_client(&w, "shop", "b"), KNOWN_SLOTS_TRUSTED).bodies, 0);
    cache_file(&w, "b", path);
    assert_true(file_size(path) > 0);
    w.no_cache = true;
    assert_int_equal(look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED).reads, 1);
    assert_int_equal(look(world_open(&w, "b"), KNOWN_SLOTS_TRUSTED).reads, 1);
    world_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slot_cache__reads_each_slot_once),
        cmocka_unit_test(slot_cache__serves_the_commit),
        cmocka_unit_test(slot_cache__holds_nothing_that_is_not_listed),
        cmocka_unit_test(slot_cache__compares_where_the_storage_counts),
        cmocka_unit_test(slot_cache__asks_the_administrator_each_time),
        cmocka_unit_test(slot_cache__believes_nothing_that_does_not_open),
        cmocka_unit_test(slot_cache__does_not_keep_what_is_gone),
        cmocka_unit_test(slot_cache__belongs_to_one_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
