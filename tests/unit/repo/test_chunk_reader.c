/* SPDX-License-Identifier: BSD-2-Clause */
/* The index and the readers behind it: damaged, missing, swapped and moved packs. */
#include "helper_repository.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "core/thread.h"
#include "crypto/hash.h"
#include "repo/chunk_index_internal.h"
#include "repo/pack_reader_internal.h"

static const char text[] = "order 1: three of the blue ones";

struct scene {
    struct world w;
    struct repo *repo;
    struct vv_id id;
    struct pack_name pack;
    char object[PACK_OBJECT_TEXT];
};

static void
scene_begin(struct scene *s)
{
    memset(s, 0, sizeof(*s));
    world_begin(&s->w);
    s->repo = world_open(&s->w, "a");
    backup(s->repo, text, NULL);
    chunk_id(repo_keyring(s->repo), CHUNK_DATA, vv_span(text, strlen(text)), &s->id);
    s->pack = pack_of(s->repo, &s->id);
    pack_object_text(&s->pack, s->object);
}

static void
scene_end(struct scene *s)
{
    repo_free(s->repo);
    world_end(&s->w);
}

/** Store the same chunk again in a pack of its own, as another host that does not see the first. */
static struct pack_name
second_copy(struct scene *s)
{
    struct repo *other = world_open(&s->w, "b");
    struct vv_buf pack = world_bytes(&s->w, s->object);
    struct run r;
    struct vv_id id;
    struct pack_name *packs;
    struct pack_name found = {{{0}}, {{0}}};
    size_t count = 0;

    world_drop(&s->w, s->object);
    run_begin(&r, other);
    assert_true(run_put(&r, text, &id));
    run_flush(&r);
    packs = world_packs(&s->w, &count);
    for (size_t i = 0; i < count; i++) {
        struct chunk_index *x = NULL;
        struct chunk_location loc;
        must(chunk_index_open(other, &x, E));
        for (uint32_t nth = 0; chunk_index_find(x, CHUNK_DATA, &id, nth, &loc, E) == VV_OK; nth++) {
            if (pack_name_compare(&loc.pack, &s->pack) != 0) {
                found = loc.pack;
            }
        }
        chunk_index_free(x);
    }
    vv_free(packs);
    must(run_commit(&r, NULL, E));
    run_end(&r);
    repo_free(other);
    world_poke(&s->w, s->object, pack.data, pack.len);
    vv_buf_release(&pack);
    return found;
}

static void
chunk_reader__reads(void **state)
{
    struct scene s;
    struct vv_id unknown = {{1}};

    (void)state;
    scene_begin(&s);
    must(read_text(s.repo, &s.id, text));
    assert_int_equal(read_text(s.repo, &unknown, text), VV_ENOTFOUND);
    assert_int_equal(s.w.events.count, 0);
    scene_end(&s);
}

static void
chunk_reader__names_damage(void **state)
{
    struct scene s;

    (void)state;
    scene_begin(&s);
    world_flip(&s.w, s.object, 260); /* in the first block */
    assert_int_equal(read_text(s.repo, &s.id, text), VV_ECORRUPT);
    assert_non_null(strstr(E->message, s.object));
    assert_int_equal(world_told(&s.w, "block-damaged"), 1);
    world_flip(&s.w, s.object, 260);
    must(read_text(s.repo, &s.id, text));
    world_flip(&s.w, s.object, 100); /* in the header */
    assert_int_equal(read_text(s.repo, &s.id, text), VV_ECORRUPT);
    world_poke(&s.w, s.object, "short", 5);
    assert_int_equal(read_text(s.repo, &s.id, text), VV_ECORRUPT);
    scene_end(&s);
}

static void
chunk_reader__survives_without_an_error_to_fill(void **state)
{
    struct scene s;
    struct chunk_index *x = NULL;
    struct chunk_reader *c = NULL;
    struct vv_buf out = {0};

    (void)state;
    scene_begin(&s);
    world_flip(&s.w, s.object, 260);
    must(chunk_index_open(s.repo, &x, E));
    must(chunk_reader_new(s.repo, x, 0, &c, E));
    assert_int_equal(chunk_read(c, CHUNK_DATA, &s.id, &out, NULL), VV_ECORRUPT);
    remove_pack(&s.w, &s.pack);
    assert_int_equal(chunk_read(c, CHUNK_DATA, &s.id, &out, NULL), VV_ENOTFOUND);
    assert_int_equal(out.len, 0);
    chunk_reader_free(c);
    chunk_index_free(x);
    scene_end(&s);
}

