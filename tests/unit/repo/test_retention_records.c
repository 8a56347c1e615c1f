/* SPDX-License-Identifier: BSD-2-Clause */
/* Forgets and who ends them, pins, first listings, accepted snapshots; and what a list of snapshots
 * makes of them. */
#include "helper_repository.h"

#include <stdio.h>
#include <string.h>

#include "repo/retention_publish.h"

#define DAY INT64_C(86400000000000)

static struct world w;
static struct repo *repo;
static struct snapshot s[3];

static int
begin(void **state)
{
    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    for (unsigned i = 0; i < 3; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "chunk %u", i);
        backup(repo, text, &s[i]);
        vv_clock_manual_advance(&w.clock, 1000);
    }
    return 0;
}

static int
end(void **state)
{
    (void)state;
    repo_free(repo);
    world_end(&w);
    return 0;
}

static struct admin_records
records(void)
{
    struct admin_records a;

    must(admin_records_read(repo, &a, E));
    return a;
}

static struct vv_uuid
forget(const struct snapshot *first, uint32_t count, int64_t grace)
{
    struct vv_uuid ids[3];
    struct vv_uuid run;

    for (uint32_t i = 0; i < count; i++) {
        ids[i] = first[i].id;
    }
    must(forget_publish(repo, ids, count, grace, &run, E));
    return run;
}

static void
forget__hides_until_it_is_cancelled(void **state)
{
    int64_t now = w.clock.real_ns;
    struct vv_uuid run = forget(s, 2, 7 * DAY);
    struct admin_records a = records();
    const struct forgotten *f = admin_forgotten(&a, &s[0].id);

    (void)state;
    assert_non_null(f);
    assert_int_equal(f->time, now);
    assert_int_equal(f->until, now + 7 * DAY);
    assert_false(f->carried_out);
    assert_true(vv_uuid_equal(&f->forget, &run));
    assert_non_null(admin_forgotten(&a, &s[1].id));
    assert_null(admin_forgotten(&a, &s[2].id));
    assert_int_equal(admin_forget_run(&a, &run)->outcome, 0);
    assert_int_equal(admin_forget_run(&a, &run)->count, 2);
    assert_null(admin_forget_run(&a, &s[0].id));
    admin_records_release(&a);
    must(forget_end(repo, &run, FORGET_CANCELLED, E));
    a = records();
    assert_null(admin_forgotten(&a, &s[0].id));
    assert_int_equal(admin_forget_run(&a, &run)->outcome, FORGET_CANCELLED);
    admin_records_release(&a);
}

static void
forget__ends_once(void **state)
{
    struct vv_uuid run = forget(s, 1, 0);
    struct admin_records a;

    (void)state;
    must(forget_end(repo, &run, FORGET_CARRIED_OUT, E));
    must(forget_end(repo, &run, FORGET_CARRIED_OUT, E)); /* again, after a crash */
    assert_int_equal(forget_end(repo, &run, FORGET_CANCELLED, E), VV_EREFUSED);
    a = records();
    assert_true(admin_forgotten(&a, &s[0].id)->carried_out);
    admin_records_release(&a);
    run = forget(s + 1, 1, 0);
    must(forget_end(repo, &run, FORGET_CANCELLED, E));
    assert_int_equal(forget_end(repo, &run, FORGET_CARRIED_OUT, E), VV_EREFUSED);
}

static void
forget__that_was_carried_out_counts_before_one_in_grace(void **state)
{
    struct vv_uuid first = forget(s, 1, 9 * DAY);
    struct vv_uuid second = forget(s, 1, 2 * DAY);
    struct admin_records a = records();

    (void)state;
    assert_true(vv_uuid_equal(&admin_forgotten(&a, &s[0].id)->forget, &second));
    admin_records_release(&a);
    must(forget_end(repo, &first, FORGET_CARRIED_OUT, E));
    a = records();
    assert_true(vv_uuid_equal(&admin_forgotten(&a, &s[0].id)->forget, &first));
    admin_records_release(&a);
    must(forget_end(repo, &second, FORGET_CANCELLED, E));
    a = records();
    assert_non_null(admin_forgotten(&a, &s[0].id)); /* the other one hides it still */
    admin_records_release(&a);
}

