/* SPDX-License-Identifier: BSD-2-Clause */
/* The index: which packs are there, and what a writer may rely on (X1, X2). */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "repo/chunk_index_internal.h"

void
index_forget_shards(struct chunk_index *x)
{
    for (unsigned i = 0; i < SHARDS; i++) {
        vv_free(x->shards[i].packs);
        x->shards[i] = (struct shard){0};
    }
}

void
chunk_index_for_writing(struct chunk_index *x, const struct condemned_set *condemned,
                        const struct admin_records *admin, const struct vv_uuid *client)
{
    x->condemned = condemned;
    x->admin = admin;
    x->client = *client;
}

static enum vv_rc
add_listed(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct vv_buf *packs = ctx;
    struct listed_pack pack;

    (void)err;
    memset(&pack, 0, sizeof(pack));
    pack.size = size;
    if (pack_name_parse(name, strlen(name), &pack.name)) {
        vv_buf_put(packs, &pack, sizeof(pack));
    }
    return VV_OK;
}

static int
compare_listed(const void *a, const void *b)
{
    const struct listed_pack *x = a;
    const struct listed_pack *y = b;

    return pack_name_compare(&x->name, &y->name);
}

/** A pack in a listing, NULL if it is not there. */
static const struct listed_pack *
find_listed(const struct shard *s, const struct pack_name *name)
{
    const struct listed_pack wanted = {.name = *name};

    return s->count == 0 ? NULL
                         : bsearch(&wanted, s->packs, s->count, sizeof(*s->packs), compare_listed);
}

static void
set_shard(struct shard *s, struct vv_buf *packs)
{
    s->packs = (struct listed_pack *)(void *)TAKE(packs->data);
    s->count = packs->len / sizeof(*s->packs);
    s->listed = true;
    if (s->count > 0) {
        qsort(s->packs, s->count, sizeof(*s->packs), compare_listed);
    }
}

/** All shards at once, where one costs as much time as all.  Lock held. */
static enum vv_rc
list_all(struct chunk_index *x, struct vv_error *err)
{
    VV_CLEANUP(vv_freep) struct vv_buf *names = vv_alloc_array(SHARDS, sizeof(*names));
    void *ctxs[SHARDS];
    enum vv_rc rc;

    if (names == NULL) {
        return vv_error_nomem(err);
    }
    for (unsigned i = 0; i < SHARDS; i++) {
        ctxs[i] = &names[i];
    }
    rc = storage_list_each_shard(repo_storage(x->repo), "packs", add_listed, ctxs, err);
    for (unsigned i = 0; i < SHARDS; i++) {
        if (rc == VV_OK) {
            rc = vv_buf_check(&names[i], err);
        }
        if (rc == VV_OK && !x->shards[i].listed) {
            set_shard(&x->shards[i], &names[i]);
        }
        vv_buf_release(&names[i]);
    }
    return rc;
}

/** List a shard once per load.  Lock held. */
static enum vv_rc
list_shard(struct chunk_index *x, uint8_t number, struct shard **ret, struct vv_error *err)
{
    struct shard *s = &x->shards[number];
    struct vv_buf packs = {0};
    char directory[16] = "packs/";
    enum vv_rc rc;

    *ret = s;
    if (s->listed) {
        return VV_OK;
    }
    if (storage_parallel(repo_storage(x->repo)) > 1) {
        return list_all(x, err);
    }
    vv_hex(directory + 6, &number, 1);
    rc = storage_list(repo_storage(x->repo), directory, add_listed, &packs, err);
    if (rc == VV_OK) {
        rc = vv_buf_check(&packs, err);
    }
    if (rc == VV_OK) {
        set_shard(s, &packs);
    }
    vv_buf_release(&packs);
    return rc;
}