static void
chunk_reader__takes_another_copy(void **state)
{
    struct scene s;
    struct pack_name copy;
    char object[PACK_OBJECT_TEXT];

    (void)state;
    scene_begin(&s);
    copy = second_copy(&s);
    pack_object_text(&copy, object);
    must(read_text(s.repo, &s.id, text));
    world_flip(&s.w, s.object, 260);
    must(read_text(s.repo, &s.id, text));      /* the other record's pack */
    assert_int_equal(world_problems(&s.w), 0); /* what was asked for is there: a warning, if any */
    world_flip(&s.w, s.object, 260);
    world_flip(&s.w, object, 260);
    must(read_text(s.repo, &s.id, text));
    world_flip(&s.w, s.object, 260);
    assert_int_equal(read_text(s.repo, &s.id, text), VV_ECORRUPT);
    scene_end(&s);
}

/* Another instance has the same bytes and another suffix; what it holds is authenticated. */
static void
chunk_reader__takes_another_instance(void **state)
{
    struct scene s;
    struct pack_name instance;
    struct pack_name bad;
    char object[PACK_OBJECT_TEXT];
    struct vv_buf bytes;

    (void)state;
    scene_begin(&s);
    bytes = world_bytes(&s.w, s.object);
    instance = s.pack;
    bad = s.pack;
    memset(bad.suffix.b, 0x00, 16); /* listed first */
    memset(instance.suffix.b, 0xff, 16);
    pack_object_text(&bad, object);
    world_poke(&s.w, object, "not a pack", 10);
    pack_object_text(&instance, object);
    world_poke(&s.w, object, bytes.data, bytes.len);
    world_flip(&s.w, s.object, 260);
    must(read_text(s.repo, &s.id, text));
    assert_int_equal(world_told(&s.w, "block-damaged"),
                     2); /* that named, and the one listed first */
    assert_int_equal(world_problems(&s.w), 0);
    remove_pack(&s.w, &s.pack);
    must(read_text(s.repo, &s.id, text));
    world_flip(&s.w, object, 260);
    assert_int_not_equal(read_text(s.repo, &s.id, text), VV_OK);
    vv_buf_release(&bytes);
    scene_end(&s);
}

/* Packs that took each other's place open with their own keys and are found out. */
static void
chunk_reader__finds_swapped_packs(void **state)
{
    struct scene s;
    struct vv_id other;
    struct pack_name second;
    char object[PACK_OBJECT_TEXT];
    struct vv_buf a;
    struct vv_buf b;

    (void)state;
    scene_begin(&s);
    backup(s.repo, "order 2: two of the red ones, at once", NULL);
    chunk_id(repo_keyring(s.repo), CHUNK_DATA, vv_span("order 2: two of the red ones, at once", 37),
             &other);
    second = pack_of(s.repo, &other);
    pack_object_text(&second, object);
    a = world_bytes(&s.w, s.object);
    b = world_bytes(&s.w, object);
    world_poke(&s.w, s.object, b.data, b.len);
    world_poke(&s.w, object, a.data, a.len);
    assert_int_equal(read_text(s.repo, &s.id, text), VV_ECORRUPT);
    vv_buf_release(&a);
    vv_buf_release(&b);
    scene_end(&s);
}

/** Move the chunk as a prune does: new pack, new index, old index dropped, old pack deleted. */
static void
move_chunk(struct scene *s)
{
    struct name_list old = world_names(&s->w, "index");
    struct pack_name copy = second_copy(s);
    char name[128];

    (void)copy;
    for (size_t i = 0; i < old.count; i++) {
        (void)snprintf(name, sizeof(name), "index/%s", old.names[i]);
        world_drop(&s->w, name);
    }
    name_list_release(&old);
    remove_pack(&s->w, &s->pack);
}

