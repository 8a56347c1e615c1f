/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPORT_JSON_H
#define VARVE_REPORT_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/bytes.h"

/*
 * JSON documents, written as they are made: memory does not depend on their size, and what has gone
 * wrong half-way can still be said inside a document that stays well-formed.
 *
 * Rules that hold for every document of the command:
 *  - Names are raw bytes in a repository, but text in JSON.  A name that is valid UTF-8 is given
 *    exactly.  Any other is given for people (invalid bytes as \xNN, a backslash as \\), and beside
 *    it as KEY_base64 exactly.  A program that finds KEY_base64 must prefer it.
 *  - Characters that act on a terminal are written as \uNNNN.
 *  - Times are RFC 3339 with nanoseconds and a zone; sizes are bytes; ids are lower-case
 *  hexadecimal.
 */

#define JSON_DEPTH_MAX 32

struct json {
    FILE *file;
    unsigned depth;
    bool is_array[JSON_DEPTH_MAX];
    bool has_items[JSON_DEPTH_MAX];
    uint8_t rest[3]; /* base64: bytes that are no whole group yet */
    unsigned rest_len;
    bool in_base64;
    bool one_line;
    bool failed; /* sticky: out of memory, misuse, or the stream failed */
};

/** json_begin(j, file): an outermost object on ${file}. */
void json_begin(struct json *j, FILE *file);
/** json_begin_line(j, file): the same, in one line. */
void json_begin_line(struct json *j, FILE *file);
/** json_finish(j): close everything that is open, and end the line. */
void json_finish(struct json *j);

/** ${key} is NULL inside arrays, and only there. */
void json_put_object(struct json *j, const char *key);
void json_put_array(struct json *j, const char *key);
/** json_put_end(j): close the innermost object or array (not the outermost). */
void json_put_end(struct json *j);

void json_put_text(struct json *j, const char *key, const char *text); /* NULL: null */
/** json_put_bytes(j, key, raw): a name, see above.  In arrays the base64 form cannot be given
 *  beside; use json_put_bytes_array. */
void json_put_bytes(struct json *j, const char *key, struct vv_span raw);
/** json_put_bytes_array(j, key, items, count): names; if any is not valid UTF-8, also KEY_base64
 *  with all of them. */
void json_put_bytes_array(struct json *j, const char *key, const struct vv_span *items,
                          size_t count);
void json_put_u64(struct json *j, const char *key, uint64_t value);
void json_put_i64(struct json *j, const char *key, int64_t value);
/** json_put_real(j, key, value): two decimals; not finite: null. */
void json_put_real(struct json *j, const char *key, double value);
void json_put_bool(struct json *j, const char *key, bool value);
void json_put_null(struct json *j, const char *key);
/** json_put_document(j, key, text): a document of another program's as it is; as a string if it is none. */
void json_put_document(struct json *j, const char *key, struct vv_span text);
/** json_put_time(j, key, ns): nanoseconds since 1970. */
void json_put_time(struct json *j, const char *key, int64_t ns);
/** A string of base64 that is made piece by piece: json_base64_begin, _more (any sizes), _end. */
void json_base64_begin(struct json *j, const char *key);
void json_base64_more(struct json *j, struct vv_span data);
void json_base64_end(struct json *j);
/** json_put_hex(j, key, data, len): lower-case hexadecimal digits. */
void json_put_hex(struct json *j, const char *key, const void *data, size_t len);

#endif
