/* SPDX-License-Identifier: BSD-2-Clause */
/* Arenas: a list of blocks, each filled from its start; the newest block is the one in use. */
#include "core/arena.h"

#include <stdint.h>
#include <string.h>

#include "core/alloc.h"

#define ALIGNMENT _Alignof(max_align_t)
#define BLOCK_FIRST ((size_t)4096)
#define BLOCK_MAX ((size_t)256 * 1024)

struct vv_arena_block {
    struct vv_arena_block *older;
    size_t cap;
    size_t used;
    _Alignas(max_align_t) unsigned char data[];
};

static struct vv_arena_block *
block_new(size_t cap)
{
    if (cap > SIZE_MAX - sizeof(struct vv_arena_block)) {
        return NULL;
    }
    struct vv_arena_block *b = vv_alloc(sizeof(*b) + cap);

    if (b == NULL) {
        return NULL;
    }
    b->older = NULL;
    b->cap = cap;
    b->used = 0;
    return b;
}

/* A block with room for ${n} bytes: the newest, a new one, or one of its own if n is large. */
static struct vv_arena_block *
block_with_room(struct vv_arena *a, size_t n)
{
    struct vv_arena_block *newest = a->newest;

    if (newest != NULL && newest->cap - newest->used >= n) {
        return newest;
    }
    size_t cap = BLOCK_FIRST;
    if (newest != NULL) {
        cap = newest->cap < BLOCK_MAX / 2 ? newest->cap * 2 : BLOCK_MAX;
    }
    if (newest != NULL && n > cap / 4) {
        /* Goes behind the newest block, whose room stays in use. */
        struct vv_arena_block *own = block_new(n);
        if (own != NULL) {
            own->older = newest->older;
            newest->older = own;
        }
        return own;
    }
    struct vv_arena_block *b = block_new(n > cap ? n : cap);
    if (b != NULL) {
        b->older = newest;
        a->newest = b;
    }
    return b;
}

void *
vv_arena_alloc(struct vv_arena *a, size_t n)
{
    if (n > SIZE_MAX - ALIGNMENT) {
        return NULL;
    }
    size_t rounded = n == 0 ? ALIGNMENT : (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct vv_arena_block *b = block_with_room(a, rounded);

    if (b == NULL) {
        return NULL;
    }
    void *p = b->data + b->used;
    b->used += rounded;
    a->used += rounded;
    return p;
}

void *
vv_arena_copy(struct vv_arena *a, const void *p, size_t n)
{
    if (n == SIZE_MAX) {
        return NULL;
    }
    char *copy = vv_arena_alloc(a, n + 1);

    if (copy == NULL) {
        return NULL;
    }
    if (n > 0) {
        memcpy(copy, p, n);
    }
    copy[n] = '\0';
    return copy;
}

static void
free_list(struct vv_arena_block *b)
{
    while (b != NULL) {
        struct vv_arena_block *older = b->older;
        vv_free(b);
        b = older;
    }
}

void
vv_arena_reset(struct vv_arena *a)
{
    if (a->newest != NULL) {
        free_list(a->newest->older);
        a->newest->older = NULL;
        a->newest->used = 0;
    }
    a->used = 0;
}

void
vv_arena_release(struct vv_arena *a)
{
    free_list(a->newest);
    *a = (struct vv_arena){0};
}
