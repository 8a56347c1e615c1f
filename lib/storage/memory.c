/* SPDX-License-Identifier: BSD-2-Clause */
/* Objects in memory, for tests: a sorted array under one mutex. */
#include <string.h>

#include "core/alloc.h"
#include "core/thread.h"
#include "storage/storage.h"
#include "storage/storage_internal.h"

static const char memory_url[] = "memory:";

struct object {
    char *name;
    uint8_t *data;
    size_t len;
};

struct memory {
    struct storage base;
    struct vv_mutex mutex;
    struct object *objects; /* sorted by name */
    size_t count;
    size_t cap;
    bool has_layout;
};

static void
object_release(struct object *o)
{
    vv_free(o->name);
    vv_free(o->data);
}

/* The place of ${name}: where it is (true) or where it would have to be put.  Mutex held. */
static bool
find(const struct memory *m, const char *name, size_t *ret)
{
    size_t low = 0;
    size_t high = m->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(m->objects[middle].name, name);
        if (order == 0) {
            *ret = middle;
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret = low;
    return false;
}

/* Whether name[0..len) is a directory: one of the layout, or the parent of an object that a test
 * has put there.  Mutex held. */
static bool
is_directory(const struct memory *m, const char *name, size_t len)
{
    if (m->has_layout && (len == 0 || storage_layout_has(name, len))) {
        return true;
    }
    if (len == 0 || len >= STORAGE_NAME_MAX) {
        return len == 0 && m->count > 0;
    }
    char prefix[STORAGE_NAME_MAX + 1];
    memcpy(prefix, name, len);
    prefix[len] = '/';
    prefix[len + 1] = '\0';
    size_t at;
    (void)find(m, prefix, &at); /* never an object's name; what begins with it stands behind */
    return at < m->count && strncmp(m->objects[at].name, prefix, len + 1) == 0;
}

static enum vv_rc
not_found(const char *name, struct vv_error *err)
{
    return vv_error_set(err, VV_ENOTFOUND, "cannot open '%s%s': no such object", memory_url, name);
}

/* Put an object at place ${at}.  Mutex held. */
static enum vv_rc
insert(struct memory *m, size_t at, const char *name, struct vv_span data, struct vv_error *err)
{
    if (m->count == m->cap) {
        size_t cap = m->cap == 0 ? 16 : m->cap * 2;
        struct object *objects = vv_realloc_array(m->objects, cap, sizeof(*objects));
        if (objects == NULL) {
            return vv_error_nomem(err);
        }
        m->objects = objects;
        m->cap = cap;
    }
    struct object o = {
        .name = vv_strdup(name), .data = vv_memdup(data.data, data.len), .len = data.len};
    if (o.name == NULL || o.data == NULL) {
        object_release(&o);
        return vv_error_nomem(err);
    }
    memmove(&m->objects[at + 1], &m->objects[at], (m->count - at) * sizeof(o));
    m->objects[at] = o;
    m->count++;
    return VV_OK;
}

static void
drop(struct memory *m, size_t at)
{
    object_release(&m->objects[at]);
    m->count--;
    memmove(&m->objects[at], &m->objects[at + 1], (m->count - at) * sizeof(m->objects[0]));
}

static enum vv_rc
memory_publish(struct storage *s, const char *name, struct vv_span data, struct vv_error *err)
{
    struct memory *m = (struct memory *)s;
    enum vv_rc rc;
    size_t at;
    vv_mutex_lock(&m->mutex);
    if (find(m, name, &at) || is_directory(m, name, strlen(name))) {
        rc = vv_error_set(err, VV_EEXISTS, "'%s%s' exists already", memory_url, name);
    } else if (!is_directory(m, name, storage_directory_len(name))) {
        rc = not_found(name, err);
    } else {
        rc = insert(m, at, name, data, err);
    }
    vv_mutex_unlock(&m->mutex);
    return rc;
}

static enum vv_rc
memory_read(struct storage *s, const char *name, uint64_t offset, uint8_t *buf, size_t len,
            size_t *ret_len, struct vv_error *err)
{
    struct memory *m = (struct memory *)s;
    enum vv_rc rc = VV_OK;
    size_t at;
    vv_mutex_lock(&m->mutex);
    if (find(m, name, &at)) {
        const struct object *o = &m->objects[at];
        size_t there = offset < o->len ? o->len - (size_t)offset : 0;
        size_t n = len < there ? len : there;
        if (n > 0) {
            memcpy(buf, o->data + offset, n);
        }
        *ret_len = n;
    } else {
        rc = not_found(name, err);
    }
    vv_mutex_unlock(&m->mutex);
    return rc;
}

static enum vv_rc
memory_size(struct storage *s, const char *name, uint64_t *ret, struct vv_error *err)
{
    struct memory *m = (struct memory *)s;
    enum vv_rc rc = VV_OK;
    size_t at;
    vv_mutex_lock(&m->mutex);
    if (find(m, name, &at)) {
        *ret = m->objects[at].len;
    } else {
        rc = not_found(name, err);
    }
    vv_mutex_unlock(&m->mutex);
    return rc;
}

/* Copy the names in ${directory}, each followed by its NUL, and the sizes.  Mutex held. */
static void
collect(const struct memory *m, const char *directory, struct vv_buf *names, struct vv_buf *sizes)
{
    size_t len = strlen(directory);
    for (size_t i = 0; i < m->count; i++) {
        const struct object *o = &m->objects[i];
        if (storage_directory_len(o->name) == len && strncmp(o->name, directory, len) == 0) {
            const char *leaf = storage_leaf(o->name);
            vv_buf_put(names, leaf, strlen(leaf) + 1);
            vv_buf_put_u64(sizes, o->len);
        }
    }
}

static enum vv_rc
memory_list(struct storage *s, const char *directory, storage_list_fn *fn, void *ctx,
            struct vv_error *err)
{
    struct memory *m = (struct memory *)s;
    VV_CLEANUP(vv_buf_release) struct vv_buf names = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf sizes = {0};
    vv_mutex_lock(&m->mutex);
    bool known = is_directory(m, directory, strlen(directory));
    collect(m, directory, &names, &sizes);
    vv_mutex_unlock(&m->mutex);
    if (!known) {
        return not_found(directory, err);
    }
    VV_TRY(vv_buf_check(&names, err));
    VV_TRY(vv_buf_check(&sizes, err));
    /* not under the mutex: the callback may use the storage */
    const char *name = (const char *)names.data;
    for (size_t i = 0; i < sizes.len; i += sizeof(uint64_t)) {
        VV_TRY(fn(ctx, name, vv_load_u64(sizes.data + i), err));
        name += strlen(name) + 1;
    }
    return VV_OK;
}

static enum vv_rc
memory_remove(struct storage *s, const char *name, struct vv_error *err)
{
    struct memory *m = (struct memory *)s;
    enum vv_rc rc = VV_OK;
    size_t at;
    vv_mutex_lock(&m->mutex);
    if (find(m, name, &at)) {
        drop(m, at);
    } else {
        rc = not_found(name, err);
    }
    vv_mutex_unlock(&m->mutex);
    return rc;
}

static enum vv_rc
memory_make_layout(struct storage *s, struct vv_error *err)
{
    struct memory *m = (struct memory *)s;
    vv_mutex_lock(&m->mutex);
    bool empty = !m->has_layout && m->count == 0;
    if (empty) {
        m->has_layout = true;
    }
    vv_mutex_unlock(&m->mutex);
    if (!empty) {
        vv_error_set(err, VV_EREFUSED, "'%s' is not empty", memory_url);
        vv_error_hint(err, "choose an empty storage");
        return VV_EREFUSED;
    }
    return VV_OK;
}

static enum vv_rc
memory_complete_layout(struct storage *s, struct vv_error *err)
{
    struct memory *m = (struct memory *)s;
    (void)err;
    vv_mutex_lock(&m->mutex);
    m->has_layout = true;
    vv_mutex_unlock(&m->mutex);
    return VV_OK;
}

static uint32_t
memory_abilities(struct storage *s)
{
    (void)s;
    return STORAGE_EXCLUSIVE_CREATE | STORAGE_DURABLE_FILE | STORAGE_DURABLE_NAME |
           STORAGE_COMPLETE_LISTING | STORAGE_DELETE;
}

static void
memory_free(struct storage *s)
{
    struct memory *m = (struct memory *)s;
    for (size_t i = 0; i < m->count; i++) {
        object_release(&m->objects[i]);
    }
    vv_free(m->objects);
    vv_mutex_release(&m->mutex);
    vv_free(m);
}

static const struct storage_ops memory_ops = {
    .scheme = "memory",
    .publish = memory_publish,
    .read = memory_read,
    .size = memory_size,
    .list = memory_list,
    .remove = memory_remove,
    .make_layout = memory_make_layout,
    .complete_layout = memory_complete_layout,
    .abilities = memory_abilities,
    .free = memory_free,
};

enum vv_rc
storage_memory_new(struct storage **ret, struct vv_error *err)
{
    struct memory *m = vv_alloc_array(1, sizeof(*m));
    if (m == NULL) {
        return vv_error_origin(err, VV_ORIGIN_REPOSITORY, vv_error_nomem(err));
    }
    m->base = (struct storage){.ops = &memory_ops, .url = memory_url};
    vv_mutex_init(&m->mutex);
    *ret = &m->base;
    return VV_OK;
}

enum vv_rc
storage_memory_poke(struct storage *s, const char *name, struct vv_span data, struct vv_error *err)
{
    struct memory *m = (struct memory *)s;
    enum vv_rc rc = VV_OK;
    size_t at;
    vv_mutex_lock(&m->mutex);
    bool there = find(m, name, &at);
    if (data.data == NULL) {
        if (there) {
            drop(m, at);
        }
    } else if (there) {
        uint8_t *copy = vv_memdup(data.data, data.len);
        if (copy == NULL) {
            rc = vv_error_nomem(err);
        } else {
            vv_free(m->objects[at].data);
            m->objects[at].data = copy;
            m->objects[at].len = data.len;
        }
    } else {
        rc = insert(m, at, name, data, err);
    }
    vv_mutex_unlock(&m->mutex);
    return vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
}

enum vv_rc
storage_memory_clone(struct storage *s, struct storage **ret, struct vv_error *err)
{
    struct memory *m = (struct memory *)s;
    VV_CLEANUP(storage_freep) struct storage *copy = NULL;
    VV_TRY(storage_memory_new(&copy, err));
    struct memory *c = (struct memory *)copy;
    enum vv_rc rc = VV_OK;
    vv_mutex_lock(&m->mutex);
    c->has_layout = m->has_layout;
    for (size_t i = 0; i < m->count && rc == VV_OK; i++) {
        rc = insert(c, i, m->objects[i].name, vv_span(m->objects[i].data, m->objects[i].len), err);
    }
    vv_mutex_unlock(&m->mutex);
    if (rc != VV_OK) {
        return vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
    }
    *ret = TAKE(copy);
    return VV_OK;
}

bool
storage_memory_peek(struct storage *s, const char *name, struct vv_span *ret)
{
    struct memory *m = (struct memory *)s;
    size_t at;
    vv_mutex_lock(&m->mutex);
    bool there = find(m, name, &at);
    if (there) {
        *ret = vv_span(m->objects[at].data, m->objects[at].len);
    }
    vv_mutex_unlock(&m->mutex);
    return there;
}
