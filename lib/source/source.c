/* SPDX-License-Identifier: BSD-2-Clause */
/* The one interface over all drivers: plain calls through the table. */
#include "source/source.h"

enum vv_rc
source_next(struct source *s, struct source_item *ret, bool *ret_end, struct vv_error *err)
{
    return s->ops->next(s, ret, ret_end, err);
}

void
source_item_release(struct source *s, struct source_item *item)
{
    s->ops->item_release(s, item);
}

enum source_status
source_open(struct source *s, struct source_item *item, struct vv_arena *arena,
            struct source_file **ret, struct source_problem *problem)
{
    return s->ops->open(s, item, arena, ret, problem);
}

enum vv_rc
source_end(struct source *s, struct vv_error *err)
{
    return s->ops->end == NULL ? VV_OK : s->ops->end(s, err);
}

void
source_free(struct source *s)
{
    if (s != NULL) {
        s->ops->free(s);
    }
}

enum source_status
source_read(struct source_file *f, uint64_t offset, uint8_t *buf, size_t len, size_t *ret_len,
            struct source_problem *problem)
{
    return f->ops->read(f, offset, buf, len, ret_len, problem);
}

enum source_status
source_close(struct source_file *f, struct entry *entry, struct source_problem *problem)
{
    return f->ops->close(f, entry, problem);
}
