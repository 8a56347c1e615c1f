/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_TEXT_H
#define VARVE_CORE_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"

/* Text for people: names made safe for a terminal, sizes, durations. */

/** vv_text_escape(out, raw): append ${raw} with C0, C1, DEL, backslash, bidirectional controls,
 *  line separators and bytes that are not valid UTF-8 shown as \xNN, \u{N} or \n-style escapes. */
void vv_text_escape(struct vv_buf *out, struct vv_span raw);

/** vv_text_size(bytes, out): "1.2 MiB"; ${out} holds at least 16 bytes. */
void vv_text_size(uint64_t bytes, char out[24]);
/** vv_text_count(n, out): "1,234,567". */
void vv_text_count(uint64_t n, char out[32]);
/** vv_text_duration(seconds, out): "3 s", "2 min 05 s", "1 h 02 min", "3 d 4 h". */
void vv_text_duration(uint64_t seconds, char out[32]);
/** vv_text_parse_size(text, ret): "64M", "1.5GiB", "100k", "0"; binary multiples; false if not. */
MUST_CHECK bool vv_text_parse_size(const char *text, uint64_t *ret);
/** vv_text_nearest(word, candidates, count): the candidate with the smallest edit distance if that
 *  is small enough to suggest it, else NULL. */
const char *vv_text_nearest(const char *word, const char *const *candidates, unsigned count);
/** vv_utf8_valid(raw): well-formed UTF-8 without surrogates. */
bool vv_utf8_valid(struct vv_span raw);

#endif
