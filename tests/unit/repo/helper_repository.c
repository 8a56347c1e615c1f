/* SPDX-License-Identifier: BSD-2-Clause */
#include "helper_repository.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/random.h"
#include "format/slot.h"
#include "remove_tree.h"
#include "scratch_directory.h"

struct vv_error world_err;

static const struct slot_secret secret = {
    .type = KEY_SLOT_KEY_FILE, .secret = {(const uint8_t *)"0123456789abcdef0123456789abcdef", 32}};

/* The hook is not called for what it does itself; the thread of parity publishes too. */
static _Thread_local bool in_hook;

static enum fault_verdict
judge(void *ctx, enum storage_op op, const char *name)
{
    struct world *w = ctx;
    enum fault_verdict verdict;

    if (w->hook == NULL || in_hook) {
        return FAULT_PASS;
    }
    in_hook = true;
    verdict = w->hook(w->hook_ctx, op, name);
    in_hook = false;
    return verdict;
}

static void
note_event(struct vv_events *self, const struct vv_event *event)
{
    struct world_events *e = (struct world_events *)self;

    e->problems += event->kind == VV_EVENT_PROBLEM;
    if (e->count < 256) {
        (void)snprintf(e->names[e->count++], sizeof(e->names[0]), "%s", event->name);
    }
}

static struct repo_options
options_for(struct world *w, const char *host, char state[128], char cache[128])
{
    (void)snprintf(state, 128, "%s/state-%s", w->dir, host);
    (void)snprintf(cache, 128, "%s/cache-%s", w->dir, host);
    return (struct repo_options){.state_dir = state,
                                 .cache_dir = w->no_cache ? NULL : cache,
                                 .clock = &w->clock.base,
                                 .events = &w->events.base,
                                 .replicas = w->replicas,
                                 .expect_head = w->expect_head,
                                 .accept_heads = w->accept_heads};
}

void
world_begin(struct world *w)
{
    struct repo_init_options init = {.secret = &secret, .label = "test"};
    struct repo_options options;
    struct repo *repo = NULL;
    char state[128];
    char cache[128];

    memset(w, 0, sizeof(*w));
    memset(E, 0, sizeof(*E));
    w->events.base.emit = note_event;
    vv_clock_manual_init(&w->clock, INT64_C(1800000000000000000));
    scratch_directory_make(w->dir, sizeof(w->dir));
    must(storage_memory_new(&w->memory, E));
    must(storage_fault_new(w->memory, judge, w, &w->storage, E));
    options = options_for(w, "init", state, cache);
    must(repo_init(w->storage, &init, &options, &repo, E));
    repo_free(repo);
}

void
world_end(struct world *w)
{
    storage_free(w->storage);
    storage_free(w->memory);
    remove_tree(w->dir);
}

struct repo *
world_open(struct world *w, const char *host)
{
    struct repo_options options;
    struct repo *repo = NULL;
    char state[128];
    char cache[128];

    options = options_for(w, host, state, cache);
    must(repo_open(w->storage, &secret, &options, &repo, E));
    return repo;
}

/** The secret of a client's key: 32 bytes of its name over and over. */
static struct slot_secret
client_secret(const char *name, uint8_t bytes[32])
{
    for (size_t i = 0; i < 32; i++) {
        bytes[i] = (uint8_t)name[i % strlen(name)];
    }
    return (struct slot_secret){KEY_SLOT_KEY_FILE, vv_span(bytes, 32)};
}

void
world_add_client(struct world *w, enum key_role role, const char *name)
{
    struct repo *repo = world_open(w, "init");
    struct vv_buf config = world_bytes(w, "config");
    struct key_bundle bundle;
    uint8_t bytes[32];
    struct slot_secret own = client_secret(name, bytes);

    must(key_client_issue(repo, role, name, &bundle, E));
    must(key_slots_add(w->storage, &own, name, NULL, &bundle, vv_buf_span(&config), 1, NULL, E));
    vv_buf_release(&config);
    repo_free(repo);
}

