/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calls every driver is reached through: they check names and arguments once for all of them
 * and note that an error comes from the repository.
 */
#include "storage/storage.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "storage/storage_internal.h"

enum { MAX_COMPONENTS = 3, READ_FIRST = 256 * 1024 };

/* Whether ${c} may appear in a name; ASCII only, whatever the locale. */
static bool
is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool
storage_component_valid(const char *text, size_t len)
{
    if (len == 0 || len > STORAGE_COMPONENT_MAX) {
        return false;
    }
    if (text[0] == '.' && (len == 1 || (len == 2 && text[1] == '.'))) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_name_char(text[i])) {
            return false;
        }
    }
    return true;
}

/* Whether ${name} has between one and ${max} valid components. */
static bool
components_valid(const char *name, unsigned max)
{
    if (strnlen(name, STORAGE_NAME_MAX + 1) > STORAGE_NAME_MAX) {
        return false;
    }
    for (unsigned n = 1;; n++) {
        size_t len = strcspn(name, "/");
        if (n > max || !storage_component_valid(name, len)) {
            return false;
        }
        if (name[len] == '\0') {
            return true;
        }
        name += len + 1;
    }
}

bool
storage_name_valid(const char *name)
{
    return components_valid(name, MAX_COMPONENTS);
}

const char *
storage_leaf(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash == NULL ? name : slash + 1;
}

size_t
storage_directory_len(const char *name)
{
    const char *leaf = storage_leaf(name);
    return leaf == name ? 0 : (size_t)(leaf - name) - 1;
}

static enum vv_rc
check_name(const char *name, struct vv_error *err)
{
    if (!storage_name_valid(name)) {
        return vv_error_set(err, VV_EUSAGE, "'%s' is not a name an object can have", name);
    }
    return VV_OK;
}

/* Put the mark of the repository on an error of it. */
static enum vv_rc
noted(struct vv_error *err, enum vv_rc rc)
{
    return rc == VV_OK ? VV_OK : vv_error_origin(err, VV_ORIGIN_REPOSITORY, rc);
}

/* Like VV_TRY, with the mark. */
#define TRY_NOTED(call)                                                                            \
    do {                                                                                           \
        enum vv_rc noted_rc_ = (call);                                                             \
        if (noted_rc_ != VV_OK) {                                                                  \
            return noted(err, noted_rc_);                                                          \
        }                                                                                          \
    } while (0)

enum vv_rc
storage_publish(struct storage *s, const char *name, struct vv_span data, struct vv_error *err)
{
    TRY_NOTED(check_name(name, err));
    return noted(err, s->ops->publish(s, name, data, err));
}

enum vv_rc
storage_read(struct storage *s, const char *name, uint64_t offset, uint8_t *buf, size_t len,
             size_t *ret_len, struct vv_error *err)
{
    TRY_NOTED(check_name(name, err));
    return noted(err, s->ops->read(s, name, offset, buf, len, ret_len, err));
}

static enum vv_rc
too_large(const struct storage *s, const char *name, uint64_t size, uint64_t limit,
          struct vv_error *err)
{
    return noted(err, vv_error_set(err, VV_ELIMIT,
                                   "'%s' in '%s' has %llu bytes, more than the %llu allowed", name,
                                   s->url, (unsigned long long)size, (unsigned long long)limit));
}

/* Where a call is a round trip over a long line: read at once as much as most objects have, without
 * asking for the size.  *ret_whole: that was all. */
static enum vv_rc
read_first(struct storage *s, const char *name, uint64_t limit, struct vv_buf *out, bool *ret_whole,
           struct vv_error *err)
{
    size_t want = limit < READ_FIRST ? (size_t)limit + 1 : READ_FIRST;
    size_t got = 0;

    TRY_NOTED(vv_buf_reserve(out, want, err));
    TRY_NOTED(s->ops->read(s, name, 0, out->data + out->len, want, &got, err));
    if (got > limit) {
        return too_large(s, name, got, limit, err);
    }
    *ret_whole = got < want;
    out->len += got;
    return VV_OK;
}

/* The whole object but its first ${had} bytes. */
static enum vv_rc
read_rest(struct storage *s, const char *name, uint64_t had, uint64_t limit, struct vv_buf *out,
          struct vv_error *err)
{
    uint64_t size = 0;
    size_t got = 0;

