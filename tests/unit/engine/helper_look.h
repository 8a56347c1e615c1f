/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of looking and verifying: a repository in memory, a source directory, and an ear for
 * events. */
#ifndef VARVE_TESTS_HELPER_LOOK_H
#define VARVE_TESTS_HELPER_LOOK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/backup.h"
#include "engine/look.h"
#include "engine/verify.h"
#include "storage/storage.h"

/** Events as lines "name|path|text\n". */
struct heard_events {
    struct vv_events base;
    struct vv_buf lines;
    unsigned problems;
};

struct look_world {
    char base[64]; /* a fresh directory: src/, state/ */
    struct vv_clock_manual clock;
    struct heard_events events;
    struct storage *storage; /* memory */
    struct repo *repo;
    struct snapshot_list list;
    struct vv_error err;
};

/** lw_must(w, call): fail the test with w->err's message unless it is VV_OK. */
#define lw_must(w, call)                                                                           \
    do {                                                                                           \
        enum vv_rc lw_rc_ = (call);                                                                \
        if (lw_rc_ != VV_OK) {                                                                     \
            fail_msg("%s: %s", #call, (w)->err.message);                                           \
        }                                                                                          \
    } while (0)

void lw_begin(struct look_world *w);
/** lw_end(w): leaves nothing. */
void lw_end(struct look_world *w);
/** lw_open(w, storage, with_state, ret): another handle on a copy of the repository. */
enum vv_rc lw_open(struct look_world *w, struct storage *st, bool with_state, struct repo **ret);
/** lw_write(w, path, bytes, len): a file below src/, directories made as needed. */
void lw_write(struct look_world *w, const char *path, const void *bytes, size_t len);
void lw_text(struct look_world *w, const char *path, const char *text);
void lw_remove(struct look_world *w, const char *path);
/** lw_path(w, path, out): the path in the tree of a path below src/ (no leading slash). */
struct vv_span lw_path(struct look_world *w, const char *path, struct vv_buf *out);
/** lw_backup(w): back src/ up; the clock moves on an hour; w->list is read again. */
void lw_backup(struct look_world *w);
void lw_read_list(struct look_world *w);
void lw_clear_events(struct look_world *w);
bool lw_heard(struct look_world *w, const char *text);

/** Reproducible bytes that do not compress. */
void lw_noise(uint8_t *out, size_t len, uint64_t seed);

#endif
