/* SPDX-License-Identifier: BSD-2-Clause */
/* When a watched job makes a snapshot (P1 to P4): on times that the test gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include "service/watch_pace.h"

#define S UINT64_C(1000000000)
#define NOON INT64_C(1790424000) /* 2026-09-26 12:00 UTC */

struct clockwork {
    struct watch_pace p;
    uint64_t now;
    int64_t real;
};

static void
begin(struct clockwork *c)
{
    const struct watch_pace_settings settings = {
        .quiet = 2 * S, .delay = 10 * S, .blind = 900 * S, .slot = 3 * 60, .may_forget = true};

    c->now = 1000 * S;
    c->real = NOON * (int64_t)S;
    watch_pace_begin(&c->p, &settings, c->now, c->real);
}

static struct watch_step
next(struct clockwork *c)
{
    return watch_pace_next(&c->p, c->now, c->real);
}

static void
pass(struct clockwork *c, uint64_t ns)
{
    c->now += ns;
    c->real += (int64_t)ns;
}

/** The step that is due is done, well. */
static struct watch_step
carry_out(struct clockwork *c, bool made)
{
    struct watch_step step = next(c);

    assert_int_equal(step.action, WATCH_SNAPSHOT);
    watch_pace_began(&c->p);
    watch_pace_ended(&c->p, &step, made, c->now, c->real);
    return step;
}

static void
forget_first(struct clockwork *c)
{
    assert_int_equal(next(c).action, WATCH_FORGET);
    watch_pace_forgot(&c->p, c->now);
}

/* P2 */
static void
pace__begins_with_a_whole_walk(void **state)
{
    struct clockwork c;
    struct watch_step step;

    (void)state;
    begin(&c);
    assert_true(watch_pace_unsaved(&c.p));
    step = carry_out(&c, false);
    assert_true(step.whole);
    assert_false(step.daily);
    assert_false(watch_pace_unsaved(&c.p));
    step = next(&c);
    assert_int_equal(step.action, WATCH_WAIT);
    assert_true(step.wait > S);
}

/* P1 */
static void
pace__waits_for_quiet_but_not_for_ever(void **state)
{
    struct clockwork c;
    struct watch_step step;

    (void)state;
    begin(&c);
    (void)carry_out(&c, false);
    watch_pace_changed(&c.p, c.now);
    step = next(&c);
    assert_int_equal(step.action, WATCH_WAIT);
    assert_int_equal(step.wait, 2 * S);
    pass(&c, 2 * S);
    step = carry_out(&c, true);
    assert_false(step.whole);
    forget_first(&c);

    watch_pace_changed(&c.p, c.now); /* one a second: no quiet comes */
    for (unsigned i = 0; i < 9; i++) {
        pass(&c, S);
        assert_int_equal(next(&c).action, WATCH_WAIT);
        watch_pace_changed(&c.p, c.now);
    }
    step = next(&c);
    assert_int_equal(step.wait, S);
    pass(&c, S);
    assert_int_equal(next(&c).action, WATCH_SNAPSHOT);
}

/* P1: changes while it is made are the next one's. */
static void
pace__counts_from_the_first_change_of_the_next(void **state)
{
    struct clockwork c;
    struct watch_step step;

    (void)state;
    begin(&c);
    (void)carry_out(&c, false);
    watch_pace_changed(&c.p, c.now);
    pass(&c, 2 * S);
    step = next(&c);
    watch_pace_began(&c.p);
    pass(&c, S);
    watch_pace_changed(&c.p, c.now);
    pass(&c, 8 * S); /* it takes long */
    watch_pace_ended(&c.p, &step, true, c.now, c.real);
    assert_true(watch_pace_unsaved(&c.p));
    assert_int_equal(next(&c).action, WATCH_SNAPSHOT); /* quiet for 8 s */
}

/* P3 */
static void
pace__waits_longer_after_each_failure(void **state)
{
    struct clockwork c;
    uint64_t wait = 0;

    (void)state;
    begin(&c);
    for (unsigned i = 0; i < 12; i++) {
        struct watch_step step = next(&c);
        struct watch_step then;
        assert_int_equal(step.action, WATCH_SNAPSHOT);
        assert_true(step.whole); /* what was to be done stays so */
        watch_pace_began(&c.p);
        watch_pace_put_off(&c.p, &step, true, c.now);
        assert_true(watch_pace_unsaved(&c.p));
        then = next(&c);
        assert_int_equal(then.action, WATCH_WAIT);
        for (wait = 0; next(&c).action == WATCH_WAIT; wait += S / 2) {
            pass(&c, S / 2);
        }
        /* The first ones are not before it is quiet. */
        assert_int_equal(wait, i < 2                                  ? 2 * S
                               : (i < 9 ? S << i : 300 * S) < 300 * S ? S << i
                                                                      : 300 * S);
    }
    (void)carry_out(&c, true);
    forget_first(&c);
    watch_pace_changed(&c.p, c.now);
    assert_int_equal(next(&c).wait, 2 * S); /* all is forgiven */
}