/* X4: a reader with an index read long ago. */
static void
chunk_reader__follows_moved_chunks_again_and_again(void **state)
{
    struct scene s;
    struct chunk_index *x = NULL;
    struct chunk_reader *c = NULL;
    struct vv_buf out = {0};

    (void)state;
    scene_begin(&s);
    must(chunk_index_open(s.repo, &x, E));
    must(chunk_reader_new(s.repo, x, 0, &c, E)); /* no cache of blocks */
    must(chunk_read(c, CHUNK_DATA, &s.id, &out, E));
    for (int round = 0; round < 20; round++) {
        move_chunk(&s);
        vv_buf_reset(&out);
        must(chunk_read(c, CHUNK_DATA, &s.id, &out, E));
        assert_int_equal(out.len, strlen(text));
        s.pack = pack_of(s.repo, &s.id);
        pack_object_text(&s.pack, s.object);
    }
    assert_int_equal(s.w.events.count, 0); /* nothing was damaged or lost */
    vv_buf_release(&out);
    chunk_reader_free(c);
    chunk_index_free(x);
    scene_end(&s);
}

static void
chunk_reader__finds_packs_no_segment_names(void **state)
{
    struct scene s;
    struct name_list names;
    char name[128];

    (void)state;
    scene_begin(&s);
    names = world_names(&s.w, "index");
    for (size_t i = 0; i < names.count; i++) {
        (void)snprintf(name, sizeof(name), "index/%s", names.names[i]);
        world_drop(&s.w, name);
    }
    name_list_release(&names);
    must(read_text(s.repo, &s.id, text));
    world_flip(&s.w, s.object, 200); /* the header at the front: its copy serves the directory */
    assert_int_not_equal(read_text(s.repo, &s.id, text), VV_OK);
    scene_end(&s);
}

/* --- the index -------------------------------------------------------------------------------- */

static void
cache_path(struct world *w, char out[256])
{
    char command[300];
    FILE *p;

    (void)snprintf(command, sizeof(command), "ls %s/cache-a/*/index", w->dir);
    p = popen(command, "r");
    assert_non_null(p);
    assert_non_null(fgets(out, 256, p));
    out[strcspn(out, "\n")] = '\0';
    (void)pclose(p);
}

static void
chunk_index__rebuilds_a_damaged_cache(void **state)
{
    struct scene s;
    char path[256];

    (void)state;
    scene_begin(&s);
    must(read_text(s.repo, &s.id, text));
    cache_path(&s.w, path);
    for (long at = 0; at < 400; at += 9) {
        FILE *f = fopen(path, "r+b");
        int byte;
        assert_non_null(f);
        if (fseek(f, at, SEEK_SET) == 0 && (byte = fgetc(f)) != EOF) {
            (void)fseek(f, at, SEEK_SET);
            (void)fputc(byte ^ 0x41, f);
        }
        (void)fclose(f);
        must(read_text(s.repo, &s.id, text));
    }
    assert_int_equal(s.w.events.count, 0);
    scene_end(&s);
}

static void
chunk_index__needs_no_cache(void **state)
{
    struct world w;
    struct repo *repo;
    struct vv_id id;

    (void)state;
    world_begin(&w);
    w.no_cache = true;
    repo = world_open(&w, "a");
    backup(repo, text, NULL);
    chunk_id(repo_keyring(repo), CHUNK_DATA, vv_span(text, strlen(text)), &id);
    must(read_text(repo, &id, text));
    repo_free(repo);
    world_end(&w);
}

static void
chunk_index__reports_damaged_segments_and_reads_the_packs(void **state)
{
    struct scene s;
    struct name_list names;
    char name[128];

    (void)state;
    scene_begin(&s);
    s.w.no_cache = true;
    repo_free(s.repo);
    s.repo = world_open(&s.w, "a");
    names = world_names(&s.w, "index");
    for (size_t i = 0; i < names.count; i++) {
        (void)snprintf(name, sizeof(name), "index/%s", names.names[i]);
        world_flip(&s.w, name, 100);
    }
    world_poke(&s.w, "index/junk", "x", 1);
    must(read_text(s.repo, &s.id, text));
    assert_true(world_told(&s.w, "index-damaged") > names.count);
    name_list_release(&names);
    scene_end(&s);
}

