/* SPDX-License-Identifier: BSD-2-Clause */
/* Replicas: when they are opened, what is believed of them, what must not come back. */
#include "helper_repository.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_sweep.h"
#include "repo/replicas_internal.h"

static const char text[] = "order 1: three of the blue ones";
static const char url[] = "memory:replica";
static const char *const only_url[] = {url};

struct scene {
    struct world w;
    struct repo *repo;
    struct snapshot first;
    struct snapshot second;
    struct vv_id id;
    char object[PACK_OBJECT_TEXT]; /* the pack of ${text} */
    struct storage *copy;
    struct replica_source source;
    enum fault_verdict verdict; /* what reading packs at the replica leads to */
    unsigned opened;
    unsigned reads_here; /* of packs */
};

static enum fault_verdict
judge_replica(void *ctx, enum storage_op op, const char *name)
{
    struct scene *s = ctx;

    return op == STORAGE_READ && strncmp(name, "packs/", 6) == 0 ? s->verdict : FAULT_PASS;
}

static enum fault_verdict
count_reads(void *ctx, enum storage_op op, const char *name)
{
    struct scene *s = ctx;

    s->reads_here += op == STORAGE_READ && strncmp(name, "packs/", 6) == 0;
    return FAULT_PASS;
}

static enum vv_rc
open_copy(void *ctx, const char *name, struct storage **ret, struct vv_error *err)
{
    struct scene *s = ctx;

    assert_string_equal(name, url);
    s->opened++;
    return storage_fault_new(s->copy, judge_replica, s, ret, err);
}

static enum vv_rc
refuse(void *ctx, const char *name, struct storage **ret, struct vv_error *err)
{
    (void)ctx;
    (void)ret;
    return vv_error_set(err, VV_EUNSUPPORTED, "'%s' has no driver", name);
}

/** Two snapshots, copied as they are; the repository is opened with the copy as its replica. */
static void
scene_begin(struct scene *s)
{
    struct pack_name pack;
    struct vv_id id;

    memset(s, 0, sizeof(*s));
    world_begin(&s->w);
    s->repo = world_open(&s->w, "a");
    backup(s->repo, text, &s->first);
    backup(s->repo, "order 2", &s->second);
    chunk_id(repo_keyring(s->repo), CHUNK_DATA, vv_span(text, strlen(text)), &id);
    s->id = id;
    pack = pack_of(s->repo, &id);
    pack_object_text(&pack, s->object);
    repo_free(s->repo);
    must(storage_memory_clone(s->w.memory, &s->copy, E));
    s->source = (struct replica_source){.urls = only_url, .count = 1, .open = open_copy, .ctx = s};
    s->w.replicas = &s->source;
    s->repo = world_open(&s->w, "a");
    world_forget_events(&s->w);
}

static void
scene_end(struct scene *s)
{
    repo_free(s->repo);
    storage_free(s->copy);
    world_end(&s->w);
}

static struct replica_report
report_of(const struct scene *s)
{
    struct replica_report r = {0};

    assert_true(replicas_report(repo_replicas(s->repo), 0, &r));
    return r;
}

static size_t
listed(struct scene *s, enum freshness *ret)
{
    struct snapshot_list l = {0};
    size_t count;

    must(snapshot_list_read(s->repo, &l, E));
    count = l.count;
    *ret = l.freshness;
    for (size_t i = 1; i < l.count; i++) {
        assert_true(l.snapshots[i - 1].time <= l.snapshots[i].time);
    }
    snapshot_list_release(&l);
    return count;
}

static void
slot_of(const struct snapshot *a, char out[64])
{
    char session[VV_UUID_TEXT];

    vv_uuid_text(&a->session, session);
    (void)snprintf(out, 64, "snapshots/%s", session);
}

/* --- chunks ----------------------------------------------------------------------------------- */

static void
replicas__are_not_opened_while_all_is_well(void **state)
{
    struct scene s;
    enum freshness f;

    (void)state;
    scene_begin(&s);
    must(read_text(s.repo, &s.id, text));
    assert_int_equal(listed(&s, &f), 2);
    assert_int_equal(s.opened, 0);
    assert_int_equal(report_of(&s).condition, REPLICA_UNUSED);
    scene_end(&s);
}

static void
replicas__give_a_chunk_and_it_is_told(void **state)
{
    struct scene s;
    struct healed_pack healed;

    (void)state;
    scene_begin(&s);
    world_flip(&s.w, s.object, 260);
    must(read_text(s.repo, &s.id, text));
    assert_int_equal(world_told(&s.w, "block-damaged"), 1);
    assert_int_equal(world_told(&s.w, "block-healed"), 1);
    must(read_text(s.repo, &s.id, text));
    assert_int_equal(report_of(&s).blocks, 1); /* the same one */
    assert_int_equal(world_told(&s.w, "block-healed"), 1);
    assert_true(replicas_healed(repo_replicas(s.repo), 0, &healed));
    assert_int_equal(healed.blocks, 1);
    assert_false(replicas_healed(repo_replicas(s.repo), 1, &healed));
    assert_int_equal(s.opened, 1);
    scene_end(&s);
}

