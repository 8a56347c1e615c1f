/* SPDX-License-Identifier: BSD-2-Clause */
/* Replays corpus files through a fuzz target without a fuzzing engine: every file of every
 * directory (or single file) given, the empty input, and of small files every truncation. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRUNCATE_UP_TO 2048u

static unsigned long replayed;

/* The input lies in a block of its own size, so that a sanitizer sees what is read beyond it. */
static void
run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        perror("malloc");
        exit(2);
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    replayed++;
}

static void
replay_file(const char *path, size_t size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (f == NULL || data == NULL || fread(data, 1, size, f) != size) {
        perror(path);
        exit(2);
    }
    run(data, size);
    for (size_t len = 0; size <= TRUNCATE_UP_TO && len < size; len++) {
        run(data, len);
    }
    free(data);
    (void)fclose(f);
}

static void
replay(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        perror(path);
        exit(2);
    }
    if (!S_ISDIR(st.st_mode)) {
        replay_file(path, (size_t)st.st_size);
        return;
    }
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);
    if (count < 0) {
        perror(path);
        exit(2);
    }
    for (int i = 0; i < count; i++) {
        char *inner = NULL;
        if (names[i]->d_name[0] != '.' && asprintf(&inner, "%s/%s", path, names[i]->d_name) > 0) {
            replay(inner);
            free(inner);
        }
        free(names[i]);
    }
    free(names);
}

int
main(int argc, char **argv)
{
    run((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        replay(argv[i]);
    }
    printf("%lu inputs\n", replayed);
    return 0;
}
