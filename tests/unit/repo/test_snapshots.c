/* SPDX-License-Identifier: BSD-2-Clause */
/* Which snapshots are visible, whether any is missing, and how one is chosen. */
#include "helper_repository.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "crypto/asymmetric.h"
#include "format/slot.h"

static void
slot_name(const struct vv_uuid *session, char out[64])
{
    memcpy(out, "snapshots/", 10);
    vv_uuid_text(session, out + 10);
}

static struct snapshot_list
list_of(struct repo *repo)
{
    struct snapshot_list l;

    must(snapshot_list_read(repo, &l, E));
    return l;
}

static enum freshness
freshness_of(struct repo *repo, size_t *ret_count)
{
    struct snapshot_list l = list_of(repo);
    enum freshness f = l.freshness;

    if (ret_count != NULL) {
        *ret_count = l.count;
    }
    snapshot_list_release(&l);
    return f;
}

static void
drop_slot(struct world *w, const struct snapshot *s)
{
    char name[64];

    slot_name(&s->session, name);
    world_drop(w, name);
}

static void
bury(struct repo *repo, const char *name, const struct snapshot *s)
{
    struct grave g = {.session = s->session,
                      .snapshot = s->id,
                      .client = s->client,
                      .sequence = s->sequence,
                      .hash = s->hash,
                      .reason = GRAVE_FORGOTTEN};

    publish_graves(repo, name, &g, 1);
}

static void
snapshots__are_fresh_when_all_is_there(void **state)
{
    struct world w;
    struct repo *a;
    struct repo *b;
    size_t count;

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    b = world_open(&w, "b");
    backup(a, "1", NULL);
    backup(b, "2", NULL);
    backup(a, "3", NULL);
    assert_int_equal(freshness_of(a, &count), FRESHNESS_OK);
    assert_int_equal(count, 3);
    assert_int_equal(freshness_of(b, &count), FRESHNESS_OK);
    repo_free(b);
    b = world_open(&w, "c"); /* never here before */
    assert_int_equal(freshness_of(b, &count), FRESHNESS_NOT_CHECKED);
    assert_int_equal(freshness_of(b, &count), FRESHNESS_OK); /* now it remembers */
    assert_int_equal(w.events.count, 0);
    repo_free(a);
    repo_free(b);
    world_end(&w);
}

static void
snapshots__a_hole_is_an_alarm_unless_a_grave_explains_it(void **state)
{
    struct world w;
    struct repo *a;
    struct snapshot first;
    struct snapshot second;
    size_t count;

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    backup(a, "1", &first);
    backup(a, "2", &second);
    drop_slot(&w, &first);
    assert_int_equal(freshness_of(a, &count), FRESHNESS_ROLLED_BACK); /* C1 */
    assert_int_equal(count, 1);
    assert_int_not_equal(world_told(&w, "snapshot-missing"), 0);
    bury(a, "grave-00000000000000000000000000000001", &first);
    world_forget_events(&w);
    assert_int_equal(freshness_of(a, &count), FRESHNESS_OK);
    drop_slot(&w, &second); /* the newest: C3 */
    assert_int_equal(freshness_of(a, &count), FRESHNESS_ROLLED_BACK);
    assert_int_equal(freshness_of(a, &count), FRESHNESS_ROLLED_BACK); /* the alarm stays */
    bury(a, "grave-00000000000000000000000000000002", &second);
    assert_int_equal(freshness_of(a, &count), FRESHNESS_OK);
    assert_int_equal(count, 0);
    backup(a, "3", &first);
    assert_int_equal(freshness_of(a, &count), FRESHNESS_OK);
    assert_int_equal(first.sequence, 3);
    assert_memory_equal(first.previous.b, second.hash.b, 32);
    repo_free(a);
    world_end(&w);
}