/** Replace the client of every index record by nobody's, so that no certificate fits. */
static void
unsign_index(struct scene *s, bool wrong_signature)
{
    struct name_list names = world_names(&s->w, "index");

    for (size_t i = 0; i < names.count; i++) {
        char name[128];
        char hex[65];
        uint8_t digest[32];
        struct vv_buf bytes;
        struct vv_buf records = {0};
        struct vv_buf object = {0};
        struct index_iter it;
        struct index_record record;
        uint8_t signature[64];
        uint32_t count = 0;
        (void)snprintf(name, sizeof(name), "index/%s", names.names[i]);
        bytes = world_bytes(&s->w, name);
        must(index_segment_open(vv_buf_span(&bytes), repo_id(s->repo), &it, E));
        while (index_segment_next(&it, &record)) {
            memcpy(signature, record.signature.data, 64);
            signature[0] ^= wrong_signature;
            record.signature = vv_span(signature, 64);
            record.client.b[0] ^= !wrong_signature;
            index_record_append(&record, &records);
            count++;
        }
        must(index_segment_encode(repo_id(s->repo), count, vv_buf_span(&records), &object, E));
        world_drop(&s->w, name);
        sha256(object.data, object.len, digest);
        vv_hex(hex, digest, 32);
        (void)snprintf(name, sizeof(name), "index/%s", hex);
        world_poke(&s->w, name, object.data, object.len);
        vv_buf_release(&bytes);
        vv_buf_release(&records);
        vv_buf_release(&object);
    }
    name_list_release(&names);
}

static void
trust_case(bool wrong_signature)
{
    struct scene s;
    struct run r;
    struct vv_id id;

    scene_begin(&s);
    unsign_index(&s, wrong_signature);
    must(read_text(s.repo, &s.id, text)); /* X3 */
    assert_int_not_equal(world_told(&s.w, "forged-record"), 0);
    run_begin(&r, s.repo);
    assert_true(run_put(&r, text, &id)); /* X2: stored again */
    assert_false(run_put(&r, text, &id));
    run_end(&r);
    scene_end(&s);
}

static void
chunk_index__uses_records_of_strangers_for_reading_only(void **state)
{
    (void)state;
    trust_case(false);
    trust_case(true);
}

static void
chunk_index__trusts_other_admin_clients(void **state)
{
    struct scene s;
    struct repo *other;
    struct run r;
    struct vv_id id;

    (void)state;
    scene_begin(&s);
    other = world_open(&s.w, "b");
    run_begin(&r, other);
    assert_false(run_put(&r, text, &id));
    run_end(&r);
    repo_free(other);
    scene_end(&s);
}

/* The certificate came after the cache was made from the records. */
static void
chunk_index__notices_a_late_certificate(void **state)
{
    struct scene s;
    struct name_list names;
    struct vv_buf certificate;
    struct repo *other;
    struct run r;
    struct vv_id id;
    char name[128];

    (void)state;
    scene_begin(&s);
    names = world_names(&s.w, "admin");
    (void)snprintf(name, sizeof(name), "admin/%s", names.names[0]);
    name_list_release(&names);
    certificate = world_bytes(&s.w, name);
    world_drop(&s.w, name);
    other = world_open(&s.w, "b");
    must(read_text(other, &s.id, text)); /* fills b's cache */
    run_begin(&r, other);
    assert_true(run_put(&r, text, &id));
    run_end(&r);
    world_poke(&s.w, name, certificate.data, certificate.len);
    vv_buf_release(&certificate);
    run_begin(&r, other);
    assert_false(run_put(&r, text, &id));
    run_end(&r);
    repo_free(other);
    scene_end(&s);
}

/* --- directories ------------------------------------------------------------------------------ */

