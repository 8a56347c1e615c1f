/* SPDX-License-Identifier: BSD-2-Clause */
/* Key files: four lines of text that open a repository. */
#include <string.h>

#include "crypto/hash.h"
#include "crypto/secret.h"
#include "format/key_slot.h"

#define KEY_FILE_TITLE "varve key file 1"
#define KEY_FILE_LIMIT 4096u
#define KEY_FILE_LEN 256u /* enough for the canonical text */

/* The three lines the check covers. */
static void
put_lines(const struct key_file *f, struct vv_buf *out)
{
    char text[65];
    vv_buf_put_text(out, KEY_FILE_TITLE "\nrepository ");
    vv_hex(text, f->repository.b, sizeof(f->repository.b));
    vv_buf_put_text(out, text);
    vv_buf_put_text(out, "\nkey ");
    vv_hex(text, f->secret, sizeof(f->secret));
    vv_buf_put_text(out, text);
    vv_buf_put_text(out, "\n");
    crypto_wipe(text, sizeof(text));
}

static void
check_of(const struct vv_span lines, char out[9])
{
    uint8_t digest[32];
    blake2b_256(NULL, 0, &lines, 1, digest);
    vv_hex(out, digest, 4);
}

enum vv_rc
key_file_encode(const struct key_file *f, struct vv_buf *out, struct vv_error *err)
{
    VV_TRY(vv_buf_reserve(out, KEY_FILE_LEN, err)); /* no copies of the key in freed memory */
    size_t start = out->len;
    put_lines(f, out);
    VV_TRY(vv_buf_check(out, err));
    char check[9];
    check_of(vv_span(out->data + start, out->len - start), check);
    vv_buf_put_text(out, "check ");
    vv_buf_put_text(out, check);
    vv_buf_put_text(out, "\n");
    return vv_buf_check(out, err);
}

/* The next line without its end and without blanks there (files get copied by hand). */
static struct vv_span
next_line(struct vv_span *text)
{
    const uint8_t *newline = text->len > 0 ? memchr(text->data, '\n', text->len) : NULL;
    size_t len = newline == NULL ? text->len : (size_t)(newline - text->data);
    struct vv_span line = vv_span(text->data, len);
    size_t step = newline == NULL ? len : len + 1;
    if (step > 0) {
        *text = vv_span(text->data + step, text->len - step);
    }
    while (line.len > 0 && (line.data[line.len - 1] == ' ' || line.data[line.len - 1] == '\t' ||
                            line.data[line.len - 1] == '\r')) {
        line.len--;
    }
    return line;
}

/* A line "word digits"; ${len} bytes of digits. */
static bool
parse_line(struct vv_span line, const char *word, uint8_t *out, size_t len)
{
    size_t word_len = strlen(word);
    if (line.len <= word_len || memcmp(line.data, word, word_len) != 0) {
        return false;
    }
    return vv_unhex(out, len, (const char *)line.data + word_len, line.len - word_len);
}

static enum vv_rc
decode_lines(struct vv_span text, struct key_file *f, uint8_t check[4], struct vv_error *err)
{
    struct vv_span line = next_line(&text);
    if (line.len != strlen(KEY_FILE_TITLE) || memcmp(line.data, KEY_FILE_TITLE, line.len) != 0) {
        return vv_error_set(err, VV_ECORRUPT, "key file: line 1 is not '" KEY_FILE_TITLE "'");
    }
    if (!parse_line(next_line(&text), "repository ", f->repository.b, sizeof(f->repository.b))) {
        return vv_error_set(err, VV_ECORRUPT,
                            "key file: line 2 is not 'repository' and 32 hexadecimal digits");
    }
    if (!parse_line(next_line(&text), "key ", f->secret, sizeof(f->secret))) {
        return vv_error_set(err, VV_ECORRUPT,
                            "key file: line 3 is not 'key' and 64 hexadecimal digits");
    }
    if (!parse_line(next_line(&text), "check ", check, 4)) {
        return vv_error_set(err, VV_ECORRUPT,
                            "key file: line 4 is not 'check' and 8 hexadecimal digits");
    }
    while (text.len > 0) {
        if (next_line(&text).len > 0) {
            return vv_error_set(err, VV_ECORRUPT, "key file: more than four lines");
        }
    }
    return VV_OK;
}

/* Compare the check with that of the canonical text. */
static enum vv_rc
verify_check(const struct key_file *f, const uint8_t check[4], struct vv_error *err)
{
    struct vv_buf lines = {0};
    enum vv_rc rc = vv_buf_reserve(&lines, KEY_FILE_LEN, err);
    if (rc == VV_OK) {
        put_lines(f, &lines);
        rc = vv_buf_check(&lines, err);
    }
    if (rc == VV_OK) {
        char expected[9];
        char found[9];
        check_of(vv_buf_span(&lines), expected);
        vv_hex(found, check, 4);
        if (memcmp(expected, found, 8) != 0) {
            rc = vv_error_set(err, VV_ECORRUPT,
                              "key file: line 4: the check does not match the lines before it");
            vv_error_hint(err, "a character of the key file was changed; use another copy");
        }
    }
    if (lines.data != NULL) {
        crypto_wipe(lines.data, lines.cap);
    }
    vv_buf_release(&lines);
    return rc;
}

enum vv_rc
key_file_decode(struct vv_span text, struct key_file *ret, struct vv_error *err)
{
    if (text.len > KEY_FILE_LIMIT) {
        return vv_error_set(err, VV_ECORRUPT, "key file: too large to be one (%zu bytes)",
                            text.len);
    }
    struct key_file f;
    uint8_t check[4];
    enum vv_rc rc = decode_lines(text, &f, check, err);
    if (rc == VV_OK) {
        rc = verify_check(&f, check, err);
    }
    if (rc == VV_OK) {
        *ret = f;
    }
    crypto_wipe(&f, sizeof(f));
    return rc;
}