static void
snapshots__what_another_client_saw_must_be_there(void **state)
{
    struct world w;
    struct repo *a;
    struct repo *b;
    struct repo *c;
    struct snapshot first;

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    b = world_open(&w, "b");
    c = world_open(&w, "c");
    backup(a, "1", &first);
    backup(b, "2", NULL); /* carries a's head */
    drop_slot(&w, &first);
    assert_int_equal(freshness_of(c, NULL), FRESHNESS_ROLLED_BACK); /* C2: c has no memory */
    repo_free(a);
    repo_free(b);
    repo_free(c);
    world_end(&w);
}

/* What this host has seen elsewhere is not here. */
static void
snapshots__another_site_may_lag(void **state)
{
    struct world w;
    struct repo *a;
    struct repo *b;
    struct snapshot second;

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    backup(a, "1", NULL);
    backup(a, "2", &second);
    repo_free(a);
    world_second_site(&w);
    drop_slot(&w, &second);
    a = world_open(&w, "a");
    b = world_open(&w, "b"); /* has seen nothing elsewhere */
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_LAG);
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_LAG);
    assert_int_equal(freshness_of(b, NULL), FRESHNESS_NOT_CHECKED);
    assert_int_equal(world_told(&w, "snapshot-missing"), 0);
    repo_free(a);
    repo_free(b);
    w.accept_heads = true;
    a = world_open(&w, "a");
    assert_int_not_equal(freshness_of(a, NULL), FRESHNESS_LAG);
    assert_int_equal(world_told(&w, "head-accepted"), 1);
    repo_free(a);
    w.accept_heads = false;
    a = world_open(&w, "a");
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_OK);
    repo_free(a);
    world_end(&w);
}

/* It was forgotten where it was made, before anything was copied. */
static void
snapshots__a_hole_at_another_site_is_no_lag(void **state)
{
    struct world w;
    struct repo *a;
    struct snapshot first;

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    backup(a, "1", &first);
    backup(a, "2", NULL);
    repo_free(a);
    world_second_site(&w);
    drop_slot(&w, &first);
    a = world_open(&w, "a");
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_NOT_CHECKED);
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_OK);
    assert_int_equal(world_told(&w, "snapshot-missing"), 0);
    repo_free(a);
    world_end(&w);
}

static void
snapshots__what_was_deleted_elsewhere_does_not_lag(void **state)
{
    struct world w;
    struct repo *a;
    struct snapshot second;

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    backup(a, "1", NULL);
    backup(a, "2", &second);
    bury(a, "grave-00000000000000000000000000000001", &second);
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_OK);
    repo_free(a);
    world_second_site(&w);
    a = world_open(&w, "a");
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_NOT_CHECKED);
    repo_free(a);
    world_second_site(&w); /* a third, for which the second still has what the first has buried */
    drop_slot(&w, &second);
    a = world_open(&w, "a");
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_NOT_CHECKED);
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_OK);
    backup(a, "3", NULL); /* and the memory of the first site stays as it is */
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_OK);
    repo_free(a);
    world_end(&w);
}

static void
snapshots__graves_of_another_site_do_not_count(void **state)
{
    struct world w;
    struct repo *a;
    struct snapshot first;
    size_t count;

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    backup(a, "1", &first);
    bury(a, "grave-00000000000000000000000000000001", &first);
    (void)freshness_of(a, &count);
    assert_int_equal(count, 0);
    repo_free(a);
    world_second_site(&w);
    a = world_open(&w, "a");
    (void)freshness_of(a, &count);
    assert_int_equal(count, 1);
    repo_free(a);
    world_end(&w);
}

/* A state directory that was copied: the same client makes two different snapshots with one
 * number. */
