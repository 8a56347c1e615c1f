/* SPDX-License-Identifier: BSD-2-Clause */
/* Restoring and verifying a damaged repository that has replicas: with other names and an index of
 * their own, as replication makes them. */

#include "helper_restore.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "crypto/hash.h"
#include "engine/look.h"
#include "engine/verify.h"
#include "format/index.h"

#define COPIES 2

/** A repository with replicas "one" and "two", and what it was before any damage. */
struct scene {
    struct rig g;
    struct storage *whole;
    struct storage *copies[COPIES]; /* NULL: cannot be reached */
    struct replica_source source;
    unsigned opened;
};
static const char *const urls[COPIES] = {"memory:one", "memory:two"};

static void
must(struct scene *s, enum vv_rc rc)
{
    if (rc != VV_OK) {
        fail_msg("%s", s->g.err.message);
    }
}

static enum vv_rc
open_copy(void *ctx, const char *url, struct storage **ret, struct vv_error *err)
{
    struct scene *s = ctx;
    size_t at = strcmp(url, urls[0]) == 0 ? 0 : 1;

    s->opened++;
    if (s->copies[at] == NULL) {
        return vv_error_set(err, VV_ETRANSIENT, "the line is dead");
    }
    return storage_memory_clone(s->copies[at], ret, err);
}

/* --- objects ---------------------------------------------------------------------------------- */

struct names {
    char names[512][160];
    size_t count;
    char directory[16];
};

static enum vv_rc
note_name(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct names *n = ctx;

    (void)size;
    (void)err;
    assert_true(n->count < VV_COUNT(n->names));
    (void)snprintf(n->names[n->count++], sizeof(n->names[0]), "%s/%s", n->directory, name);
    return VV_OK;
}

/** All objects of "packs", or of another directory. */
static struct names *
names_of(struct scene *s, struct storage *st, const char *directory)
{
    static struct names n;
    bool packs = strcmp(directory, "packs") == 0;

    n.count = 0;
    for (unsigned shard = 0; shard < (packs ? 256u : 1u); shard++) {
        (void)snprintf(n.directory, sizeof(n.directory), packs ? "%s/%02x" : "%s", directory,
                       shard);
        must(s, storage_list(st, n.directory, note_name, &n, &s->g.err));
    }
    return &n;
}

static void
drop(struct scene *s, struct storage *st, const char *name)
{
    must(s, storage_memory_poke(st, name, vv_span(NULL, 0), &s->g.err));
}

static void
drop_all(struct scene *s, struct storage *st, const char *directory)
{
    struct names *n = names_of(s, st, directory);

    for (size_t i = 0; i < n->count; i++) {
        drop(s, st, n->names[i]);
    }
}

/** Change one bit, and cut the object to ${len} bytes. */
static void
damage(struct scene *s, struct storage *st, const char *name, size_t at, size_t len)
{
    struct vv_span bytes;
    struct vv_buf copy = {0};

    assert_true(storage_memory_peek(st, name, &bytes));
    vv_buf_put(&copy, bytes.data, bytes.len < len ? bytes.len : len);
    assert_false(copy.failed);
    if (at < copy.len) {
        copy.data[at] ^= 4;
    }
    must(s, storage_memory_poke(st, name, vv_buf_span(&copy), &s->g.err));
    vv_buf_release(&copy);
}

/* --- making a replica ------------------------------------------------------------------------- */

/** The same pack at the other site: a suffix of its own (made from the old one). */
static struct pack_name
renamed(const struct pack_name *name, uint8_t salt)
{
    struct pack_name other = *name;

    for (size_t i = 0; i < sizeof(other.suffix.b); i++) {
        other.suffix.b[i] ^= (uint8_t)(0xa0 + salt);
    }
    return other;
}

static void
rename_packs(struct scene *s, struct storage *st, uint8_t salt)
{
    struct names *n = names_of(s, st, "packs");

    for (size_t i = 0; i < n->count; i++) {
        struct pack_name name;
        struct vv_span bytes;
        char object[PACK_OBJECT_TEXT];
        const char *file = n->names[i] + strlen("packs/00/");
        assert_true(pack_name_parse(file, strlen(file), &name));
        name = renamed(&name, salt);
        pack_object_text(&name, object);
        assert_true(storage_memory_peek(st, n->names[i], &bytes));
        must(s, storage_memory_poke(st, object, bytes, &s->g.err));
        drop(s, st, n->names[i]);
    }
}

