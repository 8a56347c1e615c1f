/* SPDX-License-Identifier: BSD-2-Clause */
/* What can be said of a URL without asking anybody. */
#include <string.h>

#include "http/http.h"

/* What stands behind "http://" or "https://"; NULL: neither. */
static const char *
behind_scheme(const char *url)
{
    if (strncmp(url, "http://", 7) == 0) {
        return url + 7;
    }
    return strncmp(url, "https://", 8) == 0 ? url + 8 : NULL;
}

/* The host with its port, behind a user's name. */
static struct vv_span
host_of(const char *authority)
{
    size_t len = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', len);
    const char *begin = at != NULL ? at + 1 : authority;

    return vv_span(begin, len - (size_t)(begin - authority));
}

enum vv_rc
http_url_check(const char *url, struct vv_error *err)
{
    const char *authority = behind_scheme(url);

    if (authority == NULL) {
        return vv_error_set(err, VV_EUSAGE,
                            "the URL begins neither with http:// nor with https://");
    }
    for (const char *p = url; *p != '\0'; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '\\') {
            (void)vv_error_set(err, VV_EUSAGE, "the URL has a character in it that none may have");
            vv_error_hint(err, "write blanks as %%20");
            return VV_EUSAGE;
        }
    }
    if (host_of(authority).len == 0 || host_of(authority).data[0] == ':') {
        return vv_error_set(err, VV_EUSAGE, "the URL names no host");
    }
    return VV_OK;
}

void
http_url_host(const char *url, struct vv_buf *out)
{
    const char *authority = behind_scheme(url);
    struct vv_span host = authority != NULL ? host_of(authority) : vv_span(NULL, 0);

    if (host.len > 0) {
        vv_buf_put(out, host.data, host.len);
    } else {
        vv_buf_put_text(out, "(no host)");
    }
}

void
http_answer_release(struct http_answer *a)
{
    vv_buf_release(&a->body);
    *a = (struct http_answer){0};
}
