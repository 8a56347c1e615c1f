/* SPDX-License-Identifier: BSD-2-Clause */
/* What was seen must not disappear; what a person accepts is not missed again. */
#include "helper_repository.h"
#include "repo/bury.h"
#include "sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum freshness
freshness_on(struct world *w, const char *host, size_t *ret_count)
{
    struct repo *repo = world_open(w, host);
    struct snapshot_list l;
    enum freshness f;

    world_forget_events(w);
    must(snapshot_list_read(repo, &l, E));
    f = l.freshness;
    if (ret_count != NULL) {
        *ret_count = l.count;
    }
    snapshot_list_release(&l);
    repo_free(repo);
    return f;
}

static void
backup_on(struct world *w, const char *host, const char *text, struct snapshot *ret)
{
    struct repo *repo = world_open(w, host);

    backup(repo, text, ret);
    repo_free(repo);
}

static void
drop_slot(struct world *w, const struct snapshot *s)
{
    char name[64] = "snapshots/";

    vv_uuid_text(&s->session, name + 10);
    world_drop(w, name);
}

/** Bury one snapshot, and what that record is called. */
static void
bury(struct world *w, const struct snapshot *s, const char *name)
{
    const struct grave g = {.session = s->session,
                            .snapshot = s->id,
                            .client = s->client,
                            .sequence = s->sequence,
                            .hash = s->hash,
                            .reason = GRAVE_FORGOTTEN};
    struct repo *repo = world_open(w, "init");

    publish_graves(repo, name, &g, 1);
    repo_free(repo);
}

#define GRAVE "grave-00000000000000000000000000000001"

static void
freshness__ends_when_it_is_accepted(void **state)
{
    struct world w;
    struct snapshot first;
    struct snapshot second;
    struct snapshot third;
    size_t count;

    (void)state;
    world_begin(&w);
    backup_on(&w, "a", "1", &first);
    backup_on(&w, "b", "2", NULL);
    backup_on(&w, "a", "3", &second);
    assert_int_equal(freshness_on(&w, "b", NULL), FRESHNESS_OK);
    drop_slot(&w, &second); /* an older copy was put back */
    assert_int_equal(freshness_on(&w, "a", &count), FRESHNESS_ROLLED_BACK);
    assert_int_equal(count, 2); /* and nothing else is hidden */
    assert_int_equal(freshness_on(&w, "b", NULL), FRESHNESS_ROLLED_BACK);
    w.accept_heads = true;
    assert_int_equal(freshness_on(&w, "a", NULL), FRESHNESS_OK);
    assert_int_equal(world_told(&w, "head-accepted"), 1);
    assert_int_equal(freshness_on(&w, "a", NULL), FRESHNESS_OK);
    assert_int_equal(world_told(&w, "head-accepted"), 0); /* there is nothing more to accept */
    w.accept_heads = false;
    assert_int_equal(freshness_on(&w, "a", NULL), FRESHNESS_OK);
    assert_int_equal(freshness_on(&w, "b", NULL), FRESHNESS_ROLLED_BACK); /* each for itself */
    backup_on(&w, "a", "4", &third);
    assert_memory_equal(third.previous.b, first.hash.b,
                        32); /* the chain goes on from what is here */
    assert_int_equal(third.sequence, 3);
    assert_int_equal(freshness_on(&w, "a", NULL), FRESHNESS_OK);
    drop_slot(&w, &third); /* the next loss is an alarm again */
    assert_int_equal(freshness_on(&w, "a", NULL), FRESHNESS_ROLLED_BACK);
    world_end(&w);
}

/* A backup that ran before anybody accepted names the missing one: a hole for everybody. */
static void
freshness__accepts_holes_that_remain(void **state)
{
    struct world w;
    struct snapshot second;

    (void)state;
    world_begin(&w);
    backup_on(&w, "a", "1", NULL);
    backup_on(&w, "a", "2", &second);
    drop_slot(&w, &second);
    backup_on(&w, "a", "3", NULL);
    assert_int_equal(freshness_on(&w, "a", NULL), FRESHNESS_ROLLED_BACK);
    assert_int_equal(freshness_on(&w, "new", NULL), FRESHNESS_ROLLED_BACK);
    w.accept_heads = true;
    assert_int_equal(freshness_on(&w, "a", NULL), FRESHNESS_OK);
    w.accept_heads = false;
    assert_int_equal(freshness_on(&w, "a", NULL), FRESHNESS_OK);
    assert_int_equal(freshness_on(&w, "new", NULL), FRESHNESS_ROLLED_BACK);
    world_end(&w);
}

