/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes of SFTP version 3. */
#include "ssh/sftp_codec.h"

#include <string.h>

enum {
    ATTRIBUTE_SIZE = 0x1,
    ATTRIBUTE_OWNER = 0x2,
    ATTRIBUTE_MODE = 0x4,
    ATTRIBUTE_TIMES = 0x8,
};
#define ATTRIBUTE_EXTENDED UINT32_C(0x80000000)
#define ATTRIBUTES_KNOWN                                                                           \
    (ATTRIBUTE_EXTENDED | ATTRIBUTE_SIZE | ATTRIBUTE_OWNER | ATTRIBUTE_MODE | ATTRIBUTE_TIMES)

uint32_t
sftp_load_u32(const void *p)
{
    return __builtin_bswap32(vv_load_u32(p));
}

void
sftp_store_u32(void *p, uint32_t v)
{
    vv_store_u32(p, __builtin_bswap32(v));
}

/* ---- requests ---- */

void
sftp_put_u32(struct vv_buf *b, uint32_t v)
{
    vv_buf_put_u32(b, __builtin_bswap32(v));
}

void
sftp_put_u64(struct vv_buf *b, uint64_t v)
{
    vv_buf_put_u64(b, __builtin_bswap64(v));
}

void
sftp_put_string(struct vv_buf *b, struct vv_span bytes)
{
    sftp_put_u32(b, (uint32_t)bytes.len);
    vv_buf_put(b, bytes.data, bytes.len);
}

void
sftp_put_text(struct vv_buf *b, const char *text)
{
    sftp_put_string(b, vv_span(text, strlen(text)));
}

void
sftp_put_handle(struct vv_buf *b, const struct sftp_handle *h)
{
    sftp_put_string(b, vv_span(h->bytes, h->len));
}

void
sftp_put_head(struct vv_buf *b, uint8_t type, uint32_t id, uint32_t rest)
{
    sftp_put_u32(b, rest + SFTP_PACKET_HEAD - 4);
    vv_buf_put_u8(b, type);
    sftp_put_u32(b, id);
}

void
sftp_put_init(struct vv_buf *b)
{
    sftp_put_head(b, SFTP_PACKET_INIT, SFTP_VERSION, 0);
}

/* Attributes with nothing but permissions. */
static void
put_mode(struct vv_buf *b, uint32_t mode)
{
    sftp_put_u32(b, ATTRIBUTE_MODE);
    sftp_put_u32(b, mode);
}

void
sftp_put_open(struct vv_buf *b, const char *path, uint32_t flags, uint32_t mode)
{
    sftp_put_text(b, path);
    sftp_put_u32(b, flags);
    if ((flags & SFTP_OPEN_CREATE) != 0) {
        put_mode(b, mode);
    } else {
        sftp_put_u32(b, 0);
    }
}

void
sftp_put_mkdir(struct vv_buf *b, const char *path, uint32_t mode)
{
    sftp_put_text(b, path);
    put_mode(b, mode);
}

void
sftp_put_two_paths(struct vv_buf *b, const char *from, const char *to)
{
    sftp_put_text(b, from);
    sftp_put_text(b, to);
}

void
sftp_put_extended(struct vv_buf *b, const char *name)
{
    sftp_put_text(b, name);
}

void
sftp_put_read(struct vv_buf *b, const struct sftp_handle *h, uint64_t offset, uint32_t len)
{
    sftp_put_handle(b, h);
    sftp_put_u64(b, offset);
    sftp_put_u32(b, len);
}

void
sftp_put_write(struct vv_buf *b, const struct sftp_handle *h, uint64_t offset, uint32_t len)
{
    sftp_put_handle(b, h);
    sftp_put_u64(b, offset);
    sftp_put_u32(b, len);
}

/* ---- answers ---- */

static uint32_t
get_u32(struct vv_reader *in)
{
    return __builtin_bswap32(vv_get_u32(in));
}

