/* SPDX-License-Identifier: BSD-2-Clause */
/* The writer's half of the prune protocol, with a prune done by hand in between. */
#include "helper_repository.h"

#include <string.h>

#include "format/slot.h"
#include "repo/open_sessions.h"

/* What happens between two steps of the writer: before the first operation that fits. */
struct intrusion {
    struct world *w;
    struct repo *admin; /* the prune's repository */
    enum storage_op op;
    const char *prefix;
    unsigned skip; /* operations that fit and are let pass */
    bool done;
    void (*act)(struct intrusion *);
    enum fault_verdict verdict;
    /* what act works on */
    struct vv_uuid session;
    struct pack_name pack;
};

static enum fault_verdict
intrude(void *ctx, enum storage_op op, const char *name)
{
    struct intrusion *i = ctx;

    if (i->done || op != i->op || strncmp(name, i->prefix, strlen(i->prefix)) != 0) {
        return FAULT_PASS;
    }
    if (i->skip > 0) {
        i->skip--;
        return FAULT_PASS;
    }
    i->done = true;
    if (i->act != NULL) {
        i->act(i);
    }
    return i->verdict;
}

static void
arm(struct world *w, struct intrusion *i)
{
    i->w = w;
    w->hook_ctx = i;
    w->hook = intrude;
}

static const struct vv_uuid prune_session = {{0xab, 1, 2, 3}};

static void
condemn(struct intrusion *i)
{
    must(condemned_publish(i->admin, &prune_session, &i->pack, 1, E));
}

/** Fence whichever session is open, as read from the storage. */
static void
fence_open(struct intrusion *i)
{
    struct name_list names;
    struct vv_uuid id;

    must(repo_list(i->admin, "sessions", &names, E));
    for (size_t k = 0; k < names.count; k++) {
        if (vv_uuid_parse(names.names[k], strlen(names.names[k]), &id)) {
            enum vv_rc rc = publish_fence(i->admin, &id, 1);
            assert_true(rc == VV_OK || rc == VV_EEXISTS);
        }
    }
    name_list_release(&names);
}

/** The whole prune that removes ${i->pack}: list, (fences elsewhere), index, pack, retire. */
static void
prune_all(struct intrusion *i)
{
    char list[64] = "condemned/";

    condemn(i);
    remove_pack(i->w, &i->pack);
    vv_uuid_text(&prune_session, list + 10);
    world_drop(i->w, list);
}

static size_t
visible(struct repo *repo)
{
    struct snapshot_list l;
    size_t count;

    must(snapshot_list_read(repo, &l, E));
    count = l.count;
    snapshot_list_release(&l);
    return count;
}

static void
writer_session__registers_before_it_looks(void **state)
{
    struct world w;
    struct repo *repo;
    struct intrusion i = {.op = STORAGE_LIST, .prefix = "condemned", .verdict = FAULT_STOP};
    struct writer_session *s = NULL;
    struct name_list names;

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    arm(&w, &i);
    assert_int_not_equal(writer_session_begin(repo, SESSION_BACKUP, &s, E), VV_OK);
    assert_null(s);
    repo_free(repo);
    w.hook = NULL;
    storage_free(w.storage);
    must(storage_fault_new(w.memory, NULL, NULL, &w.storage, E));
    names = world_names(&w, "sessions"); /* W1 came before W2 */
    assert_int_equal(names.count, 1);
    name_list_release(&names);
    world_end(&w);
}

static void
writer_session__commits_and_is_seen(void **state)
{
    struct world w;
    struct repo *repo;
    struct snapshot made;
    struct snapshot_list l;

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    backup(repo, "order 1", &made);
    must(snapshot_list_read(repo, &l, E));
    assert_int_equal(l.count, 1);
    assert_memory_equal(l.snapshots[0].id.b, made.id.b, 16);
    assert_memory_equal(l.snapshots[0].hash.b, made.hash.b, 32);
    assert_string_equal(l.snapshots[0].body.host, "shop");
    assert_int_equal(l.forged + l.damaged + l.fenced, 0);
    snapshot_list_release(&l);
    assert_int_equal(w.events.count, 0);
    repo_free(repo);
    world_end(&w);
}

