/* SPDX-License-Identifier: BSD-2-Clause */
/* A world for tests of replication. */
#include "engine/helper_replicate.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void
hear(struct vv_events *self, const struct vv_event *event)
{
    struct replicate_ear *ear = (struct replicate_ear *)(void *)self;

    vv_buf_printf(&ear->names, "%s\n", event->name);
    ear->problems += event->kind == VV_EVENT_PROBLEM;
}

static enum fault_verdict
judge_site(void *ctx, enum storage_op op, const char *name)
{
    struct replicate_world *w = ctx;

    return w->hook == NULL ? FAULT_PASS : w->hook(w->hook_ctx, op, name);
}

static enum fault_verdict
judge_source(void *ctx, enum storage_op op, const char *name)
{
    struct replicate_world *w = ctx;

    return w->source_hook == NULL ? FAULT_PASS : w->source_hook(w->hook_ctx, op, name);
}

static int64_t
real_now(const struct vv_clock *clock)
{
    return ((const struct replicate_clock *)(const void *)clock)->real_ns;
}

static uint64_t
mono_now(const struct vv_clock *clock)
{
    return ((const struct replicate_clock *)(const void *)clock)->mono_ns;
}

static struct replicate_world *world; /* whose clock it is */

static void
sleep_on(const struct vv_clock *clock, uint64_t ns)
{
    (void)clock;
    rw_advance(world, ns);
}

void
rw_advance(struct replicate_world *w, uint64_t ns)
{
    w->clock.real_ns += (int64_t)ns;
    w->clock.mono_ns += ns;
}

void
rw_backup(struct replicate_world *w, unsigned n)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "file%u", n);
    bw_file(&w->b, name, 20000 + n, n + 1);
    bw_backup(&w->b);
}

void
rw_begin(struct replicate_world *w, unsigned snapshots)
{
    memset(w, 0, sizeof(*w));
    bw_begin(&w->b, NULL);
    for (unsigned i = 0; i < snapshots; i++) {
        rw_backup(w, i);
    }
    w->ear.base.emit = hear;
    w->clock.base = (struct vv_clock){real_now, mono_now, sleep_on};
    w->clock.real_ns = INT64_C(1900000000000000000);
    w->clock.mono_ns = 1;
    world = w;
    (void)snprintf(w->home, sizeof(w->home), "%s/replicator", w->b.base);
    assert_int_equal(mkdir(w->home, 0700), 0);
    w->options.share = REPLICATE_SHARE_PART; /* nothing is read back */
    w->options.threads = 1;
    rw_must(w, storage_fault_new(w->b.memory, judge_source, w, &w->source, &w->err));
    rw_new_site(w);
}

void
rw_new_site(struct replicate_world *w)
{
    storage_free(w->site);
    storage_free(w->memory);
    rw_must(w, storage_memory_new(&w->memory, &w->err));
    rw_must(w, storage_fault_new(w->memory, judge_site, w, &w->site, &w->err));
}

void
rw_end(struct replicate_world *w)
{
    storage_free(w->site);
    storage_free(w->memory);
    storage_free(w->source);
    vv_buf_release(&w->ear.names);
    bw_end(&w->b);
}

static struct repo_options
options_of(struct replicate_world *w)
{
    return (struct repo_options){.state_dir = w->home,
                                 .cache_dir = w->home,
                                 .clock = &w->clock.base,
                                 .events = &w->ear.base};
}

struct repo *
rw_open(struct replicate_world *w, struct storage *st, enum with_key how)
{
    struct slot_secret key = {.type = KEY_SLOT_KEY_FILE,
                              .secret = vv_span("0123456789abcdef0123456789abcdef", 32)};
    struct repo_options options = options_of(w);
    struct repo *r = NULL;

    if (how == WITH_KEY) {
        rw_must(w, repo_open(st, &key, &options, &r, &w->err));
    } else {
        rw_must(w, repo_open_keyless(st, &options, &r, &w->err));
    }
    return r;
}

enum vv_rc
rw_run(struct replicate_world *w, enum with_key how)
{
    struct repo_options options = options_of(w);
    struct repo *source = rw_open(w, w->source, how);

    vv_buf_reset(&w->ear.names);
    w->ear.problems = 0;
    w->to.storage = w->site;
    rw_must(w, replicate_run(source, &w->to, 1, &options, &w->options, NULL, &w->err));
    repo_free(source);
    return w->to.rc;
}

const struct replicate_summary *
rw_must_run(struct replicate_world *w, enum with_key how)
{
    if (rw_run(w, how) != VV_OK) {
        fail_msg("replication: %s", w->to.err.message);
    }
    return &w->to.summary;
}

