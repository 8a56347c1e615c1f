/* SPDX-License-Identifier: BSD-2-Clause */
/* labels: long */
/*
 * Nothing can be changed in a repository without being noticed: in a small one, every byte of every
 * object is damaged in two ways, as it is and with hashes and names recomputed; blocks and packs are
 * swapped, foreign packs put in, objects cut and deleted.  After each of these verify (with data)
 * must report something.  Where damage need only be harmless (README, site, ended sessions), and
 * wherever nothing was reported, every file must still have its bytes or an error.
 *
 * A damaged pack's check does not depend on its neighbours, so every byte of packs is tried on copies:
 * many damaged copies lie in the repository beside the packs, and verify must name each of them.
 * In place of the pack itself every PLACE_STRIDE-th byte is damaged too.
 *
 * Not reported, but harmless by design: the 16 random bytes of a slot when its hash is recomputed
 * (they only tell two attempts to publish it apart).
 *
 * One byte in SAMPLE_STRIDE is tried, every one with VARVE_SWEEP=all (sweep.h).
 */
#include "helper_look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/thread.h"
#include "crypto/hash.h"
#include "repo/pack_reader.h"
#include "sweep.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SAMPLE_STRIDE 19u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SAMPLE_STRIDE 19u
#endif
#endif
#ifndef SAMPLE_STRIDE
#define SAMPLE_STRIDE 3u
#endif

#define WORKERS 2u
#define PLACE_STRIDE 61u
#define COPIES 512u /* damaged copies of a pack at once */
#define FILES 6u
#define REPOSITORY_MAX 65536u
#define SLOT_NONCE_FROM 41u /* container header, session, status */
#define SLOT_NONCE_TO 57u

struct object {
    char name[128];
    struct vv_buf bytes;
    bool is_pack;
    bool is_index;
    bool is_slot;
    bool is_readme;
    bool harmless;
    bool matters_to_open; /* must the repository be opened again to notice? */
};

static struct look_world w;
static struct object objects[64];
static size_t object_count;
static struct {
    const char *name;
    uint8_t bytes[900];
    size_t len;
    bool in_first;
    bool in_second;
} files[FILES] = {{"a/one", {0}, 700, true, true}, {"a/two", {0}, 900, true, false},
                  {"b/empty", {0}, 0, true, true}, {"b/text", {0}, 300, true, true},
                  {"c", {0}, 64, true, true},      {"d/copy of one", {0}, 700, false, true}};

/** Which of the damaged copies verify has named. */
struct copy_events {
    struct vv_events base;
    bool named[COPIES];
};

/** One thread with its own copy of the repository. */
struct trial {
    struct copy_events heard;
    char names[COPIES][128]; /* of damaged copies */
    size_t places[COPIES];
    unsigned copies;
    unsigned number;
    struct storage *storage;
    struct repo *repo;         /* open on it */
    struct snapshot_list list; /* as of the undamaged repository */
    struct vv_error err;
    char failure[512]; /* the first one */
    uint64_t trials;
    uint64_t reported;
    struct vv_thread thread;
};

/* --- the repository ------------------------------------------------------------------------------ */

static enum vv_rc
note_object(const char *directory, const char *name)
{
    struct object *o = &objects[object_count];
    struct vv_span bytes;

    (void)snprintf(o->name, sizeof(o->name), "%s%s%s", directory, directory[0] != '\0' ? "/" : "",
                   name);
    if (!storage_memory_peek(w.storage, o->name, &bytes)) {
        return VV_ENOTFOUND;
    }
    vv_buf_put(&o->bytes, bytes.data, bytes.len);
    o->is_pack = strncmp(o->name, "packs/", 6) == 0;
    o->is_index = strncmp(o->name, "index/", 6) == 0;
    o->is_slot = strncmp(o->name, "snapshots/", 10) == 0;
    o->is_readme = strcmp(o->name, "README") == 0;
    o->harmless =
        o->is_readme || strcmp(o->name, "site") == 0 || strncmp(o->name, "sessions/", 9) == 0;
    o->matters_to_open = !o->is_pack && !o->is_index;
    object_count++;
    assert_true(object_count < VV_COUNT(objects));
    return VV_OK;
}

