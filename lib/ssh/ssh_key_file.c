/* SPDX-License-Identifier: BSD-2-Clause */
/* What a private key file tells without its passphrase. */
#include <string.h>

#include "ssh/ssh_key.h"

static const uint8_t magic[15] = "openssh-key-v1"; /* with its NUL */

static struct vv_span
get_string(struct vv_reader *r)
{
    uint32_t len = vv_get_u32(r);
    return vv_get_bytes(r, __builtin_bswap32(len), 1); /* the wire is big-endian */
}

static bool
parse_openssh(struct vv_span body, struct ssh_key_file *f)
{
    struct vv_buf raw = {0};
    struct vv_span cipher;
    struct vv_span key;
    bool ok = false;

    if (ssh_base64_decode(&raw, body) && !raw.failed && raw.len > sizeof(magic) &&
        memcmp(raw.data, magic, sizeof(magic)) == 0) {
        struct vv_reader r = vv_reader(raw.data + sizeof(magic), raw.len - sizeof(magic));
        cipher = get_string(&r);
        (void)get_string(&r); /* how the passphrase becomes a key */
        (void)get_string(&r);
        (void)vv_get_u32(&r); /* how many keys: always 1 */
        key = get_string(&r);
        ok = !r.failed && key.len > 0;
        if (ok) {
            f->encrypted = cipher.len != 4 || memcmp(cipher.data, "none", 4) != 0;
            f->type = ssh_key_type_of(key);
            vv_buf_put(&f->public_key, key.data, key.len);
        }
    }
    vv_buf_release(&raw);
    return ok;
}

static bool
contains(struct vv_span text, const char *word)
{
    return text.len > 0 && memmem(text.data, text.len, word, strlen(word)) != NULL;
}

/* What stands between the lines BEGIN and END ${kind}. */
static bool
body_of(struct vv_span text, const char *kind, struct vv_span *ret)
{
    struct vv_buf line = {0};
    const uint8_t *begin = NULL;
    const uint8_t *end = NULL;

    vv_buf_printf(&line, "-----BEGIN %s-----", kind);
    if (text.len > 0 && !line.failed) {
        begin = memmem(text.data, text.len, line.data, line.len);
    }
    if (begin != NULL) {
        begin += line.len;
        vv_buf_reset(&line);
        vv_buf_printf(&line, "-----END %s-----", kind);
        if (!line.failed) {
            end = memmem(begin, (size_t)(text.data + text.len - begin), line.data, line.len);
        }
    }
    vv_buf_release(&line);
    if (end == NULL) {
        return false;
    }
    *ret = vv_span(begin, (size_t)(end - begin));
    return true;
}

enum vv_rc
ssh_key_file_parse(struct vv_span text, struct ssh_key_file *ret, struct vv_error *err)
{
    static const struct {
        const char *kind;
        enum ssh_key_type type;
    } pem[] = {
        {"RSA PRIVATE KEY", SSH_KEY_RSA},    {"DSA PRIVATE KEY", SSH_KEY_DSA},
        {"EC PRIVATE KEY", SSH_KEY_UNKNOWN}, /* the curve is inside */
        {"PRIVATE KEY", SSH_KEY_UNKNOWN},    {"ENCRYPTED PRIVATE KEY", SSH_KEY_UNKNOWN},
    };
    struct ssh_key_file f = {0};
    struct vv_span body;

    if (body_of(text, "OPENSSH PRIVATE KEY", &body)) {
        if (parse_openssh(body, &f)) {
            VV_TRY(vv_buf_check(&f.public_key, err));
            *ret = f;
            return VV_OK;
        }
        ssh_key_file_release(&f);
        return vv_error_set(err, VV_EUNSUPPORTED, "damaged private key");
    }
    for (size_t i = 0; i < VV_COUNT(pem); i++) {
        if (body_of(text, pem[i].kind, &body)) {
            f.type = pem[i].type;
            f.encrypted = strncmp(pem[i].kind, "ENC", 3) == 0 || contains(body, "4,ENCRYPTED");
            *ret = f;
            return VV_OK;
        }
    }
    return vv_error_set(err, VV_EUNSUPPORTED, "not a private key");
}

void
ssh_key_file_release(struct ssh_key_file *f)
{
    vv_buf_release(&f->public_key);
    *f = (struct ssh_key_file){0};
}
