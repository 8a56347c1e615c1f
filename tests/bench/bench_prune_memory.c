/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_prune_memory CHUNKS [DIRECTORY]: how much memory marking takes on an index of so many chunks
 * (75000000: needs some 6 GB in DIRECTORY, default /var/tmp).  The index is made up: its local table
 * is written as the cache has it, 16 chunks a block and 32 blocks a pack, every other chunk is live
 * and met twice, in no order.  Prints times, and what the kernel says about memory: peak of all, and
 * of what is not a mapped file.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "core/file.h"
#include "engine/id_set_internal.h"
#include "repo/chunk_index_internal.h"
#include "repo/index_marks.h"
#include "storage/storage.h"

#define CHUNKS_A_BLOCK 16u
#define BLOCKS_A_PACK 32u
#define CHUNK_LEN 65536u
#define PIECE (4u << 20) /* as index_table.c checks it */
#define NODES_SHARE 32u  /* a tree node for so many chunks */

static struct vv_error err;

static void
must(enum vv_rc rc)
{
    if (rc != VV_OK) {
        fprintf(stderr, "bench_prune_memory: %s\n", err.message);
        exit(1);
    }
}

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t
mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/** Ids ascend with their number. */
static struct vv_id
id_of(uint64_t number, uint64_t count)
{
    uint64_t high = number * (UINT64_MAX / count);
    struct vv_id id;

    for (unsigned i = 0; i < 8; i++) {
        id.b[i] = (uint8_t)(high >> (56 - 8 * i));
    }
    for (unsigned i = 0; i < 3; i++) {
        uint64_t m = mix(number * 3 + i);
        memcpy(id.b + 8 + 8 * i, &m, 8);
    }
    return id;
}

static struct pack_name
name_of(uint64_t pack)
{
    struct pack_name name;

    memset(&name, 0, sizeof(name));
    for (unsigned i = 0; i < 8; i++) {
        name.hash.b[i] = (uint8_t)(pack >> (56 - 8 * i));
    }
    return name;
}

/** The table as a file. */
static void
write_table(const char *path, uint64_t count)
{
    struct table_header h = {.records = count,
                             .blocks = (count + CHUNKS_A_BLOCK - 1) / CHUNKS_A_BLOCK};
    FILE *file = fopen(path, "w+b");
    uint8_t chain[32] = {0};
    uint8_t *piece = malloc(PIECE);
    size_t got;

    if (file == NULL || piece == NULL) {
        perror(path);
        exit(1);
    }
    h.packs = (h.blocks + BLOCKS_A_PACK - 1) / BLOCKS_A_PACK;
    memcpy(h.magic, "vvindex2", sizeof(h.magic));
    fwrite(&h, sizeof(h), 1, file);
    for (uint64_t i = 0; i < h.packs; i++) {
        struct table_pack pack = {.name = name_of(i),
                                  .file_size = 33u << 20,
                                  .class = PACK_DATA,
                                  .signature = TABLE_SIGNED};
        fwrite(&pack, sizeof(pack), 1, file);
    }
    for (uint64_t i = 0; i < h.blocks; i++) {
        struct table_block block = {.pack = (uint32_t)(i / BLOCKS_A_PACK),
                                    .number = (uint32_t)(i % BLOCKS_A_PACK),
                                    .stored_len = 1u << 20,
                                    .plain_len = CHUNKS_A_BLOCK * CHUNK_LEN};
        fwrite(&block, sizeof(block), 1, file);
    }
    for (uint64_t i = 0; i < count; i++) { /* neighbours by id lie in blocks far apart */
        struct table_record record = {.id = id_of(i, count),
                                      .block = (uint32_t)(mix(i) % h.blocks),
                                      .len = CHUNK_LEN,
                                      .type = CHUNK_DATA};
        fwrite(&record, sizeof(record), 1, file);
    }
    fseeko(file, sizeof(h), SEEK_SET);
    while ((got = fread(piece, 1, PIECE, file)) > 0) {
        vv_hash128(piece, got, chain + 16);
        vv_hash128(chain, sizeof(chain), chain);
    }
    memcpy(h.check, chain, sizeof(h.check));
    rewind(file);
    fwrite(&h, sizeof(h), 1, file);
    if (fclose(file) != 0) {
        perror(path);
        exit(1);
    }
    free(piece);
}

