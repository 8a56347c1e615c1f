/* SPDX-License-Identifier: BSD-2-Clause */
/* Scrub: what there is to read. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/scrub_internal.h"
#include "repo/admin_records.h"
#include "repo/index_records.h"
#include "repo/pack_parity.h"

#define LIST_ATTEMPTS 10

static enum vv_rc
add_item(struct scrub *s, enum scrub_kind kind, const char *name, uint64_t size,
         const struct pack_name *pack, struct vv_error *err)
{
    struct scrub_item *item;

    if (s->count == s->room) {
        size_t room = s->room == 0 ? 64 : s->room * 2;
        struct scrub_item *grown = vv_realloc_array(s->items, room, sizeof(*grown));
        if (grown == NULL) {
            return vv_error_nomem(err);
        }
        s->items = grown;
        s->room = room;
    }
    item = &s->items[s->count];
    *item = (struct scrub_item){.kind = kind, .size = size};
    item->name = vv_strdup(name);
    if (item->name == NULL) {
        return vv_error_nomem(err);
    }
    if (pack != NULL) {
        item->pack = *pack;
    }
    item->read_at = scrub_ledger_find(s->ledger, name);
    s->count++;
    return VV_OK;
}

/** All objects of one directory that are of the format. */
static enum vv_rc
add_directory(struct scrub *s, const char *directory, enum scrub_kind kind, struct vv_error *err)
{
    struct name_list names;
    enum vv_rc rc = repo_list(s->repo, directory, &names, err);

    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        return VV_OK;
    }
    VV_TRY(rc);
    for (size_t i = 0; i < names.count && rc == VV_OK; i++) {
        char name[STORAGE_NAME_MAX + 1];
        int len = snprintf(name, sizeof(name), "%s/%s", directory, names.names[i]);
        if (len > 0 && (size_t)len < sizeof(name) && storage_name_valid(name)) {
            rc = add_item(s, kind, name, names.sizes[i], NULL, err);
        }
    }
    name_list_release(&names);
    return rc;
}

static enum vv_rc
add_packs(struct scrub *s, struct vv_error *err)
{
    char name[PARITY_OBJECT_TEXT];

    VV_TRY(pack_names_list(s->repo, "parity", &s->parity, err));
    VV_TRY(pack_names_list(s->repo, "packs", &s->packs, err));
    for (size_t i = 0; i < s->packs.count; i++) {
        pack_object_text(&s->packs.names[i], name);
        VV_TRY(add_item(s, SCRUB_PACK, name, s->packs.sizes[i], &s->packs.names[i], err));
    }
    for (size_t i = 0; i < s->parity.count; i++) {
        parity_object_text(&s->parity.names[i], name);
        VV_TRY(add_item(s, SCRUB_PARITY, name, s->parity.sizes[i], &s->parity.names[i], err));
    }
    return VV_OK;
}

static enum vv_rc
add_single(struct scrub *s, const char *name, enum scrub_kind kind, struct vv_error *err)
{
    uint64_t size = 0;
    enum vv_rc rc = storage_size(repo_storage(s->repo), name, &size, err);

    if (rc == VV_ENOTFOUND) { /* reading it tells */
        vv_error_clear(err);
        rc = VV_OK;
    }
    VV_TRY(rc);
    return add_item(s, kind, name, size, NULL, err);
}

enum vv_rc
scrub_list(struct scrub *s, struct vv_error *err)
{
    static const struct {
        const char *directory;
        enum scrub_kind kind;
    } directories[] = {
        {"keys", SCRUB_KEY},       {"admin", SCRUB_ADMIN},         {"sessions", SCRUB_SESSION},
        {"snapshots", SCRUB_SLOT}, {"condemned", SCRUB_CONDEMNED}, {"index", SCRUB_INDEX},
        {"parity", SCRUB_DECISION}};

    VV_TRY(add_single(s, "config", SCRUB_CONFIG, err));
    VV_TRY(add_single(s, "site", SCRUB_SITE, err));
    VV_TRY(add_single(s, "README", SCRUB_README, err));
    for (size_t i = 0; i < VV_COUNT(directories); i++) {
        VV_TRY(add_directory(s, directories[i].directory, directories[i].kind, err));
    }
    return add_packs(s, err);
}

/* --- what the index names --------------------------------------------------------------------- */

struct named_packs {
    const struct pack_names *listed;
    struct vv_buf missing; /* struct pack_name */
};

static enum vv_rc
look_for_pack(void *ctx, const struct index_record *record, struct vv_error *err)
{
    struct named_packs *n = ctx;

    if (!pack_names_has(n->listed, &record->name)) {
        vv_buf_put(&n->missing, &record->name, sizeof(record->name));
    }
    return vv_buf_check(&n->missing, err);
}