static void
snapshots__a_fork_is_found(void **state)
{
    struct world w;
    struct repo *a;
    struct snapshot first;
    char name[64];
    struct vv_buf slot;

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    backup(a, "1", &first);
    slot_name(&first.session, name);
    slot = world_bytes(&w, name);
    repo_free(a);
    /* What the copy does: it knows nothing of the first snapshot. */
    {
        char from[160];
        char command[400];
        world_drop(&w, name);
        (void)snprintf(from, sizeof(from), "%s/state-a", w.dir);
        (void)snprintf(command, sizeof(command), "rm -f %s/*/site-*", from);
        assert_int_equal(system(command), 0);
    }
    a = world_open(&w, "a");
    {
        struct run r;
        run_begin(&r, a);
        must(local_state_lock(repo_state(a), E));
        must(local_state_set_sequence(repo_state(a), 0, E));
        local_state_unlock(repo_state(a));
        must(run_commit(&r, NULL, E));
        run_end(&r);
    }
    world_poke(&w, name, slot.data, slot.len);
    vv_buf_release(&slot);
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_ROLLED_BACK);
    assert_int_equal(world_told(&w, "client-forked"), 1);
    repo_free(a);
    world_end(&w);
}

static void
snapshots__damage_is_counted_and_hides_nothing_else(void **state)
{
    struct world w;
    struct repo *a;
    struct snapshot first;
    struct snapshot_list l;
    char name[64];

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    backup(a, "1", &first);
    backup(a, "2", NULL);
    slot_name(&first.session, name);
    world_flip(&w, name, -1);
    world_poke(&w, "snapshots/no slot", "x", 1);
    l = list_of(a);
    assert_int_equal(l.count, 1);
    assert_int_equal(l.damaged, 2);
    assert_int_equal(world_told(&w, "snapshot-damaged"), 2);
    snapshot_list_release(&l);
    l = list_of(a); /* told once */
    assert_int_equal(world_told(&w, "snapshot-damaged"), 2);
    snapshot_list_release(&l);
    repo_free(a);
    world_end(&w);
}

/** Put a certificate of the client's own key with another role in place of the client's. */
static void
recertify(struct repo *repo, enum key_role role, int64_t later)
{
    const struct client_keys *client;
    struct certificate c = {.role = (uint8_t)role};
    struct vv_buf payload = {0};

    (void)later;
    must(local_state_client(repo_state(repo), 0, &client, E));
    c.client = client->id;
    memcpy(c.ed25519, client->ed25519_public, 32);
    x25519_public(client->x25519_secret, c.x25519);
    certificate_encode(&c, &payload);
    must(
        admin_publish(repo, 0, ADMIN_CERTIFICATE, "certificate-later-2", vv_buf_span(&payload), E));
    vv_buf_release(&payload);
}

static void
snapshots__of_readers_and_strangers_do_not_count(void **state)
{
    struct world w;
    struct repo *a;
    struct repo *b;
    struct snapshot_list l;
    struct name_list names;
    char object[128];

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    b = world_open(&w, "b");
    backup(a, "1", NULL);
    names = world_names(&w, "admin");
    assert_int_equal(names.count, 1);
    (void)snprintf(object, sizeof(object), "admin/%s", names.names[0]);
    name_list_release(&names);
    backup(b, "2", NULL);
    vv_clock_manual_advance(&w.clock, 1000000000);
    recertify(b, KEY_ROLE_READER, 1); /* the newest certificate counts */
    l = list_of(a);
    assert_int_equal(l.count, 1);
    assert_int_equal(l.forged, 1);
    snapshot_list_release(&l);
    world_drop(&w, object); /* a's certificate: nobody vouches for it now */
    l = list_of(a);
    assert_int_equal(l.count, 0);
    assert_int_equal(l.forged, 2);
    snapshot_list_release(&l);
    repo_free(a);
    repo_free(b);
    world_end(&w);
}

static void
snapshots__of_revoked_clients_are_no_hole(void **state)
{
    struct world w;
    struct repo *a;
    struct repo *b;
    struct snapshot_list l;
    struct snapshot stolen;
    struct vv_buf payload = {0};
    struct revocation revocation = {.since = 2};

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    b = world_open(&w, "b");
    backup(b, "1", NULL);
    backup(b, "2", &stolen);
    backup(a, "3", NULL); /* has seen it */
    revocation.client = stolen.client;
    revocation_encode(&revocation, &payload);
    must(admin_publish(a, 0, ADMIN_REVOCATION, "revocation-b-1", vv_buf_span(&payload), E));
    vv_buf_release(&payload);
    l = list_of(a);
    assert_int_equal(l.count, 2);
    assert_int_equal(l.revoked, 1);
    assert_int_equal(l.forged, 0);
    assert_int_equal(l.freshness, FRESHNESS_OK);
    snapshot_list_release(&l);
    repo_free(a);
    repo_free(b);
    world_end(&w);
}

