/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON documents, written as they are made.  jansson encodes the strings. */
#include "report/json.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/text.h"

static void
put(struct json *j, const char *text)
{
    if (fputs(text, j->file) < 0) {
        j->failed = true;
    }
}

/** Bytes of an encoded string; DEL is the one control character jansson leaves raw. */
static int
put_encoded(const char *data, size_t len, void *ctx)
{
    struct json *j = ctx;

    for (size_t i = 0; i < len; i++) {
        if (data[i] == 0x7f) {
            put(j, "\\u007f");
        } else if (fputc((unsigned char)data[i], j->file) == EOF) {
            return -1;
        }
    }
    return 0;
}

/** A string literal of valid UTF-8.  ${plain}: nothing in it acts on a terminal. */
static void
put_string(struct json *j, struct vv_span text, bool plain)
{
    json_t *value;

    json_set_alloc_funcs(vv_alloc, vv_free);
    value = json_stringn(text.len > 0 ? (const char *)text.data : "", text.len);
    if (value == NULL || json_dump_callback(value, put_encoded, j,
                                            JSON_ENCODE_ANY | (plain ? 0 : JSON_ENSURE_ASCII))) {
        j->failed = true;
    }
    json_decref(value);
}

static struct vv_span
span_of(const char *text)
{
    return vv_span(text, strlen(text));
}

static void
put_new_line(struct json *j)
{
    put(j, j->one_line ? "" : "\n");
    for (unsigned i = 0; !j->one_line && i < j->depth; i++) {
        put(j, " ");
    }
}

/** What stands before a value: comma, line, key. */
static void
before_value(struct json *j, const char *key)
{
    unsigned d = j->depth;

    if (j->in_base64 || d == 0 || d > JSON_DEPTH_MAX || j->is_array[d - 1] != (key == NULL)) {
        j->failed = true;
        return;
    }
    put(j, !j->has_items[d - 1] ? "" : j->one_line ? ", " : ",");
    j->has_items[d - 1] = true;
    put_new_line(j);
    if (key != NULL) {
        put_string(j, span_of(key), true);
        put(j, ": ");
    }
}

static void
open_level(struct json *j, bool array)
{
    if (j->depth >= JSON_DEPTH_MAX) {
        j->failed = true;
        return;
    }
    put(j, array ? "[" : "{");
    j->is_array[j->depth] = array;
    j->has_items[j->depth] = false;
    j->depth++;
}

static void
close_level(struct json *j)
{
    bool array = j->is_array[j->depth - 1];
    bool items = j->has_items[j->depth - 1];

    j->depth--;
    if (items) {
        put_new_line(j);
    }
    put(j, array ? "]" : "}");
}

void
json_begin(struct json *j, FILE *file)
{
    memset(j, 0, sizeof(*j));
    j->file = file;
    open_level(j, false);
}

void
json_begin_line(struct json *j, FILE *file)
{
    json_begin(j, file);
    j->one_line = true;
}

void
json_finish(struct json *j)
{
    if (j->in_base64) {
        json_base64_end(j);
    }
    while (j->depth > 0) {
        close_level(j);
    }
    put(j, "\n");
}

void
json_put_object(struct json *j, const char *key)
{
    before_value(j, key);
    open_level(j, false);
}

void
json_put_array(struct json *j, const char *key)
{
    before_value(j, key);
    open_level(j, true);
}

void
json_put_end(struct json *j)
{
    if (j->depth < 2) {
        j->failed = true;
        return;
    }
    close_level(j);
}

/** The text of a name as people see it; exact if it is valid UTF-8. */
static void
put_name(struct json *j, struct vv_span raw)
{
    struct vv_buf escaped = {0};
    bool plain;

    vv_text_escape(&escaped, raw);
    if (escaped.failed) {
        j->failed = true;
    } else if (!vv_utf8_valid(raw)) {
        put_string(j, vv_buf_span(&escaped), true);
    } else {
        /* What had nothing to escape (but backslashes, which only waste room) goes out as it is. */
        plain = escaped.len == raw.len;
        put_string(j, raw, plain);
    }
    vv_buf_release(&escaped);
}

/** One group of up to three bytes. */
static void
put_group(struct json *j, const uint8_t *data, size_t len)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    enum { PADDING = 64 };
    char group[5] = "";
    uint32_t v = (uint32_t)data[0] << 16;

    v |= len > 1 ? (uint32_t)data[1] << 8 : 0;
    v |= len > 2 ? data[2] : 0;
    group[0] = digits[v >> 18];
    group[1] = digits[(v >> 12) & 63];
    group[2] = digits[len > 1 ? (v >> 6) & 63 : PADDING];
    group[3] = digits[len > 2 ? v & 63 : PADDING];
    put(j, group);
}