/** Attach every index record to the new name of its pack. */
static void
rename_index(struct scene *s, struct storage *st, uint8_t salt)
{
    struct names *n = names_of(s, st, "index");
    struct vv_buf records = {0};
    struct vv_buf object = {0};
    struct vv_id hash;
    char name[6 + 65] = "index/";
    uint32_t count = 0;

    for (size_t i = 0; i < n->count; i++) {
        struct index_iter it = {0};
        struct index_record record;
        struct vv_span bytes;
        assert_true(storage_memory_peek(st, n->names[i], &bytes));
        must(s, index_segment_open(bytes, repo_id(s->g.repo), &it, &s->g.err));
        while (index_segment_next(&it, &record)) {
            record.name = renamed(&record.name, salt);
            index_record_append(&record, &records);
            count++;
        }
        assert_true(index_segment_ok(&it));
        drop(s, st, n->names[i]);
    }
    must(s, index_segment_encode(repo_id(s->g.repo), count, vv_buf_span(&records), &object,
                                 &s->g.err));
    sha256(object.data, object.len, hash.b);
    vv_hex(name + 6, hash.b, 32);
    must(s, storage_memory_poke(st, name, vv_buf_span(&object), &s->g.err));
    vv_buf_release(&records);
    vv_buf_release(&object);
}

static struct storage *
make_replica(struct scene *s, uint8_t salt)
{
    struct storage *st = NULL;
    struct site site = *repo_site(s->g.repo);
    struct vv_buf object = {0};

    must(s, storage_memory_clone(s->g.storage, &st, &s->g.err));
    site.id.b[0] ^= (uint8_t)(1 + salt);
    must(s, site_encode(&site, repo_id(s->g.repo), &object, &s->g.err));
    must(s, storage_memory_poke(st, "site", vv_buf_span(&object), &s->g.err));
    vv_buf_release(&object);
    rename_packs(s, st, salt);
    rename_index(s, st, salt);
    return st;
}

/* --- the scene -------------------------------------------------------------------------------- */

/** The repository as it was before any damage, opened with replicas. */
static void
again(struct scene *s)
{
    snapshot_list_release(&s->g.list);
    memset(&s->g.list, 0, sizeof(s->g.list));
    repo_free(s->g.repo);
    s->g.repo = NULL;
    storage_free(s->g.storage);
    s->g.storage = NULL;
    must(s, storage_memory_clone(s->whole, &s->g.storage, &s->g.err));
    s->g.replicas = &s->source;
    rig_reopen(&s->g);
    s->g.seen_count = 0;
    s->opened = 0;
}

static void
scene_begin(struct scene *s)
{
    memset(s, 0, sizeof(*s));
    rig_begin(&s->g);
    rig_text(&s->g, "source/small", "whole");
    rig_noise(&s->g, "source/large", 9u << 20, 5);
    rig_directory(&s->g, "source/d");
    for (unsigned i = 0; i < 100; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "source/d/file-%03u", i);
        rig_noise(&s->g, name, 900 + i, 100 + i);
    }
    rig_backup(&s->g);
    rig_noise(&s->g, "source/second", 3u << 20, 6);
    rig_backup(&s->g);
    must(s, storage_memory_clone(s->g.storage, &s->whole, &s->g.err));
    s->copies[0] = make_replica(s, 0);
    s->copies[1] = make_replica(s, 1);
    s->source = (struct replica_source){.urls = urls, .count = COPIES, .open = open_copy, .ctx = s};
    again(s);
}

static void
scene_end(struct scene *s)
{
    rig_end(&s->g);
    storage_free(s->whole);
    for (size_t i = 0; i < COPIES; i++) {
        storage_free(s->copies[i]);
    }
}

/** Restore the newest snapshot. */
static void
restore(struct scene *s)
{
    struct restore_options o = rig_options(&s->g);

    s->g.seen_count = 0;
    if (rig_restore(&s->g, &o) != VV_OK) {
        fail_msg("%s", s->g.err.message);
    }
}

static void
clear_target(struct scene *s)
{
    char command[160];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", s->g.target);
    assert_int_equal(system(command), 0);
}

