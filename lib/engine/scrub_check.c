/* SPDX-License-Identifier: BSD-2-Clause */
/* Scrub: is an object what it was when it was written?  Without a key. */

#include <string.h>

#include "crypto/hash.h"
#include "engine/closure_internal.h"
#include "engine/scrub_internal.h"
#include "format/readme.h"
#include "repo/pack_parity.h"

#define SAVE_NS (60 * UINT64_C(1000000000)) /* a killed run loses no more of the ledger */

static const struct {
    enum format_kind format; /* 0: no container */
    uint64_t limit;
    const char *event;
} kinds[] = {
    [SCRUB_PACK] = {0, LIMIT_PACK, "pack-damaged"},
    [SCRUB_PARITY] = {0, LIMIT_PARITY, "parity-damaged"},
    [SCRUB_DECISION] = {FORMAT_PARITY_DECISION, LIMIT_SMALL_OBJECT, "parity-damaged"},
    [SCRUB_INDEX] = {FORMAT_INDEX, LIMIT_INDEX_SEGMENT, "index-damaged"},
    [SCRUB_SLOT] = {FORMAT_SLOT, LIMIT_SLOT, "snapshot-damaged"},
    [SCRUB_ADMIN] = {FORMAT_ADMIN, LIMIT_ADMIN, "admin-record-damaged"},
    [SCRUB_KEY] = {FORMAT_KEY_SLOT, LIMIT_KEY_SLOT, "key-slot-damaged"},
    [SCRUB_SESSION] = {FORMAT_SESSION, LIMIT_SMALL_OBJECT, "session-damaged"},
    [SCRUB_CONDEMNED] = {FORMAT_CONDEMNED, LIMIT_CONDEMNED, "condemned-damaged"},
    [SCRUB_CONFIG] = {FORMAT_CONFIG, LIMIT_CONFIG, "config-damaged"},
    [SCRUB_SITE] = {FORMAT_SITE, LIMIT_SMALL_OBJECT, "site-damaged"},
    [SCRUB_README] = {0, LIMIT_SMALL_OBJECT, "readme-damaged"},
};

/** Does the object's name say the hash of all of it? */
static enum vv_rc
check_named_hash(const struct vv_id *named, struct vv_span bytes, struct vv_error *err)
{
    struct vv_id hash;

    sha256(bytes.data, bytes.len, hash.b);
    return vv_id_equal(&hash, named)
               ? VV_OK
               : vv_error_set(err, VV_ECORRUPT, "its content does not have the hash in its name");
}

static enum vv_rc
check_index(struct scrub *s, const struct scrub_item *item, struct vv_span bytes,
            struct vv_error *err)
{
    const char *text = item->name + strlen("index/");
    struct vv_reader body;
    struct vv_id named;

    if (!vv_unhex(named.b, sizeof(named.b), text, strlen(text))) {
        return VV_OK; /* no object of the format */
    }
    VV_TRY(check_named_hash(&named, bytes, err));
    return container_open(bytes, FORMAT_INDEX, repo_id(s->repo), &body, err);
}

static enum vv_rc
check_parity(struct scrub *s, const struct scrub_item *item, struct vv_span bytes,
             struct vv_error *err)
{
    struct parity_object o;

    VV_TRY(parity_object_decode(bytes, repo_id(s->repo), &o, err));
    if (!o.whole) {
        return vv_error_set(err, VV_ECORRUPT, "part of it is damaged");
    }
    return vv_id_equal(&o.pack, &item->pack.hash)
               ? VV_OK
               : vv_error_set(err, VV_ECORRUPT, "it is the parity of another pack");
}

enum vv_rc
scrub_check(struct scrub *s, const struct scrub_item *item, struct vv_span bytes,
            struct vv_error *err)
{
    struct vv_reader body;

    switch (item->kind) {
    case SCRUB_PACK:
        return check_named_hash(&item->pack.hash, bytes, err);
    case SCRUB_PARITY:
        return check_parity(s, item, bytes, err);
    case SCRUB_INDEX:
        return check_index(s, item, bytes, err);
    case SCRUB_README:
        return readme_valid(bytes) ? VV_OK
                                   : vv_error_set(err, VV_ECORRUPT, "it is not as it was written");
    case SCRUB_DECISION:
    case SCRUB_SLOT:
    case SCRUB_ADMIN:
    case SCRUB_KEY:
    case SCRUB_SESSION:
    case SCRUB_CONDEMNED:
    case SCRUB_CONFIG:
    case SCRUB_SITE:
        break;
    }
    return container_open(bytes, kinds[item->kind].format, repo_id(s->repo), &body, err);
}

