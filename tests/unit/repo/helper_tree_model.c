/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of entries to make trees of, and a repository to put them in. */
#include "helper_tree_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

uint64_t
model_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

int
model_compare(const void *a, const void *b)
{
    return path_compare(vv_span(a, strlen(a)), vv_span(b, strlen(b)));
}

void
model_make(struct model *m, size_t count, uint64_t seed)
{
    static const char *const odd[4] = {"", "-", " ", "."};
    size_t kept = 0;

    m->paths = vv_alloc_array(count + 1, sizeof(*m->paths));
    m->sizes = vv_alloc_array(count + 1, sizeof(*m->sizes));
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(m->paths[i], PATH_SIZE, "d%02u/e%s%u/f%llu",
                       (unsigned)(model_random(&seed) % 20), odd[model_random(&seed) % 3],
                       (unsigned)(model_random(&seed) % 7),
                       (unsigned long long)(model_random(&seed) % 1000000));
    }
    if (count > 0) {
        qsort(m->paths, count, PATH_SIZE, model_compare);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(m->paths[kept - 1], m->paths[i]) != 0) {
            memmove(m->paths[kept], m->paths[i], PATH_SIZE);
            m->sizes[kept] = (uint32_t)(1 + model_random(&seed) % 5000);
            kept++;
        }
    }
    m->count = kept;
}

void
model_free(struct model *m)
{
    vv_free(m->paths);
    vv_free(m->sizes);
}

void
model_entry(const struct model *m, size_t i, struct chunk_ref *ref, struct entry *e)
{
    memset(e, 0, sizeof(*e));
    memset(ref, 0, sizeof(*ref));
    e->path = vv_span(m->paths[i], strlen(m->paths[i]));
    e->type = ENTRY_FILE;
    e->mode = 0644;
    e->size = m->sizes[i];
    e->nlink = 1;
    ref->size = m->sizes[i];
    vv_store_u32(ref->id.b, m->sizes[i]);
    e->content = (struct stream_root){.size = m->sizes[i], .count = 1, .refs = ref};
}

/** Write entries for which ${keep} says so (NULL: all). */
struct tree_root
model_write(struct run *r, const struct model *m, bool (*keep)(size_t))
{
    struct tree_writer *t = NULL;
    struct tree_root root;

    must(tree_writer_new(r->repo, r->builder, &t, E));
    for (size_t i = 0; i < m->count; i++) {
        struct chunk_ref ref;
        struct entry e;
        model_entry(m, i, &ref, &e);
        if (keep == NULL || keep(i)) {
            must(tree_writer_add(t, &e, E));
        }
    }
    must(tree_writer_finish(t, &root, E));
    tree_writer_free(t);
    return root;
}

void
scene_begin(struct scene *s)
{
    world_begin(&s->w);
    s->repo = world_open(&s->w, "a");
    run_begin(&s->run, s->repo);
    s->index = NULL;
    s->reader = NULL;
}

void
scene_read(struct scene *s)
{
    run_flush(&s->run);
    must(chunk_index_open(s->repo, &s->index, E));
    must(chunk_reader_new(s->repo, s->index, 8u << 20, &s->reader, E));
}

void
scene_end(struct scene *s)
{
    chunk_reader_free(s->reader);
    chunk_index_free(s->index);
    run_end(&s->run);
    repo_free(s->repo);
    world_end(&s->w);
}
