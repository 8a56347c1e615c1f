/* SPDX-License-Identifier: BSD-2-Clause */
/* The first backup of a new host beside somebody who has read the administrator's records before: what it
 * signs is no forgery. */
#include "helper_replicate.h"

#include <string.h>

#include "repo/chunk_index.h"

static struct replicate_world w;

/** When a directory is listed for the first time, another host makes its first backup. */
static const char *awaited;

static enum fault_verdict
another_host_begins(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    if (awaited != NULL && op == STORAGE_LIST && strcmp(name, awaited) == 0) {
        struct repo *own = w.b.repo;
        awaited = NULL;
        w.b.repo = rw_open(&w, w.b.memory, WITH_KEY); /* whose state has no client yet */
        rw_backup(&w, 100);
        repo_free(w.b.repo);
        w.b.repo = own;
    }
    return FAULT_PASS;
}

static int
setup(void **state)
{
    (void)state;
    rw_begin(&w, 2);
    w.source_hook = another_host_begins;
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    rw_end(&w);
    return 0;
}

static void
assert_no_alarm(void)
{
    assert_null(awaited);
    assert_int_equal(rw_told(&w, "forged-record"), 0);
}

static struct snapshot_list
list(struct repo *r)
{
    struct snapshot_list l = {0};

    rw_must(&w, snapshot_list_read(r, &l, &w.err));
    assert_int_equal(l.forged, 0);
    return l;
}

static void
verify(struct repo *r, const struct snapshot_list *l)
{
    const struct verify_options all = {.data = true, .threads = 1};
    struct verify_summary s = {0};

    rw_must(&w, verify_run(r, l, &all, NULL, &s, &w.err));
    assert_false(s.forged);
    assert_int_equal(s.objects_damaged + s.chunks_missing + s.paths_damaged, 0);
}

static void
snapshot_list__knows_who_was_certified_meanwhile(void **state)
{
    struct repo *r = rw_open(&w, w.source, WITH_KEY);
    struct snapshot_list l;

    (void)state;
    awaited = "snapshots";
    l = list(r);
    assert_int_equal(l.count, 3);
    assert_no_alarm();
    snapshot_list_release(&l);
    repo_free(r);
}

static void
chunk_index__knows_who_was_certified_meanwhile(void **state)
{
    struct repo *r = rw_open(&w, w.source, WITH_KEY);
    struct chunk_index *x = NULL;

    (void)state;
    awaited = "index";
    rw_must(&w, chunk_index_open(r, &x, &w.err));
    rw_must(&w, chunk_index_load(x, &w.err));
    assert_no_alarm();
    chunk_index_free(x);
    repo_free(r);
}

static void
verify__knows_who_was_certified_meanwhile(void **state)
{
    struct repo *r = rw_open(&w, w.source, WITH_KEY);
    struct snapshot_list l = list(r);

    (void)state;
    awaited = "index";
    verify(r, &l);
    assert_no_alarm();
    snapshot_list_release(&l);
    repo_free(r);
}

/** The source's index is newer than the look at its certificates: without them the site would hold
 *  records of nobody known there, until the next run. */
static void
replication__brings_the_certificates_of_what_it_brings(void **state)
{
    struct snapshot_list l;
    struct repo *site;

    (void)state;
    awaited = "index";
    rw_must_run(&w, KEYLESS);
    assert_no_alarm();
    site = rw_open(&w, w.memory, WITH_KEY);
    l = list(site);
    assert_int_equal(l.count, 2); /* of those that were there when it looked */
    verify(site, &l);
    assert_int_equal(rw_told(&w, "forged-record"), 0);
    snapshot_list_release(&l);
    repo_free(site);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(snapshot_list__knows_who_was_certified_meanwhile, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(chunk_index__knows_who_was_certified_meanwhile, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(verify__knows_who_was_certified_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(replication__brings_the_certificates_of_what_it_brings,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
