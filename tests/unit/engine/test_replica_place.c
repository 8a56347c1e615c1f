/* SPDX-License-Identifier: BSD-2-Clause */
/* The first look at a place that is no replica yet, over a line that fails. */
#include <string.h>

#include "engine/helper_replicate.h"

static struct replicate_world w;
static unsigned failures; /* of reading `config`, still to come */

static enum fault_verdict
fail_config(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    bool reads = op == STORAGE_READ || op == STORAGE_SIZE;
    if (!reads || strcmp(name, "config") != 0 || failures == 0) {
        return FAULT_PASS;
    }
    failures--;
    return FAULT_FAIL;
}

/** A line that is cut may look like a config that cannot be read; at the second look there is none. */
static void
config_that_is_not_there__may_first_look_unreadable(void **state)
{
    (void)state;
    for (int how = KEYLESS; how <= WITH_KEY; how++) {
        rw_new_site(&w);
        failures = 1;
        w.hook = fail_config;
        rw_must_run(&w, (enum with_key)how);
        assert_int_equal(failures, 0);
        w.hook = NULL;
        assert_true(w.to.summary.made);
        assert_int_equal(rw_sound(&w, w.memory), 2);
    }
}

/** What is there and stays unreadable is no empty place. */
static void
config_that_stays_unreadable__is_not_made_anew(void **state)
{
    struct vv_span before;
    struct vv_span after;

    (void)state;
    rw_must_run(&w, KEYLESS);
    assert_true(storage_memory_peek(w.memory, "config", &before));
    failures = 1000000;
    w.hook = fail_config;
    (void)rw_run(&w, KEYLESS);
    w.hook = NULL;
    assert_false(w.to.summary.made);
    assert_true(storage_memory_peek(w.memory, "config", &after));
    assert_int_equal(before.len, after.len);
    assert_int_equal(rw_sound(&w, w.memory), 2);
}

int
main(void)
{
#define CASE(name) rw_case(name, rw_setup_two, &w)
    const struct CMUnitTest tests[] = {
        CASE(config_that_is_not_there__may_first_look_unreadable),
        CASE(config_that_stays_unreadable__is_not_made_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