/* A prune buries a snapshot between the reading of graves and the listing of slots. */
struct bury_trick {
    struct world *w;
    struct repo *admin;
    struct snapshot victim;
    bool done;
};

static enum fault_verdict
bury_in_between(void *ctx, enum storage_op op, const char *name)
{
    struct bury_trick *t = ctx;

    if (op == STORAGE_LIST && strcmp(name, "snapshots") == 0 && !t->done) {
        t->done = true;
        bury(t->admin, "grave-00000000000000000000000000000001", &t->victim);
        drop_slot(t->w, &t->victim);
    }
    return FAULT_PASS;
}

static unsigned
tell_parallel(struct storage *s)
{
    (void)s;
    return 16;
}

static void
bury_while_reading(bool far)
{
    struct storage_ops far_ops;
    struct world w;
    struct repo *a;
    struct bury_trick t = {.w = &w};
    size_t count;

    world_begin(&w);
    if (far) { /* admin/ and slots are read at the same time */
        far_ops = *w.storage->ops;
        far_ops.parallel = tell_parallel;
        w.storage->ops = &far_ops;
    }
    a = world_open(&w, "a");
    t.admin = world_open(&w, "b");
    backup(a, "1", &t.victim);
    backup(a, "2", NULL);
    w.hook_ctx = &t;
    w.hook = bury_in_between;
    assert_int_equal(freshness_of(a, &count), FRESHNESS_OK);
    assert_true(t.done);
    assert_int_equal(count, 1);
    assert_int_equal(w.events.count, 0);
    repo_free(t.admin);
    repo_free(a);
    world_end(&w);
}

static void
snapshots__a_prune_in_between_is_no_alarm(void **state)
{
    (void)state;
    bury_while_reading(false);
    bury_while_reading(true);
}

/* What a scan listed and read, in this order. */
struct order {
    unsigned before; /* listings of admin/ until slots were read last */
    unsigned behind;
};

static enum fault_verdict
note_order(void *ctx, enum storage_op op, const char *name)
{
    struct order *o = ctx;

    if (op == STORAGE_READ && strncmp(name, "snapshots/", 10) == 0) {
        o->before += o->behind;
        o->behind = 0;
    }
    o->behind += op == STORAGE_LIST && strcmp(name, "admin") == 0;
    return FAULT_PASS;
}

/* Absence in admin/ needs a second listing, and one behind the slots: it is the same. */
static void
snapshots__admin_is_listed_before_and_behind_the_slots(void **state)
{
    struct world w;
    struct repo *a;
    struct order o = {0};

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    backup(a, "1", NULL);
    w.hook_ctx = &o;
    w.hook = note_order;
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_OK);
    w.hook = NULL;
    assert_int_equal(o.before, 1);
    assert_int_equal(o.behind, 1);
    repo_free(a);
    world_end(&w);
}

static void
snapshots__a_wrong_clock_does_not_reorder_a_client(void **state)
{
    struct world w;
    struct repo *a;
    struct repo *b;
    struct snapshot future;
    struct snapshot right;
    struct snapshot_list l;
    const struct snapshot *found = NULL;
    int64_t day = INT64_C(86400000000000);

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    b = world_open(&w, "b");
    w.clock.real_ns += 1000 * day;
    backup(a, "1", &future);
    w.clock.real_ns -= 1000 * day;
    backup(b, "2", NULL);
    w.clock.real_ns += day;
    backup(a, "3", &right);
    l = list_of(a);
    assert_int_equal(l.count, 3);
    must(snapshot_resolve(&l, "latest", "shop", &found, E));
    assert_memory_equal(found->id.b, right.id.b, 16);
    snapshot_list_release(&l);
    repo_free(a);
    repo_free(b);
    world_end(&w);
}

