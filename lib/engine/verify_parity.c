/* SPDX-License-Identifier: BSD-2-Clause */
/* Verify: what parity can do about damaged packs. */

#include <string.h>

#include "engine/verify_internal.h"
#include "repo/pack_parity.h"

static enum vv_rc
judge(struct verify *v, const struct pack_name *name, struct vv_buf *image, struct vv_error *err)
{
    struct parity_outcome outcome = {0};
    struct vv_buf text = {0};
    char object[PACK_OBJECT_TEXT];
    enum vv_rc rc = pack_parity_heal(v->repo, name, image, &outcome, err);

    if (damage_found(rc, err)) {
        vv_error_clear(err);
        return VV_OK; /* there is none that helps */
    }
    VV_TRY(rc);
    pack_object_text(name, object);
    if (outcome.whole) {
        v->s.packs_healable++;
        vv_emit(repo_events(v->repo), VV_EVENT_WARNING, "pack-healable",
                vv_span(object, strlen(object)), "its parity heals it: 'varve scrub' does it");
    } else {
        pack_parity_describe(&outcome.lost, &text);
        vv_emit(repo_events(v->repo), VV_EVENT_WARNING, "pack-unhealable",
                vv_span(object, strlen(object)), "beyond what its parity can heal: %s",
                vv_buf_text(&text));
        vv_buf_release(&text);
    }
    parity_outcome_release(&outcome);
    return VV_OK;
}

enum vv_rc
verify_parity(struct verify *v, struct vv_error *err)
{
    struct vv_buf image = {0};
    enum vv_rc rc = VV_OK;

    for (size_t i = 0; i < verify_pack_count(v) && rc == VV_OK; i++) {
        const struct verify_pack *p = &verify_packs(v)[i];
        if (p->damaged && p->listed) {
            rc = vv_cancel_check(repo_cancel(v->repo), err);
            if (rc == VV_OK) {
                rc = judge(v, &p->name, &image, err);
            }
        }
    }
    vv_buf_release(&image);
    return rc;
}
