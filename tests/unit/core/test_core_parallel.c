/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of core/parallel.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include <cmocka.h>

#include "core/parallel.h"
#include "core/thread.h"

/* Two jobs that each wait for the other to begin: they end only if both run at once. */
struct meeting {
    struct vv_mutex lock;
    struct vv_cond changed;
    unsigned there;
};

static enum vv_rc
meet(void *ctx, struct vv_error *err)
{
    struct meeting *m = ctx;

    (void)err;
    vv_mutex_lock(&m->lock);
    m->there++;
    vv_cond_broadcast(&m->changed);
    while (m->there < 2) {
        vv_cond_wait(&m->changed, &m->lock);
    }
    vv_mutex_unlock(&m->lock);
    return VV_OK;
}

static void
jobs__run_at_once(void **state)
{
    struct meeting m = {.there = 0};
    struct vv_job jobs[] = {{.run = meet, .ctx = &m}, {.run = meet, .ctx = &m}};

    (void)state;
    vv_mutex_init(&m.lock);
    vv_cond_init(&m.changed);
    assert_int_equal(vv_parallel_run(jobs, 2, 2, NULL), VV_OK);
    assert_int_equal(m.there, 2);
    vv_cond_release(&m.changed);
    vv_mutex_release(&m.lock);
}

struct step {
    atomic_int *ran;
    enum vv_rc rc;
    const char *text;
};

static enum vv_rc
do_step(void *ctx, struct vv_error *err)
{
    const struct step *s = ctx;

    atomic_fetch_add(s->ran, 1);
    return s->rc == VV_OK ? VV_OK : vv_error_set(err, s->rc, "%s", s->text);
}

static void
failures__are_those_of_the_first_in_the_list(void **state)
{
    for (unsigned threads = 1; threads <= 2; threads++) {
        atomic_int ran = 0;
        struct step steps[] = {{&ran, VV_OK, ""}, {&ran, VV_EIO, "one"}, {&ran, VV_EAUTH, "two"}};
        struct vv_job jobs[] = {{.run = do_step, .ctx = &steps[0]},
                                {.run = do_step, .ctx = &steps[1]},
                                {.run = do_step, .ctx = &steps[2]}};
        struct vv_error err = {0};
        assert_int_equal(vv_parallel_run(jobs, 3, threads, &err), VV_EIO);
        assert_string_equal(err.message, "one");
        assert_int_equal(ran, threads == 1 ? 2 : 3); /* in turn it ends with the failure */
    }
    (void)state;
}

static void
many_jobs__all_run(void **state)
{
    enum { JOBS = 20 };
    atomic_int ran = 0;
    struct step step = {&ran, VV_OK, ""};
    struct vv_job jobs[JOBS];

    (void)state;
    for (size_t i = 0; i < JOBS; i++) {
        jobs[i] = (struct vv_job){.run = do_step, .ctx = &step};
    }
    assert_int_equal(vv_parallel_run(jobs, JOBS, JOBS, NULL), VV_OK);
    assert_int_equal(ran, JOBS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs__run_at_once),
        cmocka_unit_test(failures__are_those_of_the_first_in_the_list),
        cmocka_unit_test(many_jobs__all_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
