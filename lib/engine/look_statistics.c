/* SPDX-License-Identifier: BSD-2-Clause */
/* How much a repository holds. */

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/id_table_internal.h"
#include "engine/look_internal.h"

/** A pack the index names. */
struct counted_pack {
    struct pack_name name;
    uint8_t class;
};
struct statistics {
    struct repo *repo;
    struct vv_buf packs; /* struct counted_pack, sorted once all are in */
    struct id_table chunks;
    struct id_table seen_packs; /* by hash and suffix: several segments may name one pack */
    struct repo_statistics s;
};

static int
compare_packs(const void *a, const void *b)
{
    return pack_name_compare(&((const struct counted_pack *)a)->name,
                             &((const struct counted_pack *)b)->name);
}

/** Full names are 48 bytes; hash and suffix are both random, so this keeps them apart. */
static struct vv_id
pack_key(const struct pack_name *name)
{
    struct vv_id key = name->hash;

    for (unsigned i = 0; i < sizeof(name->suffix.b); i++) {
        key.b[i] ^= name->suffix.b[i];
    }
    return key;
}

static enum vv_rc
count_pack(void *ctx, const struct pack_name *name, const struct index_body *body,
           struct vv_error *err)
{
    struct statistics *t = ctx;
    struct counted_pack pack;
    struct pack_directory directory = {0};
    struct vv_id key = pack_key(name);
    struct id_slot *slot;
    bool is_new;
    enum vv_rc rc = VV_OK;

    VV_TRY(vv_cancel_check(repo_cancel(t->repo), err));
    VV_TRY(id_table_put(&t->seen_packs, &key, &slot, &is_new, err));
    if (!is_new) {
        return VV_OK;
    }
    memset(&pack, 0, sizeof(pack));
    pack.name = *name;
    pack.class = body->pack_class;
    vv_buf_put(&t->packs, &pack, sizeof(pack));
    VV_TRY(vv_buf_check(&t->packs, err));
    VV_TRY(pack_directory_decode(body->directory, body->file_size, &directory, err));
    t->s.blocks += directory.block_count;
    for (uint32_t i = 0; i < directory.chunk_count && rc == VV_OK; i++) {
        rc = id_table_put(&t->chunks, &directory.chunks[i].id, &slot, &is_new, err);
        if (rc == VV_OK && is_new) {
            t->s.chunks++;
            t->s.unique_bytes += directory.chunks[i].len;
        }
    }
    pack_directory_release(&directory);
    return rc;
}

/** The class of a listed pack: from the index, else from the pack's own header. */
static bool
is_metadata(struct statistics *t, const char *directory, const char *text)
{
    struct counted_pack wanted;
    const struct counted_pack *known = NULL;
    struct pack_header header;
    uint8_t bytes[PACK_HEADER_LEN];
    struct vv_buf name = {0};
    size_t got = 0;
    bool metadata = false;

    memset(&wanted, 0, sizeof(wanted));
    if (!pack_name_parse(text, strlen(text), &wanted.name)) {
        return false;
    }
    if (t->packs.len > 0) {
        known = bsearch(&wanted, t->packs.data, t->packs.len / sizeof(wanted), sizeof(wanted),
                        compare_packs);
    }
    if (known != NULL) {
        return known->class == PACK_METADATA;
    }
    vv_buf_printf(&name, "%s/%s", directory, text);
    if (storage_read(repo_storage(t->repo), vv_buf_text(&name), 0, bytes, sizeof(bytes), &got,
                     NULL) == VV_OK &&
        got == sizeof(bytes)) {
        metadata = pack_header_decode(bytes, repo_id(t->repo), &header, NULL) == VV_OK &&
                   header.class == PACK_METADATA;
    }
    vv_buf_release(&name);
    return metadata;
}

static void
count_shard(struct statistics *t, unsigned shard, const struct name_list *names)
{
    char directory[16] = "packs/";
    uint8_t number = (uint8_t)shard;

    vv_hex(directory + 6, &number, 1);
    for (size_t i = 0; i < names->count; i++) {
        t->s.packs++;
        t->s.stored_bytes += names->sizes[i];
        if (is_metadata(t, directory, names->names[i])) {
            t->s.metadata_bytes += names->sizes[i];
        }
    }
}

static enum vv_rc
count_packs(struct statistics *t, struct vv_error *err)
{
    struct name_list *shards = NULL;

    VV_TRY(repo_list_shards(t->repo, "packs", &shards, err));
    for (unsigned shard = 0; shard < STORAGE_SHARDS; shard++) {
        count_shard(t, shard, &shards[shard]);
    }
    name_lists_release(shards);
    return VV_OK;
}

/** Everything that is no pack. */
static enum vv_rc
count_others(struct statistics *t, struct vv_error *err)
{
    static const char *const directories[] = {"",          "keys",      "admin", "sessions",
                                              "snapshots", "condemned", "index", "tmp"};
    struct name_list *shards = NULL;

    for (size_t i = 0; i < VV_COUNT(directories); i++) {
        struct name_list names;
        VV_TRY(repo_list(t->repo, directories[i], &names, err));
        for (size_t j = 0; j < names.count; j++) {
            t->s.other_bytes += names.sizes[j];
        }
        name_list_release(&names);
    }
    VV_TRY(repo_list_shards(t->repo, "parity", &shards, err));
    for (unsigned shard = 0; shard < STORAGE_SHARDS; shard++) {
        for (size_t j = 0; j < shards[shard].count; j++) {
            t->s.other_bytes += shards[shard].sizes[j];
        }
    }
    name_lists_release(shards);
    return VV_OK;
}

static enum vv_rc
collect(struct statistics *t, const struct snapshot_list *l, struct vv_error *err)
{
    struct looker look;
    enum vv_rc rc;

    t->s.snapshots = l->count;
    for (size_t i = 0; i < l->count; i++) {
        t->s.logical_bytes += l->snapshots[i].body.root.bytes;
    }
    VV_TRY(looker_open(&look, t->repo, err));
    rc = chunk_index_each_pack(look.index, count_pack, t, err);
    looker_close(&look);
    VV_TRY(rc);
    if (t->packs.len > 0) {
        qsort(t->packs.data, t->packs.len / sizeof(struct counted_pack),
              sizeof(struct counted_pack), compare_packs);
    }
    VV_TRY(count_packs(t, err));
    return count_others(t, err);
}

enum vv_rc
look_statistics(struct repo *r, const struct snapshot_list *l, struct repo_statistics *ret,
                struct vv_error *err)
{
    struct statistics t = {.repo = r};
    enum vv_rc rc = collect(&t, l, err);

    if (rc == VV_OK) {
        *ret = t.s;
    }
    vv_buf_release(&t.packs);
    id_table_release(&t.chunks);
    id_table_release(&t.seen_packs);
    return rc;
}