static void
freshness__graves_must_not_disappear(void **state)
{
    struct world w;
    struct snapshot first;
    size_t count;

    (void)state;
    world_begin(&w);
    backup_on(&w, "a", "1", &first);
    backup_on(&w, "a", "2", NULL);
    bury(&w, &first, GRAVE);
    assert_int_equal(freshness_on(&w, "a", &count), FRESHNESS_OK);
    assert_int_equal(count, 1);
    world_drop(&w, "admin/" GRAVE); /* the first is back */
    assert_int_equal(freshness_on(&w, "a", &count), FRESHNESS_ROLLED_BACK);
    assert_int_equal(count, 2);
    assert_int_equal(world_told(&w, "grave-missing"), 1);
    assert_int_equal(freshness_on(&w, "new", NULL), FRESHNESS_NOT_CHECKED); /* it cannot know */
    w.accept_heads = true;
    assert_int_equal(freshness_on(&w, "a", NULL), FRESHNESS_OK);
    w.accept_heads = false;
    assert_int_equal(freshness_on(&w, "a", NULL), FRESHNESS_OK);
    world_end(&w);
}

/* One grave beside its merger names everything twice: when the old one goes nothing is missing. */
static void
freshness__merged_graves_are_no_alarm(void **state)
{
    struct world w;
    struct snapshot first;

    (void)state;
    world_begin(&w);
    backup_on(&w, "a", "1", &first);
    backup_on(&w, "a", "2", NULL);
    bury(&w, &first, GRAVE);
    bury(&w, &first, "grave-00000000000000000000000000000002");
    assert_int_equal(freshness_on(&w, "a", NULL), FRESHNESS_OK);
    world_drop(&w, "admin/" GRAVE);
    assert_int_equal(freshness_on(&w, "a", NULL), FRESHNESS_OK);
    world_end(&w);
}

static void
freshness__revocations_and_epochs_must_not_disappear(void **state)
{
    struct world w;
    struct repo *admin;
    struct snapshot first;
    struct name_list names;
    uint32_t epoch;
    size_t clients;

    (void)state;
    world_begin(&w);
    backup_on(&w, "a", "1", &first);
    admin = world_open(&w, "init");
    must(key_rotate(admin, &epoch, &clients, E));
    must(key_revoke(admin, &first.client, 1, E));
    repo_free(admin);
    assert_int_equal(freshness_on(&w, "b", NULL), FRESHNESS_NOT_CHECKED);
    assert_int_equal(freshness_on(&w, "b", NULL), FRESHNESS_OK);
    world_drop(&w, "admin/epoch-1");
    assert_int_equal(freshness_on(&w, "b", NULL), FRESHNESS_ROLLED_BACK);
    assert_int_equal(world_told(&w, "epoch-missing"), 1);
    names = world_names(&w, "admin");
    for (size_t i = 0; i < names.count; i++) {
        char name[256];
        (void)snprintf(name, sizeof(name), "admin/%s", names.names[i]);
        if (strncmp(names.names[i], "revocation-", 11) == 0) {
            world_drop(&w, name);
        }
    }
    name_list_release(&names);
    assert_int_equal(freshness_on(&w, "b", NULL), FRESHNESS_ROLLED_BACK);
    assert_int_equal(world_told(&w, "revocation-missing"), 1);
    world_end(&w);
}

static void
freshness__a_head_can_be_expected(void **state)
{
    struct world w;
    struct snapshot first;
    struct snapshot second;
    char one[HEAD_TEXT];
    char two[HEAD_TEXT];

    (void)state;
    world_begin(&w);
    backup_on(&w, "a", "1", &first);
    backup_on(&w, "a", "2", &second);
    head_text(&first.client, first.sequence, &first.hash, one);
    head_text(&second.client, second.sequence, &second.hash, two);
    assert_true(head_valid(one));
    w.expect_head = one;                                         /* an older one is there as well */
    assert_int_equal(freshness_on(&w, "b", NULL), FRESHNESS_OK); /* although it has no memory */
    w.expect_head = two;
    assert_int_equal(freshness_on(&w, "c", NULL), FRESHNESS_OK);
    drop_slot(&w, &second);
    assert_int_equal(freshness_on(&w, "d", NULL), FRESHNESS_ROLLED_BACK);
    assert_int_equal(world_told(&w, "head-missing"), 1);
    w.accept_heads = true; /* what is expected in so many words is not accepted away */
    assert_int_equal(freshness_on(&w, "d", NULL), FRESHNESS_ROLLED_BACK);
    w.accept_heads = false;
    bury(&w, &second, GRAVE); /* forgotten by the administrator: explained */
    assert_int_equal(freshness_on(&w, "e", NULL), FRESHNESS_OK);
    world_end(&w);
}