static uint64_t
blocks_from(struct scene *s, size_t nth)
{
    struct replica_report r = {0};

    assert_true(replicas_report(repo_replicas(s->g.repo), nth, &r));
    return r.blocks;
}

/** Does an event, whichever came first, say that ${url} gave a block? */
static bool
says_healed_by(const struct scene *s, const char *url)
{
    for (size_t i = 0; i < s->g.seen_count; i++) {
        if (strcmp(s->g.seen[i].name, "block-healed") == 0 &&
            strstr(s->g.seen[i].text, url) != NULL) {
            return true;
        }
    }
    return false;
}

/** Everything comes back, it is told, and the first replica gave it. */
static void
assert_whole(struct scene *s)
{
    restore(s);
    assert_int_equal(s->g.summary.damaged, 0);
    assert_int_equal(s->g.summary.verify_differences, 0);
    rig_assert_same_tree(&s->g, "source", "target");
    clear_target(s);
    assert_true(blocks_from(s, 0) > 0);
    assert_non_null(rig_find(&s->g, "block-healed", NULL));
    assert_int_equal(rig_find(&s->g, "block-healed", NULL)->kind, VV_EVENT_PROBLEM);
    assert_true(says_healed_by(s, urls[0]));
}

/* --- a repository that stops answering -------------------------------------------------------- */

static struct storage_ops away_ops;
static struct storage_ops here_ops;
static atomic_int reads_left; /* then it is away */

static enum vv_rc
read_until_away(struct storage *st, const char *name, uint64_t offset, uint8_t *buf, size_t len,
                size_t *ret_len, struct vv_error *err)
{
    if (strncmp(name, "packs/", 6) == 0 && atomic_fetch_sub(&reads_left, 1) <= 0) {
        return vv_error_set(err, VV_ETRANSIENT, "gave up after 9 attempts");
    }
    return here_ops.read(st, name, offset, buf, len, ret_len, err);
}

static void
heal__goes_on_at_a_replica_when_the_repository_stops_answering(void **state)
{
    static const int moments[] = {0, 1, 2, 5};
    struct scene s;

    (void)state;
    scene_begin(&s);
    for (size_t i = 0; i < VV_COUNT(moments); i++) {
        again(&s);
        here_ops = *s.g.storage->ops;
        away_ops = here_ops;
        away_ops.read = read_until_away;
        s.g.storage->ops = &away_ops;
        atomic_store(&reads_left, moments[i]);
        assert_whole(&s);
        assert_non_null(rig_find(&s.g, "repository-unreachable", NULL));
        s.g.storage->ops = &here_ops;
    }
    /* without any replica that is an error, and no damage */
    s.copies[0] = (storage_free(s.copies[0]), NULL);
    s.copies[1] = (storage_free(s.copies[1]), NULL);
    again(&s);
    s.g.storage->ops = &away_ops;
    atomic_store(&reads_left, 2);
    struct restore_options o = rig_options(&s.g);
    assert_int_equal(rig_restore(&s.g, &o), VV_ETRANSIENT);
    assert_int_equal(s.g.summary.damaged, 0);
    s.g.storage->ops = &here_ops;
    scene_end(&s);
}

static void
heal__looks_at_no_replica_while_all_is_well(void **state)
{
    struct scene s;
    struct verify_options o = {.data = true, .threads = 1};
    struct verify_summary v = {0};

    (void)state;
    scene_begin(&s);
    restore(&s);
    assert_int_equal(s.g.summary.problems, false);
    must(&s, verify_run(s.g.repo, &s.g.list, &o, NULL, &v, &s.g.err));
    assert_int_equal(v.objects_damaged, 0);
    assert_int_equal(s.opened, 0);
    scene_end(&s);
}

/* --- every kind of damage --------------------------------------------------------------------- */

/** The pack where the large file begins. */
static void
pack_with_data(struct scene *s, struct chunk_location *loc, char object[PACK_OBJECT_TEXT])
{
    *loc = rig_locate(&s->g, "source/large");
    pack_object_text(&loc->pack, object);
    rig_reopen(&s->g); /* nothing of it is cached */
}

