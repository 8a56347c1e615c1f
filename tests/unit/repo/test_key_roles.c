/* SPDX-License-Identifier: BSD-2-Clause */
/* What the keys of readers and writers can and cannot do; epochs; revocation. */
#include "helper_repository.h"

#include <stdio.h>
#include <string.h>

#include "crypto/asymmetric.h"
#include "crypto/secret.h"
#include "repo/open_sessions.h"

/** How many snapshots of a list have a body this key opened. */
static size_t
readable(struct repo *repo, size_t *ret_count)
{
    struct snapshot_list l;
    size_t with_body = 0;

    must(snapshot_list_read(repo, &l, E));
    for (size_t i = 0; i < l.count; i++) {
        with_body += l.snapshots[i].body.host != NULL;
    }
    assert_int_equal(l.forged, 0);
    assert_int_equal(l.damaged, 0);
    *ret_count = l.count;
    snapshot_list_release(&l);
    return with_body;
}

static struct vv_id
store(struct repo *repo, const char *text)
{
    struct run r;
    struct vv_id id;

    run_begin(&r, repo);
    (void)run_put(&r, text, &id);
    must(run_commit(&r, NULL, E));
    run_end(&r);
    return id;
}

static void
writer__stores_what_only_others_read(void **state)
{
    struct world w;
    struct repo *writer;
    struct repo *reader;
    struct repo *admin;
    struct vv_id id;
    size_t count;

    (void)state;
    world_begin(&w);
    world_add_client(&w, KEY_ROLE_WRITER, "web");
    world_add_client(&w, KEY_ROLE_READER, "drill");
    writer = world_open_client(&w, "web", "web");
    reader = world_open_client(&w, "drill", "drill");
    admin = world_open(&w, "admin");
    id = store(writer, "what the web server has");
    assert_int_equal(readable(writer, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(read_text(writer, &id, "what the web server has"), VV_EKEY);
    assert_int_equal(readable(reader, &count), 1);
    must(read_text(reader, &id, "what the web server has"));
    must(read_text(admin, &id, "what the web server has"));
    repo_free(writer);
    repo_free(reader);
    repo_free(admin);
    world_end(&w);
}

static void
client__signs_nothing_for_the_administrator(void **state)
{
    struct world w;
    const enum key_role roles[] = {KEY_ROLE_WRITER, KEY_ROLE_READER};
    const char *const names[] = {"web", "drill"};

    (void)state;
    world_begin(&w);
    for (size_t i = 0; i < 2; i++) {
        struct repo *repo;
        struct key_bundle bundle;
        struct vv_uuid session = {{1}};
        struct pack_name pack;
        uint32_t epoch;
        size_t clients;
        memset(&pack, 0, sizeof(pack));
        world_add_client(&w, roles[i], names[i]);
        repo = world_open_client(&w, names[i], names[i]);
        assert_int_equal(key_client_issue(repo, KEY_ROLE_WRITER, "x", &bundle, E), VV_EKEY);
        assert_int_equal(key_rotate(repo, &epoch, &clients, E), VV_EKEY);
        assert_int_equal(key_revoke(repo, &session, 1, E), VV_EKEY);
        assert_int_equal(condemned_publish(repo, &session, &pack, 1, E), VV_EKEY);
        repo_free(repo);
    }
    world_end(&w);
}

static void
reader__writes_nothing(void **state)
{
    struct world w;
    struct repo *reader;
    struct writer_session *s = NULL;

    (void)state;
    world_begin(&w);
    world_add_client(&w, KEY_ROLE_READER, "drill");
    reader = world_open_client(&w, "drill", "drill");
    assert_int_equal(writer_session_begin(reader, SESSION_BACKUP, &s, E), VV_EREFUSED);
    repo_free(reader);
    world_end(&w);
}

static void
rotate__everybody_goes_on_and_old_and_new_open(void **state)
{
    struct world w;
    struct repo *admin;
    struct repo *writer;
    struct repo *reader;
    struct vv_id before;
    struct vv_id after;
    uint32_t epoch;
    size_t clients;
    size_t count;

    (void)state;
    world_begin(&w);
    world_add_client(&w, KEY_ROLE_WRITER, "web");
    world_add_client(&w, KEY_ROLE_READER, "drill");
    writer = world_open_client(&w, "web", "web");
    before = store(writer, "of the first epoch");
    assert_int_equal(repo_epoch(writer), 0);
    admin = world_open(&w, "admin");
    must(key_rotate(admin, &epoch, &clients, E));
    assert_int_equal(epoch, 1);
    assert_int_equal(clients, 2);
    after = store(writer, "of the second epoch"); /* opened before the rotation */
    assert_int_equal(repo_epoch(writer), 1);
    repo_free(writer);
    writer = world_open_client(&w, "web", "web");
    (void)store(writer, "and of a new run");
    assert_int_equal(repo_epoch(writer), 1);
    reader = world_open_client(&w, "drill", "drill");
    assert_int_equal(readable(reader, &count), 3);
    must(read_text(reader, &before, "of the first epoch"));
    must(read_text(reader, &after, "of the second epoch"));
    repo_free(admin);
    admin = world_open(&w, "other");
    assert_int_equal(readable(admin, &count), 3);
    must(read_text(admin, &after, "of the second epoch"));
    repo_free(reader);
    world_add_client(&w, KEY_ROLE_READER, "late"); /* has all epochs so far */
    reader = world_open_client(&w, "late", "late");
    must(read_text(reader, &before, "of the first epoch"));
    must(read_text(reader, &after, "of the second epoch"));
    repo_free(reader);
    repo_free(writer);
    repo_free(admin);
    world_end(&w);
}

static void
revoke__a_reader_reads_nothing_of_the_next_epoch(void **state)
{
    struct world w;
    struct repo *admin;
    struct repo *reader;
    struct client_list clients;
    struct snapshot_list l;
    struct vv_id before;
    struct vv_id after;
    uint32_t epoch;
    size_t count;
    size_t listed;

    (void)state;
    world_begin(&w);
    world_add_client(&w, KEY_ROLE_READER, "drill");
    admin = world_open(&w, "admin");
    before = store(admin, "before");
    must(client_list_read(admin, &clients, E));
    for (size_t i = 0; i < clients.count; i++) {
        if (clients.clients[i].role == KEY_ROLE_READER) {
            assert_string_equal(clients.clients[i].name, "drill");
            must(key_revoke(admin, &clients.clients[i].client, 1, E));
        }
    }
    client_list_release(&clients);
    must(key_rotate(admin, &epoch, &count, E));
    assert_int_equal(count, 0);
    after = store(admin, "after");
    reader = world_open_client(&w, "drill", "drill"); /* a copy of its slot survived */
    world_forget_events(&w);
    assert_int_equal(readable(reader, &listed), 1);
    assert_int_equal(listed, 1);
    assert_int_equal(world_told(&w, "epoch-unknown"), 1); /* and nothing of damage */
    assert_int_equal(world_told(&w, "snapshot-damaged"), 0);
    assert_int_equal(world_told(&w, "snapshot-missing"), 0);
    must(snapshot_list_read(reader, &l, E));
    assert_int_equal(l.locked, 1);
    assert_int_equal(l.freshness, FRESHNESS_OK);
    snapshot_list_release(&l);
    must(read_text(reader, &before, "before"));
    assert_int_equal(read_text(reader, &after, "after"), VV_EKEY);
    assert_non_null(strstr(E->message, "epoch 1"));
    repo_free(reader);
    repo_free(admin);
    world_end(&w);
}

/* A reader meets a pack whose header says another epoch than it is of: that is damage, and the copy at
 * the pack's end tells; where both say the same, it is not. */
static void
reader__does_not_take_damage_for_a_missing_key(void **state)
{
    static const long headers[] = {28, -(long)PACK_TAIL_LEN + 28};
    struct world w;
    struct repo *admin;
    struct repo *reader;
    struct vv_id id;
    struct pack_name pack;
    char object[PACK_OBJECT_TEXT];

    (void)state;
    world_begin(&w);
    world_add_client(&w, KEY_ROLE_READER, "drill");
    admin = world_open(&w, "admin");
    id = store(admin, "something");
    pack = pack_of(admin, &id);
    pack_object_text(&pack, object);
    reader = world_open_client(&w, "drill", "drill");
    must(read_text(reader, &id, "something"));
    world_flip(&w, object, headers[0]);
    assert_int_equal(read_text(reader, &id, "something"), VV_ECORRUPT);
    world_flip(&w, object, headers[1]);
    assert_int_equal(read_text(reader, &id, "something"), VV_EKEY);
    repo_free(reader);
    repo_free(admin);
    world_end(&w);
}

static size_t
open_sessions_of(struct repo *admin)
{
    struct admin_records records = {0};
    struct open_sessions open = {0};
    size_t count;

    must(admin_records_read(admin, &records, E));
    must(open_sessions_read(admin, &records, &open, E));
    count = open.count;
    open_sessions_release(&open);
    admin_records_release(&records);
    return count;
}

static void
revoke__a_writer_is_believed_up_to_then(void **state)
{
    struct world w;
    struct repo *admin;
    struct repo *writer;
    struct client_list clients;
    struct writer_session *s = NULL;
    size_t count;

    (void)state;
    world_begin(&w);
    world_add_client(&w, KEY_ROLE_WRITER, "web");
    writer = world_open_client(&w, "web", "web");
    (void)store(writer, "1");
    (void)store(writer, "2");
    admin = world_open(&w, "admin");
    must(client_list_read(admin, &clients, E));
    assert_int_equal(clients.count, 1);
    must(key_revoke(admin, &clients.clients[0].client, 2, E));
    client_list_release(&clients);
    assert_int_equal(readable(admin, &count), 1);
    assert_int_equal(writer_session_begin(writer, SESSION_BACKUP, &s, E), VV_EREFUSED);
    assert_int_equal(open_sessions_of(admin), 0); /* no prune waits for what was refused */
    must(client_list_read(admin, &clients, E));
    assert_true(clients.clients[0].revoked);
    assert_int_equal(clients.clients[0].revoked_since, 2);
    client_list_release(&clients);
    repo_free(writer);
    repo_free(admin);
    world_end(&w);
}

/** Let through so many changes of the storage, then die. */
struct death {
    unsigned left;
};

static enum fault_verdict
die_after(void *ctx, enum storage_op op, const char *name)
{
    struct death *d = ctx;

    (void)name;
    if (op != STORAGE_PUBLISH && op != STORAGE_REMOVE) {
        return FAULT_PASS;
    }
    if (d->left == 0) {
        return FAULT_FAIL;
    }
    d->left--;
    return FAULT_PASS;
}

static struct client_info
the_client(struct repo *admin)
{
    struct client_list l;
    struct client_info c;

    must(client_list_read(admin, &l, E));
    assert_int_equal(l.count, 1);
    c = l.clients[0];
    client_list_release(&l);
    return c;
}

static size_t
slots_of(struct world *w, const struct client_info *c)
{
    struct name_list names = world_names(w, "keys");
    char slot[17];
    size_t count = 0;

    key_client_slot(&c->client, slot);
    for (size_t i = 0; i < names.count; i++) {
        count += strncmp(names.names[i], slot, 16) == 0;
    }
    name_list_release(&names);
    return count;
}

/* Whatever step it died before, running it again does the rest, and once more has nothing to do. */
static void
revoke__is_finished_by_the_next_run(void **state)
{
    (void)state;
    for (unsigned steps = 0;; steps++) {
        struct world w;
        struct repo *admin;
        struct death death = {steps};
        struct client_info c;
        struct key_revocation done;
        size_t count;
        bool whole;
        world_begin(&w);
        world_add_client(&w, KEY_ROLE_WRITER, "web");
        admin = world_open(&w, "admin");
        vv_clock_manual_advance(&w.clock, 1000000000);
        c = the_client(admin);
        w.hook = die_after;
        w.hook_ctx = &death;
        whole = key_revoke_client(admin, &c, 1, &done, E) == VV_OK && done.slot_kept.rc == VV_OK;
        w.hook = NULL;
        repo_free(admin);
        vv_clock_manual_advance(&w.clock, 1000000000);
        admin = world_open(&w, "admin");
        c = the_client(admin);
        must(key_revoke_client(admin, &c, 1, &done, E));
        assert_int_equal(done.revoked || done.rotated || done.slot_removed, !whole);
        assert_int_equal(done.slot_kept.rc, VV_OK);
        c = the_client(admin);
        assert_true(c.revoked);
        assert_int_equal(c.revoked_since, 1);
        assert_int_equal(readable(admin, &count), 0); /* which learns of epochs */
        assert_int_equal(repo_epoch(admin), 1);       /* and not one more */
        assert_int_equal(slots_of(&w, &c), 0);
        must(key_revoke_client(admin, &c, 1, &done, E));
        assert_false(done.revoked || done.rotated || done.slot_removed);
        repo_free(admin);
        world_end(&w);
        if (whole) {
            assert_int_equal(steps, 4); /* record, epoch, two copies of the slot */
            return;
        }
    }
}

/* The newest epoch was begun before the client's key was made: its keys are in that. */
static void
revoke__rotates_when_the_key_is_younger_than_the_epoch(void **state)
{
    struct world w;
    struct repo *admin;
    struct client_info c;
    struct key_revocation done;
    uint32_t epoch;
    size_t clients;

    (void)state;
    world_begin(&w);
    admin = world_open(&w, "admin");
    must(key_rotate(admin, &epoch, &clients, E));
    vv_clock_manual_advance(&w.clock, 1000000000);
    world_add_client(&w, KEY_ROLE_READER, "drill");
    c = the_client(admin);
    must(key_revoke(admin, &c.client, 1, E)); /* and died */
    c = the_client(admin);
    must(key_revoke_client(admin, &c, 1, &done, E));
    assert_false(done.revoked);
    assert_true(done.rotated);
    assert_int_equal(done.epoch, 2);
    repo_free(admin);
    world_end(&w);
}

/* A writer's pack is deduplicated against by itself, not by others; and it goes by its own. */
static void
writer__deduplicates_against_its_own_and_administrators(void **state)
{
    struct world w;
    struct repo *admin;
    struct repo *web;
    struct repo *mail;
    struct run r;
    struct vv_id id;

    (void)state;
    world_begin(&w);
    world_add_client(&w, KEY_ROLE_WRITER, "web");
    world_add_client(&w, KEY_ROLE_WRITER, "mail");
    admin = world_open(&w, "admin");
    web = world_open_client(&w, "web", "web");
    mail = world_open_client(&w, "mail", "mail");
    (void)store(admin, "the administrator's");
    (void)store(web, "the web server's");
    run_begin(&r, web);
    assert_false(run_put(&r, "the administrator's", &id));
    assert_false(run_put(&r, "the web server's", &id));
    must(run_commit(&r, NULL, E));
    run_end(&r);
    run_begin(&r, mail);
    assert_false(run_put(&r, "the administrator's", &id));
    assert_true(run_put(&r, "the web server's", &id));
    must(run_commit(&r, NULL, E));
    run_end(&r);
    repo_free(admin);
    repo_free(web);
    repo_free(mail);
    world_end(&w);
}

/* One state directory serves an administrator's key and clients' keys side by side. */
static void
client__keeps_its_own_state(void **state)
{
    struct world w;
    struct repo *admin;
    struct repo *web;
    const struct client_keys *one = NULL;
    const struct client_keys *two = NULL;

    (void)state;
    world_begin(&w);
    world_add_client(&w, KEY_ROLE_WRITER, "web");
    admin = world_open(&w, "host");
    (void)store(admin, "1");
    web = world_open_client(&w, "web", "host");
    (void)store(web, "2");
    must(local_state_client(repo_state(admin), 0, &one, E));
    must(local_state_client(repo_state(web), 0, &two, E));
    assert_false(vv_uuid_equal(&one->id, &two->id));
    assert_true(vv_uuid_equal(&two->id, &keyring_client(repo_keyring(web))->client));
    assert_int_equal(two->sequence, 1);
    repo_free(web);
    web = world_open_client(&w, "web", "host");
    (void)store(web, "3");
    must(local_state_client(repo_state(web), 0, &two, E));
    assert_int_equal(two->sequence, 2);
    repo_free(web);
    repo_free(admin);
    world_end(&w);
}

/* The storage loses the record of an epoch: a writer that was told goes on, a new one cannot. */
static void
epoch__a_record_with_nothing_for_a_client_is_refused(void **state)
{
    struct world w;
    struct repo *admin;
    struct repo *web;
    struct writer_session *s = NULL;
    struct vv_buf certificate;
    struct name_list names;
    char name[256];
    uint32_t epoch;
    size_t clients;

    (void)state;
    world_begin(&w);
    world_add_client(&w, KEY_ROLE_WRITER, "web");
    names = world_names(&w, "admin");
    assert_int_equal(names.count, 1);
    (void)snprintf(name, sizeof(name), "admin/%s", names.names[0]);
    name_list_release(&names);
    certificate = world_bytes(&w, name);
    world_drop(&w, name); /* another copy of the repository, where it was not certified */
    admin = world_open(&w, "admin");
    must(key_rotate(admin, &epoch, &clients, E));
    world_poke(&w, name, certificate.data, certificate.len);
    web = world_open_client(&w, "web", "web");
    assert_int_equal(writer_session_begin(web, SESSION_BACKUP, &s, E), VV_EKEY);
    must(key_rotate(admin, &epoch, &clients, E));
    (void)store(web, "1");
    assert_int_equal(repo_epoch(web), 2);
    vv_buf_release(&certificate);
    repo_free(web);
    repo_free(admin);
    world_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer__stores_what_only_others_read),
        cmocka_unit_test(client__signs_nothing_for_the_administrator),
        cmocka_unit_test(reader__writes_nothing),
        cmocka_unit_test(rotate__everybody_goes_on_and_old_and_new_open),
        cmocka_unit_test(revoke__a_reader_reads_nothing_of_the_next_epoch),
        cmocka_unit_test(reader__does_not_take_damage_for_a_missing_key),
        cmocka_unit_test(revoke__a_writer_is_believed_up_to_then),
        cmocka_unit_test(revoke__is_finished_by_the_next_run),
        cmocka_unit_test(revoke__rotates_when_the_key_is_younger_than_the_epoch),
        cmocka_unit_test(writer__deduplicates_against_its_own_and_administrators),
        cmocka_unit_test(client__keeps_its_own_state),
        cmocka_unit_test(epoch__a_record_with_nothing_for_a_client_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
