/* SPDX-License-Identifier: BSD-2-Clause */

#include "helper_restore.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "remove_tree.h"
#include "repo/tree.h"
#include "scratch_directory.h"

#define must(g, call)                                                                              \
    do {                                                                                           \
        enum vv_rc must_rc_ = (call);                                                              \
        if (must_rc_ != VV_OK) {                                                                   \
            fail_msg("%s: %s", #call, (g)->err.message);                                           \
        }                                                                                          \
    } while (0)

static void
record(struct vv_events *self, const struct vv_event *event)
{
    struct rig *g = (struct rig *)(void *)self;
    struct rig_event *e;

    if (g->seen_count == g->seen_room) {
        g->seen_room = g->seen_room * 2 + 64;
        g->seen = realloc(g->seen, g->seen_room * sizeof(*g->seen));
        if (g->seen == NULL) {
            abort();
        }
    }
    e = &g->seen[g->seen_count++];
    e->kind = event->kind;
    (void)snprintf(e->name, sizeof(e->name), "%s", event->name);
    (void)snprintf(e->path, sizeof(e->path), "%.*s", (int)event->path.len,
                   event->path.len > 0 ? (const char *)event->path.data : "");
    (void)snprintf(e->text, sizeof(e->text), "%s", event->text);
    if (g->on_event != NULL) {
        g->on_event(g, event);
    }
}

static const struct slot_secret secret = {
    .type = KEY_SLOT_KEY_FILE,
    .secret = {(const uint8_t *)"0123456789abcdef0123456789abcdef", 32},
};

static struct repo_options
repo_options(struct rig *g)
{
    static char state[80];

    (void)snprintf(state, sizeof(state), "%s/state", g->top);
    return (struct repo_options){
        .state_dir = state, .events = &g->events, .cancel = &g->cancel, .replicas = g->replicas};
}

void
rig_begin(struct rig *g)
{
    struct repo_init_options init = {.secret = &secret, .label = "test"};
    struct repo_options options;

    memset(g, 0, sizeof(*g));
    g->events.emit = record;
    scratch_directory_make(g->top, sizeof(g->top));
    (void)snprintf(g->source, sizeof(g->source), "%s/source", g->top);
    (void)snprintf(g->target, sizeof(g->target), "%s/target", g->top);
    assert_int_equal(mkdir(g->source, 0755), 0);
    must(g, storage_memory_new(&g->storage, &g->err));
    options = repo_options(g);
    must(g, repo_init(g->storage, &init, &options, &g->repo, &g->err));
}

void
rig_end(struct rig *g)
{
    snapshot_list_release(&g->list);
    repo_free(g->repo);
    storage_free(g->storage);
    free(g->seen);
    remove_tree(g->top);
}

void
rig_reopen(struct rig *g)
{
    struct repo_options options = repo_options(g);

    snapshot_list_release(&g->list);
    memset(&g->list, 0, sizeof(g->list));
    repo_free(g->repo);
    g->repo = NULL;
    must(g, repo_open(g->storage, &secret, &options, &g->repo, &g->err));
    must(g, snapshot_list_read(g->repo, &g->list, &g->err));
}

void
rig_path(const struct rig *g, const char *name, char out[512])
{
    (void)snprintf(out, 512, "%s/%s", g->top, name);
}

void
rig_directory(const struct rig *g, const char *name)
{
    char path[512];

    rig_path(g, name, path);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void
write_file(const struct rig *g, const char *name, const void *data, size_t len, int flags)
{
    char path[512];
    int fd;

    rig_path(g, name, path);
    fd = open(path, O_WRONLY | O_CREAT | flags, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    assert_int_equal(close(fd), 0);
}

void
rig_text(const struct rig *g, const char *name, const char *text)
{
    write_file(g, name, text, strlen(text), O_TRUNC);
}

void
rig_append(const struct rig *g, const char *name, const void *data, size_t len)
{
    write_file(g, name, data, len, O_APPEND);
}

void
rig_bytes(uint8_t *out, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (uint8_t)(seed >> 56);
    }
}

void
rig_noise(const struct rig *g, const char *name, size_t len, uint64_t seed)
{
    uint8_t *bytes = malloc(len + 1);

    assert_non_null(bytes);
    rig_bytes(bytes, len, seed);
    write_file(g, name, bytes, len, O_TRUNC);
    free(bytes);
}

bool
rig_exists(const struct rig *g, const char *name)
{
    char path[512];
    struct stat st;

    rig_path(g, name, path);
    return lstat(path, &st) == 0;
}

struct stat
rig_stat(const struct rig *g, const char *name)
{
    char path[512];
    struct stat st = {0};

    rig_path(g, name, path);
    assert_int_equal(lstat(path, &st), 0);
    return st;
}

static char *
slurp(const char *path, size_t *len)
{
    struct stat st;
    char *data;
    int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    data = calloc(1, (size_t)st.st_size + 1);
    assert_non_null(data);
    assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
    (void)close(fd);
    *len = (size_t)st.st_size;
    return data;
}

void
rig_assert_text(const struct rig *g, const char *name, const char *text)
{
    char path[512];
    size_t len;
    char *data;

    rig_path(g, name, path);
    data = slurp(path, &len);
    assert_string_equal(data, text);
    free(data);
}

static void
assert_same(const char *a, const char *b)
{
    struct stat s;
    struct stat t;

    assert_int_equal(lstat(a, &s), 0);
    if (lstat(b, &t) != 0) {
        fail_msg("%s is missing", b);
    }
    assert_int_equal(s.st_mode, t.st_mode);
    assert_int_equal(s.st_uid, t.st_uid);
    assert_int_equal(s.st_gid, t.st_gid);
    assert_int_equal(s.st_mtim.tv_sec, t.st_mtim.tv_sec);
    assert_int_equal(s.st_mtim.tv_nsec, t.st_mtim.tv_nsec);
    if (S_ISREG(s.st_mode)) {
        size_t n;
        size_t m;
        char *x = slurp(a, &n);
        char *y = slurp(b, &m);
        assert_int_equal(n, m);
        assert_memory_equal(x, y, n);
        free(x);
        free(y);
    } else if (S_ISLNK(s.st_mode)) {
        char x[512] = {0};
        char y[512] = {0};
        assert_true(readlink(a, x, sizeof(x) - 1) > 0);
        assert_true(readlink(b, y, sizeof(y) - 1) > 0);
        assert_string_equal(x, y);
    }
}

static size_t
count_names(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count;
}

static void
compare_directories(const char *a, const char *b)
{
    DIR *dir = opendir(a);
    struct dirent *d;

    assert_non_null(dir);
    assert_int_equal(count_names(a), count_names(b));
    while ((d = readdir(dir)) != NULL) {
        char x[512];
        char y[512];
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) {
            continue;
        }
        assert_true(snprintf(x, sizeof(x), "%s/%s", a, d->d_name) < (int)sizeof(x));
        assert_true(snprintf(y, sizeof(y), "%s/%s", b, d->d_name) < (int)sizeof(y));
        assert_same(x, y);
        if (d->d_type == DT_DIR) {
            compare_directories(x, y);
        }
    }
    (void)closedir(dir);
}

void
rig_assert_same_tree(const struct rig *g, const char *a, const char *b)
{
    char x[512];
    char y[512];

    rig_path(g, a, x);
    rig_path(g, b, y);
    compare_directories(x, y);
}

void
rig_copy_time(const struct rig *g, const char *name, const char *like)
{
    struct stat st = rig_stat(g, like);
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    char path[512];

    rig_path(g, name, path);
    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

void
rig_backup(struct rig *g)
{
    const char *paths[] = {g->source};
    struct backup_options o = {
        .paths = paths, .path_count = 1, .host = "host", .user = "user", .threads = 2, .level = 1};
    struct backup_summary summary = {0};
    struct vv_progress progress = {0};

    must(g, backup_run(g->repo, &o, &progress, &summary, &g->err));
    assert_false(summary.problems);
    rig_reopen(g);
}

const struct snapshot *
rig_newest(const struct rig *g)
{
    assert_true(g->list.count > 0);
    return &g->list.snapshots[g->list.count - 1];
}

struct restore_options
rig_options(const struct rig *g)
{
    return (struct restore_options){.path = vv_span(g->source, strlen(g->source)),
                                    .path_given = true,
                                    .target = g->target,
                                    .verify = true,
                                    .threads = 2};
}

enum vv_rc
rig_restore(struct rig *g, const struct restore_options *o)
{
    struct vv_progress progress = {0};

    g->seen_count = 0;
    g->hook_calls = 0;
    vv_error_clear(&g->err);
    return restore_run(g->repo, rig_newest(g), o, &progress, &g->summary, &g->err);
}

const struct rig_event *
rig_find(const struct rig *g, const char *name, const char *path)
{
    for (size_t i = 0; i < g->seen_count; i++) {
        const struct rig_event *e = &g->seen[i];
        size_t len = strlen(e->path);
        if (strcmp(e->name, name) == 0 &&
            (path == NULL ||
             (len >= strlen(path) && strcmp(e->path + len - strlen(path), path) == 0))) {
            return e;
        }
    }
    return NULL;
}

size_t
rig_count(const struct rig *g, const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < g->seen_count; i++) {
        count += strcmp(g->seen[i].name, name) == 0 ? 1 : 0;
    }
    return count;
}

static enum vv_rc
first_chunk(void *ctx, const struct chunk_ref *chunk, uint64_t offset, struct vv_error *err)
{
    (void)err;
    if (offset == 0) {
        *(struct chunk_ref *)ctx = *chunk;
    }
    return VV_OK;
}

struct chunk_location
rig_locate(struct rig *g, const char *name)
{
    struct chunk_index *index = NULL;
    struct chunk_reader *reader = NULL;
    struct vv_arena arena = {0};
    struct chunk_location loc;
    struct chunk_ref chunk = {0};
    struct entry e;
    char path[512];

    rig_path(g, name, path);
    must(g, chunk_index_open(g->repo, &index, &g->err));
    must(g, chunk_reader_new(g->repo, index, 1 << 20, &reader, &g->err));
    must(g, tree_find(reader, &rig_newest(g)->body.root, vv_span(path + 1, strlen(path) - 1),
                      &arena, &e, &g->err));
    must(g, stream_each_chunk(reader, &e.content, first_chunk, NULL, &chunk, &g->err));
    must(g, chunk_index_find(index, CHUNK_DATA, &chunk.id, 0, &loc, &g->err));
    vv_arena_release(&arena);
    chunk_reader_free(reader);
    chunk_index_free(index);
    return loc;
}

void
rig_flip(struct rig *g, const char *object, size_t offset)
{
    struct vv_span bytes;
    uint8_t *copy;

    assert_true(storage_memory_peek(g->storage, object, &bytes));
    assert_true(offset < bytes.len);
    copy = malloc(bytes.len);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.len);
    copy[offset] ^= 0x10;
    must(g, storage_memory_poke(g->storage, object, vv_span(copy, bytes.len), &g->err));
    free(copy);
}
