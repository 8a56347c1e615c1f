/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_storage URL COUNT KIB THREADS [NAME=VALUE...]: MiB/s of publishing COUNT objects of KIB KiB
 * in packs/ of a new repository directory at URL, durably, and of reading them back and comparing.
 * Each way begins with connecting, which is part of the time; making the directories is not.
 *
 *     transport=auto|libssh2|ssh  identity=FILE  known-hosts=FILE  channels=N (at most; 0: as driver)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/random.h"
#include "ssh/ssh_connect.h"
#include "storage/storage.h"

enum { THREADS_MOST = 64, NAME_LEN = 96 };

static const char *url;
static size_t count;
static size_t size;
static unsigned threads;
static uint8_t *data; /* every object is a different stretch of it */
static char (*names)[NAME_LEN];
static struct ssh_options ssh;
static struct storage_options options = {.ssh = &ssh};

static struct storage *storage;
static _Atomic size_t next_object;

static void
must(enum vv_rc rc, const struct vv_error *err)
{
    if (rc != VV_OK) {
        fprintf(stderr, "bench_storage: %s\n", err->message);
        exit(1);
    }
}

static const uint8_t *
object(size_t i)
{
    return data + i % 4096;
}

static void
up(void *arg)
{
    struct vv_error err = {0};
    size_t i;

    (void)arg;
    while ((i = atomic_fetch_add(&next_object, 1)) < count) {
        must(storage_publish(storage, names[i], vv_span(object(i), size), &err), &err);
    }
}

static void
down(void *arg)
{
    struct vv_buf out = {0};
    struct vv_error err = {0};
    size_t i;

    (void)arg;
    while ((i = atomic_fetch_add(&next_object, 1)) < count) {
        vv_buf_reset(&out);
        must(storage_read_all(storage, names[i], size, &out, &err), &err);
        if (out.len != size || memcmp(out.data, object(i), size) != 0) {
            fprintf(stderr, "bench_storage: '%s' came back changed\n", names[i]);
            exit(1);
        }
    }
    vv_buf_release(&out);
}

static double
move(void (*fn)(void *))
{
    static struct vv_thread thread[THREADS_MOST];
    const struct vv_clock *clock = vv_clock_system();
    struct vv_error err = {0};
    uint64_t start = clock->monotonic(clock);

    must(storage_open(url, &options, &storage, &err), &err);
    next_object = 0;
    for (unsigned i = 0; i < threads; i++) {
        must(vv_thread_start(&thread[i], "bench", fn, NULL, &err), &err);
    }
    for (unsigned i = 0; i < threads; i++) {
        vv_thread_join(&thread[i]);
    }
    double took = (double)(clock->monotonic(clock) - start) * 1e-9;
    storage_free(storage);
    return (double)count * (double)size / 1048576.0 / took;
}

static void
draw_names(void)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t random[16];
        char hex[33];
        vv_random(random, sizeof(random));
        vv_hex(hex, random, sizeof(random));
        snprintf(names[i], NAME_LEN, "packs/%.2s/%s", hex, hex);
    }
}

static void
set_option(const char *word)
{
    const char *value = strchr(word, '=');

    value = value != NULL ? value + 1 : "";
    if (strncmp(word, "transport=", 10) == 0) {
        ssh.transport = strcmp(value, "ssh") == 0       ? SSH_COMMAND
                        : strcmp(value, "libssh2") == 0 ? SSH_LIBSSH2
                                                        : SSH_AUTO;
    } else if (strncmp(word, "identity=", 9) == 0) {
        ssh.identity = value;
    } else if (strncmp(word, "known-hosts=", 12) == 0) {
        ssh.known_hosts = value;
    } else if (strncmp(word, "channels=", 9) == 0) {
        options.channels = (unsigned)strtoul(value, NULL, 10);
    } else {
        fprintf(stderr, "bench_storage: what is '%s'?\n", word);
        exit(2);
    }
}

int
main(int argc, char **argv)
{
    struct vv_error err = {0};

    if (argc < 5) {
        fprintf(stderr, "usage: bench_storage URL COUNT KIB THREADS [NAME=VALUE...]\n");
        return 2;
    }
    url = argv[1];
    count = strtoul(argv[2], NULL, 10);
    size = strtoul(argv[3], NULL, 10) << 10;
    threads = (unsigned)strtoul(argv[4], NULL, 10);
    threads = threads < 1 ? 1 : threads > THREADS_MOST ? THREADS_MOST : threads;
    for (int i = 5; i < argc; i++) {
        set_option(argv[i]);
    }
    data = vv_alloc(size + 4096);
    names = vv_alloc_array(count, sizeof(*names));
    if (data == NULL || names == NULL || count == 0) {
        fprintf(stderr, "bench_storage: no memory\n");
        return 1;
    }
    for (size_t at = 0; at < size + 4096; at += 4096) {
        vv_random(data + at, size + 4096 - at < 4096 ? size + 4096 - at : 4096);
    }
    draw_names();
    must(storage_open(url, &options, &storage, &err), &err);
    must(storage_make_layout(storage, &err), &err);
    storage_free(storage);
    double upwards = move(up);
    double downwards = move(down);
    printf("up %.1f MiB/s  down %.1f MiB/s\n", upwards, downwards);
    vv_free(names);
    vv_free(data);
    return 0;
}