static void
heal__restores_what_is_flipped_or_cut_short(void **state)
{
    struct scene s;
    struct chunk_location loc;
    char object[PACK_OBJECT_TEXT];

    (void)state;
    scene_begin(&s);
    pack_with_data(&s, &loc, object);
    damage(&s, s.g.storage, object, loc.block_offset + 7, SIZE_MAX);
    assert_whole(&s);
    assert_int_equal(blocks_from(&s, 0), 1);
    again(&s);
    damage(&s, s.g.storage, object, 20, SIZE_MAX); /* the header: all of the pack is gone */
    assert_whole(&s);
    assert_int_equal(rig_count(&s.g, "block-healed"), 1); /* one pack */
    again(&s);
    damage(&s, s.g.storage, object, SIZE_MAX, loc.block_offset + loc.block_stored - 1);
    assert_whole(&s);
    again(&s);
    damage(&s, s.g.storage, object, SIZE_MAX, 0);
    assert_whole(&s);
    scene_end(&s);
}

static void
heal__restores_what_is_gone(void **state)
{
    struct scene s;
    struct chunk_location loc;
    char object[PACK_OBJECT_TEXT];
    struct names *n;

    (void)state;
    scene_begin(&s);
    pack_with_data(&s, &loc, object);
    drop(&s, s.g.storage, object);
    assert_whole(&s);
    again(&s);
    drop_all(&s, s.g.storage, "packs"); /* trees and lists too */
    assert_whole(&s);
    drop_all(&s, s.g.storage, "index");
    rig_reopen(&s.g);
    assert_whole(&s);
    again(&s); /* an index that is damaged, and no packs to make another from */
    n = names_of(&s, s.g.storage, "index");
    for (size_t i = 0; i < n->count; i++) {
        damage(&s, s.g.storage, n->names[i], 200, SIZE_MAX);
    }
    drop_all(&s, s.g.storage, "packs");
    rig_reopen(&s.g);
    assert_whole(&s);
    scene_end(&s);
}

static void
heal__finds_packs_at_a_replica_without_an_index(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s);
    drop_all(&s, s.copies[0], "index");
    drop_all(&s, s.g.storage, "packs");
    assert_whole(&s);
    again(&s);
    drop_all(&s, s.g.storage, "packs");
    drop_all(&s, s.g.storage, "index");
    rig_reopen(&s.g);
    assert_whole(&s);
    scene_end(&s);
}

/* --- damage on both sides --------------------------------------------------------------------- */

/** Was the beginning of a file reported?  Pieces are reported in any order. */
static bool
from_start(const struct rig *g, const char *path)
{
    for (size_t i = 0; i < g->seen_count; i++) {
        const struct rig_event *e = &g->seen[i];
        if (strcmp(e->name, "chunk-damaged") == 0 && strstr(e->path, path) != NULL &&
            strncmp(e->text, "bytes 0 to ", 11) == 0) {
            return true;
        }
    }
    return false;
}

static void
heal__names_what_is_damaged_everywhere_and_restores_the_rest(void **state)
{
    struct scene s;
    struct chunk_location loc;
    char object[PACK_OBJECT_TEXT];
    char theirs[PACK_OBJECT_TEXT];

    (void)state;
    scene_begin(&s);
    pack_with_data(&s, &loc, object);
    damage(&s, s.g.storage, object, loc.block_offset + 7, SIZE_MAX);
    for (uint8_t i = 0; i < COPIES; i++) {
        struct pack_name name = renamed(&loc.pack, i);
        pack_object_text(&name, theirs);
        damage(&s, s.copies[i], theirs, loc.block_offset + 9, SIZE_MAX);
    }
    restore(&s);
    assert_int_equal(s.g.summary.damaged, 1);
    assert_false(rig_exists(&s.g, "target/large"));
    assert_true(rig_exists(&s.g, "target/second"));
    assert_true(from_start(&s.g, "source/large"));
    assert_non_null(rig_find(&s.g, "replica-damaged", theirs));
    assert_int_equal(rig_find(&s.g, "replica-damaged", theirs)->kind, VV_EVENT_WARNING);
    assert_int_equal(blocks_from(&s, 0) + blocks_from(&s, 1), 0);
    scene_end(&s);
}

