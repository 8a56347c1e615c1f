/* SPDX-License-Identifier: BSD-2-Clause */
/* A storage around another: every call is a point at which its process may stop, die, or sleep. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "simulation/world.h"

#define HOUR_NS (UINT64_C(3600) * 1000000000)

struct points {
    struct storage base;
    struct storage *inner;
    struct world *world;
};

/** Something may happen to the process here. */
static void
chance(struct world *w)
{
    if (fibers_chance(w->kill_per_mille, 1000)) {
        w->counters[COUNT_KILLED]++;
        world_say(w, "killed");
        process_kill(process_current());
    }
    if (fibers_chance(w->freeze_per_mille, 1000)) {
        uint64_t ns = fibers_chance(1, 2) ? HOUR_NS * fibers_below(72) : fibers_below(HOUR_NS);
        w->counters[COUNT_FROZEN]++;
        world_say(w, "stopped for %llu s", (unsigned long long)(ns / 1000000000));
        process_freeze(process_current(), ns);
    }
    fibers_yield();
}

static void
before(struct points *p, const char *what, const char *name)
{
    p->world->counters[COUNT_STORAGE_CALLS]++;
    chance(p->world);
    world_say(p->world, "%s %s", what, name);
}

static enum vv_rc
points_publish(struct storage *s, const char *name, struct vv_span data, struct vv_error *err)
{
    struct points *p = (struct points *)s;
    enum vv_rc rc;

    before(p, "publish", name);
    rc = storage_publish(p->inner, name, data, err);
    chance(p->world); /* it is done, and nobody knows yet */
    return rc;
}

static enum vv_rc
points_read(struct storage *s, const char *name, uint64_t offset, uint8_t *buf, size_t len,
            size_t *ret_len, struct vv_error *err)
{
    struct points *p = (struct points *)s;

    before(p, "read", name);
    return storage_read(p->inner, name, offset, buf, len, ret_len, err);
}

static enum vv_rc
points_size(struct storage *s, const char *name, uint64_t *ret, struct vv_error *err)
{
    struct points *p = (struct points *)s;

    before(p, "size", name);
    return storage_size(p->inner, name, ret, err);
}

struct listed {
    char **names;
    uint64_t *sizes;
    size_t count;
    size_t cap;
};

static enum vv_rc
note(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct listed *l = ctx;

    (void)err;
    if (l->count == l->cap) {
        l->cap = l->cap * 2 + 16;
        l->names = vv_realloc_array(l->names, l->cap, sizeof(*l->names));
        l->sizes = vv_realloc_array(l->sizes, l->cap, sizeof(*l->sizes));
        if (l->names == NULL || l->sizes == NULL) {
            abort();
        }
    }
    l->sizes[l->count] = size;
    l->names[l->count] = vv_strdup(name);
    if (l->names[l->count++] == NULL) {
        abort();
    }
    return VV_OK;
}

static bool
has(const struct listed *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++) {
        if (strcmp(l->names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void
release(struct listed *l)
{
    for (size_t i = 0; i < l->count; i++) {
        vv_free(l->names[i]);
    }
    vv_free(l->names);
    vv_free(l->sizes);
}

/** A listing takes its time: what comes or goes meanwhile is in it or not (S4). */
static enum vv_rc
points_list(struct storage *s, const char *directory, storage_list_fn *fn, void *ctx,
            struct vv_error *err)
{
    struct points *p = (struct points *)s;
    struct listed first = {0};
    struct listed second = {0};
    enum vv_rc rc;

    before(p, "list", directory);
    rc = storage_list(p->inner, directory, note, &first, err);
    if (rc == VV_OK) {
        chance(p->world);
        rc = storage_list(p->inner, directory, note, &second, err);
    }
    for (size_t i = 0; i < first.count && rc == VV_OK; i++) {
        if (has(&second, first.names[i]) || fibers_chance(1, 2)) {
            rc = fn(ctx, first.names[i], first.sizes[i], err);
        }
    }
    for (size_t i = 0; i < second.count && rc == VV_OK; i++) {
        if (!has(&first, second.names[i]) && fibers_chance(1, 2)) {
            rc = fn(ctx, second.names[i], second.sizes[i], err);
        }
    }
    release(&first);
    release(&second);
    return rc;
}

static enum vv_rc
points_remove(struct storage *s, const char *name, struct vv_error *err)
{
    struct points *p = (struct points *)s;
    enum vv_rc rc;

    before(p, "remove", name);
    rc = storage_remove(p->inner, name, err);
    chance(p->world);
    return rc;
}

static enum vv_rc
points_make_layout(struct storage *s, struct vv_error *err)
{
    return storage_make_layout(((struct points *)s)->inner, err);
}

static enum vv_rc
points_complete_layout(struct storage *s, struct vv_error *err)
{
    return storage_complete_layout(((struct points *)s)->inner, err);
}

static uint32_t
points_abilities(struct storage *s)
{
    return storage_abilities(((struct points *)s)->inner);
}

static void
points_free(struct storage *s)
{
    vv_free(s);
}

static const struct storage_ops points_ops = {
    .scheme = "points",
    .publish = points_publish,
    .read = points_read,
    .size = points_size,
    .list = points_list,
    .remove = points_remove,
    .make_layout = points_make_layout,
    .complete_layout = points_complete_layout,
    .abilities = points_abilities,
    .free = points_free,
};

struct storage *
world_storage(struct world *w, unsigned site)
{
    struct points *p = vv_alloc_array(1, sizeof(*p));

    if (p == NULL) {
        abort();
    }
    p->base = (struct storage){.ops = &points_ops, .url = w->sites[site]->url};
    p->inner = w->sites[site];
    p->world = w;
    return &p->base;
}
