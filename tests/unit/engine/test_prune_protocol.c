/* SPDX-License-Identifier: BSD-2-Clause */
/* Prune beside other sessions, and what it refuses: invariants I1 to I5 of prune.h. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "core/thread.h"
#include "engine/helper_prune.h"
#include "repo/open_sessions.h"
#include "repo/reader_session.h"
#include "repo/retention_publish.h"

#define HOUR_NS (UINT64_C(3600) * 1000000000)

static struct prune_world w;

static int
setup(void **state)
{
    (void)state;
    pw_begin(&w, 4);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    pw_end(&w);
    return 0;
}

/* --- other sessions --------------------------------------------------------------------------- */

static void
prune__waits_for_an_open_session_and_fences_it_after_an_hour(void **state)
{
    struct writer_session *session = NULL;
    struct vv_error err = {0};
    uint64_t before;

    (void)state;
    pw_forget(&w, 0, 2);
    bw_must(&w.b, writer_session_begin(w.b.repo, SESSION_BACKUP, &session, &w.b.err));
    before = pw_bytes(&w);
    pw_prune(&w);
    assert_int_equal(w.s.sessions_open, 1);
    assert_int_equal(w.s.lists_left, 1);
    assert_true(pw_bytes(&w) >= before);
    vv_clock_manual_advance(&w.clock, HOUR_NS - 1000000000);
    pw_prune(&w); /* not yet */
    assert_int_equal(w.s.sessions_fenced, 0);
    vv_clock_manual_advance(&w.clock, 2000000000);
    pw_prune(&w);
    assert_int_equal(w.s.sessions_fenced, 1);
    assert_int_equal(w.s.lists_left, 0);
    assert_true(w.s.lists_adopted > 0);
    assert_int_equal(writer_session_commit(session, vv_span(NULL, 0), 0, &err), VV_EREFUSED);
    writer_session_free(session);
    assert_int_equal(pw_sound(&w), 2);
}

/** How many marks of sessions the administrator's host has. */
static size_t
count_marks(void)
{
    const char *path;
    DIR *listing;
    const struct dirent *entry;
    size_t count = 0;

    (void)local_state_directory(repo_state(w.admin), &path);
    listing = opendir(path);
    assert_non_null(listing);
    while ((entry = readdir(listing)) != NULL) {
        count += strncmp(entry->d_name, "session-", 8) == 0;
    }
    (void)closedir(listing);
    return count;
}

static void
prune__ends_at_once_what_a_run_of_its_host_has_left_behind(void **state)
{
    struct writer_session *session = NULL;

    (void)state;
    pw_forget(&w, 0, 2);
    pw_must(&w, writer_session_begin(w.admin, SESSION_BACKUP, &session, &w.err));
    assert_int_equal(count_marks(), 1);
    pw_prune(&w);
    assert_int_equal(w.s.sessions_open, 1); /* it is at work */
    assert_int_equal(w.s.lists_left, 1);
    writer_session_free(session); /* without an end, as a process that is killed */
    pw_must(&w, writer_session_begin(w.b.repo, SESSION_BACKUP, &session, &w.err));
    writer_session_free(session);
    assert_int_equal(count_marks(), 1);
    pw_prune(&w);
    assert_int_equal(w.s.sessions_fenced, 1);
    assert_int_equal(bw_heard_count(&w.b, "session-fenced"), 1);
    assert_int_equal(w.s.sessions_open, 1); /* of another host nothing is known */
    assert_int_equal(count_marks(), 0);
    vv_clock_manual_advance(&w.clock, HOUR_NS + 1);
    pw_prune(&w);
    assert_int_equal(w.s.sessions_fenced, 1);
    assert_int_equal(w.s.lists_left, 0);
    assert_int_equal(pw_sound(&w), 2);
}