static uint64_t
get_u64(struct vv_reader *in)
{
    return __builtin_bswap64(vv_get_u64(in));
}

static struct vv_span
get_string(struct vv_reader *in)
{
    uint32_t len = get_u32(in);

    return vv_get_bytes(in, len, 1);
}

static void
get_attributes(struct vv_reader *in, struct sftp_attributes *a)
{
    uint32_t flags = get_u32(in);

    *a = (struct sftp_attributes){.has_size = (flags & ATTRIBUTE_SIZE) != 0,
                                  .has_mode = (flags & ATTRIBUTE_MODE) != 0,
                                  .has_times = (flags & ATTRIBUTE_TIMES) != 0,
                                  .has_owner = (flags & ATTRIBUTE_OWNER) != 0};
    if ((flags & ~ATTRIBUTES_KNOWN) != 0) {
        in->failed = true; /* how long they are is not known */
        return;
    }
    if (a->has_size) {
        a->size = get_u64(in);
    }
    if (a->has_owner) {
        a->uid = get_u32(in);
        a->gid = get_u32(in);
    }
    if (a->has_mode) {
        a->mode = get_u32(in);
    }
    if (a->has_times) {
        a->atime = get_u32(in);
        a->mtime = get_u32(in);
    }
    if ((flags & ATTRIBUTE_EXTENDED) != 0) {
        uint32_t count = get_u32(in);
        for (uint32_t i = 0; i < count && !in->failed; i++) {
            (void)get_string(in);
            (void)get_string(in);
        }
    }
}

static bool
next_name(struct vv_reader *in, struct vv_span *name, struct sftp_attributes *a)
{
    *name = get_string(in);
    (void)get_string(in); /* as `ls -l` would show it */
    get_attributes(in, a);
    return !in->failed;
}

bool
sftp_names_next(struct sftp_names *names, struct vv_span *ret_name,
                struct sftp_attributes *ret_attributes)
{
    if (names->left == 0 || !next_name(&names->in, ret_name, ret_attributes)) {
        return false;
    }
    names->left--;
    return true;
}

/* All of them must parse: whoever goes through them later need not ask. */
static void
get_names(struct vv_reader *in, struct sftp_names *names)
{
    struct vv_span name;
    struct sftp_attributes a;

    names->left = get_u32(in);
    names->in = *in;
    for (uint32_t i = 0; i < names->left; i++) {
        if (!next_name(in, &name, &a)) {
            return;
        }
    }
}

/* Very old servers leave the words out. */
static void
get_status(struct vv_reader *in, struct sftp_answer *a)
{
    a->status = get_u32(in);
    if (vv_reader_left(in) > 0) {
        a->text = get_string(in);
    }
    if (vv_reader_left(in) > 0) {
        (void)get_string(in); /* their language */
    }
}

static void
get_handle(struct vv_reader *in, struct sftp_handle *h)
{
    struct vv_span bytes = get_string(in);

    if (bytes.len > sizeof(h->bytes)) {
        in->failed = true;
        return;
    }
    if (bytes.len > 0) {
        memcpy(h->bytes, bytes.data, bytes.len);
    }
    h->len = (uint32_t)bytes.len;
}

bool
sftp_answer_decode(struct vv_span packet, struct sftp_answer *ret)
{
    struct vv_reader in = vv_reader(packet.data, packet.len);

    memset(ret, 0, sizeof(*ret));
    ret->type = vv_get_u8(&in);
    ret->id = get_u32(&in);
    switch (ret->type) {
    case SFTP_PACKET_STATUS:
        get_status(&in, ret);
        break;
    case SFTP_PACKET_HANDLE:
        get_handle(&in, &ret->handle);
        break;
    case SFTP_PACKET_DATA:
        ret->data = get_string(&in);
        break;
    case SFTP_PACKET_NAME:
        get_names(&in, &ret->names);
        break;
    case SFTP_PACKET_ATTRS:
        get_attributes(&in, &ret->attributes);
        break;
    case SFTP_PACKET_EXTENDED_REPLY:
        ret->data = vv_get_bytes(&in, vv_reader_left(&in), 1);
        break;
    default:
        return false;
    }
    return vv_reader_done(&in);
}

