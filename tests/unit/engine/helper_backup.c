/* SPDX-License-Identifier: BSD-2-Clause */
/* A world for tests of the backup engine. */
#include "engine/helper_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "remove_tree.h"
#include "repo/key_roles.h"

/* --- what the engine learns from the kernel --------------------------------------------------- */

int64_t bw_coarse_shift;
bool bw_hide_ctime;
bw_read_fn *bw_on_read;
const char *bw_read_name;
struct backup_world *bw_read_world;

/* These take the place of the C library's for the whole program. */
int bent_clock_gettime(clockid_t clock, struct timespec *ret) __asm__("clock_gettime");
ssize_t bent_pread(int fd, void *buf, size_t len, off_t offset) __asm__("pread64");
int bent_fstat(int fd, struct stat *ret) __asm__("fstat64");
int bent_statx(int dir, const char *name, int flags, unsigned mask,
               struct statx *ret) __asm__("statx");

int
bent_clock_gettime(clockid_t clock, struct timespec *ret)
{
    int result = (int)syscall(SYS_clock_gettime, clock, ret);

    if (result == 0 && clock == CLOCK_REALTIME_COARSE) {
        ret->tv_sec += bw_coarse_shift;
    }
    return result;
}

ssize_t
bent_pread(int fd, void *buf, size_t len, off_t offset)
{
    char link[64];
    char name[4096];
    ssize_t got;

    if (bw_on_read != NULL) {
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        got = readlink(link, name, sizeof(name) - 1);
        if (got > 0) {
            size_t suffix = strlen(bw_read_name);
            if ((size_t)got >= suffix &&
                memcmp(name + (size_t)got - suffix, bw_read_name, suffix) == 0) {
                bw_on_read(bw_read_world);
            }
        }
    }
    return (ssize_t)syscall(SYS_pread64, fd, buf, len, offset);
}

int
bent_fstat(int fd, struct stat *ret)
{
    int result = fstatat(fd, "", ret, AT_EMPTY_PATH);

    if (result == 0 && bw_hide_ctime) {
        ret->st_ctim = (struct timespec){.tv_sec = 1000000000};
    }
    return result;
}

int
bent_statx(int dir, const char *name, int flags, unsigned mask, struct statx *ret)
{
    int result = (int)syscall(SYS_statx, dir, name, flags, mask, ret);

    if (result == 0 && bw_hide_ctime) {
        ret->stx_ctime = (struct statx_timestamp){.tv_sec = 1000000000};
    }
    return result;
}

/* --- the world -------------------------------------------------------------------------------- */

static void
hear(struct vv_events *self, const struct vv_event *event)
{
    struct backup_ear *ear = (struct backup_ear *)(void *)self;
    size_t skip = event->path.len > ear->prefix ? ear->prefix : 0;

    vv_buf_printf(&ear->lines, "%s|", event->name);
    if (event->path.len > 0) {
        vv_buf_put(&ear->lines, event->path.data + skip, event->path.len - skip);
    }
    vv_buf_put(&ear->lines, "\n", 1);
}

static enum fault_verdict
judge(void *ctx, enum storage_op op, const char *name)
{
    struct backup_world *w = ctx;

    return w->hook == NULL ? FAULT_PASS : w->hook(w->hook_ctx, op, name);
}

static struct slot_secret
secret(void)
{
    return (struct slot_secret){.type = KEY_SLOT_KEY_FILE,
                                .secret = vv_span("0123456789abcdef0123456789abcdef", 32)};
}

static struct slot_secret
writer_secret(void)
{
    return (struct slot_secret){.type = KEY_SLOT_KEY_FILE,
                                .secret = vv_span("a writer's key, 32 bytes of it..", 32)};
}

void
bw_add_writer(struct backup_world *w)
{
    struct slot_secret key = writer_secret();
    struct vv_span config;
    struct key_bundle bundle;

    assert_true(storage_memory_peek(w->memory, "config", &config));
    bw_must(w, key_client_issue(w->repo, KEY_ROLE_WRITER, "writer", &bundle, &w->err));
    bw_must(w, key_slots_add(w->memory, &key, "writer", NULL, &bundle, config, 1, NULL, &w->err));
}