/** Names in the index that a listing begun before did not show. */
static enum vv_rc
read_index(struct scrub *s, struct named_packs *n, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf segments = {0};
    enum vv_rc rc = VV_ENOTFOUND;
    bool damaged;

    for (int attempt = 0; rc == VV_ENOTFOUND; attempt++) {
        vv_error_clear(err);
        vv_buf_reset(&segments);
        vv_buf_reset(&n->missing);
        rc = attempt < LIST_ATTEMPTS ? index_segments_list(s->repo, &segments, err)
                                     : vv_error_set(err, VV_ETRANSIENT, "the index keeps changing");
        if (rc == VV_OK) {
            rc = index_segments_each(s->repo, vv_buf_span(&segments), look_for_pack, n, &damaged,
                                     err);
        }
    }
    return rc;
}

/** One that was not listed: is it really missing, and does nothing make up for it? */
static enum vv_rc
is_missing(struct scrub *s, const struct condemned_set *condemned, const struct pack_name *name,
           bool *ret, struct vv_error *err)
{
    char object[PACK_OBJECT_TEXT];
    uint64_t size;
    size_t count;
    enum vv_rc rc;

    pack_object_text(name, object);
    rc = storage_size(repo_storage(s->repo), object, &size, err);
    *ret = rc == VV_ENOTFOUND && !condemned_contains(condemned, name) &&
           /* another instance that is there is judged by itself */
           pack_names_find(&s->packs, &name->hash, &count) == NULL;
    if (rc == VV_ENOTFOUND) {
        vv_error_clear(err);
        rc = VV_OK;
    }
    return rc;
}

/** Sort names, each of them once; returns how many. */
static size_t
sort_names(struct vv_buf *names)
{
    struct pack_name *all = (struct pack_name *)(void *)names->data;
    size_t count = names->len / sizeof(*all);
    size_t kept = 0;

    if (count > 0) {
        qsort(all, count, sizeof(*all), pack_name_order);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || pack_name_compare(&all[i], &all[kept - 1]) != 0) {
            all[kept++] = all[i];
        }
    }
    names->len = kept * sizeof(*all);
    return kept;
}

/** Keep those names that are missing. */
static enum vv_rc
keep_missing(struct scrub *s, struct vv_buf *names, struct vv_error *err)
{
    VV_CLEANUP(condemned_set_release) struct condemned_set condemned = {0};
    struct pack_name *all = (struct pack_name *)(void *)names->data;
    size_t count = sort_names(names);
    size_t kept = 0;

    if (count > 0) {
        VV_TRY(condemned_read(s->repo, &condemned, err));
    }
    for (size_t i = 0; i < count; i++) {
        bool missing = false;
        VV_TRY(is_missing(s, &condemned, &all[i], &missing, err));
        if (missing) {
            all[kept++] = all[i];
        }
    }
    names->len = kept * sizeof(*all);
    return VV_OK;
}

static enum vv_rc
tell_missing(struct scrub *s, const struct pack_name *name, struct vv_error *err)
{
    char object[PACK_OBJECT_TEXT];

    pack_object_text(name, object);
    vv_buf_put(&s->missing, name, sizeof(*name));
    s->s.packs_missing++;
    s->s.objects_damaged++;
    repo_report(s->repo, "pack-missing", object,
                "the index names this pack, but it is missing; "
                "'varve verify' tells whether anything needs it");
    return vv_buf_check(&s->missing, err);
}

enum vv_rc
scrub_missing(struct scrub *s, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf missing = {0};
    struct named_packs n = {.listed = &s->packs};
    enum vv_rc rc = read_index(s, &n, err);

    missing = n.missing;
    n.missing = (struct vv_buf){0};
    VV_TRY(rc);
    VV_TRY(keep_missing(s, &missing, err));
    /* A prune deletes the segments that name a pack before the pack: who still names it? */
    if (missing.len > 0) {
        rc = read_index(s, &n, err);
        sort_names(&n.missing);
    }
    for (size_t i = 0; rc == VV_OK && i < missing.len / sizeof(struct pack_name); i++) {
        const struct pack_name *name = (const struct pack_name *)(const void *)missing.data + i;
        if (n.missing.len > 0 && bsearch(name, n.missing.data, n.missing.len / sizeof(*name),
                                         sizeof(*name), pack_name_order) != NULL) {
            rc = tell_missing(s, name, err);
        }
    }
    vv_buf_release(&n.missing);
    return rc;
}