static void
writer_session__is_refused_when_fenced(void **state)
{
    struct world w;
    struct repo *repo;
    struct repo *admin;
    struct run r;
    struct vv_id id;

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    admin = world_open(&w, "b");
    run_begin(&r, repo);
    (void)run_put(&r, "order 1", &id);
    must(publish_fence(admin, writer_session_id(r.session), 1));
    assert_int_equal(run_commit(&r, NULL, E), VV_EREFUSED);
    assert_non_null(strstr(E->message, "fenced"));
    run_end(&r);
    assert_int_equal(visible(admin), 0);
    backup(repo, "order 1", NULL); /* a new session succeeds */
    assert_int_equal(visible(admin), 1);
    repo_free(repo);
    repo_free(admin);
    world_end(&w);
}

static void
writer_session__tells_a_fence_from_a_squatter(void **state)
{
    struct world w;
    struct repo *repo;
    struct run r;
    struct vv_id id;

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    run_begin(&r, repo);
    (void)run_put(&r, "order 1", &id);
    must(publish_fence(repo, writer_session_id(r.session), 0));
    assert_int_equal(run_commit(&r, NULL, E), VV_EREFUSED);
    assert_null(strstr(E->message, "fenced"));
    assert_non_null(strstr(E->message, "no fence"));
    run_end(&r);
    repo_free(repo);
    world_end(&w);
}

/* The fence was tidied away behind a grave while the writer slept (A4). */
static void
bury_session(struct intrusion *i)
{
    struct grave g = {.session = i->session, .reason = GRAVE_FENCED};
    char name[64] = "snapshots/";

    must(publish_fence(i->admin, &i->session, 1));
    publish_graves(i->admin, "grave-00000000000000000000000000000001", &g, 1);
    vv_uuid_text(&i->session, name + 10);
    world_drop(i->w, name);
}

static void
writer_session__reads_graves_before_success(void **state)
{
    struct world w;
    struct repo *repo;
    struct run r;
    struct vv_id id;
    struct intrusion i = {.op = STORAGE_PUBLISH, .prefix = "snapshots/", .act = bury_session};

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    i.admin = world_open(&w, "b");
    run_begin(&r, repo);
    (void)run_put(&r, "order 1", &id);
    i.session = *writer_session_id(r.session);
    arm(&w, &i);
    assert_int_equal(run_commit(&r, NULL, E), VV_EREFUSED);
    assert_true(i.done);
    run_end(&r);
    assert_int_equal(visible(i.admin), 0); /* its slot is there, and counts for nothing */
    repo_free(repo);
    repo_free(i.admin);
    world_end(&w);
}

/* Graves are merged while they are listed: the old one goes before it is reached, the new one comes
 * behind.  The first listing shows neither. */
struct merge_trick {
    struct world *w;
    struct vv_buf grave;
    unsigned listings;
    bool armed;
};

static enum fault_verdict
merge_graves(void *ctx, enum storage_op op, const char *name)
{
    struct merge_trick *m = ctx;

    if (m->armed && op == STORAGE_LIST && strcmp(name, "admin") == 0) {
        m->listings++;
        if (m->listings == 2) { /* what was missing in the first listing is there in the second */
            world_poke(m->w, "admin/grave-00000000000000000000000000000002", m->grave.data,
                       m->grave.len);
        }
    }
    m->armed = m->armed || (op == STORAGE_PUBLISH && strncmp(name, "snapshots/", 10) == 0);
    return FAULT_PASS;
}

