/* SPDX-License-Identifier: BSD-2-Clause */
/* --exclude, --exclude-from, --include, --may-change. */
#include "pattern_options.h"

#include <string.h>

static enum vv_rc
add_one(struct pattern_set *set, const struct option_use *use, struct vv_error *err)
{
    size_t len = strlen(use->spec->name);
    bool from_file = len > 5 && strcmp(use->spec->name + len - 5, "-from") == 0;
    enum vv_rc rc = from_file ? pattern_set_add_file(set, use->value, err)
                              : pattern_set_add(set, use->value, err);

    return rc == VV_OK ? rc : vv_error_prefix(err, "--%s '%s'", use->spec->name, use->value);
}

enum vv_rc
pattern_options_add(const struct option_list *uses, struct pattern_set **ret, struct vv_error *err)
{
    VV_CLEANUP(pattern_set_freep) struct pattern_set *set = NULL;

    if (uses->count == 0) {
        return VV_OK;
    }
    VV_TRY(pattern_set_new(&set, err));
    for (size_t i = 0; i < uses->count; i++) {
        VV_TRY(add_one(set, &uses->uses[i], err));
    }
    *ret = TAKE(set);
    return VV_OK;
}
