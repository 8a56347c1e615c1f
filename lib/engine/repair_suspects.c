/* SPDX-License-Identifier: BSD-2-Clause */
/* Repair: which instances are suspect from now on, A5. */

#include "engine/repair_internal.h"

#define SUSPECTS_MAX 16384u /* names in one record */

static bool
is_suspect(const struct admin_records *a, const struct pack_name *name)
{
    for (size_t i = 0; i < a->suspect_count; i++) {
        if (pack_name_compare(&a->suspects[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static enum vv_rc
publish_suspects(struct repair *x, const struct pack_name *names, uint32_t count,
                 struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf payload = {0};

    pack_list_encode(names, count, &payload);
    VV_TRY(admin_publish_drawn(x->repo, 1, ADMIN_SUSPECT, "suspect", &payload, NULL, err));
    x->s.packs_suspect += count;
    return VV_OK;
}

enum vv_rc
repair_suspects(struct repair *x, struct vv_error *err)
{
    struct pack_name *names = (struct pack_name *)(void *)x->bad.data;
    size_t count = x->bad.len / sizeof(*names);
    struct admin_records admin = {0};
    size_t kept = 0;
    enum vv_rc rc = VV_OK;

    if (count == 0) {
        return VV_OK;
    }
    VV_TRY(admin_records_read(x->repo, &admin, err));
    for (size_t i = 0; i < count; i++) {
        if (!is_suspect(&admin, &names[i])) {
            names[kept++] = names[i];
        }
    }
    admin_records_release(&admin);
    for (size_t at = 0; at < kept && rc == VV_OK; at += SUSPECTS_MAX) {
        size_t run = kept - at < SUSPECTS_MAX ? kept - at : SUSPECTS_MAX;
        rc = publish_suspects(x, &names[at], (uint32_t)run, err);
    }
    return rc;
}
