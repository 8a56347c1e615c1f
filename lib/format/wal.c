/* SPDX-License-Identifier: BSD-2-Clause */
/* Positions, names of segments, and the page a segment begins with. */
#include "format/wal.h"

#include <stdio.h>
#include <string.h>

#define UPPER_HEX "0123456789ABCDEF"
#define LONG_HEADER 0x0002u
#define MAGIC_FAMILY 0xD100u /* of every version since 2005 */
#define PAGE_LEAST 1024u
#define PAGE_MOST 65536u
#define CONTROL_LEAST 1000u /* pg_control_version: 1300 in PostgreSQL 13 to 16 */
#define CONTROL_MOST 9999u

bool
wal_segment_size_valid(uint64_t size)
{
    return size >= WAL_SEGMENT_LEAST && size <= WAL_SEGMENT_MOST && (size & (size - 1)) == 0;
}

void
wal_lsn_text(uint64_t lsn, char out[WAL_LSN_TEXT])
{
    (void)snprintf(out, WAL_LSN_TEXT, "%X/%X", (unsigned)(lsn >> 32), (unsigned)lsn);
}

/** One to eight digits of either case; where they end. */
static const char *
read_half(const char *text, uint32_t *ret)
{
    uint32_t value = 0;
    unsigned digits = 0;

    for (; digits < 9; digits++, text++) {
        char c = *text;
        uint32_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if (c >= 'A' && c <= 'F') {
            digit = (uint32_t)(c - 'A') + 10;
        } else if (c >= 'a' && c <= 'f') {
            digit = (uint32_t)(c - 'a') + 10;
        } else {
            break;
        }
        value = value << 4 | digit;
    }
    *ret = value;
    return digits >= 1 && digits <= 8 ? text : NULL;
}

bool
wal_lsn_parse(const char *text, uint64_t *ret)
{
    uint32_t high;
    uint32_t low;
    const char *at = read_half(text, &high);

    if (at == NULL || *at != '/') {
        return false;
    }
    at = read_half(at + 1, &low);
    if (at == NULL || *at != '\0') {
        return false;
    }
    *ret = (uint64_t)high << 32 | low;
    return true;
}

/** Segments in 4 GiB. */
static uint64_t
per_id(uint32_t size)
{
    return (UINT64_C(1) << 32) / size;
}

void
wal_name(uint32_t timeline, uint64_t number, uint32_t size, char out[WAL_NAME])
{
    (void)snprintf(out, WAL_NAME, "%08X%08X%08X", (unsigned)timeline,
                   (unsigned)(number / per_id(size)), (unsigned)(number % per_id(size)));
}

void
wal_history_name(uint32_t timeline, char out[WAL_HISTORY_NAME])
{
    (void)snprintf(out, WAL_HISTORY_NAME, "%08X.history", (unsigned)timeline);
}

/** Eight upper-case digits. */
static bool
read_eight(const char *text, uint32_t *ret)
{
    char digits[9] = {0};

    if (strnlen(text, 8) < 8) {
        return false;
    }
    memcpy(digits, text, 8);
    return strspn(digits, UPPER_HEX) == 8 && read_half(digits, ret) != NULL;
}

struct wal_file_name
wal_file_name_parse(const char *text)
{
    static const struct wal_file_name other = {.kind = WAL_FILE_OTHER};
    struct wal_file_name n = other;
    uint32_t offset;
    const char *rest;

    if (!read_eight(text, &n.timeline) || n.timeline == 0) {
        return other;
    }
    if (strcmp(text + 8, ".history") == 0) {
        n.kind = WAL_FILE_HISTORY;
        return n;
    }
    if (!read_eight(text + 8, &n.high) || !read_eight(text + 16, &n.low)) {
        return other;
    }
    rest = text + 24;
    if (*rest == '\0') {
        n.kind = WAL_FILE_SEGMENT;
    } else if (strcmp(rest, ".partial") == 0) {
        n.kind = WAL_FILE_PARTIAL;
    } else if (*rest == '.' && read_eight(rest + 1, &offset) && strcmp(rest + 9, ".backup") == 0) {
        n.kind = WAL_FILE_BACKUP;
    } else {
        return other;
    }
    return n;
}

bool
wal_file_number(const struct wal_file_name *n, uint32_t size, uint64_t *ret)
{
    if (n->low >= per_id(size)) {
        return false;
    }
    *ret = n->high * per_id(size) + n->low;
    return true;
}

static enum vv_rc
no_segment(struct vv_error *err, const char *why)
{
    return vv_error_set(err, VV_ECORRUPT, "this is not the beginning of a segment of WAL: %s", why);
}

enum vv_rc
wal_first_page_decode(struct vv_span bytes, struct wal_first_page *ret, struct vv_error *err)
{
    struct vv_reader r = vv_reader(bytes.data, bytes.len);
    struct wal_first_page p = {0};
    uint16_t info;

    p.magic = vv_get_u16(&r);
    info = vv_get_u16(&r);
    p.timeline = vv_get_u32(&r);
    p.start = vv_get_u64(&r);
    (void)vv_get_u32(&r); /* of a record that goes on from the page before */
    (void)vv_get_u32(&r); /* padding */
    p.system = vv_get_u64(&r);
    p.segment_size = vv_get_u32(&r);
    p.page_size = vv_get_u32(&r);
    if (r.failed) {
        return no_segment(err, "it is too short");
    }
    if ((p.magic & 0xFF00u) != MAGIC_FAMILY) {
        if ((p.magic & 0x00FFu) == MAGIC_FAMILY >> 8) {
            return vv_error_set(err, VV_EUNSUPPORTED,
                                "this WAL is of a machine with the other byte order");
        }
        return no_segment(err, "it has another magic number");
    }
    if ((info & LONG_HEADER) == 0) {
        return no_segment(err, "its first page has the header of a later page");
    }
    if (!wal_segment_size_valid(p.segment_size) || p.page_size < PAGE_LEAST ||
        p.page_size > PAGE_MOST || (p.page_size & (p.page_size - 1)) != 0) {
        return no_segment(err, "impossible size of segment or page");
    }
    if (p.timeline == 0 || p.start % p.segment_size != 0) {
        return no_segment(err, "impossible timeline or position");
    }
    *ret = p;
    return VV_OK;
}

enum vv_rc
wal_control_decode(struct vv_span bytes, uint64_t *ret_system, struct vv_error *err)
{
    struct vv_reader r = vv_reader(bytes.data, bytes.len);
    uint64_t system = vv_get_u64(&r);
    uint32_t version = vv_get_u32(&r);

    if (r.failed || system == 0 || version < CONTROL_LEAST || version > CONTROL_MOST) {
        return vv_error_set(err, VV_ECORRUPT, "this is no control file of a PostgreSQL cluster");
    }
    *ret_system = system;
    return VV_OK;
}
