/* SPDX-License-Identifier: BSD-2-Clause */
/* What is at the destination: invariant R1. */
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "engine/replicate_internal.h"

static int
compare_packs(const void *a, const void *b)
{
    return pack_name_compare(&((const struct site_pack *)a)->name,
                             &((const struct site_pack *)b)->name);
}

void
site_catalog_release(struct site_catalog *c)
{
    vv_free(c->packs);
    memset(c, 0, sizeof(*c));
}

const struct site_pack *
site_range(const struct site_catalog *c, const struct vv_id *hash, size_t *ret_count)
{
    size_t low = 0;
    size_t high = c->count;
    size_t end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(c->packs[middle].name.hash.b, hash->b, 32) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (end = low; end < c->count && vv_id_equal(&c->packs[end].name.hash, hash); end++) {
    }
    *ret_count = end - low;
    return end > low ? &c->packs[low] : NULL;
}

bool
site_has(const struct site_catalog *c, const struct vv_id *hash)
{
    size_t count;
    const struct site_pack *packs = site_range(c, hash, &count);

    for (size_t i = 0; i < count; i++) {
        if (packs[i].flags == (SITE_INDEXED | SITE_LISTED)) {
            return true;
        }
    }
    return false;
}

bool
site_is_intact(const struct site_catalog *c, const struct pack_name *name)
{
    const struct site_pack wanted = {.name = *name};
    const struct site_pack *p =
        c->count == 0 ? NULL : bsearch(&wanted, c->packs, c->count, sizeof(wanted), compare_packs);

    return p != NULL && p->flags == (SITE_INDEXED | SITE_LISTED);
}

/* --- the listing --- */

static enum vv_rc
add_listed(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct vv_buf *packs = ctx;
    struct site_pack p = {.size = size, .flags = SITE_LISTED};

    if (pack_name_parse(name, strlen(name), &p.name)) {
        vv_buf_put(packs, &p, sizeof(p));
    }
    return vv_buf_check(packs, err);
}

/** Join listing and index: names in the index alone are there without being listed. */
static enum vv_rc
join(struct vv_buf *packs, const struct vv_buf *names, struct site_catalog *ret,
     struct vv_error *err)
{
    const struct pack_name *indexed = (const struct pack_name *)(const void *)names->data;
    size_t indexed_count = names->len / sizeof(*indexed);
    size_t listed = packs->len / sizeof(struct site_pack);
    struct site_pack *p = (struct site_pack *)(void *)packs->data;

    if (listed > 0) {
        qsort(p, listed, sizeof(*p), compare_packs);
    }
    for (size_t i = 0; i < listed; i++) {
        if (indexed_count > 0 && bsearch(&p[i].name, indexed, indexed_count, sizeof(*indexed),
                                         pack_name_order) != NULL) {
            p[i].flags |= SITE_INDEXED;
        }
    }
    for (size_t i = 0; i < indexed_count; i++) {
        struct site_pack missing = {.name = indexed[i], .flags = SITE_INDEXED};
        bool repeated = i > 0 && pack_name_compare(&indexed[i], &indexed[i - 1]) == 0;
        p = (struct site_pack *)(void *)packs->data;
        if (!repeated &&
            (listed == 0 || bsearch(&missing, p, listed, sizeof(*p), compare_packs) == NULL)) {
            vv_buf_put(packs, &missing, sizeof(missing));
        }
    }
    VV_TRY(vv_buf_check(packs, err));
    ret->packs = (struct site_pack *)(void *)packs->data;
    ret->count = packs->len / sizeof(struct site_pack);
    memset(packs, 0, sizeof(*packs));
    if (ret->count > 0) {
        qsort(ret->packs, ret->count, sizeof(*ret->packs), compare_packs);
    }
    return VV_OK;
}

/* --- sizes and bytes --- */

/** Sizes that the journal does not know: the source's listing may. */
struct sizes {
    struct destination *d;
    struct source_catalog source;
    bool listed;
};

static enum vv_rc
expected_size(struct sizes *s, const struct site_pack *p, uint64_t *ret, struct vv_error *err)
{
    const struct source_pack *packs;
    size_t count;

    if (!s->listed) {
        VV_TRY(source_list_packs(s->d->run, &s->source, err));
        s->listed = true;
    }
    *ret = p->size;
    packs = source_range(&s->source, &p->name.hash, &count);
    for (size_t i = 0; i < count; i++) {
        if (packs[i].size == p->size) {
            return VV_OK;
        }
        *ret = packs[i].size;
    }
    return VV_OK;
}

/** Compare one listed pack with what is known of it. */
static enum vv_rc
judge_listed(struct sizes *s, struct site_pack *p, struct vv_error *err)
{
    struct replica_pack known = {.name = p->name};

    if (!replica_journal_pack(s->d->journal, &p->name, &known)) {
        VV_TRY(expected_size(s, p, &known.size, err));
        if (known.size == p->size) {
            VV_TRY(replica_journal_note_pack(s->d->journal, &known, err));
        }
    }
    if (known.size != p->size || known.bad) {
        p->flags |= SITE_BAD;
    }
    return VV_OK;
}

void
site_tell_bad(struct destination *d, const struct site_pack *pack, const char *text,
              bool superseded)
{
    char object[PACK_OBJECT_TEXT];
    struct vv_id key = {{0}};
    struct id_slot *slot;
    bool is_new = false;

    memcpy(key.b, pack->name.suffix.b, 16);
    memcpy(key.b + 16, pack->name.hash.b, 16);
    vv_mutex_lock(&d->lock);
    if (id_table_put(&d->told, &key, &slot, &is_new, NULL) != VV_OK) {
        is_new = true;
    }
    if (is_new && !superseded) {
        d->s->packs_damaged++;
    }
    vv_mutex_unlock(&d->lock);
    pack_object_text(&pack->name, object);
    if (is_new) {
        vv_emit(d->run->events, superseded ? VV_EVENT_WARNING : VV_EVENT_PROBLEM,
                superseded ? "replica-pack-superseded" : "replica-pack-damaged",
                vv_span(object, strlen(object)), "%s (at '%s')%s", text, d->storage->url,
                superseded ? "; it is not used" : "");
    }
}