static void
replicas__do_not_hide_the_damage_from_who_asks_for_this_copy(void **state)
{
    struct scene s;
    struct chunk_index *x = NULL;
    struct chunk_reader *c = NULL;
    struct vv_buf out = {0};

    (void)state;
    scene_begin(&s);
    world_drop(&s.w, s.object);
    must(chunk_index_open(s.repo, &x, E));
    must(chunk_reader_new(s.repo, x, 1u << 20, &c, E));
    assert_int_equal(chunk_read_here(c, CHUNK_DATA, &s.id, &out, E), VV_ENOTFOUND);
    assert_int_equal(s.opened, 0);
    must(chunk_read(c, CHUNK_DATA, &s.id, &out, E));
    assert_int_equal(out.len, strlen(text));
    vv_buf_release(&out);
    chunk_reader_free(c);
    chunk_index_free(x);
    scene_end(&s);
}

static void
replicas__spare_trying_a_lost_block_again(void **state)
{
    struct scene s;
    struct chunk_index *x = NULL;
    struct chunk_reader *c = NULL;
    struct vv_buf out = {0};

    (void)state;
    scene_begin(&s);
    world_flip(&s.w, s.object, 260);
    must(chunk_index_open(s.repo, &x, E));
    must(chunk_reader_new(s.repo, x, 1u << 20, &c, E));
    must(chunk_read(c, CHUNK_DATA, &s.id, &out, E));
    s.w.hook = count_reads;
    s.w.hook_ctx = &s;
    must(chunk_read(c, CHUNK_DATA, &s.id, &out, E));
    s.w.hook = NULL;
    assert_int_equal(s.reads_here, 0);
    assert_int_equal(out.len, 2 * strlen(text));
    vv_buf_release(&out);
    chunk_reader_free(c);
    chunk_index_free(x);
    scene_end(&s);
}

static void
replicas__are_believed_nothing_unauthenticated(void **state)
{
    struct scene s;
    struct vv_span bytes;

    (void)state;
    scene_begin(&s);
    world_flip(&s.w, s.object, 260);
    assert_true(storage_memory_peek(s.w.memory, s.object, &bytes));
    must(storage_memory_poke(s.copy, s.object, bytes, E)); /* the same damage */
    assert_int_equal(read_text(s.repo, &s.id, text), VV_ECORRUPT);
    assert_non_null(strstr(E->message, s.object)); /* what failed here */
    assert_int_equal(world_told(&s.w, "block-healed"), 0);
    assert_true(world_told(&s.w, "replica-damaged") > 0);
    s.verdict = FAULT_FLIP;
    world_drop(&s.w, s.object);
    assert_int_not_equal(read_text(s.repo, &s.id, text), VV_OK);
    scene_end(&s);
}

static void
replicas__that_fail_are_named_once_and_left_alone(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s);
    world_drop(&s.w, s.object);
    s.verdict = FAULT_TRANSIENT;
    assert_int_equal(read_text(s.repo, &s.id, text), VV_ENOTFOUND);
    s.verdict = FAULT_PASS;
    assert_int_equal(read_text(s.repo, &s.id, text), VV_ENOTFOUND);
    assert_int_equal(world_told(&s.w, "replica-unreachable"), 1);
    assert_int_equal(report_of(&s).condition, REPLICA_UNREACHABLE);
    assert_int_equal(s.opened, 1);
    scene_end(&s);
}

/* --- slots ------------------------------------------------------------------------------------ */

static void
replicas__give_snapshots_whose_slots_are_damaged_or_missing(void **state)
{
    struct scene s;
    enum freshness f;
    char slot[64];

    (void)state;
    scene_begin(&s);
    slot_of(&s.first, slot);
    world_flip(&s.w, slot, 60);
    assert_int_equal(listed(&s, &f), 2);
    assert_int_equal(world_told(&s.w, "snapshot-damaged"), 1);
    assert_int_equal(world_told(&s.w, "snapshot-healed"), 1);
    assert_int_equal(report_of(&s).objects, 1);
    world_drop(&s.w, slot);
    slot_of(&s.second, slot);
    world_drop(&s.w, slot);
    repo_free(s.repo);
    s.repo = world_open(&s.w, "a");
    world_forget_events(&s.w);
    assert_int_equal(listed(&s, &f), 2);
    assert_int_equal(f, FRESHNESS_ROLLED_BACK); /* here they are missing all the same */
    assert_int_equal(world_told(&s.w, "snapshot-healed"), 2);
    scene_end(&s);
}