static void
prune__is_not_held_up_by_readers_and_keeps_what_they_read(void **state)
{
    struct session_record record = {.kind = SESSION_READER, .snapshot_count = 1};
    struct snapshot_list l = {0};
    struct vv_buf object = {0};
    char name[sizeof("sessions/") + VV_UUID_TEXT] = "sessions/";

    (void)state;
    pw_must(&w, snapshot_list_read(w.admin, &l, &w.err));
    memset(record.session.b, 0x5a, sizeof(record.session.b));
    record.snapshots = vv_span(l.snapshots[0].id.b, 16);
    pw_must(&w, session_encode(&record, repo_id(w.admin), &object, &w.err));
    vv_uuid_text(&record.session, name + strlen(name));
    pw_must(&w, storage_publish(w.b.memory, name, vv_buf_span(&object), &w.err));
    vv_buf_release(&object);
    pw_forget(&w, 0, 2); /* one forget each */
    pw_prune(&w);
    assert_int_equal(w.s.snapshots_buried, 1);
    assert_int_equal(w.s.sessions_open, 0);
    assert_int_equal(pw_sound(&w), 2);
    snapshot_list_release(&l);
    pw_must(&w, snapshot_list_read(w.admin, &l, &w.err));
    assert_int_equal(l.forgotten_count, 1);
    snapshot_list_release(&l);
    vv_clock_manual_advance(&w.clock, HOUR_NS + 1);
    pw_prune(&w); /* it has not shown a sign of life */
    assert_int_equal(w.s.snapshots_buried, 1);
    assert_int_equal(pw_sound(&w), 2);
    pw_prune(&w);
    assert_int_equal(pw_count(&w, "sessions"), 0);
}

/** A prune in between what a reader reads. */
struct prune_beside {
    unsigned reads; /* of packs, so far */
    bool refuse;    /* nothing can be written: no registration */
    bool pruning;
    uint64_t buried;
};

static enum fault_verdict
prune_beside(void *ctx, enum storage_op op, const char *name)
{
    struct prune_beside *b = ctx;

    if (b->refuse && (op == STORAGE_PUBLISH || op == STORAGE_REMOVE) && !b->pruning) {
        return FAULT_FAIL;
    }
    if (op == STORAGE_READ && strncmp(name, "packs/", 6) == 0 && !b->pruning && ++b->reads == 2) {
        struct slot_secret key = {.type = KEY_SLOT_KEY_FILE,
                                  .secret = vv_span("0123456789abcdef0123456789abcdef", 32)};
        struct prune_options o = w.options;
        struct prune_summary s = {0};
        struct vv_error err = {0};
        struct repo *other = NULL;
        char state[128];
        struct repo_options options = {.state_dir = state, .clock = &w.clock.base};
        b->pruning = true;
        (void)snprintf(state, sizeof(state), "%s/home/beside-state", w.b.base);
        assert_int_equal(repo_open(w.b.memory, &key, &options, &other, &err), VV_OK);
        if (prune_run(other, &o, NULL, &s, &err) != VV_OK) {
            fail_msg("the prune beside: %s", err.message);
        }
        b->buried = s.snapshots_buried;
        repo_free(other);
        b->pruning = false;
    }
    return FAULT_PASS;
}

/** Verify all data of the forgotten snapshot, with a prune in between. */
static struct verify_summary
verify_beside_prune(struct prune_beside *b)
{
    struct snapshot_list l = {0};
    struct verify_options o = {.data = true, .threads = 1, .snapshot_count = 1};
    struct verify_summary s = {0};
    const struct snapshot *forgotten;

    pw_reopen(&w);
    pw_must(&w, snapshot_list_read(w.admin, &l, &w.err));
    forgotten = &l.forgotten[0];
    o.snapshots = &forgotten;
    w.b.hook = prune_beside;
    w.b.hook_ctx = b;
    vv_buf_reset(&w.b.ear.lines);
    pw_must(&w, verify_run(w.admin, &l, &o, NULL, &s, &w.err));
    w.b.hook = NULL;
    snapshot_list_release(&l);
    return s;
}

static void
prune__leaves_what_a_verify_reads(void **state)
{
    struct prune_beside b = {0};
    struct verify_summary s;

    (void)state;
    pw_forget(&w, 0, 100);
    s = verify_beside_prune(&b);
    assert_true(b.reads >= 2);
    assert_int_equal(b.buried, 0); /* it waits for the reader */
    assert_int_equal(s.objects_damaged + s.paths_damaged + s.chunks_missing, 0);
    pw_prune(&w); /* which is gone, and has left nothing */
    assert_int_equal(w.s.snapshots_buried, 1);
    assert_int_equal(pw_count(&w, "sessions"), 0);
    pw_sound(&w);
}