    TRY_NOTED(storage_size(s, name, &size, err));
    if (size > limit || size > SIZE_MAX) {
        return too_large(s, name, size, limit, err);
    }
    if (size > had || had == 0) {
        TRY_NOTED(vv_buf_reserve(out, (size_t)(size - had), err));
        uint8_t *to = out->data == NULL ? NULL : out->data + out->len;
        TRY_NOTED(s->ops->read(s, name, had, to, (size_t)(size - had), &got, err));
    }
    if (had + got != size) {
        return noted(err, vv_error_set(err, VV_EIO, "'%s' in '%s' ended after %llu of %llu bytes",
                                       name, s->url, (unsigned long long)(had + got),
                                       (unsigned long long)size));
    }
    out->len += got;
    return VV_OK;
}

enum vv_rc
storage_read_all(struct storage *s, const char *name, uint64_t limit, struct vv_buf *out,
                 struct vv_error *err)
{
    size_t before = out->len;
    bool whole = false;
    enum vv_rc rc = VV_OK;

    TRY_NOTED(check_name(name, err));
    if (storage_parallel(s) > 1) {
        rc = read_first(s, name, limit, out, &whole, err);
    }
    if (rc == VV_OK && !whole) {
        rc = read_rest(s, name, out->len - before, limit, out, err);
    }
    if (rc != VV_OK) {
        out->len = before;
    }
    return rc;
}

enum vv_rc
storage_size(struct storage *s, const char *name, uint64_t *ret, struct vv_error *err)
{
    TRY_NOTED(check_name(name, err));
    return noted(err, s->ops->size(s, name, ret, err));
}

/* Between a driver and the caller's callback: remembers that the callback, not the storage, failed.
 */
struct list_relay {
    storage_list_fn *fn;
    void *ctx;
    bool refused;
};

static enum vv_rc
relay(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct list_relay *r = ctx;
    enum vv_rc rc = r->fn(r->ctx, name, size, err);
    r->refused = rc != VV_OK;
    return rc;
}

enum vv_rc
storage_list(struct storage *s, const char *directory, storage_list_fn *fn, void *ctx,
             struct vv_error *err)
{
    if (directory[0] != '\0' && !components_valid(directory, MAX_COMPONENTS - 1)) {
        return noted(err, vv_error_set(err, VV_EUSAGE, "'%s' is not a name a directory can have",
                                       directory));
    }
    struct list_relay r = {.fn = fn, .ctx = ctx};
    enum vv_rc rc = s->ops->list(s, directory, relay, &r, err);
    return r.refused ? rc : noted(err, rc);
}

enum vv_rc
storage_remove(struct storage *s, const char *name, struct vv_error *err)
{
    TRY_NOTED(check_name(name, err));
    return noted(err, s->ops->remove(s, name, err));
}

static bool
same_directory(const char *a, const char *b)
{
    size_t len = storage_directory_len(a);

    return storage_directory_len(b) == len && memcmp(a, b, len) == 0;
}

enum vv_rc
storage_remove_many(struct storage *s, const char *const *names, size_t count, struct vv_error *err)
{
    for (size_t i = 0; i < count; i++) {
        TRY_NOTED(check_name(names[i], err));
        if (!same_directory(names[0], names[i])) {
            return noted(err, vv_error_set(err, VV_EUSAGE, "'%s' and '%s' are not in one directory",
                                           names[0], names[i]));
        }
    }
    if (s->ops->remove_many != NULL && count > 0) {
        return noted(err, s->ops->remove_many(s, names, count, err));
    }
    for (size_t i = 0; i < count; i++) {
        enum vv_rc rc = s->ops->remove(s, names[i], err);
        if (rc != VV_ENOTFOUND) {
            TRY_NOTED(rc);
        }
        vv_error_clear(err);
    }
    return VV_OK;
}

enum vv_rc
storage_make_layout(struct storage *s, struct vv_error *err)
{
    return noted(err, s->ops->make_layout(s, err));
}

enum vv_rc
storage_complete_layout(struct storage *s, struct vv_error *err)
{
    return noted(err, s->ops->complete_layout != NULL ? s->ops->complete_layout(s, err)
                                                      : s->ops->make_layout(s, err));
}