/** Put an object of admin/ under another name there. */
static void
copy_record(const struct vv_uuid *run, const char *from_suffix, const char *to)
{
    char name[96];
    char digits[33];
    struct vv_buf bytes;

    vv_hex(digits, run->b, 16);
    (void)snprintf(name, sizeof(name), "admin/forget-%s%s", digits, from_suffix);
    bytes = world_bytes(&w, name);
    world_poke(&w, to, bytes.data, bytes.len);
    vv_buf_release(&bytes);
}

/* Whoever may create objects must not be able to repeat what was taken back, nor to end a forget
 * with another's end. */
static void
forget__copied_under_another_name_is_forged(void **state)
{
    struct vv_uuid run = forget(s, 1, 0);
    struct vv_uuid other = forget(s + 1, 1, 7 * DAY);
    struct admin_records a;
    char name[96];
    char digits[33];

    (void)state;
    must(forget_end(repo, &run, FORGET_CANCELLED, E));
    copy_record(&run, "", "admin/forget-0123456789abcdef0123456789abcdef");
    vv_hex(digits, other.b, 16);
    (void)snprintf(name, sizeof(name), "admin/forget-%s.end", digits);
    copy_record(&run, ".end", name);
    a = records();
    assert_int_equal(a.forged, 2);
    assert_null(admin_forgotten(&a, &s[0].id));
    assert_non_null(admin_forgotten(&a, &s[1].id));
    admin_records_release(&a);
    assert_int_equal(world_told(&w, "forged-record"), 2);
    assert_int_equal(forget_end(repo, &other, FORGET_CANCELLED, E), VV_EFORGED);
}

static void
forget__does_not_count_on_another_site(void **state)
{
    struct admin_records a;

    (void)state;
    (void)forget(s, 1, 0);
    a = records();
    must(pin_publish(repo, &a, &(struct pin){s[1].id, 0, true}, E));
    must(accepted_publish(repo, &s[1].id, 1, E));
    must(first_listed_publish(repo, &(struct first_listed){s[1].id, 5}, 1, E));
    admin_records_release(&a);
    repo_free(repo);
    world_second_site(&w);
    repo = world_open(&w, "a");
    a = records();
    assert_null(admin_forgotten(&a, &s[0].id));
    assert_false(admin_pinned(&a, &s[1].id, 0, NULL));
    assert_false(admin_accepted(&a, &s[1].id));
    assert_true(admin_first_listed(&a, &s[1].id, &(int64_t){0})); /* this does */
    admin_records_release(&a);
}

static void
pin(const struct snapshot *snapshot, int64_t until, bool pinned)
{
    struct admin_records a = records();

    must(pin_publish(repo, &a, &(struct pin){snapshot->id, until, pinned}, E));
    admin_records_release(&a);
}

static void
pin__the_last_one_counts_whatever_the_clock_says(void **state)
{
    struct admin_records a;
    int64_t until = -1;

    (void)state;
    pin(&s[0], 0, true);
    a = records();
    assert_true(admin_pinned(&a, &s[0].id, INT64_MAX, &until));
    assert_int_equal(until, 0);
    assert_false(admin_pinned(&a, &s[1].id, 0, NULL));
    admin_records_release(&a);
    w.clock.real_ns -= 30 * DAY;
    pin(&s[0], 0, false);
    a = records();
    assert_false(admin_pinned(&a, &s[0].id, 0, NULL));
    admin_records_release(&a);
    pin(&s[0], 1000, true);
    a = records();
    assert_true(admin_pinned(&a, &s[0].id, 999, &until));
    assert_int_equal(until, 1000);
    assert_false(admin_pinned(&a, &s[0].id, 1000, NULL)); /* it has ended */
    admin_records_release(&a);
}

static void
first_listing__the_earliest_counts(void **state)
{
    struct first_listed l[2] = {{s[0].id, 500}, {s[1].id, 300}};
    struct admin_records a;
    int64_t when = 0;

    (void)state;
    must(first_listed_publish(repo, l, 2, E));
    l[0].time = 400;
    l[1].time = 900;
    must(first_listed_publish(repo, l, 2, E));
    a = records();
    assert_true(admin_first_listed(&a, &s[0].id, &when));
    assert_int_equal(when, 400);
    assert_true(admin_first_listed(&a, &s[1].id, &when));
    assert_int_equal(when, 300);
    assert_false(admin_first_listed(&a, &s[2].id, &when));
    admin_records_release(&a);
}

