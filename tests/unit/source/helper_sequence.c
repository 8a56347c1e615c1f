/* SPDX-License-Identifier: BSD-2-Clause */
/* Sequences read to their end and remembered. */
#include "source/helper_sequence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct vv_span
copy_span(struct vv_arena *arena, struct vv_span span)
{
    void *copy =
        vv_arena_copy(arena, span.data == NULL ? (const uint8_t *)"" : span.data, span.len);
    assert_non_null(copy);
    return vv_span(copy, span.len);
}

static void
copy_entry(struct vv_arena *arena, struct entry *e)
{
    e->path = copy_span(arena, e->path);
    e->user = copy_span(arena, e->user);
    e->group = copy_span(arena, e->group);
    e->target = copy_span(arena, e->target);
    if (e->extent_count > 0) {
        e->extents = vv_arena_copy(arena, e->extents, e->extent_count * sizeof(*e->extents));
    }
    if (e->xattr_count > 0) {
        e->xattrs = vv_arena_copy(arena, e->xattrs, e->xattr_count * sizeof(*e->xattrs));
    }
    for (uint32_t i = 0; i < e->xattr_count; i++) {
        e->xattrs[i].name = copy_span(arena, e->xattrs[i].name);
        e->xattrs[i].value = copy_span(arena, e->xattrs[i].value);
    }
}

/* Read content in pieces of an odd size. */
static enum source_status
read_content(struct source_file *f, struct taken *t, struct source_problem *problem)
{
    enum { PIECE = 70001 };
    size_t got = PIECE;
    while (got == PIECE) {
        t->content = realloc(t->content, t->len + PIECE);
        assert_non_null(t->content);
        enum source_status status =
            source_read(f, t->len, t->content + t->len, PIECE, &got, problem);
        if (status != SOURCE_OK) {
            return status;
        }
        t->len += got;
    }
    return SOURCE_OK;
}

static void
take_item(struct source *s, struct source_item *item, struct sequence *q)
{
    struct vv_arena arena = {0};
    struct source_file *f = NULL;
    struct source_problem problem = item->problem;
    q->items = realloc(q->items, (q->count + 1) * sizeof(*q->items));
    assert_non_null(q->items);
    struct taken *t = &q->items[q->count++];
    *t = (struct taken){.status = item->status};
    if (t->status == SOURCE_OK && item->link_to.len == 0) {
        t->status = source_open(s, item, &arena, &f, &problem);
        t->entry = item->entry;
        if (t->status == SOURCE_OK && f != NULL) {
            t->status = read_content(f, t, &problem);
            struct source_problem ignored = {0};
            (void)source_close(f, &t->entry, &ignored);
        }
    } else {
        t->entry = item->entry;
    }
    if (t->status != SOURCE_OK) {
        memcpy(t->problem, problem.text, sizeof(t->problem));
    }
    copy_entry(&q->arena, &t->entry);
    t->link_to = copy_span(&q->arena, item->link_to);
    vv_arena_release(&arena);
}

enum vv_rc
sequence_read(struct source *s, struct sequence *ret)
{
    enum vv_rc rc = VV_OK;
    *ret = (struct sequence){0};
    for (;;) {
        struct source_item item = {0};
        bool end = false;
        rc = source_next(s, &item, &end, &ret->error);
        if (rc != VV_OK || end) {
            break;
        }
        take_item(s, &item, ret);
        source_item_release(s, &item);
    }
    struct vv_error again = {0};
    enum vv_rc verdict = source_end(s, rc == VV_OK ? &ret->error : &again);
    assert_true(rc == VV_OK || verdict != VV_OK); /* what failed once fails at the end */
    source_free(s);
    return rc == VV_OK ? verdict : rc;
}

void
sequence_release(struct sequence *q)
{
    for (size_t i = 0; i < q->count; i++) {
        free(q->items[i].content);
    }
    free(q->items);
    vv_arena_release(&q->arena);
    *q = (struct sequence){0};
}

static bool
has_path(const struct taken *t, const char *path)
{
    return t->entry.path.len == strlen(path) && memcmp(t->entry.path.data, path, strlen(path)) == 0;
}

const struct taken *
sequence_find(const struct sequence *q, const char *path)
{
    for (size_t i = q->count; i > 0; i--) {
        if (q->items[i - 1].status == SOURCE_OK && has_path(&q->items[i - 1], path)) {
            return &q->items[i - 1];
        }
    }
    return NULL;
}

const char *
sequence_problem(const struct sequence *q, const char *path)
{
    for (size_t i = 0; i < q->count; i++) {
        if (q->items[i].status != SOURCE_OK && has_path(&q->items[i], path)) {
            return q->items[i].problem;
        }
    }
    return NULL;
}

bool
sequence_xattr(const struct taken *t, const char *name, struct vv_span *ret)
{
    for (uint32_t i = 0; i < t->entry.xattr_count; i++) {
        const struct xattr *x = &t->entry.xattrs[i];
        if (x->name.len == strlen(name) && memcmp(x->name.data, name, x->name.len) == 0) {
            *ret = x->value;
            return true;
        }
    }
    return false;
}
