/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_REPORT_JSON_READ_H
#define VARVE_REPORT_JSON_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/error.h"

/* JSON documents that another varve has written (json.h), read.  What is not there, or of another kind, is
 * an empty text, 0, false, or no value: a newer or older varve may leave things out. */
struct json_value;

/** json_read(text, ret, err): VV_ECORRUPT if it is no document. */
MUST_CHECK enum vv_rc json_read(struct vv_span text, struct json_value **ret, struct vv_error *err);
/** Of the document that json_read gave; what was got from it is borrowed until then. */
void json_value_free(struct json_value *v);
VV_DEFINE_CLEANUP(struct json_value, json_value_free);

/** json_get(v, key): a member of an object; NULL if ${v} (which may be NULL) has none. */
const struct json_value *json_get(const struct json_value *v, const char *key);
/** json_count(v) / json_item(v, i): of an array. */
size_t json_count(const struct json_value *v);
const struct json_value *json_item(const struct json_value *v, size_t i);
/** Of members. */
const char *json_get_text(const struct json_value *v, const char *key);
int64_t json_get_i64(const struct json_value *v, const char *key);
bool json_get_bool(const struct json_value *v, const char *key);
/** json_get_time(v, key): nanoseconds since 1970; 0 if it is none. */
int64_t json_get_time(const struct json_value *v, const char *key);

#endif
