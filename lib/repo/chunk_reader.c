/* SPDX-License-Identifier: BSD-2-Clause */
/* Chunks by id, through a cache of decoded blocks. */

#include <string.h>

#include "core/alloc.h"
#include "core/fast_hash.h"
#include "core/thread.h"
#include "repo/chunk_index_internal.h"
#include "repo/pack_reader.h"

#define TABLE_SIZE 1024u /* hash table of cached blocks */
#define READERS_MAX 64u
#define BAD_MAX 4096u  /* damaged blocks remembered; more are reported again each time */
#define ROUNDS_MAX 16u /* packs may go on vanishing, but not for ever */
#define GONE_MAX 1024u /* packs found missing; direct-mapped, forgotten ones cost a listing */

/** A decoded block.  In use while pinned; otherwise it may be thrown out. */
struct cached_block {
    struct pack_name pack;
    uint32_t number;
    uint32_t len;
    unsigned pins;
    uint8_t *bytes;
    struct cached_block *chain;         /* in the hash table */
    struct cached_block *newer, *older; /* by last use */
};

/** A pack that was missing, and the index' generation when that was seen first. */
struct gone_pack {
    struct pack_name name;
    uint64_t generation;
};

struct chunk_reader {
    struct repo *repo;
    struct chunk_index *index;
    struct pack_keys *keys;
    struct vv_mutex lock; /* guards all below */
    struct cached_block *table[TABLE_SIZE];
    struct cached_block *newest, *oldest;
    size_t bytes;
    size_t bytes_max;
    struct pack_reader *idle[READERS_MAX];
    unsigned idle_count;
    uint64_t bad[BAD_MAX]; /* hashes of damaged blocks already reported */
    unsigned bad_count;
    struct gone_pack gone[GONE_MAX];
};

enum vv_rc
chunk_reader_new(struct repo *r, struct chunk_index *x, size_t cache_bytes,
                 struct chunk_reader **ret, struct vv_error *err)
{
    struct chunk_reader *c = vv_alloc_array(1, sizeof(*c));
    enum vv_rc rc;

    if (c == NULL) {
        return vv_error_nomem(err);
    }
    c->repo = r;
    c->index = x;
    c->bytes_max = cache_bytes;
    vv_mutex_init(&c->lock);
    rc = pack_keys_new(r, &c->keys, err);
    if (rc != VV_OK) {
        chunk_reader_free(c);
        return rc;
    }
    *ret = c;
    return VV_OK;
}

void
chunk_reader_free(struct chunk_reader *c)
{
    struct cached_block *b;

    if (c == NULL) {
        return;
    }
    for (b = c->newest; b != NULL;) {
        struct cached_block *older = b->older;
        vv_free(b->bytes);
        vv_free(b);
        b = older;
    }
    for (unsigned i = 0; i < c->idle_count; i++) {
        pack_reader_free(c->idle[i]);
    }
    pack_keys_free(c->keys);
    vv_mutex_release(&c->lock);
    vv_free(c);
}

struct chunk_index *
chunk_reader_index(struct chunk_reader *c)
{
    return c->index;
}

struct pack_keys *
chunk_reader_keys(struct chunk_reader *c)
{
    return c->keys;
}

