/* SPDX-License-Identifier: BSD-2-Clause */
/* An administrator signs for packs of writers after reading them, and for nothing else. */
#include "engine/helper_backup.h"

#include <string.h>

#include "crypto/hash.h"
#include "engine/verify.h"
#include "repo/key_roles.h"
#include "repo/pack_reader.h"

static struct verify_summary
verify(struct backup_world *w)
{
    const struct verify_options o = {.data = true, .vouch = true, .threads = 2};
    struct snapshot_list l;
    struct verify_summary s;

    bw_must(w, snapshot_list_read(w->repo, &l, &w->err));
    bw_must(w, verify_run(w->repo, &l, &o, NULL, &s, &w->err));
    snapshot_list_release(&l);
    return s;
}

static void
as_administrator(struct backup_world *w, bool admin)
{
    w->writer = !admin;
    bw_reopen(w);
}

/** May another writer refer to the chunk? */
static bool
usable_by_others(struct backup_world *w, enum chunk_type type, const struct vv_id *id)
{
    const struct vv_uuid other = {{9}};
    struct chunk_index *x = NULL;
    struct admin_records admin = {0};
    struct condemned_set condemned = {0};
    bool usable = false;

    bw_must(w, chunk_index_open(w->repo, &x, &w->err));
    bw_must(w, admin_records_read(w->repo, &admin, &w->err));
    chunk_index_for_writing(x, &condemned, &admin, &other);
    bw_must(w, chunk_index_usable(x, type, id, &usable, &w->err));
    chunk_index_free(x);
    admin_records_release(&admin);
    return usable;
}

/** What a pack really holds; by the administrator. */
static struct pack_directory
directory_of(struct backup_world *w, const struct pack_name *name, uint64_t *ret_size,
             enum pack_class *ret_class)
{
    struct pack_keys *keys = NULL;
    struct pack_reader *reader = NULL;
    struct pack_directory d = {0};
    struct pack_header header;
    char object[PACK_OBJECT_TEXT];

    pack_object_text(name, object);
    bw_must(w, storage_size(w->memory, object, ret_size, &w->err));
    bw_must(w, pack_keys_new(w->repo, &keys, &w->err));
    bw_must(w, pack_reader_new(keys, &reader, &w->err));
    bw_must(w, pack_read_directory(reader, name, *ret_size, &d, &header, &w->err));
    *ret_class = header.class;
    pack_reader_free(reader);
    pack_keys_free(keys);
    return d;
}

static void
vouch__lets_other_writers_refer_to_what_was_read(void **state)
{
    struct backup_world w;
    struct pack_name packs[16];
    struct pack_directory d;
    struct vv_id id;
    enum pack_class class;
    enum chunk_type type;
    uint64_t size;
    uint32_t count;

    (void)state;
    bw_begin(&w, NULL);
    bw_add_writer(&w);
    as_administrator(&w, false);
    bw_file(&w, "a", 100000, 1);
    bw_backup(&w);
    count = bw_packs(&w, packs, 16);
    assert_true(count >= 2);
    as_administrator(&w, true);
    d = directory_of(&w, &packs[0], &size, &class);
    id = d.chunks[0].id;
    type = (enum chunk_type)d.chunks[0].type;
    pack_directory_release(&d);
    assert_false(usable_by_others(&w, type, &id));
    assert_int_equal(verify(&w).packs_vouched, count);
    assert_true(usable_by_others(&w, type, &id));
    assert_int_equal(verify(&w).packs_vouched, 0); /* once is enough */
    assert_int_equal(verify(&w).forged, 0);
    bw_end(&w);
}

