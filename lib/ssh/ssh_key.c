/* SPDX-License-Identifier: BSD-2-Clause */
/* Types and fingerprints of keys, base64. */
#include "ssh/ssh_key.h"

#include <string.h>

#include "crypto/hash.h"

static const struct {
    const char *name;
    const char *label;
} types[SSH_KEY_TYPES] = {
    [SSH_KEY_UNKNOWN] = {"", "unknown"},
    [SSH_KEY_ED25519] = {"ssh-ed25519", "ED25519"},
    [SSH_KEY_ECDSA_256] = {"ecdsa-sha2-nistp256", "ECDSA"},
    [SSH_KEY_ECDSA_384] = {"ecdsa-sha2-nistp384", "ECDSA"},
    [SSH_KEY_ECDSA_521] = {"ecdsa-sha2-nistp521", "ECDSA"},
    [SSH_KEY_RSA] = {"ssh-rsa", "RSA"},
    [SSH_KEY_DSA] = {"ssh-dss", "DSA"},
    [SSH_KEY_SK_ED25519] = {"sk-ssh-ed25519@openssh.com", "ED25519-SK"},
    [SSH_KEY_SK_ECDSA] = {"sk-ecdsa-sha2-nistp256@openssh.com", "ECDSA-SK"},
    [SSH_KEY_CERTIFICATE] = {"", "certificate"},
};

const char *
ssh_key_type_name(enum ssh_key_type type)
{
    return type < SSH_KEY_TYPES ? types[type].name : "";
}

const char *
ssh_key_type_label(enum ssh_key_type type)
{
    return type < SSH_KEY_TYPES ? types[type].label : "unknown";
}

enum ssh_key_type
ssh_key_type_from_name(struct vv_span name)
{
    static const char certificate[] = "-cert-v01@openssh.com";

    for (unsigned i = 0; i < SSH_KEY_TYPES; i++) {
        if (name.len > 0 && strlen(types[i].name) == name.len &&
            memcmp(types[i].name, name.data, name.len) == 0) {
            return (enum ssh_key_type)i;
        }
    }
    if (name.len >= sizeof(certificate) && memcmp(name.data + name.len - (sizeof(certificate) - 1),
                                                  certificate, sizeof(certificate) - 1) == 0) {
        return SSH_KEY_CERTIFICATE;
    }
    return SSH_KEY_UNKNOWN;
}

struct vv_span
ssh_key_name_of(struct vv_span key)
{
    if (key.len < 4) {
        return vv_span(NULL, 0);
    }
    size_t len = (size_t)key.data[0] << 24 | (size_t)key.data[1] << 16 | (size_t)key.data[2] << 8 |
                 key.data[3];
    return len > key.len - 4 ? vv_span(NULL, 0) : vv_span(key.data + 4, len);
}

enum ssh_key_type
ssh_key_type_of(struct vv_span key)
{
    return ssh_key_type_from_name(ssh_key_name_of(key));
}

/* ---- fingerprints ---- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char prefix[] = "SHA256:";
enum { FINGERPRINT_DIGITS = 43 };

/* Three bytes (missing ones are zero) as four digits. */
static void
encode_group(const uint8_t *data, size_t len, char out[4])
{
    uint32_t bits = (uint32_t)data[0] << 16 | (len > 1 ? (uint32_t)data[1] << 8 : 0) |
                    (len > 2 ? (uint32_t)data[2] : 0);
    for (unsigned i = 0; i < 4; i++) {
        out[i] = digits[bits >> (18 - 6 * i) & 63];
    }
    if (len < 3) {
        out[3] = '=';
    }
    if (len < 2) {
        out[2] = '=';
    }
}

void
ssh_key_fingerprint(struct vv_span key, char out[SSH_FINGERPRINT_SIZE])
{
    uint8_t digest[32];

    sha256(key.data, key.len, digest);
    memcpy(out, prefix, sizeof(prefix) - 1);
    out += sizeof(prefix) - 1;
    for (size_t at = 0; at < sizeof(digest); at += 3) {
        encode_group(digest + at, sizeof(digest) - at, out + at / 3 * 4);
    }
    out[FINGERPRINT_DIGITS] = '\0';
}

static const char *
bare(const char *text)
{
    return strncmp(text, prefix, sizeof(prefix) - 1) == 0 ? text + sizeof(prefix) - 1 : text;
}

bool
ssh_key_fingerprint_valid(const char *text)
{
    const char *at = bare(text);
    size_t len = strspn(at, digits);
    return len == FINGERPRINT_DIGITS && (at[len] == '\0' || strcmp(at + len, "=") == 0);
}

bool
ssh_key_fingerprint_same(const char *a, const char *b)
{
    return ssh_key_fingerprint_valid(a) && ssh_key_fingerprint_valid(b) &&
           memcmp(bare(a), bare(b), FINGERPRINT_DIGITS) == 0;
}

/* ---- base64 ---- */

void
ssh_base64_encode(struct vv_buf *out, struct vv_span data)
{
    char group[4];

    for (size_t at = 0; at < data.len; at += 3) {
        encode_group(data.data + at, data.len - at, group);
        vv_buf_put(out, group, sizeof(group));
    }
}

static int
value_of(uint8_t c)
{
    const char *found = c == '\0' ? NULL : strchr(digits, c);
    return found == NULL ? -1 : (int)(found - digits);
}

bool
ssh_base64_decode(struct vv_buf *out, struct vv_span text)
{
    uint32_t bits = 0;
    unsigned have = 0; /* digits of the present group, padding included */
    unsigned padding = 0;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c == '\n' || c == '\r') {
            continue;
        }
        int value = value_of(c);
        if (c == '=' ? have < 2 || padding == 2 : value < 0 || padding > 0) {
            return false;
        }
        padding += c == '=';
        bits = bits << 6 | (uint32_t)(c == '=' ? 0 : value);
        if (++have == 4) {
            const uint8_t group[3] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
            vv_buf_put(out, group, 3 - padding);
            have = 0;
            bits = 0;
        }
    }
    if (have == 0 || padding > 0) {
        return have == 0;
    }
    if (have == 1) {
        return false;
    }
    bits <<= 6 * (4 - have);
    const uint8_t group[3] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), 0};
    vv_buf_put(out, group, have - 1);
    return true;
}