struct listing {
    const char *directory;
};

static enum vv_rc
take_name(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    const struct listing *l = ctx;

    (void)size;
    (void)err;
    return note_object(l->directory, name);
}

static size_t
collect_objects(void)
{
    static const char *const directories[] = {"",          "keys",      "admin", "sessions",
                                              "snapshots", "condemned", "index", "tmp"};
    size_t total = 0;

    for (size_t i = 0; i < VV_COUNT(directories); i++) {
        struct listing l = {directories[i]};
        lw_must(&w, storage_list(w.storage, directories[i], take_name, &l, &w.err));
    }
    for (unsigned shard = 0; shard < 256; shard++) {
        char directory[16];
        struct listing l = {directory};
        (void)snprintf(directory, sizeof(directory), "packs/%02x", shard);
        lw_must(&w, storage_list(w.storage, directory, take_name, &l, &w.err));
    }
    for (size_t i = 0; i < object_count; i++) {
        total += objects[i].bytes.len;
    }
    print_message("%zu objects, %zu bytes\n", object_count, total);
    return total;
}

/** One snapshot or two.  Packs are padded to 16 KiB, so the larger one is over 64 KiB. */
static void
make_repository(unsigned snapshots)
{
    size_t total;

    lw_begin(&w);
    for (size_t i = 0; i < FILES; i++) {
        lw_noise(files[i].bytes, files[i].len, i == FILES - 1 ? 0 : i);
        if (files[i].in_first) {
            lw_write(&w, files[i].name, files[i].bytes, files[i].len);
        }
    }
    lw_backup(&w);
    for (size_t i = 0; i < FILES && snapshots == 2; i++) {
        if (files[i].in_first && !files[i].in_second) {
            lw_remove(&w, files[i].name);
        } else if (files[i].in_second && !files[i].in_first) {
            lw_write(&w, files[i].name, files[i].bytes, files[i].len);
        }
    }
    if (snapshots == 2) {
        lw_backup(&w);
    }
    assert_int_equal(w.list.count, snapshots);
    total = collect_objects();
    assert_true(snapshots > 1 || total <= REPOSITORY_MAX);
}

static int
make_small(void **state)
{
    (void)state;
    make_repository(1);
    return 0;
}

static int
make_larger(void **state)
{
    (void)state;
    make_repository(2);
    return 0;
}

static int
drop_repository(void **state)
{
    (void)state;
    for (size_t i = 0; i < object_count; i++) {
        vv_buf_release(&objects[i].bytes);
    }
    object_count = 0;
    lw_end(&w);
    return 0;
}

/* --- is it noticed? ------------------------------------------------------------------------------ */

static enum vv_rc
open_with(struct storage *st, struct vv_events *events, struct repo **ret, struct vv_error *err)
{
    struct slot_secret secret = {KEY_SLOT_KEY_FILE,
                                 vv_span("0123456789abcdef0123456789abcdef", 32)};
    struct repo_options options = {.clock = &w.clock.base, .events = events};
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/state", w.base);
    options.state_dir = path;
    return repo_open(st, &secret, &options, ret, err);
}

static enum vv_rc
open_quietly(struct storage *st, struct repo **ret, struct vv_error *err)
{
    return open_with(st, NULL, ret, err);
}

static enum vv_rc
append(void *ctx, struct vv_span data, struct vv_error *err)
{
    vv_buf_put(ctx, data.data, data.len);
    return vv_buf_check(ctx, err);
}

/** A file (another one at each trial) of every snapshot listed: an error, or its bytes.  Names it if
 * it is wrong. */