static void
heal__puts_disjoint_damage_together(void **state)
{
    struct scene s;
    struct chunk_location loc;
    struct chunk_location second;
    char object[PACK_OBJECT_TEXT];
    char also[PACK_OBJECT_TEXT];
    char theirs[PACK_OBJECT_TEXT];
    struct pack_name name;

    (void)state;
    scene_begin(&s);
    second = rig_locate(&s.g, "source/second");
    pack_object_text(&second.pack, also);
    pack_with_data(&s, &loc, object);
    name = renamed(&second.pack, 0);
    pack_object_text(&name, theirs);
    damage(&s, s.g.storage, object, loc.block_offset + 7, SIZE_MAX);
    damage(&s, s.copies[0], theirs, second.block_offset + 7, SIZE_MAX);
    assert_whole(&s);
    /* Where the first replica fails, the second serves. */
    again(&s);
    damage(&s, s.g.storage, object, loc.block_offset + 7, SIZE_MAX);
    damage(&s, s.g.storage, also, second.block_offset + 7, SIZE_MAX);
    assert_whole(&s);
    assert_int_equal(blocks_from(&s, 0), 1);
    assert_int_equal(blocks_from(&s, 1), 1);
    scene_end(&s);
}

/* --- replicas that are none ------------------------------------------------------------------- */

static void
heal__names_an_unreachable_replica_once_and_takes_the_next(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s);
    storage_free(s.copies[0]);
    s.copies[0] = NULL;
    drop_all(&s, s.g.storage, "packs");
    restore(&s);
    assert_int_equal(s.g.summary.damaged, 0);
    rig_assert_same_tree(&s.g, "source", "target");
    assert_int_equal(rig_count(&s.g, "replica-unreachable"), 1);
    assert_int_equal(rig_find(&s.g, "replica-unreachable", NULL)->kind, VV_EVENT_WARNING);
    assert_int_equal(s.opened, 2);
    assert_true(blocks_from(&s, 1) > 0);
    scene_end(&s);
}

static void
heal__refuses_another_repository_and_a_forged_config(void **state)
{
    struct scene s;
    struct replica_report r;
    struct vv_span bytes;
    struct vv_buf copy = {0};
    struct config config;
    struct chunk_location loc;
    char object[PACK_OBJECT_TEXT];

    (void)state;
    scene_begin(&s);
    for (size_t i = 0; i < COPIES; i++) {
        assert_true(storage_memory_peek(s.copies[i], "config", &bytes));
        must(&s, config_decode(bytes, &config, &s.g.err));
        config.created++;
        config.repository.b[0] ^= i == 0;
        vv_buf_reset(&copy);
        must(&s, config_encode(&config, &copy, &s.g.err));
        vv_buf_put_zeros(&copy, 64); /* signature */
        must(&s, container_finish(&copy, &s.g.err));
        must(&s, storage_memory_poke(s.copies[i], "config", vv_buf_span(&copy), &s.g.err));
    }
    vv_buf_release(&copy);
    pack_with_data(&s, &loc, object);
    damage(&s, s.g.storage, object, loc.block_offset + 7, SIZE_MAX);
    restore(&s);
    assert_int_equal(rig_count(&s.g, "replica-refused"), 2);
    assert_int_equal(rig_find(&s.g, "replica-refused", urls[0])->kind, VV_EVENT_PROBLEM);
    assert_true(replicas_report(repo_replicas(s.g.repo), 0, &r));
    assert_int_equal(r.condition, REPLICA_OTHER);
    assert_int_equal(r.blocks, 0);
    assert_true(replicas_report(repo_replicas(s.g.repo), 1, &r));
    assert_int_equal(r.condition, REPLICA_FORGED);
    assert_int_equal(r.blocks, 0);
    assert_int_equal(s.g.summary.damaged, 1);
    assert_false(rig_exists(&s.g, "target/large"));
    scene_end(&s);
}

/* --- looking and verifying -------------------------------------------------------------------- */

static enum vv_rc
count_bytes(void *ctx, struct vv_span data, struct vv_error *err)
{
    (void)err;
    *(uint64_t *)ctx += data.len;
    return VV_OK;
}

static enum vv_rc
count_entries(void *ctx, const struct entry *e, struct vv_error *err)
{
    (void)e;
    (void)err;
    ++*(uint64_t *)ctx;
    return VV_OK;
}