/* Where nothing can be written the read goes on: what is deleted under it is missed, and said. */
static void
prune__a_reader_that_cannot_register_reads_all_the_same(void **state)
{
    struct prune_beside b = {.refuse = true, .reads = 1000}; /* no prune */
    struct verify_summary s;
    size_t sessions = pw_count(&w, "sessions");

    (void)state;
    pw_forget(&w, 0, 100);
    s = verify_beside_prune(&b);
    assert_int_equal(s.objects_damaged + s.paths_damaged + s.chunks_missing, 0);
    assert_int_equal(bw_heard_count(&w.b, "reader-not-registered"), 1);
    assert_int_equal(pw_count(&w, "sessions"), sessions);
    b = (struct prune_beside){.refuse = true};
    (void)verify_beside_prune(&b);
    assert_int_equal(b.buried, 1);
}

static unsigned
tell_parallel(struct storage *s)
{
    (void)s;
    return 16;
}

/* There the thread of the heartbeats does it, before it ends. */
static void
reader_session__registers_behind_on_a_long_line(void **state)
{
    struct storage *s = repo_storage(w.admin);
    const struct storage_ops *near = s->ops;
    struct storage_ops far = *near;
    struct prune_beside b = {.refuse = true, .reads = 1000}; /* no prune */
    struct vv_uuid id = {{1}};
    size_t before = pw_count(&w, "sessions");

    (void)state;
    far.parallel = tell_parallel;
    s->ops = &far;
    reader_session_end(reader_session_begin(w.admin, &id, 1), READER_LEAVE);
    assert_int_equal(pw_count(&w, "sessions"), before + 1);
    reader_session_end(reader_session_begin(w.admin, &id, 1), READER_CLEAN);
    assert_int_equal(pw_count(&w, "sessions"), before + 1);
    w.b.hook = prune_beside;
    w.b.hook_ctx = &b;
    vv_buf_reset(&w.b.ear.lines);
    reader_session_end(reader_session_begin(w.admin, &id, 1), READER_CLEAN);
    w.b.hook = NULL;
    assert_int_equal(bw_heard_count(&w.b, "reader-not-registered"), 1);
    assert_int_equal(pw_count(&w, "sessions"), before + 1);
    s->ops = near;
}

static void
reader_session__shows_signs_of_life(void **state)
{
    struct snapshot_list l = {0};
    struct reader_session *reader;

    (void)state;
    pw_must(&w, snapshot_list_read(w.admin, &l, &w.err));
    reader = reader_session_begin(w.admin, &l.snapshots[0].id, 1);
    snapshot_list_release(&l);
    assert_non_null(reader);
    pw_forget(&w, 0, 100);
    for (unsigned i = 0; i < 3; i++) {
        vv_clock_manual_advance(&w.clock, HOUR_NS + 1);
        reader_session_beat(reader);
        pw_prune(&w);
        assert_int_equal(w.s.snapshots_buried, 0);
    }
    reader_session_end(reader, READER_LEAVE); /* as a killed one */
    vv_clock_manual_advance(&w.clock, HOUR_NS + 1);
    pw_prune(&w);
    assert_int_equal(w.s.snapshots_buried, 1);
    pw_prune(&w);
    assert_int_equal(pw_count(&w, "sessions"), 0);
}

/** Another backup comes between the condemned list and the look at sessions. */
static bool came;

static enum fault_verdict
commit_after_list(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    if (op == STORAGE_LIST && strcmp(name, "snapshots") == 0 && !came &&
        pw_count(&w, "condemned") > 0) {
        came = true; /* a session that registered before the list was there, and saw none */
        w.b.hook = NULL;
        bw_backup(&w.b);
    }
    return FAULT_PASS;
}

static void
prune__copies_out_what_a_backup_has_come_to_need(void **state)
{
    (void)state;
    pw_forget(&w, 0, 1);
    came = false;
    /* The newest snapshot's content stays; own-0 comes back, which only forgotten ones had. */
    bw_file(&w.b, "own-0", 60000, 1000);
    w.b.hook = commit_after_list;
    pw_prune(&w);
    assert_true(came);
    assert_int_equal(pw_sound(&w), 2);
    bw_assert_content(&w.b, "own-0");
    bw_assert_content(&w.b, "constant");
}

/** A backup in a thread of its own, held at its commit until the prune has condemned. */
static struct {
    struct vv_mutex lock;
    struct vv_cond changed;
    bool ready; /* at its commit */
    bool go;
    bool done;
} held;

