/* SPDX-License-Identifier: BSD-2-Clause */
/* Verify: what replicas have of that which is damaged here. */

#include <string.h>

#include "engine/verify_internal.h"
#include "repo/replicas.h"

/** The walk over trees went on with blocks of a replica: that is damage here, too. */
static void
note_healed(struct verify *v, const struct healed_pack *h)
{
    struct verify_pack *p = verify_find_pack(v, &h->name);
    char object[PACK_OBJECT_TEXT];

    if (p != NULL && p->damaged) {
        return; /* reported */
    }
    pack_object_text(&h->name, object);
    if (p == NULL) {
        verify_report(v, "pack-missing", object,
                      "a snapshot needs blocks that only a replica has, in this pack");
        v->s.packs_damaged++;
        v->s.packs_at_replicas++;
        return;
    }
    p->damaged = true;
    verify_report(v, "pack-damaged", object, "%llu of its blocks cannot be read",
                  (unsigned long long)h->blocks);
}

/** Which replica has a damaged pack whole? */
static enum vv_rc
look_for(struct verify *v, struct replicas *replicas, const struct verify_pack *p,
         struct vv_error *err)
{
    uint64_t size = p->index_size; /* 0: unknown */
    struct replica_report r;
    char object[PACK_OBJECT_TEXT];
    bool found = false;
    bool asked = false;

    pack_object_text(&p->name, object);
    for (size_t nth = 0; replicas_report(replicas, nth, &r) && !found; nth++) {
        VV_TRY(vv_cancel_check(repo_cancel(v->repo), err));
        VV_TRY(replicas_has_pack(replicas, nth, &p->name, size, v->options->data, &found, err));
        (void)replicas_report(replicas, nth, &r);
        asked = asked || r.condition == REPLICA_OPEN;
    }
    if (found) {
        v->s.packs_at_replicas++;
        vv_emit(repo_events(v->repo), VV_EVENT_WARNING, "pack-at-replica",
                vv_span(object, strlen(object)),
                "replica '%s' has it %s; 'varve replicate --from %s' brings it back", r.url,
                v->options->data ? "whole (read and checked)"
                                 : "in the right size (--data reads it)",
                r.url);
    } else if (asked) {
        vv_emit(repo_events(v->repo), VV_EVENT_WARNING, "pack-nowhere",
                vv_span(object, strlen(object)), "no replica that can be reached has it whole");
    }
    return VV_OK;
}

enum vv_rc
verify_replicas(struct verify *v, struct vv_error *err)
{
    struct replicas *replicas = repo_replicas(v->repo);
    struct repo *first = NULL;
    struct healed_pack healed;
    enum vv_rc rc;

    for (size_t i = 0; replicas_healed(replicas, i, &healed); i++) {
        note_healed(v, &healed);
    }
    for (size_t i = 0; i < verify_pack_count(v); i++) {
        v->s.packs_damaged += verify_packs(v)[i].damaged;
    }
    if (replicas == NULL || v->s.packs_damaged == 0) {
        return VV_OK;
    }
    for (size_t i = 0; (rc = replicas_repo(replicas, i, &first, err)) == VV_OK; i++) {
        ; /* opens all, so that those remembered are known */
    }
    if (rc != VV_ENOTFOUND) {
        return rc;
    }
    vv_error_clear(err);
    for (size_t i = 0; i < verify_pack_count(v); i++) {
        if (verify_packs(v)[i].damaged) {
            VV_TRY(look_for(v, replicas, &verify_packs(v)[i], err));
        }
    }
    return VV_OK;
}