static void
print_memory(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "VmHWM", 5) == 0 || strncmp(line, "RssAnon", 7) == 0 ||
            strncmp(line, "VmData", 6) == 0) {
            fputs(line, stdout);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

int
main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    struct slot_secret key = {.type = KEY_SLOT_KEY_FILE,
                              .secret = vv_span("0123456789abcdef0123456789abcdef", 32)};
    struct repo_init_options init = {.secret = &key, .label = "bench"};
    struct repo_options options = {0};
    struct vv_buf path = {0};
    char directory[512];
    struct storage *st = NULL;
    struct repo *r = NULL;
    struct chunk_index *x = NULL;
    struct live_chunks *live = NULL;
    struct index_marks *marks = NULL;
    struct pack_list listed = {0};
    struct id_set nodes = {0};
    struct pack_usage usage;
    uint64_t missing = 0;
    uint64_t stays = 0;
    uint8_t *standing;
    double from = now();

    snprintf(directory, sizeof(directory), "%s/bench-prune-XXXXXX",
             argc > 2 ? argv[2] : "/var/tmp");
    if (mkdtemp(directory) == NULL) {
        perror(directory);
        return 1;
    }
    options.cache_dir = directory;
    must(storage_memory_new(&st, &err));
    must(repo_init(st, &init, &options, &r, &err));
    if (!repo_cache_path(r, "index", &path)) {
        return 1;
    }
    write_table(vv_buf_text(&path), count);
    printf("made up       %.1f s\n", now() - from);
    from = now();
    must(chunk_index_open(r, &x, &err));
    must(chunk_index_load(x, &err));
    printf("index loaded  %.1f s\n", now() - from);
    from = now();
    must(live_chunks_new(repo_temp_dir(r), 64u << 20, &live, &err));
    for (uint64_t i = 0; i < count; i++) { /* every other chunk, twice, in no order */
        struct vv_id id = id_of(mix(i) % count / 2 * 2, count);
        bool is_new;
        must(live_chunks_add(live, &id, &err));
        if (i % NODES_SHARE == 0) {
            must(id_set_put(&nodes, &id, &is_new, &err));
        }
    }
    printf("marked        %.1f s, %llu bytes of temporary file, %zu nodes\n", now() - from,
           (unsigned long long)live_chunks_spilled(live), nodes.count);
    from = now();
    listed.count =
        (size_t)((count + CHUNKS_A_BLOCK * BLOCKS_A_PACK - 1) / (CHUNKS_A_BLOCK * BLOCKS_A_PACK));
    listed.items = vv_alloc_array(listed.count + 1, sizeof(*listed.items));
    for (size_t i = 0; i < listed.count; i++) {
        listed.items[i] = (struct pack_list_item){.name = name_of(i), .size = 33u << 20};
    }
    must(index_marks_open(x, &listed, &marks, &err));
    standing = vv_alloc_array(index_marks_packs(marks) + 1, 1);
    memset(standing, PACK_STAYS, index_marks_packs(marks));
    must(index_marks_apply(marks, live, standing, &missing, &err));
    for (uint32_t i = 0; i < index_marks_packs(marks); i++) {
        index_marks_usage(marks, i, 0.02, &usage);
        stays += usage.live_chunks;
    }
    printf("compared      %.1f s: %llu of %llu chunks live, %llu missing\n", now() - from,
           (unsigned long long)stays, (unsigned long long)count, (unsigned long long)missing);
    print_memory();
    unlink(vv_buf_text(&path));
    index_marks_free(marks);
    live_chunks_free(live);
    id_set_release(&nodes);
    chunk_index_free(x);
    repo_free(r);
    storage_free(st);
    vv_free(standing);
    pack_list_release(&listed);
    vv_buf_release(&path);
    return 0;
}
