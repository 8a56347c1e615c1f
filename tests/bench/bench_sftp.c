/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_sftp MIB THREADS LOCAL-DIRECTORY REMOTE-DIRECTORY [COMMAND [ARGUMENT...]]: MiB/s of a file
 * up to an SFTP server and down again, over one channel.  COMMAND speaks SFTP on its standard input
 * and output; /usr/lib/openssh/sftp-server if none is given.  Each thread moves pieces of 8 MiB,
 * read from and written to files in LOCAL-DIRECTORY.  To compare with OpenSSH's client, on tmpfs:
 *
 *     bench_sftp 1024 2 /dev/shm /dev/shm
 *     time sftp -D /usr/lib/openssh/sftp-server <<<"put /dev/shm/bench-source /dev/shm/bench-remote"
 *     time sftp -D /usr/lib/openssh/sftp-server <<<"get /dev/shm/bench-remote /dev/shm/bench-back"
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/thread.h"
#include "ssh/sftp_client.h"
#include "ssh/stream_child.h"

enum { PIECE = 8 << 20, THREADS_MOST = 64 };

static struct sftp_client *client;
static struct sftp_handle remote;
static int local;
static uint64_t total;
static _Atomic uint64_t next_piece;

static void
must(enum vv_rc rc, const struct vv_error *err)
{
    if (rc != VV_OK) {
        fprintf(stderr, "bench_sftp: %s\n", err->message);
        exit(1);
    }
}

static double
seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static size_t
take_piece(uint64_t *ret_offset)
{
    *ret_offset = atomic_fetch_add(&next_piece, 1) * PIECE;
    return *ret_offset >= total ? 0 : PIECE;
}

static void
up(void *arg)
{
    struct vv_error err = {0};
    uint64_t offset;
    size_t len;

    while ((len = take_piece(&offset)) > 0) {
        must(vv_fd_pread_full(local, arg, len, offset, "source", &len, &err), &err);
        must(sftp_write(client, &remote, offset, vv_span(arg, len), &err), &err);
    }
}

static void
down(void *arg)
{
    struct vv_error err = {0};
    uint64_t offset;
    size_t len;

    while ((len = take_piece(&offset)) > 0) {
        must(sftp_read(client, &remote, offset, arg, len, &len, &err), &err);
        must(vv_fd_pwrite_full(local, arg, len, offset, "copy", &err), &err);
    }
}

static double
move(const char *local_path, const char *remote_path, unsigned threads, bool upwards)
{
    static struct vv_thread thread[THREADS_MOST];
    static uint8_t *buffers[THREADS_MOST];
    struct vv_error err = {0};
    uint32_t flags =
        upwards ? SFTP_OPEN_WRITE | SFTP_OPEN_CREATE | SFTP_OPEN_TRUNCATE : SFTP_OPEN_READ;

    local = open(local_path, upwards ? O_RDONLY : O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (local < 0) {
        perror(local_path);
        exit(1);
    }
    next_piece = 0;
    double start = seconds();
    must(sftp_open(client, remote_path, flags, 0600, &remote, &err), &err);
    for (unsigned i = 0; i < threads; i++) {
        buffers[i] = buffers[i] != NULL ? buffers[i] : malloc(PIECE);
        must(vv_thread_start(&thread[i], "bench", upwards ? up : down, buffers[i], &err), &err);
    }
    for (unsigned i = 0; i < threads; i++) {
        vv_thread_join(&thread[i]);
    }
    must(sftp_close(client, &remote, &err), &err);
    double took = seconds() - start;
    close(local);
    return (double)(total >> 20) / took;
}

static void
make_source(const char *path)
{
    struct vv_error err = {0};
    static uint8_t block[1 << 20];
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    if (fd < 0) {
        perror(path);
        exit(1);
    }
    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    if (lseek(fd, 0, SEEK_END) != (off_t)total) {
        for (uint64_t at = 0; at < total; at += sizeof(block)) {
            must(vv_fd_pwrite_full(fd, block, sizeof(block), at, path, &err), &err);
        }
        if (ftruncate(fd, (off_t)total) != 0) {
            perror(path);
        }
    }
    close(fd);
}

int
main(int argc, char **argv)
{
    static const char *const plain[] = {"/usr/lib/openssh/sftp-server", NULL};
    const char *words[64] = {NULL};
    struct byte_stream *stream = NULL;
    struct vv_error err = {0};
    char source[4096];
    char far[4096];
    char back[4096];

    if (argc < 5 || argc > 60) {
        fprintf(stderr, "usage: bench_sftp MIB THREADS LOCAL-DIRECTORY REMOTE-DIRECTORY "
                        "[COMMAND [ARGUMENT...]]\n");
        return 2;
    }
    total = strtoull(argv[1], NULL, 10) << 20;
    unsigned threads = (unsigned)strtoul(argv[2], NULL, 10);
    threads = threads < 1 ? 1 : threads > THREADS_MOST ? THREADS_MOST : threads;
    snprintf(source, sizeof(source), "%s/bench-source", argv[3]);
    snprintf(back, sizeof(back), "%s/bench-back", argv[3]);
    snprintf(far, sizeof(far), "%s/bench-remote", argv[4]);
    make_source(source);
    for (int i = 5; i < argc; i++) {
        words[i - 5] = argv[i];
    }
    double start = seconds();
    must(stream_child_new(argc > 5 ? words : plain, "server", &stream, &err), &err);
    must(sftp_client_new(stream, NULL, &client, &err), &err);
    double connected = seconds() - start;
    double upwards = move(source, far, threads, true);
    double downwards = move(back, far, threads, false);
    printf("connect %.3f s  up %.0f MiB/s  down %.0f MiB/s\n", connected, upwards, downwards);
    must(sftp_remove(client, far, &err), &err);
    sftp_client_free(client);
    (void)unlink(back);
    return 0;
}