static const char *
wrong_file(struct trial *t, struct repo *r, const struct snapshot_list *l, bool must_read)
{
    struct vv_buf path = {0};
    struct vv_buf bytes = {0};
    const char *wrong = NULL;

    for (size_t s = 0; s < l->count && wrong == NULL; s++) {
        bool first = vv_uuid_equal(&l->snapshots[s].id, &w.list.snapshots[0].id);
        for (size_t i = t->trials % FILES; i < FILES && wrong == NULL; i += FILES) {
            bool present = first ? files[i].in_first : files[i].in_second;
            enum vv_rc rc;
            vv_buf_reset(&bytes);
            rc = look_cat(r, &l->snapshots[s], lw_path(&w, files[i].name, &path), append, &bytes,
                          &t->err);
            if (rc == VV_OK
                    ? !present || bytes.len != files[i].len ||
                          (bytes.len > 0 && memcmp(bytes.data, files[i].bytes, bytes.len) != 0)
                    : present && must_read) {
                wrong = files[i].name;
            }
        }
    }
    vv_buf_release(&path);
    vv_buf_release(&bytes);
    return wrong;
}

static bool
summary_reports(const struct verify_summary *s)
{
    return s->objects_damaged > 0 || s->paths_damaged > 0 || s->chunks_missing > 0 || s->forged;
}

/** Does verify report anything?  *ret_wrong: a file that could be read and was wrong. */
static bool
is_reported(struct trial *t, bool open_again, bool must_read, const char **ret_wrong)
{
    struct verify_options o = {.data = true, .threads = 1};
    struct verify_summary summary;
    struct repo *r = t->repo;
    struct snapshot_list fresh = {0};
    const struct snapshot_list *l = &t->list;
    bool reported = false;

    *ret_wrong = NULL;
    t->trials++;
    if (open_again) {
        if (open_quietly(t->storage, &r, &t->err) != VV_OK) {
            return true;
        }
        l = &fresh;
        reported = snapshot_list_read(r, &fresh, &t->err) != VV_OK;
    }
    if (!reported) {
        reported =
            verify_run(r, l, &o, NULL, &summary, &t->err) != VV_OK || summary_reports(&summary);
        if (!reported || t->trials % 64 == 0) { /* now and then also of what was reported */
            *ret_wrong = wrong_file(t, r, l, !reported && must_read);
        }
    }
    t->reported += reported;
    snapshot_list_release(&fresh);
    if (open_again) {
        repo_free(r);
    }
    return reported;
}

static void
say(struct trial *t, const struct object *o, const char *what, size_t at, const char *wrong)
{
    if (t->failure[0] == '\0') {
        (void)snprintf(t->failure, sizeof(t->failure), "%s: %s at %zu of %zu: %s%s", o->name, what,
                       at, o->bytes.len, wrong != NULL ? "wrong content of " : "not reported",
                       wrong != NULL ? wrong : "");
    }
}

/** The storage has been damaged in object ${o}: judge. */
static void
judge(struct trial *t, const struct object *o, const char *what, size_t at, bool harmless)
{
    const char *wrong;
    bool reported = is_reported(t, o->matters_to_open, true, &wrong);

    if (wrong != NULL || (!reported && !harmless)) {
        say(t, o, what, at, wrong);
    }
}

static void
put(struct trial *t, const char *name, struct vv_span bytes)
{
    if (storage_memory_poke(t->storage, name, bytes, &t->err) != VV_OK) {
        (void)snprintf(t->failure, sizeof(t->failure), "poke: %.400s", t->err.message);
    }
}

/* --- every byte ---------------------------------------------------------------------------------- */

