/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_TEST_HELPER_SEQUENCE_H
#define VARVE_TEST_HELPER_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "source/source.h"

/* Sequences (commands, archives) read to their end, as the engine does, and remembered. */

struct taken {
    struct entry entry; /* everything it points to is in the list's arena */
    enum source_status status;
    char problem[256];
    struct vv_span link_to;
    uint8_t *content; /* stored content: data only */
    size_t len;
};
struct sequence {
    struct taken *items;
    size_t count;
    struct vv_arena arena;
    struct vv_error error; /* of next or end, the first */
};

/** sequence_read(s, ret): all of it, up to the first failure; returns what source_end (or the
 *  failing source_next) said.  Frees ${s}. */
enum vv_rc sequence_read(struct source *s, struct sequence *ret);
void sequence_release(struct sequence *q);
/** sequence_find(q, path): the last item kept under ${path}; NULL if there is none.
 *  sequence_problem: the text of the first one with a status, or NULL. */
const struct taken *sequence_find(const struct sequence *q, const char *path);
const char *sequence_problem(const struct sequence *q, const char *path);
/** sequence_xattr(t, name, ret): its value. */
bool sequence_xattr(const struct taken *t, const char *name, struct vv_span *ret);

#endif
