/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_kernels [MIB]: speed of every kernel a byte passes through, in GB/s (1e9 bytes of input a
 * second), one thread, best of five.  Compare ratios within one run: machines are noisy.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chunker/chunker.h"
#include "compress/compress.h"
#include "crypto/hash.h"
#include "crypto/hash_selftest.h"
#include "format/postgres_page.h"

#define ROUNDS 5

static uint8_t *data; /* random */
static uint8_t *text; /* log lines, compressible about five times */
static size_t total;
static volatile uint64_t sink;

static double
seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t
next_random(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Run ${body} over all the data ROUNDS times and print the best. */
static void
measure(const char *name, size_t piece, void (*body)(size_t piece))
{
    double best = 1e9;
    for (int i = 0; i < ROUNDS; i++) {
        double start = seconds();
        body(piece);
        double took = seconds() - start;
        best = took < best ? took : best;
    }
    printf("%-34s %8zu B  %7.2f GB/s\n", name, piece, (double)total / best / 1e9);
    fflush(stdout);
}

static void
run_pages(size_t piece)
{
    for (size_t at = 0; at + piece <= total; at += piece) {
        sink += postgres_page_checksum(data + at, piece, (uint32_t)(at / piece));
    }
}

static void
run_pages_portable(size_t piece)
{
    for (size_t at = 0; at + piece <= total; at += piece) {
        sink += postgres_page_checksum_portable(data + at, piece, (uint32_t)(at / piece));
    }
}

static void
run_many(size_t piece)
{
    static const uint8_t key[32] = {1, 2, 3};
    size_t count = total / piece;
    struct hash_job *jobs = calloc(count, sizeof(*jobs));
    if (jobs == NULL) {
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        jobs[i].data = data + i * piece;
        jobs[i].len = piece;
    }
    /* as an engine does it: some MiB at a time */
    size_t at_once = (8u << 20) / piece > 0 ? (8u << 20) / piece : 1;
    for (size_t i = 0; i < count; i += at_once) {
        blake2b_256_many(key, jobs + i, at_once < count - i ? at_once : count - i);
    }
    sink += jobs[0].out[0];
    free(jobs);
}

/* Sizes as a chunker makes them: piece + exponential, 4 MiB of data at a time. */
static void
run_many_mixed(size_t piece)
{
    static const uint8_t key[32] = {1, 2, 3};
    static struct chunker c;
    uint8_t table[2048];
    memcpy(table, data, sizeof(table));
    chunker_init(&c, table, piece, 8 * piece, UINT64_MAX / piece);
    struct hash_job jobs[1024];
    size_t count = 0;
    for (size_t at = 0, begin = 0; at < total;) {
        size_t cut = chunker_cut(&c, data + at, total - at);
        jobs[count++] = (struct hash_job){.data = data + at, .len = cut};
        at += cut;
        if (at - begin >= (4u << 20) || count == VV_COUNT(jobs) || at == total) {
            blake2b_256_many(key, jobs, count);
            sink += jobs[0].out[0];
            count = 0;
            begin = at;
        }
    }
}

static void
run_sha256(size_t piece)
{
    uint8_t out[32];
    for (size_t at = 0; at + piece <= total; at += piece) {
        sha256(data + at, piece, out);
        sink += out[0];
    }
}

static void
run_siphash(size_t piece)
{
    static const uint8_t key[16] = {1};
    for (size_t at = 0; at + piece <= total; at += piece) {
        sink += siphash(key, data + at, piece);
    }
}

static void
run_chunker(size_t piece)
{
    static struct chunker c;
    uint8_t table[2048];
    memcpy(table, data, sizeof(table));
    chunker_init(&c, table, piece, 8 * piece, UINT64_MAX / piece);
    for (size_t at = 0; at < total;) {
        at += chunker_cut(&c, data + at, total - at);
        sink++;
    }
}

static void
run_compressible(size_t piece)
{
    for (size_t at = 0; at + piece <= total; at += piece) {
        sink += compressible(vv_span(data + at, piece));
    }
}

static int level;

static void
run_compress(size_t piece)
{
    struct vv_error err = {0};
    VV_CLEANUP(compressor_freep) struct compressor *c = NULL;
    size_t cap = compress_bound(piece);
    uint8_t *out = malloc(cap);
    if (out == NULL || compressor_new(level, COMPRESS_ANYTHING, &c, &err) != VV_OK) {
        abort();
    }
    for (size_t at = 0; at + piece <= total; at += piece) {
        size_t len = 0;
        if (compress_block(c, vv_span(text + at, piece), out, cap, &len, &err) != VV_OK) {
            abort();
        }
        sink += len;
    }
    free(out);
}

/* One block again and again: memory is warm, as after decryption. */
static void
run_decompress(size_t piece)
{
    struct vv_error err = {0};
    VV_CLEANUP(compressor_freep) struct compressor *c = NULL;
    VV_CLEANUP(decompressor_freep) struct decompressor *d = NULL;
    size_t cap = compress_bound(piece);
    size_t len = 0;
    uint8_t *frame = malloc(cap);
    uint8_t *out = malloc(piece);
    if (frame == NULL || out == NULL ||
        compressor_new(level, COMPRESS_ANYTHING, &c, &err) != VV_OK ||
        decompressor_new(&d, &err) != VV_OK ||
        compress_block(c, vv_span(text, piece), frame, cap, &len, &err) != VV_OK) {
        abort();
    }
    for (size_t at = 0; at + piece <= total; at += piece) {
        if (decompress_block(d, vv_span(frame, len), out, piece, &err) != VV_OK) {
            abort();
        }
    }
    free(frame);
    free(out);
}

static void
make_data(size_t mib)
{
    total = mib << 20;
    data = malloc(total);
    text = malloc(total + 256);
    if (data == NULL || text == NULL) {
        abort();
    }
    for (size_t i = 0; i < total; i += 8) {
        uint64_t word = next_random();
        memcpy(data + i, &word, 8);
    }
    for (size_t i = 0; i < total;) {
        uint64_t r = next_random();
        i += (size_t)snprintf(
            (char *)text + i, 256, "INSERT INTO orders VALUES (%u,'customer %u','%08x',%u.%02u);\n",
            (unsigned)(r & 0xffffff), (unsigned)(r >> 24 & 0xfff), (unsigned)(r >> 32),
            (unsigned)(r >> 40 & 0x3ff), (unsigned)(r >> 50) % 100);
    }
}

int
main(int argc, char **argv)
{
    static const unsigned lanes[] = {8, 4, 1};
    static const size_t pieces[] = {128, 1024, 4096, 65536, 1 << 20};
    static const int levels[] = {1, 3, 6};
    struct vv_error err = {0};
    make_data(argc > 1 ? strtoul(argv[1], NULL, 10) : 64);
    for (size_t l = 0; l < VV_COUNT(lanes); l++) {
        if (blake2b_select_lanes(lanes[l]) != lanes[l]) {
            continue;
        }
        char name[64];
        snprintf(name, sizeof(name), "blake2b-256 keyed, %u lanes", lanes[l]);
        for (size_t p = 0; p < VV_COUNT(pieces); p++) {
            measure(name, pieces[p], run_many);
        }
        snprintf(name, sizeof(name), "chunker + blake2b, %u lanes", lanes[l]);
        measure(name, 65536, run_many_mixed);
        measure(name, 1 << 18, run_many_mixed);
    }
    blake2b_select_lanes(0);
    measure("sha-256", 4096, run_sha256);
    measure("sha-256", 1 << 20, run_sha256);
    measure("siphash-2-4", 64, run_siphash);
    for (size_t min = 1u << 14; min <= 1u << 19; min *= 2) {
        measure("chunker, minimum", min, run_chunker);
    }
    measure("compressible, random data", 65536, run_compressible);
    measure("compressible, random data", 1 << 20, run_compressible);
    for (size_t l = 0; l < VV_COUNT(levels); l++) {
        char name[64];
        level = levels[l];
        snprintf(name, sizeof(name), "zstd level %d, SQL text", level);
        measure(name, 65536, run_compress);
        measure(name, 1 << 20, run_compress);
    }
    level = 3;
    measure("unzstd, SQL text", 1 << 20, run_decompress);
    measure("PostgreSQL page checksum", 8192, run_pages);
    measure("PostgreSQL page checksum, portable", 8192, run_pages_portable);
    double start = seconds();
    enum vv_rc rc = hash_selftest(&err);
    printf("self-test of hashes: %s, %.0f us\n", vv_rc_name(rc), (seconds() - start) * 1e6);
    return rc == VV_OK ? 0 : 1;
}