static void
hold_until(const bool *flag)
{
    vv_mutex_lock(&held.lock);
    while (!*flag) {
        vv_cond_wait(&held.changed, &held.lock);
    }
    vv_mutex_unlock(&held.lock);
}

static void
set_flag(bool *flag)
{
    vv_mutex_lock(&held.lock);
    *flag = true;
    vv_cond_broadcast(&held.changed);
    vv_mutex_unlock(&held.lock);
}

static enum fault_verdict
hold_commit(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    if (op == STORAGE_PUBLISH && strncmp(name, "snapshots/", 10) == 0 && !held.ready) {
        set_flag(&held.ready);
        hold_until(&held.go);
    } else if (op == STORAGE_LIST && strcmp(name, "snapshots") == 0 && held.ready && !held.go &&
               pw_count(&w, "condemned") > 0) {
        set_flag(&held.go);
        hold_until(&held.done);
    }
    return FAULT_PASS;
}

static void
run_held_backup(void *arg)
{
    (void)arg;
    bw_backup(&w.b);
    set_flag(&held.done);
}

static void
prune__copies_out_what_a_session_before_it_has_come_to_need(void **state)
{
    struct vv_thread thread = {0};

    (void)state;
    memset(&held, 0, sizeof(held));
    vv_mutex_init(&held.lock);
    vv_cond_init(&held.changed);
    /* Only snapshots that are forgotten have own-0 and own-1; the backup refers to what they stored. */
    bw_file(&w.b, "own-0", 60000, 1000);
    bw_file(&w.b, "own-1", 60000, 1001);
    w.b.options.full = true;
    w.b.hook = hold_commit;
    pw_must(&w, vv_thread_start(&thread, "backup", run_held_backup, NULL, &w.err));
    hold_until(&held.ready);
    pw_forget(&w, 0, 1);
    pw_prune(&w);
    vv_thread_join(&thread);
    assert_true(held.done);
    assert_true(w.b.summary.statistics.bytes_stored < 60000); /* trees only */
    assert_true(w.s.chunks_copied > 0);
    assert_int_equal(pw_sound(&w), 2);
    bw_assert_content(&w.b, "own-0");
    bw_assert_content(&w.b, "own-1");
    vv_cond_release(&held.changed);
    vv_mutex_release(&held.lock);
}

static struct vv_uuid victim;

static enum fault_verdict
fence_this_prune(void *ctx, enum storage_op op, const char *name)
{
    uint64_t beat;

    (void)ctx;
    if (op == STORAGE_PUBLISH && strncmp(name, "condemned/", 10) == 0 && !came) {
        came = true;
        assert_true(session_name_parse(name + 10, &victim, &beat));
        w.b.hook = NULL;
        pw_must(&w, session_fence(w.b.repo, &victim, &w.err));
    }
    return FAULT_PASS;
}

static void
prune__that_was_fenced_deletes_nothing_and_begins_again(void **state)
{
    uint64_t before = pw_bytes(&w);

    (void)state;
    pw_forget(&w, 0, 2);
    came = false;
    w.b.hook = fence_this_prune;
    pw_prune(&w);
    assert_true(came);
    assert_int_equal(w.s.rounds, 2);
    assert_int_equal(w.s.lists_left, 0);
    /* What the fenced session would have deleted, index segments too, was not deleted by it. */
    assert_int_equal(before - pw_bytes(&w), w.s.bytes_deleted - w.s.bytes_written);
    assert_int_equal(pw_sound(&w), 2);
}

/* --- damage ----------------------------------------------------------------------------------- */

/** Damage or drop all objects of a directory with this prefix. */
static void
poke_all(const char *directory, const char *prefix, bool drop)
{
    struct name_list names;

    pw_must(&w, repo_list(w.admin, directory, &names, &w.err));
    for (size_t i = 0; i < names.count; i++) {
        if (strncmp(names.names[i], prefix, strlen(prefix)) == 0) {
            char name[600];
            (void)snprintf(name, sizeof(name), "%s/%s", directory, names.names[i]);
            pw_must(&w,
                    storage_memory_poke(w.b.memory, name,
                                        drop ? vv_span(NULL, 0) : vv_span("broken", 6), &w.err));
        }
    }
    name_list_release(&names);
}

