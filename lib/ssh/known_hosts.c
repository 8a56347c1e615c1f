/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading known_hosts files. */
#include "ssh/known_hosts.h"

#include <ctype.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/secret.h"

struct line {
    struct vv_span hosts;
    struct vv_span type;
    struct vv_span key; /* base64 */
    bool revoked;
    bool authority;
};

void
known_hosts_name(const char *host, unsigned port, struct vv_buf *out)
{
    const bool usual = port == 22 || port == 0;

    vv_buf_put_text(out, usual ? "" : "[");
    for (; *host != '\0'; host++) {
        vv_buf_put_u8(out, (uint8_t)tolower((unsigned char)*host));
    }
    if (!usual) {
        vv_buf_printf(out, "]:%u", port);
    }
}

/* ---- the parts of a line ---- */

static struct vv_span
next_word(struct vv_span *rest)
{
    size_t begin = 0;
    size_t end;

    while (begin < rest->len && (rest->data[begin] == ' ' || rest->data[begin] == '\t')) {
        begin++;
    }
    for (end = begin; end < rest->len && rest->data[end] != ' ' && rest->data[end] != '\t'; end++) {
    }
    struct vv_span word = end > begin ? vv_span(rest->data + begin, end - begin) : vv_span(NULL, 0);
    *rest = end < rest->len ? vv_span(rest->data + end, rest->len - end) : vv_span(NULL, 0);
    return word;
}

static bool
is(struct vv_span word, const char *text)
{
    return word.len == strlen(text) && memcmp(word.data, text, word.len) == 0;
}

/* False: a comment, empty, or nothing that can be understood. */
static bool
split(struct vv_span text, struct line *ret)
{
    *ret = (struct line){0};
    if (text.len > 0 && text.data[text.len - 1] == '\r') {
        text.len--;
    }
    struct vv_span word = next_word(&text);
    if (word.len == 0 || word.data[0] == '#') {
        return false;
    }
    if (word.data[0] == '@') {
        ret->revoked = is(word, "@revoked");
        ret->authority = is(word, "@cert-authority");
        if (!ret->revoked && !ret->authority) {
            return false;
        }
        word = next_word(&text);
    }
    ret->hosts = word;
    ret->type = next_word(&text);
    ret->key = next_word(&text);
    return ret->key.len > 0;
}

/* ---- does a line speak of a host ---- */