struct repo *
world_open_client(struct world *w, const char *name, const char *host)
{
    struct repo_options options;
    struct repo *repo = NULL;
    char state[128];
    char cache[128];
    uint8_t bytes[32];
    struct slot_secret own = client_secret(name, bytes);

    options = options_for(w, host, state, cache);
    must(repo_open(w->storage, &own, &options, &repo, E));
    return repo;
}

void
world_second_site(struct world *w)
{
    struct repo *repo = world_open(w, "init");
    struct site site = *repo_site(repo);
    struct vv_buf object = {0};

    vv_random(site.id.b, sizeof(site.id.b));
    must(site_encode(&site, repo_id(repo), &object, E));
    world_poke(w, "site", object.data, object.len);
    vv_buf_release(&object);
    repo_free(repo);
}

unsigned
world_told(const struct world *w, const char *name)
{
    unsigned count = 0;

    for (unsigned i = 0; i < w->events.count; i++) {
        count += strcmp(w->events.names[i], name) == 0;
    }
    return count;
}

unsigned
world_problems(const struct world *w)
{
    return w->events.problems;
}

void
world_forget_events(struct world *w)
{
    w->events.count = 0;
    w->events.problems = 0;
}

struct name_list
world_names(struct world *w, const char *directory)
{
    struct repo *repo = world_open(w, "init");
    struct name_list names;

    must(repo_list(repo, directory, &names, E));
    repo_free(repo);
    return names;
}

struct vv_buf
world_bytes(struct world *w, const char *object)
{
    struct vv_buf copy = {0};
    struct vv_span bytes;

    assert_true(storage_memory_peek(w->memory, object, &bytes));
    vv_buf_put(&copy, bytes.data, bytes.len);
    must(vv_buf_check(&copy, E));
    return copy;
}

void
world_flip(struct world *w, const char *object, long at)
{
    struct vv_buf copy = world_bytes(w, object);

    copy.data[at < 0 ? copy.len - (size_t)-at : (size_t)at] ^= 0x10;
    world_poke(w, object, copy.data, copy.len);
    vv_buf_release(&copy);
}

void
world_drop(struct world *w, const char *object)
{
    must(storage_memory_poke(w->memory, object, vv_span(NULL, 0), E));
}

void
world_poke(struct world *w, const char *object, const void *data, size_t len)
{
    must(storage_memory_poke(w->memory, object, vv_span(data, len), E));
}

void
run_begin(struct run *r, struct repo *repo)
{
    const struct pack_writer_options options = {.level = 1, .threads = 1};

    memset(r, 0, sizeof(*r));
    r->repo = repo;
    must(writer_session_begin(repo, SESSION_BACKUP, &r->session, E));
    must(chunk_index_open(repo, &r->index, E));
    must(pack_writer_new(repo, r->session, r->index, &options, &r->writer, E));
    must(block_builder_new(r->writer, &r->builder, E));
}

bool
run_put(struct run *r, const char *text, struct vv_id *ret_id)
{
    struct vv_span data = vv_span(text, strlen(text));
    bool is_new = false;

    chunk_id(repo_keyring(r->repo), CHUNK_DATA, data, ret_id);
    must(block_builder_put(r->builder, BLOCK_SMALL, CHUNK_DATA, ret_id, data, &is_new, E));
    return is_new;
}

void
run_flush(struct run *r)
{
    must(block_builder_flush(r->builder, E));
    must(pack_writer_flush(r->writer, E));
}

enum vv_rc
run_commit(struct run *r, struct snapshot *ret, struct vv_error *err)
{
    struct vv_buf source = {0};
    char host[] = "shop";
    struct snapshot_body body = {
        .host = host, .mode = SNAPSHOT_FULL, .sources = &source, .source_count = 1};
    enum vv_rc rc;

    vv_buf_put_text(&source, "/srv");
    run_flush(r);
    rc = snapshot_commit(r->repo, r->session, r->writer, r->builder, &body, ret, err);
    vv_buf_release(&source);
    return rc;
}

