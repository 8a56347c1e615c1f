/* SPDX-License-Identifier: BSD-2-Clause */
/* Source directories: files out of a small set of contents, so that snapshots share and lose chunks. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/alloc.h"
#include "simulation/world.h"
#include "unit/remove_tree.h"

#define LENGTH_MAX 120000u

static void
noise(struct content c, uint8_t *out)
{
    uint64_t seed = c.number * UINT64_C(0x9e3779b97f4a7c15) + 1;

    for (unsigned i = 0; i < c.length; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (uint8_t)(seed >> 56);
    }
}

static void
write_content(struct world *w, const char *path, struct content c, uint64_t age_ns)
{
    int64_t then = fibers_realtime() - (int64_t)age_ns;
    struct timespec times[2] = {{.tv_sec = then / 1000000000, .tv_nsec = then % 1000000000}};
    uint8_t *bytes = vv_alloc(LENGTH_MAX);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    times[1] = times[0];
    if (bytes == NULL || fd < 0) {
        abort();
    }
    noise(c, bytes);
    if (write(fd, bytes, c.length) != (ssize_t)c.length || futimens(fd, times) != 0) {
        world_fail(w, "cannot write %s", path);
    }
    (void)close(fd);
    vv_free(bytes);
}

static void
set_file(struct world *w, unsigned host, unsigned i, unsigned content, uint64_t age_ns)
{
    struct host *h = &w->hosts[host];
    struct timespec times[2] = {{.tv_sec = 1500000000}, {.tv_sec = 1500000000}};
    struct content c = {.number = content,
                        .length = content == 0 ? 0 : 500 + content * content * 1100};
    char path[160];

    (void)snprintf(path, sizeof(path), "%s/file%u", h->source, i);
    if (content == 0) {
        (void)unlink(path);
    } else {
        write_content(w, path, c, age_ns);
    }
    h->files[i] = c;
    (void)utimensat(AT_FDCWD, h->source, times, 0);
}

void
source_change(struct world *w, unsigned host)
{
    if (w->hosts[host].writers > 0 || fibers_chance(1, 3)) {
        return;
    }
    for (unsigned i = 0; i < FILES; i++) {
        if (fibers_chance(1, 2)) {
            /* sometimes too fresh for the next backup to trust its times */
            set_file(w, host, i, (unsigned)fibers_below(CONTENTS),
                     fibers_chance(1, 4) ? 0 : UINT64_C(3600000000000));
        }
    }
}

void
source_set(struct world *w, unsigned host, struct content files[FILES])
{
    for (unsigned i = 0; i < FILES; i++) {
        if (files[i].number != w->hosts[host].files[i].number) {
            set_file(w, host, i, files[i].number, UINT64_C(3600000000000));
        }
    }
}

bool
source_matches(const char *directory, const struct content *files, char ret_what[256])
{
    uint8_t *expected = vv_alloc(LENGTH_MAX);
    uint8_t *found = vv_alloc(LENGTH_MAX);
    bool good = true;

    if (expected == NULL || found == NULL) {
        abort();
    }
    for (unsigned i = 0; i < FILES && good; i++) {
        char path[256];
        ssize_t len = -1;
        (void)snprintf(path, sizeof(path), "%s/file%u", directory, i);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            len = read(fd, found, LENGTH_MAX);
            (void)close(fd);
        }
        noise(files[i], expected);
        good = files[i].number == 0
                   ? fd < 0
                   : len == (ssize_t)files[i].length && memcmp(expected, found, (size_t)len) == 0;
        if (!good) {
            (void)snprintf(ret_what, 256, "file%u: %zd bytes, should be %u of content %u", i, len,
                           files[i].length, files[i].number);
        }
    }
    vv_free(expected);
    vv_free(found);
    return good;
}

void
source_remove(const char *directory)
{
    remove_tree(directory);
}