/* '*' and '?', without regard to case; ${name} is in lower case. */
static bool
pattern_fits(struct vv_span pattern, const char *name)
{
    size_t star = SIZE_MAX; /* where the last '*' stands */
    const char *retry = NULL;
    size_t at = 0;

    while (*name != '\0') {
        if (at < pattern.len && pattern.data[at] == '*') {
            star = at++;
            retry = name;
        } else if (at < pattern.len &&
                   (pattern.data[at] == '?' || tolower(pattern.data[at]) == (unsigned char)*name)) {
            at++;
            name++;
        } else if (star != SIZE_MAX) {
            at = star + 1;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (at < pattern.len && pattern.data[at] == '*') {
        at++;
    }
    return at == pattern.len;
}

static bool
list_fits(struct vv_span list, const char *name)
{
    bool fits = false;

    while (list.len > 0) {
        const uint8_t *comma = memchr(list.data, ',', list.len);
        struct vv_span one =
            vv_span(list.data, comma == NULL ? list.len : (size_t)(comma - list.data));
        list = comma == NULL ? vv_span(NULL, 0) : vv_span(comma + 1, list.len - one.len - 1);
        bool negated = one.len > 0 && one.data[0] == '!';
        if (negated) {
            one = vv_span(one.data + 1, one.len - 1);
        }
        if (one.len > 0 && pattern_fits(one, name)) {
            if (negated) {
                return false; /* K3 */
            }
            fits = true;
        }
    }
    return fits;
}

/* "|1|salt|hash": the name's HMAC-SHA1 under the salt. */
static enum vv_rc
hash_fits(struct vv_span hosts, const char *name, bool *ret, struct vv_error *err)
{
    struct vv_buf salt = {0};
    struct vv_buf want = {0};
    uint8_t got[20];
    enum vv_rc rc = VV_OK;

    *ret = false;
    hosts = vv_span(hosts.data + 3, hosts.len - 3);
    const uint8_t *bar = hosts.len == 0 ? NULL : memchr(hosts.data, '|', hosts.len);
    if (bar != NULL) {
        size_t salt_len = (size_t)(bar - hosts.data);
        if (ssh_base64_decode(&salt, vv_span(hosts.data, salt_len)) &&
            ssh_base64_decode(&want, vv_span(bar + 1, hosts.len - salt_len - 1)) && !salt.failed &&
            salt.len > 0 && want.len == sizeof(got)) {
            rc = hmac_sha1(salt.data, salt.len, name, strlen(name), got, err);
            *ret = rc == VV_OK && crypto_equal(got, want.data, sizeof(got)) != 0;
        }
        if (rc == VV_OK && (salt.failed || want.failed)) {
            rc = vv_error_nomem(err);
        }
    }
    vv_buf_release(&salt);
    vv_buf_release(&want);
    return rc;
}

static enum vv_rc
hosts_fit(struct vv_span hosts, const char *name, bool *ret, struct vv_error *err)
{
    if (hosts.len > 3 && memcmp(hosts.data, "|1|", 3) == 0) {
        return hash_fits(hosts, name, ret, err);
    }
    *ret = list_fits(hosts, name);
    return VV_OK;
}

/* ---- what follows from it ---- */

static void
settle(struct known_hosts_findings *f, enum known_hosts_verdict verdict, const char *file,
       unsigned line, struct vv_span key)
{
    if (verdict <= f->verdict) {
        return; /* K1, K2 */
    }
    f->verdict = verdict;
    f->file = file;
    f->line = line;
    f->type = ssh_key_type_of(key);
    ssh_key_fingerprint(key, f->fingerprint);
}

static void
weigh(const struct line *l, struct vv_span line_key, const char *file, unsigned number,
      struct vv_span key, struct known_hosts_findings *f)
{
    bool same = key.len == line_key.len && memcmp(key.data, line_key.data, key.len) == 0;

    if (l->authority) {
        f->authority = true;
    } else if (l->revoked) {
        if (same) {
            settle(f, KNOWN_HOSTS_REVOKED, file, number, line_key);
        }
    } else {
        f->types |= 1u << ssh_key_type_of(line_key);
        if (key.len > 0) {
            settle(f, same ? KNOWN_HOSTS_MATCH : KNOWN_HOSTS_MISMATCH, file, number, line_key);
        }
    }
}

static enum vv_rc
search_line(struct vv_span text, const char *file, unsigned number, const char *name,
            struct vv_span key, struct known_hosts_findings *f, struct vv_error *err)
{
    struct vv_buf raw = {0};
    struct line l;
    bool fits;

    if (!split(text, &l)) {
        return VV_OK;
    }
    VV_TRY(hosts_fit(l.hosts, name, &fits, err));
    if (!fits) {
        return VV_OK;
    }
    enum vv_rc rc = VV_OK;
    if (ssh_base64_decode(&raw, l.key)) {
        rc = vv_buf_check(&raw, err);
        struct vv_span type = ssh_key_name_of(vv_buf_span(&raw));
        if (rc == VV_OK && type.len > 0 && type.len == l.type.len &&
            memcmp(type.data, l.type.data, type.len) == 0) {
            weigh(&l, vv_buf_span(&raw), file, number, key, f);
        }
    }
    vv_buf_release(&raw);
    return rc;
}

enum vv_rc
known_hosts_search(struct vv_span text, const char *file, const char *name, struct vv_span key,
                   struct known_hosts_findings *f, struct vv_error *err)
{
    for (unsigned number = 1; text.len > 0; number++) {
        const uint8_t *newline = memchr(text.data, '\n', text.len);
        size_t len = newline == NULL ? text.len : (size_t)(newline - text.data);
        VV_TRY(search_line(vv_span(text.data, len), file, number, name, key, f, err));
        if (newline == NULL) {
            break;
        }
        text = vv_span(newline + 1, text.len - len - 1);
    }
    return VV_OK;
}
