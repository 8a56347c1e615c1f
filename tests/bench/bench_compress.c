/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_compress FILE [BLOCK-BYTES]: FILE in blocks (default 262144, as pages of databases are stored; WAL and
 * files have 1048576), compressed at the default level as anything and as what a database has.  Prints for
 * each megabytes a second of processor time, the best of three, and what part of the size is left.
 * Pages: cat data/base/[0-9]*[/][0-9]*; WAL: cat data/pg_wal/0*.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "compress/compress.h"

static struct vv_error err;

static void
fail(const char *what)
{
    fprintf(stderr, "bench_compress: %s\n", what);
    exit(1);
}

static double
processor_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint8_t *
read_file(const char *name, size_t *ret_len)
{
    FILE *f = fopen(name, "rb");
    uint8_t *data;
    long len;

    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (len = ftell(f)) <= 0) {
        fail("cannot read that file");
    }
    rewind(f);
    data = malloc((size_t)len);
    if (data == NULL || fread(data, 1, (size_t)len, f) != (size_t)len) {
        fail("cannot read that file");
    }
    (void)fclose(f);
    *ret_len = (size_t)len;
    return data;
}

/** One pass; returns the sum of the frames. */
static size_t
compress_all(struct compressor *c, struct vv_span data, size_t block, uint8_t *out, size_t cap)
{
    size_t sum = 0;

    for (size_t at = 0; at < data.len; at += block) {
        size_t len = data.len - at < block ? data.len - at : block;
        size_t frame;
        if (compress_block(c, vv_span(data.data + at, len), out, cap, &frame, &err) != VV_OK) {
            fail(err.message);
        }
        sum += frame;
    }
    return sum;
}

static void
measure(const char *name, enum compress_content content, struct vv_span data, size_t block)
{
    VV_CLEANUP(compressor_freep) struct compressor *c = NULL;
    size_t cap = compress_bound(block);
    uint8_t *out = malloc(cap);
    double best = 1e9;
    size_t sum = 0;

    if (out == NULL || compressor_new(COMPRESS_LEVEL, content, &c, &err) != VV_OK) {
        fail("no memory");
    }
    for (int i = 0; i < 3; i++) {
        double began = processor_time();
        double took;
        sum = compress_all(c, data, block, out, cap);
        took = processor_time() - began;
        best = took < best ? took : best;
    }
    printf("%-10s %7.1f MB/s  %.4f\n", name, (double)data.len / best / 1e6,
           (double)sum / (double)data.len);
    free(out);
}

int
main(int argc, char **argv)
{
    size_t block = argc > 2 ? strtoull(argv[2], NULL, 10) : 256u << 10;
    size_t len = 0;
    uint8_t *data;

    if (argc < 2 || block == 0) {
        fail("which file?");
    }
    data = read_file(argv[1], &len);
    measure("anything", COMPRESS_ANYTHING, vv_span(data, len), block);
    measure("database", COMPRESS_DATABASE, vv_span(data, len), block);
    free(data);
    return 0;
}