/** Give damaged bytes a right trailer and a fitting name. */
static void
recompute(const struct object *o, uint8_t *bytes, size_t len, char name[128])
{
    uint8_t hash[32];

    (void)snprintf(name, 128, "%s", o->name);
    if (!o->is_pack && len > 32) {
        sha256(bytes, len - 32, bytes + len - 32);
    }
    sha256(bytes, len, hash);
    if (o->is_pack) {
        (void)snprintf(name, 128, "packs/%02x/", hash[0]);
        vv_hex(name + 9, hash, 32);
        (void)snprintf(name + 73, 128 - 73, "%s", o->name + 73);
    } else if (o->is_index) {
        vv_hex(name + 6, hash, 32);
    }
}

static void
try_byte(struct trial *t, const struct object *o, uint8_t *bytes, size_t at, uint8_t value,
         const char *what)
{
    size_t len = o->bytes.len;
    char name[128];

    memcpy(bytes, o->bytes.data, len);
    bytes[at] = value;
    put(t, o->name, vv_span(bytes, len));
    judge(t, o, what, at, o->harmless);
    if (!o->is_readme && (o->is_pack || at + 32 < len)) {
        recompute(o, bytes, len, name);
        put(t, o->name, vv_span(NULL, 0));
        put(t, name, vv_span(bytes, len));
        judge(t, o, "with hash and name recomputed", at,
              o->harmless || (o->is_slot && at >= SLOT_NONCE_FROM && at < SLOT_NONCE_TO));
        put(t, name, vv_span(NULL, 0));
    }
    put(t, o->name, vv_buf_span(&o->bytes));
}

static void
try_bytes(void *arg)
{
    struct trial *t = arg;
    const unsigned stride = sweep_stride(SAMPLE_STRIDE);
    size_t at_all = 0;

    for (size_t i = 0; i < object_count; i++) {
        const struct object *o = &objects[i];
        uint8_t *bytes = vv_alloc(o->bytes.len + 1);
        for (size_t at = 0; at < o->bytes.len && t->failure[0] == '\0'; at++, at_all++) {
            uint8_t was = o->bytes.data[at];
            if (o->is_pack && at % PLACE_STRIDE != 0) {
                continue;
            }
            if (at_all % stride != 0 || at_all / stride % WORKERS != t->number) {
                continue;
            }
            try_byte(t, o, bytes, at, was ^ 1, "lowest bit");
            try_byte(t, o, bytes, at, was != 0xff ? 0xff : 0x7f, "other value");
        }
        vv_free(bytes);
    }
}

/* --- damaged copies of packs --------------------------------------------------------------------- */

/** A copy's number is the end of its name. */
static void
hear_copy(struct vv_events *self, const struct vv_event *event)
{
    struct copy_events *h = (struct copy_events *)self;
    uint8_t number[4];

    /* superseded: damaged too, but with the pack itself beside it */
    if ((strcmp(event->name, "pack-damaged") == 0 || strcmp(event->name, "pack-superseded") == 0) &&
        event->path.len > 8 &&
        vv_unhex(number, sizeof(number), (const char *)event->path.data + event->path.len - 8, 8) &&
        vv_load_u32(number) < COPIES) {
        h->named[vv_load_u32(number)] = true;
    }
}

/** Have verify look at all copies, and take them away. */
static void
judge_copies(struct trial *t, struct repo *r, const struct object *o)
{
    struct verify_options options = {.data = true, .threads = 1};
    struct verify_summary summary;

    memset(t->heard.named, 0, sizeof(t->heard.named));
    if (t->copies > 0 && verify_run(r, &t->list, &options, NULL, &summary, &t->err) != VV_OK) {
        (void)snprintf(t->failure, sizeof(t->failure), "verify: %.400s", t->err.message);
    }
    for (unsigned i = 0; i < t->copies; i++) {
        t->trials++;
        t->reported += t->heard.named[i];
        if (!t->heard.named[i]) {
            say(t, o, i % 2 == 0 ? "copy" : "copy with name recomputed", t->places[i], NULL);
        }
        put(t, t->names[i], vv_span(NULL, 0));
    }
    t->copies = 0;
}

