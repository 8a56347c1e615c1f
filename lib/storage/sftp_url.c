/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking an sftp URL apart; see sftp_url.h. */
#include "storage/sftp_url.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "storage/storage_internal.h"

#define FORM "sftp://[USER@]HOST[:PORT]/PATH"

enum { PORT_MAX = 65535, PORT_DIGITS = 5, HOST_MAX = 255, ADDRESS_MAX = 45 };

void
sftp_url_release(struct sftp_url *u)
{
    vv_free(u->user);
    vv_free(u->host);
    vv_free(u->path);
    *u = (struct sftp_url){0};
}

/* Refuse ${url} because of ${what}.  ${url} may hold a password: it is not repeated. */
static enum vv_rc
refuse(const char *what, struct vv_error *err)
{
    vv_error_set(err, VV_EUSAGE, "malformed sftp URL: %s", what);
    vv_error_hint(err, "the form is " FORM "; a path relative to the login directory is written "
                       "/~/PATH, an IPv6 address [ADDRESS], an odd character %%XX");
    return VV_EUSAGE;
}

/* text[0..len) without its escapes. */
static enum vv_rc
decode(const char *text, size_t len, char **ret, struct vv_error *err)
{
    VV_CLEANUP(vv_freep) char *copy = vv_memdup(text, len);
    if (copy == NULL) {
        (void)vv_error_nomem(err);
        return VV_ENOMEM;
    }
    if (!storage_percent_decode(copy)) {
        return refuse("a percent sign is not followed by two hexadecimal digits (or makes a NUL)",
                      err);
    }
    *ret = TAKE(copy);
    return VV_OK;
}

static bool
has_control(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            return true;
        }
    }
    return false;
}

static enum vv_rc
parse_user(const char *text, size_t len, struct sftp_url *u, struct vv_error *err)
{
    if (memchr(text, ':', len) != NULL) {
        vv_error_set(err, VV_EUSAGE, "there is a password in the sftp URL");
        vv_error_hint(err,
                      "leave it out (others can see it there): use a key, or give the password "
                      "by VARVE_SSH_PASSWORD_FILE or VARVE_SSH_PASSWORD_COMMAND");
        return VV_EUSAGE;
    }
    VV_TRY(decode(text, len, &u->user, err));
    if (u->user[0] == '\0' || u->user[0] == '-' || has_control(u->user)) {
        return refuse("that is no name of a user before the '@'", err);
    }
    return VV_OK;
}

/* host[0..len): a name, or an IPv4 address. */
static enum vv_rc
parse_name(const char *text, size_t len, struct sftp_url *u, struct vv_error *err)
{
    if (len == 0) {
        return refuse("there is no host", err);
    }
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-';
        if (!fine) {
            return refuse("a host is made of letters, digits, '.', '-' and '_'", err);
        }
    }
    if (text[0] == '-' || len > HOST_MAX) {
        return refuse("that is no name of a host", err);
    }
    u->host = vv_memdup(text, len);
    return u->host == NULL ? vv_error_nomem(err) : VV_OK;
}

/* text[0..len): an IPv6 address, maybe with %25zone. */
static enum vv_rc
parse_address(const char *text, size_t len, struct sftp_url *u, struct vv_error *err)
{
    char address[ADDRESS_MAX + 1];
    struct in6_addr ignored;

    VV_TRY(decode(text, len, &u->host, err));
    size_t head = strcspn(u->host, "%");
    if (head == 0 || head > ADDRESS_MAX || has_control(u->host)) {
        return refuse("there is no IPv6 address between the brackets", err);
    }
    memcpy(address, u->host, head);
    address[head] = '\0';
    if (inet_pton(AF_INET6, address, &ignored) != 1 || strchr(u->host, ' ') != NULL) {
        return refuse("there is no IPv6 address between the brackets", err);
    }
    return VV_OK;
}

static enum vv_rc
parse_port(const char *text, size_t len, struct sftp_url *u, struct vv_error *err)
{
    unsigned port = 0;
    if (len > 0 && len <= PORT_DIGITS) {
        for (size_t i = 0; i < len; i++) {
            if (text[i] < '0' || text[i] > '9') {
                return refuse("the port is no number", err);
            }
            port = port * 10 + (unsigned)(text[i] - '0');
        }
    }
    if (port == 0 || port > PORT_MAX) {
        return refuse("the port must be a number from 1 to 65535", err);
    }
    u->port = port;
    return VV_OK;
}

/* text[0..len): [user@]host[:port]. */
static enum vv_rc
parse_authority(const char *text, size_t len, struct sftp_url *u, struct vv_error *err)
{
    const char *end = text + len;
    const char *at = memrchr(text, '@', len);
    if (at != NULL) {
        VV_TRY(parse_user(text, (size_t)(at - text), u, err));
        text = at + 1;
    }
    const char *port = NULL;
    if (text < end && *text == '[') {
        const char *close = memchr(text, ']', (size_t)(end - text));
        if (close == NULL || (close + 1 < end && close[1] != ':')) {
            return refuse("the ']' after an IPv6 address is missing", err);
        }
        VV_TRY(parse_address(text + 1, (size_t)(close - text) - 1, u, err));
        port = close + 1 < end ? close + 1 : NULL;
    } else {
        port = memchr(text, ':', (size_t)(end - text));
        const char *stop = port != NULL ? port : end;
        VV_TRY(parse_name(text, (size_t)(stop - text), u, err));
    }
    return port == NULL ? VV_OK : parse_port(port + 1, (size_t)(end - port) - 1, u, err);
}

static enum vv_rc
parse_path(const char *text, struct sftp_url *u, struct vv_error *err)
{
    bool relative = strncmp(text, "/~", 2) == 0 && (text[2] == '/' || text[2] == '\0');
    if (text[strcspn(text, "?#")] != '\0') {
        return refuse("'?' and '#' must be written %3F and %23", err);
    }
    if (relative) {
        text += 2;
        text += strspn(text, "/");
    }
    size_t len = strlen(text);
    while (len > (relative ? 0u : 1u) && text[len - 1] == '/') {
        len--;
    }
    return len == 0 ? decode(".", 1, &u->path, err) : decode(text, len, &u->path, err);
}

enum vv_rc
sftp_url_parse(const char *url, struct sftp_url *ret, struct vv_error *err)
{
    struct sftp_url u = {0};
    static const char scheme[] = "sftp://";
    if (strncasecmp(url, scheme, strlen(scheme)) != 0) {
        return refuse("it does not begin with sftp://", err);
    }
    const char *authority = url + strlen(scheme);
    size_t len = strcspn(authority, "/?#");
    enum vv_rc rc = parse_authority(authority, len, &u, err);
    if (rc == VV_OK) {
        rc = authority[len] == '/' ? parse_path(authority + len, &u, err)
                                   : refuse("there is no path", err);
    }
    if (rc != VV_OK) {
        sftp_url_release(&u);
        return rc;
    }
    *ret = u;
    return VV_OK;
}