void
bw_begin(struct backup_world *w, const struct repo_init_options *init)
{
    struct slot_secret key = secret();
    struct repo_init_options own = {0};
    char home[80];

    memset(w, 0, sizeof(*w));
    bw_coarse_shift = 3600;
    bw_hide_ctime = false;
    bw_on_read = NULL;
    bw_read_world = w;
    w->ear.base.emit = hear;
    (void)snprintf(w->base, sizeof(w->base), "/var/tmp/varve-backup-XXXXXX");
    assert_non_null(mkdtemp(w->base));
    (void)snprintf(w->source, sizeof(w->source), "%s/src", w->base);
    w->ear.prefix = strlen(w->source); /* paths in the tree: no slash in front, one behind */
    assert_int_equal(mkdir(w->source, 0755), 0);
    (void)snprintf(home, sizeof(home), "%s/home", w->base);
    assert_int_equal(mkdir(home, 0755), 0);
    w->paths[0] = w->source;
    w->options = (struct backup_options){.paths = w->paths,
                                         .path_count = 1,
                                         .host = "shop",
                                         .user = "root",
                                         .threads = 2,
                                         .level = 1};
    bw_must(w, storage_memory_new(&w->memory, &w->err));
    if (init != NULL) {
        own = *init;
    }
    own.secret = &key;
    own.label = "test";
    bw_must(w, repo_init(w->memory, &own, &(struct repo_options){0}, &w->repo, &w->err));
    bw_reopen(w);
}

void
bw_reopen(struct backup_world *w)
{
    struct slot_secret key = w->writer ? writer_secret() : secret();
    char state[128];
    char cache[128];
    struct repo_options o = {.state_dir = state, .cache_dir = cache, .events = &w->ear.base};

    (void)snprintf(state, sizeof(state), "%s/home/state", w->base);
    (void)snprintf(cache, sizeof(cache), "%s/home/cache", w->base);
    repo_free(w->repo);
    w->repo = NULL;
    storage_free(w->fault);
    w->fault = NULL;
    bw_must(w, storage_fault_new(w->memory, judge, w, &w->fault, &w->err));
    bw_must(w, repo_open(w->fault, &key, &o, &w->repo, &w->err));
}

void
bw_end(struct backup_world *w)
{
    bw_on_read = NULL;
    bw_hide_ctime = false;
    bw_coarse_shift = 0;
    repo_free(w->repo);
    storage_free(w->fault);
    storage_free(w->memory);
    vv_buf_release(&w->ear.lines);
    remove_tree(w->base);
}

enum vv_rc
bw_run(struct backup_world *w)
{
    struct vv_progress progress = {.current_busy = ATOMIC_FLAG_INIT};

    vv_buf_reset(&w->ear.lines);
    memset(&w->err, 0, sizeof(w->err));
    return backup_run(w->repo, &w->options, &progress, &w->summary, &w->err);
}

void
bw_backup(struct backup_world *w)
{
    bw_must(w, bw_run(w));
    assert_int_equal(w->summary.committed, !w->options.dry_run);
}

bool
bw_heard(struct backup_world *w, const char *line)
{
    struct vv_buf wanted = {0};
    bool heard;

    vv_buf_printf(&wanted, "%s\n", line);
    heard = strstr(vv_buf_text(&w->ear.lines), vv_buf_text(&wanted)) != NULL;
    vv_buf_release(&wanted);
    return heard;
}

size_t
bw_heard_count(struct backup_world *w, const char *event)
{
    size_t len = strlen(event);
    size_t count = 0;

    for (const char *at = vv_buf_text(&w->ear.lines); *at != '\0'; at = strchr(at, '\n') + 1) {
        count += strncmp(at, event, len) == 0 && at[len] == '|';
    }
    return count;
}

uint64_t
bw_outside(void)
{
    static const char *const above[] = {"/", "/var", "/var/tmp"};
    uint64_t sum = 0;

    for (size_t i = 0; i < VV_COUNT(above); i++) {
        struct statx x;
        assert_int_equal(statx(AT_FDCWD, above[i], 0, STATX_BASIC_STATS, &x), 0);
        sum = sum * 31 + (uint64_t)x.stx_ctime.tv_sec * 1000000000u + x.stx_ctime.tv_nsec;
    }
    return sum;
}

/* --- the source ------------------------------------------------------------------------------- */

const char *
bw_path(struct backup_world *w, const char *path)
{
    static char out[4096];

    (void)snprintf(out, sizeof(out), "%s/%s", w->source, path);
    return out;
}

static void
write_file(const char *path, int flags, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(close(fd), 0);
}

void
bw_file(struct backup_world *w, const char *path, size_t len, uint64_t seed)
{
    uint8_t *bytes = vv_alloc(len + 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (uint8_t)(seed >> 56);
    }
    write_file(bw_path(w, path), O_TRUNC, bytes, len);
    vv_free(bytes);
}

void
bw_text(struct backup_world *w, const char *path, const char *text, bool append)
{
    write_file(bw_path(w, path), append ? O_APPEND : O_TRUNC, text, strlen(text));
}