static void
writer_session__believes_absence_of_a_grave_only_twice(void **state)
{
    struct world w;
    struct repo *repo;
    struct run r;
    struct vv_id id;
    struct merge_trick m = {.w = &w};
    struct grave g = {.reason = GRAVE_FENCED};

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    run_begin(&r, repo);
    (void)run_put(&r, "order 1", &id);
    g.session = *writer_session_id(r.session);
    publish_graves(repo, "grave-00000000000000000000000000000002", &g, 1);
    m.grave = world_bytes(&w, "admin/grave-00000000000000000000000000000002");
    world_drop(&w, "admin/grave-00000000000000000000000000000002");
    w.hook_ctx = &m;
    w.hook = merge_graves;
    assert_int_equal(run_commit(&r, NULL, E), VV_EREFUSED);
    vv_buf_release(&m.grave);
    run_end(&r);
    repo_free(repo);
    world_end(&w);
}

static void
writer_session__does_not_report_success_when_graves_cannot_be_read(void **state)
{
    struct world w;
    struct repo *repo;
    struct run r;
    struct vv_id id;
    struct grave g = {.session = {{9}}, .reason = GRAVE_FENCED};
    struct intrusion i = {
        .op = STORAGE_READ, .prefix = "admin/grave", .verdict = FAULT_FAIL, .skip = 1};

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    publish_graves(repo, "grave-00000000000000000000000000000003", &g, 1);
    run_begin(&r, repo);
    (void)run_put(&r, "order 1", &id);
    run_flush(&r);
    arm(&w, &i); /* the scan before the commit reads it once, W7 fails */
    assert_int_equal(run_commit(&r, NULL, E), VV_EIO);
    assert_true(i.done);
    run_end(&r);
    repo_free(repo);
    world_end(&w);
}

static void
writer_session__settles_a_lost_reply(void **state)
{
    struct world w;
    struct repo *repo;
    struct run r;
    struct vv_id id;
    struct intrusion i = {
        .op = STORAGE_PUBLISH, .prefix = "snapshots/", .verdict = FAULT_LOST_REPLY};

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    run_begin(&r, repo);
    (void)run_put(&r, "order 1", &id);
    arm(&w, &i);
    must(run_commit(&r, NULL, E));
    assert_true(i.done);
    run_end(&r);
    assert_int_equal(visible(repo), 1);
    repo_free(repo);
    world_end(&w);
}

static void
writer_session__parent_reuse_ends_with_a_pending_list(void **state)
{
    struct world w;
    struct repo *repo;
    struct run r;
    const struct pack_name none = {{{1}}, {{2}}};

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    run_begin(&r, repo);
    assert_true(writer_session_parent_reuse(r.session));
    must(condemned_publish(repo, &prune_session, &none, 1, E));
    assert_true(writer_session_parent_reuse(r.session)); /* published later: that prune waits */
    must(writer_session_refresh(r.session, E));
    assert_false(writer_session_parent_reuse(r.session));
    world_drop(&w, "condemned/ab010203000000000000000000000000");
    must(writer_session_refresh(r.session, E));
    assert_false(writer_session_parent_reuse(r.session)); /* once lost, lost */
    run_end(&r);
    must(condemned_publish(repo, &prune_session, &none, 1, E));
    run_begin(&r, repo);
    assert_false(writer_session_parent_reuse(r.session));
    run_end(&r);
    repo_free(repo);
    world_end(&w);
}

/* A list that comes between registering and W2 is seen. */
static void
writer_session__sees_a_list_published_after_registering(void **state)
{
    struct world w;
    struct repo *repo;
    struct run r;
    struct intrusion i = {.op = STORAGE_LIST, .prefix = "condemned", .act = condemn};

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    i.admin = world_open(&w, "b");
    arm(&w, &i);
    run_begin(&r, repo);
    assert_true(i.done);
    assert_false(writer_session_parent_reuse(r.session));
    run_end(&r);
    repo_free(repo);
    repo_free(i.admin);
    world_end(&w);
}