static void
refuses(enum vv_rc rc)
{
    uint64_t before = pw_bytes(&w);

    assert_int_equal(pw_run(&w), rc);
    assert_int_equal(pw_bytes(&w), before);
    assert_int_equal(pw_count(&w, "condemned"), 0);
}

static void
prune__refuses_while_a_snapshot_is_missing(void **state)
{
    struct storage *saved;

    (void)state;
    pw_forget(&w, 0, 2);
    pw_save(&w, &saved);
    for (unsigned drop = 0; drop < 2; drop++) {
        struct snapshot_list l = {0};
        char name[sizeof("snapshots/") + VV_UUID_TEXT] = "snapshots/";
        pw_restore(&w, saved);
        pw_must(&w, snapshot_list_read(w.admin, &l, &w.err));
        vv_uuid_text(&l.snapshots[0].session, name + strlen(name));
        snapshot_list_release(&l);
        pw_must(&w, storage_memory_poke(w.b.memory, name,
                                        drop ? vv_span(NULL, 0) : vv_span("broken", 6), &w.err));
        refuses(VV_EFORGED);
    }
    storage_free(saved);
}

static void
prune__refuses_while_admin_records_are_damaged(void **state)
{
    (void)state;
    pw_forget(&w, 0, 2);
    poke_all("admin", "forget-", false);
    refuses(VV_ECORRUPT);
}

static void
prune__does_not_take_a_lost_certificate_for_dead_data(void **state)
{
    (void)state;
    pw_forget(&w, 0, 2);
    pw_prune(&w); /* certifies this host */
    w.hosts++;
    poke_all("admin", "certificate-", true);
    pw_reopen(&w);
    assert_int_equal(pw_run(&w), VV_EFORGED);
    assert_int_equal(pw_count(&w, "condemned"), 0);
}

/** Change a byte of every pack of data but keep what verify needs of metadata. */
static void
rot(const struct pack_name *name)
{
    char object[PACK_OBJECT_TEXT];
    struct vv_buf copy = {0};
    struct vv_span bytes;

    pack_object_text(name, object);
    assert_true(storage_memory_peek(w.b.memory, object, &bytes));
    vv_buf_put(&copy, bytes.data, bytes.len);
    copy.data[400] ^= 1; /* in the first block */
    pw_must(&w, storage_memory_poke(w.b.memory, object, vv_buf_span(&copy), &w.err));
    vv_buf_release(&copy);
}

static void
prune__keeps_a_condemned_pack_it_cannot_copy_from(void **state)
{
    struct pack_name packs[64];
    uint32_t count = bw_packs(&w.b, packs, 64);

    (void)state;
    pw_forget(&w, 0, 2);
    for (uint32_t i = 0; i < count; i++) { /* the first snapshot's data, partly still needed */
        char object[PACK_OBJECT_TEXT];
        uint64_t size = 0;
        pack_object_text(&packs[i], object);
        pw_must(&w, storage_size(w.b.memory, object, &size, &w.err));
        if (size > 200000) {
            rot(&packs[i]);
        }
    }
    pw_prune(&w);
    assert_true(w.s.packs_damaged > 0);
    assert_int_equal(w.s.lists_left, 1);
    assert_true(bw_heard_count(&w.b, "pack-kept") > 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(prune__waits_for_an_open_session_and_fences_it_after_an_hour),
        CASE(prune__ends_at_once_what_a_run_of_its_host_has_left_behind),
        CASE(prune__is_not_held_up_by_readers_and_keeps_what_they_read),
        CASE(prune__leaves_what_a_verify_reads),
        CASE(prune__a_reader_that_cannot_register_reads_all_the_same),
        CASE(reader_session__registers_behind_on_a_long_line),
        CASE(reader_session__shows_signs_of_life),
        CASE(prune__copies_out_what_a_backup_has_come_to_need),
        CASE(prune__copies_out_what_a_session_before_it_has_come_to_need),
        CASE(prune__that_was_fenced_deletes_nothing_and_begins_again),
        CASE(prune__refuses_while_a_snapshot_is_missing),
        CASE(prune__refuses_while_admin_records_are_damaged),
        CASE(prune__does_not_take_a_lost_certificate_for_dead_data),
        CASE(prune__keeps_a_condemned_pack_it_cannot_copy_from),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
