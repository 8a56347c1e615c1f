/* SPDX-License-Identifier: BSD-2-Clause */
/* The chunk reader's cache of decoded blocks. */

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "repo/chunk_reader_internal.h"

uint64_t
chunk_reader_block_hash(const struct pack_name *pack, uint32_t number)
{
    return vv_hash64(pack, sizeof(*pack), number);
}

/* --- the cache; lock held --------------------------------------------------------------------- */

static void
unlink_use(struct chunk_reader *c, struct cached_block *b)
{
    if (b->newer != NULL) {
        b->newer->older = b->older;
    } else {
        c->newest = b->older;
    }
    if (b->older != NULL) {
        b->older->newer = b->newer;
    } else {
        c->oldest = b->newer;
    }
}

static void
link_newest(struct chunk_reader *c, struct cached_block *b)
{
    b->newer = NULL;
    b->older = c->newest;
    if (c->newest != NULL) {
        c->newest->newer = b;
    } else {
        c->oldest = b;
    }
    c->newest = b;
}

static struct cached_block *
look_up(struct chunk_reader *c, const struct chunk_location *loc)
{
    struct cached_block *b =
        c->table[chunk_reader_block_hash(&loc->pack, loc->block_number) % TABLE_SIZE];

    while (b != NULL &&
           (b->number != loc->block_number || pack_name_compare(&b->pack, &loc->pack) != 0)) {
        b = b->chain;
    }
    return b;
}

bool
chunk_reader_is_cached(struct chunk_reader *c, const struct chunk_location *loc)
{
    return look_up(c, loc) != NULL;
}

static struct cached_block *
find_cached(struct chunk_reader *c, const struct chunk_location *loc)
{
    struct cached_block *b = look_up(c, loc);

    if (b != NULL) {
        unlink_use(c, b);
        link_newest(c, b);
        b->pins++;
    }
    return b;
}

static void
drop(struct chunk_reader *c, struct cached_block *b)
{
    struct cached_block **at = &c->table[chunk_reader_block_hash(&b->pack, b->number) % TABLE_SIZE];

    while (*at != b) {
        at = &(*at)->chain;
    }
    *at = b->chain;
    unlink_use(c, b);
    c->bytes -= b->len;
    vv_free(b->bytes);
    vv_free(b);
}

static void
make_room(struct chunk_reader *c)
{
    struct cached_block *b = c->oldest;

    while (b != NULL && c->bytes > c->bytes_max) {
        struct cached_block *newer = b->newer;
        if (b->pins == 0) {
            drop(c, b);
        }
        b = newer;
    }
}

static void
insert(struct chunk_reader *c, struct cached_block *b)
{
    struct cached_block **head =
        &c->table[chunk_reader_block_hash(&b->pack, b->number) % TABLE_SIZE];

    b->chain = *head;
    *head = b;
    link_newest(c, b);
    c->bytes += b->len;
    make_room(c);
}

/* --- reading ---------------------------------------------------------------------------------- */

static enum vv_rc
take_reader(struct chunk_reader *c, struct pack_reader **ret, struct vv_error *err)
{
    *ret = NULL;
    vv_mutex_lock(&c->lock);
    if (c->idle_count > 0) {
        *ret = c->idle[--c->idle_count];
    }
    vv_mutex_unlock(&c->lock);
    return *ret != NULL ? VV_OK : pack_reader_new(c->keys, ret, err);
}

static void
give_reader(struct chunk_reader *c, struct pack_reader *p)
{
    vv_mutex_lock(&c->lock);
    if (c->idle_count < READERS_MAX) {
        c->idle[c->idle_count++] = p;
        p = NULL;
    }
    vv_mutex_unlock(&c->lock);
    pack_reader_free(p);
}

/** Where the bytes of a block come from. */
typedef enum vv_rc read_block_fn(struct chunk_reader *c, struct pack_reader *p,
                                 const struct chunk_location *loc, uint8_t *out,
                                 struct vv_error *err);

static enum vv_rc
read_stored(struct chunk_reader *c, struct pack_reader *p, const struct chunk_location *loc,
            uint8_t *out, struct vv_error *err)
{
    (void)c;
    return pack_read_block(p, loc, out, err);
}

/** Read a block and put it into the cache, pinned. */
static enum vv_rc
fetch(struct chunk_reader *c, const struct chunk_location *loc, read_block_fn *read,
      struct cached_block **ret, struct vv_error *err)
{
    struct pack_reader *p = NULL;
    struct cached_block *b;
    struct cached_block *twin;
    enum vv_rc rc;

    if (loc->block_plain > LIMIT_BLOCK_PLAIN) {
        return vv_error_set(err, VV_ECORRUPT, "a block of impossible size");
    }
    b = vv_alloc_array(1, sizeof(*b));
    if (b == NULL || (b->bytes = vv_alloc((size_t)loc->block_plain + 1)) == NULL) {
        vv_free(b);
        return vv_error_nomem(err);
    }
    rc = take_reader(c, &p, err);
    if (rc == VV_OK) {
        rc = read(c, p, loc, b->bytes, err);
        give_reader(c, p);
    }
    if (rc != VV_OK) {
        vv_free(b->bytes);
        vv_free(b);
        return rc;
    }
    b->pack = loc->pack;
    b->number = loc->block_number;
    b->len = loc->block_plain;
    vv_mutex_lock(&c->lock);
    twin = find_cached(c, loc); /* another thread was faster */
    if (twin == NULL) {
        b->pins = 1;
        insert(c, b);
    }
    vv_mutex_unlock(&c->lock);
    if (twin != NULL) {
        vv_free(b->bytes);
        vv_free(b);
        b = twin;
    }
    *ret = b;
    return VV_OK;
}

enum vv_rc
chunk_reader_fetch(struct chunk_reader *c, const struct chunk_location *loc,
                   struct cached_block **ret, struct vv_error *err)
{
    return fetch(c, loc, read_stored, ret, err);
}

static enum vv_rc
pin(struct chunk_reader *c, const struct chunk_location *loc, read_block_fn *read,
    struct cached_block **ret, struct vv_error *err)
{
    struct cached_block *b;

    vv_mutex_lock(&c->lock);
    b = find_cached(c, loc);
    if (b == NULL) {
        chunk_reader_ahead_wait(c, loc);
        b = find_cached(c, loc);
    }
    vv_mutex_unlock(&c->lock);
    if (b == NULL) {
        return fetch(c, loc, read, ret, err);
    }
    *ret = b;
    return VV_OK;
}

enum vv_rc
chunk_reader_pin(struct chunk_reader *c, const struct chunk_location *loc,
                 struct cached_block **ret, struct vv_error *err)
{
    return pin(c, loc, read_stored, ret, err);
}

enum vv_rc
chunk_reader_pin_healed(struct chunk_reader *c, const struct chunk_location *loc,
                        struct cached_block **ret, struct vv_error *err)
{
    return pin(c, loc, chunk_reader_healed_block, ret, err);
}

void
chunk_reader_unpin(struct chunk_reader *c, struct cached_block *b)
{
    vv_mutex_lock(&c->lock);
    b->pins--;
    make_room(c);
    vv_mutex_unlock(&c->lock);
}