/* --- what only graves still tell -------------------------------------------------------------- */

/** As a prune buries, in this order: a durable grave, then the slots. */
static void
bury_really(struct world *w, const struct snapshot *const *snapshots, size_t count)
{
    struct repo *admin = world_open(w, "init");

    for (size_t i = 0; i < count; i++) {
        size_t buried;
        must(bury_snapshots(admin, &snapshots[i]->id, 1, &buried, E));
        assert_int_equal(buried, 1);
    }
    repo_free(admin);
}

static void
remove_slots(struct world *w, size_t expected)
{
    struct repo *admin = world_open(w, "init");
    size_t removed;

    must(slots_remove_buried(admin, &removed, E));
    assert_int_equal(removed, expected);
    repo_free(admin);
}

static void
merge_graves(struct world *w)
{
    struct repo *admin = world_open(w, "init");

    must(graves_merge(admin, 1, E));
    repo_free(admin);
}

/*
 * Every set of snapshots 1 to 4 of one client that may be buried and every other one that may be
 * lost, in both orders, with the slots still there and gone, before and after the graves are merged:
 * if anything after the lost one is left, if only in a grave, even a new machine notices.
 */
static void
freshness__a_hole_before_a_grave_is_noticed(void **state)
{
    (void)state;
    for (unsigned set = 0; set < 16 * 4 * 4; set += sweep_stride(1)) {
        unsigned buried_set = set & 15;
        unsigned lost = set >> 4 & 3;
        bool loss_first = (set & 64) != 0;
        bool slots_go = (set & 128) != 0;
        const struct snapshot *buried[4];
        struct snapshot made[4];
        struct world w;
        size_t count = 0;
        if ((buried_set >> lost & 1) != 0) {
            continue;
        }
        world_begin(&w);
        for (unsigned i = 0; i < 4; i++) {
            backup_on(&w, "a", i % 2 == 0 ? "even" : "odd", &made[i]);
            if ((buried_set >> i & 1) != 0) {
                buried[count++] = &made[i];
            }
        }
        if (loss_first) {
            drop_slot(&w, &made[lost]);
        }
        bury_really(&w, buried, count);
        if (slots_go) {
            remove_slots(&w, count);
        }
        if (!loss_first) {
            assert_int_equal(freshness_on(&w, "new", NULL), FRESHNESS_NOT_CHECKED);
            assert_int_equal(freshness_on(&w, "new", NULL), FRESHNESS_OK);
            drop_slot(&w, &made[lost]);
            assert_int_equal(freshness_on(&w, "new", NULL), FRESHNESS_ROLLED_BACK);
        }
        if (lost < 3 || (!loss_first && count > 0)) { /* else nothing here names it */
            assert_int_equal(freshness_on(&w, "stranger", NULL), FRESHNESS_ROLLED_BACK);
            merge_graves(&w);
            assert_int_equal(freshness_on(&w, "foreigner", NULL), FRESHNESS_ROLLED_BACK);
            w.accept_heads = true;
            assert_int_equal(freshness_on(&w, "foreigner", NULL), FRESHNESS_NOT_CHECKED);
            w.accept_heads = false;
            assert_int_equal(freshness_on(&w, "foreigner", NULL), FRESHNESS_OK);
        }
        assert_int_equal(freshness_on(&w, "a", NULL),
                         FRESHNESS_ROLLED_BACK); /* who made it knows */
        world_end(&w);
    }
}

/* Once all who had seen a head are buried, their grave says it. */
static void
freshness__graves_remember_what_the_buried_had_seen(void **state)
{
    struct world w;
    struct snapshot of_b;
    struct snapshot first;
    struct snapshot second;
    const struct snapshot *gone[2] = {&first, &second};

    (void)state;
    world_begin(&w);
    backup_on(&w, "b", "1", &of_b);
    backup_on(&w, "a", "2", &first);
    backup_on(&w, "a", "3", &second);
    bury_really(&w, gone, 2);
    remove_slots(&w, 2);
    merge_graves(&w);
    assert_int_equal(freshness_on(&w, "c", NULL), FRESHNESS_NOT_CHECKED);
    drop_slot(&w, &of_b);
    assert_int_equal(freshness_on(&w, "d", NULL), FRESHNESS_ROLLED_BACK);
    world_end(&w);
}

