/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/helper_prune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "repo/retention_publish.h"

#define START_NS INT64_C(1900000000000000000) /* after every snapshot's time */

void
pw_reopen(struct prune_world *w)
{
    struct slot_secret key = {.type = KEY_SLOT_KEY_FILE,
                              .secret = vv_span("0123456789abcdef0123456789abcdef", 32)};
    char state[128];
    char cache[128];
    struct repo_options o = {
        .state_dir = state, .cache_dir = cache, .events = &w->b.ear.base, .clock = &w->clock.base};

    (void)snprintf(state, sizeof(state), "%s/home/admin-state-%u", w->b.base, w->hosts);
    (void)snprintf(cache, sizeof(cache), "%s/home/admin-cache", w->b.base);
    repo_free(w->admin);
    w->admin = NULL;
    bw_reopen(&w->b);
    pw_must(w, repo_open(w->b.fault, &key, &o, &w->admin, &w->err));
}

void
pw_backup(struct prune_world *w, unsigned n)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "own-%u", n);
    bw_file(&w->b, name, 60000, 1000 + n);
    if (n > 0) {
        (void)snprintf(name, sizeof(name), "own-%u", n - 1);
        assert_int_equal(unlink(bw_path(&w->b, name)), 0);
    }
    bw_file(&w->b, "changing", 90000, n / 2);
    (void)snprintf(name, sizeof(name), "text %u\n", n);
    bw_text(&w->b, "log", name, true);
    bw_backup(&w->b);
}

void
pw_begin(struct prune_world *w, unsigned snapshots)
{
    memset(w, 0, sizeof(*w));
    vv_clock_manual_init(&w->clock, START_NS);
    bw_begin(&w->b, NULL);
    bw_file(&w->b, "constant", 120000, 7);
    bw_text(&w->b, "log", "text\n", false);
    for (unsigned n = 0; n < snapshots; n++) {
        pw_backup(w, n);
    }
    w->options = (struct prune_options){
        .max_waste = 0.0, .budget = UINT64_MAX, .grace_ns = INT64_MAX, .level = 1};
    pw_reopen(w);
}

void
pw_end(struct prune_world *w)
{
    repo_free(w->admin);
    bw_end(&w->b);
}

void
pw_save(struct prune_world *w, struct storage **ret)
{
    pw_must(w, storage_memory_clone(w->b.memory, ret, &w->err));
}

void
pw_restore(struct prune_world *w, struct storage *saved)
{
    struct storage *old = w->b.memory;

    w->b.hook = NULL;
    w->hosts++; /* the one before would see a roll-back */
    pw_must(w, storage_memory_clone(saved, &w->b.memory, &w->err));
    pw_reopen(w);
    storage_free(old);
}

void
pw_forget(struct prune_world *w, unsigned first, unsigned step)
{
    struct snapshot_list l = {0};

    pw_must(w, snapshot_list_read(w->admin, &l, &w->err));
    for (size_t i = first; i + 1 < l.count; i += step) {
        pw_must(w, forget_publish(w->admin, &l.snapshots[i].id, 1, 0, NULL, &w->err));
    }
    snapshot_list_release(&l);
}

enum vv_rc
pw_run(struct prune_world *w)
{
    vv_buf_reset(&w->b.ear.lines);
    memset(&w->err, 0, sizeof(w->err));
    return prune_run(w->admin, &w->options, NULL, &w->s, &w->err);
}

void
pw_prune(struct prune_world *w)
{
    pw_must(w, pw_run(w));
}

size_t
pw_sound(struct prune_world *w)
{
    struct snapshot_list l = {0};
    struct verify_options o = {.data = true, .threads = 1};
    struct verify_summary s = {0};
    size_t count;

    w->b.hook = NULL;
    pw_reopen(w);
    vv_buf_reset(&w->b.ear.lines);
    pw_must(w, snapshot_list_read(w->admin, &l, &w->err));
    pw_must(w, verify_run(w->admin, &l, &o, NULL, &s, &w->err));
    if (s.objects_damaged + s.paths_damaged + s.chunks_missing > 0 || s.forged) {
        fail_msg("damaged: %s", vv_buf_text(&w->b.ear.lines));
    }
    count = l.count;
    snapshot_list_release(&l);
    return count;
}

static enum vv_rc
add_size(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    (void)name;
    (void)err;
    *(uint64_t *)ctx += size;
    return VV_OK;
}

uint64_t
pw_bytes(struct prune_world *w)
{
    uint64_t bytes = 0;

    pw_must(w, storage_list_shards(w->b.memory, "packs", add_size, &bytes, &w->err));
    pw_must(w, storage_list_shards(w->b.memory, "parity", add_size, &bytes, &w->err));
    pw_must(w, storage_list(w->b.memory, "index", add_size, &bytes, &w->err));
    return bytes;
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
pw_count(struct prune_world *w, const char *directory)
{
    size_t count = 0;

    pw_must(w, storage_list(w->b.memory, directory, count_one, &count, &w->err));
    return count;
}