/* ---- VERSION and extensions ---- */

static bool
span_is(struct vv_span s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static uint32_t
extension_bit(struct vv_span name, struct vv_span version)
{
    static const struct {
        const char *name;
        const char *version;
        uint32_t bit;
    } known[] = {
        {"fsync@openssh.com", "1", SFTP_FSYNC},
        {"hardlink@openssh.com", "1", SFTP_HARDLINK},
        {"posix-rename@openssh.com", "1", SFTP_POSIX_RENAME},
        {"statvfs@openssh.com", "2", SFTP_STATVFS},
        {"limits@openssh.com", "1", SFTP_LIMITS},
        {"lsetstat@openssh.com", "1", SFTP_LSETSTAT},
        {"copy-data", "1", SFTP_COPY_DATA},
    };

    for (size_t i = 0; i < VV_COUNT(known); i++) {
        if (span_is(name, known[i].name) && span_is(version, known[i].version)) {
            return known[i].bit;
        }
    }
    return 0;
}

static void
put_printable(struct vv_buf *out, struct vv_span s)
{
    for (size_t i = 0; i < s.len; i++) {
        bool plain = s.data[i] > 0x20 && s.data[i] < 0x7f;
        vv_buf_put_u8(out, plain ? s.data[i] : (uint8_t)'?');
    }
}

bool
sftp_version_decode(struct vv_span packet, uint32_t *ret_version, uint32_t *ret_extensions,
                    struct vv_buf *names)
{
    struct vv_reader in = vv_reader(packet.data, packet.len);
    uint32_t extensions = 0;

    if (vv_get_u8(&in) != SFTP_PACKET_VERSION) {
        return false;
    }
    uint32_t version = get_u32(&in);
    while (vv_reader_left(&in) > 0) {
        struct vv_span name = get_string(&in);
        struct vv_span data = get_string(&in);
        if (in.failed) {
            break;
        }
        extensions |= extension_bit(name, data);
        if (names->len + name.len + data.len + 2 <= SFTP_EXTENSION_TEXT) {
            put_printable(names, name);
            vv_buf_put_u8(names, ' ');
            put_printable(names, data);
            vv_buf_put_u8(names, '\n');
        }
    }
    if (!vv_reader_done(&in)) {
        return false;
    }
    *ret_version = version;
    *ret_extensions = extensions;
    return true;
}

bool
sftp_limits_decode(struct vv_span body, struct sftp_limits *ret)
{
    struct vv_reader in = vv_reader(body.data, body.len);
    struct sftp_limits limits;

    limits.packet = get_u64(&in);
    limits.read = get_u64(&in);
    limits.write = get_u64(&in);
    limits.handles = get_u64(&in);
    if (!vv_reader_done(&in)) {
        return false;
    }
    *ret = limits;
    return true;
}

static uint64_t
saturating_product(uint64_t a, uint64_t b)
{
    uint64_t product;

    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

bool
sftp_statvfs_decode(struct vv_span body, uint64_t *ret_free, uint64_t *ret_total)
{
    struct vv_reader in = vv_reader(body.data, body.len);

    (void)get_u64(&in);                /* f_bsize */
    uint64_t unit = get_u64(&in);      /* f_frsize */
    uint64_t blocks = get_u64(&in);    /* f_blocks */
    (void)get_u64(&in);                /* f_bfree */
    uint64_t available = get_u64(&in); /* f_bavail */
    for (int i = 0; i < 6; i++) {
        (void)get_u64(&in); /* files, ffree, favail, fsid, flag, namemax */
    }
    if (!vv_reader_done(&in)) {
        return false;
    }
    *ret_free = saturating_product(available, unit);
    *ret_total = saturating_product(blocks, unit);
    return true;
}