uint32_t
storage_abilities(struct storage *s)
{
    return s->ops->abilities(s);
}

enum vv_rc
storage_space(struct storage *s, uint64_t *ret_free, uint64_t *ret_total, struct vv_error *err)
{
    if (s->ops->space == NULL) {
        return noted(err, vv_error_set(err, VV_EUNSUPPORTED,
                                       "the storage of '%s' does not tell how much space it has",
                                       s->url));
    }
    return noted(err, s->ops->space(s, ret_free, ret_total, err));
}

bool
storage_local_identity(struct storage *s, uint64_t *ret_device, uint64_t *ret_inode)
{
    return s->ops->local_identity != NULL && s->ops->local_identity(s, ret_device, ret_inode);
}

void
storage_uncache(struct storage *s, const char *name)
{
    if (s->ops->uncache != NULL && storage_name_valid(name)) {
        s->ops->uncache(s, name);
    }
}

void
storage_set_session(struct storage *s, const char *session_text)
{
    assert(strlen(session_text) <= STORAGE_SESSION_MAX);
    assert(storage_component_valid(session_text, strlen(session_text)));
    if (s->ops->set_session != NULL) {
        s->ops->set_session(s, session_text);
    }
}

enum vv_rc
storage_digests(struct storage *s, struct storage_digest *items, size_t count, struct vv_error *err)
{
    assert(count <= STORAGE_DIGESTS_MOST);
    if (s->ops->digests == NULL) {
        return vv_error_set(err, VV_EUNSUPPORTED, "'%s' has no host that computes digests", s->url);
    }
    for (size_t i = 0; i < count; i++) {
        items[i].told = false;
        TRY_NOTED(check_name(items[i].name, err));
    }
    return noted(err, s->ops->digests(s, items, count, err));
}

unsigned
storage_parallel(struct storage *s)
{
    return s->ops->parallel == NULL ? 1 : s->ops->parallel(s);
}

bool
storage_set_rate_limit(struct storage *s, struct vv_rate_limit *limit)
{
    return s->ops->set_rate_limit != NULL && s->ops->set_rate_limit(s, limit);
}

enum vv_rc
storage_list_each_shard(struct storage *s, const char *directory, storage_list_fn *fn,
                        void *const ctxs[STORAGE_SHARDS], struct vv_error *err)
{
    char shard[STORAGE_COMPONENT_MAX + 4];

    if (!components_valid(directory, 1)) {
        return noted(err,
                     vv_error_set(err, VV_EUSAGE, "'%s' is not a directory of shards", directory));
    }
    if (s->ops->list_shards != NULL) {
        struct list_relay relays[STORAGE_SHARDS];
        void *relay_ctxs[STORAGE_SHARDS];
        bool refused = false;
        for (unsigned i = 0; i < STORAGE_SHARDS; i++) {
            relays[i] = (struct list_relay){.fn = fn, .ctx = ctxs[i]};
            relay_ctxs[i] = &relays[i];
        }
        enum vv_rc rc = s->ops->list_shards(s, directory, relay, relay_ctxs, err);
        for (unsigned i = 0; i < STORAGE_SHARDS; i++) {
            refused = refused || relays[i].refused;
        }
        return refused ? rc : noted(err, rc);
    }
    for (unsigned i = 0; i < STORAGE_SHARDS; i++) {
        (void)snprintf(shard, sizeof(shard), "%s/%02x", directory, i);
        VV_TRY(storage_list(s, shard, fn, ctxs[i], err));
    }
    return VV_OK;
}

enum vv_rc
storage_list_shards(struct storage *s, const char *directory, storage_list_fn *fn, void *ctx,
                    struct vv_error *err)
{
    void *ctxs[STORAGE_SHARDS];

    for (unsigned i = 0; i < STORAGE_SHARDS; i++) {
        ctxs[i] = ctx;
    }
    return storage_list_each_shard(s, directory, fn, ctxs, err);
}

enum vv_rc
storage_describe(struct storage *s, struct vv_buf *out, struct vv_error *err)
{
    return s->ops->describe == NULL ? VV_OK : noted(err, s->ops->describe(s, out, err));
}

void
storage_free(struct storage *s)
{
    if (s != NULL) {
        s->ops->free(s);
    }
}