static void
tell_damage(struct destination *d, const struct site_catalog *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct site_pack *p = &c->packs[i];
        bool superseded = site_has(c, &p->name.hash);
        bool missing = (p->flags & SITE_LISTED) == 0;
        if ((p->flags & SITE_CONDEMNED) != 0 || (missing && superseded) ||
            (!missing && (p->flags & SITE_BAD) == 0)) {
            continue;
        }
        site_tell_bad(d, p,
                      missing ? "the index names it, but it is missing"
                              : "its size or its content is not what it was",
                      superseded || (p->flags & SITE_INDEXED) == 0);
    }
}

static bool
is_suspect(const struct admin_records *admin, const struct pack_name *name)
{
    return admin != NULL && admin->suspect_count > 0 &&
           bsearch(name, admin->suspects, admin->suspect_count, sizeof(*name), pack_name_order) !=
               NULL;
}

static enum vv_rc
judge_all(struct destination *d, const struct condemned_set *condemned,
          const struct admin_records *admin, struct site_catalog *c, struct vv_error *err)
{
    struct sizes s = {.d = d, .source = {.spool = -1}};
    enum vv_rc rc = VV_OK;

    for (size_t i = 0; i < c->count && rc == VV_OK; i++) {
        struct site_pack *p = &c->packs[i];
        p->flags |=
            condemned != NULL && (condemned->damaged > 0 || condemned_contains(condemned, &p->name))
                ? SITE_CONDEMNED
                : 0u;
        p->flags |= is_suspect(admin, &p->name) ? SITE_SUSPECT : 0u;
        if ((p->flags & SITE_LISTED) != 0) {
            rc = judge_listed(&s, p, err);
        }
    }
    source_catalog_release(&s.source);
    return rc;
}

/** Does the index name what is not listed? */
static bool
misses_any(const struct site_catalog *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if ((c->packs[i].flags & SITE_LISTED) == 0) {
            return true;
        }
    }
    return false;
}

/** *ret_stale: the index that was read is not the index any more, and names what is not listed. */
static enum vv_rc
fetch_once(struct destination *d, struct site_catalog *ret, bool *ret_stale, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf segments = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf names = {0};
    VV_CLEANUP(vv_buf_release) struct vv_buf packs = {0};

    VV_TRY(site_index_read(d, &segments, &names, err));
    VV_TRY(storage_list_shards(d->storage, "packs", add_listed, &packs, err));
    VV_TRY(join(&packs, &names, ret, err));
    return misses_any(ret) ? site_index_lost_any(d, &segments, ret_stale, err) : VV_OK;
}

enum vv_rc
site_catalog_fetch(struct destination *d, struct site_catalog *ret, struct vv_error *err)
{
    struct site_catalog c = {0};
    bool stale = true;
    enum vv_rc rc = VV_OK;

    for (int attempt = 0; rc == VV_OK && stale; attempt++) {
        stale = false;
        site_catalog_release(&c);
        rc = attempt < SITE_READ_ATTEMPTS ? fetch_once(d, &c, &stale, err)
                                          : site_index_restless(err);
    }
    if (rc != VV_OK) {
        site_catalog_release(&c);
        return rc;
    }
    *ret = c;
    return VV_OK;
}

enum vv_rc
site_catalog_judge(struct destination *d, const struct condemned_set *condemned,
                   const struct admin_records *admin, struct site_catalog *c, struct vv_error *err)
{
    VV_TRY(judge_all(d, condemned, admin, c, err));
    tell_damage(d, c);
    return VV_OK;
}

enum vv_rc
site_catalog_read(struct destination *d, const struct condemned_set *condemned,
                  const struct admin_records *admin, struct site_catalog *ret, struct vv_error *err)
{
    struct site_catalog c = {0};

    VV_TRY(site_catalog_fetch(d, &c, err));
    enum vv_rc rc = site_catalog_judge(d, condemned, admin, &c, err);
    if (rc != VV_OK) {
        site_catalog_release(&c);
        return rc;
    }
    *ret = c;
    return VV_OK;
}

enum vv_rc
site_heal_set(const struct site_catalog *c, struct id_table *ret, struct vv_error *err)
{
    struct id_slot *slot;
    bool is_new;

    for (size_t i = 0; i < c->count; i++) {
        const struct site_pack *p = &c->packs[i];
        if ((p->flags & SITE_INDEXED) != 0 && (p->flags & SITE_CONDEMNED) == 0 &&
            p->flags != (SITE_INDEXED | SITE_LISTED) && !site_has(c, &p->name.hash)) {
            VV_TRY(id_table_put(ret, &p->name.hash, &slot, &is_new, err));
        }
    }
    return VV_OK;
}

enum vv_rc
site_adoptable_set(const struct site_catalog *c, struct id_table *ret, struct vv_error *err)
{
    struct id_slot *slot;
    bool is_new;

    for (size_t i = 0; i < c->count; i++) {
        if (c->packs[i].flags == SITE_LISTED && !site_has(c, &c->packs[i].name.hash)) {
            VV_TRY(id_table_put(ret, &c->packs[i].name.hash, &slot, &is_new, err));
        }
    }
    return VV_OK;
}