static void
writer_session__ignores_lists_nobody_signed(void **state)
{
    struct world w;
    struct repo *repo;
    struct run r;
    const struct pack_name none = {{{1}}, {{2}}};

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    must(condemned_publish(repo, &prune_session, &none, 1, E));
    world_flip(&w, "condemned/ab010203000000000000000000000000", -40); /* in the signature */
    world_poke(&w, "condemned/not.a~list", "x", 1);
    run_begin(&r, repo);
    assert_int_equal(writer_session_condemned(r.session)->forged, 2); /* no such session */
    assert_true(writer_session_parent_reuse(r.session));
    run_end(&r);
    world_poke(&w, "sessions/ab010203000000000000000000000000", "x", 1);
    world_forget_events(&w);
    run_begin(&r, repo);
    assert_false(writer_session_parent_reuse(r.session)); /* it may have been genuine: L2 */
    assert_int_equal(writer_session_condemned(r.session)->damaged, 1);
    assert_int_equal(writer_session_condemned(r.session)->forged, 1);
    run_end(&r);
    assert_int_equal(world_told(&w, "condemned-damaged"), 1);
    world_forget_events(&w);
    must(session_fence(repo, &prune_session,
                       E)); /* what a fenced prune condemned it never deletes */
    run_begin(&r, repo);
    assert_true(writer_session_parent_reuse(r.session));
    assert_int_equal(writer_session_condemned(r.session)->damaged, 0);
    assert_int_equal(writer_session_condemned(r.session)->forged, 2);
    run_end(&r);
    repo_free(repo);
    world_end(&w);
}

static void
writer_session__ignores_an_old_list_under_a_new_name(void **state)
{
    struct world w;
    struct repo *repo;
    struct run r;
    const struct pack_name none = {{{1}}, {{2}}};
    struct vv_buf list;

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    must(condemned_publish(repo, &prune_session, &none, 1, E));
    list = world_bytes(&w, "condemned/ab010203000000000000000000000000");
    world_drop(&w, "condemned/ab010203000000000000000000000000");
    world_poke(&w, "condemned/ab010203000000000000000000000001", list.data, list.len);
    vv_buf_release(&list);
    run_begin(&r, repo);
    assert_true(writer_session_parent_reuse(r.session));
    run_end(&r);
    repo_free(repo);
    world_end(&w);
}

static void
dedup_case(void (*act)(struct intrusion *), bool expect_new)
{
    struct world w;
    struct repo *repo;
    struct run r;
    struct vv_id id;
    struct intrusion i = {.op = STORAGE_LIST};

    world_begin(&w);
    repo = world_open(&w, "a");
    backup(repo, "order 1", NULL);
    i.w = &w;
    i.admin = world_open(&w, "b");
    run_begin(&r, repo);
    (void)run_put(&r, "something else", &id);
    run_end(&r);
    chunk_id(repo_keyring(repo), CHUNK_DATA, vv_span("order 1", 7), &id);
    i.pack = pack_of(repo, &id);
    if (act != NULL) {
        act(&i);
    }
    run_begin(&r, repo);
    assert_int_equal(run_put(&r, "order 1", &id), expect_new);
    must(run_commit(&r, NULL, E));
    run_end(&r);
    assert_int_equal(read_text(repo, &id, "order 1"), VV_OK);
    repo_free(repo);
    repo_free(i.admin);
    world_end(&w);
}

static void
gone(struct intrusion *i)
{
    remove_pack(i->w, &i->pack);
}

static void
suspect(struct intrusion *i)
{
    publish_suspect(i->admin, "suspect-00000000000000000000000000000001", &i->pack);
}

static void
writer_session__deduplicates_only_against_live_packs(void **state)
{
    (void)state;
    dedup_case(NULL, false);
    dedup_case(condemn, true);
    dedup_case(gone, true); /* the index still names it: a hint */
    dedup_case(suspect, true);
    dedup_case(prune_all, true);
}

/* A prune that ran before registering finishes anywhere between two steps of the writer: whatever
 * the moment, what is committed can be read. */