static uint64_t
block_hash(const struct pack_name *pack, uint32_t number)
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
find_cached(struct chunk_reader *c, const struct chunk_location *loc)
{
    struct cached_block *b = c->table[block_hash(&loc->pack, loc->block_number) % TABLE_SIZE];

    while (b != NULL &&
           (b->number != loc->block_number || pack_name_compare(&b->pack, &loc->pack) != 0)) {
        b = b->chain;
    }
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
    struct cached_block **at = &c->table[block_hash(&b->pack, b->number) % TABLE_SIZE];

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
    struct cached_block **head = &c->table[block_hash(&b->pack, b->number) % TABLE_SIZE];

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

/** A decoded block, pinned. */
static enum vv_rc
get_block(struct chunk_reader *c, const struct chunk_location *loc, struct cached_block **ret,
          struct vv_error *err)
{
    struct pack_reader *p = NULL;
    struct cached_block *b;
    struct cached_block *twin;
    enum vv_rc rc;

    vv_mutex_lock(&c->lock);
    b = find_cached(c, loc);
    vv_mutex_unlock(&c->lock);
    if (b != NULL) {
        *ret = b;
        return VV_OK;
    }
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
        rc = pack_read_block(p, loc, b->bytes, err);
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

static void
put_block(struct chunk_reader *c, struct cached_block *b)
{
    vv_mutex_lock(&c->lock);
    b->pins--;
    make_room(c);
    vv_mutex_unlock(&c->lock);
}

/** Say once that a place is damaged. */
static void
report_bad(struct chunk_reader *c, const struct chunk_location *loc, const char *text)
{
    uint64_t hash = block_hash(&loc->pack, loc->block_number);
    char object[PACK_OBJECT_TEXT];
    bool known = false;

    vv_mutex_lock(&c->lock);
    for (unsigned i = 0; i < c->bad_count && !known; i++) {
        known = c->bad[i] == hash;
    }
    if (!known && c->bad_count < BAD_MAX) {
        c->bad[c->bad_count++] = hash;
    }
    vv_mutex_unlock(&c->lock);
    if (!known) {
        pack_object_text(&loc->pack, object);
        vv_emit(repo_events(c->repo), VV_EVENT_PROBLEM, "block-damaged",
                vv_span(object, strlen(object)), "%s", text);
    }
}

/** Copy the chunk out of one instance of a place's pack. */
static enum vv_rc
read_instance(struct chunk_reader *c, const struct chunk_location *loc, enum chunk_type type,
              const struct vv_id *id, struct vv_buf *out, struct vv_error *err)
{
    struct cached_block *b = NULL;
    struct vv_id found;
    struct vv_span bytes;
    enum vv_rc rc;

    VV_TRY(get_block(c, loc, &b, err));
    if (loc->chunk_offset > b->len || loc->chunk_len > b->len - loc->chunk_offset) {
        put_block(c, b);
        return vv_error_set(err, VV_ECORRUPT, "a chunk outside its block");
    }
    bytes = vv_span(b->bytes + loc->chunk_offset, loc->chunk_len);
    chunk_id(repo_keyring(c->repo), type, bytes, &found);
    if (vv_id_equal(&found, id)) {
        rc = vv_buf_reserve(out, bytes.len, err);
        if (rc == VV_OK) {
            vv_buf_put(out, bytes.data, bytes.len);
        }
    } else {
        rc = vv_error_set(err, VV_ECORRUPT, "a chunk does not have its id");
    }
    put_block(c, b);
    return rc;
}

/** Is this a failure of the place, so that another may serve? */
static bool
is_of_place(enum vv_rc rc)
{
    return rc == VV_ENOTFOUND || rc == VV_ECORRUPT || rc == VV_EIO || rc == VV_ETRANSIENT ||
           rc == VV_EUNSUPPORTED;
}

/** Copy the chunk out of a place, or the same place in another instance of the pack.  Fails with
 *  what the instance named fails with. */
static enum vv_rc
read_place(struct chunk_reader *c, const struct chunk_location *loc, enum chunk_type type,
           const struct vv_id *id, struct vv_buf *out, struct vv_error *err)
{
    struct chunk_location other = *loc;
    enum vv_rc rc = read_instance(c, loc, type, id, out, err);

    if (!is_of_place(rc)) {
        return rc;
    }
    if (rc != VV_ENOTFOUND && rc != VV_ETRANSIENT) {
        report_bad(c, loc, err->message);
    }
    for (uint32_t nth = 0; index_instance(c->index, &loc->pack, nth, &other.pack, NULL) == VV_OK;
         nth++) {
        if (read_instance(c, &other, type, id, out, NULL) == VV_OK) {
            return VV_OK;
        }
    }
    return rc;
}

/** Was the look-up of ${generation} made after this pack was first found missing?  Prune deletes a
 *  pack only when the index names other places for what lives in it, so that is conclusive for all
 *  chunks it held. */
static bool
looked_up_since_gone(struct chunk_reader *c, const struct pack_name *name, uint64_t generation)
{
    struct gone_pack *g = &c->gone[block_hash(name, 0) % GONE_MAX];
    bool since;

    vv_mutex_lock(&c->lock);
    if (g->generation == 0 || pack_name_compare(&g->name, name) != 0) {
        *g = (struct gone_pack){*name, generation};
    }
    since = generation > g->generation;
    vv_mutex_unlock(&c->lock);
    return since;
}

/** What one look-up in the index led to. */
struct round {
    struct vv_error first; /* the first failure */
    bool found;            /* there was a place at all */
    bool damaged;
    bool transient;
    bool stale; /* a pack was gone that may have been moved since the look-up */
};

/** Try every place one view of the index knows. */
static enum vv_rc
read_in_view(struct chunk_reader *c, const struct index_view *v, enum chunk_type type,
             const struct vv_id *id, struct vv_buf *out, struct round *ret, struct vv_error *err)
{
    struct chunk_location loc;

    for (uint32_t nth = 0; index_view_pick(v, type, id, nth, &loc); nth++) {
        struct vv_error why = {0};
        enum vv_rc rc = read_place(c, &loc, type, id, out, &why);
        if (!is_of_place(rc)) {
            if (rc != VV_OK && err != NULL) {
                *err = why;
            }
            return rc;
        }
        if (!ret->found) {
            ret->first = why;
        }
        ret->found = true;
        ret->transient = ret->transient || rc == VV_ETRANSIENT;
        ret->damaged = ret->damaged || (rc != VV_ENOTFOUND && rc != VV_ETRANSIENT);
        if (rc == VV_ENOTFOUND && !looked_up_since_gone(c, &loc.pack, v->generation)) {
            ret->stale = true;
        } else if (rc == VV_ENOTFOUND) {
            report_bad(c, &loc, "the pack is missing");
        }
    }
    return VV_ENOTFOUND;
}

static enum vv_rc
give_up(const struct round *round, struct vv_error *err)
{
    enum vv_rc rc = round->transient ? VV_ETRANSIENT : round->damaged ? VV_ECORRUPT : VV_ENOTFOUND;

    if (!round->found) {
        return vv_error_set(err, VV_ENOTFOUND, "the index has no such chunk");
    }
    if (err != NULL) {
        *err = round->first;
        err->rc = rc;
    }
    return rc;
}

enum vv_rc
chunk_read(struct chunk_reader *c, enum chunk_type type, const struct vv_id *id, struct vv_buf *out,
           struct vv_error *err)
{
    bool more = true;

    for (unsigned rounds = 0;; rounds++) {
        struct round round = {0};
        struct index_view v;
        uint64_t generation;
        enum vv_rc rc;
        VV_TRY(vv_cancel_check(repo_cancel(c->repo), err));
        VV_TRY(index_view_open(c->index, &v, err));
        generation = v.generation;
        rc = read_in_view(c, &v, type, id, out, &round, err);
        index_view_close(c->index, &v);
        if (rc != VV_ENOTFOUND) {
            return rc;
        }
        if (round.stale && rounds < ROUNDS_MAX) {
            VV_TRY(index_newer(c->index, generation, err));
            continue; /* what was gone then is not stale the next time */
        }
        if (!round.transient) {
            VV_TRY(index_widen(c->index, generation, &more, err));
        }
        if (round.transient || !more) {
            return give_up(&round, err);
        }
    }
}