static void
heal__serves_looking_too(void **state)
{
    struct scene s;
    uint64_t n = 0;
    char path[512];

    (void)state;
    scene_begin(&s);
    drop_all(&s, s.g.storage, "packs");
    rig_path(&s.g, "source/large", path);
    must(&s, look_cat(s.g.repo, rig_newest(&s.g), vv_span(path + 1, strlen(path) - 1), count_bytes,
                      &n, &s.g.err));
    assert_int_equal(n, 9u << 20);
    n = 0;
    must(&s, look_list(s.g.repo, rig_newest(&s.g), vv_span(NULL, 0), true, count_entries, &n,
                       &s.g.err));
    assert_true(n > 100);
    scene_end(&s);
}

static struct verify_summary
verify(struct scene *s, bool data)
{
    struct verify_options o = {.data = data, .threads = 2};
    struct verify_summary v = {0};

    s->g.seen_count = 0;
    must(s, verify_run(s->g.repo, &s->g.list, &o, NULL, &v, &s->g.err));
    return v;
}

static void
heal__verify_judges_this_repository_and_says_who_has_the_pack(void **state)
{
    struct scene s;
    struct chunk_location loc;
    struct verify_summary v;
    struct pack_name name;
    char object[PACK_OBJECT_TEXT];
    char theirs[PACK_OBJECT_TEXT];

    (void)state;
    scene_begin(&s);
    pack_with_data(&s, &loc, object);
    damage(&s, s.g.storage, object, loc.block_offset + 7, SIZE_MAX);
    v = verify(&s, true);
    assert_int_equal(v.objects_damaged, 1);
    assert_int_equal(v.paths_damaged, 2); /* in both snapshots */
    assert_int_equal(v.packs_damaged, 1);
    assert_int_equal(v.packs_at_replicas, 1);
    assert_non_null(rig_find(&s.g, "pack-at-replica", object));
    assert_non_null(strstr(rig_find(&s.g, "pack-at-replica", object)->text, "replicate --from"));
    /* A replica whose pack is damaged as well has it only by size. */
    for (uint8_t i = 0; i < COPIES; i++) {
        name = renamed(&loc.pack, i);
        pack_object_text(&name, theirs);
        damage(&s, s.copies[i], theirs, 100000, SIZE_MAX);
    }
    again(&s);
    drop(&s, s.g.storage, object);
    v = verify(&s, true);
    assert_int_equal(v.packs_at_replicas, 0);
    assert_non_null(rig_find(&s.g, "pack-nowhere", object));
    v = verify(&s, false);
    assert_int_equal(v.packs_at_replicas, 1);
    scene_end(&s);
}

static void
heal__verify_counts_trees_that_only_a_replica_has(void **state)
{
    struct scene s;
    struct verify_summary v;
    struct names *n;

    (void)state;
    scene_begin(&s);
    n = names_of(&s, s.g.storage, "packs");
    for (size_t i = 0; i < n->count; i++) { /* the first block of each: the walk needs some */
        damage(&s, s.g.storage, n->names[i], 300, SIZE_MAX);
    }
    rig_reopen(&s.g);
    v = verify(&s, false);
    assert_true(v.objects_damaged > 0);
    assert_true(v.packs_damaged > 0);
    assert_int_equal(v.packs_at_replicas, v.packs_damaged);
    assert_true(v.entries > 100); /* and went on behind them */
    assert_null(rig_find(&s.g, "tree-node-damaged", NULL));
    scene_end(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heal__looks_at_no_replica_while_all_is_well),
        cmocka_unit_test(heal__goes_on_at_a_replica_when_the_repository_stops_answering),
        cmocka_unit_test(heal__restores_what_is_flipped_or_cut_short),
        cmocka_unit_test(heal__restores_what_is_gone),
        cmocka_unit_test(heal__finds_packs_at_a_replica_without_an_index),
        cmocka_unit_test(heal__names_what_is_damaged_everywhere_and_restores_the_rest),
        cmocka_unit_test(heal__puts_disjoint_damage_together),
        cmocka_unit_test(heal__names_an_unreachable_replica_once_and_takes_the_next),
        cmocka_unit_test(heal__refuses_another_repository_and_a_forged_config),
        cmocka_unit_test(heal__serves_looking_too),
        cmocka_unit_test(heal__verify_judges_this_repository_and_says_who_has_the_pack),
        cmocka_unit_test(heal__verify_counts_trees_that_only_a_replica_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
