/* SPDX-License-Identifier: BSD-2-Clause */
/* Trees in a temporary directory, and walks over them written down. */
#include "source/helper_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
tree_make(struct tree *t)
{
    char pattern[] = "/tmp/varve-source-XXXXXX";
    assert_non_null(mkdtemp(pattern));
    assert_int_equal(chmod(pattern, 0755), 0);
    char *real = realpath(pattern, NULL);
    assert_non_null(real);
    assert_true(strlen(real) < sizeof(t->base));
    memcpy(t->base, real, strlen(real) + 1);
    free(real);
    t->fd = open(t->base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(t->fd >= 0);
}

void
tree_remove(struct tree *t)
{
    char command[256];
    close(t->fd);
    (void)snprintf(command, sizeof(command), "chmod -R u+rwx '%s' 2>/dev/null; rm -rf '%s'",
                   t->base, t->base);
    assert_int_equal(system(command), 0);
}

void
tree_dir(const struct tree *t, const char *path)
{
    assert_int_equal(mkdirat(t->fd, path, 0755), 0);
}

void
tree_file(const struct tree *t, const char *path, const char *content)
{
    int fd = openat(t->fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
}

void
tree_link(const struct tree *t, const char *path, const char *target)
{
    assert_int_equal(symlinkat(target, t->fd, path), 0);
}

const char *
tree_path(const struct tree *t, const char *path)
{
    static char paths[8][8192];
    static unsigned next;
    char *out = paths[next++ % 8];
    (void)snprintf(out, sizeof(paths[0]), "%s%s%s", t->base, path[0] == 0 ? "" : "/", path);
    return out;
}

static void
count_event(struct vv_events *self, const struct vv_event *event)
{
    struct counting_events *e = (struct counting_events *)self;
    e->count++;
    (void)snprintf(e->last, sizeof(e->last), "%s", event->name);
}

void
counting_events_init(struct counting_events *e)
{
    *e = (struct counting_events){.base = {.emit = count_event}};
}

/* The path relative to the base. */
static char *
relative(const struct tree *t, struct vv_span path)
{
    size_t base = strlen(t->base) - 1;
    char *out = calloc(1, path.len + 2);
    assert_non_null(out);
    if (path.len >= base && memcmp(path.data, t->base + 1, base) == 0 &&
        (path.len == base || path.data[base] == '/')) {
        size_t skip = path.len == base ? base : base + 1;
        memcpy(out, path.data + skip, path.len - skip);
    } else {
        out[0] = '^';
        if (path.len > 0) {
            memcpy(out + 1, path.data, path.len);
        }
    }
    return out;
}

static void
write_down(const struct tree *t, const struct source_item *item, struct seen_list *l)
{
    if ((l->count & (l->count - 1)) == 0) {
        l->items = realloc(l->items, (l->count * 2 + 1) * sizeof(*l->items));
        assert_non_null(l->items);
    }
    l->items[l->count++] = (struct seen){
        .path = relative(t, item->entry.path),
        .type = item->entry.type,
        .status = item->status,
        .sys = item->problem.sys,
        .flags = item->entry.flags,
        .size = item->entry.size,
        .nlink = item->entry.nlink,
        .inode = item->entry.inode,
        .file_system = item->entry.file_system,
        .may_change = item->may_change,
    };
}

void
walk_all(const struct tree *t, const struct source_fs_options *o, struct seen_list *ret)
{
    struct counting_events events;
    struct source_fs_options options = *o;
    struct vv_error err = {0};
    struct source *s = NULL;
    struct vv_buf before = {0};
    bool first = true;
    *ret = (struct seen_list){0};
    counting_events_init(&events);
    if (options.events == NULL) {
        options.events = &events.base;
    }
    if (source_fs_new(&options, &s, &err) != VV_OK) {
        fail_msg("%s", err.message);
    }
    for (;;) {
        struct source_item item;
        bool end;
        if (source_next(s, &item, &end, &err) != VV_OK) {
            fail_msg("%s", err.message);
        }
        if (end) {
            break;
        }
        assert_true(path_valid(item.entry.path) || item.status != SOURCE_OK);
        assert_true(first || path_compare(vv_buf_span(&before), item.entry.path) < 0);
        first = false;
        vv_buf_reset(&before);
        vv_buf_put(&before, item.entry.path.data, item.entry.path.len);
        write_down(t, &item, ret);
        source_item_release(s, &item);
    }
    assert_int_equal(source_end(s, &err), VV_OK);
    ret->counts = s->counts;
    ret->notices = events.count;
    vv_buf_release(&before);
    source_free(s);
}

void
seen_release(struct seen_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->items[i].path);
    }
    free(l->items);
    *l = (struct seen_list){0};
}

const struct seen *
seen_find(const struct seen_list *l, const char *path)
{
    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->items[i].path, path) == 0) {
            return &l->items[i];
        }
    }
    return NULL;
}

const char *
seen_text(const struct seen_list *l)
{
    static char text[16384];
    size_t len = 0;
    text[0] = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct seen *s = &l->items[i];
        if (s->path[0] == 0 || s->path[0] == '^') {
            continue;
        }
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s%s%s%s", len > 0 ? " " : "",
                                s->path, s->type == ENTRY_DIRECTORY ? "/" : "",
                                s->status != SOURCE_OK ? "!" : "",
                                (s->flags & ENTRY_IMPLIED) != 0 ? "^" : "");
        assert_true(len < sizeof(text));
    }
    return text;
}

const char *
walk_text(const struct tree *t, const char *path, const struct source_fs_options *o)
{
    struct source_fs_options options = o == NULL ? (struct source_fs_options){0} : *o;
    const char *paths[1] = {tree_path(t, path)};
    struct seen_list l;
    options.paths = paths;
    options.path_count = 1;
    walk_all(t, &options, &l);
    const char *text = seen_text(&l);
    seen_release(&l);
    return text;
}
