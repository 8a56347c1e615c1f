/* SPDX-License-Identifier: BSD-2-Clause */
#include "format/backup_manifest.h"

#include <string.h>

#include "crypto/hash.h"
#include "format/wal.h"

#define VERSION_MOST 2u

struct reading {
    const char *at;
    const char *end;
    const struct manifest_calls *calls;
    uint64_t version;
    char key[64];
    char value[2 * LIMIT_MANIFEST_PATH + 1]; /* a string's, decoded */
    size_t value_len;
    uint8_t path[LIMIT_MANIFEST_PATH];
};

static enum vv_rc
malformed(const char *what, struct vv_error *err)
{
    return vv_error_set(err, VV_ECORRUPT, "the backup manifest cannot be read: %s", what);
}

/* ---- JSON, as far as it is met here ---- */

static char
peek(struct reading *r)
{
    while (r->at < r->end && strchr(" \t\r\n", *r->at) != NULL && *r->at != '\0') {
        r->at++;
    }
    if (r->at == r->end) {
        return '\0';
    }
    return *r->at;
}

static bool
take(struct reading *r, char c)
{
    if (peek(r) != c || c == '\0') {
        return false;
    }
    r->at++;
    return true;
}

static int
digit_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* \uXXXX as UTF-8; of control characters, which is all the server writes so, and of anything else but
 * surrogates. */
static bool
unicode(struct reading *r, char *out, size_t room, size_t *len)
{
    unsigned code = 0;

    if (r->end - r->at < 4 || room - *len < 3) {
        return false;
    }
    for (unsigned i = 0; i < 4; i++) {
        int d = digit_value(*r->at++);
        if (d < 0) {
            return false;
        }
        code = code << 4 | (unsigned)d;
    }
    if (code == 0 || (code >= 0xd800 && code <= 0xdfff)) {
        return false;
    }
    if (code < 0x80) {
        out[(*len)++] = (char)code;
    } else if (code < 0x800) {
        out[(*len)++] = (char)(0xc0 | code >> 6);
        out[(*len)++] = (char)(0x80 | (code & 0x3f));
    } else {
        out[(*len)++] = (char)(0xe0 | code >> 12);
        out[(*len)++] = (char)(0x80 | (code >> 6 & 0x3f));
        out[(*len)++] = (char)(0x80 | (code & 0x3f));
    }
    return true;
}

static bool
escape(struct reading *r, char *out, size_t room, size_t *len)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    const char *known;

    if (r->at == r->end) {
        return false;
    }
    if (*r->at == 'u') {
        r->at++;
        return unicode(r, out, room, len);
    }
    known = *r->at != '\0' ? strchr(from, *r->at) : NULL;
    if (known == NULL || *len == room) {
        return false;
    }
    out[(*len)++] = to[known - from];
    r->at++;
    return true;
}

/* A string of at most ${room} - 1 bytes, NUL-terminated (and without one in it). */
static bool
string(struct reading *r, char *out, size_t room, size_t *ret_len)
{
    size_t len = 0;

    if (!take(r, '"')) {
        return false;
    }
    while (r->at < r->end && *r->at != '"') {
        char c = *r->at++;
        if (c == '\\') {
            if (!escape(r, out, room - 1, &len)) {
                return false;
            }
        } else if ((unsigned char)c < 0x20 || len == room - 1) {
            return false;
        } else {
            out[len++] = c;
        }
    }
    out[len] = '\0';
    *ret_len = len;
    return take(r, '"');
}

