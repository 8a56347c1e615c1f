/* SPDX-License-Identifier: BSD-2-Clause */
#include "format/ustar.h"

#include <string.h>

/* Fields of a header: offset and length. */
#define NAME_AT 0u
#define MODE_AT 100u
#define UID_AT 108u
#define GID_AT 116u
#define SIZE_AT 124u
#define MTIME_AT 136u
#define CHECKSUM_AT 148u
#define TYPE_AT 156u
#define TARGET_AT 157u
#define MAGIC_AT 257u
#define USER_AT 265u
#define GROUP_AT 297u
#define PREFIX_AT 345u

/* Octal digits, ended by a space or NUL; or, with the top bit of the first byte set, a binary number
 * (what does not fit into the digits: files of 8 GiB). */
static bool
number(const uint8_t *field, size_t len, uint64_t most, uint64_t *ret)
{
    uint64_t value = 0;
    size_t i = 0;

    if (field[0] & 0x80u) {
        if (field[0] != 0x80u) { /* negative, or larger than 64 bits */
            return false;
        }
        for (i = 1; i < len; i++) {
            if (value >> 56 != 0) {
                return false;
            }
            value = value << 8 | field[i];
        }
        *ret = value;
        return value <= most;
    }
    while (i < len && field[i] == ' ') {
        i++;
    }
    for (; i < len && field[i] >= '0' && field[i] <= '7'; i++) {
        if (value >> 61 != 0) {
            return false;
        }
        value = value << 3 | (uint64_t)(field[i] - '0');
    }
    for (; i < len; i++) {
        if (field[i] != ' ' && field[i] != '\0') {
            return false;
        }
    }
    *ret = value;
    return value <= most;
}

static bool
is_zero(const uint8_t *block)
{
    return block[0] == 0 && memcmp(block, block + 1, USTAR_BLOCK - 1) == 0;
}

static bool
checksum_fits(const uint8_t *block)
{
    uint64_t told = 0;
    uint64_t sum = 0;

    for (size_t i = 0; i < USTAR_BLOCK; i++) {
        sum += i >= CHECKSUM_AT && i < CHECKSUM_AT + 8 ? ' ' : block[i];
    }
    return number(block + CHECKSUM_AT, 8, UINT32_MAX, &told) && told == sum;
}

static void
text(const uint8_t *field, size_t len, char *out)
{
    size_t n = strnlen((const char *)field, len);

    memcpy(out, field, n);
    out[n] = '\0';
}

/* No component may be empty, "." or "..". */
static bool
name_is_sound(const char *name)
{
    while (*name != '\0') {
        size_t n = strcspn(name, "/");
        if (n == 0 || (n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.')) {
            return false;
        }
        name += n;
        if (*name == '/' && *++name == '\0') {
            return false;
        }
    }
    return true;
}

static bool
take_name(const uint8_t *block, struct ustar_member *m)
{
    char whole[USTAR_NAME] = "";
    const char *name = whole;
    size_t len;

    if (block[PREFIX_AT] != 0) {
        text(block + PREFIX_AT, 155, whole);
        whole[strlen(whole) + 1] = '\0';
        whole[strlen(whole)] = '/';
    }
    text(block + NAME_AT, 100, whole + strlen(whole));
    while (name[0] == '.' && name[1] == '/') {
        name += 2;
    }
    len = strlen(name);
    while (len > 0 && name[len - 1] == '/') {
        len--;
    }
    memcpy(m->name, name, len);
    m->name[len] = '\0';
    return len > 0 && name_is_sound(m->name);
}

enum vv_rc
ustar_decode(const uint8_t block[USTAR_BLOCK], bool *ret_end, struct ustar_member *ret,
             struct vv_error *err)
{
    struct ustar_member m = {0};
    uint64_t mode = 0;
    uint64_t uid = 0;
    uint64_t gid = 0;
    uint64_t mtime = 0;

    if (is_zero(block)) {
        *ret_end = true;
        return VV_OK;
    }
    if (memcmp(block + MAGIC_AT, "ustar", 5) != 0 || !checksum_fits(block)) {
        return vv_error_set(err, VV_ECORRUPT, "a member of a tar has no sound header");
    }
    if (!take_name(block, &m)) {
        return vv_error_set(err, VV_ECORRUPT, "a member of a tar has no sound name");
    }
    if (!number(block + MODE_AT, 8, UINT32_MAX, &mode) ||
        !number(block + UID_AT, 8, UINT32_MAX, &uid) ||
        !number(block + GID_AT, 8, UINT32_MAX, &gid) ||
        !number(block + SIZE_AT, 12, INT64_MAX - USTAR_BLOCK, &m.size) ||
        !number(block + MTIME_AT, 12, INT64_MAX, &mtime)) {
        return vv_error_set(err, VV_ECORRUPT, "member '%s' of a tar: a number cannot be read",
                            m.name);
    }
    switch (block[TYPE_AT]) {
    case '0':
    case '\0':
        m.type = USTAR_FILE;
        break;
    case '5':
        m.type = USTAR_DIRECTORY;
        break;
    case '2':
        m.type = USTAR_SYMLINK;
        break;
    default:
        return vv_error_set(err, VV_EUNSUPPORTED, "member '%s' of a tar is of type %u", m.name,
                            block[TYPE_AT]);
    }
    if (m.type != USTAR_FILE) {
        m.size = 0;
    }
    m.mode = (uint32_t)mode & 07777u;
    m.uid = (uint32_t)uid;
    m.gid = (uint32_t)gid;
    m.mtime = (int64_t)mtime;
    text(block + TARGET_AT, 100, m.target);
    text(block + USER_AT, 32, m.user);
    text(block + GROUP_AT, 32, m.group);
    *ret_end = false;
    *ret = m;
    return VV_OK;
}