/* P2 */
static void
pace__walks_everything_once_a_day(void **state)
{
    struct clockwork c;
    struct watch_step step;
    unsigned daily = 0;

    (void)state;
    begin(&c);
    (void)carry_out(&c, false);
    for (unsigned minutes = 0; minutes < 3 * 24 * 60; minutes++) {
        step = next(&c);
        if (step.action == WATCH_SNAPSHOT) {
            time_t real = (time_t)(c.real / (int64_t)S);
            struct tm t;
            assert_true(step.whole && step.daily);
            assert_non_null(localtime_r(&real, &t));
            assert_int_equal(t.tm_hour, 3);
            assert_in_range(t.tm_min, 0, 1);
            (void)carry_out(&c, true);
            daily++;
        } else if (step.action == WATCH_FORGET) {
            watch_pace_forgot(&c.p, c.now);
        } else {
            assert_in_range(step.wait, 1, 60 * S);
        }
        pass(&c, 60 * S);
    }
    assert_int_equal(daily, 3);
}

/* P2: the clock is set, forwards over the slot, and back by years. */
static void
pace__outlives_a_clock_that_is_set(void **state)
{
    struct clockwork c;
    struct watch_step step;
    unsigned daily = 0;

    (void)state;
    begin(&c);
    (void)carry_out(&c, false);
    c.real += INT64_C(40) * 3600 * (int64_t)S;
    step = carry_out(&c, true);
    assert_true(step.daily);
    forget_first(&c);
    assert_int_equal(next(&c).action, WATCH_WAIT); /* once, not for each day it has skipped */
    c.real -= INT64_C(3) * 365 * 24 * 3600 * (int64_t)S;
    assert_int_equal(next(&c).action, WATCH_WAIT);
    for (unsigned minutes = 0; minutes < 24 * 60 && daily == 0; minutes++) {
        pass(&c, 60 * S);
        step = next(&c);
        daily += step.action == WATCH_SNAPSHOT && step.daily;
    }
    assert_int_equal(daily, 1);
}

/* P2 */
static void
pace__looks_from_time_to_time_when_blind(void **state)
{
    struct clockwork c;
    struct watch_step step;

    (void)state;
    begin(&c);
    watch_pace_blind(&c.p, true);
    (void)carry_out(&c, false);
    assert_int_equal(next(&c).action, WATCH_WAIT);
    pass(&c, 899 * S);
    assert_int_equal(next(&c).action, WATCH_WAIT);
    pass(&c, S);
    step = carry_out(&c, false);
    assert_true(step.whole);
    assert_false(step.daily);
    watch_pace_blind(&c.p, false);
    pass(&c, 2000 * S);
    assert_int_equal(next(&c).action, WATCH_WAIT);
}

/* P4 */
static void
pace__forgets_once_an_hour_at_most(void **state)
{
    struct clockwork c;
    unsigned forgot = 0;

    (void)state;
    begin(&c);
    (void)carry_out(&c, false);
    assert_int_equal(next(&c).action, WATCH_WAIT); /* nothing was made */
    for (unsigned i = 0; i < 3 * 3600; i += 5) {
        struct watch_step step;
        watch_pace_changed(&c.p, c.now);
        pass(&c, 5 * S);
        (void)carry_out(&c, true);
        step = next(&c);
        if (step.action == WATCH_FORGET) {
            watch_pace_forgot(&c.p, c.now);
            forgot++;
        }
    }
    assert_int_equal(forgot, 3);
    c.p.settings.may_forget = false;
    pass(&c, 4000 * S);
    assert_int_equal(next(&c).action, WATCH_WAIT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pace__begins_with_a_whole_walk),
        cmocka_unit_test(pace__waits_for_quiet_but_not_for_ever),
        cmocka_unit_test(pace__counts_from_the_first_change_of_the_next),
        cmocka_unit_test(pace__waits_longer_after_each_failure),
        cmocka_unit_test(pace__walks_everything_once_a_day),
        cmocka_unit_test(pace__outlives_a_clock_that_is_set),
        cmocka_unit_test(pace__looks_from_time_to_time_when_blind),
        cmocka_unit_test(pace__forgets_once_an_hour_at_most),
    };

    (void)setenv("TZ", "Europe/Berlin", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