static void
run_against_prune(enum storage_op op, const char *prefix, unsigned skip)
{
    struct world w;
    struct repo *repo;
    struct run r;
    struct vv_id id;
    struct intrusion i = {.op = op, .prefix = prefix, .skip = skip, .act = gone};

    world_begin(&w);
    repo = world_open(&w, "a");
    i.admin = world_open(&w, "b");
    backup(repo, "order 1", NULL);
    chunk_id(repo_keyring(repo), CHUNK_DATA, vv_span("order 1", 7), &id);
    i.pack = pack_of(repo, &id);
    condemn(&i); /* before the writer registers: the prune owes it nothing */
    arm(&w, &i);
    i.w = &w;
    run_begin(&r, repo);
    (void)run_put(&r, "order 1", &id);
    must(run_commit(&r, NULL, E));
    run_end(&r);
    w.hook = NULL;
    if (!i.done) {
        gone(&i);
    }
    assert_int_equal(read_text(repo, &id, "order 1"), VV_OK);
    repo_free(repo);
    repo_free(i.admin);
    world_end(&w);
}

/* A prune that starts after registering must fence the writer before it deletes. */
static void run_against_fencing_prune(enum storage_op op, const char *prefix, unsigned skip);

static void
fence_and_delete(struct intrusion *i)
{
    condemn(i);
    fence_open(i);
    remove_pack(i->w, &i->pack);
}

static void
run_against_fencing_prune(enum storage_op op, const char *prefix, unsigned skip)
{
    struct world w;
    struct repo *repo;
    struct run r;
    struct vv_id id;
    struct intrusion i = {.op = op, .prefix = prefix, .skip = skip, .act = fence_and_delete};
    enum vv_rc rc;

    world_begin(&w);
    repo = world_open(&w, "a");
    i.admin = world_open(&w, "b");
    backup(repo, "order 1", NULL);
    chunk_id(repo_keyring(repo), CHUNK_DATA, vv_span("order 1", 7), &id);
    i.pack = pack_of(repo, &id);
    run_begin(&r, repo);
    arm(&w, &i);
    i.w = &w;
    (void)run_put(&r, "order 1", &id);
    rc = run_commit(&r, NULL, E);
    w.hook = NULL;
    assert_int_equal(rc, i.done ? VV_EREFUSED : VV_OK);
    run_end(&r);
    assert_int_equal(visible(repo), i.done ? 1 : 2);
    repo_free(repo);
    repo_free(i.admin);
    world_end(&w);
}

static void
writer_session__survives_a_prune_at_every_step(void **state)
{
    static const struct {
        enum storage_op op;
        const char *prefix;
        unsigned count;
    } steps[] = {
        {STORAGE_PUBLISH, "sessions/", 1}, {STORAGE_LIST, "condemned", 1},
        {STORAGE_LIST, "admin", 4},        {STORAGE_LIST, "index", 2},
        {STORAGE_LIST, "packs/", 1},       {STORAGE_PUBLISH, "packs/", 2},
        {STORAGE_PUBLISH, "index/", 1},    {STORAGE_PUBLISH, "snapshots/", 1},
    };

    (void)state;
    for (size_t i = 0; i < VV_COUNT(steps); i++) {
        for (unsigned skip = 0; skip < steps[i].count; skip++) {
            run_against_prune(steps[i].op, steps[i].prefix, skip);
            if (strcmp(steps[i].prefix, "sessions/") != 0) {
                run_against_fencing_prune(steps[i].op, steps[i].prefix, skip);
            }
        }
    }
}