static bool
number(struct reading *r, uint64_t *ret)
{
    uint64_t value = 0;
    const char *begin;

    (void)peek(r);
    begin = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        uint64_t digit = (uint64_t)(*r->at++ - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *ret = value;
    return r->at > begin;
}

/* A value nobody asks for: later versions of the server may tell more. */
static bool
pass_over(struct reading *r)
{
    uint64_t ignored;
    size_t len;

    return peek(r) == '"' ? string(r, r->value, sizeof(r->value), &len) : number(r, &ignored);
}

static bool
key(struct reading *r)
{
    size_t len;

    return string(r, r->key, sizeof(r->key), &len) && take(r, ':');
}

static bool
key_is(const struct reading *r, const char *name)
{
    return strcmp(r->key, name) == 0;
}

static bool
value(struct reading *r)
{
    return string(r, r->value, sizeof(r->value), &r->value_len);
}

/* ---- what is in it ---- */

static bool
take_path(struct reading *r, bool encoded, struct vv_span *ret)
{
    size_t len = encoded ? r->value_len / 2 : r->value_len;

    if (len == 0 || len > sizeof(r->path) || (encoded && r->value_len % 2 != 0) || ret->len != 0) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (encoded) {
            int high = digit_value(r->value[2 * i]);
            int low = digit_value(r->value[2 * i + 1]);
            if (high < 0 || low < 0) {
                return false;
            }
            r->path[i] = (uint8_t)(high << 4 | low);
        } else {
            r->path[i] = (uint8_t)r->value[i];
        }
    }
    *ret = vv_span(r->path, len);
    return true;
}

/* Eight digits: the CRC's bytes as they lie in the memory of a little-endian server. */
static bool
take_crc(const struct reading *r, uint32_t *ret)
{
    uint8_t bytes[4];

    if (r->value_len != 8 || !vv_unhex(bytes, 4, r->value, 8)) {
        return false;
    }
    *ret = vv_load_u32(bytes);
    return true;
}

struct file_state {
    struct manifest_file file;
    bool has_size;
    bool has_checksum;
    bool checksum_is_crc;
};

static bool
file_field(struct reading *r, struct file_state *f)
{
    if (key_is(r, "Path")) {
        return value(r) && take_path(r, false, &f->file.path);
    }
    if (key_is(r, "Encoded-Path")) {
        return value(r) && take_path(r, true, &f->file.path);
    }
    if (key_is(r, "Size")) {
        f->has_size = true;
        return number(r, &f->file.size);
    }
    if (key_is(r, "Checksum-Algorithm")) {
        f->file.algorithm = MANIFEST_OTHER;
        if (!value(r)) {
            return false;
        }
        if (strcmp(r->value, "CRC32C") == 0) {
            f->file.algorithm = MANIFEST_CRC32C;
        }
        return true;
    }
    if (key_is(r, "Checksum")) {
        f->has_checksum = true;
        if (!value(r)) {
            return false;
        }
        f->checksum_is_crc = take_crc(r, &f->file.crc32c);
        return true;
    }
    return pass_over(r);
}

static enum vv_rc
read_file(struct reading *r, struct vv_error *err)
{
    struct file_state f = {.file = {.algorithm = MANIFEST_NONE}};

    if (!take(r, '{')) {
        return malformed("no object in 'Files'", err);
    }
    do {
        if (!key(r) || !file_field(r, &f)) {
            return malformed("a field of a file", err);
        }
    } while (take(r, ','));
    if (!take(r, '}') || f.file.path.len == 0 || !f.has_size ||
        (f.file.algorithm == MANIFEST_CRC32C && !(f.has_checksum && f.checksum_is_crc)) ||
        (f.file.algorithm == MANIFEST_OTHER && !f.has_checksum)) {
        return malformed("a file has not all fields", err);
    }
    return r->calls->file != NULL ? r->calls->file(r->calls->ctx, &f.file, err) : VV_OK;
}