static void
accepted__is_known_by_id(void **state)
{
    struct vv_uuid ids[2] = {s[2].id, s[0].id};
    struct admin_records a;

    (void)state;
    must(accepted_publish(repo, ids, 2, E));
    a = records();
    assert_true(admin_accepted(&a, &s[0].id));
    assert_false(admin_accepted(&a, &s[1].id));
    assert_true(admin_accepted(&a, &s[2].id));
    admin_records_release(&a);
}

static void
snapshots__forgotten_ones_are_apart(void **state)
{
    struct snapshot_list l;
    const struct snapshot *found = NULL;
    struct vv_uuid run = forget(s + 2, 1, DAY);
    char id[VV_UUID_TEXT];
    char head[HEAD_TEXT];

    (void)state;
    must(snapshot_list_read(repo, &l, E));
    assert_int_equal(l.count, 2);
    assert_int_equal(l.forgotten_count, 1);
    assert_true(vv_uuid_equal(&l.forgotten[0].id, &s[2].id));
    assert_int_equal(l.freshness, FRESHNESS_OK); /* nothing is missing */
    must(snapshot_resolve(&l, "latest", "shop", &found, E));
    assert_true(vv_uuid_equal(&found->id, &s[1].id));
    vv_uuid_text(&s[2].id, id);
    assert_int_equal(snapshot_resolve(&l, id, "shop", &found, E), VV_ENOTFOUND);
    assert_non_null(strstr(world_err.message, "forgotten"));
    assert_non_null(strstr(world_err.hint, "undelete"));
    must(snapshot_resolve_forgotten(&l, id, &found, E));
    assert_true(vv_uuid_equal(&found->id, &s[2].id));
    head_text(&s[2].client, s[2].sequence, &s[2].hash, head);
    must(head_check(&l, head, E)); /* it is there */
    vv_uuid_text(&s[0].id, id);
    assert_int_equal(snapshot_resolve_forgotten(&l, id, &found, E), VV_ENOTFOUND);
    assert_int_equal(snapshot_resolve_forgotten(&l, "latest", &found, E), VV_EUSAGE);
    assert_null(strstr(world_err.hint, "latest")); /* of what is gone none is that */
    assert_non_null(strstr(world_err.hint, "--forgotten"));
    snapshot_list_release(&l);
    must(forget_end(repo, &run, FORGET_CARRIED_OUT, E));
    must(snapshot_list_read(repo, &l, E));
    vv_uuid_text(&s[2].id, id);
    assert_int_equal(snapshot_resolve(&l, id, "shop", &found, E), VV_ENOTFOUND);
    assert_null(strstr(world_err.hint, "undelete"));
    snapshot_list_release(&l);
}

/* The chain goes on behind a forgotten snapshot, and it is nobody's parent. */
static void
snapshots__chain_goes_on_behind_a_forgotten_one(void **state)
{
    struct snapshot_list l;
    struct snapshot next;
    struct vv_span wanted = vv_span("/srv", 4);

    (void)state;
    (void)forget(s + 2, 1, DAY);
    backup(repo, "after it", &next);
    assert_int_equal(next.sequence, s[2].sequence + 1);
    assert_memory_equal(next.previous.b, s[2].hash.b, 32);
    must(snapshot_list_read(repo, &l, E));
    assert_int_equal(l.freshness, FRESHNESS_OK);
    assert_int_equal(l.count, 3);
    assert_true(vv_uuid_equal(&snapshot_parent(&l, &s[0].client, &wanted, 1)->id, &next.id));
    snapshot_list_release(&l);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(forget__hides_until_it_is_cancelled),
        CASE(forget__ends_once),
        CASE(forget__that_was_carried_out_counts_before_one_in_grace),
        CASE(forget__copied_under_another_name_is_forged),
        CASE(forget__does_not_count_on_another_site),
        CASE(pin__the_last_one_counts_whatever_the_clock_says),
        CASE(first_listing__the_earliest_counts),
        CASE(accepted__is_known_by_id),
        CASE(snapshots__forgotten_ones_are_apart),
        CASE(snapshots__chain_goes_on_behind_a_forgotten_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