void
run_end(struct run *r)
{
    block_builder_free(r->builder);
    pack_writer_free(r->writer);
    chunk_index_free(r->index);
    writer_session_free(r->session);
    memset(r, 0, sizeof(*r));
}

void
backup(struct repo *repo, const char *text, struct snapshot *ret)
{
    struct run r;
    struct vv_id id;

    run_begin(&r, repo);
    (void)run_put(&r, text, &id);
    must(run_commit(&r, ret, E));
    run_end(&r);
}

static enum vv_rc
add_pack(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct pack_name parsed;

    (void)size;
    if (pack_name_parse(name, strlen(name), &parsed)) {
        vv_buf_put(ctx, &parsed, sizeof(parsed));
    }
    return vv_buf_check(ctx, err);
}

struct pack_name *
world_packs(struct world *w, size_t *ret_count)
{
    struct vv_buf names = {0};

    for (unsigned shard = 0; shard < 256; shard++) {
        char directory[16];
        (void)snprintf(directory, sizeof(directory), "packs/%02x", shard);
        must(storage_list(w->memory, directory, add_pack, &names, E));
    }
    *ret_count = names.len / sizeof(struct pack_name);
    return (struct pack_name *)(void *)names.data;
}

struct pack_name
pack_of(struct repo *repo, const struct vv_id *id)
{
    struct chunk_index *x = NULL;
    struct chunk_location loc;

    must(chunk_index_open(repo, &x, E));
    must(chunk_index_find(x, CHUNK_DATA, id, 0, &loc, E));
    chunk_index_free(x);
    return loc.pack;
}

enum vv_rc
read_text(struct repo *repo, const struct vv_id *id, const char *text)
{
    struct chunk_index *x = NULL;
    struct chunk_reader *c = NULL;
    struct vv_buf out = {0};
    enum vv_rc rc;

    must(chunk_index_open(repo, &x, E));
    must(chunk_reader_new(repo, x, 1u << 20, &c, E));
    rc = chunk_read(c, CHUNK_DATA, id, &out, E);
    if (rc == VV_OK) {
        assert_int_equal(out.len, strlen(text));
        assert_memory_equal(out.data, text, out.len);
    }
    vv_buf_release(&out);
    chunk_reader_free(c);
    chunk_index_free(x);
    return rc;
}

void
publish_graves(struct repo *repo, const char *name, const struct grave *graves, uint32_t count)
{
    struct vv_buf payload = {0};

    grave_list_encode(graves, count, NULL, 0, &payload);
    must(admin_publish(repo, 1, ADMIN_GRAVE, name, vv_buf_span(&payload), E));
    vv_buf_release(&payload);
}

enum vv_rc
publish_fence(struct repo *repo, const struct vv_uuid *session, int with_signature)
{
    struct slot slot = {.session = *session, .status = SLOT_FENCE};
    struct vv_buf object = {0};
    uint8_t signature[FORMAT_SIGNATURE_LEN] = {0};
    char name[64] = "snapshots/";
    enum vv_rc rc;

    vv_random(slot.nonce, sizeof(slot.nonce));
    vv_uuid_text(session, name + 10);
    must(slot_encode(&slot, repo_id(repo), &object, E));
    if (with_signature) {
        keyring_admin_sign(repo_keyring(repo), vv_buf_span(&object), signature);
    }
    vv_buf_put(&object, signature, sizeof(signature));
    must(container_finish(&object, E));
    rc = storage_publish(repo_storage(repo), name, vv_buf_span(&object), E);
    vv_buf_release(&object);
    return rc;
}

void
publish_suspect(struct repo *repo, const char *name, const struct pack_name *pack)
{
    struct vv_buf payload = {0};

    pack_list_encode(pack, 1, &payload);
    must(admin_publish(repo, 1, ADMIN_SUSPECT, name, vv_buf_span(&payload), E));
    vv_buf_release(&payload);
}

void
remove_pack(struct world *w, const struct pack_name *name)
{
    char object[PACK_OBJECT_TEXT];

    pack_object_text(name, object);
    world_drop(w, object);
}