static void
writer_session__beats_when_the_clock_says_so(void **state)
{
    struct world w;
    struct repo *repo;
    struct run r;
    struct name_list names;

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    run_begin(&r, repo);
    must(writer_session_beat(r.session, E));
    names = world_names(&w, "sessions");
    assert_int_equal(names.count, 1);
    name_list_release(&names);
    /* The session's own thread may be faster than this one: either way one heartbeat each. */
    for (size_t beat = 1; beat <= 2; beat++) {
        w.clock.mono_ns += UINT64_C(600) * 1000 * 1000 * 1000;
        must(writer_session_beat(r.session, E));
        must(writer_session_beat(r.session, E));
    }
    run_end(&r); /* joins the thread */
    names = world_names(&w, "sessions");
    assert_int_equal(names.count, 3);
    assert_non_null(strstr(names.names[1], ".1"));
    assert_non_null(strstr(names.names[2], ".2"));
    name_list_release(&names);
    repo_free(repo);
    world_end(&w);
}

static void
writer_session__refuses_without_site_or_right(void **state)
{
    struct world w;
    struct repo *repo;
    struct writer_session *s = NULL;
    struct run r;
    struct vv_buf payload = {0};
    struct revocation revocation = {.since = 0};

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    backup(repo, "order 1", NULL);
    run_begin(&r, repo);
    revocation.client = writer_session_client(r.session)->id;
    run_end(&r);
    revocation_encode(&revocation, &payload);
    must(admin_publish(repo, 0, ADMIN_REVOCATION, "revocation-x-1", vv_buf_span(&payload), E));
    vv_buf_release(&payload);
    assert_int_equal(writer_session_begin(repo, SESSION_BACKUP, &s, E), VV_EREFUSED);
    repo_free(repo);
    world_flip(&w, "site", 30);
    repo = world_open(&w, "b");
    assert_int_equal(world_told(&w, "site-damaged"), 1);
    assert_int_equal(writer_session_begin(repo, SESSION_BACKUP, &s, E), VV_EREFUSED);
    assert_int_equal(admin_publish(repo, 1, ADMIN_SUSPECT, "suspect-1", vv_span("", 0), E),
                     VV_EREFUSED);
    repo_free(repo);
    world_end(&w);
}

static void
writer_session__finds_another_name_for_its_certificate(void **state)
{
    struct world w;
    struct repo *repo;
    const struct client_keys *client;
    char name[128] = "admin/certificate-";
    struct run r;

    (void)state;
    world_begin(&w);
    repo = world_open(&w, "a");
    must(local_state_client(repo_state(repo), 1, &client, E));
    vv_uuid_text(&client->id, name + strlen(name));
    strcat(name, "-1");
    world_poke(&w, name, "squatter", 8);
    run_begin(&r, repo);
    assert_non_null(strstr(writer_session_certificate(r.session), "-2"));
    must(run_commit(&r, NULL, E));
    run_end(&r);
    assert_int_equal(visible(repo), 1);
    repo_free(repo);
    world_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer_session__registers_before_it_looks),
        cmocka_unit_test(writer_session__commits_and_is_seen),
        cmocka_unit_test(writer_session__is_refused_when_fenced),
        cmocka_unit_test(writer_session__tells_a_fence_from_a_squatter),
        cmocka_unit_test(writer_session__reads_graves_before_success),
        cmocka_unit_test(writer_session__believes_absence_of_a_grave_only_twice),
        cmocka_unit_test(writer_session__does_not_report_success_when_graves_cannot_be_read),
        cmocka_unit_test(writer_session__settles_a_lost_reply),
        cmocka_unit_test(writer_session__parent_reuse_ends_with_a_pending_list),
        cmocka_unit_test(writer_session__sees_a_list_published_after_registering),
        cmocka_unit_test(writer_session__ignores_lists_nobody_signed),
        cmocka_unit_test(writer_session__ignores_an_old_list_under_a_new_name),
        cmocka_unit_test(writer_session__deduplicates_only_against_live_packs),
        cmocka_unit_test(writer_session__survives_a_prune_at_every_step),
        cmocka_unit_test(writer_session__beats_when_the_clock_says_so),
        cmocka_unit_test(writer_session__refuses_without_site_or_right),
        cmocka_unit_test(writer_session__finds_another_name_for_its_certificate),
    };

    return cmocka_run_group_tests_name("repo/writer_session", tests, NULL, NULL);
}
