/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CONFIG_SETTINGS_INTERNAL_H
#define VARVE_CONFIG_SETTINGS_INTERNAL_H

#include "config/settings.h"
#include "core/arena.h"

/* Shared by settings.c (asking), settings_parse.c (text), settings_file.c (files), settings_check.c (the whole). */

struct settings {
    const struct settings_spec *specs;
    unsigned spec_count;
    struct vv_arena arena; /* everything below */
    struct settings_section *first;
    struct settings_section *last;
    struct settings_problem *first_problem;
    struct settings_problem *last_problem;
    unsigned problem_count;
};

/** settings_complain(c, place, hint, err, fmt, ...): one more problem; ${hint} may be NULL.  Only memory
 *  fails. */
MUST_CHECK enum vv_rc settings_complain(struct settings *c, struct settings_place place,
                                        const char *hint, struct vv_error *err, const char *fmt,
                                        ...) VV_PRINTF(5, 6);
/** settings_did_you_mean(names, count, word, out): "did you mean '...'?" or empty. */
void settings_did_you_mean(const char *const *names, unsigned count, const char *word,
                           struct vv_buf *out);

#endif
