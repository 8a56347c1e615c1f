/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading what a repository is opened with: key slots, `config` and `site`. */

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "repo/key_slots_internal.h"
#include "repo/object_ahead.h"

/* More are not looked at: each passphrase slot costs seconds to try. */
#define SLOT_OBJECTS_MAX 512u

void
slot_objects_release(struct slot_objects *l)
{
    for (size_t i = 0; i < l->count; i++) {
        vv_buf_release(&l->items[i].bytes);
    }
    vv_free(l->items);
    memset(l, 0, sizeof(*l));
}

static bool
slot_name_valid(const char *name)
{
    uint8_t id[8];
    return strlen(name) == 18 && vv_unhex(id, sizeof(id), name, 16) && name[16] == '-' &&
           (name[17] == 'a' || name[17] == 'b');
}

/* --- names ------------------------------------------------------------------------------------ */

struct slot_names {
    struct vv_buf texts; /* 19 bytes each, with the NUL */
    size_t damaged;
};

enum { NAME_BYTES = 19 };

static enum vv_rc
add_name(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    struct slot_names *n = ctx;

    if (!slot_name_valid(name) || size > LIMIT_KEY_SLOT ||
        n->texts.len / NAME_BYTES >= SLOT_OBJECTS_MAX) {
        n->damaged++;
        return VV_OK;
    }
    vv_buf_put(&n->texts, name, NAME_BYTES);
    return vv_buf_check(&n->texts, err);
}

static int
compare_texts(const void *a, const void *b)
{
    return memcmp(a, b, NAME_BYTES);
}

/* --- slots ------------------------------------------------------------------------------------ */

static bool
is_of_object(enum vv_rc rc)
{
    return rc == VV_ECORRUPT || rc == VV_ENOTFOUND || rc == VV_ELIMIT || rc == VV_EIO ||
           rc == VV_EUNSUPPORTED || rc == VV_EREFUSED;
}

/** The next one; what cannot be read or is too weak is counted: another may open. */
static enum vv_rc
take_slot(struct slot_objects *l, const char *name, struct object_ahead *ahead,
          struct vv_error *err)
{
    struct slot_object *item = &l->items[l->count];
    enum vv_rc rc;

    memcpy(item->name, "keys/", 5);
    memcpy(item->name + 5, name, NAME_BYTES);
    rc = object_ahead_next(ahead, &item->bytes, err);
    if (rc == VV_OK) {
        rc = key_slot_decode(vv_buf_span(&item->bytes), &item->slot, err);
    }
    if (rc == VV_OK) {
        l->count++;
        return VV_OK;
    }
    vv_buf_release(&item->bytes);
    memset(item, 0, sizeof(*item));
    if (!is_of_object(rc)) {
        return rc;
    }
    vv_error_clear(err);
    l->damaged++;
    return VV_OK;
}

static enum vv_rc
take_slots(struct storage *st, char *texts, size_t count, struct slot_objects *l,
           struct vv_error *err)
{
    VV_CLEANUP(vv_freep) char **names = vv_alloc_array(count + 1, sizeof(*names));
    struct object_ahead *ahead = NULL;
    enum vv_rc rc;

    l->items = vv_alloc_array(count + 1, sizeof(*l->items));
    if (names == NULL || l->items == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = texts + i * NAME_BYTES;
    }
    rc = object_ahead_new(st, "keys", names, count, LIMIT_KEY_SLOT, &ahead, err);
    for (size_t i = 0; i < count && rc == VV_OK; i++) {
        rc = take_slot(l, names[i], ahead, err);
    }
    object_ahead_free(ahead);
    return rc;
}

enum vv_rc
slot_objects_read(struct storage *st, struct slot_objects *ret, struct vv_error *err)
{
    struct slot_names names = {0};
    struct slot_objects l = {0};
    enum vv_rc rc = storage_list(st, "keys", add_name, &names, err);

    if (rc == VV_OK && names.texts.len > 0) {
        qsort(names.texts.data, names.texts.len / NAME_BYTES, NAME_BYTES, compare_texts);
    }
    l.damaged = names.damaged;
    if (rc == VV_OK) {
        rc = take_slots(st, (char *)names.texts.data, names.texts.len / NAME_BYTES, &l, err);
    }
    vv_buf_release(&names.texts);
    if (rc != VV_OK) {
        slot_objects_release(&l);
        return rc;
    }
    *ret = l;
    return VV_OK;
}

/* --- all of it -------------------------------------------------------------------------------- */

enum vv_rc
stored_object_read(struct storage *st, const char *name, uint64_t limit, struct stored_object *ret,
                   struct vv_error *err)
{
    ret->rc = storage_read_all(st, name, limit, &ret->bytes, &ret->err);
    if (ret->rc == VV_OK || is_of_object(ret->rc)) {
        return VV_OK;
    }
    if (err != NULL) {
        *err = ret->err;
    }
    return ret->rc;
}

struct reading {
    struct storage *st;
    struct key_objects *o;
};

static enum vv_rc
read_config(void *ctx, struct vv_error *err)
{
    const struct reading *r = ctx;
    return stored_object_read(r->st, "config", LIMIT_CONFIG, &r->o->config, err);
}

static enum vv_rc
read_site(void *ctx, struct vv_error *err)
{
    const struct reading *r = ctx;
    return stored_object_read(r->st, "site", LIMIT_SMALL_OBJECT, &r->o->site, err);
}

static enum vv_rc
read_slots(void *ctx, struct vv_error *err)
{
    const struct reading *r = ctx;
    return slot_objects_read(r->st, &r->o->slots, err);
}

enum vv_rc
key_slots_none(const struct storage *st, struct vv_error *err)
{
    (void)vv_error_set(err, VV_ENOREPO, "there is no varve repository at '%s'", st->url);
    vv_error_hint(err, "'varve -r %s init' makes one", st->url);
    return VV_ENOREPO;
}

enum vv_rc
key_objects_read(struct storage *st, struct key_objects **ret, struct vv_error *err)
{
    VV_CLEANUP(key_objects_freep) struct key_objects *o = vv_alloc_array(1, sizeof(*o));
    struct reading r = {.st = st, .o = o};
    struct vv_job jobs[] = {{.run = read_slots, .ctx = &r},
                            {.run = read_config, .ctx = &r},
                            {.run = read_site, .ctx = &r}};
    enum vv_rc rc;

    if (o == NULL) {
        return vv_error_nomem(err);
    }
    rc = vv_parallel_run(jobs, VV_COUNT(jobs), storage_parallel(st), err);
    if (rc == VV_ENOTFOUND || (rc == VV_OK && o->slots.count == 0 && o->slots.damaged == 0)) {
        return key_slots_none(st, err);
    }
    VV_TRY(rc);
    *ret = TAKE(o);
    return VV_OK;
}

void
key_objects_free(struct key_objects *o)
{
    if (o == NULL) {
        return;
    }
    slot_objects_release(&o->slots);
    vv_buf_release(&o->config.bytes);
    vv_buf_release(&o->site.bytes);
    vv_free(o);
}

enum vv_rc
key_objects_site(const struct key_objects *o, struct vv_span *ret, struct vv_error *err)
{
    if (o->site.rc != VV_OK) {
        if (err != NULL) {
            *err = o->site.err;
        }
        return o->site.rc;
    }
    *ret = vv_buf_span(&o->site.bytes);
    return VV_OK;
}