/** The nth listed instance with a hash, not counting ${except} (NULL: all count). */
static enum vv_rc
pick_instance(struct chunk_index *x, const struct vv_id *hash, const struct vv_uuid *except,
              uint32_t nth, struct pack_name *ret, struct vv_error *err)
{
    struct shard *s = NULL;
    bool found = false;
    enum vv_rc rc;

    vv_mutex_lock(&x->lock);
    rc = list_shard(x, hash->b[0], &s, err);
    for (size_t i = 0; rc == VV_OK && i < s->count && !found; i++) {
        if (vv_id_equal(&s->packs[i].name.hash, hash) &&
            (except == NULL || !vv_uuid_equal(&s->packs[i].name.suffix, except)) && nth-- == 0) {
            *ret = s->packs[i].name;
            found = true;
        }
    }
    vv_mutex_unlock(&x->lock);
    VV_TRY(rc);
    return found ? VV_OK : vv_error_set(err, VV_ENOTFOUND, "no other instance of this pack");
}

enum vv_rc
index_instance(struct chunk_index *x, const struct pack_name *name, uint32_t nth,
               struct pack_name *ret, struct vv_error *err)
{
    return pick_instance(x, &name->hash, &name->suffix, nth, ret, err);
}

enum vv_rc
index_same_hash(struct chunk_index *x, const struct vv_id *hash, uint32_t nth,
                struct pack_name *ret, struct vv_error *err)
{
    return pick_instance(x, hash, NULL, nth, ret, err);
}

enum vv_rc
chunk_index_instance(struct chunk_index *x, const struct pack_name *not_this, struct pack_name *ret,
                     struct vv_error *err)
{
    return index_instance(x, not_this, 0, ret, err);
}

/** X2 */
static bool
is_trusted(const struct chunk_index *x, const struct table_pack *p)
{
    const struct certificate *c;

    if (p->signature != TABLE_SIGNED) {
        return false;
    }
    if (vv_uuid_equal(&p->client, &x->client)) {
        return true;
    }
    c = admin_certificate(x->admin, &p->client);
    if (!certificate_may_write(c) || admin_revoked(x->admin, &p->client, UINT64_MAX)) {
        return false;
    }
    return c->role == KEY_ROLE_ADMIN || keyring_config(repo_keyring(x->repo))->dedup_trust == 1;
}

/** X1.  The listing tells sizes too: a pack of another size than its record's has lost bytes. */
static enum vv_rc
is_live(struct chunk_index *x, const struct table_pack *p, bool *ret, struct vv_error *err)
{
    const struct listed_pack *listed;
    struct shard *s = NULL;
    enum vv_rc rc;

    *ret = false;
    if (x->condemned->damaged > 0 || condemned_contains(x->condemned, &p->name) ||
        (x->admin->suspect_count > 0 &&
         bsearch(&p->name, x->admin->suspects, x->admin->suspect_count, sizeof(p->name),
                 pack_name_order) != NULL)) {
        return VV_OK;
    }
    vv_mutex_lock(&x->lock);
    rc = list_shard(x, p->name.hash.b[0], &s, err);
    if (rc == VV_OK) {
        listed = find_listed(s, &p->name);
        *ret = listed != NULL && listed->size == p->file_size;
    }
    vv_mutex_unlock(&x->lock);
    return rc;
}

/** X1 and X2 of one table. */
static enum vv_rc
is_usable_in(struct chunk_index *x, const struct index_table *t, enum chunk_type type,
             const struct vv_id *id, bool *ret, struct vv_error *err)
{
    uint64_t count;
    const struct table_record *records = table_records_of(t, type, id, &count);

    for (uint64_t i = 0; !*ret && i < count; i++) {
        const struct table_pack *p = table_pack_of(t, &records[i]);
        if (p != NULL && records[i].type == type && is_trusted(x, p)) {
            VV_TRY(is_live(x, p, ret, err));
        }
    }
    return VV_OK;
}

enum vv_rc
chunk_index_usable(struct chunk_index *x, enum chunk_type type, const struct vv_id *id, bool *ret,
                   struct vv_error *err)
{
    struct index_view v;
    bool live = false;
    enum vv_rc rc;

    assert(x->condemned != NULL && x->admin != NULL); /* chunk_index_for_writing */
    VV_TRY(index_view_open(x, &v, err));
    rc = is_usable_in(x, &v.table->t, type, id, &live, err);
    if (rc == VV_OK && !live && v.recent != NULL) {
        rc = is_usable_in(x, &v.recent->t, type, id, &live, err);
    }
    index_view_close(x, &v);
    VV_TRY(rc);
    *ret = live;
    return VV_OK;
}