static void
snapshots__state_trouble_does_not_stop_readers(void **state)
{
    struct world w;
    struct repo *a;
    char command[200];

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    backup(a, "1", NULL);
    (void)snprintf(command, sizeof(command), "for f in %s/state-a/*/site-*; do echo bad > $f; done",
                   w.dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_NOT_CHECKED);
    assert_int_equal(world_told(&w, "state-damaged"), 1);
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_OK); /* a new memory has begun */
    repo_free(a);
    world_end(&w);
}

/* --- choosing --------------------------------------------------------------------------------- */

static void
snapshots__are_resolved(void **state)
{
    char shop[] = "shop";
    char office[] = "office";
    struct snapshot s[4] = {
        {.id = {{0xab, 0xcd, 0x01}}, .body = {.host = shop}},
        {.id = {{0xab, 0xcd, 0x02}}, .body = {.host = office}},
        {.id = {{0x12, 0x34, 0x03}}, .body = {.host = shop}},
        {.id = {{0x12, 0x35, 0x04}}, .body = {.host = office}},
    };
    struct snapshot_list l = {.snapshots = s, .count = 4};
    const struct snapshot *found = NULL;
    static const struct {
        const char *text;
        const char *host;
        int at; /* -1: not found, -2: usage */
    } cases[] = {
        {"latest", "shop", 2},
        {"latest", "office", 3},
        {"latest", "other", -2},
        {"latest~1", "shop", 0},
        {"latest~2", "shop", -1},
        {"latest@office", "shop", 3},
        {"latest~1@office", "x", 1},
        {"latest~", "shop", -2},
        {"latest~x", "shop", -2},
        {"latestx", "shop", -2},
        {"latest@", "shop", -2},
        {"abcd01", "x", 0},
        {"ABCD02", "x", 1},
        {"abcd", "x", -2},
        {"1234", "x", 2},
        {"123", "x", -2},
        {"", "x", -2},
        {"ffff", "x", -1},
        {"xyzw", "x", -2},
        {"latest@nobody", "x", -1},
        {"la", "x", -2},
    };

    (void)state;
    for (size_t i = 0; i < VV_COUNT(cases); i++) {
        enum vv_rc rc = snapshot_resolve(&l, cases[i].text, cases[i].host, &found, E);
        enum vv_rc expected = cases[i].at >= 0    ? VV_OK
                              : cases[i].at == -1 ? VV_ENOTFOUND
                                                  : VV_EUSAGE;
        if (rc != expected) {
            fail_msg("'%s' for %s: %s", cases[i].text, cases[i].host, vv_rc_name(rc));
        }
        if (rc == VV_OK) {
            assert_ptr_equal(found, &s[cases[i].at]);
        }
    }
    l.count = 1; /* only one host's: 'latest' can mean nothing else */
    must(snapshot_resolve(&l, "latest", "other", &found, E));
    assert_ptr_equal(found, &s[0]);
    l.count = 0;
    assert_int_equal(snapshot_resolve(&l, "latest", NULL, &found, E), VV_ENOTFOUND);
}

