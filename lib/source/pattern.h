/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_SOURCE_PATTERN_H
#define VARVE_SOURCE_PATTERN_H

#include <stdbool.h>

#include "core/bytes.h"

/*
 * Patterns as in gitignore(5): "*" and "?" stop at '/', "**" does not, "[a-z]" classes, "\" quotes;
 * a pattern with a '/' other than at its end is anchored (to the root: absolute paths), one without
 * matches a name at any depth; a trailing '/' matches directories only; "!" negates; the last
 * match wins.  Unlike git, a file below an excluded directory can be included again: a directory
 * excluded only by pattern is still walked if a later "!" pattern could match below it.
 * Thread-safe once built.  Time is bounded (no exponential matching).
 */
struct pattern_set;

MUST_CHECK enum vv_rc pattern_set_new(struct pattern_set **ret, struct vv_error *err);
void pattern_set_free(struct pattern_set *p);
VV_DEFINE_CLEANUP(struct pattern_set, pattern_set_free);
/** pattern_set_add(p, pattern, err): VV_EUSAGE for one that can never match. */
MUST_CHECK enum vv_rc pattern_set_add(struct pattern_set *p, const char *pattern,
                                      struct vv_error *err);
/** pattern_set_add_file(p, path, err): one a line; blank lines and lines starting with '#' are
 *  skipped, "\#" and "\!" quote, trailing spaces are cut unless quoted, CR before the line's end is
 *  cut; "-" is standard input.  What was added before a bad line stays added. */
MUST_CHECK enum vv_rc pattern_set_add_file(struct pattern_set *p, const char *path,
                                           struct vv_error *err);
bool pattern_set_empty(const struct pattern_set *p);

enum pattern_verdict {
    PATTERN_NONE,    /* nothing said */
    PATTERN_MATCH,   /* the last match is a plain pattern */
    PATTERN_NEGATED, /* the last match is a "!" pattern */
};
/** pattern_set_test(p, path, is_directory): ${path} relative to the root, no leading slash.  Tests
 *  this path alone, not its parents. */
enum pattern_verdict pattern_set_test(const struct pattern_set *p, struct vv_span path,
                                      bool is_directory);
/** pattern_set_may_match_below(p, directory): could a "!" pattern (for a set of excludes) or any
 *  pattern (for a set of includes; ${negated} false) match something below? */
bool pattern_set_may_match_below(const struct pattern_set *p, struct vv_span directory,
                                 bool negated);

/** The last match, with its place: rank counts patterns from 1, 0 with PATTERN_NONE.  Whoever walks
 *  a tree uses it to let an exclusion reach below a directory:
 *  pattern_match_below(directory, own) is the verdict for something in a directory whose verdict
 *  (itself made this way, {0} at the top) is ${directory}, when it alone has the verdict ${own}. */
struct pattern_match {
    size_t rank;
    enum pattern_verdict verdict;
};
struct pattern_match pattern_set_match(const struct pattern_set *p, struct vv_span path,
                                       bool is_directory);
struct pattern_match pattern_match_below(struct pattern_match directory, struct pattern_match own);
/** pattern_set_may_include_below(p, rank, directory): could a "!" pattern that comes after number
 *  ${rank} match something below? */
bool pattern_set_may_include_below(const struct pattern_set *p, size_t rank,
                                   struct vv_span directory);

/** pattern_set_unused(p, i): for includes: the text of the i-th pattern that has never matched,
 *  NULL when there are no more.  (Matching marks patterns with relaxed atomics.) */
const char *pattern_set_unused(const struct pattern_set *p, size_t i);

#endif
