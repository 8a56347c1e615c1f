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

/* --- the same client signs itself at the site while its certificate is on the way there -------- */

/** What happens when the certificate is about to be published at the site, and then when it is read
 *  there. */
static struct {
    void (*before)(const char *name);
    enum fault_verdict read;
} meeting;

/** The source's own host backs up to the replica: the client is certified there, too. */
static void
host_backs_up_to_site(const char *name)
{
    struct storage *own = w.b.memory;

    (void)name;
    w.b.memory = w.memory;
    bw_reopen(&w.b);
    rw_backup(&w, 101);
    w.b.memory = own;
    bw_reopen(&w.b);
}

static void
something_else_is_put_there(const char *name)
{
    rw_must(&w, storage_publish(w.memory, name, vv_span("something else", 14), &w.err));
}

static enum fault_verdict
meet_at_site(void *ctx, enum storage_op op, const char *name)
{
    enum fault_verdict verdict = FAULT_PASS;

    (void)ctx;
    if (strncmp(name, "admin/certificate-", 18) != 0) {
        return FAULT_PASS;
    }
    if (op == STORAGE_PUBLISH && meeting.before != NULL) {
        meeting.before(name);
        meeting.before = NULL;
    } else if (op == STORAGE_READ) {
        verdict = meeting.read;
        meeting.read = FAULT_PASS;
    }
    return verdict;
}

static const struct replicate_summary *
replicate_meeting(void (*before)(const char *name), enum fault_verdict read)
{
    w.hook = meet_at_site;
    meeting.before = before;
    meeting.read = read;
    rw_must_run(&w, KEYLESS);
    assert_null(meeting.before);
    assert_int_equal(meeting.read, FAULT_PASS);
    return &w.to.summary;
}

/** Both certificates are the administrator's and say the same, though signed at different times. */
static void
replication__knows_a_certificate_that_was_signed_there_meanwhile(void **state)
{
    const struct replicate_summary *s = replicate_meeting(host_backs_up_to_site, FAULT_PASS);

    (void)state;
    assert_int_equal(rw_told(&w, "object-differs"), 0);
    assert_int_equal(s->objects_refused, 0);
    assert_int_equal(rw_sound(&w, w.memory), 3);
}

static void
replication__looks_again_when_what_lies_there_cannot_be_read(void **state)
{
    const struct replicate_summary *s = replicate_meeting(host_backs_up_to_site, FAULT_TRANSIENT);

    (void)state;
    assert_int_equal(rw_told(&w, "object-differs"), 0);
    assert_int_equal(s->objects_refused, 0);
    assert_int_equal(s->retries, 1);
}

static void
replication__tells_what_else_lies_under_the_name_of_a_certificate(void **state)
{
    const struct replicate_summary *s = replicate_meeting(something_else_is_put_there, FAULT_PASS);

    (void)state;
    assert_int_equal(rw_told(&w, "object-differs"), 1);
    assert_int_equal(s->objects_refused, 1);
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
        cmocka_unit_test_setup_teardown(
            replication__knows_a_certificate_that_was_signed_there_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(
            replication__looks_again_when_what_lies_there_cannot_be_read, setup, teardown),
        cmocka_unit_test_setup_teardown(
            replication__tells_what_else_lies_under_the_name_of_a_certificate, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