/** Two copies: under the pack's own hash, and under the damaged bytes' hash. */
static void
add_copies(struct trial *t, const struct object *o, uint8_t *bytes, size_t at, uint8_t value)
{
    for (unsigned i = 0; i < 2; i++) {
        char *name = t->names[t->copies];
        uint8_t number[4];
        memcpy(bytes, o->bytes.data, o->bytes.len);
        bytes[at] = value;
        if (i == 0) {
            (void)snprintf(name, sizeof(t->names[0]), "%s", o->name);
        } else {
            recompute(o, bytes, o->bytes.len, name);
        }
        vv_store_u32(number, t->copies);
        vv_hex(name + strlen(name) - 8, number, sizeof(number));
        put(t, name, vv_span(bytes, o->bytes.len));
        t->places[t->copies++] = at;
    }
}

static void
try_copies(void *arg)
{
    struct trial *t = arg;
    struct repo *r = NULL;
    const unsigned stride = sweep_stride(SAMPLE_STRIDE);
    size_t at_all = 0;

    t->heard.base.emit = hear_copy;
    if (open_with(t->storage, &t->heard.base, &r, &t->err) != VV_OK) {
        (void)snprintf(t->failure, sizeof(t->failure), "open: %.400s", t->err.message);
    }
    for (size_t i = 0; i < object_count && t->failure[0] == '\0'; i++) {
        const struct object *o = &objects[i];
        uint8_t *bytes = vv_alloc(o->bytes.len + 1);
        for (size_t at = 0; o->is_pack && at < o->bytes.len; at++, at_all++) {
            uint8_t was = o->bytes.data[at];
            if (at_all % stride != 0 || at_all / stride % WORKERS != t->number) {
                continue;
            }
            add_copies(t, o, bytes, at, was ^ 1);
            add_copies(t, o, bytes, at, was != 0xff ? 0xff : 0x7f);
            if (t->copies + 4 > COPIES) {
                judge_copies(t, r, o);
            }
        }
        judge_copies(t, r, o);
        vv_free(bytes);
    }
    repo_free(r);
}

static void
trial_begin(struct trial *t, unsigned number)
{
    memset(t, 0, sizeof(*t));
    t->number = number;
    lw_must(&w, storage_memory_clone(w.storage, &t->storage, &w.err));
    lw_must(&w, open_quietly(t->storage, &t->repo, &w.err));
    lw_must(&w, snapshot_list_read(t->repo, &t->list, &w.err));
}

static void
trial_end(struct trial *t)
{
    snapshot_list_release(&t->list);
    repo_free(t->repo);
    storage_free(t->storage);
    if (t->failure[0] != '\0') {
        fail_msg("%s", t->failure);
    }
}

static void
repository__is_verified_without_complaint_when_whole(void **state)
{
    struct trial t;
    const char *wrong;

    (void)state;
    trial_begin(&t, 0);
    assert_false(is_reported(&t, false, true, &wrong));
    assert_null(wrong);
    assert_false(is_reported(&t, true, true, &wrong));
    assert_null(wrong);
    trial_end(&t);
}

static void
run_trials(void (*fn)(void *))
{
    static struct trial trials[WORKERS];
    uint64_t count = 0;
    uint64_t reported = 0;

    for (unsigned i = 0; i < WORKERS; i++) {
        trial_begin(&trials[i], i);
        lw_must(&w, vv_thread_start(&trials[i].thread, "trial", fn, &trials[i], &w.err));
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        vv_thread_join(&trials[i].thread);
        count += trials[i].trials;
        reported += trials[i].reported;
    }
    print_message("%llu of %llu reported\n", (unsigned long long)reported,
                  (unsigned long long)count);
    for (unsigned i = 0; i < WORKERS; i++) {
        trial_end(&trials[i]);
    }
}

static void
repository__reports_every_damaged_byte_of_packs(void **state)
{
    (void)state;
    run_trials(try_copies);
}