static void
snapshots__parent_shares_most_roots(void **state)
{
    struct vv_buf sources[3] = {{0}};
    struct snapshot s[4];
    struct snapshot_list l = {.snapshots = s, .count = 4};
    const struct vv_uuid me = {{1}};
    const struct vv_uuid other = {{2}};
    const struct vv_span two[2] = {vv_span("/a", 2), vv_span("/b", 2)};
    const struct vv_span none[1] = {vv_span("/z", 2)};

    (void)state;
    vv_buf_put_text(&sources[0], "/a");
    vv_buf_put_text(&sources[1], "/b");
    vv_buf_put_text(&sources[2], "/c");
    memset(s, 0, sizeof(s));
    s[0] = (struct snapshot){.client = me, .body = {.sources = sources, .source_count = 2}};
    s[1] = (struct snapshot){.client = me, .body = {.sources = sources, .source_count = 3}};
    s[2] = (struct snapshot){.client = me, .body = {.sources = sources, .source_count = 1}};
    s[3] = (struct snapshot){.client = other, .body = {.sources = sources, .source_count = 3}};
    assert_ptr_equal(snapshot_parent(&l, &me, two, 2), &s[1]);
    assert_ptr_equal(snapshot_parent(&l, &me, two, 1), &s[2]);
    assert_null(snapshot_parent(&l, &me, none, 1));
    for (int i = 0; i < 3; i++) {
        vv_buf_release(&sources[i]);
    }
}

static void
snapshots__heads_are_checked(void **state)
{
    struct world w;
    struct repo *a;
    struct snapshot first;
    struct snapshot_list l;
    char head[HEAD_TEXT];

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    backup(a, "1", &first);
    head_text(&first.client, first.sequence, &first.hash, head);
    l = list_of(a);
    must(head_check(&l, head, E));
    head[10] = head[10] == '0' ? '1' : '0';
    assert_int_equal(head_check(&l, head, E), VV_EFORGED);
    assert_int_equal(head_check(&l, "", E), VV_EFORGED);
    snapshot_list_release(&l);
    repo_free(a);
    world_end(&w);
}

struct meanwhile {
    struct world *w;
    struct repo *other; /* whose run ends in the middle of a scan */
    unsigned listings;  /* of admin/, since slots were listed last */
    bool done;
};

static enum fault_verdict
commit_behind_the_slots(void *ctx, enum storage_op op, const char *name)
{
    struct meanwhile *m = ctx;

    if (op == STORAGE_LIST && strcmp(name, "snapshots") == 0) {
        m->listings = 1;
    } else if (op == STORAGE_LIST && strcmp(name, "admin") == 0 && m->listings > 0 && !m->done) {
        m->done = true;
        backup(m->other, "2", NULL);
    }
    return FAULT_PASS;
}

static void
snapshots__a_commit_in_between_is_no_alarm(void **state)
{
    struct world w;
    struct meanwhile m = {.w = &w};
    struct repo *a;
    size_t count;

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    backup(a, "1", NULL);
    m.other = world_open(&w, "a"); /* another run of the same host: one memory */
    world_forget_events(&w);
    w.hook = commit_behind_the_slots;
    w.hook_ctx = &m;
    assert_int_equal(freshness_of(a, &count), FRESHNESS_OK);
    w.hook = NULL;
    assert_true(m.done);
    assert_int_equal(count, 2); /* the second look */
    assert_int_equal(w.events.count, 0);
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_OK);
    repo_free(m.other);
    repo_free(a);
    world_end(&w);
}

/** Reads of slots, and of everything. */
struct counted {
    unsigned slots;
    unsigned all;
};

static enum fault_verdict
count_reads(void *ctx, enum storage_op op, const char *name)
{
    struct counted *c = ctx;

    c->all += op == STORAGE_READ || op == STORAGE_SIZE;
    c->slots += op == STORAGE_READ && strncmp(name, "snapshots/", 10) == 0;
    return FAULT_PASS;
}

/** A backup of ${text} by ${repo}, and what it read. */
static struct counted
counted_backup(struct world *w, struct repo *repo, const char *text, struct snapshot *ret)
{
    struct counted c = {0};

    w->hook = count_reads;
    w->hook_ctx = &c;
    backup(repo, text, ret);
    w->hook = NULL;
    return c;
}

