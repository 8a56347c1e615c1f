/* SPDX-License-Identifier: BSD-2-Clause */
/* Digests of packs, as the site's host computes them: no proof, but it finds rot without reading. */
#include <string.h>

#include "core/alloc.h"
#include "engine/replicate_internal.h"

/* Bytes the host is to digest in one call: it must end within the patience of that. */
#define BYTES_MOST (UINT64_C(4) << 30)

static enum vv_rc
ask(struct destination *d, struct storage_digest *items, size_t count, struct vv_error *err)
{
    unsigned attempts = 0;
    enum vv_rc rc;

    while ((rc = storage_digests(d->storage, items, count, err)) == VV_ETRANSIENT) {
        VV_TRY(retry_wait(d, &attempts, err));
    }
    return rc;
}

/** What the host said of one pack: right, or it is read. */
static enum vv_rc
judge(struct destination *d, const struct site_pack *pack, const struct storage_digest *item,
      bool *ret_bad, struct vv_error *err)
{
    struct replica_pack known = {.name = pack->name, .size = pack->size};
    bool bad = false;

    if (item->told && memcmp(item->sha256, pack->name.hash.b, 32) == 0) {
        known.verified_at = -d->run->clock->realtime(d->run->clock);
        vv_mutex_lock(&d->lock);
        d->failing_since = 0;
        d->s->packs_digested++;
        d->s->bytes_digested += pack->size;
        vv_mutex_unlock(&d->lock);
        return replica_journal_note_pack(d->journal, &known, err);
    }
    VV_TRY(read_back_one(d, pack, &bad, err));
    *ret_bad = *ret_bad || bad;
    return VV_OK;
}

enum vv_rc
digest_packs(struct destination *d, const struct site_pack *const *packs, size_t count,
             size_t *ret_done, bool *ret_bad, struct vv_error *err)
{
    VV_CLEANUP(vv_freep)
    struct storage_digest *items = vv_alloc_array(STORAGE_DIGESTS_MOST, sizeof(*items));

    if (items == NULL) {
        return vv_error_nomem(err);
    }
    while (*ret_done < count) {
        uint64_t bytes = 0;
        size_t n = 0;
        for (; *ret_done + n < count && n < STORAGE_DIGESTS_MOST && bytes < BYTES_MOST; n++) {
            const struct site_pack *pack = packs[*ret_done + n];
            char object[PACK_OBJECT_TEXT];
            pack_object_text(&pack->name, object);
            memcpy(items[n].name, object, strlen(object) + 1);
            bytes += pack->size;
        }
        VV_TRY(vv_cancel_check(d->run->cancel, err));
        VV_TRY(ask(d, items, n, err));
        for (size_t i = 0; i < n; i++) {
            VV_TRY(judge(d, packs[*ret_done], &items[i], ret_bad, err));
            *ret_done += 1;
        }
    }
    return VV_OK;
}