static void
pack_reader__reads_directories_through_either_header(void **state)
{
    struct scene s;
    struct pack_keys *keys = NULL;
    struct pack_reader *p = NULL;
    struct pack_directory directory = {0};
    struct pack_header header;
    struct pack_header first;
    struct vv_buf bytes;
    long tail = -(long)PACK_TAIL_LEN;

    (void)state;
    scene_begin(&s);
    bytes = world_bytes(&s.w, s.object);
    for (int damage = 0; damage < 4; damage++) {
        bool front = damage & 1;
        bool back = damage & 2;
        enum vv_rc rc;
        if (front) {
            world_flip(&s.w, s.object, 70);
        }
        if (back) {
            world_flip(&s.w, s.object, tail + 40); /* the session in the copy */
        }
        must(pack_keys_new(s.repo, &keys, E));
        must(pack_reader_new(keys, &p, E));
        rc = pack_read_directory(p, &s.pack, bytes.len, &directory, &header, E);
        assert_int_equal(rc, front && back ? VV_ECORRUPT : VV_OK);
        if (rc == VV_OK && damage == 0) {
            first = header;
        }
        if (rc == VV_OK) { /* never what the damaged copy says */
            assert_memory_equal(header.session.b, first.session.b, 16);
            assert_int_equal(directory.block_count, 1);
        }
        pack_directory_release(&directory);
        pack_reader_free(p);
        pack_keys_free(keys);
        world_poke(&s.w, s.object, bytes.data, bytes.len);
    }
    must(pack_keys_new(s.repo, &keys, E));
    must(pack_reader_new(keys, &p, E));
    must(pack_check(p, &s.pack, vv_buf_span(&bytes), E));
    for (size_t at = 0; at < bytes.len; at += 997) {
        bytes.data[at] ^= 1;
        assert_int_equal(pack_check(p, &s.pack, vv_buf_span(&bytes), E), VV_ECORRUPT);
        bytes.data[at] ^= 1;
    }
    assert_int_not_equal(pack_read_directory(p, &s.pack, bytes.len + 1, &directory, &header, E),
                         VV_OK);
    assert_int_equal(pack_read_directory(p, &s.pack, 100, &directory, &header, E), VV_ECORRUPT);
    pack_reader_free(p);
    pack_keys_free(keys);
    vv_buf_release(&bytes);
    scene_end(&s);
}

/* --- threads ---------------------------------------------------------------------------------- */

struct worker {
    struct chunk_reader *reader;
    struct vv_id *ids;
    unsigned failures;
    struct vv_thread thread;
};

static void
read_many(void *arg)
{
    struct worker *w = arg;

    for (unsigned i = 0; i < 200; i++) {
        struct vv_buf out = {0};
        struct vv_error err = {0};
        w->failures += chunk_read(w->reader, CHUNK_DATA, &w->ids[i % 8], &out, &err) != VV_OK;
        vv_buf_release(&out);
    }
}

static void
chunk_reader__serves_threads_while_the_index_is_reloaded(void **state)
{
    struct scene s;
    struct chunk_index *x = NULL;
    struct chunk_reader *c = NULL;
    struct vv_id ids[8];
    struct worker workers[4];

    (void)state;
    scene_begin(&s);
    for (unsigned i = 0; i < 8; i++) {
        char order[32];
        (void)snprintf(order, sizeof(order), "order number %u", i);
        backup(s.repo, order, NULL);
        chunk_id(repo_keyring(s.repo), CHUNK_DATA, vv_span(order, strlen(order)), &ids[i]);
    }
    must(chunk_index_open(s.repo, &x, E));
    must(chunk_reader_new(s.repo, x, 20, &c, E)); /* hardly any room: blocks come and go */
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (struct worker){.reader = c, .ids = ids};
        must(vv_thread_start(&workers[i].thread, "reader", read_many, &workers[i], E));
    }
    for (unsigned i = 0; i < 10; i++) {
        must(chunk_index_reload(x, E));
    }
    for (unsigned i = 0; i < 4; i++) {
        vv_thread_join(&workers[i].thread);
        assert_int_equal(workers[i].failures, 0);
    }
    chunk_reader_free(c);
    chunk_index_free(x);
    scene_end(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunk_reader__reads),
        cmocka_unit_test(chunk_reader__names_damage),
        cmocka_unit_test(chunk_reader__survives_without_an_error_to_fill),
        cmocka_unit_test(chunk_reader__takes_another_copy),
        cmocka_unit_test(chunk_reader__takes_another_instance),
        cmocka_unit_test(chunk_reader__finds_swapped_packs),
        cmocka_unit_test(chunk_reader__follows_moved_chunks_again_and_again),
        cmocka_unit_test(chunk_reader__finds_packs_no_segment_names),
        cmocka_unit_test(chunk_index__rebuilds_a_damaged_cache),
        cmocka_unit_test(chunk_index__needs_no_cache),
        cmocka_unit_test(chunk_index__reports_damaged_segments_and_reads_the_packs),
        cmocka_unit_test(chunk_index__uses_records_of_strangers_for_reading_only),
        cmocka_unit_test(chunk_index__trusts_other_admin_clients),
        cmocka_unit_test(chunk_index__notices_a_late_certificate),
        cmocka_unit_test(pack_reader__reads_directories_through_either_header),
        cmocka_unit_test(chunk_reader__serves_threads_while_the_index_is_reloaded),
    };

    return cmocka_run_group_tests_name("repo/chunk_reader", tests, NULL, NULL);
}