size_t
rw_told(const struct replicate_world *w, const char *event)
{
    const char *at = (const char *)w->ear.names.data;
    size_t left = w->ear.names.len;
    size_t len = strlen(event);
    size_t count = 0;

    while (left > 0) {
        const char *line = memchr(at, '\n', left);
        left -= (size_t)(line - at) + 1;
        count += (size_t)(line - at) == len && memcmp(at, event, len) == 0;
        at = line + 1;
    }
    return count;
}

static size_t
check(struct replicate_world *w, struct storage *st, bool may_miss)
{
    struct slot_secret key = {.type = KEY_SLOT_KEY_FILE,
                              .secret = vv_span("0123456789abcdef0123456789abcdef", 32)};
    struct repo_options options = {.clock = &w->clock.base};
    struct verify_options all = {.data = true, .threads = 1};
    struct verify_summary s = {0};
    struct snapshot_list l = {0};
    struct repo *r = NULL;
    uint64_t size;
    size_t count;

    if (storage_size(st, "config", &size, NULL) != VV_OK) {
        return 0;
    }
    rw_must(w, repo_open(st, &key, &options, &r, &w->err));
    rw_must(w, snapshot_list_read(r, &l, &w->err));
    rw_must(w, verify_run(r, &l, &all, NULL, &s, &w->err));
    assert_int_equal(l.forged + l.damaged, 0);
    assert_true(may_miss || s.objects_damaged == 0);
    assert_int_equal(s.chunks_missing, 0);
    assert_int_equal(s.paths_damaged, 0);
    count = l.count;
    snapshot_list_release(&l);
    repo_free(r);
    return count;
}

size_t
rw_sound(struct replicate_world *w, struct storage *st)
{
    return check(w, st, false);
}

size_t
rw_sound_but_missing(struct replicate_world *w, struct storage *st)
{
    return check(w, st, true);
}

struct taking {
    struct pack_name *names;
    size_t room;
    size_t count;
};

static enum vv_rc
take_name(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct taking *t = ctx;

    (void)size;
    (void)err;
    assert_true(t->count < t->room);
    assert_true(pack_name_parse(name, strlen(name), &t->names[t->count++]));
    return VV_OK;
}

size_t
rw_packs(struct storage *st, struct pack_name *ret, size_t room)
{
    struct taking t = {.names = ret, .room = room};

    assert_int_equal(storage_list_shards(st, "packs", take_name, &t, NULL), VV_OK);
    return t.count;
}

void
rw_damage_pack(struct storage *st, const struct pack_name *name, size_t keep, bool flip)
{
    char object[PACK_OBJECT_TEXT];
    struct vv_buf copy = {0};
    struct vv_span bytes;

    pack_object_text(name, object);
    assert_true(storage_memory_peek(st, object, &bytes));
    vv_buf_put(&copy, bytes.data, keep > 0 ? keep : bytes.len);
    if (flip) {
        copy.data[copy.len / 2] ^= 1;
    }
    assert_int_equal(storage_memory_poke(st, object,
                                         keep > 0 || flip ? vv_buf_span(&copy) : vv_span(NULL, 0),
                                         NULL),
                     VV_OK);
    vv_buf_release(&copy);
}

static enum vv_rc
count_one(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    (void)name;
    (void)size;
    (void)err;
    *(size_t *)ctx += 1;
    return VV_OK;
}

size_t
rw_count(struct storage *st, const char *directory)
{
    size_t count = 0;

    assert_int_equal(storage_list(st, directory, count_one, &count, NULL), VV_OK);
    return count;
}

void
rw_lose_index(struct replicate_world *w)
{
    struct repo *site = rw_open(w, w->memory, KEYLESS);
    struct name_list segments;

    rw_must(w, repo_list(site, "index", &segments, &w->err));
    for (size_t i = 0; i < segments.count; i++) {
        char name[6 + 65] = "index/";
        memcpy(name + 6, segments.names[i], 65);
        rw_must(w, storage_memory_poke(w->memory, name, vv_span(NULL, 0), &w->err));
    }
    name_list_release(&segments);
    repo_free(site);
}

/* --- cases ------------------------------------------------------------------------------------ */

int
rw_setup_two(void **state)
{
    rw_begin(*state, 2);
    return 0;
}

int
rw_setup_three(void **state)
{
    rw_begin(*state, 3);
    return 0;
}

int
rw_teardown(void **state)
{
    rw_end(*state);
    return 0;
}
