/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SOURCE_PATTERN_INTERNAL_H
#define VARVE_SOURCE_PATTERN_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"

/*
 * A pattern in compiled form: components (what stands between slashes), each a row of tokens.  A
 * component "**" is `deep` and has no tokens: it stands for any number of path components, also
 * none.  Shared by pattern.c (sets), pattern_compile.c and pattern_match.c.
 */
#define PATTERN_LIMIT 65536u /* bytes of one pattern */

enum glob_kind {
    GLOB_BYTE,  /* exactly `byte` */
    GLOB_ANY,   /* any one byte */
    GLOB_STAR,  /* any bytes, also none */
    GLOB_CLASS, /* one byte of classes[place] */
};
struct glob_token {
    uint8_t kind;
    uint8_t byte;
    uint32_t place;
};
struct glob_class {
    uint8_t bits[32];
};
struct glob_component {
    uint32_t first; /* token */
    uint32_t count;
    bool deep;
};
struct glob {
    struct glob_component *components;
    struct glob_token *tokens;
    struct glob_class *classes;
    uint32_t component_count;
    uint32_t token_count;
    uint32_t class_count;
};
struct pattern {
    char *text; /* as given */
    struct glob glob;
    bool negated;
    bool anchored;       /* matches the whole path; else the last component only */
    bool directory_only; /* ended in '/' */
    atomic_bool used;
};

/** pattern_compile(text, ret, err): VV_EUSAGE for one that can never match.  On success ${ret}
 * holds everything but the used mark and is released with pattern_release. */
MUST_CHECK enum vv_rc pattern_compile(const char *text, struct pattern *ret, struct vv_error *err);
void pattern_release(struct pattern *p);

/** glob_match_path: the whole path; glob_match_name: one component, against a glob of one.  Both
 *  need at most |pattern| * |text| steps: a failed match goes back to the latest star only. */
bool glob_match_path(const struct glob *g, struct vv_span path);
bool glob_match_name(const struct glob *g, struct vv_span name);
/** glob_may_match_below(g, directory): could an anchored glob match a path below ${directory}? */
bool glob_may_match_below(const struct glob *g, struct vv_span directory);

#endif