/* A stolen writer maps the id of content the shop will have tomorrow to garbage of its own. */
static void
vouch__signs_what_is_in_the_pack_not_what_its_writer_says(void **state)
{
    static const char future[] = "what the shop will store tomorrow";
    struct backup_world w;
    struct pack_name packs[16];
    struct pack_directory d;
    struct index_writer *index = NULL;
    const struct client_keys *client = NULL;
    struct vv_id wanted;
    struct vv_id real;
    enum chunk_type type;
    enum pack_class class;
    uint64_t size;

    (void)state;
    bw_begin(&w, NULL);
    bw_add_writer(&w);
    as_administrator(&w, false);
    bw_file(&w, "a", 100000, 1);
    bw_backup(&w);
    (void)bw_packs(&w, packs, 16);
    as_administrator(&w, true);
    d = directory_of(&w, &packs[0], &size, &class);
    as_administrator(&w, false);
    chunk_id(repo_keyring(w.repo), CHUNK_DATA, vv_span(future, strlen(future)), &wanted);
    real = d.chunks[0].id;
    type = (enum chunk_type)d.chunks[0].type;
    d.chunks[0].id = wanted;
    d.chunks[0].type = CHUNK_DATA;
    bw_must(&w, local_state_client(repo_state(w.repo), 0, &client, &w.err));
    bw_must(&w, index_writer_new(w.repo, client, &index, &w.err));
    bw_must(&w, index_writer_add(index, &packs[0], size, class, &d, &w.err));
    bw_must(&w, index_writer_flush(index, &w.err));
    index_writer_free(index);
    pack_directory_release(&d);
    as_administrator(&w, true);
    assert_true(verify(&w).packs_vouched > 0);
    assert_false(usable_by_others(&w, CHUNK_DATA, &wanted));
    assert_true(usable_by_others(&w, type, &real));
    bw_end(&w);
}

static void
vouch__signs_for_no_damaged_pack(void **state)
{
    struct backup_world w;
    struct pack_name packs[16];
    char object[PACK_OBJECT_TEXT];
    struct vv_span bytes;
    struct vv_buf copy = {0};
    uint32_t count;

    (void)state;
    bw_begin(&w, NULL);
    bw_add_writer(&w);
    as_administrator(&w, false);
    bw_file(&w, "a", 100000, 1);
    bw_backup(&w);
    count = bw_packs(&w, packs, 16);
    pack_object_text(&packs[0], object);
    assert_true(storage_memory_peek(w.memory, object, &bytes));
    vv_buf_put(&copy, bytes.data, bytes.len);
    copy.data[copy.len / 2] ^= 1;
    bw_must(&w, storage_memory_poke(w.memory, object, vv_buf_span(&copy), &w.err));
    vv_buf_release(&copy);
    as_administrator(&w, true);
    assert_int_equal(verify(&w).packs_vouched, count - 1);
    bw_end(&w);
}

static enum fault_verdict
read_only(void *ctx, enum storage_op op, const char *name)
{
    (void)ctx;
    (void)name;
    return op == STORAGE_PUBLISH || op == STORAGE_REMOVE ? FAULT_FAIL : FAULT_PASS;
}

/* A storage that cannot be written is verified all the same, and says why nothing was signed. */
static void
vouch__is_done_without_on_a_read_only_storage(void **state)
{
    struct backup_world w;
    struct verify_summary s;

    (void)state;
    bw_begin(&w, NULL);
    bw_add_writer(&w);
    as_administrator(&w, false);
    bw_file(&w, "a", 100000, 1);
    bw_backup(&w);
    as_administrator(&w, true);
    w.hook = read_only;
    s = verify(&w);
    w.hook = NULL;
    assert_int_equal(s.packs_vouched, 0);
    assert_int_equal(s.objects_damaged, 0);
    assert_true(s.packs_read >= 2);
    assert_int_equal(bw_heard_count(&w, "index-not-signed"), 1);
    bw_end(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vouch__lets_other_writers_refer_to_what_was_read),
        cmocka_unit_test(vouch__signs_what_is_in_the_pack_not_what_its_writer_says),
        cmocka_unit_test(vouch__signs_for_no_damaged_pack),
        cmocka_unit_test(vouch__is_done_without_on_a_read_only_storage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
