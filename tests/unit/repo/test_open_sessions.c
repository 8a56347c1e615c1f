/* SPDX-License-Identifier: BSD-2-Clause */
/* Which sessions count as open. */
#include <string.h>

#include "helper_repository.h"
#include "repo/open_sessions.h"

#define REGISTRATION "sessions/01000000000000000000000000000000"
#define SLOT "snapshots/01000000000000000000000000000000"

static const struct vv_uuid session = {{1}};
static struct world w;
static struct repo *repo;
static struct admin_records admin; /* read before anything is there */

static int
setup(void **state)
{
    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    must(admin_records_read(repo, &admin, E));
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    admin_records_release(&admin);
    repo_free(repo);
    world_end(&w);
    return 0;
}

static size_t
count_open(void)
{
    struct open_sessions open = {0};
    size_t count;

    must(open_sessions_read(repo, &admin, &open, E));
    count = open.count;
    assert_true(count == 0 || vv_uuid_equal(&open.items[0].id, &session));
    open_sessions_release(&open);
    return count;
}

static void
session__is_open_until_it_has_a_slot(void **state)
{
    (void)state;
    assert_int_equal(count_open(), 0);
    world_poke(&w, REGISTRATION, "x", 1); /* what cannot be decoded is open */
    assert_int_equal(count_open(), 1);
    world_poke(&w, SLOT, "y", 1);
    assert_int_equal(count_open(), 0);
}

/* One that was killed after its commit, and forgotten and buried by another host while this one held on to
 * the records it had read: a fence would take the name of the slot that was deleted. */
static void
session__that_was_buried_meanwhile_is_not_open(void **state)
{
    const struct grave grave = {.session = session, .snapshot = {{2}}, .reason = GRAVE_FORGOTTEN};

    (void)state;
    world_poke(&w, REGISTRATION, "x", 1);
    world_poke(&w, SLOT, "y", 1);
    publish_graves(repo, "grave-0000000000000000000000000000000a", &grave, 1);
    world_drop(&w, SLOT);
    assert_int_equal(count_open(), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(session__is_open_until_it_has_a_slot),
        CASE(session__that_was_buried_meanwhile_is_not_open),
    };

    return cmocka_run_group_tests_name("repo/open_sessions", tests, NULL, NULL);
}