static void
repository__reports_every_damaged_byte(void **state)
{
    (void)state;
    run_trials(try_bytes);
}

/* --- whole objects ------------------------------------------------------------------------------- */

static void
repository__reports_cut_and_deleted_objects(void **state)
{
    struct trial t;

    (void)state;
    trial_begin(&t, 0);
    for (size_t i = 0; i < object_count; i++) {
        const struct object *o = &objects[i];
        size_t lengths[] = {0, 1, 24, o->bytes.len / 2, o->bytes.len - 32, o->bytes.len - 1};
        struct vv_buf longer = {0};
        for (size_t j = 0; j < VV_COUNT(lengths); j++) {
            if (lengths[j] < o->bytes.len) {
                put(&t, o->name, vv_span(o->bytes.data, lengths[j]));
                judge(&t, o, "cut", lengths[j], o->harmless);
            }
        }
        vv_buf_put(&longer, o->bytes.data, o->bytes.len);
        vv_buf_put_u8(&longer, 0);
        put(&t, o->name, vv_buf_span(&longer));
        judge(&t, o, "longer", o->bytes.len, o->harmless);
        vv_buf_release(&longer);
        put(&t, o->name, vv_span(NULL, 0));
        judge(&t, o, "deleted", 0, o->harmless);
        put(&t, o->name, vv_buf_span(&o->bytes));
    }
    trial_end(&t);
}

/** Pairs of objects of one directory under each other's names. */
static void
repository__reports_objects_under_each_others_names(void **state)
{
    struct trial t;
    unsigned pack_pairs = 0;

    (void)state;
    trial_begin(&t, 0);
    for (size_t i = 0; i < object_count; i++) {
        for (size_t j = i + 1; j < object_count; j++) {
            const struct object *a = &objects[i];
            const struct object *b = &objects[j];
            size_t prefix = strcspn(a->name, "/");
            bool twins = a->bytes.len == b->bytes.len &&
                         memcmp(a->bytes.data, b->bytes.data, a->bytes.len) == 0;
            if (strncmp(a->name, b->name, prefix + 1) != 0 || twins) {
                continue;
            }
            pack_pairs += a->is_pack;
            put(&t, a->name, vv_buf_span(&b->bytes));
            put(&t, b->name, vv_buf_span(&a->bytes));
            judge(&t, a, "swapped", j, a->harmless && b->harmless);
            put(&t, a->name, vv_buf_span(&a->bytes));
            put(&t, b->name, vv_buf_span(&b->bytes));
        }
    }
    trial_end(&t);
    assert_true(pack_pairs >= 1);
}

/** Find a pack's directory and swap its first two blocks in ${bytes}. */
static bool
swap_blocks(struct trial *t, const struct object *o, uint8_t *bytes)
{
    struct pack_keys *keys;
    struct pack_reader *reader;
    struct pack_directory d = {0};
    struct pack_header header;
    struct pack_name name;
    bool swapped = false;

    assert_true(pack_name_parse(o->name + 9, strlen(o->name + 9), &name));
    lw_must(t, pack_keys_new(t->repo, &keys, &t->err));
    lw_must(t, pack_reader_new(keys, &reader, &t->err));
    lw_must(t, pack_read_directory(reader, &name, o->bytes.len, &d, &header, &t->err));
    if (d.block_count >= 2) {
        const struct pack_block *a = &d.blocks[0];
        const struct pack_block *b = &d.blocks[1];
        assert_int_equal(a->offset + a->stored_len, b->offset);
        memcpy(bytes, o->bytes.data, o->bytes.len);
        memcpy(bytes + a->offset, o->bytes.data + b->offset, b->stored_len);
        memcpy(bytes + a->offset + b->stored_len, o->bytes.data + a->offset, a->stored_len);
        swapped = true;
    }
    pack_directory_release(&d);
    pack_reader_free(reader);
    pack_keys_free(keys);
    return swapped;
}

