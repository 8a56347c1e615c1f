/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TESTS_HELPER_TREE_MODEL_H
#define VARVE_TESTS_HELPER_TREE_MODEL_H

#include "helper_repository.h"
#include "repo/tree.h"

/* Files with random paths and sizes, in tree order; a size also stands for a content. */
#define PATH_SIZE 64

struct model {
    char (*paths)[PATH_SIZE];
    uint32_t *sizes;
    size_t count;
};

struct scene {
    struct world w;
    struct repo *repo;
    struct run run;
    struct chunk_index *index;
    struct chunk_reader *reader;
};

uint64_t model_random(uint64_t *seed);
/** model_compare(a, b): the order of two paths, for qsort. */
int model_compare(const void *a, const void *b);
void model_make(struct model *m, size_t count, uint64_t seed);
void model_free(struct model *m);
/** model_entry(m, i, ref, e): entry number ${i}, its one chunk in ${ref}. */
void model_entry(const struct model *m, size_t i, struct chunk_ref *ref, struct entry *e);
/** model_write(r, m, keep): write entries for which ${keep} says so (NULL: all). */
struct tree_root model_write(struct run *r, const struct model *m, bool (*keep)(size_t));

void scene_begin(struct scene *s);
/** scene_read(s): what was written so far can be read. */
void scene_read(struct scene *s);
void scene_end(struct scene *s);

#endif