static void
snapshots__a_run_that_commits_again_reads_each_slot_once(void **state)
{
    struct world w;
    struct repo *a;
    struct repo *b;
    struct snapshot first;
    struct snapshot s;
    struct counted early = {0};
    struct counted late = {0};
    struct counted c;
    char text[32];

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    b = world_open(&w, "b");
    backup(b, "before", NULL);
    for (unsigned i = 0; i < 40; i++) {
        (void)snprintf(text, sizeof(text), "a %u", i);
        c = counted_backup(&w, a, text, i == 0 ? &first : &s);
        early = i == 5 ? c : early;
        late = c;
    }
    assert_int_equal(late.slots, early.slots); /* what was published since: its own last one */
    assert_true(late.slots <= 2);
    assert_int_equal(late.all, early.all);
    backup(b, "between", NULL);
    c = counted_backup(&w, a, "after", &s);
    assert_int_equal(c.slots, late.slots + 1); /* and that one */
    assert_int_equal(s.sequence, 41);
    assert_int_equal(freshness_of(a, NULL), FRESHNESS_OK);
    repo_free(a);
    repo_free(b);
    world_end(&w);
}

static void
snapshots__what_is_remembered_does_not_outlive_its_slot(void **state)
{
    struct world w;
    struct repo *a;
    struct repo *b;
    struct snapshot foreign;
    struct snapshot s;
    struct counted c;
    size_t count;

    (void)state;
    world_begin(&w);
    a = world_open(&w, "a");
    b = world_open(&w, "b");
    backup(b, "1", &foreign);
    backup(a, "2", NULL);
    backup(a, "3", NULL); /* names b's head as seen */
    drop_slot(&w, &foreign);
    backup(a, "4", &s);
    assert_int_equal(s.sequence, 3);
    assert_int_equal(freshness_of(a, &count), FRESHNESS_ROLLED_BACK); /* not hidden by the memory */
    assert_int_equal(count, 3);
    /* Damaged slots are no knowledge: they are read, and told of, each time. */
    repo_free(b);
    b = world_open(&w, "b2");
    backup(b, "5", &foreign);
    {
        char name[64];
        slot_name(&foreign.session, name);
        world_flip(&w, name, -1);
    }
    c = counted_backup(&w, a, "6", NULL);
    assert_int_equal(counted_backup(&w, a, "7", &s).slots, c.slots);
    assert_int_equal(s.sequence, 5);
    repo_free(a);
    repo_free(b);
    world_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots__are_fresh_when_all_is_there),
        cmocka_unit_test(snapshots__a_hole_is_an_alarm_unless_a_grave_explains_it),
        cmocka_unit_test(snapshots__what_another_client_saw_must_be_there),
        cmocka_unit_test(snapshots__another_site_may_lag),
        cmocka_unit_test(snapshots__a_hole_at_another_site_is_no_lag),
        cmocka_unit_test(snapshots__what_was_deleted_elsewhere_does_not_lag),
        cmocka_unit_test(snapshots__graves_of_another_site_do_not_count),
        cmocka_unit_test(snapshots__a_fork_is_found),
        cmocka_unit_test(snapshots__damage_is_counted_and_hides_nothing_else),
        cmocka_unit_test(snapshots__of_readers_and_strangers_do_not_count),
        cmocka_unit_test(snapshots__of_revoked_clients_are_no_hole),
        cmocka_unit_test(snapshots__a_prune_in_between_is_no_alarm),
        cmocka_unit_test(snapshots__admin_is_listed_before_and_behind_the_slots),
        cmocka_unit_test(snapshots__a_commit_in_between_is_no_alarm),
        cmocka_unit_test(snapshots__a_run_that_commits_again_reads_each_slot_once),
        cmocka_unit_test(snapshots__what_is_remembered_does_not_outlive_its_slot),
        cmocka_unit_test(snapshots__a_wrong_clock_does_not_reorder_a_client),
        cmocka_unit_test(snapshots__state_trouble_does_not_stop_readers),
        cmocka_unit_test(snapshots__are_resolved),
        cmocka_unit_test(snapshots__parent_shares_most_roots),
        cmocka_unit_test(snapshots__heads_are_checked),
    };

    return cmocka_run_group_tests_name("repo/snapshots", tests, NULL, NULL);
}