static void
repository__reports_swapped_blocks(void **state)
{
    struct trial t;
    unsigned swapped = 0;
    static uint8_t noise[3 << 20];

    (void)state;
    lw_begin(&w);
    lw_noise(noise, sizeof(noise), 5);
    lw_write(&w, "large", noise, sizeof(noise)); /* several blocks */
    lw_backup(&w);
    (void)collect_objects();
    trial_begin(&t, 0);
    for (size_t i = 0; i < object_count; i++) {
        const struct object *o = &objects[i];
        uint8_t *bytes = vv_alloc(o->bytes.len + 1);
        char name[128];
        if (o->is_pack && swap_blocks(&t, o, bytes)) {
            swapped++;
            put(&t, o->name, vv_span(bytes, o->bytes.len));
            judge(&t, o, "blocks swapped", 0, false);
            recompute(o, bytes, o->bytes.len, name);
            put(&t, o->name, vv_span(NULL, 0));
            put(&t, name, vv_span(bytes, o->bytes.len));
            judge(&t, o, "blocks swapped, name recomputed", 0, false);
            put(&t, name, vv_span(NULL, 0));
            put(&t, o->name, vv_buf_span(&o->bytes));
        }
        vv_free(bytes);
    }
    trial_end(&t);
    (void)drop_repository(NULL);
    assert_true(swapped >= 1);
}

static enum vv_rc
first_name(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    char *out = ctx;

    (void)size;
    (void)err;
    (void)snprintf(out, 128, "%s", name);
    return VV_OK;
}

static void
repository__reports_packs_of_another_repository(void **state)
{
    static struct look_world other;
    struct trial t;
    char foreign[128] = "";
    char full[160];
    struct vv_span bytes;
    unsigned shard = 0;

    (void)state;
    lw_begin(&other);
    lw_text(&other, "x", "another repository");
    lw_backup(&other);
    for (; foreign[0] == '\0' && shard < 256; shard++) {
        char directory[16];
        (void)snprintf(directory, sizeof(directory), "packs/%02x", shard);
        lw_must(&other, storage_list(other.storage, directory, first_name, foreign, &other.err));
        (void)snprintf(full, sizeof(full), "%s/%s", directory, foreign);
    }
    assert_true(storage_memory_peek(other.storage, full, &bytes));
    trial_begin(&t, 0);
    for (size_t i = 0; i < object_count; i++) {
        const struct object *o = &objects[i];
        char name[128];
        uint8_t *copy;
        if (!o->is_pack) {
            continue;
        }
        put(&t, o->name, bytes);
        judge(&t, o, "foreign pack", 0, false);
        copy = vv_memdup(bytes.data, bytes.len);
        recompute(o, copy, bytes.len, name);
        vv_free(copy);
        put(&t, o->name, vv_span(NULL, 0));
        put(&t, name, bytes);
        judge(&t, o, "foreign pack instead, under its own hash", 0, false);
        put(&t, o->name, vv_buf_span(&o->bytes));
        judge(&t, o, "foreign pack beside it", 0, false);
        put(&t, name, vv_span(NULL, 0));
    }
    trial_end(&t);
    lw_end(&other);
}

#define larger(test) cmocka_unit_test_setup_teardown(test, make_larger, drop_repository)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        larger(repository__is_verified_without_complaint_when_whole),
        larger(repository__reports_cut_and_deleted_objects),
        larger(repository__reports_objects_under_each_others_names),
        cmocka_unit_test(repository__reports_swapped_blocks),
        larger(repository__reports_packs_of_another_repository),
        cmocka_unit_test_setup_teardown(repository__reports_every_damaged_byte_of_packs, make_small,
                                        drop_repository),
        cmocka_unit_test_setup_teardown(repository__reports_every_damaged_byte, make_small,
                                        drop_repository),
    };

    (void)setenv("TMPDIR", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
