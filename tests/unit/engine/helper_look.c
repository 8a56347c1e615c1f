/* SPDX-License-Identifier: BSD-2-Clause */
/* A repository in memory with a source directory. */
#include "helper_look.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "remove_tree.h"

static const uint8_t secret_bytes[] = "0123456789abcdef0123456789abcdef";

static void
hear(struct vv_events *self, const struct vv_event *event)
{
    struct heard_events *h = (struct heard_events *)self;

    h->problems += event->kind == VV_EVENT_PROBLEM;
    vv_buf_printf(&h->lines, "%s|", event->name);
    vv_buf_put(&h->lines, event->path.data, event->path.len);
    vv_buf_printf(&h->lines, "|%s\n", event->text);
}

void
lw_begin(struct look_world *w)
{
    struct slot_secret secret = {KEY_SLOT_KEY_FILE, vv_span(secret_bytes, 32)};
    struct repo_init_options init = {.secret = &secret, .label = "test"};
    struct repo_options options = {.clock = &w->clock.base, .events = &w->events.base};
    char path[128];

    memset(w, 0, sizeof(*w));
    (void)snprintf(w->base, sizeof(w->base), "%s/varve-look-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(w->base));
    (void)snprintf(path, sizeof(path), "%s/src", w->base);
    assert_int_equal(mkdir(path, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/state", w->base);
    vv_clock_manual_init(&w->clock, INT64_C(1790000000) * 1000000000);
    w->events.base.emit = hear;
    options.state_dir = path;
    lw_must(w, storage_memory_new(&w->storage, &w->err));
    lw_must(w, repo_init(w->storage, &init, &options, &w->repo, &w->err));
}

enum vv_rc
lw_open(struct look_world *w, struct storage *st, bool with_state, struct repo **ret)
{
    struct slot_secret secret = {KEY_SLOT_KEY_FILE, vv_span(secret_bytes, 32)};
    struct repo_options options = {.clock = &w->clock.base, .events = &w->events.base};
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/state", w->base);
    options.state_dir = with_state ? path : NULL;
    return repo_open(st, &secret, &options, ret, &w->err);
}

void
lw_end(struct look_world *w)
{
    snapshot_list_release(&w->list);
    repo_free(w->repo);
    storage_free(w->storage);
    vv_buf_release(&w->events.lines);
    remove_tree(w->base);
}

void
lw_write(struct look_world *w, const char *path, const void *bytes, size_t len)
{
    char full[512];
    int fd;

    (void)snprintf(full, sizeof(full), "%s/src/%s", w->base, path);
    for (char *slash = full + strlen(w->base) + 5; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        (void)mkdir(full, 0755);
        *slash = '/';
    }
    fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    lw_must(w, vv_fd_write_full(fd, bytes, len, full, &w->err));
    assert_int_equal(close(fd), 0);
}

void
lw_text(struct look_world *w, const char *path, const char *text)
{
    lw_write(w, path, text, strlen(text));
}

void
lw_remove(struct look_world *w, const char *path)
{
    char full[512];

    (void)snprintf(full, sizeof(full), "%s/src/%s", w->base, path);
    assert_int_equal(remove(full), 0);
}

struct vv_span
lw_path(struct look_world *w, const char *path, struct vv_buf *out)
{
    vv_buf_reset(out);
    vv_buf_printf(out, "%s/src%s%s", w->base + 1, path[0] != '\0' ? "/" : "", path);
    return vv_buf_span(out);
}

void
lw_read_list(struct look_world *w)
{
    snapshot_list_release(&w->list);
    lw_must(w, snapshot_list_read(w->repo, &w->list, &w->err));
}

void
lw_backup(struct look_world *w)
{
    char path[128];
    const char *paths[] = {path};
    struct backup_options o = {
        .paths = paths, .path_count = 1, .host = "shop", .user = "root", .threads = 1, .level = 3};
    struct vv_progress progress = {.current_busy = ATOMIC_FLAG_INIT};
    struct backup_summary summary;

    (void)snprintf(path, sizeof(path), "%s/src", w->base);
    lw_must(w, backup_run(w->repo, &o, &progress, &summary, &w->err));
    assert_true(summary.committed);
    vv_clock_manual_advance(&w->clock, UINT64_C(3600) * 1000000000);
    lw_read_list(w);
}

void
lw_clear_events(struct look_world *w)
{
    vv_buf_reset(&w->events.lines);
    w->events.problems = 0;
}

bool
lw_heard(struct look_world *w, const char *text)
{
    return strstr(vv_buf_text(&w->events.lines), text) != NULL;
}

void
lw_noise(uint8_t *out, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (uint8_t)(seed >> 56);
    }
}