/** The whole object, from the device. */
static enum vv_rc
read_object(struct scrub *s, const struct scrub_item *item, struct vv_buf *bytes,
            struct vv_error *err)
{
    vv_buf_reset(bytes);
    storage_uncache(repo_storage(s->repo), item->name);
    return storage_read_all(repo_storage(s->repo), item->name, kinds[item->kind].limit, bytes, err);
}

/** B4.  A failure is told, and no failure of scrubbing. */
static enum vv_rc
add_parity(struct scrub *s, const struct scrub_item *item, struct vv_span bytes,
           struct vv_error *err)
{
    struct vv_error why = {0};
    uint64_t size = 0;
    size_t count;
    enum vv_rc rc;

    if (!s->parity_on || s->options->no_heal ||
        pack_names_find(&s->parity, &item->pack.hash, &count) != NULL) {
        return VV_OK;
    }
    rc = pack_parity_publish(s->repo, &item->pack.hash, bytes, &size, &why);
    if (rc == VV_ENOMEM) {
        return vv_error_nomem(err);
    }
    if (rc != VV_OK) {
        vv_emit(repo_events(s->repo), VV_EVENT_WARNING, "parity-failed",
                vv_span(item->name, strlen(item->name)), "its parity could not be stored: %s",
                why.message);
        return VV_OK;
    }
    vv_mutex_lock(&s->lock);
    s->s.parity_added++;
    s->s.parity_added_bytes += size;
    vv_mutex_unlock(&s->lock);
    return VV_OK;
}

/** Note what was found out; saves the ledger now and then. */
static enum vv_rc
note(struct scrub *s, struct scrub_item *item, uint64_t len, struct vv_error *err)
{
    const struct vv_clock *clock = repo_clock(s->repo);
    bool due;

    item->read_at = clock->realtime(clock);
    VV_TRY(scrub_ledger_note(s->ledger, item->name, item->read_at, err));
    vv_mutex_lock(&s->lock);
    s->s.objects_read++;
    s->s.bytes_read += len;
    s->s.packs_read += item->kind == SCRUB_PACK;
    s->s.objects_damaged += item->state == ITEM_BAD;
    due = clock->monotonic(clock) - s->saved_at > SAVE_NS;
    if (due) {
        s->saved_at = clock->monotonic(clock);
    }
    vv_mutex_unlock(&s->lock);
    if (s->progress != NULL) {
        atomic_fetch_add_explicit(&s->progress->bytes_done, item->size, memory_order_relaxed);
    }
    if (due && scrub_ledger_save(s->ledger, LEDGER_SEEN, NULL) != VV_OK) {
        return VV_OK; /* told at the end, if it still fails then */
    }
    return VV_OK;
}

enum vv_rc
scrub_read(struct scrub *s, struct scrub_item *item, struct vv_buf *bytes, struct vv_error *err)
{
    struct vv_error why = {0};
    enum vv_rc rc = read_object(s, item, bytes, &why);
    bool single =
        item->kind == SCRUB_CONFIG || item->kind == SCRUB_SITE || item->kind == SCRUB_README;

    if (rc == VV_OK) {
        rc = scrub_check(s, item, vv_buf_span(bytes), &why);
    }
    if (rc == VV_ENOTFOUND && !single) { /* deleted since it was listed */
        item->state = ITEM_GONE;
        return VV_OK;
    }
    if (rc != VV_OK && rc != VV_EUNSUPPORTED && !damage_found(rc, &why)) {
        if (err != NULL) {
            *err = why;
        }
        return rc;
    }
    item->state = rc == VV_OK || rc == VV_EUNSUPPORTED ? ITEM_GOOD : ITEM_BAD;
    if (item->state == ITEM_BAD && item->kind != SCRUB_PACK && item->kind != SCRUB_PARITY) {
        repo_report(s->repo, kinds[item->kind].event, item->name,
                    rc == VV_ENOTFOUND ? "it is missing" : why.message);
    }
    VV_TRY(note(s, item, bytes->len, err));
    return item->state == ITEM_GOOD && item->kind == SCRUB_PACK
               ? add_parity(s, item, vv_buf_span(bytes), err)
               : VV_OK;
}
