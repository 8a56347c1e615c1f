/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes the samples of the unit tests as seeds: make_seeds DIRECTORY fills DIRECTORY/fuzz_NAME/.
 * Run it when the format gains something, and keep what it writes. */
#include <stdio.h>
#include <sys/stat.h>

#include "helper_samples.h"

int
main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_seeds DIRECTORY\n");
        return 2;
    }
    for (size_t i = 0; i < sample_count; i++) {
        const struct sample *s = &samples[i];
        struct vv_buf object = {0};
        char path[4096];
        s->build(&object);
        size_t skip = s->container ? FORMAT_HEADER_LEN : 0;
        size_t len = object.len - skip - (s->container ? FORMAT_TRAILER_LEN : 0);
        snprintf(path, sizeof(path), "%s/fuzz_%s", argv[1], s->name);
        (void)mkdir(path, 0777);
        snprintf(path, sizeof(path), "%s/fuzz_%s/%s", argv[1], s->name, s->variant);
        FILE *f = fopen(path, "wb");
        if (f == NULL || fwrite(object.data + skip, 1, len, f) != len || fclose(f) != 0) {
            perror(path);
            return 1;
        }
        vv_buf_release(&object);
    }
    return 0;
}