static void
replicas__do_not_bring_back_what_was_buried_here(void **state)
{
    struct scene s;
    struct grave g = {.reason = GRAVE_FORGOTTEN};
    enum freshness f;
    char slot[64];

    (void)state;
    scene_begin(&s);
    g.session = s.first.session;
    g.snapshot = s.first.id;
    g.client = s.first.client;
    g.sequence = s.first.sequence;
    g.hash = s.first.hash;
    publish_graves(s.repo, "grave-1", &g, 1);
    slot_of(&s.first, slot);
    world_drop(&s.w, slot);
    slot_of(&s.second, slot);
    world_flip(&s.w, slot, 60);
    assert_int_equal(listed(&s, &f), 1);
    assert_int_equal(world_told(&s.w, "snapshot-healed"), 1);
    assert_int_equal(s.opened, 1);
    scene_end(&s);
}

/* --- keys and memory -------------------------------------------------------------------------- */

static void
replicas__open_a_repository_whose_keys_are_gone(void **state)
{
    struct scene s;
    struct name_list keys;

    (void)state;
    scene_begin(&s);
    keys = world_names(&s.w, "keys");
    for (size_t i = 0; i < keys.count; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "keys/%s", keys.names[i]);
        world_drop(&s.w, name);
    }
    name_list_release(&keys);
    repo_free(s.repo);
    s.repo = world_open(&s.w, "a");
    assert_int_equal(world_told(&s.w, "keys-healed"), 1);
    assert_int_equal(report_of(&s).objects, 1);
    must(read_text(s.repo, &s.id, text));
    scene_end(&s);
}

static void
replicas__are_remembered_in_local_state(void **state)
{
    struct scene s;
    struct replica_source none;
    struct vv_buf lines = {0};

    (void)state;
    scene_begin(&s);
    must(local_state_add_replica(repo_state(s.repo), "/first", E));
    must(local_state_add_replica(repo_state(s.repo), "/first", E));
    assert_int_equal(local_state_add_replica(repo_state(s.repo), "relative", E), VV_EUSAGE);
    assert_int_equal(local_state_add_replica(repo_state(s.repo), "/two\nlines", E), VV_EUSAGE);
    must(local_state_replicas(repo_state(s.repo), &lines, E));
    assert_string_equal(vv_buf_text(&lines), "/first\n");
    for (unsigned i = 0; i < LOCAL_STATE_REPLICAS_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "sftp://host/%u", i);
        must(local_state_add_replica(repo_state(s.repo), name, E));
    }
    vv_buf_reset(&lines);
    must(local_state_replicas(repo_state(s.repo), &lines, E)); /* the oldest gave way */
    assert_int_equal(strncmp(vv_buf_text(&lines), "sftp://host/0\n", 14), 0);
    vv_buf_release(&lines);
    repo_free(s.repo);
    none = s.source;
    none.urls = NULL;
    none.count = 0;
    s.w.replicas = &none;
    s.repo = world_open(&s.w, "b"); /* a host that remembers nothing */
    world_drop(&s.w, s.object);
    assert_int_equal(read_text(s.repo, &s.id, text), VV_ENOTFOUND);
    assert_int_equal(s.opened, 0);
    must(local_state_add_replica(repo_state(s.repo), "file://no/driver/of/ours", E));
    repo_free(s.repo);
    s.repo = world_open(&s.w, "b");
    none.open = refuse;
    assert_int_equal(read_text(s.repo, &s.id, text), VV_ENOTFOUND);
    assert_true(report_of(&s).remembered);
    assert_int_equal(report_of(&s).condition, REPLICA_UNREACHABLE);
    scene_end(&s);
}

/* --- memory runs out -------------------------------------------------------------------------- */

static enum vv_rc
read_from_replica(void *arg, struct vv_error *err)
{
    struct scene *s = arg;
    struct replicas *own = NULL;
    struct vv_buf out = {0};
    enum vv_rc rc = replicas_new(s->repo, &s->source, &own, err);

    if (rc == VV_OK) {
        rc = replicas_read_chunk(own, NULL, CHUNK_DATA, &s->id, &out, err);
        if (rc == VV_OK) {
            assert_int_equal(out.len, strlen(text));
            assert_memory_equal(out.data, text, out.len);
        } else {
            assert_int_equal(out.len, 0);
        }
    }
    vv_buf_release(&out);
    replicas_free(own);
    return rc;
}

static void
replicas__survive_a_lack_of_memory(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s);
    assert_true(alloc_sweep_coping(read_from_replica, &s) > 40);
    scene_end(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replicas__are_not_opened_while_all_is_well),
        cmocka_unit_test(replicas__give_a_chunk_and_it_is_told),
        cmocka_unit_test(replicas__do_not_hide_the_damage_from_who_asks_for_this_copy),
        cmocka_unit_test(replicas__spare_trying_a_lost_block_again),
        cmocka_unit_test(replicas__are_believed_nothing_unauthenticated),
        cmocka_unit_test(replicas__that_fail_are_named_once_and_left_alone),
        cmocka_unit_test(replicas__give_snapshots_whose_slots_are_damaged_or_missing),
        cmocka_unit_test(replicas__do_not_bring_back_what_was_buried_here),
        cmocka_unit_test(replicas__open_a_repository_whose_keys_are_gone),
        cmocka_unit_test(replicas__are_remembered_in_local_state),
        cmocka_unit_test(replicas__survive_a_lack_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