static enum vv_rc
read_wal(struct reading *r, struct vv_error *err)
{
    struct manifest_wal w = {0};
    uint64_t timeline = 0;
    unsigned got = 0;

    if (!take(r, '{')) {
        return malformed("no object in 'WAL-Ranges'", err);
    }
    do {
        bool ok = key(r);
        if (ok && key_is(r, "Timeline")) {
            ok = number(r, &timeline) && timeline > 0 && timeline <= UINT32_MAX;
            got |= 1;
        } else if (ok && key_is(r, "Start-LSN")) {
            ok = value(r) && wal_lsn_parse(r->value, &w.start);
            got |= 2;
        } else if (ok && key_is(r, "End-LSN")) {
            ok = value(r) && wal_lsn_parse(r->value, &w.end);
            got |= 4;
        } else {
            ok = ok && pass_over(r);
        }
        if (!ok) {
            return malformed("a field of a range of WAL", err);
        }
    } while (take(r, ','));
    if (!take(r, '}') || got != 7 || w.end < w.start) {
        return malformed("a range of WAL has not all fields", err);
    }
    w.timeline = (uint32_t)timeline;
    return r->calls->wal != NULL ? r->calls->wal(r->calls->ctx, &w, err) : VV_OK;
}

static enum vv_rc
read_array(struct reading *r, enum vv_rc (*item)(struct reading *, struct vv_error *),
           struct vv_error *err)
{
    if (!take(r, '[')) {
        return malformed("an array was due", err);
    }
    if (peek(r) != ']') {
        do {
            VV_TRY(item(r, err));
        } while (take(r, ','));
    }
    return take(r, ']') ? VV_OK : malformed("an array does not end", err);
}

static enum vv_rc
read_member(struct reading *r, unsigned *got, struct vv_error *err)
{
    if (!key(r)) {
        return malformed("no key", err);
    }
    if (key_is(r, "PostgreSQL-Backup-Manifest-Version")) {
        if (!number(r, &r->version) || r->version == 0) {
            return malformed("its version", err);
        }
        if (r->version > VERSION_MOST) {
            return vv_error_set(err, VV_EUNSUPPORTED, "a backup manifest of version %llu",
                                (unsigned long long)r->version);
        }
        return VV_OK;
    }
    if (key_is(r, "Files")) {
        *got |= 1;
        return read_array(r, read_file, err);
    }
    if (key_is(r, "WAL-Ranges")) {
        *got |= 2;
        return read_array(r, read_wal, err);
    }
    return pass_over(r) ? VV_OK : malformed("a value", err);
}

/* The last line is left out of what it is the checksum of. */
static enum vv_rc
check_own_checksum(struct vv_span text, struct vv_error *err)
{
    static const char label[] = "\"Manifest-Checksum\": \"";
    const size_t line = sizeof(label) - 1 + 64 + 3; /* ..."}\n */
    const char *last;
    uint8_t told[32];
    uint8_t have[32];

    if (text.len < line + 1) {
        return malformed("it is cut off", err);
    }
    last = (const char *)text.data + text.len - line;
    if (last[-1] != '\n' || memcmp(last, label, sizeof(label) - 1) != 0 ||
        memcmp(last + line - 3, "\"}\n", 3) != 0 ||
        !vv_unhex(told, sizeof(told), last + sizeof(label) - 1, 64)) {
        return malformed("it does not end with its checksum", err);
    }
    sha256(text.data, text.len - line, have);
    if (memcmp(told, have, sizeof(have)) != 0) {
        return vv_error_set(err, VV_ECORRUPT, "the checksum of the backup manifest is wrong");
    }
    return VV_OK;
}

enum vv_rc
manifest_read(struct vv_span text, const struct manifest_calls *calls, struct vv_error *err)
{
    struct reading r = {.at = (const char *)text.data, .calls = calls};
    unsigned got = 0;

    VV_TRY(check_own_checksum(text, err));
    r.end = r.at + text.len;
    if (!take(&r, '{')) {
        return malformed("no object", err);
    }
    do {
        VV_TRY(read_member(&r, &got, err));
    } while (take(&r, ','));
    if (!take(&r, '}') || peek(&r) != '\0' || r.at != r.end || r.version == 0 || got != 3) {
        return malformed("it has not all parts", err);
    }
    return VV_OK;
}