/* --- the repository --------------------------------------------------------------------------- */

size_t
bw_snapshots(struct backup_world *w, struct tree_root *ret_root)
{
    struct snapshot_list list = {0};
    size_t count;

    bw_must(w, snapshot_list_read(w->repo, &list, &w->err));
    count = list.count;
    if (count > 0 && ret_root != NULL) {
        *ret_root = list.snapshots[count - 1].body.root;
    }
    snapshot_list_release(&list);
    return count;
}

/** The tools for reading the newest snapshot. */
struct reading {
    struct chunk_index *index;
    struct chunk_reader *reader;
    struct tree_root root;
};

static void
reading_begin(struct backup_world *w, struct reading *g)
{
    memset(g, 0, sizeof(*g));
    assert_true(bw_snapshots(w, &g->root) > 0);
    bw_must(w, chunk_index_open(w->repo, &g->index, &w->err));
    bw_must(w, chunk_reader_new(w->repo, g->index, 8u << 20, &g->reader, &w->err));
}

static void
reading_end(struct reading *g)
{
    chunk_reader_free(g->reader);
    chunk_index_free(g->index);
}

enum vv_rc
bw_entry(struct backup_world *w, const char *path, struct vv_arena *arena, struct entry *ret)
{
    struct reading g;
    char full[4096];
    enum vv_rc rc;

    (void)snprintf(full, sizeof(full), "%s/%s", w->source + 1, path);
    reading_begin(w, &g);
    rc = tree_find(g.reader, &g.root, vv_span(full, strlen(full)), arena, ret, &w->err);
    reading_end(&g);
    return rc;
}

void
bw_content(struct backup_world *w, const char *path, struct vv_buf *out)
{
    struct reading g;
    struct vv_arena arena = {0};
    struct entry e = {0};

    bw_must(w, bw_entry(w, path, &arena, &e));
    assert_int_equal(e.type, ENTRY_FILE);
    reading_begin(w, &g);
    if (e.flags & ENTRY_HAS_CONTENT) {
        bw_must(w, stream_read_all(g.reader, &e.content, 64u << 20, out, &w->err));
    }
    reading_end(&g);
    vv_arena_release(&arena);
}

void
bw_assert_content(struct backup_world *w, const char *path)
{
    struct vv_buf stored = {0};
    struct stat st;
    int fd = open(bw_path(w, path), O_RDONLY | O_CLOEXEC);
    uint8_t *now;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    now = vv_alloc((size_t)st.st_size + 1);
    assert_non_null(now);
    assert_int_equal(read(fd, now, (size_t)st.st_size), st.st_size);
    (void)close(fd);
    bw_content(w, path, &stored);
    assert_int_equal(stored.len, st.st_size);
    if (stored.len > 0) {
        assert_memory_equal(stored.data, now, stored.len);
    }
    vv_free(now);
    vv_buf_release(&stored);
}

struct pack_names {
    struct pack_name *names;
    uint32_t room;
    uint32_t count;
};

static enum vv_rc
note_pack(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct pack_names *p = ctx;

    (void)size;
    (void)err;
    assert_true(p->count < p->room);
    assert_true(pack_name_parse(name, strlen(name), &p->names[p->count++]));
    return VV_OK;
}

uint32_t
bw_packs(struct backup_world *w, struct pack_name *ret, uint32_t room)
{
    struct pack_names p = {ret, room, 0};

    for (unsigned shard = 0; shard < 256; shard++) {
        char directory[16];
        (void)snprintf(directory, sizeof(directory), "packs/%02x", shard);
        bw_must(w, storage_list(w->memory, directory, note_pack, &p, &w->err));
    }
    return p.count;
}

static enum vv_rc
count_object(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    (void)name;
    (void)size;
    (void)err;
    (*(size_t *)ctx)++;
    return VV_OK;
}

size_t
bw_objects(struct backup_world *w)
{
    static const char *const directories[] = {"",          "keys",      "admin", "sessions",
                                              "snapshots", "condemned", "index", "tmp"};
    size_t count = 0;

    for (size_t i = 0; i < VV_COUNT(directories); i++) {
        bw_must(w, storage_list(w->memory, directories[i], count_object, &count, &w->err));
    }
    for (unsigned shard = 0; shard < 2 * 256; shard++) {
        char directory[16];
        (void)snprintf(directory, sizeof(directory), "%s/%02x", shard < 256 ? "packs" : "parity",
                       shard % 256);
        bw_must(w, storage_list(w->memory, directory, count_object, &count, &w->err));
    }
    return count;
}