/* A revoked client's records do not count, but they bear witness to those that do. */
static void
freshness__the_revoked_bear_witness(void **state)
{
    struct world w;
    struct snapshot first;
    struct snapshot second;
    struct repo *admin;

    (void)state;
    world_begin(&w);
    backup_on(&w, "a", "1", &first);
    backup_on(&w, "a", "2", &second);
    admin = world_open(&w, "init");
    must(key_revoke(admin, &first.client, second.sequence, E));
    repo_free(admin);
    assert_int_equal(freshness_on(&w, "b", NULL), FRESHNESS_NOT_CHECKED);
    drop_slot(&w, &first);
    assert_int_equal(freshness_on(&w, "c", NULL), FRESHNESS_ROLLED_BACK);
    world_end(&w);
}

/* Of a client that lost its memory, the number of a buried snapshot is not used again. */
static void
freshness__numbers_of_the_buried_are_not_used_again(void **state)
{
    struct world w;
    struct snapshot first;
    struct snapshot second;
    struct snapshot third;
    const struct snapshot *gone[1] = {&second};
    struct repo *writer;

    (void)state;
    world_begin(&w);
    world_add_client(&w, KEY_ROLE_WRITER, "shop");
    writer = world_open_client(&w, "shop", "one");
    backup(writer, "1", &first);
    backup(writer, "2", &second);
    repo_free(writer);
    bury_really(&w, gone, 1);
    remove_slots(&w, 1);
    writer = world_open_client(&w, "shop", "two"); /* the same client without its state */
    backup(writer, "3", &third);
    repo_free(writer);
    assert_int_equal(third.sequence, 3);
    assert_memory_equal(third.previous.b, second.hash.b, 32);
    world_end(&w);
}

static void
head_valid__knows_the_form(void **state)
{
    (void)state;
    assert_true(head_valid("01234567:9:0123456789abcdef"));
    assert_false(head_valid(""));
    assert_false(head_valid("01234567"));
    assert_false(head_valid("01234567:"));
    assert_false(head_valid("01234567:9"));
    assert_false(head_valid("01234567:9:0123456789abcde"));
    assert_false(head_valid("01234567:9:0123456789abcdef0"));
    assert_false(head_valid("01234567::0123456789abcdef"));
    assert_false(head_valid("0123456g:9:0123456789abcdef"));
}

static void
freshness__forks_can_be_accepted(void **state)
{
    struct world w;
    struct snapshot first;
    char command[512];

    (void)state;
    world_begin(&w);
    backup_on(&w, "a", "1", &first);
    (void)snprintf(command, sizeof(command), "cp -r %s/state-a %s/state-clone", w.dir, w.dir);
    assert_int_equal(system(command), 0);
    {
        struct vv_buf slot = {0};
        struct snapshot second;
        char name[64] = "snapshots/";
        backup_on(&w, "a", "2", &second);
        vv_uuid_text(&second.session, name + 10);
        slot = world_bytes(&w, name);
        world_drop(&w, name); /* the clone does not see it */
        backup_on(&w, "clone", "3", NULL);
        world_poke(&w, name, slot.data, slot.len);
        vv_buf_release(&slot);
    }
    assert_int_equal(freshness_on(&w, "a", NULL), FRESHNESS_ROLLED_BACK);
    assert_int_equal(world_told(&w, "client-forked"), 1);
    w.accept_heads = true;
    assert_int_equal(freshness_on(&w, "a", NULL), FRESHNESS_OK);
    w.accept_heads = false;
    assert_int_equal(freshness_on(&w, "a", NULL), FRESHNESS_OK);
    world_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freshness__ends_when_it_is_accepted),
        cmocka_unit_test(freshness__accepts_holes_that_remain),
        cmocka_unit_test(freshness__graves_must_not_disappear),
        cmocka_unit_test(freshness__merged_graves_are_no_alarm),
        cmocka_unit_test(freshness__revocations_and_epochs_must_not_disappear),
        cmocka_unit_test(freshness__a_head_can_be_expected),
        cmocka_unit_test(freshness__forks_can_be_accepted),
        cmocka_unit_test(freshness__a_hole_before_a_grave_is_noticed),
        cmocka_unit_test(freshness__graves_remember_what_the_buried_had_seen),
        cmocka_unit_test(freshness__the_revoked_bear_witness),
        cmocka_unit_test(freshness__numbers_of_the_buried_are_not_used_again),
        cmocka_unit_test(head_valid__knows_the_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
