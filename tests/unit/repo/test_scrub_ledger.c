/* SPDX-License-Identifier: BSD-2-Clause */
/* The ledger of scrub remembers across runs, forgets what is gone, and survives damage. */
#include "helper_repository.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "repo/scrub_ledger.h"

static struct scrub_ledger *
open_ledger(struct repo *r)
{
    struct scrub_ledger *l = NULL;

    must(scrub_ledger_open(r, &l, E));
    return l;
}

static void
scrub_ledger__remembers_across_runs(void **state)
{
    struct world w;
    struct repo *r;
    struct scrub_ledger *l;
    char name[64];

    (void)state;
    world_begin(&w);
    r = world_open(&w, "host");
    l = open_ledger(r);
    assert_int_equal(scrub_ledger_find(l, "packs/00/a"), 0);
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof(name), "packs/00/%d", i);
        must(scrub_ledger_note(l, name, 1000 + i, E));
    }
    must(scrub_ledger_save(l, LEDGER_SEEN, E));
    scrub_ledger_free(l);
    l = open_ledger(r);
    assert_int_equal(scrub_ledger_find(l, "packs/00/2999"), 3999);
    assert_int_equal(scrub_ledger_find(l, "packs/00/0"), 1000);
    assert_int_equal(scrub_ledger_find(l, "packs/00/3000"), 0);
    scrub_ledger_free(l);
    repo_free(r);
    world_end(&w);
}

static void
scrub_ledger__forgets_what_nobody_asks_for(void **state)
{
    struct world w;
    struct repo *r;
    struct scrub_ledger *l;

    (void)state;
    world_begin(&w);
    r = world_open(&w, "host");
    l = open_ledger(r);
    must(scrub_ledger_note(l, "stays", 5, E));
    must(scrub_ledger_note(l, "goes", 6, E));
    must(scrub_ledger_save(l, LEDGER_SEEN, E));
    scrub_ledger_free(l);
    l = open_ledger(r);
    must(scrub_ledger_save(l, LEDGER_ALL, E)); /* nobody asked yet, and all are kept */
    assert_int_equal(scrub_ledger_find(l, "stays"), 5);
    must(scrub_ledger_save(l, LEDGER_SEEN, E));
    scrub_ledger_free(l);
    l = open_ledger(r);
    assert_int_equal(scrub_ledger_find(l, "stays"), 5);
    assert_int_equal(scrub_ledger_find(l, "goes"), 0);
    scrub_ledger_free(l);
    repo_free(r);
    world_end(&w);
}

/** The ledger's file below the state directory. */
static void
damage_file(struct repo *r)
{
    char name[64] = "scrub-";
    const char *path;
    uint8_t byte = 0;
    int fd;

    vv_uuid_text(&repo_site(r)->id, name + strlen(name));
    fd = openat(local_state_directory(repo_state(r), &path), name, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, 70), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 70), 1);
    close(fd);
}

static void
scrub_ledger__that_is_damaged_starts_over(void **state)
{
    struct world w;
    struct repo *r;
    struct scrub_ledger *l;

    (void)state;
    world_begin(&w);
    r = world_open(&w, "host");
    l = open_ledger(r);
    must(scrub_ledger_note(l, "object", 5, E));
    must(scrub_ledger_save(l, LEDGER_SEEN, E));
    scrub_ledger_free(l);
    damage_file(r);
    l = open_ledger(r);
    assert_int_equal(world_told(&w, "journal-damaged"), 1);
    assert_int_equal(scrub_ledger_find(l, "object"), 0);
    scrub_ledger_free(l);
    repo_free(r);
    world_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scrub_ledger__remembers_across_runs),
        cmocka_unit_test(scrub_ledger__forgets_what_nobody_asks_for),
        cmocka_unit_test(scrub_ledger__that_is_damaged_starts_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
