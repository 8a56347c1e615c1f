/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: a tree node. */
#include "format/entry.h"
#include "fuzz_support.h"

/* Whatever order and validity the decoder promises. */
static void
check_paths(const struct node *n)
{
    for (uint32_t i = 0; i < n->count; i++) {
        struct vv_span path = n->height == 0 ? n->entries[i].path : n->items[i].path;
        fuzz_require(path_valid(path));
        if (i > 0) {
            struct vv_span before = n->height == 0 ? n->entries[i - 1].path : n->items[i - 1].path;
            fuzz_require(path_compare(before, path) < 0);
        }
    }
}

static void
build_again(const struct node *n, struct vv_buf *out)
{
    struct leaf_builder leaf = {0};
    struct inner_builder inner = {0};
    for (uint32_t i = 0; i < n->count; i++) {
        if (n->height == 0) {
            fuzz_require(leaf_builder_add(&leaf, &n->entries[i], NULL) == VV_OK);
        } else {
            inner_builder_add(&inner, &n->items[i]);
        }
    }
    if (n->height == 0) {
        fuzz_require(leaf_builder_finish(&leaf, out, NULL) == VV_OK);
    } else {
        fuzz_require(inner_builder_finish(&inner, n->height, out, NULL) == VV_OK);
    }
    leaf_builder_release(&leaf);
    inner_builder_release(&inner);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vv_buf again = {0};
    struct vv_arena arena = {0};
    struct node node;
    if (node_decode(vv_span(data, size), &arena, &node, NULL) == VV_OK) {
        check_paths(&node);
        build_again(&node, &again);
        fuzz_same(vv_span(data, size), vv_buf_span(&again));
    }
    vv_buf_release(&again);
    vv_arena_release(&arena);
    return 0;
}