static void
put_base64(struct json *j, struct vv_span raw)
{
    put(j, "\"");
    for (size_t i = 0; i < raw.len; i += 3) {
        put_group(j, raw.data + i, raw.len - i < 3 ? raw.len - i : 3);
    }
    put(j, "\"");
}

/** KEY_base64 for names; false if there is no memory. */
static void
before_base64(struct json *j, const char *key, bool array)
{
    struct vv_buf name = {0};

    vv_buf_printf(&name, "%s_base64", key);
    if (array) {
        json_put_array(j, vv_buf_text(&name));
    } else {
        before_value(j, vv_buf_text(&name));
    }
    j->failed = j->failed || name.failed;
    vv_buf_release(&name);
}

void
json_put_bytes(struct json *j, const char *key, struct vv_span raw)
{
    before_value(j, key);
    put_name(j, raw);
    if (key != NULL && !vv_utf8_valid(raw)) {
        before_base64(j, key, false);
        put_base64(j, raw);
    }
}

void
json_put_bytes_array(struct json *j, const char *key, const struct vv_span *items, size_t count)
{
    bool valid = true;

    json_put_array(j, key);
    for (size_t i = 0; i < count; i++) {
        json_put_bytes(j, NULL, items[i]);
        valid = valid && vv_utf8_valid(items[i]);
    }
    json_put_end(j);
    if (valid || key == NULL) {
        return;
    }
    before_base64(j, key, true);
    for (size_t i = 0; i < count; i++) {
        before_value(j, NULL);
        put_base64(j, items[i]);
    }
    json_put_end(j);
}

void
json_put_text(struct json *j, const char *key, const char *text)
{
    if (text == NULL) {
        json_put_null(j, key);
        return;
    }
    json_put_bytes(j, key, span_of(text));
}

void
json_put_u64(struct json *j, const char *key, uint64_t value)
{
    before_value(j, key);
    if (fprintf(j->file, "%" PRIu64, value) < 0) {
        j->failed = true;
    }
}

void
json_put_i64(struct json *j, const char *key, int64_t value)
{
    before_value(j, key);
    if (fprintf(j->file, "%" PRId64, value) < 0) {
        j->failed = true;
    }
}

void
json_put_real(struct json *j, const char *key, double value)
{
    before_value(j, key);
    if (!isfinite(value)) {
        put(j, "null");
    } else if (fprintf(j->file, "%.2f", value) < 0) {
        j->failed = true;
    }
}

void
json_put_bool(struct json *j, const char *key, bool value)
{
    before_value(j, key);
    put(j, value ? "true" : "false");
}

void
json_put_null(struct json *j, const char *key)
{
    before_value(j, key);
    put(j, "null");
}

void
json_put_document(struct json *j, const char *key, struct vv_span text)
{
    json_t *value;

    json_set_alloc_funcs(vv_alloc, vv_free);
    value = json_loadb((const char *)text.data, text.len, JSON_ALLOW_NUL, NULL);
    if (value == NULL) {
        json_put_bytes(j, key, text);
        return;
    }
    before_value(j, key);
    if (json_dump_callback(value, put_encoded, j, JSON_COMPACT | JSON_ENSURE_ASCII) != 0) {
        j->failed = true;
    }
    json_decref(value);
}

void
json_put_time(struct json *j, const char *key, int64_t ns)
{
    char text[VV_TIME_TEXT];

    vv_time_format_iso(ns, text);
    json_put_text(j, key, text);
}

void
json_base64_begin(struct json *j, const char *key)
{
    before_value(j, key);
    put(j, "\"");
    j->rest_len = 0;
    j->in_base64 = true;
}

void
json_base64_more(struct json *j, struct vv_span data)
{
    for (size_t i = 0; i < data.len; i++) {
        j->rest[j->rest_len++] = data.data[i];
        if (j->rest_len == sizeof(j->rest)) {
            put_group(j, j->rest, sizeof(j->rest));
            j->rest_len = 0;
        }
    }
}

void
json_base64_end(struct json *j)
{
    if (j->rest_len > 0) {
        put_group(j, j->rest, j->rest_len);
    }
    put(j, "\"");
    j->rest_len = 0;
    j->in_base64 = false;
}

void
json_put_hex(struct json *j, const char *key, const void *data, size_t len)
{
    struct vv_buf text = {0};

    for (size_t i = 0; i < len; i++) {
        vv_buf_printf(&text, "%02x", ((const uint8_t *)data)[i]);
    }
    json_put_text(j, key, vv_buf_text(&text));
    j->failed = j->failed || text.failed;
    vv_buf_release(&text);
}
